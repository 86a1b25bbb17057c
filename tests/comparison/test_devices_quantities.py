"""Coefficients of single devices against the model that was fitted, their errors against truth, and what follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from device_cases import draws_about, true_coefficients, true_kappa
from model_studies import AMPLITUDES, TRUTH, simulated
from scipy import stats
from scipy.optimize import minimize_scalar
from shortcuts import as_slow

from mtjfit.comparison import (
    DeterminedQuantity,
    determined_quantities,
    extremum,
    pairwise,
    quantity_table,
    usual_bias,
)
from mtjfit.model import FullPosterior, combinations
from mtjfit.physics import Interface, torque
from mtjfit.results import torque_draws
from mtjfit.results.coefficients import Coefficients, own_coefficients, own_transfer, posterior_coefficients
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Study

V = np.array([-0.31, 0.0, 0.23])
LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
CASES: dict[str, dict[str, Any]] = {
    "shared": {},
    "uncertain thickness": {"thickness": AboutNominal(0.05)},
    "b1 and a2": {"b1": Normal(0.0, 3.0), "a2": Normal(0.0, 3.0)},
    "fixed amplitude": {"b1": Fixed(0.2)},
    "own amplitudes": {"a1": (Normal(0.0, 3.0), "device"), "b2": (Normal(0.0, 3.0), "group")},
    "own lengths": {"lambda_J": (LogUniform(0.1, 100.0), "group")},
}


def by_name(t: Coefficients, bias: float) -> dict[str, np.ndarray]:
    return {each.name: each.values for each in determined_quantities(t, bias)}


def made(study: Study, values: np.ndarray) -> Coefficients:
    powers = np.unique(FullPosterior(study).amplitudes.power)
    return Coefficients(study, powers, values, "each device alone")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("quantity", "per"), [("torque", "device"), ("torque", "volume"), ("torkance", "device")])
def test_posterior_coefficients_are_those_of_the_predicted_torque(case: str, quantity: str, per: str) -> None:
    study = simulated(quantity=quantity, per=per, **CASES[case])
    draws = draws_about(study, 5, 0.2)
    t = posterior_coefficients(study, draws)
    found = t.torque(V)
    if quantity == "torkance":
        found = np.asarray(sum(n * t.of(n)[..., None] * V ** (n - 1) for n in t.powers.tolist()))
    for j, curve in enumerate(study.curves):
        np.testing.assert_allclose(found[:, j], torque_draws(study, draws, curve, V), rtol=1e-12, atol=1e-15)
    assert not np.allclose(t.torque(V)[:, 0], t.torque(V)[:, 1], rtol=1e-3)  # a mix-up of devices would show


def test_own_columns_of_scattering_amplitudes_are_used_and_a_missing_column_is_named() -> None:
    study = simulated(scatter_a1=LogNormal(0.05, 2.0))
    draws = draws_about(study, 4).assign(**{"scatter_a1": 0.05, "a1[A]": 2.0, "a1[B]": 3.0, "a1[C]": 4.0})
    t = posterior_coefficients(study, draws)
    for j, curve in enumerate(study.curves):
        np.testing.assert_allclose(t.torque(V)[:, j], torque_draws(study, draws, curve, V), rtol=1e-12)
    with pytest.raises(ValueError, match="no column lambda_phi"):
        posterior_coefficients(study, draws.drop(columns="lambda_phi"))


def test_angles_are_taken_out() -> None:
    """Two devices with the same torque per sin θ, measured at different angles, have the same coefficients."""
    study, sin_theta = simulated((1.0, 1.0), noise=1e-4), {90.0: 1.0, 30.0: 0.5}
    curves = (replace(c, par=s * c.par, perp=s * c.perp, angle=angle, sin_theta="included")
              for c, (angle, s) in zip(study.curves, sin_theta.items(), strict=True))  # fmt: skip
    t = own_coefficients(study.replace(curves=tuple(curves)), 200, np.random.default_rng(0))
    for n, rtol in ((1, 2e-3), (2, 5e-3)):
        np.testing.assert_allclose(t.of(n).mean(axis=0), true_coefficients(1.0)[n], rtol=rtol)


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_draws_of_a_device_alone_have_the_errors_of_its_closed_form(quantity: str) -> None:
    study = simulated(quantity=quantity)
    t = own_coefficients(study, 20_000, np.random.default_rng(0))
    found = by_name(t, 0.2)
    for j, one in enumerate(combinations(FullPosterior(study))):
        for name in ("slope_ratio", "|kappa|·a1", "b2/a1"):
            assert np.median(found[name][:, j]) == pytest.approx(one.values[name], abs=0.03 * one.sd[name])
            assert found[name][:, j].std() == pytest.approx(one.sd[name], rel=0.03)


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_draws_of_kappa_scatter_as_repeated_measurements_do(quantity: str) -> None:
    """Spread of Re and Im against 200 repetitions, devices of one study; 4.5 errors, false alarms 3e-5.

    The out-of-plane component is measured worse, which correlates size and phase: combining their errors in quadrature
    gives a bar of Re κ a1 that this test would refuse.
    """
    study, n, rng = simulated((1.0,), quantity=quantity), 200, np.random.default_rng(1)
    (curve,) = study.curves
    curve = replace(curve, sigma_perp=8 * curve.sigma_perp)
    K = own_transfer(study.replace(curves=(curve,)), 20_000, np.random.default_rng(0))[:, 0]
    par, perp = rng.standard_normal((2, n, curve.bias.size))
    noisy = zip(curve.par + curve.sigma_par * par, curve.perp + curve.sigma_perp * perp, strict=True)
    again = tuple(replace(curve, device=f"{k}", par=one, perp=other) for k, (one, other) in enumerate(noisy))
    values = [one.values for one in combinations(FullPosterior(study.replace(curves=again)))]
    repeated = [one["|kappa|·a1"] * np.exp(1j * np.arctan(one["slope_ratio"])) for one in values]
    allowed = 4.5 / np.sqrt(2 * n)
    for part in (np.real, np.imag):
        assert part(K).std() == pytest.approx(part(np.array(repeated)).std(), rel=allowed)
    quadrature = np.hypot(np.abs(K).std() * np.cos(np.angle(K.mean())), K.mean().imag * np.angle(K).std())
    assert quadrature > (1 + allowed) * K.real.std()


def coverage(study: Study, names: tuple[str, ...], level: float = 0.68) -> dict[str, float]:
    """Share of devices whose central interval holds the truth."""
    t = own_coefficients(study, 1000, np.random.default_rng(1))
    found = by_name(t, 0.2)
    exact = [true_coefficients(curve.thickness, study.amplitudes) for curve in study.curves]
    true = by_name(made(study, np.array([[[one.get(int(n), 0) for n in t.powers] for one in exact]])), 0.2)
    quantiles = {name: np.quantile(found[name], [(1 - level) / 2, (1 + level) / 2], axis=0) for name in names}
    return {name: float(np.mean((low < true[name][0]) & (true[name][0] < high)))
            for name, (low, high) in quantiles.items()}  # fmt: skip


D = tuple(np.tile([0.8, 1.1, 1.5, 2.2], 25))
BINOMIAL = 3.3 * np.sqrt(0.68 * 0.32 / len(D))  # false alarms: one in a thousand for each number
ALL = ("slope_ratio", "|kappa|·a1", "b2/a1", "T_perp/T_par at 0.2 V", "odd part of T_perp at 0.2 V")
OPEN = ("slope_ratio", "|kappa·(a1 + i b1)|", "Im c2/c1", "T_perp/T_par at 0.2 V")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ({"seed": 4, "noise": 0.1}, ALL),
        as_slow(({"seed": 4, "noise": 0.05, "quantity": "torkance"}, ALL)),
        as_slow(({"seed": 4, "noise": 0.05, "n_bias": 4, "fit_sigma": True,
                  "noise_par": (LogNormal(0.05, 3.0), "device"), "noise_perp": (LogNormal(0.05, 3.0), "device")}, ALL)),
        # with a1, b1, a2 and b2 the phase is open, and each component keeps its own polynomial
        ({"seed": 5, "noise": 0.05, "b1": Normal(0.0, 3.0), "a2": Normal(0.0, 3.0)}, OPEN),
    ],
    ids=["torque", "torkance", "errors from two degrees of freedom", "free polynomials"],
)  # fmt: skip
def test_intervals_of_devices_alone_cover_the_truth(kind: dict[str, Any], names: tuple[str, ...]) -> None:
    found = coverage(simulated(D, **kind), names)
    assert all(abs(share - 0.68) < BINOMIAL for share in found.values()), found


def test_errors_that_are_half_as_large_are_found_out() -> None:
    study = simulated(D, seed=4, noise=0.1)
    halved = (replace(c, sigma_par=0.5 * c.sigma_par, sigma_perp=0.5 * c.sigma_perp) for c in study.curves)
    assert all(share < 0.68 - BINOMIAL for share in coverage(study.replace(curves=tuple(halved)), ALL).values())


@pytest.mark.parametrize("per", ["device", "volume"])
def test_quantities_are_those_of_the_torque_of_equation_12(per: str) -> None:
    study = simulated((1.1,), per=per)
    truth = {n: TRUTH[n] for n in LENGTHS}
    t = posterior_coefficients(study, pd.DataFrame([truth | {"a1": 1.0, "b2": 0.6}]))
    found = {name: float(values[0, 0]) for name, values in by_name(t, 0.2).items()}
    interface = Interface.of(a1=1.0, b2=0.6)

    def T(v: float) -> complex:
        return complex(torque(v, 1.1, **truth, interface=interface, per=per))

    assert found["T_perp/T_par at 0.2 V"] == pytest.approx(T(0.2).imag / T(0.2).real, rel=1e-12)
    assert found["odd part of T_perp at 0.2 V"] == pytest.approx((T(0.2).imag - T(-0.2).imag) / 2, rel=1e-10)
    h = 1e-6
    slope = (T(h) - T(-h)) / (2 * h)
    assert found["slope_ratio"] == pytest.approx(slope.imag / slope.real, rel=1e-8)
    assert found["|kappa|·a1"] == pytest.approx(abs(slope), rel=1e-8)
    lowest = minimize_scalar(lambda v: T(v).imag, bounds=(-0.5, 0.5), method="bounded", options={"xatol": 1e-10})
    assert found["extremum of T_perp"] == pytest.approx(lowest.x, abs=1e-6)


def test_quantities_without_precession_and_with_closed_forms() -> None:
    """λ_J = ∞: κ real, no odd part, extremum at 0. Otherwise the extremum lies at −tan(arg κ) a1/(2 b2)."""
    study = simulated((1.1,), lambda_J=Fixed(np.inf))
    row = {n: TRUTH[n] for n in LENGTHS[1:]} | {"a1": 1.0, "b2": 0.6}
    flat = by_name(posterior_coefficients(study, pd.DataFrame([row])), 0.2)
    for name in ("slope_ratio", "odd part of T_perp at 0.2 V", "extremum of T_perp"):
        assert flat[name][0, 0] == pytest.approx(0.0, abs=1e-14)
    t = made(simulated((1.1,)), np.array([[list(true_coefficients(1.1).values())]]))
    K, a1, b2 = true_kappa(1.1), AMPLITUDES["a1"], AMPLITUDES["b2"]
    tan = K.imag / K.real
    found, names = by_name(t, 0.2), ("slope_ratio", "|kappa|·a1", "b2/a1", "extremum of T_perp")
    exact = [tan, abs(K) * a1, b2 / a1, -tan * a1 / (2 * b2)]
    assert [found[name][0, 0] for name in names] == pytest.approx(exact, rel=1e-12)


def test_extremum_of_higher_powers_is_the_nearest_real_root_in_the_range() -> None:
    study = simulated((1.1,), a3=Normal(0.0, 3.0), b4=Normal(0.0, 3.0))
    rng = np.random.default_rng(2)
    values = rng.standard_normal((400, 1, 4)) + 1j * rng.standard_normal((400, 1, 4)) * [0.3, 1, 3, 9]
    t = made(study, values)
    assert t.powers.tolist() == [1, 2, 3, 4]
    found = extremum(t)[:, 0]
    for k, one in enumerate(values[:, 0].imag):
        roots = np.roots([4 * one[3], 3 * one[2], 2 * one[1], one[0]])
        inside = [r.real for r in roots if abs(r.imag) < 1e-9 and abs(r.real) <= 0.5]
        expected = min(inside, key=abs) if inside else np.nan
        assert found[k] == pytest.approx(expected, rel=1e-6, nan_ok=True)
    assert 0.02 < np.mean(np.isnan(found)) < 0.9


def test_share_of_draws_with_an_extremum_is_that_of_a_normal_distribution() -> None:
    """V* = −β1/(2 β2) with β1 ~ N(0.5, 0.1²), β2 = −0.5, range to 0.5 V: inside for β1 < 0.5."""
    study, rng = simulated((1.1,)), np.random.default_rng(3)
    beta = 0.5 + 0.1 * rng.standard_normal(4000)
    values = np.stack([1 + 1j * beta, np.full(4000, -0.5j)], axis=-1)[:, None]
    t = made(study, values)
    row = quantity_table(t, determined_quantities(t, 0.2)).set_index("quantity").loc["extremum of T_perp"]
    assert row["share"] == pytest.approx(0.5, abs=0.03)
    inside = stats.truncnorm(-10, 0, 0.5, 0.1)
    assert row["median"] == pytest.approx(inside.median(), abs=0.005)
    assert row["q025"] == pytest.approx(inside.ppf(0.025), abs=0.015)


def test_bias_outside_the_data_is_marked_and_the_usual_bias_is_inside() -> None:
    study = simulated()
    assert usual_bias(study) == 0.2
    short = study.curves[1].mask(np.abs(study.curves[1].bias) > 0.15, "window")
    study = study.replace(curves=(study.curves[0], short, study.curves[2]))
    assert usual_bias(study) == pytest.approx(0.1)
    t = own_coefficients(study, 100, np.random.default_rng(0))
    table = quantity_table(t, determined_quantities(t, 0.2)).set_index(["quantity", "device"])
    marked = table.index[table["extrapolated"]].tolist()
    assert marked == [("T_perp/T_par at 0.2 V", "B"), ("odd part of T_perp at 0.2 V", "B")]
    for wrong in (0.0, -0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="positive"):
            determined_quantities(t, wrong)


def pairs_of(*several: np.ndarray) -> pd.DataFrame:
    """Pairs of the devices D0, D1, … in quantities x, y, … with these draws, each of shape (n, n_devices)."""
    n = several[0].shape[1]
    quantities = (
        DeterminedQuantity(name, "", each, np.zeros(n, bool)) for name, each in zip("xyz", several, strict=False)
    )
    return pairwise(tuple(quantities), tuple(f"D{k}" for k in range(n)))


def test_probability_and_interval_of_a_difference_are_those_of_correlated_normals() -> None:
    """sd² = 1 + 1 − 2ρ: adding error bars in quadrature would say √2 for any ρ."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((2000, 1))
    values = 0.8 * shared + 0.6 * rng.standard_normal((2000, 2)) + np.array([0.5, 0.0])
    row = pairs_of(values).iloc[0]
    sd = np.sqrt(2 - 2 * 0.64)
    assert row["p_greater"] == pytest.approx(stats.norm.cdf(0.5 / sd), abs=0.03)  # 2000 draws: 0.009
    assert row["q975"] - row["q025"] == pytest.approx(2 * 1.96 * sd, rel=0.07)
    assert row["q975"] - row["q025"] < 0.75 * 2 * 1.96 * np.sqrt(2)
    assert row["difference"] == pytest.approx(0.5, abs=0.06)


def test_every_pair_is_there_once_with_its_own_numbers() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((500, 50)) + np.arange(50)
    found = pairs_of(values, -values)
    assert len(found) == 2 * 1225
    assert not found.duplicated(["quantity", "A", "B"]).any()
    for row in found.sample(20, random_state=0).to_dict("records"):
        a, b = (values[:, int(row[k][1:])] * (1 if row["quantity"] == "x" else -1) for k in "AB")
        np.testing.assert_allclose(row["difference"], np.median(a - b))
        np.testing.assert_allclose(row["p_greater"], np.mean(a > b))


def test_clear_pairs_among_equal_devices_are_rare_unlike_those_looked_at_one_by_one() -> None:
    """Of ten devices; five of a hundred studies, more than 14 % of 80 would be once in two thousand."""
    rng = np.random.default_rng(2)
    clear, one_by_one = 0, 0
    for _ in range(80):
        values = rng.standard_normal(10) + rng.standard_normal((400, 10))
        found = pairs_of(values)
        clear += found["clear"].any()
        one_by_one += ((found["p_greater"] < 0.025) | (found["p_greater"] > 0.975)).any()
    assert clear < 0.14 * 80
    assert one_by_one > 0.4 * 80


def test_a_device_that_differs_is_clear_from_all_others() -> None:
    found = pairs_of(np.random.default_rng(3).standard_normal((1000, 6)) + np.array([0, 0, 0, 0, 0, 9.0]))
    assert found.loc[found["B"] == "D5", "clear"].all()
    assert not found.loc[found["B"] != "D5", "clear"].any()


def test_equal_by_declaration_is_no_difference_and_no_direction() -> None:
    values = np.random.default_rng(4).standard_normal((300, 1)) * np.ones(3)
    values[:, 1] *= 1 + 1e-15
    found = pairs_of(values)
    assert found["p_greater"].tolist() == [0.5, 0.5, 0.5]
    assert found["difference"].tolist() == [0, 0, 0]
    assert not found["clear"].any()


def test_missing_draws_count_only_for_the_pairs_that_lack_them() -> None:
    rng = np.random.default_rng(5)
    values = rng.standard_normal((1000, 4)) + np.array([0.0, 1.0, 2.0, 0.0])
    values[rng.random(1000) < 0.3, 1] = np.nan
    values[:, 3] = np.nan
    found = pairs_of(values).set_index(["A", "B"])
    assert found.loc[("D0", "D2"), "share"] == 1
    assert found.loc[("D0", "D1"), "share"] == pytest.approx(0.7, abs=0.05)
    both = np.isfinite(values[:, 1])
    assert found.loc[("D0", "D1"), "p_greater"] == pytest.approx(np.mean(values[both, 0] > values[both, 1]))
    assert found.loc[("D0", "D3"), "share"] == 0
    assert np.isnan(found.loc[("D0", "D3"), "p_greater"])
    assert not found.loc[("D0", "D1"), "clear"]
    assert pairs_of(np.ones((10, 1))).empty  # of one device
