"""Numbers that a single device determines without any length: slopes, their ratio, and a test of Eq. 12.

With J0 = Σ c_n Vⁿ, a curve measures the complex numbers κ c_n. If some power of V has only an in-plane or only an
out-of-plane coefficient, the phase of κ follows: tan(arg κ) is the ratio of the slopes of T_perp and T_par. With
a1 and b2 alone three numbers are determined, |κ| a1, b2/a1 and arg κ, and the fourth tests the model:
(par·V)(par·V²) + (perp·V)(perp·V²) = 0.

Two tests, and the full χ² of a device is the sum of theirs. The *constraint* test asks whether the coefficients of its
own polynomials can come from one κ; the points do not enter. The *scatter* test asks whether the points follow
polynomials of the declared powers of V at all; Eq. 12 does not enter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2, f

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.errors import NotDetermined
from mtjfit.model.compress import spanned
from mtjfit.model.likelihood import FullPosterior
from mtjfit.model.phase import Terms, fit_phase


@dataclass(frozen=True)
class DeviceCombinations(ShownAsCard):
    """Determined quantities of one device, by least squares, with errors from their covariance.

    Attributes
    ----------
    values, sd : dict of str to float
        ``slope_ratio`` (T_perp/T_par at small bias for b1 = 0, tan arg κ), ``|kappa|·a1`` and so on (divided by d per
        volume), ``b2/a1`` in V⁻¹. Without ``slope_ratio`` where the phase of κ is not determined.
    chi2, dof : float, int
        Constraint test, the model test that needs no lengths: misfit between the coefficients of the device's own
        polynomials and any single κ. The points about the polynomials are *not* in it.
    noise_dof : float
        Degrees of freedom behind errors that were estimated from the scatter; infinite for errors that are known.
    scatter_chi2, scatter_dof : float, int
        Scatter test: the points about the device's own polynomials, a free one for each component. Only components
        whose errors are known count; where errors come from this scatter nothing is left to test.

    Examples
    --------
    >>> one = DeviceCombinations("A", {}, {}, chi2=0.3, dof=1, scatter_chi2=250.0, scatter_dof=38)
    >>> one.p_value > 0.5, one.scatter_p_value < 1e-30  # its coefficients would do, but its points do not follow them
    (True, True)
    """

    device: str
    values: dict[str, float]
    sd: dict[str, float]
    chi2: float
    dof: int
    noise_dof: float = np.inf
    scatter_chi2: float = 0.0
    scatter_dof: int = 0

    @property
    def p_value(self) -> float:
        """Of the constraint test: probability of a larger `chi2` if Eq. 12 with these amplitudes holds.

        NaN where nothing is left to test. A device whose points follow no such polynomial may still pass.
        """
        if self.dof <= 0:
            return float("nan")
        if np.isinf(self.noise_dof):
            return float(chi2.sf(self.chi2, self.dof))
        return float(f.sf(self.chi2 / self.dof, self.dof, self.noise_dof))

    @property
    def scatter_p_value(self) -> float:
        """Of the scatter test: probability of a larger `scatter_chi2` if the points follow their polynomials.

        NaN where the errors are not known or no point is left to test.
        """
        return float(chi2.sf(self.scatter_chi2, self.scatter_dof)) if self.scatter_dof > 0 else float("nan")


def noise_groups(model: FullPosterior) -> tuple[IntArray, FloatArray]:
    """Which device and component shares which fitted noise scale, and the degrees of freedom behind each scale.

    Shapes (n_devices, 2), −1 where the errors are known, and (n_groups,): values beyond the free polynomials.
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


def values_per_scale(model: FullPosterior) -> FloatArray:
    """Values behind each fitted noise scale, shape (n_groups,)."""
    group, dof = noise_groups(model)
    return np.array([model.data.n[group == g].sum() for g in range(dof.size)], dtype=float)


def noise_estimate(model: FullPosterior) -> FloatArray:
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
            device = model.study.curves[int(np.argmax(mine.any(axis=1)))].name
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


def terms_seen(model: FullPosterior, j: int) -> np.ndarray:
    """Terms of J0 that the device sees and that are not fixed at zero, shape (n_terms,)."""
    linear = model.amplitudes
    seen = linear.power > 0 if model.study.curves[j].quantity == "torkance" else np.full(linear.power.size, True)
    return np.asarray(seen & ((linear.column[0] >= 0) | (linear.constant != 0)))


def terms_of(model: FullPosterior, counts: np.ndarray) -> Terms:
    """The terms of J0(V) of a mask of shape (n_terms,)."""
    names = tuple(name for name, kept in zip(model.study.amplitudes, counts, strict=True) if kept)
    return Terms(names, model.amplitudes.phase[counts], model.amplitudes.power[counts], model.data.powers)


def _devices(
    model: FullPosterior, which: IntArray, counts: np.ndarray, sigma: FloatArray, groups: tuple[IntArray, FloatArray]
) -> Iterator[DeviceCombinations]:
    """Combinations of devices that see the same terms, all in both components or all in one; one has none."""
    data, P, (group, noise) = model.data, model.data.powers.size, groups
    terms = terms_of(model, counts)
    ranks, seen = zip(*(_seen(data.R[j], data.z[j], P) for j in which), strict=True)
    scatter = [
        _scatter(model, j, sigma, ranks[k], data.z[j] - seen[k], group[j] < 0) for k, j in enumerate(which.tolist())
    ]
    if not terms.phase_determined or np.any(data.n[which] == 0):
        for k, j in enumerate(which.tolist()):
            yield DeviceCombinations(
                model.study.curves[j].name, {}, {}, 0.0, 0, scatter_chi2=scatter[k][0], scatter_dof=scatter[k][1]
            )
        return
    weight = np.repeat(1 / sigma[which], P, axis=1)
    R, z = data.R[which] * weight[:, :, None], np.stack(seen) * weight
    found = fit_phase(np.ascontiguousarray(np.moveaxis(R, 0, -1)), np.ascontiguousarray(z.T), terms)
    numbers, covariance = found.quantities(terms)
    ratios = np.array([name in ("slope_ratio", "b2/a1") for name in terms.quantities])
    numbers[np.outer(ratios, ~found.determined)] = np.nan  # of zero torques, say
    for k, j in enumerate(which.tolist()):
        values = dict(zip(terms.quantities, numbers[:, k].tolist(), strict=True))
        errors = np.where(np.isnan(numbers[:, k]), np.nan, np.sqrt(np.diagonal(covariance[..., k])))
        sd = dict(zip(terms.quantities, errors.tolist(), strict=True))
        noise_dof = _noise_dof(np.repeat(group[j], P), noise, found.left[:, k])
        dof = sum(ranks[k]) - len(terms.names) - 1
        device = model.study.curves[j].name
        yield DeviceCombinations(device, values, sd, float(found.misfit[k]), dof, noise_dof, *scatter[k])


def _seen(R: FloatArray, z: FloatArray, P: int) -> tuple[list[int], FloatArray]:
    """Rank of the polynomial of each component, and the part of z that polynomials can reach.

    Part of z is scatter where a power has no column of its own: b0 in a torkance, or few different bias values.
    """
    ranks, seen = [], np.zeros_like(z)
    for block in (slice(0, P), slice(P, 2 * P)):
        u = spanned(R[block, block])
        ranks.append(u.shape[1])
        seen[block] = u @ (u.T @ z[block])
    return ranks, seen


def _scatter(
    model: FullPosterior, j: int, sigma: FloatArray, ranks: list[int], unseen: FloatArray, known: np.ndarray
) -> tuple[float, int]:
    """χ² and degrees of freedom of the points of one device about its own polynomials, over `known` errors."""
    rss = model.data.rss[j] + np.sum(unseen.reshape(2, -1) ** 2, axis=-1)
    return float(np.sum((rss / sigma[j] ** 2)[known])), int(np.sum((model.data.n[j] - ranks)[known]))


def _noise_dof(group: IntArray, dof: FloatArray, left: FloatArray) -> float:
    """Degrees of freedom behind the errors in the misfit of one device: noise scale and share of each row."""
    mine = np.unique(group[group >= 0])
    shares = np.array([left[group == g].sum() for g in (-1, *mine)])
    return denominator_dof(shares, dof[mine])


def combinations(model: FullPosterior) -> tuple[DeviceCombinations, ...]:
    """Determined quantities of every device, each fitted on its own, with the constraint and the scatter test."""
    sigma, groups = noise_estimate(model), noise_groups(model)
    counts = [terms_seen(model, j) for j in range(len(model.study.curves))]
    kinds: dict[tuple[bytes, bool], list[int]] = {}
    for j, each in enumerate(counts):
        kinds.setdefault((each.tobytes(), bool(model.data.n[j].all())), []).append(j)
    found: dict[int, DeviceCombinations] = {}
    for which in kinds.values():
        found.update(zip(which, _devices(model, np.array(which), counts[which[0]], sigma, groups), strict=True))
    return tuple(found[j] for j in range(len(counts)))


def quantities_table(model: FullPosterior, found: tuple[DeviceCombinations, ...]) -> pd.DataFrame:
    """One row for each device and determined quantity: device, quantity, value, sd, unit."""
    rows = []
    for one in found:
        for name, value in one.values.items():
            unit = {"slope_ratio": "", "b2/a1": "1/V"}.get(name)
            if unit is None:  # |κ|/d times an amplitude: the nm of the amplitude has gone
                unit = model.study.unit_of(name.split("·")[-1]).replace(" nm", "")
            rows.append((one.device, name, value, one.sd[name], unit))
    return pd.DataFrame(rows, columns=["device", "quantity", "value", "sd", "unit"])
