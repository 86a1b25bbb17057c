"""Output on terminals of any width and encoding; errors as messages without tracebacks."""

from __future__ import annotations

import codecs
import encodings.ascii
import io
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from mtjfit.errors import MtjfitError
from mtjfit.input import refuse_names_not_utf8
from mtjfit.text import table

if TYPE_CHECKING:
    from mtjfit.text import Table

INTERRUPTED = 130

_WIDTH = 100  # of sentences
_GAP = 2  # between columns of tables
_ASCII_CODEC, _FALLBACK = "mtjfit_ascii", "mtjfit"
_RAISED = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_TOGETHER = re.compile(r" (?=±|\+-)|(?<=±|-) (?=\d)|(?<=\d) (?=%|(?:nm|V|s|min|h)\b)")  # numbers, errors, units
_NO_BREAK = "\u00a0"

_ASCII = {
    "✓": "[yes]", "✗": "[NO]", "◐": "[partly]", "–": "-", "—": "-", "…": "...", "−": "-", "≥": ">=", "≤": "<=",
    "κ": "kappa", "λ": "lambda", "Λ": "Lambda", "σ": "sigma", "τ": "tau", "χ": "chi", "φ": "phi", "θ": "theta",
    "Σ": "Sum", "Δ": "Delta", "√": "sqrt", "∞": "inf", "∝": "~", "≈": "~", "ħ": "hbar", "Ω": "ohm", "µ": "u", "μ": "u",
    "∥": "par", "⊥": "perp", "·": "*", "×": "x", "±": "+-", "→": "->", "⁻": "^-",
}  # fmt: skip


def ascii_fallback() -> None:
    """Replace what stdout or stderr cannot encode by ASCII words."""
    codecs.register_error(_FALLBACK, _in_ascii)
    codecs.register(_ascii_codec)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ASCII_CODEC if is_ascii else None, errors=_FALLBACK)


def _ascii_codec(name: str) -> codecs.CodecInfo | None:
    """ASCII by another name, because click writes UTF-8 to a stream whose encoding is called ASCII."""
    codec = encodings.ascii.getregentry()
    codec.name = name
    return codec if name == _ASCII_CODEC else None


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: superscripts as ^2, accents dropped, what has no word as ``?``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown, before = "", error.object[: error.start][-1:]
    for char in error.object[error.start : error.end]:
        plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
        shown += _ASCII.get(char) or "^" * (char in _RAISED and before not in _RAISED) + plain or "?"
        before = char
    return shown, error.end


def echo(*parts: str | Table) -> None:
    """Write sentences and tables to stdout, with an empty line before each table.

    On a terminal nothing is wider than it. In a pipe rows of tables stay whole, so that programs can read them.
    """
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for each in parts:
        click.echo(_shown(each, columns, sys.stdout))


def as_text(*parts: str | Table) -> str:
    """Text for a file, as `echo` writes it into a pipe."""
    return "\n".join(_shown(each, None, None) for each in parts) + "\n"


def _shown(part: str | Table, columns: int | None, stream: TextIO | None) -> str:
    if isinstance(part, str):
        return _filled(_written_as(part, stream), columns)
    header, *rows = ([_written_as(cell, stream) for cell in row] for row in (part.header, *part.rows))
    note = _written_as(part.note, stream)
    lines = (_filled(part.title, columns), laid_out(header, rows, columns), _filled(note, columns))
    return "\n" + "\n".join(each for each in lines if each)


def _written_as(text: str, stream: TextIO | None) -> str:
    """The text after encoding by the stream, so that columns are aligned as written."""
    if stream is None:
        return text
    text = _printable(text)
    encoding, errors = stream.encoding or "utf-8", stream.errors or "strict"
    return text.encode(encoding, errors).decode(encoding) if errors == _FALLBACK else text


def _printable(text: str) -> str:
    """Escape control characters, so that a string from a file cannot steer a terminal."""
    return "".join(repr(c)[1:-1] if unicodedata.category(c)[0] == "C" and c not in "\n\t" else c for c in text)


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
    """Write a progress message to stderr; stdout holds results only."""
    if not quiet:
        click.echo(words, err=True)


class Commands(click.Group):
    """A group whose commands turn errors of the library and Ctrl-C into a message and an exit code."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, after its arguments, names of files as a rule, were looked at."""
        refuse_names_not_utf8(args)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        ascii_fallback()
        try:
            return super().invoke(ctx)
        except MtjfitError as error:
            click.echo(_printable(f"Error: {error}"), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("\nInterrupted; no result was written.", err=True)
            ctx.exit(INTERRUPTED)


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
    for name in (lambda f: f.stem, lambda f: f.resolve().parent.name, str):
        found = {name(file): file for file in files}
        if len(found) == len(files):
            return found
    raise click.UsageError("the same study is given twice")
