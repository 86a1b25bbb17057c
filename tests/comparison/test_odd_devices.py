"""The odd device and only it, in series drawn at random from a forward model of their own; none where none is odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from device_cases import linear_study
from model_studies import simulated
from odd_series import FAULTS, Series, odd_series
from shortcuts import slow_after

import mtjfit
from mtjfit.comparison import (
    DeviceTests,
    Refits,
    compare_devices,
    find_odd_devices,
    outliers_table,
    repeats,
    take_out,
)
from mtjfit.study import AboutNominal, LogNormal, Study

VISIBLE = 4.0  # standard errors
LINES = tuple(np.linspace(0.8, 4.0, 6))


def odd_of(study: Study) -> tuple[str, ...]:
    return tuple(one.device for one in find_odd_devices(mtjfit.fit(study)))


def odd_repeats(study: Study) -> tuple[str, ...]:
    names = str(repeats(study, np.random.default_rng(0)).loc[0, "odd"])
    return tuple(names.split(", ")) if names else ()


def visible(fault: str, seeds: Sequence[int], **options: bool) -> Iterator[Series]:
    """Those whose odd device is visible."""
    made = (odd_series(seed, fault, **options) for seed in seeds)
    return (one for one in made if one.visible >= VISIBLE)


def louder(study: Study, **factors: float) -> Study:
    """Both torques of some devices times a factor."""
    by = {**dict.fromkeys(study.devices, 1.0), **factors}
    curves = (replace(c, par=by[c.device] * c.par, perp=by[c.device] * c.perp) for c in study.curves)
    return study.replace(curves=tuple(curves))


def exactly(found: Sequence[tuple[str, ...]], made: Sequence[Series]) -> float:
    """Share of studies in which the odd device is found, and no other."""
    return float(np.mean([names == (one.odd,) for names, one in zip(found, made, strict=True)]))


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_odd_device_and_only_it_is_found_with_its_kind(fault: str) -> None:
    one = next(visible(fault, range(200, 240)))
    (found,) = find_odd_devices(mtjfit.fit(one.study))
    assert (found.device, found.kind) == (one.odd, fault)
    assert found.p_value < 0.05
    without = mtjfit.fit(one.study.replace(curves=tuple(c for c in one.study.curves if c.device != one.odd)))
    for name, (value, sd) in found.lengths_without.items():
        if sd is not None:
            assert value == pytest.approx(without.values[name], abs=0.1 * sd)
            assert sd == pytest.approx(without.errors[name], rel=0.05)
    assert found.lengths_with != found.lengths_without


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "right"), slow_after(1, [("amplitude factor", 1.3), ("thickness", 0.95)]))
def test_the_value_of_what_is_odd_is_the_planted_one(fault: str, right: float) -> None:
    study = linear_study(LINES, 3, noise=0.005)
    if fault == "thickness":
        wrong = linear_study((right, *LINES[1:]), 3, noise=0.005).curves[0]
        study = study.replace(curves=(replace(wrong, thickness=LINES[0]), *study.curves[1:]))
    else:
        study = louder(study, A=right)
    for declared in (study, with_tolerance(study, 0.02)):
        (found,) = find_odd_devices(mtjfit.fit(declared))
        assert (found.device, found.kind) == ("A", fault)
        assert abs(found.value - right) < 4 * found.sd < 0.2


def with_tolerance(study: Study, sd: float) -> Study:
    thickness = replace(study.parameters["thickness"], prior=AboutNominal(sd))
    return study.replace(parameters={**study.parameters, "thickness": thickness})


@pytest.mark.slow
def test_two_odd_devices_are_found_although_each_spoils_the_judgement_of_the_other() -> None:
    for factors in ({"B": 1.2, "E": 1.2}, {"B": 0.8, "E": 1.25}, {"A": 1.25, "B": 1.2}):
        assert set(odd_of(louder(linear_study(LINES, 5), **factors))) == set(factors)


def test_of_fitted_errors_the_scatter_decides() -> None:
    noise = {name: (LogNormal(0.02, 3.0), "shared") for name in ("noise_par", "noise_perp")}
    assert odd_of(louder(linear_study(LINES, 5, fit_sigma=True, **noise), D=1.25)) == ("D",)


def test_what_is_no_fault_of_these_kinds_is_called_so() -> None:
    study = linear_study(LINES, 7)
    curves = tuple(replace(c, par=c.par + 0.4 * c.bias**2) if c.device == "D" else c for c in study.curves)
    (found,) = find_odd_devices(mtjfit.fit(study.replace(curves=curves)))
    assert (found.device, found.kind) == ("D", "not of this kind")
    assert np.isnan(found.value)


@pytest.mark.slow
def test_a_device_is_taken_out_with_all_its_curves() -> None:
    """The second sweep of each device is its first with other noise; both sweeps of one are louder."""
    first, second = (louder(linear_study(LINES, seed), B=1.2) for seed in (5, 6))
    curves = (replace(c, condition=f"sweep {k}") for k, one in enumerate((first, second)) for c in one.curves)
    study = first.replace(curves=tuple(curves))
    (found,) = find_odd_devices(mtjfit.fit(study))
    assert (found.device, found.kind) == ("B", "amplitude factor")
    compared = compare_devices(mtjfit.fit(study))
    assert compared.outliers["device"].tolist() == list("ABCDEF")
    assert compared.repeats.empty  # two sweeps of one device are no repeats of a thickness


def test_studies_of_one_device_have_no_odd_one() -> None:
    assert odd_of(linear_study((1.0,), 0)) == ()


@pytest.mark.slow
def test_testing_all_devices_at_once_flags_good_ones() -> None:
    """What the sequence is for: with the odd device in, others contradict each other as well."""
    one = next(visible("T_perp reversed", range(200, 240)))
    tests = DeviceTests(Refits.of(mtjfit.fit(one.study)))
    at_once = [d for d in one.study.devices if tests.judged(frozenset(), d).log_p_any < np.log(0.05 / 8)]
    assert len(at_once) > 1
    assert [each.device for each in find_odd_devices(tests)] == [one.odd]
    cleaned = [d for d in one.study.devices if tests.judged({one.odd}, d).log_p_any < np.log(0.05 / 8)]
    assert cleaned == [one.odd]


def test_who_was_taken_out_by_mistake_comes_back() -> None:
    """`good` looks worst as long as `bad` is in."""

    def log_p(out: frozenset[str], name: str) -> float:
        if name == "good":
            return 0.0 if "bad" in out else -30.0
        return -20.0 if name == "bad" else 0.0

    def sure(out: frozenset[str], name: str) -> float:
        return -np.inf

    names = ("good", "bad", "a", "b", "c")
    assert take_out(names, log_p, sure, 5) == ("bad",)
    assert take_out(names, log_p, log_p, 5) == ("bad",)
    assert take_out(names, lambda out, name: -20.0, sure, 5) == ("good", "bad")  # never half of them
    assert take_out(names, lambda out, name: float(np.log(0.011)), sure, 5) == ()


@pytest.mark.slow
def test_how_visible_a_fault_is_is_chi2_of_the_best_fit_without_noise() -> None:
    for seed in (3, 4, 8):
        one = odd_series(seed, "amplitude factor", size=1.0, quiet=True)
        assert one.visible == pytest.approx(1.0, rel=0.01)
        assert mtjfit.fit(one.study).chi2 == pytest.approx(one.visible**2, rel=0.1)


@pytest.mark.slow
def test_of_two_devices_that_may_be_odd_both_are_named() -> None:
    """Where every other device has another thickness, free lengths follow either of two repeats that differ."""
    study = louder(simulated((1.0, 1.0, 3.0, 3.0), seed=2), A=1.15)
    (found,) = find_odd_devices(mtjfit.fit(study))
    assert {found.device, *found.rivals} == {"A", "B"}
    compared = compare_devices(mtjfit.fit(study))
    assert f"or it is {found.rivals[0]} instead" in str(compared)


@pytest.mark.slow
def test_tables_say_what_is_odd_and_what_follows() -> None:
    study = odd_series(201, "T_perp reversed").study
    compared = compare_devices(mtjfit.fit(study))
    text = str(outliers_table(compared.outliers, compared.odd_devices))
    assert compared.odd == tuple(one.device for one in compared.odd_devices)
    assert "T_perp of the other sign" in text
    (first,) = compared.outliers[compared.outliers["outlier"]].to_dict("records")
    assert (first["order"], first["kind"]) == (1, "T_perp reversed")


@pytest.mark.slow
def test_good_series_have_no_odd_device() -> None:
    """Six studies with a false alarm in one of 20: more than two in 2e-3 of all runs."""
    assert sum(bool(odd_of(odd_series(seed).study)) for seed in range(300, 306)) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["amplitude factor", "T_perp reversed"])
def test_the_odd_repeat_and_only_it(fault: str) -> None:
    made = list(visible(fault, range(1000, 1030), repeats=True))
    assert len(made) > 20
    assert exactly([odd_repeats(one.study) for one in made], made) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_the_odd_device_and_only_it_in_most_studies(fault: str) -> None:
    made = list(visible(fault, range(1000, 1060)))
    assert exactly([odd_of(one.study) for one in made], made) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["series", "repeats"])
def test_false_alarms_are_few(kind: str) -> None:
    """At 5 %, more than 12 of 100 in 1 of 700 runs."""
    made = [odd_series(seed, repeats=kind == "repeats").study for seed in range(1000, 1100)]
    assert sum(bool(odd_of(study) if kind == "series" else odd_repeats(study)) for study in made) <= 12
