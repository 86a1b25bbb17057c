"""Amplitudes that scatter between devices about a shared one: integrated out device by device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import collapsed_brute as brute
import numpy as np
import pytest
from model_studies import A1, B2, TRUTH, at_values, named_points, simulated
from model_studies import NARROW as LENGTHS
from model_studies import UNCERTAIN_THICKNESS as FREE
from scipy import stats

from mtjfit.model import MarginalPosterior
from mtjfit.model.coordinates import Coordinates
from mtjfit.model.layout import Scattered, with_own_amplitudes
from mtjfit.physics import Interface, torque
from mtjfit.study import AboutNominal, Fixed, LogNormal, Normal, Parameter, Study, Uniform

TEN, SOME = {"scatter_a1": Fixed(0.1)}, {"scatter_a1": LogNormal(0.05, 2.0)}

STUDIES: dict[str, dict[str, Any]] = {
    "known thickness": TEN,
    "scatter sampled": SOME,
    "both amplitudes": SOME | {"scatter_b2": Fixed(0.2)},
    "of groups": {"a1": (A1, "group"), "scatter_a1": (LogNormal(0.05, 2.0), "group")},
    "beside own amplitudes": SOME | {"b2": (B2, "device")},
    "bounded": {"a1": Normal(0.0, 1.0, low=0.0), "b2": Normal(0.5, 0.3, low=0.2)} | SOME,
    "about a fixed amplitude": {"a1": Fixed(0.95)} | SOME,
    "fitted noise": SOME | {"fit_sigma": True, "noise_par": LogNormal(0.02, 1.3), "noise_perp": LogNormal(0.02, 1.3)},
    "uncertain thickness": FREE | SOME,
    "uncertain, both, per volume": FREE | SOME | {"scatter_b2": LogNormal(0.05, 2.0), "per": "volume"},
    "uncertain, bounded own": FREE | SOME | {"b2": (Normal(0.6, 0.3, low=0.0), "device"), "quantity": "torkance"},
}
every_study = pytest.mark.parametrize("changes", STUDIES.values(), ids=list(STUDIES))


def study(**changes: Any) -> Study:
    return simulated(**(LENGTHS | {"a1": A1, "b2": B2} | changes))


def near_truth(model: MarginalPosterior, n: int = 3) -> np.ndarray:
    return at_values(model, scatter_a1=0.05, scatter_b2=0.05) + 0.1 * np.random.default_rng(4).standard_normal(
        (n, model.size)
    )


def departure(model: MarginalPosterior) -> float:
    """Worst |Δ ln L| against raw points, up to a constant of the quadrature of thicknesses."""
    z = near_truth(model)
    free = model.split.thickness_is_free
    reference = brute.all_devices if free else brute.shared_integrated
    difference = model.log_likelihood(z) - [reference(model.study, point) for point in named_points(model, z)]
    return float(np.ptp(difference)) if free else float(np.max(np.abs(difference)))


@every_study
def test_likelihood_by_raw_points(changes: dict[str, Any]) -> None:
    model = MarginalPosterior(study(**changes))
    assert departure(model) < (1e-4 if model.split.thickness_is_free else 1e-6)


def test_scatter_about_a_known_amplitude_is_a_prior_of_every_device() -> None:
    for more in ({}, FREE):
        one = MarginalPosterior(study(a1=Fixed(1.1), scatter_a1=Fixed(0.3), **more))
        other = MarginalPosterior(study(a1=(Normal(1.1, 0.33), "device"), **more))
        assert one.names == other.names
        z = near_truth(one)
        np.testing.assert_allclose(one.log_likelihood(z), other.log_likelihood(z), rtol=1e-11)
        a, b = (model.draw(z, np.random.default_rng(1)) for model in (one, other))
        np.testing.assert_allclose(a["a1[B]"], b["a1[B]"], rtol=1e-9)


def test_no_scatter_is_a_shared_amplitude() -> None:
    none, shared = MarginalPosterior(study(**FREE, scatter_a1=Fixed(1e-7))), MarginalPosterior(study(**FREE))
    z = near_truth(shared)
    np.testing.assert_allclose(none.log_likelihood(z), shared.log_likelihood(z), atol=1e-6)


def test_what_is_sampled() -> None:
    """The shared amplitude and its scatter, whatever the number of devices; others are integrated out as ever."""
    model = MarginalPosterior(simulated(np.linspace(1.0, 4.0, 20), **(LENGTHS | SOME)))
    assert model.names == (*LENGTHS, "a1", "scatter_a1")
    found = model.draw(near_truth(model), np.random.default_rng(0))
    assert set(found) == set(model.priors) == {*model.names, "b2", *(f"a1[{d}]" for d in model.study.devices)}
    assert model.study.unit_of("scatter_a1") == ""
    assert model.study.unit_of("a1[A]") == model.study.unit_of("a1")
    groups = MarginalPosterior(study(**STUDIES["of groups"]))
    assert groups.names[4:] == ("a1[g0]", "a1[g1]", "scatter_a1[g0]", "scatter_a1[g1]")


@pytest.mark.parametrize("key", ["both amplitudes", "beside own amplitudes", "uncertain, both, per volume"])
def test_own_amplitudes_come_from_their_conditional(key: str) -> None:
    """Given everything else: KS of whitened amplitudes of the first two devices, 1e-5 each; four tests a study."""
    model = MarginalPosterior(study(**STUDIES[key]))
    z = np.repeat(near_truth(model, 1), 2500, axis=0)
    found = model.draw(z, np.random.default_rng(5))
    point = named_points(model, z[:1])[0]
    scattered = [name for name in ("a1", "b2") if f"scatter_{name}" in model.study.parameters]
    own = [*scattered, *(name for name in ("b2",) if brute.is_own(model.study, name))]
    for curve in model.study.curves[:2]:
        d = found.get(f"thickness[{curve.device}]", np.full(2500, curve.thickness))
        mean, covariance = brute.own_given_thickness(model.study, curve, point, d, own)
        c = np.stack([found[f"{name}[{curve.device}]"] for name in own], axis=-1)
        white = np.linalg.solve(np.linalg.cholesky(covariance), (c - mean)[..., None])[..., 0]
        assert min(stats.kstest(column, "norm").pvalue for column in white.T) > 1e-5


def test_the_joint_distribution_is_calibrated() -> None:
    """Truths from the prior, scatter among them: χ² tests of ranks at 1e-4 for five parameters."""
    fixed = {name: Fixed(TRUTH[name]) for name in LENGTHS}
    made = simulated((0.6, 1.0), n_bias=5, a1=Fixed(1.0), b2=Fixed(0.6), scatter_a1=Uniform(0.02, 1.0), **fixed,
                     thickness=AboutNominal(0.1))  # fmt: skip
    errors = {"sigma_par": np.full(5, 0.1), "sigma_perp": np.full(5, 0.1)}
    made = made.replace(curves=tuple(replace(curve, **errors) for curve in made.curves))
    rng, ranks, grid = np.random.default_rng(2), [], np.linspace(-4.5, 4.5, 91)[:, None]
    for _ in range(100):
        s, d = rng.uniform(0.02, 1.0), np.array([0.6, 1.0]) + 0.1 * rng.standard_normal(2)
        a1 = 1 + s * rng.standard_normal(2)
        T = [torque(c.bias, x, *(TRUTH[name] for name in LENGTHS), interface=Interface.of(a1=a, b2=0.6))
             for c, x, a in zip(made.curves, d, a1, strict=True)]  # fmt: skip
        T = [one + 0.1 * (rng.standard_normal(5) + 1j * rng.standard_normal(5)) for one in T]
        curves = (replace(c, par=one.real, perp=one.imag) for c, one in zip(made.curves, T, strict=True))
        model = MarginalPosterior(made.replace(curves=tuple(curves)))
        log = model.log_posterior(grid)
        mass = np.cumsum(np.exp(log - log.max()))
        z = np.interp(rng.random(31), mass / mass[-1], grid[:, 0])[:, None]
        found = model.draw(z, rng)
        truth = {"scatter_a1": s, "a1[A]": a1[0], "a1[B]": a1[1], "thickness[A]": d[0], "thickness[B]": d[1]}
        assert set(found) == set(truth)
        ranks.append([np.sum(found[name] < truth[name]) for name in truth])
    for column in np.array(ranks).T:
        assert stats.chisquare(np.histogram(column, bins=8, range=(0, 32))[0]).pvalue > 1e-4


def test_least_squares_give_every_device_its_own() -> None:
    made = study(**FREE, scatter_a1=Fixed(0.1), b2=Fixed(0.6), scatter_b2=LogNormal(0.1, 2.0))
    found = with_own_amplitudes(made)
    assert found.parameters["a1"] == Parameter("a1", A1, "device")
    assert found.parameters["b2"] == Parameter("b2", Normal(0.6, 0.6), "device")
    assert list(found.parameters) == [name for name in made.parameters if not name.startswith("scatter")]
    assert with_own_amplitudes(found) is found
    bounded = with_own_amplitudes(study(**STUDIES["bounded"]))
    assert not bounded.parameters["a1"].prior.truncated  # the bounds are those of the shared one


CASES: dict[str, tuple[Scattered, Callable[[np.ndarray], np.ndarray]]] = {
    "known": (Scattered(Fixed(2.0), Fixed(0.1)), lambda x: stats.norm.cdf(x, 2.0, 0.2)),
    "no scatter": (Scattered(Normal(1.0, 0.4), Fixed(1e-9)), lambda x: stats.norm.cdf(x, 1.0, 0.4)),
    "scatter with a prior": (
        Scattered(Fixed(1.0), Uniform(0.1, 0.5)),
        lambda x: np.mean(stats.norm.cdf(x[:, None], 1.0, np.linspace(0.1, 0.5, 2001)), axis=1),
    ),
    "both": (
        Scattered(Normal(1.0, 0.3, low=0.0), Fixed(0.2)),
        lambda x: np.mean(
            [stats.norm.cdf(x, a, 0.2 * a) for a in Normal(1.0, 0.3, low=0.0).quantile((np.arange(4000) + 0.5) / 4000)],
            axis=0,
        ),
    ),
}


@pytest.mark.parametrize(("prior", "exact"), CASES.values(), ids=list(CASES))
def test_the_prior_of_one_device(prior: Scattered, exact: Callable[[np.ndarray], np.ndarray]) -> None:
    x = prior.quantile(np.linspace(0.01, 0.99, 25))
    np.testing.assert_allclose(prior.cdf(x), np.linspace(0.01, 0.99, 25), atol=1e-9)
    np.testing.assert_allclose(prior.cdf(x), exact(x), atol=2e-3)
    slope = (exact(x + 1e-4) - exact(x - 1e-4)) / 2e-4
    np.testing.assert_allclose(np.exp(prior.logpdf(x)), slope, atol=0.05 * slope.max())
    assert prior.logpdf(1e9) == -np.inf


def test_sabotage_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Coordinates.own_sd
    monkeypatch.setattr(Coordinates, "own_sd", lambda self, values, centre: right(self, values, centre) * 1.05)
    assert departure(MarginalPosterior(study(**SOME))) > 1e-3
    assert departure(MarginalPosterior(study(**STUDIES["uncertain, both, per volume"]))) > 1e-3
