"""HDF5 files, looked through before a library unpacks them: all in the file itself, and of a size."""

from __future__ import annotations

import io
import math
import zlib
from typing import Any

from mtjfit.data.readers.sheet import ReadOptions, SourceFile, Unpacked, needed

_LEAST_OBJECTS = 2000  # each takes some ten milliseconds
_BYTES_PER_OBJECT = 100_000
_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000  # numbers of filters
_MOST_GROWTH = 1100  # of a deflated byte
_MOST_SHARED = 10  # times the limit, of texts that are read at once and may share their storage
_OF_SCALES = ("DIMENSION_LIST", "REFERENCE_LIST")  # hold references, no text
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"  # mark of what is never read
_TODO = "write it anew as one file, or export CSV"


def refuse_hdf5(source: SourceFile, options: ReadOptions, faulty: dict[int, str] | None = None) -> None:
    """Refuse a file whose numbers stand elsewhere, or unpack to more than ``options.max_bytes``; a DataError.

    With `faulty`, arrays of which that is true are put there, by address, and those of several dimensions are not
    looked at: none of them may be read then.
    """
    h5py = needed(source, "netcdf", "h5py")
    unpacked = Unpacked(source, options.max_cells, options.max_bytes)
    most = max(_LEAST_OBJECTS, options.max_bytes // _BYTES_PER_OBJECT)
    with h5py.File(io.BytesIO(source.data), "r") as file:
        _refuse_attributes(file["/"], "/", unpacked)
        waiting, seen = [(file["/"], "")], {h5py.h5o.get_info(file["/"].id).addr}
        while waiting:
            group, path = waiting.pop()
            for name in group:
                link, where = group.get(name, getlink=True), f"{path}/{name}"[:100]
                if isinstance(link, h5py.ExternalLink) and faulty is None:
                    raise source.fault(f"keeps {where!r} in another file", _TODO)
                if not isinstance(link, h5py.HardLink):
                    continue  # what a soft link names has a name of its own
                found = group[name]
                address = h5py.h5o.get_info(found.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if len(seen) > most:
                    todo = "cut the data or raise max_bytes"
                    raise source.fault(f"holds more than {most} variables and groups", todo)
                _refuse_attributes(found, where, unpacked)
                if isinstance(found, h5py.Group):
                    waiting.append((found, where))
                elif isinstance(found, h5py.Dataset) and not (faulty is not None and is_grid(found)):
                    fault = _unreadable(found, where, unpacked)
                    if fault is None:
                        _count(found, where, unpacked)
                    elif faulty is None:
                        raise source.fault(*fault)
                    else:
                        faulty[address] = fault[0]


def is_grid(found: Any) -> bool:
    """True for an array of several dimensions longer than one."""
    return bool(sum(n != 1 for n in found.shape or ()) > 1)


def _size(found: Any) -> int:
    """Bytes to unpack: the storage of a chunk is unpacked as a whole, however little of it is inside the shape."""
    if found.shape is None or _NO_VARIABLE in str(found.attrs.get("NAME", "")):
        return 0
    return int(max(math.prod(found.shape), math.prod(found.chunks or (0,))) * found.dtype.itemsize)


def _filters(found: Any) -> list[int]:
    filters = found.id.get_create_plist()
    return [filters.get_filter(k)[0] for k in range(filters.get_nfilters())]


def _unreadable(found: Any, where: str, unpacked: Unpacked) -> tuple[str, str] | None:
    """Why an array must not be read, as far as can be told without reading it, and what to do."""
    if found.external or found.is_virtual:
        return f"keeps the numbers of {where!r} in another file", _TODO
    if not (size := _size(found)):
        return None
    numbers = _filters(found)
    if not set(numbers) <= {_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF} or numbers.count(_DEFLATE) > 1:
        return f"packs {where!r} in a way that is not read", "write it anew with gzip, or unpacked"
    return unpacked.too_many(0, size)


def _count(found: Any, where: str, unpacked: Unpacked) -> None:
    """Count what is unpacked; DataError where it is more than the file says."""
    if not (size := _size(found)):
        return
    unpacked.add(0, size)
    if found.dtype.hasobject:
        _refuse_texts(found, where, unpacked)
    if _DEFLATE in _filters(found):
        _refuse_chunks(found, unpacked)


def _refuse_texts(found: Any, where: str, unpacked: Unpacked) -> None:
    """Count texts of any length piece by piece: all of them may be one and the same in the file."""
    longest = len(unpacked.source.data)
    if found.ndim != 1:
        _refuse_shared(found.size, where, unpacked)
        return
    step = max(1, unpacked.most_characters // longest)
    for start in range(0, found.shape[0], step):
        some = found[start : start + step].tolist()
        unpacked.add(0, sum(len(each) for each in some if isinstance(each, str | bytes)))


def _refuse_shared(count: int, where: str, unpacked: Unpacked) -> None:
    if count * len(unpacked.source.data) > _MOST_SHARED * unpacked.most_characters:
        raise unpacked.source.fault(f"{where!r} may unpack to gigabytes of text", "write numbers, or shorter lists")


def _refuse_attributes(found: Any, where: str, unpacked: Unpacked) -> None:
    for name in found.attrs:
        each = found.attrs.get_id(name)
        unpacked.add(0, each.get_storage_size())
        if each.dtype.hasobject and name not in _OF_SCALES:
            _refuse_shared(each.get_space().get_simple_extent_npoints(), f"{where}@{name[:100]}", unpacked)


def _refuse_chunks(found: Any, unpacked: Unpacked) -> None:
    """Unpack what is stored of each chunk that could be too large, and throw it away: it may not say its size."""
    for k in range(found.id.get_num_chunks()):
        info = found.id.get_chunk_info(k)
        if info.size * _MOST_GROWTH <= unpacked.most_characters:
            continue
        _, stored = found.id.read_direct_chunk(info.chunk_offset)
        size = math.prod(found.chunks) * found.dtype.itemsize + 4  # and a checksum
        if len(zlib.decompressobj().decompress(stored, size + 1)) > size:
            raise unpacked.source.fault("unpacks to more than it says", _TODO)
