"""Changes of a study in Python: other priors, some of the curves; everything unknown is refused at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_studies import simulated
from small import problems_of

import mtjfit
from mtjfit.errors import ConfigError
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study


@pytest.fixture(scope="module")
def study() -> Study:
    """Devices A, B, C, D of 1, 2, 3 and 4 nm in two groups; A at two temperatures."""
    made = simulated((1.0, 2.0, 3.0, 4.0), a1=(Normal(0.0, 3.0), "group"))
    first = made.curves[0]
    return made.with_curves([replace(first, condition="4 K"), replace(first, condition="300 K"), *made.curves[1:]])


SELECTED: dict[str, tuple[Callable[[Study], Study], str]] = {
    "without a device": (lambda s: s.without("A"), "BCD"),
    "without devices": (lambda s: s.without("B", "D"), "A4 A300 C"),
    "without one curve": (lambda s: s.without("A @ 4 K"), "A300 BCD"),
    "without nothing": (lambda s: s.without(), "A4 A300 BCD"),
    "one device": (lambda s: s.select(devices="A"), "A4 A300"),
    "devices": (lambda s: s.select(devices=["D", "B"]), "BD"),
    "a curve": (lambda s: s.select(devices=["A @ 300 K", "C"]), "A300 C"),
    "thickness, ends included": (lambda s: s.select(thickness=(2, 3.0)), "BC"),
    "thickness of numpy": (lambda s: s.select(thickness=(np.float64(2), np.int64(2))), "B"),
    "group": (lambda s: s.select(group="g1"), "BD"),
    "groups": (lambda s: s.select(group=("g0", "g1")), "A4 A300 BCD"),
    "condition": (lambda s: s.select(condition="4 K"), "A4"),
    "no condition": (lambda s: s.select(condition=""), "BCD"),
    "both": (lambda s: s.select(group="g0", thickness=(0, 1)), "A4 A300"),
    "everything": (lambda s: s.select(), "A4 A300 BCD"),
}


@pytest.mark.parametrize("name", SELECTED)
def test_some_of_the_curves(study: Study, name: str) -> None:
    change, left = SELECTED[name]
    made = change(study)
    assert "".join(made.devices) == left.replace(" ", "").replace("A4", "A @ 4 K").replace("A300", "A @ 300 K")
    assert made.parameters == study.parameters


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.without("dev3", "A", 7), ["without: no curve is of the device 'dev3'", "without: 7 is no name"]),
        (lambda s: s.without("A", "B", "C", "D"), ["data: there is no curve; give at least one device"]),
        (
            lambda s: s.select(devices=["A", "E"], group="g2", condition="400 K", thickness=(2, 1)),
            [
                "devices: no curve is of the device 'E'",
                "group: no curve is of the group 'g2'; ",
                "condition: no curve is of the condition '400 K'; did you mean '300 K'?",
                "thickness: is (2, 1); give (low, high) in nm, ends included",
            ],
        ),
        (lambda s: s.select(thickness=2.0), ["thickness: is 2.0; give (low, high)"]),
        (lambda s: s.select(group=3), ["group: 3 is no name; give texts"]),
        (
            lambda s: s.select(thickness=(5, 6)),
            ["select: leaves no curve; ask for less at once; the thicknesses are 1, 2, 3, 4 nm"],
        ),
        (lambda s: s.with_curves([s.curves[2]] * 2), ["device 'B': there are 2 curves of this name"]),
        (lambda s: s.with_priors(dead_layer=None, lambda_j=1.0), ["parameters.dead_layer: is not declared, so"]),
        (
            lambda s: s.with_priors(lambda_j=1.0, b2="wide", D_ratio=True, a1=LogNormal(1, 2), thickness=2.0),
            ["parameters.b2: is 'wide'; give a prior such as mtjfit.LogNormal", "parameters.D_ratio: is True; give a",
             "parameters.lambda_j: is no parameter; did you mean 'lambda_J'?",
             "parameters.thickness: is fixed at 2;", "parameters.a1: has the prior"],
        ),
        (lambda s: s.replace(parameters=["a1"]), ["parameters: are given as list; give a dict such as"]),
    ],
)  # fmt: skip
def test_what_is_unknown_is_refused_all_at_once(
    study: Study, change: Callable[[Study], Study], said: list[str]
) -> None:
    found = problems_of(change, study, kind=ConfigError)
    assert [part for part in said if not any(each.startswith(part) for each in found)] == []
    if not said[0].startswith("parameters: are"):
        assert len(found) == len(said)


@pytest.mark.parametrize(
    ("name", "given", "declared"),
    [
        ("lambda_sf_F", LogNormal(5, 1.5), Parameter("lambda_sf_F", LogNormal(5.0, 1.5))),
        ("D_ratio", 2, Parameter("D_ratio", Fixed(2.0))),
        ("D_ratio", np.float32(0.5), Parameter("D_ratio", Fixed(0.5))),
        ("a1", Normal(1, 2), Parameter("a1", Normal(1.0, 2.0), "group")),
        ("a1", 1.5, Parameter("a1", Fixed(1.5), "group")),
        ("a1", Parameter("a1", Normal(1, 2), "device"), Parameter("a1", Normal(1.0, 2.0), "device")),
        ("thickness", AboutNominal(0.2), Parameter("thickness", AboutNominal(0.2), "device")),
        ("b1", Normal(0, 1), Parameter("b1", Normal(0.0, 1.0))),
        ("b1", {"prior": "normal", "mean": 0, "sd": 1, "scope": "device"}, Parameter("b1", Normal(0.0, 1.0), "device")),
        ("b2", None, None),
    ],
)
def test_priors(study: Study, name: str, given: Any, declared: Parameter | None) -> None:
    made = study.with_priors(**{name: given})
    assert made.parameters.get(name) == declared
    others = {key: each for key, each in study.parameters.items() if key != name}
    assert {key: each for key, each in made.parameters.items() if key != name} == others
    assert made.curves == study.curves


def test_a_study_takes_priors_where_parameters_are_expected() -> None:
    priors = {
        **dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda"), LogUniform(1, 10)),
        "a1": Normal(0, 1),
    }
    made = Study("priors", simulated().curves, {**priors, "thickness": 0})
    assert made.parameters["a1"] == Parameter("a1", Normal(0.0, 1.0), "shared")
    assert made.parameters["thickness"] == Parameter("thickness", Fixed(0.0), "device")


def test_the_study_that_is_changed_stays(study: Study) -> None:
    before = (study.curves, dict(study.parameters))
    study.with_priors(D_ratio=3.0)
    study.without("A")
    assert (study.curves, dict(study.parameters)) == before
    assert mtjfit.Normal is Normal
