"""Lines ``key: value`` above a plain table are header parameters, which init proposes and spectra honour."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sweeping import noisy

from mtjfit.cli import cli
from mtjfit.data.readers.preamble import parameters_in
from mtjfit.errors import DataError, Problem
from mtjfit.spectra import SpectraStudy, load_spectra
from mtjfit.spectra.alike import grouped_problems

F = np.linspace(3.0, 9.0, 61)
BIASES = (-150, -50, 50, 150, 250)
PLAIN = "Device: K7\nDC bias: {} mV\nField: 50 mT\n\n"


def table(bias: int, preamble: str, separator: str = ";", header: str = "Frequency (GHz){}V_rect (uV)") -> str:
    rows = [
        f"{x:.2f}{separator}{v:.4f}" for x, v in zip(F, noisy(F, bias + 150, centre=6.0, half_width=0.4), strict=True)
    ]
    text = "\n".join(rows) + "\n"
    text = text.replace(".", ",") if separator == ";" else text
    return preamble.format(bias) + header.format(separator) + "\n" + text


def proposed(folder: Path, preamble: str, *more: str) -> str:
    """What init writes for five files with this preamble."""
    for bias in BIASES:
        (folder / f"run{bias + 200}.txt").write_text(table(bias, preamble, *more), encoding="utf-8")
    return of_init(folder)


def of_init(folder: Path) -> str:
    study = folder / "spectra.toml"
    arguments = ["init", *map(str, sorted(folder.glob("*.txt"))), "--output", str(study)]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "LOOK" not in result.output
    return study.read_text(encoding="utf-8").replace('"<name of the study?>"', '"a"')


def loaded(folder: Path, text: str) -> SpectraStudy:
    (folder / "spectra.toml").write_text(text, encoding="utf-8")
    return load_spectra(folder / "spectra.toml")


PREAMBLES = {
    "plain": (PLAIN,),
    "hash": ("# Device: K7\n# DC bias: {} mV\n# Field: 50 mT\n",),
    "percent": ("% sample = K7\n% V_dc = {}mV\n% H = 50 mT\n", "\t"),
    "semicolon": ("; Device: K7\n; bias [mV]: {}\n; B: 0.05 T\n", "\t"),
    "fields": ("device:,K7\nbias:,{} mV\nfield:,50 mT\n", ","),
    "spaces": ("Device: K7\nbias: {}e-3 V\nNumber: 7\nField: 50 mT\n", " ", "f_(GHz){}Vmix_(uV)"),
}


@pytest.mark.parametrize("name", PREAMBLES)
def test_preambles_say_device_bias_and_field(tmp_path: Path, name: str):
    study = loaded(tmp_path, proposed(tmp_path, *PREAMBLES[name]).replace('"<unit, such as V, mV, uV?>"', '"uV"')
                   .replace('"<unit, such as GHz, MHz, kHz?>"', '"GHz"'))  # fmt: skip
    found = {(each.device, round(1e3 * each.bias), each.fixed) for each in study.spectra}
    assert found == {("K7", bias, 0.05) for bias in BIASES}
    assert not [notice for notice in study.notices if "decimal" in notice]


def test_units_of_preambles_must_be_the_declared_ones(tmp_path: Path):
    text = proposed(tmp_path, PLAIN)
    with pytest.raises(DataError) as caught:
        loaded(tmp_path, text.replace('bias = "mV"', 'bias = "V"'))
    (said,) = caught.value.args
    assert "and 4 more files: header parameter 'DC bias': is in 'mV' in the file, but 'V' is declared" in said


def test_one_bias_for_files_that_state_another_is_told_once(tmp_path: Path):
    text = proposed(tmp_path, PLAIN).replace('bias = "DC bias"', "").replace('bias = "mV"', "")
    study = loaded(tmp_path, text.replace("[files.columns]", "bias = 0.15\n[files.columns]"))
    (said,) = study.notices[:1]
    assert "run150.txt and 3 more: the file says 'DC bias' -50 mV, but 0.15 V is declared" in said


def test_a_preamble_does_not_replace_what_nobody_declared(tmp_path: Path):
    text = proposed(tmp_path, "# field: vertical\n# device: K7\n# bias: {} mV\n")
    assert all(np.isnan(each.fixed) for each in loaded(tmp_path, text).spectra)


def test_a_parameter_with_two_values_is_not_proposed_and_refused(tmp_path: Path):
    text = proposed(tmp_path, "# device: K7\n# DC bias: {} mV\n# DC bias: 3 mV\n")
    assert 'bias = "<bias in V, a number?>"' in text
    text = text.replace('bias = "<bias in V, a number?>"', "").replace(
        "[files.units]", 'bias = "DC bias"\n[files.units]'
    )
    with pytest.raises(DataError, match="'DC bias': has different values above the table: -50 mV, 3 mV"):
        loaded(tmp_path, text)


def test_fields_of_names_that_the_preamble_says_are_dropped(tmp_path: Path):
    proposed(tmp_path, "# Device: K7\n")
    for file in tmp_path.glob("run*.txt"):
        file.rename(tmp_path / f"K7_{int(file.stem[3:]) - 200}mV.txt")
    (tmp_path / "spectra.toml").unlink()
    text = of_init(tmp_path)
    assert 'pattern = "{*}_{bias:mV}.txt"' in text
    assert {round(1e3 * each.bias) for each in loaded(tmp_path, text).spectra} == set(BIASES)


def test_decimal_commas_are_proposed_and_told_once(tmp_path: Path):
    text = proposed(tmp_path, PLAIN)
    assert 'decimal = ","  # GUESS' in text
    said = [each for each in loaded(tmp_path, text.replace("decimal", "# decimal")).notices if "decimal" in each]
    assert len(said) == 1
    assert "and 4 more: '3,00' has a decimal comma" in said[0]


def test_exchanged_columns_are_one_problem(tmp_path: Path):
    text = proposed(tmp_path, PLAIN).replace('x = "Frequency"', 'x = "V_rect"')
    with pytest.raises(DataError) as caught:
        loaded(tmp_path, text.replace('voltage = "V_rect"', 'voltage = "Frequency"'))
    (said,) = caught.value.args
    assert "and 4 more files: x = 'V_rect' is a voltage, voltage = 'Frequency' a frequency; exchange x and" in said


def of_files(n: int) -> list[Problem]:
    return [Problem(f"{k}.txt:{k}: column 'v'", f"holds {k}", "mend it") for k in range(n)]


def test_problems_of_three_files_are_all_listed():
    assert list(grouped_problems(of_files(3))) == of_files(3)
    assert len(list(grouped_problems(of_files(4)))) == 1


def test_lines_that_say_nothing_are_no_parameters():
    lines = ["V = 1, I = 2", "2024-05-03 14:12", "1: 2", "H = 4 GHz;H = 5 GHz", "no colon", "empty:", ": 3"]
    assert parameters_in(lines) == {}
    assert parameters_in(["Time: 14:12", "t = −1,5 (mV)"]) == {"Time": ("14:12",), "t": ("−1,5 mV",)}


def test_what_a_person_fills_in_is_prepared(tmp_path: Path):
    """The comments of a template, once marks are removed and numbers given, declare a study that is calibrated."""
    text = proposed(tmp_path, "# Device: K7\n# DC bias: {} mV\n")
    assert "# fixed = 400.0" in text
    head, tail = text.split("# [constants]")
    tail = re.sub(r"^# ", "", "# [constants]" + tail, flags=re.MULTILINE).replace('name = "?"', 'name = "K7"')
    head = re.sub(r"^# (fixed = )", r"\1", head, flags=re.MULTILINE)
    study = loaded(tmp_path, head + tail.replace("= ?", "= 0.5"))
    assert {each.fixed for each in study.spectra} == {0.4}
    assert study.devices["K7"].constants is not None
