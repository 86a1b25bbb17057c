"""Rectified spectra from the linearised equations of motion, solved as a linear system: no line shapes, no formula."""

from __future__ import annotations

import numpy as np

GAMMA = 1.76e11


def rectified_voltage(
    f: float,
    B: float,
    par: float,
    perp: float,
    *,
    Meff: float = 1.1,
    alpha: float = 0.01,
    moment: float = 1e-17,
    theta: float = 1.2,
    R: float = 1000.0,
    dR: float = 300.0,
    I_rf: float = 1e-5,
    V_II: float = 0.0,
) -> float:
    """Mean of ΔV = ¼ V_II I_rf² + dR ⟨δθ I_rf cos ωt⟩ with torkances par, perp in N m/V at the angle (sin θ included).

    M lies along z, the normal is x, P = cos θ z − sin θ y. The equation of motion is solved as it stands,
    ∂M/∂t = −γ M × B_eff + α M × ∂M/∂t + (γ/moment) (τ_par e_par + τ_perp e_perp), to first order in the current.
    """
    z = np.array([0.0, 0.0, 1.0])
    P = np.array([0.0, -np.sin(theta), np.cos(theta)])
    e_par, e_perp = np.cross(z, np.cross(P, z)) / np.sin(theta), np.cross(z, P) / np.sin(theta)
    drive = GAMMA / moment * R * I_rf * (par * e_par + perp * e_perp)

    def cross_z(m):
        return np.cross(z, m)

    # First order in m ⟂ z: −γ (m × B z − Meff m_x z × x) + α z × ṁ + drive = ṁ, with ṁ = iω m.
    omega = 2 * np.pi * f
    columns = []
    for e in np.eye(3)[:2]:
        precession = -GAMMA * (np.cross(e, B * z) + cross_z(-Meff * e[0] * np.array([1.0, 0.0, 0.0])))
        columns.append(1j * omega * (e - alpha * cross_z(e)) - precession)
    m = np.linalg.solve(np.array(columns).T[:2], drive[:2])
    # M turning towards +y leaves P behind: θ grows by m_y.
    return float(0.25 * V_II * I_rf**2 + 0.5 * dR * I_rf * m[1].real)
