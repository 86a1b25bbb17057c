"""Posteriors without any Markov chain: a grid over four log lengths, and importance sampling in any dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mtjfit.model import FullPosterior

P = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Marginal:
    """Distribution function at many points, and standard deviation."""

    x: np.ndarray
    cdf: np.ndarray
    sd: float

    @property
    def q(self) -> np.ndarray:
        """5, 50 and 95 % quantiles."""
        return np.interp(P, self.cdf, self.x)

    def probability(self, x: np.ndarray) -> np.ndarray:
        return np.interp(x, self.x, self.cdf)


@dataclass(frozen=True)
class Reference:
    """Weighted points in coordinates; `log_evidence` is ln ∫ prior · likelihood."""

    model: FullPosterior
    theta: np.ndarray
    weights: np.ndarray
    log_evidence: float

    @property
    def n_effective(self) -> float:
        return float(1 / np.sum(self.weights**2))

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        mean = self.weights @ self.theta
        away = self.theta - mean
        return mean, (away * self.weights[:, None]).T @ away

    def quantiles(self) -> dict[str, Marginal]:
        """Marginals of the coordinates, and of the amplitudes by mixing their conditionals."""
        _, covariance = self.moments()
        out = {}
        for k, name in enumerate(self.model.layout.names):
            order = np.argsort(self.theta[:, k])
            total = np.cumsum(self.weights[order]) - 0.5 * self.weights[order]
            out[name] = Marginal(self.theta[order, k], total, float(np.sqrt(covariance[k, k])))
        positions = (np.arange(4000) + 0.5) / 4000
        some = np.minimum(np.searchsorted(np.cumsum(self.weights), positions), self.weights.size - 1)
        given = self.model.conditional(self.theta[some])
        inverse = np.linalg.inv(given.chol @ given.chol.swapaxes(1, 2))
        linear, z = self.model.amplitudes, np.random.default_rng(2).standard_normal(4000)
        for k, name in enumerate(linear.names):
            mean = linear.mean[k] + linear.sd[k] * given.x[:, k]
            sd = linear.sd[k] * np.sqrt(inverse[:, k, k])
            x = np.sort(mean + sd * z)[::4]  # where the probability is; between them the distribution is smooth
            cdf = np.array([np.mean(stats.norm.cdf(v, mean, sd)) for v in x])
            out[name] = Marginal(x, cdf, float(np.sqrt(mean.var() + np.mean(sd**2))))
        return out


def _density(model: FullPosterior, theta: np.ndarray) -> np.ndarray:
    log = model.log_prior(theta)
    inside = np.isfinite(log)
    log[inside] += model.log_likelihood(theta[inside])
    return log


def _weighted(model: FullPosterior, theta: np.ndarray, log: np.ndarray, volume: float) -> Reference:
    top = log.max()
    weights = np.exp(log - top)
    keep = weights > 1e-14
    total = weights.sum()
    return Reference(model, theta[keep], weights[keep] / total, float(top + np.log(total * volume)))


def _from_prior(model: FullPosterior, n: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Rough mean and covariance, from weighted prior draws."""
    theta = model.prior_transform(stats.qmc.Sobol(model.layout.size, rng=np.random.default_rng(0)).random(n))
    log = model.log_likelihood(theta)
    return _weighted(model, theta, 0.1 * log, 1.0).moments()  # tempered, so that many draws count


def on_grid(model: FullPosterior, step: float, half: float = 6.5) -> Reference:
    """Trapezoid rule in coordinates whitened by the posterior's own covariance, rotated so that projections differ."""
    mean, covariance = _from_prior(model, 2**15)
    size = model.layout.size
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((size, size)))[0]
    found = None
    for h in (1.0, 1.0, 1.0, step):
        root = np.linalg.cholesky(covariance) @ turn
        t = np.arange(-half, half + h / 2, h)
        z = np.stack(np.meshgrid(*[t] * size, indexing="ij"), -1).reshape(-1, size)
        z = z[np.sum(z**2, axis=1) < (half + 1) ** 2]
        theta = mean + z @ root.T
        found = _weighted(model, theta, _density(model, theta), h**size * abs(np.linalg.det(root)))
        mean, covariance = found.moments()
    assert found is not None
    return found


def by_importance(model: FullPosterior, n: int, seed: int = 0) -> Reference:
    """Wide t proposals with a tenth of prior draws, adapted three times to their own weighted draws."""
    rng = np.random.default_rng(seed)
    mean, covariance = _from_prior(model, 2**15)
    size = model.layout.size
    found = None
    for draws in (min(20_000, n // 4), min(20_000, n // 4), min(50_000, n // 2), n):
        t = stats.multivariate_t(mean, 1.4 * covariance, df=5, seed=rng)
        n_prior = draws // 10
        theta = np.concatenate([t.rvs(draws - n_prior), model.prior_transform(rng.random((n_prior, size)))])
        log_q = np.logaddexp(np.log(0.9) + t.logpdf(theta), np.log(0.1) + model.log_prior(theta))
        found = _weighted(model, theta, _density(model, theta) - log_q, 1 / draws)
        mean, covariance = found.moments()
    assert found is not None
    return found
