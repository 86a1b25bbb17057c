"""What the numbers of a run depend on, in words that can be hashed and compared."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from mtjfit.data.curve import BoolArray, TorqueCurve
from mtjfit.study import Study

__all__ = ["MODEL_VERSION", "describe", "description_changes", "fingerprint", "versions"]

MODEL_VERSION = 4
"""To be raised whenever the same study gets another log posterior at the same coordinates, or a seed other draws."""

# All but these: a field that is added later counts until somebody decides that it does not.
_SAME_CURVE = {"device", "used", "reasons", "declared_perp_axis", "origin", "source"}
_SAME_STUDY = {"name", "curves", "parameters", "sampling", "text", "files"}
_SAME_DRAWS = {"seed", "target_ess", "max_steps"}
_PACKAGES = ("mtjfit", "numpy", "scipy", "pandas", "lmfit", "emcee")
_LONGEST = 160


def versions() -> dict[str, str]:
    """Versions of the program, of Python and of the packages that compute."""
    return {"python": platform.python_version()} | {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def describe(study: Study, seed: int) -> dict[str, str]:
    """All that the chain of a study depends on: data in use, parameters and priors, settings, version of the model.

    How long to sample (``target_ess``, ``max_steps``) is not in it, nor are names and texts for people.

    Parameters
    ----------
    seed : int
        The seed that is used, whatever the study says.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> found = describe(study, seed=1)
    >>> found["sampling.seed"], found["device F2.0nm: thickness"], found["parameters.lambda_sf_F"]
    ('1', '2.0', 'Parameter(name=lambda_sf_F, prior=LogNormal(median=10.0, factor=2.0), scope=shared)')
    """
    found = {"model version": str(MODEL_VERSION), "devices": ", ".join(study.devices)}
    for curve in study.curves:
        found |= {f"device {curve.device}: {name}": words for name, words in _curve(curve).items()}
    found["amplitudes"] = ", ".join(study.amplitudes)
    found |= {f"parameters.{name}": _words(parameter) for name, parameter in study.parameters.items()}
    found["sampling.seed"] = str(int(seed))
    found |= {f"sampling.{name}": words for name, words in _fields(study.sampling, _SAME_DRAWS).items()}
    return found | _fields(study, _SAME_STUDY)


def _curve(curve: TorqueCurve) -> dict[str, str]:
    return _fields(curve, _SAME_CURVE, curve.used)


def _fields(value: object, but: set[str], used: BoolArray | None = None) -> dict[str, str]:
    assert is_dataclass(value)  # noqa: S101 - of this package, all of them
    names = [each.name for each in fields(value) if each.name not in but]
    return {name: _words(getattr(value, name), used) for name in names}


def _words(value: object, used: BoolArray | None = None) -> str:
    """A value so that equal words mean equal values; of arrays with one entry per bias, the entries in use."""
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
    # fsum: the words must not depend on the order in which a machine adds
    mean = math.fsum(numbers.ravel().tolist()) / numbers.size
    return f"{shape} values from {numbers.min():.9g} to {numbers.max():.9g}, mean {mean:.12g}, sha256 {sha256}"


def fingerprint(description: Mapping[str, str]) -> str:
    """sha256 of a description, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(dict(description), sort_keys=True).encode()).hexdigest()


def description_changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[str, ...]:
    """One line for each key that differs: from what to what.

    Examples
    --------
    >>> description_changes({"sampling.seed": "1", "b0": "2"}, {"sampling.seed": "7"})
    ('sampling.seed: was 1, is 7', 'b0: was 2, is gone')
    """
    return tuple(
        f"{key}: was {_short(old.get(key, 'not there'))}, is {_short(new.get(key, 'gone'))}"
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    )


def _short(words: str) -> str:
    words = re.sub(r"(sha256 [0-9a-f]{8})[0-9a-f]+", r"\1…", words)
    return words if len(words) <= _LONGEST else words[:_LONGEST] + "…"
