"""Profiles of random studies against an independent multistart; the check that no other fit lies below a profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from independent_profile import LENGTHS, Design, random_design
from scipy import stats

from mtjfit.infer import identify
from mtjfit.model import FullPosterior
from mtjfit.model.descent import Descent, Points
from mtjfit.model.line import Axis, Line
from mtjfit.model.profile import LEVELS, Interval, Profile, below, profiles, reference, thresholds
from mtjfit.study import Fixed, Parameter

SHARE = 0.02  # of an interval
NEARLY = 0.02  # of −2 ln L: how closely two programs find the same minimum
AMPLITUDES = {"a1": (-30.0, 30.0), "b2": (-30.0, 30.0)}


@dataclass(frozen=True)
class Wrong:
    """What the other program says against an interval."""

    name: str
    level: float
    where: str
    rise: float


def disagreements(design: Design, found: dict[str, Profile], names: tuple[str, ...]) -> list[Wrong]:
    """Ends of intervals that are more than 2 % of them off, or open where they are not, or the other way round."""
    lowest = design.lowest({}, 12)
    wrong = []
    for name in names:
        for level in LEVELS:
            threshold = stats.chi2.ppf(level, 1)
            for where, value, inside in _probes(found[name], found[name].interval(level), design):
                rise = design.lowest({name: value}) - lowest
                if inside and rise > threshold + NEARLY:  # it may have missed the minimum itself
                    rise = design.lowest({name: value}, 60) - lowest
                if (rise > threshold + NEARLY) if inside else (rise < threshold - NEARLY):
                    wrong.append(Wrong(name, level, f"{where} {value:.6g}", rise - threshold))
    return wrong


def _probes(found: Profile, one: Interval, design: Design) -> list[tuple[str, float, bool]]:
    """Values to try, and whether the interval says that they lie inside."""
    low, high = design.bounds[found.name] if found.name in LENGTHS else AMPLITUDES[found.name]
    log = found.name in LENGTHS
    to, back = (np.log, np.exp) if log else (float, float)
    ends = [to(one.low if one.low not in (0.0, -np.inf) else low), to(one.high if one.high < np.inf else high)]
    # an end far away says little of how well the other is known
    width = min(ends[1] - to(found.best), to(found.best) - ends[0]) * 2 or ends[1] - ends[0]
    out = []
    for end, limit, sign, is_open in (
        (ends[0], to(low), 1.0, one.low in (0.0, -np.inf)),
        (ends[1], to(high), -1.0, one.high == np.inf),
    ):
        if is_open:
            out.append(("open", float(back(limit)), True))
            continue
        off = SHARE * max(width, abs(end - to(found.best)))
        out.append(("inside", float(back(end + sign * off)), True))
        beyond = end - sign * off
        out += [("outside", float(back(x)), False) for x in (beyond, beyond + 0.2 * (limit - beyond))]
    return [each for each in out if to(low) <= to(each[1]) <= to(high)]


@pytest.mark.parametrize(("seed", "names"), [(3, ("lambda_J",)), (4, ("lambda_phi",))])
def test_intervals_of_random_studies_agree_with_an_independent_multistart(seed: int, names: tuple[str, ...]) -> None:
    design = random_design(seed)
    known = identify(design.study())
    assert not disagreements(design, dict(known.profiles), names)
    assert not any("lies above" in note for note in known.notes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [8, 11, *range(100, 140)])
def test_all_intervals_of_more_random_studies(seed: int) -> None:
    design = random_design(seed)
    assert not disagreements(design, dict(identify(design.study()).profiles), (*LENGTHS, *AMPLITUDES))


def held_at_the_edge(design: Design) -> tuple[FullPosterior, Points]:
    """Fits along λ_J that stay on the branch of the best fit: what a search in ln λ_sf^F from one side finds."""
    model = FullPosterior(design.study())
    best = profiles(model, (), reference(model, np.array([1.0, 1.0, 1e5, 1.0]))).best
    fixed = {**design.study().parameters, "lambda_sf_F": Parameter("lambda_sf_F", Fixed(1e5))}
    stuck = FullPosterior(design.study().replace(parameters=fixed))
    u = np.linspace(0.8, 1.25, 40) * best.values[0]
    found = Descent(stuck, "lambda_J").lowest(u, np.repeat(best.values[None, [0, 1, 3]], 40, axis=0))
    return model, Points(np.insert(found.values, 2, 1e5, axis=1), found.amplitudes, found.height)


def test_the_check_fails_on_a_one_sided_continuation() -> None:
    """Sabotage: the line that stays where the best fit is lies above fits of another parameter's profile."""
    model, points = held_at_the_edge(random_design(329))  # its best fit has λ_sf^F = ∞
    found = profiles(model, ("lambda_J", "lambda_sf_F"), reference(model, points.values[points.height.argmin()]))
    assert not found.beaten
    limits, lowest = thresholds(model), found.best.lowest
    descent = Descent(model, "lambda_J")
    one_sided = Line(
        descent, Axis.of(model, "lambda_J", found.best.values[0]), np.log(points.values[:, 0]), points, 0.1
    )
    other = Line.drawn(model, "lambda_sf_F", found.best.as_points, 0.5, points.values)
    assert below(one_sided, other.points, lowest, limits) > 0.5
    right, _ = one_sided.lowered(other.points, lowest, np.inf, 0.02)
    right = right.settled(lowest, limits)
    assert below(right, other.points, lowest, limits) < 0.02
