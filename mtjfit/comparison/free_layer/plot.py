"""Figure of the consequences of a posterior at any thickness and bias; unmeasured ranges are hatched."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from mtjfit.arrays import FloatArray
from mtjfit.comparison.free_layer.consequences import Consequences, leaned_on
from mtjfit.infer.level import Level
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    finished,
    first_panels,
    footer,
    footer_height,
    name_axis,
    panel_grid,
    panels_across,
    sheet,
    style,
)
from mtjfit.results.coefficients import torque_unit
from mtjfit.results.symbols import in_symbols, symbols_of

_GRID = 61
_BEYOND = 1.25  # of the measured ranges, drawn if nothing farther was asked for
_MOST = 4  # thicknesses that can be distinguished in one panel
_LINES = ("-", "--", "-.", ":")


def plot_consequences(found: Consequences, *, width: float = DOUBLE, axes: AxesLike | None = None) -> Figure:
    """Torque against bias for some thicknesses, then torque, absorption and effective length against thickness.

    Lines: medians; bands: 95 % by default. Hatched grey: outside the measured ranges. The bias of the panels
    against thickness is the largest of `found`, at both signs. On `axes`: 4 × 2 of your own.
    """
    study = found.posterior.study
    note = _note(found)
    with style(axes):
        below = 0.42 + footer_height(width, study, note)
        across = panels_across(width, 2, 2.4)
        fig = sheet(axes, first_panels(8, across), figsize=(width, (6.6 if across == 2 else 10.2) + below))
        panels = panel_grid(
            fig, 8 // across, across, left=0.68 if across == 2 else 0.86, bottom=below, across=0.86, down=0.3, top=0.3
        ).ravel()
        of_bias, of_thickness = panels[:2], panels[2:]
        for ax in of_bias[:-across]:  # one axis of bias for a column
            ax.xaxis.set_visible(False)
        for ax in of_bias[-across:] if axes is None else ():  # room for its own axis, that of bias
            left, bottom, width, height = ax.get_position().bounds
            ax.set_position((left, bottom + 0.22 / fig.get_figheight(), width, height - 0.22 / fig.get_figheight()))
        _against_bias(of_bias, found, keys=1 if across == 2 else 2)
        _against_thickness(of_thickness.reshape(3, 2), found)
        for ax in panels:
            ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            ax.yaxis.set_major_locator(MaxNLocator(4))
        for ax in of_thickness[:-across]:  # one axis of thickness for a column
            ax.xaxis.set_visible(False)
        handles = [
            Line2D([], [], color="0.25", lw=1.1, label="median"),
            Patch(facecolor="0.25", alpha=0.25, label=str(found.posterior.band)),
            Patch(facecolor="0.93", edgecolor="0.75", hatch="///", lw=0, label="not measured: extrapolated"),
        ]
        fig.legend(handles=handles, loc="upper center", ncols=3)
        footer(fig, study, note)
    return finished(fig)


def _colours(n: int) -> list[str]:
    return [OKABE_ITO["blue"]] if n == 1 else [to_hex(colormaps["viridis"](0.75 * k / (n - 1))) for k in range(n)]


def _band(ax: Axes, x: FloatArray, draws: FloatArray, level: Level, colour: str, line: str, label: str) -> None:
    low, middle, high = np.quantile(draws, level.quantiles, axis=0)
    ax.fill_between(x, low, high, color=colour, alpha=0.25, lw=0, zorder=2, gid="band")
    ax.plot(x, middle, color=colour, ls=line, zorder=3, label=label, gid="median")


def _grey(ax: Axes, measured: tuple[float, float]) -> None:
    """Hatch what lies outside the measured range."""
    low, high = ax.get_xlim()
    for a, b in ((low, measured[0]), (measured[1], high)):
        if b - a > 1e-9 * (high - low):
            ax.axvspan(a, b, facecolor="0.93", edgecolor="0.75", hatch="///", lw=0, zorder=0, gid="extrapolated")
    ax.set_xlim(low, high)


def _against_bias(axes: np.ndarray, found: Consequences, keys: int) -> None:
    low, high = found.measured[1]
    reach = max(*(_BEYOND * abs(each) for each in (low, high)), *found.bias)
    V = np.linspace(-reach, reach, _GRID)
    shown = sorted(found.thickness)
    shown = [shown[k] for k in np.unique(np.linspace(0, len(shown) - 1, min(len(shown), _MOST)).round().astype(int))]
    T = found.layer.torque(shown, V)
    thin, thick = found.measured[0]
    unit = torque_unit(found.posterior.study)
    for ax, part, name in zip(axes, (T.real, T.imag), (r"T_\parallel", r"T_\perp"), strict=True):
        for k, (d, colour) in enumerate(zip(shown, _colours(len(shown)), strict=True)):
            beyond = "" if thin - 1e-9 <= d <= thick + 1e-9 else ", extrapolated"
            _band(ax, V, part[:, k], found.posterior.band, colour, _LINES[k], f"{d:.3g} nm{beyond}")
        ax.axhline(0, color="0.6", lw=0.5, zorder=1)
        ax.set_xlim(-reach, reach)
        _grey(ax, (low, high))
        ax.set_xlabel("bias $V$ (V)")
        name_axis(ax.yaxis, f"${name}$", unit)
    axes[0].legend(loc="upper left", title="thickness", title_fontsize=6.5, fontsize=6.5, ncols=keys)


def _against_thickness(axes: np.ndarray, found: Consequences) -> None:
    thin, thick = found.measured[0]
    low = min(0.75 * thin, *(0.95 * d for d in found.thickness))
    high = max(_BEYOND * thick, *(1.05 * d for d in found.thickness))
    d = np.linspace(low, high, _GRID)
    layer, V = found.layer, max(found.bias)
    T, level = layer.torque(d, [V, -V]), found.posterior.band
    unit = torque_unit(found.posterior.study)
    ends = ((0, f"+{V:g} V", OKABE_ITO["vermillion"], "-"), (1, f"−{V:g} V", OKABE_ITO["blue"], "--"))
    (par, perp), (ratio, odd), (absorbed, lengths) = axes
    for k, label, colour, line in ends:
        _band(par, d, T[:, :, k].real, level, colour, line, label)
        _band(perp, d, T[:, :, k].imag, level, colour, line, label)
        _band(ratio, d, T[:, :, k].imag / T[:, :, k].real, level, colour, line, label)
    name_axis(par.yaxis, r"$T_\parallel$", unit)
    name_axis(perp.yaxis, r"$T_\perp$", unit)
    ratio.set_ylabel(r"$T_\perp/T_\parallel$")
    ratio.set_title("above 0 the torques compete, below they cooperate", fontsize=6.5, pad=3)
    _band(odd, d, T[:, :, 0].imag - T[:, :, 1].imag, level, OKABE_ITO["purple"], "-", "")
    name_axis(odd.yaxis, rf"$T_\perp(V) - T_\perp(-V)$ at {V:g} V", unit, below=True)
    _band(absorbed, d, 1 - np.abs(layer.transmitted(d)), level, OKABE_ITO["green"], "-", r"absorbed, $1-|J(d)/J_0|$")
    _band(absorbed, d, np.abs(layer.kappa(d)), level, OKABE_ITO["black"], "--", r"$|\kappa|$")
    absorbed.set_ylabel("share of the spin current")
    for star, colour, line, label in (
        (layer.lambda_sf_star(d), OKABE_ITO["orange"], "-", "Eq. 17, thin layers"),
        (np.abs(layer.lambda_sf_star_exact(d)), OKABE_ITO["black"], "--", "modulus of the exact one"),
    ):
        if np.all(np.isfinite(star)):
            _band(lengths, d, star, level, colour, line, label)
    lengths.set_ylabel(r"effective $\lambda^*_\mathrm{sf}$ (nm)")
    for ax in (par, perp, ratio, odd):
        ax.axhline(0, color="0.6", lw=0.5, zorder=1)
    for ax in axes.ravel():
        ax.set_xlim(low, high)
        _grey(ax, (thin, thick))
    for ax in axes[-1]:
        ax.set_xlabel("thickness $d$ (nm)")
    places = {par: "best", perp: "best", ratio: "best", absorbed: "lower right", lengths: "upper left"}
    for ax, place in places.items():
        ax.legend(loc=place, fontsize=6.5)


def consequences_caption(found: Consequences) -> str:
    """What `plot_consequences` shows, as a caption for a paper."""
    return (
        "Torque against bias and thickness that the posterior implies: T_par in plane and T_perp out of plane against "
        f"bias V; both, their ratio and the odd part of T_perp at ±{max(found.bias):g} V against thickness d; the "
        "share of the spin current J that is absorbed, with |κ|; the effective spin diffusion length λ*_sf. "
        f"From {found.posterior.study.counted}. Lines: medians, bands: {found.posterior.band} of the posterior. "
        f"Hatched: outside the measured range. {_note(found)}"
    )


def _note(found: Consequences) -> str:
    names = in_symbols(leaned_on(found.table), symbols_of(found.posterior.study))
    parts = [
        "" if found.posterior.verdict.converged else "NOT CONVERGED: nothing here is a result.",
        f"Parameters of device {found.device}." if found.device else "",
        f"Partly set by the priors of {names}: see the table." if names else "",
        "Signs of the ratio as for T_⊥ along M × P, with M and P along the moments.",
    ]
    return " ".join(part for part in parts if part)
