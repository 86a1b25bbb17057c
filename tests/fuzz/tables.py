"""Small tables in all containers, each made from a number: sound, or with a fault or two."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
from faulty import NUMBERS, STRINGS

from mtjfit.data import SourceFile

_EXAMPLES = Path(__file__).parents[1] / "data" / "files"
_ABOVE = ("Torkance of lot 7", "Power,18", "Setting 1,on", "Model,2450,SN,1234,FW,1.6,Opt,a,b,c", "A,B,C,D,E,F", "",
          "INFO,a,b", "Channel,unit one,unit two,x,y,z", "# a comment", "mV,mT")  # fmt: skip
_UNITS = ("mV", "mT/V", "mT/V", "mT/V", "mT/V", "mT/V")
_NAMES = ("V", "par", "perp", "s1", "s2", "t")
_LIBRARIES = {"excel": "openpyxl", "parquet": "pyarrow", "hdf5": "h5py", "netcdf": "h5netcdf", "tdms": "nptdms"}
_WEIGHTS = {
    "text": 70,
    "gzip": 6,
    "matlab": 8,
    "excel": 5,
    "parquet": 4,
    "hdf5": 2,
    "netcdf": 1,
    "qcodes": 2,
    "tdms": 2,
}

_CHANGES = ("cell", "cell", "number", "fewer", "more", "gone", "twice", "insert", "junk", "swap", "cut", "sep")
_IN_BYTES = ("flip", "flip", "in", "out", "cut", "zeros", "twice")


@dataclass(frozen=True)
class Made:
    """A file; `rows` are the numbers of those of its rows that have no fault, by line."""

    source: SourceFile
    container: str
    rows: dict[int, tuple[float, ...]]
    sound: bool
    separator: str = ""
    decimal: str = "."


def made(seed: int) -> Made:
    """The file of a number."""
    rng = Random(seed)  # noqa: S311
    kinds = [each for each in _WEIGHTS if find_spec(_LIBRARIES.get(each, "numpy")) is not None]
    container = rng.choices(kinds, [_WEIGHTS[each] for each in kinds])[0]
    if container in ("text", "gzip"):
        return _text(rng, container)
    data, sound = _binary(container, rng.randrange(8)), rng.random() < 0.1
    if not sound:
        data = _members(rng, data) if container == "excel" and rng.random() < 0.6 else _bytes(rng, data, container)
    name = "t" + {"excel": ".xlsx", "netcdf": ".nc", "matlab": ".mat", "qcodes": ".db"}.get(container, ".dat")
    return Made(SourceFile(name, data, name), container, {}, sound)


def _table(rng: Random) -> list[tuple[float, ...]]:
    """Rows of which every one differs in its first number."""
    width, start = rng.randint(2, 6), rng.randint(-20, 20)
    return [
        (start + 0.125 * k, *(round(rng.gauss(0, 1), rng.randint(1, 9)) for _ in range(width - 1)))
        for k in range(rng.randint(3, 30))
    ]


def _text(rng: Random, container: str) -> Made:
    separator = rng.choice((",", ",", ";", "\t", "|", " ", "  "))
    decimal = "," if separator not in (",",) and rng.random() < 0.2 else "."
    lines, intact, plain = _laid_out(rng, separator, decimal)
    if rng.random() < 0.08:  # a second table, whose rows may not hide those of the first
        more, rows, plain = *_laid_out(rng, separator, decimal)[:2], False
        intact |= {len(lines) + k: row for k, row in rows.items()}
        lines += more
    sound = rng.random() < 0.25
    for _ in range(0 if sound else rng.choice((1, 1, 1, 2, 3))):
        intact = _change(rng, lines, intact, separator)
    end = rng.choice(("\n", "\n", "\r\n"))
    data, name = (end.join(lines) + end).encode("utf-8", "replace"), "t.csv"
    if not sound and rng.random() < 0.2:
        data, intact = _bytes(rng, data, container), {}
    if any(each in "\r\x85\u2028\x0b\x0c\x1c\x1d\x1e" for line in lines for each in line if not each.isprintable()):
        intact = {}
    if container == "gzip":
        data, name = gzip.compress(data, 1), "t.csv.gz"
        data = data if sound or rng.random() < 0.5 else _bytes(rng, data, container)
    kind = "space" if separator.isspace() and separator != "\t" else separator
    found = {number + 1: row for number, row in intact.items()}
    return Made(SourceFile(name, data, name), container, found, sound and plain, kind, decimal)


def _laid_out(rng: Random, separator: str, decimal: str) -> tuple[list[str], dict[int, tuple[float, ...]], bool]:
    """Lines of a table, its rows among them, and whether there is nothing odd about it."""
    rows = _table(rng)
    above = [each.replace(",", separator) for each in rng.choices(_ABOVE, k=rng.choice((0, 0, 0, 1, 2, 12)))]
    if separator.isspace() and separator != "\t":
        above = [each for each in above if " " not in each.strip("# ") or each.startswith("#")]
    device = rng.choice((None, None, None, "A1", "D{}"))
    ragged = rng.choice((0, 0, 0, 0, 0, 1, 2)) if len(rows[0]) > 3 and not separator.isspace() else 0
    first = [] if device is None else ["device"]
    names = [separator.join([*first, *_NAMES[: len(rows[0])]])] if rng.random() < 0.95 else []
    units = [separator.join(_UNITS[: len(rows[0])])] if names and rng.random() < 0.15 else []
    excel = [f"sep={separator}"] if len(separator) == 1 and separator != " " and rng.random() < 0.05 else []
    head = [*excel, *above, *names, *units]
    lines = list(head)
    for k, row in enumerate(rows):
        cells = [_written(each, decimal) for each in row]
        if ragged and k >= len(rows) // 3:
            cells[-ragged:] = [""] * ragged if rng.random() < 0.5 or ragged == 1 else cells[-ragged:]
        lines.append(separator.join(cells if device is None else [device.format(k), *cells]))
    return lines, dict(enumerate(rows, start=len(head))), bool(names) and not (above or device or ragged)


def _written(value: float, decimal: str) -> str:
    return repr(value).replace(".", decimal)


def _change(rng: Random, lines: list[str], intact: dict[int, tuple[float, ...]], separator: str) -> dict:
    """Change a line, and say which rows are still what they were."""
    k, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.choice(
        ("cell", "cell", "number", "fewer", "more", "gone", "twice", "insert", "junk", "swap", "cut", "sep")
    )
    cells = lines[k].split(separator)
    place = rng.randrange(len(cells))
    kept = {n: row for n, row in intact.items() if n != k}
    if what in ("gone", "twice", "insert", "junk"):
        shift = -1 if what == "gone" else 1
        if what == "gone":
            del lines[k]
        else:
            new = {"twice": lines[k], "insert": lines[other], "junk": rng.choice((*STRINGS, *NUMBERS, *_ABOVE))}[what]
            if "\n" in new or "\r" in new:
                return {}
            lines.insert(k, new)
        if what != "gone" and k in intact:
            kept[k] = intact[k]
        return {n + shift if n >= k else n: row for n, row in kept.items()}
    if what == "swap":
        lines[k], lines[other] = lines[other], lines[k]
        return {n: row for n, row in kept.items() if n != other}
    new = rng.choice(STRINGS if what == "cell" else NUMBERS)
    if "\n" in new or "\r" in new or '"' in new:
        new = "x"
    changed = {"fewer": cells[:place] + cells[place + 1 :], "more": [*cells[:place], new, *cells[place:]]}
    cells[place] = new
    lines[k] = {"cut": lines[k][: rng.randrange(len(lines[k]) + 1)], "sep": lines[k].replace(separator, "/")}.get(
        what, separator.join(changed.get(what, cells))
    )
    return kept


def _bytes(rng: Random, data: bytes, container: str) -> bytes:
    """Bytes changed, put in, taken out or cut off; those of HDF5 and Parquet are only cut off.

    The rest is up to their libraries, in C: pyarrow ends the process where statistics of a column are damaged.
    """
    k, n = rng.randrange(len(data) + 1), rng.choice((1, 1, 4, 30))
    what = "cut" if container in ("hdf5", "netcdf", "parquet") else rng.choice(_IN_BYTES)
    return {
        "flip": data[:k] + bytes(b ^ rng.randrange(1, 256) for b in data[k : k + n]) + data[k + n :],
        "in": data[:k] + rng.randbytes(n) + data[k:], "out": data[:k] + data[k + n :], "cut": data[:k],
        "zeros": data[:k] + bytes(n) + data[k + n :], "twice": data + data,
    }[what]  # fmt: skip


def _members(rng: Random, data: bytes) -> bytes:
    """A part of a zip archive changed, with sums that are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    which = rng.choice(sorted(parts))
    parts[which] = _bytes(rng, parts[which], "excel")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)
    return stream.getvalue()


@cache
def _binary(container: str, k: int) -> bytes:
    """A sound file of a container."""
    rows = np.array(_table(Random(k)))  # noqa: S311
    columns = {name: rows[:, i] for i, name in zip(range(rows.shape[1]), _NAMES, strict=False)}
    stream = io.BytesIO()
    writers: dict[str, Callable[[], object]] = {
        "excel": lambda: _write_excel(stream, columns, k), "parquet": lambda: _write_parquet(stream, columns),
        "matlab": lambda: _write_matlab(stream, columns, k), "hdf5": lambda: _write_hdf5(stream, columns),
        "tdms": lambda: _write_tdms(stream, columns), "netcdf": lambda: stream.write(
            (_EXAMPLES / ("netcdf.nc" if k % 4 == 0 else "netcdf_classic.nc")).read_bytes()),
        "qcodes": lambda: stream.write(_database()),
    }  # fmt: skip
    writers[container]()
    return stream.getvalue()


def _write_excel(stream: io.BytesIO, columns: dict[str, np.ndarray], k: int) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for line in [["Lot 7"], []][: k % 3]:
        book.active.append(line)
    book.active.append(list(columns))
    for row in np.array(list(columns.values())).T.tolist():
        book.active.append(row)
    book.save(stream)


def _write_parquet(stream: io.BytesIO, columns: dict[str, np.ndarray]) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), stream)


def _write_matlab(stream: io.BytesIO, columns: dict[str, np.ndarray], k: int) -> None:
    from scipy.io import savemat

    inner = {"s": {**columns, "u": "mT"}, "who": "A1", "T": 300.0, "f": np.array(["a", "b"], dtype=object)}
    savemat(stream, {**columns, **(inner if k % 2 else {})}, do_compression=k % 4 > 1)


def _write_hdf5(stream: io.BytesIO, columns: dict[str, np.ndarray]) -> None:
    import h5py

    with h5py.File(stream, "w") as file:
        for name, values in columns.items():
            file[f"sweep/{name}"] = values


def _write_tdms(stream: io.BytesIO, columns: dict[str, np.ndarray]) -> None:
    from nptdms import ChannelObject, TdmsWriter

    with TdmsWriter(stream) as writer:
        writer.write_segment([ChannelObject("sweep", name, values) for name, values in columns.items()])


def _database() -> bytes:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript((_EXAMPLES / "qcodes.sql").read_text(encoding="utf-8"))
        db.commit()
        return db.serialize()
