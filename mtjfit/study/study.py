"""Several curves and the parameters that they share: the starting point of every fit, sample and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.data.curve import Origin, TorqueCurve
from mtjfit.data.units import conversion, pretty
from mtjfit.errors import ConfigError, MtjfitError, Problem
from mtjfit.study.checks import study_problems
from mtjfit.study.kappa_model import EQ12, KappaModel
from mtjfit.study.parameter import Parameter, ParameterName, amplitudes_of, is_amplitude, parameter_unit
from mtjfit.text import card, counted, shortened

NOTHING_FREE = "every parameter of the study is fixed"
_TODO = "give at least one a prior in [parameters]; `mtjfit check` tests the fixed model against the data"

RANGES = {
    "seed": (0, 2**63 - 1),
    "target_ess": (10, 10_000_000),
    "ensembles": (4, 64),
    "walkers": (4, 10_000),
    "max_steps": (10, 100_000_000),
}
"""Smallest and largest value of every setting of `Sampling`; `walkers` may also be 0."""


@dataclass(frozen=True)
class Sampling:
    """How long and how wide to sample; ConfigError for a number outside its range in `RANGES`.

    Attributes
    ----------
    seed : int
        Every random number of a run comes from it.
    target_ess : int
        Effective draws wanted of every parameter before the run stops.
    ensembles : int
        Independent emcee ensembles; at least four, so that they can be compared.
    walkers : int
        Walkers of each ensemble; 0: chosen from the dimension.
    max_steps : int
        Steps of each ensemble after which the run stops even if it has not passed the gate.

    Examples
    --------
    >>> Sampling(seed=3).target_ess
    2000
    """

    seed: int = 1
    target_ess: int = 2000
    ensembles: int = 4
    walkers: int = 0
    max_steps: int = 50_000

    def __post_init__(self) -> None:
        problems = []
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer):
                problems.append(Problem(f"sampling.{name}", f"is {value!r}", "give a whole number"))
            elif not (low <= value <= high or (name == "walkers" and value == 0)):
                reason = "; fewer cannot be compared with each other" if name == "ensembles" else ""
                todo = f"give a number from {low} to {high}{reason}"
                problems.append(Problem(f"sampling.{name}", f"is {value}", todo))
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, eq=False)
class Study:
    """Curves, parameters and sampling settings; immutable, and checked as a whole when made.

    ConfigError with all problems at once: device names repeat, units do not fit together, a parameter is missing,
    unknown, or has a prior or scope that it cannot have.

    Attributes
    ----------
    text : str
        The study file this came from, verbatim, or empty.
    files : mapping of str to str
        sha256 of every data file by its path as declared.
    model : KappaModel
        κ(d) and terms of J0(V): Eq. 12, or a model of one's own (`own_model`).

    Examples
    --------
    >>> from mtjfit.study import Fixed, LogUniform, Normal, AboutNominal
    >>> curve = TorqueCurve("A1", [-0.1, 0.0, 0.1], [-1, 0, 1], [0, 0, 0], 2.0, "torque", "device",
    ...                     sigma_par=[0.1] * 3, sigma_perp=[0.1] * 3)
    >>> lengths = {name: LogUniform(0.1, 100.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")}
    >>> parameters = {name: Parameter(name, prior) for name, prior in lengths.items()}
    >>> parameters["thickness"] = Parameter("thickness", AboutNominal(0.1), scope="device")
    >>> parameters["a1"] = Parameter("a1", Normal(0.0, 20.0))
    >>> study = Study("one device", (curve,), parameters)
    >>> study.devices, study.amplitudes, study.n_values
    (('A1',), ('a1',), 6)
    """

    name: str
    curves: tuple[TorqueCurve, ...]
    parameters: Mapping[str, Parameter]
    sampling: Sampling = field(default_factory=Sampling)
    text: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    model: KappaModel = EQ12

    def __post_init__(self) -> None:
        object.__setattr__(self, "curves", tuple(self.curves))
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "files", MappingProxyType(dict(self.files)))
        problems = study_problems(self.curves, self.parameters, self.model)
        if problems:
            raise ConfigError(problems)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (
            self.name, self.curves, dict(self.parameters), self.sampling, self.text, dict(self.files),
            self.model,
        )  # fmt: skip

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the curves in the order of the data: that of the device, with its condition where it has one."""
        return tuple(curve.name for curve in self.curves)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in order of appearance."""
        return tuple(dict.fromkeys(curve.group for curve in self.curves))

    @property
    def thicknesses(self) -> FloatArray:
        """Nominal thicknesses in nm, shape (n_devices,)."""
        return np.array([curve.thickness for curve in self.curves])

    @property
    def n_thicknesses(self) -> int:
        """Number of different nominal thicknesses (two within 1e-6 nm are one)."""
        return int(np.unique(np.round(self.thicknesses, 6)).size)

    @property
    def amplitudes(self) -> tuple[str, ...]:
        """Declared coefficients of J0(V), such as ``("a1", "b2")``."""
        return amplitudes_of(self.parameters)

    @property
    def lengths(self) -> tuple[str, ...]:
        """Declared parameters that shape κ(d), in the order of tables."""
        return tuple(name for name in (*self.model.parameters, "dead_layer") if name in self.parameters)

    @property
    def n_devices(self) -> int:
        """Number of devices, each counted once whatever number of curves it has."""
        return len(self.first_curves)

    @property
    def first_curves(self) -> list[int]:
        """Places of the first curve of each device, in the order of the data."""
        return list({curve.device: j for j, curve in reversed([*enumerate(self.curves)])}.values())[::-1]

    @property
    def counted(self) -> str:
        """How many devices, and curves where these are more: ``5 devices``, ``4 curves of 2 devices``."""
        devices, curves = counted(self.n_devices, "device"), len(self.curves)
        return devices if curves == self.n_devices else f"{counted(curves, 'curve')} of {devices}"

    def names_of(self, parameter: str) -> list[ParameterName]:
        """Name in tables of the number that serves each curve, such as ``a1``, ``a1[wafer2]`` or ``a1[dev1]``."""
        return [self.parameters[parameter].name_for(curve) for curve in self.curves]

    @property
    def n_values(self) -> int:
        """Measured numbers that enter the fit: two for each bias point at which both components are in use."""
        return sum(curve.n_values for curve in self.curves)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The different origins among the curves."""
        return tuple(dict.fromkeys(curve.origin for curve in self.curves))

    @property
    def data_notices(self) -> tuple[str, ...]:
        """What a person should know of the files of the data, each once."""
        return tuple(dict.fromkeys(notice for curve in self.curves for notice in curve.notices))

    @property
    def label(self) -> str:
        """Mark for plots and tables; empty only if every curve was measured."""
        return "; ".join(origin.label for origin in self.origins if origin.label)

    def unit_of(self, name: str) -> str:
        """Unit of a parameter as it appears in fits and tables, from the unit of the first curve.

        `name` may carry a device or group, as in ``a1[dev1]``.
        """
        first, base = self.curves[0], ParameterName(name).base
        if base in self.model.parameters:
            return self.model.unit_of(base)
        if is_amplitude(base) and int(base[1:]) in self.model.terms:
            base = f"a{self.model.terms[int(base[1:])].volts}"
        return parameter_unit(base, first.unit, first.quantity, first.per)

    def scale_of(self, curve: TorqueCurve) -> float:
        """Factor that turns the numbers of `curve` into the unit of the first curve."""
        return conversion(curve.unit, self.curves[0].unit)

    def _repr_html_(self) -> str:
        """The study in a notebook: its devices, and its parameters with their priors."""
        devices = [f"{curve.name} ({curve.thickness:g} nm)" for curve in self.curves]
        shown = ", ".join(each for (each,) in shortened([[each] for each in devices], 12))
        rows = []
        for name, known in self.parameters.items():
            exact = name == "thickness" and known.is_fixed
            prior = "nominal values, taken as exact" if exact else known.prior.describe()
            rows.append([name, prior, pretty(self.unit_of(name)), "" if known.scope == "shared" else known.scope])
        facts = {
            "devices": f"{self.n_devices if self.n_devices == len(devices) else self.counted}: {shown}",
            "quantity": ", ".join(dict.fromkeys(f"{c.quantity} per {c.per}, {pretty(c.unit)}" for c in self.curves)),
            "values": f"{self.n_values}",
        }
        return card(
            f"Study {self.name}", marks=[self.label], facts=facts,
            header=("parameter", "prior", "unit", "own value for each"), rows=rows,
        )  # fmt: skip

    def with_model(self, model: KappaModel) -> Study:
        """The study with another κ: parameters that it does not have leave, its own join with their default priors.

        What the study declares of parameters that both have is kept. ConfigError names those that are then missing.
        """
        names, gone = model.parameters, set(self.model.parameters)
        kept = {name: one for name, one in self.parameters.items() if name not in gone or name in names}
        merged = {**default_parameters(model), **kept}
        first = {name: merged[name] for name in names if name in merged}
        return self.replace(model=model, parameters={**first, **merged}, text="")

    def replace(self, **changes: object) -> Study:
        """A copy with some attributes changed, checked again."""
        return replace(self, **changes)  # type: ignore[arg-type]


def default_parameters(model: KappaModel) -> dict[str, Parameter]:
    """Parameters of κ with the priors that its model brings."""
    return {name: Parameter(name, prior) for name, prior in model.priors.items()}


def refuse_own_model(study: Study, what: str) -> None:
    """MtjfitError in one sentence where κ or J0(V) is one's own, for `what` is known for Eq. 12 alone."""
    if study.model.identity:
        raise MtjfitError(
            f"{what} is computed with Eq. 12 and powers of V alone, not with the model {study.model.name!r}; "
            "study.with_model(mtjfit.EQ12) returns to it"
        )


def nothing_free(study: Study) -> bool:
    """Whether every parameter is fixed, so that there is χ² and nothing else."""
    return all(parameter.is_fixed for parameter in study.parameters.values())


def refuse_nothing_free(study: Study, missing: str) -> None:
    """MtjfitError in one sentence if every parameter is fixed, before anything is written.

    `missing` says what is missing then, such as "there is nothing to sample".
    """
    if nothing_free(study):
        raise MtjfitError(f"{NOTHING_FREE}: {missing}; {_TODO}")
