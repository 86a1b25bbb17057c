"""Terms of J0(V) of one's own, beside the powers of V."""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import FloatArray
from mtjfit.errors import ConfigError, Problem

OWN_DIGITS = range(5, 10)
"""Digits of the amplitudes of own terms, as in a5 and b5; lower ones are powers of V."""
_STEP = 1e-3  # V; of the derivatives that are not given
_PROBED = np.linspace(-0.5, 0.5, 12)  # V; not 0, where a term may have an edge


def code_identity(function: Callable[..., object], version: str) -> str:
    """Version that the user gives, or else the hash of the source; ConfigError where there is no source to read."""
    if version:
        return f"version {version}"
    if isinstance(function, np.ufunc):
        return f"numpy.{function.__name__}"
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        name = getattr(function, "__name__", repr(function))
        todo = 'give version = "1", and another one whenever you change it'
        raise ConfigError([Problem(name, "its source cannot be read", todo)]) from None
    return f"sha256 {hashlib.sha256(source.encode()).hexdigest()}"


@dataclass(frozen=True)
class CurrentTerm:
    """A function of V that J0 may hold, in-plane with the amplitude a5 (say) and out-of-plane with b5.

    Attributes
    ----------
    current : callable
        f(V) for an array of V in volts, real and of the same shape.
    derivative : callable, optional
        df/dV, which a torkance needs; without it central differences over 1 mV.
    volts : int
        The unit of f is V to this power; the unit of the amplitudes follows from it.
    version : str
        Stands in fingerprints in place of the source of `current`.

    Examples
    --------
    >>> magnons = CurrentTerm(np.abs, np.sign)
    >>> magnons.order(np.array([-0.2, 0.1]), 0), magnons.order(np.array([-0.2, 0.1]), 1)
    (array([0.2, 0.1]), array([-1.,  1.]))
    """

    current: Callable[[FloatArray], ArrayLike]
    derivative: Callable[[FloatArray], ArrayLike] | None = None
    volts: int = 1
    version: str = ""

    @property
    def identity(self) -> str:
        """What a fingerprint holds of it."""
        parts = [code_identity(self.current, self.version), f"V^{self.volts}"]
        if self.derivative is not None:
            parts.append(code_identity(self.derivative, self.version))
        return ", ".join(parts)

    def order(self, bias: FloatArray, order: int) -> FloatArray:
        """f, or its derivative of the given order, at each bias."""
        known = [f for f in (self.current, self.derivative) if f is not None]
        if order < len(known):
            return np.asarray(known[order](bias), dtype=float)
        above, below = self.order(bias + _STEP, order - 1), self.order(bias - _STEP, order - 1)
        return np.asarray((above - below) / (2 * _STEP))


NO_TERMS: Mapping[int, CurrentTerm] = MappingProxyType({})


def checked_terms(terms: Mapping[int, CurrentTerm]) -> Mapping[int, CurrentTerm]:
    """The terms; ConfigError with all problems of their digits and of what they return."""
    problems = []
    for digit, term in terms.items():
        where = f"terms[{digit!r}]"
        if digit not in OWN_DIGITS:
            problems.append(Problem(where, "is no digit of an own term", "use 5 to 9: lower ones are powers of V"))
        for name, order in (("current", 0), ("derivative", 1)):
            try:
                with np.errstate(all="ignore"):
                    found = np.asarray(term.order(_PROBED, order))
            except Exception as error:
                problems.append(Problem(where, f"its {name} fails: {type(error).__name__}: {error}", "correct it"))
                break
            if found.shape != _PROBED.shape or not np.all(np.isfinite(found)):
                what = f"its {name} is not one finite real number for each bias"
                problems.append(Problem(where, what, "return an array of the shape of V"))
                break
    if problems:
        raise ConfigError(problems)
    return dict(terms)
