"""Columns of binary files, kept in groups without rows: a sheet for those of one group and one length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mtjfit.data.readers.sheet import Column, ReadOptions, Sheet, SourceFile
from mtjfit.errors import DataError, did_you_mean

_SHOWN = 20
_MOST_TABLES, _MOST_VALUES = 10_000, 1_000_000
_NO_TABLE = "export the columns of one table as CSV, or as vectors of equal length in one group"


@dataclass
class Group:
    """Columns of any lengths below one name, and the numbers and texts beside them."""

    path: str
    columns: list[Column] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


@contextmanager
def or_left_out(where: str, left_out: list[str]) -> Iterator[None]:
    """Note what a library cannot read in place of its error; limits that are exceeded are raised."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # as in `third_party`
        left_out.append(f"{where} (cannot be read: {' '.join(str(error).split())[:80] or type(error).__name__})")


def sheets_of_groups(
    source: SourceFile, options: ReadOptions, format: str, groups: Sequence[Group], left_out: Sequence[str]
) -> tuple[Sheet, ...]:
    """A sheet for each length of the columns of each group; places in messages are record numbers.

    A column of one value is a header parameter where its group has longer ones; header parameters of the first group
    hold for all. Sheets of a group with several lengths are called by their number of rows, too. What was `left_out` is
    noted. DataError where nothing is left.
    """
    found: list[tuple[Group, str, dict[str, str], list[Column]]] = []
    for group in groups:
        lengths: dict[int, list[Column]] = {}
        for column in group.columns:
            lengths.setdefault(len(column.cells), []).append(column)
        lengths.pop(0, None)
        alone = lengths.pop(1, []) if len(lengths) > 1 else []
        values = {each.name: " ".join(filter(None, (each.cells[0], each.unit))) for each in alone}
        own, path = group.metadata | values, group.path or "/"
        found += [(group, path if len(lengths) == 1 else f"{path}, {n} rows", own, columns)
                  for n, columns in lengths.items()]  # fmt: skip
    if options.sheet:
        parts, wanted = [part for _, part, _, _ in found], options.sheet.strip("/")
        found = [each for each in found if wanted in (each[0].path.strip("/"), each[1].strip("/"))]
        if not found:
            raise source.fault(f"has no group {options.sheet!r}", did_you_mean(options.sheet, parts))
    if len(found) > _MOST_TABLES or len(found) * len(groups[0].metadata) > _MOST_VALUES:
        what = f"holds {len(found)} tables and {len(groups[0].metadata)} header parameters that hold for all of them"
        raise source.fault(what, "write it in several files")
    listed = ", ".join(left_out[:_SHOWN]) + (f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else "")
    if not found:
        raise source.fault("holds no table" + (f", only {listed}" if listed else ""), _NO_TABLE)
    sheets = []
    for _, part, own, columns in found:
        label = f"{source.label}[{part}]" if len(found) > 1 else source.label
        notes = (f"left out: {listed}",) if listed else ()
        lines = tuple(range(1, len(columns[0].cells) + 1))
        sheets.append(Sheet(label, format, tuple(columns), lines, notes=notes, part=part,
                            metadata=groups[0].metadata | own))  # fmt: skip
    return tuple(sheets)
