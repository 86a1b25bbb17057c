"""Patterns in the scatter of each device about its own polynomials: what they lack, drift, sweeps, runs.

χ² compares Eq. 12 with the declared powers of V, and where errors are fitted it compares with nothing else: a power
that is not declared goes into the errors. Each component of each device is therefore fitted by a free polynomial of
the declared powers, and its residuals are asked for

- one more power of V, of those from V⁰ to V³ that are not declared,
- a drift along the order of the points in the file, where the bias goes up and down,
- a difference between upward and downward sweeps, c₀ + c₁ V,
- runs of one sign and correlated neighbours in the order of the bias.

The first three are F tests of added columns, χ² tests where the errors are known, and exact for normal errors; the last
are those of `mtjfit.model.residuals`. No length enters. p-values of one kind are also combined over all devices
(Fisher). All of them together are adjusted by Holm's method. What is found is added to the polynomials, and the rest is
tested again, so that one cause is named once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from scipy.stats import chi2, combine_pvalues, f

from mtjfit.arrays import FloatArray
from mtjfit.data import COMPONENTS, Component, TorqueCurve
from mtjfit.model.compress import polynomial_design, polynomial_slope, spanned
from mtjfit.model.equivalent_noise import as_normal, declares_noise
from mtjfit.model.noise import PointErrors, effective_errors, values_in_use
from mtjfit.model.residuals import residual_tests
from mtjfit.multiple_tests import holm
from mtjfit.study import Study, parse_amplitude

Kind: TypeAlias = Literal["V^0", "V^1", "V^2", "V^3", "drift", "sweeps", "runs", "neighbours"]

FALSE_PATTERN = 0.01
"""Share of studies without any pattern in which one is found."""
_POWERS: Mapping[int, Kind] = MappingProxyType({0: "V^0", 1: "V^1", 2: "V^2", 3: "V^3"})
_LEAST_DOF = 5  # fewer points have neither runs nor neighbours to speak of
_MOST_SWEEPS, _LEAST_PER_SWEEP = 8, 3
_COLLINEAR = 0.02  # of a column must be left beyond the polynomials
_MOST_FOUND = 4
_ROUNDING = 1e-10


@dataclass(frozen=True)
class Pattern:
    """One pattern: in which component, of which device (empty: of all together), and its p-value.

    `p_holm` is adjusted for all tests of the study.
    """

    kind: Kind
    component: Component
    device: str
    p: float
    p_holm: float


@dataclass(frozen=True)
class _Part:
    """One component of one device, whitened, in the order of the bias."""

    device: str
    component: Component
    y: FloatArray  # shape (n,)
    base: FloatArray  # columns of its polynomial, shape (n, P)
    added: Mapping[Kind, FloatArray]  # columns that it may lack, each of shape (n, m)
    scale_is_known: bool

    @property
    def tangent(self) -> FloatArray:
        return spanned(self.base, 1e-10)

    def with_columns(self, kind: Kind) -> _Part:
        """The same with one kind of columns in its polynomial."""
        if kind not in self.added:
            return self
        rest = {each: columns for each, columns in self.added.items() if each != kind}
        return replace(self, base=np.hstack([self.base, self.added[kind]]), added=rest)

    def p_values(self) -> Iterator[tuple[Kind, float]]:
        """Every test that can be made; those of added columns first."""
        tangent = self.tangent
        residual = self.y - tangent @ (tangent.T @ self.y)
        dof = residual.size - tangent.shape[1]
        if residual @ residual <= _ROUNDING**2 * (self.y @ self.y):  # numbers without noise: only rounding is left
            return
        for kind, columns in self.added.items():
            left = columns - tangent @ (tangent.T @ columns)
            size = np.linalg.norm(columns, axis=0)
            if np.any(np.linalg.norm(left, axis=0) <= _COLLINEAR * size) or dof <= columns.shape[1]:
                continue
            yield kind, self._p_added(residual, spanned(left, 1e-6), dof)
        if dof >= _LEAST_DOF:
            tests = residual_tests(residual, tangent)
            yield "runs", tests.p_runs
            yield "neighbours", tests.p_autocorrelation

    def _p_added(self, residual: FloatArray, added: FloatArray, dof: int) -> float:
        m, total = added.shape[1], float(residual @ residual)
        gained = float(np.sum((added.T @ residual) ** 2))
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


def _parts(study: Study, curve: TorqueCurve, powers: np.ndarray, scale_is_known: bool) -> Iterator[_Part]:
    used, scale, n = curve.used, study.scale_of(curve), curve.n_used
    design = polynomial_design(curve, powers, curve.bias[used])
    errors = PointErrors(np.ones(n), np.ones(n), np.zeros(n))
    if not curve.sigma_is_fitted:
        errors = effective_errors(curve, scale, design, polynomial_slope(curve, powers, curve.bias[used]))
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
        yield _Part(
            curve.name, name, whitened(values_in_use(curve, scale)[c * n + inside]), whitened(design[inside]),
            {kind: whitened(columns[order]) for kind, columns in candidates.items()}, scale_is_known,
        )  # fmt: skip


def _tests(parts: Sequence[_Part]) -> list[Pattern]:
    """All tests, single ones and those of all devices together, adjusted."""
    single = [Pattern(kind, part.component, part.device, p, 1.0) for part in parts for kind, p in part.p_values()]
    together: dict[tuple[Kind, Component], list[float]] = {}
    for each in single:
        together.setdefault((each.kind, each.component), []).append(max(each.p, 1e-300))
    pooled = [
        Pattern(kind, component, "", float(combine_pvalues(p).pvalue), 1.0)
        for (kind, component), p in together.items()
        if len(p) > 1
    ]
    found = pooled + single
    adjusted = holm([each.p for each in found])
    return [replace(each, p_holm=float(p)) for each, p in zip(found, adjusted, strict=True)]


def find_patterns(study: Study) -> tuple[Pattern, ...]:
    """Patterns that the scatter of a study shows, the clearest first; none where it looks like noise.

    Of studies without any, a share of at most `FALSE_PATTERN` shows one, by Holm's method (the tests of runs and
    neighbours are approximate). With jitter or Student-t errors, and where errors are fitted, every component of every
    device has a scale of its own.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> find_patterns(load_study(dataset("thickness-series").study_file))
    ()
    """
    normal = as_normal(study)
    powers = np.unique([parse_amplitude(name)[1] for name in normal.amplitudes])
    parts = [
        part
        for curve in normal.curves
        for part in _parts(normal, curve, powers, not (curve.sigma_is_fitted or declares_noise(study)))
    ]
    found: list[Pattern] = []
    while len(found) < _MOST_FOUND:
        tests = _tests(parts)
        clearest = min(tests, key=lambda each: (each.p_holm, each.p, each.device != ""), default=None)
        if clearest is None or clearest.p_holm >= FALSE_PATTERN:
            break
        found.append(clearest)
        if clearest.kind in ("runs", "neighbours"):
            break
        where = [part.component == clearest.component and clearest.device in ("", part.device) for part in parts]
        parts = [part.with_columns(clearest.kind) if here else part for part, here in zip(parts, where, strict=True)]
    return tuple(found)
