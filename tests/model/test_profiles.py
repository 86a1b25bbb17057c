"""Profiles of random studies against an independent multistart; the check that no other fit lies below a profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from independent_profile import LENGTHS, Design, random_design
from scipy import stats

from mtjfit.infer import identify
from mtjfit.model.interval import LEVELS, Interval, Profile

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
                    rise = design.lowest({name: value}, 30) - lowest
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


@pytest.mark.parametrize(("seed", "names"), [(3, ("lambda_J", "b2")), (8, ("lambda_sf_N",)), (11, ("lambda_phi",))])
def test_intervals_of_random_studies_agree_with_an_independent_multistart(seed: int, names: tuple[str, ...]) -> None:
    design = random_design(seed)
    known = identify(design.study())
    assert not disagreements(design, dict(known.profiles), names)
    assert not any("lies above" in note for note in known.notes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 140))
def test_all_intervals_of_more_random_studies(seed: int) -> None:
    design = random_design(seed)
    assert not disagreements(design, dict(identify(design.study()).profiles), (*LENGTHS, *AMPLITUDES))
