"""Several curves and the parameters that they share: the starting point of every fit, sample and report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.data.curve import Origin, TorqueCurve
from mtjfit.data.units import conversion, pretty
from mtjfit.errors import ConfigError, MtjfitError
from mtjfit.study.changes import changed_parameters, remaining, selected
from mtjfit.study.checks import name_problems, study_problems
from mtjfit.study.given import given_parameters, study_of_frame
from mtjfit.study.kappa_model import EQ12, KappaModel
from mtjfit.study.parameter import Parameter, ParameterName, amplitudes_of, is_amplitude, parameter_unit
from mtjfit.study.sampling_settings import Sampling
from mtjfit.study.tie_checks import bound
from mtjfit.study.ties import EqualTo
from mtjfit.study.written import write_study
from mtjfit.text import counted, shortened

if TYPE_CHECKING:
    import pandas as pd

    from mtjfit.data.frame import FrameOptions

NOTHING_FREE = "every parameter of the study is fixed"
_TODO = "give at least one a prior in [parameters]; `mtjfit check` tests the fixed model against the data"


@dataclass(frozen=True, eq=False)
class Study(ShownAsCard):
    """Curves, parameters and sampling settings; immutable, and checked as a whole when made.

    ConfigError with all problems at once: device names repeat, units do not fit together, a parameter is missing,
    unknown, or has a prior or scope that it cannot have.

    Attributes
    ----------
    parameters : mapping of str to Parameter
        In place of a `Parameter` also its prior, or a number at which it is fixed.
    text : str
        The study file that `load_study` read, verbatim; empty for a study that was made or changed in Python.
    files : mapping of str to str
        sha256 of every data file by its path as declared there; empty for other studies.
    model : KappaModel
        κ(d) and terms of J0(V): Eq. 12, or a model of one's own (`own_model`).

    Examples
    --------
    >>> from mtjfit.study import Fixed, LogUniform, Normal, AboutNominal
    >>> curve = TorqueCurve("A1", [-0.1, 0.0, 0.1], [-1, 0, 1], [0, 0, 0], 2.0, "torque", "device",
    ...                     sigma_par=[0.1] * 3, sigma_perp=[0.1] * 3)
    >>> lengths = {name: LogUniform(0.1, 100.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")}
    >>> parameters = {**lengths, "thickness": AboutNominal(0.1), "a1": Normal(0.0, 20.0)}
    >>> study = Study("one device", (curve,), parameters)
    >>> study.devices, study.amplitudes, study.n_values
    (('A1',), ('a1',), 6)
    """

    name: str
    curves: tuple[TorqueCurve, ...]
    parameters: Mapping[str, Parameter]
    sampling: Sampling = field(default_factory=Sampling)
    model: KappaModel = EQ12
    # Not for the constructor, so that no copy with other curves or parameters takes them along.
    text: str = field(default="", init=False)
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "curves", tuple(self.curves))
        given = given_parameters(self.parameters)
        object.__setattr__(self, "parameters", MappingProxyType(bound(given.parameters)))
        checked = study_problems(self.curves, self.parameters, self.model)
        checked = [each for each in checked if each.where.removeprefix("parameters.") not in given.broken]
        problems = [*name_problems(self.name), *given.problems, *checked]
        if problems:
            raise ConfigError(problems)

    def __reduce__(self) -> tuple[object, ...]:
        whole = self.name, self.curves, dict(self.parameters), self.sampling, self.model
        return _remade, (type(self), whole, self.text, dict(self.files))

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
    def tied(self) -> list[tuple[ParameterName, ParameterName, EqualTo]]:
        """Names of numbers that follow from others, with the names of these."""
        found = {}
        for name, one in self.parameters.items():
            if one.tie is not None:
                pairs = zip(self.names_of(name), self.names_of(one.tie.target), strict=True)
                found.update({each: (each, of, one.tie) for each, of in pairs})
        return list(found.values())

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

    def _card(self) -> Card:
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
        return Card(
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
        return self.replace(model=model, parameters={**first, **merged})

    def replace(self, **changes: object) -> Study:
        """A copy with some attributes changed, checked again; it came from no file, so it has no `text`."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def with_priors(self, **priors: object) -> Study:
        """A copy with other priors, each keeping its scope; a number fixes a parameter, None takes it out.

        Also what was not declared yet, and a `Parameter` where the scope is another one.

        Examples
        --------
        >>> import mtjfit
        >>> study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
        >>> other = study.with_priors(lambda_sf_F=mtjfit.LogNormal(5, 1.5), D_ratio=1.0)
        >>> other.parameters["lambda_sf_F"].prior, other.parameters["D_ratio"].value
        (LogNormal(median=5.0, factor=1.5, low=0.0, high=inf), 1.0)
        >>> study.with_priors(lamda_J=1.0)
        Traceback (most recent call last):
        mtjfit.errors.ConfigError: parameters.lamda_J: is no parameter; did you mean 'lambda_J'?
        """
        return self.replace(parameters=changed_parameters(self.parameters, priors))

    def with_curves(self, curves: Iterable[TorqueCurve]) -> Study:
        """A copy with other curves, checked against each other and against the parameters."""
        return self.replace(curves=tuple(curves))

    def without(self, *names: str) -> Study:
        """A copy without the named devices, or without single curves of them, such as ``"A1 @ 300 K"``.

        ConfigError with all names that no curve has.

        Examples
        --------
        >>> import mtjfit
        >>> study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
        >>> study.without("F0.8nm", "F4.0nm").devices
        ('F1.2nm', 'F2.0nm', 'F3.0nm')
        """
        return self.with_curves(remaining(self.curves, names))

    def select(
        self,
        *,
        devices: str | Iterable[str] | None = None,
        thickness: tuple[float, float] | None = None,
        group: str | Iterable[str] | None = None,
        condition: str | Iterable[str] | None = None,
    ) -> Study:
        """A copy with the curves alone that fit everything asked for; ConfigError with all unknown names.

        Parameters
        ----------
        devices, group, condition : str or iterable of str, optional
            One name or several; ``devices`` takes names of single curves, too.
        thickness : (float, float), optional
            Smallest and largest nominal thickness in nm, both included.

        Examples
        --------
        >>> import mtjfit
        >>> study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
        >>> study.select(thickness=(1.0, 3.0)).devices
        ('F1.2nm', 'F2.0nm', 'F3.0nm')
        """
        return self.with_curves(selected(self.curves, devices, thickness, group, condition))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        priors: Mapping[str, object],
        name: str = "Study from a DataFrame",
        sampling: Sampling | None = None,
        **options: Unpack[FrameOptions],
    ) -> Study:
        """A study from a pandas DataFrame with one row for each device and bias, read as the table of a file would be.

        Parameters
        ----------
        frame : pandas.DataFrame
            It is not changed.
        priors : mapping of str to prior, number, Parameter or dict
            A number fixes a parameter; a dict is what a study file would hold.
        **options
            What the numbers are, see `mtjfit.data.FrameOptions`.

        Raises
        ------
        ConfigError, DataError
            Every problem of options, priors and rows at once, these with the labels of the index.

        Examples
        --------
        >>> import mtjfit
        >>> import numpy as np
        >>> import pandas as pd
        >>> V = np.linspace(-0.3, 0.3, 7)
        >>> frame = pd.DataFrame({"device": "A1", "thickness": 2.0, "bias": V, "par": 3 * V, "perp": V**2})
        >>> lengths = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda"), mtjfit.LogUniform(0.1, 100))
        >>> study = mtjfit.Study.from_frame(
        ...     frame, quantity="torque", per="device", perp_axis="MxP", unit="1e-19 N m",
        ...     sigma={"par": 0.1, "perp": 0.1},
        ...     priors={**lengths, "thickness": mtjfit.AboutNominal(0.1), "a1": mtjfit.Normal(0, 10)})
        >>> study.devices, study.n_values
        (('A1',), 14)
        """
        curves, parameters = study_of_frame(frame, priors, options)
        return cls(name, curves, parameters, sampling or Sampling())

    def to_toml(self, folder: str | Path) -> Path:
        """Write ``study.toml`` and ``study-data.json`` into a folder; `load_study` reads them back equal, to the last
        bit.

        The data file holds the curves as they are used, with masks, errors and origin, so the folder needs no other
        file. Both replace files of an earlier call.

        Returns
        -------
        Path
            The study file.

        Raises
        ------
        ConfigError
            A prior has no form in a study file.
        MtjfitError
            The folder cannot be written, or holds a file of this name that mtjfit did not write.

        Examples
        --------
        >>> import tempfile
        >>> import mtjfit
        >>> study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
        >>> changed = study.replace(name="two devices", curves=study.curves[:2])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = mtjfit.load_study(changed.to_toml(folder))
        >>> again.name, again.devices == changed.devices, again.parameters == changed.parameters
        ('two devices', True, True)
        """
        return write_study(self, Path(folder))


def _remade(kind: type[Study], whole: tuple[Any, ...], text: str, files: Mapping[str, str]) -> Study:
    return as_read(kind(*whole), text, files)


def as_read(study: Study, text: str, files: Mapping[str, str]) -> Study:
    """The same study with the text of the file it was read from, and the sha256 of its data files."""
    read = replace(study)
    object.__setattr__(read, "text", text)
    object.__setattr__(read, "files", MappingProxyType(dict(files)))
    return read


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
