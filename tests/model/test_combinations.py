"""What one device determines without any length: values, errors and the test of the model, over many noise draws."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from model_studies import AMPLITUDES, TRUTH, simulated
from scipy import optimize, stats
from shortcuts import slow_but

from mtjfit.errors import NotDetermined
from mtjfit.model import DeviceCombinations, FullPosterior, combinations, noise_estimate, quantities_table
from mtjfit.physics import kappa
from mtjfit.study import Fixed, LogNormal, Normal, Study

N = 400
OWN = LogNormal(0.01, 3.0)
KINDS: dict[str, dict[str, Any]] = {
    "torque": {},
    "thin": {"d": 0.8, "n": 120},  # no length enters, and so no phase of κ
    "thicker": {"d": 2.0, "n": 120},
    "thick": {"d": 5.0, "n": 120},
    "torkance": {"quantity": "torkance"},
    "per volume": {"per": "volume"},
    "fitted noise": {"fit_sigma": True, "n_bias": 41},
    "extra b1": {"b1": Normal(0.0, 1.0)},
    "few points": {"n_bias": 4},
    "own noise": {"fit_sigma": True, "noise_par": (OWN, "device"), "noise_perp": (OWN, "device")},
}
every_kind = pytest.mark.parametrize("kind", slow_but(("thick", "per volume", "own noise"), KINDS))


def devices(n: int = N, seed: int = 0, d: float = 1.5, **changes: Any) -> Study:
    """One study of n independent devices of the same thickness; their combinations are n independent experiments."""
    return simulated((d,) * n, seed=seed, **({"n_bias": 9, "noise": 0.01} | changes))


def true_values(d: float = 1.5, per: str = "device", **_: Any) -> dict[str, float]:
    K = complex(kappa(d, *TRUTH.values()))
    scale = abs(K) / (d if per == "volume" else 1.0)
    return {"slope_ratio": K.imag / K.real, "b2/a1": AMPLITUDES["b2"] / AMPLITUDES["a1"]} | {
        f"|kappa|·{name}": value * scale for name, value in AMPLITUDES.items()
    }


@cache
def experiments(kind: str) -> tuple[DeviceCombinations, ...]:
    return combinations(FullPosterior(devices(**KINDS[kind])))


@every_kind
def test_values_and_errors_are_right(kind: str) -> None:
    """Pulls: Σ pull² is χ² of 400 and their mean is zero; t-distributed where each device has its own 7 degrees.

    Two-sided p > 1e-3 for each of at most 10 tests, hence a false-alarm rate below 1 % for each kind.
    """
    found = experiments(kind)
    for name in found[0].values:
        truth = true_values(**KINDS[kind])[name]
        pulls = np.array([(one.values[name] - truth) / one.sd[name] for one in found])
        assert abs(pulls.mean()) * np.sqrt(pulls.size) < 3.3 * (7 / 5 if kind == "own noise" else 1), name
        if kind != "own noise":
            assert 5e-4 < stats.chi2.cdf(np.sum(pulls**2), pulls.size) < 1 - 5e-4, name
    assert {"slope_ratio", "|kappa|·a1", "|kappa|·b2", "b2/a1"} <= set(found[0].values)


@every_kind
def test_p_values_of_the_model_are_uniform(kind: str) -> None:
    """KS; false-alarm rate 1e-3 for each kind."""
    if kind == "extra b1":
        assert all(one.dof == 0 and np.isnan(one.p_value) for one in experiments(kind))
        return
    assert all(one.dof == 1 for one in experiments(kind))
    assert stats.kstest([one.p_value for one in experiments(kind)], "uniform").pvalue > 1e-3


@every_kind
def test_p_values_of_the_scatter_are_uniform(kind: str) -> None:
    """KS; false-alarm rate 1e-3 for each kind. Errors that come from the scatter leave it nothing to test."""
    found = experiments(kind)
    if "noise" in kind:
        assert all(one.scatter_dof == 0 and np.isnan(one.scatter_p_value) for one in found)
        return
    assert stats.kstest([one.scatter_p_value for one in found], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_scatter_and_constraint_add_up_to_the_misfit_of_the_device(quantity: str) -> None:
    """Scatter against numpy's least squares on the points themselves; the sum against scipy's best κ for all points."""
    study = simulated((0.8,), quantity=quantity, n_bias=21, noise=0.01, seed=5)
    (curve,) = study.curves
    found = combinations(FullPosterior(study))[0]
    V = curve.bias
    columns = [V, V**2] if quantity == "torque" else [np.ones_like(V), 2 * V]
    square = sum(np.linalg.lstsq(np.column_stack(columns), y)[1][0] for y in (curve.par, curve.perp)) / 0.01**2
    assert found.scatter_chi2 == pytest.approx(square, rel=1e-9)
    assert found.scatter_dof == 2 * (21 - 2)

    def residual(x: np.ndarray) -> np.ndarray:
        away = (curve.par + 1j * curve.perp - np.exp(1j * x[0]) * (x[1] * columns[0] + 1j * x[2] * columns[1])) / 0.01
        return np.concatenate([away.real, away.imag])

    full = 2 * optimize.least_squares(residual, [-0.3, 0.8, 0.5], xtol=1e-14, ftol=1e-14).cost
    assert found.chi2 + found.scatter_chi2 == pytest.approx(full, rel=1e-9)
    assert found.dof + found.scatter_dof == 42 - 3


def test_the_constraint_test_does_not_see_the_points() -> None:
    """A torkance declared as torque, and an outlier, pass it; only the scatter test finds them."""
    study = simulated((2.0,), quantity="torkance", noise=0.01, n_bias=21)
    wrong = study.replace(curves=tuple(replace(c, quantity="torque") for c in study.curves))
    found = combinations(FullPosterior(wrong))[0]
    assert found.p_value > 0.05
    assert found.scatter_p_value < 1e-300
    (curve,) = study.curves
    jump = 0.1 * (np.abs(curve.bias) < 0.01)  # ten standard errors, at zero bias
    shaken = combinations(FullPosterior(study.replace(curves=(replace(curve, perp=curve.perp + jump),))))[0]
    assert shaken.p_value > 0.05
    assert shaken.scatter_p_value < 1e-3 < combinations(FullPosterior(study))[0].scatter_p_value


def test_a_torkance_beside_torques_has_no_b0() -> None:
    """b0 is declared for the torques; the torkance of such a study has the numbers and tests that it has alone."""
    torques = simulated((1.0, 2.0), b0=Normal(0.0, 1.0))
    torkances = simulated((1.0, 2.0), quantity="torkance", seed=3)
    mixed = combinations(FullPosterior(torques.replace(curves=(torques.curves[0], torkances.curves[1]))))
    alone = combinations(FullPosterior(torkances))[1]
    assert "|kappa|·b0" in mixed[0].values
    assert "|kappa|·b0" not in mixed[1].values
    assert mixed[1].values == pytest.approx(alone.values, rel=1e-6)
    assert mixed[1].sd == pytest.approx(alone.sd, rel=1e-6)
    for name in ("chi2", "dof", "scatter_chi2", "scatter_dof"):
        assert getattr(mixed[1], name) == pytest.approx(getattr(alone, name), rel=1e-6), name


def test_errors_known_for_one_component_alone_are_tested_alone() -> None:
    priors = {"fit_sigma": True, "noise_par": Fixed(0.01)}
    found = combinations(FullPosterior(devices(200, seed=6, **priors)))
    assert all(one.scatter_dof == 9 - 2 for one in found)
    assert stats.kstest([one.scatter_p_value for one in found], "uniform").pvalue > 1e-3  # false-alarm rate 1e-3


@pytest.mark.slow
def test_own_noise_with_the_wrong_distribution_would_fail() -> None:
    """Sabotage: χ² in place of F for errors that 4 points estimate rejects right models too often."""
    prior = (LogNormal(0.01, 3.0), "device")
    study = devices(600, seed=2, n_bias=4, fit_sigma=True, noise_par=prior, noise_perp=prior)
    found = combinations(FullPosterior(study))
    right = np.array([one.p_value for one in found])
    wrong = np.array([stats.chi2.sf(one.chi2, 1) for one in found])
    assert stats.kstest(wrong, "uniform").pvalue < 1e-4
    assert np.mean(wrong < 0.01) > 2.0 * np.mean(right < 0.01)


def test_errors_by_another_parametrisation() -> None:
    """scipy on (slope ratio, |κ|a1, b2/a1) themselves; a phase of −60° and one-sided bias couple all three."""
    study = simulated((0.8,), truth={"lambda_phi": 5.0, "lambda_sf_N": 0.5}, n_bias=21, noise=2e-4)
    curve = study.curves[0].mask(study.curves[0].bias < -0.1, "one-sided")
    found = combinations(FullPosterior(study.replace(curves=(curve,))))[0]
    V, T = curve.bias[curve.used], (curve.par + 1j * curve.perp)[curve.used]

    def residual(x: np.ndarray) -> np.ndarray:
        turn = (1 + 1j * x[0]) / np.sqrt(1 + x[0] ** 2)
        away = (T - turn * x[1] * (V + 1j * x[2] * V**2)) / 2e-4
        return np.concatenate([away.real, away.imag])

    names = ("slope_ratio", "|kappa|·a1", "b2/a1")
    best = optimize.least_squares(residual, [found.values[n] for n in names], x_scale="jac", xtol=1e-12)
    sd = np.sqrt(np.diagonal(np.linalg.inv(best.jac.T @ best.jac)))
    assert found.values["slope_ratio"] < -1.2
    np.testing.assert_allclose([found.values[n] for n in names], best.x, rtol=1e-5)
    np.testing.assert_allclose([found.sd[n] for n in names], sd, rtol=1e-3)


def test_a_linear_torque_of_its_own_is_noticed() -> None:
    """With b1 not declared but present, and no noise to speak of, the constraint between the four slopes breaks."""
    study = simulated((1.5,), b1=Normal(0.0, 1.0), noise=0.002)
    without = study.replace(parameters={n: p for n, p in study.parameters.items() if n != "b1"})
    assert combinations(FullPosterior(without))[0].p_value < 1e-20


def test_the_phase_is_not_determined_with_both_extra_terms() -> None:
    both = {"a2": Normal(0.0, 1.0), "b1": Normal(0.0, 1.0)}
    found = combinations(FullPosterior(simulated((1.5,), **both)))[0]
    assert found.values == {}
    assert np.isnan(found.p_value)
    assert "slope_ratio" in combinations(FullPosterior(simulated((1.5,), **(both | {"a2": None}))))[0].values
    # b0 is a power of its own, which a torque shows
    assert "slope_ratio" in combinations(FullPosterior(simulated((1.5,), b0=Normal(0.0, 1.0), **both)))[0].values


def test_a_term_fixed_at_zero_is_no_term() -> None:
    plain = combinations(FullPosterior(simulated((1.5,))))[0]
    fixed = combinations(FullPosterior(simulated((1.5,), a2=Fixed(0.0), b1=Fixed(0.0), amplitudes={"a2": 0, "b1": 0})))
    assert fixed[0].values.keys() == plain.values.keys()
    assert fixed[0].values["slope_ratio"] == pytest.approx(plain.values["slope_ratio"], rel=1e-9)
    assert fixed[0].dof == plain.dof


def test_errors_scale_with_noise_and_amplitudes_keep_their_sign() -> None:
    small = combinations(FullPosterior(devices(1, noise=1e-4, amplitudes={"a1": -1.0})))[0]
    large = combinations(FullPosterior(devices(1, noise=1e-3, amplitudes={"a1": -1.0})))[0]
    assert small.values["|kappa|·a1"] < 0 < small.values["|kappa|·b2"]
    for name, sd in small.sd.items():
        assert large.sd[name] / sd == pytest.approx(10.0, rel=0.05)


def test_fitted_noise_is_the_scatter_of_those_who_share_it() -> None:
    """Within 5 sd of a variance with 400 · 6 (or 6) degrees of freedom; false-alarm rate below 1e-5."""
    sigma = noise_estimate(FullPosterior(devices(fit_sigma=True)))
    np.testing.assert_allclose(sigma, 0.01, rtol=5 / np.sqrt(2 * N * 6))
    assert np.ptp(sigma[:, 0]) == 0
    own = noise_estimate(FullPosterior(devices(fit_sigma=True, noise_par=(LogNormal(0.01, 3.0), "device"))))
    assert np.unique(own[:, 0]).size == N
    assert stats.kstest(own[:, 0] ** 2 / 0.01**2 * 7, stats.chi2(7).cdf).pvalue > 1e-4  # 9 points less 2 powers


def test_noise_that_is_declared_is_not_estimated() -> None:
    fixed = {"fit_sigma": True, "noise_par": Fixed(0.02), "noise_perp": Fixed(0.05)}
    model = FullPosterior(simulated((1.5, 2.0), **fixed))
    np.testing.assert_array_equal(noise_estimate(model), [[0.02, 0.05]] * 2)
    known = simulated((1.5, 2.0), noise=0.02)
    given = {"sigma_par": np.full(11, 0.02), "sigma_perp": np.full(11, 0.05)}
    expected = combinations(FullPosterior(known.replace(curves=tuple(replace(c, **given) for c in known.curves))))
    for one, other in zip(combinations(model), expected, strict=True):
        assert one.sd == pytest.approx(other.sd)
        assert one.chi2 == pytest.approx(other.chi2)


def test_no_scatter_no_errors() -> None:
    with pytest.raises(NotDetermined, match="device 'A' cannot be fitted"):
        noise_estimate(FullPosterior(simulated((1.5,), n_bias=2, fit_sigma=True)))


def test_the_table_has_units() -> None:
    for per, unit, expected in (("device", "1e-19 N m", "1e-19 N m/V"), ("volume", "mT", "mT/V")):
        model = FullPosterior(simulated((1.5,), per=per, unit=unit))
        table = quantities_table(model, combinations(model)).set_index("quantity")
        assert table.loc["|kappa|·a1", "unit"] == expected
        assert table.loc["b2/a1", "unit"] == "1/V"
        assert list(table["device"]) == ["A"] * 4


# the constraint, (par·V)(par·V²) + (perp·V)(perp·V²) = 0, against the test of one κ for all powers

TORQUE: dict[str, Any] = {"noise": 0.01, "n_bias": 9}
FORMS: dict[str, dict[str, Any]] = {"torque": TORQUE, "torkance": TORQUE | {"quantity": "torkance"}}
both = pytest.mark.parametrize("kind", slow_but(("torkance",), FORMS))


def by_product(study: Study, sign: float = 1.0) -> np.ndarray:
    """χ² with one degree of freedom of each device: c = (par·V)(par·V²) + (perp·V)(perp·V²) over its error, squared.

    The four coefficients by numpy's least squares on the points of one device, the error of c from theirs to first
    order; nothing of the package is used. `sign` −1 is a wrong formula.
    """
    out = []
    for curve in study.curves:
        V = curve.bias
        A = np.column_stack([V, V**2] if curve.quantity == "torque" else [np.ones_like(V), 2 * V])
        white = A / curve.sigma_par[:, None]
        covariance = np.linalg.inv(white.T @ white)
        par, perp = (np.linalg.lstsq(white, y / curve.sigma_par)[0] for y in (curve.par, curve.perp))
        slopes = (par[::-1], sign * perp[::-1])
        variance = sum(g @ covariance @ g for g in slopes)
        out.append((par[0] * par[1] + sign * perp[0] * perp[1]) ** 2 / variance)
    return np.array(out)


@cache
def noisy(kind: str, b1: float = 0.0, n: int = N, d: float = 1.2) -> tuple[Study, np.ndarray]:
    """One study of n independent devices that differ in nothing but noise, and its constraint χ²; b1 not declared."""
    study = simulated((d,) * n, seed=7, **FORMS[kind])
    if b1:
        shifted = simulated((d,) * n, seed=7, **FORMS[kind], b1=Normal(0.0, 1.0), amplitudes={"b1": b1})
        study = study.replace(curves=shifted.curves)
    found = combinations(FullPosterior(study))
    assert all(one.dof == 1 for one in found)
    return study, np.array([one.chi2 for one in found])


@both
def test_both_forms_are_one_test(kind: str) -> None:
    """To first order in the noise: within 5 % of each other in √χ² (correlated with the noise, so no false alarms).

    Sabotage: with the other sign the product is no test of the model at all.
    """
    study, ours = noisy(kind)
    theirs = by_product(study)
    assert np.abs(np.sqrt(ours) - np.sqrt(theirs)).max() < 0.05 * max(1.0, float(np.sqrt(theirs).max()))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    assert np.median(by_product(study, sign=-1.0)) > 5


@both
def test_they_become_equal_as_the_noise_goes(kind: str) -> None:
    """The departure is of the order of the relative noise: ten times smaller for a tenth of it."""
    worst = []
    for noise in (1e-2, 1e-3):
        study = simulated((1.2,) * 20, seed=3, **(FORMS[kind] | {"noise": noise}))
        ours = np.array([one.chi2 for one in combinations(FullPosterior(study))])
        worst.append(np.abs(np.sqrt(ours) - np.sqrt(by_product(study))).max())
    assert worst[1] < 0.3 * worst[0]
    assert worst[1] < 5e-3


@both
def test_a_linear_term_that_is_not_declared_is_found(kind: str) -> None:
    """b1 = 0.1 V⁻¹ in the data: the rejections at 5 % are those of a χ² about the c that b1 makes, within 4 sd.

    c = |κ|² b1 b2: nothing else of the lengths enters, and b1 = 0 is the only way to pass.
    """
    b1 = 0.1
    study, square = noisy(kind, b1)
    exact, _ = noisy(kind, b1, 1)
    # the shift in units of its error, from data without noise
    clean = simulated((1.2,), **(FORMS[kind] | {"noise": 1e-9}), b1=Normal(0.0, 1.0), amplitudes={"b1": b1}).curves[0]
    noiseless = replace(exact.curves[0], par=clean.par, perp=clean.perp)
    shift = by_product(study.replace(curves=(noiseless,)))[0]
    power = stats.ncx2.sf(stats.chi2.ppf(0.95, 1), 1, shift)
    found = np.mean(stats.chi2.sf(square, 1) < 0.05)
    assert power > 0.15
    assert abs(found - power) < 4 * np.sqrt(power * (1 - power) / N) + 0.02
    null = np.mean(stats.chi2.sf(noisy(kind)[1], 1) < 0.05)
    assert found > null + 0.08
