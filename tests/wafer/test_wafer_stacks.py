"""`mtjfit wafer --stacks`: lengths of every split on the terminal, the page and in files, and refused where none is."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from hierarchy_cases import drawn_run
from survey_cases import pictures_of
from wafer_cases import AMPLITUDES, TRUTH, said, simulated_wafer, wafer_toml

from mtjfit.infer import Check, Verdict
from mtjfit.wafer import (
    FitEffort,
    WaferPosterior,
    group_study,
    load_wafer,
    open_catalogue,
    refusals,
    run_batch,
)
from mtjfit.wafer.stack import before, groups, sample
from mtjfit.wafer.stack.sample import OpenDirection

FIT, SAMPLE = groups.fit_groups, groups.sample_groups


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """No pictures, and no search for the deepest of several valleys."""
    with pytest.MonkeyPatch.context() as patch, pictures_of():
        patch.setattr(groups, "fit_groups", partial(FIT, effort=FitEffort(screened=16, starts=1, evaluations=8)))
        yield


def fixed(line: re.Match[str]) -> str:
    """A length declared as known."""
    return f"{line[1]} = {{ fixed = {TRUTH[line[1]]} }}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mixed.db: stacks of four thicknesses, of one, and with flags everywhere; single.db: the last two."""
    folder = tmp_path_factory.mktemp("stacks")
    made = simulated_wafer(30, n_bias=9, thickness=(0.8, 1.4, 2.2, 3.5), thickness_sd=0.0, tilt=0.0)
    rows = made.rows
    number = rows["device"].str[1:].astype(int)
    rows["split"] = np.where(number < 16, "several", np.where(number < 24, "one", "bad"))
    rows.loc[rows["split"] == "one", "d_nm"] = 2.0
    rows["T_par"] += np.where((rows["split"] == "bad") & (rows["V"] > 0), 0.3 * np.sin(40 * rows["V"]), 0.0)
    declared = re.sub(r"(?m)^(lambda_sf_[FN]).*", fixed, wafer_toml())  # two lengths are quicker to fit than four
    (folder / "wafer.toml").write_text(declared, encoding="utf-8")
    for name, some in (("mixed", rows), ("single", rows[rows["split"] != "several"])):
        some.to_csv(folder / f"{name}.csv", index=False)
        study = load_wafer(folder / "wafer.toml", folder / f"{name}.csv")
        with open_catalogue(folder / f"{name}.db", write=True) as catalogue:
            run_batch(study, catalogue, progress=False)
        shutil.move(folder / f"{name}.csv", folder / "moved.csv")  # no curves on the page: they take time to draw
    return folder


def called(catalogue: Path, output: Path, *options: object) -> Result:
    return said("wafer", catalogue, "--output", output, *options)


def test_every_split_is_fitted_or_says_why_not(folder: Path, tmp_path: Path) -> None:
    done = called(folder / "mixed.db", tmp_path, "--stacks")
    assert done.exit_code == 0, done.stderr
    assert "not fitted: all its devices have one nominal thickness, 2 nm: that fixes no length" in done.stdout
    assert "not fitted: every device carries a flag" in done.stdout
    page = (tmp_path / "wafer.html").read_text(encoding="utf-8")
    assert 'id="stacks"' in page
    assert "Global fits by split" in page
    assert "its errors are too small" not in page
    fits = pd.read_csv(tmp_path / "stack-fits.csv")
    assert fits["split"].unique().tolist() == ["several"]
    found = fits.set_index("parameter")
    assert found["determined"].all()
    assert {"lambda_J", "lambda_phi", "a1", "b2"} == set(found.index)
    for name, row in found.iterrows():  # 4.5 sd, four of them: once in 4e4 seeds
        assert abs(row["value"] - (TRUTH | AMPLITUDES)[name]) < 4.5 * row["sd"]
    assert pd.read_csv(tmp_path / "stacks.csv").set_index("split")["refused"].notna().tolist() == [False, True, True]
    assert not (tmp_path / "stack-posteriors.csv").exists()


def test_sabotage_a_misfit_is_told(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "mixed.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "mixed.db")) as catalogue, catalogue:
        catalogue.execute("UPDATE devices SET thickness = thickness + 0.3 WHERE place % 2")
    assert called(tmp_path / "mixed.db", tmp_path / "page", "--stacks").exit_code == 0
    page = (tmp_path / "page" / "wafer.html").read_text(encoding="utf-8")
    assert "its errors are too small. Let amplitudes scatter (scatter_a1), or thicknesses (thickness_scatter): " in page
    assert page.count("declare it in wafer.toml, and repeat the command with --study wafer.toml") == 1
    jitter = 'jitter_par = { prior = "lognormal", median = 0.05, factor = 3.0 }\n[wafer]'
    with closing(sqlite3.connect(tmp_path / "mixed.db")) as catalogue, catalogue:
        catalogue.execute("UPDATE configurations SET study = ?", (wafer_toml().replace("[wafer]", jitter),))
    refused = called(tmp_path / "mixed.db", tmp_path / "page", "--stacks")
    assert "parameters.jitter_par: is not available for wafers; remove it" in refused.stderr
    assert f"{tmp_path / 'mixed.db'}: keeps the study file that it was made with; give another with --study" in (
        refused.stderr
    )


def test_one_nominal_thickness_is_not_fitted_after_the_page_is_written(folder: Path, tmp_path: Path) -> None:
    done = called(folder / "single.db", tmp_path, "--stacks")
    assert done.exit_code == 4
    assert "no stack determines a length: " in done.stderr
    assert "one nominal thickness, 2 nm" in done.stderr
    assert "one nominal thickness" in (tmp_path / "wafer.html").read_text(encoding="utf-8")


def test_one_nominal_thickness_is_sampled_after_words_about_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the data leave to the priors is said before, of each split that is sampled; flagged devices are not."""
    order = []

    def open_one(model: WaferPosterior) -> tuple[OpenDirection, ...]:
        order.append(f"words on {model.devices.n}")
        return (OpenDirection((("lambda_J", 0.8), ("a1", -0.6))),)

    def drawn(model: WaferPosterior, *_: object, **__: object) -> Any:
        order.append(f"sampling {model.devices.n}")
        return drawn_run(model, 0.01)

    monkeypatch.setattr(before, "undetermined", open_one)
    monkeypatch.setattr(groups, "sample_groups", partial(SAMPLE, run=drawn))
    done = called(folder / "single.db", tmp_path, "--posterior")
    assert done.exit_code == 5, done.stderr
    assert order == ["words on 8", "sampling 8"]
    words, _ = done.stderr.split("sampling 1 posteriors")
    assert "one: the priors know more than the data of: lambda_J up, a1 down\n" in words
    assert set(pd.read_csv(tmp_path / "stack-posteriors.csv")["split"]) == {"one"}
    assert "not fitted: all its devices have one nominal thickness" in done.stdout


@pytest.mark.slow
def test_a_posterior_that_is_its_prior_determines_no_length(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one nominal thickness there is no fit beside the posterior: draws of the prior, taken for converged ones."""

    def drawn(model: WaferPosterior, *_: object, **__: object) -> Any:
        found = drawn_run(model, 1.0)
        found.verdict = Verdict((Check("made", True, "by hand"),), {})
        return found

    monkeypatch.setattr(before, "undetermined", lambda model: ())
    monkeypatch.setattr(sample, "checked_verdict", lambda model, chains, verdict: verdict)
    monkeypatch.setattr(groups, "sample_groups", partial(SAMPLE, run=drawn))
    done = called(folder / "single.db", tmp_path, "--posterior")
    assert done.exit_code == 4, done.stderr
    posteriors = pd.read_csv(tmp_path / "stack-posteriors.csv").set_index("parameter")
    assert posteriors["converged"].all()
    assert set(posteriors.loc[["lambda_J", "lambda_phi"], "determined"]) == {"no"}
    assert posteriors.loc[["lambda_J", "lambda_phi"], ["mean", "sd"]].isna().all(axis=None)


def test_with_known_lengths_one_thickness_is_fitted(folder: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.toml"
    known.write_text(re.sub(r"(?m)^(lambda_\w+).*", fixed, wafer_toml()), encoding="utf-8")
    with open_catalogue(folder / "single.db") as catalogue:
        assert refusals(catalogue, group_study(catalogue, known)) == {"bad": "every device carries a flag"}
        assert set(refusals(catalogue, group_study(catalogue))) == {"bad", "one"}
        assert set(refusals(catalogue, group_study(catalogue), priors=True)) == {"bad"}
    done = called(folder / "single.db", tmp_path / "page", "--stacks", "--study", known)
    assert done.exit_code == 0, done.stderr


def test_another_study_may_change_priors_and_no_numbers(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(wafer_toml(amplitudes=("a1", "b1", "b2")), encoding="utf-8")
    done = called(folder / "mixed.db", tmp_path / "page", "--stacks", "--study", other)
    assert done.exit_code == 3
    assert "declares other columns, units, errors or amplitudes" in done.stderr
    assert called(folder / "mixed.db", tmp_path / "page", "--study", other).exit_code == 2


@pytest.mark.slow
def test_posteriors_are_kept_and_gone_on_with(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the sampler, in whose place stand draws about the truth that do not converge."""
    journals = []

    def drawn(model: WaferPosterior, wish: Any, seed: int, description: Any, journal: Path, **options: Any) -> Any:
        journals.append(journal)
        return drawn_run(model, 0.01)

    monkeypatch.setattr(groups, "sample_groups", partial(SAMPLE, run=drawn))
    done = called(folder / "mixed.db", tmp_path, "--posterior")
    assert done.exit_code == 5, done.stderr
    assert "not converged: one, several" in done.stderr
    with open_catalogue(folder / "mixed.db") as catalogue:
        SAMPLE(catalogue, group_study(catalogue), split="several", journal=tmp_path / "runs", run=drawn)
    assert journals[1] == journals[2] != journals[0], "the same model goes on in the same folder"
    assert journals[0].parent.is_dir()
    posteriors = pd.read_csv(tmp_path / "stack-posteriors.csv")
    assert not posteriors["converged"].any()
    assert set(posteriors["origin"]) == {"measured"}
    page = (tmp_path / "wafer.html").read_text(encoding="utf-8")
    assert "NOT CONVERGED, no result: no sampler" in page
    assert "not converged</td>" in page


@pytest.mark.slow
def test_a_page_is_of_one_state_of_the_catalogue_whoever_writes_meanwhile(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue, seen = tmp_path / "copy.db", []
    shutil.copy(folder / "mixed.db", catalogue)

    def drawn(model: WaferPosterior, *_: object, **__: object) -> Any:
        seen.append(model.devices.n)
        return drawn_run(model, 0.01)

    def sampled(*words: Any, **options: Any) -> Any:
        with open_catalogue(catalogue, write=True) as other:
            other.connection.execute("UPDATE devices SET split = 'one' WHERE split = 'several' AND place % 8 = 0")
        return SAMPLE(*words, run=drawn, **options)

    monkeypatch.setattr(groups, "sample_groups", sampled)
    for devices in ([8, 16], [10, 14]):  # of "one" and "several"; the second page is that of what the first one met
        done = called(catalogue, tmp_path / "page", "--posterior")
        assert done.exit_code == 5, done.stderr
        assert seen[-2:] == devices


@pytest.mark.slow
def test_ctrl_c_while_posteriors_are_sampled_says_where_they_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(groups, "sample_groups", partial(SAMPLE, run=pressed))
    done = called(folder / "mixed.db", tmp_path / "page", "--posterior")
    assert done.exit_code == 130
    said_so = f"the finished blocks are in {tmp_path / 'page' / 'runs'}. Repeat the command to go on from there.\n"
    assert done.stderr.endswith(said_so)
