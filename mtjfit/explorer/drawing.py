"""Arrays behind the pictures of the explorer, independent of how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import BoolArray, ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.explorer.state import ExploredStudy, SliderState, value_of
from mtjfit.model.likelihood import amplitude_design
from mtjfit.physics import kappa, spin_accumulation
from mtjfit.results.predict import errors_of, torque_at

_POINTS = 121


@dataclass(frozen=True, eq=False)
class Accumulation:
    """Spin density m D_F/J0 (nm, Eq. 9–10) at x, shape (n,), and where the free layer ends (nm)."""

    x: FloatArray
    m: ComplexArray
    d: float


@dataclass(frozen=True, eq=False)
class Kappa:
    """κ(d) (Eq. 12) against d (nm, magnetic), and from the data of each device with the current amplitudes.

    `measured` and its `errors` (those of both parts), shape (n_devices,), are NaN where J0 vanishes; `shown` is κ of
    the device that is shown.
    """

    d: FloatArray
    kappa: ComplexArray
    d_devices: FloatArray
    measured: ComplexArray
    errors: ComplexArray
    shown: complex
    d_shown: float


@dataclass(frozen=True, eq=False)
class Torque:
    """Torque or torkance of the device that is shown, in its unit: in-plane + i out-of-plane.

    The model at `bias`, shape (n,), and its data at `data_bias`, shape (n_data,), in V; `used` is False for masked
    points.
    """

    bias: FloatArray
    model: ComplexArray
    data_bias: FloatArray
    data: ComplexArray
    errors: ComplexArray
    used: BoolArray


@dataclass(frozen=True, eq=False)
class Pictures(ShownAsCard):
    """Arrays of all pictures."""

    accumulation: Accumulation
    kappa: Kappa
    torque: Torque


def pictures_at(state: SliderState, explored: ExploredStudy) -> Pictures:
    """Arrays of all pictures at the sliders.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.explorer.state import start
    >>> from mtjfit.study import load_study
    >>> explored = ExploredStudy(load_study(dataset("thickness-series").study_file))
    >>> drawn = pictures_at(start(explored), explored)
    >>> drawn.kappa.measured.shape, drawn.torque.data_bias.size
    ((5,), 41)
    """
    layers = [value_of(explored, state, n) for n in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio")]
    return Pictures(_accumulation(state, explored, layers), _kappa(state, explored, layers), _torque(state, explored))


def _magnetic(state: SliderState, explored: ExploredStudy) -> FloatArray:
    """Thickness without the dead layer of each device, shape (n_devices,); zero if there is nothing left."""
    values, _ = explored.vectors(state.values)
    return np.maximum(explored.model.layout.magnetic(values), 0.0)


def _accumulation(state: SliderState, explored: ExploredStudy, layers: list[float]) -> Accumulation:
    d = float(_magnetic(state, explored)[explored.study.devices.index(state.device)])
    beyond = d + float(np.clip(3 * layers[3], 0.5, max(2 * d, 0.5)))
    x = np.concatenate([np.linspace(0, d, _POINTS), np.linspace(d, beyond, _POINTS // 2)[1:]])
    return Accumulation(x, spin_accumulation(x, d, *layers), d)


def _kappa(state: SliderState, explored: ExploredStudy, layers: list[float]) -> Kappa:
    thickness = _magnetic(state, explored)
    here = float(thickness[explored.study.devices.index(state.device)])
    d = np.linspace(0.0, max(4.0, 1.2 * float(thickness.max())), _POINTS)
    measured, errors = _measured(state, explored, thickness)
    return Kappa(d, kappa(d, *layers), thickness, measured, errors, complex(kappa(here, *layers)), here)


def _measured(state: SliderState, explored: ExploredStudy, thickness: FloatArray) -> tuple[ComplexArray, ComplexArray]:
    """κ of each device with standard errors, by least squares of T = κ J0 (or κ J0/d) with the current J0."""
    model, n = explored.model, thickness.size
    _, amplitudes = explored.vectors(state.values)
    linear = model.amplitudes
    terms = np.where(linear.column >= 0, np.append(amplitudes, 0.0)[linear.column], linear.constant)
    parts = [(amplitude_design(model.data, linear, np.full(n, unit)) @ terms[..., None])[..., 0] for unit in (1, 1j)]
    X, z = np.stack(parts, axis=-1), model.data.z  # (n, 2P, 2) and (n, 2P)
    sigma = np.ones((n, 2 * model.data.powers.size))
    if model.data.fitted.any():
        P = model.data.powers.size
        for j, curve in enumerate(explored.open.curves):
            if model.data.fitted[j]:
                par, perp = errors_of(explored.open, state.values, curve)
                sigma[j] = np.repeat([par[0], perp[0]], P) * explored.open.scale_of(curve)
    found, errors = np.full(n, np.nan + 0j), np.full(n, np.nan + 0j)
    for j in range(n):
        x = X[j] / sigma[j][:, None]
        square = x.T @ x
        if np.linalg.cond(square) < 1e12:
            best = np.linalg.solve(square, x.T @ (z[j] / sigma[j]))
            sd = np.sqrt(np.diag(np.linalg.inv(square)))
            found[j], errors[j] = complex(*best), complex(*sd)
    per_volume = thickness if model.per_volume else np.ones(n)
    return np.asarray(found * per_volume, dtype=complex), np.asarray(errors * per_volume, dtype=complex)


def _torque(state: SliderState, explored: ExploredStudy) -> Torque:
    curve = next(each for each in explored.open.curves if each.name == state.device)
    low, high = float(curve.bias.min()), float(curve.bias.max())
    margin = 0.05 * (high - low) or 0.05
    bias = np.linspace(low - margin, high + margin, _POINTS)
    par, perp = errors_of(explored.open, state.values, curve)
    model = torque_at(explored.open, state.values, curve, bias)
    return Torque(bias, model, curve.bias, curve.par + 1j * curve.perp, par + 1j * perp, curve.used)
