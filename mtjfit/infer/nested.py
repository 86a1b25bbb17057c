"""Nested sampling by dynesty (``pip install 'mtjfit[evidence]'``), judged by the gate of every run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.infer.convergence.crosscheck import cross_check
from mtjfit.infer.convergence.gate import Chains, judge
from mtjfit.infer.ensembles.ensemble import Stream, stream
from mtjfit.infer.ensembles.jumps import TargetDensity
from mtjfit.infer.ensembles.run import Run
from mtjfit.infer.evidence import Evidence, explore_posterior
from mtjfit.progress import bar

_RUNS = 4  # so that they can be compared, as ensembles are
_SHARE = 3  # effective draws of a run for each that is kept: fewer would be drawn twice too often
_FEWEST = 500  # draws of each run that are kept: with fewer the gate cannot tell runs that agree from others
_LIVE = 25  # points for each dimension, at least
_WALKERS = 4  # by which independent draws are split, for the checks of single walkers


def run_nested(
    target: TargetDensity, names: tuple[str, ...], *, seed: int, target_ess: float, progress: bool = True
) -> Run:
    """Four independent runs of dynesty, their draws and their mean evidence.

    The draws of each run, resampled by weight, are judged as those of an ensemble are: between runs by R-hat, and by a
    second method. The error of ln Z is the larger one of those that dynesty states and of the scatter of the runs.

    Raises
    ------
    MtjfitError
        dynesty is not installed.
    """
    try:
        import dynesty
    except ImportError:
        raise MtjfitError("nested sampling needs dynesty: pip install 'mtjfit[evidence]'") from None

    def log_likelihood(z: FloatArray) -> float:
        row = np.atleast_2d(z)
        return float((target.log_posterior(row) - target.log_prior(row))[0])

    kept: list[FloatArray] = []
    log_z, errors = np.empty(_RUNS), np.empty(_RUNS)
    with bar("nested sampling", progress, total=_RUNS) as show:
        for k in range(_RUNS):
            rng = stream(seed, Stream.NESTED, k)
            sampler = dynesty.DynamicNestedSampler(log_likelihood, target.prior_transform, len(names), rstate=rng)
            enough = _enough(target_ess)
            live = max(_LIVE * len(names), enough // 4)
            sampler.run_nested(nlive_init=live, nlive_batch=live, n_effective=enough, print_progress=False)
            found = sampler.results
            log_z[k], errors[k] = found.logz[-1], found.logzerr[-1]
            weights = np.exp(found.logwt - found.logz[-1])
            weights /= weights.sum()
            n = int(1 / np.sum(weights**2) / _SHARE)
            kept.append(found.samples[rng.choice(weights.size, n, p=weights)])
            show.update()
    n = min(map(len, kept)) // _WALKERS * _WALKERS
    theta = np.array([draws[:n] for draws in kept]).reshape(_RUNS, -1, _WALKERS, len(names))
    log_posterior = target.log_posterior(theta.reshape(-1, len(names))).reshape(theta.shape[:-1])
    chains = Chains(names, theta, log_posterior, np.ones((_RUNS, _WALKERS)))
    scatter = float(np.std(log_z, ddof=1))
    evidence = Evidence(float(log_z.mean()), max(float(errors.mean()), scatter) / np.sqrt(_RUNS), "nested")
    verdict, second = judge(chains, target_ess), stream(seed, Stream.SECOND_METHOD)
    explored = explore_posterior(target, len(names), second)
    assert explored.jump is not None  # noqa: S101 - no start was given
    if verdict.converged:
        verdict = replace(verdict, checks=(*verdict.checks, cross_check(chains, explored.jump, evidence, explored)))
    return Run(chains, verdict, explored.jump, evidence if verdict.converged else None)


def _enough(target_ess: float) -> int:
    """Effective draws of each run, a tenth more than are needed of those that are kept."""
    return int(np.ceil(_SHARE * 1.1 * max(target_ess / _RUNS, _FEWEST)))
