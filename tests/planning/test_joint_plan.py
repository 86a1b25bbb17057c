"""A plan draws from a joint prior, and counts it as what is known before."""

from __future__ import annotations

import numpy as np
import pytest
from joint_cases import MEMBERS, JointCase, Road, assert_needs_correlations
from plan_cases import design

from mtjfit.model import make_posterior
from mtjfit.planning.draws import draws_from_posterior, draws_from_priors
from mtjfit.planning.expected_gain import precision_before


def drawn_for_a_plan(case: JointCase) -> None:
    draws = draws_from_priors(design(**case.priors), 20_000, np.random.default_rng(case.seed))
    case.assert_drawn(np.stack([draws.values[name] for name in MEMBERS], axis=1))


def precision_of_a_plan(case: JointCase) -> None:
    """Without data; the others are as wide as they are alone."""
    draws = draws_from_priors(design(**case.priors), 2, np.random.default_rng(case.seed))
    found = np.linalg.inv(precision_before(draws)[0])
    places = [draws.place[name] for name in MEMBERS]
    np.testing.assert_allclose(found[np.ix_(places, places)], case.covariance, rtol=1e-9)
    np.testing.assert_allclose(np.diagonal(found), draws.prior_sd**2, rtol=1e-9)
    measured = draws_from_posterior(study := case.study(), dict(draws.values), make_posterior(study).priors)
    assert np.all(np.linalg.eigvalsh(precision_before(measured)[0]) > 0)


ROADS: list[Road] = [drawn_for_a_plan, precision_of_a_plan]


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("seed", range(4))
def test_priors_are_joint(road: Road, seed: int) -> None:
    road(JointCase(seed))


@pytest.mark.parametrize("road", ROADS)
def test_no_road_passes_without_correlations(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_needs_correlations(road, monkeypatch)
