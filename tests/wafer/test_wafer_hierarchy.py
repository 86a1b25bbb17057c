"""The hierarchical posterior of a wafer: raw points and quadrature, limits, conditional draws, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import collapsed_brute as brute
import numpy as np
import pytest
from hierarchy_cases import HIERARCHY, POLAR, TRUTH, at_truth, factor, made, parameters, positions, shape, simulated
from model_studies import named_points, peak_memory
from scipy import stats

from mtjfit.errors import ConfigError
from mtjfit.model import MarginalPosterior
from mtjfit.physics import Interface, torque
from mtjfit.study import AboutNominal, Fixed, LogNormal, Normal, Parameter, Study, Uniform
from mtjfit.wafer import Hierarchy, WaferDevices, WaferPosterior

ALARM = 1e-5
"""Of each test of a distribution; a fixed seed fails by chance once in some ten thousand choices of it in this file."""
NOISE = {"noise_par": LogNormal(0.01, 1.3), "noise_perp": LogNormal(0.01, 1.3)}

CASES: dict[str, dict[str, Any]] = {
    "all vary": {},
    "torkance per volume": {"quantity": "torkance", "per": "volume"},
    "fitted noise": {"declared": parameters(**NOISE), "fit_sigma": True},
    "own b2, b1, dead layer": {
        "declared": parameters(b2=(Normal(0.6, 0.3), "device"), scatter_b2=None, b1=Normal(0.05, 0.1),
                               dead_layer=Uniform(0.0, 0.5)),
    },
    "nothing scatters but thickness": {"declared": parameters(scatter_a1=None, scatter_b2=None)},
    "every wafer its own shape": {"hierarchy": replace(HIERARCHY, each="wafer"), "wafers": 2},
    "declared thickness, all shapes": {
        "hierarchy": Hierarchy({"thickness": tuple(POLAR), "b2": ("saddle",)}, radius=100.0),
        "declared": parameters(thickness=AboutNominal(0.03)),
    },
    "bounded own": {
        "declared": parameters(a1=(Normal(0.0, 1.0, low=0.0), "device"), scatter_a1=None),
        "hierarchy": Hierarchy({"thickness": ("bowl",)}, thickness_scatter=Normal(0.0, 0.03, low=0.0), radius=100.0),
    },
    "known thickness": {"hierarchy": Hierarchy({"thickness": ("bowl",), "b2": ("tilt_x",)}, radius=100.0)},
}  # fmt: skip


def near(model: WaferPosterior, n: int = 2, width: float = 0.05) -> np.ndarray:
    """Coordinates about where the posterior lies."""
    true = {"dead_layer": 0.1, "b1": 0.0, "a1": 1.0}
    others = {name: 0.01 for name in model.names if name.split("[")[0] not in {*TRUTH, *NOISE}}
    z = at_truth(model, **(others | true))
    return np.clip(z, -2, 2) + width * np.random.default_rng(4).standard_normal((n, model.size))


def of_device(study: Study, model: WaferPosterior, j: int, row: np.ndarray) -> tuple[Study, Any, dict[str, float]]:
    """The study of one device alone with what the smooth part makes of it: for the brute force of studies."""
    (point,) = named_points(model, row[None])
    mine = {k.split("[")[0]: v for k, v in point.items() if not k.endswith("]") or model.devices.wafer[j] in k}
    x, y = model.devices.x[[j]], model.devices.y[[j]]
    curve = study.curves[j]
    curve = replace(curve, thickness=curve.thickness * float(factor("thickness", mine, x, y)[0]))
    for name in study.amplitudes:
        if name in mine:
            mine[name] *= float(factor(name, mine, x, y)[0])
    known = dict(study.parameters)
    if "thickness_scatter" in point:
        known["thickness"] = Parameter("thickness", AboutNominal(point["thickness_scatter"]), "device")
    return study.replace(parameters=known), curve, mine


def by_raw_points(study: Study, model: WaferPosterior, row: np.ndarray) -> float:
    devices = [of_device(study, model, j, row) for j in range(model.devices.n)]
    if model.thickness_is_free:
        return sum(brute.with_thickness_integrated(*each) for each in devices)
    return sum(float(brute.given_thickness(*each, np.array([each[1].thickness]))[0]) for each in devices)


def everywhere(model: WaferPosterior | MarginalPosterior, z: np.ndarray) -> np.ndarray:
    """ln L by the model's own fine quadrature."""
    return model.log_likelihood_everywhere(z) if model.thickness_is_free else model.log_likelihood(z)


def raw_error(study: Study, model: WaferPosterior) -> tuple[float, float]:
    """Of the integrand, and of the quick quadrature up to a constant."""
    z = near(model)
    exact = np.array([by_raw_points(study, model, row) for row in z])
    return float(np.max(np.abs(everywhere(model, z) - exact))), float(np.ptp(model.log_likelihood(z) - exact))


@pytest.mark.parametrize("name", CASES)
def test_log_likelihood_by_raw_points(name: str) -> None:
    """ln L of about 400: rounding of χ² against Σ (y/σ)² = 1e5 leaves 1e-8 in the integrand.

    The quick nodes leave out tails of 1e-5 for each of six devices.
    """
    fine, quick = raw_error(*made(**CASES[name]))
    assert fine < 1e-7
    assert quick < 6e-5


def test_one_device_by_integration_over_its_thickness_and_both_amplitudes() -> None:
    """No algebra at all: the density of the raw points on a grid of δ, ε₁ and ε₂."""
    study, model = made(2, noise=0.05, n_bias=5, nominal=(1.5,))
    model = replace(model, devices=model.devices.chosen(np.array([1])))
    z = near(model, 2)
    curve, x, y = study.curves[1], model.devices.x, model.devices.y
    for found, v in zip(everywhere(model, z), named_points(model, z), strict=True):
        t, w = brute.gauss(-8.0, 8.0, 3, 16)
        w = w * stats.norm.pdf(t)
        d = curve.thickness * factor("thickness", v, x, y) + v["thickness_scatter"] * t
        log = np.zeros((t.size,) * 3)
        unit = {
            name: torque(curve.bias, d[:, None], **{n: v[n] for n in ("lambda_J", "lambda_phi", "lambda_sf_F")},
                         lambda_sf_N=v["Lambda"], D_ratio=1.0, interface=Interface.of(**{name: 1.0}))
            for name in ("a1", "b2")
        }  # fmt: skip
        a1 = v["a1"] * factor("a1", v, x, y) * (1 + v["scatter_a1"] * t)
        b2 = v["b2"] * (1 + v["scatter_b2"] * t)
        for p in range(curve.bias.size):
            T = a1[:, None] * unit["a1"][:, None, None, p] + b2 * unit["b2"][:, None, None, p]
            for part, value in ((T.real, curve.par[p]), (T.imag, curve.perp[p])):
                log += stats.norm.logpdf(value, part, 0.05)
        exact = np.log(np.einsum("ijk,i,j,k", np.exp(log - log.max()), w, w, w)) + log.max()
        assert found == pytest.approx(exact, abs=1e-9)


# limits


@pytest.mark.parametrize(
    ("declared", "scatter", "of_study"),
    [(Fixed(0.0), None, Fixed(0.0)), (AboutNominal(0.05), None, AboutNominal(0.05)),
     (Fixed(0.0), Fixed(0.05), AboutNominal(0.05))],
    ids=["known", "uncertain", "known scatter"],
)  # fmt: skip
def test_without_a_smooth_part_it_is_the_posterior_of_a_study(declared: Any, scatter: Any, of_study: Any) -> None:
    study, model = made(hierarchy=Hierarchy(thickness_scatter=scatter), declared=parameters(thickness=declared))
    other = MarginalPosterior(study.replace(parameters=parameters(thickness=of_study)))
    assert model.names == other.names
    z = np.random.default_rng(3).uniform(-1.5, 1.5, (5, model.size))
    np.testing.assert_allclose(everywhere(model, z), everywhere(other, z), rtol=1e-12)
    np.testing.assert_array_equal(model.log_prior(z), other.log_prior(z))
    z = near(model, 5)  # farther out their quick nodes may differ by more, each from all nodes
    np.testing.assert_allclose(model.log_posterior(z), other.log_posterior(z), atol=1e-4)
    u = np.random.default_rng(0).random((3, model.size))
    np.testing.assert_array_equal(model.prior_transform(u), other.prior_transform(u))


def test_less_and_less_scatter_is_a_known_thickness() -> None:
    """No error of the form a + b sd: with sd the difference falls as sd², down to the tails that the nodes leave."""
    study, model = made(hierarchy=Hierarchy())
    z = near(model)

    def gap(sd: float) -> float:
        narrow = WaferPosterior(model.devices, study.parameters, Hierarchy(thickness_scatter=Fixed(sd)))
        return float(np.ptp(narrow.log_likelihood(z) - model.log_likelihood(z)))

    assert gap(3e-4) == pytest.approx(gap(3e-3) / 100, rel=0.2)
    assert gap(1e-7) < 1e-6


def test_shapes_are_orthogonal_on_the_disc_and_are_those_in_polar_coordinates() -> None:
    _, model = made(50, hierarchy=Hierarchy({"thickness": tuple(POLAR)}, radius=100.0))
    in_polar = np.stack([shape(name, *positions(50)) for name in POLAR], axis=-1)
    np.testing.assert_allclose(model.coordinates.bases["thickness"], in_polar, atol=1e-14)
    r, w = brute.gauss(0.0, 1.0, 1)
    P = np.stack([each(r[:, None], np.arange(32) * 2 * np.pi / 32).ravel() for each in POLAR.values()], axis=-1)
    gram = (P * np.repeat(2 * w * r / 32, 32)[:, None]).T @ P
    assert np.max(np.abs(gram - np.diag(np.diag(gram)))) < 1e-14
    assert gram[0, 0] == pytest.approx(1.0)


# draws


def thickness_p_values(study: Study, model: WaferPosterior, n: int = 3000) -> list[float]:
    """KS of the thickness of each device, and of its amplitudes, against raw points."""
    row = near(model, 1)[0]
    found = model.draw_devices(np.repeat(row[None], n, axis=0), np.random.default_rng(8))
    out = []
    for j in range(model.devices.n):
        alone, curve, point = of_device(study, model, j, row)
        d = found["thickness"][:, j]
        prior = alone.parameters["thickness"].prior.about(curve.thickness)
        grid = np.linspace(d.min() - 0.3 * np.ptp(d), d.max() + 0.3 * np.ptp(d), 400)
        log = brute.given_thickness(alone, curve, point, grid) + prior.logpdf(grid)
        mass = np.concatenate([[0.0], np.cumsum(np.convolve(np.exp(log - log.max()), [1, 1], "valid"))])
        out.append(float(stats.kstest(np.interp(d, grid, mass / mass[-1]), "uniform").pvalue))
        names = ["a1", "b2"]
        mean, covariance = brute.own_given_thickness(alone, curve, point, d[:1000], names)
        draws = np.stack([found[name][:1000, j] for name in names], axis=-1)
        white = np.linalg.solve(np.linalg.cholesky(covariance), (draws - mean)[..., None])[..., 0]
        out += [float(stats.kstest(white[:, k], "norm").pvalue) for k in range(2)]
    return out


def test_devices_are_drawn_from_their_conditionals_and_another_smooth_part_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study, model = made(4)
    assert min(thickness_p_values(study, model)) > ALARM
    found = model.draw(near(model, 2), np.random.default_rng(0))
    assert set(found) == {*model.names, *(f"{n}[D{j}]" for n in ("thickness", "a1", "b2") for j in range(4))}
    right = type(model.coordinates).smooth
    monkeypatch.setattr(type(model.coordinates), "smooth", lambda *a: 2 - right(*a))
    assert min(thickness_p_values(study, model)) < 1e-6


# what it costs


def test_devices_add_no_dimension_and_memory_is_linear() -> None:
    few, many = made(20)[1], made(160)[1]
    assert few.names == many.names
    z = np.repeat(at_truth(few), 32, axis=0)
    few.log_likelihood(z)
    assert peak_memory(lambda: many.log_likelihood(z)) < 10 * peak_memory(lambda: few.log_likelihood(z))


def test_neither_rows_nor_devices_know_of_each_other() -> None:
    _, model = made(6, hierarchy=replace(HIERARCHY, thickness_scatter=LogNormal(0.05, 4.0)))
    z = near(model, 8)
    z[::2, list(model.names).index("thickness_scatter")] = 1.5  # 0.4 nm: wide, and integrated with more nodes
    alone = np.concatenate([model.log_likelihood(row) for row in z])
    np.testing.assert_allclose(model.log_likelihood(z), alone, rtol=1e-13)
    parts = [replace(model, devices=model.devices.chosen(np.arange(6) % 2 == k)) for k in (0, 1)]
    narrow = z[1::2]
    np.testing.assert_allclose(sum(part.log_likelihood(narrow) for part in parts), alone[1::2], rtol=1e-12)
    model = replace(model, devices_at_once=4, nodes_at_once=100)
    np.testing.assert_allclose(model.log_likelihood(narrow), alone[1::2], rtol=1e-12)
    assert model.quadrature_error(narrow) < 1e-4


@pytest.mark.parametrize("name", ["all vary", "torkance per volume", "bounded own"])
def test_corner_values_raise_no_warning(name: str) -> None:
    _, model = made(**CASES[name])
    corners = 8 * np.concatenate([np.eye(model.size), -np.eye(model.size)])
    with np.errstate(all="raise", under="ignore"):
        assert np.all(np.isfinite(model.log_posterior(corners)))
    below, above = model.scores.reach
    beyond = np.concatenate([np.diag(-1.001 * below), np.diag(1.001 * above)])
    assert np.all(model.log_posterior(beyond) == -np.inf)


# declarations


def test_all_problems_of_a_declaration_at_once() -> None:
    study, x, y = simulated(3)
    x[1] = np.nan
    known = parameters(b2=(Normal(0.6, 0.3), "device"), scatter_b2=None, lambda_J=(LogNormal(1.0, 2.0), "device"))
    wrong = Hierarchy(
        {"thickness": ("tilt", "bowl", "bowl"), "a3": ("bowl",), "b2": ("bowl",)}, {"a1": 0.1, "thickness": -1.0},
        thickness_scatter=AboutNominal(0.1), radius=0.0,
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        WaferPosterior(WaferDevices.of(study, x, y), known, wrong)
    expected = ("'tilt', which is no shape; did you mean 'tilt_", "'bowl' twice", "wafer.smooth.a3",
                "declare scatter_b2", "given, but a1", "smooth_sd.thickness: is -1.0", "wafer.radius",
                "parameters.lambda_J", "parameters.thickness_scatter", "device 'D1' has none")  # fmt: skip
    assert [words for words in expected if words not in str(caught.value)] == []


# sabotage


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("smooth", lambda right: lambda self, name, *a: 2 - right(self, name, *a)),
        ("own_sd", lambda right: lambda self, v, centre: 1.001 * right(self, v, centre)),
        ("sd", lambda right: lambda self, v: 1.001 * right(self, v)),
        ("centre", lambda right: lambda self, v, b: right(self, v, b) + 1e-6),
    ],
)
def test_sabotage_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[[Any], Any]) -> None:
    """A sign, or a width or an amplitude that is off by a thousandth or a millionth."""
    study, model = made()
    coordinates = type(model.coordinates)
    monkeypatch.setattr(coordinates, name, wrong(getattr(coordinates, name)))
    assert raw_error(study, model)[0] > 1e-5
