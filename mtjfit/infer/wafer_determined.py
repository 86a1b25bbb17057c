"""What data determine of a stack, and what they leave to the priors.

In normal scores z the prior is the standard normal distribution, with the information 1 in every direction. Where the
likelihood has the information H = −∂²ln L/∂z², directions with eigenvalues below 1 are those in which the priors know
more than the data. H is taken at single draws: the data may leave a bent line or surface open, along which no straight
direction is as open as the prior is wide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray

__all__ = ["OpenDirection", "determined", "from_priors", "information", "open_directions"]

_EDGE = 0.02  # width of the outermost slices of prior probability
_OPEN = 0.1  # a side is open if the likelihood at that edge is still this fraction of its largest value
_SLICES = 50
_LOADING = 0.3  # parameters that a direction is named by
_STEP = 0.3  # of differences, in standard deviations of the posterior


@dataclass(frozen=True)
class OpenDirection:
    """One combination of parameters that the data leave to the priors.

    Attributes
    ----------
    loadings : tuple of (str, float)
        The parameters that make most of it, in standard deviations of their priors, largest first.
    """

    loadings: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        moved = ", ".join(f"{name} {'up' if weight > 0 else 'down'}" for name, weight in self.loadings)
        return f"the priors know more than the data of: {moved}"


def determined(u: FloatArray) -> str:
    """``"yes"``, ``"lower limit"``, ``"upper limit"`` or ``"no"``, from the prior probability below each draw.

    The rule of `Posterior.determined`: in prior probability the density of the draws is the likelihood with all else
    integrated out, and a side is open if that is still a tenth of its largest value at the edge.

    Examples
    --------
    >>> determined(np.linspace(0.4, 0.6, 1000)), determined(np.linspace(0.0, 1.0, 1000))
    ('yes', 'no')
    """
    heights = np.histogram(u, bins=_SLICES, range=(0.0, 1.0))[0]
    low, high, highest = np.mean(u < _EDGE), np.mean(u > 1 - _EDGE), heights.max() / u.size
    open_below, open_above = low > _OPEN * highest, high > _OPEN * highest
    if open_below and open_above:
        return "no"
    return "lower limit" if open_above else "upper limit" if open_below else "yes"


def information(log_likelihood: Callable[[FloatArray], FloatArray], z: FloatArray, root: FloatArray) -> FloatArray:
    """−∂²ln L/∂z² at some points by central differences, shape (n, size, size).

    Parameters
    ----------
    log_likelihood : callable
        Of scores of shape (m, size).
    z : ndarray, shape (n, size)
    root : ndarray, shape (size, size)
        Steps are taken along its columns: a root of the posterior's covariance, so that none is too long or too short.

    Examples
    --------
    >>> H = np.array([[4.0, 1.0], [1.0, 2.0]])
    >>> found = information(lambda z: -0.5 * np.einsum("ni,ij,nj->n", z, H, z), np.zeros((1, 2)), np.eye(2))
    >>> found[0].round(9).tolist()
    [[4.0, 1.0], [1.0, 2.0]]
    """
    size = z.shape[1]
    i, j = np.triu_indices(size, 1)
    unit = np.eye(size)
    steps = np.concatenate([unit, unit[i] + unit[j]])
    steps = _STEP * np.concatenate([np.zeros((1, size)), steps, -steps])
    found = []
    for point in z:
        f = log_likelihood(point + steps @ root.T)
        both = f[1 : 1 + size + i.size] + f[1 + size + i.size :] - 2 * f[0]
        H = np.diag(both[:size])
        H[i, j] = H[j, i] = 0.5 * (both[size:] - both[i] - both[j])
        inverse = np.linalg.inv(root)
        found.append(-(inverse.T @ H @ inverse) / _STEP**2)
    return np.array(found)


def from_priors(H: FloatArray) -> FloatArray:
    """Share of the variance of each score that lies along directions of which the priors know more, shape (size,).

    Parameters
    ----------
    H : ndarray, shape (n, size, size)
        Information of the data at some draws.

    Examples
    --------
    >>> only_the_difference = 1e4 * np.array([[[1.0, -1.0], [-1.0, 1.0]]])
    >>> from_priors(only_the_difference).round(3).tolist()
    [1.0, 1.0]
    """
    known, vectors = np.linalg.eigh(H)
    parts = vectors**2 / (1 + np.maximum(known, 0.0))[:, None, :]
    return np.asarray(np.sum(np.where(known[:, None, :] < 1, parts, 0.0), axis=(0, 2)) / np.sum(parts, axis=(0, 2)))


def open_directions(H: FloatArray, names: tuple[str, ...]) -> tuple[OpenDirection, ...]:
    """The directions of which the priors know more at half of the draws or more, the most open one first.

    Examples
    --------
    >>> print(*open_directions(np.diag([0.1, 100.0])[None], ("lambda_sf_F", "a1")))
    the priors know more than the data of: lambda_sf_F up
    """
    known, vectors = np.linalg.eigh(H)
    projector = np.einsum("nik,nk,njk->ij", vectors, (known < 1).astype(float), vectors) / len(H)
    share, directions = np.linalg.eigh(projector)
    found = []
    for k in np.flatnonzero(share >= 0.5)[::-1]:
        v = directions[:, k] * np.sign(directions[np.argmax(np.abs(directions[:, k])), k])
        order = [i for i in np.argsort(-np.abs(v)) if abs(v[i]) > _LOADING]
        found.append(OpenDirection(tuple((names[i], float(v[i])) for i in order)))
    return tuple(found)
