"""Effective draws per second on the bundled thickness series: mtjfit against what one would otherwise use.

    python benchmarks/sampling.py [--seconds 60]

Same data, same priors, one core, one run. The competitors start from draws of the posterior itself, which costs them
nothing and spares them their warm-up; the time of mtjfit includes annealing, warm-up, the gate and drawing back.
ESS is the smallest bulk ESS of any length or shared amplitude, computed by the same function for all.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import emcee
import lmfit
import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from posteriors import PlainPosterior, bundled

import mtjfit
from mtjfit.infer.convergence.diagnostics import ess_bulk

HERE = Path(__file__).resolve().parent
WALKERS = 44  # four for each of the eleven parameters


@dataclass(frozen=True)
class Result:
    """What one competitor reached."""

    name: str
    dimension: int
    seconds: float
    ess: float


def smallest_ess(chain: np.ndarray) -> float:
    """Smallest bulk ESS of the six shared parameters, for a chain (steps, walkers, parameters)."""
    return min(ess_bulk(chain[:, :, k].T) for k in range(6))


def with_mtjfit(seed: int) -> tuple[Result, dict[str, np.ndarray]]:
    start = time.perf_counter()
    posterior = mtjfit.sample(bundled(), seed=seed, progress=False)
    seconds = time.perf_counter() - start
    if not posterior.verdict.converged:
        raise SystemExit(f"mtjfit did not converge:\n{posterior.verdict}")
    names = PlainPosterior(bundled()).names[:6]
    table = posterior.summary()
    draws = posterior.draws.sample(frac=1, random_state=seed)
    size = len(posterior.verdict.tau)
    return Result("mtjfit.sample", size, seconds, float(table.loc[list(names), "ess"].min())), {
        name: draws[name].to_numpy() for name in draws
    }


def timed(run: Callable[[int], np.ndarray], first: int, seconds: float) -> tuple[float, np.ndarray]:
    """Run long enough to fill about `seconds`, judged by a short run before."""
    start = time.perf_counter()
    run(first)
    each = (time.perf_counter() - start) / first
    steps = max(first, int(seconds / each))
    start = time.perf_counter()
    chain = run(steps)
    return time.perf_counter() - start, chain


def with_lmfit(plain: PlainPosterior, p0: np.ndarray, seconds: float) -> Result:
    """lmfit.Minimizer.emcee, one walker at a time, its objective the log posterior."""
    parameters = lmfit.Parameters()
    for k in range(len(plain.names)):
        parameters.add(f"x{k}", value=float(p0[0, k]))

    def objective(values: lmfit.Parameters) -> float:
        found = plain.log_posterior(np.array([values[f"x{k}"].value for k in range(len(plain.names))]))[0]
        return float(max(found, -1e300))  # lmfit takes −∞, outside of a prior, for a mistake in the data

    def run(steps: int) -> np.ndarray:
        minimizer = lmfit.Minimizer(objective, parameters)
        found = minimizer.emcee(
            steps=steps, nwalkers=WALKERS, pos=p0, float_behavior="posterior", progress=False, run_mcmc_kwargs={}
        )
        return np.asarray(found.chain)

    spent, chain = timed(run, 20, seconds)
    return Result("lmfit.Minimizer.emcee", len(plain.names), spent, smallest_ess(chain))


def with_emcee(plain: PlainPosterior, p0: np.ndarray, seconds: float, *, vectorize: bool) -> Result:
    """emcee with its default move, called for one walker or for all at once."""

    def log_posterior(theta: np.ndarray) -> np.ndarray | float:
        found = plain.log_posterior(theta)
        return found if vectorize else float(found[0])

    def run(steps: int) -> np.ndarray:
        sampler = emcee.EnsembleSampler(WALKERS, p0.shape[1], log_posterior, vectorize=vectorize)
        sampler.run_mcmc(p0, steps)
        return np.asarray(sampler.get_chain())

    spent, chain = timed(run, 20, seconds)
    name = "emcee, vectorised" if vectorize else "emcee, one walker at a time"
    return Result(f"{name}, nothing marginalised", len(plain.names), spent, smallest_ess(chain))


def with_dynesty(plain: PlainPosterior, seed: int) -> Result | None:
    """Nested sampling of all parameters; its ESS is that of its weights. None where dynesty is not installed."""
    try:
        import dynesty
    except ImportError:
        return None

    def log_likelihood(theta: np.ndarray) -> float:
        return float(plain.log_likelihood(theta[None])[0])

    start = time.perf_counter()
    sampler = dynesty.NestedSampler(
        log_likelihood, plain.from_unit_cube, len(plain.names), nlive=400, rstate=np.random.default_rng(seed)
    )
    sampler.run_nested(print_progress=False, dlogz=0.1)
    weights = sampler.results.importance_weights()
    seconds = time.perf_counter() - start
    return Result("dynesty, nothing marginalised", len(plain.names), seconds, float(1 / np.sum(weights**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each competitor")
    seconds = parser.parse_args().seconds
    plain = PlainPosterior(bundled())
    with_mtjfit(seed=1)  # imports and caches
    ours = [with_mtjfit(seed=seed) for seed in (1, 2, 3)]
    p0 = plain.start(WALKERS, ours[0][1])
    results = [result for result, _ in ours]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the competitors, about chains that are too short
        results.append(with_emcee(plain, p0, seconds, vectorize=True))
        results.append(with_emcee(plain, p0, seconds, vectorize=False))
        results.append(with_lmfit(plain, p0, seconds))
        nested = with_dynesty(plain, seed=1)
    table = pd.DataFrame(results + ([nested] if nested else []))
    table["ess_per_second"] = table["ess"] / table["seconds"]
    named = table.loc[table["name"] == "lmfit.Minimizer.emcee", "ess_per_second"].iloc[0]
    table["times_lmfit"] = table["ess_per_second"] / named
    table.to_csv(HERE / "sampling.csv", index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="%.4g"))
    drawn(table, len(plain.names))


def drawn(table: pd.DataFrame, n_parameters: int) -> None:
    """ESS per second of each competitor in ratio to lmfit, on a logarithmic axis; the median of runs of one name."""
    ratio = table.groupby("name", sort=False)["times_lmfit"].median().sort_values()
    figure, axes = plt.subplots(figsize=(7.2, 2.6), layout="constrained")
    colours = ["#0072B2" if name == "mtjfit.sample" else "#999999" for name in ratio.index]
    axes.barh(np.arange(ratio.size), ratio.to_numpy(), color=colours)
    axes.set(
        xscale="log", xlim=(0.3, 3 * ratio.max()), yticks=np.arange(ratio.size), yticklabels=ratio.index,
        xlabel="effective draws per second, ratio to lmfit",
    )  # fmt: skip
    for k, value in enumerate(ratio):
        axes.annotate(
            f"{value:.0f}" if value > 100 else f"{value:.2g}",
            (value, k),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Bundled thickness series, {n_parameters} parameters, one core, one run", fontsize=10)
    figure.savefig(HERE / "sampling.png", dpi=150)


if __name__ == "__main__":
    main()
