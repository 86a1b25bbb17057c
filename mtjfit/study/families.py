"""Files, and parts of a file, that are alike: what one ``[[data]]`` of a first study file describes together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from mtjfit.data.column_words import name_says, unit_in_name
from mtjfit.data.components import COMPONENT_WORDS
from mtjfit.data.readers import Sheet
from mtjfit.data.units import bias_factor, canonical_unit
from mtjfit.errors import DataError
from mtjfit.input import files_fitting
from mtjfit.study.inspection import FileInspection
from mtjfit.study.names import NameFields, among, name_fields, pattern_of_names
from mtjfit.study.roles import KINDS, has_errors, numbers_among
from mtjfit.study.sizes import Series, are_unordered, series_of
from mtjfit.text import counted, some, visible

WRITTEN = ("as the file says", "as the name of the column says")
"""Reasons for a unit that somebody wrote."""
_MOST_ENTRIES = 10_000
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_LARGEST_V = 3.0
_THICKEST_NM, _THICKEST_SURELY = 6.0, 10.0


@dataclass(frozen=True)
class Family:
    """One file or several that are alike, with what their names say."""

    members: tuple[FileInspection, ...]
    files: str = ""  # pattern of their names, where there are several
    others: tuple[str, ...] = ()  # files that fit this pattern, too
    names: NameFields = field(default_factory=NameFields)

    @property
    def first(self) -> FileInspection:
        """The file that stands for all."""
        return self.members[0]

    @cached_property
    def columns(self) -> dict[str, str]:
        """Columns, header parameters and fields of names by role; a torque without more where its component is open."""
        found = dict(self.first.columns)
        fields = {role: role for role in self.names.fields if role not in found}
        if "thickness" in fields and "device" not in found | fields and len(self._labels) > 1:
            fields["device"] = "thickness"
        elif {"device", "thickness"} <= fields.keys() and self._are_named_by_both:
            fields["device"] = "{thickness} {device}"
        found |= fields
        component = _component_in(self._labels) if "torque" in found and "component" not in found else ""
        if component:
            found[component] = found.pop("torque")
            if "sigma_torque" in found:
                found[f"sigma_{component}"] = found.pop("sigma_torque")
        return found

    @property
    def _are_named_by_both(self) -> bool:
        """True where files of several thicknesses have the same device in their names."""
        devices, thicknesses = (self.names.fields[role] for role in ("device", "thickness"))
        return len(set(zip(devices, thicknesses, strict=True))) > len(set(devices))

    @property
    def has_errors(self) -> bool:
        """True where columns hold the error of every value."""
        return has_errors(self.columns)

    @property
    def measured(self) -> tuple[str, ...]:
        """Components that it holds; both where that cannot be seen, in-plane for one that may be either."""
        if self.is_open:
            return ("par",)
        return tuple(each for each in ("par", "perp") if each in self.columns) or ("par", "perp")

    @property
    def is_open(self) -> bool:
        """True for one component that nothing says which it is."""
        return "torque" in self.columns and "component" not in self.columns

    @cached_property
    def is_unordered(self) -> tuple[bool, bool]:
        """Whether the bias of any device turns round, and whether it comes again."""
        found = [are_unordered(each.bias.tolist()) for each in self.series()]
        return any(turns for turns, _ in found), any(again for _, again in found)

    @cached_property
    def _labels(self) -> list[str]:
        """Names of the files; of one file, those of its parts that are read by a pattern."""
        if len(self.members) == 1 and self.first.is_of_parts:
            return [sheet.part.strip("/") for sheet in self.first.read]
        return [each.path.name for each in self.members]

    @cached_property
    def sheets(self) -> tuple[tuple[Sheet, Mapping[str, str]], ...]:
        """What is read, each sheet with what its name says."""
        sheets = [sheet for each in self.members for sheet in each.read]
        rows = list(zip(*self.names.fields.values(), strict=True)) if self.names.fields else []
        said = [dict(zip(self.names.fields, row, strict=True)) for row in rows] if len(rows) == len(sheets) else []
        return tuple(zip(sheets, said or [{}] * len(sheets), strict=True))

    def series(self) -> Iterator[Series]:
        """One component of one device each, the bias in V."""
        volts = bias_factor(self.unit("bias")[0] or "V")
        for sheet, said in self.sheets:
            word = COMPONENT_WORDS.get(said.get("component", "").casefold(), "par")
            yield from series_of(sheet, self.first.places | self.columns, volts, word)

    def numbers(self, role: str) -> list[float]:
        """Numbers of a role, from columns, header parameters or names."""
        found: list[float] = []
        name = self.columns.get(role, "")
        for sheet, said in self.sheets:
            if name in sheet.names:
                found += numbers_among(sheet.column(name).cells, sheet)
            elif value := {**sheet.metadata, **said}.get(name, ""):
                found += numbers_among([value.partition(" ")[0]], replace(sheet, decimal="."))
        return found

    def unit(self, kind: str) -> tuple[str, str]:
        """Unit of bias, torque or thickness with the reason for it; where it is open, none and what files say."""
        written = self.written(kind)
        units = {canonical_unit(unit, kind) for unit in written}
        if len(units) == 1 and "" not in units:
            return units.pop(), WRITTEN[0]
        named = {unit_in_name(name, kind) for name in self._names(kind)} if not written else set()
        if len(named) == 1 and "" not in named:
            return canonical_unit(named.pop(), kind), WRITTEN[1]
        if written or kind == "torque":
            return "", ", ".join(written)
        return _unit_by_size(kind, self.numbers(kind))

    def written(self, kind: str) -> tuple[str, ...]:
        """Units that files themselves write, each once."""
        if kind == "thickness" and self.columns.get(kind) == kind and kind in self.names.fields:
            return (self.names.thickness_unit,) if self.names.thickness_unit else ()
        units = (_written_unit(self.first.sheet, name) for name in self._names(kind))
        return tuple(dict.fromkeys(filter(None, units)))

    def _names(self, kind: str) -> list[str]:
        """Columns of the bias, the torque or the thickness."""
        roles = ("par", "perp", "torque") if kind == "torque" else (kind,)
        return [self.columns[role] for role in roles if role in self.columns]

    @cached_property
    def quantity_named(self) -> str:
        """Torque or torkance, if the names of the columns say one of them."""
        said = {name_says(name).quantity for name in self._names("torque")} - {""}
        return said.pop() if len(said) == 1 else ""


def families_as_text(found: Sequence[Family]) -> str:
    """How files were understood, one of each family; a file that is unlike the most of them is marked ``LOOK``."""
    return "\n\n".join("\n".join([family.first.as_text(), *map(visible, _beside(family, found))]) for family in found)


def _beside(family: Family, found: Sequence[Family]) -> Iterator[str]:
    """What is said of a family below its first file."""
    n = len(family.members) - 1
    if n:
        names = some([each.path.name for each in family.members[1:]], 5)
        yield f"and {counted(n, 'more file')} with the same columns: {names}"
    if family.others:
        yield f"  LOOK: {family.files} also fits {some(family.others, 5)}"
    most = max(found, key=lambda each: len(each.members))
    apart = {*family.measured}.isdisjoint(most.measured)
    if len(most.members) > len(family.members) and not apart and family.first.path.parent == most.first.path.parent:
        why = "; ".join(_differences(family, most)) or "it is written differently"
        yield f"  LOOK: unlike {most.first.path.name} and {len(most.members) - 1} more, described on its own: {why}"


def _differences(one: Family, other: Family) -> Iterator[str]:
    mine, theirs = one.first.columns, other.first.columns
    if one.first.reader != other.first.reader:
        yield f"{one.first.says} in place of {other.first.says}"
    for role in dict.fromkeys((*theirs, *mine)):
        if role not in mine:
            yield f"no column of {role}"
        elif mine[role] != theirs.get(role):
            yield f"{role} is {mine[role]!r}" + (f" in place of {theirs[role]!r}" if role in theirs else "")
        else:
            units = [_written_unit(each.first.sheet, mine[role]) or "no unit" for each in (one, other)]
            if units[0] != units[1]:
                yield f"{role} in {units[0]} in place of {units[1]}"


def _unit_by_size(kind: str, values: Sequence[float]) -> tuple[str, str]:
    """The unit that numbers can have, where only one makes sense."""
    sizes = [abs(each) for each in values if each == each]
    if not sizes or max(sizes) == 0:
        return "", ""
    largest = max(sizes)
    if kind == "bias":
        unit, other = ("V", "mV") if largest <= _LARGEST_V else ("mV", "V")
        return unit, f"no unit is written, and up to {largest:g} {other} would be unusual"
    if largest < 1e-6:
        return "m", f"no unit is written, and {largest:g} nm would be unusual"
    if largest <= _THICKEST_NM:
        return "nm", f"no unit is written, and {largest:g} angstrom would be thin for the thickest"
    if largest > _THICKEST_SURELY:
        return "angstrom", f"no unit is written, and {largest:g} nm would be thick"
    return "", ""


def _written_unit(sheet: Sheet, name: str) -> str:
    if name in sheet.names:
        return sheet.column(name).unit or ""
    return sheet.metadata.get(name, "").partition(" ")[2].strip()


def _component_in(names: Sequence[str]) -> str:
    """The component that all names hold a word for, if it is the same."""
    found = {tuple(dict.fromkeys(COMPONENT_WORDS[word] for word in _words(name) if word in COMPONENT_WORDS))
             for name in names}  # fmt: skip
    only = found.pop() if len(found) == 1 else ()
    return only[0] if len(only) == 1 else ""


def _words(name: str) -> list[str]:
    whole = [word.casefold() for word in _WORD.findall(name.replace("_", " "))]
    return [*whole, *(piece for word in whole for piece in word.split("-") if word not in COMPONENT_WORDS)]


def device_of(path: Path) -> str:
    """Name of the device in a file of one: that of the file without words for a component.

    >>> device_of(Path("A1_ip.csv")), device_of(Path("in-plane.csv")), device_of(Path("dev 3.txt"))
    ('A1', 'device 1', 'dev 3')
    """
    stem = path.stem.strip()
    words = "|".join(sorted(map(re.escape, COMPONENT_WORDS), key=len, reverse=True))
    left = re.sub(rf"[\W_]*(?<![^\W_])(?:{words})(?![^\W_])[\W_]*", " ", stem, flags=re.IGNORECASE)
    return stem if left == stem else left.strip() or "device 1"


def families(inspections: Sequence[FileInspection]) -> tuple[Family, ...]:
    """Inspected files in families, each as large as can be, in the order of their first files."""
    alike: dict[object, list[FileInspection]] = {}
    for each in inspections:
        alike.setdefault(_kind(each), []).append(each)
    found = [_family(members, inspections) for members in alike.values()]
    return tuple(_with_common_names(found))


def _kind(inspection: FileInspection) -> object:
    """What files of one family have in common."""
    if inspection.is_wide or inspection.is_beginning or inspection.places:
        return inspection.path, id(inspection)
    sheet, form, columns = inspection.sheet, inspection.sheet.form, inspection.columns
    units = tuple((role, _written_unit(sheet, name)) for role, name in columns.items() if role in KINDS)
    return (
        inspection.path.parent,
        inspection.path.suffix,
        inspection.reader,
        tuple(columns.items()),
        units,
        sheet.decimal,
        form.separator,
        form.comment,
        form.encoding,
        form.header,
        form.names,
        inspection.part,
    )


def _family(members: Sequence[FileInspection], every: Sequence[FileInspection]) -> Family:
    first = members[0]
    if len(members) == 1:
        return Family(tuple(members), names=_names_of_one(first))
    names = [each.path.name for each in members]
    if _is_sample(members, names):
        members = [replace(each, refuted=frozenset({"device"})) for each in members]
    here = [each.path.name for each in every if each.path.parent == first.path.parent]
    with suppress(DataError):  # of a folder that is too large to be looked through
        here += [path.name for path in files_fitting(first.path.parent, "*", _MOST_ENTRIES)]
    others = sorted({*here} - {*names})
    pattern = pattern_of_names(names, others, first.path.suffix)
    said = NameFields() if first.is_of_parts else _said(names, members)
    return Family(tuple(members), pattern, tuple(among(others, pattern)), said)


def _with_common_names(found: Sequence[Family]) -> Iterator[Family]:
    """Families, those of a folder with one pattern of names, where that calls the devices of several files as before.

    A file that is alone in its family, because it has another separator say, cannot tell what all names begin with.
    """
    folders: dict[object, list[Family]] = {}
    for each in found:
        folders.setdefault((each.first.path.parent, frozenset(each.names.fields)), []).append(each)
    for each in found:
        together = folders[each.first.path.parent, frozenset(each.names.fields)]
        is_named = "device" in each.names.fields and not each.first.is_of_parts
        yield replace(each, names=_common(each, together)) if is_named else each


def _common(one: Family, together: Sequence[Family]) -> NameFields:
    """What the names of one family say by the pattern of all these; by its own where they disagree."""
    names = [member.path.name for family in together for member in family.members]
    said = name_fields(names, list(one.names.fields))
    device = dict(zip(names, said.fields.get("device", ()), strict=False))
    for family in together:
        new = tuple(device.get(member.path.name, "") for member in family.members)
        if said.fields.keys() != one.names.fields.keys() or (len(new) > 1 and new != family.names.fields["device"]):
            return one.names
    first = names.index(one.first.path.name)
    mine = slice(first, first + len(one.members))
    return NameFields(said.pattern, {role: values[mine] for role, values in said.fields.items()})


def _said(names: Sequence[str], members: Sequence[FileInspection]) -> NameFields:
    """What names of files say; where their device is in them, and comes again, what differs is the condition."""
    wanted, columns = _wanted(members), members[0].columns
    if "device" not in columns:
        return name_fields(names, wanted)
    device = [frozenset(_values(each.sheet, columns["device"])) for each in members]
    if "condition" in columns or len(set().union(*device)) == sum(map(len, device)):
        return name_fields(names, wanted) if wanted else NameFields()
    found = name_fields(names, [*wanted, "condition"])
    if {"component", "condition"} & set(found.fields):
        return found
    found = name_fields(names, [*wanted, "device"])
    fields = {("condition" if role == "device" else role): values for role, values in found.fields.items()}
    return NameFields(found.pattern.replace("{device}", "{condition}"), fields)


def _is_sample(members: Sequence[FileInspection], names: Sequence[str]) -> bool:
    """True where files of several thicknesses have the same "device" above their tables: the sample, then."""
    first, columns = members[0].sheet, members[0].columns
    device, thickness = columns.get("device", ""), columns.get("thickness", "")
    if not device or any(device in each.sheet.names or thickness in each.sheet.names for each in members):
        return False
    said = [each.sheet.metadata.get(device) for each in members]
    thick = ([each.sheet.metadata.get(thickness) for each in members] if thickness in first.metadata
             else name_fields(names, ["thickness"]).fields.get("thickness", ()))  # fmt: skip
    return len(set(said)) == 1 and len(set(thick)) > 1


def _values(sheet: Sheet, name: str) -> set[str]:
    return set(sheet.column(name).cells) if name in sheet.names else {sheet.metadata.get(name, "")}


def _names_of_one(only: FileInspection) -> NameFields:
    """What the names of the parts of a file say, or its own, of a thickness."""
    if only.is_wide:
        return NameFields()
    if only.is_of_parts:
        found = name_fields([sheet.part.strip("/") for sheet in only.read], _wanted([only]))
        return replace(found, pattern=f"{{*}}[{found.pattern}]") if found.pattern else found
    if "thickness" in only.columns:
        return NameFields()
    wanted = [role for role in ("device", "thickness") if role not in only.columns]
    found = name_fields([only.path.name], wanted)
    return found if "thickness" in found.fields else NameFields()


def _wanted(members: Sequence[FileInspection]) -> list[str]:
    """Roles that are looked for in names."""
    columns = members[0].columns
    wanted = [role for role in ("device", "thickness") if role not in columns]
    if "device" not in columns and "condition" not in columns:
        wanted.append("condition")
    if "torque" in columns and "component" not in columns:
        wanted.append("component")
    return wanted
