"""The bundled sets that begin with spectra: small, intact, simulated, and what their scripts make."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_allclose

import mtjfit
from mtjfit.errors import DataError
from mtjfit.spectra import load_spectra

SETS = ("twelve-devices", "unlike-electrodes")
LARGEST = 300_000  # bytes of a set


def script_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"make_{name}", mtjfit.dataset(name).path / "make.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=SETS)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    known = set(sys.modules)
    yield request.param
    for each in set(sys.modules) - known:
        if each.startswith("make_"):
            del sys.modules[each]


def numbers(lines: list[str]) -> np.ndarray:
    """Everything but the first column."""
    return np.array([[float(x) for x in line.split(",")[1:]] for line in lines])


def stored(path: Path, device: str = "") -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line[:1] != "#" and line.startswith(device)]


def test_a_set_is_small_intact_and_says_that_it_was_not_measured(name: str) -> None:
    bundled = mtjfit.dataset(name)
    bundled.verify()
    assert sum(file.stat().st_size for file in bundled.path.iterdir() if file.is_file()) < LARGEST
    spectra, study = load_spectra(bundled.path / "spectra.toml"), mtjfit.load_study(bundled.study_file)
    assert spectra.label.startswith("SIMULATED, not measured")
    assert study.label.startswith("SIMULATED, not measured")
    assert {each.device for each in spectra.spectra} == set(study.devices)
    assert all(
        each.read_text(encoding="utf-8").startswith("# origin: simulated") for each in bundled.path.glob("*a.csv")
    )


def test_sabotage_changed_spectra_are_noticed(tmp_path: Path) -> None:
    bundled = mtjfit.dataset(SETS[0])
    for file in bundled.files:
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"A1,-0.2,20.3", b"A1,-0.2,20.4", 1))
    with pytest.raises(DataError, match=r"spectra\.csv: has sha256"):
        replace(bundled, path=tmp_path).verify()
    (tmp_path / "spectra.csv").unlink()
    with pytest.raises(DataError, match=r"spectra\.csv: is missing"):
        replace(bundled, path=tmp_path).verify()


def made_again(name: str, devices: tuple[str, ...]) -> bool:
    """Whether mtjfit makes the stored torkances and covariances of some devices of their spectra."""
    make = script_of(name)
    reduce = getattr(make, "twelve", make)
    result = reduce.reduced(make.HERE, devices)
    lines = [line for device in devices for line in stored(make.HERE / "data.csv", device)]
    found = np.allclose(numbers(reduce.rows(result)), numbers(lines), rtol=0, atol=1.5e-6)
    for file, matrix in reduce.covariances(result).items():
        was, now = (np.loadtxt(text, delimiter=",") for text in (make.HERE / file, matrix))
        sd = np.sqrt(np.diag(was))
        found = found and np.allclose(now / np.outer(sd, sd), was / np.outer(sd, sd), rtol=0, atol=2e-3)
    return bool(found)


def test_torkances_of_two_devices_are_what_their_spectra_give(name: str) -> None:
    """Of one alone the covariance would hold what all devices have in common, too."""
    assert made_again(name, mtjfit.load_study(mtjfit.dataset(name).study_file).devices[:2])


def test_sabotage_other_constants_give_other_torkances(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = script_of(name)
    reduce = getattr(make, "twelve", make)
    (device, *_) = make.DEVICES
    result = reduce.reduced(make.HERE, (device,))
    curve = replace(result.curves[device], par=1.001 * result.curves[device].par)
    changed = numbers(reduce.rows(replace(result, curves={device: curve})))
    assert not np.allclose(changed, numbers(stored(make.HERE / "data.csv", device)), rtol=0, atol=1.5e-6)


@pytest.mark.slow
def test_all_torkances_are_what_the_spectra_give(name: str) -> None:
    assert made_again(name, mtjfit.load_study(mtjfit.dataset(name).study_file).devices)


@pytest.mark.slow
def test_the_script_makes_the_spectra_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first device at two biases; the last printed digit may round otherwise on another machine."""
    pytest.importorskip("cmtj", reason="needs cmtj")
    make = script_of(name)
    (device, nominal), *_ = make.DEVICES.items()
    monkeypatch.setattr(make, "DEVICES", {device: nominal})
    monkeypatch.setattr(make, "BIAS", make.BIAS[:2])
    lines = make.spectra_rows()
    assert_allclose(
        numbers(lines), numbers(stored(make.HERE / "spectra.csv", device)[: len(lines)]), rtol=0, atol=2.5e-5
    )
