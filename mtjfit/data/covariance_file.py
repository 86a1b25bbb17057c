"""Covariance of all values of a device, read from a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mtjfit.data.curve import FloatArray
from mtjfit.data.curve_checks import covariance_faults
from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.readers import ReadOptions, Source
from mtjfit.data.readers.text import grid_of
from mtjfit.data.tidy import ProblemLog, parse_number
from mtjfit.errors import DataError, Problem, did_you_mean

__all__ = ["covariance_files", "covariances", "read_covariance"]

_LINES_APART = 5


def covariance_files(
    declaration: TableDeclaration, devices: Sequence[str], where: str = "covariance"
) -> dict[str, str]:
    """File of each device that has one.

    Parameters
    ----------
    devices : sequence of str
        Devices of the table.
    where : str
        Place for messages.

    Raises
    ------
    DataError
        One file is declared for several devices, or a device is not in the table.

    Examples
    --------
    >>> from mtjfit.data import Columns, ColumnUnits
    >>> declaration = TableDeclaration("torque", "device", "MxP", Columns("V", "p", "q", device="dev"),
    ...                                ColumnUnits("V", "arb", "nm"), thickness=2, covariance="{device}_cov.csv")
    >>> covariance_files(declaration, ["A1", "A2"])
    {'A1': 'A1_cov.csv', 'A2': 'A2_cov.csv'}
    """
    declared = declaration.covariance
    if not declared:
        return {}
    if isinstance(declared, str):
        if "{device}" not in declared and len(devices) > 1:
            what = f"names one file for {len(devices)} devices"
            todo = 'write {device} for the name of the device, or a table { A1 = "a1_cov.csv" }'
            raise DataError([Problem(where, what, todo)])
        return {device: declared.replace("{device}", device) for device in devices}
    unknown = [device for device, _ in declared if device not in devices]
    if unknown:
        raise DataError(
            Problem(f"{where}.{device}", "is no device of the table", did_you_mean(device, devices))
            for device in unknown
        )
    return dict(declared)


def covariances(
    points: Mapping[str, int], declaration: TableDeclaration, opened: Callable[[str], Source] | None
) -> dict[str, FloatArray]:
    """Covariance of each device that a declaration gives one.

    Parameters
    ----------
    points : mapping of str to int
        Number of points of each device of the table.
    opened : callable or None
        Gives the bytes of a file that the declaration names.

    Raises
    ------
    DataError
        With all problems of all files; also for a device with neither errors nor a covariance.
    """
    files = covariance_files(declaration, list(points))
    if files and opened is None:
        raise DataError(
            [Problem("covariance", "names files, and no folder to find them in is known", "read the table from a file")]
        )
    problems: list[Problem] = []
    found = {}
    for device, n in points.items():
        if device in files and opened is not None:
            try:
                found[device] = read_covariance(opened(files[device]), device, n, declaration)
            except DataError as error:
                problems += error.problems
        elif declaration.sigma == "columns" and not declaration.columns.sigma_par:
            todo = "give it a covariance, or name the columns of its errors"
            problems.append(Problem(f"device {device!r}", "has neither errors nor a covariance", todo))
    if problems:
        raise DataError(problems)
    return found


def read_covariance(source: Source, device: str, n: int, declaration: TableDeclaration) -> FloatArray:
    """Covariance of all values of a device, in-plane ones first, along M × P.

    Parameters
    ----------
    source : Source
        2n lines of 2n numbers without header, in the square of the unit of the torque: the in-plane values of all rows
        of the device in the order of its file, masked ones included, then the out-of-plane ones.
    n : int
        Number of rows of the device.
    declaration : TableDeclaration
        Separator, decimal mark and axis.

    Returns
    -------
    ndarray, shape (2n, 2n)

    Raises
    ------
    DataError
        Size, a number, symmetry or definiteness is wrong, with file and line.
    """
    size = 2 * n
    form = declaration.format
    options = ReadOptions(form.separator, form.decimal, encoding=form.encoding, names=("covariance",),
                          max_bytes=form.max_bytes)  # fmt: skip
    grid = grid_of(source, options)
    log = ProblemLog(source.label)
    shape = f"the {n} points of device {device!r} need {size} x {size}"
    if len(grid.rows) != size:
        log.add(f"has {len(grid.rows)} rows of numbers; {shape}", "give all in-plane, then all out-of-plane values")
    for line, cells in grid.rows:
        if len(cells) != size:
            log.add(f"has {len(cells)} numbers; {shape}", "give one number for each pair of values", line)
    if log.count:
        raise log.error()
    values = np.empty((size, size))
    for i, (line, cells) in enumerate(grid.rows):
        for k, cell in enumerate(cells):
            values[i, k], fault = parse_number(cell, form.decimal)
            if fault is not None:
                log.add(fault[0], fault[1], line, f"{k + 1}")
    if log.count:
        raise log.error()
    _check(values, [line for line, _ in grid.rows], log)
    if log.count:
        raise log.error()
    sign = np.ones(size)
    if declaration.perp_axis == "PxM":
        sign[size // 2 :] = -1.0
    return np.asarray(values * sign * sign[:, None])


def _check(values: FloatArray, lines: Sequence[int], log: ProblemLog) -> None:
    faults = covariance_faults(len(values) // 2, values, None, None)
    for what, todo in faults:
        if "not symmetric" in what:
            apart = np.argwhere(np.triu(np.abs(values - values.T) > 1e-10 * np.max(np.abs(values))))
            for i, k in apart[:_LINES_APART]:
                said = f"number {k + 1} is {values[i, k]:g}, number {i + 1} of line {lines[k]} is {values[k, i]:g}"
                log.add(f"is not symmetric: {said}", todo, lines[i])
        elif np.any(np.diagonal(values) <= 0):
            for i in np.flatnonzero(np.diagonal(values) <= 0)[:_LINES_APART]:
                log.add(f"number {i + 1}, a variance, is {values[i, i]:g}", "give positive variances", lines[i])
        else:
            log.add(what, todo)
