"""The three figures of Manchon, Matsumoto, Jaffrès, Grollier, PRB 86, 060404(R) (2012), ready for print.

Each figure draws a table of `mtjfit.paper.numbers`, point for point. Defaults are the paper's parameters.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mtjfit.paper.numbers import accumulation, assumptions, bias_dependence, thickness_dependence, values_of
from mtjfit.plot.own_axes import AxesLike, OwnAxes
from mtjfit.plot.style import DOUBLE, SINGLE, colours_of, finished, sheet, style, symbol

_DASHES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "-",
    (0, (1.2, 1.0)),
    (0, (4, 1.5)),
    (0, (4, 1.2, 1, 1.2)),
)
_AXES = r"$\parallel$ along M × (P × M), $\perp$ along M × P"
_ZOOM = 0.2  # V
_ATOM = 0.25  # nm: thinner layers do not exist, and the ratio that they would have hides all others
_LINE = 0.125  # height of a line of the foot in inches

_Draw: TypeAlias = Callable[[pd.DataFrame, AxesLike | None], Figure]


def _drawing(numbers: Callable[..., pd.DataFrame]) -> Callable[[_Draw], Callable[..., Figure]]:
    """Give a plot the parameters of its table, so that both keep one signature, and `axes`."""
    own = inspect.Parameter("axes", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="AxesLike | None")
    signature = inspect.signature(numbers)

    def with_parameters(draw: _Draw) -> Callable[..., Figure]:
        @wraps(draw)
        def plot(*args: Any, axes: AxesLike | None = None, **kwargs: Any) -> Figure:
            return draw(numbers(*args, **kwargs), axes)

        plot.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*signature.parameters.values(), own], return_annotation="Figure"
        )
        return plot

    return with_parameters


def _colours(values: Sequence[float]) -> dict[float, str]:
    """Dark for small and light for large values, black for infinity; in the order of the values."""
    finite = [value for value in values if np.isfinite(value)]
    colours = dict(zip(finite, colours_of(finite) if finite else [], strict=True))
    return {value: colours.get(value, "black") for value in values}


def _foot(fig: Figure, lines: Sequence[str], between: float = 0.02) -> None:
    """Small type below everything else, kept free of axes by the constrained layout."""
    height = fig.get_figheight()
    for k, line in enumerate(reversed(lines)):
        fig.text(0.5, (k + 0.35) * _LINE / height, line, ha="center", fontsize=6.0, color="0.3", gid="foot")
    share = (len(lines) * _LINE + 0.05) / height
    engine = fig.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0.0, share, 1.0, 1.0 - share), wspace=between)  # type: ignore[call-arg]


def _stated(table: pd.DataFrame, *names: str) -> str:
    """Parameters with one value, in symbols."""
    units = {"D_ratio": ""}
    return ", ".join(f"{symbol(name)} = {values_of(table, name)[0]:g}{units.get(name, ' nm')}" for name in names)


def _panel(ax: Axes, letter: str) -> None:
    ax.text(-0.02, 1.02, f"({letter})", transform=ax.transAxes, ha="right", va="bottom", weight="bold")


def _zero(ax: Axes) -> None:
    ax.axhline(0.0, color="0.75", lw=0.5, zorder=0)


@_drawing(accumulation)
def plot_accumulation(table: pd.DataFrame, axes: AxesLike | None) -> Figure:
    """Fig. 1: m_par (solid) and m_perp (dashed) against x in F(d)/N, Eq. 9–10, for J_perp = 0.

    Parameters and errors are those of `mtjfit.paper.numbers.accumulation`, whose table is drawn. One column wide,
    or on `axes`, one of your own.

    Examples
    --------
    >>> [line.get_gid() for line in plot_accumulation(lambda_phi=[0.5]).axes[0].lines if line.get_gid()]
    ['m_par', 'm_perp', 'boundary']
    """
    (d,), x_max = values_of(table, "d"), table["x_nm"].max()
    colours = _colours(values_of(table, "lambda_phi"))
    with style(axes):
        fig = sheet(axes, (1, 1), figsize=(SINGLE, 2.75), layout="constrained")
        ax = fig.subplots()
        _zero(ax)
        for phi, colour in colours.items():
            curve = table[table["lambda_phi_nm"] == phi]
            for name, dashes in (("m_par", "-"), ("m_perp", _DASHES[2])):
                ax.plot(curve["x_nm"], curve[f"{name}_nm"], ls=dashes, color=colour, gid=name)
        if d < x_max:
            ax.axvspan(0, d, color="0.95", lw=0, zorder=-1)
            ax.axvline(d, color="0.4", lw=0.7, gid="boundary")
            for name, x, ha in ((f"F ({d:g} nm)", d, "right"), ("N", d, "left")):
                ax.annotate(name, (x, 0.97), (4 if ha == "left" else -4, 0), ("data", "axes fraction"),
                            textcoords="offset points", ha=ha, va="top", color="0.3")  # fmt: skip
        ax.set_xlim(0, x_max)
        ax.set_xlabel("distance from the barrier, $x$ (nm)")
        ax.set_ylabel(r"spin accumulation, $m\,D_F/J_0$ (nm)")
        handles = [Line2D([], [], color=colour) for colour in colours.values()]
        handles += [Line2D([], [], color="0.2", ls=dashes) for dashes in ("-", _DASHES[2])]
        labels = [f"{symbol('lambda_phi')} = {phi:g} nm" for phi in colours]
        ax.legend(handles, [*labels, r"$m_\parallel$", r"$m_\perp$"], loc="upper right")
        _foot(fig, [_stated(table, "lambda_J", "lambda_sf_F", "lambda_sf_N", "D_ratio") + r", $J_\perp$ = 0", _AXES])
    return finished(fig)


@_drawing(thickness_dependence)
def plot_thickness_dependence(table: pd.DataFrame, axes: AxesLike | None) -> Figure:
    """Fig. 2: d T_par/J0, d T_perp/J0 and, inset, T_perp/T_par against the thickness, Eq. 12, for J_perp = 0.

    Parameters and errors are those of `mtjfit.paper.numbers.thickness_dependence`, whose table is drawn: lambda_J by
    colour, lambda_phi by dashes. The inset is cut off at ratios that only layers below 0.25 nm would have. On `axes`:
    two of your own, one above the other.

    Examples
    --------
    >>> panel = plot_thickness_dependence().axes[0]
    >>> len(panel.child_axes[0].lines) == len(panel.lines)
    True
    """
    colours = _colours(values_of(table, "lambda_J"))
    dashes = {phi: _DASHES[k % len(_DASHES)] for k, phi in enumerate(values_of(table, "lambda_phi"))}
    with style(axes):
        fig = sheet(axes, (2, 1), figsize=(SINGLE, 4.4), layout="constrained")
        par, perp = fig.subplots(2, 1, sharex=True)
        inset = par.inset_axes((0.43, 0.22, 0.55, 0.46))
        for ax, column in ((par, "dT_par_over_J0"), (perp, "dT_perp_over_J0"), (inset, "T_perp_over_T_par")):
            _zero(ax)
            for (J, colour), (phi, dash) in product(colours.items(), dashes.items()):
                curve = table[(table["lambda_J_nm"] == J) & (table["lambda_phi_nm"] == phi)]
                ax.plot(curve["d_nm"], curve[column], color=colour, ls=dash, gid=column)
            ax.set_xlim(0, table["d_nm"].max())
        par.set_ylabel(r"$d\,T_\parallel/J_0$")
        perp.set_ylabel(r"$d\,T_\perp/J_0$")
        perp.set_xlabel("thickness of the free layer, $d$ (nm)")
        _small(inset, "$d$ (nm)", r"$T_\perp/T_\parallel$")
        _show(inset, table.loc[table["d_nm"] >= _ATOM, "T_perp_over_T_par"])
        handles = [Line2D([], [], color=colour) for colour in colours.values()]
        labels = [f"{symbol('lambda_J')} = {J:g} nm" for J in colours]
        handles += [Line2D([], [], color="0.2", ls=dash) for dash in dashes.values()]
        labels += [f"{symbol('lambda_phi')} = {phi:g} nm" for phi in dashes]
        perp.legend(handles, labels, loc="lower right")
        _panel(par, "a")
        _panel(perp, "b")
        fig.align_ylabels([par, perp])
        _foot(fig, [_stated(table, "lambda_sf_F", "lambda_sf_N", "D_ratio") + r", $J_\perp$ = 0", _AXES])
    return finished(fig)


def _small(inset: Axes, x: str, y: str) -> None:
    """Type and ticks of an inset."""
    inset.tick_params(labelsize=5.5, length=1.8, pad=1.5)
    inset.set_xlabel(x, fontsize=6.5, labelpad=1)
    inset.set_ylabel(y, fontsize=6.5, labelpad=1)


def _show(inset: Axes, values: pd.Series) -> None:
    """Make room for these values; curves may leave the frame elsewhere."""
    seen = values[np.isfinite(values)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    margin = 0.06 * (high - low) or 1.0
    inset.set_ylim(low - margin, high + margin)


def _bulk(d: float) -> str | tuple[float, tuple[float, ...]]:
    return _DASHES[2] if np.isinf(d) else "-"


@_drawing(bias_dependence)
def plot_bias_dependence(table: pd.DataFrame, axes: AxesLike | None) -> Figure:
    """Fig. 3: both torques against bias for several thicknesses; inset, T_perp within ±200 mV.

    Parameters and errors are those of `mtjfit.paper.numbers.bias_dependence`, whose table is drawn. The foot lists
    the assumptions. On `axes`: two of your own, which say that they were reconstructed.

    Examples
    --------
    >>> inset, = plot_bias_dependence(thickness=2.0).axes[1].child_axes
    >>> tuple(map(float, inset.get_xlim()))
    (-0.2, 0.2)
    """
    colours = _colours(values_of(table, "d"))
    T_par, T_perp = (str(column) for column in table if str(column).startswith("T_"))
    unit, factor = (r"[(ħ/2e) µA nm$^{-1}$]", "") if T_par.endswith("per_nm") else ("[(ħ/2e) µA]", r"d\,")
    with style(axes):
        fig = sheet(axes, (1, 2), figsize=(DOUBLE, 3.1), layout="constrained")
        par, perp = fig.subplots(1, 2)
        inset = perp.inset_axes((0.36, 0.56, 0.36, 0.42))
        for ax, column in ((par, T_par), (perp, T_perp), (inset, T_perp)):
            _zero(ax)
            for d, colour in colours.items():
                curve = table[table["d_nm"] == d]
                ax.plot(curve["bias_V"], curve[column], color=colour, ls=_bulk(d), gid=column)
            ax.set_xlim(table["bias_V"].min(), table["bias_V"].max())
        par.set_ylabel(rf"in-plane torque, ${factor}T_\parallel$ {unit}")
        perp.set_ylabel(rf"out-of-plane torque, ${factor}T_\perp$ {unit}")
        for ax in (par, perp):
            ax.set_xlabel("bias, $V$ (V)")
        _panel(par, "a")
        _panel(perp, "b")
        handles = [Line2D([], [], color=colour, ls=_bulk(d)) for d, colour in colours.items()]
        labels = ["∞" if np.isinf(d) else f"{d:g} nm" for d in colours]
        par.legend(handles, labels, title="$d$", loc="lower right")
        _small(inset, "$V$ (V)", rf"${factor}T_\perp$" f"\n{unit}")
        inset.set_xlim(-_ZOOM, _ZOOM)
        _show(inset, table[table["bias_V"].abs() <= _ZOOM][T_perp])
        text = "Assumed: " + "; ".join(assumptions(table)) + ". Reconstructed, not measured."
        stated = _stated(table, "lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio")
        _foot(fig, [f"{stated}; {_AXES}", *textwrap.wrap(text, 145)], between=0.06)
        if isinstance(fig, OwnAxes):
            fig.mark(["RECONSTRUCTED"], "")
    return finished(fig)
