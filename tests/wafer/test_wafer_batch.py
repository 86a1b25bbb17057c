"""A table into a catalogue: all of it, once, and from where it was left, however the program ended."""

from __future__ import annotations

import signal
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from wafer_cases import Wafer, run, simulated_wafer, wafer_study, wafer_toml

from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.parallel import Interrupted
from mtjfit.terminal import Commands
from mtjfit.wafer import FLAGS, Chunk, Reduced, WaferStudy, chunks, reduce_chunk
from mtjfit.wafer.catalogue import Catalogue, Source, open_catalogue
from mtjfit.wafer.commands.batch import batch_command

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
        frame, sums = catalogue.frame(), catalogue.sums()
    assert frame["device"].tolist() == [name for each in reduced for name in each.device]
    for name in reduced[0].values:
        np.testing.assert_array_equal(frame[name], np.concatenate([each.values[name] for each in reduced]), name)
    np.testing.assert_array_equal(sums, np.vstack([each.sums for each in reduced]))
    np.testing.assert_array_equal(frame["flags"], np.concatenate([each.flags for each in reduced]))


def test_a_second_run_reads_nothing_and_changes_nothing(study: WaferStudy, tmp_path: Path):
    _, digest = run(study, tmp_path / "a.db")
    read: list[int] = []
    summary, again = run(study, tmp_path / "a.db", lambda chunk: read.append(chunk.number))
    assert (summary.devices, summary.added, read, again) == (SMALL, 0, [], digest)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_end_finishes_its_chunk_and_is_gone_on_with(
    number: int, study: WaferStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    _, digest = run(study, tmp_path / "undisturbed.db")
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    read: list[int] = []

    def hook(chunk: Chunk) -> None:
        read.append(chunk.number)
        if chunk.number == 2:
            signal.raise_signal(number)

    with pytest.raises(Interrupted):
        run(study, tmp_path / "a.db", hook)
    assert "finishing this block and saving it" in capsys.readouterr().err
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    with open_catalogue(tmp_path / "a.db") as catalogue:
        assert catalogue.done(catalogue.sources()[0]) == {0, 1, 2}
    read.clear()
    summary, again = run(study, tmp_path / "a.db", lambda chunk: read.append(chunk.number))
    assert (read, summary.added, again) == ([3], SMALL - 12, digest)


def test_a_program_that_ignores_ctrl_c_can_still_be_asked_to_end(study: WaferStudy, tmp_path: Path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a job in the background of a script
    try:
        with pytest.raises(Interrupted):
            run(study, tmp_path / "a.db", lambda chunk: signal.raise_signal(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_request_to_end_ends_at_once(number: int, study: WaferStudy, tmp_path: Path):
    def hook(chunk: Chunk) -> None:
        signal.raise_signal(number)
        signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt) as stopped:
        run(study, tmp_path / "a.db", hook)
    assert not isinstance(stopped.value, Interrupted)


def test_an_error_in_the_middle_keeps_what_was_written(study: WaferStudy, tmp_path: Path):
    _, digest = run(study, tmp_path / "undisturbed.db")

    def hook(chunk: Chunk) -> None:
        if chunk.number == 3:
            raise MtjfitError("the reader stumbled")

    with pytest.raises(MtjfitError, match="stumbled"):
        run(study, tmp_path / "a.db", hook)
    summary, again = run(study, tmp_path / "a.db")
    assert (summary.added, again) == (SMALL - 12, digest)


def test_a_chunk_is_forgotten_once_it_is_written(study: WaferStudy, tmp_path: Path):
    seen: list[weakref.ref[Chunk]] = []

    def hook(chunk: Chunk) -> None:
        assert sum(each() is not None for each in seen) <= 1
        seen.append(weakref.ref(chunk))

    run(study, tmp_path / "a.db", hook)
    assert len(seen) == 4


def test_a_table_that_changed_is_refused(study: WaferStudy, tmp_path: Path):
    _, digest = run(study, tmp_path / "a.db")
    with study.table.open("a", encoding="utf-8") as stream:
        stream.write("W9,2 nm,new,0,0,2.0,0.1,0.1,0.0,0.01,0.01\n")
    with pytest.raises(DataError, match=r"table.csv: has changed since .*a.db.*another catalogue"):
        run(study, tmp_path / "a.db")
    with open_catalogue(tmp_path / "a.db") as catalogue:
        assert catalogue.digest() == digest


def test_a_table_that_changes_while_it_is_read_leaves_no_mixture(study: WaferStudy, wafer: Wafer, tmp_path: Path):
    def hook(chunk: Chunk) -> None:
        if chunk.number == 3:
            changed = replace(wafer, rows=wafer.rows.assign(T_par=wafer.rows.T_par + 1e-3))
            changed.csv(study.table)

    with pytest.raises(DataError, match="has changed while it was read"):
        run(study, tmp_path / "a.db", hook)
    with open_catalogue(tmp_path / "a.db") as catalogue:
        assert catalogue.n_devices == 0
        assert catalogue.sources() == []
    assert run(study, tmp_path / "a.db")[0].devices == SMALL


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


def command(study: WaferStudy, *options: str) -> Result:
    """`mtjfit batch` for the table of a study, beside it."""
    folder = study.table.parent
    arguments = [str(study.table), "--study", str(folder / "wafer.toml"), "--output", str(folder / "a.db"), *options]
    group = Commands(commands={"batch": batch_command})
    return CliRunner().invoke(group, ["batch", *arguments], catch_exceptions=False)


def test_the_command_says_what_was_declared_and_what_was_found(study: WaferStudy, tmp_path: Path):
    result = command(study, "--export", str(tmp_path / "all.csv"))
    assert result.exit_code == 0
    for words in ("torque per device", "a1, b2", "T_perp along M x P", "x = 'x (mm)'", "devices in the catalogue"):
        assert words in result.output
    assert len(pd.read_csv(tmp_path / "all.csv")) == SMALL
    assert command(study).output.count("0 of them now") == 1
    assert command(study, "--quiet").stdout == f"Catalogue: {tmp_path / 'a.db'}\n"


def test_faulty_devices_are_listed_and_kept_and_all_faulty_is_an_error(wafer: Wafer, tmp_path: Path):
    def table(broken: np.ndarray) -> WaferStudy:
        cells = wafer.rows.T_par.astype(object)
        cells[broken] = "n/a!"
        changed = replace(wafer, rows=wafer.rows.assign(T_par=cells))
        return wafer_study(tmp_path, changed.csv(tmp_path / "table.csv"), wafer=IN_CHUNKS)

    one = np.arange(len(wafer.rows)) == 30
    result = command(table(one))
    assert result.exit_code == 0
    assert "Warning: 1 devices could not be used" in result.output
    assert "D000003: " in result.output
    assert "table.csv" in result.output
    with open_catalogue(tmp_path / "a.db") as catalogue:
        assert catalogue.n_devices == SMALL - 1
        assert catalogue.faults()["device"].tolist() == ["D000003"]
    (tmp_path / "a.db").unlink()
    result = command(table(np.full(len(wafer.rows), True)))
    assert result.exit_code == 3
    assert f"none of its {SMALL} devices could be used" in result.stderr


def test_flagged_devices_are_counted_by_reason(wafer: Wafer, tmp_path: Path):
    rows = wafer.rows.copy()
    rows.loc[rows.index[4], "T_par"] += 1.0  # device 0: a hundred sigma
    study = wafer_study(tmp_path, replace(wafer, rows=rows).csv(tmp_path / "table.csv"))
    summary, _ = run(study, tmp_path / "a.db")
    assert summary.flagged["misfit_scatter"] == 1
    assert summary.any_flag == 1
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
    result = CliRunner().invoke(batch_command, [str(study.table), "--output", "a.db"])
    assert result.exit_code == 2
    assert f"mtjfit init {study.table}" in result.output
    assert command(study, "--export", str(tmp_path / "a.xls")).exit_code == 3
    assert command(study, "--workers", "2", "--scheduler", "tcp://127.0.0.1:1").exit_code == 3

    for taken in ("a.csv", study.table.name):
        result = command(study, "--output", str(tmp_path / "a.csv"), "--export", str(tmp_path / taken))
        assert (result.exit_code, "name another file" in result.stderr) == (2, True)

    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    result = command(study, "--workers", "2")
    assert (result.exit_code, "pip install 'mtjfit[cluster]'" in result.stderr) == (3, True)
    with pytest.raises(ConfigError, match="--scheduler x"):
        run(study, tmp_path / "a.db", scheduler="x")


def test_the_study_file_is_kept_with_the_results(study: WaferStudy, tmp_path: Path):
    run(study, tmp_path / "a.db")
    with open_catalogue(tmp_path / "a.db") as catalogue:
        kept = catalogue.configuration()
    assert kept.study == wafer_toml(wafer=IN_CHUNKS)
    assert (kept.units["thickness"], kept.flags) == ("nm", dict(FLAGS))
