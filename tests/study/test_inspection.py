"""What ``mtjfit init`` shows of a file: every sheet, every cell that is no number, and what cannot be read."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import savemat
from small import declare

from mtjfit.cli import cli
from mtjfit.data import Columns, read_curves
from mtjfit.data.readers import read_sheet
from mtjfit.errors import DataError
from mtjfit.study.families import families
from mtjfit.study.inspection import FileInspection, inspect_file, period_of
from mtjfit.study.template import template_of

ROWS = "A,-0.1,1,2\nA,0,1,2\nA,0.1,1,2\n"


def inspected(folder: Path, content: str | bytes, name: str = "a.csv") -> FileInspection:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return inspect_file(file)


def looks(found: FileInspection) -> list[str]:
    """Lines that ask to look."""
    return [line.strip() for line in found.as_text().splitlines() if "LOOK: " in line]


@pytest.mark.parametrize("cell", ["nan", "#N/A", "1 000", "off", ""])
def test_cells_that_are_no_numbers_are_told_beside_the_range(tmp_path: Path, cell: str) -> None:
    (look,) = looks(inspected(tmp_path, "device,V,par,perp\n" + ROWS.replace("A,0,1", f"A,{cell},1")))
    assert "column 'V': 3 rows, 1 of them no numbers, the first in line 3: " in look


def test_numbers_and_names_alone_give_no_reason_to_look(tmp_path: Path) -> None:
    found = inspected(tmp_path, "device,V,par,perp,remark\n" + ROWS.replace(",2\n", ",2,ok\n"))
    assert looks(found) == []
    assert found.columns == {"device": "device", "bias": "V", "par": "par", "perp": "perp"}


def test_what_check_would_refuse_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv:3: .*3 fields"):
        inspected(tmp_path, "device,V,par,perp\n" + ROWS.replace("A,0,1,2", "A,0,1"))


@pytest.mark.slow
def test_the_beginning_of_a_large_table_is_enough(tmp_path: Path) -> None:
    row = "A1,0.1,1.0,2.0" + "0" * 2000
    found = inspected(tmp_path, "device,V,par,perp\n" + f"{row}\n" * 9000)
    assert found.is_beginning
    assert "only its beginning was looked at" in found.as_text()
    assert 1000 < len(found.sheet.lines) < 9000


def test_a_table_without_header_gets_names_that_a_study_may_use(tmp_path: Path) -> None:
    text = template_of(families([inspected(tmp_path, "-0.1,1,2\n0,1,2\n0.1,1,2\n")]), tmp_path)
    assert 'names = ["column 1", "column 2", "column 3"]' in text


def workbook(*sheets: tuple[str, list[list[object]]]) -> bytes:
    """An Excel workbook."""
    book = pytest.importorskip("openpyxl").Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        one = book.create_sheet(name)
        for row in rows:
            one.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def table(device: str) -> list[list[object]]:
    return [["device", "V", "par", "perp"], *([device, v, 1.0, 2.0] for v in (-0.1, 0.0, 0.1))]


def test_a_sheet_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    found = inspected(tmp_path, workbook(("notes", [["in the cellar"]]), ("A1", table("A1"))), "a.xlsx")
    assert "a.xlsx[notes]: cannot be read: has no rows of data" in found.as_text()
    assert (found.part, found.columns["bias"]) == ("A1", "V")
    assert 'sheet = "A1"  # GUESS: the file also has notes' in template_of(families([found]), tmp_path)


@pytest.mark.parametrize(("second", "part"), [("B2", ""), ("A1", "one")])
def test_sheets_are_read_together_where_their_devices_differ(tmp_path: Path, second: str, part: str) -> None:
    found = inspected(tmp_path, workbook(("one", table("A1")), ("two", table(second))), "a.xlsx")
    assert found.part == part


def test_texts_with_decimal_commas_in_a_workbook(tmp_path: Path) -> None:
    rows: list[list[object]] = [["V", "par", "perp"], ["-0,1", "1,5", "0,2"], [0, "1,4", "0,3"], ["0,1", "1,3", "0,4"]]
    found = inspected(tmp_path, workbook(("one", rows)), "a.xlsx")
    assert looks(found) == []
    assert 'decimal = ","' in template_of(families([found]), tmp_path)


def test_a_segment_of_labview_without_rows(tmp_path: Path) -> None:
    head = "LabVIEW Measurement\t\nSeparator\tTab\nDecimal_Separator\t.\n***End_of_Header***\t\n"
    segment = "Channels\t3\t\n***End_of_Header***\t\nV\tpar\tperp\n"
    found = inspected(
        tmp_path, head + segment + "Channels\t3\t\n***End_of_Header***\t\nV\tpar\tperp\n0\t1\t2\n", "a.lvm"
    )
    assert "cannot be read" in found.as_text()
    assert (found.part, len(found.sheet.lines)) == ("2", 1)


def test_complex_variables_of_netcdf(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    v = np.linspace(-0.1, 0.1, 3)
    data = xarray.Dataset({"par": ("V", v), "perp": ("V", v), "S21": ("f", v + 1j)}, coords={"V": v})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # netCDF proper holds no complex numbers; QCoDeS writes them so
        data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf", invalid_netcdf=True)
    found = inspect_file(tmp_path / "a.nc")
    assert "a.nc[f]: cannot be read: variable 'S21' is complex" in found.as_text()
    assert (found.part, found.names) == ("V", ("V", "par", "perp"))


V = np.linspace(-0.5, 0.5, 11)
GOOD = {"V": V, "par": V + 1.0, "perp": V**2}
BAD: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "complex": (GOOD | {"par": V + 1j}, "B/par (complex)"),
    "of another length": (GOOD | {"par": V[:5]}, "B, 5 rows]"),
    "padded": ({name: np.append(values, [np.nan] * 3) for name, values in GOOD.items()}, "3 of them no numbers"),
}


def groups_of(container: str, path: Path, groups: dict[str, dict[str, np.ndarray]]) -> None:
    """Write columns by group."""
    if container == "hdf5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            for group, columns in groups.items():
                for name, values in columns.items():
                    file[f"{group}/{name}"] = values
    elif container == "tdms":
        nptdms = pytest.importorskip("nptdms")
        with nptdms.TdmsWriter(path) as file:
            file.write_segment([nptdms.ChannelObject(group, name, values)
                                for group, columns in groups.items() for name, values in columns.items()])  # fmt: skip
    else:
        savemat(path, groups)


@pytest.mark.parametrize("container", ["hdf5", "tdms", "matlab"])
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_group_does_not_hide_the_others(container: str, bad: str, tmp_path: Path) -> None:
    columns, said = BAD[bad]
    path = tmp_path / f"a.{container}"
    groups_of(container, path, {"A": GOOD, "B": columns})
    found = inspect_file(path)
    assert said in found.as_text()
    assert found.part.strip("/") == ("*" if bad == "padded" else "A")
    sheet = read_sheet(path, container, sheet=found.part)[0]
    assert sheet.numbers("par").tolist() == (V + 1.0).tolist()


@pytest.mark.parametrize("container", ["hdf5", "tdms", "matlab"])
def test_a_column_of_another_length_does_not_hide_its_group(container: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{container}"
    groups_of(container, path, {"A": GOOD | {"limits": V[:2]}})
    found = inspect_file(path)
    assert found.part.strip("/") == "A, 11 rows"
    (sheet,) = read_sheet(path, container, sheet=found.part)
    assert sheet.names == ("V", "par", "perp")
    declaration = declare(Columns("V", "par", "perp"), device="A", thickness=2.0, sigma="fit", reader=container)
    with pytest.raises(DataError, match=r'alone, set sheet = ".*A, 11 rows"'):
        read_curves(path, declaration)


def test_arrays_of_hdf5_that_are_packed_elsewhere_or_damaged_do_not_hide_the_others(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    groups_of("hdf5", path, {"A": GOOD})
    with h5py.File(path, "a") as file:
        file.create_dataset("B/scaled", data=V, chunks=(4,), scaleoffset=2)
        file["B/linked"] = h5py.ExternalLink("other.h5", "/x")
        file["B/image"] = np.zeros((3, 4))
        file.create_dataset("B/huge", (10**9,), "f8", chunks=(10**6,), compression="gzip")
        broken = file.create_dataset("B/broken", data=V, chunks=(11,), fletcher32=True).id
        where = broken.get_chunk_info(0).byte_offset
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    found = inspect_file(path)
    assert found.names == ("V", "par", "perp")
    for name in ("scaled (packs it in a way", "linked", "image (3, 4)", "huge (unpacks to more", "broken (cannot be"):
        assert f"/B/{name}" in found.as_text()


@pytest.mark.parametrize(
    ("names", "period"),
    [
        (("V", "T", "V", "T"), 2),
        (("a", "a", "b", "b"), 2),
        (("V", "T", "T"), 0),
        (("V", "T"), 0),
        ((), 0),
        (("a", "a"), 2),
    ],
)
def test_only_whole_series_repeat(names: tuple[str, ...], period: int) -> None:
    assert period_of(names) == period


def test_the_next_command_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "a b #1"
    folder.mkdir()
    (folder / "a.csv").write_text("device,V,par,perp\n" + ROWS, encoding="utf-8")
    output = folder / "x.toml"
    done = CliRunner().invoke(cli, ["init", str(folder / "a.csv"), "-o", str(output)])
    assert done.output.splitlines()[-1] in (f"Next:   mtjfit check '{output}'", f'Next:   mtjfit check "{output}"')


def test_a_wafer_study_is_no_study_to_run(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text('[study]\nname = "a"\n[wafer]\nx = "x"\ny = "y"\n', encoding="utf-8")
    done = CliRunner().invoke(cli, ["run", str(tmp_path / "w.toml"), "-o", str(tmp_path / "out")])
    assert (done.exit_code, "is for mtjfit batch" in done.output, "remove [wafer]" in done.output) == (3, True, True)
