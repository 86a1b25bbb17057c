"""The Python under each figure draws that figure, from the folder of the page; captions say what a paper needs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from html_pages import Page
from matplotlib.figure import Figure
from shortcuts import slow_but
from sketches import sketch

import mtjfit
from mtjfit.errors import MtjfitError
from mtjfit.html import PlannedFigure, program_of
from mtjfit.infer import Check, Verdict
from mtjfit.plot import render
from mtjfit.report import Findings, findings, report_html
from mtjfit.report.calls import beginning_of, call_of
from mtjfit.report.width import figure_width

pytestmark = pytest.mark.usefixtures("quick_fits")


def pictures(found: Findings) -> Iterator[PlannedFigure]:
    return (picture for section in found.every_section for picture in section.pictures)


def executed(code: str, names: dict[str, Any]) -> dict[str, Any]:
    exec(code, names)  # noqa: S102 - the code is that of the page
    return names


def drawn_by(call: str, names: dict[str, Any]) -> Figure:
    return executed(f"figure = {call}", dict(names))["figure"]


def two_mechanisms(study: mtjfit.Study, seed: int) -> Any:
    """In place of a comparison of all mechanisms, which takes half a minute: of those that need no exploring."""
    from mtjfit.comparison.mechanisms.comparison import WIDTHS, compare_mechanisms

    names = ("ballistic", "ballistic+b1")
    return compare_mechanisms(study, seed, names=names, widths=WIDTHS[:1], n_simulations=2, progress=False)


@pytest.fixture(scope="module")
def found(finished) -> Findings:
    return findings(finished.fit, finished.posterior, {}, two_mechanisms(finished.fit.study, 3))


@pytest.fixture(scope="module")
def read_again(finished, found: Findings) -> dict[str, Any]:
    """What the first lines of every program make of the folder of the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished.folder)
        return executed(beginning_of(found), {})


NAMES = ("overview", "torque", "corner", "prior_posterior", "transfer", "combinations", "accumulation", "forest",
         "consequences", "mechanisms", "trace")  # fmt: skip


def test_every_figure_has_a_call(found: Findings) -> None:
    assert {picture.name for picture in pictures(found)} == set(NAMES)


@pytest.mark.parametrize("name", slow_but(("combinations", "prior_posterior"), NAMES))
def test_the_call_draws_the_figure(
    found: Findings, read_again: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "mechanisms":
        monkeypatch.setattr(mtjfit.comparison, "compare_mechanisms", two_mechanisms)
    picture = next(each for each in pictures(found) if each.name == name)
    assert render(drawn_by(picture.call, read_again)) == render(picture.draw())


@pytest.mark.slow
def test_the_whole_program_runs_in_the_folder_of_the_page(
    finished, found: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = next(each for each in pictures(found) if each.name == "combinations")
    page = tmp_path / "page"
    page.mkdir()
    shutil.copy(finished.folder / "draws.npz", page)
    monkeypatch.chdir(page)
    executed(program_of(picture.name, picture.call, beginning_of(found)), {})
    assert (tmp_path / "combinations.pdf").read_bytes().startswith(b"%PDF")


def test_a_page_can_be_written_again_after_its_programs_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mtjfit.report.ResultFolder(tmp_path / "page")
    folder.write({"report.html": b""}, {})
    monkeypatch.chdir(folder.path)
    programs = [program_of(name, "Figure()", "from matplotlib.figure import Figure") for name in ("corner", "torque")]
    for program in programs:
        executed(program, {})
    assert sorted(each.name for each in tmp_path.iterdir()) == ["corner.pdf", "page", "torque.pdf"]
    folder.prepare()
    for program in programs:
        executed(program.replace("../", ""), {})
    with pytest.raises(MtjfitError, match=r"page: corner\.pdf, torque\.pdf: were changed or added since"):
        folder.prepare()


def test_sabotage_another_call_draws_another_figure(found: Findings, read_again: dict[str, Any]) -> None:
    picture = next(each for each in pictures(found) if each.name == "overview")
    other = drawn_by(picture.call.replace("detail=False", "detail=True"), read_again)
    assert render(other) != render(picture.draw())


@pytest.mark.slow
def test_width_and_level_of_the_page_are_in_the_call(finished, monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(finished.fit, finished.posterior, {}, level=0.8)
    picture = next(each for each in pictures(found) if each.name == "transfer")
    monkeypatch.chdir(finished.folder)
    names = executed(f"{beginning_of(found)}\nfigure = {call_of(picture, '86mm')}", {})
    assert names["posterior"].level == 0.8
    assert render(names["figure"]) == render(picture.draw(width=figure_width("86mm")))


@pytest.mark.slow
def test_combinations_alone_are_read_again(one_thickness_fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = findings(one_thickness_fit, None, mtjfit.results.provenance(one_thickness_fit.study, 1))
    folder = mtjfit.report.ResultFolder(tmp_path / "result")
    folder.prepare()
    mtjfit.report.write_report(folder, found, draw=sketch)
    monkeypatch.chdir(folder.path)
    names = executed(beginning_of(found), {})
    for picture in pictures(found):
        assert render(drawn_by(picture.call, names)) == render(picture.draw()), picture.name


def test_a_study_that_no_file_holds_is_said_to_be_in_hand(finished) -> None:
    class Flat(mtjfit.Normal):
        """A prior that no file can name."""

    fit = finished.fit
    parameters = {**fit.study.parameters, "a1": replace(fit.study.parameters["a1"], prior=Flat(0.0, 1.0))}
    study = fit.study.replace(parameters=parameters)
    found = findings(finished.fit, finished.posterior, {})
    unsaved = replace(found, fit=replace(fit, study=study))
    assert beginning_of(unsaved).splitlines()[1].startswith("# fit and posterior are those in your session")
    assert "load_posterior" not in beginning_of(unsaved)


def test_calls_stand_on_the_page_as_they_are(finished) -> None:
    page = Page((finished.folder / "report.html").read_text(encoding="utf-8"))
    for picture in pictures(findings(finished.fit, finished.posterior, {})):
        assert page.text.count(f"Copy the call: {picture.call} import mtjfit") == 1, picture.name


def missing(caption: str, posterior: mtjfit.Posterior) -> list[str]:
    """What a caption for a paper lacks: data, what was measured or not, and levels of bands."""
    wanted = {
        "devices": r"\b3 devices|independent ensembles",
        "origin": re.escape(posterior.study.label),
        "level": r"\d+ %|standard error|Bits: |draws from",
    }
    return [name for name, pattern in wanted.items() if not re.search(pattern, caption)]


def test_captions_can_go_into_a_paper(finished, found: Findings) -> None:
    for figure in sketch(found):
        assert missing(figure.caption, finished.posterior) == [], figure.name
        assert figure.caption.endswith(".")
    assert missing("A plot.", finished.posterior) == ["devices", "origin", "level"]


def test_draws_that_have_not_converged_are_marked_in_every_caption(finished) -> None:
    verdict = Verdict((Check("length", False, "too short"),), {})
    found = findings(finished.fit, replace(finished.posterior, verdict=verdict), {})
    shows = {picture.name for picture in pictures(found) if picture.shows_draws}
    marked = {figure.name for figure in sketch(found) if figure.caption.startswith("NOT CONVERGED. ")}
    assert marked == shows > {"overview", "torque", "corner", "trace"}


def unfolded(html: str) -> list[str]:
    """What stands between the first screen and the end of the page, outside of what folds."""
    rest = html.partition('<nav aria-label="Contents">')[2].partition("</main>")[0] + "</main>"
    folded = re.compile(r"<details class=\"fold\">.*?</details>\s*(?=<details class=\"fold\"|</main>)", re.DOTALL)
    return re.findall(r"<(?:h2|table|figure|p)\b", folded.sub("", rest))


def untold(html: str) -> list[str]:
    """Folded sections that do not say what to take from them, in words that come before the section."""
    summaries = re.findall(r"<details class=\"fold\">\s*<summary>(.*?)</summary>", html, re.DOTALL)
    assert len(summaries) > 10
    return [one for one in summaries if not re.search(r'<span class="take">[^<].{10,}</span>', one, re.DOTALL)]


def unreached(html: str) -> list[str]:
    """Links that do not lead into a folded part: a browser opens what holds the target, not what is the target."""
    targets = re.findall(r'<li><a href="#([^"]+)">', html)
    return [one for one in targets if not re.search(rf'</summary>\s*<div class="inside" id="{one}">', html)]


def test_the_first_screen_comes_first_and_all_else_folds(found: Findings, one_thickness_fit) -> None:
    html = report_html(found, sketch(found))
    first = html.partition('<nav aria-label="Contents">')[0]
    for words in ('id="checks"', 'class="learned"', '<figure id="overview">', 'id="table-lengths"', 'id="helps"'):
        assert first.count(words) == 1, words
    assert '<details class="fold"' not in first
    for one in (found, findings(one_thickness_fit, None, {})):
        page = report_html(one, sketch(one))
        assert (unfolded(page), untold(page), unreached(page)) == ([], [], [])


def test_sabotage_what_does_not_fold_or_says_nothing_is_seen(found: Findings) -> None:
    html = report_html(found, sketch(found))
    assert "<p" in unfolded(html.replace("</main>", "<p>more</p></main>"))
    assert untold(html.replace('<span class="take">', '<span class="x">', 1))
    moved = html.replace('<details class="fold">', '<details class="fold" id="known">')
    assert unreached(moved.replace('<div class="inside" id="known">', '<div class="inside">')) == ["known"]
