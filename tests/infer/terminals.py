"""A terminal to draw on, without a screen."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What was drawn, one after the other."""
        return [drawn for each in self.getvalue().split("\r") if (drawn := each.strip())]
