"""What goes into a paper: rounding, limits as limits, texts that LaTeX and Markdown only print."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtjfit.infer import Check, Verdict
from mtjfit.results import asymmetric, latex_parameters, latex_text, markdown, table_csv
from mtjfit.results.methods import REFERENCES, methods
from mtjfit.text import Table


@given(
    st.floats(-1e6, 1e6, allow_subnormal=False), st.floats(1e-6, 1e5), st.floats(0.1, 10.0)
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_rounding_moves_nothing_by_more_than_half_a_digit(middle: float, down: float, ratio: float) -> None:
    up = down * ratio
    shown, less, more = (float(text) for text in asymmetric(middle - down, middle, middle + up))
    digit = 0.05 * min(down, up) * 1.5  # at worst 3.55 is shown as 4: half a unit is 14 %
    assert abs(shown - middle) <= max(0.15 * min(down, up), 1e-9 * abs(middle))
    assert less == pytest.approx(down, abs=max(0.15 * min(down, up), digit) + 1e-9 * abs(middle))
    assert more == pytest.approx(up, abs=max(0.15 * min(down, up), digit) + 1e-9 * abs(middle))


@pytest.mark.slow
@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_text_is_a_command(text: str) -> None:
    """What is left of LaTeX's special characters are the replacements that this program itself wrote."""
    written = latex_text(text)
    rest = re.sub(r"\\(text(backslash|asciitilde|asciicircum|less|greater|bar|degree)|AA|char34)\{\}", "", written)
    rest = re.sub(r"\\textsuperscript\{-?[-0-9]*\}|\$\\(hbar|Omega|mu|kappa|pm|cdot)\$|\\[&%$#_{}]", "", rest)
    assert not set(rest) & set("\\&%$#_{}~^\n")


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_text_ends_a_cell(text: str) -> None:
    lines = markdown(Table("t", ("a", "b"), ((text, "x"),))).splitlines()
    assert len(lines) == 5
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[4])) == 3


def test_formulas_do_not_run() -> None:
    assert table_csv(Table("t", ("name", "x"), (("=1+1", "@SUM(A1)"),))) == b"name,x\n'=1+1,'@SUM(A1)\n"


def rows_of(text: str) -> dict[str, list[str]]:
    lines = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.startswith("$")]
    return {line[0]: line[1:] for line in lines}


def test_the_table_holds_the_numbers_of_the_summary(finished) -> None:
    posterior = finished.posterior
    found, summary = rows_of(latex_parameters(posterior)), posterior.summary()
    value = found[r"$\lambda_J$"][0]
    match = re.fullmatch(r"\$([\d.]+)(?: \\pm ([\d.]+)|\^\{\+([\d.]+)\}_\{-([\d.]+)\})\$", value)
    assert match, value
    middle, both, up, down = (float(x) if x else None for x in match.groups())
    row = summary.loc["lambda_J"]
    assert middle == pytest.approx(row["q50"], rel=0.05)
    assert (both or up) == pytest.approx(row["q95"] - row["q50"], rel=0.2)
    assert (both or down) == pytest.approx(row["q50"] - row["q05"], rel=0.2)
    assert "SIMULATED" in latex_parameters(posterior)
    limited = [name for name, row in summary.iterrows() if row["determined"] == "lower limit"]
    for name in limited:
        assert any(cells[0].startswith("$> ") for cells in found.values()), name


def test_an_unconverged_run_gives_no_number(finished) -> None:
    bad = replace(finished.posterior, verdict=Verdict((Check("length", False, "too short"),), {"x": 1.0}))
    assert rows_of(latex_parameters(bad)) == {}
    assert "NOT CONVERGED" in latex_parameters(bad)
    assert "did NOT converge" in methods(finished.fit, bad, {})


def test_the_paragraph_says_what_was_done(finished, one_thickness_fit, golden, tmp_path) -> None:
    said = methods(finished.fit, finished.posterior, {"mtjfit": "9.9", "emcee": "3.1.6"})
    used = finished.posterior.settings
    for words in (
        "Eq. 12 of Manchon et al. [1], with the interface current J_par = a1 V, J_perp = b2 V².",
        f"{used['ensembles']} independent ensembles of {used['walkers']} walkers",
        f"{used['steps_after_warm_up']} steps each after warm-up (seed {used['seed']})",
        f"smallest bulk effective sample size {finished.posterior.summary()['ess'].min():.0f}",
        "lambda_J: log-uniform 0.1 to 100",
        "mtjfit 9.9, emcee 3.1.6",
        *REFERENCES.values(),
    ):
        assert words in said, words
    references = re.findall(r"\[\d\] [A-Z]\. ", said)
    assert len(references) == len(REFERENCES) == 6
    assert all(said.count(each[:3]) >= 2 for each in references), "a reference that is listed and not cited"
    golden("methods", "\n".join([said, methods(one_thickness_fit, None, {})]), tmp_path, numbers=False)


def test_no_second_opinion_is_claimed_where_there_was_none(finished) -> None:
    checks = tuple(
        replace(c, says="a second method is not available: k̂ = 0.9") if c.name == "second method" else c
        for c in finished.posterior.verdict.checks
    )
    mute = replace(finished.posterior, verdict=replace(finished.posterior.verdict, checks=checks))
    assert "importance sample [5] agrees" in methods(finished.fit, finished.posterior, {})
    assert "importance sample [5] agrees" not in methods(finished.fit, mute, {})
