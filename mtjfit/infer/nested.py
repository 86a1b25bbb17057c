"""Nested sampling by dynesty (``pip install 'mtjfit[evidence]'``), judged by the gate of every run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.infer.convergence.crosscheck import cross_check
from mtjfit.infer.convergence.gate import Chains, judge
from mtjfit.infer.ensembles.ensemble import Stream, stream
from mtjfit.infer.ensembles.fit import covering, fitted
from mtjfit.infer.ensembles.jumps import Jump, Straight, TargetDensity
from mtjfit.infer.ensembles.run import Run
from mtjfit.infer.evidence import Evidence, explore_posterior
from mtjfit.progress import bar

_SHARE = 3  # effective draws of a run for each that is kept: fewer would be drawn twice too often
_FEWEST = 500  # draws of each run that are kept: with fewer the gate cannot tell runs that agree from others
_LIVE = 25  # points for each dimension, at least
_WALKERS = 4  # by which independent draws are split, for the checks of single walkers


def run_nested(
    target: TargetDensity,
    names: tuple[str, ...],
    *,
    seed: int,
    target_ess: float,
    n_runs: int = 4,
    progress: bool = True,
) -> Run:
    """Independent runs of dynesty, judged by `judged_draws`.

    Raises
    ------
    MtjfitError
        dynesty is not installed.
    """
    chains, evidence = nested_draws(target, names, seed=seed, target_ess=target_ess, n_runs=n_runs, progress=progress)
    return judged_draws(target, chains, evidence, seed=seed, target_ess=target_ess)


def nested_draws(
    target: TargetDensity, names: tuple[str, ...], *, seed: int, target_ess: float, n_runs: int, progress: bool
) -> tuple[Chains, Evidence]:
    """Draws of independent runs of dynesty, resampled by weight, each run as an ensemble; and their mean evidence.

    The error of ln Z is the larger one of those that dynesty states and of the scatter of the runs.
    """
    try:
        import dynesty
    except ImportError:
        raise MtjfitError("nested sampling needs dynesty: pip install 'mtjfit[evidence]'") from None

    def log_likelihood(z: FloatArray) -> float:
        row = np.atleast_2d(z)
        return float((target.log_posterior(row) - target.log_prior(row))[0])

    kept: list[FloatArray] = []
    log_z, errors = np.empty(n_runs), np.empty(n_runs)
    with bar("nested sampling", progress, total=n_runs) as show:
        for k in range(n_runs):
            rng = stream(seed, Stream.NESTED, k)
            sampler = dynesty.DynamicNestedSampler(log_likelihood, target.prior_transform, len(names), rstate=rng)
            enough = _enough(target_ess / n_runs)
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
    theta = np.array([draws[:n] for draws in kept]).reshape(n_runs, -1, _WALKERS, len(names))
    log_posterior = target.log_posterior(theta.reshape(-1, len(names))).reshape(theta.shape[:-1])
    chains = Chains(names, theta, log_posterior, np.ones((n_runs, _WALKERS)))
    scatter = float(np.std(log_z, ddof=1))
    return chains, Evidence(float(log_z.mean()), max(float(errors.mean()), scatter) / np.sqrt(n_runs), "nested")


def judged_draws(target: TargetDensity, chains: Chains, evidence: Evidence, *, seed: int, target_ess: float) -> Run:
    """Independent draws judged as those of ensembles are: between runs, and by a second method.

    They were not proposed by anything. What the second method asks of a proposal, that it reaches all mass, is asked of
    a mixture fitted to the draws themselves; the evidence is not computed from it.
    """
    size, rng = len(chains.names), stream(seed, Stream.SECOND_METHOD)
    straight = Straight(target)
    v, log_volume = straight.inward(chains.theta.reshape(-1, size))
    log_density = chains.log_posterior.ravel() - log_volume
    mixture = covering(fitted(v, rng, ridge=straight.ridge), v, np.ones(v.shape[0]), log_density, rng, straight.ridge)
    jump = Jump(mixture, straight)
    verdict = judge(chains, target_ess)
    if verdict.converged:
        check = cross_check(chains, jump, evidence, explore_posterior(target, size, rng))
        verdict = replace(verdict, checks=(*verdict.checks, check))
    return Run(chains, verdict, jump, evidence if verdict.converged else None)


def _enough(ess_of_run: float) -> int:
    """Effective draws of each run, a tenth more than are needed of those that are kept."""
    return int(np.ceil(_SHARE * 1.1 * max(ess_of_run, _FEWEST)))
