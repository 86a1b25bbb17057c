"""Studies, fits and posteriors of the figures' tests, made without sampling."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from shortcuts import few_starts

import mtjfit
from mtjfit.data import Origin, TorqueCurve
from mtjfit.infer import Check, FitResult, Posterior, Verdict
from mtjfit.model import FullPosterior
from mtjfit.physics import Interface, torkance
from mtjfit.plot import plot_combinations, plot_corner, plot_torque, plot_trace
from mtjfit.plot.style import style
from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Parameter, Study

SIGMA = 0.0026
MEASURED, SIMULATED = Origin(), Origin("simulated", "made for $a$ test, 5 % noise")


def make_curve(j: int, name: str, d: float, *, origin: Origin = MEASURED, **changes: Any) -> TorqueCurve:
    V = np.linspace(-0.5, 0.5, 21)
    T = torkance(V, d, 1, 1, 10, 1, interface=Interface.of(a1=0.13, b2=0.08))
    rng = np.random.default_rng(j)
    values: dict[str, Any] = {
        "par": T.real + SIGMA * rng.standard_normal(21), "perp": T.imag + SIGMA * rng.standard_normal(21),
        "sigma_par": np.full(21, SIGMA), "sigma_perp": np.full(21, SIGMA), **changes,
    }  # fmt: skip
    return TorqueCurve(name, V, thickness=d, quantity="torkance", per="device", unit="hbar/2e/kohm", origin=origin,
                       **values)  # fmt: skip


def parameters(**changes: Any) -> dict[str, Parameter]:
    length = LogUniform(0.1, 100.0)
    priors: dict[str, Any] = {
        "lambda_J": length, "lambda_phi": length, "lambda_sf_F": LogNormal(10.0, 2.0), "lambda_sf_N": length,
        "D_ratio": Fixed(1.0), "thickness": Parameter("thickness", Fixed(0.0), "device"), "a1": Normal(0.0, 1.0),
        "b2": Normal(0.0, 1.0), **changes,
    }  # fmt: skip
    return {n: p if isinstance(p, Parameter) else Parameter(n, p) for n, p in priors.items() if p is not None}


def make_study(
    names: Iterable[str] = ("A", "B", "C"), *, origin: Origin = MEASURED, curve: Any = None, **changes: Any
) -> Study:
    curves = [make_curve(j, name, 0.8 + 0.9 * j, origin=origin, **(curve or {})) for j, name in enumerate(names)]
    return Study("made", tuple(curves), parameters(**changes))


@cache
def fitted(names: tuple[str, ...] = ("A", "B", "C"), origin: Origin = MEASURED) -> FitResult:
    with few_starts():
        return mtjfit.fit(make_study(names, origin=origin))


def posterior_of(fit: FitResult, *, converged: bool = True, width: float = 0.03) -> Posterior:
    """Draws about the best fit, λ_sf^F from its prior: what a sampler would give, without its seconds."""
    model, rng = FullPosterior(fit.study), np.random.default_rng(1)
    names = (*model.layout.names, *model.amplitudes.names)
    shape = (4, 100, 10)
    columns = [fit.values[name] * np.exp(width * rng.standard_normal(shape)) for name in names]
    columns[2] = model.layout.entries[2].prior.quantile(rng.random(shape))
    priors = {entry.name: entry.prior for entry in model.layout.entries}
    priors |= {n: fit.study.parameters[n.split("[")[0]].prior for n in model.amplitudes.names}
    verdict = Verdict((Check("made", converged, "made by hand"),), {})
    settings = {"thin": 3, "seed": 1}
    log_likelihood = rng.standard_normal(shape)
    return Posterior(fit.study, verdict, names, np.stack(columns, -1), log_likelihood, priors, settings)


def by_gid(holder: Figure | Axes, gid: str) -> list[Any]:
    return holder.findobj(lambda artist: artist.get_gid() == gid)


def bars(ax: Axes, gid: str) -> list[Any]:
    """Points with error bars."""
    return [container for container in ax.containers if container.lines[0].get_gid() == gid]


def texts(fig: Figure) -> list[str]:
    return [t.get_text() for t in fig.findobj(matplotlib.text.Text) if t.get_text() and t.get_visible()]


@cache
def figures(origin: Origin = MEASURED) -> tuple[Figure, ...]:
    """One of each, drawn once; tests only look."""
    fit = fitted(origin=origin)
    posterior = posterior_of(fit)
    few = ["lambda_J", "lambda_phi", "lambda_sf_F"]
    return plot_torque(fit, posterior), plot_corner(posterior, few), plot_combinations(fit), plot_trace(posterior)


def small_panels(fig: Figure) -> list[Axes]:
    """Panels of single devices: in-plane and out-of-plane in the order of thickness."""
    return [ax for ax in fig.axes if by_gid(ax, "best-fit") and len(by_gid(ax, "best-fit")) == 1]


def assert_nothing_cut_off(fig: Figure) -> None:
    with style():
        renderer, engine = FigureCanvasAgg(fig).get_renderer(), fig.get_layout_engine()
        if engine is not None:
            engine.execute(fig)
        ink = fig.get_tightbbox(renderer)
    (width, height), hair = fig.get_size_inches(), 0.01
    assert ink.x0 >= -hair, "cut off at the left"
    assert ink.x1 <= width + hair, "cut off at the right"
    assert ink.y0 >= -hair, "cut off at the bottom"
    assert ink.y1 <= height + hair, "cut off at the top"
