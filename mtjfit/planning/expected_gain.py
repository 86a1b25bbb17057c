"""Expected gain of measurements in the linear-Gaussian approximation, at each of many draws.

If a draw is the truth, the posterior is about normal there, with the precision of the priors plus the Fisher
information of the measured curves plus that of the candidate, all taken at this draw (Lindley 1956; Chaloner
and Verdinelli, Statistical Science 10, 273 (1995)). The information about the shared coordinates is then
½ log₂(det S/det S') bits, with S and S' their covariances before and after. That of several measurements adds up, so
that any combination of them is a sum of small matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import pretty
from mtjfit.errors import MtjfitError, did_you_mean
from mtjfit.planning.candidates import Candidate
from mtjfit.planning.draws import ParameterDraws
from mtjfit.planning.response import fisher, measured, number_of, respond, setting
from mtjfit.study import SCATTER, ParameterName

EVERYTHING = "everything"
_LN_2 = float(np.log(2))
_SMALLEST = 1e-12  # scatter, a share of its amplitude, so that its inverse square is finite
_QUARTILES = (0.25, 0.75)
_TINIEST = 1e-100  # of an amplitude that is exactly zero, far below any in any unit


@dataclass(frozen=True)
class Target:
    """A number whose error is to be reduced.

    Attributes
    ----------
    name : str
        ``"everything"``: all coordinates that devices share, by the information about them in bits.
    factors : tuple of str
        Coordinates of which it is the product: one, or those of Λ.
    relative : bool
        True for lengths: the standard deviation of the logarithm counts; False for amplitudes, in their own unit.
    """

    name: str
    factors: tuple[str, ...]
    relative: bool

    def values(self, draws: ParameterDraws) -> FloatArray:
        """Draws of the number itself, or of its logarithm, shape (n,)."""
        if self.relative:
            return np.asarray(sum(np.log(draws.values[name]) for name in self.factors))
        return draws.values[self.factors[0]]

    def now(self, draws: ParameterDraws) -> float:
        """Standard deviation before; NaN for everything."""
        return float("nan") if self.name == EVERYTHING else float(np.std(self.values(draws), ddof=1))

    def gradient(self, draws: ParameterDraws) -> FloatArray:
        """Derivative by every coordinate at each draw, shape (n, m)."""
        out = np.zeros((draws.n, len(draws.names)))
        for name in self.factors:
            k = draws.place[name]
            ln_of_value = self.relative and not draws.coordinates[k].log
            out[:, k] = 1 / draws.values[name] if ln_of_value else 1.0
        return out


def geometric_mean(x: FloatArray) -> float:
    """exp of the mean logarithm: the error with the mean information."""
    return float(np.exp(np.mean(np.log(np.maximum(x, np.finfo(float).tiny)))))


def targets(draws: ParameterDraws) -> dict[str, Target]:
    """All possible targets by name, with Λ where it is a product."""
    found = {}
    for each in draws.coordinates:
        relative = ParameterName(each.name).shapes_kappa and (each.log or bool(np.all(draws.values[each.name] > 0)))
        found[each.name] = Target(each.name, (each.name,), relative)
    for name in map(ParameterName, list(found)):
        if name.base not in ("lambda_sf_N", "D_ratio"):
            continue
        other = "D_ratio" if name.base == "lambda_sf_N" else "lambda_sf_N"
        product, partners = name.of("Lambda"), [each for each in (name.of(other), other) if each in found]
        known_as = draws.parameters[other].value if other in draws.parameters else None
        if partners:
            found.setdefault(product, Target(product, tuple(sorted((name, partners[0]))), True))
        elif known_as is not None and known_as > 0:
            found.setdefault(product, Target(product, (name,), True))
    return found


def target_of(draws: ParameterDraws, name: str) -> Target:
    """The target of this name; MtjfitError if it is no free parameter of the study."""
    if name == EVERYTHING:
        return Target(EVERYTHING, (), False)
    found = targets(draws)
    if name not in found:
        hint = did_you_mean(name, (EVERYTHING, *found))
        if name in draws.parameters and draws.parameters[name].is_fixed:
            hint = "give it a prior in [parameters]: a fixed parameter cannot become better known"
        elif name in ("b1", "a2", "b0") or name not in draws.parameters:
            hint += f"; to ask whether {name} is needed, declare {name} in [parameters] with a prior"
        raise MtjfitError(f"target {name!r} is no free parameter of this study; {hint}")
    return found[name]


def spread_text(sd: float, relative: bool, unit: str = "") -> str:
    """A standard deviation as a percentage, as a factor if above 50 %, or as a number with a unit.

    Examples
    --------
    >>> spread_text(0.052, True), spread_text(1.2, True), spread_text(0.0031, False, "mT/V")
    ('5.2 %', 'a factor of 3.3', '0.0031 mT V⁻¹')
    """
    if not relative:
        return f"{sd:.2g} {pretty(unit)}".rstrip()
    return f"{100 * sd:.2g} %" if sd < 0.5 else f"a factor of {math.exp(sd):.2g}"


@dataclass(frozen=True, eq=False)
class LinearGaussian(ShownAsCard):
    """The precision before a measurement, to which Fisher matrices are added; in units of the prior sd.

    `base`, shape (n, k, k): at each draw, of the k coordinates that count, the others integrated out. `kept`: their
    places: shared ones, factors of the target, and those about which some candidate is informative. `unit`, shape (m,):
    prior standard deviations of all coordinates.
    """

    draws: ParameterDraws
    target: Target
    base: FloatArray
    kept: np.ndarray
    unit: FloatArray

    def information(self, candidate: Candidate) -> FloatArray:
        """Fisher matrices of a candidate at every draw, shape (n, k, k)."""
        every = candidate_fisher(self.draws, candidate) * self.unit[:, None] * self.unit
        return np.asarray(every[:, self.kept[:, None], self.kept])

    def gradient(self, target: Target) -> FloatArray:
        """Derivative of a target at every draw, shape (n, k)."""
        return np.asarray((target.gradient(self.draws) * self.unit)[:, self.kept])

    def spread(self, information: FloatArray, gradient: FloatArray) -> FloatArray:
        """Standard deviation along `gradient` after information of shape (..., n, k, k), shape (..., n)."""
        g = np.broadcast_to(gradient, information.shape[:-1])
        back = np.linalg.solve(self.base + information, g[..., None])[..., 0]
        return np.asarray(np.sqrt(np.sum(g * back, axis=-1)))

    def ratio(self, information: FloatArray, target: Target) -> FloatArray:
        """Standard deviation of a target after information of shape (n, k, k), over that before, shape (n,)."""
        g = self.gradient(target)
        return self.spread(information, g) / self.spread(np.zeros_like(information), g)

    def expected(self, information: FloatArray, target: Target, now: float) -> list[float]:
        """Standard deviation of a target after information of shape (n, k, k), where it is `now`; NaN for everything.

        Its geometric mean over the draws, and the quartiles.
        """
        if target.name == EVERYTHING:
            return [float("nan")] * 3
        ratio = self.ratio(information, target)
        return [float(each) * now for each in (geometric_mean(ratio), *np.quantile(ratio, _QUARTILES))]

    def bits(self, information: FloatArray) -> FloatArray:
        """Information about the shared coordinates, shape (..., n), in bits."""
        return np.asarray((self._log_det(self.base + information) - self._log_det(self.base)) / (2 * _LN_2))

    def _log_det(self, precision: FloatArray) -> FloatArray:
        """ln det of the precision of the shared coordinates, the others integrated out."""
        whole, own = np.linalg.slogdet(precision)[1], ~np.asarray(self.draws.shared[self.kept])
        if not own.any():
            return np.asarray(whole)
        return np.asarray(whole - np.linalg.slogdet(precision[..., own, :][..., own])[1])

    def score(self, information: FloatArray) -> FloatArray:
        """Figure of merit of a choice, shape (...): mean bits, or the mean of −log₂ of the target's sd."""
        if self.target.name == EVERYTHING:
            return np.asarray(self.bits(information).mean(axis=-1))
        return np.asarray(-np.log2(self.spread(information, self.gradient(self.target))).mean(axis=-1))


def candidate_fisher(draws: ParameterDraws, candidate: Candidate) -> FloatArray:
    """Fisher information of all measurements of a candidate, shape (n, m, m)."""
    total = np.zeros((draws.n, len(draws.names), len(draws.names)))
    for measurement in candidate.measurements:
        total += fisher(respond(draws, setting(draws, measurement)))
    return total


def precision_before(draws: ParameterDraws) -> FloatArray:
    """Precision of the coordinates from priors and from the curves that were measured, shape (n, m, m).

    An amplitude of one device that scatters about a shared one, a_j = a ± s |a|, ties the two together.
    """
    total = np.repeat(draws.prior_precision[None], draws.n, axis=0)
    for made in measured(draws):
        total += fisher(respond(draws, made))
        for name, parameter in draws.parameters.items():
            own = ParameterName(name, made.measurement.device)
            if SCATTER + name not in draws.parameters or own not in draws.place:
                continue
            apart, shared = np.zeros(len(draws.names)), draws.label(name, made.measurement)
            apart[draws.place[own]] = 1.0
            if not parameter.is_fixed:
                apart[draws.place[shared]] = -1.0
            scatter = np.maximum(number_of(draws, made.measurement, SCATTER + name), _SMALLEST)
            size = np.maximum(np.abs(number_of(draws, made.measurement, name)) * scatter, _TINIEST)
            total += apart[:, None] * apart * (size**-2.0)[:, None, None]
    return np.asarray(total)


def linear_gaussian(draws: ParameterDraws, target: Target, candidates: Sequence[Candidate]) -> LinearGaussian:
    """Prepare the approximation for candidates, whose parameters have draws already (`ParameterDraws.with_new`)."""
    unit = np.where(np.isfinite(draws.prior_sd), draws.prior_sd, 1.0)
    before = precision_before(draws) * unit[:, None] * unit
    few = draws.thinned(4)
    touched = draws.shared | np.any(target.gradient(draws) != 0, axis=0)
    for candidate in candidates:
        touched |= np.any(np.diagonal(candidate_fisher(few, candidate), axis1=-2, axis2=-1) > 0, axis=0)
    kept = np.flatnonzero(touched)
    if kept.size < len(draws.names):
        covariance = np.linalg.inv(before)
        before = np.linalg.inv(covariance[:, kept[:, None], kept])
    return LinearGaussian(draws, target, before, kept, unit)
