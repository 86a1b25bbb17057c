"""Templates propose what a header shows, leave open what it cannot, and survive any name."""

from __future__ import annotations

import re
import shutil
import sqlite3
import sys
import time
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small import problems_of
from unplaced import unplaced

from mtjfit.cli.first_steps import init_command
from mtjfit.errors import ConfigError, DataError
from mtjfit.study import load_study, study_template

GOOD = "device,d_nm,V,tau_par,tau_perp,sigma_par,sigma_perp,wafer\n" + "".join(
    f"A,2.0,{v},{v},0.1,0.1,0.1,w1\n" for v in (-0.2, 0.0, 0.2)
)
UNIT = "unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary"
ANSWERS = {
    "torque or torkance": "torkance", "device, area or volume": "device",
    "MxP or PxM": "MxP", "V or mV": "V", "nm or angstrom": "nm",
    UNIT: "hbar/2e/kohm",
}  # fmt: skip
FILES = Path(__file__).parent.parent / "data" / "files"
FORMATS = sorted(each.name.replace(".sql", ".db") for each in FILES.iterdir())
EXTRAS = {".xlsx": "openpyxl", ".parquet": "pyarrow", ".nc": "h5netcdf", ".h5": "h5py", ".tdms": "nptdms"}


def propose(folder: Path, content: str = GOOD, name: str = "series.csv") -> str:
    file = folder / name
    file.write_bytes(content.encode())
    return study_template([file], folder)


def fill(text: str, **answers: str) -> str:
    """A template after somebody answered every question; torkances have no b0."""
    for placeholder, value in {**ANSWERS, **answers}.items():
        text = text.replace(f"<{placeholder}?>", value)
    text = re.sub(r'"<(a few times|error of one point)[^>]*>"', "10.0", text)
    text = re.sub(r"^b0 =", "# b0 =", text, flags=re.MULTILINE)
    return re.sub(r'"<nominal thickness[^>]*>"', "2.0", text)


def copied(folder: Path, name: str) -> Path:
    """One of the files of the reader tests, in a folder of its own; skipped where its library is not installed."""
    if module := EXTRAS.get(Path(name).suffix):
        pytest.importorskip(module, reason=f"{module} reads {name}")
    if name == "qcodes.db":
        with closing(sqlite3.connect(folder / name)) as db:
            db.executescript((FILES / "qcodes.sql").read_text(encoding="utf-8"))
    else:
        shutil.copy(FILES / name, folder)
    return folder / name


def init(file: Path) -> str:
    """What `mtjfit init` prints of a file."""
    done = CliRunner().invoke(init_command, [str(file), "-o", str(file.with_name("s.toml"))])
    assert done.exit_code == 0, done.output
    return done.output


def test_what_the_header_shows_is_proposed_and_marked(tmp_path: Path) -> None:
    text = propose(tmp_path)
    (table,) = tomllib.loads(text)["data"]
    assert table["file"] == "series.csv"
    assert table["columns"] == {
        "bias": "V", "par": "tau_par", "perp": "tau_perp", "sigma_par": "sigma_par", "sigma_perp": "sigma_perp",
        "device": "device", "thickness": "d_nm", "group": "wafer",
    }  # fmt: skip
    lines = text[text.index("[data.columns]") : text.index("[data.units]")].splitlines()[1:]
    assert all(line.endswith("# GUESS") for line in lines)
    assert table["format"] == {"separator": ",", "decimal": "."}


def test_the_commented_angle_is_what_the_loader_reads(tmp_path: Path) -> None:
    text = fill(propose(tmp_path)).replace("# angle =", "angle =").replace("# sin_theta =", "sin_theta =")
    study = tmp_path / "study.toml"
    study.write_text(text, encoding="utf-8")
    (curve,) = load_study(study).curves
    assert (curve.angle, curve.sin_theta) == (72.0, "included")


def test_what_it_cannot_show_is_refused_until_filled_in(tmp_path: Path) -> None:
    text = propose(tmp_path)
    study = tmp_path / "study.toml"
    study.write_text(text, encoding="utf-8")
    problems = [*map(unplaced, problems_of(load_study, study))]
    assert problems[:4] == [
        f"study.toml: {key}: still holds the placeholder '<{words}?>'; replace it; only you can know"
        for key, words in (("data[0].quantity", "torque or torkance"), ("data[0].per", "device, area or volume"),
                           ("data[0].perp_axis", "MxP or PxM"), ("data[0].units.torque", UNIT))
    ]  # fmt: skip
    # Each open place is reported once, and nothing else is.
    assert len(problems) == 4
    assert len(re.findall(r'"<[^.].*?\?>"', text)) == 4
    study.write_text(fill(text), encoding="utf-8")
    assert load_study(study).devices == ("A",)


@pytest.mark.parametrize("place", ["torque or torkance", "device, area or volume", "MxP or PxM", UNIT])
def test_each_placeholder_alone_is_refused(tmp_path: Path, place: str) -> None:
    text = propose(tmp_path)
    keep = text.replace(f'"<{place}?>"', '"@@"')
    assert keep != text
    study = tmp_path / "study.toml"
    study.write_text(fill(keep).replace('"@@"', f'"<{place}?>"'), encoding="utf-8")
    (problem,) = problems_of(load_study, study, kind=ConfigError)
    assert "still holds the placeholder" in problem


def test_a_file_with_little_in_it(tmp_path: Path) -> None:
    text = propose(tmp_path, "# note\n\nUnknown;Bias (mV);InPlane;x\n1,5;2,5;3,0;1\n", "dev 3.txt")
    (table,) = tomllib.loads(text)["data"]
    assert table["device"] == "dev 3"
    assert table["columns"] == {"bias": "Bias", "par": "InPlane", "perp": "<column of perp?>"}
    assert table["units"]["bias"] == "mV"
    assert table["format"] == {"separator": ";", "decimal": ","}
    assert table["thickness"].startswith("<nominal thickness")
    assert table["sigma"] == "fit"
    study = tmp_path / "study.toml"
    study.write_text(fill(text), encoding="utf-8")
    assert [problem.split(": ")[1] for problem in problems_of(load_study, study) if "placeholder" in problem] == [
        "data[0].columns.perp"
    ]


def test_noise_that_no_number_shows_is_asked_for(tmp_path: Path) -> None:
    rows = "".join(
        f"{v},{90 * v + 0.7 * (-1) ** k:.3f},{30 * v * v:.3f}\n" for k, v in enumerate((-3, -2, -1, 1, 2, 3))
    )
    unknown = tomllib.loads(propose(tmp_path, "V,signal 1,signal 2\n" + rows))["parameters"]
    assert unknown["noise_par"]["median"] == unknown["noise_perp"]["median"] == "<error of one point?>"
    known = tomllib.loads(propose(tmp_path, "V,T_ip (meV),T_oop (meV)\n" + rows))
    assert known["data"][0]["columns"] == {"bias": "V", "par": "T_ip", "perp": "T_oop"}
    assert known["data"][0]["units"]["torque"] == "meV"
    assert 0.1 < known["parameters"]["noise_par"]["median"] < 10


@pytest.mark.parametrize(("above", "separator"), [("", "space"), ("sep=;\n", ";")])
def test_what_separates_columns_is_proposed(tmp_path: Path, above: str, separator: str) -> None:
    table = GOOD.replace(",", "  " if separator == "space" else separator)
    study = tmp_path / "study.toml"
    study.write_text(fill(propose(tmp_path, above + table)), encoding="utf-8")
    assert tomllib.loads(study.read_text(encoding="utf-8"))["data"][0]["format"]["separator"] == separator
    assert [each.par.tolist() for each in load_study(study).curves]


def test_par_is_never_proposed_for_perp(tmp_path: Path) -> None:
    (table,) = tomllib.loads(propose(tmp_path, "V,torkance_perp,x\n1,2,3\n"))["data"]
    assert table["columns"] == {"bias": "V", "par": "<column of par?>", "perp": "torkance_perp"}


def test_several_files_and_encodings(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD, encoding="utf-8")
    sub = tmp_path / "sub"
    sub.mkdir()
    (sub / "b.csv").write_bytes("% µ\nV\tpar\tperp\n1\t2\t3\n".encode("latin-1"))
    text = study_template([tmp_path / "a.csv", str(sub / "b.csv")], tmp_path)
    first, second = tomllib.loads(text)["data"]
    assert (first["file"], second["file"]) == ("a.csv", "sub/b.csv")
    assert second["format"] == {"separator": "\t", "decimal": ".", "comment": "%", "encoding": "cp1252"}
    assert tomllib.loads(study_template([tmp_path / "a.csv"]))["data"][0]["file"] == (tmp_path / "a.csv").as_posix()
    assert tomllib.loads(study_template([tmp_path / "a.csv"], sub))["data"][0]["file"] == "../a.csv"


def test_unreadable_files_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "nul.csv").write_bytes(b"a,b\0,c\n")
    files = [tmp_path / "none.csv", tmp_path / "flat.csv", tmp_path / "nul.csv", tmp_path]
    problems = [re.split(r"(?<=csv)(?::1)?: |: ", each)[1] for each in problems_of(study_template, files)]
    assert [each.split(" ")[0] for each in problems] == ["no", "has", "holds", "is"]
    with pytest.raises(DataError, match="name at least one data file"):
        study_template([])


INSTRUMENTS = [
    (
        "pymeasure.csv",
        {"device, area or volume": "device"},
        ("hbar/2e/kohm", [-0.3, -0.2, -0.1], [0.117, 0.118, 0.119]),
    ),
    ("qcodes.db", {"column of bias": "dac"}, ("mT/V", [-0.1, 0.0, 0.1], [12.5, 12.0, 11.5])),
    ("netcdf.nc", {"column of bias": "dac"}, ("mT/V", [-0.1, 0.0, 0.1], [12.5, 12.0, 11.5])),
]


@pytest.mark.parametrize(("name", "answers", "expected"), INSTRUMENTS)
def test_files_of_instruments_need_only_what_no_file_can_know(
    tmp_path: Path, name: str, answers: dict[str, str], expected: tuple[object, ...]
) -> None:
    text = study_template([copied(tmp_path, name)], tmp_path)
    study = tmp_path / "study.toml"
    study.write_text(fill(text, **{"device, area or volume": "volume", **answers}), encoding="utf-8")
    (curve,) = load_study(study).curves
    assert (curve.unit, curve.bias[:3].tolist(), curve.par[:3].tolist()) == expected


def test_guesses_are_marked_and_units_come_from_the_file(tmp_path: Path) -> None:
    text = study_template([copied(tmp_path, "pymeasure.csv")], tmp_path)
    assert 'reader = "pymeasure"  # GUESS: PyMeasure results' in text
    assert 'bias = "mV"  # as the file says' in text
    assert 'device = "Sample"  # GUESS: a header parameter' in text


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_valid_toml_and_is_shown(tmp_path: Path, name: str) -> None:
    shown = init(copied(tmp_path, name))
    text = (tmp_path / "s.toml").read_text(encoding="utf-8")
    (table,) = tomllib.loads(text)["data"]
    assert table["file"] == name
    for line in text.splitlines():
        if re.match(r'(reader|header|sheet|decimal|device|bias|par) = "?[^<]*$', line):
            assert re.search(r'# GUESS|# as the file says$|# from name, above$|^decimal = "\."$', line), line
    assert f"{name}: " in shown
    assert shown.count("(GUESS)") >= 1
    assert re.search(r"column +unit +from +to +taken as", shown)
    assert name != "pymeasure.csv" or "LOOK" not in shown


def test_a_doubtful_unit_is_shown_loudly(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("#Procedure: <x>\n#Data:\nBias (V),par,perp\n-300,1,2\n0,1,2\n300,1,2\n", encoding="utf-8")
    assert "LOOK: bias up to 300 V: more than 3 V is unusual; is it in mV?" in init(file)


def test_wide_and_digitised_templates_say_how_series_stand(tmp_path: Path) -> None:
    text = study_template([copied(tmp_path, "wide.csv"), copied(tmp_path, "webplotdigitizer.csv")], tmp_path)
    wide, digitised = (table["wide"] for table in tomllib.loads(text)["data"])
    assert len(wide["columns"]) == 2
    assert (digitised["columns"], digitised["name_in"]) == (["V", "T"], "comment")
    assert "# data sets of the file: A1 par, A1 perp, A2 par, A2 perp" in text


HOSTILE = (
    *('a"b', "a\\nb", "a'''b", "x]\u202e", 'q = 1"\n[evil]', "<tag>", "{{7*7}}", "µ,ß", "=cmd()", "a#b"),
    *("\x7f", "\x1b[0m"),
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_stay_strings(tmp_path: Path, name: str) -> None:
    cell = '"' + name.replace('"', '""').replace("\n", " ") + '"'
    text = propose(tmp_path, f"{cell},tau_par,tau_perp,bias\n1,2,3,4\n")
    document = tomllib.loads(text)
    assert set(document) == {"study", "data", "parameters", "sampling"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows forbids such names")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_names_stay_strings_or_are_refused(tmp_path: Path, name: str) -> None:
    if "/" in name or not name.isprintable():
        with pytest.raises(DataError, match="rename the file"):
            propose(tmp_path, name=name)
    else:
        assert tomllib.loads(propose(tmp_path, name=name))["data"][0]["file"] == name


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_give_toml_or_a_data_error(tmp_path: Path, data: bytes, with_header: bool) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"V,par,perp," + data if with_header else data)
    try:
        text = study_template([file], tmp_path)
    except DataError:
        return
    assert set(tomllib.loads(text)) == {"study", "data", "parameters", "sampling"}


@pytest.mark.slow
def test_columns_among_very_many_header_parameters(tmp_path: Path):
    many = "".join(f"#\tp{k}: {k} mV\n" for k in range(30_000))
    content = (
        f"#Procedure: <x.Y>\n#Parameters:\n{many}#\tthickness: 2 nm\n#Data:\nV (mV),par,perp\n0,1,2\n1,2,3\n2,3,4\n"
    )
    start = time.process_time()
    proposed = propose(tmp_path, content)
    assert time.process_time() - start < 5  # each was compared with a hundred names, for half a minute
    assert 'bias = "V"' in proposed
    assert 'thickness = "thickness"' in proposed


def test_a_bias_beyond_any_other_is_looked_at_without_a_warning(tmp_path: Path) -> None:
    """Warnings are errors here; powers of all other biases vanish beside it."""
    rows = "\n".join(f"{bias},{k},1" for k, bias in enumerate(["-1e308", "-0.2", "-0.1", "0.1", "0.2", "0.3"]))
    file = tmp_path / "a.csv"
    file.write_text(f"V,par,perp\n{rows}\n", encoding="utf-8")
    assert "a1 = " in study_template([file], tmp_path)
