"""The whole chain against another program: spectra of macrospins under known torques, integrated by cmtj."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mtjfit
from mtjfit.data import dataset
from mtjfit.physics import kappa
from mtjfit.spectra import Constant, Constants, LineModel, analyse, fit_lines, load_spectra, spectra_files, torkances

BUNDLED = dataset("macrospin", dataset("thickness-series").path.parent / "spectra")


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """The script that simulates, with cmtj."""
    pytest.importorskip("cmtj", reason="needs cmtj")
    spec = importlib.util.spec_from_file_location("make_macrospin", BUNDLED.path / "make.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_macrospin"] = module
    spec.loader.exec_module(module)
    return module


def from_spectra(
    make: ModuleType, junction: object, torque: Callable[[float], complex], V: float, n: int
) -> np.ndarray:
    """Torkances at a bias from a simulated spectrum of n points about the resonance."""
    constants = Constants(
        Constant(junction.I_rf), Constant(junction.dR_dtheta), Constant(junction.R), Constant(junction.moment),
        Meff=Constant(1.1), gamma=Constant(make.GAMMA),
    )  # fmt: skip
    f = make.GAMMA / (2 * np.pi) * np.sqrt(junction.B * (junction.B + 1.1)) + np.linspace(-1.2e9, 1.2e9, n)
    voltage = np.array([make.rectified(junction, torque, V, x) for x in f])
    fits = fit_lines(f, voltage[None], LineModel(form="oscillator"))
    lines = np.array([each[:, 0] for each in (fits.centre, fits.half_width, fits.s, fits.a)])
    return torkances(lines, np.array([V]), np.array([junction.B]), "frequency", constants)[:, 0]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Torkances and study of the bundled spectra."""
    folder = tmp_path_factory.mktemp("macrospin")
    result = analyse(load_spectra(BUNDLED.path / "spectra.toml"))
    assert not result.flagged
    for name, data in spectra_files(result).items():
        (folder / name).write_bytes(data)
    return folder / "study.toml"


def test_bundled_spectra_are_those_that_were_released():
    BUNDLED.verify()
    study = load_spectra(BUNDLED.path / "spectra.toml")
    assert study.label.startswith("SIMULATED, not measured")
    assert len(study.spectra) == 55


def test_bundled_spectra_give_the_torkances_and_a_fit_the_lengths(written: Path):
    """Best fit within 3 standard errors of every determined truth; χ² of 110 points not below p = 0.001."""
    study = mtjfit.load_study(written)
    truth = BUNDLED.meta["truth"]
    for curve in study.curves:
        near = np.abs(curve.bias) < 0.05
        expected = kappa(curve.thickness, 1.0, 1.0, 10.0, 1.0, 1.0) * (truth["a1"] + 2j * truth["b2"] * curve.bias)
        # The current of each device is off by 1 %, its square by 2 %.
        off = np.abs(curve.par + 1j * curve.perp - expected)[near] / np.abs(expected)[near]
        assert np.all(off < 0.05)
    fit = mtjfit.fit(study)
    assert fit.p_value > 1e-3
    for name in ("lambda_J", "lambda_phi", "a1", "b2"):
        assert abs(fit.values[name] - truth[name]) < 3 * fit.errors[name], name


@pytest.mark.slow
def test_lengths_lie_in_their_intervals(written: Path):
    """90 % intervals of the posterior; four determined ones and the limit of lambda_sf_F."""
    posterior = mtjfit.sample(mtjfit.load_study(written))
    assert posterior.verdict.converged
    summary = posterior.summary()
    for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "a1", "b2"):
        low, high = summary.loc[name, ["q05", "q95"]]
        assert low < BUNDLED.meta["truth"][name] < high, name


@pytest.mark.slow
def test_cmtj_turns_the_moment_as_declared(make: ModuleType):
    """In-plane torque towards P, out-of-plane torque along M × P, and M beside its own time."""
    junction = make.Junction(theta=float(np.radians(70)))
    M, P = np.array([1.0, 0, 0]), np.array([np.cos(junction.theta), -np.sin(junction.theta), 0])
    rate = make.GAMMA * 1e-20 / junction.moment
    assert_allclose(make.torque_rates(junction, 1e-20) / rate, np.cross(M, np.cross(P, M)), atol=0.02)
    assert_allclose(make.torque_rates(junction, 1e-20j) / rate, np.cross(M, P), atol=0.02)
    assert abs(make.lag(junction)) < 0.05  # a whole step if the time were that of its beginning


@pytest.mark.slow
@pytest.mark.parametrize(("theta", "B"), [(90.0, 0.4), (70.0, 0.08), (110.0, 0.15)])
@pytest.mark.parametrize("a1", [4e-20, -4e-20])
def test_torkances_within_five_per_cent_near_zero_bias(make: ModuleType, theta: float, B: float, a1: float):
    """Without noise: 0.2 % at zero bias; what remains at ±50 mV are rectified shifts of M that grow with the bias."""
    b2, b1 = 2.5e-20, -1e-20
    junction = make.Junction(theta=float(np.radians(theta)), B=B)
    for V, tolerance in ((0.0, 0.005), (-0.05, 0.05), (0.05, 0.05)):
        found = from_spectra(make, junction, lambda v: a1 * v + 1j * (b1 * v + b2 * v * v), V, 41)
        expected = np.array([a1, b1 + 2 * b2 * V]) * np.sin(junction.theta)
        assert_allclose(found, expected, atol=tolerance * abs(a1))


@pytest.mark.slow
def test_sabotage_another_torque_is_seen(make: ModuleType):
    """The same chain, told that the torque was another one, by 10 % or along another axis."""
    junction = make.Junction(B=0.4)
    found = [
        from_spectra(make, junction, lambda v, t=torque: t * v, 0.0, 31)
        for torque in (4.4e-20 + 1e-20j, 4e-20 - 1e-20j)
    ]
    assert not np.allclose(found[0], [4e-20, 1e-20], rtol=0.05, atol=0)
    assert_allclose(found[1], [4e-20, -1e-20], rtol=0.01)


@pytest.mark.slow
def test_the_script_makes_the_bundled_spectra_again(make: ModuleType, monkeypatch: pytest.MonkeyPatch):
    """One device of five; the last printed digit may round otherwise on another machine."""
    monkeypatch.setattr(make, "THICKNESS", make.THICKNESS[:1])
    stored = (BUNDLED.path / "data.csv").read_text(encoding="utf-8").splitlines()
    stored = [line for line in stored if line.startswith("F0.8nm")]
    made = make.rows()
    assert len(made) == len(stored) == 11 * 61
    for a, b in zip(made, stored, strict=True):
        assert a.rpartition(",")[0] == b.rpartition(",")[0]
        assert abs(float(a.rpartition(",")[2]) - float(b.rpartition(",")[2])) < 2.5e-5
