"""[plan] in a study file: a request beside data, a design in place of data, and every mistake at its key."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from unplaced import unplaced

import mtjfit.study
from mtjfit.errors import ConfigError
from mtjfit.planning import Design, load_plan
from mtjfit.study import Noise, PlanRequest, Study, grid, load_study

DATA = "device,d_nm,V,par,perp\n" + "".join(
    f"{n},{d},{v},{v},0.1\n" for n, d in (("A", 2), ("B", 3)) for v in (-1, 0, 1)
)
TABLE = """[[data]]
file = "series.csv"
quantity = "torque"
per = "device"
perp_axis = "MxP"
sigma = { par = 0.1, perp = 0.1 }
columns = { bias = "V", par = "par", perp = "perp", device = "device", thickness = "d_nm" }
units = { bias = "V", torque = "arb", thickness = "nm" }
"""
PARAMETERS = """[study]
name = "planned"
[parameters]
lambda_J    = { prior = "loguniform", low = 0.1, high = 100.0 }
lambda_phi  = { prior = "loguniform", low = 0.1, high = 100.0 }
lambda_sf_F = { prior = "lognormal", median = 10.0, factor = 2.0 }
Lambda      = { fixed = 1.0 }
thickness   = { fixed = true }
a1 = { prior = "normal", mean = 0.0, sd = 10.0 }
"""
PLAN = """[plan]
thickness = { low = 0.6, high = 1.0, step = 0.2 }
choose = 2
target = "lambda_J"
bias = { low = -0.5, high = 0.5, n = 11 }
noise = "2 %"
quantity = "torkance"
per = "volume"
unit = "mT/V"
"""


def write(folder: Path, text: str) -> Path:
    (folder / "series.csv").write_text(DATA, encoding="utf-8")
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder / "study.toml"


def test_a_proposal_says_all_that_data_would(tmp_path: Path) -> None:
    design, request = load_plan(write(tmp_path, PARAMETERS + PLAN))
    assert isinstance(design, Design)
    assert request == PlanRequest(
        (0.6, 0.8, 1.0), 2, "lambda_J", (-0.5, 0.5, 11), Noise(0.02, True), "torkance", "volume", "mT/V"
    )
    assert request.sweep is not None
    assert (request.sweep[0], request.sweep.size) == (-0.5, 11)
    assert design.unit_of("a1[A]") == "mT nm/V"
    assert design.unit_of("lambda_J") == "nm"
    again = pickle.loads(pickle.dumps(design))  # noqa: S301 - our own, for worker processes
    assert again.request == request
    assert dict(again.parameters) == dict(design.parameters)


def test_wishes_beside_data_are_optional_and_do_not_change_the_study(tmp_path: Path) -> None:
    study, request = load_plan(write(tmp_path, PARAMETERS + TABLE))
    assert isinstance(study, Study)
    assert request == PlanRequest()
    study, request = load_plan(write(tmp_path, PARAMETERS + TABLE + "[plan]\nthickness = [1, 2.5]\nnoise = 0.3\n"))
    assert request == PlanRequest((1.0, 2.5), noise=Noise(0.3))
    assert load_study(tmp_path / "study.toml").devices == study.devices == ("A", "B")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("choose = 2", "chose = 2", "study.toml: plan.chose: is no key; did you mean 'choose'?"),
        ("choose = 2", "choose = 9", "study.toml: plan.choose: is 9, but there are 3 thicknesses to choose from"),
        ("choose = 2", "choose = 0", "study.toml: plan.choose: is 0; give a number from 1 to 20"),
        ("step = 0.2", "stepp = 0.2", "study.toml: plan.thickness.stepp: is no key; did you mean 'step'?"),
        ("step = 0.2", "step = 0.0", "study.toml: plan.thickness: needs 0 < low ≤ high and a positive step"),
        ("step = 0.2", "step = 1e-6", "study.toml: plan.thickness: makes 400001 thicknesses; 1000 are the most"),
        ('"2 %"', '"2 x"', "study.toml: plan.noise: '2 x' is no positive number and no percentage"),
        ('"2 %"', "-1.0", "study.toml: plan.noise: give a positive standard error"),
        ('"2 %"', "1" + "0" * 400, "study.toml: plan.noise: is too large"),
        ('"2 %"', "true", "study.toml: plan.noise: is neither a number nor a percentage"),
        ("n = 11", "n = 1", "study.toml: plan.bias: is 1 point from -0.5 to 0.5 V"),
        ('noise = "2 %"\n', "", 'study.toml: plan.noise: is missing; give the standard error of a point'),
        ('quantity = "torkance"', 'quantity = "tork"', "study.toml: plan.quantity: is 'tork'"),
        ('"mT/V"', '"N m"', "study.toml: plan.unit: "),
        ("lambda_J    =", "lambda_j    =", "study.toml: parameters.lambda_j: is no parameter"),
        ("[plan]", "[[data]]\n[plan]", "study.toml: data[0].quantity: is missing"),
    ],
)  # fmt: skip
def test_mistakes_are_named_at_their_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in PARAMETERS + PLAN
    with pytest.raises(ConfigError) as error:
        load_plan(write(tmp_path, (PARAMETERS + PLAN).replace(old, new)))
    assert message in unplaced(str(error.value))


def test_a_mistake_in_plan_does_not_wait_for_planning(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"plan.target: is not a string"):
        load_study(write(tmp_path, PARAMETERS + TABLE + "[plan]\ntarget = 3\n"))


def test_a_study_without_data_and_plan_still_misses_its_data(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"study.toml: data: is missing; add a \[\[data\]\] table"):
        load_plan(write(tmp_path, PARAMETERS))


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = (PARAMETERS + PLAN).replace("a1 = {", "a1 = { low = 5.0, high = 1.0,").replace("choose = 2", 'choose = "2"')
    with pytest.raises(ConfigError) as error:
        load_plan(write(tmp_path, text))
    assert {unplaced(problem.where + ": ")[:-2] for problem in error.value.problems} == {
        "study.toml: parameters.a1",
        "study.toml: plan.choose",
    }


def test_a_proposal_in_python_misses_what_it_misses() -> None:
    with pytest.raises(ConfigError, match=r"plan.bias: is missing"):
        Design("empty", {}, PlanRequest(grid(1.0, 2.0, 0.5)))


@pytest.mark.parametrize("asked", [
    {"thickness": (1.0, -1.0)}, {"thickness": (1.0, 1.0)}, {"thickness": tuple(0.01 * k for k in range(1, 1100))},
    {"bias": (0.5, -0.5, 11)},
])  # fmt: skip
def test_requests_that_make_no_sense(asked: dict) -> None:
    with pytest.raises(ConfigError):
        PlanRequest(**asked)


def test_former_names_still_work_and_say_what_they_are_called_now() -> None:
    with pytest.warns(DeprecationWarning, match="mtjfit.study.Wishes is now mtjfit.study.PlanRequest"):
        assert mtjfit.study.Wishes is PlanRequest
    with pytest.warns(DeprecationWarning, match="mtjfit.study.Proposal is now mtjfit.planning.Design"):
        assert mtjfit.study.Proposal is Design
    with pytest.raises(AttributeError, match="no attribute 'Wish'"):
        _ = mtjfit.study.Wish
