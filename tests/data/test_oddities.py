"""Every line of the tables of docs/how-to/oddities.md is true: read, noticed or refused."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path

import numpy as np
import pytest
from reader_files import file_bytes, needs

from mtjfit.data import SourceFile
from mtjfit.data.readers import ReadOptions, recognised_in, settled, sheets_from_bytes
from mtjfit.errors import DataError

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "oddities.md"
TABLE = "V,par,perp\n-100,-1.5,0.25\n0,0,0\n100,1.5,0.25\n"
PREAMBLE = "".join(f"Setting {k},value\n" for k in range(30))
SAID = dict(
    re.findall(r"^\| (?!oddity|---)(.+?) \| (read|noticed|refused)\b.*\|$", PAGE.read_text("utf-8"), re.MULTILINE)
)

TEXTS = {
    "fields in quotes": TABLE.replace("par", '"par"').replace("0.25", '"0.25"'),
    "the mark of UTF-8 at the beginning": "\ufeff" + TABLE,
    "line ends of Windows, or of old Macs": TABLE.replace("\n", "\r"),
    "comment lines above the header": "# lot 7\n" + TABLE,
    "a separator at the end of every line": TABLE.replace("\n", ",\n"),
    "packed with gzip": gzip.compress(TABLE.encode()),
    "Excel's own first line, `sep=;`": "sep=;\n" + TABLE.replace(",", ";"),
    "columns separated by spaces": TABLE.replace(",", "  "),
    "decimal commas": TABLE.replace(",", ";").replace(".", ","),
    "bytes that are not UTF-8": TABLE.replace("perp", "Größe").encode("latin-1"),
    "a preamble above the names, of any length": PREAMBLE + TABLE,
    "a title above a table saved by Excel": "Lot 7,,\n,,\n" + TABLE,
    "a line of units below the names": TABLE.replace("perp\n", "perp\nmV,mT/V,mT/V\n"),
    "names of columns that are numbers": TABLE.replace("par,perp", "0.8,1.2"),
    "no line of names": TABLE.partition("\n")[2],
    "a line that names fewer columns than there are": TABLE.replace(",perp", ""),
    "Quantum Design, `[Header]` and `[Data]`": "[Header]\nINFO,A1,SAMPLE\n[Data]\n" + TABLE,
    "a row with a field too few": TABLE + "200,1\n",
    "a row with a field too many": TABLE + "200,1,2,3\n",
    "a second table below the first": TABLE + TABLE,
    "decimal commas in quotes, columns separated by commas": TABLE.replace("-1.5,0.25", '"-1,5","0,25"').replace(
        "1.5,0.25", '"1,5","0,25"'
    ),
    "a minus sign from a word processor, `−` (U+2212)": TABLE.replace("-1.5", "−1.5"),
    "an en dash in front of a number, or another dash": TABLE.replace("-1.5", "–1.5"),
    'commas that may be of thousands or decimal, `"1,234"`': 'V,par,perp\n-100,"1,234",0\n0,1,0\n100,2,0\n',
    "some numbers with points, some with commas": TABLE.replace("-1.5", '"-1,5"'),
    "thousands separators": TABLE.replace("0,0,0", "0,1'000,0"),
    "a number too large for a computer": TABLE.replace("0,0,0", "0,1e999,0"),
    "an open quote": TABLE + '200,"1,2\n',
    "UTF-16": TABLE.encode("utf-16"),
    "a kilobyte that unpacks to gigabytes": gzip.compress(bytes(10_000_000)),
    "MATLAB: function handles, objects, complex or sparse arrays": file_bytes("matlab.mat"),
    "HDF5: arrays of two dimensions": file_bytes("hdf5.h5"),
    "TDMS: channels of one length in a group": file_bytes("labview.tdms"),
    "TDMS that was cut off": file_bytes("labview.tdms")[:-20],
}


def hdf5(**content: np.ndarray) -> bytes:
    needs("hdf5")
    import h5py

    with h5py.File(stream := io.BytesIO(), "w") as file:
        for name, values in content.items():
            file[name] = values
    return stream.getvalue()


def packed() -> bytes:
    needs("hdf5")
    import h5py

    with h5py.File(stream := io.BytesIO(hdf5(V=np.arange(3), par=np.arange(3))), "a") as file:
        file.create_dataset("x", data=np.arange(3.0), chunks=(3,), scaleoffset=2)
    return stream.getvalue()


def excel(*lines: list[object]) -> bytes:
    needs("excel")
    import openpyxl

    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    book.save(stream := io.BytesIO())
    return stream.getvalue()


def matlab() -> bytes:
    from scipy.io import savemat

    savemat(stream := io.BytesIO(), {"V": np.arange(3.0), "M": np.eye(2), "s": {"x": np.arange(4.0)}})
    return stream.getvalue()


MADE = {
    "a title above a sheet of Excel": lambda: excel(["Lot 7"], ["V", "par"], [1.0, 2.0], [3.0, 4.0]),
    "formulas in Excel": lambda: excel(["V", "par"], [1.0, 2.0], [3.0, 4.0], ["=A2", 5.0]),
    "MATLAB 5 to 7: vectors, matrices, structures": matlab,
    "HDF5, MATLAB 7.3: vectors of one length in a group": lambda: hdf5(**{"a/V": np.arange(3), "b/V": np.arange(4)}),
    "HDF5: arrays packed in an odd way, damaged, too large, or kept in another file": packed,
    "a column of another length in a group": lambda: hdf5(**{"A/V": np.arange(11), "A/x": np.arange(2)}),
    "HDF5 without a table": lambda: hdf5(grid=np.eye(3)),
}


def outcome(data: bytes, name: str) -> str:
    """What becomes of a file, and of the numbers in its second column."""
    source = SourceFile(name, data, name)
    try:
        if recognised_in(source).name == "tdms":
            needs("tdms")
        sheets = sheets_from_bytes(source, "", ReadOptions(max_bytes=1_000_000))
        sheets, notices = settled(sheets, ["par"], "")
        for sheet in sheets:
            if {"V", "par"} <= set(sheet.names):
                sheet.numbers("par")
    except DataError:
        return "refused"
    usual = ("read as", "separator ','")
    notices += [note for each in sheets for note in each.notes]
    return "noticed" if any(not note.startswith(usual) for note in notices) else "read"


def test_every_line_has_a_case() -> None:
    assert set(SAID) == set(TEXTS) | set(MADE)


@pytest.mark.parametrize("oddity", SAID)
def test_what_the_page_says_happens(oddity: str) -> None:
    if "HDF5" in oddity or "in a group" in oddity:
        needs("hdf5")
    content = MADE[oddity]() if oddity in MADE else TEXTS[oddity]
    data = content.encode() if isinstance(content, str) else content
    assert outcome(data, "t.xlsx" if "Excel" in oddity and data.startswith(b"PK") else "t.csv") == SAID[oddity]
