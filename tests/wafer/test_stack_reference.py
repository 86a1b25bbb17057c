"""`sample_stack` against importance sampling with another forward code, on stacks whose truths come from the prior."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import integrate, stats
from stack_designs import KINDS, drawn, model_of
from stack_reference import LENGTHS, Reference, Target, k_hat, kappa, reference

from mtjfit.infer.convergence.diagnostics import ess
from mtjfit.study import Sampling
from mtjfit.wafer.stack.sample import StackPosterior, sample_stack

ALARM = 4.5
"""Limit in Monte Carlo errors of both sides: 7e-6 for each number, 1e-3 for the 150 numbers of the three designs.

An ESS of 2 000 finds a mean that is wrong by 0.11, a median by 0.05 of probability, ln Z wrong by 0.1.
"""
SYSTEMATIC = 0.002  # of the quick nodes of the thickness, in ln L of a device; ln Z of a stack is off by ten of them
LEVELS = (0.05, 0.5, 0.95)
SEED = 1


@cache
def sampled(kind: str) -> StackPosterior:
    return sample_stack(model_of(drawn(kind, SEED)), Sampling(seed=1), progress=False)


@cache
def right(kind: str) -> Reference:
    return reference(drawn(kind, SEED), SEED)


def error(draws: np.ndarray) -> float:
    """Monte Carlo error of the mean of draws of shape (n_ensembles, n_kept, n_walkers), by their own correlation."""
    walkers = draws.swapaxes(1, 2).reshape(-1, draws.shape[1])
    return float(draws.std() / np.sqrt(ess(walkers)))


def departures(found: StackPosterior, expected: Reference, kind: str) -> dict[str, float]:
    """Differences of mean, sd, quantiles and ln Z, in standard errors of both together.

    Squares and indicators have a correlation of their own, and errors with it: a long tail is visited less often than
    the middle.
    """
    every = drawn(kind, SEED).coordinates({name: found.draws[name] for name in expected.names})
    mean, mean_error, sd, sd_error = expected.mean_and_sd()
    out = {}
    for k, name in enumerate(expected.names):
        z = every[k].reshape(found.z.shape[:-1])
        out[f"mean of {name}"] = (z.mean() - mean[k]) / np.hypot(mean_error[k], error(z))
        of_sd = error((z - z.mean()) ** 2) / (2 * z.std())
        out[f"sd of {name}"] = (z.std() - sd[k]) / np.hypot(sd_error[k], of_sd)
        for p in LEVELS:
            q = float(np.quantile(z, p))
            at, of_reference = expected.cdf(k, q)
            out[f"q{100 * p:02.0f} of {name}"] = (at - p) / np.hypot(of_reference, error((z <= q).astype(float)))
    assert found.evidence is not None
    difference = found.evidence.value - expected.log_z
    beyond = np.sign(difference) * max(abs(difference) - 10 * SYSTEMATIC, 0.0)
    return out | {"ln Z": beyond / np.hypot(found.evidence.error, expected.error)}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
def test_the_posterior_is_that_of_the_reference(kind: str) -> None:
    expected, found = right(kind), sampled(kind)
    assert found.verdict.converged, found.verdict
    assert expected.k_hat < 0.7, "the weights of the reference have no variance"
    assert abs(expected.annealed_log_z - expected.log_z) < 0.5, "the two evidences of the reference differ"
    away = departures(found, expected, kind)
    assert {name: each for name, each in away.items() if abs(each) > ALARM} == {}
    # means of a right sampler are off by one error: errors that are far too large would hide anything
    assert np.sqrt(np.mean([each**2 for name, each in away.items() if "mean" in name])) > 0.2


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("kind", "wrong"),
    [("wedge", {"thickness": 1.5}), ("three thicknesses", {"scatter_a1": 1.5})],
    ids=["smooth part", "scatter"],
)
def test_sabotage_a_wrong_factor_is_noticed(kind: str, wrong: dict[str, float]) -> None:
    other = reference(drawn(kind, SEED), SEED, wrong=wrong, ess=4000)
    away = departures(sampled(kind), other, kind)
    assert max(map(abs, away.values())) > 2 * ALARM


# the reference itself


def near(kind: str, n: int) -> tuple[Target, np.ndarray]:
    """Coordinates where the posterior lies: farther out thicknesses leave the range of the quadrature."""
    target = Target(drawn(kind, SEED))
    noise = np.random.default_rng(3).standard_normal((target.size, n))
    return target, target.stack.truth[:, None] + 0.02 * noise


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_by_the_covariance_of_the_raw_points(kind: str) -> None:
    """Four devices, each by an adaptive integral over its thickness of a multivariate normal density."""
    target, z = near(kind, 1)
    stack = target.stack.chosen(slice(4))
    V, v = stack.bias, stack.natural(z)
    of = {name: float(each[0]) for name, each in v.items()}
    smooth = {name: stack.factor(name, v)[0] for name in ("thickness", "a1", "b2")}

    def density(t: float, j: int) -> float:
        d = stack.nominal[j] * np.broadcast_to(smooth["thickness"], 4)[j] + of["thickness_scatter"] * t
        K = kappa(d, *(of[name] for name in LENGTHS))
        columns = [K * V, 1j * K * V**2]
        X = np.array([np.concatenate([c.real, c.imag]) for c in columns]).T
        m = np.array([of[name] * np.broadcast_to(smooth[name], 4)[j] for name in ("a1", "b2")])
        sd = m * [of.get("scatter_a1", 0.0), of.get("scatter_b2", 0.0)]
        C = stack.noise**2 * np.eye(2 * V.size) + (X * sd**2) @ X.T
        return float(stats.multivariate_normal.logpdf(stack.values[j], X @ m, C) + stats.norm.logpdf(t))

    expected = 0.0
    for j in range(4):
        top = max(density(t, j) for t in np.linspace(-4, 4, 17))
        area, _ = integrate.quad(lambda t, j=j, top=top: np.exp(density(t, j) - top), -8, 8, points=[-2, 0, 2])
        expected += top + np.log(area)
    assert Target(stack)(z)[1][0] == pytest.approx(expected, abs=1e-3)
    assert Target(stack, nodes=400)(z)[1][0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_is_that_of_mtjfit(kind: str) -> None:
    """By all nodes, and up to a constant by the quick ones."""
    target, z = near(kind, 8)
    model, names = model_of(target.stack), list(target.stack.priors)
    rows = z[[names.index(name) for name in model.names]].T
    expected = Target(target.stack, nodes=400)(z)[1]
    np.testing.assert_allclose(model.log_likelihood_everywhere(rows), expected, atol=1e-6)
    assert np.ptp(model.log_likelihood(rows) - expected) < SYSTEMATIC
    np.testing.assert_allclose(model.log_prior(rows), target(z)[0], atol=1e-10)


def test_sabotage_wrong_factors_change_the_likelihood() -> None:
    target, z = near("wedge", 8)
    expected = target(z)[1]
    for wrong in ({"thickness": 1.1}, {"scatter_b2": 1.5}, {"thickness_scatter": 1.5}):
        assert np.ptp(Target(target.stack, wrong)(z)[1] - expected) > 10 * SYSTEMATIC, wrong


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9])
def test_k_hat_is_the_shape_of_pareto_tails(shape: float) -> None:
    """Its error for 3 000 of 10⁶ draws is (1 + k)/√3000, 0.035 at most: five of them."""
    draws = stats.genpareto(shape).rvs(1_000_000, random_state=np.random.default_rng(2))
    assert k_hat(draws) == pytest.approx(shape, abs=0.17)


def test_coordinates_are_the_inverse_of_natural_values() -> None:
    target, z = near("one thickness", 5)
    np.testing.assert_allclose(target.stack.coordinates(target.stack.natural(z)), z, atol=1e-12)
