"""Figures of another width: letters keep their size and stay on the figure, and nonsense is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from html_pages import Page
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from shortcuts import slow_but
from sketches import sketch

import mtjfit
from mtjfit.cli import Steps, cli
from mtjfit.html import PlannedFigure
from mtjfit.plot.style import DOUBLE, style
from mtjfit.report import Findings, findings, report_figures, report_html, report_posterior
from mtjfit.report.width import figure_width

pytestmark = pytest.mark.usefixtures("quick_fits")

ROOM = 0.04  # inches by which a letter may leave the figure: matplotlib's boxes are a little larger than the ink


@pytest.fixture(scope="module")
def found(finished) -> Findings:
    return findings(finished.fit, finished.posterior, {})


def typed(*arguments: object, obj: object = None) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], obj=obj)


def pictures(found: Findings) -> dict[str, PlannedFigure]:
    return {picture.name: picture for section in found.every_section for picture in section.pictures}


def beyond(figure: Figure) -> float:
    """How far, in inches, what is drawn reaches beyond the figure."""
    canvas = FigureCanvasAgg(figure)
    with style(None):
        canvas.draw()
        box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    return max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)


def smallest(figure: Figure) -> float:
    """Size of the smallest letters that are shown, in points."""
    return min(each.get_fontsize() for each in figure.findobj(Text) if each.get_text() and each.get_visible())


NAMES = ("overview", "torque", "corner", "prior_posterior", "transfer", "combinations", "accumulation", "forest",
         "consequences", "trace")  # fmt: skip


@pytest.mark.parametrize("name", slow_but(("combinations",), NAMES))
def test_letters_of_a_narrow_figure_keep_their_size_and_stay_on_it(found: Findings, name: str) -> None:
    usual = smallest(pictures(found)[name].draw())
    for width in ("86mm", "178mm"):
        figure = pictures(found)[name].draw(width=figure_width(width))
        assert figure.get_figwidth() <= figure_width(width) + 1e-9
        assert figure.get_figwidth() > 0.6 * figure_width(width)
        assert smallest(figure) >= usual
        assert beyond(figure) < ROOM


def test_every_picture_of_the_page_is_looked_at(found: Findings) -> None:
    assert set(NAMES) == set(pictures(found))


@pytest.mark.slow
def test_sabotage_a_figure_that_is_only_cut_to_a_width_loses_letters(found: Findings) -> None:
    figure = pictures(found)["consequences"].draw()
    assert beyond(figure) < ROOM
    figure.set_figwidth(figure_width("86mm"))
    assert beyond(figure) > ROOM


@pytest.mark.parametrize(
    ("text", "mm"), [("86mm", 86), (" 8.6 cm ", 86), ("3.5in", 88.9), ("0.178e3mm", 178), ("80mm", 80), ("30cm", 300)]
)
def test_a_width_is_a_number_with_its_unit(text: str, mm: float) -> None:
    assert figure_width(text) * 25.4 == pytest.approx(mm, rel=1e-12)


NONSENSE = ("0mm", "1", "86", "nan", "nan mm", "inf mm", "-86mm", "1m", "1000mm", "79.9mm", "301mm", "", "mm", "86 px",
            "86mm; 3", "1e400mm", "８６mm")  # fmt: skip


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_is_refused_with_advice_before_anything_is_written(finished, text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"such as 86mm|figures need 80 to 300 mm"):
        figure_width(text)
    with pytest.raises(ValueError, match="mm"):
        report_posterior(finished.posterior, tmp_path / "new", width=text)
    result = typed("report", finished.folder, "-o", tmp_path / "new", f"--width={text}")
    assert result.exit_code == 2
    assert "Invalid value for '--width'" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_the_command_and_python_hand_the_width_on(finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def draw(found: Findings, **how: Any) -> Any:
        seen.append(how)
        return sketch(found)

    steps = Steps(lambda study: finished.fit, mtjfit.sample, draw)
    assert typed("report", finished.folder, "-o", tmp_path / "a", "-q", "--width", "86mm", obj=steps).exit_code == 0
    assert typed("report", finished.folder, "-o", tmp_path / "b", "-q", obj=steps).exit_code == 0
    assert seen == [{"pdf": False, "width": "86mm"}, {"pdf": False}]
    narrow, usual = ((tmp_path / name / "report.html").read_text(encoding="utf-8") for name in "ab")
    share = f"{100 * 86 / 25.4 / DOUBLE:.1f}"
    assert f".paper svg {{ max-width: {share}%; min-width: 0; }}" in narrow
    assert Page(narrow).faults == []
    assert "max-width: 50" not in usual


@pytest.mark.slow
def test_files_of_a_width_have_it(found: Findings) -> None:
    only = found.sections[0]
    one = Findings(**{**vars(found), "sections": (only,), "frame": type(only)("frame", "")})
    (figure,) = report_figures(one, width="86mm")
    assert f'width="{86 / 25.4 * 72:.4f}'[:12].encode() in figure.files["torque.svg"]
    assert report_html(found, (figure,)) != report_html(found, (figure,), width="86mm")
