"""An own κ tried at points of its priors when a study is made, so that no fault shows only deep inside a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.data.curve import TorqueCurve
from mtjfit.errors import Problem
from mtjfit.study.kappa_model import KappaModel
from mtjfit.study.own_kappa import OwnModel
from mtjfit.study.parameter import Parameter
from mtjfit.study.prior import Fixed, Prior

_POINTS = 16
_ENDS = (1e-3, 1e5)  # range of a length without bounds of its own, in searches
_SLOWEST = 1e-3  # s for each value
_SAME = 1e-9
_SLOPES = 1e-5


def _timed(model: OwnModel, d: FloatArray, values: Mapping[str, FloatArray]) -> tuple[float, ComplexArray]:
    """Seconds of one call, and what it gave."""
    started = time.perf_counter()
    raw = np.asarray(model.raw(d, values))
    return time.perf_counter() - started, raw


def own_model_problems(
    model: KappaModel, curves: Sequence[TorqueCurve], parameters: Mapping[str, Parameter]
) -> Iterator[Problem]:
    """Problems of an own κ at the thicknesses of the data and at points of the priors; none of Eq. 12."""
    if not isinstance(model, OwnModel) or not curves or any(name not in parameters for name in model.parameters):
        return
    where = f"model {model.title!r}"
    values = {name: _points(parameters[name], k) for k, name in enumerate(model.parameters)}
    d = np.unique([curve.thickness for curve in curves])[None, :]
    try:
        with np.errstate(all="ignore"):
            took, raw = _timed(model, d, values)
            if took > _SLOWEST * raw.size:  # a busy computer may have held up one call
                took = min(took, *(_timed(model, d, values)[0] for _ in range(2)))
            once = np.asarray(model.raw(d[:, :1], {k: x[:1] for k, x in values.items()}))
    except Exception as error:
        todo = "it gets arrays that broadcast, d in nm; use numpy functions, or own_model(vectorised=False)"
        yield Problem(where, f"fails: {type(error).__name__}: {error}", todo)
        return
    shape = np.broadcast_shapes(d.shape, (_POINTS, 1)) if values else d.shape
    found = list(_result_problems(model, where, raw, once, shape))
    yield from found
    if found:
        return
    each = took / raw.size
    if each > _SLOWEST:
        what = f"takes {1000 * each:.2g} ms for each value of κ, of which a run needs millions"
        yield Problem(where, what, "use numpy on whole arrays, or tabulate it and interpolate")
    yield from _value_problems(model, where, d, values, parameters)


def _points(parameter: Parameter, k: int) -> FloatArray:
    """Values over the prior, in another order for each parameter, shape (_POINTS, 1)."""
    prior = parameter.prior
    if isinstance(prior, Fixed) or not isinstance(prior, Prior):
        return np.full((_POINTS, 1), prior.value if isinstance(prior, Fixed) else np.nan)
    u = (np.arange(_POINTS) + 0.5) / _POINTS
    # steps that are prime to 16 make permutations
    order = (np.arange(_POINTS) * (2 * k + 1) + 3 * k) % _POINTS
    return np.asarray(prior.quantile(u))[order][:, None]


def _result_problems(
    model: OwnModel, where: str, raw: np.ndarray, once: np.ndarray, shape: tuple[int, ...]
) -> Iterator[Problem]:
    if raw.dtype.kind != "c":
        kind = "real" if raw.dtype.kind in "fiub" else f"of type {raw.dtype}"
        yield Problem(where, f"returns κ that is {kind}", "return complex numbers, also where Im κ = 0: kappa + 0j")
    elif raw.shape != shape or once.shape != (1, 1):
        got = raw.shape if raw.shape != shape else once.shape
        what = f"returns the shape {got} for thicknesses and parameters that broadcast to {shape}"
        if raw.shape == shape:
            what = f"returns the shape {got} for arguments of the shape (1, 1)"
        yield Problem(where, what, "compute with whole arrays and return one value for each, or use vectorised=False")


def _value_problems(
    model: OwnModel, where: str, d: FloatArray, values: Mapping[str, FloatArray], parameters: Mapping[str, Parameter]
) -> Iterator[Problem]:
    kappa = model.unchecked(d, values)
    finite = np.isfinite(kappa)
    if not finite.all():
        yield _not_finite(where, kappa, d, values)
        return
    middle = kappa.shape[0] // 2
    alone = model.unchecked(d[:, -1:], {name: x[middle : middle + 1] for name, x in values.items()})[0, 0]
    if abs(alone - kappa[middle, -1]) > _SAME * abs(alone):
        what = "gives another κ for a point alone than for the same point among others"
        yield Problem(where, what, "compute each value from its own arguments, or use vectorised=False")
        return
    for name in model.parameters:
        prior = parameters[name].free_prior
        if prior is None:
            continue
        others = {**values, name: np.roll(values[name], _POINTS // 2, axis=0)}
        if np.array_equal(model.unchecked(d, others), kappa):
            todo = f"use it in the function, or remove it; {name} = {{ fixed = … }} keeps it as a name"
            yield Problem(f"{where}: {name}", "does not change κ at any point of the priors", todo)
        low, high = np.clip(prior.support, *_ENDS)
        for end in (low, high):
            at = {**values, name: np.full((_POINTS, 1), end)}
            edge = model.unchecked(d, at)
            if not np.all(np.isfinite(edge)):
                yield _not_finite(where, edge, d, at)
                break
    if model.derivatives is not None:
        yield from _derivative_problems(model, where, d, values)


def _not_finite(where: str, kappa: ComplexArray, d: FloatArray, values: Mapping[str, FloatArray]) -> Problem:
    row, column = np.argwhere(~np.isfinite(kappa))[0]
    at = ", ".join(f"{name} = {x[row, 0]:.4g}" for name, x in values.items())
    todo = "write it so that it is finite there (decaying exponentials or tanh in place of sinh), or bound the prior"
    return Problem(where, f"returns {kappa[row, column]} at d = {d[0, column]:g}, {at}", todo)


def _derivative_problems(
    model: OwnModel, where: str, d: FloatArray, values: Mapping[str, FloatArray]
) -> Iterator[Problem]:
    """Derivatives that are missing, or differ from those of κ."""
    assert model.derivatives is not None  # noqa: S101 - of the caller
    try:
        given = model.derivatives(d, **values)
        missing = [name for name in ("d", *model.parameters) if name not in given]
    except Exception as error:
        yield Problem(f"{where}: derivatives", f"fail: {type(error).__name__}: {error}", "correct them")
        return
    if missing:
        todo = "give each by its name; d is the thickness"
        yield Problem(f"{where}: derivatives", f"lack {', '.join(missing)}", todo)
        return
    kappa = model.unchecked(d, values)
    at = {"d": np.broadcast_to(d, kappa.shape), **{k: np.broadcast_to(x, kappa.shape) for k, x in values.items()}}
    for name, x in at.items():
        if not np.all(np.isfinite(x)):
            continue
        exact = model.by_log(name, x, d, values)
        away = np.abs(np.asarray(given[name]) * x - exact)
        if not np.all(away <= _SLOPES * (np.abs(exact) + np.abs(kappa))):
            what = f"of κ by {name} are not those of κ: {100 * float(np.nanmax(away / np.abs(kappa))):.2g} % of κ away"
            yield Problem(f"{where}: derivatives", what, "correct them, or leave them to finite differences")
