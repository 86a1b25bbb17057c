"""Who computes the likelihood of a stack: this process, further ones, or the workers of a scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mtjfit.parallel import keep_memory
from mtjfit.wafer.stack.cluster import shared_by_cluster
from mtjfit.wafer.stack.posterior import WaferPosterior
from mtjfit.wafer.stack.processes import repaid, shared_by_processes


@contextmanager
def shared(model: WaferPosterior, workers: int | None = None, scheduler: str = "") -> Iterator[WaferPosterior]:
    """The same model, its likelihood computed by `workers` processes or by those of a scheduler, as of `sample_stack`.

    ValueError if both are given, or `workers` is less than 1.
    """
    given: object = workers
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 1):
        raise ValueError(f"workers is {workers!r}: give a whole number from 1 on")
    if scheduler and workers is not None:
        raise ValueError("give workers or a scheduler, not both")
    keep_memory()
    sharing = (
        shared_by_cluster(model, scheduler)
        if scheduler
        else shared_by_processes(model, repaid(model.devices.n) if workers is None else workers)
    )
    with sharing as found:
        yield found
