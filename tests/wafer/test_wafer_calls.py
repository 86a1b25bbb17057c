"""The Python under each figure of the page of wafers draws that figure, from the folder of the page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_pages import Page
from matplotlib.figure import Figure
from survey_cases import KINDS, Q, files_of, lot, pictures_of
from wafer_cases import run, said, simulated_wafer, wafer_study

from mtjfit.html import program_of
from mtjfit.plot import render
from mtjfit.wafer.page.calls import Beginnings, curve_call, quantity_call
from mtjfit.wafer.page.page import _CURVE_DPI, _IMAGE_DPI
from mtjfit.wafer.survey.curves import DeviceCurve

OPTIONS = ("--own-error", "0.03", "--false-alarms", "fdr", "--quantity", Q, "--quantity", "b2/a1")


@dataclass(frozen=True)
class Drawn:
    """A folder with a catalogue in it, and the page below it in `folder`/out/page."""

    page: Path
    html: str

    @property
    def programs(self) -> dict[str, str]:
        """The program of each figure, by the name of the figure."""
        found = re.findall(r'<figure id="([^"]+)">(?:(?!</figure>).)*?<pre><code>(.*?)</code></pre>', self.html, re.S)
        return {name: unescape(code) for name, code in found}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("calls")
    table = simulated_wafer(60, wafers=2, noise=0.02, n_bias=9)
    rows = table.rows
    rows.loc[rows["device"] == "D000007", "T_perp"] += 0.4 * rows["V"]
    study = wafer_study(folder, table.csv(folder / "table.csv"), wafer='origin = "simulated; <Eq. 12>"\n')
    run(study, folder / "lot.db")
    page = folder / "out" / "page"
    page.parent.mkdir()
    assert said("wafer", folder / "lot.db", "--output", page, "--quiet", *OPTIONS).exit_code == 0
    return Drawn(page, (page / "wafer.html").read_text(encoding="utf-8"))


def executed(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - the code is that of the page
    return names


def drawn_by(drawn: Drawn, name: str, patch: pytest.MonkeyPatch) -> Figure:
    """What the program of a figure draws in the folder of the page."""
    patch.chdir(drawn.page)
    return executed(drawn.programs[name].rpartition("\n")[0])["figure"]


def figures_of(drawn: Drawn, names: Sequence[str], patch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """SVG files of what the programs of some figures draw."""
    return {name: render(drawn_by(drawn, name, patch), "svg", dpi=_IMAGE_DPI) for name in names}


def test_every_figure_has_a_call(drawn: Drawn) -> None:
    of_quantities = {f"{kind}-{slug}" for kind in KINDS for slug in ("slope_ratio", "b2-a1")}
    assert set(drawn.programs) == of_quantities | {"curve-0"}
    text = Page(drawn.html).text
    for kind in KINDS:
        assert text.count(f"Copy the call: {quantity_call(kind, Q)} import mtjfit") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_call_draws_the_figure(drawn: Drawn, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, svg in figures_of(drawn, [f"{kind}-slope_ratio", f"{kind}-b2-a1"], monkeypatch).items():
        assert svg == (drawn.page / f"{name}.svg").read_bytes(), name


def test_the_call_draws_the_curve_of_the_device(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "[('W1', 'D000007')], survey, table='../../table.csv'" in drawn.programs["curve-0"]
    png = render(drawn_by(drawn, "curve-0", monkeypatch), "png", dpi=_CURVE_DPI)
    assert drawn.html.count(b64encode(png).decode()) == 1
    other = Drawn(drawn.page, drawn.html.replace("&#39;D000007&#39;", "&#39;D000008&#39;"))
    assert render(drawn_by(other, "curve-0", monkeypatch), "png", dpi=_CURVE_DPI) != png, "that of another device"


def test_the_whole_program_leaves_a_pdf_beside_the_page(drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(drawn.page)
    before = sorted(drawn.page.iterdir())
    executed(drawn.programs["histogram-slope_ratio"])
    assert (drawn.page.parent / "histogram-slope_ratio.pdf").read_bytes().startswith(b"%PDF")
    assert sorted(drawn.page.iterdir()) == before


@pytest.mark.parametrize(
    ("kind", "said_there", "other"), [("control", "plot_control", "plot_splits"), ("map", "odd=odd", "odd=None")]
)
def test_sabotage_another_call_draws_another_figure(
    drawn: Drawn, kind: str, said_there: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    html = drawn.html.replace(said_there, other)
    assert html != drawn.html
    name = f"{kind}-slope_ratio"
    assert figures_of(Drawn(drawn.page, html), [name], monkeypatch)[name] != (drawn.page / f"{name}.svg").read_bytes()


def test_a_page_of_no_catalogue_has_no_calls() -> None:
    with pictures_of("control"):
        assert "Copy the call" not in files_of(lot(3, 1, pitch=10.0))["wafer.html"].decode()


def test_quotes_in_names_stay_text(tmp_path: Path) -> None:
    odd = 'it\'s "b"'
    beginnings = Beginnings(tmp_path / f"{odd}.db", tmp_path, [], "holm", "ab")
    points = np.zeros(3)
    curve = DeviceCurve(odd, odd, "torque", "arb", points, np.zeros((2, 3)), None, points == 0, table=odd)
    for call, beginning in ((quantity_call("map", odd), beginnings.of_quantities()),
                            (curve_call(curve), beginnings.of_curve(curve))):  # fmt: skip
        program = program_of("x", call, beginning)
        compile(program, "page", "exec")
        assert repr(f"{odd}.db") in program
        assert program.count("configuration='ab'") == beginning.count("(catalogue")
