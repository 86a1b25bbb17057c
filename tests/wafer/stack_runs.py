"""Small stacks whose likelihood is shared, and a run of one in a process of its own.

``python stack_runs.py JOURNAL WORKERS RESULT`` samples it; WORKERS is a number, or the address of a scheduler.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from hierarchy_cases import TRUTH, at_truth, parameters, posterior

from mtjfit.infer.ensembles.ensemble import Pace
from mtjfit.infer.evidence import Effort
from mtjfit.infer.sampling import run_model
from mtjfit.study import Fixed, Sampling
from mtjfit.wafer import Hierarchy, WaferPosterior
from mtjfit.wafer.stack.processes import Processes, serve
from mtjfit.wafer.stack.sample import sample_stack

LEAST = 300
"""Rows times devices of a job: small stacks have several in a call."""
KNOWN = {n: Fixed(TRUTH[n]) for n in ("lambda_phi", "lambda_sf_F", "Lambda", "b2", "scatter_a1", "scatter_b2")}


@cache
def stack() -> WaferPosterior:
    """60 devices in blocks of 25, 25 and 10: three sums for each row, so that their order shows in the last digits.

    A piece has a few rows.
    """
    return replace(posterior(60, n_bias=5), devices_at_once=25, nodes_at_once=2**11)


def rows(model: WaferPosterior, n: int = 60) -> np.ndarray:
    """Coordinates about the truth, shape (n, size)."""
    return np.asarray(at_truth(model) + 0.02 * np.random.default_rng(0).standard_normal((n, model.size)))


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in arrays)).hexdigest()


@contextmanager
def by_threads(
    model: WaferPosterior, answers: Sequence[Callable[[Connection], None]] = (), workers: int = 2, **how: Any
) -> Iterator[WaferPosterior]:
    """The model, shared by threads that talk as processes do; the last ones do as `answers` say."""
    ours, threads = [], []
    for k in range(workers):
        mine, its = multiprocessing.Pipe()
        special = k - (workers - len(answers))
        target = serve if special < 0 else answers[special]
        threads.append(threading.Thread(target=target, args=(its,), daemon=True))
        threads[-1].start()
        mine.send(model)
        mine.recv()
        ours.append(mine)
    try:
        yield replace(model, compute=Processes(list(ours), least=LEAST, **how))
    finally:
        for each in ours:
            each.close()


def in_small_jobs(target: WaferPosterior, *arguments: Any, **options: Any) -> Any:
    """`run_model` of a shared likelihood of which also small calls are shared."""
    if hasattr(target.compute, "least"):
        target = replace(target, compute=replace(target.compute, least=LEAST))
    effort = Effort(particles=4, fewest=100, draws=200)
    pace = Pace(block=5, first_look=10, first_refit=20, components=2, settle=5, effort=effort)
    return run_model(target, *arguments, pace=pace, **options)


def sampled(journal: Path | None = None, hook: Callable[[WaferPosterior], None] | None = None, **how: Any) -> str:
    """Digest of a short run of 40 devices with three free parameters, which does not converge."""
    model = posterior(
        40, n_bias=5, hierarchy=Hierarchy({"thickness": ("bowl",)}, thickness_scatter=Fixed(0.02), radius=100.0),
        declared=parameters(**KNOWN),
    )  # fmt: skip
    model = replace(model, devices_at_once=15)
    wish = Sampling(seed=3, max_steps=40, target_ess=10**5, walkers=12)
    run = partial(_hooked, hook) if hook else in_small_jobs
    found = sample_stack(model, wish, journal=journal, progress=False, run=run, **how)
    return digest(found.z, found.log_likelihood)


def _hooked(hook: Callable[[WaferPosterior], None], target: WaferPosterior, *arguments: Any, **options: Any) -> Any:
    hook(target)
    return in_small_jobs(target, *arguments, **options)


def address_in(file: Path) -> str:
    """Of the scheduler that wrote the file."""
    return str(json.loads(file.read_text(encoding="utf-8"))["address"])


if __name__ == "__main__":
    _folder, _who, _result = sys.argv[1:]
    _how: dict[str, Any] = {"workers": int(_who)} if _who.isdigit() else {"scheduler": _who}
    Path(_result).write_text(sampled(Path(_folder), **_how), encoding="utf-8")
