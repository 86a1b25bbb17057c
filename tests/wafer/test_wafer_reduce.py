"""Whole chunks against devices one by one, against least squares on the points, and against the truth; sums."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from shortcuts import slow_but
from wafer_cases import Wafer, simulated_wafer, wafer_study

from mtjfit.data import TorqueCurve
from mtjfit.model import FullPosterior, Terms, combinations, fit_phase, quantities_table
from mtjfit.wafer import (
    FLAGS,
    Chunk,
    Reduced,
    WaferStudy,
    column_names,
    compressed,
    flag_names,
    load_wafer,
    reduce_chunk,
    units_of,
)  # fmt: skip

KINDS: dict[str, dict[str, Any]] = {
    "torque": {},
    "torkance": {"quantity": "torkance"},
    "per volume": {"per": "volume", "unit": "mT"},
    "per area": {"per": "area", "unit": "mJ/m2"},
    "uneven": {"uneven": True},
    "fitted noise": {"sigma": "fit"},
    "fitted and uneven": {"uneven": True, "sigma": "fit"},
    "b1 too": {"amplitudes": {"a1": 1.0, "b1": 0.2, "b2": 0.6}},
    "b0 and b2": {"amplitudes": {"a1": 1.0, "b0": 0.1, "b2": 0.6}},
    "four powers": {"amplitudes": {"a1": 1.0, "a3": 0.4, "b2": 0.6, "b4": 0.3}},
    "no phase": {"amplitudes": {"a1": 1.0, "b1": 0.2}},
    "one side": {"bias": (0.3, 0.5), "noise": 1e-5},
    "far from zero": {"bias": (0.9, 1.0), "noise": 1e-7},
    "five points": {"n_bias": 5},
    "noisy": {"noise": 0.3},
}


def case(folder: Path, n: int = 5, seed: int = 1, **how: Any) -> tuple[Wafer, WaferStudy]:
    """Simulated devices, and the study that declares what they are."""
    declared = {name: how[name] for name in ("quantity", "per", "unit", "sigma", "amplitudes") if name in how}
    simulated = {name: value for name, value in how.items() if name != "sigma"}
    return simulated_wafer(n, seed=seed, **simulated), wafer_study(folder, **declared)


def same_bits(one: Reduced, other: Reduced, kept: Any = slice(None)) -> bool:
    """All numbers of some of the devices."""
    return all(one.values[name][kept].tobytes() == values[kept].tobytes() for name, values in other.values.items())


def disagreement(study: WaferStudy, curves: list[TorqueCurve], reduced: Reduced) -> float:
    """Largest difference of any number to `mtjfit.model.combinations` of each device alone.

    Relative, but of χ² no finer than relative to one, and of probabilities absolute.
    """
    worst = 0.0
    for j, curve in enumerate(curves):
        (one,) = combinations(FullPosterior(study.study_template.study([curve])))
        theirs = {**one.values, **{f"{name}_sd": sd for name, sd in one.sd.items()}}
        theirs |= {"scatter_chi2": one.scatter_chi2, "scatter_dof": one.scatter_dof}
        theirs |= {"scatter_p_value": one.scatter_p_value} if one.scatter_dof else {}
        theirs |= {"dof": one.dof, "chi2": one.chi2} if one.values else {}
        theirs |= {"p_value": one.p_value, "noise_dof": one.noise_dof} if one.dof > 0 else {}
        for name, value in theirs.items():
            mine, floor = float(reduced.values[name][j]), 1.0 if "chi2" in name or "p_value" in name else 1e-300
            if mine != value:
                worst = max(worst, abs(mine - value) / max(abs(value), floor))
    return worst


@pytest.mark.parametrize("n", [5, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", slow_but(("per volume", "fitted and uneven", "four powers", "no phase"), KINDS))
def test_a_chunk_holds_what_each_device_tells_alone(kind: str, n: int, tmp_path: Path) -> None:
    """To 1e-9; but χ² only to 1e-7 where V and V² are nearly the same and torques 1e7 times their errors."""
    wafer, study = case(tmp_path, n, **KINDS[kind])
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
    wafer, study = case(tmp_path, 1, quantity=quantity, per=per, unit=unit)
    model = FullPosterior(study.study_template.study(wafer.curves()))
    rows = quantities_table(model, combinations(model))
    mine = units_of(study)
    assert {name: mine[name] for name in rows["quantity"]} == dict(zip(rows["quantity"], rows["unit"], strict=True))
    assert mine["slope_ratio_sd"] == ""
    assert mine["par·V^2_sd"] == mine["|kappa|·b2"]


def by_the_points(curve: TorqueCurve, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, float]:
    """Phase and real amplitudes fitted to the points themselves, their covariance, and χ²."""
    V, sigma = curve.bias, np.concatenate([curve.sigma_par, curve.sigma_perp])
    powers = [int(name[1]) for name in names]
    columns = [n * V ** (n - 1) if curve.quantity == "torkance" else V**n for n in powers]
    terms = np.array([(1j if name[0] == "b" else 1.0) * column for name, column in zip(names, columns, strict=True)])

    def real(T: np.ndarray) -> np.ndarray:
        return np.concatenate([T.real, T.imag], axis=-1) / sigma

    def residual(p: np.ndarray) -> np.ndarray:
        return real(np.exp(1j * p[0]) * (p[1:] @ terms) - curve.par - 1j * curve.perp)

    def jacobian(p: np.ndarray) -> np.ndarray:
        turned = np.exp(1j * p[0]) * terms
        return real(np.vstack([1j * (p[1:] @ turned), turned])).T

    p = optimize.least_squares(residual, [-0.1, *[0.5] * len(names)], jacobian, method="lm").x
    for _ in range(3):  # it stops where χ² no longer falls, at the root of rounding; these steps finish it
        p = p - np.linalg.lstsq(jacobian(p), residual(p))[0]
    return p, np.linalg.inv(jacobian(p).T @ jacobian(p)), residual(p) @ residual(p)


SLOW_KINDS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("torque", "torkance", "per volume", "b0 and b2")]


@pytest.mark.parametrize("kind", ["uneven", "four powers", *SLOW_KINDS])
def test_a_chunk_holds_what_least_squares_find_in_the_points(kind: str, tmp_path: Path) -> None:
    """Values relative to their errors, errors, correlations and the whole χ², to 1e-9 at least."""
    wafer, study = case(tmp_path, 6, 7, noise=1e-3, **KINDS[kind])
    values, names = reduce_chunk(study, wafer.chunk()).values, study.terms.names
    for j, curve in enumerate(wafer.curves()):
        (phase, *amplitudes), covariance, chi2 = by_the_points(curve, names)
        reduced, sd = {name: each[j] for name, each in values.items()}, np.sqrt(np.diagonal(covariance))
        pairs = [(reduced["slope_ratio"], np.tan(phase), sd[0] / np.cos(phase) ** 2)]
        pairs += [(reduced[f"|kappa|·{name}"], *each) for name, *each in zip(names, amplitudes, sd[1:], strict=True)]
        ratio = amplitudes[names.index("b2")] / amplitudes[names.index("a1")]
        pairs += [(reduced["b2/a1"], ratio, reduced["b2/a1_sd"])]
        assert max(abs(mine - theirs) / error for mine, theirs, error in pairs) < 1e-9
        assert max(abs(mine - theirs) / abs(theirs) for mine, theirs, _ in pairs) < 1e-9
        assert reduced["slope_ratio_sd"] == pytest.approx(pairs[0][2], rel=1e-7)
        for k, name in enumerate(names, start=1):
            assert reduced[f"|kappa|·{name}_sd"] == pytest.approx(sd[k], rel=1e-7)
            correlation = covariance[0, k] / (sd[0] * sd[k])
            assert reduced[f"corr(slope_ratio, |kappa|·{name})"] == pytest.approx(correlation, abs=1e-7)
        assert reduced["chi2"] + reduced["scatter_chi2"] == pytest.approx(chi2, rel=1e-9)
        assert reduced["dof"] + reduced["scatter_dof"] == 2 * curve.bias.size - len(names) - 1


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


@pytest.mark.parametrize(("kind", "spread"), [("torque", 1.0), ("fitted noise", 39 / 37)])
def test_calibrated(kind: str, spread: float, tmp_path: Path) -> None:
    """p-values uniform (KS, 1e-3 each) and pulls of sd 1 (two-sided χ², 1e-3 each): false alarms 1 in 100 seeds.

    `spread` is the variance of a pull, at most: that of t with 39 degrees of freedom where errors are fitted.
    """
    n, known = 1000, kind == "torque"
    wafer, study = case(tmp_path, n, 11, **KINDS[kind])
    values = reduce_chunk(study, wafer.chunk(sigma=known)).values
    for name in ("p_value", "scatter_p_value") if known else ("p_value",):
        assert stats.kstest(values[name], "uniform").pvalue > 1e-3
    assert known or np.isnan(values["scatter_p_value"]).all()
    assert known or np.isfinite(values["noise_dof"]).all()
    for name in ("slope_ratio", "|kappa|·a1", "|kappa|·b2", "b2/a1"):
        pull = (values[name] - wafer.truth[name]) / values[f"{name}_sd"]
        assert stats.chi2.cdf(np.sum(pull**2) / spread, n) > 5e-4
        assert stats.chi2.cdf(np.sum(pull**2), n) < 1 - 5e-4 or not known
        assert abs(pull.mean()) * np.sqrt(n) < 3.5


# nothing else in a chunk changes a device


@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(1, 39), max_size=5), st.sampled_from(["uneven", "fitted and uneven", "four powers"]))
def test_devices_do_not_depend_on_their_chunk(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], kind: str
) -> None:
    wafer, study = case(tmp_path_factory.mktemp("any"), 40, **KINDS[kind])
    chunk = wafer.chunk(sigma=not study.sigma_is_fitted)
    whole, ends = reduce_chunk(study, chunk), [0, *sorted(set(cuts)), 40]
    assert same_bits(reduce_chunk(study, chunk, together=7), whole)
    for a, b in pairwise(ends):
        part = reduce_chunk(study, chunk.devices(a, b))
        assert all(part.values[name].tobytes() == values[a:b].tobytes() for name, values in whole.values.items())
        assert part.sums.tobytes() == whole.sums[a:b].tobytes()


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e300])
def test_absurd_numbers_of_one_device_warn_nobody_and_change_no_other(factor: float, tmp_path: Path) -> None:
    wafer, study = simulated_wafer(6), wafer_study(tmp_path)
    chunk, whole = wafer.chunk(), reduce_chunk(study, wafer.chunk())
    for name in ("par", "sigma_par", "bias"):
        reduced = reduce_chunk(study, changed(chunk, 2, **{name: lambda v: v * factor}))
        assert same_bits(reduced, whole, [0, 1, 3, 4, 5])


def test_everything_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    study, chunk = wafer_study(tmp_path), simulated_wafer(5).chunk()
    sent, given = pickle.loads(pickle.dumps((study, chunk)))  # noqa: S301
    assert (sent.fingerprint(), sent.text) == (study.fingerprint(), study.text)
    assert same_bits(pickle.loads(pickle.dumps(reduce_chunk(sent, given))), reduce_chunk(study, chunk))  # noqa: S301


# errors of points, masks, angles


def test_correlated_components(tmp_path: Path) -> None:
    """ρ differs from point to point; to 1e-9 as a study of each device has it."""
    wafer, study = simulated_wafer(6, uneven=True), wafer_study(tmp_path, columns='rho = "rho"\n')
    chunk = wafer.chunk()
    rho = np.random.default_rng(2).uniform(-0.95, 0.95, chunk.bias.size)
    rows = np.split(rho, chunk.start[1:-1])
    curves = [replace(curve, rho=row) for curve, row in zip(wafer.curves(), rows, strict=True)]
    assert disagreement(study, curves, reduce_chunk(study, replace(chunk, rho=rho))) < 1e-9
    assert disagreement(study, curves, reduce_chunk(study, replace(chunk, rho=-rho))) > 1e-3


def test_masks_and_angles(tmp_path: Path) -> None:
    wafer = simulated_wafer(6, uneven=True)
    study = wafer_study(tmp_path, columns='angle = "angle"\n', data='sin_theta = "included"')
    chunk, angle = wafer.chunk(), np.random.default_rng(3).uniform(20.0, 160.0, 6)
    curves = [replace(curve, angle=at, sin_theta="included").mask(np.abs(curve.bias) >= 0.45, "outside")
              for curve, at in zip(wafer.curves(), angle, strict=True)]  # fmt: skip
    masked = replace(chunk, used=np.abs(chunk.bias) < 0.45)
    reduced = reduce_chunk(study, replace(masked, angle_factor=np.sin(np.radians(angle))))
    assert disagreement(study, curves, reduced) < 1e-9
    assert reduced.values["n_points"].tolist() == [curve.n_used for curve in curves]
    assert disagreement(study, curves, reduce_chunk(study, masked)) > 1e-3


def test_noise_that_is_declared_as_known(tmp_path: Path) -> None:
    wafer = simulated_wafer(5)
    old, new = 'noise_par = { prior = "lognormal", median = 0.02, factor = 3.0 }', "noise_par = { fixed = 0.01 }"
    text = wafer_study(tmp_path, sigma="fit").text.replace(old, new)
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
    wafer, study = case(tmp_path, uneven=True)
    assert disagreement(study, wafer.curves(), reduce_chunk(study, how(wafer.chunk()))) > 1e-7


def test_sums_and_coefficients_are_those_of_the_points(tmp_path: Path) -> None:
    """For any coefficients rss + |R c − z|² is the sum over the points, and Σ ln σ theirs; the best ones by lstsq."""
    wafer, study = simulated_wafer(20, uneven=True), wafer_study(tmp_path)
    reduced, rng = reduce_chunk(study, wafer.chunk()), np.random.default_rng(0)
    data = compressed(reduced.sums, study)
    for j, curve in enumerate(wafer.curves()):
        c, square, logs = rng.standard_normal(4), 0.0, 0.0
        V = np.stack([curve.bias, curve.bias**2], axis=-1)
        components = (("par", c[:2], curve.par, curve.sigma_par), ("perp", c[2:], curve.perp, curve.sigma_perp))
        for name, own, y, sigma in components:
            square += np.sum(((y - V @ own) / sigma) ** 2)
            logs += np.log(sigma).sum()
            white = V / sigma[:, None]
            best, covariance = np.linalg.lstsq(white, y / sigma)[0], np.linalg.inv(white.T @ white)
            for k in range(2):
                assert reduced.values[f"{name}·V^{k + 1}"][j] == pytest.approx(best[k], rel=1e-9)
                assert reduced.values[f"{name}·V^{k + 1}_sd"][j] == pytest.approx(covariance[k, k] ** 0.5, rel=1e-9)
        assert data.rss[j].sum() + np.sum((data.R[j] @ c - data.z[j]) ** 2) == pytest.approx(square, rel=1e-12)
        assert data.n[j].tolist() == [curve.bias.size] * 2
        assert data.log_sigma[j] == pytest.approx(logs, rel=1e-12)
    with pytest.raises(ValueError, match="are not those of this study"):
        compressed(np.zeros((2, 3)), study)


# what cannot be determined, and what is odd


def changed(chunk: Chunk, j: int, **values: Callable[[np.ndarray], np.ndarray]) -> Chunk:
    rows = slice(int(chunk.start[j]), int(chunk.start[j + 1]))
    new = {name: np.array(getattr(chunk, name)) for name in values}
    for name, change in values.items():
        new[name][rows] = change(new[name][rows])
    return replace(chunk, **new)


def test_flags(tmp_path: Path) -> None:
    wafer, study = simulated_wafer(8), wafer_study(tmp_path)
    chunk, V = wafer.chunk(), wafer.chunk().bias[:41]
    chunk = changed(chunk, 1, perp=lambda v: v + 0.2 * V)  # T_perp linear beyond what κ allows
    chunk = changed(chunk, 2, par=lambda v: v + 0.2 * np.cos(20 * V))
    chunk = changed(chunk, 3, par=lambda v: 0.001 * v, perp=lambda v: 0.001 * v)
    chunk = changed(chunk, 4, bias=lambda v: 0.3 + 0 * v)
    reduced = reduce_chunk(study, chunk)
    flags = [set(flag_names(mask)) for mask in reduced.flags.tolist()]
    assert flags[0] == flags[5] == set()
    for j, name in enumerate(("misfit_constraint", "misfit_scatter", "no_slope", "not_determined"), start=1):
        assert name in flags[j]
    assert np.isnan([reduced.values[name][4] for name in ("slope_ratio", "b2/a1", "par·V^1", "p_value")]).all()


def test_too_few_points_to_estimate_errors_from(tmp_path: Path) -> None:
    wafer, study = simulated_wafer(3, n_bias=2, bias=(-0.4, 0.5)), wafer_study(tmp_path, sigma="fit")
    reduced = reduce_chunk(study, wafer.chunk(sigma=False))
    assert reduced.flags.tolist() == [FLAGS["few_points"] | FLAGS["not_determined"]] * 3
    assert np.isnan(reduced.values["|kappa|·a1"]).all()
    known = reduce_chunk(wafer_study(tmp_path), wafer.chunk())
    assert known.flags.tolist() == [FLAGS["few_points"]] * 3
    assert np.isfinite(known.values["b2/a1"]).all()
    assert np.isnan(known.values["scatter_p_value"]).all()


def test_nothing_at_all(tmp_path: Path) -> None:
    reduced = reduce_chunk(wafer_study(tmp_path), simulated_wafer(3).chunk().devices(1, 1))
    assert (reduced.device, reduced.sums.shape) == ((), (0, 15))
    assert all(values.shape == (0,) for values in reduced.values.values())
