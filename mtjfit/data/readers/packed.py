"""Files packed with gzip, unpacked in memory within a size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace

from mtjfit.data.readers.sheet import SourceFile

_MAGIC = b"\x1f\x8b"
_GZIP = 31  # the window of zlib that expects a gzip header and checks the sum at the end
_STEP, _FED, _HEAD = 2**20, 2**16, 2**18
_MOST_MEMBERS = 20_000  # each costs a copy of what is fed
_TODO = "pack it anew, or name the file unpacked"


def unpacked(source: SourceFile, max_bytes: int) -> SourceFile:
    """The file that was packed with gzip, or `source` itself where it is not packed.

    DataError where it is damaged, holds more than `max_bytes`, or holds a packed file again.
    """
    if not source.data.startswith(_MAGIC):
        return source
    pieces, size = list[bytes](), 0
    try:
        for piece in _pieces(source.data):
            size += len(piece)
            if size > max_bytes:
                raise source.fault(f"unpacks to more than {max_bytes} bytes", "cut the file or raise max_bytes")
            pieces.append(piece)
    except zlib.error as error:
        raise source.fault(f"is packed with gzip and damaged ({error})", _TODO) from None
    data = b"".join(pieces)
    if data.startswith(_MAGIC):
        raise source.fault("is packed with gzip twice", "unpack it once")
    return replace(source, data=data, name=_plain_name(source.name))


def unpacked_head(source: SourceFile) -> SourceFile:
    """The first bytes of a file, of the packed one where it is packed; what is damaged ends them."""
    if not source.data.startswith(_MAGIC):
        return source.head
    data = b""
    try:
        for piece in _pieces(source.data):
            data += piece
            if len(data) > _HEAD:
                break
    except zlib.error:
        pass
    return replace(source, data=data, name=_plain_name(source.name)).head


def _pieces(data: bytes) -> Iterator[bytes]:
    """What each member unpacks to, piece by piece; zlib.error where one is damaged or cut off."""
    place = 0
    for _ in range(_MOST_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            some = data[place : place + _FED]
            piece = member.decompress(some, _STEP)
            used = len(some) - len(member.unconsumed_tail) - len(member.unused_data)
            if not (used or piece or member.eof):
                raise zlib.error("it was cut off")
            place += used
            yield piece
        if data[place : place + 1] in (b"", b"\0"):  # zeros may fill a block of a tape at the end
            if data[place:].strip(b"\0"):
                raise zlib.error("other bytes follow")
            return
    raise zlib.error(f"it has more than {_MOST_MEMBERS} parts")


def _plain_name(name: str) -> str:
    return name[:-3] if name.casefold().endswith(".gz") else name
