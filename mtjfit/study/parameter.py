"""Parameters as declared: names, priors and scopes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import FloatArray
from mtjfit.data.units import Per, Quantity, amplitude_unit
from mtjfit.study.normal_priors import AboutNominal
from mtjfit.study.prior import Fixed, Prior
from mtjfit.study.scipy_prior import FromScipy
from mtjfit.study.ties import EqualTo

Scope: TypeAlias = Literal["shared", "group", "device", "curve"]
AnyPrior: TypeAlias = Prior | Fixed | AboutNominal | EqualTo

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio", "Lambda", "dead_layer")
"""Parameters that shape κ(d), in the order of every table; ``dead_layer`` nm of d, if declared, are not magnetic."""

NOISE = ("noise_par", "noise_perp")
"""Noise scales, declared where the errors of the data are to be fitted."""

JITTER = ("jitter_par", "jitter_perp")
"""Errors s that known ones lack: σ² = σ_k² + s²."""

DOF = "noise_dof"
"""Degrees of freedom; declaring it, by hand or as [noise] in a study file, selects Student-t errors."""

SCATTER = "scatter_"
"""Before the name of a shared amplitude: its relative standard deviation between devices, as in ``scatter_a1``."""


class ParameterName(str):
    """The name of one number in tables, such as ``a1`` or ``thickness[dev1]``; it is that text, and knows its parts.

    Parameters
    ----------
    base
        The declared parameter, or a whole name as written in a table.
    owner
        The device or group that has a value of its own; it may contain brackets.

    Examples
    --------
    >>> name = ParameterName("thickness", "dev[1]")
    >>> name, name.base, name.owner, ParameterName(name).owner
    ('thickness[dev[1]]', 'thickness', 'dev[1]', 'dev[1]')
    >>> ParameterName("a1").owner is None
    True
    """

    __slots__ = ()

    def __new__(cls, base: str, owner: str | None = None) -> ParameterName:
        return super().__new__(cls, base if owner is None else f"{base}[{owner}]")

    @property
    def base(self) -> str:
        """The declared parameter."""
        return self.partition("[")[0]

    @property
    def owner(self) -> str | None:
        """The device or group that it belongs to, None for a number that all share."""
        _, bracket, owner = self.partition("[")
        return owner.removesuffix("]") if bracket else None

    @property
    def is_thickness(self) -> bool:
        """True for the thickness of a device."""
        return self.base == "thickness"

    @property
    def is_noise(self) -> bool:
        """True for what is declared of the noise: its scales, jitter, degrees of freedom."""
        return self.startswith(("noise", "jitter"))

    @property
    def shapes_kappa(self) -> bool:
        """True for lengths and whatever else shapes κ(d), of Eq. 12 or of an own model; also for a derived Λ."""
        base = self.base
        return not (self.is_noise or self.is_thickness or base.startswith(SCATTER) or is_amplitude(base))

    def of(self, base: str) -> ParameterName:
        """Another parameter of the same owner."""
        return ParameterName(base, self.owner)


_AMPLITUDE = re.compile(r"([ab])([0-9])")


def is_amplitude(name: str) -> bool:
    """True for a1, a2, … (in-plane) and b0, b1, b2, … (out-of-plane), the coefficients of J0(V); from 5 on, own terms.

    Examples
    --------
    >>> [is_amplitude(name) for name in ("a1", "b0", "a0", "lambda_J")]
    [True, True, False, False]
    """
    return bool(_AMPLITUDE.fullmatch(name)) and name != "a0"


def parse_amplitude(name: str) -> tuple[complex, int]:
    """Phase (1 in-plane, i out-of-plane) and power of V of an amplitude.

    Examples
    --------
    >>> parse_amplitude("b2")
    (1j, 2)
    """
    match = _AMPLITUDE.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not an amplitude such as a1 or b2")
    return (1 + 0j if match[1] == "a" else 1j), int(match[2])


def amplitudes_of(names: Iterable[str]) -> tuple[str, ...]:
    """The coefficients of J0(V) among parameters, such as ``("a1", "b2")``."""
    return tuple(name for name in names if is_amplitude(name))


def parameter_unit(name: str, unit: str, quantity: Quantity, per: Per) -> str:
    """Unit of a parameter in fits and tables, for torques or torkances in `unit`; the name may carry a device or group.

    Examples
    --------
    >>> parameter_unit("a1[dev1]", "mT/V", "torkance", "volume"), parameter_unit("Lambda", "arb", "torque", "device")
    ('mT nm/V', 'nm')
    """
    base = ParameterName(name).base
    if is_amplitude(base):
        return amplitude_unit(base, unit, quantity, per)
    if base in (*NOISE, *JITTER):
        return unit
    return "" if base in ("D_ratio", DOF) or base.startswith(SCATTER) else "nm"


class _Curve(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def group(self) -> str: ...


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Attributes
    ----------
    name : str
        One of `LENGTHS`, ``thickness``, an amplitude (a1, a2, b0, b1, b2, …) or its scatter (``scatter_a1``), one of
        `NOISE` or `JITTER`, or `DOF`.
    prior : Prior, Fixed, AboutNominal, EqualTo, or a frozen distribution of scipy.stats
        TypeError for anything else; a frozen distribution becomes a `FromScipy`.
    scope : {"shared", "group", "device", "curve"}
        One value for the study, for each group of curves, for each device, or for each of the curves of a device.
    """

    name: str
    prior: AnyPrior
    scope: Scope = "shared"

    def __post_init__(self) -> None:
        given: object = self.prior
        if not isinstance(given, AnyPrior):
            object.__setattr__(self, "prior", FromScipy.of(given))

    @property
    def is_fixed(self) -> bool:
        """True where the value is taken as known, or that of the parameter to which it is tied."""
        return self.value is not None

    @property
    def tie(self) -> EqualTo | None:
        """How it follows from another parameter that is free; None where it does not."""
        return self.prior if isinstance(self.prior, EqualTo) and not self.is_fixed else None

    @property
    def value(self) -> float | None:
        """The value where it is known; for the thickness its departure from nominal, which is 0."""
        prior = self.prior.prior if isinstance(self.prior, EqualTo) else self.prior
        return prior.value if isinstance(prior, Fixed) else None

    @property
    def free_prior(self) -> Prior | None:
        """Prior of the number; None where it is fixed or tied, and for the thickness, different for every device."""
        return self.prior if isinstance(self.prior, Prior) else None

    def prior_at(self, nominal: float) -> Prior | None:
        """Prior of the number of a device of this nominal thickness; None where it is fixed."""
        return self.prior.about(nominal) if isinstance(self.prior, AboutNominal) else self.free_prior

    @property
    def nominal_sd(self) -> float:
        """Standard deviation of thicknesses about their nominal values in nm; 0 where these are exact."""
        return self.prior.centre_and_sd[1]

    @property
    def is_own(self) -> bool:
        """True where each device, or each curve, has a number of its own."""
        return self.scope in ("device", "curve")

    def name_for(self, curve: _Curve) -> ParameterName:
        """Name in tables of the number that serves a curve: ``a1``, ``a1[W7]`` for a group, ``a1[dev1]`` for a device,
        ``a1[dev1 @ 300 K]`` for a curve.
        """
        owner = {"shared": None, "group": curve.group, "device": curve.device, "curve": curve.name}[self.scope]
        return ParameterName(self.name, owner)

    def to_toml(self) -> dict[str, str | float]:
        """The parameter as a study file writes it."""
        if self.name == "thickness":
            return {"fixed": True} if self.is_fixed else self.prior.to_toml()
        own = not (self.scope == "shared" or self.is_fixed or self.tie)
        scope: dict[str, str | float] = {"scope": self.scope} if own else {}
        return {**self.prior.to_toml(), **scope}


_NODES = 256


@dataclass(frozen=True)
class Product(Prior):
    """Prior of a product of two independent positive parameters.

    By quantiles of the second factor at equal distances in probability: right to about 1e-4 in probability.

    Examples
    --------
    >>> from mtjfit.study import LogUniform
    >>> prior = Product(LogUniform(0.1, 10.0), LogUniform(0.1, 10.0))
    >>> round(float(prior.cdf(1.0)), 6), [round(float(x), 2) for x in prior.quantile([0.125, 0.5])]
    (0.5, [0.1, 1.0])
    """

    one: Prior
    other: AnyPrior

    @property
    def is_log(self) -> bool:
        return False

    @cached_property
    def _factors(self) -> FloatArray:
        nodes = 1 if isinstance(self.other, Fixed) else _NODES
        return self.other.quantile((np.arange(nodes) + 0.5) / nodes)

    @property
    def support(self) -> tuple[float, float]:
        (a, b), (c, d) = self.one.support, self.other.support
        return a * c, b * d

    def logpdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        density = np.mean([np.exp(self.one.logpdf(x / factor)) / factor for factor in self._factors], axis=0)
        return np.log(density, out=np.full(density.shape, -np.inf), where=density > 0)

    def cdf(self, x: ArrayLike) -> FloatArray:
        x = np.asarray(x, dtype=float)
        return np.asarray(np.mean([self.one.cdf(x / factor) for factor in self._factors], axis=0))

    def quantile(self, u: ArrayLike) -> FloatArray:
        if isinstance(self.other, Fixed):
            return np.asarray(self.one.quantile(u) * self.other.value)
        values = np.outer(self.one.quantile((np.arange(_NODES) + 0.5) / _NODES), self._factors)
        return np.asarray(np.quantile(values, np.asarray(u, dtype=float)))

    def describe(self) -> str:
        return f"({self.one.describe()}) × ({self.other.describe()})"
