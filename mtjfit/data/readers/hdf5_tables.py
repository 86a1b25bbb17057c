"""Tables in HDF5 files, also those of MATLAB 7.3: data sets of equal length in a group, and compound data sets."""

from __future__ import annotations

import io
from typing import Any

from mtjfit.data.readers.columns import Group, or_left_out, sheets_of_groups
from mtjfit.data.readers.hdf5 import is_grid, refuse_hdf5
from mtjfit.data.readers.sheet import Column, ReadOptions, Sheet, SourceFile, Unpacked, cell_text, needed, third_party

_MAGIC, _MATLAB = b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3"
_NETCDF = b"_NCProperties"
_CELLS = "biufSU"
_LONGEST = 500


def read_hdf5(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet for the vectors of each group and for each compound data set; single values become header parameters."""
    h5py = needed(source, "netcdf", "h5py")
    with third_party(source, "HDF5 file", "write it anew, or export CSV"):
        left_out, faulty = list[str](), dict[int, str]()
        refuse_hdf5(source, options, faulty)
        unpacked = Unpacked(source, options.max_cells, options.max_bytes)
        with h5py.File(io.BytesIO(source.data), "r") as file:
            groups = _groups(h5py, file, unpacked, left_out, faulty)
        return sheets_of_groups(source, options, "hdf5", groups, left_out)


def recognises_hdf5(source: SourceFile) -> bool:
    """True for HDF5 that netCDF did not write, and for files of MATLAB 7.3."""
    written = source.data.startswith(_MAGIC) and _NETCDF not in source.data
    named = source.name.casefold().endswith((".nc", ".nc4", ".cdf"))
    return (written and not named) or source.data.startswith(_MATLAB)


def _groups(h5py: Any, file: Any, unpacked: Unpacked, left_out: list[str], faulty: dict[int, str]) -> list[Group]:
    found, waiting, seen = [], [(file["/"], "/")], {h5py.h5o.get_info(file["/"].id).addr}
    while waiting:
        folder, path = waiting.pop(0)
        found.append(group := Group(path, metadata=_texts(folder)))
        for name in folder:
            where = f"{path.rstrip('/')}/{name}"
            # what a soft link names has a name of its own; # begins names that MATLAB keeps for itself
            if not isinstance(folder.get(name, getlink=True), h5py.HardLink) or name.startswith("#"):
                left_out.append(where)
                continue
            each = folder[name]
            address = h5py.h5o.get_info(each.id).addr
            if isinstance(each, h5py.Group):
                if address not in seen:
                    seen.add(address)
                    waiting.append((each, where))
            elif address in faulty:
                left_out.append(f"{where} ({faulty[address].replace(repr(where[:100]), 'it')})")
            elif isinstance(each, h5py.Dataset):
                with or_left_out(where, left_out):
                    if each.dtype.names:
                        found.append(_compound(each, where, unpacked, left_out))
                    else:
                        _take(h5py, each, name, where, group, unpacked, left_out)
    return found


def _take(h5py: Any, each: Any, name: str, where: str, group: Group, unpacked: Unpacked, left_out: list[str]) -> None:
    """Add a vector to the columns of a group, a single value to its metadata."""
    readable = each.dtype.kind in _CELLS or h5py.check_string_dtype(each.dtype) is not None
    of_matlab = _text(each.attrs.get("MATLAB_class"))
    if not readable or each.shape is None or is_grid(each) or 0 in each.shape:
        left_out.append(f"{where} {'(complex)' if each.dtype.kind == 'c' else tuple(each.shape or ())}")
        return
    unpacked.add(each.size)
    cells = [_text(value) for value in each[()].reshape(-1).tolist()]
    if of_matlab == "char":
        group.metadata[name] = "".join(chr(int(cell)) for cell in cells)[:_LONGEST]
    elif not each.shape or (of_matlab and each.size == 1):
        group.metadata[name] = " ".join(filter(None, (cells[0], _unit(each))))
    else:
        group.columns.append(Column(name, _unit(each), tuple(cells), _first(each, "long_name", "label")))


def _compound(each: Any, where: str, unpacked: Unpacked, left_out: list[str]) -> Group:
    group = Group(where, metadata=_texts(each))
    if each.ndim != 1:
        left_out.append(f"{where} {each.shape}")
        return group
    kinds = {name: each.dtype[name] for name in each.dtype.names}
    names = [name for name, kind in kinds.items() if not kind.shape and kind.kind in _CELLS]
    left_out += [f"{where}/{name}" for name in kinds if name not in names]
    unpacked.add(each.size * len(names))
    if names:
        read = each.fields(names)[()]  # once, and only these: texts of any length may share their storage
        group.columns += [Column(name, None, tuple(map(_text, read[name].tolist()))) for name in names]
    return group


def _texts(found: Any) -> dict[str, str]:
    """Attributes that are short texts or numbers."""
    values = {name: found.attrs[name] for name in found.attrs if found.attrs.get_id(name).shape == ()}
    said = {name: _text(value) for name, value in values.items()}
    return {name: text for name, text in said.items() if len(text) <= _LONGEST}


def _first(found: Any, *names: str) -> str:
    return next((_text(found.attrs[name]) for name in names if name in found.attrs), "")


def _unit(found: Any) -> str | None:
    return _first(found, "units", "unit", "Unit") or None


def _text(value: Any) -> str:
    value = value.item() if hasattr(value, "item") and getattr(value, "size", 0) == 1 else value
    return value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else cell_text(value)
