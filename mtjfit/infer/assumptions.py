"""What an answer hangs on: every number that a study takes as known, freed one at a time.

A study sets an amplitude to zero by not declaring it, has no dead layer unless it declares one, and may fix lengths and
ratios. For each of these the study is fitted with one parameter more. The fall of χ² says what the data hold of the
number; the lengths of that fit say what would become of the answer. Scales of fitted noise, jitter and Student-t errors
come from the scatter about polynomials that have the power of the freed amplitude, too, so that what it explains does
not count as noise in either fit.

The angle between the moments is none of these numbers: one that all devices share is a factor of all amplitudes. Nor
are exact thicknesses: what all of them have in common is the dead layer, and a single odd one shows as an odd device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.stats import chi2, f

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.errors import NotDetermined
from mtjfit.infer.optimum import Optimum, at_edge, with_noise
from mtjfit.model.descent import FARTHEST, Descent, Points, lowest_of
from mtjfit.model.device_combinations import noise_groups
from mtjfit.model.equivalent_noise import as_normal, least_squares_model
from mtjfit.model.identifiability import determined_table
from mtjfit.model.jacobian import jacobian, relative_errors
from mtjfit.model.layout import even_points, with_own_amplitudes
from mtjfit.model.likelihood import FullPosterior, full_posterior, whitened
from mtjfit.model.profile import determined_by_profile
from mtjfit.multiple_tests import holm
from mtjfit.study import (
    Fixed,
    LogUniform,
    Normal,
    Parameter,
    ParameterName,
    Prior,
    Study,
    Uniform,
    is_amplitude,
    parse_amplitude,
)

_Kind: TypeAlias = Literal["amplitude", "fixed"]

REFUTED = 0.01
"""Share of studies whose assumptions are all right in which one of them is called refuted."""
MOVES = 2.0
"""Errors of a length by which it moves if the answer is said to hang on an assumption."""
_AMPLITUDES = ("a1", "a2", "b0", "b1", "b2")
_NOTHING = 1e6  # a larger relative error is none: no measured value depends on the number alone
_SCREENED, _CHOSEN, _KNOWN = (
    128,
    4,
    2,
)  # points of the prior from which searches may start, those that do, and fits that do
_LARGEST = 4_000_000  # numbers in the arrays of one search
_CHECKED = 3.0  # fall of χ² that is looked at twice
_MISFIT = 1e-3  # p below which a fit does not describe the data
_SOMETHING = 0.01  # fall of χ² that is more than rounding of a search
_WHOLE = 0.9  # of the thinnest device


@dataclass(frozen=True)
class Assumption(ShownAsCard):
    """A number that a study takes as known, and the fit in which it is free.

    Attributes
    ----------
    kind : {"amplitude", "fixed"}
        An amplitude that is not declared, or a number that is fixed (a dead layer that is not declared at 0).
    value, sd : float
        Of the fit in which it is free; NaN where other parameters make up for any value.
    improvement : float
        Fall of χ² by freeing it.
    p_value : float
        Of a fall as large by chance if the assumption is right; NaN where the data cannot tell at all.
    p_holm : float
        The same after Holm's correction for all assumptions of the study.
    before, after : mapping of str to (float, float)
        Values and errors of the lengths that have an error bar in the fit of the study, and of those of them that still
        have one in the fit in which the number is free.
    limits_lost : mapping of str to str
        Lengths without an error bar that have a limit only under the assumption, and which: "lower limit", "upper
        limit", or "yes" for both.
    chi2 : float
        Of that fit, of data and thicknesses.
    """

    name: str
    assumed: float
    kind: _Kind
    value: float
    sd: float
    improvement: float
    p_value: float
    p_holm: float
    before: Mapping[str, tuple[float, float]]
    after: Mapping[str, tuple[float, float]]
    limits_lost: Mapping[str, str]
    chi2: float

    @property
    def moves(self) -> dict[str, float]:
        """Shifts of the lengths that stay determined, in their errors in the fit of the study."""
        return {name: (self.after[name][0] - self.before[name][0]) / self.before[name][1] for name in self.after}

    @property
    def undetermined(self) -> tuple[str, ...]:
        """Lengths that have an error bar only under the assumption."""
        return tuple(name for name in self.before if name not in self.after)

    @property
    def is_refuted(self) -> bool:
        """True where the data contradict the assumption."""
        return self.p_holm < REFUTED

    @property
    def matters(self) -> bool:
        """True where the lengths hang on the assumption."""
        return bool(self.undetermined or self.limits_lost) or any(abs(move) >= MOVES for move in self.moves.values())


def freed_assumptions(
    study: Study, best: Optimum, determined: pd.DataFrame, limits: Mapping[str, str]
) -> tuple[Assumption, ...]:
    """All assumptions of a study, given its best fit, the table of what that determines, and limits of other lengths.

    Examples
    --------
    >>> import mtjfit
    >>> fit = mtjfit.fit(mtjfit.load_study(mtjfit.dataset("thickness-series").study_file))
    >>> [one.name for one in fit.assumptions], any(one.is_refuted for one in fit.assumptions)
    (['a2', 'b1', 'D_ratio', 'dead_layer'], False)
    """
    before = _Known(_bars(determined), {name: each for name, each in limits.items() if each != "no"})
    found = [_freed(study, one, best, before) for one in _candidates(study)]
    adjusted = holm([one.p_value for one in found])
    return tuple(replace(one, p_holm=float(p)) for one, p in zip(found, adjusted, strict=True))


@dataclass(frozen=True)
class _Candidate:
    parameter: Parameter  # as it is freed
    assumed: float
    kind: _Kind


@dataclass(frozen=True)
class _Known:
    """What the fit of the study says of its lengths: error bars, and limits of the others."""

    bars: Mapping[str, tuple[float, float]]
    limits: Mapping[str, str]


def _lost(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Limits that are gone."""
    gone = {}
    for name, each in before.items():
        sides = {"yes": {"lower limit", "upper limit"}}
        left = sides.get(each, {each}) - sides.get(after[name], {after[name]})
        if left:
            gone[name] = each if len(left) == len(sides.get(each, {each})) else left.pop()
    return gone


def _candidates(study: Study) -> Iterator[_Candidate]:
    """Amplitudes that are not declared, fixed ones, fixed lengths, and a dead layer that is not declared."""
    declared = study.parameters
    for name in dict.fromkeys((*_AMPLITUDES, *study.amplitudes)):
        if name not in declared or declared[name].value is not None:
            size = amplitude_size(study, name)
            assumed = declared[name].value if name in declared else 0.0
            if size > 0 and assumed is not None:
                wide = Normal(assumed, max(size, abs(assumed)))
                yield _Candidate(Parameter(name, wide), assumed, "fixed" if name in declared else "amplitude")
    if study.n_thicknesses == 1:  # no length is determined anyway
        return
    for name in (*study.model.parameters, "dead_layer"):
        fixed = declared[name].value if name in declared else 0.0 if name == "dead_layer" else None
        brought = study.model.priors.get(name)
        if fixed is None or isinstance(brought, Fixed):  # what an own model fixes is part of it
            continue
        prior: Prior = brought if isinstance(brought, Prior) else LogUniform(*FARTHEST)
        if name == "dead_layer":
            prior = Uniform(0.0, _WHOLE * float(study.thicknesses.min()))
        yield _Candidate(Parameter(name, prior), fixed, "fixed")


def amplitude_size(study: Study, name: str) -> float:
    """Size that an amplitude has if it makes up all of the largest value; 0 where no value shows it."""
    power, largest = parse_amplitude(name)[1], 0.0
    for curve in study.curves:
        slope = curve.quantity == "torkance"
        V = np.abs(curve.bias[curve.used])
        reach = float(V.max(initial=0.0)) ** (power - slope) if power >= slope else 0.0
        if power in study.model.terms:
            own = study.model.terms[power].order(curve.bias[curve.used], int(slope))
            reach = float(np.abs(own).max(initial=0.0))
        values = np.abs([curve.par, curve.perp])[curve.used_values]
        if reach > 0:
            largest = max(largest, study.scale_of(curve) * float(values.max(initial=0.0)) / reach)
    return largest


def _model(study: Study, one: Parameter) -> FullPosterior:
    """The study with normal errors and one parameter more."""
    powers = {parse_amplitude(name)[1] for name in study.amplitudes}
    more = {one.name: one}
    if is_amplitude(one.name) and parse_amplitude(one.name)[1] not in powers:
        normal = as_normal(study.replace(parameters={**study.parameters, **more}))
    else:
        normal = as_normal(study)
        normal = normal.replace(parameters={**normal.parameters, **more})
    return full_posterior(with_own_amplitudes(normal))


def _starts(model: FullPosterior, study: Study, best: Optimum, one: _Candidate) -> tuple[FloatArray, FloatArray]:
    """Natural values (n, size) that searches start from: those of fits of the study, and the best of many others.

    With the scales of fitted noise from the scatter.
    """
    names, layout = least_squares_model(study).layout.names, model.layout
    cloud = layout.from_unit_cube(even_points(layout.size, _SCREENED))
    for k, entry in enumerate(layout.entries):
        if entry.name.is_thickness:
            cloud[:, k] = entry.prior.centre_and_sd[0]
    cloud = layout.values(cloud)
    fits = best.starts[:_KNOWN]
    known = np.full((len(fits), layout.size), one.assumed)
    for k, name in enumerate(layout.names):
        if name in names:
            known[:, k] = fits[:, names.index(name)]
    both = layout.values(with_noise(model, layout.coordinates(np.concatenate([known, cloud]))))
    known, cloud = both[: len(known)], both[len(known) :]
    rows = model.data.z.size * (layout.size + len(model.amplitudes.names))
    most = max(_LARGEST // max(rows, 1), 2)
    if most < _SCREENED:
        return known[:1], cloud[:0]
    heights = Descent(model, noise=False).at(np.zeros(len(cloud)), cloud).height
    return known, cloud[np.argsort(heights, kind="stable")[:_CHOSEN]]


def _lowest(model: FullPosterior, starts: FloatArray, name: str = "", held: float = 0.0) -> Points:
    """The end of the best search, one row."""
    ends = Descent(model, name, noise=False).lowest(np.full(len(starts), held), starts)
    return ends[lowest_of(ends.height, np.zeros(len(starts), dtype=int))]


def _freed(study: Study, one: _Candidate, best: Optimum, before: _Known) -> Assumption:
    name = one.parameter.name
    if name == "D_ratio" and not study.parameters["lambda_sf_N"].is_fixed:  # only their product enters
        own = {key: bar for key, bar in before.bars.items() if ParameterName(key).base != "lambda_sf_N"}
        lost = {key: each for key, each in before.limits.items() if ParameterName(key).base == "lambda_sf_N"}
        return replace(_untold(one, before), after=own, limits_lost=lost)
    try:
        model = _model(study, one.parameter)
        known, others = _starts(model, study, best, one)
    except NotDetermined:  # with one power more there is no scatter left to take errors from
        return _untold(one, before)
    held = _lowest(model, known, name, one.assumed)
    free = _lowest(model, np.concatenate([held.values, known, others]))
    improvement = max(float(held.height[0] - free.height[0]), 0.0)
    if improvement > _CHECKED:  # has the search only found a point that is better with the number as assumed, too?
        again = _lowest(model, free.values, name, one.assumed)
        improvement = max(float(min(held.height[0], again.height[0]) - free.height[0]), 0.0)
    values, amplitudes = free.values[0], free.amplitudes[0]
    edge = (*at_edge(model, model.layout.coordinates(values)), *model.amplitudes.out_of_bounds(amplitudes))
    table, _ = determined_table(model, values, amplitudes, edge, before.bars)
    rss = float(whitened(model, free.values)[2][0])
    found = replace(
        _untold(one, before), improvement=improvement, chi2=float(free.height[0]) + rss,
        after={key: bar for key, bar in _bars(table).items() if key in before.bars},
        limits_lost=_lost(before.limits, determined_by_profile(model, values, before.limits)),
    )  # fmt: skip
    counts = improvement / _excess(found.chi2, study.n_values - len(table))
    if table["relative_error"].to_dict()[name] > _NOTHING:
        # lengths make up for it, within their ranges: χ² may fall because each of them leaves an end of its range
        lengths = sum(entry.name.shapes_kappa for entry in model.layout.entries)
        return replace(found, p_value=_p(model, counts, 1 + lengths)) if improvement > _SOMETHING else found
    ends = at_edge(
        model, model.layout.coordinates(held.values[0])
    )  # a length may leave one only when the number is free
    p = _p(model, counts, 1 + sum(ParameterName(each).shapes_kappa for each in ends if each != name))
    if name == "dead_layer" and one.assumed == 0:  # it can only be larger: half of the chances end at zero
        p = p / 2 if improvement > 0 else 1.0
    J = jacobian(model, values, amplitudes)
    sd = float(abs(J.scale[J.names.index(name)]) * relative_errors(J.matrix)[0][J.names.index(name)])
    return replace(found, value=table["value"].to_dict()[name], sd=sd, p_value=p)


def _excess(square: float, dof: int) -> float:
    """χ² by its degrees of freedom where it is implausible, else 1.

    Where the freed fit does not describe the data either, its errors are too small to judge the fall of χ² by.
    """
    return square / max(dof, 1) if chi2.sf(square, max(dof, 1)) < _MISFIT else 1.0


def _untold(one: _Candidate, before: _Known) -> Assumption:
    """An assumption of which the data say nothing."""
    return Assumption(
        one.parameter.name, one.assumed, one.kind, value=math.nan, sd=math.nan, improvement=0.0, p_value=math.nan,
        p_holm=math.nan, before=before.bars, after=before.bars, limits_lost={}, chi2=math.nan,
    )  # fmt: skip


def _p(model: FullPosterior, fall: float, m: int = 1) -> float:
    """Probability of a larger fall by `m` parameters; with the fewest degrees of freedom of any fitted noise scale."""
    _, dof = noise_groups(model)
    return float(chi2.sf(fall, m) if dof.size == 0 else f.sf(fall / m, m, max(float(dof.min()), 1.0)))


def _bars(determined: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Lengths that have an error bar, with their values and errors."""
    columns = (determined[name].to_numpy() for name in ("value", "relative_error", "determined"))
    bars = {name: (float(value), abs(float(value)) * float(error))
            for name, value, error, known in zip(determined.index.astype(str), *columns, strict=True)
            if known and ParameterName(name).shapes_kappa}  # fmt: skip
    return {name: bar for name, bar in bars.items() if bar[1] > 0}
