"""The evidence is right, and wrong by as much as it says; three methods agree on a real study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evidence_targets import BANANA, TARGETS, TWO_MODES, Known, gaussian, log_evidence_nested
from exact_reference import by_importance
from infer_targets import fitted_jump, jump_of
from scipy import stats

import mtjfit
from mtjfit.data import FloatArray, dataset
from mtjfit.infer import (
    Chains,
    Evidence,
    Jump,
    Mixture,
    TargetDensity,
    chains_of,
    evidence,
    importance_sample,
    log_evidence,
    run_ensembles,
)
from mtjfit.model import FullPosterior, MarginalPosterior
from mtjfit.study import Fixed, Parameter, Study, load_study

_DEPTH = 20.0  # points of the lattice below the largest density by more than this in ln carry 1e-7 of the mass
_STARTS = 512
_SPAN = 2**12  # lattice points in each direction


def log_evidence_grid(
    target: TargetDensity, chains: Chains, *, tolerance: float = 1e-3, max_points: int = 500_000
) -> Evidence:
    """Evidence by the trapezoid rule on a lattice, in one to four dimensions.

    The lattice is whitened by the covariance of the draws, begins at some of them, and grows wherever the density is
    within e⁻²⁰ of its largest value, so it needs no bounds and follows a bend. The spacing is halved until the result
    stays; its error falls faster than any power of the spacing for densities that are smooth, so the last change is
    larger than what is left. A mode that holds no draw is not found.
    """
    size = chains.theta.shape[-1]
    assert 1 <= size <= 4
    draws = chains.theta.reshape(-1, size)
    root = np.linalg.cholesky(np.atleast_2d(np.cov(draws.T)))
    starts = draws[:: max(1, draws.shape[0] // _STARTS)]
    found, error, spacing = float("nan"), float("inf"), 1.0
    while error > tolerance:
        log_z = _on_lattice(target, root * spacing, draws.mean(axis=0), starts, max_points)
        if log_z is None:
            break
        found, error, spacing = log_z, abs(log_z - found), spacing / 2
        error = error if np.isfinite(error) else float("inf")
    assert np.isfinite(error), "max_points is too small"
    return Evidence(found, error, "grid")


def _on_lattice(
    target: TargetDensity, cell: FloatArray, origin: FloatArray, starts: FloatArray, max_points: int
) -> float | None:
    """ln of the sum over the lattice times its cell; None if it grows beyond `max_points`."""
    size = origin.size
    strides = _SPAN ** np.arange(size)
    neighbours = np.concatenate([strides, -strides])
    at = np.rint(np.linalg.solve(cell, (starts - origin).T).T).astype(np.int64) + _SPAN // 2
    fresh = np.unique(at @ strides)
    seen, logs, top = fresh, [], -np.inf
    while fresh.size:
        at = fresh[:, None] // strides % _SPAN - _SPAN // 2
        log = target.log_posterior(origin + at @ cell.T)
        logs.append(log)
        top = max(top, float(log.max()))
        near = np.unique(fresh[log > top - _DEPTH][:, None] + neighbours)
        fresh = np.setdiff1d(near, seen, assume_unique=True)
        seen = np.union1d(seen, fresh)
        if seen.size > max_points:
            return None
    total = float(np.logaddexp.reduce(np.concatenate(logs)))
    return total + float(np.sum(np.log(np.diagonal(cell))))


SMALL = {name: target for name, target in TARGETS.items() if target.size <= 3}


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


def test_sabotage_a_density_without_its_constant_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    target, rng = gaussian(2), np.random.default_rng(4)
    jump = fitted(target, rng)
    assert_calibrated(z_scores(target, 20, jump, rng))
    right = Mixture.log_density
    monkeypatch.setattr(Mixture, "log_density", lambda self, v: right(self, v) + 1.0)
    with pytest.raises(AssertionError):
        assert_calibrated(z_scores(target, 20, jump, rng))


def test_draws_told_twice_are_no_new_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step nine times over leaves the error as it is; a proposal for one mode only makes it that of the draws.

    Sabotage: counted one by one they would leave only the share of the proposals in it.
    """
    rng = np.random.default_rng(4)
    draws, chains = TWO_MODES.draws(4000, rng), TWO_MODES.chains(100, rng)
    jump = fitted_jump(draws[draws[:, 0] > 0], rng)
    again = replace(chains, theta=chains.theta.repeat(9, axis=1), log_posterior=chains.log_posterior.repeat(9, axis=1))
    once, often = (log_evidence(TWO_MODES, one, np.random.default_rng(5), jump=jump) for one in (chains, again))
    assert often.error == pytest.approx(once.error, rel=0.1)
    monkeypatch.setattr(evidence, "ess", lambda chains: float(chains.size))
    assert log_evidence(TWO_MODES, again, np.random.default_rng(5), jump=jump).error < 0.7 * once.error


@pytest.mark.parametrize("name", ["gaussian 2", "gaussian 4", "gaussian 7", "banana", "two modes"])
def test_a_proposal_of_its_own_is_fitted_to_draws_that_are_not_used_again(name: str) -> None:
    target, rng = TARGETS[name], np.random.default_rng(5)
    found = log_evidence(target, target.chains(60, rng), rng)
    assert found.method == "bridge"
    assert found.reliable
    assert found.k_hat < 0.7
    assert found.error < 0.03
    assert abs(found.value - target.log_evidence) < 4.5 * found.error


@pytest.mark.parametrize("name", list(SMALL))
def test_the_grid_is_right_within_its_error(name: str) -> None:
    target, rng = SMALL[name], np.random.default_rng(6)
    found = log_evidence_grid(target, target.chains(10, rng))
    assert abs(found.value - target.log_evidence) <= found.error + 1e-8  # what is cut off at a depth of e⁻²⁰
    assert found.error < 1e-3
    assert np.isnan(found.k_hat)
    assert found.reliable


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaussian 3", "banana", "two modes"])
def test_nested_sampling_agrees_with_what_is_known(name: str) -> None:
    target = TARGETS[name]
    found = log_evidence_nested(target, target.size, np.random.default_rng(9), n_live=200)
    assert abs(found.value - target.log_evidence) < 4.5 * found.error
    assert found.error < 0.3


def bundled(**fixed: float) -> Study:
    """The bundled series with known thicknesses, and some lengths fixed."""
    study = load_study(dataset("thickness-series").study_file)
    known = {name: Parameter(name, Fixed(value)) for name, value in fixed.items()}
    known["thickness"] = Parameter("thickness", Fixed(0.0), "device")
    return study.replace(parameters={**study.parameters, **known})


def sampled(model: MarginalPosterior) -> Chains:
    done = run_ensembles(model, model.names, seed=3, target_ess=2000, progress=False)
    chains, verdict = done.chains, done.verdict
    assert verdict.converged
    return chains


def test_two_methods_agree_on_the_bundled_series() -> None:
    """Two lengths known, two free: emcee and a bridge against the grid, 4.5 errors."""
    model = MarginalPosterior(bundled(lambda_sf_F=10.0, lambda_sf_N=1.0))
    chains = sampled(model)
    grid, bridge = log_evidence_grid(model, chains), log_evidence(model, chains, np.random.default_rng(0))
    assert grid.error < 1e-3
    assert bridge.reliable
    assert bridge.error < 0.02
    assert abs(bridge.value - grid.value) < 4.5 * bridge.error


@pytest.mark.slow
def test_all_methods_agree_on_the_bundled_series() -> None:
    """Four lengths free, thicknesses known; the last reference integrates over log lengths instead of normal scores."""
    study = bundled()
    model = MarginalPosterior(study)
    chains = sampled(model)
    grid, bridge = log_evidence_grid(model, chains), log_evidence(model, chains, np.random.default_rng(0))
    nested = log_evidence_nested(model, model.size, np.random.default_rng(1), n_live=200)
    other = by_importance(FullPosterior(study), 200_000)
    assert grid.error < 5e-3
    assert abs(bridge.value - grid.value) < 4.5 * bridge.error
    assert abs(nested.value - grid.value) < 4.5 * nested.error
    assert abs(other.log_evidence - grid.value) < 4.5 / np.sqrt(other.n_effective) + grid.error


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
