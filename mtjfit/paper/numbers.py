"""The numbers of the three figures of Manchon, Matsumoto, Jaffrès, Grollier, PRB 86, 060404(R) (2012).

Every table has one row for each point, and every row carries all parameters that went into it, so that it can be
checked, or drawn again, on its own. Defaults are the paper's parameters, conventions and errors those of
`mtjfit.physics`; a parameter that is array_like gives a curve for each value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mtjfit.arrays import FloatArray
from mtjfit.physics import Interface, kappa, spin_accumulation, torque, wave_numbers
from mtjfit.plain import csv_bytes

TorquePer: TypeAlias = Literal["device", "volume"]

SANKEY = {"a1": 0.13, "b2": 0.625 * 0.13}
"""J0 after Sankey et al. 2008, reconstructed as in the bundled set: a1 in (ħ/2e) kΩ⁻¹, b2 in (ħ/2e) kΩ⁻¹ V⁻¹."""

_POINTS = 601
_MICROAMPERE = 1e3  # kΩ⁻¹ V is mA
_TORQUE: dict[TorquePer, str] = {"device": "_hbar_2e_uA", "volume": "_hbar_2e_uA_per_nm"}
_LENGTHS = ("d", "lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
_COLUMN = {name: f"{name}_nm" for name in _LENGTHS} | {
    "D_ratio": "D_ratio", "a1": "a1_hbar_2e_per_kohm", "b2": "b2_hbar_2e_per_kohm_per_V",
}  # fmt: skip
_UNIT = dict.fromkeys(_LENGTHS, " nm") | {"D_ratio": "", "a1": " (hbar/2e)/kohm", "b2": " (hbar/2e)/kohm/V"}


def _rows(curves: Sequence[dict[str, object]]) -> pd.DataFrame:
    """One table of several curves, each given by its columns; what is constant is repeated in every row."""
    return pd.concat([pd.DataFrame(curve) for curve in curves], ignore_index=True)


def _grid(low: float, high: float) -> FloatArray:
    """Points of an axis, as short decimals: linspace alone has 0.060000000000000005."""
    return np.round(np.linspace(low, high, _POINTS), 12)


def _each(values: ArrayLike) -> list[float]:
    return [float(value) for value in np.atleast_1d(np.asarray(values, dtype=float))]


def accumulation(
    *,
    d: float = 2.0,
    lambda_J: float = 1.0,
    lambda_phi: ArrayLike = (0.5, 1.0, 1.5),
    lambda_sf_F: float = 15.0,
    lambda_sf_N: float = 2.0,
    D_ratio: float = 1.0,
    x_max: float = 6.0,
) -> pd.DataFrame:
    """Fig. 1: transverse spin accumulation against the distance from the barrier, Eq. 9–10, for J_perp = 0.

    Columns: ``x_nm`` from 0 to `x_max`, with x = d among them, ``layer`` (F or N), ``m_par_nm``, ``m_perp_nm`` (m
    D_F/J0, in nm), and all parameters.

    Examples
    --------
    >>> table = accumulation(lambda_phi=1.0)
    >>> table.loc[table.x_nm == 2.0, ["layer", "m_par_nm", "m_perp_nm"]].round(3).to_numpy().tolist()
    [['F', 0.049, 0.124]]
    """
    x = _grid(0.0, x_max)
    if 0 < d < x_max:
        x = np.union1d(x, [d])
    curves: list[dict[str, object]] = []
    for phi in _each(lambda_phi):
        m = spin_accumulation(x, d, lambda_J, phi, lambda_sf_F, lambda_sf_N, D_ratio)
        curves.append({
            "lambda_phi_nm": phi, "x_nm": x, "layer": np.where(x <= d, "F", "N"), "m_par_nm": m.real,
            "m_perp_nm": m.imag, "d_nm": d, "lambda_J_nm": lambda_J, "lambda_sf_F_nm": lambda_sf_F,
            "lambda_sf_N_nm": lambda_sf_N, "D_ratio": D_ratio,
        })  # fmt: skip
    return _rows(curves)


def thickness_dependence(
    *,
    lambda_J: ArrayLike = (0.5, 1.0, 1.5),
    lambda_phi: ArrayLike = (0.5, 1.0),
    lambda_sf_F: float = 15.0,
    lambda_sf_N: float = 2.0,
    D_ratio: float = 1.0,
    d_max: float = 6.0,
) -> pd.DataFrame:
    """Fig. 2: d T_par/J0, d T_perp/J0 and T_perp/T_par against the thickness, Eq. 12, for J_perp = 0.

    Columns: ``d_nm`` from 0 to `d_max`, ``dT_par_over_J0`` and ``dT_perp_over_J0`` (Re κ, Im κ), ``T_perp_over_T_par``,
    and all parameters. At d = 0 the ratio is its limit −λ_φ²/λ_J², or Im κ/Re κ where nothing leaves F (Λ = inf).

    Examples
    --------
    >>> table = thickness_dependence(lambda_J=1.0, lambda_phi=0.5)
    >>> table.loc[table.d_nm == 2.0, ["dT_par_over_J0", "T_perp_over_T_par"]].round(3).to_numpy().tolist()
    [[0.993, -0.004]]
    """
    d = _grid(0.0, d_max)
    curves: list[dict[str, object]] = []
    for phi in _each(lambda_phi):
        for J in _each(lambda_J):
            transferred = kappa(d, J, phi, lambda_sf_F, lambda_sf_N, D_ratio)
            # κ vanishes at d = 0 as a real number times 1/L0²
            direction = np.where(transferred == 0, wave_numbers(J, phi, lambda_sf_F)[0], transferred)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = direction.imag / direction.real
            curves.append({
                "lambda_J_nm": J, "lambda_phi_nm": phi, "d_nm": d, "dT_par_over_J0": transferred.real,
                "dT_perp_over_J0": transferred.imag, "T_perp_over_T_par": ratio, "lambda_sf_F_nm": lambda_sf_F,
                "lambda_sf_N_nm": lambda_sf_N, "D_ratio": D_ratio,
            })  # fmt: skip
    return _rows(curves)


def bias_dependence(
    *,
    thickness: ArrayLike = (0.8, 1.2, 2.0, 3.0, np.inf),
    lambda_J: float = 1.0,
    lambda_phi: float = 1.0,
    lambda_sf_F: float = 10.0,
    lambda_sf_N: float = 1.0,
    D_ratio: float = 1.0,
    a1: float = SANKEY["a1"],
    b2: float = SANKEY["b2"],
    bias_max: float = 0.5,
    per: TorquePer = "device",
) -> pd.DataFrame:
    """Fig. 3: both torques against bias for several thicknesses, Eq. 12 with J0 = a1 V + i b2 V².

    The paper gives the lengths. Thicknesses (nm; inf is the bulk value of Eq. 13–14) and amplitudes, a1 in (ħ/2e) kΩ⁻¹
    and b2 in (ħ/2e) kΩ⁻¹ V⁻¹, are assumed here, see `assumptions`. `per` gives d T of the device, or T per volume as
    Eq. 12 has it, with its 1/d.

    Columns: ``bias_V`` from −bias_max to bias_max, ``T_par_hbar_2e_uA`` and ``T_perp_hbar_2e_uA`` (with ``_per_nm`` per
    volume), and all parameters. 1000 (ħ/2e) µA is 1 (ħ/2e) kΩ⁻¹ V.

    Examples
    --------
    >>> table = bias_dependence(thickness=1.2)
    >>> table.loc[table.bias_V == 0.2, ["T_par_hbar_2e_uA", "T_perp_hbar_2e_uA"]].round(2).to_numpy().tolist()
    [[21.68, -1.93]]
    """
    if per not in _TORQUE:
        raise ValueError(f"per = {per!r}: give 'device' (no 1/d) or 'volume' (carries 1/d)")
    V = _grid(-bias_max, bias_max)
    interface = Interface.of(a1=_MICROAMPERE * a1, b2=_MICROAMPERE * b2)
    curves: list[dict[str, object]] = []
    for d in _each(thickness):
        T = torque(V, d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio, interface=interface, per=per)
        curves.append({
            "d_nm": d, "bias_V": V, f"T_par{_TORQUE[per]}": T.real, f"T_perp{_TORQUE[per]}": T.imag,
            "lambda_J_nm": lambda_J, "lambda_phi_nm": lambda_phi, "lambda_sf_F_nm": lambda_sf_F,
            "lambda_sf_N_nm": lambda_sf_N, "D_ratio": D_ratio, _COLUMN["a1"]: a1, _COLUMN["b2"]: b2,
        })  # fmt: skip
    return _rows(curves)


def values_of(table: pd.DataFrame, name: str) -> list[float]:
    """The different values of a parameter in a table, in order of appearance.

    Examples
    --------
    >>> values_of(accumulation(), "lambda_phi")
    [0.5, 1.0, 1.5]
    """
    return [float(value) for value in table[_COLUMN[name]].unique()]


def parameters_text(table: pd.DataFrame, axis: str) -> str:
    """All parameters of a table but the one on its `axis`, by their usual names.

    Examples
    --------
    >>> parameters_text(thickness_dependence(lambda_phi=0.5), "d")
    'lambda_J = 0.5, 1, 1.5 nm; lambda_phi = 0.5 nm; lambda_sf_F = 15 nm; lambda_sf_N = 2 nm; D_ratio = 1'
    """
    names = [name for name, column in _COLUMN.items() if column in table and name != axis]
    return "; ".join(f"{name} = {', '.join(f'{v:g}' for v in values_of(table, name))}{_UNIT[name]}" for name in names)


def assumptions(table: pd.DataFrame) -> tuple[str, ...]:
    """Assumptions of a table of `bias_dependence`, since the paper gives no thickness and no amplitude.

    Examples
    --------
    >>> print(assumptions(bias_dependence(thickness=2.0, a1=1.0, b2=0.5))[0])
    free layer of 2 nm, chosen here
    """
    thicknesses = ["∞" if np.isinf(d) else f"{d:g}" for d in values_of(table, "d")]
    a1, b2 = values_of(table, "a1")[0], values_of(table, "b2")[0]
    layers = f"free layer{'s' if len(thicknesses) > 1 else ''} of {', '.join(thicknesses)} nm, chosen here"
    if {"a1": a1, "b2": b2} == SANKEY:
        currents = (
            f"J∥ = a₁V with a₁ = {a1:g} (ħ/2e) kΩ⁻¹, recalled from Sankey et al., Nature Phys. 4, 67 (2008), "
            "not verified",
            f"J⊥ = b₂V² with b₂/a₁ = {b2 / a1:g} V⁻¹, the middle of the 0.5 to 0.75 V⁻¹ that follow from the "
            "10 to 15 % at 200 mV quoted in the paper",
        )
    else:
        currents = (f"J∥ = a₁V with a₁ = {a1:g} (ħ/2e) kΩ⁻¹", f"J⊥ = b₂V² with b₂ = {b2:g} (ħ/2e) kΩ⁻¹ V⁻¹")
    volume = f"T_par{_TORQUE['volume']}" in table
    return (layers, *currents, "torque per volume, T of Eq. 12" if volume else "torque of the device, d·T of Eq. 12")


def numbers_csv(table: pd.DataFrame, *notes: str) -> bytes:
    """A table as CSV in UTF-8 with all digits, below comment lines that say where it comes from.

    ``# origin: simulated`` makes mtjfit itself mark everything that is made of the table.
    """
    origin = "origin: simulated ; theory of Manchon et al., PRB 86, 060404(R) (2012), as computed by mtjfit"
    comments = "".join(f"# {line}\n" for line in (origin, *notes))
    return comments.encode() + csv_bytes(table.set_index(table.columns[0]))
