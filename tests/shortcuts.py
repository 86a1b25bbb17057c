"""Ways to save time in tests that are about something else."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

import mtjfit.infer.least_squares as least_squares
from mtjfit.lazy import wing

WINGS = {
    "calibration": "mtjfit calibrate", "comparison": r"mtjfit compare|mtjfit\.compare|--mechanisms",
    "explorer": "mtjfit explore", "paper": "mtjfit figures", "planning": r"mtjfit plan|mtjfit\.plan",
    "prior_influence": "narrowing|sensitivity", "spectra": "mtjfit spectra", "wafer": "mtjfit batch|mtjfit wafer",
}  # fmt: skip
"""Wings, and what a text that needs one says."""


def skip_without_wings(text: str) -> None:
    """Skip a test of a text that needs a wing which was deleted."""
    for name, words in WINGS.items():
        if wing(name) is None and re.search(rf"mtjfit\.{name}|{words}", text):
            pytest.skip(f"mtjfit/{name} was deleted")


@contextmanager
def few_starts() -> Iterator[None]:
    """Fits from two starts, not eight: for tests of what is done with a fit. Those of fits prove the search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(least_squares, "optimum", partial(least_squares.optimum, starts=2))
        yield


def slow_after(n: int, cases: Iterable[object]) -> list[Any]:
    """All cases of a parametrised test, slow after the first n; a tuple holds the values of several names."""
    found = list(cases)
    return [*found[:n], *map(as_slow, found[n:])]


def slow_but(quick: Collection[object], cases: Iterable[object]) -> list[Any]:
    """All cases of a parametrised test, slow but for those of `quick`."""
    return [one if one in quick else as_slow(one) for one in cases]


def as_slow(case: Any) -> Any:
    """A case of a parametrised test for the slow lane."""
    if isinstance(case, type(pytest.param())):
        return pytest.param(*case.values, marks=[*case.marks, pytest.mark.slow], id=case.id)
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
