"""Simulated data have the mean and the errors that their study declares; the log-likelihood is theirs.

The mean comes from `mtjfit.physics.torque`, the covariance of a curve is written out here entry by entry.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from model_studies import LAWS, declared, label
from model_studies import simulated as made
from scipy import stats

from mtjfit.calibration.ranks import chi2_p, log_likelihood, quantities
from mtjfit.data import TorqueCurve
from mtjfit.errors import MtjfitError
from mtjfit.infer.simulate import draw_truth, free_names, priors_of, simulated
from mtjfit.model import MarginalPosterior
from mtjfit.model.noise_models import posterior_of
from mtjfit.physics import Interface, kappa
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study, Uniform
from mtjfit.study.checks import KNOWN as KNOWN_TO_STUDIES

CASES = {
    "torque": {},
    "torkance per volume, a length of each group": {
        "quantity": "torkance", "per": "volume", "lambda_phi": (LogNormal(1.2, 1.7), "group"),
    },
    "fitted errors of each device, thickness": {
        "fit_sigma": True, "noise_par": (LogNormal(0.02, 2.0), "device"), "Lambda": LogUniform(0.1, 50.0),
        "lambda_sf_N": None, "D_ratio": None, "thickness": AboutNominal(0.1),
    },
    "own amplitudes, a fixed one, dead layer": {
        "a1": (Normal(1.0, 0.5), "device"), "a2": Fixed(0.3), "b0": Normal(0.0, 0.1), "D_ratio": LogNormal(1.0, 2.0),
        "dead_layer": Uniform(0.0, 0.4),
    },
    "correlated components, errors of the bias": {"rho": 0.7, "sigma_bias": 0.01},
    "correlated points, errors of the bias": {"common": 0.02, "sigma_bias": 0.01},
    "jitter": {"rho": -0.5, "jitter_par": LogNormal(0.02, 2.0), "jitter_perp": (Uniform(0.0, 0.05), "device")},
    "amplitudes that scatter": {
        "a1": (Normal(1.0, 0.3), "group"), "scatter_a1": (LogNormal(0.05, 2.0), "group"), "scatter_b2": Fixed(0.1),
    },
    "Student-t": {"noise_dof": Uniform(2.5, 6.0)},
    "Student-t, fitted scale": {"fit_sigma": True, "noise_dof": Fixed(3.0)},
}  # fmt: skip
every_case = pytest.mark.parametrize("name", list(CASES))


def case(name: str) -> Study:
    """Three devices, the second in a unit ten or a thousand times larger and with a masked point."""
    changes = dict(CASES[name])
    errors = {key: changes.pop(key) for key in ("rho", "sigma_bias", "common") if key in changes}
    unit, larger = ("mT/V", "T/V") if changes.get("per") == "volume" else ("1e-19 N m", "aN m")
    study = made(n_bias=7, unit=unit, **changes)
    curves = [replace(each, **given(each, **errors)) for each in study.curves]
    factor = 1000.0 if larger == "T/V" else 10.0
    names = [n for n in ("sigma_par", "sigma_perp") if getattr(curves[1], n) is not None]
    smaller = {n: getattr(curves[1], n) / factor for n in names}
    if curves[1].covariance is not None:
        smaller["covariance"] = curves[1].covariance / factor**2
    curves[1] = replace(curves[1], unit=larger, **smaller).mask(np.arange(7) == 2, "a spike")
    return study.replace(curves=tuple(curves))


def given(curve: TorqueCurve, rho: float = 0.0, sigma_bias: float = 0.0, common: float = 0.0) -> dict[str, Any]:
    """Errors beyond standard ones; `common` is an error of all in-plane values in common."""
    found: dict[str, Any] = {"rho": np.full(7, rho)} if rho else {}
    if sigma_bias:
        found["sigma_bias"] = sigma_bias
    if common:
        in_plane = np.repeat([1.0, 0.0], 7)
        C = np.diag(np.concatenate([curve.sigma_par, curve.sigma_perp]) ** 2)
        found |= {"covariance": C + common**2 * np.outer(in_plane, in_plane), "sigma_par": None, "sigma_perp": None}
    return found


def value(study: Study, curve: TorqueCurve, name: str, truth: dict[str, float]) -> float:
    prior = study.parameters[name].prior
    if isinstance(prior, Fixed):
        return curve.thickness if name == "thickness" else prior.value
    return truth[label(study, curve, name)]


def amplitude(study: Study, curve: TorqueCurve, name: str, truth: dict[str, float]) -> float:
    if f"scatter_{name}" in study.parameters:
        return truth[f"{name}[{curve.device}]"]
    return value(study, curve, name, truth)


def mean_of(study: Study, curve: TorqueCurve, truth: dict[str, float], shift: float = 0.0) -> np.ndarray:
    """Complex torque or torkance of one device in its own unit."""
    has = study.parameters
    at = {n: value(study, curve, n, truth) for n in ("lambda_J", "lambda_phi", "lambda_sf_F")}
    at["lambda_sf_N"] = value(study, curve, "Lambda" if "Lambda" in has else "lambda_sf_N", truth)
    at["D_ratio"] = 1.0 if "Lambda" in has else value(study, curve, "D_ratio", truth)
    d = value(study, curve, "thickness", truth) - truth.get("dead_layer", 0.0)
    amplitudes = {n: amplitude(study, curve, n, truth) for n in study.amplitudes}
    T = LAWS[curve.quantity](curve.bias + shift, d, **at, interface=Interface.of(**amplitudes), per=curve.per)
    return np.asarray(T / study.scale_of(curve))


def covariance_of(study: Study, curve: TorqueCurve, truth: dict[str, float]) -> np.ndarray:
    """Of all values of one device in its own unit, entry by entry."""
    n, scale = curve.bias.size, study.scale_of(curve)
    if curve.covariance is not None:
        C = np.array(curve.covariance)
    elif curve.sigma_par is None:
        scales = [value(study, curve, name, truth) / scale for name in ("noise_par", "noise_perp")]
        C = np.diag(np.repeat(scales, n) ** 2)
    else:
        C = np.diag(np.concatenate([curve.sigma_par, curve.sigma_perp]) ** 2)
    slope = (mean_of(study, curve, truth, 1e-3) - mean_of(study, curve, truth, -1e-3)) / 2e-3
    for k in range(n):
        if curve.rho is not None:
            C[k, n + k] = C[n + k, k] = curve.rho[k] * curve.sigma_par[k] * curve.sigma_perp[k]
        if curve.sigma_bias is not None:
            both = np.array([slope[k].real, slope[k].imag]) * curve.sigma_bias[k]
            C[np.ix_([k, n + k], [k, n + k])] += np.outer(both, both)
        for c, name in enumerate(("jitter_par", "jitter_perp")):
            if name in study.parameters:
                C[c * n + k, c * n + k] += (value(study, curve, name, truth) / scale) ** 2
    return C


def whitened(study: Study, truth: dict[str, float]) -> tuple[np.ndarray, float]:
    """Independent residuals of all values in use, of unit scale, and ½ ln det of their covariance in the first unit."""
    z, log_sigma = [], 0.0
    for curve in study.curves:
        used = np.concatenate([curve.used, curve.used])
        T = mean_of(study, curve, truth)
        away = np.concatenate([curve.par - T.real, curve.perp - T.imag])[used]
        root = np.linalg.cholesky(covariance_of(study, curve, truth)[np.ix_(used, used)])
        z.append(np.linalg.solve(root, away))
        log_sigma += float(np.sum(np.log(np.diagonal(root) * study.scale_of(curve))))
    return np.concatenate(z), log_sigma


def scatter(study: Study, n: int = 30, wrong: dict[str, Any] | None = None) -> tuple[float, float]:
    """Two p-values of simulated data, judged with errors that may be made `wrong` after the simulation.

    That whitened residuals follow their distribution, and that those of both components are not correlated.
    """
    rng, pairs = np.random.default_rng(11), []
    for _ in range(n):
        truth = draw_truth(study, rng)
        found = simulated(study, truth, rng)
        found = found.replace(curves=tuple(replace(each, **(wrong or {})) for each in found.curves))
        z, nu = whitened(found, truth)[0], study.parameters.get("noise_dof")
        law = stats.norm if nu is None else stats.t(nu.prior.value if nu.is_fixed else truth["noise_dof"])
        ends = np.cumsum([2 * each.n_used for each in study.curves])[:-1]
        pairs += [each.reshape(2, -1) for each in np.split(law.cdf(z), ends)]
    together = np.concatenate(pairs, axis=1)
    assert together.size == n * study.n_values
    return chi2_p(np.floor(together.ravel() * 100), 99), float(stats.pearsonr(*together).pvalue)


@every_case
def test_simulated_data_scatter_about_the_model_with_their_errors(name: str) -> None:
    # each p-value is below its limit once in 1e4
    assert min(scatter(case(name))) > 1e-4


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("torque", {"unit": "1e-19 N m"}), ("correlated components, errors of the bias", {"rho": None}),
        ("correlated components, errors of the bias", {"sigma_bias": None}),
        ("jitter", {"sigma_par": np.full(7, 0.1)}),
    ],
)  # fmt: skip
def test_sabotage_data_that_do_not_scatter_with_their_errors_are_seen(name: str, wrong: dict[str, Any]) -> None:
    assert min(scatter(case(name), wrong=wrong)) < 1e-4


@every_case
def test_the_log_likelihood_is_that_of_dense_matrices(name: str) -> None:
    study, rng = case(name), np.random.default_rng(12)
    truth = draw_truth(study, rng)
    study = simulated(study, truth, rng)
    found = log_likelihood(study, {key: np.array([each, each]) for key, each in truth.items()})
    z, log_sigma = whitened(study, truth)
    nu = study.parameters.get("noise_dof")
    law = stats.norm if nu is None else stats.t(nu.prior.value if nu.is_fixed else truth["noise_dof"])
    np.testing.assert_allclose(found, np.sum(law.logpdf(z)) - log_sigma, rtol=1e-7)


@pytest.mark.parametrize(
    "name", [name for name in CASES if not {"noise_dof", "sigma_bias", "jitter_par"} & {*CASES[name]}]
)
def test_the_log_likelihood_is_that_of_the_compressed_data(name: str) -> None:
    study, rng, total = case(name), np.random.default_rng(13), 0.0
    truth = draw_truth(study, rng)
    study = simulated(study, truth, rng)
    found = log_likelihood(study, {key: np.array([each]) for key, each in truth.items()})
    for curve in study.curves:  # one at a time, with all amplitudes fixed at what this device has
        own = {
            n: replace(study.parameters[n], prior=Fixed(amplitude(study, curve, n, truth))) for n in study.amplitudes
        }
        scale = study.scale_of(curve)
        numbers = ("par", "perp") if curve.sigma_par is None else ("par", "perp", "sigma_par", "sigma_perp")
        curve = replace(curve, unit=study.curves[0].unit, **{n: getattr(curve, n) * scale for n in numbers})
        others = {n: each for n, each in study.parameters.items() if not n.startswith("scatter_")}
        model = MarginalPosterior(study.replace(curves=(curve,), parameters=others | own))
        values = np.array([[truth[entry] for entry in model.layout.names]])
        total += float(model.log_likelihood(model.layout.coordinates(values))[0])
    np.testing.assert_allclose(found, total, rtol=1e-9)


def test_truths_follow_their_priors() -> None:
    # ten tests, each failing once in 1e5
    study, rng = case("fitted errors of each device, thickness"), np.random.default_rng(14)
    priors = priors_of(study)
    assert {"thickness[A]", "noise_par[B]", "noise_perp", "Lambda", "a1"} <= set(priors)
    truths = [draw_truth(study, rng) for _ in range(400)]
    for name, prior in priors.items():
        drawn = [truth[name] for truth in truths]
        assert stats.kstest(drawn, lambda x, prior=prior: np.asarray(prior.cdf(x))).pvalue > 1e-5


@every_case
def test_a_truth_has_what_the_posterior_has(name: str) -> None:
    study = case(name)
    priors = posterior_of(study).priors
    assert set(draw_truth(study, np.random.default_rng(0))) == set(free_names(study)) == set(priors)
    assert {key: priors[key] for key in priors_of(study)} == priors_of(study)


def test_amplitudes_scatter_about_the_shared_one() -> None:
    study, rng = case("amplitudes that scatter"), np.random.default_rng(16)
    truths = [draw_truth(study, rng) for _ in range(300)]
    z = [(t[f"a1[{curve.device}]"] / t[f"a1[{curve.group}]"] - 1) / t[f"scatter_a1[{curve.group}]"]
         for t in truths for curve in study.curves]  # fmt: skip
    assert stats.kstest(z, "norm").pvalue > 1e-4  # fails once in 1e4
    assert stats.kstest(1.12 * np.array(z), "norm").pvalue < 0.05


def test_no_device_is_thinner_than_the_dead_layer() -> None:
    study = made((1.0, 2.0), thickness=AboutNominal(0.5), dead_layer=Uniform(0.0, 0.9))
    rng = np.random.default_rng(15)
    truths = [draw_truth(study, rng) for _ in range(300)]
    left = np.array([truth["thickness[A]"] - truth["dead_layer"] for truth in truths])
    assert left.min() > 0
    # mean of the difference restricted to positive values, by quadrature over both priors
    dead, away = np.meshgrid(np.linspace(0, 0.9, 201), np.linspace(-1, 3, 1001), indexing="ij")
    weights = stats.norm.pdf(away + dead, 1.0, 0.5) * (away + dead > 0) * (away > 0)
    expected = float(np.sum(weights * away) / np.sum(weights))
    assert left.mean() == pytest.approx(expected, abs=4 * left.std() / np.sqrt(300))
    impossible = study.replace(parameters={**study.parameters, "thickness": _thickness(1e-12)})
    object.__setattr__(impossible, "curves", tuple(replace(each, thickness=1e-7) for each in study.curves))
    with pytest.raises(MtjfitError, match="thinner than the dead layer"):
        draw_truth(impossible, rng)


def _thickness(sd: float) -> Parameter:
    return Parameter("thickness", AboutNominal(sd), "device")


class _Silence:
    """A generator of no noise."""

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape)


def test_values_that_carry_sin_theta_are_simulated_with_it() -> None:
    study = made()
    truth = dict.fromkeys(priors_of(study), 1.0)
    changes: list[dict[str, Any]] = [{"sin_theta": None}, {"angle": 30.0, "sin_theta": "included"},
                                     {"angle": 30.0, "sin_theta": "divided"}]  # fmt: skip
    found = []
    for change in changes:
        design = study.replace(curves=tuple(replace(each, **change) for each in study.curves))
        quiet = simulated(design, truth, _Silence())  # type: ignore[arg-type]
        found.append(np.concatenate([each.par for each in quiet.curves]))
    np.testing.assert_allclose(found[1], 0.5 * found[0], rtol=1e-12)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-12)


def test_simulated_curves_say_so_and_keep_the_design() -> None:
    study = case("correlated points, errors of the bias")
    found = simulated(study, draw_truth(study, np.random.default_rng(0)), np.random.default_rng(1))
    assert "SIMULATED" in found.label
    changed = {"par", "perp", "origin"}
    for before, after in zip(study.curves, found.curves, strict=True):
        for each in fields(TorqueCurve):
            same = np.array_equal(getattr(before, each.name), getattr(after, each.name))
            assert same == (each.name not in changed), each.name


def test_a_parameter_that_cannot_be_simulated_is_refused() -> None:
    study = made()
    unknown = declared() | {"roughness": Parameter("roughness", Uniform(0.0, 1.0))}
    object.__setattr__(study, "parameters", unknown)
    with pytest.raises(MtjfitError, match=r"parameters\.roughness: data that depend on it cannot be simulated"):
        priors_of(study)


def test_every_parameter_that_a_study_knows_can_be_simulated() -> None:
    study = made()
    object.__setattr__(study, "parameters", {name: Parameter(name, Fixed(1.0)) for name in KNOWN_TO_STUDIES})
    assert priors_of(study) == {}


def test_quantities_are_those_that_can_vary() -> None:
    lengths = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N"), Fixed(1.0))
    known, free = made(**lengths), made(D_ratio=LogNormal(1.0, 2.0), a1=Fixed(0.0))
    values = {name: np.full(2, 0.5) for study in (known, free) for name in priors_of(study)}
    assert set(quantities(known, values)) == {*priors_of(known), "log_likelihood"}
    found = quantities(free, values)
    assert set(found) == {*priors_of(free), "Lambda", "log_likelihood", "slope_ratio[A]", "|kappa|·b2[A]"}
    assert found["Lambda"].tolist() == [0.25, 0.25]
    K = kappa(1.0, 0.5, 0.5, 0.5, 0.5, 0.5)
    assert found["slope_ratio[A]"] == pytest.approx(np.tan(np.angle(K)))
    assert found["|kappa|·b2[A]"] == pytest.approx(0.5 * abs(K))
