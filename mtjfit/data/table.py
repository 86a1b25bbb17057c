"""Strict reader of tidy tables: one row per bias point, one or several devices in a file.

Either every row is understood exactly as declared, or one DataError lists what is wrong, with file, line and column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from mtjfit.data.covariance_file import covariances
from mtjfit.data.curve import FloatArray, Origin, TorqueCurve
from mtjfit.data.declaration import ConstantSigma, TableDeclaration
from mtjfit.data.format import MAX_BYTES
from mtjfit.data.origins import declared_origin
from mtjfit.data.readers import Source, read_source
from mtjfit.data.rows import DeviceRows, check_devices, collect, scaled
from mtjfit.data.tidy import Line, ProblemLog, body, decode, find_header, numbered_lines
from mtjfit.data.units import thickness_factor
from mtjfit.input import read_bytes

__all__ = ["MAX_BYTES", "curves_from_bytes", "curves_of_devices", "read_curves"]


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
    data: bytes, declaration: TableDeclaration, label: str, opened: Callable[[str], Source] | None = None
) -> tuple[TorqueCurve, ...]:
    """Like `read_curves`, for the bytes of a file, so that a hash of them and the curves belong together.

    Parameters
    ----------
    data : bytes
    declaration : TableDeclaration
    label : str
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
    opened: Callable[[str], Source] | None = None,
) -> tuple[TorqueCurve, ...]:
    """Curves of rows sorted by device.

    Parameters
    ----------
    devices : dict of str to DeviceRows
    comments : iterable of (line, str)
        Comments of the file or files; ``origin: …`` among them travels with the curves.
    declaration : TableDeclaration
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
