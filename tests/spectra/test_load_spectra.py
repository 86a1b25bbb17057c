"""Files for ``mtjfit spectra``: mistakes at their keys, contradicting units, wide tables, names, both field signs."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from unplaced import unplaced

from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.spectra import load_spectra

TEXT = """\
[spectra]
name = "ST-FMR of A1"
against = "frequency"
[[files]]
file = "*.csv"
pattern = "{device}_{bias:mV}.csv"
fixed = 80.0
[files.columns]
x = "f"
voltage = "V_mix"
[files.units]
x = "GHz"
voltage = "uV"
fixed = "mT"
[line]
background = 1
[constants]
I_rf = { value = 10.0, sd = 0.5, unit = "uA" }
V_thetaI = { value = 300.0, relative = 0.02, unit = "ohm/rad" }
dV_dI = { table = [[-0.2, 900.0], [0.2, 1100.0]], relative = 0.01, unit = "ohm" }
Ms_Vol = { value = 1e-17, sd = 0, unit = "A m2" }
Meff = { value = 1.1, sd = 0.02, unit = "T" }
[[devices]]
name = "A1"
thickness = 2.0
"""
F = np.linspace(7.0, 10.0, 31)


def spectrum_csv(scale: float = 1.0, header: str = "f (GHz),V_mix (uV)") -> str:
    u = (F - 8.6) / 0.2
    voltage = scale * (2 + u) / (1 + u * u)
    return header + "\n" + "".join(f"{f:.4f},{v:.6f}\n" for f, v in zip(F, voltage, strict=True))


def write(folder: Path, text: str = TEXT, files: dict[str, str] | None = None) -> Path:
    files = {"A1_-100mV.csv": spectrum_csv(), "A1_50mV.csv": spectrum_csv(2.0)} if files is None else files
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    study = folder / "spectra.toml"
    study.write_text(text, encoding="utf-8")
    return study


def refused(folder: Path, text: str, kind: type[MtjfitError] = ConfigError, files: dict[str, str] | None = None) -> str:
    with pytest.raises(kind) as caught:
        load_spectra(write(folder, text, files))
    return unplaced(str(caught.value))


SIMULATED = "# origin: simulated; macrospin\n" + spectrum_csv()


def test_spectra_that_were_simulated_are_marked_and_nothing_contradicts_that(tmp_path: Path):
    assert load_spectra(write(tmp_path)).label == ""
    files = {"A1_-100mV.csv": SIMULATED}  # the other one says nothing
    study = load_spectra(write(tmp_path, files=files))
    assert (study.origin.kind, study.origin.note) == ("simulated", "macrospin")
    assert "SIMULATED" in study.label.upper()
    said = refused(tmp_path, TEXT.replace("against", 'origin = "measured"\nagainst', 1), files=files)
    assert "spectra.origin: is 'measured', but a file declares 'simulated'; remove it, or correct" in said
    same = TEXT.replace("against", 'origin = "simulated; by us"\nagainst', 1)
    assert load_spectra(write(tmp_path, same, files)).origin.note == "by us"


def test_a_good_file(tmp_path: Path):
    study = load_spectra(write(tmp_path))
    assert [(each.device, each.bias, each.fixed) for each in study.spectra] == [("A1", -0.1, 0.08), ("A1", 0.05, 0.08)]
    assert_allclose(study.spectra[0].x[[0, -1]], [7e9, 1e10])
    assert_allclose(study.spectra[1].voltage.max(), 2 * study.spectra[0].voltage.max(), rtol=1e-5)
    constants = study.devices["A1"].constants
    assert constants.I_rf.value == pytest.approx(1e-5)
    assert constants.I_rf.sd == pytest.approx(5e-7)
    assert constants.V_thetaI.relative == pytest.approx(0.02)
    assert_allclose(constants.dV_dI.at(np.array([0.0])), 1000)
    assert not constants.I_rf.own
    assert len(study.files) == 2


def test_voltages_beyond_every_measurement_are_refused(tmp_path: Path):
    odd = spectrum_csv().splitlines()
    odd[-1] = odd[-1].split(",")[0] + ",1e200"
    said = refused(tmp_path, TEXT, DataError, {"A1_-100mV.csv": "\n".join(odd) + "\n"})
    assert "A1_-100mV.csv: no measurement has such a size" in said


def test_a_constant_of_a_device_is_its_own(tmp_path: Path):
    text = TEXT + 'I_rf = { value = 12.0, sd = 0.6, unit = "uA" }\n'
    constants = load_spectra(write(tmp_path, text)).devices["A1"].constants
    assert (constants.I_rf.value, constants.I_rf.own, constants.V_thetaI.own) == (pytest.approx(1.2e-5), True, False)


MISTAKES = [
    ('name = "ST-FMR of A1"', "", "spectra.toml: spectra.name: is missing; add it"),
    ('against = "frequency"', 'against = "frequenzy"', "spectra.against: is 'frequenzy'; write against ="),
    ('[line]\nbackground = 1', "[lines]", "spectra.toml: lines: is no key; did you mean 'line'?"),
    ("background = 1", "bakground = 1", "line.bakground: is no key; did you mean 'background'?"),
    ("background = 1", "width = 9", "line.width: is a polynomial of degree 9; give 0 to 6"),
    ("background = 1", 'width = "fre"', "line.width: "),
    ("background = 1", "range = [9.0, 8.0]", "line.range: [9, 8] is empty; give [low, high] in GHz"),
    ("background = 1", 'derivative = { modulation = 1.0, unit = "mT", amplitude = "peak", output = "rms" }',
     "line.derivative.unit: unknown unit 'mT'"),
    ("background = 1", 'derivative = { modulation = 1.0, unit = "MHz", amplitude = "peak" }',
     "line.derivative.output: is missing; write output ="),
    ("background = 1", 'kittel = ["Bk"]', "line.kittel: is without Meff"),
    ('x = "GHz"', 'x = "mhz"', "files[0].units.x: unknown unit 'mhz'; use a unit such as 'GHz'"),
    ('voltage = "uV"\nfixed', "fixed", "files[0].units.voltage: is missing"),
    ('pattern = "{device}_{bias:mV}.csv"\n', "", "files[0].bias: is declared nowhere"),
    ('pattern = "{device}_{bias:mV}.csv"', 'pattern = "{device}_{bias:mV}.csv"\nbias = 0.1',
     "files[0].bias: is declared twice"),
    ('file = "*.csv"', 'file = "*.dat"', "files[0]: no file fits '*.dat'; correct folder or file"),
    ('file = "*.csv"', 'file = "../*.csv"', "files[0].folder: leaves the folder of the study"),
    ('sd = 0.5, unit = "uA"', 'unit = "uA"', "constants.I_rf: needs one of sd and relative"),
    ('sd = 0.5, unit = "uA"', 'sd = 0.5, unit = "uW"', "constants.I_rf.unit: unknown unit 'uW'"),
    ("value = 10.0", "value = 1e200", "constants.I_rf: no measurement has such a size; look"),
    ("value = 10.0", "value = -10.0", "constants.I_rf: is -10; give a positive number"),
    ("value = 300.0", "value = 0.0", "constants.V_thetaI: is 0; without a change of resistance"),
    ("[[-0.2, 900.0], [0.2, 1100.0]]", "[[0.2, 900.0], [-0.2, 1100.0]]", "constants.dV_dI.table: is not sorted"),
    ('Ms_Vol = { value = 1e-17, sd = 0, unit = "A m2" }\n', "",
     "constants.Ms_Vol: is missing; give the total moment of the free layer"),
    ('Meff = { value', 'Mef = { value', "constants.Mef: is no constant; did you mean 'Meff'?"),
    ('Meff = { value', 'Nx_Meff = { value = 1.2, sd = 0, unit = "T" }\nMeff = { value',
     "devices[0].Nx_Meff: is declared beside Meff"),
    ("Meff = { value = 1.1", "theta = { value = 1.2, sd = 0, unit = \"deg\" }\nMeff = { value = 1.1",
     "constants.theta: is 1.2°, which looks like radians"),
    ("thickness = 2.0", "thickness = -2.0", "devices[0].thickness: "),
    ('name = "A1"', 'name = "B7"', "devices: has no device 'A1', which files name"),
    ('name = "ST-FMR of A1"', 'name = "x"\ntorkance_unit = "mT/V"', "spectra.torkance_unit: 'mT/V' is an effective"),
    ('name = "ST-FMR of A1"', 'name = "x"\norigin = "guessed"', "spectra.origin: is 'guessed'"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says"), MISTAKES, ids=[new[:40] or old[:40] for old, new, _ in MISTAKES])
def test_mistakes_are_told_at_their_key(tmp_path: Path, old: str, new: str, says: str):
    assert old in TEXT
    assert says in refused(tmp_path, TEXT.replace(old, new, 1))


def test_meff_without_the_field_of_each_spectrum_is_refused(tmp_path: Path):
    text = TEXT.replace("fixed = 80.0\n", "").replace('fixed = "mT"\n', "")
    assert "spectra.toml: devices['A1']: has Meff, but 2 spectra at no known field" in refused(tmp_path, text)


def test_all_mistakes_at_once(tmp_path: Path):
    text = TEXT.replace('x = "GHz"', 'x = "mhz"').replace("value = 10.0", "value = -10.0")
    said = refused(tmp_path, text.replace("[line]", "[line]\nmodes = 0"))
    assert all(key in said for key in ("files[0].units.x", "constants.I_rf", "line.modes"))


def test_units_are_the_same_in_several_spellings(tmp_path: Path):
    assert load_spectra(write(tmp_path, TEXT, {"A1_0mV.csv": spectrum_csv(header="f,V_mix (µV)")}))


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"A1_xmV.csv": spectrum_csv()}, "A1_xmV.csv: "),
        ({"A1_0mV.csv": spectrum_csv().replace("7.3000", "seven")}, "'seven' is not a number"),
        ({"A1_0mV.csv": "f,V_mix\n7.0,1.0\n8.0,2.0\n9.0,1.0\n"}, "has 3 points for 6 parameters"),
        ({"A1_0mV.csv": "f,V_mix\n" + "8.0,1.0\n" * 20}, "fewer than three different abscissas"),
        ({"A1_0mV.csv": ""}, "A1_0mV.csv"),
        ({"A1_0mV.csv": SIMULATED, "A1_1mV.csv": "# origin: reconstruction\n" + spectrum_csv()},
         "A1_1mV.csv:1: a second, different origin"),
        ({"A1_0mV.csv": "# origin: guessed\n" + spectrum_csv()}, "A1_0mV.csv:1: origin 'guessed' is not known"),
        ({"A1_0mV.csv": spectrum_csv(header="f (MHz),V_mix (uV)")},
         "A1_0mV.csv:1: column 'f': is in 'MHz' in the file, but 'GHz' is declared"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used(tmp_path: Path, files: dict[str, str], says: str):
    assert says in refused(tmp_path, TEXT, DataError, files)


WIDE = """\
[spectra]
name = "wide"
against = "field"
[[files]]
file = "sweep.txt"
bias = 0.0
device = "B2"
[files.columns]
x = "H"
voltage = "V"
[files.units]
x = "Oe"
voltage = "V"
[files.wide]
columns = ["H", "V"]
name = "2f_{frequency:GHz}"
"""


def wide_text(low: float = 500.0) -> str:
    """Column pairs under one name each, a blank line, numbers like 62.5E+0."""
    H = np.linspace(low, 3000.0, 40)
    lines = ["2f_4.0_GHz\t2f_4.0_GHz\t2f_6.0_GHz\t2f_6.0_GHz", ""]
    for h in H:
        a, b = (-1e-5 / (1 + ((abs(h) - centre) / 150) ** 2) for centre in (1400, 2100))
        lines.append(f"{h:.6E}\t{a:.6E}\t{h + 1:.6E}\t{b:.6E}")
    return "\n".join(lines) + "\n"


def test_wide_tables_give_a_spectrum_for_each_frequency(tmp_path: Path):
    study = load_spectra(write(tmp_path, WIDE, {"sweep.txt": wide_text()}))
    assert [each.fixed for each in study.spectra] == [4e9, 6e9]
    assert_allclose(study.spectra[0].x[0], 0.05)
    assert study.devices["B2"].constants is None


def test_sweeps_through_zero_are_split_by_sign(tmp_path: Path):
    study = load_spectra(write(tmp_path, WIDE, {"sweep.txt": wide_text(-3000.0)}))
    assert [(each.fixed, each.sign) for each in study.spectra] == [(4e9, 1), (4e9, -1), (6e9, 1), (6e9, -1)]
    assert all(np.all(each.x >= 0) and np.all(np.diff(each.x) > 0) for each in study.spectra)
    assert study.spectra[1].name == "B2, 0 mV, 4 GHz, negative field"


def test_columns_tell_spectra_of_one_file_apart(tmp_path: Path):
    text = TEXT.replace('pattern = "{device}_{bias:mV}.csv"\n', "").replace(
        'voltage = "V_mix"', 'voltage = "V_mix"\nbias = "V"\ndevice = "dev"'
    )
    rows = "".join(f"A1,{V},{f:.3f},{V * f:.4f}\n" for V in (-0.1, 0.1) for f in F)
    study = load_spectra(write(tmp_path, text, {"all.csv": "dev,V,f,V_mix\n" + rows}))
    assert [each.bias for each in study.spectra] == [-0.1, 0.1]
    assert study.spectra[0].x.size == F.size


def test_lock_in_amplitudes_become_peaks(tmp_path: Path):
    derivative = 'derivative = { modulation = 20.0, unit = "MHz", amplitude = "rms", output = "rms" }'
    study = load_spectra(write(tmp_path, TEXT.replace("background = 1", derivative)))
    plain = load_spectra(write(tmp_path))
    assert study.options.model.modulation == pytest.approx(20e6 * math.sqrt(2))
    assert_allclose(study.spectra[0].voltage, math.sqrt(2) * plain.spectra[0].voltage)


def test_ranges_are_in_the_unit_of_the_abscissa(tmp_path: Path):
    study = load_spectra(write(tmp_path, TEXT.replace("background = 1", "range = [8.0, 9.5]")))
    assert (study.spectra[0].x[0], study.spectra[0].x[-1]) == (8e9, 9.5e9)
    said = refused(tmp_path, TEXT.replace("background = 1", "range = [8.0e9, 9.5e9]"), DataError)
    assert "has no points in line.range" in said


@given(
    st.text(max_size=200)
    | st.tuples(st.sampled_from(TEXT.splitlines()), st.text(alphabet="[]{}=\"'#0123456789.-eabc \n", max_size=25))
)
@settings(max_examples=80, deadline=None)
def test_any_text_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, garbled: str | tuple[str, str]):
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    text = garbled if isinstance(garbled, str) else TEXT.replace(*garbled, 1)
    with contextlib.suppress(MtjfitError):
        load_spectra(write(folder, text))
        assert not isinstance(garbled, str)
