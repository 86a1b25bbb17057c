"""Tests of ranks for uniformity: two tests, the meaning of departures, and the power of the tests.

Ranks of n truths among L draws each are 0 … L, all equally likely if draws and truth come from the same distribution
(Talts et al., arXiv:1804.06788). The χ² test of their histogram detects local excesses; the simultaneous band of their
distribution function (Säilynoja, Bürkner and Vehtari, Stat. Comput. 32, 32, 2022) detects shifts from fewer ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from mtjfit.arrays import FloatArray
from mtjfit.infer import DeviceModel, free_names
from mtjfit.study import DOF, ParameterName, Study
from mtjfit.study.prior import LN_2PI

_STEP = 1e-4  # V; the torque is a polynomial of low order


def log_likelihood(study: Study, values: Mapping[str, FloatArray]) -> FloatArray:
    """ln L of all parameters, nothing integrated out, shape (n,), from the covariance of each curve.

    Errors of the bias enter by effective variance, with the slopes of the model itself.
    """
    total = np.zeros(1)
    for curve in study.curves:
        device = DeviceModel(study, curve, values)
        T, scale = device.torque(curve.bias), study.scale_of(curve)
        par, perp = np.broadcast_arrays(curve.par * scale - T.real, curve.perp * scale - T.imag)
        if device.declares(DOF):
            each = [stats.t.logpdf(r / s, device[DOF][..., None]) - np.log(s)
                    for r, s in zip((par, perp), device.sigma, strict=True)]  # fmt: skip
            both = np.stack(np.broadcast_arrays(*each), axis=1)
            total = total + np.sum(both[:, curve.used_values], axis=-1)
            continue
        used = np.flatnonzero(curve.used_values)
        C = _covariance(device)[:, used[:, None], used]
        residual = np.concatenate([par, perp], axis=-1)[:, used]
        square = np.sum(residual * np.linalg.solve(C, residual[..., None])[..., 0], axis=-1)
        total = total - 0.5 * (square + np.linalg.slogdet(C)[1] + used.size * LN_2PI)
    return np.asarray(total)


def _covariance(device: DeviceModel) -> FloatArray:
    """Covariance of all values of a curve, in-plane ones first, shape (n or 1, 2 n_bias, 2 n_bias)."""
    curve, n = device.curve, device.curve.bias.size
    if curve.covariance is None:
        s_par, s_perp = device.sigma
        blocks = [s_par**2, s_perp**2, device.rho * s_par * s_perp]
    else:
        blocks = [np.zeros(1)] * 3
    for k, jitter in enumerate(device.jitter):
        blocks[k] = blocks[k] + jitter**2
    if curve.sigma_bias is not None:
        slope = (device.torque(curve.bias + _STEP) - device.torque(curve.bias - _STEP)) / (2 * _STEP)
        moved = slope * curve.sigma_bias
        blocks = [b + m for b, m in zip(blocks, (moved.real**2, moved.imag**2, moved.real * moved.imag), strict=True)]
    par, perp, cross = np.broadcast_arrays(*blocks, np.zeros((1, n)))[:3]
    C, at = np.zeros((par.shape[0], 2 * n, 2 * n)), np.arange(n)
    if curve.covariance is not None:
        C += curve.covariance * device.study.scale_of(curve) ** 2
    C[:, at, at] += par
    C[:, n + at, n + at] += perp
    C[:, at, n + at] += cross
    C[:, n + at, at] += cross
    return C


def quantities(study: Study, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Quantities to be ranked, each of shape (n,), from values of every free parameter.

    These parameters, Λ where both of its factors are free, ``log_likelihood`` of the data of the study, and, unless κ
    is known, two quantities that the thinnest device determines without any length: ``slope_ratio`` = tan arg κ and |κ|
    times the first amplitude that is not zero (divided by d per volume).
    """
    free = free_names(study)
    out = {name: np.asarray(values[name], dtype=float) for name in free}
    if "lambda_sf_N" in free and "D_ratio" in free:
        out["Lambda"] = out["lambda_sf_N"] * out["D_ratio"]
    out["log_likelihood"] = log_likelihood(study, values)
    if any(ParameterName(name).shapes_kappa or ParameterName(name).is_thickness for name in free):
        thinnest = min(study.curves, key=lambda curve: curve.thickness)
        device = DeviceModel(study, thinnest, values)
        first = next(name for name in study.amplitudes if np.any(device.amplitude(name) != 0))
        K, shape = device.K, out["log_likelihood"].shape
        each = {"slope_ratio": K.imag / K.real, f"|kappa|·{first}": np.abs(K) * device.amplitude(first)}
        out |= {ParameterName(name, thinnest.name): np.broadcast_to(x, shape) for name, x in each.items()}
    return out


_EXPECTED = 10  # ranks in a bin: χ² is then right to a fifth at p = 3e-4
_CLEAR = 3.0  # standard errors beyond which a shape is named
_SEEN = 0.9


def n_bins(n: int, n_draws: int) -> int:
    """Largest number of equal bins, up to 20, of the n_draws + 1 possible ranks that expect 10 ranks or more each."""
    fits = [k for k in range(2, 21) if (n_draws + 1) % k == 0 and n >= _EXPECTED * k]
    return max(fits, default=2 if (n_draws + 1) % 2 == 0 else 1)


def chi2_p(ranks: Sequence[int] | np.ndarray, n_draws: int) -> float:
    """p-value of the χ² test of the histogram of ranks, 0 … n_draws."""
    ranks = np.asarray(ranks)
    bins = n_bins(ranks.size, n_draws)
    counts = np.bincount(ranks.astype(int) * bins // (n_draws + 1), minlength=bins)
    return float(stats.chisquare(counts).pvalue) if bins > 1 else 1.0


@dataclass(frozen=True)
class EcdfTest:
    """The simultaneous test of the distribution function of n ranks 0 … n_draws.

    At z_i = i/(n_draws + 1), i = 1 … n_draws, the number of ranks below i is binomial (n, z_i). The statistic is the
    smallest of the two-sided binomial p-values; its distribution is computed exactly, as that of Poisson steps from
    each z_i to the next, conditioned on their total.
    """

    n: int
    n_draws: int

    @property
    def z(self) -> FloatArray:
        """Arguments of the distribution function, shape (n_draws,)."""
        return np.arange(1, self.n_draws + 1) / (self.n_draws + 1)

    @cached_property
    def _pointwise(self) -> FloatArray:
        """Two-sided p-value of every count, shape (n_draws, n + 1)."""
        counts, z = np.arange(self.n + 1), self.z[:, None]
        below, above = stats.binom.cdf(counts, self.n, z), stats.binom.sf(counts - 1, self.n, z)
        return np.asarray(np.minimum(1.0, 2 * np.minimum(below, above)))

    @cached_property
    def _step(self) -> FloatArray:
        mean = self.n / (self.n_draws + 1)
        weights = stats.poisson.pmf(np.arange(self.n + 1), mean)
        return np.asarray(weights[: int(np.flatnonzero(weights > 1e-40)[-1]) + 1])

    def _inside(self, gamma: float) -> float:
        """Probability that all pointwise p-values exceed gamma."""
        allowed = self._pointwise > gamma * (1 + 1e-9)  # both tails of the same p must count as equal
        weights = np.ones(1)
        for mask in (*allowed, np.ones(self.n + 1, dtype=bool)):
            weights = np.convolve(weights, self._step)[: self.n + 1]
            weights = weights * mask[: weights.size]
        total = weights[self.n] if weights.size > self.n else 0.0
        return float(min(total / stats.poisson.pmf(self.n, self.n), 1.0))

    def counts(self, ranks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Ranks below each of 1 … n_draws, shape (n_draws,)."""
        found = np.bincount(np.asarray(ranks).astype(int), minlength=self.n_draws + 1)
        return np.asarray(np.cumsum(found)[:-1])

    def p_value(self, ranks: Sequence[int] | np.ndarray) -> float:
        """Probability that uniform ranks deviate as far somewhere; below 1e-10 an upper bound of it."""
        gamma = float(self._pointwise[np.arange(self.n_draws), self.counts(ranks)].min())
        p = 1.0 - self._inside(gamma)
        return p if p > 1e-10 else min(self.n_draws * gamma, 1e-10)

    def band(self, coverage: float) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest share of ranks below each z; uniform ranks are inside with probability `coverage`."""
        low, high = np.log(1e-30), np.log(1.0)
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self._inside(float(np.exp(middle))) >= coverage else (low, middle)
        allowed = self._pointwise > np.exp(low)
        return allowed.argmax(axis=1) / self.n, (self.n - allowed[:, ::-1].argmax(axis=1)) / self.n


def shape_of(ranks: Sequence[int] | np.ndarray, n_draws: int) -> str:
    """Fault of a posterior from ranks of truths: ``"narrow"``, ``"wide"``, ``"low"``, ``"high"`` or ``"other"``.

    >>> shape_of([0, 99] * 20, 99), shape_of([50] * 40, 99), shape_of([90, 99] * 20, 99)
    ('narrow', 'wide', 'low')
    """
    u = (np.asarray(ranks) + 0.5) / (n_draws + 1)
    shift = (u.mean() - 0.5) * np.sqrt(12 * u.size)
    spread = (np.mean((u - 0.5) ** 2) - 1 / 12) * np.sqrt(180 * u.size)
    if max(abs(shift), abs(spread)) < _CLEAR:
        return "other"
    if abs(shift) > 0.5 * abs(spread):  # truths far from the posterior also lie in its outer parts
        return "low" if shift > 0 else "high"
    return "narrow" if spread > 0 else "wide"


def detectable_width(n: int, n_draws: int, level: float) -> float:
    """Factor by which a normal posterior must be too narrow for the χ² test at `level` to see it nine times in ten."""
    bins = n_bins(n, n_draws)
    edges = stats.norm.ppf(np.linspace(0, 1, bins + 1))
    critical = stats.chi2.isf(level, bins - 1)

    def power(factor: float) -> float:
        shares = np.diff(stats.norm.cdf(edges / factor))
        away = n * bins * float(np.sum((shares - 1 / bins) ** 2))
        return float(stats.ncx2.sf(critical, bins - 1, away)) if away > 0 else level

    low, high = 1.0, 1e3
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if power(middle) < _SEEN else (low, middle)
    return high
