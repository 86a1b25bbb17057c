"""Chunks as jobs for other processes, and what such a process does with one."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtjfit.errors import MtjfitError
from mtjfit.wafer.read.chunk import AllBut, Chunk
from mtjfit.wafer.read.table import chunk_count, chunks
from mtjfit.wafer.reduce.reduce import reduce_chunk
from mtjfit.wafer.scheduler import refuse_other_versions

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy
    from mtjfit.wafer.reduce.reduced import Reduced


@dataclass(frozen=True, eq=False)
class Job:
    """A chunk to be reduced, and the part of the table up to its end; without `chunk`, the worker reads it."""

    number: int
    share: float
    chunk: Chunk | None = None


def jobs(
    study: WaferStudy, done: Container[int], read: Callable[[WaferStudy, Container[int]], Iterator[Chunk]] = chunks
) -> Iterator[Job]:
    """Jobs for the chunks that are not done: of a folder without, of a table with the chunk that was read here."""
    count = chunk_count(study)
    if count is None:
        yield from (Job(chunk.number, chunk.share, chunk) for chunk in read(study, done))
    else:
        yield from (Job(k, (k + 1) / count) for k in range(count) if k not in done)


def reduce_job(study: WaferStudy, job: Job, expected: dict[str, str]) -> Reduced:
    """Reduce the chunk of a job, on a worker.

    MtjfitError if it has other versions than `expected`, so that last digits could differ, or the table is shorter.
    """
    refuse_other_versions(expected)
    chunk = job.chunk or next(chunks(study, AllBut(frozenset({job.number}))), None)
    if chunk is None:
        raise MtjfitError(f"{study.table}: has fewer files than before; repeat the command")
    return reduce_chunk(study, chunk)


def killed_by(job: Job, processes: int) -> str:
    """What to say of a job that ended a number of processes."""
    names = job.chunk.device if job.chunk else ()
    devices = f" (devices {names[0]!r} to {names[-1]!r})" if names else ""
    return (
        f"chunk {job.number}{devices} ended {processes} workers, one after the other: most likely memory ran out; "
        "set a smaller chunk in [wafer] and begin a new catalogue"
    )
