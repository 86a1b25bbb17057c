"""What one task of a comparison draws does not move the numbers of the others."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from model_studies import simulated

from mtjfit.comparison.mechanisms import comparison
from mtjfit.comparison.mechanisms.comparison import MechanismResult, compare_mechanisms
from mtjfit.comparison.mechanisms.left_out_thickness import WIDTHS

leave_out = import_module("mtjfit.comparison.mechanisms.left_out_thickness")


def results(monkeypatch: pytest.MonkeyPatch, *, idle: int) -> MechanismResult:
    """With prior widths that draw `idle` numbers more than they need."""
    monkeypatch.setattr(comparison, "_SIMULATIONS", 10)

    def width(_: object, __: object, width: object, rng: np.random.Generator) -> tuple[float, bool]:
        rng.standard_normal(idle)
        return float(rng.standard_normal()), True

    monkeypatch.setattr(comparison, "log_evidence_change", width)
    return compare_mechanisms(simulated((0.8, 1.5, 3.0)), names=["ballistic+b1"], progress=False).results[0]


def same(one: MechanismResult, other: MechanismResult) -> bool:
    """Left-out thicknesses, predictive checks and draws."""
    return one.left_out == other.left_out and one.checks == other.checks and one.draws.equals(other.draws)


def test_tasks_do_not_move_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (results(monkeypatch, idle=idle) for idle in (0, 3))
    assert one.changes != other.changes  # the widths have drawn other numbers, and nobody else
    assert len(set(one.changes.values())) == len(WIDTHS)
    assert same(one, other)

    def shared(job: Any) -> dict[str, np.random.Generator]:
        rng = np.random.default_rng(job.seed)
        return dict.fromkeys(("explore", "draws", "left out", "checks", "bounds", *(w.name for w in WIDTHS)), rng)

    monkeypatch.setattr(comparison, "_generators", shared)
    assert not same(*(results(monkeypatch, idle=idle) for idle in (0, 3)))


class Known:
    """Draws of a posterior, and its study."""

    study = simulated((0.8, 1.5, 3.0))

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


def test_a_refit_of_one_thickness_does_not_move_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers(rng: Any, refits: bool) -> list[float]:
        def one(_: object, __: object, ___: object, gone: tuple[int, ...], rng: Any, ____: object) -> float:
            rng.standard_normal(7 if refits and gone == (0,) else 1)
            return float(rng.standard_normal())

        monkeypatch.setattr(leave_out, "_one", one)
        return list(leave_out.leave_out(Known, Known, rng))  # type: ignore[arg-type]

    quiet, refitted = (numbers(np.random.default_rng(0), refits) for refits in (False, True))
    assert len(set(quiet)) == 3
    assert quiet[0] != refitted[0]
    assert quiet[1:] == refitted[1:]
    assert numbers(Alone(), False)[1:] != numbers(Alone(), True)[1:]
