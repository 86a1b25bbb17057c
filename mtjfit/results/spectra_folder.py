"""The folder of fitted spectra: written atomically, and never over files that mtjfit did not write."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtjfit.errors import MtjfitError
from mtjfit.infer.files import leftover_of, replace_file

__all__ = ["SpectraFolder"]

_RESULT = "spectra.json"
_MARK = {"program": "mtjfit", "kind": "spectra"}


@dataclass(frozen=True)
class SpectraFolder:
    """A folder that is new, empty, or holds earlier spectra of mtjfit.

    ``spectra.json`` marks it: it is written first, as incomplete, with the names of all files to come, and last, with
    the sha256 of each. So a folder whose writing was interrupted can be written again, and a file that was changed by
    hand, such as an edited ``study.toml``, is not lost.

    Attributes
    ----------
    path : Path
    """

    path: Path

    def prepare(self) -> None:
        """Make the folder and make sure that it can be written, before anything is computed.

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
        """Write all files, each one atomically, and ``spectra.json`` last.

        Parameters
        ----------
        files : mapping of str to bytes
        document : mapping
            Content of ``spectra.json``; ``program``, ``kind``, ``status`` and ``files`` are added.

        Raises
        ------
        MtjfitError
            The folder holds other files, or the disk is full or read-only.
        """
        self.prepare()
        earlier = set(_files(self._earlier()))
        hashes = {name: _sha256(data) for name, data in files.items()}
        final = _json({**_MARK, **document, "status": "complete", "files": hashes})
        # Names of both: whichever of them a crash leaves behind are ours.
        names = dict.fromkeys(sorted(earlier | set(files)))
        self._replace(_RESULT, _json({**_MARK, "status": "incomplete", "files": names}))
        for name, data in files.items():
            self._replace(name, data)
        for name in earlier - set(files):
            self._remove(name)
        self._replace(_RESULT, final)
        for each in sorted(self.path.iterdir()):
            if leftover_of(each.name) in (_RESULT, *names):
                self._remove(each.name)

    def _refuse_foreign(self) -> None:
        earlier = self._earlier()
        ours = _files(earlier)
        known = {_RESULT, *ours} if earlier is not None else set()
        foreign = sorted(
            each.name
            for each in self.path.iterdir()
            if each.name not in known and leftover_of(each.name) not in (_RESULT, *ours)
        )
        if foreign:
            raise MtjfitError(
                f"{self.path}: holds files that are no earlier spectra of mtjfit ({', '.join(foreign[:3])}"
                f"{', …' if len(foreign) > 3 else ''}); name a new or empty folder"
            )
        if earlier is None or earlier.get("status") != "complete":
            return
        for name, sha256 in ours.items():
            file = self.path / name
            if file.exists() and sha256 != _sha256(file.read_bytes()):
                raise MtjfitError(
                    f"{file}: was changed since mtjfit wrote this folder; move it away, or name a new folder"
                )

    def _earlier(self) -> dict[str, Any] | None:
        """Content of an earlier ``spectra.json``, or None if there is none of ours."""
        try:
            document = json.loads((self.path / _RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        ours = isinstance(document, dict) and all(document.get(key) == value for key, value in _MARK.items())
        return document if ours else None

    def _replace(self, name: str, data: bytes) -> None:
        try:
            replace_file(self.path / name, data)
        except OSError as error:
            raise _failure(self.path / name, error) from error

    def _remove(self, name: str) -> None:
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise _failure(self.path / name, error) from error


def _files(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Files of an earlier result; names that lead out of the folder are no files of ours."""
    found = document.get("files") if document is not None else None
    return {name: each for name, each in found.items() if Path(name).name == name} if isinstance(found, dict) else {}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1) + "\n").encode()


def _failure(path: Path, error: OSError) -> MtjfitError:
    reason = error.strerror or type(error).__name__
    return MtjfitError(f"{path}: cannot be written: {reason}; free the disk, or name another folder with --output")
