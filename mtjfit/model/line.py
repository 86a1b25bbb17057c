"""The line of lowest points along one parameter, extended until no start lowers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.model.descent import Descent, Points, allowed, lowest_of
from mtjfit.model.likelihood import FullPosterior
from mtjfit.study import Normal

_SDS = 10.0  # that an amplitude may go from the centre of its prior
_OUTWARD = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # first steps, in linearised errors
_GROWTH = 1.5  # of the steps beyond
_LONGEST, _SHARE = 0.7, 0.05  # step, in the logarithm of a length; as a share of the range of anything else
_FAR = 4.0  # thresholds up to which a point is of interest
_SWEEPS = 200
_LOWER = 1e-4  # gain in −2 ln L that is worth passing on to a neighbour
_COARSE = 0.7  # difference in √rise between neighbours below the highest threshold
_CROSSED = 2e-3  # in √rise: how close to a threshold a point must lie
_FINEST = 1e-4  # distance between points, in first steps
_ROUNDS = 12


@dataclass(frozen=True)
class Axis:
    """The coordinate in which a parameter is followed, and how far."""

    name: str
    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, model: FullPosterior, name: str, best: float) -> Axis:
        """The range of a parameter, wide enough for its best value."""
        if name in model.amplitudes.names:
            prior: Normal = model.amplitudes.priors[model.amplitudes.names.index(name)]
            far = _SDS * prior.sd
            low, high, log = max(prior.low, prior.mean - far), min(prior.high, prior.mean + far), False
        else:
            entry = model.layout.entries[model.layout.names.index(name)]
            low, high = allowed(entry)
            log = entry.log or entry.prior.support[0] > 0
        return cls(name, min(low, best), max(high, best), log)

    def to(self, value: FloatArray) -> FloatArray:
        """Values of the parameter to coordinates."""
        return np.asarray(np.log(np.maximum(value, np.finfo(float).tiny)) if self.log else value, dtype=float)

    def back(self, u: FloatArray) -> FloatArray:
        """Coordinates to values, never beyond the range."""
        return np.clip(np.exp(u) if self.log else u, self.low, self.high)

    def grid(self, best: float, error: float) -> FloatArray:
        """Coordinates from the best one to both ends: dense within three errors, ever sparser beyond."""
        ends = self.to(np.array([self.low, self.high]))
        longest = _LONGEST if self.log else _SHARE * (ends[1] - ends[0])
        step = min(error, longest) if error > 0 else longest
        out = list(step * np.array(_OUTWARD))
        here, wide = out[-1], 0.5 * step
        while here < ends[1] - ends[0]:
            wide = min(_GROWTH * wide, longest)
            here += wide
            out.append(here)
        both = best + np.concatenate([-np.array(out), [0.0], out])
        return np.unique([*both[(both > ends[0]) & (both < ends[1])], *ends, best])


@dataclass(frozen=True)
class Line:
    """Points in which one parameter is held, ascending in its coordinate."""

    descent: Descent  # searches in which the parameter is held
    axis: Axis
    u: FloatArray  # shape (n,)
    points: Points
    step: float  # first step from the best point; distances are judged by it

    @classmethod
    def drawn(cls, model: FullPosterior, name: str, best: Points, error: float, starts: FloatArray, most: int) -> Line:
        """From the best point (one row) and, at each held value, at most so many of the starts (m, size)."""
        descent, value = Descent(model, name), float(best.of(model, name)[0])
        axis = Axis.of(model, name, value)
        at = float(axis.to(np.array(value)))
        u = axis.grid(at, error)
        others = u[u != at]
        near = float(np.min(np.abs(others - at))) if others.size else 1.0
        line = cls(descent, axis, np.array([at]), best, 2 * near)
        each, values = line._promising(others, starts, most)
        which = np.concatenate([np.arange(others.size), each])
        return line._searched(others, which, np.concatenate([np.repeat(best.values, others.size, axis=0), values]))

    def _promising(self, u: FloatArray, starts: FloatArray, most: int) -> tuple[IntArray, FloatArray]:
        """The `most` lowest starts at each coordinate: which coordinate each is for, and its values."""
        held, m = self.axis.back(u), len(starts)
        if not m or not u.size:
            return np.zeros(0, dtype=int), np.zeros((0, self.points.values.shape[1]))
        height = self.descent.at(np.repeat(held, m), np.tile(starts, (u.size, 1))).height.reshape(u.size, m)
        chosen = np.argsort(height, axis=1)[:, :most]
        return np.repeat(np.arange(u.size), chosen.shape[1]), starts[chosen.ravel()]

    def _searched(self, u: FloatArray, which: IntArray, starts: FloatArray) -> Line:
        """With the lowest point that searches from `starts` find at each new coordinate `u[which]`."""
        if not which.size:
            return self
        found = self.descent.lowest(self.axis.back(u)[which], starts)
        return self.merged(u[np.unique(which)], found[lowest_of(found.height, which)])

    def merged(self, u: FloatArray, points: Points) -> Line:
        """With further points; of two at one coordinate the lower one stays."""
        all_u, both = np.concatenate([self.u, u]), Points.together([self.points, points])
        different, which = np.unique(all_u, return_inverse=True)
        return replace(self, u=different, points=both[lowest_of(both.height, which)])

    def swept(self, changed: np.ndarray, far: float) -> Line:
        """With every point tried from its neighbours' values, over and over until none becomes lower.

        `changed`, shape (n,), are points that their neighbours have not been tried from; none above `far` is a start.
        """
        points = self.points
        for _ in range(_SWEEPS):
            source = np.flatnonzero(changed & (points.height < far))
            pairs = [(k, k + side) for k in source for side in (-1, 1) if 0 <= k + side < self.u.size]
            if not pairs:
                break
            start, target = np.array(pairs).T
            found = self.descent.lowest(self.axis.back(self.u[target]), points.values[start])
            row = lowest_of(found.height, target)
            row = row[found.height[row] < points.height[target[row]] - _LOWER]
            changed = np.isin(np.arange(self.u.size), target[row])
            height, values, amplitudes = points.height.copy(), points.values.copy(), points.amplitudes.copy()
            height[changed], values[changed] = found.height[row], found.values[row]
            amplitudes[changed] = found.amplitudes[row]
            points = Points(values, amplitudes, height)
        return replace(self, points=points)

    def settled(self, lowest: float, thresholds: Sequence[float], changed: np.ndarray | None = None) -> Line:
        """Swept, and with more points where it rises steeply or crosses one of the ascending thresholds.

        `lowest` is the height of the best point, and `changed`, shape (n,), are new points; all if not given.
        """
        far = lowest + _FAR * thresholds[-1]
        line = self.swept(np.ones(self.u.size, dtype=bool) if changed is None else changed, far)
        for _ in range(_ROUNDS):
            u = line._wanted(lowest, thresholds)
            if not u.size:
                break
            above = np.clip(np.searchsorted(line.u, u), 1, line.u.size - 1)
            which = np.tile(np.arange(u.size), 2)
            line = line._searched(u, which, np.concatenate([line.points.values[above - 1], line.points.values[above]]))
            line = line.swept(np.isin(line.u, u), far)
        return line

    def tried_from(self, starts: FloatArray, lowest: float, thresholds: Sequence[float]) -> Line:
        """Settled again, with searches from all `starts`, shape (m, size), on both sides of each threshold.

        Neighbours cannot lead to a valley that no point of the line lies in.
        """
        below = self.points.height[:, None] - lowest < np.array(thresholds)
        crossed = np.any(below[1:] != below[:-1], axis=1)
        near = np.flatnonzero(np.append(crossed, False) | np.append(False, crossed))
        line = self._searched(self.u, np.repeat(near, len(starts)), np.tile(starts, (near.size, 1)))
        lower = line.points.height < self.points.height - _LOWER
        return line.settled(lowest, thresholds, lower) if lower.any() else self

    def _wanted(self, lowest: float, thresholds: Sequence[float]) -> FloatArray:
        """Coordinates at which the line needs another point."""
        root = np.sqrt(np.maximum(self.points.height - lowest, 0.0))
        low, high = np.minimum(root[:-1], root[1:]), np.maximum(root[:-1], root[1:])
        gap, top = np.diff(self.u), np.sqrt(thresholds[-1])
        wide = gap > 2 * _FINEST * self.step
        coarse = wide & (low < top) & (high - low > _COARSE)
        wanted = list(0.5 * (self.u[:-1] + self.u[1:])[coarse])
        for threshold in np.sqrt(thresholds):
            inside = np.flatnonzero(root < threshold)
            for k in () if not inside.size else {inside[0] - 1, inside[-1]}:
                if not 0 <= k < gap.size or coarse[k] or not wide[k]:
                    continue
                if np.abs(root[k : k + 2] - threshold).min() < _CROSSED:
                    continue
                share = (threshold - root[k]) / (root[k + 1] - root[k])
                wanted.append(self.u[k] + float(np.clip(share, 0.02, 0.98)) * gap[k])
        return np.unique(wanted)

    def shortfall(self, points: Points, lowest: float) -> FloatArray:
        """Depth in −2 ln L of other points below this line at their own values of the parameter, shape (n,)."""
        model = self.descent.model
        u = self.axis.to(points.of(model, self.axis.name))
        root = np.sqrt(np.maximum(self.points.height - lowest, 0.0))
        between = np.interp(u, self.u, root) ** 2
        inside = (u >= self.u[0]) & (u <= self.u[-1])
        return np.where(inside, between - (points.height - lowest), -np.inf)

    def lowered(self, points: Points, lowest: float, far: float, tolerance: float) -> tuple[Line, np.ndarray]:
        """With the points that lie below it by more than `tolerance`, one in each gap, and which of its own are new."""
        short = self.shortfall(points, lowest)
        rows = np.flatnonzero((short > tolerance) & (points.height < far))
        if not rows.size:
            return self, np.zeros(self.u.size, dtype=bool)
        u = self.axis.to(points[rows].of(self.descent.model, self.axis.name))
        first = lowest_of(-short[rows], np.searchsorted(self.u, u))
        line = self._searched(u[first], np.arange(first.size), points.values[rows[first]])
        return line, np.isin(line.u, u[first])
