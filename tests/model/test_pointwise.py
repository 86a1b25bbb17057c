"""Jitter and Student-t errors against densities of the raw points, and what an outlier does under each."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import collapsed_brute as brute
import numpy as np
import pytest
from model_studies import NOISE_PRIORS, simulated
from scipy.stats import kstest

import mtjfit
from mtjfit.errors import ConfigError, MtjfitError
from mtjfit.model import JitterPosterior, MarginalPosterior, StudentPosterior, make_posterior, noise_words
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study, Uniform, load_study

JITTER = {"jitter_par": LogNormal(0.02, 2.0), "jitter_perp": Normal(0.0, 0.05, low=0.0)}
AMPLITUDES = {"a1": Fixed(1.0), "b2": Fixed(0.6)}
OWN = {"thickness": AboutNominal(0.1), "b2": (Normal(0.5, 0.2), "device")}


def masked(study: Study) -> Study:
    """Devices of different numbers of points in use."""
    first, *rest = study.curves
    return study.replace(curves=(first.mask(first.bias > 0.15, "high"), *rest))


def points(model: MarginalPosterior, n: int = 4, seed: int = 2) -> tuple[np.ndarray, list[dict[str, float]]]:
    """Coordinates drawn near the centre of the priors, and the values by name."""
    z = 0.5 * np.random.default_rng(seed).standard_normal((n, model.size))
    return z, [dict(zip(model.names, row, strict=True)) for row in model.scores.values(z)]


@pytest.mark.parametrize(
    ("options", "rho"),
    [
        (AMPLITUDES, None),
        (AMPLITUDES | {"quantity": "torkance", "per": "volume"}, None),
        ({}, np.linspace(-0.9, 0.9, 11)),
    ],
    ids=["torque", "torkance", "correlated, amplitudes integrated out"],
)
def test_jitter_is_the_normal_density_of_the_points(options: dict[str, Any], rho: np.ndarray | None) -> None:
    study = simulated(**options, **JITTER)
    study = masked(study.replace(curves=(replace(study.curves[0], rho=rho), *study.curves[1:])))
    model = JitterPosterior(study)
    assert model.names[-2:] == ("jitter_par", "jitter_perp")
    z, found = points(model)
    expected = [brute.shared_integrated(study, point) for point in found]
    assert model.log_likelihood(z) == pytest.approx(expected, rel=1e-10)


def enlarged(study: Study, par: float, perp: float) -> Study:
    curves = [
        replace(c, sigma_par=np.hypot(c.sigma_par, par), sigma_perp=np.hypot(c.sigma_perp, perp)) for c in study.curves
    ]
    parameters = {name: each for name, each in study.parameters.items() if not name.startswith("jitter")}
    return study.replace(curves=tuple(curves), parameters=parameters)


@pytest.mark.parametrize(
    "options", [{}, OWN, OWN | {"dead_layer": Uniform(0.0, 0.4)}], ids=["known d", "own d", "dead"]
)
def test_jitter_composes_with_all_that_is_integrated(options: dict[str, Any]) -> None:
    """At given jitter the study is one with larger errors: the same integrals, and the same draws from them."""
    study = masked(simulated((1.0, 2.0, 3.5, 5.0), **options, jitter_par=Fixed(0.03), jitter_perp=Fixed(0.01)))
    model, other = JitterPosterior(study), MarginalPosterior(enlarged(study, 0.03, 0.01))
    z, _ = points(other)
    assert model.names == other.names
    assert model.log_likelihood(z) == pytest.approx(other.log_likelihood(z), rel=1e-10)
    drawn, expected = (each.draw(z, np.random.default_rng(4)) for each in (model, other))
    assert list(drawn) == list(expected)
    for name, values in expected.items():
        assert drawn[name] == pytest.approx(values, rel=1e-7, abs=1e-9)
    assert model.quadrature_error(z) == pytest.approx(other.quadrature_error(z), rel=1e-6)


def test_jitter_left_out_is_seen() -> None:
    study = simulated(**JITTER)
    model = JitterPosterior(study)
    z, found = points(model, n=1)
    keep = [k for k, name in enumerate(model.names) if not name.startswith("jitter")]
    without = MarginalPosterior(enlarged(study, 0.0, 0.0)).log_likelihood(z[:, keep])
    right = MarginalPosterior(enlarged(study, found[0]["jitter_par"], found[0]["jitter_perp"])).log_likelihood(
        z[:, keep]
    )
    assert model.log_likelihood(z) == pytest.approx(right, rel=1e-10)
    assert abs(without - right)[0] > 1


def test_jitter_finds_what_errors_lack() -> None:
    """σ declared as 0.01, scatter 0.03: 82 values of each fix s = 0.028 to about 9 %; 4 sd, one seed in 10 000."""
    study = simulated((1.0, 2.0), n_bias=41, noise=0.03, seed=8, lambda_sf_N=Fixed(2.0), lambda_sf_F=Fixed(10.0),
                      lambda_phi=Fixed(1.2), lambda_J=Fixed(1.0), jitter_par=LogUniform(0.001, 1.0),
                      jitter_perp=LogUniform(0.001, 1.0))  # fmt: skip
    study = study.replace(
        curves=tuple(replace(c, sigma_par=c.sigma_par / 3, sigma_perp=c.sigma_perp / 3) for c in study.curves)
    )
    model = JitterPosterior(study)
    grid = np.linspace(-2.0, 2.0, 81)
    z = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    log_post = model.log_posterior(z).reshape(81, 81)
    weight = np.exp(log_post - log_post.max())
    s = model.scores.values(np.stack([grid, grid], -1))[:, 0]
    for axis in (0, 1):
        mass = weight.sum(axis=1 - axis) / weight.sum()
        mean = mass @ s
        assert mean == pytest.approx(np.sqrt(0.03**2 - 0.01**2), abs=4 * np.sqrt(mass @ (s - mean) ** 2))
        assert np.sqrt(mass @ (s - mean) ** 2) < 0.15 * mean


STUDENT = {
    "known errors": {"noise_dof": Fixed(4.0)},
    "free degrees": {"noise_dof": LogUniform(1.0, 50.0)},
    "fitted scales": {"noise_dof": Fixed(1.0), "fit_sigma": True, **NOISE_PRIORS},
    "own everything": {"noise_dof": Fixed(3.0), "quantity": "torkance", "per": "volume", **OWN},
    "dead layer": {"noise_dof": LogUniform(1.0, 50.0), "dead_layer": Uniform(0.0, 0.4), **OWN},
}


def student_density(study: Study, point: dict[str, float], nu: float) -> float:
    """ln L, thicknesses integrated out, by raw points and quadrature."""
    dof = {"noise_dof": Parameter("noise_dof", Fixed(nu))}
    return brute.all_devices(study.replace(parameters=study.parameters | dof), point)


@pytest.mark.parametrize("options", STUDENT.values(), ids=STUDENT)
def test_student_is_the_density_of_the_points(options: dict[str, Any]) -> None:
    study = masked(simulated(**options))
    model = StudentPosterior(study)
    z, found = points(model)
    exact = {"rel": 1e-10}
    if "thickness" in options:  # by quadrature, which is for where the posterior is
        many, _ = points(model, 4000)
        best = many[np.argmax(model.log_posterior(many))]
        z = best + 0.02 * z
        found = [dict(zip(model.names, row, strict=True)) for row in model.scores.values(z)]
        exact = {"abs": 2e-3}
    for value, point in zip(model.log_likelihood(z), found, strict=True):
        prior = study.parameters["noise_dof"].prior
        nu = prior.value if isinstance(prior, Fixed) else point["noise_dof"]
        expected = student_density(study, point, nu)
        assert value == pytest.approx(expected, **exact)
        assert abs(student_density(study, point, nu + 1) - expected) > 0.01
    drawn = model.draw(z, np.random.default_rng(0))
    assert set(drawn) == set(model.priors)
    of_coordinates = [{name: column[k] for name, column in drawn.items() if name in model.names} for k in range(len(z))]
    assert of_coordinates == found


def test_thicknesses_under_student_are_drawn_from_their_density() -> None:
    """Kolmogorov's test of 4000 draws of each device against the density at a given point: 1e-4 by chance."""
    study = with_outlier(simulated(noise_dof=Fixed(2.0), thickness=AboutNominal(0.1)), 20.0)
    model = StudentPosterior(study)
    z, (point, *_) = points(model, 1)
    drawn = model.draw(np.repeat(z, 4000, axis=0), np.random.default_rng(1))
    for curve in study.curves:
        d = curve.thickness + np.linspace(-0.6, 0.6, 601)
        prior = AboutNominal(0.1).about(curve.thickness)
        log_density = brute.student_given_thickness(study, curve, point, d) + prior.logpdf(d)
        mass = np.cumsum(np.exp(log_density - log_density.max()))
        assert kstest(np.interp(drawn[f"thickness[{curve.device}]"], d, mass / mass[-1]), "uniform").pvalue > 3e-5


def test_an_outlier_does_not_hide_the_thickness_from_the_quadrature() -> None:
    """Nodes lie where t errors have the thickness, not where normal ones would."""
    study = with_outlier(simulated(noise_dof=Fixed(2.0), thickness=AboutNominal(0.1)), 200.0)
    model = StudentPosterior(study)
    z = points(model, 8)[0]
    z = z[np.argsort(model.log_posterior(z))[-2:]]
    assert model.quadrature_error(z) < 0.01


def test_student_of_many_degrees_is_normal() -> None:
    student = simulated(noise_dof=Fixed(1e7))
    model, other = StudentPosterior(student), simulated()
    z, found = points(model)
    expected = [brute.shared_integrated(other, point) for point in found]
    assert model.log_likelihood(z) == pytest.approx(expected, rel=1e-3)


# -- an outlier --------------------------------------------------------------------------------------------------------

SHORT = {name: Fixed(value) for name, value in
         {"lambda_phi": 1.2, "lambda_sf_F": 10.0, "lambda_sf_N": 2.0}.items()}  # fmt: skip
TIGHT = SHORT | {"lambda_J": LogNormal(1.0, 1.3), "a1": Normal(1.0, 0.2), "b2": Fixed(0.6)}


def with_outlier(study: Study, sds: float) -> Study:
    """The out-of-plane value at the highest bias of the second device moved by so many of its errors."""
    curve = study.curves[1]
    perp = np.array(curve.perp)
    perp[-1] += sds * curve.sigma_perp[-1]
    return study.replace(curves=(study.curves[0], replace(curve, perp=perp), *study.curves[2:]))


def mean_and_sd(study: Study) -> tuple[float, float]:
    """Of λ_J, by a grid over all coordinates."""
    model = make_posterior(study)
    axes = [np.linspace(-half, half, 181) for half in (1.2, 0.6)[: model.size]]
    z = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, model.size)
    log_post = model.log_posterior(z)
    weight = np.exp(log_post - log_post.max())
    weight /= weight.sum()
    x = model.scores.values(z)[:, model.names.index("lambda_J")]
    mean = weight @ x
    return float(mean), float(np.sqrt(weight @ (x - mean) ** 2))


def shift(**noise: Any) -> float:
    """How far one value 20 σ out moves λ_J, in standard deviations without it."""
    study = simulated((1.0, 2.0, 3.5), n_bias=21, noise=0.01, seed=6, **TIGHT, **noise)
    (before, sd), (after, _) = mean_and_sd(study), mean_and_sd(with_outlier(study, 20.0))
    return abs(after - before) / sd


def test_an_outlier_moves_student_little_and_normal_much() -> None:
    """The value is worth 0.18 sd of λ_J for each of its own σ: 3.6 sd under normal errors.

    Under Student-t what it said before is lost, its own error times 0.18 sd: below 0.3 in nine of ten seeds.
    """
    assert shift(noise_dof=Fixed(4.0)) < 0.3
    assert shift() > 3


# -- declarations ------------------------------------------------------------------------------------------------------


def test_the_declared_parameters_choose_the_posterior() -> None:
    assert type(make_posterior(simulated())) is MarginalPosterior
    assert type(make_posterior(simulated(**JITTER))) is JitterPosterior
    assert type(make_posterior(simulated(noise_dof=Fixed(4.0)))) is StudentPosterior
    model = make_posterior(simulated(**JITTER))
    with pytest.raises(MtjfitError, match="compressed data"):
        model.full.log_likelihood(np.zeros((1, model.full.layout.size)))
    assert [model.study.unit_of(name) for name in ("jitter_par", "noise_dof")] == ["arb", ""]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"noise_dof": Fixed(0.5)}, "noise_dof: may be below 1"),
        ({"noise_dof": LogNormal(4.0, 2.0)}, "noise_dof: may be below 1"),
        ({"noise_dof": Fixed(np.nan)}, "noise_dof: may be below 1"),
        ({"noise_dof": Fixed(4.0), **JITTER}, "jitter_par: is declared beside noise_dof"),
        ({"fit_sigma": True, **JITTER}, "adds to known errors, but those of device 'A' are to be fitted"),
        ({"jitter_par": Normal(0.0, 1.0)}, "allows negative values"),
    ],
)
def test_what_excludes_each_other(options: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(what)):
        simulated(**options)


def test_what_correlated_errors_exclude() -> None:
    curve, *rest = simulated().curves
    n = curve.bias.size
    for changes in (
        {"rho": np.full(n, 0.5)},
        {"sigma_bias": 0.01},
        {"covariance": np.eye(2 * n) * curve.sigma_par[0] ** 2},
    ):
        study = simulated().replace(curves=(replace(curve, **changes), *rest))
        for noise in ({"noise_dof": Fixed(4.0)}, JITTER):
            parameters = {**study.parameters, **{k: v for k, v in simulated(**noise).parameters.items() if k in noise}}
            if noise is JITTER and "covariance" not in changes:
                study.replace(parameters=parameters)
                continue
            with pytest.raises(ConfigError, match=r"needs independent errors|cannot be added to the covariance"):
                study.replace(parameters=parameters)


@pytest.mark.parametrize(
    ("lines", "dof"),
    [
        ('model = "student"\ndof = 4', Fixed(4.0)),
        ('model = "student"\ndof = { prior = "loguniform", low = 1.0, high = 30.0 }', LogUniform(1.0, 30.0)),
        ('model = "normal"', None),
        ('model = "cauchy"', "noise.model: is 'cauchy'"),
        ('model = "student"', "noise.dof: is missing"),
        ('model = "normal"\ndof = 4', "noise.dof: normal errors have none"),
        ('model = "student"\ndof = 0.5', "noise_dof: may be below 1"),
        ('model = "student"\ndof = "many"', "noise.dof"),
        ('model = "student"\nnu = 4', "noise.nu: is no key"),
    ],
)
def test_the_table_of_a_study_file(make_study: Any, lines: str, dof: Any) -> None:
    file: Path = make_study(edit=lambda text: f"{text}\n[noise]\n{lines}\n")
    if isinstance(dof, str):
        with pytest.raises(ConfigError, match=re.escape(dof)):
            load_study(file)
        return
    parameters = load_study(file).parameters
    assert (parameters["noise_dof"].prior if dof is not None else parameters.get("noise_dof")) == dof


def test_words_name_the_model_and_its_assumptions() -> None:
    plain = simulated()
    n = plain.curves[0].bias.size
    correlated = plain.replace(
        curves=(replace(plain.curves[0], rho=np.full(n, 0.5), sigma_bias=0.01), *plain.curves[1:])
    )
    words = {
        "independent of each other": plain,
        "one scale for all points": simulated(fit_sigma=True),
        "jitter s of the in-plane and out-of-plane component": simulated(**JITTER),
        "Student-t errors of 4 degrees of freedom": simulated(noise_dof=Fixed(4.0)),
        "Student-t errors of a sampled number": simulated(noise_dof=Uniform(1.0, 9.0)),
        "between the two components of a point, and taken to be right": correlated,
        "effective variance": correlated,
    }
    for phrase, study in words.items():
        assert phrase in noise_words(study)
    assert "independent of each other" not in noise_words(correlated)


def test_points_that_no_sampler_reaches_are_refused() -> None:
    study = simulated(**AMPLITUDES)
    par = np.array(study.curves[0].par)
    par[3] = 1e15
    far = study.replace(curves=(replace(study.curves[0], par=par), *study.curves[1:]))
    with pytest.raises(MtjfitError, match=rf"device '{study.devices[0]}': its points are \S+ standard errors"):
        make_posterior(far)
    with pytest.raises(MtjfitError, match="standard errors"):
        mtjfit.identify(far)
    assert isinstance(make_posterior(study), MarginalPosterior)
