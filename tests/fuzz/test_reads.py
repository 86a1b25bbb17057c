"""No small file hurts: each ends as sheets with all of its rows, or as problems at their places."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from faulty import line, number, octets, value
from outside import Case
from tables import Made, made

from mtjfit import load_study
from mtjfit.data import (
    Columns,
    ColumnUnits,
    ConstantSigma,
    SourceFile,
    TableDeclaration,
    TableFormat,
    curves_from_sources,
)
from mtjfit.data.readers import ReadOptions, Sheet, sheets_from_bytes
from mtjfit.errors import ConfigError, DataError

FEW, MANY, PIECE = 300, 100_000, 5000
OPTIONS = ReadOptions(max_bytes=1_000_000)
_STUDY = """[study]
name = "fuzz"
[[data]]
file = "t.csv"
quantity = "torkance"
per = "volume"
perp_axis = "MxP"
device = "A"
thickness = 2.0
sigma = { par = 0.1, perp = 0.1 }
columns = { bias = "V", par = "par", perp = "perp" }
units = { bias = "V", torque = "mT/V", thickness = "nm" }
format = { order = "any" }
[parameters]
lambda_J    = { fixed = 1.0 }
lambda_phi  = { fixed = 1.0 }
lambda_sf_F = { fixed = 10.0 }
Lambda      = { fixed = 1.0 }
thickness   = { fixed = true }
a1 = { prior = "normal", mean = 0.0, sd = 1.0 }
b2 = { prior = "normal", mean = 0.0, sd = 1.0 }
"""


def faults_of(file: Made) -> list[str]:
    """What is wrong with the way a file was read; whatever a reader raises beside its own errors comes through."""
    try:
        sheets = sheets_from_bytes(file.source, "", OPTIONS)
    except (DataError, ConfigError) as error:
        said = [each for each in error.problems if each.what and each.todo and each.where.startswith(file.source.label)]
        faults = [] if said else ["a problem without place, or advice"]
        return [*faults, *([f"refused: {error}"] if file.sound else [])]
    if not sheets:
        return ["no sheet"]
    faults = [f"line {each} is gone" for each in file.rows if not any(each in sheet.lines for sheet in sheets)]
    numbers = [_numbers(sheet) for sheet in sheets]
    if file.sound and file.rows:
        rows = np.array(list(file.rows.values()))
        if any(each is None for each in numbers) or not np.array_equal(np.hstack(numbers), rows):
            faults.append("other numbers, or none")
    return faults


def _numbers(sheet: Sheet) -> np.ndarray | None:
    try:
        return np.array([sheet.numbers(column.name) for column in sheet.columns]).T
    except DataError:
        return None


def curve_faults(file: Made) -> list[str]:
    """The same for the curves of a study: all points are there, or none."""
    names = [f"column {k}" for k in (1, 2, 3)] if not file.rows else ["V", "par", "perp"]
    declaration = TableDeclaration(
        "torkance", "volume", "MxP", Columns(*names), ColumnUnits("V", "mT/V", "nm"), device="A", thickness=2.0,
        sigma=ConstantSigma(0.1, 0.1),
        format=TableFormat(file.separator, file.decimal, max_bytes=1_000_000, order="any", repeats=True),
    )  # fmt: skip
    try:
        (curve,) = curves_from_sources([file.source], declaration)
    except (DataError, ConfigError):
        return []
    lost = len(file.rows) - curve.bias.size
    return [f"{lost} points are gone"] if lost > 0 else []


def wrong(seeds: range) -> list[str]:
    found = []
    for seed in seeds:
        file = made(seed)
        try:
            faults = faults_of(file) + (curve_faults(file) if file.separator else [])
        except Exception as error:
            faults = [repr(error)]
        found += [f"made({seed}), {file.container}: {each}" for each in faults[:2]]
    return found


def test_few_reads() -> None:
    found = wrong(range(FEW))
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("first", range(0, MANY, PIECE))
def test_many_reads(first: int) -> None:
    found = wrong(range(first, first + PIECE))
    assert not found, "\n".join(found)


def loaded_faults(seed: int, folder: Path) -> list[str]:
    """What is wrong with the way a study of one faulty file, or a faulty study of it, is loaded."""
    rng = Random(seed)  # noqa: S311
    file = next(each for each in map(made, range(seed, seed + 1000)) if each.separator == ",")
    (folder / "t.csv").write_bytes(file.source.data)
    (folder / "study.toml").write_text(_STUDY, encoding="utf-8")
    said = rng.choice((octets, line, number, value))(rng, folder, Case(()))
    try:
        load_study(folder / "study.toml")
    except (DataError, ConfigError) as error:
        return [] if error.problems else [f"{said}: no problem"]
    except Exception as error:
        return [f"{said}: {error!r}"]
    return []


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1000, 10_000, 1000))])
def test_studies_of_them(first: int, tmp_path: Path) -> None:
    seeds = range(first, first + (1000 if first else 50))
    found = [f"{seed}: {each}" for seed in seeds for each in loaded_faults(seed, tmp_path)]
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_sabotage_a_row_that_is_gone_is_seen() -> None:
    file = next(each for each in map(made, range(1000)) if each.sound and each.container == "text")
    assert not faults_of(file)
    lines = file.source.data.splitlines(keepends=True)
    source = SourceFile("t.csv", b"".join(lines[:-1]), "t.csv")
    assert any("is gone" in each for each in faults_of(Made(source, "text", file.rows, True)))
