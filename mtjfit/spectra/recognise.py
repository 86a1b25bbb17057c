"""Recognition of a spectrum in a table: voltage against frequency or field, and where bias and device stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.column_words import name_says, stem_and_unit
from mtjfit.data.format import NamePattern
from mtjfit.data.readers import Sheet
from mtjfit.data.tidy import is_missing
from mtjfit.data.unit_kinds import unit_name
from mtjfit.data.written_units import WrittenUnit, written_unit
from mtjfit.errors import ConfigError, DataError
from mtjfit.study.roles import NAMES

LEAST_ROWS = 10
_FREQUENCY = ("frequency", "freq", "f", "rffrequency", "rffreq", "fghz", "fmhz", "fhz", "frf")
_FIELD = ("field", "h", "b", "bext", "hext", "magneticfield", "mu0h", "bfield", "hfield", "appliedfield", "boe", "hoe")
_VOLTAGE = ("vmix", "vmixing", "v", "voltage", "vrect", "rectifiedvoltage", "acvoltage", "signal", "lockinx", "x",
            "vsd", "vdiode", "lia", "liax", "lockin", "y", "vstfmr", "vdc", "u")  # fmt: skip
_BIAS = ("bias", "vbias", "dcbias", "biasvoltage", "vdc", "vdcbias", "biasv", "biasmv", "dcvoltage", "smubias")
_DEVICE = ("device", "sample", "samplename", "devicename", "deviceid", "junction", "mtj")
_NO_ABSCISSA = ("time", "t", "times", "temperature", "temp", "angle", "current", "i", "thickness", "index", "point")
_NO_VOLTAGE = ("r", "resistance", "m", "moment", "tmr", "mr", "i", "current", "rxx", "rxy", "magnetization", "phase",
               *_FREQUENCY, *_FIELD)  # fmt: skip
_LIKELY = {"frequency": _FREQUENCY, "field": _FIELD, "voltage": (*_VOLTAGE, *_BIAS)}
_IN_NAME = ("GHz", "MHz", "kHz", "kOe", "mV", "uV", "µV", "mT", "uT", "Oe", "V", "T", "G")
"""Units behind numbers in names of files; letters that are more often something else, such as m, are none."""
_NUMBER_UNIT = re.compile(
    rf"(?<![0-9.])(?<![0-9][p,])([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)([ _]?)({'|'.join(_IN_NAME)})(?![A-Za-z])"
)


@dataclass(frozen=True)
class RecognisedSpectrum:
    """Roles of the columns and header parameters of a table; `against` is empty where nothing shows it."""

    against: str
    columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, WrittenUnit] = field(default_factory=dict)


def recognised(sheet: Sheet, names: Mapping[str, str]) -> RecognisedSpectrum | None:
    """The spectrum in a sheet, if it is one; `names` are what its file name holds, by role."""
    if len(set(sheet.names)) < len(sheet.names) or len(sheet.lines) < LEAST_ROWS:
        return None
    plain = {name: _plain(name) for name in sheet.names}
    said = {role: {name for name in sheet.names if name_says(name).role == role or plain[name] in NAMES[role]}
            for role in ("par", "perp", "torque")}  # fmt: skip
    if said["par"] and said["perp"]:  # torques, for mtjfit run
        return None
    torques = set[str]().union(*said.values())
    if len(sheet.names) == 2 and plain[sheet.names[0]] in NAMES["bias"] and sheet.names[1] in torques:
        return None
    numbers = {name: values for name in sheet.names if (values := _numbers(sheet, name)) is not None}
    units = {c.name: unit for c in sheet.columns if c.unit and (unit := written_unit(c.unit)) is not None}
    for each in (c.name for c in sheet.columns if not c.unit):
        stem, behind = stem_and_unit(each)
        unit = written_unit(behind) if stem else None
        if unit is not None and _plain(stem) in _LIKELY.get(unit.quantity, ()):
            units[each], plain[each] = unit, _plain(stem)
    sizes = {name: np.unique(values).size for name, values in numbers.items()}
    frequency = _best(sizes, plain, units, "frequency", _FREQUENCY)
    magnetic = _best(sizes, plain, units, "field", _FIELD)
    columns: dict[str, str] = {}
    against = ""
    if frequency or magnetic:
        x = max((each for each in (frequency, magnetic) if each), key=lambda each: sizes[each])
        against = "frequency" if x == frequency else "field"
        columns["x"] = x
        if frequency and magnetic:
            columns["fixed"] = magnetic if x == frequency else frequency
    elif len(sheet.names) == 2 and len(numbers) == 2 and _may_be_pair(sheet.names, plain, units):
        columns["x"] = sheet.names[0]
        negative = bool(np.any(numbers[columns["x"]] < 0))  # no frequency is
        against = "field" if negative or "frequency" in names else "frequency" if "field" in names else ""
    else:
        return None
    rest = {name: size for name, size in sizes.items() if name not in columns.values()}
    voltage = sheet.names[1] if len(sheet.names) == 2 else _voltage(rest, plain, units)
    if not voltage or voltage not in rest or sizes[columns["x"]] < LEAST_ROWS:
        return None
    if units.get(voltage, WrittenUnit("voltage", 1)).quantity != "voltage" or plain[voltage] in _NO_VOLTAGE:
        return None
    columns["voltage"] = voltage
    rest.pop(voltage)
    _parameters(sheet, columns, units, against, rest, plain)
    return RecognisedSpectrum(against, columns, {role: units[name] for role, name in columns.items() if name in units})


def _may_be_pair(names: Sequence[str], plain: Mapping[str, str], units: Mapping[str, WrittenUnit]) -> bool:
    """Whether nothing contradicts that two columns are abscissa and voltage."""
    return names[0] not in units and plain[names[0]] not in _NO_ABSCISSA


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())[:40]


def _numbers(sheet: Sheet, name: str) -> FloatArray | None:
    """Numbers of a column, without missing ones where they are the fewer; None for other cells."""
    cells = sheet.column(name).cells
    present = [i for i, cell in enumerate(cells) if not is_missing(cell)]
    if 2 * len(present) < len(cells):
        return None
    try:
        return sheet.at(present).numbers(name) if len(present) < len(cells) else sheet.numbers(name)
    except DataError:
        return None


def _best(
    sizes: Mapping[str, int], plain: Mapping[str, str], units: Mapping[str, WrittenUnit], quantity: str,
    likely: Sequence[str],
) -> str:  # fmt: skip
    """The column of a quantity, by its unit, or by its name where it has none; the one with most values."""
    fitting = [name for name in sizes
               if (units[name].quantity == quantity if name in units else plain[name] in likely)]  # fmt: skip
    named = [name for name in fitting if plain[name] in likely]
    if len(fitting) > 1 and not named:
        return ""  # fields as torques have, for one
    return max(named or fitting, key=lambda name: sizes[name], default="")


def _voltage(rest: Mapping[str, int], plain: Mapping[str, str], units: Mapping[str, WrittenUnit]) -> str:
    """The column that most looks like the rectified voltage: many values, a likely name, a unit of voltage."""
    best, most = "", 0.0
    for name, size in rest.items():
        if units.get(name, WrittenUnit("voltage", 1)).quantity != "voltage" or plain[name] in _BIAS[:5]:
            continue
        place = _VOLTAGE.index(plain[name]) if plain[name] in _VOLTAGE else len(_VOLTAGE)
        if place == len(_VOLTAGE) and name not in units:
            continue
        score = (name in units) + 1 - place / (len(_VOLTAGE) + 1) + (size >= LEAST_ROWS)
        if score > most:
            best, most = name, score
    return best


def _parameters(
    sheet: Sheet, columns: dict[str, str], units: dict[str, WrittenUnit], against: str, rest: Mapping[str, int],
    plain: Mapping[str, str],
) -> None:  # fmt: skip
    """Add bias, what was held and device, from columns or header parameters, with the units of parameters."""
    for name in rest:
        if plain[name] in _BIAS and units.get(name, WrittenUnit("voltage", 1)).quantity == "voltage":
            columns.setdefault("bias", name)
    for name in sheet.names:
        if plain[name] in _DEVICE and name not in columns.values():
            columns.setdefault("device", name)
    held = "frequency" if against == "field" else "field"
    likely = _FREQUENCY if held == "frequency" else _FIELD
    found: dict[tuple[str, bool], tuple[str, WrittenUnit | None]] = {}  # the first of each role, named so or not
    for name, value in sheet.metadata.items():
        if _plain(name) in _DEVICE and value.strip():
            columns.setdefault("device", name)
        try:
            written = sheet.parameter(name).unit
        except DataError:
            continue
        unit = written_unit(written or "")
        if _plain(name) in _BIAS and (written is None or (unit is not None and unit.quantity == "voltage")):
            found.setdefault(("bias", True), (name, unit))
        elif unit is not None and unit.quantity == held:
            found.setdefault(("fixed", _plain(name) in likely), (name, unit))
        elif written is None and _plain(name) in likely:
            found.setdefault(("fixed", True), (name, None))
    for role, is_named in (("bias", True), ("fixed", True), ("fixed", False)):
        if role not in columns and (role, is_named) in found:
            columns[role], unit = found[role, is_named]
            units |= {} if unit is None else {columns[role]: unit}


def name_pattern(names: Sequence[str], *, device: bool = True) -> str:
    """A pattern that all names fit, with numbers that have units as fields; empty where there is none.

    With `device` the text that differs between names, or else the first piece of text, is that field.

    Examples
    --------
    >>> name_pattern(["A1_4GHz_-100mV.txt", "B2_4GHz_50mV.txt"])
    '{device}_{frequency:GHz}_{bias:mV}.txt'
    >>> name_pattern(["2pf_1.0_GHz", "2pf_2.0_GHz"], device=False)
    '2pf_{frequency:GHz}'
    """
    found = {_with_fields(name, device) for name in names}
    for pattern in sorted(found, key=len):
        if "{" in pattern and _fits_all(pattern, names):
            return pattern
    return ""


def _with_fields(name: str, device: bool) -> str:
    used: set[str] = set()

    def put(match: re.Match[str]) -> str:
        role = next(kind for kind in ("frequency", "bias", "field") if unit_name(match[3], kind) is not None)
        if role in used:
            return match[0]
        used.add(role)
        return f"{{{role}:{match[3]}}}"

    pattern = _NUMBER_UNIT.sub(put, name.replace("{", "").replace("}", ""))
    stem, dot, suffix = pattern.rpartition(".")
    if device and stem:
        pieces = re.split(r"(\{[^{}]*\}|[_ ]+)", stem)
        text = next((k for k, piece in enumerate(pieces) if piece and not re.fullmatch(r"\{.*\}|[_ ]+", piece)), None)
        if text is not None:
            pieces[text] = "{device}"
            stem = "".join(pieces)
        pattern = stem + dot + suffix
    return pattern


def _fits_all(pattern: str, names: Sequence[str]) -> bool:
    try:
        fits = NamePattern(pattern)
        return all(fits.fields(name) for name in names)
    except (ConfigError, DataError):
        return False


def named_roles(pattern: str) -> Iterator[str]:
    """Roles that a pattern has fields for."""
    yield from (NamePattern(pattern).names if pattern else ())
