"""A study is checked as a whole when it is made: every contradiction, all at once, at its key path."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from mtjfit.data import Origin, TorqueCurve
from mtjfit.errors import ConfigError
from mtjfit.study import (
    AboutNominal,
    Fixed,
    LogNormal,
    LogUniform,
    Normal,
    Parameter,
    Sampling,
    Study,
    Uniform,
    is_amplitude,
    parse_amplitude,
    study_problems,
)

LENGTH = LogUniform(0.1, 100.0)
SIGMA = {"sigma_par": [0.1] * 3, "sigma_perp": [0.1] * 3}


def curve(device: str = "A", **changes: Any) -> TorqueCurve:
    values: dict[str, Any] = {
        "bias": [-0.2, 0.0, 0.2], "par": [-2.0, 0.0, 2.0], "perp": [0.2, 0.0, 0.2], "thickness": 2.0,
        "quantity": "torque", "per": "device", "unit": "1e-19 N m", **SIGMA,
    }  # fmt: skip
    return TorqueCurve(device, **{**values, **changes})


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


def test_sound_studies_have_no_problems() -> None:
    assert messages() == []
    assert messages(lambda_sf_N=None, D_ratio=None, Lambda=LogUniform(0.1, 200.0)) == []
    assert messages(lambda_sf_N=None, D_ratio=None, Lambda=Fixed(0.0)) == []
    assert messages(lambda_sf_F=Fixed(math.inf), lambda_phi=Fixed(math.inf)) == []
    assert messages(lambda_J=Normal(1.0, 1.0, low=0.0), lambda_phi=Uniform(0.0, 5.0), D_ratio=LogNormal(1.0, 2.0)) == []
    assert (
        messages(thickness=Parameter("thickness", Fixed(0.0), "device"), a1=Parameter("a1", Normal(0, 1), "device"))
        == []
    )
    assert (
        messages([curve("A", group="w"), curve("B", group="w")], lambda_J=Parameter("lambda_J", LENGTH, "group")) == []
    )
    fitted = curve("B", sigma_par=None, sigma_perp=None)
    assert messages([curve(), fitted], noise_par=LogNormal(0.1, 3), noise_perp=Fixed(0.1)) == []
    assert messages([curve(), curve("B", quantity="torkance", unit="N m/V")], b0=Normal(0, 1)) == []


LENGTH_TODO = 'declare it, for example {} = {{ prior = "loguniform", low = 0.1, high = 100.0 }}'


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lambda_J": None}, "parameters.lambda_J: is missing; " + LENGTH_TODO.format("lambda_J")),
        ({"lambda_phi": None}, "parameters.lambda_phi: is missing; " + LENGTH_TODO.format("lambda_phi")),
        ({"lambda_sf_F": None}, "parameters.lambda_sf_F: is missing; " + LENGTH_TODO.format("lambda_sf_F")),
        ({"lambda_sf_N": None}, "parameters.lambda_sf_N: is missing beside D_ratio; "
         'declare lambda_sf_N = { prior = "loguniform", low = 0.1, high = 100.0 }'),
        ({"D_ratio": None}, "parameters.D_ratio: is missing beside lambda_sf_N; declare D_ratio = { fixed = 1.0 }"),
        ({"Lambda": LENGTH}, "parameters.Lambda: is declared beside lambda_sf_N and D_ratio; "
         "Lambda = D_ratio·lambda_sf_N: declare either Lambda, or the two"),
        ({"Lambda": LENGTH, "D_ratio": None}, "parameters.Lambda: is declared beside lambda_sf_N; "
         "Lambda = D_ratio·lambda_sf_N: declare either Lambda, or the two"),
        ({"lambda_sf_N": None, "D_ratio": None}, "parameters.Lambda: is missing, and so are lambda_sf_N and D_ratio; "
         'declare either Lambda = { prior = "loguniform", low = 0.1, high = 100.0 }, or the two'),
        ({"thickness": None}, "parameters.thickness: is missing; "
         'declare it: { fixed = true } or { prior = "normal", sd = 0.1 }'),
        ({"a1": None, "b2": None}, "parameters: there is no amplitude; "
         'declare at least a1 = { prior = "normal", mean = 0.0, sd = … }'),
        ({"lambda_j": LENGTH}, "parameters.lambda_j: is no parameter; did you mean 'lambda_J'?"),
        ({"a0": Normal(0, 1)}, "parameters.a0: is no parameter; use one of 'lambda_J', 'lambda_phi', 'lambda_sf_F', "
         "'lambda_sf_N', 'D_ratio', 'Lambda', 'dead_layer', 'thickness', 'a1', 'a2', 'a3', 'a4', 'b0', 'b1', 'b2', "
         "'b3', 'b4', 'scatter_a1', 'scatter_a2', 'scatter_a3', 'scatter_a4', 'scatter_b0', 'scatter_b1', "
         "'scatter_b2', 'scatter_b3', 'scatter_b4', 'noise_par', 'noise_perp', 'jitter_par', 'jitter_perp', "
         "'noise_dof'"),
        ({"scatter_b1": Fixed(0.02)}, "parameters.scatter_b1: is declared without b1; declare b1, or remove it"),
        ({"scatter_a1": Fixed(0.02), "a1": Parameter("a1", Normal(0, 1), "device")}, "parameters.scatter_a1: "
         "is declared, but every device has its own a1; remove it, or share a1 between devices"),
        ({"scatter_a1": Parameter("scatter_a1", Fixed(0.02), "device")}, "parameters.scatter_a1: "
         "has the scope 'device'; share it, or let every group have its own"),
        ({"scatter_a1": Fixed(0.02), "noise_dof": Fixed(4.0)}, "parameters.scatter_a1: is declared beside noise_dof; "
         "keep one: scatter of devices, or Student-t errors"),
        ({"scatter_a1": Fixed(0.0)}, "parameters.scatter_a1: is fixed at 0; give a positive value"),
        ({"scatter_a1": Uniform(-1, 1)}, "parameters.scatter_a1: its prior (uniform -1 to 1) allows negative values; "
         "set low = 0.0 or larger"),
        ({"a2": Parameter("a1", Normal(0, 1))}, "parameters.a2: holds the parameter 'a1'; "
         "use the name of the parameter as the key"),
        ({"thickness": Parameter("thickness", AboutNominal(0.1))}, "parameters.thickness: has the scope 'shared'; "
         'every device has its own: set scope = "device"'),
        ({"thickness": Parameter("thickness", Normal(2.0, 0.1), "device")}, "parameters.thickness: "
         "has the prior normal 2 ± 0.1; use a normal about each device's nominal value (sd), or fix it"),
        ({"thickness": Parameter("thickness", Fixed(2.0), "device")}, "parameters.thickness: is fixed at 2; "
         "thicknesses come with the data; fix them as Fixed(0.0) in Python, fixed = true in a file, "
         "which takes the nominal values as exact"),
        ({"lambda_J": AboutNominal(0.1)}, "parameters.lambda_J: has a prior about a nominal value, "
         "which only the thickness has; use another prior"),
        ({"a1": AboutNominal(0.1)}, "parameters.a1: has a prior about a nominal value, "
         "which only the thickness has; use another prior"),
        ({"a1": Parameter("a1", Normal(0, 1, low=0), "device"), "b2": Parameter("b2", Normal(0, 1, high=0), "device")},
         "parameters.b2: has low or high, and so has a1, both of every device; "
         "remove the bounds of all but one of them"),
        ({"dead_layer": Uniform(0.0, 3.0)}, "parameters.dead_layer: may be 3 nm, but device 'A' is no thicker than "
         "2 nm; use a prior with an upper bound below that"),
        ({"dead_layer": LogNormal(0.2, 1.5)}, "parameters.dead_layer: may be inf nm, but device 'A' is no thicker than "
         "2 nm; use a prior with an upper bound below that"),
        ({"dead_layer": Fixed(2.0)}, "parameters.dead_layer: may be 2 nm, but device 'A' is no thicker than "
         "2 nm; use a prior with an upper bound below that"),
        ({"a1": LENGTH}, "parameters.a1: has the prior log-uniform 0.1 to 100; "
         "amplitudes take a normal prior, or are fixed"),
        ({"a1": Fixed(math.inf)}, "parameters.a1: is fixed at inf; give a finite number"),
        ({"a1": Fixed(0), "b2": Fixed(0)}, "parameters.a1: every amplitude is fixed at 0: the torque vanishes for any "
         "data; give at least one a prior"),
        ({"lambda_J": Fixed(0)}, "parameters.lambda_J: is fixed at 0; give a positive value"),
        ({"lambda_sf_F": Fixed(-1)}, "parameters.lambda_sf_F: is fixed at -1; give a positive value"),
        ({"lambda_phi": Fixed(math.nan)}, "parameters.lambda_phi: is fixed at nan; give a positive value"),
        ({"lambda_sf_N": Fixed(-1)}, "parameters.lambda_sf_N: is fixed at -1; give a zero or positive value"),
        ({"D_ratio": Fixed(math.inf)}, "parameters.D_ratio: is fixed at inf; "
         "give a finite value; only lengths may be infinite"),
        ({"lambda_sf_N": Fixed(math.inf), "D_ratio": Fixed(0)}, "parameters.lambda_sf_N: is inf while D_ratio is 0: "
         "their product is undefined; declare Lambda instead"),
        ({"lambda_J": Fixed(math.inf), "lambda_phi": Fixed(math.inf)}, "parameters.lambda_phi: and lambda_J are both "
         "fixed at inf: the torque vanishes for any data; let one of them be finite"),
        ({"lambda_J": Normal(1, 1)}, "parameters.lambda_J: its prior (normal 1 ± 1) allows negative values; "
         "set low = 0.0 or larger"),
        ({"D_ratio": Uniform(-1, 1)}, "parameters.D_ratio: its prior (uniform -1 to 1) allows negative values; "
         "set low = 0.0 or larger"),
        ({"lambda_J": Parameter("lambda_J", LENGTH, "wafer")}, "parameters.lambda_J: has the scope 'wafer'; "
         "use one of 'shared', 'group', 'device'"),
        ({"a1": Parameter("a1", Normal(0, 1), "group")}, "parameters.a1: has scope = \"group\", but device 'A' has no "
         "group; name the group of every device in the data"),
        ({"noise_par": LENGTH}, "parameters.noise_par: is declared, but every curve has errors; "
         'remove it, or set sigma = "fit" for the data'),
        ({"noise_perp": Normal(0, 1)}, "parameters.noise_perp: its prior (normal 0 ± 1) allows negative values; "
         "set low = 0.0 or larger"),
        ({"noise_par": Fixed(0)}, "parameters.noise_par: is fixed at 0; give a positive value"),
    ],
)  # fmt: skip
def test_parameter_problems(changes: dict[str, Any], message: str) -> None:
    assert message in messages(**changes)
    # One fault, one message: only the presence of noise scales has two sides.
    assert len(messages(**changes)) == (2 if "parameters.noise" in message and "declared" not in message else 1)


FITTED = {"sigma_par": None, "sigma_perp": None}


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([curve(), curve(source="b.csv")], "device 'A': there are 2 curves of this name (memory, b.csv); "
         "give every device its own name"),
        ([curve(), curve("B", per="area", unit="J/m2")], "device 'B': per = \"area\", but device 'A' has "
         'per = "device"; their amplitudes are different quantities; make two studies and compare them'),
        ([curve(), curve("B", unit="arb")], "device 'B': cannot convert 'arb' (in an arbitrary unit) to '1e-19 N m' "
         "(of a whole device), the unit of device 'A'; give all curves of a study in units of one kind, "
         "or make two studies"),
        ([curve(per="volume", unit="mT"), curve("B", per="volume", unit="J/m3")], "device 'B': cannot convert 'J/m3' "
         "(per volume) to 'mT' (an effective field, which is divided by M_s d), the unit of device 'A'; "
         "give all curves of a study in units of one kind, or make two studies"),
    ],
)  # fmt: skip
def test_curve_problems(curves: list[TorqueCurve], message: str) -> None:
    assert messages(curves) == [message]


def test_noise_is_needed_exactly_where_errors_are_fitted() -> None:
    assert messages([curve(), curve("B", **FITTED)]) == [
        f"parameters.{name}: is missing: the errors of device 'B' are to be fitted; "
        f'declare {name} = {{ prior = "lognormal", median = …, factor = 3.0 }}'
        for name in ("noise_par", "noise_perp")
    ]


def test_a_torkance_has_no_b0() -> None:
    torkance = curve(quantity="torkance", unit="N m/V")
    assert messages([torkance], b0=Normal(0, 1)) == ["parameters.b0: a torkance does not contain b0; remove it"]
    assert messages([torkance, curve("B")], b0=Normal(0, 1)) == []


def test_a_study_raises_all_problems_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Study("s", (curve(), curve()), declared(lambda_J=None, a1=LENGTH))
    assert len(caught.value.problems) == 3


def test_amplitudes_per_sin_theta_and_at_an_angle_do_not_mix_in_python_either() -> None:
    """One a1 cannot be per sin θ for one device and belong to an unknown angle for another."""
    tilted, divided = {"angle": 72.0, "sin_theta": "included"}, {"sin_theta": "divided"}
    with pytest.raises(ConfigError) as caught:
        Study("mixed", (curve("A"), curve("B", **tilted), curve("C")), declared())
    assert [str(problem) for problem in caught.value.problems] == [
        f"device '{name}': sin_theta is not declared, but device 'B' has sin_theta = \"included\"; their "
        "amplitudes are different quantities; declare angle and sin_theta for all data, or for none"
        for name in "AC"
    ]
    assert messages([curve("A", **divided), curve("B", **tilted)]) == []
    with pytest.raises(ConfigError, match="device 'A': sin_theta is not declared"):
        study().replace(curves=(curve("A"), curve("B", **divided)))


def study(**changes: Any) -> Study:
    curves = (
        curve("A", group="w1"),
        curve("B", group="w2", thickness=3.0, unit="aN m", origin=Origin("simulated", "x")),
        curve("C", group="w1", thickness=3.0000001, quantity="torkance", unit="1e-19 N m/V").mask([1, 0, 0], "noisy"),
    )
    return Study("series", curves, declared(**changes), text="text", files={"a.csv": "00"})


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
        ("seed", -1, "sampling.seed: is -1; give a number from 0 to 9223372036854775807"),
        ("seed", 1.5, "sampling.seed: is 1.5; give a whole number"),
        ("seed", True, "sampling.seed: is True; give a whole number"),
        (
            "ensembles",
            3,
            "sampling.ensembles: is 3; give a number from 4 to 64; fewer cannot be compared with each other",
        ),
        ("target_ess", 0, "sampling.target_ess: is 0; give a number from 10 to 10000000"),
        ("walkers", 2, "sampling.walkers: is 2; give a number from 4 to 10000"),
        ("max_steps", 0, "sampling.max_steps: is 0; give a number from 10 to 100000000"),
    ],
)
def test_sampling_has_sane_ranges(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Sampling(**{name: value})
    assert str(caught.value) == message
    assert Sampling(walkers=0, seed=0).ensembles == 4


def test_amplitude_names() -> None:
    assert [name for name in ("a0", "a1", "a4", "a5", "b0", "b4", "b5", "c1", "a12") if is_amplitude(name)] == [
        "a1", "a4", "b0", "b4",
    ]  # fmt: skip
    assert (parse_amplitude("a3"), parse_amplitude("b0")) == ((1 + 0j, 3), (1j, 0))
    with pytest.raises(ValueError, match="'D_ratio' is not an amplitude"):
        parse_amplitude("D_ratio")


def test_importing_studies_stays_light() -> None:
    code = (
        "import sys, mtjfit.study.study, mtjfit.study.load, mtjfit.data; "
        "print([m for m in ('lmfit', 'emcee', 'matplotlib', 'pandas', 'corner') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
