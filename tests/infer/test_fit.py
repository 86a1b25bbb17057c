"""Least squares of a study: the global minimum, errors only where there are any, p-values that mean what they say."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_studies import AMPLITUDES, LENGTH, TRUTH, dense_log_likelihood, naive, simulated
from scipy import optimize, stats
from shortcuts import slow_after

import mtjfit
from mtjfit.model import FullPosterior
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Study

SERIES = (0.8, 1.5, 2.5, 4.0, 6.0)
FREE = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "a1", "b2")


def residual(study: Study, names: tuple[str, ...], x: np.ndarray) -> np.ndarray:
    """Residuals of every value and thickness from the naive model, for logs of lengths, thicknesses and amplitudes."""
    values = [np.exp(v) if n.startswith("lambda") else v for n, v in zip(names, x, strict=True)]
    point = dict(zip(names, values, strict=True))
    parts = naive(study, point)
    rows = [(parts["y"] - parts["D"] @ [point[n] for n in parts["labels"]]) / parts["sigma"]]
    if isinstance(study.parameters["thickness"].prior, AboutNominal):
        sd = study.parameters["thickness"].prior.sd
        rows.append(np.array([(point[f"thickness[{c.device}]"] - c.thickness) / sd for c in study.curves]))
    return np.concatenate(rows)


@pytest.mark.parametrize("thickness", slow_after(1, [Fixed(0.0), AboutNominal(0.05)]), ids=["exact", "uncertain"])
def test_the_minimum_is_global_and_errors_are_fisher(thickness: Any) -> None:
    """scipy on the naive model, from the truth and from 15 % away, finds nothing lower; its own
    Jacobian gives the same errors."""
    study = simulated(SERIES, noise=0.003, n_bias=3, thickness=thickness, thickness_error=0.03, seed=2)
    result = mtjfit.fit(study)
    names = (*FullPosterior(study).layout.names, "a1", "b2")
    truth = TRUTH | AMPLITUDES | {f"thickness[{c.device}]": c.thickness for c in study.curves}
    start = np.array([np.log(truth[n]) if n.startswith("lambda") else truth[n] for n in names])
    ours = np.array([np.log(result.values[n]) if n.startswith("lambda") else result.values[n] for n in names])
    assert np.sum(residual(study, names, ours) ** 2) == pytest.approx(result.chi2, rel=1e-9)
    for seed in range(2):
        away = 0.3 * seed * np.random.default_rng(seed).standard_normal(start.size) / 2
        found = optimize.least_squares(lambda x: residual(study, names, x), start + away, x_scale="jac")
        assert result.chi2 <= 2 * found.cost * (1 + 1e-6)
    best = optimize.least_squares(lambda x: residual(study, names, x), ours, x_scale="jac")
    sd = np.sqrt(np.diagonal(np.linalg.inv(best.jac.T @ best.jac)))
    table = result.identifiability.determined
    linearised = table["value"].abs() * table["relative_error"]
    for name, x, s in zip(names, best.x, sd, strict=True):
        factor = np.exp(x) if name.startswith("lambda") else 1.0
        assert linearised[name] == pytest.approx(s * factor, rel=0.02)
        assert result.errors[name] in (None, pytest.approx(linearised[name], rel=1e-12))
    assert max(np.abs(best.x - ours) / sd) < 0.02


def test_every_start_that_converges_reaches_the_same_minimum() -> None:
    best = mtjfit.fit(simulated(SERIES, noise=0.002)).optimum
    assert len(best.starts) == 8
    assert np.sum(np.all(np.abs(best.starts / best.values - 1) < 1e-3, axis=1)) >= 4
    np.testing.assert_array_equal(best.starts[0], best.values)
    assert best.at_bound == ()


@pytest.mark.usefixtures("quick_fits")
@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_one_thickness_gives_no_errors(quantity: str) -> None:
    """Three numbers are determined, but no length and no amplitude: neither lmfit nor the report shows an error."""
    result = mtjfit.fit(simulated((1.5,), quantity=quantity, noise=1e-3))
    assert (result.identifiability.rank, result.identifiability.n_parameters) == (3, 6)
    for name in FREE:
        assert result.errors[name] is None
        assert result.params[name].stderr is None
        assert not result.params[name].correl
    head, tail = result.report().split("Determined by each device")
    assert "±" not in head.replace("best fit ± sd", "")
    assert head.count("not determined") == 6
    assert re.search(r"slope_ratio +-?0\.\d+ ± 0\.\d+", tail)


@pytest.mark.usefixtures("quick_fits")
def test_a_report_shows_errors_only_where_they_are() -> None:
    result = mtjfit.fit(simulated(SERIES, noise=0.05, thickness=AboutNominal(0.02), seed=1))
    for line in result.report().splitlines():
        name = line.split(" ")[0]
        if name in result.errors:
            assert ("±" in line) == (result.errors[name] is not None), line
    assert result.errors["lambda_sf_F"] is None
    assert result.errors["D_ratio"] is None
    assert result.errors["a1"] is not None


@pytest.mark.slow
@pytest.mark.usefixtures("quick_fits")
def test_errors_are_rescaled_only_on_request() -> None:
    study = simulated(SERIES, noise=0.0005)
    small = study.replace(curves=tuple(
        replace(c, sigma_par=c.sigma_par / 3, sigma_perp=c.sigma_perp / 3) for c in study.curves
    ))  # fmt: skip
    plain, as_given, asked = mtjfit.fit(study), mtjfit.fit(small), mtjfit.fit(small, rescale_errors=True)
    assert as_given.chi2 == pytest.approx(9 * plain.chi2, rel=1e-6)
    assert as_given.p_value < 1e-50
    assert (asked.rescaled, as_given.rescaled) == (True, False)
    assert "rescaled" in asked.report()
    assert "rescaled" not in as_given.report()
    for name in FREE:
        assert as_given.errors[name] == pytest.approx(plain.errors[name] / 3, rel=1e-3)
        assert asked.errors[name] == pytest.approx(as_given.errors[name] * np.sqrt(asked.chi2 / asked.dof), rel=1e-9)


def p_values(n: int, seed: int, **changes: Any) -> list[float]:
    return [mtjfit.fit(simulated(**({"seed": seed + k} | changes))).p_value for k in range(n)]


NOISES: dict[str, dict[str, Any]] = {
    "known": {"noise": 0.01},
    "fitted": {"noise": 0.01, "fit_sigma": True},
    "fitted, each its own, few points": {
        "noise": 0.01, "fit_sigma": True, "n_bias": 7, "d": SERIES,
        "noise_par": (LogNormal(0.02, 3.0), "device"), "noise_perp": (LogNormal(0.02, 3.0), "device"),
    },
    "uncertain thickness": {"noise": 0.01, "thickness": AboutNominal(0.05), "thickness_error": 0.05, "n_bias": 5},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", list(NOISES))
def test_p_values_are_uniform_over_many_studies(kind: str) -> None:
    """KS over 120 studies; false-alarm rate 1e-3 for each of 4."""
    assert stats.kstest(p_values(120, 5000, **NOISES[kind]), "uniform").pvalue > 1e-3


def half_known(first_known: bool, noise: float = 0.02) -> Study:
    """The errors of some devices are known, one noise scale for the others is fitted."""
    study = simulated(SERIES, fit_sigma=True, noise=noise)
    known = {"sigma_par": np.full(11, noise), "sigma_perp": np.full(11, noise)}
    chosen = (0, 1) if first_known else (3, 4)
    return study.replace(curves=tuple(replace(c, **known) if j in chosen else c for j, c in enumerate(study.curves)))


@pytest.mark.usefixtures("quick_fits")
@pytest.mark.parametrize("first_known", slow_after(1, [True, False]))
def test_known_and_fitted_errors_side_by_side(first_known: bool) -> None:
    """The fitted scale is that of the devices without errors, wherever they stand: 66 values less 6, 5 sd of σ."""
    result = mtjfit.fit(half_known(first_known))
    assert result.values["noise_par"] == pytest.approx(0.02, rel=5 / np.sqrt(2 * 27))
    assert result.p_value > 1e-4
    assert result.errors["lambda_J"] == pytest.approx(mtjfit.fit(simulated(SERIES)).errors["lambda_J"], rel=0.5)
    assert "from the scatter" in result.report()


@pytest.mark.usefixtures("quick_fits")
def test_a_misfit_of_devices_with_known_errors_is_not_hidden_by_the_fitted_ones() -> None:
    study = half_known(True)
    shaken = replace(study.curves[0], par=study.curves[0].par + 0.08 * np.sin(40 * study.curves[0].bias))
    assert mtjfit.fit(study.replace(curves=(shaken, *study.curves[1:]))).p_value < 1e-5


@pytest.mark.usefixtures("quick_fits")
def test_declared_noise_scales_count_as_known() -> None:
    """Noise scales that are fixed are errors like any others: same χ², p-value and errors."""
    fixed = mtjfit.fit(simulated(SERIES, fit_sigma=True, noise_par=Fixed(0.02), noise_perp=Fixed(0.02)))
    known = mtjfit.fit(simulated(SERIES))
    assert fixed.chi2 == pytest.approx(known.chi2)
    assert fixed.p_value == pytest.approx(known.p_value)
    assert fixed.errors["a1"] == pytest.approx(known.errors["a1"])
    assert "degrees of freedom" in fixed.chi2_says
    assert "from the scatter" not in fixed.report()


@pytest.mark.usefixtures("quick_fits")
def test_a_flipped_axis_is_noticed() -> None:
    study = simulated(SERIES, noise=0.003)
    flipped = study.replace(curves=tuple(replace(c, perp=-c.perp) for c in study.curves))
    result = mtjfit.fit(flipped)
    assert result.p_value < 1e-20
    assert result.p_value_flipped == pytest.approx(mtjfit.fit(study).p_value, rel=1e-3)
    assert result.p_value_flipped > 1e-3


@pytest.mark.usefixtures("quick_fits")
def test_scopes_give_every_group_and_device_its_own_number() -> None:
    """Amplitudes by device and a length by group: the likelihood at the optimum is that of the naive model."""
    study = simulated(
        SERIES, noise=0.002, a1=(Normal(0.0, 3.0), "device"), b2=(Normal(0.0, 3.0), "group"), lambda_J=(LENGTH, "group")
    )
    result = mtjfit.fit(study)
    assert [n for n in result.values if n.startswith("a1")] == [f"a1[{d}]" for d in "ABCDE"]
    of_groups = [n for n in result.values if n.startswith(("b2", "lambda_J"))]
    assert of_groups == ["lambda_J[g0]", "lambda_J[g1]", "b2[g0]", "b2[g1]"]
    parts = naive(study, result.values)
    rest = (parts["y"] - parts["D"] @ [result.values[n] for n in parts["labels"]]) / parts["sigma"]
    assert np.sum(rest**2) == pytest.approx(result.chi2, rel=1e-9)
    assert result.params["a1_A"].user_data == "a1[A]"
    assert np.isfinite(dense_log_likelihood(parts))


@pytest.mark.usefixtures("quick_fits")
def test_a_length_at_the_edge_of_its_range_has_no_error() -> None:
    result = mtjfit.fit(simulated(SERIES, noise=0.002, lambda_J=LogUniform(2.0, 50.0)))
    assert result.errors["lambda_J"] is None
    assert "edge" in result.identifiability.determined.loc["lambda_J", "reason"]
    assert result.p_value < 1e-6
