"""Wafers with known truth for tests of pictures, limits and pages: a bowl, scatter, errors, odd and flagged dies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mtjfit.data import Origin
from mtjfit.wafer import FLAGS, Survey

Q = "slope_ratio"
PITCH = 5.0
CENTRE, SCATTER, ERROR, BOWL = -0.22, 0.012, 0.006, 0.02
SIMULATED = Origin("simulated", "wafers with a bowl, made for a $test$")


def dies(radius: float, pitch: float = PITCH) -> np.ndarray:
    """Middles of the dies that lie on a round wafer, shape (dies, 2), in mm."""
    n = int(radius / pitch)
    grid = pitch * np.stack(np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1)), axis=-1).reshape(-1, 2)
    return grid[np.hypot(*(np.abs(grid) + pitch / 2).T) <= radius]


def wafer(
    rng: np.random.Generator, name: str, *, split: str = "", radius: float = 50.0, pitch: float = PITCH,
    shift: float = 0.0, bowl: float = BOWL, scatter: float = SCATTER, error: float = ERROR,
) -> pd.DataFrame:  # fmt: skip
    """One wafer: slope_ratio with a bowl, |κ|·a1 without, errors that differ by a factor of two between dies."""
    place = dies(radius, pitch)
    n = len(place)
    truth = CENTRE + shift + bowl * np.sum((place / radius) ** 2, axis=1) + scatter * rng.standard_normal(n)
    errors = error * rng.uniform(0.7, 1.4, n)
    amplitude = 0.13 * (1 + 0.02 * rng.standard_normal(n))
    return pd.DataFrame({
        "device": [f"{name}-{k:04d}" for k in range(n)], "wafer": name, "split": split, "x": place[:, 0],
        "y": place[:, 1], "thickness": 2.0, "flags": 0, "slope_ratio": truth + errors * rng.standard_normal(n),
        "slope_ratio_sd": errors, "|kappa|·a1": amplitude + 0.001 * rng.standard_normal(n), "|kappa|·a1_sd": 0.001,
    })  # fmt: skip


def survey_of(*frames: pd.DataFrame, origin: Origin = SIMULATED) -> Survey:
    units = {"slope_ratio": "", "|kappa|·a1": "hbar/2e/kohm", "x": "mm", "y": "mm", "thickness": "nm"}
    return Survey("test wafers", pd.concat(frames, ignore_index=True), units, FLAGS, (origin,), "made.csv")


def lot(seed: int = 0, n: int = 3, **changes: float) -> Survey:
    """Wafers of two splits; die 40 of each is odd, die 50 flagged, die 60 not determined."""
    rng = np.random.default_rng(seed)
    frames = []
    for k in range(n):
        frame = wafer(rng, f"W{k + 1}", split="thin" if k % 2 else "thick", shift=0.05 * (k % 2), **changes)
        frame.loc[40, "slope_ratio"] += 0.15
        frame.loc[50, "flags"] = FLAGS["misfit_scatter"]
        frame.loc[60, ["slope_ratio", "slope_ratio_sd"]] = np.nan
        frame.loc[60, "flags"] = FLAGS["not_determined"]
        frames.append(frame)
    return survey_of(*frames)
