"""Reduction of chunks by workers of dask.distributed, on this computer or of a scheduler elsewhere.

The program itself writes the catalogue and reads the table, except for a folder of files, which workers read. If a
worker is killed, alone or with its computer, another one gets its job. Results do not depend on who computed them.

A table of 100 000 curves takes the program 1 s to read from Parquet, 10 s from text, 1 s to reduce, and 1 s to write:
workers cannot make that faster. They do for folders, where a file takes two milliseconds. Several tables are best
reduced by several programs at once into one catalogue.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections.abc import Callable, Container, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mtjfit.errors import ConfigError, MtjfitError, Problem
from mtjfit.infer.store.fingerprint import description_changes, versions
from mtjfit.parallel import ignore_sigint
from mtjfit.wafer.read.chunk import AllBut, Chunk
from mtjfit.wafer.read.table import chunk_count, chunks
from mtjfit.wafer.reduce.reduce import reduce_chunk

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy
    from mtjfit.wafer.reduce.reduced import Reduced

_ANSWER = 20.0  # seconds for a scheduler to answer, and for a first worker to connect
_AHEAD = 2  # chunks for each thread of the workers: one at work, one that waits
_ENOUGH = "the catalogue holds all chunks that were finished; repeat the command and it goes on from there"


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


def reduced_on_cluster(
    study: WaferStudy,
    left: Iterator[Job],
    *,
    workers: int,
    scheduler: str,
    ending: Callable[[], bool],
    patience: float = 120.0,
    poll: float = 0.5,
    connect: Callable[[int, str], AbstractContextManager[Any]] | None = None,
) -> Generator[tuple[float, Reduced]]:
    """Part of the table up to each job, and its reduced chunk, in the order in which workers finish.

    No more jobs are in flight than twice the threads of the workers, so memory does not grow with the table. Once
    `ending` is true no further job begins; those in flight are finished. After `patience` seconds without any worker
    all count as lost; `poll` are the seconds between two looks at them and at Ctrl-C. `connect` gives a client for
    `workers` and `scheduler`, by default that of `dask_client`. MtjfitError if there is no scheduler or no worker, they
    were lost, or a chunk killed every worker that tried it; errors of reading and reducing are those of one process.
    """
    with (connect or dask_client)(workers, scheduler) as client:
        finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        in_flight: dict[str, tuple[Job, Any]] = {}
        more, mine = True, program_versions()
        while True:
            while more and not ending() and len(in_flight) < _AHEAD * max(_threads(client), 1):
                job = next(left, None)
                if job is None:
                    more = False
                    break
                with _answering():
                    future = client.submit(reduce_job, study, job, mine, key=f"mtjfit-{uuid4()}")
                future.add_done_callback(finished.put)
                in_flight[future.key] = job, future
            if not in_flight:
                return
            future = _next(client, finished, patience, poll)
            job, _ = in_flight.pop(future.key)
            reduced = _result(future, job)
            future.release()
            yield job.share, reduced


def program_versions() -> dict[str, str]:
    """Versions of all that changes the last digits of a result."""
    return {name: version for name, version in versions().items() if name in ("python", "mtjfit", "numpy", "scipy")}


def reduce_job(study: WaferStudy, job: Job, expected: dict[str, str]) -> Reduced:
    """Reduce the chunk of a job, on a worker.

    MtjfitError if it has other versions than `expected`, so that last digits could differ, or the table is shorter.
    """
    if found := description_changes(expected, program_versions()):
        raise MtjfitError(f"a worker has other versions of what computes ({'; '.join(found)}); install the same there")
    chunk = job.chunk or next(chunks(study, AllBut(frozenset({job.number}))), None)
    if chunk is None:
        raise MtjfitError(f"{study.table}: has fewer files than before; repeat the command")
    return reduce_chunk(study, chunk)


def _threads(client: Any) -> int:
    with _answering():
        return sum(client.nthreads().values())


@contextmanager
def _answering() -> Iterator[None]:
    """Turn the errors of a lost scheduler into MtjfitError."""
    distributed = import_module("distributed")
    closed = getattr(import_module("distributed.client"), "ClosedClientError", RuntimeError)  # name of later versions
    try:
        yield
    except (distributed.CancelledError, asyncio.CancelledError, TimeoutError, OSError, closed) as error:
        raise MtjfitError(f"the scheduler has gone; {_ENOUGH}") from error


def _next(client: Any, finished: queue.SimpleQueue[Any], patience: float, poll: float) -> Any:
    """The next finished future, successful or not; MtjfitError once all workers are lost."""
    seen = time.monotonic()
    while True:
        try:
            return finished.get(timeout=poll)
        except queue.Empty:
            now = time.monotonic()
            if client.status != "running" or _threads(client):
                seen = now
            if now - seen > patience:
                raise MtjfitError(f"the scheduler has had no worker for {patience:g} s; {_ENOUGH}") from None


def _result(future: Any, job: Job) -> Reduced:
    killed = import_module("distributed").KilledWorker
    try:
        with _answering():
            reduced: Reduced = future.result(timeout=_ANSWER)
    except killed as error:
        names = job.chunk.device if job.chunk else ()
        devices = f" (devices {names[0]!r} to {names[-1]!r})" if names else ""
        raise MtjfitError(
            f"chunk {job.number}{devices} ended {error.allowed_failures + 1} workers, one after the other: most likely "
            "memory ran out; set a smaller chunk in [wafer] and begin a new catalogue"
        ) from error
    return reduced


@contextmanager
def dask_client(workers: int, scheduler: str, answer: float = _ANSWER) -> Iterator[Any]:
    """A client of the scheduler at an address, or of a new one whose workers listen to this computer only.

    Everybody who reaches the port of a scheduler can run programs on its workers. Workers must see a folder of files
    under the same name. `answer` are the seconds for the scheduler to answer, and for a first worker to connect.
    """
    try:
        distributed, dask = import_module("distributed"), import_module("dask")
    except ImportError:
        asked = f"--scheduler {scheduler}" if scheduler else f"--workers {workers}"
        todo = "pip install 'mtjfit[cluster]', or leave the option out"
        raise ConfigError([Problem(asked, "needs dask.distributed, which is not installed", todo)]) from None
    settings = {
        "distributed.admin.large-graph-warning-threshold": "1 GiB",  # chunks are meant to be sent
        "distributed.comm.timeouts.connect": f"{answer:g}s",
    }
    with ExitStack() as stack:
        stack.enter_context(_silenced())
        stack.enter_context(dask.config.set(settings))
        if not scheduler:
            with ignore_sigint():
                cluster = distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None,
                    worker_dashboard_address=None, silence_logs=logging.CRITICAL,
                )  # fmt: skip
            stack.enter_context(cluster)
        where = scheduler or cluster.scheduler_address
        try:
            client = stack.enter_context(distributed.Client(where, timeout=answer, set_as_default=False))
            client.wait_for_workers(1, timeout=answer)
        except TimeoutError as error:
            raise MtjfitError(f"the scheduler at {where} has no worker; start one: dask worker {where}") from error
        except (OSError, ValueError) as error:
            todo = "start one: dask scheduler; its address is such as tcp://10.0.0.1:8786"
            raise MtjfitError(f"no scheduler answers at {where} ({error}); {todo}") from error
        yield client


@contextmanager
def _silenced() -> Iterator[None]:
    """Silence the logs of dask on lost workers and schedulers, which would hide the messages of this program."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
