"""The catalogue: nothing lost, nothing mixed, nothing written into somebody else's file."""

from __future__ import annotations

import csv
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from catalogue_cases import COLUMNS, CONFIGURATION, begun, reduced

from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.plain import csv_bytes
from mtjfit.wafer import Catalogue, Fault, open_catalogue
from mtjfit.wafer.catalogue.schema import VERSION

VERSION_1 = """
CREATE TABLE configurations (
    id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, study TEXT NOT NULL, columns TEXT NOT NULL,
    begun_at TEXT NOT NULL);
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, configuration INTEGER NOT NULL REFERENCES configurations (id),
    name TEXT NOT NULL, identity TEXT NOT NULL, chunk_size INTEGER NOT NULL, begun_at TEXT NOT NULL,
    UNIQUE (configuration, identity));
CREATE TABLE chunks (
    source INTEGER NOT NULL REFERENCES sources (id), number INTEGER NOT NULL, devices INTEGER NOT NULL,
    done_at TEXT NOT NULL, PRIMARY KEY (source, number)) WITHOUT ROWID;
CREATE TABLE devices (
    configuration INTEGER NOT NULL REFERENCES configurations (id), device TEXT NOT NULL, wafer TEXT NOT NULL,
    split TEXT NOT NULL, source INTEGER NOT NULL REFERENCES sources (id), chunk INTEGER NOT NULL,
    place INTEGER NOT NULL, flags INTEGER NOT NULL, sums BLOB NOT NULL,
    UNIQUE (configuration, wafer, device));
CREATE INDEX devices_in_order ON devices (source, chunk, place);
CREATE TABLE faults (
    source INTEGER NOT NULL REFERENCES sources (id), chunk INTEGER NOT NULL, place INTEGER NOT NULL,
    device TEXT NOT NULL, wafer TEXT NOT NULL, split TEXT NOT NULL, at TEXT NOT NULL, what TEXT NOT NULL,
    todo TEXT NOT NULL, PRIMARY KEY (source, chunk, place)) WITHOUT ROWID;
ALTER TABLE devices ADD COLUMN "slope_ratio" REAL;
INSERT INTO configurations VALUES (1, 'f00d', '', '["slope_ratio"]', '2026-01-01T00:00:00+00:00');
INSERT INTO sources VALUES (1, 1, '/data/t.csv', 'i1', 4, '2026-01-01T00:00:00+00:00');
INSERT INTO chunks VALUES (1, 0, 1, '2026-01-01T00:00:00+00:00');
INSERT INTO devices VALUES (1, 'd', 'w', '', 1, 0, 0, 0, x'000000000000F03F', -0.1);
PRAGMA application_id = 0x4D544A66;
PRAGMA user_version = 1;
"""
"""Frozen: a file as the first version made it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a 100%#?.db"


def filled(path: Path, numbers: tuple[int, ...] = (0, 1, 2), **how: object) -> str:
    """Digest of a catalogue with these chunks, written in this order."""
    with open_catalogue(path, write=True) as catalogue:
        source = begun(catalogue)
        for number in numbers:
            catalogue.write(source, reduced(number, faulty=number == 1, **how))
        return catalogue.digest()


def test_numbers_come_back_exactly_and_in_the_order_of_the_table(path: Path):
    filled(path, (2, 0, 1))
    with open_catalogue(path) as catalogue:
        frame, sums = catalogue.frame(), catalogue.sums()
        chunks = [reduced(number, faulty=number == 1) for number in range(3)]
        assert frame["device"].tolist() == [name for each in chunks for name in each.device]
        for name in COLUMNS:
            np.testing.assert_array_equal(frame[name], np.concatenate([each.values[name] for each in chunks]))
        np.testing.assert_array_equal(sums, np.vstack([each.sums for each in chunks]))
        assert catalogue.configuration() == CONFIGURATION
        (fault,) = catalogue.faults().to_dict("records")
        assert fault == {"device": "bad1", "wafer": "w1", "split": "", "where": "t.csv:1", "what": "no number",
                         "todo": "correct it", "table": "/data/t.csv"}  # fmt: skip
        (source,) = catalogue.sources()
        assert (source.name, catalogue.done(source)) == ("/data/t.csv", {0, 1, 2})


def test_queries_choose_devices_and_columns_and_sums_follow(path: Path):
    filled(path)
    with open_catalogue(path) as catalogue:
        everything = catalogue.frame()
        thin = catalogue.frame(["b2/a1"], split="thin", flagged=False)
        assert list(thin.columns) == ["device", "wafer", "split", "flags", "b2/a1"]
        chosen = (everything["split"] == "thin") & (everything["flags"] == 0)
        assert thin["device"].tolist() == everything["device"][chosen].tolist()
        np.testing.assert_array_equal(catalogue.sums(split="thin", flagged=False), catalogue.sums()[chosen])
        assert catalogue.frame(wafer="w' OR 1 --").shape == (0, 8)
        assert catalogue.sums(wafer="none").shape[0] == 0
        assert catalogue.frame(flagged=True)["flags"].unique().tolist() == [2]
        with pytest.raises(DataError, match=r"b2/al: is no quantity.*did you mean.*b2/a1"):
            catalogue.frame(["b2/al"])


def test_digest_knows_content_and_nothing_else(path: Path, tmp_path: Path):
    one = filled(path, (0, 1, 2))
    assert filled(tmp_path / "b.db", (2, 1, 0, 1)) == one
    assert filled(tmp_path / "c.db", (0, 1)) != one
    assert filled(tmp_path / "d.db", seed=1) != one
    for change in ("UPDATE devices SET flags = 1 WHERE device = 'd0.0'", "UPDATE faults SET what = 'x'",
                   "UPDATE devices SET split = 'x' WHERE device = 'd0.0'", "UPDATE sources SET identity = 'x'",
                   "UPDATE chunks SET origins = '[[\"measured\", \"\"]]' WHERE number = 2",
                   "UPDATE devices SET slope_ratio = slope_ratio + 1e-15 WHERE device = 'd2.1'"):  # fmt: skip
        with open_catalogue(path, write=True) as catalogue:
            catalogue.connection.execute("BEGIN")
            assert catalogue.connection.execute(change).rowcount == 1
            assert catalogue.digest() != one, change
            catalogue.connection.execute("ROLLBACK")
            assert catalogue.digest() == one


def test_a_chunk_is_written_whole_or_not_at_all(path: Path):
    before = filled(path, (0, 1))
    with open_catalogue(path, write=True) as catalogue:
        source = begun(catalogue)
        broken = reduced(2)
        broken.values["b2/a1"] = broken.values["b2/a1"][:2]
        with pytest.raises(ValueError, match="shorter"):
            catalogue.write(source, broken)
        assert catalogue.digest() == before
        assert catalogue.done(source) == {0, 1}
        assert filled(path, (2,)) != before


class Loose:
    """A connection without transactions."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor | None:
        ends = statement.startswith(("BEGIN", "COMMIT", "ROLLBACK"))
        return None if ends else self.connection.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)


@pytest.mark.parametrize("sabotage", [False, True])
def test_what_fails_in_the_middle_of_a_chunk_leaves_nothing_of_it(path: Path, sabotage: bool):
    """Its devices can be written, its fault cannot; without transactions the devices stay."""
    before = filled(path, (0, 1))
    broken = replace(reduced(2), faults=(Fault(None, "", "", "", "", ""),))  # type: ignore[arg-type]
    with open_catalogue(path, write=True) as opened:
        catalogue = Catalogue(path, Loose(opened.connection)) if sabotage else opened  # type: ignore[arg-type]
        with pytest.raises(MtjfitError, match="NOT NULL"):
            catalogue.write(begun(catalogue), broken)
        assert (catalogue.digest() == before) is not sabotage


def test_a_table_with_other_content_is_refused(path: Path):
    before = filled(path)
    with open_catalogue(path, write=True) as catalogue:
        with pytest.raises(DataError, match=r"/data/t.csv: has changed since.*another catalogue"):
            begun(catalogue, identity="i2")
        assert catalogue.digest() == before
        moved = begun(catalogue, name="/moved/t.csv")
        assert catalogue.done(moved) == {0, 1, 2}


def test_the_same_device_from_another_table_is_refused(path: Path):
    before = filled(path)
    with open_catalogue(path, write=True) as catalogue:
        other = begun(catalogue, "/data/u.csv", "i2")
        with pytest.raises(DataError, match=r"device 'd1.0' of wafer 'w1' came before, from /data/t.csv"):
            catalogue.write(other, reduced(1))
        with pytest.raises(DataError, match=r"device 'd1.0' of wafer 'w1' came before, from /data/t.csv"):
            catalogue.write(begun(catalogue), replace(reduced(1), number=7))
        twice = replace(reduced(9), device=("a", "b", "c", "a"))
        with pytest.raises(DataError, match=r"device 'a' of wafer 'w1' came before, from this chunk"):
            catalogue.write(other, twice)
        catalogue.write(other, reduced(1, wafer="w2"))
        assert len(catalogue.frame()) == 16
        assert catalogue.digest() != before


def test_configurations_are_never_mixed(path: Path):
    filled(path)
    with open_catalogue(path, write=True) as catalogue:
        second = catalogue.begin(replace(CONFIGURATION, fingerprint="beef", columns=("chi2",)), "/data/t.csv", "i1", 4)
        catalogue.write(second, replace(reduced(0), values={"chi2": np.arange(4.0)}))
        with pytest.raises(DataError, match=r"several configurations; name one of its configurations \(f00d, beef\)"):
            catalogue.frame()
        assert catalogue.frame(configuration="be")["chi2"].tolist() == [0, 1, 2, 3]
        assert list(catalogue.frame(configuration="f0").columns[4:]) == list(COLUMNS)
        with pytest.raises(DataError, match="no configuration 'x'"):
            catalogue.frame(configuration="x")


def test_names_that_cannot_be_columns_are_refused(path: Path):
    with open_catalogue(path, write=True) as catalogue:
        for names in (("A1", "a1"), ("device",), ("Flags",), ("x\0",), ("",)):
            with pytest.raises(ValueError, match="column"):
                catalogue.begin(replace(CONFIGURATION, columns=names), "t", "i", 4)
        assert catalogue.configurations() == []


def test_exports_hold_all_digits_in_the_same_order(path: Path, tmp_path: Path):
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    filled(path, (1, 0, 2))
    with open_catalogue(path) as catalogue:
        expected = catalogue.frame()
        for name in ("o.csv", "o.parquet", "p.csv", "p.parquet"):
            assert catalogue.export(tmp_path / name) == 12
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as stream:
        back = list(csv.DictReader(stream))
    for name in COLUMNS:
        np.testing.assert_array_equal([float(row[name] or "nan") for row in back], expected[name])
    assert {row["split"] for row in back} == {"thin", "'=thick"}
    parquet = pd.read_parquet(tmp_path / "o.parquet")
    assert parquet.pop("origin").tolist() == [row["origin"] for row in back] == ["measured"] * 4 + ["simulated"] * 8
    pd.testing.assert_frame_equal(parquet, expected, check_exact=True, check_dtype=False)
    for ending in ("csv", "parquet"):
        assert (tmp_path / f"o.{ending}").read_bytes() == (tmp_path / f"p.{ending}").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_cells_are_made_harmless_as_in_other_tables(path: Path, tmp_path: Path):
    names = ("=1+1", " +a", "@x", "-1", "a\tb\n", 'q"uo,te', "plain", "\u202e=x")
    with open_catalogue(path, write=True) as catalogue:
        catalogue.write(begun(catalogue), replace(reduced(0, 8), device=names))
        catalogue.export(tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as stream:
        found = [row["device"] for row in csv.DictReader(stream)]
    elsewhere = csv_bytes(pd.DataFrame({"a": range(8)}, index=pd.Index(names, name="device"))).decode()
    assert found == [row["device"] for row in csv.DictReader(elsewhere.splitlines())]
    assert found[0] == "'=1+1"


def test_an_export_that_fails_leaves_the_old_file(path: Path, tmp_path: Path):
    filled(path)
    old = tmp_path / "o.csv"
    old.write_text("old")
    with open_catalogue(path) as catalogue:
        catalogue.connection.set_progress_handler(lambda: 1, 1)
        with pytest.raises(MtjfitError):
            catalogue.export(old)
        catalogue.connection.set_progress_handler(None, 0)
        with pytest.raises(ConfigError, match=r"neither .csv nor .parquet"):
            catalogue.export(tmp_path / "o.txt")
        with pytest.raises(ConfigError, match="no such folder"):
            catalogue.export(tmp_path / "none" / "o.csv")
    assert (old.read_text(), list(tmp_path.glob(".*"))) == ("old", [])


def test_a_file_of_version_1_is_brought_to_today_and_is_like_a_new_one(path: Path, tmp_path: Path):
    def tables(file: Path) -> set[tuple[str, str]]:
        with sqlite3.connect(file) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        connection.close()
        return {(name, " ".join(sql.split())) for name, sql in rows}

    old = sqlite3.connect(path)
    old.executescript(VERSION_1)
    old.close()
    with open_catalogue(path) as catalogue:
        assert catalogue.frame().to_dict("records") == [
            {"device": "d", "wafer": "w", "split": "", "flags": 0, "slope_ratio": -0.1}
        ]
        assert catalogue.sums().tolist() == [[1.0]]
        assert catalogue.configuration().units == {}
        with pytest.raises(DataError, match=r"does not say whether its devices were measured.*repeat mtjfit batch"):
            catalogue.origins()
        assert catalogue.done(catalogue.sources()[0]) == frozenset()
        assert catalogue.connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    with open_catalogue(tmp_path / "new.db", write=True) as catalogue:
        catalogue.begin(replace(CONFIGURATION, columns=("slope_ratio",)), "t", "i", 4)
    assert tables(path) == tables(tmp_path / "new.db")


def test_files_of_others_and_of_the_future_are_refused_and_not_touched(path: Path):
    def of_another_program() -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE holidays (x)")
        connection.close()

    def of_the_future() -> None:
        filled(path)
        with sqlite3.connect(path) as connection:
            connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.close()

    cases = (
        (of_another_program, "of another program"),
        (of_the_future, "a later mtjfit"),
        (lambda: path.write_text("device,bias\n" * 500), "is no catalogue of mtjfit"),
    )
    for make, words in cases:
        path.unlink(missing_ok=True)
        make()
        before = path.read_bytes()
        for write in (False, True):
            with pytest.raises(DataError, match=words):
                open_catalogue(path, write=write)
        assert path.read_bytes() == before


def test_a_damaged_file_says_so(path: Path):
    filled(path, tuple(range(60)))
    data = bytearray(path.read_bytes())
    page = 4096
    data[3 * page :] = b"\xa5" * (len(data) - 3 * page)
    path.write_bytes(data)
    with open_catalogue(path) as catalogue, pytest.raises(DataError, match="is damaged; copy it aside"):
        catalogue.frame()


def test_missing_empty_and_impossible_files(path: Path, tmp_path: Path):
    with pytest.raises(DataError, match="there is no such catalogue"):
        open_catalogue(path)
    path.touch()
    with pytest.raises(DataError, match="is empty"):
        open_catalogue(path)
    with open_catalogue(path, write=True) as catalogue, pytest.raises(DataError, match="holds no devices yet"):
        catalogue.frame()
    for impossible in (tmp_path / "none" / "a.db", tmp_path):
        with pytest.raises(MtjfitError, match="cannot be opened"):
            open_catalogue(impossible, write=True)


def test_a_full_disk_keeps_what_was_written(path: Path):
    before = filled(path, (0, 1))
    with open_catalogue(path, write=True) as catalogue:
        source = begun(catalogue)
        pages = catalogue.connection.execute("PRAGMA page_count").fetchone()[0]
        catalogue.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(MtjfitError, match=r"the disk is full.*what was written before is whole"):
            catalogue.write(source, reduced(2, 200))
        assert catalogue.digest() == before
        catalogue.connection.execute("PRAGMA max_page_count = 1000000")
        catalogue.write(source, reduced(2))
        assert catalogue.digest() != before


def test_a_reader_cannot_write_and_a_file_on_a_read_only_disk_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch):
    digest = filled(path)
    with open_catalogue(path) as catalogue, pytest.raises(MtjfitError, match="cannot be written"):
        begun(catalogue, identity="i9", name="new")
    connect = sqlite3.connect

    def read_only(name: str, **how: object) -> sqlite3.Connection:
        if "immutable" not in name:  # as where neither the file nor its folder can be written
            name = name.replace(path.resolve().as_uri(), "file:///nowhere/a.db")
        return connect(name, **how)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with open_catalogue(path) as catalogue:
        assert catalogue.digest() == digest
    path.with_name(f"{path.name}-wal").touch()  # a writer is at work, so the file does not lie still
    with pytest.raises(MtjfitError, match="cannot be opened"):
        open_catalogue(path)


def test_a_file_system_without_write_ahead_logs_is_named(path: Path, monkeypatch: pytest.MonkeyPatch):
    class Networked(sqlite3.Connection):
        def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
            return super().execute(statement.replace("journal_mode = WAL", "journal_mode = DELETE"), *values)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda name, **how: connect(name, factory=Networked, **how))
    with pytest.raises(MtjfitError, match=r"network drives have none.*local disk"):
        open_catalogue(path, write=True)
