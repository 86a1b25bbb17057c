"""Sound inputs of every kind, small enough that most commands take less than a second."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path
from typing import TypeAlias

from outside import Case, Commands

import mtjfit

_DATASETS = mtjfit.dataset("thickness-series").path.parent
_FILES = Path(__file__).parents[1] / "data"
_SAMPLING = "[sampling]\nseed = 1\ntarget_ess = 10\nmax_steps = 20\n"
_WAFER = '\n[wafer]\nx = "x (mm)"\ny = "y (mm)"\nwafer = "wafer"\nsplit = "split"\nchunk = 2\n'
_PLAN = """[study]
name = "planned"
[parameters]
lambda_J    = { prior = "lognormal", median = 1.5, factor = 2.0 }
lambda_phi  = { prior = "lognormal", median = 1.5, factor = 2.5 }
lambda_sf_F = { prior = "lognormal", median = 10.0, factor = 2.0 }
Lambda      = { prior = "loguniform", low = 0.3, high = 30.0 }
thickness   = { prior = "normal", sd = 0.05 }
a1 = { prior = "normal", mean = 0.13, sd = 0.05 }
b2 = { prior = "normal", mean = 0.08, sd = 0.05 }
[plan]
thickness = [0.8, 1.5, 3.0]
target = "lambda_phi"
bias = { low = -0.5, high = 0.5, n = 5 }
noise = "2 %"
quantity = "torkance"
per = "device"
"""

_READERS = {"xlsx": "excel", "parquet": "parquet", "nc": "netcdf"}
_OF_STUDY = {
    "check study.toml": 50, "identify study.toml --design": 10, "identify study.toml": 2, "run study.toml -o out -q": 2,
    "identify study.toml --json out.json --plot out.svg": 2, "plan study.toml -o out": 3,
    "compare study.toml --devices": 4,
    "compare study.toml other.toml -o out": 2, "compare study.toml --mechanisms -o out": 1,
    "init data.csv -o out.toml": 9,
    "calibrate study.toml -n 1 --workers 1 -o out": 3, "explore study.toml --no-browser": 2,
}  # fmt: skip
Known: TypeAlias = dict[str, dict[str, int]]
COMMANDS: Known = {
    "study": _OF_STUDY,
    "rich": {"check study.toml": 30, "identify study.toml --design": 3, "run study.toml -o out": 1},
    **{kind: {"check study.toml": 8, f"init data.{kind} -o out.toml": 4} for kind in ("tsv", "xlsx", "parquet", "nc")},
    "files": {},
    "plan": {"plan plan.toml": 8, "plan plan.toml --thickness 1:3:1 --noise 0.01 --cap 2:1.5 -o out": 2},
    "wafer": {
        "check checked.toml": 6, "batch table.csv --study wafer.toml -o out.db": 14,
        "batch dies --study dies.toml -o out.db": 8,
        "batch table.parquet --study wafer.toml -o out.db --export out.csv": 8,
        "batch 'dies/*.csv' --study dies.toml -o out.db": 3,
    },
    "catalogue": {
        "wafer x.db -o out": 5, "wafer x.db -o out --stacks -q": 3, "compare x.db y.db": 24,
        "compare x.db y.db -o out": 2,
        "batch table.csv --study wafer.toml -o x.db": 8, "wafer x.db -o out --table table.csv --quantity b2/a1": 1,
    },
    "spectra": {"spectra spectra.toml -o out": 20, "spectra spectra.toml -o out --shift Meff=+1 -q": 2},
    "finished": {"run study.toml -o out --resume -q": 12, "run study.toml -o out -q": 4},
    "nothing": {"datasets sankey2008 --copy out": 4, "datasets": 2, "figures -o out": 1, "--help": 2},
}  # fmt: skip
"""Command lines for each of the inputs, with weights."""


def prepare(bases: Path, commands: Commands, without: tuple[str, ...] = ()) -> Known:
    """Write sound inputs into folders of `bases`; returns `COMMANDS` of those whose libraries are there."""
    study, rows = _study(), _rows()
    for base in COMMANDS:
        (bases / base).mkdir(parents=True)
        if base not in ("files", "plan", "spectra", "nothing"):
            _write(bases / base / "study.toml", study)
            _write(bases / base / "data.csv", _csv(rows))
    _write(bases / "study" / "other.toml", study.replace('"Simulated', '"Another').replace("data.csv", "other.csv"))
    _write(bases / "study" / "other.csv", _csv(rows[7:]).replace("F", "G"))
    rich = 'bias_window = [-0.5, 0.45]\nmask = [{ bias = [-0.2, 0.0], reason = "spike", device = "F2.0nm" }]\n'
    _write(bases / "rich" / "study.toml", study.replace("\n[data.columns]", f"{rich}\n[data.columns]").replace(
        "[sampling]", '[noise]\nmodel = "student"\ndof = 4\n[sampling]'))  # fmt: skip
    _write(bases / "plan" / "plan.toml", _PLAN + _SAMPLING)
    shutil.copytree(_FILES / "files", bases / "files", dirs_exist_ok=True)
    known: Known = {base: dict(typed) for base, typed in COMMANDS.items()}
    known["files"] = {f"init {each.name} -o out.toml": 4 for each in sorted((bases / "files").iterdir())}
    for kind in ("tsv", "xlsx", "parquet", "nc"):
        (bases / kind / "data.csv").unlink()
        reader = f'reader = "{_READERS[kind]}"\n\n[parameters]' if kind in _READERS else "[parameters]"
        text = study.replace("data.csv", f"data.{kind}").replace("[parameters]", f"[data.format]\n{reader}")
        _write(bases / kind / "study.toml", text)
        if not _table(rows, bases / kind / f"data.{kind}"):
            del known[kind]
    _wafer(bases / "wafer", rows)
    if not (bases / "wafer" / "table.parquet").exists():
        known["wafer"] = {typed: w for typed, w in known["wafer"].items() if "parquet" not in typed}
    shutil.copytree(bases / "wafer", bases / "catalogue", dirs_exist_ok=True)
    _spectra(bases / "spectra")
    for base, typed, code in (("catalogue", "batch table.csv --study wafer.toml -o x.db", 0),
                              ("catalogue", "batch dies --study dies.toml -o y.db", 0),
                              ("finished", "run study.toml -o out -q", 5)):  # fmt: skip
        if base in without:
            continue
        work = bases.parent / "prepared"
        shutil.copytree(bases / base, work / "in")
        ended = commands.run(Case(tuple(typed.split())), work)
        assert ended.code == code, ended.err.decode()
        shutil.rmtree(bases / base)
        (work / "in").rename(bases / base)
        shutil.rmtree(work)
    return {base: typed for base, typed in known.items() if base not in without}


def _study() -> str:
    text = (_DATASETS / "thickness-series" / "study.toml").read_text(encoding="utf-8")
    return text.partition("[sampling]")[0] + _SAMPLING


def _rows() -> list[list[str]]:
    """Header and six biases of each of three devices."""
    lines = (_DATASETS / "thickness-series" / "data.csv").read_text(encoding="utf-8").splitlines()
    cells = [line.split(",") for line in lines if not line.startswith("#")]
    return cells[:1] + [
        row for k, row in enumerate(cells[1:]) if k % 41 % 8 == 0 and row[0] in ("F0.8nm", "F2.0nm", "F4.0nm")
    ]


def _csv(rows: list[list[str]], separator: str = ",") -> str:
    names = [] if rows[0][0] == "device" else [_rows()[0]]
    return "\n".join(["# origin: simulated", *(separator.join(row) for row in names + rows)]) + "\n"


def _table(rows: list[list[str]], path: Path) -> bool:
    """Write a table in the format of the suffix; False where its library is missing."""
    import pandas as pd

    frame = pd.DataFrame(rows[1:], columns=rows[0])
    frame = frame.apply(lambda column: column if column.name in ("device", "wafer", "split") else column.astype(float))
    with contextlib.suppress(ImportError):
        if path.suffix == ".tsv":
            _write(path, _csv(rows, "\t"))
        elif path.suffix == ".xlsx":
            frame.to_excel(path, index=False)
        elif path.suffix == ".parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_xarray().to_netcdf(path, engine="h5netcdf")
        return True
    return False


def _wafer(folder: Path, rows: list[list[str]]) -> None:
    text = (folder / "study.toml").read_text(encoding="utf-8").replace('file = "data.csv"\n', "")
    for name in ("study.toml", "data.csv"):
        (folder / name).unlink()
    _write(folder / "wafer.toml", text + _WAFER)
    _write(folder / "checked.toml", text.replace("[[data]]", '[[data]]\nfile = "table.csv"') + _WAFER)
    text = text.replace('"d_nm"', '"d"').replace(
        "[data.columns]", 'name = "{device}_X{x:mm}_Y{y:mm}_T{d:nm}.csv"\n\n[data.columns]'
    )
    _write(folder / "dies.toml", text + '\n[wafer]\nx = "x"\ny = "y"\n')
    (folder / "dies").mkdir()
    names, table = ["wafer", "split", "x (mm)", "y (mm)"], []
    for k in range(6):
        table += [
            [f"W{k // 3}", "S1", str(10 * k), str(-5 * k), f"D{k}", *row[1:]] for row in rows[1 + k % 3 * 6 :][:6]
        ]
        die = [row[6:] for row in table[-6:]]
        _write(folder / "dies" / f"D{k}_X{10 * k}mm_Y{-5 * k}mm_T{table[-1][5]}nm.csv",
               "\n".join(",".join(row) for row in [rows[0][2:], *die]) + "\n")  # fmt: skip
    table.insert(0, [*names, *rows[0]])
    _write(folder / "table.csv", "\n".join(",".join(row) for row in table) + "\n")
    _table(table, folder / "table.parquet")


def _spectra(folder: Path) -> None:
    source = _DATASETS / "spectra" / "macrospin"
    lines = (source / "data.csv").read_text(encoding="utf-8").splitlines()
    kept = [
        line for k, line in enumerate(lines) if k < 3 or (re.match(r"F(0.8|4.0)nm,(-0.2|0.0|0.2),", line) and k % 2)
    ]
    _write(folder / "data.csv", "\n".join(kept) + "\n")
    text = (source / "spectra.toml").read_text(encoding="utf-8")
    head, *devices = text.split("[[devices]]")
    _write(folder / "spectra.toml", "[[devices]]".join([head, devices[0], devices[-1]]))


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
