"""Random designs with a tie, against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from designs import design
from reference_likelihood import Target

from mtjfit.model import make_posterior
from mtjfit.study import EqualTo, Fixed, Parameter, Study

TIES = (("lambda_phi", "lambda_J"), ("lambda_J", "lambda_phi"), ("lambda_sf_F", "lambda_phi"))
KINDS = ("plain", "groups", "D_ratio", "jitter", "fitted noise")


def tied(study: Study, seed: int) -> Study:
    """One or two lengths are a random multiple of another; thicknesses are known."""
    rng = np.random.default_rng(seed)
    parameters = dict(study.parameters)
    for name, target in TIES[seed % 3 : seed % 3 + 1] + TIES[2:] * (seed % 2):
        if target != name and not isinstance(parameters[target].prior, EqualTo):
            parameters[name] = Parameter(name, EqualTo(target, float(rng.uniform(0.5, 3.0))))
    parameters["thickness"] = Parameter("thickness", Fixed(0.0), "device")
    return study.replace(parameters=parameters)


@pytest.mark.parametrize("seed", range(12))
def test_a_tied_likelihood_is_that_of_the_reference(seed: int) -> None:
    """At points of the prior, up to a constant, by a program without a common line."""
    study = tied(design(seed).study, seed)
    model, target = make_posterior(study), Target(study)
    z = np.random.default_rng(seed).normal(0.0, 0.7, (12, model.size))
    x = model.scores.values(z)
    columns = [model.names.index(entry.name) for entry in target.layout.entries]
    expected = target.log_likelihood(x[:, columns].T)
    assert study.tied
    assert np.ptp(model.log_likelihood(z) - expected) < 1e-7 * (1 + np.ptp(expected))
