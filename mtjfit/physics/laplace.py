"""Numerical inversion of Laplace images of complex functions of time.

An image F(s) is known to be analytic outside a convex set that is open to the left: the numerical range of the
operator that rules the decay. The set is given by its right-hand corners, from bottom to top; from the first and the
last corner a ray runs to −∞. With precession the set is a strip off the real axis, so a function and its image have
no mirror symmetry: both halves of the contour count, and no real part may be taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_LEG = np.exp(2j * np.pi / 3)  # direction of the ends: exp(st) decays on them, the set of singularities recedes
_MARGIN = 2.0  # distance of the contour to the set, in 1/t; rounding errors grow as its exponential
_REACH = 45.0  # where exp(−Re s t) ends the contour: 3e-20
_CLOSE = 1.2  # longest panel in units of its distance to the set,
_PHASE = 12.0  # in radians of exp(st), with which 16 Gauss nodes err by 1e-19,
_FADED = 1.2  # or in units of the way that exp(st) has decayed already
_MOST = 300_000  # panels
_WINDOW = 4.0  # ratio of the times that share a contour
_CHUNK = 1000  # times that are summed at once
UNDERFLOW = 745.0  # exp(−745) is the last number before 0


def _distance(s: ComplexArray, corners: tuple[complex, ...]) -> FloatArray:
    """Distance of points outside to the convex set with these right-hand corners."""
    found = np.full(s.shape, np.inf)
    for end in (corners[0], corners[-1]):
        beside = np.where(s.real < end.real, np.abs(s.imag - end.imag), np.abs(s - end))
        found = np.minimum(found, beside)
    for a, b in itertools.pairwise(corners):
        along = np.clip(((s - a) * np.conj(b - a)).real / abs(b - a) ** 2, 0.0, 1.0)
        found = np.minimum(found, np.abs(s - a - along * (b - a)))
    return found


def _path(corners: tuple[complex, ...], offset: float, depth: float) -> ComplexArray:
    """The corners shifted to the right by `offset`, no side flatter than the ends, and both ends down to `depth`."""
    points = np.asarray(corners) + offset
    cotangent = -_LEG.real / _LEG.imag
    top = int(np.argmax(points.real))
    for order in (range(top - 1, -1, -1), range(top + 1, points.size)):
        before = points[top]
        for k in order:
            retreat = cotangent * abs(points[k].imag - before.imag)
            points[k] = complex(max(points[k].real, before.real - retreat), points[k].imag)
            before = points[k]
    first, last = ((max(p.real - depth, 0.0) / -_LEG.real) for p in (points[0], points[-1]))
    return np.concatenate([[points[0] + first * np.conj(_LEG)], points, [points[-1] + last * _LEG]])


def contour(
    corners: tuple[complex, ...], t_min: float, t_max: float, *, front: float = 0.0, inward: float = 0.0
) -> tuple[ComplexArray, ComplexArray]:
    """Nodes s and weights w: Σ w exp(st) F(s) is the function whose image is F, for 0 < t_min ≤ t ≤ t_max in ps.

    A polygon to the right of the singularities at a distance of 2/t_max + `inward` (ps⁻¹; it saves nodes where only the
    absolute error counts), divided into panels that are short against their distance to the singularities and against
    the period of exp(st), with 16 Gauss nodes each. F is analytic outside a convex set with these right-hand corners,
    from bottom to top, in ps⁻¹.

    `front` is y of an image that falls as exp(−2 √(y s t)), as behind a diffusion front: the contour then crosses the
    saddle at st = y, and the sum keeps its relative accuracy.

    The error of the sum is a few 1e-15 (or 1e-16 |s| t, s the farthest corner that is still seen) of max |F| times
    exp(x t − y)/t, x the largest real part of the corners plus `inward`. ValueError if the set is so high that exp(st)
    turns round some 10⁵ times along it.
    """
    offset = max(_MARGIN, front) / t_max + inward
    right = max(corner.real for corner in corners) + offset
    depth = right - (_REACH + 9.5 * np.sqrt(front)) / t_min
    points = _path(corners, offset, depth)
    faded = _FADED if front == 0 else _PHASE / _REACH  # past a saddle the decay is slower
    done_a, done_b = [], []
    a, b = points[:-1], points[1:]
    while a.size:
        seen = (np.maximum(a.real, b.real) > depth) & (a != b)
        a, b = a[seen], b[seen]
        behind = right - np.maximum(a.real, b.real)
        near = np.minimum(_distance(a, corners), _distance(b, corners))
        short = np.abs(b - a) <= np.minimum(_CLOSE * near, np.maximum(_PHASE / t_max, faded * behind))
        done_a.append(a[short])
        done_b.append(b[short])
        a, b = a[~short], b[~short]
        middle = 0.5 * (a + b)
        a, b = np.concatenate([a, middle]), np.concatenate([middle, b])
        if a.size > _MOST:
            raise ValueError("t is too long: it spans some 10⁵ periods of a precession that does not decay")
    a, b = np.concatenate(done_a), np.concatenate(done_b)
    half = 0.5 * (b - a)[:, None]
    s = (0.5 * (a + b)[:, None] + half * _NODES).ravel()
    return s, (half * _WEIGHTS / (2j * np.pi)).ravel()


def invert(image: Callable[[ComplexArray], ComplexArray], t: FloatArray, corners: tuple[complex, ...]) -> ComplexArray:
    """The function f of time whose image is F(s) = ∫_0^∞ f(t) exp(−st) dt, at times t > 0 in ps, of any shape.

    Errors are those of `contour`: some 1e-15 of max |F| exp(x t)/t, x the largest real part of the corners.
    """
    order = np.argsort(t, axis=None)
    times = t.ravel()[order]
    values = np.zeros(times.size, dtype=complex)
    rightmost = max(corner.real for corner in corners)
    alive = int(np.searchsorted(-rightmost * times, UNDERFLOW))
    begin = 0
    while begin < alive:
        end = min(int(np.searchsorted(times, _WINDOW * times[begin], side="right")), begin + _CHUNK, alive)
        window = times[begin:end]
        s, w = contour(corners, float(window[0]), float(window[-1]))
        step = max(1, 2_000_000 // s.size)
        weighted = w * image(s)
        for k in range(0, window.size, step):
            values[begin + k : begin + min(k + step, window.size)] = np.exp(window[k : k + step, None] * s) @ weighted
        begin = end
    result = np.empty(times.size, dtype=complex)
    result[order] = values
    return result.reshape(t.shape)
