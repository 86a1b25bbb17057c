"""Measurements that might be made: one more device, or devices that are there measured again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.data import FloatArray, Origin, TorqueCurve
from mtjfit.data.angle import SinTheta
from mtjfit.data.units import Per, Quantity, check_unit, conversion, find_unit
from mtjfit.infer.planning.errors import point_errors, typical_noise
from mtjfit.model.layout import IntArray
from mtjfit.study import Fixed, Noise, Prior, Proposal

__all__ = ["Candidate", "Measurement", "again", "measurement_like", "new_devices", "other_cap", "proposed"]

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
    group : str
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
    name : str
    kind : str
        ``"thickness"`` for one new device; anything else is no part of a choice of several thicknesses.
    measurements : tuple of Measurement
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
    curve : TorqueCurve
    scale, unit : float, str
        What turns its numbers into the unit of the study, and that unit.
    powers : ndarray of int
        Powers of V in J0.
    noise : mapping of str to float
        Typical ``noise_par`` and ``noise_perp`` where errors are fitted, ``jitter_par`` and ``jitter_perp`` where there
        is jitter, and ``student``, the factor by which Student-t errors are worth less than normal ones.
    """
    par, perp = typical_noise(point_errors(curve, scale, powers, noise))
    bias = np.linspace(curve.bias[curve.used].min(), curve.bias[curve.used].max(), curve.n_used)
    return Measurement(
        curve.device, curve.thickness, bias, par, perp, curve.quantity, curve.per, unit,
        curve.group, curve.angle, curve.sin_theta,
    )  # fmt: skip


def proposed(proposal: Proposal) -> Measurement:
    """The measurement that a proposal describes, for a device without a thickness yet."""
    wishes = proposal.wishes
    if wishes.sweep is None or wishes.noise is None or wishes.quantity is None or wishes.per is None:
        raise ValueError("a proposal says bias, noise, quantity and per")
    return Measurement(
        "new", wishes.thickness[0], wishes.sweep, wishes.noise, wishes.noise, wishes.quantity, wishes.per, proposal.unit
    )  # fmt: skip


def new_devices(like: Measurement, thicknesses: Iterable[float], taken: Sequence[str] = ()) -> tuple[Candidate, ...]:
    """One candidate for each thickness, a new device that is measured like another.

    Examples
    --------
    >>> import numpy as np
    >>> like = Measurement("A", 2.0, np.array([-0.1, 0.1]), Noise(0.1), Noise(0.1), "torque", "device")
    >>> [candidate.name for candidate in new_devices(like, (1.0, 1.5), taken=("1 nm",))]
    ["1 nm'", '1.5 nm']
    """
    found = []
    for d in thicknesses:
        name = f"{d:g} nm"
        while name in taken:
            name += "'"
        found.append(Candidate(name, "thickness", (replace(like, device=name, thickness=float(d)),)))
    return tuple(found)


def other_cap(like: Measurement, thicknesses: Iterable[float], Lambda: Fixed | Prior) -> tuple[Candidate, ...]:
    """One candidate for each thickness, a new device with another metal behind its free layer.

    Parameters
    ----------
    like : Measurement
    thicknesses : iterable of float
        In nm.
    Lambda : Fixed or Prior
        D_F/D_N · λ_sf^N of the new metal in nm; what is not known of it is one more parameter.

    Examples
    --------
    >>> import numpy as np
    >>> like = Measurement("A", 2.0, np.array([-0.1, 0.1]), Noise(0.1), Noise(0.1), "torque", "device")
    >>> [candidate.name for candidate in other_cap(like, (1.0, 1.5), Fixed(10.0))]
    ['1 nm, other cap', '1.5 nm, other cap']
    """
    found = []
    for d in thicknesses:
        name = f"{d:g} nm, other cap"
        made = replace(like, device=name, thickness=float(d), group="other cap", cap=Lambda)
        found.append(Candidate(name, "cap", (made,)))
    return tuple(found)


def again(devices: Sequence[Measurement]) -> tuple[Candidate, ...]:
    """What else could be done with the devices that are there: each measured once more, or all of them better.

    Parameters
    ----------
    devices : sequence of Measurement
        One for each device of the study, as it was measured.

    Returns
    -------
    tuple of Candidate
        Each device again; all again; all with twice the points, with a window wider by half and the same spacing, with
        half the noise; and all as torque where they were measured as torkance, or the other way round.
    """
    other: Quantity = "torque" if devices[0].quantity == "torkance" else "torkance"

    def all_of(name: str, kind: str, change: object) -> Candidate:
        return Candidate(name, kind, tuple(change(each) for each in devices))  # type: ignore[operator]

    return (
        *(Candidate(f"{each.device} again", "again", (each,)) for each in devices),
        all_of("all again, twice the points", "points", lambda m: replace(m, bias=_resampled(m.bias, 1.0, 2.0))),
        all_of(
            "all again, window 1.5 times as wide", "window", lambda m: replace(m, bias=_resampled(m.bias, 1.5, 1.5))
        ),
        all_of("all again, half the noise", "noise", _half_the_noise),
        all_of(f"all again, as {other}", other, lambda m: _as(m, other)),
    )


def _resampled(bias: FloatArray, width: float, number: float) -> FloatArray:
    middle, half = 0.5 * (bias.max() + bias.min()), 0.5 * (bias.max() - bias.min())
    return np.linspace(middle - width * half, middle + width * half, max(2, round(number * bias.size)))


def _half_the_noise(like: Measurement) -> Measurement:
    return replace(like, noise_par=_times(like.noise_par, 0.5), noise_perp=_times(like.noise_perp, 0.5))


def _times(noise: Noise, factor: float) -> Noise:
    return replace(noise, value=factor * noise.value)


def _as(like: Measurement, quantity: Quantity) -> Measurement:
    """The same sweep of the other quantity, with errors that are the same fraction of a linear signal."""
    far = float(np.abs(like.bias).max())
    factor = far if quantity == "torque" else 1 / far
    if like.noise_par.relative:
        factor = 1.0
    par, perp = _times(like.noise_par, factor), _times(like.noise_perp, factor)
    return replace(like, quantity=quantity, noise_par=par, noise_perp=perp)
