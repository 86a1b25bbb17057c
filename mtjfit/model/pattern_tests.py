"""One component of one device with all columns that its polynomial may lack, and the tests of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import chi2, f

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.data import COMPONENTS, Component, TorqueCurve
from mtjfit.model.compress import polynomial_design, polynomial_slope, spanned
from mtjfit.model.equivalent_noise import as_normal, declares_noise
from mtjfit.model.noise import PointErrors, effective_errors, values_in_use
from mtjfit.model.residuals import residual_tests
from mtjfit.study import DOF, Study, parse_amplitude

Kind: TypeAlias = Literal["V^0", "V^1", "V^2", "V^3", "drift", "sweeps", "points", "runs", "neighbours"]

FALSE_PATTERN = 0.01
"""Share of studies without any pattern in which one is found."""
_POWERS: Mapping[int, Kind] = MappingProxyType({0: "V^0", 1: "V^1", 2: "V^2", 3: "V^3"})
_LEAST_DOF = 5  # fewer points have neither runs nor neighbours to speak of
_MOST_SWEEPS, _LEAST_PER_SWEEP = 8, 3
_COLLINEAR = 0.02  # of a column must be left beyond the polynomials
_ROUNDING = 1e-10
_MOST_POINTS = 0.2  # share of points that can be called single ones


@dataclass(frozen=True)
class Part:
    """One component of one device, whitened, in the order of the bias."""

    device: str
    component: Component
    rows: IntArray  # its points among those of the curve, shape (n,)
    y: FloatArray  # shape (n,)
    base: FloatArray  # columns of its polynomial, shape (n, P)
    raw: Mapping[Kind, FloatArray]  # columns that it may lack, not whitened, each of shape (n, m)
    added: Mapping[Kind, FloatArray]  # the same, whitened
    scale_is_known: bool
    bias: FloatArray  # in V, shape (n,)
    single: FloatArray  # a column for each point that may be far off, shape (n, n), or (n, 0) where none may
    far_off: tuple[int, ...] = ()  # points with a column of their own in `base`

    @property
    def tangent(self) -> FloatArray:
        return spanned(self.base, 1e-10)

    def with_columns(self, kind: Kind) -> Part:
        """The same with one kind of columns in its polynomial."""
        if kind == "points":
            return self.without_far_points()
        if kind not in self.added:
            return self
        rest = {each: columns for each, columns in self.added.items() if each != kind}
        return replace(self, base=np.hstack([self.base, self.added[kind]]), added=rest)

    def without_far_points(self) -> Part:
        """The same with a column for each point far off."""
        off = self.far_points()[0]
        return replace(self, base=np.hstack([self.base, self.single[:, off]]), far_off=(*self.far_off, *off))

    def far_points(self) -> tuple[list[int], float]:
        """Points far off, the farthest first, and the p-value of there being any.

        One after the other is taken out, and each is judged by the rest. Where the scale is fitted, two of them hide
        each other: as many are off as the last that is clearly off (Rosner 1983, generalised extreme deviates).
        """
        most = max(int(_MOST_POINTS * self.y.size), 1) if self.single.size else 0
        part, taken, p_values = self, list[int](), list[float]()
        while len(taken) < most:
            k, p = part.farthest(*part.fitted())
            taken, p_values = [*taken, k], [*p_values, p]
            if p == 1.0 or (self.scale_is_known and p >= FALSE_PATTERN):
                break
            part = replace(part, base=np.hstack([part.base, self.single[:, [k]]]))
        least = np.array(p_values) * (1 if self.scale_is_known else len(p_values))
        off = np.flatnonzero(least < FALSE_PATTERN)
        return (taken[: off[-1] + 1] if off.size else []), min(1.0, float(least.min(initial=1.0)))

    def share_of(self, kind: Kind) -> FloatArray:
        """What the columns of one kind contribute to the values, not whitened, shape (n,); zero where it has none."""
        if kind not in self.added:
            return np.zeros(self.y.size)
        more = self.added[kind]
        found = np.linalg.lstsq(np.hstack([self.base, more]), self.y)[0]
        return np.asarray(self.raw[kind] @ found[-more.shape[1] :])

    def fitted(self) -> tuple[FloatArray, FloatArray, int]:
        """Tangent, residuals and their degrees of freedom."""
        tangent = self.tangent
        residual = self.y - tangent @ (tangent.T @ self.y)
        return tangent, residual, residual.size - tangent.shape[1]

    def farthest(self, tangent: FloatArray, residual: FloatArray, dof: int) -> tuple[int, float]:
        """Index of the point farthest off, and its p-value among all points of the part; 1 where none can be."""
        left = self.single - tangent @ (tangent.T @ self.single)
        square = np.sum(left**2, axis=0)
        free = square > _COLLINEAR * np.sum(self.single**2, axis=0)
        if dof <= 1 or not np.any(free):
            return 0, 1.0
        gained = np.where(free, (left.T @ residual) ** 2 / np.where(free, square, 1.0), 0.0)
        k = int(np.argmax(gained))
        return k, min(1.0, int(np.sum(free)) * self._p_of(float(gained[k]), 1, float(residual @ residual), dof))

    def p_values(self) -> Iterator[tuple[Kind, float]]:
        """Every test that can be made; those of added columns first."""
        tangent, residual, dof = self.fitted()
        if residual @ residual <= _ROUNDING**2 * (self.y @ self.y):  # numbers without noise: only rounding is left
            return
        for kind, columns in self.added.items():
            left = columns - tangent @ (tangent.T @ columns)
            size = np.linalg.norm(columns, axis=0)
            if np.any(np.linalg.norm(left, axis=0) <= _COLLINEAR * size) or dof <= columns.shape[1]:
                continue
            yield kind, self._p_added(residual, spanned(left, 1e-6), dof)
        if self.single.size:
            yield "points", self.far_points()[1]
        if dof >= _LEAST_DOF:
            tests = residual_tests(residual, tangent)
            yield "runs", tests.p_runs
            yield "neighbours", tests.p_autocorrelation

    def _p_added(self, residual: FloatArray, added: FloatArray, dof: int) -> float:
        return self._p_of(float(np.sum((added.T @ residual) ** 2)), added.shape[1], float(residual @ residual), dof)

    def _p_of(self, gained: float, m: int, total: float, dof: int) -> float:
        """Probability of a larger gain in χ², of `total`, by m columns."""
        if self.scale_is_known:
            return float(chi2.sf(gained, m))
        rest = max(total - gained, 0.0) / (dof - m)
        return float(f.sf(gained / m / rest, m, dof - m)) if rest > 0 else float(gained == 0)


def _sweep_columns(V: FloatArray) -> Iterator[tuple[Kind, FloatArray]]:
    """Columns of a drift and of the direction of sweep, in the order of the file; none where the bias only rises."""
    step = np.sign(np.diff(V))
    step = step[step != 0]
    turns = int(np.sum(step[1:] != step[:-1]))
    if turns == 0:
        return
    t = np.arange(V.size, dtype=float)
    yield "drift", (t - t.mean())[:, None]
    if turns < _MOST_SWEEPS and V.size >= _LEAST_PER_SWEEP * (turns + 1):
        direction = np.sign(np.gradient(V))
        yield "sweeps", np.column_stack([direction, direction * V])


def _whitener(variance: FloatArray, shared: FloatArray | None) -> Callable[[FloatArray], FloatArray]:
    """What multiplies by C^(−1/2), C the covariance of one component: its variances and what points share, (n, n)."""
    if shared is None:
        sigma = np.sqrt(variance)
        return lambda columns: np.asarray((columns.T / sigma).T)
    root = np.linalg.cholesky(shared + np.diag(variance))
    return lambda columns: np.asarray(np.linalg.solve(root, columns))


def _parts_of(
    study: Study, curve: TorqueCurve, powers: np.ndarray, scale_is_known: bool, heavy_tails: bool
) -> Iterator[Part]:
    used, scale, n, terms = curve.used, study.scale_of(curve), curve.n_used, study.model.terms
    design = polynomial_design(curve, powers, curve.bias[used], terms)
    errors = PointErrors(np.ones(n), np.ones(n), np.zeros(n))
    if not curve.sigma_is_fitted:
        errors = effective_errors(curve, scale, design, polynomial_slope(curve, powers, curve.bias[used], terms))
    missing = np.array([power for power in _POWERS if power not in powers], dtype=int)
    for c, (name, variance) in enumerate(zip(COMPONENTS, (errors.par, errors.perp), strict=True)):
        rows = np.flatnonzero(curve.used_values[c, used])
        if rows.size == 0:
            continue
        V = curve.bias[used][rows]
        order = np.argsort(V, kind="stable")
        inside = rows[order]
        more = polynomial_design(curve, missing, V)
        candidates = {_POWERS[power]: more[:, [k]] for k, power in enumerate(missing.tolist()) if np.any(more[:, k])}
        candidates |= dict(_sweep_columns(V))
        shared = None if errors.rest is None else errors.rest[np.ix_(c * n + inside, c * n + inside)]
        whitened = _whitener(variance[inside], shared)
        columns = {kind: each[order] for kind, each in candidates.items()}
        yield Part(
            curve.name, name, np.flatnonzero(used)[inside],
            whitened(values_in_use(curve, scale)[c * n + inside]), whitened(design[inside]),
            columns, {kind: whitened(each) for kind, each in columns.items()}, scale_is_known,
            V[order], whitened(np.eye(rows.size)[:, : 0 if heavy_tails else rows.size]),
        )  # fmt: skip


def parts_of(study: Study) -> list[Part]:
    """Every component of every device, under normal errors."""
    normal = as_normal(study)
    powers = np.unique([parse_amplitude(name)[1] for name in normal.amplitudes])
    return [
        part
        for curve in normal.curves
        for part in _parts_of(
            normal, curve, powers, not (curve.sigma_is_fitted or declares_noise(study)), DOF in study.parameters
        )
    ]
