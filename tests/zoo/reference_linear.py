"""Cholesky factors of many small matrices, and amplitudes that are normal but for bounds."""

from __future__ import annotations

import numpy as np
from reference_layout import log_between
from scipy.special import ndtr, ndtri

_LN_2PI = np.log(2 * np.pi)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def factored(A):
    """Lower Cholesky factors of matrices (m, m, n), a few vector operations for small m."""
    m = A.shape[0]
    L = np.zeros_like(A)
    for i in range(m):
        for j in range(i + 1):
            rest = A[i, j] - np.sum(L[i, :j] * L[j, :j], axis=0)
            L[i, j] = np.sqrt(rest) if i == j else rest / L[j, j]
    return L


def forward(L, b):
    """L⁻¹ b for (m, m, n) and (m, n)."""
    out = np.zeros_like(b)
    for i in range(b.shape[0]):
        out[i] = (b[i] - np.sum(L[i, :i] * out[:i], axis=0)) / L[i, i]
    return out


def backward(L, b):
    """L⁻ᵀ b for (m, m, n) and (m, n)."""
    out = np.zeros_like(b)
    for i in range(b.shape[0] - 1, -1, -1):
        out[i] = (b[i] - np.sum(L[i + 1 :, i] * out[i + 1 :], axis=0)) / L[i, i]
    return out


class Bounds:
    """Whitened amplitudes of which one or two have bounds.

    Parameters
    ----------
    priors : list
        Of all amplitudes; None for those that scatter.
    """

    def __init__(self, priors):
        self.priors = priors
        self.bounded = [k for k, prior in enumerate(priors) if prior is not None and prior.truncated]
        if len(self.bounded) > 2:
            raise NotImplementedError("more than two bounded amplitudes")

    def _bounds(self, k):
        prior = self.priors[k]
        return (prior.low - prior.mean) / prior.sd, (prior.high - prior.mean) / prior.sd

    def _covariance(self, L):
        """Covariance of the whitened amplitudes that have bounds."""
        inverse = []
        for k in self.bounded:
            e = np.zeros(L.shape[1:])
            e[k] = 1.0
            inverse.append(forward(L, e))
        return [[np.sum(a * c, axis=0) for c in inverse] for a in inverse]

    def log_inside(self, L, mu):
        """ln of the posterior over the prior probability that amplitudes lie within their bounds."""
        C, k = self._covariance(L), self.bounded
        prior = sum(float(log_between(*map(np.asarray, self._bounds(each)))) for each in k)
        first = np.sqrt(C[0][0])
        low, high = ((bound - mu[k[0]]) / first for bound in self._bounds(k[0]))
        if len(k) == 1:
            return log_between(low, high) - prior
        slope = C[0][1] / C[0][0]
        second = np.sqrt(C[1][1] - slope * C[0][1])
        # nodes where the first one, cut to its bounds, has all its mass but e^-38
        top = np.clip(0.0, low, high)
        reach = 76 / (np.abs(top) + np.sqrt(top**2 + 76))
        start, end = np.maximum(low, top - reach), np.minimum(high, top + reach)
        u = 0.5 * (start + end) + 0.5 * (end - start) * _NODES[:, None]
        at = mu[k[1]] + slope * first * u
        ends = [(bound - at) / second for bound in self._bounds(k[1])]
        log = -0.5 * u**2 - 0.5 * _LN_2PI + log_between(*ends) + np.log(0.5 * (end - start)) + np.log(_WEIGHTS)[:, None]
        return np.logaddexp.reduce(log, axis=0) - prior

    def within(self, mu, L, w, rng):
        """Amplitudes of which some have bounds, one after the other; the weight is what the first could not know."""
        C, b = self._covariance(L), self.bounded
        first = np.sqrt(C[0][0])
        new = [mu[b[0]] + first * _cut_normal(*[(e - mu[b[0]]) / first for e in self._bounds(b[0])], rng)]
        weight = np.ones(w.shape[1])
        if len(b) == 2:
            slope = C[0][1] / C[0][0]
            second, at = np.sqrt(C[1][1] - slope * C[0][1]), mu[b[1]] + slope * (new[0] - mu[b[0]])
            ends = [(e - at) / second for e in self._bounds(b[1])]
            new.append(at + second * _cut_normal(*ends, rng))
            low, high = ((bound - mu[b[0]]) / first for bound in self._bounds(b[0]))
            prior = sum(float(log_between(*map(np.asarray, self._bounds(each)))) for each in b)
            weight = np.exp(log_between(*ends) + log_between(low, high) - prior - self.log_inside(L, mu))
        # the others follow the bounded ones by the conditional mean: w + Σ C⁻¹ (new − old)
        old = [w[k] for k in b]
        shift = [n - o for n, o in zip(new, old, strict=True)]
        if len(b) == 2:
            det = C[0][0] * C[1][1] - C[0][1] ** 2
            shift = [(C[1][1] * shift[0] - C[0][1] * shift[1]) / det, (C[0][0] * shift[1] - C[0][1] * shift[0]) / det]
        else:
            shift = [shift[0] / C[0][0]]
        out = w.copy()
        for k, s in zip(b, shift, strict=True):
            e = np.zeros(w.shape)
            e[k] = 1.0
            out = out + backward(L, forward(L, e)) * s
        return out, weight


def _cut_normal(low, high, rng):
    """Standard normal draws between bounds, by the inverse distribution function in the nearer tail."""
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    u = ndtr(a) + rng.random(a.shape) * (ndtr(b) - ndtr(a))
    z = np.clip(ndtri(np.maximum(u, 1e-300)), a, b)
    return np.where(flip, -z, z)
