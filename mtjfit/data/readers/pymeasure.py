"""Results of PyMeasure: parameters of the procedure in a ``#`` header, then a table with units in its names."""

from __future__ import annotations

import re
from dataclasses import replace

from mtjfit.data.readers.sheet import ReadOptions, Sheet, SourceFile
from mtjfit.data.readers.text import as_sheet, grid_of

_SECTION = re.compile(r"(Procedure|Parameters|Metadata|Data)\s*:\s*(.*)")


def read_pymeasure(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """One run of a procedure; its parameters and metadata become header parameters."""
    options = replace(options, comment="#")
    grid = grid_of(source, options)
    metadata: dict[str, str] = {}
    for _, comment in grid.comments:
        match = _SECTION.fullmatch(comment)
        if match is not None:
            if match[2].strip():
                metadata[match[1]] = match[2].strip()
            continue
        key, colon, value = comment.partition(":")
        if colon:
            metadata[key.strip()] = value.strip()
    if not grid.header and not options.names:
        raise source.fault("has no line with the names of the columns", 'give one after "#Data:"')
    return (as_sheet(source, options, grid, "pymeasure", metadata=metadata),)


def recognises_pymeasure(source: SourceFile) -> bool:
    """True where the file begins with the header of a procedure."""
    return re.match(rb"(\xef\xbb\xbf)?#\s*(Procedure|Parameters)\s*:", source.data) is not None
