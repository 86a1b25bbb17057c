"""SVG for a page of wafers: the same picture in half the bytes."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib

import matplotlib.image
import numpy as np

__all__ = ["indexed_png", "lighter"]

_IMAGE = re.compile(r'(?<=href="data:image/png;base64,)[A-Za-z0-9+/=\s]+(?=")')

_MARKS = re.compile(r'<use [^>]*? style="([^"]*)" />(?:<use [^>]*? style="\1" />)+')


def lighter(svg: str) -> str:
    """Places to hundredths of a point, looks said once for many marks, images of few colours by their numbers.

    Names that nothing refers to and spaces between elements go, too: letters are outlines, so no text has any.

    Examples
    --------
    >>> lighter('<path id="p1" d="M 1.234567 2.5 L 3.000001 4" transform="scale(0.015625)"/>')
    '<path d="M 1.23 2.5 L 3.00 4" transform="scale(0.015625)"/>'
    """
    short = re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), svg)
    used = set(re.findall(r"#([\w.-]+)", short))
    short = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", short)
    short = re.sub(r">\s+<", "><", short)
    short = _MARKS.sub(_said_once, short)
    return _IMAGE.sub(lambda found: _smaller(found[0]), short)


def _said_once(found: re.Match[str]) -> str:
    """Marks of one look in a group that says it."""
    bare = re.sub(r' style="[^"]*"', "", found[0])
    return f'<g style="{found[1]}">{bare}</g>'


def _smaller(encoded: str) -> str:
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(encoded)), format="png")
    if pixels.ndim != 3:
        return encoded
    small = indexed_png(np.round(255 * pixels).astype(np.uint8))
    again = encoded if small is None else base64.b64encode(small).decode()
    return again if len(again) < len(encoded) else encoded


def indexed_png(pixels: np.ndarray) -> bytes | None:
    """A PNG file that holds a table of colours and their numbers, or None if there are more than 256 of them.

    Parameters
    ----------
    pixels : array of uint8, shape (rows, columns, 3 or 4)

    Examples
    --------
    >>> data = indexed_png(np.array([[[255, 0, 0, 255], [0, 0, 255, 0]]], dtype=np.uint8))
    >>> matplotlib.image.imread(io.BytesIO(data), format="png").tolist()
    [[[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]]]
    """
    rows, columns, depth = pixels.shape
    full = np.full((rows, columns, 4), 255, dtype=np.uint8)
    full[..., :depth] = pixels
    colours, numbers = np.unique(np.ascontiguousarray(full).view(np.uint32).ravel(), return_inverse=True)
    if colours.size > 256:
        return None
    table = colours.view(np.uint8).reshape(-1, 4)
    lines = np.zeros((rows, columns + 1), dtype=np.uint8)  # the first byte of a line: no filter
    lines[:, 1:] = numbers.reshape(rows, columns)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", table[:, :3].tobytes()), (b"tRNS", table[:, 3].tobytes()),
             (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(_piece(name, data) for name, data in parts)


def _piece(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
