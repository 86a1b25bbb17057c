"""False alarms, coverage and power of the numbers of wafers, on designs drawn at random (`survey_truth`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from shortcuts import slow_after
from survey_truth import Design, any_design, drawn

from mtjfit.wafer import compare_wafers, odd_devices
from mtjfit.wafer.survey.robust import estimates

FEW, MANY = 25, 400
TIMES = [FEW, pytest.param(MANY, marks=pytest.mark.slow)]
Make = Callable[[np.random.Generator], Design]


def sized(low: int, high: int, spreads: list[list[float]]) -> Make:
    def make(rng: np.random.Generator) -> Design:
        return Design(rng.integers(low, high + 1, np.shape(spreads)).tolist(), spreads)

    return make


CASES: dict[str, Make] = {
    "60 and 12, five times": lambda rng: Design([[60], [12]], [[1.0], [5.0]]),
    "four thicknesses": sized(10, 19, [[1.0, 2.0, 3.0, 4.0]] * 2),
    "three times": sized(6, 19, [[1.0], [3.0]]),
    "any": any_design,
    "any, a tenth odd": lambda rng: any_design(rng, odd=0.1, sides=1),
}


def most(times: int, p: float = 0.06) -> int:
    return int(binom.ppf(0.999, times, p))


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("case", slow_after(1, CASES))
def test_equal_wafers_are_rarely_called_different(case: str, times: int) -> None:
    rng = np.random.default_rng([1, times])
    found = sum(compare_wafers(drawn(CASES[case](rng), rng)[0], "b")["clear"].any() for _ in range(times))
    assert found <= most(times)


@pytest.mark.parametrize("times", TIMES)
@pytest.mark.parametrize("shifts", slow_after(1, [0.0, 1.0]))
def test_pages_without_an_odd_device_rarely_name_one(shifts: float, times: int) -> None:
    rng = np.random.default_rng([2, times])
    make = sized(8, 50, [[1.0]] * 4)
    pages = (drawn(replace(make(rng), shifts=shifts), rng)[0] for _ in range(times))
    assert sum(odd_devices(page, ["b"], smooth=False).beyond > 0 for page in pages) <= most(times)


def test_an_odd_device_is_found_on_wafers_that_differ() -> None:
    rng, found, odd = np.random.default_rng(3), 0, 0
    for _ in range(10):
        survey, truth = drawn(Design([[40]] * 4, [[1.0]] * 4, shifts=1.0, odd=0.02), rng)
        named = odd_devices(survey, ["b"], smooth=False).table
        names = set(zip(named["wafer"], named["device"], strict=True))
        pairs = zip(survey.frame.loc[truth, "wafer"], survey.frame.loc[truth, "device"], strict=True)
        found, odd = found + sum(pair in names for pair in pairs), odd + int(truth.sum())
    assert found >= 0.85 * odd


@pytest.mark.parametrize("far", [6.0, pytest.param(0.0, id="sabotage")])
@pytest.mark.parametrize(("n", "share"), [(8, 0.05), (20, 0.0), (20, 0.1), (60, 0.1)])
def test_intervals_of_spreads_hold_the_truth_among_odd_devices(n: int, share: float, far: float) -> None:
    """Sabotage: estimates that keep odd devices."""
    rng, times = np.random.default_rng([n, int(100 * share)]), 400
    odd = rng.random(n * times) < share
    q = rng.standard_normal(n * times) + 6 * odd * rng.choice([-1, 1], n * times)
    found = estimates(q, np.zeros(q.size), np.repeat(np.arange(times), n), robust=far > 0)
    covered = np.mean((found.low <= 1) & (found.high >= 1))
    assert (covered > 0.89) == (far > 0 or share == 0)
