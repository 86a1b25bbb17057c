"""Worker processes that behave alike on every platform."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

from mtjfit.errors import MtjfitError
from mtjfit.interrupts import signals_postponed
from mtjfit.progress import bar
from mtjfit.streams import VisibleStream

Job = TypeVar("Job")
Result = TypeVar("Result")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_IN_WORKERS = dict.fromkeys((*_ONE_THREAD, "PYTHONSAFEPATH"), "1")


class WorkerKilled(MtjfitError):
    """A worker process ended before its work was done."""


def worker_killed(when: str) -> WorkerKilled:
    """The error for a process that ended, with what to do."""
    return WorkerKilled(
        f"a worker process ended {when}: it was "
        'killed, or memory ran out (use fewer workers), or a script lacks `if __name__ == "__main__":`'
    )


def keep_memory() -> None:
    """Let this process keep the memory of arrays that were dropped, up to 64 MiB.

    Otherwise glibc returns it to the system at once, and getting it back page by page takes more than half of the time
    of a likelihood. Freeing one large block, which is never touched, raises the limit (M_MMAP_THRESHOLD in mallopt(3)).
    """
    bytearray(2**25 - 2**13)


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
            found = []
            for job in jobs:
                found.append(function(job))
                shown.update()
            return found
        left, results = iter(enumerate(jobs)), dict[int, Result]()
        at_work: dict[Future[Result], tuple[int, ProcessPoolExecutor]] = {}
        with ExitStack() as stack:
            idle = [stack.enter_context(process_pool()) for _ in range(min(workers, len(jobs)))]
            try:
                while idle or at_work:
                    for pool, (number, job) in zip(idle, left, strict=False):
                        at_work[pool.submit(function, job)] = number, pool
                    idle = []
                    for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                        number, pool = at_work.pop(future)
                        results[number] = future.result()
                        idle.append(pool)
                        shown.update()
            except BrokenProcessPool as error:
                raise worker_killed(f"before its work was done, after {len(results)} of {len(jobs)} runs") from error
            return [results[number] for number in range(len(jobs))]


def _begin() -> None:
    keep_memory()
    sys.stdout, sys.stderr = VisibleStream(sys.stdout), VisibleStream(sys.stderr)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Windows; elsewhere it was started with all signals postponed
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent ends: a parent that was killed cannot stop it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def process_pool() -> Iterator[ProcessPoolExecutor]:
    """Pool of one new process, which does not outlive the block or this process.

    They talk through pipes, so that nothing listens, and it imports no module from the working directory. Several
    processes are several pools: in a common one, a process that is killed while it answers leaves all others waiting.
    """
    before = {child.pid for child in multiprocessing.active_children()}
    with _environment(_IN_WORKERS), ExitStack() as stack:
        with signals_postponed():
            pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            stack.callback(_kill_children, before)
            pool.submit(int)  # starts the process
            # While this end is open, the rest of an answer that was cut off would be waited for, and for ever.
            pool._result_queue._writer.close()  # type: ignore[attr-defined]
        yield pool


@contextmanager
def worker_process(serve: Callable[[Connection], None]) -> Iterator[Connection]:
    """Connection to one new process that runs `serve` on its end, and does not outlive the block or this process.

    A process as those of `process_pool`, for many short jobs: one pipe and no threads between two processes. Its end is
    open in that process alone, so EOFError says that it has ended. `serve` must stand at the top level of a module.
    """
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=_serving, args=(serve, its), daemon=True)
    with mine, ExitStack() as stack:
        with _environment(_IN_WORKERS), signals_postponed(), its:
            process.start()
            stack.callback(process.join)
            stack.callback(process.kill)
        yield mine


def _serving(serve: Callable[[Connection], None], connection: Connection) -> None:
    _begin()
    serve(connection)


def _kill_children(before: Collection[int | None]) -> None:
    """Kill new children: an orderly end would take them half a second, and one that was stopped would never end."""
    for child in multiprocessing.active_children():
        if child.pid not in before:
            child.kill()


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
