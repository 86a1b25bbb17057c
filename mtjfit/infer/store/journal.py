"""A run on disk: immutable segments, a manifest that is replaced atomically, and a lock.

A crash leaves at most one segment that the manifest does not list; the next one overwrites it. Each segment ends with
the stage of the run after it, so a resumed run continues bit for bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.infer.ensembles.ensemble import ChainBlock, History, Stage
from mtjfit.infer.store.fingerprint import description_changes, versions
from mtjfit.infer.store.segments import (
    MANIFEST,
    Holds,
    Manifest,
    Segment,
    read_manifest,
    segment_bytes,
    segment_from,
    segment_name,
    write_manifest,
)
from mtjfit.input import read_bytes
from mtjfit.output import regular_file, replace_file, sync_folder, temporary_of

_LOCK = "lock"
_OURS = re.compile(rf"{_LOCK}|{re.escape(MANIFEST)}|segment-\d{{6}}\.npz")
_NOTE = b"process "  # the beginning of what a lock says
_OLD_NOTE = b'{"pid"'  # the same in earlier versions
_LISTED = 12
_MAX_BYTES = 2**31  # of a segment: a hundred steps have a few megabytes
_LONGEST = 200  # characters of a lock file that are shown: anybody who shares the folder may write anything


@dataclass(frozen=True)
class Lock:
    """A lock held by this process."""

    path: Path
    identity: tuple[int, int] | None  # device and inode of the file, by which a replaced one is noticed

    def check(self) -> None:
        """Raise MtjfitError if the file was deleted or replaced: another process may then hold a lock, too."""
        if _identity(self.path) != self.identity:
            raise MtjfitError(
                f"{self.path}: was taken away while this process was working on the run; it stops here and leaves the "
                "run as it was last saved. See that no other process works on it, then resume"
            )


@contextmanager
def locked(path: Path) -> Iterator[Lock]:
    """Hold a lock, which the operating system releases when its process ends, however it ends.

    MtjfitError if another process holds it, here or on a computer that shares the folder; OSError if it cannot be made.
    """
    from filelock import FileLock, Timeout

    try:
        held = FileLock(path).acquire(blocking=False)
    except Timeout:
        raise MtjfitError(
            f"{path}: {_holder(path)} is working on this run; wait for it, or stop it and resume"
        ) from None
    with held:
        with contextlib.suppress(OSError), regular_file(path, "r+b") as note:
            # for people only; Windows lets nobody write while it is locked
            if note.read(len(_NOTE)) in (b"", _NOTE):
                note.seek(note.truncate(0))
                note.write(_NOTE + f"{os.getpid()} on the computer {platform.node()}".encode())
        lock = Lock(path, _identity(path))
        try:
            yield lock
        finally:
            with contextlib.suppress(OSError):  # Windows deletes it on release
                if _identity(path) == lock.identity and _is_ours(path):
                    path.unlink()


def _holder(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST)
    except OSError:
        text = ""
    return text if text.startswith(_NOTE.decode()) else "another process, here or on a computer that shares the folder,"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_ours(lock: Path) -> bool:
    """False for a file of somebody who calls it a lock, too."""
    try:
        with regular_file(lock) as stream:
            begins = stream.read(len(_NOTE)).strip(b"\0")  # a crash may leave zeros
    except OSError:
        return False
    return begins in (b"", _NOTE) or begins.startswith(_OLD_NOTE)


@dataclass(frozen=True)
class Journal(ShownAsCard):
    """A saved run that this process alone may extend."""

    folder: Path
    lock: Lock
    description: Mapping[str, str]  # of the study, by `describe`
    notes: tuple[str, ...]  # remarks for the user about the run that was found
    begun_with: Mapping[str, str]  # versions of the packages

    @property
    def is_empty(self) -> bool:
        """True if nothing is saved yet."""
        return not self._manifest().segments

    def history(self) -> History | None:
        """All that a run needs to continue, None if nothing is saved; MtjfitError if a segment of it is damaged."""
        manifest = self._manifest()
        if not manifest.segments:
            return None
        void, counted = manifest.segments[: manifest.counted_from], manifest.segments[manifest.counted_from :]
        n_refits = sum(each.holds == "refitted" for each in manifest.segments)
        (first, stage), *steps = map(self._read, counted)
        for (block, _), segment in zip(steps, counted[1:], strict=True):
            if (block.theta.shape[0], *block.theta.shape[2:]) != (first.theta.shape[0], *first.theta.shape[2:]):
                raise _damaged(self.folder / segment.file, ValueError("its walkers are not those of the run"))
        history = History(stage, (), sum(each.steps for each in void), n_refits)
        for block, stage in steps:
            history = history.advanced(block, stage)
        return history

    def begin(self, stage: Stage) -> None:
        """Save a stage from which steps count; those before it no longer do.

        MtjfitError if it cannot be written; what was saved before is whole.
        """
        self._save("prepared" if self.is_empty else "refitted", None, stage)

    def append(self, block: ChainBlock, stage: Stage) -> None:
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

    def _read(self, segment: Segment) -> tuple[ChainBlock, Stage]:
        path = self.folder / segment.file
        data = read_bytes(path, str(path), _MAX_BYTES)
        try:
            if hashlib.sha256(data).hexdigest() != segment.sha256:
                raise ValueError("its sha256 is another one")
            block, stage = segment_from(data)
            if block.theta.shape[1] != segment.steps:
                raise ValueError(f"it holds {block.theta.shape[1]} steps, not {segment.steps}")
            return block, stage
        except ValueError as error:
            raise _damaged(path, error) from None

    def _save(self, holds: Holds, block: ChainBlock | None, stage: Stage) -> None:
        self.lock.check()
        manifest, data = self._manifest(), segment_bytes(block, stage)
        name = segment_name(len(manifest.segments))
        steps = 0 if block is None else block.theta.shape[1]
        segment = Segment(name, hashlib.sha256(data).hexdigest(), holds, steps)
        try:
            replace_file(self.folder / name, data)
            write_manifest(self.folder, replace(manifest, segments=(*manifest.segments, segment)))
        except OSError as error:
            raise _unwritable(self.folder, error, f"the {manifest.n_steps} steps saved before are whole") from error


@contextmanager
def open_journal(folder: str | Path, description: Mapping[str, str]) -> Iterator[Journal]:
    """Begin a run of a described study in a folder, or resume the one in it; the folder is locked until the end.

    Raises
    ------
    MtjfitError
        The folder holds other files or the run of another study, another process works on it, its manifest is damaged
        or newer than this program, or it cannot be written.
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
    return folder.is_dir() and all(
        _OURS.fullmatch(temporary_of(each.name) or each.name) and each.is_file() and not each.is_symlink()
        for each in folder.iterdir()
    )


def saved_steps(folder: Path) -> int | None:
    """Steps of the run in a folder, including those that do not count; None if there is no run."""
    manifest = read_manifest(folder)
    return None if manifest is None else manifest.n_steps


def _damaged(path: Path, error: ValueError) -> MtjfitError:
    return MtjfitError(
        f"{path}: was changed or damaged since it was written ({error}). Put back an intact copy, or delete this file: "
        "the run then goes on from what was saved before it, and computes the same numbers again"
    )


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _refuse_changed(folder: Path, manifest: Manifest, description: Mapping[str, str]) -> None:
    changes = description_changes(manifest.description, description)
    if changes:
        more = [f"and {len(changes) - _LISTED} more"] if len(changes) > _LISTED else []
        raise MtjfitError(
            f"{folder}: the run in it was begun with another study:",
            *(f"  {each}" for each in (*changes[:_LISTED], *more)),
            "Change that back to go on with it, or name another folder to start anew",
        )


def _without_missing(folder: Path, manifest: Manifest) -> tuple[str, ...]:
    """Cut the run at the first counted segment whose file is missing; returns notes on the run that was found."""
    kept = manifest
    while gone := [k for k in range(kept.counted_from, len(kept.segments))
                   if not (folder / kept.segments[k].file).exists()]:  # fmt: skip
        kept = replace(kept, segments=kept.segments[: gone[0]])
    notes = [f"going on with the run in {folder}: {kept.n_steps} steps, saved {manifest.saved}"]
    if kept is not manifest:
        write_manifest(folder, kept)
        first = manifest.segments[len(kept.segments)].file
        notes.append(f"{first} is missing: {manifest.n_steps - kept.n_steps} steps are computed again")
    if changes := description_changes(manifest.versions, versions()):
        notes.append(f"begun with other versions, so as good but not equal to the last digit: {'; '.join(changes)}")
    return tuple(notes)


def _unwritable(folder: Path, error: OSError, kept: str) -> MtjfitError:
    reason = error.strerror or type(error).__name__
    return MtjfitError(f"{folder}: cannot be written: {reason}; {kept}. Free the disk or its permissions, and resume")
