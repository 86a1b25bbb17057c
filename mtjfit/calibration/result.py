"""What the ranks of truths among draws of their posteriors say: tests, sentences and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mtjfit.calibration.ranks import EcdfTest, chi2_p, detectable_width, shape_of
from mtjfit.infer.convergence.gate import Check
from mtjfit.multiple_tests import holm
from mtjfit.study import Study
from mtjfit.text import card, p_text

__all__ = ["FALSE_ALARM", "MAX_FAILED", "MIN_RUNS", "Calibration"]

FALSE_ALARM = 0.01
"""Probability that a design whose posteriors are right is called not calibrated, all quantities together."""
MIN_RUNS = 100
"""Converged runs below which there is no verdict but no."""
MAX_FAILED = 0.05
"""Share of runs that may fail to converge."""

_WORDS = {
    "narrow": "is too narrow", "wide": "is too wide", "low": "lies too low", "high": "lies too high",
    "other": "has the wrong shape",
}  # fmt: skip
_MEANING = {
    "low": "draws are farther from the data than truths are: errors of the data taken too large, or a posterior that "
    "is too wide or displaced",
    "high": "draws are closer to the data than truths are: errors of the data taken too small, or a posterior that is "
    "too narrow",
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Ranks of truths among the draws of their posteriors, and what they say.

    Attributes
    ----------
    study : Study
        The design; its data play no part.
    n_draws : int
        Draws L that a truth is ranked among.
    ranks : DataFrame
        One row for each simulation, one column for each quantity: number of draws below the truth, 0 … n_draws; NaN
        where a run gave no draws. Runs that did not converge are here, too.
    failures : tuple of str
        For each simulation why it does not count; empty where the run converged.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> uniform = np.arange(300) % 100
    >>> ranks = pd.DataFrame({"a1": uniform, "b2": 25 + uniform // 2})
    >>> calibration = Calibration(study, seed=1, n_draws=99, ranks=ranks, failures=("",) * 300)
    >>> calibration.calibrated
    False
    >>> print(*calibration.reasons)
    posterior of b2 is too wide: 0 % of the truths lie in its outer 20 % (adjusted p = 8e-52)
    """

    study: Study
    seed: int
    n_draws: int
    ranks: pd.DataFrame
    failures: tuple[str, ...]

    @property
    def converged(self) -> np.ndarray:
        """True for simulations that count, shape (n,).

        Whether a run converges depends on its data, not on the truth behind them: leaving such runs out does not make
        ranks less uniform, it only narrows down what was tested.
        """
        return np.array([not failure for failure in self.failures], dtype=bool)

    @cached_property
    def tests(self) -> pd.DataFrame:
        """By quantity: columns chi2, ecdf (p-values), p (the smaller, adjusted for all tests by Holm's method), ok."""
        counted = self.ranks[self.converged]
        if counted.empty:
            return pd.DataFrame(columns=["chi2", "ecdf", "p", "ok"], dtype=float)
        ecdf = EcdfTest(len(counted), self.n_draws)
        p = np.array([[chi2_p(r, self.n_draws), ecdf.p_value(r)] for r in counted.to_numpy().T])
        adjusted = holm(p.ravel()).reshape(p.shape).min(axis=1)
        columns = {"chi2": p[:, 0], "ecdf": p[:, 1], "p": adjusted, "ok": adjusted > FALSE_ALARM}
        return pd.DataFrame(columns, index=pd.Index(counted.columns, name="quantity"))

    @property
    def single_level(self) -> float:
        """p-value at which a single test is enough to fail the whole verdict."""
        return FALSE_ALARM / (2 * self.ranks.shape[1])

    def sentence(self, name: str) -> str:
        """What the ranks of a quantity say of its posterior."""
        ranks = self.ranks.loc[self.converged, name].to_numpy()
        shape, u = shape_of(ranks, self.n_draws), (ranks + 0.5) / (self.n_draws + 1)
        if shape in ("narrow", "wide"):
            seen = f"{100 * np.mean(np.abs(u - 0.5) > 0.4):.0f} % of the truths lie in its outer 20 %"
        else:
            seen = f"{100 * np.mean(u > 0.5):.0f} % of the truths lie above its median"
        p = f"adjusted {p_text(float(self.tests.p[name]))}"
        if name == "log_likelihood" and shape in _MEANING:
            return f"log-likelihood: {_MEANING[shape]} ({seen}, {p})"
        return f"posterior of {name} {_WORDS[shape]}: {seen} ({p})"

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Everything the verdict hangs on."""
        n, n_failed = len(self.failures), int(np.sum(~self.converged))
        counted = n - n_failed
        enough = Check("enough", counted >= MIN_RUNS, f"{counted} runs count ({MIN_RUNS} needed for a verdict)")
        says = f"{n_failed} of {n} runs did not converge ({100 * MAX_FAILED:.0f} % allowed)"
        if n_failed:
            says += f", the first because: {next(failure for failure in self.failures if failure)}"
        converged = Check("converged", n_failed <= MAX_FAILED * n, says)
        bad = [name for name, ok in self.tests.ok.items() if not ok]
        if not enough.ok and not bad:
            return enough, converged
        if not bad:
            alarms = f"false alarms: {100 * FALSE_ALARM:.0f} % in all"
            says = f"ranks of all {len(self.tests)} quantities are uniform ({alarms})"
            return enough, converged, Check("uniform", True, says)
        return enough, converged, *(Check("uniform", False, self.sentence(str(name))) for name in bad)

    @property
    def calibrated(self) -> bool:
        """True only if every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against calibration; empty if calibrated."""
        return tuple(check.says for check in self.checks if not check.ok)

    @property
    def resolution(self) -> str:
        """What these runs could have seen."""
        counted = int(self.converged.sum())
        if counted < MIN_RUNS:
            return "so few runs see next to nothing"
        factor = detectable_width(counted, self.n_draws, self.single_level)
        return (
            f"{counted} runs see a posterior that is too narrow by a factor of {factor:.1f} nine times in ten, "
            "and little of smaller errors"
        )

    def _repr_html_(self) -> str:
        """The calibration in a notebook: every check with its reason, and loudly if one does not hold."""
        refused = "" if self.calibrated else "NOT CALIBRATED: " + "; ".join(self.reasons)
        rows = [["✓" if check.ok else "✗ NO", check.name, check.says] for check in self.checks]
        return card(
            f"Calibration of {self.study.name}: " + ("calibrated" if self.calibrated else "not calibrated"),
            marks=[refused], facts={"simulations": f"{len(self.failures)}, {int(self.converged.sum())} converged"},
            header=("", "check", "found"), rows=rows, notes=[self.resolution],
        )  # fmt: skip

    def __str__(self) -> str:
        head = "CALIBRATED" if self.calibrated else "NOT CALIBRATED"
        lines = (f"  {'✓' if check.ok else '✗'} {check.says}" for check in self.checks)
        return "\n".join((head, *lines, f"  – {self.resolution}"))
