"""A table into a catalogue: all of it, once, and from where it was left, however the program ended."""

from __future__ import annotations

import re
import shlex
import signal
import sys
import weakref
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from wafer_cases import Wafer, at_chunk, folder_study, resumed, run, said, simulated_wafer, wafer_study, wafer_toml

from mtjfit.data import Origin
from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.interrupts import Interrupted
from mtjfit.wafer import (
    FLAGS,
    Catalogue,
    Chunk,
    FitEffort,
    Reduced,
    Source,
    WaferStudy,
    chunks,
    fit_groups,
    group_study,
    open_catalogue,
    reduce_chunk,
    survey_of,
    table_origins,
)

SMALL = 14
IN_CHUNKS = "chunk = 4\n"


@pytest.fixture(scope="module")
def wafer() -> Wafer:
    return simulated_wafer(SMALL, n_bias=9, wafers=2)


@pytest.fixture
def study(wafer: Wafer, tmp_path: Path) -> WaferStudy:
    return wafer_study(tmp_path, wafer.csv(tmp_path / "table.csv"), wafer=IN_CHUNKS)


def test_every_device_of_the_table_is_there_in_its_order_with_all_digits(study: WaferStudy, tmp_path: Path):
    summary, _ = run(study, tmp_path / "a.db")
    assert (summary.devices, summary.added, summary.faults) == (SMALL, SMALL, 0)
    reduced = [reduce_chunk(study, chunk) for chunk in chunks(study)]
    with open_catalogue(tmp_path / "a.db") as catalogue:
        frame, sums, kept = catalogue.frame(), catalogue.sums(), catalogue.configuration()
    assert frame["device"].tolist() == [name for each in reduced for name in each.device]
    for name in reduced[0].values:
        np.testing.assert_array_equal(frame[name], np.concatenate([each.values[name] for each in reduced]), name)
    np.testing.assert_array_equal(sums, np.vstack([each.sums for each in reduced]))
    np.testing.assert_array_equal(frame["flags"], np.concatenate([each.flags for each in reduced]))
    assert kept.study == wafer_toml(wafer=IN_CHUNKS)
    assert (kept.units["thickness"], kept.flags) == ("nm", dict(FLAGS))


@pytest.fixture
def digest(study: WaferStudy, tmp_path: Path) -> str:
    """Of the catalogue of an undisturbed run."""
    return run(study, tmp_path / "undisturbed.db")[1]


def fail() -> None:
    raise MtjfitError("the reader stumbled")


def test_a_second_run_reads_nothing_and_changes_nothing(study: WaferStudy, tmp_path: Path, digest: str):
    assert resumed(study, tmp_path / "undisturbed.db") == ([], 0, digest)


def test_a_second_batch_says_which_declarations_the_catalogue_keeps(wafer: Wafer, tmp_path: Path):
    """Priors, smooth parts and sampling; sizes of chunks change nothing."""
    file, how = tmp_path / "wafer.toml", ("--study", tmp_path / "wafer.toml", "--output", tmp_path / "a.db", "--quiet")
    table = wafer.csv(tmp_path / "table.csv")
    scatter = '{ prior = "lognormal", median = 0.03, factor = 2.0 }'
    told = []
    for changes in ({}, {"wafer": IN_CHUNKS}, {"parameters": f"scatter_a1 = {scatter}\n", "wafer": "radius = 150.0\n"}):
        file.write_text(wafer_toml(**changes) + "[sampling]\nseed = 3\n", encoding="utf-8")
        done = said("batch", table, *how)
        assert done.exit_code == 0, done.output
        told.append(done.stdout)
    assert ["keeps the declarations" in each for each in told] == [False, False, True]
    assert f"  parameters.scatter_a1: was not there, is {scatter}\n  wafer.radius: was not there, is 150.0\n" in told[2]
    command = re.search("To use these: mtjfit (.*)", told[2])
    assert command is not None
    words = shlex.split(command[1])
    assert words == ["wafer", str(tmp_path / "a.db"), "--output", "page", "--stacks", "--study", str(file)]
    with open_catalogue(tmp_path / "a.db") as catalogue:
        assert "scatter_a1" not in group_study(catalogue).study_template.parameters
        assert "scatter_a1" in group_study(catalogue, file).study_template.parameters


@pytest.mark.parametrize(("at", "end", "error"), [
    (2, partial(signal.raise_signal, signal.SIGINT), Interrupted),
    (2, partial(signal.raise_signal, signal.SIGTERM), Interrupted),
    (3, fail, MtjfitError),
])  # fmt: skip
def test_a_run_that_ends_early_keeps_finished_chunks_and_is_gone_on_with(
    at: int, end: Callable[[], None], error: type[BaseException], study: WaferStudy, tmp_path: Path, digest: str,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(error):
        run(study, tmp_path / "a.db", at_chunk(at, end))
    assert ("finishing this block and saving it" in capsys.readouterr().err) is (error is Interrupted)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert resumed(study, tmp_path / "a.db") == ([3], SMALL - 12, digest)


def test_a_program_that_ignores_ctrl_c_can_still_be_asked_to_end(study: WaferStudy, tmp_path: Path):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a job in the background of a script
    with pytest.raises(Interrupted):
        run(study, tmp_path / "a.db", lambda chunk: signal.raise_signal(signal.SIGTERM))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_request_to_end_ends_at_once(number: int, study: WaferStudy, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt) as stopped:
        run(study, tmp_path / "a.db", lambda chunk: [signal.raise_signal(number) for _ in range(2)])
    assert not isinstance(stopped.value, Interrupted)


def test_a_chunk_is_forgotten_once_it_is_written(study: WaferStudy, tmp_path: Path):
    seen: list[weakref.ref[Chunk]] = []

    def hook(chunk: Chunk) -> None:
        assert sum(each() is not None for each in seen) <= 1
        seen.append(weakref.ref(chunk))

    run(study, tmp_path / "a.db", hook)
    assert len(seen) == 4


def test_a_table_that_changed_is_refused(study: WaferStudy, tmp_path: Path, digest: str):
    with study.table.open("a", encoding="utf-8") as stream:
        stream.write("W9,2 nm,new,0,0,2.0,0.1,0.1,0.0,0.01,0.01\n")
    with pytest.raises(DataError, match=r"table.csv: has changed since .*undisturbed.db.*another catalogue"):
        run(study, tmp_path / "undisturbed.db")
    with open_catalogue(tmp_path / "undisturbed.db") as catalogue:
        assert catalogue.digest() == digest


def test_a_table_that_changes_while_it_is_read_leaves_no_mixture(study: WaferStudy, wafer: Wafer, tmp_path: Path):
    changed = replace(wafer, rows=wafer.rows.assign(T_par=wafer.rows.T_par + 1e-3))
    with pytest.raises(DataError, match="has changed while it was read"):
        run(study, tmp_path / "a.db", at_chunk(3, partial(changed.csv, study.table)))
    assert not (tmp_path / "a.db").exists()
    assert resumed(study, tmp_path / "a.db")[1] == SMALL


def test_two_tables_of_one_study_share_a_catalogue_unless_they_share_devices(wafer: Wafer, tmp_path: Path):
    first = wafer.rows.wafer == "W1"
    for name, rows in (("one.csv", wafer.rows[first]), ("two.csv", wafer.rows[~first]), ("three.csv", wafer.rows)):
        replace(wafer, rows=rows).csv(tmp_path / name)
    for name in ("two.csv", "one.csv"):
        run(wafer_study(tmp_path, tmp_path / name), tmp_path / "a.db")
    with open_catalogue(tmp_path / "a.db") as catalogue:
        assert catalogue.frame(["x"])["wafer"].tolist() == ["W1"] * 7 + ["W2"] * 7
        assert [Path(each.name).name for each in catalogue.sources()] == ["one.csv", "two.csv"]
    with pytest.raises(DataError, match=r"device 'D000000' of wafer 'W1' came before, from .*one.csv"):
        run(wafer_study(tmp_path, tmp_path / "three.csv"), tmp_path / "a.db")


def command(study: WaferStudy, *options: object) -> Result:
    """`mtjfit batch` for the table of a study, beside it."""
    folder = study.table.parent
    return said("batch", study.table, "--study", folder / "wafer.toml", "--output", folder / "a.db", *options)


def test_the_command_says_what_was_declared_and_what_was_found(study: WaferStudy, tmp_path: Path):
    result = command(study, "--export", tmp_path / "all.csv")
    assert result.exit_code == 0
    for words in ("torque per device", "a1, b2", "T_perp along M x P", "x = 'x (mm)'", "devices in the catalogue"):
        assert words in result.output
    assert len(pd.read_csv(tmp_path / "all.csv")) == SMALL
    assert command(study).output.count("0 of them now") == 1
    assert command(study, "--quiet").stdout == f"Catalogue: {tmp_path / 'a.db'}\n"


def test_faulty_devices_are_listed_and_kept_and_all_faulty_is_an_error(wafer: Wafer, tmp_path: Path):
    def spoilt(*rows: int) -> WaferStudy:
        cells = wafer.rows.T_par.astype(object)
        cells.iloc[list(rows)] = "n/a!"
        changed = replace(wafer, rows=wafer.rows.assign(T_par=cells))
        return wafer_study(tmp_path, changed.csv(tmp_path / "table.csv"), wafer=IN_CHUNKS)

    result = command(spoilt(30))
    assert result.exit_code == 0
    for words in ("Warning: 1 device could not be used", "D000003: ", "table.csv"):
        assert words in result.output
    with open_catalogue(tmp_path / "a.db") as catalogue:
        assert catalogue.n_devices == SMALL - 1
        assert catalogue.faults()["device"].tolist() == ["D000003"]
    (tmp_path / "a.db").unlink()
    result = command(spoilt(*range(len(wafer.rows))))
    assert result.exit_code == 3
    assert f"none of its {SMALL} devices could be used" in result.stderr


@pytest.mark.parametrize("existing", [False, True])
def test_a_refused_table_leaves_nothing_that_was_made_for_it(existing: bool, study: WaferStudy, tmp_path: Path):
    if existing:
        (tmp_path / "a.db").touch()
    lines = study.table.read_text().splitlines(keepends=True)
    study.table.write_text("".join([*lines, lines[1]]))  # in the first chunk, for it is the only one
    (tmp_path / "wafer.toml").write_text((tmp_path / "wafer.toml").read_text().replace(IN_CHUNKS, ""))
    result = command(study)
    assert (result.exit_code, "begins again here" in result.stderr) == (3, True)
    left = {each.name for each in tmp_path.iterdir()} - {study.table.name, "wafer.toml"}
    assert left == ({"a.db"} if existing else set())


def test_an_interrupted_run_without_devices_leaves_no_catalogue_and_one_with_them_stays(
    study: WaferStudy, tmp_path: Path
):
    for at, stays in ((0, False), (2, True)):
        with pytest.raises(KeyboardInterrupt):
            run(study, tmp_path / "a.db", at_chunk(at, partial(interrupted_now, tmp_path)))
        assert (tmp_path / "a.db").exists() is stays


def interrupted_now(folder: Path) -> None:
    raise KeyboardInterrupt


def test_flagged_devices_are_counted_by_reason(wafer: Wafer, tmp_path: Path):
    rows = wafer.rows.copy()
    rows.loc[rows.index[4], "T_par"] += 1.0  # device 0: a hundred sigma
    study = wafer_study(tmp_path, replace(wafer, rows=rows).csv(tmp_path / "table.csv"))
    summary, _ = run(study, tmp_path / "a.db")
    assert (summary.flagged["misfit_scatter"], summary.any_flag) == (1, 1)
    with open_catalogue(tmp_path / "a.db") as catalogue:
        (flags,) = catalogue.frame(flagged=True)["flags"]
    assert flags & FLAGS["misfit_scatter"]
    assert "misfit_scatter" in command(study).output


def test_ctrl_c_ends_the_command_with_130_and_says_how_to_go_on(study: WaferStudy, monkeypatch: pytest.MonkeyPatch):
    write = Catalogue.write

    def interrupted(catalogue: Catalogue, source: Source, reduced: Reduced) -> None:
        write(catalogue, source, reduced)
        if reduced.number == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Catalogue, "write", interrupted)
    result = command(study)
    assert result.exit_code == 130
    assert "holds 8 devices. Go on with: mtjfit batch" in result.stderr


def test_usage_and_missing_parts_are_said_before_any_work(
    study: WaferStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    result = said("batch", study.table, "--output", "a.db")
    assert (result.exit_code, f"mtjfit init {study.table}" in result.output) == (2, True)
    assert command(study, "--export", tmp_path / "a.xls").exit_code == 3
    assert command(study, "--workers", "2", "--scheduler", "tcp://127.0.0.1:1").exit_code == 3
    for taken in ("a.csv", study.table.name):
        result = command(study, "--output", tmp_path / "a.csv", "--export", tmp_path / taken)
        assert (result.exit_code, "name another file" in result.stderr) == (2, True)
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    result = command(study, "--scheduler", "x")
    assert (result.exit_code, "pip install 'mtjfit[cluster]'" in result.stderr) == (3, True)
    with pytest.raises(ConfigError, match="--scheduler x"):
        run(study, tmp_path / "a.db", scheduler="x")


# whether devices were measured is told from the table to the last figure and file, and never lost on the way

MADE = Origin("simulated", "Eq. 12, for a test")
LINE = "# origin: SIMULATED ; Eq. 12,  for a test\n"


@pytest.fixture(scope="module")
def few() -> Wafer:
    return simulated_wafer(6, n_bias=7)


def as_text(made: Wafer, folder: Path, above: str = LINE, **declared: Any) -> WaferStudy:
    path = made.csv(folder / "t.csv")
    path.write_text(above + path.read_text())
    return wafer_study(folder, path, **declared)


def as_parquet(made: Wafer, folder: Path) -> WaferStudy:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    rows = made.rows.copy()
    rows.attrs["origin"] = LINE.removeprefix("# origin: ")
    rows.to_parquet(folder / "t.parquet", index=False)
    return wafer_study(folder, folder / "t.parquet")


def as_folder(made: Wafer, folder: Path) -> WaferStudy:
    study = folder_study(folder, made, "chunk = 2\n")
    for path in sorted((folder / "dies").iterdir())[:3]:
        path.write_text(LINE + path.read_text())
    return study


as_declared = partial(as_text, above="", wafer='origin = "simulated; Eq. 12, for a test"\n')


@pytest.mark.parametrize("make", [as_text, as_parquet, as_declared])
def test_every_chunk_says_what_its_table_says(few: Wafer, tmp_path: Path, make: Callable[..., WaferStudy]) -> None:
    study = make(few, tmp_path)
    assert table_origins(study) == (MADE,)
    (chunk,) = chunks(study)
    assert chunk.origins == reduce_chunk(study, chunk).origins == (MADE,)
    assert len(chunk.device) == 6


def test_files_of_a_folder_speak_for_their_chunk(few: Wafer, tmp_path: Path) -> None:
    study = as_folder(few, tmp_path)
    assert [chunk.origins for chunk in chunks(study)] == [(MADE,), (MADE, Origin()), (Origin(),)]
    assert table_origins(study) == (MADE,)


def test_what_the_table_says_is_not_overruled_and_must_be_understood(few: Wafer, tmp_path: Path) -> None:
    assert table_origins(as_text(few, tmp_path, "")) == (Origin(),)
    alone = as_text(few, tmp_path)
    assert table_origins(as_text(few, tmp_path, wafer='origin = "measured"\n')) == (MADE,)
    both = as_text(few, tmp_path, wafer='origin = "reconstruction; of a figure"\n')
    assert table_origins(both) == (Origin("reconstruction", "of a figure"), MADE)
    assert both.fingerprint() != alone.fingerprint()
    for above, words in (("# origin: guessed\n", r"t\.csv:1: origin 'guessed' is not known"),
                         (LINE + "# origin: measured\n", "second, different origin")):  # fmt: skip
        with pytest.raises(DataError, match=words):
            next(chunks(as_text(few, tmp_path, above)))


def through(study: WaferStudy, path: Path, **how: Any) -> tuple[Origin, ...]:
    """Origins of the survey of the catalogue of a table."""
    run(study, path, **how)
    with open_catalogue(path) as catalogue:
        return survey_of(catalogue).origins


def test_a_survey_and_its_groups_know_where_their_devices_come_from(few: Wafer, tmp_path: Path) -> None:
    study = as_folder(few, tmp_path)
    assert through(study, tmp_path / "w.db") == (MADE, Origin())
    with open_catalogue(tmp_path / "w.db") as catalogue:
        survey = survey_of(catalogue)
        assert survey.label == "SIMULATED, not measured: Eq. 12, for a test"
        assert survey.origin == "simulated and measured"
        found = fit_groups(catalogue, study, effort=FitEffort(screened=16, starts=1, evaluations=5))
        assert found.origins == (MADE, Origin())
        assert set(found.table()["origin"]) == {"simulated and measured"}
        catalogue.export(tmp_path / "all.csv")
    exported = pd.read_csv(tmp_path / "all.csv")["origin"].tolist()
    assert exported == ["simulated"] * 2 + ["simulated and measured"] * 2 + ["measured"] * 2


def test_sabotage_a_lost_origin_is_seen(few: Wafer, tmp_path: Path) -> None:
    def forgetful(study: WaferStudy, skip: Container[int]) -> Iterator[Chunk]:
        return (replace(chunk, origins=(Origin(),)) for chunk in chunks(study, skip))

    study = as_text(few, tmp_path)
    assert through(study, tmp_path / "right.db") == (MADE,)
    assert through(study, tmp_path / "wrong.db", read=forgetful) != (MADE,)


def test_the_command_says_it_first(few: Wafer, tmp_path: Path) -> None:
    as_text(few, tmp_path)
    words = ("batch", tmp_path / "t.csv", "--study", tmp_path / "wafer.toml", "--output", tmp_path / "w.db")
    done = said(*words, "--export", tmp_path / "all.csv")
    assert "origin     SIMULATED, not measured: Eq. 12, for a test\n" in done.output
    assert set(pd.read_csv(tmp_path / "all.csv")["origin"]) == {"simulated"}
    assert "SIMULATED, not measured: Eq. 12, for a test" in said(*words, "--quiet").output
