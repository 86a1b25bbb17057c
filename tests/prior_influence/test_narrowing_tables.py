"""Tables and sentences about priors: what they say follows from the draws, and they can say each of their things."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mtjfit.infer import Check, Posterior, Verdict
from mtjfit.plain import plain
from mtjfit.prior_influence import joint_gain, narrowing
from mtjfit.prior_influence.information import JointGain
from mtjfit.prior_influence.section import prior_section
from mtjfit.prior_influence.sensitivity import sensitivity
from mtjfit.prior_influence.tables import (
    MOVED,
    bits,
    joint_sentence,
    narrowing_sentence,
    narrowing_table,
    sensitivity_sentence,
    sensitivity_table,
)
from mtjfit.study import Fixed, LogUniform, Parameter
from mtjfit.text import Table

NOT_YET = Verdict((Check("length", False, "only 7 steps after warm-up"),), {})
LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")


def rows(table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}


def with_draws(posterior: Posterior, **columns: np.ndarray) -> Posterior:
    """The posterior with other draws of some parameters, each of shape (n_ensembles, n_kept, n_walkers)."""
    chain = posterior.chain.copy()
    for name, values in columns.items():
        chain[..., posterior.names.index(name)] = values
    return replace(posterior, chain=chain)


def noise(posterior: Posterior, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(posterior.chain.shape[:3])


def sharp(posterior: Posterior) -> Posterior:
    """Every length measured to one percent."""
    draws = {n: np.exp(0.01 * noise(posterior, k)) for k, n in enumerate((*LENGTHS, "Lambda"))}
    return with_draws(posterior, **draws)


def blind(posterior: Posterior, *names: str) -> Posterior:
    """Nothing learned of some lengths."""
    rng = np.random.default_rng(1)
    draws = {n: posterior.priors[n].quantile(rng.random(posterior.chain.shape[:3])) for n in names}
    return with_draws(posterior, **draws)


def narrowed(posterior: Posterior) -> Table:
    return narrowing_table(posterior, narrowing(posterior), joint_gain(posterior))


def said_of(posterior: Posterior) -> str:
    return narrowing_sentence(posterior, narrowing(posterior))


def depends(posterior: Posterior) -> str:
    return sensitivity_sentence(posterior, sensitivity(posterior))


def test_the_table_says_what_decides(finished) -> None:
    posterior = blind(sharp(finished.posterior), "lambda_J")
    found = narrowing(posterior)
    table = narrowed(posterior)
    assert "Lambda" not in rows(table)  # lambda_sf_N times one
    prior, _, unit, shrinkage, _, who = rows(table)["lambda_J"]
    assert (prior, unit, who) == ("3.2 (0.14 to 71)", "nm", "the prior alone")
    assert abs(float(shrinkage.removesuffix(" %"))) < 10
    _, after, _, shrinkage, gain, who = rows(table)["lambda_phi"]
    assert (after, shrinkage, who) == ("1.000 (0.984 to 1.016)", "99.6 %", "mostly the data")
    assert float(gain) == pytest.approx(found.loc["lambda_phi", "gain_bits"], abs=0.06)
    assert rows(narrowed(finished.posterior))["lambda_sf_F"][-1] == "prior and data"
    assert rows(table)["a1"][3] == "> 99.9 %"


def test_the_note_gives_bits_of_all_together_or_says_why_not(finished) -> None:
    both = ("lambda_J", "lambda_phi")
    assert (
        joint_sentence(JointGain(12.34, 0.02, both, True)) == "About lambda_J, lambda_phi together: 12.3 ± 0.02 bits."
    )
    assert joint_sentence(JointGain(12.34, 0.02, both, False)).endswith("the evidence is not reliable.")
    assert (
        joint_sentence(JointGain(50.0, 0.02, tuple("abcdefghi"), True))
        == "About 9 parameters together: 50.0 ± 0.02 bits."
    )
    assert joint_sentence(JointGain(0.0, 0.0, (), True)) == ""
    note = narrowed(finished.posterior).note
    assert "About lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N together: " in note


def test_bits_of_each_length_in_a_sentence(finished) -> None:
    posterior = finished.posterior
    found = narrowing(posterior).loc[list(LENGTHS)].sort_values("gain_bits", ascending=False)
    listed = [f"{name} {bits(gain, error)}" for name, gain, error in found[["gain_bits", "gain_error"]].itertuples()]
    assert said_of(posterior) == f"Information from the data in bits: {', '.join(listed)}."
    both = blind(sharp(posterior), "lambda_J", "lambda_phi")
    assert said_of(both).endswith("; lambda_J, lambda_phi come from the prior alone.")
    assert said_of(blind(posterior, *LENGTHS)).startswith("lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N come")
    one = narrowing(blind(posterior, "lambda_J")).loc[["lambda_J"]]
    assert narrowing_sentence(posterior, one) == "lambda_J comes from the prior alone."
    assert narrowing_sentence(posterior, one.iloc[:0]) == ""


def test_sharp_data_do_not_hang_on_the_priors(finished) -> None:
    text = depends(sharp(finished.posterior))
    assert text.startswith("Conclusions do not depend on the priors: with priors 1.4 times as wide (k̂ = ")
    assert text.endswith(f"every median and limit moves by less than {MOVED:g} sd.")
    table = sensitivity_table(sharp(finished.posterior), sensitivity(sharp(finished.posterior)))
    assert rows(table)["lambda_J"][1].startswith("1.000 (0.98")
    assert rows(table)["lambda_J"][1].endswith("0.0 sd")
    assert "Lambda" not in rows(table)
    assert "Other scale: lambda_J: uniform 0.1 to 100;" in table.note


def test_what_moves_is_named_with_its_numbers(finished) -> None:
    """ln λ normal with sd 0.6 moves by 0.36, 0.6 sd, when flat in λ."""
    posterior = sharp(finished.posterior)
    draws = np.exp(0.6 * noise(posterior, 9))
    posterior = with_draws(posterior, lambda_J=draws)
    text = depends(posterior)
    before, after = (float(word) for word in text.split("(from ")[1].split(" nm")[0].split(" to "))
    assert before == pytest.approx(1.0, abs=0.05)
    assert after == pytest.approx(np.exp(0.36), abs=0.15)
    assert "the median of lambda_J moves by +0." in text
    assert text.startswith("With priors 1.4 times as wide (k̂ = ")
    assert "lambda_phi" not in text


def test_limits_are_compared_where_there_are_limits(finished) -> None:
    posterior = finished.posterior
    assert posterior.determined("lambda_sf_F") == "lower limit"
    found = sensitivity(posterior)
    far = found.assign(shift_q05=0.9, shift_q50=0.0, k_hat=0.1, reliable=True)
    text = sensitivity_sentence(posterior, far)
    assert "the lower limit of lambda_sf_F moves by +0.9 sd" in text
    assert "lambda_J" not in text


def test_of_what_is_not_determined_nothing_was_concluded(finished) -> None:
    posterior = blind(sharp(finished.posterior), "lambda_J")
    found = sensitivity(posterior).assign(shift_q50=lambda t: np.where(t.parameter == "lambda_J", 5.0, 0.0))
    found = found.assign(shift_q05=0.0, shift_q95=0.0, k_hat=0.1, reliable=True)
    assert sensitivity_sentence(posterior, found).startswith("Conclusions do not depend on the priors")


def test_where_draws_cannot_answer_the_sentence_says_what_to_sample(finished) -> None:
    posterior = blind(sharp(finished.posterior), "lambda_J")
    text = depends(posterior)
    assert (
        "because lambda_J reaches the edge of its range: sample again with lambda_J: log-uniform 0.0251 to 398." in text
    )
    table = sensitivity_table(posterior, sensitivity(posterior))
    assert table.header[2] == "wider (k̂ ∞)"
    assert {row[2] for row in table.rows} == {"sample again"}
    heavy = sensitivity(sharp(finished.posterior)).assign(k_hat=0.9, reliable=False)
    text = sensitivity_sentence(sharp(finished.posterior), heavy)
    assert "the result cannot be had from these draws (k̂ = 0.9): sample again with those priors." in text


def test_an_unconverged_run_has_no_gains(finished) -> None:
    section = prior_section(replace(finished.posterior, verdict=NOT_YET))
    assert section is not None
    assert section.sentences[0].startswith("NOT CONVERGED")
    assert not section.tables
    assert section.record["priors_and_data"]["narrowing"] == {}  # type: ignore[index]


def test_one_thickness_has_no_section() -> None:
    assert prior_section(None) is None


def test_the_record_is_strict_json_with_the_numbers_of_the_tables(finished) -> None:
    posterior = blind(finished.posterior, "lambda_J")
    section = prior_section(posterior)
    assert section is not None
    record = json.loads(json.dumps(plain(section.record["priors_and_data"]), allow_nan=False))
    found = narrowing(posterior)
    assert record["narrowing"]["lambda_phi"]["gain_bits"] == found.loc["lambda_phi", "gain_bits"]
    assert record["narrowing"]["lambda_J"]["from_prior"] is True
    assert record["joint_gain"]["names"] == list(LENGTHS)
    assert len(record["sensitivity"]) == len(sensitivity(posterior))
    assert record["sensitivity"][0]["k_hat"] is None  # infinite
    assert record["sentences"] == list(section.sentences)
    assert record["sentences"][1] == depends(posterior)
    assert list(section.tables) == ["narrowing", "sensitivity"]


def test_a_study_without_free_lengths_has_no_sentence(finished) -> None:
    known = {n: Parameter(n, Fixed(1.0)) for n in LENGTHS}
    study = finished.posterior.study
    posterior = replace(finished.posterior, study=study.replace(parameters={**study.parameters, **known}))
    assert sensitivity_sentence(posterior, pd.DataFrame({"prior": [], "parameter": []})) == ""
    assert LogUniform(0.1, 100.0) in finished.posterior.priors.values()


def test_bits_have_the_digits_that_their_error_allows() -> None:
    assert [bits(1.234, error) for error in (0.01, 0.05, 0.06)] == ["1.23", "1.23", "1.2"]
