"""Simulation-based calibration: are the posteriors of a design right on average over its prior?

Truths are drawn from the prior, data from each truth, draws from the posterior of each data set. If prior, likelihood
and sampler belong together, a truth is one more draw of its posterior, so its rank among L independent draws is
uniform, 0 … L (Talts et al., arXiv:1804.06788); that of any function of data and parameters likewise, and the
log-likelihood sees what no single parameter sees (Modrák et al., Bayesian Anal. 2023). L = 99 draws are taken at random
from all those of a run that the gate found worth at least 4 L independent ones, so that neighbours in a chain are
rarely among them; what correlation is left adds at most one truth in 800 to an outermost rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd

from mtjfit.calibration.ranks import quantities
from mtjfit.calibration.result import Calibration
from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.sampling import refuse_one_thickness, sample
from mtjfit.infer.simulate import draw_truth, priors_of, simulated
from mtjfit.parallel import in_parallel
from mtjfit.study import Study

__all__ = ["Calibration", "Sampler", "calibrate"]

N_DRAWS = 99
_TARGET_ESS = 4 * N_DRAWS
_MAX_STEPS = 6_000  # a hopeless run then takes half a minute

Sampler: TypeAlias = Callable[[Study, int], Posterior]


def _sampled(study: Study, seed: int) -> Posterior:
    return sample(study, seed, progress=False)


@dataclass(frozen=True)
class _Job:
    """One simulation: the design, where its random numbers come from, and what is to be judged."""

    design: Study
    seed: np.random.SeedSequence
    sampler: Sampler


def _run(job: _Job) -> tuple[dict[str, int], str]:
    """Ranks of one truth by quantity, and why they do not count; no ranks where there are no draws."""
    of_truth, of_sampler, of_choice = job.seed.spawn(3)
    rng = np.random.default_rng(of_truth)
    truth = draw_truth(job.design, rng)
    study = simulated(job.design, truth, rng)
    try:
        posterior = job.sampler(study, int(of_sampler.generate_state(1, np.uint64)[0] >> 1))
    except NotDetermined:
        raise
    except MtjfitError as error:
        return {}, str(error)
    draws = posterior.draws
    if len(draws) < N_DRAWS:
        return {}, f"only {len(draws)} draws"
    chosen = np.random.default_rng(of_choice).permutation(len(draws))[:N_DRAWS]
    # the truth in front of the draws, so that both go through the same code
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
        The design: thicknesses, bias points, errors, masks and priors. Its measured values play no part.
    n : int
        Simulations.
    seed : int, optional
        Default: the seed of the study. Simulation k is the same whatever `n` and `workers` are.
    workers : int
        Processes. With more than one a script needs ``if __name__ == "__main__":``.
    sampler : callable
        What is judged: gives the posterior of a study, from a seed. By default `mtjfit.sample`, run until it has 396
        effective draws. Another one must belong to a module, so that other processes can find it.
    progress : bool
        Show a bar on a terminal.

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
    jobs = [_Job(design, own, sampler) for own in np.random.SeedSequence(seed).spawn(n)]
    found = in_parallel(_run, jobs, workers, says="calibrating", progress=progress)
    names = next((list(ranks) for ranks, _ in found if ranks), [*priors_of(study)])
    ranks = pd.DataFrame([ranks for ranks, _ in found], columns=names, index=pd.RangeIndex(n, name="simulation"))
    return Calibration(study, seed, N_DRAWS, ranks, tuple(failure for _, failure in found))
