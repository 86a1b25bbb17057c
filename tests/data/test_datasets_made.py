"""The bundled tables are what their scripts make, and say that they were not measured."""

from __future__ import annotations

import csv
import runpy
from pathlib import Path

import pytest

import mtjfit
from mtjfit.data import BundledDataset, datasets

BUNDLED = datasets()


def made(dataset: BundledDataset) -> list[list[str]]:
    script = runpy.run_path(str(dataset.path / "make.py"))
    return list(csv.reader([script["HEADER"].splitlines()[-1], *script["rows"]()]))


def stored(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(csv.reader(line for line in lines if not line.startswith("#")))


def differences(a: list[list[str]], b: list[list[str]]) -> list[str]:
    """Cells that differ by more than the last printed digit, which another platform may round otherwise."""
    if len(a) != len(b):
        return [f"{len(a)} rows against {len(b)}"]
    found = []
    for line, (left, right) in enumerate(zip(a, b, strict=True)):
        for x, y in zip(left, right, strict=True):
            if x != y and not abs(float(x) - float(y)) <= 1.01 * 10 ** -len(y.partition(".")[2]):
                found.append(f"row {line}: {x} against {y}")
    return found


def test_the_three_sets_are_there() -> None:
    assert {each.name for each in BUNDLED} == {"kubota2008", "sankey2008", "thickness-series"}


@pytest.mark.parametrize("dataset", BUNDLED, ids=lambda each: each.name)
def test_script_makes_the_table_again(dataset: BundledDataset) -> None:
    dataset.verify()
    assert differences(made(dataset), stored(dataset.path / "data.csv")) == []


def test_sabotage_another_seed_is_noticed() -> None:
    dataset = mtjfit.dataset("sankey2008")
    script = runpy.run_path(str(dataset.path / "make.py"))
    script["rows"].__globals__["SEED"] = 2009
    changed = list(csv.reader([script["HEADER"].splitlines()[-1], *script["rows"]()]))
    assert differences(changed, stored(dataset.path / "data.csv"))


@pytest.mark.parametrize("dataset", BUNDLED, ids=lambda each: each.name)
def test_every_set_says_that_it_was_not_measured(dataset: BundledDataset) -> None:
    study = mtjfit.load_study(dataset.study_file)
    assert study.label.startswith(dataset.kind.upper() + ", not measured")
    assert {"read", "assumed"} <= set(dataset.meta)
    assert dataset.meta["licence"]


def test_reconstructions_hold_the_published_ratio() -> None:
    """T_perp/T_par at 200 mV is 10 to 15 %, within three standard errors of the reconstruction's noise."""
    for name in ("sankey2008", "kubota2008"):
        fit = mtjfit.fit(mtjfit.load_study(mtjfit.dataset(name).study_file))
        found = fit.combinations.set_index("quantity")
        ratio, sd = 0.2 * found.value["b2/a1"], 0.2 * found.sd["b2/a1"]
        assert 0.10 - 3 * sd < ratio < 0.15 + 3 * sd
