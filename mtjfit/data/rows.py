"""Rows of a table, each number checked, sorted by device and made into curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.components import COMPONENT_WORDS, paired
from mtjfit.data.covariance import Opener, covariances
from mtjfit.data.curve import COMPONENTS, Component, Origin, TorqueCurve, curve_name
from mtjfit.data.curve_checks import SIZE, odd_sizes, written_angle_fault
from mtjfit.data.declaration import ConstantSigma, TableDeclaration
from mtjfit.data.gaps import Gap, date_notices, gap_notices, gone_notices, masked_because
from mtjfit.data.origin import declared_origin
from mtjfit.data.plain_table import Header
from mtjfit.data.sweep_order import Sweep, check_turns, refuse_repeats
from mtjfit.data.tidy import FORMULA, is_missing, parse_number
from mtjfit.data.units import bias_factor, thickness_factor
from mtjfit.errors import Line, Place, ProblemLog, did_you_mean
from mtjfit.text import counted

Cell: TypeAlias = str | float

_COMPONENT_OF: Mapping[str, Component] = MappingProxyType(
    {"par": "par", "sigma_par": "par", "perp": "perp", "sigma_perp": "perp"}
)
TEXTS = ("device", "condition", "group", "component")
"""Roles whose cells are texts; all others are numbers."""
_BIASES = ("different bias", "different biases")
_MIN_BIASES = 3
"""Points of a straight line and of a check of it; fewer determine nothing that can be tested."""


@dataclass
class DeviceRows:
    """Rows of one device under one condition, by role, in V, nm, degrees and the unit of the torque.

    `gaps` are left out.
    """

    line: Line
    device: str
    condition: str = ""
    constants: dict[str, str | float] = field(default_factory=dict)
    damaged: bool = False
    lines: list[Line] = field(default_factory=list)
    columns: dict[str, list[float]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    contradicted: set[tuple[str, object]] = field(default_factory=set)  # roles and values, told once each

    def biases(self) -> list[float]:
        """Biases in V of all rows, those that are left out among them."""
        return [*self.columns.get("bias", []), *(gap.bias for gap in self.gaps)]


def collect(
    rows: Iterable[tuple[Line, Sequence[Cell] | None]], header: Header, declaration: TableDeclaration, log: ProblemLog
) -> dict[str, DeviceRows]:
    """Sort rows by the name of their curve; problems of single rows and cells go to `log`.

    A row without a number is left out, and kept among the gaps, where neither torque component has one or a mask covers
    it. Cells, text or numbers, stand in the order of the header; None for a line that is no row.
    """
    devices: dict[str, DeviceRows] = {}
    adrift, empty = False, True
    for line, cells in rows:
        empty = False
        row = None if cells is None else _Row(line, cells, header, declaration, log)
        device, condition = (row.name("device"), row.name("condition")) if row else ("", "")
        one = header.place.get("condition", -1) == header.place.get("group")
        group = condition if one or row is None else row.name("group")
        numbers, faults = row.numbers() if row else ({}, {})
        gap = row.gap(device, condition, numbers, faults) if row and device and faults else None
        if row and gap is None:
            for role, fault in faults.items():
                if not row.is_masked(device, condition, role, numbers):
                    row.fault(role, *fault)
        if row is None or not device or (not condition and "condition" in header.place):
            adrift = True
            continue
        name = curve_name(device, condition)
        mine = devices.setdefault(name, DeviceRows(line, device, condition))
        if (mine.device, mine.condition) != (device, condition):
            what = f"device {device!r} under {condition!r} is called {name!r}, as is another device"
            row.fault("device", what, "give one of the two another name")
            adrift = True
        elif gap is not None:
            mine.gaps.append(gap)
        else:
            row.add_to(mine, name, group, numbers)
    if empty:
        log.add("has a header and no data", "give one row per bias point", header.line or None)
    # A row that could not be read may have belonged to any device: do not count their points then.
    for each in devices.values():
        each.damaged |= adrift
    return devices


_LIMITS: dict[str, tuple[Callable[[float], bool], str, str]] = {
    "sigma_bias": (lambda x: x >= 0, "standard error {:g} is negative", "give the standard error of the bias, or 0"),
    "rho": (lambda x: -1 < x < 1, "correlation {:g} is not between -1 and 1", "give a number inside, ends excluded"),
    "thickness": (lambda x: x > 0, "thickness {:g} is not positive", "give the thickness of the free layer"),
    **dict.fromkeys(
        ("sigma_par", "sigma_perp", "sigma_torque"),
        (lambda x: x > 0, "standard error {:g} is not positive", "give the standard error of the point"),
    ),
}
"""Condition on the numbers of a role, what is wrong where it does not hold, and what to do."""
_MISSING = "give a number, remove the row, or cover its bias with a mask, which keeps the reason"
_CONSTANTS = {
    "group": ("is in group {!r} here and in {!r} above",
              "a device has one group, or one under each condition: see columns.condition"),
    "thickness": ("is {:.6g} nm here and {:.6g} nm above", "a device has one thickness"),
    "angle": ("is at {:.6g}° here and at {:.6g}° above",
              "a device has one angle under each condition: declare columns.condition"),
}  # fmt: skip
_BOTH = '; where names of files tell devices apart only by both, columns.device = "{thickness} {device}"'


@dataclass(frozen=True)
class _Row:
    line: Line
    cells: Sequence[Cell]
    header: Header
    declaration: TableDeclaration
    log: ProblemLog

    def fault(self, role: str, what: str, todo: str) -> None:
        column = self.header.names[self.header.place[role]] if role in self.header.place else None
        self.log.add(what, todo, self.line, column)

    def name(self, role: str) -> str:
        """Device, condition or group of the row; empty, with a problem in the log, where it is not printable."""
        if role not in self.header.place:
            return str(getattr(self.declaration, role))
        text = str(self.cells[self.header.place[role]])
        if text and text.isprintable() and text != FORMULA:
            return text
        what = f"{text!r} holds characters that cannot be printed" if text else "is empty"
        what = "holds a formula without a stored value" if text == FORMULA else what
        self.fault(role, what, f"name the {role}")
        return ""

    def gap(
        self, device: str, condition: str, numbers: dict[str, float | None], faults: Mapping[str, tuple[str, str]]
    ) -> Gap | None:
        """The row of a device as one that is left out; None for a row that must be right."""
        cells = {role: str(self.cells[self.header.place[role]]) for role in faults}
        if not all(map(is_missing, cells.values())):
            return None
        bias = numbers["bias"]
        if self._has_a_value(numbers) and all(self.is_masked(device, condition, role, numbers) for role in faults):
            return None  # the value that is there is masked, and counts as such
        if bias is not None and (reason := masked_because(device, condition, bias, self.declaration)):
            return Gap(self.line, bias, reason)
        torques = {"par", "perp", "torque"} & set(self.header.place)
        if not torques <= set(cells) or any("inf" in cells[role].lower() for role in torques):
            return None
        return Gap(self.line, math.nan if bias is None else bias, "")

    def _has_a_value(self, numbers: Mapping[str, float | None]) -> bool:
        return any(numbers.get(each) is not None for each in COMPONENTS)

    def is_masked(self, device: str, condition: str, role: str, numbers: Mapping[str, float | None]) -> bool:
        """Whether a mask of its component covers a cell without a number, so that the rest of the row counts."""
        component = _COMPONENT_OF.get(role)
        cell, bias = self.cells[self.header.place[role]], numbers.get("bias")
        if component is None or bias is None or not is_missing(str(cell)):
            return False
        return bool(masked_because(device, condition, bias, self.declaration, component))

    def component(self) -> Component | None:
        """The component of a row of a long table; None, with a problem in the log, for another word."""
        text = str(self.cells[self.header.place["component"]]).strip()
        found = COMPONENT_WORDS.get(text.casefold())
        if found is None:
            self.fault("component", f"{text!r} is no component", f"write one of {', '.join(COMPONENT_WORDS)}")
        return found

    def numbers(self) -> tuple[dict[str, float | None], dict[str, tuple[str, str]]]:
        """Numbers of the row by role, in V, nm, degrees and the unit of the torque; faults of those that are None."""
        units = self.declaration.units
        per_bias, per_thickness = bias_factor(units.bias), thickness_factor(units.thickness)
        factors = {"bias": per_bias, "sigma_bias": per_bias, "thickness": per_thickness}
        numbers: dict[str, float | None] = {}
        faults: dict[str, tuple[str, str]] = {}
        for role, place in self.header.place.items():
            if role in TEXTS:
                continue
            cell, decimal = self.cells[place], self.declaration.format.decimal
            value, fault = parse_number(cell, decimal) if isinstance(cell, str) else (cell, None)
            if fault is not None and role not in ("bias", "thickness", "angle") and is_missing(str(cell)):
                fault = fault[0], _MISSING
            if fault is None and role in _LIMITS and not _LIMITS[role][0](value):
                _, what, todo = _LIMITS[role]
                fault = what.format(value), todo
            if fault is None and role == "angle" and (why := written_angle_fault(value)):
                fault = f"angle {why[0]}", why[1]
            number = None if fault else scaled(value, factors.get(role, 1.0))
            if number is not None and odd_sizes(role, number):
                number, fault = None, (f"is {value:g}: {SIZE[0]}", SIZE[1])
            if fault is not None:
                faults[role] = fault
            numbers[role] = number
        return numbers, faults

    def _of_component(self, numbers: dict[str, float | None], device: DeviceRows) -> dict[str, float | None]:
        """Numbers of a row of a long table under the roles of its component, and NaN under those of the other."""
        component = self.component()
        device.damaged |= component is None
        found = {role: number for role, number in numbers.items() if role not in ("torque", "sigma_torque")}
        for each in COMPONENTS:
            found[each] = numbers["torque"] if each == component else math.nan
            if "sigma_torque" in numbers:
                found[f"sigma_{each}"] = numbers["sigma_torque"] if each == component else math.nan
        return found

    def add_to(self, device: DeviceRows, name: str, group: str, numbers: dict[str, float | None]) -> None:
        for role, (what, todo) in _CONSTANTS.items():
            value = group if role == "group" else numbers.pop(role, None)
            if value in (None, "") or device.constants.setdefault(role, value) == value:
                continue
            if (role, value) not in device.contradicted:
                device.contradicted.add((role, value))
                todo += _BOTH if role == "thickness" and self.declaration.name else ""
                self.fault(role, f"device {name!r} {what.format(value, device.constants[role])}", todo)
        if "torque" in numbers:
            numbers = self._of_component(numbers, device)
        if numbers["bias"] is None:
            device.damaged = True
            return
        device.lines.append(self.line)
        for role, number in numbers.items():
            device.columns.setdefault(role, []).append(math.nan if number is None else number)


def scaled(value: float, factor: float) -> float:
    """The value in another unit, rounded once."""
    # Dividing by the integer rounds once: 70 mV is the double nearest to 0.07, which 70 * 1e-3 is not always.
    return value * factor if factor >= 1 else value / round(1 / factor)


def _check_devices(devices: dict[str, DeviceRows], declaration: TableDeclaration, log: ProblemLog) -> None:
    """Order, repeats, number of biases and masks of each device; problems go to `log`."""
    column, todo = declaration.columns.bias, f"at least {_MIN_BIASES} are needed"
    if devices and not any(device.lines or device.damaged for device in devices.values()):
        log.add("holds no value: all rows are nan, empty or masked", "name the columns that were measured")
    sweeps = [sweep for name, device in devices.items() if device.lines for sweep in _sweeps(name, device, declaration)]
    again = refuse_repeats(sweeps, declaration, log)
    for sweep in sweeps:
        if sweep.name not in again:
            check_turns(sweep, declaration, log)
    for name, device in devices.items():
        if not device.lines or device.damaged:
            continue
        biases = set(device.columns["bias"])
        used = sum(not masked_because(device.device, device.condition, bias, declaration) for bias in biases)
        different = len(biases)
        if different < _MIN_BIASES:
            log.add(f"device {name!r} has {counted(different, *_BIASES)}", todo, device.line, column)
        elif used < _MIN_BIASES:
            what = f"device {name!r} has {counted(used, *_BIASES)} left inside the bias window and outside the masks"
            log.add(what, todo, device.line, column)
    if any(device.damaged for device in devices.values()):
        return
    for i, mask in enumerate(declaration.mask):
        names = {"device": mask.device, "condition": mask.condition}
        there = {role: {getattr(each, role): None for each in devices.values()} for role in names}
        unknown = [role for role, name in names.items() if name and name not in there[role]]
        for role in unknown:
            what = f"mask[{i}] names {role} {names[role]!r}, which is not in the file"
            log.add(what, did_you_mean(names[role], list(there[role])))
        meant = [each for each in devices.values() if mask.covers(each.device, each.condition)]
        if not unknown and not any(mask.bias[0] <= v <= mask.bias[1] for each in meant for v in each.biases()):
            log.add(f"mask[{i}] covers no bias point", "give the interval in V, or remove the mask")


def _sweeps(name: str, device: DeviceRows, declaration: TableDeclaration) -> list[Sweep]:
    bias, lines = device.columns["bias"], device.lines
    if not declaration.columns.component:
        return [Sweep(name, bias, lines)]
    there = [[not math.isnan(value) for value in device.columns[each]] for each in COMPONENTS]
    return [Sweep(name, [*compress(bias, one)], [*compress(lines, one)]) for one in there]


def curves_of_devices(
    devices: dict[str, DeviceRows],
    comments: Iterable[tuple[Line, str]],
    declaration: TableDeclaration,
    log: ProblemLog,
    opened: Opener = None,
) -> tuple[TorqueCurve, ...]:
    """Curves of rows sorted by device; DataError with everything in `log`, and faults that only whole devices show.

    ``origin: …`` among the comments travels with the curves; `TorqueCurve.source` is the file of the rows, or the label
    of the log where they come from several; `opened` gives the bytes of a file that ``declaration.covariance`` names.
    """
    origin = declared_origin(comments, log)
    _check_devices(devices, declaration, log)
    log.refuse()
    groups = {str(device.constants.get("group", "")) for device in devices.values()}
    found = [*gap_notices({name: device.gaps for name, device in devices.items()}, declaration)]
    found += gone_notices([name for name, device in devices.items() if not device.lines])
    names = [name for device in devices.values() for name in (device.device, device.condition) if name]
    found += date_notices([*names, *sorted(groups)])
    log.notices += (f"{log.label}: {text}" for text in found)
    measured = {name: device for name, device in devices.items() if device.lines}
    covariance = covariances(measured, declaration, opened, log.notices)
    notices = tuple(log.notices)
    return tuple(
        replace(_curve(device, declaration, origin, _source(device, log.label), covariance.get(name)), notices=notices)
        for name, device in measured.items()
    )


def _source(device: DeviceRows, label: str) -> str:
    files = {line.label for line in device.lines if isinstance(line, Place)}
    return files.pop() if len(files) == 1 else label


def _curve(
    device: DeviceRows,
    declaration: TableDeclaration,
    origin: Origin,
    label: str,
    covariance: FloatArray | None,
) -> TorqueCurve:
    columns = {role: np.array(values) for role, values in device.columns.items()}
    if declaration.perp_axis == "PxM":
        columns |= {role: 0.0 - columns[role] for role in ("perp", "rho") if role in columns}
    n, sigma, sigma_bias = len(device.lines), declaration.sigma, columns.get("sigma_bias")
    if isinstance(sigma, ConstantSigma):
        each = {"sigma_par": sigma.par, "sigma_perp": sigma.perp}
        columns |= {role: np.full(n, value) for role, value in each.items() if value is not None}
    if declaration.sigma_bias is not None:
        sigma_bias = np.full(n, declaration.sigma_bias)
    thickness, angle = (device.constants.get(role) for role in ("thickness", "angle"))
    if declaration.thickness is not None:
        thickness = scaled(declaration.thickness, thickness_factor(declaration.units.thickness))
    if declaration.angle is not None:
        angle = declaration.angle
    bias = device.columns["bias"]
    par, perp = (columns.get(each, np.asarray(np.nan)) for each in COMPONENTS)
    key = device.device, device.condition
    masked = [[masked_because(*key, V, declaration, each) for V in bias] for each in COMPONENTS]
    reasons = tuple(first or second for first, second in zip(*masked, strict=True))
    used_values = np.array([[not why for why in reasons_of] for reasons_of in masked]) & np.stack(
        [np.isfinite(each) & np.full(n, True) for each in (par, perp)]
    )
    curve = TorqueCurve(
        device.device, columns["bias"], par, perp, math.nan if thickness is None else float(thickness),
        declaration.quantity, declaration.per, declaration.units.torque,
        sigma_par=columns.get("sigma_par"), sigma_perp=columns.get("sigma_perp"), rho=columns.get("rho"),
        covariance=covariance, sigma_bias=sigma_bias, group=str(device.constants.get("group", "")), origin=origin,
        source=label, angle=None if angle is None else float(angle), sin_theta=declaration.sin_theta,
        declared_perp_axis=declaration.perp_axis, used_values=used_values, reasons=reasons,
        condition=device.condition,
    )  # fmt: skip
    return paired(curve) if declaration.columns.component else curve
