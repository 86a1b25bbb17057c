"""A run that does not converge fits its proposal anew and throws away what it fitted it to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from infer_targets import BANANA

import mtjfit.infer.ensembles.run as sampling
from mtjfit.infer.convergence.diagnostics import ess
from mtjfit.infer.convergence.gate import Chains
from mtjfit.infer.ensembles.ensemble import ChainBlock, Stage, refitted

_MAX_STEPS = 900
_WIDTH = 40.0


@dataclass(frozen=True)
class Bent:
    """The banana as likelihood, with a flat prior that is wide enough not to matter."""

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        return np.where(np.all(np.abs(theta) < _WIDTH, axis=1), 0.0, -np.inf)

    def log_posterior(self, theta: np.ndarray) -> np.ndarray:
        return self.log_prior(theta) + BANANA.log_density(theta)

    def prior_transform(self, u: np.ndarray) -> np.ndarray:
        return _WIDTH * (2 * u - 1)


@pytest.fixture(scope="module")
def run() -> tuple[Chains, list[int]]:
    """A run that can never be content, and the steps that each refit threw away."""
    thrown: list[int] = []

    def watched(target: Bent, stage: Stage, blocks: list[ChainBlock], *rest: object) -> Stage:
        thrown.append(sum(block.theta.shape[1] for block in blocks))
        return refitted(target, stage, blocks, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "refitted", watched)
        patch.setattr(sampling, "_FIRST_REFIT", 200)
        found = sampling.run_ensembles(Bent(), ("x", "y"), seed=3, target_ess=1e9, max_steps=_MAX_STEPS, progress=False)
    assert not found.verdict.converged
    return found.chains, thrown


def test_the_draws_a_proposal_was_fitted_to_are_not_kept(run: tuple[Chains, list[int]]) -> None:
    chains, thrown = run
    assert len(thrown) == 2
    assert chains.theta.shape[1] == _MAX_STEPS - sum(thrown)
    assert thrown[0] < thrown[-1]


def test_a_refitted_run_samples_the_right_density(run: tuple[Chains, list[int]]) -> None:
    """Means and variances in the coordinates that make it normal, within 5 standard errors: 2e-6 by chance."""
    chains, _ = run
    n_ensembles, n_steps, n_walkers, size = chains.theta.shape
    z = BANANA.white(chains.theta.reshape(-1, size)).reshape(n_ensembles, n_steps, n_walkers, size)
    for k in range(size):
        walkers = z[..., k].swapaxes(1, 2).reshape(-1, n_steps)
        assert abs(walkers.mean()) < 5 / np.sqrt(ess(walkers))
        assert abs((walkers**2).mean() - 1) < 5 * np.sqrt(2 / ess(walkers**2))
