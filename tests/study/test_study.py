"""A study is checked as a whole when it is made: every contradiction, all at once, at its key path."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_studies import simulated
from small import problems_of, small_curve, told

from mtjfit.data import Origin, TorqueCurve
from mtjfit.errors import ConfigError
from mtjfit.model import make_posterior
from mtjfit.study import (
    AboutNominal,
    Fixed,
    LogNormal,
    LogUniform,
    Normal,
    Parameter,
    ParameterName,
    Sampling,
    Study,
    Uniform,
    is_amplitude,
    parse_amplitude,
    study_problems,
)
from mtjfit.study.study import as_read

LENGTH = LogUniform(0.1, 100.0)
FITTED = {"sigma_par": None, "sigma_perp": None}


def curve(device: str = "A", **changes: Any) -> TorqueCurve:
    return small_curve(device, **changes)


def declared(**changes: Any) -> dict[str, Parameter]:
    """A sound set of parameters; None takes one out, a Parameter or a prior replaces it."""
    priors: dict[str, Any] = {
        "lambda_J": LENGTH, "lambda_phi": LENGTH, "lambda_sf_F": LENGTH, "lambda_sf_N": LENGTH, "D_ratio": Fixed(1.0),
        "thickness": Parameter("thickness", AboutNominal(0.1), "device"), "a1": Normal(0.0, 10.0),
        "b2": Normal(0.0, 10.0), **changes,
    }  # fmt: skip
    return {
        name: prior if isinstance(prior, Parameter) else Parameter(name, prior)
        for name, prior in priors.items()
        if prior is not None
    }


def messages(curves: Any = None, **changes: Any) -> list[str]:
    return [str(problem) for problem in study_problems(curves or (curve(),), declared(**changes))]


@pytest.mark.parametrize(
    ("curves", "changes"),
    [
        (None, {}),
        (None, {"lambda_sf_N": None, "D_ratio": None, "Lambda": LogUniform(0.1, 200.0)}),
        (None, {"lambda_sf_N": None, "D_ratio": None, "Lambda": Fixed(0.0)}),
        (None, {"lambda_sf_F": Fixed(math.inf), "lambda_phi": Fixed(math.inf)}),
        (None, {"lambda_J": Normal(1.0, 1.0, low=0.0), "lambda_phi": Uniform(0, 5), "D_ratio": LogNormal(1, 2)}),
        (
            None,
            {"thickness": Parameter("thickness", Fixed(0.0), "device"), "a1": Parameter("a1", Normal(0, 1), "device")},
        ),
        ([curve("A", group="w"), curve("B", group="w")], {"lambda_J": Parameter("lambda_J", LENGTH, "group")}),
        ([curve(), curve("B", **FITTED)], {"noise_par": LogNormal(0.1, 3), "noise_perp": Fixed(0.1)}),
        ([curve(), curve("B", quantity="torkance", unit="N m/V")], {"b0": Normal(0, 1)}),
        ([curve("A", sin_theta="divided"), curve("B", angle=72.0, sin_theta="included")], {}),
    ],
)
def test_sound_studies_have_no_problems(curves: Any, changes: dict[str, Any]) -> None:
    assert messages(curves, **changes) == []


WRONG: list[dict[str, Any]] = [
    {"lambda_J": None},
    {"lambda_phi": None},
    {"lambda_sf_F": None},
    {"lambda_sf_N": None},
    {"D_ratio": None},
    {"Lambda": LENGTH},
    {"Lambda": LENGTH, "D_ratio": None},
    {"lambda_sf_N": None, "D_ratio": None},
    {"thickness": None},
    {"a1": None, "b2": None},
    {"lambda_j": LENGTH},
    {"a0": Normal(0, 1)},
    {"scatter_b1": Fixed(0.02)},
    {"scatter_a1": Fixed(0.02), "a1": Parameter("a1", Normal(0, 1), "device")},
    {"scatter_a1": Parameter("scatter_a1", Fixed(0.02), "device")},
    {"scatter_a1": Fixed(0.02), "noise_dof": Fixed(4.0)},
    {"scatter_a1": Fixed(0.0)},
    {"scatter_a1": Uniform(-1, 1)},
    {"a2": Parameter("a1", Normal(0, 1))},
    {"thickness": Parameter("thickness", AboutNominal(0.1))},
    {"thickness": Parameter("thickness", Normal(2.0, 0.1), "device")},
    {"thickness": Parameter("thickness", Fixed(2.0), "device")},
    {"lambda_J": AboutNominal(0.1)},
    {"a1": AboutNominal(0.1)},
    {"a1": Parameter("a1", Normal(0, 1, low=0), "device"), "b2": Parameter("b2", Normal(0, 1, high=0), "device")},
    {"dead_layer": Uniform(0.0, 3.0)},
    {"dead_layer": LogNormal(0.2, 1.5)},
    {"dead_layer": Fixed(2.0)},
    {"a1": LENGTH},
    {"a1": Fixed(math.inf)},
    {"a1": Fixed(0), "b2": Fixed(0)},
    {"lambda_J": Fixed(0)},
    {"lambda_sf_F": Fixed(-1)},
    {"lambda_phi": Fixed(math.nan)},
    {"lambda_sf_N": Fixed(-1)},
    {"D_ratio": Fixed(math.inf)},
    {"lambda_sf_N": Fixed(math.inf), "D_ratio": Fixed(0)},
    {"lambda_J": Fixed(math.inf), "lambda_phi": Fixed(math.inf)},
    {"lambda_J": Normal(1, 1)},
    {"D_ratio": Uniform(-1, 1)},
    {"lambda_J": LogUniform(1e-200, 1.0)},
    {"lambda_sf_F": LogNormal(10.0, 1e60)},
    {"lambda_phi": Fixed(1e200)},
    {"a1": Normal(0.0, 1e200)},
    {"a1": Normal(0.0, 1e-200)},
    {"thickness": Parameter("thickness", AboutNominal(1e200), "device")},
    {"lambda_J": Parameter("lambda_J", LENGTH, "wafer")},
    {"a1": Parameter("a1", Normal(0, 1), "group")},
    {"noise_par": LENGTH},
    {"noise_perp": Normal(0, 1)},
    {"noise_par": Fixed(0)},
]  # fmt: skip


WRONG_CURVES = {
    "one name twice": [curve(), curve(source="b.csv")],
    "another normalisation": [curve(), curve("B", per="area", unit="J/m2")],
    "an arbitrary unit": [curve(), curve("B", unit="arb")],
    "a density beside a field": [curve(per="volume", unit="mT"), curve("B", per="volume", unit="J/m3")],
}


def test_every_fault_is_said_in_one_message(golden: Callable[..., None], tmp_path: Path) -> None:
    parameters = [(changes, messages(**changes)) for changes in WRONG]
    curves = [(name, messages(each)) for name, each in WRONG_CURVES.items()]
    golden("study-problems", told([*parameters, *curves]), tmp_path)
    # the presence of noise scales has two sides
    assert [len(said) for _, said in (*curves, *parameters)] == [1] * (len(curves) + len(parameters) - 2) + [2] * 2


def test_noise_is_needed_exactly_where_errors_are_fitted() -> None:
    assert messages([curve(), curve("B", **FITTED)]) == [
        f"parameters.{name}: is missing: the errors of device 'B' are to be fitted; "
        f'declare {name} = {{ prior = "lognormal", median = …, factor = 3.0 }}'
        for name in ("noise_par", "noise_perp")
    ]


def test_a_torkance_has_no_b0() -> None:
    torkance = curve(quantity="torkance", unit="N m/V")
    assert messages([torkance], b0=Normal(0, 1)) == ["parameters.b0: a torkance does not contain b0; remove it"]


def test_a_study_raises_all_problems_at_once() -> None:
    assert len(problems_of(Study, "s", (curve(), curve()), declared(lambda_J=None, a1=LENGTH), kind=ConfigError)) == 3


def test_amplitudes_per_sin_theta_and_at_an_angle_do_not_mix_in_python_either() -> None:
    """One a1 cannot be per sin θ for one device and belong to an unknown angle for another."""
    mixed = (curve("A"), curve("B", angle=72.0, sin_theta="included"), curve("C"))
    assert problems_of(Study, "mixed", mixed, declared(), kind=ConfigError) == [
        f"device '{name}': sin_theta is not declared, but device 'B' has sin_theta = \"included\"; their "
        "amplitudes are different quantities; declare angle and sin_theta for all data, or for none"
        for name in "AC"
    ]
    with pytest.raises(ConfigError, match="device 'A': sin_theta is not declared"):
        study().replace(curves=(curve("A"), curve("B", sin_theta="divided")))


def study(**changes: Any) -> Study:
    curves = (
        curve("A", group="w1"),
        curve("B", group="w2", thickness=3.0, unit="aN m", origin=Origin("simulated", "x")),
        curve("C", group="w1", thickness=3.0000001, quantity="torkance", unit="1e-19 N m/V").mask([1, 0, 0], "noisy"),
    )
    return as_read(Study("series", curves, declared(**changes)), "text", {"a.csv": "00"})


def test_what_a_study_tells() -> None:
    s = study()
    assert (s.devices, s.groups, s.n_thicknesses, s.n_values) == (("A", "B", "C"), ("w1", "w2"), 2, 16)
    assert s.thicknesses.tolist() == [2.0, 3.0, 3.0000001]
    assert s.amplitudes == ("a1", "b2")
    assert s.label == "SIMULATED, not measured: x"
    assert [s.scale_of(each) for each in s.curves] == [1.0, 10.0, 1.0]
    units = {name: s.unit_of(name) for name in ("a1[A]", "b2", "lambda_J", "D_ratio", "noise_par", "thickness[A]")}
    assert list(units.values()) == ["1e-19 N m/V", "1e-19 N m/V^2", "nm", "", "1e-19 N m", "nm"]


def test_studies_are_immutable_and_travel() -> None:
    s = study()
    with pytest.raises(TypeError):
        s.parameters["a1"] = Parameter("a1", Fixed(0))  # type: ignore[index]
    again = pickle.loads(pickle.dumps(s))  # noqa: S301 - our own bytes
    assert (again.name, dict(again.parameters), again.text, dict(again.files)) == (
        "series", dict(s.parameters), "text", {"a.csv": "00"},
    )  # fmt: skip
    np.testing.assert_array_equal(again.curves[2].used, s.curves[2].used)
    assert s.replace(name="other").name == "other"
    with pytest.raises(ConfigError):
        s.replace(curves=())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", -1, "is -1; give a number from 0 to 9223372036854775807"),
        ("seed", 1.5, "is 1.5; give a whole number"),
        ("seed", True, "is True; give a whole number"),
        ("ensembles", 3, "is 3; give a number from 4 to 64; fewer cannot be compared with each other"),
        ("target_ess", 0, "is 0; give a number from 10 to 10000000"),
        ("walkers", 2, "is 2; give a number from 4 to 10000"),
        ("max_steps", 0, "is 0; give a number from 10 to 100000000"),
    ],
)
def test_sampling_has_sane_ranges(name: str, value: Any, message: str) -> None:
    assert problems_of(Sampling, kind=ConfigError, **{name: value}) == [f"sampling.{name}: {message}"]
    assert Sampling(walkers=0, seed=0).ensembles == 4


def test_amplitude_names() -> None:
    assert [name for name in ("a0", "a1", "a4", "a5", "b0", "b4", "b5", "c1", "a12") if is_amplitude(name)] == [
        "a1", "a4", "a5", "b0", "b4", "b5",
    ]  # fmt: skip
    assert (parse_amplitude("a3"), parse_amplitude("b0")) == ((1 + 0j, 3), (1j, 0))
    with pytest.raises(ValueError, match="'D_ratio' is not an amplitude"):
        parse_amplitude("D_ratio")


BASES = ("a1", "scatter_b2", "thickness", "lambda_sf_N")
AWKWARD = ("dev[1]", "[", "]", "][", "a1[x]", "", " ", "[[W7]]")


@given(st.sampled_from(BASES), st.one_of(st.none(), st.sampled_from(AWKWARD), st.text(max_size=12)))
def test_parts_come_back_from_the_text(base: str, owner: str | None) -> None:
    name = ParameterName(base, owner)
    for again in (name, ParameterName(str(name)), pickle.loads(pickle.dumps(name))):  # noqa: S301 - made here
        assert (again.base, again.owner) == (base, owner)
        assert again == name == str(name)
        assert type(again) is ParameterName
    assert name.is_thickness == (base == "thickness")
    assert (name.of("b1").base, name.of("b1").owner) == ("b1", owner)


def test_tables_and_json_hold_the_text() -> None:
    name = ParameterName("a1", "dev[1]")
    assert json.dumps({name: name}) == '{"a1[dev[1]]": "a1[dev[1]]"}'
    frame = pd.DataFrame({name: [1.0]})
    assert frame.to_csv(index=False) == "a1[dev[1]]\n1.0\n"
    assert frame["a1[dev[1]]"].tolist() == [1.0]


def bracketed(**priors: Any) -> Study:
    """Devices dev[0], dev[1], … of groups g[0] and g[1]."""
    study = simulated(**priors)
    curves = [replace(curve, device=f"dev[{j}]", group=f"g[{j % 2}]") for j, curve in enumerate(study.curves)]
    return study.replace(curves=tuple(curves))


@pytest.mark.parametrize(("scope", "text"), [("shared", "a1"), ("group", "a1[g[0]]"), ("device", "a1[dev[0]]")])
def test_the_scope_of_a_parameter_names_its_numbers(scope: str, text: str) -> None:
    study = bracketed(a1=(Normal(0.0, 1.0), scope))
    assert study.names_of("a1")[0] == text
    assert study.unit_of(text) == study.unit_of("a1")


def test_every_number_of_a_posterior_knows_whose_it_is() -> None:
    study = bracketed(a1=(Normal(0.0, 1.0), "device"), thickness=AboutNominal(0.1), b2=(Normal(0.0, 1.0), "group"))
    drawn = make_posterior(study).draw(np.zeros((2, 6)), np.random.default_rng(0))
    found = {(ParameterName(name).base, ParameterName(name).owner) for name in drawn}
    assert {("thickness", device) for device in study.devices} | {("a1", device) for device in study.devices} < found
    assert {("b2", group) for group in study.groups} | {("lambda_J", None)} < found
