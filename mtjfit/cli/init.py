"""``mtjfit init``: a first study file for data files."""

from __future__ import annotations

from pathlib import Path

import click

from mtjfit.errors import MtjfitError


@click.command(short_help="Propose a study file for data files.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILES...")
@click.option(
    "--output",
    "-o",
    default="study.toml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Study file to write.",
)
def init_command(files: tuple[Path, ...], output: Path) -> None:
    """Propose a commented study file for data FILES, and show how they were understood.

    Tables as text, Excel, Parquet, PyMeasure, QCoDeS, LabVIEW, Origin and WebPlotDigitizer are recognised. What a file
    cannot show, such as quantity and sign, is left open: the study does not load before you fill it in.
    """
    from mtjfit.study.template import inspections_of, template_of

    if output.exists():
        raise MtjfitError(f"{output}: exists already; move it away, or name another file with --output")
    inspections = inspections_of(files)
    text = template_of(inspections, output.parent)
    try:
        with output.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MtjfitError(f"{output}: cannot be written: {reason}; name another file with --output") from error
    for inspection in inspections:
        click.echo(inspection.as_text() + "\n")
    click.echo(f'Wrote {output}: confirm each line marked GUESS, and replace each "<...?>".')
    click.echo(f"Next:   mtjfit check {output}")
