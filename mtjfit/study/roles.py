"""Roles that the columns and header parameters of a sheet seem to have: guesses with evidence and none against them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from mtjfit.data.column_words import name_says, stem_and_unit, unit_in_name
from mtjfit.data.components import COMPONENT_WORDS
from mtjfit.data.readers import Sheet
from mtjfit.data.tidy import parse_number
from mtjfit.data.units import find_unit
from mtjfit.data.written_units import written_unit
from mtjfit.toml import PLACEHOLDER

NAMES = {
    "bias": ("bias", "v", "voltage", "vbias", "biasv", "vdc", "dcbias", "biasmv", "u"),
    "par": ("par", "taupar", "tpar", "torquepar", "torkancepar", "inplane", "tauinplane", "parallel", "dtaupar",
            "tauip", "ip", "tip", "torqueip", "torkanceip", "dampinglike", "dl", "tau1"),
    "perp": ("perp", "tauperp", "tperp", "torqueperp", "torkanceperp", "outofplane", "tauoutofplane", "perpendicular",
             "dtauperp", "tauop", "op", "tauoop", "oop", "toop", "torqueoop", "torkanceoop", "fieldlike", "fl", "tau2"),
    "sigma_par": ("sigmapar", "errpar", "parerr", "parerror", "tauparerr", "sdpar", "separ", "dpar",
                  "errorpar", "tauparerror", "sigmataupar", "uncertaintypar"),
    "sigma_perp": ("sigmaperp", "errperp", "perperr", "perperror", "tauperperr", "sdperp", "seperp", "dperp",
                   "errorperp", "tauperperror", "sigmatauperp", "uncertaintyperp"),
    "rho": ("rho", "corr", "correlation", "corrparperp"),
    "sigma_bias": ("sigmabias", "biaserr", "errbias", "biaserror", "sigmav", "verr", "errv"),
    "device": ("device", "sample", "samplename", "mtj", "junction", "deviceid", "devicename", "sampleid", "die",
               "dieid", "name", "id"),
    "thickness": ("thickness", "d", "dnm", "t", "tnm", "thicknessnm", "tfree", "tfreenm", "tfl", "dfree", "tcofeb",
                  "dangstrom"),
    "group": ("group", "wafer", "stack", "split", "batch", "series"),
    "component": ("component", "comp"),
    "condition": ("condition", "temperature", "temp", "tk", "sweep", "sweepdirection", "direction", "run", "scan",
                  "cycle", "repeat", "branch"),
    "torque": ("torque", "torkance", "tau", "dtdv", "dtaudv", "dtorquedv", "stt", "value", "t", "signal"),
    "sigma_torque": ("sigmatorque", "torqueerr", "torqueerror", "errtorque", "torkanceerr", "torkanceerror",
                     "sigmatorkance", "sigmatau", "tauerr", "sigma", "err", "error", "sd", "se", "stderr", "std",
                     "uncertainty", "dt", "sigmat", "terr", "errt"),
}  # fmt: skip
"""Names, without case and punctuation, that columns of each role go by; the likeliest first."""
PLACES = {
    "x": ("x", "xmm", "diex", "xdie", "posx", "xpos"),
    "y": ("y", "ymm", "diey", "ydie", "posy", "ypos"),
    "wafer": ("wafer", "waferid", "wafername"),
    "split": ("split", "stack", "group"),
}
"""The same for columns that only a table of whole wafers has."""
_KNOWN = {each for likely in NAMES.values() for each in likely}
KINDS = {"bias": "bias", "sigma_bias": "bias", "thickness": "thickness", "par": "torque", "perp": "torque",
         "sigma_par": "torque", "sigma_perp": "torque", "torque": "torque", "sigma_torque": "torque"}  # fmt: skip
"""Kind of unit of each role that has one."""
_MEASURES = {"bias": "voltage", "thickness": "length"}
_NAMED = ("device", "group")
_LONG = ("torque", "sigma_torque")
_OF_BOTH = ("par", "perp", "sigma_par", "sigma_perp", "rho")
_AT_EACH_POINT = ("bias", "par", "perp", "torque")
_NO_BIAS = ("ac", "mix", "rect", "lock")  # in names of voltages that a lock-in measures
_ANYTHING = ("name", "id")  # also of a measurement, or of a row
_OF_WAFERS = ("tidy", "parquet")  # formats that batch reads
_SIMILAR = 0.8
_MOST_COMPARED = 500
_MOST_CONDITIONS = 100  # of the rows of a table
_FEWEST = 3  # points of a sweep
_SHORT = 3  # letters of a name that may mean anything


@dataclass(frozen=True)
class _Candidate:
    """A column, or a header parameter, whose only cell holds for all rows."""

    name: str
    unit: str | None
    cells: tuple[str, ...]
    is_column: bool
    stem: str  # the name without a unit behind ``_`` or ``/``

    @property
    def key(self) -> str:
        """The name without case and punctuation."""
        return _key(self.stem)

    @property
    def is_known(self) -> bool:
        """Whether the name is a usual one, and not only similar to one."""
        return self.key in _KNOWN or bool(name_says(self.stem).role)


def guessed_roles(sheet: Sheet) -> tuple[dict[str, str], dict[str, str]]:
    """Columns and header parameters by role, and columns of ``[wafer]``; none of these unless dies have places.

    Errors are among them only where every value has one, as a study needs it; see `errors_left_out`.
    """
    found, places = _likely_roles(sheet)
    left_out = _left_out(found)
    return {role: name for role, name in found.items() if role not in left_out}, places


def errors_left_out(sheet: Sheet) -> str:
    """What is said of columns that seem to hold errors, where other values have none; empty where there are none."""
    found = _likely_roles(sheet)[0]
    said = " and ".join(f"{found[role]!r} may be {role}" for role in _left_out(found))
    return f"{said}, but not every torque has an error" if said else ""


def has_errors(columns: Collection[str]) -> bool:
    """Whether these roles are of errors for every value; those of both components where no value is recognised."""
    needed = ["torque"] if "torque" in columns else [each for each in ("par", "perp") if each in columns]
    return all(f"sigma_{each}" in columns for each in needed or ("par", "perp"))


def _left_out(found: Collection[str]) -> list[str]:
    return [] if has_errors(found) else [role for role in found if role.startswith("sigma_") or role == "rho"]


def _likely_roles(sheet: Sheet) -> tuple[dict[str, str], dict[str, str]]:
    candidates = tuple(_candidates(sheet))
    component = _component(candidates)
    candidates = tuple(each for each in candidates if each.name not in component.values())
    device = _assigned(candidates, ("device",), sheet)
    places = _places(candidates, sheet, device.get("device", ""))
    rest = tuple(each for each in candidates if each.name not in (*places.values(), *device.values()))
    telling = sheet, device.get("device", ""), places.get("wafer", "")
    others = [role for role in NAMES if role not in ("device", "component", "condition", *_LONG)]
    found = _assigned(rest, others, *telling)
    if component or not {"par", "perp"} & set(found):  # one component in each row, or a torque without more
        others = [role for role in NAMES if role not in ("device", "component", "condition", *_OF_BOTH)]
        long = _assigned(rest, others, *telling)
        found = long if component or "torque" in long else found
    measured = [role for role in ("par", "perp") if role in found]
    if measured and not {"sigma_par", "sigma_perp"} & set(found):  # one column may hold the errors of both
        left = [each for each in rest if each.name not in found.values()
                and (len(measured) == 1 or name_says(each.stem).is_error)]  # fmt: skip
        errors = _assigned(left, ("sigma_torque",), *telling)
        own = {f"sigma_{each}": name for name in errors.values() for each in measured}
        found = _of_one_unit(found | own, rest)
    found |= device | component
    return found | ({} if places else _condition(rest, sheet, found)), places


def _component(candidates: Iterable[_Candidate]) -> dict[str, str]:
    """The column that says in words of `COMPONENT_WORDS` which component each row holds, if there is one."""
    for each in candidates:
        words = {cell.strip().casefold() for cell in set(each.cells)} if each.is_column else set()
        if words and words <= set(COMPONENT_WORDS):
            return {"component": each.name}
    return {}


def _condition(candidates: Iterable[_Candidate], sheet: Sheet, found: Mapping[str, str]) -> dict[str, str]:
    """The column that tells several sweeps of one device apart, if there is one that does.

    A thickness tells devices apart where no other column does.
    """
    if found.get("bias") not in sheet.names:
        return {}
    bias = [parse_number(cell, sheet.decimal)[0] for cell in sheet.column(found["bias"]).cells]
    telling = [sheet.column(found[role]).cells for role in ("device", "component") if found.get(role) in sheet.names]
    if _are_sweeps(bias, telling):
        return {}
    left = [each for each in candidates if each.is_column and each.name not in found.values()
            and each.key not in (*PLACES["x"], *PLACES["y"]) and not name_says(each.stem).is_error]  # fmt: skip
    left.sort(key=lambda each: each.key not in NAMES["condition"])
    for each in left:
        if (
            1 < len(set(each.cells)) <= _MOST_CONDITIONS
            and all(each.cells)
            and _are_sweeps(bias, [*telling, each.cells])
        ):
            if each.key in NAMES["thickness"] and not {"device", "thickness"} & set(found):
                return {"device": each.name, "thickness": each.name}
            return {"condition": each.name}
    return {}


def _are_sweeps(bias: Sequence[float], telling: Iterable[Sequence[str]]) -> bool:
    """Whether the bias ascends or descends, over three points at least, in all rows of the same cells."""
    keys = list(zip(*telling, strict=True)) or [()] * len(bias)
    rows: dict[tuple[str, ...], list[float]] = {}
    for key, value in zip(keys, bias, strict=True):
        rows.setdefault(key, []).append(value)
    return all(len(each) >= _FEWEST and (_ascends(each) or _ascends(each[::-1])) for each in rows.values())


def _ascends(values: Sequence[float]) -> bool:
    return all(a < b for a, b in pairwise(values))


def only_component(sheet: Sheet, columns: Mapping[str, str]) -> bool:
    """Whether a sheet with one component has no other column that could be the second."""
    if not {"par", "perp"} & set(columns):
        return False
    left = [each for each in _candidates(sheet) if each.is_column and each.name not in columns.values()]
    return not any(
        not name_says(each.stem).is_error and unit_fits("par", each.unit or "arb")
        and len(numbers_among(each.cells, sheet)) == len(each.cells)
        and (len(each.cells) == 1 or not _is_constant(each.cells, sheet, columns.get("device", "")))
        for each in left
    )  # fmt: skip


def _key(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())[:40]


def _candidates(sheet: Sheet) -> Iterator[_Candidate]:
    """What has a name of its own that a study file can hold."""
    names = Counter(sheet.names)
    for column in sheet.columns:
        if names[column.name] == 1 and _is_proper(column.name):
            stem, unit = _stem(column.name) if column.unit is None else (column.name, column.unit)
            yield _Candidate(column.name, unit, column.cells, True, stem)
    for name, value in sheet.metadata.items():
        if name not in names and _is_proper(name) and value.strip():
            number, _, unit = value.partition(" ")
            is_number = parse_number(number, sheet.decimal)[1] is None
            yield _Candidate(name, unit.strip() or None if is_number else None, (value,), False, name)


@lru_cache(maxsize=10_000)
def _stem(name: str) -> tuple[str, str | None]:
    """A name and its unit, where one behind ``_`` or ``/`` is all that keeps it from being likely, as in ``V_mV``."""
    stem, unit = stem_and_unit(name)
    is_known, may_be = (name_says(each).role or _key(each) in _KNOWN for each in (name, stem))
    if is_known or not may_be:
        return name, None
    is_unit = any(unit_in_name(name, kind) for kind in set(KINDS.values())) or written_unit(unit) is not None
    return (stem, unit) if is_unit else (name, None)


def _is_proper(name: str) -> bool:
    return bool(name) and name == name.strip() and PLACEHOLDER.fullmatch(name) is None


def _assigned(candidates: Sequence[_Candidate], roles: Collection[str], sheet: Sheet, *telling: str) -> dict[str, str]:
    """Most similar column of each role, every column once; names without similarity stay out.

    The columns `telling` tell devices apart.
    """
    scores = []
    for candidate in candidates:
        if (
            len(candidates) > _MOST_COMPARED and candidate.key not in _KNOWN
        ):  # of very many, similar ones are not looked for
            continue
        for role in roles:
            likeness, place = _likeness(candidate.stem, role, candidate.is_column)
            if likeness >= _SIMILAR and not _is_contradicted(candidate, role, sheet, *telling):
                scores.append((-likeness, not candidate.is_column, place, role, candidate.name))
    columns: dict[str, str] = {}
    for *_, role, name in sorted(scores, key=lambda each: each[:3]):
        if role not in columns and name not in columns.values():
            columns[role] = name
    return _of_one_unit(columns, candidates)


@lru_cache(maxsize=10_000)  # parts of a file have the same columns, and there may be thousands of parts
def _likeness(name: str, role: str, is_column: bool) -> tuple[float, int]:
    """How much a name is like those of a role, from 0 to 1, and the place of the most similar one."""
    likely, key, said = NAMES[role], _key(name), name_says(name)
    if key in likely:
        return 1.0, likely.index(key)
    if said.role and key not in _KNOWN:
        return float(said.role == role), len(likely)
    # "torkance_perp" is similar to "torkance_par", "Samples" to "sample": never propose one for the other.
    wrong = (role.endswith("par") and "perp" in key) or (role.endswith("perp") and "par" in key)
    wrong |= said.is_error and not role.startswith("sigma")
    wrong |= role == "bias" and any(word in key for word in _NO_BIAS)
    wrong |= role in _OF_BOTH and any(key in NAMES[each] for each in _LONG)  # "torque" is similar to "torque par"
    if wrong or role in (*_NAMED, *_LONG) or not is_column or len(key) <= _SHORT:
        return 0.0, len(likely)
    return max((SequenceMatcher(None, key, each).ratio() if len(each) > _SHORT else 0.0, -k)
               for k, each in enumerate(likely))  # fmt: skip


def _is_contradicted(candidate: _Candidate, role: str, sheet: Sheet, *telling: str) -> bool:
    """Whether unit or cells show that a column cannot have a role."""
    if candidate.unit and not unit_fits(role, candidate.unit):
        return True
    if not candidate.is_column:
        # of one point there may be one value; "t" alone may be a time, "name" that of a measurement
        unclear = candidate.key in _ANYTHING or (len(candidate.key) < _SHORT and not candidate.unit)
        return unclear or (role in _AT_EACH_POINT and len(sheet.lines) > 1)
    if role == "device":
        return candidate.key in _ANYTHING and len(set(candidate.cells)) == len(candidate.cells) > 1
    if role == "group":
        return not _is_constant(candidate.cells, sheet, *telling)
    if not any(map(str.isdigit, "".join(candidate.cells))):
        return True
    if role == "thickness":
        return not _is_constant(candidate.cells, sheet, *telling)
    numbers = numbers_among(candidate.cells, sheet)
    if role.startswith("sigma"):
        return any(each < 0 for each in numbers)
    return role == "rho" and any(abs(each) > 1 for each in numbers)


def unit_fits(role: str, unit: str) -> bool:
    """False where a unit as written is plainly none of a role's kind; one that is not understood fits all.

    >>> unit_fits("thickness", "s"), unit_fits("bias", "mV"), unit_fits("par", "mT/V"), unit_fits("par", "a.u.")
    (False, True, True, True)
    """
    kind = KINDS.get(role)
    if kind is None:
        return role == "rho" or written_unit(unit) is None
    if role.startswith("sigma") and unit == "%":
        return False
    is_torque, written = _is_torque(unit), written_unit(unit)
    if kind == "torque":
        return is_torque or written is None
    if kind == "thickness" and unit == "A":  # for Å
        return True
    return written.quantity == _MEASURES[kind] if written is not None else not is_torque


def _is_torque(unit: str) -> bool:
    try:
        return bool(find_unit(unit))
    except ValueError:
        return False


def _of_one_unit(columns: Mapping[str, str], candidates: Iterable[_Candidate]) -> dict[str, str]:
    """Without columns of errors in another unit than that of their values."""
    units = {each.name: each.unit for each in candidates}
    found = dict(columns)
    for role, value in (("sigma_par", "par"), ("sigma_perp", "perp"), ("sigma_bias", "bias"),
                        ("sigma_torque", "torque")):  # fmt: skip
        own, other = units.get(columns.get(role, "")), units.get(columns.get(value, ""))
        if own and other and own != other:
            found.pop(role)
    return found


def numbers_among(cells: Iterable[str], sheet: Sheet) -> list[float]:
    """The cells that are numbers."""
    parsed = (parse_number(cell, sheet.decimal) for cell in cells)
    return [value for value, fault in parsed if fault is None]


def _is_constant(cells: Sequence[str], sheet: Sheet, *names: str) -> bool:
    """Whether a column has one value in each device, or in all rows where no columns tell devices apart."""
    telling = [sheet.column(name).cells for name in names if name in sheet.names]
    devices = list(zip(*telling, strict=True)) if telling else [()] * len(cells)
    return len(set(zip(devices, cells, strict=True))) == len(set(devices))


def _places(candidates: Sequence[_Candidate], sheet: Sheet, device: str) -> dict[str, str]:
    """Columns of ``[wafer]``, by exact names; none unless several devices have each one place in mm, or in no unit.

    Devices of different wafers may share their names.
    """
    if device not in sheet.names or sheet.format not in _OF_WAFERS or sheet.form.names or len(sheet.form.header) > 1:
        return {}
    columns = [each for each in candidates if each.is_column and each.name != device]
    found: dict[str, str] = {}
    for role in sorted(PLACES, key=lambda role: role != "wafer"):
        fitting = sorted((PLACES[role].index(each.key), each.name) for each in columns
                         if each.key in PLACES[role]
                         and (role == "wafer" or _is_constant(each.cells, sheet, device, found.get("wafer", "")))
                         and (role not in ("x", "y") or _is_place(each, sheet)))  # fmt: skip
        if fitting:
            found[role] = fitting[0][1]
    if not {"x", "y"} <= set(found):
        return {}
    x, y = (sheet.column(found[role]).cells for role in ("x", "y"))
    return {role: found[role] for role in PLACES if role in found} if len(set(zip(x, y, strict=True))) > 1 else {}


def _is_place(candidate: _Candidate, sheet: Sheet) -> bool:
    in_mm = candidate.unit in (None, "mm")
    return in_mm and len(numbers_among(candidate.cells, sheet)) == len(candidate.cells)
