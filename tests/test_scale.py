"""Twins of studies in another unit of torque give the same fits, intervals, digits and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from plot.plot_cases import fitted, posterior_of
from scaled import DOWN, KINDS, TAKEN_LOGS, UP, carries_torque, differences, scaled, scaled_prior
from shortcuts import few_starts, slow_after, slow_but

import mtjfit
from mtjfit.infer import FitResult, Posterior
from mtjfit.model import FullPosterior, profiles
from mtjfit.model.line import Axis
from mtjfit.model.profile import reference
from mtjfit.plot import plot_combinations, plot_corner, plot_torque, render
from mtjfit.results import asymmetric, interval
from mtjfit.results.coefficients import own_coefficients
from mtjfit.study import Study, load_study
from mtjfit.text import number, value_with_error


@cache
def fit_of(kind: str, s: float = 1.0) -> FitResult:
    with few_starts():
        found = mtjfit.fit(scaled(KINDS[kind](), s))
        assert 0 <= found.p_value_flipped <= 1 or np.isnan(found.p_value_flipped)
    return found


QUICK = ("known errors",)
"""The rest is slow: two seconds each."""


@pytest.mark.parametrize("kind", slow_but(QUICK, KINDS))
def test_fits_of_twins_are_the_same(kind: str) -> None:
    """To the last bit where only exponents differ; else as well as the search stops, 1e-3 of χ², which is 1e-5 here."""
    for s in (DOWN, UP):
        assert differences(fit_of(kind), fit_of(kind, s), s, 1e-4 if kind in TAKEN_LOGS else 0.0) == []


@pytest.mark.slow
@pytest.mark.parametrize("s", [1e-30, 1e-19, 1e19, 1e30])
def test_decimal_twins_differ_by_rounding(s: float) -> None:
    for kind in ("known errors", "fitted noise"):
        assert differences(fit_of(kind), fit_of(kind, s), s, 1e-4) == []


@pytest.mark.slow
def test_a_twin_that_is_none_is_noticed() -> None:
    """Sabotage: errors that stay as they are, and a constant that is not scaled."""
    one = fit_of("known errors")
    study = scaled(KINDS["known errors"](), 2.0)
    wrong = tuple(replace(c, sigma_par=c.sigma_par * (1 + 1e-6)) for c in study.curves)
    with few_starts():
        assert "chi2" in differences(one, mtjfit.fit(study.replace(curves=wrong)), 2.0, 0.0)
        moved = tuple(replace(c, par=c.par + 1e-9) for c in study.curves)
        assert differences(one, mtjfit.fit(study.replace(curves=moved)), 2.0, 0.0)


@pytest.mark.parametrize(("unit", "s"), [("N m", 1e-19), pytest.param("aN m", 0.1, marks=pytest.mark.slow)])
def test_declared_units_are_twins(unit: str, s: float) -> None:
    one = fit_of("known errors")
    with few_starts():
        other = mtjfit.fit(scaled(one.study, s, unit))
    assert differences(one, other, s, 1e-4) == []


def _off(one: FitResult, other: FitResult, s: float) -> float:
    """Largest relative difference of any value, determined or not, between best fits of a study and its twin."""
    factors = {name: s if carries_torque(name) else 1.0 for name in one.values}
    return max(abs(other.values[name] / (factors[name] * one.values[name]) - 1) for name in one.values)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kubota2008", "sankey2008"])
def test_where_in_a_flat_valley_a_fit_ends_does_not_depend_on_the_unit(name: str) -> None:
    """One thickness: four lengths are open, and a search by differences would follow their rounding errors."""
    study = load_study(mtjfit.dataset(name).study_file)
    one, other = mtjfit.fit(study), mtjfit.fit(scaled(study, 1e-19))
    assert _off(one, other, 1e-19) < 1e-5
    words, other_words = ([each.words for each in found.identifiability.directions] for found in (one, other))
    assert words == other_words
    # sabotage: a twin whose torques are a thousandth larger ends elsewhere
    wrong = tuple(replace(c, par=1.001 * c.par) for c in study.curves)
    assert _off(one, mtjfit.fit(scaled(study.replace(curves=wrong), 1e-19)), 1e-19) > 1e-4


def _profile(study: Study, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    model = FullPosterior(study)
    found = profiles(model, ["a1"], reference(model, values)).profiles["a1"]
    ends = [found.interval(level) for level in (0.68, 0.95)]
    return np.array([end for one in ends for end in (one.low, one.high)]), found.rise


@pytest.mark.slow
def test_profiles_of_amplitudes_walk_in_every_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    study, values = KINDS["known errors"](), fit_of("known errors").optimum.values
    ends, rise = _profile(study, values)
    assert np.all(np.isfinite(ends))
    for s in (DOWN, UP):
        twin, twin_rise = _profile(scaled(study, s), values)
        np.testing.assert_array_equal(twin, s * ends)
        np.testing.assert_array_equal(twin_rise, rise)
    grid = Axis.grid
    monkeypatch.setattr(Axis, "grid", lambda axis, best, error: np.unique(np.round(grid(axis, best, error), 12)))
    assert not np.array_equal(_profile(scaled(study, DOWN), values)[0], DOWN * ends)


@pytest.mark.slow
def test_profiles_of_flat_valleys_do_not_depend_on_the_unit() -> None:
    """One thickness: of points that are equal the first is taken, not that which rounding prefers. Four seconds."""
    study = load_study(mtjfit.dataset("sankey2008").study_file)
    values = mtjfit.fit(study).optimum.values
    models = FullPosterior(study), FullPosterior(scaled(study, 1e-19))
    one, other = (profiles(model, ["a1"], reference(model, values)).profiles["a1"] for model in models)
    np.testing.assert_allclose(other.values, 1e-19 * one.values, rtol=1e-6)
    np.testing.assert_allclose(other.rise, one.rise, atol=1e-4)


@pytest.mark.parametrize("kind", ["known errors", "fitted noise", "all amplitudes"])
def test_devices_alone_scatter_in_every_unit(kind: str) -> None:
    """The phase of κ has no unit: beside amplitudes in N m its draws once had no spread at all."""
    study = KINDS[kind]()
    one = own_coefficients(study, 200, np.random.default_rng(0)).values
    assert np.all(np.std(np.angle(one[..., 0]), axis=0) > 0)
    for s in (DOWN, UP):
        other = own_coefficients(scaled(study, s), 200, np.random.default_rng(0)).values / s
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-9 * np.abs(one).max())


def _digits(text: str) -> list[str]:
    """Significant digits of the numbers of a text, without powers of ten."""
    numbers = re.findall(r"\d[\d.]*", re.sub(r"e[+-]\d+", "", text))
    return [number.replace(".", "").lstrip("0") for number in numbers]


@given(st.integers(-99999, 99999), st.integers(1, 9999), st.integers(15, 30))
@settings(max_examples=200, deadline=None)
def test_digits_do_not_depend_on_the_unit(value: int, error: int, exponent: int) -> None:
    middle, sd = f"{value}e-3", f"{error}e-4"
    low, high = f"{10 * value - error}e-4", f"{10 * value + 2 * error}e-4"
    for sign in (-1, 1):
        ten = f"{sign * exponent}"

        def at(text: str, ten: str = ten) -> float:
            head, _, power = text.partition("e")
            return float(f"{head}e{int(power) + int(ten)}")

        numbers, twins = [float(x) for x in (low, middle, high, sd)], [at(x) for x in (low, middle, high, sd)]
        assert _digits(value_with_error(numbers[1], numbers[3])) == _digits(value_with_error(twins[1], twins[3]))
        shown, of_twins = ([_digits(number(x))[0].rstrip("0") for x in each] for each in (numbers, twins))
        assert shown == of_twins
        if value:
            assert len(_digits(interval(*twins[:3]))) == len(_digits(interval(*numbers[:3]))) == 3


@pytest.mark.parametrize("ten", [-31, -20, 12, 30])
def test_numbers_of_any_size_have_the_digits_that_mean_something(ten: int) -> None:
    s = 10.0**ten
    assert value_with_error(1.23456 * s, 0.0234 * s) == f"(1.235 ± 0.023)e{ten:+03d}"
    assert interval(1.94 * s, 2.0 * s, 2.06 * s) == "{0}{3} ({1}{3} to {2}{3})".format(
        "2.00", "1.94", "2.06", f"e{ten:+03d}"
    )
    assert asymmetric(0.9432 * s, 1.0266 * s, 1.1034 * s)[0] == f"1.03e{ten:+03d}"


def _twin(posterior: Posterior, s: float) -> Posterior:
    factors = np.array([s if carries_torque(name) else 1.0 for name in posterior.names])
    priors = {n: scaled_prior(p, s) if carries_torque(n) else p for n, p in posterior.priors.items()}
    return replace(posterior, study=scaled(posterior.study, s), chain=posterior.chain * factors, priors=priors)


def _shown(fig: Figure) -> Iterator[np.ndarray]:
    """Where lines and filled areas of a figure lie on the paper, its axes, and whether powers of ten stand at these."""
    render(fig)
    fig.draw_without_rendering()
    for ax in fig.axes:
        yield np.array(ax.get_position().bounds)
        for line in ax.lines:
            yield line.get_transform().transform(np.column_stack(line.get_data()))
        for area in ax.collections:
            yield from (area.get_transform().transform(path.vertices) for path in area.get_paths())
        ends = [axis.get_offset_text() for axis in (ax.xaxis, ax.yaxis)]
        yield np.array([end.get_visible() and bool(end.get_text()) for end in ends], dtype=float)


def assert_same_picture(one: Figure, other: Figure) -> None:
    """The same lines in the same places, to a hundredth of a pixel."""
    for mine, twin in zip(_shown(one), _shown(other), strict=True):
        np.testing.assert_allclose(twin, mine, rtol=1e-7, atol=0.01)


@pytest.mark.parametrize("s", slow_after(1, [1e-30, 1e30]))
def test_corner_plots_of_twins_look_the_same(s: float) -> None:
    """With numbers of usual size: the power of ten stands with the symbol."""
    posterior = posterior_of(fitted())
    names = ["lambda_J", "a1", "b2"]
    fig, twin = plot_corner(posterior, names), plot_corner(_twin(posterior, s), names)
    assert_same_picture(fig, twin)
    assert "10^{" in "".join(ax.get_title() for ax in twin.axes)
    assert "e-" not in "".join(label.get_text() for ax in twin.axes for label in ax.get_xticklabels())


@pytest.mark.slow
@pytest.mark.parametrize("width", [0.01, 0.03, 0.1])
@pytest.mark.parametrize("s", [0.01, 0.1])
def test_ticks_of_a_corner_plot_are_as_many_in_every_unit(width: float, s: float) -> None:
    """Two at most: a number of more letters, as 0.082 for 8.2, must not cost a tick."""
    posterior = posterior_of(fitted(), width=width)
    pair = [plot_corner(each, ["lambda_J", "a1", "b2"]) for each in (posterior, _twin(posterior, s))]
    one, other = ([(len(ax.get_xticks()), len(ax.get_yticks())) for ax in fig.axes] for fig in pair)
    assert one == other
    assert max(max(each) for each in one) == 2


@pytest.mark.slow
def test_a_corner_plot_with_another_prior_is_noticed() -> None:
    posterior = posterior_of(fitted())
    wrong = replace(posterior, priors={**posterior.priors, "a1": scaled_prior(posterior.priors["a1"], 0.1)})
    with pytest.raises(AssertionError):
        assert_same_picture(plot_corner(posterior, ["a1", "b2"]), plot_corner(wrong, ["a1", "b2"]))


@pytest.mark.slow
def test_torque_plots_of_twins_look_the_same() -> None:
    """Titles and panels stay where they are: no power of ten stands at the end of an axis."""
    one, twin = fit_of("known errors"), fit_of("known errors", 1e-30)
    for plot in (plot_torque, plot_combinations):
        assert_same_picture(plot(one), plot(twin))
    plain = Figure(), Figure()
    for fig, s in zip(plain, (1.0, 1e-30), strict=True):
        fig.subplots().plot([0.0, s])
    with pytest.raises(AssertionError):  # sabotage: as matplotlib draws them, with 1e-30 at the end of the axis
        assert_same_picture(*plain)
