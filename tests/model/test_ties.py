"""A length tied to another one: everything that is computed is what a study without the tie gives where it holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from model_studies import declared, simulated
from shortcuts import slow_after

from mtjfit import fit, sample
from mtjfit.model import make_posterior
from mtjfit.model.likelihood import full_posterior, transfer, transfer_gradient
from mtjfit.model.rank import structure
from mtjfit.study import AboutNominal, EqualTo, Fixed, LogNormal, LogUniform, Parameter, Sampling, Study, Uniform

RATIO = 1.3
TIES: dict[str, dict[str, Any]] = {
    "phi to J": {"lambda_phi": EqualTo("lambda_J", RATIO)},
    "J to phi": {"lambda_J": EqualTo("lambda_phi", RATIO)},
    "N to sf, flat": {"lambda_sf_N": EqualTo("lambda_sf_F", RATIO), "lambda_sf_F": Uniform(0.5, 30.0)},
    "Lambda to J": {"lambda_sf_N": None, "D_ratio": None, "Lambda": EqualTo("lambda_J", RATIO)},
    "two, by group": {"lambda_phi": EqualTo("lambda_J", RATIO), "lambda_sf_F": EqualTo("lambda_J", 5.0),
                      "lambda_J": (LogUniform(0.2, 20.0), "group"), "thickness": AboutNominal(0.05)},
}  # fmt: skip
each_tie = pytest.mark.parametrize("priors", TIES.values(), ids=list(TIES))


def released(study: Study) -> Study:
    """The study with the prior of the target, whatever it is, in place of every tie."""
    wide = {name: LogNormal(3.0, 2.0) for name, one in study.parameters.items() if one.tie is not None}
    parameters = {name: type(one)(name, wide.get(name, one.prior), one.scope) for name, one in study.parameters.items()}
    return study.replace(parameters=parameters)


def known(x: float) -> dict[str, Parameter]:
    """Both lengths of a tie at a value."""
    return {name: Parameter(name, Fixed(r * x)) for name, r in (("lambda_J", 1.0), ("lambda_phi", RATIO))}


def followed(study: Study, free: Study, values: np.ndarray, names: Any, free_names: Any) -> np.ndarray:
    """Values of the study in the columns of the one without ties."""
    known = dict(zip(names, values.T, strict=True))
    known |= {name: tie.ratio * known[of] for name, of, tie in study.tied}
    return np.stack([known[name] for name in free_names], axis=-1)


@each_tie
def test_the_likelihood_is_that_of_a_study_in_which_the_tie_happens_to_hold(priors: dict[str, Any]) -> None:
    study = simulated((1.0, 1.8, 2.7, 3.5), **priors)
    free = released(study)
    model, untied = make_posterior(study), make_posterior(free)
    z = np.random.default_rng(1).normal(0.0, 0.7, (20, model.size))
    there = followed(study, free, model.scores.values(z), model.names, untied.names)
    expected = untied.log_likelihood(untied.scores.of(there))
    np.testing.assert_allclose(model.log_likelihood(z), expected, rtol=1e-9)
    assert model.size == untied.size - len(study.tied)
    assert np.ptp(expected) > 1.0


@each_tie
def test_the_gradient_is_the_slope_of_the_transfer_function(priors: dict[str, Any]) -> None:
    layout = full_posterior(simulated((1.0, 1.8, 2.7, 3.5), **priors)).layout
    theta, h = layout.from_unit_cube(np.full(layout.size, 0.4)), 1e-5
    gradient = transfer_gradient(layout, layout.values(theta), per_volume=True)
    for k in range(layout.size):
        up, down = (
            transfer(layout, layout.values(theta + s * h * np.eye(layout.size)[k]), per_volume=True) for s in (1, -1)
        )
        np.testing.assert_allclose(gradient[:, k], (up - down) / (2 * h), rtol=2e-6, atol=1e-9)


def test_the_fit_is_the_best_of_a_grid_and_the_tied_error_is_in_proportion() -> None:
    priors = {"lambda_phi": EqualTo("lambda_J", RATIO), "lambda_sf_F": Fixed(10.0), "lambda_sf_N": Fixed(2.0)}
    study = simulated((0.8, 1.4, 2.0, 2.7, 3.5), noise=0.005, truth={"lambda_phi": RATIO}, **priors)
    found = fit(study)
    assert found.values["lambda_phi"] == pytest.approx(RATIO * found.values["lambda_J"], rel=1e-12)
    error = found.errors["lambda_J"]
    assert error is not None
    assert found.errors["lambda_phi"] == pytest.approx(RATIO * error, rel=1e-12)
    assert abs(found.values["lambda_J"] - 1.0) < 4 * error
    # each point of the grid is a study with both lengths fixed, fitted for itself
    grid = found.values["lambda_J"] + error * np.array([-1.0, 0.0, 1.0])
    chi2 = [fit(study.replace(parameters=study.parameters | known(x))).chi2 for x in grid]
    np.testing.assert_allclose(np.array(chi2) - found.chi2, [1.0, 0.0, 1.0], atol=0.1)
    assert found.params["lambda_phi"].vary is False
    assert found.params["lambda_phi"].correl["lambda_J"] == found.params["lambda_J"].correl["lambda_phi"] == 1.0
    assert "= 1.3 × lambda_J" in found.report()


@pytest.mark.parametrize("priors", slow_after(1, TIES.values()), ids=list(TIES))
def test_a_tied_length_is_correlated_with_its_partner_to_the_full(priors: dict[str, Any]) -> None:
    study = simulated((0.8, 1.4, 2.0, 2.7, 3.5), noise=0.005, **priors)
    found = fit(study)
    u, covar = found.uvalues, found.covar
    sd = np.sqrt(np.diagonal(covar))
    assert study.tied
    for name, of, tie in study.tied:
        assert u[name].nominal_value == found.values[name]
        if found.errors[of] is None:
            assert np.isnan(u[name].std_dev)
            assert name not in covar
            continue
        assert u[name].std_dev == pytest.approx(found.errors[name], rel=1e-9)
        assert (u[name] / u[of]).nominal_value == pytest.approx(tie.ratio, rel=1e-12)
        assert (u[name] / u[of]).std_dev < 1e-12
        correlation = covar.loc[name] / found.errors[name] / sd
        np.testing.assert_allclose(correlation, covar.loc[of] / found.errors[of] / sd, rtol=1e-9)
        assert correlation[of] == pytest.approx(1.0, rel=1e-12)
        assert (u[name] + u["a1"]).std_dev == pytest.approx(
            np.sqrt(covar.loc[name, name] + covar.loc["a1", "a1"] + 2 * covar.loc[name, "a1"]), rel=1e-6
        )
    np.testing.assert_array_equal(covar, covar.T)
    assert np.linalg.eigvalsh(covar / np.outer(sd, sd)).min() > -1e-9


def test_a_tie_lowers_the_number_of_parameters_and_may_make_them_known() -> None:
    loose = simulated((1.0, 2.0), b2=None)
    tight = simulated((1.0, 2.0), b2=None, lambda_phi=EqualTo("lambda_J"), lambda_sf_N=EqualTo("lambda_sf_F"))
    before, after = (structure(full_posterior(each)) for each in (loose, tight))
    assert (before.n_parameters, after.n_parameters) == (5, 3)
    assert before.rank < before.n_parameters
    assert after.rank == after.n_parameters


def test_what_is_tied_to_a_fixed_length_is_fixed() -> None:
    study = simulated(lambda_J=Fixed(1.5), lambda_phi=EqualTo("lambda_J", 2.0))
    assert study.parameters["lambda_phi"].value == 3.0
    free = study.replace(
        parameters=study.parameters | declared(lambda_J=LogUniform(0.1, 9.0), lambda_phi=EqualTo("lambda_J"))
    )
    assert free.parameters["lambda_phi"].tie is not None
    assert free.tied == [("lambda_phi", "lambda_J", EqualTo("lambda_J"))]


@pytest.mark.slow
def test_draws_and_evidence_are_those_of_a_grid_of_fixed_lengths() -> None:
    priors = {"lambda_phi": EqualTo("lambda_J", RATIO), "lambda_sf_F": Fixed(10.0), "lambda_sf_N": Fixed(2.0)}
    study = simulated((0.8, 1.4, 2.0, 2.7, 3.5), truth={"lambda_phi": RATIO}, **priors)
    posterior = sample(study.replace(sampling=Sampling(target_ess=1000)), 1, progress=False)
    u = np.linspace(np.log(0.7), np.log(1.4), 141)
    log_L = np.array([
        make_posterior(study.replace(parameters=study.parameters | known(float(np.exp(x))))).log_likelihood(
            np.zeros((1, 0)))[0] for x in u])  # fmt: skip
    weight = np.exp(log_L - log_L.max())
    mean = weight @ u / weight.sum()
    sd = np.sqrt(weight @ (u - mean) ** 2 / weight.sum())
    drawn = np.log(posterior.draws["lambda_J"])
    assert posterior.verdict.converged
    assert abs(drawn.mean() - mean) < 5 * sd / np.sqrt(1000)
    assert drawn.std() == pytest.approx(sd, rel=0.1)
    log_Z = log_L.max() + np.log(weight.sum() * (u[1] - u[0]) / np.log(1000.0))
    assert posterior.evidence is not None
    assert posterior.evidence.value == pytest.approx(log_Z, abs=0.1)
    np.testing.assert_allclose(posterior.draws["lambda_phi"], RATIO * posterior.draws["lambda_J"])
    assert posterior.determined("lambda_phi") == posterior.determined("lambda_J") == "yes"
