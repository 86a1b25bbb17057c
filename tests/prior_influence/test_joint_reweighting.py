"""Draws are weighted to a wider joint prior by the ratio of the joint densities."""

from __future__ import annotations

import numpy as np
import pytest
from joint_cases import MEMBERS, JointCase, Road, assert_needs_correlations
from narrowing_cases import posterior_from

from mtjfit.prior_influence import alternatives, reweighted


def wider(case: JointCase) -> JointCase:
    """The case with every factor to the power 1.4, as priors are made wider."""
    made = JointCase(case.seed, widths=tuple(case.numbers[1]))
    made.numbers[1][:] = [np.log(prior.widened(1.4).of.factor) for prior in case.priors.values()]
    return made


def weighted_draws(case: JointCase) -> None:
    """Ratios of weights are ratios of joint densities, but in the tail, which is smoothed."""
    rng = np.random.default_rng(case.seed)
    log_x = rng.multivariate_normal(case.mean, 0.3 * case.covariance, 8000).reshape(4, 500, 4, 3)
    columns = {name: np.exp(log_x[..., k]) for k, name in enumerate(MEMBERS)}
    posterior = posterior_from(columns, **case.priors)
    (alternative,) = (one for one in alternatives(posterior) if one.name == "wider")
    found = np.log(reweighted(posterior, alternative).weights.ravel())
    x = np.exp(log_x.reshape(-1, 3))
    expected = wider(case).log_density(x) - case.log_density(x)
    usual = expected < np.quantile(expected, 0.7)
    np.testing.assert_allclose(np.ptp((found - expected)[usual]), 0.0, atol=1e-8)


ROADS: list[Road] = [weighted_draws]


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("seed", range(4))
def test_priors_are_joint(road: Road, seed: int) -> None:
    road(JointCase(seed))


@pytest.mark.parametrize("road", ROADS)
def test_no_road_passes_without_correlations(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_needs_correlations(road, monkeypatch)
