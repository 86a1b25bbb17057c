"""Stiff and sloppy directions against the inverse of the Fisher matrix of the measured values, taken to 40 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from model_studies import AMPLITUDES, LENGTH, TRUTH, simulated

from mtjfit.model import FullPosterior
from mtjfit.model.identifiability import Direction, directions
from mtjfit.model.jacobian import jacobian
from mtjfit.study import AboutNominal, Fixed, Normal, Study, Uniform

MP = mpmath.MPContext()
MP.dps = 40
FIG3 = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0}
"""Parameters of the paper's Fig. 3; D_ratio is one."""
SERIES = (0.8, 1.5, 2.5, 3.5, 5.0)
OWN = {"a1": (Normal(0.0, 3.0), "device"), "b2": (Normal(0.0, 3.0), "device")}


def at(study: Study, lengths: dict[str, float]) -> tuple[FullPosterior, np.ndarray, np.ndarray]:
    """The model of a study, and natural values and amplitudes of the truth."""
    model = FullPosterior(study)
    point = TRUTH | lengths | {f"thickness[{c.device}]": c.thickness for c in study.curves}
    values = np.array([point[name] for name in model.layout.names])
    return model, values, np.array([AMPLITUDES[name.split("[")[0]] for name in model.amplitudes.names])


def measured(logs: list[Any], thicknesses: list[float], V: float, name: str) -> list[Any]:
    """T_par or T_perp of each device to 40 digits, Eq. 12 as it is printed, J0 = a1 V + i b2 V²."""
    J, phi, sf, N, a1, b2 = (MP.exp(x) for x in logs)
    q0 = MP.mpc(0, -1) / J**2 + 1 / phi**2
    q = MP.sqrt(q0 + 1 / sf**2)
    out = []
    for d in thicknesses:
        kappa = q0 / q**2 * (1 - 1 / (MP.cosh(q * d) + N * q * MP.sinh(q * d)))
        T = kappa * MP.mpc(a1 * V, b2 * V**2)
        out.append(T.real if name == "par" else T.imag)
    return out


def exact_fisher(study: Study, lengths: dict[str, float], sigma: float) -> np.ndarray:
    """Σ over all values of ∂T/∂ln p ∂T/∂ln q / σ², by central differences of step 1e-15 at 40 digits."""
    start = [MP.log(MP.mpf(x)) for x in (*lengths.values(), AMPLITUDES["a1"], AMPLITUDES["b2"])]
    h, d = MP.mpf(10) ** -15, [curve.thickness for curve in study.curves]
    columns = []
    for k in range(len(start)):
        ends = [[x + (sign * h if j == k else 0) for j, x in enumerate(start)] for sign in (1, -1)]
        column = []
        for V in map(float, study.curves[0].bias):
            for name in ("par", "perp"):
                up, down = (measured(end, d, V, name) for end in ends)
                column += [float((a - b) / (2 * h)) for a, b in zip(up, down, strict=True)]
        columns.append(column)
    matrix = np.array(columns).T / sigma
    return matrix.T @ matrix


def test_the_jacobian_of_the_study_to_40_digits() -> None:
    """Fisher matrix of 12 values; relative to its diagonal. Sabotage: another λ_sf^F differs at once."""
    study = simulated((0.8, 2.5), n_bias=3, noise=0.01, truth=FIG3)
    expected = exact_fisher(study, FIG3, 0.01)
    size = np.sqrt(np.outer(np.diagonal(expected), np.diagonal(expected)))
    matrix = jacobian(*at(study, FIG3)).matrix
    np.testing.assert_allclose(matrix.T @ matrix / size, expected / size, atol=1e-13)
    wrong = jacobian(*at(study, FIG3 | {"lambda_sf_F": 10.01})).matrix
    assert np.abs(wrong.T @ wrong / size - expected / size).max() > 1e-4


CASES: dict[str, dict[str, Any]] = {
    "known thicknesses": {},
    "uncertain thicknesses": {"thickness": AboutNominal(0.05)},
    "own amplitudes": {**OWN, "thickness": AboutNominal(0.05)},
    "not logarithmic": {"lambda_J": Uniform(0.1, 5.0), "quantity": "torkance", "per": "volume"},
}


def wrongness(found: tuple[Direction, ...], covariance: np.ndarray) -> float:
    """Largest departure of Σ sd² v vᵀ from a covariance matrix, relative to its diagonal."""
    vectors = np.array([list(one.weights.values()) for one in found])
    rebuilt = vectors.T @ (np.array([one.sd**2 for one in found])[:, None] * vectors)
    sd = np.sqrt(np.diagonal(covariance))
    return float(np.abs((rebuilt - covariance) / np.outer(sd, sd)).max())


@pytest.mark.parametrize("changes", CASES.values(), ids=list(CASES))
def test_directions_are_the_axes_of_the_marginal_covariance(changes: dict[str, Any]) -> None:
    """Covariance of all parameters by inversion, its block of those asked for; stiffest first, orthonormal."""
    model, values, amplitudes = at(simulated(SERIES, noise=0.01, **changes), {})
    found, J = directions(model, values, amplitudes), jacobian(model, values, amplitudes)
    names = list(found[0].weights)
    assert [name.split("[")[0] for name in names] == [*FIG3, *([] if "a1" in changes else ["a1", "b2"])]
    asked = [J.names.index(name) for name in names]
    covariance = np.linalg.inv(J.matrix.T @ J.matrix)[np.ix_(asked, asked)]
    assert wrongness(found, covariance) < 1e-7
    assert [one.sd for one in found] == sorted(one.sd for one in found)
    vectors = np.array([list(one.weights.values()) for one in found])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(names)), atol=1e-12)
    # sabotage: thicknesses and own amplitudes that do not follow make errors too small
    stiff = np.linalg.inv((J.matrix.T @ J.matrix)[np.ix_(asked, asked)])
    assert len(J.names) == len(names) or wrongness(found, stiff) > 0.1


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_the_sloppiest_direction_of_figure_3_is_the_diffusion_length(quantity: str) -> None:
    """Five thicknesses: over 90 % of its squared weight, at any noise, and the error is proportional to the noise."""
    errors = []
    for noise in (0.01, 0.05, 0.1):
        model, values, amplitudes = at(simulated(SERIES, noise=noise, quantity=quantity, truth=FIG3), FIG3)
        last = directions(model, values, amplitudes)[-1]
        assert last.main == "lambda_sf_F"
        assert last.weights["lambda_sf_F"] ** 2 > 0.9
        assert last.words == "lambda_sf_F · lambda_sf_N^0.22"
        errors.append(last.sd)
    assert errors[1] / errors[0] == pytest.approx(5, rel=1e-6)
    assert errors[2] / errors[0] == pytest.approx(10, rel=1e-6)


def test_what_cannot_be_seen_is_infinite_and_named_first() -> None:
    """Λ alone is lost: exactly one infinite direction, by both factors to equal and opposite powers."""
    model, values, amplitudes = at(simulated(SERIES, D_ratio=LENGTH), {})
    *seen, last = directions(model, values, amplitudes)
    assert all(np.isfinite(one.sd) for one in seen)
    assert last.sd == np.inf
    assert last.words == "lambda_sf_N · D_ratio^-1"
    model, values, amplitudes = at(simulated(SERIES[:1], D_ratio=LENGTH), {})
    found = directions(model, values, amplitudes)
    assert [np.isfinite(one.sd) for one in found] == [True] * 3 + [False] * 4
    assert found[3].words == "lambda_sf_N · D_ratio^-1"
    # what is said to be unseen moves no measured value
    J = jacobian(model, values, amplitudes).matrix
    for one in found[3:]:
        assert np.linalg.norm(J @ list(one.weights.values())) < 1e-6
    assert np.linalg.norm(J @ list(found[2].weights.values())) == pytest.approx(1 / found[2].sd)


def test_a_dead_layer_of_zero_has_a_direction_all_the_same() -> None:
    """In units of its prior's width, because a logarithm of nothing says nothing."""
    study = simulated(SERIES, noise=0.003, dead_layer=Uniform(0.0, 0.5))
    model, values, amplitudes = at(study, {"dead_layer": 1e-15})
    found = directions(model, values, amplitudes)
    assert all(np.isfinite(one.sd) for one in found)
    assert any(one.main == "dead_layer" for one in found)


def test_nothing_free_has_no_directions() -> None:
    fixed = {name: Fixed(value) for name, value in FIG3.items()}
    model, values, amplitudes = at(simulated((1.5, 2.0), a1=Fixed(1.0), b2=Fixed(0.6), **fixed), {})
    assert directions(model, values, amplitudes) == ()
