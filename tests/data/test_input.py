"""Input files are opened in one place, and whatever they hold ends soon: with a message, not with the memory."""

from __future__ import annotations

import ast
import io
import os
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner
from parsed import nodes
from reader_files import FILES, database, needs, source
from shortcuts import as_slow
from unplaced import unplaced

from mtjfit.cli.main import cli
from mtjfit.data.readers import ReadOptions, read_sheet, read_source, sheets_from_bytes
from mtjfit.errors import ConfigError, DataError
from mtjfit.input import read_bytes
from mtjfit.study import load_study
from mtjfit.toml import toml_from, toml_string

PACKAGE = Path(__file__).parents[2] / "mtjfit"
OPENS = {
    "open",
    "read_bytes",
    "read_text",
    "glob",
    "rglob",
    "iterdir",
    "scandir",
    "deserialize",
    "load_workbook",
    "load",
}
OPENS |= {"ZipFile", "ParquetFile", "read_metadata", "read_schema", "read_table", "open_dataset", "File", "read_csv"}
MAY_OPEN = {
    "input.py": "the place where input files are opened",
    "data/bundled.py": "data sets of the package itself",
    "data/readers/excel.py": "bytes that were read", "data/readers/hdf5.py": "bytes that were read",
    "data/readers/netcdf.py": "bytes that were read", "data/readers/parquet.py": "bytes that were read",
    "data/readers/qcodes.py": "bytes that were read", "data/readers/hdf5_tables.py": "bytes that were read",
    "data/readers/tdms.py": "bytes that were read",
    "data/readers/reader.py": "code of installed packages", "report/folder.py": "names in a folder of ours",
    "streams.py": "the null device",
    "study/load.py": "names in a folder, for advice", "spectra/template.py": "names in a folder, for a pattern",
    "wafer/read/parquet.py": "a stream of the place", "wafer/read/text.py": "a stream of the place",
}  # fmt: skip
"""Modules that open input files, or hand them to a library, and what they hand over."""
OWN = (
    "output.py",
    "infer/store/",
    "wafer/catalogue/",
    "cli/first_steps.py",
    "paper/command.py",
    "explorer/",
    "parallel",
)
"""Modules that open what mtjfit wrote itself."""


def openers(root: Path) -> set[str]:
    """Modules that call something that opens files."""
    found = set()
    for path in root.rglob("*.py"):
        for node in nodes(path.read_text(encoding="utf-8")):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in OPENS and (name != "read_bytes" or isinstance(node.func, ast.Attribute)):
                    found.add(path.relative_to(root).as_posix())
    return {each for each in found if not each.startswith(OWN)}


def test_input_files_are_opened_in_one_place() -> None:
    assert openers(PACKAGE) <= set(MAY_OPEN)


def test_sabotage_another_opener_is_found(tmp_path: Path) -> None:
    (tmp_path / "reader.py").write_text("def f(path):\n    return path.read_text()\n", encoding="utf-8")
    assert openers(tmp_path) == {"reader.py"}


def fault_of(work: Callable[[], object]) -> str:
    """What the only problem says."""
    with pytest.raises((ConfigError, DataError)) as caught:
        work()
    return str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_pipes_devices_and_proc_are_refused_unopened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    (tmp_path / "link.csv").symlink_to(pipe)
    for path in (pipe, tmp_path / "link.csv", Path("/dev/null"), Path("/dev/zero"), Path("/proc/self/status")):
        if path.exists():
            assert fault_of(lambda p=path: read_source(p)).endswith("is not a regular file; save the data to a file")
            result = CliRunner().invoke(cli, ["check", str(path)])
            assert (result.exit_code, "is not a regular file" in result.output) == (3, True)
    assert CliRunner().invoke(cli, ["compare", str(pipe), "x.db"]).exit_code == 3


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
def test_a_name_that_is_not_utf8_is_refused_before_any_work(tmp_path: Path) -> None:
    name = os.fsdecode(b"a_\xb5m.csv")
    path = tmp_path / name
    try:
        path.write_text("V,p\n1,2\n", encoding="utf-8")
    except OSError:
        pytest.skip("the file system holds only UTF-8")
    assert r"a_\udcb5m.csv: has bytes in its name that are not UTF-8; rename it" in fault_of(lambda: read_source(path))
    for words in (["check", str(path)], ["run", "study.toml", "--output", str(path)], ["batch", str(path)]):
        result = CliRunner().invoke(cli, words)
        assert (result.exit_code, "not UTF-8; rename it" in result.output) == (3, True)
    study = tmp_path / "study.toml"
    study.write_text('[[data]]\nfiles = "*.csv"\n', encoding="utf-8")
    assert "not UTF-8; rename it" in fault_of(lambda: load_study(study))
    assert len(read_sheet(path.rename(tmp_path / "a_µm.csv"))) == 1


@pytest.mark.parametrize("pattern", ["**/**/*.csv", "../../**/*.csv", "a**/*.csv", "/etc/*", "*" * 2000])
def test_patterns_that_would_walk_the_disk_are_refused(pattern: str, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(f'[[data]]\nfiles = "{pattern}"\n', encoding="utf-8")
    assert 'write it like "sweeps/*.txt"' in fault_of(lambda: load_study(study))


def test_patterns_find_what_they_did(tmp_path: Path) -> None:
    from mtjfit.input import files_fitting

    for name in ("a.csv", "s/b.csv", "s/t/c.csv", "s/d.txt", ".e.csv", ".h/f.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    for pattern in ("*.csv", "s/*", "**/*.csv", "s/?.csv", "[ab].csv", "s/b.csv", "*/*/c.csv", "s/../*.csv", "none/*"):
        shown = [each for each in tmp_path.glob(pattern) if not {".h", ".e.csv"} & set(each.parts)]
        assert files_fitting(tmp_path, pattern, 10) == sorted(shown)
    assert files_fitting(tmp_path, ".*/*.csv", 10) == [tmp_path / ".h" / "f.csv"]
    assert "fits more than 1 files" in fault_of(lambda: files_fitting(tmp_path, "**/*.csv", 1))
    for k in range(20):
        (tmp_path / "s" / f"{k}.dat").touch()
    assert "leads through more than 20" in fault_of(lambda: files_fitting(tmp_path, "**/*.none", 2))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"V,p\n" + b"\n" * 20_000, "f:10001: has more than 10000 lines"),
        as_slow((b"#x\n" * 20_000, "f:10001: has more than 10000 lines")),
        (b"1," * 60_000 + b"\n", "f:1: has more than 100000 bytes in a line"),
        (b",".join(b"c%d" % k for k in range(2000)) + b"\n" + b"1," * 1999 + b"1\n", "f:1: has more than 1000 columns"),
    ],
    ids=["blank lines", "comments", "one line", "columns"],
)
def test_texts_of_too_many_lines_or_columns_are_refused(text: bytes, fault: str) -> None:
    options = ReadOptions(max_bytes=200_000)
    for reader in ("tidy", "wide", "origin"):
        assert fault_of(lambda r=reader: sheets_from_bytes(source("f", text), r, options)).startswith(fault)
    if "columns" not in fault:
        assert "limit" not in fault_of(lambda: sheets_from_bytes(source("f", text), "tidy"))  # of usual size: no limit


@pytest.mark.parametrize(
    ("written", "kind"), [("1e-400", "small"), ("0." + "0" * 400 + "1", "small"), ("1e400", "large")]
)
def test_numbers_that_no_computer_holds_are_said(written: str, kind: str, tmp_path: Path) -> None:
    (sheet,) = sheets_from_bytes(source("f", f"V,p\n0,0.0\n{written},0e-999\n".encode()), "tidy")
    assert f"f:3: column 'V': '{written[:39]}" in (said := fault_of(lambda: sheet.numbers("V")))
    assert f"is too {kind}" in said
    assert sheet.numbers("p").tolist() == [0.0, 0.0]
    study = tmp_path / "study.toml"
    study.write_text(f"x = {written}\n", encoding="utf-8")
    assert f"is too {kind}" in fault_of(lambda: load_study(study))


@pytest.mark.parametrize(
    "text",
    ["a" + ".a" * 50_000 + " = 1", "a" + ' . "b c"' * 50_000 + " = 1", "[x" + ".a" * 39 + "]\na" + ".a" * 39 + " = 1",
     "a = " + "[" * 100 + "]" * 100, "a = " + "{b = " * 30 + "1" + "}" * 30],
    ids=["bare", "quoted", "twice", "lists", "tables"],
)  # fmt: skip
def test_deep_keys_are_refused_at_once(text: str, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(text, encoding="utf-8")
    assert unplaced(fault_of(lambda: load_study(study))).startswith("study.toml: is nested too deeply")


def test_names_of_other_files_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("root:$6$saltsaltsaltsalthashhashhash:1:2\n", encoding="utf-8")
    text = """[[data]]
file = "secret"
quantity = "torque"
per = "device"
perp_axis = "MxP"
sigma = "fit"
device = "A"
thickness = 2.0
[data.columns]
bias = "V"
par = "a"
perp = "b"
[data.units]
bias = "V"
torque = "arb"
thickness = "nm"
"""
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    said = fault_of(lambda: load_study(tmp_path / "study.toml"))
    assert "no such column (bias)" in said
    assert "hash" not in said


OWN_TABLES = """
CREATE TABLE experiments (exp_id INTEGER PRIMARY KEY, name, sample_name);
CREATE TABLE runs (run_id INTEGER PRIMARY KEY, exp_id, name, result_table_name);
CREATE TABLE dependencies (dependent, independent, axis_num);
CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);
INSERT INTO experiments VALUES (1, 'e', 's'); INSERT INTO runs VALUES (1, 1, 'r', 'results');
INSERT INTO dependencies VALUES (2, 1, 0);
"""
LAYOUTS = """CREATE TABLE layouts (layout_id INTEGER PRIMARY KEY, run_id, parameter, label, unit);
INSERT INTO layouts VALUES (1, 1, 'V', '', 'V'), (2, 1, 'T', '', 'mT');"""
RESULTS = "CREATE TABLE results (id INTEGER PRIMARY KEY, V, T); INSERT INTO results VALUES (1, 0.1, 0.2);"
VIEW = "CREATE VIEW results AS SELECT 1 AS id, 0.1 AS V, 0.2 AS T FROM t a, t b;"
COMPUTED = "CREATE TABLE results (id INTEGER PRIMARY KEY, V, T AS (V || V)); INSERT INTO results VALUES (1, 0.1);"
VIRTUAL = "CREATE VIRTUAL TABLE results USING fts5(V, T);"


def test_databases_that_compute_are_refused() -> None:
    read = lambda script: sheets_from_bytes(source("q.db", database(OWN_TABLES + script)), "qcodes")  # noqa: E731
    assert len(read(LAYOUTS + RESULTS)) == 1
    views = LAYOUTS.replace("TABLE layouts", "TABLE real").replace("INTO layouts", "INTO real")
    views += f"CREATE VIEW layouts AS SELECT real.* FROM real, t; {RESULTS}"  # noqa: S608 - of our own
    for script in (views, LAYOUTS + VIEW, LAYOUTS + COMPUTED, LAYOUTS + VIRTUAL):
        try:
            data = database(OWN_TABLES + script)
        except sqlite3.OperationalError:
            continue  # this SQLite has no such tables
        said = fault_of(lambda d=data: sheets_from_bytes(source("q.db", d), "qcodes"))
        assert "in place of storing it; export the run as netCDF or CSV" in said


SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONSHIP = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
SHARED_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
DECLARED = {
    "[Content_Types].xml": f'<Override PartName="/xl/sharedStrings.xml" ContentType="{SHARED_TYPE}"/></Types>',
    "xl/_rels/workbook.xml.rels": f'<Relationship Id="r9" Type="{RELATIONSHIP}" Target="sharedStrings.xml"/>'
    "</Relationships>",
}


def workbook(sheet: bytes, shared: bytes) -> bytes:
    """A workbook with this XML as its sheet and as its table of texts."""
    import openpyxl

    stream, made = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(stream)
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data, more = old.read(name), DECLARED.get(name, "").encode()
            data = data.replace(more[more.rfind(b"</") :], more) if more else data
            new.writestr(name, sheet if name.endswith("sheet1.xml") else data)
        new.writestr("xl/sharedStrings.xml", shared)
    return made.getvalue()


@pytest.mark.parametrize(
    ("inside", "text", "fault"),
    [
        (b"><!--" + (b"<x " + b">" * 999) * 1200 + b"-->", 1, "has too many, or too long, comments"),
        (b' a="' + b"x" * 1_500_000 + b'">', 1, "has more than 1000000 bytes without a mark"),
        (b">" + b"<x/>" * 110_000, 1, "has more than 100000 marks"),
        (b"><!DOCTYPE a []>", 1, "has a document type"),
        (b">", 50_000, "b.xlsx:41: unpacks to more than 2000000 bytes"),
        (b">", 1, ""),
    ],
    ids=["comment", "attribute", "marks", "document type", "text", "honest"],
)
def test_workbooks_that_are_slow_to_parse_are_refused(inside: bytes, text: int, fault: str) -> None:
    needs("excel")
    name = f'xmlns="{SPREADSHEET}"'.encode()
    rows = b"".join(b'<row r="%d"><c r="A%d" t="s"><v>0</v></c></row>' % (k, k) for k in range(1, 60))
    sheet = b"<worksheet " + name + inside + b"<sheetData>" + rows + b"</sheetData></worksheet>"
    shared = b"<sst " + name + b"><si><t>" + b"7" * text + b"</t></si></sst>"
    given, options = source("b.xlsx", workbook(sheet, shared)), ReadOptions(max_bytes=2_000_000)
    if fault:
        assert fault in fault_of(lambda: sheets_from_bytes(given, "excel", options))
    else:
        (found,) = sheets_from_bytes(given, "excel", options)
        assert found.columns[0].cells == ("7",) * 59


def test_hdf5_that_names_other_files_or_grows_is_refused(tmp_path: Path) -> None:
    needs("netcdf")
    import h5py

    secret = tmp_path / "secret"
    secret.write_bytes(b"0123456789abcdef")
    layout = h5py.VirtualLayout(shape=(5,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(5,))
    makers: dict[str, Callable[[h5py.File], object]] = {
        "in another file": lambda h: h.create_dataset("x", (16,), "u1", external=[(str(secret), 0, 16)]),
        "keeps the numbers of '/x'": lambda h: h.create_virtual_dataset("x", layout),
        "keeps '/g/x' in another file": lambda h: h.create_group("g").__setitem__("x", h5py.ExternalLink("o.h5", "x")),
        "unpacks to more": lambda h: h.create_dataset("x", (2,), "S1000000", chunks=(1,)),
        "unpacks to more than 1000000": lambda h: h.create_dataset("x", (2,), "f8", chunks=(10**6,), maxshape=(None,)),
    }
    for fault, make in makers.items():
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            make(file)
        options = ReadOptions(max_bytes=1_000_000)
        data = stream.getvalue()
        assert fault in fault_of(lambda d=data, o=options: sheets_from_bytes(source("x.nc", d), "netcdf", o))
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("x", data=[1.0, 2.0])
    (found,) = sheets_from_bytes(source("x.nc", stream.getvalue()), "netcdf")  # and no warning
    assert found.columns[-1].cells == ("1.0", "2.0")


def test_parquet_of_repeated_text_is_not_unpacked() -> None:
    needs("parquet")
    import pyarrow
    import pyarrow.parquet

    def packed(cells: object, **how: object) -> bytes:
        stream, table = io.BytesIO(), pyarrow.table({"a": cells})
        pyarrow.parquet.write_table(table, stream, store_schema=False, compression="zstd", **how)
        return stream.getvalue()

    delta = {"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}}
    zero = pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), 9000)
    beginnings = pyarrow.array([("x" * 10**6) + str(k) for k in range(30)])
    before = pyarrow.default_memory_pool().max_memory()
    for data in (
        packed(pyarrow.DictionaryArray.from_arrays(zero, ["x" * 10**6])),
        packed(beginnings, **delta),
        packed(pyarrow.array([b"x" * 10**6] * 30, pyarrow.binary(10**6))),
    ):
        given, options = source("p.parquet", data), ReadOptions(max_bytes=10**7)
        said = fault_of(lambda g=given, o=options: sheets_from_bytes(g, "parquet", o))
        assert "unpacks to more than 10000000 bytes" in said
    assert pyarrow.default_memory_pool().max_memory() - before < 10**8
    (found,) = sheets_from_bytes(source("p.parquet", packed(["b1", "b2", None], **delta)), "parquet")
    assert found.columns[0].cells == ("b1", "b2", "")


@pytest.mark.parametrize("text", ['file = "raw\\data.csv"', 'file = "C:\\Users\\x.csv"'])
def test_a_backslash_in_toml_is_explained(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write / in place of it, or put the text in '…' quotes"):
        toml_from(text, "study.toml")


def test_a_path_that_a_backslash_changed_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"raw\\new.csv: no such file; .* write / in place of it"):
        read_bytes(tmp_path / "raw\new.csv", "raw\new.csv", 10)


def test_halves_of_surrogate_pairs_are_no_toml() -> None:
    with pytest.raises(DataError, match="not UTF-8; rename it"):
        toml_string("a\udcffb")


@pytest.mark.parametrize("more", ["", "DROP TABLE runs;"], ids=["sound", "without runs"])
def test_databases_in_memory_are_closed(more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, made = database((FILES / "qcodes.sql").read_text(encoding="utf-8") + more), []
    connect = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", lambda name: made.append(connect(name)) or made[-1])
    with pytest.raises(DataError) if more else nullcontext():
        sheets_from_bytes(source("q.db", data), "qcodes")
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")
