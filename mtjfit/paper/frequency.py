"""The torque of an alternating spin current against frequency, beside the band of ferromagnetic resonance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from mtjfit.data import FloatArray
from mtjfit.physics.bilayer import Bilayer
from mtjfit.physics.frequency import kappa_at_frequency, static_up_to
from mtjfit.plot.style import OKABE_ITO, SINGLE, NotebookFigure, literal, style

__all__ = ["plot_frequency_response"]

_COLOURS = ("blue", "vermillion", "green", "purple", "orange", "sky", "black")
_PER_DECADE = 60
_TOLERANCE = 0.01
_GREY = "0.3"
_NARROW = 20  # characters of a legend in two columns


def plot_frequency_response(
    bilayers: Sequence[Bilayer], *, labels: Sequence[str] | None = None, band: tuple[float, float] = (1.0, 20.0)
) -> Figure:
    """|κ(f)/κ(0)| and its phase against f, with the band where free layers resonate and spin diodes are measured.

    From Eq. 3–4 with J0 exp(2πi f t). Solid lines: f > 0, dashed: f < 0; they differ, because spins precess one way. A
    dot marks where κ has moved by 1 % in one of the two directions, as `static_up_to` has it: to the left of it the
    static κ of Eq. 12 holds.

    Parameters
    ----------
    bilayers : sequence of Bilayer
        One to seven, one colour each.
    labels : sequence of str, optional
        Their names in the legend; the thickness by default.
    band : (float, float)
        The shaded frequencies in GHz.

    Raises
    ------
    ValueError
        Too many or no bilayers, one without a torque (κ = 0), too few labels, or a band that does not rise from > 0.

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
    with style():
        fig = NotebookFigure(
            figsize=(SINGLE, 3.8 + 0.15 * math.ceil(len(names) / _columns(names))), layout="constrained"
        )
        modulus, phase = fig.subplots(2, 1, sharex=True, height_ratios=(1.25, 1.0))
        for name, bilayer, colour in zip(names, bilayers, _COLOURS, strict=False):
            _draw(modulus, phase, f, bilayer, literal(name), OKABE_ITO[colour])
        _finish(modulus, phase, f, band)
        _legends(fig, modulus)
    return fig


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


def _draw(modulus: Axes, phase: Axes, f: FloatArray, bilayer: Bilayer, name: str, colour: str) -> None:
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
