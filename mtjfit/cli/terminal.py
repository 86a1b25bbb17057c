"""Words on a terminal: never a crash over a character, never a traceback over a mistake."""

from __future__ import annotations

import codecs
import sys
import unicodedata

import click

from mtjfit.errors import MtjfitError

__all__ = ["Commands", "progress", "speak_plainly"]

INTERRUPTED = 130

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


def speak_plainly() -> None:
    """Let stdout and stderr write anything: a Windows code page or an ASCII pipe gets ASCII words instead."""
    codecs.register_error("mtjfit", _plain)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="mtjfit")


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
