"""Calls that the workers of a dask scheduler answer, on computers of one network that is trusted.

If a worker is killed, alone or with its computer, another one gets its call.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import uuid4

from mtjfit.errors import ConfigError, MtjfitError, Problem
from mtjfit.infer.store.fingerprint import description_changes, versions

_ANSWER = 20.0  # seconds for a scheduler to answer, and for a first worker to connect
_AHEAD = 2  # calls for each thread of the workers: one at work, one that waits
_COUNTED = 1.0  # seconds for which the threads of the workers are not counted anew
_CERTIFICATES = tuple(f"DASK_DISTRIBUTED__COMM__TLS__{of}" for of in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY"))


@dataclass(frozen=True, eq=False)
class Call:
    """A function of the top level of a module, with its arguments, to be called by a worker; `of` is for the caller."""

    of: Any
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(eq=False)
class Workers:
    """The workers of a scheduler.

    MtjfitError ends with `kept`: what a scheduler that is lost leaves behind, and how to go on.
    """

    client: Any
    kept: str
    patience: float = 120.0
    poll: float = 0.5
    _counted: tuple[float, int] = (float("-inf"), 0)

    @property
    def threads(self) -> int:
        """Of all workers, as of a second ago."""
        now = time.monotonic()
        if now - self._counted[0] > _COUNTED:
            with answering(self.kept):
                self._counted = now, sum(self.client.nthreads().values())
        return self._counted[1]

    def answers(
        self,
        calls: Iterator[Call],
        killed_by: Callable[[Any, int], str],
        ending: Callable[[], bool] = lambda: False,
    ) -> Generator[tuple[Any, Any]]:
        """`Call.of` and the answer of each, in the order in which workers finish.

        No more calls are in flight than twice the threads of the workers. Once `ending` is true no further one begins;
        those in flight are finished. After `patience` seconds without any worker all count as lost; `poll` are the
        seconds between two looks at them and at Ctrl-C. MtjfitError if they were lost, or a call killed every worker
        that tried it, in the words of `killed_by`; errors of the functions are raised as they are.
        """
        finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        in_flight: dict[str, tuple[Call, Any]] = {}
        more = True
        while True:
            while more and not ending() and len(in_flight) < _AHEAD * max(self.threads, 1):
                call = next(calls, None)
                if call is None:
                    more = False
                    break
                with answering(self.kept):
                    future = self.client.submit(call.function, *call.arguments, key=f"mtjfit-{uuid4()}")
                future.add_done_callback(finished.put)
                in_flight[future.key] = call, future
            if not in_flight:
                return
            future = self._next(finished)
            call, _ = in_flight.pop(future.key)
            answer = self._result(future, call, killed_by)
            future.release()
            yield call.of, answer

    def _next(self, finished: queue.SimpleQueue[Any]) -> Any:
        """The next finished future, successful or not; MtjfitError once all workers are lost."""
        seen = time.monotonic()
        while True:
            try:
                return finished.get(timeout=self.poll)
            except queue.Empty:
                now = time.monotonic()
                if self.client.status != "running" or self.threads:
                    seen = now
                if now - seen > self.patience:
                    says = f"the scheduler has had no worker for {self.patience:g} s; {self.kept}"
                    raise MtjfitError(says) from None

    def _result(self, future: Any, call: Call, killed_by: Callable[[Any, int], str]) -> Any:
        killed = import_module("distributed").KilledWorker
        try:
            with answering(self.kept):
                return future.result(timeout=_ANSWER)
        except killed as error:
            raise MtjfitError(killed_by(call.of, error.allowed_failures + 1)) from error


def program_versions() -> dict[str, str]:
    """Versions of all that changes the last digits of a result."""
    return {name: version for name, version in versions().items() if name in ("python", "mtjfit", "numpy", "scipy")}


def refuse_other_versions(expected: dict[str, str], found: dict[str, str] | None = None) -> None:
    """MtjfitError if a worker, by default this process, has other versions, so that last digits could differ."""
    if changes := description_changes(expected, found or program_versions()):
        raise MtjfitError(
            f"a worker has other versions of what computes ({'; '.join(changes)}); install the same there"
        )


@contextmanager
def answering(kept: str) -> Iterator[None]:
    """Turn the errors of a lost scheduler into MtjfitError."""
    distributed = import_module("distributed")
    closed = getattr(import_module("distributed.client"), "ClosedClientError", RuntimeError)  # name of later versions
    try:
        yield
    except (distributed.CancelledError, asyncio.CancelledError, TimeoutError, OSError, closed) as error:
        raise MtjfitError(f"the scheduler has gone; {kept}") from error


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
        "distributed.admin.large-graph-warning-threshold": "1 GiB",  # what is sent is meant to be
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
