"""Simulate spin-diode spectra of five junctions with cmtj, another program: macrospins under known torques.

cmtj integrates the Landau-Lifshitz-Gilbert equation; the resistance, the mean voltage and the noise are made here.
Nothing in this file uses the formulas by which spectra are fitted and calibrated. What cmtj calls damping-like field
H_dl turns M at the rate γ μ0 H_dl along M × (P × M), its field-like field at −γ μ0 H_fl along M × P; `torque_rates`
measures that. Run `python make.py` in this folder, with cmtj installed, to write data.csv again; it takes a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtjfit.physics import Interface, torque

SEED = 20261122  # that of the other simulated set
MU0 = 4e-7 * np.pi
GAMMA = 2.2128e5 / MU0  # that of cmtj, rad/(s T)
STEPS = 48  # of the integrator in one period of the current
THICKNESS = (0.8, 1.2, 2.0, 3.0, 4.0)
BIAS = np.round(np.linspace(-0.2, 0.2, 11), 4)
FREQUENCY = np.round(np.linspace(20.2, 23.2, 61), 4)
LENGTHS = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "D_ratio": 1.0}
INTERFACE = Interface.of(a1=0.13, b2=0.08)
HBAR_2E_KOHM = 3.29105977e-19
CURRENT_SD = 0.01  # by which the current of each device differs from what is declared
NOISE = 0.02  # of the largest deviation from the mean of each spectrum
HEADER = """\
# origin: simulated ; macrospins integrated by cmtj, torques of Eq. 12 with known lengths, 2 % noise
# Rectified voltage against frequency. Made by make.py.
device,bias_V,f_GHz,V_uV
"""

Torque = Callable[[float], complex]
"""In-plane + i out-of-plane torque of a device per sin θ in N m, at a voltage."""


@dataclass(frozen=True)
class Junction:
    """A magnetic tunnel junction whose free layer is one macrospin; SI."""

    B: float = 0.4
    Ms: float = 1.1 / MU0
    area: float = 6e-15
    thickness: float = 2e-9
    alpha: float = 0.012
    theta: float = float(np.radians(90.0))
    R: float = 1000.0
    swing: float = 600.0  # R_AP - R_P
    I_rf: float = 15e-6

    @property
    def moment(self) -> float:
        """A m²."""
        return self.Ms * self.area * self.thickness

    @property
    def dR_dtheta(self) -> float:
        """Of R(θ) = R + ½ swing (cos θ0 − cos θ), at θ0."""
        return 0.5 * self.swing * float(np.sin(self.theta))


def motion(
    junction: Junction, const: complex, amplitude: complex, frequency: float, time: float, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """Time and M after each step, from M along the field, under torques const + amplitude cos ωt (per sin θ, N m)."""
    import cmtj

    per_field = MU0 * junction.moment
    demag = [cmtj.CVector(0, 0, 0), cmtj.CVector(0, 0, 0), cmtj.CVector(0, 0, 1)]
    layer = cmtj.Layer("free", cmtj.CVector(1, 0, 0), cmtj.CVector(0, 0, 1), junction.Ms * MU0, junction.thickness,
                       junction.area, demag, junction.alpha)  # fmt: skip
    layer.setReferenceLayer(cmtj.CVector(np.cos(junction.theta), -np.sin(junction.theta), 0.0))
    stack = cmtj.Junction([layer])
    stack.setLayerAnisotropyDriver("free", cmtj.constantDriver(0.0))
    stack.setLayerExternalFieldDriver("free", cmtj.AxialDriver(junction.B / MU0, 0.0, 0.0))
    par = cmtj.sineDriver(const.real / per_field, amplitude.real / per_field, frequency, np.pi / 2)
    perp = cmtj.sineDriver(-const.imag / per_field, -amplitude.imag / per_field, frequency, np.pi / 2)
    stack.setLayerDampingLikeTorqueDriver("free", par)
    stack.setLayerFieldLikeTorqueDriver("free", perp)
    stack.runSimulation(time, step, step, solverMode=cmtj.SolverMode.RK4)
    log = stack.getLog()
    # Beside M at the end of a step cmtj logs the time of its beginning; `lag` measures that.
    return np.array(log["time"]) + step, np.array([log["free_mx"], log["free_my"], log["free_mz"]])


def torque_rates(junction: Junction, const: complex) -> np.ndarray:
    """dM/dt right after a torque is switched on, before M has moved."""
    time, M = motion(junction, const, 0.0, 0.0, 4e-14, 1e-15)
    return (M[:, 10] - M[:, 0]) / (time[10] - time[0])


def lag(junction: Junction) -> float:
    """Steps by which the times of `motion` lag behind M: an in-plane torque cos ωt must turn M_y as −sin ωt."""
    omega, step = 2e12 * np.pi, 1e-14
    time, M = motion(junction, 0.0, 1e-20, 1e12, 4e-12, step)
    columns = np.stack([np.sin(omega * time), np.cos(omega * time), np.ones_like(time)], axis=1)
    sine, cosine, _ = np.linalg.lstsq(columns, -M[1], rcond=None)[0]
    return float(np.arctan2(cosine, sine) / omega / step)


def rectified(junction: Junction, torque_at: Torque, bias: float, frequency: float, settle: float = 7e-9) -> float:
    """DC voltage that the radio-frequency current adds at a bias: the mean of I R(θ), minus its value without."""
    before, averaged = max(int(settle * frequency), 1), 12
    step = 1 / frequency / STEPS
    swing = junction.I_rf * junction.R
    slope = (torque_at(bias + swing) - torque_at(bias - swing)) / 2

    def resistance(M: np.ndarray) -> np.ndarray:
        cosine = np.cos(junction.theta) * M[0] - np.sin(junction.theta) * M[1]
        return junction.R + 0.5 * junction.swing * (np.cos(junction.theta) - cosine)

    periods = (before + averaged) / frequency
    time, M = motion(junction, torque_at(bias), slope, frequency, periods, step)
    last = slice(-averaged * STEPS, None)
    current = bias / junction.R + junction.I_rf * np.cos(2 * np.pi * frequency * time[last])
    _, quiet = motion(junction, torque_at(bias), 0.0, frequency, before / frequency, step)
    return float(np.mean(current * resistance(M[:, last])) - bias / junction.R * resistance(quiet[:, -1]))


def torque_of(d: float) -> Torque:
    """Eq. 12 of a free layer of d nm, in N m per sin θ."""
    return lambda V: complex(HBAR_2E_KOHM * torque(V, d, **LENGTHS, interface=INTERFACE, per="area"))


def rows() -> list[str]:
    """The lines of the table."""
    rng = np.random.default_rng(SEED)
    lines = []
    for d in THICKNESS:
        junction = Junction(thickness=d * 1e-9, I_rf=15e-6 * (1 + CURRENT_SD * rng.standard_normal()))
        for V in BIAS:
            voltage = 1e6 * np.array([rectified(junction, torque_of(d), float(V), 1e9 * f) for f in FREQUENCY])
            noise = NOISE * float(np.max(np.abs(voltage - voltage.mean())))
            voltage = voltage + noise * rng.standard_normal(voltage.size)
            lines += [f"F{d:.1f}nm,{V:.4g},{f:.4f},{v:.5f}" for f, v in zip(FREQUENCY, voltage, strict=True)]
    return lines


if __name__ == "__main__":
    target = Path(__file__).with_name("data.csv")
    target.write_text(HEADER + "\n".join(rows()) + "\n", encoding="utf-8", newline="\n")
    print(f"wrote {target}")
