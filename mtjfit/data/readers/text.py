"""Text files cut into header lines and rows; the readers of tidy, wide and Origin tables."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from mtjfit.data.format import ENCODINGS, SEPARATORS, SPACE, HeaderLine
from mtjfit.data.readers.header import Row, mostly_numbers, n_header_lines, roles_of
from mtjfit.data.readers.sheet import Column, Decimal, ReadOptions, Sheet, SourceFile, split_unit
from mtjfit.data.readers.typography import share_of_commas
from mtjfit.data.tidy import (
    COMMENT_AMONG_DATA,
    REPEATED,
    excel_separator,
    is_number,
    numbered_lines,
    split_fields,
    try_split,
    undecodable,
    without_mark,
)
from mtjfit.errors import DataError, ProblemLog
from mtjfit.text import counted

_LOOKED_AT = 50
_SHOWN = 100  # lines at each end of a file that show its format
_LOOKED_AT_CHARACTERS = 2**20
_MOST_ROLES = 8  # header lines whose roles are worth listing
NO_ROWS = "has no rows of data"
"""What is wrong with a table that is none, such as a sheet of notes."""
_NAMES = {"\t": "TAB", ",": "','", ";": "';'", "|": "'|'", SPACE: "space"}


@dataclass
class TextGrid:
    """A text file cut into fields, header lines apart."""

    separator: str
    decimal: Decimal
    header: list[Row]
    rows: list[Row]
    comments: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    comment: str | None = None
    encoding: str = ""


def lines_of(source: SourceFile, options: ReadOptions, notes: list[str]) -> Iterator[tuple[int, str]]:
    """Lines of a file with their numbers; an encoding that was inferred goes into `notes`."""
    encoding = options.encoding or encoding_of(source.data)
    if not options.encoding and encoding != "utf-8":
        notes.append(f"encoding {encoding}: the file is not UTF-8")
    return numbered_lines(source.data, encoding, source.label, options)


def encoding_of(data: bytes) -> str:
    """The first encoding that decodes all bytes; Latin-1 decodes anything."""
    return next((each for each in ENCODINGS[:-1] if undecodable(data, each) is None), ENCODINGS[-1])


def grid_of(
    source: SourceFile,
    options: ReadOptions,
    lines: Iterable[tuple[int, str]] | None = None,
    *,
    blank_lines: bool = True,
) -> TextGrid:
    """Comments, header lines and rows of a file, or of `lines`, where a reader has taken off a preamble of its own.

    Without `blank_lines` a blank line before data is a problem.
    """
    notes: list[str] = []
    lines = lines_of(source, options, notes) if lines is None else lines
    comments, kept, blank = [], [], []
    mark, separator, log = options.comment, options.separator, ProblemLog(source.label)
    for line in lines:
        number, text = line
        if not text.strip():
            blank.append(number)
            continue
        mark = comment_mark([line]) if mark is None else mark
        comment = without_mark(text, mark)
        if comment is not None:
            comments.append((number, comment))
        elif number == 1 and (named := excel_separator(text, separator, log, number)):
            separator = named
            notes.append(f"separator {_NAMES.get(named, named)}, as the first line says")
        else:
            kept.append(line)
    log.refuse()
    if not kept:
        raise source.fault("holds only comments" if comments else "is empty", "give rows of data")
    inside = [number for number in blank if number < kept[-1][0] and number > kept[0][0]]
    if inside and not blank_lines:
        raise source.fault("is blank, and data follow", "remove the blank line, or split the file", inside[0])
    if inside:
        notes.append(f"{counted(len(inside), 'blank line')} skipped, the first is line {inside[0]}")
    separator = separator or _separator(source, kept, notes)
    rows = _fields(source, kept, separator, options)
    n = n_header_lines(options, rows)
    decimal = _decimal(options, rows[n:], notes)
    encoding = options.encoding or encoding_of(source.data)
    return TextGrid(separator, decimal, rows[:n], rows[n:], comments, notes, mark, encoding)


def ends_of(source: SourceFile) -> SourceFile:
    """The first and the last lines of a file, which show its format as well as all of them."""
    head = -1
    for _ in range(_SHOWN):
        head = source.data.find(b"\n", head + 1)
        if head < 0:
            return source
    tail = len(source.data) - 1
    for _ in range(_SHOWN):
        tail = source.data.rfind(b"\n", 0, tail)
    return source if tail <= head else replace(source, data=source.data[: head + 1] + source.data[tail + 1 :])


def comment_mark(lines: Iterable[tuple[int, str]]) -> str:
    """``%`` where the first line with anything in it begins so, else ``#``."""
    first = next((line.lstrip() for _, line in lines if line.strip()), "")
    return "%" if first.startswith("%") else "#"


def _separator(source: SourceFile, lines: Sequence[tuple[int, str]], notes: list[str]) -> str:
    """The separator that cuts the last lines, which are surely data, into rows alike with most numbers in them."""
    size = accumulate(len(line) for _, line in reversed(lines[-_LOOKED_AT:]))
    n = sum(each <= _LOOKED_AT_CHARACTERS for each in size)
    n = min(n, max(3, len(lines) // 2))  # without header lines, of which a short table has as many as rows
    looked_at = [line for _, line in lines[-max(n, 1) :]]
    best, most = "", 0.0
    # In this order where two fit equally well: commas also occur within numbers.
    for candidate in ("\t", ";", "|", ","):
        share = _share_of_numbers([try_split(line, candidate) for line in looked_at])
        if share > most:
            best, most = candidate, share
    if best in ("", ","):  # blanks also occur within names, commas within numbers
        rows = [try_split(line, SPACE) for line in looked_at]
        whole = not any(cell.startswith(",") or cell.endswith(",") for row in rows for cell in row)
        if whole and _share_of_numbers(rows) > most:
            best = SPACE
    if not best:
        counts = {each: sum(line.count(each) for line in looked_at) for each in SEPARATORS}
        best = max(counts, key=lambda each: counts[each])
        if not counts[best]:
            best = SPACE
        if max(len(try_split(line, best)) for line in looked_at) < 2:
            what = "is not separated by comma, semicolon, tab, | or spaces"
            raise source.fault(what, "give a table of two columns or more", lines[-1][0])
    notes.append(f"separator {_NAMES[best]}")
    return best


def _share_of_numbers(rows: Sequence[list[str]]) -> float:
    """Share of numbers in the rows that are as wide as the last ones; 0 where these have one field.

    Rows of another width may be broken, a preamble, or a table of their own: they say nothing against a separator.
    """
    width = Counter(map(len, rows[-3:])).most_common(1)[0][0]
    if width < 2:
        return 0.0
    alike = [row for row in rows if len(row) == width]
    # lines without any number are header lines
    filled = [cell for row in [row for row in alike if any(map(is_number, row))] or alike for cell in row if cell]
    return (1 + sum(map(is_number, filled))) / (1 + len(filled))


def _fields(source: SourceFile, lines: Iterable[tuple[int, str]], separator: str, options: ReadOptions) -> list[Row]:
    log, rows, cells = ProblemLog(source.label), [], 0
    for number, line in lines:
        try:
            row = split_fields(line, separator)
        except csv.Error as error:
            log.add(f"cannot be split into fields ({error})", "mend the quotes", number)
            continue
        cells += len(row)
        for n, most, kind in ((cells, options.max_cells, "fields"), (len(row), options.max_columns, "columns")):
            if n > most:
                raise source.fault(f"has more than {most} {kind}", "cut the file or raise max_bytes", number)
        if any(row):
            rows.append((number, row))
    log.refuse()
    return rows


def _decimal(options: ReadOptions, rows: Sequence[Row], notes: list[str]) -> Decimal:
    if options.decimal:
        return "," if options.decimal == "," else "."
    if share_of_commas(cell for _, cells in rows[:_LOOKED_AT] for cell in cells) > 0.5:
        notes.append("decimal comma")
        return ","
    return "."


def as_sheet(
    source: SourceFile,
    options: ReadOptions,
    grid: TextGrid,
    name: str,
    *,
    label: str = "",
    metadata: dict[str, str] | None = None,
) -> Sheet:
    """A sheet of a grid; roles of the header lines come from the declaration, else from a guess, which is noted.

    `name` is that of the reader, `label` stands in place of ``source.label``.
    """
    log = ProblemLog(label or source.label)
    notes = list(grid.notes)
    roles = options.header or roles_of(grid.header, grid.rows)
    if not options.header:
        notes += _header_notes(grid.header, roles)
    if len(roles) != len(grid.header) and grid.header:
        what = f"has {counted(len(grid.header), 'header line')}, {len(roles)} are expected ({', '.join(roles)})"
        raise source.fault(what, "say what they hold with header in [data.format]", grid.header[0][0])
    width = _width([row for role, row in zip(roles, grid.header, strict=False) if role != "skip"], grid, log)
    log.refuse()
    texts: dict[str, list[str]] = {"name": [""] * width, "unit": [""] * width, "comment": [""] * width}
    header_line = 0
    for role, (number, cells) in zip(roles, grid.header, strict=False):
        header_line = number if role == "name" else header_line
        for k, cell in enumerate(cells[:width]):
            if role != "skip" and cell:
                texts[role][k] = f"{texts[role][k]}; {cell}" if texts[role][k] else cell
    if grid.header and options.names:
        notes.append("names of columns as declared")
    if not header_line and not options.names:
        first = f"line {grid.rows[0][0]} is the first of data"
        notes.append(f"no header line: columns are called by their number, {first}")
    names = list(options.names) if options.names else [n or f"column {k + 1}" for k, n in enumerate(texts["name"])]
    refuse_names(source, names, width, grid.rows[0][0])
    columns = []
    for k, written in enumerate(names):
        unit = texts["unit"][k].strip("()[]") or None
        # beside a unit of its own, brackets belong to the name
        both = (written, unit) if texts["unit"][k] else split_unit(written)
        columns.append(Column(*both, tuple(cells[k] for _, cells in grid.rows), texts["comment"][k]))
    form = replace(
        options,
        separator=grid.separator,
        decimal=grid.decimal,
        comment=grid.comment,
        encoding=grid.encoding,
        header=roles,
        names=() if header_line else tuple(map(_whole_name, columns)),
    )
    return Sheet(log.label, name, tuple(columns), tuple(number for number, _ in grid.rows), header_line, metadata or {},
                 tuple(notes), grid.decimal, tuple(grid.comments), form)  # fmt: skip


def _whole_name(column: Column) -> str:
    return f"{column.name} ({column.unit})" if column.unit else column.name


def refuse_names(source: SourceFile, names: Sequence[str], width: int, line: int) -> None:
    """Raise a DataError unless there is one declared name for each column."""
    if len(names) != width:
        what = f"has {counted(width, 'column')}, but {counted(len(names), 'name is', 'names are')} declared"
        raise source.fault(what, "name every column in [data.format]", line)


def _header_notes(header: Sequence[Row], roles: Sequence[HeaderLine]) -> Iterator[str]:
    """What was inferred of the header lines."""
    if not header:
        return
    if 1 < len(roles) <= _MOST_ROLES:
        yield "header lines taken as " + ", ".join(roles)
    above = roles.index("name") if "name" in roles else len(roles)
    if above and (len(roles) > _MOST_ROLES or above == len(roles)):
        lines = f"line {header[0][0]}" if above == 1 else f"lines {header[0][0]} to {header[above - 1][0]}"
        yield f"{lines} above the table taken as a preamble"
    if above < len(roles) and mostly_numbers(header[above][1]):
        yield f"names of columns in line {header[above][0]}, though most of them are numbers"


def _width(header: Sequence[Row], grid: TextGrid, log: ProblemLog) -> int:
    """Number of columns: that of the header lines, else of the first row; other rows are problems."""
    if not grid.rows:
        log.add(NO_ROWS, "give one row per point", grid.header[-1][0] if grid.header else None)
        return 0
    width = max(len(cells) for _, cells in [*header, grid.rows[0]])
    # A separator at the end of every line makes no column.
    while width > 1 and not any(len(cells) >= width and cells[width - 1] for _, cells in [*header, *grid.rows]):
        width -= 1
    for number, cells in grid.rows:
        if len(cells) < width or any(cells[width:]):
            log.add(f"has {counted(len(cells), 'field')}, {width} are expected", "give every column one field", number)
    return width


def read_tidy(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A table with one header line and a name of its own for each column; comments stand above the header."""
    grid = grid_of(source, options, blank_lines=False)
    log = ProblemLog(source.label)
    first = grid.header[0][0] if grid.header else grid.rows[0][0] if grid.rows else 0
    for number, _ in grid.comments:
        if number > first:
            log.add("is a comment among the data", COMMENT_AMONG_DATA, number)
    sheet = as_sheet(source, options, grid, "tidy")
    for name, count in Counter(sheet.named.full).items():
        if count > 1:
            log.add(f"stands {count} times in the header", REPEATED, sheet.header_line or None, name)
    log.refuse()
    return (sheet,)


def read_wide(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A table of several series side by side: names may repeat, blank lines may stand anywhere."""
    return (as_sheet(source, options, grid_of(source, options), "wide"),)


def recognises_wide(source: SourceFile) -> bool:
    """True where a name of the only header line repeats."""
    try:
        grid = grid_of(ends_of(source), ReadOptions())
        sheet = as_sheet(source, ReadOptions(), replace(grid, rows=grid.rows[:1]), "wide")
    except DataError:
        return False
    return len(grid.header) == 1 and len(set(sheet.names)) < len(sheet.names)


def read_origin(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """An ASCII export of Origin: several header lines, as a rule long name, units and comments.

    Their roles are noted unless `ReadOptions.header` declares them. Names repeat where several data sets stand side by
    side; the comment tells them apart.
    """
    return (as_sheet(source, options, grid_of(source, options), "origin"),)


def recognises_origin(source: SourceFile) -> bool:
    """True for two to eight header lines."""
    try:
        return len(grid_of(ends_of(source), ReadOptions()).header) > 1
    except DataError:
        return False
