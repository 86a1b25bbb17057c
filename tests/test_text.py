"""What objects show of themselves in a notebook: closed tables of escaped text, marked where they must be."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from model_studies import simulated
from shortcuts import few_starts
from shown import HOSTILE, Shown, harmless, hostile_study

import mtjfit
from mtjfit.infer import Check, FitResult, Identification, Note, Posterior, Verdict
from mtjfit.study import LogUniform, Study
from mtjfit.text import card, shortened, value_with_error


def posterior_of(study: Study, *, converged: bool) -> Posterior:
    """A posterior of one length, well determined, and another that has no upper limit."""
    u = np.random.default_rng(0).random((4, 50, 16, 2))
    prior = LogUniform(0.1, 100.0)
    chain = np.stack([1 + 0.01 * u[..., 0], prior.quantile(0.6 + 0.4 * u[..., 1])], axis=-1)
    verdict = Verdict((Check("length", converged, f"too short: {HOSTILE}"),), {}, (Note("edge", HOSTILE),))
    names = ("lambda_J", "lambda_sf_F")
    return Posterior(study, verdict, names, chain, np.zeros((4, 50, 16)), dict.fromkeys(names, prior), {})


@pytest.fixture(scope="module")
def objects() -> dict[str, str]:
    study = hostile_study()
    with few_starts():
        fit = mtjfit.fit(study)
    shown = {"curve": study.curves[0], "study": study, "fit": fit, "posterior": posterior_of(study, converged=True),
             "identification": identification_of(fit)}  # fmt: skip
    return {name: each._repr_html_() for name, each in shown.items()}


def identification_of(fit: FitResult) -> Identification:
    """One whose intervals all begin at 2 and are open above."""
    known = fit.identifiability
    determined = known.determined.assign(low_95=2.0, high_95=np.inf, known_to="lower limit")
    return Identification(**{**vars(known), "determined": determined}, expected=pd.DataFrame(), profiles={}, fit=fit,
                          notes=(HOSTILE,))  # fmt: skip


NAMES = ["curve", "study", "fit", "posterior", "identification"]


@pytest.mark.parametrize("name", NAMES)
def test_names_from_files_stay_text_and_simulated_data_are_marked(name: str, objects: dict[str, str]):
    html = objects[name]
    assert harmless(html) == []
    assert HOSTILE[:40] in Shown(html).text
    assert "SIMULATED, not measured" in html
    assert len(html) < 30_000


def test_measured_data_carry_no_mark():
    study = simulated()
    for each in (study.curves[0], study):
        assert "not measured" not in each._repr_html_()


def test_numbers_are_those_of_the_objects(objects: dict[str, str]):
    study = hostile_study()
    curve = study.curves[0]
    assert f"{curve.par[0]:.4g} ± 0.02" in Shown(objects["curve"]).text
    assert f"{curve.par[4]:.4g} ±" not in Shown(objects["curve"]).text  # in the middle, left out
    masked = curve.mask(curve.bias < -0.4, "outside")._repr_html_()
    assert f"({curve.par[0]:.4g} ± 0.02)" in masked
    assert "1 left out" in masked
    with few_starts():
        fit = mtjfit.fit(study)
    text = Shown(objects["fit"]).text
    assert fit.chi2_says in text
    numbers = [value_with_error(value, fit.errors[name]) for name, value in fit.values.items() if fit.errors[name]]
    assert numbers
    assert [each for each in [*fit.values, *numbers] if each not in text] == []
    assert "log-uniform 0.1 to 100" in Shown(objects["study"]).text


def test_a_posterior_says_limits_as_limits_and_refuses_loudly():
    study = hostile_study()
    good = Shown(posterior_of(study, converged=True)._repr_html_()).text
    assert re.search(r"lambda_J1\.005 \(1\.\d+ to 1\.0\d+\)nm", good)
    assert re.search(r"lambda_sf_F> \d", good)
    assert "NOT CONVERGED" not in good
    bad = posterior_of(study, converged=False)._repr_html_()
    assert "NOT CONVERGED, no result: too short" in Shown(bad).text
    assert bad.index("NOT CONVERGED") < bad.index("lambda_J")
    assert harmless(bad) == []


@pytest.mark.parametrize("converged", [True, False])
def test_a_verdict_gives_its_reasons(converged: bool):
    verdict = posterior_of(hostile_study(), converged=converged).verdict
    html = verdict._repr_html_()
    assert harmless(html) == []
    assert ("NOT CONVERGED" in html) is not converged
    assert ("✗" in html) is not converged


@pytest.mark.parametrize(
    "sabotage",
    [
        lambda html: html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"'),
        lambda html: html.replace("</table>", "", 1),
        lambda html: html + '<link href="https://example.org/style.css">',
        lambda html: html.replace("<span></span>", "").replace("&#36;", "$").replace("&#92;", "\\"),
    ],
)
def test_sabotage_is_seen(sabotage: Callable[[str], str], objects: dict[str, str]):
    assert harmless(sabotage(objects["study"])) != []


def test_rows_fit_the_header_and_long_texts_and_tables_are_cut():
    with pytest.raises(ValueError, match="2 cells under a header of 1"):
        card("x", header=["a"], rows=[["1", "2"]])
    assert len(card("x" * 10_000)) < 1000
    rows = [[str(k)] for k in range(100)]
    assert shortened(rows, 5) == [["0"], ["1"], ["2"], ["…"], ["98"], ["99"]]
    assert shortened(rows[:5], 5) == rows[:5]


def test_an_identification_says_limits_as_limits(objects: dict[str, str]):
    assert re.search(r"lambda_J[\d.]+2 or morelower limit", Shown(objects["identification"]).text)
