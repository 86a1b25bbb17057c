"""From ``study.toml`` and the data files it names to a `Study`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtjfit.data.curve import TorqueCurve
from mtjfit.data.readers import Source
from mtjfit.data.sheets import curves_from_sources
from mtjfit.data.tidy import read_bytes
from mtjfit.errors import ConfigError, DataError, Problem
from mtjfit.study.checks import curve_problems, joint_problems, parameter_problems
from mtjfit.study.entry import parameter_from
from mtjfit.study.files import data_sources, opener
from mtjfit.study.parameter import DOF, Parameter
from mtjfit.study.plan_request import plan_request_from
from mtjfit.study.schema import DataTable, Document, NoiseTable, SamplingTable, StudyTable, validated
from mtjfit.study.study import Sampling, Study

__all__ = ["PLACEHOLDER", "load_study"]

PLACEHOLDER = re.compile(r"<[^<>]*\?>")
"""What a template leaves for a person to fill in; no study with such a value loads."""
_MAX_BYTES = 1_000_000


@dataclass
class _Findings:
    """Problems by kind: those of the study file (key paths, without its name) and those of data files."""

    config: list[Problem] = field(default_factory=list)
    data: list[Problem] = field(default_factory=list)


def load_study(path: str | Path) -> Study:
    """Read a study file and all data files it names.

    Parameters
    ----------
    path : str or Path
        The TOML file; data files are relative to it.

    Returns
    -------
    Study
        With the text of the study file and the sha256 of each data file.

    Raises
    ------
    ConfigError
        The study file cannot be understood or contradicts itself or the data. Problems of data files are listed in the
        same exception.
    DataError
        Only data files have problems.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "study.toml"
    ...     _ = file.write_text("[study]\\nname = 'empty'\\n[parameters]\\n[smapling]\\nseed = 2\\n")
    ...     try:
    ...         load_study(file)
    ...     except ConfigError as error:
    ...         print(*error.problems[:2], sep="\\n")
    study.toml: data: is missing; add a [[data]] table for each file
    study.toml: smapling: is no key; did you mean 'sampling'?
    """
    path = Path(path)
    text, raw = _parse(path)
    found = _Findings()
    found.config += _placeholders(raw)
    outline = validated(Document, raw, "")
    found.config += outline if isinstance(outline, list) else []
    name = _name(raw.get("study"), found)
    sampling = _sampling(raw.get("sampling", {}), found)
    wishes = plan_request_from(raw.get("plan", {}))
    found.config += wishes if isinstance(wishes, list) else []
    curves, files = _curves(raw.get("data"), path.parent, found)
    parameters, broken = _parameters(raw.get("parameters"), found)
    _add_noise(raw.get("noise"), parameters, found)
    # Each check runs on whatever could be read, so that no mistake hides another.
    if curves is not None:
        found.config += curve_problems(curves)
    if parameters is not None:
        found.config += parameter_problems(parameters, broken)
    if curves is not None and parameters is not None:
        found.config += [each for each in joint_problems(curves, parameters) if _key(each) not in broken]
    _raise(found, path.name)
    return Study(name, tuple(curves or ()), parameters or {}, sampling, text, files)


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    where = path.name
    try:
        text = read_bytes(path, str(path), _MAX_BYTES).decode("utf-8-sig")
        return text, tomllib.loads(text)
    except DataError as error:
        raise ConfigError(error.problems) from None
    except UnicodeDecodeError:
        problem = Problem(where, "is not UTF-8", "save it as UTF-8")
    except RecursionError:
        problem = Problem(where, "is nested too deeply", "a study file has at most four levels")
    except ValueError as error:
        message = str(error)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
        if place is not None:
            message = message[: place.start()]
            where += f":{place[1]}:{place[2]}" if place[1] else ": at the end"
        todo = "strings need quotes, and tables a header such as [data.units]"
        problem = Problem(where, f"is not TOML: {message}", todo)
    raise ConfigError([problem])


def _placeholders(raw: object, where: str = "") -> Iterator[Problem]:
    if isinstance(raw, str) and PLACEHOLDER.fullmatch(raw):
        yield Problem(where, f"still holds the placeholder {raw!r}", "replace it; only you can know")
    elif isinstance(raw, Mapping):
        for key, each in raw.items():
            yield from _placeholders(each, f"{where}.{key}".lstrip("."))
    elif isinstance(raw, list):
        for i, each in enumerate(raw):
            yield from _placeholders(each, f"{where}[{i}]")


def _name(raw: object, found: _Findings) -> str:
    if raw is None:
        return ""
    table = validated(StudyTable, raw, "study")
    if isinstance(table, list):
        found.config += table
        return ""
    if not table.name.strip() or not table.name.isprintable():
        found.config.append(Problem("study.name", f"is {table.name!r}", "give the study a printable name"))
    return table.name


def _sampling(raw: object, found: _Findings) -> Sampling:
    table = validated(SamplingTable, raw, "sampling")
    if isinstance(table, list):
        found.config += table
        return Sampling()
    try:
        return Sampling(**table.model_dump(exclude_none=True))
    except ConfigError as error:
        found.config += error.problems
        return Sampling()


def _curves(raw: object, folder: Path, found: _Findings) -> tuple[list[TorqueCurve] | None, dict[str, str]]:
    """All curves and the hash of each file; None in place of the curves where a file could not be read."""
    files: dict[str, str] = {}
    if raw is None:
        return None, files
    if not isinstance(raw, list) or not raw:
        found.config.append(Problem("data", "is not a list of tables", "add a [[data]] table for each file"))
        return None, files
    curves: list[TorqueCurve] = []
    complete = True
    for i, each in enumerate(raw):
        sources: list[Source] = []
        try:
            sources = data_sources(each, folder, files, lambda name: PLACEHOLDER.fullmatch(name) is not None)
        except DataError as error:
            found.data += error.problems
        table = validated(DataTable, each, f"data[{i}]")
        if isinstance(table, list):
            found.config += table
            complete = False
            continue
        try:
            declaration = table.declaration()
            if sources:
                opened = opener(folder, files, declaration.format.max_bytes)
                curves += curves_from_sources(sources, declaration, table.file or table.files or "", opened)
        except ConfigError as error:
            found.config += _prefixed(error.problems, f"data[{i}].")
            complete = False
        except DataError as error:
            found.data += error.problems
            complete = False
        complete &= bool(sources)
    return (curves if complete else None), files


def _parameters(raw: object, found: _Findings) -> tuple[dict[str, Parameter] | None, set[str]]:
    """All parameters that could be understood, and the names of the others."""
    if raw is None:
        return None, set()
    if not isinstance(raw, dict):
        found.config.append(Problem("parameters", "is not a table", "add a [parameters] table"))
        return None, set()
    parameters, broken = {}, set()
    for name, each in raw.items():
        parameter = parameter_from(name, each, f"parameters.{name}")
        if isinstance(parameter, Parameter):
            parameters[name] = parameter
        else:
            broken.add(name)
            found.config += parameter
    return parameters, broken


def _add_noise(raw: object, parameters: dict[str, Parameter] | None, found: _Findings) -> None:
    """Degrees of freedom of Student-t errors from ``[noise]`` to the other parameters."""
    table = [] if raw is None else validated(NoiseTable, raw, "noise")
    if isinstance(table, list):
        found.config += table
    elif table.model == "normal" and table.dof is not None:
        found.config.append(Problem("noise.dof", "normal errors have none", 'remove it, or set model = "student"'))
    elif table.model == "student" and table.dof is None:
        found.config.append(Problem("noise.dof", "is missing", "give the degrees of freedom, such as 4, or a prior"))
    elif table.model == "student" and parameters is not None:
        dof = table.dof if isinstance(table.dof, dict) else {"fixed": table.dof}
        parameter = parameter_from(DOF, dof, "noise.dof")
        if DOF in parameters:
            found.config.append(Problem("noise.dof", f"is declared, and so is parameters.{DOF}", "keep one of the two"))
        elif isinstance(parameter, Parameter):
            parameters[DOF] = parameter
        else:
            found.config += parameter


def _key(problem: Problem) -> str:
    return problem.where.removeprefix("parameters.")


def _prefixed(problems: Iterable[Problem], prefix: str) -> list[Problem]:
    return [replace(problem, where=prefix + problem.where) for problem in problems]


def _raise(found: _Findings, name: str) -> None:
    blank = {problem.where for problem in found.config if "placeholder" in problem.what}
    config = [problem for problem in found.config if problem.where not in blank or "placeholder" in problem.what]
    problems = list(dict.fromkeys([*_prefixed(config, f"{name}: "), *found.data]))
    if config:
        raise ConfigError(problems)
    if problems:
        raise DataError(problems)
