"""``mtjfit report``: page, figures and tables of a finished folder, drawn anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.terminal import progress, with_pdf

if TYPE_CHECKING:
    from mtjfit.cli.run import Steps


def _checked_width(context: click.Context, option: click.Parameter, width: str | None) -> str | None:
    from mtjfit.report.width import figure_width

    try:
        if width is not None:
            figure_width(width)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return width


@click.command(short_help="Draw the page of a finished folder anew.")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="DIR2",
    help="Write there; by default into DIR itself.",
)
@with_pdf
@click.option("--width", callback=_checked_width, metavar="WIDTH", help="Of the figures, such as 86mm, 8.6cm or 3.4in.")
@click.option("--quiet", "-q", is_flag=True, help="Only checks that failed, and the place of the page.")
@click.pass_obj
def report_command(
    steps: Steps | None, folder: Path, output: Path | None, pdf: bool, width: str | None, quiet: bool
) -> None:
    """Draw page, figures and tables of DIR, which mtjfit run left, anew: in seconds, without sampling.

    Neither the study file nor the data are needed: DIR holds both, so it may come from another machine. The fit is
    computed again; the draws and their verdict stay what they are.

    --width 86mm draws the figures for one column of a journal, --width 178mm for two: letters keep their size.

    A result that has not converged, or of combinations only, is drawn as such. Figures that are there as PDF stay so.
    """
    from mtjfit.cli.run import compared_mechanisms, say_findings, usual_steps
    from mtjfit.report import ResultFolder, findings, read_result, write_report

    stored = read_result(folder)
    study, posterior = stored.saved.study, stored.saved.posterior
    target = ResultFolder(folder if output is None else output)
    target.prepare()
    steps = steps or usual_steps()
    draws = "combinations only" if posterior is None else f"{len(posterior.draws)} draws, nothing is sampled"
    progress(f"drawing {folder} anew: {study.n_values} values of {study.counted}, {draws}", quiet)
    fit = steps.fit(study)
    seed = study.sampling.seed if posterior is None else posterior.settings["seed"]
    compared = compared_mechanisms(study, seed, quiet) if stored.mechanisms else None
    found = findings(fit, posterior, stored.provenance, compared)
    write_report(target, found, pdf=pdf or stored.pdf, width=width, draw=steps.draw)
    say_findings(found, quiet=quiet, brief=True)
    click.echo(f"Report: {target.path / 'report.html'}")
