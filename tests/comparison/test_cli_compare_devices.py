"""``mtjfit compare --devices``: one thickness needs no posterior, and its numbers are those of Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mtjfit
from mtjfit.comparison.devices.command import compare_devices
from mtjfit.comparison.devices.comparison import compare_devices as compare
from mtjfit.errors import MtjfitError


def test_one_thickness_is_compared_without_lengths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtjfit.plot.style.FORMATS", ("svg",))
    path = mtjfit.dataset("sankey2008").study_file
    compare_devices(path, 0.3, tmp_path / "out", None, quiet=False)
    printed = capsys.readouterr().out
    assert "each device alone" in printed
    assert "common lengths" not in printed
    assert "RECONSTRUCTION" in printed
    names = {each.name for each in (tmp_path / "out").iterdir()}
    assert {"devices.txt", "alone-table.csv", "forest.svg"} <= names
    assert not any(name.startswith(("common", "consequences")) for name in names)
    written = pd.read_csv(tmp_path / "out" / "alone-table.csv", comment="#")
    expected = compare(mtjfit.fit(mtjfit.load_study(path)), bias=0.3).table
    np.testing.assert_allclose(written["median"], expected["median"])
    assert "T_perp/T_par at 0.3 V" in set(written["quantity"])


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(MtjfitError, match=r"thesis\.tex"):
        compare_devices(mtjfit.dataset("sankey2008").study_file, None, tmp_path, None, quiet=True)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]
