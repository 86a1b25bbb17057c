"""Text files of LabVIEW: the measurement format (.lvm) with its segments, and free ``name: value`` headers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from mtjfit.data.readers.header import Row
from mtjfit.data.readers.sheet import Column, Decimal, ReadOptions, Sheet, SourceFile, split_unit, whole_or_faulty
from mtjfit.data.readers.text import TextGrid, as_sheet, grid_of, lines_of, refuse_names
from mtjfit.data.tidy import is_number, parse_number, try_split

_Line: TypeAlias = tuple[int, str]
_TITLE = "LabVIEW Measurement"
_END = "***End_of_Header***"
_SPECIAL = re.compile(r"\*\*\*(Start|End)_Special\*\*\*")
_LONGEST_HEADER = _MOST_SEGMENTS = 10_000
_FREE = re.compile(r"([^\t:]+):\s*(.*)")


def read_labview(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet for each segment of a measurement file, or one for a file with a free header.

    Separator and decimal mark of a measurement file stand in its header. A row without X value gets it from ``X0`` and
    ``Delta_X``. The last column, ``Comment``, is left out.
    """
    notes: list[str] = []
    lines = list(lines_of(source, options, notes))
    if not lines or not lines[0][1].startswith(_TITLE):
        return (_free(source, options, lines, notes),)
    return _segments(source, options, lines, notes)


def recognises_labview(source: SourceFile) -> bool:
    """True for the title of a measurement file, and for the suffix .lvm."""
    return source.data.startswith(_TITLE.encode()) or source.name.casefold().endswith(".lvm")


def _free(source: SourceFile, options: ReadOptions, lines: Sequence[_Line], notes: list[str]) -> Sheet:
    metadata: dict[str, str] = {}
    start = 0
    for start, (_, line) in enumerate(lines):
        match = _FREE.fullmatch(line.strip())
        if line.strip() and (match is None or is_number(match[1])):
            break
        if start >= _LONGEST_HEADER:
            raise source.fault(f"has more than {_LONGEST_HEADER} lines above its table", "declare another reader")
        if match is not None:
            name, unit = split_unit(match[1])
            metadata[name] = f"{match[2].strip()} {unit}" if unit else match[2].strip()
    grid = grid_of(source, replace(options, comment=""), lines[start:])
    grid.notes[:0] = notes
    return as_sheet(source, options, grid, "lvm", metadata=metadata)


def _tags(lines: Iterable[_Line], separator: str) -> dict[str, list[str]]:
    tags = {}
    for _, line in lines:
        key, *values = try_split(line, separator) or [""]
        if key:
            tags[key] = values
    return tags


def _value(tags: dict[str, list[str]], key: str) -> str:
    return next(iter(tags.get(key, [])), "")


def _segments(source: SourceFile, options: ReadOptions, lines: Sequence[_Line], notes: list[str]) -> tuple[Sheet, ...]:
    ends = [k for k, (_, line) in enumerate(lines) if line.startswith(_END)]
    if not ends:
        raise source.fault(f"has no line {_END}", "write the file anew: it was cut off", lines[-1][0])
    # The first line of the header that names the separator is itself separated by it.
    head = lines[: ends[0]]
    separator = "," if any(re.match(r"Separator\s*,\s*Comma", line) for _, line in head) else "\t"
    tags = _tags(head, separator)
    decimal: Decimal = "," if _value(tags, "Decimal_Separator") == "," else "."
    notes.append(f"separator and decimal mark '{decimal}' from the header")
    if options.decimal and options.decimal != decimal:
        raise source.fault(f"says Decimal_Separator {decimal!r}, but decimal = {options.decimal!r} is declared",
                           f"set decimal = {decimal!r} in [data.format]", head[0][0])  # fmt: skip
    body = _without_special(lines[ends[0] + 1 :])
    parts = _split_segments(body)
    if not parts:
        raise source.fault("has a header and no segment", "write the file anew: it was cut off", lines[-1][0])
    if len(parts) > _MOST_SEGMENTS:
        raise source.fault(f"has more than {_MOST_SEGMENTS} segments", "cut the file into several")
    several = len(parts) > 1
    wanted = {str(number): part for number, part in enumerate(parts, start=1) if options.sheet in ("", str(number))}
    if not wanted:
        raise source.fault(f"has no segment {options.sheet!r}", f"it has {len(parts)} segments, counted from 1")
    sheets: list[Sheet] = []
    fields = 0
    for number, (header, rows) in wanted.items():
        one = replace(source, label=f"{source.label}[segment {number}]") if several else source
        read = partial(_segment, one, options, header, rows, separator, decimal, tags)
        found = [sheet.noting(*notes) for sheet in whole_or_faulty(one.label, "lvm", number, read)]
        sheets += found
        fields += sum(len(sheet.columns) * len(sheet.lines) for sheet in found)
        if fields > options.max_cells:
            raise source.fault(f"has more than {options.max_cells} fields", "cut the file or raise max_bytes")
    return tuple(sheets)


def _without_special(lines: Iterable[_Line]) -> list[_Line]:
    """Lines outside the special blocks of other programs, which are ignored."""
    kept, inside = [], False
    for number, line in lines:
        match = _SPECIAL.match(line.strip())
        if match is not None:
            inside = match[1] == "Start"
        elif not inside and line.strip():
            kept.append((number, line))
    return kept


def _split_segments(lines: Sequence[_Line]) -> list[tuple[list[_Line], list[_Line]]]:
    """Header and rows of each segment."""
    ends = [k for k, (_, line) in enumerate(lines) if line.startswith(_END)]
    starts = []
    for end in ends:
        start = end
        while start > 0 and not lines[start - 1][1].startswith(_END) and not _is_row(lines[start - 1][1]):
            start -= 1
        starts.append(start)
    if not ends:
        return [([], list(lines))] if lines else []
    stops = [*starts[1:], len(lines)]
    return [(list(lines[a:e]), list(lines[e + 1 : b])) for a, e, b in zip(starts, ends, stops, strict=True)]


def _is_row(line: str) -> bool:
    cells = [cell for cell in re.split(r"[\t;]", line.strip()) if cell]
    return bool(cells) and is_number(cells[0].split(",")[0] if line.count(",") > len(cells) else cells[0])


def _segment(
    source: SourceFile,
    options: ReadOptions,
    header: Sequence[_Line],
    lines: Sequence[_Line],
    separator: str,
    decimal: Decimal,
    file_tags: dict[str, list[str]],
) -> tuple[Sheet, ...]:
    if not lines:
        raise source.fault("has a segment without rows", "remove it", header[-1][0] if header else None)
    inner = replace(options, separator=separator, decimal=decimal, comment="", header=(), names=())
    grid = grid_of(source, inner, lines)
    tags = _tags(header, separator)
    names = grid.header[0][1] if grid.header else []
    if "Comment" in names:
        _drop_comments(grid, names.index("Comment"))
    sheet = as_sheet(source, inner, grid, "lvm", metadata=_metadata(file_tags, tags))
    sheet = _with_x(source, sheet, tags, decimal)
    sheet = replace(sheet, columns=_with_units(sheet.columns, tags, _value(file_tags, "X_Columns") == "Multi"))
    if options.names:
        refuse_names(source, options.names, len(sheet.columns), sheet.lines[0])
        named = zip(sheet.columns, map(split_unit, options.names), strict=True)
        columns = tuple(replace(column, name=name, unit=unit or column.unit) for column, (name, unit) in named)
        sheet = replace(sheet, columns=columns)
    return (sheet,)


def _with_units(columns: tuple[Column, ...], tags: dict[str, list[str]], x_beside_each: bool) -> tuple[Column, ...]:
    """Units of the channels, which follow one X column, or each its own."""
    units = tags.get("Y_Unit_Label", [])
    channels, fault = parse_number(_value(tags, "Channels"), ".")
    count = int(channels) if fault is None and 0 < channels <= len(columns) else len([each for each in units if each])
    first, step = (1, 2) if x_beside_each else (len(columns) - count, 1)
    by_place = {first + step * k: unit for k, unit in enumerate(units[:count])}
    return tuple(replace(c, unit=c.unit or by_place.get(k) or None) for k, c in enumerate(columns))


def _drop_comments(grid: TextGrid, place: int) -> None:
    def cut(rows: list[Row]) -> list[Row]:
        return [(number, cells[:place] + [""] * (place - len(cells))) for number, cells in rows]

    grid.header, grid.rows = cut(grid.header), cut(grid.rows)


def _metadata(file_tags: dict[str, list[str]], tags: dict[str, list[str]]) -> dict[str, str]:
    wanted = ("Operator", "Date", "Time", "Project", "Description", "Channels", "Samples", "X_Dimension")
    found = {key: tags.get(key, file_tags.get(key)) for key in wanted}
    return {key: " ".join(values).strip() for key, values in found.items() if values is not None}


def _with_x(source: SourceFile, sheet: Sheet, tags: dict[str, list[str]], decimal: Decimal) -> Sheet:
    """The X values of a file that leaves them out, from their start and step."""
    if not sheet.columns or any(sheet.columns[0].cells):
        return sheet
    start, step = (parse_number(_value(tags, key), decimal) for key in ("X0", "Delta_X"))
    if start[1] is not None or step[1] is not None:
        raise source.fault("leaves out X, and X0 and Delta_X are no numbers", "write X to the file", sheet.header_line)
    cells = (repr(start[0] + step[0] * i) for i in range(len(sheet.lines)))
    x = Column(sheet.columns[0].name, None, tuple(c.replace(".", decimal) for c in cells))
    return replace(sheet, columns=(x, *sheet.columns[1:])).noting("X from X0 and Delta_X of the header")
