"""A free layer of any thickness at every draw of a posterior: torque, spin current, effective lengths.

Conservation in F, from Eq. 5 and 11: what enters at x = 0 is taken up by the moments, lost to the lattice by spin flip,
or leaves into N at x = d,

    1 = κ(d) + f(d) + j(d),   f = (D_F/λ_sf²) ∫_0^d m dx / J0,   j = J(d)/J0,

complex, because precession turns the spin on its way. In the real parts all three are counted along the direction in
which the spin was injected. |j| is the share of the transverse spin current that leaves F, whatever its direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from mtjfit.arrays import ComplexArray, FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import TorqueCurve
from mtjfit.errors import NotDetermined
from mtjfit.infer import Posterior
from mtjfit.model.layout import amplitude_layout, even_points
from mtjfit.model.likelihood import THINNEST
from mtjfit.physics import kappa, lambda_sf_effective, lambda_sf_effective_exact, spin_current
from mtjfit.results.predict import parameter_draws
from mtjfit.results.tables import interval
from mtjfit.study import Study, refuse_own_model
from mtjfit.study.correlated import joint_quantiles

_PRIOR_DRAWS = 2**11


def prior_draws(posterior: Posterior, names: tuple[str, ...]) -> pd.DataFrame:
    """Quasi-random draws of some parameters from their priors, the same every time."""
    if not names:
        return pd.DataFrame(index=range(_PRIOR_DRAWS))
    u = even_points(len(names), _PRIOR_DRAWS)
    columns = joint_quantiles({name: posterior.priors[name] for name in names}, u)
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def half_width(draws: FloatArray) -> FloatArray:
    """Half of the central 68 % of each column, shape (n_columns,)."""
    low, high = np.quantile(draws, [0.16, 0.84], axis=0)
    return np.asarray((high - low) / 2)


def _scores(column: FloatArray) -> FloatArray:
    """Normal scores of the ranks, mean 0."""
    return np.asarray(ndtri((rankdata(column) - 0.5) / column.size))


def explained_by(draws: FloatArray, parameters: FloatArray) -> FloatArray:
    """Share of the variance of each column of `draws` that a smooth function of each parameter explains.

    In normal scores of the ranks, by a sum of cubic polynomials. Of draws (n, n_columns) and parameters (n, k);
    shape (n_columns, k + 1), the last column that of all parameters together.
    """
    n, k = parameters.shape
    moves = np.ptp(draws, axis=0) > 1e-12 * np.max(np.abs(draws), axis=0, initial=1e-300)
    y = np.stack([_scores(column) for column in draws.T], axis=1)
    total = np.where(moves, np.sum(y**2, axis=0), 1.0)
    s = [_scores(column) for column in parameters.T]
    bases = [np.stack([np.ones(n), one, one**2, one**3], axis=1) for one in s]
    share = np.zeros((draws.shape[1], k + 1))
    for place, basis in enumerate([*bases, np.hstack(bases) if bases else np.ones((n, 1))]):
        fitted = basis @ np.linalg.lstsq(basis, y)[0]
        share[:, place] = 1 - np.sum((y - fitted) ** 2, axis=0) / total
    return np.where(moves[:, None], np.clip(share, 0.0, 1.0), 0.0)


SURE = 0.95
"""Probability above which a sentence states a direction."""

WHY = (
    "The torques compete where T_perp and T_par have equal signs: they drive the moment to opposite states, which lets "
    "a junction hop back. With opposite signs they cooperate: both drive it to the same state. That holds for T_perp "
    "along M × P with M and P along the moments, whatever the sign of V; data whose axis was "
    "declared wrongly turn each of these statements round."
)


def competing(ratios: Sequence[FloatArray], V: float) -> str:
    """Whether the torques compete at +V and at −V, from draws of T_perp/T_par at both."""
    where = []
    for sign, ratio in zip("+−", ratios, strict=True):
        p = float(np.mean(ratio > 0))
        verdict = "compete" if p > SURE else "cooperate" if p < 1 - SURE else "may do either"
        low, middle, high = np.quantile(ratio, [0.025, 0.5, 0.975])
        where.append((verdict, f"at {sign}{V:g} V (T_perp/T_par = {interval(low, middle, high)})"))
    (first, at), (second, there) = where
    if first == second:
        return f"the torques {first} at both signs of V: {at}, {there}."
    return f"the torques {first} {at} and {second} {there}."


def odd_part(odd: Sequence[FloatArray]) -> str:
    """Whether the odd part of T_perp supports T_par or opposes it, from draws of it over T_par at +V and at −V."""
    against = float(np.mean((odd[0] < 0) & (odd[1] < 0)))
    along = float(np.mean((odd[0] > 0) & (odd[1] > 0)))
    if against > SURE:
        return (
            f"The odd part of T_perp is opposite to T_par at both signs of V (probability {against:.2f}): it supports "
            "T_par, which helps against back-hopping."
        )
    if along > SURE:
        return (
            f"The odd part of T_perp has the sign of T_par at both signs of V (probability {along:.2f}): it works "
            "against T_par, which makes back-hopping likelier."
        )
    return (
        "Whether the odd part of T_perp helps or hurts is not determined (probability that it is opposite to T_par at "
        f"both signs of V: {against:.2f}; of the same sign: {along:.2f})."
    )


_OF_LAYER = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio", "Lambda", "dead_layer")


@dataclass(frozen=True, eq=False)
class FreeLayer(ShownAsCard):
    """Lengths and interface current of one kind of device, for each of n draws.

    `lengths` are lambda_J, lambda_phi, lambda_sf_F, Lambda, dead_layer in nm, each (n, 1); `current`, (n, P), the c_n
    of J0 = Σ c_n Vⁿ for n in `powers`, per sin θ, in the unit of the study's first curve. Per volume the torque
    carries 1/d.
    """

    lengths: dict[str, FloatArray]
    powers: IntArray
    current: ComplexArray
    per_volume: bool

    def _args(self, d: ArrayLike) -> tuple[FloatArray, ...]:
        L = self.lengths
        magnetic = np.maximum(np.atleast_1d(np.asarray(d, dtype=float)) - L["dead_layer"], THINNEST)
        return magnetic, L["lambda_J"], L["lambda_phi"], L["lambda_sf_F"], L["Lambda"]

    def kappa(self, d: ArrayLike) -> ComplexArray:
        """κ of Eq. 12, shape (n, n_d); `d` is the whole thickness, of which a dead layer does not count."""
        return kappa(*self._args(d))

    def transmitted(self, d: ArrayLike) -> ComplexArray:
        """j = J(d)/J0 = 1/(cosh d/L + η sinh d/L), what leaves F into N, shape (n, n_d)."""
        magnetic, *rest = self._args(d)
        return spin_current(magnetic, magnetic, *rest)

    def lambda_sf_star(self, d: ArrayLike) -> FloatArray:
        """λ*_sf of Eq. 17 in nm, shape (n, n_d)."""
        magnetic, _, _, lambda_sf_F, Lambda = self._args(d)
        return lambda_sf_effective(magnetic, lambda_sf_F, Lambda)

    def lambda_sf_star_exact(self, d: ArrayLike) -> ComplexArray:
        """The complex λ*_sf that makes Eq. 15 equal to Eq. 12, in nm, shape (n, n_d)."""
        return lambda_sf_effective_exact(*self._args(d))

    def torque(self, d: ArrayLike, bias: ArrayLike) -> ComplexArray:
        """T_par + i T_perp, Eq. 12, shape (n, n_d, n_bias), per sin θ."""
        V = np.atleast_1d(np.asarray(bias, dtype=float))
        J0 = self.current @ (V[None, :] ** self.powers[:, None])
        K = self.kappa(d)
        if self.per_volume:
            K = K / self._args(d)[0]
        return np.asarray(K[..., None] * J0[:, None, :])


def _of_layer(study: Study) -> list[str]:
    """Declared parameters that a layer depends on."""
    return [name for name in (*_OF_LAYER, *study.amplitudes) if name in study.parameters]


def _differing(study: Study) -> list[str]:
    """Free parameters of a layer that differ between devices or groups."""
    free = (
        name for name in _of_layer(study) if not study.parameters[name].is_fixed and study.parameters[name].tie is None
    )
    return [name for name in free if study.parameters[name].scope != "shared"]


def shares_one_layer(study: Study) -> bool:
    """True if all devices have the same lengths and amplitudes, and differ in thickness alone."""
    return len(study.curves) == 1 or not _differing(study)


def _meant(study: Study, device: str | None) -> TorqueCurve:
    """The device whose layer is meant; any one where they share every parameter."""
    if device is not None and device not in study.devices:
        raise ValueError(f"device {device!r} is not in the study {study.name!r}: {', '.join(study.devices)}")
    if device is None and not shares_one_layer(study):
        raise ValueError(f"{', '.join(_differing(study))} differ between devices: name the device whose layer is meant")
    return study.curves[0 if device is None else study.devices.index(device)]


def layer_parameters(study: Study, device: str | None = None) -> tuple[str, ...]:
    """Free parameters that the layer of a device depends on, as in `Posterior.names`."""
    curve, layer = _meant(study, device), (study.parameters[name] for name in _of_layer(study))
    return tuple(each.name_for(curve) for each in layer if not (each.is_fixed or each.tie))


def layer_draws(study: Study, draws: pd.DataFrame, device: str | None = None) -> FreeLayer:
    """The layer of a device, or of all where they share every parameter, at each row of parameters.

    `draws` has columns as `Posterior.draws`. An amplitude that scatters between devices is the shared one about which
    it scatters. `ValueError` where the device is unknown or must be named, or a column is missing; `NotDetermined`
    without any amplitude of J0.
    """
    refuse_own_model(study, "what follows for the free layer")
    curve = _meant(study, device)
    missing = [label for label in layer_parameters(study, device) if label not in draws]
    if missing:
        raise ValueError(f"the draws have no column {', '.join(missing)}")
    if not study.amplitudes:
        raise NotDetermined("the study declares no amplitude of J0(V), so that it has no torque")

    def column(name: str) -> FloatArray:
        return parameter_draws(study, draws, curve, name)[:, None]

    declared = study.parameters
    lengths = {name: column(name) for name in ("lambda_J", "lambda_phi", "lambda_sf_F")}
    lengths["Lambda"] = column("Lambda") if "Lambda" in declared else column("lambda_sf_N") * column("D_ratio")
    lengths["dead_layer"] = column("dead_layer") if "dead_layer" in declared else np.zeros((len(draws), 1))
    linear = amplitude_layout(study)
    powers = np.unique(linear.power)
    current = np.zeros((len(draws), powers.size), dtype=complex)
    for t, name in enumerate(study.amplitudes):
        current[:, np.searchsorted(powers, linear.power[t])] += linear.phase[t] * column(name)[:, 0]
    return FreeLayer(lengths, powers, current, study.curves[0].per == "volume")
