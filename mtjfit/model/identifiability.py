"""Identifiability of a study: error bars at the optimum, and why there are none."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.compress import spanned
from mtjfit.model.jacobian import Jacobian, jacobian, relative_errors
from mtjfit.model.likelihood import FullPosterior
from mtjfit.model.profile import rises
from mtjfit.model.rank import Structure, unseen
from mtjfit.study import ParameterName

_NOTHING = 1e6  # a larger error of a logarithm is none: no measured value shows the direction
_SMALL = 0.15  # an exponent below this share of the largest one is not written out
_ROUNDING, _DIGITS = 1e-6, 6
_EVEN = 0.02  # exponents that differ less count as equal in size


@dataclass(frozen=True)
class Direction(ShownAsCard):
    """One combination of parameters, independent of the others where the model is linear."""

    sd: float  # standard deviation of Σ weight · ln(parameter); infinite where no measured value shows it
    # by parameter; their squares add up to one. For a parameter whose best value is zero, per unit of its prior's
    # width instead of its logarithm
    weights: Mapping[str, float]
    words: str  # the combination as a product of powers, small exponents left out

    @property
    def main(self) -> str:
        """The parameter with the largest weight."""
        return _main(self.weights)

    @property
    def factor_sd(self) -> float:
        """Standard deviation of the logarithm of the product in `words`, whose largest exponent is one."""
        return self.sd / abs(self.weights[self.main])


def _main(weights: Mapping[str, float]) -> str:
    """The largest weight; of equal ones the first, however they were rounded."""
    most = max(abs(weight) for weight in weights.values())
    return next(name for name, weight in weights.items() if abs(weight) > (1 - _ROUNDING) * most)


def _in_words(weights: Mapping[str, float]) -> str:
    """A product of powers, the largest exponent one."""
    main = weights[_main(weights)]
    powers = {name: round(weight / main, _DIGITS) for name, weight in weights.items()}
    powers = {name: power for name, power in powers.items() if abs(power) >= _SMALL}
    ordered = sorted(powers, key=lambda name: (-round(abs(powers[name]) / _EVEN), -powers[name]))
    each = ("" if abs(powers[name] - 1) < _EVEN else f"^{powers[name]:.2g}" for name in ordered)
    return " · ".join(name + power for name, power in zip(ordered, each, strict=True))


def _direction(sd: float, vector: FloatArray, names: tuple[str, ...]) -> Direction:
    weights = {name: float(weight) for name, weight in zip(names, vector, strict=True)}
    sign = math.copysign(1.0, weights[_main(weights)])
    weights = {name: sign * weight for name, weight in weights.items()}
    return Direction(float(sd), weights, _in_words(weights))


def _following(J: Jacobian, own: set[str]) -> tuple[tuple[str, ...], FloatArray, list[int]]:
    """Names and columns of what is asked for, all else following, and the places of these columns."""
    asked = [k for k, name in enumerate(J.names[: J.n_model]) if ParameterName(name).base not in own]
    rest = [k for k in range(len(J.names)) if k not in asked]
    u, matrix = spanned(J.matrix[:, rest], 1e-12), J.matrix[:, asked]
    return tuple(J.names[k] for k in asked), matrix - u @ (u.T @ matrix), asked


def directions(model: FullPosterior, values: FloatArray, amplitudes: FloatArray) -> tuple[Direction, ...]:
    """Principal axes of the linearised errors in ln(parameter), the stiffest first, those that no value shows last.

    Of lengths and of amplitudes that devices share. What each device has for itself follows: its own amplitudes, and
    its thickness, whose declared error counts as a measurement. Singular vectors of the scaled Jacobian at natural
    values (size,) and amplitudes (n_free,); the sd of a direction is one over its singular value, for errors as the
    study has them.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> best = fit(study).optimum
    >>> found = directions(FullPosterior(study), best.values, best.amplitudes)
    >>> found[-1].main, found[-1].weights["lambda_sf_F"] > 0.8
    ('lambda_sf_F', True)
    """
    J = jacobian(model, values, amplitudes)
    own = {name for name, mine in zip(model.study.amplitudes, model.amplitudes.own, strict=True) if mine}
    names, matrix, asked = _following(J, own)
    if not names:
        return ()
    _, s, vt = np.linalg.svd(matrix, full_matrices=True)
    sd = np.full(len(names), np.inf)
    seen = s * _NOTHING > 1.0
    sd[: s.size][seen] = 1 / s[seen]
    blind = ~np.isfinite(sd)
    if blind.any():
        vt[blind] = _simplest(vt[blind], [one.vectors[:, asked] for one in unseen(model, J, values, amplitudes)])
    return tuple(_direction(error, vector, names) for error, vector in zip(sd, vt, strict=True))


def _simplest(null: FloatArray, named: list[FloatArray]) -> FloatArray:
    """The same space by other axes: those that have a name first, then of the rest what is nearest to one parameter.

    Any axes of the space would do; those of the singular vectors turn with the last digits of the data.
    """
    found: list[FloatArray] = []
    for vector in np.concatenate([null[:0], *named]):
        inside = null.T @ (null @ vector)
        if np.linalg.norm(inside - vector) > 1e-6 * np.linalg.norm(vector):
            continue  # other amplitudes than those asked for take part
        for other in found:
            inside = inside - other * (other @ inside)
        size = np.linalg.norm(inside)
        if size > 1e-6 * np.linalg.norm(vector):
            found.append(inside / size)
    left = null.T @ null  # onto what has no name yet
    for other in found:
        left = left - np.outer(other, other)
    while len(found) < len(null):
        seen = np.diagonal(left)
        nearest = left[np.flatnonzero(seen > (1 - _ROUNDING) * seen.max())[0]]  # of equal ones the first
        found.append(nearest / np.linalg.norm(nearest))
        left = left - np.outer(found[-1], found[-1])
    return np.array(found[: null.shape[0]])


MAX_RELATIVE_ERROR = 0.5
"""A linearised error above 50 % of its parameter is no error bar: two of them reach zero, and the far side is open."""

LINEAR_RISE = (2.0, 8.0)
"""How far χ² may rise at two linearised errors, where a linear model has 4: half and twice of it.

Below, the error is too small to print: for lambda_sf_F in simulated series of five devices, a third to two thirds of
such errors missed the truth by more than twice their size. Above, it is too large on that side. A profile that is
normal in ln(parameter) stays above the lower end up to errors of 47 %.
"""


@dataclass(frozen=True)
class Identifiability(Structure):
    """Identifiability of the parameters of a study.

    Attributes
    ----------
    rank : int
        Number of independent combinations that the design determines, thicknesses taken as known.
    n_parameters : int
        Free lengths and amplitudes.
    null_directions : tuple of str
        Changes that no measured value shows, in words.
    determined : DataFrame
        By parameter: value, relative_error (linearised, inf if none), determined (bool): whether that is an error bar,
        reason: why not, or that it is one of a model that is not linear within it.
    directions : tuple of Direction
        Combinations of lengths and amplitudes from the stiffest to the sloppiest at the best fit; amplitudes that each
        device has for itself, and thicknesses within their declared errors, follow.
    """

    determined: pd.DataFrame
    directions: tuple[Direction, ...]


def determined_table(
    model: FullPosterior,
    values: FloatArray,
    amplitudes: FloatArray,
    at_bound: Sequence[str] = (),
    asked: Collection[str] | None = None,
) -> tuple[pd.DataFrame, FloatArray]:
    """Linearised relative errors at a point and which of them are error bars; also their correlations.

    An error is no bar where it is too large, or where χ² rises by less than half of what a linear model has at two
    errors (`LINEAR_RISE`): of lengths and amplitudes, with all other parameters following.

    Parameters
    ----------
    values : ndarray, shape (size,)
        Natural values of the non-linear parameters.
    amplitudes : ndarray, shape (n_free,)
    at_bound : sequence of str
        Parameters that the fit left at the edge of their range; they get no error bar.
    asked : collection of str, optional
        Parameters whose errors are tested for being linear; by default all but thicknesses.

    Returns
    -------
    table : DataFrame
        Index parameter; columns value, relative_error, determined, reason.
    correlation : ndarray
        In the order of the table.
    """
    J = jacobian(model, values, amplitudes)
    errors, correlation = relative_errors(J.matrix)
    by_name = dict(zip(model.layout.names, values, strict=True)) | dict(
        zip(model.amplitudes.names, amplitudes, strict=True)
    )
    verdicts = {name: as_error(name in at_bound, error) for name, error in zip(J.names, errors, strict=True)}
    # A thickness is declared with an error, which the curves only sharpen: that is linear enough.
    absolute = zip(J.names[: J.n_model], np.abs(J.scale) * errors, strict=False)
    known = {name: float(error) for name, error in absolute
             if verdicts[name][0] and (asked is None or name in asked)}  # fmt: skip
    verdicts |= {name: as_linear(*rise) for name, rise in rises(model, values, amplitudes, known).items()}
    rows = [(by_name[name], error, *verdicts[name]) for name, error in zip(J.names, errors, strict=True)]
    table = pd.DataFrame(
        rows, index=pd.Index(J.names, name="parameter"), columns=["value", "relative_error", "determined", "reason"]
    )
    return table, correlation


def as_error(at_bound: bool, error: float) -> tuple[bool, str]:
    """Whether a linearised relative error may be an error bar, and why not."""
    if at_bound:
        return False, "the fit ran to the edge of its range"
    if error > 1e6:
        return False, "no measured value depends on it alone"
    return error <= MAX_RELATIVE_ERROR, "" if error <= MAX_RELATIVE_ERROR else "its error would exceed 50 %"


def as_linear(below: float, above: float) -> tuple[bool, str]:
    """Whether an error is a bar, by the rise of χ² at two errors on either side, and a remark."""
    smallest, largest = min(below, above), max(below, above)
    if smallest < LINEAR_RISE[0]:
        return False, f"not linear: χ² rises by only {max(smallest, 0.0):.1f} at two errors; the posterior says more"
    return True, "not linear: the posterior says more" if largest > LINEAR_RISE[1] else ""
