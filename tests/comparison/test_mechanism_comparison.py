"""Exploration evidences, left-out thicknesses, predictive checks and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evidence_targets import BANANA, TWO_MODES, gaussian
from mechanism_cases import FEW_POINTS as BIAS
from mechanism_cases import closed_form, design, explored, made_by, model_of, series
from model_studies import simulated as model_study
from shortcuts import slow_after

from mtjfit.comparison import (
    MECHANISMS,
    STATISTICS,
    WIDTHS,
    BayesFactor,
    MechanismComparison,
    MechanismResult,
    PriorWidth,
    compare_mechanisms,
    conclusions,
    leave_out,
    leave_out_each,
    mechanism_result,
    mechanism_study,
    predictive_checks,
    slope_statistics,
    slopes,
    task_generators,
)
from mtjfit.infer import simulated
from mtjfit.parallel import WorkerKilled

BALLISTIC = ["ballistic", "ballistic+b1"]
compare = partial(compare_mechanisms, n_simulations=20, progress=False)


@pytest.mark.parametrize(
    "target",
    slow_after(1, [gaussian(3), BANANA, TWO_MODES, pytest.param(gaussian(7), marks=pytest.mark.slow)]),
    ids=["3", "banana", "two modes", "7"],
)
def test_explored_evidence_is_right_within_its_error(target: Any) -> None:
    """4.5 errors: false alarm 7e-6."""
    for seed in (1, 2):
        found = explored(target, seed)
        assert found.settled
        assert found.evidence.error < 0.05
        assert abs(found.evidence.value - target.log_evidence) < 4.5 * found.evidence.error
    if target.size == 3:  # its draws are those of the posterior
        rng = np.random.default_rng(0)
        drawn, exact = found.resampled(4000, rng), target.draws(20_000, rng)
        assert np.all(np.abs(drawn.mean(axis=0) - exact.mean(axis=0)) < 0.1 * exact.std(axis=0))
        assert np.all(np.abs(drawn.std(axis=0) / exact.std(axis=0) - 1) < 0.1)


def test_a_start_that_is_far_off_is_mended_but_not_one_that_misses_a_mode() -> None:
    """A start in one of two modes only is seen by the test above: 0.3 of the mass is 0.36 in ln Z."""
    target, rng = gaussian(3), np.random.default_rng(3)
    found = explored(target, rng, 2 + 0.1 * rng.standard_normal((500, 3)))
    assert found.settled
    assert abs(found.evidence.value - target.log_evidence) < 4.5 * found.evidence.error
    draws = TWO_MODES.draws(2000, np.random.default_rng(0))
    missed = explored(TWO_MODES, 1, draws[draws[:, 0] > 0]).evidence
    assert abs(missed.value - TWO_MODES.log_evidence) > 4.5 * missed.error


def test_leaving_out_is_a_ratio_of_closed_forms_also_where_k_hat_calls_for_a_refit() -> None:
    """ln p(y_j | y_−j) of a ballistic junction, from dense Gaussian densities; the wrong device is seen.

    Devices of one thickness are left out together. With a limit that no weights keep, everything is explored anew.
    """
    study = series("ballistic+b1", 2, d=(0.8, 3.0, 1.5, 0.8 + 1e-9))
    model, found = model_of(study, "ballistic+b1")
    gone = ((0, 3), (2,), (1,))
    rest = [study.replace(curves=tuple(c for j, c in enumerate(study.curves) if j not in each)) for each in gone]
    exact = [closed_form(study) - closed_form(each) for each in rest]
    never = partial(leave_out, limit=lambda n: np.nan)
    for method, one in (("PSIS", leave_out), ("refit", never)):
        each = leave_out_each(model, found, np.random.default_rng(0), one=one)
        assert [left.devices for left in each] == [("D0", "D3"), ("D2",), ("D1",)]
        assert [left.thickness for left in each] == [0.8, 1.5, 3.0]
        assert [left.log_density for left in each] == pytest.approx(exact, abs=1e-9)
        assert [left.method for left in each] == [method] * 3
        assert all(left.reliable for left in each)
        assert abs(each[0].log_density - exact[1]) > 0.1


@pytest.mark.slow
def test_smoothed_weights_and_refits_agree() -> None:
    """Two computations that share the likelihood alone; false alarm 2e-4 for all three."""
    model, found = model_of(series("diffusion", 3), "diffusion")
    rng = np.random.default_rng(1)
    by_weights, by_refit = leave_out_each(model, found, rng, refit=False), leave_out_each(model, found, rng, refit=True)
    assert {one.method for one in by_weights} == {"PSIS"}
    assert {one.method for one in by_refit} == {"refit"}
    pairs = [(one, other) for one, other in zip(by_weights, by_refit, strict=True) if one.reliable]
    assert pairs
    for one, other in pairs:
        assert abs(one.log_density - other.log_density) < 4 * np.hypot(one.error, other.error)


def test_slopes_are_those_of_polyfit() -> None:
    study = series("diffusion+b1", 7)
    found = slopes(study)
    for j, curve in enumerate(study.curves):
        for y, first in ((curve.par, found.par), (curve.perp, found.perp)):
            assert np.polyfit(curve.bias, y, 2)[1] == pytest.approx(first[j], rel=1e-9)
    torque, torkance = (
        made_by("diffusion", np.random.default_rng(0), design((1.0, 2.0), bias=BIAS, quantity=quantity))[1]
        for quantity in ("torque", "torkance")
    )
    assert slopes(torkance).ratio == pytest.approx(slopes(torque).ratio, rel=1e-9)


@pytest.mark.slow
def test_statistics_are_chi_squares_under_their_mechanism() -> None:
    """Means over 300 data sets of ballistic+b1: J for what is absent, J − 1 for what varies; 4.5 sd each."""
    study = mechanism_study(design((0.8, 1.5, 3.0), bias=BIAS, noise=0.02), MECHANISMS["ballistic+b1"])
    rng = np.random.default_rng(0)
    made = [slope_statistics(slopes(simulated(study, {"a1": 1.0, "b1": -0.3, "b2": 0.5}, rng))) for _ in range(300)]
    mean = {name: np.mean([one[name] for one in made]) for name in STATISTICS}
    for name, dof in (("slope ratio against d", 2), ("T_par slope against d", 2), ("in-plane V^2", 3)):
        assert mean[name] == pytest.approx(dof, abs=4.5 * np.sqrt(2 * dof / 300))
    assert mean["linear T_perp"] > 100  # b1 is there


@pytest.mark.slow
def test_a_wrong_mechanism_fails_the_check_that_concerns_it() -> None:
    """Data of diffusion under ballistic+b1: a ratio that changes with d; under diffusion itself nothing fails."""
    study, rng = series("diffusion", 9, noise=0.03), np.random.default_rng(0)
    failed = {}
    for name in ("ballistic+b1", "diffusion"):
        model, found = model_of(study, name)
        drawn = pd.DataFrame(model.draw(found.resampled(110, rng), rng))
        checks = predictive_checks(model.study, drawn.to_dict("records"), rng)  # type: ignore[arg-type]
        failed[name] = [one.name for one in checks if not one.ok]
    assert "slope ratio against d" in failed["ballistic+b1"]
    assert failed["diffusion"] == []


@pytest.fixture(scope="module")
def both() -> MechanismComparison:
    return compare(series("ballistic+b1", 11, noise=0.02), 3, names=BALLISTIC)


def assert_same(again: MechanismComparison, both: MechanismComparison, names: Sequence[str] = BALLISTIC) -> None:
    assert [one.name for one in again.results] == list(names)
    for one in again.results:
        other = both[one.name]
        assert (one.evidence.value, one.changes) == (other.evidence.value, other.changes)
        pd.testing.assert_frame_equal(one.draws, other.draws)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers_also_without_the_other_mechanisms(both: MechanismComparison) -> None:
    assert_same(compare(both.study, 3, names=BALLISTIC[1:]), both, BALLISTIC[1:])


@pytest.mark.slow  # two new processes import for seconds
def test_two_processes_give_the_same_numbers(both: MechanismComparison) -> None:
    assert_same(compare(both.study, 3, names=BALLISTIC, workers=2), both)


@pytest.mark.slow
def test_where_processes_are_killed_one_continues_alone_with_the_same_numbers(both: MechanismComparison) -> None:
    """Copies of the jobs, as another process has them, in another order."""
    asked = []

    def killed(function, jobs, workers, **_: object):  # type: ignore[no-untyped-def]
        asked.append(workers)
        if workers > 1:
            raise WorkerKilled("a worker process ended")
        return [function(deepcopy(job)) for job in reversed(jobs)][::-1]

    assert_same(compare(both.study, 3, names=BALLISTIC, workers=2, run=killed), both)
    assert asked == [2, 1]


def test_a_verdict_needs_twenty_to_one_under_every_prior_and_a_mechanism_that_describes_the_data(
    both: MechanismComparison,
) -> None:
    best, other = both.best, both["ballistic"]

    def shifted(log_bayes: float, **changes: float) -> MechanismComparison:
        """The comparison with the evidence of the loser set, and changes of it under other priors."""
        evidence = replace(other.evidence, value=best.evidence.value - log_bayes)
        moved = {name: best.changes[name] + changes.get(name.replace(" ", "_"), 0.0) for name in other.changes}
        return replace(both, results=(replace(other, evidence=evidence, changes=moved), best))

    assert best.name == "ballistic+b1"
    assert both.decided
    assert shifted(3.5).decided
    close = shifted(2.5)
    assert (close.decided, close.rivals) == (False, ("ballistic",))
    wide = shifted(3.5, b1_x_3=0.6)
    assert (wide.decided, wide.bayes_factors[0].lowest_under) == (False, "b1 x 3")
    unknown = shifted(3.5, b1_x_3=float("nan"))
    assert (unknown.decided, unknown.settled, unknown.bayes_factors[0].depends_on_bounds) == (False, False, True)
    undescribed = compare(series("diffusion", 9, noise=0.03), 1, names=BALLISTIC)
    assert (undescribed.settled, undescribed.described, undescribed.decided) == (True, False, False)
    assert BayesFactor("x", 3.5, 0.0, 3.1, 4.0, "").decisive
    assert not BayesFactor("x", 3.5, 0.1, 3.1, 4.0, "").decisive


@pytest.mark.parametrize("under", ["lengths x 3", "b1 x 3", "amplitudes 1/3"])
def test_what_could_not_be_computed_undoes_nothing_that_its_bounds_do_not_undo(
    both: MechanismComparison, under: str
) -> None:
    best, other = both.best, both["ballistic"]

    def bounded(one: MechanismResult, low: float, high: float) -> MechanismResult:
        """Under one change of priors the evidence could not be computed; bounds from its declared one."""
        value = one.evidence.value
        return replace(one, changes={**one.changes, under: np.nan}, bounds={under: (value + low, value + high)})

    for lost, decided in ((0.2, True), (2 * both.bayes_factors[0].lowest, False)):  # of the best, or won by the other
        for results in ((other, bounded(best, -lost, 1.0)), (bounded(other, -1.0, lost), best)):
            found = replace(both, results=results)
            assert (found.decided, found.settled, found.bayes_factors[0].bounded) == (decided, False, (under,))
            assert found.bayes_factors[0].depends_on_bounds != decided
            said = conclusions(found)
            assert said[0].startswith("The data favour" if decided else "No verdict")
            assert f"under priors of {under} could not be computed" in said[1]
            assert ("cannot change that ballistic is excluded" in " ".join(said)) == decided
            assert ("ballistic is not excluded" in " ".join(said)) != decided
    # sabotage: a bound that is not there is no bound
    found = replace(both, results=(other, replace(bounded(best, -0.2, 1.0), bounds={})))
    assert not found.decided
    assert "not known at all" in conclusions(found)[1]


def test_an_evidence_that_is_not_reliable_may_be_bounded_by_the_best_fit(both: MechanismComparison) -> None:
    best, other = both.best, both["ballistic"]
    names = dict.fromkeys(other.changes, float("nan"))

    def lost(high: float) -> MechanismComparison:
        bounds = dict.fromkeys(("", *names), (-np.inf, other.evidence.value + high))
        return replace(both, results=(replace(other, settled=False, changes=names, bounds=bounds), best))

    assert lost(5.0).decided
    assert "ln Z of ballistic under the declared priors could not be computed" in conclusions(lost(5.0))[1]
    assert not lost(1e6).decided
    assert conclusions(lost(1e6))[0].startswith("No verdict")
    unreliable = replace(both, results=(other, replace(best, settled=False)))  # and has no bounds
    assert (unreliable.decided, unreliable.settled) == (False, False)


def test_a_prediction_that_is_not_reliable_is_named(both: MechanismComparison) -> None:
    """The verdict is that of the evidences: no prediction enters it."""
    left = replace(both.best.left_out[0], reliable=False)
    broken = replace(both.best, left_out=(left, *both.best.left_out[1:]))
    found = replace(both, results=(both["ballistic"], broken))
    assert (found.decided, found.settled) == (True, False)
    assert conclusions(found)[1].startswith("The prediction of 0.8 nm by ballistic+b1 could not be computed reliably")


def test_criteria_count_what_is_determined(both: MechanismComparison) -> None:
    for one, k in ((both["ballistic"], 2), (both["ballistic+b1"], 3)):
        assert one.n_determined == k
        assert one.aic == pytest.approx(one.fit.chi2 + 2 * k)
        assert one.bic == pytest.approx(one.fit.chi2 + k * np.log(2 * 3 * BIAS.size))
    assert both.best.log_prediction == pytest.approx(sum(one.log_density for one in both.best.left_out))
    with pytest.raises(ValueError, match="no mechanism magic"):
        compare(both.study, names=["magic"])


@dataclass(frozen=True)
class Idle(PriorWidth):
    """A prior width that draws `idle` numbers more than it needs."""

    idle: int = 0

    def log_evidence_change(self, model: object, explored: object, rng: np.random.Generator) -> tuple[float, bool]:
        rng.standard_normal(self.idle)
        return float(rng.standard_normal()), True


@pytest.mark.slow
def test_tasks_do_not_move_each_other() -> None:
    """Left-out thicknesses, predictive checks and draws. Sabotage: one generator for all tasks is seen."""
    study = model_study((0.8, 1.5, 3.0))

    def result(idle: int, rng: dict[str, np.random.Generator]) -> MechanismResult:
        widths = [Idle(width.name, width.of, width.factor, idle) for width in WIDTHS]
        return mechanism_result(study, MECHANISMS["ballistic+b1"], rng, (), widths, 10)

    for own in (True, False):
        one, other = (
            result(
                idle, task_generators(1, 1) if own else dict.fromkeys(task_generators(1, 1), np.random.default_rng(1))
            )
            for idle in (0, 3)
        )
        assert one.changes != other.changes
        assert len(set(one.changes.values())) == len(WIDTHS)
        same = one.left_out == other.left_out and one.checks == other.checks and one.draws.equals(other.draws)
        assert same == own


class Alone:
    """Sabotage: a generator whose children are itself."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __getattr__(self, name: str) -> Any:
        return [self.rng].__mul__ if name == "spawn" else getattr(self.rng, name)


@pytest.mark.parametrize(("make", "kept"), [(lambda: np.random.default_rng(0), True), (Alone, False)])
def test_a_refit_of_one_thickness_does_not_move_the_next(both: MechanismComparison, make: Any, kept: bool) -> None:
    model, found = model_of(both.study, "ballistic")

    def numbers(refits: bool) -> list[float]:
        def one(_: object, __: object, ___: object, gone: tuple[int, ...], rng: Any, ____: object) -> Any:
            rng.standard_normal(7 if refits and gone == (0,) else 1)
            return float(rng.standard_normal())

        return list(leave_out_each(model, found, make(), one=one))  # type: ignore[arg-type]

    quiet, refitted = numbers(False), numbers(True)
    assert len(set(quiet)) == 3
    assert quiet[0] != refitted[0]
    assert (quiet[1:] == refitted[1:]) == kept
