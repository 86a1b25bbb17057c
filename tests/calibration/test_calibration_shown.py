"""A calibration in a notebook: its reasons, and names from files that stay text."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shown import HOSTILE, harmless, hostile_study

from mtjfit.calibration import Calibration


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
