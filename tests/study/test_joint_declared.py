"""Joint priors in study files and in Python: what is read and written, and what is refused."""

from __future__ import annotations

import pickle
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joint_cases import JointCase
from small import problems_of, small_curve

import mtjfit
from mtjfit.infer.store.fingerprint import describe, fingerprint
from mtjfit.study import AboutNominal, Correlated, EqualTo, Fixed, LogNormal, LogUniform, Normal, Parameter, Study
from mtjfit.study.correlation_checks import without_the_gone
from mtjfit.study.document import NumberReader, NumberStore, study_document
from mtjfit.study.given import given_parameters
from mtjfit.study.schema import parameter_from, study_schema

ONE = LogNormal(1.5, 1.4)


def pair(r: float = 0.6, back: float | None = None) -> dict[str, Any]:
    return {"lambda_J": Correlated(ONE, {"lambda_phi": r}),
            "lambda_phi": Correlated(ONE, {"lambda_J": r if back is None else back})}  # fmt: skip


def study(**changes: Any) -> Study:
    priors: dict[str, Any] = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"), ONE)
    priors |= {"D_ratio": Fixed(1.0), "a1": Normal(0.0, 1.0), "thickness": AboutNominal(0.1)} | changes
    return Study("joint", (small_curve("A"), small_curve("B", thickness=3.0)), priors)


FILE = """
[study]
name = "joint"
[[data]]
curves = "study-data.json"
[parameters]
lambda_J    = { prior = "lognormal", median = 1.5, factor = 1.4, correlation = { lambda_phi = 0.6 } }
lambda_phi  = { prior = "lognormal", median = 1.5, factor = 1.4, correlation = { lambda_J = 0.6 } }
lambda_sf_F = { prior = "lognormal", median = 1.5, factor = 1.4 }
lambda_sf_N = { prior = "lognormal", median = 1.5, factor = 1.4 }
D_ratio     = { fixed = 1.0 }
thickness   = { prior = "normal", sd = 0.1 }
a1          = { prior = "normal", mean = 0.0, sd = 1.0 }
"""


def test_a_file_says_what_python_says(tmp_path: Path) -> None:
    made = study(**pair())
    made.to_toml(tmp_path)
    (tmp_path / "by-hand.toml").write_text(FILE)
    for name in ("study.toml", "by-hand.toml"):
        read = mtjfit.load_study(tmp_path / name)
        assert read.parameters == made.parameters
        assert fingerprint(describe(read, 1)) == fingerprint(describe(made, 1))
    line = (tmp_path / "study.toml").read_text().split("\nlambda_phi = ")[1].splitlines()[0]
    assert line == '{ prior = "lognormal", median = 1.5, factor = 1.4, correlation = { lambda_J = 0.6 } }'


@pytest.mark.parametrize("seed", range(3))
def test_random_joint_priors_come_back_to_the_last_bit(seed: int, tmp_path: Path) -> None:
    made = JointCase(seed).study()
    assert mtjfit.load_study(made.to_toml(tmp_path)).parameters == made.parameters
    assert pickle.loads(pickle.dumps(made)).parameters == made.parameters  # noqa: S301 - made here
    store = NumberStore()
    document = study_document(made, store)
    for record in document["parameters"]:
        assert parameter_from(record["name"], record["declared"], "p") == made.parameters[record["name"]]
    assert NumberReader(store.numbers).array((1,)).size == 1


def test_the_fingerprint_follows_the_correlation() -> None:
    found = {fingerprint(describe(study(**pair(r)), 1)) for r in (0.6, 0.6, 0.5, -0.6)}
    assert len(found) == 3
    assert fingerprint(describe(study(), 1)) not in found


def test_equal_priors_are_one_whatever_the_order_and_kind_of_their_numbers() -> None:
    one = Correlated(ONE, {"b": 0.5, "a": np.float32(0.25)})
    other = Correlated(ONE, {"a": 0.25, "b": 0.5})
    assert one == other
    assert hash(one) == hash(other)
    assert one != Correlated(ONE, {"a": 0.25, "b": 0.4})
    with pytest.raises(TypeError):
        one.correlation["a"] = 1.0  # type: ignore[index]


def test_wider_priors_keep_the_correlation() -> None:
    prior = pair()["lambda_J"]
    assert prior.widened(2.0) == Correlated(ONE.widened(2.0), prior.correlation)
    assert prior.stretched(3.0) == Correlated(ONE.stretched(3.0), prior.correlation)
    assert prior.on_other_scale() is None


WRONG_NUMBERS = [1.0, -1.0, 1.5, float("nan"), float("inf"), -float("inf"), 1e308, "0.5", True, None, 1 + 0j]


@pytest.mark.parametrize("r", WRONG_NUMBERS, ids=repr)
def test_a_coefficient_lies_between_the_ends(r: Any) -> None:
    with pytest.raises(ValueError, match="between -1 and 1"):
        Correlated(ONE, {"lambda_phi": r})
    raw = {"prior": "lognormal", "median": 1.0, "factor": 1.2, "correlation": {"lambda_phi": r}}
    problems = parameter_from("lambda_J", raw, "parameters.lambda_J")
    assert isinstance(problems, list)
    assert problems[0].where.startswith("parameters.lambda_J.correlation")


@pytest.mark.parametrize("given", [{}, [], [0.5], "lambda_phi", 0.5, {1: 0.5}, {"": float("nan")}], ids=repr)
def test_a_correlation_is_a_table_of_names(given: Any) -> None:
    with pytest.raises(ValueError, match="correlation"):
        Correlated(ONE, given)
    raw = {"prior": "lognormal", "median": 1.0, "factor": 1.2, "correlation": given}
    assert isinstance(parameter_from("lambda_J", raw, "p"), list)


@pytest.mark.parametrize(
    "line",
    [
        '{ prior = "lognormal", median = 1.0, factor = 2.0, high = 9.0, correlation = { lambda_J = 0.5 } }',
        '{ prior = "normal", mean = 1.0, sd = 2.0, low = 0.0, correlation = { lambda_J = 0.5 } }',
        '{ prior = "loguniform", low = 1.0, high = 2.0, correlation = { lambda_J = 0.5 } }',
        '{ prior = "scipy", name = "gamma", numbers = { a = 2.0 }, correlation = { lambda_J = 0.5 } }',
        "{ fixed = 1.0, correlation = { lambda_J = 0.5 } }",
        '{ equals = "lambda_J", correlation = { lambda_J = 0.5 } }',
        '{ prior = "lognormal", median = 1.0, factor = 2.0, correlation = { lambda_J = { of = 1 } } }',
    ],
)
def test_only_open_normal_priors_are_correlated(line: str) -> None:
    raw = tomllib.loads(f"lambda_phi = {line}")["lambda_phi"]
    (problem,) = parameter_from("lambda_phi", raw, "p")  # type: ignore[misc]
    assert problem.where.startswith("p.correlation")


def only(name: str, **correlation: float) -> dict[str, Any]:
    return {name: Correlated(ONE, correlation)}


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one side": (only("lambda_J", lambda_phi=0.6), [
        "parameters.lambda_J.correlation.lambda_phi: is 0.6, but lambda_phi has the prior log-normal, median 1.5, "
        "factor 1.4; give lambda_phi a normal or lognormal prior with correlation = { lambda_J = 0.6 }"]),
    "not mutual": (only("lambda_J", lambda_phi=0.6) | only("lambda_phi", lambda_sf_F=0.1)
                   | only("lambda_sf_F", lambda_phi=0.1), [
        "parameters.lambda_J.correlation.lambda_phi: is 0.6, but the prior of lambda_phi does not say so; "
        "add lambda_J = 0.6 to parameters.lambda_phi.correlation, or remove this one"]),
    "two numbers": (pair(0.6, 0.5), [
        "parameters.lambda_J.correlation.lambda_phi: is 0.6, but parameters.lambda_phi.correlation.lambda_J is 0.5; "
        "write the same number in both"]),
    "itself": (only("lambda_J", lambda_J=0.6), [
        "parameters.lambda_J.correlation.lambda_J: names the parameter itself; remove it"]),
    "unknown": (only("lambda_J", lamda_phi=0.6), [
        "parameters.lambda_J.correlation.lamda_phi: names no length that is declared; did you mean 'lambda_phi'?"]),
    "not declared": (only("lambda_J", Lambda=0.6), [
        "parameters.lambda_J.correlation.Lambda: names no length that is declared; did you mean 'lambda_phi'?"]),
    "fixed": (only("lambda_J", D_ratio=0.6), [
        "parameters.lambda_J.correlation.D_ratio: names a parameter that has no prior (fixed at 1); remove it"]),
    "tied": (only("lambda_J", lambda_phi=0.6) | {"lambda_phi": EqualTo("lambda_sf_F")}, [
        "parameters.lambda_J.correlation.lambda_phi: names a parameter that has no prior (= lambda_sf_F); remove it"]),
    "flat": (only("lambda_J", lambda_phi=0.6) | {"lambda_phi": LogUniform(1.0, 2.0)}, [
        "parameters.lambda_J.correlation.lambda_phi: is 0.6, but lambda_phi has the prior log-uniform 1 to 2; "
        "give lambda_phi a normal or lognormal prior with correlation = { lambda_J = 0.6 }"]),
    "scope": (pair() | {"lambda_J": Parameter("lambda_J", Correlated(ONE, {"lambda_phi": 0.6}), "device")}, [
        'parameters.lambda_J.correlation: is given beside scope = "device"; '
        "share the parameter, or remove the correlation"]),
    "amplitude": ({"a1": Correlated(Normal(0.0, 1.0), {"lambda_J": 0.5})}, [
        "parameters.a1: has the prior normal 0 ± 1, correlated with lambda_J (0.5); "
        "amplitudes take a normal prior, or are fixed",
        "parameters.a1.correlation: is given, but only lengths that shape κ(d) can be correlated; remove it"]),
    "impossible": (only("lambda_J", lambda_phi=0.9, lambda_sf_F=0.9)
                   | only("lambda_phi", lambda_J=0.9, lambda_sf_F=-0.9)
                   | only("lambda_sf_F", lambda_J=0.9, lambda_phi=-0.9), [
        "parameters.lambda_J.correlation: and those of lambda_phi, lambda_sf_F cannot all hold: their matrix has the "
        "eigenvalue -0.8; make them smaller in size, until all eigenvalues are 1e-06 or more"]),
    "one line": (pair(1 - 1e-9), [
        "parameters.lambda_J.correlation: and those of lambda_phi cannot all hold: their matrix has the eigenvalue "
        "1e-09; make them smaller in size, until all eigenvalues are 1e-06 or more"]),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_a_joint_prior_is_refused(changes: dict[str, Any], expected: list[str]) -> None:
    assert problems_of(study, **changes) == expected


def test_a_prior_that_is_changed_alone_is_refused_and_both_together_are_not() -> None:
    made = study(**pair())
    (said,) = problems_of(made.with_priors, lambda_phi=ONE)
    assert said.startswith(
        "parameters.lambda_J.correlation.lambda_phi: is 0.6, but lambda_phi has the prior log-normal"
    )
    assert made.with_priors(**pair(0.2)).parameters["lambda_J"].prior.correlation["lambda_phi"] == 0.2
    assert made.with_priors(lambda_J=ONE, lambda_phi=ONE).parameters == study().parameters


def test_thousands_of_unknown_names_are_told_briefly() -> None:
    problems = problems_of(study, **only("lambda_J", **{f"x{k}": 0.1 for k in range(5000)}))
    assert 0 < len(problems) <= 20
    assert max(map(len, problems)) < 300


def test_a_file_with_several_mistakes_names_them_all(tmp_path: Path) -> None:
    study(**pair()).to_toml(tmp_path)
    text = FILE.replace("correlation = { lambda_J = 0.6 }", "correlation = { lambda_J = 1.0 }")
    text = text.replace("factor = 1.4 }\nlambda_sf_N", "factor = 1.4, correlation = { lambda_X = 0.1 } }\nlambda_sf_N")
    (tmp_path / "wrong.toml").write_text(text)
    said = problems_of(mtjfit.load_study, tmp_path / "wrong.toml")
    assert [each.split(": ")[1] for each in said] == [
        "parameters.lambda_phi.correlation", "parameters.lambda_sf_F.correlation.lambda_X"]  # fmt: skip


def test_what_is_gone_takes_its_correlation_along() -> None:
    made = JointCase(1).study()
    left = without_the_gone({**made.parameters, "lambda_sf_F": Parameter("lambda_sf_F", Fixed(np.inf))})
    prior = made.parameters["lambda_J"].prior
    assert isinstance(prior, Correlated)
    assert left["lambda_J"].prior == Correlated(prior.of, {"lambda_phi": prior.correlation["lambda_phi"]})
    none = without_the_gone({**left, "lambda_phi": Parameter("lambda_phi", ONE)})
    assert none["lambda_J"].prior == prior.of


def test_editors_know_the_key() -> None:
    table = study_schema()["$defs"]["ParameterTable"]["properties"]["correlation"]
    assert "number" in str(table)
    assert not given_parameters({"lambda_J": pair()["lambda_J"]}).problems
