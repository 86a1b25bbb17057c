"""A joint prior is the same in every place that reads priors: against scipy's normal distribution of several variables.

Each road is one check. All of them fail where correlations are ignored.
"""

from __future__ import annotations

import numpy as np
import pytest
from joint_cases import MEMBERS, JointCase, Road, assert_needs_correlations
from model_studies import FEW
from scipy import stats
from scipy.special import ndtri
from shortcuts import slow_after

from mtjfit.infer import Posterior, Verdict, draw_truth, identify
from mtjfit.model import make_posterior
from mtjfit.model.coordinates import Scores
from mtjfit.model.likelihood import full_posterior
from mtjfit.model.penalised import Penalised
from mtjfit.study import AboutNominal, Correlated, Parameter


def scores(case: JointCase) -> None:
    """Density of coordinates, times |dz/dx|; lambda_sf_N and the noise are independent."""
    model = make_posterior(case.study(fit_sigma=True))
    z = np.random.default_rng(case.seed).normal(0.0, 1.3, (50, model.size))
    assert model.names[:3] == MEMBERS
    x = model.scores.values(z)[:, :3]
    expected = case.log_density(x) + np.log(x * case.numbers[1]).sum(axis=1) + stats.norm.logpdf(z[:, 3:]).sum(axis=1)
    np.testing.assert_allclose(model.log_prior(z), expected, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(model.scores.of(model.scores.values(z)), z, atol=1e-9)


def cube_of_scores(case: JointCase) -> None:
    model = make_posterior(case.study())
    u = np.random.default_rng(case.seed).random((20_000, model.size))
    z = model.prior_transform(u)
    case.assert_drawn(model.scores.values(z)[:, :3])
    np.testing.assert_allclose(z[:, 3], ndtri(u[:, 3]), atol=1e-12)


def layout(case: JointCase) -> None:
    """Density of the logarithms of all lengths; the fourth is flat over three decades."""
    model = full_posterior(case.study())
    theta = np.log(np.random.default_rng(case.seed).uniform(0.5, 5.0, (50, 4)))
    expected = case.log_density(np.exp(theta[:, :3])) + theta[:, :3].sum(axis=1) - np.log(np.log(1000.0))
    np.testing.assert_allclose(model.log_prior(theta), expected, rtol=1e-10, atol=1e-9)


def cube_of_layout(case: JointCase) -> None:
    model = full_posterior(case.study())
    u = np.random.default_rng(case.seed).random((20_000, 4))
    theta = model.prior_transform(u)
    case.assert_drawn(np.exp(theta[:, :3]))
    np.testing.assert_allclose(theta[:, 3], np.log(0.1) + u[:, 3] * np.log(1000.0))


def simulated_truths(case: JointCase) -> None:
    study, rng = case.study(d=(2.0,)), np.random.default_rng(case.seed)
    truths = [draw_truth(study, rng) for _ in range(2000)]
    case.assert_drawn(np.array([[truth[name] for name in MEMBERS] for truth in truths]))


def priors_as_measurements(case: JointCase) -> None:
    """Of all members the joint square, without one that of the others."""
    model = full_posterior(case.study(thickness=AboutNominal(0.1)))
    values = model.layout.values(model.prior_transform(np.full((1, model.layout.size), 0.5)))[0]
    free = np.repeat(model.layout.coordinates(values)[None], 20, axis=0)
    free[:, :3] = np.random.default_rng(case.seed).normal(0.5, 0.5, (20, 3))

    def total(*without: str) -> np.ndarray:
        return np.sum(Penalised(model, values, frozenset(without)).residual(free) ** 2, axis=1)

    nothing, away = total(*MEMBERS), free[:, :3] - case.mean
    for out in ((), ("lambda_phi",), ("lambda_J", "lambda_sf_F")):
        kept = [k for k, name in enumerate(MEMBERS) if name not in out]
        precision = np.linalg.inv(case.covariance[np.ix_(kept, kept)])
        expected = np.einsum("nj,jk,nk->n", away[:, kept], precision, away[:, kept])
        np.testing.assert_allclose(total(*out) - nothing, expected, rtol=1e-6, atol=1e-6)


ROADS: list[Road] = [scores, cube_of_scores, layout, cube_of_layout, simulated_truths, priors_as_measurements]


@pytest.mark.parametrize("road", slow_after(1, ROADS))
@pytest.mark.parametrize("seed", range(4))
def test_priors_are_joint(road: Road, seed: int) -> None:
    road(JointCase(seed))


@pytest.mark.slow
@pytest.mark.parametrize("road", ROADS)
def test_no_road_passes_without_correlations(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_needs_correlations(road, monkeypatch)


def test_the_derived_Lambda_has_the_prior_of_its_correlated_factors() -> None:
    case = JointCase(5, ("lambda_sf_N", "D_ratio"))
    study = case.study()
    priors = make_posterior(study).priors
    one = np.ones((1, 2, 1))
    found = Posterior(study, Verdict((), {}), ("Lambda",), one[..., None], one, priors, {}).prior_of("Lambda")
    assert found is not None
    z = np.random.default_rng(5).multivariate_normal(case.mean, case.covariance, 40_000).sum(axis=1)
    # fails by chance in 1e-5 of all runs, and where the correlation is ignored
    assert stats.kstest(found.cdf(np.exp(z)), "uniform").pvalue > 1e-5
    alone = np.sqrt(np.trace(case.covariance))
    assert stats.kstest(stats.norm(case.mean.sum(), alone).cdf(z), "uniform").pvalue < 1e-5


def test_scores_refuse_correlated_priors_without_names() -> None:
    priors = tuple(JointCase(0).priors.values())
    with pytest.raises(ValueError, match="need the names"):
        Scores(priors)
    assert Scores(priors, MEMBERS).size == 3


def test_no_correlation_is_the_same_as_independent_priors() -> None:
    alone = JointCase(0).priors
    none = {name: Correlated(one.of, dict.fromkeys(one.correlation, 0.0)) for name, one in alone.items()}
    study = JointCase(0).study()
    joint, apart = (
        make_posterior(study.replace(parameters={**study.parameters, **{n: Parameter(n, p) for n, p in each.items()}}))
        for each in (none, {name: one.of for name, one in alone.items()})
    )
    z = np.random.default_rng(0).standard_normal((20, joint.size))
    np.testing.assert_allclose(joint.log_posterior(z), apart.log_posterior(z), rtol=1e-13)


@pytest.mark.slow
def test_the_profile_of_Lambda_takes_the_place_of_a_correlated_factor() -> None:
    """Where λ_sf^N and D_ratio are both free, only Λ is identified; priors of the others stay."""
    study = JointCase(3, ("lambda_J", "lambda_phi", "D_ratio")).study()
    found = identify(study, search=FEW, progress=False)
    assert found.determined.loc["Lambda", "known_to"] == "upper limit"
    assert found.determined.loc["D_ratio", "known_to"] == "prior only"
