"""Ties in study files and in Python: what is read and written, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from small import problems_of, small_curve

from mtjfit.study import AboutNominal, EqualTo, Fixed, LogUniform, Normal, Parameter, Study
from mtjfit.study.schema import parameter_from

FLAT = LogUniform(0.1, 100.0)


def study(**changes: Any) -> Study:
    priors: dict[str, Any] = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"), FLAT)
    priors |= {"D_ratio": Fixed(1.0), "a1": Normal(0.0, 1.0), "thickness": AboutNominal(0.1)} | changes
    scope: dict[str, Any] = {"thickness": "device"}
    parameters = {name: Parameter(name, prior, scope.get(name, "shared")) for name, prior in priors.items() if prior}
    return Study("tied", (small_curve("A"), small_curve("B", thickness=3.0)), parameters)


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("lambda_J", EqualTo("lambda_J")), (" lambda_J ", EqualTo("lambda_J")),
        ("2 * lambda_J", EqualTo("lambda_J", 2.0)),
        ("0.5*lambda_J", EqualTo("lambda_J", 0.5)), ("1.5e-3 *lambda_J", EqualTo("lambda_J", 1.5e-3)),
    ],
)  # fmt: skip
def test_a_tie_is_read_and_written_back(text: str, tie: EqualTo) -> None:
    read = parameter_from("lambda_phi", {"equals": text}, "parameters.lambda_phi")
    assert read == Parameter("lambda_phi", tie)
    assert parameter_from("lambda_phi", read.to_toml(), "parameters.lambda_phi") == read


@pytest.mark.parametrize(
    "text",
    ["", "2", "2 lambda_J", "lambda_J * 2", "-1 * lambda_J", "2 * 3 * lambda_J", "lambda_J + 1", "lambda_J / 2",
     "__import__('os')", "1e999 * lambda_J", "0 * lambda_J", "nan * lambda_J", "\u0662 * lambda_J", "2 *\n lambda_J",
     "2 * lambda_J" * 10_000, "9" * 100_000],
    ids=lambda text: text[:20] or "empty",
)  # fmt: skip
def test_anything_but_a_ratio_is_refused(text: str) -> None:
    (problem,) = parameter_from("lambda_phi", {"equals": text}, "parameters.lambda_phi")
    assert problem.where == "parameters.lambda_phi.equals"
    assert len(str(problem)) < 300


@pytest.mark.parametrize("others", [{"prior": "uniform"}, {"fixed": 1.0}, {"scope": "device"}, {"low": 1.0, "sd": 2.0}])
def test_all_that_stands_beside_a_tie_is_refused(others: dict[str, Any]) -> None:
    problems = parameter_from("lambda_phi", {"equals": "lambda_J", **others}, "p")
    assert [each.where for each in problems] == [f"p.{key}" for key in others]


REFUSED = {
    "itself": ({"lambda_J": EqualTo("lambda_J")}, [
        "parameters.lambda_J: is tied to itself; give it a prior of its own, or fix it"]),
    "circle": ({"lambda_J": EqualTo("lambda_phi"), "lambda_phi": EqualTo("lambda_J")}, [
        f"parameters.{a}: is tied in a circle ({a} = … {b} = … {a}); give one of them a prior, or fix it"
        for a, b in (("lambda_J", "lambda_phi"), ("lambda_phi", "lambda_J"))]),
    "chain": ({"lambda_sf_F": EqualTo("lambda_phi", 2.0), "lambda_phi": EqualTo("lambda_J", 3.0)}, [
        "parameters.lambda_sf_F: is tied to lambda_phi, which is tied itself; "
        'tie it to the first: equals = "6 * lambda_J"']),
    "no length": ({"D_ratio": EqualTo("lambda_J"), "a1": EqualTo("lambda_J")}, [
        f"parameters.{name}: is tied (= lambda_J), but only lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, Lambda "
        "can be; give it a prior of its own, or fix it" for name in ("D_ratio", "a1")]),
    "unknown": ({"lambda_phi": EqualTo("lambda_j")}, [
        "parameters.lambda_phi: is tied to 'lambda_j', which is none of lambda_J, lambda_phi, lambda_sf_F; "
        "did you mean 'lambda_J'?"]),
    "wrong way": ({"lambda_sf_F": EqualTo("lambda_sf_N")}, [
        "parameters.lambda_sf_F: is tied to lambda_sf_N, which cannot be the first of the two; "
        "tie lambda_sf_N to lambda_sf_F instead"]),
    "value": ({"lambda_sf_F": EqualTo("lambda_J"), "lambda_J": Fixed(0.0)}, [
        f"parameters.{name}: is fixed at 0; give a positive value" for name in ("lambda_J", "lambda_sf_F")]),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=list(REFUSED))
def test_ties_that_cannot_be_are_refused_with_advice(changes: dict[str, Any], said: list[str]) -> None:
    assert problems_of(lambda: study(**changes)) == said


def test_a_target_that_is_missing_is_named() -> None:
    assert "parameters.lambda_phi: is tied to lambda_J, which is not declared; declare lambda_J" in problems_of(
        lambda: study(lambda_J=None, lambda_phi=EqualTo("lambda_J"))
    )


def test_the_advice_for_a_chain_works() -> None:
    made = study(lambda_sf_F=EqualTo("lambda_J", 6.0), lambda_phi=EqualTo("lambda_J", 3.0))
    assert [(name, of) for name, of, _ in made.tied] == [("lambda_phi", "lambda_J"), ("lambda_sf_F", "lambda_J")]


def test_a_tie_has_the_scope_of_its_target_and_follows_it() -> None:
    made = study(lambda_phi=EqualTo("lambda_J", 2.0))
    own = made.replace(parameters={**made.parameters, "lambda_J": Parameter("lambda_J", FLAT, "device")})
    assert [name for name, *_ in own.tied] == ["lambda_phi[A]", "lambda_phi[B]"]
    again = own.replace(parameters={**own.parameters, "lambda_J": Parameter("lambda_J", Fixed(2.0))})
    assert (again.tied, again.parameters["lambda_phi"].value) == ([], 4.0)
