"""The catalogue of reduced devices: one SQLite file, written chunk by chunk and queried as tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pandas as pd

from mtjfit.data.curve import FloatArray, Origin
from mtjfit.errors import DataError, Problem
from mtjfit.wafer.catalogue.connection import connect, plainly
from mtjfit.wafer.catalogue.export import export_rows
from mtjfit.wafer.catalogue.reading import (
    Chosen,
    configuration_of,
    configurations,
    digest,
    fault_frame,
    frame_of,
    origin_pieces,
    origins_of,
    pieces,
    sums_of,
    tally,
)
from mtjfit.wafer.catalogue.records import Configuration, Source, Tally
from mtjfit.wafer.catalogue.writing import begin, forget, write_chunk

if TYPE_CHECKING:
    from mtjfit.wafer.reduced import Reduced

__all__ = ["Catalogue", "open_catalogue"]


def open_catalogue(path: str | Path, *, write: bool = False) -> Catalogue:
    """Open a catalogue; close it again, or use it in a ``with`` block.

    Several processes may read and write it at once, on one computer: SQLite's write-ahead log needs memory that they
    share. On a network drive keep no catalogue that is being written.

    Parameters
    ----------
    path : str or Path
    write : bool
        Make the file where there is none, and let chunks be written. False: the file is not changed, but for the
        tables of an earlier version, which are brought to those of today.

    Raises
    ------
    DataError
        There is no such file, it is damaged, it is no catalogue, or a later mtjfit wrote it.
    MtjfitError
        It cannot be opened, or its file system cannot hold a catalogue.

    Examples
    --------
    >>> open_catalogue("nowhere.db")
    Traceback (most recent call last):
    mtjfit.errors.DataError: nowhere.db: there is no such catalogue; make it with mtjfit batch
    """
    path = Path(path)
    return Catalogue(path, connect(path, write=write))


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Reduced devices by configuration, wafer and name; `open_catalogue` opens one.

    A *configuration* is all that changes numbers: declarations, amplitudes, version of the model. Where a catalogue
    holds several, queries want one of them named, by the beginning of its fingerprint; they are never mixed.

    Attributes
    ----------
    path : Path
    connection : sqlite3.Connection
    """

    path: Path
    connection: sqlite3.Connection

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the file; what was written is in it already."""
        self.connection.close()

    def begin(self, configuration: Configuration, name: str, identity: str, chunk_size: int) -> Source:
        """The table `name` of content `identity` under a configuration: as it stands here, or begun.

        Raises
        ------
        DataError
            The table stands here with other content.
        MtjfitError
            The catalogue cannot be written.
        """
        return begin(self.connection, self.path, configuration, name, identity, chunk_size)

    def write(self, source: Source, reduced: Reduced) -> None:
        """A chunk of a table, whole or not at all; once more: it replaces what it wrote before.

        Raises
        ------
        DataError
            A device of the same name and wafer stands here from another chunk or table.
        MtjfitError
            The catalogue cannot be written; it is as it was.
        """
        write_chunk(self.connection, self.path, source, reduced)

    def done(self, source: Source) -> frozenset[int]:
        """Numbers of the chunks of a table that are written, and do not lack what an earlier version did not note."""
        said = "SELECT number FROM chunks WHERE source = ? AND origins <> ''"
        with plainly(self.path):
            rows = self.connection.execute(said, (source.id,)).fetchall()
        return frozenset(int(row[0]) for row in rows)

    @property
    def n_devices(self) -> int:
        """Reduced devices of all configurations and tables."""
        with plainly(self.path):
            return int(self.connection.execute("SELECT count(*) FROM devices").fetchone()[0])

    def tally(self, source: Source) -> Tally:
        """How many devices of a table are written."""
        with plainly(self.path):
            return tally(self.connection, source)

    def forget(self, source: Source) -> None:
        """Take everything of a table out again; MtjfitError if the catalogue cannot be written."""
        forget(self.connection, self.path, source)

    def configurations(self) -> list[Configuration]:
        """All configurations, in the order in which they were begun."""
        with plainly(self.path):
            return configurations(self.connection)

    def configuration(self, beginning: str = "") -> Configuration:
        """The configuration whose fingerprint begins so; with nothing given, the only one.

        Raises
        ------
        DataError
            None, or several.
        """
        with plainly(self.path):
            return configuration_of(self.connection, str(self.path), beginning)

    def sources(self, configuration: str = "") -> list[Source]:
        """Tables that devices of a configuration come from, in the order of queries."""
        chosen = self.configuration(configuration)
        with plainly(self.path):
            rows = self.connection.execute(
                "SELECT sources.id, name, identity, chunk_size FROM sources JOIN configurations "
                "ON configurations.id = sources.configuration WHERE fingerprint = ? ORDER BY name, identity",
                (chosen.fingerprint,),
            ).fetchall()
        return [Source(int(row[0]), chosen, str(row[1]), str(row[2]), int(row[3])) for row in rows]

    def origins(self, configuration: str = "") -> tuple[Origin, ...]:
        """Where the devices of a configuration come from, as their tables declare it; what is not measured first.

        Raises
        ------
        DataError
            Some of them were written by a version that did not note it, or there are none.
        """
        chosen = self.configuration(configuration)
        with plainly(self.path):
            found = origins_of(self.connection, chosen)
        if not found:
            what = "does not say whether its devices were measured or simulated"
            raise DataError(
                [Problem(str(self.path), what, "repeat mtjfit batch as before: it notes what was left out")]
            )
        return found

    def _chosen(self, configuration: str, wafer: str | None, split: str | None, flagged: bool | None) -> Chosen:
        return Chosen(self.configuration(configuration), wafer, split, flagged)

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
        chosen = self._chosen(configuration, wafer, split, flagged)
        with plainly(self.path):
            named = tuple(columns) or chosen.configuration.columns
            frames = [frame_of(piece, named) for piece in pieces(self.connection, chosen, columns)]
        return pd.concat(frames or [frame_of((), named)], ignore_index=True)

    def sums(
        self,
        *,
        wafer: str | None = None,
        split: str | None = None,
        flagged: bool | None = None,
        configuration: str = "",
    ) -> FloatArray:
        """Sufficient statistics, one row for each row of `frame` with the same choice, shape (J, n_sums)."""
        chosen = self._chosen(configuration, wafer, split, flagged)
        with plainly(self.path):
            return sums_of(self.connection, chosen)

    def faults(self, configuration: str = "") -> pd.DataFrame:
        """Devices that could not be used, and why: columns device, wafer, split, where, what, todo, table."""
        chosen = self.configuration(configuration)
        with plainly(self.path):
            return fault_frame(self.connection, chosen)

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
        chosen = self._chosen(configuration, None, None, None)
        with plainly(self.path):
            return export_rows(origin_pieces(self.connection, chosen), chosen.configuration.columns, Path(path))

    def digest(self) -> str:
        """sha256 of all that it says of devices; the same for the same results, however and whenever written."""
        with plainly(self.path):
            return digest(self.connection)
