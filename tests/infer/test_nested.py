"""Nested sampling is judged: right draws pass, draws that miss a mode do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_targets import BANANA, TWO_MODES, Known

from mtjfit.infer import Chains, Evidence, explore_posterior
from mtjfit.infer.convergence.crosscheck import cross_check
from mtjfit.infer.nested import judged_draws, nested_draws

SHARE = 0.7  # of the mode that is not missed


def exact(target: Known) -> Evidence:
    return Evidence(target.log_evidence, 0.01, "nested")


def independent(target: Known, *, only_above_zero: bool = False) -> Chains:
    """Four runs of 500 exact draws."""
    draws = target.draws(4000, np.random.default_rng(1))
    kept = draws[draws[:, 0] > 0] if only_above_zero else draws
    return target.as_chains(kept[:2000].reshape(4, 125, 4, target.size))


@pytest.mark.parametrize("target", [BANANA, TWO_MODES], ids=["banana", "two modes"])
def test_right_draws_pass(target: Known) -> None:
    """False alarms: 1e-4 by the second method, and about 2 % by "steady" of the gate; the seed is fixed."""
    evidence = exact(target)
    found = judged_draws(target, independent(target), evidence, seed=1, target_ess=1000)
    assert found.verdict.converged, found.verdict.reasons
    assert found.evidence is evidence


def test_a_mode_that_every_run_missed_is_noticed_by_what_the_draws_do_not_reach() -> None:
    chains = independent(TWO_MODES, only_above_zero=True)
    found = judged_draws(TWO_MODES, chains, exact(TWO_MODES), seed=1, target_ess=1000)
    assert [check.name for check in found.verdict.checks if not check.ok] == ["second method"]
    assert "% of the mass lies where the run hardly goes" in found.verdict.reasons[0]
    assert found.evidence is None


@pytest.mark.slow
def test_sabotage_a_proposal_lent_by_the_second_method_reaches_everything() -> None:
    chains = independent(TWO_MODES, only_above_zero=True)
    second = explore_posterior(TWO_MODES, 2, np.random.default_rng(1))
    assert second.jump is not None
    assert "hardly goes" not in cross_check(chains, second.jump, exact(TWO_MODES), second).says


@pytest.mark.slow  # minutes of dynesty
@pytest.mark.timeout(1800)
def test_runs_of_dynesty_are_right_where_they_were_and_noticed_for_the_mode_they_missed() -> None:
    """One mode has `SHARE` of the evidence; its ln Z within 4 errors, 6e-5 by chance of normal ones."""
    pytest.importorskip("dynesty")

    def one_mode(z: np.ndarray) -> np.ndarray:
        return np.where(z[:, 0] > 0, TWO_MODES.log_likelihood(z), z[:, 0] - 1e3)

    target = replace(TWO_MODES, log_likelihood=one_mode, log_evidence=TWO_MODES.log_evidence + float(np.log(SHARE)))
    chains, evidence = nested_draws(target, ("a", "b"), seed=2, target_ess=1000, n_runs=4, progress=False)
    assert abs(evidence.value - target.log_evidence) < 4 * evidence.error
    assert evidence.error < 0.15  # runs of 400 points scatter by √(H/400) = 0.1 and more, halved in the mean of four
    right = judged_draws(target, chains, evidence, seed=2, target_ess=1000)
    assert right.verdict.converged, right.verdict.reasons
    wrong = judged_draws(TWO_MODES, chains, evidence, seed=2, target_ess=1000)
    assert "% of the mass lies where the run hardly goes" in wrong.verdict.reasons[0]
