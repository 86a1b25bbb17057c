"""A sweep of one device that has not been made yet, and the errors that its points would have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import Origin, TorqueCurve
from mtjfit.data.curve import curve_name
from mtjfit.data.curve_checks import SinTheta
from mtjfit.data.units import Per, Quantity, check_unit, conversion, find_unit
from mtjfit.model.compress import polynomial_design, polynomial_slope
from mtjfit.model.noise import PointErrors, effective_errors
from mtjfit.planning import Design
from mtjfit.study import CurrentTerm, Fixed, Noise, Prior
from mtjfit.study.current_term import NO_TERMS

_ORIGIN = Origin("simulated", "planned; nobody has measured it")
_SI = {"moment": "N m", "areal": "J/m2", "density": "J/m3", "field": "T", "arb": "arb"}


@dataclass(frozen=True, eq=False)
class Measurement(ShownAsCard):
    """One planned sweep of one device.

    Attributes
    ----------
    device, condition : str
        A device of the study, which is then measured again, under this condition, or a new name.
    thickness : float
        Nominal, in nm.
    bias : ndarray, shape (n,)
        In V.
    unit : str
        That of the study, also where `quantity` is not.
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
    condition: str = ""

    @property
    def name(self) -> str:
        """Name of the curve that is made."""
        return curve_name(self.device, self.condition)

    def curve(self, signal: float = 1.0) -> TorqueCurve:
        """The sweep as a curve of zeros with its errors, to simulate and to fit.

        The unit is that of the study, or an SI unit where that is one of the other quantity. `signal` is the largest
        in-plane J0 or dJ0/dV, of which relative errors are a share.
        """
        unit = self.unit
        if check_unit(unit, self.quantity, self.per) is not None:
            dimension = find_unit(unit).dimension
            unit = _SI[dimension] + ("/V" if self.quantity == "torkance" and dimension != "arb" else "")
        scale, zero = conversion(self.unit, unit), np.zeros(self.bias.size)
        errors = (each.value * (signal if each.relative else 1.0) for each in (self.noise_par, self.noise_perp))
        sigma = [None if np.isinf(error) else np.full(zero.size, error * scale) for error in errors]
        par, perp = (np.asarray(np.nan) if each is None else zero for each in sigma)
        return TorqueCurve(
            self.device, self.bias, par, perp, self.thickness, self.quantity, self.per, unit, sigma_par=sigma[0],
            sigma_perp=sigma[1], group=self.group, angle=self.angle, sin_theta=self.sin_theta, origin=_ORIGIN,
            condition=self.condition,
        )  # fmt: skip


def point_errors(
    curve: TorqueCurve,
    scale: float,
    powers: IntArray,
    noise: Mapping[str, float],
    terms: Mapping[int, CurrentTerm] = NO_TERMS,
) -> PointErrors:
    """Errors of the points in use as in the likelihood, with correlations and errors of the bias.

    `scale` turns the numbers of the curve into the unit of the study. `noise`: typical ``noise_par`` and ``noise_perp``
    where errors are fitted, ``jitter_par`` and ``jitter_perp``, and ``student``, the factor by which Student-t errors
    are worth less.
    """
    if curve.sigma_is_fitted:
        scales = [noise.get(f"noise_{part}", 1.0) ** 2 for part in ("par", "perp")]
        par, perp = np.where(curve.used_values[:, curve.used], np.array(scales)[:, None], np.inf)
        errors = PointErrors(par, perp, np.zeros(curve.n_used))
    else:
        used = curve.bias[curve.used]
        design, slope = (of(curve, powers, used, terms) for of in (polynomial_design, polynomial_slope))
        errors = effective_errors(curve, scale, design, slope)
        extra = [noise.get(f"jitter_{part}", 0.0) ** 2 for part in ("par", "perp")]
        errors = replace(errors, par=errors.par + extra[0], perp=errors.perp + extra[1])
    worse = noise.get("student", 1.0) ** 2
    return errors if worse == 1 else replace(errors, par=errors.par * worse, perp=errors.perp * worse)


def measurement_like(
    curve: TorqueCurve,
    scale: float,
    unit: str,
    powers: IntArray,
    noise: Mapping[str, float],
    terms: Mapping[int, CurrentTerm] = NO_TERMS,
) -> Measurement:
    """The sweep of a measured device, to be made again: as many points, in the same window, with the same information.

    Errors of its points are independent of each other, also where those of the curve are not. See `point_errors`.
    """
    errors = point_errors(curve, scale, powers, noise, terms)
    rest = np.zeros((2, errors.par.size)) if errors.rest is None else np.diagonal(errors.rest).reshape(2, -1)
    # one error that carries the information of all points, were these independent
    information = (float(np.mean(1 / each)) for each in (errors.par + rest[0], errors.perp + rest[1]))
    par, perp = (Noise(each**-0.5 if each else np.inf) for each in information)
    bias = np.linspace(curve.bias[curve.used].min(), curve.bias[curve.used].max(), curve.n_used)
    return Measurement(
        curve.device, curve.thickness, bias, par, perp, curve.quantity, curve.per, unit,
        curve.group, curve.angle, curve.sin_theta, condition=curve.condition,
    )  # fmt: skip


def measurement_of(design: Design) -> Measurement:
    """The measurement that a design describes, of its first thickness."""
    asked = design.request
    if asked.sweep is None or asked.noise is None or asked.quantity is None or asked.per is None:
        raise ValueError("a design needs bias, noise, quantity and per")
    thickness, noise = asked.thickness[0], asked.noise
    return Measurement("new", thickness, asked.sweep, noise, noise, asked.quantity, asked.per, design.unit)
