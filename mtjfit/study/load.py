"""Loading of ``study.toml`` and of the data files that it names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from mtjfit.data.components import joined_components
from mtjfit.data.copies import copies, copy_notices
from mtjfit.data.curve import TorqueCurve
from mtjfit.data.curve_file import curves_from_json
from mtjfit.data.format import MAX_BYTES
from mtjfit.data.readers import SourceFile, read_source
from mtjfit.data.table import curves_from_sources
from mtjfit.errors import DataError, Problem, ProblemLog, did_you_mean
from mtjfit.input import backslash_advice, files_fitting, files_nearly_fitting
from mtjfit.other_kind import refuse_other_kind
from mtjfit.study.checks import curve_problems, joint_problems, name_problems, parameter_problems
from mtjfit.study.kappa_model import EQ12, KappaModel
from mtjfit.study.parameter import DOF, Parameter
from mtjfit.study.plan_request import plan_request_from
from mtjfit.study.sampling_settings import Sampling
from mtjfit.study.schema import (
    CurvesTable,
    DataTable,
    NoiseTable,
    StudyDocument,
    StudyTable,
    parameter_from,
    validated_table,
)
from mtjfit.study.study import Study, as_read, default_parameters
from mtjfit.text import visible
from mtjfit.toml import PLACEHOLDER, CollectedProblems, placeholders, read_toml

_MOST_FILES = 10_000
_FOR_BATCH = (
    "is for mtjfit batch, which reduces the devices of a table one by one",
    "call mtjfit batch, or remove [wafer] to fit all devices as one study",
)


def data_sources(
    table: object, folder: Path, hashes: dict[str, str], is_open: Callable[[str], bool], notices: list[str]
) -> list[SourceFile]:
    """The files that a ``[[data]]`` table names, read once so that hash and content belong together; none if it names
    none.

    The table may have any shape, since its files are read before it is validated. `hashes` takes the sha256 of each
    file; `is_open` is true for a name that a person has still to fill in; `notices` takes what ``files`` nearly names.
    DataError where a file cannot be read, or none fits ``files``.
    """
    keys = table if isinstance(table, dict) else {}
    limit = _limit(keys.get("format"))
    name, pattern = keys.get("file"), keys.get("files")
    if isinstance(name, str) and name and not is_open(name):
        return [_read(folder, name, hashes, limit)]
    if not isinstance(pattern, str) or not pattern or is_open(pattern) or name is not None:
        return []
    log, sources = ProblemLog(pattern), []
    notices += files_nearly_fitting(folder, pattern, _MOST_FILES)
    for each in _fitting(folder, pattern):
        with log.catching():
            sources.append(_read(folder, each, hashes, limit))
    log.refuse()
    return sources


def opener(folder: Path, hashes: dict[str, str], limit: int) -> Callable[[str], SourceFile]:
    """Reads further files that a declaration names, such as covariances."""
    return lambda name: _read(folder, name, hashes, limit)


def _limit(format_table: object) -> int:
    limit = format_table.get("max_bytes") if isinstance(format_table, dict) else None
    return limit if isinstance(limit, int) and limit > 0 else MAX_BYTES


def _read(folder: Path, name: str, hashes: dict[str, str], limit: int) -> SourceFile:
    source = read_source(folder / name, name, limit)
    hashes[name] = hashlib.sha256(source.data).hexdigest()
    return source


def _fitting(folder: Path, pattern: str) -> list[str]:
    """Names, relative to the folder, of the files that fit a pattern such as ``sweeps/*.txt``, sorted."""
    found = sorted(path.relative_to(folder).as_posix() for path in files_fitting(folder, pattern, _MOST_FILES))
    if not found:
        neighbours = [each.name for each in islice(folder.iterdir(), 500)] if folder.is_dir() else []
        todo = backslash_advice(pattern) or did_you_mean(pattern, neighbours)
        raise DataError([Problem(pattern, "fits no file", todo)])
    return found


def load_study(path: str | Path, *, model: KappaModel = EQ12) -> Study:
    """Read a study file and all data files it names, relative to it.

    `model` is κ in place of Eq. 12, which no file can name: files hold no code. Parameters of κ that the file does not
    declare have the priors that the model brings.

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
    >>> from mtjfit.errors import ConfigError
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "study.toml"
    ...     _ = file.write_text("[study]\\nname = 'empty'\\n[parameters]\\n[smapling]\\nseed = 2\\n")
    ...     try:
    ...         load_study(file)
    ...     except ConfigError as error:
    ...         for problem in error.problems[:2]:
    ...             print(str(problem).removeprefix(folder))
    /study.toml: data: is missing; add a [[data]] table for each file
    /study.toml:4: smapling: is no key; did you mean 'sampling'?
    """
    path = Path(path)
    text, raw = read_toml(path)
    refuse_other_kind(raw, ("study", "data"), path.name)
    found = CollectedProblems()
    found.config += placeholders(raw)
    if "wafer" in raw:
        found.config.append(Problem("wafer", *_FOR_BATCH))
    found.keep(validated_table(StudyDocument, {key: raw[key] for key in raw if key != "wafer"}, ""))
    name = declared_name(raw.get("study"), found)
    sampling = found.keep(validated_table(Sampling, raw.get("sampling", {}), "sampling")) or Sampling()
    found.keep(plan_request_from(raw.get("plan", {})))
    curves, files = _curves(raw.get("data"), path.parent, found)
    parameters, broken = declared_parameters(raw.get("parameters"), found)
    _add_noise(raw.get("noise"), parameters, found)
    mismatch = list(_model_problems(raw.get("study"), model))
    found.config += mismatch
    if mismatch:  # which parameters there are is not known
        found.refuse(path, text)
    if parameters is not None:
        brought = default_parameters(model)
        parameters = {**{name: brought[name] for name in brought if name not in broken}, **parameters}
    # Each check runs on whatever could be read, so that no mistake hides another.
    if curves is not None:
        found.config += curve_problems(curves)
    if parameters is not None:
        found.config += parameter_problems(parameters, broken, model)
    if curves is not None and parameters is not None:
        found.config += understood(joint_problems(curves, parameters), broken)
    found.refuse(path, text)
    return as_read(Study(name, tuple(curves or ()), parameters or {}, sampling, model), text, files)


def _model_problems(table: object, model: KappaModel) -> Iterator[Problem]:
    """The κ that a file needs is not the one that is given."""
    declared = table.get("model") if isinstance(table, dict) else None
    if not isinstance(declared, str):
        return
    if not model.identity:
        what = f"is {visible(declared)!r}, a model of one's own: code, which no file holds"
        yield Problem("study.model", what, "load it in Python with load_study(path, model=…)")
    elif declared != model.name:
        what = f"is {visible(declared)!r}, but the model given is {model.name!r}"
        yield Problem("study.model", what, "give the model of that name")


def declared_name(raw: object, found: CollectedProblems) -> str:
    """Name of the study in ``[study]``; empty where there is none."""
    table = None if raw is None else found.keep(validated_table(StudyTable, raw, "study"))
    if table is None:
        return ""
    found.config += name_problems(table.name)
    return table.name


def _curves(raw: object, folder: Path, found: CollectedProblems) -> tuple[list[TorqueCurve] | None, dict[str, str]]:
    """All curves and the hash of each file; None in place of the curves where a file could not be read."""
    files: dict[str, str] = {}
    if raw is None:
        return None, files
    if not isinstance(raw, list) or not raw:
        found.config.append(Problem("data", "is not a list of tables", "add a [[data]] table for each file"))
        return None, files
    if len(raw) > _MOST_FILES:
        what, todo = f"holds {len(raw)} tables, at most {_MOST_FILES} are read", "name alike files together with files"
        found.config.append(Problem("data", what, todo))
        return None, files
    curves: list[TorqueCurve] = []
    read: tuple[TorqueCurve, ...]
    notices: list[str] = []
    whole: set[str] = set()  # what there is to know of these was noted when their files were read
    complete = True
    for i, each in enumerate(raw):
        if isinstance(each, dict) and "curves" in each:
            read = _whole_curves(each, folder, files, f"data[{i}]", found)
            curves += read
            whole |= {curve.name for curve in read}
            complete &= bool(read)
            continue
        sources: list[SourceFile] = []
        with found.catching():
            sources = data_sources(each, folder, files, lambda name: PLACEHOLDER.fullmatch(name) is not None, notices)
        table = found.keep(validated_table(DataTable, each, f"data[{i}]"))
        read = ()
        if table is not None and sources:
            with found.catching(f"data[{i}]."):
                opened = opener(folder, files, table.format.max_bytes)
                read = curves_from_sources(sources, table.declaration, table.file or table.files or "", opened)
        curves += read
        complete &= bool(read)
    agree = False
    with found.catching():
        curves, agree = [*joined_components(curves)], True
    notices += copy_notices(
        (first.name, again.name)
        for first, again in copies(
            [curve for curve in curves if curve.name not in whole], lambda curve: (curve.bias, curve.par, curve.perp)
        )
    )
    if notices:
        curves = [replace(curve, notices=tuple(dict.fromkeys((*notices, *curve.notices)))) for curve in curves]
    return (curves if complete and agree else None), files


def _whole_curves(
    raw: object, folder: Path, files: dict[str, str], where: str, found: CollectedProblems
) -> tuple[TorqueCurve, ...]:
    """Curves of a table ``curves = "study-data.json"``, whose file says all that other tables declare."""
    table = found.keep(validated_table(CurvesTable, raw, where))
    if table is not None and not PLACEHOLDER.fullmatch(table.curves):
        with found.catching(f"{where}."):
            return curves_from_json(_read(folder, table.curves, files, MAX_BYTES))
    return ()


def declared_parameters(raw: object, found: CollectedProblems) -> tuple[dict[str, Parameter] | None, set[str]]:
    """All parameters that could be understood, and the names of the others."""
    if raw is None:
        return None, set()
    if not isinstance(raw, dict):
        found.config.append(Problem("parameters", "is not a table", "add a [parameters] table"))
        return None, set()
    parameters, broken = {}, set()
    for name, each in raw.items():
        parameter = found.keep(parameter_from(name, each, f"parameters.{name}"))
        if parameter is None:
            broken.add(name)
        else:
            parameters[name] = parameter
    return parameters, broken


def understood(problems: Iterable[Problem], broken: Collection[str]) -> list[Problem]:
    """Problems of parameters without those that follow from a declaration that could not be understood."""
    return [each for each in problems if each.where.removeprefix("parameters.") not in broken]


def _add_noise(raw: object, parameters: dict[str, Parameter] | None, found: CollectedProblems) -> None:
    """Degrees of freedom of Student-t errors from ``[noise]`` to the other parameters."""
    table = None if raw is None else found.keep(validated_table(NoiseTable, raw, "noise"))
    if table is None:
        return
    if table.model == "normal" and table.dof is not None:
        found.config.append(Problem("noise.dof", "normal errors have none", 'remove it, or set model = "student"'))
    elif table.model == "student" and table.dof is None:
        found.config.append(Problem("noise.dof", "is missing", "give the degrees of freedom, such as 4, or a prior"))
    elif table.model == "student" and parameters is not None:
        dof = table.dof if isinstance(table.dof, dict) else {"fixed": table.dof}
        parameter = found.keep(parameter_from(DOF, dof, "noise.dof"))
        if DOF in parameters:
            found.config.append(Problem("noise.dof", f"is declared, and so is parameters.{DOF}", "keep one of the two"))
        elif parameter is not None:
            parameters[DOF] = parameter
