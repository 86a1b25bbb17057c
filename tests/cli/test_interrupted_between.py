"""Ctrl-C ends a command in words also before it begins, after it ended, and where a library makes an error of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result
from pydantic_core import SchemaError

import mtjfit.cli.commands as commands
from mtjfit.cli import cli

HIDDEN = "Error building `tuple` serializer:\n  SchemaError: Error building `literal` serializer:\n  "


@contextmanager
def interrupted_before() -> Iterator[None]:
    raise KeyboardInterrupt
    yield


@contextmanager
def interrupted_after() -> Iterator[None]:
    yield
    raise KeyboardInterrupt


def told(patch: pytest.MonkeyPatch, name: str, other: object) -> Result:
    patch.setattr(commands, name, other)
    return CliRunner().invoke(cli, ["datasets"])


@pytest.mark.parametrize("context", [interrupted_before, interrupted_after])
def test_before_and_after_a_command(context: object, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(monkeypatch, "_dropped_exceptions", context)
    assert (found.exit_code, found.stderr) == (130, "\nInterrupted.\n")


@pytest.mark.parametrize(("why", "code", "said"), [
    ("KeyboardInterrupt: ", 130, "Interrupted; no result was written."),
    ("unknown type", 3, "this is a fault of mtjfit: SchemaError"),
])  # fmt: skip
def test_what_pydantic_makes_of_it(
    why: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("faults"))  # the report of a fault is written there

    def refuse(_: object) -> None:
        raise SchemaError(HIDDEN + why)

    found = told(monkeypatch, "refuse_names_not_utf8", refuse)
    assert (found.exit_code, said in found.stderr) == (code, True)
