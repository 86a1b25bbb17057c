"""Ways to save time in tests that are about something else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

import mtjfit.infer.least_squares as least_squares
from mtjfit.infer.optimum import optimum
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
        patch.setattr(least_squares, "optimum", partial(optimum, starts=2))
        yield
