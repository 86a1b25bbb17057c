"""κ(d) and the spin accumulation of posterior draws: what the lengths of a stack mean at any thickness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mtjfit.data import FloatArray, TorqueCurve
from mtjfit.infer import Posterior
from mtjfit.physics import kappa, spin_accumulation
from mtjfit.physics.diffusion import ComplexArray
from mtjfit.results.predict import parameter_draws
from mtjfit.study import LENGTHS, Study


@dataclass(frozen=True, eq=False)
class SharedLengths:
    """Devices with the same lengths, and draws of these in nm, shape (n, 1), `Lambda` and `dead_layer` included."""

    devices: tuple[str, ...]
    lengths: dict[str, FloatArray]


def _lengths(study: Study, draws: pd.DataFrame, curve: TorqueCurve) -> dict[str, FloatArray]:
    def get(name: str) -> FloatArray:
        return parameter_draws(study, draws, curve, name)

    Lambda = get("Lambda") if "Lambda" in study.parameters else get("lambda_sf_N") * get("D_ratio")
    found = {name: get(name) for name in ("lambda_J", "lambda_phi", "lambda_sf_F")} | {"Lambda": Lambda}
    found["dead_layer"] = get("dead_layer") if "dead_layer" in study.parameters else np.zeros(len(draws))
    return {name: values[:, None] for name, values in found.items()}


def shared_lengths(posterior: Posterior) -> tuple[SharedLengths, ...]:
    """Devices by the lengths that they share, one stack if all are shared; at most 2000 even draws are kept."""
    study, draws = posterior.study, posterior.spaced()
    scopes = {study.parameters[name].scope for name in LENGTHS if name in study.parameters}
    of = {"device": lambda c: c.device, "group": lambda c: c.group}
    key = of["device"] if "device" in scopes else of["group"] if "group" in scopes else lambda c: ""
    found: dict[object, list[TorqueCurve]] = {}
    for curve in study.curves:
        found.setdefault(key(curve), []).append(curve)
    return tuple(SharedLengths(tuple(c.device for c in own), _lengths(study, draws, own[0])) for own in found.values())


def kappa_draws(stack: SharedLengths, d: ArrayLike) -> ComplexArray:
    """κ(d) of Eq. 12 for each draw, shape (n, n_d), of the magnetic part of `d` (nm); 0 where nothing is magnetic.

    >>> one = {name: np.full((1, 1), 1.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")}
    >>> stack = SharedLengths(("A",), one | {"lambda_sf_F": np.full((1, 1), 10.0), "dead_layer": np.zeros((1, 1))})
    >>> f"{kappa_draws(stack, [1.2])[0, 0]:.4f}"  # the paper's Fig. 3
    '0.8121-0.1757j'
    """
    own = stack.lengths
    magnetic = np.maximum(np.asarray(d, dtype=float) - own["dead_layer"], 0.0)
    return np.asarray(kappa(magnetic, own["lambda_J"], own["lambda_phi"], own["lambda_sf_F"], own["Lambda"]))


def accumulation_draws(stack: SharedLengths, x: ArrayLike, d: float) -> ComplexArray:
    """m(x) D_F/J0 in nm of Eq. 9 in the free layer for each draw, shape (n, n_x), 0 ≤ x ≤ d, d magnetic, in nm.

    What lies behind F enters through Λ alone, so that no profile can be drawn there.
    """
    own = stack.lengths
    x = np.asarray(x, dtype=float)
    return np.asarray(spin_accumulation(x, d, own["lambda_J"], own["lambda_phi"], own["lambda_sf_F"], own["Lambda"]))


def kappa_in_words(posterior: Posterior) -> str:
    """κ at the thinnest and the thickest device with 90 % intervals, for those who cannot see the plot."""
    d = np.array([posterior.study.thicknesses.min(), posterior.study.thicknesses.max()])
    said = []
    for stack in shared_lengths(posterior)[:2]:
        K = kappa_draws(stack, d)
        for k, thickness in enumerate(d):
            parts = [np.quantile(part, (0.05, 0.5, 0.95)) for part in (K[:, k].real, K[:, k].imag)]
            words = " and ".join(
                f"{name} {q[1]:.3g} ({q[0]:.3g} to {q[2]:.3g})" for name, q in zip(("Re", "Im"), parts, strict=True)
            )
            said.append(f"At {thickness:g} nm {words}.")
    return " ".join(said)
