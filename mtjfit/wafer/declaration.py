"""From ``wafer.toml`` to a `WaferStudy`: what the columns of a table of devices mean, nothing of it read yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mtjfit.data.curve import TorqueCurve
from mtjfit.data.declaration import Columns, TableDeclaration
from mtjfit.errors import Problem
from mtjfit.model.phase import Terms
from mtjfit.study import NOISE, Parameter, Sampling, Study, amplitudes_of, parse_amplitude
from mtjfit.study.checks import joint_problems, parameter_problems
from mtjfit.study.load import declared_name, declared_parameters, understood
from mtjfit.study.schema import DataTable, validated_table
from mtjfit.toml import CollectedProblems, placeholders, read_toml
from mtjfit.wafer.schema import WaferDocument, WaferEntry, WaferTable, wafer_problems
from mtjfit.wafer.stack.hierarchy import Hierarchy, smooth_problems

__all__ = ["REDUCTION_VERSION", "WAFER_PARAMETERS", "StudyTemplate", "WaferColumns", "WaferStudy", "load_wafer"]

REDUCTION_VERSION = 1
"""To be raised whenever the same curve is reduced to other numbers."""

WAFER_PARAMETERS = ("thickness_scatter",)
"""Parameters of a whole wafer, which no study of single devices has."""


@dataclass(frozen=True)
class WaferColumns(Columns):
    """Columns of a table of devices: those of a study's data, and where each die lies and belongs."""

    x: str = ""
    y: str = ""
    wafer: str = ""
    split: str = ""


@dataclass(frozen=True, eq=False)
class StudyTemplate:
    """A study that lacks only its curves."""

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
        """The study of some curves; ConfigError as `Study` raises it."""
        return Study(self.name, tuple(curves), self.parameters, self.sampling)


@dataclass(frozen=True, eq=False)
class WaferStudy:
    """Everything that must be known to read a table of devices and to reduce it.

    Attributes
    ----------
    declaration : TableDeclaration
        Columns, units and errors, as for a study.
    study_template : StudyTemplate
        Parameters, priors and sampling.
    table : Path
        File, folder, or pattern of files.
    wafer_parameters : mapping of str to Parameter
        Those of `WAFER_PARAMETERS` that are declared.
    text : str
        The wafer study file, verbatim, or empty.

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
    ...         print(*error.problems[:2], sep="\\n")
    wafer.toml: data: is missing; add a [[data]] table for each file
    wafer.toml: wafer.y: is missing beside x; name the columns of both, or of neither
    """

    declaration: TableDeclaration
    study_template: StudyTemplate
    wafer: WaferTable
    table: Path
    wafer_parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    text: str = ""

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
        """The declaration with the columns of ``[wafer]``; ``split`` is the group of ``[[data]]`` without its own."""
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
        """sha256, in hex, of everything that a device's numbers depend on beside its rows of the table.

        Priors are not among it, because the reduction knows none, nor are memory and the size of chunks.
        """
        declared = asdict(replace(self.declaration, format=replace(self.declaration.format, max_bytes=1)))
        everything = {
            "version": REDUCTION_VERSION,
            "declaration": declared,
            "terms": self.terms.names,
            "powers": self.terms.powers.tolist(),
            "noise": self.fixed_noise(),
            "columns": self.wafer.roles(),
        }
        if self.wafer.origin.label:  # devices that are marked never stand among those that are not
            everything["origin"] = self.wafer.origin.label
        return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def load_wafer(path: str | Path, table: str | Path | None = None) -> WaferStudy:
    """Read a wafer study file; of the table only the name.

    Parameters
    ----------
    path : str or Path
        The TOML file: ``[study]``, one ``[[data]]``, ``[parameters]``, ``[sampling]`` as of a study file, and
        ``[wafer]``.
    table : str or Path, optional
        File, folder, or pattern of files, in place of ``file`` or ``files`` of ``[[data]]``, which are relative to the
        study file.

    Raises
    ------
    ConfigError
        With every problem of the file.
    """
    path = Path(path)
    text, raw = read_toml(path)
    found = CollectedProblems()
    found.config += placeholders(raw)
    found.keep(validated_table(WaferDocument, raw, ""))
    name = declared_name(raw.get("study"), found)
    sampling = found.keep(validated_table(Sampling, raw.get("sampling", {}), "sampling")) or Sampling()
    data = _data_table(raw.get("data"), table, found)
    declaration = None if data is None else data.declaration
    entry = found.keep(validated_table(WaferEntry, raw.get("wafer", {}), "wafer"))
    wafer = WaferTable()
    if entry is not None:
        roles = {} if declaration is None else declaration.columns.roles()
        has_group = declaration is not None and bool(declaration.group or declaration.columns.group)
        problems = list(wafer_problems(entry, roles, has_group))
        found.config += problems
        wafer = wafer if problems else WaferTable.of(entry)
    parameters, own = _own_parameters(raw.get("parameters"), declaration, wafer, found)
    found.refuse(path.name)
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
    """The only ``[[data]]`` table."""
    if raw is None:
        return None
    if not isinstance(raw, list) or len(raw) != 1 or not isinstance(raw[0], dict):
        todo = "add exactly one [[data]] table; a wafer has one table of devices"
        found.config.append(Problem("data", f"has {len(raw)} tables" if isinstance(raw, list) else "is no list", todo))
        return None
    only = dict(raw[0])
    if table is not None:  # it takes the place of the file, so that none need be named
        only = {key: value for key, value in only.items() if key not in ("file", "files")} | {"file": str(table)}
    data = found.keep(validated_table(DataTable, only, "data[0]"))
    found.config += [] if data is None else _unsupported(data)
    return data


def _unsupported(declaration: TableDeclaration) -> Iterator[Problem]:
    """What a study can have and the reduction of whole wafers cannot."""
    why = "is not supported for whole wafers"
    if declaration.covariance:
        yield Problem("data[0].covariance", why, "give sigma and rho of each point, or fit these devices as a study")
    for where, given in (
        ("sigma_bias", declaration.sigma_bias),
        ("columns.sigma_bias", declaration.columns.sigma_bias),
    ):
        if given:
            yield Problem(f"data[0].{where}", why, "remove it, or fit these devices as a study")
    if declaration.wide is not None:
        yield Problem("data[0].wide", why, "write one row for each bias point, or fit these devices as a study")


def _own_parameters(
    raw: object, declaration: TableDeclaration | None, wafer: WaferTable, found: CollectedProblems
) -> tuple[dict[str, Parameter], dict[str, Parameter]]:
    """Parameters of a study, and those of whole wafers, checked against what the table is declared to hold."""
    parameters, broken = declared_parameters(raw, found)
    if parameters is None:
        return {}, {}
    own = {name: parameters.pop(name) for name in WAFER_PARAMETERS if name in parameters}
    problems = list(parameter_problems(parameters, broken))
    found.config += problems
    found.config += [] if broken else _hierarchy_problems(wafer, parameters, own)
    if declaration is not None and not any(name in broken for name in parameters):
        curve = _pattern(declaration, bool(wafer.split or declaration.columns.group))
        found.config += understood(joint_problems([curve], parameters), broken)
    if not amplitudes_of(parameters):
        return {}, own
    return parameters, own


def _hierarchy_problems(
    wafer: WaferTable, parameters: Mapping[str, Parameter], own: Mapping[str, Parameter]
) -> Iterator[Problem]:
    scatter = own["thickness_scatter"].prior if "thickness_scatter" in own else None
    hierarchy = Hierarchy(dict(wafer.smooth), dict(wafer.smooth_sd), wafer.smooth_each, scatter, wafer.radius)
    return smooth_problems(hierarchy, parameters)


def _pattern(declaration: TableDeclaration, has_split: bool) -> TorqueCurve:
    """A curve as the table is declared to hold them, so that parameters can be checked before it is read."""
    sigma = None if declaration.sigma == "fit" else np.ones(3)
    angle = 90.0 if declaration.columns.angle else declaration.angle
    bias = np.array([-0.1, 0.0, 0.1])
    return TorqueCurve(
        "any", bias, bias, bias, 1e6, declaration.quantity, declaration.per, declaration.units.torque,
        group="any" if has_split else declaration.group, angle=angle, sin_theta=declaration.sin_theta,
        rho=np.zeros(3) if declaration.columns.rho else None, sigma_par=sigma, sigma_perp=sigma,
    )  # fmt: skip
