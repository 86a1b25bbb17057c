"""A function of many jobs in several processes, the same way on every platform, and stopped cleanly."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from mtjfit.errors import MtjfitError
from mtjfit.progress import bar

__all__ = ["WorkerKilled", "deaf", "helpers", "in_parallel", "n_processors"]

Job = TypeVar("Job")
Result = TypeVar("Result")
_MOST = 61  # processes that Windows can wait for

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerKilled(MtjfitError):
    """A process ended before its work was done."""


def n_processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int, *, says: str = "", progress: bool = True
) -> list[Result]:
    """[function(job) for job in jobs] in `workers` new processes; with one worker in this process.

    Processes are spawned, as Windows and macOS do it, so that nothing is inherited and every platform computes the
    same; the numerical libraries in them use one thread each. A script that calls this with more than one worker needs
    ``if __name__ == "__main__":``. Ctrl-C and errors end all processes at once.

    Parameters
    ----------
    function : callable
        Of a module, not nested, so that another process can find it.
    says : str
        In front of the bar.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    list
        In the order of the jobs.

    Raises
    ------
    WorkerKilled
        A process was killed.

    Examples
    --------
    >>> in_parallel(abs, [-1, 2, -3], workers=1, progress=False)
    [1, 2, 3]
    """
    with bar(says, progress, total=len(jobs), unit="run") as shown:
        if workers == 1:
            results = []
            for job in jobs:
                results.append(function(job))
                shown.update()
            return results
        with helpers(min(workers, len(jobs), _MOST)) as pool:
            with deaf():
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
    """Ctrl-C reaches all processes of a terminal, but only the first is to answer; none outlives the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed could not end its workers: each would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def helpers(workers: int) -> Iterator[ProcessPoolExecutor]:
    """New processes, begun with the first job; they do not outlive the block or this process, however these end.

    Parameters
    ----------
    workers : int
        At most 61.

    Examples
    --------
    >>> with helpers(1) as pool:  # doctest: +SKIP
    ...     pool.submit(abs, -1).result()
    1
    """
    before = {child.pid for child in multiprocessing.active_children()}
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    with _environment(dict.fromkeys(_ONE_THREAD, "1")):
        try:
            yield pool
        finally:  # nothing of theirs is wanted any more, and tidying up would take them half a second
            for child in multiprocessing.active_children():
                if child.pid not in before:
                    child.terminate()
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Environment variables for processes started inside the block: libraries read them while they are loaded."""
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
def deaf() -> Iterator[None]:
    """No Ctrl-C inside: processes that are started meanwhile are born ignoring it, where processes inherit that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
