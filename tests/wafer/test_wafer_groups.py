"""Global fits of stacks against single studies, raw points and truth; stacks of a catalogue, from its sums alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hierarchy_cases import TRUTH, drawn_run, parameters, simulated
from model_studies import peak_memory
from scipy import stats
from scipy.optimize import least_squares
from wafer_cases import Wafer, run, simulated_wafer, wafer_study

from mtjfit.errors import ConfigError, DataError
from mtjfit.infer import fit
from mtjfit.physics import Interface, torque
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Sampling, Study, Uniform
from mtjfit.wafer import (
    FitEffort,
    StackFit,
    WaferDevices,
    WaferPosterior,
    WaferStudy,
    catalogue_stacks,
    devices_of,
    fit_groups,
    fit_stack,
    hierarchy_of,
    open_catalogue,
    sample_groups,
    stack_model,
)  # fmt: skip
from mtjfit.wafer.stack.least_squares import StackLeastSquares

SERIES = (0.8, 1.4, 2.2, 3.5)
SCATTER = {"scatter_a1": LogNormal(0.03, 1.5), "scatter_b2": LogNormal(0.03, 1.5)}
NONE = dict.fromkeys(SCATTER)
THICKNESS = {"thickness": AboutNominal(0.05)}
QUICK = FitEffort(screened=32, starts=2)  # for data of one valley


def stack(n: int = 8, *, data: dict[str, Any] | None = None, **priors: Any) -> tuple[Study, WaferDevices]:
    """Devices of four nominal thicknesses, without scatter unless declared; `data` goes to `simulated`."""
    study, x, y = simulated(n, nominal=SERIES, declared=parameters(**NONE | priors), **data or {})
    return study, WaferDevices.of(study, x, y)


CASES: dict[str, dict[str, Any]] = {
    "shared": {},
    "own a1, torkance per volume":
        {"a1": (Normal(1.0, 0.5), "device"), "data": {"quantity": "torkance", "per": "volume"}},
    "scatter, uncertain thickness":
        {"n": 6, **SCATTER, **THICKNESS, "lambda_sf_F": Fixed(10.0), "Lambda": Fixed(2.0)},
    "shared, uncertain thickness": THICKNESS,
    "dead layer, fixed amplitude": {"b2": Fixed(0.6), "dead_layer": Uniform(0.0, 0.5)},
    "lambda_sf_N and D_ratio, all own": {
        "a1": (Normal(1.0, 0.5), "device"), "b2": (Normal(0.6, 0.3), "device"), "Lambda": None,
        "lambda_sf_N": LogUniform(0.1, 50.0), "D_ratio": Fixed(1.0),
    },
}  # fmt: skip


EFFORTS = {"quick": QUICK, "for the deepest of several valleys": None}
ALL = [pytest.param(case, effort, id=f"{case}, {words}", marks=pytest.mark.slow)
       for case in CASES for words, effort in EFFORTS.items()]  # fmt: skip
ALL[0] = pytest.param("shared", QUICK)  # the quick lane


@pytest.mark.parametrize(("case", "effort"), ALL)
def test_the_fit_of_a_stack_is_the_fit_of_a_study(case: str, effort: FitEffort | None) -> None:
    """Two optimisers, two Jacobians: χ² equal to 1e-6, dof, values and errors where both give one."""
    study, devices = stack(**CASES[case])
    one, other = fit_stack(devices, study.parameters, effort=effort), fit(study)
    assert one.chi2 == pytest.approx(other.chi2, rel=1e-6)
    assert one.dof == other.dof
    for name, row in one.table.loc[list(one.values)].iterrows():
        error = other.errors[str(name)]
        assert row["determined"] == (error is not None), name
        if error is None:
            assert np.isnan(row["sd"])
        else:
            assert row["value"] == pytest.approx(other.values[str(name)], abs=0.01 * error)
            assert row["sd"] == pytest.approx(error, rel=0.01)


def test_amplitudes_of_single_devices_are_in_the_table_as_their_mean() -> None:
    """One that scatters, with a known mean: the row says why it has no error."""
    study, devices = stack(scatter_a1=SCATTER["scatter_a1"])
    table = fit_stack(devices, study.parameters, effort=QUICK).table
    assert [*table.index][-2:] == ["a1", "b2"]
    assert table.loc["a1", "value"] == pytest.approx(TRUTH["a1"], rel=0.03)
    assert (np.isnan(table.loc["a1", "sd"]), bool(table.loc["a1", "determined"])) == (True, False)
    assert str(table.loc["a1", "reason"]).startswith("each device has its own (scatter_a1): stack-fits.csv has")
    assert table.loc["b2", "determined"]


def test_the_minimum_by_raw_points() -> None:
    """Every thickness, amplitude and length explicit, raw points, numerical derivatives."""
    study, devices = stack(6, **THICKNESS, lambda_sf_F=Fixed(10.0))
    found = fit_stack(devices, study.parameters, effort=QUICK)

    def residual(p: np.ndarray) -> np.ndarray:
        lengths = {"lambda_J": p[0], "lambda_phi": p[1], "lambda_sf_F": 10.0, "lambda_sf_N": p[2], "D_ratio": 1.0}
        rows = [p[5:] / 0.05]
        for curve, offset in zip(study.curves, p[5:], strict=True):
            T = torque(curve.bias, curve.thickness + offset, **lengths, interface=Interface.of(a1=p[3], b2=p[4]))
            rows += [(curve.par - T.real) / 0.01, (curve.perp - T.imag) / 0.01]
        return np.concatenate(rows)

    exact = least_squares(residual, [1.0, 1.2, 2.0, 1.0, 0.6, *np.zeros(6)], x_scale="jac", xtol=1e-12, ftol=1e-14)
    assert found.chi2 == pytest.approx(2 * exact.cost, rel=1e-6)
    assert found.dof == 2 * 11 * 6 - 5
    sd = np.sqrt(np.diagonal(np.linalg.inv(exact.jac.T @ exact.jac)))
    for k, name in enumerate(("lambda_J", "lambda_phi", "Lambda", "a1", "b2")):
        assert found.values[name] == pytest.approx(exact.x[k], abs=0.01 * sd[k])
        if found.table.loc[name, "determined"]:
            assert found.table.loc[name, "sd"] == pytest.approx(sd[k], rel=0.01)
    np.testing.assert_allclose(found.point.offset, exact.x[5:], atol=0.01 * sd[5:].min())


def jacobian_error(problem: StackLeastSquares, at: dict[str, float]) -> float:
    """Gradient of χ² over the free lengths against central differences; all else is at its best, so it is enough."""
    point, worst = problem.at(at), 0.0
    for k, name in enumerate(problem.lengths):
        gradient = -2 * float(point.jacobian[:, k] @ point.residual.ravel())
        step = 1e-4 * max(at[name], 0.1)
        sides = [problem.at(at | {name: at[name] + s * step}).chi2 for s in (1, -1)]
        numeric = (sides[0] - sides[1]) / (2 * step)
        worst = max(worst, abs(gradient - numeric) / (1 + abs(numeric)))
    return worst


@pytest.mark.parametrize("name", list(CASES))
def test_slopes_of_the_misfit_by_differences(name: str) -> None:
    study, devices = stack(**CASES[name])
    problem = StackLeastSquares.of(devices, study.parameters)
    at = {n: {"lambda_sf_N": 2.0, "dead_layer": 0.1}.get(n, TRUTH.get(n, 1.0)) * 1.1 for n in problem.lengths}
    assert jacobian_error(problem, at) < 1e-4


def test_a_wrong_response_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    study, devices = stack()
    right = StackLeastSquares.solved

    def wrong(*arguments: Any) -> Any:
        *rest, slopes = right(*arguments)
        return *rest, [np.conj(each) for each in slopes]

    monkeypatch.setattr(StackLeastSquares, "solved", wrong)
    problem = StackLeastSquares.of(devices, study.parameters)
    assert jacobian_error(problem, {n: 1.1 * TRUTH[n] for n in problem.lengths}) > 1e-2


def test_one_nominal_thickness_determines_no_length() -> None:
    study, x, y = simulated(10, nominal=(2.0,), declared=parameters(**NONE))
    found = fit_stack(WaferDevices.of(study, x, y), study.parameters, effort=QUICK)
    assert not found.table.loc[["lambda_J", "lambda_phi", "lambda_sf_F", "Lambda"], "determined"].any()
    assert found.table.loc[["lambda_J", "lambda_phi"], "sd"].isna().all()
    assert found.dof == study.n_values - 3  # |κ|a1, |κ|b2 and the phase of κ


def test_fitted_errors_are_those_of_the_scatter() -> None:
    noise = dict.fromkeys(("noise_par", "noise_perp"), LogNormal(0.01, 3.0))
    study, devices = stack(12, **noise, lambda_sf_F=Fixed(10.0), data={"fit_sigma": True, "noise": 0.02})
    problem = StackLeastSquares.of(devices, study.parameters)
    dof = 12 * (11 - 2)  # of each component
    assert np.all(np.abs(problem.noise / 0.02 - 1) < 5 / np.sqrt(2 * dof))
    found = fit_stack(devices, study.parameters, effort=QUICK)
    assert (found.chi2, found.dof) == (found.misfit_chi2, 12 * 4 - 5)


def test_memory_is_linear_in_devices() -> None:
    study, devices = stack(20, **SCATTER)
    problem = StackLeastSquares.of(devices, study.parameters, 0.02)
    at = {name: TRUTH[name] for name in problem.lengths}

    def peak(n: int) -> int:
        many = replace(problem, devices=devices.chosen(np.arange(n) % 20))
        return peak_memory(lambda: many.at(at))

    assert peak(1600) < 10 * peak(200)


# stacks of a catalogue


def filled(tmp_path: Path, n: int = 60, **changes: Any) -> tuple[Wafer, WaferStudy, Any]:
    wafer = simulated_wafer(n, n_bias=11, uneven=True)
    study = wafer_study(tmp_path, wafer.csv(tmp_path / "t.csv"), **changes)
    run(study, tmp_path / "w.db")
    return wafer, study, open_catalogue(tmp_path / "w.db", write=True)


DECLARED = {
    "parameters": 'scatter_a1 = { prior = "lognormal", median = 0.03, factor = 2.0 }\n'
    'thickness_scatter = { prior = "lognormal", median = 0.03, factor = 1.5 }\n',
    "wafer": 'radius = 100\nsmooth_sd = { a1 = 0.1 }\nsmooth_each = "stack"\n'
    '[wafer.smooth]\nthickness = ["tilt_x", "bowl"]\na1 = ["bowl"]\n',
}


def test_stacks_of_a_catalogue_have_the_posterior_of_their_curves(tmp_path: Path) -> None:
    """Sums that were packed, written to SQLite and read again, against the raw curves."""
    wafer, study, catalogue = filled(tmp_path, **DECLARED)
    with catalogue:
        found = list(catalogue_stacks(catalogue, study))
    assert [one.split for one in found] == ["1.2 nm", "1.6 nm", "2 nm"]
    hierarchy = hierarchy_of(study)
    assert hierarchy.smooth["thickness"] == ("tilt_x", "bowl")
    assert (hierarchy.sd_of("a1"), hierarchy.sd_of("thickness")) == (0.1, 0.05)
    assert (hierarchy.each, hierarchy.radius) == ("stack", 100.0)
    for one in found:
        curves = [curve for curve in wafer.curves() if curve.group == one.split]
        rows = wafer.rows[wafer.rows.split == one.split].drop_duplicates("device")
        raw = WaferDevices.of(study.study_template.study(curves), rows["x (mm)"], rows["y (mm)"])
        assert one.devices.device == raw.device
        model = stack_model(one.devices, study, hierarchy)
        other = WaferPosterior(raw, study.study_template.parameters, hierarchy)
        assert "thickness_scatter" in model.names
        z = 0.5 * np.random.default_rng(0).standard_normal((4, model.size))
        np.testing.assert_allclose(model.log_posterior(z), other.log_posterior(z), rtol=1e-10)


def test_fits_by_split_and_who_took_no_part(tmp_path: Path) -> None:
    little = FitEffort(screened=16, starts=1, evaluations=5)  # valleys without end: no search ends in them
    _, study, catalogue = filled(tmp_path, 24, **DECLARED)
    with catalogue:
        catalogue.connection.execute("UPDATE devices SET flags = 1 WHERE device = 'D000003'")
        found = fit_groups(catalogue, study, effort=little)
        assert list(found.fits) == ["1.2 nm", "1.6 nm", "2 nm"]
        summary = found.summary().set_index("split")
        assert summary["devices"].tolist() == [7, 8, 8]
        assert found.left_out["1.2 nm"] == ("D000003",)
        assert next(catalogue_stacks(catalogue, study, split="1.2 nm", flagged=True)).devices.n == 8
        assert (summary["misfit_p_value"] > 1e-6).all()
        table = found.table()
        assert list(table.columns) == ["split", "parameter", "value", "sd", "unit", "determined", "reason", "origin"]
        assert not table["determined"][table.parameter.str.startswith("lambda")].any()
        with pytest.raises(DataError, match=r"has no split '3 nm'; its splits are '1.2 nm', '1.6 nm', '2 nm'"):
            fit_groups(catalogue, study, split="3 nm")
        catalogue.connection.execute("UPDATE devices SET flags = 4 WHERE split = '2 nm'")
        with pytest.raises(DataError, match="every device carries a flag"):
            list(catalogue_stacks(catalogue, study, split="2 nm"))


def test_another_study_is_refused(tmp_path: Path) -> None:
    _, study, catalogue = filled(tmp_path)
    with catalogue:
        other = wafer_study(tmp_path, study.table, amplitudes=("a1", "b2", "b3"))
        with pytest.raises(DataError, match="no configuration"):
            list(catalogue_stacks(catalogue, other))
        frame = catalogue.frame(("thickness", "x", "y"))
        with pytest.raises(ValueError, match="are not those of this study"):
            devices_of(frame, catalogue.sums(), other)
        with pytest.raises(ValueError, match="60 rows of devices and 59 of sums"):
            devices_of(frame, catalogue.sums()[1:], study)
    with pytest.raises(ConfigError, match="lambda_J"):
        fit_stack(stack()[1], parameters(lambda_J=(LogNormal(1.0, 2.0), "device")))


def test_posteriors_by_split_are_of_the_declared_model(tmp_path: Path) -> None:
    """Everything but the sampler, whose place draws from the prior take."""
    asked = []

    def from_the_prior(model: WaferPosterior, wish: Sampling, seed: int, *_: Any, **options: Any) -> Any:
        asked.append((seed, wish.max_steps))
        return drawn_run(model, 1.0)

    words = DECLARED | {"parameters": DECLARED["parameters"] + "\n[sampling]\nseed = 7\nmax_steps = 60\n"}
    _, study, catalogue = filled(tmp_path, 24, **words)
    with catalogue:
        found = sample_groups(catalogue, study, journal=tmp_path / "runs", progress=False, run=from_the_prior)
    assert not found.converged
    assert asked == [(7, 60)] * 3
    table = found.table()
    assert table["split"].unique().tolist() == ["1.2 nm", "1.6 nm", "2 nm"]
    assert table["parameter"][:4].tolist() == ["lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"]
    own = {"thickness_tilt_x", "thickness_bowl", "a1_bowl", "thickness_scatter", "scatter_a1"}
    assert own <= set(table["parameter"])
    assert (table["determined"] == "no").all()  # the prior is all there is
    assert table[["mean", "sd"]].isna().all(axis=None)
    assert not table["converged"].any()
    assert "NOT CONVERGED" in found.posteriors["2 nm"]._repr_html_()


# calibration


def pulls(n_stacks: int, **changes: Any) -> tuple[pd.DataFrame, list[float]]:
    """(estimate − truth)/sd of many simulated stacks, and their p-values."""
    rows, p_values = [], []
    known = {name: 0.0 for name in TRUTH if name.endswith(("_x", "_y", "_bowl", "_a1", "_b2"))}
    known |= {"thickness_scatter": 0.03} | changes
    declared = parameters(**NONE, thickness=AboutNominal(0.03), lambda_sf_F=Fixed(10.0))
    for seed in range(n_stacks):
        study, x, y = simulated(24, nominal=SERIES, seed=100 + seed, truth=known, declared=declared)
        found: StackFit = fit_stack(WaferDevices.of(study, x, y), study.parameters)
        rows.append({n: (found.values[n] - TRUTH[n]) / found.table.loc[n, "sd"] for n in found.values})
        p_values.append(found.misfit_p_value)
    return pd.DataFrame(rows), p_values


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_errors_and_p_values_are_calibrated() -> None:
    """120 stacks: pulls of sd 1 ± 0.065 and mean 0 ± 0.091, misfit p-values uniform; false alarm 1e-4 in all."""
    found, p_values = pulls(120)
    n = found.notna().sum()
    assert (n > 100).all()
    assert ((found.std() - 1).abs() < 4.5 / np.sqrt(2 * n)).all()
    assert (found.mean().abs() < 4.5 / np.sqrt(n)).all()
    assert stats.kstest(p_values, "uniform").pvalue > 1e-5


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thicknesses_that_scatter_more_than_declared_are_noticed() -> None:
    _, p_values = pulls(12, thickness_scatter=0.15)
    assert stats.kstest(p_values, "uniform").pvalue < 1e-5
