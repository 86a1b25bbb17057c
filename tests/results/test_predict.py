"""Predicted torque and κ(d) against Eq. 12, the likelihood and a direct solution; bands against known distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mtjfit
from mtjfit.data import TorqueCurve
from mtjfit.infer import Posterior, Verdict
from mtjfit.model import FullPosterior, whitened
from mtjfit.physics import Interface, spin_current, torkance, torque
from mtjfit.results import (
    accumulation_draws,
    errors_of,
    kappa_draws,
    predictive_bands,
    shared_lengths,
    torque_at,
    torque_draws,
)
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study, Uniform

LENGTH = LogUniform(0.1, 100.0)
BIAS = np.linspace(-0.4, 0.5, 7)
V = np.array([-0.33, 0.0, 0.21])
UNITS = {
    ("torque", "volume"): ("mT", "Oe", 10.0), ("torkance", "volume"): ("mT/V", "Oe/V", 10.0),
    ("torque", "area"): ("mJ/m2", "J/m2", 1e-3), ("torkance", "area"): ("mJ/m2/V", "J/m2/V", 1e-3),
    ("torque", "device"): ("1e-19 N m", "aN m", 0.1), ("torkance", "device"): ("1e-19 N m/V", "aN m/V", 0.1),
}  # fmt: skip


def make_curve(device: str, d: float, quantity: str, per: str, unit: str, **changes: Any) -> TorqueCurve:
    values: dict[str, Any] = {
        "par": 2 * BIAS, "perp": BIAS**2, "sigma_par": np.full(7, 0.1), "sigma_perp": np.full(7, 0.2), **changes,
    }  # fmt: skip
    return TorqueCurve(device, BIAS, thickness=d, quantity=quantity, per=per, unit=unit, group=f"g{device}", **values)


def make_study(quantity: str = "torque", per: str = "volume", curves: Mapping[str, Any] | None = None, **changes: Any):
    """Two devices in two units of the same kind; the second counts ten (or a thousandth) times the first."""
    first, second, _ = UNITS[quantity, per]
    both = (make_curve("A", 1.3, quantity, per, first, **(curves or {})),
            make_curve("B", 2.4, quantity, per, second, **(curves or {})))  # fmt: skip
    priors: dict[str, Any] = {
        "lambda_J": LENGTH, "lambda_phi": LENGTH, "lambda_sf_F": LENGTH, "lambda_sf_N": LENGTH, "D_ratio": Fixed(0.7),
        "thickness": Parameter("thickness", AboutNominal(0.1), "device"), "a1": Normal(0.0, 10.0),
        "b2": Normal(0.0, 10.0), **changes,
    }  # fmt: skip
    return Study("made", both, parameters_of(priors))


def parameters_of(priors: Mapping[str, Any]) -> dict[str, Parameter]:
    """Parameters from parameters or priors, without those that are None."""
    declared = {name: prior for name, prior in priors.items() if prior is not None}
    return {name: each if isinstance(each, Parameter) else Parameter(name, each) for name, each in declared.items()}


def draws_of(study: Study, n: int = 5, spread: float = 0.3) -> pd.DataFrame:
    model = FullPosterior(study)
    names = (*model.layout.names, *model.amplitudes.names)
    rng = np.random.default_rng(3)
    columns = {name: np.exp(spread * rng.standard_normal(n)) * (0.1 if "noise" in name else 1.5) for name in names}
    return pd.DataFrame(columns)


def posterior_of(study: Study, draws: pd.DataFrame, level: float | None = None) -> Posterior:
    chain = draws.to_numpy()[None, :, None, :]
    return Posterior(
        study, Verdict((), {}), tuple(draws.columns), chain, np.zeros(chain.shape[:3]), {}, {}, level=level
    )


def by_hand(study: Study, row: Mapping[str, float], j: int, V: np.ndarray) -> np.ndarray:
    """Eq. 12 through the public physics functions, every parameter looked up under its possible names."""
    curve = study.curves[j]

    def value(name: str) -> float:
        for key in (f"{name}[{curve.device}]", f"{name}[{curve.group}]", name):
            if key in row:
                return row[key]
        return study.parameters[name].prior.value

    thickness = row.get(f"thickness[{curve.device}]", curve.thickness)
    N = (value("Lambda"), 1.0) if "Lambda" in study.parameters else (value("lambda_sf_N"), value("D_ratio"))
    lengths = [value(name) for name in ("lambda_J", "lambda_phi", "lambda_sf_F")]
    function = torque if curve.quantity == "torque" else torkance
    interface = Interface.of(**{name: value(name) for name in study.amplitudes})
    return np.asarray(function(V, thickness, *lengths, *N, interface=interface, per=curve.per))


CASES: dict[str, dict[str, Any]] = {
    "shared": {},
    "own amplitudes": {"a1": Parameter("a1", Normal(0, 10), "device"), "b2": Parameter("b2", Normal(0, 10), "group")},
    "fixed amplitude": {"a1": Fixed(1.25), "b1": Normal(0.0, 1.0)},
    "every amplitude fixed": {"a1": Fixed(1.25), "b2": Fixed(-0.5)},
    "Lambda": {"Lambda": LENGTH, "lambda_sf_N": None, "D_ratio": None},
    "own lengths, exact thickness": {
        "lambda_J": Parameter("lambda_J", LENGTH, "group"), "D_ratio": LogNormal(1.0, 2.0),
        "lambda_phi": Parameter("lambda_phi", LENGTH, "device"),
        "thickness": Parameter("thickness", Fixed(0.0), "device"),
    },
    "infinite length": {"lambda_sf_F": Fixed(np.inf)},
}  # fmt: skip


@pytest.mark.parametrize("kind", UNITS, ids=" per ".join)
@pytest.mark.parametrize("case", CASES)
def test_is_equation_12(kind: tuple[str, str], case: str) -> None:
    study = make_study(*kind, **CASES[case])
    draws = draws_of(study)
    for j, unit_factor in enumerate((1.0, UNITS[kind][2])):
        found = torque_draws(study, draws, study.curves[j], V)
        expected = [by_hand(study, row, j, V) * unit_factor for row in draws.to_dict("records")]
        assert found.shape == (5, 3)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_hand_calculation_would_notice_a_wrong_thickness() -> None:
    study = make_study()
    row = draws_of(study).iloc[0].to_dict()
    wrong = by_hand(study, row | {"thickness[A]": row["thickness[A]"] * 1.01}, 0, V)
    assert not np.allclose(torque_at(study, row, study.curves[0], V), wrong, rtol=1e-3)


@pytest.mark.parametrize("case", ["shared", "own amplitudes", "fixed amplitude", "Lambda"])
@pytest.mark.parametrize("kind", [("torque", "volume"), ("torkance", "device")], ids=" per ".join)
def test_misfit_is_that_of_the_likelihood(kind: tuple[str, str], case: str) -> None:
    """Σ ((data − prediction)/σ)² at the conditional mean of the amplitudes is the χ² inside the likelihood."""
    masked = {"used": np.array([True] * 5 + [False, True])}
    study = make_study(*kind, curves=masked, **CASES[case])
    model = FullPosterior(study)
    theta = model.layout.coordinates(draws_of(study)[list(model.layout.names)].to_numpy())
    amplitudes = model.amplitudes.mean + model.amplitudes.sd * model.conditional(theta).x
    design, target, rss, _ = whitened(model, model.layout.values(theta))
    inside = rss + np.sum((target - (design @ amplitudes[..., None])[..., 0]) ** 2, axis=-1)
    draws = pd.DataFrame(
        np.hstack([model.layout.values(theta), amplitudes]), columns=[*model.layout.names, *model.amplitudes.names]
    )
    outside = np.zeros(len(draws))
    for curve in study.curves:
        T = torque_draws(study, draws, curve, curve.bias)
        pulls = ((curve.par - T.real) / curve.sigma_par, (curve.perp - T.imag) / curve.sigma_perp)
        outside += sum(np.sum(pull[:, curve.used] ** 2, axis=1) for pull in pulls)
    np.testing.assert_allclose(outside, inside, rtol=1e-9)


def test_best_fit_reproduces_its_chi2() -> None:
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    study = study.replace(curves=study.curves[::2])
    fit = mtjfit.fit(study)
    total = 0.0
    for curve in study.curves:
        T = torque_at(study, fit.values, curve, curve.bias)
        sigma_par, sigma_perp = errors_of(study, fit.values, curve)
        total += np.sum(((curve.par - T.real) / sigma_par) ** 2 + ((curve.perp - T.imag) / sigma_perp) ** 2)
    assert total == pytest.approx(fit.optimum.chi2_data, rel=1e-6)


def test_band_of_the_model_is_made_of_quantiles_of_the_draws() -> None:
    study = make_study()
    draws = draws_of(study, 400)
    band = predictive_bands(posterior_of(study, draws), study.curves[1], V, with_noise=False)
    T = torque_draws(study, draws, study.curves[1], V)
    levels = {"low": 0.025, "median": 0.5, "high": 0.975}
    for name, level in levels.items():
        np.testing.assert_allclose(getattr(band.par, name), np.quantile(T.real, level, axis=0), rtol=1e-12)
        np.testing.assert_allclose(getattr(band.perp, name), np.quantile(T.imag, level, axis=0), rtol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", UNITS, ids=" per ".join)
def test_the_curve_of_a_posterior_is_the_band_of_the_model(kind: tuple[str, str], case: str) -> None:
    """Two implementations: the one that simulates data, and the one that draws the bands."""
    study = make_study(*kind, **CASES[case])
    posterior = posterior_of(study, draws_of(study, 60))
    for curve in study.curves:
        found = posterior.curve(curve.name, V)
        band = predictive_bands(posterior, curve, V, with_noise=False)
        for name, of in (("par", band.par), ("perp", band.perp)):
            for column, expected in ((name, of.median), (f"{name}_low", of.low), (f"{name}_high", of.high)):
                np.testing.assert_allclose(found[column], expected, rtol=1e-10, atol=1e-13)
        assert list(found["bias"]) == list(V)
        assert set(found["unit"]) == {curve.unit}


def test_a_band_holds_the_share_of_the_draws_that_is_its_level() -> None:
    study = make_study()
    draws = draws_of(study, 1000)
    posterior = posterior_of(study, draws)
    T = torque_draws(study, draws, study.curves[1], BIAS)
    for level in (0.5, 0.68, 0.9):
        band = posterior.curve("B", level=level)
        for name, part in (("par", T.real), ("perp", T.imag)):
            away = np.flatnonzero(np.ptp(part, axis=0))
            assert away.size >= 6
            low, high = (band[f"{name}_{end}"].to_numpy() for end in ("low", "high"))
            inside = np.mean((part >= low) & (part <= high), axis=0)[away]
            np.testing.assert_allclose(inside, level, atol=0.002)
            np.testing.assert_allclose(np.mean(part < low, axis=0)[away], (1 - level) / 2, atol=0.002)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"device": "Z"}, "there is no curve 'Z': choose from 'A', 'B'"),
        ({"bias": [0.1, np.nan]}, "bias must be finite"),
        ({"bias": [[0.1], [0.2]]}, "bias must be finite numbers in volts, one or a list"),
        *(({"level": level}, "level is the share") for level in (0.0, 1.0, -0.1, 95, np.nan)),
    ],
)
def test_a_band_of_nothing_is_refused(asked: dict[str, Any], says: str) -> None:
    study = make_study()
    with pytest.raises(ValueError, match=says):
        posterior_of(study, draws_of(study)).curve(**{"device": "A", **asked})


def test_noise_widens_the_band_by_the_errors_of_the_curve() -> None:
    """Identical draws: the band is the noise alone, ±1.96 σ, σ interpolated between used points."""
    sigma = np.linspace(0.1, 0.7, 7)
    used = np.ones(7, dtype=bool)
    used[-1] = False
    study = make_study(curves={"sigma_par": sigma, "used": used})
    draws = pd.concat([draws_of(study, 1)] * 1500)
    at = np.array([-0.4, -0.1, 0.125, 0.5])
    sharp = predictive_bands(posterior_of(study, draws), study.curves[1], at, with_noise=False)
    np.testing.assert_allclose(sharp.par.high - sharp.par.low, 0, atol=1e-12)
    band = predictive_bands(posterior_of(study, draws), study.curves[1], at, with_noise=True)
    expected = [0.1, 0.3, 0.45, 0.6]  # the last point is masked: the error of its neighbour is kept
    np.testing.assert_allclose((band.par.high - band.par.low) / (2 * 1.95996), expected, rtol=5e-3)
    inner = predictive_bands(posterior_of(study, draws, level=0.68), study.curves[1], at, with_noise=True)
    np.testing.assert_allclose((inner.perp.high - inner.perp.low) / (2 * 0.99446), 0.2, rtol=5e-3)
    np.testing.assert_allclose(band.par.median, sharp.par.median, atol=2e-3)


def test_fitted_noise_comes_from_the_draws_in_the_unit_of_the_curve() -> None:
    noise = {"noise_par": LogNormal(0.1, 3.0), "noise_perp": Fixed(0.05)}
    study = make_study(curves={"sigma_par": None, "sigma_perp": None}, **noise)
    row = draws_of(study, 1)
    row["noise_par"] = 0.3
    band = predictive_bands(posterior_of(study, pd.concat([row] * 1000)), study.curves[1], V, with_noise=True)
    np.testing.assert_allclose(band.par.high - band.par.low, 2 * 1.95996 * 3.0, rtol=5e-3)  # 0.3 mT is 3 Oe
    np.testing.assert_allclose(band.perp.high - band.perp.low, 2 * 1.95996 * 0.5, rtol=5e-3)
    sigma_par, sigma_perp = errors_of(study, row.iloc[0].to_dict(), study.curves[1])
    np.testing.assert_allclose(sigma_par, np.full(7, 3.0))
    np.testing.assert_allclose(sigma_perp, np.full(7, 0.5))


def test_jitter_and_errors_of_the_bias_widen_the_band() -> None:
    """Identical draws: variances add up, 0.1² + 0.2² + (0.15 T')² in plane; out of plane the bias alone does."""
    study = make_study(curves={"sigma_par": np.full(7, 0.1), "sigma_bias": np.full(7, 0.15)})
    scale = study.scale_of(study.curves[1])
    study = study.replace(parameters={**study.parameters, "jitter_par": Parameter("jitter_par", LogNormal(0.1, 2.0))})
    draws = pd.concat([draws_of(study, 1)] * 1500)
    draws["jitter_par"] = 0.2 * scale
    at = np.array([-0.3, 0.2])
    band = predictive_bands(posterior_of(study, draws), study.curves[1], at, with_noise=True)
    near = torque_draws(study, draws[:1], study.curves[1], [*(at + 1e-3), *(at - 1e-3)])[0]
    slope = (near[:2] - near[2:]) / 2e-3
    par = np.sqrt(0.1**2 + 0.2**2 + (0.15 * slope.real) ** 2)
    perp = np.sqrt(0.2**2 + (0.15 * slope.imag) ** 2)
    np.testing.assert_allclose((band.par.high - band.par.low) / (2 * 1.95996), par, rtol=5e-3)
    np.testing.assert_allclose((band.perp.high - band.perp.low) / (2 * 1.95996), perp, rtol=5e-3)
    assert np.all(par > 1.05 * np.hypot(0.1, 0.2))  # the bias has its share


def test_outliers_of_students_t_are_in_the_band() -> None:
    """95 % of t with three degrees of freedom lie within 3.182 σ, 68 % within 1.189 σ."""
    study = make_study(curves={"sigma_par": np.full(7, 0.1)})
    study = study.replace(parameters={**study.parameters, "noise_dof": Parameter("noise_dof", Fixed(3.0))})
    draws = pd.concat([draws_of(study, 1)] * 2000)
    band = predictive_bands(posterior_of(study, draws), study.curves[1], V, with_noise=True)
    np.testing.assert_allclose(band.par.high - band.par.low, 2 * 0.31824, rtol=5e-3)
    inner = predictive_bands(posterior_of(study, draws, level=0.68), study.curves[1], V, with_noise=True)
    np.testing.assert_allclose(inner.par.high - inner.par.low, 2 * 0.11889, rtol=5e-3)


def test_points_drawn_from_the_predictive_distribution_lie_in_the_band_95_times_of_100() -> None:
    study = make_study()
    draws = draws_of(study, 4000)
    ordered = draws.sort_values("a1")  # the noise must not follow the order of the draws
    band = predictive_bands(posterior_of(study, ordered), study.curves[0], V, with_noise=True)
    rng = np.random.default_rng(8)
    points = torque_draws(study, draws, study.curves[0], V).real + 0.1 * rng.standard_normal((4000, 3))
    inside = np.mean((points > band.par.low) & (points < band.par.high), axis=0)
    np.testing.assert_allclose(inside, 0.95, atol=0.015)


def test_many_draws_are_thinned_evenly() -> None:
    """To 2000 rows, the first and the last among them."""
    study, draws = make_study(), draws_of(make_study(), 5001)
    kept = draws.iloc[np.linspace(0, 5000, 2000).round().astype(int)].reset_index(drop=True)
    one, other = (
        predictive_bands(posterior_of(study, each), study.curves[0], V, with_noise=True) for each in (draws, kept)
    )
    np.testing.assert_array_equal(one.par.high, other.par.high)


def test_a_foreign_device_and_a_missing_column_are_named() -> None:
    study = make_study()
    stranger = replace(study.curves[0], device="Z")
    with pytest.raises(ValueError, match="'Z' is not in the study"):
        torque_draws(study, draws_of(study), stranger, V)
    with pytest.raises(ValueError, match="no column lambda_phi"):
        torque_draws(study, draws_of(study).drop(columns=["lambda_phi"]), study.curves[0], V)


def study_of(scope: str = "shared", *, factors: bool = False, dead: bool = False, per: str = "area") -> Study:
    devices = (("A", 1.3, "w1"), ("B", 2.4, "w1"), ("C", 3.1, "w2"))
    unit = UNITS["torque", per][0]
    curves = tuple(replace(make_curve(name, d, "torque", per, unit), group=group) for name, d, group in devices)
    lengths = {name: Parameter(name, LENGTH, scope) for name in ("lambda_J", "lambda_phi")}
    behind = {"lambda_sf_N": LENGTH, "D_ratio": LogUniform(0.1, 10.0)} if factors else {"Lambda": LENGTH}
    rest = {"lambda_sf_F": LENGTH, "a1": Normal(0.0, 1.0), "b2": Fixed(0.4)}
    rest |= {"dead_layer": Uniform(0.0, 0.5)} if dead else {}
    thickness = {"thickness": Parameter("thickness", AboutNominal(0.1), "device")}
    return Study("made", curves, parameters_of(lengths | behind | rest | thickness))


def drawn_posterior(study: Study, n: int = 6) -> Posterior:
    """Thicknesses at their nominal values, dead layers thinner than any of them."""
    draws = draws_of(study, n, spread=0.4)
    if "dead_layer" in draws:
        draws["dead_layer"] = np.random.default_rng(4).uniform(0, 0.5, n)
    for curve in study.curves:
        draws[f"thickness[{curve.device}]"] = curve.thickness
    return posterior_of(study, draws)


@pytest.mark.parametrize("scope", ["shared", "group", "device"])
@pytest.mark.parametrize("kind", [{}, {"factors": True}, {"dead": True}, {"per": "volume"}])
def test_kappa_is_that_of_the_torque_that_is_predicted(scope: str, kind: dict[str, Any]) -> None:
    study = study_of(scope, **kind)
    posterior = drawn_posterior(study)
    found = shared_lengths(posterior)
    assert [stack.devices for stack in found] == {
        "shared": [("A", "B", "C")], "group": [("A", "B"), ("C",)], "device": [("A",), ("B",), ("C",)],
    }[scope]  # fmt: skip
    V = np.array([-0.3, 0.2])
    J0 = posterior.draws["a1"].to_numpy()[:, None] * V + 1j * 0.4 * V**2
    for stack in found:
        for curve in study.curves:
            if curve.device in stack.devices:
                over_d = 1 / curve.thickness if curve.per == "volume" else 1.0
                expected = torque_draws(study, posterior.draws, curve, V)
                got = kappa_draws(stack, [curve.thickness]) * over_d * J0
                np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_the_profile_has_the_slope_of_the_current() -> None:
    """J = −D m', Eq. 6, by finite differences of m; and at the barrier J = J0."""
    posterior = drawn_posterior(study_of(factors=True))
    (stack,) = shared_lengths(posterior)
    x, h = np.array([0.3, 0.9, 1.4]), 1e-5
    slope = (accumulation_draws(stack, x + h, 2.4) - accumulation_draws(stack, x - h, 2.4)) / (2 * h)
    own = stack.lengths
    expected = spin_current(x, 2.4, own["lambda_J"], own["lambda_phi"], own["lambda_sf_F"], own["Lambda"])
    np.testing.assert_allclose(-slope, expected, rtol=1e-8)
    start = (accumulation_draws(stack, [h], 2.4) - accumulation_draws(stack, [0.0], 2.4)) / h
    np.testing.assert_allclose(-start, 1.0, rtol=1e-3)


def test_nothing_magnetic_carries_no_torque() -> None:
    posterior = drawn_posterior(study_of(dead=True))
    (stack,) = shared_lengths(posterior)
    thin = float(stack.lengths["dead_layer"].min())
    np.testing.assert_array_equal(kappa_draws(stack, [0.0, 0.9 * thin]), 0.0)


def test_many_draws_of_lengths_are_thinned_evenly() -> None:
    (stack,) = shared_lengths(drawn_posterior(study_of(), n=5001))
    assert stack.lengths["lambda_J"].shape == (2000, 1)
