"""Bundled sets: found by name, checked by hash, what their scripts make, never called measured."""

from __future__ import annotations

import csv
import hashlib
import runpy
from pathlib import Path

import pytest

import mtjfit
from mtjfit.data import BundledDataset, dataset, datasets
from mtjfit.errors import DataError


def make(folder: Path, name: str = "series", kind: str = "simulated", data: bytes = b"V\n1\n") -> Path:
    path = folder / name
    path.mkdir()
    (path / "data.csv").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    meta = f'title = "A series"\nkind = "{kind}"\nsha256 = "{digest}"\n'
    (path / "meta.toml").write_text(meta, encoding="utf-8")
    return path


def test_sets_are_listed_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b")
    make(tmp_path, "a", "reconstruction")
    (tmp_path / "no set").mkdir()
    found = datasets(tmp_path)
    assert [(each.name, each.kind, each.title) for each in found] == [
        ("a", "reconstruction", "A series"), ("b", "simulated", "A series"),
    ]  # fmt: skip
    assert found[0].study_file == tmp_path / "a" / "study.toml"
    assert found[0].meta["title"] == "A series"
    with pytest.raises(TypeError):
        found[0].meta["title"] = "other"  # type: ignore[index]


def test_a_wrong_name_is_answered_with_the_right_one(tmp_path: Path) -> None:
    make(tmp_path)
    assert dataset("series", tmp_path).name == "series"
    with pytest.raises(DataError, match=r"^data set 'serie': does not exist; did you mean 'series'\?$"):
        dataset("serie", tmp_path)


def test_verify(tmp_path: Path) -> None:
    path = make(tmp_path)
    found = dataset("series", tmp_path)
    found.verify()
    (path / "data.csv").write_bytes(b"V\n2\n")
    with pytest.raises(DataError, match="install the package again, or run make"):
        found.verify()
    (path / "data.csv").unlink()
    with pytest.raises(DataError, match="is missing"):
        found.verify()


@pytest.mark.parametrize(
    ("meta", "what"),
    [
        ("title = ", "cannot be read"),
        ('kind = "simulated"\nsha256 = "0"', "title: is missing or no string"),
        ('title = "x"\nkind = "simulated"\nsha256 = 1', "sha256: is missing or no string"),
        ('title = "x"\nkind = "measured"\nsha256 = "0"', "measured data do not ship"),
    ],
)
def test_faulty_meta(tmp_path: Path, meta: str, what: str) -> None:
    (make(tmp_path) / "meta.toml").write_text(meta, encoding="utf-8")
    with pytest.raises(DataError, match=what):
        datasets(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        datasets(tmp_path / "none")


BUNDLED = datasets()
FROM_SPECTRA = ("twelve-devices", "unlike-electrodes")  # see tests/spectra/test_simulated_sets.py


def made(bundled: BundledDataset, **changes: object) -> list[list[str]]:
    script = runpy.run_path(str(bundled.path / "make.py"))
    script["rows"].__globals__.update(changes)
    return list(csv.reader([script["HEADER"].splitlines()[-1], *script["rows"]()]))


def stored(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(csv.reader(line for line in lines if not line.startswith("#")))


def differences(a: list[list[str]], b: list[list[str]]) -> list[str]:
    """Cells that differ by more than the last printed digit, which another platform may round otherwise."""
    if len(a) != len(b):
        return [f"{len(a)} rows against {len(b)}"]
    found = []
    for line, (left, right) in enumerate(zip(a, b, strict=True)):
        for x, y in zip(left, right, strict=True):
            if x != y and not abs(float(x) - float(y)) <= 1.01 * 10 ** -len(y.partition(".")[2]):
                found.append(f"row {line}: {x} against {y}")
    return found


def test_the_sets_are_there() -> None:
    assert {each.name for each in BUNDLED} == {*FROM_SPECTRA, "kubota2008", "sankey2008", "thickness-series"}


@pytest.mark.parametrize(
    "each", [each for each in BUNDLED if each.name not in FROM_SPECTRA], ids=lambda each: each.name
)
def test_every_set_is_intact_made_by_its_script_and_says_that_it_was_not_measured(each: BundledDataset) -> None:
    each.verify()
    assert differences(made(each), stored(each.path / "data.csv")) == []
    study = mtjfit.load_study(each.study_file)
    assert study.label.startswith(each.kind.upper() + ", not measured")
    assert {"read", "assumed"} <= set(each.meta)
    assert each.meta["licence"]


def test_sabotage_another_seed_is_noticed() -> None:
    bundled = dataset("sankey2008")
    assert differences(made(bundled, SEED=2009), stored(bundled.path / "data.csv"))


def test_reconstructions_hold_the_published_ratio() -> None:
    """T_perp/T_par at 200 mV is 10 to 15 %, within three standard errors of the reconstruction's noise."""
    for name in ("sankey2008", "kubota2008"):
        fit = mtjfit.fit(mtjfit.load_study(dataset(name).study_file))
        found = fit.combinations.set_index("quantity")
        ratio, sd = 0.2 * found.value["b2/a1"], 0.2 * found.sd["b2/a1"]
        assert 0.10 - 3 * sd < ratio < 0.15 + 3 * sd
