"""Pictures of posterior draws: corner plot with the priors, and rank histograms of the run."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from mtjfit.arrays import FloatArray
from mtjfit.infer import Posterior
from mtjfit.infer.level import INNER, Level
from mtjfit.plot.own_axes import AxesLike
from mtjfit.plot.style import (
    DOUBLE,
    OKABE_ITO,
    decade,
    finished,
    first_panels,
    footer,
    footer_height,
    panel_grid,
    panels_across,
    sheet,
    style,
    symbol,
    unit_of,
)
from mtjfit.study import ParameterName
from mtjfit.text import number, power_of_ten, rounded

_MOST = 8
_LEFT, _TOP = 0.85, 0.5  # margins in inches
_SMALL = 0.95  # inches: a smaller panel has no room for an interval over it, and upright numbers below
_BINS = 30
_EDGES = (0.001, 0.999)  # of the draws; a few strays would squeeze everything else


def corner_names(posterior: Posterior) -> tuple[str, ...]:
    """Default parameters of the plot: lengths, Λ in place of λ_sf^N and D_ratio, amplitudes; at most eight."""
    bases = {name: ParameterName(name).base for name in posterior.names}
    tied = {name for name, one in posterior.study.parameters.items() if one.tie is not None}
    left_out = {"thickness", *tied, *(("lambda_sf_N", "D_ratio") if "Lambda" in bases.values() else ())}
    chosen = [
        name
        for name, base in bases.items()
        if base not in left_out and not base.startswith("noise") and np.ptp(posterior.draws[name]) > 0
    ]
    return tuple(chosen[:_MOST])


def _is_log(posterior: Posterior, name: str) -> bool:
    prior = posterior.priors.get(name, posterior.prior_of(name))
    return ParameterName(name).base == "Lambda" or (prior is not None and prior.is_log)


def _title(row: pd.Series, ten: float, level: Level) -> str:
    """Median with its interval, or the limit, of a row of the summary over a power of ten."""
    bottom, middle, top = (float(row[name]) / ten for name in level.names)
    if row["determined"] == "lower limit":
        return f"> {number(bottom, 2)},\nno upper limit"
    if row["determined"] == "upper limit":
        return f"< {number(top, 2)},\nno lower limit"
    if row["determined"] == "no":
        return "not determined\nby the data"
    if not top > bottom:
        return number(middle)
    texts, exponent = rounded((middle, bottom, top), 1 - math.floor(math.log10(top - bottom)))
    shown, low, high = (text + power_of_ten(exponent) for text in texts)
    return f"{shown}\n[{low}, {high}]"


def _over(ten: float) -> str:
    """Suffix of the symbol of a parameter whose numbers are divided by a power of ten."""
    return "" if ten == 1.0 else rf" / $10^{{{round(math.log10(ten))}}}$"


def _prior_density(posterior: Posterior, name: str, x: FloatArray, ten: float, *, log: bool) -> FloatArray | None:
    """Prior density of the plotted coordinate: of log10 x where that is plotted, else of x over a power of ten."""
    prior = posterior.priors.get(name, posterior.prior_of(name))
    if prior is None:
        return None
    values = 10**x if log else x * ten
    slope = values * np.log(10) if log else ten
    return np.asarray(np.exp(prior.logpdf(values)) * slope)


def _draw_prior(ax: Axes, posterior: Posterior, name: str, n_draws: int, ten: float, *, log: bool) -> None:
    """The prior in the units of the histogram's bars, so that both hold the same area."""
    low, high = ax.get_xlim()
    x = np.linspace(low, high, 400)
    density = _prior_density(posterior, name, x, ten, log=log)
    if density is None:
        return
    width = (high - low) / _BINS
    ax.plot(x, density * n_draws * width, color=OKABE_ITO["vermillion"], lw=1.0, ls="--", gid="prior")


def plot_corner(
    posterior: Posterior, names: Sequence[str] | None = None, *, width: float = DOUBLE, axes: AxesLike | None = None
) -> Figure:
    """Marginal distributions of one and two parameters; contours hold 68 % and 95 % of the draws by default.

    Lengths are drawn on logarithmic axes. Dashed: the prior, normalised like the histogram. A parameter that the data
    do not determine has a limit or a sentence over its column, never an interval. By default those of `corner_names`;
    KeyError for a name that is no parameter of the posterior. On `axes`, n × n of your own for n parameters, those
    above the diagonal are switched off.
    """
    chosen = corner_names(posterior) if names is None else tuple(names)
    logs = [_is_log(posterior, name) for name in chosen]
    columns = [posterior.draws[n].to_numpy() for n in chosen]
    tens = [1.0 if log else 10.0 ** decade(c) for c, log in zip(columns, logs, strict=True)]
    data = np.stack([np.log10(c) if log else c / t for c, log, t in zip(columns, logs, tens, strict=True)], axis=-1)
    n, summary = len(chosen), {str(name): row for name, row in posterior.summary().iterrows()}
    with style(axes):
        width = max(min(width, _LEFT + 1.35 * n), _LEFT + 1.0 * n if width >= DOUBLE else 0.0)
        small = (width - _LEFT) / max(n, 1) < _SMALL
        top = 0.2 if small else _TOP
        units = [
            f"{symbol(c)}{_over(ten)}{unit_of(posterior.study.unit_of(c))}" for c, ten in zip(chosen, tens, strict=True)
        ]
        note = _note(posterior) + (f" Axes: {', '.join(units)}." if small else "")
        below = (0.62 if small else 0.5) + footer_height(width, posterior.study, note)
        fig = sheet(axes, (n, n), figsize=(width, width - _LEFT + below + top))
        spans = [tuple(np.quantile(column, _EDGES)) for column in data.T]
        ranges = [(low - 0.08 * (high - low), high + 0.08 * (high - low)) for low, high in spans]
        axis_names = [
            symbol(c) if small else f"{symbol(c)}{_over(ten)}\n{unit_of(posterior.study.unit_of(c)).strip()}"
            for c, ten in zip(chosen, tens, strict=True)
        ]
        panels = _panels(fig, data, ranges, posterior.band)
        for k, name in enumerate(chosen):
            ax = panels[k, k]
            highest = ax.get_ylim()[1]
            _draw_prior(ax, posterior, name, data.shape[0], tens[k], log=logs[k])
            ax.set_ylim(0, highest)
            panels[-1, k].set_xlabel(axis_names[k])
            if k > 0:
                panels[k, 0].set_ylabel(axis_names[k])
            if summary[name]["determined"] == "yes":
                for q, line in zip(posterior.interval.quantiles, (":", "-", ":"), strict=True):
                    ax.axvline(np.quantile(data[:, k], q), color="0.35", lw=0.7, ls=line)
            title = "" if small else f"{_over(tens[k])}\n{_title(summary[name], tens[k], posterior.interval)}"
            ax.set_title(f"{symbol(name)}{title}", fontsize=6.5, pad=3)
        _label(panels, logs, small=small)
        footer(fig, posterior.study, note)
        W, H = fig.get_size_inches()
        fig.subplots_adjust(
            left=_LEFT / W, right=1 - 0.12 / W, bottom=below / H, top=1 - top / H, wspace=0.08, hspace=0.08
        )
        if axes is None:
            _place_labels(panels, 0.38 if small else 0.19)
    return finished(fig)


def _panels(fig: Figure, data: FloatArray, ranges: Sequence[tuple[float, float]], level: Level) -> np.ndarray:
    """Histograms on the diagonal and contours below it, shape (n, n); None above it, where an axis costs as much."""
    import corner

    n, blue = len(ranges), OKABE_ITO["blue"]
    axes = np.full((n, n), None)
    levels = (INNER, level.share) if level.share > INNER else (level.share,)
    for i, j in ((row, column) for row in range(n) for column in range(row + 1)):
        ax = axes[i, j] = fig.add_subplot(n, n, i * n + j + 1)
        if i == j:
            counts, *_ = ax.hist(data[:, i], bins=_BINS, range=ranges[i], histtype="step", lw=1.0, color=blue)
            ax.set(xlim=ranges[i], ylim=(0, 1.1 * np.max(counts)), yticks=[])
        else:
            corner.hist2d(
                data[:, j], data[:, i], ax=ax, range=[ranges[j], ranges[i]], bins=_BINS, levels=levels, color=blue,
                smooth=0.8, plot_datapoints=False, plot_density=False, fill_contours=True, no_fill_contours=True,
            )  # fmt: skip
    return axes


def _label(axes: np.ndarray, logs: Sequence[bool], *, small: bool) -> None:
    """Round numbers at the ticks, the same in every panel of a parameter; natural values on logarithmic axes."""
    n = len(logs)
    for k, log in enumerate(logs):
        column, row = list(axes[k:, k]), list(axes[k, :k])
        values = _ticks(*column[-1].get_xlim(), log=log)
        at = np.log10(values) if log else np.array(values)
        names = [number(value, 6) for value in values]
        for ax in column:
            ax.set_xticks(at, labels=names if ax is axes[n - 1, k] else [], rotation=90 if small else None)
        for ax in row:
            ax.set_yticks(at, labels=names if ax is axes[k, 0] else [])


def _place_labels(axes: np.ndarray, distance: float) -> None:
    """Labels of the outer axes at one distance, in inches, whatever the size of the panels."""
    for ax in (*axes[-1, :], *axes[:, 0]):
        panel = ax.get_window_extent().width / ax.figure.dpi
        ax.xaxis.set_label_coords(0.5, -distance / panel)
        ax.yaxis.set_label_coords(-0.48 / panel, 0.5)


def _ticks(low: float, high: float, *, log: bool) -> list[float]:
    """At most two round values, none so close to an end that its number would reach the next panel."""
    margin = 0.12 * (high - low)
    low, high = low + margin, high - margin
    decades = range(math.floor(low), math.ceil(high) + 1) if log else ()
    tried = [[m * 10.0**e for e in decades for m in steps] for steps in ((1,), (1, 3), (1, 2, 5)) if log]
    low, high = (10**low, 10**high) if log else (low, high)
    tried += [[float(t) for t in MaxNLocator(k, steps=[1, 2, 5, 10]).tick_values(low, high)] for k in range(2, 9)]
    inside = [[t for t in values if low <= t <= high] for values in tried]
    enough = next((values for values in inside if len(values) >= 2), inside[-1])
    return enough if len(enough) <= 2 else [enough[0], enough[-1]]


def _note(posterior: Posterior) -> str:
    verdict = "" if posterior.verdict.converged else " NOT CONVERGED: the gate said no."
    band, interval = posterior.band, posterior.interval
    contours = f"{100 * INNER:g} % and {band}" if band.share > INNER else str(band)
    low, middle, high = (f"{100 * each:.6g}" for each in interval.quantiles)
    return (
        f"Contours hold {contours} of the draws; dashed: prior; vertical lines: {low}, {middle} and {high} % quantiles."
        + verdict
    )


def corner_caption(posterior: Posterior) -> str:
    """What `plot_corner` shows, as a caption for a paper."""
    symbols = ", ".join(dict.fromkeys(str(ParameterName(name).base) for name in corner_names(posterior)))
    return (
        f"Posterior of the lengths and amplitudes ({symbols}) from {posterior.study.counted}: each one, and each pair. "
        f"{_note(posterior)} Numbers above: median with its {posterior.interval} interval, or the "
        f"{posterior.interval.one_sided} "
        "limit where the data leave one side open; a parameter that they do not determine has neither."
    )


def trace_caption(posterior: Posterior) -> str:
    """What `plot_trace` shows, as a caption for a paper."""
    return (
        f"Rank histograms by ensemble of {len(posterior.draws)} draws from {posterior.chain.shape[0]} independent "
        "ensembles: for each parameter the share of an ensemble's draws in slices of the ranks of all, 1 where "
        "ensembles agree; first panel: ln L, the log-likelihood, along the run. Converged ensembles cannot be "
        "told apart."
    )


_RANK_BINS, _ACROSS, _MOST_TRACES = 20, 4, 11
_COLOURS = ("blue", "vermillion", "green", "purple", "orange", "sky", "black")


def rank_fractions(posterior: Posterior, name: str) -> FloatArray:
    """Share of each ensemble's draws in twenty slices of the pooled ranks, shape (n_ensembles, 20), 1 if all agree."""
    values = posterior.chain[..., posterior.names.index(name)]
    ranks = rankdata(values, method="average").reshape(values.shape[0], -1) / values.size
    counts = [np.histogram(each, bins=_RANK_BINS, range=(0.0, 1.0))[0] for each in ranks]
    return np.asarray(np.array(counts, dtype=float) * (_RANK_BINS / ranks.shape[1]))


def plot_trace(posterior: Posterior, *, width: float = DOUBLE, axes: AxesLike | None = None) -> Figure:
    """Rank histograms of every sampled length and amplitude, one line for each ensemble, and ln L along the run.

    Ensembles that agree give lines near one; a line that leans to one side belongs to an ensemble that sees another
    posterior than the rest. On `axes`: one of your own for ln L, and one for each of the parameters, at most eleven.
    """
    names = [
        name
        for name in posterior.names
        if not name.startswith(("thickness", "noise")) and np.ptp(posterior.draws[name]) > 0
    ][:_MOST_TRACES]
    across = panels_across(width, _ACROSS, 1.6)
    rows = -(-(len(names) + 1) // across)
    colours = [OKABE_ITO[_COLOURS[e % len(_COLOURS)]] for e in range(posterior.chain.shape[0])]
    note = (
        "Share of draws in each slice of the pooled ranks; 1: ensembles agree. Verdict of the convergence gate: "
        f"{'converged' if posterior.verdict.converged else 'NOT CONVERGED'}."
    )
    below = 0.42 + footer_height(width, posterior.study, note)
    with style(axes):
        height = 0.95 * rows + 0.58 * (rows - 1) + 0.25 + below
        fig = sheet(axes, first_panels(len(names) + 1, across), figsize=(width, height))
        panels = panel_grid(
            fig, rows, across, left=0.45, right=0.75, top=0.25, bottom=below, across=0.38, down=0.58
        ).ravel()  # fmt: skip
        # the density of the data has a unit, a ratio of densities has none
        middle = np.median(posterior.log_likelihood, axis=2) - posterior.log_likelihood.max()
        steps = np.arange(middle.shape[1]) * posterior.settings["thin"]
        for e, colour in enumerate(colours):
            panels[0].plot(steps, middle[e], color=colour, lw=0.7, label=f"{e + 1}")
        panels[0].set_title(r"median of $\ln(L/L_{\max})$")
        panels[0].set_xlabel("step", labelpad=1.0)
        for k, (ax, name) in enumerate(zip(panels[1:], names, strict=False), start=1):
            for fractions, colour in zip(rank_fractions(posterior, name), colours, strict=True):
                ax.stairs(fractions, np.linspace(0, 1, _RANK_BINS + 1), color=colour, lw=0.8, baseline=None)
            ax.axhline(1, color="0.7", lw=0.6, zorder=0)
            ax.set(xlim=(0, 1), ylim=(0, max(2.0, ax.get_ylim()[1])), title=symbol(name), xticks=[0, 0.5, 1])
            if axes is not None:  # without the note that says it
                ax.set_ylabel("relative share of draws")
            if k + across > len(names):
                ax.set_xlabel("pooled rank", labelpad=1.0)
        for ax in panels[: len(names) + 1]:
            ax.yaxis.set_major_locator(MaxNLocator(3))
        panels[0].xaxis.set_major_locator(MaxNLocator(3))
        for ax in panels[len(names) + 1 :]:
            ax.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        fig.legend(handles, labels, title="ensemble", loc="upper right")
        footer(fig, posterior.study, note)
    return finished(fig)
