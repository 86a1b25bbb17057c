"""Declaration of a data file, of all that the file itself cannot reveal: columns, units, quantity, format."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator

from mtjfit.data.column_names import may_be_one
from mtjfit.data.curve import COMPONENTS, Component, PerpAxis
from mtjfit.data.curve_checks import SinTheta, angle_faults, written_angle_fault
from mtjfit.data.format import ENCODINGS, SEPARATORS, SPACE, NamePattern, TableFormat, Wide
from mtjfit.data.unit_kinds import unit_name
from mtjfit.data.units import Per, Quantity, bias_factor, check_unit, thickness_factor
from mtjfit.errors import ConfigError, Problem
from mtjfit.toml import TABLE, TOML, WORD, WORD_OR_TABLE


@dataclass(frozen=True)
class Columns:
    """Name of the column of each role; empty where there is none.

    `par` or `perp` alone where one component was measured. In a long table `component` says which one a row holds, and
    `torque` and `sigma_torque` are its value and standard error. One column may be both `condition` and `group`,
    `device` and `thickness` where nothing else tells devices apart, or `sigma_par` and `sigma_perp`.
    """

    bias: str
    par: str = ""
    perp: str = ""
    sigma_par: str = ""
    sigma_perp: str = ""
    device: str = ""
    thickness: str = ""
    group: str = ""
    angle: str = ""
    rho: str = ""
    sigma_bias: str = ""
    component: str = ""
    torque: str = ""
    sigma_torque: str = ""
    condition: str = ""

    @property
    def components(self) -> tuple[Component, ...]:
        """Components that the file may hold."""
        return COMPONENTS if self.component else tuple(each for each in COMPONENTS if getattr(self, each))

    def roles(self) -> dict[str, str]:
        """Column name by role, declared roles only."""
        return {role: column for role, column in vars(self).items() if column}


@dataclass(frozen=True)
class ColumnUnits:
    """Units of the numbers in the file; `torque` is the unit of the torque or torkance and of their errors."""

    bias: str
    torque: str
    thickness: str


@dataclass(frozen=True)
class BiasMask:
    """Points to leave out: a bias interval in V, ends included, of one device or (empty name) of all.

    Under one condition or (empty) all, of one component or both.
    """

    bias: tuple[float, float]
    reason: str
    device: str = ""
    component: Component | None = None
    condition: str = ""

    def covers(self, device: str, condition: str) -> bool:
        """Whether it is meant for the curve of a device under a condition."""
        return self.device in ("", device) and self.condition in ("", condition)


@dataclass(frozen=True)
class ConstantSigma:
    """One standard error for each component that was measured, in the unit of the torque."""

    par: float | None = None
    perp: float | None = None


Sigma: TypeAlias = Annotated[
    Annotated[Literal["columns", "fit"], WORD] | Annotated[ConstantSigma, TABLE], WORD_OR_TABLE
]
_CovarianceFiles: TypeAlias = Annotated[
    Annotated[str, WORD] | Annotated[dict[str, str], AfterValidator(lambda files: tuple(files.items())), TABLE],
    WORD_OR_TABLE,
]


@dataclass(frozen=True)
class TableDeclaration:
    """Everything that must be known to read one tidy table.

    ConfigError with every contradiction in it; `where` is the key path inside a ``[[data]]`` table.

    Attributes
    ----------
    perp_axis : {"MxP", "PxM"}
        Direction along which the file counts the out-of-plane component; ``"PxM"`` is flipped on loading.
    device, group, condition : str
        Constants for files without such a column. Curves of one device under different conditions share its thickness.
    thickness : float or None
        Constant thickness in ``units.thickness``, for files without such a column.
    angle : float or None
        Constant angle θ between the moments in degrees, for files without such a column; it need not be declared.
    sin_theta : {"included", "divided"} or None
        Whether the values are torques at that angle, so that the model multiplies by sin θ, or are already per sin θ.
        Required beside an angle. None: amplitudes belong to the angle of the measurement.
    sigma_bias : float or None
        Standard error of every bias in V, for files without such a column (which is in ``units.bias``). None: the bias
        is known exactly.
    sigma : {"columns", "fit"} or ConstantSigma
        Errors are in columns, are not known and shall be fitted, or are the same at every point. A column
        ``columns.rho`` gives the correlation between the errors of the two components of each point.
    wide : Wide or None
        Layout of the series of a wide table.
    name : str
        Pattern of the file name, such as ``"{device}_T{thickness:nm}.txt"``; where ``format.sheet`` is a pattern, of
        the file name with the part in brackets, such as ``"{*}[{device}]"``. Its fields may be named in `columns` like
        columns; so may header parameters. Several fields together may name a device, group or condition:
        ``"{thickness} {device}"``.
    covariance : str or tuple of (str, str)
        File with the covariance of all values of a curve (``{device}`` and ``{condition}`` stand for its device and
        condition), or such a file for each of some curves, by name. Errors need no columns then.
    bias_window : (float, float) or None
        In V, ends included; points outside are masked.

    Examples
    --------
    >>> declaration = TableDeclaration("torkance", "device", "MxP", Columns("V", "dTpar", "dTperp"),
    ...                                ColumnUnits("mV", "hbar/2e/kohm", "nm"), device="A1", thickness=2.0,
    ...                                sigma="fit")
    >>> declaration.columns.bias
    'V'
    """

    quantity: Quantity
    per: Per
    perp_axis: PerpAxis
    columns: Columns
    units: ColumnUnits
    device: str = ""
    thickness: float | None = None
    group: str = ""
    sigma: Sigma = "columns"
    format: TableFormat = field(default_factory=TableFormat)
    bias_window: tuple[float, float] | None = None
    mask: tuple[BiasMask, ...] = ()
    angle: float | None = None
    sin_theta: SinTheta | None = None
    sigma_bias: float | None = None
    wide: Wide | None = None
    name: str = ""
    covariance: str | tuple[tuple[str, str], ...] = field(default="", metadata={TOML: _CovarianceFiles})
    condition: str = ""

    def __post_init__(self) -> None:
        problems = [*self._meaning(), *self._columns(), *self._constants(), *self._errors(), *self._names(),
                    *self._format(), *self._intervals()]  # fmt: skip
        if problems:
            raise ConfigError(problems)

    def _meaning(self) -> Iterator[Problem]:
        kinds = {"quantity": get_args(Quantity), "per": get_args(Per), "perp_axis": get_args(PerpAxis)}
        wrong = [name for name, choices in kinds.items() if getattr(self, name) not in choices]
        for name in wrong:
            listed = " or ".join(f'"{choice}"' for choice in kinds[name])
            yield Problem(name, f"is {getattr(self, name)!r}", f"write {listed}")
        if not wrong and (problem := check_unit(self.units.torque, self.quantity, self.per, "units.torque")):
            yield problem
        for name, factor in (("bias", bias_factor), ("thickness", thickness_factor)):
            try:
                factor(getattr(self.units, name))
            except ValueError as error:
                what, _, todo = str(error).partition("; ")
                yield Problem(f"units.{name}", what, todo)

    def _columns(self) -> Iterator[Problem]:
        seen: dict[str, str] = {}
        for role, column in vars(self.columns).items():
            where = f"columns.{role}"
            if not column and role == "bias":
                yield Problem(where, "is empty", "name the column")
            if column != column.strip():
                todo = "write it without; they are ignored in the header too"
                yield Problem(where, f"{column!r} has spaces at its ends", todo)
            if column and column in seen and not may_be_one(role, seen[column], column):
                what = f"column {column!r} is already declared as {seen[column]}"
                yield Problem(where, what, "give each role its own column")
            seen.setdefault(column, role)
        yield from self._components()

    def _components(self) -> Iterator[Problem]:
        columns = self.columns
        wide = [role for role in ("par", "perp", "sigma_par", "sigma_perp", "rho") if getattr(columns, role)]
        long = [role for role in ("component", "torque", "sigma_torque") if getattr(columns, role)]
        if long:
            what = f"is declared beside columns.{long[0]}, which is for tables with one component in each row"
            yield from (Problem(f"columns.{role}", what, "remove one of the two") for role in wide)
            for role in {"component", "torque"} - set(long):
                yield Problem(f"columns.{role}", f"is missing beside columns.{long[0]}", "name the column")
            return
        if not columns.components:
            todo = "name the column of each component that was measured; long tables: columns.component and torque"
            yield Problem("columns.par", "is missing, and so is columns.perp", todo)
        for role in ("sigma_par", "sigma_perp", "rho"):
            needs = ("par", "perp") if role == "rho" else (role.removeprefix("sigma_"),)
            missing = [each for each in needs if columns.components and each not in columns.components]
            if getattr(columns, role) and missing:
                yield Problem(
                    f"columns.{role}", f"is declared without columns.{missing[0]}", "declare both, or neither"
                )
        for i, mask in enumerate(self.mask):
            if mask.component is not None and columns.components and mask.component not in columns.components:
                what = f"is {mask.component!r}, which is not among the columns"
                yield Problem(f"mask[{i}].component", what, "remove the mask, or declare the column")

    def _constants(self) -> Iterator[Problem]:
        """Problems of values that are either a column or a constant."""
        for role in ("device", "thickness", "group", "condition", "angle", "sigma_bias"):
            constant, column = getattr(self, role) not in ("", None), getattr(self.columns, role)
            if constant and column:
                yield Problem(role, "is declared both as a constant and as a column", "keep one of the two")
            if not constant and not column and role in ("device", "thickness"):
                todo = f"name the column in columns.{role}, or give the constant {role}"
                yield Problem(role, "is declared neither as a column nor as a constant", todo)
        if self.thickness is not None and not 0 < self.thickness < math.inf:
            yield Problem("thickness", f"is {self.thickness:g}", "give a positive thickness")
        for role in ("device", "group", "condition"):
            name = getattr(self, role)
            if name != name.strip() or not name.isprintable():
                todo = "use printable characters without spaces at the ends"
                yield Problem(role, f"{name!r} is no proper name", todo)
        if self.angle is not None and (fault := written_angle_fault(self.angle)):
            yield Problem("angle", *fault)
        for fault_of in angle_faults(self.angle is not None or bool(self.columns.angle), self.sin_theta):
            yield Problem(*fault_of)

    def _errors(self) -> Iterator[Problem]:
        columns, sigma, covariance = self.columns, self.sigma, self.covariance
        needed = ("sigma_torque",) if columns.component else tuple(f"sigma_{each}" for each in columns.components)
        declared = [role for role in needed if getattr(columns, role)]
        if sigma == "columns":
            todo = 'name the column of the standard error, or set sigma = "fit" or sigma = { par = …, perp = … }'
            for role in needed:
                if role not in declared and (declared or not covariance):
                    yield Problem(f"columns.{role}", "is not declared", todo)
        else:
            what = "contradicts sigma, which says that errors are not read from columns"
            yield from (Problem(f"columns.{role}", what, "remove one of the two") for role in declared)
        if isinstance(sigma, ConstantSigma):
            for name, value in vars(sigma).items():
                if value is None and name in columns.components:
                    yield Problem(f"sigma.{name}", "is missing", f"give the standard error of columns.{name}")
                elif value is not None and name not in columns.components:
                    yield Problem(
                        f"sigma.{name}", "is declared without its column", f"declare columns.{name}, or remove it"
                    )
                elif value is not None and not 0 < value < math.inf:
                    yield Problem(f"sigma.{name}", f"is {value:g}", "give a positive standard error")
            if covariance:
                yield Problem("sigma", "is declared beside covariance", "remove it: the covariance holds the errors")
        elif sigma not in ("columns", "fit"):
            yield Problem("sigma", f"is {sigma!r}", 'write "columns", "fit" or { par = …, perp = … }')
        if self.sigma_bias is not None and not 0 <= self.sigma_bias < math.inf:
            yield Problem("sigma_bias", f"is {self.sigma_bias:g}", "give the standard error of the bias in V")
        if sigma == "fit":
            given = {"columns.rho": columns.rho, "columns.sigma_bias": columns.sigma_bias,
                     "sigma_bias": self.sigma_bias is not None, "covariance": covariance}  # fmt: skip
            todo = "give the errors of both components, or remove it"
            yield from (Problem(where, 'is declared beside sigma = "fit"', todo) for where in given if given[where])
        if columns.component and covariance:
            todo = "give a table for each component, or the errors in columns.sigma_torque"
            yield Problem("covariance", "is declared beside columns.component", todo)
        if columns.rho and covariance:
            todo = "keep one: the covariance holds all correlations"
            yield Problem("covariance", "is declared beside columns.rho", todo)

    def _names(self) -> Iterator[Problem]:
        if self.wide is not None and self.format.is_plain and self.format.reader != "tidy":
            todo = 'name it, such as "wide" or "tidy"; mtjfit init FILE recognises it'
            yield Problem("format.reader", "is missing beside [data.wide]", todo)
        try:
            units = NamePattern(self.name).units if self.name else {}
        except ConfigError as error:
            yield from (Problem("name", each.what, each.todo) for each in error.problems)
            return
        for role, declared in (("bias", self.units.bias), ("thickness", self.units.thickness)):
            unit = units.get(getattr(self.columns, role), declared)
            if unit != declared and unit_name(unit, role) != unit_name(declared, role):
                what = f"is in {unit!r} in the file name, but units.{role} = {declared!r}"
                yield Problem(f"columns.{role}", what, f"set units.{role} to the unit of the file name")

    def _format(self) -> Iterator[Problem]:
        form, comment = self.format, self.format.comment
        if form.max_bytes <= 0:
            yield Problem("format.max_bytes", f"is {form.max_bytes}", "give the largest size in bytes")
        choices = (("separator", ("", *SEPARATORS, SPACE)), ("decimal", (".", ",")), ("encoding", ENCODINGS),
                   ("order", ("sorted", "any")))  # fmt: skip
        for name, allowed in choices:
            if getattr(form, name) not in allowed:
                listed = ", ".join(repr(choice) for choice in allowed if choice)
                yield Problem(f"format.{name}", f"is {getattr(form, name)!r}", f"use one of {listed}")
        bad = len(comment) > 1 or comment.isalnum() or comment.isspace() or comment in ('"', "'", *"+-.", *SEPARATORS)
        if comment and bad:
            todo = "use one character such as '#' or '%', or \"\" for none"
            yield Problem("format.comment", f"{comment!r} cannot start a comment", todo)

    def _intervals(self) -> Iterator[Problem]:
        intervals = [] if self.bias_window is None else [("bias_window", self.bias_window)]
        intervals += [(f"mask[{i}].bias", mask.bias) for i, mask in enumerate(self.mask)]
        for where, (low, high) in intervals:
            # A mask may be a single bias, a window may not.
            if not (-math.inf < low <= high < math.inf and (low < high or where != "bias_window")):
                yield Problem(where, f"[{low:g}, {high:g}] is no interval", "give [low, high] in V")
        for i, mask in enumerate(self.mask):
            if not mask.reason.strip():
                yield Problem(f"mask[{i}].reason", "is empty", "say why the points are left out")
