"""Strict reader of tidy tables: one row per bias point, one or several devices in a file.

Either every row is understood exactly as declared, or one DataError lists what is wrong, with file, line and column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from mtjfit.data.curve import FloatArray, Origin, TorqueCurve
from mtjfit.data.curve_checks import covariance_faults
from mtjfit.data.declaration import ConstantSigma, TableDeclaration
from mtjfit.data.format import MAX_BYTES
from mtjfit.data.origin import declared_origin
from mtjfit.data.readers import ReadOptions, SourceFile, read_source
from mtjfit.data.readers.text import grid_of
from mtjfit.data.rows import DeviceRows, check_devices, collect, scaled
from mtjfit.data.tidy import Line, ProblemLog, body, decode, find_header, numbered_lines, parse_number
from mtjfit.data.units import thickness_factor
from mtjfit.errors import DataError, Problem, did_you_mean
from mtjfit.input import read_bytes

__all__ = [
    "MAX_BYTES",
    "covariance_files",
    "covariances",
    "curves_from_bytes",
    "curves_of_devices",
    "read_covariance",
    "read_curves",
]

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
    points: Mapping[str, int], declaration: TableDeclaration, opened: Callable[[str], SourceFile] | None
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


def read_covariance(source: SourceFile, device: str, n: int, declaration: TableDeclaration) -> FloatArray:
    """Covariance of all values of a device, in-plane ones first, along M × P.

    Parameters
    ----------
    source : SourceFile
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


def read_curves(
    path: str | Path, declaration: TableDeclaration, *, label: str = "", max_bytes: int | None = None
) -> tuple[TorqueCurve, ...]:
    """Read one file.

    Parameters
    ----------
    path : str or Path
        CSV or TSV with a header line; covariances it declares are looked for in its folder.
    declaration : TableDeclaration
        What the columns are; nothing is guessed.
    label : str
        Name of the file in messages and in `TorqueCurve.source`; the path as given if empty.
    max_bytes : int
        Larger files are refused; as declared in ``declaration.format`` if left out.

    Returns
    -------
    tuple of TorqueCurve
        One for each device, in order of appearance; bias in V, thickness in nm, angle in degrees, torques in the unit
        of the file, `perp` along M × P.

    Raises
    ------
    DataError
        With every problem of the file, as ``file:line: column 'x': what; what to do``.

    Notes
    -----
    A comment line ``# origin: simulated; how it was made`` above the header (or ``reconstruction``, ``measured``)
    travels with the curves. No declaration overrules it.

    Examples
    --------
    >>> import tempfile
    >>> from mtjfit.data import Columns, ColumnUnits, TableDeclaration
    >>> declaration = TableDeclaration("torque", "device", "PxM", Columns("V", "T1", "T2"),
    ...                                ColumnUnits("mV", "1e-19 N m", "nm"), device="A1", thickness=2, sigma="fit")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a1.csv"
    ...     _ = path.write_text("V;T1;T2\\n-100;-1;-0.5\\n0;0;0\\n100;1;-0.5\\n")
    ...     curve, = read_curves(path, declaration)
    >>> curve.bias.tolist(), curve.perp.tolist()
    ([-0.1, 0.0, 0.1], [0.5, 0.0, 0.5])
    """
    label = label or str(path)
    limit = declaration.format.max_bytes if max_bytes is None else max_bytes
    folder = Path(path).parent
    return curves_from_bytes(
        read_bytes(Path(path), label, limit),
        declaration,
        label,
        lambda name: read_source(folder / name, name, limit),
    )


def curves_from_bytes(
    data: bytes, declaration: TableDeclaration, label: str, opened: Callable[[str], SourceFile] | None = None
) -> tuple[TorqueCurve, ...]:
    """Like `read_curves`, for the bytes of a file, so that a hash of them and the curves belong together.

    Parameters
    ----------
    opened : callable, optional
        Gives the bytes of a file that ``declaration.covariance`` names.

    Raises
    ------
    DataError
        With every problem of the file.

    Examples
    --------
    >>> from mtjfit.data import Columns, ColumnUnits, TableDeclaration
    >>> declaration = TableDeclaration("torque", "device", "MxP", Columns("V", "T1", "T2"),
    ...                                ColumnUnits("V", "arb", "nm"), device="A1", thickness=2, sigma="fit")
    >>> curves_from_bytes(b"V,T1,T2\\n0,0,0\\n0.1,1,x\\n0.2,2,0\\n", declaration, "a1.csv")
    Traceback (most recent call last):
    mtjfit.errors.DataError: a1.csv:3: column 'T2': 'x' is not a number; write a plain number such as -1.25e-3
    """
    log = ProblemLog(label)
    lines = numbered_lines(decode(data, declaration.format.encoding, label))
    header = find_header(lines, declaration, log)
    if header is None:
        raise log.error()
    devices = collect(body(lines, header, declaration, log), header, declaration, log)
    return curves_of_devices(devices, header.comments, declaration, log, opened)


def curves_of_devices(
    devices: dict[str, DeviceRows],
    comments: Iterable[tuple[Line, str]],
    declaration: TableDeclaration,
    log: ProblemLog,
    opened: Callable[[str], SourceFile] | None = None,
) -> tuple[TorqueCurve, ...]:
    """Curves of rows sorted by device.

    Parameters
    ----------
    comments : iterable of (line, str)
        Comments of the file or files; ``origin: …`` among them travels with the curves.
    log : ProblemLog
        With the problems of single rows; its label becomes `TorqueCurve.source`.
    opened : callable, optional
        Gives the bytes of a file that ``declaration.covariance`` names.

    Raises
    ------
    DataError
        With everything in the log, and what only whole devices can show.
    """
    origin = declared_origin(comments, log)
    check_devices(devices, declaration, log)
    if log.count:
        raise log.error()
    points = {name: len(device.lines) for name, device in devices.items()}
    covariance = covariances(points, declaration, opened)
    return tuple(
        _curve(name, device, declaration, origin, log.label, covariance.get(name)) for name, device in devices.items()
    )


def _sigma(role: Literal["par", "perp"], device: DeviceRows, declaration: TableDeclaration) -> FloatArray | None:
    if isinstance(declaration.sigma, ConstantSigma):
        return np.full(len(device.lines), getattr(declaration.sigma, role))
    known = declaration.sigma != "fit" and f"sigma_{role}" in device.columns
    return np.array(device.columns[f"sigma_{role}"]) if known else None


def _rho(device: DeviceRows, declaration: TableDeclaration) -> FloatArray | None:
    """Correlations with the out-of-plane component counted along M × P."""
    if not declaration.columns.rho:
        return None
    rho = np.array(device.columns["rho"])
    return rho if declaration.perp_axis == "MxP" else 0.0 - rho


def _sigma_bias(device: DeviceRows, declaration: TableDeclaration) -> FloatArray | None:
    if declaration.sigma_bias is not None:
        return np.full(len(device.lines), declaration.sigma_bias)
    return np.array(device.columns["sigma_bias"]) if declaration.columns.sigma_bias else None


def _nominal(device: DeviceRows, declaration: TableDeclaration) -> float:
    if declaration.thickness is not None:
        return scaled(declaration.thickness, thickness_factor(declaration.units.thickness))
    return math.nan if device.thickness is None else device.thickness


def _curve(
    name: str,
    device: DeviceRows,
    declaration: TableDeclaration,
    origin: Origin,
    label: str,
    covariance: FloatArray | None,
) -> TorqueCurve:
    perp = np.array(device.columns["perp"])
    curve = TorqueCurve(
        device=name,
        bias=np.array(device.columns["bias"]),
        par=np.array(device.columns["par"]),
        perp=perp if declaration.perp_axis == "MxP" else 0.0 - perp,
        thickness=_nominal(device, declaration),
        quantity=declaration.quantity,
        per=declaration.per,
        unit=declaration.units.torque,
        sigma_par=_sigma("par", device, declaration),
        sigma_perp=_sigma("perp", device, declaration),
        group=device.group or "",
        declared_perp_axis=declaration.perp_axis,
        origin=origin,
        source=label,
        angle=device.angle if declaration.angle is None else declaration.angle,
        sin_theta=declaration.sin_theta,
        rho=_rho(device, declaration),
        covariance=covariance,
        sigma_bias=_sigma_bias(device, declaration),
    )
    for mask in declaration.mask:
        if mask.device in ("", name):
            curve = curve.mask((curve.bias >= mask.bias[0]) & (curve.bias <= mask.bias[1]), mask.reason)
    if declaration.bias_window is not None:
        low, high = declaration.bias_window
        outside = (curve.bias < low) | (curve.bias > high)
        curve = curve.mask(outside, f"outside the bias window {low:g} to {high:g} V")
    return curve
