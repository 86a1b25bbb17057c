"""A call of every public plot, with results that are made without sampling; wings are imported when first used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from plot_cases import SIMULATED, fitted, make_study, posterior_of
from shortcuts import few_starts

import mtjfit
from mtjfit.data import Origin
from mtjfit.infer import FitResult, Identification, Posterior
from mtjfit.lazy import wing
from mtjfit.physics import Bilayer

Q = "slope_ratio"


@dataclass(frozen=True)
class Drawing:
    """A public plot: its module below mtjfit, how many axes its call needs, and the arguments of the call."""

    module: str
    n_axes: int
    arguments: Callable[[], tuple[Any, ...]] = tuple

    def function(self, name: str) -> Callable[..., Figure]:
        """The plot itself; the test is skipped if its wing was deleted."""
        if wing(self.module) is None:
            pytest.skip(f"mtjfit/{self.module} was deleted")
        found: Callable[..., Figure] = getattr(import_module(f"mtjfit.{self.module}"), name)
        return found


def fit() -> FitResult:
    """Three simulated devices."""
    return fitted(origin=SIMULATED)


@cache
def posterior() -> Posterior:
    """Draws about the fit."""
    return posterior_of(fit())


@cache
def spectra() -> Any:
    """Four spectra of one device, each swept up and down, made for a test."""
    from mtjfit.spectra import (
        Constant,
        Constants,
        LineOptions,
        SpectraDevice,
        SpectraStudy,
        Spectrum,
        analyse,
        resonance_frequency,
    )

    rng, made = np.random.default_rng(2), []
    for k, V in enumerate(np.linspace(-0.2, 0.2, 4)):
        f = float(resonance_frequency(0.05 * (k + 1), 1.1))
        x = 0.05 * (k + 1) * np.linspace(0.8, 1.2, 60)
        u = (x - 0.05 * (k + 1)) / (0.0015 * (k + 1))
        for sweep in ("up", "down"):
            y = -2e-6 * (1 + V * u) / (1 + u * u) + 2e-8 * rng.standard_normal(60)
            made.append(Spectrum("dev", V, "field", x, y, f, sweep=sweep))
    constants = Constants(
        Constant(1e-5, 5e-7), Constant(300.0), Constant(1000.0), Constant(1e-17), Meff=Constant(1.1, 0.02)
    )
    origin, device = Origin("simulated", "lines"), SpectraDevice("dev", 2.0, None, constants)
    return analyse(SpectraStudy("made", "field", "hbar/2e/kohm", origin, tuple(made), LineOptions(), {"dev": device}))


@cache
def survey() -> Any:
    """Two wafers in two splits, sixty dies each."""
    from mtjfit.wafer import FLAGS, Survey

    rng, frames = np.random.default_rng(0), []
    place = 10.0 * np.stack(np.meshgrid(np.arange(-4, 5), np.arange(-4, 5)), axis=-1).reshape(-1, 2)
    place = place[np.hypot(*(np.abs(place) + 5.0).T) <= 50]
    for k, name in enumerate(("W1", "W2")):
        n = len(place)
        values = -0.22 + 0.02 * np.sum((place / 50) ** 2, axis=1) + 0.015 * rng.standard_normal(n)
        frames.append(pd.DataFrame({
            "device": [f"{name}-{j:04d}" for j in range(n)], "wafer": name, "split": ("thick", "thin")[k],
            "x": place[:, 0], "y": place[:, 1], "thickness": 2.0, "flags": 0, Q: values, f"{Q}_sd": 0.006,
        }))  # fmt: skip
    frame = pd.concat(frames, ignore_index=True)
    frame.loc[5, "flags"] = FLAGS["misfit_scatter"]
    return Survey("made wafers", frame, {Q: "", "x": "mm", "y": "mm", "thickness": "nm"}, FLAGS,
                  (Origin("simulated", "a bowl"),), "made.csv")  # fmt: skip


def device_curve() -> Any:
    """Both components of one device of the survey."""
    from mtjfit.wafer import DeviceCurve

    V = np.linspace(-0.5, 0.5, 11)
    return DeviceCurve("W1", "A", "torque", "arb", V, np.stack([V, V**2]), np.full((2, 11), 0.01), np.abs(V) < 0.45,
                       {1: (1.0, 0.1), 2: (0.0, 0.9)})  # fmt: skip


@cache
def mechanisms() -> Any:
    """Two mechanisms of data made by one of them."""
    from mechanism_cases import series

    from mtjfit.comparison import compare_mechanisms

    study, names = series("diffusion", 3, noise=0.01), ["ballistic+b1", "diffusion"]
    return compare_mechanisms(study, 1, names=names, widths=(), n_simulations=5, progress=False)


@cache
def studies() -> tuple[Any, dict[str, mtjfit.Study]]:
    """Two studies as if sampled, alone and together."""
    from device_cases import drawn

    from mtjfit.comparison import StudyComparison, Tension, joint_posterior

    parts = {"p": make_study(("A", "B")), "q": make_study(("C", "D"))}
    model, rng = joint_posterior(parts), np.random.default_rng(0)

    with few_starts():
        single = {label: drawn(each.size, rng) for label, each in model.models.items()}
    return StudyComparison(model, drawn(model.size, rng), single, Tension(-9.0, 0.1, -8.0, 0.2, 2.0)), parts


@cache
def calibration() -> Any:
    """Uniform ranks."""
    from mtjfit.calibration import Calibration

    rng, n = np.random.default_rng(1), 60
    ranks = pd.DataFrame({name: rng.integers(0, 100, n).astype(float) for name in ("lambda_J", "a1", "b2")})
    return Calibration(make_study(origin=SIMULATED), 1, 99, ranks, ("",) * n)


@cache
def planned() -> Any:
    """Two thicknesses to be grown next."""
    from mtjfit.planning import plan
    from mtjfit.study import PlanRequest

    request = PlanRequest((0.6, 1.0, 2.0, 4.5), 2, "lambda_phi")
    return plan(posterior().study, request=request, posterior=posterior(), progress=False)


@cache
def known() -> Identification:
    """Four profiles, and the directions."""
    with few_starts():
        return mtjfit.identify(make_study(origin=SIMULATED))


def implied() -> tuple[Any, ...]:
    """Consequences at two thicknesses and one bias."""
    from mtjfit.comparison import consequences

    return (consequences(posterior(), thickness=[0.5, 1.5], bias=[0.3]),)


def compared() -> tuple[Any, ...]:
    """Six quantities of three devices."""
    from mtjfit.comparison import compare_devices

    return (compare_devices(fit()),)


def narrowed() -> tuple[Any, ...]:
    """What the data add about four lengths."""
    from mtjfit.prior_influence import narrowing

    return posterior(), narrowing(posterior())


def intervals() -> tuple[Any, ...]:
    """Two lengths from the fits of two splits, and from their posterior."""
    from mtjfit.wafer.stack.beside import FitsBesidePosterior

    rows = [(name, "nm", split, source, m - 0.1, m, m + 0.1, "yes", np.nan, "simulated")
            for name, m in (("lambda_J", 1.0), ("lambda_phi", 1.2))
            for split, source in (("A", "fit alone"), ("B", "fit alone"), ("", "posterior"))]  # fmt: skip
    columns = ["parameter", "unit", "split", "source", "q05", "q50", "q95", "determined", "difference_in_errors",
               "origin"]  # fmt: skip
    return (FitsBesidePosterior(pd.DataFrame(rows, columns=columns), (SIMULATED,)),)


def film() -> tuple[Any, ...]:
    """One bilayer."""
    return ([Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0)],)


EVERY = {
    "plot_accumulation": Drawing("paper.figures", 1),
    "plot_accumulation_band": Drawing("plot", 3, lambda: (posterior(),)),
    "plot_beside": Drawing("wafer.plot", 2, intervals),
    "plot_bias_dependence": Drawing("paper.figures", 2),
    "plot_calibration": Drawing("calibration.plot", 3, lambda: (calibration(),)),
    "plot_combinations": Drawing("plot", 3, lambda: (fit(),)),
    "plot_consequences": Drawing("comparison.free_layer.plot", 8, implied),
    "plot_control": Drawing("wafer.plot", 2, lambda: (survey(), Q)),
    "plot_corner": Drawing("plot", 9, lambda: (posterior(), ["lambda_J", "lambda_phi", "b2"])),
    "plot_device_curve": Drawing("wafer.plot", 1, lambda: (device_curve(), survey())),
    "plot_forest": Drawing("comparison.devices.plot", 6, compared),
    "plot_frequency_response": Drawing("paper.validity", 2, film),
    "plot_identifiability": Drawing("plot", 5, lambda: (known(),)),
    "plot_kittel": Drawing("spectra.plot", 2, lambda: (spectra(), "dev")),
    "plot_lines": Drawing("spectra.plot", 4, lambda: (spectra(), "dev")),
    "plot_mechanisms": Drawing("comparison.mechanisms.plot", 4, lambda: (mechanisms(),)),
    "plot_plan": Drawing("planning.plot", 2, lambda: (planned(),)),
    "plot_prior_posterior": Drawing("prior_influence.plot", 4, narrowed),
    "plot_signatures": Drawing("comparison.mechanisms.plot", 3),
    "plot_smooth": Drawing("wafer.plot", 6, lambda: (survey(), Q)),
    "plot_splits": Drawing("wafer.plot", 2, lambda: (survey(), Q)),
    "plot_studies": Drawing("comparison.studies.plot", 4, studies),
    "plot_sweeps": Drawing("spectra.plot", 5, lambda: (spectra(), "dev")),
    "plot_thickness_dependence": Drawing("paper.figures", 2),
    "plot_thin_validity": Drawing("paper.validity", 2),
    "plot_thumbnails": Drawing("spectra.plot", 4, lambda: (spectra(), spectra().fits[:4])),
    "plot_torkances": Drawing("spectra.plot", 2, lambda: (spectra(), "dev")),
    "plot_torque": Drawing("plot", 2, lambda: (fit(), posterior())),
    "plot_trace": Drawing("plot", 7, lambda: (posterior(),)),
    "plot_transfer": Drawing("plot", 4, lambda: (posterior(), fit())),
    "plot_wafer_map": Drawing("wafer.plot", 2, lambda: (survey(), Q)),
}
"""Every public plot by name; `test_own_axes.py` finds one that is missing."""


def drawn_by(name: str, **more: Any) -> Figure:
    """The picture of a plot, anew."""
    case = EVERY[name]
    return case.function(name)(*case.arguments(), **more)
