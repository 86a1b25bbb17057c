"""Fit lines to many spectra at once: the best of many trial lines, then Levenberg-Marquardt over centres and widths.

`fit_spectrum` fits one with lmfit: a public result, and the reference that the batch is tested against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.spectra.lineshape import complex_line
from mtjfit.spectra.projection import Projection, ScaledSpectra, project
from mtjfit.spectra.spectrum import LineFits, LineModel, line_gradient, line_values

if TYPE_CHECKING:
    from lmfit import Parameters
    from lmfit.minimizer import MinimizerResult

_CHUNK = 512
_MOST_STEPS = 120
_SMALL = 1e-10  # convergence: the last step moves centres by less than this many widths
_FARTHEST = 1.0  # centres stay within the sweep
_WIDEST = np.log(4.0)
_NARROWEST = 0.5  # of the spacing of points


def stacked(xs: Sequence[FloatArray], ys: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Spectra of different lengths as rows of x and y, padded with zeros, and a mask that is False there."""
    n = max(x.size for x in xs)
    x_all, y_all, used = np.zeros((len(xs), n)), np.zeros((len(xs), n)), np.zeros((len(xs), n), dtype=bool)
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        x_all[i, : x.size], y_all[i, : x.size], used[i, : x.size] = x, y, True
    return x_all, y_all, used


def fit_lines(
    x: FloatArray,
    y: FloatArray,
    model: LineModel | None = None,
    *,
    used: BoolArray | None = None,
    progress: Callable[[int], object] | None = None,
) -> LineFits:
    """Fit every spectrum separately; no starting values are needed.

    Variable projection: at given centres and widths the best amplitudes and background follow from a linear system, so
    that only the centres and widths are searched for, with analytic derivatives (Golub and Pereyra 1973, Kaufman 1975).

    x and y, shape (N, n) (x may be of shape (n,)), are frequency or field, in any order, and voltages; `used` is False
    at padded points. The model is one line on a sloping background by default. ValueError for a spectrum without a
    span, or with no more points than parameters. `progress` gets the number of spectra that were just finished.

    Examples
    --------
    >>> f = np.linspace(4.0, 6.0, 101)
    >>> u = (f - 5.0) / 0.1
    >>> fits = fit_lines(f, (3.0 / (1 + u**2) + 1.0 * u / (1 + u**2) + 0.2 * f)[None])
    >>> [round(float(each[0, 0]), 6) for each in (fits.centre, fits.half_width, fits.s, fits.a)]
    [5.0, 0.1, 3.0, 1.0]
    """
    model = LineModel() if model is None else model
    y = np.asarray(y, dtype=float)
    x = np.broadcast_to(np.asarray(x, dtype=float), y.shape)
    used = np.ones(y.shape, dtype=bool) if used is None else used
    n = used.sum(axis=1)
    if model.form == "oscillator" and not np.all((x > 0) | ~used):
        raise ValueError("an oscillator needs frequencies above zero")
    if np.any(n <= model.n_parameters):
        raise ValueError(f"a spectrum has {n.min()} points; {model.n_parameters} parameters need more")
    parts = []
    for start in range(0, y.shape[0], _CHUNK):
        rows = slice(start, start + _CHUNK)
        parts.append(_fit_chunk(x[rows], y[rows], model, used[rows], n[rows]))
        if progress is not None:
            progress(len(y[rows]))
    if not parts:
        raise ValueError("no spectra")
    arrays = (np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(LineFits)[1:])
    return LineFits(model, *arrays)


def _fit_chunk(x: FloatArray, y: FloatArray, model: LineModel, used: BoolArray, n: FloatArray) -> LineFits:
    if not np.all(np.where(used, x, -np.inf).max(axis=1) > np.where(used, x, np.inf).min(axis=1)):
        raise ValueError("a spectrum has no span")
    data = ScaledSpectra.of(x, y, model.degree, used)
    modulation = None if model.modulation is None else float(model.modulation / data.half_span.mean())
    centre = np.empty((y.shape[0], 0))
    log_width = np.empty((y.shape[0], 0))
    residual = data
    for k in range(1, model.modes + 1):
        # Lines are added one by one; each starts where it explains most of the residual of the others.
        new_centre, new_width = starts(residual, model.degree, modulation)
        centre, log_width = np.column_stack([centre, new_centre]), np.column_stack([log_width, new_width])
        partial = replace(model, modes=k)
        centre, log_width, found, converged, iterations = search(data, partial, centre, log_width)
        if k < model.modes:
            residual = replace(data, y=found.residual)
    return _unscaled(data, model, centre, log_width, found, converged, iterations, n)


def search(
    data: ScaledSpectra, model: LineModel, centre: FloatArray, log_width: FloatArray
) -> tuple[FloatArray, FloatArray, Projection, BoolArray, FloatArray]:
    """Levenberg-Marquardt from given centres and log widths; every spectrum has its own damping and its own end.

    Returns centre, log_width, projection, converged and iterations of each spectrum at the end of its search.
    """
    n, k = centre.shape
    centre, log_width = centre.copy(), log_width.copy()
    lowest = np.log(_NARROWEST * data.spacing)[:, None]
    log_width = np.clip(log_width, lowest, _WIDEST)
    at = project(data, model, centre, log_width)
    found = {each.name: getattr(at, each.name).copy() for each in fields(at)}
    damping = np.full(n, 1e-3)
    done, iterations = np.zeros(n, dtype=bool), np.zeros(n, dtype=int)
    for _ in range(_MOST_STEPS):
        rows = np.flatnonzero(~done)
        if not rows.size:
            break
        here = Projection(**{name: values[rows] for name, values in found.items()})
        step = _step(here, damping[rows])
        width = np.exp(log_width[rows])
        step[:, :k] = np.clip(step[:, :k], -3 * width, 3 * width)
        step[:, k:] = np.clip(step[:, k:], -1.0, 1.0)
        trial_c = np.clip(centre[rows] + step[:, :k], -_FARTHEST, _FARTHEST)
        trial_w = np.clip(log_width[rows] + step[:, k:], lowest[rows], _WIDEST)
        there = project(data.part(rows), model, trial_c, trial_w)
        moved = np.maximum(np.abs(trial_c - centre[rows]) / width, np.abs(trial_w - log_width[rows])).max(axis=1)
        better = there.rss <= here.rss
        taken = rows[better]
        centre[taken], log_width[taken] = trial_c[better], trial_w[better]
        for name, values in found.items():
            values[taken] = getattr(there, name)[better]
        damping[rows] = np.where(better, np.maximum(damping[rows] * 0.1, 1e-12), damping[rows] * 8)
        iterations[rows] += 1
        # Large damping: steps no longer change the rss beyond rounding.
        done[rows] = (moved < _SMALL) | (~better & (damping[rows] > 1e10))
    inside = np.all((np.abs(centre) < _FARTHEST) & (log_width < _WIDEST - 1e-9) & (log_width > lowest + 1e-9), axis=1)
    return centre, log_width, Projection(**found), done & inside, iterations


def _step(at: Projection, damping: FloatArray) -> FloatArray:
    curvature = at.reduced()
    diagonal = np.einsum("ijj->ij", curvature).copy()
    floor = 1e-12 * np.einsum("ijj->ij", at.curvature) + 1e-300
    index = np.arange(diagonal.shape[1])
    curvature[:, index, index] = diagonal + damping[:, None] * np.maximum(diagonal, floor) + floor
    return np.asarray(np.linalg.solve(curvature, at.gradient[..., None])[..., 0])


def _unscaled(
    data: ScaledSpectra,
    model: LineModel,
    centre: FloatArray,
    log_width: FloatArray,
    at: Projection,
    converged: BoolArray,
    iterations: FloatArray,
    n: FloatArray,
) -> LineFits:
    k = model.modes
    order = np.argsort(centre, axis=1, kind="stable")
    span, scale = data.half_span[:, None], data.scale[:, None]
    width = np.exp(log_width)
    # Jacobian of the parameters with units by (centre, log width, linear), all in scaled units.
    sizes = [np.broadcast_to(span, width.shape), span * width, np.broadcast_to(scale, at.c.shape)]
    units = np.concatenate(sizes, axis=1)
    upper = np.concatenate([at.curvature, np.swapaxes(at.cross, 1, 2)], axis=2)
    full = np.concatenate([upper, np.concatenate([at.cross, at.gram], axis=2)], axis=1)
    rss = at.rss * data.scale**2
    variance = at.rss / np.maximum(n - model.n_parameters, 1)
    covariance = _inverse(full) * variance[:, None, None] * units[:, :, None] * units[:, None, :]
    rest = np.broadcast_to(np.arange(4 * k, full.shape[1]), (n.size, full.shape[1] - 4 * k))
    columns = np.concatenate([order, k + order, 2 * k + order, 3 * k + order, rest], axis=1)
    covariance = np.take_along_axis(np.take_along_axis(covariance, columns[:, :, None], 1), columns[:, None, :], 2)
    linear = at.c * scale
    unordered = (data.middle[:, None] + span * centre, span * width, linear[:, :k], linear[:, k : 2 * k])
    x0, sigma, s, a = (np.take_along_axis(each, order, 1) for each in unordered)
    return LineFits(model, x0, sigma, s, a, linear[:, 2 * k :], covariance, rss, n, converged, iterations)


def _inverse(matrices: FloatArray) -> FloatArray:
    """Inverses of positive semidefinite matrices; directions that nothing determines get a huge variance."""
    size = np.sqrt(np.maximum(np.einsum("ijj->ij", matrices), 1e-200))
    values, vectors = np.linalg.eigh(matrices / size[:, :, None] / size[:, None, :])
    inverse = (vectors / np.maximum(values, 1e-14)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    return np.asarray(inverse / size[:, :, None] / size[:, None, :])


_MOST_POINTS = 600
_WIDEST_TRIAL = 0.7  # in half spans
_FACTOR = 1.6


def starts(data: ScaledSpectra, degree: int, modulation: float | None) -> tuple[FloatArray, FloatArray]:
    """Centre and log width to start from, each of shape (N,), in scaled units: the best of many trial lines.

    Trial lines on one abscissa are made orthogonal to the background, so that one product gives what each of them would
    explain of all spectra. `modulation` is in half spans; where the spectra differ in it, their mean is good enough.
    """
    t, y = _common_grid(data)
    centre, width = _trials(t.size)
    line = complex_line(t[:, None], centre, width, modulation)
    flat = np.linalg.qr(np.polynomial.legendre.legvander(t, degree))[0] if degree >= 0 else np.zeros((t.size, 1))

    def without_background(values: FloatArray) -> FloatArray:
        return np.asarray(values - flat @ (flat.T @ values))

    first, second = without_background(line.real), without_background(line.imag)
    first /= np.linalg.norm(first, axis=0)
    second -= first * np.einsum("ij,ij->j", first, second)
    second /= np.linalg.norm(second, axis=0)
    best = np.argmax((y @ first) ** 2 + (y @ second) ** 2, axis=1)
    return centre[best], np.log(width)[best]


def _trials(n: int) -> tuple[FloatArray, FloatArray]:
    """Centres and widths; neighbours are about a half width apart, closer than a fit needs to find the minimum."""
    spacing = 2 / (n - 1)
    narrowest = min(1.5 * spacing, _WIDEST_TRIAL / 2)  # one odd point is no line
    many = max(2, round(np.log(_WIDEST_TRIAL / narrowest) / np.log(_FACTOR)) + 1)
    pairs = [
        (centre, width)
        for width in np.geomspace(narrowest, _WIDEST_TRIAL, many)
        for centre in np.linspace(-1, 1, max(9, round(2 / max(width, spacing)) + 1))
    ]
    centres, widths = np.array(pairs).T
    return centres, widths


def _common_grid(data: ScaledSpectra) -> tuple[FloatArray, FloatArray]:
    """All spectra interpolated to one uniform abscissa: t (m,) and y (N, m)."""
    n = data.t.shape[1]
    t = np.linspace(-1, 1, min(max(n, 64), _MOST_POINTS))
    same = bool(np.all(data.weight > 0)) and bool(np.all(np.abs(data.t - data.t[0]) < 1e-9))
    if same and n <= _MOST_POINTS and bool(np.all(np.abs(data.t[0] - np.linspace(-1, 1, n)) < 1e-6)):
        return data.t[0], data.y
    y = np.empty((data.y.shape[0], t.size))
    for i in range(y.shape[0]):
        inside = data.weight[i] > 0
        order = np.argsort(data.t[i][inside], kind="stable")
        y[i] = np.interp(t, data.t[i][inside][order], data.y[i][inside][order])
    return t, y


_KINDS = ("centre", "half_width", "s", "a")


def line_parameters(model: LineModel, fits: LineFits, i: int = 0) -> Parameters:
    """Parameters of lmfit at row `i` of a batch: ``centre_1``, ``half_width_1``, ``s_1``, ``a_1``, …, ``b0``, …."""
    from lmfit import Parameters

    parameters = Parameters()
    for name in _KINDS:
        for k, value in enumerate(getattr(fits, name)[i]):
            parameters.add(f"{name}_{k + 1}", value=float(value), min=0.0 if name == "half_width" else -np.inf)
    for k, value in enumerate(fits.background[i]):
        parameters.add(f"b{k}", value=float(value))
    return parameters


def fit_spectrum(
    x: FloatArray,
    y: FloatArray,
    model: LineModel | None = None,
    *,
    parameters: Parameters | None = None,
    sigma: float | None = None,
) -> MinimizerResult:
    """Fit one spectrum, x and y of shape (n,), with lmfit; by default one line on a sloping background.

    `parameters` say where to start, with any bounds, fixed values or constraints; by default it is the minimum that
    `fit_lines` finds. `sigma` is the standard deviation of one point; None: from the scatter of the residuals.

    Examples
    --------
    >>> f = np.linspace(4.0, 6.0, 101)
    >>> u = (f - 5.0) / 0.1
    >>> result = fit_spectrum(f, (3.0 + u) / (1 + u * u) + 1e-3 * np.sin(40 * f))
    >>> [round(float(result.params[name].value), 2) for name in ("s_1", "a_1")]
    [3.0, 1.0]
    """
    from lmfit import minimize

    model = LineModel() if model is None else model
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if parameters is None:
        parameters = line_parameters(model, fit_lines(x, y[None], model))
    size = 1.0 if sigma is None else sigma

    def residual(params: Any) -> FloatArray:
        flat = np.array([params[f"b{k}"].value for k in range(model.degree + 1)])
        return (line_values(model, x, *_lines(params, model), flat) - y) / size

    def jacobian(params: Any) -> FloatArray:
        lines = _lines(params, model)
        by_s, by_a, by_centre, by_log_width, flat = line_gradient(model, x, *lines)
        columns = {f"b{k}": flat[:, k] for k in range(model.degree + 1)}
        for name, values in zip(_KINDS, (by_centre, by_log_width / lines[1], by_s, by_a), strict=True):
            columns |= {f"{name}_{k + 1}": values[:, k] for k in range(model.modes)}
        return np.array([columns[name] / size for name in params if params[name].vary])

    constrained = any(each.expr for each in parameters.values())
    options: dict[str, Any] = {} if constrained else {"Dfun": jacobian, "col_deriv": True}
    return minimize(residual, parameters, scale_covar=sigma is None, xtol=1e-13, ftol=1e-13, gtol=1e-13, **options)


def _lines(params: Any, model: LineModel) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Centres, half widths, s and a of all modes."""
    centre, half_width, s, a = (
        np.array([params[f"{kind}_{k + 1}"].value for k in range(model.modes)]) for kind in _KINDS
    )
    return centre, half_width, s, a
