"""Every public plot on axes of one's own: the same curves, the owner's style, and no half pictures."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from every_plot import EVERY, drawn_by
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plot_cases import by_gid, fitted, posterior_of, texts
from shortcuts import slow_but

import mtjfit
from mtjfit.infer import Posterior
from mtjfit.plot import plot_accumulation_band, plot_corner, plot_torque, plot_trace, plot_transfer

GRIDS = {1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (2, 2), 5: (1, 5), 6: (2, 3), 7: (1, 7), 8: (4, 2), 9: (3, 3)}
THEORY = {"plot_accumulation", "plot_frequency_response", "plot_signatures", "plot_studies",
          "plot_thickness_dependence", "plot_thin_validity"}  # fmt: skip
"""Plots whose call in `EVERY` shows no data, or measured ones."""
QUICK = {"plot_accumulation", "plot_beside", "plot_combinations", "plot_corner", "plot_kittel", "plot_torque"}
"""Plots of theory, of a wafer, of a study and of spectra; every other one goes the same way."""


def own(n: int) -> tuple[Figure, list[Axes]]:
    """A figure that pyplot does not keep, with a style of its own, and its axes."""
    figure = Figure(figsize=(9, 6), dpi=80)
    axes = list(np.ravel(figure.subplots(*GRIDS[n])))
    for ax in axes:
        ax.xaxis.label.set_fontsize(13)
        ax.tick_params(labelsize=11)
    return figure, axes


def public_plots(folder: Path) -> set[str]:
    """Functions named plot_… in the modules of a folder."""
    texts_of = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    return {name for text in texts_of for name in re.findall(r"^def (plot_\w+)\(", text, re.MULTILINE)}


def curves(holder: Figure | list[Axes]) -> Counter[tuple[object, ...]]:
    """Named lines with their numbers."""
    axes = holder.axes if isinstance(holder, Figure) else holder
    lines = [line for ax in axes for line in ax.lines if line.get_gid()]
    return Counter((line.get_gid(), np.asarray(line.get_xydata()).tobytes()) for line in lines)


def test_every_public_plot_takes_axes() -> None:
    found = public_plots(Path(mtjfit.__file__).parent)
    assert {"plot_torque", "plot_corner"} <= found <= set(EVERY)
    for name in found:
        axes = inspect.signature(EVERY[name].function(name)).parameters["axes"]
        assert (axes.kind, axes.default) == (axes.KEYWORD_ONLY, None), name


@pytest.mark.parametrize("name", slow_but(QUICK, EVERY))
def test_what_is_drawn_is_that_of_the_figure_and_the_style_its_owner_s(name: str) -> None:
    alone = drawn_by(name)
    figure, axes = own(EVERY[name].n_axes)
    settings, size = dict(mpl.rcParams), tuple(figure.get_size_inches())
    assert drawn_by(name, axes=axes) is figure
    assert dict(mpl.rcParams) == settings
    assert tuple(figure.get_size_inches()) == size
    assert set(axes) <= set(figure.axes)
    there = [ax for ax in axes if ax.axison]
    assert all(ax.has_data() for ax in there)
    assert len(there) == (6 if name == "plot_corner" else len(axes))
    assert curves(axes) <= curves(alone)
    assert bool(curves(axes)) == bool(curves(alone))
    for ax in there:
        assert ax.xaxis.label.get_fontsize() == 13
        assert ax.spines["top"].get_visible() or name in {"plot_identifiability"}
        assert {label.get_fontsize() for label in ax.get_xticklabels()} <= {11.0}
        assert ax.xaxis.get_visible()
    marks = [text.get_text() for ax in there for text in by_gid(ax, "watermark")]
    assert (len(marks) == len(there)) == (name not in THEORY)
    figure.draw_without_rendering()
    for axis in (axis for ax in there for axis in (ax.xaxis, ax.yaxis)):
        numbers = [text.get_text() for text in axis.get_ticklabels() if text.get_text().lstrip("−").isdecimal()]
        assert axis.get_label_text() or axis.axes.get_title() or not numbers


def test_axes_in_any_order_and_form() -> None:
    fit, posterior = fitted(), posterior_of(fitted())
    mosaic = Figure().subplot_mosaic("ab;cd")
    for axes in (mosaic, list(Figure().subplots(1, 4)), Figure().subplots(4, 1)):
        figure = plot_transfer(posterior, fit, axes=axes)
        assert [ax.get_xlabel() for ax in figure.axes] == [r"Re $\kappa$", *["thickness $d$ (nm)"] * 3]
    part = Figure(figsize=(8, 4))
    left, right = part.subfigures(1, 2)
    assert plot_torque(fit, axes=[left.subplots(), right.subplots()]) is part
    assert not by_gid(part, "watermark")
    assert "best fit" in texts(part)


@pytest.mark.parametrize(("axes", "kind", "words"), [
    (lambda: Figure().subplots(1, 3), ValueError, r"4 Axes are needed.*such as plt\.subplots\(2, 2\); axes= has 3"),
    (lambda: Figure().subplots(), ValueError, "axes= has 1"),
    (list, ValueError, "axes= has 0"),
    (lambda: [Figure().subplots()] * 4, ValueError, "the same Axes twice"),
    (lambda: [Figure().subplots() for _ in range(4)], ValueError, "several figures"),
    (lambda: Figure().subplots(2, 2, subplot_kw={"projection": "polar"}), TypeError, "'polar'"),
    (Figure, TypeError, "there is a Figure"),
    (lambda: [None] * 4, TypeError, "there is a NoneType"),
])  # fmt: skip
def test_other_axes_are_refused_before_anything_is_drawn(axes, kind, words) -> None:  # type: ignore[no-untyped-def]
    given = axes()
    with pytest.raises(kind, match=words):
        plot_transfer(posterior_of(fitted()), fitted(), axes=given)
    assert not any(ax.has_data() for ax in np.ravel(given) if isinstance(ax, Axes))


def test_a_grid_with_gaps_is_asked_for_in_words() -> None:
    with pytest.raises(ValueError, match=r"7 Axes are needed, row by row, such as 7 of those of plt\.subplots\(2, 4\)"):
        plot_trace(posterior_of(fitted()), axes=Figure().subplots(2, 4))


@pytest.mark.parametrize(("plot", "n", "panels"), [
    (lambda refused, axes: plot_corner(refused, ["lambda_J", "b2"], axes=axes), 4, 3),
    (lambda refused, axes: plot_torque(fitted(), refused, axes=axes), 2, 2),
    (lambda refused, axes: plot_transfer(refused, fitted(), axes=axes), 4, 4),
    (lambda refused, axes: plot_accumulation_band(refused, axes=axes), 3, 3),
    (lambda refused, axes: plot_trace(refused, axes=axes), 7, 7),
])  # fmt: skip
def test_a_refused_posterior_is_marked_on_every_panel(
    plot: Callable[[Posterior, list[Axes]], Figure], n: int, panels: int
) -> None:
    figure, axes = own(n)
    plot(posterior_of(fitted(), converged=False), axes)
    assert [text.get_text() for text in by_gid(figure, "watermark")] == ["NOT CONVERGED"] * panels


def test_joined_axes_stay_joined_and_others_become_so() -> None:
    for shared in (False, True):
        figure = Figure()
        axes = figure.subplots(2, 1, sharex=shared)
        EVERY["plot_frequency_response"].function("plot_frequency_response")(
            *EVERY["plot_frequency_response"].arguments(), axes=axes
        )
        assert axes[0].get_xlim() == axes[1].get_xlim()
        assert axes[0].get_shared_x_axes().joined(*axes)
        assert bool(axes[0].get_xlabel()) is not shared


@pytest.mark.slow
def test_lines_without_a_width_of_their_own_have_that_of_the_owner_s_style() -> None:
    n = EVERY["plot_identifiability"].n_axes
    with mpl.rc_context({"lines.linewidth": 4.0}):
        figure, axes = own(n)
        drawn_by("plot_identifiability", axes=axes)
        alone = drawn_by("plot_identifiability")
    assert {line.get_linewidth() for line in by_gid(figure, "profile")} == {4.0}
    assert {line.get_linewidth() for line in by_gid(alone, "profile")} == {1.1}
