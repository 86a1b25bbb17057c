"""The readers by name, the one that a file needs, and its sheets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from mtjfit.data.readers import delimited, excel, labview, netcdf, origin, parquet, pymeasure, qcodes, webplotdigitizer
from mtjfit.data.readers.options import ReadOptions, Source
from mtjfit.data.readers.sheet import Sheet
from mtjfit.data.suggest import did_you_mean
from mtjfit.data.tidy import MAX_BYTES, read_bytes
from mtjfit.errors import DataError, Problem
