"""The shape of the tables that a wafer study file has beside those of a study file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from mtjfit.data.curve import Origin, OriginKind
from mtjfit.data.readers.sheet import split_unit
from mtjfit.errors import Problem
from mtjfit.toml import TomlTable

__all__ = ["DEFAULT_CHUNK", "DEFAULT_MEMORY", "WaferDocument", "WaferEntry", "WaferTable", "bytes_of"]

DEFAULT_CHUNK = 10_000
"""Devices in a chunk: what a killed run loses at most, and what one task of a cluster is made of."""
DEFAULT_MEMORY = "1 GiB"
_LEAST = 64 * 2**20
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([KMGT]i?B|B)?")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}  # fmt: skip


class WaferEntry(TomlTable):
    """``[wafer]``; every key may be left out."""

    x: str = ""
    y: str = ""
    wafer: str = ""
    split: str = ""
    chunk: Annotated[int, Field(ge=1, le=10_000_000)] = DEFAULT_CHUNK
    memory: str = DEFAULT_MEMORY
    origin: str = ""
    radius: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    smooth: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    smooth_sd: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    smooth_each: Literal["stack", "wafer"] = "stack"


class WaferDocument(TomlTable):
    """The whole file, for the names of its tables only."""

    study: Any
    data: Any
    parameters: Any
    sampling: Any = None
    wafer: Any = None


@dataclass(frozen=True)
class WaferTable:
    """Where the dies lie, and how the table is cut.

    Attributes
    ----------
    x, y : str
        Columns of the die's position, in mm; empty: not declared.
    wafer, split : str
        Columns of names; empty: not declared. A split is a stack whose devices share their lengths.
    chunk : int
        Devices to a chunk.
    memory : int
        Bytes that rows may take while they are read and reduced, beside some 250 MB of the program and its libraries.
    origin : Origin
        Declared, for tables that do not say it themselves; what they say is never overruled.
    radius : float or None
        Of the wafer, in mm; None: how far out the outermost device of a stack lies.
    smooth : tuple of (str, tuple of str)
        Smooth components over the wafer by the parameter that has them.
    smooth_sd : tuple of (str, float)
        Prior standard deviations of their coefficients, relative, by parameter.
    smooth_each : {"stack", "wafer"}
        Whether all wafers of a stack have the same smooth part, or each its own.
    """

    x: str = ""
    y: str = ""
    wafer: str = ""
    split: str = ""
    chunk: int = DEFAULT_CHUNK
    memory: int = 2**30
    origin: Origin = field(default_factory=Origin)
    radius: float | None = None
    smooth: tuple[tuple[str, tuple[str, ...]], ...] = ()
    smooth_sd: tuple[tuple[str, float], ...] = ()
    smooth_each: Literal["stack", "wafer"] = "stack"

    def roles(self) -> dict[str, str]:
        """Column name by role, declared roles only.

        Examples
        --------
        >>> WaferTable(x="x (mm)", y="y (mm)").roles()
        {'x': 'x (mm)', 'y': 'y (mm)'}
        """
        return {role: name for role in ("x", "y", "wafer", "split") if (name := getattr(self, role))}

    @classmethod
    def of(cls, entry: WaferEntry) -> WaferTable:
        """From the file's table, whose meaning `wafer_problems` has found right."""
        smooth, sd = tuple(sorted(entry.smooth.items())), tuple(sorted(entry.smooth_sd.items()))
        return cls(
            entry.x, entry.y, entry.wafer, entry.split, entry.chunk, bytes_of(entry.memory) or 0,
            origin_of(entry.origin) or Origin(), entry.radius, smooth, sd, entry.smooth_each,
        )  # fmt: skip


def origin_of(text: str) -> Origin | None:
    """The origin that ``"simulated; how it was made"`` means; None where the kind is none.

    Examples
    --------
    >>> origin_of("simulated; Eq. 12"), origin_of("guessed")
    (Origin(kind='simulated', note='Eq. 12'), None)
    """
    kind, _, note = text.partition(";")
    known = {each.casefold(): each for each in get_args(OriginKind)} | {"": "measured"}
    found = known.get(kind.strip().casefold())
    return None if found is None else Origin(found, " ".join(note.split()))


def bytes_of(text: str) -> int | None:
    """Number of bytes that a size such as ``"1 GiB"`` or ``"500 MB"`` means; None where it is no size.

    Examples
    --------
    >>> bytes_of("1.5 GiB"), bytes_of("300 MB"), bytes_of("much")
    (1610612736, 300000000, None)
    """
    match = _MEMORY.fullmatch(text.strip())
    return None if match is None else int(float(match[1]) * _UNITS[match[2] or "B"])


def wafer_problems(entry: WaferEntry, columns: dict[str, str], group: bool) -> Iterator[Problem]:
    """What is wrong with ``[wafer]``, beside the columns of ``[[data]]`` by role and whether it declares groups."""
    if bool(entry.x) != bool(entry.y):
        missing, there = ("y", "x") if entry.x else ("x", "y")
        yield Problem(f"wafer.{missing}", f"is missing beside {there}", "name the columns of both, or of neither")
    taken = {name: f"data[0].columns.{role}" for role, name in columns.items()}
    for role in ("x", "y", "wafer", "split"):
        name = getattr(entry, role)
        if not name:
            continue
        if name != name.strip():
            yield Problem(f"wafer.{role}", f"{name!r} has spaces at its ends", "write it without")
        unit = split_unit(name)[1]
        if role in ("x", "y") and unit not in (None, "mm"):
            yield Problem(f"wafer.{role}", f"column {name!r} is in {unit!r}", "give positions in mm")
        same_group = role == "split" and columns.get("group") == name
        if name in taken and not same_group:
            yield Problem(f"wafer.{role}", f"column {name!r} is already {taken[name]}", "give each role its own column")
        taken.setdefault(name, f"wafer.{role}")
    if entry.split and group and columns.get("group") != entry.split:
        yield Problem("wafer.split", "is declared beside the group of [[data]]", "keep one: they mean the same here")
    if origin_of(entry.origin) is None:
        yield Problem(
            "wafer.origin", f"is {entry.origin!r}", 'write "measured", or such as "simulated; how it was made"'
        )
    if entry.smooth and not entry.x:
        yield Problem("wafer.smooth", "needs positions", "name the columns of x and y, or remove the smooth part")
    size = bytes_of(entry.memory)
    if size is None:
        yield Problem("wafer.memory", f"is {entry.memory!r}", 'write it like "1 GiB" or "500 MB"')
    elif size < _LEAST:
        yield Problem("wafer.memory", f"is {entry.memory!r}", 'give at least "64 MiB"')
