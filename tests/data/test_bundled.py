"""Bundled sets: found by name, checked by hash, never called measured."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mtjfit.data import dataset, datasets
from mtjfit.data.bundled import datasets_folder
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


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        datasets(tmp_path / "none")


def test_the_sets_that_ship_are_intact() -> None:
    for each in datasets():
        each.verify()
        assert each.study_file.is_file()
    assert datasets_folder().is_dir()
