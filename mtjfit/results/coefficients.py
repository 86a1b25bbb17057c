"""Torque of each device as a polynomial in V, drawn from a posterior or from the device's own least squares.

T(V) = Σ t_n Vⁿ with complex t_n = K(d) c_n, J0 = Σ c_n Vⁿ (Eq. 2 and 12). Everything that a single device determines is
a function of its t_n. They are those of the torque also where the torkance was measured, dT/dV = Σ n t_n Vⁿ⁻¹: then t_0
is not seen, and declared to be zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray, IntArray
from mtjfit.model.device_combinations import combinations, noise_estimate, noise_groups, terms_seen
from mtjfit.model.equivalent_noise import least_squares_model
from mtjfit.model.layout import amplitude_layout, layout
from mtjfit.model.likelihood import FullPosterior, amplitude_design, transfer
from mtjfit.results.predict import columns_of
from mtjfit.study import ParameterName, Study

COMMON, ALONE = "with the common lengths", "each device alone"
"""The two sources of `Coefficients`; the numbers of one are never mixed with those of the other."""


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Draws of the coefficients t_n of all devices, in the unit of the first curve; per sin θ if they declare it.

    `powers` of V, shape (P,), ascending; `values`, shape (n_draws, n_devices, P), each row one draw of all devices;
    `source` is `COMMON` (posterior of the study) or `ALONE` (least squares without any length).
    """

    study: Study
    powers: IntArray
    values: ComplexArray
    source: str

    def of(self, power: int) -> ComplexArray:
        """t_n of one power, shape (n_draws, n_devices); 0 for a power that was not declared."""
        k = np.flatnonzero(self.powers == power)
        return self.values[..., k[0]] if k.size else np.zeros(self.values.shape[:2], dtype=complex)

    def torque(self, bias: ArrayLike) -> ComplexArray:
        """T_par + i T_perp, shape (n_draws, n_devices, n_bias)."""
        V = np.atleast_1d(np.asarray(bias, dtype=float))
        return np.asarray(self.values @ (V[None, :] ** self.powers[:, None]))

    @property
    def reach(self) -> FloatArray:
        """Smallest and largest bias in use of each device, shape (n_devices, 2), in V."""
        used = [curve.bias[curve.used] for curve in self.study.curves]
        return np.array([(V.min(), V.max()) for V in used])


def torque_unit(study: Study, power: int = 0) -> str:
    """Unit of the torque over Vⁿ, from the unit of the first curve; of a torkance the unit of its integral.

    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("kubota2008").study_file)
    >>> torque_unit(study), torque_unit(study, 1)
    ('1e-19 N m', '1e-19 N m/V')
    """
    return study.unit_of(f"b{power}").replace(" nm", "")


def posterior_coefficients(study: Study, draws: pd.DataFrame) -> Coefficients:
    """t_n = K(d) c_n of every device for each draw of a posterior, Eq. 12; ValueError if a column is missing.

    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> row = dict(lambda_J=1.0, lambda_phi=1.0, lambda_sf_F=10.0, lambda_sf_N=1.0, a1=0.13, b2=0.08)
    >>> row |= dict(zip(study.names_of("thickness"), study.thicknesses))
    >>> t = posterior_coefficients(study, pd.DataFrame([row]))
    >>> f"{t.of(1)[0, 1]:.4f}"  # dT/dV at V = 0
    '0.1056-0.0228j'
    """
    whole, linear, curves = layout(study), amplitude_layout(study), study.curves
    shape = (len(draws), len(curves))
    values = columns_of(draws, (*whole.names, *linear.names))[:, : len(whole.names)]
    K = np.broadcast_to(transfer(whole, values, per_volume=curves[0].per == "volume"), shape)
    c = np.empty((*shape, linear.power.size))
    for j, curve in enumerate(curves):
        for t, (name, column) in enumerate(zip(study.amplitudes, linear.column[j], strict=True)):
            # an amplitude that scatters has a column for each device beside the shared one
            own = ParameterName(name, curve.device)
            free = own if own in draws else linear.names[column] if column >= 0 else None
            c[:, j, t] = linear.constant[t] if free is None else draws[free].to_numpy(dtype=float)
    powers = np.unique(linear.power)
    return Coefficients(study, powers, _by_power(K[..., None] * c * linear.phase, linear.power, powers), COMMON)


def _by_power(terms: ComplexArray, power: IntArray, powers: IntArray) -> ComplexArray:
    """Terms of shape (..., T) summed over those of the same power of V, shape (..., P)."""
    return np.asarray(terms @ (power[:, None] == powers))


def own_coefficients(study: Study, n: int, rng: np.random.Generator) -> Coefficients:
    """`n` draws of t_n of every device from its own data, without any length and without priors.

    The closed-form fit of `mtjfit.model.device_combinations`, one complex factor and real amplitudes for each device,
    where it exists; free polynomials of both components where the amplitudes leave the phase of κ open. Draws of phase
    and amplitudes are normal about the best values. Where errors are fitted from the scatter they are Student-t with
    its degrees of freedom, and devices that share a noise scale share its draw. Jitter and Student-t errors count as
    normal ones (`mtjfit.model.equivalent_noise.as_normal`). NotDetermined if errors are to be fitted from too few
    points.
    """
    model = least_squares_model(study)
    data, linear = model.data, model.amplitudes
    out = np.zeros((n, len(study.curves), data.powers.size), dtype=complex)
    for j, own in enumerate(_own_draws(model, n, rng)):
        if isinstance(own, _Open):
            out[:, j] = own.values
            continue
        each = _by_power(own.amplitudes * linear.phase[own.seen], linear.power[own.seen], data.powers)
        out[:, j] = own.turn[:, None] * each
    return Coefficients(study, data.powers, out, ALONE)


def own_transfer(study: Study, n: int, rng: np.random.Generator) -> ComplexArray:
    """κ a1 of every device, shape (n, n_devices): draws and errors as of `own_coefficients`; divided by d per volume.

    NaN for devices that leave the phase of κ open or do not see a1.
    """
    model = least_squares_model(study)
    out = np.full((n, len(study.curves)), np.nan + 0j)
    if "a1" not in study.amplitudes:
        return out
    a1 = study.amplitudes.index("a1")
    for j, own in enumerate(_own_draws(model, n, rng)):
        if not isinstance(own, _Open) and a1 in own.seen:
            out[:, j] = own.turn * own.amplitudes[:, int(np.flatnonzero(own.seen == a1)[0])]
    return out


@dataclass(frozen=True, eq=False)
class _Turned:
    """Draws of one device whose phase is determined: exp(i arg κ), shape (n,), and |κ| times the terms it sees."""

    turn: ComplexArray
    amplitudes: FloatArray
    seen: IntArray


@dataclass(frozen=True, eq=False)
class _Open:
    """Draws of the free polynomials of one device whose phase is open, shape (n, P)."""

    values: ComplexArray


def _own_draws(model: FullPosterior, n: int, rng: np.random.Generator) -> Iterator[_Turned | _Open]:
    """Draws of each device in turn, normal about its best values, or Student-t where errors are fitted."""
    data, linear = model.data, model.amplitudes
    sigma, (group, dof), found = noise_estimate(model), noise_groups(model), combinations(model)
    P = data.powers.size
    scales = np.ones((n, dof.size + 1))  # the last one, of group −1, for errors that are known
    scales[:, :-1] = np.sqrt(dof / rng.chisquare(np.maximum(dof, 1), (n, dof.size)))
    # phase and amplitudes are those of κ c; a phase that is open is 0 and its device has free polynomials
    ratio = np.array([one.values.get("slope_ratio", np.nan) for one in found])
    phase = np.arctan(np.where(np.isnan(ratio), 0.0, ratio))
    design = amplitude_design(data, linear, np.exp(1j * phase))
    turned = amplitude_design(data, linear, 1j * np.exp(1j * phase))
    for j, one in enumerate(found):
        weight = 1 / np.repeat(sigma[j], P)
        noise = rng.standard_normal((n, 2 * P)) * np.repeat(scales[:, group[j]], P, axis=1)
        if np.isnan(ratio[j]):
            t = (data.z[j] * weight + noise) @ np.linalg.pinv(data.R[j] * weight[:, None]).T
            yield _Open(t[:, :P] + 1j * t[:, P:])
            continue
        seen = np.flatnonzero(terms_seen(model, j))
        best = np.array([one.values[f"|kappa|·{model.study.amplitudes[t]}"] for t in seen])
        slopes = np.column_stack([turned[j][:, seen] @ best, design[j][:, seen]]) * weight[:, None]
        # Columns of unit norm: the phase has no unit, and amplitudes in N m are large or small beside it.
        norms = np.linalg.norm(slopes, axis=0)
        norms[norms == 0] = 1.0
        away = noise @ np.linalg.pinv(slopes / norms).T / norms
        yield _Turned(np.exp(1j * (phase[j] + away[:, 0])), best + away[:, 1:], seen)
