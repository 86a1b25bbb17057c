"""What a terminal shows while a posterior is sampled: where it stands, and about how long it will still take."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

from mtjfit.infer.gate import MIN_LENGTH
from mtjfit.infer.history import next_look

__all__ = ["Estimate", "Look", "Progress", "about", "estimate"]

_UNKNOWN = 80  # columns of a terminal that does not say how wide it is
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True)
class Look:
    """What the gate found, in numbers.

    Attributes
    ----------
    steps : int
        Steps that count.
    tau : float
        Largest autocorrelation time, in steps.
    r_hat : float
        Largest rank R-hat.
    ess, target_ess : float
        Smallest bulk ESS of all parameters, and the one that is wanted.
    reason : str
        The first thing that speaks against convergence; empty if nothing does.
    """

    steps: int
    tau: float
    r_hat: float
    ess: float
    target_ess: float
    reason: str = ""

    def __str__(self) -> str:
        tau, r_hat = _shown(self.tau, "{:.0f}"), _shown(self.r_hat, "{:.3f}")
        numbers = f"τ {tau}, R-hat {r_hat}, ESS {_shown(self.ess, '{:.0f}')} of {self.target_ess:.0f}"
        return f"{numbers}; {self.reason}" if self.reason else numbers


@dataclass(frozen=True)
class Estimate:
    """How many steps a run still needs, as far as can be known.

    Attributes
    ----------
    steps : int
        Up to the look at which the gate may be content, or up to the limit.
    enough : bool
        False if the limit comes first.
    """

    steps: int
    enough: bool


def _shown(value: float, how: str) -> str:
    return how.format(value) if math.isfinite(value) else "unknown"


def _columns(stream: TextIO) -> int:
    """Columns that a line may take; the last one stays free, where some terminals begin a new line."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns or _UNKNOWN) - 1
    except (OSError, ValueError, AttributeError):
        return _UNKNOWN - 1


def estimate(look: Look, refit_at: int, left: int) -> Estimate | None:
    """Steps that a run still needs, from 50 τ and from the rate at which ESS has grown.

    Only about: τ of a short run is too small, R-hat may ask for more, and a new proposal changes τ. A look in vain
    after `refit_at` steps has a new proposal fitted, and counting begins anew; the next is after twice as many.

    Parameters
    ----------
    look : Look
        The last one.
    refit_at : int
        Steps after which the proposal is fitted anew.
    left : int
        Steps that the limit still allows.

    Returns
    -------
    Estimate or None
        None if τ or ESS is not known.

    Examples
    --------
    >>> estimate(Look(200, tau=7, r_hat=1.01, ess=900, target_ess=1000), refit_at=400, left=50_000)
    Estimate(steps=200, enough=True)

    With τ = 14 it takes 700 steps, more than the 400 after which a new proposal is fitted:

    >>> estimate(Look(200, tau=14, r_hat=1.01, ess=900, target_ess=1000), refit_at=400, left=50_000)
    Estimate(steps=900, enough=True)
    >>> estimate(Look(200, tau=14, r_hat=1.01, ess=900, target_ess=1000), refit_at=400, left=600)
    Estimate(steps=600, enough=False)
    """
    if not (math.isfinite(look.tau) and look.ess > 0):
        return None
    wanted = max(MIN_LENGTH * look.tau, look.steps * look.target_ess / look.ess)
    needed = next_look(max(math.ceil(wanted) - 1, look.steps))
    total, counted = 0, look.steps
    while next_look(refit_at - 1) < needed and total < left:
        total += max(next_look(refit_at - 1) - counted, 0)
        counted, refit_at, needed = 0, 2 * refit_at, next_look(math.ceil(wanted) - 1)
    total += needed - counted
    return Estimate(min(total, left), total <= left)


def about(seconds: float) -> str:
    """A length of time in words, with no more digits than an estimate has.

    Examples
    --------
    >>> about(3.2), about(47), about(100), about(5000), about(100_000), about(1e6)
    ('about 4 s', 'about 50 s', 'about 2 min', 'about 84 min', 'about 28 h', 'about 12 days')
    """
    if seconds < 10:
        return f"about {max(1, math.ceil(seconds))} s"
    if seconds <= 1.5 * _MINUTE:
        return f"about {5 * math.ceil(seconds / 5)} s"
    for unit, name, most in ((_MINUTE, "min", 1.5 * _HOUR), (_HOUR, "h", 1.5 * _DAY)):
        if seconds <= most:
            return f"about {math.ceil(seconds / unit)} {name}"
    return f"about {math.ceil(seconds / _DAY)} days"


class Progress:
    """Two lines on a terminal, silent elsewhere: a bar with the time left, and what the gate says.

    Parameters
    ----------
    wanted : bool
        False: silent everywhere.
    limit : int
        Most steps of the run.
    file : text stream, optional
        Default: stderr. Drawn upon even if it is no terminal.
    clock : callable
        Seconds.

    Attributes
    ----------
    says : str
        What stands beside the bar.

    Examples
    --------
    >>> import io
    >>> seconds = iter([0.0, 4.0])
    >>> with Progress(True, 1000, file=io.StringIO(), clock=lambda: next(seconds)) as show:
    ...     show.annealing(0.5)
    ...     show.sampling(0)
    ...     show.sampling(200)
    ...     show.looked(Look(200, 7.0, 1.02, 900.0, 1000.0, "too short"), refit_at=400)
    >>> show.says
    '200 of about 400 steps, about 4 s left'
    """

    def __init__(
        self, wanted: bool, limit: int, *, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ):
        disable = True if not wanted else None if file is None else False
        self._limit, self._clock = limit, clock
        self._bar, self._words = (
            tqdm(
                total=limit, file=file, disable=disable, leave=False, ncols=_UNKNOWN, bar_format="{desc}", position=line
            )
            for line in range(2)
        )
        self._begun: tuple[int, float] | None = None
        self._expected: Estimate | None = None
        self._looked_at = self._steps = 0
        self._seconds = math.nan  # for a step
        self.says = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._words.close()
        self._bar.close()

    def annealing(self, beta: float) -> None:
        """The exploration has come to prior · L^β; its temperature is 1/β."""
        self._say(f"annealing from the prior, temperature {float(f'{1 / beta:.2g}'):g}")

    def checking(self, beta: float) -> None:
        """A second exploration, which checks the run, has come to prior · L^β."""
        self._say(f"checking by a second method, temperature {float(f'{1 / beta:.2g}'):g}")

    def sampling(self, steps: int) -> None:
        """The run has come to `steps` steps, those included that no longer count."""
        if self._bar.disable:
            return
        now = self._clock()
        begun, since = self._begun = self._begun or (steps, now)
        self._steps = steps
        self._seconds = (now - since) / (steps - begun) if steps > begun else math.nan
        self._draw()

    def looked(self, look: Look, refit_at: int) -> None:
        """The gate has looked at the steps told last and was not content; see `estimate`."""
        if self._bar.disable:
            return
        self._expected, self._looked_at = estimate(look, refit_at, self._limit - self._steps), self._steps
        self._words.ncols = _columns(self._words.fp)
        self._words.set_description_str(f"  {look}")
        self._draw()

    def _draw(self) -> None:
        known, steps = self._expected, self._steps
        until = self._limit if known is None else max(self._looked_at + known.steps, steps)
        self._bar.bar_format = "sampling |{bar}| {desc}"
        self._bar.total, self._bar.n = until, steps
        if known is None:
            self._say(f"{steps} steps, {self._limit} at most")
            return
        left = f", {about((until - steps) * self._seconds)} left" if math.isfinite(self._seconds) else ""
        total = f"about {until} steps{left}" if known.enough else f"{until} steps{left}, too few at this rate"
        self._say(f"{steps} of {total}")

    def _say(self, words: str) -> None:
        self.says = words
        if not self._bar.disable:
            self._bar.ncols = _columns(self._bar.fp)
        self._bar.set_description_str(words)
