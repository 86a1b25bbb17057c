"""Excel workbooks (.xlsx): saved values only, no formula is computed and no link followed."""

from __future__ import annotations

import io
import warnings
import zipfile

from mtjfit.data.readers.sheet import ReadOptions, Sheet, SourceFile, cell_text, needed, third_party
from mtjfit.data.readers.text import Row, TextGrid, as_sheet, n_header_lines
from mtjfit.errors import did_you_mean

_TODO = "save it anew as an Excel workbook (.xlsx), or as CSV"


def read_excel(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet for each sheet of the workbook that holds anything; places in messages are Excel's row numbers.

    A workbook that unpacks to more than ``options.max_bytes`` is refused before it is unpacked.
    """
    openpyxl = needed(source, "excel", "openpyxl")
    with third_party(source, "Excel workbook", _TODO):
        formulas = _checked(source, options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and validation that openpyxl does not know hold no data
            book = openpyxl.load_workbook(io.BytesIO(source.data), read_only=True, data_only=True, keep_links=False)
            names = [sheet.title for sheet in book.worksheets]
            wanted = [options.sheet] if options.sheet else names
            if options.sheet and options.sheet not in names:
                raise source.fault(f"has no sheet {options.sheet!r}", did_you_mean(options.sheet, names))
            found = [(name, _rows(source, book[name], options)) for name in wanted]
        book.close()
    filled = [(name, rows) for name, rows in found if rows]
    if not filled:
        raise source.fault("holds no cells", "give a header and rows of data")
    notes = ["values of formulas are those that were saved; none is computed"] if formulas else []
    sheets = []
    for name, rows in filled:
        n = n_header_lines(options, rows)
        width = max(len(cells) for _, cells in rows)
        padded = [(number, cells + [""] * (width - len(cells))) for number, cells in rows]
        label = source.label if len(names) == 1 else f"{source.label}[{name}]"
        grid = TextGrid("", ".", padded[:n], padded[n:], [], list(notes))
        sheets.append(as_sheet(source, options, grid, "excel", label=label))
    return tuple(sheets)


def recognises_excel(source: SourceFile) -> bool:
    """True for a zip archive named like a workbook."""
    return source.data.startswith(b"PK") and source.name.casefold().endswith((".xlsx", ".xlsm"))


def _checked(source: SourceFile, options: ReadOptions) -> bool:
    """Refuse archives that grow too large; True where a sheet holds formulas."""
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        members = archive.infolist()
        # zipfile never unpacks more of a member than the directory says.
        size = sum(member.file_size for member in members)
        if size > options.max_bytes:
            what = f"unpacks to {size} bytes, more than the limit of {options.max_bytes}"
            raise source.fault(what, "cut the workbook or raise max_bytes")
        sheets = [m for m in members if m.filename.startswith("xl/worksheets/") and m.filename.endswith(".xml")]
        return any(_holds(archive, member, (b"<f>", b"<f ")) for member in sheets)


def _holds(archive: zipfile.ZipFile, member: zipfile.ZipInfo, words: tuple[bytes, ...]) -> bool:
    with archive.open(member) as stream:
        tail = b""
        while block := stream.read(1 << 20):
            if any(word in tail + block for word in words):
                return True
            tail = block[-8:]
    return False


def _rows(source: SourceFile, sheet: object, options: ReadOptions) -> list[Row]:
    """Rows with anything in them; a cell far out must not make millions of empty ones."""
    rows: list[Row] = []
    cells = 0
    sheet.reset_dimensions()  # type: ignore[attr-defined] # the written size may be a lie
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):  # type: ignore[attr-defined]
        cells += 1 + len(values)
        if cells > options.max_cells:
            raise source.fault(f"has more than {options.max_cells} cells", "cut the sheet or raise max_bytes", number)
        texts = [cell_text(value) for value in values]
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            rows.append((number, texts))
    return rows
