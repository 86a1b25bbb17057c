"""A likelihood shared by the workers of a dask scheduler, each of which holds all devices.

The devices are sent once to each worker, also to one that comes later. Then rows of values go out, and sums come back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.model.posterior import Piece, SharedPosterior, in_this_process
from mtjfit.wafer.scheduler import Call, Workers, answering, dask_client, program_versions, refuse_other_versions
from mtjfit.wafer.stack.jobs import Bundle, divided

LEAST = 125_000
"""Rows times devices of a job: some 50 ms, against some milliseconds for its way to a worker and back."""
_KEPT = (
    "a run with a journal, as that of mtjfit wafer, has every block that was finished; start the scheduler and its "
    "workers again and repeat the command, also without the scheduler: it goes on from there with the same numbers"
)
_ROWS = 8  # of a proof
_TRIES = 3
Model = TypeVar("Model", bound=SharedPosterior)


@contextmanager
def shared_by_cluster(
    model: Model, scheduler: str, connect: Callable[[str], AbstractContextManager[Any]] | None = None
) -> Iterator[Model]:
    """The model, its likelihood computed by the workers of a scheduler; small calls by this process.

    The numbers are the same to the last bit: MtjfitError if workers have other versions of what computes, or
    processors that compute other last digits; also if there is no scheduler or no worker, or they are lost later.
    `connect` gives a client for `scheduler`, by default that of `dask_client`.
    """
    with (connect or dask_client)(scheduler) as client:
        workers = Workers(client, _KEPT)
        with answering(_KEPT):
            for found in client.run(program_versions).values():
                refuse_other_versions(program_versions(), found)
        compute = Cluster(workers, f"mtjfit-{uuid4()}", proof(model))
        compute.hold(model)
        try:
            yield replace(model, compute=compute)
        finally:
            with suppress(Exception):  # of a scheduler that has gone, whatever ends the run
                client.unregister_worker_plugin(compute.name)


def proof(model: SharedPosterior) -> str:
    """Digest of a few integrals: that of another computer shows whether it computes the same last digits."""
    values = model.scores.values(np.linspace(-1, 1, _ROWS * model.size).reshape(_ROWS, model.size))
    found = [model.log_integrals(values, piece) for piece in model.pieces(_ROWS) if piece.block == 0]
    return hashlib.sha256(np.concatenate(found).tobytes()).hexdigest()


def answered(name: str, versions: dict[str, str], job: Bundle) -> tuple[str, list[FloatArray]] | None:
    """The proof of a worker and the sums of a job; None from a worker that does not hold the devices."""
    held = import_module("distributed").get_worker().plugins.get(name)
    if held is None:
        return None
    if held.proof is None:
        refuse_other_versions(versions)  # of a worker that came later
        held.proof = proof(held.model)
    return held.proof, job.done(held.model)


def _killed_by(job: Bundle, workers: int) -> str:
    return (
        f"a likelihood of {len(job.values)} rows ended {workers} workers, one after the other: most likely memory ran "
        f"out; give them more; {_KEPT}"
    )


@dataclass(frozen=True, eq=False)
class Cluster:
    """Computes pieces by workers that hold the model as the plugin `name`, and prove that they compute alike."""

    workers: Workers
    name: str
    proof: str
    least: int = LEAST
    versions: dict[str, str] = field(default_factory=program_versions)

    def hold(self, model: SharedPosterior) -> None:
        """Send the devices to all workers that there are and will be."""
        plugin = import_module("distributed").WorkerPlugin()
        plugin.model, plugin.proof = replace(model, compute=in_this_process), None
        with answering(self.workers.kept):
            self.workers.client.register_plugin(plugin, name=self.name)

    def __call__(self, model: SharedPosterior, values: FloatArray, pieces: Sequence[Piece]) -> Iterable[FloatArray]:
        jobs = divided(model, values, pieces, workers=max(self.workers.threads, 1), least=self.least)
        if not jobs:
            return in_this_process(model, values, pieces)
        done: dict[int, list[FloatArray]] = {}
        for _ in range(_TRIES):
            calls = (Call(job, answered, (self.name, self.versions, job)) for job in jobs if job.number not in done)
            for job, answer in self.workers.answers(calls, _killed_by):
                if answer is not None:
                    done[job.number] = self._proved(answer)
            if len(done) == len(jobs):
                return [sums for job in jobs for sums in done[job.number]]
            self.hold(model)  # another run of the same stack ended, and took the devices with it
        raise MtjfitError(f"workers lost the devices {_TRIES} times; {self.workers.kept}")

    def _proved(self, answer: tuple[str, list[FloatArray]]) -> list[FloatArray]:
        theirs, sums = answer
        if theirs != self.proof:
            raise MtjfitError(
                "a worker computes other last digits than this computer, as another kind of processor may: take "
                f"workers of the kind that runs the program; {self.workers.kept}"
            )
        return sums
