"""Priors that the data contradict: which ones, by how much, and the best fit without them.

For one prior at a time: F, χ² plus the squared distances from all priors, is minimised with that prior and without it.
Its fall Δ is z², with z the distance between the centre of the prior and the estimate from data and all other priors,
in units of their joint error, exactly so where the model is linear. Where the data do not determine the parameter F
hardly falls, so an open direction raises no alarm. For a flat prior Δ is the cost of its ends.

Under truths from the priors Δ follows χ² with one degree of freedom (F where errors come from the scatter). Scales of
fitted noise are tested by the scatter about free polynomials. Holm's correction covers all priors of a study. Once a
prior is found the others are tested without it, so that one wrong prior does not incriminate those it pulls away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri
from scipy.stats import chi2, f

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.infer.optimum import Optimum
from mtjfit.model.device_combinations import noise_groups
from mtjfit.model.equivalent_noise import least_squares_model
from mtjfit.model.likelihood import FullPosterior
from mtjfit.model.penalised import Penalised, PenalisedPoint
from mtjfit.multiple_tests import holm
from mtjfit.study import SCATTER, Correlated, ParameterName, Study
from mtjfit.text import number, p_text, value_with_error

CONTRADICTS = 0.01
"""Probability that any prior of a study is called contradicted although all are right."""
_NODES = 512
_MOVED = 0.02  # relative change of another parameter that is reported
_MOST = 6  # contradicted priors that are searched for
_SCREENED = 4.0  # Δ to first order below which the prior of a single device is not tested


@dataclass(frozen=True)
class Conflict(ShownAsCard):
    """A prior that the data contradict."""

    name: str
    prior: str  # in words
    value: float  # best one without this prior, with those of all others
    error: float  # its standard error towards the prior, in the unit of the parameter; NaN where none describes it
    sigma: float  # distance of the two in joint errors, as a normal deviate of the same p-value
    p_value: float  # after Holm's correction
    chi2_with: float  # of the data, at the best point with all priors
    chi2_without: float  # the same without this one and those before it in the list
    others: tuple[tuple[str, float, float], ...] = ()  # free lengths and amplitudes: best values with it, and without

    @property
    def says(self) -> str:
        """The prior, the data, and their distance, in one line."""
        value = value_with_error(self.value, self.error) if np.isfinite(self.error) else number(self.value)
        return (
            f"{self.name}: prior {self.prior}, the data without it {value}: {self.sigma:.1f} sd apart "
            f"({p_text(self.p_value)} after Holm's correction)"
        )

    @property
    def without(self) -> str:
        """Other parameters and χ² without this prior, in one line; empty for scales of noise."""
        moved = [
            f"{name} {number(after)} in place of {number(before)}"
            for name, before, after in self.others
            if abs(after - before) > _MOVED * max(abs(after), abs(before))
        ]
        if not np.isfinite(self.chi2_without):
            return ""
        fits = f"χ² of the data is {self.chi2_without:.1f} in place of {self.chi2_with:.1f}"
        return f"without the prior of {self.name} the best point has " + ", ".join([*moved, fits])


@dataclass(frozen=True)
class _Fall:
    """F without one prior."""

    name: ParameterName
    by: float
    p: float
    point: PenalisedPoint


def prior_conflicts(study: Study, best: Optimum, chi2_best: float) -> tuple[Conflict, ...]:
    """Priors of a study that its data contradict, worst first, given its best fit and the χ² of that fit."""
    model = least_squares_model(study)
    # amplitudes that scatter have the shared one for a prior, which is itself inferred
    gone = frozenset(name for name in model.amplitudes.names if SCATTER + name.base in study.parameters)
    noise = _noise_tests(model)
    lengths = [entry.name for entry in model.layout.entries if not entry.name.is_noise]
    names = [*lengths, *(name for name in model.amplitudes.names if name not in gone)]
    found: list[Conflict] = []
    starts = [model.layout.coordinates(best.values)]
    every = Penalised(model, best.values, gone)
    current = every.lowest([*starts, *every.starts()])
    while names and len(found) < _MOST:
        current, falls = _falls(every, current, starts, names, chi2_best)
        p = np.array([fall.p for fall in falls] + [1.0] * (len(names) - len(falls)) + [p for *_, p in noise])
        if not falls:
            break
        adjusted = holm(p)[: len(falls)]
        k = int(np.argmin(adjusted))
        if adjusted[k] >= CONTRADICTS:
            break
        found.append(_conflict(every, current, falls[k], float(adjusted[k])))
        gone, current = gone | {falls[k].name}, falls[k].point
        names = [name for name in names if name != falls[k].name]
        every = replace(every, without=gone)
    return (*found, *_of_noise(model, noise, len(names) + len(found), best.values))


def _falls(
    every: Penalised, current: PenalisedPoint, starts: list[FloatArray], names: list[ParameterName], chi2_best: float
) -> tuple[PenalisedPoint, list[_Fall]]:
    """Lowest point with all priors, and the fall of F without each prior that may matter."""
    for _ in range(3):
        tried = _candidates(every, current, names, chi2_best)
        points = [(name, replace(every, without=every.without | {name}).lowest([current.theta, *starts]))
                  for name in tried]  # fmt: skip
        again = every.lowest([current.theta, *(point.theta for _, point in points)])
        if again.total > current.total - 1e-2:
            break
        current = again  # searches without a prior have led to a better point with it
    falls = []
    for name, point in points:
        by = max(current.total - point.total, 0.0)
        falls.append(_Fall(name, by, _p(every.model, by), point))
    return current, falls


def _candidates(
    every: Penalised, current: PenalisedPoint, names: list[ParameterName], chi2_best: float
) -> list[ParameterName]:
    """Priors without which F could fall by enough, and flat ones at whose ends the search stopped."""
    first_order = every.leverage(current)
    low, high = every.bounds
    kept = [k for k, entry in enumerate(every.model.layout.entries) if not entry.name.is_noise]
    free, x = [every.model.layout.entries[k] for k in kept], current.theta[kept]
    at_end = {
        entry.name
        for entry, value, a, b in zip(free, x, low, high, strict=True)
        if min(value - a, b - value) < 1e-3 * (b - a)
    }
    flat = {entry.name for entry in free if entry.prior.plain and not np.isfinite(entry.prior.centre_and_sd[1])}
    # the best fit uses no priors but those of thicknesses, so the joint cost of the others bounds the cost of each
    costly = _p(every.model, current.total - chi2_best) < CONTRADICTS / len(names)

    def may_matter(name: ParameterName) -> bool:
        if name in flat:
            return name in at_end
        # parameters of single devices, of which there may be hundreds, have no other modes: first order suffices
        near = name.owner is not None and first_order[name] < _SCREENED
        return not near and (costly or name.is_thickness)

    return [name for name in names if may_matter(name)]


def _p(model: FullPosterior, fall: float) -> float:
    """Probability of a larger fall; with the fewest degrees of freedom of any noise scale where these are fitted."""
    _, dof = noise_groups(model)
    fall = max(fall, 0.0)
    return float(chi2.sf(fall, 1) if dof.size == 0 else f.sf(fall, 1, max(float(dof.min()), 1.0)))


def _value(model: FullPosterior, point: PenalisedPoint, name: str) -> float:
    if name in model.layout.names:
        return float(model.layout.values(point.theta)[model.layout.names.index(name)])
    return float(point.amplitudes[model.amplitudes.names.index(name)])


def _conflict(every: Penalised, current: PenalisedPoint, fall: _Fall, p: float) -> Conflict:
    model, name = every.model, fall.name
    value = _value(model, fall.point, name)
    if name in model.layout.names:
        entry = model.layout.entries[model.layout.names.index(name)]
        centre, sd, prior = *entry.prior.centre_and_sd, entry.prior
        x, unit = (np.log(value), value) if entry.log else (value, 1.0)
    else:
        prior = model.amplitudes.priors[model.amplitudes.names.index(name)]
        centre, sd, x, unit = prior.mean, prior.sd, value, 1.0
    # Δ = (x − centre)²/(sd² + error²)
    alone = np.isfinite(sd) and not isinstance(prior, Correlated)
    variance = (x - centre) ** 2 / fall.by - sd**2 if alone else np.nan
    lengths = [entry.name for entry in model.layout.entries if not (entry.name.is_noise or entry.name.is_thickness)]
    shown = [other for other in (*lengths, *model.amplitudes.names) if other != name]
    return Conflict(
        name=name,
        prior=prior.describe(),
        value=value,
        error=float(np.sqrt(variance) * unit) if variance > 0 else float("nan"),
        sigma=float(np.sqrt(fall.by)) if not noise_groups(model)[1].size else _normal_deviate(fall.p),
        p_value=p,
        chi2_with=current.chi2_data,
        chi2_without=fall.point.chi2_data,
        others=tuple((other, _value(model, current, other), _value(model, fall.point, other)) for other in shown),
    )


def _normal_deviate(p: float) -> float:
    return float(-ndtri(max(p, 1e-300) / 2))


def _noise_tests(model: FullPosterior) -> list[tuple[int, float, float]]:
    """Place in the layout, degrees of freedom and two-sided p-value of the scatter of every fitted noise scale."""
    group, dof = noise_groups(model)
    tests = []
    for g, nu in enumerate(dof):
        j, c = np.argwhere(group == g)[0]
        place = int(model.layout.index[("noise_par", "noise_perp")[c]][j])
        scatter = float(model.data.rss[group == g].sum())
        scales = np.asarray(model.layout.entries[place].prior.quantile((np.arange(_NODES) + 0.5) / _NODES))
        below = float(np.mean(chi2.cdf(scatter / scales**2, nu)))
        above = float(np.mean(chi2.sf(scatter / scales**2, nu)))
        tests.append((place, float(nu), min(1.0, 2 * min(below, above))))
    return tests


def _of_noise(
    model: FullPosterior, tests: list[tuple[int, float, float]], n_others: int, values: FloatArray
) -> Iterator[Conflict]:
    adjusted = holm(np.array([*(p for *_, p in tests), *([1.0] * n_others)])) if tests else ()
    for (place, nu, p), corrected in zip(tests, adjusted, strict=False):
        if corrected < CONTRADICTS:
            entry, value, relative = model.layout.entries[place], float(values[place]), 1 / np.sqrt(2 * nu)
            sigma = _normal_deviate(p)
            centre, sd = entry.prior.centre_and_sd
            if entry.log and np.isfinite(sd) and p < 1e-200:  # p may have no digits left
                sigma = max(sigma, abs(np.log(value) - centre) / np.hypot(sd, relative))
            found = float(value * relative), float(sigma), float(corrected)
            yield Conflict(entry.name, entry.prior.describe(), value, *found, float("nan"), float("nan"))
