"""A folder of results of one kind: made, guarded against other people's files, and written so that no half is seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mtjfit.errors import MtjfitError

__all__ = ["prepare", "put", "write"]


def prepare(folder: Path, names: Collection[str], kind: str) -> None:
    """Make the folder, and see that it can be written and holds nothing but earlier results of this kind.

    Raises
    ------
    MtjfitError
        It holds other files, or cannot be written.
    """
    from mtjfit.infer.files import leftover_of, not_written

    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = (each.name for each in folder.iterdir())
        foreign = sorted(name for name in found if name not in names and leftover_of(name) not in names)
        if foreign:
            more = ", …" if len(foreign) > 3 else ""
            raise MtjfitError(f"{folder}: holds files that are no earlier {kind} of mtjfit ({', '.join(foreign[:3])}"
                              f"{more}); name a new or empty folder")  # fmt: skip
        probe = folder / ".mtjfit.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise not_written(folder, error) from error


def write(folder: Path, names: Sequence[str], files: Mapping[str, bytes]) -> None:
    """Files in the order of `names`; what an earlier run left under these names and this one has not goes away.

    Raises
    ------
    MtjfitError
        A file cannot be written.
    """
    from mtjfit.infer.files import not_written

    for name in names:
        if name in files:
            put(folder / name, files[name])
            continue
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise not_written(folder / name, error) from error


def put(target: Path, data: bytes) -> None:
    """One file: a reader sees the old one or the new one, never half of one.

    Raises
    ------
    MtjfitError
        It cannot be written.
    """
    from mtjfit.infer.files import not_written, replace_file

    try:
        replace_file(target, data)
    except OSError as error:
        raise not_written(target, error) from error
