"""Figures of mechanisms: evidence, left-out thicknesses, and the dependence on thickness."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from mtjfit.arrays import FloatArray
from mtjfit.comparison.free_layer.layer import layer_draws
from mtjfit.comparison.mechanisms.comparison import DECISIVE, MechanismComparison, MechanismResult
from mtjfit.comparison.mechanisms.models import EXAMPLE, EXAMPLE_B1, MECHANISMS, signature
from mtjfit.comparison.mechanisms.predictive import ratio_of, slopes
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    finished,
    first_panels,
    footer,
    name_axis,
    panels_across,
    sheet,
    style,
    symbol,
)

_LOOK = {
    "ballistic": (OKABE_ITO["black"], "s", (0, (1, 1.2))),
    "ballistic+b1": (OKABE_ITO["orange"], "D", (0, (4, 1.5))),
    "diffusion-bulk": (OKABE_ITO["purple"], "v", (0, (6, 1.2, 1, 1.2))),
    "diffusion": (OKABE_ITO["blue"], "o", "-"),
    "diffusion+b1": (OKABE_ITO["vermillion"], "^", (0, (2.5, 1.2))),
}
_OWN_LOOK = (OKABE_ITO["black"], "D", (0, (1, 1)))
_LINEAR = 10.0  # ln B up to here is drawn on a linear scale
_ROWS = 300
_POINTS = 121


def predicted_slopes(result: MechanismResult, thickness: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """In-plane and out-of-plane slope at zero bias for posterior draws, each of shape (n_draws, n_thickness).

    κ(d − dead layer)(a1 + i b1), Eq. 12, per device also where data are per volume. None where lengths or amplitudes
    are not the same for all devices: then there is no one curve.
    """
    study = result.study
    if study.model.identity:
        return None
    names = ("a1", "b1", "dead_layer", "D_ratio", "lambda_sf_N", *EXAMPLE)
    if any(study.parameters[name].scope != "shared" for name in names if name in study.parameters):
        return None
    layer = layer_draws(study, result.draws.iloc[:_ROWS], study.devices[0])
    slope = layer.kappa(thickness) * layer.current[:, layer.powers == 1].sum(axis=1, keepdims=True)
    return slope.real, slope.imag


def plot_mechanisms(found: MechanismComparison, *, width: float = DOUBLE, axes: AxesLike | None = None) -> Figure:
    """Evidence with the spread over prior widths, left-out thicknesses, and slopes against thickness with the data.

    On `axes`: 2 × 2 of your own.
    """
    with style(axes):
        across = panels_across(width, 2, 2.4)
        fig = sheet(axes, first_panels(4, across), figsize=(width, 9.8 / across), layout="constrained")
        panels = fig.subplots(4 // across, across).ravel()
        _evidence(panels[0], found)
        _left_out(panels[1], found)
        _against_thickness(panels[2], panels[3], found)
        for ax, letter in zip(panels, "abcd", strict=True):
            ax.set_title(f"({letter}) {ax.get_title(loc='left')}", loc="left")
        looks = {result.name: _LOOK.get(result.name, _OWN_LOOK) for result in found.results}
        handles = [Line2D([], [], color=colour, marker=marker, ls=dashes, ms=3.5, lw=1.2, label=name)
                   for name, (colour, marker, dashes) in looks.items()]  # fmt: skip
        keys = len(handles) if across == 2 else 2
        fig.legend(handles=handles, loc="outside upper center", ncols=keys, columnspacing=1.4)
        footer(fig, found.study, _note(found))
    return finished(fig)


def mechanisms_caption(found: MechanismComparison) -> str:
    """What `plot_mechanisms` shows, as a caption for a paper."""
    return (
        f"Mechanisms for {found.study.counted}: (a) evidence Z of each, ln Z less that of the best; (b) its prediction "
        f"of left-out thicknesses; (c, d) slopes against thickness d. {_note(found)}"
    )


def _note(found: MechanismComparison) -> str:
    verdict = f"verdict: {found.best.name}" if found.decided else "no verdict"
    return (
        f"(a) Dots: declared priors; bars: priors of b1, of all amplitudes, of all lengths 3 times wider or narrower; "
        f"an open dot is not excluded. (b) Open: the posterior without this thickness was explored anew. "
        f"(c, d) Points: data, 1 sd; lines: posterior median, 90 % interval. {verdict[0].upper()}{verdict[1:]}."
    )


def _minus(x: float, form: str = "g") -> str:
    return f"{x:{form}}".replace("-", "−")


def _compress(ax: Axes, axis: str, low: float, high: float) -> None:
    """Linear up to ten, logarithmic beyond; with room for a marker and its label at either end."""
    getattr(ax, f"set_{axis}scale")("symlog", linthresh=_LINEAR, linscale=1.0)
    own = getattr(ax, f"{axis}axis")
    own.set_major_formatter(FuncFormatter(lambda x, _: _minus(x)))
    own.set_minor_locator(NullLocator())
    below = 4.0 * low if low < -_LINEAR else min(low - 3.0, -5.0)
    getattr(ax, f"set_{axis}lim")(below, 4.0 * high if high > _LINEAR else max(high + 2.0, 2.0))


def _evidence(ax: Axes, found: MechanismComparison) -> None:
    ordered = sorted(found.results, key=lambda one: one.evidence.value)
    excluded = {factor.against: factor for factor in found.bayes_factors}
    for y, result in enumerate(ordered):
        colour, marker, _ = _LOOK.get(result.name, _OWN_LOOK)
        factor = excluded.get(result.name)
        at = -factor.value if factor else 0.0
        if factor and math.isfinite(factor.lowest) and math.isfinite(factor.highest):
            ax.plot([-factor.highest, -factor.lowest], [y, y], color=colour, lw=4, alpha=0.35, solid_capstyle="butt")
        open_ = factor is not None and not factor.decisive
        ax.errorbar(
            at, y, xerr=2 * factor.error if factor else 0.0, fmt=marker, color=colour, mfc="white" if open_ else colour,
            ms=4.5, elinewidth=0.8, capsize=2,
        )  # fmt: skip
        shown = "best" if factor is None else _minus(at, f".{1 if abs(at) < 100 else 0}f")
        ax.annotate(shown, (at, y), (0, 6), textcoords="offset points", ha="center", va="bottom", fontsize=6)
    ax.axvline(-DECISIVE, color="0.5", lw=0.7, ls=(0, (3, 2)))
    ax.text(-DECISIVE, 0.01, "20 : 1 ", transform=ax.get_xaxis_transform(), fontsize=6, color="0.35", ha="right")
    ax.set_yticks(range(len(ordered)), [one.name for one in ordered])
    ax.set_ylim(-0.6, len(ordered) - 0.3)
    _compress(ax, "x", min(one.evidence.value - found.best.evidence.value for one in ordered), 0.0)
    ax.set_xlabel("ln Z − ln Z of the best")
    ax.set_title("evidence", loc="left")


def _left_out(ax: Axes, found: MechanismComparison) -> None:
    place = np.arange(len(found.best.left_out))
    shift = np.linspace(-0.28, 0.28, len(found.results)) if len(found.results) > 1 else [0.0]
    away = []
    for dx, result in zip(shift, found.results, strict=True):
        colour, marker, _ = _LOOK.get(result.name, _OWN_LOOK)
        for x, best, one in zip(place, found.best.left_out, result.left_out, strict=True):
            face = "white" if one.method == "refit" else colour
            away.append(one.log_density - best.log_density)
            ax.plot(x + dx, away[-1], marker, color=colour, mfc=face, ms=4)
    ax.axhline(0, color="0.6", lw=0.5, zorder=0)
    labels = [f"{one.thickness:g}" + (f" (×{len(one.devices)})" if len(one.devices) > 1 else "")
              for one in found.best.left_out]  # fmt: skip
    ax.set_xticks(place, labels)
    ax.set_xlabel("left-out thickness (nm)")
    ax.set_ylabel(f"ln p − ln p of {found.best.name}")
    _compress(ax, "y", min(away), max(away))
    ax.set_title("left-out thickness, predicted from the others", loc="left")


def _against_thickness(ratio: Axes, par: Axes, found: MechanismComparison) -> None:
    data = slopes(found.study)
    d = np.linspace(0.6 * data.thickness.min(), 1.12 * data.thickness.max(), _POINTS)
    for result in found.results:
        predicted = predicted_slopes(result, d)
        if predicted is not None:
            _band(ratio, result.name, d, ratio_of(predicted[1], predicted[0]))
            _band(par, result.name, d, predicted[0])
    for ax, y, sd in ((ratio, data.ratio, data.sd_ratio), (par, data.par, data.sd_par)):
        ax.errorbar(data.thickness, y, yerr=sd, fmt="o", color="black", mfc="white", ms=4, elinewidth=0.8,
                    capsize=1.5, zorder=5)  # fmt: skip
        ax.set_xlabel("thickness (nm)")
        ax.set_xlim(d[0], d[-1])
        # from the data and zero, so that a prediction that runs away does not flatten them
        ends = np.array([0.0, *(y - sd), *(y + sd)])
        low, high = float(np.min(ends[np.isfinite(ends)])), float(np.max(ends[np.isfinite(ends)]))
        margin = 0.18 * (high - low) or 1.0
        ax.set_ylim(low - margin, high + margin)
    ratio.set_ylabel(r"slope ratio $T_\perp/T_\parallel$ at zero bias")
    name_axis(par.yaxis, r"$\mathrm{d}T_\parallel/\mathrm{d}V$ at zero bias", found.study.unit_of("a1"))
    ratio.set_title("slope ratio", loc="left")
    per_volume = found.study.curves[0].per == "volume"
    par.set_title("in-plane slope" + (" times d" if per_volume else ""), loc="left")


def _band(ax: Axes, name: str, d: FloatArray, values: FloatArray) -> None:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=0)
    colour, _, dashes = _LOOK[name]
    ax.fill_between(d, low, high, color=colour, alpha=0.2, lw=0)
    ax.plot(d, middle, color=colour, ls=dashes, lw=1.2, gid=name)


def plot_signatures(per: str = "device", *, axes: AxesLike | None = None) -> Figure:
    """T_par, linear T_perp and their ratio against thickness as each mechanism predicts them; Eq. 12, no data.

    On `axes`: three of your own.
    """
    d = np.linspace(0.3, 6.0, 241)
    with style(axes):
        fig = sheet(axes, (1, 3), figsize=(DOUBLE, 2.35), layout="constrained")
        panels = fig.subplots(1, 3)
        for name, mechanism in MECHANISMS.items():
            slope = signature(mechanism, d, per=per)
            colour, _, dashes = _LOOK[name]
            for ax, values in zip(panels, (slope.real, slope.imag, slope.imag / slope.real), strict=True):
                ax.plot(d, values, color=colour, ls=dashes, lw=1.3, label=name, gid=name)
        unit = "a_1" if per != "volume" else r"a_1\ \mathrm{nm}^{-1}"
        labels = (
            rf"$\mathrm{{d}}T_\parallel/\mathrm{{d}}V$  $({unit})$",
            rf"$\mathrm{{d}}T_\perp/\mathrm{{d}}V$  $({unit})$",
            r"slope ratio $T_\perp/T_\parallel$",
        )
        for ax, label in zip(panels, labels, strict=True):
            ax.set_xlabel("thickness (nm)")
            ax.set_ylabel(label)
            ax.set_xlim(0, d[-1])
        fig.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(MECHANISMS))
        at = ", ".join(f"{symbol(name)} = {length:g} nm" for name, length in EXAMPLE.items())
        fig.supxlabel(
            f"At zero bias; {at}; $b_1$ = {_minus(EXAMPLE_B1)} $a_1$ where there is $b_1$", fontsize=6.5, color="0.35"
        )
    return finished(fig)
