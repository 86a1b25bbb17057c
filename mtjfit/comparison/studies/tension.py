"""Tension between data sets that share lengths: one number that does not depend on the widths of the priors.

Handley and Lemos, Phys. Rev. D 100, 043504 (2019): the ratio R = Z_joint / Π Z_k of the evidences grows with the
width of the priors of what is shared. With the information ratio I taken out of it, the suspiciousness

    ln S = ln R − ln I = ⟨ln L⟩_joint − Σ ⟨ln L⟩_k

does not. If all posteriors are normal and the data agree, d − 2 ln S is distributed as χ² with d degrees of freedom,
the dimension that is constrained by more than one data set; d = Σ d_k − d_joint with d_k = 2 Var(ln L) (Phys. Rev. D
100, 023512 (2019)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import chi2

from mtjfit.arrays import FloatArray
from mtjfit.cards import REFUSED, Card, ShownAsCard
from mtjfit.comparison.studies.joint import JointPosterior, Sampled, joint_posterior, sampled
from mtjfit.infer.convergence.diagnostics import ess
from mtjfit.study import Study
from mtjfit.text import number, p_text

DISAGREE = 0.01
"""Below this p-value data sets are said to disagree."""
TOGETHER = "all together"
"""Label of the joint posterior."""
_LEAST_DIMENSION = 0.1  # below it there is nothing to disagree on


@dataclass(frozen=True)
class Tension:
    """Agreement of data sets about their common lengths.

    ln R is the log ratio of the evidences: above zero for agreement, but larger for wider priors; ln S the
    suspiciousness, without the widths of the priors, below zero where data sets pull apart; `dimension` the number of
    combinations of shared lengths that are constrained by more than one data set.
    """

    log_R: float
    log_R_error: float
    log_S: float
    log_S_error: float
    dimension: float

    @property
    def p_value(self) -> float:
        """Probability of a larger disagreement by chance; NaN where the data sets constrain nothing in common."""
        if not self.dimension > _LEAST_DIMENSION:
            return float("nan")
        return float(chi2.sf(max(self.dimension - 2 * self.log_S, 0.0), self.dimension))

    @property
    def sigma(self) -> float:
        """The p-value as a two-sided deviation of a normal."""
        return float(-ndtri(max(self.p_value, 1e-300) / 2)) if np.isfinite(self.p_value) else float("nan")

    @property
    def sentence(self) -> str:
        """What may be written into a paper.

        >>> print(Tension(-689.0, 0.3, -700.0, 0.1, 2.4).sentence)
        The data sets contradict each other (p < 1e-6): one set of lengths does not describe them all.
        """
        p = "p < 1e-6" if self.p_value < 1e-6 else p_text(self.p_value)
        if np.isnan(self.p_value):
            return "No length is constrained by more than one of the data sets, so they cannot contradict each other."
        if self.p_value < DISAGREE:
            return f"The data sets contradict each other ({p}): one set of lengths does not describe them all."
        return f"The data sets agree within their errors ({p}): one set of lengths describes them all."

    def __str__(self) -> str:
        if np.isnan(self.p_value):
            return "the data sets constrain nothing in common: there is nothing to disagree on"
        says = "disagree" if self.p_value < DISAGREE else "do not disagree"
        return (
            f"the data sets {says}: {p_text(self.p_value)} ({self.sigma:.1f} sigma) in {self.dimension:.1f} "
            f"dimensions, ln S = {self.log_S:.2f} ± {self.log_S_error:.1g}, "
            f"ln R = {self.log_R:.2f} ± {self.log_R_error:.1g}"
        )


@dataclass(frozen=True, eq=False)
class StudyComparison(ShownAsCard):
    """Several studies, each on its own and all together.

    Attributes
    ----------
    single : mapping of str to Sampled
        By the label of the study.
    """

    model: JointPosterior
    joint: Sampled
    single: Mapping[str, Sampled]
    tension: Tension

    @property
    def converged(self) -> bool:
        """True if every run converged."""
        return all(one.verdict.converged for one in self.runs.values())

    @property
    def runs(self) -> dict[str, Sampled]:
        """All runs by label, the joint one last."""
        return {**self.single, TOGETHER: self.joint}

    @property
    def lengths(self) -> dict[str, pd.DataFrame]:
        """Draws of the common lengths in nm: of each data set alone, and of all together."""
        found, first = {}, next(iter(self.single))
        for label, run in self.runs.items():
            model = self.model.models[label if label in self.single else first]
            z = run.z if label in self.single else run.z[:, self.model.columns(first)]
            values = dict(zip(model.names, model.scores.values(z).T, strict=True))
            found[label] = pd.DataFrame({name: values[name] for name in self.model.shared if name in values})
        return found

    def _card(self) -> Card:
        """The comparison in a notebook: common lengths of each data set and of all, and whether they agree."""
        refused = [f"{REFUSED}: {label}: {'; '.join(one.verdict.reasons)}"
                   for label, one in self.runs.items() if not one.verdict.converged]  # fmt: skip
        marks = [f"{name}: {each.study.label}" for name, each in self.model.models.items() if each.study.label]
        rows = [[name, *(_median(draws, name) for draws in self.lengths.values())] for name in self.model.shared]
        return Card(
            f"{len(self.single)} data sets", marks=[*refused, *marks],
            facts={"in words": self.tension.sentence, "tension": str(self.tension)},
            header=("common", *self.runs), rows=rows, notes=["Median (90 % interval)."],
        )  # fmt: skip


def _median(draws: pd.DataFrame, name: str) -> str:
    """Median (90 % interval) to three digits; empty where the length is fixed."""
    shown = [number(float(draws[name].quantile(level)), 3) for level in (0.5, 0.05, 0.95) if name in draws]
    return "{} ({} to {})".format(*shown) if shown else ""


def tension(joint: Sampled, single: Mapping[str, Sampled]) -> Tension:
    """Tension between data sets from their own posteriors and the joint one."""
    ln_R = joint.evidence.value - sum(one.evidence.value for one in single.values())
    ln_R_error = float(np.sqrt(joint.evidence.error**2 + sum(one.evidence.error**2 for one in single.values())))
    mean, error, dimension = _moments(joint)
    others = [_moments(one) for one in single.values()]
    return Tension(
        log_R=float(ln_R),
        log_R_error=ln_R_error,
        log_S=mean - sum(each[0] for each in others),
        log_S_error=float(np.sqrt(error**2 + sum(each[1] ** 2 for each in others))),
        dimension=sum(each[2] for each in others) - dimension,
    )


def _moments(one: Sampled) -> tuple[float, float, float]:
    """Mean of ln L, its Monte-Carlo error, and the dimension 2 Var(ln L)."""
    shape = one.chains.theta.shape[:-1]
    series: FloatArray = one.log_likelihood.reshape(shape).swapaxes(1, 2).reshape(-1, shape[1])
    variance = float(np.var(one.log_likelihood))
    return float(np.mean(one.log_likelihood)), float(np.sqrt(variance / ess(series))), 2 * variance


def compare_studies(
    studies: Mapping[str, Study],
    shared: tuple[str, ...] | None = None,
    *,
    seed: int = 1,
    target_ess: float = 4000,
    progress: bool = True,
) -> StudyComparison:
    """Sample every study on its own and all with common lengths.

    Parameters
    ----------
    studies : mapping of str to Study
        Two or more, by label.
    shared : tuple of str, optional
        Lengths that are common; see `joint_posterior`.
    target_ess : float
        Of each run; the error of ln S falls as its root.

    Raises
    ------
    ConfigError
        The studies cannot be put on one footing.
    """
    model = joint_posterior(studies, shared)
    single = {
        label: sampled(each, seed + 1 + k, target_ess=target_ess, progress=progress)
        for k, (label, each) in enumerate(model.models.items())
    }
    joint = sampled(model, seed, target_ess=target_ess, progress=progress)
    return StudyComparison(model, joint, single, tension(joint, single))
