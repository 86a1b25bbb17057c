"""``mtjfit run``: from a study file to a folder with the result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import MtjfitError, NotConverged, NotDetermined
from mtjfit.lazy import wing
from mtjfit.terminal import command_line, echo, progress, stopped, with_pdf

if TYPE_CHECKING:
    from mtjfit.infer import FitResult, Posterior
    from mtjfit.infer.store.journal import Journal
    from mtjfit.report import Findings, ReportFigure
    from mtjfit.study import Study

_ON_CTRL_C = ("Ctrl-C stops; nothing is written before the end", "Ctrl-C saves and stops; continue with --resume")


@dataclass(frozen=True)
class Steps:
    """The slow steps of a run; others can take their place: ``cli(obj=Steps(...))``.

    As `mtjfit.fit`, `mtjfit.sample` with keywords seed, journal and progress, and `mtjfit.report.report_figures`.
    """

    fit: Callable[[Study], FitResult]
    sample: Callable[..., Posterior]
    draw: Callable[..., Sequence[ReportFigure]]


def usual_steps() -> Steps:
    """The steps of the library."""
    from mtjfit.infer import fit, sample
    from mtjfit.report import report_figures

    return Steps(fit, sample, report_figures)


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
@click.option("--resume", is_flag=True, help="Continue the interrupted run in DIR, if there is one.")
@with_pdf
@click.option("--quiet", "-q", is_flag=True, help="No progress; only warnings and the place of the page.")
@click.pass_obj
def run_command(
    steps: Steps | None,
    study: Path,
    output: Path,
    seed: int | None,
    mechanisms: bool,
    resume: bool,
    pdf: bool,
    quiet: bool,
) -> None:
    """Fit and sample a study; leave report.html, tables, draws and figures in DIR.

    With --mechanisms the page also says whether asymmetric electrodes would explain the data as well as spin diffusion
    (mtjfit compare --mechanisms prints more). The exit code is still that of the sampling.

    Ctrl-C finishes and saves the current block of steps and stops; --resume continues from there, also after a crash,
    with the same numbers as an uninterrupted run. Only target_ess and max_steps of the study may be changed in between.

    Where DIR holds the converged run of the same study and seed, nothing is sampled: the page is drawn anew.

    Exit code 4: the data do not determine the lengths; DIR holds the combinations that they do determine. Exit code 5:
    not converged; DIR holds the draws, marked.
    """
    from mtjfit.infer.store.fingerprint import describe
    from mtjfit.infer.store.journal import open_journal, saved_steps
    from mtjfit.report import ResultFolder, finished_run
    from mtjfit.study import load_study, refuse_nothing_free

    again = _again(study, output, seed, mechanisms, pdf)
    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    refuse_nothing_free(loaded, "there is nothing to sample")
    seed = loaded.sampling.seed if seed is None else seed
    folder = ResultFolder(output)
    folder.prepare()
    done = None if saved_steps(folder.run) is not None else finished_run(output, loaded, seed)
    if done is not None:
        n = len(done[0].draws)
        progress(f"{output} holds this run already: its {n} draws are kept, and only the page is drawn anew", quiet)
        run_study(loaded, output, seed=seed, quiet=quiet, mechanisms=mechanisms, pdf=pdf, steps=steps, done=done)
    else:
        if not resume:
            _refuse_unfinished(folder.run, again)
        with open_journal(folder.run, describe(loaded, seed)) as journal:
            for note in journal.notes:
                progress(note, quiet)
            with _resume_hint(journal, again):
                run_study(
                    loaded, output, seed=seed, quiet=quiet, journal=journal, mechanisms=mechanisms, pdf=pdf, steps=steps
                )
    if not quiet:
        click.echo(f"Next:   open {output / 'report.html'} in a browser")


def _again(study: Path, output: Path, seed: int | None, mechanisms: bool, pdf: bool) -> str:
    chosen = [] if seed is None else ["--seed", str(seed)]
    chosen += ["--mechanisms"] if mechanisms else []
    chosen += ["--pdf"] if pdf else []
    return command_line("run", study, "--output", output, *chosen, "--resume")


def _refuse_unfinished(run: Path, again: str) -> None:
    """Refuse to overwrite an unfinished run, which may hold hours of sampling."""
    from mtjfit.infer.store.journal import saved_steps

    steps = saved_steps(run)
    if steps is not None:
        raise MtjfitError(
            f"{run}: holds an unfinished run of {steps} steps. Continue it: {again}",
            f"or start anew: name another folder with --output, or delete {run}",
        )


@contextmanager
def _resume_hint(journal: Journal, again: str) -> Iterator[None]:
    """Say how to resume whatever ends a run early, if anything was saved."""
    try:
        yield
    except (NotConverged, NotDetermined):
        raise
    except KeyboardInterrupt as error:
        if journal.is_empty:
            raise
        raise stopped(error, f"what was sampled is saved. Resume with: {again}") from None
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
    steps: Steps | None = None,
    done: tuple[Posterior, Mapping[str, str]] | None = None,
) -> None:
    """Fit, sample, write the report, and print the findings; the tables are left to the page if `brief`.

    `journal` saves the run as it proceeds, and is deleted once the run has converged and its result is written.
    `mechanisms` are compared if there are several thicknesses. `steps` stand in for `usual_steps`.
    `done` are draws that are there already, with the versions that made them.

    Raises
    ------
    NotDetermined, NotConverged
        After everything was written.
    MtjfitError
        Nothing was written.
    """
    from mtjfit.infer.causes import P_BAD
    from mtjfit.infer.sampling import refuse_one_thickness
    from mtjfit.report import ResultFolder, findings, write_report
    from mtjfit.results import header, notices, provenance
    from mtjfit.study import refuse_nothing_free

    refuse_nothing_free(study, "there is nothing to sample")
    folder = ResultFolder(output)
    folder.prepare()
    steps = steps or usual_steps()
    progress(f"fitting {study.n_values} values of {study.counted}", quiet)
    fit = steps.fit(study)
    if quiet:
        for notice in notices(fit):
            click.echo(str(notice))
    else:
        click.echo(header(study, fit))
    seed = study.sampling.seed if seed is None else seed
    posterior, refusal = (None if done is None else done[0]), None
    try:
        refuse_one_thickness(study)
    except NotDetermined as error:
        refusal = error
    if refusal is None and posterior is None:
        progress(f"sampling ({_ON_CTRL_C[journal is not None]})", quiet)
        posterior = steps.sample(study, seed=seed, journal=journal, progress=not quiet)
    compared = compared_mechanisms(study, seed, quiet) if mechanisms and study.n_thicknesses > 1 else None
    progress("drawing figures and writing the page", quiet)
    begun_with = done[1] if done is not None else None if journal is None else journal.begun_with
    found = findings(fit, posterior, provenance(study, seed, _command(), begun_with), compared)
    write_report(folder, found, pdf=pdf, draw=steps.draw)
    if journal is not None and (posterior is None or posterior.verdict.converged):
        journal.discard()
    say_findings(found, quiet=quiet, brief=brief)
    click.echo(f"Report: {output / 'report.html'}")
    if refusal is not None:
        raise refusal
    if posterior is not None and not posterior.verdict.converged:
        todo = "raise sampling.max_steps and " + ("run again" if journal is None else "continue with --resume")
        if fit.p_value < P_BAD:
            todo = f"find out first why the model does not describe the data, or {todo}"
        reasons = "; ".join(posterior.verdict.reasons)
        raise NotConverged(f"NOT CONVERGED: {reasons}. Everything in {output} is marked; {todo}")


def compared_mechanisms(study: Study, seed: int, quiet: bool) -> object:
    """The comparison of `--mechanisms`; MtjfitError if its wing is missing."""
    from mtjfit.parallel import n_processors

    comparison = wing("comparison.mechanisms.comparison")
    if comparison is None:
        raise MtjfitError("--mechanisms needs mtjfit.comparison, which this installation was built without")
    progress("comparing mechanisms", quiet)
    return comparison.compare_mechanisms(study, seed, workers=n_processors(), progress=not quiet)


def _command() -> str:
    """The command line as it can be typed again; the program by its name, wherever it is installed."""
    return command_line(*sys.argv[1:])


def say_findings(found: Findings, *, quiet: bool, brief: bool) -> None:
    """Print tables, conclusions and checks; if quiet, only those that failed; if brief, names of those that hold."""
    if not quiet and not brief:
        wanted = ("combinations", "undetermined") if found.posterior is None else ("parameters",)
        echo(*(found.tables[name] for name in wanted if name in found.tables))
    if not quiet:
        compared = found.section("mechanisms")
        click.echo("\nConclusions")
        for sentence in (*found.learned, *(compared.sentences if compared is not None and compared.tables else ())):
            echo(sentence)
        click.echo()
    held = [each for each in found.checks if brief and each.state == "yes"]
    for each in found.checks:
        if each not in held and (not quiet or each.state == "no"):
            click.echo(str(each))
    if held and not quiet:
        echo(f"{held[0].mark} {', '.join(each.name for each in held)}")
