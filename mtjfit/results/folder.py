"""The folder of a result: written atomically, and never over files that mtjfit did not write."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mtjfit.errors import MtjfitError
from mtjfit.infer.files import leftover_of, replace_file
from mtjfit.infer.journal import is_journal

__all__ = ["FIGURES", "FORMATS", "TABLES", "ResultFolder"]

_OF_PARAMETERS = ("parameters", "narrowing", "sensitivity", "priors", "undetermined", "directions")
_OF_DEVICES = ("combinations", "devices", "determined", "pairs", "odd", "repeats", "consequences")
_OF_MECHANISMS = ("evidence", "bayes_factors", "left_out", "criteria", "predictive_checks")
FIGURES = ("torque", "combinations", "transfer", "accumulation", "corner", "prior_posterior", "trace", "forest",
           "consequences", "mechanisms")  # fmt: skip
FORMATS: tuple[Literal["svg", "pdf", "png"], ...] = ("svg", "pdf", "png")
TABLES = (*_OF_PARAMETERS, *_OF_DEVICES, *_OF_MECHANISMS)
_RUN = "run"  # inside the folder of the result
_RESULT = "result.json"
_DRAWN = tuple(f"{figure}.{suffix}" for figure in FIGURES for suffix in FORMATS)
_TABLES = tuple(f"table_{name}.csv" for name in TABLES)
_NUMBERS = ("summary.csv", "devices.csv", "pairs.csv", "consequences.csv", "mechanisms.csv", "draws.npz")
_TEXTS = ("summary.md", "summary.tex", "methods.md")
_OURS = (*_NUMBERS, "study.toml", "report.html", *_TEXTS, *_TABLES, *_DRAWN)
_MARK = {"program": "mtjfit"}


@dataclass(frozen=True)
class ResultFolder:
    """A folder that is new, empty, or holds an earlier result of mtjfit, or a run that was interrupted.

    ``result.json`` marks it: it is written first, as incomplete, and last, with the sha256 of every other file. So a
    run that was killed can be repeated into the same folder, and a file that was changed by hand is noticed.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @property
    def run(self) -> Path:
        """Where the run is saved until it has converged."""
        return self.path / _RUN

    def prepare(self) -> None:
        """Make the folder and make sure that a result can be written, before hours are spent on computing it.

        Raises
        ------
        MtjfitError
            The folder holds other files, or files changed by hand, or cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_foreign()
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise _failure(self.path, error) from error

    def write(self, files: Mapping[str, bytes], document: Mapping[str, Any]) -> None:
        """Write all files, each one atomically, and ``result.json`` last.

        Parameters
        ----------
        files : mapping of str to bytes
            By name; only names that mtjfit writes.
        document : mapping
            Content of ``result.json``; ``program``, ``status`` and ``files`` are added.

        Raises
        ------
        MtjfitError
            The folder holds other files, or the disk is full or read-only.
        ValueError
            A name is none that mtjfit writes.
        """
        if unknown := set(files) - set(_OURS):
            raise ValueError(f"not among the files of a result: {', '.join(sorted(unknown))}")
        self.prepare()
        final = {**_MARK, **document, "status": "complete",
                 "files": {name: _sha256(data) for name, data in files.items()}}  # fmt: skip
        content = _json(final)  # before anything is touched: what cannot be written as strict JSON fails here
        self._replace(_RESULT, _json({**_MARK, "status": "incomplete"}))
        for name in _OURS:
            if name in files:
                self._replace(name, files[name])
            else:
                self._remove(name)
        self._replace(_RESULT, content)
        for each in sorted(self.path.iterdir()):
            if _is_leftover(each):
                self._remove(each.name)

    def _refuse_foreign(self) -> None:
        found = sorted(each.name for each in self.path.iterdir() if not (_is_leftover(each) or _is_run(each)))
        if not found:
            return
        earlier = self._earlier()
        if earlier is None:
            raise MtjfitError(
                f"{self.path}: holds files that are no earlier result of mtjfit ({', '.join(found[:3])}"
                f"{', …' if len(found) > 3 else ''}); name a new or empty folder"
            )
        if earlier.get("status") != "complete":
            return
        written = earlier.get("files")
        hashes = written if isinstance(written, dict) else {}
        for name in _OURS:
            file = self.path / name
            if file.exists() and hashes.get(name) != _sha256(file.read_bytes()):
                raise MtjfitError(
                    f"{file}: was changed or added since mtjfit wrote this folder; move it away, or name a new folder"
                )

    def _earlier(self) -> dict[str, Any] | None:
        """Content of an earlier ``result.json``, or None if there is none of ours."""
        try:
            document = json.loads((self.path / _RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        ours = isinstance(document, dict) and document.get("program") == _MARK["program"]
        return document if ours else None

    def _replace(self, name: str, data: bytes) -> None:
        """A reader sees the old file or the new one, never half of one."""
        try:
            replace_file(self.path / name, data)
        except OSError as error:
            raise _failure(self.path / name, error) from error

    def _remove(self, name: str) -> None:
        """Take away what an earlier, fuller result left, so that a folder never mixes two results."""
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise _failure(self.path / name, error) from error


def _is_leftover(file: Path) -> bool:
    """True for what is left of a file that was being written when the program was killed."""
    return leftover_of(file.name) in (_RESULT, *_OURS)


def _is_run(file: Path) -> bool:
    return file.name == _RUN and is_journal(file)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1) + "\n").encode()


def _failure(path: Path, error: OSError) -> MtjfitError:
    reason = error.strerror or type(error).__name__
    return MtjfitError(f"{path}: cannot be written: {reason}; free the disk, or name another folder with --output")
