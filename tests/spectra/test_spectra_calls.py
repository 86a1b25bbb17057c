"""The Python under each figure of the page of spectra draws that figure, from the folder of the page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from html_pages import Page
from shortcuts import slow_but
from sweeping import noisy, text_of

from mtjfit.html import PlannedFigure, inline_svg, program_of
from mtjfit.plot import render
from mtjfit.spectra import SpectraResult, resonance_frequency
from mtjfit.spectra.calls import beginning_from, device_call
from mtjfit.spectra.command import spectra_command
from mtjfit.spectra.page import spectra_html
from mtjfit.spectra.pictures import spectra_device_pictures, thumbnail_pictures

TEXT = """\
[spectra]
name = "sweeps at three fields"
against = "frequency"
torkance_unit = "1e-19 N m/V"
origin = "simulated; <Lorentzians>"
sweeps = "separate"
[[files]]
folder = "raw"
file = "*.txt"
pattern = "{device}_{bias:mV}_{field:mT}.txt"
columns = { x = "x", voltage = "v" }
units = { x = "GHz", voltage = "uV" }
[line]
kittel = ["Meff"]
[[devices]]
name = "it's A"
thickness = 2.0
I_rf = { value = 10.0, relative = 0.03, unit = "uA" }
V_thetaI = { value = 300.0, relative = 0.02, unit = "ohm/rad" }
dV_dI = { value = 1000.0, sd = 0, unit = "ohm" }
Ms_Vol = { value = 1e-17, sd = 0, unit = "A m2" }
Meff = { value = 1.1, sd = 0.02, unit = "T" }
"""
NAMES = ("lines-0", "torkance-0", "sweeps-0", "kittel-0", "flagged-0", "spectra-0")


@dataclass(frozen=True)
class Asked:
    """What the command would put on its page: the figures by name, not drawn, and the first lines of their Python."""

    folder: Path
    result: SpectraResult
    beginning: str

    @property
    def pictures(self) -> Mapping[str, PlannedFigure]:
        sheets = [each for flagged in (True, False) for each, _ in thumbnail_pictures(self.result, flagged, 6)]
        return {each.name: each for each in (*spectra_device_pictures(self.result), *sheets)}


def spectra_in(folder: Path) -> Path:
    """One device, swept up and down at three biases, each at its own field; one sweep has a second line."""
    raw, rng = folder / "raw", np.random.default_rng(3)
    raw.mkdir(parents=True)
    for mV, field in ((-100, 60), (0, 80), (100, 100)):
        centre = float(resonance_frequency(1e-3 * field, 1.1)) / 1e9
        f = centre * np.linspace(0.85, 1.15, 60)
        x, v = [], []
        for part in (f, f[::-1]):
            x.append(part)
            v.append(noisy(part, int(rng.integers(99)), centre=centre, half_width=0.03 * centre, a=4.0 + 0.01 * mV))
        if mV == 100:
            v[1] += 4.0 / (1 + ((x[1] / centre - 1.1) / 0.01) ** 2)
        (raw / f"it's A_{mV}mV_{field}mT.txt").write_text(text_of(np.concatenate(x), np.concatenate(v)))
    study = folder / "spectra.toml"
    study.write_text(TEXT, encoding="utf-8")
    return study


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("calls")
    found = []

    def page(result: SpectraResult, *, most: int, beginning: str, progress: object) -> str:
        found.append(Asked(folder / "out", result, beginning))
        return "<html></html>"

    arguments = [str(spectra_in(folder)), "--output", str(folder / "out"), "--quiet", "--shift", "Meff=-1"]
    arguments += ["--shift", "V_thetaI=+2"]
    CliRunner().invoke(spectra_command, arguments, obj=page, catch_exceptions=False)
    return found[0]


def executed(code: str, folder: Path, names: Mapping[str, Any] | None = None) -> dict[str, Any]:
    known = dict(names or {})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, known)  # noqa: S102 - the code is that of the page
    return known


@pytest.fixture(scope="module")
def read_again(asked: Asked) -> dict[str, Any]:
    """What the first lines of every program make of the folder of the page."""
    return executed(asked.beginning, asked.folder)


def drawn_by(call: str, names: Mapping[str, Any]) -> bytes:
    return render(executed(f"figure = {call}", Path.cwd(), names)["figure"], "png", dpi=100)


def test_every_figure_has_a_call_and_a_caption(asked: Asked) -> None:
    assert tuple(asked.pictures) == NAMES
    for name, picture in asked.pictures.items():
        compile(program_of(name, picture.call, asked.beginning), name, "exec")
        assert re.search(r"\bit's A: .*(spectra|sweeps)|(Flagged|Other) spectra of it's A", picture.caption), name
        assert re.search(r"standard error|standard deviation|fitted line", picture.caption), name
        assert picture.caption.endswith(" SIMULATED, not measured: <Lorentzians>."), name


@pytest.mark.parametrize("name", slow_but(("torkance-0", "flagged-0"), NAMES))
def test_the_call_draws_the_figure(asked: Asked, read_again: dict[str, Any], name: str) -> None:
    picture = asked.pictures[name]
    assert drawn_by(picture.call, read_again) == render(picture.draw(), "png", dpi=100)


@pytest.mark.parametrize(
    ("name", "said", "other"), [("flagged-0", "residuals=True", "residuals=False"), ("spectra-0", "0:5", "0:4")]
)
def test_sabotage_another_call_draws_another_figure(
    asked: Asked, read_again: dict[str, Any], name: str, said: str, other: str
) -> None:
    call = asked.pictures[name].call
    assert said in call
    assert drawn_by(call.replace(said, other), read_again) != drawn_by(call, read_again)


def test_sabotage_without_the_shifts_the_torkances_are_others(asked: Asked, read_again: dict[str, Any]) -> None:
    moved = ".moved('Meff', -1.0).moved('V_thetaI', 2.0)"
    assert moved in asked.beginning
    other = executed(asked.beginning.replace(moved, ""), asked.folder)
    one, two, page = (each.curves["it's A"].par for each in (other["result"], read_again["result"], asked.result))
    np.testing.assert_array_equal(two, page)
    np.testing.assert_allclose(one, two * 1.04, rtol=1e-9)


@pytest.mark.slow
def test_the_page_holds_what_its_calls_draw(asked: Asked, read_again: dict[str, Any]) -> None:
    html = spectra_html(asked.result, most=6, beginning=asked.beginning)
    page = Page(html)
    for name, picture in asked.pictures.items():
        assert page.text.count(f"Copy the call: {picture.call} import mtjfit") == 1, name
        figure = executed(f"figure = {picture.call}", asked.folder, read_again)["figure"]
        image = name.startswith(("flagged", "spectra"))
        content = b64encode(render(figure, "png", dpi=200)).decode() if image else inline_svg(
            render(figure, "svg"), name, picture.alt)  # fmt: skip
        assert html.count(content) == 1, name


@pytest.mark.slow
def test_the_whole_program_leaves_a_pdf(asked: Asked) -> None:
    executed(program_of("kittel-0", asked.pictures["kittel-0"].call, asked.beginning), asked.folder)
    assert (asked.folder.parent / "kittel-0.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_a_page_of_no_file_has_no_calls(asked: Asked) -> None:
    assert "Copy the call" not in spectra_html(asked.result)


def test_quotes_in_names_stay_text(tmp_path: Path) -> None:
    odd = 'it\'s "b"'
    program = program_of("x", device_call("lines", odd), beginning_from(tmp_path / f"{odd}.toml", tmp_path))
    compile(program, "page", "exec")
    assert repr(f"{odd}.toml") in program
