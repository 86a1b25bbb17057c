"""Draws of every parameter before a measurement, and what the priors say of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import qmc

from mtjfit.data import FloatArray, TorqueCurve
from mtjfit.model.layout import IntArray
from mtjfit.planning import Design
from mtjfit.planning.candidates import Measurement
from mtjfit.study import (
    DOF,
    JITTER,
    LENGTHS,
    NOISE,
    SCATTER,
    Parameter,
    ParameterName,
    Prior,
    Study,
    amplitudes_of,
    is_amplitude,
    parse_amplitude,
)

__all__ = ["Coordinate", "ParameterDraws", "cap_label", "draws_from_posterior", "draws_from_priors"]

_NOT_A_COORDINATE = (*NOISE, *JITTER, DOF)


@dataclass(frozen=True)
class Coordinate:
    """One number that measurements tell something of: its name, whether its logarithm is meant, who shares it."""

    name: str
    log: bool
    shared: bool

    def of(self, values: FloatArray) -> FloatArray:
        """Natural values as coordinates."""
        return np.log(values) if self.log else values


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
        Standard deviation of each coordinate under its prior; infinite for amplitudes that scatter about a shared one.
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
        return np.unique([parse_amplitude(name)[1] for name in amplitudes_of(self.parameters)])

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

    def label(self, name: str, measurement: Measurement) -> ParameterName:
        """Name in tables of the number that serves a device."""
        return self.parameters[name].name_for(measurement)

    def is_new(self, measurement: Measurement) -> bool:
        """True for a device that the draws do not know."""
        return not measurement.device or not any(ParameterName(x).owner == measurement.device for x in self.values)

    def with_new(self, measurements: Sequence[Measurement], rng: np.random.Generator) -> ParameterDraws:
        """With draws from the prior for lengths and amplitudes of groups, or caps, that are not known yet."""
        new: dict[str, Prior] = {}
        for measurement in measurements:
            for name, parameter in self.parameters.items():
                own = parameter.scope == "device" and is_amplitude(name)
                if parameter.free_prior is not None and not own and _is_of_model(name):
                    new[self.label(name, measurement)] = parameter.free_prior
            if isinstance(measurement.cap, Prior):
                new[cap_label(measurement)] = measurement.cap
        new = {name: each for name, each in new.items() if name not in self.values}
        if not new:
            return self
        u = qmc.LatinHypercube(len(new), rng=rng).random(self.n)
        drawn = {name: prior.quantile(u[:, k]) for k, (name, prior) in enumerate(new.items())}
        # devices of another group or cap tell nothing of it: it is no part of "everything" that was asked for before
        more = tuple(Coordinate(name, prior.is_log, shared=False) for name, prior in new.items())
        sd = [prior.spread for prior in new.values()]
        return replace(
            self,
            values={**self.values, **drawn},
            coordinates=(*self.coordinates, *more),
            prior_sd=np.concatenate([self.prior_sd, sd]),
        )


def cap_label(measurement: Measurement) -> ParameterName:
    """Name of Λ of a cap that the study does not have."""
    return ParameterName("Lambda", measurement.group or measurement.device)


def _is_of_model(name: str) -> bool:
    return name in LENGTHS or is_amplitude(name)


def _coordinates(
    names: Sequence[str], parameters: Mapping[str, Parameter], priors: Mapping[str, Prior]
) -> tuple[Coordinate, ...]:
    found = []
    for name in names:
        base = ParameterName(name).base
        if base in _NOT_A_COORDINATE or base.startswith(SCATTER) or base not in parameters:
            continue
        scattered = SCATTER + base in parameters and name != base and parameters[base].scope == "shared"
        own = base == "thickness" or parameters[base].scope == "device" or scattered
        found.append(Coordinate(name, priors[name].is_log, shared=not own))
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
    sd = np.array([priors[each.name].spread for each in coordinates])
    scale = tuple(study.scale_of(curve) for curve in study.curves)
    return ParameterDraws(study.parameters, dict(values), coordinates, sd, study.curves, scale)


def draws_from_priors(design: Design, n: int, rng: np.random.Generator) -> ParameterDraws:
    """Draws from the priors of a design, of everything that its devices share."""
    priors: dict[str, Prior] = {}
    for name, parameter in design.parameters.items():
        prior = parameter.free_prior
        if prior is None or name in _NOT_A_COORDINATE or (parameter.scope == "device" and not is_amplitude(name)):
            continue
        priors[ParameterName(name, None if parameter.scope == "shared" else "")] = prior
    u = qmc.LatinHypercube(max(len(priors), 1), rng=rng).random(n)
    values = {name: prior.quantile(u[:, k]) for k, (name, prior) in enumerate(priors.items())}
    coordinates = tuple(each for each in _coordinates(tuple(values), design.parameters, priors) if each.shared)
    sd = np.array([priors[each.name].spread for each in coordinates])
    return ParameterDraws(design.parameters, values, coordinates, sd)
