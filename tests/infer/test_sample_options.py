"""What `mtjfit.sample` can be asked for: generators, draws, moves, another method, a look at its progress."""

from __future__ import annotations

from typing import Any

import emcee
import numpy as np
import pytest
from model_studies import simulated

import mtjfit
from mtjfit.errors import ConfigError
from mtjfit.infer import Effort, Evidence, Pace, Verdict
from mtjfit.study import LogNormal, Sampling, Study

QUICK = Pace(effort=Effort(particles=10, fewest=500))
SMOOTH = {
    "lambda_J": LogNormal(1.5, 2.5), "lambda_phi": LogNormal(1.5, 2.5), "lambda_sf_F": LogNormal(10.0, 2.0),
    "lambda_sf_N": LogNormal(3.0, 4.0),
}  # fmt: skip


def three() -> Study:
    return simulated(**({"d": (1.0, 2.0, 3.5), "noise": 0.05, "n_bias": 21, "seed": 3} | SMOOTH))


def drawn(**options: Any) -> mtjfit.Posterior:
    return mtjfit.sample(three(), progress=False, pace=QUICK, target_ess=500, **options)


@pytest.mark.slow
def test_a_generator_gives_a_seed_that_repeats_the_run() -> None:
    one = drawn(rng=np.random.default_rng(3))
    assert np.array_equal(one.chain, drawn(rng=3).chain)
    assert np.array_equal(one.chain, drawn(seed=one.settings["seed"]).chain)
    assert not np.array_equal(one.chain[:, :5], drawn(rng=4).chain[:, :5])


@pytest.mark.slow
def test_the_number_of_draws_stands_in_the_study_of_the_posterior() -> None:
    assert drawn(seed=1).study.sampling.target_ess == 500


@pytest.mark.parametrize(("options", "error", "says"), [
    ({"seed": np.random.default_rng(1)}, TypeError, "a generator as rng="),
    ({"seed": True}, TypeError, "whole number"),
    ({"seed": -1}, ValueError, "from 0 on"),
    ({"seed": 1, "rng": 1}, ValueError, "not both"),
    ({"target_ess": 1}, ConfigError, "target_ess"),
    ({"method": "hmc"}, ValueError, "'emcee' or 'nested'"),
    ({"method": "nested", "moves": [emcee.moves.DEMove()], "callback": print}, ValueError, "moves, callback"),
    ({"method": "nested", "pace": QUICK}, ValueError, "nested sampling has no pace: leave out"),
    ({"journal": "run", "moves": [emcee.moves.DEMove()]}, ValueError, "cannot be resumed"),
    ({"moves": [(emcee.moves.DESnookerMove(), 0.1)]}, ValueError, "lacks a square"),
])  # fmt: skip
def test_options_that_cannot_be_are_refused(options: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        mtjfit.sample(three(), progress=False, **options)


@pytest.mark.slow  # a minute: nothing proposes jumps
def test_moves_of_ones_own_sample_the_same_posterior() -> None:
    """Medians within 5 errors of 500 effective draws each; false alarm below 1e-5 in all."""
    usual, own = drawn(seed=1), drawn(seed=2, moves=[(emcee.moves.DEMove(), 0.8), emcee.moves.StretchMove()])
    assert own.verdict.converged
    for name in ("lambda_J", "lambda_phi", "a1", "b2"):
        a, b = np.log(usual.draws[name]), np.log(own.draws[name])
        assert abs(a.median() - b.median()) < 5 * 1.25 * a.std() * np.sqrt(2 / 500)
    assert not np.array_equal(usual.chain[:, :5], own.chain[:, :5])


def test_a_callback_sees_every_verdict_and_may_end_the_run() -> None:
    seen: list[tuple[int, Verdict]] = []
    limited = three().replace(sampling=Sampling(max_steps=1000))  # a third look, were the answer ignored
    found = mtjfit.sample(
        limited, seed=1, progress=False, pace=QUICK, target_ess=1_000_000,
        callback=lambda steps, verdict: seen.append((steps, verdict)) or len(seen) == 2,
    )  # fmt: skip
    assert 0 < seen[0][0] < seen[1][0] < 1000
    assert len(seen) == 2
    assert not found.verdict.converged
    assert seen[-1][1].reasons[0] in found.verdict.reasons


@pytest.mark.slow  # up to a quarter of an hour of dynesty
@pytest.mark.timeout(1800)
def test_nested_sampling_comes_back_as_a_posterior() -> None:
    """Against ensembles: ln Z within 4 errors, medians within 5 errors of 200 effective draws."""
    pytest.importorskip("dynesty")
    usual = drawn(seed=1)
    nested = mtjfit.sample(three(), seed=1, progress=False, target_ess=200, method="nested")
    assert nested.verdict.converged
    assert isinstance(nested.evidence, Evidence)
    assert isinstance(usual.evidence, Evidence)
    assert nested.evidence.method == "nested"
    assert abs(nested.evidence.value - usual.evidence.value) < 4 * nested.evidence.error
    for name in ("lambda_J", "lambda_phi", "a1", "b2"):
        a, b = np.log(usual.draws[name]), np.log(nested.draws[name])
        assert abs(a.median() - b.median()) < 5 * 1.25 * a.std() / np.sqrt(150)
