"""The curve of one device, small: measured points, and the polynomials that its numbers come from."""

from __future__ import annotations

from typing import cast

import numpy as np
from matplotlib.figure import Figure

from mtjfit.plot.style import OKABE_ITO, NotebookFigure, name_axis, style
from mtjfit.study import Study
from mtjfit.wafer.curves import DeviceCurve
from mtjfit.wafer.survey import Survey

__all__ = ["plot_device_curve"]

_WIDTH, _HEIGHT = 2.2, 1.45
_FINE = 120


def plot_device_curve(curve: DeviceCurve, survey: Survey) -> Figure:
    """Both components of one device against bias; hollow points were not used.

    Parameters
    ----------
    curve : DeviceCurve
    survey : Survey
        Which it is of: its mark goes on the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    fine = np.linspace(float(curve.bias.min()), float(curve.bias.max()), _FINE) if curve.bias.size else np.empty(0)
    lines = curve.polynomial(fine)
    with style():
        fig = NotebookFigure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        ax = fig.subplots()
        ax.axhline(0, color="0.8", lw=0.5, zorder=0)
        for k, (name, colour, mark) in enumerate((("∥", "blue", "o"), ("⊥", "vermillion", "s"))):
            look = {"color": OKABE_ITO[colour], "ls": "none", "marker": mark, "ms": 2.0, "mew": 0.5}
            if curve.errors is not None:
                ax.errorbar(curve.bias, curve.values[k], curve.errors[k], fmt="none", ecolor=OKABE_ITO[colour],
                            elinewidth=0.5, alpha=0.6)  # fmt: skip
            ax.plot(curve.bias[curve.used], curve.values[k][curve.used], **look, label=name, gid=f"points-{k}")  # type: ignore[arg-type]
            ax.plot(curve.bias[~curve.used], curve.values[k][~curve.used], **look, mfc="none", gid=f"unused-{k}")  # type: ignore[arg-type]
            ax.plot(fine, lines[k], color=OKABE_ITO[colour], lw=0.8, gid=f"polynomial-{k}")
        ax.set_xlabel("bias (V)", fontsize=6)
        name_axis(ax.yaxis, curve.quantity, curve.unit, size=6)
        ax.tick_params(labelsize=5.5)
        ax.locator_params(nbins=4)
        ax.legend(loc="best", fontsize=6, ncols=2, columnspacing=0.8, handletextpad=0.2, borderpad=0.1)
        if survey.label:
            watermark_small(fig, survey)
    return fig


def watermark_small(fig: Figure, survey: Survey) -> None:
    """The kinds of data that were not measured, across a figure that has no room for the sentence."""
    study = cast(Study, survey)
    kinds = " / ".join(dict.fromkeys(each.kind.upper() for each in study.origins if each.label))
    text = fig.text(0.5, 0.55, kinds, ha="center", va="center", rotation=25, fontsize=14, weight="bold")
    text.set(color=OKABE_ITO["vermillion"], alpha=0.13, in_layout=False, gid="watermark")
