"""Odd devices: exact where the model is linear, calibrated p-values, planted ones found for the right reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from device_cases import exact_posterior, linear_study, posterior_of, true_kappa
from model_studies import AMPLITUDES, simulated
from scipy import stats
from shortcuts import slow_after, slow_but

import mtjfit
from mtjfit.comparison import DeviceTests, Refits, compare_devices, find_odd_devices, outliers, repeats
from mtjfit.data import TorqueCurve
from mtjfit.infer import FitResult, Posterior
from mtjfit.study import AboutNominal, LogNormal, LogUniform, Normal, Parameter, Study

D = (0.8, 1.2, 1.7, 2.3, 3.0, 4.0)
MANY = tuple(np.linspace(0.8, 4.0, 24))


def changed(study: Study, j: int, par: Any = None, perp: Any = None) -> Study:
    """The study with something added to one device."""
    one = study.curves[j]
    new = replace(one, par=one.par + (par(one.bias) if par else 0), perp=one.perp + (perp(one.bias) if perp else 0))
    return study.replace(curves=(*study.curves[:j], new, *study.curves[j + 1 :]))


def scaled(study: Study, factors: Sequence[float], *, errors: bool = False) -> Study:
    """The study with both torques of each device, and their errors if asked for, times a factor."""
    names = ("par", "perp", "sigma_par", "sigma_perp") if errors else ("par", "perp")
    curves = (replace(c, **{name: f * getattr(c, name) for name in names})
              for c, f in zip(study.curves, factors, strict=True))  # fmt: skip
    return study.replace(curves=tuple(curves))


def judged(found: Study | FitResult | Posterior) -> pd.DataFrame:
    """Every device against the others; of a study, by its fit."""
    found = mtjfit.fit(found) if isinstance(found, Study) else found
    tests = DeviceTests(Refits.of(found))
    return outliers(tests, find_odd_devices(tests), 0.2, np.random.default_rng(0)).set_index("device")


def test_signs_of_singular_vectors_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding decides them, so numbers would depend on the unit and on the computer."""
    fit = mtjfit.fit(mtjfit.load_study(mtjfit.dataset("thickness-series").study_file))
    found, svd = judged(fit), np.linalg.svd

    def other_signs(matrix: np.ndarray, *args: object, **options: object) -> object:
        found = svd(matrix, *args, **options)
        if matrix.ndim != 2 or options.get("compute_uv") is False:
            return found
        u, s, vt = found
        signs = (-1.0) ** np.arange(max(u.shape[-1], vt.shape[-2]))
        return u * signs[: u.shape[-1]], s, signs[: vt.shape[-2], None] * vt

    with monkeypatch.context() as patch:
        patch.setattr(np.linalg, "svd", other_signs)
        other = judged(fit)
    for name in ("own", "expected", "deviation"):
        assert np.allclose(other[name].to_numpy(float), found[name].to_numpy(float), rtol=1e-6), name


def repeated(study: Study) -> pd.DataFrame:
    return repeats(study, np.random.default_rng(0))


def refitted(study: Study, j: int) -> float:
    """χ² of device j about what a fit of all others predicts, from points, designs and textbook formulas alone."""

    def weighed(curve: TorqueCurve) -> tuple[np.ndarray, np.ndarray]:
        """Columns of a1 and b2, and values, over their errors."""
        K, V = true_kappa(curve.thickness), curve.bias
        columns = [K * V, 1j * K * V**2, curve.par + 1j * curve.perp]
        *design, y = (np.concatenate([c.real, c.imag]) / curve.sigma_par[0] for c in columns)
        return np.stack(design, axis=1), y

    designs, values = zip(*map(weighed, study.curves), strict=True)
    X, y = (np.concatenate([*each[:j], *each[j + 1 :]]) for each in (designs, values))
    covariance = np.linalg.inv(X.T @ X)
    # the device's own polynomials, both components free
    q = np.linalg.qr(np.kron(np.eye(2), study.curves[j].bias[:, None] ** [1, 2]))[0]
    away = q.T @ (values[j] - designs[j] @ covariance @ X.T @ y)
    spread = q.T @ designs[j] @ covariance @ designs[j].T @ q + np.eye(4)
    return float(away @ np.linalg.solve(spread, away))


@pytest.mark.parametrize("source", ["fit", "posterior"])
def test_devices_are_left_out_exactly_where_the_model_is_linear(source: str) -> None:
    """By refits without the device, by the prediction of the others, and, for many devices, by a linearised fit."""
    study = changed(linear_study(D, 1), 2, perp=lambda V: 0.05 * V)
    refits = Refits.of(mtjfit.fit(study) if source == "fit" else exact_posterior(study))
    for j, device in enumerate(study.devices):
        right = pytest.approx(refitted(study, j), rel=1e-6)
        one = DeviceTests(refits).judged(frozenset(), device)
        assert (one.chi2, one.dof) == (right, 4)
        assert refits.prediction(frozenset(), device).square == right
        assert refits.linearised(frozenset())[device] == (right, 4)


def uniform(p: list[float] | np.ndarray) -> float:
    """p-value of uniformity, from the whole distribution and from its lower 5 %, which decide who is odd."""
    values = np.asarray(p)
    few = stats.binomtest(int(np.sum(values < 0.05)), values.size, 0.05).pvalue
    return float(min(1.0, 2 * min(stats.kstest(values, "uniform").pvalue, few)))


def null_p_values(kind: str, factor: float = 1.0) -> np.ndarray:
    """p-values of all devices of studies in which none is odd, with χ² times a factor."""
    noise = {name: (LogNormal(0.02, 3.0), "shared") for name in ("noise_par", "noise_perp")}
    p: list[float] = []
    for seed in range({"own thickness": 10, "scatter": 8}.get(kind, 5)):
        if kind == "scatter":  # of four devices at four bias points, eight degrees of freedom for each component
            p += judged(linear_study(D[:4], seed, n_bias=4, fit_sigma=True, **noise))["p"].tolist()
            continue
        if kind == "own thickness":  # true thicknesses differ from nominal
            study = linear_study(D, seed, thickness_error=0.1, thickness=AboutNominal(0.1), noise=0.01)
        else:
            study = linear_study(MANY, seed)
        found = DeviceTests(Refits.of(mtjfit.fit(study)))
        each = (found.judged(frozenset(), device) for device in study.devices)
        p += [stats.chi2.sf(factor * one.chi2, one.dof) for one in each]
    return np.array(p)


@pytest.mark.slow
@pytest.mark.parametrize("kind", slow_after(1, ["fit", "own thickness", "scatter"]))
def test_p_values_are_uniform_where_no_device_is_odd(kind: str) -> None:
    """120 (60, 32) p-values; those of one study share the others, which makes the 0.1 % a little less exact."""
    assert uniform(null_p_values(kind)) > 1e-3


@pytest.mark.slow
def test_p_values_with_errors_that_are_too_small_are_found_out() -> None:
    assert uniform(null_p_values("fit", 1.4**2)) < 1e-3


PLANTED: dict[str, dict[str, Any]] = {
    "both torques are 1.1": {"j": 4, "par": lambda V: 0.12 * V},
    "T_perp/T_par": {"j": 2, "perp": lambda V: 0.15 * V},
    "no single κ": {"j": 3, "par": lambda V: 0.4 * V**2},
}


@pytest.mark.parametrize(("reason", "source"), slow_but(
    (("both torques are 1.1", "fit"), ("T_perp/T_par", "posterior"), ("no single κ", "fit")),
    product(PLANTED, ("fit", "posterior")),
))  # fmt: skip
def test_a_planted_device_is_found_with_its_reason(reason: str, source: str) -> None:
    study, j = changed(linear_study(D, 7), **PLANTED[reason]), PLANTED[reason]["j"]
    found = judged(study if source == "fit" else exact_posterior(study))
    worst = found.loc[found["p"].idxmin()]
    assert worst.name == study.devices[j]
    assert worst["outlier"]
    assert worst["p_holm"] < 1e-4
    assert reason in worst["reason"] or reason == "T_perp/T_par"
    if reason == "both torques are 1.1":
        K = true_kappa(study.curves[j].thickness)
        assert worst["expected"] == pytest.approx(abs(K) * AMPLITUDES["a1"], rel=0.02)
        assert worst["own"] == pytest.approx(abs(K + 0.12), rel=0.03)


def test_no_device_is_odd_where_none_was_changed() -> None:
    clean = judged(linear_study(D, 7))
    assert not clean["outlier"].any()
    assert set(clean["reason"]) == {""}
    assert judged(linear_study((1.0,), 0)).empty  # a single device


@pytest.mark.slow
def test_amplitudes_of_its_own_excuse_a_device_but_not_a_wrong_phase() -> None:
    own = {"a1": (Normal(0.0, 10.0), "device"), "b2": (Normal(0.0, 10.0), "device")}
    louder = scaled(linear_study(D, 7, **own), [1, 1, 1.4, 1, 1, 1])
    turned = changed(linear_study(D, 7, **own), 2, perp=lambda V: 0.2 * V)
    assert not judged(louder)["outlier"].any()
    assert judged(turned)["outlier"].tolist() == [False, False, True, False, False, False]


NOISE_MODELS = {
    "student": {"noise_dof": Parameter("noise_dof", LogUniform(1.0, 200.0))},
    "jitter": {name: Parameter(name, LogUniform(1e-4, 1.0)) for name in ("jitter_par", "jitter_perp")},
}


def knowing(study: Study, kind: str) -> Study:
    """The study with the noise model that its data have."""
    return study.replace(parameters={**study.parameters, **NOISE_MODELS[kind]})


def ill_declared(kind: str, seed: int, size: float = 0.045) -> Study:
    """As `linear_study`, with errors larger than declared, or with heavy tails."""
    study, rng, curves = linear_study(D, seed, noise=1e-12, n_bias=31), np.random.default_rng([seed, 5]), []
    for curve in study.curves:
        n = curve.bias.size
        par, perp = 0.02 * rng.standard_t(2, (2, n)) if kind == "student" else size * rng.standard_normal((2, n))
        errors = dict.fromkeys(("sigma_par", "sigma_perp"), np.full(n, 0.02))
        curves.append(replace(curve, par=curve.par + par, perp=curve.perp + perp, **errors))
    return study.replace(curves=tuple(curves))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jitter", pytest.param("student", marks=pytest.mark.slow)])  # t fits are slow
def test_an_odd_device_is_found_under_the_noise_that_is_declared_and_good_ones_are_not(kind: str) -> None:
    """Eight studies, each with a false alarm in one of 20: more than 3 of them in 4e-4 of all runs."""
    studies = [ill_declared(kind, seed) for seed in range(8)]
    assert sum(judged(knowing(study, kind))["outlier"].any() for study in studies) <= 3
    assert sum(judged(study)["outlier"].any() for study in studies) > 4  # of the same data with errors as declared
    turned = changed(studies[3], 2, perp=lambda V: 0.6 * V)
    found = judged(knowing(turned, kind))
    assert found["outlier"].any()
    assert found["chi2"].idxmax() == turned.devices[2]


@pytest.mark.slow
def test_the_reason_believes_the_noise_that_is_declared() -> None:
    """Six studies with a louder device: one of their constraint tests fails by chance in 6 of 100 runs, two in 2e-3."""
    loud = [scaled(ill_declared("jitter", seed, 0.1), [1, 1, 1.8, 1, 1, 1], errors=True) for seed in range(6)]
    found = [judged(knowing(study, "jitter")).loc[study.devices[2]] for study in loud]
    assert all(one["outlier"] for one in found)
    assert sum("no single κ" in one["reason"] for one in found) <= 1


def test_sampled_noise_is_that_of_the_draws() -> None:
    study = linear_study(D, 8)
    jitter = Parameter("jitter_par", LogNormal(0.05, 2.0))
    jittery, posterior = study.replace(parameters={**study.parameters, "jitter_par": jitter}), exact_posterior(study)
    quiet, loud = (judged(posterior_of(jittery, posterior.draws.assign(jitter_par=s))) for s in (1e-6, 0.3))
    np.testing.assert_allclose(quiet["chi2"], judged(posterior)["chi2"], rtol=1e-5)
    assert np.all(loud["chi2"] < quiet["chi2"])


def test_p_values_of_repeated_devices_are_uniform() -> None:
    d = tuple(np.repeat(np.linspace(0.8, 4.0, 40), 2))
    p = repeated(linear_study(d, 10))["p"]
    assert len(p) == 40
    assert uniform(p) > 1e-3
    wrong = linear_study(d[:40], 10, noise=0.03)
    halved = (replace(c, sigma_par=c.sigma_par / 2, sigma_perp=c.sigma_perp / 2) for c in wrong.curves)
    assert uniform(repeated(wrong.replace(curves=tuple(halved)))["p"]) < 1e-3


@pytest.mark.slow
def test_repeats_that_differ_are_found_and_their_scatter_is_measured() -> None:
    factors = 1 + 0.1 * np.random.default_rng(11).standard_normal(40)
    study = scaled(linear_study((1.0,) * 40 + (2.0,) * 3, 11, noise=0.005), [*factors, 1.0, 1.0, 1.0])
    found = repeated(study).set_index("thickness")
    assert found.loc[1.0, "p"] < 1e-20
    assert found["agree"].tolist() == [False, True]
    assert found["n"].tolist() == [40, 3]
    assert found.loc[1.0, "scatter"] == pytest.approx(np.std(factors, ddof=1), rel=0.05)
    assert repeated(linear_study(D, 0)).empty


def test_groups_are_kept_apart_where_parameters_belong_to_them() -> None:
    shared, grouped = (simulated((1.0,) * 4, b2=b2) for b2 in (Normal(0.0, 3.0), (Normal(0.0, 3.0), "group")))
    assert repeated(shared)["n"].tolist() == [4]
    assert repeated(grouped)[["group", "n"]].to_numpy().tolist() == [["g0", 2], ["g1", 2]]


def test_a_comparison_says_what_it_is_and_repeats_itself() -> None:
    study = linear_study(D, 12)
    fit, posterior = mtjfit.fit(study), exact_posterior(study)
    alone, common = compare_devices(fit), compare_devices(posterior)
    for one, source in ((alone, "each device alone"), (common, "with the common lengths")):
        assert set(one.table["source"]) == {one.source} == {source}
    assert any("b2/a1" in note and "declaration" in note for note in common.notes)
    pd.testing.assert_frame_equal(alone.table, compare_devices(fit).table)
    assert "each device alone" in str(alone)
    assert "chance" in str(alone)  # 15 pairs of each quantity: multiplicity is spoken of
    tables = [each.table[each.table["quantity"] == "slope_ratio"] for each in (alone, common)]
    width = [(table["q84"] - table["q16"]).max() for table in tables]
    assert width[1] < 1e-9 < width[0]  # with all lengths known the phase is known
    refused = compare_devices(posterior_of(study, posterior.draws, converged=False))
    assert all(one.title.startswith("NOT CONVERGED") for one in refused.tables())
    assert refused.notes[0].startswith("NOT CONVERGED")


@pytest.mark.slow
def test_one_thickness_without_a_posterior() -> None:
    study = simulated((1.3,) * 4, quantity="torkance", unit="hbar/2e/kohm")
    found = compare_devices(mtjfit.fit(study), bias=0.3)
    assert len(found.repeats) == 1
    assert len(found.outliers) == 4
    assert any("declared to be 0" in note for note in found.notes)
    single = compare_devices(mtjfit.fit(simulated((1.3,))))
    assert single.pairs.empty
    assert single.outliers.empty
    assert str(single)


def test_deviations_of_draws_without_spread_are_infinite_and_warn_nobody() -> None:
    study = scaled(linear_study(D[:4], 3), [1e12] * 4)
    exact = [np.full(curve.bias.size, 1e-8) for curve in study.curves]
    curves = (replace(c, sigma_par=sd, sigma_perp=sd) for c, sd in zip(study.curves, exact, strict=True))
    assert np.isinf(judged(study.replace(curves=tuple(curves))).deviation).all()
