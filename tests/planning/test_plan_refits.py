"""The proof of planning: a sixth device is grown where the plan says, simulated, and fitted with the others."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

import mtjfit
from mtjfit.infer import simulated
from mtjfit.planning import Plan, plan
from mtjfit.study import Study

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
AIMS = ("lambda_phi", "lambda_J", "lambda_sf_N", "everything")
N = 20
THICKNESS_SD = 0.05


def scattered(centre: float, width: float, rng: np.random.Generator) -> float:
    return float(centre * np.exp(width * rng.standard_normal()))


def grown(study: Study, found: Plan, truth: dict[str, float], rng: np.random.Generator) -> Study:
    """The study with the planned device, as it came out of the machine."""
    new = found.best.measurements[0].curve()
    truth = {**truth, f"thickness[{new.device}]": new.thickness + THICKNESS_SD * rng.standard_normal()}
    with_new = simulated(study.replace(curves=(*study.curves, new)), truth, rng)
    return study.replace(curves=(*study.curves, with_new.curves[-1]))


def one(k: int) -> dict[str, object]:
    """Expected and actual standard deviations of the logarithms of all lengths, for one truth."""
    rng = np.random.default_rng([20, k])
    design = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    design = design.replace(sampling=replace(design.sampling, target_ess=1000))
    truth = {
        "lambda_J": scattered(1.0, 0.35, rng), "lambda_phi": scattered(1.0, 0.35, rng),
        "lambda_sf_F": scattered(10.0, 0.4, rng), "lambda_sf_N": scattered(1.0, 0.4, rng), "a1": 0.13, "b2": 0.08,
    }  # fmt: skip
    truth |= {f"thickness[{c.device}]": c.thickness + THICKNESS_SD * rng.standard_normal() for c in design.curves}
    study = simulated(design, truth, rng)
    before = mtjfit.sample(study, seed=k, progress=False)
    grid = [round(0.6 + 0.1 * i, 1) for i in range(50)]
    found = plan(study, grid, target=AIMS[k % len(AIMS)], posterior=before, progress=False)
    after = mtjfit.sample(grown(study, found, truth, rng), seed=100 + k, progress=False)
    assert after.verdict.converged
    row: dict[str, object] = {"device": found.best.name}
    for name in LENGTHS:
        row[f"{name} now"] = found.parameters.now[name]
        row[f"{name} expected"] = found.parameters.after[name]
        row[f"{name} actual"] = float(np.log(after.draws[name]).std())
    return row


@cache
def refits() -> pd.DataFrame:
    return pd.DataFrame([one(k) for k in range(N)])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", LENGTHS)
def test_a_planned_sixth_device_lowers_the_error_as_expected(name: str) -> None:
    """Within 25 % on average over 20 studies, and within 5 % for the two lengths whose posteriors are near normal.

    Single studies scatter by 6 to 20 %: the new device's own noise moves the posterior that it makes.
    """
    table = refits()
    ratio = table[f"{name} expected"] / table[f"{name} actual"]
    print(f"{name}: expected/actual {ratio.mean():.3f} ± {ratio.std():.3f}, {ratio.min():.2f} to {ratio.max():.2f}")  # noqa: T201
    assert abs(ratio.mean() - 1) < (0.05 if name in ("lambda_J", "lambda_phi") else 0.25)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["lambda_J", "lambda_phi", "lambda_sf_N"])
def test_sabotage_expecting_nothing_of_the_device_is_worse_than_the_plan(name: str) -> None:
    table = refits()
    actual = np.log(table[f"{name} actual"])
    by_plan, by_nothing = (np.log(table[f"{name} {key}"]) - actual for key in ("expected", "now"))
    assert np.abs(by_nothing.mean()) > 3 * np.abs(by_plan.mean())
    assert np.sqrt(np.mean(by_nothing**2)) > 1.5 * np.sqrt(np.mean(by_plan**2))
