"""Posteriors under a standard normal prior whose evidence, and independent draws, are known without any sampler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import integrate, stats
from scipy.special import ndtri

from mtjfit.infer import Chains

LN_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Known:
    """Likelihood, ln Z, and exact draws from the posterior."""

    size: int
    log_likelihood: Callable[[np.ndarray], np.ndarray]
    log_evidence: float
    draws: Callable[[int, np.random.Generator], np.ndarray]

    def log_prior(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(-0.5 * (np.sum(z * z, axis=-1) + self.size * LN_2PI))

    def log_posterior(self, z: np.ndarray) -> np.ndarray:
        return self.log_prior(z) + self.log_likelihood(z)

    def prior_transform(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(ndtri(u))

    def chains(self, n: int, rng: np.random.Generator, ensembles: int = 4, walkers: int = 16) -> Chains:
        """Independent draws in the shape of ensembles of `n` steps."""
        return self.as_chains(self.draws(ensembles * n * walkers, rng).reshape(ensembles, n, walkers, self.size))

    def as_chains(self, theta: np.ndarray) -> Chains:
        shape = theta.shape[:-1]
        log = self.log_posterior(theta.reshape(-1, self.size)).reshape(shape)
        return Chains(tuple("abcdefg"[: self.size]), theta, log, np.ones((shape[0], shape[2])))


def gaussian(size: int, noise: float = 0.3) -> Known:
    """y = A z + noise: ln Z is the log density of y under N(0, A Aᵀ + noise²); A is far from a multiple of one."""
    rng = np.random.default_rng(size)
    A, y = np.tril(rng.uniform(0.2, 1.0, (size, size))), rng.standard_normal(size)
    covariance = np.linalg.inv(np.eye(size) + A.T @ A / noise**2)
    mean, root = covariance @ A.T @ y / noise**2, np.linalg.cholesky(covariance)
    return Known(
        size,
        lambda z: np.asarray(stats.norm.logpdf(y - z @ A.T, scale=noise).sum(axis=-1)),
        float(stats.multivariate_normal(np.zeros(size), A @ A.T + noise**2 * np.eye(size)).logpdf(y)),
        lambda n, rng: mean + rng.standard_normal((n, size)) @ root.T,
    )


def _banana() -> Known:
    """A measurement of z₁ to 0.5 and one of z₂ − z₁² to 0.2; ln Z by integrating z₂ in closed form, z₁ numerically."""
    of_first, width, measured = 0.5, 0.2, 0.4

    def first(x: np.ndarray) -> np.ndarray:  # density of z₁, not normalised, with z₂ integrated out
        peak = stats.norm.pdf(x) * stats.norm.pdf(x, measured, of_first)
        return np.asarray(peak * stats.norm.pdf(x * x, 0.0, np.hypot(1.0, width)))

    total = integrate.quad(first, -8, 8, epsabs=1e-14, epsrel=1e-12, limit=200)[0]
    x = np.linspace(-4, 4, 20_001)
    cdf = integrate.cumulative_trapezoid(first(x), x, initial=0.0)
    shrink = 1 / (1 + width**2)

    def draws(n: int, rng: np.random.Generator) -> np.ndarray:
        one = np.interp(rng.random(n) * cdf[-1], cdf, x)
        return np.stack([one, shrink * one**2 + width * np.sqrt(shrink) * rng.standard_normal(n)], axis=1)

    def log_likelihood(z: np.ndarray) -> np.ndarray:
        along = stats.norm.logpdf(z[:, 0], measured, of_first)
        return np.asarray(along + stats.norm.logpdf(z[:, 1], z[:, 0] ** 2, width))

    return Known(2, log_likelihood, float(np.log(total)), draws)


def _two_modes() -> Known:
    """Two bells of sd 0.25 at ±1.5 along both axes, one with 0.7 of the likelihood; ln Z is a sum of two Gaussians."""
    shares, centres, sd, size = np.array([0.7, 0.3]), np.array([1.5, -1.5]), 0.25, 2
    each = np.log(shares) + size * stats.norm.logpdf(centres, 0.0, np.hypot(1.0, sd))
    mass = np.exp(each - np.logaddexp.reduce(each))
    shrink = 1 / (1 + sd**2)

    def draws(n: int, rng: np.random.Generator) -> np.ndarray:
        mode = rng.choice(2, n, p=mass)
        return shrink * centres[mode, None] + sd * np.sqrt(shrink) * rng.standard_normal((n, size))

    def log_likelihood(z: np.ndarray) -> np.ndarray:
        bells = stats.norm.logpdf(z[..., None], centres, sd).sum(axis=-2) + np.log(shares)
        return np.asarray(np.logaddexp.reduce(bells, axis=-1))

    return Known(size, log_likelihood, float(np.logaddexp.reduce(each)), draws)


BANANA, TWO_MODES = _banana(), _two_modes()
TARGETS = {"banana": BANANA, "two modes": TWO_MODES} | {f"gaussian {n}": gaussian(n) for n in range(1, 8)}
