"""Phase of κ and amplitudes of many devices at once, each from its own sufficient statistics alone.

With J0 = Σ c_n Vⁿ a curve measures t_n = K c_n. Least squares over the phase φ of K and the real amplitudes
|K| a_n, |K| b_n is linear but for φ: amplitudes are eliminated (Golub and Pereyra's variable projection), which leaves
a function f(φ) of period π. Its two lowest dips are found on a grid, to which phases of free coefficients are added,
and followed by Newton's method inside a bracket. With D(φ) c the model, r = z − D c and D'' = −D,

    f' = −2 rᵀD'c,   f'' = 2 (|D'c|² − hᵀ(DᵀD)⁻¹h),   h = DᵀD'c − D'ᵀr.

Arrays have the device as their last axis, sums over few terms are written out, and a device that has converged is left
alone: its numbers do not depend, to the last bit, on which others are computed beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard


@dataclass(frozen=True, eq=False)
class Triangle:
    """Orthogonal columns Q and the triangle R of designs D = Q R, one for each device."""

    Q: FloatArray  # columns that depend on those before them are zero, shape (T, rows, J)
    R: FloatArray  # shape (T, T, J)

    @property
    def rank(self) -> IntArray:
        """Independent columns, shape (J,)."""
        T = self.R.shape[0]
        return np.asarray(np.sum(self.R[np.arange(T), np.arange(T)] > 0, axis=0))

    def solve(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least-squares coefficients (T, J) and what remains of z (rows, J), for z of shape (rows, J)."""
        T = self.R.shape[0]
        projected, rest = np.empty((T, z.shape[-1])), z
        for k in range(T):
            projected[k] = inner(self.Q[k], rest)
            rest = rest - self.Q[k] * projected[k]
        return self.back(projected), rest

    def back(self, y: FloatArray) -> FloatArray:
        """R⁻¹ y, shape (T, J); zero for dependent columns."""
        T, x = self.R.shape[0], np.zeros_like(y)
        for k in reversed(range(T)):
            total = y[k]
            for m in range(k + 1, T):
                total = total - self.R[k, m] * x[m]
            x[k] = _over(total, self.R[k, k])
        return x

    def forward(self, y: FloatArray) -> FloatArray:
        """R⁻ᵀ y, shape (T, J); zero for dependent columns."""
        T, x = self.R.shape[0], np.zeros_like(y)
        for k in range(T):
            total = y[k]
            for m in range(k):
                total = total - self.R[m, k] * x[m]
            x[k] = _over(total, self.R[k, k])
        return x

    def covariance(self) -> FloatArray:
        """(DᵀD)⁻¹, shape (T, T, J)."""
        T, J = self.R.shape[0], self.R.shape[-1]
        inverse = np.stack([self.back(np.broadcast_to(np.eye(T)[k][:, None], (T, J))) for k in range(T)], axis=1)
        out = np.empty((T, T, J))
        for k in range(T):
            for m in range(k, T):
                out[k, m] = out[m, k] = inner(inverse[k, m:], inverse[m, m:])
        return out


def inner(one: FloatArray, other: FloatArray) -> FloatArray:
    """Σ over the first axis of the product, term by term in order."""
    total = one[0] * other[0]
    for a, b in zip(one[1:], other[1:], strict=True):
        total = total + a * b
    return np.asarray(total)


def _over(y: FloatArray, pivot: FloatArray) -> FloatArray:
    return np.where(pivot > 0, y / np.where(pivot > 0, pivot, 1.0), 0.0)


def triangle(D: FloatArray) -> Triangle:
    """Q and R of designs of shape (T, rows, J), by the modified method of Gram and Schmidt.

    As good as Householder's for least squares as long as right-hand sides are projected as `Triangle.solve` does.
    """
    T, rows, J = D.shape
    columns, Q, R = [D[k] for k in range(T)], np.zeros((T, rows, J)), np.zeros((T, T, J))
    for k in range(T):
        full = inner(D[k], D[k])
        norm = np.sqrt(inner(columns[k], columns[k]))
        R[k, k] = np.where(norm > max(T, rows) * np.finfo(float).eps * np.sqrt(full), norm, 0.0)
        Q[k] = _over(columns[k], R[k, k])
        for m in range(k + 1, T):
            R[k, m] = inner(Q[k], columns[m])
            columns[m] = columns[m] - Q[k] * R[k, m]
    return Triangle(Q, R)


_GRID = 31  # f is a few waves wide
_UNEVEN = 4.0  # where the components' columns differ by more in size, f has narrow dips
_OFFSET = 0.0123  # away from 0 and ±90°, where free phases like to be
_NEAR = 1e-6
_ROUNDS = 60
_CLOSE = 1e-7  # errors; Newton's next step squares it


@dataclass(frozen=True, eq=False)
class Terms(ShownAsCard):
    """Terms of J0 that a device sees."""

    names: tuple[str, ...]
    phase: NDArray[np.complex128]  # 1 for in-plane, i for out-of-plane terms, shape (T,)
    power: IntArray  # shape (T,)
    powers: IntArray  # powers of V of the polynomials, ascending; those of the terms are among them, shape (P,)

    @cached_property
    def single(self) -> IntArray:
        """Places of the terms whose power of V has no other: only these determine the phase of K."""
        return np.array([t for t, n in enumerate(self.power) if np.sum(self.power == n) == 1], dtype=int)

    @property
    def phase_determined(self) -> bool:
        """True if some power of V has only an in-plane or only an out-of-plane coefficient."""
        return self.single.size > 0

    @property
    def quantities(self) -> tuple[str, ...]:
        """Numbers that a device determines, in the order of tables; none where the phase of κ is not determined."""
        if not self.phase_determined:
            return ()
        ratio = ("b2/a1",) if {"a1", "b2"} <= set(self.names) else ()
        return ("slope_ratio", *(f"|kappa|·{name}" for name in self.names), *ratio)


@dataclass(frozen=True, eq=False)
class PhaseFit:
    """Least squares of many devices."""

    phase: FloatArray  # of K, between −90° and 90°: |K| times a term carries the sign of its coefficient, shape (J,)
    amplitudes: FloatArray  # |K| times each term, shape (T, J)
    misfit: FloatArray  # shape (J,)
    covariance: FloatArray  # of phase and amplitudes, from the linearised model, shape (1 + T, 1 + T, J)
    left: FloatArray  # share of each row that the linearised model leaves as misfit, shape (2P, J)
    determined: NDArray[np.bool_]  # false where rows do not fix phase and amplitudes, shape (J,)

    @np.errstate(divide="ignore", invalid="ignore", over="ignore")  # b2/a1 of a dead channel is NaN or infinite
    def quantities(self, terms: Terms) -> tuple[FloatArray, FloatArray]:
        """Numbers in the order of `Terms.quantities`, (Q, J), and their covariance to first order, (Q, Q, J)."""
        names, T, J = terms.quantities, len(terms.names), self.phase.size
        c = np.cos(self.phase)
        gradients = np.zeros((len(names), 1 + T, J))
        numbers = [np.tan(self.phase), *self.amplitudes]
        gradients[0, 0] = 1 / (c * c)
        for t in range(T):
            gradients[1 + t, 1 + t] = 1.0
        if names[-1] == "b2/a1":
            a, b = terms.names.index("a1"), terms.names.index("b2")
            ratio = self.amplitudes[b] / self.amplitudes[a]
            gradients[-1, 1 + a], gradients[-1, 1 + b] = -ratio / self.amplitudes[a], 1 / self.amplitudes[a]
            numbers.append(ratio)
        carried = [inner(self.covariance, gradient[:, None]) for gradient in gradients]
        covariance = np.empty((len(names), len(names), J))
        for one, other in combinations_with_replacement(range(len(names)), 2):
            covariance[one, other] = covariance[other, one] = inner(gradients[one], carried[other])
        return np.stack(numbers), covariance


@dataclass(frozen=True, eq=False)
class _Rotated:
    """Designs D(φ) = U cos φ + W sin φ of all devices, shapes (T, rows, J)."""

    U: FloatArray
    W: FloatArray
    z: FloatArray

    def some(self, which: IntArray) -> _Rotated:
        """Of some devices."""
        return _Rotated(*(np.ascontiguousarray(each[..., which]) for each in (self.U, self.W, self.z)))

    @classmethod
    def of(cls, R: FloatArray, z: FloatArray, terms: Terms) -> _Rotated:
        """From statistics of shapes (2P, 2P, J) and (2P, J)."""
        P, place = terms.powers.size, np.searchsorted(terms.powers, terms.power)
        by_term = np.moveaxis(R, 1, 0)
        u, v = terms.phase.real[:, None, None], terms.phase.imag[:, None, None]
        return cls(by_term[place] * u + by_term[P + place] * v, by_term[P + place] * u - by_term[place] * v, z)

    def at(self, phase: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """D and dD/dφ."""
        c, s = np.cos(phase), np.sin(phase)
        return self.U * c + self.W * s, self.W * c - self.U * s

    def captured(self, phase: FloatArray | float) -> FloatArray:
        """|z|² less f(φ), shape (J,)."""
        Q, rest = triangle(self.at(phase)[0]).Q, self.z
        total = np.zeros(rest.shape[-1])
        for q in Q:
            along = inner(q, rest)
            rest, total = rest - q * along, total + along * along
        return total

    def step(self, phase: FloatArray) -> tuple[FloatArray, FloatArray]:
        """f'/2 and f''/2, shape (J,)."""
        D, turned = self.at(phase)
        found = triangle(D)
        c, rest = found.solve(self.z)
        moved = inner(c[:, None], turned)  # D'c, shape (rows, J)
        h = np.stack([inner(D[t], moved) - inner(turned[t], rest) for t in range(D.shape[0])])
        w = found.forward(h)
        return -inner(rest, moved), inner(moved, moved) - inner(w, w)


def _free_phases(R: FloatArray, z: FloatArray, terms: Terms) -> list[FloatArray]:
    """Phase of K that each single term would have by itself, between −90° and 90°, from the free polynomials."""
    P, (t, _) = terms.powers.size, triangle(np.moveaxis(R, 1, 0)).solve(z)
    place, found = np.searchsorted(terms.powers, terms.power), []
    for k in terms.single:
        par, perp = t[place[k]], t[P + place[k]]
        if terms.phase[k].imag:  # t/i
            par, perp = perp, -par
        sign = np.where(par < 0, -1.0, 1.0)
        found.append(np.arctan2(perp * sign, par * sign))
    return found


def _ratio(R: FloatArray) -> FloatArray:
    """Size of in-plane columns over that of out-of-plane columns, shape (J,); 1 where one of them is zero."""
    P = R.shape[0] // 2
    columns = np.sqrt(inner(R, R))  # shape (2P, J)
    par, perp = (np.sqrt(inner(part, part)) for part in (columns[:P], columns[P:]))
    sound = (par > 0) & (perp > 0)
    return np.where(sound, par / np.where(sound, perp, 1.0), 1.0)


def _grid(ratio: FloatArray, *, wide: bool) -> list[FloatArray | float]:
    """Phases to look at; with `wide` also those that lie evenly once one component is scaled to the other."""
    even = (np.arange(_GRID) + 0.5) / _GRID * np.pi - np.pi / 2 + _OFFSET
    phases: list[FloatArray | float] = [float(at) for at in even]
    if wide:
        phases += [np.arctan(scale * np.tan(at - _OFFSET / 2)) for scale in (ratio, 1 / ratio) for at in even]
    return phases


def _brackets(
    rotated: _Rotated, R: FloatArray, terms: Terms, grid: list[FloatArray | float]
) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """The two lowest dips on the grid, with their neighbours on both sides, shape (J,) each; NaN for none."""
    J = rotated.z.shape[-1]
    grid = [*grid, *_free_phases(R, rotated.z, terms)]
    phases = np.stack([np.broadcast_to(at, J) for at in grid])
    heights = np.stack([rotated.captured(at) for at in grid])
    order, each = np.argsort(phases, axis=0, kind="stable"), np.arange(J)
    phases, heights = np.take_along_axis(phases, order, axis=0), np.take_along_axis(heights, order, axis=0)
    n, found = phases.shape[0], []
    peak = (heights >= np.roll(heights, 1, axis=0)) & (heights >= np.roll(heights, -1, axis=0))
    heights = np.where(peak, heights, -np.inf)
    for _ in range(2):
        best = np.argmax(heights, axis=0)
        middle = low = high = np.where(heights[best, each] > -np.inf, phases[best, each], np.nan)
        heights[best, each] = -np.inf
        for away in range(1, terms.single.size + 2):  # free phases may lie as good as on each other
            below = phases[(best - away) % n, each] - np.where(best < away, np.pi, 0.0)
            above = phases[(best + away) % n, each] + np.where(best + away >= n, np.pi, 0.0)
            low = np.where(middle - low > _NEAR, low, below)
            high = np.where(high - middle > _NEAR, high, above)
        found.append((low, middle, high))
    return found


def _best_phase(R: FloatArray, z: FloatArray, terms: Terms, wide: bool) -> FloatArray:
    rotated = _Rotated.of(R, z, terms)
    first, second = _brackets(rotated, R, terms, _grid(_ratio(R), wide=wide))
    phase = _lowest(rotated, *first)
    which = np.flatnonzero(np.isfinite(second[1]))
    if which.size:
        some = rotated.some(which)
        other = _lowest(some, *(each[which] for each in second))
        phase[which] = np.where(some.captured(other) > some.captured(phase[which]), other, phase[which])
    return phase


def _lowest(rotated: _Rotated, low: FloatArray, phase: FloatArray, high: FloatArray) -> FloatArray:
    """Newton's method in the bracket, halving it where a step would leave it; shape (J,)."""
    found, which = phase.copy(), np.arange(phase.size)
    for _ in range(_ROUNDS):
        slope, bend = rotated.step(phase)
        low, high = np.where(slope <= 0, phase, low), np.where(slope > 0, phase, high)
        convex = bend > 0
        new = phase - slope / np.where(convex, bend, 1.0)
        inside = convex & (new >= low) & (new <= high)
        new = np.where(inside, new, 0.5 * (low + high))  # where f is concave Newton's step climbs
        close = _CLOSE * np.minimum(1.0, 1 / np.sqrt(np.where(convex, bend, 1.0)))
        done = (inside & (np.abs(new - phase) <= close)) | (high - low <= 4 * np.finfo(float).eps)
        found[which] = new
        going = np.flatnonzero(~done)
        if going.size == 0:
            break
        rotated, which = rotated.some(going), which[going]
        low, phase, high = low[going], new[going], high[going]
    return found


def fit_phase(R: FloatArray, z: FloatArray, terms: Terms) -> PhaseFit:
    """Phase of κ and amplitudes of each device by least squares; ValueError where any phase fits as well.

    From R (2P, 2P, J) and z (2P, J) as in `mtjfit.model.compress.Compressed` with the device last, whitened: in-plane,
    then out-of-plane columns.
    """
    if not terms.phase_determined:
        raise ValueError("every power of V has an in-plane and an out-of-plane term: the phase is not determined")
    ratio = _ratio(R)
    uneven, phase = (ratio > _UNEVEN) | (ratio < 1 / _UNEVEN), np.empty(ratio.size)
    for wide in (False, True):
        which = np.flatnonzero(uneven == wide)
        if which.size:
            own_R, own_z = (np.ascontiguousarray(each[..., which]) for each in (R, z))
            phase[which] = _best_phase(own_R, own_z, terms, wide)
    phase = phase - np.pi * np.ceil(phase / np.pi - 0.5)
    rotated = _Rotated.of(R, z, terms)
    D, turned = rotated.at(phase)
    amplitudes, rest = triangle(D).solve(z)
    whole = triangle(np.concatenate([inner(amplitudes[:, None], turned)[None], D]))
    left = 1.0 - inner(whole.Q, whole.Q)
    determined = whole.rank == 1 + len(terms.names)
    return PhaseFit(phase, amplitudes, inner(rest, rest), whole.covariance(), left, determined)
