"""The reference itself: its formula, its likelihood by brute force, its evidence where that is known."""

from functools import partial

import collapsed_brute as brute
import numpy as np
import pytest
from designs import design, kinds
from model_studies import value_of
from reference import cached_reference, reference
from reference_forward import kappa
from reference_layout import Entry
from reference_likelihood import Target
from reference_sampler import anneal, importance
from scipy import integrate, stats
from shortcuts import slow_but

import mtjfit
from mtjfit import study as declared

GAUSSIAN = (
    "plain", "own-amplitudes", "scatter", "dead-layer", "fitted-noise", "jitter", "rho", "covariance", "with-a2",
    "five", "angles", "mixed", "masks", "groups", "d-ratio",
)  # fmt: skip


def boundary_value_problem(d, lambda_J, lambda_phi, lambda_sf_F, Lambda):
    """κ from m = A exp(−qx) + B exp(−q(d−x)) in F and C in N, in units of J0/D_F: three equations, and Eq. 11."""
    inverse = -1j / lambda_J**2 + 1 / lambda_phi**2 + 1 / lambda_sf_F**2
    q = np.sqrt(inverse)
    e = np.exp(-q * d)
    # current 1 enters; density and current are continuous at d, where N takes the current C/Lambda
    A, B, C = np.linalg.solve([[q, -q * e, 0], [e, 1, -1], [q * e, -q, -1 / Lambda]], [1, 0, 0])
    lost = (A + B) * (1 - e) / q / lambda_sf_F**2
    return 1 - C / Lambda - lost


def test_kappa_solves_the_boundary_value_problem():
    rng = np.random.default_rng(1)
    for _ in range(300):
        d, *lengths = np.exp(rng.uniform(np.log(0.1), np.log(30.0), 5))
        expected = boundary_value_problem(d, *lengths)
        assert abs(kappa(d, *lengths) - expected) < 1e-9 * max(1e-3, abs(expected))


def test_kappa_is_that_of_mtjfit():
    rng = np.random.default_rng(2)
    d, *lengths, Lambda = np.exp(rng.uniform(np.log(0.1), np.log(100.0), (5, 2000)))
    expected = mtjfit.physics.kappa(d, *lengths, Lambda)
    np.testing.assert_array_less(np.abs(kappa(d, *lengths, Lambda) - expected), 1e-8 * np.abs(expected) + 1e-13)


def test_kappa_does_not_overflow():
    assert np.isfinite(kappa(1e5, 0.1, 0.1, 1.0, 100.0))


@pytest.mark.parametrize(
    "prior",
    [declared.Uniform(-1.0, 3.0), declared.LogUniform(0.1, 30.0), declared.Normal(1.0, 2.0),
     declared.LogNormal(2.0, 3.0), declared.Normal(1.0, 2.0, low=0.0, high=4.0)],
)  # fmt: skip
def test_coordinates_carry_the_prior(prior):
    entry = Entry("x", prior)
    z = np.linspace(-9.0, 9.0, 40001) if "Normal" in type(prior).__name__ else np.linspace(-40.0, 40.0, 40001)
    density = np.exp(entry.log_density(z))
    below = integrate.cumulative_trapezoid(density, z, initial=0.0)
    assert below[-1] == pytest.approx(1.0, abs=2e-4)
    np.testing.assert_allclose(below, prior.cdf(entry.value(z)), atol=3e-4)
    drawn = entry.value(entry.draw(np.random.default_rng(3), 4000))
    assert stats.kstest(prior.cdf(drawn), "uniform").pvalue > 1e-4


def some_coordinates(study, n=4):
    target = Target(study)
    z = target.draw_start(np.random.default_rng(4), n)
    x, _, _ = target.unpack(z)
    return target, x, [dict(zip([e.name for e in target.layout.entries], row, strict=True)) for row in x.T]


@pytest.mark.parametrize("kind", slow_but(("scatter", "fitted-noise", "covariance", "angles", "groups"), GAUSSIAN))
def test_likelihood_is_that_of_all_values_at_once(kind):
    for seed in range(3):
        study = design(seed, kind).study
        target, x, values = some_coordinates(study)
        for found, each in zip(target.log_likelihood(x), values, strict=True):
            assert found == pytest.approx(brute.shared_integrated(study, each), rel=1e-7, abs=1e-5)


def test_likelihood_with_errors_of_the_bias():
    """Against slopes of polynomials that are fitted by another routine."""
    study = design(3, "bias-errors").study
    target, x, values = some_coordinates(study)
    for curve, points in zip(study.curves, target.points, strict=True):
        n = curve.n_used
        added = points.covariance - np.diag(np.concatenate([curve.sigma_par, curve.sigma_perp]) ** 2)
        blocks = added[:n, :n], added[n:, n:], added[:n, n:]
        first, second, cross = (np.diagonal(each) for each in blocks)
        np.testing.assert_allclose(first * second, cross**2, rtol=1e-6, atol=1e-18)
    assert np.all(np.isfinite(target.log_likelihood(x)))
    assert len(values) == x.shape[1]


def test_student_likelihood():
    for kind in ("student-fixed", "student-free", "student-fit"):
        study = design(5, kind).study
        target, x, values = some_coordinates(study)
        for found, each in zip(target.log_likelihood(x), values, strict=True):
            d = [np.array([value_of(study, curve, "thickness", each)]) for curve in study.curves]
            devices = zip(study.curves, d, strict=True)
            expected = sum(brute.student_given_thickness(study, curve, each, at)[0] for curve, at in devices)
            assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["half-normal", "between"])
def test_bounded_amplitudes_are_a_ratio_of_probabilities(kind):
    """Posterior over prior probability of the bounds, from a general routine for normal probabilities of boxes."""
    for seed in range(4):
        study = design(seed, kind).study
        bounded = {name: study.parameters[name].prior for name in study.amplitudes}
        free = {
            name: declared.Parameter(name, declared.Normal(prior.mean, prior.sd)) for name, prior in bounded.items()
        }
        target, x, _ = some_coordinates(study)
        open_target = Target(study.replace(parameters={**study.parameters, **free}))
        log_open, mu, L, _, _ = open_target._gaussian(x)
        for k, found in enumerate(target.log_likelihood(x)):
            C = np.linalg.inv(L[..., k] @ L[..., k].T)
            priors = list(bounded.values())
            low, high = (np.array([(b - p.mean) / p.sd for p, b in zip(priors, ends, strict=True)])
                         for ends in ([p.low for p in priors], [p.high for p in priors]))  # fmt: skip
            inside = stats.multivariate_normal(mu[:, k], C, allow_singular=True).cdf(high, lower_limit=low)
            before = stats.multivariate_normal(np.zeros(2), np.eye(2)).cdf(high, lower_limit=low)
            if inside > 1e-4:
                assert found - log_open[k] == pytest.approx(np.log(inside / before), abs=2e-3)


class TwoModes:
    """Normal start; a posterior of two normal modes, far apart, of known masses."""

    size = 4
    masses = 0.3, 0.7

    def draw_start(self, rng, n):
        return rng.standard_normal((self.size, n))

    def __call__(self, z):
        start = stats.norm.logpdf(z).sum(axis=0)
        modes = [
            stats.norm.logpdf(z, at, 0.05).sum(axis=0) + np.log(m)
            for at, m in zip((-1.0, 1.0), self.masses, strict=True)
        ]
        return start, np.logaddexp(*modes) + 7.0 - start


@pytest.mark.slow
def test_evidence_and_masses_of_two_modes():
    target, rng = TwoModes(), np.random.default_rng(6)
    annealed = anneal(target, rng, chains=500)
    found = importance(target, annealed, rng, ess=5000, batch=4000)
    assert annealed.log_z == pytest.approx(7.0, abs=0.15)
    assert found.log_z == pytest.approx(7.0, abs=5 * found.error)
    assert found.weights[found.z[0] < 0].sum() == pytest.approx(0.3, abs=0.03)


@pytest.mark.slow
def test_evidence_by_quadrature_where_one_length_is_free():
    """All but λ_J fixed: ln Z is a one-dimensional integral."""
    study = design(11, "plain").study
    fixed = {
        name: declared.Parameter(name, declared.Fixed(each))
        for name, each in {"lambda_phi": 1.2, "lambda_sf_F": 12.0}.items()
    }
    behind = [name for name in ("Lambda", "lambda_sf_N") if name in study.parameters]
    fixed |= {name: declared.Parameter(name, declared.Fixed(2.0)) for name in behind}
    fixed["thickness"] = declared.Parameter("thickness", declared.Fixed(0.0), "device")
    study = study.replace(parameters={**study.parameters, **fixed})
    target = Target(study)
    z = np.linspace(-30.0, 30.0, 120_001)[None]
    start, ratio = target(z)
    expected = np.logaddexp.reduce(start + ratio) + np.log(z[0, 1] - z[0, 0])
    found = reference(study, 1, chains=500, ess=5000)
    assert found.log_z == pytest.approx(expected, abs=5 * found.error + 1e-3)
    assert found.annealed_log_z == pytest.approx(expected, abs=0.15)
    below = np.cumsum(np.exp(start + ratio - np.logaddexp.reduce(start + ratio)))
    q = float(found.quantile("lambda_J", 0.05))
    at = np.interp(q, target.layout.entries[0].value(z[0]), below)
    assert at == pytest.approx(0.05, abs=5 * float(found.cdf_error("lambda_J", q)))


@pytest.mark.slow
def test_designs_are_the_same_for_a_seed_and_every_kind_can_be_made():
    for kind in kinds():
        first, again = design(7, kind), design(7, kind)
        assert first.kind == kind
        for one, other in zip(first.study.curves, again.study.curves, strict=True):
            np.testing.assert_array_equal([one.par, one.perp], [other.par, other.perp])
        assert set(Target(first.study).layout.columns) or "noise_dof" in first.study.parameters
    share = np.mean([design(seed).kind == "plain" for seed in range(200)])
    assert 0.35 < share < 0.65


@pytest.mark.slow
def test_a_kept_reference_is_the_same(tmp_path):
    one = design(2, "plain")
    quick = partial(reference, chains=200, ess=500)
    made, kept = (cached_reference(one, tmp_path, quick) for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 1
    assert (made.log_z, made.ess, made.agrees) == (kept.log_z, kept.ess, kept.agrees)
    q = made.quantile("lambda_phi", 0.3)
    assert made.cdf("lambda_phi", q) == kept.cdf("lambda_phi", q) == pytest.approx(0.3, abs=1e-3)
