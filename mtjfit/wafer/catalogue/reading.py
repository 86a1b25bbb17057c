"""Queries of a catalogue: tables of devices, their sums, their faults, and a digest of everything."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.data.curve import FloatArray, Origin
from mtjfit.errors import DataError, Problem
from mtjfit.wafer.catalogue.records import Configuration, Source, Tally
from mtjfit.wafer.catalogue.schema import quoted
from mtjfit.wafer.origin import distinct, from_json, kinds

__all__ = [
    "ABOUT",
    "WITH_ORIGIN",
    "Chosen",
    "configuration_of",
    "configurations",
    "digest",
    "fault_frame",
    "frame_of",
    "origin_pieces",
    "origins_of",
    "pieces",
    "sums_of",
    "tally",
]

ABOUT = ("device", "wafer", "split", "flags")
"""Columns of every frame, before the quantities."""
WITH_ORIGIN = ("device", "wafer", "split", "origin", "flags")
"""The same where files are made, which travel alone."""

_PIECE = 5000
_ORDER = "ORDER BY sources.name, sources.identity, chunk, place"


@dataclass(frozen=True)
class Chosen:
    """Which devices of one configuration are asked for.

    Attributes
    ----------
    configuration : Configuration
    wafer, split : str or None
        None: all of them.
    flagged : bool or None
        True: only devices with a flag; False: only those without.
    """

    configuration: Configuration
    wafer: str | None = None
    split: str | None = None
    flagged: bool | None = None

    def where(self) -> tuple[str, tuple[str, ...]]:
        """Tables and condition, and the values of its parameters."""
        words = ["configurations.fingerprint = ?"]
        values = [self.configuration.fingerprint]
        for name, value in (("wafer", self.wafer), ("split", self.split)):
            if value is not None:
                words.append(f"{quoted(name)} = ?")
                values.append(value)
        if self.flagged is not None:
            words.append("devices.flags <> 0" if self.flagged else "devices.flags = 0")
        tables = (
            "FROM devices JOIN configurations ON configurations.id = devices.configuration "
            "JOIN sources ON sources.id = devices.source"
        )
        return f"{tables} WHERE {' AND '.join(words)}", tuple(values)


def configurations(connection: sqlite3.Connection) -> list[Configuration]:
    """All configurations, in the order in which they were begun."""
    rows = connection.execute("SELECT fingerprint, columns, units, flags, study FROM configurations ORDER BY id")
    return [
        Configuration(fingerprint, tuple(json.loads(columns)), json.loads(units), json.loads(flags), study)
        for fingerprint, columns, units, flags, study in rows
    ]


def configuration_of(connection: sqlite3.Connection, path: str, beginning: str = "") -> Configuration:
    """The configuration whose fingerprint begins so; with nothing given, the only one.

    Raises
    ------
    DataError
        None, or several.
    """
    known = configurations(connection)
    found = [each for each in known if each.fingerprint.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(each.fingerprint[:12] for each in known) or "none"
    what = "several configurations" if found else f"no configuration {beginning!r}" if beginning else "no devices yet"
    raise DataError([Problem(path, f"holds {what}", f"name one of its configurations ({listed})")])


def pieces(
    connection: sqlite3.Connection, chosen: Chosen, columns: Sequence[str] = ()
) -> Iterator[list[tuple[object, ...]]]:
    """Rows of the chosen devices in the order of their tables, some thousand at a time: `ABOUT`, then quantities.

    What is not determined is None. Each quantity is named; with no names, those of the configuration.

    Raises
    ------
    DataError
        A name is no quantity of the configuration.
    """
    columns = tuple(columns) or chosen.configuration.columns
    _refuse_unknown(columns, chosen.configuration)
    names = ", ".join(f"devices.{quoted(each)}" for each in (*ABOUT, *columns))
    where, values = chosen.where()
    rows = connection.execute(f"SELECT {names} {where} {_ORDER}", values)
    while piece := rows.fetchmany(_PIECE):
        yield piece


def origin_pieces(connection: sqlite3.Connection, chosen: Chosen) -> Iterator[list[tuple[object, ...]]]:
    """Rows of `WITH_ORIGIN` and all quantities, otherwise as of `pieces`."""
    where, values = chosen.where()
    own = {"origin": "(SELECT origins FROM chunks WHERE chunks.source = devices.source AND number = devices.chunk)"}
    columns = (*WITH_ORIGIN, *chosen.configuration.columns)
    names = ", ".join(own.get(each, f"devices.{quoted(each)}") for each in columns)
    rows, place = connection.execute(f"SELECT {names} {where} {_ORDER}", values), WITH_ORIGIN.index("origin")
    said: dict[str, str] = {}
    while piece := rows.fetchmany(_PIECE):
        for text in {row[place] for row in piece} - set(said):
            known = from_json(text)
            said[text] = kinds(known) if known else "not noted"
        yield [(*row[:place], said[row[place]], *row[place + 1 :]) for row in piece]


def origins_of(connection: sqlite3.Connection, configuration: Configuration) -> tuple[Origin, ...]:
    """The different origins of all chunks of a configuration; none where one of them does not know."""
    rows = connection.execute(
        "SELECT DISTINCT origins FROM chunks JOIN sources ON sources.id = source JOIN configurations "
        "ON configurations.id = configuration WHERE fingerprint = ?", (configuration.fingerprint,)
    ).fetchall()  # fmt: skip
    found = [from_json(row[0]) for row in rows]
    return distinct(each for some in found for each in some) if all(found) else ()


def frame_of(rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> pd.DataFrame:
    """Rows of `pieces` as a table; NaN where a quantity is not determined."""
    listed = list(zip(*rows, strict=True)) or [()] * (len(ABOUT) + len(columns))
    texts = {name: pd.Series(listed[k], dtype="str") for k, name in enumerate(ABOUT[:-1])}
    flags = {"flags": np.array(listed[len(ABOUT) - 1], dtype=np.int64)}
    values = {name: np.array(listed[len(ABOUT) + k], dtype=float) for k, name in enumerate(columns)}
    return pd.DataFrame(texts | flags | values)


def _refuse_unknown(columns: Sequence[str], configuration: Configuration) -> None:
    from mtjfit.errors import did_you_mean

    unknown = [name for name in columns if name not in configuration.columns]
    if unknown:
        raise DataError(
            [Problem(name, "is no quantity of this catalogue", did_you_mean(name, configuration.columns))
             for name in unknown]
        )  # fmt: skip


def sums_of(connection: sqlite3.Connection, chosen: Chosen) -> FloatArray:
    """Sufficient statistics of the chosen devices, in the order of `pieces`, shape (J, n_sums)."""
    where, values = chosen.where()
    rows = connection.execute(f"SELECT devices.sums {where} {_ORDER}", values).fetchall()
    if not rows:
        return np.zeros((0, 0))
    return np.frombuffer(b"".join(row[0] for row in rows), dtype="<f8").reshape(len(rows), -1).astype(float)


def fault_frame(connection: sqlite3.Connection, configuration: Configuration) -> pd.DataFrame:
    """Devices that could not be used: columns device, wafer, split, where, what, todo, table."""
    faults = (
        "SELECT device, wafer, split, at, what, todo, sources.name FROM faults JOIN sources ON sources.id = source "
        "JOIN configurations ON configurations.id = configuration WHERE fingerprint = ? "
    )
    rows = connection.execute(faults + _ORDER, (configuration.fingerprint,)).fetchall()
    return pd.DataFrame(rows, columns=["device", "wafer", "split", "where", "what", "todo", "table"], dtype="str")


def tally(connection: sqlite3.Connection, source: Source) -> Tally:
    """Numbers of devices of a table."""
    of = (source.id,)
    flags = dict(connection.execute("SELECT flags, count(*) FROM devices WHERE source = ? GROUP BY flags", of))
    faults = int(connection.execute("SELECT count(*) FROM faults WHERE source = ?", of).fetchone()[0])
    return Tally(sum(flags.values()), faults, flags)


def digest(connection: sqlite3.Connection) -> str:
    """sha256 of all that a catalogue says of devices, whatever the order and the chunks in which it was written.

    Not in it: times, places of files, sizes and numbers of chunks, and the texts of study files.
    """
    found = hashlib.sha256()
    for each in sorted(configurations(connection), key=lambda one: one.fingerprint):
        _add(found, each.fingerprint, *each.columns)
        key = (each.fingerprint,)
        under = "configuration = (SELECT id FROM configurations WHERE fingerprint = ?)"
        for row in connection.execute(f"SELECT identity FROM sources WHERE {under} ORDER BY 1", key):  # noqa: S608
            _add(found, *row)
        for origin in origins_of(connection, each):
            _add(found, origin.kind, origin.note)
        names = ", ".join(quoted(name) for name in ("device", "wafer", "split", "sums", "flags", *each.columns))
        numbers = struct.Struct(f"<q{len(each.columns)}d")
        devices = f"SELECT {names} FROM devices WHERE {under} ORDER BY wafer, device"  # noqa: S608 - quoted
        for device, wafer, split, sums, flags, *values in connection.execute(devices, key):
            _add(found, device, wafer, split, sums)
            found.update(numbers.pack(flags, *(np.nan if value is None else value for value in values)))
        faults = "SELECT device, wafer, split, what FROM faults JOIN sources ON sources.id = source WHERE "
        for row in connection.execute(f"{faults}{under} ORDER BY 1, 2, 3, 4", key):
            _add(found, *row)
    return found.hexdigest()


def _add(found: hashlib._Hash, *parts: str | bytes) -> None:
    """Each part with its length before it, so that no two lists of parts give the same bytes."""
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(struct.pack("<q", len(data)))
        found.update(data)
