"""Posteriors under joint priors, and posteriors that become them: against grids that share no code with the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joint_cases import JointCase
from model_studies import simulated
from reference_likelihood import Target
from scipy import stats
from shortcuts import slow_after

import mtjfit
from mtjfit.errors import NotConverged, NotDetermined
from mtjfit.infer import Check, Posterior, Verdict, describe, prior_conflicts
from mtjfit.model import make_posterior
from mtjfit.study import Correlated, Fixed, LogNormal, LogUniform, Normal, Parameter, Prior, Sampling, Study
from mtjfit.study.written import study_files

PAIR = ("lambda_J", "lambda_phi")
KNOWN: dict[str, Any] = {"lambda_sf_F": Fixed(10.0), "lambda_sf_N": Fixed(2.0)}
OWN: dict[str, Any] = {**KNOWN, "a1": (Normal(1.0, 0.5), "device"), "b2": (Normal(0.6, 0.5), "device")}
ESS = 2000


def sampled(study: Study, seed: int = 1) -> Posterior:
    found = mtjfit.sample(study.replace(sampling=Sampling(target_ess=ESS)), seed, progress=False)
    assert found.verdict.converged
    return found


def independent(study: Study) -> Study:
    """The study under flat priors of both lengths: what the reference reads."""
    return study.replace(
        parameters={**study.parameters, **{name: Parameter(name, LogUniform(0.05, 50.0)) for name in PAIR}}
    )


class Grid:
    """Moments of ln λ_J and ln λ_φ on a grid, for a likelihood of the reference and any prior of the logarithms."""

    def __init__(self, study: Study, centre: np.ndarray, width: np.ndarray, n: int = 121):
        self.target = Target(independent(study))
        axes = [np.linspace(m - 6 * s, m + 6 * s, n) for m, s in zip(centre, width, strict=True)]
        self.x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        self.cell = float(np.prod([axis[1] - axis[0] for axis in axes]))
        assert [entry.name for entry in self.target.layout.entries] == [*PAIR]
        self.log_likelihood = self.target.log_likelihood(np.exp(self.x).T)

    def moments(self, log_prior: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean, covariance and ln of the integral."""
        log_w = self.log_likelihood + log_prior
        w = np.exp(log_w - log_w.max())
        inside = np.all(np.abs(self.x - self.x.mean(axis=0)) < 0.99 * np.ptp(self.x, axis=0) / 2, axis=1)
        assert w[~inside].sum() < 1e-6 * w.sum()
        mean = w @ self.x / w.sum()
        away = self.x - mean
        return mean, (w[:, None] * away).T @ away / w.sum(), float(log_w.max() + np.log(w.sum() * self.cell))


def assert_moments(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray], away: float) -> None:
    """Means within `away` standard deviations, and variances within the share 3 `away`, in independent coordinates."""
    root = np.linalg.cholesky(expected[1])
    white = np.linalg.solve(root, np.linalg.solve(root, found[1]).T)
    assert np.all(np.abs(np.linalg.solve(root, found[0] - expected[0])) < away)
    np.testing.assert_allclose(white, np.eye(2), atol=3 * away)


def log_moments(posterior: Posterior) -> tuple[np.ndarray, np.ndarray]:
    x = np.log(posterior.draws[list(PAIR)].to_numpy())
    return x.mean(axis=0), np.cov(x.T)


@pytest.mark.slow
@pytest.mark.parametrize("seed", slow_after(1, [0, 1]))
def test_draws_and_evidence_are_those_of_a_grid(seed: int) -> None:
    """With at least 2000 effective draws a mean is off by 5 standard errors, 0.11 sd, in less than 1e-6 of all runs."""
    case = JointCase(seed, PAIR, widths=(0.15, 0.12))
    study = case.study(d=(0.8, 1.5, 2.5), noise=0.1, seed=seed, truth=dict(zip(PAIR, np.exp(case.mean), strict=True)),
                       n_bias=11, **KNOWN)  # fmt: skip
    posterior = sampled(study)
    found = log_moments(posterior)
    grid = Grid(study, case.mean, 1.2 * np.sqrt(np.diagonal(case.covariance)))
    prior = stats.multivariate_normal(case.mean, case.covariance).logpdf(grid.x)
    mean, covariance, log_Z = grid.moments(prior)
    assert_moments(found, (mean, covariance), 5 / np.sqrt(ESS))
    # the constant of the likelihood from a point with known lengths
    at = case.mean
    fixed = {name: Parameter(name, Fixed(float(np.exp(x)))) for name, x in zip(PAIR, at, strict=True)}
    here = make_posterior(study.replace(parameters={**study.parameters, **fixed})).log_likelihood(np.zeros((1, 0)))[0]
    constant = here - grid.target.log_likelihood(np.exp(at)[:, None])[0]
    assert posterior.evidence is not None
    assert posterior.evidence.value == pytest.approx(log_Z + constant, abs=0.05)
    # without correlations neither would hold
    alone = stats.multivariate_normal(case.mean, np.diag(np.diagonal(case.covariance))).logpdf(grid.x)
    wrong = grid.moments(alone)
    with pytest.raises(AssertionError):
        assert_moments(found, wrong[:2], 5 / np.sqrt(ESS))


@pytest.mark.slow
@pytest.mark.parametrize("seed", slow_after(1, range(4)))
def test_a_posterior_as_prior_of_other_data_is_the_fit_of_all_data(seed: int) -> None:
    """Random lengths, thicknesses and division of eight devices, each with amplitudes of its own.

    Moments of the first posterior are known to 1/√2000; 5 standard errors, 0.11 sd, are exceeded in less than 1e-5 of
    all runs. The same again is allowed for the shape, which a normal prior does not hold.
    """
    rng = np.random.default_rng([seed, 7])
    truth = {name: float(rng.uniform(0.8, 2.0)) for name in PAIR}
    d = tuple(np.sort(rng.uniform(0.5, 4.0, 8)).round(2).tolist())
    whole = simulated(d, noise=0.003, n_bias=21, seed=seed, truth=truth, **OWN)
    order = rng.permutation(8)
    first, second = (
        whole.replace(curves=tuple(whole.curves[k] for k in sorted(part))) for part in (order[:4], order[4:])
    )
    earlier = sampled(first)
    priors = Prior.from_posterior(earlier, PAIR)
    later = second.with_priors(**priors)
    assert later.parameters["lambda_J"].prior == priors["lambda_J"]
    mean, covariance = log_moments(earlier)
    np.testing.assert_allclose(
        [np.log(priors[name].of.median) for name in PAIR], mean, rtol=1e-9)  # type: ignore[attr-defined]  # fmt: skip
    width = np.sqrt(np.diagonal(covariance))
    expected = Grid(whole, mean, width).moments()
    grid = Grid(second, mean, width)
    joint = grid.moments(stats.multivariate_normal(mean, covariance).logpdf(grid.x))
    assert_moments(joint[:2], expected[:2], 0.22)
    assert_moments(log_moments(sampled(later)), joint[:2], 5 / np.sqrt(ESS))
    alone = grid.moments(stats.multivariate_normal(mean, np.diag(np.diagonal(covariance))).logpdf(grid.x))
    with pytest.raises(AssertionError):
        assert_moments(alone[:2], expected[:2], 0.22)


@pytest.mark.parametrize(("r", "contradicted"), slow_after(1, [(-0.99, True), (0.0, False), (0.99, False)]))
def test_data_contradict_a_correlation_that_each_prior_alone_would_allow(r: float, contradicted: bool) -> None:
    """Both are 0.8 sd above their medians: a square of 0.64 (2 − 2 r)/(1 − r²), and 0.64 without one of them."""
    priors = {"lambda_J": Correlated(LogNormal(1.0, 1.3), {"lambda_phi": r}),
              "lambda_phi": Correlated(LogNormal(1.2, 1.3), {"lambda_J": r})}  # fmt: skip
    truth = {"lambda_J": 1.0 * 1.3**0.8, "lambda_phi": 1.2 * 1.3**0.8}
    study = simulated((0.8, 1.2, 1.8, 2.5, 3.5), noise=0.003, n_bias=21, truth=truth, **priors, **KNOWN)
    best = mtjfit.fit(study)
    found = prior_conflicts(study, best.optimum, best.chi2)
    assert len(found) == contradicted
    for conflict in found:
        # the errors of the data add to the width of the prior, so that the fall is a few per cent smaller
        assert conflict.sigma**2 == pytest.approx(0.64 * (2 - 2 * r) / (1 - r**2) - 0.64, rel=0.05)
        assert np.isnan(conflict.error)


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    study = JointCase(2, PAIR, widths=(0.15, 0.12)).study(**KNOWN)
    return mtjfit.sample(study.replace(sampling=Sampling(target_ess=400)), 3, progress=False)


@pytest.mark.slow
def test_a_saved_posterior_keeps_its_joint_prior(posterior: Posterior, tmp_path: Path) -> None:
    posterior.save(tmp_path / "a.npz")
    again = mtjfit.load_posterior(str(tmp_path / "a.npz"))
    assert dict(again.study.parameters) == dict(posterior.study.parameters)
    assert describe(again.study, 3) == describe(posterior.study, 3)
    assert isinstance(again.priors["lambda_J"], Correlated)
    assert again.summary().equals(posterior.summary())


def test_a_result_folder_keeps_its_joint_prior(posterior: Posterior, tmp_path: Path) -> None:
    for name, data in study_files(posterior.study).items():
        (tmp_path / name).write_bytes(data)
    assert mtjfit.load_study(tmp_path / "study.toml").parameters == posterior.study.parameters


def faked(draws: np.ndarray, **changes: Any) -> Any:
    """A posterior with these draws of λ_J and λ_φ, in all that a joint prior is made of."""
    study = simulated(**KNOWN)
    start = {
        "study": study, "verdict": Verdict((), {}), "priors": make_posterior(study).priors,
        "draws": pd.DataFrame(draws, columns=list(PAIR)), "determined": lambda name: "yes",
    }  # fmt: skip
    return SimpleNamespace(**start | changes)


GOOD = np.exp(np.random.default_rng(0).multivariate_normal([0.1, 0.3], [[0.01, 0.005], [0.005, 0.02]], 5000))


def test_one_length_is_an_independent_prior() -> None:
    (prior,) = Prior.from_posterior(faked(GOOD), ["lambda_phi"]).values()
    assert isinstance(prior, LogNormal)
    assert prior.of_log.mean == pytest.approx(np.log(GOOD[:, 1]).mean())
    assert prior.of_log.sd == pytest.approx(np.log(GOOD[:, 1]).std(ddof=1))


def test_what_did_not_converge_is_no_prior(posterior: Posterior) -> None:
    refused = replace(posterior.verdict, checks=(Check("length", False, "the run is too short"),))
    with pytest.raises(NotConverged, match="has not converged is no prior: the run is too short; sample it longer"):
        Prior.from_posterior(replace(posterior, verdict=refused), PAIR)


def test_what_the_data_leave_open_is_named() -> None:
    with pytest.raises(NotDetermined, match=r"draws of lambda_phi have the shape .*lower limit alone.*leave them out"):
        Prior.from_posterior(
            faked(GOOD, determined=lambda name: "lower limit" if name == "lambda_phi" else "yes"), PAIR
        )


def test_draws_on_a_line_are_no_joint_prior() -> None:
    line = GOOD[:, :1] ** np.array([1.0, 2.0])
    with pytest.raises(NotDetermined, match="lie on a line or plane"):
        Prior.from_posterior(faked(line), PAIR)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("lambda_J", "names: are 'lambda_J'; give a list of lengths"),
        ([], "names: are \\[\\]; give a list"),
        ([1], "names: are \\[1\\]; give a list"),
        (["lambda_J", "lambda_J"], "names\\[1\\]: is 'lambda_J' again"),
        (["lambda_sf_F"], "names\\[0\\]: lambda_sf_F had no prior in the earlier study \\(fixed at 10\\)"),
        (["lamda_J"], "is no parameter of the earlier study; did you mean 'lambda_J'"),
        (
            ["a1"],
            "a1 is no length that all devices of the earlier study share; name lengths alone: lambda_J, lambda_phi",
        ),
        (["thickness"], "thickness had no prior in the earlier study"),
        (["x" * 10_000], "x{59}'? is no parameter"),
    ],
)
def test_names_that_are_no_lengths_are_refused(names: Any, said: str) -> None:
    with pytest.raises(mtjfit.errors.ConfigError, match=said) as caught:
        Prior.from_posterior(faked(GOOD), names)
    assert len(str(caught.value)) < 500
