"""Every row of a file of spectra is used, masked by declaration, or refused with its line."""

from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sweeping import FIELD, HEAD, TABLES, noisy, text_of, written

from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.spectra import analyse, load_spectra
from mtjfit.spectra.page import spectra_says

GOOD = text_of(FIELD, noisy(FIELD))


def refused(folder: Path, files: dict[str, str], kind: type[MtjfitError] = DataError, **parts: str) -> str:
    with pytest.raises(kind) as caught:
        load_spectra(written(folder, files, **parts))
    return str(caught.value)


def sided(low: float, n: int) -> str:
    x = np.linspace(low, 9, n)
    return text_of(x, noisy(x, half_width=2.0, centre=4.5))


@pytest.mark.parametrize("files", [{"b.txt": sided(-9, 18)}, {"a.txt": GOOD, "b.txt": sided(-9, 18)}])
def test_a_file_with_too_few_points_on_both_sides_of_zero_is_refused(tmp_path: Path, files: dict[str, str]):
    said = refused(tmp_path, files)
    assert "b.txt:11: has 9 points at positive field; 10 are needed" in said
    assert "b.txt:2: has 9 points at negative field" in said
    assert "leave the file out with leave_out" in said
    assert "mask" not in said


def test_a_short_side_is_refused_and_its_advice_works(tmp_path: Path):
    x = np.arange(-9, 101) / 1.0
    said = refused(tmp_path, {"c.txt": text_of(x, noisy(x))})
    mask = 'mask = [{ lines = [2, 10], reason = "…" }]'
    assert f"c.txt:2: has 9 points at negative field; 10 are needed on a side of zero; {mask}" in said
    study = load_spectra(written(tmp_path, {}, HEAD + mask + "\n"))
    assert (study.rows.read, study.rows.used, study.rows.masked) == (110, 101, 9)
    assert study.spectra[0].x.size == 101


def test_readings_of_zero_are_no_side(tmp_path: Path):
    x = FIELD.copy()
    x[0] = -0.3
    study = load_spectra(written(tmp_path, {"a.txt": text_of(x, noisy(x))}))
    assert [(each.sign, each.x.size) for each in study.spectra] == [(1, 101)]
    study = load_spectra(written(tmp_path, {"a.txt": text_of(-x, noisy(x))}))
    assert [(each.sign, each.x.size) for each in study.spectra] == [(-1, 101)]


def test_the_advice_works_where_rows_do_not_stand_together(tmp_path: Path):
    x = np.arange(-3.0, 101.0)
    both = np.concatenate([x, x[::-1]])
    said = refused(tmp_path, {"a.txt": text_of(both, noisy(np.abs(both)))})
    mask = said[said.index("mask = [") : said.index("]", said.index("reason")) + 1]
    study = load_spectra(written(tmp_path, {}, HEAD + mask + "\n"))
    assert (study.rows.masked, study.rows.used) == (6, 202)


def test_minus_signs_and_decimal_commas_of_office_programs_are_read_and_told(tmp_path: Path):
    text = text_of(FIELD, noisy(FIELD) - 1.0)
    (plain,) = load_spectra(written(tmp_path, {"a.txt": text})).spectra
    head, *rows = (line.split(",") for line in text.replace("-", "−").splitlines())
    quoted = "\n".join([",".join(head), *(f'"{x}","{v.replace(".", ",")}"' for x, v in rows)])
    study = load_spectra(written(tmp_path, {"a.txt": quoted}))
    assert np.array_equal(study.spectra[0].voltage, plain.voltage)
    assert sum("has a decimal comma" in each or "U+2212" in each for each in study.notices) == 2


def test_zero_field_belongs_to_the_only_side(tmp_path: Path):
    study = load_spectra(written(tmp_path, {"a.txt": text_of(-FIELD, noisy(FIELD))}))
    assert [(each.sign, each.x.size) for each in study.spectra] == [(-1, 101)]


def test_masks_leave_out_rows_with_a_reason_and_are_counted(tmp_path: Path):
    broken = GOOD.replace("\n20,", "\n20,nan#", 1)
    broken = "\n".join(row.split("nan#")[0] + "nan" if "nan#" in row else row for row in broken.splitlines()) + "\n"
    assert "a.txt:22: column 'v': 'nan' is not a finite number" in refused(tmp_path, {"a.txt": broken})
    for mask in ('{ missing = true, reason = "stopped" }', '{ lines = [22, 22], reason = "spike" }'):
        study = load_spectra(written(tmp_path, {"a.txt": broken}, HEAD + f"mask = [{mask}]\n"))
        assert (study.rows.read, study.rows.used, study.rows.masked) == (101, 100, 1)
    mask = 'mask = [{ x = [10, 12.5], file = "a*", reason = "another line" }]\n'
    study = load_spectra(written(tmp_path, {"a.txt": GOOD}, HEAD + mask))
    assert (study.rows.used, study.rows.masked) == (98, 3)
    assert "101 rows of 1 file: 98 fitted, 3 masked." in spectra_says(analyse(study))
    assert "all are masked" in refused(tmp_path, {}, head=HEAD + 'mask = [{ x = [-1, 200], reason = "all" }]\n')


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        ('{ x = [1, 2], lines = [1, 2], reason = "r" }', "files[0].mask[0]: needs one of x, lines and missing"),
        ('{ reason = "r" }', "needs one of x, lines and missing"),
        ("{ x = [1, 2] }", "files[0].mask[0].reason: is missing; say why"),
        ('{ x = [2, 1], reason = "r" }', "[2, 1] is empty"),
        ('{ missing = true, reason = " " }', "mask[0].reason: is empty"),
    ],
)
def test_masks_that_mean_nothing(tmp_path: Path, mask: str, says: str):
    assert says in refused(tmp_path, {"a.txt": GOOD}, ConfigError, head=HEAD + f"mask = [{mask}]\n")


def test_rows_outside_a_range_and_a_window_are_counted(tmp_path: Path):
    tail = "[line]\nrange = [20, 80]\nwindow = 6.0\n"
    result = analyse(load_spectra(written(tmp_path, {"a.txt": GOOD}, tail=tail)))
    rows = result.study.rows
    assert (rows.read, rows.used, rows.outside) == (101, 61, 40)
    beyond = int((~result.fits[0].used).sum())
    assert f"101 rows of 1 file: {61 - beyond} fitted, 40 outside line.range, {beyond} outside line.window." in (
        spectra_says(result)
    )


def test_a_window_that_holds_too_few_points_is_said(tmp_path: Path):
    x = np.linspace(0, 100, 41)
    tail = "[line]\nwindow = 3.0\n"
    result = analyse(load_spectra(written(tmp_path, {"a.txt": text_of(x, noisy(x))}, tail=tail)))
    assert any("line.window of 3 half widths holds" in each and "not applied to A1" in each for each in result.notices)
    assert result.fits[0].used.all()
    fine = analyse(load_spectra(written(tmp_path, {"a.txt": text_of(FIELD, noisy(FIELD, half_width=8.0))}, tail=tail)))
    assert not any("window" in each for each in fine.notices)


def test_a_file_named_twice_or_copied_is_refused(tmp_path: Path):
    twice = HEAD + TABLES + HEAD[HEAD.index("[[files]]") :].replace("*.txt", "a*")
    said = refused(tmp_path, {"a.txt": GOOD, "b.txt": text_of(FIELD, noisy(FIELD, 1))}, ConfigError, head=twice)
    assert "name a.txt twice" in said
    listed = HEAD.replace('"*.txt"', '["a.txt", "a*"]')
    assert len(load_spectra(written(tmp_path, {}, listed)).spectra) == 1
    shutil.copy(tmp_path / "a.txt", tmp_path / "a - Copy.txt")
    said = refused(tmp_path, {})
    assert "holds the same points as a - Copy.txt" in said
    left = HEAD + 'leave_out = ["* - Copy.txt"]\n'
    study = load_spectra(written(tmp_path, {}, left))
    assert len(study.spectra) == 2
    assert any("1 file left out as declared: a - Copy.txt" in each for each in study.notices)
    assert "leave_out: no file fits 'c*'" in refused(tmp_path, {}, ConfigError, head=HEAD + 'leave_out = ["c*"]\n')


def test_the_same_points_under_another_bias_are_said(tmp_path: Path):
    head = HEAD.replace("bias = 0.0\n", 'pattern = "{*}_{bias:mV}.txt"\n')
    study = load_spectra(written(tmp_path, {"a_1mV.txt": GOOD, "a_2mV.txt": GOOD}, head))
    assert any("hold the same points: is one a copy?" in each for each in study.notices)


def test_two_columns_of_one_file_are_no_copy(tmp_path: Path):
    both = text_of(FIELD, noisy(FIELD)).replace("x,v", "x,v,w")
    rows = [row if k == 0 else f"{row},{k % 7}" for k, row in enumerate(both.splitlines())]
    second = (HEAD[HEAD.index("[[files]]") :] + TABLES).replace('"v"', '"w"').replace("A1", "B1")
    study = load_spectra(written(tmp_path, {"a.txt": "\n".join(rows) + "\n"}, HEAD, TABLES + second))
    assert [each.device for each in study.spectra] == ["A1", "B1"]


def test_hidden_files_and_other_case_are_told(tmp_path: Path):
    files = {"a.txt": GOOD, "._a.txt": "\x00\x05", "B.TXT": text_of(FIELD, noisy(FIELD, 1))}
    study = load_spectra(written(tmp_path, files))
    assert any("1 hidden file not read: ._a.txt" in each for each in study.notices)
    both = {each.partition("[")[0] for each in study.files} == {"B.TXT", "a.txt"}  # as on Windows
    assert both or any("B.TXT" in each for each in study.notices)
    shown = load_spectra(written(tmp_path, {".b.txt": files["B.TXT"]}, HEAD.replace("*.txt", ".b*")))
    assert list(shown.files) == [".b.txt"]


def test_brackets_in_a_name_are_letters(tmp_path: Path):
    study = load_spectra(written(tmp_path, {"a [2].txt": GOOD}, HEAD.replace("*.txt", "a [2].txt")))
    assert list(study.files) == ["a [2].txt"]
    both = HEAD + 'leave_out = ["a [2].txt"]\n'
    assert list(load_spectra(written(tmp_path, {"b.txt": GOOD}, both)).files) == ["b.txt"]


MEASURE = "#Procedure: <lab.X>\n#Parameters:\n#\tDC bias: {bias}\n#\tfreq: 3 GHz\n#\tSample: A7\n#Data:\n"
PARAMETERS = """\
[[files]]
file = "*.txt"
[files.columns]
x = "x"
voltage = "v"
bias = "DC bias"
fixed = "freq"
device = "Sample"
[files.units]
x = "mT"
voltage = "uV"
fixed = "GHz"
"""


def measured(folder: Path, bias: str, head: str = PARAMETERS) -> Path:
    content = MEASURE.format(bias=bias) + text_of(FIELD, noisy(FIELD), "x (mT),v (uV)")
    return written(folder, {"r.txt": content}, HEAD[: HEAD.index("[[files]]")], head)


def test_header_parameters_are_columns(tmp_path: Path):
    (one,) = load_spectra(measured(tmp_path, "-0.1 V")).spectra
    assert (one.device, one.bias, one.fixed) == ("A7", -0.1, 3e9)
    with pytest.raises(DataError, match=r"'DC bias': is in 'mV' in the file, but 'V' is declared"):
        load_spectra(measured(tmp_path, "-100 mV"))
    with pytest.raises(DataError, match=r"no such column or header parameter \(bias\); did you mean 'DC bias'"):
        load_spectra(measured(tmp_path, "-0.1 V", PARAMETERS.replace('"DC bias"', '"DCbias"')))


@pytest.mark.parametrize(
    ("header", "declared"),
    [("x (Gauss),v (uVolt)", "G"), ("x (Oersted),v (microvolts)", "Oe"), ("x (10^3 Oe),v (µV)", "kOe"),
     ("x (Tesla),v (μV)", "T"), ("x (kA m⁻¹),v (10⁻⁶ V)", "kA/m"), ("x (G),v (uV)", "Oe"), ("x [milli-Tesla],v", "mT")],
)  # fmt: skip
def test_units_that_mean_the_same_are_accepted(tmp_path: Path, header: str, declared: str):
    tables = TABLES.replace('x = "mT"', f'x = "{declared}"')
    study = load_spectra(written(tmp_path, {"a.txt": text_of(FIELD, noisy(FIELD), header)}, tables=tables))
    assert not study.notices


@pytest.mark.parametrize("unit", ["T", "Tesla", "10^3 Oe", "GHz", "K", "s", "V"])
def test_units_that_mean_something_else_are_refused(tmp_path: Path, unit: str):
    said = refused(tmp_path, {"a.txt": text_of(FIELD, noisy(FIELD), f"x ({unit}),v")})
    assert f"a.txt:1: column 'x': is in {unit!r} in the file, but 'mT' is declared" in said


def test_how_files_are_read_is_declared_in_a_table(tmp_path: Path):
    read = '[files.read]\nnames = ["x", "v"]\nheader = ["skip"]\n'
    study = load_spectra(written(tmp_path, {"a.txt": text_of(FIELD, noisy(FIELD), "x (T),v")}, tables=TABLES + read))
    assert study.spectra[0].x[-1] == pytest.approx(0.1)
    said = refused(tmp_path, {}, ConfigError, tables=TABLES + '[files.read]\nseperator = ","\n')
    assert "files[0].read: seperator is no key; did you mean 'separator'?" in said


@pytest.mark.parametrize("unit", ["a.u.", "%", "V rms", "counts"])
def test_units_that_are_not_understood_are_said(tmp_path: Path, unit: str):
    study = load_spectra(written(tmp_path, {"a.txt": text_of(FIELD, noisy(FIELD), f"x,v ({unit})")}))
    assert any(f"unit {unit!r} of 'v' is not understood; taken as uV" in each for each in study.notices)


def readback(noise: float = 2e-5, seed: int = 3) -> str:
    rng = np.random.default_rng(seed)
    rows = [f"{x:.6g},{v:.8g},{V + noise * rng.standard_normal():.6f}" for V in (-0.2, 0.0, 0.2)
            for x, v in zip(FIELD, noisy(FIELD, 9), strict=True)]  # fmt: skip
    return "x,v,V\n" + "\n".join(rows) + "\n"


BIASED = HEAD.replace("bias = 0.0\n", "")
COLUMN = TABLES.replace('voltage = "v"', 'voltage = "v"\nbias = "V"')


def test_values_read_back_are_told_and_the_advice_works(tmp_path: Path):
    said = refused(tmp_path, {"a.txt": readback()}, head=BIASED, tables=COLUMN)
    assert "a.txt:1: column 'V': has " in said
    assert "different values in 303 rows" in said
    within = said[said.index("within = {") : said.index("}") + 1]
    study = load_spectra(written(tmp_path, {}, BIASED + within + "\n", COLUMN))
    assert_allclose([each.bias for each in study.spectra], [-0.2, 0.0, 0.2], atol=2e-5)
    assert [each.x.size for each in study.spectra] == [101] * 3
    assert any("values of bias that differ by less than" in each for each in study.notices)


def test_values_that_run_on_are_not_one(tmp_path: Path):
    x = np.tile(FIELD, 3)
    rows = [f"{a},{b},{V:.6f}" for a, b, V in zip(x, noisy(x), np.linspace(-0.2, 0.2, x.size), strict=True)]
    files = {"a.txt": "x,v,V\n" + "\n".join(rows) + "\n"}
    said = refused(tmp_path, files, head=BIASED + "within = { bias = 0.01 }\n", tables=COLUMN)
    assert "runs on from -0.2 to 0.2 in steps below 0.01" in said
    assert "is declared without columns.bias" in refused(
        tmp_path, files, ConfigError, head=HEAD + "within = { bias = 0.01 }\n"
    )


def test_many_spectra_of_one_table_are_grouped_once(tmp_path: Path):
    """Order of appearance, also where rows of several spectra alternate."""
    biases = [0.3, -0.1, 0.2]
    rows = [f"{x:.6g},{k + x:.8g},{V}" for x in FIELD for k, V in enumerate(biases)]
    study = load_spectra(written(tmp_path, {"a.txt": "x,v,V\n" + "\n".join(rows) + "\n"}, BIASED, COLUMN))
    assert [each.bias for each in study.spectra] == biases
    for k, each in enumerate(study.spectra):
        assert_allclose(each.voltage, 1e-6 * (k + FIELD), rtol=1e-9)


def many(folder: Path, n: int, points: int = 12) -> Path:
    x = np.linspace(0, 100, points)
    rows = [f"{a:.6g},{b:.6g},{k}" for k in range(n) for a, b in zip(x, noisy(x, k, half_width=20.0), strict=True)]
    return written(folder, {"a.txt": "x,v,V\n" + "\n".join(rows) + "\n"}, BIASED, COLUMN)


@pytest.mark.slow
def test_time_to_read_grows_with_the_number_of_spectra(tmp_path: Path):
    """Four times as many take four times as long, where every spectrum searched in all rows sixteen times."""
    times = []
    for n in (500, 2000):
        study = many(tmp_path, n)
        start = process_time()
        assert len(load_spectra(study).spectra) == n
        times.append(process_time() - start)
    assert times[1] < 9 * times[0]


@pytest.mark.slow
def test_memory_of_an_analysis_grows_with_the_number_of_spectra(tmp_path: Path):
    """The covariance between 600 spectra that share nothing would take 46 MB alone."""
    study = load_spectra(many(tmp_path, 600))
    tracemalloc.start()
    try:
        analyse(study)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


def test_placeholders_are_named(tmp_path: Path):
    said = refused(tmp_path, {"a.txt": GOOD}, ConfigError, head=HEAD.replace("0.0", '"<bias in V, a number?>"'))
    assert "files[0].bias: still holds the placeholder" in said


@pytest.mark.parametrize(("first", "form"), [(-1.0, "lorentzian"), (0.0, "oscillator")])
def test_frequencies_that_cannot_be_are_refused(tmp_path: Path, first: float, form: str):
    x = np.linspace(first, 8.0, 90)
    head = HEAD.replace('"field"', '"frequency"')
    tables = TABLES.replace('"mT"', '"GHz"').replace('fixed = "GHz"', 'fixed = "mT"')
    said = refused(tmp_path, {"a.txt": text_of(x, noisy(x, centre=5.0, half_width=0.4))}, head=head, tables=tables,
                   tail=f'[line]\nform = "{form}"\n')  # fmt: skip
    assert f"a.txt:2: has a frequency of {first:g}; set against" in said
