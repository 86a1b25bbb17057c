"""Comparisons on the page, with the numbers of the files beside it, and in a notebook; names from files stay text."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from plot_cases import fitted, posterior_of
from shown import HOSTILE, Shown, harmless, hostile_study

import mtjfit
from mtjfit.comparison import (
    MechanismComparison,
    OddDevice,
    StudyComparison,
    Tension,
    comparison_sections,
    consequences,
    consequences_table,
)
from mtjfit.comparison.section import devices_agree
from mtjfit.html import Section
from mtjfit.infer import Check, FitResult, Posterior, Verdict
from mtjfit.report import findings
from mtjfit.results import interval
from mtjfit.study import LogNormal, Parameter, Study
from mtjfit.text import Table, value_with_error

pytestmark = pytest.mark.usefixtures("quick_fits")


@cache
def sections(*, converged: bool = True) -> dict[str, Section]:
    return said(fitted(), posterior_of(fitted(), converged=converged))


def said(fit: FitResult, posterior: Posterior | None) -> dict[str, Section]:
    return {section.id: section for section in comparison_sections(fit, posterior, None)}


def read(section: str, name: str) -> list[dict[str, str]]:
    """Rows of a file beside the page."""
    return list(csv.DictReader(sections()[section].files[name].decode().splitlines()))


def differing_devices(shown: Table, rows: list[dict[str, str]]) -> list[str]:
    """Cells of the table of devices that are not what the file says, rounded."""
    names = [head.split(" (")[0].replace("|κ", "|kappa") for head in shown.header]
    by = {(r["quantity"], r["device"]): r for r in rows if r["source"] == "each device alone"}
    out = []
    for device, _, *cells in shown.rows:
        for name, cell in zip(names[2:], cells, strict=True):
            low, middle, high = (float(by[name, device][key]) for key in ("q16", "median", "q84"))
            if cell not in (value_with_error(middle, (high - low) / 2), interval(low, middle, high)):
                out.append(f"{device} {name}: {cell}")
    return out


def test_numbers_of_devices_are_those_of_the_file():
    shown, rows = sections()["devices"].tables["determined"], read("devices", "devices.csv")
    assert (len(shown.rows), len(shown.header)) == (3, 8)
    assert differing_devices(shown, rows) == []
    first, *others = shown.rows
    spoilt = replace(shown, rows=((*first[:2], "-0.999 ± 0.001", *first[3:]), *others))
    assert len(differing_devices(spoilt, rows)) == 1
    for both in (rows, read("devices", "pairs.csv")):
        assert {r["source"] for r in both} == {"each device alone", "with the common lengths"}
        assert len(both) % 3 == 0


def test_numbers_of_consequences_are_those_of_the_file():
    shown, rows = sections()["consequences"].tables["consequences"], {}
    for row in read("consequences", "consequences.csv"):
        at = f" at {float(row['bias']):+g} V" if row["bias"] else ""
        marks = ("†" if row["extrapolated"] else "") + ("*" if row["leans_on"] else "")
        expected = interval(*(float(row[q]) for q in ("q025", "median", "q975")))
        rows[f"{row['quantity']}{at}", f"{float(row['thickness']):g} nm"] = f"{expected} {marks}".strip()
    cells = {(title.removesuffix(" (°)"), d): cell
             for title, *cells in shown.rows for d, cell in zip(shown.header[1:], cells, strict=True)}  # fmt: skip
    assert len(cells) == 27
    assert cells.items() <= rows.items()


def test_extrapolated_and_inherited_cells_are_marked():
    implied = consequences(posterior_of(fitted()))
    rows = implied.table.copy()
    mine = (rows["quantity"] == "arg κ") & (rows["thickness"] == 0.8)
    rows.loc[mine, ["extrapolated", "leans_on"]] = ["thickness", "lambda_sf_F"]
    marked = consequences_table(replace(implied, table=rows))
    cells = {row[0]: row[1] for row in marked.rows}
    assert cells["arg κ (°)"].endswith(" †*")
    assert "†: extrapolated beyond the measured range." in marked.note
    assert "*: inherited from the priors of lambda_sf_F" in marked.note
    assert "†" not in consequences_table(implied).note


def test_devices_and_consequences_have_words_for_those_who_cannot_see_them():
    forest, implied = (sections()[name].pictures[0].alt for name in ("devices", "consequences"))
    assert forest.startswith("Forest plot")
    assert f"slope_ratio: A {sections()['devices'].tables['determined'].rows[0][2]}" in forest
    assert "No device is odd." in forest
    assert implied.startswith("Plot of torques")
    assert "At d = 0.8 nm and ±0.2 V the torques cooperate at " in implied


def test_one_thickness_says_why_sections_are_empty(one_thickness_fit):
    sections = said(one_thickness_fit, None)
    assert sections["devices"].sentences == ("There is only one device.",)
    for name, verb in (("consequences", "determines no length"), ("mechanisms", "cannot distinguish diffusion from")):
        assert sections[name].sentences[0].startswith(f"One thickness {verb}")


def test_draws_that_did_not_converge_have_no_consequences():
    refused = sections(converged=False)
    assert refused["consequences"].sentences == ("Nothing follows from draws that have not converged.",)
    assert not refused["consequences"].tables
    assert "with the common lengths" not in refused["devices"].files["devices.csv"].decode()
    assert refused["devices"].tables["determined"].rows  # needs no draws


def test_a_spreadsheet_runs_no_device_name():
    names = ("=cmd|' /C calc'!A0", "+A1", "@SUM(A1)")
    study, devices = fitted().study, fitted().devices
    curves = tuple(replace(c, device=n) for c, n in zip(study.curves, names, strict=True))
    named = tuple(replace(d, device=n) for d, n in zip(devices, names, strict=True))
    fit = replace(fitted(), study=study.replace(curves=curves), devices=named)
    files = said(fit, None)["devices"].files
    assert set(files) == {"devices.csv", "pairs.csv"}
    for data in files.values():
        cells = [cell for row in csv.reader(data.decode().splitlines()) for cell in row]
        assert "'=cmd|' /C calc'!A0" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def mechanisms_of(study: Study, log_B: float) -> MechanismComparison:
    """Two mechanisms whose Bayes factor is known; the parts that are not shown are missing."""

    def result(name: str, value: float, change: float) -> Any:
        return SimpleNamespace(name=name, mechanism=SimpleNamespace(says=HOSTILE), settled=True, left_out=(),
                               not_computed=(), log_evidence=lambda of: (value + change * bool(of),) * 2,
                               evidence=SimpleNamespace(value=value, error=0.01), changes={"wider": change},
                               fit=SimpleNamespace(chi2_says="χ² = 9.0", p_value=0.4))  # fmt: skip

    return MechanismComparison(study, (result("diffusion", 7.0, 0.0), result("b1", 7.0 - log_B, 0.5)), 1, {})


def studies_of(study: Study, *, converged: bool) -> StudyComparison:
    """Two data sets with draws of one length of which the quantiles are known."""
    model = SimpleNamespace(study=study, names=("lambda_J",), scores=SimpleNamespace(values=lambda z: z))
    labels = (HOSTILE, "two")
    run: Any = SimpleNamespace(z=np.linspace(1.0, 3.0, 101)[:, None],
                               verdict=Verdict((Check("length", converged, HOSTILE),), {}))  # fmt: skip
    shared: Any = SimpleNamespace(shared=("lambda_J",), models=dict.fromkeys(labels, model), columns=lambda _: [0])
    return StudyComparison(shared, run, dict.fromkeys(labels, run), Tension(3.0, 0.1, 1.0, 0.1, 2.0))


@pytest.mark.parametrize(
    "made",
    [
        lambda study: mtjfit.compare(mtjfit.fit(study)),
        lambda study: mechanisms_of(study, 5.0),
        lambda study: studies_of(study, converged=True),
    ],
)
def test_names_from_files_stay_text_and_simulated_data_are_marked(made: Any) -> None:
    html = made(hostile_study())._repr_html_()
    assert harmless(html) == []
    assert HOSTILE[:40] in Shown(html).text
    assert "SIMULATED, not measured" in html
    assert len(html) < 30_000


def test_comparisons_say_their_numbers_and_refuse_loudly() -> None:
    study = hostile_study()
    decided = mechanisms_of(study, 5.0)._repr_html_()
    assert "5.00 ± 0.0144.50 to 5.00" in Shown(decided).text
    assert "NOT DECIDED" not in decided
    assert "NOT DECIDED: diffusion is not distinguished from b1" in mechanisms_of(study, 2.0)._repr_html_()
    good = Shown(studies_of(study, converged=True)._repr_html_()).text
    assert good.count("lambda_J2 (1.1 to 2.9)2 (1.1 to 2.9)2 (1.1 to 2.9)") == 1
    bad = studies_of(study, converged=False)._repr_html_()
    assert bad.count("NOT CONVERGED, no result") == 3
    assert harmless(bad) == []


def odd(kind: str, **changes: Any) -> OddDevice:
    return replace(OddDevice("B", 0.012, kind, 0.96, 0.01, 2.0, (), {}, {}), **changes)


def test_a_device_that_differs_is_told_among_the_checks() -> None:
    study = fitted().study
    good, refused = (cast("FitResult", SimpleNamespace(study=study, p_value=p)) for p in (0.5, 1e-5))
    assert devices_agree(good, ()).state == "yes"
    assert devices_agree(refused, (odd("thickness"),)).state == "open"
    found = devices_agree(good, (odd("amplitude factor"),))
    assert found.state == "partly"
    assert found.says == (
        "B differs from the others (p = 0.012): both torques are 0.960 ± 0.010 times as large as the others predict; "
        "if areas or currents differ between all devices, declare scatter_a1"
    )
    scatter = Parameter("scatter_a1", LogNormal(0.03, 2.0))
    declared = cast("FitResult", SimpleNamespace(p_value=0.5, study=study.with_priors(scatter_a1=scatter)))
    for fit, one in ((declared, odd("amplitude factor")), (good, odd("thickness")), (good, odd("not of this kind"))):
        assert "scatter_a1" not in devices_agree(fit, (one,)).says
    assert devices_agree(good, (odd("not of this kind"),)).says == "B differs from the others (p = 0.012)"


def test_the_check_of_devices_stands_in_the_box() -> None:
    names = [each.name for each in findings(fitted(), None, {}).checks]
    assert names[-1] == "devices agree"
    one = fitted().study
    alone = mtjfit.fit(one.replace(curves=one.curves[:1]))
    assert "devices agree" not in [each.name for each in findings(alone, None, {}).checks]
