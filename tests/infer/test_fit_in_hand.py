"""A fit in Python: residuals, curves, covariance and values with errors, beside lmfit and the predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_studies import simulated
from shortcuts import slow_after

import mtjfit
from mtjfit.infer import FitResult
from mtjfit.model import SpinTorqueModel
from mtjfit.results import errors_of, torque_at
from mtjfit.study import AboutNominal, LogNormal, Parameter, Study

pytestmark = pytest.mark.usefixtures("quick_fits")
SERIES = (0.8, 1.5, 2.5, 4.0, 6.0)
FREE = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "a1", "b2")


@pytest.fixture(scope="module")
def both() -> tuple[FitResult, Any, np.ndarray]:
    """One problem, fitted by mtjfit and by lmfit; the weights."""
    study = simulated(SERIES, noise=0.003, seed=4)
    ours = mtjfit.fit(study)
    model, curves = SpinTorqueModel("torque", "device"), study.curves
    T = np.concatenate([c.par + 1j * c.perp for c in curves])
    start = model.make_params(**{name: ours.values[name] * 1.05 for name in FREE})
    weights = np.full(T.size, (1 + 1j) / 0.003)
    V, d = np.concatenate([c.bias for c in curves]), np.repeat(SERIES, curves[0].bias.size)
    return ours, model.fit(T, start, V=V, d=d, weights=weights, scale_covar=False), weights


def test_residuals_are_those_of_lmfit(both: tuple[FitResult, Any, np.ndarray]) -> None:
    ours, lmfits, _ = both
    table = ours.residuals()
    normalised = (table["residual"] / table["sigma"]).to_numpy().reshape(len(SERIES), 2, -1)
    # lmfit: model − data, the two parts of each point side by side
    theirs = -np.asarray(lmfits.residual).reshape(len(SERIES), -1, 2).swapaxes(1, 2)
    np.testing.assert_allclose(np.abs(normalised), np.abs(theirs), atol=2e-3)
    best = lmfits.best_fit.reshape(len(SERIES), -1)
    for row, device in zip(best, ours.study.devices, strict=True):
        curve = ours.curve(device)
        np.testing.assert_allclose(curve["par"] + 1j * curve["perp"], row, atol=1e-5)


def test_covariance_and_what_follows_from_it_are_those_of_lmfit(both: tuple[FitResult, Any, np.ndarray]) -> None:
    ours, lmfits, _ = both
    names = lmfits.var_names
    sd = np.sqrt(np.diagonal(lmfits.covar))
    away = ours.covar.loc[names, names].to_numpy() / np.outer(sd, sd) - lmfits.covar / np.outer(sd, sd)
    assert np.abs(away).max() < 0.02
    u, theirs = ours.uvalues, lmfits.uvars
    for combined in (lambda v: v["a1"] / v["b2"], lambda v: v["lambda_J"] * v["lambda_phi"] ** 0.5):
        assert combined(u).std_dev == pytest.approx(combined(theirs).std_dev, rel=0.02)
    assert (ours.uvalues["a1"] / ours.uvalues["b2"]).std_dev == (u["a1"] / u["b2"]).std_dev
    # correlated: the errors alone would give another answer
    ratio = u["lambda_sf_N"] / u["lambda_phi"]
    alone = abs(ratio.nominal_value) * np.hypot(
        *(u[n].std_dev / u[n].nominal_value for n in ("lambda_sf_N", "lambda_phi"))
    )
    assert abs(ratio.std_dev / alone - 1) > 0.1


CASES: dict[str, Any] = {
    "known": lambda: simulated(noise=0.01),
    "torkance per volume in mT": lambda: simulated(noise=0.01, quantity="torkance", per="volume", unit="mT/V"),
    "fitted errors": lambda: simulated(noise=0.01, fit_sigma=True),
    "thickness": lambda: simulated(noise=0.01, thickness=AboutNominal(0.05)),
    "own amplitudes that scatter": lambda: simulated(SERIES, noise=0.01, scatter_a1=LogNormal(0.03, 1.5)),
    "two units, a mask, a value that was not measured": lambda: odd_ones(simulated(noise=0.01, unit="1e-19 N m")),
}


def odd_ones(study: Study) -> Study:
    first, second, third = study.curves
    scaled = {name: 1e-19 * getattr(second, name) for name in ("par", "perp", "sigma_par", "sigma_perp")}
    hole = third.perp.copy()
    hole[2] = np.nan
    used = np.array([[True] * hole.size, np.isfinite(hole)])
    return study.replace(curves=(
        first.mask(first.bias > 0.35, "outside"), replace(second, unit="N m", **scaled),
        replace(third, perp=hole, used_values=used),
    ))  # fmt: skip


@pytest.mark.parametrize("case", slow_after(2, CASES))
def test_residuals_are_those_of_the_predictions(case: str) -> None:
    study = CASES[case]()
    fit = mtjfit.fit(study)
    table = fit.residuals()
    assert len(table) == sum(int(curve.measured.sum()) for curve in study.curves)
    assert int(table["used"].sum()) == study.n_values
    used = table[table["used"]]
    assert ((used["residual"] / used["sigma"]) ** 2).sum() == pytest.approx(fit.optimum.chi2_data, rel=1e-9)
    for curve in study.curves:
        T, sigma = torque_at(study, fit.values, curve, curve.bias), errors_of(study, fit.values, curve)
        for c, name in enumerate(("par", "perp")):
            mine = table[(table["device"] == curve.device) & (table["component"] == name)]
            there = curve.measured[c]
            np.testing.assert_allclose(mine["model"], (T.real, T.imag)[c][there], rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(mine["measured"], curve.component(c)[0][there])
            np.testing.assert_allclose(mine["sigma"], sigma[c][there], rtol=1e-9)
            np.testing.assert_array_equal(mine["used"], curve.used_values[c][there])
        assert set(mine["unit"]) == {curve.unit}
        V = [0.0, 0.123]
        at = torque_at(study, fit.values, curve, V)
        found = fit.curve(curve.name, V)
        np.testing.assert_allclose(found["par"] + 1j * found["perp"], at, rtol=1e-9, atol=1e-12)


def test_jitter_stands_in_the_errors() -> None:
    study = simulated(noise=0.01, seed=3)
    jitter = {name: Parameter(name, LogNormal(0.02, 2.0)) for name in ("jitter_par", "jitter_perp")}
    fit = mtjfit.fit(study.replace(parameters={**study.parameters, **jitter}))
    table = fit.residuals()
    assert (table["sigma"] > 0.01).all()
    assert ((table["residual"] / table["sigma"]) ** 2).sum() == pytest.approx(fit.optimum.chi2_data, rel=1e-9)


def test_values_without_error_carry_none_on() -> None:
    fit = mtjfit.fit(simulated((2.0,)))  # one thickness determines no length
    u = fit.uvalues
    assert list(u) == [*fit.values]
    assert fit.covar.empty
    assert np.isnan(u["lambda_J"].std_dev)
    assert np.isnan((2 * u["lambda_J"] / u["lambda_phi"]).std_dev)
    assert u["D_ratio"] == fit.values["D_ratio"] == 1.0
    assert isinstance(u["D_ratio"], float)


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    fit = mtjfit.fit(simulated())
    with pytest.raises(ValueError, match="no curve 'Z': choose from 'A', 'B', 'C'"):
        fit.curve("Z")


NAMES = (
    *("aic", "best_fit", "best_values", "bic", "chisqr", "ci_out", "conf_interval", "fit_report", "ndata", "nfree"),
    *("nvarys", "redchi", "residual", "uvars", "var_names"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_lmfit_says_what_to_use(name: str, both: tuple[FitResult, Any, np.ndarray]) -> None:
    ours, lmfits, _ = both
    assert name == "ci_out" or hasattr(lmfits, name)
    assert not hasattr(ours, name)
    with pytest.raises(AttributeError) as caught:
        getattr(ours, name)
    _, advice = str(caught.value).split("; use ")
    found: Any = {"fit": ours, "mtjfit": mtjfit}[advice.split(".")[0]]
    for word in advice.split(",")[0].partition("(")[0].split(" / ")[0].split(".")[1:]:
        found = getattr(found, word)
    with pytest.raises(AttributeError, match=r"no attribute 'chi'$"):
        _ = ours.chi  # type: ignore[attr-defined]
