"""Studies with a random joint prior of three lengths, and its density by scipy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from model_studies import simulated
from scipy import stats

from mtjfit.study import Correlated, LogNormal, Study, correlated

MEMBERS = ("lambda_J", "lambda_phi", "lambda_sf_F")


@dataclass(frozen=True)
class JointCase:
    """Medians, factors and correlations drawn at random; all of them are known to three digits."""

    seed: int
    members: tuple[str, ...] = MEMBERS
    widths: tuple[float, ...] = ()  # standard deviations of logarithms in place of random ones
    numbers: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        rng, k = np.random.default_rng([self.seed, 61]), len(self.members)
        eigenvalues = rng.dirichlet(np.full(k, 2.0)) * k
        eigenvalues = 0.9 * eigenvalues + 0.1
        R = np.round(stats.random_correlation.rvs(eigenvalues * k / eigenvalues.sum(), random_state=rng), 3)
        median, sd = np.round(rng.uniform(0.8, 4.0, k), 3), np.round(self.widths or rng.uniform(0.1, 0.6, k), 3)
        object.__setattr__(self, "numbers", (median, sd, R))

    @property
    def priors(self) -> dict[str, Correlated]:
        median, sd, R = self.numbers
        return {
            name: Correlated(
                LogNormal(float(median[j]), float(np.exp(sd[j]))),
                {other: float(R[j, k]) for k, other in enumerate(self.members) if k != j},
            )
            for j, name in enumerate(self.members)
        }

    def study(self, **changes: Any) -> Study:
        return simulated(**({**self.priors, "n_bias": 5} | changes))

    @property
    def mean(self) -> np.ndarray:
        return np.log(self.numbers[0])

    @cached_property
    def covariance(self) -> np.ndarray:
        _, sd, R = self.numbers
        return np.diag(sd) @ R @ np.diag(sd)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Of the members' values, shape (n, k), with the Jacobian of the logarithm."""
        found = stats.multivariate_normal(self.mean, self.covariance).logpdf(np.log(x))
        return np.asarray(found - np.log(x).sum(axis=1))

    def assert_drawn(self, x: np.ndarray) -> None:
        """Means and covariances of n draws of the members.

        In independent coordinates each is known to 1/√n or √(2/n); one of nine is off by 5.5 such errors, by chance, in
        3e-7 of all runs.
        """
        white = np.linalg.solve(np.linalg.cholesky(self.covariance), (np.log(x) - self.mean).T)
        n, k = white.shape[1], len(white)
        assert np.all(np.abs(white.mean(axis=1)) < 5.5 / np.sqrt(n))
        assert np.all(np.abs(white @ white.T / n - np.eye(k)) < 5.5 * np.sqrt((1 + np.eye(k)) / n))


Road = Callable[[JointCase], None]
"""A place that reads priors, and the check that the joint one arrives there."""


def assert_needs_correlations(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails where correlations are ignored."""
    monkeypatch.setattr(correlated, "correlation_matrix", lambda priors: np.eye(len(priors)))
    with pytest.raises(AssertionError):
        road(JointCase(0))
