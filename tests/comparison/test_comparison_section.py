"""The sections of the report about devices, consequences and mechanisms, with the numbers of the files beside it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from html_pages import Page

from mtjfit.cli.main import cli
from mtjfit.cli.run import Steps
from mtjfit.comparison import consequences
from mtjfit.comparison.mechanisms import comparison
from mtjfit.comparison.section import comparison_sections, consequences_table
from mtjfit.html import Section
from mtjfit.infer import Check, FitResult, Posterior, Verdict
from mtjfit.results.tables import interval
from mtjfit.text import value_with_error

pytestmark = pytest.mark.usefixtures("quick_fits")


@pytest.fixture(scope="module")
def real(finished) -> Page:
    """The page that a real run left."""
    return Page((finished.folder / "report.html").read_text(encoding="utf-8"))


def said(fit: FitResult, posterior: Posterior | None) -> dict[str, Section]:
    return {section.id: section for section in comparison_sections(fit, posterior, None)}


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


def test_a_run_compares_mechanisms_only_if_asked(finished, tmp_path, monkeypatch: pytest.MonkeyPatch):
    steps = Steps(lambda study: finished.fit, lambda study, **_: finished.posterior, lambda *_, **__: ())
    asked = []
    monkeypatch.setattr(
        comparison, "compare_mechanisms", lambda study, seed, workers, progress: asked.append((seed, progress))
    )
    arguments = ["run", str(finished.study_file), "--output", str(tmp_path / "out")]
    assert CliRunner().invoke(cli, arguments, obj=steps).exit_code == 0
    assert asked == []
    result = CliRunner().invoke(cli, [*arguments, "--mechanisms", "--seed", "7"], obj=steps)
    assert (result.exit_code, asked) == (0, [(7, True)])
    assert "comparing mechanisms" in result.stderr


def test_one_thickness_says_why_sections_are_empty(one_thickness_fit):
    sections = said(one_thickness_fit, None)
    assert sections["devices"].sentences == ("There is only one device.",)
    assert sections["consequences"].sentences == (
        "One thickness determines no length, so that nothing follows for other thicknesses.",
    )
    assert sections["mechanisms"].sentences[0].startswith("One thickness cannot distinguish diffusion from asymmetric")


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
