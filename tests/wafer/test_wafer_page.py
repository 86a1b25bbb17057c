"""From a table of devices to the page: numbers on it are those of the tables, curves are those of the devices."""

from __future__ import annotations

import io
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import html_pages
import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from html_pages import Page
from survey_cases import KINDS, Q, files_of, lot, pictures_of, survey_of, wafer
from wafer_cases import run, said, simulated_wafer, wafer_study

from mtjfit.errors import ConfigError, DataError
from mtjfit.wafer import Survey, compare_wafers, control_limits, curves_of, open_catalogue
from mtjfit.wafer import survey_of as survey_from
from mtjfit.wafer.commands.compare import is_catalogue, together


def dangers(page: Page) -> list[str]:
    """Whatever could run, or load something; curves are images, which lie inside the page."""
    return [each for each in html_pages.dangers(page) if each != "img"]


def attribute(page: Page, name: str) -> list[str]:
    """All values of an attribute."""
    return [attributes[name] or "" for _, attributes in page.elements if name in attributes]


@dataclass(frozen=True)
class Made:
    """A table, what its catalogue holds, and what the command made of it."""

    folder: Path
    rows: pd.DataFrame
    done: Result
    survey: Survey

    @cached_property
    def page(self) -> Page:
        return Page((self.folder / "page" / "wafer.html").read_text(encoding="utf-8"))

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "page" / name)

    def column(self, name: str, column: str) -> pd.Series[float]:
        """Numbers to the last digit, which pandas reads so only in its newer versions."""
        return pd.read_csv(self.folder / "page" / name, dtype=str)[column].map(float)


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
    with open_catalogue(folder / "lot.db") as catalogue, pictures_of("control", "map"):
        done = said("wafer", folder / "lot.db", "--output", folder / "page", "--quantity", Q)
        return Made(folder, rows, done, survey_from(catalogue))


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
    assert ".call pre { overflow-x: auto; }" in html, "programs are wider than a telephone"
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
    for column in ("centre", "spread"):
        np.testing.assert_array_equal(made.column("limits.csv", column), control_limits(made.survey, Q)[column])
    np.testing.assert_array_equal(made.column("pairs.csv", "p_greater"), compare_wafers(made.survey, Q)["p_greater"])


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


@pytest.mark.slow
def test_a_folder_with_other_files_is_refused_and_an_earlier_page_replaced(made: Made, tmp_path: Path) -> None:
    words = ("wafer", made.folder / "lot.db", "--output", tmp_path, "--quiet")
    (tmp_path / "thesis.tex").write_text("mine")
    assert "thesis.tex" in said(*words).stderr
    assert not (tmp_path / "wafer.html").exists()
    (tmp_path / "thesis.tex").unlink()
    with pictures_of():
        assert said(*words, "--quantity", Q).exit_code == 0
        assert pd.read_csv(tmp_path / "limits.csv")["quantity"].unique().tolist() == [Q]
        assert said(*words).exit_code == 0
    shown = pd.read_csv(tmp_path / "limits.csv")["quantity"].unique().tolist()
    assert shown == [name for name in made.survey.quantities if "·V^" not in name][:3], "unless others are asked for"


def test_what_no_device_determines_is_refused_before_anything_is_drawn(made: Made, tmp_path: Path) -> None:
    output = tmp_path / "page"
    done = said("wafer", made.folder / "lot.db", "--output", output, "--quantity", "colour")
    assert (done.exit_code, "choose among" in done.stderr) == (3, True)
    shutil.copy(made.folder / "lot.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "lot.db")) as catalogue, catalogue:
        catalogue.execute("UPDATE devices SET slope_ratio = NULL")
    done = said("wafer", tmp_path / "lot.db", "--output", output, "--quantity", Q)
    assert (done.exit_code, "no device without a flag determines slope_ratio" in done.stderr) == (4, True)
    assert not (output / "wafer.html").exists()


@pytest.mark.slow
def test_hostile_names_are_text() -> None:
    frame = lot(3, 1, pitch=10.0).frame.drop(columns="population")
    frame["device"] = [f"<script>{k}</script>" for k in range(len(frame))]
    frame.loc[:2, "flags"] = 1
    frame.loc[0, "device"] = "=1+1"
    bad = survey_of(frame.assign(x=np.nan, wafer='"><img src=x onerror=1>', split="{{ 7*7 }}"))
    with pictures_of("control"):
        files = files_of(bad, missing="<i>gone</i>")
    page = Page(files["wafer.html"].decode())
    assert (page.faults, dangers(page)) == ([], [])
    for words in ("{{ 7*7 }}", "<script>1</script>", "SIMULATED, not measured"):
        assert words in page.text
    assert "'=1+1" in pd.read_csv(io.BytesIO(files["odd.csv"]))["device"].tolist()


def test_catalogues_are_compared_and_written(made: Made, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    shutil.copy(made.folder / "lot.db", other)
    done = said("compare", made.folder / "lot.db", other, "--quantity", Q, "--output", tmp_path / "out", "--quiet")
    assert "Comparison:" in done.stdout, done.stderr
    pairs = pd.read_csv(tmp_path / "out" / "pairs.csv")
    same = pairs[(pairs["A"].str.removeprefix("lot: ")) == (pairs["B"].str.removeprefix("other: "))]
    assert len(same) == 6
    np.testing.assert_allclose(same["p_greater"], 0.5)
    assert "lot: W1, 1.2 nm" in (tmp_path / "out" / "wafers.txt").read_text(encoding="utf-8")


def test_surveys_are_put_together_only_if_their_numbers_mean_the_same() -> None:
    rng = np.random.default_rng(9)
    one, two = survey_of(wafer(rng, "W1")), survey_of(wafer(rng, "W1"))
    both = together({"a": one, "b": two}, {"a": "area", "b": "area"})
    assert both.wafers == ("a: W1", "b: W1")
    assert both.label == one.label
    together({"a": one, "b": two}, {"a": "area", "b": "volume"}, [Q])
    other_unit = Survey("x", two.frame, {"|kappa|·a1": "arb"}, two.flags)
    for second, per, error, words in (
        (two, "volume", ConfigError, "per volume"),
        (other_unit, "area", ConfigError, r"arb\. units"),
        (Survey("x", two.frame[["device"]]), "area", DataError, "in common"),
    ):
        with pytest.raises(error, match=words):
            together({"a": one, "b": second}, {"a": "area", "b": per})


def test_a_catalogue_is_told_from_a_study_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0 and more")
    (tmp_path / "b.db").write_text("[study]\n")
    assert [is_catalogue(tmp_path / name) for name in ("a.db", "b.db", "c.db")] == [True, False, False]


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
@pytest.mark.parametrize(("seed", "n", "disc"), [(1, 1, {"radius": 150.0, "pitch": 0.8}), (2, 100, {"radius": 100.0})])
def test_a_hundred_thousand_devices_make_a_page_below_five_megabytes(seed: int, n: int, disc: dict[str, float]) -> None:
    """Half of it maps of one pixel for each die; twenty curves take the rest."""
    survey = lot(seed, n, **disc)
    frame = survey.frame
    frame.loc[::7, "flags"] = 1
    frame["b2/a1"], frame["b2/a1_sd"] = frame["slope_ratio"], frame["slope_ratio_sd"]
    assert len(frame) > 1e5
    assert len(files_of(survey, (Q, "|kappa|·a1", "b2/a1"))["wafer.html"]) < 4.5e6
