"""Units that a file writes beside its columns, held against those that are declared."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mtjfit.data.declaration import TableDeclaration
from mtjfit.data.units import canonical_unit, unit_meaning
from mtjfit.data.written_units import WrittenUnit, same_unit
from mtjfit.errors import Problem, ProblemLog

_KINDS: Mapping[str, str] = MappingProxyType({
    "bias": "bias", "sigma_bias": "bias", "thickness": "thickness", "angle": "angle", "rho": "correlation",
    "x": "position", "y": "position",
    **dict.fromkeys(("par", "perp", "sigma_par", "sigma_perp", "torque", "sigma_torque"), "torque"),
})  # fmt: skip
_ONLY: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "angle": ("deg", "an angle is in degrees"),
        "position": ("mm", "positions are in mm"),
        "correlation": ("a plain number", "a correlation is a plain number"),
    }
)
"""Units that are not declared: the only one there is, and how that is said."""
_SHOWN = 80  # letters of a unit, which is in a file and may be of any length
_RATIO = WrittenUnit("ratio", 1.0)


def checked_unit(role: str, name: str, unit: str | None, declaration: TableDeclaration, place: str,
                 log: ProblemLog) -> str:  # fmt: skip
    """A note where the unit of a column is not understood, and is taken to be the declared one; empty otherwise.

    A unit that means another one is a problem in `log`. `place` is that of the header.

    Examples
    --------
    >>> from mtjfit.data.declaration import Columns, ColumnUnits
    >>> declaration = TableDeclaration("torkance", "device", "MxP", Columns("V", "par", "perp"),
    ...                                ColumnUnits("V", "hbar/2e/kohm", "nm"), device="A1", thickness=2, sigma="fit")
    >>> log = ProblemLog("a.csv")
    >>> checked_unit("bias", "V", "volts", declaration, "a.csv:1", log)
    ''
    >>> checked_unit("bias", "V", "applied", declaration, "a.csv:1", log)
    "a.csv:1: unit 'applied' of column 'V' is not understood; taken as V, as declared"
    >>> checked_unit("par", "par", "hbar/e/kohm", declaration, "a.csv:1", log)
    ''
    >>> log.problems[0].what
    "is in 'hbar/e/kohm' in the file, which is 2 hbar/2e/kohm, but units.torque = 'hbar/2e/kohm' is declared"
    """
    kind = _KINDS.get(role)
    if kind is None or unit is None:
        return ""
    unit = unit if len(unit) <= _SHOWN else unit[: _SHOWN - 1] + "…"
    declared = _ONLY[kind][0] if kind in _ONLY else str(getattr(declaration.units, kind))
    wanted = _RATIO if kind == "correlation" else unit_meaning(declared, kind)
    found = unit_meaning(unit, kind)
    if found is None or wanted is None:
        return f"{place}: unit {unit!r} of column {name!r} is not understood; taken as {declared}, as declared"
    if not same_unit(found, wanted):
        log.take([Problem(f"{place}: column {name!r}", *_contradiction(unit, found, kind, declared, wanted))])
    return ""


def _contradiction(unit: str, found: WrittenUnit, kind: str, declared: str, wanted: WrittenUnit) -> tuple[str, str]:
    size = f", which is {found.si / wanted.si:.6g} {declared}" if found.quantity == wanted.quantity else ""
    if kind in _ONLY:
        return f"is in {unit!r} in the file{size}, but {_ONLY[kind][1]}", "convert its numbers, and name their unit"
    name = canonical_unit(unit, kind)
    todo = f"set units.{kind} = {name!r} if the file is right, else" if name else "convert its numbers, or"
    what = f"is in {unit!r} in the file{size}, but units.{kind} = {declared!r} is declared"
    return what, f"{todo} correct the unit in the file"
