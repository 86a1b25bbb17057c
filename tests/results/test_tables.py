"""Tables and sentences: an error bar only where the data determine a number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small import told

from mtjfit.infer import Check, Conflict, Posterior, Verdict, chi2_of_draws
from mtjfit.report import findings, result_document
from mtjfit.results import (
    Answer,
    checks,
    device_combinations_table,
    interval,
    learned,
    masks_table,
    meaning,
    not_determined,
    notices,
    posterior_table,
    prior_table,
    undetermined_table,
)
from mtjfit.study import Normal

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
NOT_YET = Verdict((Check("length", False, "only 7 steps after warm-up"),), {})


def rows(table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}


def error_bars_for(names: tuple[str, ...], text: str) -> list[str]:
    """Lines that give one of these parameters a ±; priors aside, none may."""
    return [line for line in text.splitlines() if line.startswith(names) and "±" in line]


def with_prior_draws(posterior: Posterior, name: str) -> Posterior:
    """The posterior if the data had said nothing about `name`."""
    return with_likelihood_above(posterior, name, 0.0)


def with_likelihood_above(posterior: Posterior, name: str, edge: float) -> Posterior:
    """The posterior if the data had excluded the values of `name` below this prior probability and said no more."""
    chain = posterior.chain.copy()
    k = posterior.names.index(name)
    u = edge + (1 - edge) * np.random.default_rng(0).random(chain.shape[:3])
    chain[..., k] = posterior.priors[name].quantile(u)
    return replace(posterior, chain=chain)


def with_thickness(posterior: Posterior, mean: float, sd: float) -> Posterior:
    """The posterior with the thickness of the first device declared as 0.8 ± 0.05 nm, and found to be mean ± sd."""
    name = "thickness[F0.8nm]"
    draws = mean + sd * np.random.default_rng(0).standard_normal((*posterior.chain.shape[:3], 1))
    return replace(
        posterior, names=(*posterior.names, name), chain=np.concatenate([posterior.chain, draws], axis=-1),
        priors={**posterior.priors, name: Normal(0.8, 0.05, low=0.0)},
    )  # fmt: skip


def test_numbers_of_the_table_are_those_of_the_summary(finished):
    summary, found = finished.posterior.summary(), rows(posterior_table(finished.posterior))
    assert list(found) == list(summary.index)
    for name in ("lambda_J", "lambda_phi", "lambda_sf_N", "Lambda", "a1", "b2"):
        shown, mean, unit, _ = found[name]
        numbers = [float(word.strip("()")) for word in shown.split() if word.strip("()").replace(".", "").isdigit()]
        digits = len(shown.split()[0].partition(".")[2])
        assert numbers == [round(summary.loc[name, q], digits) for q in ("q50", "q05", "q95")]
        assert float(mean.split(" ± ")[0]) == pytest.approx(summary.loc[name, "mean"], abs=summary.loc[name, "sd"])
        assert float(mean.split(" ± ")[1]) == pytest.approx(summary.loc[name, "sd"], rel=0.15)
        assert unit == {"a1": "(ħ/2e) kΩ⁻¹", "b2": "(ħ/2e) kΩ⁻¹ V⁻¹"}.get(name, "nm")


def test_a_lower_limit_has_no_error_bar(finished):
    shown, mean, unit, prior = rows(posterior_table(finished.posterior))["lambda_sf_F"]
    limit = finished.posterior.summary().loc["lambda_sf_F", "q05"]
    assert (shown, mean, unit, prior) == (f"> {limit:.2g} (95 %)", "", "nm", "log-normal, median 10, factor 2")


def test_an_upper_limit_has_no_error_bar(finished, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Posterior, "determined", lambda self, name: "upper limit")
    posterior = replace(finished.posterior)  # it remembers its summary
    shown, mean, *_ = rows(posterior_table(posterior))["lambda_J"]
    assert shown == f"< {posterior.summary().loc['lambda_J', 'q95']:.2g} (95 %)"
    assert mean == ""


def test_what_the_data_leave_to_the_prior_is_not_determined(finished):
    blind = with_prior_draws(finished.posterior, "lambda_J")
    shown, mean, *_ = rows(posterior_table(blind))["lambda_J"]
    assert (shown, mean) == ("not determined by the data (prior: log-uniform 0.1 to 100)", "")
    assert "lambda_J: no limit from the data; the prior decides" in not_determined(finished.fit, blind)
    assert "lambda_J" not in " ".join(learned(finished.fit, blind))


@pytest.mark.parametrize(("edge", "answer"), [(0.04, "no"), (0.3, "lower limit")])
def test_one_rule_says_what_is_a_limit_and_what_comes_from_the_prior(finished, edge: float, answer: str):
    """A lower limit never stands beside "from the prior alone"."""
    posterior = with_likelihood_above(finished.posterior, "lambda_sf_N", edge)
    assert posterior.determined("lambda_sf_N") == answer
    influence = pytest.importorskip("mtjfit.prior_influence", reason="mtjfit/prior_influence was deleted")
    assert influence.narrowing(posterior).loc["lambda_sf_N", "from_prior"] == (answer == "no")


def test_check_and_run_call_the_same_lengths_limited(finished):
    """`check` has no draws; where errors are small its profiles give the answers of the posterior."""
    run = not_determined(finished.fit, finished.posterior)
    assert run
    assert not_determined(finished.fit, None) == run


def test_a_thickness_that_the_curves_did_not_narrow_stays_as_declared(finished):
    found = rows(posterior_table(with_thickness(finished.posterior, 0.801, 0.0495)))["thickness[F0.8nm]"]
    assert found == ("as declared: 0.8 ± 0.05", "", "nm", "declared 0.8 ± 0.05")


@pytest.mark.parametrize(("mean", "sd"), [(0.76, 0.036), (0.76, 0.0495)])
def test_a_thickness_that_the_curves_narrowed_or_moved_is_shown(finished, mean: float, sd: float):
    found = rows(posterior_table(with_thickness(finished.posterior, mean, sd)))["thickness[F0.8nm]"]
    assert found[0].startswith("0.76 (0.")
    assert found[1].startswith("0.76 ± 0.0")


def test_one_thickness_gives_combinations_and_no_error_bars_for_lengths(one_thickness_fit, golden, tmp_path):
    combinations, missing = device_combinations_table(one_thickness_fit), undetermined_table(one_thickness_fit)
    golden("one-thickness", f"{combinations}\n\n{missing}\n", tmp_path)
    text = "\n".join([str(missing), *learned(one_thickness_fit, None)])
    assert error_bars_for((*LENGTHS, "a1", "b2"), text) == []


def test_sabotage_an_error_bar_is_seen():
    assert error_bars_for(LENGTHS, "a1 0.1 ± 0.2\nlambda_J  1.0 ± 0.1") == ["lambda_J  1.0 ± 0.1"]


def test_what_was_learned_and_what_was_not(finished, one_thickness_fit, flipped_fit, golden, tmp_path):
    (text,) = learned(finished.fit, finished.posterior)
    assert text.startswith("3 thicknesses from 0.8 to 4 nm give lambda_J = 0.98 (0.94 to 1.03) nm, lambda_phi = ")
    limit = finished.posterior.summary().loc["lambda_sf_F", "q05"]
    assert text.endswith(f"(medians and 90 % intervals); limits (95 %): lambda_sf_F > {limit:.2g} nm.")
    failed, under_reserve = learned(flipped_fit, finished.posterior)
    assert under_reserve.startswith("If it did, this would follow: 3 thicknesses from 0.8 to 4 nm give ")
    mute = replace(finished.posterior, verdict=NOT_YET)
    said = {
        "three thicknesses": not_determined(finished.fit, finished.posterior),
        "one thickness": learned(one_thickness_fit, None),
        "one thickness, not determined": not_determined(one_thickness_fit, None),
        "a model that fails": [failed],
        "not converged": [*learned(finished.fit, mute), checked(finished.fit, mute)[1].says],
        "not converged, not determined": not_determined(finished.fit, mute),
    }
    golden("learned", told(said.items()), tmp_path)


def test_an_unconverged_run_has_no_numbers(finished):
    table = posterior_table(replace(finished.posterior, verdict=NOT_YET))
    assert table.title.startswith("NOT CONVERGED, no result")
    assert {row[2] for row in table.rows} == {""}


def checked(fit, posterior) -> tuple[Answer, ...]:
    drawn = chi2_of_draws(fit, posterior) if posterior is not None and posterior.verdict.converged else None
    return checks(fit, posterior, drawn)


def states(fit, posterior) -> list[str]:
    return [check.state for check in checked(fit, posterior)]


def test_checks_can_say_no(finished, one_thickness_fit, flipped_fit):
    fit, posterior, mute = finished.fit, finished.posterior, replace(finished.posterior, verdict=NOT_YET)
    assert states(fit, posterior) == ["partly", "yes", "yes", "yes", "yes", "yes", "partly"]
    assert states(flipped_fit, mute) == ["open", "no", "no", "open", "open", "open", "open"]
    assert states(one_thickness_fit, None) == ["no", "open", "yes", "yes", "open", "yes", "open"]
    assert states(replace(fit, p_value=float("nan")), posterior)[2] == "open"
    assert [check.mark for check in checked(flipped_fit, mute)] == ["–", "✗", "✗", "–", "–", "–", "–"]
    assert checked(fit, posterior)[0].mark == "◐"


def test_draws_that_miss_the_data_are_refused(finished):
    """Sabotage: the fit is as good as ever, the draws are not its posterior."""
    posterior = finished.posterior
    chain = posterior.chain.copy()
    chain[..., posterior.names.index("a1")] *= 1.5
    check = checked(finished.fit, replace(posterior, chain=chain))[4]
    assert check.state == "no"
    assert check.says.startswith("the draws miss what the best fit does not: χ² of the draws ")


def test_no_draws_fit_the_data_that_their_best_fit_does_not(finished):
    refused = replace(finished.fit, p_value=1e-87)
    noise, draws = checked(refused, finished.posterior)[3:5]
    assert (noise.mark, draws.mark) == ("–", "–")
    assert draws.says.startswith("draws lie as near to the data as the best fit, which is refused: χ² of the draws ")
    assert noise.says.endswith("the best fit is refused")
    assert [one.name for one in checked(refused, finished.posterior) if one.state == "yes"] == ["converged"]


@pytest.mark.slow
def test_a_prior_in_conflict_is_a_finding_of_its_own(finished, golden, tmp_path):
    found = Conflict("a1", "normal 3 ± 0.05", 1.0, 0.01, 39.6, 1e-300, 160.0, 130.0, (("b2", 0.5, 0.6),))
    fit = replace(finished.fit)
    fit.__dict__["conflicts"] = (found,)  # a cached property
    check, conclusion = checked(fit, finished.posterior)[5], learned(fit, finished.posterior)[0]
    said = {
        check.state: [check.says],
        "without": [found.without],
        "learned": [conclusion],
        "loud": [f"{notices(fit)[0]}"],
    }
    golden("prior-conflict", told(said.items()), tmp_path)
    document = result_document(findings(fit, finished.posterior, {}))
    assert document["prior_conflicts"][0]["name"] == "a1"
    assert document["draws_chi2"]["ok"] is True
    assert document["draws_chi2"]["best"] == pytest.approx(fit.chi2)


def test_two_thicknesses_lean_on_priors(finished, monkeypatch: pytest.MonkeyPatch):
    known = replace(finished.fit.identifiability, rank=5, null_directions=("one combination",))
    fit = replace(finished.fit, identifiability=known)
    monkeypatch.setattr(Posterior, "determined", lambda self, name: "yes")
    posterior = replace(finished.posterior)
    assert states(fit, posterior)[0] == "partly"
    assert checked(fit, posterior)[0].says.startswith("with the priors of the others: lambda_J")
    assert learned(fit, posterior)[0].endswith("(medians and 90 % intervals, leaning on the priors of the others).")


def test_checks_of_determination_by_answer(finished, monkeypatch: pytest.MonkeyPatch):
    for answer, state in (("yes", "yes"), ("no", "no"), ("upper limit", "partly")):
        monkeypatch.setattr(Posterior, "determined", lambda self, name, answer=answer: answer)
        assert checked(finished.fit, replace(finished.posterior))[0].state == state


def test_the_note_on_thicknesses_stands_where_one_has_an_error(finished):
    said = "A thickness combines its declared error with the curves."
    assert said not in posterior_table(finished.posterior).note
    assert said in posterior_table(with_thickness(finished.posterior, 0.8, 0.02)).note


def test_limits_are_those_of_the_data(finished, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Posterior, "determined", lambda self, name: "upper limit")
    first, *_ = not_determined(finished.fit, replace(finished.posterior))
    assert first == "lambda_J: these data give only an upper limit; beyond it the prior decides"


def test_masks_are_listed_by_device_and_fixed_parameters_among_the_priors(finished, golden, tmp_path):
    curve = finished.fit.study.curves[0]
    study = finished.fit.study.replace(curves=(curve.mask(curve.bias > 0.45, "breakdown"),))
    declared = told((row[0], row[1:3]) for row in prior_table(finished.posterior).rows)
    golden("masks-and-priors", f"{masks_table(study)}\n\n{declared}", tmp_path)
    assert rows(prior_table(finished.posterior))["D_ratio"][2:] == ("", "")


@pytest.mark.parametrize(("name", "says"), [
    ("a2[wafer 7]", "in-plane coefficient of V^2 in J0(V)"), ("b0", "out-of-plane constant of J0(V)"),
    ("something else", ""),
])  # fmt: skip
def test_groups_and_devices_keep_their_meaning(name: str, says: str):
    assert meaning(name) == says


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((119.2, 123.4, 131.1), "123 (119 to 131)"),
        ((1190.0, 1234.0, 2311.0), "1200 (1200 to 2300)"),
        ((-0.0002, 0.0, 0.0002), "0.00000 (-0.00020 to 0.00020)"),
        ((1.0, 1.0, 1.0), "1 (1 to 1)"),
        ((1e-9, 2e-9, float("inf")), "2e-09 (1e-09 to inf)"),
    ],
)
def test_intervals_keep_the_digits_that_mean_something(numbers: tuple[float, ...], shown: str):
    assert interval(*numbers) == shown


def test_a_derived_length_says_so(finished):
    assert rows(posterior_table(finished.posterior))["Lambda"][3] == "derived: D_ratio · lambda_sf_N"
