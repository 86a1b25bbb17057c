"""The simultaneous band of ranks, against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from mtjfit.calibration.ranks import EcdfTest


def test_the_band_of_ranks_holds_as_often_as_it_says() -> None:
    """Säilynoja et al. by simulation, as ArviZ does it: 4000 sets of uniform ranks, three standard errors."""
    n, n_draws, coverage = 50, 19, 0.9
    test, rng = EcdfTest(n, n_draws), np.random.default_rng(1)
    counts = np.array([test.counts(rng.integers(0, n_draws + 1, n)) for _ in range(4000)])
    low, high = test.band(coverage)
    inside = np.mean(np.all((counts >= low * n - 1e-9) & (counts <= high * n + 1e-9), axis=1))
    assert coverage - 0.015 < inside < coverage + 0.05  # counts are whole: the band covers a little more
    below, above = special.bdtr(counts, n, test.z), stats.binom.sf(counts - 1, n, test.z)
    extreme = np.minimum(1.0, 2 * np.minimum(below, above)).min(axis=1)
    chosen = np.argsort(extreme)[[40, 400, 2000]]
    for row in chosen:
        simulated = np.mean(extreme <= extreme[row] * (1 + 1e-9))
        ranks = np.repeat(np.arange(n_draws + 1), np.diff(np.concatenate([[0], counts[row], [n]])))
        error = np.sqrt(simulated * (1 - simulated) / 4000)
        assert test.p_value(ranks) == pytest.approx(simulated, abs=3.5 * error)
