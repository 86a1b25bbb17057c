"""Curves of a pandas DataFrame, through the same checks as the tables of files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict, Unpack

import numpy as np

from mtjfit.data.column_names import split_unit
from mtjfit.data.curve import Origin, PerpAxis, TorqueCurve
from mtjfit.data.curve_checks import SinTheta
from mtjfit.data.declaration import BiasMask, Columns, ConstantSigma, TableDeclaration
from mtjfit.data.readers import Column, Sheet, SourceFile
from mtjfit.data.readers.sheet import cell_text
from mtjfit.data.table import curves_from_sheets
from mtjfit.data.units import Per, Quantity, canonical_unit
from mtjfit.errors import ConfigError, DataError, Problem, did_you_mean
from mtjfit.toml import validated

if TYPE_CHECKING:
    import pandas as pd

_LABEL, _HERE = "DataFrame", "from_frame"
_TORQUES = ("par", "perp", "torque")


class FrameFormat(TypedDict, total=False):
    """How the rows stand: see `mtjfit.data.TableFormat`."""

    order: Literal["sorted", "any"]
    repeats: bool
    decimal: Literal[".", ","]


class FrameOptions(TypedDict, total=False):
    """What a DataFrame cannot reveal; the keys of a ``[[data]]`` table, see `mtjfit.data.TableDeclaration`.

    `unit` is that of the torques. Units in brackets at the ends of column names, as in ``"V (mV)"``, need not be given
    again; otherwise the bias is in V and the thickness in nm, unless `units` says so. Without `columns`, those are used
    that are named like their roles: ``device``, ``thickness``, ``bias``, ``par``, ``perp``, ``sigma_par``, ….
    """

    quantity: Required[Quantity]
    per: Required[Per]
    perp_axis: Required[PerpAxis]
    unit: str
    columns: Mapping[str, object]
    units: Mapping[str, str]
    device: str
    thickness: float
    group: str
    condition: str
    angle: float
    sin_theta: SinTheta
    sigma: Literal["columns", "fit"] | ConstantSigma | Mapping[str, float]
    sigma_bias: float
    bias_window: tuple[float, float]
    mask: Sequence[BiasMask | Mapping[str, object]]
    covariance: Mapping[str, object]
    origin: str | Origin
    format: FrameFormat


_ADVICE = {
    "quantity": 'give quantity="torque" (T) or "torkance" (dT/dV); no table can reveal which',
    "per": 'give per="device", "area" or "volume" (effective fields); no table can reveal which',
    "perp_axis": 'give perp_axis="MxP" or "PxM"; it decides the sign of the out-of-plane component',
    "torque": 'give unit=…, such as "1e-19 N m", or "1e-19 N m/V" for a torkance',
    "bias": 'name its column, such as columns={"bias": "V"}',
    "sin_theta": 'give "included" if the values are torques at the angle, or "divided" if they are per sin θ',
}
_IN_PYTHON = {
    "[data.format]": "format={…}",
    ", or say how they repeat in [data.wide]": "",
    "repeats = true": '"repeats": True',
    'order = "any"': '"order": "any"',
    'decimal = ","': '"decimal": ","',
    'decimal = "."': '"decimal": "."',
    'sigma = "fit"': 'sigma="fit"',
    "sigma = { par = …, perp = … }": 'sigma={"par": …, "perp": …}',
}
"""Words of a study file, and what to write in Python."""


class _Row(int):
    """The place of a row, shown as its label in the index."""

    label: str

    def __new__(cls, place: int, label: object) -> _Row:
        made = super().__new__(cls, place)
        made.label = label if isinstance(label, str) and label.isprintable() else repr(label)
        return made

    def __str__(self) -> str:
        return self.label


def curves_from_frame(frame: pd.DataFrame, **options: Unpack[FrameOptions]) -> tuple[TorqueCurve, ...]:
    """Curves of a table with one row for each device and bias, read exactly as the table of a file would be.

    Named levels of the index count as columns. The frame is not changed.

    Parameters
    ----------
    frame : pandas.DataFrame
        Numbers may be floats, whole numbers or text; rows without any torque are left out, with a notice.
    **options
        What the numbers are: see `FrameOptions`.

    Raises
    ------
    ConfigError
        An option is missing, unknown, or contradicts another one.
    DataError
        Every problem of the table, each with the label of its row and its column.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"V (mV)": [-100, 0, 100], "T1": [-1.0, 0.0, 1.0], "T2": [-0.5, 0.0, -0.5]})
    >>> curve, = curves_from_frame(frame, quantity="torque", per="device", perp_axis="PxM", unit="1e-19 N m",
    ...                            columns={"bias": "V", "par": "T1", "perp": "T2"}, device="A1", thickness=2,
    ...                            sigma="fit")
    >>> curve.bias.tolist(), curve.perp.tolist()
    ([-0.1, 0.0, 0.1], [0.5, 0.0, 0.5])
    """
    given: dict[str, Any] = dict(options)
    unknown = [Problem(name, "is no option", did_you_mean(name, FrameOptions.__annotations__))
               for name in given if name not in FrameOptions.__annotations__]  # fmt: skip
    if unknown:
        raise ConfigError(unknown)
    sheet = _sheet(frame, given.pop("origin", None))
    matrices = given.pop("covariance", None) or {}
    dicts = {"covariance": matrices, **{name: given.get(name) or {} for name in ("columns", "units", "format")}}
    odd = [(name, value) for name, value in dicts.items() if not isinstance(value, Mapping)]
    if odd:
        raise ConfigError(Problem(name, f"is {str(value)[:40]!r}", "give a dict") for name, value in odd)
    table, problems = _table(given, sheet, matrices)
    declaration = validated(TableDeclaration, table, _HERE, _ADVICE)
    problems += declaration if isinstance(declaration, list) else []
    if isinstance(declaration, list) or problems:
        raise ConfigError(map(_in_python, problems))
    try:
        return curves_from_sheets([sheet], declaration, _LABEL, lambda name: _matrix(name, matrices[name]))
    except (ConfigError, DataError) as error:
        raise type(error)(map(_in_python, error.problems)) from None


def curve_from_frame(frame: pd.DataFrame, **options: Unpack[FrameOptions]) -> TorqueCurve:
    """The only curve of a frame; DataError where it holds several."""
    curves = curves_from_frame(frame, **options)
    if len(curves) > 1:
        names = ", ".join(repr(curve.name) for curve in curves[:3])
        todo = "take the rows of one, or use Study.from_frame or mtjfit.data.curves_from_frame"
        raise DataError([Problem(_LABEL, f"holds {len(curves)} curves: {names}{', …' if curves[3:] else ''}", todo)])
    return curves[0]


def _in_python(problem: Problem) -> Problem:
    """Advice for options of Python in place of keys of a study file."""
    where, todo = problem.where.removeprefix(f"{_HERE}."), problem.todo
    for written, here in _IN_PYTHON.items():
        todo = todo.replace(written, here)
    return replace(problem, where=where, todo=todo)


def _sheet(frame: Any, origin: object) -> Sheet:
    """The frame as readers give tables: names, units of names, cells as their shortest exact texts."""
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        todo = "make it a pandas.DataFrame, with one row for each device and bias"
        raise DataError([Problem(_LABEL, f"is a {type(frame).__name__}", todo)])
    if frame.columns.nlevels > 1:
        todo = 'flatten them: frame.columns = ["_".join(map(str, each)) for each in frame.columns]'
        raise DataError([Problem(_LABEL, f"has column names of {frame.columns.nlevels} levels", todo)])
    columns = [(str(name), frame.iloc[:, k]) for k, name in enumerate(frame.columns)]
    here = {name for name, _ in columns}
    levels = [(str(name), frame.index.get_level_values(k)) for k, name in enumerate(frame.index.names)
              if name is not None and str(name) not in here]  # fmt: skip
    rows = tuple(_Row(place, label) for place, label in enumerate(frame.index))
    said = [origin, frame.attrs.get("origin")]
    comments = tuple((_Row(0, "origin"), f"origin: {_origin(each)}") for each in said if each is not None)
    return Sheet(_LABEL, "frame", tuple(_column(name, values) for name, values in (*columns, *levels)), rows,
                 comments=comments)  # fmt: skip


def _origin(said: object) -> str:
    return f"{said.kind}; {said.note}" if isinstance(said, Origin) else str(said)


def _column(name: str, values: Iterable[object]) -> Column:
    return Column(*split_unit(name), tuple(map(_cell, values)))


def _cell(value: object) -> str:
    """A cell as text; empty for every kind of missing value."""
    plain = value.item() if isinstance(value, np.generic) and not isinstance(value, np.datetime64) else value
    is_nan = isinstance(plain, float) and math.isnan(plain)
    if is_nan or type(plain).__name__ in ("NAType", "NaTType"):
        return ""
    return cell_text(plain)


def _table(given: dict[str, Any], sheet: Sheet, matrices: Mapping[str, object]) -> tuple[dict[str, Any], list[Problem]]:
    """The ``[[data]]`` table that the options are, and problems of those that no file has."""
    problems = []
    roles = [each.name for each in fields(Columns)]
    columns = given.get("columns")
    if columns is None:
        columns = {role: role for role in roles if role in {column.name for column in sheet.columns}}
    if isinstance(columns, Mapping):
        columns = {role: str(name) if isinstance(name, int) and not isinstance(name, bool) else name
                   for role, name in columns.items()}  # fmt: skip
    for key in given.get("format") or {}:
        if key not in FrameFormat.__annotations__:
            todo = did_you_mean(str(key), FrameFormat.__annotations__)
            problems.append(Problem(f"format.{key}", "is no key for a DataFrame", todo))
    table = {key: _plain(value) for key, value in given.items() if key not in ("unit", "units", "columns")}
    if matrices:
        table["covariance"] = {str(device): str(device) for device in matrices}
    given_units = given.get("units") or {}
    units = dict(given_units)
    for kind, name, written in _written(columns, sheet):
        if kind not in given_units and (known := canonical_unit(written, kind)):
            units.setdefault(kind, known)
        elif kind not in given_units and kind != "torque":
            what = f"is missing, and {written[:40]!r} in the name of column {name!r} is not understood"
            problems.append(Problem(f"units.{kind}", what, f"give units={{{kind!r}: …}}, or rename the column"))
    unit = given.get("unit")
    if unit is not None and given_units.get("torque", unit) != unit:
        what = f"is {unit!r}, and units say {given_units['torque']!r}"
        problems.append(Problem("unit", what, "give one of the two"))
    if unit is not None:
        units["torque"] = unit
    return {**table, "columns": columns, "units": {"bias": "V", "thickness": "nm", **units}}, problems


def _written(columns: object, sheet: Sheet) -> Iterator[tuple[str, str, str]]:
    """Kind of a unit that stands in the name of a column, the name of that column, and the unit."""
    for kind, roles in (("bias", ("bias",)), ("thickness", ("thickness",)), ("torque", _TORQUES)):
        names = [columns[role] for role in roles if role in columns] if isinstance(columns, Mapping) else []
        for name in (name for name in names if isinstance(name, str)):
            places = sheet.named.places(name)
            unit = sheet.columns[places[0]].unit if len(places) == 1 else None
            if unit:
                yield kind, name, unit


def _plain(value: object) -> Any:
    """An option in the types of a study file."""
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(each) for name, each in asdict(value).items() if each not in (None, "")}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [*map(_plain, value)] if isinstance(value, list | tuple) else value


def _matrix(name: str, values: object) -> SourceFile:
    """A covariance as the file that would hold it."""
    rows = np.atleast_2d(np.asarray(values))
    lines = "\n".join(",".join(_cell(each) or "nan" for each in row) for row in rows.tolist())
    return SourceFile(f"covariance of {name!r}", lines.encode())
