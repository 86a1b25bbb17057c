"""State of the sliders of the explorer, and the study in which every one of them can be moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import TorqueCurve
from mtjfit.errors import MtjfitError
from mtjfit.model.device_combinations import noise_estimate
from mtjfit.model.equivalent_noise import as_normal
from mtjfit.model.layout import with_own_amplitudes
from mtjfit.model.likelihood import FullPosterior, whitened
from mtjfit.study import NOISE, AboutNominal, AnyPrior, Fixed, LogUniform, Normal, Parameter, ParameterName, Study

AMPLITUDES = ("a1", "b1", "b2")
"""Coefficients of J0(V) that have a slider."""

_IN_THE_LAYER = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio")

SLIDERS = (*_IN_THE_LAYER, "d", *AMPLITUDES)
"""Sliders; `d` is the thickness of the device that is shown."""

_ANY_LENGTH = LogUniform(1e-3, 1e5)


@dataclass(frozen=True)
class SliderState(ShownAsCard):
    """Values of all parameters by their names in tables, the device that is shown, and what fits and exports hold."""

    values: Mapping[str, float]
    device: str
    held: frozenset[str]


@dataclass(frozen=True, eq=False)
class ExploredStudy(ShownAsCard):
    """A study, as it was loaded, and its likelihood with every slider free to move; MtjfitError for another κ."""

    study: Study

    def __post_init__(self) -> None:
        if not self.study.model.is_eq12:
            raise MtjfitError(
                f"the sliders are the lengths of Eq. 12, but the study has the model {self.study.model.name!r}: draw "
                "that one with mtjfit.plot, or explore the study of Eq. 12"
            )

    @cached_property
    def open(self) -> Study:
        """The study with a free parameter behind every slider; Λ as λ_sf^N with D_ratio = 1, unless declared so."""
        study = with_own_amplitudes(self.study)
        parameters = dict(study.parameters)
        if "Lambda" in parameters:
            of = parameters.pop("Lambda")
            parameters["lambda_sf_N"] = Parameter("lambda_sf_N", of.prior, of.scope)
            parameters["D_ratio"] = Parameter("D_ratio", Fixed(1.0))
        for name in _IN_THE_LAYER:
            parameters[name] = _freed(parameters[name], _ANY_LENGTH)
        for name in AMPLITUDES:
            parameters[name] = _freed(parameters.get(name, Parameter(name, Fixed(0.0))), Normal(0.0, 1.0))
        parameters["thickness"] = _freed(parameters["thickness"], AboutNominal(1.0))
        return study.replace(parameters=parameters)

    @cached_property
    def normal(self) -> Study:
        """The opened study with normal errors, for χ²; its points are not those that were measured."""
        return as_normal(self.open)

    @cached_property
    def model(self) -> FullPosterior:
        """Likelihood of the opened study."""
        return FullPosterior(self.normal)

    def curve(self, device: str) -> TorqueCurve:
        """One device; ValueError if there is none of this name."""
        return self.study.curves[self.study.devices.index(device)]

    def vectors(self, values: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        """Non-linear parameters, shape (size,), and amplitudes, shape (n_free,), in the order of the model."""
        model = self.model
        return np.array([values[n] for n in model.layout.names]), np.array([values[n] for n in model.amplitudes.names])


def _freed(parameter: Parameter, prior: AnyPrior) -> Parameter:
    """A parameter that moves by itself, as a tied one does with the prior that follows from the other."""
    follows = None if parameter.tie is None else parameter.tie.prior
    return replace(parameter, prior=prior if parameter.is_fixed else follows or parameter.prior)


def start(explored: ExploredStudy) -> SliderState:
    """Medians of the priors, nominal thicknesses, fixed values, and the amplitudes that then fit best.

    Returns
    -------
    SliderState
        With the first device; held is what the study fixes or does not declare.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> state = start(ExploredStudy(load_study(dataset("thickness-series").study_file)))
    >>> state.device, sorted(state.held), round(state.values["lambda_J"], 2)
    ('F0.8nm', ['D_ratio', 'b1'], 3.16)
    """
    study, model = explored.study, explored.model
    values: dict[str, float] = {e.name: _begins(study, e.name, e.prior.quantile(0.5)) for e in model.layout.entries}
    values |= dict(zip(study.names_of("thickness"), study.thicknesses.tolist(), strict=True))
    if any(name in model.layout.index for name in NOISE):
        values |= _noise(model)
    held = frozenset(name for name in (*_IN_THE_LAYER, *AMPLITUDES) if _is_held(study, name))
    fixed: dict[str, float] = {name: _begins(study, name, 0.0) for name in model.amplitudes.names}
    amplitudes = projected(model, np.array([values[n] for n in model.layout.names]), fixed, held)
    return SliderState(MappingProxyType(values | amplitudes), study.devices[0], held)


def _is_held(study: Study, name: str) -> bool:
    if name == "lambda_sf_N" and "Lambda" in study.parameters:
        return study.parameters["Lambda"].is_fixed
    return name not in study.parameters or study.parameters[name].is_fixed


def _begins(study: Study, label: str, median: object) -> float:
    """Value of a fixed parameter, else the median of its prior."""
    name = ParameterName(label).base
    if name in ("lambda_sf_N", "D_ratio") and "Lambda" in study.parameters:
        declared = study.parameters["Lambda"] if name == "lambda_sf_N" else Parameter(name, Fixed(1.0))
    else:
        declared = study.parameters.get(name, Parameter(name, Fixed(0.0)))
    return float(np.asarray(median)) if declared.value is None else declared.value


def _noise(model: FullPosterior) -> dict[str, float]:
    """Noise scales, where the errors are to be fitted, from the scatter about free polynomials."""
    sigma, found = noise_estimate(model), {}
    for c, name in enumerate(NOISE):
        index = model.layout.index.get(name, np.empty(0, dtype=int))
        for j in np.flatnonzero(index >= 0):
            if model.data.fitted[j]:
                found[model.layout.names[index[j]]] = float(sigma[j, c])
    return found


def projected(
    model: FullPosterior, values: FloatArray, amplitudes: Mapping[str, float], held: frozenset[str]
) -> dict[str, float]:
    """Amplitudes that fit best at given lengths and thicknesses; those that are held keep their value."""
    names = model.amplitudes.names
    free = np.array([name.base not in held for name in names], dtype=bool)
    best = np.array([amplitudes[name] for name in names])
    design, target, _, _ = whitened(model, values[None, :])
    if free.any():
        left = target[0] - design[0][:, ~free] @ best[~free]
        best[free] = np.linalg.pinv(design[0][:, free], rcond=1e-13) @ left
    return dict(zip(names, best.tolist(), strict=True))


def name_of(explored: ExploredStudy, device: str, slider: str) -> str:
    """Name in tables of what a slider moves for a device, such as ``a1`` or ``thickness[dev1]``."""
    model, j = explored.model, explored.study.devices.index(device)
    if slider == "d":
        return ParameterName("thickness", explored.study.curves[j].device)
    if slider in AMPLITUDES:
        return model.amplitudes.names[int(model.amplitudes.column[j, explored.open.amplitudes.index(slider)])]
    return model.layout.names[int(model.layout.index[slider][j])]


def value_of(explored: ExploredStudy, state: SliderState, slider: str) -> float:
    """Value of a slider, in nm or in the unit of the amplitude."""
    return state.values[name_of(explored, state.device, slider)]


def moved(explored: ExploredStudy, state: SliderState, slider: str, value: float) -> SliderState:
    """The state after a slider was moved; shared parameters move for all devices.

    Raises
    ------
    ValueError
        There is no such slider, or a length that is not positive.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> explored = ExploredStudy(load_study(dataset("thickness-series").study_file))
    >>> moved(explored, start(explored), "d", 0.9).values["thickness[F0.8nm]"]
    0.9
    """
    if slider not in SLIDERS:
        raise ValueError(f"{slider!r} is none of {', '.join(SLIDERS)}")
    if slider not in AMPLITUDES and not value > 0:
        raise ValueError(f"{slider} = {value}: give a positive number")
    return replace(state, values=MappingProxyType({**state.values, name_of(explored, state.device, slider): value}))


def shown(state: SliderState, device: str) -> SliderState:
    """The state with another device in the pictures."""
    return replace(state, device=device)
