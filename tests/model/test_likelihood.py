"""The likelihood with amplitudes integrated out, against dense matrices built from the physics one point at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_studies import (
    AMPLITUDES,
    LENGTHS,
    TRUTH,
    declared,
    dense_conditional,
    dense_log_likelihood,
    half_fitted,
    naive,
    simulated,
    uneven,
)

import mtjfit
from mtjfit.data import TorqueCurve
from mtjfit.errors import MtjfitError
from mtjfit.model import FullPosterior
from mtjfit.physics import Interface, torkance, torque
from mtjfit.results import torque_at
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Study, Uniform

EXTRA = {"a2": Normal(0.1, 0.5), "b0": Normal(0.0, 0.3), "b1": Normal(-0.2, 0.4)}
OWN = {"a1": (Normal(0.5, 2.0), "device"), "b2": (Normal(0.0, 2.0), "device")}


def masked() -> Study:
    study = simulated((1.0, 2.0, 3.0))
    first = study.curves[0].mask(study.curves[0].bias > 0.35, "outside")
    return study.replace(curves=(first, *study.curves[1:]))


def two_units() -> Study:
    """Device B in N m, the others in 1e-19 N m."""
    study = simulated(unit="1e-19 N m")
    scaled = {n: getattr(study.curves[1], n) * 1e-19 for n in ("par", "perp", "sigma_par", "sigma_perp")}
    return study.replace(curves=(study.curves[0], replace(study.curves[1], unit="N m", **scaled), study.curves[2]))


STUDIES: dict[str, Callable[[], Study]] = {
    "torque": lambda: simulated(),
    "torkance": lambda: simulated(quantity="torkance"),
    "per area": lambda: simulated(per="area", quantity="torkance"),
    "per volume": lambda: simulated(per="volume"),
    "torkance per volume, thickness free":
        lambda: simulated(quantity="torkance", per="volume", thickness=AboutNominal(0.1)),
    "one device": lambda: simulated((1.5,)),
    "five devices": lambda: simulated((0.8, 1.2, 2.0, 3.0, 4.0)),
    "prior means": lambda: simulated(a1=Normal(2.0, 0.5), b2=Normal(-1.0, 0.7)),
    "own amplitudes": lambda: simulated(**OWN),
    "group amplitudes and lengths":
        lambda: simulated(a1=(Normal(0.5, 2.0), "group"), lambda_phi=(LogNormal(1.0, 2.0), "group")),
    "own lengths": lambda: simulated(lambda_sf_F=(LogUniform(1.0, 50.0), "device")),
    "fixed amplitude": lambda: simulated(a1=Fixed(0.9), b1=Fixed(0.15)),
    "all amplitudes fixed": lambda: simulated(a1=Fixed(0.9), b2=Fixed(0.6)),
    "extra amplitudes": lambda: simulated(**EXTRA),
    "extra amplitudes, torkance":
        lambda: simulated(quantity="torkance", **{k: v for k, v in EXTRA.items() if k != "b0"}),
    "Lambda": lambda: simulated(Lambda=LogUniform(0.1, 100.0), lambda_sf_N=None, D_ratio=None),
    "D_ratio free, infinite lambda_phi": lambda: simulated(D_ratio=LogNormal(1.0, 2.0), lambda_phi=Fixed(np.inf)),
    "fitted noise": lambda: simulated(fit_sigma=True),
    "own noise": lambda: simulated(fit_sigma=True, n_bias=4, noise_par=(LogNormal(0.02, 3.0), "device")),
    "one noise scale fixed": lambda: simulated(fit_sigma=True, quantity="torkance", noise_perp=Fixed(0.03)),
    "both noise scales fixed": lambda: simulated(fit_sigma=True, noise_par=Fixed(0.02), noise_perp=Fixed(0.03)),
    "half of the noise fitted": half_fitted,
    "masked": masked,
    "uneven errors": uneven,
    "two units": two_units,
    "fewer points than powers": lambda: simulated(n_bias=2, **EXTRA),
}  # fmt: skip


every_study = pytest.mark.parametrize("make", STUDIES.values(), ids=list(STUDIES))


def points(model: FullPosterior, n: int = 3) -> np.ndarray:
    """Coordinates from the middle of the prior, well spread."""
    u = np.random.default_rng(3).uniform(0.15, 0.85, (n, model.layout.size))
    return model.prior_transform(u)


def named(model: FullPosterior, theta: np.ndarray) -> dict[str, float]:
    """Natural values by name, with logarithms undone as the kind of the prior says."""
    is_log = [isinstance(e.prior, LogUniform | LogNormal) for e in model.layout.entries]
    return {n: float(np.exp(x) if log else x) for n, x, log in zip(model.layout.names, theta, is_log, strict=True)}


def worst_error(model: FullPosterior) -> float:
    """Largest |Δ ln L| over a few points, relative to the size of the numbers: Σ (y/σ)² and ½ N ln 2π."""
    theta = points(model)
    found = model.log_likelihood(theta)
    worst = 0.0
    for k, row in enumerate(theta):
        parts = naive(model.study, named(model, row))
        size = float(np.sum((parts["y"] / parts["sigma"]) ** 2)) + parts["y"].size
        worst = max(worst, abs(float(found[k]) - dense_log_likelihood(parts)) / size)
    return worst


@every_study
def test_equals_the_multivariate_normal_of_all_data(make: Callable[[], Study]) -> None:
    assert worst_error(FullPosterior(make())) < 1e-10


def test_two_units_are_one() -> None:
    """By no conversion of the reference: the same numbers in one unit."""
    one, two = FullPosterior(simulated(unit="1e-19 N m")), FullPosterior(two_units())
    np.testing.assert_allclose(two.log_likelihood(points(two)), one.log_likelihood(points(one)), rtol=1e-10)


@every_study
def test_amplitudes_given_all_else_equal_the_closed_form(make: Callable[[], Study]) -> None:
    """To 1e-6 of an sd: the dense form inverts matrices of condition up to 1e8, relative to terms up to 1e2 sd."""
    study = make()
    model = FullPosterior(study)
    theta = points(model, 1)
    given = model.conditional(theta)
    parts = naive(study, named(model, theta[0]))
    assert model.amplitudes.names == tuple(parts["labels"])
    if not parts["labels"]:
        return
    mean, covariance = dense_conditional(parts)
    scale = parts["sd"]
    sd = np.sqrt(np.diagonal(covariance))
    np.testing.assert_array_less(np.abs(parts["mean"] + scale * given.x[0] - mean) / sd, 1e-6)
    found = np.linalg.inv(given.chol[0] @ given.chol[0].T) * np.outer(scale, scale)
    np.testing.assert_allclose(found / np.outer(sd, sd), covariance / np.outer(sd, sd), atol=1e-6)


def test_the_integral_over_two_amplitudes_by_brute_force() -> None:
    """Trapezoid over ±9 sd with steps of sd/10: the error for a Gaussian is far below 1e-12."""
    study = simulated((1.0, 2.0), a1=Normal(0.8, 0.2), b2=Normal(0.0, 0.5))
    model = FullPosterior(study)
    theta = points(model, 1)
    parts = naive(study, named(model, theta[0]))
    mean, covariance = dense_conditional(parts)
    root = np.linalg.cholesky(covariance)
    t = np.linspace(-9.0, 9.0, 181)
    z = np.stack(np.meshgrid(t, t, indexing="ij"), -1).reshape(-1, 2)
    c = mean + z @ root.T
    misfit = (parts["y"] - c @ parts["D"].T) / parts["sigma"]
    log = -0.5 * np.sum(misfit**2, axis=1) - np.sum(np.log(parts["sigma"] * np.sqrt(2 * np.pi)))
    log += sum(study.parameters[n].prior.logpdf(c[:, k]) for k, n in enumerate(("a1", "b2")))
    weight = np.exp(log - log.max())
    area = (t[1] - t[0]) ** 2 * abs(np.linalg.det(root))
    assert model.log_likelihood(theta)[0] == pytest.approx(log.max() + np.log(weight.sum() * area), rel=1e-11)
    np.testing.assert_allclose(weight @ c / weight.sum(), mean, rtol=1e-9)


def test_every_row_has_its_own_conditional() -> None:
    """Rows further on than one chunk."""
    model = FullPosterior(STUDIES["torque"]())
    theta = np.concatenate([np.repeat(points(model, 1), 5000, axis=0), points(model, 3)[1:]])
    np.testing.assert_array_equal(model.log_likelihood(theta)[-2:], model.log_likelihood(theta[-2:]))


PRIORS = {
    "uniform": Uniform(0.2, 30.0), "loguniform": LogUniform(0.1, 100.0), "lognormal": LogNormal(10.0, 2.0),
    "normal": Normal(3.0, 1.0, low=0.0), "two bounds": Normal(3.0, 2.0, low=1.0, high=4.0),
}  # fmt: skip


@pytest.mark.parametrize("prior", PRIORS.values(), ids=list(PRIORS))
def test_log_prior_is_the_density_in_its_coordinate(prior: Any) -> None:
    model = FullPosterior(simulated(lambda_phi=prior, thickness=AboutNominal(0.1)))
    u = np.random.default_rng(0).uniform(1e-3, 1 - 1e-3, (50, model.layout.size))
    theta = model.prior_transform(u)
    expected = np.zeros(50)
    for k, entry in enumerate(model.layout.entries):
        is_log = isinstance(entry.prior, LogUniform | LogNormal)
        value = np.exp(theta[:, k]) if is_log else theta[:, k]
        np.testing.assert_allclose(entry.prior.cdf(value), u[:, k], rtol=1e-9)
        expected += entry.prior.logpdf(value) + (theta[:, k] if is_log else 0.0)
    np.testing.assert_allclose(model.log_prior(theta), expected, rtol=1e-12)
    if np.isfinite(prior.support[1]):
        theta[:, 1] = model.prior_transform(np.ones((1, model.layout.size)))[0, 1] + 1e-6
        assert np.all(model.log_prior(theta) == -np.inf)
        assert np.all(model.log_posterior(theta) == -np.inf)
    assert model.log_prior(np.full((1, model.layout.size), np.nan))[0] == -np.inf


def test_log_posterior_is_the_sum_of_both() -> None:
    model = FullPosterior(simulated(thickness=AboutNominal(0.1)))
    theta = points(model, 5)
    np.testing.assert_array_equal(model.log_posterior(theta), model.log_prior(theta) + model.log_likelihood(theta))


@pytest.mark.parametrize("bad", [np.nan, -np.inf, np.inf])
def test_a_likelihood_that_is_not_finite_names_the_values(monkeypatch: pytest.MonkeyPatch, bad: float) -> None:
    model = FullPosterior(simulated())
    monkeypatch.setattr(FullPosterior, "log_likelihood", lambda self, theta: np.array([-1.0, bad, -1.0]))
    theta = points(model)
    with pytest.raises(MtjfitError) as caught:
        model.log_posterior(theta)
    for name, value in named(model, theta[1]).items():
        assert f"{name} = {value:.6g}" in str(caught.value)


def test_data_that_would_overflow_are_refused() -> None:
    study = simulated((1.0, 2.0))
    with pytest.raises(MtjfitError, match="no measurement has such a size"):
        replace(study.curves[1], par=np.full(11, 1e160))
    largest = replace(study.curves[1], par=np.full(11, 1e50), sigma_par=np.full(11, 1e-50))
    model = FullPosterior(study.replace(curves=(study.curves[0], largest)))
    assert np.all(np.isfinite(model.log_posterior(points(model))))


class _WrongDeterminant(FullPosterior):
    def conditional(self, theta: np.ndarray) -> Any:
        given = super().conditional(theta)
        log_det = np.sum(np.log(np.diagonal(given.chol, axis1=-2, axis2=-1)), axis=-1)
        return replace(given, log_likelihood=given.log_likelihood + 0.5 * log_det)


class _NoPriorMean(FullPosterior):
    @property
    def amplitudes(self) -> Any:
        right = super().amplitudes
        return replace(right, priors=tuple(replace(prior, mean=0.0) for prior in right.priors))


class _NoPowerInTorkance(FullPosterior):
    @property
    def data(self) -> Any:
        right = super().data
        return replace(right, R=right.R / [1.0, 2.0, 1.0, 2.0])


def test_sabotage_is_caught() -> None:
    assert worst_error(_WrongDeterminant(STUDIES["torque"]())) > 1e-6
    assert worst_error(_NoPriorMean(STUDIES["prior means"]())) > 1e-6
    assert worst_error(_NoPowerInTorkance(STUDIES["torkance"]())) > 1e-7


# angles between the moments: amplitudes per sin θ

THICKNESS = (0.8, 1.4, 2.2, 3.5)
ANGLES = (72.0, 35.0, 90.0, 150.0)
V = np.linspace(-0.4, 0.4, 9)
TRUE = {"a1": AMPLITUDES["a1"], "b2": AMPLITUDES["b2"]}
NOISE = 1e-4


def series(angles: tuple[float, ...] | None, quantity: str = "torque", *, declare: str | None = "included") -> Study:
    """Exact values at each angle, as `declare` says of them; errors in proportion. None: values per sin θ."""
    law, curves = torque if quantity == "torque" else torkance, []
    for j, d in enumerate(THICKNESS):
        angle = None if angles is None else angles[j]
        interface = Interface.of(**TRUE)
        if angle is not None and declare == "included":
            interface = interface.at_angle(angle)
        T = law(V, d, **TRUTH, interface=interface)
        sigma = np.full(V.size, NOISE * np.sin(np.radians(90.0 if angle is None else angle)))
        known = {} if angle is None or declare is None else {"angle": angle, "sin_theta": declare}
        curves.append(TorqueCurve("ABCD"[j], V, T.real, T.imag, d, quantity, "device",  # type: ignore[arg-type]
                                  sigma_par=sigma, sigma_perp=sigma, **known))  # fmt: skip
    return Study("angles", tuple(curves), declared())


def amplitudes_at_the_truth(study: Study) -> np.ndarray:
    """Conditional mean of a1 and b2 given the true lengths, free of the prior's pull."""
    model = FullPosterior(study)
    values = np.array([TRUTH[name] for name in model.layout.names])
    given = model.conditional(model.layout.coordinates(values)[None, :])
    design_only = given.chol[0] @ given.chol[0].T - np.eye(2)
    x = np.linalg.solve(design_only, (design_only + np.eye(2)) @ given.x[0])
    return np.asarray(model.amplitudes.mean + model.amplitudes.sd * x)


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_amplitudes_per_sin_theta_do_not_depend_on_the_angles(quantity: str) -> None:
    truth = np.array(list(TRUE.values()))
    for study in (series(None, quantity), series(ANGLES, quantity), series(ANGLES, quantity, declare="divided")):
        np.testing.assert_allclose(amplitudes_at_the_truth(study), truth, rtol=1e-9)


@pytest.mark.usefixtures("quick_fits")
def test_a_fit_of_different_angles_is_the_fit_without_them() -> None:
    plain, tilted = mtjfit.fit(series(None)), mtjfit.fit(series(ANGLES))
    assert plain.values["a1"] == pytest.approx(TRUE["a1"], rel=1e-6)
    for name in ("a1", "b2", *LENGTHS):
        assert tilted.values[name] == pytest.approx(plain.values[name], rel=1e-9), name
        assert tilted.errors[name] == pytest.approx(plain.errors[name], rel=1e-6), name
    curve = tilted.study.curves[1]
    predicted = torque_at(tilted.study, tilted.values, curve, V)
    np.testing.assert_allclose(predicted, curve.par + 1j * curve.perp, rtol=1e-6)
    slopes = tilted.combinations.set_index(["quantity", "device"])["value"]
    np.testing.assert_allclose(slopes, plain.combinations.set_index(["quantity", "device"])["value"], rtol=1e-8)


def test_undeclared_angles_give_the_amplitudes_of_the_measurement() -> None:
    """All devices at 30° and nothing said: a1 is that of 30°, half of that per sin θ."""
    same = (30.0,) * 4
    study = series(same)
    silent = study.replace(curves=tuple(replace(curve, angle=None, sin_theta=None) for curve in study.curves))
    np.testing.assert_allclose(amplitudes_at_the_truth(silent), 0.5 * np.array(list(TRUE.values())), rtol=1e-9)
    np.testing.assert_allclose(amplitudes_at_the_truth(study), list(TRUE.values()), rtol=1e-9)


@pytest.mark.parametrize("power", [0, 2], ids=["left out", "taken twice"])
def test_sabotage_of_the_factor_is_seen(monkeypatch: pytest.MonkeyPatch, power: int) -> None:
    right = TorqueCurve.angle_factor.fget
    monkeypatch.setattr(TorqueCurve, "angle_factor", property(lambda curve: right(curve) ** power))
    assert np.max(np.abs(amplitudes_at_the_truth(series(ANGLES)) / list(TRUE.values()) - 1)) > 0.05
