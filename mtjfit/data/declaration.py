"""What a person declares of a data file, because the file cannot reveal it: columns, units, quantity, format."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator

from mtjfit.data.curve import PerpAxis
from mtjfit.data.curve_checks import SinTheta, angle_faults, written_angle_fault
from mtjfit.data.format import ENCODINGS, SEPARATORS, NamePattern, TableFormat, Wide
from mtjfit.data.units import Per, Quantity, bias_factor, check_unit, thickness_factor
from mtjfit.errors import ConfigError, Problem
from mtjfit.toml import TABLE, TOML, WORD, WORD_OR_TABLE

__all__ = ["BiasMask", "ColumnUnits", "Columns", "ConstantSigma", "TableDeclaration"]


@dataclass(frozen=True)
class Columns:
    """Name of the column of each role; empty where there is none."""

    bias: str
    par: str
    perp: str
    sigma_par: str = ""
    sigma_perp: str = ""
    device: str = ""
    thickness: str = ""
    group: str = ""
    angle: str = ""
    rho: str = ""
    sigma_bias: str = ""

    def roles(self) -> dict[str, str]:
        """Column name by role, declared roles only.

        Examples
        --------
        >>> Columns("V", "T1", "T2").roles()
        {'bias': 'V', 'par': 'T1', 'perp': 'T2'}
        """
        return {each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name)}


@dataclass(frozen=True)
class ColumnUnits:
    """Units of the numbers in the file; `torque` is the unit of the torque or torkance and of their errors."""

    bias: str
    torque: str
    thickness: str


@dataclass(frozen=True)
class BiasMask:
    """Points to leave out: a bias interval in V, ends included, of one device or (empty name) of all."""

    bias: tuple[float, float]
    reason: str
    device: str = ""


@dataclass(frozen=True)
class ConstantSigma:
    """One standard error for each component, in the unit of the torque."""

    par: float
    perp: float


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

    Attributes
    ----------
    quantity : {"torque", "torkance"}
    per : {"area", "device", "volume"}
    perp_axis : {"MxP", "PxM"}
        Direction along which the file counts the out-of-plane component; ``"PxM"`` is flipped on loading.
    device, group : str
        Constants for files without such a column.
    thickness : float or None
        Constant thickness in ``units.thickness``, for files without such a column.
    angle : float or None
        Constant angle θ between the moments in degrees, for files without such a column; it need not be declared.
    sin_theta : {"included", "divided"} or None
        Whether the values are torques at that angle, so that the model multiplies by sin θ, or are already per sin θ.
        It must stand beside an angle. None: amplitudes belong to the angle of the measurement.
    sigma_bias : float or None
        Standard error of every bias in V, for files without such a column (which is in ``units.bias``). None: the bias
        is known exactly.
    sigma : {"columns", "fit"} or ConstantSigma
        Errors stand in columns, are not known and shall be fitted, or are the same at every point. A column
        ``columns.rho`` gives the correlation between the errors of the two components of each point.
    wide : Wide or None
        How series stand side by side in a wide table.
    name : str
        Pattern of the file name, such as ``"{device}_T{thickness:nm}.txt"``. Its fields may be named in `columns` like
        columns; so may header parameters.
    covariance : str or tuple of (str, str)
        File with the covariance of all values of a device (``{device}`` stands for its name), or such a file for each
        of some devices. Errors need not stand in columns then.
    bias_window : (float, float) or None
        In V, ends included; points outside are masked.

    Raises
    ------
    ConfigError
        With every contradiction in the declaration; `where` is the key path inside a ``[[data]]`` table.

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

    def __post_init__(self) -> None:
        problems = [
            *self._meaning(),
            *self._columns(),
            *self._angle(),
            *self._sigma(),
            *self._correlations(),
            *self._layout(),
            *self._format(),
            *self._intervals(),
        ]
        if problems:
            raise ConfigError(problems)

    def _meaning(self) -> Iterator[Problem]:
        sound = True
        for name, kind in (("quantity", Quantity), ("per", Per), ("perp_axis", PerpAxis)):
            if getattr(self, name) not in get_args(kind):
                sound = False
                choices = " or ".join(f'"{choice}"' for choice in get_args(kind))
                yield Problem(name, f"is {getattr(self, name)!r}", f"write {choices}")
        if sound and (problem := check_unit(self.units.torque, self.quantity, self.per, "units.torque")):
            yield problem
        for name, factor in (("bias", bias_factor), ("thickness", thickness_factor)):
            try:
                factor(getattr(self.units, name))
            except ValueError as error:
                what, _, todo = str(error).partition("; ")
                yield Problem(f"units.{name}", what, todo)

    def _columns(self) -> Iterator[Problem]:
        seen: dict[str, str] = {}
        for each in fields(self.columns):
            role, column = each.name, getattr(self.columns, each.name)
            if not column:
                if role in ("bias", "par", "perp"):
                    yield Problem(f"columns.{role}", "is empty", "name the column")
                continue
            if column != column.strip():
                todo = "write it without; they are ignored in the header too"
                yield Problem(f"columns.{role}", f"{column!r} has spaces at its ends", todo)
            if column in seen:
                what = f"column {column!r} is already declared as {seen[column]}"
                yield Problem(f"columns.{role}", what, "give each role its own column")
            seen.setdefault(column, role)
        for role, constant in (("device", bool(self.device)), ("thickness", self.thickness is not None),
                               ("group", bool(self.group)), ("angle", self.angle is not None),
                               ("sigma_bias", self.sigma_bias is not None)):  # fmt: skip
            if constant and getattr(self.columns, role):
                yield Problem(role, "is declared both as a constant and as a column", "keep one of the two")
            if not constant and role not in ("group", "angle", "sigma_bias") and not getattr(self.columns, role):
                todo = f"name the column in columns.{role}, or give the constant {role}"
                yield Problem(role, "is declared neither as a column nor as a constant", todo)
        if self.thickness is not None and not (math.isfinite(self.thickness) and self.thickness > 0):
            yield Problem("thickness", f"is {self.thickness:g}", "give a positive thickness")
        for role in ("device", "group"):
            if getattr(self, role) != getattr(self, role).strip() or not getattr(self, role).isprintable():
                todo = "use printable characters without spaces at the ends"
                yield Problem(role, f"{getattr(self, role)!r} is no proper name", todo)

    def _angle(self) -> Iterator[Problem]:
        if self.angle is not None and (fault := written_angle_fault(self.angle)):
            yield Problem("angle", *fault)
        for fault_of in angle_faults(self.angle is not None or bool(self.columns.angle), self.sin_theta):
            yield Problem(*fault_of)

    def _sigma(self) -> Iterator[Problem]:
        declared = [role for role in ("sigma_par", "sigma_perp") if getattr(self.columns, role)]
        if self.sigma == "columns":
            for role in ("sigma_par", "sigma_perp"):
                if role not in declared and (declared or not self.covariance):
                    todo = (
                        'name the column of the standard error, or set sigma = "fit" or sigma = { par = …, perp = … }'
                    )
                    yield Problem(f"columns.{role}", "is not declared", todo)
            return
        for role in declared:
            yield Problem(f"columns.{role}", "contradicts sigma, which says that errors are not read from columns",
                          "remove one of the two")  # fmt: skip
        sigma: object = self.sigma  # Python callers are not held to the declared type
        if isinstance(sigma, ConstantSigma):
            for name in ("par", "perp"):
                value = getattr(sigma, name)
                if not (math.isfinite(value) and value > 0):
                    yield Problem(f"sigma.{name}", f"is {value:g}", "give a positive standard error")
        elif sigma != "fit":
            yield Problem("sigma", f"is {sigma!r}", 'write "columns", "fit" or { par = …, perp = … }')

    def _correlations(self) -> Iterator[Problem]:
        if self.sigma_bias is not None and not (math.isfinite(self.sigma_bias) and self.sigma_bias >= 0):
            yield Problem("sigma_bias", f"is {self.sigma_bias:g}", "give the standard error of the bias in V")
        if self.sigma != "fit":
            return
        given = [("columns.rho", bool(self.columns.rho)), ("columns.sigma_bias", bool(self.columns.sigma_bias)),
                 ("sigma_bias", self.sigma_bias is not None), ("covariance", bool(self.covariance))]  # fmt: skip
        for where, is_given in given:
            if is_given:
                yield Problem(where, 'is declared beside sigma = "fit"',
                              "give the errors of both components, or remove it")  # fmt: skip

    def _layout(self) -> Iterator[Problem]:
        if self.columns.rho and self.covariance:
            yield Problem("covariance", "is declared beside columns.rho",
                          "keep one: the covariance holds all correlations")  # fmt: skip
        if isinstance(self.sigma, ConstantSigma) and self.covariance:
            yield Problem("sigma", "is declared beside covariance", "remove it: the covariance holds the errors")
        if self.wide is not None and self.format.is_plain and self.format.reader != "tidy":
            yield Problem("format.reader", "is missing beside [data.wide]",
                          'name it, such as "wide" or "tidy"; mtjfit init FILE recognises it')  # fmt: skip
        if not self.name:
            return
        try:
            units = NamePattern(self.name).units
        except ConfigError as error:
            yield from (Problem("name", each.what, each.todo) for each in error.problems)
            return
        for role, declared in (("bias", self.units.bias), ("thickness", self.units.thickness)):
            unit = units.get(getattr(self.columns, role), declared)
            if unit != declared:
                what = f"is in {unit!r} in the file name, but units.{role} = {declared!r}"
                yield Problem(f"columns.{role}", what, f"set units.{role} to the unit of the file name")

    def _format(self) -> Iterator[Problem]:
        form = self.format
        if form.max_bytes <= 0:
            yield Problem("format.max_bytes", f"is {form.max_bytes}", "give the largest size in bytes")
        choices = (("separator", ("", *SEPARATORS)), ("decimal", (".", ",")), ("encoding", ENCODINGS),
                   ("order", ("sorted", "any")))  # fmt: skip
        for name, allowed in choices:
            if getattr(form, name) not in allowed:
                listed = ", ".join(repr(choice) for choice in allowed if choice)
                yield Problem(f"format.{name}", f"is {getattr(form, name)!r}", f"use one of {listed}")
        if form.separator == form.decimal:
            yield Problem("format.decimal", f"{form.decimal!r} is also the separator", "correct one of the two")
        comment = form.comment
        bad = len(comment) > 1 or comment.isalnum() or comment.isspace() or comment in ('"', "'", *"+-.", *SEPARATORS)
        if comment and bad:
            todo = "use one character such as '#' or '%', or \"\" for none"
            yield Problem("format.comment", f"{comment!r} cannot start a comment", todo)

    def _intervals(self) -> Iterator[Problem]:
        intervals = [] if self.bias_window is None else [("bias_window", self.bias_window)]
        intervals += [(f"mask[{i}].bias", mask.bias) for i, mask in enumerate(self.mask)]
        for where, (low, high) in intervals:
            # A mask may be a single bias, a window may not.
            if not (math.isfinite(low) and math.isfinite(high) and (low < high or (low == high and where[0] == "m"))):
                yield Problem(where, f"[{low:g}, {high:g}] is no interval", "give [low, high] in V")
        for i, mask in enumerate(self.mask):
            if not mask.reason.strip():
                yield Problem(f"mask[{i}].reason", "is empty", "say why the points are left out")
