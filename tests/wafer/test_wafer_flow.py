"""From an empty folder to a page by the words of the documentation, and what hostile input gets to hear."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from test_wafer_page import Page, dangers
from wafer_cases import said

from mtjfit.wafer.page.page import KINDS

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "wafers.md"
ANSWERS = {"torque or torkance": "torkance", "device, area or volume": "device",
           "MxP or PxM": "MxP", "unit, such as": "hbar/2e/kohm"}  # fmt: skip


def filled_in(text: str) -> str:
    """A proposal with its questions answered."""
    for question, answer in ANSWERS.items():
        text = re.sub(rf'"<{question}[^>]*\?>"', f'"{answer}"', text)
    text = re.sub(r"(?m)^lambda_sf_F .*", "lambda_sf_F = { fixed = 10.0 }", text)
    return re.sub(r"(?m)^lambda_sf_N .*", "lambda_sf_N = { fixed = 1.0 }", text)  # quicker to fit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """lot.csv of the program in the documentation, and what `mtjfit init` proposes for its first rows, answered."""
    if not HOW_TO.is_file():
        pytest.skip("the documentation is not here")
    folder = tmp_path_factory.mktemp("flow")
    (program,) = re.findall(r"^```py\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (folder / "lot.py").write_text(program, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        runpy.run_path("lot.py", run_name="__main__")
        for kind in list(KINDS):  # pictures, which take time
            patch.delitem(KINDS, kind)
        Path("first.csv").write_text(first_rows(), encoding="utf-8")
        said("init", "first.csv", "--output", "ready.toml")
        Path("ready.toml").write_text(filled_in(Path("ready.toml").read_text(encoding="utf-8")), encoding="utf-8")
        yield folder


@pytest.mark.slow
def test_the_way_of_the_documentation(folder: Path) -> None:
    first = said("init", "lot.csv", "--output", "wafer.toml")
    assert first.exit_code == 0, first.stderr
    text = Path("wafer.toml").read_text(encoding="utf-8")
    for line in ('x = "x"', 'y = "y"', 'wafer = "wafer"', 'split = "stack"', 'device = "die"'):
        assert f"{line}  # GUESS" in text
    assert re.search(r"^ +x +mm .* x \(GUESS\)$", first.stdout, re.MULTILINE)
    assert said("check", "wafer.toml").stderr.count("still holds the placeholder") == 4
    Path("wafer.toml").write_text(filled_in(text), encoding="utf-8")
    checked = said("check", "wafer.toml")
    assert checked.exit_code == 0, checked.stderr
    assert "The first 138 devices: 138 can be used" in checked.stdout
    assert checked.stdout.endswith("Next:   mtjfit batch lot.csv --study wafer.toml --output lot.db\n")
    assert said("batch", "lot.csv", "--study", "wafer.toml", "--output", "lot7.db").exit_code == 0
    shown = said("wafer", "lot7.db", "--output", "page", "--stacks")
    assert shown.exit_code == 0, shown.stderr
    assert "lambda_J" in shown.stdout
    assert "Limits are those of devices of one split and one nominal thickness." in shown.stdout
    assert "SIMULATED, not measured: two stacks" in Path("page/wafer.html").read_text(encoding="utf-8")
    compared = said("compare", "lot7.db")
    assert compared.exit_code == 0, compared.stderr
    assert compared.stdout.startswith("SIMULATED, not measured: two stacks")


def first_rows(change: Callable[[list[str]], list[str]] = lambda rows: rows) -> str:
    lines = Path("lot.csv").read_text(encoding="utf-8").splitlines()
    return "\n".join([*lines[:2], *change(lines[2 : 2 + 17 * 6])]) + "\n"


HOSTILE: dict[str, tuple[Callable[[], str], str, str, str]] = {
    "interleaved": (lambda: first_rows(lambda rows: rows[::2] + rows[1::2]), "", "", "begins again here"),
    "only a header": (lambda: first_rows(lambda rows: []), "", "", "has a header and no data"),
    "control characters": (lambda: first_rows().replace("W1", "W\x1b[31m"), "", "", r"'W\x1b[31m' holds characters"),
    "another unit": (first_rows, '"hbar/2e/kohm"', '"mT"', "'mT' is a torque"),
    "another column": (first_rows, '"d_nm"', '"d_mm"', "did you mean 'd_nm'"),
}


@pytest.mark.parametrize("case", list(HOSTILE))
def test_hostile_tables_are_told_what_is_wrong_with_them(case: str, folder: Path, tmp_path: Path) -> None:
    make, old, new, words = HOSTILE[case]
    study = Path("ready.toml").read_text(encoding="utf-8")
    (tmp_path / "w.toml").write_text(study.replace(old, new) if old else study, encoding="utf-8")
    (tmp_path / "t.csv").write_text(make(), encoding="utf-8", newline="")
    how = ("--study", tmp_path / "w.toml", "--output", tmp_path / "a.db")
    found = said("batch", tmp_path / "t.csv", *how)
    assert found.exit_code == 3
    assert words in found.output
    assert "\x1b" not in found.output
    if case in ("interleaved", "only a header"):
        (tmp_path / "t.csv").write_text(first_rows(), encoding="utf-8")
        assert said("batch", tmp_path / "t.csv", *how).exit_code == 0, "a mended table is not the enemy of its old self"


def test_names_that_are_programs_stay_names(folder: Path, tmp_path: Path) -> None:
    names = ("=cmd()|'/c calc'!A0", "<script>alert(1)</script>", "@SUM(1)", "../../etc/passwd")
    text = first_rows()
    for old, new in zip(("-40-20", "-40-10", "-40+0", "-40+10"), names, strict=True):
        text = text.replace(f",{old},", f",{new},")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    done = said("batch", tmp_path / "t.csv", "--study", "ready.toml", "--output", tmp_path / "a.db",
                "--export", tmp_path / "all.csv")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    exported = pd.read_csv(tmp_path / "all.csv")["device"].tolist()
    assert exported[:4] == ["'" + names[0], names[1], "'" + names[2], names[3]]
    assert said("wafer", tmp_path / "a.db", "--output", tmp_path / "page").exit_code == 0
    found = Page((tmp_path / "page" / "wafer.html").read_text(encoding="utf-8"))
    assert dangers(found) == []


@pytest.mark.parametrize("words", [
    "batch lot.csv --study ready.toml -o {text}", "wafer {text} --output {page}", "compare {text} --output {page}",
])  # fmt: skip
def test_what_is_no_catalogue_is_left_alone(words: str, folder: Path, tmp_path: Path) -> None:
    text, page = tmp_path / "text.db", tmp_path / "page"
    text.write_text("hello\n", encoding="utf-8")
    assert said(*(word.format(text=text, page=page) for word in words.split())).exit_code in (2, 3)
    assert text.read_text(encoding="utf-8") == "hello\n"
    assert not page.exists()


def test_where_nothing_can_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    how = ("--study", "ready.toml", "--output")
    assert "cannot be opened" in said("batch", "lot.csv", *how, tmp_path / "none" / "a.db").stderr
    assert said("batch", "lot.csv", *how, tmp_path / "file" / "a.db").exit_code == 3
    assert said("batch", "lot.csv", *how, tmp_path / "a.db", "--quiet").exit_code == 0
    refused = said("wafer", tmp_path / "a.db", "--output", tmp_path / "file" / "page")
    assert refused.exit_code == 3
    assert "cannot be written" in refused.stderr


@pytest.mark.parametrize(("words", "message"), [
    ("check nowhere.toml", "no such file"), ("compare nowhere.db", "name two or more studies"),
    ("wafer nowhere.db --output page", "there is no such catalogue"),
])  # fmt: skip
def test_what_is_not_there_is_said(words: str, message: str) -> None:
    assert message in said(*words.split()).stderr
