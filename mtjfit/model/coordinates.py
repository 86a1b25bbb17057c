"""Coordinates of a study: normal scores of the priors, and the parameters of each device that follow from them.

A flat prior has edges at which proposals and walkers stop, and a parameter that the data do not determine fills its
range up to them. In z = Φ⁻¹(F(x)), with F the distribution function of the prior, there are no edges, and an
undetermined parameter has a normal distribution. Everything that is integrated exactly is integrated in x.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from mtjfit.arrays import ComplexArray, FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.amplitude_integral import Bounded
from mtjfit.model.layout import AmplitudeLayout, Layout, Scattered
from mtjfit.study import (
    EQ12,
    SCATTER,
    Form,
    KappaModel,
    Normal,
    Parameter,
    ParameterName,
    Prior,
    Study,
    amplitudes_of,
    parse_amplitude,
)
from mtjfit.study.correlated import Correlated, JointScores
from mtjfit.study.prior import EDGE, LN_2PI


@dataclass(frozen=True)
class Scores(ShownAsCard):
    """The coordinates of several priors.

    Examples
    --------
    >>> from mtjfit.study import LogNormal, LogUniform
    >>> scores = Scores((LogUniform(0.1, 10.0), LogNormal(10.0, 2.0)))
    >>> scores.values(np.array([[0.0, 1.0]]))
    array([[ 1., 20.]])
    """

    priors: tuple[Prior, ...]
    names: tuple[str, ...] = ()  # of the parameters; correlated priors need them

    def __post_init__(self) -> None:
        if not self.names and any(isinstance(prior, Correlated) for prior in self.priors):
            raise ValueError("correlated priors need the names of their parameters")

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.priors)

    @cached_property
    def _joint(self) -> JointScores:
        return JointScores.of(dict(zip(self.names or map(str, range(self.size)), self.priors, strict=True)))

    @cached_property
    def reach(self) -> FloatArray:
        """Farthest that each score may be from zero, below and above, shape (2, size).

        Scores end where values are equal to a bound by rounding: 6e-16, or Φ(−8), of the range of a flat prior, or
        of a standard deviation. Normal priors have no end where they are open, since data may contradict them by any
        number of standard deviations.
        """
        return np.array([prior.reach for prior in self.priors], dtype=float).reshape(-1, 2).T

    @cached_property
    def _forms(self) -> tuple[FloatArray, ...]:
        """Offset, scale, whether of Φ(z), whether a logarithm, low, high: of priors that are a line in z or Φ(z)."""
        return tuple(np.array([prior.score_form for prior in self.priors], dtype=float).reshape(-1, 6).T)

    @cached_property
    def _others(self) -> tuple[tuple[int, Prior], ...]:
        return tuple((k, prior) for k, prior in enumerate(self.priors) if prior.truncated or not prior.plain)

    def values(self, z: FloatArray) -> FloatArray:
        """Natural values, shape (n, size), of scores of the same shape."""
        offset, scale, of_phi, log, low, high = self._forms
        x = offset + scale * np.where(of_phi, ndtr(z), z)
        x = np.minimum(np.maximum(np.where(log, np.exp(np.where(log, x, 0.0)), x), low), high)
        for k, prior in self._others:
            x[:, k] = prior.at_score(z[:, k])
        return np.asarray(x)

    def of(self, values: FloatArray) -> FloatArray:
        """Scores, shape (n, size), of natural values; those at a bound come out at the end of their `reach`."""
        columns = [prior.score(values[:, k]) for k, prior in enumerate(self.priors)]
        return np.stack(columns, axis=-1) if columns else np.zeros((values.shape[0], 0))

    def log_prior(self, z: FloatArray) -> FloatArray:
        """Log prior density of scores, shape (n,): normal with their correlations, cut at their `reach`."""
        below, above = self.reach
        inside = np.all((-below <= z) & (z <= above), axis=-1)
        apart = self._joint.apart(z)
        height = self._joint.log_height - 0.5 * self.size * LN_2PI
        return np.where(inside, height - 0.5 * np.sum(apart * apart, axis=-1), -np.inf)

    def from_unit_cube(self, u: FloatArray) -> FloatArray:
        """Uniform numbers to scores drawn from the prior, same shape."""
        return np.asarray(self._joint.together(np.clip(ndtri(u), -EDGE, EDGE)))


_FREE = Normal(0.0, 1.0)


@dataclass(frozen=True)
class Split:
    """Parts of a study's parameters."""

    entries: tuple[int, ...]  # non-linear parameters that are sampled: places in the layout
    # places among the free amplitudes of the shared ones that are sampled, and of those that are integrated out
    sampled: tuple[int, ...]
    integrated: tuple[int, ...]
    # terms of J0(V) of which each device has its own amplitude, integrated out; those that scatter among them
    own: tuple[int, ...]
    thickness_is_free: bool  # true where each device's thickness is integrated out
    bounded_own: Bounded | None  # the own amplitude with a bounded prior, if there is one
    scattered: tuple[int, ...] = ()  # terms whose own amplitudes scatter about a shared one, which is sampled

    @classmethod
    def of(cls, layout: Layout, amplitudes: AmplitudeLayout, scattered: tuple[int, ...] = ()) -> Split:
        """Decide what is sampled.

        Shared amplitudes can be integrated out together only while the likelihood is Gaussian in all of them: for known
        thicknesses, and no more than one bounded amplitude among those integrated. The others are sampled, and so is
        what devices scatter about, because it also decides by how much.
        """
        free = bool(np.any(layout.index["thickness"] >= 0))
        by_term = amplitudes.column
        terms = range(len(amplitudes.own))
        own = tuple(t for t in terms if amplitudes.own[t] or t in scattered)
        # what devices scatter by has no bounds
        own_priors = [_FREE if t in scattered else amplitudes.priors[by_term[0, t]] for t in own]
        own_columns = {int(a) for t in own if t not in scattered for a in by_term[:, t]}
        shared = [a for a in range(len(amplitudes.names)) if a not in own_columns]
        bounded_own = Bounded.among(tuple(own_priors))
        if free or bounded_own is not None:
            sampled = shared
        else:
            centres = {int(a) for t in scattered for a in by_term[:, t]}
            bounded = [a for a in shared if amplitudes.priors[a].truncated and a not in centres]
            sampled = [a for a in shared if a in centres or a in bounded[1:]]
        integrated = tuple(a for a in shared if a not in sampled)
        return cls(
            entries=tuple(k for k, entry in enumerate(layout.entries) if not entry.name.is_thickness),
            sampled=tuple(sampled),
            integrated=integrated,
            own=own,
            thickness_is_free=free,
            bounded_own=bounded_own,
            scattered=scattered,
        )


def scattered_terms(study: Study) -> tuple[int, ...]:
    """Terms of J0(V) whose amplitude scatters between devices."""
    return tuple(t for t, name in enumerate(study.amplitudes) if SCATTER + name in study.parameters)


class DeviceCoordinates(ABC):
    """From sampled values to what each device needs: lengths, dead layer, centres and widths of its amplitudes."""

    @property
    @abstractmethod
    def declared(self) -> Mapping[str, Parameter]:
        """Parameters by name."""

    @property
    @abstractmethod
    def own(self) -> tuple[int, ...]:
        """Terms of J0(V) that are integrated out device by device."""

    @property
    @abstractmethod
    def sampled(self) -> Mapping[str, Prior]:
        """Priors of what is sampled, in the order of the coordinates."""

    @property
    @abstractmethod
    def thickness_is_free(self) -> bool:
        """True where each device's thickness is integrated out."""

    @property
    def priors(self) -> Mapping[str, Prior]:
        """Prior of every parameter, in the order of tables."""
        return self.sampled

    @cached_property
    def scores(self) -> Scores:
        """Normal scores of the priors of what is sampled."""
        return Scores(tuple(self.sampled.values()), self.names)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Sampled parameters."""
        return tuple(self.sampled)

    @abstractmethod
    def of(self, name: str, values: FloatArray) -> FloatArray:
        """A parameter of each device, shape (n or 1, n_devices or 1), from sampled `values` of shape (n, size)."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Coefficients of J0(V), in the order of the declaration."""
        return amplitudes_of(self.declared)

    @cached_property
    def phases_and_powers(self) -> tuple[ComplexArray, IntArray]:
        """1 for in-plane and i for out-of-plane terms, and the power of V, each of shape (T,)."""
        parsed = [parse_amplitude(name) for name in self.terms]
        return np.array([phase for phase, _ in parsed]), np.array([power for _, power in parsed], dtype=int)

    @property
    def model(self) -> KappaModel:
        """κ as a function of thickness and parameters."""
        return EQ12

    def form(self, values: FloatArray) -> Form:
        """κ(d) of each device."""
        return self.model.form({name: self.of(name, values) for name in self.model.parameters if name in self.declared})

    def dead_layer(self, values: FloatArray) -> FloatArray:
        """Part of each thickness that is not magnetic, in nm, shape (n or 1, n_devices or 1)."""
        return self.of("dead_layer", values) if "dead_layer" in self.declared else np.zeros((1, 1))

    def own_sd(self, values: FloatArray, centre: FloatArray) -> FloatArray:
        """Standard deviations of own amplitudes about their centre, shape (n or 1, n_devices or 1, n_own)."""
        each = []
        for t in self.own:
            scatter = SCATTER + self.terms[t]
            if scatter in self.declared:
                each.append(np.abs(centre[..., t]) * self.of(scatter, values))
            else:
                each.append(np.full((1, 1), self.declared[self.terms[t]].prior.centre_and_sd[1]))
        return np.stack(np.broadcast_arrays(*each), axis=-1) if each else np.zeros((1, 1, 0))


@dataclass(frozen=True)
class _Source:
    """Source of a parameter of each device: columns of the sampled values, or known numbers where they are -1.

    One column or number where all devices share it, which then needs to be computed with only once.
    """

    columns: IntArray | None
    known: FloatArray
    ratio: float = 1.0  # to the columns

    @classmethod
    def of(cls, columns: list[int], known: FloatArray, ratio: float = 1.0) -> _Source:
        if max(columns, default=-1) < 0:
            return cls(None, np.asarray(known[None, :1] if np.all(known == known[0]) else known[None]))
        return cls(np.array(columns[:1] if len(set(columns)) == 1 else columns), known, ratio)

    def values(self, sampled: FloatArray) -> FloatArray:
        """Shape (n or 1, n_devices or 1), from sampled values of shape (n, size)."""
        if self.columns is None:
            return self.known
        found = np.where(self.columns < 0, self.known[: self.columns.size], sampled[:, self.columns])
        return np.asarray(found if self.ratio == 1 else self.ratio * found)


@dataclass(frozen=True, eq=False)
class Coordinates(ShownAsCard, DeviceCoordinates):
    """Coordinates of a study, in this order: lengths and noise, amplitudes, their scatter."""

    study: Study
    layout: Layout
    amplitudes: AmplitudeLayout
    split: Split

    @property
    def declared(self) -> Mapping[str, Parameter]:
        return self.study.parameters

    @property
    def model(self) -> KappaModel:
        return self.study.model

    @property
    def own(self) -> tuple[int, ...]:
        return self.split.own

    @property
    def thickness_is_free(self) -> bool:
        return self.split.thickness_is_free

    @cached_property
    def _scatters(self) -> dict[str, Prior]:
        """Sampled relative standard deviations of amplitudes between devices."""
        declared = [self.declared[SCATTER + self.terms[t]] for t in self.split.scattered]
        return {
            name: one.free_prior
            for one in declared
            if one.free_prior is not None
            for name in self.study.names_of(one.name)
        }

    @cached_property
    def sampled(self) -> dict[str, Prior]:
        found: dict[str, Prior] = {self.layout.names[k]: self.layout.entries[k].prior for k in self.split.entries}
        found.update((self.amplitudes.names[a], self.amplitudes.priors[a]) for a in self.split.sampled)
        return found | self._scatters

    @cached_property
    def own_names(self) -> tuple[tuple[ParameterName, ...], ...]:
        """Names of own amplitudes, by term and curve."""
        found = []
        for t in self.split.own:
            name = self.study.amplitudes[t]
            scattered = [ParameterName(name, curve.device) for curve in self.study.curves]
            found.append(tuple(scattered if t in self.split.scattered else self.study.names_of(name)))
        return tuple(found)

    @cached_property
    def priors(self) -> dict[str, Prior]:
        """Prior of every free parameter, sampled or integrated out, in the order of tables."""
        found: dict[str, Prior] = {entry.name: entry.prior for entry in self.layout.entries}
        found.update(zip(self.amplitudes.names, self.amplitudes.priors, strict=True))
        found |= self._scatters
        for t in self.split.scattered:
            name = self.study.amplitudes[t]
            each = Scattered(self.study.parameters[name].prior, self.study.parameters[SCATTER + name].prior)
            found |= dict.fromkeys(self.own_names[self.split.own.index(t)], each)
        return found

    @cached_property
    def _sources(self) -> dict[str, _Source]:
        place = {entry: k for k, entry in enumerate(self.split.entries)}
        found = {
            name: _Source.of(
                [place.get(entry, -1) for entry in index.tolist()],
                self.layout.fixed[name],
                self.layout.ratio.get(name, 1.0),
            )
            for name, index in self.layout.index.items()
            if name != "thickness"
        }
        for t in self.split.scattered:
            one = self.declared[SCATTER + self.study.amplitudes[t]]
            known = np.full(len(self.study.curves), np.nan if one.value is None else one.value)
            columns = [] if one.is_fixed else [self.names.index(name) for name in self.study.names_of(one.name)]
            found[one.name] = _Source.of(columns, known)
        return found

    def of(self, name: str, values: FloatArray) -> FloatArray:
        return self._sources[name].values(values)

    @cached_property
    def _centres(self) -> tuple[FloatArray, FloatArray]:
        """Terms of all devices without sampled amplitudes, (n_devices · T,), and what each of these adds to them."""
        amplitudes, sampled = self.amplitudes, self.split.sampled
        known = amplitudes.of_terms(np.where(np.isin(np.arange(amplitudes.mean.size), sampled), 0.0, amplitudes.mean))
        serves = [(amplitudes.column == a).ravel() for a in sampled]
        return known.ravel(), np.array(serves, dtype=float).reshape(len(sampled), known.size)

    def centre(self, values: FloatArray) -> FloatArray:
        """Value of each term, shape (n or 1, n_devices, T): prior means for what is integrated out."""
        known, by_sampled = self._centres
        start = len(self.split.entries)
        free = values[:, start : start + len(self.split.sampled)] if self.split.sampled else np.zeros((1, 0))
        return np.asarray(known + free @ by_sampled).reshape(-1, *self.amplitudes.column.shape)
