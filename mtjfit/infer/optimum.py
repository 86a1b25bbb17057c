"""Best fit of a study: many starts, amplitudes by variable projection, lmfit as the optimiser."""

from __future__ import annotations

from dataclasses import dataclass, replace

import lmfit
import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import Quantity
from mtjfit.model.device_combinations import noise_estimate
from mtjfit.model.jacobian import jacobian
from mtjfit.model.layout import even_points
from mtjfit.model.likelihood import FullPosterior, whitened

_SCREENED = 2048
STARTS = 8
_LOG_RANGE = (float(np.log(1e-3)), float(np.log(1e5)))  # where a length without bounds may go, in nm
_SDS = 10.0  # how far a thickness may go from nominal
_AT_BOUND = 1e-3
_ITERATIONS = 60  # of each start; in a flat valley, which may need more, the lowest point so far is used
_GAIN = 1e-8  # relative gain in χ² below which a search ends


@dataclass(frozen=True)
class Optimum(ShownAsCard):
    """Point of smallest χ²."""

    values: FloatArray  # natural values of the non-linear parameters, shape (size,)
    amplitudes: FloatArray  # shape (n_free,)
    chi2_data: float
    chi2_thickness: float  # Σ ((d − nominal)/sd)²
    at_bound: tuple[str, ...]  # parameters that ended at the edge of their range
    starts: FloatArray  # values reached from each start, shape (n, size), best first; equally good ones in their order


def _project(model: FullPosterior, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Best amplitudes (n, n_free), residual rows (n, rows) and rss (n,) at coordinates (n, size), without priors."""
    design, target, rss, _ = whitened(model, model.layout.values(theta))
    if design.shape[-1] == 0:
        return np.zeros((theta.shape[0], 0)), target, rss
    amplitudes = (np.linalg.pinv(design, rcond=1e-13) @ target[..., None])[..., 0]
    return amplitudes, target - (design @ amplitudes[..., None])[..., 0], rss


def _bounds(model: FullPosterior) -> tuple[FloatArray, FloatArray]:
    """Range of each coordinate: the support of its prior, for lengths within 1e-3 to 1e5 nm."""
    low, high = [], []
    for entry in model.layout.entries:
        a, b = entry.prior.support
        if entry.log:
            with np.errstate(divide="ignore"):
                a, b = float(np.log(a)), float(np.log(b))
            a, b = max(a, _LOG_RANGE[0]), min(b, _LOG_RANGE[1])
        else:
            centre, sd = entry.prior.centre_and_sd
            a, b = max(a, centre - _SDS * sd), min(b, centre + _SDS * sd)
        low.append(a)
        high.append(b)
    return np.array(low), np.array(high)


def _thickness_residual(model: FullPosterior, theta: FloatArray) -> FloatArray:
    """(d − nominal)/sd of every thickness that has a prior, shape (n, n_thicknesses)."""
    chosen = [k for k, entry in enumerate(model.layout.entries) if entry.name.is_thickness]
    centre, sd = np.array([model.layout.entries[k].prior.centre_and_sd for k in chosen]).reshape(-1, 2).T
    return np.asarray((theta[:, chosen] - centre) / sd)


def _slopes(model: FullPosterior, theta: FloatArray, free: list[int]) -> FloatArray:
    """Jacobian of the residuals by the free coordinates, with projected amplitudes (Kaufman's form).

    Analytic, because finite differences have an error of 1e-8: along a direction that the data leave open a search
    would follow the last digits of the data.
    """
    values = model.layout.values(theta[None, :])[0]
    J = jacobian(model, values, _project(model, theta[None, :])[0][0])
    places = {name: k for k, name in enumerate(J.names)}
    entries = [(model.layout.entries[k], values[k]) for k in free]
    columns = [places[entry.name] for entry, _ in entries]
    per_unit = np.array([value if entry.log else 1.0 for entry, value in entries]) / J.scale[columns]
    n_thickness = len(J.names) - J.n_model
    rows = J.matrix.shape[0] - n_thickness
    slopes = J.matrix[:, columns] * per_unit
    linear = [places[name] for name in model.amplitudes.names]
    u, s, _ = np.linalg.svd(J.matrix[:rows, linear], full_matrices=False)
    u = u[:, s > 1e-13 * s.max(initial=0.0)]
    slopes[:rows] = u @ (u.T @ slopes[:rows]) - slopes[:rows]
    return slopes


def _refine(model: FullPosterior, start: FloatArray, free: list[int]) -> FloatArray:
    """Coordinates of the minimum reached from `start`, with lmfit."""
    low, high = _bounds(model)
    parameters = lmfit.Parameters()
    margin = 1e-6 * (high - low)
    for k in free:
        value = float(np.clip(start[k], low[k] + margin[k], high[k] - margin[k]))
        parameters.add(f"x{k}", value=value, min=low[k], max=high[k])

    best: list[tuple[float, FloatArray]] = [(np.inf, start)]

    def residual(parameters: lmfit.Parameters) -> FloatArray:
        theta = start.copy()
        theta[free] = [parameters[f"x{k}"].value for k in free]
        _, rows, _ = _project(model, theta[None, :])
        found = np.concatenate([rows[0], _thickness_residual(model, theta[None, :])[0]])
        square = float(found @ found)
        if square < best[0][0]:
            best[0] = square, theta
        return found

    def slopes(parameters: lmfit.Parameters) -> FloatArray:
        theta = start.copy()
        theta[free] = [parameters[f"x{k}"].value for k in free]
        return _slopes(model, theta, free)

    minimizer = lmfit.Minimizer(residual, parameters, calc_covar=False)
    with np.errstate(
        invalid="ignore", divide="ignore", over="ignore"
    ):  # from lmfit's own covariance, which is not used here
        minimizer.minimize(method="least_squares", Dfun=slopes, ftol=_GAIN, x_scale="jac", max_nfev=_ITERATIONS)
    # not the parameters of the result, which are those of the last trial, not of the best, if lmfit ran out of them
    return best[0][1]


def with_noise(model: FullPosterior, theta: FloatArray) -> FloatArray:
    """Coordinates with the noise scales, where they are fitted, set to the scatter about free polynomials."""
    sigma, theta = noise_estimate(model), theta.copy()
    for c, name in enumerate(("noise_par", "noise_perp")):
        if name in model.layout.index:
            for j in np.flatnonzero(model.data.fitted & (model.layout.index[name] >= 0)):
                k = model.layout.index[name][j]
                theta[..., k] = np.log(sigma[j, c]) if model.layout.entries[k].log else sigma[j, c]
    return theta


def optimum(model: FullPosterior, starts: int = STARTS) -> Optimum:
    """Smallest χ² over lengths, thicknesses and amplitudes; priors of lengths only bound the search.

    The best of 2048 prior draws that differ, up to so many, are refined.
    """
    size = model.layout.size
    u = even_points(size, _SCREENED)
    held = [k for k, entry in enumerate(model.layout.entries) if entry.name.is_noise or entry.name.is_thickness]
    u[:, held] = 0.5
    theta = with_noise(model, model.prior_transform(u))
    _, rows, _ = _project(model, theta)
    order = np.argsort(np.sum(rows**2, axis=-1))
    free = [k for k, entry in enumerate(model.layout.entries) if not entry.name.is_noise]
    reached = [_refine(model, theta[k], free) for k in _spread(theta, order, starts)] if free else [theta[order[0]]]
    stacked = np.array(reached)
    amplitudes, rows, rss = _project(model, stacked)
    thickness = np.sum(_thickness_residual(model, stacked) ** 2, axis=-1)
    data = rss + np.sum(rows**2, axis=-1)
    rank = _ranked(data + thickness, rss, whitened(model, model.layout.values(stacked))[1])
    best = int(rank[0])
    return Optimum(
        values=model.layout.values(stacked[best]),
        amplitudes=amplitudes[best],
        chi2_data=float(data[best]),
        chi2_thickness=float(thickness[best]),
        at_bound=at_edge(model, stacked[best]),
        starts=model.layout.values(stacked[rank]),
    )


def at_edge(model: FullPosterior, theta: FloatArray) -> tuple[str, ...]:
    """Lengths and thicknesses at an edge of their range, for coordinates of shape (size,)."""
    low, high = _bounds(model)
    near = np.minimum(theta - low, high - theta) < _AT_BOUND * (high - low)
    return tuple(entry.name for entry, at in zip(model.layout.entries, near, strict=True)
                 if at and not entry.name.is_noise)  # fmt: skip


def _ranked(chi2: FloatArray, rss: FloatArray, target: FloatArray) -> np.ndarray:
    """Order of the starts by χ²; those that are equal within the precision of the search in their given order.

    In a flat valley all reach the same χ², and which is smallest in the last digit depends on the unit. The precision
    is `_GAIN` times the sum of squares, plus rounding: n residuals r = t − m have errors of n ε |t|, which change Σ r²
    by up to 2 |r| n ε |t|, and a sum of n terms has an error of n ε times itself.

    >>> _ranked(np.array([44.00000000000002, 44.0, 43.9]), np.full(3, 40.0), np.full((3, 8), 50.0)).tolist()
    [2, 0, 1]
    """
    square = np.maximum(chi2 - rss, 0.0)
    best = int(np.argmin(chi2))
    moved = 2 * np.sqrt(square[best]) * np.linalg.norm(target[best]) + chi2[best]
    tie = _GAIN * square[best] + target.shape[1] * np.finfo(float).eps * moved
    return np.lexsort((np.arange(chi2.size), np.floor((chi2 - chi2[best]) / max(tie, np.finfo(float).tiny))))


def _spread(theta: FloatArray, order: np.ndarray, most: int) -> list[int]:
    """Indices of the best draws, no two closer than half the typical distance, so that starts differ."""
    scale = theta.std(axis=0) + 1e-12
    chosen: list[int] = []
    for k in order:
        if all(np.linalg.norm((theta[k] - theta[c]) / scale) > 0.5 for c in chosen):
            chosen.append(int(k))
        if len(chosen) == most:
            break
    return chosen


def flipped(model: FullPosterior) -> FullPosterior:
    """The same study with the sign of T_perp reversed, as by a wrong perp_axis."""
    curves = tuple(replace(curve, perp=-curve.perp) for curve in model.study.curves)
    return FullPosterior(model.study.replace(curves=curves))


def as_other_quantity(model: FullPosterior) -> FullPosterior | None:
    """The same study with torkances for torques and the reverse; None where units or b0 exclude it."""
    study = model.study
    if any(curve.unit != "arb" for curve in study.curves) or "b0" in study.parameters:
        return None
    other: dict[Quantity, Quantity] = {"torque": "torkance", "torkance": "torque"}
    curves = tuple(replace(curve, quantity=other[curve.quantity]) for curve in study.curves)
    return FullPosterior(study.replace(curves=curves))
