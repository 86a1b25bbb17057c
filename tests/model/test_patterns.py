"""Patterns in residuals: rarely found where there are none, found and named where one was planted.

Designs are those of the zoo, drawn at random; the patterns are added to their numbers, without mtjfit's own model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from designs import design, kinds
from scipy.stats import binom
from shortcuts import slow_after

from mtjfit.model import FALSE_PATTERN, Pattern, find_patterns
from mtjfit.study import Study


def with_added(study: Study, added, devices: tuple[int, ...] = ()) -> Study:
    """A study with `added(bias, error)` on T_perp of some devices, of all by default."""
    curves = list(study.curves)
    for j in devices or range(len(curves)):
        curve = curves[j]
        scatter = np.full(curve.bias.size, np.std(np.diff(curve.perp, 3)) / np.sqrt(20))
        sigma = scatter if curve.sigma_perp is None else curve.sigma_perp
        curves[j] = replace(curve, perp=curve.perp + added(curve.bias, sigma))
    return study.replace(curves=tuple(curves))


def of_points(least: int, kind: str = "plain", n: int = 20):
    """Designs of torques with at least so many points for each device."""
    seeds = iter(range(10_000))
    while n:
        found = design(next(seeds), kind).study
        if found.curves[0].bias.size >= least and found.curves[0].quantity == "torque":
            n -= 1
            yield found


def swept(study: Study, rng: np.random.Generator) -> Study:
    """Each bias point taken again on the way down, with errors of its own."""
    curves = []
    for curve in study.curves:
        both = np.concatenate([np.arange(curve.bias.size), np.arange(curve.bias.size)[::-1]])
        again = rng.standard_normal((2, both.size)) * (np.arange(both.size) >= curve.bias.size)
        par = curve.par[both] + np.sqrt(2) * again[0] * curve.sigma_par[both]
        perp = curve.perp[both] + np.sqrt(2) * again[1] * curve.sigma_perp[both]
        sigma = {"sigma_par": curve.sigma_par[both], "sigma_perp": curve.sigma_perp[both]}
        whole = replace(curve, used=np.ones(curve.bias.size, dtype=bool))
        doubled = {"bias": curve.bias[both], "par": par, "perp": perp, "used": (), "used_values": (), "reasons": ()}
        curves.append(replace(whole, **doubled, **sigma))
    return study.replace(curves=tuple(curves))


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, pytest.param(1000, marks=pytest.mark.slow)])
def test_few_designs_without_a_pattern_show_one(first: int):
    """200 random designs of all kinds (slow: 2 000); false alarm of this test 1e-3 at a rate of `FALSE_PATTERN`."""
    n = 2000 if first else 200
    found = sum(bool(find_patterns(design(seed).study)) for seed in range(first, first + n))
    assert found <= binom.isf(1e-3, n, FALSE_PATTERN)


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_design_is_tested(kind: str):
    assert all(0 <= each.p_holm < FALSE_PATTERN for each in find_patterns(design(3, kind).study))


def first_found(studies) -> list[Pattern | None]:
    return [next(iter(find_patterns(study)), None) for study in studies]


@pytest.mark.slow
def test_a_constant_is_named():
    """Four errors of the mean of each device: noncentral enough that 19 of 20 are found."""
    added = (with_added(study, lambda V, s: 4 * s / np.sqrt(V.size / 3)) for study in of_points(11))
    found = first_found(added)
    assert sum(each is not None and (each.kind, each.component) == ("V^0", "perp") for each in found) >= 17


@pytest.mark.slow
def test_a_power_is_named():
    def cubic(V, s):
        shape = (V / V.max()) ** 3 - 0.9 * V / V.max()
        return 12 * s * shape / np.linalg.norm(shape)

    found = first_found(with_added(study, cubic) for study in of_points(11))
    assert sum(each is not None and (each.kind, each.component) == ("V^3", "perp") for each in found) >= 17


@pytest.mark.slow
def test_a_single_device_is_named():
    added = (with_added(study, lambda V, s: 9 * s / np.sqrt(V.size / 3), (1,)) for study in of_points(11))
    assert sum(each is not None and (each.kind, each.device) == ("V^0", "D1") for each in first_found(added)) >= 17


@pytest.mark.parametrize("shape", slow_after(1, ["drift", "sweeps"]))
def test_drift_and_hysteresis_are_named(shape: str):
    def added(V, s):
        t = np.linspace(-1, 1, V.size)
        return 3 * s * (t if shape == "drift" else np.sign(-t))

    rng = np.random.default_rng(1)
    found = first_found(with_added(swept(study, rng), added) for study in of_points(11))
    assert sum(each is not None and (each.kind, each.component) == (shape, "perp") for each in found) >= 17


@pytest.mark.slow
@pytest.mark.parametrize("kind", slow_after(1, ["plain", "fitted-noise"]))
def test_single_points_far_off_are_named(kind: str):
    """Two points of one device, 15 errors off: all of them and no others, in 19 of 20 designs of 21 points."""
    right = 0
    for study in of_points(21, kind):
        off = study.curves[0].bias[[3, 8]]
        found = find_patterns(with_added(study, lambda V, s, off=off: 15 * s * np.isin(V, off), devices=(0,)))
        right += bool(found) and found[0].kind == "points" and set(found[0].points) == {("D0", V) for V in off}
    assert right >= 19


def test_heavy_tails_that_are_declared_allow_for_single_points():
    def off(V, s):
        return 10 * s * (np.arange(V.size) == 3)

    kinds_found = [
        each.kind for study in of_points(11, "student-fixed", 5) for each in find_patterns(with_added(study, off))
    ]
    assert "points" not in kinds_found


def test_no_drift_is_seen_where_none_is_possible():
    """The bias only rises: whatever grows with time grows with bias."""
    for study in of_points(5, n=5):
        found = find_patterns(with_added(study, lambda V, s: 50 * s * (V / V.max()) ** 5))
        assert found
        assert all(each.kind not in ("drift", "sweeps") for each in found)


@pytest.mark.slow
def test_neighbours_that_deviate_together_are_found():
    """A slow wave that no power up to V³ describes."""
    added = (with_added(s, lambda V, e: 4 * e * np.sin(9 * V / V.max())) for s in of_points(21))
    found = [find_patterns(each) for each in added]
    assert sum(bool(each) for each in found) >= 19


@pytest.mark.slow
def test_fitted_errors_hide_nothing():
    """The case that χ² cannot see: an undeclared constant under errors that are fitted from the scatter."""
    hidden = (with_added(each, lambda V, s: 6 * s / np.sqrt(V.size / 3)) for each in of_points(21, "fitted-noise"))
    found = first_found(hidden)
    assert sum(each is not None and each.kind == "V^0" for each in found) >= 17


def test_the_unit_does_not_matter():
    study = with_added(design(3, "plain").study, lambda V, s: 8 * s)
    small = study.replace(
        curves=tuple(
            replace(c, par=c.par * 1e-20, perp=c.perp * 1e-20, sigma_par=c.sigma_par * 1e-20,
                    sigma_perp=c.sigma_perp * 1e-20)
            for c in study.curves
        )
    )  # fmt: skip
    one, other = find_patterns(study), find_patterns(small)
    assert [(p.kind, p.component, p.device) for p in one] == [(p.kind, p.component, p.device) for p in other]
    np.testing.assert_allclose([p.p for p in one], [p.p for p in other], rtol=1e-6)


@pytest.mark.parametrize("kind", ["plain", "fitted-noise"])
def test_rounding_of_numbers_without_noise_is_no_pattern(kind: str):
    """Sums and powers leave 1e-16 of the values, with neighbours alike."""
    for study in of_points(11, kind, n=5):
        curves = (replace(c, par=0.3 * c.bias + 0.1 * c.bias**2, perp=c.bias / 7 - c.bias**2 / 3) for c in study.curves)
        assert find_patterns(study.replace(curves=tuple(curves))) == ()
