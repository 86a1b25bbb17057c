"""The same simulated series fitted with lmfit, refnx, bumps and mtjfit: intervals, coverage, and open ends.

    pip install lmfit refnx bumps
    python benchmarks/programs.py [SERIES]

All four get the same formula, the same priors where they take priors, and logarithms of the lengths as coordinates.
Truths are drawn from the priors, so that 90 % intervals must hold the truth in 90 % of the series. Writes programs.csv
after each series, with the seconds of one processor that a series takes.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmfit
import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.stats import norm

import mtjfit
from mtjfit.data import Origin, TorqueCurve
from mtjfit.physics import kappa
from mtjfit.study import Fixed, LogNormal, Normal, Parameter, Study

HERE = Path(__file__).resolve().parent
THICKNESSES, BIAS, SIGMA = (0.8, 1.2, 2.0, 3.0, 4.0), np.linspace(-0.5, 0.5, 11), 0.0026
LENGTHS = {"lambda_J": (1.5, 2.0), "lambda_phi": (1.5, 2.5), "lambda_sf_F": (10.0, 2.0), "Lambda": (1.0, 3.0)}
AMPLITUDES = {"a1": (0.13, 0.03), "b2": (0.08, 0.03)}
NAMES = (*LENGTHS, *AMPLITUDES)
MEAN = np.array([*(np.log(m) for m, _ in LENGTHS.values()), *(m for m, _ in AMPLITUDES.values())])
SD = np.array([*(np.log(f) for _, f in LENGTHS.values()), *(s for _, s in AMPLITUDES.values())])
FARTHEST = np.log(1e3)  # ln nm; bounds of least squares are a factor of a thousand about 1 nm
D = np.array(THICKNESSES)
Interval = tuple[float, float]


@dataclass(frozen=True)
class Said:
    """90 % intervals of a program, in its coordinates, and the lengths of which it says itself that one end is open."""

    intervals: Mapping[str, Interval]
    open: frozenset[str]
    converged: bool = True  # unless the program says otherwise


def model(p: np.ndarray) -> np.ndarray:
    """Both components of the torkance of all devices, Eq. 12, in logarithms of the lengths."""
    lambda_J, lambda_phi, lambda_sf_F, Lambda = np.exp(p[:4])
    q0 = -1j / lambda_J**2 + 1 / lambda_phi**2
    q = np.sqrt(q0 + 1 / lambda_sf_F**2)
    u = np.tanh(q * D / 2) / q
    transfer = 2 * q0 * u * (u + Lambda) / (1 + q**2 * u * (u + 2 * Lambda))
    T = np.multiply.outer(transfer, p[4] + 2j * p[5] * BIAS).ravel()
    return np.concatenate([T.real, T.imag])


def unbounded(y: np.ndarray) -> bool:
    """Whether χ² with λ_sf^F = 1000 nm is within 2.71 of the least: no upper limit at 95 %, one-sided."""

    def chi2(held: float | None) -> float:
        def residuals(q: np.ndarray) -> np.ndarray:
            return (model(q if held is None else np.insert(q, 2, held)) - y) / SIGMA

        start = MEAN if held is None else np.delete(MEAN, 2)
        scale = SD if held is None else np.delete(SD, 2)
        others = start + 0.7 * scale * np.random.default_rng(1).standard_normal((3, start.size))
        return min(2 * least_squares(residuals, each).cost for each in (start, *others))

    return chi2(FARTHEST) - chi2(None) < 2.71


def with_lmfit(y: np.ndarray, profile: bool) -> Said:
    """Least squares from the medians; intervals from the covariance, or by `conf_interval`."""
    parameters = lmfit.Parameters()
    for name, mean in zip(NAMES, MEAN, strict=True):
        ends = {"min": -FARTHEST, "max": FARTHEST} if name in LENGTHS else {}
        parameters.add(name, mean, **ends)
    fitter = lmfit.Minimizer(lambda p: (model(np.array([p[n].value for n in NAMES])) - y) / SIGMA, parameters,
                             scale_covar=False)  # fmt: skip
    result = fitter.minimize()
    z = norm.ppf(0.95)
    if not profile:
        errors = {n: result.params[n].stderr for n in NAMES}
        known = {n: e for n, e in errors.items() if e is not None and np.isfinite(e)}
        found = {n: (result.params[n].value - z * e, result.params[n].value + z * e) for n, e in known.items()}
        # An error of a factor of 2.7 and more tells any reader that the length is not known.
        return Said(found, frozenset(n for n in NAMES if n not in known or (n in LENGTHS and known[n] > 1)))
    try:
        ends = lmfit.conf_interval(fitter, result, sigmas=[0.9])
    except (lmfit.MinimizerException, ValueError):
        return Said({}, frozenset(NAMES))  # it says that errors cannot be found
    found = {n: (ends[n][0][1], ends[n][-1][1]) for n in NAMES}
    return Said(found, frozenset(n for n, (low, high) in found.items() if not np.isfinite([low, high]).all()))


def with_refnx(y: np.ndarray) -> Said:
    """The ensemble sampler of refnx, 40 walkers from its best fit; priors as `logp_extra`, which is the fastest way."""
    from refnx.analysis import CurveFitter, Model, Objective, Parameters
    from refnx.analysis import Parameter as Free
    from refnx.dataset import Data1D

    ends = [(m - 8 * s, m + 8 * s) for m, s in zip(MEAN, SD, strict=True)]
    free = [Free(m, n, bounds=each, vary=True) for n, m, each in zip(NAMES, MEAN, ends, strict=True)]

    def values() -> np.ndarray:
        return np.array([each.value for each in free])

    x = np.arange(y.size, dtype=float)
    curve = Model(Parameters(free), lambda x, p: model(values()))
    data = Data1D((x, y, np.full(y.size, SIGMA)))
    objective = Objective(curve, data, logp_extra=lambda *_: float(-0.5 * np.sum(((values() - MEAN) / SD) ** 2)))
    fitter = CurveFitter(objective, nwalkers=40)
    fitter.fit("least_squares")
    fitter.initialise("covar", random_state=1)
    fitter.sample(250, random_state=2, pool=1, verbose=False)
    fitter.reset()
    fitter.sample(400, random_state=3, pool=1, verbose=False)
    return Said(_quantiles(fitter.chain.reshape(-1, len(NAMES))), frozenset())


def with_bumps(y: np.ndarray) -> Said:
    """DREAM of bumps from its Levenberg-Marquardt fit, ten chains for each parameter."""
    from bumps.curve import Curve
    from bumps.fitproblem import FitProblem
    from bumps.fitters import fit

    def curve(x: np.ndarray, lambda_J=0.0, lambda_phi=0.0, lambda_sf_F=0.0, Lambda=0.0, a1=0.1, b2=0.1) -> np.ndarray:
        return model(np.array([lambda_J, lambda_phi, lambda_sf_F, Lambda, a1, b2]))

    measured = Curve(curve, np.arange(y.size, dtype=float), y, np.full(y.size, SIGMA))
    for name, mean, sd in zip(NAMES, MEAN, SD, strict=True):
        getattr(measured, name).dev(sd, mean=mean)
    np.random.seed(4)  # noqa: NPY002 - what bumps draws from
    problem = FitProblem(measured)
    fit(problem, method="lm", verbose=False)
    result = fit(problem, method="dream", samples=10000, burn=300, verbose=False)
    draws = result.state.draw()
    columns = [list(draws.labels).index(name) for name in NAMES]
    return Said(_quantiles(draws.points[:, columns]), frozenset())


def with_mtjfit(y: np.ndarray) -> Said:
    half, n = y.size // 2, BIAS.size
    sigma = np.full(n, SIGMA)
    curves = tuple(
        TorqueCurve(f"F{d}nm", BIAS, y[k * n : (k + 1) * n], y[half + k * n : half + (k + 1) * n], d, "torkance",
                    "device", sigma_par=sigma, sigma_perp=sigma, origin=Origin("simulated", "benchmark"))
        for k, d in enumerate(THICKNESSES)
    )  # fmt: skip
    priors: dict[str, Any] = {name: LogNormal(*each) for name, each in LENGTHS.items()}
    priors |= {name: Normal(*each) for name, each in AMPLITUDES.items()}
    parameters = {name: Parameter(name, prior) for name, prior in priors.items()}
    parameters["thickness"] = Parameter("thickness", Fixed(0.0), "device")
    posterior = mtjfit.sample(Study("benchmark", curves, parameters), seed=1, progress=False)
    table = posterior.summary()
    logs = {n: np.log(posterior.draws[n]) if n in LENGTHS else posterior.draws[n] for n in NAMES}
    draws = np.column_stack([logs[n] for n in NAMES])
    open_ends = frozenset(n for n in NAMES if table.determined[n] != "yes")
    return Said(_quantiles(draws), open_ends, posterior.verdict.converged)


def _quantiles(draws: np.ndarray) -> dict[str, Interval]:
    return {n: tuple(np.quantile(draws[:, k], [0.05, 0.95])) for k, n in enumerate(NAMES)}


PROGRAMS: dict[str, Callable[[np.ndarray], Said]] = {
    "lmfit, covariance": lambda y: with_lmfit(y, profile=False),
    "lmfit, conf_interval": lambda y: with_lmfit(y, profile=True),
    "refnx": with_refnx,
    "bumps": with_bumps,
    "mtjfit": with_mtjfit,
}


def main(n: int) -> None:
    reference = kappa(D, 1.0, 1.5, 10.0, 1.0) * 0.13
    assert np.allclose(model(np.array([*np.log([1.0, 1.5, 10.0, 1.0]), 0.13, 0.0])).reshape(2, 5, -1)[0, :, 0],
                       reference.real)  # fmt: skip
    rows: list[dict[str, Any]] = []
    for k in range(n):
        rng = np.random.default_rng([20261202, k])
        truth = MEAN + SD * rng.standard_normal(SD.size)
        y = model(truth)
        y = y + SIGMA * rng.standard_normal(y.size)
        no_limit = unbounded(y)
        for program, run in PROGRAMS.items():
            start = time.process_time()
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                said = run(y)
            failed = not said.converged or any("converge" in str(each.message) for each in warned)
            seconds = time.process_time() - start
            given = {name: said.intervals.get(name, (np.nan, np.nan)) for name in NAMES}
            hit = {name: low <= x <= high for (name, (low, high)), x in zip(given.items(), truth, strict=True)}
            rows.append({
                "program": program, "series": 1, "failed": failed, "seconds": seconds, "no limit": no_limit,
                "no limit, said": no_limit and "lambda_sf_F" in said.open,
                "limit, denied": not no_limit and "lambda_sf_F" in said.open,
                **{f"{name} given": bool(np.isfinite(given[name]).any()) for name in NAMES},
                **{f"{name} held": hit[name] for name in NAMES},
            })  # fmt: skip
        write(pd.DataFrame(rows))
        print(f"series {k + 1} of {n}", file=sys.stderr, flush=True)


def write(every: pd.DataFrame) -> None:
    """Counts over the series so far."""
    sums = every.groupby("program", sort=False).sum()
    table = pd.DataFrame({"program": sums.index})
    for name in NAMES:
        counts = zip(sums[f"{name} held"], sums[f"{name} given"], strict=True)
        table[name] = [f"{held:.0f} of {given:.0f}" for held, given in counts]
    counts = zip(sums["no limit, said"], sums["no limit"], strict=True)
    table["open end said"] = [f"{said:.0f} of {of:.0f}" for said, of in counts]
    counts = zip(sums["limit, denied"], sums["series"] - sums["no limit"], strict=True)
    table["closed end denied"] = [f"{said:.0f} of {of:.0f}" for said, of in counts]
    table["not converged, said"] = [f"{failed:.0f}" for failed in sums["failed"]]
    table["seconds"] = [f"{each:.2g}" for each in sums["seconds"] / sums["series"]]
    table.to_csv(HERE / "programs.csv", index=False)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
