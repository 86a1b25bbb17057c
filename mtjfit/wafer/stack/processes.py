"""A likelihood shared by further processes of this computer, each of which holds all devices.

They talk through pipes, so that nothing listens. Rows of values go out, and sums come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import TypeVar

from mtjfit.arrays import FloatArray
from mtjfit.model.posterior import Piece, SharedPosterior, in_this_process
from mtjfit.parallel import n_processors, worker_killed, worker_process
from mtjfit.wafer.stack.jobs import Bundle, divided

LEAST = 12_500
"""Rows times devices of a job: some 5 ms, against some 0.2 ms for its way to a process and back."""
_DEVICES = 100  # of a stack, that repay a process: it takes a second to start
Model = TypeVar("Model", bound=SharedPosterior)


def repaid(n_devices: int) -> int:
    """Number of processes that share a stack of so many devices, unless the caller knows better."""
    return max(1, min(n_processors(), n_devices // _DEVICES))


@contextmanager
def shared_by_processes(model: Model, workers: int) -> Iterator[Model]:
    """The model, its likelihood computed by so many new processes, or with one worker, by this one.

    The numbers are the same to the last bit. A process that is killed or stopped is not replaced: others do its work,
    or this one. WorkerKilled if one ends before it holds the model.
    """
    if workers == 1:
        yield model
        return
    with ExitStack() as stack:
        connections = [stack.enter_context(worker_process(serve)) for _ in range(workers)]
        try:
            for each in connections:
                each.send(model)
            for each in connections:
                each.recv()
        except (EOFError, OSError) as error:
            raise worker_killed("before it had the devices") from error
        yield replace(model, compute=Processes(connections))


def serve(connection: Connection) -> None:
    """Take a model, then answer jobs until the other end is closed."""
    model = connection.recv()
    connection.send("holds it")
    with suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            try:
                answer = job.done(model)
            except Exception as error:  # it is raised where the likelihood was asked for
                answer = error
            connection.send(answer)


@dataclass(frozen=True, eq=False)
class Processes:
    """Computes pieces by processes that hold the model; takes those that end out of the list of `connections`.

    If none of them answers for `patience` seconds, as of processes that were stopped, their jobs are done here.
    """

    connections: list[Connection]
    patience: float = 60.0
    least: int = LEAST

    def __call__(self, model: SharedPosterior, values: FloatArray, pieces: Sequence[Piece]) -> Iterable[FloatArray]:
        jobs = divided(model, values, pieces, workers=max(len(self.connections), 1), least=self.least)
        if not jobs:
            return in_this_process(model, values, pieces)
        try:
            answers = self._answers(jobs)
        except BaseException:
            self.connections.clear()  # answers that were not fetched would be taken for those of the next call
            raise
        here = (answers[job.number] if job.number in answers else job.done(model) for job in jobs)
        return [sums for answer in here for sums in answer]

    def _drop(self, connection: Connection) -> None:
        del self.connections[self.connections.index(connection)]

    def _answers(self, jobs: Sequence[Bundle]) -> dict[int, list[FloatArray]]:
        """By number of the job; those that are missing were nobody's in the end."""
        answers: dict[int, list[FloatArray]] = {}
        left, idle = list(reversed(jobs)), list(self.connections)
        at_work: dict[Connection, Bundle] = {}
        while True:
            while left and idle:
                connection, job = idle.pop(0), left.pop()
                try:
                    connection.send(job)
                except OSError:
                    self._drop(connection)
                    left.append(job)
                else:
                    at_work[connection] = job
            if not at_work:
                return answers
            ready = wait(list(at_work), self.patience)
            if not ready:
                for connection in at_work:
                    self._drop(connection)
                at_work.clear()
            for connection in [each for each in at_work if each in ready]:
                job = at_work.pop(connection)
                try:
                    answer = connection.recv()
                except (EOFError, OSError):
                    self._drop(connection)
                    left.append(job)
                    continue
                if isinstance(answer, Exception):
                    raise answer
                answers[job.number] = answer
                idle.append(connection)
