"""Symbols in prose: names of parameters become symbols, and nothing else does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from html_pages import Page, dangers
from model_studies import simulated

from mtjfit.results.symbols import in_symbols, plain_symbol, symbols_as_html, symbols_of
from mtjfit.study import Study

HAND_WRITTEN = {
    "lambda_J": "λ_J", "lambda_phi": "λ_φ", "lambda_sf_F": "λ_sf^F", "lambda_sf_N": "λ_sf^N", "Lambda": "Λ",
    "D_ratio": "D_F/D_N", "dead_layer": "d_dead", "noise_par": "σ_∥", "noise_perp": "σ_⊥", "noise_dof": "ν",
    "jitter_perp": "s_⊥", "a1": "a_1", "b0": "b_0", "t_N": "t_N", "lambda_sf_S": "λ_sf_S", "cap": "cap",
}  # fmt: skip


@pytest.fixture(scope="module")
def study() -> Study:
    return simulated((0.8, 2.0, 4.0))


@pytest.mark.parametrize(("name", "symbol"), HAND_WRITTEN.items())
def test_symbols_are_those_that_one_writes(name: str, symbol: str) -> None:
    assert plain_symbol(name) == symbol


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("lambda_J = 1 nm, lambda_sf_F > 6 nm.", "λ_J = 1 nm, λ_sf^F > 6 nm."),
        ("lambda_J.", "λ_J."),
        ("slope ratio T_perp/T_par", "slope ratio T_⊥/T_∥"),
        ("b2/a1 in J0(V), |kappa|", "b_2/a_1 in J_0(V), |κ|"),
        ("scatter of a1[left]", "scatter of a_1[left]"),
        ("one thickness", "one thickness"),
        ("slope_ratio: coefficient of V^2", "slope ratio: coefficient of V²"),
        *[(file, file) for file in ("lambda_J.csv", "data/a1.csv", "a1/data.csv", "run-a1", "x.a1")],
        ("my_lambda_J, lambda_J2, A1", "my_lambda_J, lambda_J2, A1"),
    ],
)  # fmt: skip
def test_names_in_sentences_become_symbols_and_files_do_not(study: Study, words: str, shown: str) -> None:
    assert in_symbols(words, symbols_of(study)) == shown


def test_powers_of_symbols_are_raised_in_html(study: Study) -> None:
    html = symbols_as_html("lambda_phi^0.26 lambda_sf_N^-2 x^3", symbols_of(study))
    raised = "λ<sub>φ</sub><sup>0.26</sup> (λ<sub>sf</sub><sup>N</sup>)<sup>-2</sup> x^3"
    assert str(html) == raised


def test_a_device_keeps_its_name(study: Study) -> None:
    curves = (replace(study.curves[0], device="a1 left"), *study.curves[1:])
    symbols = symbols_of(study.replace(curves=curves))
    assert in_symbols("a1 left: lambda_J", symbols) == "a1 left: λ_J"
    assert in_symbols("a1 left: lambda_J", symbols_of(study)) == "a_1 left: λ_J"


def test_html_sets_indices_and_escapes_the_rest(study: Study) -> None:
    html = symbols_as_html("<img src=x onerror=y> lambda_sf_F/D_ratio & my_own_name^2 \x1b", symbols_of(study))
    assert str(html) == (
        "&lt;img src=x onerror=y&gt; λ<sub>sf</sub><sup>F</sup>/D<sub>F</sub>/D<sub>N</sub> &amp; my_own_name^2 \\x1b"
    )
    page = Page(str(html))
    assert (page.faults, dangers(page)) == ([], [])
    assert page.text == "<img src=x onerror=y> λ_sf^F/D_F/D_N & my_own_name^2 \\x1b"


def test_a_study_without_symbols_has_sentences_as_they_are() -> None:
    assert in_symbols("lambda_J", {}) == "lambda_J"
    assert str(symbols_as_html("a < b", {})) == "a &lt; b"
