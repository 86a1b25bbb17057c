"""What a catalogue knows of the configurations and tables that its devices come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Configuration", "Source", "Tally"]


@dataclass(frozen=True)
class Configuration:
    """How devices were reduced. Devices of two configurations never stand in one table of results.

    Attributes
    ----------
    fingerprint : str
        sha256 of all that changes numbers.
    columns : tuple of str
        Names of the quantities of each device, in order.
    units : mapping
        Unit of a quantity; those without one may be missing.
    flags : mapping of str to int
        Bits of the column `flags`.
    study : str
        Text of the study file.
    """

    fingerprint: str
    columns: tuple[str, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, int] = field(default_factory=dict)
    study: str = ""


@dataclass(frozen=True)
class Source:
    """A table of measured devices under one configuration.

    Attributes
    ----------
    id : int
        In this catalogue.
    configuration : Configuration
    name : str
        Where the table was when it was begun.
    identity : str
        sha256 of its content.
    chunk_size : int
        Devices in a chunk: the numbers of chunks mean nothing without it.
    """

    id: int
    configuration: Configuration
    name: str
    identity: str
    chunk_size: int


@dataclass(frozen=True)
class Tally:
    """How many devices of a table are in the catalogue.

    Attributes
    ----------
    devices : int
        Reduced.
    faults : int
        That could not be used.
    flags : mapping of int to int
        Reduced devices by the value of their column `flags`.
    """

    devices: int
    faults: int
    flags: Mapping[int, int]

    @property
    def all(self) -> int:
        """Devices of the table so far, usable or not."""
        return self.devices + self.faults
