"""One device under several conditions: named in a column, a constant or the names of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtjfit.data import TorqueCurve
from mtjfit.errors import MtjfitError
from mtjfit.study import Study, load_study

V = (-0.2, -0.1, 0.0, 0.1, 0.2)
STUDY = """[study]
name = "conditions"
{data}
[parameters]
lambda_J = {{ fixed = 1.5 }}
lambda_phi = {{ fixed = 1.0 }}
lambda_sf_F = {{ fixed = 10.0 }}
Lambda = {{ fixed = 5.0 }}
thickness = {{ prior = "normal", sd = 0.1 }}
a1 = {{ prior = "normal", mean = 0.0, sd = 5.0, scope = "{scope}" }}
"""
DATA = """[[data]]
{file}
quantity = "torque"
per = "device"
perp_axis = "MxP"
{more}
[data.columns]
bias = "V"
par = "par"
perp = "perp"
{columns}
[data.units]
bias = "V"
torque = "arb"
thickness = "nm"
"""
ERRORS = "sigma = { par = 0.1, perp = 0.1 }\n"
COLUMNS = 'device = "device"\nthickness = "d"\n'
HEADER = "device,T,d,V,par,perp"


def block(columns: str = COLUMNS + 'condition = "T"', more: str = ERRORS, file: str = 'file = "t.csv"') -> str:
    return DATA.format(columns=columns, more=more, file=file)


def rows(*of: tuple[str, str, float]) -> list[str]:
    return [f"{device},{T},{d},{v},{v + len(T)},{k * d}" for device, T, d in of for k, v in enumerate(V)]


TWO = rows(("A1", "10", 1.0), ("A1", "300", 1.0), ("B1", "10", 2.0), ("B1", "300", 2.0))


def load(folder: Path, *blocks: str, lines: list[str] = TWO, scope: str = "device") -> Study:
    (folder / "t.csv").write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    (folder / "study.toml").write_text(STUDY.format(data="\n".join(blocks), scope=scope), encoding="utf-8")
    return load_study(folder / "study.toml")


def refused(folder: Path, *blocks: str, lines: list[str] = TWO, scope: str = "device") -> list[str]:
    with pytest.raises(MtjfitError) as caught:
        load(folder, *blocks, lines=lines, scope=scope)
    return str(caught.value).splitlines()


NAMES = ("A1 @ 10", "A1 @ 300", "B1 @ 10", "B1 @ 300")
OWNERS = {"shared": {"a1"}, "group": {"a1[10]", "a1[300]"}, "device": {"a1[A1]", "a1[B1]"},
          "curve": {f"a1[{name}]" for name in NAMES}}  # fmt: skip


@pytest.mark.parametrize("scope", OWNERS)
def test_curves_are_named_and_share_what_is_their_devices(tmp_path: Path, scope: str) -> None:
    study = load(tmp_path, block(COLUMNS + 'condition = "T"\ngroup = "T"'), scope=scope)
    assert study.devices == NAMES
    assert (study.n_devices, study.first_curves, study.counted) == (2, [0, 2], "4 curves of 2 devices")
    assert study.names_of("thickness") == ["thickness[A1]"] * 2 + ["thickness[B1]"] * 2
    assert set(study.names_of("a1")) == OWNERS[scope]
    assert [curve.group for curve in study.curves] == ["10", "300"] * 2


def files(folder: Path) -> None:
    for device, T, d in (("A1", "10", 1.0), ("A1", "300", 1.0), ("B1", "10", 2.0), ("B1", "300", 2.0)):
        text = "\n".join(["V,par,perp", *(each.split(",", 3)[3] for each in rows((device, T, d)))])
        (folder / f"{device}_{d}nm_{T}.csv").write_text(text, encoding="utf-8")


def constants(device: str, T: str, d: float) -> str:
    more = f'{ERRORS}device = "{device}"\nthickness = {d}\ncondition = "{T}"'
    return block("", more, f'file = "{device}_{d}nm_{T}.csv"')


WAYS: dict[str, Callable[[], list[str]]] = {
    "names of files": lambda: [
        block(COLUMNS + 'condition = "T"', ERRORS + 'name = "{device}_{d:nm}_{T}.csv"', 'files = "*nm_*.csv"')
    ],
    "constants": lambda: [
        constants("A1", "10", 1.0), constants("A1", "300", 1.0), constants("B1", "10", 2.0), constants("B1", "300", 2.0)
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_curves(tmp_path: Path, way: str) -> None:
    files(tmp_path)
    expected, found = load(tmp_path, block()).curves, load(tmp_path, *WAYS[way]()).curves
    for one, other in zip(found, expected, strict=True):
        assert (one.name, one.device, one.condition) == (other.name, other.device, other.condition)
        assert (one.thickness, one.par.tolist(), one.perp.tolist()) == (
            other.thickness, other.par.tolist(), other.perp.tolist()
        )  # fmt: skip


def test_one_problem_names_both_ways_out(tmp_path: Path) -> None:
    """In one table, and in two files of the same devices."""
    for blocks, names in (([block(COLUMNS)], "'A1', 'B1'"), ([block(), block()], "'A1 @ 300', 'B1 @ 10', 'B1 @ 300'")):
        (only,) = refused(tmp_path, *blocks)
        assert names in only
        assert "condition" in only
        assert "its own name" in only


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (rows(("A1", "10", 1.0), ("A1", "300", 1.5)), "device 'A1 @ 300': has thickness = 1.5 nm, but 'A1 @ 10' has 1"),
        (rows(("A1", "", 1.0)), "column 'T': is empty; name the condition"),
        (rows(("A1", "10 @ x", 1.0), ("A1 @ 10", "x", 1.0)), "is called 'A1 @ 10 @ x', as is another device"),
    ],
)
def test_contradictions_are_named(tmp_path: Path, lines: list[str], says: str) -> None:
    assert says in refused(tmp_path, block(), lines=lines)[0]


def test_masks_and_covariances_name_devices_and_conditions(tmp_path: Path) -> None:
    mask = 'mask = [{ bias = [0.2, 0.2], device = "A1", reason = "a" }, '
    mask += '{ bias = [-0.2, -0.2], device = "B1", condition = "300", reason = "b" }]\n'
    found = load(tmp_path, block(more=ERRORS + mask)).curves
    assert [curve.n_used for curve in found] == [4, 4, 5, 4]
    assert "mask[0] names condition '200'" in refused(
        tmp_path, block(more=ERRORS + 'mask = [{ bias = [0, 1], condition = "200", reason = "a" }]')
    )[0]  # fmt: skip
    for k, name in enumerate(NAMES):
        device, T = name.split(" @ ")
        np.savetxt(tmp_path / f"{device}-{T}.txt", np.diag(np.full(10, k + 1.0)))
    found = load(tmp_path, block(more='covariance = "{device}-{condition}.txt"')).curves
    assert [curve.covariance[0, 0] for curve in found if curve.covariance is not None] == [1, 2, 3, 4]
    table = ", ".join(f'"{name}" = "{name.replace(" @ ", "-")}.txt"' for name in NAMES)
    again = load(tmp_path, block(more=f"covariance = {{ {table} }}")).curves
    assert [curve.covariance[0, 0] for curve in again if curve.covariance is not None] == [1, 2, 3, 4]
    assert "{condition}" in refused(tmp_path, block(more='covariance = "{device}-10.txt"'))[0]


def test_components_apart_are_joined_under_each_condition(tmp_path: Path) -> None:
    one = block().replace('perp = "perp"\n', "").replace("perp = 0.1", "").replace("0.1, ", "0.1")
    other = block().replace('par = "par"\n', "").replace("par = 0.1, ", "")
    found, whole = load(tmp_path, one, other).curves, load(tmp_path, block()).curves
    assert [curve.name for curve in found] == list(NAMES)
    for part, both in zip(found, whole, strict=True):
        assert (part.par.tolist(), part.perp.tolist()) == (both.par.tolist(), both.perp.tolist())


def test_a_curve_without_condition_is_named_by_its_device() -> None:
    curve = TorqueCurve("A1", [0, 1, 2], [0, 1, 2], [0, 1, 2], 1.0, "torque", "device")
    assert curve.name == "A1"
