"""Where simpler forms hold: the thin-layer form, Eq. 16, over thickness and Λ, and the static κ over frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mtjfit.arrays import FloatArray
from mtjfit.physics import Bilayer, kappa, kappa_at_frequency, kappa_thin, kappa_thin_error, static_up_to
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import DOUBLE, OKABE_ITO, SINGLE, finished, literal, sheet, style

ERROR_LEVELS = (0.01, 0.05, 0.2)
"""Relative errors |κ_16 − κ|/|κ| of the contours."""

_D, _LAMBDA = (0.1, 10.0), (0.05, 100.0)  # nm
_GRID = 181  # in each direction; contours are then right to 0.1 % of d and Λ
_SHADES = ("#ffffff", "#e3edf6", "#bdd6ea", "#8dbadb")
_NAMED_AT = 0.3  # nm; thickness at which the contours carry their names


@dataclass(frozen=True)
class ThinPanel:
    """The lengths in F of one panel in nm, which set L, and what to mark in it.

    `Lambda`, (D_F/D_N) λ_sf^N of a series of thicknesses, is a line across the panel, `d` the thickness of a point on
    it, labelled with its error.
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


def plot_thin_validity(panels: Sequence[ThinPanel] = (FIG_2, FIG_3), *, axes: AxesLike | None = None) -> Figure:
    """Contours of |κ_16 − κ|/|κ| = 1, 5 and 20 % in the plane of thickness d and Λ = (D_F/D_N) λ_sf^N.

    Eq. 16 is good above the contours, Λ ≫ d/2, and to their right, Λd ≫ |L|², where F absorbs everything anyway.

    One panel each, side by side; by default for the parameters of the paper's Fig. 2 and Fig. 3. ValueError without a
    panel, or for a length that is not positive. On `axes`: one of your own for each panel.

    Examples
    --------
    >>> figure = plot_thin_validity([ThinPanel("Co", 1.0, 1.0, 40.0)])
    """
    if not panels:
        raise ValueError("there is no panel to draw")
    with style(axes):
        width = SINGLE if len(panels) == 1 else DOUBLE * max(1.0, len(panels) / 2)
        fig = sheet(axes, (1, len(panels)), figsize=(width, 2.9), layout="constrained")
        drawn = fig.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for ax, panel in zip(drawn, panels, strict=True):
            _draw(ax, panel)
        drawn[0].set_ylabel(r"$\Lambda = (D_F/D_N)\,\lambda_\mathrm{sf}^N$ (nm)")
    return finished(fig)


def _draw(ax: Axes, panel: ThinPanel) -> None:
    lengths = (panel.lambda_J, panel.lambda_phi, panel.lambda_sf_F)
    d, Lambda = np.geomspace(*_D, _GRID), np.geomspace(*_LAMBDA, _GRID)
    error = kappa_thin_error(d[None, :], *lengths, Lambda[:, None])
    # the logarithm is nearly linear between grid points, the error is not
    log_error = np.log10(np.maximum(error, 1e-12))
    levels = np.log10(ERROR_LEVELS)
    ax.set(xscale="log", yscale="log", xlim=_D, ylim=_LAMBDA, xlabel="thickness $d$ (nm)")
    ax.contourf(d, Lambda, log_error, [-13.0, *levels, 1.0], colors=_SHADES)
    lines = ax.contour(d, Lambda, log_error, levels, colors="black", linewidths=0.9, linestyles=[":", "--", "-"])
    lines.set_gid("contours")
    names = {level: f"{100 * each:g} %" for level, each in zip(lines.levels, ERROR_LEVELS, strict=True)}
    column = log_error[:, np.searchsorted(d, _NAMED_AT)]
    crossings = [Lambda[np.flatnonzero(column > level)[-1]] for level in levels if np.any(column > level)]
    ax.clabel(lines, fmt=names, fontsize=6.5, manual=[(_NAMED_AT, each) for each in crossings])
    middle = error[:, _GRID // 4 : -_GRID // 4]
    if np.all(middle[-_GRID // 8 :] < ERROR_LEVELS[0]):
        ax.text(0.5, 0.96, r"Eq. 16 within 1 % of $|\kappa|$", transform=ax.transAxes, ha="center", va="top")
    if np.all(middle[: _GRID // 8] > ERROR_LEVELS[-1]):
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


_COLOURS = ("blue", "vermillion", "green", "purple", "orange", "sky", "black")
_PER_DECADE = 60
_TOLERANCE = 0.01
_GREY = "0.3"
_NARROW = 20  # characters of a legend in two columns


def plot_frequency_response(
    bilayers: Sequence[Bilayer], *, labels: Sequence[str] | None = None, band: tuple[float, float] = (1.0, 20.0),
    axes: AxesLike | None = None,
) -> Figure:  # fmt: skip
    """|κ(f)/κ(0)| and its phase against f, with the band where free layers resonate and spin diodes are measured.

    From Eq. 3–4 with J0 exp(2πi f t). Solid lines: f > 0, dashed: f < 0; they differ, because spins precess one way. A
    dot marks where κ has moved by 1 % in one of the two directions, as `static_up_to` has it: to the left of it the
    static κ of Eq. 12 holds.

    One to seven bilayers, one colour each, are named by `labels`, or by their thickness; `band` is in GHz. ValueError
    for other numbers of bilayers or labels, a bilayer without a torque (κ = 0), or a band that does not rise from > 0.
    On `axes`: two of your own, one above the other.

    Examples
    --------
    >>> film = Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)
    >>> [ax.get_ylabel()[:5] for ax in plot_frequency_response([film]).axes]
    ['$|\\\\ka', 'phase']
    """
    if not 0 < len(bilayers) <= len(_COLOURS):
        raise ValueError(f"give one to {len(_COLOURS)} bilayers; there are {len(bilayers)}")
    names = [_name(bilayer) for bilayer in bilayers] if labels is None else list(labels)
    if len(names) != len(bilayers):
        raise ValueError(f"{len(bilayers)} bilayers have {len(names)} labels")
    if not 0 < band[0] < band[1] < math.inf:
        raise ValueError(f"band must rise from a positive frequency, in GHz; it is {band}")
    for name, bilayer in zip(names, bilayers, strict=True):
        if bilayer.d == 0 or bilayer.torque_rate == 0:
            raise ValueError(f"{name}: no torque, κ = 0, so there is nothing to compare with")
    f = _frequencies(bilayers, band)
    with style(axes):
        height = 3.8 + 0.15 * math.ceil(len(names) / _columns(names))
        fig = sheet(axes, (2, 1), figsize=(SINGLE, height), layout="constrained")
        modulus, phase = fig.subplots(2, 1, sharex=True, height_ratios=(1.25, 1.0))
        for name, bilayer, colour in zip(names, bilayers, _COLOURS, strict=False):
            _draw_response(modulus, phase, f, bilayer, literal(name), OKABE_ITO[colour])
        _finish(modulus, phase, f, band)
        _legends(fig, modulus)
    return finished(fig)


def _name(bilayer: Bilayer) -> str:
    return "semi-infinite" if math.isinf(bilayer.d) else f"d = {bilayer.d:g} nm"


def _columns(names: Sequence[str]) -> int:
    """Columns of the legend that fit into the width of the figure."""
    return 2 if len(names) > 1 and max(map(len, names)) <= _NARROW else 1


def _frequencies(bilayers: Sequence[Bilayer], band: tuple[float, float]) -> FloatArray:
    """Whole decades, from below the band to where the fastest layer no longer follows."""
    fastest = max(abs(bilayer.decay_rate) for bilayer in bilayers) / (2e-3 * math.pi)
    low, high = math.floor(math.log10(band[0])) - 1, math.ceil(math.log10(10 * max(fastest, band[1])))
    return np.logspace(low, high, _PER_DECADE * (high - low) + 1)


def _draw_response(modulus: Axes, phase: Axes, f: FloatArray, bilayer: Bilayer, name: str, colour: str) -> None:
    at_rest = kappa_at_frequency(0.0, bilayer)
    for sign, line, gid in ((1, "-", "f > 0"), (-1, "--", "f < 0")):
        ratio = kappa_at_frequency(sign * f, bilayer) / at_rest
        modulus.plot(f, np.abs(ratio), line, color=colour, gid=gid, label=name if sign > 0 else None)
        phase.plot(f, np.degrees(np.unwrap(np.angle(ratio))), line, color=colour, gid=gid)
    limit = static_up_to(bilayer, _TOLERANCE)
    if f[0] < limit < f[-1]:
        at = np.abs(kappa_at_frequency(limit, bilayer) / at_rest)
        modulus.plot([limit], [at], "o", color=colour, ms=4.5, mec="white", mew=0.6, zorder=5, gid="static-up-to")


def _finish(modulus: Axes, phase: Axes, f: FloatArray, band: tuple[float, float]) -> None:
    for ax in (modulus, phase):
        ax.axvspan(*band, color="0.9", lw=0, zorder=0, gid="band")
    modulus.text(
        math.sqrt(band[0] * band[1]), 1.01, f"FMR, {band[0]:g}–{band[1]:g} GHz", ha="center", va="bottom",
        fontsize=6.5, color=_GREY, transform=modulus.get_xaxis_transform(),
    )  # fmt: skip
    modulus.set(xscale="log", xlim=(f[0], f[-1]), ylabel=r"$|\kappa(f)/\kappa(0)|$")
    modulus.set_ylim(bottom=0.0)
    phase.set(xlabel="frequency $|f|$ (GHz)", ylabel=r"phase of $\kappa(f)/\kappa(0)$ (°)")
    phase.axhline(0.0, color=_GREY, lw=0.5, zorder=0.5)
    phase.xaxis.set_major_locator(LogLocator(10, numticks=12))
    phase.xaxis.set_minor_formatter(NullFormatter())


def _legends(fig: Figure, modulus: Axes) -> None:
    """Above and below the axes, where no curve can be."""
    named, texts = modulus.get_legend_handles_labels()
    fig.legend(named, texts, loc="outside upper center", ncols=_columns(texts))
    styles = [
        Line2D([], [], color=_GREY, ls="-", label="$f > 0$"),
        Line2D([], [], color=_GREY, ls="--", label="$f < 0$"),
        Line2D([], [], color=_GREY, ls="", marker="o", ms=4, label=r"1 % off $\kappa(0)$"),
    ]
    fig.legend(handles=styles, loc="outside lower center", ncols=3)
