"""The page: one file that loads nothing, runs nothing, and escapes every text from a file."""

from __future__ import annotations

import re
from dataclasses import replace
from inspect import getclosurevars
from pathlib import Path

import numpy as np
import pytest
from html_pages import Page, dangers
from sketches import sketch

import mtjfit
import mtjfit.plot
from mtjfit.data import Origin
from mtjfit.html import inline_svg
from mtjfit.infer import Check, Verdict
from mtjfit.lazy import wing
from mtjfit.parallel import process_pool
from mtjfit.report import (
    FIGURES,
    TABLES,
    Findings,
    ReportFigure,
    findings,
    report_figures,
    report_html,
)
from mtjfit.results import learned, notices, posterior_table, provenance
from mtjfit.results.symbols import in_symbols, symbols_of
from mtjfit.study.study import as_read

pytestmark = pytest.mark.usefixtures("quick_fits")

HOSTILE = "<script>alert(1)</script>"
HOSTILE_TITLE = '</title></h1><img src=x onerror="alert(1)">{{ 7*7 }}'


def page_of(fit: mtjfit.FitResult, posterior: mtjfit.Posterior | None) -> Page:
    found = findings(fit, posterior, provenance(fit.study, 1, "mtjfit run"))
    return Page(report_html(found, sketch(found)))


@pytest.fixture(scope="module")
def real(finished) -> Page:
    """The page that a real run left."""
    return Page((finished.folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_is_balanced_and_harmless(real: Page):
    assert real.faults == []
    assert dangers(real) == []


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<p onclick='x()'>",
        "<img src='https://example.org/x.png'>",
        "<link rel='stylesheet' href='style.css'>",
        "<svg><use xlink:href='https://example.org/x.svg#a'/></svg>",
        "<a href='javascript:alert(1)'>x</a>",
    ],
)
def test_sabotage_dangers_and_unbalanced_tags_are_seen(html: str):
    assert dangers(Page(html))
    assert Page("<p><b></p>").faults


def test_numbers_of_the_page_are_those_of_the_table_of_parameters(finished, real: Page):
    table = posterior_table(finished.posterior)
    symbols = symbols_of(finished.fit.study)
    shown = [[in_symbols(cell, symbols) for cell in row] for row in (table.header, *table.rows)]
    assert "λ_J" in {row[0] for row in shown}
    assert shown in real.tables


@pytest.mark.slow
def test_what_stands_above_the_sections(finished, real: Page, one_thickness_fit, flipped_fit, golden, tmp_path: Path):
    fit, posterior, draws = finished.fit, finished.posterior, unconverged(finished)
    one, mute = page_of(one_thickness_fit, None), page_of(fit, draws)
    failing = page_of(flipped_fit, replace(posterior, study=flipped_fit.study))
    assert [a for _, a in failing.elements if a.get("role") == "alert"]
    above = [page.text.partition(" Data as read ")[0] for page in (real, one, failing, mute)]
    golden("report-above", "\n".join(above), tmp_path, numbers=False)
    symbols = symbols_of(fit.study)
    assert in_symbols(learned(fit, posterior)[0], symbols) in real.text
    assert in_symbols(learned(one_thickness_fit, None)[0], symbols) in one.text
    for words in (notices(flipped_fit)[0].title, *notices(flipped_fit)[0].lines, learned(flipped_fit, posterior)[0]):
        assert in_symbols(words, symbols) in failing.text, words


def unconverged(finished) -> mtjfit.Posterior:
    return replace(finished.posterior, verdict=Verdict((Check("length", False, "only 7 steps after warm-up"),), {}))


def test_what_a_reader_needs_is_there(real: Page):
    for words in (
        "per device: no 1/d",
        "T_⊥ along M x P, as declared",
        "Determined by each device on its own, without any length",
        "λ_sf^F: these data give only a lower limit; beyond it the prior decides",
        "Convergence gate: converged",
        "none of 123 points",
        "data sha256: data.csv",
        "doi:10.1103/PhysRevB.86.060404",
    ):
        assert words in real.text, words
    figures = [name for tag, a in real.elements if tag == "figure" and (name := a["id"])]
    order = ["overview", "torque", "corner", "prior_posterior", "transfer", "combinations", "accumulation", "forest",
             "consequences", "trace"]  # fmt: skip
    assert figures == [name for name in order if name in figures]
    assert {"overview", "torque", "corner", "transfer", "combinations", "accumulation", "trace"} <= set(figures)


def test_figures_have_words_for_those_who_cannot_see_them(finished, real: Page):
    labels = [a["aria-label"] for tag, a in real.elements if tag == "svg" and a.get("role") == "img"]
    torque, transfer, combinations, accumulation = (
        next(label for label in labels if label.startswith(f"Plot of {words}"))
        for words in ("torkance", "kappa", "the combinations", "the spin accumulation")
    )
    rows = [line.split(",") for line in (finished.study_file.parent / "data.csv").read_text().splitlines()]
    values = np.array([[float(row[3]), float(row[4])] for row in rows if row[0].startswith("F")])
    low, high = values.min(axis=0), values.max(axis=0)
    assert re.fullmatch(
        r"Plot of torkance against bias for F0\.8nm \(0\.8 nm\), F2\.0nm \(2 nm\), F4\.0nm \(4 nm\): "
        rf"in-plane from {low[0]:.3g} to {high[0]:.3g} \(ħ/2e\) kΩ⁻¹, out-of-plane from {low[1]:.3g} to {high[1]:.3g} "
        r"\(ħ/2e\) kΩ⁻¹\. χ² = 211\.2 for 240 degrees of freedom, p = 0\.91\. "
        r"The point farthest from the best fit is [23]\.\d standard errors away\.",
        torque,
    ), torque
    assert re.search(r"At 0.8 nm Re 0\.6\d+ \(0\.6\d* to 0\.\d+\) and Im -0\.2\d+ \(", transfer), transfer
    assert "Slope ratio T_perp/T_par by device: F0.8nm: -0.3" in combinations
    assert re.search(r"F4\.0nm \(4 nm\): in-plane 0\.\d+ nm at the barrier and -?0\.0\d+ nm", accumulation), (
        accumulation
    )
    assert all(re.search(r"\d", words) for words in labels)


def test_ids_are_unique_and_links_between_figures_hold(real: Page):
    ids = [a["id"] for _, a in real.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = [v[1:] for _, a in real.elements for n, v in a.items() if n.endswith("href") and v.startswith("#")]
    clips = [v[5:-1] for _, a in real.elements for v in a.values() if v and re.fullmatch(r"url\(#[^)]*\)", v)]
    assert {*links, *clips} <= set(ids)


def test_figures_lie_beside_the_page_as_svg_and_as_pdf_if_asked_for(finished):
    every = findings(finished.fit, finished.posterior, {})
    found = replace(every, sections=every.sections[:2], frame=replace(every.frame, pictures=()))
    for plain, both in zip(sketch(found), sketch(found, pdf=True), strict=True):
        assert list(plain.files) == [f"{plain.name}.svg"]
        assert list(both.files) == [f"{plain.name}.svg", f"{plain.name}.pdf"]
        assert both.files[f"{plain.name}.svg"].startswith(b"<?xml")
        assert both.files[f"{plain.name}.pdf"].startswith(b"%PDF")


def drawn(fit: mtjfit.FitResult) -> tuple[ReportFigure, ...]:
    return report_figures(findings(fit, None, {}))


# a process of its own takes seconds; that the same process draws the same bytes is proven in tests/plot
@pytest.mark.slow
# pickle looks for functions that lmfit keeps in every module that is loaded, and so in mpmath
@pytest.mark.filterwarnings("ignore::DeprecationWarning:mpmath.*")
def test_another_process_draws_the_same_bytes(one_thickness_fit):
    with process_pool() as pool:
        assert pool.submit(drawn, one_thickness_fit).result() == drawn(one_thickness_fit)


@pytest.mark.slow
def test_measured_data_carry_no_banner(finished):
    curves = tuple(replace(curve, origin=Origin()) for curve in finished.fit.study.curves)
    study = finished.fit.study.replace(curves=curves)
    measured = page_of(replace(finished.fit, study=study), replace(finished.posterior, study=study))
    assert "not measured" not in measured.text


def renamed(fit: mtjfit.FitResult) -> mtjfit.FitResult:
    """A fit whose texts are attacks, wherever a file can bring a text in."""
    curves = []
    for k, curve in enumerate(fit.study.curves):
        name, origin = f"{HOSTILE}{k}", Origin("simulated", HOSTILE)
        curve = replace(curve, device=name, group=HOSTILE, source=HOSTILE, origin=origin)
        curves.append(curve.mask(curve.bias == 0.5, HOSTILE))
    parameters = {**fit.study.parameters, "a1": replace(fit.study.parameters["a1"], scope="group")}
    study = fit.study.replace(curves=tuple(curves), name=HOSTILE_TITLE, parameters=parameters)
    study = as_read(study, HOSTILE, {HOSTILE: "0" * 64})
    devices = tuple(replace(d, device=c.device) for d, c in zip(fit.devices, curves, strict=True))
    known = fit.identifiability
    table = known.determined.rename(lambda name: name + HOSTILE)
    return replace(
        fit, study=study, devices=devices, p_value=1e-9,
        values={f"{n}[{HOSTILE}]" if n == "a1" else n: x for n, x in fit.values.items()},
        errors={f"{n}[{HOSTILE}]" if n == "a1" else n: x for n, x in fit.errors.items()},
        identifiability=replace(known, null_directions=(HOSTILE,), determined=table),
    )  # fmt: skip


def test_hostile_texts_are_escaped(finished):
    fit = renamed(finished.fit)
    names = tuple(f"{name}[{HOSTILE}]" if name == "a1" else name for name in finished.posterior.names)
    verdict = Verdict((Check("length", False, HOSTILE),), {})
    posterior = replace(finished.posterior, study=fit.study, names=names, verdict=verdict)
    page = page_of(fit, posterior)
    assert page.faults == []
    assert dangers(page) == []
    assert page.text.count(HOSTILE) > 10
    assert HOSTILE_TITLE in page.text
    devices = {row[0] for rows in page.tables if rows[0][:2] == ["device", "d (nm)"] for row in rows[1:]}
    assert devices == ({f"{HOSTILE}{k}" for k in range(3)} if wing("comparison") else set())


@pytest.mark.slow
def test_hostile_texts_of_one_thickness_are_escaped_and_a_real_figure_of_them_is_harmless(one_thickness_fit):
    hostile = renamed(one_thickness_fit)
    page = page_of(hostile, None)
    figure = Page(inline_svg(mtjfit.plot.render(mtjfit.plot.plot_torque(hostile)), "torque", HOSTILE))
    assert (page.faults, dangers(page), figure.faults, dangers(figure)) == ([], [], [], [])
    assert page.text.count(HOSTILE) > 10
    assert figure.elements[0][1]["aria-label"] == HOSTILE


def test_svg_keeps_drawing_only(golden, tmp_path: Path):
    svg = inline_svg(
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="x()">'
        b'<metadata>m</metadata><script>x()</script><a href="https://example.org"/><g id="p" clip-path="url(#c)"/>'
        b'<use xlink:href="#p"/><use xlink:href="https://example.org/#p"/><image href="data:image/png;base64,AA"/>'
        b'<text onclick="x()">&lt;b&gt;</text><!-- <script>x()</script> --></svg>',
        "one",
        'a "plot"',
    )
    assert dangers(Page(svg)) == []
    golden("inline-svg", svg, tmp_path)


def test_an_unconverged_run_is_marked_everywhere(finished):
    draws = unconverged(finished)
    page = page_of(finished.fit, draws)
    for words in (
        "NOT CONVERGED, no result: parameters",
        "Convergence gate: NOT CONVERGED",
        "NOT CONVERGED. Posterior of the lengths",
    ):
        assert words in page.text, words
    marked = [
        each.name
        for each in sketch(findings(finished.fit, draws, {}))
        if 'id="not-converged"' in each.files[f"{each.name}.svg"].decode()
    ]
    assert [name for name in marked if name != "prior_posterior"] == [
        "torque", "corner", "transfer", "accumulation", "overview", "trace",
    ]  # fmt: skip


def error_bars_for_lengths(page: Page) -> list[list[str]]:
    return [row for table in page.tables for row in table if row[0].startswith(("λ", "Λ", "a_1", "b_2"))
            and any("±" in cell for cell in row)]  # fmt: skip


def test_one_thickness_shows_combinations_and_no_error_bar_for_a_length(one_thickness_fit):
    page = page_of(one_thickness_fit, None)
    assert error_bars_for_lengths(page) == []
    for words in (
        "slope ratio T_⊥/T_∥",
        "Undetermined parameters",
        "the curves agree: with the other perp_axis p = ",
    ):
        assert words in page.text, words
    assert "Convergence gate" not in page.text


def test_sabotage_an_error_bar_for_a_length_is_seen(real: Page):
    assert error_bars_for_lengths(real)  # three thicknesses do determine lambda_J


@pytest.fixture(scope="module")
def found(finished) -> Findings:
    return findings(finished.fit, finished.posterior, provenance(finished.fit.study, 1))


def test_chi2_of_the_draws_stands_beside_that_of_the_fit(found: Findings):
    best, draws = found.section("fit").sentences
    assert best == f"Best fit: {found.fit.chi2_says}."
    assert draws.startswith(f"χ² of the draws {found.drawn.q50:.1f} (")
    assert found.drawn.ok
    assert found.drawn.best == found.fit.chi2 < found.drawn.q05


def test_no_section_is_empty_and_every_file_has_a_known_name(found: Findings, one_thickness_fit):
    for known in (found, findings(one_thickness_fit, None, {})):
        for section in known.sections:
            assert section.sentences or section.pictures or section.tables, section.id
        assert set(known.tables) <= set(TABLES)
        assert {picture.name for section in known.every_section for picture in section.pictures} <= set(FIGURES)


def test_figures_come_from_public_functions(found: Findings):
    """Each picture of the page, those of wings too, is drawn by one function that `mtjfit.plot` exports."""
    drawing = [
        [each for each in getclosurevars(picture.draw).globals.items() if each[0].startswith("plot_")]
        for section in found.every_section
        for picture in section.pictures
    ]
    assert len(drawing) >= 6
    for ((name, function),) in drawing:
        assert name in mtjfit.plot.__all__
        assert getattr(mtjfit.plot, name) is function


@pytest.mark.slow
def test_largest_residual_in_words_is_that_of_the_data(finished):
    fit = finished.fit
    curve = fit.study.curves[1]
    moved = curve.par.copy()
    moved[7] += 50 * curve.sigma_par[7]
    curves = (fit.study.curves[0], replace(curve, par=moved), fit.study.curves[2])
    spoilt = findings(replace(fit, study=fit.study.replace(curves=curves)), None, {})
    says = spoilt.section("fit").pictures[0].alt
    assert float(re.search(r"is ([\d.]+) standard errors away", says)[1]) == pytest.approx(50, abs=4)
