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


def _checked_level(context: click.Context, option: click.Parameter, level: float | None) -> float | None:
    from mtjfit.infer.level import Level

    try:
        return None if level is None else Level(level).share
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


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
@click.option(
    "--level",
    type=float,
    callback=_checked_level,
    metavar="SHARE",
    help="Of the draws in intervals and bands, such as 0.8; by default 0.9 in tables, 0.95 in bands.",
)
@click.option("--quiet", "-q", is_flag=True, help="Only checks that failed, and the place of the page.")
@click.pass_obj
def report_command(
    steps: Steps | None,
    folder: Path,
    output: Path | None,
    pdf: bool,
    width: str | None,
    level: float | None,
    quiet: bool,
) -> None:
    """Draw page, figures and tables of DIR, which mtjfit run left, anew: in seconds, without sampling.

    Neither the study file nor the data are needed: DIR holds both, so it may come from another machine. The fit is
    computed again; the draws and their verdict stay what they are.

    --width 86mm draws the figures for one column of a journal, --width 178mm for two: letters keep their size.
    --level 0.8 gives intervals and bands that hold 80 % of the draws, and limits that are their ends, of 90 %;
    captions, headers and columns say so. Comparisons of devices and mechanisms keep the levels that they name.

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
    found = findings(fit, posterior, stored.provenance, compared, level=level)
    write_report(target, found, pdf=pdf or stored.pdf, width=width, draw=steps.draw)
    say_findings(found, quiet=quiet, brief=True)
    click.echo(f"Report: {target.path / 'report.html'}")
