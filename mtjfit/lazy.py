"""Public names of packages, imported on first use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module

__all__ = ["names_on_demand"]


def names_on_demand(
    package: str, homes: Mapping[str, str], moved: Mapping[str, str] | None = None
) -> Callable[[str], object]:
    """``__getattr__`` of a package: each name comes from its module, which is imported then.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    homes : mapping of str to str
        Modules by the names that they define.
    moved : mapping of str to str
        ``module:name`` by former names of the package; these warn.

    Examples
    --------
    >>> get = names_on_demand("mtjfit.somewhere", {"kappa": "mtjfit.physics"})
    >>> get("kappa").__name__
    'kappa'
    >>> get("kapa")
    Traceback (most recent call last):
    AttributeError: module 'mtjfit.somewhere' has no attribute 'kapa'
    """
    former = moved or {}

    def get(name: str) -> object:
        if name in homes:
            return getattr(import_module(homes[name]), name)
        if name in former:
            home, _, now = former[name].partition(":")
            warnings.warn(f"{package}.{name} is now {home}.{now}", DeprecationWarning, stacklevel=2)
            return getattr(import_module(home), now)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
