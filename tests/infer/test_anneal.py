"""Annealing: right at every temperature on targets known in closed form; starts; then the whole sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from evidence_targets import BANANA, LN_2PI, TWO_MODES, Known, gaussian
from model_studies import simulated
from scipy import stats
from scipy.special import logsumexp
from shortcuts import slow_after, slow_but

from mtjfit.errors import MtjfitError
from mtjfit.infer import Annealed, Effort, Mixture, Pace, Straight, anneal, explore_posterior, run_ensembles
from mtjfit.infer.ensembles.anneal import systematic
from mtjfit.infer.ensembles.fit import fitted
from mtjfit.model import MarginalPosterior
from mtjfit.study import AboutNominal, LogNormal, Normal

RUNS = 12
PARTICLES = 8000
"""About as many as are used; means are then biased by 0.02 sd at most, which falls as one over their number."""
BIAS = 0.03
FALSE_ALARM = 1e-5
"""Of each statistic, by Student's t of the runs; particles of one run hang together, runs do not."""


@dataclass(frozen=True)
class Tempered:
    """Means, variances and ln ∫ of prior · L^β, and whatever else is known of it."""

    target: Known
    moments: Callable[[float], tuple[np.ndarray, np.ndarray, float]]


def _gaussian(size: int, noise: float = 0.3) -> Tempered:
    """As `evidence_targets.gaussian`: y = A z + noise, so that L^β is a measurement with noise/√β, and a constant."""
    rng = np.random.default_rng(size)
    A, y = np.tril(rng.uniform(0.2, 1.0, (size, size))), rng.standard_normal(size)

    def moments(beta: float) -> tuple[np.ndarray, np.ndarray, float]:
        if beta == 0:
            return np.zeros(size), np.ones(size), 0.0
        wider = noise / np.sqrt(beta)
        covariance = np.linalg.inv(np.eye(size) + A.T @ A / wider**2)
        log_z = stats.multivariate_normal(np.zeros(size), A @ A.T + wider**2 * np.eye(size)).logpdf(y)
        # N(y; Az, noise²)^β over N(y; Az, noise²/β)
        constant = size * (0.5 * (1 - beta) * np.log(2 * np.pi * noise**2) - 0.5 * np.log(beta))
        return covariance @ A.T @ y / wider**2, np.diagonal(covariance), float(log_z + constant)

    return Tempered(gaussian(size, noise), moments)


AXIS = np.linspace(-7.0, 7.0, 351)
GRID = np.stack(np.meshgrid(AXIS, AXIS, indexing="ij"), axis=-1).reshape(-1, 2)


def _on_a_grid(target: Known) -> Tempered:
    """Two dimensions by the trapezoid rule, whose error is below 1e-8 for densities as smooth and wide as these."""
    at, x = GRID, AXIS
    log_prior, log_likelihood = target.log_prior(at), target.log_likelihood(at)

    @cache
    def moments(beta: float) -> tuple[np.ndarray, np.ndarray, float]:
        log_p = log_prior + beta * log_likelihood
        weights = np.exp(log_p - log_p.max())
        total = weights.sum()
        mean = weights @ at / total
        return mean, weights @ (at - mean) ** 2 / total, float(np.log(total * (x[1] - x[0]) ** 2) + log_p.max())

    return Tempered(target, moments)


TARGETS = {
    "normal": _gaussian(1),
    "normal 4": _gaussian(4),
    "banana": _on_a_grid(BANANA),
    "two modes": _on_a_grid(TWO_MODES),
}


@cache
def runs(name: str, particles: int = PARTICLES) -> list[Annealed]:
    target = TARGETS[name].target
    return [anneal(Straight(target), target.size, particles, np.random.default_rng([7, seed])) for seed in range(RUNS)]


def surprise(found: np.ndarray, expected: np.ndarray | float = 0.0, beside: float = 0.0) -> float:
    """Two-sided p-value of the mean over runs, by Student's t; a bias up to `beside` is no surprise."""
    found = np.asarray(found) - expected
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    t = np.maximum(np.abs(found.mean(axis=0)) - beside, 0.0) / error
    return float(np.min(2 * stats.t.sf(t, len(found) - 1)))


def in_sd(name: str, beta: float, v: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means in sd, and variances over those expected, less one: zeros where all is right."""
    mean, variance, _ = TARGETS[name].moments(beta)
    share = weights / weights.sum()
    away = (v - mean) / np.sqrt(variance)
    return np.concatenate([share @ away, share @ away**2 - 1])


@pytest.mark.parametrize("name", list(TARGETS))
def test_the_closed_forms_agree_with_the_targets(name: str) -> None:
    """At β = 1 with their ln Z, and with exact draws (4.5 errors); at β = 0 it is the prior."""
    target = TARGETS[name].target
    mean, variance, log_z = TARGETS[name].moments(1.0)
    assert log_z == pytest.approx(target.log_evidence, abs=1e-6)
    draws = target.draws(40_000, np.random.default_rng(0))
    np.testing.assert_allclose((draws.mean(axis=0) - mean) / np.sqrt(variance / 40_000), 0.0, atol=4.5)
    mean, variance, log_z = TARGETS[name].moments(1e-12)
    np.testing.assert_allclose([mean, variance - 1], 0.0, atol=1e-6)
    assert log_z == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", slow_after(1, list(TARGETS)))
def test_the_population_of_every_level_is_that_of_its_temperature(name: str) -> None:
    """Means and variances of all particles of each run, a quarter, half and all the way up, and at β = 1."""
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        found = []
        for run in runs(name):
            level = run.levels[round(part * (len(run.levels) - 1))]
            assert level.v.shape[0] >= PARTICLES
            found.append(in_sd(name, level.beta, level.v, np.ones(len(level.v))))
        assert surprise(np.array(found), beside=BIAS) > FALSE_ALARM, part


@pytest.mark.parametrize("name", slow_after(1, list(TARGETS)))
def test_levels_rise_to_one_and_know_their_densities(name: str) -> None:
    for run in runs(name):
        betas = [level.beta for level in run.levels]
        assert np.all(np.diff(betas) >= 0)
        assert np.all(np.diff([beta for beta in betas if beta < 1]) > 0)
        assert betas[0] == 0.0
        assert betas[-3:] == [1.0, 1.0, 1.0]  # the last populations are all at the posterior
        assert run.final is run.levels[-1]
        assert len(run.log_norms) == len(betas)
        level, target = run.levels[len(betas) // 2], TARGETS[name].target
        np.testing.assert_allclose(level.log_start, target.log_prior(level.v), rtol=1e-12)
        np.testing.assert_allclose(level.log_gain, target.log_likelihood(level.v), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("beta", slow_after(1, [1.0, 0.5, 0.15, 0.02]))
@pytest.mark.parametrize("name", slow_after(1, list(TARGETS)))
def test_particles_of_all_levels_weighted_are_any_tempered_distribution(name: str, beta: float) -> None:
    found = []
    for run in runs(name):
        v, weights = run.weighted(beta)
        assert len(v) == len(weights) <= sum(len(level.v) for level in run.levels)
        assert weights.max() == 1.0
        found.append(in_sd(name, beta, v, weights))
    assert surprise(np.array(found), beside=BIAS) > FALSE_ALARM


@pytest.mark.slow
def test_a_temperature_is_told_from_its_neighbours() -> None:
    """Sabotage: the test above would notice weights of 0.5 that are taken for those of 0.6."""
    found = [in_sd("normal 4", 0.6, *run.weighted(0.5)) for run in runs("normal 4")]
    assert surprise(np.array(found), beside=BIAS) < FALSE_ALARM


@pytest.mark.parametrize("name", slow_after(1, list(TARGETS)))
def test_norms_of_all_levels_are_right(name: str) -> None:
    """ln of a mean that is right falls short by half its variance."""
    found = np.array([run.log_evidence for run in runs(name)])
    exact = TARGETS[name].target.log_evidence
    assert surprise(found, exact, beside=found.var() / 2) > FALSE_ALARM
    assert np.max(np.abs(found - exact)) < 0.5  # a few tenths are promised
    for run in runs(name)[:3]:
        expected = [TARGETS[name].moments(level.beta)[2] for level in run.levels]
        np.testing.assert_allclose(run.log_norms, expected, atol=0.5)


def test_two_modes_keep_their_weights() -> None:
    """At β = 1 and 0.3, from the particles of all levels: shares of one side by the grid."""
    side = GRID.sum(axis=1)
    side[np.abs(side) < 1e-9] = 0.0
    for beta in (1.0, 0.3):
        log_p = TWO_MODES.log_prior(GRID) + beta * TWO_MODES.log_likelihood(GRID)
        p = np.exp(log_p - log_p.max())
        exact = p @ (0.5 + 0.5 * np.sign(side)) / p.sum()
        found = []
        for run in runs("two modes"):
            v, weights = run.weighted(beta)
            found.append(weights @ (v.sum(axis=1) > 0) / weights.sum())
        assert surprise(np.array(found), exact, beside=0.002) > FALSE_ALARM
        assert np.std(found) < 0.05


@pytest.mark.slow
def test_sabotage_of_a_step_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jumps without the density of their proposal: the very statistics of the tests above see it."""
    monkeypatch.setattr(Mixture, "log_density", lambda self, v: np.zeros(len(v)))
    found = [in_sd("normal 4", 1.0, run.final.v, np.ones(2000)) for run in runs("normal 4", 2000)]
    assert surprise(np.array(found), beside=BIAS) < FALSE_ALARM


@pytest.mark.parametrize("name", slow_but(("normal",), ("normal", "normal 4")))
def test_draws_at_a_temperature_are_drawn_by_weight_and_rarely_twice(name: str) -> None:
    """Means of 500 draws from each run; in 64 draws from thousands of particles hardly one comes twice."""
    found, rng = [], np.random.default_rng(0)
    for run in runs(name):
        found.append(in_sd(name, 0.5, run.resampled(0.5, 500, rng), np.ones(500)))
        few = run.resampled(0.5, 64, rng)
        assert few.shape == (64, TARGETS[name].target.size)
        assert np.unique(few[:, 0]).size > 58
    assert surprise(np.array(found), beside=BIAS) > FALSE_ALARM


def test_systematic_choices_are_each_as_many_as_their_weight() -> None:
    """Between the whole numbers beside n · weight, whatever the random number; none of weight zero."""
    weights = np.array([0.5, 0.0, 0.301, 0.199])
    for seed in range(20):
        counts = np.bincount(systematic(weights, 100, np.random.default_rng(seed)), minlength=4)
        assert counts.sum() == 100
        assert np.all(np.abs(counts - 100 * weights) < 1)


def test_same_seed_same_numbers() -> None:
    def run(seed: int) -> Annealed:
        return anneal(Straight(BANANA), 2, 400, np.random.default_rng(seed))

    one, same, other = run(3), run(3), run(4)
    np.testing.assert_array_equal(one.final.v, same.final.v)
    np.testing.assert_array_equal(one.log_norms, same.log_norms)
    assert not np.any(np.isin(one.final.v, other.final.v))


def test_every_temperature_is_told_of() -> None:
    told: list[float] = []
    found = anneal(Straight(BANANA), 2, 400, np.random.default_rng(0), told.append)
    assert told == sorted({level.beta for level in found.levels[1:]})


class Nowhere(Known):
    """A likelihood that vanishes but for a small disc."""

    def log_posterior(self, z: np.ndarray) -> np.ndarray:
        inside = np.sum((z - 1.0) ** 2, axis=1) < 0.04
        return np.where(inside, self.log_prior(z), -np.inf)


@pytest.mark.slow
def test_densities_that_vanish_nearly_everywhere_stay_numbers() -> None:
    """ln Z of a disc that holds a hundredth of the prior, by a grid, within five errors of a binomial count."""
    target = Nowhere(2, lambda z: z[:, 0], 0.0, lambda n, rng: rng.random((n, 2)))
    found = anneal(Straight(target), 2, PARTICLES, np.random.default_rng(5))
    x = np.linspace(0.79, 1.21, 2001)
    at = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    exact = np.exp(target.log_posterior(at)).sum() * (x[1] - x[0]) ** 2
    assert np.all(np.sum((found.final.v - 1.0) ** 2, axis=1) < 0.04)
    assert abs(found.log_evidence - np.log(exact)) < 5 / np.sqrt(4 * PARTICLES * exact)


@pytest.fixture(scope="module")
def with_amplitudes() -> MarginalPosterior:
    """Four lengths, and three amplitudes that are straightened because thicknesses are uncertain."""
    wide = {"a1": Normal(1.0, 0.5), "b1": Normal(0.0, 0.5), "b2": Normal(0.6, 0.5)}
    lengths = {name: LogNormal(1.5, 2.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")}
    return MarginalPosterior(simulated(noise=0.05, n_bias=3, thickness=AboutNominal(0.05), **wide, **lengths))


def bent_as_it_is(model: MarginalPosterior) -> SimpleNamespace:
    """The same posterior without coordinates that straighten it."""
    names = ("log_prior", "log_posterior", "prior_transform")
    return SimpleNamespace(**{name: getattr(model, name) for name in names})


def test_the_density_of_the_start_is_that_of_its_draws(with_amplitudes: MarginalPosterior) -> None:
    """Straightened coordinates are wider bells, the others the prior; KS, false alarms 1e-5 each.

    And for bells g that are narrower, or moved, ⟨g/s⟩ over the draws is one, within 4.5 errors.
    """
    model, rng = with_amplitudes, np.random.default_rng(0)
    columns = model.straightened
    assert columns.size == 3
    v, log_start = Straight(model).start(40_000, model.size, rng)
    np.testing.assert_allclose(Straight(model).log_start(v), log_start, rtol=1e-12)
    for k in range(model.size):
        sd = 2.0 if k in columns else 1.0
        assert stats.kstest(v[:, k] / sd, "norm").pvalue > 1e-5
    for centre, sd in ((np.zeros(model.size), 0.8), (np.where(np.arange(model.size) % 2, 0.5, -0.5), 0.7)):
        log_g = np.sum(stats.norm.logpdf(v, centre, sd), axis=1)
        ratio = np.exp(log_g - log_start)
        assert abs(ratio.mean() - 1) < 4.5 * ratio.std() / np.sqrt(ratio.size)


def test_a_start_without_straightened_coordinates_is_the_prior() -> None:
    u = np.random.default_rng(0).random((1000, 2))
    v, log_start = Straight(BANANA).start(1000, 2, np.random.default_rng(0))
    np.testing.assert_array_equal(v, BANANA.prior_transform(u))
    np.testing.assert_allclose(log_start, -0.5 * np.sum(v**2, axis=1) - LN_2PI)


@pytest.mark.slow
def test_the_density_in_straight_coordinates_has_the_same_mass(with_amplitudes: MarginalPosterior) -> None:
    """ln ∫ p dv from annealing is ln ∫ p dz from annealing without straightening, within half a unit of both.

    A forgotten Jacobian is some units: ln |dv/dz|.
    """
    model = with_amplitudes
    straight, bent = (
        [anneal(Straight(one), model.size, 2000, np.random.default_rng(s)).log_evidence for s in range(2)]
        for one in (model, bent_as_it_is(model))
    )
    assert abs(np.mean(straight) - np.mean(bent)) < 0.7
    volume = Straight(model).outward(np.zeros((1, model.size)))[1]
    assert volume[0] > 3.0


@pytest.mark.slow
def test_straight_coordinates_change_nothing_but_the_shape(with_amplitudes: MarginalPosterior) -> None:
    """There and back, the same density, and the same evidence as without them (false alarm 6e-5)."""
    model, z = with_amplitudes, np.random.default_rng(0).standard_normal((50, with_amplitudes.size))
    straight, bent = Straight(model), np.setdiff1d(np.arange(model.size), model.straightened)
    v, log_volume = straight.inward(z)
    for found, expected in zip(straight.outward(v), (z, log_volume), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(v[:, bent], z[:, bent])
    assert np.ptp((v - z)[:, model.straightened]) > 0.1
    np.testing.assert_allclose(straight.log_posterior(v), model.log_posterior(z) - log_volume, rtol=1e-9)

    one, other = (
        explore_posterior(each, model.size, np.random.default_rng(1), effort=Effort(fewest=2000)).evidence
        for each in (model, bent_as_it_is(model))
    )
    assert one.value != other.value
    assert abs(one.value - other.value) < 4 * np.hypot(one.error, other.error)


@dataclass(frozen=True)
class Box:
    """Flat prior on a box, and a likelihood."""

    centres: tuple[tuple[float, ...], ...]
    shares: tuple[float, ...]
    sd: float
    low: float = -20.0
    high: float = 20.0

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        inside = np.all((theta >= self.low) & (theta <= self.high), axis=1)
        return np.where(inside, -theta.shape[1] * np.log(self.high - self.low), -np.inf)

    def log_likelihood(self, theta: np.ndarray) -> np.ndarray:
        each = [
            np.log(share) + np.sum(stats.norm.logpdf(theta, centre, self.sd), axis=1)
            for centre, share in zip(self.centres, self.shares, strict=True)
        ]
        return np.asarray(logsumexp(each, axis=0))

    def log_posterior(self, theta: np.ndarray) -> np.ndarray:
        return self.log_prior(theta) + self.log_likelihood(theta)

    def prior_transform(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.low + (self.high - self.low) * u)


EDGE = Box(((20.0, -20.0),), (1.0,), 0.5)
TWO = Box(((-6.0, 0.0), (6.0, 3.0)), (0.5, 0.5), 0.6)
N = 64


@cache
def start(target: Box, seed: int = 0) -> np.ndarray:
    """As walkers are started."""
    rng = np.random.default_rng(seed)
    return anneal(Straight(target), len(target.centres[0]), 3000, rng).resampled(0.5, N, rng)


@pytest.mark.parametrize("target", [EDGE, TWO], ids=["edge", "two"])
def test_starts_are_finite_inside_the_prior_and_different(target: Box) -> None:
    theta = start(target)
    assert theta.shape == (N, len(target.centres[0]))
    assert np.all(np.isfinite(target.log_posterior(theta)))
    assert np.unique(theta[:, 0]).size > 0.9 * N


@pytest.mark.slow
def test_both_modes_are_found_by_every_ensemble() -> None:
    """20 sd apart in a prior of 1600 sd²: with 64 walkers neither mode gets fewer than an eighth, in 10 ensembles."""
    shares = [np.mean(start(TWO, seed)[:, 0] > 0) for seed in range(10)]
    assert min(shares) > 0.125
    assert max(shares) < 0.875
    assert np.mean(shares) == pytest.approx(0.5, abs=0.2)


def sampled(target: Box, seed: int = 1) -> tuple[np.ndarray, bool]:
    names = tuple(f"x{k}" for k in range(len(target.centres[0])))
    pace = Pace(effort=Effort(fewest=2000))
    run = run_ensembles(target, names, seed=seed, target_ess=2000, max_steps=3000, progress=False, pace=pace)
    return run.chains.theta.reshape(-1, len(names)), run.verdict.converged


@pytest.mark.slow
def test_the_whole_sampler_at_a_hard_edge() -> None:
    """Half-normals in both coordinates: quantiles to five standard errors of 2000 effective draws."""
    theta, converged = sampled(EDGE)
    assert converged
    away = np.abs(theta - EDGE.centres[0]) / EDGE.sd
    for p in (0.05, 0.5, 0.95):
        found = np.mean(away <= stats.halfnorm.ppf(p), axis=0)
        np.testing.assert_allclose(found, p, atol=5 * np.sqrt(p * (1 - p) / 2000))


@pytest.mark.slow
def test_the_whole_sampler_weighs_two_modes_or_says_that_it_did_not_converge() -> None:
    """Equal modes: the share of each is 1/2 within 5 standard errors of 2000 effective draws, if the gate says yes."""
    theta, converged = sampled(TWO)
    share = np.mean(theta[:, 0] > 0)
    assert 0.05 < share < 0.95
    assert abs(share - 0.5) < 5 * 0.5 / np.sqrt(2000) or not converged


@pytest.mark.slow  # forty annealings
def test_a_level_is_what_is_called_by_its_name() -> None:
    """KS of one coordinate of thinned particles of ten runs at β = 1 in one dimension; false alarm 1e-5."""
    target = TARGETS["normal"].target
    mean, variance, _ = TARGETS["normal"].moments(1.0)
    thin = []
    for seed in range(40):
        level = anneal(Straight(target), 1, PARTICLES, np.random.default_rng([8, seed])).final
        thin.append(np.random.default_rng(seed).choice(level.v[:, 0], 25, replace=False))
    assert stats.kstest((np.concatenate(thin) - mean[0]) / np.sqrt(variance[0]), "norm").pvalue > 1e-5


def test_what_no_step_can_reach_is_refused_and_not_tried_for_hours() -> None:
    narrow = SimpleNamespace(
        log_prior=lambda z: stats.norm.logpdf(z).sum(axis=1),
        log_posterior=lambda z: stats.norm.logpdf(z).sum(axis=1) - 1e40 * np.sum((z - 0.3) ** 2, axis=1),
        prior_transform=stats.norm.ppf,
    )
    with pytest.raises(MtjfitError, match="too far from the model to be sampled"):
        anneal(Straight(narrow), 2, 400, np.random.default_rng(1))


def test_a_mixture_of_points_that_are_all_the_same_is_one() -> None:
    z, weights = np.zeros((40, 2)), np.zeros(40)
    weights[3] = 1.0
    found = fitted(z, np.random.default_rng(1), weights=weights, components=4)
    assert np.isfinite(found.log_density(z)).all()
