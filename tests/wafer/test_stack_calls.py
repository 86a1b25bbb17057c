"""The Python under the figures of stacks draws them from the tables beside the page, byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hierarchy_cases import HIERARCHY, parameters, posterior
from shortcuts import slow_after, slow_but
from survey_cases import NO_FAULTS
from wafer_cases import run, simulated_wafer, wafer_study

from mtjfit.data import Origin
from mtjfit.errors import DataError
from mtjfit.plot import render
from mtjfit.wafer import (
    Curves,
    Hierarchy,
    WaferPosterior,
    load_beside,
    load_stack_devices,
    odd_devices,
    open_catalogue,
    survey_of,
)
from mtjfit.wafer.page.calls import Beginnings
from mtjfit.wafer.page.page import _IMAGE_DPI, wafer_files
from mtjfit.wafer.page.stacks import StackResults
from mtjfit.wafer.stack.beside import FitsBesidePosterior
from mtjfit.wafer.stack.deviations import device_units, scattered
from mtjfit.wafer.stack.groups import GroupFits
from mtjfit.wafer.stack.outputs import StackOutputs, surface_quantity

SPLITS = ("=1+1", "it's NA", "")
"""Of which the first runs in a spreadsheet, where tables do not hold it as it is, and the last has no name."""
FLAT = Hierarchy({"a1": ("bowl",)}, {"a1": 0.04}, radius=100.0)
NAMES = ("stack-intervals", "stack-map-1-thickness", "stack-map-1-b2", "stack-map-2-b2")


@dataclass(frozen=True)
class Made:
    """A folder with the page and its tables, and what they were made from."""

    folder: Path
    stacks: StackResults

    @property
    def programs(self) -> dict[str, str]:
        html = (self.folder / "wafer.html").read_text(encoding="utf-8")
        found = re.findall(r'<figure id="([^"]+)">(?:(?!</figure>).)*?<pre><code>(.*?)</code></pre>', html, re.S)
        return {name: unescape(code) for name, code in found}

    def svg(self, name: str) -> bytes:
        return (self.folder / f"{name}.svg").read_bytes()

    def drawn_by(self, program: str, patch: pytest.MonkeyPatch) -> bytes:
        patch.chdir(self.folder)
        names: dict[str, Any] = {}
        exec(program.rpartition("\n")[0], names)  # noqa: S102 - the code is that of the page
        return render(names["figure"], "svg", dpi=_IMAGE_DPI)


def outputs(seed: int, model: WaferPosterior, n: int = 12, placed: bool = True) -> StackOutputs:
    """Devices with numbers of all digits, without a posterior; one is odd, and those of b2 are not all known."""
    rng = np.random.default_rng(seed)
    place = 100 * rng.random((2, n)) - 50 if placed else np.full((2, n), np.nan)
    found = {"device": [f"D{k}" for k in range(n)], "wafer": ["NA", "+1"] * (n // 2), "x": place[0], "y": place[1],
             "thickness_nominal": 1.6}  # fmt: skip
    for name in scattered(model):
        for ending in ("", "_deviation", "_score"):
            found |= {name + ending: rng.standard_normal(n) / 3, f"{name}{ending}_sd": rng.random(n) / 3}
    table = pd.DataFrame(found).assign(chi2=1.0, dof=5, p_value=0.5, p_adjusted=1.0, odd=np.arange(n) == 3)
    table.loc[5, ["b2_deviation", "b2_deviation_sd"]] = np.nan
    lengths = SimpleNamespace(table=pd.DataFrame({"parameter": []}), odd=("D3",), sentences=lambda: ())
    return StackOutputs(SimpleNamespace(model=model), table, lengths)


def intervals(origin: Origin) -> FitsBesidePosterior:
    """Fits beside posteriors with all kinds of rows: determined, limits, with priors, not at all."""
    rng, rows = np.random.default_rng(0), []
    for name, unit in (("lambda_J", "nm"), ("D_ratio", "")):
        for split in SPLITS:
            low, middle, high = np.sort(rng.random(3))
            rows.append((name, unit, split, "fit alone", low, middle, high, "yes", rng.standard_normal()))
        rows.append((name, unit, SPLITS[0], "posterior", *np.sort(rng.random(3)), "with priors", np.nan))
        rows.append((name, unit, SPLITS[1], "posterior", *np.sort(rng.random(3)), "lower limit", np.nan))
        rows.append((name, unit, SPLITS[2], "posterior", np.nan, np.nan, np.nan, "no", np.nan))
    columns = ["parameter", "unit", "split", "source", "q05", "q50", "q95", "determined", "difference_in_errors"]
    return FitsBesidePosterior(pd.DataFrame(rows, columns=columns).assign(origin=origin.kind), (origin,))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("stacks")
    table = simulated_wafer(6, n_bias=5).csv(folder / "table.csv")
    run(wafer_study(folder, table, wafer='origin = "simulated; <Eq. 12>"\n'), folder / "lot.db")
    declared = parameters(scatter_a1=None)
    first, second = (posterior(4, n_bias=5, declared=declared, hierarchy=each) for each in (HIERARCHY, FLAT))
    with open_catalogue(folder / "lot.db") as catalogue:
        survey = survey_of(catalogue)
    found = (outputs(0, first), outputs(1, second), outputs(2, first, placed=False))
    of_splits = dict(zip(SPLITS, found, strict=True))
    stacks = StackResults(GroupFits({}, {}, survey.origins), outputs=of_splits)
    vars(stacks)["beside"] = intervals(*survey.origins)
    page = folder / "page"
    page.mkdir()
    beginnings = Beginnings(folder / "lot.db", page)
    files = wafer_files(survey, [], odd_devices(survey), Curves({}), NO_FAULTS, stacks=stacks, beginnings=beginnings)
    for name, data in files.items():
        (page / name).write_bytes(data)
    return Made(page, stacks)


def test_every_figure_of_a_stack_has_a_call(made: Made) -> None:
    assert tuple(made.programs) == NAMES
    assert {each.stem for each in made.folder.glob("*.svg")} == set(NAMES)


@pytest.mark.parametrize("name", slow_but((NAMES[0], "stack-map-2-b2"), NAMES))
def test_the_call_draws_the_figure(made: Made, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made.drawn_by(made.programs[name], monkeypatch) == made.svg(name)


@pytest.mark.parametrize(("name", "said", "other"), slow_after(1, [
    ("stack-intervals", ", origins)", ")"),
    ("stack-map-2-b2", '"it\'s NA"', "'=1+1'"),
    ("stack-map-2-b2", 'odd=stack.frame["odd"].to_numpy(), ', ""),
    ("stack-map-2-b2", ', kind="diverging"', ""),
]))  # fmt: skip
def test_sabotage_another_call_draws_another_figure(
    made: Made, name: str, said: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = made.programs[name]
    assert said in program
    assert made.drawn_by(program.replace(said, other), monkeypatch) != made.svg(name)


def test_tables_are_read_as_they_were_written(made: Made) -> None:
    survey = made.stacks.fits
    beside = load_beside(made.folder / "stack-fits-beside-posteriors.csv", survey.origins)
    pd.testing.assert_frame_equal(beside.table, made.stacks.beside.table, check_exact=True)
    assert beside.label == made.stacks.beside.label == "SIMULATED, not measured: <Eq. 12>"
    for split, one in made.stacks.outputs.items():
        found = load_stack_devices(made.folder / "stack-devices.csv", split, survey.origins)
        wanted = one.survey(survey.origins, split or "stack")
        pd.testing.assert_frame_equal(found.frame, wanted.frame, check_exact=True)
        assert (found.units, found.name, found.label) == (wanted.units, wanted.name, wanted.label)
        assert found.quantities == tuple(surface_quantity(name) for name in one.scattered)


def test_what_is_no_such_table_is_refused(made: Made) -> None:
    lacking = (
        "odd.csv: lacks 5 columns of stack-devices.csv: split, odd, x (mm) and 2 more; give stack-devices.csv of a"
    )
    with pytest.raises(DataError, match=re.escape(lacking)):
        load_stack_devices(made.folder / "odd.csv", SPLITS[0])
    with pytest.raises(DataError, match=re.escape("columns of stack-fits-beside-posteriors.csv: parameter, unit")):
        load_beside(made.folder / "stack-devices.csv")
    with pytest.raises(DataError, match="holds no split 'its NA'; did you mean \"it's NA\""):
        load_stack_devices(made.folder / "stack-devices.csv", "its NA")


@pytest.mark.parametrize(("old", "new", "said"), [
    ("lambda_J,nm,", "lambda_J,", ":2: has 9 cells, and the header 10"),
    (",0.9,", ",much,", ":2: column 'q05': 'much' is no number"),
    ("unit,", "unit,unit,", ":1: has two columns of one name"),
    ("fit alone", '"fit" alone', "is no CSV"),
    ("nm", "\xff", "is no CSV"),
])  # fmt: skip
def test_a_damaged_table_is_refused_with_its_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    header = "parameter,unit,split,source,q05,q50,q95,determined,difference_in_errors,origin"
    table = f"{header}\nlambda_J,nm,A,fit alone,0.9,1.0,1.1,yes,,measured\n"
    (tmp_path / "t.csv").write_text(table.replace(old, new, 1), encoding="latin-1")
    with pytest.raises(DataError, match=re.escape(said)):
        load_beside(tmp_path / "t.csv")


def test_units_in_headers_are_those_of_the_model(made: Made) -> None:
    one = made.stacks.outputs[SPLITS[0]]
    units = load_stack_devices(made.folder / "stack-devices.csv", SPLITS[0]).units
    assert units[surface_quantity("thickness")] == device_units(one.posterior.model)["thickness_deviation"] == "nm"
    assert units[surface_quantity("b2")] == "relative"
