"""Runs that take no time: two ensembles of eight walkers in two dimensions, 75 steps in blocks of five, two refits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from mtjfit.errors import MtjfitError
from mtjfit.infer import Chains, Journal, Pace, open_journal, run_ensembles
from mtjfit.infer.ensembles.ensemble import Stage, initial_stage

STUDY = {"sampling.seed": "5", "parameters.x": "normal"}
MAX_STEPS = 75
SEED = 5
PACE = Pace(block=5, first_look=10, first_refit=20, components=2)
"""Blocks of 5 steps, looks from 10 on, refits from 20 on, coarse proposals."""


@dataclass(frozen=True)
class Bell:
    """A normal likelihood about (1, 0) under a normal prior, both of unit width."""

    centre: float = 1.0

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        return -0.5 * np.sum(theta**2, axis=1) - np.log(2 * np.pi)

    def log_posterior(self, theta: np.ndarray) -> np.ndarray:
        return self.log_prior(theta) - 0.5 * np.sum((theta - [self.centre, 0.0]) ** 2, axis=1)

    def prior_transform(self, u: np.ndarray) -> np.ndarray:
        return ndtri(u)


def run(journal: Journal | None = None, target: object = None, max_steps: int = MAX_STEPS, **parts: object) -> Chains:
    """The chains of a run that never converges; it begins without exploring anything."""
    parts = {"begin": lambda *_: stage()} | parts
    return run_ensembles(
        target or Bell(), ("x", "y"), seed=SEED, target_ess=1e9, n_ensembles=2, n_walkers=8, max_steps=max_steps,
        progress=False, journal=journal, pace=PACE, **parts,
    ).chains  # fmt: skip


def run_in(folder: Path, **kwargs: object) -> Chains:
    """The same, saved in a folder, or gone on with."""
    with open_journal(folder, STUDY) as journal:
        return run(journal, **kwargs)


def same(one: Chains, other: Chains) -> bool:
    """Equal to the last bit."""
    pairs = ((one.theta, other.theta), (one.log_posterior, other.log_posterior), (one.acceptance, other.acceptance))
    return all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


@cache
def stage() -> Stage:
    """What every run here begins with."""
    return initial_stage(Bell(), 2, 2, 8, SEED, pace=PACE)


def contents(folder: Path, names: str = "*") -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.glob(names)}


@contextmanager
def refused(folder: Path, match: str) -> Iterator[pytest.ExceptionInfo[MtjfitError]]:
    """An error in these words, and nothing in the folder was changed."""
    before = contents(folder)
    with pytest.raises(MtjfitError, match=match) as said:
        yield said
    assert contents(folder) == before


class Killed(BaseException):
    """The process is gone: nothing that it does from here on has any effect."""


class Death:
    """Kills at the n-th operation on files, and lets nothing that comes later have any effect."""

    OPERATIONS = ("os.fsync", "pathlib.Path.replace", "pathlib.Path.unlink")

    def __init__(self, after: int, patch: pytest.MonkeyPatch):
        self.left = after
        for name in self.OPERATIONS:
            module, _, attribute = name.rpartition(".")
            owner = Path if module == "pathlib.Path" else import_module(module)
            patch.setattr(owner, attribute, self._mortal(getattr(owner, attribute)))

    def _mortal(self, operation: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **kwargs: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise Killed
            return operation(*args, **kwargs)

        return wrapped
