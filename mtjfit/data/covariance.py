"""Covariances of the values of a device, read from files that a declaration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.curve import COMPONENTS
from mtjfit.data.curve_checks import matrix_faults
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.readers import ReadOptions, SourceFile
from mtjfit.data.readers.packed import unpacked
from mtjfit.data.readers.text import grid_of
from mtjfit.data.readers.typography import minus_notice
from mtjfit.data.tidy import parse_number
from mtjfit.errors import DataError, Line, Problem, ProblemLog, did_you_mean
from mtjfit.text import counted

Opener: TypeAlias = Callable[[str], SourceFile] | None
"""Gives the bytes of a file that a declaration names; None where no folder to find it in is known."""
_ERRORS = ("sigma_par", "sigma_perp", "sigma_torque")
_LISTED = 5
"""Places of one kind of fault that are listed."""


class _Rows(Protocol):
    device: str
    condition: str
    lines: list[Line]


def covariances(
    curves: Mapping[str, _Rows], declaration: TableDeclaration, opened: Opener, notices: list[str]
) -> dict[str, FloatArray]:
    """Covariance of all values of each curve that a declaration gives one, shape (2n, 2n), in-plane first, along M ×
    P; NaN for a component that was not measured, of which the file has no rows.

    `curves` are the rows of each, n of them; `opened` gives the bytes of a file. A file holds 2n lines of
    2n numbers without header, in the square of the unit of the torque: the in-plane values of all rows of the curve in
    the order of its table, masked ones included, then the out-of-plane ones.

    DataError with all problems of all files, each with file and line; also for a device with neither errors nor a
    covariance, for one file for several devices, and for a device that is not in the table.
    """
    files = _files(declaration, curves)
    if files and opened is None:
        todo = "read the table from a file"
        raise DataError([Problem("covariance", "names files, and no folder to find them in is known", todo)])
    log, found = ProblemLog("covariance"), {}
    for device, rows in curves.items():
        if device in files and opened is not None:
            with log.catching():
                found[device] = _read(opened(files[device]), device, len(rows.lines), declaration, notices)
        elif declaration.sigma == "columns" and not any(map(declaration.columns.roles().get, _ERRORS)):
            todo = "give it a covariance, or name the columns of its errors"
            log.take([Problem(f"device {device!r}", "has neither errors nor a covariance", todo)])
    log.refuse()
    return found


def _files(declaration: TableDeclaration, curves: Mapping[str, _Rows]) -> dict[str, str]:
    """File of each curve that has one."""
    declared, devices = declaration.covariance, list(curves)
    if isinstance(declared, str):
        found = {name: declared.replace("{device}", rows.device).replace("{condition}", rows.condition)
                 for name, rows in curves.items() if declared}  # fmt: skip
        if found and len(set(found.values())) < len(found):
            under = len({rows.device for rows in curves.values()}) < len(found)
            what, words = ("curves", " and {condition} for its condition") if under else ("devices", "")
            todo = f'write {{device}} for the name of the device{words}, or a table {{ A1 = "a1_cov.csv" }}'
            raise DataError([Problem("covariance", f"names one file for {len(devices)} {what}", todo)])
        return found
    log = ProblemLog("covariance")
    for device, _ in declared:
        if device not in devices:
            todo = did_you_mean(device, devices)
            log.take([Problem(f"covariance.{device}", "is no device of the table", todo)])
    log.refuse()
    return dict(declared)


def _read(source: SourceFile, device: str, n: int, declaration: TableDeclaration, notices: list[str]) -> FloatArray:
    form, components = declaration.format, declaration.columns.components
    size = len(components) * n
    # Numbers alone show what separates them: the file need not be written like the table.
    options = ReadOptions("", form.decimal, encoding=form.encoding, names=("covariance",),
                          max_bytes=form.max_bytes)  # fmt: skip
    rows = grid_of(unpacked(source, form.max_bytes), options).rows
    log = ProblemLog(source.label)
    shape = f"the {counted(n, 'point')} of device {device!r} need {size} x {size}"
    if len(rows) != size:
        todo = (
            "give all in-plane, then all out-of-plane values" if len(components) > 1 else "give one row for each value"
        )
        log.add(f"has {counted(len(rows), 'row')} of numbers; {shape}", todo)
    for line, cells in rows:
        if len(cells) != size:
            log.add(f"has {counted(len(cells), 'number')}; {shape}", "give one number for each pair of values", line)
    log.refuse()
    notices += minus_notice((f"{source.label}:{line}", cell) for line, cells in rows for cell in cells)
    values = np.empty((size, size))
    for i, (line, cells) in enumerate(rows):
        for k, cell in enumerate(cells):
            values[i, k], fault = parse_number(cell, form.decimal)
            if fault is not None:
                log.add(*fault, line, f"{k + 1}")
    log.refuse()
    _check(values, [line for line, _ in rows], log)
    log.refuse()
    whole = np.full((2 * n, 2 * n), np.nan)
    measured = np.repeat([each in components for each in COMPONENTS], n)
    whole[np.ix_(measured, measured)] = values
    sign = np.repeat([1.0, -1.0 if declaration.perp_axis == "PxM" else 1.0], n)
    return np.asarray(whole * sign * sign[:, None])


def _check(values: FloatArray, lines: Sequence[int], log: ProblemLog) -> None:
    """Faults of the matrix as a whole, at the numbers that cause them."""
    variances = np.diagonal(values)
    for what, todo in matrix_faults(values):
        if "not symmetric" in what:
            apart = np.argwhere(np.triu(np.abs(values - values.T) > 1e-10 * np.max(np.abs(values))))
            for i, k in apart[:_LISTED]:
                said = f"number {k + 1} is {values[i, k]:g}, number {i + 1} of line {lines[k]} is {values[k, i]:g}"
                log.add(f"is not symmetric: {said}", todo, lines[i])
        elif np.any(variances <= 0):
            for i in np.flatnonzero(variances <= 0)[:_LISTED]:
                log.add(f"number {i + 1}, a variance, is {values[i, i]:g}", "give positive variances", lines[i])
        else:
            log.add(what, todo)
