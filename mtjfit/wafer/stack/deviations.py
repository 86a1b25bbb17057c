"""Devices of a stack: posterior of thickness and amplitudes, and how far each departs from the smooth surface."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.infer.ensembles.ensemble import Stream, stream
from mtjfit.study import SCATTER
from mtjfit.wafer.stack.posterior import WaferPosterior
from mtjfit.wafer.stack.sample import StackPosterior

N_DRAWS = 400
"""Draws of each device unless told otherwise: means are then good to 5 % of their sd."""
DEVIATION, SCORE = "_deviation", "_score"
_WHO = ("device", "wafer", "x", "y")
_RELATIVE, _SPREADS = "relative", "sd of the scatter"


def spaced(posterior: StackPosterior, most: int = N_DRAWS) -> FloatArray:
    """At most so many coordinates of a posterior, evenly spaced over its draws, shape (n, size)."""
    z = posterior.z.reshape(-1, posterior.z.shape[-1])
    return np.asarray(z[np.linspace(0, len(z) - 1, min(len(z), most)).round().astype(int)])


def scattered(model: WaferPosterior) -> tuple[str, ...]:
    """What scatters between devices about a smooth surface: ``thickness``, and amplitudes with a declared scatter.

    Amplitudes of which each device has its own, by declaration, have no surface.
    """
    of_terms = [name for name in model.coordinates.terms if SCATTER + name in model.parameters]
    return ("thickness", *of_terms) if model.thickness_is_free else tuple(of_terms)


def surfaces(model: WaferPosterior, values: FloatArray) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Smooth surface and standard deviation about it of all that scatters, for rows of sampled values (n, size).

    By name, each of shape (n or 1, n_devices or 1), in nm or the unit of the amplitude.
    """
    at, everywhere, found = model.coordinates, slice(None), {}
    centre = at.centre(values, everywhere)
    sd = at.own_sd(values, centre)
    for name in scattered(model):
        if name == "thickness":
            found[name] = at.expected(values, everywhere), at.sd(values)
        else:
            t = at.terms.index(name)
            found[name] = centre[..., t], sd[..., at.own.index(t)]
    return found


def device_deviations(posterior: StackPosterior, n_draws: int = N_DRAWS) -> pd.DataFrame:
    """Thickness and amplitudes of each device, and their deviation from the smooth surface, with errors.

    Each draw of the stack has its own surface, scatter and devices, so errors include those of all three.

    Parameters
    ----------
    n_draws : int
        At most so many draws, evenly spaced.

    Returns
    -------
    DataFrame
        One row for each device: device, wafer, x, y (mm), thickness_nominal (nm); mean and ``…_sd`` of the posterior of
        ``thickness`` (nm) and of each amplitude that differs between devices; for what scatters also the mean and
        ``…_sd`` of ``…_deviation`` from the surface (nm; of amplitudes relative to it) and of ``…_score``, the same in
        standard deviations of the scatter. Units as of `device_units`.

    Examples
    --------
    >>> device_deviations(posterior)[["device", "thickness_deviation", "thickness_score"]]     # doctest: +SKIP
    """
    model, rows = posterior.model, spaced(posterior, n_draws)
    devices, values = model.devices, model.scores.values(rows)
    found = {name: getattr(devices, name) for name in _WHO} | {"thickness_nominal": devices.thickness}
    drawn, about = model.draw_devices(rows, stream(posterior.seed, Stream.DRAW_BACK)), surfaces(model, values)
    for name, each in drawn.items():
        found |= _moments(name, each)
        if name in about:
            surface, sd = about[name]
            away = each - surface
            found |= _moments(name + DEVIATION, away if name == "thickness" else away / surface)
            found |= _moments(name + SCORE, away / sd)
    return pd.DataFrame(found)


def _moments(name: str, each: FloatArray) -> dict[str, FloatArray]:
    """Mean and standard deviation over draws, shape (n, n_devices), as columns."""
    return {name: each.mean(axis=0), f"{name}_sd": each.std(axis=0, ddof=1)}


def device_units(model: WaferPosterior) -> dict[str, str]:
    """Units of the columns of `device_deviations`, as files write them; numbers without a unit are left out."""
    units = {"x": "mm", "y": "mm", "thickness_nominal": "nm"}
    for name in ("thickness", *model.coordinates.terms):
        unit = model.unit_of(name)
        away = unit if name == "thickness" else _RELATIVE
        for column, its in ((name, unit), (name + DEVIATION, away), (name + SCORE, _SPREADS)):
            units |= {column: its, f"{column}_sd": its}
    return units


def with_units(table: pd.DataFrame, units: dict[str, str]) -> pd.DataFrame:
    """The same table with units in its headers, such as ``thickness (nm)``."""
    return table.rename(columns={name: f"{name} ({unit})" for name, unit in units.items() if unit})
