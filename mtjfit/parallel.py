"""Worker processes that behave alike on every platform, and clean stops by Ctrl-C."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from mtjfit.errors import MtjfitError
from mtjfit.progress import bar
from mtjfit.streams import VisibleStream

Job = TypeVar("Job")
Result = TypeVar("Result")
_MOST = 61  # processes that Windows can wait for
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerKilled(MtjfitError):
    """A worker process ended before its work was done."""


class Interrupted(KeyboardInterrupt):
    """A run stopped between two blocks, on request; everything it computed is saved."""


def n_processors() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int, *, says: str = "", progress: bool = True
) -> list[Result]:
    """``[function(job) for job in jobs]``, computed by new worker processes; with one worker, by this process.

    Processes are spawned on every platform, as on Windows and macOS, so that they inherit nothing and all platforms
    compute the same; numerical libraries in them use one thread each. A script that uses more than one worker needs
    ``if __name__ == "__main__":``, and `function` must stand at the top level of a module. Ctrl-C and errors stop all
    processes at once; `says` is the label of the progress bar. WorkerKilled if a process was killed.
    """
    with bar(says, progress, total=len(jobs), unit="run") as shown:
        if workers == 1:
            results = []
            for job in jobs:
                results.append(function(job))
                shown.update()
            return results
        with process_pool(min(workers, len(jobs), _MOST)) as pool:
            with ignore_sigint():
                futures: list[Future[Result]] = [pool.submit(function, job) for job in jobs]
            done = 0
            try:
                for future in as_completed(futures):
                    future.result()
                    done += 1
                    shown.update()
            except BrokenProcessPool as error:
                raise WorkerKilled(
                    f"a worker process ended before its work was done, after {done} of {len(jobs)} runs: it was "
                    'killed, or memory ran out (use fewer workers), or a script lacks `if __name__ == "__main__":`'
                ) from error
            return [future.result() for future in futures]


def _begin() -> None:
    sys.stdout, sys.stderr = VisibleStream(sys.stdout), VisibleStream(sys.stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent answers it
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent ends: a parent that was killed cannot stop it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Pool of at most 61 new processes, started with the first job; none outlives the block or this process.

    They talk through pipes, so that nothing listens, and import no module from the working directory.
    """
    before = {child.pid for child in multiprocessing.active_children()}
    with _environment(dict.fromkeys((*_ONE_THREAD, "PYTHONSAFEPATH"), "1")):
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
        try:
            yield pool
        finally:  # killed: an orderly end would take them half a second, and one that was stopped would never end
            for child in multiprocessing.active_children():
                if child.pid not in before:
                    child.kill()
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Set environment variables within the block: numerical libraries read them while they are loaded."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def ignore_sigint() -> Iterator[None]:
    """Ignore SIGINT within the block, and in processes that it starts where these inherit that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


_DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
_MESSAGES = {
    signal.SIGINT: "\nCtrl-C: finishing this block and saving it; press Ctrl-C again to stop at once.\n",
    signal.SIGTERM: "\nAsked to end: finishing this block and saving it.\n",
}


@contextmanager
def graceful_interrupt(wanted: bool = True) -> Iterator[Callable[[], bool]]:
    """Postpone the first SIGINT or SIGTERM within the block; the yielded function tells whether there was one.

    Interrupted is raised at the end of the block after a first signal, KeyboardInterrupt at once at the second. Signals
    are left alone if not `wanted`, outside the main thread, where Python allows no handlers, and where they are ignored
    or have a handler of other code.

    >>> with graceful_interrupt() as interrupted:
    ...     interrupted()
    False
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        # A handler may interrupt a write to the same stream, and there may be no stream at all.
        with contextlib.suppress(RuntimeError, ValueError, OSError, AttributeError):
            sys.stderr.write(_MESSAGES[signal.Signals(number)])
            sys.stderr.flush()

    can = wanted and threading.current_thread() is threading.main_thread()
    before = {each: found for each in _DEFAULTS if can and (found := signal.getsignal(each)) is _DEFAULTS[each]}
    for each in before:
        signal.signal(each, handle)
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if asked:
        raise Interrupted
