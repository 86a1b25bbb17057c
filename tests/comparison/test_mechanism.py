"""Named mechanisms are the laws they are named after, and one thickness never yields a verdict."""

from __future__ import annotations

import numpy as np
import pytest
from mechanism_cases import closed_form, declared, design, explored, made_by

from mtjfit.comparison import compare_mechanisms
from mtjfit.comparison.mechanisms.models import (
    MECHANISMS,
    added_priors,
    mechanism_study,
    refuse_one_thickness_for_mechanisms,
)
from mtjfit.errors import ConfigError, NotDetermined
from mtjfit.infer.evidence import explore_posterior
from mtjfit.infer.simulate import DeviceModel, draw_truth, simulated
from mtjfit.model import MarginalPosterior
from mtjfit.physics import Interface, torque
from mtjfit.study import AboutNominal, Fixed, Normal, Parameter, Study

SMALL = np.array([-0.4, 0.1, 0.5])


def few(seed: int = 0, name: str = "diffusion", **options: object) -> Study:
    """Two devices of three points each with large errors: evidences that prior draws alone can integrate."""
    study = design((1.0, 2.5), noise=0.3, bias=SMALL, **options)  # type: ignore[arg-type]
    return made_by(name, np.random.default_rng(seed), study)[0]


def printed_kappa(name: str, d: np.ndarray, at: dict[str, np.ndarray]) -> np.ndarray:
    """Eq. 12 and Eq. 13–14 as the paper prints them; at these lengths nothing overflows."""
    if name.startswith("ballistic"):
        return np.ones(np.broadcast_shapes(d.shape, (at["a1"].size, 1)), dtype=complex)
    J, phi, sf = at["lambda_J"][:, None], at["lambda_phi"][:, None], at["lambda_sf_F"][:, None]
    if name == "diffusion-bulk":
        chi, beta = (phi / sf) ** 2, (J / sf) ** 2
        xi = (1 + chi) ** 2 * beta**2 + chi**2
        return (((1 + chi) * beta**2 + chi**2) / xi - 1j * chi**2 * beta / xi) + 0 * d
    L, L0 = ((-1j / J**2 + 1 / phi**2 + rate) ** -0.5 for rate in (1 / sf**2, 0.0))
    eta = at["Lambda"][:, None] / L
    return L**2 / L0**2 * (1 - 1 / (np.cosh(d / L) + eta * np.sinh(d / L)))


def brute_force(study: Study, name: str, n: int, seed: int = 1) -> tuple[float, float]:
    """ln Z and its error from prior draws of everything, amplitudes too; every value by itself."""
    rng = np.random.default_rng(seed)
    at = {key: p.prior.quantile(rng.random(n)) for key, p in study.parameters.items() if not p.is_fixed}  # type: ignore[union-attr]
    b1 = at["b1"] if name.endswith("b1") else 0 * at["a1"]
    K = printed_kappa(name, study.thicknesses, at)
    V = study.curves[0].bias
    J0 = (at["a1"] + 1j * b1)[:, None] * V + 1j * at["b2"][:, None] * V**2
    log_likelihood = np.zeros(n)
    for j, curve in enumerate(study.curves):
        T = K[:, [j]] * J0
        for part, y, sigma in ((T.real, curve.par, curve.sigma_par), (T.imag, curve.perp, curve.sigma_perp)):
            assert sigma is not None
            log_likelihood += np.sum(-0.5 * ((y - part) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi), axis=1)
    L = np.exp(log_likelihood - log_likelihood.max())
    return float(np.log(L.mean()) + log_likelihood.max()), float(L.std() / L.mean() / np.sqrt(n))


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_the_evidence_is_that_of_the_printed_law(name: str) -> None:
    """False alarm 6e-5 for each; laws of Eq. 1–2, 13–14 and 12 written here as printed."""
    study = few(3)
    value, error = brute_force(study, name, 40_000)
    found = explored(study, name, np.random.default_rng(2)).evidence
    assert found.error < 0.03
    assert abs(found.value - value) < 4 * np.hypot(error, found.error), (found, value, error)


def test_sabotage_another_law_has_another_evidence() -> None:
    study = few(3)
    value, error = brute_force(study, "diffusion", 40_000)
    found = explored(study, "diffusion-bulk", np.random.default_rng(2)).evidence
    assert abs(found.value - value) > 4 * np.hypot(error, found.error)


@pytest.mark.parametrize(("name", "amplitudes"), [("ballistic", ("a1", "b2")), ("ballistic+b1", ("a1", "b1", "b2"))])
def test_the_ballistic_evidence_has_a_closed_form(name: str, amplitudes: tuple[str, ...]) -> None:
    study = few(4, name)
    found = explored(study, name, np.random.default_rng(0)).evidence
    assert (found.method, found.error) == ("exact", 0.0)
    assert found.value == pytest.approx(closed_form(study, amplitudes), abs=1e-9)
    assert abs(found.value - closed_form(study, amplitudes[:-1])) > 0.1  # sabotage


def test_thicknesses_that_do_not_matter_integrate_to_one() -> None:
    """Taken as nominal, and sampled with their priors: the same evidence, at a false-alarm rate of 6e-5."""
    study = few(5, "ballistic+b1")
    uncertain = {**study.parameters, "thickness": Parameter("thickness", AboutNominal(0.1), "device")}
    known = mechanism_study(study.replace(parameters=uncertain), MECHANISMS["ballistic+b1"])
    assert known.parameters["thickness"].is_fixed
    free = MarginalPosterior(known.replace(parameters={**known.parameters, "thickness": uncertain["thickness"]}))
    assert free.size == 3  # amplitudes are no longer integrated out
    found = explore_posterior(free, free.size, np.random.default_rng(0)).evidence
    exact = MarginalPosterior(known).log_posterior(np.zeros((1, 0)))[0]
    assert abs(found.value - exact) < 4 * found.error


def test_thicknesses_per_volume_stay_free() -> None:
    """An effective field goes as 1/d whatever the mechanism."""
    study = design((1.0, 2.0), per="volume", thickness_sd=0.1)
    assert not mechanism_study(study, MECHANISMS["ballistic"]).parameters["thickness"].is_fixed
    under = mechanism_study(study, MECHANISMS["ballistic"])
    truth = draw_truth(under, np.random.default_rng(0))
    T = [
        DeviceModel(under, curve, truth | {f"thickness[{curve.device}]": curve.thickness}).torque([0.4])
        for curve in under.curves
    ]
    assert T[0][0, 0] == pytest.approx(2 * T[1][0, 0], rel=1e-12)


def test_amplitudes_that_are_not_declared_take_the_prior_of_their_like() -> None:
    study = design(b1=None, a1=Normal(0.5, 0.2, low=0.0))
    b1 = mechanism_study(study, MECHANISMS["diffusion+b1"]).parameters["b1"]
    assert b1.prior == Normal(0.0, 0.2)
    assert added_priors(study, ["a2"])["a2"].prior == Normal(0.0, 0.5)
    declared_b1 = mechanism_study(design(b1=Normal(0.1, 0.7)), MECHANISMS["ballistic+b1"]).parameters["b1"]
    assert declared_b1.prior == Normal(0.1, 0.7)
    for name, mechanism in MECHANISMS.items():
        under = mechanism_study(study, mechanism, ["a2"])
        assert ("b1" in under.parameters) == name.endswith("b1")
        assert "a2" in under.parameters


def test_an_amplitude_without_a_like_must_be_declared() -> None:
    with pytest.raises(ConfigError) as caught:
        added_priors(design(a1=Fixed(1.0), b1=None), ["b1", "b0", "lambda_J"])
    assert [problem.where for problem in caught.value.problems] == [
        "parameters.b1", "parameters.b0", "parameters.lambda_J",
    ]  # fmt: skip
    assert "declare it: b1" in str(caught.value)


def test_diffusion_in_one_device_is_a_ballistic_junction_with_other_amplitudes() -> None:
    """The degeneracy that the refusal states, for a hundred lengths and amplitudes; two thicknesses break it."""
    rng, V = np.random.default_rng(0), np.linspace(-0.5, 0.5, 5)
    for _ in range(100):
        J, phi, sf, Lambda, d = np.exp(rng.uniform(-1.5, 2.5, 5))
        a1, a2, b1, b2 = rng.standard_normal(4)
        lengths = {"lambda_J": J, "lambda_phi": phi, "lambda_sf_F": sf, "lambda_sf_N": Lambda, "D_ratio": 1.0}
        T = torque(V, d, **lengths, interface=Interface.of(a1=a1, a2=a2, b1=b1, b2=b2), per="device")
        kappa = torque(1.0, d, **lengths, interface=Interface.of(a1=1.0), per="device").item()
        one, two = kappa * (a1 + 1j * b1), kappa * (a2 + 1j * b2)
        assert np.max(np.abs(T - (one * V + two * V**2))) < 1e-12 * (1 + np.max(np.abs(T)))
    other = torque(V, 2 * d, **lengths, interface=Interface.of(a1=a1, a2=a2, b1=b1, b2=b2), per="device")
    assert np.max(np.abs(other - (one * V + two * V**2))) > 1e-6  # sabotage: not so for another thickness


def test_one_thickness_never_yields_a_verdict() -> None:
    """Whatever the data, the truth, and how many devices of this thickness."""
    rng = np.random.default_rng(1)
    for k in range(60):
        study = design((float(rng.uniform(0.5, 5.0)),) * int(rng.integers(1, 4)), bias=SMALL, noise=0.001)
        name = list(MECHANISMS)[k % len(MECHANISMS)]
        under = mechanism_study(study, MECHANISMS[name])
        data = simulated(under, draw_truth(under, rng), rng)
        with pytest.raises(NotDetermined, match="cannot tell spin diffusion from asymmetric") as caught:
            compare_mechanisms(study.replace(curves=data.curves), progress=False)
        assert caught.value.exit_code == 4


def test_known_lengths_do_not_change_that() -> None:
    lengths = {name: Fixed(1.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")}
    study = design((2.0,)).replace(parameters=declared(**lengths))
    with pytest.raises(NotDetermined):
        refuse_one_thickness_for_mechanisms(study)
    refuse_one_thickness_for_mechanisms(design((2.0, 2.1)))
