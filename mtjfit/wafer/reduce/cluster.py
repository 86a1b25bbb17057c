"""Reduction of chunks by the workers of a dask scheduler, on computers of one network that is trusted.

The program itself writes the catalogue and reads the table, except for a folder of files, which workers read. If a
worker is killed, alone or with its computer, another one gets its job. Results do not depend on who computed them.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mtjfit.errors import ConfigError, MtjfitError, Problem
from mtjfit.wafer.reduce.jobs import Job, killed_by, program_versions, reduce_job

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy
    from mtjfit.wafer.reduce.reduced import Reduced

_ANSWER = 20.0  # seconds for a scheduler to answer, and for a first worker to connect
_AHEAD = 2  # chunks for each thread of the workers: one at work, one that waits
_CERTIFICATES = tuple(f"DASK_DISTRIBUTED__COMM__TLS__{of}" for of in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY"))
_ENOUGH = "the catalogue holds all chunks that were finished; repeat the command and it goes on from there"


def reduced_on_cluster(
    study: WaferStudy,
    left: Iterator[Job],
    *,
    scheduler: str,
    ending: Callable[[], bool],
    patience: float = 120.0,
    poll: float = 0.5,
    connect: Callable[[str], AbstractContextManager[Any]] | None = None,
) -> Generator[tuple[float, Reduced]]:
    """Part of the table up to each job, and its reduced chunk, in the order in which workers finish.

    No more jobs are in flight than twice the threads of the workers, so memory does not grow with the table. Once
    `ending` is true no further job begins; those in flight are finished. After `patience` seconds without any worker
    all count as lost; `poll` are the seconds between two looks at them and at Ctrl-C. `connect` gives a client for
    `scheduler`, by default that of `dask_client`. MtjfitError if there is no scheduler or no worker, they were lost, or
    a chunk killed every worker that tried it; errors of reading and reducing are those of one process.
    """
    with (connect or dask_client)(scheduler) as client:
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
        raise MtjfitError(killed_by(job, error.allowed_failures + 1)) from error
    return reduced


@contextmanager
def dask_client(scheduler: str, answer: float = _ANSWER) -> Iterator[Any]:
    """A client of the scheduler at an address, with the certificates of dask's own configuration for tls://.

    Everybody who reaches the port of a scheduler can run programs on its workers, unless it asks for certificates.
    Workers must see a folder of files under the same name. `answer` are the seconds for the scheduler to answer, and
    for a first worker to connect.
    """
    try:
        distributed, dask = import_module("distributed"), import_module("dask")
    except ImportError:
        todo = "pip install 'mtjfit[cluster]', or leave the option out"
        raise ConfigError([Problem(f"--scheduler {scheduler}", "needs dask.distributed", todo)]) from None
    settings = {
        "distributed.admin.large-graph-warning-threshold": "1 GiB",  # chunks are meant to be sent
        "distributed.comm.timeouts.connect": f"{answer:g}s",
    }
    with ExitStack() as stack:
        stack.enter_context(_silenced())
        stack.enter_context(dask.config.set(settings))
        try:
            security = distributed.Security()
            if scheduler.startswith("tls:") and not security.get_connection_args("client").get("ssl_context"):
                raise MtjfitError("no certificates are named")
            client = distributed.Client(scheduler, timeout=answer, set_as_default=False, security=security)
            stack.enter_context(client)
        except Exception as error:  # an address that is none ends in errors of any kind
            raise MtjfitError(f"no scheduler answers at {scheduler} ({error}); {_todo(scheduler)}") from error
        try:
            client.wait_for_workers(1, timeout=answer)
        except TimeoutError as error:
            todo = f"start one: dask worker {scheduler}"
            raise MtjfitError(f"the scheduler at {scheduler} has no worker; {todo}") from error
        yield client


def _todo(scheduler: str) -> str:
    """What to do about an address where no scheduler answers."""
    if scheduler.startswith("tls:"):
        return (
            f"name the certificates to dask, by {', '.join(_CERTIFICATES[:-1])} and {_CERTIFICATES[-1]}, or in its "
            "configuration file, and look whether the scheduler has some of the same authority"
        )
    return "start one: dask scheduler; its address is such as tcp://10.0.0.1:8786"


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
