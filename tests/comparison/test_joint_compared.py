"""Comparisons under a joint prior: several studies, wider priors, mechanisms that fix a member, a free layer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from joint_cases import MEMBERS, JointCase, Road, assert_needs_correlations
from scipy import stats
from scipy.special import ndtri
from small import problems_of

from mtjfit.comparison import joint_posterior
from mtjfit.comparison.free_layer.layer import prior_draws
from mtjfit.comparison.mechanisms.models import MECHANISMS, mechanism_study
from mtjfit.comparison.mechanisms.prior_widths import WIDTHS, evidence_bounds
from mtjfit.model import make_posterior
from mtjfit.model.layout import even_points
from mtjfit.study import Correlated, Fixed, Normal


def drawn_for_a_free_layer(case: JointCase) -> None:
    names = (*MEMBERS, "a1")
    posterior = SimpleNamespace(priors={"a1": Normal(1.0, 0.1), **case.priors})
    found = prior_draws(posterior, names)  # type: ignore[arg-type]
    case.assert_drawn(found[list(MEMBERS)].to_numpy())
    np.testing.assert_allclose(found["a1"], 1.0 + 0.1 * ndtri(even_points(4, len(found))[:, 3]), atol=1e-12)


def several_studies(case: JointCase) -> None:
    """One joint density of the shared lengths, whatever the number of studies."""
    model = joint_posterior({"a": case.study(), "b": case.study(seed=3)}, (*MEMBERS, "lambda_sf_N"))
    z = np.random.default_rng(case.seed).standard_normal((50, model.size))
    one = model.models["a"]
    x = one.scores.values(z[:, model.columns("a")])[:, :3]
    others = np.delete(z, model.columns("a")[:3], axis=1)
    expected = case.log_density(x) + np.log(x * case.numbers[1]).sum(axis=1) + stats.norm.logpdf(others).sum(axis=1)
    np.testing.assert_allclose(model.log_prior(z), expected, rtol=1e-10, atol=1e-9)


def bound_of_the_evidence(case: JointCase) -> None:
    """Jensen's bound ⟨ln p'/p⟩ under lengths three times as wide; what is above it is not known."""
    model = make_posterior(case.study(lambda_sf_N=Fixed(2.0)))
    z = np.random.default_rng(case.seed).normal(0.0, 0.3, (4000, model.size))
    explored = SimpleNamespace(settled=True, evidence=SimpleNamespace(value=0.0, error=0.0), resampled=lambda n, rng: z)
    (width,) = [one for one in WIDTHS if one.name == "lengths x 3"]
    low, high = evidence_bounds(model, explored, width, 7.0, np.random.default_rng(1))  # type: ignore[arg-type]
    x = model.scores.values(z)
    wide = JointCase(case.seed, widths=tuple(case.numbers[1]))
    wide.numbers[1][:] += np.log(3.0)
    ratio = wide.log_density(x) - case.log_density(x)
    assert low == pytest.approx(ratio.mean() - 3 * ratio.std() / np.sqrt(4000), abs=1e-6)
    assert high == 7.0


ROADS: list[Road] = [drawn_for_a_free_layer, several_studies, bound_of_the_evidence]


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("seed", range(4))
def test_priors_are_joint(road: Road, seed: int) -> None:
    road(JointCase(seed))


@pytest.mark.parametrize("road", ROADS)
def test_no_road_passes_without_correlations(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_needs_correlations(road, monkeypatch)


def test_a_mechanism_that_fixes_a_member_keeps_the_prior_of_the_others() -> None:
    """Of each other member its own prior, and of the pair that is left their correlation."""
    case = JointCase(1, ("lambda_J", "lambda_phi", "Lambda"))
    study = case.study(lambda_sf_N=None, D_ratio=None)
    found = mechanism_study(study, MECHANISMS["diffusion-bulk"]).parameters
    r = float(case.numbers[2][0, 1])
    for name, other in (("lambda_J", "lambda_phi"), ("lambda_phi", "lambda_J")):
        assert found[name].prior == Correlated(case.priors[name].of, {other: r})
    assert mechanism_study(study, MECHANISMS["ballistic"]).parameters["lambda_J"].is_fixed
    assert mechanism_study(study, MECHANISMS["diffusion"]).parameters["Lambda"].prior == case.priors["Lambda"]


def test_studies_share_all_members_of_a_joint_prior() -> None:
    studies = {"a": JointCase(1).study(), "b": JointCase(1).study(seed=2)}
    said = problems_of(joint_posterior, studies, ("lambda_J", "lambda_phi"))
    assert [each.split(": has")[0] for each in said] == [f"{label}: parameters.lambda_sf_F" for label in "ab"]
    assert all(each.endswith("but is not shared; share it, or give it a prior without correlation") for each in said)
