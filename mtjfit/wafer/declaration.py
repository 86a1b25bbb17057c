"""From ``wafer.toml`` to a `WaferStudy`, which says how to read a table of devices."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Field

from mtjfit.cards import ShownAsCard
from mtjfit.data.column_names import split_unit
from mtjfit.data.curve import Origin, OriginKind, TorqueCurve
from mtjfit.data.declaration import Columns, TableDeclaration
from mtjfit.data.units import unit_meaning
from mtjfit.data.written_units import WrittenUnit, same_unit
from mtjfit.errors import Problem
from mtjfit.model.phase import Terms
from mtjfit.other_kind import refuse_other_kind
from mtjfit.study import NOISE, Parameter, Sampling, Study, amplitudes_of, parse_amplitude
from mtjfit.study.checks import KNOWN, joint_problems, parameter_problems
from mtjfit.study.load import declared_name, declared_parameters, understood
from mtjfit.study.schema import STUDY_ADVICE, DataTable, StudyTable, parameter_tables, validated_table
from mtjfit.toml import CollectedProblems, TomlTable, json_schema, placeholders, read_later, read_toml
from mtjfit.wafer.stack.hierarchy import Hierarchy, smooth_problems

REDUCTION_VERSION = 1
"""To be raised whenever the same curve is reduced to other numbers."""

WAFER_PARAMETERS = ("thickness_scatter",)
"""Parameters of a whole wafer, which no study of single devices has."""

_PLACES = ("x", "y", "wafer", "split")
_MILLIMETRE = WrittenUnit("length", 1e-3)
_LEAST = 64 * 2**20
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *(?:(?:([KMGT])(i?))?B)?")


@dataclass(frozen=True)
class WaferTable:
    """``[wafer]`` of a wafer study file: positions of the dies, and how the table is cut; every key may be left out."""

    # columns of the die's position in mm, and of names; a split is a stack whose devices share their lengths
    x: str = ""
    y: str = ""
    wafer: str = ""
    split: str = ""
    # devices in a chunk: a killed run loses one chunk at most, and a task of a cluster is one
    chunk: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    memory: str = "1 GiB"  # bound for rows while they are read and reduced; the program takes some 250 MB more
    origin: str = ""  # such as "simulated; how", for tables that do not say it; what they say is never overruled
    # of the wafer, in mm; None: that of the outermost device of a stack
    radius: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    # smooth components by parameter, relative prior standard deviations of their coefficients, and what shares them
    smooth: dict[str, tuple[str, ...]] = field(default_factory=dict)
    smooth_sd: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = field(default_factory=dict)
    smooth_each: Literal["stack", "wafer"] = "stack"

    def __post_init__(self) -> None:
        for name in ("smooth", "smooth_sd"):  # coordinates of a stack do not depend on the order in the file
            object.__setattr__(self, name, dict(sorted(getattr(self, name).items())))

    def roles(self) -> dict[str, str]:
        """Column name by role, declared roles only."""
        return {role: name for role in _PLACES if (name := getattr(self, role))}

    @property
    def memory_bytes(self) -> int:
        """`memory` as a number of bytes; 0 where it is no size.

        Examples
        --------
        >>> [WaferTable(memory=text).memory_bytes for text in ("1.5 GiB", "300 MB", "much")]
        [1610612736, 300000000, 0]
        """
        match = _SIZE.fullmatch(self.memory.strip())
        if match is None:
            return 0
        return int(float(match[1]) * (1024 if match[3] else 1000) ** " KMGT".index(match[2] or " "))

    @property
    def declared_origin(self) -> Origin | None:
        """`origin` as kind and note; None where there is no such kind."""
        kind, _, note = self.origin.partition(";")
        known = {each.casefold(): each for each in get_args(OriginKind)} | {"": "measured"}
        found = known.get(kind.strip().casefold())
        return None if found is None else Origin(found, " ".join(note.split()))


class WaferDocument(TomlTable):
    """A wafer study for mtjfit batch: one table of devices, parameters, and positions of the dies."""

    study: Annotated[Any, read_later(StudyTable)]
    data: Annotated[Any, read_later(Annotated[tuple[DataTable, ...], Field(min_length=1, max_length=1)])]
    parameters: Annotated[Any, read_later(parameter_tables((*KNOWN, *WAFER_PARAMETERS)))]
    sampling: Annotated[Any, read_later(Sampling)] = None
    wafer: Annotated[Any, read_later(WaferTable)] = None


def wafer_schema() -> dict[str, Any]:
    """JSON schema of a wafer study file."""
    return json_schema(WaferDocument, STUDY_ADVICE)


@dataclass(frozen=True)
class WaferColumns(Columns):
    """Columns of a table of devices: those of a study's data, position, wafer and split."""

    x: str = ""
    y: str = ""
    wafer: str = ""
    split: str = ""


@dataclass(frozen=True, eq=False)
class StudyTemplate:
    """A study without its curves."""

    name: str
    parameters: Mapping[str, Parameter]
    sampling: Sampling

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.name, dict(self.parameters), self.sampling)

    @property
    def amplitudes(self) -> tuple[str, ...]:
        """Declared coefficients of J0(V), such as ``("a1", "b2")``."""
        return amplitudes_of(self.parameters)

    def study(self, curves: Sequence[TorqueCurve]) -> Study:
        """The study of given curves; raises ConfigError as `Study` does."""
        return Study(self.name, tuple(curves), self.parameters, self.sampling)


@dataclass(frozen=True, eq=False)
class WaferStudy(ShownAsCard):
    """How to read a table of devices and to reduce it.

    Examples
    --------
    >>> import tempfile
    >>> from mtjfit.errors import ConfigError
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "wafer.toml"
    ...     _ = file.write_text("[study]\\nname = 'W7'\\n[wafer]\\nx = 'x'\\n[parameters]\\n")
    ...     try:
    ...         load_wafer(file)
    ...     except ConfigError as error:
    ...         for problem in error.problems[:2]:
    ...             print(str(problem).removeprefix(folder))
    /wafer.toml: data: is missing; add a [[data]] table for each file
    /wafer.toml:3: wafer.y: is missing beside x; name the columns of both, or of neither
    """

    declaration: TableDeclaration  #: columns, units and errors, as for a study
    study_template: StudyTemplate  #: parameters, priors and sampling
    wafer: WaferTable
    table: Path  #: file, folder, or pattern of files
    wafer_parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    text: str = ""  #: the wafer study file, verbatim, or empty

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (
            self.declaration, self.study_template, self.wafer, self.table, dict(self.wafer_parameters), self.text,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.study_template.name

    @cached_property
    def terms(self) -> Terms:
        """Terms of J0 that a device sees, and the powers of V of its polynomials."""
        names = self.study_template.amplitudes
        powers = np.unique([parse_amplitude(name)[1] for name in names])
        torque = self.declaration.quantity == "torque"
        there = [name for name in names if self.study_template.parameters[name].value != 0]
        seen = [name for name in there if torque or parse_amplitude(name)[1] > 0]
        parts = [parse_amplitude(name) for name in seen]
        phase = np.array([phase for phase, _ in parts], dtype=complex)
        return Terms(tuple(seen), phase, np.array([power for _, power in parts], dtype=int), powers)

    @property
    def sigma_is_fitted(self) -> bool:
        """True where standard errors are estimated from the scatter of each device."""
        return self.declaration.sigma == "fit"

    @property
    def is_correlated(self) -> bool:
        """True where the errors of the two components of a point are correlated."""
        return bool(self.declaration.columns.rho)

    @cached_property
    def reading(self) -> TableDeclaration:
        """The declaration with the columns of ``[wafer]``; the group of ``[[data]]`` is ``split`` unless declared."""
        roles = self.declaration.columns.roles()
        group = roles.pop("group", "")
        roles |= self.wafer.roles() | ({"split": group} if group else {})
        return replace(self.declaration, columns=WaferColumns(**roles))

    def fixed_noise(self) -> tuple[float | None, float | None]:
        """Standard error of each component where noise scales are declared as known, None elsewhere."""
        if not self.sigma_is_fitted:
            return None, None
        par, perp = (self.study_template.parameters[name].value for name in NOISE)
        return par, perp

    def fingerprint(self) -> str:
        """sha256, in hex, of all declarations that change the numbers of a device; priors, memory and chunks do not."""
        declared = asdict(replace(self.declaration, format=replace(self.declaration.format, max_bytes=1)))
        for role in ("component", "torque", "sigma_torque"):  # which no wafer has
            del declared["columns"][role]
        for mask in declared["mask"]:
            del mask["component"]
        everything = {
            "version": REDUCTION_VERSION,
            "declaration": declared,
            "terms": self.terms.names,
            "powers": self.terms.powers.tolist(),
            "noise": self.fixed_noise(),
            "columns": self.wafer.roles(),
        }
        if (origin := self.wafer.declared_origin) and origin.label:  # marked devices never mix with unmarked ones
            everything["origin"] = origin.label
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def load_wafer(path: str | Path, table: str | Path | None = None) -> WaferStudy:
    """Read a wafer study file; the table itself is not opened.

    Parameters
    ----------
    path : str or Path
        The TOML file: ``[study]``, one ``[[data]]``, ``[parameters]`` and ``[sampling]`` as in a study file, and
        ``[wafer]``.
    table : str or Path, optional
        File, folder, or pattern of files, in place of ``file`` or ``files`` of ``[[data]]``.

    Raises
    ------
    ConfigError
        With every problem of the file.
    """
    path = Path(path)
    text, raw = read_toml(path)
    refuse_other_kind(raw, ("study", "data"), path.name)
    found = CollectedProblems()
    found.config += placeholders(raw)
    found.keep(validated_table(WaferDocument, raw, ""))
    name = declared_name(raw.get("study"), found)
    sampling = found.keep(validated_table(Sampling, raw.get("sampling", {}), "sampling")) or Sampling()
    data = _data_table(raw.get("data"), table, found)
    declaration = None if data is None else data.declaration
    wafer = found.keep(validated_table(WaferTable, raw.get("wafer", {}), "wafer")) or WaferTable()
    problems = list(_table_problems(wafer, declaration))
    found.config += problems
    wafer = WaferTable() if problems else wafer
    parameters, own = _own_parameters(raw.get("parameters"), declaration, wafer, found)
    found.refuse(path, text)
    assert data is not None and declaration is not None  # noqa: S101, PT018 - else there is a problem
    place = _place(path.parent, data, table, raw["data"][0])
    template = StudyTemplate(name, MappingProxyType(parameters), sampling)
    return WaferStudy(declaration, template, wafer, place, MappingProxyType(own), text)


def _place(folder: Path, data: DataTable, table: str | Path | None, raw: Mapping[str, object]) -> Path:
    """Where the table is; a folder that takes the place of ``files`` keeps their pattern."""
    if table is None:
        return folder / (data.file or data.files or "")
    pattern = raw.get("files")
    return Path(table) / Path(pattern).name if Path(table).is_dir() and isinstance(pattern, str) else Path(table)


def _data_table(raw: object, table: str | Path | None, found: CollectedProblems) -> DataTable | None:
    if raw is None:
        return None
    if not isinstance(raw, list) or len(raw) != 1 or not isinstance(raw[0], dict):
        todo = "add exactly one [[data]] table; a wafer has one table of devices"
        found.config.append(Problem("data", f"has {len(raw)} tables" if isinstance(raw, list) else "is no list", todo))
        return None
    only = dict(raw[0])
    if table is not None:
        only = {key: value for key, value in only.items() if key not in ("file", "files")} | {"file": str(table)}
    data = found.keep(validated_table(DataTable, only, "data[0]"))
    found.config += [] if data is None else _unsupported(data)
    return data


def _table_problems(entry: WaferTable, declaration: TableDeclaration | None) -> Iterator[Problem]:
    """Problems of ``[wafer]`` beside ``[[data]]``."""
    columns = {} if declaration is None else declaration.columns.roles()
    group = declaration is not None and bool(declaration.group or declaration.columns.group)
    if bool(entry.x) != bool(entry.y):
        missing, there = ("y", "x") if entry.x else ("x", "y")
        yield Problem(f"wafer.{missing}", f"is missing beside {there}", "name the columns of both, or of neither")
    taken = {name: f"data[0].columns.{role}" for role, name in columns.items()}
    for role, name in entry.roles().items():
        if name != name.strip():
            yield Problem(f"wafer.{role}", f"{name!r} has spaces at its ends", "write it without")
        unit = split_unit(name)[1]
        found = unit_meaning(unit, "position") if unit and role in ("x", "y") else None
        if found is not None and not same_unit(found, _MILLIMETRE):
            yield Problem(f"wafer.{role}", f"column {name!r} is in {unit!r}", "give positions in mm")
        same_group = role == "split" and columns.get("group") == name
        if name in taken and not same_group:
            yield Problem(f"wafer.{role}", f"column {name!r} is already {taken[name]}", "give each role its own column")
        taken.setdefault(name, f"wafer.{role}")
    if entry.split and group and columns.get("group") != entry.split:
        yield Problem("wafer.split", "is declared beside the group of [[data]]", "keep one: they mean the same here")
    if entry.declared_origin is None:
        todo = 'write "measured", or such as "simulated; how it was made"'
        yield Problem("wafer.origin", f"is {entry.origin!r}", todo)
    if entry.smooth and not entry.x:
        yield Problem("wafer.smooth", "needs positions", "name the columns of x and y, or remove the smooth part")
    if not entry.memory_bytes:
        yield Problem("wafer.memory", f"is {entry.memory!r}", 'write it like "1 GiB" or "500 MB"')
    elif entry.memory_bytes < _LEAST:
        yield Problem("wafer.memory", f"is {entry.memory!r}", 'give at least "64 MiB"')


def _unsupported(declaration: TableDeclaration) -> Iterator[Problem]:
    why = "is not supported for whole wafers"
    if declaration.covariance:
        yield Problem("data[0].covariance", why, "give sigma and rho of each point, or fit these devices as a study")
    for where, given in (("", declaration.sigma_bias), ("columns.", declaration.columns.sigma_bias)):
        if given:
            yield Problem(f"data[0].{where}sigma_bias", why, "remove it, or fit these devices as a study")
    for where, given in (("", declaration.condition), ("columns.", declaration.columns.condition)):
        if given:
            yield Problem(f"data[0].{where}condition", why, "remove it, or fit these devices as a study")
    if declaration.wide is not None:
        yield Problem("data[0].wide", why, "write one row for each bias point, or fit these devices as a study")
    if len(declaration.columns.components) == 1 or declaration.columns.component:
        yield Problem(
            "data[0].columns",
            f"with one component alone, or in each row, {why}",
            "name the columns of both components, or fit these devices as a study",
        )
    for i, mask in enumerate(declaration.mask):
        if mask.component is not None:
            todo = "remove it, which masks both components, or fit these devices as a study"
            yield Problem(f"data[0].mask[{i}].component", why, todo)
        if mask.condition:
            yield Problem(f"data[0].mask[{i}].condition", why, "remove it, or fit these devices as a study")


def _own_parameters(
    raw: object, declaration: TableDeclaration | None, wafer: WaferTable, found: CollectedProblems
) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
    """Parameters of a study, and those of whole wafers, checked against the declared table."""
    parameters, broken = declared_parameters(raw, found)
    if parameters is None:
        return {}, {}
    own = {name: parameters.pop(name) for name in WAFER_PARAMETERS if name in parameters}
    found.config += parameter_problems(parameters, broken)
    if not broken:
        scatter = own["thickness_scatter"].prior if "thickness_scatter" in own else None
        hierarchy = Hierarchy(wafer.smooth, wafer.smooth_sd, wafer.smooth_each, scatter, wafer.radius)
        found.config += smooth_problems(hierarchy, parameters)
    if declaration is not None and not any(name in broken for name in parameters):
        curve = _pattern(declaration, bool(wafer.split or declaration.columns.group))
        found.config += understood(joint_problems([curve], parameters), broken)
    return parameters, own


def _pattern(declaration: TableDeclaration, has_split: bool) -> TorqueCurve:
    """A curve like those of the declared table, to check parameters before the table is read."""
    sigma = None if declaration.sigma == "fit" else np.ones(3)
    angle = 90.0 if declaration.columns.angle else declaration.angle
    bias = np.array([-0.1, 0.0, 0.1])
    return TorqueCurve(
        "any", bias, bias, bias, 1e5, declaration.quantity, declaration.per, declaration.units.torque,
        group="any" if has_split else declaration.group, angle=angle, sin_theta=declaration.sin_theta,
        rho=np.zeros(3) if declaration.columns.rho else None, sigma_par=sigma, sigma_perp=sigma,
    )  # fmt: skip
