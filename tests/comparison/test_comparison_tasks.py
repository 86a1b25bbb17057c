"""Random numbers of one task of a comparison do not move those of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from model_studies import simulated

from mtjfit.comparison.mechanisms.comparison import MechanismResult, mechanism_result, task_generators
from mtjfit.comparison.mechanisms.left_out_thickness import leave_out_each
from mtjfit.comparison.mechanisms.models import MECHANISMS
from mtjfit.comparison.mechanisms.prior_widths import WIDTHS, PriorWidth

STUDY = simulated((0.8, 1.5, 3.0))


@dataclass(frozen=True)
class Idle(PriorWidth):
    """A prior width that draws `idle` numbers more than it needs."""

    idle: int = 0

    def log_evidence_change(self, model: object, explored: object, rng: np.random.Generator) -> tuple[float, bool]:
        rng.standard_normal(self.idle)
        return float(rng.standard_normal()), True


def result(idle: int, rng: dict[str, np.random.Generator] | None = None) -> MechanismResult:
    widths = [Idle(width.name, width.of, width.factor, idle) for width in WIDTHS]
    return mechanism_result(STUDY, MECHANISMS["ballistic+b1"], rng or task_generators(1, 1), (), widths, 10)


def same(one: MechanismResult, other: MechanismResult) -> bool:
    """Left-out thicknesses, predictive checks and draws."""
    return one.left_out == other.left_out and one.checks == other.checks and one.draws.equals(other.draws)


def test_tasks_do_not_move_each_other() -> None:
    one, other = result(0), result(3)
    assert one.changes != other.changes
    assert len(set(one.changes.values())) == len(WIDTHS)
    assert same(one, other)


def test_sabotage_one_generator_for_all_tasks_is_seen() -> None:
    assert not same(*(result(idle, dict.fromkeys(task_generators(1, 1), np.random.default_rng(1))) for idle in (0, 3)))


class Known:
    """Draws of a posterior, and its study."""

    study = STUDY

    @staticmethod
    def resampled(n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.standard_normal((n, 1))


class Alone:
    """Sabotage: a generator whose children are itself."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def spawn(self, n: int) -> list[np.random.Generator]:
        return [self.rng] * n

    def standard_normal(self, size: Any) -> np.ndarray:
        return self.rng.standard_normal(size)


@pytest.mark.parametrize(("make", "kept"), [(lambda: np.random.default_rng(0), True), (Alone, False)])
def test_a_refit_of_one_thickness_does_not_move_the_next(make: Any, kept: bool) -> None:
    def numbers(refits: bool) -> list[float]:
        def one(_: object, __: object, ___: object, gone: tuple[int, ...], rng: Any, ____: object) -> Any:
            rng.standard_normal(7 if refits and gone == (0,) else 1)
            return float(rng.standard_normal())

        return list(leave_out_each(Known, Known, make(), one=one))  # type: ignore[arg-type]

    quiet, refitted = numbers(False), numbers(True)
    assert len(set(quiet)) == 3
    assert quiet[0] != refitted[0]
    assert (quiet[1:] == refitted[1:]) == kept
