"""Smooth part of a quantity over a wafer: a low polynomial of the position, fitted beside scatter and errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import f

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.text import p_text
from mtjfit.wafer.survey.robust import SHARE, estimates
from mtjfit.wafer.survey.spread import Spread, spread_of
from mtjfit.wafer.survey.survey import Survey

CLEAR = 0.01
"""p-value of a flat wafer below which the surface counts as present."""
_FEWEST = 3  # devices for each coefficient
_STEPS = 50  # of the surface, until the same devices are odd


@dataclass(frozen=True, eq=False)
class Surface:
    """A polynomial over one wafer.

    Attributes
    ----------
    powers : array of int, shape (terms, 2)
        Of x and y; the constant first.
    coefficients, covariance : array, shapes (terms,), (terms, terms)
        Of x and y in units of `radius` (mm) from the `middle`; the constant is that of the first population by name.
    rows : array of int, shape (devices,)
        Devices with a position and a value, as rows of the survey; flagged ones too, which are not fitted.
    value, value_sd : array, shape (devices,)
        The surface there, for the population of the device, and its error.
    spread : Spread
        Of the residuals between devices.
    p : float
        p-value of a flat wafer: Wald's test, F with the degrees of freedom of the spread.
    share : float
        Part of the variance of the true values that the surface explains; NaN where they do not differ.
    """

    wafer: str
    powers: np.ndarray
    coefficients: FloatArray
    covariance: FloatArray
    middle: FloatArray
    radius: float
    rows: np.ndarray
    value: FloatArray
    value_sd: FloatArray
    spread: Spread
    p: float
    share: float

    @property
    def clear(self) -> bool:
        """True if the wafer is not flat."""
        return self.p < CLEAR

    @property
    def says(self) -> str:
        """The part that the surface explains, in a sentence.

        Examples
        --------
        >>> import pandas as pd
        >>> rng = np.random.default_rng(0)
        >>> frame = pd.DataFrame({"device": np.arange(100).astype(str), "x": np.tile(np.arange(10.0), 10),
        ...                       "y": np.repeat(np.arange(10.0), 10), "b": rng.normal(0, 1, 100), "b_sd": 0.1})
        >>> smooth_surfaces(Survey("w", frame), "b")[0].says
        'all devices: no smooth part (p = 0.59 if flat)'
        """
        who, p = self.wafer or "all devices", f"({p_text(self.p)} if flat)"
        if not self.clear:
            return f"{who}: no smooth part {p}"
        if not self.spread.determined:
            return f"{who}: a smooth part {p}; errors explain all residuals"
        return f"{who}: the smooth part explains {100 * self.share:.0f} % of the variance of true values {p}"

    def at(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """The surface of the first population at positions in mm; the shape of x and y."""
        design = _design(np.stack([np.ravel(x), np.ravel(y)], axis=1), self.middle, self.radius, self.powers)
        return np.asarray((design @ self.coefficients).reshape(np.shape(x)))


def smooth_surfaces(survey: Survey, quantity: str, *, order: int = 2) -> tuple[Surface, ...]:
    """A polynomial over each wafer that has enough devices with a position, not all on a line.

    Populations of one wafer have centres and spreads of their own and the rest in common. Odd devices are left out. The
    errors of measurement are known; the scatter of the true values about the surface is estimated with it,
    as in `spread_of`.

    Parameters
    ----------
    order : int
        Highest power, 1 to 4: 1 a tilted plane, 2 a bowl or a saddle.

    Returns
    -------
    tuple of Surface
        In the order of `Survey.wafers`; wafers with fewer than three devices for each coefficient are left out, and so
        are those with no more devices than coefficients and populations.

    Raises
    ------
    DataError
        There is no such quantity.
    ValueError
        The order is not 1 to 4.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"device": np.arange(400).astype(str), "b_sd": 0.1,
    ...                       "x": np.tile(np.arange(20.0), 20), "y": np.repeat(np.arange(20.0), 20)})
    >>> frame["b"] = 3 + 0.1 * frame.x + rng.normal(0, 0.2, 400)
    >>> (surface,) = smooth_surfaces(Survey("w", frame), "b", order=1)
    >>> bool(surface.clear), round(surface.spread.spread, 1), surface.at([0.0, 19.0], [0.0, 0.0]).round(1).tolist()
    (True, 0.2, [3.0, 4.9])
    """
    if order not in (1, 2, 3, 4):
        raise ValueError(f"the order of a surface is 1 to 4, not {order}")
    powers = np.array([(i, n - i) for n in range(order + 1) for i in range(n, -1, -1)])
    place = survey.frame[["x", "y"]].to_numpy(dtype=float)
    of = survey.frame["population"].to_numpy()
    placed, usable = survey.placed & survey.known(quantity), survey.usable(quantity)
    found = []
    for name, mine in survey.rows_of("wafer").items():
        rows = mine[placed[mine]]
        if int(usable[rows].sum()) >= _FEWEST * len(powers):
            found.append(_surface(name, powers, place[rows], survey.values(quantity)[rows],
                                  survey.errors(quantity)[rows], rows, usable[rows],
                                  np.unique(of[rows], return_inverse=True)[1]))  # fmt: skip
    return tuple(surface for surface in found if surface is not None)


def _design(place: FloatArray, middle: FloatArray, radius: float, powers: np.ndarray) -> FloatArray:
    u = (place - middle) / radius
    return np.asarray(u[:, :1] ** powers[:, 0] * u[:, 1:] ** powers[:, 1])


def _surface(
    name: str, powers: np.ndarray, place: FloatArray, values: FloatArray, errors: FloatArray, rows: np.ndarray,
    fitted: BoolArray, of: np.ndarray,
) -> Surface | None:  # fmt: skip
    middle = (place.min(axis=0) + place.max(axis=0)) / 2
    radius = float(np.hypot(*(place - middle).T).max())
    if radius == 0:
        return None
    everywhere = _design(place, middle, radius, powers)
    offset = _offsets(values, errors, fitted, of)
    X, q, s = everywhere[fitted], (values - offset)[fitted], errors[fitted]
    if len(X) <= len(powers) + int(of.max()):  # each population has a centre of its own
        return None
    if np.linalg.matrix_rank(X, tol=1e-6 * math.sqrt(len(X))) < len(powers):
        return None
    found = _fit(X, q, s, np.unique(of[fitted], return_inverse=True)[1])
    if found is None:
        return None
    beta, covariance = found
    spread = spread_of(q - X @ beta, s, fitted=len(powers) + int(of.max()))
    value, value_sd = everywhere @ beta, np.sqrt(np.einsum("ij,jk,ik->i", everywhere, covariance, everywhere))
    explained = max(0.0, float(np.var(value[fitted]) - np.mean(value_sd[fitted] ** 2)))
    both = explained + spread.spread**2
    terms = len(powers) - 1
    wald = float(beta[1:] @ np.linalg.solve(covariance[1:, 1:], beta[1:])) / terms
    return Surface(
        name, powers, beta, covariance, middle, radius, rows, value + offset, value_sd, spread,
        float(f.sf(wald, terms, spread.dof)), explained / both if both > 0 else math.nan,
    )  # fmt: skip


def _offsets(values: FloatArray, errors: FloatArray, fitted: BoolArray, of: np.ndarray) -> FloatArray:
    """Centre of each device's population relative to the first; they differ by design."""
    centres = np.full(int(of.max()) + 1, np.nan)
    there, codes = np.unique(of[fitted], return_inverse=True)
    centres[there] = estimates(values[fitted], errors[fitted], codes).centre
    known = np.isfinite(centres)
    return np.asarray(np.where(known, centres - centres[known][0], 0.0)[of])


def _fit(X: FloatArray, q: FloatArray, s: FloatArray, of: np.ndarray) -> tuple[FloatArray, FloatArray] | None:
    """Coefficients and their covariance, without odd devices; None where nothing scatters or too few are left."""
    share = (X.shape[1] - 1) / q.size  # coefficients for each device, besides the centres of populations
    beta: FloatArray = np.linalg.lstsq(X, q)[0].astype(float)
    kept: BoolArray | None = None
    for _ in range(_STEPS):
        found = estimates(q - X @ beta, s, of, fitted=share * np.bincount(of))
        width = np.hypot(found.spread[of], s)
        if not width.all() or np.linalg.matrix_rank(X[found.kept]) < X.shape[1]:
            return None
        weighted = found.kept[:, None] * X / width[:, None]
        beta = np.linalg.lstsq(weighted, q / width)[0].astype(float)
        if kept is not None and np.array_equal(kept, found.kept):
            break
        kept = found.kept
    return beta, np.linalg.inv(weighted.T @ weighted) / SHARE
