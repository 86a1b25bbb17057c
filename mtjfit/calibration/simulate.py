"""Simulation-based calibration: are the posteriors of a design right on average over its prior?

Truths are drawn from the prior, data from each truth, draws from the posterior of each data set. If prior, likelihood
and sampler are consistent, a truth is one more draw of its posterior, so its rank among L independent draws is uniform,
0 … L (Talts et al., arXiv:1804.06788), as is that of any function of data and parameters; the log-likelihood reveals
faults that no single parameter does (Modrák et al., Bayesian Anal. 2023). L = 99 draws are taken at random from a run
worth at least 4 L independent ones, so that neighbours in a chain are rarely among them; the remaining correlation adds
at most one truth in 800 to an outermost rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pandas as pd

from mtjfit.calibration.ranks import EcdfTest, chi2_p, detectable_width, quantities, shape_of
from mtjfit.cards import Card, ShownAsCard
from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.infer import Check, Note, Posterior, Verdict, draw_truth, priors_of, sample, simulated
from mtjfit.infer.sampling import refuse_one_thickness
from mtjfit.multiple_tests import holm
from mtjfit.parallel import in_parallel
from mtjfit.study import Study
from mtjfit.text import p_text

FALSE_ALARM = 0.01
"""Probability that a design with correct posteriors is called not calibrated, all quantities together."""
MIN_RUNS = 100
"""Converged runs below which the verdict is always no."""
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
class Calibration(ShownAsCard):
    """Ranks of truths among the draws of their posteriors, with tests and a verdict.

    Attributes
    ----------
    study : Study
        The design; its data are not used.
    n_draws : int
        Draws L among which a truth is ranked.
    ranks : DataFrame
        One row for each simulation, one column for each quantity: number of draws below the truth, 0 … n_draws; NaN
        where a run gave no draws. Includes runs that did not converge.
    failures : tuple of str
        For each simulation the reason why it does not count; empty where the run converged.

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

        Convergence depends on the data, not on the truth behind them: leaving runs out does not make ranks less
        uniform, it only restricts the test to other data.
        """
        return np.array([not failure for failure in self.failures], dtype=bool)

    @cached_property
    def tests(self) -> pd.DataFrame:
        """By quantity: p-values chi2 and ecdf, p (the smaller one, adjusted by Holm's method for all tests), ok."""
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
        """p-value at which a single test fails the whole verdict."""
        return FALSE_ALARM / (2 * self.ranks.shape[1])

    def sentence(self, name: str) -> str:
        """Fault of the posterior of a quantity, from its ranks."""
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
        """All checks of the verdict."""
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

    @cached_property
    def verdict(self) -> Verdict:
        """All checks, with the resolution as a note."""
        return Verdict(self.checks, {}, (Note("resolution", self.resolution),))

    @property
    def calibrated(self) -> bool:
        """True only if every check holds."""
        return self.verdict.converged

    @property
    def reasons(self) -> tuple[str, ...]:
        """Objections to calibration; empty if calibrated."""
        return self.verdict.reasons

    @property
    def resolution(self) -> str:
        """Smallest error that these runs could have detected, in words."""
        counted = int(self.converged.sum())
        if counted < MIN_RUNS:
            return "so few runs detect next to nothing"
        factor = detectable_width(counted, self.n_draws, self.single_level)
        return (
            f"{counted} runs detect a posterior that is too narrow by a factor of {factor:.1f} nine times in ten, "
            "and few smaller errors"
        )

    def _card(self) -> Card:
        title = f"Calibration of {self.study.name}: " + ("calibrated" if self.calibrated else "not calibrated")
        facts = {"simulations": f"{len(self.failures)}, {int(self.converged.sum())} converged"}
        return self.verdict.as_card(title, "CALIBRATED", facts)

    def __str__(self) -> str:
        return self.verdict.as_text("CALIBRATED")


N_DRAWS = 99
_TARGET_ESS = 4 * N_DRAWS
_MAX_STEPS = 6_000  # a hopeless run then takes half a minute

Sampler: TypeAlias = Callable[[Study, int], Posterior]


def _sampled(study: Study, seed: int) -> Posterior:
    return sample(study, seed, progress=False)


def _run(job: tuple[Study, np.random.SeedSequence, Sampler]) -> tuple[dict[str, int], str]:
    """Ranks of one truth by quantity, empty where there are no draws, and the reason why they do not count."""
    design, seed, sampler = job
    of_truth, of_sampler, of_choice = seed.spawn(3)
    rng = np.random.default_rng(of_truth)
    truth = draw_truth(design, rng)
    study = simulated(design, truth, rng)
    try:
        posterior = sampler(study, int(of_sampler.generate_state(1, np.uint64)[0] >> 1))
    except NotDetermined:
        raise
    except MtjfitError as error:
        return {}, str(error)
    draws = posterior.draws
    if len(draws) < N_DRAWS:
        return {}, f"only {len(draws)} draws"
    chosen = np.random.default_rng(of_choice).permutation(len(draws))[:N_DRAWS]
    # the truth first, then the draws, through the same code
    together = {name: np.append(value, draws[name].to_numpy()[chosen]) for name, value in truth.items()}
    found = quantities(study, together)
    endless = [name for name, values in found.items() if not np.all(np.isfinite(values))]
    if endless:
        return {}, f"{endless[0]} is not finite"
    ranks = {name: int(np.sum(values[1:] < values[0])) for name, values in found.items()}
    return ranks, "; ".join(posterior.verdict.reasons)


def calibrate(
    study: Study,
    n: int = 300,
    seed: int | None = None,
    workers: int = 1,
    *,
    sampler: Sampler = _sampled,
    progress: bool = True,
) -> Calibration:
    """Simulate a design n times and rank each truth among draws of its posterior.

    Parameters
    ----------
    study : Study
        The design: thicknesses, bias points, errors, masks and priors. Its measured values are not used.
    seed : int, optional
        Default: the seed of the study. Simulation k is the same whatever `n` and `workers` are.
    workers : int
        Processes. With more than one a script needs ``if __name__ == "__main__":``.
    sampler : callable
        Gives the posterior of a study from a seed; default: `mtjfit.sample`, run until it has 396 effective draws.
        Another one must be at the top level of a module, so that other processes can import it.

    Returns
    -------
    Calibration
        ``.calibrated`` says whether, ``.reasons`` why not.

    Raises
    ------
    NotDetermined
        One thickness, free lengths.
    MtjfitError
        Nothing is free, or a process was killed.
    ValueError
        `n` or `workers` is not positive.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> calibration = calibrate(study, workers=2)  # doctest: +SKIP
    >>> print(calibration)  # doctest: +SKIP
    >>> calibrate(study.replace(curves=study.curves[:1]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    mtjfit.errors.NotDetermined: one thickness (0.8 nm) does not determine lambda_J, lambda_phi, ...
    """
    if n < 1 or workers < 1:
        raise ValueError("calibration needs at least one simulation and one worker")
    refuse_one_thickness(study)
    if not priors_of(study):
        raise MtjfitError("every parameter of this study is fixed: there is no posterior to calibrate")
    seed = study.sampling.seed if seed is None else seed
    shorter = {"target_ess": _TARGET_ESS, "max_steps": min(study.sampling.max_steps, _MAX_STEPS)}
    design = study.replace(sampling=replace(study.sampling, **shorter))
    jobs = [(design, own, sampler) for own in np.random.SeedSequence(seed).spawn(n)]
    found = in_parallel(_run, jobs, workers, says="calibrating", progress=progress)
    names = next((list(ranks) for ranks, _ in found if ranks), [*priors_of(study)])
    ranks = pd.DataFrame([ranks for ranks, _ in found], columns=names, index=pd.RangeIndex(n, name="simulation"))
    return Calibration(study, seed, N_DRAWS, ranks, tuple(failure for _, failure in found))
