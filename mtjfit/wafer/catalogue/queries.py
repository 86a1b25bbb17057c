"""Reading a catalogue: tables of devices, their sums and faults, exports, and a digest of everything."""

from __future__ import annotations

import csv
import hashlib
import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.data.curve import Origin
from mtjfit.data.origin import distinct, from_json, kinds
from mtjfit.errors import ConfigError, DataError, Problem, did_you_mean
from mtjfit.output import OTHER_FILE, not_written, refuse_file, replacing
from mtjfit.plain import checked_json, harmless
from mtjfit.wafer.catalogue.reading import Reading
from mtjfit.wafer.catalogue.schema import (
    OF_DEVICE,
    Configuration,
    Row,
    Source,
    Tally,
    changed,
    device_columns,
    quoted,
)

_ABOUT = ("device", "wafer", "split", "flags")  # columns of every frame, before the quantities
_EXPORTED = ("device", "wafer", "split", "origin", "flags")  # the same in exported files, which travel alone
_TEXTS = len(_EXPORTED) - 1  # all of these but the flags are text
_MARKS = {".csv": f"{','.join(_EXPORTED)},".encode(), ".parquet": b"exported by mtjfit"}  # in files that are ours
_MOST_BITS = 2**62
_LISTED = 20
_LONGEST = 200
_LARGEST = 1e100
_ORDER = "ORDER BY sources.name, sources.identity, chunk, place"
_ORIGIN = "(SELECT origins FROM chunks WHERE chunks.source = devices.source AND number = devices.chunk)"
_OF_CONFIGURATION = "JOIN configurations ON configurations.id = sources.configuration WHERE fingerprint = ?"


@dataclass(frozen=True, eq=False)
class Queries(Reading):
    """All that can be read from an open catalogue; methods raise DataError for a damaged file."""

    @property
    def n_devices(self) -> int:
        """Reduced devices of all configurations and tables."""
        return int(self._all("I", "SELECT count(*) FROM devices")[0][0])

    def done(self, source: Source) -> frozenset[int]:
        """Numbers of the chunks of a table of which all devices are there.

        Without those of an earlier version that did not note origins.
        """
        whole = "devices = (SELECT count(*) FROM devices WHERE devices.source = chunks.source AND chunk = number)"
        rows = self._all("I", f"SELECT number FROM chunks WHERE source = ? AND origins <> '' AND {whole}", source.id)  # noqa: S608
        return frozenset(row[0] for row in rows)

    def tally(self, source: Source) -> Tally:
        """Numbers of written devices of a table."""
        rows = self._all("II", "SELECT flags, count(*) FROM devices WHERE source = ? GROUP BY flags", source.id)
        faults = self._all("I", "SELECT count(*) FROM faults WHERE source = ?", source.id)
        return Tally(sum(n for _, n in rows), int(faults[0][0]), dict(rows))

    def configurations(self) -> list[Configuration]:
        """All configurations, in the order in which they were begun."""
        rows = self._all("TTTTT", "SELECT fingerprint, columns, units, flags, study FROM configurations ORDER BY id")
        known, found = set(device_columns(self.connection)) - set(OF_DEVICE), []
        for fingerprint, columns, units, flags, study in rows:
            try:
                names = checked_json(tuple[str, ...], columns)
                own = Configuration(
                    fingerprint, names, checked_json(dict[str, str], units), checked_json(dict[str, int], flags), study
                )
                if len(set(names)) < len(names) or not known.issuperset(names):
                    raise ValueError("its columns are not those of the devices")
                if any(len(each) > _LONGEST for each in (*names, *own.units.values(), *own.flags)):
                    raise ValueError("a name or unit in it is longer than any")
                if not all(0 < bit < _MOST_BITS for bit in own.flags.values()):
                    raise ValueError("its flags are no bits")
            except ValueError as error:
                raise changed(self.path, f"configuration {fingerprint[:12]}", error) from None
            found.append(own)
        return found

    def configuration(self, beginning: str = "") -> Configuration:
        """The configuration whose fingerprint begins so, by default the only one; DataError for none or several."""
        known = self.configurations()
        found = [each for each in known if each.fingerprint.startswith(beginning)]
        if len(found) == 1:
            return found[0]
        listed = (
            ", ".join([*(each.fingerprint[:12] for each in known[:_LISTED]), *["…"] * (len(known) > _LISTED)]) or "none"
        )
        missing = f"no configuration {beginning!r}" if beginning else "no devices yet"
        what = f"holds {'several configurations' if found else missing}"
        raise DataError([Problem(str(self.path), what, f"name one of its configurations ({listed})")])

    def sources(self, configuration: str = "") -> list[Source]:
        """Tables of the devices of a configuration, in the order of queries."""
        chosen = self.configuration(configuration)
        statement = f"SELECT sources.id, name, identity, chunk_size FROM sources {_OF_CONFIGURATION}"  # noqa: S608
        rows = self._all("ITTI", f"{statement} ORDER BY name, identity", chosen.fingerprint)
        return [Source(row[0], chosen, *row[1:]) for row in rows]

    def origins(self, configuration: str = "") -> tuple[Origin, ...]:
        """Origins of the devices of a configuration, as their tables declare them; those not measured first.

        DataError if some of them were written by a version that did not note it, or there are none.
        """
        found = self._origins(self.configuration(configuration))
        if not found:
            what = "does not say whether its devices were measured or simulated"
            todo = "repeat mtjfit batch as before: it notes what was left out"
            raise DataError([Problem(str(self.path), what, todo)])
        return found

    def _origins(self, configuration: Configuration) -> tuple[Origin, ...]:
        """The different origins of all chunks; none where one of them has no note of it."""
        statement = f"SELECT DISTINCT origins FROM chunks JOIN sources ON sources.id = source {_OF_CONFIGURATION}"  # noqa: S608
        found = [self._said(row[0]) for row in self._all("T", statement, configuration.fingerprint)]
        return distinct(each for some in found for each in some) if all(found) else ()

    def _said(self, text: str) -> tuple[Origin, ...]:
        """Origins that a chunk noted."""
        try:
            return from_json(text)
        except ValueError as error:
            raise changed(self.path, "column 'origins'", error) from None

    def chunks_with(self, source: Source, devices: Iterable[tuple[str, str]]) -> frozenset[int]:
        """Numbers of the chunks of a table that hold some devices, given as (wafer, device)."""
        said = "SELECT chunk FROM devices WHERE source = ? AND wafer = ? AND device = ?"
        return frozenset(row[0] for name in devices for row in self._all("I", said, source.id, *name))

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
            Quantities, by default all. Units: ``catalogue.configuration().units``.
        flagged : bool, optional
            Only devices with a flag, or only those without.
        configuration : str
            Beginning of its fingerprint, where the catalogue holds several.

        Returns
        -------
        DataFrame
            device, wafer, split, flags (bits of `mtjfit.wafer.FLAGS`), quantities; NaN where one is not determined.

        Raises
        ------
        DataError
            A quantity that the configuration does not have.
        """
        chosen = self.configuration(configuration)
        problems = [
            Problem(name, "is no quantity of this catalogue", did_you_mean(name, chosen.columns))
            for name in columns if name not in chosen.columns
        ]  # fmt: skip
        if problems:
            raise DataError(problems)
        names = tuple(columns) or chosen.columns
        cells, types = [f"devices.{quoted(each)}" for each in (*_ABOUT, *names)], "NNNI" + "R" * len(names)
        with self.at_one_time():
            frames = [_frame(rows, names) for rows in self._rows(types, cells, chosen, wafer, split, flagged)]
            if wafer is None and split is None and flagged is None:
                self._refuse_lost(chosen, sum(map(len, frames)))
        return pd.concat(frames or [_frame((), names)], ignore_index=True)

    def _refuse_lost(self, chosen: Configuration, n: int) -> None:
        """DataError unless there are as many devices as the chunks of a configuration have."""
        statement = (
            f"SELECT coalesce(sum(devices), 0) FROM chunks JOIN sources ON sources.id = source {_OF_CONFIGURATION}"  # noqa: S608
        )
        ((written,),) = self._all("S", statement, chosen.fingerprint)
        if n != (written or 0):
            what = f"{n} devices are there, and {written} were written"
            todo = "repeat mtjfit batch with the same table and study, or take an intact copy"
            raise DataError([Problem(str(self.path), f"was changed or damaged: {what}", todo)])

    def sums(
        self,
        *,
        wafer: str | None = None,
        split: str | None = None,
        flagged: bool | None = None,
        configuration: str = "",
    ) -> FloatArray:
        """Sufficient statistics, one row for each row of `frame` with the same choice, shape (J, n_sums)."""
        pieces = self._rows("B", ["devices.sums"], self.configuration(configuration), wafer, split, flagged)
        blobs = [row[0] for rows in pieces for row in rows]
        if not blobs:
            return np.zeros((0, 0))
        if len({*map(len, blobs)}) > 1 or len(blobs[0]) % 8:
            raise changed(self.path, "column 'sums'", "not all devices have as many numbers")
        found = np.frombuffer(b"".join(blobs), dtype="<f8").reshape(len(blobs), -1).astype(float)
        if not np.all(np.abs(found) <= _LARGEST):  # nor NaN
            raise changed(self.path, "column 'sums'", "it holds numbers that no measurement gives")
        return found

    def faults(self, configuration: str = "") -> pd.DataFrame:
        """Devices that could not be used, and why: columns device, wafer, split, where, what, todo, table."""
        statement = (
            "SELECT device, wafer, split, at, what, todo, sources.name FROM faults JOIN sources ON sources.id = source "  # noqa: S608
            f"{_OF_CONFIGURATION} {_ORDER}"
        )
        rows = self._all("TTTTTTT", statement, self.configuration(configuration).fingerprint)
        return pd.DataFrame(rows, columns=["device", "wafer", "split", "where", "what", "todo", "table"], dtype="str")

    def export(self, path: str | Path, *, configuration: str = "") -> int:
        """All devices of a configuration as CSV or Parquet, by the ending of the name; returns their number.

        CSV has all digits, empty cells where a quantity is not determined, and quotes text that a spreadsheet would run
        as a formula. The column ``origin`` says of each device whether it was measured. An older export of this
        name stays whole if the new one cannot be written, which is a MtjfitError; other errors as of `refuse_export`.
        """
        chosen, path = self.configuration(configuration), Path(path)
        refuse_export(path)
        write = _write_csv if path.suffix.lower() == ".csv" else _write_parquet
        try:
            with replacing(path, _MARKS[path.suffix.lower()]) as draft:
                return write(self._with_origin(chosen), chosen.columns, draft)
        except OSError as error:
            raise not_written(path, error, OTHER_FILE) from error

    def _with_origin(self, chosen: Configuration) -> Iterator[list[Row]]:
        """Rows of `_EXPORTED` and all quantities."""
        own, place = {"origin": _ORIGIN}, _EXPORTED.index("origin")
        cells = [own.get(each, f"devices.{quoted(each)}") for each in (*_EXPORTED, *chosen.columns)]
        said: dict[str, str] = {}
        for rows in self._rows("TTTTI" + "R" * len(chosen.columns), cells, chosen):
            for text in {row[place] for row in rows} - set(said):
                known = self._said(text)
                said[text] = kinds(known) if known else "not noted"
            yield [(*row[:place], said[row[place]], *row[place + 1 :]) for row in rows]

    def _rows(
        self,
        types: str,
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
        return self._pieces(
            types,
            f"SELECT {', '.join(cells)} FROM devices "  # noqa: S608
            "JOIN configurations ON configurations.id = devices.configuration "
            f"JOIN sources ON sources.id = devices.source WHERE {' AND '.join(words)} {_ORDER}",
            *values,
        )

    def digest(self) -> str:
        """sha256 of all devices; the same for the same results, however and whenever written.

        It leaves out times, places of files, sizes and numbers of chunks, and the texts of study files.
        """
        found, under = hashlib.sha256(), "configuration = (SELECT id FROM configurations WHERE fingerprint = ?)"
        for each in sorted(self.configurations(), key=lambda one: one.fingerprint):
            _add(found, each.fingerprint, *each.columns)
            for row in self._all("T", f"SELECT identity FROM sources WHERE {under} ORDER BY 1", each.fingerprint):  # noqa: S608
                _add(found, *row)
            for origin in self._origins(each):
                _add(found, origin.kind, origin.note)
            names = ", ".join(quoted(name) for name in ("device", "wafer", "split", "sums", "flags", *each.columns))
            numbers, types = struct.Struct(f"<q{len(each.columns)}d"), "TTTBI" + "R" * len(each.columns)
            devices = f"SELECT {names} FROM devices WHERE {under} ORDER BY wafer, device"  # noqa: S608 - quoted
            for rows in self._pieces(types, devices, each.fingerprint):
                for device, wafer, split, sums, flags, *values in rows:
                    _add(found, device, wafer, split, sums)
                    found.update(numbers.pack(flags, *(np.nan if value is None else value for value in values)))
            faults = "SELECT device, wafer, split, what FROM faults JOIN sources ON sources.id = source WHERE "
            for row in self._all("TTTT", f"{faults}{under} ORDER BY 1, 2, 3, 4", each.fingerprint):
                _add(found, *row)
        return found.hexdigest()


def _frame(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """Rows of `_ABOUT` and quantities as a table; NaN where a quantity is not determined."""
    listed, flags = list(zip(*rows, strict=True)) or [()] * (len(_ABOUT) + len(names)), len(_ABOUT) - 1
    data: dict[str, object] = {name: pd.Series(listed[k], dtype="str") for k, name in enumerate(_ABOUT[:flags])}
    data["flags"] = np.array(listed[flags], dtype=np.int64)
    return pd.DataFrame(data | {name: np.array(listed[flags + 1 + k], float) for k, name in enumerate(names)})


def _add(found: hashlib._Hash, *parts: str | bytes) -> None:
    """Each part with its length before it, so that no two lists of parts give the same bytes."""
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(struct.pack("<q", len(data)))
        found.update(data)


def refuse_export(path: Path) -> None:
    """Refuse a file name that cannot be exported to, before any work is done.

    Raises
    ------
    ConfigError
        Neither CSV nor Parquet, no such folder, or pyarrow is missing.
    MtjfitError
        A file of this name exists that is no earlier export, or a link.

    Examples
    --------
    >>> refuse_export(Path("wafer.xlsx"))
    Traceback (most recent call last):
    mtjfit.errors.ConfigError: wafer.xlsx: is neither .csv nor .parquet; give the file one of these endings
    """
    if path.suffix.lower() not in _MARKS:
        raise ConfigError([Problem(str(path), "is neither .csv nor .parquet", "give the file one of these endings")])
    if not path.parent.is_dir():
        raise ConfigError([Problem(str(path.parent), "there is no such folder", "make it first")])
    refuse_file(path, _MARKS[path.suffix.lower()])
    if path.suffix.lower() == ".parquet":
        try:
            import_module("pyarrow.parquet")
        except ImportError:
            todo = "pip install 'mtjfit[parquet]', or export .csv"
            raise ConfigError([Problem(str(path), "Parquet needs pyarrow, which is not installed", todo)]) from None


def _write_csv(pieces: Iterator[list[Row]], columns: Sequence[str], stream: BinaryIO) -> int:
    stream.write(_lines([(*_EXPORTED, *columns)]))
    rows = 0
    for piece in pieces:
        stream.write(_lines([(*(harmless(str(each)) for each in row[:_TEXTS]), *row[_TEXTS:]) for row in piece]))
        rows += len(piece)
    return rows


def _lines(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _write_parquet(pieces: Iterator[list[Row]], columns: Sequence[str], stream: BinaryIO) -> int:
    pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    types = [*[pa.string()] * _TEXTS, pa.int64(), *[pa.float64()] * len(columns)]
    about = {"program": _MARKS[".parquet"]}
    schema = pa.schema(list(zip((*_EXPORTED, *columns), types, strict=True)), metadata=about)
    rows = 0
    with parquet.ParquetWriter(stream, schema) as writer:
        for piece in pieces:
            listed = list(zip(*piece, strict=True))
            texts = [pa.array(each, field.type) for each, field in zip(listed[:_TEXTS], schema, strict=False)]
            numbers = [np.array(each, dtype=float) for each in listed[_TEXTS + 1 :]]  # None is NaN
            arrays = [*texts, pa.array(listed[_TEXTS], pa.int64()), *(pa.array(each) for each in numbers)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows += len(piece)
    return rows
