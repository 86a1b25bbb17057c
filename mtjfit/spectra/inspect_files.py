"""Inspection of files of spectra before anything is declared: how they are read, and the spectrum in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mtjfit.data.format import MAX_BYTES, Wide
from mtjfit.data.readers import Sheet, blocks, read_source, recognised_in, sheets_from_bytes
from mtjfit.data.readers.packed import unpacked
from mtjfit.data.readers.preamble import with_preamble
from mtjfit.data.readers.text import comment_mark
from mtjfit.errors import ConfigError, DataError
from mtjfit.spectra.declaration import ReadTable
from mtjfit.spectra.recognise import RecognisedSpectrum, name_pattern, named_roles, recognised
from mtjfit.study.commented_header import is_torque_by_comment


@dataclass(frozen=True)
class SpectraFiles:
    """Files that are read alike."""

    paths: tuple[Path, ...]
    sheets: tuple[Sheet, ...]
    found: RecognisedSpectrum
    reader: str
    read: ReadTable
    wide: Wide | None
    pattern: str


def inspected(path: Path, pattern: str) -> SpectraFiles | None:
    """How a file is read, and the spectrum in its first sheet; None where there is none."""
    label = str(path)
    if not label.isprintable():
        return None
    try:
        source = unpacked(read_source(path, label), MAX_BYTES)
        first = [(1, source.data[:200].decode("latin-1").lstrip("\ufeff"))]
        read = ReadTable(comment=comment_mark(first))
        reader = recognised_in(source)
        sheets = sheets_from_bytes(source, reader.name, read)
        if is_torque_by_comment(sheets[0]):
            return None
        if all(sheet.decimal == "," for sheet in sheets):
            read = replace(read, decimal=",")
        sheets = with_preamble(source, sheets, MAX_BYTES)
        named = dict.fromkeys(named_roles(pattern), "")
        wide = _wide(sheets[0]) if len(sheets) == 1 else None
        for_roles = blocks(sheets, wide) if wide else sheets
        found = recognised(for_roles[0], named | dict.fromkeys(named_roles(wide.name if wide else ""), ""))
    except (DataError, ConfigError):
        return None
    return None if found is None else SpectraFiles((path,), for_roles, found, reader.name, read, wide, pattern)


def _wide(sheet: Sheet) -> Wide | None:
    """Series side by side, where names of columns repeat."""
    names = sheet.names
    if len(set(names)) == len(names):
        return None
    run = next((k for k, name in enumerate(names) if name != names[0]), len(names))
    period = run if run > 1 else next((k for k in range(1, len(names)) if names[k] == names[0]), 0)
    if period < 2 or len(names) % period:
        return None
    block = names[:period]
    if len(set(block)) == period:
        comments = [next((c.comment for c in sheet.columns[k : k + period] if c.comment), "")
                    for k in range(0, len(names), period)]  # fmt: skip
        return Wide(block, (), name_pattern(comments, device=False), "comment")
    placed = ("H", "V", *(f"column {k + 3}" for k in range(period - 2)))
    return Wide(placed, (), name_pattern(names[::period], device=False), "name")
