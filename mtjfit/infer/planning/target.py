"""What a plan is for: one parameter, Λ, or everything that devices share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray, pretty
from mtjfit.data.suggest import did_you_mean
from mtjfit.errors import MtjfitError
from mtjfit.infer.planning.known import Known
from mtjfit.study import LENGTHS, ParameterName

__all__ = ["EVERYTHING", "Target", "spread_text", "target_of", "targets"]

EVERYTHING = "everything"


@dataclass(frozen=True)
class Target:
    """A number whose error a measurement shall lower.

    Attributes
    ----------
    name : str
        ``"everything"``: all coordinates that are no single device's own, by the information about them in bits.
    factors : tuple of str
        Coordinates whose product it is: one, or those of Λ.
    relative : bool
        True for lengths: the standard deviation of the logarithm counts; False for amplitudes, in their own unit.
    """

    name: str
    factors: tuple[str, ...]
    relative: bool

    def values(self, known: Known) -> FloatArray:
        """Draws of the number itself, or of its logarithm, shape (n,)."""
        if self.relative:
            return np.asarray(sum(np.log(known.values[name]) for name in self.factors))
        return known.values[self.factors[0]]

    def gradient(self, known: Known) -> FloatArray:
        """Derivative by every coordinate at each draw, shape (n, m)."""
        out = np.zeros((known.n, len(known.names)))
        for name in self.factors:
            k = known.place[name]
            ln_of_value = self.relative and not known.coordinates[k].log
            out[:, k] = 1 / known.values[name] if ln_of_value else 1.0
        return out


def targets(known: Known) -> dict[str, Target]:
    """Everything that may be asked for, by name; Λ where it is a product."""
    found = {}
    for each in known.coordinates:
        base = ParameterName(each.name).base
        relative = base in LENGTHS and (each.log or bool(np.all(known.values[each.name] > 0)))
        found[each.name] = Target(each.name, (each.name,), relative)
    for name in map(ParameterName, list(found)):
        if name.base not in ("lambda_sf_N", "D_ratio"):
            continue
        other = "D_ratio" if name.base == "lambda_sf_N" else "lambda_sf_N"
        product, partners = name.of("Lambda"), [each for each in (name.of(other), other) if each in found]
        known_as = known.parameters[other].value if other in known.parameters else None
        if partners:
            found.setdefault(product, Target(product, tuple(sorted((name, partners[0]))), True))
        elif known_as is not None and known_as > 0:
            found.setdefault(product, Target(product, (name,), True))
    return found


def target_of(known: Known, name: str) -> Target:
    """The target of this name.

    Raises
    ------
    MtjfitError
        It is no free parameter of the study.
    """
    if name == EVERYTHING:
        return Target(EVERYTHING, (), False)
    found = targets(known)
    if name not in found:
        hint = did_you_mean(name, (EVERYTHING, *found))
        if name in known.parameters and known.parameters[name].is_fixed:
            hint = "give it a prior in [parameters]: what is fixed cannot become better known"
        elif name in ("b1", "a2", "b0") or name not in known.parameters:
            hint += f"; a question such as whether {name} is needed wants {name} declared in [parameters], with a prior"
        raise MtjfitError(f"target {name!r} is no free parameter of this study; {hint}")
    return found[name]


def spread_text(sd: float, relative: bool, unit: str = "") -> str:
    """A standard deviation in words: a percentage, a factor where a percentage would mislead, or a number with a unit.

    Examples
    --------
    >>> spread_text(0.052, True), spread_text(1.2, True), spread_text(0.0031, False, "mT/V")
    ('5.2 %', 'a factor of 3.3', '0.0031 mT V⁻¹')
    """
    if not relative:
        return f"{sd:.2g} {pretty(unit)}".rstrip()
    return f"{100 * sd:.2g} %" if sd < 0.5 else f"a factor of {math.exp(sd):.2g}"
