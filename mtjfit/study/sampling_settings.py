"""How long and how wide a study is sampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.errors import ConfigError, Problem

RANGES = {
    "seed": (0, 2**63 - 1),
    "target_ess": (10, 10_000_000),
    "ensembles": (4, 64),
    "walkers": (4, 10_000),
    "max_steps": (10, 100_000_000),
}
"""Smallest and largest value of every setting of `Sampling`; `walkers` may also be 0."""


@dataclass(frozen=True)
class Sampling:
    """How long and how wide to sample; ConfigError for a number outside its range in `RANGES`.

    Attributes
    ----------
    seed : int
        Every random number of a run comes from it.
    target_ess : int
        Effective draws wanted of every parameter before the run stops.
    ensembles : int
        Independent emcee ensembles; at least four, so that they can be compared.
    walkers : int
        Walkers of each ensemble; 0: chosen from the dimension.
    max_steps : int
        Steps of each ensemble after which the run stops even if it has not passed the gate.

    Examples
    --------
    >>> Sampling(seed=3).target_ess
    2000
    """

    seed: int = 1
    target_ess: int = 2000
    ensembles: int = 4
    walkers: int = 0
    max_steps: int = 50_000

    def __post_init__(self) -> None:
        problems = []
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                problems.append(Problem(f"sampling.{name}", f"is {value!r}", "give a whole number"))
            elif not (low <= value <= high or (name == "walkers" and value == 0)):
                reason = "; fewer cannot be compared with each other" if name == "ensembles" else ""
                todo = f"give a number from {low} to {high}{reason}"
                problems.append(Problem(f"sampling.{name}", f"is {value}", todo))
        if problems:
            raise ConfigError(problems)
