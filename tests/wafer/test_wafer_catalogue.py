"""The catalogue: nothing lost, nothing mixed, nothing written into somebody else's file."""

from __future__ import annotations

import csv
import multiprocessing
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from mtjfit.data import Origin
from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.plain import csv_bytes
from mtjfit.wafer import Catalogue, Configuration, Fault, Reduced, Source, open_catalogue

COLUMNS = ("slope_ratio", "|kappa|·a1", "b2/a1", 'x" REAL); DROP TABLE devices; --')
CONFIGURATION = Configuration("f00d", COLUMNS, {"b2/a1": "1/V"}, {"misfit_scatter": 2}, "[study]\nname = 'µ'\n")


def reduced(number: int, J: int = 4, *, wafer: str = "w1", seed: int = 0, faulty: bool = False) -> Reduced:
    """A chunk of devices `d<number>.<j>` with random quantities, one in three not determined; of chunk 0 measured."""
    rng = np.random.default_rng([seed, number])
    values = {name: np.where(rng.random(J) < 1 / 3, np.nan, rng.normal(size=J)) for name in COLUMNS}
    values["b2/a1"][:1] = np.inf
    split = tuple("thin" if j % 2 else "=thick" for j in range(J))
    device = tuple(f"d{number}.{j}" for j in range(J))
    faults = (Fault(f"bad{number}", wafer, "", f"t.csv:{number}", "no number", "correct it"),) if faulty else ()
    flags = np.where(np.arange(J) % 4 == 3, 2, 0)
    origins = (Origin("simulated", f"chunk {number}") if number else Origin(),)
    return Reduced(number, device, (wafer,) * J, split, values, flags, rng.normal(size=(J, 5)), faults, origins)


def begun(catalogue: Catalogue, name: str = "/data/t.csv", identity: str = "i1", *, chunk_size: int = 4) -> Source:
    """The table that `reduced` stands for."""
    return catalogue.begin(CONFIGURATION, name, identity, chunk_size)


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


@pytest.fixture
def catalogue(path: Path) -> Iterator[Catalogue]:
    """Opened for writing, with chunks 0, 1 and 2."""
    filled(path)
    with open_catalogue(path, write=True) as opened:
        yield opened


@pytest.mark.skipif(os.name == "nt", reason="no permissions of this kind")
@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o000, 0o666)])
def test_its_permissions_are_those_of_the_umask(path: Path, umask: int, mode: int):
    before = os.umask(umask)
    try:
        filled(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


def test_an_empty_new_catalogue_stays_while_somebody_else_has_it_open(path: Path):
    def refused() -> None:
        with open_catalogue(path, write=True):
            other.append(open_catalogue(path, write=True))
            raise ZeroDivisionError

    other: list[Catalogue] = []
    with pytest.raises(ZeroDivisionError):
        refused()
    with other[0] as catalogue:
        catalogue.write(begun(catalogue), reduced(0))
    with open_catalogue(path) as catalogue:
        assert catalogue.n_devices == 4


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


def test_queries_choose_devices_and_columns_and_sums_follow(catalogue: Catalogue):
    everything, thin = catalogue.frame(), catalogue.frame(["b2/a1"], split="thin", flagged=False)
    assert list(thin.columns) == ["device", "wafer", "split", "flags", "b2/a1"]
    chosen = (everything["split"] == "thin") & (everything["flags"] == 0)
    assert thin["device"].tolist() == everything["device"][chosen].tolist()
    np.testing.assert_array_equal(catalogue.sums(split="thin", flagged=False), catalogue.sums()[chosen])
    assert catalogue.frame(wafer="w' OR 1 --").shape == (0, 8)
    assert catalogue.sums(wafer="none").shape[0] == 0
    assert catalogue.frame(flagged=True)["flags"].unique().tolist() == [2]
    with pytest.raises(DataError, match=r"b2/al: is no quantity.*did you mean.*b2/a1"):
        catalogue.frame(["b2/al"])


def test_digest_is_the_same_for_the_same_content(tmp_path: Path):
    one = filled(tmp_path / "a.db")
    assert filled(tmp_path / "b.db", (2, 1, 0, 1)) == one
    assert filled(tmp_path / "c.db", (0, 1)) != one
    assert filled(tmp_path / "d.db", seed=1) != one


@pytest.mark.parametrize("change", [
    "UPDATE devices SET flags = 1 WHERE device = 'd0.0'", "UPDATE faults SET what = 'x'",
    "UPDATE devices SET split = 'x' WHERE device = 'd0.0'", "UPDATE sources SET identity = 'x'",
    "UPDATE chunks SET origins = '[[\"measured\", \"\"]]' WHERE number = 2",
    "UPDATE devices SET slope_ratio = slope_ratio + 1e-15 WHERE device = 'd2.1'",
])  # fmt: skip
def test_digest_knows_all_content(catalogue: Catalogue, change: str):
    one = catalogue.digest()
    catalogue.connection.execute("BEGIN")
    assert catalogue.connection.execute(change).rowcount == 1
    assert catalogue.digest() != one
    catalogue.connection.execute("ROLLBACK")
    assert catalogue.digest() == one


def loose(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The same connection without transactions."""
    ends = {"BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"}
    return Mock(wraps=connection, execute=lambda said, *values: said not in ends and connection.execute(said, *values))


@pytest.mark.parametrize("sabotage", [False, True])
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        # its old devices are removed, its new ones cannot be made
        ({"values": reduced(2).values | {"b2/a1": np.zeros(2)}}, ValueError, "shorter"),
        # its devices can be written, its fault cannot
        ({"faults": (Fault(None, "", "", "", "", ""),)}, MtjfitError, "NOT NULL"),  # type: ignore[arg-type]
    ],
)
def test_what_fails_in_the_middle_of_a_chunk_leaves_nothing_of_it(
    change: dict[str, object], error: type[Exception], words: str, catalogue: Catalogue, sabotage: bool
):
    before, number = catalogue.digest(), 2 if error is ValueError else 3
    written = Catalogue(catalogue.path, loose(catalogue.connection)) if sabotage else catalogue
    with pytest.raises(error, match=words):
        written.write(begun(catalogue), replace(reduced(number), **change))
    assert (catalogue.digest() == before) is not sabotage
    assert (catalogue.done(begun(catalogue)) == {0, 1, 2}) is not (sabotage and number == 2)


def test_a_table_with_other_content_is_refused(catalogue: Catalogue):
    before = catalogue.digest()
    with pytest.raises(DataError, match=r"/data/t.csv: has changed since.*another catalogue"):
        begun(catalogue, identity="i2")
    assert catalogue.digest() == before
    moved = begun(catalogue, name="/moved/t.csv")
    assert catalogue.done(moved) == {0, 1, 2}


def test_the_same_device_from_another_table_is_refused(catalogue: Catalogue):
    before, first, other = catalogue.digest(), begun(catalogue), begun(catalogue, "/data/u.csv", "i2")
    twice = replace(reduced(9), device=("a", "b", "c", "a"))
    for source, chunk, words in ((other, reduced(1), "'d1.0' of wafer 'w1' came before, from /data/t.csv"),
                                 (first, replace(reduced(1), number=7), "'d1.0' of wafer 'w1' came before, from /data"),
                                 (other, twice, "'a' of wafer 'w1' came before, from this chunk")):  # fmt: skip
        with pytest.raises(DataError, match=f"device {words}"):
            catalogue.write(source, chunk)
    catalogue.write(other, reduced(1, wafer="w2"))
    assert len(catalogue.frame()) == 16
    assert catalogue.digest() != before


def test_configurations_are_never_mixed(catalogue: Catalogue):
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


def test_an_export_that_fails_leaves_the_old_file(catalogue: Catalogue, tmp_path: Path):
    old = tmp_path / "o.csv"
    catalogue.export(old)
    before = old.read_bytes()
    catalogue.connection.execute("UPDATE devices SET slope_ratio = 'x' WHERE device = 'd2.1'")
    with pytest.raises(DataError, match="column 'slope_ratio': was changed or damaged: it holds another kind"):
        catalogue.export(old)
    for name, words in (("o.txt", "neither .csv nor .parquet"), ("none/o.csv", "no such folder")):
        with pytest.raises(ConfigError, match=words):
            catalogue.export(tmp_path / name)
    assert (old.read_bytes(), list(tmp_path.glob(".*"))) == (before, [])


def altered(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def test_a_file_of_version_1_is_brought_to_today_and_is_like_a_new_one(path: Path, tmp_path: Path):
    def tables(opened: Catalogue) -> tuple[object, set[tuple[str, str]]]:
        rows = opened.connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        version = opened.connection.execute("PRAGMA user_version").fetchone()
        return version, {(name, " ".join(sql.split())) for name, sql in rows}

    altered(path, Path(__file__).with_name("version_1.sql").read_text())  # frozen: as the first version made it
    with open_catalogue(path) as catalogue:
        assert catalogue.frame().to_dict("records") == [
            {"device": "d", "wafer": "w", "split": "", "flags": 0, "slope_ratio": -0.1}
        ]
        assert catalogue.sums().tolist() == [[1.0]]
        assert catalogue.configuration().units == {}
        with pytest.raises(DataError, match=r"does not say whether its devices were measured.*repeat mtjfit batch"):
            catalogue.origins()
        assert catalogue.done(catalogue.sources()[0]) == frozenset()
        old = tables(catalogue)
    with open_catalogue(tmp_path / "new.db", write=True) as catalogue:
        catalogue.begin(replace(CONFIGURATION, columns=("slope_ratio",)), "t", "i", 4)
        assert tables(catalogue) == old


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("CREATE TABLE holidays (x)", "of another program"),
        ("PRAGMA application_id = 0x4D544A66; PRAGMA user_version = 99", "a later mtjfit"),
        ("", "is no catalogue of mtjfit"),
    ],
)
def test_files_of_others_and_of_the_future_are_refused_and_not_touched(script: str, words: str, path: Path):
    altered(path, script) if script else path.write_text("device,bias\n" * 500, encoding="utf-8")
    before = path.read_bytes()
    for write in (False, True):
        with pytest.raises(DataError, match=words):
            open_catalogue(path, write=write)
    assert path.read_bytes() == before


def test_a_damaged_file_says_so(path: Path):
    filled(path, tuple(range(60)))
    data, keep = path.read_bytes(), 3 * 4096  # three pages
    path.write_bytes(data[:keep] + b"\xa5" * (len(data) - keep))
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
        with pytest.raises(MtjfitError, match=r"(cannot be opened|is no regular file)"):
            open_catalogue(impossible, write=True)


def test_a_full_disk_keeps_what_was_written(catalogue: Catalogue):
    before, source = catalogue.digest(), begun(catalogue)
    pages = catalogue.connection.execute("PRAGMA page_count").fetchone()[0]
    catalogue.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(MtjfitError, match=r"the disk is full.*what was written before is whole"):
        catalogue.write(source, reduced(3, 200))
    assert catalogue.digest() == before
    catalogue.connection.execute("PRAGMA max_page_count = 1000000")
    catalogue.write(source, reduced(3))
    assert catalogue.digest() != before


def test_a_disk_that_takes_no_more_is_named_and_not_taken_for_a_damaged_catalogue(path: Path):
    resource = pytest.importorskip("resource")
    digest = filled(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, hard))  # a reader, too, makes a file, of shared memory
    try:
        with pytest.raises(MtjfitError, match=r"a 100%#\?\.db: the disk cannot read or write it"):
            open_catalogue(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with open_catalogue(path) as catalogue:
        assert catalogue.digest() == digest


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


def fill(path: Path, which: str) -> str:
    """Write eight chunks, each through a connection of its own."""
    for number in range(8):
        with open_catalogue(path, write=True) as catalogue:
            catalogue.write(begun(catalogue, f"/data/{which}", which), reduced(number, wafer=which))
            digest = catalogue.digest()
    return digest


@pytest.mark.parametrize("pool", [
    ThreadPoolExecutor,
    pytest.param(partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn")),
                 marks=pytest.mark.slow),  # imports everything twice
])  # fmt: skip
def test_two_writers_make_and_fill_one_catalogue(pool: Callable[[int], Executor], path: Path, tmp_path: Path):
    with pool(2) as running:
        assert len(list(running.map(partial(fill, path), ("w1", "w2")))) == 2
    with open_catalogue(path) as catalogue:
        fill(tmp_path / "one.db", "w2")
        assert catalogue.digest() == fill(tmp_path / "one.db", "w1")
