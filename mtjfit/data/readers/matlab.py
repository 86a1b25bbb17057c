"""MATLAB files of version 5 to 7 (.mat): vectors, matrices and texts, in structures too; nothing else is read."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mtjfit.data.readers.columns import Group, or_left_out, sheets_of_groups
from mtjfit.data.readers.sheet import Column, ReadOptions, Sheet, SourceFile, Unpacked, cell_text, third_party

_HEAD = 128
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
}
_CELL, _STRUCT, _CHAR, _NUMERIC = 1, 2, 4, range(6, 16)
_OTHER = {3: "an object", 5: "a sparse matrix", 16: "a function handle", 17: "an object"}
_COMPLEX = 0x800
_DEEPEST = 8
_LONGEST = 500
_COST = 50  # numbers that are read in the time of one variable, field or cell
_TODO = "save it anew with save -v7, or export CSV with writetable or writematrix"

_Value: TypeAlias = "np.ndarray | str | tuple[str, ...] | dict[str, _Value] | _Left"


@dataclass(frozen=True)
class _Left:
    """A variable that is not read, and why."""

    why: str


def read_matlab(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet for the vectors of one length, for each matrix, and for those in each structure.

    Single numbers and texts become header parameters. Objects, function handles, sparse and complex arrays are left
    out, and noted.
    """
    unpacked = Unpacked(source, options.max_cells, options.max_bytes)
    with third_party(source, "MATLAB file", _TODO):
        mark = source.data[126:128]
        if mark not in (b"IM", b"MI"):
            raise source.fault("is no MATLAB file of version 5 to 7", _TODO)
        whole = _Reader(source.data, "<" if mark == b"IM" else ">", _HEAD)
        groups, left_out = [Group("/")], list[str]()
        while whole.place < len(source.data):
            kind, body = whole.element(padded=False)
            if kind not in (_COMPRESSED, _MATRIX):
                raise ValueError(f"it has an element of type {kind} in place of a variable")
            with or_left_out(f"a variable before byte {whole.place}", left_out):
                if kind == _COMPRESSED:
                    body = _inflated(source, body, unpacked)
                    kind, body = _Reader(body, whole.order).element()
                if kind != _MATRIX:
                    raise ValueError(f"it has an element of type {kind} in place of a variable")
                name, value = _matrix(_Reader(body, whole.order), unpacked)
                _take(groups, groups[0], name, value, left_out)
        return sheets_of_groups(source, options, "matlab", groups, left_out)


def recognises_matlab(source: SourceFile) -> bool:
    """True for the text at the beginning of such files."""
    return source.data.startswith(b"MATLAB 5.0 MAT-file")


def _inflated(source: SourceFile, body: bytes, unpacked: Unpacked) -> bytes:
    left = unpacked.most_characters - unpacked.characters
    data = zlib.decompressobj().decompress(body, left + 1)
    unpacked.add(0, len(data))
    return data


@dataclass
class _Reader:
    """Elements of a file one behind the other: a type, a length, and that many bytes."""

    data: bytes
    order: str
    place: int = 0

    def element(self, *, padded: bool = True) -> tuple[int, bytes]:
        """Type and bytes of the next element; ValueError where the file ends before it does."""
        head = self.data[self.place : self.place + 8]
        if len(head) < 8:
            raise ValueError("it ends too early")
        kind, size = struct.unpack(self.order + "II", head)
        if kind >> 16:  # four bytes at most stand in the place of the length
            self.place += 8
            return kind & 0xFFFF, head[4 : 4 + min(kind >> 16, 4)]
        start, self.place = self.place + 8, self.place + 8 + size
        if self.place > len(self.data):
            raise ValueError("it ends too early")
        if padded or kind == _MATRIX:
            self.place += -size % 8
        return kind, self.data[start : start + size]

    def numbers(self) -> np.ndarray:
        """The next element as an array of numbers."""
        kind, body = self.element()
        if kind not in _TYPES:
            raise ValueError(f"it has an array of type {kind}")
        dtype = np.dtype(self.order + _TYPES[kind])
        return np.frombuffer(body[: len(body) // dtype.itemsize * dtype.itemsize], dtype)


def _matrix(reader: _Reader, unpacked: Unpacked, depth: int = 0) -> tuple[str, _Value]:
    """Name and value of one variable, field or cell."""
    unpacked.add(_COST)
    if not reader.data:
        return "", np.empty((0, 0))
    flags = int(reader.numbers()[0])
    kind = flags & 0xFF
    if kind in _OTHER and kind != 5:
        return _name(reader) if kind == 17 else (_after_shape(reader), _Left(_OTHER[kind]))
    shape = tuple(int(n) for n in reader.numbers())
    name = reader.numbers().astype("u1").tobytes().decode("latin-1")
    if depth > _DEEPEST or kind == 5 or flags & _COMPLEX:
        return name, _Left("too deep" if depth > _DEEPEST else "a sparse matrix" if kind == 5 else "complex")
    if kind in _NUMERIC or kind == _CHAR:
        values = reader.numbers()
        unpacked.add(values.size if kind != _CHAR else 0, values.size)
        if values.size != math.prod(shape):
            raise ValueError(f"{name[:80]!r} does not hold as many numbers as it says")
        if kind == _CHAR:
            return name, "".join(map(chr, values.tolist())) if shape[0] <= 1 else _Left("several lines of text")
        return name, values.reshape(shape, order="F")
    if kind == _STRUCT:
        return name, _struct(reader, shape, unpacked, depth)
    if kind == _CELL:
        return name, _cells(reader, shape, unpacked, depth)
    return name, _Left(f"of class {kind}")


def _name(reader: _Reader) -> tuple[str, _Value]:
    """Name of an object of MATLAB's own, such as a table, whose shape stands elsewhere."""
    return reader.numbers().astype("u1").tobytes().decode("latin-1"), _Left("an object, such as a table")


def _after_shape(reader: _Reader) -> str:
    reader.numbers()
    return reader.numbers().astype("u1").tobytes().decode("latin-1")


def _struct(reader: _Reader, shape: tuple[int, ...], unpacked: Unpacked, depth: int) -> _Value:
    length = int(reader.numbers()[0])
    joined = reader.numbers().astype("u1").tobytes()
    if math.prod(shape) != 1 or not 0 < length <= 64:
        return _Left("several structures")
    names = [joined[k : k + length].split(b"\0")[0].decode("latin-1") for k in range(0, len(joined), length)]
    found: dict[str, _Value] = {}
    for name in names:
        _, body = reader.element()
        found[name] = _matrix(_Reader(body, reader.order), unpacked, depth + 1)[1]
    return found


def _cells(reader: _Reader, shape: tuple[int, ...], unpacked: Unpacked, depth: int) -> _Value:
    """Texts of a column of cells."""
    texts = []
    for _ in range(math.prod(shape)):  # ends with the file
        _, value = _matrix(_Reader(reader.element()[1], reader.order), unpacked, depth + 1)
        if not isinstance(value, str):
            return _Left("cells that are no texts")
        unpacked.add(1)
        texts.append(value)
    return tuple(texts)


def _take(groups: list[Group], group: Group, name: str, value: _Value, left_out: list[str]) -> None:
    """Put a value where it belongs: among the columns or the metadata of its group, or into a group of its own."""
    where = f"{group.path.rstrip('/')}/{name}"
    if isinstance(value, dict):
        groups.append(inner := Group(where))
        for each, of in value.items():
            _take(groups, inner, each, of, left_out)
    elif isinstance(value, _Left):
        left_out.append(f"{where} ({value.why})")
    elif not name:
        left_out.append("data that MATLAB keeps for itself")
    elif isinstance(value, np.ndarray) and not value.size:
        left_out.append(f"{where} (empty)")
    elif isinstance(value, str):
        group.metadata[name] = value.strip()[:_LONGEST]
    elif isinstance(value, tuple):
        group.columns.append(Column(name, None, value))
    elif value.size == 1:
        group.metadata[name] = cell_text(value.item())
    elif value.ndim == 2 and 1 in value.shape:
        group.columns.append(_column(name, value))
    elif value.ndim == 2:
        columns = [_column(f"column {k + 1}", value[:, k]) for k in range(value.shape[1])]
        groups.append(Group(where, columns))
    else:
        left_out.append(f"{where} {value.shape}")


def _column(name: str, values: np.ndarray) -> Column:
    return Column(name, None, tuple(cell_text(value) for value in values.reshape(-1).tolist()))
