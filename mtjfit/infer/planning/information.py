"""Expected gain of measurements in the linear-Gaussian approximation, at each of many draws.

Were the truth at a draw, the posterior would be about normal there, with the precision of the priors plus the Fisher
information of the curves that were measured plus that of the candidate, all taken at this draw (Lindley 1956; Chaloner
and Verdinelli, Statistical Science 10, 273 (1995)). The information about the shared coordinates is then
½ log₂(det S/det S') bits, with S and S' their covariances before and after. That of several measurements adds up, so
that any combination of them is a sum of small matrices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.planning.known import Known
from mtjfit.infer.planning.measurement import Candidate
from mtjfit.infer.planning.response import fisher, measured, number_of, respond, setting, thickness
from mtjfit.infer.planning.target import EVERYTHING, Target
from mtjfit.study import SCATTER, ParameterName

__all__ = ["Linear", "candidate_fisher", "linear", "precision_before"]

_LN_2 = float(np.log(2))
_SMALLEST = 1e-12  # scatter, a share of its amplitude, so that its inverse square is finite
_TINIEST = 1e-100  # of an amplitude that is exactly zero, far below any in any unit


@dataclass(frozen=True, eq=False)
class Linear:
    """What Fisher matrices are added to, in units of the prior standard deviations.

    Attributes
    ----------
    known : Known
    target : Target
    base : ndarray, shape (n, k, k)
        Precision before at each draw, of the coordinates that count, the others integrated out.
    kept : ndarray of int, shape (k,)
        Their places: what is shared, what the target is made of, and what some candidate tells of.
    unit : ndarray, shape (m,)
        The units, of all coordinates.
    """

    known: Known
    target: Target
    base: FloatArray
    kept: np.ndarray
    unit: FloatArray

    def information(self, candidate: Candidate) -> FloatArray:
        """Fisher matrices of a candidate at every draw, shape (n, k, k)."""
        every = candidate_fisher(self.known, candidate) * self.unit[:, None] * self.unit
        return np.asarray(every[:, self.kept[:, None], self.kept])

    def gradient(self, target: Target) -> FloatArray:
        """Derivative of a target at every draw, shape (n, k)."""
        return np.asarray((target.gradient(self.known) * self.unit)[:, self.kept])

    def spread(self, information: FloatArray, gradient: FloatArray) -> FloatArray:
        """Standard deviation along `gradient` after information of shape (..., n, k, k), shape (..., n)."""
        g = np.broadcast_to(gradient, information.shape[:-1])
        back = np.linalg.solve(self.base + information, g[..., None])[..., 0]
        return np.asarray(np.sqrt(np.sum(g * back, axis=-1)))

    def ratio(self, information: FloatArray, target: Target) -> FloatArray:
        """Standard deviation of a target after information of shape (n, k, k), over that before, shape (n,)."""
        g = self.gradient(target)
        return self.spread(information, g) / self.spread(np.zeros_like(information), g)

    def bits(self, information: FloatArray) -> FloatArray:
        """Information about the shared coordinates, shape (..., n), in bits."""
        return np.asarray((self._log_det(self.base + information) - self._log_det(self.base)) / (2 * _LN_2))

    def _log_det(self, precision: FloatArray) -> FloatArray:
        """ln det of the precision of the shared coordinates, the others integrated out."""
        whole, own = np.linalg.slogdet(precision)[1], ~np.asarray(self.known.shared[self.kept])
        if not own.any():
            return np.asarray(whole)
        return np.asarray(whole - np.linalg.slogdet(precision[..., own, :][..., own])[1])

    def score(self, information: FloatArray) -> FloatArray:
        """What a choice is judged by, shape (...): mean bits, or the mean of −log₂ of the standard deviation.

        For one target the latter is its own expected information, up to a constant.
        """
        if self.target.name == EVERYTHING:
            return np.asarray(self.bits(information).mean(axis=-1))
        return np.asarray(-np.log2(self.spread(information, self.gradient(self.target))).mean(axis=-1))


def candidate_fisher(known: Known, candidate: Candidate) -> FloatArray:
    """Fisher information of all measurements of a candidate, shape (n, m, m)."""
    total = np.zeros((known.n, len(known.names), len(known.names)))
    for measurement in candidate.measurements:
        made = setting(known, measurement)
        total += fisher(respond(known, made, thickness(known, measurement)))
    return total


def precision_before(known: Known, noise: Mapping[str, float]) -> FloatArray:
    """Precision of the coordinates from priors and from the curves that were measured, shape (n, m, m).

    An amplitude of one device that scatters about a shared one, a_j = a ± s |a|, ties the two together.
    """
    total = np.repeat(np.diag(known.prior_sd**-2.0)[None], known.n, axis=0)
    for made in measured(known, noise):
        total += fisher(respond(known, made, thickness(known, made.measurement)))
        for name, parameter in known.parameters.items():
            own = ParameterName(name, made.measurement.device)
            if SCATTER + name not in known.parameters or own not in known.place:
                continue
            apart, shared = np.zeros(len(known.names)), known.label(name, made.measurement)
            apart[known.place[own]] = 1.0
            if not parameter.is_fixed:
                apart[known.place[shared]] = -1.0
            scatter = np.maximum(number_of(known, made.measurement, SCATTER + name), _SMALLEST)
            size = np.maximum(np.abs(number_of(known, made.measurement, name)) * scatter, _TINIEST)
            total += apart[:, None] * apart * (size**-2.0)[:, None, None]
    return np.asarray(total)


def linear(known: Known, target: Target, candidates: Sequence[Candidate], noise: Mapping[str, float]) -> Linear:
    """Prepare the approximation for some candidates.

    Parameters
    ----------
    known : Known
        With draws for everything that the candidates need, see `Known.with_new`.
    target : Target
    candidates : sequence of Candidate
    noise : mapping of str to float
        See `measurement_like`.

    Returns
    -------
    Linear
    """
    unit = np.where(np.isfinite(known.prior_sd), known.prior_sd, 1.0)
    before = precision_before(known, noise) * unit[:, None] * unit
    kept = np.flatnonzero(known.shared | np.any(target.gradient(known) != 0, axis=0) | _touched(known, candidates))
    if kept.size < len(known.names):
        covariance = np.linalg.inv(before)
        before = np.linalg.inv(covariance[:, kept[:, None], kept])
    return Linear(known, target, before, kept, unit)


def _touched(known: Known, candidates: Sequence[Candidate]) -> np.ndarray:
    """Coordinates of which some candidate tells something."""
    few = known.thinned(4)
    seen = np.zeros(len(known.names), dtype=bool)
    for candidate in candidates:
        seen |= np.any(np.diagonal(candidate_fisher(few, candidate), axis1=-2, axis2=-1) > 0, axis=0)
    return seen
