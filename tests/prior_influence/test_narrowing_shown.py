"""Tables, sentences and pictures about priors: what they say follows from the draws, and they can say each thing."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from narrowing_cases import LENGTHS
from plot_cases import SIMULATED, assert_nothing_cut_off, by_gid, fitted, make_study, posterior_of, texts
from scipy import stats

from mtjfit.infer import Check, Evidence, Posterior, Verdict
from mtjfit.plain import plain
from mtjfit.plot import plot_prior_posterior
from mtjfit.prior_influence import (
    MOVED,
    JointGain,
    bits,
    joint_gain,
    joint_sentence,
    narrowing,
    narrowing_sentence,
    narrowing_table,
    prior_section,
    sensitivity,
    sensitivity_sentence,
    sensitivity_table,
)
from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Prior
from mtjfit.text import Table

NOT_YET = Verdict((Check("length", False, "only 7 steps after warm-up"),), {})


def rows(table: Table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}


def with_draws(posterior: Posterior, **columns: np.ndarray) -> Posterior:
    """The posterior with other draws of some parameters, each of shape (n_ensembles, n_kept, n_walkers)."""
    chain = posterior.chain.copy()
    for name, values in columns.items():
        chain[..., posterior.names.index(name)] = values
    return replace(posterior, chain=chain)


def noise(posterior: Posterior, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(posterior.chain.shape[:3])


@pytest.fixture(scope="module")
def real() -> Posterior:
    """Draws about a best fit, with Λ; λ_sf^F has a lower limit."""
    made = posterior_of(fitted(), width=0.003)
    N, u = made.chain[..., made.names.index("lambda_sf_N")], np.random.default_rng(2).random(made.chain.shape[:3])
    whole = replace(made, names=(*made.names, "Lambda"), chain=np.concatenate([made.chain, N[..., None]], axis=-1))
    evidence = Evidence(-5.0, 0.1, "made by hand")
    return replace(with_draws(whole, lambda_sf_F=made.priors["lambda_sf_F"].quantile(0.3 + 0.7 * u)), evidence=evidence)


@pytest.fixture(scope="module")
def sharp(real: Posterior) -> Posterior:
    """Every length measured to one percent."""
    return with_draws(real, **{n: np.exp(0.01 * noise(real, k)) for k, n in enumerate((*LENGTHS, "Lambda"))})


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


def test_the_table_says_what_decides(real: Posterior, sharp: Posterior) -> None:
    posterior = blind(sharp, "lambda_J")
    table, whole = rows(narrowed(posterior)), narrowed(real)
    assert "Lambda" not in table  # lambda_sf_N times one
    prior, _, unit, shrinkage, _, who = table["lambda_J"]
    assert (prior, unit, who) == ("3.2 (0.14 to 71)", "nm", "the prior alone")
    assert abs(float(shrinkage.removesuffix(" %"))) < 10
    _, after, _, shrinkage, gain, who = table["lambda_phi"]
    assert (after, shrinkage, who) == ("1.000 (0.984 to 1.017)", "99.6 %", "mostly the data")
    assert float(gain) == pytest.approx(narrowing(posterior).loc["lambda_phi", "gain_bits"], abs=0.06)
    assert table["a1"][3] == "> 99.9 %"
    assert rows(whole)["lambda_sf_F"][-1] == "prior and data"
    assert f"About {', '.join(LENGTHS)} together: " in whole.note
    assert [bits(1.234, error) for error in (0.01, 0.05, 0.06)] == ["1.23", "1.23", "1.2"]


@pytest.mark.parametrize(("joint", "says"), [
    (JointGain(12.34, 0.02, ("lambda_J", "lambda_phi"), True), "lambda_J, lambda_phi together: 12.3 ± 0.02 bits."),
    (JointGain(12.34, 0.02, ("lambda_J", "lambda_phi"), False), "cannot be given: the evidence is not reliable."),
    (JointGain(50.0, 0.02, tuple("abcdefghi"), True), "About 9 parameters together: 50.0 ± 0.02 bits."),
])  # fmt: skip
def test_the_note_gives_bits_of_all_together_or_says_why_not(joint: JointGain, says: str) -> None:
    assert joint_sentence(joint).endswith(says)
    assert joint_sentence(replace(joint, names=())) == ""


def test_bits_of_each_length_in_a_sentence(real: Posterior, sharp: Posterior) -> None:
    found = narrowing(real).loc[list(LENGTHS)].sort_values("gain_bits", ascending=False)
    listed = [f"{name} {bits(gain, error)}" for name, gain, error in found[["gain_bits", "gain_error"]].itertuples()]
    assert said_of(real) == f"Information from the data in bits: {', '.join(listed)}."
    assert said_of(blind(sharp, "lambda_J", "lambda_phi")).endswith("; lambda_J, lambda_phi come from the prior alone.")
    assert said_of(blind(real, *LENGTHS)).startswith(f"{', '.join(LENGTHS)} come")
    one = narrowing(blind(real, "lambda_J")).loc[["lambda_J"]]
    assert narrowing_sentence(real, one) == "lambda_J comes from the prior alone."
    assert narrowing_sentence(real, one.iloc[:0]) == ""


def test_sharp_data_do_not_hang_on_the_priors(sharp: Posterior) -> None:
    text, table = depends(sharp), sensitivity_table(sharp, sensitivity(sharp))
    assert text.startswith("Conclusions do not depend on the priors: with priors 1.4 times as wide (k̂ = ")
    assert text.endswith(f"every median and limit moves by less than {MOVED:g} sd.")
    assert rows(table)["lambda_J"][1].startswith("1.000 (0.98")
    assert rows(table)["lambda_J"][1].endswith("0.0 sd")
    assert "Lambda" not in rows(table)
    assert "Other scale: lambda_J: uniform 0.1 to 100;" in table.note
    assert sensitivity_sentence(sharp, sensitivity(sharp).iloc[:0]) == ""  # no length is free


def test_what_moves_is_named_with_its_numbers(sharp: Posterior) -> None:
    """ln λ normal with sd 0.6 moves by 0.36, 0.6 sd, when flat in λ."""
    text = depends(with_draws(sharp, lambda_J=np.exp(0.6 * noise(sharp, 9))))
    before, after = (float(word) for word in text.split("(from ")[1].split(" nm")[0].split(" to "))
    assert before == pytest.approx(1.0, abs=0.05)
    assert after == pytest.approx(np.exp(0.36), abs=0.15)
    assert "the median of lambda_J moves by +0." in text
    assert text.startswith("With priors 1.4 times as wide (k̂ = ")
    assert "lambda_phi" not in text


def test_compared_are_limits_where_there_are_limits_and_nothing_where_nothing_was_concluded(
    real: Posterior, sharp: Posterior
) -> None:
    assert real.determined("lambda_sf_F") == "lower limit"
    far = sensitivity(real).assign(shift_q05=0.9, shift_q50=0.0, k_hat=0.1, reliable=True)
    text = sensitivity_sentence(real, far)
    assert "the lower limit of lambda_sf_F moves by +0.9 sd" in text
    assert "lambda_J" not in text
    posterior = blind(sharp, "lambda_J")
    found = sensitivity(posterior).assign(shift_q05=0.0, shift_q95=0.0, k_hat=0.1, reliable=True)
    found["shift_q50"] = np.where(found["parameter"] == "lambda_J", 5.0, 0.0)
    assert sensitivity_sentence(posterior, found).startswith("Conclusions do not depend on the priors")


def test_where_draws_cannot_answer_the_sentence_says_what_to_sample(sharp: Posterior) -> None:
    posterior = blind(sharp, "lambda_J")
    again = "because lambda_J reaches the edge of its range: sample again with lambda_J: log-uniform 0.0251 to 398."
    assert again in depends(posterior)
    table = sensitivity_table(posterior, sensitivity(posterior))
    assert table.header[2] == "wider (k̂ ∞)"
    assert {row[2] for row in table.rows} == {"sample again"}
    text = sensitivity_sentence(sharp, sensitivity(sharp).assign(k_hat=0.9, reliable=False))
    assert "the result cannot be had from these draws (k̂ = 0.9): sample again with those priors." in text


def test_an_unconverged_run_has_no_gains_and_one_thickness_no_section(real: Posterior) -> None:
    assert prior_section(None) is None
    section = prior_section(replace(real, verdict=NOT_YET))
    assert section is not None
    assert section.sentences[0].startswith("NOT CONVERGED")
    assert not section.tables
    assert section.record["priors_and_data"]["narrowing"] == {}  # type: ignore[index]


def test_the_record_is_strict_json_with_the_numbers_of_the_tables(real: Posterior) -> None:
    posterior = blind(real, "lambda_J")
    section = prior_section(posterior)
    assert section is not None
    record = json.loads(json.dumps(plain(section.record["priors_and_data"]), allow_nan=False))
    assert record["narrowing"]["lambda_phi"]["gain_bits"] == narrowing(posterior).loc["lambda_phi", "gain_bits"]
    assert record["narrowing"]["lambda_J"]["from_prior"] is True
    assert record["joint_gain"]["names"] == list(LENGTHS)
    assert len(record["sensitivity"]) == len(sensitivity(posterior))
    assert record["sensitivity"][0]["k_hat"] is None  # infinite
    assert record["sentences"] == list(section.sentences)
    assert record["sentences"][1] == depends(posterior)
    assert list(section.tables) == ["narrowing", "sensitivity"]


SHAPE = (4, 500, 4)


def made(priors: dict[str, Prior], draws: dict[str, np.ndarray], **changes: object) -> Posterior:
    """A posterior of lengths alone."""
    start = posterior_of(fitted())
    study = make_study(**(dict.fromkeys(LENGTHS, Fixed(1.0)) | priors), **changes)
    return replace(start, study=study, names=tuple(draws), priors=priors, chain=np.stack(list(draws.values()), -1))


def picture(posterior: Posterior) -> Figure:
    return plot_prior_posterior(posterior, narrowing(posterior))


@cache
def drawn() -> tuple[Posterior, Figure]:
    rng = np.random.default_rng(1)
    priors = {"lambda_J": LogUniform(0.1, 100.0), "lambda_phi": LogUniform(0.1, 100.0),
              "lambda_sf_F": LogNormal(10.0, 2.0), "lambda_sf_N": Normal(2.0, 1.0, low=0.0)}  # fmt: skip
    draws = {
        "lambda_J": np.exp(0.02 * rng.standard_normal(SHAPE)),
        "lambda_phi": priors["lambda_phi"].quantile(rng.random(SHAPE)),
        "lambda_sf_F": 12 * np.exp(0.3 * rng.standard_normal(SHAPE)),
        "lambda_sf_N": priors["lambda_sf_N"].quantile(0.5 + 0.5 * rng.random(SHAPE)),
    }
    posterior = made(priors, draws, origin=SIMULATED)
    return posterior, picture(posterior)


def curve(place: int, gid: str) -> tuple[np.ndarray, np.ndarray]:
    ax: Axes = drawn()[1].axes[place]
    (line,) = by_gid(ax, gid)
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def distance(place: int, gid: str, density: np.ndarray) -> float:
    """Of the curve from a density of the logarithm at its own points, both scaled to a height of one."""
    return float(np.max(np.abs(curve(place, gid)[1] - density / density.max())))


@pytest.mark.parametrize(("place", "centre", "sd"), [(0, 0.0, 0.02), (2, np.log(12.0), 0.3)])
def test_a_posterior_is_drawn_with_its_own_shape(place: int, centre: float, sd: float) -> None:
    """A hundredth of the prior's range wide, or most of it: within what 8000 draws and their bandwidth leave."""
    x, _ = curve(place, "posterior")
    density = stats.norm.pdf(np.log(x), centre, sd)
    assert distance(place, "posterior", density) < 0.08
    if place == 2:
        assert distance(place, "posterior", density / x) > 0.08  # sabotage: of the length itself


def test_priors_are_densities_of_the_logarithm_and_a_posterior_that_is_its_prior_covers_it() -> None:
    x, y = curve(1, "posterior")
    assert np.all(y[(x > 0.15) & (x < 70)] > 0.75)
    assert np.all(y[(x < 0.0999) | (x > 100.1)] == 0)
    x, y = curve(0, "prior")
    np.testing.assert_allclose(y, ((x >= 0.1) & (x <= 100.0)).astype(float))
    x, _ = curve(2, "prior")
    assert distance(2, "prior", stats.norm.pdf(np.log(x), np.log(10.0), np.log(2.0))) < 1e-3
    assert distance(2, "prior", np.exp(LogNormal(10.0, 2.0).logpdf(x))) > 1e-3  # sabotage: of the length itself
    x, _ = curve(3, "prior")
    assert distance(3, "prior", stats.norm.pdf(x, 2.0, 1.0) * x) < 1e-3


def test_bits_and_marks_are_written_and_nothing_is_cut_off() -> None:
    posterior, fig = drawn()
    titles = [ax.get_title() for ax in fig.axes]
    assert titles[0] == f"{narrowing(posterior).loc['lambda_J', 'gain_bits']:.2f} bits"
    assert titles[1].endswith("bits: the prior alone")
    assert [ax.get_xlabel() for ax in fig.axes][:2] == [r"$\lambda_J$ (nm)", r"$\lambda_\phi$ (nm)"]
    assert all(ax.get_xscale() == "log" for ax in fig.axes)
    assert any(text.startswith("SIMULATED, not measured") for text in texts(fig))
    assert any("each drawn to the same height" in text for text in texts(fig))
    assert_nothing_cut_off(fig)


def test_a_single_length_and_a_free_product_have_their_panels() -> None:
    rng, prior = np.random.default_rng(2), LogUniform(0.5, 5.0)
    J, N, D = (np.exp(0.1 * rng.standard_normal(SHAPE)) for _ in range(3))
    one = picture(made({"lambda_J": prior}, {"lambda_J": J}))
    assert len(one.axes) == 1
    assert_nothing_cut_off(one)
    both = made({"lambda_sf_N": prior, "D_ratio": prior}, {"lambda_sf_N": N, "D_ratio": D, "Lambda": N * D})
    names = [r"$\lambda_\mathrm{sf}^N$ (nm)", "$D_F/D_N$", r"$\Lambda$ (nm)"]
    assert [ax.get_xlabel() for ax in picture(both).axes] == names
    known = made({"lambda_sf_N": prior}, {"lambda_sf_N": N, "Lambda": N})
    unconverged = picture(replace(known, verdict=posterior_of(fitted(), converged=False).verdict))
    assert len(unconverged.axes) == 1
    assert any("NOT CONVERGED" in text for text in texts(unconverged))
    with pytest.raises(ValueError, match="no length is free"):
        plot_prior_posterior(known, narrowing(known).iloc[:0])
