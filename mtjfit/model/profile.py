"""Profile likelihoods: the rise of −2 ln L when one parameter is held fixed and all others are refitted.

The ends of an interval are where the rise reaches the quantile of χ² with one degree of freedom (Wilks), 1 for 68 % and
3.84 for 95 %. Where it does not within the range of the parameter, the end is open.

Each line of points (`mtjfit.model.line`) starts from the best fit and from the best of many points of the prior, then
from its own neighbours on both sides until nothing becomes lower. Every point of it is a fit of the whole study, and so
it bounds the profiles of all other parameters from above: where one lies below another line, that line starts again
from there. The ends of every line are starts for all others, because a valley at the end of a range is easily missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, t

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.descent import Descent, Points, lowest_of
from mtjfit.model.device_combinations import noise_groups, values_per_scale
from mtjfit.model.jacobian import jacobian, relative_errors
from mtjfit.model.layout import even_points
from mtjfit.model.likelihood import FullPosterior
from mtjfit.model.line import Line

LEVELS = (0.68, 0.95)
"""Confidence of the intervals."""


@dataclass(frozen=True)
class Interval:
    """One interval of a parameter; an end that the data leave open is 0 or −inf below, inf above."""

    level: float
    low: float
    high: float


@dataclass(frozen=True)
class Profile(ShownAsCard):
    """Rise of −2 ln L along one parameter."""

    name: str
    best: float
    values: FloatArray  # that were held, ascending, shape (n,)
    rise: FloatArray  # of −2 ln L at each; zero at the best one
    # where the parameter may go: the support of its prior, and for lengths no farther than `FARTHEST`
    range: tuple[float, float]
    thresholds: tuple[float, ...]  # rise at the ends of the intervals of `LEVELS`
    log: bool  # whether the parameter is followed in its logarithm

    def interval(self, level: float = 0.95) -> Interval:
        """From the lowest to the highest value whose rise is below the threshold; `level` is one of `LEVELS`.

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
    """The crossing of a threshold between two points, if there is one.

    Linear in √rise, which is a straight line where the model is linear: a parabola is met exactly by two points.
    """
    if u.size < 2:
        return None
    low, high = np.sqrt(np.maximum(rise[:2], 0.0))
    return float(u[0] + (np.sqrt(threshold) - low) / (high - low) * (u[1] - u[0]))


def thresholds(model: FullPosterior) -> tuple[float, ...]:
    """Rise of −2 ln L at the ends of the intervals of `LEVELS`.

    The quantiles of χ² for known errors. For a fitted scale N ln(1 + t²/ν), which is exact for a linear model with N
    values and ν degrees of freedom behind one scale; of several scales the one with the largest rise counts, so that
    intervals are rather too wide.
    """
    levels = np.array(LEVELS)
    found = chi2.ppf(levels, 1)
    for values, nu in zip(values_per_scale(model), noise_groups(model)[1], strict=True):
        found = np.maximum(found, values * np.log1p(t.ppf((1 + levels) / 2, max(nu, 1.0)) ** 2 / max(nu, 1.0)))
    return tuple(float(x) for x in found)


def rises(
    model: FullPosterior, values: FloatArray, amplitudes: FloatArray, errors: Mapping[str, float], sds: float = 2.0
) -> dict[str, tuple[float, float]]:
    """Rise of χ² with a parameter fixed `sds` standard errors below and above its best value, the others refitted.

    At natural values (size,) and amplitudes (n_free,) of the optimum, for the parameters that have `errors`; `sds` of
    them must leave lengths positive. sds² for a linear model; never too small, unless `values` are no minimum.
    """
    at = dict(zip((*model.layout.names, *model.amplitudes.names), (*values, *amplitudes), strict=True))
    start = np.asarray(values, dtype=float)[None, :]
    lowest = float(Descent(model, noise=False).at(np.zeros(1), start).height[0])

    def rise(name: str, error: float) -> tuple[float, float]:
        held = float(at[name]) + sds * error * np.array([-1.0, 1.0])
        below, above = Descent(model, name, noise=False).lowest(held, np.repeat(start, 2, axis=0)).height - lowest
        return float(below), float(above)

    return {name: rise(name, error) for name, error in errors.items()}


EDGE, OPEN = 0.02, 0.1
"""A side of a parameter is open if at that edge of its prior, in the outermost slice of this probability, the
likelihood is still this fraction of its largest value: then only the prior bounds the parameter there."""


def answer_of_sides(open_below: bool, open_above: bool) -> str:
    """``"yes"``, ``"lower limit"``, ``"upper limit"`` or ``"no"``: whether the data alone determine a parameter.

    The one rule of it, for posteriors (`mtjfit.infer.Posterior.determined`) and for best fits.
    """
    if open_below and open_above:
        return "no"
    return "lower limit" if open_above else "upper limit" if open_below else "yes"


def determined_by_profile(model: FullPosterior, values: FloatArray, names: Iterable[str]) -> dict[str, str]:
    """`answer_of_sides` of lengths by their profile likelihoods, for natural `values` of the best fit."""
    start = np.asarray(values, dtype=float)[None, :]
    lowest = float(Descent(model, noise=False).at(np.zeros(1), start).height[0])
    found = {}
    for name in names:
        prior = model.layout.entries[model.layout.names.index(name)].prior
        held = np.asarray(prior.quantile(np.array([EDGE / 2, 1 - EDGE / 2])))
        rise = Descent(model, name, noise=False).lowest(held, np.repeat(start, 2, axis=0)).height - lowest
        below, above = rise < -2 * np.log(OPEN)
        found[name] = answer_of_sides(bool(below), bool(above))
    return found


_ROUNDS = 8
_BEATEN = 0.02  # in −2 ln L: by how much another point must lie below a line, half a per cent of an interval
_OF_INTEREST = 2.0  # thresholds up to which it matters


@dataclass(frozen=True)
class Search:
    """Numbers of starting points; fewer suffice if there is only one minimum."""

    cloud: int = 256  # points of the prior
    valleys: int = 24  # of them from which the whole study is fitted
    afar: int = 3  # starts for each point of a line, beside its neighbours


SEARCH = Search()


@dataclass(frozen=True)
class Reference:
    """The best point, from which all profiles start."""

    values: FloatArray  # natural values of the non-linear parameters, shape (size,)
    amplitudes: FloatArray  # shape (n_free,)
    lowest: float  # −2 ln L there, up to a constant

    @classmethod
    def of(cls, points: Points) -> Reference:
        """The lowest of several points, the first of those that are equal."""
        (k,) = lowest_of(points.height, np.zeros(len(points), dtype=int))
        return cls(points.values[k], points.amplitudes[k], float(points.height[k]))

    @property
    def as_points(self) -> Points:
        """This point as a `Points` of one row."""
        return Points(self.values[None, :], self.amplitudes[None, :], np.array([self.lowest]))


@dataclass(frozen=True)
class Profiles(ShownAsCard):
    """Profiles of several parameters of one study."""

    profiles: dict[str, Profile]
    best: Reference  # the lowest point of all; where it is not that of the fit, the fit has missed it
    # profiles above some other fit of the study, and by how much of −2 ln L. Empty as it should be: an interval of a
    # profile that is beaten may be too narrow
    beaten: dict[str, float]


def reference(model: FullPosterior, values: FloatArray) -> Reference:
    """The most likely point near natural `values`, shape (size,), with fitted noise scales that suit it best."""
    return Reference.of(Descent(model).lowest(np.zeros(1), np.asarray(values, dtype=float)[None, :]))


def profiles(
    model: FullPosterior,
    names: Sequence[str],
    about: Reference,
    others: FloatArray | None = None,
    shown: Callable[[Sequence[str]], Iterable[str]] = iter,
    search: Search = SEARCH,
) -> Profiles:
    """Profiles of lengths and amplitudes, refined until none lies above a better fit found anywhere.

    `about` is the best fit, as far as it is known; `others`, shape (n, size), are natural values of other fits of the
    study, or draws of its posterior. `shown` wraps the names while the lines are drawn, to show progress.
    """
    limits, cloud = thresholds(model), _cloud(model, about.values, search.cloud)
    whole = Descent(model)
    if others is not None:
        cloud = np.concatenate([cloud, others])
    fits = _valleys(whole, cloud, search.valleys)
    if others is not None:
        fits = Points.together([fits, whole.at(np.zeros(len(others)), others)])
    fits = Points.together([about.as_points, fits])
    best, starts = Reference.of(fits), np.concatenate([fits.values, cloud])
    errors = _steps(model, best)
    lines = {name: Line.drawn(model, name, best.as_points, errors[name], starts, search.afar) for name in shown(names)}
    lines = {name: line.settled(best.lowest, limits) for name, line in lines.items()}
    ends = Points.together([best.as_points, *(line.points[np.array([0, -1])] for line in lines.values())])
    lines = {name: line.tried_from(ends.values, best.lowest, limits) for name, line in lines.items()}
    for _ in range(_ROUNDS):
        before, best = best, _lowest(whole, _everywhere(lines, fits, best))
        lower, everywhere = best.lowest < before.lowest - _BEATEN, _everywhere(lines, fits, best)
        far, moved = best.lowest + _OF_INTEREST * limits[-1], lower
        for name, line in lines.items():
            grown, new = line.lowered(everywhere, best.lowest, far, _BEATEN)
            moved |= bool(new.any())
            if lower or new.any():
                lines[name] = grown.settled(best.lowest, limits, new)
        if not moved:
            break
    everywhere = _everywhere(lines, fits, best)
    beaten = {name: below(line, everywhere, best.lowest, limits) for name, line in lines.items()}
    return Profiles(
        {name: _profile(line, best, limits) for name, line in lines.items()},
        best,
        {name: short for name, short in beaten.items() if short > _BEATEN},
    )


def below(line: Line, points: Points, lowest: float, limits: Sequence[float]) -> float:
    """By how much, in −2 ln L, another fit undercuts a profile; zero if none does.

    The check on every profile. Points beyond twice the highest threshold do not count: no interval ends there.
    """
    near = points.height < lowest + _OF_INTEREST * limits[-1]
    return float(np.max(line.shortfall(points, lowest)[near], initial=0.0))


def _lowest(whole: Descent, points: Points) -> Reference:
    """The best point after one more search from the lowest of all."""
    found = Reference.of(points).as_points
    return Reference.of(Points.together([found, whole.lowest(np.zeros(1), found.values)]))


def _everywhere(lines: Mapping[str, Line], fits: Points, best: Reference) -> Points:
    return Points.together([best.as_points, fits, *(line.points for line in lines.values())])


def _profile(line: Line, best: Reference, limits: tuple[float, ...]) -> Profile:
    """The profile of a line, with the best point on it."""
    axis, value = line.axis, float(best.as_points.of(line.descent.model, line.axis.name)[0])
    line = line.merged(axis.to(np.array([value])), best.as_points)
    rise = np.maximum(line.points.height - best.lowest, 0.0)
    return Profile(axis.name, value, axis.back(line.u), rise, (axis.low, axis.high), limits, axis.log)


def _valleys(whole: Descent, cloud: FloatArray, n: int) -> Points:
    """Fits of the whole study from the n best of many points."""
    held = np.zeros(len(cloud))
    chosen = np.argsort(whole.at(held, cloud).height)[:n]
    return whole.lowest(held[: chosen.size], cloud[chosen])


def _cloud(model: FullPosterior, values: FloatArray, n: int) -> FloatArray:
    """n points of the prior for lengths, with thicknesses and noise scales of the best point; always the same."""
    cloud = model.layout.values(model.prior_transform(even_points(model.layout.size, n)))
    kept = np.array([entry.name.startswith(("noise", "thickness")) for entry in model.layout.entries], dtype=bool)
    return np.where(kept, values, cloud)


def _steps(model: FullPosterior, about: Reference) -> dict[str, float]:
    """Linearised errors: relative ones of lengths, absolute ones of what may be zero."""
    J = jacobian(model, about.values, about.amplitudes)
    errors = relative_errors(J.matrix)[0]
    log = dict(zip(model.layout.names, model.layout.log, strict=True))
    return {
        name: float(error * (1.0 if log.get(name, False) else abs(scale)))
        for name, error, scale in zip(J.names, errors, J.scale, strict=True)
    }
