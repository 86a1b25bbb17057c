"""What a design can determine: a table of ranks, derivatives against differences, errors against inverse matrices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_studies import AMPLITUDES, LENGTH, LENGTHS, TRUTH, naive, simulated
from shortcuts import as_slow, slow_after

import mtjfit
from mtjfit.model import (
    FullPosterior,
    MarginalPosterior,
    amplitude_design,
    relative_errors,
    row_scale,
    structure,
    transfer,
    transfer_gradient,
)
from mtjfit.model.jacobian import Jacobian, jacobian
from mtjfit.physics import kappa
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Study, Uniform

OWN = {"a1": (Normal(1.0, 1.0), "device"), "b2": (Normal(0.6, 1.0), "device")}
SERIES = (0.8, 1.5, 2.5, 4.0, 6.0)
both = pytest.mark.parametrize("quantity", slow_after(1, ["torque", "torkance"]))


def seven(n: int, **changes: Any) -> FullPosterior:
    """a1, b2, four lengths and D_ratio free, for n thicknesses, all known."""
    return FullPosterior(simulated(SERIES[:n], **({"D_ratio": LENGTH} | changes)))


@both
@pytest.mark.parametrize(("n", "rank"), slow_after(3, [(1, 3), (2, 5), (3, 6), (4, 6), (5, 6)]))
def test_shared_amplitudes(quantity: str, n: int, rank: int) -> None:
    found = structure(seven(n, quantity=quantity))
    assert (found.rank, found.n_parameters) == (rank, 7)
    assert any("Lambda" in words for words in found.null_directions)
    assert len(found.null_directions) == (1 if rank == 6 else 2)


@pytest.mark.parametrize(
    ("d", "changes", "rank"),
    [
        *((SERIES[:n], {"per": per}, rank) for per in ("area", "volume") for n, rank in ((1, 3), (2, 5), (3, 6))),
        (SERIES[:3], {"thickness": AboutNominal(0.05)}, 6),
        ((1.5, 1.5, 1.5), {}, 3),
        ((1.5,), dict.fromkeys((*LENGTHS, "D_ratio"), Fixed(2.0)), 2),
    ],
)
def test_neither_normalisation_nor_errors_of_the_thickness_nor_repetition_count(
    d: tuple[float, ...], changes: dict[str, Any], rank: int
) -> None:
    found = structure(FullPosterior(simulated(d, **({"D_ratio": LENGTH} | changes))))
    assert found.rank == rank
    assert (found.n_parameters == rank) == ("lambda_J" in changes)


@both
@pytest.mark.parametrize(("n", "short"), slow_after(3, [(2, 2), (3, 1), (4, 0), (5, 0)]))
def test_own_amplitudes_need_four_thicknesses(quantity: str, n: int, short: int) -> None:
    """3 numbers for each device against 2 n amplitudes, 4 length combinations: 12 of 13 with D_ratio for n = 4."""
    found = structure(seven(n, quantity=quantity, **OWN))
    assert found.n_parameters == 2 * n + 5
    assert found.rank == 2 * n + 4 - short


@both
def test_phase_degeneracy_stays_for_any_number_of_thicknesses(quantity: str) -> None:
    """With a2 and b1 free an amplitude's phase stands in for λ_φ against λ_sf^F: one more direction is lost."""
    free = {"a2": Normal(0.0, 1.0), "b1": Normal(0.0, 1.0), "D_ratio": Fixed(1.0)}
    for n in (3, 4, 5):
        found = structure(seven(n, quantity=quantity, **free))
        assert (found.rank, found.n_parameters) == (7, 8)
        assert "lambda_phi" in found.null_directions[0]
        assert "lambda_sf_F" in found.null_directions[0]
    assert structure(seven(4, quantity=quantity, **(free | {"b1": None}))).rank == 7  # of 7: with a2 alone all is seen


@both
@pytest.mark.parametrize("free", [("b1",), as_slow((("a2",),)), ("a2", "b1")], ids="+".join)
def test_the_phase_of_the_current_costs_one_direction_only_with_both_parts(
    quantity: str, free: tuple[str, ...]
) -> None:
    """With D_ratio free: 7 of 8 with b1 or a2 alone, where only Λ is lost, and 7 of 9 with both."""
    for n in (3, 4, 5):
        found = structure(seven(n, quantity=quantity, **dict.fromkeys(free, Normal(0.0, 1.0))))
        assert (found.rank, found.n_parameters) == (7, 7 + len(free))
        assert len(found.null_directions) == len(free)
        assert ("1/lambda_phi² + 1/lambda_sf_F²" in " ".join(found.null_directions)) == (len(free) == 2)


def test_what_cannot_be_seen_is_said_in_words() -> None:
    """By name where it has one; else by what is seen instead."""
    product = "lambda_sf_N and D_ratio enter only as Lambda = D_ratio · lambda_sf_N"
    assert structure(seven(3)).null_directions == (product,)
    assert structure(seven(1)).null_directions == (
        product,
        "with one thickness, 3 independent combinations of lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio, "
        "a1, b2 cannot be seen in any measured value: "
        "these tell arg κ, |κ|·a1, |κ|·b2 of each thickness and nothing else",
    )
    both_parts = {"a2": Normal(0.0, 1.0), "b1": Normal(0.0, 1.0), "D_ratio": Fixed(1.0)}
    assert (
        structure(seven(1, **both_parts))
        .null_directions[-1]
        .endswith("these tell κ·(a1 + i b1), κ·(a2 + i b2) of each thickness and nothing else")
    )
    assert (
        structure(seven(3, **OWN))
        .null_directions[-1]
        .startswith(
            "with 3 thicknesses, 1 combination of lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio, a1 of each "
            "device, b2 of each device cannot"
        )
    )


@pytest.mark.parametrize("scope", ["shared", "group", "device"])
def test_the_product_is_lost_once_whatever_its_factors_belong_to(scope: str) -> None:
    found = structure(seven(5, D_ratio=(LENGTH, scope)))
    assert found.n_parameters - found.rank == 1
    assert found.null_directions == ("lambda_sf_N and D_ratio enter only as Lambda = D_ratio · lambda_sf_N",)


def test_both_factors_of_every_device_are_lost() -> None:
    """Three devices: the products of three pairs, and of what is left one more direction than three phases allow."""
    found = structure(seven(5, D_ratio=(LENGTH, "device"), lambda_sf_N=(LENGTH, "device")))
    assert found.n_parameters - found.rank == 5
    assert len(found.null_directions) == 1


def torque_of(lengths: tuple[float, float, float], J0: np.ndarray, d: np.ndarray, Lambda: float = 2.0) -> np.ndarray:
    return kappa(d, *lengths, Lambda)[:, None] * J0


def along(step: float, *, b1_follows: bool = True) -> float:
    """How far the torques move if 1/λ_φ² grows by `step` at constant 1/λ_φ² + 1/λ_sf², J0 divided as the words say."""
    d, V = np.array(SERIES), np.linspace(-0.5, 0.5, 7)
    lengths, J0 = (1.0, 1.2, 10.0), 1.0 * V + 0.2j * V - 0.3 * V**2 + 0.6j * V**2
    phi, sf = 1 / lengths[1] ** 2 + step, 1 / lengths[2] ** 2 - step
    q0 = -1j / lengths[0] ** 2 + 1 / lengths[1] ** 2
    factor = q0 / (q0 + step)
    turned = J0 * factor
    if not b1_follows:
        turned = turned - 1j * ((1 + 0.2j) * factor).imag * V + 0.2j * V
    moved = torque_of((lengths[0], phi**-0.5, sf**-0.5), turned, d)
    return float(np.abs(moved - torque_of(lengths, J0, d)).max())


def test_the_words_hold_far_from_the_point_as_well() -> None:
    """λ_φ and λ_sf^F along 1/λ_φ² + 1/λ_sf² = const, by a finite step and Eq. 12 itself: nothing moves but rounding.

    Sabotage: where b1 does not follow, the torques move by far more than any error.
    """
    assert max(along(step) for step in (0.0099, -0.3, -0.6)) < 1e-14
    assert along(-0.3, b1_follows=False) > 0.01


def test_sabotage_a_name_that_does_not_hold_is_not_given() -> None:
    """With b1 fixed J0 cannot turn; the words are tested on the Jacobian and not found."""
    found = structure(seven(4, a2=Normal(0.0, 1.0), b1=Fixed(0.2)))
    assert (found.rank, len(found.null_directions)) == (found.n_parameters - 1, 1)
    assert "1/lambda_phi²" not in found.null_directions[0]


SCOPES: dict[str, dict[str, Any]] = {
    "shared": {},
    "torkance per volume": {"quantity": "torkance", "per": "volume", "thickness": AboutNominal(0.1)},
    "own lengths": {"lambda_phi": (LENGTH, "device"), "lambda_sf_F": (LogNormal(10.0, 2.0), "group")},
    "own amplitudes": {**OWN, "thickness": AboutNominal(0.1)},
    "not logarithmic": {"lambda_J": Uniform(0.1, 5.0), "lambda_sf_N": Normal(2.0, 1.0, low=0.0), "D_ratio": LENGTH},
    "Lambda": {"Lambda": (LENGTH, "group"), "lambda_sf_N": None, "D_ratio": None},
    "fitted noise": {"fit_sigma": True, "noise_par": (LogNormal(0.02, 3.0), "device")},
    "fixed noise": {"fit_sigma": True, "noise_par": Fixed(0.05)},
    "fixed amplitude": {"b1": Fixed(0.2), "a2": Normal(0.0, 1.0)},
    "infinite length": {"lambda_sf_F": Fixed(np.inf), "per": "volume", "thickness": AboutNominal(0.1)},
}


def whitened_model(model: FullPosterior, values: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    linear = model.amplitudes
    K = np.broadcast_to(transfer(model.layout, values, per_volume=model.per_volume), model.data.fitted.shape)
    c = np.where(linear.column >= 0, np.append(amplitudes, 0.0)[linear.column], linear.constant)
    rows = np.einsum("jrt,jt->jr", amplitude_design(model.data, linear, K), c)
    return (rows * (row_scale(model, values[None])[0][0] if model.data.fitted.any() else 1.0)).ravel()


def by_differences(model: FullPosterior, J: Jacobian, values: np.ndarray, amplitudes: np.ndarray) -> np.ndarray:
    """Fourth-order central differences: error of order h⁴ + 1e-16/h = 1e-13 for h = 1e-3, times large factors."""
    columns, h = [], 1e-3
    for name in J.names:
        parts = []
        for step in (-2, -1, 1, 2):
            v, a = values.copy(), amplitudes.copy()
            if name in model.layout.names:
                v[model.layout.names.index(name)] *= 1 + step * h
            else:
                a[model.amplitudes.names.index(name)] *= 1 + step * h
            parts.append(whitened_model(model, v, a))
        columns.append((parts[0] - 8 * parts[1] + 8 * parts[2] - parts[3]) / (12 * h))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("changes", SCOPES.values(), ids=list(SCOPES))
def test_jacobian_equals_differences(changes: dict[str, Any]) -> None:
    model = FullPosterior(simulated((0.9, 1.8, 3.0), **changes))
    rng = np.random.default_rng(0)
    values = model.layout.values(model.prior_transform(rng.uniform(0.3, 0.7, model.layout.size)))
    amplitudes = rng.uniform(0.5, 1.5, len(model.amplitudes.names))
    J = jacobian(model, values, amplitudes)
    n_thickness = len(J.names) - J.n_model
    data_rows = J.matrix[: J.matrix.shape[0] - n_thickness]
    expected = by_differences(model, J, values, amplitudes)
    size = np.linalg.norm(expected, axis=0).max()
    np.testing.assert_allclose(data_rows / size, expected / size, atol=1e-8)
    for k in range(n_thickness):  # one pseudo-measurement for each thickness
        row = J.matrix[data_rows.shape[0] + k]
        assert row[J.n_model + k] == pytest.approx(values[model.layout.names.index(J.names[J.n_model + k])] / 0.1)
        assert np.count_nonzero(row) == 1


def test_the_jacobian_is_that_of_the_measured_values() -> None:
    """JᵀJ from the compressed data equals the one of every bias point, by differences of the naive model."""
    study = simulated((0.9, 1.8, 3.0), quantity="torkance")
    model = FullPosterior(study)
    point = {name: TRUTH[name] for name in model.layout.names}
    amplitudes = np.array([AMPLITUDES["a1"], AMPLITUDES["b2"]])
    J = jacobian(model, np.array(list(point.values())), amplitudes)

    def measured(change: dict[str, float]) -> np.ndarray:
        parts = naive(study, point | change)
        return np.asarray(parts["D"] @ amplitudes / parts["sigma"])

    h = 1e-4
    columns = [
        (measured({n: v * (1 + h)}) - measured({n: v * (1 - h)})) / (2 * h) for n, v in point.items()
    ] + list((naive(study, point)["D"] * amplitudes / naive(study, point)["sigma"][:, None]).T)  # fmt: skip
    expected = np.stack(columns, axis=1)
    fisher = J.matrix.T @ J.matrix
    np.testing.assert_allclose(fisher, expected.T @ expected, rtol=1e-6, atol=1e-6 * np.abs(fisher).max())


def test_columns_of_zeros_have_infinite_errors_and_no_invalid_operation() -> None:
    errors, correlation = relative_errors(np.zeros((4, 2)))
    assert np.isinf(errors).all()
    assert correlation.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_relative_errors_are_those_of_the_inverse_fisher_matrix() -> None:
    rng = np.random.default_rng(2)
    matrix = rng.standard_normal((30, 5)) * [1.0, 1e3, 1e-3, 1.0, 10.0]
    errors, correlation = relative_errors(matrix)
    covariance = np.linalg.inv(matrix.T @ matrix)
    sd = np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose(errors, sd, rtol=1e-9)
    np.testing.assert_allclose(correlation, covariance / np.outer(sd, sd), atol=1e-9)


def test_no_information_gives_no_error() -> None:
    matrix = np.random.default_rng(0).standard_normal((10, 3))
    matrix = np.column_stack([matrix, matrix[:, 0] + matrix[:, 1], np.zeros(10)])
    errors, _ = relative_errors(matrix)
    assert np.all(errors[[0, 1, 3]] > 1e6)
    assert np.isinf(errors[4])
    np.testing.assert_allclose(errors[2], np.sqrt(np.linalg.pinv(matrix.T @ matrix)[2, 2]), rtol=1e-6)
    assert np.all(relative_errors(matrix[:2])[0] > 1e6)  # fewer rows than columns


def _determined(study: Study) -> list[str]:
    table = mtjfit.fit(study).identifiability.determined
    return list(table.index[table["determined"]])


@pytest.mark.slow
@pytest.mark.usefixtures("quick_fits")
def test_the_report_names_what_is_determined() -> None:
    assert _determined(simulated((1.5,), noise=0.001)) == []
    assert _determined(simulated(SERIES, noise=0.001)) == [
        "lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "a1", "b2"
    ]  # fmt: skip
    assert _determined(simulated(SERIES, noise=0.001, D_ratio=LENGTH)) == [
        "lambda_J", "lambda_phi", "lambda_sf_F", "a1", "b2"
    ]  # fmt: skip
    assert "lambda_sf_F" not in _determined(simulated(SERIES, noise=0.05))


# a part of the free layer that is not magnetic: nothing but a smaller thickness, the same for all devices

DEAD = 0.3
ONE = {"Lambda": LogUniform(0.1, 100.0), "lambda_sf_N": None, "D_ratio": None}
OWN_A1 = {"a1": (Normal(1.0, 0.5), "device")}
FREE = {"thickness": AboutNominal(0.05)}
FILMS = (0.9, 1.5, 2.5, 4.0, 6.0)


def thinner(study: Study) -> Study:
    """The same data of layers that are thinner by the dead layer, which is not declared."""
    curves = tuple(replace(curve, thickness=curve.thickness - DEAD) for curve in study.curves)
    parameters = {name: parameter for name, parameter in study.parameters.items() if name != "dead_layer"}
    return study.replace(curves=curves, parameters=parameters)


@pytest.mark.parametrize("per", ["area", "volume"])
@pytest.mark.parametrize("changes", [{}, OWN_A1, FREE, OWN_A1 | FREE], ids=["known", "known, own", "free", "free, own"])
def test_a_known_dead_layer_is_a_thinner_film(per: str, changes: dict[str, Any]) -> None:
    study = simulated(FILMS[:3], per=per, dead_layer=Fixed(DEAD), **changes)
    with_layer, without = MarginalPosterior(study), MarginalPosterior(thinner(study))
    assert with_layer.names == without.names
    z = np.random.default_rng(0).uniform(-0.5, 0.5, (4, with_layer.size))
    np.testing.assert_allclose(with_layer.log_likelihood(z), without.log_likelihood(z), rtol=1e-11)
    one, other = with_layer.full, without.full
    theta = one.prior_transform(np.random.default_rng(1).uniform(0.3, 0.7, (4, one.layout.size)))
    moved = theta - DEAD * np.array([name.startswith("thickness") for name in one.layout.names])
    np.testing.assert_allclose(one.log_likelihood(theta), other.log_likelihood(moved), rtol=1e-11)
    if "thickness" in changes:
        rng = np.random.default_rng
        a, b = (model.draw(z, rng(3)) for model in (with_layer, without))
        np.testing.assert_allclose(a["thickness[B]"], b["thickness[B]"] + DEAD, rtol=1e-9)


@pytest.mark.parametrize("per", ["area", "volume"])
@pytest.mark.parametrize("prior", [Uniform(0.0, 0.8), LogUniform(0.05, 0.8)])
def test_the_derivative_by_the_dead_layer(per: str, prior: Any) -> None:
    """Against a central difference of Eq. 12 itself, and against minus the derivative by the thickness."""
    model = FullPosterior(simulated(FILMS, per=per, dead_layer=prior, thickness=AboutNominal(0.1), **ONE))
    at = {"lambda_J": 1.0, "lambda_phi": 1.3, "lambda_sf_F": 8.0, "Lambda": 3.0, "dead_layer": DEAD}
    at |= {f"thickness[{c.device}]": c.thickness for c in model.study.curves}
    names = model.layout.names
    values = np.array([at[name] for name in names])
    found = transfer_gradient(model.layout, values, per_volume=per == "volume")
    k = names.index("dead_layer")

    def K(dead: float) -> np.ndarray:
        d = np.array(FILMS) - dead
        return kappa(d, 1.0, 1.3, 8.0, 3.0) / (d if per == "volume" else 1.0)

    np.testing.assert_allclose(transfer(model.layout, values, per_volume=per == "volume"), K(DEAD), rtol=1e-13)
    slope = (K(DEAD + 1e-5) - K(DEAD - 1e-5)) / 2e-5 * (DEAD if model.layout.entries[k].log else 1.0)
    np.testing.assert_allclose(found[:, k], slope, atol=1e-8)
    assert np.max(np.abs(found[:, k] - 1.01 * slope)) > 1e-6
    own = np.array([found[j, names.index(f"thickness[{c.device}]")] for j, c in enumerate(model.study.curves)])
    np.testing.assert_allclose(found[:, k], -own * (DEAD if model.layout.entries[k].log else 1.0), rtol=1e-13)


@pytest.mark.parametrize("quantity", slow_after(1, ["torkance", "torque"]))
@pytest.mark.parametrize(("n", "rank"), slow_after(3, [(1, 3), (2, 5), (3, 7), (4, 7), (5, 7)]))
def test_a_common_dead_layer_is_seen_from_three_thicknesses_on(quantity: str, n: int, rank: int) -> None:
    found = structure(FullPosterior(simulated(FILMS[:n], quantity=quantity, dead_layer=Uniform(0.0, 0.8), **ONE)))
    assert (found.rank, found.n_parameters) == (rank, 7)
    assert ("dead_layer" in " ".join(found.null_directions)) == (rank < 7)


def test_a_dead_layer_of_every_device_is_as_good_as_an_unknown_thickness() -> None:
    """If every d is free the length scale is free: one direction stays unseen for any number of devices."""
    for n in (4, 5):
        model = FullPosterior(simulated(FILMS[:n], dead_layer=(Uniform(0.0, 0.8), "device"), **ONE))
        found = structure(model)
        assert found.n_parameters - found.rank == 1


def test_no_device_is_thinner_than_its_dead_layer() -> None:
    model = FullPosterior(simulated((1.0, 2.0), dead_layer=Uniform(0.0, 0.9), thickness=AboutNominal(0.3), **ONE))
    theta = np.repeat(model.prior_transform(np.full((1, model.layout.size), 0.5)), 2, axis=0)
    names = model.layout.names
    theta[:, names.index("dead_layer")] = 0.8
    theta[:, names.index("thickness[A]")] = [0.81, 0.79]
    assert np.isfinite(model.log_prior(theta)).tolist() == [True, False]
    collapsed = MarginalPosterior(model.study)
    z = np.zeros((4000, collapsed.size))
    z[:, collapsed.names.index("dead_layer")] = collapsed.scores.of(np.array([[1.0] * 4 + [0.85] + [1.0] * 2]))[0, 4]
    found = collapsed.draw(z, np.random.default_rng(0))
    assert np.all(found["dead_layer"] == pytest.approx(0.85))
    assert np.min(found["thickness[A]"]) > 0.85


def test_the_derivative_by_a_dead_layer_of_nothing() -> None:
    """At exactly 0 nm it is the limit from above, not 0/0."""
    model = FullPosterior(simulated(FILMS, dead_layer=Uniform(0.0, 0.8), **ONE))
    values = model.layout.values(model.prior_transform(np.full((1, model.layout.size), 0.4))[0])
    k = model.layout.names.index("dead_layer")
    gradients = []
    for thick in (0.0, 1e-7):
        values[k] = thick
        gradients.append(transfer_gradient(model.layout, values, per_volume=False)[:, k])
    assert np.all(gradients[0] != 0)
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-5)
