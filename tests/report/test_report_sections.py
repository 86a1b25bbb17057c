"""Devices, consequences and mechanisms on the page: there, or said why not; with the numbers of the files beside it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_report import HOSTILE, Page, dangers, page_of, renamed

import mtjfit.plot
from mtjfit.infer import Check, Verdict
from mtjfit.report import figures as report_figures
from mtjfit.report import findings
from mtjfit.report.findings import Findings
from mtjfit.report.sections import sections
from mtjfit.report.tables import consequences_table, number_files, report_tables
from mtjfit.results.tables import interval
from mtjfit.text import value_with_error

pytestmark = pytest.mark.usefixtures("quick_fits")


@pytest.fixture(scope="module")
def real(finished) -> Page:
    """The page that a real run left."""
    return Page((finished.folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(finished) -> Findings:
    return findings(finished.fit, finished.posterior)


def read(finished, name: str) -> list[dict[str, str]]:
    with (finished.folder / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


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


def test_numbers_of_devices_are_those_of_the_file(finished, real: Page):
    shown = table(real, "device", "d (nm)")
    assert len(shown) == 4
    assert len(shown[0]) > 6
    assert differing_devices(shown, read(finished, "devices.csv")) == []
    spoilt = [*shown[:1], [*shown[1][:2], "-0.999 ± 0.001", *shown[1][3:]], *shown[2:]]
    assert len(differing_devices(spoilt, read(finished, "devices.csv"))) == 1


def test_numbers_of_consequences_are_those_of_the_file(finished, real: Page):
    shown = table(real, "quantity", "0.8 nm")
    rows = read(finished, "consequences.csv")
    checked = 0
    for title, *cells in shown[1:]:
        name, _, at = title.partition(" at ")
        name = name.removesuffix(" (°)")
        bias = float(at.removesuffix(" V")) if at else None
        for d, cell in zip(shown[0][1:], cells, strict=True):
            (row,) = [
                r for r in rows
                if r["quantity"] == name and float(r["thickness"]) == float(d.removesuffix(" nm"))
                and (float(r["bias"]) == bias if bias is not None else not r["bias"])
            ]  # fmt: skip
            expected = interval(*(float(row[q]) for q in ("q025", "median", "q975")))
            marks = ("†" if row["extrapolated"] else "") + ("*" if row["leans_on"] else "")
            assert cell == f"{expected} {marks}".strip()
            checked += 1
    assert checked == 27


def test_pairs_and_devices_hold_both_sources(finished):
    for name, per in (("devices.csv", 3), ("pairs.csv", 3)):
        rows = read(finished, name)
        assert {r["source"] for r in rows} == {"each device alone", "with the common lengths"}
        assert len(rows) % per == 0


def test_extrapolated_and_inherited_cells_are_marked(found: Findings):
    rows = found.implied.table.copy()
    mine = (rows["quantity"] == "arg κ") & (rows["thickness"] == 0.8)
    rows.loc[mine, ["extrapolated", "leans_on"]] = ["thickness", "lambda_sf_F"]
    marked = consequences_table(replace(found.implied, table=rows))
    cells = {row[0]: row[1] for row in marked.rows}
    assert cells["arg κ (°)"].endswith(" †*")
    assert "†: extrapolated, nobody measured there." in marked.note
    assert "*: inherited from the priors of lambda_sf_F" in marked.note
    assert "†" not in consequences_table(found.implied).note


def test_whoever_did_not_compare_mechanisms_is_told_how(real: Page):
    assert "Not compared in this run: whether asymmetric electrodes (b1)" in real.text
    assert "mtjfit run STUDY.toml --output DIR --mechanisms" in real.text


def test_one_thickness_says_why_sections_are_empty(one_thickness_fit, quick_figures):
    text = page_of(one_thickness_fit, None).text
    for words in (
        "There is one device, and none to compare it with.",
        "One thickness determines no length, so that nothing can be said of other thicknesses.",
        "One thickness cannot tell diffusion from asymmetric electrodes (b1)",
    ):
        assert words in text


def test_draws_that_did_not_converge_have_no_consequences(finished, quick_figures):
    refused = replace(finished.posterior, verdict=Verdict((Check("length", False, "too short"),), {}))
    known = findings(finished.fit, refused)
    assert (known.implied, known.common, known.narrowing) == (None, None, None)
    assert known.alone is not None  # needs no draws
    text = page_of(finished.fit, refused).text
    assert "Nothing follows from draws that have not converged." in text
    assert "none of the" not in text


def test_the_draws_are_told_beside_the_fit(found: Findings):
    part = sections(found, (), report_tables(found))[0]
    assert part.says[0] == f"Best fit: {found.fit.chi2_says}."
    assert found.drawn is not None
    assert part.says[1].startswith(f"χ² of the draws {found.drawn.q50:.1f} (")
    assert found.drawn.ok
    assert found.drawn.best == found.fit.chi2 < found.drawn.q05


def test_no_section_is_empty(found: Findings, one_thickness_fit):
    for known in (found, findings(one_thickness_fit, None)):
        drawn = [report_figures.ReportFigure(name, "", "", {}, "") for name in ("torque", "transfer", "combinations")]
        for part in sections(known, drawn, report_tables(known)):
            assert part.says or part.figures or part.tables, part.id


def test_a_spreadsheet_runs_no_device_name(finished, one_thickness_fit):
    names = ("=cmd|' /C calc'!A0", "+1", "@SUM(A1)")
    curves = tuple(replace(c, device=n) for c, n in zip(finished.fit.study.curves, names, strict=True))
    devices = tuple(replace(d, device=n) for d, n in zip(finished.fit.devices, names, strict=True))
    fit = replace(finished.fit, study=finished.fit.study.replace(curves=curves), devices=devices)
    for data in number_files(findings(fit, None)).values():
        cells = [cell for row in csv.reader(data.decode().splitlines()) for cell in row]
        assert "'=cmd|' /C calc'!A0" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_hostile_names_are_escaped_in_new_sections(finished, quick_figures):
    page = page_of(renamed(finished.fit), None)
    assert (page.faults, dangers(page)) == ([], [])
    shown = table(page, "device", "d (nm)")
    assert [row[0] for row in shown[1:]] == [f"{HOSTILE}{k}" for k in range(3)]


def test_every_figure_is_a_public_function_of_results(finished, found: Findings, monkeypatch: pytest.MonkeyPatch):
    """Each figure of the page comes from a function that mtjfit.plot exports, and from nowhere else."""
    from matplotlib.figure import Figure

    called = []

    def standing_in(name: str):
        def drawn(*_: object) -> Figure:
            called.append(name)
            return Figure(figsize=(1, 1))

        return drawn

    for name in mtjfit.plot.__all__:
        if name.startswith("plot_"):
            monkeypatch.setattr(mtjfit.plot, name, standing_in(name))
    monkeypatch.setattr(report_figures, "mechanisms_in_words", lambda _: "7 words")
    made = report_figures.report_figures(replace(found, mechanisms=SimpleNamespace()))
    assert len(made) == len(called) == len(set(called)) == 10
    assert all(name in mtjfit.plot.__all__ for name in called)


def test_mechanisms_are_told_where_somebody_waited(found: Findings, monkeypatch: pytest.MonkeyPatch):
    """With the numbers of the comparison in the section, in mechanisms.csv and nowhere rounded differently."""
    compared = comparison_of(found)
    monkeypatch.setattr("mtjfit.report.tables.mechanism_tables", lambda _: ())
    monkeypatch.setattr("mtjfit.report.tables._MECHANISMS", ())
    monkeypatch.setattr("mtjfit.report.sections.conclusions", lambda _: ("The data favour diffusion.",))
    known = replace(found, mechanisms=compared)
    part = sections(known, (), report_tables(known))[-1]
    assert (part.says, part.command) == (("The data favour diffusion.",), "")
    frame = pd.read_csv(__import__("io").BytesIO(number_files(known)["mechanisms.csv"]), index_col="mechanism")
    assert frame.loc["diffusion", "log_evidence"] == 1832.8701234567
    assert frame.loc["ballistic", "aic"] == 20.5


def comparison_of(found: Findings) -> SimpleNamespace:
    def one(name: str, evidence: float, aic: float) -> SimpleNamespace:
        return SimpleNamespace(
            name=name, evidence=SimpleNamespace(value=evidence, error=0.01), log_prediction=-1.0, fit=found.fit,
            n_determined=3, aic=aic, bic=aic,
        )  # fmt: skip

    return SimpleNamespace(results=(one("diffusion", 1832.8701234567, 10.5), one("ballistic", -3.0, 20.5)))


def test_result_json_says_that_nobody_compared(finished):
    assert json.loads((finished.folder / "result.json").read_bytes())["mechanisms"] is None


def test_largest_residual_in_words_is_that_of_the_data(finished):
    from mtjfit.report.tables import torque_in_words

    fit = finished.fit
    curve = fit.study.curves[1]
    moved = curve.par.copy()
    moved[7] += 50 * curve.sigma_par[7]
    curves = (fit.study.curves[0], replace(curve, par=moved), fit.study.curves[2])
    says = torque_in_words(replace(fit, study=fit.study.replace(curves=curves)))
    away = float(re.search(r"is ([\d.]+) standard errors away", says)[1])
    assert away == pytest.approx(50, abs=4)
    assert np.isfinite(away)
