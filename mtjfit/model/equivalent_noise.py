"""Studies with jitter or Student-t errors as studies with equivalent normal errors, for best fits and χ².

*Jitter* goes into the errors: σ² + s², with s from the scatter of each device about its own polynomials, by restricted
maximum likelihood (Patterson and Thompson, Biometrika 58, 545 (1971)) times the prior.

*Student-t*: a point at u standard errors from its polynomial is drawn in to u (ν + 3)/(ν + u²), and its error becomes
σ √((ν + 3)/(ν + 1)), a little more where points are few. Least squares over these pseudo-values find the maximum of the
t likelihood, with its errors (Huber, Ann. Stat. 1, 799 (1973); Bickel, Scand. J. Stat. 3, 145 (1976)), and their χ² has
no larger mean and a smaller variance than that of normal errors. ν is the most probable one for the scatter about the
polynomials. Eleven points for each component under ν = 2 still leave variances of coefficients a fifth too small.

Eq. 12 does not enter: only polynomials are fitted, so that it can still be tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import t as student

from mtjfit.arrays import FloatArray
from mtjfit.data import TorqueCurve
from mtjfit.model.compress import PointTable
from mtjfit.model.layout import in_use, once_per_study, with_own_amplitudes
from mtjfit.model.likelihood import FullPosterior, full_posterior
from mtjfit.study import DOF, JITTER, NOISE, Parameter, Prior, Study, parse_amplitude

Scales: TypeAlias = Sequence[Sequence[tuple[np.ndarray, float | None]]]
"""For each component: devices without errors of their own that share a scale, as masks, and the scale if declared."""
Usual: TypeAlias = Callable[[FloatArray], float]

_ROUNDS = 300
_SOME = 30
_NEAR = 1e-5  # standard errors: enough to compare degrees of freedom
_GRID = 33
_EXACT, _NOTHING = 1e-9, 1e-100  # a scale of points that follow their polynomials, of points that are all 0
_RIDGE = 1e-14  # of the largest weight
_MOST_DOF = 200.0  # more degrees of freedom cannot be distinguished from normal errors


@dataclass(frozen=True)
class Scatter:
    """One component of all points, and an orthonormal basis of what the polynomials of each device reach."""

    counts: np.ndarray  # shape (J, N)
    y: FloatArray  # shape (J, N)
    var: FloatArray  # likewise
    basis: FloatArray  # columns that are not needed are 0, shape (J, N, P)
    idle: FloatArray  # 1 on the diagonal of those, shape (J, P, P)

    @classmethod
    def of(cls, points: PointTable, component: int) -> Scatter:
        counts = points.counts[component]
        design = points.design * counts[..., None]
        u, s, _ = np.linalg.svd(design / np.maximum(np.abs(design).max(axis=1, keepdims=True), 1e-300), False)
        P = design.shape[-1]
        needed = np.zeros((design.shape[0], P), dtype=bool)
        needed[:, : s.shape[1]] = s > 1e-10 * s.max(axis=1, keepdims=True)
        basis = np.zeros_like(design)
        basis[..., : u.shape[-1]] = u
        y, var = ((points.par, points.var_par), (points.perp, points.var_perp))[component]
        idle = np.where(needed, 0.0, 1.0)[..., None] * np.eye(P)
        return cls(counts, y, var, basis * needed[:, None, :], idle)

    def part(self, members: np.ndarray) -> Scatter:
        """Some of the devices."""
        return Scatter(*(each[members] for each in (self.counts, self.y, self.var, self.basis, self.idle)))

    def fitted(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted polynomials at the points, shape (J, N), and ln det of their precision, shape (J,)."""
        size = np.max(weights, axis=1, keepdims=True, where=self.counts, initial=0.0)
        size = np.where(size > 0, size, 1.0)  # so that no precision underflows beside the ones of idle columns
        W = (weights * self.counts / size)[..., None] * self.basis
        precision = np.swapaxes(self.basis, -1, -2) @ W + self.idle
        right = np.sum(W * self.y[..., None], axis=1)
        try:
            middle = self.basis @ np.linalg.solve(precision, right[..., None])
        except np.linalg.LinAlgError:  # nearly all weight on fewer points than columns: the others get what is left
            precision = precision + _RIDGE * np.eye(precision.shape[-1])
            middle = self.basis @ np.linalg.solve(precision, right[..., None])
        needed = self.basis.shape[-1] - np.trace(self.idle, axis1=-2, axis2=-1)
        log_det = np.linalg.slogdet(precision)[1] + needed * np.log(size[:, 0])
        return np.asarray(middle[..., 0]), np.asarray(log_det)


@dataclass(frozen=True)
class Robust:
    """Polynomials of highest t likelihood: both components, shapes (2, J, N), (2, J, N), and ln L, shape (J,)."""

    middle: FloatArray
    sigma: FloatArray
    log_likelihood: FloatArray


def robust(
    points: PointTable, scales: Scales, nu: FloatArray, start: Robust | None = None, settled: float = 1e-10
) -> Robust:
    """Polynomials for degrees of freedom of each device, shape (J,), by iterated weights; fitted scales with them.

    Settled where no polynomial moves by more standard errors. Of several maxima, which t may have for few degrees of
    freedom, the one next to least absolute deviations.
    """
    both = tuple(Scatter.of(points, c) for c in range(2))
    y, counts, nu = np.stack([each.y for each in both]), points.counts, nu[:, None]
    least = _NOTHING + _EXACT * np.max(np.abs(y), axis=(1, 2), where=counts, initial=0.0)
    if start is None:
        sigma = np.sqrt(np.where(counts, np.stack([each.var for each in both]), 1.0))
        rough = np.stack([each.fitted(np.ones_like(each.y))[0] for each in both])
        # in the unit of the data before anything is weighed by it
        _set_scales(sigma, scales, counts, (y - rough) ** 2, _root_mean, least)
        middle = _absolute(both, sigma)
        _set_scales(sigma, scales, counts, np.abs(y - middle), lambda away: 1.5 * float(np.median(away)), least)
    else:
        middle, sigma = start.middle, start.sigma.copy()
    for _ in range(_ROUNDS):
        new, weights = _step(both, nu, sigma, middle)
        _set_scales(sigma, scales, counts, weights * (y - new) ** 2, _root_mean, least)
        moved, middle = np.max(np.abs(new - middle) / sigma, where=counts, initial=0.0), new
        if moved < settled:
            break
    return Robust(middle, sigma, _log_t(both, nu, sigma, middle).sum(axis=0))


def _root_mean(squares: FloatArray) -> float:
    return float(np.sqrt(np.mean(squares)))


def _set_scales(
    sigma: FloatArray, scales: Scales, counts: np.ndarray, away: FloatArray, usual: Usual, least: FloatArray
) -> None:
    """Set declared scales in `sigma`, shape (2, J, N), and the others to the usual size of `away`, at least `least`.

    `counts` has the same shape.
    """
    for c in range(2):
        for members, scale in scales[c]:
            inside = away[c, members][counts[c, members]]
            sigma[c, members] = max(usual(inside), least[c]) if scale is None else scale


def _step(
    both: tuple[Scatter, ...], nu: FloatArray, sigma: FloatArray, middle: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Polynomials with the weights that t gives to the residuals of others, and these weights."""
    y = np.stack([each.y for each in both])
    weights = (nu + 1) / (nu + ((y - middle) / sigma) ** 2)
    return np.stack([one.fitted(w / s**2)[0] for one, w, s in zip(both, weights, sigma, strict=True)]), weights


def _log_t(both: tuple[Scatter, ...], nu: FloatArray, sigma: FloatArray, middle: FloatArray) -> FloatArray:
    """ln L of each component and device, shape (2, J)."""
    y = np.stack([each.y for each in both])
    density = student.logpdf((y - middle) / sigma, nu) - np.log(sigma)
    return np.asarray(np.sum(density, axis=-1, where=np.stack([each.counts for each in both])))


def _absolute(both: tuple[Scatter, ...], sigma: FloatArray) -> FloatArray:
    """Polynomials of nearly least absolute deviation."""
    y = np.stack([one.y for one in both])
    weights = np.ones_like(y)
    for _ in range(_SOME):
        middle = np.stack([one.fitted(w / s**2)[0] for one, w, s in zip(both, weights, sigma, strict=True)])
        weights = 1 / np.maximum(np.abs(y - middle) / sigma, 1e-3)
    return middle


def _most_probable(log_density: Callable[[float], float], low: float, high: float) -> float:
    """exp of the place of the highest maximum over ln x."""
    grid = np.linspace(np.log(low), np.log(high), _GRID)
    heights = [log_density(each) for each in grid]
    k = int(np.argmax(heights))
    ends = (float(grid[max(k - 1, 0)]), float(grid[min(k + 1, _GRID - 1)]))
    found = minimize_scalar(lambda each: -log_density(float(each)), bounds=ends, method="bounded")
    return float(np.exp(found.x if -found.fun >= heights[k] else grid[k]))


def most_probable_jitter(scatter: Scatter, prior: Prior, members: np.ndarray) -> float:
    """The most probable jitter of one component of some devices, by restricted maximum likelihood."""
    scatter = scatter.part(members)
    counts, var = scatter.counts, np.where(scatter.counts, scatter.var, 1.0)

    def log_density(ln_s: float) -> float:
        total = var + np.exp(2 * ln_s)
        middle, log_det = scatter.fitted(1 / total)
        square = np.log(total) + (scatter.y - middle) ** 2 / total
        return float(-0.5 * (np.sum(square, where=counts) + np.sum(log_det)) + prior.logpdf(np.exp(ln_s)) + ln_s)

    usual = np.sqrt(var[counts])
    far = np.sqrt(np.mean((scatter.y - scatter.fitted(1 / var)[0])[counts] ** 2))
    low = max(1e-3 * float(usual.min()), prior.support[0])
    high = min(10 * float(max(usual.max(), far)), prior.support[1])
    return _most_probable(log_density, low, high) if high > low else prior.support[0]


def most_probable_degrees(
    points: PointTable, scales: Scales, prior: Prior, members: np.ndarray, start: Robust | None
) -> tuple[float, Robust | None]:
    """The most probable degrees of freedom of some devices, and polynomials for the next search to start from."""

    def log_density(ln_nu: float) -> float:
        nonlocal start
        start = robust(points, scales, np.full(points.par.shape[0], np.exp(ln_nu)), start, _NEAR)
        likelihood = float(np.sum(start.log_likelihood, where=members))
        return likelihood + float(prior.logpdf(np.exp(ln_nu))) + ln_nu

    low, high = max(prior.support[0], 1.0), min(prior.support[1], _MOST_DOF)
    return (_most_probable(log_density, low, high) if high > low else low), start


def declares_noise(study: Study) -> bool:
    """True where the study has jitter or Student-t errors."""
    return any(name in study.parameters for name in (*JITTER, DOF))


def as_normal(study: Study, noise: Mapping[str, float] | None = None) -> Study:
    """The study with normal errors in place of its noise model; the study itself if it has none but these.

    Parameters
    ----------
    noise : mapping of str to float, optional
        Jitter, or degrees of freedom, by their names in tables, if they are free; by default from the scatter, see
        `noise_of_points`.

    Returns
    -------
    Study
        Without jitter and degrees of freedom among its parameters. Not for drawing: its points are no data.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import LogNormal, Parameter, load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> as_normal(study) is study
    True
    >>> jitter = {"jitter_par": Parameter("jitter_par", LogNormal(0.1, 3.0))}
    >>> "jitter_par" in as_normal(study.replace(parameters={**study.parameters, **jitter})).parameters
    False
    """
    if noise is None:
        return _as_normal(study)
    if not declares_noise(study):
        return study
    parameters = {name: one for name, one in study.parameters.items() if name not in (*JITTER, DOF)}
    if DOF in study.parameters:
        curves = _drawn_in(study, noise)
    else:
        curves = tuple(_enlarged(study, curve, noise) for curve in study.curves)
    return study.replace(curves=curves, parameters=parameters)


@once_per_study
def _as_normal(study: Study) -> Study:
    return as_normal(study, noise_of_points(study)) if declares_noise(study) else study


def least_squares_model(study: Study) -> FullPosterior:
    """The likelihood that least squares maximises: normal errors, and own amplitudes in place of scatter."""
    return full_posterior(with_own_amplitudes(as_normal(study)))


@once_per_study
def noise_of_points(study: Study) -> dict[str, float]:
    """Jitter, or degrees of freedom, from the scatter of the points about polynomials of the declared powers of V.

    Of those that are free, by names in tables.
    """
    points = _points(study)
    found = {}
    for c, name in enumerate(JITTER):
        for label, declared, members in _units(study, name):
            if declared.free_prior is not None and points.counts[c, members].any():
                found[label] = most_probable_jitter(Scatter.of(points, c), declared.free_prior, members)
    start = None
    for label, declared, members in _units(study, DOF):
        if declared.free_prior is not None:
            found[label], start = most_probable_degrees(points, _scales(study), declared.free_prior, members, start)
    return found


def student_scales(study: Study) -> dict[str, float]:
    """Fitted scales of Student-t errors by their names in tables; those of the pseudo-values are larger.

    Empty without Student-t errors, and where all errors are known.
    """
    if DOF not in study.parameters or not any(curve.sigma_is_fitted for curve in study.curves):
        return {}
    sigma = _robust_of(study, noise_of_points(study))[1].sigma
    return {
        label: float(sigma[c, np.flatnonzero(without & members)[0], 0])
        for c, name in enumerate(NOISE)
        for without in [_without_errors(study) & in_use(study, name)]
        for label, declared, members in _units(study, name)
        if not declared.is_fixed and np.any(without & members)
    }


def _points(study: Study) -> PointTable:
    return PointTable.of(study, np.unique([parse_amplitude(name)[1] for name in study.amplitudes]))


def _value(parameter: Parameter, curve: TorqueCurve, noise: Mapping[str, float]) -> float:
    return noise[parameter.name_for(curve)] if parameter.value is None else parameter.value


def _units(study: Study, name: str) -> Iterator[tuple[str, Parameter, np.ndarray]]:
    """Name, declaration and devices of each number that a parameter stands for; nothing if it is not declared."""
    if name not in study.parameters:
        return
    names = np.array(study.names_of(name))
    for each in dict.fromkeys(names.tolist()):
        yield each, study.parameters[name], names == each


def _enlarged(study: Study, curve: TorqueCurve, noise: Mapping[str, float]) -> TorqueCurve:
    """A curve with the jitter in its errors; the covariance of the two components of a point stays."""
    if curve.sigma_par is None or curve.sigma_perp is None:
        return curve
    sigma = []
    for c, (name, known) in enumerate(zip(JITTER, (curve.sigma_par, curve.sigma_perp), strict=True)):
        acts = name in study.parameters and curve.used_values[c].any()
        s = _value(study.parameters[name], curve, noise) if acts else 0.0
        sigma.append(np.hypot(known, s / study.scale_of(curve)))
    rho = None if curve.rho is None else curve.rho * (curve.sigma_par * curve.sigma_perp) / (sigma[0] * sigma[1])
    return replace(curve, sigma_par=sigma[0], sigma_perp=sigma[1], rho=rho)


def _without_errors(study: Study) -> np.ndarray:
    return np.array([curve.sigma_is_fitted for curve in study.curves])


def _robust_of(study: Study, noise: Mapping[str, float]) -> tuple[FloatArray, Robust]:
    """Degrees of freedom of each device, shape (J,), and the polynomials of highest t likelihood."""
    nu = np.array([_value(study.parameters[DOF], curve, noise) for curve in study.curves])
    return nu, robust(_points(study), _scales(study), nu)


def _scales(study: Study) -> Scales:
    without = _without_errors(study)
    each = (
        [(members & without & in_use(study, name), declared.value) for _, declared, members in _units(study, name)]
        for name in NOISE
    )
    return [[(members, scale) for members, scale in scales if members.any()] for scales in each]


def _drawn_in(study: Study, noise: Mapping[str, float]) -> tuple[TorqueCurve, ...]:
    """Curves of pseudo-values."""
    points, (nu, best) = _points(study), _robust_of(study, noise)
    u = (np.stack([points.par, points.perp]) - best.middle) / best.sigma
    pseudo = best.middle + best.sigma * u * (nu[:, None] + 3) / (nu[:, None] + u**2)
    wider = np.sqrt((nu + 3) / (nu + 1))
    fews = _of_few_points(nu, points.design.shape[-1] / np.maximum(points.counts.sum(axis=2), 1))
    curves = []
    for j, curve in enumerate(study.curves):
        values, errors, scale = [], [], study.scale_of(curve)
        for c, mine in enumerate(points.counts[:, j]):
            (old, known), few = curve.component(c), fews[c, j]
            new, declared = np.array(old), study.parameters.get(NOISE[c])
            if known is None and declared is not None and declared.value is not None:
                known = np.full(new.size, declared.value / scale)
            away = (pseudo - best.middle)[c, j, mine] * (few if known is None else 1.0)
            new[curve.used_values[c]] = (best.middle[c, j, mine] + away) / scale
            values.append(new)
            errors.append(None if known is None else known * wider[j] * few)
        curves.append(replace(curve, par=values[0], perp=values[1], sigma_par=errors[0], sigma_perp=errors[1]))
    return tuple(curves)


def _of_few_points(nu: FloatArray, share: FloatArray) -> FloatArray:
    """Factor by which errors of few points are larger: 1 + p/n var ψ'/(E ψ')², with ψ' in the moments of u²/(ν + u²).

    Huber (1973), eq. 7.1; `share` is p/n, coefficients by points.
    """
    m = np.cumprod([(0.5 + k) / ((nu + 1) / 2 + k) for k in range(4)], axis=0)
    square = ((nu + 1) / nu) ** 2 * (1 - 6 * m[0] + 13 * m[1] - 12 * m[2] + 4 * m[3])
    return np.asarray(1 + share * (square * ((nu + 3) / (nu + 1)) ** 2 - 1))
