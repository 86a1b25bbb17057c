"""Lines of keys in TOML are those in which they stand, and looking for them ends soon whatever the file is."""

from __future__ import annotations

import tomllib

import pytest

import mtjfit.toml_lines as toml_lines
from mtjfit.errors import Problem
from mtjfit.toml_lines import placed

TEXT = """note = '''
[data]
per = 1
'''
[data]
list = [
  1,
]
per = 2
"""


def line_of(where: str, text: str) -> str:
    (found,) = placed([Problem(where, "is none", "mend it")], "s.toml", text)
    return found.where


@pytest.mark.parametrize(("where", "line"), [("data.per", 9), ("data.list", 6), ("data.none", 5), ("note", 1)])
def test_a_key_in_a_text_is_none(where: str, line: int) -> None:
    assert line_of(where, TEXT) == f"s.toml:{line}: {where}"


@pytest.mark.parametrize(
    "text", ["a = '''\n" + "\n" * 20_000 + "'''\nb = 1\n", "a = [\n" + "1,\n" * 3_000 + "]\nb = 1\n"]
)
def test_long_texts_are_given_up(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    monkeypatch.setattr(toml_lines.tomllib, "loads", lambda each: parsed.append(1) or loads(each))
    assert line_of("b", text) == "s.toml: b"
    assert len(parsed) <= toml_lines._MOST_PARSED


loads = tomllib.loads
