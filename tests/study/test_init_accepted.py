"""What ``mtjfit init`` proposes is what ``mtjfit check`` accepts: only the open places filled in, every row is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from containers import CONTAINERS, Written
from shortcuts import slow_after

from mtjfit.study import load_study, study_template

NAMES = {
    "bias": ("V", "bias", "Vdc", "V_bias", "DC bias", "Voltage", "U"),
    "par": ("par", "tau_par", "Torkance par", "in-plane", "damping-like", "T_par"),
    "perp": ("perp", "tau_perp", "Torkance perp", "out-of-plane", "field-like", "T_perp"),
    "sigma_par": ("sigma_par", "par_err", "err_par"),
    "sigma_perp": ("sigma_perp", "perp_err", "err_perp"),
    "device": ("device", "Sample", "sample_name", "MTJ", "Junction"),
    "thickness": ("d", "thickness", "t_free", "t_CoFeB", "Thickness"),
}
UNITS = {"bias": ("V", "mV"), "torque": ("hbar/2e/kohm", "1e-19 N m/V", "aN m/V"), "thickness": ("nm", "angstrom")}
VOLTS, NANOMETRES = {"V": 1.0, "mV": 1e-3}, {"nm": 1.0, "angstrom": 0.1}
ODD = (("Time", "s"), ("Temperature", "K"), ("X", "V"), ("Y", "V"), ("index", ""), ("T", "K"))


@dataclass(frozen=True)
class Case:
    """A table and what is true of it; `devices` are those of its rows, `answers` what only a person knows."""

    table: Written
    names: Mapping[str, str]
    units: Mapping[str, str]
    says_units: bool

    def cells(self, role: str) -> tuple[float | str, ...]:
        """The column of a role."""
        return next(cells for name, _, cells in self.table.columns if name == self.names[role])


def case(container: str, seed: int) -> Case:
    """A random table that the container can hold."""
    draw = np.random.default_rng([seed, *map(ord, container)])
    names = {role: str(draw.choice(likely)) for role, likely in NAMES.items()}
    units = {kind: str(draw.choice(known)) for kind, known in UNITS.items()}
    says_units = bool(draw.random() < 0.7)
    one = container in ("no header", "qcodes") or draw.random() < 0.3
    devices, n = (["A1"] if one else ["A1", "B2", "C 3"]), int(draw.integers(4, 9))
    bias = np.round(np.sort(draw.uniform(-0.5, 0.5, n)) / VOLTS[units["bias"]], 6)
    several = lambda low, high: tuple(map(float, draw.uniform(low, high, n * len(devices)).round(5)))  # noqa: E731
    thick = [2.1, 1.4, 3.3][: len(devices)]
    written = {
        "bias": tuple(map(float, bias)) * len(devices), "par": several(-1, 1), "perp": several(-1, 1),
        "sigma_par": several(0.01, 0.1), "sigma_perp": several(0.01, 0.1),
        "device": tuple(np.repeat(devices, n).tolist()),
        "thickness": tuple(float(round(d / NANOMETRES[units["thickness"]], 6)) for d in thick for _ in range(n)),
    }  # fmt: skip
    if one:
        for role in ("device", "thickness"):
            del written[role], names[role]
    kinds = {"bias": "bias", "thickness": "thickness", "device": ""}
    columns = [(names[role], units.get(kinds.get(role, "torque"), "") if says_units else "", cells)
               for role, cells in written.items()]  # fmt: skip
    odd = [(name, unit, several(1, 300)) for name, unit in ODD if draw.random() < 0.4]
    table = [columns[0], *(columns[1:] + odd)[:: -1 if draw.random() < 0.5 else 1]]
    parameters = {"sample": "A1", "thickness": f"{2.1 / NANOMETRES[units['thickness']]:g} {units['thickness']}",
                  "Wafer": "", "Samples": "5"} if one else {"Operator": "nobody"}  # fmt: skip
    return Case(Written(tuple(table), parameters), names, units, says_units)


def answered(text: str, given: Case) -> str:
    """The template with nothing but its open places replaced, by what is true."""
    columns = {f"columns.{role}": f'"{name}"' for role, name in given.names.items()}
    if "names = [" in text:
        places = {name: k for k, (name, *_) in enumerate(given.table.columns, start=1)}
        columns = {f"columns.{role}": f'"column {places[name]}"' for role, name in given.names.items()}
    truth = {
        "quantity": '"torkance"', "per": '"device"', "perp_axis": '"MxP"',
        "thickness": f"{2.1 / NANOMETRES[given.units['thickness']]!r}",
        "parameters.a1": "1.0", "parameters.b2": "1.0", "parameters.noise_par": "0.1", "parameters.noise_perp": "0.1",
        **{f"units.{kind}": f'"{unit}"' for kind, unit in given.units.items()}, **columns,
    }  # fmt: skip
    return "\n".join(_answered(text.replace("\nb0 =", "\n# b0 ="), truth))  # a torkance has none


def _answered(text: str, truth: Mapping[str, str]) -> Iterator[str]:
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.partition("]")[0].strip("[").removeprefix("data").lstrip(".")
        key = re.match(r"\w+", line)
        path = f"{section}.{key[0]}".lstrip(".") if key else ""
        yield re.sub(r'"<[^"]*\?>"', lambda _, path=path: truth[path], line) if not line.startswith("#") else line


@pytest.mark.parametrize("seed", slow_after(3, range(12)))
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_row_is_read(container: str, seed: int, tmp_path: Path) -> None:
    suffix, write = CONTAINERS[container]
    given, file = case(container, seed), tmp_path / f"A1.{suffix}"
    write(given.table, file)
    study = tmp_path / "study.toml"
    study.write_text(answered(study_template([file], tmp_path), given), encoding="utf-8")
    read = load_study(study).curves
    volts, nm = VOLTS[given.units["bias"]], NANOMETRES[given.units["thickness"]]
    assert np.concatenate([curve.bias for curve in read]) == pytest.approx(np.array(given.cells("bias")) * volts)
    for role in ("par", "perp"):
        assert np.concatenate([getattr(curve, role) for curve in read]).tolist() == list(given.cells(role))
    if "device" in given.names:
        assert [curve.device for curve in read] == list(dict.fromkeys(given.cells("device")))
        thick = dict.fromkeys(given.cells("thickness"))
        assert [curve.thickness for curve in read] == pytest.approx([float(d) * nm for d in thick])
    else:
        assert [(curve.device, round(curve.thickness, 6)) for curve in read] == [("A1", 2.1)]
