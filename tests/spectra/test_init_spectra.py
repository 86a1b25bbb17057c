"""``mtjfit init`` for spectra: it recognises them, marks guesses, and proposes what ``mtjfit spectra`` accepts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sweeping import FIELD, noisy, text_of

from mtjfit.cli import cli
from mtjfit.spectra import load_spectra
from mtjfit.spectra.recognise import name_pattern

F = np.linspace(2.0, 8.0, 61)


def proposed(folder: Path, files: dict[str, str]) -> tuple[str, str]:
    """Text of the file that init writes, and what it prints."""
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    output = folder / "spectra.toml"
    arguments = ["init", *(str(folder / name) for name in files), "--output", str(output)]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return output.read_text(encoding="utf-8"), result.output


def filled(folder: Path, text: str, **answers: str | tuple[str, ...]):
    """The study once the placeholders have answers, in order for each key; every one must be asked for."""
    for key, given in answers.items():
        for answer in [given] if isinstance(given, str) else given:
            text, n = re.subn(rf'^{key} = "<[^>]*\?>"', f"{key} = {answer}", text, count=1, flags=re.MULTILINE)
            assert n == 1, key
    assert not re.search(r'^\w+ = "<[^>]*\?>"', text, re.MULTILINE), text
    (folder / "spectra.toml").write_text(text, encoding="utf-8")
    return load_spectra(folder / "spectra.toml")


def names_with(mT: float, mV: int) -> str:
    return f"A1_{mT:g}mT_{mV}mV.txt"


def test_units_behind_a_stroke_are_those_of_their_columns(tmp_path: Path):
    files = {names_with(400, V): text_of(F, noisy(F, V + 100, centre=5.0, half_width=0.4), "f/GHz,Vmix / uV")
             for V in (-100, 0, 100)}  # fmt: skip
    text, said = proposed(tmp_path, files)
    assert re.search(r"f/GHz +GHz .* x \(GUESS\)", said)
    assert re.search(r"Vmix / uV +uV .* voltage \(GUESS\)", said)
    assert '[files.units]\nx = "GHz"  # as the file says\nvoltage = "uV"  # as the file says' in text
    assert "LOOK" not in said


def test_names_of_files_and_units_of_columns_are_used(tmp_path: Path):
    files = {names_with(400, V): text_of(F, noisy(F, V + 100, centre=5.0, half_width=0.4), "f (GHz),Vmix (uVolt)")
             for V in (-100, 0, 100)}  # fmt: skip
    text, said = proposed(tmp_path, files)
    assert 'against = "frequency"  # GUESS' in text
    assert 'pattern = "{device}_{field:mT}_{bias:mV}.txt"  # GUESS' in text
    assert 'file = "*.txt"' in text
    assert 'voltage = "uV"  # as the file says' in text
    assert "LOOK" not in said
    study = filled(tmp_path, text, name='"a"')
    assert [(each.device, each.bias, each.fixed) for each in study.spectra] == [
        ("A1", -0.1, 0.4), ("A1", 0.0, 0.4), ("A1", 0.1, 0.4)
    ]  # fmt: skip


def test_what_no_file_shows_is_left_open(tmp_path: Path):
    text, said = proposed(tmp_path, {"a.txt": text_of(FIELD, noisy(FIELD))})
    assert "mtjfit check" in said
    answers = {"against": '"field"', "bias": "0.1", "fixed": ("4.0", '"GHz"'), "x": '"mT"', "voltage": '"uV"'}
    study = filled(tmp_path, text, name='"a"', **answers)
    assert study.spectra[0].bias == 0.1


def test_header_parameters_are_proposed(tmp_path: Path):
    head = "#Procedure: <lab.X>\n#Parameters:\n#\tDC bias: -0.1 V\n#\tfreq: 3 GHz\n#\tSample: A7\n#Data:\n"
    text, _ = proposed(tmp_path, {"r1.csv": head + text_of(FIELD, noisy(FIELD), "Field (mT),X (V)")})
    (one,) = filled(tmp_path, text, name='"a"').spectra
    assert (one.device, one.bias, one.fixed) == ("A7", -0.1, 3e9)


def test_sweeps_short_sides_and_readings_are_declared(tmp_path: Path):
    x = np.concatenate([FIELD, FIELD[::-1]])
    text, _ = proposed(tmp_path, {"A1_4GHz_0mV.txt": text_of(x, noisy(x), "H (mT),V (uV)")})
    assert 'sweeps = "separate"' in text
    study = filled(tmp_path, text, name='"a"')
    assert [each.sweep for each in study.spectra] == ["up", "down"]
    assert not study.notices
    (tmp_path / "short").mkdir()
    x = np.arange(-5.0, 101.0)
    text, said = proposed(tmp_path / "short", {"A1_4GHz_0mV.txt": text_of(x, noisy(x), "H (mT),V (uV)")})
    assert "few points at negative field" in text
    assert "LOOK" not in said
    assert filled(tmp_path / "short", text, name='"a"').rows.masked == 5


def test_a_bias_that_was_read_back_gets_its_size(tmp_path: Path):
    rng = np.random.default_rng(2)
    rows = [f"{f:.4f},{v:.6f},{V + 2e-5 * rng.standard_normal():.6f}" for V in (-0.2, 0.2)
            for f, v in zip(F, noisy(F, 1, centre=5.0, half_width=0.4), strict=True)]  # fmt: skip
    text, _ = proposed(tmp_path, {"A1.txt": "f (GHz),Vmix (uV),Vdc (V)\n" + "\n".join(rows) + "\n"})
    assert "within = { bias = " in text
    study = filled(tmp_path, text, name='"a"')
    assert [round(each.bias, 3) for each in study.spectra] == [-0.2, 0.2]


def test_wide_tables_are_cut_up(tmp_path: Path):
    rows = [f"{h:.6E}\t{a:.6E}\t{h + 0.1:.6E}\t{b:.6E}" for h, a, b in
            zip(FIELD, noisy(FIELD), noisy(FIELD, 1), strict=True)]  # fmt: skip
    content = "2p_4.0_GHz\t2p_4.0_GHz\t2p_6.0_GHz\t2p_6.0_GHz\n\n" + "\n".join(rows) + "\n"
    text, _ = proposed(tmp_path, {"s.csv": content})
    study = filled(tmp_path, text, name='"a"', bias="0.0", x='"Oe"', voltage='"V"')
    assert [each.fixed for each in study.spectra] == [4e9, 6e9]


def test_a_file_that_spectra_would_refuse_is_told(tmp_path: Path):
    content = text_of(FIELD, noisy(FIELD), "H (mT),V (uV)") + "99,1\n98,1\n97,1\n20,1\n19,1\n18,1\n"
    _, said = proposed(tmp_path, {"A1_4GHz_0mV.txt": content})
    assert "LOOK: A1_4GHz_0mV.txt:103: begins a sweep down of 6 points" in said
    folder = tmp_path / "twice"
    folder.mkdir()
    same = text_of(FIELD, noisy(FIELD), "H (mT),V (uV)")
    text, said = proposed(folder, {"A1_4GHz_0mV.txt": same, "A2_4GHz_0mV.txt": same})
    assert "LOOK" not in said
    assert any("is one a copy?" in each for each in filled(folder, text, name='"a"').notices)


def test_comments_and_missing_numbers_are_declared(tmp_path: Path):
    v = np.where(FIELD > 90, np.nan, noisy(FIELD))
    content = "% lab\n" + text_of(FIELD, v, "H (mT),V (uV)")
    text, said = proposed(tmp_path, {"A1_4GHz_0mV.txt": content})
    assert "LOOK" not in said
    study = filled(tmp_path, text, name='"a"')
    assert (study.rows.used, study.rows.masked) == (91, 10)


def test_frequency_and_field_are_not_mixed(tmp_path: Path):
    (tmp_path / "a.txt").write_text(text_of(FIELD, noisy(FIELD), "H (mT),V (uV)"), encoding="utf-8")
    (tmp_path / "b.txt").write_text(text_of(F, noisy(F, centre=5.0), "f (GHz),V (uV)"), encoding="utf-8")
    arguments = ["init", *(str(tmp_path / name) for name in ("a.txt", "b.txt")), "-o", str(tmp_path / "s.toml")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 3
    assert "b.txt: is against frequency, a.txt against field" in result.output


def test_check_reads_all_files_and_says_what_to_do_next(tmp_path: Path):
    text, _ = proposed(tmp_path, {"A1_4GHz_0mV.txt": text_of(FIELD, noisy(FIELD), "H (mT),V (uV)")})
    filled(tmp_path, text, name='"a"')
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "spectra.toml")], catch_exceptions=False)
    assert result.exit_code == 0
    assert "1 spectra in 1 file: 101 rows, 101 used, 0 masked" in result.output
    assert "mtjfit spectra" in result.output


OTHERS = ["bias,par,perp", "V (V),tau1 (mT),tau2 (mT)", "V (V),DL (mT),FL (mT)", "time (s),v (V)",
          "t,v", "H (Oe),R", "H (Oe),M (emu)", "f (GHz),H (Oe)", "x (mm),y (mm),v", "T (K),v (V)",
          "f (GHz),H (Oe),dH (Oe)", "V,I"]  # fmt: skip


@pytest.mark.parametrize("header", OTHERS)
def test_other_tables_are_no_spectra(tmp_path: Path, header: str):
    (tmp_path / "t.csv").write_text(
        header + "\n" + "".join(",".join([f"{k}.5"] * (header.count(",") + 1)) + "\n" for k in range(30)),
        encoding="utf-8",
    )
    result = CliRunner().invoke(cli, ["init", str(tmp_path / "t.csv"), "-o", str(tmp_path / "study.toml")])
    assert "spectra (GUESS)" not in result.output


def test_spectra_and_other_tables_are_not_mixed(tmp_path: Path):
    (tmp_path / "t.csv").write_text("bias,par,perp\n0,1,2\n1,2,3\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text(text_of(FIELD, noisy(FIELD), "H (mT),V (uV)"), encoding="utf-8")
    arguments = ["init", str(tmp_path / "a.txt"), str(tmp_path / "t.csv"), "-o", str(tmp_path / "s.toml")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 3
    assert "t.csv: is no spectrum" in result.output


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["A1_4GHz.txt", "A1_6GHz.txt"], "{device}_{frequency:GHz}.txt"),
        (["3GHz.lvm", "4GHz.lvm"], "{frequency:GHz}.lvm"),
        (["S0_B400.00mT_-200mV.txt", "S1_B400.01mT_0mV.txt"], "{device}_B{field:mT}_{bias:mV}.txt"),
        (["a.txt", "b.txt"], "{device}.txt"),
        (["A_0mV_4p5GHz.txt", "B_1mV_4p5GHz.txt"], "{device}_{bias:mV}_4p5GHz.txt"),
        (["x{1}.txt"], "{device}.txt"),
    ],
)
def test_patterns_of_names(names: list[str], pattern: str):
    assert name_pattern(names) == pattern


@pytest.mark.parametrize("name", ["R/T", "V/I", "dV/dI", "Vmix/GHz"])
def test_a_quotient_is_no_unit(tmp_path: Path, name: str):
    """T is a unit of the field, not of a resistance; GHz none of a voltage."""
    text, _ = proposed(tmp_path, {"a.txt": text_of(F, noisy(F, 1, centre=5.0, half_width=0.4), f"f (GHz),{name}")})
    assert '\nvoltage = "<unit, such as' in text
