"""One table of torques in many containers, as files of laboratories hold it."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest


@dataclass(frozen=True)
class Written:
    """A table to be written: columns of (name, unit, cells), and header parameters; cells are numbers or texts."""

    columns: tuple[tuple[str, str, tuple[float | str, ...]], ...]
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def header(self) -> list[str]:
        """Names with units in brackets."""
        return [f"{name} ({unit})" if unit else name for name, unit, _ in self.columns]

    @property
    def rows(self) -> list[tuple[float | str, ...]]:
        """Cells row by row."""
        return list(zip(*(cells for *_, cells in self.columns), strict=True))


def delimited(separator: str, decimal: str = ".", comment: str = "", encoding: str = "utf-8", header: bool = True):
    """A writer of text."""

    def write(table: Written, file: Path) -> None:
        lines = [separator.join(table.header)] if header else []
        lines += [separator.join(_text(cell, decimal) for cell in row) for row in table.rows]
        above = [f"{comment} made for a test, µ"] if comment else []
        file.write_bytes("\n".join([*above, *lines, ""]).encode(encoding))

    return write


def _text(cell: float | str, decimal: str) -> str:
    return cell if isinstance(cell, str) else repr(cell).replace(".", decimal)


def two_lines(table: Written, file: Path) -> None:
    """Names, and units below them."""
    lines = ["\t".join(name for name, *_ in table.columns), "\t".join(unit or "-" for _, unit, _ in table.columns)]
    lines += ["\t".join(_text(cell, ".") for cell in row) for row in table.rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def pymeasure(table: Written, file: Path) -> None:
    """Results of a procedure."""
    above = [
        "#Procedure: <lab.Sweep>",
        "#Parameters:",
        *(f"#\t{k}: {v}" for k, v in table.parameters.items()),
        "#Data:",
    ]
    lines = [*above, ",".join(table.header), *(",".join(_text(cell, ".") for cell in row) for row in table.rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def labview(table: Written, file: Path) -> None:
    """A free header above the table."""
    above = [f"{key}: {value}" for key, value in table.parameters.items()]
    lines = [*above, "", "\t".join(table.header), *("\t".join(_text(cell, ".") for cell in row) for row in table.rows)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def excel(table: Written, file: Path) -> None:
    """A workbook with a sheet of notes behind the table."""
    book = pytest.importorskip("openpyxl").Workbook()
    for row in (table.header, *table.rows):
        book.active.append(list(row))
    book.create_sheet("notes").append(["measured in the cellar"])
    book.create_sheet("empty")
    book.save(file)


def parquet(table: Written, file: Path) -> None:
    """Columns with units in their names."""
    pyarrow = pytest.importorskip("pyarrow")
    columns = {head: list(cells) for head, (*_, cells) in zip(table.header, table.columns, strict=True)}
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), file)


def netcdf(table: Written, file: Path) -> None:
    """Variables along the row, and a complex trace along another dimension."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    found = {name: ("row", np.array(cells), {"units": unit} if unit else {}) for name, unit, cells in table.columns}
    file.write_bytes(_netcdf_bytes(xarray.Dataset(found, attrs=dict(table.parameters))))


def _netcdf_bytes(data) -> bytes:
    stream = io.BytesIO()
    data.to_netcdf(stream, engine="h5netcdf")
    return stream.getvalue()


_TABLES = """
CREATE TABLE experiments (exp_id INTEGER PRIMARY KEY, name TEXT, sample_name TEXT);
CREATE TABLE runs (run_id INTEGER PRIMARY KEY, exp_id INTEGER, name TEXT, result_table_name TEXT, thickness TEXT);
CREATE TABLE layouts (layout_id INTEGER PRIMARY KEY, run_id INTEGER, parameter TEXT, label TEXT, unit TEXT,
  inferred_from TEXT);
CREATE TABLE dependencies (dependent INTEGER, independent INTEGER, axis_num INTEGER);
INSERT INTO runs VALUES (2, 1, 'S21', 'results-2', '');
INSERT INTO layouts VALUES (100, 2, 'S21', '', '', '');
CREATE TABLE "results-2" (id INTEGER PRIMARY KEY, S21);
"""


def qcodes(table: Written, file: Path) -> None:
    """A database with a run of the table, and one that holds a complex array."""
    stream = io.BytesIO()
    np.save(stream, np.array([1 + 2j]))
    names = [name for name, *_ in table.columns]
    with closing(sqlite3.connect(file)) as db:
        db.executescript(_TABLES)
        db.execute("INSERT INTO experiments VALUES (1, 'torkance', ?)", (table.parameters["sample"],))
        db.execute("INSERT INTO runs VALUES (1, 1, 'sweep', 'results-1', ?)", (table.parameters["thickness"],))
        for k, (name, unit, _) in enumerate(table.columns):
            db.execute("INSERT INTO layouts VALUES (?, 1, ?, '', ?, '')", (k, name, unit))
            if k:
                db.execute("INSERT INTO dependencies VALUES (?, 0, 0)", (k,))
        db.execute('CREATE TABLE "results-1" (id INTEGER PRIMARY KEY, "' + '", "'.join(names) + '")')
        for row in table.rows:
            db.execute('INSERT INTO "results-1" VALUES (NULL' + ", ?" * len(row) + ")", row)  # noqa: S608 - counts only
        db.execute('INSERT INTO "results-2" VALUES (1, ?)', (stream.getvalue(),))
        db.commit()


CONTAINERS: dict[str, tuple[str, Callable[[Written, Path], None]]] = {
    "comma": ("csv", delimited(",")),
    "tab": ("tsv", delimited("\t")),
    "semicolon and decimal comma": ("csv", delimited(";", ",")),
    "bar": ("txt", delimited("|")),
    "percent": ("csv", delimited(",", comment="%")),
    "latin-1": ("csv", delimited("\t", comment="#", encoding="cp1252")),
    "no header": ("csv", delimited(",", header=False)),
    "two header lines": ("txt", two_lines),
    "pymeasure": ("csv", pymeasure),
    "labview": ("lvm", labview),
    "excel": ("xlsx", excel),
    "parquet": ("parquet", parquet),
    "netcdf": ("nc", netcdf),
    "qcodes": ("db", qcodes),
}
