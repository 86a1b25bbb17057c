"""Torque or torkance against bias: all devices together, then each with its band and its residuals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, TwoSlopeNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mtjfit.data import Quantity
from mtjfit.infer import FitResult, Posterior
from mtjfit.plot.panels import (
    COMPONENTS,
    Drawn,
    axis_label,
    draw_band,
    draw_line,
    draw_points,
    draw_residuals,
    prepare,
    short_label,
)
from mtjfit.plot.style import DOUBLE, colours_of, footer, literal, style

__all__ = ["plot_torque"]

_ONE_A_ROW, _TWO_A_ROW = 6, 12  # devices up to which there is one, two a row; beyond them one map of residuals
_NAMED = 8  # devices that a legend can name
_MARKERS = "os^Dvp<>"
_OVERVIEW, _ROW, _MAP_ROW = 2.15, 1.3, 0.13  # heights in inches


def plot_torque(fit: FitResult, posterior: Posterior | None = None) -> Figure:
    """Data, best fit and, with a posterior, the 95 % band of what it predicts, for both components.

    At the top all devices together, coloured by thickness. Below each device on its own with its residuals in units
    of σ; more than twelve devices share one map of residuals instead.

    Parameters
    ----------
    fit : FitResult
    posterior : Posterior, optional
        Of the same study. The band holds 95 % of points measured with the errors of the data.

    Returns
    -------
    matplotlib.figure.Figure
        Masked points are hollow. Units are those of the first curve of a quantity.

    Raises
    ------
    ValueError
        Fit and posterior are of different devices.

    Examples
    --------
    >>> import mtjfit
    >>> study = mtjfit.load_study(mtjfit.dataset("sankey2008").study_file)
    >>> figure = plot_torque(mtjfit.fit(study))
    """
    if posterior is not None and posterior.study.devices != fit.study.devices:
        raise ValueError("fit and posterior are of different devices")
    with style():
        drawn = _drawn(fit, posterior)
        n = len(drawn)
        kinds: list[Quantity] = list(dict.fromkeys(one.curve.quantity for one in drawn))
        heights = [_OVERVIEW * len(kinds), _detail_height(n)]
        if n == 1:
            heights = heights[1:]
        fig = Figure(figsize=(DOUBLE, sum(heights) + 0.75), layout="constrained")
        parts = fig.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        if n > 1:
            _overview(parts[0], drawn, kinds)
        if n > _TWO_A_ROW:
            _residual_map(parts[-1], drawn)
        else:
            _multiples(parts[-1], drawn)
        _legend(fig, drawn, posterior)
        footer(fig, fit.study, _note(drawn))
    return fig


def _drawn(fit: FitResult, posterior: Posterior | None) -> list[Drawn]:
    curves = sorted(fit.study.curves, key=lambda curve: curve.thickness)
    colours = colours_of([curve.thickness for curve in curves])
    units: dict[Quantity, str] = {}
    for curve in fit.study.curves:
        units.setdefault(curve.quantity, curve.unit)
    shown = posterior if len(curves) <= _TWO_A_ROW else None
    return [
        prepare(fit, shown, curve, units[curve.quantity], colour, _MARKERS[k % len(_MARKERS)])
        for k, (curve, colour) in enumerate(zip(curves, colours, strict=True))
    ]


def _unit(drawn: Sequence[Drawn], quantity: Quantity) -> str:
    return next(one.unit for one in drawn if one.curve.quantity == quantity)


def _detail_height(n: int) -> float:
    if n > _TWO_A_ROW:
        return 0.6 + _MAP_ROW * n
    rows = n if n <= _ONE_A_ROW else -(-n // 2)
    return (_ROW if n > 1 else 2.4) * rows + 0.3


def _overview(part: SubFigure, drawn: Sequence[Drawn], kinds: Sequence[Quantity]) -> None:
    axes = part.subplots(len(kinds), 2, squeeze=False, sharex=True)
    for row, kind in zip(axes, kinds, strict=True):
        for ax, component in zip(row, COMPONENTS, strict=True):
            for one in (one for one in drawn if one.curve.quantity == kind):
                draw_points(ax, one, component)
                draw_line(ax, one, component, colour=one.colour)
            ax.set_ylabel(axis_label(kind, component, _unit(drawn, kind)))
            ax.axhline(0, color="0.8", lw=0.5, zorder=0)
    for ax in axes[-1]:
        ax.set_xlabel("bias $V$ (V)")
    if len(drawn) > _NAMED:
        _colour_bar(part, axes, drawn)


def _colour_bar(part: SubFigure, axes: np.ndarray, drawn: Sequence[Drawn]) -> None:
    steps = dict(sorted((one.curve.thickness, one.colour) for one in drawn))
    if len(steps) < 2:
        return
    mappable = ScalarMappable(cmap=ListedColormap(list(steps.values())))
    mappable.set_clim(-0.5, len(steps) - 0.5)
    bar = part.colorbar(mappable, ax=axes, pad=0.01, aspect=30)
    every = -(-len(steps) // 12)
    bar.set_ticks(list(range(0, len(steps), every)), labels=[f"{d:.4g}" for d in list(steps)[::every]])
    bar.set_label("thickness $d$ (nm)")
    bar.outline.set_visible(False)


def _multiples(part: SubFigure, drawn: Sequence[Drawn]) -> None:
    across = 1 if len(drawn) <= _ONE_A_ROW else 2
    rows = -(-len(drawn) // across)
    grid = part.add_gridspec(2 * rows, 2 * across, height_ratios=[3.0, 1.0] * rows)
    for k, one in enumerate(drawn):
        row, block = divmod(k, across)
        for c, component in enumerate(COMPONENTS):
            column = 2 * block + c
            ax = part.add_subplot(grid[2 * row, column])
            strip = part.add_subplot(grid[2 * row + 1, column], sharex=ax)
            draw_band(ax, one, component)
            draw_points(ax, one, component)
            draw_line(ax, one, component, colour="black")
            draw_residuals(strip, one, component)
            ax.tick_params(labelbottom=False)
            ax.set_ylabel(short_label(one.curve.quantity, component, one.unit), fontsize=7)
            strip.set_ylabel(r"$\Delta/\sigma$", fontsize=7)
            if c == 0:
                ax.set_title(_title(one), loc="left", pad=2.5, fontsize=7)
            last = k + across >= len(drawn)
            strip.tick_params(labelbottom=last)
            if last:
                strip.set_xlabel("bias $V$ (V)")
    part.align_ylabels()


def _title(one: Drawn) -> str:
    return f"{_short(one.curve.device)}, $d$ = {one.curve.thickness:g} nm"


def _short(device: str, length: int = 28) -> str:
    return literal(device if len(device) <= length else device[: length - 1] + "…")


def _residual_map(part: SubFigure, drawn: Sequence[Drawn]) -> None:
    axes = part.subplots(1, 2, sharex=True, sharey=True)
    norm = TwoSlopeNorm(0.0, -4.0, 4.0)
    for ax, component in zip(axes, COMPONENTS, strict=True):
        for j, one in enumerate(drawn):
            used = one.curve.used
            ax.scatter(
                one.curve.bias[used], np.full(used.sum(), j), c=one.residuals[component][used], cmap="RdBu_r",
                norm=norm, marker="s", s=9, lw=0.15, edgecolors="0.4", rasterized=used.sum() > 100, gid="residuals",
            )  # fmt: skip
        ax.set_xlabel("bias $V$ (V)")
        ax.set_title(("in-plane", "out-of-plane")[COMPONENTS.index(component)])
    _device_ticks(axes[0], drawn)
    bar = part.colorbar(ScalarMappable(norm, "RdBu_r"), ax=axes, pad=0.01, aspect=30, extend="both")
    bar.set_label(r"(data − best fit)/$\sigma$")


def _device_ticks(ax: Axes, drawn: Sequence[Drawn]) -> None:
    names = [f"{_short(one.curve.device, 14)} ({one.curve.thickness:g} nm)" for one in drawn]
    ax.set_yticks(range(len(drawn)), labels=names)
    ax.tick_params(axis="y", labelsize=5.5)
    ax.set_ylim(len(drawn) - 0.4, -0.6)


def _legend(fig: Figure, drawn: Sequence[Drawn], posterior: Posterior | None) -> None:
    handles: list[Line2D | Patch] = []
    labels: list[str] = []
    if 1 < len(drawn) <= _NAMED:
        for one in drawn:
            handles.append(Line2D([], [], color=one.colour, marker=one.marker, ms=3.5))
            labels.append(f"{one.curve.thickness:g} nm ({_short(one.curve.device, 16)})")
    handles.append(Line2D([], [], color="black", lw=1.0))
    labels.append("best fit")
    if any(not one.curve.used.all() for one in drawn):
        handles.append(Line2D([], [], color="0.3", marker="o", mfc="white", ls="none", ms=3.5, mew=0.6))
        labels.append("masked, not fitted")
    if posterior is not None and drawn[0].band:
        handles.append(Patch(color="0.45", alpha=0.3, lw=0))
        labels.append("95 % predictive band" if posterior.verdict.converged else "95 % band, NOT CONVERGED")
    columns = min(4, len(handles))
    fig.legend(handles, labels, loc="outside upper center", ncols=columns, columnspacing=1.4)


def _note(drawn: Sequence[Drawn]) -> str:
    fitted = any(one.curve.sigma_is_fitted for one in drawn)
    band = "; band: 95 % of points that the posterior would predict, noise included" if drawn[0].band else ""
    bars = "error bars: noise scale fitted from the scatter" if fitted else "error bars: 1 σ"
    axes = r"$\parallel$ along M × (P × M), $\perp$ along M × P"
    return f"{axes}; {bars}; Δ/σ: (data − best fit)/standard error{band}."
