"""The strict header and rows of a plain table: delimited text with one header line.

Nothing is skipped and nothing is guessed. Every fault has its line and column.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from mtjfit.data.column_names import ColumnNames
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.format import SEPARATORS, SPACE
from mtjfit.data.readers.sheet import Column, Sheet, SourceFile
from mtjfit.data.tidy import (
    COMMENT_AMONG_DATA,
    LETTERS,
    REPEATED,
    SET_SPACE,
    excel_separator,
    is_number,
    numbered_lines,
    split_fields,
    try_split,
    without_mark,
)
from mtjfit.errors import Problem, ProblemLog
from mtjfit.text import counted

_LOOKED_AT = 200  # names of a header
_COMMENTS = 200  # above the header, that may be the header


@dataclass(frozen=True)
class Header:
    """The header as understood: its line counted from 1, all column names, the column of each declared role in `place`.

    `comments` are the lines above it, without the comment character.
    """

    line: int
    names: tuple[str, ...]
    separator: str
    place: dict[str, int]
    comments: tuple[tuple[int, str], ...] = ()


def find_header(
    lines: Iterator[tuple[int, str]], declaration: TableDeclaration, log: ProblemLog, given: Container[str] = ()
) -> Header | None:
    """Take comments and header off `lines`; None, with problems in `log`, where the header does not fit.

    Columns that are `given` elsewhere, such as in the name of the file, may be missing.
    """
    comments: list[tuple[int, str]] = []
    separator = declaration.format.separator
    for number, line in lines:
        comment = without_mark(line, declaration.format.comment)
        if comment is not None:
            comments.append((number, comment))
        elif number == 1 and (named := excel_separator(line, separator, log, number)):
            separator = named
        elif line.strip():
            return None if log.count else _header(number, line, separator, tuple(comments), declaration, log, given)
    log.add("holds only comments" if comments else "is empty", "give a header line and rows of data")
    return None


def _header(
    number: int,
    line: str,
    separator: str,
    comments: tuple[tuple[int, str], ...],
    declaration: TableDeclaration,
    log: ProblemLog,
    given: Container[str],
) -> Header | None:
    roles = declaration.columns.roles()
    wanted = {role: column for role, column in roles.items() if column not in given}
    candidates = [separator] if separator else SEPARATORS
    found = {separator: try_split(line, separator) for separator in candidates}
    named = {separator: ColumnNames.of_header(names) for separator, names in found.items()}
    fitting = [each for each in found if found[each] and all(map(named[each].places, wanted.values()))]
    if len(fitting) > 1:
        what = f"the header can be read with any of the separators {', '.join(map(repr, fitting))}"
        log.add(what, "set separator in [data.format]", number)
        return None
    if not fitting and all(map(ColumnNames.of_header(try_split(line, SPACE)).places, wanted.values())):
        log.add("is separated by spaces", SET_SPACE, number)
        return None
    if not fitting:
        _explain_header(number, found, named, wanted, comments, log)
        return None
    names = found[fitting[0]]
    if any(map(is_number, wanted.values())):
        log.add(*_numbers_for_names(names), number)
        return None
    if _repeated(number, names, log):
        return None
    known, place = named[fitting[0]], {}
    for role, column in roles.items():
        places = known.places(column)
        if len(places) > 1:
            log.add(*known.fault(column, role), number, column)
        elif places:
            place[role] = places[0]
    for column, fault in known.twice(roles):
        log.add(*fault, number, column)
    if log.count:
        return None
    return Header(number, tuple(names), fitting[0], place, comments)


def holds_numbers(cells: Sequence[str]) -> bool:
    """True where at least half of the first cells with anything in them are numbers."""
    filled = [cell for cell in cells[:_LOOKED_AT] if cell]
    return bool(filled) and 2 * sum(map(is_number, filled)) >= len(filled)


def _numbers_for_names(cells: Sequence[str]) -> tuple[str, str]:
    """Fault and remedy of a line that holds numbers where names are expected."""
    return "holds numbers, not the names of columns", (
        f'name each of its {counted(len(cells), "column")} in [data.format], such as names = ["V (mV)", "par", "perp"]'
        ', and declare these names; or add a header line. If these are names: set reader = "tidy" and header = ["name"]'
    )


def _repeated(number: int, names: Sequence[str], log: ProblemLog) -> bool:
    repeated = {name: count for name, count in Counter(filter(None, names)).items() if count > 1}
    for name, count in repeated.items():
        log.add(f"stands {count} times in the header", REPEATED, number, name)
    return bool(repeated)


def _explain_header(
    number: int,
    found: dict[str, list[str]],
    named: dict[str, ColumnNames],
    roles: dict[str, str],
    comments: tuple[tuple[int, str], ...],
    log: ProblemLog,
) -> None:
    wanted = set(roles.values())
    for line, comment in comments[-_COMMENTS:]:
        if any(all(map(ColumnNames.of_header(try_split(comment, each)).places, wanted)) for each in found):
            log.add("the header is a comment", "remove the comment character from this line", line)
            return
    if holds_numbers(names := max(found.values(), key=len)):
        log.add(*_numbers_for_names(names), number)
        return
    separator = max(found, key=lambda each: (sum(map(bool, map(named[each].places, wanted))), len(found[each])))
    names = found[separator]
    if not names:
        log.add("the header has an open or misplaced quote", "mend the quotes", number)
        return
    _repeated(number, names, log)
    for role, column in roles.items():
        if not named[separator].places(column):
            what, todo = named[separator].fault(column, role, letters=LETTERS)
            log.add(what, todo, number, column)
    if len(names) == 1 and len(names[0].split()) >= len(wanted):
        log.add("is separated by spaces", SET_SPACE, number)
    elif len(names) < len(wanted):
        log.add(f"has {counted(len(names), 'column')} when read with {separator!r}", "correct the separator", number)


def plain_sheet(source: SourceFile, declaration: TableDeclaration, given: Container[str] = ()) -> Sheet:
    """The declared columns of a plain table, read strictly; faulty lines are among `Sheet.faults`.

    Columns that are `given` elsewhere may be missing. DataError where the header does not fit.
    """
    log, form = ProblemLog(source.label), declaration.format
    lines = numbered_lines(source.data, form.encoding, source.label, form)
    header = find_header(lines, declaration, log, given)
    if header is None:
        raise log.error()
    names, places = ColumnNames.of_header(header.names), [*dict.fromkeys(header.place.values())]
    numbers: list[int] = []
    faults: list[tuple[int, Problem]] = []
    columns: list[list[str]] = [[] for _ in places]
    for number, row in _rows(lines, header, form.comment):
        if isinstance(row, Problem):
            faults.append((number, Problem(f"{source.label}:{number}", row.what, row.todo)))
            continue
        numbers.append(number)
        for column, place in zip(columns, places, strict=True):
            column.append(row[place])
    found = tuple(Column(*names.columns[k], tuple(cells)) for k, cells in zip(places, columns, strict=True))
    return Sheet(source.label, "tidy", found, tuple(numbers), header.line, decimal=form.decimal,
                 comments=header.comments, faults=tuple(faults))  # fmt: skip


def _rows(lines: Iterator[tuple[int, str]], header: Header, comment: str) -> Iterator[tuple[int, list[str] | Problem]]:
    """Rows with their line numbers, and what is wrong with lines that are none."""
    width, blank = len(header.names), 0
    for number, line in lines:
        try:
            cells = split_fields(line, header.separator)
        except csv.Error as error:
            yield number, Problem("", f"cannot be split into fields ({error})", "mend the quotes")
            continue
        if not any(cells):
            blank = blank or number
            continue
        if blank:
            yield blank, Problem("", *BLANK)
            blank = 0
        if without_mark(line, comment) is not None:
            yield number, Problem("", "is a comment among the data", COMMENT_AMONG_DATA)
        elif len(cells) != width:
            what = f"has {counted(len(cells), 'field')}, the header has {width}"
            commas = header.separator == "," and len(cells) > width
            yield number, Problem("", what, _ONE_FIELD + (_COMMAS if commas else ""))
        else:
            yield number, cells


BLANK = "is blank, and data follow", "remove the blank line, or split the file"
"""What is wrong with a blank line among the data, and what to do."""
_ONE_FIELD = "give every column one field"
_COMMAS = '; numbers with decimal commas: save with semicolons or with quotes, and set decimal = ","'
