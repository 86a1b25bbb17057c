"""Errors of the values of one curve: correlated between components and points, and enlarged by errors of the bias.

An error of V moves both components of its point along their curves, by T'(V) δV. To first order in δV, and with the
slopes held at those of the curve's own polynomials (effective variance), a point then has

    var T_par = σ_par² + s_par² σ_V²,  var T_perp = σ_perp² + s_perp² σ_V²,  cov = ρ σ_par σ_perp + s_par s_perp σ_V².
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.data import TorqueCurve
from mtjfit.study import DOF, JITTER, Study

_ROUNDS = 2


@dataclass(frozen=True)
class PointErrors:
    """Covariance of the values in use of one curve: all in-plane values, then all out-of-plane ones."""

    # variance of each point, shape (n,); infinite where this component is not in use
    par: FloatArray
    perp: FloatArray  # likewise
    cross: FloatArray  # covariance of the two components of each point
    # covariance that comes on top, where points are not independent of each other, shape (2n, 2n), or None
    rest: FloatArray | None = None

    @cached_property
    def counts(self) -> BoolArray:
        """True for values in use, shape (2n,)."""
        return np.asarray(np.isfinite(np.concatenate([self.par, self.perp])))

    @cached_property
    def _cholesky(self) -> FloatArray:
        """Lower factor of the matrix of the values in use; only where points depend on each other."""
        assert self.rest is not None  # noqa: S101 - asked for in no other case
        n, C = self.par.size, np.array(self.rest)
        k = np.arange(n)
        C[k, k] += self.par
        C[n + k, n + k] += self.perp
        C[k, n + k] += self.cross
        C[n + k, k] += self.cross
        return np.asarray(np.linalg.cholesky(C[np.ix_(self.counts, self.counts)]), dtype=float)

    @cached_property
    def _by_point(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower Cholesky factor of the 2 × 2 matrix of each point."""
        first = np.sqrt(self.par)
        mixed = self.cross / first
        return first, mixed, np.sqrt(self.perp - mixed**2)

    def whitened(self, columns: FloatArray) -> FloatArray:
        """C^(−1/2) times columns of shape (2n, m), by the Cholesky factor of C; 0 for values that are not in use."""
        if self.rest is not None:
            white = np.zeros_like(columns)
            white[self.counts] = np.linalg.solve(self._cholesky, columns[self.counts])
            return np.asarray(white)
        first, mixed, second = (part[:, None] for part in self._by_point)
        par, perp = np.split(columns, 2)
        par = par / first
        return np.concatenate([par, (perp - mixed * par) / second])

    @property
    def log_sigma(self) -> float:
        """½ ln det C: Σ ln σ where errors are independent."""
        if self.rest is not None:
            return float(np.sum(np.log(np.diagonal(self._cholesky))))
        first, _, second = self._by_point
        return float(np.sum(np.log(np.concatenate([first, second])[self.counts])))


def known_errors(curve: TorqueCurve, scale: float) -> PointErrors:
    """Errors of the points in use as declared, without those of the bias, after multiplication by `scale`."""
    if curve.sigma_par is None or curve.sigma_perp is None:
        raise ValueError(f"the errors of device {curve.name!r} are not known")
    used, counts = curve.used, curve.used_values[:, curve.used]
    if curve.covariance is not None:
        both, (par, perp) = np.concatenate([used, used]), np.where(counts, 0.0, np.inf)
        return PointErrors(par, perp, np.zeros(curve.n_used), curve.covariance[np.ix_(both, both)] * scale**2)
    sigma = np.stack([curve.sigma_par[used], curve.sigma_perp[used]]) * scale
    rho = np.zeros(curve.n_used) if curve.rho is None else curve.rho[used]
    cross = np.where(counts.all(axis=0), rho * sigma[0] * sigma[1], 0.0)
    par, perp = np.where(counts, sigma**2, np.inf)
    return PointErrors(par, perp, cross)


def values_in_use(curve: TorqueCurve, scale: float) -> FloatArray:
    """In-plane, then out-of-plane values of the points in use, shape (2n,), times `scale`; 0 if one is not in use."""
    values = np.stack([curve.par[curve.used], curve.perp[curve.used]])
    return np.asarray(np.where(curve.used_values[:, curve.used], values * scale, 0.0).ravel())


def effective_errors(curve: TorqueCurve, scale: float, design: FloatArray, slope: FloatArray) -> PointErrors:
    """Errors of the points in use with those of the bias added by effective variance.

    The slopes are those of the curve's own weighted polynomials, one for each component, fitted before anything else
    and then held: the result does not depend on any parameter of the model. An approximation: it needs polynomials
    that bend little within σ_V, points enough to fix the slopes, and errors of the bias that are independent from point
    to point. For 21 points within ±0.5 V that follow a1 V and b2 V², a σ_V of 30 mV, far above the torques' own
    errors, leaves the widths of a1 and b2 right to 1 % and their means to 0.4 of a width, against the integral over all
    true biases; the difference falls in proportion to σ_V.

    `scale` turns the numbers of the curve into the unit of the study; `design` and `slope`, shape (n_used, P), are the
    polynomials' terms at each bias in use, and their derivatives by V.
    """
    known = known_errors(curve, scale)
    if curve.sigma_bias is None:
        return known
    P, used = design.shape[1], curve.used
    zero = np.zeros_like(design)
    terms = np.block([[design, zero], [zero, design]])
    y = values_in_use(curve, scale)[:, None]
    errors, variance = known, curve.sigma_bias[used] ** 2
    for _ in range(_ROUNDS):
        white = errors.whitened(np.hstack([terms, y]))
        coefficients = np.linalg.lstsq(white[:, :-1], white[:, -1])[0]
        par, perp = slope @ coefficients[:P], slope @ coefficients[P:]
        errors = replace(
            known,
            par=known.par + par**2 * variance,
            perp=known.perp + perp**2 * variance,
            cross=known.cross + par * perp * variance,
        )
    return errors


def noise_words(study: Study) -> str:
    """The noise model that a study declares and what it assumes, in a few sentences for a report.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> noise_words(load_study(dataset("thickness-series").study_file))
    'Errors are normal, with the standard errors of the data. This assumes that they are right and independent of each \
other.'
    """
    return " ".join(_sentences(study))


def _sentences(study: Study) -> Iterator[str]:
    known = [curve for curve in study.curves if not curve.sigma_is_fitted]
    fitted = len(known) < len(study.curves)
    source = "with fitted scales" if not known else "with the standard errors of the data"
    source += " and, for curves without any, fitted scales" if known and fitted else ""
    jitter = [name.removeprefix("jitter_") for name in JITTER if name in study.parameters]
    correlated = any(curve.rho is not None or curve.covariance is not None for curve in known)
    if DOF in study.parameters:
        value = study.parameters[DOF].value
        nu = "a sampled number of degrees" if value is None else f"{value:g} degrees"
        yield f"The errors are Student-t errors of {nu} of freedom {source} as their scale."
        yield "This assumes independent errors; a single point far out moves the result little."
        yield "The best fit and χ² draw points in as far as these tails let them count, judged by their scatter about"
        yield "each device's own polynomials."
    elif jitter:
        which = " and ".join({"par": "in-plane", "perp": "out-of-plane"}[each] for each in jitter)
        yield f"Errors are normal, {source}, enlarged by a sampled jitter s of the {which} component: σ² = σ_k² + s²."
        yield "This assumes that what the errors lack is the same at every point and independent from point to point."
        yield "The best fit and χ² use the jitter that the scatter about each device's own polynomials shows."
    else:
        yield f"Errors are normal, {source}."
        if fitted:
            yield "This assumes one scale for all points that share it, and errors that are independent of each other."
        elif not correlated:
            yield "This assumes that they are right and independent of each other."
    if correlated:
        how = [("rho", "between the two components of a point"), ("covariance", "in the covariance of all values")]
        found = [words for name, words in how if any(getattr(curve, name) is not None for curve in known)]
        yield f"Correlations are as declared, {' or '.join(found)}, and taken to be right."
    if any(curve.sigma_bias is not None for curve in known):
        yield "Errors of the bias are included by effective variance, with the slopes of each device's own polynomials."
        yield "This assumes that they are small, and independent from point to point."
