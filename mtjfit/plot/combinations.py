"""Figure of the combinations that each device determines by itself, whatever the lengths, against thickness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtjfit.arrays import FloatArray
from mtjfit.infer import FitResult
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    colours_of,
    finished,
    first_panels,
    footer,
    footer_height,
    literal,
    name_axis,
    panel_grid,
    panels_across,
    sheet,
    style,
)
from mtjfit.study import ParameterName

_GRID = 81
_NAMED = 6
_NOTE = "Points: each device on its own, without any length, ± 1 standard error."


@dataclass(frozen=True)
class _Panel:
    quantity: str
    label: str
    unit: str
    from_kappa: Callable[[np.ndarray, FitResult], FloatArray]


def _panels(fit: FitResult) -> tuple[_Panel, ...]:
    first = fit.study.curves[0]
    over_d = "$/d$" if first.per == "volume" else ""
    unit = fit.study.unit_of("a1").replace(" nm", "") if "a1" in fit.study.parameters else ""
    return (
        _Panel(
            "slope_ratio", r"slope ratio $T_\perp/T_\parallel$ = tan arg $\kappa$", "", lambda k, _: k.imag / k.real
        ),
        _Panel(
            "|kappa|·a1", rf"$|\kappa|\,a_1${over_d}", unit, lambda k, fit: np.abs(k) * fit.values.get("a1", np.nan)
        ),
        _Panel(
            "b2/a1",
            r"$b_2/a_1$ (V$^{-1}$)",
            "",
            lambda k, fit: np.full(k.shape, fit.values.get("b2", np.nan) / (fit.values.get("a1") or np.nan)),
        ),
    )


def _curve(fit: FitResult, d: FloatArray) -> np.ndarray | None:
    """κ(d), or κ(d)/d per volume, of the best fit; None for one thickness or lengths that differ between devices."""
    values = fit.values
    names = [name for name in fit.study.lengths if name != "dead_layer"]
    if fit.study.n_thicknesses == 1 or not all(name in values for name in names):
        return None
    d = np.maximum(d - values.get("dead_layer", 0.0), 1e-6)
    K = fit.study.model.kappa(d, {name: np.asarray(values[name]) for name in names})
    return K / d if fit.study.curves[0].per == "volume" else K


def plot_combinations(fit: FitResult, *, width: float = DOUBLE, axes: AxesLike | None = None) -> Figure:
    """Slope ratio T_perp/T_par, |κ| a1 and b2/a1 of each device with its error, and κ(d) of the best fit.

    The points are fitted device by device and use no length; the line is the global fit of Eq. 12.
    Of the three, those that some device determines are drawn: on `axes`, as many of your own.
    """
    table = fit.combinations
    panels = [panel for panel in _panels(fit) if (table["quantity"] == panel.quantity).any()]
    with style(axes):
        below = 0.42 + footer_height(width, fit.study, _NOTE)
        across = panels_across(width, len(panels), 2.0)
        there = first_panels(len(panels), across)
        fig = sheet(axes, there, figsize=(width, 2.1 * max(len(there), 1) + below))
        if not panels:
            fig.text(0.5, 0.5, "no single device determines the phase of κ with these amplitudes", ha="center")
            footer(fig, fit.study)
            return fig
        drawn = panel_grid(fig, *there.shape, left=0.62, bottom=below, across=0.68, down=0.5).ravel()
        for ax, panel in zip(drawn, panels, strict=False):
            _draw(ax, panel, fit)
        for ax in drawn[len(panels) :]:
            ax.set_axis_off()
        if fit.study.n_thicknesses > 1:
            drawn[0].plot([], [], color="0.3", lw=1.0, label=r"global fit, $\kappa(d)$")
            drawn[0].legend(loc="best")
        footer(fig, fit.study, _NOTE)
    return finished(fig)


def combinations_caption(fit: FitResult) -> str:
    """What `plot_combinations` shows, as a caption for a paper."""
    line = ", line: κ(d) of the global fit" if fit.study.n_thicknesses > 1 else ""
    return (
        f"Combinations that each of {fit.study.counted} determines by itself, without any length, against thickness d: "
        "the slope ratio T_perp/T_par = tan arg κ at small bias, |κ| a1 and b2/a1, as far as the data determine them. "
        f"Points: value ± 1 standard error{line}."
    )


def _draw(ax: Axes, panel: _Panel, fit: FitResult) -> None:
    rows = fit.combinations[fit.combinations["quantity"] == panel.quantity].set_index("device")
    curves = [curve for curve in fit.study.curves if curve.name in rows.index]
    # at the fitted thickness, where the line has to meet the point
    d = np.array([fit.values.get(ParameterName("thickness", curve.device), curve.thickness) for curve in curves])
    colours = colours_of([curve.thickness for curve in curves])
    for curve, at, colour in zip(curves, d, colours, strict=True):
        row, spread = rows.loc[curve.name], fit.errors.get(ParameterName("thickness", curve.device))
        ax.errorbar(
            at, row["value"], yerr=row["sd"], xerr=None if fit.study.n_thicknesses == 1 else spread, fmt="o",
            color=colour, ms=3.5, elinewidth=0.8, zorder=3, gid="device",
        )  # fmt: skip
    grid = np.linspace(0.6 * d.min(), 1.1 * d.max(), _GRID)
    K = _curve(fit, grid)
    amplitudes_shared = {"a1", "b2"} <= set(fit.values) or panel.quantity == "slope_ratio"
    if K is not None and amplitudes_shared:
        ax.plot(grid, panel.from_kappa(K, fit), color="0.3", lw=1.0, zorder=2, gid="best-fit")
    if fit.study.n_thicknesses == 1 and len(curves) <= _NAMED:
        ax.set_xticks([])
        names = literal(", ".join(curve.name for curve in curves))
        ax.set_xlabel(f"{names}, $d$ = {d[0]:g} nm" if len(names) < 40 else f"$d$ = {d[0]:g} nm")
    else:
        known = fit.study.parameters["thickness"].is_fixed
        ax.set_xlabel("thickness $d$ (nm)" if known else "fitted thickness $d$ (nm)")
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    name_axis(ax.yaxis, panel.label, panel.unit)
    if panel.quantity == "slope_ratio":
        ax.axhline(0, color=OKABE_ITO["sky"], lw=0.7, ls=":", zorder=1)
