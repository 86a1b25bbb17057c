"""A run that does not converge fits its proposal anew and throws away what it fitted it to."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from infer_targets import BANANA

from mtjfit.infer import Chains, Verdict, ess, judge, run_ensembles

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
    looks: list[int] = []

    def gate(chains: Chains, target_ess: float) -> Verdict:
        looks.append(chains.theta.shape[1])
        return judge(chains, target_ess)

    found = run_ensembles(Bent(), ("x", "y"), seed=3, target_ess=1e9, max_steps=_MAX_STEPS, progress=False, gate=gate)
    assert not found.verdict.converged
    return found.chains, [before for before, after in pairwise(looks) if after <= before]


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
