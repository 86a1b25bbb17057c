"""``mtjfit demo``: the bundled thickness series, from data to page."""

from __future__ import annotations

from pathlib import Path

import click

from mtjfit.cli.drawn import with_pdf
from mtjfit.cli.terminal import progress

__all__ = ["demo"]

SERIES = "thickness-series"


@click.command(short_help="The bundled series, from data to report.")
@click.option(
    "--output",
    "-o",
    default="mtjfit-demo",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder, or an earlier result.",
)
@with_pdf
@click.option("--quiet", "-q", is_flag=True, help="No progress; only where the page is.")
def demo(output: Path, pdf: bool, quiet: bool) -> None:
    """Fit and sample the bundled thickness series; leave report.html and more in DIR. Takes less than a minute."""
    from mtjfit.cli.run import run_study
    from mtjfit.data import dataset
    from mtjfit.study import load_study

    progress(f"reading the bundled {SERIES} (simulated, not measured)", quiet)
    bundled = dataset(SERIES)
    bundled.verify()
    run_study(load_study(bundled.study_file), output, quiet=quiet, brief=True, pdf=pdf)
    if not quiet:
        click.echo(f"Next:   mtjfit datasets {SERIES} --copy my-series   (data and study file to play with)")
