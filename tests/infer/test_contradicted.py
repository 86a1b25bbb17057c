"""Data that contradict a prior by many of its standard deviations: posterior and ln Z in closed form, and what ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from mtjfit.infer import Effort, Pace, Run, about_priors, explore_posterior, run_ensembles
from mtjfit.model import Scores
from mtjfit.study import LogNormal, Normal, Prior, Uniform

NOISE = 0.5
EFFORT = Effort(fewest=1500)


@dataclass(frozen=True)
class Measured:
    """Values measured with normal errors, in natural units; or their logarithms, for log-normal priors."""

    priors: tuple[Prior, ...]
    y: tuple[float, ...]
    noise: float = NOISE

    @property
    def scores(self) -> Scores:
        return Scores(self.priors)

    def log_prior(self, z: np.ndarray) -> np.ndarray:
        return self.scores.log_prior(z)

    def _log_likelihood(self, z: np.ndarray) -> np.ndarray:
        x = self.scores.values(z)
        log = [isinstance(prior, LogNormal) for prior in self.priors]
        measured = np.where(log, np.log(np.where(log, x, 1.0)), x)
        return np.asarray(np.sum(stats.norm.logpdf(self.y, measured, self.noise), axis=1))

    def log_posterior(self, z: np.ndarray) -> np.ndarray:
        log_prior = self.scores.log_prior(z)
        inside = np.isfinite(log_prior)
        return np.where(inside, log_prior + self._log_likelihood(np.where(inside[:, None], z, 0.0)), -np.inf)

    def prior_transform(self, u: np.ndarray) -> np.ndarray:
        return self.scores.from_unit_cube(u)


def sampled(target: Measured) -> Run:
    names = tuple("ab"[: len(target.y)])
    pace = Pace(effort=EFFORT)
    run = run_ensembles(target, names, seed=1, target_ess=1000, max_steps=5000, progress=False, pace=pace)
    return replace(run, verdict=about_priors(run.verdict, run.chains, target.scores.reach))


def closed_form(mean: float, sd: float, y: float, noise: float) -> tuple[float, float, float]:
    """Mean and sd of a conjugate normal posterior, and ln Z."""
    precision = 1 / sd**2 + 1 / noise**2
    return (mean / sd**2 + y / noise**2) / precision, precision**-0.5, stats.norm.logpdf(y, mean, np.hypot(sd, noise))


def assert_right(run: Run, draws: np.ndarray, mean: np.ndarray | float, sd: np.ndarray | float, log_z: float) -> None:
    """Mean, sd and ln Z of a run that converged, each to 5 errors."""
    assert run.verdict.converged, str(run.verdict)
    assert run.evidence is not None
    assert abs(run.evidence.value - log_z) < 5 * run.evidence.error + 1e-9 * abs(log_z)
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 5 * sd / np.sqrt(1000))
    assert np.all(np.abs(draws.std(axis=0) / sd - 1) < 5 / np.sqrt(2 * 1000))


# the mirror image and a smaller contradiction take as long, 4 s each, and show the same
@pytest.mark.slow
@pytest.mark.parametrize("off", [20.0, *(pytest.param(off, marks=pytest.mark.slow) for off in (-20.0, 9.0))])
def test_a_normal_and_a_log_normal_prior_contradicted_by_many_sd(off: float) -> None:
    """Exploration and sampled: mean, sd and ln Z, each to 5 errors; the same off for both coordinates."""
    normal, log = Normal(1.0, 2.0), LogNormal(3.0, 1.5)
    width = float(np.log(1.5))
    y = (1.0 + off * 2.0, float(np.log(3.0)) + off * width)
    target = Measured((normal, log), y, 0.3)
    exact = [closed_form(1.0, 2.0, y[0], 0.3), closed_form(float(np.log(3.0)), width, y[1], 0.3)]
    log_z = exact[0][2] + exact[1][2]
    expected = np.array([(exact[0][0] - 1.0) / 2.0, (exact[1][0] - np.log(3.0)) / width])
    sd = np.array([exact[0][1] / 2.0, exact[1][1] / width])

    found = explore_posterior(target, 2, np.random.default_rng(0), effort=EFFORT)
    assert found.settled
    assert abs(found.evidence.value - log_z) < 5 * found.evidence.error + 1e-9 * abs(log_z)
    weights = found.weighted.weights / found.weighted.weights.sum()
    assert np.all(np.abs(weights @ found.weighted.x - expected) < 5 * sd / np.sqrt(found.weighted.n_effective))

    run = sampled(target)
    assert_right(run, run.chains.theta.reshape(-1, 2), expected, sd, log_z)
    assert np.all(np.abs(expected) > 5)  # the data win, out there


# the mirror image takes as long, 3 s
@pytest.mark.parametrize("side", [-1.0, pytest.param(1.0, marks=pytest.mark.slow)])
def test_a_truncated_normal_prior_contradicted_on_its_open_side(side: float) -> None:
    """Half-normal, 20 sd out: the conjugate posterior, and ln 2 more in ln Z."""
    prior = Normal(0.0, 1.0, low=0.0) if side > 0 else Normal(0.0, 1.0, high=0.0)
    target = Measured((prior,), (20.0 * side,), 0.3)
    mean, sd, log_z = closed_form(0.0, 1.0, 20.0 * side, 0.3)
    run = sampled(target)
    assert_right(run, target.scores.values(run.chains.theta.reshape(-1, 1)), mean, sd, log_z + np.log(2))


@pytest.mark.slow
@pytest.mark.parametrize("y", [1.5, -0.5])
def test_data_that_press_against_a_bound_beyond_all_digits_are_refused(y: float) -> None:
    """The posterior lives closer to the bound than values have digits: ln Z would be what rounding makes of it."""
    run = sampled(Measured((Uniform(0.0, 1.0),), (y,), 1e-9))
    assert not run.verdict.converged
    assert "wall" in [check.name for check in run.verdict.checks if not check.ok]
    assert "the posterior is cut off at the end of its prior" in str(run.verdict)
