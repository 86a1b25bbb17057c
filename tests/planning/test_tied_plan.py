"""A plan for a study with a tied length."""

from __future__ import annotations

import numpy as np
from model_studies import simulated

from mtjfit.model import make_posterior
from mtjfit.planning.draws import draws_from_posterior
from mtjfit.planning.response import measured, respond
from mtjfit.study import EqualTo

RATIO = 1.3


def test_a_plan_sees_the_slopes_of_both_lengths() -> None:
    names = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "a1", "b2")
    at = {name: np.full(2, x) for name, x in zip(names, (1.1, 1.1 * RATIO, 9.0, 2.0, 1.0, 0.5), strict=True)}
    slopes = []
    for study in (simulated(lambda_phi=EqualTo("lambda_J", RATIO)), simulated()):
        priors = make_posterior(study).priors
        draws = draws_from_posterior(study, {name: at[name] for name in priors}, priors)
        matrix = np.concatenate([respond(draws, made).shared[0] for made in measured(draws)])
        slopes.append(dict(zip(draws.names, matrix.T, strict=True)))
    tied, free = slopes
    np.testing.assert_allclose(tied["lambda_J"], free["lambda_J"] + free["lambda_phi"], atol=1e-9)
