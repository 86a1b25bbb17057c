"""Draws of all parameters before a measurement, from a posterior or from priors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.stats import qmc

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import TorqueCurve
from mtjfit.errors import NotConverged
from mtjfit.infer.ensembles.anneal import anneal
from mtjfit.infer.ensembles.jumps import Straight
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.sampling import sample
from mtjfit.model.noise_models import make_posterior
from mtjfit.planning import Design
from mtjfit.planning.measurement import Measurement
from mtjfit.study import (
    DOF,
    EQ12,
    JITTER,
    NOISE,
    SCATTER,
    KappaModel,
    Parameter,
    ParameterName,
    Prior,
    Study,
    amplitudes_of,
    is_amplitude,
    parse_amplitude,
)
from mtjfit.study.correlated import JointScores, joint_quantiles

_NOT_A_COORDINATE = (*NOISE, *JITTER, DOF)
_N_DRAWS, _N_ANNEALED = 4096, 1024
_ENOUGH = 1000  # effective draws: errors of a plan come from elsewhere


@dataclass(frozen=True)
class Coordinate:
    """One number, or its logarithm, about which measurements are informative; not shared if it is a single device's."""

    name: str
    log: bool
    shared: bool


@dataclass(frozen=True, eq=False)
class ParameterDraws(ShownAsCard):
    """Draws of all parameters before a measurement.

    `values` of every free parameter, shape (n,), natural units. `coordinates`: lengths and amplitudes, shared or of
    single devices, and thicknesses of present devices; no noise scales: to the order of the Fisher information they are
    independent of the torque. `prior_sd`, shape (m,): infinite for amplitudes that scatter about a shared one.
    `curves`: the data, if any. `scale`: factors that turn their numbers into the unit of the first. `noise`: see
    `point_errors`.
    """

    parameters: Mapping[str, Parameter]
    values: Mapping[str, FloatArray]
    coordinates: tuple[Coordinate, ...]
    prior_sd: FloatArray
    curves: tuple[TorqueCurve, ...] = ()
    scale: tuple[float, ...] = ()
    noise: Mapping[str, float] = field(default_factory=dict)
    model: KappaModel = EQ12

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

    @property
    def prior_precision(self) -> FloatArray:
        """Inverse covariance of the priors of the coordinates, shape (m, m); zero where a width is infinite."""
        # correlated parameters are shared, so their coordinates have their names
        joint = JointScores.of(
            {name: self.parameters[name].prior if name in self.parameters else None for name in self.names}
        )
        root = joint.apart(np.eye(self.prior_sd.size)) / self.prior_sd[:, None]
        return np.asarray(root @ root.T)

    def thinned(self, n: int) -> ParameterDraws:
        """About `n` of the draws, evenly spread over them."""
        if n >= self.n:
            return self
        chosen = np.linspace(0, self.n - 1, n).round().astype(int)
        return replace(self, values={name: x[chosen] for name, x in self.values.items()})

    def label(self, name: str, measurement: Measurement) -> ParameterName:
        """Name in tables of the number that serves a device; of a tied one, the name of what it is tied to."""
        tie = self.parameters[name].tie
        return self.parameters[name if tie is None else tie.target].name_for(measurement)

    def ratio(self, name: str) -> float:
        """Ratio of a parameter to the number of its `label`."""
        tie = self.parameters[name].tie
        return 1.0 if tie is None else tie.ratio

    def is_new(self, measurement: Measurement) -> bool:
        """True for a device that has no parameter of its own among the draws."""
        return not measurement.device or not any(
            ParameterName(x).owner in (measurement.device, measurement.name) for x in self.values
        )

    def with_new(self, measurements: Sequence[Measurement], rng: np.random.Generator) -> ParameterDraws:
        """With draws from the prior for lengths and amplitudes of groups, or caps, that have none yet."""
        new: dict[str, Prior] = {}
        for measurement in measurements:
            for name, parameter in self.parameters.items():
                own = parameter.is_own and is_amplitude(name)
                counts = ParameterName(name).shapes_kappa or is_amplitude(name)
                if parameter.free_prior is not None and not own and counts:
                    new[self.label(name, measurement)] = parameter.free_prior
            if isinstance(measurement.cap, Prior):
                new[cap_label(measurement)] = measurement.cap
        new = {name: each for name, each in new.items() if name not in self.values}
        if not new:
            return self
        # devices of another group or cap carry no information about it: it is no part of "everything"
        more = tuple(Coordinate(name, prior.is_log, shared=False) for name, prior in new.items())
        return replace(
            self,
            values={**self.values, **_drawn(new, self.n, rng)},
            coordinates=(*self.coordinates, *more),
            prior_sd=np.concatenate([self.prior_sd, [prior.spread for prior in new.values()]]),
        )


def cap_label(measurement: Measurement) -> ParameterName:
    """Name of Λ of a cap that the study does not have."""
    return ParameterName("Lambda", measurement.group or measurement.device)


def _drawn(priors: Mapping[str, Prior], n: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    u = qmc.LatinHypercube(max(len(priors), 1), rng=rng).random(n)
    return dict(zip(priors, joint_quantiles(priors, u), strict=True))


def _coordinates(parameters: Mapping[str, Parameter], priors: Mapping[str, Prior]) -> tuple[Coordinate, ...]:
    found = []
    for name, prior in priors.items():
        base = ParameterName(name).base
        if base in _NOT_A_COORDINATE or base.startswith(SCATTER) or base not in parameters:
            continue
        scattered = SCATTER + base in parameters and name != base and parameters[base].scope == "shared"
        own = base == "thickness" or parameters[base].is_own or scattered
        found.append(Coordinate(name, prior.is_log, shared=not own))
    return tuple(found)


def _typical_noise(parameters: Mapping[str, Parameter], values: Mapping[str, FloatArray]) -> dict[str, float]:
    """Medians over draws and devices."""

    def typical(name: str) -> float | None:
        drawn = [x for label, x in values.items() if ParameterName(label).base == name]
        if drawn:
            return float(np.median(drawn))
        return parameters[name].value if name in parameters else None

    names = ("noise_par", "noise_perp", "jitter_par", "jitter_perp")
    found = {name: size for name in names if (size := typical(name)) is not None}
    dof = typical(DOF)
    if dof is not None:  # the information about the location of a t distribution is (ν + 1)/(ν + 3) of a normal one's
        found["student"] = float(np.sqrt((dof + 3) / (dof + 1)))
    return found


def draws_from_posterior(study: Study, values: Mapping[str, FloatArray], priors: Mapping[str, Prior]) -> ParameterDraws:
    """Draws of the posterior of a study: values in natural units, shape (n,), and priors of every free parameter."""
    coordinates = _coordinates(study.parameters, {name: priors[name] for name in values})
    sd = np.array([priors[each.name].spread for each in coordinates])
    scale = tuple(study.scale_of(curve) for curve in study.curves)
    noise = _typical_noise(study.parameters, values)
    return ParameterDraws(study.parameters, dict(values), coordinates, sd, study.curves, scale, noise, study.model)


def draws_from_priors(design: Design, n: int, rng: np.random.Generator) -> ParameterDraws:
    """Draws from the priors of a design, of everything that its devices share."""
    priors: dict[str, Prior] = {}
    for name, parameter in design.parameters.items():
        prior = parameter.free_prior
        if prior is None or name in _NOT_A_COORDINATE or (parameter.is_own and not is_amplitude(name)):
            continue
        priors[ParameterName(name, None if parameter.scope == "shared" else "")] = prior
    values = _drawn(priors, n, rng)
    coordinates = tuple(each for each in _coordinates(design.parameters, priors) if each.shared)
    sd = np.array([priors[each.name].spread for each in coordinates])
    noise = _typical_noise(design.parameters, values)
    return ParameterDraws(design.parameters, values, coordinates, sd, noise=noise)


def draws_of(
    study: Study | Design, posterior: Posterior | None, seed: int, rng: np.random.Generator, *, progress: bool
) -> tuple[ParameterDraws, Posterior | None]:
    """Draws from the priors of a design, or from the posterior of a study, which is sampled if not given.

    A study of one thickness with free lengths, which no gate lets through, is annealed: that is enough to plan.
    NotConverged if the posterior did not converge.
    """
    if isinstance(study, Design):
        return draws_from_priors(study, _N_DRAWS, rng), None
    free = any(not study.parameters[name].is_fixed for name in study.lengths)
    if posterior is None and free and study.n_thicknesses == 1:
        model = make_posterior(study)
        straight = Straight(model)
        particles, _ = straight.outward(anneal(straight, model.size, _N_ANNEALED, rng).final.v)
        return draws_from_posterior(study, model.draw(particles, rng), model.priors), None
    if posterior is None:
        enough = replace(study.sampling, target_ess=min(study.sampling.target_ess, _ENOUGH))
        posterior = sample(study.replace(sampling=enough), seed, progress=progress)
    if not posterior.verdict.converged:
        raise NotConverged(f"the posterior that the plan would start from did not converge: "
                           f"{'; '.join(posterior.verdict.reasons)}")  # fmt: skip
    frame = posterior.spaced(_N_DRAWS)
    values = {name: frame[name].to_numpy() for name in map(str, frame.columns) if name in posterior.priors}
    return draws_from_posterior(study, values, posterior.priors), posterior
