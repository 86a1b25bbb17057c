"""The quick integrals of stacks against brute force, on designs drawn at random; parts that annealing begins with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hierarchy_cases import HIERARCHY, TRUTH, at_truth, made, parameters, posterior, simulated
from scipy import stats

from mtjfit.infer.ensembles.jumps import Jump, Straight, StraightFrom
from mtjfit.infer.ensembles.mixture import Mixture
from mtjfit.model import narrow_integral
from mtjfit.model.posterior import SharedPosterior
from mtjfit.study import LogNormal, Normal
from mtjfit.wafer import Hierarchy, WaferDevices, WaferPosterior


def drawn(seed: int) -> tuple[WaferPosterior, np.ndarray]:
    """A stack of 24 devices with lengths, scatter, noise and thicknesses at random, and rows about its truth."""
    rng = np.random.default_rng([seed, 19])
    truth = {name: TRUTH[name] * np.exp(0.3 * rng.standard_normal()) for name in ("lambda_J", "lambda_phi", "Lambda")}
    truth["thickness_scatter"] = float(np.exp(rng.uniform(np.log(0.005), np.log(0.04))))
    nominal = tuple(np.sort(rng.uniform(1.2, 3.0, 3)))
    own: dict[str, Any] = [{}, {"scatter_b2": None}, {"scatter_a1": None, "scatter_b2": None}][seed % 3]
    volume = {"quantity": "torkance", "per": "volume"} if seed % 2 else {}
    model = posterior(24, truth=truth, nominal=nominal, noise=float(np.exp(rng.uniform(-6, -3))), seed=seed,
                      declared=parameters(**own), **volume)  # fmt: skip
    z = at_truth(model, **truth) + 0.03 * rng.standard_normal((4, model.size))
    return model, z


def error(model: WaferPosterior, z: np.ndarray) -> float:
    return float(np.ptp(model.log_likelihood(z) - model.log_likelihood_everywhere(z)))


@pytest.mark.parametrize("seed", range(12))
def test_designs_at_random_by_brute_force(seed: int) -> None:
    """2e-4 in ln L of 24 devices, where the gate allows 0.05; and the quick road is the one taken."""
    model, z = drawn(seed)
    assert error(model, z) < 2e-4
    general = sum(SharedPosterior._log_integrals(model, model.scores.values(z), block) for block in model.blocks)
    assert np.any(general != model.log_likelihood(z))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wrong"),
    [("_NODES", 0.5 * narrow_integral._NODES), ("_FLATTEST", 50.0), ("_NEAR", 1e9)],
)
def test_sabotage_of_the_quick_integral_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, wrong: Any) -> None:
    """Weights that are those of other nodes, bells that are too narrow, one parabola alone."""
    monkeypatch.setattr(narrow_integral, name, wrong)
    assert max(error(*drawn(seed)) for seed in range(6)) > 2e-4


def test_a_part_has_the_same_coordinates_and_some_of_the_devices() -> None:
    _, model = made(160, hierarchy=replace(HIERARCHY, each="wafer", radius=None), wafers=4)
    part = model.part(np.random.default_rng(1))
    assert part is not None
    assert (part.names, part.coordinates.radius) == (model.names, model.coordinates.radius)
    assert part.devices.n == 32
    assert [part.devices.wafer.count(wafer) for wafer in model.devices.wafers] == [8, 8, 8, 8]
    other = model.part(np.random.default_rng(2))
    assert other is not None
    assert other.devices.device != part.devices.device
    assert posterior(149).part(np.random.default_rng(1)) is None


def test_a_part_is_computed_here_though_others_hold_the_whole() -> None:
    def elsewhere(*_: Any) -> Any:
        raise AssertionError("asked for the part of a model that others hold as a whole")

    model = replace(posterior(150), compute=elsewhere)
    part = model.part(np.random.default_rng(1))
    assert part is not None
    assert np.isfinite(part.log_likelihood(at_truth(part))).all()


def test_a_part_that_would_lose_a_wafer_is_none() -> None:
    study, x, y = simulated(160)
    smooth = Hierarchy({"thickness": ("bowl",)}, each="wafer", thickness_scatter=LogNormal(0.02, 1.5))
    devices = WaferDevices.of(study, x, y, (*("full",) * 159, "lonely"))
    assert WaferPosterior(devices, study.parameters, smooth).part(np.random.default_rng(1)) is None


def test_annealing_may_begin_with_a_proposal_of_another_posterior() -> None:
    """Draws have the stated density: a KS test with false alarms of 1e-5 in each of three coordinates."""
    target = posterior(2, declared=parameters(a1=Normal(0.0, 1.0), b2=Normal(0.0, 1.0)))
    size = target.size
    mixture = Mixture(np.ones(1), np.full((1, size), 0.5), 0.3 * np.eye(size)[None])
    begin = StraightFrom(target, Jump(mixture, Straight(target)))
    v, log_density = begin.start(4000, size, np.random.default_rng(0))
    np.testing.assert_allclose(begin.log_start(v), log_density, rtol=1e-12)
    np.testing.assert_allclose(mixture.log_density(v), log_density, rtol=1e-12)
    for k in range(3):
        assert stats.kstest((v[:, k] - 0.5) / 0.3, stats.t(5).cdf).pvalue > 1e-5
