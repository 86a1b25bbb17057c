"""``mtjfit schema``: the JSON schema of a kind of file, for completion and checks in an editor."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mtjfit.lazy import wing
from mtjfit.output import OTHER_FILE, refuse_file, write_file

_HOMES = {
    "study": "study.schema:study_schema",
    "spectra": "spectra.declaration:spectra_schema",
    "wafer": "wafer.declaration:wafer_schema",
    "plan": "study.schema:plan_schema",
}
"""Module and function by kind of file."""


@click.command(short_help="The JSON schema of a file, for an editor.")
@click.argument("kind", type=click.Choice(list(_HOMES)))
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write FILE; else print it.")
def schema_command(kind: str, output: Path | None) -> None:
    """Print the JSON schema of a study file, of spectra.toml, of a wafer file, or of a study without data.

    An editor with a TOML language server completes keys and marks mistakes once the schema lies beside the file and the
    file begins with the line "#:schema ./study.schema.json", as those of mtjfit init do.
    """
    module, _, name = _HOMES[kind].partition(":")
    home = wing(module)
    if home is None:
        raise click.UsageError(f"this installation was built without {module.partition('.')[0]}")
    text = json.dumps(getattr(home, name)(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    refuse_file(output, None)
    write_file(output, text.encode(), f"{OTHER_FILE} with --output", over=None)
    click.echo(f"Wrote {output}.")
    click.echo(f'Next:   begin your file with "#:schema ./{output.name}"')
