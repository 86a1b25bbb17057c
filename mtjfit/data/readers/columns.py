"""Columns of binary files, kept in groups without rows: a sheet for those of one group and one length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from mtjfit.data.readers.sheet import Column, ReadOptions, Sheet, SourceFile
from mtjfit.errors import did_you_mean

_SHOWN = 20
_MOST_TABLES, _MOST_VALUES = 10_000, 1_000_000
_NO_TABLE = "export the columns of one table as CSV, or as vectors of equal length in one group"


@dataclass
class Group:
    """Columns of any lengths below one name, and the numbers and texts beside them."""

    path: str
    columns: list[Column] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


def sheets_of_groups(
    source: SourceFile, options: ReadOptions, format: str, groups: Sequence[Group], left_out: Sequence[str]
) -> tuple[Sheet, ...]:
    """A sheet for each length of the columns of each group; places in messages are record numbers.

    A column of one value is a header parameter where its group has longer ones; header parameters of the first group
    hold for all. What was `left_out` is noted. DataError where nothing is left.
    """
    found: list[tuple[Group, dict[str, str], list[Column]]] = []
    for group in groups:
        lengths: dict[int, list[Column]] = {}
        for column in group.columns:
            lengths.setdefault(len(column.cells), []).append(column)
        lengths.pop(0, None)
        alone = lengths.pop(1, []) if len(lengths) > 1 else []
        values = {each.name: " ".join(filter(None, (each.cells[0], each.unit))) for each in alone}
        found += [(group, group.metadata | values, columns) for columns in lengths.values()]
    if options.sheet:
        names = [group.path for group, _, _ in found]
        found = [each for each in found if each[0].path.strip("/") == options.sheet.strip("/")]
        if not found:
            raise source.fault(f"has no group {options.sheet!r}", did_you_mean(options.sheet, names))
    if len(found) > _MOST_TABLES or len(found) * len(groups[0].metadata) > _MOST_VALUES:
        what = f"holds {len(found)} tables and {len(groups[0].metadata)} header parameters that hold for all of them"
        raise source.fault(what, "write it in several files")
    listed = ", ".join(left_out[:_SHOWN]) + (f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else "")
    if not found:
        raise source.fault("holds no table" + (f", only {listed}" if listed else ""), _NO_TABLE)
    paths = Counter(group.path for group, _, _ in found)
    sheets = []
    for group, own, columns in found:
        n = len(columns[0].cells)
        length = f", {n} rows" if paths[group.path] > 1 else ""
        label = f"{source.label}[{group.path}{length}]" if len(found) > 1 else source.label
        notes = (f"left out: {listed}",) if listed else ()
        sheets.append(Sheet(label, format, tuple(columns), tuple(range(1, n + 1)), notes=notes,
                            metadata=groups[0].metadata | own, part=group.path or "/"))  # fmt: skip
    return tuple(sheets)
