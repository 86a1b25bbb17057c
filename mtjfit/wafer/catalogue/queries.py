"""Queries of a catalogue: tables of devices, their sums, their faults, and a digest of everything."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mtjfit.data.curve import FloatArray, Origin
from mtjfit.data.origin import distinct, from_json, kinds
from mtjfit.errors import DataError, Problem
from mtjfit.wafer.catalogue.connection import plainly
from mtjfit.wafer.catalogue.export import export_rows
from mtjfit.wafer.catalogue.schema import ABOUT, WITH_ORIGIN, Configuration, Row, Source, Tally, quoted

__all__ = ["Queries"]

_PIECE = 5000  # rows in memory at a time
_ORDER = "ORDER BY sources.name, sources.identity, chunk, place"
_ORIGIN = "(SELECT origins FROM chunks WHERE chunks.source = devices.source AND number = devices.chunk)"


@dataclass(frozen=True, eq=False)
class Queries:
    """All that can be read from an open catalogue; methods raise DataError for a damaged file."""

    path: Path
    connection: sqlite3.Connection

    @property
    def n_devices(self) -> int:
        """Reduced devices of all configurations and tables."""
        with plainly(self.path):
            return int(self.connection.execute("SELECT count(*) FROM devices").fetchone()[0])

    def done(self, source: Source) -> frozenset[int]:
        """Numbers of the chunks of a table that are written, and do not lack what an earlier version did not note."""
        said = "SELECT number FROM chunks WHERE source = ? AND origins <> ''"
        with plainly(self.path):
            return frozenset(int(row[0]) for row in self.connection.execute(said, (source.id,)))

    def tally(self, source: Source) -> Tally:
        """Numbers of devices of a table that are written."""
        of, count = (source.id,), "SELECT flags, count(*) FROM devices WHERE source = ? GROUP BY flags"
        with plainly(self.path):
            flags = dict(self.connection.execute(count, of))
            faults = self.connection.execute("SELECT count(*) FROM faults WHERE source = ?", of).fetchone()
        return Tally(sum(flags.values()), int(faults[0]), flags)

    def configurations(self) -> list[Configuration]:
        """All configurations, in the order in which they were begun."""
        said = "SELECT fingerprint, columns, units, flags, study FROM configurations ORDER BY id"
        with plainly(self.path):
            return [
                Configuration(fingerprint, tuple(json.loads(columns)), json.loads(units), json.loads(flags), study)
                for fingerprint, columns, units, flags, study in self.connection.execute(said)
            ]

    def configuration(self, beginning: str = "") -> Configuration:
        """The configuration whose fingerprint begins so; with nothing given, the only one.

        Raises
        ------
        DataError
            None, or several.
        """
        known = self.configurations()
        found = [each for each in known if each.fingerprint.startswith(beginning)]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(each.fingerprint[:12] for each in known) or "none"
        missing = f"no configuration {beginning!r}" if beginning else "no devices yet"
        what = f"holds {'several configurations' if found else missing}"
        raise DataError([Problem(str(self.path), what, f"name one of its configurations ({listed})")])

    def sources(self, configuration: str = "") -> list[Source]:
        """Tables that devices of a configuration come from, in the order of queries."""
        chosen = self.configuration(configuration)
        said = (
            "SELECT sources.id, name, identity, chunk_size FROM sources JOIN configurations "
            "ON configurations.id = sources.configuration WHERE fingerprint = ? ORDER BY name, identity"
        )
        with plainly(self.path):
            rows = self.connection.execute(said, (chosen.fingerprint,)).fetchall()
        return [Source(int(row[0]), chosen, str(row[1]), str(row[2]), int(row[3])) for row in rows]

    def origins(self, configuration: str = "") -> tuple[Origin, ...]:
        """Where the devices of a configuration come from, as their tables declare it; what is not measured first.

        Raises
        ------
        DataError
            Some of them were written by a version that did not note it, or there are none.
        """
        found = self._origins(self.configuration(configuration))
        if not found:
            what = "does not say whether its devices were measured or simulated"
            todo = "repeat mtjfit batch as before: it notes what was left out"
            raise DataError([Problem(str(self.path), what, todo)])
        return found

    def _origins(self, configuration: Configuration) -> tuple[Origin, ...]:
        """The different origins of all chunks; none where one of them does not know."""
        said = (
            "SELECT DISTINCT origins FROM chunks JOIN sources ON sources.id = source JOIN configurations "
            "ON configurations.id = configuration WHERE fingerprint = ?"
        )
        with plainly(self.path):
            found = [from_json(row[0]) for row in self.connection.execute(said, (configuration.fingerprint,))]
        return distinct(each for some in found for each in some) if all(found) else ()

    def frame(
        self,
        columns: Sequence[str] = (),
        *,
        wafer: str | None = None,
        split: str | None = None,
        flagged: bool | None = None,
        configuration: str = "",
    ) -> pd.DataFrame:
        """Devices as a table, in the order of the measured tables.

        Parameters
        ----------
        columns : sequence of str
            Quantities; none: all of them. Units: ``catalogue.configuration().units``.
        wafer, split : str, optional
            Only devices of one wafer, of one split.
        flagged : bool, optional
            Only devices with a flag, or only those without.
        configuration : str
            Beginning of its fingerprint, where the catalogue holds several.

        Returns
        -------
        DataFrame
            Columns device, wafer, split, flags and the quantities; NaN where a quantity is not determined. Devices that
            could not be used stand in `faults`.

        Raises
        ------
        DataError
            No such quantity or configuration.
        """
        chosen = self.configuration(configuration)
        named = tuple(columns) or chosen.columns
        _refuse_unknown(named, chosen)
        cells = [f"devices.{quoted(each)}" for each in (*ABOUT, *named)]
        with plainly(self.path):
            frames = [_frame(rows, named) for rows in self._rows(cells, chosen, wafer, split, flagged)]
        return pd.concat(frames or [_frame((), named)], ignore_index=True)

    def sums(
        self,
        *,
        wafer: str | None = None,
        split: str | None = None,
        flagged: bool | None = None,
        configuration: str = "",
    ) -> FloatArray:
        """Sufficient statistics, one row for each row of `frame` with the same choice, shape (J, n_sums)."""
        chosen = self.configuration(configuration)
        with plainly(self.path):
            pieces = self._rows(["devices.sums"], chosen, wafer, split, flagged)
            blobs = [row[0] for rows in pieces for row in rows]
        if not blobs:
            return np.zeros((0, 0))
        return np.frombuffer(b"".join(blobs), dtype="<f8").reshape(len(blobs), -1).astype(float)

    def faults(self, configuration: str = "") -> pd.DataFrame:
        """Devices that could not be used, and why: columns device, wafer, split, where, what, todo, table."""
        said = (
            "SELECT device, wafer, split, at, what, todo, sources.name FROM faults JOIN sources ON sources.id = source "
            "JOIN configurations ON configurations.id = configuration WHERE fingerprint = ? "
        )
        chosen = self.configuration(configuration)
        with plainly(self.path):
            rows = self.connection.execute(said + _ORDER, (chosen.fingerprint,)).fetchall()
        return pd.DataFrame(rows, columns=["device", "wafer", "split", "where", "what", "todo", "table"], dtype="str")

    def export(self, path: str | Path, *, configuration: str = "") -> int:
        """All devices of a configuration as CSV or Parquet, by the ending of the name; returns their number.

        The column ``origin`` says of each one whether it was measured.

        Raises
        ------
        ConfigError
            Another ending, no such folder, or pyarrow is missing.
        MtjfitError
            The file cannot be written.
        """
        chosen = self.configuration(configuration)
        with plainly(self.path):
            return export_rows(self._with_origin(chosen), chosen.columns, Path(path))

    def _with_origin(self, chosen: Configuration) -> Iterator[list[Row]]:
        """Rows of `WITH_ORIGIN` and all quantities."""
        own, place = {"origin": _ORIGIN}, WITH_ORIGIN.index("origin")
        cells = [own.get(each, f"devices.{quoted(each)}") for each in (*WITH_ORIGIN, *chosen.columns)]
        said: dict[str, str] = {}
        for rows in self._rows(cells, chosen):
            for text in {row[place] for row in rows} - set(said):
                known = from_json(text)
                said[text] = kinds(known) if known else "not noted"
            yield [(*row[:place], said[row[place]], *row[place + 1 :]) for row in rows]

    def _rows(
        self,
        cells: Sequence[str],
        chosen: Configuration,
        wafer: str | None = None,
        split: str | None = None,
        flagged: bool | None = None,
    ) -> Iterator[list[Row]]:
        """Rows of the chosen devices in the order of their tables, some thousand at a time."""
        words, values = ["configurations.fingerprint = ?"], [chosen.fingerprint]
        for name, value in (("wafer", wafer), ("split", split)):
            if value is not None:
                words.append(f"{name} = ?")
                values.append(value)
        if flagged is not None:
            words.append("devices.flags <> 0" if flagged else "devices.flags = 0")
        rows = self.connection.execute(
            f"SELECT {', '.join(cells)} FROM devices JOIN configurations ON configurations.id = devices.configuration "  # noqa: S608
            f"JOIN sources ON sources.id = devices.source WHERE {' AND '.join(words)} {_ORDER}",
            values,
        )
        while piece := rows.fetchmany(_PIECE):
            yield piece

    def digest(self) -> str:
        """sha256 of all that it says of devices; the same for the same results, however and whenever written.

        Not in it: times, places of files, sizes and numbers of chunks, and the texts of study files.
        """
        found, under = hashlib.sha256(), "configuration = (SELECT id FROM configurations WHERE fingerprint = ?)"
        for each in sorted(self.configurations(), key=lambda one: one.fingerprint):
            _add(found, each.fingerprint, *each.columns)
            self._add_table(found, f"SELECT identity FROM sources WHERE {under} ORDER BY 1", each)  # noqa: S608
            for origin in self._origins(each):
                _add(found, origin.kind, origin.note)
            self._add_devices(found, under, each)
            faults = "SELECT device, wafer, split, what FROM faults JOIN sources ON sources.id = source WHERE "
            self._add_table(found, f"{faults}{under} ORDER BY 1, 2, 3, 4", each)
        return found.hexdigest()

    def _add_table(self, found: hashlib._Hash, said: str, configuration: Configuration) -> None:
        with plainly(self.path):
            for row in self.connection.execute(said, (configuration.fingerprint,)):
                _add(found, *row)

    def _add_devices(self, found: hashlib._Hash, under: str, configuration: Configuration) -> None:
        columns = configuration.columns
        names = ", ".join(quoted(name) for name in ("device", "wafer", "split", "sums", "flags", *columns))
        numbers = struct.Struct(f"<q{len(columns)}d")
        said = f"SELECT {names} FROM devices WHERE {under} ORDER BY wafer, device"  # noqa: S608 - quoted
        with plainly(self.path):
            rows = self.connection.execute(said, (configuration.fingerprint,))
            for device, wafer, split, sums, flags, *values in rows:
                _add(found, device, wafer, split, sums)
                found.update(numbers.pack(flags, *(np.nan if value is None else value for value in values)))


def _frame(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Rows of `ABOUT` and quantities as a table; NaN where a quantity is not determined."""
    listed = list(zip(*rows, strict=True)) or [()] * (len(ABOUT) + len(columns))
    texts = {name: pd.Series(listed[k], dtype="str") for k, name in enumerate(ABOUT[:-1])}
    flags = {"flags": np.array(listed[len(ABOUT) - 1], dtype=np.int64)}
    values = {name: np.array(listed[len(ABOUT) + k], dtype=float) for k, name in enumerate(columns)}
    return pd.DataFrame(texts | flags | values)


def _refuse_unknown(columns: Sequence[str], configuration: Configuration) -> None:
    from mtjfit.errors import did_you_mean

    problems = [
        Problem(name, "is no quantity of this catalogue", did_you_mean(name, configuration.columns))
        for name in columns
        if name not in configuration.columns
    ]
    if problems:
        raise DataError(problems)


def _add(found: hashlib._Hash, *parts: str | bytes) -> None:
    """Each part with its length before it, so that no two lists of parts give the same bytes."""
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(struct.pack("<q", len(data)))
        found.update(data)
