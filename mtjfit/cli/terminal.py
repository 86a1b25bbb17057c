"""Words on a terminal: never a crash over a character, never a traceback over a mistake."""

from __future__ import annotations

import codecs
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, TextIO

import click

from mtjfit.errors import MtjfitError
from mtjfit.text import table

if TYPE_CHECKING:
    from mtjfit.text import Table

__all__ = ["Commands", "laid_out", "progress", "speak_plainly", "tell", "told"]

INTERRUPTED = 130

_WIDTH = 100  # of sentences
_GAP = 2  # between columns of tables
_ASCII_ONLY = "mtjfit-ascii"
_TOGETHER = re.compile(r" (?=±|\+-)|(?<=±|-) (?=\d)|(?<=\d) (?=%|(?:nm|V|s|min|h)\b)")  # numbers, errors, units
_NO_BREAK = "\u00a0"

_ASCII = {
    "✓": "[yes]", "✗": "[NO]", "◐": "[partly]", "–": "-", "—": "-", "…": "...", "−": "-", "≥": ">=", "≤": "<=",
    "κ": "kappa", "λ": "lambda", "Λ": "Lambda", "σ": "sigma", "τ": "tau", "χ": "chi", "φ": "phi", "θ": "theta",
    "Σ": "Sum", "Δ": "Delta", "√": "sqrt", "∞": "inf", "∝": "~", "≈": "~", "ħ": "hbar", "Ω": "ohm", "µ": "u", "μ": "u",
    "∥": "par", "⊥": "perp", "·": "*", "×": "x", "±": "+-", "→": "->", "⁻": "^-",
}  # fmt: skip


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Codec error handler: what a terminal cannot show, in ASCII; superscripts as ^2, accents dropped, else ``?``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown, before = "", error.object[: error.start][-1:]
    for char in error.object[error.start : error.end]:
        folded = unicodedata.normalize("NFKD", char)
        ascii_part = folded.encode("ascii", "ignore").decode()
        power = "^" if _raised(char) and not _raised(before) else ""
        shown += _ASCII.get(char) or (power + ascii_part if ascii_part else "?")
        before = char
    return shown, error.end


def _raised(char: str) -> bool:
    return bool(char) and unicodedata.decomposition(char).startswith("<super>")


def _ascii_codec(name: str) -> codecs.CodecInfo | None:
    """ASCII by another name: what is called ASCII, click takes for a mistake and writes UTF-8 to."""
    if name.replace("_", "-") != _ASCII_ONLY:
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        name=_ASCII_ONLY,
        encode=plain.encode,
        decode=plain.decode,
        incrementalencoder=plain.incrementalencoder,
        incrementaldecoder=plain.incrementaldecoder,
        streamwriter=plain.streamwriter,
        streamreader=plain.streamreader,
    )


def speak_plainly() -> None:
    """Let stdout and stderr write anything: a Windows code page or an ASCII pipe gets ASCII words instead."""
    codecs.register_error("mtjfit", _plain)
    codecs.register(_ascii_codec)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if codecs.lookup(stream.encoding).name == "ascii":
            reconfigure(encoding=_ASCII_ONLY)
        reconfigure(errors="mtjfit")


def tell(*said: str | Table) -> None:
    """Write sentences and tables to stdout, with an empty line before each table.

    On a terminal nothing is wider than it. In a pipe rows of tables stay whole, so that programs can read them.

    Parameters
    ----------
    said : str or Table
    """
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for each in said:
        click.echo(_shown(each, columns, sys.stdout))


def told(*said: str | Table) -> str:
    """The same for a file: what `tell` writes into a pipe, with all characters.

    Parameters
    ----------
    said : str or Table
    """
    return "\n".join(_shown(each, None, None) for each in said) + "\n"


def _shown(said: str | Table, columns: int | None, stream: TextIO | None) -> str:
    if isinstance(said, str):
        return _filled(_written_as(said, stream), columns)
    header, *rows = ([_written_as(cell, stream) for cell in row] for row in (said.header, *said.rows))
    note = _written_as(said.note, stream)
    parts = (_filled(said.title, columns), laid_out(header, rows, columns), _filled(note, columns))
    return "\n" + "\n".join(part for part in parts if part)


def _written_as(text: str, stream: TextIO | None) -> str:
    """What the stream will make of a text: columns can only be aligned by the characters that are written."""
    if stream is None:
        return text
    encoding, errors = stream.encoding or "utf-8", stream.errors or "strict"
    return text.encode(encoding, errors).decode(encoding) if errors == "mtjfit" else text


def _filled(text: str, columns: int | None) -> str:
    """Long lines broken between words; what follows is indented as deep as the line, or as its second column."""
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

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    columns : int or None
        None: no limit.

    Examples
    --------
    >>> rows = [["lambda_J", "spin precession length"], ["a1", ""]]
    >>> print(laid_out(["name", "meaning"], rows, 26))
    name      meaning
    --------  ----------------
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
    widths = [max(len(row[k]) for row in every) for k in range(len(header))]
    if columns is None or sum(widths) + _GAP * (len(widths) - 1) <= columns:
        return table(header, rows)
    least = [
        max(len(word) for row in every for word in _TOGETHER.sub("_", row[k]).split(" ")) for k in range(len(header))
    ]
    room = columns - _GAP * (len(widths) - 1)
    if sum(least) > room:
        named = [[f"{name}: {cell}" for name, cell in zip(header, row, strict=True) if cell] for row in every[1:]]
        return "\n\n".join("\n".join("\n".join(_wrapped(line, columns, 2)) for line in row) for row in named)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda k: (widths[k] > least[k], widths[k]))
        widths[widest] -= 1
    broken = [[_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)] for row in every]
    lines = [list(line) for row in broken for line in zip_longest(*row, fillvalue="")]
    under = max(len(cell) for cell in broken[0])
    text = table(["x" * w for w in widths], lines).splitlines()
    return "\n".join((*text[2 : 2 + under], text[1], *text[2 + under :]))


def progress(words: str, quiet: bool = False) -> None:
    """Say on stderr what is being done, so that stdout holds results only."""
    if not quiet:
        click.echo(words, err=True)


class Commands(click.Group):
    """A group whose commands end with a message and an exit code where the library says no, and on Ctrl-C."""

    def invoke(self, ctx: click.Context) -> object:
        speak_plainly()
        try:
            return super().invoke(ctx)
        except MtjfitError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("\nInterrupted; no result was written.", err=True)
            ctx.exit(INTERRUPTED)
