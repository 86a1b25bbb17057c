"""Reduction of chunks by the workers of a dask scheduler.

The program itself writes the catalogue and reads the table, except for a folder of files, which workers read. Results
do not depend on who computed them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from mtjfit.wafer.reduce.jobs import Job, killed_by, reduce_job
from mtjfit.wafer.scheduler import Call, Workers, dask_client, program_versions

if TYPE_CHECKING:
    from mtjfit.wafer.declaration import WaferStudy
    from mtjfit.wafer.reduce.reduced import Reduced

_KEPT = "the catalogue holds all chunks that were finished; repeat the command and it goes on from there"


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

    No more jobs are in flight than twice the threads of the workers, so memory does not grow with the table. `ending`,
    `patience`, `poll` and errors are those of `Workers.answers`. `connect` gives a client for `scheduler`, by default
    that of `dask_client`.
    """
    with (connect or dask_client)(scheduler) as client:
        mine = program_versions()
        calls = (Call(job, reduce_job, (study, job, mine)) for job in left)
        for job, reduced in Workers(client, _KEPT, patience, poll).answers(calls, killed_by, ending):
            yield job.share, reduced
