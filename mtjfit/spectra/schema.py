"""The shape of a file for ``mtjfit spectra``: which keys there are and of which type; meaning is checked on loading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mtjfit.data.suggest import did_you_mean
from mtjfit.errors import Problem

__all__ = [
    "CONSTANTS",
    "ConstantTable",
    "DeviceTable",
    "Document",
    "FilesTable",
    "LineTable",
    "SpectraTable",
    "validated",
]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SpectraTable(_Table):
    """``[spectra]``: a name, what the spectra are taken against, and the unit of the torkances to write."""

    name: str
    against: Literal["frequency", "field"]
    torkance_unit: str = "hbar/2e/kohm"
    origin: str = ""


class ColumnsTable(_Table):
    """``[files.columns]``: names of columns; bias, device and fixed only where they stand in columns."""

    x: str
    voltage: str
    bias: str = ""
    device: str = ""
    fixed: str = ""


class UnitsTable(_Table):
    """``[files.units]``: declared units; they must agree with what a file says of itself."""

    x: str
    voltage: str
    bias: str = "V"
    fixed: str = ""


class WideTable(_Table):
    """``[files.wide]``: how series stand side by side."""

    columns: tuple[str, ...]
    name: str = ""
    name_in: Literal["name", "comment"] = "name"


class ReadTable(_Table):
    """``[files.read]``: how the files are written, where that cannot be found out."""

    reader: str = ""
    separator: str = ""
    decimal: str = ""
    comment: str = "#"
    encoding: str = ""
    names: tuple[str, ...] = ()
    header: tuple[Literal["name", "unit", "comment", "skip"], ...] = ()
    sheet: str = ""


class FilesTable(_Table):
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


class DerivativeTable(_Table):
    """``derivative = { … }``: the voltage is the first harmonic of a modulated abscissa."""

    modulation: float = Field(gt=0)
    unit: str
    amplitude: Literal["peak", "rms"]
    output: Literal["peak", "rms"]


class LineTable(_Table):
    """``[line]``: what is fitted."""

    modes: int = Field(default=1, ge=1, le=8)
    use: Literal["largest", "lowest", "highest"] = "largest"
    background: int = Field(default=1, ge=-1, le=8)
    form: Literal["lorentzian", "oscillator"] = "lorentzian"
    centre: Literal["free", "shared"] | int = "free"
    width: Literal["free", "shared"] | int = "free"
    range: tuple[float, float] | None = None
    window: float | None = Field(default=None, ge=3)
    derivative: DerivativeTable | None = None
    kittel: tuple[Literal["Meff", "Bk", "gamma"], ...] = ("Meff", "Bk")


class ConstantTable(_Table):
    """One constant: a value with its standard error, or a table against bias with a relative one."""

    value: float | None = None
    sd: float | None = Field(default=None, ge=0)
    relative: float | None = Field(default=None, ge=0)
    table: tuple[tuple[float, float], ...] = ()
    unit: str


class DeviceTable(_Table):
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


class Document(_Table):
    """The whole file, for the names of its tables only."""

    spectra: Any
    files: Any
    line: Any = None
    constants: Any = None
    devices: Any = None


T = TypeVar("T", bound=_Table)

_WHAT = {
    "missing": "is missing",
    "string_type": "is not a string",
    "float_type": "is not a number",
    "int_type": "is not a whole number",
    "model_type": "is not a table",
    "model_attributes_type": "is not a table",
    "tuple_type": "is not a list",
    "too_long": "has too many entries",
}
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
_TODO_BY_TYPE = {
    "string_type": 'write it in quotes, such as "text"',
    "float_type": "write a number without quotes",
    "int_type": "write a whole number without quotes",
    "tuple_type": "write it in square brackets",
}
_NESTED: Mapping[str, type[_Table]] = {
    "columns": ColumnsTable, "units": UnitsTable, "wide": WideTable, "read": ReadTable, "derivative": DerivativeTable,
}  # fmt: skip


def validated(model: type[T], raw: object, where: str) -> T | list[Problem]:
    """A table of the file as a model, or every problem of its shape.

    Examples
    --------
    >>> for problem in validated(SpectraTable, {"nam": "series", "against": "field"}, "spectra"):
    ...     print(problem)
    spectra.name: is missing; add it
    spectra.nam: is no key; did you mean 'name'?
    """
    try:
        return model.model_validate(_with_tuples(raw))
    except ValidationError as error:
        found = [_problem(model, dict(each), where) for each in error.errors(include_url=False)]
        return list({problem.where: problem for problem in reversed(found)}.values())[::-1]


def _with_tuples(raw: object) -> object:
    if isinstance(raw, list):
        return tuple(_with_tuples(each) for each in raw)
    return {key: _with_tuples(each) for key, each in raw.items()} if isinstance(raw, dict) else raw


def _problem(model: type[_Table], error: Mapping[str, Any], where: str) -> Problem:
    path = [key for key in error["loc"] if not (isinstance(key, str) and ("[" in key or key in ("int", "float")))]
    spelled = (where + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)).lstrip(".")
    kind, last = error["type"], path[-1] if path else where
    if kind == "extra_forbidden":
        for key in path[:-1]:
            model = _NESTED.get(str(key), model)
        return Problem(spelled, "is no key", did_you_mean(str(last), _keys(model)))
    if kind == "literal_error":
        choices = [word.strip().strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        todo = _TODO.get(str(last)) or did_you_mean(str(error["input"]), choices)
        return Problem(spelled, f"is {error['input']!r}", todo)
    what = _WHAT.get(kind) or str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "is not")
    todo = _TODO.get(str(last)) or _TODO_BY_TYPE.get(kind) or ("add it" if kind == "missing" else "correct it")
    return Problem(spelled, what, todo)


def _keys(model: type[_Table]) -> Iterable[str]:
    return list(model.model_fields)
