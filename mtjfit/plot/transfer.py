"""κ(d), torque against thickness and spin accumulation with the bands of the posterior."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mtjfit.arrays import FloatArray
from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.level import INNER, Level
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
    panel_grid,
    panels_across,
    sheet,
    style,
    unit_of,
)
from mtjfit.results.coefficients import own_transfer
from mtjfit.results.predict import SharedLengths, accumulation_draws, kappa_draws, parameter_draws, shared_lengths
from mtjfit.study import SCATTER, ParameterName, refuse_own_model

_GRID = 81
_COLOURS = ("blue", "vermillion", "green", "purple")
_DRAWN = 60  # single draws in the complex plane
_MOST = 4  # stacks in one picture
_OWN_DRAWS = 2000


def _band(ax: Axes, x: FloatArray, values: FloatArray, colour: str, level: Level, label: str | None = None) -> None:
    """Median with a share of the draws, shape (n_draws, n_x), and with 68 % of them where that is less."""
    low, middle, high = np.quantile(values, level.quantiles, axis=0)
    ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0, gid=f"band-{100 * level.share:g}")
    if level.share > INNER:
        low, _, high = np.quantile(values, Level(INNER).quantiles, axis=0)
        ax.fill_between(x, low, high, color=colour, alpha=0.25, lw=0, gid=f"band-{100 * INNER:g}")
    ax.plot(x, middle, color=colour, lw=1.0, label=label, gid="median")


def _shown(posterior: Posterior) -> list[tuple[SharedLengths, str, str]]:
    """Stacks with colour and label; the first four where there are more."""
    found = shared_lengths(posterior)
    if len(found) == 1:
        return [(found[0], OKABE_ITO["blue"], f"posterior, {posterior.band.beside_inner}")]
    group = {curve.name: curve.group or curve.name for curve in posterior.study.curves}
    return [
        (stack, OKABE_ITO[colour], literal(group[stack.devices[0]]))
        for stack, colour in zip(found[:_MOST], _COLOURS, strict=False)
    ]


def _refused(posterior: Posterior) -> str:
    return "" if posterior.verdict.converged else " NOT CONVERGED: the gate said no."


def _grid_of(posterior: Posterior) -> FloatArray:
    d = posterior.study.thicknesses
    return np.linspace(0.5 * d.min(), 1.25 * d.max(), _GRID)


def plot_transfer(
    posterior: Posterior, fit: FitResult, *, width: float = DOUBLE, axes: AxesLike | None = None
) -> Figure:
    """The transfer κ(d) of Eq. 12: in the complex plane, and with it both components and their ratio against d.

    Lines are medians, bands shares of the posterior, 68 and 95 % by default. Points, from `fit`, are what each device
    determines on its own, without any length, divided by the median of its amplitude where that is what κ a1 has to be
    divided by. On `axes`: 2 × 2 of your own.
    """
    d = _grid_of(posterior)
    parts: tuple[tuple[str, Callable[[np.ndarray], FloatArray]], ...] = (
        (r"in-plane, Re $\kappa$ = $T_\parallel$/$J_0$", lambda k: k.real),
        (r"out-of-plane, Im $\kappa$", lambda k: k.imag),
        (r"$T_\perp/T_\parallel$ = Im $\kappa$ / Re $\kappa$", lambda k: k.imag / k.real),
    )
    note = "Points: each device on its own, 68 % of what its data allow. White: measured thicknesses."
    note += _refused(posterior)
    below = 0.42 + footer_height(width, posterior.study, note)
    across = panels_across(width, 2, 2.4)
    with style(axes):
        fig = sheet(axes, first_panels(4, across), figsize=(width, (4.3 if across == 2 else 7.6) + below))
        panels = panel_grid(fig, 4 // across, across, left=0.6, bottom=below, across=0.65, down=0.5).ravel()
        for stack, colour, label in _shown(posterior):
            K = kappa_draws(stack, d)
            _in_plane(panels[0], K, colour)
            for ax, (_, part) in zip(panels[1:], parts, strict=True):
                _band(ax, d, part(K), colour, posterior.band, label)
        _points(panels, posterior, fit)
        panels[0].set(xlabel=r"Re $\kappa$", ylabel=r"Im $\kappa$")
        for ax, (name, _) in zip(panels[1:], parts, strict=True):
            ax.axhline(0, color="0.6", lw=0.6, ls=":", zorder=0)
            ax.set(xlabel="thickness $d$ (nm)", ylabel=name, xlim=(d[0], d[-1]))
            _measured_range(ax, posterior)
        panels[1].legend(loc="best")
        for ax in panels:
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.yaxis.set_major_locator(MaxNLocator(5))
        footer(fig, posterior.study, note)
    return finished(fig)


def transfer_caption(posterior: Posterior) -> str:
    """What `plot_transfer` shows, as a caption for a paper."""
    return (
        f"The transfer κ(d) = T/J0 of {posterior.study.model.law} from {posterior.study.counted}: in the complex "
        "plane, and its in-plane part Re κ, its out-of-plane part Im κ and their ratio T_perp/T_par against thickness "
        f"d. Lines: medians, bands: {posterior.band.beside_inner} of the posterior, thin lines: single draws. Points: "
        "each device on its own, without any length, with 68 % of what its data allow. Grey: outside of the measured "
        "thicknesses."
    )


def accumulation_caption(posterior: Posterior) -> str:
    """What `plot_accumulation_band` shows, as a caption for a paper."""
    return (
        "Spin accumulation m in the free layer (Eq. 9) against the distance x from the barrier, for a spin current J0 "
        "polarised in plane there: in-plane and out-of-plane component in units of J0/D_F, D_F the diffusion constant. "
        f"Thinnest, middle and thickest of {posterior.study.counted}. Lines: medians, bands: "
        f"{posterior.band.beside_inner} of the posterior."
    )


def _in_plane(ax: Axes, K: np.ndarray, colour: str) -> None:
    chosen = K[:: max(1, len(K) // _DRAWN)]
    ax.add_collection(
        LineCollection(
            list(np.stack([chosen.real, chosen.imag], axis=-1)), colors=colour, linewidths=0.4, alpha=0.25, gid="draws"
        )
    )
    ax.plot(np.median(K.real, axis=0), np.median(K.imag, axis=0), color=colour, lw=1.2, gid="median")


def _measured_range(ax: Axes, posterior: Posterior) -> None:
    """Grey where no device is: there the curves are extrapolated."""
    d, (low, high) = posterior.study.thicknesses, ax.get_xlim()
    for start, stop in ((low, d.min()), (d.max(), high)):
        ax.axvspan(start, stop, color="0.94", lw=0, zorder=-1, gid="extrapolated")
    ax.set_xlim(low, high)


def _points(axes: np.ndarray, posterior: Posterior, fit: FitResult) -> None:
    """κ of single devices: phase and |κ| a1 from their own curves, a1 and d from the posterior."""
    study, rng = fit.study, np.random.default_rng(0)
    found = own_transfer(study, _OWN_DRAWS, rng)
    scattered = SCATTER + "a1" in study.parameters
    shown = [(j, study.curves[j]) for j in range(len(study.curves)) if np.isfinite(found[0, j])]
    for (j, curve), colour in zip(shown, colours_of([c.thickness for _, c in shown]), strict=True):
        d = _median(posterior, ParameterName("thickness", curve.device), curve.thickness)
        a1 = _median(posterior, ParameterName("a1", curve.device), np.nan) if scattered else float(
            np.median(parameter_draws(study, posterior.draws, curve, "a1"))
        )  # fmt: skip
        K = found[:, j] * (d if curve.per == "volume" else 1.0) / a1
        (par, par_bar), (perp, perp_bar), (ratio, ratio_bar) = (_bar(x) for x in (K.real, K.imag, K.imag / K.real))
        style_of = {"fmt": "o", "color": colour, "ms": 3.2, "elinewidth": 0.8, "zorder": 3, "gid": "device"}
        axes[0].errorbar(par, perp, xerr=par_bar, yerr=perp_bar, **style_of)
        for ax, value, bar in zip(axes[1:], (par, perp, ratio), (par_bar, perp_bar, ratio_bar), strict=True):
            ax.errorbar(d, value, yerr=bar, **style_of)


def _bar(draws: FloatArray) -> tuple[float, FloatArray]:
    """Median, and how far 68 % of the draws reach below and above it, shape (2, 1)."""
    low, middle, high = np.quantile(draws, (0.16, 0.5, 0.84))
    return float(middle), np.array([[middle - low], [high - middle]])


def _median(posterior: Posterior, name: str, otherwise: float) -> float:
    return float(posterior.draws[name].median()) if name in posterior.draws else otherwise


def plot_accumulation_band(posterior: Posterior, *, width: float = DOUBLE, axes: AxesLike | None = None) -> Figure:
    """Spin accumulation in the free layer, Eq. 9 for J0 in plane: the thinnest, a middle and the thickest device.

    On `axes`: one of your own for each of them.
    """
    refuse_own_model(posterior.study, "the spin accumulation")
    curves = sorted(posterior.study.curves, key=lambda curve: curve.thickness)
    chosen = list(dict.fromkeys([curves[0].name, curves[len(curves) // 2].name, curves[-1].name]))
    by_name = {curve.name: curve for curve in curves}
    of_stack = {device: stack for stack in shared_lengths(posterior) for device in stack.devices}
    note = f"Medians with {posterior.band.beside_inner} of the posterior, at nominal thickness.{_refused(posterior)}"
    below = 0.42 + footer_height(width, posterior.study, note)
    there = first_panels(len(chosen), panels_across(width, len(chosen), 2.0))
    with style(axes):
        fig = sheet(axes, there, figsize=(width, 2.1 * len(there) + below))
        panels = panel_grid(
            fig, *there.shape, left=0.55, bottom=below, across=0.32, down=0.62, top=0.22, sharey=True
        ).ravel()
        for ax in panels[len(chosen) :]:
            ax.set_axis_off()
        for ax, device in zip(panels, chosen, strict=False):
            stack = of_stack[device]
            d = by_name[device].thickness - float(np.median(stack.lengths["dead_layer"]))
            x = np.linspace(0.0, max(d, 1e-3), _GRID)
            m = accumulation_draws(stack, x, max(d, 1e-3))
            _band(ax, x, m.real, OKABE_ITO["blue"], posterior.band, r"in-plane $m_\parallel$")
            _band(ax, x, m.imag, OKABE_ITO["vermillion"], posterior.band, r"out-of-plane $m_\perp$")
            ax.axhline(0, color="0.6", lw=0.6, ls=":", zorder=0)
            ax.set(xlabel="distance from the barrier $x$ (nm)", xlim=(0, x[-1]))
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.set_title(f"{literal(device)}, $d$ = {by_name[device].thickness:g} nm")
        for ax in panels[:: there.shape[1]]:
            ax.set_ylabel(r"accumulation $m\,D_F/J_0$" + unit_of("nm"))
        panels[len(chosen) - 1].legend(loc="best")
        footer(fig, posterior.study, note)
    return finished(fig)
