"""Eq. 12 as an lmfit model: weights, prefixes, guesses, units, and errors equal to those of mtjfit.fit."""

from __future__ import annotations

from typing import Any

import lmfit
import numpy as np
import pytest
from model_studies import TRUTH, simulated

import mtjfit
from mtjfit.model import SpinTorqueModel
from mtjfit.physics import Interface, torkance, torque
from mtjfit.study import Study

V = np.tile(np.linspace(-0.5, 0.5, 21), 5)
D = np.repeat([0.8, 1.5, 2.5, 4.0, 6.0], 21)
FREE = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "a1", "b2")


def at_truth(model: SpinTorqueModel, **changes: Any) -> lmfit.Parameters:
    return model.make_params(**(TRUTH | {"a1": 1.0, "b2": 0.6} | changes))


def noisy(model: SpinTorqueModel, noise: float = 0.01, seed: int = 0, **changes: Any) -> np.ndarray:
    rng = np.random.default_rng(seed)
    clean = model.eval(at_truth(model, **changes), V=V, d=D)
    return np.asarray(clean + noise * (rng.standard_normal(V.size) + 1j * rng.standard_normal(V.size)))


@pytest.mark.parametrize(("quantity", "law"), [("torque", torque), ("torkance", torkance)])
@pytest.mark.parametrize("per", ["device", "area", "volume"])
def test_it_evaluates_the_physics(quantity: str, law: Any, per: str) -> None:
    model = SpinTorqueModel(quantity, per)
    amplitudes = {"a1": 1.1, "a2": -0.2, "b0": 0.1, "b1": 0.3, "b2": 0.7}
    found = model.eval(at_truth(model, **amplitudes), V=V, d=D)
    np.testing.assert_array_equal(found, law(V, D, **TRUTH, interface=Interface.of(**amplitudes), per=per))


def test_complex_weights_weigh_the_two_parts_separately() -> None:
    """χ² from complex weights is Σ (Δpar/σ_par)² + (Δperp/σ_perp)², and infinite σ takes a part out."""
    model = SpinTorqueModel()
    data, start = noisy(model), at_truth(model, a1=1.2)
    weights = 1 / np.linspace(0.01, 0.03, V.size) + 1j / np.linspace(0.05, 0.02, V.size)
    for parameter in start.values():
        parameter.vary = parameter.name == "a1"
    result = model.fit(data, start, V=V, d=D, weights=weights)
    away = data - result.best_fit
    expected = np.sum((away.real * weights.real) ** 2 + (away.imag * weights.imag) ** 2)
    assert result.chisqr == pytest.approx(expected, rel=1e-12)
    part = model.eval(at_truth(model, a1=1.0, b2=0.0), V=V, d=D)
    rest = data - model.eval(at_truth(model, a1=0.0), V=V, d=D)
    for kept, w in (("real", weights.real + 0j), ("imag", 1j * weights.imag)):
        only = model.fit(data, start, V=V, d=D, weights=w)
        x, y, s = getattr(part, kept), getattr(rest, kept), getattr(w, kept)
        assert only.params["a1"].value == pytest.approx(np.sum(s**2 * x * y) / np.sum(s**2 * x * x), rel=1e-6)


@pytest.mark.parametrize("added", [False, True])
def test_r_squared_of_complex_data_is_real(added: bool) -> None:
    """lmfit's own squares complex residuals. With all data in one part it is that of a fit to real numbers."""
    model: lmfit.Model = SpinTorqueModel()
    data, start = noisy(model, noise=0.3), at_truth(model, a1=1.2)
    if added:
        start.update(SpinTorqueModel(prefix="m2_").make_params(a1=0.0, b2=0.0))
        model = model + SpinTorqueModel(prefix="m2_")
    for parameter in start.values():
        parameter.vary = parameter.name == "a1"
    result = model.fit(data, start, V=V, d=D, weights=np.full(V.size, 2 + 5j))
    left, about = data - result.best_fit, data - data.mean()
    expected = 1 - (left.real**2 + left.imag**2).sum() / (about.real**2 + about.imag**2).sum()
    assert result.rsquared == pytest.approx(expected, rel=1e-12)
    result.fit()  # once more, by lmfit's own way
    assert isinstance(result.rsquared, float)
    assert 0 < result.rsquared < 1
    line = next(line for line in result.fit_report().splitlines() if "R-squared" in line)
    assert float(line.split("=")[1]) == pytest.approx(result.rsquared, abs=1e-6)


def test_models_compose_with_prefixes() -> None:
    one, two = SpinTorqueModel(prefix="m1_"), SpinTorqueModel(prefix="m2_")
    both = one + two
    params = both.make_params()
    params.update(at_truth(one, a1=1.0))
    params.update(at_truth(two, a1=0.3, b2=-0.2, lambda_J=2.0))
    together = both.eval(params, V=V, d=D)
    apart = one.eval(params, V=V, d=D) + two.eval(params, V=V, d=D)
    np.testing.assert_array_equal(together, apart)
    plain = SpinTorqueModel()
    np.testing.assert_array_equal(one.eval(params, V=V, d=D), plain.eval(at_truth(plain), V=V, d=D))
    guessed = two.guess(apart, V=V, d=D, b2=0.5)
    assert all(name.startswith("m2_") for name in guessed)
    assert guessed["m2_b2"].value == 0.5


def test_a_sum_keeps_the_parts_apart() -> None:
    """lmfit's own sum multiplies complex residuals by complex weights, which doubles χ² and mixes the parts."""
    one, two = SpinTorqueModel(prefix="m1_"), SpinTorqueModel(prefix="m2_")
    both = one + two
    params = both.make_params()
    for name in params:
        params[name].vary = name == "m1_a1"
    data = noisy(SpinTorqueModel())
    for weights, w in ((20 + 50j, (20, 50)), (30.0, (30, 30))):
        result = both.fit(data, params, V=V, d=D, weights=np.full(V.size, weights))
        away = data - result.best_fit
        assert result.ndata == 2 * V.size
        assert result.chisqr == pytest.approx(np.sum((away.real * w[0]) ** 2 + (away.imag * w[1]) ** 2), rel=1e-12)
    free = both.fit(data, params, V=V, d=D)
    assert free.chisqr == pytest.approx(np.sum(np.abs(data - free.best_fit) ** 2), rel=1e-12)


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
@pytest.mark.parametrize("per", ["device", "volume"])
def test_a_fit_from_the_guess_finds_the_truth(quantity: str, per: str) -> None:
    """Mahalanobis distance of the six numbers below the 0.9999 quantile of χ² with 6 degrees, for each of 4 cases."""
    model = SpinTorqueModel(quantity, per)
    data = noisy(model, noise=2e-4, seed=3)
    params = model.guess(data, V=V, d=D)
    result = model.fit(data, params, V=V, d=D, weights=np.full(V.size, (1 + 1j) / 2e-4), scale_covar=False)
    assert result.var_names == sorted(FREE, key=result.var_names.index)
    away = np.array([result.params[n].value - (TRUTH | {"a1": 1.0, "b2": 0.6})[n] for n in result.var_names])
    assert away @ np.linalg.solve(result.covar, away) < 27.9
    assert result.chisqr < 2 * V.size + 5 * np.sqrt(4 * V.size)


def as_arrays(study: Study) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    curves = study.curves
    T = np.concatenate([c.par + 1j * c.perp for c in curves])
    return T, np.concatenate([c.bias for c in curves]), np.repeat([c.thickness for c in curves], curves[0].bias.size)


@pytest.mark.usefixtures("quick_fits")
@pytest.mark.parametrize("per", ["device", "volume"])
def test_errors_equal_those_of_mtjfit_fit(per: str) -> None:
    """Two programs, one likelihood: values agree to 1 % of an error, errors to 1 % (lmfit differentiates by steps)."""
    study = simulated((0.8, 1.5, 2.5, 4.0, 6.0), noise=0.003, per=per, seed=4)
    ours = mtjfit.fit(study)
    model = SpinTorqueModel("torque", per)
    T, bias, d = as_arrays(study)
    start = model.make_params(**{name: ours.values[name] * 1.05 for name in FREE})
    weights = np.full(T.size, (1 + 1j) / 0.003)
    result = model.fit(T, start, V=bias, d=d, weights=weights, scale_covar=False)
    assert result.chisqr == pytest.approx(ours.chi2, rel=1e-6)
    for name in FREE:
        error = ours.errors[name]
        assert error is not None
        assert abs(result.params[name].value - ours.values[name]) < 0.01 * error
        assert result.params[name].stderr == pytest.approx(error, rel=0.01)


def test_units_and_hints() -> None:
    model = SpinTorqueModel("torkance", "volume", "mT/V", prefix="x_")
    params = model.make_params()
    assert params["x_lambda_J"].user_data == "nm"
    assert params["x_D_ratio"].user_data == ""
    assert params["x_a1"].user_data == model.units["a1"]
    assert "nm" in model.units["a1"]
    assert "nm" not in SpinTorqueModel("torkance", "device", "N m/V").units["a1"]
    assert [n for n, p in params.items() if not p.vary] == ["x_D_ratio", "x_a2", "x_b0", "x_b1"]
    assert [params[f"x_{n}"].value for n in ("D_ratio", "a2", "b0", "b1")] == [1.0, 0.0, 0.0, 0.0]
    assert all(params[f"x_{n}"].min > 0 for n in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"))


def test_what_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="'torque' \\(T\\) or 'torkance'"):
        SpinTorqueModel("field")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="per = 'length'"):
        SpinTorqueModel(per="length")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="guess needs V"):
        SpinTorqueModel().guess(np.ones(3) + 0j)
