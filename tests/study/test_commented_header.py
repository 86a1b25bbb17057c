"""A header in a comment, as numpy.savetxt writes it: its names and units count; remarks are none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mtjfit.cli import cli
from mtjfit.data import Columns, ColumnUnits, SourceFile, TableDeclaration, TableFormat, curves_from_sources
from mtjfit.errors import DataError
from mtjfit.study import load_study
from mtjfit.study.inspection import FileInspection, inspect_file

NUMBERS = "-0.1,-1.0,0.2\n0,0.02,0.01\n0.1,1.1,0.2\n"
HEADER = "V (V), dT_par/dV (1e-19 N m/V), dT_perp/dV (1e-19 N m/V)"
ANSWERS = {"torque or torkance": "torkance", "device, area or volume": "device", "MxP or PxM": "MxP",
           "nm or angstrom": "nm"}  # fmt: skip


def inspected(folder: Path, text: str) -> FileInspection:
    file = folder / "a.txt"
    file.write_text(text, encoding="utf-8")
    return inspect_file(file)


def test_what_savetxt_writes_leads_to_a_study_whose_units_are_compared(tmp_path: Path) -> None:
    V = np.linspace(-0.1, 0.1, 5)
    np.savetxt(tmp_path / "a.txt", np.transpose([V, V, V**2]), delimiter=",", header=f"Lab 3, Jena, 2024\n{HEADER}")
    file = tmp_path / "study.toml"
    done = CliRunner().invoke(cli, ["init", str(tmp_path / "a.txt"), "-o", str(file)])
    assert "found out: header in a comment: line 2 names the columns" in done.output
    assert "no header line" not in done.output
    text = file.read_text(encoding="utf-8")
    names = ", ".join(f'"{name}"' for name in HEADER.split(", "))
    assert f"names = [{names}]  # GUESS: from a comment above the numbers" in text
    assert 'torque = "1e-19 N m/V"  # as the file says' in text
    for words, answer in ANSWERS.items():
        text = text.replace(f'"<{words}?>"', f'"{answer}"')
    text = re.sub(r'"<nominal thickness.*?>"', "2.0", text)
    file.write_text(text, encoding="utf-8")
    (curve,) = load_study(file).curves
    assert np.allclose(curve.par, V)
    file.write_text(text.replace('bias = "V"  # as', 'bias = "mV"  # as'), encoding="utf-8")
    with pytest.raises(DataError, match=r"is in 'V' in the file"):
        load_study(file)


@pytest.mark.parametrize(
    ("comment", "numbers"),
    [("# V,par,perp\n", NUMBERS), ("% V,par,perp\n", NUMBERS), ("## V,par,perp\n#\n# ----\n", NUMBERS),
     ("# V par perp\n", NUMBERS.replace(",", " ")), ("# V (V)  par (mT)  perp (mT)\n", NUMBERS.replace(",", " ")),
     ("# V;par;perp\n", NUMBERS.replace(",", ";").replace(".", ","))],
)  # fmt: skip
def test_names_of_a_comment(tmp_path: Path, comment: str, numbers: str) -> None:
    assert inspected(tmp_path, comment + numbers).columns == {"bias": "V", "par": "par", "perp": "perp"}


@pytest.mark.parametrize(
    "comment",
    ["# V,par\n", "# V,par,perp,rest\n", "# V,par,\n", "# V,par,par\n", "# V,par,1.5\n", "# V,par,nan\n",
     "# V,par,\x07\n", "# V,par,p\u200bq\n", "# V,par,<what?>\n", "# 12:03,T = 295 K,V\n", '# V,"par,perp\n',
     "# one,two,three\n", "# V,par,perp\n# made in Jena, lab 3\n", f"# V,par,{'p' * 10_000}\n", "#" * 9999 + "\n",
     "# " + "V," * 9999 + "\n"],
)  # fmt: skip
def test_other_comments_leave_the_columns_to_their_numbers(tmp_path: Path, comment: str) -> None:
    found = inspected(tmp_path, comment + NUMBERS)
    assert found.names == ("column 1", "column 2", "column 3")
    assert any("no header line" in note for note in found.notes)


def test_a_table_with_a_header_line_keeps_it(tmp_path: Path) -> None:
    found = inspected(tmp_path, "# bias,T_ip,T_oop\nV,par,perp\n" + NUMBERS)
    assert found.columns == {"bias": "V", "par": "par", "perp": "perp"}


@pytest.mark.parametrize("names", [(), ("column 1", "column 2", "column 3")])
@pytest.mark.parametrize("reader", ["wide", "origin"])
def test_a_study_that_numbers_the_columns_is_read_as_before(reader: str, names: tuple[str, ...]) -> None:
    declared = TableDeclaration("torkance", "device", "MxP", Columns("column 1", "column 2", "column 3"),
                                ColumnUnits("V", "arb", "nm"), device="A", thickness=2.0, sigma="fit",
                                format=TableFormat(reader=reader, names=names))  # fmt: skip
    (curve,) = curves_from_sources([SourceFile("a.txt", f"# {HEADER}\n{NUMBERS}".encode(), "a.txt")], declared)
    assert curve.par.tolist() == [-1.0, 0.02, 1.1]


def test_a_declared_table_says_what_to_do() -> None:
    declared = TableDeclaration("torkance", "device", "MxP", Columns("V", "dT_par/dV", "dT_perp/dV"),
                                ColumnUnits("V", "arb", "nm"), device="A", thickness=2.0, sigma="fit")  # fmt: skip
    with pytest.raises(DataError, match=r"a\.txt:1: the header is a comment; remove the comment character"):
        curves_from_sources([SourceFile("a.txt", f"# {HEADER}\n{NUMBERS}".encode(), "a.txt")], declared)


def test_one_component_below_a_commented_header_is_no_spectrum(tmp_path: Path) -> None:
    V = np.linspace(-0.1, 0.1, 21)
    np.savetxt(tmp_path / "a.txt", np.transpose([V, V]), header="V in-plane")
    done = CliRunner().invoke(cli, ["init", str(tmp_path / "a.txt"), "-o", str(tmp_path / "s.toml")])
    assert "par (GUESS)" in done.output
    assert "[[data]]" in (tmp_path / "s.toml").read_text(encoding="utf-8")
