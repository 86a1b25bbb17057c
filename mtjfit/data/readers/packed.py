"""Files packed with gzip, unpacked in memory within a size."""

from __future__ import annotations

import zlib
from dataclasses import replace

from mtjfit.data.readers.sheet import SourceFile

_MAGIC = b"\x1f\x8b"
_GZIP = 31  # the window of zlib that expects a gzip header and checks the sum at the end
_STEP = 2**20
_TODO = "pack it anew, or name the file unpacked"


def unpacked(source: SourceFile, max_bytes: int) -> SourceFile:
    """The file that was packed with gzip, or `source` itself where it is not packed.

    DataError where it is damaged, holds more than `max_bytes`, or holds a packed file again.
    """
    if not source.data.startswith(_MAGIC):
        return source
    pieces, size, rest = list[bytes](), 0, source.data
    try:
        while rest:
            member = zlib.decompressobj(_GZIP)
            while not member.eof:
                piece = member.decompress(rest, _STEP)
                rest = member.unconsumed_tail if not member.eof else member.unused_data.lstrip(b"\0")
                size += len(piece)
                if size > max_bytes:
                    raise source.fault(f"unpacks to more than {max_bytes} bytes", "cut the file or raise max_bytes")
                if not piece and not rest and not member.eof:
                    raise source.fault("is packed with gzip and was cut off", _TODO)
                pieces.append(piece)
    except zlib.error as error:
        raise source.fault(f"is packed with gzip and damaged ({error})", _TODO) from None
    data = b"".join(pieces)
    if data.startswith(_MAGIC):
        raise source.fault("is packed with gzip twice", "unpack it once")
    return replace(source, data=data, name=_plain_name(source.name))


def unpacked_head(source: SourceFile) -> SourceFile:
    """The first bytes of the file that was packed, whatever stands behind them."""
    if not source.data.startswith(_MAGIC):
        return source.head
    try:
        data = zlib.decompressobj(_GZIP).decompress(source.head.data, 2**18)
    except zlib.error:
        data = b""
    return replace(source, data=data, name=_plain_name(source.name)).head


def _plain_name(name: str) -> str:
    return name[:-3] if name.casefold().endswith(".gz") else name
