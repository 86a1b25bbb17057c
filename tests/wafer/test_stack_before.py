"""What a stack leaves to the priors, said before sampling: against its draws, in limits, and of many devices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hierarchy_cases import HIERARCHY, TRUTH, made, parameters, posterior
from stack_designs import drawn, model_of
from test_stack_reference import SEED, sampled

from mtjfit.study import Fixed
from mtjfit.wafer import Hierarchy, WaferDevices, WaferPosterior, undetermined
from mtjfit.wafer.stack import before
from mtjfit.wafer.stack.sample import OpenDirection

SERIES = 0.8, 1.4, 2.2, 3.5
EXACT = 0.002  # errors of torques, 0.2 %


def subspace(directions: tuple[OpenDirection, ...], names: tuple[str, ...]) -> np.ndarray:
    """Projector on what the directions span, shape (size, size)."""
    vectors = np.array([[dict(one.loadings).get(name, 0.0) for name in names] for one in directions])
    q, _ = np.linalg.qr(vectors.T)
    return np.asarray(q @ q.T)


def test_thicknesses_and_good_data_leave_nothing() -> None:
    assert undetermined(posterior(16, noise=EXACT, nominal=SERIES)) == ()


@pytest.mark.slow
def test_one_nominal_thickness_leaves_lengths() -> None:
    """Also with errors of 0.2 %; the words name parameters."""
    found = undetermined(posterior(16, noise=EXACT, nominal=(1.5,)))
    named = {name for one in found for name, _ in one.loadings}
    assert named & {"lambda_J", "lambda_phi", "lambda_sf_F", "Lambda"}
    assert all(str(one).startswith("the priors know more than the data of: ") for one in found)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_is_said_before_is_what_the_draws_say() -> None:
    """One nominal thickness: as many directions but one at most, and three quarters of their space in common."""
    model = model_of(drawn("one thickness", SEED))
    said, after = undetermined(model), sampled("one thickness").open_directions
    assert len(after) > 0
    assert abs(len(said) - len(after)) <= 1
    common = np.trace(subspace(said, model.names) @ subspace(after, model.names))
    assert common > 0.75 * min(len(said), len(after))


def test_data_that_say_nothing_leave_everything() -> None:
    model = posterior(4, noise=1e4)
    found = undetermined(model)
    assert len(found) == model.size
    np.testing.assert_allclose(subspace(found, model.names), np.eye(model.size), atol=1e-9)


def test_nothing_is_left_where_nothing_is_free() -> None:
    free = {name for name in parameters() if name != "thickness"}
    study, _ = made(3)
    fixed = parameters(**{name: Fixed(TRUTH[name]) for name in free})
    model = WaferPosterior(WaferDevices.of(study, np.zeros(3), np.zeros(3)), fixed, Hierarchy())
    assert undetermined(model) == ()


@pytest.mark.slow
def test_some_devices_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve of a hundred leave nothing, as all of them; a stack that is these twelve leaves three directions."""
    model = posterior(100, noise=0.003, nominal=SERIES, n_bias=5, seed=1)
    few = replace(model, devices=model.devices.chosen(np.arange(12)))
    assert undetermined(model) == ()
    assert len(undetermined(few)) > 1
    monkeypatch.setattr(before, "_DEVICES", 12)
    assert undetermined(model) == ()


def test_smooth_parts_of_wafers_count_as_one() -> None:
    _, model = made(6, hierarchy=replace(HIERARCHY, each="wafer"), wafers=2, noise=1e4)
    named = {name for one in undetermined(model) for name, _ in one.loadings}
    assert "thickness_bowl" in named


def test_devices_without_positions_need_no_radius() -> None:
    _, model = made(6, hierarchy=Hierarchy(thickness_scatter=HIERARCHY.thickness_scatter), noise=1e4)
    nowhere = np.full(6, np.nan)
    lost = replace(model, devices=replace(model.devices, x=nowhere, y=nowhere))
    assert len(undetermined(lost)) == model.size
