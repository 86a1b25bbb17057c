"""Comparisons in a notebook: numbers, marks, and names from files that stay text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from shortcuts import few_starts
from shown import HOSTILE, Shown, harmless, hostile_study

import mtjfit
from mtjfit.comparison import MechanismComparison, StudyComparison, Tension
from mtjfit.infer import Check, Verdict
from mtjfit.study import Study


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


def devices_of(study: Study) -> object:
    with few_starts():
        return mtjfit.compare(mtjfit.fit(study))


@pytest.mark.parametrize(
    "made", [devices_of, lambda study: mechanisms_of(study, 5.0), lambda study: studies_of(study, converged=True)]
)
def test_names_from_files_stay_text_and_simulated_data_are_marked(made: Any) -> None:
    html = made(hostile_study())._repr_html_()
    assert harmless(html) == []
    assert HOSTILE[:40] in Shown(html).text
    assert "SIMULATED, not measured" in html
    assert len(html) < 30_000


def test_comparisons_say_their_numbers_and_refuse_loudly() -> None:
    study = hostile_study()
    decided = mechanisms_of(study, 5.0)._repr_html_()
    assert "5.00 ± 0.0144.50 to 5.00" in Shown(decided).text
    assert "NOT DECIDED" not in decided
    assert "NOT DECIDED: diffusion is not distinguished from b1" in mechanisms_of(study, 2.0)._repr_html_()
    good = Shown(studies_of(study, converged=True)._repr_html_()).text
    assert good.count("lambda_J2 (1.1 to 2.9)2 (1.1 to 2.9)2 (1.1 to 2.9)") == 1
    bad = studies_of(study, converged=False)._repr_html_()
    assert bad.count("NOT CONVERGED, no result") == 3
    assert harmless(bad) == []
