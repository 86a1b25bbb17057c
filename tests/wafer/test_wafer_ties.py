"""Stacks of wafers take no ties, and say so."""

from __future__ import annotations

from mtjfit.study import EqualTo, Parameter
from mtjfit.wafer.stack.hierarchy import Hierarchy, smooth_problems


def test_stacks_of_wafers_refuse_ties() -> None:
    parameters = {"lambda_phi": Parameter("lambda_phi", EqualTo("lambda_J"))}
    (problem,) = smooth_problems(Hierarchy(), parameters)
    assert str(problem).startswith("parameters.lambda_phi: is tied (= lambda_J), which wafers cannot be")
