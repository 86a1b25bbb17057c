"""Description of all inputs that the numbers of a run depend on, as text that can be hashed and compared."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import numpy as np

from mtjfit.arrays import BoolArray
from mtjfit.errors import MtjfitError
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Prior, Study, Uniform
from mtjfit.study.parameter import AnyPrior
from mtjfit.toml import toml_value

MODEL_VERSION = 4
"""Raise it whenever a study gets another log posterior at the same coordinates, or a seed other draws."""

# Fields that do not matter; one that is added later counts until it is listed here.
IGNORED_OF_CURVE = {"device", "used", "reasons", "declared_perp_axis", "origin", "source", "notices",
                    "used_values", "condition"}  # fmt: skip
IGNORED_OF_STUDY = {"name", "curves", "parameters", "sampling", "text", "files", "model"}
IGNORED_OF_SAMPLING = {"seed", "target_ess", "max_steps"}
_PACKAGES = ("mtjfit", "numpy", "scipy", "pandas", "lmfit", "emcee")
_PARAMETER = re.compile(
    r"Parameter\(name=(?P<name>\w+), prior=(?P<kind>\w+)\((?P<inside>[^()]*)\), scope=(?P<scope>\w+)\)"
)
_PRIORS: Mapping[str, Callable[..., AnyPrior]] = {
    each.__name__: each for each in (Normal, LogNormal, Uniform, LogUniform, Fixed, AboutNominal)
}
_LONGEST = 160
_LEVELS = np.array([0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])


def versions() -> dict[str, str]:
    """Versions of the program, of Python and of the numerical packages."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def describe(study: Study, seed: int) -> dict[str, str]:
    """Inputs of the chain of a study: data in use, parameters and priors, settings, version of the model.

    The length of the run (``target_ess``, ``max_steps``) is not included, nor are names and texts. The seed is the one
    that is used, which may differ from that of the study.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> found = describe(study, seed=1)
    >>> found["sampling.seed"], found["device F2.0nm: thickness"], found["parameters.lambda_J"]
    ('1', '2.0', 'Parameter(name=lambda_J, prior=LogUniform(low=0.1, high=100.0), scope=shared)')
    """
    found = {"model version": str(MODEL_VERSION), "devices": ", ".join(study.devices)}
    for curve in study.curves:
        fields_of_curve = _fields(curve, IGNORED_OF_CURVE, curve.used)
        if curve.n_values != 2 * curve.n_used:
            fields_of_curve["values in use"] = _words(curve.used_values[:, curve.used])
        if curve.condition:  # which curves share a thickness
            fields_of_curve["is of"] = curve.device
        found |= {f"device {curve.name}: {name}": words for name, words in fields_of_curve.items()}
    found["amplitudes"] = ", ".join(study.amplitudes)
    found |= {f"parameters.{name}": _words(parameter) for name, parameter in study.parameters.items()}
    if study.model.identity:  # none of Eq. 12
        found["model"] = study.model.identity
    found["sampling.seed"] = str(int(seed))
    found |= {f"sampling.{name}": words for name, words in _fields(study.sampling, IGNORED_OF_SAMPLING).items()}
    return found | _fields(study, IGNORED_OF_STUDY)


def _fields(value: object, but: set[str], used: BoolArray | None = None) -> dict[str, str]:
    assert is_dataclass(value)  # noqa: S101 - of this package, all of them
    found = {each.name: getattr(value, each.name) for each in fields(value) if each.name not in but}
    if isinstance(value, Prior | Fixed | AboutNominal):  # a file has 1.0 where Python may have 1
        found = {name: float(each) if isinstance(each, int) else each for name, each in found.items()}
    return {name: _words(each, used) for name, each in found.items()}


def _words(value: object, used: BoolArray | None = None) -> str:
    """Text that is equal exactly for equal values; of arrays with one entry per bias, of the entries in use."""
    if isinstance(value, np.ndarray):
        in_use = value if used is None or value.shape[:1] != used.shape else value[used]
        return _array_words(in_use)
    if isinstance(value, np.generic):
        return _words(value.item())
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_words(each, used)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_words(each, used) for each in value) + "]"
    if isinstance(value, Prior) and not is_dataclass(value):  # of a class of its user's
        at = _words(value.quantile(_LEVELS).tolist())
        return f"{type(value).__qualname__}({value.describe()}, quantiles={at})"
    if is_dataclass(value):
        inside = ", ".join(f"{name}={words}" for name, words in _fields(value, set(), used).items())
        return f"{type(value).__name__}({inside})"
    return str(value)


def _array_words(array: np.ndarray) -> str:
    plain = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
    sha256 = hashlib.sha256(plain.tobytes()).hexdigest()
    shape = "×".join(str(n) for n in array.shape)
    if not array.size:
        return f"{shape} values"
    numbers = array.astype(float)
    # fsum, because the text must not depend on the order of a sum
    mean = math.fsum(numbers.ravel().tolist()) / numbers.size
    return f"{shape} values from {numbers.min():.9g} to {numbers.max():.9g}, mean {mean:.12g}, sha256 {sha256}"


def fingerprint(description: Mapping[str, str]) -> str:
    """sha256 of a description, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(dict(description), sort_keys=True).encode()).hexdigest()


def description_changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """One line for each key that differs, with old and new value.

    >>> description_changes({"sampling.seed": "1", "b0": "2"}, {"sampling.seed": "7"})
    ('sampling.seed: was 1, is 7', 'b0: was 2, is gone')
    """
    return tuple(
        f"{key}: was {_short(_as_declared(old.get(key, 'not there')))}, is {_short(_as_declared(new.get(key, 'gone')))}"
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    )


def _as_declared(words: str) -> str:
    """The text of `describe` of a parameter as a study file writes it; any other text as it is.

    >>> _as_declared("Parameter(name=a1, prior=Normal(mean=0.0, sd=2.0, low=-inf, high=inf), scope=device)")
    '{ prior = "normal", mean = 0.0, sd = 2.0, scope = "device" }'
    """
    found = _PARAMETER.fullmatch(words)
    if found is None or found["kind"] not in _PRIORS:
        return words
    try:
        numbers = {key: float(value) for key, _, value in (each.partition("=") for each in found["inside"].split(", "))}
        prior, scope = _PRIORS[found["kind"]](**numbers), cast("Any", found["scope"])
        return toml_value(Parameter(found["name"], prior, scope).to_toml())
    except (MtjfitError, TypeError, ValueError):
        return words


def _short(words: str) -> str:
    words = re.sub(r"(sha256 [0-9a-f]{8})[0-9a-f]+", r"\1…", words)
    return words if len(words) <= _LONGEST else words[:_LONGEST] + "…"
