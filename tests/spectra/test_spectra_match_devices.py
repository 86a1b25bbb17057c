"""Studies of spectra made in Python: devices, spectra and constants that do not match are refused, all at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import mtjfit.spectra.study
from mtjfit.data import Origin
from mtjfit.errors import ConfigError
from mtjfit.spectra import (
    Constant,
    Constants,
    LineOptions,
    SpectraDevice,
    SpectraStudy,
    Spectrum,
    analyse,
)

T = np.linspace(-1.0, 1.0, 80)
CONSTANTS = Constants(*(Constant(value) for value in (1e-5, 300.0, 500.0, 1e-17)), Nx_Meff=Constant(1.2))
STUDY = SpectraStudy(
    "made", "frequency", "N m/V", Origin("simulated", "a line"),
    tuple(Spectrum("A1", V, "frequency", 1e9 * (5 + T), -4e-6 / (1 + 25 * T**2) + 1e-8 * np.sin(40 * T), 0.08)
          for V in (0.0, 0.01)),
    LineOptions(), {"A1": SpectraDevice("A1", 2.0, None, CONSTANTS)},
)  # fmt: skip


def with_device(name: str, **changes: object) -> dict[str, SpectraDevice]:
    return {**STUDY.devices, name: SpectraDevice(name, **changes)}  # type: ignore[arg-type]


def calibrated(constants: Constants) -> dict[str, SpectraDevice]:
    return {"A1": SpectraDevice("A1", 2.0, None, constants)}


def unknown_field() -> tuple[Spectrum, ...]:
    return tuple(replace(each, fixed=math.nan) for each in STUDY.spectra)


NO_NX = replace(CONSTANTS, Nx_Meff=None)
ONLY_MEFF = replace(NO_NX, Meff=Constant(1.1))
MISTAKES: list[tuple[str, Callable[[], SpectraStudy]]] = [
    ("devices['B2']: has no spectra; leave it out, or correct the device of its spectra",
     lambda: replace(STUDY, devices=with_device("B2", constants=CONSTANTS))),
    ("devices['B2']: has no spectra", lambda: replace(STUDY, devices=with_device("B2"))),
    ("devices: hold no 'A1', which spectra name", lambda: replace(STUDY, devices={})),
    ("devices['A1']: is named 'B2'", lambda: replace(STUDY, devices={"A1": SpectraDevice("B2")})),
    ("spectra: are none", lambda: replace(STUDY, spectra=(), devices={})),
    ("spectra: 2 of 2 are not against the field; the first is A1, 0 mV, 80 mT",
     lambda: replace(STUDY, against="field", devices=calibrated(ONLY_MEFF))),
    ("unit: 'N m' is a torque", lambda: replace(STUDY, unit="N m")),
    ("devices['A1']: has neither Nx_Meff nor Meff", lambda: replace(STUDY, devices=calibrated(NO_NX))),
    ("devices['A1']: has Meff, but 2 spectra at no known field; give each its field as fixed",
     lambda: replace(STUDY, spectra=unknown_field(), devices=calibrated(ONLY_MEFF))),
    ("devices['A1']: has no Meff; sweeps of the field need",
     lambda: replace(STUDY, against="field", spectra=tuple(replace(one, against="field") for one in STUDY.spectra))),
    ("devices['A1']: has 2 spectra at no known frequency",
     lambda: replace(STUDY, against="field", devices=calibrated(ONLY_MEFF),
                     spectra=tuple(replace(each, against="field") for each in unknown_field()))),
]  # fmt: skip


@pytest.mark.parametrize(("says", "made"), MISTAKES, ids=[says[:50] for says, _ in MISTAKES])
def test_what_does_not_match_is_named_with_its_remedy(says: str, made: Callable[[], SpectraStudy]):
    with pytest.raises(ConfigError) as caught:
        made()
    (problem,) = [str(each) for each in caught.value.problems]
    assert says in problem


def test_all_mistakes_of_a_study_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        replace(STUDY, unit="furlong", devices={"B2": SpectraDevice("B3", 2.0, None, NO_NX)})
    said = str(caught.value)
    for part in ("unit 'furlong'", "hold no 'A1'", "is named 'B3'", "['B2']: has no spectra", "neither Nx_Meff"):
        assert part in said


def test_without_constants_a_field_may_be_unknown():
    study = replace(STUDY, spectra=unknown_field(), devices={"A1": SpectraDevice("A1")})
    assert not analyse(study).curves
    assert set(analyse(STUDY).curves) == {"A1"}


@pytest.mark.parametrize("place", [0, 7, 8])
def test_sabotage_without_the_check_the_analysis_ends_in_a_bare_error(monkeypatch: pytest.MonkeyPatch, place: int):
    monkeypatch.setattr(mtjfit.spectra.study, "spectra_problems", lambda study: ())
    study = MISTAKES[place][1]()
    with pytest.raises(ValueError, match=r"zero-size array|needs Nx_Meff"):
        analyse(study)
