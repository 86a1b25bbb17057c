"""From files to a fit with at most six edits: what ``mtjfit init`` leaves open is what no file can tell."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from laboratory import DATA_SETS, THICK, DataSet
from shortcuts import slow_after

from mtjfit import fit
from mtjfit.study import Study, load_study, study_template

_MOST_EDITS = 6
KNOWN = {"quantity": "torque", "per": "device", "perp_axis": "MxP"}


def edited(text: str, given: DataSet) -> tuple[str, int]:
    """The template with only its placeholders replaced, and how many there were."""
    answers = {**KNOWN, **given.answers}
    pattern = re.compile(r'^(\w+) = "<[^"]*\?>"', re.MULTILINE)
    done, n = pattern.subn(lambda match: f'{match[1]} = "{answers[match[1]]}"', text)
    assert "?>" not in "\n".join(line.partition("#")[0] for line in done.splitlines())
    return done, n


def loaded(folder: Path, given: DataSet) -> tuple[Study, int]:
    """The study after the edits, and their number."""
    text, n = edited(study_template(given.files, folder), given)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return load_study(folder / "study.toml"), n


@pytest.mark.parametrize("kind", slow_after(2, DATA_SETS))
def test_six_edits_lead_from_files_to_a_fit(kind: str, tmp_path: Path) -> None:
    given = DATA_SETS[kind](tmp_path)
    study, n = loaded(tmp_path, given)
    assert n <= _MOST_EDITS
    assert {curve.name for curve in study.curves} == set(given.curves)
    assert {curve.device for curve in study.curves} == set(THICK)
    for curve in study.curves:
        d, par, perp = given.curves[curve.name]
        order = np.argsort(curve.bias)
        assert curve.thickness == pytest.approx(d)
        assert np.allclose(curve.par[order], par, equal_nan=True)
        assert np.allclose(curve.perp[order], perp, equal_nan=True)
    found = fit(study)
    assert found.chi2 < 2 * found.dof
