"""Figure: how far the ranks of the true values are from uniform."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mtjfit.arrays import FloatArray
from mtjfit.calibration.ranks import EcdfTest, shape_of
from mtjfit.calibration.simulate import FALSE_ALARM, Calibration
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    finished,
    first_panels,
    footer,
    footer_height,
    literal,
    sheet,
    style,
    symbol,
)
from mtjfit.study import ParameterName

_ACROSS = 4
_ROW = 1.2  # height of a row of panels in inches
_ONE_PANEL = 0.95
_FARTHEST = 3.0  # outer bands; one runaway curve must not flatten the others
_SHAPES = {"narrow": "too narrow", "wide": "too wide", "low": "too low", "high": "too high", "other": "wrong shape"}
_OF_LIKELIHOOD = {"low": "draws misfit", "high": "draws overfit"}
_HOW_TO_READ = (
    "Share of truths up to a rank among the draws of their posterior, minus the expected share. Up and then down: "
    "posteriors are too narrow; down and then up: too wide. Above zero: they lie too high; below: too low."
)


def _title(name: str) -> str:
    base, owner = ParameterName(name).base, ParameterName(name).owner
    device = f" [{literal(owner)}]" if owner else ""
    if base == "log_likelihood":
        return r"$\ln L$"
    if base == "slope_ratio":
        return rf"$\tan\,\arg\,\kappa${device}"
    if base.startswith("|kappa|·"):
        amplitude = base.removeprefix("|kappa|·")
        return rf"$|\kappa|\,{amplitude[0]}_{amplitude[1:]}${device}"
    return symbol(name)


def plot_calibration(calibration: Calibration, most: int = 32, *, axes: AxesLike | None = None) -> Figure:
    """Distribution of the ranks minus the uniform one, a panel for each quantity, with simultaneous bands.

    Grey: 95 % of all curves of uniform ranks are inside everywhere. Dashed: a curve that leaves it fails the whole
    verdict. At most `most` quantities are drawn, those with the smallest p-values: on `axes`, as many of your own.

    Raises
    ------
    ValueError
        No run converged, so there is nothing to draw.
    """
    counted = calibration.ranks[calibration.converged]
    if counted.empty:
        raise ValueError("no run converged: there are no ranks to draw")
    chosen = calibration.tests.p.sort_values(kind="stable").index[:most]
    names = [name for name in counted.columns if name in chosen]
    test = EcdfTest(len(counted), calibration.n_draws)
    n_left = counted.shape[1] - len(names)
    left_out = f"{n_left} further quantities, with larger p-values, are not drawn. " if n_left else ""
    note = f"{_HOW_TO_READ} {left_out}{_verdict(calibration)}"
    across = min(_ACROSS, len(names))
    rows = -(-len(names) // across)
    with style(axes):
        height = _ROW * rows + 0.65 + footer_height(DOUBLE, calibration.study, note)
        fig = sheet(axes, first_panels(len(names), across), figsize=(DOUBLE, height), layout="constrained")
        panels = fig.subplots(rows, across, squeeze=False, sharex=True, sharey=True).ravel()
        bands = test.band(_ONE_PANEL), test.band(1 - calibration.single_level)
        for ax, name in zip(panels, names, strict=False):
            _panel(ax, calibration, test, name, bands)
        for ax in panels[len(names) :]:
            ax.set_axis_off()
        for ax in panels[max(len(names) - across, 0) : len(names)]:  # nothing is below
            ax.set_xlabel("relative rank of the truth")
            ax.tick_params(axis="x", labelbottom=True)
        outer = max(float(np.abs(edge - test.z).max()) for edge in bands[1])
        farthest = max(float(np.abs(line.get_ydata()).max()) for ax in panels[: len(names)] for line in ax.lines)
        limit = 1.1 * min(farthest, _FARTHEST * outer)
        panels[0].set(xlim=(0, 1), ylim=(-1.35 * limit, limit), xticks=[0, 0.5, 1])
        panels[0].xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        fig.supylabel("distribution function − uniform", fontsize=7.5)
        _legend(fig)
        footer(fig, calibration.study, note)
    return finished(fig)


def _panel(
    ax: Axes, calibration: Calibration, test: EcdfTest, name: str, bands: tuple[tuple[FloatArray, FloatArray], ...]
) -> None:
    ranks = calibration.ranks.loc[calibration.converged, name].to_numpy()
    p_curve, p_chi2 = (float(calibration.tests[test_name][name]) for test_name in ("ecdf", "chi2"))
    ok = bool(calibration.tests.ok[name])
    x = np.concatenate([[0.0], test.z, [1.0]])

    def away(share: FloatArray) -> FloatArray:
        return np.concatenate([[0.0], share - test.z, [0.0]])

    (low, high), outer = bands
    ax.fill_between(x, away(low), away(high), color="0.87", lw=0, gid="band")
    for edge in outer:
        ax.plot(x, away(edge), color="0.45", lw=0.6, ls=(0, (4, 2)), gid="outer")
    ax.axhline(0, color="0.6", lw=0.5)
    colour = OKABE_ITO["blue"] if ok else OKABE_ITO["vermillion"]
    ax.plot(x, away(test.counts(ranks) / ranks.size), color=colour, lw=1.0 if ok else 1.6, gid="curve")
    title = _title(name)
    if not ok:
        shape = shape_of(ranks, calibration.n_draws)
        words = _OF_LIKELIHOOD.get(shape, _SHAPES[shape]) if name == "log_likelihood" else _SHAPES[shape]
        title = f"{title}: {words}"
    ax.set_title(title, color="black" if ok else OKABE_ITO["vermillion"], pad=3)
    says = f"p = {_short(p_curve)} (curve), {_short(p_chi2)} (χ²)"
    ax.text(0.5, 0.02, says, transform=ax.transAxes, ha="center", va="bottom", fontsize=5.8, color="0.3", gid="p")


def _short(p: float) -> str:
    return f"{p:.2f}" if p >= 0.01 else f"{p:.0e}" if p > 1e-99 else "0"


def _legend(fig: Figure) -> None:
    handles = [
        Line2D([], [], color=OKABE_ITO["blue"], lw=1.0),
        Line2D([], [], color=OKABE_ITO["vermillion"], lw=1.6),
        Patch(color="0.87"),
        Line2D([], [], color="0.45", lw=0.6, ls=(0, (4, 2))),
    ]
    labels = ["ranks", "ranks that are not uniform", f"{100 * _ONE_PANEL:.0f} % band of one panel",
              f"band of the verdict, false alarms {100 * FALSE_ALARM:.0f} % in all"]  # fmt: skip
    fig.legend(handles, labels, loc="outside upper center", ncols=4, columnspacing=1.2, fontsize=6.5)


def _verdict(calibration: Calibration) -> str:
    n, failed = len(calibration.failures), int(np.sum(~calibration.converged))
    says = "CALIBRATED" if calibration.calibrated else "NOT CALIBRATED"
    without = f", {failed} of them not converged and left out" if failed else ""
    return f"{n} simulations, {calibration.n_draws} draws of each posterior{without}: {says}."
