"""Rows of a tidy table sorted by device, each number checked, and what only whole devices can show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mtjfit.data.curve_checks import written_angle_fault
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.tidy import Header, Line, ProblemLog, parse_number
from mtjfit.data.units import bias_factor, thickness_factor
from mtjfit.errors import did_you_mean

__all__ = ["Cell", "DeviceRows", "check_devices", "collect", "scaled"]

Cell: TypeAlias = str | float

_MIN_BIASES = 3
"""A line and a check of it; fewer points of a device determine nothing that can be tested."""


@dataclass
class DeviceRows:
    """Rows of one device as they come in."""

    line: Line
    group: str | None = None
    thickness: float | None = None
    angle: float | None = None
    damaged: bool = False
    lines: list[Line] = field(default_factory=list)
    columns: dict[str, list[float]] = field(default_factory=dict)

    def used(self, name: str, declaration: TableDeclaration) -> list[float]:
        """Biases in V that neither the window nor a mask leaves out."""
        low, high = declaration.bias_window or (-math.inf, math.inf)
        masks = [mask.bias for mask in declaration.mask if mask.device in ("", name)]
        inside = [v for v in self.columns["bias"] if low <= v <= high]
        return [v for v in inside if not any(a <= v <= b for a, b in masks)]


def collect(
    rows: Iterable[tuple[Line, Sequence[Cell] | None]], header: Header, declaration: TableDeclaration, log: ProblemLog
) -> dict[str, DeviceRows]:
    """Sort rows by device; problems of single rows and cells go to `log`.

    Parameters
    ----------
    rows : iterable of (line, cells)
        Cells in the order of the header, text or numbers; None for a row that is no row.
    """
    devices: dict[str, DeviceRows] = {}
    adrift = False
    empty = True
    for line, cells in rows:
        empty = False
        if cells is None:
            adrift = True
            continue
        row = _Row(line, cells, header, declaration, log)
        name = row.name("device") if "device" in header.place else declaration.device
        group = row.name("group") if "group" in header.place else declaration.group
        numbers = row.numbers()
        if not name:
            adrift = True
            continue
        _add(devices.setdefault(name, DeviceRows(line)), name, group, numbers, row)
    if empty:
        log.add("has a header and no data", "give one row per bias point", header.line or None)
    # A row that could not be read may have belonged to any device: do not count their points then.
    for device in devices.values():
        device.damaged |= adrift
    return devices


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
        text = str(self.cells[self.header.place[role]])
        if text and text.isprintable():
            return text
        what = f"{text!r} holds characters that cannot be printed" if text else "is empty"
        self.fault(role, what, f"name the {role}")
        return ""

    def numbers(self) -> dict[str, float | None]:
        """Numbers of the row by role, None where one is wrong, in V, nm, degrees and the unit of the torque."""
        units = self.declaration.units
        per_bias, per_thickness = bias_factor(units.bias), thickness_factor(units.thickness)
        factors = {"bias": per_bias, "sigma_bias": per_bias, "thickness": per_thickness}
        numbers: dict[str, float | None] = {}
        for role, place in self.header.place.items():
            if role in ("device", "group"):
                continue
            cell = self.cells[place]
            value, fault = (
                parse_number(cell, self.declaration.format.decimal) if isinstance(cell, str) else (cell, None)
            )
            if fault is None and value < 0 and role == "sigma_bias":
                fault = f"standard error {value:g} is negative", "give the standard error of the bias, or 0"
            if fault is None and abs(value) >= 1 and role == "rho":
                fault = f"correlation {value:g} is not between -1 and 1", "give a number inside, ends excluded"
            if fault is None and value <= 0 and role in ("sigma_par", "sigma_perp"):
                fault = f"standard error {value:g} is not positive", "give the standard error of the point"
            if fault is None and value <= 0 and role == "thickness":
                fault = f"thickness {value:g} is not positive", "give the thickness of the free layer"
            if fault is None and role == "angle" and (why := written_angle_fault(value)):
                fault = f"angle {why[0]}", why[1]
            if fault is not None:
                self.fault(role, *fault)
            numbers[role] = None if fault else scaled(value, factors.get(role, 1.0))
        return numbers


def scaled(value: float, factor: float) -> float:
    """The value in another unit, rounded once.

    Examples
    --------
    >>> scaled(70.0, 1e-3)
    0.07
    """
    # Dividing by the integer rounds once: 70 mV is the double nearest to 0.07, which 70 * 1e-3 is not always.
    return value * factor if factor >= 1 else value / round(1 / factor)


def _add(device: DeviceRows, name: str, group: str, numbers: dict[str, float | None], row: _Row) -> None:
    device.damaged |= numbers["bias"] is None
    bias = numbers["bias"]
    thickness, angle = numbers.pop("thickness", None), numbers.pop("angle", None)
    if device.group is None:
        device.group = group
    elif group and device.group and group != device.group:
        what = f"device {name!r} is in group {group!r} here and in {device.group!r} above"
        row.fault("group", what, "a device has one group")
    if device.thickness is None:
        device.thickness = thickness
    elif thickness is not None and thickness != device.thickness:
        what = f"device {name!r} is {thickness:.6g} nm here and {device.thickness:.6g} nm above"
        row.fault("thickness", what, "a device has one thickness")
    if device.angle is None:
        device.angle = angle
    elif angle is not None and angle != device.angle:
        what = f"device {name!r} is at {angle:.6g}° here and at {device.angle:.6g}° above"
        row.fault("angle", what, "a device has one angle: name the device anew for each angle")
    if bias is None:
        return
    device.lines.append(row.line)
    for role, value in numbers.items():
        device.columns.setdefault(role, []).append(math.nan if value is None else value)


def check_devices(devices: dict[str, DeviceRows], declaration: TableDeclaration, log: ProblemLog) -> None:
    """Order, repeats, number of biases and masks of each device; problems go to `log`."""
    column = declaration.columns.bias
    for name, device in devices.items():
        if not device.lines:
            continue
        _check_order(name, device, declaration, log)
        if device.damaged:
            continue
        todo = f"at least {_MIN_BIASES} are needed"
        different, used = len(set(device.columns["bias"])), len(set(device.used(name, declaration)))
        if different < _MIN_BIASES:
            log.add(f"device {name!r} has {different} different biases", todo, device.line, column)
        elif used < _MIN_BIASES:
            what = f"device {name!r} has {used} different biases left inside the bias window and outside the masks"
            log.add(what, todo, device.line, column)
    if not any(device.damaged for device in devices.values()):
        _check_masks(devices, declaration, log)


def _check_order(name: str, device: DeviceRows, declaration: TableDeclaration, log: ProblemLog) -> None:
    column, form = declaration.columns.bias, declaration.format
    bias, lines = device.columns["bias"], device.lines
    if not form.repeats:
        first: dict[float, Line] = {}
        for value, line in zip(bias, lines, strict=True):
            if value in first:
                what = f"device {name!r} has bias {value:g} V already in line {first[value]}"
                log.add(what, "average the points, or set repeats = true in [data.format]", line, column)
            first.setdefault(value, line)
    if form.order == "any":
        return
    steps = [(b - a, line) for a, b, line in zip(bias, bias[1:], lines[1:], strict=False) if a != b]
    for step, line in steps:
        if (step > 0) != (steps[0][0] > 0):
            what = f"the bias of device {name!r} turns round here"
            todo = 'sort it, or set order = "any" in [data.format] if sweeps go back and forth'
            log.add(what, todo, line, column)
            return


def _check_masks(devices: dict[str, DeviceRows], declaration: TableDeclaration, log: ProblemLog) -> None:
    for i, mask in enumerate(declaration.mask):
        if mask.device and mask.device not in devices:
            log.add(f"mask[{i}] names device {mask.device!r}, which is not in the file",
                    did_you_mean(mask.device, devices))  # fmt: skip
            continue
        meant = [devices[mask.device]] if mask.device else devices.values()
        if not any(mask.bias[0] <= v <= mask.bias[1] for device in meant for v in device.columns["bias"]):
            log.add(f"mask[{i}] covers no bias point", "give the interval in V, or remove the mask")
