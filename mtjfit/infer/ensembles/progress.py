"""What a terminal shows while a posterior is sampled: steps, time left, and what the gate says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TextIO

from mtjfit.infer.convergence.gate import MIN_LENGTH
from mtjfit.infer.ensembles.ensemble import next_look
from mtjfit.progress import bar

__all__ = ["Look", "Progress", "estimate"]

_SAMPLING = "sampling |{bar}| {n_fmt}/{total_fmt} steps, {remaining} left{postfix}"


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
        numbers = f"τ {tau}, R-hat {r_hat}, ESS {_shown(self.ess, '{:.0f}')}/{self.target_ess:.0f}"
        return f"{numbers}; {self.reason}" if self.reason else numbers


def _shown(value: float, how: str) -> str:
    return how.format(value) if math.isfinite(value) else "unknown"


def estimate(look: Look, refit_at: int, left: int) -> int | None:
    """About how many steps a run still needs; None if τ or ESS is not known.

    From 50 τ and the rate at which ESS has grown. τ of a short run is too small, R-hat may ask for more, and a new
    proposal changes τ. A look in vain after `refit_at` steps has a new proposal fitted, and counting begins anew; the
    next is after twice as many.

    Parameters
    ----------
    look : Look
        The last one.
    refit_at : int
        Steps after which the proposal is fitted anew.
    left : int
        Steps that the limit still allows; if more are needed, some number beyond it is returned.

    Examples
    --------
    >>> estimate(Look(200, tau=7, r_hat=1.01, ess=900, target_ess=1000), refit_at=400, left=50_000)
    200

    With τ = 14 it takes 700 steps, more than the 400 after which a new proposal is fitted:

    >>> estimate(Look(200, tau=14, r_hat=1.01, ess=900, target_ess=1000), refit_at=400, left=50_000)
    900
    """
    if not (math.isfinite(look.tau) and look.ess > 0):
        return None
    wanted = max(MIN_LENGTH * look.tau, look.steps * look.target_ess / look.ess)
    needed = next_look(max(math.ceil(wanted) - 1, look.steps))
    total, counted = 0, look.steps
    while next_look(refit_at - 1) < needed and total < left:
        total += max(next_look(refit_at - 1) - counted, 0)
        counted, refit_at, needed = 0, 2 * refit_at, next_look(math.ceil(wanted) - 1)
    return total + needed - counted


class Progress:
    """One line on a terminal, silent elsewhere.

    Parameters
    ----------
    limit : int
        Most steps of the run.
    file : text stream, optional
        Default: stderr.
    """

    def __init__(self, wanted: bool, limit: int, file: TextIO | None = None):
        self._bar = bar("", wanted, file=file, bar_format="{desc}")
        self._limit, self._steps = limit, -1

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def annealing(self, beta: float) -> None:
        """The exploration has come to prior · L^β; its temperature is 1/β."""
        self._explored("annealing from the prior", beta)

    def checking(self, beta: float) -> None:
        """A second exploration, which checks the run, has come to prior · L^β."""
        self._explored("checking by a second method", beta)

    def sampling(self, steps: int) -> None:
        """The run has come to `steps` steps, including those that no longer count."""
        if self._steps < 0:  # the rate is that of steps from here on, not that of a resumed run
            self._bar.reset()
            self._bar.n = self._bar.initial = self._bar.last_print_n = steps
        self._steps = steps
        self._bar.update(steps - self._bar.n)
        self._draw_steps()

    def looked(self, look: Look, refit_at: int) -> None:
        """The gate has looked at these steps and was not content; see `estimate`."""
        left = self._limit - self._steps
        needed = estimate(look, refit_at, left)
        self._bar.total = None if needed is None else self._steps + min(needed, left)
        too_few = "too few at this rate, " if needed is not None and needed > left else ""
        self._bar.set_postfix_str(f"{too_few}{look}", refresh=False)
        self._draw_steps()

    def _explored(self, words: str, beta: float) -> None:
        self._draw(f"{words}, temperature {float(f'{1 / beta:.2g}'):g}")

    def _draw_steps(self) -> None:
        unknown = f"sampling: {{n_fmt}} steps, {self._limit} at most{{postfix}}"
        self._draw(unknown if self._bar.total is None else _SAMPLING)

    def _draw(self, bar_format: str) -> None:
        self._bar.bar_format = bar_format
        self._bar.refresh()
