"""A plan in a notebook: its numbers, and names from files that stay text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
from shown import HOSTILE, Shown, harmless, hostile_study

from mtjfit.planning import Plan, Target
from mtjfit.study import Study


def plan_of(study: Study) -> Plan:
    """A plan for one device with a hostile name."""
    path = pd.DataFrame({"device": [HOSTILE], "after": [0.1], "low": [0.05], "high": [0.2], "bits": [1.25]})
    table = pd.DataFrame({"kind": ["other"], "thickness": [2.0], "after": [0.1], "bits": [1.25]}, index=[HOSTILE])
    found: Any = SimpleNamespace(method="exhaustive", chosen=(0,), n_combinations=1)
    return Plan(study, Target("lambda_phi", True, ("lambda_phi",)), "", (), table, (HOSTILE,), path, pd.DataFrame(),
                pd.DataFrame(), 0.3, found, None)  # fmt: skip


def test_names_from_files_stay_text_and_numbers_are_those_of_the_plan() -> None:
    html = plan_of(hostile_study())._repr_html_()
    assert harmless(html) == []
    assert HOSTILE[:40] in Shown(html).text
    assert "SIMULATED, not measured" in html
    assert "lambda_phi from 30 % to 10 %" in html
    assert len(html) < 30_000
