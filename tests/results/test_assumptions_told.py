"""What the answer hangs on, as it is told: the box, the table, the document; and the question of the unit."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace
from typing import cast

import pytest
from model_studies import simulated

from mtjfit.infer import FitResult, fit
from mtjfit.infer.assumptions import Assumption
from mtjfit.report import findings, result_document
from mtjfit.results import Answer, assumptions_table, checks, notices
from mtjfit.results.assumptions import consequence, hangs_on
from mtjfit.study import Normal, Study

SERIES = (0.8, 1.2, 2.0, 3.0, 4.0)
WIDE = Normal(0.0, 3.0)


def undeclared(name: str, size: float, **changes: object) -> Study:
    """A series with both linear amplitudes, and one in the data that the study does not declare."""
    study = simulated(SERIES, **{"b1": WIDE, name: WIDE}, amplitudes={"b1": 0.1, name: size}, n_bias=41, **changes)
    return study.replace(parameters={key: one for key, one in study.parameters.items() if key != name})


def box(found: FitResult) -> Answer:
    return next(each for each in checks(found, None, None) if each.name == "assumptions hold")


@pytest.mark.slow
def test_all_ticked_and_wrong_is_no_longer_all_ticked() -> None:
    """λ_φ = 0.9 and λ_sf^F = 8, with an a₂ that the study sets to zero: a good fit with λ_sf^F of 1.6 ± 0.1."""
    truth = {"lambda_phi": 0.9, "lambda_sf_F": 8.0, "lambda_sf_N": 1.5}
    found = fit(undeclared("a2", 0.1, quantity="torkance", truth=truth))
    assert found.p_value > 0.01
    assert found.errors["lambda_sf_F"] is not None
    assert abs(found.values["lambda_sf_F"] - 8.0) > 10 * found.errors["lambda_sf_F"]
    said = box(found)
    assert said.state == "partly"
    assert "hangs on a2 = 0 (the data cannot tell): lambda_phi, lambda_sf_F are then not determined" in said.says
    known = {row[0]: row[1:] for row in assumptions_table(found).rows}
    assert known["a2 = 0 (not declared)"] == (
        "the data cannot tell", "", "lambda_phi, lambda_sf_F are then not determined",
    )  # fmt: skip
    document = result_document(findings(found, None, {}))
    a2 = next(each for each in document["assumptions"] if each["name"] == "a2")
    assert (a2["assumed"], a2["sd"], a2["undetermined"]) == (0.0, None, ["lambda_phi", "lambda_sf_F"])


def test_a_number_that_the_data_contradict_is_named() -> None:
    """With fitted errors χ² cannot fail: b0 went into them."""
    found = fit(undeclared("b0", 0.1, fit_sigma=True, noise=0.005))
    said = box(found)
    assert said.state == "no"
    assert said.says.startswith("the data contradict b0 = 0: free it is 0.0989 ± 0.0006 arb. units")


@pytest.mark.slow
@pytest.mark.parametrize(("times", "asks"), [(1.0, False), (10.0, True)])
def test_angstroms_called_nanometres(times: float, asks: bool) -> None:
    """Everything ten times too long, and every layer below the 10 nm that are unusual on their own."""
    lengths = {"lambda_J": 1.0, "lambda_phi": 1.2, "lambda_sf_F": 1.5, "lambda_sf_N": 1.0}
    d = [0.5 * times, 0.7 * times, 0.8 * times, 0.99 * times]
    study = simulated(d, truth={name: times * length for name, length in lengths.items()}, noise=0.0005, n_bias=41)
    said = " ".join(line for notice in notices(fit(study)) for line in notice.lines)
    assert ("are the thicknesses in nm?" in said) == asks


def test_what_costs_most_is_told_first(finished) -> None:
    """A number without which two lengths are lost comes before one that moves a length, whatever their order."""
    before = {"lambda_J": (1.0, 0.1), "lambda_phi": (1.0, 0.1)}
    told = Assumption("a2", 0.0, "amplitude", 0.1, 0.2, 2.0, 0.1, 0.3, before, {}, {}, 400.0)
    moved = replace(told, name="b1", after={"lambda_J": (1.5, 0.1), "lambda_phi": (1.0, 0.1)})
    unlimited = replace(moved, name="dead_layer", kind="fixed", limits_lost={"lambda_sf_F": "lower limit"})
    for order in permutations((told, moved, unlimited)):
        fit = cast("FitResult", SimpleNamespace(study=finished.fit.study, p_value=0.5, assumptions=order))
        assert [each.split(" = ")[0].split()[-1] for each in hangs_on(fit)] == ["a2", "dead_layer", "b1"]


def test_a_length_that_stays_is_said_to_stay() -> None:
    stays = Assumption("a2", 0.0, "amplitude", 0.1, 0.2, 2.0, 0.1, 0.3, {"lambda_J": (1.0, 0.1)},
                       {"lambda_J": (1.001, 0.1)}, {}, 400.0)  # fmt: skip
    assert consequence(stays) == "no length moves by a tenth of its errors"
    moves = replace(stays, after={"lambda_J": (1.03, 0.1)})
    assert consequence(moves) == "no length moves by more than 0.3 of its errors (lambda_J)"
