"""Time and memory of reducing tables of a thousand to a million devices, from Parquet and from CSV.

    python benchmarks/wafer.py [--sizes 1000 10000 100000 1000000] [--folder FOLDER]

Each number is that of a process of its own, the fastest of five up to 10 000 devices: processor time of reading and of
reducing, after a first chunk that does not count, and the most memory that the process ever held. Sizes that are not
asked for stay as they were measured before. A million devices take 3 GB in FOLDER while it runs.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mtjfit.physics import Interface, torque

HERE = Path(__file__).resolve().parent
POINTS, PIECE = 41, 10_000
FORMATS = ("parquet", "csv")
STUDY = """\
[study]
name = "benchmark"
[[data]]
quantity = "torque"
per = "device"
perp_axis = "MxP"
[data.columns]
device = "device"
thickness = "d_nm"
bias = "V"
par = "T_par"
perp = "T_perp"
sigma_par = "s_par"
sigma_perp = "s_perp"
[data.units]
bias = "V"
torque = "arb"
thickness = "nm"
[parameters]
lambda_J    = { prior = "loguniform", low = 0.1, high = 100.0 }
lambda_phi  = { prior = "loguniform", low = 0.1, high = 100.0 }
lambda_sf_F = { prior = "lognormal", median = 10.0, factor = 2.0 }
Lambda      = { prior = "loguniform", low = 0.1, high = 100.0 }
thickness   = { prior = "normal", sd = 0.05 }
a1 = { prior = "normal", mean = 0.0, sd = 3.0 }
b2 = { prior = "normal", mean = 0.0, sd = 3.0 }
[wafer]
x = "x"
y = "y"
wafer = "wafer"
split = "split"
"""


def piece(number: int, n: int) -> pd.DataFrame:
    """Rows of n devices; those of different pieces differ in name and noise."""
    rng, V = np.random.default_rng(number), np.linspace(-0.5, 0.5, POINTS)
    j = number * PIECE + np.arange(n)
    d = 1.2 + 0.4 * (j % 3)
    T = torque(
        V, (d + 0.02 * rng.standard_normal(n))[:, None], 1.0, 1.0, 10.0, 1.0, interface=Interface.of(a1=1, b2=0.6)
    )
    T = T + 0.01 * (rng.standard_normal(T.shape) + 1j * rng.standard_normal(T.shape))
    each = {
        "wafer": np.char.add("W", (j // 5000).astype(str)),
        "split": np.char.add(np.round(d, 1).astype(str), " nm"),
        "device": np.char.add("D", j.astype(str)),
        "x": np.round(rng.uniform(-90, 90, n), 1),
        "y": np.round(rng.uniform(-90, 90, n), 1),
        "d_nm": d.round(1),
    }
    rows = {name: np.repeat(values, POINTS) for name, values in each.items()}
    rows |= {"V": np.tile(V.round(4), n), "T_par": T.real.ravel().round(6), "T_perp": T.imag.ravel().round(6)}
    return pd.DataFrame(rows | {"s_par": 0.01, "s_perp": 0.01})


def write(path: Path, n: int, form: str) -> None:
    """A table of n devices, written in pieces."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    writer = None
    for number, low in enumerate(range(0, n, PIECE)):
        rows = pa.Table.from_pandas(piece(number, min(PIECE, n - low)), preserve_index=False)
        if writer is None:
            make = parquet.ParquetWriter if form == "parquet" else csv.CSVWriter
            writer = make(path, rows.schema)
        writer.write_table(rows)
    writer.close()


def measure(path: Path, study: Path) -> None:
    """Read and reduce a table, and print what it took."""
    import resource

    from mtjfit.wafer import chunks, load_wafer, reduce_chunk, table_identity

    wafer = load_wafer(study, path)
    reduce_chunk(wafer, next(chunks(wafer)))  # imports and the first touch of memory are not counted
    at, wall, begin = {"read": 0.0, "reduce": 0.0}, time.perf_counter(), time.process_time()
    table_identity(wafer)
    at["identity"] = time.process_time() - begin
    devices, begin = 0, time.process_time()
    for chunk in chunks(wafer):
        at["read"] += time.process_time() - begin
        begin = time.process_time()
        reduced = reduce_chunk(wafer, chunk)
        devices += len(reduced.device)
        at["reduce"] += time.process_time() - begin
        begin = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"devices": devices, **at, "wall": time.perf_counter() - wall, "peak_MiB": peak,
                      "file_MB": path.stat().st_size / 1e6}))  # fmt: skip


def figure(table: pd.DataFrame) -> None:
    """Time for each device and peak memory against the number of devices."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.0), layout="constrained")
    for form, colour, mark in (("parquet", "#0072b2", "o"), ("csv", "#d55e00", "s")):
        some = table[table.format == form]
        name = {"parquet": "Parquet", "csv": "CSV"}[form]
        left.plot(some.devices, 1e6 * some.cpu / some.devices, mark + "-", color=colour, label=name)
        right.plot(some.devices, some.peak_MiB, mark + "-", color=colour, label=name)
    some = table[table.format == "csv"]
    left.plot(some.devices, 1e6 * some["reduce"] / some.devices, "^--", color="0.4", label="of which reducing")
    left.set(xscale="log", xlabel="Devices", ylabel="Processor time per device (µs)", ylim=(0, None))
    right.set(xscale="log", xlabel="Devices", ylabel="Peak memory (MiB)", ylim=(0, None))
    left.legend(frameon=False)
    fig.savefig(HERE / "wafer.png", dpi=200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(*asked.measure)
        return
    found = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        study, path = Path(folder) / "wafer.toml", Path(folder) / "table"
        study.write_text(STUDY, encoding="utf-8")
        for n in asked.sizes:
            for form in FORMATS:
                write(path, n, form)
                command = [sys.executable, __file__, "--measure", str(path), str(study)]
                each = []
                for _ in range(5 if n <= 10_000 else 1):
                    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
                    each.append(json.loads(done.stdout))
                found.append({"format": form, **min(each, key=lambda one: one["read"] + one["reduce"])})
                print(found[-1], flush=True)
    table = pd.DataFrame(found)
    table.insert(2, "cpu", table["read"] + table["reduce"] + table["identity"])
    if (HERE / "wafer.csv").exists():
        before = pd.read_csv(HERE / "wafer.csv")
        table = pd.concat([table, before[~before.devices.isin(asked.sizes)]]).sort_values(["devices", "format"])
    table.round(4).to_csv(HERE / "wafer.csv", index=False)
    figure(table)
    print(table.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
