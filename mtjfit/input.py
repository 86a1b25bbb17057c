"""Input files as bytes: regular files within a size limit."""

from __future__ import annotations

from pathlib import Path

from mtjfit.errors import DataError, Problem, did_you_mean


def read_bytes(path: Path, label: str, max_bytes: int) -> bytes:
    """The bytes of a regular file of at most `max_bytes`; DataError for anything else."""
    try:
        if path.is_dir():
            what, todo = "is a folder", "name a file in it"
        elif not path.exists():
            neighbours = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
            todo = did_you_mean(path.name, neighbours) if neighbours else f"there is no folder {str(path.parent)!r}"
            what = "no such file"
        elif not path.is_file():
            what, todo = "is not a regular file", "save the data to a file"
        elif (size := path.stat().st_size) > max_bytes:
            what, todo = f"has {size} bytes, more than the limit of {max_bytes}", "cut the file or raise max_bytes"
        else:
            return path.read_bytes()
    except (OSError, ValueError) as error:
        what, todo = f"cannot be read: {error}", "check the name and the permissions"
    raise DataError([Problem(label, what, todo)])
