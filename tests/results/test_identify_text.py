"""The words of `mtjfit identify`: open ends are called open, and nothing has a number that the data do not give it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from model_studies import FEW, LENGTH, TRUTH, simulated

from mtjfit.infer import Identification, identify
from mtjfit.model import DeviceCombinations, Profile
from mtjfit.results import (
    design_text,
    directions_table,
    expected_table,
    identify_document,
    identify_text,
    interval_in_words,
    intervals_table,
    model_test,
)
from mtjfit.study import Fixed, Normal

pytestmark = pytest.mark.usefixtures("quick_fits")

SERIES = (0.8, 1.5, 2.5)
ABOVE, BELOW = "lambda_J > 1 nm at 95 %, no upper limit", "lambda_J < 4 nm at 95 %, no lower limit"


@cache
def known(n: int = 3) -> Identification:
    fewer = {"lambda_J": Fixed(TRUTH["lambda_J"]), "a1": Normal(1.0, 0.1), "b2": Normal(0.6, 0.1)}
    changes = {"D_ratio": LENGTH} if n == 3 else {"lambda_phi": Fixed(TRUTH["lambda_phi"])}
    return identify(simulated(SERIES[:n], noise=0.02, n_bias=5, seed=1, **fewer, **changes), search=FEW)


def made(rise: list[float], where: tuple[float, float] = (1e-3, 1e5), name: str = "lambda_J") -> Profile:
    values = np.array([where[0], 1.0, 2.0, 4.0, where[1]])
    return Profile(name, 2.0, values, np.array(rise), where, (1.0, 3.84), log=True)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (made([9, 3.84, 0, 3.84, 9]), "lambda_J = 2.0 (1.0 to 4.0) nm at 95 %"),
        (made([9, 3.84, 0, 2, 2]), ABOVE),
        (made([9, 3.84, 0, 2, 2], (0.1, 50.0)), f"{ABOVE} up to 50 nm, where its prior ends"),
        (made([2, 2, 0, 3.84, 9]), BELOW),
        (made([2, 2, 0, 3.84, 9], (0.1, 50.0)), f"{BELOW} down to 0.1 nm, where its prior ends"),
        (made([2, 1, 0, 1, 2]), "lambda_J: no limit at 95 %, neither lower nor upper"),
    ],
)
def test_one_interval_in_words(found: Profile, expected: str) -> None:
    assert interval_in_words(found) == expected


@pytest.mark.slow
def test_open_ends_are_called_open_and_undetermined_parameters_have_no_number() -> None:
    rows = {row[0]: row for row in intervals_table(known()).rows}
    table = known().determined
    for name, row in rows.items():
        _, best, _, at_95, _, grade, linear = row
        if table.loc[name, "known_to"] == "prior only":
            assert best == ""
            assert "±" not in " ".join(row)
        assert grade == table.loc[name, "known_to"]
        open_ends = [np.isinf(table.loc[name, "high_95"]), table.loc[name, "low_95"] == 0]
        assert ("open" in at_95) == any(open_ends)
        assert linear == ""  # thicknesses are exact here, amplitudes shared
    assert rows["lambda_sf_F"][5] == "lower limit"
    assert rows["D_ratio"][5] == "prior only"


@pytest.mark.slow
def test_the_text_of_a_series_and_of_one_thickness(golden, tmp_path) -> None:
    series, one = identify_text(known()), identify_text(known(1))
    assert series.startswith("5 of 6 parameters are determined by this design, thicknesses known\n")
    assert one.startswith("3 of 4 parameters")
    for title in ("Stiff and sloppy combinations", "Expected errors over the prior", "Model test without lengths"):
        assert title in series
    told = [text.partition("\nStiff and sloppy")[0] for text in (series, one)]
    golden("identify", "\n".join(told), tmp_path, numbers=False)


def test_directions_from_well_to_hardly_known() -> None:
    table = directions_table(known().directions[::-1])
    assert table == directions_table(known().directions), "the best known first, in whatever order they come"
    assert table.rows[-1] == ("not at all", "lambda_sf_N · D_ratio^-1")
    assert table.rows[0][0].endswith(" %")


def test_errors_over_the_prior_in_words() -> None:
    frame = known().expected
    rows = {row[0]: row[1:] for row in expected_table(frame).rows}
    assert rows["D_ratio"] == ("not at all", "not at all", "not at all", "0 %", "0 %", "0 %")
    median = frame.loc["a1", "median"]
    assert float(rows["a1"][0].removesuffix(" %")) == pytest.approx(100 * median, rel=0.06)


def device(chi2: float, dof: int = 1, name: str = "A") -> DeviceCombinations:
    return DeviceCombinations(name, {}, {}, chi2, dof)


def test_the_model_test_in_a_sentence(golden, tmp_path) -> None:
    """p of χ² with one degree of freedom: 1.0 → 0.317, 20 → 7.7e-6; below 1e-3 it is a violation."""
    good, bad = device(1.0), device(20.0, name="B")
    said = [
        model_test([good], ["a1", "b2"]),
        model_test([good, device(2.0, name="B")], ["b2", "a1"]),
        model_test([good, bad], ["a1", "b2"]),
        model_test([device(20.0, name=f"D{k}") for k in range(8)], ["a1", "b2"]),
        model_test([device(0.0, dof=0)], ["a1", "b1", "b2"]),
    ]
    golden("model-test", "\n\n".join(said) + "\n", tmp_path)


def test_a_design_is_answered_without_its_values() -> None:
    """Data that no model describes change no word of it."""
    study = simulated(SERIES, noise=0.02, n_bias=5)
    noise = tuple(replace(curve, par=curve.perp * 7.0 + 1.0) for curve in study.curves)
    text, answered = design_text(study)
    assert design_text(study.replace(curves=noise)) == (text, True)
    assert answered
    assert "best fit" not in text
    assert design_text(simulated(SERIES[:1]))[1] is False
    fixed = {name: Fixed(TRUTH[name]) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")}
    assert design_text(simulated(SERIES[:1], **fixed))[1] is True


def test_the_document_is_plain_json() -> None:
    document = json.loads(json.dumps(identify_document(known()), allow_nan=False))
    assert document["rank"] == 5
    row = document["parameters"]["lambda_sf_F"]
    assert row["high_95"] is None
    assert row["low_95"] == pytest.approx(known().determined.loc["lambda_sf_F", "low_95"])
    assert document["directions"][-1]["sd"] is None
    assert set(document["profiles"]) == set(known().profiles)
    assert document["model_test"]["A"]["dof"] == 1
