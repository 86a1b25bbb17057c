"""Predictions of parameters and posterior draws: torque and its bands at any bias, κ(d) and the spin accumulation.

The model is the one that was fitted: layout, transfer function and polynomials come from `mtjfit.model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit

from mtjfit.arrays import BoolArray, ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import TorqueCurve
from mtjfit.infer import Posterior
from mtjfit.infer.level import BAND, Level
from mtjfit.model.compress import polynomial_design
from mtjfit.model.layout import Layout, amplitude_layout, layout
from mtjfit.model.likelihood import THINNEST, transfer
from mtjfit.physics import kappa, spin_accumulation
from mtjfit.study import DOF, EQ12, JITTER, NOISE, KappaModel, ParameterName, Study


@dataclass(frozen=True, eq=False)
class SharedLengths(ShownAsCard):
    """Devices with the same lengths, and draws of these in nm, shape (n, 1), `Lambda` and `dead_layer` included."""

    devices: tuple[str, ...]
    lengths: dict[str, FloatArray]
    model: KappaModel = EQ12


def _lengths(study: Study, draws: pd.DataFrame, curve: TorqueCurve) -> dict[str, FloatArray]:
    def get(name: str) -> FloatArray:
        return parameter_draws(study, draws, curve, name)

    found = {name: get(name) for name in study.model.parameters if name in study.parameters}
    if study.model.is_eq12 and "Lambda" not in found:
        found["Lambda"] = found.pop("lambda_sf_N") * found.pop("D_ratio")
    found["dead_layer"] = get("dead_layer") if "dead_layer" in study.parameters else np.zeros(len(draws))
    return {name: values[:, None] for name, values in found.items()}


def shared_lengths(posterior: Posterior) -> tuple[SharedLengths, ...]:
    """Devices by the lengths that they share, one stack if all are shared; at most 2000 even draws are kept."""
    study, draws = posterior.study, posterior.spaced()
    lengths = [study.parameters[name] for name in study.lengths]
    found: dict[object, list[TorqueCurve]] = {}
    for curve in study.curves:
        found.setdefault(tuple(each.name_for(curve) for each in lengths), []).append(curve)
    return tuple(
        SharedLengths(tuple(c.name for c in own), _lengths(study, draws, own[0]), study.model) for own in found.values()
    )


def kappa_draws(stack: SharedLengths, d: ArrayLike) -> ComplexArray:
    """κ(d) for each draw, shape (n, n_d), of the magnetic part of `d` (nm); 0 where nothing is magnetic.

    >>> one = {name: np.full((1, 1), 1.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")}
    >>> stack = SharedLengths(("A",), one | {"lambda_sf_F": np.full((1, 1), 10.0), "dead_layer": np.zeros((1, 1))})
    >>> f"{kappa_draws(stack, [1.2])[0, 0]:.4f}"  # the paper's Fig. 3
    '0.8121-0.1757j'
    """
    own = stack.lengths
    magnetic = np.maximum(np.asarray(d, dtype=float) - own["dead_layer"], 0.0)
    if not stack.model.is_eq12:
        thick = np.maximum(magnetic, THINNEST)
        K = stack.model.kappa(thick, {name: own[name] for name in stack.model.parameters})
        return np.where(magnetic > 0, K, 0.0)
    return np.asarray(kappa(magnetic, own["lambda_J"], own["lambda_phi"], own["lambda_sf_F"], own["Lambda"]))


def accumulation_draws(stack: SharedLengths, x: ArrayLike, d: float) -> ComplexArray:
    """m(x) D_F/J0 in nm of Eq. 9 in the free layer for each draw, shape (n, n_x), 0 ≤ x ≤ d, d magnetic, in nm.

    What lies behind F enters through Λ alone, so that no profile can be drawn there.
    """
    own = stack.lengths
    x = np.asarray(x, dtype=float)
    return np.asarray(spin_accumulation(x, d, own["lambda_J"], own["lambda_phi"], own["lambda_sf_F"], own["Lambda"]))


def kappa_in_words(posterior: Posterior) -> str:
    """κ at the thinnest and the thickest device with intervals, for those who cannot see the plot."""
    d = np.array([posterior.study.thicknesses.min(), posterior.study.thicknesses.max()])
    said = []
    for stack in shared_lengths(posterior)[:2]:
        K = kappa_draws(stack, d)
        for k, thickness in enumerate(d):
            parts = [np.quantile(part, posterior.interval.quantiles) for part in (K[:, k].real, K[:, k].imag)]
            words = " and ".join(
                f"{name} {q[1]:.3g} ({q[0]:.3g} to {q[2]:.3g})" for name, q in zip(("Re", "Im"), parts, strict=True)
            )
            said.append(f"At {thickness:g} nm {words}.")
    return " ".join(said)


_STEP = 1e-4  # V; the torque is a polynomial of low order


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Median and central interval of one component at each bias, shape (n_bias,), in the unit of the curve."""

    low: FloatArray
    median: FloatArray
    high: FloatArray


@dataclass(frozen=True, eq=False)
class Band(ShownAsCard):
    """Posterior prediction for one device at each `bias` (V), in its unit; of a new point if `with_noise`.

    Between `low` and `high` lies the share `level` of the draws.
    """

    bias: FloatArray
    par: Quantiles
    perp: Quantiles
    with_noise: bool
    level: Level = BAND


def _position(study: Study, curve: TorqueCurve) -> int:
    if curve.name not in study.devices:
        raise ValueError(f"device {curve.name!r} is not in the study {study.name!r}")
    return study.devices.index(curve.name)


def columns_of(draws: pd.DataFrame, names: Sequence[str]) -> FloatArray:
    """Draws of some parameters, shape (n_draws, n_names); ValueError if a column is missing."""
    missing = [name for name in names if name not in draws.columns]
    if missing:
        raise ValueError(f"the draws have no column {', '.join(missing)}")
    return draws[list(names)].to_numpy(dtype=float)


def _alone(whole: Layout, j: int) -> Layout:
    """The layout as device `j` sees it: same vector, one device."""
    index = {name: column[[j]] for name, column in whole.index.items()}
    fixed = {name: column[[j]] for name, column in whole.fixed.items()}
    return replace(whole, index=index, fixed=fixed)


def torque_draws(study: Study, draws: pd.DataFrame, curve: TorqueCurve, bias: ArrayLike) -> ComplexArray:
    """Torque or torkance of one device for each row of parameters, T_par + i T_perp, shape (n_draws, n_bias).

    Eq. 12: κ(d) J0(V) per area or device, κ(d) J0(V)/d per volume; dJ0/dV in place of J0 for a torkance. `bias` in
    volts, quantity and unit those of `curve`. Columns of `draws` are named as in `Posterior.draws`, others are ignored;
    fixed parameters and nominal thicknesses come from `study`. ValueError for an unknown device or a missing column.

    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> lengths = dict(lambda_J=1.0, lambda_phi=1.0, lambda_sf_F=10.0, lambda_sf_N=1.0)
    >>> thicknesses = dict(zip(study.names_of("thickness"), study.thicknesses))
    >>> draws = pd.DataFrame([lengths | thicknesses | dict(a1=0.13, b2=0.08)])
    >>> T = torque_draws(study, draws, study.curves[1], [0.0])
    >>> f"{T[0, 0]:.4f}"
    '0.1056-0.0228j'
    """
    j = _position(study, curve)
    alone, linear = _alone(layout(study), j), amplitude_layout(study)
    K = transfer(alone, columns_of(draws, alone.names), per_volume=curve.per == "volume")
    K = np.broadcast_to(K, (len(draws), 1))
    # an amplitude that scatters has a column for each device beside the shared one
    own = [ParameterName(name, curve.device) for name in linear.names]
    free = columns_of(draws, tuple(o if o in draws else n for o, n in zip(own, linear.names, strict=True)))
    column = linear.column[j]
    terms = np.where(column >= 0, free[:, column] if linear.names else 0.0, linear.constant)
    J0 = (terms * linear.phase) @ polynomial_design(
        curve, linear.power, np.asarray(bias, dtype=float), study.model.terms
    ).T
    # amplitudes are in the unit of the first curve
    return np.asarray(K * J0 / study.scale_of(curve))


def torque_at(study: Study, values: Mapping[str, float], curve: TorqueCurve, bias: ArrayLike) -> ComplexArray:
    """`torque_draws` at one set of parameters, such as `FitResult.values`; shape (n_bias,)."""
    return np.asarray(torque_draws(study, pd.DataFrame([dict(values)]), curve, bias)[0])


def _noise(study: Study, draws: pd.DataFrame, curve: TorqueCurve) -> tuple[FloatArray, FloatArray]:
    """Fitted noise scales of one device for each row, shape (n_draws, 1), in the unit of the curve."""
    alone = _alone(layout(study), _position(study, curve))
    values, scale = columns_of(draws, alone.names), study.scale_of(curve)
    par, perp = (np.broadcast_to(alone.by_device(name, values) / scale, (len(draws), 1)) for name in NOISE)
    return par, perp


def errors_of(study: Study, values: Mapping[str, float], curve: TorqueCurve) -> tuple[FloatArray, FloatArray]:
    """Standard errors of both components at each bias point, shape (n,) each, in the unit of the curve.

    Those of the data where they are known, else the noise scales in `values`.
    """
    if curve.sigma_par is not None and curve.sigma_perp is not None:
        return curve.sigma_par, curve.sigma_perp
    par, perp = _noise(study, pd.DataFrame([dict(values)]), curve)
    return np.full(curve.bias.size, par[0, 0]), np.full(curve.bias.size, perp[0, 0])


def parameter_draws(study: Study, draws: pd.DataFrame, curve: TorqueCurve, name: str) -> FloatArray:
    """A parameter as one device has it, shape (n_draws,); a fixed one repeated. KeyError if there is none."""
    parameter = study.parameters[name]
    if parameter.tie is not None:
        return np.asarray(parameter.tie.ratio * parameter_draws(study, draws, curve, parameter.tie.target))
    if parameter.value is not None:
        return np.full(len(draws), parameter.value)
    return draws[parameter.name_for(curve)].to_numpy(dtype=float)


def _variances_at(study: Study, draws: pd.DataFrame, curve: TorqueCurve, bias: FloatArray) -> list[FloatArray]:
    """Of both components of a new point: known errors (interpolated) or fitted ones, jitter, errors of its bias."""
    if curve.sigma_par is None or curve.sigma_perp is None:
        variances = [sigma**2 for sigma in _noise(study, draws, curve)]
    else:
        errors = enumerate((curve.sigma_par, curve.sigma_perp))
        variances = [_interpolated(curve, sigma, curve.used_values[c], bias) ** 2 for c, sigma in errors]
    for c, name in enumerate(JITTER):
        if name in study.parameters:
            variances[c] = (
                variances[c] + (parameter_draws(study, draws, curve, name)[:, None] / study.scale_of(curve)) ** 2
            )
    if curve.sigma_bias is not None:
        above, below = (torque_draws(study, draws, curve, bias + step) for step in (_STEP, -_STEP))
        away = (above - below) / (2 * _STEP) * _interpolated(curve, curve.sigma_bias, curve.used, bias)
        variances = [variances[0] + away.real**2, variances[1] + away.imag**2]
    # of a component without any value the band is that of the model alone
    return [np.where(used.any(), each, 0.0) for used, each in zip(curve.used_values, variances, strict=True)]


def _interpolated(curve: TorqueCurve, sigma: FloatArray, used: BoolArray, bias: FloatArray) -> FloatArray:
    """Errors at any bias between those of the points in use; 0 where there are none."""
    if not used.any():
        return np.zeros_like(bias)
    order = np.argsort(curve.bias[used], kind="stable")
    return np.interp(bias, curve.bias[used][order], sigma[used][order])


def _deviates(study: Study, draws: pd.DataFrame, curve: TorqueCurve, rng: np.random.Generator) -> FloatArray:
    """Deviations of a new point in units of its error, shape (n_draws, 1): normal, or of the declared t distribution.

    Stratified, and the same for every bias: right quantiles at each bias, in smooth curves.
    """
    u = rng.permutation((np.arange(len(draws)) + 0.5) / len(draws))[:, None]
    if DOF not in study.parameters:
        return np.asarray(ndtri(u))
    return np.asarray(stdtrit(parameter_draws(study, draws, curve, DOF)[:, None], u))


def predictive_bands(posterior: Posterior, curve: TorqueCurve, bias: ArrayLike, *, with_noise: bool) -> Band:
    """Quantiles of what at most 2000 evenly spaced draws predict for one device; deterministic.

    With noise for a new point measured with the errors of the data (interpolated between the used points, or fitted),
    with jitter, errors of the bias and the tails of Student's t where the study has them: the share `Posterior.band` of
    the points, 95 % by default, should lie in the band. Without it for the model alone.
    """
    study, V = posterior.study, np.asarray(bias, dtype=float)
    draws = posterior.spaced()
    T = torque_draws(study, draws, curve, V)
    components = [T.real, T.imag]
    if with_noise:
        rng = np.random.default_rng(0)
        for c, variance in enumerate(_variances_at(study, draws, curve, V)):
            components[c] = components[c] + np.sqrt(variance) * _deviates(study, draws, curve, rng)
    par, perp = (Quantiles(*np.quantile(part, posterior.band.quantiles, axis=0)) for part in components)
    return Band(V, par, perp, with_noise, posterior.band)
