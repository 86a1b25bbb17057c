"""First ``spectra.toml`` for files of spectra: proposals marked as guesses, and placeholders for everything else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtjfit.data.column_words import stem_and_unit
from mtjfit.data.readers import Sheet
from mtjfit.data.tidy import is_missing
from mtjfit.data.unit_kinds import KINDS, name_of_size
from mtjfit.errors import DataError, MtjfitError, Problem
from mtjfit.spectra.inspect_files import SpectraFiles, inspected
from mtjfit.spectra.load import study_of
from mtjfit.spectra.recognise import name_pattern, named_roles
from mtjfit.spectra.rows import column_units, proposed_within
from mtjfit.spectra.sweeps import legs
from mtjfit.study.families import WRITTEN
from mtjfit.study.inspection import column_table, doubts, roles_by_column
from mtjfit.text import counted
from mtjfit.toml import schema_line, toml_from, toml_string

_LEFT_OPEN = {
    "against": '"field"',
    "name": '"a"',
    "device": '"a"',
    "bias": "0.0",
    "fixed": "1.0",
    "x": '"mT"',
    "voltage": '"V"',
}
_LEAST = 10  # points that one line on a sloping background needs
_HEAD = '''{schema}
# Spectra for mtjfit. Check every line marked GUESS; replace every "<...?>": only you can know those.
[spectra]
name = "<name of the study?>"'''
_TAIL = """[line]
background = 1                    # degree of the polynomial below the line
# modes = 1                       # lines in each spectrum
# range = [low, high]             # part of x to use, in its unit
# window = 5.0                    # half widths on each side of the lines to use
# width = "shared"                # one half width for all biases of a device at one field or frequency

# For torkance against bias fill in constants and devices ("From spectra" in the documentation); a constant may also
# stand under one device. Without them the lines are fitted, and nothing is calibrated.
# [constants]
# I_rf = { value = ?, relative = ?, unit = "uA" }          # peak amplitude of the current through the junction
# V_thetaI = { value = ?, relative = ?, unit = "ohm/rad" } # ∂²V/∂θ∂I, or dR/dθ of an ohmic junction
# dV_dI = { value = ?, sd = ?, unit = "ohm" }              # differential resistance
# Ms_Vol = { value = ?, relative = ?, unit = "A m2" }      # total moment of the free layer
# Meff = { value = ?, sd = ?, unit = "T" }                 # or, against frequency without a known field, Nx_Meff
# theta = { value = 90.0, sd = ?, unit = "deg" }           # angle between the moments
# [[devices]]
# name = "?"                      # as the files name it; one table for each device
# thickness = ?                   # of the free layer, in nm
"""


@dataclass(frozen=True)
class SpectraProposal:
    """A file for ``mtjfit spectra`` as text, and how the data files were understood, for people."""

    text: str
    says: str


def spectra_proposal(files: Sequence[Path], folder: Path) -> SpectraProposal | None:
    """A proposal for files of spectra, to be written in `folder`; None where none of them looks like one.

    DataError where some are spectra and others are not.
    """
    pattern = name_pattern([path.name for path in files])
    looked_at = [(path, inspected(path, pattern)) for path in files]
    others = [path for path, kind in looked_at if kind is None]
    kinds = [kind for _, kind in looked_at if kind is not None]
    if not kinds:
        return None
    if others:
        todo = "call mtjfit init for files of one kind at a time"
        raise DataError([Problem(str(path), f"is no spectrum, as {kinds[0].paths[0]} is", todo) for path in others])
    against = {kind.found.against: kind for kind in kinds}
    if {"frequency", "field"} <= set(against):
        todo = "call mtjfit init for files of one kind at a time"
        what = f"is against frequency, {against['field'].paths[0].name} against field"
        raise DataError([Problem(str(against["frequency"].paths[0]), what, todo)])
    merged: dict[object, SpectraFiles] = {}
    for kind in kinds:
        key = (kind.paths[0].parent, kind.reader, repr(kind.found), kind.read, kind.wide)
        before = merged.get(key)
        merged[key] = kind if before is None else replace(
            before, paths=before.paths + kind.paths, sheets=before.sheets + kind.sheets
        )  # fmt: skip
    text = "\n".join(_lines(tuple(merged.values()), folder))
    looks = [f"LOOK: {problem}" for problem in _trial(text, folder)]
    said = [line for kind in merged.values() for line in _said(kind)]
    return SpectraProposal(text, "\n".join([*said, *looks]))


def _lines(kinds: Sequence[SpectraFiles], folder: Path) -> Iterator[str]:
    yield _HEAD.format(schema=schema_line("spectra"))
    against = {kind.found.against for kind in kinds} - {""}
    if len(against) == 1:
        yield f"against = {toml_string(against.pop())}  # GUESS: the abscissa"
    else:
        yield 'against = "<frequency or field: the abscissa?>"'
    yield '# origin = "simulated; how"        # where the spectra were not measured'
    if any(_turns(kind) for kind in kinds):
        yield 'sweeps = "separate"               # GUESS: the abscissa turns round; or "average", their mean'
    for kind in kinds:
        yield ""
        yield from _files(kind, folder)
    yield "\n" + _TAIL


def _files(kind: SpectraFiles, folder: Path) -> Iterator[str]:
    columns, against = kind.found.columns, kind.found.against
    place = _shown(kind.paths[0].parent, folder)
    yield "[[files]]"
    if place != ".":
        yield f"folder = {toml_string(place)}"
    yield f"file = {_names(kind)}"
    roles = {*named_roles(kind.pattern), *named_roles(kind.wide.name if kind.wide else "")}
    held = "frequency" if against == "field" else "field"
    taken = {*columns, *(["frequency", "field"] if "fixed" in columns else [])}
    if kind.pattern and roles - taken:
        pattern = re.sub(r"\{(\w+)[^{}]*\}", lambda field: "{*}" if field[1] in taken else field[0], kind.pattern)
        yield f"pattern = {toml_string(pattern)}  # GUESS: what the names hold"
    else:
        roles = {*named_roles(kind.wide.name if kind.wide else "")}
    if "device" not in columns and "device" not in roles:
        name = kind.paths[0].stem if len(kind.paths) == 1 else ""
        yield (f"device = {toml_string(name)}  # GUESS: one device, named after the file" if name
               else 'device = "<name of the device?>"')  # fmt: skip
    if "bias" not in columns and "bias" not in roles:
        yield 'bias = "<bias in V, a number?>"'
    if "fixed" not in columns and held not in roles:
        what = held if against else "frequency or field"
        yield (f'fixed = "<{what} that was held, a number?>"' if against != "frequency"
               else "# fixed = 400.0                  # the field that was held, with its unit below")  # fmt: skip
    yield from _within(kind)
    yield from _masks(kind)
    yield f"[files.columns]  # in the file: {_comment(', '.join(dict.fromkeys(kind.sheets[0].names)))}"
    for role in ("x", "voltage", "bias", "fixed", "device"):
        if role in columns:
            hint = "" if columns[role] in kind.sheets[0].names else ": a header parameter"
            yield f"{role} = {toml_string(columns[role])}  # GUESS{hint}"
    yield "[files.units]"
    yield from _units(kind, held not in roles)
    yield from _read(kind)


def _units(kind: SpectraFiles, held_open: bool) -> Iterator[str]:
    columns, against = kind.found.columns, kind.found.against or "field"
    tables = column_units(against)  # type: ignore[arg-type]
    for role in ("x", "voltage", "bias", "fixed"):
        written = kind.found.units.get(role)
        known = None if written is None else name_of_size(written.si, tables[role])
        if known is not None:
            yield f"{role} = {toml_string(known)}  # {WRITTEN[0]}"
        elif role in ("x", "voltage") or role in columns:
            likely = (
                KINDS[tables[role]].examples[:3] if kind.found.against or role == "voltage" else ("GHz", "mT", "Oe")
            )
            yield f'{role} = "<unit, such as {", ".join(likely)}?>"'
        elif role == "fixed" and held_open and kind.found.against != "frequency":
            yield ('fixed = "GHz"                     # of the frequency that was held' if kind.found.against
                   else 'fixed = "<unit of what was held, such as GHz or mT?>"')  # fmt: skip
        elif role == "fixed" and held_open:
            yield '# fixed = "mT"                   # of the field that was held'


def _read(kind: SpectraFiles) -> Iterator[str]:
    lines = []
    if kind.read.comment != "#":
        lines.append(f"comment = {toml_string(kind.read.comment)}  # GUESS")
    if kind.read.decimal:
        lines.append(f"decimal = {toml_string(kind.read.decimal)}  # GUESS")
    if kind.wide is not None and kind.reader == "tidy":
        lines.append('reader = "wide"  # GUESS')
    if lines:
        yield "[files.read]"
        yield from lines
    if kind.wide is not None:
        placed = ", ".join(map(toml_string, kind.wide.columns))
        yield f"[files.wide]\ncolumns = [{placed}]  # GUESS: columns of one series"
        if kind.wide.name:
            yield f"name = {toml_string(kind.wide.name)}  # GUESS"
        yield f"name_in = {toml_string(kind.wide.name_in)}  # GUESS"


def _names(kind: SpectraFiles) -> str:
    paths = kind.paths
    suffix, folder = paths[0].suffix, paths[0].parent
    if len(paths) > 1 and suffix and {*folder.glob("*" + suffix)} == set(paths):
        return toml_string("*" + suffix)
    names = [toml_string(path.name) for path in paths]
    return names[0] if len(names) == 1 else "[" + ", ".join(names) + "]"


def _turns(kind: SpectraFiles) -> bool:
    """Whether the abscissa of a spectrum turns round; where columns tell spectra apart, of the rows of the first."""
    return any(len(legs(x, _LEAST)) > 1 for _, x in _abscissas(kind))


def _abscissas(kind: SpectraFiles) -> Iterator[tuple[Sheet, np.ndarray]]:
    columns = kind.found.columns
    keys = [columns[role] for role in ("bias", "fixed", "device") if columns.get(role) in kind.sheets[0].names]
    for sheet in kind.sheets:
        try:
            x = sheet.numbers(columns["x"])
        except DataError:
            continue
        if keys:
            cells = list(zip(*(sheet.column(name).cells for name in keys), strict=True))
            x = x[np.array([row == cells[0] for row in cells])]
        yield sheet, x


def _within(kind: SpectraFiles) -> Iterator[str]:
    found = []
    for role in ("bias", "fixed"):
        name = kind.found.columns.get(role, "")
        if name in kind.sheets[0].names:
            values = kind.sheets[0].numbers(name)
            if values.size < _LEAST * np.unique(values).size and (size := proposed_within(values, _LEAST)):
                found.append(f"{role} = {size:g}")
    if found:
        yield f"within = {{ {', '.join(found)} }}  # GUESS: values read back that differ by less are one"


def _masks(kind: SpectraFiles) -> Iterator[str]:
    """Missing numbers, and sides of a field sweep with too few points for a spectrum, in files of one spectrum."""
    needed = [kind.found.columns[role] for role in ("x", "voltage")]
    if any(map(is_missing, (cell for sheet in kind.sheets for name in needed for cell in sheet.column(name).cells))):
        yield 'mask = [{ missing = true, reason = "no numbers" }]  # GUESS: rows without x or voltage'
        return
    if kind.found.against != "field" or kind.wide is not None:
        return
    for sheet, x in _abscissas(kind):
        if x.size != len(sheet.lines):
            continue
        for word, side in (("positive", x > 0), ("negative", x < 0)):
            other = x < 0 if word == "positive" else x > 0
            if 0 < side.sum() < _LEAST <= other.sum():
                low, high = float(x[side].min()), float(x[side].max())
                name = toml_string(Path(sheet.label).name)
                yield (f"mask = [{{ x = [{low!r}, {high!r}], file = {name}, "
                       f'reason = "few points at {word} field" }}]  # GUESS')  # fmt: skip
                return


def _trial(text: str, folder: Path) -> list[str]:
    """Problems that the proposal would meet once its placeholders are filled in."""
    section, filled = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.partition("]")[0].strip("[")
        match = re.match(r'(\w+) = "<.*?\?>"', line)
        if match is not None:
            key = match[1]
            held = '"mT"' if 'against = "frequency"' in text else '"GHz"'
            value = {"bias": '"V"', "fixed": held}.get(key) if section == "files.units" else None
            value = value or _LEFT_OPEN[key]
            if key == "x" and 'against = "frequency"' in text:
                value = '"GHz"'
            line = f"{key} = {value}"
        filled.append(line)
    whole = "\n".join(filled)
    try:
        study_of(whole, toml_from(whole, "spectra.toml"), folder / "spectra.toml")
    except MtjfitError as error:
        return [str(each) for each in getattr(error, "problems", [error])][:5]
    return []


def _said(kind: SpectraFiles) -> Iterator[str]:
    first = kind.sheets[0]
    taken = roles_by_column(kind.found.columns)
    n, rows = len(kind.paths), sum(len(sheet.lines) for sheet in kind.sheets)
    yield f"{kind.paths[0].name}{f' and {n - 1} more' if n > 1 else ''}: spectra (GUESS), {counted(rows, 'row')}"
    in_names = {kind.found.columns[role] for role in kind.found.units}
    columns = (replace(c, unit=stem_and_unit(c.name)[1]) if c.name in in_names and not c.unit else c
               for c in first.columns)  # fmt: skip
    yield from ("    " + line for line in column_table(replace(first, columns=tuple(columns)), taken).splitlines())
    for key, value in list(first.metadata.items())[:20]:
        role = f"  {' and '.join(taken[key])} (GUESS)" if key in taken else ""
        yield f"    header: {_comment(key)} = {_comment(value)}{role}"
    yield from (f"  found out: {doubt}" for doubt in doubts(first, taken))
    yield from (f"  found out: {note}" for note in first.notes)


def _comment(text: str) -> str:
    """Text that can end no line."""
    return "".join(c if c.isprintable() else "?" for c in text[:300])


def _shown(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return path.resolve().as_posix()
