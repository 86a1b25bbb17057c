"""Small files of spectra with known lines, for tests of reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FIELD = np.linspace(0.0, 100.0, 101)
HEAD = """\
[spectra]
name = "sweeps"
against = "field"
[[files]]
file = "*.txt"
device = "A1"
bias = 0.0
fixed = 4.0
"""
TABLES = """\
[files.columns]
x = "x"
voltage = "v"
[files.units]
x = "mT"
voltage = "uV"
fixed = "GHz"
"""


def line(x: np.ndarray, centre: float = 50.0, half_width: float = 3.0, s: float = 10.0, a: float = -4.0) -> np.ndarray:
    u = (x - centre) / half_width
    return (s + a * u) / (1 + u * u)


def noisy(x: np.ndarray, seed: int = 0, **line_of: float) -> np.ndarray:
    return line(x, **line_of) + 0.05 * np.random.default_rng(seed).standard_normal(x.size)


def text_of(x: np.ndarray, v: np.ndarray, header: str = "x,v") -> str:
    return header + "\n" + "".join(f"{a:.6g},{b:.8g}\n" for a, b in zip(x, v, strict=True))


def written(folder: Path, files: dict[str, str], head: str = HEAD, tables: str = TABLES, tail: str = "") -> Path:
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    study = folder / "spectra.toml"
    study.write_text(head + tables + tail, encoding="utf-8")
    return study
