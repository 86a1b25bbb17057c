"""``mtjfit run``: from a study file to a folder with the result."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import MtjfitError, NotConverged, NotDetermined
from mtjfit.terminal import INTERRUPTED, echo, progress, with_pdf

if TYPE_CHECKING:
    from mtjfit.comparison.mechanisms.comparison import MechanismComparison
    from mtjfit.infer import FitResult, Posterior
    from mtjfit.infer.store.journal import Journal
    from mtjfit.study import Study

__all__ = ["run_command", "run_study"]

_ON_CTRL_C = ("Ctrl-C stops; nothing is written before the end", "Ctrl-C saves and stops; go on with --resume")


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
@click.option("--mechanisms", is_flag=True, help="Compare with asymmetric electrodes, too: half a minute more.")
@click.option("--resume", is_flag=True, help="Go on with the run in DIR that was interrupted, if there is one.")
@with_pdf
@click.option("--quiet", "-q", is_flag=True, help="No progress; only what must not be missed, and where the page is.")
def run_command(
    study: Path, output: Path, seed: int | None, mechanisms: bool, resume: bool, pdf: bool, quiet: bool
) -> None:
    """Fit and sample a study; leave report.html, tables, draws and figures in DIR.

    With --mechanisms the page also says whether asymmetric electrodes would explain the data as well as spin diffusion
    (mtjfit compare --mechanisms prints more of it). The exit code is that of the sampling all the same.

    Ctrl-C finishes the block of steps at hand, saves it and stops; --resume goes on from there, also after a crash,
    with the same numbers as a run that was never interrupted. Of the study only target_ess and max_steps may then be
    changed.

    Exit code 4: the data do not determine the lengths; DIR holds the combinations that they do determine. Exit code 5:
    not converged; DIR holds the draws, marked.
    """
    from mtjfit.infer.store.fingerprint import describe
    from mtjfit.infer.store.journal import open_journal
    from mtjfit.report import ResultFolder
    from mtjfit.study import load_study, refuse_nothing_free

    again = _again(study, output, seed, mechanisms, pdf)
    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    refuse_nothing_free(loaded, "there is nothing to sample")
    seed = loaded.sampling.seed if seed is None else seed
    folder = ResultFolder(output)
    folder.prepare()
    if not resume:
        _refuse_unfinished(folder.run, again)
    with open_journal(folder.run, describe(loaded, seed)) as journal:
        for note in journal.notes:
            progress(note, quiet)
        with _saying_how_to_resume(journal, again):
            run_study(loaded, output, seed=seed, quiet=quiet, journal=journal, mechanisms=mechanisms, pdf=pdf)
    if not quiet:
        click.echo(f"Next:   open {output / 'report.html'} in a browser")


def _again(study: Path, output: Path, seed: int | None, mechanisms: bool, pdf: bool) -> str:
    chosen = [] if seed is None else ["--seed", str(seed)]
    chosen += ["--mechanisms"] if mechanisms else []
    chosen += ["--pdf"] if pdf else []
    return shlex.join(["mtjfit", "run", str(study), "--output", str(output), *chosen, "--resume"])


def _refuse_unfinished(run: Path, again: str) -> None:
    """Do not begin anew where somebody's hours of sampling would be lost.

    Raises
    ------
    MtjfitError
        The folder holds a run.
    """
    from mtjfit.infer.store.journal import saved_steps

    steps = saved_steps(run)
    if steps is not None:
        raise MtjfitError(
            f"{run}: holds an unfinished run of {steps} steps. Go on with it: {again}\n"
            f"or start anew: name another folder with --output, or delete {run}"
        )


@contextmanager
def _saying_how_to_resume(journal: Journal, again: str) -> Iterator[None]:
    """Whatever ends a run early, a saved one is not lost: say so, and how to go on with it."""
    try:
        yield
    except (NotConverged, NotDetermined):
        raise
    except KeyboardInterrupt:
        if journal.is_empty:
            raise
        click.echo(f"\nInterrupted; what was sampled is saved. Resume with: {again}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except Exception:
        if not journal.is_empty:
            click.echo(f"What was sampled is saved. Resume with: {again}", err=True)
        raise


def run_study(
    study: Study,
    output: Path,
    *,
    seed: int | None = None,
    quiet: bool = False,
    brief: bool = False,
    journal: Journal | None = None,
    mechanisms: bool = False,
    pdf: bool = False,
) -> None:
    """Fit → header → sample → write, and say what was found; `brief` leaves the tables to the page.

    With `mechanisms` they are compared before anything is written, where there are several thicknesses.

    With a journal the run is saved as it goes on, and deleted once it has converged and its result is written.

    Raises
    ------
    NotDetermined, NotConverged
        After everything was written.
    MtjfitError
        Nothing was written.
    """
    from mtjfit.infer import fit as fit_study
    from mtjfit.infer import sample
    from mtjfit.infer.sampling import refuse_one_thickness
    from mtjfit.report import ResultFolder, write_report
    from mtjfit.results import header, notices, provenance
    from mtjfit.study import refuse_nothing_free

    refuse_nothing_free(study, "there is nothing to sample")
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
    except NotDetermined as error:
        refusal = error
    if refusal is None:
        progress(f"sampling ({_ON_CTRL_C[journal is not None]})", quiet)
        posterior = sample(study, seed=seed, journal=journal, progress=not quiet)
    compared = _compared(study, seed, quiet) if mechanisms and study.n_thicknesses > 1 else None
    progress("drawing figures and writing the page", quiet)
    begun_with = None if journal is None else journal.begun_with
    write_report(folder, fit, posterior, provenance(study, seed, _command(), begun_with), compared, pdf=pdf)
    if journal is not None and (posterior is None or posterior.verdict.converged):
        journal.discard()
    _say(fit, posterior, compared, quiet=quiet, brief=brief)
    click.echo(f"Report: {output / 'report.html'}")
    if refusal is not None:
        raise refusal
    if posterior is not None and not posterior.verdict.converged:
        raise NotConverged(
            f"NOT CONVERGED: {'; '.join(posterior.verdict.reasons)}. "
            f"Everything in {output} is marked; raise sampling.max_steps and "
            + ("run again" if journal is None else "go on with --resume")
        )


def _compared(study: Study, seed: int, quiet: bool) -> MechanismComparison:
    from mtjfit.comparison.mechanisms.comparison import compare_mechanisms
    from mtjfit.parallel import n_processors

    progress("comparing mechanisms", quiet)
    return compare_mechanisms(study, seed, workers=n_processors(), progress=not quiet)


def _command() -> str:
    """The command line as it can be typed again; the program by its name, wherever it is installed."""
    return shlex.join(["mtjfit", *sys.argv[1:]])


def _say(
    fit: FitResult, posterior: Posterior | None, compared: MechanismComparison | None, *, quiet: bool, brief: bool
) -> None:
    """Tables, what was learned, and the box of checks; if quiet, only the checks that say no."""
    from mtjfit.comparison.mechanisms.tables import conclusions
    from mtjfit.results import checks, learned
    from mtjfit.results.tables import combinations_table, posterior_table, undetermined_table

    if not quiet and not brief:
        found = (
            [combinations_table(fit), undetermined_table(fit)] if posterior is None else [posterior_table(posterior)]
        )
        echo(*found)
    if not quiet:
        click.echo("\nWhat was learned")
        for sentence in (*learned(fit, posterior), *(() if compared is None else conclusions(compared))):
            echo(sentence)
        click.echo()
    for each in checks(fit, posterior):
        if not quiet or each.state == "no":
            click.echo(str(each))
