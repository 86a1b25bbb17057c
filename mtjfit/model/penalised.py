"""Least squares with priors as measurements, any of which may be left out.

The sum F = χ² + Σ ((x − centre)/sd)² runs over the priors of thicknesses, lengths, dead layers and amplitudes, each in
the coordinate in which it is normal, which may be its normal score; flat priors only bound the search. Noise scales
stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import least_squares

from mtjfit.arrays import FloatArray
from mtjfit.model.compress import spanned
from mtjfit.model.layout import even_points
from mtjfit.model.likelihood import FullPosterior, whitened
from mtjfit.study import Normal
from mtjfit.study.correlated import JointScores

_ANY_LENGTH = (float(np.log(1e-3)), float(np.log(1e5)))  # ln nm, as in the search for the best fit
_THINNEST = 1e-3  # nm
_SDS = 100.0  # that a thickness whose prior is left out may go
_STEP = 1e-6
_CLOUD, _STARTS = 512, 3
_EVALUATIONS = 80
_RCOND = 1e-13
_FEW = 12
_ALONE = Normal(0.0, 1.0)


@dataclass(frozen=True)
class PenalisedPoint:
    """A point of smallest F: coordinates, amplitudes, F, and the part of it that is χ² of the data."""

    theta: FloatArray
    amplitudes: FloatArray
    total: float
    chi2_data: float


def _solved(design: FloatArray, target: FloatArray) -> FloatArray:
    """Least squares of each of many designs with columns of length one, shape (n, n_free)."""
    if design.shape[-1] <= _FEW:
        return np.asarray((np.linalg.pinv(design, rcond=_RCOND) @ target[..., None])[..., 0])
    # many amplitudes belong to single devices, and nearly all have a prior: normal equations are ten times as fast
    transposed = np.swapaxes(design, -1, -2)
    gram = transposed @ design + _RCOND * np.eye(design.shape[-1])
    return np.asarray(np.linalg.solve(gram, transposed @ target[..., None])[..., 0])


@dataclass(frozen=True, eq=False)
class Penalised:
    """F of a study, without the priors of some parameters."""

    model: FullPosterior  # with normal errors
    values: FloatArray  # natural values; its noise scales are used throughout, shape (size,)
    without: frozenset[str] = frozenset()  # parameters whose priors do not count; a flat one then has no ends either

    @cached_property
    def _free(self) -> list[int]:
        return [k for k, entry in enumerate(self.model.layout.entries) if not entry.name.is_noise]

    @cached_property
    def _pulls(self) -> tuple[FloatArray, FloatArray]:
        """Centre and 1/sd of every free coordinate, 1/sd = 0 where no prior counts."""
        found = [self.model.layout.entries[k].prior.centre_and_sd for k in self._free]
        kept = [self.model.layout.entries[k].name not in self.without for k in self._free]
        centre, sd = np.array(found, dtype=float).reshape(-1, 2).T
        return centre, np.where(kept, 1 / sd, 0.0)

    def _pulled(self, x: FloatArray) -> FloatArray:
        """(x − centre)/sd of every free coordinate (n, k), 0 where no prior counts.

        Of correlated priors independent numbers of the same sum of squares; without some, of the joint prior of the
        others.
        """
        centre, pull = self._pulls
        found, layout = (x - centre) * pull, self.model.layout
        for column, k in enumerate(self._free):
            if k in layout.others and layout.entries[k].name not in self.without:
                value = np.exp(x[:, column]) if layout.log[k] else x[:, column]
                found[:, column] = layout.entries[k].prior.score(value)
        return self._joint.apart(np.asarray(found))

    @cached_property
    def _joint(self) -> JointScores:
        entries = [self.model.layout.entries[k] for k in self._free]
        return JointScores.of({one.name: _ALONE if one.name in self.without else one.prior for one in entries})

    @cached_property
    def _amplitude_pulls(self) -> FloatArray:
        """1/sd of every amplitude, 0 where its prior does not count."""
        kept = np.array([name not in self.without for name in self.model.amplitudes.names], dtype=bool)
        return np.where(kept, 1 / self.model.amplitudes.sd, 0.0) if kept.size else np.zeros(0)

    @cached_property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Range of every free coordinate."""
        low, high = [], []
        for k in self._free:
            entry = self.model.layout.entries[k]
            a, b = entry.prior.support
            if entry.name in self.without:
                a, b = 0.0, np.inf
            if entry.log:
                a, b = (max(np.log(a), _ANY_LENGTH[0]) if a > 0 else _ANY_LENGTH[0]), min(np.log(b), _ANY_LENGTH[1])
            elif entry.name.is_thickness:
                centre, sd = entry.prior.centre_and_sd
                a, b = max(a, _THINNEST, centre - _SDS * sd), min(b, centre + _SDS * sd)
            low.append(float(a))
            high.append(float(min(b, np.exp(_ANY_LENGTH[1]))))
        return np.array(low), np.array(high)

    def _designed(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Design of data and amplitude priors in columns of length one, target, lengths and rss; coordinates (n, k)."""
        theta = np.repeat(self.model.layout.coordinates(self.values)[None], x.shape[0], axis=0)
        theta[:, self._free] = x
        design, target, rss, _ = whitened(self.model, self.model.layout.values(theta))
        pull, n, n_free = self._amplitude_pulls, x.shape[0], design.shape[-1]
        design = np.concatenate([design, np.broadcast_to(np.diag(pull), (n, n_free, n_free))], axis=1)
        target = np.concatenate([target, np.broadcast_to(pull * self.model.amplitudes.mean, (n, n_free))], axis=1)
        # amplitudes may be of any unit
        length = np.linalg.norm(design, axis=1)
        length = np.where(length > 0, length, 1.0)
        return design / length[:, None], target, length, rss

    def _rows(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Residuals of data and amplitude priors (n, rows), amplitudes (n, n_free), rss (n,); at coordinates (n, k)."""
        design, target, length, rss = self._designed(x)
        if design.shape[-1] == 0:
            return target, length, rss
        amplitudes = _solved(design, target)
        return target - (design @ amplitudes[..., None])[..., 0], amplitudes / length, rss

    def residual(self, x: FloatArray) -> FloatArray:
        """Everything whose squares F sums but for the scatter about free polynomials, shape (n, rows)."""
        return np.concatenate([self._rows(x)[0], self._pulled(x)], axis=1)

    def lowest(self, starts: Sequence[FloatArray]) -> PenalisedPoint:
        """The point of smallest F that searches from these coordinates, shape (size,) each, reach."""
        found = [self._from(np.asarray(start)[self._free]) for start in starts]
        return min(found, key=lambda point: point.total)

    def _from(self, start: FloatArray) -> PenalisedPoint:
        low, high = self.bounds
        if start.size == 0:
            return self._at(start)
        margin = 1e-6 * (high - low)

        def residual(x: FloatArray) -> FloatArray:
            return np.asarray(self.residual(x[None])[0])

        def slopes(x: FloatArray) -> FloatArray:
            return self._slopes(x)[1]

        found = least_squares(
            residual,
            np.clip(start, low + margin, high - margin),
            slopes,
            bounds=(low, high),
            x_scale="jac",
            ftol=1e-7,
            max_nfev=_EVALUATIONS,
        )
        return self._at(found.x)

    def _slopes(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The residual (rows,) and its derivatives (rows, k) by differences that stay below the upper bound."""
        step = _STEP * np.maximum(np.abs(x), 1.0)
        step = np.where(x + step > self.bounds[1], -step, step)
        both = self.residual(np.vstack([x, x + np.diag(step)]))
        return both[0], np.asarray((both[1:] - both[0]).T / step)

    def _at(self, x: FloatArray) -> PenalisedPoint:
        rows, amplitudes, rss = self._rows(x[None])
        n = rows.shape[1] - amplitudes.shape[1]
        theta = self.model.layout.coordinates(self.values).copy()
        theta[self._free] = x
        total = float(rss[0] + np.sum(rows[0] ** 2) + np.sum(self._pulled(x[None]) ** 2))
        return PenalisedPoint(theta, amplitudes[0], total, float(rss[0] + np.sum(rows[0, :n] ** 2)))

    def starts(self) -> list[FloatArray]:
        """The best of many points of the prior, shape (size,) each; always the same."""
        layout = self.model.layout
        u = even_points(layout.size, _CLOUD)
        held = [k for k, entry in enumerate(layout.entries) if entry.name.is_noise or entry.name.is_thickness]
        u[:, held] = 0.5
        theta = self.model.prior_transform(u)
        low, high = self.bounds
        x = np.clip(theta[:, self._free], low, high)
        height = np.sum(self.residual(x) ** 2, axis=1)
        theta[:, self._free] = x
        return [theta[k] for k in np.argsort(height)[:_STARTS]]

    def leverage(self, point: PenalisedPoint) -> dict[str, float]:
        """Fall of F without each prior, to first order: r²/(1 − h).

        r² is what the prior contributes to F and h its leverage, the share of it in its own fitted value: that by
        amplitudes, and that by all other parameters in what amplitudes leave (Kaufman's form).
        """
        x = point.theta[self._free]
        residual, slopes = self._slopes(x)
        design = self._designed(x[None])[0][0]
        h = np.zeros(residual.size)
        h[: design.shape[0]] = _shares(design)
        h += _shares(slopes)
        falls = residual**2 / np.maximum(1 - h, 1e-9)
        names = [*self.model.amplitudes.names, *(self.model.layout.entries[k].name for k in self._free)]
        return dict(zip(names, falls[falls.size - len(names) :].tolist(), strict=True))


def _shares(matrix: FloatArray) -> FloatArray:
    """Diagonal of the projection onto the columns of a matrix, shape (n_rows,)."""
    return np.asarray(np.sum(spanned(matrix, 1e-10) ** 2, axis=1))
