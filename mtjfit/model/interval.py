"""Profile likelihoods: intervals that follow the likelihood, with open ends called open.

The rise of −2 ln L where one parameter is held and all others follow: lengths, thicknesses within their declared
errors, amplitudes, fitted noise scales. The ends of an interval are where it reaches the quantile of χ² with one degree
of freedom (Wilks), 1 for 68 % and 3.84 for 95 %. Where it does not within the range of the parameter, the end is open.

A likelihood with one thickness has several valleys. Each search starts where the last one ended, but where the rise
exceeds the threshold, and at some points from there to the end of the range, further searches start from the best of
many points of the prior: a limit is one only if none of them finds a way round it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.stats import chi2, qmc, t

from mtjfit.data import FloatArray
from mtjfit.model.combinations import noise_groups
from mtjfit.model.jacobian import jacobian, prior_width, relative_errors
from mtjfit.model.likelihood import MarginalPosterior
from mtjfit.model.profile import NEARLY_ZERO, Search

__all__ = ["LEVELS", "Interval", "Profile", "Reference", "profile", "reference", "thresholds"]

LEVELS = (0.68, 0.95)
"""Confidence of the intervals."""

FARTHEST = (1e-3, 1e5)
"""Where a length or a ratio without narrower bounds of its own may go, in nm or 1."""

_SDS = 10.0  # that an amplitude or a dead layer may go from the centre of its prior
_GROWTH = 1.7  # of a step after which the likelihood has hardly changed
_SLOW, _FAST = 0.5, 2.5  # change of √rise over a step below which the next is longer, above which it was too long
_STEPS = 60
_CLOUD = 512  # points of the prior from which the best start a search
_STARTS = 3
_HOPELESS = 3.0  # thresholds above which a rough search is not worth a better one
_BEYOND = (0.1, 0.3, 0.6, 1.0)  # where to look beyond a crossing, as a share of the way to the end of the range
_DETOURS = 3
_REFINEMENTS = 2  # by regula falsi on √rise, which is nearly a straight line
_TOLERANCE, _ROUGH = 1e-5, 1e-2  # of χ²: of what is reported, and of searches from afar before the best one goes on


@dataclass(frozen=True)
class Interval:
    """One interval of a parameter; an end that the data leave open is 0 or −inf below, inf above."""

    level: float
    low: float
    high: float


@dataclass(frozen=True)
class Profile:
    """Rise of −2 ln L along one parameter.

    Attributes
    ----------
    name : str
    best : float
    values, rise : ndarray, shape (n,)
        Values that were held, ascending, and the rise of −2 ln L at each; zero at the best one.
    range : (float, float)
        Where the parameter may go: the support of its prior, and for lengths no farther than `FARTHEST`.
    thresholds : tuple of float
        Rise at the ends of the intervals of `LEVELS`.
    log : bool
        Whether the parameter is followed in its logarithm.
    """

    name: str
    best: float
    values: FloatArray
    rise: FloatArray
    range: tuple[float, float]
    thresholds: tuple[float, ...]
    log: bool

    def interval(self, level: float = 0.95) -> Interval:
        """The lowest and the highest value at which the rise is below its threshold, and all between them.

        Raises
        ------
        ValueError
            `level` is not one of `LEVELS`.

        Examples
        --------
        >>> values = np.array([1.0, 2.0, 3.0, 4.0])
        >>> one = Profile("b2", 3.0, values, np.array([4.0, 1.0, 0.0, 0.5]), (0.5, 4.0), (1.0, 3.84), log=False)
        >>> one.interval(0.68)
        Interval(level=0.68, low=2.0, high=inf)
        """
        if level not in LEVELS:
            raise ValueError(f"intervals are of {' or '.join(map(str, LEVELS))}, not {level}")
        threshold = self.thresholds[LEVELS.index(level)]
        u = np.log(self.values) if self.log else self.values
        inside = np.flatnonzero(self.rise < threshold)
        below = _end(u[inside[0] :: -1], self.rise[inside[0] :: -1], threshold)
        above = _end(u[inside[-1] :], self.rise[inside[-1] :], threshold)
        back: Callable[[float], float] = (lambda x: float(np.exp(x))) if self.log else float
        nothing = 0.0 if self.log or self.range[0] >= 0 else -np.inf
        return Interval(level, nothing if below is None else back(below), np.inf if above is None else back(above))


def _end(u: FloatArray, rise: FloatArray, threshold: float) -> float | None:
    """Where √rise, a straight line from the first point, below the threshold, to the second, reaches it, if at all."""
    if u.size < 2:
        return None
    low, high = np.sqrt(np.maximum(rise[:2], 0.0))
    return float(u[0] + (np.sqrt(threshold) - low) / (high - low) * (u[1] - u[0]))


def thresholds(model: MarginalPosterior) -> tuple[float, ...]:
    """Rise of −2 ln L at the ends of the intervals of `LEVELS`.

    The quantiles of χ² for known errors. For a fitted scale N ln(1 + t²/ν), which is exact for a linear model with N
    values and ν degrees of freedom behind one scale; of several scales the one with the largest rise counts, so that
    intervals are rather too wide.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> [round(x, 2) for x in thresholds(MarginalPosterior(load_study(dataset("thickness-series").study_file)))]
    [0.99, 3.84]
    """
    group, dof = noise_groups(model)
    n = np.array([model.data.n[group == g].sum() for g in range(dof.size)], dtype=float)
    levels = np.array(LEVELS)
    found = chi2.ppf(levels, 1)
    for values, nu in zip(n, dof, strict=True):
        found = np.maximum(found, values * np.log1p(t.ppf((1 + levels) / 2, max(nu, 1.0)) ** 2 / max(nu, 1.0)))
    return tuple(float(x) for x in found)


@dataclass(frozen=True)
class _Axis:
    """The coordinate in which a parameter is followed, and how far."""

    name: str
    best: float
    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, model: MarginalPosterior, name: str, best: float) -> _Axis:
        if name in model.amplitudes.names:
            prior = model.amplitudes.priors[model.amplitudes.names.index(name)]
            far = _SDS * prior.sd
            low, high = max(prior.low, prior.mean - far), min(prior.high, prior.mean + far)
            return cls(name, best, min(low, best), max(high, best), log=False)
        entry = model.layout.entries[model.layout.names.index(name)]
        low, high = entry.prior.support
        log = entry.log or low > 0
        if log:
            low, high = max(low, FARTHEST[0]), min(high, FARTHEST[1])
        else:
            low, high = low or NEARLY_ZERO * prior_width(entry), min(high, FARTHEST[1])
        return cls(name, best, min(low, best), max(high, best), log)

    def to(self, value: float) -> float:
        return float(np.log(value)) if self.log else value

    def back(self, u: float) -> float:
        return float(np.clip(np.exp(u) if self.log else u, self.low, self.high))


@dataclass(frozen=True)
class _Held:
    """One held point: coordinate of the parameter, rise of −2 ln L, values of all others."""

    u: float
    rise: float
    values: FloatArray


At: TypeAlias = Callable[[float, FloatArray], _Held]


def _walk(at: At, start: _Held, end: float, step: float, far: float) -> list[_Held]:
    """Outward from a point until the rise exceeds `far` or the range ends; each point starts from the last."""
    sign = 1.0 if end > start.u else -1.0
    found, last = [], start
    close = 1e-12 * max(abs(start.u), abs(end))  # relative: the coordinate of an amplitude has its unit
    for _ in range(_STEPS):
        if abs(end - last.u) <= close or last.rise > far:
            break
        here = at(last.u + sign * min(step, abs(end - last.u)), last.values)
        moved = abs(np.sqrt(max(here.rise, 0.0)) - np.sqrt(max(last.rise, 0.0)))
        if moved > _FAST and last.rise < far and step > 1e-6 * abs(end - start.u):
            step /= 4
            continue
        if moved < _SLOW:
            step *= _GROWTH
        found.append(here)
        last = here
    return found


def _side(at: At, anywhere: Callable[[float], _Held], start: _Held, end: float, step: float, far: float) -> list[_Held]:
    """Points from the best one outward; beyond the first crossing goes on wherever a search from afar gets below it."""
    side = [start, *_walk(at, start, end, step, far)]
    for _ in range(_DETOURS):
        last = side[-1]
        if last.rise <= far:
            break
        beyond = [last.u, *(last.u + share * (end - last.u) for share in _BEYOND)]
        found = [one for one in map(anywhere, dict.fromkeys(beyond)) if one.rise < far]
        if not found:
            break
        farthest = found[-1]
        back = [farthest, *_walk(at, farthest, start.u, step, far)]
        kept = [one for one in side if not _above(one, back)]
        inward = sorted((*kept, *(one for one in back if one.u != start.u)), key=lambda one: abs(one.u - start.u))
        side = [*inward, *_walk(at, farthest, end, step, far)]
    return side


def _above(one: _Held, line: list[_Held]) -> bool:
    """True if a point lies above the line through others, where they reach."""
    u, root = zip(*sorted((each.u, np.sqrt(max(each.rise, 0.0))) for each in line), strict=True)
    return bool(u[0] <= one.u <= u[-1] and np.sqrt(max(one.rise, 0.0)) > np.interp(one.u, u, root) + _ROUGH)


def _refined(at: At, side: list[_Held], threshold: float) -> list[_Held]:
    """More points where the rise last crosses a threshold; `side` runs outward from the best point."""
    for _ in range(_REFINEMENTS):
        k = max(k for k, point in enumerate(side) if point.rise < threshold)
        if k + 1 == len(side):
            break
        inner, outer = side[k], side[k + 1]
        low, high = np.sqrt(max(inner.rise, 0.0)), np.sqrt(outer.rise)
        share = float(np.clip((np.sqrt(threshold) - low) / (high - low), 0.05, 0.95))
        side = [*side[: k + 1], at(inner.u + share * (outer.u - inner.u), inner.values), *side[k + 1 :]]
    return side


@dataclass(frozen=True)
class Reference:
    """The best point, from which all profiles start.

    Attributes
    ----------
    values : ndarray, shape (size,)
        Natural values of the non-linear parameters.
    amplitudes : ndarray, shape (n_free,)
    lowest : float
        −2 ln L there, up to a constant.
    """

    values: FloatArray
    amplitudes: FloatArray
    lowest: float


def reference(model: MarginalPosterior, values: FloatArray) -> Reference:
    """The most likely point near natural `values`, shape (size,), with fitted noise scales that suit it best."""
    found, lowest = Search(model, tolerance=_TOLERANCE).most_likely(values)
    return Reference(found.values, found.amplitudes, lowest)


def profile(model: MarginalPosterior, name: str, about: Reference) -> tuple[Profile, FloatArray]:
    """The profile of a length or an amplitude, and the values at its lowest point.

    Walks outward from the best value in both directions, each search starting where the last one ended, until the rise
    exceeds the threshold of the widest interval or the range of the parameter ends.

    Parameters
    ----------
    model : MarginalPosterior
    name : str
    about : Reference

    Returns
    -------
    Profile
    values : ndarray, shape (size,)
        If its rise is below zero there, the reference was not the best point; start again from here.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> model = MarginalPosterior(study)
    >>> found, _ = profile(model, "lambda_sf_F", reference(model, fit(study).optimum.values))
    >>> f"{found.interval(0.95).low:.1f} {found.interval(0.95).high}"
    '5.5 inf'
    """
    best = dict(zip((*model.layout.names, *model.amplitudes.names), (*about.values, *about.amplitudes), strict=True))
    axis, limits = _Axis.of(model, name, float(best[name])), thresholds(model)

    def at(u: float, start: FloatArray) -> _Held:
        found, height = Search(model, name, axis.back(u), _TOLERANCE).most_likely(start)
        return _Held(u, height - about.lowest, found.values)

    cloud = _cloud(model, about.values)

    def anywhere(u: float) -> _Held:
        rough = Search(model, name, axis.back(u), _ROUGH)
        starts = cloud[np.argsort(rough.screened(cloud))[:_STARTS]]
        found = [(rough.minus_two_log_likelihood(one) - about.lowest, one) for one in map(rough.lowest, starts)]
        rise, best = min(found, key=lambda each: each[0])
        return at(u, best.values) if rise < _HOPELESS * limits[-1] else _Held(u, rise, best.values)

    start, step = _Held(axis.to(axis.best), 0.0, about.values), _first_step(model, axis, about)
    sides = []
    for end in (axis.to(axis.low), axis.to(axis.high)):
        side = _side(at, anywhere, start, end, step, limits[-1])
        for threshold in limits:
            side = _refined(at, side, threshold)
        sides.append(side)
    points = [*reversed(sides[0]), *sides[1][1:]]
    values, rise = (np.array(each) for each in zip(*((axis.back(one.u), one.rise) for one in points), strict=True))
    found = Profile(name, axis.best, values, rise, (axis.low, axis.high), limits, axis.log)
    return found, min(points, key=lambda one: one.rise).values


def _cloud(model: MarginalPosterior, values: FloatArray) -> FloatArray:
    """Points of the prior for lengths, with thicknesses and noise scales of the best point; always the same."""
    size = model.layout.size
    u = qmc.Sobol(max(size, 1), rng=np.random.default_rng(0)).random(_CLOUD)[:, :size]
    cloud = model.layout.values(model.prior_transform(u))
    kept = np.array([entry.name.startswith(("noise", "thickness")) for entry in model.layout.entries], dtype=bool)
    return np.where(kept, values, cloud)


def _first_step(model: MarginalPosterior, axis: _Axis, about: Reference) -> float:
    """One linearised error, within reason, in the coordinate of an axis."""
    J = jacobian(model, about.values, about.amplitudes)
    k = J.names.index(axis.name)
    error = float(relative_errors(J.matrix)[0][k]) * (1.0 if axis.log else float(J.scale[k]))
    most = 0.5 if axis.log else (axis.high - axis.low) / 20
    return min(error, most) if error > 0 else most
