"""Whole chunks against devices one by one, against lmfit on the points themselves, and against the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import lmfit
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from wafer_cases import Wafer, simulated_wafer, wafer_study

from mtjfit.data import TorqueCurve
from mtjfit.model import FullPosterior, combinations, quantities_table
from mtjfit.model.phase import Terms, fit_phase
from mtjfit.wafer import Chunk, Reduced, WaferStudy, column_names, load_wafer, reduce_chunk, units_of

KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "torque": ({}, {}),
    "torkance": ({"quantity": "torkance"}, {"quantity": "torkance"}),
    "per volume": ({"per": "volume", "unit": "mT"}, {"per": "volume", "unit": "mT"}),
    "per area": ({"per": "area", "unit": "mJ/m2"}, {"per": "area", "unit": "mJ/m2"}),
    "uneven": ({"uneven": True}, {}),
    "fitted noise": ({}, {"sigma": "fit"}),
    "fitted and uneven": ({"uneven": True}, {"sigma": "fit"}),
    "b1 too": ({"amplitudes": {"a1": 1.0, "b1": 0.2, "b2": 0.6}}, {"amplitudes": ("a1", "b1", "b2")}),
    "b0 and b2": ({"amplitudes": {"a1": 1.0, "b0": 0.1, "b2": 0.6}}, {"amplitudes": ("a1", "b0", "b2")}),
    "four powers": ({"amplitudes": {"a1": 1.0, "a3": 0.4, "b2": 0.6, "b4": 0.3}},
                    {"amplitudes": ("a1", "a3", "b2", "b4")}),
    "no phase": ({"amplitudes": {"a1": 1.0, "b1": 0.2}}, {"amplitudes": ("a1", "b1")}),
    "one side": ({"bias": (0.3, 0.5), "noise": 1e-5}, {}),
    "far from zero": ({"bias": (0.9, 1.0), "noise": 1e-7}, {}),
    "five points": ({"n_bias": 5}, {}),
    "noisy": ({"noise": 0.3}, {}),
}  # fmt: skip
every_kind = pytest.mark.parametrize("kind", list(KINDS))


def case(kind: str, folder: Path, n: int = 5, seed: int = 1) -> tuple[Wafer, WaferStudy]:
    simulated, declared = KINDS[kind]
    return simulated_wafer(n, seed=seed, **simulated), wafer_study(folder, **declared)


def disagreement(study: WaferStudy, curves: list[TorqueCurve], reduced: Reduced) -> float:
    """Largest difference of any number to `mtjfit.model.device_combinations` of each device alone.

    Relative, but of χ² no finer than relative to one, and of probabilities absolute.
    """
    worst = 0.0
    for j, curve in enumerate(curves):
        (one,) = combinations(FullPosterior(study.study_template.study([curve])))
        mine = {name: float(values[j]) for name, values in reduced.values.items()}
        theirs = {**one.values, **{f"{name}_sd": sd for name, sd in one.sd.items()}}
        theirs |= {"scatter_chi2": one.scatter_chi2, "scatter_dof": one.scatter_dof}
        theirs |= {"scatter_p_value": one.scatter_p_value} if one.scatter_dof else {}
        theirs |= {"dof": one.dof, "chi2": one.chi2} if one.values else {}
        theirs |= {"p_value": one.p_value, "noise_dof": one.noise_dof} if one.dof > 0 else {}
        for name, value in theirs.items():
            floor = 1.0 if "chi2" in name or "p_value" in name else 1e-300
            if mine[name] != value:
                worst = max(worst, abs(mine[name] - value) / max(abs(value), floor))
    return worst


@pytest.mark.parametrize("n", [5, pytest.param(60, marks=pytest.mark.slow)])
@every_kind
def test_a_chunk_holds_what_each_device_tells_alone(kind: str, n: int, tmp_path: Path) -> None:
    """To 1e-9; but χ² only to 1e-7 where V and V² are nearly the same and torques 1e7 times their errors."""
    wafer, study = case(kind, tmp_path, n)
    reduced = reduce_chunk(study, wafer.chunk(sigma=not study.sigma_is_fitted))
    tolerance = {"far from zero": 1e-7}.get(kind, 1e-9)
    assert disagreement(study, wafer.curves(not study.sigma_is_fitted), reduced) < tolerance
    assert set(reduced.values) == set(column_names(study)) == set(units_of(study))


@pytest.mark.parametrize(
    ("quantity", "per", "unit"),
    [("torque", "device", "1e-19 N m"), ("torque", "volume", "mT"), ("torkance", "device", "hbar/2e/kohm"),
     ("torkance", "volume", "mT/V"), ("torkance", "area", "arb"), ("torque", "area", "arb")],
)  # fmt: skip
def test_units_are_those_of_the_table_of_a_study(quantity: str, per: str, unit: str, tmp_path: Path) -> None:
    wafer = simulated_wafer(1, quantity=quantity, per=per, unit=unit)
    study = wafer_study(tmp_path, quantity=quantity, per=per, unit=unit)
    model = FullPosterior(wafer.studies(study)[0])
    rows = quantities_table(model, combinations(model))
    mine = units_of(study)
    assert {name: mine[name] for name in rows["quantity"]} == dict(zip(rows["quantity"], rows["unit"], strict=True))
    assert mine["slope_ratio_sd"] == ""
    assert mine["par·V^2_sd"] == mine["|kappa|·b2"]


def by_lmfit(curve: TorqueCurve, names: tuple[str, ...]) -> lmfit.minimizer.MinimizerResult:
    """The points themselves fitted with a phase and real amplitudes, with an analytic Jacobian."""
    V, torkance = curve.bias[curve.used], curve.quantity == "torkance"
    par, perp = curve.par[curve.used], curve.perp[curve.used]
    assert curve.sigma_par is not None
    assert curve.sigma_perp is not None
    sigma = np.concatenate([curve.sigma_par[curve.used], curve.sigma_perp[curve.used]])
    powers = [int(name[1]) for name in names]
    columns = [n * V ** (n - 1) if torkance else V**n for n in powers]
    terms = [(1j if name[0] == "b" else 1.0) * column for name, column in zip(names, columns, strict=True)]

    def real(T: np.ndarray) -> np.ndarray:
        return np.concatenate([T.real, T.imag]) / sigma

    def model(p: lmfit.Parameters) -> np.ndarray:
        return np.exp(1j * p["phase"].value) * sum(p[n].value * t for n, t in zip(names, terms, strict=True))

    def gradient(p: lmfit.Parameters) -> np.ndarray:
        turn = np.exp(1j * p["phase"].value)
        return np.stack([real(1j * model(p)), *(real(turn * t) for t in terms)])

    start = lmfit.Parameters()
    start.add("phase", -0.1)
    for name in names:
        start.add(name, 0.5)
    fit = lmfit.Minimizer(lambda p: real(model(p) - par - 1j * perp), start, scale_covar=False)
    found = fit.leastsq(Dfun=gradient, col_deriv=True, xtol=1e-15, ftol=1e-15, gtol=0.0)
    for _ in range(3):  # leastsq stops where χ² no longer falls, at the root of rounding; these steps finish it
        step = np.linalg.lstsq(gradient(found.params).T, -fit.userfcn(found.params))[0]
        for name, by in zip(("phase", *names), step, strict=True):
            found.params[name].value += by
    return found


@pytest.mark.parametrize(
    "kind",
    [
        "uneven",
        "four powers",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("torque", "torkance", "per volume", "b0 and b2")),
    ],
)
def test_a_chunk_holds_what_lmfit_finds_in_the_points(kind: str, tmp_path: Path) -> None:
    """Values relative to their errors, errors, correlations and the whole χ², to 1e-9 at least."""
    simulated, declared = KINDS[kind]
    wafer, study = simulated_wafer(6, seed=7, noise=1e-3, **simulated), wafer_study(tmp_path, **declared)
    reduced, names = reduce_chunk(study, wafer.chunk()).values, study.terms.names
    for j, curve in enumerate(wafer.curves()):
        found = by_lmfit(curve, names)
        phase, sd = found.params["phase"].value, np.sqrt(found.covar[0, 0])
        pairs = [(reduced["slope_ratio"][j], np.tan(phase), sd / np.cos(phase) ** 2)]
        pairs += [(reduced[f"|kappa|·{n}"][j], found.params[n].value, found.params[n].stderr) for n in names]
        a1, b2 = found.params["a1"], found.params["b2"]
        pairs += [(reduced["b2/a1"][j], b2.value / a1.value, reduced["b2/a1_sd"][j])]
        assert max(abs(mine - theirs) / error for mine, theirs, error in pairs) < 1e-9
        assert max(abs(mine - theirs) / abs(theirs) for mine, theirs, _ in pairs) < 1e-9
        assert reduced["slope_ratio_sd"][j] == pytest.approx(pairs[0][2], rel=1e-7)
        for k, name in enumerate(names):
            assert reduced[f"|kappa|·{name}_sd"][j] == pytest.approx(found.params[name].stderr, rel=1e-7)
            correlation = found.covar[0, k + 1] / np.sqrt(found.covar[0, 0] * found.covar[k + 1, k + 1])
            assert reduced[f"corr(slope_ratio, |kappa|·{name})"][j] == pytest.approx(correlation, abs=1e-7)
        assert reduced["chi2"][j] + reduced["scatter_chi2"][j] == pytest.approx(found.chisqr, rel=1e-9)
        assert reduced["dof"][j] + reduced["scatter_dof"][j] == found.nfree


def test_the_error_of_the_ratio_is_that_of_a_thousand_repetitions(tmp_path: Path) -> None:
    """sd and correlations over 4000 equal devices within 4 standard errors of them: false alarms 4e-4."""
    wafer = simulated_wafer(4000, thickness=(1.5,), thickness_sd=0.0, tilt=0.0, n_bias=9, seed=3)
    values, n = reduce_chunk(wafer_study(tmp_path), wafer.chunk()).values, 4000
    for name in ("b2/a1", "slope_ratio", "|kappa|·b2"):
        assert abs(values[name].std() / np.median(values[f"{name}_sd"]) - 1) < 4 / np.sqrt(2 * n) + 0.005
    for one, other in (("slope_ratio", "b2/a1"), ("|kappa|·a1", "b2/a1"), ("slope_ratio", "|kappa|·b2")):
        expected = np.median(values[f"corr({one}, {other})"])
        assert abs(np.corrcoef(values[one], values[other])[0, 1] - expected) < 4 / np.sqrt(n) + 0.005


def test_the_lowest_point_of_the_misfit_is_found() -> None:
    """Against 2001 phases, for random statistics of no model: components up to a factor 1000 apart."""
    rng, terms = np.random.default_rng(5), Terms(("a1", "b2"), np.array([1, 1j]), np.array([1, 2]), np.array([1, 2]))
    J = 30
    R = np.triu(rng.standard_normal((J, 4, 4)))
    R[:, :2, 2:] = 0
    R[:, 2:] *= 10 ** rng.uniform(-3, 3, (J, 1, 1))
    z = rng.standard_normal((J, 4)) * 10 ** rng.uniform(0, 2, (J, 1))
    found = fit_phase(np.moveaxis(R, 0, -1), z.T, terms)
    phase = np.linspace(-np.pi / 2, np.pi / 2, 2001)
    c, s = np.cos(phase)[:, None], np.sin(phase)[:, None]
    for j in range(J):
        D = np.stack([c * R[j, :, 0] + s * R[j, :, 2], c * R[j, :, 3] - s * R[j, :, 1]], axis=-1)
        q, _ = np.linalg.qr(D)
        misfit = z[j] @ z[j] - np.sum(np.einsum("prt,r->pt", q, z[j]) ** 2, axis=-1)
        assert found.misfit[j] <= misfit.min() * (1 + 1e-9) + 1e-12 * (z[j] @ z[j])


def test_calibrated(tmp_path: Path) -> None:
    """p-values uniform (KS, 1e-3 each) and pulls of sd 1 (two-sided χ², 1e-3 each): false alarms 1 in 100 seeds."""
    n = 1000
    for kind in ("torque", "fitted noise"):
        wafer, study = case(kind, tmp_path, n=n, seed=11)
        values = reduce_chunk(study, wafer.chunk(sigma=kind == "torque")).values
        assert stats.kstest(values["p_value"], "uniform").pvalue > 1e-3
        if kind == "torque":
            assert stats.kstest(values["scatter_p_value"], "uniform").pvalue > 1e-3
        else:
            assert np.isnan(values["scatter_p_value"]).all()
            assert np.isfinite(values["noise_dof"]).all()
        for name in ("slope_ratio", "|kappa|·a1", "|kappa|·b2", "b2/a1"):
            pull = (values[name] - wafer.truth[name]) / values[f"{name}_sd"]
            spread = 1.0 if kind == "torque" else 39 / 37  # variance of t with 39 degrees of freedom, at most
            assert stats.chi2.cdf(np.sum(pull**2) / spread, n) > 5e-4
            assert stats.chi2.cdf(np.sum(pull**2), n) < 1 - 5e-4 or kind != "torque"
            assert abs(pull.mean()) * np.sqrt(n) < 3.5


# nothing else in a chunk changes a device


@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(1, 39), max_size=5), st.sampled_from(["uneven", "fitted and uneven", "four powers"]))
def test_devices_do_not_depend_on_their_chunk(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], kind: str
) -> None:
    wafer, study = case(kind, tmp_path_factory.mktemp("any"), n=40)
    chunk = wafer.chunk(sigma=not study.sigma_is_fitted)
    whole, ends = reduce_chunk(study, chunk), [0, *sorted(set(cuts)), 40]
    parts = [reduce_chunk(study, chunk.devices(a, b)) for a, b in pairwise(ends)]
    for name, values in whole.values.items():
        together = np.concatenate([part.values[name] for part in parts])
        assert together.tobytes() == values.tobytes(), name
    assert np.concatenate([part.sums for part in parts]).tobytes() == whole.sums.tobytes()


def test_devices_do_not_depend_on_how_many_are_reduced_at_once(tmp_path: Path) -> None:
    wafer, study = case("uneven", tmp_path, n=50)
    whole = reduce_chunk(study, wafer.chunk())
    again = reduce_chunk(study, wafer.chunk(), together=7)
    assert all(again.values[name].tobytes() == values.tobytes() for name, values in whole.values.items())


# errors of points, masks, angles


def with_curves(wafer: Wafer, change: Callable[[TorqueCurve], TorqueCurve]) -> list[TorqueCurve]:
    return [change(curve) for curve in wafer.curves()]


def test_correlated_components(tmp_path: Path) -> None:
    """ρ differs from point to point; to 1e-9 as a study of each device has it."""
    wafer, study = simulated_wafer(6, uneven=True), wafer_study(tmp_path, columns='rho = "rho"\n')
    chunk = wafer.chunk()
    rho = np.random.default_rng(2).uniform(-0.95, 0.95, chunk.bias.size)
    rows = iter(np.split(rho, chunk.start[1:-1]))
    curves = with_curves(wafer, lambda curve: replace(curve, rho=next(rows)))
    assert disagreement(study, curves, reduce_chunk(study, replace(chunk, rho=rho))) < 1e-9
    assert disagreement(study, curves, reduce_chunk(study, replace(chunk, rho=-rho))) > 1e-3


def test_masks_and_angles(tmp_path: Path) -> None:
    wafer = simulated_wafer(6, uneven=True)
    study = wafer_study(tmp_path, columns='angle = "angle"\n', data='sin_theta = "included"')
    chunk = wafer.chunk()
    angle = np.random.default_rng(3).uniform(20.0, 160.0, 6)
    used = np.abs(chunk.bias) < 0.45
    angles = iter(angle)
    curves = with_curves(wafer, lambda curve: replace(curve, angle=next(angles), sin_theta="included").mask(
        np.abs(curve.bias) >= 0.45, "outside"))  # fmt: skip
    factor = np.sin(np.radians(angle))
    reduced = reduce_chunk(study, replace(chunk, used=used, angle_factor=factor))
    assert disagreement(study, curves, reduced) < 1e-9
    assert reduced.values["n_points"].tolist() == [curve.n_used for curve in curves]
    assert disagreement(study, curves, reduce_chunk(study, replace(chunk, used=used))) > 1e-3


def test_noise_that_is_declared_as_known(tmp_path: Path) -> None:
    wafer = simulated_wafer(5)
    fixed = "noise_par = { fixed = 0.01 }\nnoise_perp"
    study = wafer_study(tmp_path, sigma="fit")
    text = study.text.replace('noise_par = { prior = "lognormal", median = 0.02, factor = 3.0 }\nnoise_perp', fixed)
    (tmp_path / "wafer.toml").write_text(text, encoding="utf-8")
    study = load_wafer(tmp_path / "wafer.toml", "table.csv")
    reduced = reduce_chunk(study, wafer.chunk(sigma=False))
    assert study.fixed_noise() == (0.01, None)
    assert disagreement(study, wafer.curves(False), reduced) < 1e-9
    assert (reduced.values["sigma_par"] == 0.01).all()


# sabotage


@pytest.mark.parametrize(
    "how",
    [
        lambda chunk: replace(chunk, sigma_par=chunk.sigma_par * 1.0001),
        lambda chunk: replace(chunk, perp=-chunk.perp),
        lambda chunk: replace(chunk, start=chunk.start + np.array([0, 1, 1, 1, 1, 0])),
        lambda chunk: replace(chunk, bias=chunk.bias + 1e-7),
    ],
)  # fmt: skip
def test_the_comparison_sees_small_mistakes(how: Callable[[Chunk], Chunk], tmp_path: Path) -> None:
    wafer, study = case("uneven", tmp_path, n=5)
    assert disagreement(study, wafer.curves(), reduce_chunk(study, how(wafer.chunk()))) > 1e-7
