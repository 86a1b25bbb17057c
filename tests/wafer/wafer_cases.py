"""Simulated wafers from Eq. 12: chunks, tables as CSV and Parquet, folders of files, the same devices as studies."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from mtjfit.cli import cli
from mtjfit.data import TorqueCurve
from mtjfit.physics import Interface, kappa, torkance, torque
from mtjfit.wafer import BatchSummary, Chunk, WaferStudy, chunks, load_wafer, open_catalogue, run_batch

TRUTH = {"lambda_J": 1.0, "lambda_phi": 1.2, "lambda_sf_F": 10.0, "lambda_sf_N": 2.0, "D_ratio": 1.0}
AMPLITUDES = {"a1": 1.0, "b2": 0.6}
LAWS = {"torque": torque, "torkance": torkance}
LENGTHS = """\
lambda_J    = { prior = "loguniform", low = 0.1, high = 100.0 }
lambda_phi  = { prior = "loguniform", low = 0.1, high = 100.0 }
lambda_sf_F = { prior = "lognormal", median = 10.0, factor = 2.0 }
lambda_sf_N = { prior = "loguniform", low = 0.1, high = 100.0 }
D_ratio     = { fixed = 1.0 }
thickness   = { prior = "normal", sd = 0.05 }
"""


@dataclass(frozen=True, eq=False)
class Wafer:
    """Rows of simulated devices, with the truth of each.

    `truth` has one row for each device: what it determines alone.
    """

    rows: pd.DataFrame
    truth: pd.DataFrame
    quantity: str = "torque"
    per: str = "device"
    unit: str = "arb"

    def csv(self, path: Path, **how: Any) -> Path:
        self.rows.to_csv(path, index=False, **how)
        return path

    @property
    def lines(self) -> list[str]:
        """Of the table as CSV, header first."""
        return self.rows.to_csv(index=False, lineterminator="\n").splitlines()

    def parquet(self, path: Path, rows_in_group: int = 50_000) -> Path:
        pytest.importorskip("pyarrow", reason="needs the extra parquet")
        self.rows.to_parquet(path, index=False, row_group_size=rows_in_group)
        return path

    def folder(self, path: Path) -> Path:
        """One file for each device, named ``A1_X3.5mm_Y0mm_T2.1nm.csv``."""
        path.mkdir(parents=True, exist_ok=True)
        for _, one in self.rows.groupby("device", sort=False):
            x, y, d = (float(one[name].iloc[0]) for name in ("x (mm)", "y (mm)", "d_nm"))
            name = f"{one.device.iloc[0]}_X{x!r}mm_Y{y!r}mm_T{d!r}nm.csv"
            one[["V", "T_par", "T_perp", "s_par", "s_perp"]].to_csv(path / name, index=False)
        return path

    def curves(self, sigma: bool = True) -> list[TorqueCurve]:
        """The devices one by one, as a study has them."""
        found = []
        for _, one in self.rows.groupby(["wafer", "device"], sort=False):
            errors = {"sigma_par": one.s_par, "sigma_perp": one.s_perp} if sigma else {}
            first = one.iloc[0]
            found.append(TorqueCurve(
                first.device, one.V, one.T_par, one.T_perp, first.d_nm, self.quantity, self.per, self.unit,
                group=first.split, **errors,
            ))  # fmt: skip
        return found

    def chunk(self, number: int = 0, sigma: bool = True) -> Chunk:
        """All devices in one piece."""
        rows = self.rows
        first = np.flatnonzero((rows.device != rows.device.shift()) | (rows.wafer != rows.wafer.shift()))
        each = rows.iloc[first]
        V, par, perp, *errors = (rows[name].to_numpy() for name in ("V", "T_par", "T_perp", "s_par", "s_perp"))
        places = (each[name].to_numpy() for name in ("d_nm", "x (mm)", "y (mm)"))
        return Chunk(
            number, tuple(each.device), np.append(first, len(rows)), V, par, perp,
            *(errors if sigma else (None, None)), *places, tuple(each.wafer), tuple(each.split),
        )  # fmt: skip


def simulated_wafer(
    n: int = 60, *, seed: int = 0, n_bias: int = 41, noise: float = 0.01,
    thickness: tuple[float, ...] = (1.2, 1.6, 2.0), thickness_sd: float = 0.03, tilt: float = 0.02, wafers: int = 1,
    quantity: str = "torque", per: str = "device", unit: str = "arb", bias: tuple[float, float] = (-0.5, 0.5),
    uneven: bool = False, amplitudes: dict[str, float] | None = None,
) -> Wafer:  # fmt: skip
    """A wafer of n devices on a disc of 100 mm, one split for each nominal thickness, from Eq. 12 with normal errors.

    The true thickness has a tilt along x and a random part, both relative for the tilt and in nm for the random part.
    `uneven`: numbers of points from 5 to `n_bias`, and errors that differ from point to point.
    """
    rng = np.random.default_rng(seed)
    amplitudes = AMPLITUDES if amplitudes is None else amplitudes
    radius, angle = 95 * np.sqrt((np.arange(n) + 0.5) / n), np.arange(n) * 2.399963229728653
    x, y = np.round(radius * np.cos(angle), 3), np.round(radius * np.sin(angle), 3)
    which = np.arange(n) % len(thickness)
    nominal = np.asarray(thickness)[which]
    true = np.maximum(nominal * (1 + tilt * x / 100) + thickness_sd * rng.standard_normal(n), 0.3)
    counts = rng.integers(5, n_bias + 1, n) if uneven else np.full(n, n_bias)
    V = np.concatenate([np.linspace(*bias, int(k)) for k in counts])
    device = np.repeat(np.arange(n), counts)
    T = LAWS[quantity](V, true[device], **TRUTH, interface=Interface.of(**amplitudes), per=per)
    sigma = noise * (rng.uniform(0.5, 2.0, (2, V.size)) if uneven else np.ones((2, V.size)))
    par, perp = T.real + sigma[0] * rng.standard_normal(V.size), T.imag + sigma[1] * rng.standard_normal(V.size)
    wafer = np.array([f"W{k * wafers // n + 1}" for k in range(n)])
    split = np.array([f"{d:g} nm" for d in thickness])[which]
    name = np.array([f"D{k:06d}" for k in range(n)])
    rows = pd.DataFrame({
        "wafer": wafer[device], "split": split[device], "device": name[device], "x (mm)": x[device],
        "y (mm)": y[device], "d_nm": nominal[device], "V": V, "T_par": par, "T_perp": perp, "s_par": sigma[0],
        "s_perp": sigma[1],
    })  # fmt: skip
    K = kappa(true, **TRUTH) / (true if per == "volume" else 1.0)
    truth = {"slope_ratio": K.imag / K.real, "thickness": true}
    truth |= {f"|kappa|·{name}": np.abs(K) * value for name, value in amplitudes.items()}
    if {"a1", "b2"} <= set(amplitudes):
        truth["b2/a1"] = np.full(n, amplitudes["b2"] / amplitudes["a1"])
    return Wafer(rows, pd.DataFrame(truth), quantity, per, unit)


def wafer_toml(
    *, quantity: str = "torque", per: str = "device", unit: str = "arb", sigma: str = "columns",
    amplitudes: Iterable[str] = ("a1", "b2"), perp_axis: str = "MxP", data: str = "", columns: str = "",
    parameters: str = "", wafer: str = "",
) -> str:  # fmt: skip
    """A wafer study file for `simulated_wafer`; `data`, `columns`, `parameters` and `wafer` are lines to add."""
    errors = 'sigma_par = "s_par"\nsigma_perp = "s_perp"\n' if sigma == "columns" else ""
    noise = 'noise_par = { prior = "lognormal", median = 0.02, factor = 3.0 }\n'
    noise += noise.replace("par", "perp")
    lines = [f'{name} = {{ prior = "normal", mean = 0.0, sd = 3.0 }}\n' for name in amplitudes]
    return (
        f'[study]\nname = "Simulated wafer"\n\n[[data]]\nquantity = "{quantity}"\nper = "{per}"\n'
        f'perp_axis = "{perp_axis}"\nsigma = "{sigma}"\n{data}\n[data.columns]\ndevice = "device"\n'
        f'thickness = "d_nm"\nbias = "V"\npar = "T_par"\nperp = "T_perp"\n{errors}{columns}\n'
        f'[data.units]\nbias = "V"\ntorque = "{unit}"\nthickness = "nm"\n\n'
        f"[parameters]\n{LENGTHS}{''.join(lines)}{noise if sigma == 'fit' else ''}{parameters}\n"
        f'[wafer]\nx = "x (mm)"\ny = "y (mm)"\nwafer = "wafer"\nsplit = "split"\n{wafer}'
    )


def wafer_study(folder: Path, table: Path | str = "table.csv", **changes: Any) -> WaferStudy:
    """`wafer_toml` written into a folder and loaded for a table."""
    file = folder / "wafer.toml"
    file.write_text(wafer_toml(**changes), encoding="utf-8")
    return load_wafer(file, table)


def folder_study(folder: Path, wafer: Wafer, lines: str = "") -> WaferStudy:
    """The devices of a wafer as a folder of files, and its study; `lines` to add to ``[wafer]``."""
    text = wafer_toml(data='name = "{device}_X{x:mm}_Y{y:mm}_T{d:nm}.csv"', wafer=lines)
    for old, new in (("d_nm", "d"), ("x (mm)", "x"), ("y (mm)", "y"), ('wafer = "wafer"\nsplit = "split"\n', "")):
        text = text.replace(old, new)
    (folder / "wafer.toml").write_text(text, encoding="utf-8")
    return load_wafer(folder / "wafer.toml", wafer.folder(folder / "dies"))


def run(
    study: WaferStudy, path: Path, hook: Callable[[Chunk], object] = lambda _: None, **how: Any
) -> tuple[BatchSummary, str]:
    """Summary of a run into a catalogue, and its digest; `hook` gets each chunk before it is reduced."""
    with open_catalogue(path, write=True) as catalogue:
        summary = run_batch(study, catalogue, **{"progress": False, "read": watched(hook)} | how)
        return summary, catalogue.digest()


def resumed(study: WaferStudy, path: Path) -> tuple[list[int], int, str]:
    """Chunks that a further run reads, devices that it adds, and the digest after it."""
    read: list[int] = []
    summary, digest = run(study, path, lambda chunk: read.append(chunk.number))
    return read, summary.added, digest


def watched(hook: Callable[[Chunk], object]) -> Callable[[WaferStudy, Container[int]], Iterator[Chunk]]:
    """A reader of chunks that calls a function with each chunk before it hands the chunk out, and keeps none."""

    def read(study: WaferStudy, skip: Container[int]) -> Iterator[Chunk]:
        for chunk in chunks(study, skip):
            hook(chunk)
            yield chunk
            del chunk

    return read


def at_chunk(number: int, action: Callable[[], object]) -> Callable[[Chunk], object]:
    """A hook that does something when a chunk was read."""
    return lambda chunk: action() if chunk.number == number else None


def said(*words: object) -> Result:
    """What `mtjfit` prints for some words."""
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
