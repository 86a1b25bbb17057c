"""Cost of one likelihood against the number of bias points and of devices.

    python benchmarks/likelihood.py

Each number is the fastest of several runs of 64 rows at once, in ratio to the smallest design of the same run.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import time
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from posteriors import bundled

from mtjfit.data import TorqueCurve
from mtjfit.model import MarginalPosterior
from mtjfit.physics import Interface, torkance
from mtjfit.study import Normal, Parameter, Study

HERE = Path(__file__).resolve().parent
POINTS = (41, 410, 4100, 41_000)
DEVICES = (1, 10, 100, 1000)
ROWS = 64


def simulated(n_devices: int, n_points: int, *, own: bool) -> Study:
    """A thickness series with the parameters of the bundled one."""
    rng = np.random.default_rng(0)
    V = np.linspace(-0.4, 0.4, n_points)
    curves = []
    for j in range(n_devices):
        d = 0.8 + 4.2 * j / max(n_devices - 1, 1)
        T = torkance(V, d, 1.0, 1.0, 10.0, 1.0, interface=Interface.of(a1=0.1, b2=0.08))
        sigma = np.full(n_points, 0.004)
        noisy = T + sigma * (rng.standard_normal(n_points) + 1j * rng.standard_normal(n_points))
        curves.append(
            TorqueCurve(
                f"dev{j}", V, noisy.real, noisy.imag, d, "torkance", "device", "hbar/2e/kohm",
                sigma_par=sigma, sigma_perp=sigma,
            )
        )  # fmt: skip
    parameters = dict(bundled().parameters)
    if own:
        for name in ("a1", "b2"):
            parameters[name] = Parameter(name, Normal(0.0, 1.0), "device")
    return Study("benchmark", tuple(curves), parameters)


def cost(study: Study) -> float:
    """Seconds for one row, the fastest of many calls."""
    model = MarginalPosterior(study)
    z = 0.5 * np.random.default_rng(1).standard_normal((ROWS, model.size))
    model.log_posterior(z)
    fastest, until = np.inf, time.perf_counter() + 3.0
    while time.perf_counter() < until:
        start = time.perf_counter()
        model.log_posterior(z)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest / ROWS


def main() -> None:
    rows = [("points per device", n, 5, False, cost(simulated(5, n, own=False))) for n in POINTS]
    rows += [("devices", 41, n, own, cost(simulated(n, 41, own=own))) for own in (False, True) for n in DEVICES]
    table = pd.DataFrame(rows, columns=["against", "points", "devices", "own_amplitudes", "seconds"])
    groups = table.groupby(["against", "own_amplitudes"])["seconds"]
    table["ratio"] = table["seconds"] / groups.transform("first")
    table.to_csv(HERE / "likelihood.csv", index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="%.4g"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharey=True)
    points = table[table["against"] == "points per device"]
    left.loglog(points["points"], points["ratio"], "o-", color="#0072B2")
    left.set(xlabel="bias points per device", ylabel="cost of one likelihood, ratio to the first", ylim=(0.5, 1000))
    for own, colour in ((False, "#0072B2"), (True, "#D55E00")):
        chosen = table[(table["against"] == "devices") & (table["own_amplitudes"] == own)]
        right.loglog(chosen["devices"], chosen["ratio"], "o-", color=colour,
                     label="own thickness and amplitudes" if own else "own thickness")  # fmt: skip
    right.set(xlabel="devices")
    right.legend(frameon=False)
    figure.savefig(HERE / "likelihood.png", dpi=150)


if __name__ == "__main__":
    main()
