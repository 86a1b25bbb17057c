"""Flat vectors of the parameters of a study: which entry serves which device, in which coordinate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import qmc

from mtjfit.arrays import BoolArray, ComplexArray, FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.study import (
    EQ12,
    JITTER,
    NOISE,
    SCATTER,
    AnyPrior,
    Fixed,
    KappaModel,
    Normal,
    Parameter,
    ParameterName,
    Prior,
    Scope,
    Study,
    parse_amplitude,
)
from mtjfit.study.correlated import JointScores, joint_quantiles

Built = TypeVar("Built")
_POINTS = 2**14  # of a prior without a closed form
_ATTRIBUTE = "_derived"  # no field: neither copied by `replace` nor pickled


def even_points(size: int, n: int) -> FloatArray:
    """Points that fill the unit cube evenly, shape (n, size), always the same; n is a power of two.

    MtjfitError where scipy cannot read its table of directions.
    """
    # scipy reads the table in C, where an exception, also that of Ctrl-C, is dropped; all points are then the same
    for _ in range(3):
        u = qmc.Sobol(max(size, 1), rng=np.random.default_rng(0)).random(n)
        if np.array_equal(np.sort((u * n).astype(int), axis=0), np.tile(np.arange(n)[:, None], u.shape[1])):
            return np.asarray(u[:, :size])
    raise MtjfitError("scipy cannot read its table of Sobol directions; allow more open files or memory")


def once_per_study(build: Callable[[Study], Built]) -> Callable[[Study], Built]:
    """Decorate a function so that its result is kept with the study, which is immutable."""

    @wraps(build)
    def built(study: Study) -> Built:
        derived: dict[object, Built] = study.__dict__.setdefault(_ATTRIBUTE, {})
        if build not in derived:
            derived[build] = build(study)
        return derived[build]

    return built


@once_per_study
def with_own_amplitudes(study: Study) -> Study:
    """The study with an amplitude of its own for every device where amplitudes scatter: what least squares can do.

    A weaker statement than scatter about a shared value, but one that a misfit can test. Unchanged without scatter.
    """
    parameters = {name: one for name, one in study.parameters.items() if not name.startswith(SCATTER)}
    for name in set(study.parameters) - set(parameters):
        of = study.parameters[name.removeprefix(SCATTER)]
        mean, sd = (of.value, abs(of.value) or 1.0) if of.value is not None else of.prior.centre_and_sd
        parameters[of.name] = Parameter(of.name, Normal(mean, sd), "device")
    return study if len(parameters) == len(study.parameters) else study.replace(parameters=parameters)


@dataclass(frozen=True)
class Scattered(Prior):
    """a (1 + s ε) for a and s with priors of their own and standard normal ε.

    By quasi-random points: probabilities are right to about 1e-3, enough for tables and pictures. Nothing is sampled
    from it.

    Examples
    --------
    >>> from mtjfit.study import Fixed
    >>> prior = Scattered(Fixed(2.0), Fixed(0.1))
    >>> round(float(prior.cdf(2.2)), 2), prior.describe()
    (0.84, 'the shared one, with its scatter')
    """

    shared: AnyPrior
    scatter: AnyPrior

    @property
    def is_log(self) -> bool:
        return False

    @cached_property
    def _sorted(self) -> FloatArray:
        u = even_points(3, _POINTS).clip(1e-12, 1 - 1e-12)
        return np.sort(self.shared.quantile(u[:, 0]) * (1 + self.scatter.quantile(u[:, 1]) * ndtri(u[:, 2])))

    @property
    def _below(self) -> FloatArray:
        return np.asarray((np.arange(_POINTS) + 0.5) / _POINTS)

    @property
    def support(self) -> tuple[float, float]:
        return -np.inf, np.inf

    def cdf(self, x: ArrayLike) -> FloatArray:
        return np.asarray(np.interp(np.asarray(x, dtype=float), self._sorted, self._below, left=0.0, right=1.0))

    def quantile(self, u: ArrayLike) -> FloatArray:
        return np.asarray(np.interp(np.asarray(u, dtype=float), self._below, self._sorted))

    def logpdf(self, x: ArrayLike) -> FloatArray:
        """Log of the density, from differences of the distribution function over a tenth of its width."""
        step = 0.05 * float(self.quantile(0.84) - self.quantile(0.16))
        x = np.asarray(x, dtype=float)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log((self.cdf(x + step) - self.cdf(x - step)) / (2 * step)))

    def describe(self) -> str:
        return "the shared one, with its scatter"

    @property
    def spread(self) -> float:
        """Infinite: the shared amplitude says more than any fixed width could."""
        return np.inf


@dataclass(frozen=True)
class Entry:
    """One number to be sampled: its name as in tables, and its prior."""

    name: ParameterName
    prior: Prior

    @property
    def log(self) -> bool:
        """True where its coordinate is the logarithm."""
        return self.prior.is_log


def _coordinate_form(entry: Entry) -> tuple[float, float, float, float, float]:
    """The density of an entry's coordinate as constant − ½ ((x − centre)/sd)² between two bounds.

    Of plain priors; of others only the bounds.
    """
    prior = entry.prior
    to = np.log if entry.log else np.asarray
    with np.errstate(divide="ignore"):
        low, high = (float(to(bound)) for bound in prior.support)
    if not prior.plain:
        return 0.0, 0.0, low, high, 0.0
    centre, sd = prior.centre_and_sd
    # the constant follows from the density at one point inside
    at = float(prior.quantile(0.5))
    x = float(to(at))
    constant = float(prior.logpdf(at)) + (x if entry.log else 0.0) + 0.5 * ((x - centre) / sd) ** 2
    return centre, 1 / sd, low, high, constant


@dataclass(frozen=True)
class Layout(ShownAsCard):
    """Flat vector of the non-linear parameters."""

    # lengths first, then noise scales, then thicknesses; fixed parameters are not among them
    entries: tuple[Entry, ...]
    # entry that gives a parameter to each device, −1 where the value is fixed, shape (n_devices,)
    index: dict[str, IntArray]
    fixed: dict[str, FloatArray]  # values of fixed parameters, NaN elsewhere, shape (n_devices,)
    ratio: Mapping[str, float] = field(default_factory=dict)  # of tied parameters to the entry that serves them
    model: KappaModel = EQ12

    @property
    def names(self) -> tuple[ParameterName, ...]:
        """Names of the entries, such as ``lambda_J`` or ``thickness[dev1]``."""
        return tuple(entry.name for entry in self.entries)

    @property
    def size(self) -> int:
        """Dimension of the vector."""
        return len(self.entries)

    @cached_property
    def log(self) -> BoolArray:
        """True where the coordinate is the logarithm of the value, shape (size,)."""
        return np.array([entry.log for entry in self.entries], dtype=bool)

    @cached_property
    def others(self) -> tuple[int, ...]:
        """Entries whose priors are not plain."""
        return tuple(k for k, entry in enumerate(self.entries) if not entry.prior.plain)

    def values(self, theta: FloatArray) -> FloatArray:
        """Coordinates to natural values, shape (..., size)."""
        with np.errstate(over="ignore"):
            return np.where(self.log, np.exp(np.where(self.log, theta, 0.0)), theta)

    def coordinates(self, values: FloatArray) -> FloatArray:
        """Natural values to coordinates, shape (..., size)."""
        return np.where(self.log, np.log(np.where(self.log, values, 1.0)), values)

    def by_device(self, name: str, values: FloatArray) -> FloatArray:
        """A parameter for each device, shape (..., n_devices), from natural `values` of shape (..., size)."""
        index, fixed = self.index[name], self.fixed[name]
        if np.all(index < 0):
            return fixed
        return np.asarray(self.ratio.get(name, 1.0) * np.where(index < 0, fixed, values[..., index]))

    def of_kappa(self, values: FloatArray) -> dict[str, FloatArray]:
        """Parameters of κ for each device, each of shape (..., n_devices)."""
        return {name: self.by_device(name, values) for name in self.model.parameters if name in self.index}

    def magnetic(self, values: FloatArray) -> FloatArray:
        """Thickness without the dead layer of each device in nm, shape (..., n_devices)."""
        d = self.by_device("thickness", values)
        return np.asarray(d - self.by_device("dead_layer", values)) if "dead_layer" in self.index else d

    @cached_property
    def _forms(self) -> tuple[FloatArray, ...]:
        """Centre, 1/sd, lower and upper bound and constant of every entry's density in its coordinate."""
        return tuple(np.array([_coordinate_form(entry) for entry in self.entries]).reshape(-1, 5).T)

    @cached_property
    def _joint(self) -> JointScores:
        return JointScores.of({entry.name: entry.prior for entry in self.entries})

    def log_prior(self, theta: FloatArray) -> FloatArray:
        """Log prior density of coordinates, shape (n,), for `theta` of shape (n, size).

        Where a thickness is uncertain it is also restricted to more than the dead layer, without a new constant.
        """
        centre, inverse_sd, low, high, constant = self._forms
        inside = np.all((theta >= low) & (theta <= high), axis=-1)
        if "dead_layer" in self.index:  # a device with a torque is thicker than its dead layer
            inside &= np.all(self.magnetic(self.values(theta)) > 0, axis=-1)
        z = self._joint.apart((theta - centre) * inverse_sd)
        found = self._joint.log_height + constant.sum() - 0.5 * np.sum(z * z, axis=-1)
        for k in self.others:  # their density in the coordinate
            with np.errstate(over="ignore"):
                x = np.exp(theta[..., k]) if self.log[k] else theta[..., k]
            found = found + self.entries[k].prior.logpdf(x) + (theta[..., k] if self.log[k] else 0.0)
        return np.where(inside, found, -np.inf)

    def from_unit_cube(self, u: FloatArray) -> FloatArray:
        """Prior quantiles as coordinates: uniform numbers to prior draws, shape (..., size)."""
        columns = joint_quantiles({entry.name: entry.prior for entry in self.entries}, u)
        return self.coordinates(np.stack(columns, axis=-1)) if columns else np.asarray(u)


@dataclass(frozen=True)
class AmplitudeLayout(ShownAsCard):
    """The linear parameters."""

    names: tuple[ParameterName, ...]  # free amplitudes as in tables, ``a1`` or ``a1[dev1]``
    priors: tuple[Normal, ...]  # their priors
    own: tuple[bool, ...]  # for each term, whether every curve has its own amplitude
    # 1 for in-plane, i for out-of-plane terms of J0(V), fixed ones included, shape (n_terms,)
    phase: ComplexArray
    power: IntArray  # power of V of each term, shape (n_terms,)
    column: IntArray  # free amplitude behind a term of a device, −1 where it is fixed, shape (n_devices, n_terms)
    constant: FloatArray  # values of fixed terms, 0 for free ones, shape (n_terms,)

    @cached_property
    def mean(self) -> FloatArray:
        """Means of the priors, before any bounds, shape (n_free,)."""
        return np.array([prior.mean for prior in self.priors], dtype=float)

    @cached_property
    def sd(self) -> FloatArray:
        """Standard deviations of the priors, before any bounds, shape (n_free,)."""
        return np.array([prior.sd for prior in self.priors], dtype=float)

    def of_terms(self, amplitudes: FloatArray) -> FloatArray:
        """Coefficients of J0(V), shape (..., n_devices, n_terms), from free amplitudes of shape (..., n_free)."""
        padded = np.concatenate([amplitudes, np.zeros((*amplitudes.shape[:-1], 1))], axis=-1)
        return np.where(self.column >= 0, padded[..., self.column], self.constant)

    def out_of_bounds(self, values: FloatArray) -> tuple[str, ...]:
        """Names of amplitudes whose value, of shape (n_free,), their prior does not allow.

        Least squares knows no priors of amplitudes; the posterior does.
        """
        allowed = [prior.low <= value <= prior.high for prior, value in zip(self.priors, values, strict=True)]
        return tuple(name for name, inside in zip(self.names, allowed, strict=True) if not inside)


@once_per_study
def layout(study: Study) -> Layout:
    """Lay out the non-linear parameters of a study: lengths, noise scales, thicknesses."""
    return layout_of(study, (*study.lengths, *NOISE, "thickness"))


def joint_scope(study: Study, scopes: set[Scope]) -> Scope:
    """Scope of a number that follows from others of these scopes; a curve's where a device may be in two groups."""
    if {"group", "device"} <= scopes and study.n_devices < len(study.curves):
        return "curve"
    return next(each for each in reversed(get_args(Scope)) if each in scopes)


def in_use(study: Study, name: str) -> BoolArray:
    """True for devices that a parameter acts on, shape (n_devices,): noise only where its component was measured."""
    for pair in (NOISE, JITTER):
        if name in pair:
            component = pair.index(name)
            return np.array([curve.used_values[component].any() for curve in study.curves], dtype=bool)
    return np.ones(len(study.curves), dtype=bool)


def layout_of(study: Study, names: Sequence[str]) -> Layout:
    """The layout of those parameters among `names` that the study declares."""
    entries: dict[ParameterName, Entry] = {}
    index: dict[str, IntArray] = {}
    fixed: dict[str, FloatArray] = {}
    declared = {name: study.parameters[name] for name in names if name in study.parameters}
    ties = {name: parameter.tie for name, parameter in declared.items() if parameter.tie is not None}
    for name, parameter in declared.items():
        if name in ties:
            continue
        nominal, labels = study.thicknesses, study.names_of(name)
        if parameter.value is not None:
            values = nominal if name == "thickness" else np.full(nominal.size, parameter.value)
            index[name], fixed[name] = np.full(nominal.size, -1), values
            continue
        acts = in_use(study, name)
        for each, thickness in zip(np.array(labels, dtype=object)[acts], nominal[acts], strict=True):
            prior = parameter.prior_at(float(thickness))
            if prior is not None:
                entries.setdefault(each, Entry(each, prior))
        position = {each: k for k, each in enumerate(entries)}
        index[name] = np.array([position.get(each, -1) if one else -1 for each, one in zip(labels, acts, strict=True)])
        fixed[name] = np.where(acts, np.nan, 1.0)
    if any(name in index for name in NOISE):
        for name in set(NOISE) & set(names) - set(index):  # of a component that no device has
            index[name], fixed[name] = np.full(study.thicknesses.size, -1), np.ones(study.thicknesses.size)
    for name, tie in ties.items():
        index[name], fixed[name] = index[tie.target], fixed[tie.target]
    return Layout(tuple(entries.values()), index, fixed, {name: tie.ratio for name, tie in ties.items()}, study.model)


@once_per_study
def amplitude_layout(study: Study) -> AmplitudeLayout:
    """Lay out the amplitudes of a study, the parameters in which the model is linear."""
    names: dict[ParameterName, Normal] = {}
    columns, constants, terms = [], [], []
    for name in study.amplitudes:
        prior = study.parameters[name].prior
        terms.append(parse_amplitude(name))
        each = study.names_of(name)
        if isinstance(prior, Normal):
            names.update((label, prior) for label in each if label not in names)
            columns.append([list(names).index(label) for label in each])
            constants.append(0.0)
        else:
            assert isinstance(prior, Fixed)  # noqa: S101 - Study lets amplitudes have no other prior
            columns.append([-1] * len(each))
            constants.append(prior.value)
    return AmplitudeLayout(
        names=tuple(names),
        priors=tuple(names.values()),
        own=tuple(
            study.parameters[name].is_own and not study.parameters[name].is_fixed and len(set(each)) == len(each)
            for name, each in zip(study.amplitudes, columns, strict=True)
        ),
        phase=np.array([phase for phase, _ in terms]),
        power=np.array([power for _, power in terms], dtype=int),
        column=np.array(columns, dtype=int).T.reshape(len(study.curves), len(terms)),
        constant=np.array(constants),
    )
