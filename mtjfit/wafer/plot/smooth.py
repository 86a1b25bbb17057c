"""A quantity over wafers, its smooth part, and what that leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.figure import Figure

from mtjfit.data.curve import BoolArray
from mtjfit.plot.style import DOUBLE, NotebookFigure, footer, footer_height, literal, style
from mtjfit.study import Study
from mtjfit.text import p_text
from mtjfit.wafer.plot.map import Around, Scale, draw_map, map_legend, quantity_label, wafer_title
from mtjfit.wafer.survey.smooth import Surface, smooth_surfaces
from mtjfit.wafer.survey.survey import Survey

__all__ = ["MOST_SURFACES", "plot_smooth", "surface_says"]

MOST_SURFACES = 4
"""Wafers on one figure."""


def surface_says(surface: Surface) -> str:
    """What a surface explains, in a sentence.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"device": np.arange(100).astype(str), "x": np.tile(np.arange(10.0), 10),
    ...                       "y": np.repeat(np.arange(10.0), 10), "b": rng.normal(0, 1, 100), "b_sd": 0.1})
    >>> surface_says(smooth_surfaces(Survey("w", frame), "b")[0])
    'all devices: no smooth part (p = 0.63 if flat)'
    """
    who = surface.wafer or "all devices"
    if not surface.clear:
        return f"{who}: no smooth part ({p_text(surface.p)} if flat)"
    if not surface.spread.determined:
        return f"{who}: a smooth part ({p_text(surface.p)} if flat); errors explain all that it leaves"
    return (
        f"{who}: the smooth part explains {100 * surface.share:.0f} % of the variance of true values "
        f"({p_text(surface.p)} if flat)"
    )


def plot_smooth(
    survey: Survey, quantity: str, surfaces: Sequence[Surface] | None = None, *, odd: BoolArray | None = None
) -> Figure:
    """Measured values, the polynomial through them and the residuals, a row for each wafer.

    Parameters
    ----------
    surfaces : sequence of Surface, optional
        From `smooth_surfaces`; of second order if they are not given. The first four are drawn.
    odd : array of bool, shape (devices,), optional
        Devices to mark by a ring.

    Raises
    ------
    ValueError
        No wafer has enough devices with a position.
    """
    found = smooth_surfaces(survey, quantity) if surfaces is None else surfaces
    if not found:
        raise ValueError("no wafer has enough devices with a position for a surface")
    shown = found[:MOST_SURFACES]
    values, flagged = survey.values(quantity), survey.flagged
    ringed = np.zeros(len(values), dtype=bool) if odd is None else odd
    place = survey.frame[["x", "y"]].to_numpy(dtype=float)
    rows = np.concatenate([surface.rows for surface in shown])
    side = (DOUBLE - 0.7) / 3
    around, measured = Around.of(place[rows], side), Scale.of(values[rows])
    left = Scale.of(np.concatenate([values[each.rows] - each.value for each in shown]), "diverging")
    study = cast(Study, survey)
    note = literal(
        ". ".join([*(surface_says(each) for each in shown), "Residuals: measured value − smooth part"])
        + "."
        + (f" {len(found) - len(shown)} more wafers are not drawn." if len(found) > len(shown) else "")
    )
    with style():
        handles = map_legend(flagged, ~np.isfinite(values), ringed, rows)
        height = len(shown) * (side + 0.22) + 0.85 + 0.2 * bool(handles) + footer_height(DOUBLE, study, note)
        fig = NotebookFigure(figsize=(DOUBLE, height), layout="constrained")
        panels = fig.subplots(len(shown), 3, squeeze=False, sharex=True, sharey=True)
        nothing = np.zeros(len(values), dtype=bool)
        for axes, surface in zip(panels, shown, strict=True):
            mine = surface.rows
            what = (("measured", values[mine], measured), ("smooth part", surface.value, measured),
                    ("residual", values[mine] - surface.value, left))  # fmt: skip
            for k, (ax, (name, shown_values, scale)) in enumerate(zip(axes, what, strict=True)):
                marks = (nothing[mine], nothing[mine]) if k == 1 else (flagged[mine], ringed[mine])
                draw_map(ax, around, place[mine], shown_values, scale, *marks)
                ax.set_title(f"{wafer_title(surface.wafer)}: {name}", pad=3)
            axes[0].set_ylabel("y (mm)")
        for ax in panels[-1]:
            ax.set_xlabel("x (mm)")
        unit = survey.unit(quantity)
        measured.bar(fig, list(panels[:, :2].ravel()), quantity_label(quantity), unit, below=True)
        left.bar(fig, list(panels[:, 2]), "residual", unit, below=True)
        if handles:
            fig.legend(handles=handles, loc="outside upper center", ncols=len(handles), fontsize=6.5)
        footer(fig, study, note)
    return fig
