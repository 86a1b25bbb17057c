"""Draws of every parameter before a measurement, and what the priors say of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import qmc

from mtjfit.data import FloatArray, TorqueCurve
from mtjfit.infer.planning.measurement import Measurement
from mtjfit.model.layout import IntArray
from mtjfit.model.scattered import Scattered
from mtjfit.study import (
    DOF,
    JITTER,
    LENGTHS,
    NOISE,
    SCATTER,
    AboutNominal,
    Design,
    Fixed,
    LogNormal,
    LogUniform,
    Normal,
    Parameter,
    Prior,
    Study,
    Uniform,
    is_amplitude,
    parse_amplitude,
)

__all__ = ["Coordinate", "ParameterDraws", "cap_label", "draws_from_posterior", "draws_from_priors", "prior_sd"]

_NOT_A_COORDINATE = (*NOISE, *JITTER, DOF)
_MOMENTS = 4096  # nodes of a prior's variance


@dataclass(frozen=True)
class Coordinate:
    """One number that measurements tell something of: its name, whether its logarithm is meant, who shares it."""

    name: str
    log: bool
    shared: bool

    def of(self, values: FloatArray) -> FloatArray:
        """Natural values as coordinates."""
        return np.log(values) if self.log else values


def prior_sd(prior: Prior, log: bool) -> float:
    """Standard deviation of a parameter under its prior, or of its logarithm.

    Examples
    --------
    >>> round(prior_sd(LogUniform(0.1, 10.0), log=True), 3), prior_sd(Normal(0.0, 2.0), log=False)
    (1.329, 2.0)
    """
    if isinstance(prior, LogUniform) and log:
        return float(np.log(prior.high) - np.log(prior.low)) / math.sqrt(12)
    if isinstance(prior, LogNormal) and log:
        return math.log(prior.factor)
    if isinstance(prior, Uniform) and not log:
        return (prior.high - prior.low) / math.sqrt(12)
    if isinstance(prior, Normal) and not prior.truncated and not log:
        return prior.sd
    x = prior.quantile((np.arange(_MOMENTS) + 0.5) / _MOMENTS)
    return float(np.std(np.log(x) if log else x))


@dataclass(frozen=True, eq=False)
class ParameterDraws:
    """Draws of all parameters before a measurement.

    Attributes
    ----------
    parameters : mapping of str to Parameter
        As declared.
    values : mapping of str to ndarray, shape (n,)
        Draws of every free parameter by its name in tables, in natural units.
    coordinates : tuple of Coordinate
        Parameters of which a measurement may tell something: lengths and amplitudes, shared or of single devices, and
        thicknesses of devices that are there. Noise scales are not among them: what a curve tells of its noise is
        independent of what it tells of the torque, to the order of the Fisher information.
    prior_sd : ndarray, shape (m,)
        Standard deviation of each coordinate under its prior.
    curves : tuple of TorqueCurve
        What was measured; none if the draws come from the prior.
    scale : tuple of float
        Factors that turn the numbers of each curve into the unit of the first.
    """

    parameters: Mapping[str, Parameter]
    values: Mapping[str, FloatArray]
    coordinates: tuple[Coordinate, ...]
    prior_sd: FloatArray
    curves: tuple[TorqueCurve, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def n(self) -> int:
        """Number of draws."""
        return int(next(iter(self.values.values())).size)

    @cached_property
    def powers(self) -> IntArray:
        """Powers of V in J0, ascending, shape (P,)."""
        return np.unique([parse_amplitude(name)[1] for name in self.parameters if is_amplitude(name)])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates."""
        return tuple(each.name for each in self.coordinates)

    @cached_property
    def place(self) -> dict[str, int]:
        """Position of each coordinate."""
        return {name: k for k, name in enumerate(self.names)}

    @cached_property
    def shared(self) -> FloatArray:
        """True for coordinates that are no single device's own, shape (m,)."""
        return np.array([each.shared for each in self.coordinates], dtype=bool)

    @cached_property
    def x(self) -> FloatArray:
        """Draws as coordinates, shape (n, m)."""
        return np.stack([each.of(self.values[each.name]) for each in self.coordinates], axis=-1)

    def thinned(self, n: int) -> ParameterDraws:
        """About `n` of the draws, evenly spread over them."""
        if n >= self.n:
            return self
        chosen = np.linspace(0, self.n - 1, n).round().astype(int)
        return replace(self, values={name: x[chosen] for name, x in self.values.items()})

    def label(self, name: str, measurement: Measurement) -> str:
        """Name in tables of the number that serves a device."""
        scope = self.parameters[name].scope
        return {"shared": name, "group": f"{name}[{measurement.group}]", "device": f"{name}[{measurement.device}]"}[
            scope
        ]

    def is_new(self, measurement: Measurement) -> bool:
        """True for a device that the draws do not know."""
        own = [name for name in self.values if name.endswith(f"[{measurement.device}]")]
        return not own or not measurement.device

    def with_new(self, measurements: Sequence[Measurement], rng: np.random.Generator) -> ParameterDraws:
        """With draws from the prior for lengths and amplitudes of groups, or caps, that are not known yet."""
        new: dict[str, Prior] = {}
        for measurement in measurements:
            for name, parameter in self.parameters.items():
                own = parameter.scope == "device" and is_amplitude(name)
                if isinstance(parameter.prior, Fixed | AboutNominal) or own or not _is_of_model(name):
                    continue
                new[self.label(name, measurement)] = parameter.prior
            if measurement.cap is not None and not isinstance(measurement.cap, Fixed):
                new[cap_label(measurement)] = measurement.cap
        new = {name: each for name, each in new.items() if name not in self.values}
        if not new:
            return self
        u = qmc.LatinHypercube(len(new), rng=rng).random(self.n)
        drawn = {name: prior.quantile(u[:, k]) for k, (name, prior) in enumerate(new.items())}
        # devices of another group or cap tell nothing of it: it is no part of "everything" that was asked for before
        more = tuple(Coordinate(name, _is_log(prior), shared=False) for name, prior in new.items())
        sd = [prior_sd(new[each.name], each.log) for each in more]
        return replace(
            self,
            values={**self.values, **drawn},
            coordinates=(*self.coordinates, *more),
            prior_sd=np.concatenate([self.prior_sd, sd]),
        )


def cap_label(measurement: Measurement) -> str:
    """Name of Λ of a cap that the study does not have."""
    return f"Lambda[{measurement.group or measurement.device}]"


def _is_of_model(name: str) -> bool:
    return name in LENGTHS or is_amplitude(name)


def _is_log(prior: Prior) -> bool:
    return isinstance(prior, LogUniform | LogNormal)


def _coordinates(
    names: Sequence[str], parameters: Mapping[str, Parameter], priors: Mapping[str, Prior]
) -> tuple[Coordinate, ...]:
    found = []
    for name in names:
        base = name.split("[")[0]
        if base in _NOT_A_COORDINATE or base.startswith(SCATTER) or base not in parameters:
            continue
        scattered = SCATTER + base in parameters and name != base and parameters[base].scope == "shared"
        own = base == "thickness" or parameters[base].scope == "device" or scattered
        found.append(Coordinate(name, _is_log(priors[name]), shared=not own))
    return tuple(found)


def draws_from_posterior(study: Study, values: Mapping[str, FloatArray], priors: Mapping[str, Prior]) -> ParameterDraws:
    """Draws of the posterior of a study, as `values`.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n,)
        Every free parameter, in natural units.
    priors : mapping of str to Prior
        Of every free parameter.
    """
    coordinates = _coordinates(tuple(values), study.parameters, priors)
    sd = np.array([_own_or_none(priors[each.name], each.log) for each in coordinates])
    scale = tuple(study.scale_of(curve) for curve in study.curves)
    return ParameterDraws(study.parameters, dict(values), coordinates, sd, study.curves, scale)


def _own_or_none(prior: Prior, log: bool) -> float:
    """Standard deviation under the prior; inf for an amplitude that scatters about a shared one, which says more."""
    return np.inf if isinstance(prior, Scattered) else prior_sd(prior, log)


def draws_from_priors(design: Design, n: int, rng: np.random.Generator) -> ParameterDraws:
    """Draws from the priors of a design, of everything that its devices share."""
    priors: dict[str, Prior] = {}
    for name, parameter in design.parameters.items():
        prior, each_has_its_own = parameter.prior, parameter.scope == "device"
        if isinstance(prior, Fixed | AboutNominal) or name in _NOT_A_COORDINATE:
            continue
        if each_has_its_own and not is_amplitude(name):
            continue
        priors[{"shared": name, "group": f"{name}[]", "device": f"{name}[]"}[parameter.scope]] = prior
    u = qmc.LatinHypercube(max(len(priors), 1), rng=rng).random(n)
    values = {name: prior.quantile(u[:, k]) for k, (name, prior) in enumerate(priors.items())}
    coordinates = tuple(each for each in _coordinates(tuple(values), design.parameters, priors) if each.shared)
    sd = np.array([prior_sd(priors[each.name], each.log) for each in coordinates])
    return ParameterDraws(design.parameters, values, coordinates, sd)
