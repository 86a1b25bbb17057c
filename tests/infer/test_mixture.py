"""Heavy-tailed mixtures: density as scipy has it, draws that follow it, fits that keep moments, no digits lost."""

from __future__ import annotations

import numpy as np
import pytest
from infer_targets import BANANA, GAUSSIAN, three_bells
from scipy import stats
from scipy.special import gammaln, logsumexp

from mtjfit.infer import Mixture
from mtjfit.infer.ensembles.mixture import TAIL_DOF, covering, fitted, joined, wider


def log_density_of_scipy(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    parts = [
        np.log(w) + np.atleast_1d(stats.multivariate_t(c, r @ r.T, df=TAIL_DOF).logpdf(x))
        for w, c, r in zip(mixture.weights, mixture.centres, mixture.roots, strict=True)
    ]
    return np.asarray(logsumexp(parts, axis=0))


def log_density_by_distances(mixture: Mixture, x: np.ndarray) -> np.ndarray:
    """Differences first, then their squares: nothing cancels but in x − centre itself."""
    size, parts = mixture.size, []
    for w, c, r in zip(mixture.weights, mixture.centres, mixture.roots, strict=True):
        squares = np.sum(np.linalg.solve(r, (x - c).T) ** 2, axis=0)
        height = gammaln(0.5 * (TAIL_DOF + size)) - gammaln(0.5 * TAIL_DOF) - 0.5 * size * np.log(TAIL_DOF * np.pi)
        height += np.log(w) - np.sum(np.log(np.diagonal(r)))
        parts.append(height - 0.5 * (TAIL_DOF + size) * np.log1p(squares / TAIL_DOF))
    return np.asarray(logsumexp(parts, axis=0))


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_the_density_is_that_of_scipy(size: int) -> None:
    """At draws, and far out in the tails; more rows than are computed at a time."""
    mixture, rng = three_bells(size), np.random.default_rng(2)
    x = np.concatenate([mixture.draws(3000, rng), rng.normal(0.0, 100.0, (20, size)), mixture.centres])
    found = mixture.log_density(x)
    np.testing.assert_allclose(found, log_density_of_scipy(mixture, x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found, log_density_by_distances(mixture, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.RandomState])
def test_draws_follow_the_density(kind: type) -> None:
    """KS in one dimension, false-alarm rate 1e-4; in three, weights to other bells average to one within 4.5 sd."""
    mixture = three_bells(1)
    scale = mixture.roots[:, 0, 0]
    parts = list(zip(mixture.weights, mixture.centres[:, 0], scale, strict=True))
    drawn = mixture.draws(20_000, kind(3))[:, 0]
    assert stats.kstest(drawn, lambda x: sum(w * stats.t(5, c, s).cdf(x) for w, c, s in parts)).pvalue > 1e-4
    mixture = three_bells(3)
    y = mixture.draws(50_000, kind(4))
    for centre in mixture.centres:
        weights = np.exp(stats.multivariate_t(centre, np.eye(3), df=8).logpdf(y) - mixture.log_density(y))
        assert abs(weights.mean() - 1) < 4.5 * weights.std() / np.sqrt(weights.size)


def moments(mixture: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and covariance of the normal mixture with the same scale matrices."""
    mean = mixture.weights @ mixture.centres
    away = mixture.centres - mean
    each = mixture.roots @ np.swapaxes(mixture.roots, 1, 2) + away[:, :, None] * away[:, None, :]
    return mean, np.einsum("k,kij->ij", mixture.weights, each)


@pytest.mark.parametrize("components", [1, 8])
def test_a_weighted_fit_is_the_fit_of_repeated_points(components: int) -> None:
    """In mean and covariance: those of the points, but for the little that keeps components from collapsing."""
    rng = np.random.default_rng(5)
    points, times = GAUSSIAN.draws(400, rng), rng.integers(1, 5, 400)
    points += 3.0 * np.abs(points[:, :1])  # bent, so that several components are not one
    repeated = np.repeat(points, times, axis=0)
    weighted = fitted(points, rng, weights=times.astype(float), components=components)
    same = fitted(repeated, rng, components=components)
    mean, covariance = repeated.mean(axis=0), np.cov(repeated.T, bias=True)
    sd = np.sqrt(np.diagonal(covariance))
    for mixture in (weighted, same):
        assert mixture.weights.sum() == pytest.approx(1.0, rel=1e-12)
        m, c = moments(mixture)
        np.testing.assert_allclose((m - mean) / sd, 0.0, atol=1e-6)
        np.testing.assert_allclose((c - covariance) / np.outer(sd, sd), 0.0, atol=0.01)
    np.testing.assert_allclose(moments(weighted)[1] / np.outer(sd, sd), moments(same)[1] / np.outer(sd, sd), atol=1e-6)
    without = moments(fitted(points, rng, components=components))[0]
    assert np.max(np.abs(without - mean) / sd) > 1e-3  # the weights matter


def test_points_without_weight_do_not_count() -> None:
    rng = np.random.default_rng(6)
    near, far = BANANA.draws(2000, rng), 1e3 + BANANA.draws(2000, rng)
    found = fitted(np.concatenate([near, far]), rng, weights=np.repeat([1.0, 0.0], 2000))
    assert np.all(np.abs(found.centres) < 50)
    assert fitted(np.concatenate([near, far]), rng).centres.max() > 900


def test_a_fit_to_more_points_than_it_looks_at_has_their_moments() -> None:
    """Of 100 000 weighted points some 5000 are looked at, more of those with little weight: means to 4.5 errors.

    The points are drawn from a bell twice as wide as the one that the weights make.
    """
    rng = np.random.default_rng(7)
    x = 2 * rng.standard_normal((100_000, 3))
    weights = np.exp(np.sum(-0.5 * x**2 + 0.125 * x**2, axis=1))
    mean, covariance = moments(fitted(x, rng, weights=weights))
    np.testing.assert_allclose(mean, 0.0, atol=4.5 / np.sqrt(2000))
    np.testing.assert_allclose(np.diagonal(covariance), 1.0, atol=4.5 * np.sqrt(2 / 1500) + 0.01)


def test_few_effective_points_get_few_components() -> None:
    rng = np.random.default_rng(8)
    assert fitted(rng.standard_normal((50, 2)), rng).weights.size == 1
    lonely = np.full(5000, 1e-9)
    lonely[:40] = 1.0
    assert fitted(rng.standard_normal((5000, 2)), rng, weights=lonely).weights.size == 1
    assert fitted(rng.standard_normal((5000, 2)), rng, components=5).weights.size == 5


def far_apart(offset: float) -> Mixture:
    """`offset` widths apart, and as far from the origin."""
    base = three_bells(3)
    centres = base.centres + offset * np.array([[1.0, 1.0, 1.0], [-1.0, 1.0, 0.5], [1.0, 3.0, -2.0]])
    return Mixture(base.weights, centres, base.roots)


def thin_ridges(ratio: float) -> Mixture:
    """Bells `ratio` times as long as wide, in different directions, of coordinates of very different scales."""
    rng = np.random.default_rng(10)
    scales, roots = np.array([1e-6, 1.0, 1e5]), []
    for _ in range(3):
        spread = scales[:, None] * np.linalg.qr(rng.standard_normal((3, 3)))[0] * np.array([1.0, 1 / ratio, 0.5])
        roots.append(np.linalg.cholesky(spread @ spread.T))
    return Mixture(np.array([0.5, 0.3, 0.2]), rng.standard_normal((3, 3)) * scales, np.array(roots))


def narrow_among_wide() -> Mixture:
    """What annealing meets: a mode of width 1e-5 far from the middle of a proposal that is wide as the prior."""
    return Mixture(np.array([0.9, 0.1]), np.array([[0.0, 0.0], [6.0, -4.0]]), np.array([np.eye(2), 1e-5 * np.eye(2)]))


@pytest.mark.parametrize(
    "mixture",
    [*(far_apart(x) for x in (0.0, 1e3, 1e6)), *(thin_ridges(x) for x in (1e2, 1e4, 1e6)), narrow_among_wide()],
)
def test_no_digits_are_lost(mixture: Mixture) -> None:
    """Distances to each centre are as good as direct ones, at draws and between the bells."""
    rng = np.random.default_rng(9)
    span = np.abs(mixture.centres).max(axis=0) + 1e-300
    x = np.concatenate([mixture.draws(500, rng), rng.uniform(-1.0, 1.0, (200, mixture.size)) * span])
    np.testing.assert_allclose(mixture.log_density(x), log_density_by_distances(mixture, x), rtol=0, atol=1e-8)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
def test_a_fit_does_not_depend_on_origin_and_unit(offset: float, scale: float) -> None:
    """The same points, moved by a million widths or in other units, get the same mixture, moved or in these units."""
    points = BANANA.draws(3000, np.random.default_rng(0))
    plain = fitted(points, np.random.default_rng(1))
    moved = fitted(scale * (points + offset), np.random.default_rng(1))
    np.testing.assert_allclose(moved.weights, plain.weights, atol=1e-6)
    np.testing.assert_allclose(moved.centres / scale - offset, plain.centres, atol=1e-5)
    np.testing.assert_allclose(moved.roots / scale, plain.roots, atol=1e-5)


def test_a_fit_finds_bells_a_thousand_widths_apart() -> None:
    """Shares and centres of two equal bells, to what keeps components from collapsing: 5 % of the whole spread."""
    rng = np.random.default_rng(12)
    x = np.concatenate([rng.standard_normal((3000, 2)), 1e3 + rng.standard_normal((1000, 2))])
    found = fitted(x, rng)
    near = found.centres[:, 0] < 500
    assert found.weights[near].sum() == pytest.approx(0.75, abs=1e-3)
    np.testing.assert_allclose(found.weights[near] @ found.centres[near] / 0.75, 0.0, atol=0.1)


def test_joined_mixtures_share_the_draws_and_wider_ones_keep_their_centres() -> None:
    one, two = three_bells(2), wider(three_bells(2), 3.0)
    x = np.random.default_rng(0).standard_normal((10, 2))
    np.testing.assert_array_equal(one.centres, two.centres)
    np.testing.assert_allclose(two.roots, 3 * one.roots)
    both = joined((one, two), (3.0, 1.0))
    expected = np.log(0.75 * np.exp(one.log_density(x)) + 0.25 * np.exp(two.log_density(x)))
    np.testing.assert_allclose(both.log_density(x), expected, rtol=1e-10)


def test_a_thin_tail_that_a_mixture_passes_over_gets_components_of_its_own() -> None:
    """Three per cent of the mass lie where the mixture is a hundredth of the density, or less."""
    rng = np.random.default_rng(1)
    v = np.concatenate([rng.standard_normal((9700, 2)), [12.0, 0.0] + 0.1 * rng.standard_normal((300, 2))])
    main, tail = stats.multivariate_normal(np.zeros(2)), stats.multivariate_normal([12.0, 0.0], 0.01)
    log_density = np.logaddexp(np.log(0.97) + main.logpdf(v), np.log(0.03) + tail.logpdf(v))
    blind = Mixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    covered = covering(blind, v, np.ones(len(v)), log_density, rng)

    def missing(mixture: Mixture) -> float:
        return float(np.median((log_density - mixture.log_density(v))[9700:]))

    assert missing(blind) > np.log(100)
    assert missing(covered) < np.log(8)
    assert np.max((log_density - covered.log_density(v))[:9700]) < np.log(100)
    assert covered.weights.sum() == pytest.approx(1.0)
    assert covering(covered, v, np.ones(len(v)), covered.log_density(v), rng) is covered  # nothing is missing
