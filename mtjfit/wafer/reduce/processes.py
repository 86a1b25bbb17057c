"""Reduction of chunks by further processes of this computer, which talk through pipes: nothing listens.

Each process is a pool of its own, so that one that is killed takes no job of another with it.

A table of 100 000 curves takes the program 1 s to read from Parquet, 10 s from text, 1 s to reduce, and 1 s to write:
more processes cannot make that faster. They do for folders, where a file takes two milliseconds. Several tables are
best reduced by several programs at once into one catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mtjfit.errors import MtjfitError
from mtjfit.parallel import process_pool
from mtjfit.wafer.reduce.jobs import Job, killed_by, reduce_job
from mtjfit.wafer.scheduler import program_versions

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy
    from mtjfit.wafer.reduce.reduced import Reduced

_AHEAD = 2  # jobs for each process: one at work, one that waits
_MOST_KILLED = 4  # processes that a chunk may end before it is given up


def reduced_by_processes(
    study: WaferStudy,
    left: Iterator[Job],
    *,
    workers: int,
    ending: Callable[[], bool],
    patience: float = 60.0,
    poll: float = 0.5,
    reduce: Callable[[WaferStudy, Job, dict[str, str]], Reduced] = reduce_job,
) -> Generator[tuple[float, Reduced]]:
    """Part of the table up to each job, and its reduced chunk, in the order in which processes finish.

    No more than two jobs for each process are in flight, so memory does not grow with the table. Once `ending` is true
    no further job begins; those in flight are finished. The jobs of a process that is killed go to a new one. If
    nothing is heard for `patience` seconds, as of processes that were stopped, new ones get all jobs in flight, too;
    the first answer counts. The next time it is twice as long. MtjfitError if a chunk ends each process that tries it.
    """
    mine, silent, more = program_versions(), 0.0, True
    lost: Counter[int] = Counter()
    unanswered: dict[int, Job] = {}
    at_work: dict[Future[Reduced], tuple[ProcessPoolExecutor, Job]] = {}
    with ExitStack() as stack:
        pools: list[ProcessPoolExecutor] = []

        def submit(job: Job) -> None:
            if len(pools) < workers:
                pools.append(stack.enter_context(process_pool()))
            load = Counter(id(pool) for pool, _ in at_work.values())
            pool = min(pools, key=lambda each: load[id(each)])
            try:
                at_work[pool.submit(reduce, study, job, mine)] = pool, job
            except BrokenProcessPool:
                pools.remove(pool)
                submit(job)

        while True:
            while more and not ending() and len(unanswered) < _AHEAD * workers:
                job = next(left, None)
                if job is None:
                    more = False
                    break
                unanswered[job.number] = job
                submit(job)
            if not unanswered:
                return
            done, _ = wait(at_work, poll, FIRST_COMPLETED)
            silent = 0.0 if done else silent + poll
            for future in [each for each in at_work if each in done]:
                pool, job = at_work.pop(future)
                if job.number not in unanswered:
                    continue
                if isinstance(future.exception(), BrokenProcessPool):
                    lost[job.number] += 1
                    if lost[job.number] == _MOST_KILLED:
                        raise MtjfitError(killed_by(job, _MOST_KILLED)) from future.exception()
                    if pool in pools:
                        pools.remove(pool)
                    submit(job)
                else:
                    reduced = future.result()
                    del unanswered[job.number], future
                    yield job.share, reduced
            if silent >= patience:
                silent, patience = 0.0, 2 * patience
                pools.clear()
                for job in unanswered.values():
                    submit(job)
