"""Readers of the formats of laboratories: one short module for each, all of which return `Sheet`.

A reader gives the content of a file; the meaning of the numbers is declared elsewhere. Whatever a reader infers is
noted in `Sheet.notes`. A bad file raises `DataError`, with file, line and reason, and nothing else.

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "A1_3.0GHz_-150mV.lvm"
...     _ = path.write_text("Power(dBm):1.8E+1\\n\\n38.1\\t-1.4E-4\\n41.3\\t-1.3E-4\\n")
...     sheet, = read_sheet(path, names=("field (Oe)", "V_mix (V)"))
>>> sheet.format, sheet.numbers("field"), sheet.parameter("Power")
('lvm', array([38.1, 41.3]), HeaderParameter(value=18.0, unit='dBm'))
>>> NamePattern("{device}_{frequency:GHz}_{bias:mV}.lvm").fields("A1_3.0GHz_-150mV.lvm")
{'device': 'A1', 'frequency': '3.0 GHz', 'bias': '-150 mV'}
"""

from mtjfit.data.format import NamePattern, Wide
from mtjfit.data.readers.reader import Reader
from mtjfit.data.readers.registry import (
    READERS,
    one_alone,
    read_sheet,
    read_source,
    recognised_in,
    sheets_from_bytes,
    sheets_with_problems,
)
from mtjfit.data.readers.sheet import Column, HeaderParameter, ReadOptions, Sheet, SourceFile, split_unit
from mtjfit.data.readers.typography import settled, share_of_commas
from mtjfit.data.readers.wide import blocks

__all__ = [
    "READERS",
    "Column",
    "HeaderParameter",
    "NamePattern",
    "ReadOptions",
    "Reader",
    "Sheet",
    "SourceFile",
    "Wide",
    "blocks",
    "one_alone",
    "read_sheet",
    "read_source",
    "recognised_in",
    "settled",
    "share_of_commas",
    "sheets_from_bytes",
    "sheets_with_problems",
    "split_unit",
]
