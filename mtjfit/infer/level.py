"""Central intervals by the share of the draws that they hold: the quantiles at their ends, and how they are named."""

from __future__ import annotations

from dataclasses import dataclass

INNER = 0.68
"""Share of the draws in the inner one of two bands or bars."""


@dataclass(frozen=True)
class Level:
    """A central interval that holds a share of the draws.

    Raises
    ------
    ValueError
        The share is not between 0.5 and 0.999.

    Examples
    --------
    >>> level = Level(0.9)
    >>> str(level), level.one_sided, level.names, level.quantiles
    ('90 %', '95 %', ('q05', 'q50', 'q95'), (0.05, 0.5, 0.95))
    >>> Level(0.95).names
    ('q025', 'q50', 'q975')
    """

    share: float

    def __post_init__(self) -> None:
        if not 0.5 <= self.share <= 0.999:
            raise ValueError(
                f"{self.share!r} is no level: give the share of the draws in an interval from 0.5 to 0.999, such as 0.9"
            )

    @property
    def quantiles(self) -> tuple[float, float, float]:
        """Probabilities of the lower end, the median and the upper end."""
        return round((1 - self.share) / 2, 12), 0.5, round((1 + self.share) / 2, 12)

    @property
    def names(self) -> tuple[str, str, str]:
        """Columns of these in tables."""
        low, middle, high = (f"q{each:.12f}".replace("0.", "", 1).rstrip("0") for each in self.quantiles)
        return low.ljust(3, "0"), middle.ljust(3, "0"), high.ljust(3, "0")

    def __str__(self) -> str:
        return f"{100 * self.share:.6g} %"

    @property
    def one_sided(self) -> str:
        """What a limit at one of the ends holds."""
        return f"{100 * self.quantiles[2]:.6g} %"

    @property
    def beside_inner(self) -> str:
        """The level with that of an inner band, which there is if it is narrower."""
        return f"{100 * INNER:.0f} and {self}" if self.share > INNER else str(self)


INTERVAL, BAND = Level(0.9), Level(0.95)
"""Levels where none is asked for: of intervals in tables, and of bands in figures."""
