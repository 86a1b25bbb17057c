"""Reduce a table of devices into a catalogue, chunk by chunk; finished chunks survive any end of the program."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Container, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mtjfit.cards import ShownAsCard
from mtjfit.errors import ConfigError, DataError, Problem
from mtjfit.interrupts import graceful_interrupt
from mtjfit.progress import bar
from mtjfit.wafer.catalogue import Catalogue, Configuration, Source
from mtjfit.wafer.declaration import WaferStudy
from mtjfit.wafer.read.chunk import Chunk
from mtjfit.wafer.read.table import chunks, table_identity
from mtjfit.wafer.reduce.cluster import reduced_on_cluster
from mtjfit.wafer.reduce.jobs import jobs
from mtjfit.wafer.reduce.processes import reduced_by_processes
from mtjfit.wafer.reduce.reduce import reduce_chunk
from mtjfit.wafer.reduce.reduced import FLAGS, Reduced, column_names, units_of


@dataclass(frozen=True)
class BatchSummary(ShownAsCard):
    """Numbers of devices of a table in a catalogue, and of those that this run added."""

    source: Source
    devices: int  #: reduced, now and earlier
    faults: int  #: devices that could not be used
    flagged: dict[str, int]  #: devices by reason; one device may have several
    any_flag: int  #: devices with at least one
    added: int  #: devices reduced by this run
    seconds: float


def configuration_of(study: WaferStudy) -> Configuration:
    """The configuration under which a catalogue holds the devices of a study."""
    return Configuration(study.fingerprint(), column_names(study), units_of(study), dict(FLAGS), study.text)


def run_batch(
    study: WaferStudy,
    catalogue: Catalogue,
    *,
    workers: int = 0,
    scheduler: str = "",
    progress: bool = True,
    read: Callable[[WaferStudy, Container[int]], Iterator[Chunk]] = chunks,
) -> BatchSummary:
    """Read a table, reduce its devices and write them, one chunk after the other; chunks already written are skipped.

    Ctrl-C and SIGTERM let the chunks at work finish; a kill loses those. The numbers do not depend on how many
    processes compute them, nor on how often the run was interrupted.

    Parameters
    ----------
    workers : int
        Processes on this computer that reduce; 0: this one.
    scheduler : str
        Address of a dask scheduler whose workers reduce, such as ``tcp://10.0.0.1:8786``.
    read : callable
        Reads the chunks of a study, without those of some numbers.

    Raises
    ------
    ConfigError, DataError
        The table is not as declared, or not that which the catalogue began with.
    MtjfitError
        The catalogue cannot be written, or the workers are lost; finished chunks are in the catalogue.
    Interrupted
        On Ctrl-C; finished chunks are in the catalogue.
    """
    if workers and scheduler:
        raise ConfigError([Problem("--workers", "is given with --scheduler", "give one of them")])
    start, added = time.monotonic(), 0
    study = replace(study, table=Path.cwd() / study.table)  # workers may have been started elsewhere
    identity = table_identity(study)
    source = catalogue.begin(configuration_of(study), study.table.as_posix(), identity, study.wafer.chunk)
    study = replace(study, wafer=replace(study.wafer, chunk=source.chunk_size))  # numbers of chunks mean this size
    done = catalogue.done(source)
    shown = bar("reducing", progress, initial=catalogue.tally(source).all, unit="dev", unit_scale=True)
    with shown, graceful_interrupt() as ending:
        if scheduler:
            found = reduced_on_cluster(study, jobs(study, done, read), scheduler=scheduler, ending=ending)
        elif workers:
            found = reduced_by_processes(study, jobs(study, done, read), workers=workers, ending=ending)
        else:
            found = _reduced_here(study, read(study, done), ending)
        with contextlib.closing(found):
            for share, reduced in found:
                catalogue.write(source, reduced)
                added += len(reduced.device)
                n_new = len(reduced.device) + len(reduced.faults)
                if share > 0:
                    shown.total = round((shown.n + n_new) / share)
                shown.update(n_new)
    if table_identity(study) != identity:
        catalogue.forget(source)
        what = "has changed while it was read, so none of its devices were kept"
        raise DataError([Problem(str(study.table), what, "repeat the command when nobody writes into it")])
    tally = catalogue.tally(source)
    flagged = {name: sum(n for mask, n in tally.flags.items() if mask & bit) for name, bit in FLAGS.items()}
    any_flag = sum(n for mask, n in tally.flags.items() if mask)
    return BatchSummary(source, tally.devices, tally.faults, flagged, any_flag, added, time.monotonic() - start)


def _reduced_here(
    study: WaferStudy, left: Iterator[Chunk], ending: Callable[[], bool]
) -> Generator[tuple[float, Reduced]]:
    for chunk in left:
        share, reduced = chunk.share, reduce_chunk(study, chunk)
        del chunk  # before the next one is read
        yield share, reduced
        if ending():
            return
