"""The shape of a file for ``mtjfit spectra``: which keys there are and of which type; meaning is checked on loading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import Field

from mtjfit.data.format import ReadOptions
from mtjfit.errors import Problem
from mtjfit.toml import NUMBER, WORD, WORD_OR_NUMBER, TomlTable
from mtjfit.toml import validated as checked_table

__all__ = [
    "CONSTANTS",
    "ConstantTable",
    "DeviceTable",
    "FilesTable",
    "LineTable",
    "SpectraDocument",
    "SpectraTable",
    "validated",
]


T = TypeVar("T")


class SpectraTable(TomlTable):
    """``[spectra]``: a name, what the spectra are taken against, and the unit of the torkances to write."""

    name: str
    against: Literal["frequency", "field"]
    torkance_unit: str = "hbar/2e/kohm"
    origin: str = ""


class ColumnsTable(TomlTable):
    """``[files.columns]``: names of columns; bias, device and fixed only where they stand in columns."""

    x: str
    voltage: str
    bias: str = ""
    device: str = ""
    fixed: str = ""


class UnitsTable(TomlTable):
    """``[files.units]``: declared units; they must agree with what a file says of itself."""

    x: str
    voltage: str
    bias: str = "V"
    fixed: str = ""


class WideTable(TomlTable):
    """``[files.wide]``: how series stand side by side."""

    columns: tuple[str, ...]
    name: str = ""
    name_in: Literal["name", "comment"] = "name"


@dataclass(frozen=True)
class ReadTable(ReadOptions):
    """``[files.read]``: how the files are written, where that cannot be found out."""

    comment: str = "#"
    reader: str = ""


class FilesTable(TomlTable):
    """One ``[[files]]``: files of one format."""

    folder: str = "."
    file: str = "*"
    pattern: str = ""
    columns: ColumnsTable
    units: UnitsTable
    device: str = ""
    bias: float | None = None
    fixed: float | None = None
    wide: WideTable | None = None
    read: ReadTable = ReadTable()


class DerivativeTable(TomlTable):
    """``derivative = { … }``: the voltage is the first harmonic of a modulated abscissa."""

    modulation: float = Field(gt=0)
    unit: str
    amplitude: Literal["peak", "rms"]
    output: Literal["peak", "rms"]


_Sharing: TypeAlias = Annotated[Annotated[Literal["free", "shared"], WORD] | Annotated[int, NUMBER], WORD_OR_NUMBER]


class LineTable(TomlTable):
    """``[line]``: what is fitted."""

    modes: int = Field(default=1, ge=1, le=8)
    use: Literal["largest", "lowest", "highest"] = "largest"
    background: int = Field(default=1, ge=-1, le=8)
    form: Literal["lorentzian", "oscillator"] = "lorentzian"
    centre: _Sharing = "free"
    width: _Sharing = "free"
    range: tuple[float, float] | None = None
    window: float | None = Field(default=None, ge=3)
    derivative: DerivativeTable | None = None
    kittel: tuple[Literal["Meff", "Bk", "gamma"], ...] = ("Meff", "Bk")


class ConstantTable(TomlTable):
    """One constant: a value with its standard error, or a table against bias with a relative one."""

    value: float | None = None
    sd: float | None = Field(default=None, ge=0)
    relative: float | None = Field(default=None, ge=0)
    table: tuple[tuple[float, float], ...] = ()
    unit: str


class DeviceTable(TomlTable):
    """One ``[[devices]]``: name, free layer, and whatever constants are its own."""

    name: str
    thickness: float = Field(gt=0)
    thickness_sd: float | None = Field(default=None, gt=0)
    I_rf: Any = None
    V_thetaI: Any = None
    dV_dI: Any = None
    Ms_Vol: Any = None
    Nx_Meff: Any = None
    Meff: Any = None
    Bk: Any = None
    V_II: Any = None
    theta: Any = None
    gamma: Any = None


CONSTANTS = ("I_rf", "V_thetaI", "dV_dI", "Ms_Vol", "Nx_Meff", "Meff", "Bk", "V_II", "theta", "gamma")


class SpectraDocument(TomlTable):
    """The whole file, for the names of its tables only."""

    spectra: Any
    files: Any
    line: Any = None
    constants: Any = None
    devices: Any = None


_TODO = {
    "against": 'write against = "frequency" or "field": what the abscissa of the spectra is',
    "spectra": "add a [spectra] table with name and against",
    "files": "add a [[files]] table",
    "columns": 'add a [files.columns] table with x = "…" and voltage = "…"',
    "units": "add a [files.units] table; units in files are often wrong, so they are declared",
    "unit": "give the unit; no number here goes without one",
    "thickness": "give the thickness of the free layer in nm",
    "amplitude": 'write amplitude = "peak" or "rms": how the modulation is given',
    "output": 'write output = "peak" or "rms": how the lock-in amplifier shows its signal',
    "centre": 'write "free", "shared", or the degree of a polynomial in the bias',
    "width": 'write "free", "shared", or the degree of a polynomial in the bias',
}


def validated(model: type[T], raw: object, where: str) -> T | list[Problem]:
    """`mtjfit.toml.validated` with advice for the keys of a file of spectra.

    Examples
    --------
    >>> for problem in validated(SpectraTable, {"nam": "series", "against": "field"}, "spectra"):
    ...     print(problem)
    spectra.name: is missing; add it
    spectra.nam: is no key; did you mean 'name'?
    """
    return checked_table(model, raw, where, _TODO)
