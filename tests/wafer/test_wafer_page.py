"""From a table of devices to the page: numbers on it are those of the tables, curves are those of the devices."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from survey_cases import lot, survey_of
from wafer_cases import run, simulated_wafer, wafer_study

from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.plot import style as plot_style
from mtjfit.wafer import open_catalogue
from mtjfit.wafer.commands.compare import compare_catalogues
from mtjfit.wafer.commands.wafer import chosen_quantities, wafer_command
from mtjfit.wafer.page import page as page_module
from mtjfit.wafer.page.page import KINDS, wafer_files
from mtjfit.wafer.survey.compare import compare_wafers as pairs_of
from mtjfit.wafer.survey.curves import Curves, curves_of
from mtjfit.wafer.survey.curves import survey_of as survey_from
from mtjfit.wafer.survey.limits import WaferFindings, control_limits, odd_devices

VOID = {"meta", "br", "img"}
Q = "slope_ratio"
NO_FAULTS = pd.DataFrame(columns=["device", "wafer", "split", "where", "what", "todo", "table"])


class Page(HTMLParser):
    """Elements with attributes, text, targets of links; unbalanced tags are noted."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        self.faults += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.open):
            self.text += data

    def all(self, name: str) -> list[str]:
        """All values of an attribute."""
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]


def dangers(page: Page) -> list[str]:
    """Whatever could run, or load something."""
    found = [tag for tag, _ in page.elements if tag in ("script", "iframe", "object", "embed", "link", "form")]
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            target = name.rsplit(":")[-1] in ("href", "src", "action", "data", "srcset")
            if name.startswith("on") or (target and not (value or "").startswith(("#", "data:image/png;base64,"))):
                found.append(f"{tag} {name}={value}")
    return found


@dataclass(frozen=True)
class Made:
    """A table, its catalogue, and what the command made of it."""

    folder: Path
    rows: pd.DataFrame
    done: Result

    @property
    def page(self) -> Page:
        return Page((self.folder / "page" / "wafer.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def one_format() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # the others take a second, and stand on the page in the slow tests
        patch.setattr(page_module, "KINDS", {name: KINDS[name] for name in ("control", "map")})
        patch.setattr(plot_style, "FORMATS", ())
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Sixty devices, the eighth of them odd, the fiftieth with an unreadable point, all the way through."""
    folder = tmp_path_factory.mktemp("wafer")
    table = simulated_wafer(60, wafers=2, noise=0.02, n_bias=9)
    rows = table.rows
    rows.loc[rows["device"] == "D000007", "T_perp"] += 0.4 * rows["V"]
    rows["T_par"] = rows["T_par"].astype(object)
    rows.loc[rows["device"] == "D000050", "T_par"] = "<b>oops</b>"
    study = wafer_study(folder, table.csv(folder / "table.csv"))
    run(study, folder / "lot.db")
    arguments = [str(folder / "lot.db"), "--output", str(folder / "page"), "--quantity", Q]
    return Made(folder, rows, CliRunner().invoke(wafer_command, arguments, catch_exceptions=False))


def again(made: Made, *more: str, **how: object) -> Result:
    return CliRunner().invoke(wafer_command, [str(made.folder / "lot.db"), *more], **how)


def test_the_command_says_what_it_found_and_where(made: Made) -> None:
    assert made.done.exit_code == 0
    assert "59 devices on 2 wafers in 3 splits; none of them flagged." in made.done.output
    assert "1 more device could not be used" in made.done.output
    assert made.done.output.endswith(f"Page: {made.folder / 'page' / 'wafer.html'}\n")


def test_the_page_is_balanced_harmless_and_small(made: Made) -> None:
    page = made.page
    assert page.faults == []
    assert dangers(page) == []
    html = (made.folder / "page" / "wafer.html").read_text(encoding="utf-8")
    assert len(html) < 1.2e6
    assert "<b>" not in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert "url(" not in re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]


@pytest.mark.parametrize("html", ["<script>1</script>", "<p onclick='x()'>", "<img src='https://example.org/x.png'>"])
def test_sabotage_dangers_are_seen(html: str) -> None:
    assert dangers(Page(html))


def test_every_link_leads_somewhere_and_no_name_is_there_twice(made: Made) -> None:
    page = made.page
    names = page.all("id")
    assert len(names) == len(set(names))
    links = [link for link in (*page.all("href"), *page.all("xlink:href")) if link.startswith("#")]
    assert links
    assert {link[1:] for link in links} <= set(names)
    assert "curve-0" in names


def test_odd_devices_stand_first_with_their_reason_and_faults_are_there(made: Made) -> None:
    text = made.page.text
    assert text.index("D000007") < text.rindex("Devices that could not be used")
    assert "slope_ratio is " in text
    assert "D000050" in text
    table = pd.read_csv(made.folder / "page" / "odd.csv")
    assert table["device"].tolist() == ["D000007"]
    assert len(pd.read_csv(made.folder / "page" / "faults.csv")) == 1


def test_csv_files_hold_the_numbers_of_the_limits_and_pairs_with_all_digits(made: Made) -> None:
    with open_catalogue(made.folder / "lot.db") as catalogue:
        survey = survey_from(catalogue)
    limits = pd.read_csv(made.folder / "page" / "limits.csv").set_index("population")
    expected = control_limits(survey, Q)
    np.testing.assert_array_equal(limits["centre"], expected["centre"])
    np.testing.assert_array_equal(limits["spread"], expected["spread"])
    pairs = pd.read_csv(made.folder / "page" / "pairs.csv")
    np.testing.assert_array_equal(pairs["p_greater"], pairs_of(survey, Q)["p_greater"])
    assert "centre" in pd.read_csv(made.folder / "page" / "limits.csv").columns


def test_those_who_cannot_see_read_the_numbers(made: Made) -> None:
    with open_catalogue(made.folder / "lot.db") as catalogue:
        survey = survey_from(catalogue)
    said = made.page.all("aria-label") + made.page.all("alt")
    limits = control_limits(survey, Q)
    assert any(f"robust mean {limits['centre'].iloc[0]:.4g}" in each for each in said)
    values = survey.values(Q)[(survey.frame["wafer"] == "W2").to_numpy()]
    assert any(f"W2: median {np.median(values):.3g}" in each for each in said)
    assert any("9 points from -0.5 to 0.5 V" in each for each in said)


def test_curves_are_the_rows_of_the_device(made: Made) -> None:
    with open_catalogue(made.folder / "lot.db") as catalogue:
        survey = survey_from(catalogue)
        curves = curves_of(catalogue, [("W1", "D000007"), ("W2", "D000040")], survey)
    assert curves.missing == ""
    for name in ("D000007", "D000040"):
        (one,) = (curve for curve in curves.found.values() if curve.device == name)
        mine = made.rows[made.rows["device"] == name]
        np.testing.assert_allclose(one.values, [mine["T_par"].astype(float), mine["T_perp"]])
        np.testing.assert_allclose(one.errors, [mine["s_par"], mine["s_perp"]])
        residual = (one.values - one.polynomial(one.bias)) / one.errors
        assert np.sqrt(np.mean(residual**2)) < 1.6, "the polynomials go through the points"


def test_a_table_that_moved_or_changed_is_not_drawn_and_the_page_says_so(made: Made, tmp_path: Path) -> None:
    with open_catalogue(made.folder / "lot.db") as catalogue:
        survey = survey_from(catalogue)
        gone = curves_of(catalogue, [("W1", "D000007")], survey, table=tmp_path / "nowhere.csv")
        moved = tmp_path / "moved.csv"
        shutil.copy(made.folder / "table.csv", moved)
        there = curves_of(catalogue, [("W1", "D000007")], survey, table=moved)
        moved.write_text(moved.read_text().replace("0.0", "0.1"))
        other = curves_of(catalogue, [("W1", "D000007")], survey, table=moved)
    assert "say where it is with --table" in gone.missing
    assert there.missing == ""
    assert "other content" in other.missing
    assert not gone.found
    assert not other.found


def test_a_folder_with_other_files_is_refused_and_an_earlier_page_replaced(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = {"wafer.html": b"<p>", "control-b2-a1.svg": b"<svg/>"}
    monkeypatch.setattr(page_module, "wafer_files", lambda *_, **__: blank)
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(MtjfitError, match=r"thesis\.tex"):
        again(made, "--output", str(tmp_path), catch_exceptions=False)
    (tmp_path / "thesis.tex").unlink()
    (tmp_path / "map-thickness.svg").write_text("of an earlier page")
    assert again(made, "--output", str(tmp_path), "--quantity", "b2/a1", "--quiet").exit_code == 0
    assert not (tmp_path / "map-thickness.svg").exists()
    assert (tmp_path / "control-b2-a1.svg").exists()


def test_what_no_device_determines_is_refused_before_anything_is_drawn(made: Made, tmp_path: Path) -> None:
    survey = lot(0, 1)
    assert chosen_quantities(survey, ()) == survey.quantities
    nothing = survey_of(survey.frame.assign(**{Q: np.nan}))
    with pytest.raises(NotDetermined, match="no device without a flag determines slope_ratio"):
        chosen_quantities(nothing, [Q])
    with pytest.raises(MtjfitError, match="choose among"):
        again(made, "--output", str(tmp_path), "--quantity", "colour", catch_exceptions=False)


def test_hostile_names_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = lot(3, 1, pitch=10.0)
    frame = survey.frame.drop(columns="population")
    frame["device"] = [f"<script>{k}</script>" for k in range(len(frame))]
    frame.loc[:2, "flags"] = 1
    frame.loc[0, "device"] = "=1+1"
    bad = survey_of(frame.assign(x=np.nan, wafer='"><img src=x onerror=1>', split="{{ 7*7 }}"))
    monkeypatch.setattr(page_module, "KINDS", {"control": "control chart"})
    files = wafer_files(bad, [WaferFindings(bad, Q)], odd_devices(bad, [Q]), Curves({}, "<i>gone</i>"), NO_FAULTS)
    page = Page(files["wafer.html"].decode())
    assert dangers(page) == []
    assert page.faults == []
    assert "{{ 7*7 }}" in page.text
    assert "<script>1</script>" in page.text
    assert "SIMULATED, not measured" in page.text
    assert "'=1+1" in pd.read_csv(io.BytesIO(files["odd.csv"]))["device"].tolist()


def test_catalogues_are_compared_and_written(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.db"
    shutil.copy(made.folder / "lot.db", other)
    compare_catalogues([made.folder / "lot.db", other], [Q], 0.0, 0.0, tmp_path / "out", quiet=True)
    pairs = pd.read_csv(tmp_path / "out" / "pairs.csv")
    same = pairs[(pairs["A"].str.removeprefix("lot: ")) == (pairs["B"].str.removeprefix("other: "))]
    assert len(same) == 6
    np.testing.assert_allclose(same["p_greater"], 0.5)
    assert "lot: W1, 1.2 nm" in (tmp_path / "out" / "wafers.txt").read_text(encoding="utf-8")
    assert "Comparison:" in capsys.readouterr().out


@pytest.mark.slow
def test_a_page_with_all_pictures_is_balanced_and_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "KINDS", KINDS)
    survey = lot(3, 2)
    files = wafer_files(survey, [WaferFindings(survey, Q)], odd_devices(survey, [Q]), Curves({}), NO_FAULTS)
    page = Page(files["wafer.html"].decode())
    assert {"control-slope_ratio.svg", "map-slope_ratio.svg", "smooth-slope_ratio.svg", "histogram-slope_ratio.svg"} < (
        set(files)
    )
    assert (dangers(page), page.faults) == ([], [])
    names = page.all("id")
    assert len(names) == len(set(names))
    told: list[str] = []
    odd = odd_devices(survey, [Q])
    again = wafer_files(survey, [WaferFindings(survey, Q)], odd, Curves({}), NO_FAULTS, pdf=True, progress=told.append)
    assert {name: data for name, data in again.items() if not name.endswith(".pdf")} == files
    assert sum(name.endswith(".pdf") for name in again) == len(KINDS)
    assert told == [f"{kind} of Slope ratio T⊥/T∥" for kind in KINDS.values()]


@pytest.mark.slow
def test_a_hundred_thousand_devices_make_a_page_below_five_megabytes() -> None:
    for survey in (lot(1, 1, radius=150.0, pitch=0.8), lot(2, 100, radius=100.0)):
        frame = survey.frame
        frame.loc[::7, "flags"] = 1
        frame["b2/a1"], frame["b2/a1_sd"] = frame["slope_ratio"], frame["slope_ratio_sd"]
        quantities = (Q, "|kappa|·a1", "b2/a1")
        files = wafer_files(
            survey,
            [WaferFindings(survey, each) for each in quantities],
            odd_devices(survey, quantities),
            Curves({}),
            NO_FAULTS,
        )
        assert len(frame) > 1e5
        assert (
            len(files["wafer.html"]) < 4.5e6
        )  # half of it maps of one pixel for each die; twenty curves take the rest
