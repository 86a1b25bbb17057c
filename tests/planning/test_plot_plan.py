"""The picture of a plan: lines where the table puts them, and nothing cut off."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from matplotlib.figure import Figure
from plot_cases import SIMULATED, assert_nothing_cut_off, by_gid, fitted, posterior_of, texts
from shortcuts import slow_after

from mtjfit.planning import Candidate, Plan, plan
from mtjfit.plot import plot_plan
from mtjfit.study import Noise, PlanRequest

GRID = [0.6, 1.0, 1.5, 2.0, 3.0, 4.5]


@cache
def made(target: str = "lambda_phi", k: int = 1) -> tuple[Plan, Figure]:
    posterior = posterior_of(fitted(origin=SIMULATED))
    found = plan(posterior.study, request=PlanRequest(tuple(GRID), k, target), posterior=posterior, progress=False)
    return found, plot_plan(found)


@pytest.mark.slow
def test_the_line_is_the_table_in_per_cent_and_the_star_the_choice() -> None:
    found, fig = made()
    (line,) = by_gid(fig.axes[0], "expected")
    np.testing.assert_allclose(line.get_xdata(), GRID)
    np.testing.assert_allclose(line.get_ydata(), 100 * found.table.after[[f"{d:g} nm" for d in GRID]])
    (star,) = by_gid(fig.axes[0], "chosen")
    assert star.get_xdata()[0] == found.best.thickness
    assert star.get_ydata()[0] == pytest.approx(100 * found.after)
    (now,) = by_gid(fig.axes[0], "now")
    assert now.get_ydata()[0] == pytest.approx(100 * found.now)


def test_devices_that_are_there_are_marked() -> None:
    found, fig = made()
    (marks,) = by_gid(fig.axes[0], "there")
    np.testing.assert_allclose(marks.get_xdata(), found.study.thicknesses)  # type: ignore[union-attr]


def test_several_devices_one_line_each_through_its_star() -> None:
    found, fig = made("lambda_J", 2)
    for k, name in enumerate(found.chosen):
        (line,), (star,) = by_gid(fig.axes[0], f"moved-{k}"), by_gid(fig.axes[0], f"chosen-{k}")
        at = list(line.get_xdata()).index(found.table.thickness[name])
        assert (star.get_xdata()[0], star.get_ydata()[0]) == (line.get_xdata()[at], line.get_ydata()[at])
    (path,) = by_gid(fig.axes[1], "path")
    np.testing.assert_allclose(path.get_ydata(), 100 * found.path.after)


@pytest.mark.parametrize(
    ("target", "k"), slow_after(1, [("lambda_phi", 1), ("everything", 1), ("everything", 2), ("b2", 2)])
)
def test_nothing_is_cut_off(target: str, k: int) -> None:
    found, fig = made(target, k)
    assert_nothing_cut_off(fig)
    said = " ".join(texts(fig))
    assert "bits" in said if target == "everything" else "expected error" in said
    assert f"{found.deed[0].upper()}{found.deed[1:]}" in said


def test_without_a_thickness_there_is_nothing_to_draw() -> None:
    found = made()[0]
    idea = Candidate("idea", "idea", found.best.measurements)
    assert isinstance(found.best.measurements[0].noise_par, Noise)
    one = plan(found.study, [idea], target="b2", posterior=posterior_of(fitted(origin=SIMULATED)), progress=False)
    with pytest.raises(ValueError, match="no candidate is a new device"):
        plot_plan(one)
