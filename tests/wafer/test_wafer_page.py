"""From a table of devices to the page: numbers on it are those of the tables, curves are those of the devices."""

from __future__ import annotations

import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import html_pages
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from html_pages import Page
from survey_cases import Q, lot, survey_of
from wafer_cases import run, simulated_wafer, wafer_study

from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.wafer import (
    Curves,
    Survey,
    WaferFindings,
    compare_wafers,
    control_limits,
    curves_of,
    odd_devices,
    open_catalogue,
)
from mtjfit.wafer import survey_of as survey_from
from mtjfit.wafer.commands.compare import compare_catalogues
from mtjfit.wafer.commands.wafer import chosen_quantities, wafer_command
from mtjfit.wafer.page.page import KINDS, wafer_files

NO_FAULTS = pd.DataFrame(columns=["device", "wafer", "split", "where", "what", "todo", "table"])


def dangers(page: Page) -> list[str]:
    """Whatever could run, or load something; curves are images, which lie inside the page."""
    return [each for each in html_pages.dangers(page) if each != "img"]


def attribute(page: Page, name: str) -> list[str]:
    """All values of an attribute."""
    return [attributes[name] or "" for _, attributes in page.elements if name in attributes]


def files_of(survey: Survey, quantities: tuple[str, ...] = (Q,), missing: str = "", **how: object) -> dict[str, bytes]:
    """All that belongs to the page of a survey without curves."""
    findings, odd = [WaferFindings(survey, each) for each in quantities], odd_devices(survey, quantities)
    return wafer_files(survey, findings, odd, Curves({}, missing), NO_FAULTS, **how)


@pytest.fixture
def only_control(monkeypatch: pytest.MonkeyPatch) -> None:
    """One picture: the others take a second, and stand on the page in the slow tests."""
    for kind in set(KINDS) - {"control"}:
        monkeypatch.delitem(KINDS, kind)


@dataclass(frozen=True)
class Made:
    """A table, what its catalogue holds, and what the command made of it."""

    folder: Path
    rows: pd.DataFrame
    done: Result
    survey: Survey

    @property
    def page(self) -> Page:
        return Page((self.folder / "page" / "wafer.html").read_text(encoding="utf-8"))

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "page" / name)


def write_page(folder: Path, output: Path, quantity: str = Q) -> Result:
    words = [str(folder / "lot.db"), "--output", str(output), "--quantity", quantity]
    return CliRunner().invoke(wafer_command, words, catch_exceptions=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Sixty devices, the eighth of them odd, the fiftieth with an unreadable point, all the way through."""
    folder = tmp_path_factory.mktemp("wafer")
    table = simulated_wafer(60, wafers=2, noise=0.02, n_bias=9)
    rows = table.rows
    rows.loc[rows["device"] == "D000007", "T_perp"] += 0.4 * rows["V"]
    rows["T_par"] = rows["T_par"].astype(object)
    rows.loc[rows["device"] == "D000050", "T_par"] = "<b>oops</b>"
    run(wafer_study(folder, table.csv(folder / "table.csv")), folder / "lot.db")
    with open_catalogue(folder / "lot.db") as catalogue, pytest.MonkeyPatch.context() as patch:
        for kind in ("smooth", "histogram"):
            patch.delitem(KINDS, kind)
        return Made(folder, rows, write_page(folder, folder / "page"), survey_from(catalogue))


def test_the_command_says_what_it_found_and_where(made: Made) -> None:
    assert made.done.exit_code == 0
    assert "59 devices on 2 wafers in 3 splits; none of them flagged." in made.done.output
    assert "1 more device could not be used" in made.done.output
    assert made.done.output.endswith(f"Page: {made.folder / 'page' / 'wafer.html'}\n")


def test_the_page_is_balanced_harmless_and_small(made: Made) -> None:
    assert (made.page.faults, dangers(made.page)) == ([], [])
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
    names = attribute(made.page, "id")
    assert len(names) == len(set(names))
    links = [*attribute(made.page, "href"), *attribute(made.page, "xlink:href")]
    links = [link for link in links if not link.startswith("data:image/png;base64,")]
    assert links
    assert set(links) <= {f"#{name}" for name in names}
    assert "curve-0" in names


def test_odd_devices_stand_first_with_their_reason_and_faults_are_there(made: Made) -> None:
    text = made.page.text
    assert text.index("D000007") < text.rindex("Devices that could not be used")
    assert "slope_ratio is " in text
    assert "D000050" in text
    assert made.table("odd.csv")["device"].tolist() == ["D000007"]
    assert len(made.table("faults.csv")) == 1


def test_csv_files_hold_the_numbers_of_the_limits_and_pairs_with_all_digits(made: Made) -> None:
    limits = made.table("limits.csv").set_index("population")
    for column in ("centre", "spread"):
        np.testing.assert_array_equal(limits[column], control_limits(made.survey, Q)[column])
    np.testing.assert_array_equal(made.table("pairs.csv")["p_greater"], compare_wafers(made.survey, Q)["p_greater"])


def test_those_who_cannot_see_read_the_numbers(made: Made) -> None:
    said = " ".join(attribute(made.page, "aria-label") + attribute(made.page, "alt"))
    values = made.survey.values(Q)[(made.survey.frame["wafer"] == "W2").to_numpy()]
    assert f"robust mean {control_limits(made.survey, Q)['centre'].iloc[0]:.4g}" in said
    assert f"W2: median {np.median(values):.3g}" in said
    assert "9 points from -0.5 to 0.5 V" in said


def test_curves_are_the_rows_of_the_device(made: Made) -> None:
    names = [("W1", "D000007"), ("W2", "D000040")]
    with open_catalogue(made.folder / "lot.db") as catalogue:
        curves = curves_of(catalogue, names, made.survey)
    assert curves.missing == ""
    for name in names:
        one, mine = curves.found[name], made.rows[made.rows["device"] == name[1]]
        np.testing.assert_allclose(one.values, [mine["T_par"].astype(float), mine["T_perp"]])
        np.testing.assert_allclose(one.errors, [mine["s_par"], mine["s_perp"]])
        residual = (one.values - one.polynomial(one.bias)) / one.errors
        assert np.sqrt(np.mean(residual**2)) < 1.6, "the polynomials go through the points"


def test_a_table_that_moved_or_changed_is_not_drawn_and_the_page_says_so(made: Made, tmp_path: Path) -> None:
    same, changed = tmp_path / "moved.csv", tmp_path / "changed.csv"
    shutil.copy(made.folder / "table.csv", same)
    changed.write_text(same.read_text().replace("0.0", "0.1"))
    with open_catalogue(made.folder / "lot.db") as catalogue:
        gone, there, other = (
            curves_of(catalogue, [("W1", "D000007")], made.survey, table=table)
            for table in (tmp_path / "nowhere.csv", same, changed)
        )
    assert "say where it is with --table" in gone.missing
    assert there.missing == ""
    assert "other content" in other.missing
    assert not gone.found
    assert not other.found


def test_a_folder_with_other_files_is_refused_and_an_earlier_page_replaced(
    made: Made, tmp_path: Path, only_control: None
) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(MtjfitError, match=r"thesis\.tex"):
        write_page(made.folder, tmp_path)
    (tmp_path / "thesis.tex").unlink()
    (tmp_path / "map-thickness.svg").write_text("of an earlier page")
    assert write_page(made.folder, tmp_path, "b2/a1").exit_code == 0
    assert not (tmp_path / "map-thickness.svg").exists()
    assert (tmp_path / "control-b2-a1.svg").exists()


def test_what_no_device_determines_is_refused_before_anything_is_drawn(made: Made, tmp_path: Path) -> None:
    survey = lot(0, 1)
    assert chosen_quantities(survey, ()) == survey.quantities
    with pytest.raises(NotDetermined, match="no device without a flag determines slope_ratio"):
        chosen_quantities(survey_of(survey.frame.assign(**{Q: np.nan})), [Q])
    with pytest.raises(MtjfitError, match="choose among"):
        write_page(made.folder, tmp_path, "colour")


def test_hostile_names_are_text(only_control: None) -> None:
    frame = lot(3, 1, pitch=10.0).frame.drop(columns="population")
    frame["device"] = [f"<script>{k}</script>" for k in range(len(frame))]
    frame.loc[:2, "flags"] = 1
    frame.loc[0, "device"] = "=1+1"
    bad = survey_of(frame.assign(x=np.nan, wafer='"><img src=x onerror=1>', split="{{ 7*7 }}"))
    files = files_of(bad, missing="<i>gone</i>")
    page = Page(files["wafer.html"].decode())
    assert (page.faults, dangers(page)) == ([], [])
    for words in ("{{ 7*7 }}", "<script>1</script>", "SIMULATED, not measured"):
        assert words in page.text
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
def test_a_page_with_all_pictures_is_balanced_and_harmless() -> None:
    survey, told = lot(3, 2), list[str]()
    files = files_of(survey)
    page = Page(files["wafer.html"].decode())
    assert {f"{kind}-slope_ratio.svg" for kind in KINDS} < set(files)
    assert (dangers(page), page.faults) == ([], [])
    names = attribute(page, "id")
    assert len(names) == len(set(names))
    again = files_of(survey, pdf=True, progress=told.append)
    assert {name: data for name, data in again.items() if not name.endswith(".pdf")} == files
    assert sum(name.endswith(".pdf") for name in again) == len(KINDS)
    assert told == [f"{kind} of Slope ratio T⊥/T∥" for kind in KINDS.values()]


@pytest.mark.slow
@pytest.mark.parametrize("how", [(1, 1, {"radius": 150.0, "pitch": 0.8}), (2, 100, {"radius": 100.0})])
def test_a_hundred_thousand_devices_make_a_page_below_five_megabytes(how: tuple[int, int, dict]) -> None:
    """Half of it maps of one pixel for each die; twenty curves take the rest."""
    survey = lot(*how[:2], **how[2])
    frame = survey.frame
    frame.loc[::7, "flags"] = 1
    frame["b2/a1"], frame["b2/a1_sd"] = frame["slope_ratio"], frame["slope_ratio_sd"]
    assert len(frame) > 1e5
    assert len(files_of(survey, (Q, "|kappa|·a1", "b2/a1"))["wafer.html"]) < 4.5e6
