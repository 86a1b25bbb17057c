"""Tables of a file for ``mtjfit spectra``: their keys and types, and what they declare as objects."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, Discriminator, Field, PlainValidator, create_model

from mtjfit.data.curve_checks import LARGEST, SIZE, written_angle_fault
from mtjfit.data.format import NamePattern, ReadOptions
from mtjfit.errors import Problem, did_you_mean
from mtjfit.spectra.calibration import (
    CONSTANT_UNITS,
    Constant,
    Constants,
    factor_or_problem,
)
from mtjfit.spectra.joint import Sharing
from mtjfit.spectra.spectrum import HIGHEST_DEGREE, Against, LineModel
from mtjfit.spectra.study import LineOptions, SpectraDevice
from mtjfit.toml import (
    NUMBER,
    TABLE,
    WORD,
    WORD_OR_NUMBER,
    TomlTable,
    file_shape,
    json_schema,
    read_later,
    validated,
)

T = TypeVar("T")


class SpectraTable(TomlTable):
    """``[spectra]``: a name, the abscissa of the spectra, and the unit of the torkances to write."""

    name: str
    against: Literal["frequency", "field"]
    torkance_unit: str = "hbar/2e/kohm"
    origin: str = ""
    sweeps: Literal["separate", "average"] | None = None


class ColumnsTable(TomlTable):
    """``[files.columns]``: names of columns; bias, device and fixed only where columns hold them."""

    x: str
    voltage: str
    bias: str = ""
    device: str = ""
    fixed: str = ""


class UnitsTable(TomlTable):
    """``[files.units]``: declared units; they must agree with those in the files."""

    x: str
    voltage: str
    bias: str = "V"
    fixed: str = ""


class WideTable(TomlTable):
    """``[files.wide]``: series in columns side by side."""

    columns: tuple[str, ...]
    name: str = ""
    name_in: Literal["name", "comment"] = "name"


@dataclass(frozen=True)
class ReadTable(ReadOptions):
    """``[files.read]``: format of the files, where it cannot be detected."""

    comment: str = "#"
    separator: Literal["", ",", ";", "\t", "|", "space"] = ""
    reader: str = ""


def _read_table(value: object) -> ReadTable:
    found = validated(ReadTable, value, "")
    if isinstance(found, list):
        raise ValueError(", ".join(f"{each.where.lstrip('.')} {each.what}; {each.todo}" for each in found))
    return found


class WithinTable(TomlTable):
    """``within = { … }``: values that an instrument read back and that differ by less are one, in the unit declared."""

    bias: float | None = Field(default=None, gt=0)
    fixed: float | None = Field(default=None, gt=0)


class RowMask(TomlTable):
    """One of ``mask = [{ … }]``: rows to leave out, by one of abscissa, lines of the file, and missing numbers."""

    x: tuple[float, float] | None = None
    lines: tuple[int, int] | None = None
    missing: bool = False
    file: str = "*"
    reason: str


_Names: TypeAlias = Annotated[
    Annotated[tuple[str, ...], TABLE] | Annotated[str, AfterValidator(lambda name: (name,)), WORD],
    Discriminator(lambda value: WORD.tag if isinstance(value, str) else TABLE.tag),
]
"""One pattern of file names, or a list of them."""


def fits_name(name: str, pattern: str) -> bool:
    """Whether a file is called so, whatever brackets are in its name, or fits a pattern."""
    return name == pattern or fnmatchcase(name, pattern)


class FilesTable(TomlTable):
    """One ``[[files]]``: files of one format."""

    folder: str = "."
    file: _Names = ("*",)
    leave_out: _Names = ()
    pattern: str = ""
    columns: ColumnsTable
    units: UnitsTable
    device: str = ""
    bias: float | None = None
    fixed: float | None = None
    within: WithinTable = WithinTable()
    mask: tuple[RowMask, ...] = ()
    wide: WideTable | None = None
    read: Annotated[ReadTable, PlainValidator(_read_table, json_schema_input_type=file_shape(ReadTable))] = ReadTable()

    @property
    def named(self) -> frozenset[str]:
        """What names of files or series hold, by the declared patterns."""
        patterns = (self.pattern, self.wide.name if self.wide else "")
        return frozenset(name for each in patterns if each for name in NamePattern(each).names)


class DerivativeTable(TomlTable):
    """``derivative = { … }``: the voltage is the first harmonic of a modulated abscissa."""

    modulation: float = Field(gt=0)
    unit: str
    amplitude: Literal["peak", "rms"]
    output: Literal["peak", "rms"]


_Sharing: TypeAlias = Annotated[Annotated[Literal["free", "shared"], WORD] | Annotated[int, NUMBER], WORD_OR_NUMBER]


class LineTable(TomlTable):
    """``[line]``: the model of a spectrum."""

    modes: int = Field(default=1, ge=1, le=8)
    use: Literal["largest", "lowest", "highest"] = "largest"
    background: int = Field(default=1, ge=-1, le=HIGHEST_DEGREE)
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


CONSTANTS = tuple(CONSTANT_UNITS)
_constants_of: dict[str, Any] = dict.fromkeys(CONSTANTS, (Annotated[Any, read_later(ConstantTable)], None))


class _DeviceTable(TomlTable):
    name: str
    thickness: float = Field(gt=0)
    thickness_sd: float | None = Field(default=None, gt=0)


DeviceTable = create_model("DeviceTable", __base__=_DeviceTable, **_constants_of)
DeviceTable.__doc__ = """One ``[[devices]]``: name, free layer, and the constants of this device alone."""


class SpectraDocument(TomlTable):
    """Spectra for mtjfit: files, the model of a line, constants and devices."""

    spectra: Annotated[Any, read_later(SpectraTable)]
    files: Annotated[Any, read_later(tuple[FilesTable, ...])]
    line: Annotated[Any, read_later(LineTable)] = None
    constants: Annotated[Any, read_later(create_model("ConstantsTable", __base__=TomlTable, **_constants_of))] = None
    devices: Annotated[Any, read_later(tuple[DeviceTable, ...])] = None


def spectra_schema() -> dict[str, Any]:
    """JSON schema of a file of spectra."""
    return json_schema(SpectraDocument, ADVICE)


ADVICE = {
    "against": 'write against = "frequency" or "field": what the abscissa of the spectra is',
    "spectra": "add a [spectra] table with name and against",
    "files": "add a [[files]] table",
    "columns": 'add a [files.columns] table with x = "…" and voltage = "…"',
    "units": "add a [files.units] table; units in files are often wrong, so they are declared",
    "unit": "give the unit; no number here goes without one",
    "thickness": "give the thickness of the free layer in nm",
    "amplitude": 'write amplitude = "peak" or "rms": how the modulation is given',
    "output": 'write output = "peak" or "rms": how the lock-in amplifier shows its signal',
    "sweeps": 'write sweeps = "separate" (each sweep fitted on its own) or "average"',
    "reason": "say why the rows are left out",
    "centre": 'write "free", "shared", or the degree of a polynomial in the bias',
    "width": 'write "free", "shared", or the degree of a polynomial in the bias',
}
"""Remedies for problems, by key."""

_POSITIVE = ("I_rf", "dV_dI", "Ms_Vol", "Nx_Meff", "gamma")
_NEEDED = {
    "I_rf": "peak amplitude of the radio-frequency current through the junction",
    "V_thetaI": "∂²V/∂θ∂I, or dR/dθ of an ohmic junction",
    "dV_dI": "differential resistance",
    "Ms_Vol": "total moment of the free layer",
}


def kept(found: T | list[Problem], problems: list[Problem]) -> T | None:
    """An object that was validated; None, and its problems are added to the others, where it was not."""
    if isinstance(found, list):
        problems += found
        return None
    return found


def _constant(name: str, raw: object, where: str, own: bool) -> Constant | list[Problem]:
    table = validated(ConstantTable, raw, where, ADVICE)
    if isinstance(table, list):
        return table
    problems: list[Problem] = []
    scale = factor_or_problem(table.unit, CONSTANT_UNITS[name], f"{where}.unit", problems)
    biases = [V for V, _ in table.table]
    values = [value for _, value in table.table] if table.table else [table.value or 0.0]
    numbers = [*biases, *values, table.value, table.sd, table.relative]
    checks = (
        ((table.value is None) == (not table.table), "", "needs one of value and table",
         "give a number, or [[bias, value], …]"),
        ((table.sd is None) == (table.relative is None), "", "needs one of sd and relative",
         "give the standard error, or 0 if it is exact: it moves the whole curve"),
        (bool(table.table) and table.relative is None, ".relative", "is missing beside the table",
         "give the relative standard error"),
        (not all(math.isfinite(each) for each in numbers if each), "", "holds NaN or inf", "give plain numbers"),
        (any(not 1 / LARGEST <= abs(each) <= LARGEST for each in numbers if each and math.isfinite(each)), "", *SIZE),
        (any(b <= a for a, b in pairwise(biases)), ".table", "is not sorted by bias",
         "give each bias once, ascending"),
        (name in _POSITIVE and min(values) <= 0, "", f"is {min(values):g}", "give a positive number"),
        (name == "V_thetaI" and 0.0 in values, "", "is 0", "without a change of resistance nothing is rectified"),
    )  # fmt: skip
    problems += [Problem(where + key, what, todo) for wrong, key, what, todo in checks if wrong]
    if name == "theta" and table.value is not None and (fault := written_angle_fault(table.value)):
        problems.append(Problem(where, *fault))
    if problems:
        return problems
    if table.table:
        return Constant(
            math.nan, float(table.relative or 0.0), tuple((V, each * scale) for V, each in table.table), own
        )
    value = float(table.value or 0.0) * scale
    sd = table.sd * scale if table.sd is not None else abs(value) * float(table.relative or 0.0)
    return Constant(value, sd, (), own)


def _constants(
    common: Mapping[str, object], own: Mapping[str, object], where: str, against: Against, problems: list[Problem]
) -> Constants | None:
    """``[constants]``, where those of the device itself do not replace them; None where there are none at all."""
    if not common and not own:
        return None
    before, found = len(problems), dict[str, Constant]()
    for name in CONSTANTS:
        if name in own or name in common:
            place = f"{where}.{name}" if name in own else f"constants.{name}"
            one = kept(_constant(name, own.get(name, common.get(name)), place, name in own), problems)
            found |= {} if one is None else {name: one}
    declared = {*common, *own}
    problems += [Problem(f"constants.{name}", "is missing", f"give the {_NEEDED[name]}")
                 for name in _NEEDED if name not in declared]  # fmt: skip
    if {"Nx_Meff", "Meff"} <= declared:
        what = "is declared beside Meff"
        problems.append(Problem(f"{where}.Nx_Meff", what, "keep one: N_x M_eff = B + B_k + μ0 M_eff follows from Meff"))
    elif against == "field" and "Meff" not in declared:
        problems.append(Problem("constants.Meff", "is missing", "sweeps of the field need μ0 M_eff for dω/dB"))
    elif not {"Nx_Meff", "Meff"} & declared:
        todo = "give N_x M_eff = B + μ0 M_eff of an in-plane layer, or Meff if the field of each spectrum is known"
        problems.append(Problem("constants.Nx_Meff", "is missing", todo))
    return Constants(**found) if len(problems) == before else None


def devices_from(raw: object, common: object, against: Against, problems: list[Problem]) -> dict[str, SpectraDevice]:
    """All declared devices by name, without constants that have problems."""
    if not isinstance(common, dict):
        problems.append(Problem("constants", "is not a table", 'write I_rf = { value = 10, sd = 0.5, unit = "uA" }'))
        return {}
    problems += [Problem(f"constants.{name}", "is no constant", did_you_mean(name, CONSTANTS))
                 for name in common if name not in CONSTANTS]  # fmt: skip
    common = {name: each for name, each in common.items() if name in CONSTANTS}
    if not isinstance(raw, list):
        problems.append(Problem("devices", "is not a list of tables", "write [[devices]] with name and thickness"))
        return {}
    found: dict[str, SpectraDevice] = {}
    for i, each in enumerate(raw):
        where = f"devices[{i}]"
        table = kept(validated(DeviceTable, each, where, ADVICE), problems)
        if table is None:
            continue
        before = len(problems)
        own = {name: raw for name in CONSTANTS if (raw := getattr(table, name)) is not None}
        constants = _constants(common, own, where, against, problems)
        if len(problems) > before:
            continue
        if table.name in found:
            problems.append(Problem(f"{where}.name", f"is {table.name!r} a second time", "name each device once"))
        found[table.name] = SpectraDevice(table.name, table.thickness, table.thickness_sd, constants)
    return found


def line_from(raw: object, x_unit: str, against: Against, problems: list[Problem]) -> LineOptions | None:
    """``[line]``, whose `range` is in `x_unit`, the unit of the abscissa; None where it has problems."""
    table = kept(validated(LineTable, raw, "line", ADVICE), problems)
    if table is None:
        return None
    before = len(problems)
    modulation, output = None, 1.0
    if table.derivative is not None:
        unit = factor_or_problem(table.derivative.unit, against, "line.derivative.unit", problems)
        peak = {"peak": 1.0, "rms": math.sqrt(2.0)}
        modulation = table.derivative.modulation * unit * peak[table.derivative.amplitude]
        output = peak[table.derivative.output]
    sharing: dict[str, Sharing] = {}
    for name in ("centre", "width"):
        given = getattr(table, name)
        sharing[name] = 0 if given == "shared" else given
        if isinstance(given, int) and not 0 <= given <= 6:
            problems.append(Problem(f"line.{name}", f"is a polynomial of degree {given}", "give 0 to 6"))
    if "Meff" not in table.kittel:
        problems.append(Problem("line.kittel", "is without Meff", 'write ["Meff"] or ["Meff", "Bk"]'))
    if table.form == "oscillator" and (against == "field" or table.derivative is not None):
        what = "is for unmodulated sweeps of the frequency"
        problems.append(Problem("line.form", what, 'write form = "lorentzian"'))
    limits = None
    if table.range is not None:
        low, high = table.range
        if not low < high:
            problems.append(Problem("line.range", f"[{low:g}, {high:g}] is empty", f"give [low, high] in {x_unit}"))
        scale = factor_or_problem(x_unit, against, "line.range", []) if x_unit != "?" else math.nan
        limits = (low * scale, high * scale)
    if len(problems) > before:
        return None
    model = LineModel(table.modes, table.background, modulation, table.form)
    return LineOptions(
        model, table.use, sharing["centre"], sharing["width"], limits, table.window, table.kittel, output
    )
