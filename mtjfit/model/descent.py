"""Many searches at once: a parameter held at a value in each, all others following to the smallest −2 ln L.

Amplitudes follow exactly (variable projection), fitted noise scales likewise; lengths, dead layer and thicknesses by
Levenberg and Marquardt's steps between bounds. Lengths move in ln(1 + (d/λ)²), Λ and its factors in ln(1 + d/Λ), with d
a typical thickness: the torque is smooth in 1/λ² and 1/Λ up to infinite lengths, so that a search that starts at the
far end of a range can leave it. In ln λ everything is flat there, and the search would stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.model.device_combinations import noise_groups, values_per_scale
from mtjfit.model.jacobian import prior_width
from mtjfit.model.layout import Entry
from mtjfit.model.likelihood import FullPosterior, row_scale, transfer_gradient, whitened

FARTHEST = (1e-3, 1e5)
"""Range of a length or a ratio without narrower bounds of its own, in nm or 1."""

_NEARLY_ZERO = 1e-9  # of a prior's width: how close to zero a thickness or a dead layer may come
_POWER = {"lambda_J": 2, "lambda_phi": 2, "lambda_sf_F": 2, "lambda_sf_N": 1, "Lambda": 1, "D_ratio": 1}
_ITERATIONS = 60
_ENOUGH = 1e-5  # gain in −2 ln L over two steps below which a search ends
_LONGEST = 3.0  # step in any coordinate
_FIRST, _EASIER, _HARDER, _HOPELESS = 1e-2, 0.2, 4.0, 1e9  # damping
_RANK = 1e-11  # of a column: what is left of it beside the others, below which it is no column of its own
_CHUNK = 2048


@dataclass(frozen=True)
class Points:
    """Points of a study, one for each row."""

    values: FloatArray  # natural values of the non-linear parameters, shape (n, size)
    amplitudes: FloatArray  # the best ones there, shape (n, n_free)
    height: FloatArray  # −2 ln L up to a constant that is the same for all points, shape (n,)

    def __len__(self) -> int:
        return self.height.size

    def __getitem__(self, rows: NDArray[np.bool_] | IntArray | slice) -> Points:
        return Points(self.values[rows], self.amplitudes[rows], self.height[rows])

    @staticmethod
    def together(parts: list[Points]) -> Points:
        """All rows of several."""
        return Points(*(np.concatenate([getattr(one, k) for one in parts]) for k in Points.__dataclass_fields__))

    def of(self, model: FullPosterior, name: str) -> FloatArray:
        """One parameter at every point, shape (n,)."""
        if name in model.amplitudes.names:
            return np.asarray(self.amplitudes[:, model.amplitudes.names.index(name)])
        return np.asarray(self.values[:, model.layout.names.index(name)])


def allowed(entry: Entry) -> tuple[float, float]:
    """Range of a parameter: the support of its prior, for lengths within `FARTHEST`."""
    low, high = entry.prior.support
    if entry.log or low > 0:
        return max(low, FARTHEST[0]), min(high, FARTHEST[1])
    return low or _NEARLY_ZERO * prior_width(entry), min(high, FARTHEST[1])


def lowest_of(height: FloatArray, which: IntArray) -> IntArray:
    """Row of the lowest point of each group, by ascending `which`; of equal ones the first.

    Heights within the tolerance of a search count as equal: their order depends on rounding, and so on the unit.

    Examples
    --------
    >>> lowest_of(np.array([2.0, 1 + 1e-15, 1.0, 5.0]), np.array([0, 0, 0, 7])).tolist()
    [1, 3]
    """
    groups, group = np.unique(which, return_inverse=True)
    least = np.full(groups.size, np.inf)
    np.minimum.at(least, group, height)
    equal = np.flatnonzero(height <= least[group] + _ENOUGH)
    return equal[np.unique(group[equal], return_index=True)[1]]


@dataclass(frozen=True)
class _State:
    """Points and the rows behind them, shapes (n, rows) and (n, rows, n_free): misfit, and orthonormal amplitudes."""

    points: Points
    residual: FloatArray
    q: FloatArray


@dataclass(frozen=True)
class Descent:
    """Searches in which one parameter is held."""

    model: FullPosterior
    name: str = ""  # parameter that is held; empty for none
    # whether fitted noise scales follow. Where they stay, the height is χ² at the scales of the starts
    noise: bool = True

    @cached_property
    def _groups(self) -> tuple[IntArray, FloatArray]:
        """Which component of which device shares which fitted noise scale, and how many values each scale has."""
        return noise_groups(self.model)[0], values_per_scale(self.model)

    @cached_property
    def _thickness(self) -> tuple[IntArray, FloatArray, FloatArray]:
        """Entries that are thicknesses with an error, their nominal values and errors."""
        entries = self.model.layout.entries
        chosen = [k for k, entry in enumerate(entries) if entry.name.is_thickness]
        mean, sd = np.array([entries[k].prior.centre_and_sd for k in chosen], dtype=float).reshape(-1, 2).T
        return np.array(chosen, dtype=int), mean, sd

    @cached_property
    def _free(self) -> IntArray:
        """Entries that a search moves."""
        names = self.model.layout.names
        return np.array([k for k, name in enumerate(names) if name != self.name and not name.is_noise], int)

    @cached_property
    def _axes(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Of the moving entries: power of d/λ (0 for a linear coordinate, −1 for a logarithm), unit, values and bounds.

        The lowest and highest values, then those of the coordinates.
        """
        entries = [self.model.layout.entries[k] for k in self._free]
        typical = float(np.median(self.model.study.thicknesses))
        power = np.array([_POWER.get(one.name.base, -1 if one.log else 0) for one in entries], dtype=float)
        unit = np.array([typical if p > 0 else prior_width(one) for p, one in zip(power, entries, strict=True)])
        ends = np.array([allowed(one) for one in entries], dtype=float).reshape(-1, 2).T
        bounds = np.sort([_coordinate(end, power, unit) for end in ends], axis=0)
        return power, unit, ends, bounds[0], bounds[1]

    @cached_property
    def _followers(self) -> np.ndarray:
        """True for each amplitude that follows."""
        return np.array([name != self.name for name in self.model.amplitudes.names], dtype=bool)

    def _with(self, held: FloatArray, values: FloatArray) -> FloatArray:
        if self.name in self.model.layout.names:
            values = values.copy()
            values[:, self.model.layout.names.index(self.name)] = held
        return values

    def _state(self, held: FloatArray, values: FloatArray) -> _State:
        """The points at given lengths, thicknesses and noise scales; the scales follow, which never raises −2 ln L."""
        state = self._projected(held, values)
        if not (self.noise and self._groups[1].size):
            return state
        return self._projected(held, self._with_noise_of(state))

    def _projected(self, held: FloatArray, values: FloatArray) -> _State:
        design, target, _, _ = whitened(self.model, values)
        n, follow = values.shape[0], self._followers
        if not follow.all():
            target = target - design[..., ~follow][..., 0] * held[:, None]
        q, amplitudes = _least_squares(design[..., follow], target)
        all_of = np.zeros((n, follow.size))
        all_of[:, follow] = amplitudes
        all_of[:, ~follow] = held[:, None]
        chosen, mean, sd = self._thickness
        off = (values[:, chosen] - mean) / sd
        left = (design[..., follow] @ amplitudes[..., None])[..., 0] - target
        residual = np.concatenate([left, off], axis=1)
        q = np.concatenate([q, np.zeros((n, chosen.size, q.shape[-1]))], axis=1)
        return _State(Points(values, all_of, self._height(values, residual)), residual, q)

    def _height(self, values: FloatArray, residual: FloatArray) -> FloatArray:
        """χ², and N ln S for N values with one fitted scale and misfit S."""
        group, n = self._groups
        if not (self.noise and n.size):
            return np.asarray(np.sum(residual**2, axis=1))
        known = np.repeat(group.ravel() < 0, self.model.data.powers.size)
        square, rows = residual**2, known.size
        measured = square[:, :rows][:, known].sum(axis=1) + square[:, rows:].sum(axis=1)
        return np.asarray(measured + np.log(self._misfits(values, residual)) @ n)

    def _misfits(self, values: FloatArray, residual: FloatArray) -> FloatArray:
        """Sum of the squared residuals of all values behind each fitted noise scale, shape (n, n_scales)."""
        group, n = self._groups
        P = self.model.data.powers.size
        rows = np.sum(residual[:, : group.size * P].reshape(-1, *group.shape, P) ** 2, axis=-1)
        scales = 1 / row_scale(self.model, values)[0].reshape(-1, *group.shape, P)[..., 0]
        square = self.model.data.rss + rows * scales**2
        tiny = np.finfo(float).tiny
        return np.stack([np.maximum(square[:, group == g].sum(axis=1), tiny) for g in range(n.size)], axis=1)

    def _with_noise_of(self, state: _State) -> FloatArray:
        """The values of points with their noise scales set to what suits them best."""
        group, n = self._groups
        values = state.points.values.copy()
        best = np.sqrt(self._misfits(values, state.residual) / n)
        for c, name in enumerate(("noise_par", "noise_perp")):
            for j in np.flatnonzero(group[:, c] >= 0):
                values[:, self.model.layout.index[name][j]] = best[:, group[j, c]]
        return values

    def at(self, held: FloatArray, values: FloatArray) -> Points:
        """The points at lengths and thicknesses of shape (n, size); the parameter held is replaced."""
        values = self._with(held, np.asarray(values, dtype=float))
        parts = range(0, len(values), _CHUNK)
        return Points.together([self._state(held[k : k + _CHUNK], values[k : k + _CHUNK]).points for k in parts])

    def _gradient(self, state: _State) -> FloatArray:
        """Derivatives of the residuals by the coordinates that move, amplitudes following (Kaufman's form)."""
        model, values = self.model, state.points.values
        linear, data, (n, J, P) = model.amplitudes, model.data, (len(values), *model.data.z.shape)
        w = linear.of_terms(state.points.amplitudes) * linear.phase  # (n, J, terms)
        R_par, R_perp = data.columns(linear.power)
        real = np.einsum("jrt,njt->njr", R_par, w.real) + np.einsum("jrt,njt->njr", R_perp, w.imag)
        imag = np.einsum("jrt,njt->njr", R_perp, w.real) - np.einsum("jrt,njt->njr", R_par, w.imag)
        if data.fitted.any():
            scale = row_scale(model, values)[0]
            real, imag = real * scale, imag * scale
        dK = transfer_gradient(model.layout, values, per_volume=model.per_volume)[..., self._free]
        by_layout = real[..., None] * dK.real[:, :, None, :] + imag[..., None] * dK.imag[:, :, None, :]
        chosen, _, sd = self._thickness
        out = np.zeros((n, J * P + chosen.size, self._free.size))
        out[:, : J * P] = by_layout.reshape(n, J * P, -1)
        power, unit, *_ = self._axes
        log = model.layout.log[self._free]
        slope = _slope(values[:, self._free], power, unit) / np.where(log, values[:, self._free], 1.0)
        for row, k in enumerate(chosen):
            mine = self._free == k
            out[:, J * P + row, mine] = (np.where(log, values[:, self._free], 1.0)[:, mine]) / sd[row]
        out *= slope[:, None, :]
        return np.asarray(out - state.q @ (np.swapaxes(state.q, 1, 2) @ out))

    def lowest(self, held: FloatArray, starts: FloatArray) -> Points:
        """End points of searches from natural values (n, size), with the parameter held at `held`, shape (n,)."""
        starts = self._with(held, np.asarray(starts, dtype=float))
        parts = range(0, len(starts), _CHUNK)
        return Points.together([self._searched(held[k : k + _CHUNK], starts[k : k + _CHUNK]) for k in parts])

    def _searched(self, held: FloatArray, starts: FloatArray) -> Points:
        power, unit, ends, low, high = self._axes
        inside = starts.copy()
        inside[:, self._free] = np.clip(starts[:, self._free], *ends)
        state = self._state(held, inside)
        found = Points(*(part.copy() for part in vars(state.points).values()))
        if not self._free.size:
            return found
        active = np.arange(len(held))
        damping, gained = np.full(len(held), _FIRST), np.full(len(held), np.inf)
        x = _coordinate(inside[:, self._free], power, unit)
        for _ in range(_ITERATIONS):
            step = self._step(state, x, damping[active], low, high)
            trial = np.clip(x + np.clip(step, -_LONGEST, _LONGEST), low, high)
            values = state.points.values.copy()
            values[:, self._free] = np.clip(_value(trial, power, unit), *ends)
            there = self._state(held[active], values)
            better = there.points.height < state.points.height
            gain = np.where(better, state.points.height - there.points.height, 0.0)
            state, x = _chosen(better, there, state), np.where(better[:, None], trial, x)
            over_two = gain + gained[active]
            damping[active] *= np.where(better, _EASIER, _HARDER)
            gained[active] = np.where(better, gain, gained[active])
            done = (better & (over_two < _ENOUGH)) | (damping[active] > _HOPELESS)
            for part, new in zip(vars(found).values(), vars(state.points).values(), strict=True):
                part[active] = new
            if done.all():
                break
            active, x = active[~done], x[~done]
            state = _State(state.points[~done], state.residual[~done], state.q[~done])
        return found

    def _step(self, state: _State, x: FloatArray, damping: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """One step of each search; a coordinate at a bound that pulls outward stays."""
        J = self._gradient(state)
        slope = np.einsum("nrk,nr->nk", J, state.residual)
        stuck = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        J = np.where(stuck[:, None, :], 0.0, J)
        H = np.swapaxes(J, 1, 2) @ J
        diagonal = np.einsum("nkk->nk", H)
        floor = 1e-14 * diagonal.max(axis=1, keepdims=True) + np.finfo(float).tiny
        added = damping[:, None] * np.maximum(diagonal, floor) + floor
        np.einsum("nkk->nk", H)[...] += np.where(stuck, 1.0, added)
        step = -np.linalg.solve(H, np.where(stuck, 0.0, slope)[..., None])[..., 0]
        return np.where(np.isfinite(step), step, 0.0)


def _chosen(new: np.ndarray, there: _State, here: _State) -> _State:
    def pick(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.where(new.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

    points = (pick(a, b) for a, b in zip(vars(there.points).values(), vars(here.points).values(), strict=True))
    return _State(Points(*points), pick(there.residual, here.residual), pick(there.q, here.q))


def _least_squares(design: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthonormal basis of the columns of each design (n, rows, k), and the least-squares solution (n, k).

    By QR; where a column has nothing of its own, by singular values, so that it explains nothing.
    """
    n, _, k = design.shape
    if k == 0:
        return np.zeros((n, design.shape[1], 0)), np.zeros((n, 0))
    norms = np.linalg.norm(design, axis=1)
    scaled = design / np.where(norms > 0, norms, 1.0)[:, None, :]
    q, r = np.linalg.qr(scaled)
    own = np.abs(np.diagonal(r, axis1=1, axis2=2))
    poor = (own.min(axis=1) < _RANK) if own.shape[1] == k else np.ones(n, dtype=bool)
    amplitudes = np.zeros((n, k))
    full = np.zeros((n, design.shape[1], k))
    good = ~poor
    if good.any():
        full[good] = q[good]
        projected = np.swapaxes(q[good], 1, 2) @ target[good][..., None]
        amplitudes[good] = np.linalg.solve(r[good], projected)[..., 0]
    if poor.any():
        u, s, vt = np.linalg.svd(scaled[poor], full_matrices=False)
        kept = s > _RANK
        u = u * kept[:, None, :]
        projected = (np.swapaxes(u, 1, 2) @ target[poor][..., None])[..., 0] / np.where(kept, s, 1.0)
        full[poor] = np.concatenate([u, np.zeros((*u.shape[:2], k - u.shape[-1]))], axis=-1)
        amplitudes[poor] = (np.swapaxes(vt, 1, 2) @ projected[..., None])[..., 0]
    return full, amplitudes / np.where(norms > 0, norms, 1.0)


def _coordinate(value: FloatArray, power: FloatArray, unit: FloatArray) -> FloatArray:
    """Natural values to the coordinates of a search."""
    positive = np.where(power == 0, 1.0, value)
    with np.errstate(divide="ignore", over="ignore"):
        rate = np.log1p((unit / positive) ** np.maximum(power, 1.0))
    return np.asarray(np.where(power > 0, rate, np.where(power < 0, np.log(positive), value / unit)))


def _value(x: FloatArray, power: FloatArray, unit: FloatArray) -> FloatArray:
    """Coordinates of a search to natural values."""
    with np.errstate(divide="ignore", over="ignore"):
        length = unit / np.expm1(np.where(power > 0, x, 1.0)) ** (1 / np.maximum(power, 1.0))
        logarithm = np.exp(np.where(power < 0, x, 0.0))
    return np.asarray(np.where(power > 0, length, np.where(power < 0, logarithm, x * unit)))


def _slope(value: FloatArray, power: FloatArray, unit: FloatArray) -> FloatArray:
    """Derivative of a natural value by its coordinate."""
    positive = np.where(power == 0, 1.0, value)
    rate = (unit / positive) ** np.maximum(power, 1.0)
    length = -positive / np.maximum(power, 1.0) * (1 + 1 / rate)
    return np.asarray(np.where(power > 0, length, np.where(power < 0, positive, unit)))
