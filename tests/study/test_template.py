"""Templates propose what a header shows, leave open what it cannot, and survive any name."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtjfit.errors import ConfigError, DataError
from mtjfit.study import load_study, study_template

GOOD = "device,d_nm,V,tau_par,tau_perp,sigma_par,sigma_perp,wafer\n" + "".join(
    f"A,2.0,{v},{v},0.1,0.1,0.1,w1\n" for v in (-0.2, 0.0, 0.2)
)
FILLED = {
    "name of the study": "series", "torque or torkance": "torkance", "device, area or volume": "device",
    "MxP or PxM": "MxP", "V or mV": "V", "nm or angstrom": "nm",
    "unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary": "hbar/2e/kohm",
}  # fmt: skip


def propose(folder: Path, content: str = GOOD, name: str = "series.csv") -> str:
    file = folder / name
    file.write_bytes(content.encode())
    return study_template([file], folder)


def fill(text: str) -> str:
    for placeholder, value in FILLED.items():
        text = text.replace(f"<{placeholder}?>", value)
    return re.sub(r'"<a few times[^>]*>"', "10.0", text)


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
    study.write_text(text.replace("<name of the study?>", "series"), encoding="utf-8")
    (curve,) = load_study(study).curves
    assert (curve.angle, curve.sin_theta) == (72.0, "included")


def test_what_it_cannot_show_is_refused_until_filled_in(tmp_path: Path) -> None:
    text = propose(tmp_path)
    study = tmp_path / "study.toml"
    study.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_study(study)
    assert [str(problem) for problem in caught.value.problems[:4]] == [
        f"study.toml: {key}: still holds the placeholder '<{words}?>'; replace it; only you can know"
        for key, words in (("study.name", "name of the study"), ("data[0].quantity", "torque or torkance"),
                           ("data[0].per", "device, area or volume"), ("data[0].perp_axis", "MxP or PxM"))
    ]  # fmt: skip
    # Each open place is reported once, and nothing else is.
    assert len(caught.value.problems) == 9
    assert len(re.findall(r'"<[^.].*?\?>"', text)) == 9
    study.write_text(fill(text), encoding="utf-8")
    assert load_study(study).devices == ("A",)


@pytest.mark.parametrize("place", [*FILLED, "a few times the size of a1", "a few times the size of b2"])
def test_each_placeholder_alone_is_refused(tmp_path: Path, place: str) -> None:
    text = propose(tmp_path)
    keep = text.replace(f'"<{place}?>"', '"@@"')
    assert keep != text
    study = tmp_path / "study.toml"
    study.write_text(fill(keep).replace('"@@"', f'"<{place}?>"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="still holds the placeholder") as caught:
        load_study(study)
    assert len(caught.value.problems) == 1


def test_a_file_with_little_in_it(tmp_path: Path) -> None:
    text = propose(tmp_path, "# note\n\nUnknown;Bias (mV);InPlane;x\n1,5;2,5;3,0;1\n", "dev 3.txt")
    (table,) = tomllib.loads(text)["data"]
    assert table["device"] == "dev 3"
    assert table["columns"] == {"bias": "Bias (mV)", "par": "InPlane", "perp": "<column of perp?>"}
    assert table["format"] == {"separator": ";", "decimal": ","}
    assert table["thickness"].startswith("<nominal thickness")
    assert table["sigma"].startswith("<fit")
    study = tmp_path / "study.toml"
    study.write_text(fill(text), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_study(study)
    assert sum("still holds the placeholder" in problem.what for problem in caught.value.problems) == 3


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
    (tmp_path / "flat.csv").write_text("a b c\n1 2 3\n", encoding="utf-8")
    (tmp_path / "nul.csv").write_bytes(b"a,b\0,c\n")
    with pytest.raises(DataError) as caught:
        study_template([tmp_path / "none.csv", tmp_path / "flat.csv", tmp_path / "nul.csv", tmp_path])
    assert [problem.what.split(" ")[0] for problem in caught.value.problems] == ["no", "has", "holds", "is"]
    with pytest.raises(DataError, match="name at least one data file"):
        study_template([])


HOSTILE = (
    *('a"b', "a\\nb", "a'''b", "x]\u202e", 'q = 1"\n[evil]', "<tag>", "{{7*7}}", "µ,ß", "=cmd()", "a#b"),
    *("\x7f", "\x1b[0m"),
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_stay_strings(tmp_path: Path, name: str) -> None:
    cell = '"' + name.replace('"', '""').replace("\n", " ") + '"'
    text = propose(tmp_path, f"bias {cell[1:-1]},tau_par,tau_perp,{cell}\n".replace('bias "', 'bias "'))
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
