"""Measurements that might be made: one more device, or devices that are there measured again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.data import FloatArray, Origin, TorqueCurve
from mtjfit.data.curve_checks import SinTheta
from mtjfit.data.units import Per, Quantity, check_unit, conversion, find_unit
from mtjfit.model.compress import polynomial_design, polynomial_slope
from mtjfit.model.layout import IntArray
from mtjfit.model.noise import PointErrors, effective_errors
from mtjfit.planning import Design
from mtjfit.study import Fixed, Noise, Prior

__all__ = [
    "Candidate",
    "Measurement",
    "again",
    "measurement_like",
    "measurement_of",
    "new_devices",
    "point_errors",
]


def point_errors(curve: TorqueCurve, scale: float, powers: IntArray, noise: Mapping[str, float]) -> PointErrors:
    """Errors of the points in use as the likelihood knows them, correlations and errors of the bias included.

    Parameters
    ----------
    scale : float
        What turns its numbers into the unit of the study.
    powers : ndarray of int
        Powers of V in J0.
    noise : mapping of str to float
        See `measurement_like`.
    """
    if curve.sigma_is_fitted:
        par, perp = (np.full(curve.n_used, noise[f"noise_{part}"] ** 2) for part in ("par", "perp"))
        errors = PointErrors(par, perp, np.zeros(curve.n_used))
    else:
        used = curve.bias[curve.used]
        errors = effective_errors(
            curve, scale, polynomial_design(curve, powers, used), polynomial_slope(curve, powers, used)
        )
        extra = [noise.get(f"jitter_{part}", 0.0) ** 2 for part in ("par", "perp")]
        errors = replace(errors, par=errors.par + extra[0], perp=errors.perp + extra[1])
    worse = noise.get("student", 1.0) ** 2
    return errors if worse == 1 else replace(errors, par=errors.par * worse, perp=errors.perp * worse)


def _typical_noise(errors: PointErrors) -> tuple[Noise, Noise]:
    """The one error of each component that carries as much information as those of the points, were these independent.

    Examples
    --------
    >>> [each.value for each in _typical_noise(PointErrors(np.full(3, 4.0), np.full(3, 1.0), np.zeros(3)))]
    [2.0, 1.0]
    """
    rest = np.zeros((2, errors.par.size)) if errors.rest is None else np.diagonal(errors.rest).reshape(2, -1)
    par, perp = (float(np.mean(1 / each) ** -0.5) for each in (errors.par + rest[0], errors.perp + rest[1]))
    return Noise(par), Noise(perp)


_ORIGIN = Origin("simulated", "planned; nobody has measured it")
_SI = {"moment": "N m", "areal": "J/m2", "density": "J/m3", "field": "T", "arb": "arb"}


@dataclass(frozen=True, eq=False)
class Measurement:
    """One sweep of one device that nobody has made yet.

    Attributes
    ----------
    device : str
        A device of the study, which is then measured again, or a new name.
    thickness : float
        Nominal, in nm.
    bias : ndarray, shape (n,)
        In V.
    noise_par, noise_perp : Noise
        Standard error of every point.
    quantity, per, unit : str
        As of a curve; `unit` is that of the study, also where `quantity` is not.
    angle, sin_theta
        As of a curve.
    cap : Fixed or Prior, optional
        Λ in nm where another metal lies behind the free layer than behind those of the study.
    """

    device: str
    thickness: float
    bias: FloatArray
    noise_par: Noise
    noise_perp: Noise
    quantity: Quantity
    per: Per
    unit: str = "arb"
    group: str = ""
    angle: float | None = None
    sin_theta: SinTheta | None = None
    cap: Fixed | Prior | None = None

    def curve(self, signal: float = 1.0) -> TorqueCurve:
        """The sweep as a curve of zeros with its errors, to simulate and to fit.

        Parameters
        ----------
        signal : float
            What relative errors are relative to: the largest in-plane value of J0 or dJ0/dV.

        Returns
        -------
        TorqueCurve
            In the unit of the study, or in SI units where that is one of the other quantity.
        """
        unit = self.unit
        if check_unit(unit, self.quantity, self.per) is not None:
            dimension = find_unit(unit).dimension
            unit = _SI[dimension] + ("/V" if self.quantity == "torkance" and dimension != "arb" else "")
        scale, zero = conversion(self.unit, unit), np.zeros(self.bias.size)
        par, perp = (each.value * (signal if each.relative else 1.0) for each in (self.noise_par, self.noise_perp))
        return TorqueCurve(
            self.device, self.bias, zero, zero, self.thickness, self.quantity, self.per, unit,
            sigma_par=np.full(zero.size, par * scale), sigma_perp=np.full(zero.size, perp * scale),
            group=self.group, angle=self.angle, sin_theta=self.sin_theta, origin=_ORIGIN,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Candidate:
    """Something to do next: a name for tables, what kind of step it is, and its measurements.

    Attributes
    ----------
    kind : str
        ``"thickness"`` for one new device; anything else is no part of a choice of several thicknesses.
    """

    name: str
    kind: str
    measurements: tuple[Measurement, ...]

    @property
    def thickness(self) -> float:
        """Nominal thickness in nm of the one device; NaN where there are several."""
        return self.measurements[0].thickness if len(self.measurements) == 1 else float("nan")


def measurement_like(
    curve: TorqueCurve, scale: float, unit: str, powers: IntArray, noise: Mapping[str, float]
) -> Measurement:
    """The sweep of a device as if it were to be made again: as many points, in the same window, as well measured.

    Its points err independently of each other, also where those of the sweep that is there do not.

    Parameters
    ----------
    scale, unit : float, str
        What turns its numbers into the unit of the study, and that unit.
    powers : ndarray of int
        Powers of V in J0.
    noise : mapping of str to float
        Typical ``noise_par`` and ``noise_perp`` where errors are fitted, ``jitter_par`` and ``jitter_perp`` where there
        is jitter, and ``student``, the factor by which Student-t errors are worth less than normal ones.
    """
    par, perp = _typical_noise(point_errors(curve, scale, powers, noise))
    bias = np.linspace(curve.bias[curve.used].min(), curve.bias[curve.used].max(), curve.n_used)
    return Measurement(
        curve.device, curve.thickness, bias, par, perp, curve.quantity, curve.per, unit,
        curve.group, curve.angle, curve.sin_theta,
    )  # fmt: skip


def measurement_of(design: Design) -> Measurement:
    """The measurement that a design describes, for a device without a thickness yet."""
    asked = design.request
    if asked.sweep is None or asked.noise is None or asked.quantity is None or asked.per is None:
        raise ValueError("a design says bias, noise, quantity and per")
    thickness, noise = asked.thickness[0], asked.noise
    return Measurement("new", thickness, asked.sweep, noise, noise, asked.quantity, asked.per, design.unit)


def new_devices(
    like: Measurement, thicknesses: Iterable[float], taken: Sequence[str] = (), cap: Fixed | Prior | None = None
) -> tuple[Candidate, ...]:
    """One candidate for each thickness in nm, a new device that is measured like another.

    With `cap`, another metal lies behind its free layer, of this D_F/D_N · λ_sf^N in nm; what is not known of it is one
    more parameter.

    Examples
    --------
    >>> import numpy as np
    >>> like = Measurement("A", 2.0, np.array([-0.1, 0.1]), Noise(0.1), Noise(0.1), "torque", "device")
    >>> [candidate.name for candidate in new_devices(like, (1.0, 1.5), taken=("1 nm",))]
    ["1 nm'", '1.5 nm']
    >>> [candidate.name for candidate in new_devices(like, (1.0, 1.5), cap=Fixed(10.0))]
    ['1 nm, other cap', '1.5 nm, other cap']
    """
    kind, suffix, group = ("thickness", "", like.group) if cap is None else ("cap", ", other cap", "other cap")
    found = []
    for d in thicknesses:
        name = f"{d:g} nm{suffix}"
        while name in taken:
            name += "'"
        found.append(Candidate(name, kind, (replace(like, device=name, thickness=float(d), group=group, cap=cap),)))
    return tuple(found)


def again(devices: Sequence[Measurement]) -> tuple[Candidate, ...]:
    """What else could be done with the devices that are there, one measurement of each as it was made.

    Each device again; all again; all with twice the points, with a window wider by half and the same spacing, with half
    the noise; and all as torque where they were measured as torkance, or the other way round.
    """
    other: Quantity = "torque" if devices[0].quantity == "torkance" else "torkance"
    changes: tuple[tuple[str, str, Callable[[Measurement], Measurement]], ...] = (
        ("points", "twice the points", lambda one: _resampled(one, 1.0, 2.0)),
        ("window", "window 1.5 times as wide", lambda one: _resampled(one, 1.5, 1.5)),
        ("noise", "half the noise", lambda one: _with_noise(one, 0.5)),
        (other, f"as {other}", lambda one: _as(one, other)),
    )
    return (
        *(Candidate(f"{each.device} again", "again", (each,)) for each in devices),
        *(Candidate(f"all again, {what}", kind, tuple(map(change, devices))) for kind, what, change in changes),
    )


def _resampled(like: Measurement, width: float, number: float) -> Measurement:
    bias = like.bias
    middle, half = 0.5 * (bias.max() + bias.min()), 0.5 * (bias.max() - bias.min())
    n = max(2, round(number * bias.size))
    return replace(like, bias=np.linspace(middle - width * half, middle + width * half, n))


def _with_noise(like: Measurement, factor: float) -> Measurement:
    par, perp = (replace(noise, value=factor * noise.value) for noise in (like.noise_par, like.noise_perp))
    return replace(like, noise_par=par, noise_perp=perp)


def _as(like: Measurement, quantity: Quantity) -> Measurement:
    """The same sweep of the other quantity, with errors that are the same fraction of a linear signal."""
    far = float(np.abs(like.bias).max())
    factor = 1.0 if like.noise_par.relative else far if quantity == "torque" else 1 / far
    return replace(_with_noise(like, factor), quantity=quantity)
