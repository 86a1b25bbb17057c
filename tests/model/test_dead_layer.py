"""A part of the free layer that is not magnetic: nothing but a smaller thickness, the same for all devices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_studies import simulated

from mtjfit.model import FullPosterior, MarginalPosterior, structure
from mtjfit.model.likelihood import transfer, transfer_gradient
from mtjfit.physics import kappa
from mtjfit.study import AboutNominal, Fixed, LogUniform, Normal, Study, Uniform

DEAD = 0.3
ONE = {"Lambda": LogUniform(0.1, 100.0), "lambda_sf_N": None, "D_ratio": None}
OWN = {"a1": (Normal(1.0, 0.5), "device")}
FREE = {"thickness": AboutNominal(0.05)}
SERIES = (0.9, 1.5, 2.5, 4.0, 6.0)


def thinner(study: Study) -> Study:
    """The same data of layers that are thinner by the dead layer, which is not declared."""
    curves = tuple(replace(curve, thickness=curve.thickness - DEAD) for curve in study.curves)
    parameters = {name: parameter for name, parameter in study.parameters.items() if name != "dead_layer"}
    return study.replace(curves=curves, parameters=parameters)


@pytest.mark.parametrize("per", ["area", "volume"])
@pytest.mark.parametrize("changes", [{}, OWN, FREE, OWN | FREE], ids=["known", "known, own", "free", "free, own"])
def test_a_known_dead_layer_is_a_thinner_film(per: str, changes: dict[str, Any]) -> None:
    study = simulated(SERIES[:3], per=per, dead_layer=Fixed(DEAD), **changes)
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
    model = FullPosterior(simulated(SERIES, per=per, dead_layer=prior, thickness=AboutNominal(0.1), **ONE))
    at = {"lambda_J": 1.0, "lambda_phi": 1.3, "lambda_sf_F": 8.0, "Lambda": 3.0, "dead_layer": DEAD}
    at |= {f"thickness[{c.device}]": c.thickness for c in model.study.curves}
    names = model.layout.names
    values = np.array([at[name] for name in names])
    found = transfer_gradient(model.layout, values, per_volume=per == "volume")
    k = names.index("dead_layer")

    def K(dead: float) -> np.ndarray:
        d = np.array(SERIES) - dead
        return kappa(d, 1.0, 1.3, 8.0, 3.0) / (d if per == "volume" else 1.0)

    np.testing.assert_allclose(transfer(model.layout, values, per_volume=per == "volume"), K(DEAD), rtol=1e-13)
    slope = (K(DEAD + 1e-5) - K(DEAD - 1e-5)) / 2e-5 * (DEAD if model.layout.entries[k].log else 1.0)
    np.testing.assert_allclose(found[:, k], slope, atol=1e-8)
    assert np.max(np.abs(found[:, k] - 1.01 * slope)) > 1e-6
    own = np.array([found[j, names.index(f"thickness[{c.device}]")] for j, c in enumerate(model.study.curves)])
    np.testing.assert_allclose(found[:, k], -own * (DEAD if model.layout.entries[k].log else 1.0), rtol=1e-13)


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
@pytest.mark.parametrize(("n", "rank"), [(1, 3), (2, 5), (3, 7), (4, 7), (5, 7)])
def test_a_common_dead_layer_is_seen_from_three_thicknesses_on(quantity: str, n: int, rank: int) -> None:
    found = structure(FullPosterior(simulated(SERIES[:n], quantity=quantity, dead_layer=Uniform(0.0, 0.8), **ONE)))
    assert (found.rank, found.n_parameters) == (rank, 7)
    assert ("dead_layer" in " ".join(found.null_directions)) == (rank < 7)


def test_a_dead_layer_of_every_device_is_as_good_as_an_unknown_thickness() -> None:
    """If every d is free the length scale is free: one direction stays unseen for any number of devices."""
    for n in (4, 5):
        model = FullPosterior(simulated(SERIES[:n], dead_layer=(Uniform(0.0, 0.8), "device"), **ONE))
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
    model = FullPosterior(simulated(SERIES, dead_layer=Uniform(0.0, 0.8), **ONE))
    values = model.layout.values(model.prior_transform(np.full((1, model.layout.size), 0.4))[0])
    k = model.layout.names.index("dead_layer")
    gradients = []
    for thick in (0.0, 1e-7):
        values[k] = thick
        gradients.append(transfer_gradient(model.layout, values, per_volume=False)[:, k])
    assert np.all(gradients[0] != 0)
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-5)
