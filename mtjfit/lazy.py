"""Modules and names that are imported on first use, and wings that may have been deleted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec, resolve_name
from types import ModuleType


def _is_there(module: str) -> bool:
    """True unless the folder of `mtjfit` that a module lies in was deleted."""
    folder = find_spec(".".join(module.split(".")[:2]))
    return folder is not None and folder.origin is not None  # what git left of a deleted folder has no origin


def wing(name: str) -> ModuleType | None:
    """The module ``mtjfit.<name>``, or None if its folder was deleted.

    >>> wing("moonshine.section") is None
    True
    """
    return import_module(f"mtjfit.{name}") if _is_there(f"mtjfit.{name}") else None


def available(package: str, names: Iterable[str], homes: Mapping[str, Iterable[str]]) -> list[str]:
    """Names of a package in order of the alphabet, without those whose home was deleted.

    >>> available("mtjfit", ["b", "a", "c"], {".physics": ["a"], ".moonshine": ["b"]})
    ['a', 'c']
    """
    missing = {name for home, held in homes.items() if not _is_there(resolve_name(home, package)) for name in held}
    return sorted(set(names) - missing)


def names_on_demand(
    package: str, homes: Mapping[str, Iterable[str]], moved: Mapping[str, str] | None = None
) -> Callable[[str], object]:
    """``__getattr__`` of a package: each name is imported from its module on first use.

    `homes` gives names by the module that defines them, relative to the package if it begins with a dot; `moved` gives
    ``module:name`` by former names, which warn. A name whose folder was deleted is a ModuleNotFoundError.

    >>> get = names_on_demand("mtjfit", {".physics": ["kappa"], ".moonshine": ["light"]})
    >>> get("kappa").__name__
    'kappa'
    >>> get("kapa")
    Traceback (most recent call last):
    AttributeError: module 'mtjfit' has no attribute 'kapa'
    >>> get("light")
    Traceback (most recent call last):
    ModuleNotFoundError: mtjfit.light needs mtjfit.moonshine, which this installation was built without
    """
    home_of = {name: resolve_name(home, package) for home, held in homes.items() for name in held}
    former = moved or {}

    def get(name: str) -> object:
        home, _, now = former[name].partition(":") if name in former else (home_of.get(name, ""), "", name)
        if not home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if not _is_there(home):
            missing = f"{package}.{name} needs {home}, which this installation was built without"
            raise ModuleNotFoundError(missing, name=home)
        if name in former:
            warnings.warn(f"{package}.{name} is now {home}.{now}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), now)

    return get
