"""Files of another kind than a command reads, refused with the command that reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mtjfit.errors import ConfigError, Problem

_KINDS = {
    "spectra": ("a study of spectra", "mtjfit spectra"),
    "wafer": ("a study of a whole wafer", "mtjfit batch"),
    "study": ("a study of devices", "mtjfit run"),
}
"""What a file is that has such a table, and the command for it; the first table counts."""


def refuse_other_kind(raw: Mapping[str, object], own: Iterable[str], name: str) -> None:
    """ConfigError for a file with none of its `own` tables, but with that of another command.

    >>> refuse_other_kind({"spectra": {}}, ("study", "data"), "a.toml")
    Traceback (most recent call last):
    mtjfit.errors.ConfigError: a.toml: is a study of spectra, with a table [spectra]; call mtjfit spectra, or name \
another file
    """
    other = next((each for each in _KINDS if each in raw), None)
    if other is not None and not any(each in raw for each in own):
        says, command = _KINDS[other]
        todo = f"call {command}, or name another file"
        raise ConfigError([Problem(name, f"is {says}, with a table [{other}]", todo)])
