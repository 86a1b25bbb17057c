"""Catalogues with content that mtjfit did not write, and lots of thousands of wafers."""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from survey_cases import files_of, pictures_of, survey_of, wafer
from wafer_cases import run, said, simulated_wafer, wafer_study

from mtjfit.errors import DataError, MtjfitError
from mtjfit.wafer import Survey, WaferFindings, load_wafer, odd_devices, open_catalogue, smooth_surfaces, wafer_means
from mtjfit.wafer import survey_of as survey_from
from mtjfit.wafer.stack.from_catalogue import catalogue_stacks, group_study
from mtjfit.wafer.survey.compare import has_many_pairs, odd_wafers
from mtjfit.wafer.survey.robust import estimates
from mtjfit.wafer.survey.spread import spread_of


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of forty devices in four chunks, beside its table and study."""
    folder = tmp_path_factory.mktemp("good")
    table = simulated_wafer(40, noise=0.02, n_bias=9)
    study = wafer_study(folder, table.csv(folder / "table.csv"))
    run(replace(study, wafer=replace(study.wafer, chunk=10)), folder / "lot.db")
    return folder / "lot.db"


def changed(good: Path, folder: Path, statements: str) -> Path:
    """A copy in which something was changed."""
    path = folder / "copy.db"
    with closing(sqlite3.connect(good)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        copy.executescript(statements)
        copy.commit()
    return path


def looked_at(path: Path) -> Survey:
    """All that a page reads."""
    with open_catalogue(path) as catalogue:
        catalogue.faults()
        survey = survey_from(catalogue)
        for _ in catalogue_stacks(catalogue, group_study(catalogue)):
            pass
        return survey


def test_the_catalogue_itself_is_fine(good: Path, tmp_path: Path):
    assert len(looked_at(changed(good, tmp_path, "")).frame) == 40


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
FOREIGN = {
    "a view": f"CREATE VIEW more AS {ENDLESS} SELECT * FROM c",  # noqa: S608
    "a view in place of a table": f"ALTER TABLE faults RENAME TO f; CREATE VIEW faults AS {ENDLESS} SELECT * FROM c",  # noqa: S608
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON devices BEGIN DELETE FROM devices WHERE rowid <> NEW.rowid; END",
    "another index": "CREATE INDEX more ON devices (flags)",
    "another table": "CREATE TABLE more (x)",
    "a check": "ALTER TABLE devices ADD COLUMN more REAL CHECK (more < 1)",
    "a computed column": "ALTER TABLE devices ADD COLUMN more REAL AS (place + 1)",
    "a default": "ALTER TABLE devices ADD COLUMN more REAL DEFAULT (1)",
    "tables of another version": "PRAGMA user_version = 1",
    "statistics": "ANALYZE",
}


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_with_anything_that_mtjfit_did_not_make_is_refused(good: Path, tmp_path: Path, name: str, write: bool):
    path = changed(good, tmp_path, FOREIGN[name])
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"copy\.db: holds other tables, views or triggers than mtjfit made"):
        open_catalogue(path, write=write)
    assert path.read_bytes() == before


CONTENT = {
    f"{column} = {value}": f"UPDATE {table} SET {column} = {value}"  # noqa: S608 - from here
    for table, column, values in (
        ("configurations", "columns", ("'['", f"'{'[' * 10**5}'", "'[1]'", "'[\"x\", \"x\"]'", "'[\"none\"]'")),
        ("configurations", "units", ("'null'", "'{\"x\": 1}'", f"'{{\"x\": \"{'V' * 10**4}\"}}'")),
        ("configurations", "flags", ("'[]'", "'{\"a\": 1.0}'", "'{\"a\": -1}'", f"'{{\"a\": {2**70}}}'")),
        ("configurations", "fingerprint", ("x'ff'", "CAST(x'ff' AS TEXT)")),
        ("configurations", "study", ("''", "'[['", f"'a{'.a' * 900} = 1'", "x'00'")),
        ("chunks", "origins", ("'x'", "'[[\"made up\", \"\"]]'", "'[[1, 2]]'", f"'{'[' * 10**5}'")),
        ("chunks", "devices", ("1", "-1", "'x'", "1.5", "9223372036854775807")),
        ("sources", "chunk_size", ("'x'", "1.5")),
        ("devices", "slope_ratio", ("'x'", "x'00'", "1e300 * (place % 2 * 2 - 1)")),
        ("devices", "slope_ratio_sd", ("-1", "1e-200")),
        ("devices", "x", ("'x'", "1e300")),
        ("devices", "flags", ("'x'", "1.5", "x'00'")),
        ("devices", "device", ("CAST(x'ff' || place || chunk AS TEXT)", "CAST('a' || place || chunk AS BLOB)")),
        ("devices", "sums", ("x'00'", "'x'", "zeroblob(9)", "CAST(sums || sums AS BLOB)",
                             "substr(sums, 1 + 8 * (place % 2))",
                             "CAST(x'000000000000f07f' || substr(sums, 9) AS BLOB)")),
    )
    for value in values
} | {
    "devices are gone": "DELETE FROM devices WHERE place = 3",
    "a chunk is gone": "DELETE FROM chunks WHERE number = 1",
    "a fault of bytes": "INSERT INTO faults SELECT id, 0, 0, x'ff', '', '', '', '', '' FROM sources",
    "a long name": "UPDATE devices SET wafer = hex(zeroblob(3000)) WHERE place = 1",
    "a value of 3 MB": "UPDATE sources SET name = hex(zeroblob(1500000))",
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENT, ids=lambda name: name[:60])
def test_content_that_mtjfit_did_not_write_is_an_error_with_its_place(good: Path, tmp_path: Path, name: str):
    path = changed(good, tmp_path, CONTENT[name])
    with pytest.raises(MtjfitError, match=r"copy.*: .*; "):
        looked_at(path)


def test_batch_reduces_again_what_was_taken_out(good: Path, tmp_path: Path):
    path = changed(good, tmp_path, "DELETE FROM devices WHERE chunk = 2 AND place > 4")
    study = load_wafer(good.parent / "wafer.toml", good.parent / "table.csv")
    run(replace(study, wafer=replace(study.wafer, chunk=10)), path)
    with open_catalogue(path) as mended, open_catalogue(good) as whole:
        assert mended.digest() == whole.digest()


@pytest.mark.parametrize("size", [0, -10])
def test_batch_refuses_chunks_without_devices(good: Path, tmp_path: Path, size: int):
    path = changed(good, tmp_path, f"UPDATE sources SET chunk_size = {size}")  # noqa: S608 - a number
    study = load_wafer(good.parent / "wafer.toml", good.parent / "table.csv")
    with pytest.raises(DataError, match=f"'chunk_size'.*it holds {size}"):
        run(replace(study, wafer=replace(study.wafer, chunk=10)), path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("byte", [b"E", b"\xe9"])
def test_a_catalogue_whose_structure_is_no_text_is_damaged(good: Path, tmp_path: Path, byte: bytes):
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(good.read_bytes().replace(b"CREATE TABLE", b"CREATE TAB" + byte + b"E"))
    with pytest.raises(MtjfitError, match="damaged"), open_catalogue(damaged):
        pass


def test_a_pipe_is_no_catalogue(tmp_path: Path):
    os.mkfifo(tmp_path / "a.db")
    for write in (False, True):
        with pytest.raises(DataError, match="is not a regular file"):
            open_catalogue(tmp_path / "a.db", write=write)


@pytest.mark.parametrize("write", [False, True])
def test_a_journal_deletes_no_file_elsewhere(good: Path, tmp_path: Path, write: bool):
    path, precious = changed(good, tmp_path, ""), tmp_path / "precious.txt"
    precious.write_text("mine")
    page, name, mark = 4096, str(precious).encode(), bytes.fromhex("d9d505f920a163d7")
    head = mark + struct.pack(">5I", 0, 0, path.stat().st_size // page, 512, page)
    named = struct.pack(">I", 2**30 // page + 1) + name + struct.pack(">2I", len(name), sum(name)) + mark
    path.with_name("copy.db-journal").write_bytes(head.ljust(512, b"\0") + named)
    with pytest.raises(MtjfitError, match="journal: names a file that SQLite would delete"):
        open_catalogue(path, write=write)
    assert precious.read_text() == "mine"


def journal_of_others(path: Path) -> bytes:
    """The journal of another program, in the middle of a transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 200)
    found = path.with_name(f"{path.name}-journal").read_bytes()
    connection.close()
    return found


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm", "-journal of SQLite"])
def test_files_of_others_beside_an_empty_file_are_neither_used_nor_deleted(ending: str, write: bool, tmp_path: Path):
    path, content = tmp_path / "x.db", b"my own notes"
    if " " in ending:
        ending, content = "-journal", journal_of_others(tmp_path / "other.db")
    path.touch()
    beside = tmp_path / f"x.db{ending}"
    beside.write_bytes(content)
    with pytest.raises(MtjfitError, match=f"x.db{ending}: lies beside a catalogue that is empty.*move it away"):
        open_catalogue(path, write=write)
    assert (path.read_bytes(), beside.read_bytes()) == (b"", content)


def test_a_catalogue_of_which_only_the_first_journal_was_written_is_begun_anew(tmp_path: Path):
    path, mark = tmp_path / "x.db", bytes.fromhex("d9d505f920a163d7")
    for begins in (b"", mark.ljust(512, b"\0"), bytes(512)):
        path.write_bytes(b"")
        path.with_name("x.db-journal").write_bytes(begins)
        with open_catalogue(path, write=True) as catalogue:
            assert catalogue.n_devices == 0
        path.unlink()


def test_a_journal_of_this_catalogue_alone_is_rolled_back(good: Path, tmp_path: Path):
    path = changed(good, tmp_path, "PRAGMA journal_mode = DELETE")
    path.with_name("copy.db-journal").write_bytes(bytes(3))
    with open_catalogue(path) as catalogue:
        assert catalogue.n_devices == 40


def test_a_statement_has_a_budget(good: Path, tmp_path: Path):
    """Of one step where it has a million, in a file that is as much smaller than others."""
    with open_catalogue(changed(good, tmp_path, "")) as catalogue:
        connection = catalogue.connection
        limited = Mock(
            wraps=connection, set_progress_handler=lambda handler, _: connection.set_progress_handler(handler, 1)
        )
        with pytest.raises(DataError, match="takes longer to read than any catalogue of its size"):
            replace(catalogue, connection=limited).frame()


def test_many_configurations_take_no_time(good: Path, tmp_path: Path):
    row = "SELECT x + 9, 'f' || x, '', '[]', '', '{}', '{}' FROM c LIMIT 20000"
    many = ENDLESS + " INSERT INTO configurations " + row
    begun = time.process_time()
    with pytest.raises(DataError, match="holds several configurations") as error:
        looked_at(changed(good, tmp_path, many))
    assert (len(str(error.value)) < 1000, time.process_time() - begun < 10) == (True, True)


# thousands of wafers


def lots(J: int, per: int = 1, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n, wafers = J * per, np.repeat(np.arange(J), per)
    truth = 5 + rng.normal(0, 0.2, J)[wafers]
    return pd.DataFrame({
        "device": [f"d{k % per}" for k in range(n)], "wafer": [f"W{k}" for k in wafers], "b_sd": 0.1,
        "x": 5.0 * (np.arange(n) % 5), "y": 0.0, "b": truth + rng.normal(0, 0.15, n),
    })  # fmt: skip


def test_a_page_of_few_wafers_compares_pairs_and_one_of_many_each_with_all():
    with pictures_of():
        few = files_of(survey_of(*(wafer(np.random.default_rng(k), f"W{k}") for k in range(3))))
        many = files_of(Survey("lots", lots(300)), ("b",))
    assert ("pairs.csv" in few, "odd-wafers.csv" in few) == (True, False)
    assert ("pairs.csv" in many, "odd-wafers.csv" in many) == (False, True)
    assert b"300 wafers have too many pairs" in many["wafer.html"]
    assert many["odd-wafers.csv"].count(b"\n") == 301
    assert b"wafers against each other" in few["wafer.html"]


def test_a_wafer_whose_devices_are_all_of_different_populations_has_no_smooth_part():
    frame = lots(1, 40).assign(device=[f"d{k}" for k in range(40)], split=[f"S{k}" for k in range(40)])
    survey = Survey("lots", frame.assign(y=5.0 * (np.arange(40) // 5)))
    assert smooth_surfaces(survey, "b") == ()
    assert odd_devices(survey).beyond == 0


def test_odd_wafers_are_found_among_others_and_no_more_than_promised():
    frame = lots(2000, 3)
    frame.loc[frame["wafer"].isin(["W7", "W900"]), "b"] += 2.0
    found = odd_wafers(wafer_means(Survey("lots", frame), "b"))
    assert {"W7", "W900"} <= set(found.index[found["odd"]])
    assert found["odd"].sum() <= 4
    assert found["p"].drop(["W7", "W900"]).lt(0.05).mean() == pytest.approx(0.05, abs=0.015)  # p of no difference


def test_pairs_are_counted_within_populations():
    names = [f"{j % 2}" for j in range(240)]
    frame = pd.concat([lots(120, 2).assign(split=f"S{k}", device=[f"{k}.{name}" for name in names]) for k in range(2)])
    assert not has_many_pairs(wafer_means(Survey("lots", frame), "b"))  # 2 · 120 · 119 / 2 < 20 000 < 240 · 239 / 2
    found = WaferFindings(Survey("lots", lots(300)), "b")
    assert found.pairs is None


@pytest.mark.parametrize("exact", [False, True])
def test_spreads_solved_together_are_those_solved_one_by_one(exact: bool):
    rng = np.random.default_rng(1)
    group = np.sort(rng.integers(0, 60, 2000))
    group = np.unique(group, return_inverse=True)[1]
    q, s = rng.normal(0, 1, 2000), np.zeros(2000) if exact else rng.uniform(0.2, 2.0, 2000)
    together, single = estimates(q, s, group), [spread_of(q[group == k], s[group == k]) for k in range(group.max() + 1)]
    for name in ("centre", "centre_sd", "spread", "low", "high", "dof"):
        expected = [getattr(each, name) for each in single]
        np.testing.assert_allclose(getattr(together, name), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.slow
def test_five_thousand_wafers_take_seconds_and_little_memory():
    begun = time.process_time()
    with pictures_of("map", "control"):
        files = files_of(Survey("lots", lots(5000, 2)), ("b",))
    assert time.process_time() - begun < 40  # a tenth of it; one by one it takes minutes
    assert sum(map(len, files.values())) < 10e6


def test_the_command_says_where_a_catalogue_was_changed(good: Path, tmp_path: Path):
    path = changed(good, tmp_path, "UPDATE devices SET slope_ratio_sd = -1")
    done = said("wafer", path, "--output", tmp_path / "page")
    assert (done.exit_code, "slope_ratio_sd of device" in done.output) == (3, True)
