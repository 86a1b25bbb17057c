"""How long it takes to compare fifty devices: tables, 1225 pairs for each quantity, odd devices, and the plots.

    python benchmarks/devices.py

Fit and sampling come before and are timed apart. 30 s were allowed for everything after them. All times are those of
one processor.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import numpy as np
import pandas as pd

import mtjfit
from mtjfit.comparison.devices.comparison import compare_devices
from mtjfit.comparison.devices.plot import plot_forest
from mtjfit.comparison.free_layer.consequences import consequences
from mtjfit.comparison.free_layer.plot import plot_consequences
from mtjfit.data import Origin, TorqueCurve
from mtjfit.physics import Interface, torque
from mtjfit.plot.style import render
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study

HERE = Path(__file__).resolve().parent
ALLOWED = 30.0
THICKNESSES, REPEATS = np.linspace(0.8, 5.0, 10), 5


def fifty() -> Study:
    """Ten thicknesses, five devices of each from five wafers, 21 bias points, 2 % noise."""
    rng, V, sigma = np.random.default_rng(5), np.linspace(-0.5, 0.5, 21), np.full(21, 0.01)
    curves = []
    for k, nominal in enumerate(np.repeat(THICKNESSES, REPEATS)):
        d = nominal + 0.03 * rng.standard_normal()
        T = torque(V, d, 1.0, 1.0, 10.0, 1.0, interface=Interface.of(a1=1.0, b2=0.6))
        T = T + 0.01 * (rng.standard_normal(21) + 1j * rng.standard_normal(21))
        curves.append(TorqueCurve(
            f"W{k % REPEATS}-{nominal:.1f}", V, T.real, T.imag, float(nominal), "torque", "device", sigma_par=sigma,
            sigma_perp=sigma, group=f"wafer {k % REPEATS}", origin=Origin("simulated", "benchmark"),
        ))  # fmt: skip
    priors: dict[str, Any] = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_N"), LogUniform(0.1, 100.0))
    priors |= {"lambda_sf_F": LogNormal(10.0, 2.0), "D_ratio": Fixed(1.0), "a1": Normal(0.0, 3.0)}
    parameters = {name: Parameter(name, prior) for name, prior in (priors | {"b2": Normal(0.0, 3.0)}).items()}
    parameters["thickness"] = Parameter("thickness", AboutNominal(0.03), "device")
    return Study("benchmark", tuple(curves), parameters)


def main() -> None:
    rows: list[tuple[str, str, float]] = []

    def timed(of: str, what: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = work()
        rows.append((of, what, time.process_time() - start))
        return result

    study = fifty()
    fit = timed("before", "fit", lambda: mtjfit.fit(study))
    posterior = timed("before", "sample", lambda: mtjfit.sample(study))
    for source, found in (("fit", fit), ("posterior", posterior)):
        compared = timed(source, "compare", lambda found=found: compare_devices(found))
        timed(source, "tables", lambda compared=compared: str(compared))
        figure = timed(source, "forest plot", lambda compared=compared: plot_forest(compared))
        for format in ("svg", "pdf", "png"):
            timed(source, format, lambda figure=figure, format=format: render(figure, format))
    implied = timed("posterior", "consequences", lambda: consequences(posterior))
    timed("posterior", "their plot", lambda: render(plot_consequences(implied)))
    table = pd.DataFrame(rows, columns=["of", "what", "seconds"])
    table.to_csv(HERE / "devices.csv", index=False, float_format="%.3g")
    after = table.loc[table["of"] != "before", "seconds"].sum()
    print(table.to_string(index=False, float_format="%.3g"))
    print(f"{len(study.curves)} devices: {after:.1f} s after the fit and the run, {ALLOWED:g} s allowed")


if __name__ == "__main__":
    main()
