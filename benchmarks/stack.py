"""Converged posteriors of whole stacks: time, memory and effective draws by number of devices, beside lmfit.

    python benchmarks/stack.py [--sizes 200 1000 10000] [--limit 600] [--workers N]

Each size is a process of its own, so that the peak memory is its own: of that process, and of the largest of its
workers. The posterior has all checks on, and nothing is cached. Rows of likelihood count by the share of the devices
that they were computed for. Beside it, in the same run: the likelihood by brute force over thicknesses
(`log_likelihood_everywhere`) and by the general quadrature of studies (`SharedPosterior`), and one global fit of all
raw points by `lmfit.Minimizer.leastsq` with lengths for all devices and thickness, a1 and b2 for each, started at the
truth. lmfit knows the scatter, as known errors about the common values; it gives an optimum with errors of the
curvature, no posterior. It is stopped after --limit seconds, or by lack of memory. Sizes that are not asked for stay as
they were measured before.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from mtjfit.data import TorqueCurve
from mtjfit.model.posterior import SharedPosterior
from mtjfit.physics import kappa
from mtjfit.study import Fixed, LogNormal, Normal, Parameter, Sampling, Study
from mtjfit.wafer import Hierarchy, WaferDevices, WaferPosterior
from mtjfit.wafer.stack.sample import sample_stack

HERE = Path(__file__).resolve().parent
SIZES, PIECE = [200, 1000, 10_000], 1000
NOISE, RADIUS = 0.01, 100.0
BIAS = np.linspace(-0.5, 0.5, 11)
LENGTHS = {"lambda_J": 1.0, "lambda_phi": 1.2, "lambda_sf_F": 10.0, "Lambda": 2.0}
SCATTER = {"thickness": 0.02, "a1": 0.03, "b2": 0.03}  # nm, relative, relative
PRIORS = {
    "lambda_J": LogNormal(1.2, 1.5), "lambda_phi": LogNormal(1.2, 1.5), "lambda_sf_F": LogNormal(10.0, 2.0),
    "Lambda": LogNormal(2.0, 1.5), "a1": Normal(1.0, 0.5), "b2": Normal(0.6, 0.3),
    "scatter_a1": LogNormal(0.03, 1.5), "scatter_b2": LogNormal(0.03, 1.5),
}  # fmt: skip
HIERARCHY = Hierarchy(
    {"thickness": ("tilt_x", "bowl"), "a1": ("bowl",)}, {"thickness": 0.04, "a1": 0.04},
    thickness_scatter=LogNormal(0.02, 1.5), radius=RADIUS,
)  # fmt: skip
EVALUATED = 64  # rows behind the time of one
BY_BRUTE_FORCE = 2


@dataclass(frozen=True, eq=False)
class Wafer:
    """Raw points of n devices and where they lie."""

    nominal: np.ndarray
    x: np.ndarray
    y: np.ndarray
    T: np.ndarray  # shape (n, n_bias)


def drawn(n: int) -> Wafer:
    """Three nominal thicknesses; a tilt and a bowl of the thickness, a bowl of a1, scatter of all three."""
    rng = np.random.default_rng(n)
    r, phi = np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    x, y, nominal = r * np.cos(phi), r * np.sin(phi), np.resize([1.2, 1.6, 2.2], n)
    bowl = 2 * r**2 - 1
    d = nominal * (1 + 0.03 * x + 0.02 * bowl) + SCATTER["thickness"] * rng.standard_normal(n)
    a1 = (1 - 0.03 * bowl) * (1 + SCATTER["a1"] * rng.standard_normal(n))
    b2 = 0.6 * (1 + SCATTER["b2"] * rng.standard_normal(n))
    noise = rng.standard_normal((2, n, BIAS.size))
    return Wafer(nominal, RADIUS * x, RADIUS * y, modelled(LENGTHS, d, a1, b2) + NOISE * (noise[0] + 1j * noise[1]))


def modelled(lengths: dict[str, float], d: np.ndarray, a1: np.ndarray, b2: np.ndarray) -> np.ndarray:
    """Torque of every device, T_par + i T_perp, shape (n, n_bias)."""
    K = kappa(d, *(lengths[name] for name in LENGTHS))
    return K[:, None] * (a1[:, None] * BIAS + 1j * b2[:, None] * BIAS**2)


@dataclass(frozen=True, eq=False)
class Counted(WaferPosterior):
    """Counts its rows of likelihood, each times the number of devices."""

    rows: list[float] = field(default_factory=lambda: [0.0])

    def log_likelihood(self, z: np.ndarray) -> np.ndarray:
        self.rows[0] += np.atleast_2d(z).shape[0] * self.devices.n
        return super().log_likelihood(z)


def model_of(wafer: Wafer) -> Counted:
    """The hierarchical posterior of a wafer."""
    parameters = {name: Parameter(name, prior) for name, prior in PRIORS.items()}
    parameters["thickness"] = Parameter("thickness", Fixed(0.0), "device")
    pieces = [slice(k, k + PIECE) for k in range(0, wafer.nominal.size, PIECE)]
    return Counted(joined([devices_of(wafer, piece, parameters) for piece in pieces]), parameters, HIERARCHY)


def devices_of(wafer: Wafer, piece: slice, parameters: dict[str, Parameter]) -> WaferDevices:
    """Sufficient statistics of some devices, as many as a study takes."""
    sigma = np.full(BIAS.size, NOISE)
    curves = tuple(
        TorqueCurve(f"D{j}", BIAS, T.real, T.imag, d, "torque", "device", "arb", sigma_par=sigma, sigma_perp=sigma)
        for j, (T, d) in enumerate(zip(wafer.T[piece], wafer.nominal[piece], strict=True), piece.start)
    )
    return WaferDevices.of(Study("stack", curves, parameters), wafer.x[piece], wafer.y[piece])


def joined(pieces: list[WaferDevices]) -> WaferDevices:
    """The devices of all pieces, in order."""
    arrays = ("R", "z", "rss", "n", "log_sigma", "fitted")
    data = {name: np.concatenate([getattr(each.data, name) for each in pieces]) for name in arrays}
    places = {name: np.concatenate([getattr(each, name) for each in pieces]) for name in ("thickness", "x", "y")}
    names = {name: sum((getattr(each, name) for each in pieces), ()) for name in ("device", "wafer")}
    return replace(pieces[0], **names, **places, data=replace(pieces[0].data, **data))


def processor_time() -> float:
    """Of this process and of those that it started and that have ended, in seconds."""
    return float(sum(os.times()[:4]))


def per_row(evaluate: object, z: np.ndarray) -> float:
    """Processor time of one row in seconds."""
    evaluate(z[:1])
    begin = time.process_time()
    evaluate(z)
    return (time.process_time() - begin) / len(z)


def measure(n: int, workers: int) -> dict[str, object]:
    """Build, sample, and time single likelihoods at draws of the posterior."""
    import resource

    begin = time.perf_counter()
    model = model_of(drawn(n))
    built = time.perf_counter() - begin
    wall, cpu = time.perf_counter(), processor_time()
    found = sample_stack(model, Sampling(seed=1), progress=False, **({"workers": workers} if workers else {}))
    wall, cpu = time.perf_counter() - wall, processor_time() - cpu
    rows = model.rows[0] / n
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    table = found.summary()
    z = found.z.reshape(-1, model.size)[:: max(1, found.z.size // model.size // EVALUATED)][:EVALUATED]
    quick = per_row(model.log_likelihood, z)
    general = per_row(lambda at: sum(SharedPosterior._log_integrals(model, model.scores.values(at), block)
                                     for block in model.blocks), z)  # fmt: skip
    everywhere = per_row(model.log_likelihood_everywhere, z[:BY_BRUTE_FORCE])
    return {
        "devices": n, "workers": workers or "default", "converged": found.verdict.converged,
        "reasons": "; ".join(found.verdict.reasons), "build_s": built, "wall_s": wall, "cpu_s": cpu, "rows": rows,
        "ms_per_row_and_1000": 1e6 * quick / n, "times_general": general / quick,
        "times_brute_force": everywhere / quick, "peak_MiB": peak,
        "least_ess_of_lengths": float(table.loc[list(LENGTHS), "ess"].min()),
        "sd_of_lambda_J": float(found.draws["lambda_J"].std()),
    }  # fmt: skip


def with_lmfit(n: int) -> dict[str, object]:
    """One global fit of all raw points, processor time included in the wall time."""
    import lmfit

    wafer, parameters = drawn(n), lmfit.Parameters()
    for name, value in LENGTHS.items():
        parameters.add(name, value=value, min=0.01)
    parameters.add("a1", value=1.0)
    parameters.add("b2", value=0.6)
    for j in range(n):
        parameters.add(f"d_{j}", value=wafer.nominal[j], min=0.1)
        parameters.add(f"a1_{j}", value=1.0)
        parameters.add(f"b2_{j}", value=0.6)
    order = list(parameters)
    spread = np.hypot(SCATTER["thickness"], 0.03 * wafer.nominal)  # smooth parts count as scatter

    def residual(values: lmfit.Parameters) -> np.ndarray:
        v = np.array([values[name].value for name in order])
        d, a1, b2 = v[6:].reshape(n, 3).T
        away = (modelled(dict(zip(LENGTHS, v, strict=False)), d, a1, b2) - wafer.T) / NOISE
        about = (d - wafer.nominal) / spread, (a1 / v[4] - 1) / SCATTER["a1"], (b2 / v[5] - 1) / SCATTER["b2"]
        return np.concatenate([away.real.ravel(), away.imag.ravel(), *about])

    begin = time.perf_counter()
    found = lmfit.Minimizer(residual, parameters).leastsq()
    stderr = found.params["lambda_J"].stderr
    return {"lmfit_s": time.perf_counter() - begin, "lmfit_sd_of_lambda_J": np.nan if stderr is None else stderr}


def in_a_process(kind: str, n: int, workers: int, limit: float | None) -> dict[str, object] | None:
    """What a process of its own prints; None if it takes longer than the limit in seconds, or lmfit has no memory."""
    command = [sys.executable, __file__, f"--{kind}", str(n), "--workers", str(workers)]
    try:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=limit)  # noqa: S603
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError:
        if kind == "measure":
            raise
        return None  # the Jacobian of 10 000 devices takes 56 GiB
    return json.loads(done.stdout.splitlines()[-1])


def figure(table: pd.DataFrame) -> None:
    """Wall time and peak memory against the number of devices."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.0), layout="constrained")
    left.plot(table.devices, table.wall_s, "o-", color="#0072b2", label="mtjfit, posterior")
    done = table[table.lmfit_s.notna()]
    left.plot(done.devices, done.lmfit_s, "s--", color="#d55e00", label="lmfit, best fit only")
    late = table[table.lmfit_s.isna()]
    left.plot(late.devices, late.lmfit_limit_s, "^", color="#d55e00", fillstyle="none", label="lmfit, not done by then")
    left.set(xscale="log", yscale="log", xlabel="Devices", ylabel="Wall time (s)")
    left.legend(frameon=False)
    right.plot(table.devices, table.peak_MiB, "o-", color="#0072b2", label="process and largest worker")
    right.set(xscale="log", xlabel="Devices", ylabel="Peak memory (MiB)", ylim=(0, 1.1 * table.peak_MiB.max()))
    right.legend(frameon=False, loc="lower right")
    for axes in (left, right):
        axes.set_xticks(table.devices, [f"{n:,}".replace(",", " ") for n in table.devices])
        axes.minorticks_off()
    seconds = [s for s in (10, 20, 50, 100, 200, 500, 1000, 2000) if left.get_ylim()[0] <= s <= left.get_ylim()[1]]
    left.set_yticks(seconds, [str(s) for s in seconds])
    fig.savefig(HERE / "stack.png", dpi=200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for lmfit")
    parser.add_argument("--workers", type=int, default=0, help="processes of sample_stack; 0: as it chooses")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lmfit", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure or asked.lmfit:
        print(json.dumps(measure(asked.measure, asked.workers) if asked.measure else with_lmfit(asked.lmfit)))
        return
    found = []
    for n in asked.sizes:
        one = in_a_process("measure", n, asked.workers, None)
        print(one, flush=True)  # it is not lost if the other fails
        other = in_a_process("lmfit", n, 0, asked.limit) or {"lmfit_s": np.nan, "lmfit_sd_of_lambda_J": np.nan}
        found.append({**one, **other, "lmfit_limit_s": asked.limit})
        said = f"{other['lmfit_s']:.1f} s" if np.isfinite(other["lmfit_s"]) else f"not done within {asked.limit:g} s"
        print(found[-1], f"lmfit: {said}", flush=True)
    table = pd.DataFrame(found)
    kept = HERE / "stack.csv"
    if kept.exists():
        before = pd.read_csv(kept)
        table = pd.concat([table, before[~before.devices.isin(asked.sizes)]]).sort_values("devices")
    table.to_csv(kept, index=False, float_format="%.4g")
    figure(table)
    print(table.to_string(index=False, float_format="%.4g"))


if __name__ == "__main__":
    main()
