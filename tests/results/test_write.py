"""Files of a result: complete, strict, atomic, and never over what mtjfit did not write."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sketches import failing_at

import mtjfit
from mtjfit.errors import MtjfitError
from mtjfit.infer import Check, Verdict
from mtjfit.infer.store.fingerprint import describe
from mtjfit.plain import csv_bytes, plain
from mtjfit.report import ResultFolder, findings, result_document, result_files, summary_table
from mtjfit.results import provenance

COLUMNS = ["mean", "sd", "q05", "q50", "q95", "ess", "r_hat", "unit", "determined"]


def strict(data: bytes | str) -> dict:
    """JSON without NaN and Infinity, which Python would read and others would not."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return json.loads(data, parse_constant=refuse)


def left(folder: Path) -> dict:
    """What a folder's result.json says."""
    return strict((folder / "result.json").read_bytes())


def test_sabotage_a_nan_in_json_is_seen():
    with pytest.raises(ValueError, match="NaN is no JSON"):
        strict(json.dumps({"a": float("nan")}))


def test_summary_csv_is_the_summary_with_all_digits(finished):
    text = (finished.folder / "summary.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    assert header == ["parameter", *COLUMNS]
    summary = finished.posterior.summary()
    assert [row[0] for row in rows] == list(summary.index)
    for row in rows:
        assert [float(cell) for cell in row[1:8]] == summary.loc[row[0], COLUMNS[:7]].tolist()
        assert row[8:] == summary.loc[row[0], COLUMNS[7:]].tolist()


def test_summary_of_one_thickness_has_combinations_only(one_thickness_fit: mtjfit.FitResult):
    data = result_files(findings(one_thickness_fit, None, {}))["summary.csv"]
    table = pd.read_csv(io.BytesIO(data), index_col="parameter")
    names = ["slope_ratio", "|kappa|·a1", "|kappa|·b2", "b2/a1"]
    assert list(table.index) == [f"{name}[F2.0nm]" for name in names]
    assert list(table.columns) == COLUMNS
    one = table.loc["slope_ratio[F2.0nm]"]
    assert one["q95"] - one["q50"] == pytest.approx(1.6448536 * one["sd"])
    assert table[["ess", "r_hat"]].isna().all(axis=None)
    assert set(table["determined"]) == {"yes"}


def test_an_unconverged_summary_determines_nothing(finished):
    draws = replace(finished.posterior, verdict=Verdict((Check("length", False, "too short"),), {}))
    assert set(summary_table(finished.fit, draws)["determined"]) == {"not converged"}
    assert set(summary_table(finished.fit, finished.posterior)["determined"]) == {"yes", "lower limit"}


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-A1", "'-A1"),
        ("-1 ± A1", "'-1 ± A1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\t=1", "' =1"),
        ('a\r\nb,"c', 'a  b,"c'),
        ("a1[x]", "a1[x]"),
        *((number, f"'{number}") for number in ("-1", "-5278.05", "-1e-20", "-4876.95 ± 0.02")),
    ],
)
def test_no_spreadsheet_runs_a_name_and_a_printed_number_stays_one_unless_it_is_a_name(name: str, stored: str):
    frame = pd.DataFrame({"mean": [-1.5], "unit": [name]}, index=pd.Index([name], name="parameter"))
    data = csv_bytes(frame)
    assert b"\r" not in data
    back = list(csv.reader(io.StringIO(data.decode())))
    unit = name if re.match(r"-\d[^A-Z]*$", name) else stored
    assert back == [["parameter", "mean", "unit"], [stored, "-1.5", unit]]


def test_result_json_is_strict_and_complete(finished):
    document = left(finished.folder)
    assert document["program"] == "mtjfit"
    assert document["status"] == "complete"
    assert document["converged"] is True
    assert document["header"]["study"] == "Simulated thickness series"
    assert document["fit"]["values"] == dict(finished.fit.values)
    assert document["fit"]["errors"]["D_ratio"] is None
    assert document["fit"]["p_value"] == finished.fit.p_value
    assert document["identifiability"]["rank"] == 6
    assert [check["ok"] for check in document["gate"]] == [True] * len(finished.posterior.verdict.checks)
    assert document["summary"]["lambda_J"]["q50"] == finished.posterior.summary().loc["lambda_J", "q50"]
    assert document["settings"] == dict(finished.posterior.settings)


def test_result_of_one_thickness_has_nulls_for_what_is_not_known(one_thickness_fit: mtjfit.FitResult):
    document = result_document(findings(one_thickness_fit, None, {}))
    document = strict(json.dumps(document, allow_nan=False))
    assert document["converged"] is None
    assert {name: document["fit"]["errors"][name] for name in ("lambda_J", "a1")} == {"lambda_J": None, "a1": None}
    assert document["identifiability"]["determined"]["lambda_J"]["determined"] is False
    assert document["summary"]["b2/a1[F2.0nm]"]["ess"] is None


def test_provenance_has_what_is_needed_to_repeat_the_run(finished):
    document = left(finished.folder)["provenance"]
    data = (finished.study_file.parent / "data.csv").read_bytes()
    assert document["data_sha256"] == {"data.csv": hashlib.sha256(data).hexdigest()}
    assert document["study_sha256"] == hashlib.sha256(finished.study_file.read_bytes()).hexdigest()
    assert document["seed"] == 1
    assert set(document["versions"]) == {"mtjfit", "python", "numpy", "scipy", "pandas", "lmfit", "emcee"}
    assert all(document["versions"].values())
    assert (finished.folder / "study.toml").read_bytes() == finished.study_file.read_bytes()


def test_draws_load_without_pickles(finished):
    with np.load(finished.folder / "draws.npz", allow_pickle=False) as stored:
        assert list(stored["names"]) == list(finished.posterior.names)
        np.testing.assert_array_equal(stored["draws"], finished.posterior.draws.to_numpy())
        np.testing.assert_array_equal(
            stored["log_likelihood"].reshape(stored["shape"]), finished.posterior.log_likelihood
        )


def test_the_same_draws_are_the_same_bytes(finished):
    found = findings(finished.fit, finished.posterior, {})
    assert result_files(found) == result_files(found)


def test_nothing_strange_enters_the_document():
    with pytest.raises(TypeError, match="complex has no place in JSON"):
        plain({"a": 1j})
    assert plain([np.bool_(True), np.int64(3), float("inf"), None]) == [True, 3, None, None]


FILES = {"summary.csv": b"new", "report.html": b"<p>new"}


def test_a_written_folder_can_be_written_again_and_loses_what_is_stale(tmp_path: Path):
    folder = ResultFolder(tmp_path / "out")
    folder.write({**FILES, "draws.npz": b"old"}, {"x": 1})
    (tmp_path / "out" / "notes.txt").write_text("mine")
    folder.write(FILES, {"x": 2})
    assert {each.name for each in (tmp_path / "out").iterdir()} == {*FILES, "notes.txt", "result.json"}
    document = left(tmp_path / "out")
    assert (document["x"], document["status"]) == (2, "complete")
    assert document["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}


def test_foreign_files_are_never_overwritten(tmp_path: Path):
    (tmp_path / "report.html").write_text("a year of work")
    with pytest.raises(MtjfitError, match=r"holds files that are no earlier result of mtjfit \(report.html\); name"):
        ResultFolder(tmp_path).write(FILES, {})
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "a year of work"


def test_a_foreign_result_json_is_no_mark(tmp_path: Path):
    for content in ('{"program": "other"}', "[1]", "{", "[" * 10**5):
        (tmp_path / "result.json").write_text(content)
        with pytest.raises(MtjfitError, match="no earlier result of mtjfit"):
            ResultFolder(tmp_path).prepare()


@pytest.mark.parametrize("name", ["study.toml", "summary.csv", "corner.png"])
def test_files_changed_or_added_by_hand_are_not_lost(tmp_path: Path, name: str):
    ResultFolder(tmp_path).write({**FILES, "study.toml": b"[study]"}, {})
    (tmp_path / name).write_text("edited")
    with pytest.raises(MtjfitError, match=f"{name}: was changed or added since mtjfit wrote this folder"):
        ResultFolder(tmp_path).write(FILES, {})
    assert (tmp_path / name).read_text() == "edited"


def test_a_full_disk_leaves_the_old_files_whole_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = ResultFolder(tmp_path)
    folder.write({"summary.csv": b"old", "report.html": b"<p>old"}, {})
    with monkeypatch.context() as patch:
        failing_at(patch, lambda file: file.name == "report.html", OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(MtjfitError, match=r"report.html: cannot be written: No space left on device; free"):
            folder.write(FILES, {})
    assert (tmp_path / "report.html").read_bytes() == b"<p>old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["report.html", "result.json", "summary.csv"]
    assert left(tmp_path)["status"] == "incomplete"
    folder.write(FILES, {})  # a run that was cut short can be repeated
    assert left(tmp_path)["status"] == "complete"


def test_a_kill_between_files_leaves_no_complete_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ResultFolder(tmp_path).write({"summary.csv": b"old"}, {})
    failing_at(monkeypatch, lambda file: file.name == "summary.csv", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        ResultFolder(tmp_path).write({"summary.csv": b"new"}, {})
    sums = sorted(hashlib.sha256(data).hexdigest() for data in (b"old", b"new"))
    assert left(tmp_path) == {"program": "mtjfit", "status": "incomplete", "files": {"summary.csv": sums}}


def test_what_is_no_json_fails_before_anything_is_touched(tmp_path: Path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        ResultFolder(tmp_path).write(FILES, {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_folder(tmp_path: Path):
    (tmp_path / "out").write_text("I am a file")
    for place in (tmp_path / "out", tmp_path / "out" / "below"):
        said = f"{place.name}: cannot be written: a file is in the place of a folder; name another folder with --output"
        with pytest.raises(MtjfitError, match=f"{said}$"):
            ResultFolder(place).prepare()


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def denied(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)  # root, who runs some tests, may write anywhere
    with pytest.raises(
        MtjfitError, match="cannot be written: Permission denied; check the permissions, or name another"
    ):
        ResultFolder(tmp_path).prepare()


def test_a_result_names_and_holds_the_study_that_was_computed_not_the_file_that_was_read(finished, tmp_path):
    study = finished.fit.study.replace(sampling=replace(finished.fit.study.sampling, seed=7))
    files = result_files(findings(replace(finished.fit, study=study), None, {}))
    ResultFolder(tmp_path / "out").write(files, {})
    again = mtjfit.load_study(tmp_path / "out" / "study.toml")
    assert (again.sampling.seed, describe(again, 1)) == (7, describe(study, 1))
    ResultFolder(tmp_path / "out").write({"study.toml": b"# read"}, {})  # the data of the other study go
    assert not (tmp_path / "out" / "study-data.json").exists()
    said = provenance(study, 3)
    assert said["study_sha256"] == hashlib.sha256(files["study.toml"]).hexdigest()
    assert said["data_sha256"] == {"study-data.json": hashlib.sha256(files["study-data.json"]).hexdigest()}
