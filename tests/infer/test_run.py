"""What ends a run: the gate, a second method, or the steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from journal_runs import PACE, Bell
from terminals import Terminal

import mtjfit
from mtjfit.errors import MtjfitError
from mtjfit.infer import Check, Exploration, Run, Stream, Verdict, judge, run_ensembles, stream
from mtjfit.infer.ensembles.ensemble import ChainBlock, History, Stage, initial_stage
from mtjfit.infer.ensembles.run import refit_is_due
from mtjfit.study import Fixed


def run(max_steps: int = 3000, **parts: object) -> Run:
    parts = {"pace": replace(PACE, first_refit=10_000), "progress": False} | parts
    return run_ensembles(Bell(), ("x", "y"), seed=5, target_ess=200, n_walkers=8, max_steps=max_steps, **parts)


def test_a_run_goes_on_while_a_second_method_disagrees() -> None:
    """Its draws so far are then discarded, and its proposal is refitted with what the second method found."""
    content = run()
    assert content.verdict.converged
    assert content.verdict.checks[-1].name == "second method"
    assert content.evidence is not None
    asked: list[int] = []
    jumps: list[object] = []
    explored: list[Exploration] = []

    def opinion(chains, jump, evidence, second) -> Check:
        asked.append(chains.theta.shape[1])
        jumps.append(jump)
        explored.append(second)
        return Check("second method", len(asked) > 2, "as told")

    later = run(opinion=opinion)
    assert later.verdict.converged
    assert later.evidence is not None
    assert asked[0] == content.chains.theta.shape[1]
    assert later.chains.theta.shape[1] == asked[2]
    for found, after in zip(explored, jumps[1:], strict=False):
        added = found.jump.mixture.centres  # at the end of the next proposal
        np.testing.assert_array_equal(after.mixture.centres[-len(added) :], added)
        assert after.mixture.weights[-len(added) :].sum() == pytest.approx(0.5)
    assert len({each.evidence.value for each in explored}) == 3  # each is an exploration of its own


def test_a_second_method_that_never_agrees_leaves_a_run_unconverged() -> None:
    """At the limit it says so; a larger limit is not enough either, however often it looks."""
    enough = run().chains.theta.shape[1]
    never = Check("second method", False, "a second method disagrees: no")
    done = run(max_steps=enough, opinion=lambda *_: never)
    assert not done.verdict.converged
    assert done.verdict.reasons == (never.says,)
    assert done.evidence is None
    assert not run(max_steps=3 * enough, opinion=lambda *_: never).verdict.converged


def test_the_proposal_handed_on_was_not_fitted_to_the_draws() -> None:
    """Evidence from it would be biased: it is the proposal that the run used from its first step that counts on."""
    stages: list[Stage] = []

    def begin(*args: object) -> Stage:
        stages.append(initial_stage(*args))
        return stages[-1]

    assert run(begin=begin).jump.mixture is stages[0].jump


def test_streams_of_one_seed_share_nothing() -> None:
    drawn = [stream(seed, purpose, k).random() for seed in (0, 1, 2) for purpose in Stream for k in (0, 1, 2)]
    assert len(set(drawn)) == len(drawn) == 36


def test_a_posterior_says_what_its_priors_did_and_its_evidence(series_posterior: mtjfit.Posterior) -> None:
    found = series_posterior
    assert found.verdict.converged, str(found.verdict)
    names = [check.name for check in found.verdict.checks]
    assert names.count("second method") == names.count("wall") == names.count("quadrature") == 1
    assert found.evidence is not None
    assert found.evidence.reliable
    assert found.evidence.error < 0.1
    assert np.isfinite(found.evidence.value)


def test_where_only_amplitudes_are_free_nothing_is_sampled() -> None:
    """Their posterior is normal: draws have its mean and sd, to five errors of 10 000 draws; the evidence is exact."""
    series = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    known = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "thickness": 0.0}
    fixed = {name: replace(series.parameters[name], prior=Fixed(value)) for name, value in known.items()}
    study = series.replace(parameters={**series.parameters, **fixed})
    found = mtjfit.sample(study, seed=1, progress=False)
    assert found.verdict.converged
    assert found.evidence is not None
    assert (found.evidence.method, found.evidence.error) == ("exact", 0.0)
    assert found.names == ("a1", "b2")
    fit = mtjfit.fit(study)
    for name in found.names:
        draws, sd = found.draws[name], fit.errors[name]
        assert abs(draws.mean() - fit.values[name]) < 5 * sd / np.sqrt(len(draws))
        assert abs(draws.std() / sd - 1) < 5 / np.sqrt(2 * len(draws))


def test_where_nothing_is_free_there_is_a_fit_and_nothing_to_sample() -> None:
    series = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    values = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "D_ratio": 1.0,
              "thickness": 0.0, "a1": 0.13, "b2": 0.08}  # fmt: skip
    parameters = {name: replace(one, prior=Fixed(values[name])) for name, one in series.parameters.items()}
    study = series.replace(parameters=parameters)
    assert mtjfit.fit(study).dof == 410
    with pytest.raises(MtjfitError, match="every parameter of the study is fixed"):
        mtjfit.sample(study, progress=False)


def test_a_terminal_shows_what_the_gate_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both explorations, and every verdict but the last."""
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    verdicts: list[Verdict] = []

    def gate(chains, target_ess) -> Verdict:
        verdicts.append(judge(chains, target_ess))
        return verdicts[-1]

    run(gate=gate, progress=True)
    lines = terminal.lines()
    for words in ("annealing from the prior, temperature", "checking by a second method, temperature"):
        temperatures = [float(line.removeprefix(words)) for line in lines if line.startswith(words)]
        assert temperatures[-1] == 1.0
        assert temperatures == sorted(temperatures, reverse=True)
    assert len(verdicts) > 1
    for verdict in verdicts[:-1]:
        tau = max(verdict.tau.values())
        shown = f"τ {tau:.0f}, R-hat {verdict.r_hat:.3f}, ESS {verdict.ess:.0f}/200; {verdict.reasons[0]}"
        assert any(shown in line for line in lines)


def looked(tau: float, ess: float, *failing: str) -> Verdict:
    return Verdict(tuple(Check(name, False, name) for name in failing), {"x": tau}, ess=ess)


@pytest.mark.parametrize(
    ("steps", "n_refits", "verdict", "refit"),
    [
        (200, 0, looked(15.0, 900, "length"), False),  # 50 τ are 750, and 800 steps are worth waiting for
        (200, 0, looked(17.0, 900, "length"), True),
        (200, 1, looked(17.0, 900, "length"), False),  # the second refit comes after twice as many
        (400, 1, looked(31.0, 900, "length"), False),  # and 1600 steps are worth waiting for then
        (400, 1, looked(33.0, 900, "length"), True),
        (900, 0, looked(23.0, 900, "length"), False),  # 50 τ are 1150, and the next look is at 1200
        (900, 0, looked(25.0, 900, "length"), True),
        (400, 0, looked(9.0, 600, "length", "ess_bulk"), False),
        (400, 0, looked(9.0, 400, "length", "ess_bulk"), True),  # 800 at 800 steps are not the 1000 wanted
        (400, 0, looked(9.0, 900, "length", "steady"), False),  # τ settles with the length
        (400, 0, looked(9.0, 900, "length", "r_hat"), True),  # length is not all that is missing
        (700, 2, looked(90.0, 900, "length"), False),  # the third after four times as many
    ],
)
def test_when_steps_had_better_improve_the_proposal(steps: int, n_refits: int, verdict: Verdict, refit: bool) -> None:
    nothing = ChainBlock(np.zeros((1, steps, 1, 1)), np.zeros((1, steps, 1)))
    history = History(Stage(None, None, ()), (nothing,), n_refits=n_refits)
    assert refit_is_due(history, verdict, 1000.0) == refit
