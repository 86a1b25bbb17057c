"""Adjusted p-values by their definitions, and false alarms as rare as promised."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mtjfit.multiple_tests import benjamini_hochberg, holm


def by_closed_testing(p: np.ndarray) -> np.ndarray:
    """Holm's method by its definition: a null is rejected if Bonferroni rejects every set of nulls that holds it."""
    places = range(p.size)
    sets = [one for size in range(1, p.size + 1) for one in combinations(places, size)]
    return np.array([max(min(1.0, len(s) * min(p[list(s)])) for s in sets if j in s) for j in places])


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_holm_is_bonferroni_on_every_set_of_nulls(n: int) -> None:
    p = np.random.default_rng(n).random(n) ** 3
    np.testing.assert_allclose(holm(p), by_closed_testing(p), rtol=1e-12)


def test_holm_never_rejects_more_often_than_promised_and_more_than_bonferroni() -> None:
    rng = np.random.default_rng(2)
    p = rng.random((4000, 5))
    p[:, :2] *= 1e-4  # two false hypotheses, three true ones
    adjusted = np.array([holm(each) for each in p])
    assert np.mean((adjusted[:, 2:] < 0.05).any(axis=1)) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 / 4000))
    assert np.all(adjusted <= np.minimum(5 * p, 1.0) + 1e-15)


def test_benjamini_hochberg_rejects_up_to_the_last_p_value_below_its_line() -> None:
    rng = np.random.default_rng(9)
    for _ in range(50):
        p = rng.random(6) ** 3
        for alpha in (0.01, 0.05, 0.3):
            below = np.flatnonzero(np.sort(p) <= alpha * np.arange(1, 7) / 6)
            last = np.sort(p)[below[-1]] if below.size else -1.0
            np.testing.assert_array_equal(benjamini_hochberg(p) <= alpha, p <= last)


@pytest.mark.parametrize("adjusted", [holm, benjamini_hochberg])
def test_a_test_that_was_not_made_counts_for_nothing(adjusted) -> None:
    found = adjusted([0.01, np.nan, 0.2])
    np.testing.assert_array_equal(found[[0, 2]], adjusted([0.01, 0.2]))
    assert np.isnan(found[1])
    assert np.isnan(adjusted([np.nan])).all()
    assert adjusted([]).size == 0
