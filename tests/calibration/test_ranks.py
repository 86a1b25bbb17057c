"""Ranks of truths: the quantities that are ranked, tests of uniform ranks, and what those tests can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from math import factorial

import numpy as np
import pytest
from model_studies import simulated as made
from scipy import stats
from simulate_cases import CASES, amplitude, case, every_case, law_of, whitened

from mtjfit.calibration.ranks import (
    EcdfTest,
    chi2_p,
    detectable_width,
    log_likelihood,
    n_bins,
    quantities,
    shape_of,
)
from mtjfit.infer import draw_truth, priors_of, simulated
from mtjfit.model import FullPosterior
from mtjfit.physics import kappa
from mtjfit.study import Fixed, LogNormal


@every_case
def test_the_log_likelihood_is_that_of_dense_matrices(name: str) -> None:
    study, rng = case(name), np.random.default_rng(12)
    truth = draw_truth(study, rng)
    study = simulated(study, truth, rng)
    found = log_likelihood(study, {key: np.array([each, each]) for key, each in truth.items()})
    z, log_sigma = whitened(study, truth)
    np.testing.assert_allclose(found, np.sum(law_of(study, truth).logpdf(z)) - log_sigma, rtol=1e-7)


@pytest.mark.parametrize(
    "name", [name for name in CASES if not {"noise_dof", "sigma_bias", "jitter_par"} & {*CASES[name]}]
)
def test_the_log_likelihood_is_that_of_the_compressed_data(name: str) -> None:
    study, rng, total = case(name), np.random.default_rng(13), 0.0
    truth = draw_truth(study, rng)
    study = simulated(study, truth, rng)
    found = log_likelihood(study, {key: np.array([each]) for key, each in truth.items()})
    for curve in study.curves:  # one at a time, with all amplitudes fixed at what this device has
        own = {
            n: replace(study.parameters[n], prior=Fixed(amplitude(study, curve, n, truth))) for n in study.amplitudes
        }
        scale = study.scale_of(curve)
        numbers = ("par", "perp") if curve.sigma_par is None else ("par", "perp", "sigma_par", "sigma_perp")
        curve = replace(curve, unit=study.curves[0].unit, **{n: getattr(curve, n) * scale for n in numbers})
        others = {n: each for n, each in study.parameters.items() if not n.startswith("scatter_")}
        model = FullPosterior(study.replace(curves=(curve,), parameters=others | own))
        values = np.array([[truth[entry] for entry in model.layout.names]])
        total += float(model.log_likelihood(model.layout.coordinates(values))[0])
    np.testing.assert_allclose(found, total, rtol=1e-9)


def test_quantities_are_those_that_can_vary() -> None:
    lengths = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"), Fixed(1.0))
    known, free = made(**lengths), made(D_ratio=LogNormal(1.0, 2.0), a1=Fixed(0.0))
    values = {name: np.full(2, 0.5) for study in (known, free) for name in priors_of(study)}
    assert set(quantities(known, values)) == {*priors_of(known), "log_likelihood"}
    found = quantities(free, values)
    assert set(found) == {*priors_of(free), "Lambda", "log_likelihood", "slope_ratio[A]", "|kappa|·b2[A]"}
    assert found["Lambda"].tolist() == [0.25, 0.25]
    K = kappa(1.0, 0.5, 0.5, 0.5, 0.5, 0.5)
    assert found["slope_ratio[A]"] == pytest.approx(np.tan(np.angle(K)))
    assert found["|kappa|·b2[A]"] == pytest.approx(0.5 * abs(K))


N = 300


def enumerated(n: int, n_draws: int) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """Every histogram of n ranks 0 … n_draws, and its probability if they are uniform."""
    histograms = [h for h in product(range(n + 1), repeat=n_draws + 1) if sum(h) == n]
    ways = [factorial(n) / np.prod([float(factorial(k)) for k in h]) for h in histograms]
    return histograms, np.array(ways) / (n_draws + 1.0) ** n


def test_the_simultaneous_p_value_is_exact_by_enumeration_of_all_outcomes() -> None:
    n, n_draws = 6, 3
    test = EcdfTest(n, n_draws)
    histograms, probability = enumerated(n, n_draws)
    z = np.arange(1, n_draws + 1) / (n_draws + 1)
    counts = np.cumsum(histograms, axis=1)[:, :-1]
    least = np.minimum(1, 2 * np.minimum(stats.binom.cdf(counts, n, z), stats.binom.sf(counts - 1, n, z))).min(axis=1)
    for h, own in zip(histograms, least, strict=True):
        expected = probability[least <= own * (1 + 1e-9)].sum()
        assert test.p_value(np.repeat(np.arange(n_draws + 1), h)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_both_p_values_are_uniform_for_uniform_ranks_and_the_band_holds_what_it_promises() -> None:
    # 500 data sets: the limits are four standard errors of a share, passed by chance once in 1e4
    rng, test, m = np.random.default_rng(5), EcdfTest(N, 99), 500
    ranks = rng.integers(0, 100, (m, N))
    by_band, by_chi2 = (np.array([p(each) for each in ranks]) for p in (test.p_value, lambda r: chi2_p(r, 99)))
    for p in (by_band, by_chi2):
        for level in (0.5, 0.1, 0.01):
            assert abs(np.mean(p <= level) - level) < 4 * np.sqrt(level / m)
    counts = np.array([test.counts(each) for each in ranks]) / N
    low, high = test.band(0.9)
    inside = np.mean(np.all((counts >= low) & (counts <= high), axis=1))
    assert abs(inside - 0.9) < 4 * np.sqrt(0.09 / m)
    # sabotage: a band that holds 90 % at each place alone
    alone = stats.binom.ppf([[0.05], [0.95]], N, test.z) / N
    assert np.mean(np.all((counts >= alone[0]) & (counts <= alone[1]), axis=1)) < 0.6


def test_p_values_beyond_double_precision_are_small_and_not_negative() -> None:
    test = EcdfTest(N, 99)
    assert 0 <= test.p_value(np.zeros(N)) < 1e-100
    assert chi2_p(np.zeros(N), 99) < 1e-100


def test_bins_are_as_many_as_the_number_of_ranks_allows() -> None:
    assert [n_bins(n, 99) for n in (1, 20, 60, 100, 200, 5000)] == [2, 2, 5, 10, 20, 20]
    assert n_bins(300, 30) == 1  # 31 ranks cannot be shared out equally
    assert chi2_p([3, 3, 3], 30) == 1.0


@pytest.mark.parametrize(
    ("shape", "z"),
    [
        ("narrow", lambda z: 1.5 * z), ("wide", lambda z: z / 1.5), ("low", lambda z: z + 0.6),
        ("high", lambda z: z - 0.6), ("other", lambda z: z),
    ],
)  # fmt: skip
def test_shapes_have_the_names_of_what_the_posterior_is(shape: str, z: Callable[[np.ndarray], np.ndarray]) -> None:
    """Truths z in units of a standard normal posterior."""
    ranks = np.floor(100 * stats.norm.cdf(z(np.random.default_rng(3).standard_normal(N)))).astype(int)
    assert shape_of(ranks, 99) == shape


def test_the_width_that_is_said_to_be_seen_is_seen() -> None:
    level = 0.01 / 30
    factor = detectable_width(N, 99, level)
    rng = np.random.default_rng(4)

    def power(width: float) -> float:
        u = stats.norm.cdf(width * rng.standard_normal((400, N)))
        return float(np.mean([chi2_p(np.floor(100 * each), 99) < level for each in u]))

    assert 0.75 < power(factor) < 0.97
    assert power(1.12) < 0.1  # a width 12 % off is too little for ranks: tests/study/test_prior.py looks for it
