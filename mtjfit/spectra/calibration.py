"""Torkances from the amplitudes of lines: the spin diode with all constants of a device, and their units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data.unit_kinds import unit_factor
from mtjfit.errors import Problem
from mtjfit.spectra.kittel import GAMMA
from mtjfit.spectra.spectrum import Against

CONSTANT_UNITS: Mapping[str, str] = MappingProxyType({
    "I_rf": "current", "V_II": "resistance per current", "V_thetaI": "resistance per angle", "dV_dI": "resistance",
    "Ms_Vol": "moment", "theta": "angle", "Nx_Meff": "field", "Meff": "field", "Bk": "field", "gamma": "gamma",
})  # fmt: skip
"""Kind of unit, a key of `mtjfit.data.unit_kinds.KINDS`, by constant."""


def factor_or_problem(text: str, kind: str, where: str, problems: list[Problem]) -> float:
    """Factor of a unit to SI, or NaN and a problem at the key path `where` of the unit."""
    try:
        return unit_factor(text, kind)
    except ValueError as error:
        what, _, todo = str(error).partition("; ")
        problems.append(Problem(where, what, todo))
        return math.nan


def field_fault(field: float, frequency: float) -> str | None:
    """Reason why a field in T can hardly belong to a resonance at a frequency in Hz; None if it can.

    1 T is 28 GHz for the bare spin; less than a thousandth or more than thirty times its field means another unit.
    """
    bare = frequency / 28e9
    if 1e-3 * bare < abs(field) < 30 * bare or frequency == 0:
        return None
    place = f"{frequency / 1e9:g} GHz in {1e3 * field:g} mT"
    return f"a resonance at {place} is hardly possible: is the unit of the field right?"


@dataclass(frozen=True)
class Constant:
    """A declared constant, in SI: `value` with its standard error `sd`.

    Or a `table` of (bias in V, value), ascending: between its entries values are joined by lines, outside the last one
    holds, and `sd` is relative to the values. `own` is False where the error is common to all devices of the study.
    """

    value: float
    sd: float = 0.0
    table: tuple[tuple[float, float], ...] = ()
    own: bool = True

    def at(self, bias: FloatArray) -> FloatArray:
        """Values at biases in V."""
        return np.interp(bias, *np.array(self.table).T) if self.table else np.full(bias.shape, self.value)

    def moved(self, steps: float) -> Constant:
        """The same constant moved by so many standard errors."""
        if not self.table:
            return replace(self, value=self.value + steps * self.sd)
        return replace(self, table=tuple((V, each * (1 + steps * self.sd)) for V, each in self.table))

    @property
    def relative(self) -> float:
        """Relative standard error."""
        return self.sd if self.table else abs(self.sd / self.value) if self.value else math.inf


@dataclass(frozen=True)
class Constants(ShownAsCard):
    """Constants for the calibration of one device.

    - `I_rf`: peak amplitude of the current at radio frequency through the junction, A.
    - `V_thetaI`: ∂²V/∂θ∂I in Ω/rad, θ the angle between the moments; dR/dθ where the junction is ohmic. Positive where
      the antiparallel state has the higher resistance.
    - `dV_dI`: differential resistance, Ω. `Ms_Vol`: total moment of the free layer, A m².
    - `Nx_Meff`: N_x M_eff = B + μ0 M_eff of an in-plane layer, T, the same for all spectra; for sweeps of the
      frequency.
    - `Meff`, `Bk`: μ0 M_eff and in-plane anisotropy field, T; N_x M_eff = B + B_k + μ0 M_eff then follows from the
      field.
    - `V_II`: ∂²V/∂I² in Ω/A, for the flat background ¼ V_II I_rf², a check of I_rf.
    - `theta`: angle between the moments in degrees; the torkance at this angle does not depend on it.
    - `gamma`: rad/(s T).
    """

    I_rf: Constant
    V_thetaI: Constant
    dV_dI: Constant
    Ms_Vol: Constant
    Nx_Meff: Constant | None = None
    Meff: Constant | None = None
    Bk: Constant | None = None
    V_II: Constant | None = None
    theta: Constant | None = None
    gamma: Constant = field(default_factory=lambda: Constant(GAMMA))

    def named(self) -> Mapping[str, Constant]:
        """Those that torkances depend on, by name."""
        names = ("I_rf", "V_thetaI", "dV_dI", "Ms_Vol", "Nx_Meff", "Meff", "Bk", "gamma")
        return MappingProxyType({name: each for name in names if (each := getattr(self, name)) is not None})

    def moved(self, name: str, steps: float) -> Constants:
        """The same constants with one of them moved by so many standard errors."""
        return replace(self, **{name: getattr(self, name).moved(steps)})


def torkances(
    lines: FloatArray, bias: FloatArray, fixed: FloatArray, against: Against, constants: Constants
) -> FloatArray:
    r"""In-plane and out-of-plane torkance of n lines, shape (2, n), in N m/V.

    With M's motion ∂M/∂t = … + (γ/M_s Vol) [τ_par e_par + τ_perp e_perp], e_par = M × (P × M), e_perp = M × P, linear
    response to a current I_rf cos ωt rectifies to

        V_mix = ¼ V_II I_rf² − C [τ'_par S(ω) + Ω_perp τ'_perp A(ω)],
        C = V_θI (dV/dI) γ I_rf²/(4 M_s Vol σ),  Ω_perp = γ N_x M_eff/ω_m,  τ' = dτ/dV,

    where a torque along e_par, towards P, lowers the angle θ and with it the resistance. In the form that is often
    printed, ½ V_θI [ħγ sin θ/(4e M_s Vol σ)] I_rf² [ξ_par S − ξ_perp Ω_perp A] with ξ = (2e/ħ sin θ)(dV/dI)(dτ/dV), the
    in-plane component counts away from P: the same with τ'_par of the other sign. σ is the HALF width at half maximum
    in rad/s. Against the field, ω_m(B) passes the frequency the other way round: A(ω) = −A(|B|), and σ = ΔB dω/dB at
    resonance, dω/dB = γ² (2B + 2B_k + μ0 M_eff)/2ω.

    `lines`, shape (4, n), are centre and half width (Hz, or T), symmetric and antisymmetric amplitude (V); they may be
    complex, for derivatives by a complex step. The bias is in V, `fixed` the field in T of sweeps of the frequency, the
    frequency in Hz of sweeps of the field. The torkances are those of the device at its angle: sin θ is included.

    ValueError for sweeps of the field without `Meff`, and without both `Nx_Meff` and `Meff` with known fields.

    Examples
    --------
    >>> constants = Constants(*(Constant(value) for value in (1e-5, 300.0, 500.0, 1e-17)), Nx_Meff=Constant(1.2))
    >>> lines = np.array([[8.6e9], [0.2e9], [-1e-6], [0.0]])
    >>> float(torkances(lines, np.zeros(1), np.array([0.08]), "frequency", constants).round(23)[0, 0])
    1.904e-20
    """
    centre, width, s, a = lines
    values = {name: each.at(bias) for name, each in constants.named().items()}
    gamma = values["gamma"]
    if against == "frequency":
        omega, sigma = 2 * np.pi * centre, 2 * np.pi * width
        sign, B = 1.0, fixed
    else:
        if "Meff" not in values:
            raise ValueError("sweeps of the field need Meff: the width in frequency is the width in field times dω/dB")
        omega, sign, B = 2 * np.pi * fixed, -1.0, centre
        total = B + values.get("Bk", 0.0)
        sigma = width * gamma * gamma * (2 * total + values["Meff"]) / (2 * omega)
    if "Nx_Meff" in values:
        stiff = values["Nx_Meff"]
    elif "Meff" in values and not np.any(np.isnan(np.real(B))):
        stiff = B + values.get("Bk", 0.0) + values["Meff"]
    else:
        raise ValueError("the out-of-plane torkance needs Nx_Meff, or Meff and the field")
    per_volt = -4 * values["Ms_Vol"] * sigma / (values["V_thetaI"] * values["dV_dI"] * gamma * values["I_rf"] ** 2)
    return np.stack([per_volt * s, sign * per_volt * a * omega / (gamma * stiff)])


def rectified_background(bias: FloatArray, constants: Constants) -> FloatArray | None:
    """¼ V_II I_rf² in V, what the curvature of V(I) rectifies far from any resonance; None without V_II."""
    if constants.V_II is None:
        return None
    return np.asarray(0.25 * constants.V_II.at(bias) * constants.I_rf.at(bias) ** 2)
