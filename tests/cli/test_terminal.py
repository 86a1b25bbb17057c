"""Words and tables on terminals of any width and alphabet, and in pipes."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mtjfit.cli.commands import Commands
from mtjfit.errors import MtjfitError
from mtjfit.streams import VisibleStream
from mtjfit.terminal import as_text, echo, laid_out
from mtjfit.text import Table

TABLE = Table(
    "Determined by each device on its own",
    ("device", "combination", "value ± sd", "unit"),
    (("F0.8nm", "|κ|·a1", "0.0893 ± 0.0004", "(ħ/2e) kΩ⁻¹"), ("F1.2nm", "slope ratio T_perp/T_par", "-0.2 ± 0.1", "")),
    "slope ratio: " + "T_perp/T_par at small bias " * 8,
)
SENTENCE = "errors         " + "they are right and independent of each other " * 5


class Stream(io.TextIOWrapper):
    """Stdout of a process: a terminal, or a pipe."""

    def __init__(self, encoding: str, *, terminal: bool):
        super().__init__(io.BytesIO(), encoding=encoding)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


Echoed = Callable[..., str]


@pytest.fixture
def stdout(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stream]:
    def opened(encoding: str, columns: int = 0) -> Stream:
        monkeypatch.setenv("COLUMNS", str(columns or 40))
        stream = Stream(encoding, terminal=columns > 0)
        monkeypatch.setattr(sys, "stdout", VisibleStream(stream))
        return stream

    return opened


@pytest.fixture
def echoed(stdout: Callable[..., Stream]) -> Echoed:
    def echoed(*parts: str | Table, encoding: str = "utf-8", columns: int = 0) -> str:
        stream = stdout(encoding, columns)
        echo(*parts)
        return stream.text()

    return echoed


def faults(header: list[str], rows: list[list[str]], columns: int, shown: str) -> list[str]:
    """What is wrong with a table that must be no wider than `columns`: lines too wide, words lost or added."""
    longest = max(len(word) for row in (header, *rows) for cell in row for word in re.split(r" (?![±%n])(?<!± )", cell))
    names = max(len(name) for name in header)
    allowed = max(columns, longest + 2, names + 2 + longest)
    found = [f"too wide: {line}" for line in shown.splitlines() if len(line) > allowed]
    words = sorted(word for row in rows for cell in row for word in cell.split())
    there = sorted(re.sub("|".join(f"^{re.escape(name)}:" for name in header), "", shown, flags=re.M).split())
    missing = [word for word in words if there.count(word) < words.count(word)]
    return found + [f"lost: {word}" for word in missing]


CELLS = st.lists(st.sampled_from(["lambda_J", "0.1234 ± 0.0012", "3 nm", "not", "determined", "5 %"]), max_size=5)
TABLES = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.lists(CELLS.map(" ".join), min_size=n, max_size=n), min_size=1, max_size=4)
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TABLES, st.integers(8, 130))
def test_no_word_is_lost_and_nothing_is_wider_than_the_terminal(rows: list[list[str]], columns: int):
    header = [f"col{k} name" for k in range(len(rows[0]))]
    shown = laid_out(header, rows, columns)
    assert faults(header, rows, columns, shown) == []
    assert "±\n" not in shown  # a number stays with its error
    assert not re.search(r"\n\s*(±|%|nm)", shown)


@pytest.mark.parametrize(
    "sabotage", [lambda text: text.replace("lambda_J", "", 1), lambda text: text + "\n" + "x" * 200]
)
def test_sabotaged_tables_are_seen(sabotage: Callable[[str], str]):
    rows = [["lambda_J", "not determined"], ["a1", "3 nm"]]
    shown = laid_out(["name", "result"], rows, 20)
    assert faults(["name", "result"], rows, 20, shown) == []
    assert faults(["name", "result"], rows, 20, sabotage(shown)) != []


def test_rows_stay_whole_in_a_pipe_whatever_columns_says(echoed: Echoed):
    lines = echoed(TABLE, SENTENCE).splitlines()
    assert lines[2:6] == [
        "device  combination               value ± sd       unit",
        "------  ------------------------  ---------------  -----------",
        "F0.8nm  |κ|·a1                    0.0893 ± 0.0004  (ħ/2e) kΩ⁻¹",
        "F1.2nm  slope ratio T_perp/T_par  -0.2 ± 0.1",
    ]
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in echoed(TABLE)


@pytest.mark.parametrize("columns", [30, 40, 80, 200])
def test_nothing_is_wider_than_a_terminal(columns: int, echoed: Echoed):
    shown = echoed(TABLE, SENTENCE, columns=columns)
    assert max(map(len, shown.splitlines())) <= min(columns, 100)
    if columns >= 40:  # else there is no room for two columns
        assert f"\n{' ' * 15}" in shown  # a sentence goes on under its second column


@pytest.mark.parametrize(("encoding", "row"), [
    ("ascii", "F0.8nm  |kappa|*a1                0.0893 +- 0.0004  (hbar/2e) kohm^-1"),
    ("cp1252", "F0.8nm  |kappa|·a1                0.0893 ± 0.0004  (hbar/2e) kohm^-¹"),
])  # fmt: skip
@pytest.mark.parametrize("columns", [0, 120])
def test_columns_are_aligned_by_the_characters_that_are_written(encoding: str, row: str, columns: int, echoed: Echoed):
    lines = echoed(TABLE, encoding=encoding, columns=columns).splitlines()
    assert lines[4] == row
    begins = [[match.start() for match in re.finditer(r"(?<!\S)-+", lines[3])]][0]
    for line in lines[2:6]:
        assert all(k >= len(line) or (line[k] != " " and line[k - 2 : k].strip() == "") for k in begins if k)


@pytest.mark.parametrize(("encoding", "expected"), [
    ("cp1252", "[yes] chi² = 1 ± 2 lambda |kappa|·a1 (hbar/2e) kohm^-¹ x^-¹9 ?"),
    ("ascii", "[yes] chi^2 = 1 +- 2 lambda |kappa|*a1 (hbar/2e) kohm^-1 x^-19 ?"),
    ("utf-8", "✓ χ² = 1 ± 2 λ |κ|·a1 (ħ/2e) kΩ⁻¹ x⁻¹⁹ 語"),
])  # fmt: skip
def test_any_terminal_gets_readable_words(encoding: str, expected: str, stdout: Callable[..., Stream]):
    stream = stdout(encoding)
    sys.stdout.write("✓ χ² = 1 ± 2 λ |κ|·a1 (ħ/2e) kΩ⁻¹ x⁻¹⁹ 語")
    assert stream.text() == expected


def test_points_of_a_list_go_on_under_their_first_word(echoed: Echoed):
    lines = echoed("- " + SENTENCE.replace("  ", " "), columns=40).splitlines()
    assert lines[0].startswith("- ")
    assert len(lines) > 1
    assert all(re.match(r"  \S", line) for line in lines[1:])


def test_a_file_gets_what_a_pipe_gets(echoed: Echoed):
    assert as_text(TABLE, SENTENCE, "- κ") == echoed(TABLE, SENTENCE, "- κ")


def test_control_characters_do_not_reach_the_terminal(echoed: Echoed):
    names = Table("Devices", ("device",), (("\x1b[31mA\x9b2J",),), "")
    assert echoed(names, "a\r name\nκ\n", columns=80).splitlines()[-3:] == [r"\x1b[31mA\x9b2J", r"a\r name", "κ"]


def test_control_characters_in_errors_are_escaped():
    group = Commands("group")

    @group.command()
    def refuse() -> None:
        raise MtjfitError("parameters.a\x1b[31m: is no parameter")

    result = CliRunner().invoke(group, ["refuse"])
    assert (result.exit_code, result.stderr) == (3, "Error: parameters.a\\x1b[31m: is no parameter\n")
