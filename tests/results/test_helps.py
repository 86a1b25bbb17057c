"""What would help most: what is wrong comes first, then what is open, then what can become better."""

from __future__ import annotations

from dataclasses import replace

import pytest
from model_studies import TRUTH, simulated

import mtjfit
from mtjfit.infer import Check, Verdict
from mtjfit.results.helps import helps_most
from mtjfit.results.tables import NOT_DETERMINED, length_results_table
from mtjfit.study import Fixed

pytestmark = pytest.mark.usefixtures("quick_fits")


def unconverged(posterior: mtjfit.Posterior) -> mtjfit.Posterior:
    return replace(posterior, verdict=Verdict((Check("length", False, "too short"),), {}))


def test_a_model_that_fails_comes_before_draws_that_fail(flipped_fit, finished) -> None:
    draws = unconverged(replace(finished.posterior, study=flipped_fit.study))
    assert helps_most(flipped_fit, draws).says.startswith(
        "Look at this first, it would explain the misfit: T_perp may be"
    )


def test_draws_that_have_not_converged_need_more_steps(finished) -> None:
    assert helps_most(finished.fit, unconverged(finished.posterior)).says.startswith("Raise sampling.max_steps")


def test_one_thickness_needs_others(one_thickness_fit) -> None:
    says = helps_most(one_thickness_fit, None).says
    assert says == "Devices of other thicknesses than 2 nm: three or more are needed to determine all lengths."


def test_what_the_answer_hangs_on_is_to_be_measured(finished) -> None:
    """With three thicknesses of this series λ_sf^N hangs on the dead layer, which the study takes as 0."""
    assert "dead_layer = 0" in helps_most(finished.fit, finished.posterior).says


@pytest.mark.slow
def test_the_length_that_is_left_open_is_the_one_to_plan_for(series_posterior) -> None:
    fit = mtjfit.fit(series_posterior.study)
    (left,) = [name for name in series_posterior.study.lengths
               if name in series_posterior.priors and series_posterior.determined(name) != "yes"]  # fmt: skip
    advice = helps_most(fit, series_posterior)
    assert left == "lambda_sf_F"
    assert f"bounds {left}, which these data leave open" in advice.says
    assert advice.command == f"mtjfit plan STUDY.toml --target {left}"


def test_nothing_is_advised_where_no_length_is_free() -> None:
    study = simulated((0.8, 2.0, 4.0))
    fixed = {name: replace(one, prior=Fixed(TRUTH[name])) if name in TRUTH else one
             for name, one in study.parameters.items()}  # fmt: skip
    fit = mtjfit.fit(study.replace(parameters=fixed))
    assert helps_most(fit, None).says.startswith("No length is free")
    assert length_results_table(fit, None).rows == ()


def test_lengths_without_error_bars_have_none(finished, one_thickness_fit, flipped_fit) -> None:
    rows = {row[0]: row[2] for row in length_results_table(finished.fit, finished.posterior).rows}
    for name, shown in rows.items():
        determined = finished.posterior.determined(name)
        assert ("(" in shown and " to " in shown) == (determined == "yes"), name
        assert shown.startswith(">") == (determined == "lower limit"), name
        assert shown.endswith("nm") or determined != "yes", name
    assert {row[2] for row in length_results_table(one_thickness_fit, None).rows} == {NOT_DETERMINED}
    refused = length_results_table(finished.fit, unconverged(finished.posterior))
    assert refused.title == "NOT CONVERGED, no result: lengths"
    assert {row[2] for row in refused.rows} == {"no result"}
    assert length_results_table(flipped_fit, finished.posterior).title == "Lengths, if the model described the data"
