"""Comparisons on the page, with the numbers of the files beside it, and in a notebook; names from files stay text."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from html_pages import Page
from shown import HOSTILE, Shown, harmless, hostile_study

import mtjfit
from mtjfit.comparison import (
    MechanismComparison,
    StudyComparison,
    Tension,
    comparison_sections,
    consequences,
    consequences_table,
)
from mtjfit.html import Section
from mtjfit.infer import Check, FitResult, Posterior, Verdict
from mtjfit.results.tables import interval
from mtjfit.study import Study
from mtjfit.text import value_with_error

pytestmark = pytest.mark.usefixtures("quick_fits")


@pytest.fixture(scope="module")
def real(finished) -> Page:
    """The page that a real run left."""
    return Page((finished.folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture
def read(finished) -> Callable[[str], list[dict[str, str]]]:
    """Rows of a table that the run left."""
    return lambda name: list(csv.DictReader((finished.folder / name).read_text(encoding="utf-8").splitlines()))


def said(fit: FitResult, posterior: Posterior | None) -> dict[str, Section]:
    return {section.id: section for section in comparison_sections(fit, posterior, None)}


def table(page: Page, first: str, second: str) -> list[list[str]]:
    return next(each for each in page.tables if each[0][:2] == [first, second])


def differing_devices(shown: list[list[str]], rows: list[dict[str, str]]) -> list[str]:
    """Cells of the table of devices that are not what the file says, rounded."""
    names = [head.split(" (")[0].replace("|κ", "|kappa") for head in shown[0]]
    by = {(r["quantity"], r["device"]): r for r in rows if r["source"] == "each device alone"}
    out = []
    for device, _, *cells in shown[1:]:
        for name, cell in zip(names[2:], cells, strict=True):
            low, middle, high = (float(by[name, device][key]) for key in ("q16", "median", "q84"))
            if cell not in (value_with_error(middle, (high - low) / 2), interval(low, middle, high)):
                out.append(f"{device} {name}: {cell}")
    return out


def test_numbers_of_devices_are_those_of_the_file(read, real: Page):
    shown, rows = table(real, "device", "d (nm)"), read("devices.csv")
    assert len(shown) == 4
    assert len(shown[0]) > 6
    assert differing_devices(shown, rows) == []
    spoilt = [*shown[:1], [*shown[1][:2], "-0.999 ± 0.001", *shown[1][3:]], *shown[2:]]
    assert len(differing_devices(spoilt, rows)) == 1
    for both in (rows, read("pairs.csv")):
        assert {r["source"] for r in both} == {"each device alone", "with the common lengths"}
        assert len(both) % 3 == 0


def test_numbers_of_consequences_are_those_of_the_file(read, real: Page):
    shown, rows = table(real, "quantity", "0.8 nm"), {}
    for row in read("consequences.csv"):
        at = f" at {float(row['bias']):+g} V" if row["bias"] else ""
        marks = ("†" if row["extrapolated"] else "") + ("*" if row["leans_on"] else "")
        expected = interval(*(float(row[q]) for q in ("q025", "median", "q975")))
        rows[f"{row['quantity']}{at}", f"{float(row['thickness']):g} nm"] = f"{expected} {marks}".strip()
    cells = {(title.removesuffix(" (°)"), d): cell
             for title, *cells in shown[1:] for d, cell in zip(shown[0][1:], cells, strict=True)}  # fmt: skip
    assert len(cells) == 27
    assert cells.items() <= rows.items()


def test_extrapolated_and_inherited_cells_are_marked(finished):
    implied = consequences(finished.posterior)
    rows = implied.table.copy()
    mine = (rows["quantity"] == "arg κ") & (rows["thickness"] == 0.8)
    rows.loc[mine, ["extrapolated", "leans_on"]] = ["thickness", "lambda_sf_F"]
    marked = consequences_table(replace(implied, table=rows))
    cells = {row[0]: row[1] for row in marked.rows}
    assert cells["arg κ (°)"].endswith(" †*")
    assert "†: extrapolated beyond the measured range." in marked.note
    assert "*: inherited from the priors of lambda_sf_F" in marked.note
    assert "†" not in consequences_table(implied).note


def test_devices_and_consequences_have_words_for_those_who_cannot_see_them(real: Page):
    labels = [a["aria-label"] for tag, a in real.elements if tag == "svg" and a.get("role") == "img"]
    (forest,) = [words for words in labels if words.startswith("Forest plot")]
    (implied,) = [words for words in labels if words.startswith("Plot of torques")]
    assert "slope_ratio: F0.8nm -0.33" in forest
    assert "No device is odd." in forest
    assert "At d = 0.8 nm and ±0.2 V the torques cooperate at +0.2 V" in implied


def test_the_page_says_how_to_compare_mechanisms(real: Page, finished):
    assert "Not compared in this run: whether asymmetric electrodes (b1)" in real.text
    assert "mtjfit run STUDY.toml --output DIR --mechanisms" in real.text
    assert json.loads((finished.folder / "result.json").read_bytes())["mechanisms"] is None


def test_one_thickness_says_why_sections_are_empty(one_thickness_fit):
    sections = said(one_thickness_fit, None)
    assert sections["devices"].sentences == ("There is only one device.",)
    for name, verb in (("consequences", "determines no length"), ("mechanisms", "cannot distinguish diffusion from")):
        assert sections[name].sentences[0].startswith(f"One thickness {verb}")


def test_draws_that_did_not_converge_have_no_consequences(finished):
    refused = replace(finished.posterior, verdict=Verdict((Check("length", False, "too short"),), {}))
    sections = said(finished.fit, refused)
    assert sections["consequences"].sentences == ("Nothing follows from draws that have not converged.",)
    assert not sections["consequences"].tables
    assert "with the common lengths" not in sections["devices"].files["devices.csv"].decode()
    assert sections["devices"].tables["determined"].rows  # needs no draws


def test_a_spreadsheet_runs_no_device_name(finished):
    names = ("=cmd|' /C calc'!A0", "+A1", "@SUM(A1)")
    curves = tuple(replace(c, device=n) for c, n in zip(finished.fit.study.curves, names, strict=True))
    devices = tuple(replace(d, device=n) for d, n in zip(finished.fit.devices, names, strict=True))
    fit = replace(finished.fit, study=finished.fit.study.replace(curves=curves), devices=devices)
    files = said(fit, None)["devices"].files
    assert set(files) == {"devices.csv", "pairs.csv"}
    for data in files.values():
        cells = [cell for row in csv.reader(data.decode().splitlines()) for cell in row]
        assert "'=cmd|' /C calc'!A0" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def mechanisms_of(study: Study, log_B: float) -> MechanismComparison:
    """Two mechanisms whose Bayes factor is known; the parts that are not shown are missing."""

    def result(name: str, value: float, change: float) -> Any:
        return SimpleNamespace(name=name, mechanism=SimpleNamespace(says=HOSTILE), settled=True, left_out=(),
                               not_computed=(), log_evidence=lambda of: (value + change * bool(of),) * 2,
                               evidence=SimpleNamespace(value=value, error=0.01), changes={"wider": change},
                               fit=SimpleNamespace(chi2_says="χ² = 9.0", p_value=0.4))  # fmt: skip

    return MechanismComparison(study, (result("diffusion", 7.0, 0.0), result("b1", 7.0 - log_B, 0.5)), 1, {})


def studies_of(study: Study, *, converged: bool) -> StudyComparison:
    """Two data sets with draws of one length of which the quantiles are known."""
    model = SimpleNamespace(study=study, names=("lambda_J",), scores=SimpleNamespace(values=lambda z: z))
    labels = (HOSTILE, "two")
    run: Any = SimpleNamespace(z=np.linspace(1.0, 3.0, 101)[:, None],
                               verdict=Verdict((Check("length", converged, HOSTILE),), {}))  # fmt: skip
    shared: Any = SimpleNamespace(shared=("lambda_J",), models=dict.fromkeys(labels, model), columns=lambda _: [0])
    return StudyComparison(shared, run, dict.fromkeys(labels, run), Tension(3.0, 0.1, 1.0, 0.1, 2.0))


@pytest.mark.parametrize(
    "made",
    [
        lambda study: mtjfit.compare(mtjfit.fit(study)),
        lambda study: mechanisms_of(study, 5.0),
        lambda study: studies_of(study, converged=True),
    ],
)
def test_names_from_files_stay_text_and_simulated_data_are_marked(made: Any) -> None:
    html = made(hostile_study())._repr_html_()
    assert harmless(html) == []
    assert HOSTILE[:40] in Shown(html).text
    assert "SIMULATED, not measured" in html
    assert len(html) < 30_000


def test_comparisons_say_their_numbers_and_refuse_loudly() -> None:
    study = hostile_study()
    decided = mechanisms_of(study, 5.0)._repr_html_()
    assert "5.00 ± 0.0144.50 to 5.00" in Shown(decided).text
    assert "NOT DECIDED" not in decided
    assert "NOT DECIDED: diffusion is not distinguished from b1" in mechanisms_of(study, 2.0)._repr_html_()
    good = Shown(studies_of(study, converged=True)._repr_html_()).text
    assert good.count("lambda_J2 (1.1 to 2.9)2 (1.1 to 2.9)2 (1.1 to 2.9)") == 1
    bad = studies_of(study, converged=False)._repr_html_()
    assert bad.count("NOT CONVERGED, no result") == 3
    assert harmless(bad) == []
