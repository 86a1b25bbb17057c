"""Simulation-based calibration of the posterior of a stack: 100 wafers of 100 devices, and models that are wrong.

The wafers take long: `stack_calibration.py` samples them in pieces into a folder that MTJFIT_STACK_CALIBRATION names.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from stack_calibration import CASES, N_DRAWS, Ranked, kept, ranked, wafer
from stack_designs import model_of

from mtjfit.wafer import WaferPosterior

calibration = pytest.importorskip("mtjfit.calibration.ranks", reason="mtjfit/calibration was deleted")

WAFERS, OF_WRONG_MODELS = 100, 30
ALARM = 1e-4
"""Of each of two tests of 13 quantities: a right sampler fails for one choice of seeds in 400 or more."""


def p_values(found: list[Ranked]) -> dict[str, float]:
    """The smaller of both tests of uniform ranks, by quantity."""
    test = calibration.EcdfTest(len(found), N_DRAWS)
    by_name = {name: [one.ranks[name] for one in found] for name in found[0].ranks}
    return {name: min(test.p_value(each), calibration.chi2_p(each, N_DRAWS)) for name, each in by_name.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("MTJFIT_STACK_CALIBRATION")
    return Path(given) if given else tmp_path_factory.mktemp("ranks")


@pytest.mark.slow
@pytest.mark.timeout(14400)
def test_truths_of_a_hundred_wafers_rank_uniformly(folder: Path) -> None:
    """Lengths, shared amplitudes, scatter, smooth coefficients and ln L; of wafers that converged, 95 % at least."""
    found = [kept(folder, seed, "as-declared") for seed in range(WAFERS)]
    good = [one for one in found if one.converged]
    assert len(good) >= 0.95 * WAFERS, [one.says for one in found if not one.converged]
    assert len(good[0].ranks) == 13
    assert {name: p for name, p in p_values(good).items() if p < ALARM} == {}


@pytest.mark.slow
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("case", [name for name in CASES if name != "as-declared"])
def test_sabotage_a_wrong_model_is_noticed(folder: Path, case: str) -> None:
    found = [kept(folder, seed, case) for seed in range(OF_WRONG_MODELS)]
    assert min(p_values(found).values()) < ALARM


# the machinery, with draws about the prior in place of the sampler: truths are drawn from the prior, too


def from_prior(width: float) -> Any:
    """A sampler of draws from a normal distribution `width` times as wide as the prior."""

    def sample(model: WaferPosterior, wish: Any, **_: object) -> Any:
        z = width * np.random.default_rng([wish.seed, 5]).standard_normal((4, 6, 10, model.size))
        return SimpleNamespace(model=model, z=z, verdict=SimpleNamespace(converged=True, reasons=()))

    return sample


def without_likelihood(width: float) -> dict[str, float]:
    found = p_values([ranked(seed, "as-declared", 2, from_prior(width)) for seed in range(60)])
    del found["log_likelihood"]  # truths have more of it than draws of the prior
    return found


@pytest.mark.slow
def test_draws_of_the_prior_rank_uniformly() -> None:
    assert min(without_likelihood(1.0).values()) > ALARM


@pytest.mark.slow
@pytest.mark.parametrize("width", [0.4, 2.5])
def test_sabotage_draws_of_another_width_do_not(width: float) -> None:
    assert min(without_likelihood(width).values()) < ALARM


def test_the_likelihood_tells_a_posterior_from_the_prior() -> None:
    """Ranks of parameters alone would pass a sampler that never saw the data."""
    found = p_values([ranked(seed, "as-declared", 2, from_prior(1.0)) for seed in range(20)])
    assert found["log_likelihood"] < ALARM


def test_a_wafer_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def once(seed: int, case: str) -> Ranked:
        made.append(seed)
        return Ranked(True, {"a1": 3}, 1.0, "")

    monkeypatch.setattr("stack_calibration.ranked", once)
    assert kept(tmp_path / "new", 4, "no-scatter") == kept(tmp_path / "new", 4, "no-scatter")
    assert made == [4]
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_wrong_models_are_wrong_in_what_they_say() -> None:
    stack = wafer(0, 3)
    right, errors, scatter = (model_of(stack, **how) for how in CASES.values())
    assert errors.names == right.names
    gone = set(right.names) - set(scatter.names)
    assert gone == {"scatter_a1", "scatter_b2", "thickness_scatter"}
    z = np.zeros((1, right.size))
    assert abs(errors.log_likelihood(z)[0] - right.log_likelihood(z)[0]) > 1
