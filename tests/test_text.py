"""What objects show of themselves in a notebook: closed tables of escaped text, marked where they must be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from model_studies import simulated
from shortcuts import few_starts

import mtjfit
from mtjfit.calibration.result import Calibration
from mtjfit.comparison.mechanisms.comparison import MechanismComparison
from mtjfit.comparison.studies.tension import StudyComparison, Tension
from mtjfit.data.curve import Origin
from mtjfit.infer import Check, FitResult, Posterior, Verdict
from mtjfit.infer.convergence.gate import Note
from mtjfit.infer.identification import Identification
from mtjfit.planning.expected_gain import Target
from mtjfit.planning.result import Plan
from mtjfit.study import LogUniform, Study
from mtjfit.text import card, shortened, value_with_error

HOSTILE = '</td></table><script>alert("x")</script><img src=x onerror=y> $x_1$ \\(y\\)'
SAFE_TAGS = {"div", "strong", "small", "span", "table", "thead", "tbody", "tr", "th", "td"}


class Shown(HTMLParser):
    """Tags, text, attributes and faults of a piece of HTML."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(html: str) -> list[str]:
    """What is wrong with a piece of HTML that came from names in files: tags of its own, or things to be loaded."""
    shown = Shown(html)
    faults = [f"tag {tag}" for tag in sorted(shown.tags - SAFE_TAGS)] + [f"unbalanced {tag}" for tag in shown.faults]
    faults += [f"attribute {name}" for name in sorted(shown.attributes - {"style", "scope", "role"})]
    faults += ["a formula"] if re.search(r"\$x|\\\(", html) else []
    return faults


def hostile_study() -> Study:
    study = simulated(n_bias=9)
    curves = tuple(
        replace(curve, device=f"{HOSTILE} {k}", group=HOSTILE, source=HOSTILE, origin=Origin("simulated", HOSTILE))
        for k, curve in enumerate(study.curves)
    )
    return study.replace(name=HOSTILE, curves=curves)


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
             "identification": identification_of(fit), "devices": mtjfit.compare(fit), "plan": plan_of(study),
             "mechanisms": mechanisms_of(study, 5.0), "studies": studies_of(study, converged=True)}  # fmt: skip
    return {name: each._repr_html_() for name, each in shown.items()}


def identification_of(fit: FitResult) -> Identification:
    """One whose intervals all begin at 2 and are open above."""
    known = fit.identifiability
    determined = known.determined.assign(low_95=2.0, high_95=np.inf, known_to="lower limit")
    return Identification(**{**vars(known), "determined": determined}, expected=pd.DataFrame(), profiles={}, fit=fit,
                          notes=(HOSTILE,))  # fmt: skip


def mechanisms_of(study: Study, log_B: float) -> MechanismComparison:
    """Two mechanisms whose Bayes factor is known; the parts that are not shown are missing."""

    def result(name: str, value: float, change: float) -> Any:
        return SimpleNamespace(name=name, mechanism=SimpleNamespace(says=HOSTILE), settled=True, left_out=(),
                               not_computed=(), log_evidence=lambda of: (value + change * bool(of),) * 2,
                               evidence=SimpleNamespace(value=value, error=0.01), changes={"wider": change},
                               fit=SimpleNamespace(chi2_says="χ² = 9.0", p_value=0.4))  # fmt: skip

    return MechanismComparison(study, (result("diffusion", 7.0, 0.0), result("b1", 7.0 - log_B, 0.5)), 1, {})


def studies_of(study: Study, *, converged: bool) -> StudyComparison:
    """Two data sets with draws of one length of which the quantiles are known."""
    model = SimpleNamespace(study=study, names=("lambda_J",), scores=SimpleNamespace(values=lambda z: z))
    labels = (HOSTILE, "two")
    run: Any = SimpleNamespace(z=np.linspace(1.0, 3.0, 101)[:, None],
                               verdict=Verdict((Check("length", converged, HOSTILE),), {}))  # fmt: skip
    shared: Any = SimpleNamespace(shared=("lambda_J",), models=dict.fromkeys(labels, model), columns=lambda _: [0])
    return StudyComparison(shared, run, dict.fromkeys(labels, run), Tension(3.0, 0.1, 1.0, 0.1, 2.0))


def plan_of(study: Study) -> Plan:
    """A plan for one device with a hostile name."""
    path = pd.DataFrame({"device": [HOSTILE], "after": [0.1], "low": [0.05], "high": [0.2], "bits": [1.25]})
    table = pd.DataFrame({"kind": ["other"], "thickness": [2.0], "after": [0.1], "bits": [1.25]}, index=[HOSTILE])
    found: Any = SimpleNamespace(method="exhaustive", chosen=(0,), n_combinations=1)
    return Plan(study, Target("lambda_phi", True, ("lambda_phi",)), "", (), table, (HOSTILE,), path, pd.DataFrame(),
                pd.DataFrame(), 0.3, found, None)  # fmt: skip


NAMES = ["curve", "study", "fit", "posterior", "identification", "devices", "mechanisms", "studies", "plan"]


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


def test_comparisons_say_their_numbers_and_refuse_loudly(objects: dict[str, str]):
    assert "5.00 ± 0.0144.50 to 5.00" in Shown(objects["mechanisms"]).text
    assert "NOT DECIDED" not in objects["mechanisms"]
    assert "NOT DECIDED: diffusion is not told from b1" in mechanisms_of(hostile_study(), 2.0)._repr_html_()
    assert Shown(objects["studies"]).text.count("lambda_J2 (1.1 to 2.9)2 (1.1 to 2.9)2 (1.1 to 2.9)") == 1
    bad = studies_of(hostile_study(), converged=False)._repr_html_()
    assert bad.count("NOT CONVERGED, no result") == 3
    assert harmless(bad) == []
    assert "lambda_phi from 30 % to 10 %" in objects["plan"]
    assert re.search(r"lambda_J[\d.]+2 or morelower limit", Shown(objects["identification"]).text)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_calibration_gives_its_reasons(narrow: bool):
    ranks = np.random.default_rng(3).integers(0, 100, (400, 1))
    if narrow:
        ranks = np.where(ranks > 50, 99, 0)
    study = hostile_study()
    html = Calibration(study, 3, 99, pd.DataFrame(ranks, columns=[HOSTILE]), ("",) * 400)._repr_html_()
    assert harmless(html) == []
    assert ("NOT CALIBRATED" in html) is narrow
    assert ("✗" in html) is narrow
    assert "400 converged" in html
