"""Data files of Quantum Design instruments (.dat): a header up to the line ``[Data]``, then a table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from mtjfit.data.readers.sheet import ReadOptions, Sheet, SourceFile
from mtjfit.data.readers.text import as_sheet, grid_of, lines_of
from mtjfit.data.tidy import try_split

_KEY = re.compile(r"[A-Z][A-Z0-9_]+")
_SHOWN = ("TITLE", "BYAPP", "FILEOPENTIME", "FILETYPE")


def read_quantum_design(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """The table below ``[Data]``; ``INFO`` lines of the header become header parameters."""
    notes: list[str] = []
    lines = list(lines_of(source, options, notes))
    start = next((k for k, (_, line) in enumerate(lines) if line.strip().casefold() == "[data]"), None)
    if start is None:
        raise source.fault("has no line [Data]", "write the file anew: it was cut off", lines[-1][0] if lines else None)
    form = replace(options, separator=options.separator or ",", decimal=options.decimal or ".", comment="")
    grid = grid_of(source, form, lines[start + 1 :])
    grid.notes[:0] = notes
    return (as_sheet(source, form, grid, "quantum_design", metadata=_metadata(line for _, line in lines[:start])),)


def recognises_quantum_design(source: SourceFile) -> bool:
    """True for the line ``[Header]`` at the beginning."""
    return re.match(rb"(\xef\xbb\xbf)?\s*\[Header\]", source.data, re.IGNORECASE) is not None


def _metadata(lines: Iterable[str]) -> dict[str, str]:
    """Values of ``INFO,value,NAME`` (or ``INFO,name,value``) and of some other lines."""
    found = {}
    for line in lines:
        word, *values = try_split(line, ",") or [""]
        if word in _SHOWN and values:
            found[word] = ", ".join(filter(None, values))
        elif word == "INFO" and len(values) > 1:
            last = _KEY.fullmatch(values[-1]) is not None
            key, value = (values[-1], values[:-1]) if last else (values[0], values[1:])
            found[key] = ", ".join(filter(None, value))
    return found
