"""``mtjfit run``: from a study file to a folder with the result."""

from __future__ import annotations

import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.cli.terminal import progress
from mtjfit.errors import NotConverged, NotDetermined

if TYPE_CHECKING:
    from mtjfit.infer import FitResult, Posterior
    from mtjfit.study import Study

__all__ = ["run", "run_study"]

_WIDTH = 100


@click.command(short_help="Fit and sample a study, write a report.")
@click.argument("study", type=click.Path(path_type=Path), metavar="STUDY.toml")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder, or an earlier result.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the seed of the study.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; only what must not be missed, and where the page is.")
def run(study: Path, output: Path, seed: int | None, quiet: bool) -> None:
    """Fit and sample a study; leave report.html, tables, draws and figures in DIR.

    Exit code 4: the data do not determine the lengths; DIR holds the combinations that they do determine. Exit code 5:
    not converged; DIR holds the draws, marked.
    """
    from mtjfit.study import load_study

    progress(f"reading {study}", quiet)
    run_study(load_study(study), output, seed=seed, quiet=quiet)
    if not quiet:
        click.echo(f"Next:   open {output / 'report.html'} in a browser")


def run_study(study: Study, output: Path, *, seed: int | None = None, quiet: bool = False, brief: bool = False) -> None:
    """Fit → header → sample → write, and say what was found; `brief` leaves the tables to the page.

    Raises
    ------
    NotDetermined, NotConverged
        After everything was written.
    MtjfitError
        Nothing was written.
    """
    from mtjfit.infer import fit as fit_study
    from mtjfit.infer import sample
    from mtjfit.infer.sample import refuse_one_thickness
    from mtjfit.results import ResultFolder, header, notices, provenance

    folder = ResultFolder(output)
    folder.prepare()
    progress(f"fitting {study.n_values} values of {len(study.curves)} devices", quiet)
    fit = fit_study(study)
    if quiet:
        for notice in notices(fit):
            click.echo(str(notice))
    else:
        click.echo(header(study, fit))
    seed = study.sampling.seed if seed is None else seed
    posterior, refusal = None, None
    try:
        refuse_one_thickness(study)
        progress("sampling (Ctrl-C stops; nothing is written before the end)", quiet)
        posterior = sample(study, seed=seed, progress=not quiet)
    except NotDetermined as error:
        refusal = error
    progress("drawing figures and writing the page", quiet)
    from mtjfit.report import write_report

    write_report(folder, fit, posterior, provenance(study, seed, _command()))
    _say(fit, posterior, quiet=quiet, brief=brief)
    click.echo(f"Report: {output / 'report.html'}")
    if refusal is not None:
        raise refusal
    if posterior is not None and not posterior.verdict.converged:
        raise NotConverged(
            f"NOT CONVERGED: {'; '.join(posterior.verdict.reasons)}. "
            f"Everything in {output} is marked; raise sampling.max_steps and run again"
        )


def _command() -> str:
    """The command line as it can be typed again; the program by its name, wherever it is installed."""
    return shlex.join(["mtjfit", *sys.argv[1:]])


def _say(fit: FitResult, posterior: Posterior | None, *, quiet: bool, brief: bool) -> None:
    """Tables, what was learned, and the box of checks; if quiet, only the checks that say no."""
    from mtjfit.results import checks, learned
    from mtjfit.results.tables import combinations_table, posterior_table, undetermined_table

    if not quiet and not brief:
        found = (
            [combinations_table(fit), undetermined_table(fit)] if posterior is None else [posterior_table(posterior)]
        )
        for table in found:
            click.echo(f"\n{table}")
    if not quiet:
        click.echo("\nWhat was learned")
        for sentence in learned(fit, posterior):
            click.echo(textwrap.fill(sentence, _WIDTH))
        click.echo()
    for each in checks(fit, posterior):
        if not quiet or each.state == "no":
            click.echo(str(each))
