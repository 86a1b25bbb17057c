"""What a single device determines without any length: slopes, their ratio, and whether Eq. 12 can hold at all.

With J0 = Σ c_n Vⁿ, a curve measures the complex numbers κ c_n. If some power of V has only an in-plane or only an
out-of-plane coefficient, the phase of κ follows: tan(arg κ) is the ratio of the slopes of T_perp and T_par. With
a1 and b2 alone three numbers are determined, |κ| a1, b2/a1 and arg κ, and the fourth tests the model:
(par·V)(par·V²) + (perp·V)(perp·V²) = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

from mtjfit.data import FloatArray
from mtjfit.model.likelihood import MarginalPosterior

__all__ = ["DeviceCombinations", "combinations", "combinations_table", "noise_estimate"]

_GRID = 361


@dataclass(frozen=True)
class DeviceCombinations:
    """Determined quantities of one device, by least squares, with errors from their covariance.

    Attributes
    ----------
    device : str
    values, sd : dict of str to float
        ``slope_ratio`` (T_perp/T_par at small bias for b1 = 0, tan arg κ), ``|kappa|·a1`` and so on (divided by d per
        volume), ``b2/a1`` in V⁻¹. Without ``slope_ratio`` where the phase of κ is not determined.
    chi2, dof : float, int
        Misfit of the device against free polynomials: the model test that needs no lengths.
    """

    device: str
    values: dict[str, float]
    sd: dict[str, float]
    chi2: float
    dof: int

    @property
    def p_value(self) -> float:
        """Probability of a larger misfit if Eq. 12 with these amplitudes holds; NaN where nothing is left to test."""
        return float(chi2.sf(self.chi2, self.dof)) if self.dof > 0 else float("nan")


def noise_estimate(model: MarginalPosterior) -> FloatArray:
    """σ of each device and component, shape (n_devices, 2), where it is fitted; 1 where it is known.

    From the scatter about a free polynomial of the declared powers, pooled over devices that share a noise scale.
    """
    data = model.data
    sigma = np.ones(data.rss.shape)
    for c, name in enumerate(("noise_par", "noise_perp")):
        if name not in model.layout.index:
            continue
        index = np.where(data.fitted, model.layout.index[name], -1)
        for entry in np.unique(index[index >= 0]):
            mine = index == entry
            dof = np.maximum(data.n[mine, c] - data.powers.size, 0).sum()
            sigma[mine, c] = np.sqrt(data.rss[mine, c].sum() / max(dof, 1)) or 1e-300
    return sigma


def _phase_determined(model: MarginalPosterior) -> bool:
    phases: dict[int, set[complex]] = {}
    for phase, power in zip(model.amplitudes.phase, model.amplitudes.power, strict=True):
        phases.setdefault(int(power), set()).add(complex(phase))
    if all(curve.quantity == "torkance" for curve in model.study.curves):
        phases.pop(0, None)
    return any(len(kinds) == 1 for kinds in phases.values())


def _device(model: MarginalPosterior, j: int, sigma: FloatArray, determined: bool) -> DeviceCombinations:
    data, linear = model.data, model.amplitudes
    P = data.powers.size
    weight = np.repeat(1 / sigma[j], P)
    position = np.searchsorted(data.powers, linear.power)
    R, z = data.R[j] * weight[:, None], data.z[j] * weight

    def design(phase: float) -> FloatArray:
        turned = np.exp(1j * phase) * linear.phase
        return np.asarray(R[:, position] * turned.real + R[:, P + position] * turned.imag)

    def solve(phase: float) -> tuple[FloatArray, float]:
        D = design(phase)
        amplitudes = np.linalg.lstsq(D, z, rcond=None)[0]
        return amplitudes, float(np.sum((z - D @ amplitudes) ** 2))

    names = [n.split("[")[0] for n in model.study.amplitudes]
    device = model.study.curves[j].device
    n_informative = int(np.linalg.matrix_rank(R))
    if not determined:
        return DeviceCombinations(device, {}, {}, 0.0, 0)
    grid = np.linspace(-np.pi / 2, np.pi / 2, _GRID)
    k = int(np.argmin([solve(phase)[1] for phase in grid]))
    step = grid[1] - grid[0]
    found = minimize_scalar(
        lambda x: solve(x)[1], bounds=(grid[k] - step, grid[k] + step), method="bounded", options={"xatol": 1e-12}
    )
    phase = float(found.x)
    amplitudes, misfit = solve(phase)
    J = np.column_stack([design(phase + np.pi / 2) @ amplitudes, design(phase)])  # d e^(iφ)/dφ = e^(i(φ + π/2))
    covariance = np.linalg.pinv(J.T @ J, hermitian=True)
    ratio_sd = np.sqrt(covariance[0, 0]) / np.cos(phase) ** 2
    values, sd = {"slope_ratio": float(np.tan(phase))}, {"slope_ratio": float(ratio_sd)}
    for t, name in enumerate(names):
        values[f"|kappa|·{name}"] = float(amplitudes[t])
        sd[f"|kappa|·{name}"] = float(np.sqrt(covariance[t + 1, t + 1]))
    if {"a1", "b2"} <= set(names):
        a, b = names.index("a1"), names.index("b2")
        ratio = amplitudes[b] / amplitudes[a]
        gradient = np.zeros(covariance.shape[0])
        gradient[a + 1], gradient[b + 1] = -ratio / amplitudes[a], 1 / amplitudes[a]
        values["b2/a1"], sd["b2/a1"] = float(ratio), float(np.sqrt(gradient @ covariance @ gradient))
    return DeviceCombinations(device, values, sd, misfit, n_informative - len(names) - 1)


def combinations(model: MarginalPosterior) -> tuple[DeviceCombinations, ...]:
    """Determined quantities of every device, each fitted on its own."""
    sigma, determined = noise_estimate(model), _phase_determined(model)
    return tuple(_device(model, j, sigma, determined) for j in range(len(model.study.curves)))


def combinations_table(model: MarginalPosterior, found: tuple[DeviceCombinations, ...]) -> pd.DataFrame:
    """One row for each device and quantity: value, sd, unit."""
    rows = []
    for one in found:
        for name, value in one.values.items():
            unit = {"slope_ratio": "", "b2/a1": "1/V"}.get(name)
            if unit is None:  # |κ|/d times an amplitude: the nm of the amplitude has gone
                unit = model.study.unit_of(name.split("·")[-1]).replace(" nm", "")
            rows.append((one.device, name, value, one.sd[name], unit))
    return pd.DataFrame(rows, columns=["device", "quantity", "value", "sd", "unit"])
