"""Files that are no text table, named by their first bytes, and what to export in place of each."""

from __future__ import annotations

import re
from typing import NamedTuple


class _Kind(NamedTuple):
    """A kind of file: the mark at its beginning, a word that is also in it, what it is, and what to do."""

    mark: bytes
    word: bytes
    what: str
    todo: str


_READER = 'set reader = "{0}" in [data.format], or export CSV'
_CSV = "export the table as CSV or text"
_KINDS = (
    _Kind(b"\xd0\xcf\x11\xe0", "EncryptedPackage".encode("utf-16-le"), "is an Excel workbook with a password",
          "remove the password in Excel and save it again"),
    _Kind(b"\xd0\xcf\x11\xe0", b"", "is an old Excel workbook (.xls) or another OLE file", "save it as .xlsx or CSV"),
    _Kind(b"PK\x03\x04", b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "is an OpenDocument table (.ods)",
          "save it as .xlsx or CSV"),
    _Kind(b"PK\x03\x04", b"xl/worksheets", "is an Excel workbook",
          'set reader = "excel" in [data.format] and call it .xlsx, or save it as CSV'),
    _Kind(b"PK\x03\x04", b".npy", "holds arrays of NumPy (.npz)", "write the table with numpy.savetxt"),
    _Kind(b"PK\x03\x04", b"", "is a zip archive", "unpack it, and name a file in it"),
    _Kind(b"\x93NUMPY", b"", "is an array of NumPy (.npy)", "write the table with numpy.savetxt"),
    _Kind(b"CPYUA", b"", "is an Origin project (.opju)", "export the worksheet as ASCII in Origin"),
    _Kind(b"CPYA", b"", "is an Origin project (.opj)", "export the worksheet as ASCII in Origin"),
    _Kind(b"TDSm", b"", "is a TDMS file of LabVIEW", _READER.format("tdms")),
    _Kind(b"TDSh", b"", "is the index of a TDMS file", "name the .tdms file beside it"),
    _Kind(b"MATLAB 5.0", b"", "is a MATLAB file", _READER.format("matlab")),
    _Kind(b"MATLAB 7.3", b"", "is a MATLAB file", _READER.format("hdf5")),
    _Kind(b"\x89HDF", b"", "is an HDF5 file", _READER.format("hdf5")),
    _Kind(b"CDF\x01", b"", "is a netCDF file", _READER.format("netcdf")),
    _Kind(b"CDF\x02", b"", "is a netCDF file", _READER.format("netcdf")),
    _Kind(b"PAR1", b"", "is a Parquet file", _READER.format("parquet")),
    _Kind(b"SQLite format 3", b"", "is an SQLite database", _READER.format("qcodes")),
    _Kind(b"7z\xbc\xaf\x27\x1c", b"", "is a 7z archive", "unpack it, and name a file in it"),
    _Kind(b"Rar!\x1a", b"", "is a RAR archive", "unpack it, and name a file in it"),
    _Kind(b"\x1f\x8b", b"", "is packed with gzip", "unpack it"),
    _Kind(b"BZh", b"", "is packed with bzip2", "unpack it, or pack it with gzip"),
    _Kind(b"\xfd7zXZ", b"", "is packed with xz", "unpack it, or pack it with gzip"),
    _Kind(b"\x28\xb5\x2f\xfd", b"", "is packed with zstd", "unpack it, or pack it with gzip"),
    _Kind(b"%PDF", b"", "is a PDF document", "ask for the numbers, or read them off with WebPlotDigitizer"),
    _Kind(b"\x89PNG", b"", "is a picture (PNG)", "read the points off with WebPlotDigitizer, and export CSV"),
    _Kind(b"\xff\xd8\xff", b"", "is a picture (JPEG)", "read the points off with WebPlotDigitizer, and export CSV"),
    _Kind(b"GIF8", b"", "is a picture (GIF)", "read the points off with WebPlotDigitizer, and export CSV"),
    _Kind(b"{", b'"datasetColl"', "is a project of WebPlotDigitizer", "export its data sets as CSV there"),
    _Kind(b"{", b"", "is a JSON document", _CSV),
    _Kind(b"<", b"", "is a web page or an XML document", _CSV),
)  # fmt: skip
_TAR = b"ustar"
_LOOKED_AT = 4096
_LONG = 2**20  # where the directory of a packed file, and the parts of a workbook, are named


def foreign(data: bytes) -> tuple[str, str] | None:
    """What a file is that is no text table, and what to do; None for all that may be text.

    >>> foreign(b"%PDF-1.7"), foreign(b"V,par\\n1,2\\n")
    (('is a PDF document', 'ask for the numbers, or read them off with WebPlotDigitizer'), None)
    """
    head = data[:_LOOKED_AT].lstrip()
    binary = b"\0" in data
    if binary and data[257:262] == _TAR:
        what = "is a project of WebPlotDigitizer (.tar)" if b"wpd.json" in data[:_LONG] else "is a tar archive"
        return what, "export the data sets as CSV" if "Web" in what else "unpack it, and name a file in it"
    for kind in _KINDS:
        if head.startswith(kind.mark) and _holds(data, kind.word):
            # letters may also begin the name of a column, braces and angles a header
            sure = binary if kind.mark[:1].isalpha() else kind.mark not in (b"{", b"<") or _is_document(data)
            return (kind.what, kind.todo) if sure else None
    return None


def _holds(data: bytes, word: bytes) -> bool:
    return word in data[:_LONG] or word in data[-_LONG:]


def _is_document(data: bytes) -> bool:
    """True for what begins as JSON, HTML and XML do."""
    return re.match(rb'\s*(\{\s*("|\})|<(!|html|\?))', data[:_LOOKED_AT], re.IGNORECASE) is not None
