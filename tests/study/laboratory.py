"""Data sets as laboratories leave them, simulated: one torque of several junctions in many arrangements of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

THICK = {"A1": 0.9, "B2": 1.4, "C3": 2.0, "D4": 2.8, "E5": 3.6}
BIAS = np.linspace(-0.4, 0.4, 17)
A1, B2, NOISE = 3.0, 1.8, 0.004


def kappa(d: float, lambda_J: float = 1.5, lambda_phi: float = 1.8, lambda_sf: float = 10.0, Lambda: float = 4.0):
    """Eq. 12 as the paper prints it: the transmitted share solved from two by two boundary conditions."""
    k2 = 1 / lambda_sf**2 + 1 / lambda_phi**2 - 1j / lambda_J**2
    k, q2 = np.sqrt(k2), 1 / lambda_phi**2 - 1j / lambda_J**2
    left = np.array(
        [[k, -k], [k * np.exp(-k * d) + np.exp(-k * d) * -1 / Lambda, -k * np.exp(k * d) - np.exp(k * d) / Lambda]]
    )
    a, b = np.linalg.solve(left, np.array([1.0, 0.0]))
    return q2 * (a * (1 - np.exp(-k * d)) + b * (np.exp(k * d) - 1)) / k


@dataclass(frozen=True)
class DataSet:
    """Files, what is true of them, and what only a person can know."""

    files: tuple[Path, ...]
    curves: Mapping[str, tuple[float, np.ndarray, np.ndarray]]  # thickness, par, perp by name of the curve; nan: none
    answers: Mapping[str, str] = field(default_factory=dict)


def simulated(
    seed: int, names: Iterable[str] = THICK, scale: float = 1.0
) -> dict[str, tuple[float, np.ndarray, np.ndarray]]:
    """Torques with scatter, rounded as an instrument writes them."""
    draw, found = np.random.default_rng(seed), {}
    for name in names:
        d = THICK[name.partition(" @")[0]]
        T = kappa(d) * scale * (A1 * BIAS + 1j * B2 * BIAS**2)
        noise = draw.normal(0, NOISE, (2, BIAS.size))
        found[name] = d, np.round(T.real + noise[0], 6), np.round(T.imag + noise[1], 6)
    return found


def write(file: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """A table as text."""
    file.write_text("\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n", encoding="utf-8")
    return file


def _alone(curves, keep: int):
    """Curves with one component."""
    nan = np.full(BIAS.size, np.nan)
    return {name: (d, par, nan) if keep == 0 else (d, nan, perp) for name, (d, par, perp) in curves.items()}


def one_table(folder: Path) -> DataSet:
    """(a) One row for each device and bias, units in the header, errors in columns."""
    curves = simulated(1)
    rows = [(name, d, round(1e3 * v, 3), p, q, NOISE, NOISE) for name, (d, par, perp) in curves.items()
            for v, p, q in zip(BIAS, par, perp, strict=True)]  # fmt: skip
    header = ("Sample", "t_free (nm)", "Vdc (mV)", "tau_par (aN m)", "tau_perp (aN m)", "par_err", "perp_err")
    return DataSet((write(folder / "series.csv", header, rows),), curves)


def file_per_device(folder: Path, units: bool = False) -> DataSet:
    """(b) Device and thickness in the names."""
    curves = simulated(2)
    header = ("V (V)", "T_par (aN m)", "T_perp (aN m)") if units else ("V", "T_par", "T_perp")
    files = [write(folder / f"{name}_T{d}nm.txt", header, zip(BIAS.round(6), par, perp, strict=True))
             for name, (d, par, perp) in curves.items()]  # fmt: skip
    return DataSet(tuple(files), curves, {} if units else {"torque": "aN m"})


def workbook(folder: Path) -> DataSet:
    """(c) A sheet for each device, with a dot in its name, and one of notes."""
    curves, book = simulated(3), pytest.importorskip("openpyxl").Workbook()
    book.active.title = "notes"
    book.active.append(["measured in the cellar"])
    for name, (d, par, perp) in curves.items():
        sheet = book.create_sheet(f"{name} {d}nm")
        for row in (("V (mV)", "in-plane (aN m)", "out-of-plane (aN m)"), *zip(1e3 * BIAS, par, perp, strict=True)):
            sheet.append(row if isinstance(row[0], str) else [float(each) for each in row])
    book.save(folder / "lot.xlsx")
    return DataSet((folder / "lot.xlsx",), curves)


def long_table(folder: Path) -> DataSet:
    """(d) A row for each component."""
    curves = simulated(4)
    rows = [(name, d, round(v, 6), word, value, NOISE) for name, (d, *both) in curves.items()
            for word, values in zip(("in-plane", "out-of-plane"), both, strict=True)
            for v, value in zip(BIAS, values, strict=True)]  # fmt: skip
    header = ("device", "d (nm)", "V (V)", "which", "torque (aN m)", "error")
    return DataSet((write(folder / "long.csv", header, rows),), curves)


def one_component(folder: Path) -> DataSet:
    """(e) In-plane alone."""
    curves = _alone(simulated(5), 0)
    rows = [(name, d, round(v, 6), p) for name, (d, par, _) in curves.items() for v, p in zip(BIAS, par, strict=True)]
    return DataSet((write(folder / "par.csv", ("device", "d_nm", "V", "T_par"), rows),), curves, {"torque": "aN m"})


def one_component_of_files(folder: Path) -> DataSet:
    """(e) Two columns, the component in the names."""
    curves = _alone(simulated(6), 1)
    files = [write(folder / f"{name}_{str(d).replace('.', 'p')}nm_oop.csv", ("V (mV)", "torque (aN m)"),
                   zip((1e3 * BIAS).round(3), perp, strict=True)) for name, (d, _, perp) in curves.items()]  # fmt: skip
    return DataSet(tuple(files), curves)


def two_files(folder: Path) -> DataSet:
    """(f) In-plane and out-of-plane apart, with other columns."""
    curves = simulated(7)
    files = []
    for k, (file, column) in enumerate((("inplane.csv", "T_par (aN m)"), ("outofplane.csv", "T_perp (aN m)")), start=1):
        rows = [(name, each[0], round(v, 6), y) for name, each in curves.items()
                for v, y in zip(BIAS, each[k], strict=True)]  # fmt: skip
        files.append(write(folder / file, ("device", "thickness (nm)", "V (V)", column), rows))
    return DataSet(tuple(files), curves)


def two_families(folder: Path) -> DataSet:
    """(f) Two files for each device, the component in the names."""
    curves, files = simulated(8), []
    for name, (d, *both) in curves.items():
        for word, values in zip(("ip", "oop"), both, strict=True):
            files.append(
                write(folder / f"{name}_{d}nm_{word}.csv", ("V", "torque"), zip(BIAS.round(6), values, strict=True))
            )
    return DataSet(tuple(files), curves, {"torque": "aN m"})


def two_temperatures(folder: Path) -> DataSet:
    """(g) Each device at two temperatures, in one table."""
    curves = simulated(9, [f"{name} @ {T}" for name in THICK for T in (300, 10)])
    rows = [(name.partition(" @ ")[0], d, name.partition(" @ ")[2], round(v, 6), p, q)
            for name, (d, par, perp) in curves.items() for v, p, q in zip(BIAS, par, perp, strict=True)]  # fmt: skip
    header = ("device", "d", "Temperature (K)", "V", "T_par", "T_perp")
    return DataSet((write(folder / "cold.csv", header, rows),), curves, {"torque": "aN m"})


def two_temperatures_in_files(folder: Path) -> DataSet:
    """(g) A file for each temperature, of all devices."""
    curves, files = simulated(10, [f"{name} @ {T}" for T in ("300K", "10K") for name in THICK]), []
    for T in ("300K", "10K"):
        rows = [(name.partition(" @ ")[0], d, round(v, 6), p, q) for name, (d, par, perp) in curves.items()
                if name.endswith(f"@ {T}") for v, p, q in zip(BIAS, par, perp, strict=True)]  # fmt: skip
        files.append(
            write(folder / f"series_{T}.csv", ("device", "d (nm)", "V (V)", "T_par (aN m)", "T_perp (aN m)"), rows)
        )
    return DataSet(tuple(files), curves)


def two_sweeps(folder: Path) -> DataSet:
    """(h) A file for each device and direction."""
    curves, files = simulated(11, [f"{name} @ {way}" for name in THICK for way in ("up", "down")]), []
    for name, (d, par, perp) in curves.items():
        device, _, way = name.partition(" @ ")
        rows = [*zip(BIAS.round(6), par, perp, strict=True)]
        files.append(write(folder / f"{device}_{d}nm_{way}.txt", ("V", "T_par", "T_perp"), rows))
    return DataSet(tuple(files), curves, {"torque": "aN m"})


DATA_SETS: Mapping[str, Callable[[Path], DataSet]] = {
    "a one table": one_table,
    "b file per device": file_per_device,
    "c workbook": workbook,
    "d long table": long_table,
    "e one component": one_component,
    "e one component in files": one_component_of_files,
    "f two files": two_files,
    "f two families": two_families,
    "g two temperatures": two_temperatures,
    "g two temperatures in files": two_temperatures_in_files,
    "h two sweeps": two_sweeps,
}
