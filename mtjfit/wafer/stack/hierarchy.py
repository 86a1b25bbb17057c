"""Devices of a stack, and how they depart from it: smooth parts over the wafer, and scatter of thicknesses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data.units import Per, Quantity
from mtjfit.errors import ConfigError, Problem, did_you_mean
from mtjfit.model.compress import Compressed
from mtjfit.model.likelihood import full_posterior
from mtjfit.study import (
    DOF,
    JITTER,
    LENGTHS,
    SCATTER,
    AboutNominal,
    AnyPrior,
    Correlated,
    EqualTo,
    Fixed,
    Parameter,
    Study,
    is_amplitude,
)


@dataclass(frozen=True, eq=False)
class WaferDevices(ShownAsCard):
    """Devices of one stack on one or more wafers; the raw points are no longer needed.

    Names of wafers are ``""`` where none was declared; nominal thicknesses in nm and positions in mm from the centre
    of the wafer (NaN where not declared) have the shape (n_devices,).
    """

    device: tuple[str, ...]
    wafer: tuple[str, ...]
    thickness: FloatArray
    x: FloatArray
    y: FloatArray
    data: Compressed
    quantity: Quantity
    per: Per
    unit: str

    @classmethod
    def of(
        cls, study: Study, x: Sequence[float] | FloatArray, y: Sequence[float] | FloatArray, wafer: Sequence[str] = ()
    ) -> WaferDevices:
        """From a study that holds the curves, and the positions of its devices in mm."""
        first, data = study.curves[0], full_posterior(study).data
        wafers = tuple(wafer) or ("",) * len(study.curves)
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        return cls(study.devices, wafers, study.thicknesses, x, y, data, first.quantity, first.per, first.unit)

    @property
    def n(self) -> int:
        """Number of devices."""
        return len(self.device)

    @property
    def per_volume(self) -> bool:
        """True where the data carry 1/d."""
        return self.per == "volume"

    @property
    def wafers(self) -> tuple[str, ...]:
        """Names of the wafers, in order of appearance."""
        return tuple(dict.fromkeys(self.wafer))

    def chosen(self, which: np.ndarray) -> WaferDevices:
        """Some of the devices, by a mask or by places."""
        places = np.arange(self.n)[which]
        return replace(
            self,
            device=tuple(self.device[k] for k in places),
            wafer=tuple(self.wafer[k] for k in places),
            thickness=self.thickness[places],
            x=self.x[places],
            y=self.y[places],
            data=self.data.chosen(places),
        )


SHAPES: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = MappingProxyType({
    "level": lambda x, y: np.ones_like(x + y),
    "tilt_x": lambda x, y: x + 0 * y,
    "tilt_y": lambda x, y: y + 0 * x,
    "bowl": lambda x, y: 2 * (x * x + y * y) - 1,
    "saddle": lambda x, y: x * x - y * y,
    "saddle_xy": lambda x, y: 2 * x * y,
    "edge": lambda x, y: 6 * (x * x + y * y) ** 2 - 6 * (x * x + y * y) + 1,
})  # fmt: skip
"""Shapes P(x, y) by name, for positions in units of the wafer's radius.

All but ``level`` have no mean over the disc, and the largest value of each is 1, at the edge. A bowl of 0.02 therefore
means: 2 % less than the mean in the centre, 2 % more at the edge.
"""


def shapes_at(names: Sequence[str], x: FloatArray, y: FloatArray) -> FloatArray:
    """Values of some shapes at positions in units of the wafer's radius, shape (n_devices, n_names)."""
    return np.stack([SHAPES[name](x, y) for name in names], axis=-1) if names else np.zeros((x.size, 0))


SMOOTH_SD = 0.05
"""Prior standard deviation of a smooth coefficient unless declared: 5 % from centre to edge."""


@dataclass(frozen=True)
class Hierarchy(ShownAsCard):
    """How the devices of a stack depart from the stack.

    Attributes
    ----------
    smooth : mapping of str to tuple of str
        Names of `SHAPES` by the parameter that varies with them: ``thickness`` or a shared amplitude. A coefficient is
        relative: thickness · (1 + Σ g P), a1 · (1 + Σ h P).
    sd : mapping of str to float
        Prior standard deviation of the coefficients of a parameter, about 0; 0.05 where not given.
    each : {"stack", "wafer"}
        Whether all wafers of the stack have the same smooth part, or each its own.
    thickness_scatter : prior, optional
        Standard deviation of the thickness of devices about the smooth part, in nm. Default: that of the declared
        thickness, taken as known.
    radius : float, optional
        Of the wafer, in mm. Default: how far out the outermost device lies.
    """

    smooth: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sd: Mapping[str, float] = field(default_factory=dict)
    each: Literal["stack", "wafer"] = "stack"
    thickness_scatter: AnyPrior | None = None
    radius: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "smooth", MappingProxyType({k: tuple(v) for k, v in self.smooth.items() if v}))
        object.__setattr__(self, "sd", MappingProxyType(dict(self.sd)))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (dict(self.smooth), dict(self.sd), self.each, self.thickness_scatter, self.radius)

    def sd_of(self, name: str) -> float:
        """Prior standard deviation of the smooth coefficients of a parameter."""
        return self.sd.get(name, SMOOTH_SD)


def checked(hierarchy: Hierarchy, parameters: Mapping[str, Parameter], devices: WaferDevices | None = None) -> None:
    """Raise ConfigError with all problems of declarations that do not fit together, or to the devices where given."""
    problems = list(smooth_problems(hierarchy, parameters))
    for name, parameter in parameters.items():
        if name in (*JITTER, DOF):
            problems.append(Problem(f"parameters.{name}", "is not available for wafers", "remove it"))
        elif name in LENGTHS and parameter.is_own:
            problems.append(Problem(f"parameters.{name}", f'has scope = "{parameter.scope}"',
                                    "a stack shares its lengths: remove the scope"))  # fmt: skip
    if devices is not None and hierarchy.smooth:
        lost = [name for name, x, y in zip(devices.device, devices.x, devices.y, strict=True) if np.isnan(x + y)]
        if lost:
            problems.append(Problem("wafer.smooth", f"needs positions, but device {lost[0]!r} has none",
                                    "declare x and y of every device, or remove the smooth part"))  # fmt: skip
    if problems:
        raise ConfigError(problems)


def smooth_problems(hierarchy: Hierarchy, parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    """Problems of the smooth parts, of the scatter of thicknesses, and of what only studies can declare."""
    for name, parameter in parameters.items():
        if isinstance(parameter.prior, EqualTo):
            todo = "give it a prior or a fixed value, or fit these devices as a study"
            yield Problem(f"parameters.{name}", f"is tied ({parameter.prior.describe()}), which wafers cannot be", todo)
        elif isinstance(parameter.prior, Correlated):
            what = f"has the prior {parameter.prior.describe()}, but wafers take independent priors"
            yield Problem(f"parameters.{name}", what, "remove the correlation, or fit these devices as a study")
    for name, shapes in hierarchy.smooth.items():
        where = f"wafer.smooth.{name}"
        if name != "thickness" and not (is_amplitude(name) and name in parameters):
            known = ["thickness", *(each for each in parameters if is_amplitude(each))]
            yield Problem(where, "cannot vary smoothly over the wafer", did_you_mean(name, known))
        elif name != "thickness" and parameters[name].is_own:
            yield Problem(where, f"is declared, but every device has its own {name}",
                          f"share {name} and declare {SCATTER}{name}, or remove the smooth part")  # fmt: skip
        for k, shape in enumerate(shapes):
            if shape not in SHAPES:
                yield Problem(where, f"has {shape!r}, which is no shape", did_you_mean(shape, list(SHAPES)))
            elif shape in shapes[:k]:
                yield Problem(where, f"has {shape!r} twice", "remove one")
    for name, sd in hierarchy.sd.items():
        if name not in hierarchy.smooth:
            yield Problem(f"wafer.smooth_sd.{name}", f"is given, but {name} has no smooth part", "remove it")
        if not 0 < sd < np.inf:
            yield Problem(f"wafer.smooth_sd.{name}", f"is {sd!r}", "give a positive number, relative to the mean")
    if hierarchy.each not in ("stack", "wafer"):
        yield Problem("wafer.smooth_each", f"is {hierarchy.each!r}", 'write "stack" or "wafer"')
    if hierarchy.radius is not None and not 0 < hierarchy.radius < np.inf:
        yield Problem("wafer.radius", f"is {hierarchy.radius!r}", "give the radius of the wafer in mm")
    scatter = hierarchy.thickness_scatter
    if isinstance(scatter, AboutNominal):
        yield Problem("parameters.thickness_scatter", "has a prior about a nominal value",
                      "use a lognormal prior, in nm")  # fmt: skip
    elif scatter is not None:
        low = scatter.support[0]
        if not 0 <= low < np.inf or (isinstance(scatter, Fixed) and low == 0):
            yield Problem("parameters.thickness_scatter", "may be zero or negative" if low < 0 else f"is {low:g}",
                          "use a positive prior in nm, such as lognormal, or leave it out")  # fmt: skip
