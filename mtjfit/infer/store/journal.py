"""A run on disk: immutable segments, and a manifest that is replaced in one go.

A crash leaves at most one segment that the manifest does not name; the next one is written over it. Each segment ends
with the stage of the run after it, so what comes next is always the same, to the last bit.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mtjfit.errors import MtjfitError
from mtjfit.infer.ensembles.ensemble import Block, History, Stage
from mtjfit.infer.store.fingerprint import differences, versions
from mtjfit.infer.store.lock import Lock, locked
from mtjfit.infer.store.segments import (
    MANIFEST,
    Holds,
    Manifest,
    Segment,
    no_steps,
    read_manifest,
    segment_bytes,
    segment_from,
    segment_name,
    write_manifest,
)
from mtjfit.output import replace_file, sync_folder, temporary_of

__all__ = ["Journal", "is_journal", "open_journal", "saved_steps"]

_LOCK = "lock"
_OURS = re.compile(rf"{_LOCK}|{re.escape(MANIFEST)}|segment-\d{{6}}\.npz")
_LISTED = 12


@dataclass(frozen=True)
class Journal:
    """A run on disk that this process, and no other, goes on with.

    Attributes
    ----------
    description : mapping of str to str
        Of the study, see `mtjfit.infer.store.fingerprint.describe`.
    notes : tuple of str
        What a person should know of the run that was found.
    begun_with : mapping of str to str
        Versions that the run was begun with.
    """

    folder: Path
    lock: Lock
    description: Mapping[str, str]
    notes: tuple[str, ...]
    begun_with: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        """True if nothing is saved yet."""
        return not self._manifest().segments

    def history(self) -> History | None:
        """All that is needed to go on, or None if nothing is saved.

        Raises
        ------
        MtjfitError
            A segment that counts is damaged.
        """
        manifest = self._manifest()
        if not manifest.segments:
            return None
        spent = sum(each.steps for each in manifest.segments[: manifest.counted_from])
        n_refits = sum(each.holds == "refitted" for each in manifest.segments)
        (_, stage), *steps = (self._read(each) for _, each in manifest.counted)
        history = History(stage, (), spent, n_refits)
        for block, stage in steps:
            history = history.advanced(block, stage)
        return history

    def begin(self, stage: Stage) -> None:
        """Save a stage after which steps count, and none before it.

        Raises
        ------
        MtjfitError
            It cannot be written; what was saved before is whole.
        """
        self._save("prepared" if self.is_empty else "refitted", no_steps(stage), stage)

    def append(self, block: Block, stage: Stage) -> None:
        """Save a block and the stage after it; raises as `begin` does."""
        self._save("steps", block, stage)

    def discard(self) -> None:
        """Delete the run, the manifest first: a result has taken its place."""
        self.lock.check()
        for each in sorted(self.folder.iterdir(), key=lambda each: each.name != MANIFEST):
            if _OURS.fullmatch(each.name) and each.name != _LOCK:
                each.unlink(missing_ok=True)

    def _manifest(self) -> Manifest:
        return read_manifest(self.folder) or Manifest(self.description, self.begun_with, ())

    def _read(self, segment: Segment) -> tuple[Block, Stage]:
        path = self.folder / segment.file
        try:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != segment.sha256:
                raise ValueError("its sha256 is another one")
            return segment_from(data)
        except OSError as error:
            raise MtjfitError(f"{path}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise MtjfitError(
                f"{path}: was changed or damaged since it was written ({error}). Put back an intact copy, or delete "
                "this file: the run then goes on from what was saved before it, and computes the same numbers again"
            ) from None

    def _save(self, holds: Holds, block: Block, stage: Stage) -> None:
        self.lock.check()
        manifest, data = self._manifest(), segment_bytes(block, stage)
        name = segment_name(len(manifest.segments))
        segment = Segment(name, hashlib.sha256(data).hexdigest(), holds, block.theta.shape[1])
        try:
            replace_file(self.folder / name, data)
            write_manifest(self.folder, replace(manifest, segments=(*manifest.segments, segment)))
        except OSError as error:
            raise _unwritable(self.folder, error, f"the {manifest.n_steps} steps saved before are whole") from error


@contextmanager
def open_journal(folder: str | Path, description: Mapping[str, str]) -> Iterator[Journal]:
    """Begin a run in a folder, or go on with the one in it; the folder is locked until the context ends.

    Parameters
    ----------
    folder : str or Path
        New, empty, or with an earlier run of the same study.
    description : mapping of str to str
        Of the study, see `mtjfit.infer.store.fingerprint.describe`.

    Raises
    ------
    MtjfitError
        The folder holds other files or the run of another study, another process works on it, its manifest is damaged
        or newer than this program, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent, open_journal(Path(parent) / "run", {"seed": "1"}) as journal:
    ...     journal.history() is None
    True
    """
    folder = Path(folder)
    with ExitStack() as stack:
        try:
            if folder.exists() and not is_journal(folder):
                raise MtjfitError(f"{folder}: holds files that are no run of mtjfit; move them, or name another folder")
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
            stack.callback(_remove_if_empty, folder)
            lock = stack.enter_context(locked(folder / _LOCK))
            manifest = read_manifest(folder)
            if manifest is not None:
                _refuse_changed(folder, manifest, description)
            for each in folder.iterdir():
                if temporary_of(each.name) is not None:
                    each.unlink(missing_ok=True)
            notes = () if manifest is None else _without_missing(folder, manifest)
        except OSError as error:
            raise _unwritable(folder, error, "nothing in it was changed") from error
        begun_with = versions() if manifest is None else manifest.versions
        yield Journal(folder, lock, dict(description), notes, begun_with)


def is_journal(folder: Path) -> bool:
    """True for a folder that holds nothing but files of a run, or nothing at all."""
    return folder.is_dir() and all(_is_ours(each.name) for each in folder.iterdir())


def saved_steps(folder: Path) -> int | None:
    """Steps of the run in a folder, also those that do not count; None if there is no run.

    Raises
    ------
    MtjfitError
        The manifest is damaged, or newer than this program.
    """
    manifest = read_manifest(folder)
    return None if manifest is None else manifest.n_steps


def _is_ours(name: str) -> bool:
    return bool(_OURS.fullmatch(temporary_of(name) or name))


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _refuse_changed(folder: Path, manifest: Manifest, description: Mapping[str, str]) -> None:
    changes = differences(manifest.description, description)
    if changes:
        more = [f"and {len(changes) - _LISTED} more"] if len(changes) > _LISTED else []
        listed = "\n".join(f"  {each}" for each in (*changes[:_LISTED], *more))
        raise MtjfitError(
            f"{folder}: the run in it was begun with another study:\n{listed}\n"
            "Change that back to go on with it, or name another folder to start anew"
        )


def _without_missing(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Cut the run at the first segment that counts and is missing; says what was found."""
    kept = manifest
    while kept.segments and (gone := [k for k, each in kept.counted if not (folder / each.file).exists()]):
        kept = replace(kept, segments=kept.segments[: gone[0]])
    notes = [f"going on with the run in {folder}: {kept.n_steps} steps, saved {manifest.saved}"]
    if kept is not manifest:
        write_manifest(folder, kept)
        first = manifest.segments[len(kept.segments)].file
        notes.append(f"{first} is missing: {manifest.n_steps - kept.n_steps} steps are computed again")
    if changes := differences(manifest.versions, versions()):
        notes.append(f"begun with other versions, so as good but not equal to the last digit: {'; '.join(changes)}")
    return tuple(notes)


def _unwritable(folder: Path, error: OSError, kept: str) -> MtjfitError:
    reason = error.strerror or type(error).__name__
    return MtjfitError(f"{folder}: cannot be written: {reason}; {kept}. Free the disk or its permissions, and resume")
