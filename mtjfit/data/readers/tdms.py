"""TDMS files of LabVIEW: a group of channels is a table."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mtjfit.data.readers.columns import Group, sheets_of_groups
from mtjfit.data.readers.sheet import Column, ReadOptions, Sheet, SourceFile, Unpacked, cell_text, needed, third_party

_LONGEST = 500


def read_tdms(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet for each group; properties of the file and of the group become header parameters.

    Numbers are scaled as the file says. What it claims to hold is counted before it is read.
    """
    nptdms = needed(source, "tdms", "nptdms")
    with third_party(source, "TDMS file", "write it anew, or export .lvm or CSV"), _warnings_raised():
        unpacked = Unpacked(source, options.max_cells, options.max_bytes)
        with nptdms.TdmsFile.open(io.BytesIO(source.data)) as file:
            unpacked.add(sum(len(channel) for group in file.groups() for channel in group.channels()))
            groups, left_out = [Group("/", metadata=_texts(file.properties))], list[str]()
            for each in file.groups():
                group = Group(each.name, metadata=_texts(each.properties))
                for channel in each.channels():
                    if channel.dtype.kind == "c":
                        left_out.append(f"{each.name}/{channel.name} (complex)")
                        continue
                    cells = tuple(cell_text(value) for value in channel[:].tolist())
                    said = channel.properties
                    unit = cell_text(said.get("unit_string") or said.get("NI_UnitDescription")) or None
                    group.columns.append(Column(channel.name, unit, cells, cell_text(said.get("description"))))
                groups.append(group)
        return sheets_of_groups(source, options, "tdms", groups, left_out)


def recognises_tdms(source: SourceFile) -> bool:
    """True for the mark of a segment at the beginning, unless it begins a text."""
    return source.data.startswith(b"TDSm") and b"\0" in source.data


@contextmanager
def _warnings_raised() -> Iterator[None]:
    """Raise what the library would log: that it leaves out numbers at the end of a file that was cut off, say."""

    def refuse(record: logging.LogRecord) -> bool:
        raise ValueError(record.getMessage())

    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("nptdms.")]
    for each in loggers:
        each.addFilter(refuse)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(refuse)


def _texts(properties: dict[str, object]) -> dict[str, str]:
    said = {name: cell_text(value) for name, value in properties.items()}
    return {name: text for name, text in said.items() if text and len(text) <= _LONGEST}
