"""Tables of three devices, faults put into them, and the comparison of chunks bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from wafer_cases import wafer_study

from mtjfit.wafer import Chunk, WaferStudy

ROWS = ("bias", "par", "perp", "sigma_par", "sigma_perp", "used", "rho")
PLAIN = ("device", "wafer", "split")
EACH = ("start", "thickness", "x", "y", "angle_factor")


def same(one: Chunk, other: Chunk) -> bool:
    """Bit for bit, share and faults aside."""
    arrays = [(getattr(one, name), getattr(other, name)) for name in (*ROWS, *EACH)]
    equal = all((a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b, equal_nan=True))
                for a, b in arrays)  # fmt: skip
    return equal and all(getattr(one, name) == getattr(other, name) for name in PLAIN)


def changed_devices(found: Chunk, sound: Chunk) -> set[str]:
    """Devices that are not bit for bit as in another chunk, or not there."""
    known = {name: sound.devices(k, k + 1) for k, name in enumerate(sound.device)}
    return {name for j, name in enumerate(found.device)
            if name not in known or not same(found.devices(j, j + 1), known[name])}  # fmt: skip


def joined(parts: list[Chunk]) -> Chunk:
    """Chunks as one."""
    start = np.cumsum([0, *np.concatenate([np.diff(part.start) for part in parts])])
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in (*ROWS[:5], *EACH[1:4])}
    words = {name: sum((getattr(part, name) for part in parts), ()) for name in PLAIN}
    return replace(parts[0], start=start, **arrays, **words, faults=sum((part.faults for part in parts), ()))


def small(folder: Path, text: str | bytes, **declared: Any) -> WaferStudy:
    """A table of the given text."""
    (folder / "table.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return wafer_study(folder, folder / "table.csv", **declared)


def row(device: str, V: float, **changes: object) -> str:
    cells: dict[str, object] = {
        "wafer": "W1", "split": "s", "device": device, "x (mm)": 1.0, "y (mm)": 2.0, "d_nm": 2.0, "V": V,
        "T_par": V, "T_perp": V * V, "s_par": 0.1, "s_perp": 0.1,
    }  # fmt: skip
    return ",".join(str(each) for each in (cells | changes).values())


HEADER = "wafer,split,device,x (mm),y (mm),d_nm,V,T_par,T_perp,s_par,s_perp"
BIASES = (-0.2, -0.1, 0.0, 0.1, 0.2)
GOOD = [row(device, V) for device in "ABC" for V in BIASES]


def table(change: Callable[[list[str]], object] = lambda _: None) -> str:
    lines = [HEADER, *GOOD]
    change(lines)
    return "\n".join(lines) + "\n"


def put(line: int, text: str) -> Callable[[list[str]], object]:
    """Replace a line, counted from 1."""
    return lambda lines: lines.__setitem__(line - 1, text)
