"""What ends a run: the gate, a second method, or the steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from journal_runs import Bell, small_blocks

import mtjfit
import mtjfit.infer.ensembles.run as sampling
from mtjfit.errors import MtjfitError
from mtjfit.infer.convergence.gate import Check, Verdict, judge
from mtjfit.infer.ensembles.ensemble import Block, History, Stage, Stream, prepared, stream
from mtjfit.infer.ensembles.run import Run
from mtjfit.infer.evidence.exploration import Explored
from mtjfit.study import Fixed


@pytest.fixture(name="patch")
def small() -> Iterator[pytest.MonkeyPatch]:
    with small_blocks() as patch:
        yield patch


def run(max_steps: int = 3000) -> Run:
    return sampling.run_ensembles(
        Bell(), ("x", "y"), seed=5, target_ess=200, n_ensembles=4, n_walkers=8, max_steps=max_steps, progress=False
    )


def begin_with_four(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sampling, "prepared", prepared)
    patch.setattr(sampling, "_FIRST_REFIT", 10_000)


def test_a_run_goes_on_while_a_second_method_disagrees(patch: pytest.MonkeyPatch) -> None:
    """Its draws so far are then thrown away, and its proposal is fitted anew with what the second method found."""
    begin_with_four(patch)
    content = run()
    assert content.verdict.converged
    assert content.verdict.checks[-1].name == "second method"
    assert content.evidence is not None
    asked: list[int] = []
    refits: list[tuple[int, Explored | None]] = []
    explored: list[Explored] = []
    refitted = sampling.refitted

    def opinion(chains, jump, evidence, second) -> Check:
        asked.append(chains.theta.shape[1])
        explored.append(second)
        return Check("second method", len(asked) > 2, "as told")

    def watched(target, stage, blocks, seed, second=None) -> Stage:
        refits.append((sum(block.theta.shape[1] for block in blocks), second))
        return refitted(target, stage, blocks, seed, second)

    patch.setattr(sampling, "cross_check", opinion)
    patch.setattr(sampling, "refitted", watched)
    later = run()
    assert later.verdict.converged
    assert later.evidence is not None
    assert asked[0] == content.chains.theta.shape[1]
    assert refits == [(asked[0], explored[0]), (asked[1], explored[1])]
    assert later.chains.theta.shape[1] == asked[2]
    assert later.jump.mixture.weights.size > content.jump.mixture.weights.size
    for one, other in ((0, 1), (1, 2)):  # each is an exploration of its own
        assert explored[one].evidence.value != explored[other].evidence.value


def test_a_second_method_that_never_agrees_leaves_a_run_unconverged(patch: pytest.MonkeyPatch) -> None:
    """At the limit it says so; a larger limit is not enough either, however often it looks."""
    begin_with_four(patch)
    enough = run().chains.theta.shape[1]
    patch.setattr(sampling, "cross_check", lambda *_: Check("second method", False, "a second method disagrees: no"))
    done = run(max_steps=enough)
    assert not done.verdict.converged
    assert done.verdict.reasons == ("a second method disagrees: no",)
    assert done.evidence is None
    assert not run(max_steps=3 * enough).verdict.converged


def test_the_proposal_handed_on_was_not_fitted_to_the_draws(patch: pytest.MonkeyPatch) -> None:
    """Evidence from it would be biased: it is the proposal that the run used from its first step that counts on."""
    begin_with_four(patch)
    used = []
    advanced = sampling.advanced
    patch.setattr(sampling, "advanced", lambda target, stage, n: used.append(stage.jump) or advanced(target, stage, n))
    done = run()
    assert used
    assert all(jump is done.jump.mixture for jump in used)


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


def test_a_terminal_is_told_what_the_gate_found(patch: pytest.MonkeyPatch) -> None:
    begin_with_four(patch)
    heard: dict[str, list[float]] = {"annealing": [], "checking": []}
    for name, betas in heard.items():
        patch.setattr(sampling.Progress, name, lambda self, beta, betas=betas: betas.append(beta))
    looks: list[sampling.Look] = []
    patch.setattr(sampling.Progress, "looked", lambda self, look, refit_at: looks.append(look))
    verdicts: list[sampling.Verdict] = []

    def judged(chains, target_ess) -> sampling.Verdict:
        verdicts.append(judge(chains, target_ess))
        return verdicts[-1]

    patch.setattr(sampling, "judge", judged)
    run()
    for betas in heard.values():  # one exploration each, that rises to the posterior
        assert betas[-1] == 1.0
        assert np.all(np.diff(betas) > 0)
    assert len(looks) == len(verdicts) - 1 > 0  # the last was content
    for look, verdict in zip(looks, verdicts, strict=False):
        assert (look.tau, look.r_hat, look.ess) == (max(verdict.tau.values()), verdict.r_hat, verdict.ess)
        assert f"R-hat between ensembles {verdict.r_hat:.3f}" in str(verdict)
        assert f"smallest bulk ESS {verdict.ess:.0f}" in str(verdict)
        assert look.reason == verdict.reasons[0]


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
    nothing = Block(np.zeros((1, steps, 1, 1)), np.zeros((1, steps, 1)))
    history = History(Stage(None, None, ()), (nothing,), n_refits=n_refits)
    assert sampling._had_better_refit(history, verdict, 1000.0) == refit
