"""The bundled thickness series has a known truth: its posterior must find it an unremarkable draw."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import mtjfit
from mtjfit.data import dataset
from mtjfit.infer import Posterior
from mtjfit.physics import Interface, torkance
from mtjfit.study import Sampling, Study

SET = dataset("thickness-series")
TRUTH = tomllib.loads(SET.study_file.with_name("meta.toml").read_text(encoding="utf-8"))["truth"]
NAMES = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "a1", "b2")
QUICK = Sampling(seed=1, target_ess=1000, walkers=28)


def p_of_truth(posterior: Posterior) -> float:
    """Share of draws farther from the centre than the truth, by Mahalanobis distance of logarithms."""
    draws = np.log(posterior.draws[list(NAMES)].to_numpy())
    mean, inverse = draws.mean(axis=0), np.linalg.inv(np.cov(draws.T))

    def distance(x: np.ndarray) -> np.ndarray:
        return np.einsum("...i,ij,...j->...", x - mean, inverse, x - mean)

    return float(np.mean(distance(draws) > distance(np.log([TRUTH[name] for name in NAMES]))))


def again(seed: int) -> Study:
    """The same design with other noise and other actual thicknesses."""
    rng = np.random.default_rng(seed)
    study = mtjfit.load_study(SET.study_file)
    lengths = {name: TRUTH[name] for name in (*NAMES[:4], "D_ratio")}
    curves = []
    for curve in study.curves:
        d = curve.thickness + 0.05 * rng.standard_normal()
        T = torkance(curve.bias, d, **lengths, interface=Interface.of(a1=TRUTH["a1"], b2=TRUTH["b2"]))
        noise = 0.0026 * rng.standard_normal((2, curve.bias.size))
        curves.append(replace(curve, par=T.real + noise[0], perp=T.imag + noise[1]))
    return study.replace(curves=tuple(curves))


@pytest.fixture
def posterior(series_posterior: Posterior) -> Posterior:
    return series_posterior


def test_the_truth_is_an_unremarkable_draw(posterior: Posterior) -> None:
    """A true statement fails with p < 0.01 in one of a hundred data sets; this is one fixed set."""
    assert posterior.verdict.converged
    assert p_of_truth(posterior) > 0.01
    for name in NAMES:
        draws = posterior.draws[name].to_numpy()
        assert 0.005 < np.mean(draws < TRUTH[name]) < 0.995


def test_what_the_data_leave_open_is_called_open(posterior: Posterior) -> None:
    table = posterior.summary()
    assert table.loc["lambda_sf_F", "determined"] == "lower limit"
    assert set(table.loc[["lambda_J", "lambda_phi", "lambda_sf_N", "a1", "b2"], "determined"]) == {"yes"}
    assert table.loc["lambda_J", "q05"] < 1.0 < table.loc["lambda_J", "q95"]


def test_a_wrong_truth_is_remarkable(posterior: Posterior, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: λ_J 30 % longer, or a1 3 % larger, is no draw of this posterior."""
    for name, factor in (("lambda_J", 1.3), ("a1", 1.03)):
        with monkeypatch.context() as patch:
            patch.setitem(TRUTH, name, TRUTH[name] * factor)
            assert p_of_truth(posterior) < 0.01


@pytest.mark.slow
def test_the_truth_is_a_typical_draw_of_many_data_sets() -> None:
    """KS of 20 p-values against uniform; false-alarm rate 1e-3. Two in 20 below 0.01 would be one in 60."""
    p = [p_of_truth(mtjfit.sample(again(seed).replace(sampling=QUICK), progress=False)) for seed in range(20)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    assert np.sum(np.array(p) < 0.01) <= 1
