"""The data files of one ``[[data]]`` table: found, read and hashed; what they hold is read elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from mtjfit.data.format import MAX_BYTES
from mtjfit.data.readers import Source, read_source
from mtjfit.errors import DataError, Problem, did_you_mean

__all__ = ["data_sources", "opener"]

_MOST_FILES = 10_000


def data_sources(table: object, folder: Path, hashes: dict[str, str], is_open: Callable[[str], bool]) -> list[Source]:
    """The files that a table names, read once so that hash and content belong together.

    Parameters
    ----------
    table : object
        What `tomllib` made of one ``[[data]]``; of any shape, since its files are looked for before it is understood.
    folder : Path
        Of the study file.
    hashes : dict of str to str
        Takes the sha256 of each file.
    is_open : callable
        True for a name that a person has still to fill in.

    Returns
    -------
    list of Source
        Empty where no file is named.

    Raises
    ------
    DataError
        A file cannot be read, or no file fits ``files``.
    """
    keys = table if isinstance(table, dict) else {}
    limit = _limit(keys.get("format"))
    name, pattern = keys.get("file"), keys.get("files")
    if isinstance(name, str) and name and not is_open(name):
        return [_read(folder, name, hashes, limit)]
    if not isinstance(pattern, str) or not pattern or is_open(pattern) or name is not None:
        return []
    problems: list[Problem] = []
    sources = []
    for each in _fitting(folder, pattern):
        try:
            sources.append(_read(folder, each, hashes, limit))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return sources


def opener(folder: Path, hashes: dict[str, str], limit: int) -> Callable[[str], Source]:
    """Reads further files that a declaration names, such as covariances."""
    return lambda name: _read(folder, name, hashes, limit)


def _limit(format_table: object) -> int:
    limit = format_table.get("max_bytes") if isinstance(format_table, dict) else None
    return limit if isinstance(limit, int) and limit > 0 else MAX_BYTES


def _read(folder: Path, name: str, hashes: dict[str, str], limit: int) -> Source:
    source = read_source(folder / name, name, limit)
    hashes[name] = hashlib.sha256(source.data).hexdigest()
    return source


def _fitting(folder: Path, pattern: str) -> list[str]:
    """Names, relative to the folder, of the files that fit a pattern such as ``sweeps/*.txt``, sorted."""
    try:
        found = sorted(path.relative_to(folder).as_posix() for path in islice(folder.glob(pattern), _MOST_FILES + 1))
    except (ValueError, NotImplementedError, OSError) as error:
        todo = 'write it like "sweeps/*.txt", relative to the study file'
        raise DataError([Problem(pattern[:80], f"is no pattern of files ({error})", todo)]) from None
    if len(found) > _MOST_FILES:
        raise DataError([Problem(pattern, f"fits more than {_MOST_FILES} files", "make it narrower")])
    if not found:
        neighbours = [each.name for each in islice(folder.iterdir(), 500)] if folder.is_dir() else []
        raise DataError([Problem(pattern, "fits no file", did_you_mean(pattern, neighbours))])
    return found
