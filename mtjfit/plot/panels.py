"""Pieces of the torque figures: points with error bars, the fitted line, the band, residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.data import COMPONENTS, Component, Quantity, TorqueCurve, conversion
from mtjfit.infer import FitResult, Posterior
from mtjfit.results.predict import Quantiles, errors_of, predictive_bands, torque_at
from mtjfit.study import Study

_GRID = 41
_MANY = 400  # points of a component beyond which they are drawn as an image within a vector file
_SYMBOL = {"torque": r"$T_{}$", "torkance": r"$\mathrm{{d}}T_{}/\mathrm{{d}}V$"}
_WORDS = {"par": "in-plane", "perp": "out-of-plane"}
_SIGN = {"par": r"\parallel", "perp": r"\perp"}


@dataclass(frozen=True, eq=False)
class Drawn:
    """Data, fit and band of one device by component, all in `unit`; residuals are (data − best fit)/σ.

    `grid` is the bias of line and band in V; `band` is empty without a posterior.
    """

    curve: TorqueCurve
    colour: str
    marker: str
    points: Mapping[Component, FloatArray]
    sigma: Mapping[Component, FloatArray]
    residuals: Mapping[Component, FloatArray]
    unit: str
    grid: FloatArray
    line: Mapping[Component, FloatArray]
    band: Mapping[Component, Quantiles]


def symbol_of(quantity: Quantity, component: Component) -> str:
    """T∥, dT⊥/dV and so on."""
    return _SYMBOL[quantity].format(_SIGN[component])


def in_words(quantity: Quantity, component: Component) -> str:
    """Label of an axis before its unit: words, and below them the symbol."""
    return f"{_WORDS[component]} {quantity}\n{symbol_of(quantity, component)}"


def _parts(values: np.ndarray) -> dict[Component, FloatArray]:
    return {"par": values.real, "perp": values.imag}


def drawn_device(
    fit: FitResult, posterior: Posterior | None, curve: TorqueCurve, unit: str, colour: str, marker: str
) -> Drawn:
    """Data, fit and band of one device in `unit`."""
    study: Study = fit.study
    factor = conversion(curve.unit, unit)
    low, high = float(curve.bias.min()), float(curve.bias.max())
    grid = np.linspace(low, high, _GRID)
    sigma = dict(zip(COMPONENTS, errors_of(study, fit.values, curve), strict=True))
    data: dict[Component, FloatArray] = {"par": curve.par, "perp": curve.perp}
    best = _parts(torque_at(study, fit.values, curve, curve.bias))
    line = _parts(torque_at(study, fit.values, curve, grid))
    band = predictive_bands(posterior, curve, grid, with_noise=True) if posterior is not None else None
    bands: dict[Component, Quantiles] = {} if band is None else {"par": band.par, "perp": band.perp}
    return Drawn(
        curve=curve,
        colour=colour,
        marker=marker,
        points={c: data[c] * factor for c in COMPONENTS},
        sigma={c: sigma[c] * factor for c in COMPONENTS},
        residuals={c: (data[c] - best[c]) / sigma[c] for c in COMPONENTS},
        unit=unit,
        grid=grid,
        line={c: line[c] * factor for c in COMPONENTS},
        band={c: Quantiles(q.low * factor, q.median * factor, q.high * factor) for c, q in bands.items()},
    )


def place(fig: Figure, left: float, top: float, width: float, height: float, *, sharex: Axes | None = None) -> Axes:
    """Axes whose upper left corner is `left` and `top` inches from that of the figure."""
    W, H = fig.get_size_inches()
    return fig.add_axes((left / W, 1 - (top + height) / H, width / W, height / H), sharex=sharex)


def y_label(ax: Axes, distance: float, size: float = 7.0) -> None:
    """Put a label at the same distance, in inches, from every axis."""
    ax.yaxis.label.set(fontsize=size, va="center")
    inches = ax.get_window_extent().width / ax.figure.dpi
    ax.yaxis.set_label_coords(-distance / inches, 0.5)


def _values_of(curve: TorqueCurve, component: Component) -> tuple[BoolArray, BoolArray]:
    """Where a component has values in use, and where it has masked ones, each of shape (n,)."""
    c = COMPONENTS.index(component)
    return curve.used_values[c], curve.measured[c] & ~curve.used_values[c]


def say_not_measured(ax: Axes, drawn: Sequence[Drawn], component: Component) -> None:
    """A word in place of points that no device has: line and band are then what the others imply."""
    if not any(one.curve.measured[COMPONENTS.index(component)].any() for one in drawn):
        ax.text(0.5, 0.94, "not measured", transform=ax.transAxes, ha="center", va="top", fontsize=6.5, color="0.3")


def draw_points(ax: Axes, one: Drawn, component: Component) -> None:
    """Data with error bars; masked points are hollow."""
    used, masked = _values_of(one.curve, component)
    for chosen, face in ((used, one.colour), (masked, "white")):
        if not chosen.any():
            continue
        bias, points, sigma = one.curve.bias[chosen], one.points[component][chosen], one.sigma[component][chosen]
        # One path with gaps for all bars: hundreds of single ones take seconds and fill the file.
        ends = np.stack([points - sigma, points + sigma, np.full(points.size, np.nan)], axis=1)
        (bars,) = ax.plot(np.repeat(bias, 3), ends.ravel(), color=one.colour, lw=0.6, zorder=2, gid="error-bars")
        (line,) = ax.plot(
            bias, points, one.marker, color=one.colour, mfc=face, mew=0.6, ms=2.6, zorder=2,
            gid="data" if face != "white" else "masked",
        )  # fmt: skip
        for artist in (bars, line):
            artist.set_rasterized(one.curve.bias.size > _MANY)


def draw_line(ax: Axes, one: Drawn, component: Component, *, colour: str) -> None:
    """The best fit."""
    ax.plot(one.grid, one.line[component], color=colour, lw=1.0, zorder=3, gid="best-fit")


def draw_band(ax: Axes, one: Drawn, component: Component) -> None:
    """The posterior-predictive band, if there is one."""
    if component in one.band:
        q = one.band[component]
        ax.fill_between(one.grid, q.low, q.high, color=one.colour, alpha=0.22, lw=0, zorder=1, gid="band")


def draw_residuals(ax: Axes, one: Drawn, component: Component) -> None:
    """(data − best fit)/σ with a grey strip for ±2; masked points are hollow."""
    ax.axhspan(-2, 2, color="0.93", lw=0, zorder=0)
    ax.axhline(0, color="0.6", lw=0.6, zorder=1)
    used, masked = _values_of(one.curve, component)
    for chosen, face, gid in ((used, one.colour, "residuals"), (masked, "white", "masked-residuals")):
        if chosen.any():
            bias, residual = one.curve.bias[chosen], one.residuals[component][chosen]
            (line,) = ax.plot(bias, residual, one.marker, color=one.colour, mfc=face, mew=0.5, ms=1.8, gid=gid)
            line.set_rasterized(one.curve.bias.size > _MANY)
    # masked points must not squeeze the scale of the others
    reach = max(3.2, 1.15 * float(np.max(np.abs(one.residuals[component][used]), initial=0.0)))
    ax.set_ylim(-reach, reach)
    tick = 2 if reach < 5 else int(float(f"{reach / 1.5:.0e}"))  # one digit, and room between both labels
    ax.set_yticks([-tick, tick])
    ax.tick_params(axis="y", labelsize=5.5)
