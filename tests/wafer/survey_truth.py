"""Wafers drawn at random with known truth, from numpy alone: sizes, spreads, shifts, thicknesses, odd devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.wafer import Survey


@dataclass(frozen=True)
class Design:
    """A lot: devices of each wafer and thickness, their spreads, and what else differs between them."""

    sizes: Sequence[Sequence[int]]  # by wafer, then thickness
    spreads: Sequence[Sequence[float]]  # the same
    shifts: float = 0.0  # standard deviation of the means of wafers
    errors: float = 0.0  # median error of measurement; they differ by a factor of two
    odd: float = 0.0  # share of devices that are far off
    far: float = 6.0  # in standard deviations of what is measured
    sides: int = 2  # on which odd devices lie
    difference: Sequence[float] = ()  # of means of wafers, in standard deviations of their devices over √n


def drawn(design: Design, rng: np.random.Generator) -> tuple[Survey, np.ndarray]:
    """A survey with quantity b, and which of its devices are odd."""
    rows = []
    shifts = design.shifts * rng.standard_normal(len(design.sizes))
    for k, (sizes, spreads) in enumerate(zip(design.sizes, design.spreads, strict=True)):
        for j, (n, spread) in enumerate(zip(sizes, spreads, strict=True)):
            errors = design.errors * np.exp(rng.uniform(-0.35, 0.35, n))
            width = np.sqrt(spread**2 + errors**2)
            odd = rng.random(n) < design.odd
            side = rng.choice([-1, 1], n) if design.sides == 2 else np.ones(n)
            moved = (design.difference[k] if design.difference else 0.0) * width.mean() / np.sqrt(n)
            values = 10.0 * j + shifts[k] + moved + width * (rng.standard_normal(n) + design.far * side * odd)
            rows.append(pd.DataFrame({
                "device": [f"D{j}-{i}" for i in range(n)], "wafer": f"W{k}", "thickness": 1.0 + j, "b": values,
                "b_sd": errors, "odd": odd,
            }))  # fmt: skip
    frame = pd.concat(rows, ignore_index=True)
    return Survey("drawn", frame.drop(columns="odd")), frame["odd"].to_numpy()


def any_design(rng: np.random.Generator, **given: float) -> Design:
    """Two to five wafers of one to three thicknesses, 6 to 80 devices of each; spreads that differ up to five times."""
    wafers, thicknesses = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    sizes = np.exp(rng.uniform(np.log(6), np.log(80), (wafers, thicknesses))).astype(int)
    spreads = np.exp(rng.uniform(0, np.log(5), (wafers, thicknesses)))
    return Design(sizes.tolist(), spreads.tolist(), errors=float(rng.choice([0.0, 0.5, 1.0])), **given)
