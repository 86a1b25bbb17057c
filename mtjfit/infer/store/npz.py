"""Arrays of ``.npz`` files of ours, checked before they are unpacked."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

_FAULTS = (KeyError, TypeError, SyntaxError, EOFError, RuntimeError, OverflowError, MemoryError, tokenize.TokenError,
           zipfile.BadZipFile)  # fmt: skip
"""What `zipfile` and NumPy's parser of headers raise besides ValueError."""
_BYTES_OF_CHARACTER = 4


def arrays_in(data: bytes, dtypes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Exactly the arrays of these names and dtypes, as ``np.savez`` wrote them; ValueError for anything else.

    Texts of the dtype `numpy.str_` may be of any length.
    Members must be stored as they are, so that none is larger than the file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = file.infolist()
            if sorted(each.filename for each in members) != sorted(f"{name}.npy" for name in dtypes):
                raise ValueError("its arrays are not those of a saved run of this version")
            packed = any(each.compress_type != zipfile.ZIP_STORED or each.flag_bits & 1 for each in members)
            if packed or sum(each.file_size for each in members) > len(data):
                raise ValueError("its arrays are compressed or encrypted")
            return {name: _array(file.read(f"{name}.npy"), np.dtype(dtype)) for name, dtype in dtypes.items()}
    except _FAULTS as error:
        raise ValueError(f"it is no file of arrays: {type(error).__name__}") from error


def _array(data: bytes, dtype: np.dtype[Any]) -> np.ndarray:
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array has another version of the format")
    shape, by_columns, found = np.lib.format.read_array_header_1_0(stream)
    start = stream.tell()
    if dtype.kind == found.kind == "U":
        dtype = np.dtype(f"U{found.itemsize // _BYTES_OF_CHARACTER}")  # in the order of this machine
    if found != dtype or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"an array of {found} and shape {shape} stands in place of one of {dtype}, or is cut")
    flat = np.frombuffer(bytearray(data), dtype, offset=start)
    return flat.reshape(shape, order="F" if by_columns else "C")
