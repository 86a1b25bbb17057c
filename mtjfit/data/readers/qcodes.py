"""Databases of QCoDeS (SQLite): the runs in them, read from a copy in memory and never written to."""

from __future__ import annotations

import io
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from mtjfit.data.readers.sheet import (
    Column,
    ReadOptions,
    Sheet,
    SourceFile,
    Unpacked,
    cell_text,
    third_party,
    whole_or_faulty,
)

_MAGIC = b"SQLite format 3\x00"
_STEPS, _MAX_CALLS = 100_000, 5_000
_MAX_LABEL, _SHOWN = 500, 80
_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\b", re.IGNORECASE)
_LARGE = {"run_description", "snapshot", "parameters"}
"""Columns of the table of runs that can hold megabytes, and are not read."""
_OWN = {
    *("run_id", "exp_id", "result_table_name", "result_counter", "run_timestamp", "completed_timestamp"),
    *("is_completed", "parameters", "run_description", "snapshot", "guid", "parent_datasets", "captured_run_id"),
    *("captured_counter", "measurement_exception", "export_info", "inspectr_tag"),
}
"""Columns of the table of runs that say nothing of the sample or the measurement."""


_Record: TypeAlias = dict[str, object]


@dataclass(frozen=True)
class _Parameter:
    layout: int
    name: str
    label: str
    unit: str | None
    inferred_from: frozenset[str]


def read_qcodes(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet for each run, or several where its measured parameters have different set points.

    Name of the run, sample, experiment and metadata become header parameters. Places in messages are record numbers of
    the table of results.
    """
    with (
        third_party(source, "QCoDeS database", "export the run as netCDF or CSV"),
        closing(sqlite3.connect(":memory:")) as db,
    ):
        _fill(db, source)
        unpacked = Unpacked(source, options.max_cells, options.max_bytes)
        runs = _table(db, "runs", unpacked)
        experiments = {row["exp_id"]: row for row in _table(db, "experiments", unpacked)}
        layouts: dict[object, list[_Record]] = {}
        for row in _table(db, "layouts", unpacked):
            layouts.setdefault(row["run_id"], []).append(row)
        edges: dict[int, list[tuple[int, int]]] = {}
        for row in _table(db, "dependencies", unpacked):
            axis, dependent, independent = (_number(row, k) for k in ("axis_num", "dependent", "independent"))
            edges.setdefault(dependent, []).append((axis, independent))
        if options.sheet:
            known = ", ".join(str(row["run_id"]) for row in runs[:40])
            runs = [row for row in runs if str(row["run_id"]) == options.sheet]
            if not runs:
                raise source.fault(f"has no run {options.sheet!r}", f"there are {known}")
        if not runs:
            raise source.fault("holds no runs", "measure something")
        sheets: list[Sheet] = []
        for run in runs:
            experiment, parameters = experiments.get(run["exp_id"], {}), layouts.get(run["run_id"], [])
            label = f"{source.label}[run {run['run_id']}]"
            read = partial(_filled_run, unpacked, db, run, experiment, parameters, edges)
            sheets += whole_or_faulty(label, "qcodes", str(run["run_id"]), read)
    return tuple(sheets)


def recognises_qcodes(source: SourceFile) -> bool:
    """True for any SQLite database; its tables are not looked at."""
    return source.data.startswith(_MAGIC)


def _fill(db: sqlite3.Connection, source: SourceFile) -> None:
    """Copy the file into a database in memory, which can only be looked at from then on."""
    if not source.data.startswith(_MAGIC):
        raise source.fault("is no SQLite database", "name the .db file of QCoDeS")
    # Journals of "WAL" databases live in another file; a copy in memory has none.
    data = source.data[:18] + b"\x01\x01" + source.data[20:]
    db.deserialize(data)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(max(len(data), 1000), 2**31 - 1))  # no value that is stored is longer
    db.execute("PRAGMA trusted_schema = OFF")
    calls = iter(range(_MAX_CALLS))
    # A damaged file can make any query endless.
    db.set_progress_handler(lambda: next(calls, None) is None, _STEPS)
    db.set_authorizer(_authorised)
    db.text_factory = lambda data: data.decode("utf-8", "replace")


def _authorised(action: int, name: str | None, *_: str | None) -> int:
    is_known = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
    is_known |= action == sqlite3.SQLITE_PRAGMA and name == "table_xinfo"
    return sqlite3.SQLITE_OK if is_known else sqlite3.SQLITE_DENY


def _number(row: _Record, key: str) -> int:
    return int(str(row[key]))


def _quoted(name: object) -> str:
    return '"' + str(name).replace('"', '""') + '"'


def _stored(source: SourceFile, db: sqlite3.Connection, name: object) -> list[str]:
    """Columns of a table; views, virtual tables and columns that are computed are refused, as they can be endless."""
    found = db.execute("SELECT type, sql FROM sqlite_master WHERE name = ? COLLATE NOCASE", (name,)).fetchall()
    if not found:
        raise source.fault(f"has no table {str(name)[:_SHOWN]!r}", "name the .db file of QCoDeS")
    is_stored = all(kind == "table" and not _VIRTUAL.match(str(sql)) for kind, sql in found)
    columns = db.execute(f"PRAGMA table_xinfo({_quoted(name)})").fetchall() if is_stored else []
    if not is_stored or any(hidden for *_, hidden in columns):
        what = f"is no QCoDeS database that can be read: it computes {str(name)[:_SHOWN]!r} in place of storing it"
        raise source.fault(what, "export the run as netCDF or CSV")
    return [str(column[1]) for column in columns if str(column[1]) not in _LARGE]


def _table(db: sqlite3.Connection, name: str, unpacked: Unpacked) -> list[_Record]:
    keys = _stored(unpacked.source, db, name)
    rows = []
    # quoted, and nothing but reading is allowed
    for row in db.execute(f"SELECT {', '.join(map(_quoted, keys))} FROM {_quoted(name)}"):  # noqa: S608
        unpacked.count(row)
        rows.append(dict(zip(keys, row, strict=True)))
    return rows


def _filled_run(
    unpacked: Unpacked,
    db: sqlite3.Connection,
    run: _Record,
    experiment: _Record,
    layouts: Sequence[_Record],
    edges: Mapping[int, list[tuple[int, int]]],
) -> tuple[Sheet, ...]:
    found = tuple(_run(unpacked, db, run, experiment, layouts, edges))
    if not found:
        one = replace(unpacked.source, label=f"{unpacked.source.label}[run {run['run_id']}]")
        raise one.fault("holds no results", "choose a run with results")
    return found


def _run(
    unpacked: Unpacked,
    db: sqlite3.Connection,
    run: _Record,
    experiment: _Record,
    layouts: Sequence[_Record],
    edges: Mapping[int, list[tuple[int, int]]],
) -> Iterator[Sheet]:
    source = unpacked.source
    parameters = [
        _Parameter(
            _number(row, "layout_id"),
            str(row["parameter"]),
            str(row["label"] or ""),
            cell_text(row["unit"]) or None,
            frozenset(re.split(r",\s*", cell_text(row.get("inferred_from")))) - {""},
        )
        for row in layouts
    ]
    by_layout = {each.layout: each for each in parameters}
    axes = {
        each.layout: [by_layout[i] for _, i in sorted(edges.get(each.layout, [])) if i in by_layout]
        for each in parameters
    }
    set_points = {i.layout for each in axes.values() for i in each}
    measured = [each for each in parameters if each.layout not in set_points]
    label = f"{source.label}[run {run['run_id']}]"
    metadata = _metadata(run, experiment)
    groups: dict[object, tuple[list[_Parameter], list[list[str]], list[int]]] = {}
    beside: set[int] = set()  # parameters that stand in the rows of those that they are inferred from
    for each in sorted(measured, key=lambda each: not axes[each.layout]):
        own = axes[each.layout]
        if each.layout in beside and not own:
            continue
        inferred = [p for p in measured if p != each and not axes[p.layout]]
        of_axes = _inferred(inferred, own)
        of_each = [p for p in _inferred(inferred, [*own, each]) if p not in of_axes]
        wanted = [*own, *of_axes, each, *of_each]
        columns, lines = _values(unpacked, db, run["result_table_name"], wanted, each, label)
        if not lines:
            continue
        found = [(p, cells) for p, cells in zip(wanted, columns, strict=True) if p in (*own, each) or any(cells)]
        beside |= {p.layout for p, _ in found if p in inferred}
        points = [(p, cells) for p, cells in found if p in own or p in of_axes]
        key = tuple((p.layout, tuple(cells)) for p, cells in points) if own else each
        group, cells, _ = groups.setdefault(key, ([p for p, _ in points], [cells for _, cells in points], lines))
        for p, values in found:
            if p == each or p in of_each:
                group.append(p)
                cells.append(values)
    for k, (group, cells, lines) in enumerate(groups.values()):
        columns_of = tuple(Column(p.name, p.unit, tuple(texts), p.label) for p, texts in zip(group, cells, strict=True))
        one = label if len(groups) == 1 else f"{label[:-1]}.{k + 1}]"
        yield Sheet(one, "qcodes", columns_of, tuple(lines), metadata=metadata)


def _inferred(candidates: Sequence[_Parameter], known: Sequence[_Parameter]) -> list[_Parameter]:
    """Candidates that are inferred from nothing but known parameters, directly or from one another."""
    names, found = {each.name for each in known}, list[_Parameter]()
    while more := [p for p in candidates if p not in found and p.inferred_from and p.inferred_from <= names]:
        found += more
        names |= {each.name for each in more}
    return found


def _metadata(run: _Record, experiment: _Record) -> dict[str, str]:
    found = {"run": cell_text(run["run_id"]), "experiment": cell_text(experiment.get("name")),
             "sample": cell_text(experiment.get("sample_name"))}  # fmt: skip
    for key, value in run.items():
        text = "" if key in _OWN or isinstance(value, bytes) else cell_text(value)
        if 0 < len(text) <= _MAX_LABEL:
            found[key] = text
    return {key: value for key, value in found.items() if value}


def _values(
    unpacked: Unpacked,
    db: sqlite3.Connection,
    table: object,
    wanted: Sequence[_Parameter],
    measured: _Parameter,
    label: str,
) -> tuple[list[list[str]], list[int]]:
    source = unpacked.source
    _stored(source, db, table)
    names = ", ".join(_quoted(each.name) for each in wanted)
    known = _quoted(measured.name)
    query = f"SELECT id, {names} FROM {_quoted(table)} WHERE {known} IS NOT NULL ORDER BY id"  # noqa: S608 - as above
    columns: list[list[str]] = [[] for _ in wanted]
    lines: list[int] = []
    for number, *values in db.execute(query):
        cells = [_cell(unpacked, label, number, each.name, value) for each, value in zip(wanted, values, strict=True)]
        n = max(len(each) for each in cells)
        if any(len(each) not in (1, n) for each in cells):
            raise source.fault(f"record {number} holds arrays of different lengths", "export the run as netCDF")
        for column, each in zip(columns, cells, strict=True):
            unpacked.add(n if len(each) == 1 else 0)
            column += each * n if len(each) == 1 and n > 1 else each
        lines += [int(number)] * n
    return columns, lines


def _cell(unpacked: Unpacked, label: str, number: object, name: str, value: object) -> list[str]:
    unpacked.count((value,))
    if not isinstance(value, bytes):
        return [cell_text(value)]
    array = _array(value)
    if array is None:
        what = f"record {number} of {label}, {name!r}, is no array of real numbers"
        raise unpacked.source.fault(what, "export the run as netCDF, complex numbers as real and imaginary part")
    unpacked.add(array.size)
    return [cell_text(each) for each in array.ravel().tolist()]


def _array(data: bytes) -> np.ndarray | None:
    """An array as QCoDeS stores it (NumPy's own format), without pickles, and no longer than its bytes."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except Exception:  # NumPy parses the header as Python literals, which fail in many ways
        return None
    rest = data[stream.tell() :]
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if dtype.kind not in "fiub" or dtype.itemsize * count != len(rest):
        return None
    return np.frombuffer(rest, dtype=dtype)
