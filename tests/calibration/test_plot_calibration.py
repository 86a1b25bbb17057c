"""The picture of a calibration: curves and bands stand where the ranks put them, and failures cannot be overlooked."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from plot_cases import MEASURED, SIMULATED, assert_nothing_cut_off, by_gid, make_study, texts
from scipy import stats

from mtjfit.calibration import Calibration, EcdfTest, plot_calibration

N, L = 300, 99
NAMES = ("lambda_J", "a1[A $x_1$]", "log_likelihood", "slope_ratio[A]", "|kappa|·a1[A]", "thickness[B]", "b2")
TRUTHS = {"lambda_J": (1.6, 0.0), "log_likelihood": (1.0, 1.0), "thickness[B]": (1.0, -0.6), "b2": (1 / 1.8, 0.0)}
"""Truths in units of their posteriors: factor and shift; the others are right."""


def made(names: tuple[str, ...] = NAMES, **changes: object) -> Calibration:
    rng = np.random.default_rng(1)
    columns = {}
    for name in names:
        factor, shift = TRUTHS.get(name, (1.0, 0.0))
        columns[name] = np.floor((L + 1) * stats.norm.cdf(factor * rng.standard_normal(N) + shift))
    study = changes.pop("study", None) or make_study(origin=MEASURED)
    failures = changes.pop("failures", ("",) * N)
    return Calibration(study, 1, L, pd.DataFrame(columns), failures)  # type: ignore[arg-type]


@cache
def drawn() -> tuple[Calibration, Figure]:
    calibration = made()
    return calibration, plot_calibration(calibration)


def note(fig: Figure) -> str:
    """The words at the bottom; their last line was drawn first."""
    return " ".join(text.get_text() for text in reversed(fig.texts))


def panel(name: str) -> Axes:
    return drawn()[1].axes[NAMES.index(name)]


def test_each_curve_is_the_distribution_function_of_its_ranks_minus_the_uniform_one() -> None:
    calibration, _ = drawn()
    for name in NAMES:
        (curve,) = by_gid(panel(name), "curve")
        x, y = curve.get_data()
        u = calibration.ranks[name].to_numpy() / (L + 1)
        expected = [np.mean(u < each - 1e-9) - each for each in x]
        np.testing.assert_allclose(y, expected, atol=1e-12)
        assert (x[0], x[-1]) == (0, 1)
    bands = [line.get_ydata()[1:-1] for line in by_gid(panel("b2"), "outer")]
    test = EcdfTest(N, L)
    for drawn_edge, edge in zip(bands, test.band(1 - calibration.single_level), strict=True):
        np.testing.assert_allclose(drawn_edge, edge - test.z, atol=1e-12)
    # sabotage: the curve of another quantity
    other = by_gid(panel("b2"), "curve")[0].get_ydata()
    assert np.abs(other - by_gid(panel("lambda_J"), "curve")[0].get_ydata()).max() > 0.05


def test_the_bands_hold_uniform_ranks_as_often_as_they_say() -> None:
    # 2000 curves: four standard errors of a share
    rng, ax = np.random.default_rng(2), panel("a1[A $x_1$]")
    (band,) = by_gid(ax, "band")
    corners = band.get_paths()[0].vertices
    edges = [line.get_ydata()[1:-1] for line in by_gid(ax, "outer")]
    z = np.arange(1, L + 1) / (L + 1)
    low, high = (np.array([f(corners[np.isclose(corners[:, 0], each), 1]) for each in z]) for f in (np.min, np.max))
    ranks = rng.integers(0, L + 1, (2000, N))
    away = np.array([np.searchsorted(np.sort(each), np.arange(1, L + 1)) for each in ranks]) / N - z
    inside = np.mean(np.all((away >= low - 1e-9) & (away <= high + 1e-9), axis=1))
    assert abs(inside - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)
    outside = np.mean(np.any((away < edges[0] - 1e-9) | (away > edges[1] + 1e-9), axis=1))
    assert outside < 0.004  # 1 % over 14 tests: 0.0007


def test_what_is_not_uniform_is_named_thick_and_of_another_colour() -> None:
    titles = [ax.get_title() for ax in drawn()[1].axes]
    assert titles == [
        r"$\lambda_J$: too narrow", r"$a_1$ [A \$x_1\$]", r"$\ln L$: draws misfit", r"$\tan\,\arg\,\kappa$ [A]",
        r"$|\kappa|\,a_1$ [A]", "$d$ [B]: too high", "$b_2$: too wide", "",
    ]  # fmt: skip
    for name in NAMES:
        (curve,) = by_gid(panel(name), "curve")
        wrong = name in TRUTHS
        assert to_hex(curve.get_color(), keep_alpha=False).upper() == ("#D55E00" if wrong else "#0072B2")
        assert curve.get_linewidth() == (1.6 if wrong else 1.0)


def test_p_values_stand_in_their_panels() -> None:
    calibration, _ = drawn()
    for name in ("a1[A $x_1$]", "slope_ratio[A]"):
        row = calibration.tests.loc[name]
        (text,) = by_gid(panel(name), "p")
        assert text.get_text() == f"p = {row.ecdf:.2f} (curve), {row.chi2:.2f} (χ²)"
    assert "e-" in by_gid(panel("log_likelihood"), "p")[0].get_text()


def test_the_note_gives_the_verdict_and_nothing_is_cut_off() -> None:
    _, fig = drawn()
    assert "300 simulations, 99 draws of each posterior: NOT CALIBRATED." in note(fig)
    assert "Up and then down: posteriors are too narrow" in note(fig)
    assert any("false alarms 1 % in all" in text for text in texts(fig))
    assert_nothing_cut_off(fig)


def test_runs_that_failed_are_not_drawn_but_counted() -> None:
    failures = tuple("stuck" if k < 40 else "" for k in range(N))
    fig = plot_calibration(made(("a1",), failures=failures, study=make_study(origin=SIMULATED)))
    assert "40 of them not converged and left out: NOT CALIBRATED" in note(fig)
    assert any(text.startswith("SIMULATED, not measured") for text in texts(fig))
    assert len(fig.axes) == 1
    assert_nothing_cut_off(fig)
    with pytest.raises(ValueError, match="no run converged"):
        plot_calibration(made(("a1",), failures=("stuck",) * N))


def test_of_many_quantities_the_worst_are_drawn() -> None:
    fig = plot_calibration(made((*(f"a1[{k}]" for k in range(6)), "lambda_J")), most=4)
    titles = [ax.get_title() for ax in fig.axes]
    assert len(titles) == 4
    assert titles[-1] == r"$\lambda_J$: too narrow"
    assert "3 further quantities, with larger p-values, are not drawn" in note(fig)
    assert_nothing_cut_off(fig)
