"""Stacks of wafers take no ties and no joint priors, and say so."""

from __future__ import annotations

from mtjfit.study import Correlated, EqualTo, LogNormal, Parameter
from mtjfit.wafer.stack.hierarchy import Hierarchy, smooth_problems


def test_stacks_of_wafers_refuse_ties() -> None:
    parameters = {"lambda_phi": Parameter("lambda_phi", EqualTo("lambda_J"))}
    (problem,) = smooth_problems(Hierarchy(), parameters)
    assert str(problem).startswith("parameters.lambda_phi: is tied (= lambda_J), which wafers cannot be")


def test_stacks_of_wafers_refuse_joint_priors() -> None:
    parameters = {"lambda_phi": Parameter("lambda_phi", Correlated(LogNormal(1.0, 2.0), {"lambda_J": 0.5}))}
    (problem,) = smooth_problems(Hierarchy(), parameters)
    assert problem.where == "parameters.lambda_phi"
    assert problem.what.endswith("but wafers take independent priors")
