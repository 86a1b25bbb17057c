"""Curves in JSON to the last bit: values, errors, masks with reasons, origin, notices."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from mtjfit.data.curve import Origin, PerpAxis, TorqueCurve
from mtjfit.data.curve_checks import SinTheta
from mtjfit.data.readers import ReadOptions, SourceFile
from mtjfit.data.units import Per, Quantity
from mtjfit.errors import DataError, Problem, ProblemLog
from mtjfit.output import shown_json
from mtjfit.plain import ExactNumber, checked_json, exact

_FORMAT = 1
_Numbers: TypeAlias = tuple[ExactNumber, ...]
_ARRAYS = ("bias", "par", "perp", "sigma_par", "sigma_perp", "rho", "covariance", "sigma_bias")


@dataclass(frozen=True)
class CurveRecord:
    """The fields of a `TorqueCurve` as JSON holds them; `used` follows from `used_values`."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    device: str
    bias: _Numbers
    par: _Numbers
    perp: _Numbers
    thickness: float
    quantity: Quantity
    per: Per
    unit: str
    used_values: tuple[tuple[bool, ...], tuple[bool, ...]]
    reasons: tuple[str, ...]
    sigma_par: _Numbers | None = None
    sigma_perp: _Numbers | None = None
    group: str = ""
    declared_perp_axis: PerpAxis = "MxP"
    origin: Origin = field(default_factory=Origin)
    source: str = ""
    angle: float | None = None
    sin_theta: SinTheta | None = None
    rho: _Numbers | None = None
    covariance: tuple[_Numbers, ...] | None = None
    sigma_bias: _Numbers | None = None
    notices: tuple[str, ...] = ()
    condition: str = ""


@dataclass(frozen=True)
class _Document:
    program: Literal["mtjfit"]
    kind: Literal["curves"]
    format: int
    curves: tuple[CurveRecord, ...]


def curves_json(curves: Iterable[TorqueCurve]) -> bytes:
    """The file that `curves_from_json` reads back, bit for bit; one line for each field, those at their defaults left
    out.

    Examples
    --------
    >>> curve = TorqueCurve("A1", [-0.1, 0.0, 0.1], [-1, 0, 1], float("nan"), 2.0, "torque", "device")
    >>> again, = curves_from_json(SourceFile("a.json", curves_json([curve])))
    >>> again.bias.tolist(), again.perp.tolist(), again.unit
    ([-0.1, 0.0, 0.1], [nan, nan, nan], 'arb')
    """
    written = ",\n".join("  {\n" + ",\n".join(_lines(curve)) + "\n  }" for curve in curves)
    head = f'{{\n "program": "mtjfit",\n "kind": "curves",\n "format": {_FORMAT},\n "curves": ['
    return f"{head}\n{written}\n ]\n}}\n".encode()


def _lines(curve: TorqueCurve) -> Iterable[str]:
    for name, value in curve_document(curve).items():
        yield f"   {json.dumps(name)}: {shown_json(json.dumps(value, allow_nan=False, ensure_ascii=False))}"


def curve_document(curve: TorqueCurve) -> dict[str, Any]:
    """The `CurveRecord` of a curve in JSON types, without the fields at their defaults."""
    found = {}
    for each in fields(CurveRecord):
        value = exact(getattr(curve, each.name))
        if value != exact(each.default_factory() if each.default_factory is not MISSING else each.default):
            found[each.name] = value
    return found


def curves_from_json(source: SourceFile, limits: ReadOptions | None = None) -> tuple[TorqueCurve, ...]:
    """Curves of a file that `curves_json` wrote; DataError where it is none, or its curves contradict themselves."""
    most = (limits or ReadOptions()).max_cells
    todo = "write it anew, with Study.to_toml"
    if source.data.count(b",") > most:
        raise source.fault(f"has more than {most} numbers", todo)
    try:
        found = checked_json(_Document, source.data)
    except ValueError as error:
        raise source.fault(f"is no file of curves: {error}", todo) from None
    if found.format != _FORMAT:
        what = f"has the format {found.format}, this version of mtjfit reads {_FORMAT}"
        raise source.fault(what, "install the version that wrote it, or write it anew")
    log, curves = ProblemLog(source.label), []
    for record in found.curves:
        try:
            curves.append(curve_of(record))
        except DataError as error:
            log.take(Problem(f"{source.label}: {each.where}", each.what, each.todo) for each in error.problems)
    log.refuse()
    return tuple(curves)


def curve_of(record: CurveRecord) -> TorqueCurve:
    """The curve of a record, checked as any other: DataError where it contradicts itself."""
    numbers = {
        name: np.array(getattr(record, name), dtype=float) for name in _ARRAYS if getattr(record, name) is not None
    }
    return TorqueCurve(**{**vars(record), **numbers})
