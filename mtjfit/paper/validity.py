"""Where the thin-layer form, Eq. 16, may be used in place of Eq. 12: a map over thickness and Λ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from mtjfit.physics import kappa
from mtjfit.physics.validity import kappa_thin, kappa_thin_error
from mtjfit.plot.style import DOUBLE, OKABE_ITO, SINGLE, NotebookFigure, literal, style

__all__ = ["FIG_2", "FIG_3", "LEVELS", "ThinPanel", "plot_thin_validity"]

LEVELS = (0.01, 0.05, 0.2)
"""Relative errors |κ_16 − κ|/|κ| of the contours."""

_D, _LAMBDA = (0.1, 10.0), (0.05, 100.0)  # nm
_GRID = 181  # in each direction; contours are then right to 0.1 % of d and Λ
_SHADES = ("#ffffff", "#e3edf6", "#bdd6ea", "#8dbadb")
_NAMED_AT = 0.3  # nm; thickness at which the contours carry their names


@dataclass(frozen=True)
class ThinPanel:
    """The lengths of one panel in nm, and what to mark in it.

    Attributes
    ----------
    lambda_J, lambda_phi, lambda_sf_F : float
        Lengths in F, which set L.
    Lambda : float or None
        (D_F/D_N) λ_sf^N of a series of thicknesses: a line across the panel.
    d : float or None
        Thickness of a point on that line, labelled with its error.
    """

    title: str
    lambda_J: float
    lambda_phi: float
    lambda_sf_F: float
    Lambda: float | None = None
    d: float | None = None


FIG_2 = ThinPanel("Paper's Fig. 2", 1.0, 0.5, 15.0, Lambda=2.0)
"""The middle solid line of the paper's Fig. 2."""
FIG_3 = ThinPanel("Paper's Fig. 3", 1.0, 1.0, 10.0, Lambda=1.0, d=1.2)
"""The parameters of the paper's Fig. 3, at one of its thicknesses."""


def plot_thin_validity(panels: Sequence[ThinPanel] = (FIG_2, FIG_3)) -> Figure:
    """Contours of |κ_16 − κ|/|κ| = 1, 5 and 20 % in the plane of thickness d and Λ = (D_F/D_N) λ_sf^N.

    Eq. 16 is good above the contours, Λ ≫ d/2, and to their right, Λd ≫ |L|², where F absorbs everything anyway.

    Parameters
    ----------
    panels : sequence of ThinPanel
        One panel each, side by side; by default the parameters of the paper's Fig. 2 and Fig. 3.

    Raises
    ------
    ValueError
        There is no panel, or a length is not positive.

    Examples
    --------
    >>> figure = plot_thin_validity([ThinPanel("Co", 1.0, 1.0, 40.0)])
    """
    if not panels:
        raise ValueError("there is no panel to draw")
    with style():
        width = SINGLE if len(panels) == 1 else DOUBLE * max(1.0, len(panels) / 2)
        fig = NotebookFigure(figsize=(width, 2.9), layout="constrained")
        axes = fig.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for ax, panel in zip(axes, panels, strict=True):
            _draw(ax, panel)
        axes[0].set_ylabel(r"$\Lambda = (D_F/D_N)\,\lambda_\mathrm{sf}^N$ (nm)")
    return fig


def _draw(ax: Axes, panel: ThinPanel) -> None:
    lengths = (panel.lambda_J, panel.lambda_phi, panel.lambda_sf_F)
    d, Lambda = np.geomspace(*_D, _GRID), np.geomspace(*_LAMBDA, _GRID)
    error = kappa_thin_error(d[None, :], *lengths, Lambda[:, None])
    # the logarithm is nearly linear between grid points, the error is not
    log_error = np.log10(np.maximum(error, 1e-12))
    levels = np.log10(LEVELS)
    ax.set(xscale="log", yscale="log", xlim=_D, ylim=_LAMBDA, xlabel="thickness $d$ (nm)")
    ax.contourf(d, Lambda, log_error, [-13.0, *levels, 1.0], colors=_SHADES)
    lines = ax.contour(d, Lambda, log_error, levels, colors="black", linewidths=0.9, linestyles=[":", "--", "-"])
    lines.set_gid("contours")
    names = {level: f"{100 * each:g} %" for level, each in zip(lines.levels, LEVELS, strict=True)}
    column = log_error[:, np.searchsorted(d, _NAMED_AT)]
    crossings = [Lambda[np.flatnonzero(column > level)[-1]] for level in levels if np.any(column > level)]
    ax.clabel(lines, fmt=names, fontsize=6.5, manual=[(_NAMED_AT, each) for each in crossings])
    middle = error[:, _GRID // 4 : -_GRID // 4]
    if np.all(middle[-_GRID // 8 :] < LEVELS[0]):
        ax.text(0.5, 0.96, r"Eq. 16 within 1 % of $|\kappa|$", transform=ax.transAxes, ha="center", va="top")
    if np.all(middle[: _GRID // 8] > LEVELS[-1]):
        ax.text(0.5, 0.04, "more than 20 % off", transform=ax.transAxes, ha="center", va="bottom")
    if panel.Lambda is not None:
        ax.axhline(panel.Lambda, color=OKABE_ITO["vermillion"], lw=0.8, ls="-.", gid="series")
        ax.annotate(
            rf"$\Lambda$ = {panel.Lambda:g} nm", (_D[1], panel.Lambda), xytext=(-3, -2), textcoords="offset points",
            ha="right", va="top", fontsize=6.5, color=OKABE_ITO["vermillion"],
        )  # fmt: skip
        if panel.d is not None:
            _mark(ax, panel, panel.d, panel.Lambda)
    ax.set_title(
        f"{literal(panel.title)}: "
        rf"$\lambda_J$ = {panel.lambda_J:g}, $\lambda_\phi$ = {panel.lambda_phi:g}, "
        rf"$\lambda_\mathrm{{sf}}^F$ = {panel.lambda_sf_F:g} nm"
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _mark(ax: Axes, panel: ThinPanel, d: float, Lambda: float) -> None:
    """The point, with the error of κ there and that of its modulus."""
    stack = (d, panel.lambda_J, panel.lambda_phi, panel.lambda_sf_F, Lambda)
    modulus = abs(complex(kappa_thin(*stack))) / abs(complex(kappa(*stack))) - 1
    ax.plot([d], [Lambda], "o", color=OKABE_ITO["vermillion"], ms=4.5, mec="white", mew=0.6, zorder=5, gid="point")
    says = f"{100 * float(kappa_thin_error(*stack)):.0f} % off\n" rf"($|\kappa|$: {100 * modulus:+.0f} %)".replace(
        "-", "−"
    )
    ax.annotate(says, (d, Lambda), xytext=(6, 5), textcoords="offset points", va="bottom", fontsize=6.5, gid="error")
