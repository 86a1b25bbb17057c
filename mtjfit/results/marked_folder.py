"""A folder of files that belong together: written atomically, and never over files that mtjfit did not write."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtjfit.errors import MtjfitError
from mtjfit.infer.files import leftover_of, not_written, replace_file

__all__ = ["MarkedFolder"]


@dataclass(frozen=True)
class MarkedFolder:
    """A folder that is new, empty, or holds what mtjfit wrote earlier.

    The marker, a JSON file, says so: it is written first, as incomplete, and last, with the sha256 of every other file.
    So a folder whose writing was interrupted can be written again, and a file that was changed by hand is not lost.

    Attributes
    ----------
    path : Path
    marker : str
        Name of the marker.
    mark : mapping of str to str
        What it says of itself.
    kind : str
        What the files are, for people.
    names : tuple of str or None
        All names that are ever written: files of other names are then nobody's business. None if they are not known
        beforehand: the marker tells them, and files of other names are refused.
    beside : callable
        True for what may lie beside these files.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as path:
    ...     folder = MarkedFolder(Path(path) / "new", "marks.json", {"program": "mtjfit"}, "marks")
    ...     folder.write({"a.csv": b"1"}, {"n": 1})
    ...     sorted(each.name for each in folder.path.iterdir())
    ['a.csv', 'marks.json']
    """

    path: Path
    marker: str
    mark: Mapping[str, str]
    kind: str
    names: tuple[str, ...] | None = None
    beside: Callable[[Path], bool] = lambda file: False

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
            raise not_written(self.path, error) from error

    def write(self, files: Mapping[str, bytes], document: Mapping[str, Any]) -> None:
        """Write all files, each one atomically, remove those of an earlier time, and write the marker last.

        Parameters
        ----------
        files : mapping of str to bytes
            By name.
        document : mapping
            Content of the marker; what it says of itself, ``status`` and ``files`` are added.

        Raises
        ------
        MtjfitError
            The folder holds other files, or the disk is full or read-only.
        ValueError
            The document is no strict JSON.
        """
        self.prepare()
        hashes = {name: _sha256(data) for name, data in files.items()}
        final = _json({**self.mark, **document, "status": "complete", "files": hashes})  # before anything is touched
        # names of both: whichever of them a crash leaves behind are ours
        names = sorted({*self._ours(self._earlier()), *files})
        told = {"files": dict.fromkeys(names)} if self.names is None else {}
        self._replace(self.marker, _json({**self.mark, "status": "incomplete", **told}))
        for name, data in files.items():
            self._replace(name, data)
        for name in names:
            if name not in files:
                self._remove(name)
        self._replace(self.marker, final)
        for each in sorted(self.path.iterdir()):
            if leftover_of(each.name) in (self.marker, *names):
                self._remove(each.name)

    def _refuse_foreign(self) -> None:
        earlier = self._earlier()
        ours = (self.marker, *self._ours(earlier))
        others = [each for each in self.path.iterdir() if leftover_of(each.name) not in ours and not self.beside(each)]
        if earlier is None:
            foreign = sorted(each.name for each in others)
        else:
            foreign = sorted(each.name for each in others if self.names is None and each.name not in ours)
        if foreign:
            raise MtjfitError(
                f"{self.path}: holds files that are no earlier {self.kind} of mtjfit ({', '.join(foreign[:3])}"
                f"{', …' if len(foreign) > 3 else ''}); name a new or empty folder"
            )
        if earlier is None or earlier.get("status") != "complete":
            return
        written = _files(earlier)
        for name in self._ours(earlier):
            file = self.path / name
            if file.exists() and written.get(name) != _sha256(file.read_bytes()):
                raise MtjfitError(
                    f"{file}: was changed or added since mtjfit wrote this folder; move it away, or name a new folder"
                )

    def _ours(self, earlier: Mapping[str, Any] | None) -> tuple[str, ...]:
        return tuple(_files(earlier)) if self.names is None else self.names

    def _earlier(self) -> dict[str, Any] | None:
        """Content of an earlier marker, or None if there is none of ours."""
        try:
            document = json.loads((self.path / self.marker).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        ours = isinstance(document, dict) and all(document.get(key) == value for key, value in self.mark.items())
        return document if ours else None

    def _replace(self, name: str, data: bytes) -> None:
        """A reader sees the old file or the new one, never half of one."""
        try:
            replace_file(self.path / name, data)
        except OSError as error:
            raise not_written(self.path / name, error) from error

    def _remove(self, name: str) -> None:
        """Take away what an earlier, fuller result left, so that a folder never mixes two of them."""
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise not_written(self.path / name, error) from error


def _files(document: Mapping[str, Any] | None) -> dict[str, Any]:
    """Files that a marker lists; names that lead out of the folder are no files of ours."""
    found = document.get("files") if document is not None else None
    return {name: each for name, each in found.items() if Path(name).name == name} if isinstance(found, dict) else {}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1) + "\n").encode()
