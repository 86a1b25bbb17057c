"""The page of the command line, written from the commands themselves when the pages are built."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click
from sphinx.application import Sphinx

from mtjfit.cli.main import cli

PAGE = "reference/cli"


def reference() -> str:
    """Every command with its usage, its words and its options, as Markdown."""
    context = click.Context(cli, info_name="mtjfit", help_option_names=["-h", "--help"])
    return "\n".join(
        line
        for name in sorted(cli.list_commands(context))
        for line in _command(cli.commands[name], click.Context(cli.commands[name], info_name=name, parent=context))
    )


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"\n(mtjfit-{command.name})=\n## mtjfit {command.name}\n"
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\nmtjfit {command.name} {pieces}\n```\n\n{_escaped(cleandoc(command.help or ''))}\n"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            yield f"`{record[0]}`\n: {_escaped(record[1]) or 'Without further words.'}\n"


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in "*_[]<>`$" else c for c in text.replace("\b", ""))


def _append(app: Sphinx, name: str, source: list[str]) -> None:
    if name == PAGE:
        source[0] += reference()


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _append)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
