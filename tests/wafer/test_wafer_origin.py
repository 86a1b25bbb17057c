"""Whether devices were measured is told from the table to the last figure and file, and never lost on the way."""

from __future__ import annotations

import csv
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from wafer_cases import Wafer, folder_study, run, simulated_wafer, wafer_study

from mtjfit.data import Origin
from mtjfit.errors import DataError
from mtjfit.wafer import Chunk, WaferStudy, chunks, fit_groups, open_catalogue, reduce_chunk
from mtjfit.wafer.commands.batch import batch_command
from mtjfit.wafer.read.table import table_origins
from mtjfit.wafer.survey.curves import survey_of

MADE = Origin("simulated", "Eq. 12, for a test")
LINE = "# origin: SIMULATED ; Eq. 12,  for a test\n"


@pytest.fixture(scope="module")
def wafer() -> Wafer:
    return simulated_wafer(6, n_bias=7)


def as_text(wafer: Wafer, folder: Path) -> WaferStudy:
    path = wafer.csv(folder / "t.csv")
    path.write_text(LINE + path.read_text())
    return wafer_study(folder, path)


def as_parquet(wafer: Wafer, folder: Path) -> WaferStudy:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    made = wafer.rows.copy()
    made.attrs["origin"] = LINE.removeprefix("# origin: ")
    made.to_parquet(folder / "t.parquet", index=False)
    return wafer_study(folder, folder / "t.parquet")


def as_folder(wafer: Wafer, folder: Path) -> WaferStudy:
    study = folder_study(folder, wafer, "chunk = 2\n")
    for path in sorted((folder / "dies").iterdir())[:3]:
        path.write_text(LINE + path.read_text())
    return study


def as_declared(wafer: Wafer, folder: Path) -> WaferStudy:
    return wafer_study(folder, wafer.csv(folder / "t.csv"), wafer='origin = "simulated; Eq. 12, for a test"\n')


@pytest.mark.parametrize("make", [as_text, as_parquet, as_declared])
def test_every_chunk_says_what_its_table_says(wafer: Wafer, tmp_path: Path, make: Callable[..., WaferStudy]) -> None:
    study = make(wafer, tmp_path)
    assert table_origins(study) == (MADE,)
    (chunk,) = chunks(study)
    assert chunk.origins == reduce_chunk(study, chunk).origins == (MADE,)
    assert len(chunk.device) == 6


def test_files_of_a_folder_speak_for_their_chunk(wafer: Wafer, tmp_path: Path) -> None:
    study = as_folder(wafer, tmp_path)
    assert [chunk.origins for chunk in chunks(study)] == [(MADE,), (MADE, Origin()), (Origin(),)]
    assert table_origins(study) == (MADE,)


def test_what_the_table_says_is_not_overruled_and_must_be_understood(wafer: Wafer, tmp_path: Path) -> None:
    path = wafer.csv(tmp_path / "t.csv")
    plain = path.read_text()
    assert table_origins(wafer_study(tmp_path, path)) == (Origin(),)
    path.write_text(LINE + plain)
    assert table_origins(wafer_study(tmp_path, path, wafer='origin = "measured"\n')) == (MADE,)
    both = wafer_study(tmp_path, path, wafer='origin = "reconstruction; of a figure"\n')
    assert table_origins(both) == (Origin("reconstruction", "of a figure"), MADE)
    assert both.fingerprint() != wafer_study(tmp_path, path).fingerprint()
    path.write_text("# origin: guessed\n" + plain)
    with pytest.raises(DataError, match=r"t\.csv:1: origin 'guessed' is not known"):
        next(chunks(wafer_study(tmp_path, path)))
    path.write_text(LINE + "# origin: measured\n" + plain)
    with pytest.raises(DataError, match="second, different origin"):
        table_origins(wafer_study(tmp_path, path))


def through(study: WaferStudy, path: Path, **how: Any) -> tuple[Origin, ...]:
    """Origins of the survey of the catalogue of a table."""
    run(study, path, **how)
    with open_catalogue(path) as catalogue:
        return survey_of(catalogue).origins


def test_a_survey_and_its_groups_know_where_their_devices_come_from(wafer: Wafer, tmp_path: Path) -> None:
    study = as_folder(wafer, tmp_path)
    assert through(study, tmp_path / "w.db") == (MADE, Origin())
    with open_catalogue(tmp_path / "w.db") as catalogue:
        survey = survey_of(catalogue)
        assert survey.label == "SIMULATED, not measured: Eq. 12, for a test"
        assert survey.origin == "simulated and measured"
        found = fit_groups(catalogue, study)
        assert found.origins == (MADE, Origin())
        assert set(found.table()["origin"]) == {"simulated and measured"}
        catalogue.export(tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(encoding="utf-8") as stream:
        said = {row["device"]: row["origin"] for row in csv.DictReader(stream)}
    assert list(said.values()) == ["simulated"] * 2 + ["simulated and measured"] * 2 + ["measured"] * 2


def test_sabotage_a_lost_origin_is_seen(wafer: Wafer, tmp_path: Path) -> None:
    def forgetful(study: WaferStudy, skip: Container[int]) -> Iterator[Chunk]:
        return (replace(chunk, origins=(Origin(),)) for chunk in chunks(study, skip))

    study = as_text(wafer, tmp_path)
    assert through(study, tmp_path / "right.db") == (MADE,)
    assert through(study, tmp_path / "wrong.db", read=forgetful) != (MADE,)


def test_the_command_says_it_first(wafer: Wafer, tmp_path: Path) -> None:
    as_text(wafer, tmp_path)
    words = [str(tmp_path / "t.csv"), "--study", str(tmp_path / "wafer.toml"), "--output", str(tmp_path / "w.db")]
    done = CliRunner().invoke(batch_command, [*words, "--export", str(tmp_path / "all.csv")], catch_exceptions=False)
    assert "origin     SIMULATED, not measured: Eq. 12, for a test\n" in done.output
    assert set(pd.read_csv(tmp_path / "all.csv")["origin"]) == {"simulated"}
    again = CliRunner().invoke(batch_command, [*words, "--quiet"], catch_exceptions=False)
    assert "SIMULATED, not measured: Eq. 12, for a test" in again.output
