"""The posterior and the evidence of a model of one's own, against a grid that shares no code with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reference_forward import kappa

import mtjfit
from mtjfit.data import Origin
from mtjfit.errors import MtjfitError
from mtjfit.study import Fixed, LogUniform, Normal, Study

D, SIGMA, WIDE, T_N = (0.8, 1.3, 2.0, 3.0), 0.03, 5.0, 3.0
V = np.linspace(-0.5, 0.5, 21)
LOW, HIGH, NODES = 0.2, 8.0, 61
TRUTH = {"lambda_J": 1.0, "lambda_phi": 1.5, "lambda_sf_N": 2.0}


@mtjfit.own_model(priors={"t_N": LogUniform(0.5, 50.0)}, units={"t_N": "nm"}, version="1")
def finite_N(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, t_N):
    back = lambda_sf_N / np.tanh(t_N / lambda_sf_N)
    q0_squared = 1 / lambda_phi**2 - 1j / lambda_J**2
    q = np.sqrt(q0_squared + 1 / lambda_sf_F**2)
    t, r = np.exp(-q * d), (1 - back * q) / (1 + back * q)
    return q0_squared / q**2 * (1 - t) * (1 - r * t) / (1 + r * t**2)


def reference_kappa(lengths: Mapping[str, np.ndarray], t_N: float = T_N) -> np.ndarray:
    """κ of each device in the last axis; a metal that ends is like one without an end of λ coth(t/λ)."""
    N = np.asarray(lengths["lambda_sf_N"], dtype=float)[..., None]
    J, phi = (np.asarray(lengths[name], dtype=float)[..., None] for name in ("lambda_J", "lambda_phi"))
    return np.asarray(kappa(np.array(D), J, phi, 10.0, N / np.tanh(t_N / N)))


def measured() -> np.ndarray:
    """In-plane and out-of-plane torques, shape (devices, 2, bias), for a1 = 1 and b2 = 0.8."""
    T = reference_kappa(TRUTH)[:, None] * (V + 0.8j * V**2)
    noise = SIGMA * np.random.default_rng(5).standard_normal((len(D), 2, V.size))
    return np.stack([T.real, T.imag], axis=1) + noise


def study() -> Study:
    errors = {f"sigma_{name}": np.full(V.size, SIGMA) for name in ("par", "perp")}
    curves = tuple(
        mtjfit.TorqueCurve(f"D{d}", V, *each, d, "torque", "device", "arb", origin=Origin("simulated", "t"), **errors)
        for d, each in zip(D, measured(), strict=True)
    )
    lengths = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_N"), LogUniform(LOW, HIGH))
    known = {"lambda_sf_F": 10.0, "thickness": Fixed(0.0), "t_N": T_N}
    amplitudes = dict.fromkeys(("a1", "b2"), Normal(0.0, WIDE))
    return Study("finite N", curves, {**lengths, **known, **amplitudes}, model=finite_N)


def on_a_grid(t_N: float = T_N) -> tuple[dict[str, tuple[float, float]], float]:
    """Mean and sd of ln λ of each length, and ln Z; amplitudes integrated by the formula of a linear model."""
    u = np.log(LOW) + (np.arange(NODES) + 0.5) / NODES * np.log(HIGH / LOW)
    grid = dict(zip(TRUTH, np.meshgrid(*[np.exp(u)] * 3, indexing="ij"), strict=True))
    K, y = reference_kappa(grid, t_N), measured()
    first, second = y @ V, y @ V**2  # shape (devices, 2)
    squares = (np.abs(K) ** 2).sum(axis=-1)[..., None] * np.array([np.sum(V**2), np.sum(V**4)])
    products = np.stack(
        [K.real @ first[:, 0] + K.imag @ first[:, 1], K.real @ second[:, 1] - K.imag @ second[:, 0]], -1
    )
    precision = squares / SIGMA**2 + WIDE**-2
    fit = np.sum((products / SIGMA**2) ** 2 / precision - np.log(WIDE**2 * precision), axis=-1)
    log_l = 0.5 * (fit - np.sum(y**2) / SIGMA**2 - y.size * np.log(2 * np.pi * SIGMA**2))
    weight = np.exp(log_l - log_l.max())
    moments = {}
    for name, each in grid.items():
        x = np.log(each)
        mean = float(np.sum(weight * x) / weight.sum())
        moments[name] = mean, float(np.sqrt(np.sum(weight * (x - mean) ** 2) / weight.sum()))
    return moments, float(log_l.max() + np.log(weight.mean()))


@pytest.fixture(scope="module")
def posterior() -> mtjfit.Posterior:
    return mtjfit.sample(study(), seed=1, progress=False)


@pytest.mark.slow
def test_moments_and_evidence_are_those_of_a_grid(posterior: mtjfit.Posterior) -> None:
    """At least 2000 effective draws: 5 errors of the mean, sd to 10 %; false alarm of all seven below 1e-5."""
    moments, log_z = on_a_grid()
    assert posterior.verdict.converged
    for name, (mean, sd) in moments.items():
        drawn = np.log(posterior.draws[name])
        assert drawn.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(2000))
        assert drawn.std() == pytest.approx(sd, rel=0.1)
    assert posterior.evidence is not None
    assert posterior.evidence.value == pytest.approx(log_z, abs=5 * posterior.evidence.error + 0.02)


def test_sabotage_a_metal_without_an_end_is_noticed(posterior: mtjfit.Posterior) -> None:
    mean, sd = on_a_grid(t_N=1e3)[0]["lambda_sf_N"]
    assert abs(np.log(posterior.draws["lambda_sf_N"]).mean() - mean) > 10 * sd / np.sqrt(2000)


def test_it_is_saved_and_loaded_with_its_model_only(posterior: mtjfit.Posterior, tmp_path: Path) -> None:
    posterior.save(tmp_path / "a.npz")
    again = mtjfit.load_posterior(tmp_path / "a.npz", model=finite_N)
    assert np.array_equal(again.chain, posterior.chain)
    assert again.study.model is finite_N
    with pytest.raises(MtjfitError, match="needs the model 'finite_N'"):
        mtjfit.load_posterior(tmp_path / "a.npz")
    other = replace(finite_N, version="2")
    with pytest.raises(MtjfitError, match="the study in it is not the one"):
        mtjfit.load_posterior(tmp_path / "a.npz", model=other)


def test_a_study_file_says_which_model_it_needs(tmp_path: Path) -> None:
    file = study().to_toml(tmp_path)
    assert mtjfit.load_study(file, model=finite_N).parameters == study().parameters
    with pytest.raises(MtjfitError, match="finite_N"):
        mtjfit.load_study(file)


@pytest.mark.slow
def test_a_page_is_made_of_it(posterior: mtjfit.Posterior, tmp_path: Path) -> None:
    page = mtjfit.report.report_posterior(posterior, tmp_path / "result")
    assert "finite_N" in page.read_text(encoding="utf-8")
    assert mtjfit.load_posterior(tmp_path / "result", model=finite_N).names == posterior.names
