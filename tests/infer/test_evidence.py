"""The evidence is right, and wrong by as much as it says; three methods agree on a real study."""

from __future__ import annotations

import numpy as np
import pytest
from evidence_targets import BANANA, TARGETS, TWO_MODES, Known, gaussian
from exact_reference import by_importance, on_grid
from infer_targets import fitted_jump, jump_of
from scipy import stats

import mtjfit
from mtjfit.data import dataset
from mtjfit.infer import Chains, Evidence, Jump, Mixture, chains_of, importance_sample, log_evidence, run_ensembles
from mtjfit.model import FullPosterior, MarginalPosterior
from mtjfit.study import Fixed, Parameter, Study, load_study


def fitted(target: Known, rng: np.random.Generator) -> Jump:
    return fitted_jump(target.draws(1500, rng), rng)


def z_scores(target: Known, repeats: int, jump: Jump, rng: np.random.Generator, rho: float = 0.0) -> np.ndarray:
    """(found − true)/error of independent runs of 1600 draws and 1000 proposals; 3600 and 200 for correlated draws."""
    found = []
    for _ in range(repeats):
        chains = correlated(target, rho, rng) if rho else target.chains(25, rng)
        one = log_evidence(target, chains, rng, jump=jump, n_proposals=200 if rho else 1000)
        found.append((one.value - target.log_evidence) / one.error)
    return np.array(found)


def correlated(target: Known, rho: float, rng: np.random.Generator) -> Chains:
    """Stationary AR(1) chains of a Gaussian target: x' − m = ρ (x − m) + √(1 − ρ²) (y − m), y a draw, m their mean."""
    y = target.draws(4 * 900, rng).reshape(4, 450, 2, target.size)
    mean = target.draws(100_000, np.random.default_rng(0)).mean(axis=0)
    for t in range(1, y.shape[1]):
        y[:, t] = mean + rho * (y[:, t - 1] - mean) + np.sqrt(1 - rho**2) * (y[:, t] - mean)
    return target.as_chains(y)


def assert_calibrated(z: np.ndarray) -> None:
    """Mean 0 within 4 sd; variance 1 within the central 99.98 % of χ²."""
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert 1e-4 < stats.chi2.cdf(np.sum(z**2), z.size) < 1 - 1e-4, f"sd of the z-scores {z.std():.2f}"


FEW = [(name, 40) for name in ("gaussian 1", "gaussian 5", "banana", "two modes")]
MANY = [pytest.param(name, 400, marks=pytest.mark.slow) for name in TARGETS]


@pytest.mark.parametrize(("name", "repeats"), FEW + MANY)
def test_the_error_is_calibrated(name: str, repeats: int) -> None:
    rng = np.random.default_rng(1 if repeats == 40 else 2)
    assert_calibrated(z_scores(TARGETS[name], repeats, fitted(TARGETS[name], rng), rng))


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.5, 0.8])
def test_the_error_is_calibrated_for_chains(rho: float) -> None:
    """τ = 3 and 9: errors that counted draws instead of effective draws would be too small by up to three times."""
    target, rng = gaussian(4), np.random.default_rng(3)
    assert_calibrated(z_scores(target, 200, fitted(target, rng), rng, rho))


@pytest.mark.slow
def test_sabotage_a_density_without_its_constant_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    target, rng = gaussian(2), np.random.default_rng(4)
    jump = fitted(target, rng)
    assert_calibrated(z_scores(target, 20, jump, rng))
    right = Mixture.log_density
    monkeypatch.setattr(Mixture, "log_density", lambda self, v: right(self, v) + 1.0)
    with pytest.raises(AssertionError):
        assert_calibrated(z_scores(target, 20, jump, rng))


def test_draws_told_twice_are_no_new_draws() -> None:
    """Each step nine times over leaves the error as it is; a proposal for one mode only makes it that of the draws.

    Sabotage: the same draws in random order, as if independent, leave only the share of the proposals in it.
    """
    rng = np.random.default_rng(4)
    draws, chains = TWO_MODES.draws(4000, rng), TWO_MODES.chains(100, rng)
    jump = fitted_jump(draws[draws[:, 0] > 0], rng)
    again = TWO_MODES.as_chains(chains.theta.repeat(9, axis=1))
    mixed = TWO_MODES.as_chains(rng.permutation(again.theta.reshape(-1, 2)).reshape(again.theta.shape))
    once, often, wrong = (
        log_evidence(TWO_MODES, one, np.random.default_rng(5), jump=jump).error for one in (chains, again, mixed)
    )
    assert often == pytest.approx(once, rel=0.1)
    assert wrong < 0.7 * once


@pytest.mark.parametrize("name", ["gaussian 2", "gaussian 4", "gaussian 7", "banana", "two modes"])
def test_a_proposal_of_its_own_is_fitted_to_draws_that_are_not_used_again(name: str) -> None:
    target, rng = TARGETS[name], np.random.default_rng(5)
    found = log_evidence(target, target.chains(60, rng), rng)
    assert found.method == "bridge"
    assert found.reliable
    assert found.k_hat < 0.7
    assert found.error < 0.03
    assert abs(found.value - target.log_evidence) < 4.5 * found.error


def test_a_bridge_needs_a_proposal_for_one_mode_only() -> None:
    """The share of draws in the other mode counts it; a sum of importance weights from this proposal lacks it."""
    rng = np.random.default_rng(8)
    draws = TWO_MODES.draws(4000, rng)
    jump = fitted_jump(draws[draws[:, 0] > 0], rng)
    found = log_evidence(TWO_MODES, TWO_MODES.chains(100, rng), rng, jump=jump)
    assert abs(found.value - TWO_MODES.log_evidence) < 4.5 * found.error
    weighted = importance_sample(TWO_MODES, jump, 4000, rng)
    plain = np.log(weighted.weights.mean()) + weighted.log_ratio.max()
    assert plain < TWO_MODES.log_evidence - 10 * found.error


def test_a_proposal_that_hardly_meets_the_posterior_is_not_called_reliable() -> None:
    """Twenty times too narrow in five dimensions and not at the centre: the error is too small, and k̂ says so."""
    target, rng = gaussian(5), np.random.default_rng(9)
    tiny = jump_of(Mixture(np.ones(1), np.zeros((1, 5)), 0.05 * np.eye(5)[None]))
    found = log_evidence(target, target.chains(100, rng), rng, jump=tiny)
    assert not found.reliable
    assert "NOT reliable" in str(found)
    assert str(Evidence(-12.345, 0.0123, "grid")) == "ln Z = -12.35 ± 0.012 (grid)"


def test_nothing_to_sample_is_exact() -> None:
    chains = Chains((), np.zeros((4, 5, 2, 0)), np.full((4, 5, 2), -3.5), np.ones((4, 2)))
    found = log_evidence(BANANA, chains, np.random.default_rng(0))
    assert (found.value, found.error, found.method) == (-3.5, 0.0, "exact")


def bundled(**fixed: float) -> Study:
    """The bundled series with known thicknesses, and some lengths fixed."""
    study = load_study(dataset("thickness-series").study_file)
    known = {name: Parameter(name, Fixed(value)) for name, value in fixed.items()}
    known["thickness"] = Parameter("thickness", Fixed(0.0), "device")
    return study.replace(parameters={**study.parameters, **known})


FOUR = pytest.param({}, marks=pytest.mark.slow)  # lengths free: importance sampling then takes many draws


@pytest.mark.slow
@pytest.mark.parametrize("known", [{"lambda_sf_F": 10.0, "lambda_sf_N": 1.0}, FOUR])
def test_methods_agree_on_the_bundled_series(known: dict[str, float]) -> None:
    """emcee and a bridge in normal scores against importance sampling and a grid in log lengths, 4.5 errors each."""
    study = bundled(**known)
    model, reference = MarginalPosterior(study), FullPosterior(study)
    done = run_ensembles(model, model.names, seed=3, target_ess=2000, progress=False)
    assert done.verdict.converged
    bridge = log_evidence(model, done.chains, np.random.default_rng(0))
    assert bridge.reliable
    assert bridge.error < 0.02
    other = by_importance(reference, 40_000 if known else 200_000)
    assert abs(bridge.value - other.log_evidence) < 4.5 * np.hypot(bridge.error, other.n_effective**-0.5)
    if known:  # a grid does not resolve the ends of the flat priors, which cut the open lengths
        fine, coarse = (on_grid(reference, step).log_evidence for step in (0.4, 0.8))
        assert abs(fine - coarse) < 5e-3
        assert abs(bridge.value - fine) < 4.5 * bridge.error


@pytest.mark.slow
def test_integrated_thicknesses_leave_the_evidence_as_it_is() -> None:
    """The bundled series in six normal scores, thicknesses integrated out, and in nine coordinates that keep them."""
    posterior = mtjfit.sample(load_study(dataset("thickness-series").study_file), progress=False)
    model, chains = chains_of(posterior)
    np.testing.assert_allclose(model.log_posterior(chains.theta[0, 0]), chains.log_posterior[0, 0], atol=1e-6)
    collapsed = log_evidence(model, chains, np.random.default_rng(0))
    full = FullPosterior(posterior.study)
    columns = [np.log(posterior.draws[e.name]) if e.log else posterior.draws[e.name] for e in full.layout.entries]
    shape, theta = chains.log_posterior.shape, np.stack(columns, axis=-1)
    log_posterior = (full.log_prior(theta) + full.log_likelihood(theta)).reshape(shape)
    kept = Chains(full.layout.names, theta.reshape(*shape, -1), log_posterior, chains.acceptance)
    plain = log_evidence(full, kept, np.random.default_rng(1))
    assert collapsed.reliable
    assert plain.reliable
    assert collapsed.error < 0.02
    assert abs(collapsed.value - plain.value) < 4.5 * np.hypot(collapsed.error, plain.error)
