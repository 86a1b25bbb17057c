"""Sentences and tables on terminals of any width, and in files; what several commands offer."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mtjfit.streams import VisibleStream
from mtjfit.text import table, visible

if TYPE_CHECKING:
    from mtjfit.text import Table

INTERRUPTED = 130


def stopped(error: KeyboardInterrupt, kept: str) -> click.exceptions.Exit:
    """Say what interrupted a command, and what is kept; the exit to be raised."""
    click.echo(f"\n{error}; {kept}" if error.args else f"\nInterrupted; {kept}", err=True)
    return click.exceptions.Exit(INTERRUPTED)


def command_line(*words: object) -> str:
    """A call of mtjfit that can be pasted into a shell."""
    said = ["mtjfit", *map(str, words)]
    return subprocess.list2cmdline(said) if os.name == "nt" else shlex.join(said)


_WIDTH = 100  # of sentences
_GAP = 2  # between columns of tables
_TOGETHER = re.compile(r" (?=±|\+-)|(?<=±|-) (?=\d)|(?<=\d) (?=%|(?:nm|V|s|min|h)\b)")  # numbers, errors, units
_NO_BREAK = "\u00a0"


def echo(*parts: str | Table) -> None:
    """Write sentences and tables to stdout, with an empty line before each table.

    On a terminal nothing is wider than it. In a pipe rows of tables stay whole, so that programs can read them.
    """
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    written = sys.stdout.as_written if isinstance(sys.stdout, VisibleStream) else _in_a_file
    for each in parts:
        click.echo(_shown(each, columns, written))


def as_text(*parts: str | Table) -> str:
    """Text for a file, as `echo` writes it into a pipe."""
    return "\n".join(_shown(each, None, _in_a_file) for each in parts) + "\n"


def _in_a_file(text: str) -> str:
    return visible(text, "\n\t")


def _shown(part: str | Table, columns: int | None, written: Callable[[str], str]) -> str:
    """Text in which columns are aligned as `written` turns out each cell."""
    if isinstance(part, str):
        return _filled(written(part), columns)
    header, *rows = ([written(visible(cell)) for cell in row] for row in (part.header, *part.rows))
    note = written(part.note)
    lines = (_filled(written(part.title), columns), laid_out(header, rows, columns), _filled(note, columns))
    return "\n" + "\n".join(each for each in lines if each)


def _filled(text: str, columns: int | None) -> str:
    """Long lines broken between words, and indented as deep as the line, or as its second column."""
    width, lines = min(_WIDTH, columns or _WIDTH), []
    for line in text.splitlines():
        begin = re.match(r"\s*(?:- |\S+(?: \S+)* {2,})?", line)
        indent = len(begin[0]) if begin and len(begin[0]) <= width // 2 else 0
        lines += _wrapped(line, width, indent)
    return "\n".join(lines)


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    """Lines of a text, broken between words only; words that are too long stay whole."""
    if len(text) <= width:
        return [text]
    bound, after = _TOGETHER.sub(_NO_BREAK, text), " " * indent
    lines = textwrap.wrap(bound, width, subsequent_indent=after, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_NO_BREAK, " ") for line in lines]


def laid_out(header: Sequence[str], rows: Sequence[Sequence[str]], columns: int | None) -> str:
    """A table that is no wider than `columns`.

    Cells are broken between words where that is enough; else every row becomes a list of its own.

    >>> rows = [["lambda_J", "spin precession length"], ["a1", ""]]
    >>> print(laid_out(["name", "meaning"], rows, 26))
    name      meaning
    --------  ---------------
    lambda_J  spin precession
              length
    a1
    >>> print(laid_out(["name", "meaning"], rows, 16))
    name: lambda_J
    meaning: spin
      precession
      length
    <BLANKLINE>
    name: a1
    """
    every = [list(map(str, row)) for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    width = columns or sys.maxsize
    room = width - _GAP * (len(widths) - 1)
    if sum(widths) <= room:
        return table(header, rows)
    least = [
        max(len(word) for cell in column for word in _TOGETHER.sub("_", cell).split(" "))
        for column in zip(*every, strict=True)
    ]
    if sum(least) > room:
        named = [[f"{name}: {cell}" for name, cell in zip(header, row, strict=True) if cell] for row in every[1:]]
        return "\n\n".join("\n".join("\n".join(_wrapped(line, width, 2)) for line in row) for row in named)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda k: (widths[k] > least[k], widths[k]))
        widths[widest] -= 1
    broken = [["\n".join(_wrapped(*each)) for each in zip(row, widths, strict=True)] for row in every]
    return table(broken[0], broken[1:])


def progress(words: str, quiet: bool = False) -> None:
    """Write a progress message, one line, to stderr; stdout holds results only."""
    if not quiet:
        click.echo(visible(words), err=True)


FORMATS: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png", "pdf")

with_pdf = click.option("--pdf", is_flag=True, help="Write every figure as PDF, too.")


def figure_names(*figures: str) -> tuple[str, ...]:
    """Names of all files that figures may have, so that those of an earlier run are known."""
    return tuple(f"{name}.{suffix}" for name in figures for suffix in FORMATS)


def labels_of(files: tuple[Path, ...]) -> dict[str, Path]:
    """A short label for each study file: its name, or the folder where all have the same name.

    >>> list(labels_of((Path("a/study.toml"), Path("b/study.toml"))))
    ['a', 'b']
    """
    for name in (lambda f: f.stem, lambda f: Path(os.path.realpath(f)).parent.name, str):
        found = {visible(name(file)): file for file in files}
        if len(found) == len(files):
            return found
    raise click.UsageError("the same study is given twice")
