"""The paper's figures: every curve is its table, every axis has its unit, what is assumed stands below."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from plot_cases import assert_nothing_cut_off, by_gid, texts

from mtjfit.paper.numbers import accumulation, assumptions, bias_dependence, thickness_dependence
from mtjfit.plot import plot_accumulation, plot_bias_dependence, plot_thickness_dependence, render

Numbers, Plot = Callable[..., pd.DataFrame], Callable[..., Figure]
PAIRS: dict[str, tuple[Numbers, Plot]] = {
    "Fig. 1": (accumulation, plot_accumulation),
    "Fig. 2": (thickness_dependence, plot_thickness_dependence),
    "Fig. 3": (bias_dependence, plot_bias_dependence),
}
DRAWN = {
    "Fig. 1": ("x_nm", {"m_par": "m_par_nm", "m_perp": "m_perp_nm"}),
    "Fig. 2": ("d_nm", {n: n for n in ("dT_par_over_J0", "dT_perp_over_J0", "T_perp_over_T_par")}),
    "Fig. 3": ("bias_V", {n: n for n in ("T_par_hbar_2e_uA", "T_perp_hbar_2e_uA")}),
}


@cache
def paper_figure(name: str) -> Figure:
    """Drawn once; tests only look."""
    return PAIRS[name][1]()


def every_axes(fig: Figure) -> list[Axes]:
    return [ax for panel in fig.axes for ax in (panel, *panel.child_axes)]


def differences(fig: Figure, table: pd.DataFrame, name: str) -> list[str]:
    """Columns whose lines, one after the other, are not the table's numbers, bit for bit, in some panel or inset."""
    x, columns = DRAWN[name]
    found = []
    for gid, column in columns.items():
        owners = [ax for ax in every_axes(fig) if by_gid_of(ax, gid)]
        if not owners:
            found.append(f"{column} is not drawn")
        for ax in owners:
            drawn = np.concatenate([line.get_xydata() for line in by_gid_of(ax, gid)])
            if not np.array_equal(sorted_rows(drawn), sorted_rows(table[[x, column]].to_numpy()), equal_nan=True):
                found.append(column)
    return found


def by_gid_of(ax: Axes, gid: str) -> list:
    return [line for line in ax.lines if line.get_gid() == gid]


def sorted_rows(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("name", PAIRS)
def test_the_figure_draws_exactly_the_numbers_of_its_table(name: str) -> None:
    assert differences(paper_figure(name), PAIRS[name][0](), name) == []


@pytest.mark.parametrize("name", PAIRS)
def test_sabotage_other_numbers_are_seen(name: str) -> None:
    table = PAIRS[name][0]()
    for column in DRAWN[name][1].values():
        nudged = table[column].where(table.index != 700, table[column] * (1 + 1e-12))
        assert differences(paper_figure(name), table.assign(**{column: nudged}), name) == [column] * (
            2 if column == "T_perp_hbar_2e_uA" else 1
        )
    assert differences(paper_figure(name), PAIRS[name][0](lambda_sf_N=1.5), name)
    assert differences(Figure(), table, name)[0].endswith("is not drawn")


@pytest.mark.parametrize("name", PAIRS)
def test_parameters_of_the_figure_are_those_of_its_table(name: str) -> None:
    numbers, plot = PAIRS[name]
    drawn = dict(inspect.signature(plot).parameters)
    assert drawn.pop("axes").kind is inspect.Parameter.KEYWORD_ONLY
    assert drawn == inspect.signature(numbers).parameters
    own = {"lambda_sf_F": 4.0, "lambda_sf_N": 3.0, "D_ratio": 0.6, "lambda_J": 0.7, "lambda_phi": 1.3}
    fig3 = {"bias_max": 0.3, "thickness": 2.0, "a1": 0.2, "b2": 0.1}
    more = {"Fig. 1": {"d": 1.0, "x_max": 3.0}, "Fig. 2": {"d_max": 4.0}, "Fig. 3": fig3}
    assert differences(plot(**own, **more[name]), numbers(**own, **more[name]), name) == []


def test_curves_have_the_colour_and_dashes_of_the_legend() -> None:
    fig = paper_figure("Fig. 2")
    legend = fig.axes[1].get_legend()
    keys = {t.get_text(): h for t, h in zip(legend.get_texts(), legend.legend_handles, strict=True)}
    assert list(keys) == [
        *(rf"$\lambda_J$ = {J} nm" for J in ("0.5", "1", "1.5")),
        *(rf"$\lambda_\phi$ = {phi} nm" for phi in ("0.5", "1")),
    ]
    for line in by_gid(fig, "dT_par_over_J0"):
        (J,) = (k for k, h in keys.items() if "_J" in k and h.get_color() == line.get_color())
        (phi,) = (k for k, h in keys.items() if "phi" in k and h.is_dashed() == line.is_dashed())
        J, phi = (float(k.split("= ")[1].removesuffix(" nm")) for k in (J, phi))
        table = thickness_dependence(lambda_J=J, lambda_phi=phi)
        np.testing.assert_array_equal(line.get_ydata(), table.dT_par_over_J0)


def test_the_legend_of_fig_1_tells_the_components_apart() -> None:
    legend = paper_figure("Fig. 1").axes[0].get_legend()
    assert [t.get_text() for t in legend.get_texts()[-2:]] == [r"$m_\parallel$", r"$m_\perp$"]
    for gid, key, dashed in zip(("m_par", "m_perp"), legend.legend_handles[-2:], (False, True), strict=True):
        assert {line.is_dashed() for line in by_gid(paper_figure("Fig. 1"), gid)} == {key.is_dashed()} == {dashed}


def test_the_legend_of_fig_3_names_each_thickness() -> None:
    fig = paper_figure("Fig. 3")
    legend = fig.axes[0].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["0.8 nm", "1.2 nm", "2 nm", "3 nm", "∞"]
    for d, key in zip((0.8, 1.2, 2.0, 3.0, np.inf), legend.legend_handles, strict=True):
        (line,) = (each for each in by_gid_of(fig.axes[0], "T_par_hbar_2e_uA") if each.get_color() == key.get_color())
        np.testing.assert_array_equal(line.get_ydata(), bias_dependence(thickness=d).T_par_hbar_2e_uA)


def test_the_boundary_between_F_and_N_is_marked() -> None:
    (line,) = by_gid(paper_figure("Fig. 1"), "boundary")
    assert set(line.get_xdata()) == {2.0}
    assert {"F (2 nm)", "N"} <= set(texts(paper_figure("Fig. 1")))
    assert not by_gid(plot_accumulation(d=np.inf), "boundary")


def test_insets_show_the_ratio_and_the_zoom() -> None:
    (ratio,) = paper_figure("Fig. 2").axes[0].child_axes
    assert len(by_gid_of(ratio, "T_perp_over_T_par")) == 6
    assert ratio.get_ylim()[0] < -0.4
    assert ratio.get_ylim()[1] > 0
    (zoom,) = paper_figure("Fig. 3").axes[1].child_axes
    assert zoom.get_xlim() == (-0.2, 0.2)
    assert len(by_gid_of(zoom, "T_perp_hbar_2e_uA")) == 5
    table = bias_dependence()
    seen = table[table.bias_V.abs() <= 0.2].T_perp_hbar_2e_uA
    assert zoom.get_ylim()[0] < seen.min() < seen.max() < zoom.get_ylim()[1]


UNIT = re.compile(r"\((nm|V)\)$|\[\(ħ/2e\) µA.*\]$|T_\\\w+/(J_0|T_\\\w+)\$$")


def without_unit(fig: Figure) -> list[str]:
    """Labels of axes without a unit, but for ratios, which have none; an axis without numbers needs no label."""
    labels = [ax.get_ylabel() for ax in every_axes(fig)]
    labels += [ax.get_xlabel() for ax in every_axes(fig) if ax.xaxis.get_tick_params()["labelbottom"]]
    return [label for label in labels if not UNIT.search(label)]


@pytest.mark.parametrize("name", PAIRS)
def test_every_axis_has_its_unit(name: str) -> None:
    assert without_unit(paper_figure(name)) == []


def test_a_torque_per_volume_has_another_unit() -> None:
    volume, table = plot_bias_dependence(per="volume"), bias_dependence(per="volume")
    for ax, column in zip(volume.axes, ("T_par_hbar_2e_uA_per_nm", "T_perp_hbar_2e_uA_per_nm"), strict=True):
        np.testing.assert_array_equal(
            np.concatenate([line.get_ydata() for line in by_gid_of(ax, column)]), table[column]
        )
    assert without_unit(volume) == []
    assert "nm$^{-1}$" in volume.axes[0].get_ylabel()


def test_sabotage_a_missing_unit_is_seen() -> None:
    fig = plot_accumulation()
    fig.axes[0].set_xlabel("distance")
    assert without_unit(fig) == ["distance"]


def foot(fig: Figure) -> str:
    return " ".join(t.get_text() for t in reversed(by_gid(fig, "foot")))


@pytest.mark.parametrize("own", [{}, {"a1": 0.2, "b2": 0.1, "thickness": 1.0}])
def test_assumptions_stand_below_fig_3(own: dict[str, float]) -> None:
    said = foot(plot_bias_dependence(**own))
    assert f"Assumed: {'; '.join(assumptions(bias_dependence(**own)))}. Reconstructed, not measured." in said


def test_parameters_and_axes_stand_below_every_figure() -> None:
    for name in PAIRS:
        assert r"$\lambda_\mathrm{sf}^N$ = " in foot(paper_figure(name))
        assert "M × (P × M)" in foot(paper_figure(name))
    assert r"$\lambda_\mathrm{sf}^F$ = 15 nm" in foot(paper_figure("Fig. 1"))
    assert "$D_F/D_N$ = 0.6" in foot(plot_thickness_dependence(D_ratio=0.6))


def lightness(colour: str) -> float:
    """CIE L* of a colour, 0 to 100: what remains of it in a grey copy."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 116 * float(np.cbrt(np.dot([0.2126, 0.7152, 0.0722], linear))) - 16


@pytest.mark.parametrize("name", PAIRS)
def test_colours_can_be_told_apart_in_a_grey_copy(name: str) -> None:
    lines = by_gid(paper_figure(name), next(iter(DRAWN[name][1])))
    colours = {(line.get_color(), line.is_dashed()) for line in lines}
    for (a, dash_a), (b, dash_b) in combinations(colours, 2):
        assert a == b or dash_a != dash_b or abs(lightness(a) - lightness(b)) > 15
    assert max(lightness(colour) for colour, _ in colours) < 80  # on white paper
    assert abs(lightness("#D55E00") - lightness("#009E73")) < 15  # red and green of one lightness would not do


@pytest.mark.slow
def test_nothing_is_cut_off_in_the_width_of_a_journal_column_and_panels_have_letters() -> None:
    for name, inches in {"Fig. 1": 3.37, "Fig. 2": 3.37, "Fig. 3": 6.75}.items():
        assert paper_figure(name).get_figwidth() == pytest.approx(inches)
        assert_nothing_cut_off(paper_figure(name))
        assert name == "Fig. 1" or {"(a)", "(b)"} <= set(texts(paper_figure(name)))


@pytest.mark.slow
def test_the_same_bytes_every_time() -> None:
    """Of the simplest figure; the slow test of the command compares all twelve files."""
    first, second = (render(plot_accumulation(), "svg") for _ in range(2))
    assert first == second
    assert render(plot_accumulation(d=1.0), "svg") != first


@pytest.mark.slow
def test_unusual_parameters_draw_without_a_warning() -> None:
    plot_accumulation(lambda_phi=[np.inf, 0.1], lambda_sf_F=np.inf, d=0.5).draw_without_rendering()
    plot_thickness_dependence(lambda_J=np.inf, lambda_phi=np.inf).draw_without_rendering()
    plot_bias_dependence(thickness=np.inf, a1=0.0, b2=0.0).draw_without_rendering()


def test_thicker_layers_are_lighter() -> None:
    lines = by_gid_of(paper_figure("Fig. 3").axes[0], "T_par_hbar_2e_uA")
    assert all(lightness(a.get_color()) < lightness(b.get_color()) for a, b in pairwise(lines[:-1]))
    assert lines[-1].get_color() == "black"
