"""Draw the pictures of gallery.md anew, with the calls that stand there: ``.venv/bin/python docs/gallery.py [NAME …]``.

The results that the calls show are made here, each when first asked for; all together take some minutes.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import norm

import mtjfit
import mtjfit.plot
from mtjfit.calibration import Calibration, plot_calibration
from mtjfit.comparison import compare_mechanisms, compare_studies, consequences, plot_studies
from mtjfit.data import Origin
from mtjfit.physics import Bilayer
from mtjfit.prior_influence import narrowing
from mtjfit.spectra import (
    LineOptions,
    SpectraDevice,
    SpectraStudy,
    Spectrum,
    analyse,
    load_spectra,
    resonance_frequency,
)
from mtjfit.spectra.plot import plot_kittel, plot_lines, plot_sweeps, plot_thumbnails, plot_torkances
from mtjfit.study import PlanRequest
from mtjfit.wafer import FLAGS, DeviceCurve, Survey
from mtjfit.wafer.plot import plot_beside, plot_control, plot_device_curve, plot_smooth, plot_splits, plot_wafer_map
from mtjfit.wafer.stack.beside import FitsBesidePosterior

HERE = Path(__file__).resolve().parent
CALL = re.compile(r"^`(plot_\w+\([^`]*\))`", re.MULTILINE)
DPI, COLOURS = 90, 160
SPECTRA = HERE.parent / "datasets" / "spectra" / "macrospin" / "spectra.toml"


def swept() -> Any:
    """Spectra of one device at four fields, swept up and down, from Kittel's formula with noise."""
    rng, made = np.random.default_rng(2), []
    for bias, field in zip(np.linspace(-0.2, 0.2, 8), np.linspace(0.04, 0.2, 8), strict=True):
        x = field * np.linspace(0.8, 1.2, 60)
        for sweep, shift in (("up", 0.0), ("down", 2e-4)):
            u = (x - field - shift) / (0.03 * field)
            y = -2e-6 * (1 + bias * u) / (1 + u * u) + 2e-8 * rng.standard_normal(60)
            made.append(Spectrum("B1", bias, "field", x, y, float(resonance_frequency(field, 1.1)), sweep=sweep))
    origin = Origin("simulated", "Kittel's formula with noise")
    device, unit = SpectraDevice("B1", 2.0, None, None), "hbar/2e/kohm"
    return analyse(SpectraStudy("swept", "field", unit, origin, tuple(made), LineOptions(), {"B1": device}))


def survey() -> Survey:
    """Two wafers with a bowl, each with a split, and some flagged dies."""
    rng, place = np.random.default_rng(0), 5.0 * np.stack(np.meshgrid(range(-9, 10), range(-9, 10)), -1).reshape(-1, 2)
    place, frames = place[np.hypot(*(np.abs(place) + 2.5).T) <= 50], []
    for wafer in ("W1", "W2"):
        split = np.where(place[:, 0] < 0, "thin", "thick")
        truth = -0.22 + 0.04 * np.sum((place / 50) ** 2, axis=1) + 0.03 * (split == "thin")
        frames.append(pd.DataFrame({
            "device": [f"{wafer}-{k:03d}" for k in range(len(place))], "wafer": wafer, "split": split,
            "x": place[:, 0], "y": place[:, 1], "thickness": 2.0,
            "flags": np.where(rng.random(len(place)) < 0.02, FLAGS["misfit_scatter"], 0),
            "slope_ratio": truth + rng.normal(0, 0.014, len(place)), "slope_ratio_sd": 0.006,
        }))  # fmt: skip
    units = {"slope_ratio": "", "x": "mm", "y": "mm", "thickness": "nm"}
    return Survey("lot 7", pd.concat(frames, ignore_index=True), units, FLAGS, (Origin("simulated", "a bowl"),), "lot7")


def curve() -> DeviceCurve:
    """One device of the wafers."""
    V, rng = np.linspace(-0.5, 0.5, 17), np.random.default_rng(1)
    values = np.stack([0.13 * V, 0.08 * V**2 - 0.03 * V]) + 0.002 * rng.standard_normal((2, V.size))
    return DeviceCurve("W1", "W1-007", "torque", "arb", V, values, np.full((2, V.size), 0.002), np.abs(V) < 0.45,
                       {1: (0.13, -0.03), 2: (0.0, 0.08)})  # fmt: skip


def beside() -> FitsBesidePosterior:
    """Two lengths by hand, in place of fits and a posterior of minutes."""
    rows = [
        (name, "nm", split, source, middle - reach, middle, middle + reach, "yes", np.nan, "simulated")
        for name, length in (("lambda_J", 1.0), ("lambda_phi", 1.2))
        for split, source, middle, reach in (
            ("0.8 to 1.4 nm", "fit alone", length + 0.05, 0.16), ("1.4 to 2.2 nm", "fit alone", length - 0.03, 0.11),
            ("2.2 to 3.5 nm", "fit alone", length + 0.02, 0.20), ("", "posterior", length, 0.05),
        )
    ]  # fmt: skip
    columns = [
        "parameter",
        "unit",
        "split",
        "source",
        "q05",
        "q50",
        "q95",
        "determined",
        "difference_in_errors",
        "origin",
    ]
    return FitsBesidePosterior(pd.DataFrame(rows, columns=columns), (Origin("simulated", "intervals by hand"),))


def calibration(study: mtjfit.Study) -> Calibration:
    """Ranks drawn by hand, in place of 300 simulations: posteriors of λ_J too narrow, others right."""
    rng, names = np.random.default_rng(3), ("lambda_J", "lambda_phi", "lambda_sf_F", "a1", "b2", "log_likelihood")
    truths = {name: (1.5 if name == "lambda_J" else 1.0) * rng.standard_normal(300) for name in names}
    ranks = pd.DataFrame({name: np.floor(100 * norm.cdf(z)) for name, z in truths.items()})
    return Calibration(study, 1, 99, ranks, ("",) * 300)


class Results(Mapping[str, Any]):
    """Results by the names that the calls have for them."""

    def __init__(self) -> None:
        of = self.__getitem__
        self._known: dict[str, Any] = {}
        self._make: dict[str, Callable[[], Any]] = {
            "study": lambda: mtjfit.load_study(mtjfit.dataset("thickness-series").study_file),
            "fit": lambda: mtjfit.fit(of("study")),
            "posterior": lambda: mtjfit.sample(of("study"), seed=1),
            "known": lambda: mtjfit.identify(of("study")),
            "table": lambda: narrowing(of("posterior")),
            "compared": lambda: mtjfit.compare(of("fit")),
            "implied": lambda: consequences(of("posterior")),
            "mechanisms": lambda: compare_mechanisms(
                of("study"), 1, names=("ballistic+b1", "diffusion"), widths=(), n_simulations=5),
            "parts": lambda: {name: of("study").replace(curves=of("study").curves[part]) for name, part in
                              (("thin", slice(0, 3)), ("thick", slice(2, 5)))},
            "together": lambda: compare_studies(of("parts"), target_ess=400),
            "plan": lambda: mtjfit.plan(
                of("study"), request=PlanRequest((0.5, 0.8, 1.2, 1.6, 2.0, 3.0, 4.0, 5.0), 1, "lambda_phi"),
                posterior=of("posterior")),
            "calibration": lambda: calibration(of("study")),
            "lines": lambda: analyse(load_spectra(SPECTRA)),
            "beside": beside,
            "swept": swept,
            "survey": survey,
            "curve": curve,
            "film": lambda: Bilayer.from_lengths(1.2, 1.0, 1.0, 10.0, 1.0, D_F=200.0, D_N=200.0),
        }  # fmt: skip

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = self._make[name]()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)


PLOTS = {name: getattr(mtjfit.plot, name) for name in dir(mtjfit.plot) if name.startswith("plot_")} | {
    each.__name__: each
    for each in (plot_beside, plot_calibration, plot_control, plot_device_curve, plot_kittel, plot_lines, plot_smooth,
                 plot_splits, plot_studies, plot_sweeps, plot_thumbnails, plot_torkances, plot_wafer_map)
}  # fmt: skip


def draw(*names: str) -> None:
    """All pictures of the gallery, or those of these names."""
    results, folder = Results(), HERE / "gallery"
    folder.mkdir(exist_ok=True)
    for call in CALL.findall((HERE / "gallery.md").read_text(encoding="utf-8")):
        name = call.partition("(")[0]
        if not names or name in names:
            figure = eval(call, PLOTS, results)  # noqa: S307 # nosec B307 - calls of our own page
            picture = Image.open(io.BytesIO(mtjfit.plot.render(figure, "png", dpi=DPI))).convert("RGB")
            picture.quantize(COLOURS).save(folder / f"{name}.png", optimize=True)


if __name__ == "__main__":
    draw(*sys.argv[1:])
