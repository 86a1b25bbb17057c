"""Devices measured at different angles between the moments share amplitudes per sin θ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_studies import AMPLITUDES, TRUTH, declared

import mtjfit
import mtjfit.model.compress as compress_module
from mtjfit.data import TorqueCurve
from mtjfit.model import FullPosterior
from mtjfit.physics import Interface, torkance, torque
from mtjfit.results.predict import torque_at
from mtjfit.study import Study

THICKNESS = (0.8, 1.4, 2.2, 3.5)
ANGLES = (72.0, 35.0, 90.0, 150.0)
V = np.linspace(-0.4, 0.4, 9)
TRUE = {"a1": AMPLITUDES["a1"], "b2": AMPLITUDES["b2"]}
LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
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


def test_sabotage_of_the_factor_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.array(list(TRUE.values()))

    def off() -> float:
        return float(np.max(np.abs(amplitudes_at_the_truth(series(ANGLES)) / truth - 1)))

    right = compress_module.polynomial_design
    assert off() < 1e-9
    dropped = lambda curve, *rest: right(curve, *rest) / curve.angle_factor  # noqa: E731
    twice = lambda curve, *rest: right(curve, *rest) * curve.angle_factor  # noqa: E731
    for wrong in (dropped, twice):
        monkeypatch.setattr(compress_module, "polynomial_design", wrong)
        assert off() > 0.05
