"""One ``[[data]]`` of a first study file: what is read, what is guessed with the reason, what stays open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from glob import escape
from pathlib import Path

from mtjfit.data.units import find_unit
from mtjfit.study.families import WRITTEN, Family, device_of
from mtjfit.study.inspection import FileInspection, period_of
from mtjfit.study.roles import NAMES, errors_left_out, only_component
from mtjfit.text import counted, some
from mtjfit.toml import toml_string

_MEANING = """quantity = "<torque or torkance?>"          # T or dT/dV{quantity}
per = "<device, area or volume?>"           # volume: effective fields in mT, which are divided by M_s d{per}"""
_AXIS = """perp_axis = "<MxP or PxM?>"                 # direction that counts as positive out of plane"""
_NO_AXIS = """perp_axis = "MxP"                           # of no consequence: no out-of-plane component here"""
_OPTIONS = """\
# angle = 72.0                              # degrees between the moments, where devices differ in it; or a column
# sin_theta = "included"                    # then also: torques at that angle, or "divided": already per sin(angle)
# bias_window = [-0.3, 0.3]                 # in V; points outside are masked and drawn hollow"""


def data_table(family: Family, folder: str | Path | None) -> Iterator[str]:
    """Lines of the table."""
    columns, inspection = family.columns, family.first
    yield "[[data]]"
    yield from _files(family, folder)
    yield from _meaning(family)
    if "device" not in columns:
        yield f"device = {toml_string(_device(family))}  # GUESS: one device"
    if "thickness" not in columns:
        several = len(family.members) > 1 or family.first.is_of_parts
        every = "  # of all devices; where they differ, put it into a column or the names" if several else ""
        yield f'thickness = "<nominal thickness of the free layer, a number?>"{every}'
    if not family.has_errors:
        why = errors_left_out(inspection.sheet) or "no column of errors"
        yield f'sigma = "fit"  # GUESS: {printable(why)}; or {{ par = 0.1, perp = 0.1 }}, one for all points'
    yield '# covariance = "{device}_cov.csv"           # 2n x 2n, in-plane then out-of-plane values; needs no sigma'
    if "sigma_bias" not in columns:
        yield "# sigma_bias = 0.001                        # standard error of every bias in V; or a column"
    if "rho" not in columns:
        yield "# rho, below: a column with the correlation between the errors of the two components of each point"
    yield f"# columns of the file: {printable(', '.join(dict.fromkeys(inspection.names)))}\n[data.columns]"
    yield from _columns(family)
    yield "[data.units]"
    yield from _units(family)
    yield from _format(family)
    yield from _wide(inspection)


def _files(family: Family, folder: str | Path | None) -> Iterator[str]:
    first, n = family.first, len(family.members)
    shown = _shown(first.path, folder)
    if n == 1:
        yield f"file = {toml_string(shown)}"
    else:
        place = Path(shown).parent.as_posix()
        pattern = family.files if place == "." else f"{escape(place)}/{family.files}"
        yield f"files = {toml_string(pattern)}  # {n} files with the same columns"
        if family.others:
            more = printable(some(family.others, 5))
            yield f"# LOOK: this also fits {counted(len(family.others), 'other file')}: {more}"
    if family.names.pattern:
        said = ", ".join(f"{role} = {values[0]}" for role, values in family.names.fields.items())
        part = ", of the file with the part in brackets" if first.is_of_parts else ""
        yield f"name = {toml_string(family.names.pattern)}  # GUESS: {printable(said)} in the first{part}"
    elif "device" not in family.columns:
        yield '# name = "{device}_T{thickness:nm}.txt"    # what the file name says; its fields count as columns below'


def _device(family: Family) -> str:
    if len(family.members) > 1 or family.first.is_of_parts:
        return "device 1"
    stem = family.first.path.stem.strip()
    return device_of(family.first.path) if len(family.measured) == 1 else stem


def _meaning(family: Family) -> Iterator[str]:
    name = family.unit("torque")[0]
    unit = find_unit(name) if name else None
    quantity = f"; {unit.name} is a unit of the {unit.quantity}" if unit is not None and unit.quantity else ""
    if family.quantity_named and not (unit is not None and unit.quantity == family.quantity_named):
        quantity += f"; the name of a column says {family.quantity_named}"
    per = f"; {unit.name} is per {unit.per[0]}" if unit is not None and len(unit.per) == 1 else ""
    yield _MEANING.format(quantity=quantity, per=per)
    yield _NO_AXIS if family.measured == ("par",) and not family.is_open else _AXIS
    yield _OPTIONS


def _columns(family: Family) -> Iterator[str]:
    columns = family.columns
    is_long, is_open = "component" in columns, family.is_open
    alone = only_component(family.first.sheet, columns)
    if is_open:
        yield f"# {printable(columns['torque'])}: in-plane, par and sigma_par, or out-of-plane, perp and sigma_perp?"
        yield 'par = "<the column, if that is the component; else call the key perp?>"'
        if "sigma_torque" in columns:
            yield f"sigma_par = {toml_string(columns['sigma_torque'])}  # GUESS"
    elif not is_long and not {"par", "perp"} & set(columns):
        yield "# one component in each row? then component, torque and sigma_torque in place of the columns below"
    for role in NAMES:
        if is_open and role in ("torque", "sigma_torque"):
            continue
        if role in columns:
            yield f"{role} = {toml_string(columns[role])}  # {_why(columns[role], family)}"
        elif role == "bias" or (role in ("par", "perp") and not is_long and not is_open):
            if role != "bias" and len(family.measured) == 1 and alone:
                yield f"# {role}: was not measured, as it seems; else name its column, in this file or another one"
                continue
            remove = "" if role == "bias" else "  # remove the line if this component was not measured"
            yield f'{role} = "<column of {role}?>"{remove}'


def _why(name: str, family: Family) -> str:
    if name in family.first.names:
        return "GUESS"
    from_name = name in family.names.fields or name.startswith("{")
    return "from name, above" if from_name else "GUESS: a header parameter"


def _units(family: Family) -> Iterator[str]:
    """Units that the file itself writes, or that its numbers can only have, else what is left open."""
    for kind, places in (
        ("bias", "V or mV"),
        ("torque", "unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary"),
        ("thickness", "nm or angstrom"),
    ):
        unit, why = family.unit(kind)
        if unit:
            mark = "" if why in WRITTEN else "GUESS: "
            yield f"{kind} = {toml_string(unit)}  # {mark}{why}"
        else:
            said = f"  # the file says {printable(why)}" if why else ""
            yield f'{kind} = "<{places}?>"{said}'


def _format(family: Family) -> Iterator[str]:
    """All that check does not infer, or infers by the same code."""
    inspection = family.first
    sheet, form = inspection.sheet, inspection.sheet.form
    yield "[data.format]"
    if inspection.reader == "tidy":
        yield f"separator = {toml_string(form.separator)}"
        yield f"decimal = {toml_string(sheet.decimal)}{'' if sheet.decimal == '.' else '  # GUESS'}"
    else:
        yield f"reader = {toml_string(inspection.reader)}  # GUESS: {inspection.says}"
        if sheet.decimal != ".":
            yield f"decimal = {toml_string(sheet.decimal)}  # GUESS"
    if form.comment not in (None, "", "#"):
        yield f"comment = {toml_string(form.comment)}  # GUESS"
    if form.encoding not in ("", "utf-8"):
        yield f"encoding = {toml_string(form.encoding)}  # GUESS: the file is not UTF-8"
    if form.header not in ((), ("name",)):
        yield f"header = [{', '.join(map(toml_string, form.header))}]  # GUESS"
    if form.names:
        names = ", ".join(map(toml_string, form.names))
        is_counted = form.names == tuple(f"column {k + 1}" for k in range(len(form.names)))
        why = "no header line; give them better names here and above, units in brackets"
        yield f"names = [{names}]  # GUESS: {why if is_counted else 'from a comment above the numbers'}"
    yield from _part(inspection)
    turns, repeats = family.is_unordered
    if turns:
        yield 'order = "any"  # GUESS: the bias turns round'
    if repeats:
        yield "repeats = true  # GUESS: a bias comes again"


def _part(inspection: FileInspection) -> Iterator[str]:
    read = [sheet.part for sheet in inspection.read]
    left = printable(", ".join(part for part in inspection.others if part not in read))
    if inspection.is_of_parts:
        beside = f"; not {left}" if left else ""
        yield f"sheet = {toml_string(inspection.part)}  # GUESS: {len(read)} parts with the same columns{beside}"
    elif inspection.part:
        yield f"sheet = {toml_string(inspection.part)}  # GUESS: the file also has {left}"


def _wide(inspection: FileInspection) -> Iterator[str]:
    names, period = inspection.names, period_of(inspection.names)
    if inspection.reader == "webplotdigitizer":
        listed = ", ".join(sheet.metadata["dataset"] for sheet in inspection.sheets)
        yield f"# data sets of the file: {printable(listed)}\n[data.wide]"
        yield 'columns = ["V", "T"]'
        yield 'name = "<pattern of the data sets, such as {device} {column}?>"  # {column}: what is par, what is perp'
        yield 'name_in = "comment"'
        yield 'within = "<largest distance in bias of two points that belong together, a number?>"'
    elif period:
        block = names[:period]
        open_ = [f"<column {k + 1} of each series?>" for k in range(period)]
        placed = ", ".join(map(toml_string, block if len(set(block)) == period else open_))
        where = "comment" if inspection.reader == "origin" else "name"
        yield f"[data.wide]\ncolumns = [{placed}]  # GUESS: {len(names) // period} series of {period} columns"
        yield 'name = "<pattern that tells the series apart, such as {device}_{frequency:GHz}?>"'
        yield f"name_in = {toml_string(where)}  # GUESS"


def _shown(path: Path, folder: str | Path | None) -> str:
    if folder is None:
        return path.as_posix()
    try:
        return Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()
    except ValueError:  # another drive on Windows
        return Path(os.path.realpath(path)).as_posix()


def printable(text: str) -> str:
    """Text that cannot end a TOML comment."""
    return "".join(c if c.isprintable() else "?" for c in text[:500])
