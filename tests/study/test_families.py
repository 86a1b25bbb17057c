"""Files and parts that are alike are described together; one that is not is named, and read on its own or refused."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from laboratory import BIAS, simulated, write
from scipy.io import savemat
from small import problems_of

from mtjfit.cli.first_steps import init_command
from mtjfit.study import load_study, study_template
from mtjfit.study.names import name_fields, pattern_of_names

HEADER = ("V (V)", "T_par (aN m)", "T_perp (aN m)")
FILLED = {"torque or torkance": "torque", "device, area or volume": "device", "MxP or PxM": "MxP"}


def files(folder: Path, names: Sequence[str], header: Sequence[str] = HEADER) -> list[Path]:
    """A file for each name, with other numbers in each."""
    return [write(folder / name, header, zip(BIAS, par, perp, strict=True))
            for name, (_, par, perp) in zip(names, simulated(1).values(), strict=False)]  # fmt: skip


def proposed(folder: Path, given: Sequence[Path], **answers: str) -> tuple[list[dict[str, Any]], Path]:
    """The tables of data of a proposal, and the study with its placeholders replaced."""
    text = study_template(given, folder)
    for words, value in {**FILLED, **answers}.items():
        text = text.replace(f"<{words}?>", value)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return tomllib.loads(text)["data"], folder / "study.toml"


def shown(folder: Path, given: Sequence[Path]) -> str:
    """What `mtjfit init` prints."""
    done = CliRunner().invoke(init_command, [*map(str, given), "-o", str(folder / "shown.toml")])
    assert done.exit_code == 0, done.output
    return done.output


NAMES: Mapping[str, tuple[list[str], str]] = {
    "device and thickness": (["A1_T2.0nm.csv", "B2_T1.5nm.csv"], "{device}_T{thickness:nm}.csv"),
    "p for the point": (["A_1p5nm.csv", "B_2p0nm.csv"], "{device}_{thickness:nm}.csv"),
    "thickness without unit": (["MTJ_t1p5_A.dat", "MTJ_t2_B.dat"], "MTJ_t{thickness:}_{device}.dat"),
    "a number that may be anything": (["A_t1.csv", "B_t2.csv"], "{device}.csv"),
    "thickness alone": (["d2.0nm.csv", "d1.5nm.csv"], "d{thickness:nm}.csv"),
    "numbers as names": (["dev_1.csv", "dev_10.csv"], "{device}.csv"),
    "braces": (["A{1}.csv", "B2.csv"], "{device}.csv"),
    "braces in all": (["{A}_1.csv", "{A}_2.csv"], "{device}.csv"),
    "something else that differs": (["A_2nm_c3.csv", "B_1nm_c7.csv"], "{device}_{thickness:nm}_{*}.csv"),
    "temperatures": (["A_300K.csv", "A_10K.csv"], "{device}_{condition}.csv"),
    "sweeps": (["A 2nm up.txt", "A 2nm down.txt"], "{device} {thickness:nm} {condition}.txt"),
    "components": (["A_ip.csv", "A_oop.csv", "B_ip.csv"], "{device}_{component}.csv"),
    "nothing in common": (["a", "b"], "{device}"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(case: str) -> None:
    names, pattern = NAMES[case]
    assert name_fields(names).pattern == pattern


@pytest.mark.parametrize(
    ("names", "others", "pattern"),
    [
        (["A1.csv", "B1.csv"], ["study.toml"], "*.csv"),
        (["A1.csv", "B1.csv"], ["Z1.csv"], "[AB]*1.csv"),
        (["up_A.csv", "up_B.csv"], ["down_A.csv"], "up_*.csv"),
        (["A[1].csv", "A[2].csv"], ["A3.csv"], "A[[]*].csv"),
    ],
)
def test_a_pattern_fits_these_files_and_no_others(names: list[str], others: list[str], pattern: str) -> None:
    assert pattern_of_names(names, others, ".csv") == pattern


ODD = {
    "no second component": (("V (V)", "T_par (aN m)", "R (ohm)"), "no column of perp"),
    "another unit": (("V (mV)", *HEADER[1:]), "bias in mV in place of V"),
    "another name": (("V (V)", "tau_par (aN m)", HEADER[2]), "par is 'tau_par' in place of 'T_par'"),
}


@pytest.mark.parametrize("odd", ODD)
def test_the_one_that_is_unlike_the_others_is_named(odd: str, tmp_path: Path) -> None:
    header, why = ODD[odd]
    given = [*files(tmp_path, ["A_1nm.csv", "B_2nm.csv", "C_3nm.csv"]), *files(tmp_path, ["Z_2.5nm.csv"], header)]
    assert f"LOOK: unlike A_1nm.csv and 2 more, described on its own: {why}" in shown(tmp_path, given)
    (many, one), study = proposed(tmp_path, given)
    assert (many["files"], one["file"]) == ("[ABC]*nm.csv", "Z_2.5nm.csv")
    assert load_study(study).devices == ("A", "B", "C", "Z")


def test_one_that_is_written_differently_is_named_as_the_others(tmp_path: Path) -> None:
    given = files(tmp_path, ["mtj_A_1nm.csv", "mtj_C_3nm.csv", "mtj_B_2nm.csv"])
    text = given[-1].read_text(encoding="utf-8").replace(",", ";").replace(".", ",")
    given[-1].write_text(text, encoding="utf-8")  # as a German program exports it
    tables, study = proposed(tmp_path, given)
    assert [table["name"] for table in tables] == ["mtj_{device}_{thickness:nm}.csv"] * 2
    assert load_study(study).devices == ("A", "C", "B")


def test_names_that_fit_no_common_pattern_keep_their_own(tmp_path: Path) -> None:
    one = files(tmp_path, ["mtj_A_1nm.csv", "mtj_C_3nm.csv"])
    other = files(tmp_path, ["x_B_2nm.csv"], ("V (mV)", *HEADER[1:]))
    tables, _ = proposed(tmp_path, [*one, *other])
    assert [table["name"] for table in tables] == ["mtj_{device}_{thickness:nm}.csv", "{device}_{thickness:nm}.csv"]


def test_one_that_no_pattern_leaves_out_is_refused_by_its_name(tmp_path: Path) -> None:
    good, odd = files(tmp_path, ["A1_1nm.csv", "B2_2nm.csv"]), files(tmp_path, ["A2_1nm.csv"], ("V (mV)", *HEADER[1:]))
    assert "LOOK: *.csv also fits A2_1nm.csv" in shown(tmp_path, [*good, *odd])
    _, study = proposed(tmp_path, [*good, *odd])
    assert any("A2_1nm.csv:1: column 'V': is in 'mV'" in each for each in problems_of(load_study, study))


def test_files_beside_those_that_were_named(tmp_path: Path) -> None:
    given = files(tmp_path, ["A1_1nm.csv", "B2_2nm.csv", "B1_2nm.csv"])
    proposed(tmp_path, given[:2])
    assert "# LOOK: this also fits 1 other file: B1_2nm.csv" in (tmp_path / "study.toml").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows forbids such names")
def test_odd_characters_in_names(tmp_path: Path) -> None:
    names = ["a[1]_0.9nm.csv", "b{2}_1.4nm.csv", "c*3_2nm.csv", "d'q_2.8nm.csv", 'e"f#_3.6nm.csv']
    _, study = proposed(tmp_path, files(tmp_path, names))
    assert set(load_study(study).devices) == {name.partition("_")[0] for name in names}


def test_thickness_that_names_the_devices(tmp_path: Path) -> None:
    (table,), study = proposed(tmp_path, files(tmp_path, ["t0p9.csv", "t1p4.csv", "t2.csv"]))
    assert table["columns"]["device"] == table["columns"]["thickness"] == "thickness"
    assert load_study(study).thicknesses.tolist() == [0.9, 1.4, 2.0]
    rows = [(d, *row) for d in (0.9, 2.0) for row in zip(BIAS, BIAS, BIAS, strict=True)]
    _, study = proposed(tmp_path, [write(tmp_path / "one.csv", ("d (nm)", *HEADER), rows)])
    assert [(curve.device, curve.thickness) for curve in load_study(study).curves] == [("0.9", 0.9), ("2.0", 2.0)]


def test_devices_that_thickness_and_name_tell_apart_together(tmp_path: Path) -> None:
    names = [f"W12_t{d}nm_{letter}.csv" for d in ("1.4", "2.3") for letter in "AB"]
    given = files(tmp_path, names)
    (table,), study = proposed(tmp_path, given)
    assert table["name"] == "W12_t{thickness:nm}_{device}.csv"
    assert table["columns"]["device"] == "{thickness} {device}"
    expected = [("1.4 nm A", 1.4), ("1.4 nm B", 1.4), ("2.3 nm A", 2.3), ("2.3 nm B", 2.3)]
    assert [(curve.device, curve.thickness) for curve in load_study(study).curves] == expected
    assert [curve.source for curve in load_study(study).curves] == names
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace('"{thickness} {device}"', '"device"'), encoding="utf-8")
    first, *_ = problems_of(load_study, study)
    assert "device 'A' is 2.3 nm here and 1.4 nm above" in first  # and the advice is what init writes
    assert first.endswith('tell devices apart only by both, columns.device = "{thickness} {device}"')
    study.write_text(text.replace('"{thickness} {device}"', '"{thickness} {lot}"'), encoding="utf-8")
    assert "column '{thickness} {lot}': no such column" in problems_of(load_study, study)[0]


def test_components_of_devices_that_both_tell_apart(tmp_path: Path) -> None:
    names = [f"t{d}nm_{a}_{c}.csv" for d in ("1.4", "2.3") for a in "AB" for c in ("ip", "oop")]
    (table,), _ = proposed(tmp_path, files(tmp_path, names, ("V (V)", "T (aN m)", "error (aN m)")))
    assert table["columns"]["device"] == "{thickness} {device}"
    assert table["columns"]["component"] == "component"


def test_sweeps_without_a_name_are_read_together(tmp_path: Path) -> None:
    there_and_back = np.append(BIAS, BIAS[::-1])
    rows = zip(there_and_back, there_and_back, there_and_back**2, strict=True)
    (table,), study = proposed(tmp_path, [write(tmp_path / "A_2nm.csv", HEADER, rows)])
    assert (table["format"]["order"], table["format"]["repeats"]) == ("any", True)
    assert load_study(study).curves[0].n_used == 2 * BIAS.size


def parts(container: str, path: Path, tables: Mapping[str, Mapping[str, Sequence[object]]]) -> Path:
    """A file with a table in each part."""
    if container == "xlsx":
        book = pytest.importorskip("openpyxl").Workbook()
        book.remove(book.active)
        for name, table in tables.items():
            sheet = book.create_sheet(name)
            sheet.sheet_state = "hidden" if name == "hidden" else "visible"
            for row in [tuple(table), *zip(*table.values(), strict=True)] if table else []:
                sheet.append([float(each) if isinstance(each, float) else each for each in row])
        book.save(path)
    elif container == "h5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            for name, table in tables.items():
                for column, values in table.items():
                    file[f"{name}/{column}"] = np.array(values)
    elif container == "tdms":
        nptdms = pytest.importorskip("nptdms")
        with nptdms.TdmsWriter(path) as file:
            file.write_segment([nptdms.ChannelObject(name, column, np.array(values))
                                for name, table in tables.items() for column, values in table.items()])  # fmt: skip
    else:
        savemat(path, {name: dict(table) for name, table in tables.items()})
    return path


def columns(k: int) -> dict[str, list[float]]:
    """Bias and torques of the k-th device."""
    _, par, perp = [*simulated(1).values()][k]
    return {"V": BIAS.tolist(), "T_par": par.tolist(), "T_perp": perp.tolist()}


@pytest.mark.parametrize("container", ["xlsx", "h5", "tdms", "mat"])
def test_a_part_for_each_device(container: str, tmp_path: Path) -> None:
    names = ["A_0.9nm", "B_1.4nm", "C_2.0nm"] if container != "mat" else ["A_0p9nm", "B_1p4nm", "C_2p0nm"]
    path = parts(container, tmp_path / f"lot.{container}", {name: columns(k) for k, name in enumerate(names)})
    (table,), study = proposed(
        tmp_path, [path], **{"unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary": "arb"}
    )
    assert (table["format"]["sheet"], table["name"]) == ("*", "{*}[{device}_{thickness:nm}]")
    assert [(c.device, c.thickness) for c in load_study(study).curves] == [("A", 0.9), ("B", 1.4), ("C", 2.0)]


OTHERS: Mapping[str, tuple[dict[str, Any], str]] = {
    "notes": ({"notes": {"in the cellar": []}}, "*"),
    "a table of something else": ({"lot": {"x": [1.0, 2.0], "y": [3.0, 4.0]}}, "*"),
    "empty": ({"empty": {}}, "*"),
    "some of the columns": ({"mean": {"V": [0.1, 0.2, 0.3], "I": [1.0, 2.0, 3.0]}}, "*nm"),
    "another unit": ({"old": {"V (mV)": [100.0, 200.0, 300.0], "T_par": [1.0] * 3, "T_perp": [2.0] * 3}}, "*nm"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_parts_beside_those_of_devices_are_named(other: str, tmp_path: Path) -> None:
    more, pattern = OTHERS[other]
    path = parts("xlsx", tmp_path / "lot.xlsx", {"A 1nm": columns(0), "B 2nm": columns(1), **more})
    (table,), study = proposed(
        tmp_path, [path], **{"unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary": "arb"}
    )
    assert table["format"]["sheet"] == pattern
    read = load_study(study)
    assert read.devices == ("A", "B")
    if pattern == "*" and other != "empty":
        assert any(f"{next(iter(more))} is not read: " in each for curve in read.curves for each in curve.notices)
    # told to read all, it refuses the part that has some of the columns, by its name
    text = study.read_text(encoding="utf-8").replace('sheet = "*nm"', 'sheet = "*"')
    study.write_text(text, encoding="utf-8")
    if pattern != "*":
        assert any(f"lot.xlsx[{next(iter(more))}]" in each for each in problems_of(load_study, study))


def test_a_hidden_sheet_is_told(tmp_path: Path) -> None:
    path = parts("xlsx", tmp_path / "lot.xlsx", {"A 1nm": columns(0), "hidden": columns(1)})
    assert "sheet 'hidden' is hidden in the workbook" in shown(tmp_path, [path])


def test_a_torque_of_one_component_that_nothing_names_stays_open(tmp_path: Path) -> None:
    text = study_template(
        [write(tmp_path / "A_2nm.csv", (*HEADER[:1], "torque (aN m)"), zip(BIAS, BIAS, strict=True))], tmp_path
    )
    assert tomllib.loads(text)["data"][0]["columns"]["par"].startswith("<the column, if that is the component")


def test_b0_is_proposed_for_torques_alone(tmp_path: Path) -> None:
    torque, torkance = HEADER, ("V (V)", "T_par (mT/V)", "T_perp (mT/V)")
    declared = [tomllib.loads(study_template(files(tmp_path, ["A_2nm.csv"], header), tmp_path))["parameters"]
                for header in (torque, torkance)]  # fmt: skip
    assert [("b0" in each) for each in declared] == [True, False]
    # declared as a torkance all the same, it is refused at its place
    study = proposed(tmp_path, files(tmp_path, ["A_2nm.csv"], ("V (V)", "T_par (arb)", "T_perp (arb)")),
                     **{"torque or torkance": "torkance"})[1]  # fmt: skip
    assert any("parameters.b0: a torkance does not contain b0" in each for each in problems_of(load_study, study))
