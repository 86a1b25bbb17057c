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
from scipy.stats import chi2, f

from mtjfit.data import FloatArray
from mtjfit.errors import NotDetermined
from mtjfit.model.layout import IntArray
from mtjfit.model.likelihood import MarginalPosterior

__all__ = [
    "DeviceCombinations",
    "combinations",
    "combinations_table",
    "denominator_dof",
    "noise_estimate",
    "noise_groups",
]

_GRID = 121  # the misfit is smooth in the phase: a few waves between −90° and 90°


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
    noise_dof : float
        Degrees of freedom behind errors that were estimated from the scatter; infinite for errors that are known.
    """

    device: str
    values: dict[str, float]
    sd: dict[str, float]
    chi2: float
    dof: int
    noise_dof: float = np.inf

    @property
    def p_value(self) -> float:
        """Probability of a larger misfit if Eq. 12 with these amplitudes holds; NaN where nothing is left to test."""
        if self.dof <= 0:
            return float("nan")
        if np.isinf(self.noise_dof):
            return float(chi2.sf(self.chi2, self.dof))
        return float(f.sf(self.chi2 / self.dof, self.dof, self.noise_dof))


def noise_groups(model: MarginalPosterior) -> tuple[IntArray, FloatArray]:
    """Which device and component shares which fitted noise scale, and the degrees of freedom behind each scale.

    Returns
    -------
    group : ndarray of int, shape (n_devices, 2)
        −1 where the errors are known.
    dof : ndarray, shape (n_groups,)
        Values beyond the free polynomials.
    """
    data, layout = model.data, model.layout
    entry = np.full(data.n.shape, -1)
    for c, name in enumerate(("noise_par", "noise_perp")):
        if name in layout.index:
            entry[:, c] = np.where(data.fitted, layout.index[name], -1)
    known, group = np.unique(np.append(entry.ravel(), -1), return_inverse=True)
    group = group[:-1].reshape(entry.shape) - 1
    beyond = np.maximum(data.n - data.powers.size, 0)
    return group, np.array([beyond[group == g].sum() for g in range(known.size - 1)], dtype=float)


def noise_estimate(model: MarginalPosterior) -> FloatArray:
    """σ of each device and component, shape (n_devices, 2), where it is fitted; 1 where the curve has its errors.

    From the scatter about a free polynomial of the declared powers, pooled over devices that share a noise scale.

    Raises
    ------
    NotDetermined
        There are no more values than powers of V, so no scatter to estimate errors from.
    """
    data, layout = model.data, model.layout
    sigma = np.ones(data.rss.shape)
    for c, name in enumerate(("noise_par", "noise_perp")):
        if name in layout.index:
            declared = data.fitted & (layout.index[name] < 0)
            sigma[declared, c] = layout.fixed[name][declared]
    group, dof = noise_groups(model)
    for g, n in enumerate(dof):
        mine = group == g
        if n == 0:
            device = model.study.curves[int(np.argmax(mine.any(axis=1)))].device
            raise NotDetermined(
                f"the errors of device {device!r} cannot be fitted: it has no more bias points than J0(V) has powers "
                f"of V ({data.powers.size}); give sigma, or fix the noise scale"
            )
        sigma[mine] = np.sqrt(data.rss[mine].sum() / n) or 1e-300
    return sigma


def denominator_dof(shares: FloatArray, dof: FloatArray) -> float:
    """Degrees of freedom of the denominator of an F test whose numerator is shared between several noise estimates.

    Welch and Satterthwaite: (Σ m)² / Σ m²/ν, exact for one estimate. The first share is that of known errors, ν = ∞.
    """
    spread = float(np.sum(shares[1:] ** 2 / dof))
    return float(np.sum(shares)) ** 2 / spread if spread > 0 else np.inf


def _counts(model: MarginalPosterior) -> np.ndarray:
    """Terms of J0 that are not fixed at zero, shape (n_terms,)."""
    linear = model.amplitudes
    return np.asarray((linear.column[0] >= 0) | (linear.constant != 0))


def _phase_determined(model: MarginalPosterior) -> bool:
    phases: dict[int, set[complex]] = {}
    counts = _counts(model)
    for phase, power in zip(model.amplitudes.phase[counts], model.amplitudes.power[counts], strict=True):
        phases.setdefault(int(power), set()).add(complex(phase))
    if all(curve.quantity == "torkance" for curve in model.study.curves):
        phases.pop(0, None)
    return any(len(kinds) == 1 for kinds in phases.values())


def _device(
    model: MarginalPosterior, j: int, sigma: FloatArray, determined: bool, groups: tuple[IntArray, FloatArray]
) -> DeviceCombinations:
    data, linear, counts = model.data, model.amplitudes, _counts(model)
    P = data.powers.size
    weight = np.repeat(1 / sigma[j], P)
    position, term_phase = np.searchsorted(data.powers, linear.power[counts]), linear.phase[counts]
    R, z = data.R[j] * weight[:, None], data.z[j] * weight

    def design(phase: FloatArray | float) -> FloatArray:
        turned = np.exp(1j * np.asarray(phase))[..., None, None] * term_phase
        return np.asarray(R[:, position] * turned.real + R[:, P + position] * turned.imag)

    def solve(phase: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        D = design(phase)
        amplitudes = np.linalg.pinv(D) @ z
        return amplitudes, np.sum((z - (D @ amplitudes[..., None])[..., 0]) ** 2, axis=-1)

    names = [name for name, kept in zip(model.study.amplitudes, counts, strict=True) if kept]
    device = model.study.curves[j].device
    n_informative = int(np.linalg.matrix_rank(R))
    if not determined:
        return DeviceCombinations(device, {}, {}, 0.0, 0)
    grid = np.linspace(-np.pi / 2, np.pi / 2, _GRID)
    k = int(np.argmin(solve(grid)[1]))
    step = grid[1] - grid[0]
    found = minimize_scalar(
        lambda x: float(solve(x)[1]),
        bounds=(grid[k] - step, grid[k] + step),
        method="bounded",
        options={"xatol": 1e-12},
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
    noise_dof = _noise_dof(np.repeat(groups[0][j], P), groups[1], J)
    return DeviceCombinations(device, values, sd, float(misfit), n_informative - len(names) - 1, noise_dof)


def _noise_dof(group: IntArray, dof: FloatArray, J: FloatArray) -> float:
    """Degrees of freedom behind the errors in the misfit of one device: noise scale of each row, linearised model J."""
    left = 1 - np.sum(np.linalg.qr(J)[0] ** 2, axis=1)  # share of each row that the model leaves as misfit
    mine = np.unique(group[group >= 0])
    shares = np.array([left[group == g].sum() for g in (-1, *mine)])
    return denominator_dof(shares, dof[mine])


def combinations(model: MarginalPosterior) -> tuple[DeviceCombinations, ...]:
    """Determined quantities of every device, each fitted on its own."""
    sigma, determined, groups = noise_estimate(model), _phase_determined(model), noise_groups(model)
    return tuple(_device(model, j, sigma, determined, groups) for j in range(len(model.study.curves)))


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
