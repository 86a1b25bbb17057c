"""Bounds on evidence for priors without a form of their own."""

from __future__ import annotations

import numpy as np

from mtjfit.comparison.mechanisms.prior_widths import largest_log_ratio
from mtjfit.study import FromScipy, LogUniform


def test_what_is_not_known_of_a_prior_is_not_made_up() -> None:
    assert largest_log_ratio(LogUniform(0.1, 100.0), FromScipy("beta", {"a": 2.0, "b": 2.0, "loc": 1.0})) == np.inf
