"""Standard output and error of the command line: what a file says cannot steer the terminal."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from mtjfit.text import visible

_FALLBACK = "mtjfit"
_RAISED = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_UP = "\x1b[A"  # written by tqdm between bars

_ASCII = {
    "✓": "[yes]", "✗": "[NO]", "◐": "[partly]", "–": "-", "—": "-", "…": "...", "−": "-", "≥": ">=", "≤": "<=",
    "κ": "kappa", "λ": "lambda", "Λ": "Lambda", "σ": "sigma", "τ": "tau", "χ": "chi", "φ": "phi", "θ": "theta",
    "Σ": "Sum", "Δ": "Delta", "√": "sqrt", "∞": "inf", "∝": "~", "≈": "~", "ħ": "hbar", "Ω": "ohm", "µ": "u", "μ": "u",
    "∥": "par", "⊥": "perp", "·": "*", "×": "x", "±": "+-", "→": "->", "⁻": "^-",
}  # fmt: skip


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


codecs.register_error(_FALLBACK, _in_ascii)


class VisibleStream(io.TextIOBase):
    """Writes to a stream, which may be closed, with control characters escaped and words for what it cannot encode.

    The first failure is kept, and what is written later dropped, so that a full disk does not end the computation.
    """

    def __init__(self, stream: TextIO | None):
        self._stream = stream
        self.failure: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What stands for characters that the stream cannot encode."""
        return _FALLBACK

    def as_written(self, text: str) -> str:
        """The text as it is shown, of which tables are aligned."""
        return visible(text, "\n\t").encode(self.encoding, _FALLBACK).decode(self.encoding)

    def write(self, text: str) -> int:
        """Write, if all that was written before could be."""
        shown = self.as_written(text)
        self._attempt(lambda stream: stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Hand over what was written."""
        if self._stream is not None:
            self._attempt(lambda stream: stream.flush())

    def _attempt(self, action: Callable[[TextIO], object]) -> None:
        if self.failure is not None:
            return
        try:
            if self._stream is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            action(self._stream)
        except (OSError, ValueError) as error:  # ValueError: closed by somebody
            self.failure = error if isinstance(error, OSError) else OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._discard()

    def _discard(self) -> None:
        """Forget what the stream still holds, so that Python does not fail with it at its end."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())  # type: ignore[union-attr]
            os.close(null)
            self._stream.flush()  # type: ignore[union-attr]

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        with contextlib.suppress(ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def writable(self) -> bool:
        """As of every stream that is written to."""
        return True

    def fileno(self) -> int:
        """That of the stream; OSError if it has none."""
        return super().fileno() if self._stream is None else self._stream.fileno()


class BarStream(VisibleStream):
    """Where progress bars are drawn: they return to the begin of their line, and go up to that of another bar."""

    @classmethod
    def over(cls, stream: TextIO | VisibleStream | None) -> BarStream:
        """On the stream, or on that below a `VisibleStream`."""
        return cls(stream._stream if isinstance(stream, VisibleStream) else stream)

    def as_written(self, text: str) -> str:
        """The text as it is shown."""
        parts = (visible(each, "\r\n") for each in text.split(_UP))
        return _UP.join(parts).encode(self.encoding, _FALLBACK).decode(self.encoding)


@contextmanager
def visible_streams() -> Iterator[tuple[VisibleStream, VisibleStream]]:
    """Let everything that is printed within the block pass a `VisibleStream`."""
    for number in (0, 1, 2):  # closed ones: else a file of results would be opened by that number, and printed into
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    now = VisibleStream(sys.stdout), VisibleStream(sys.stderr)
    sys.stdout, sys.stderr = now
    try:
        yield now
    finally:
        for each in now:
            each.flush()
        sys.stdout, sys.stderr = before
