"""Proposals fitted to draws, for targets whose coordinates are straight already."""

from __future__ import annotations

import numpy as np

from mtjfit.infer.ensembles.jumps import Jump, Straight
from mtjfit.infer.ensembles.mixture import Mixture, fitted


def jump_of(mixture: Mixture) -> Jump:
    """In coordinates that are taken as they are."""
    return Jump(mixture, Straight(object()))  # type: ignore[arg-type]


def fitted_jump(draws: np.ndarray, rng: np.random.Generator, components: int = 16) -> Jump:
    """Fitted to draws of shape (n, size)."""
    return jump_of(fitted(draws, rng, components=components))


def three_bells(size: int) -> Mixture:
    """Three components of different weights, widths and correlations."""
    rng = np.random.default_rng(1)
    roots = np.tril(rng.uniform(0.3, 1.0, (3, size, size)))
    return Mixture(np.array([0.5, 0.3, 0.2]), rng.normal(0.0, 2.0, (3, size)), roots)
