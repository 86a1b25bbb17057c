"""``mtjfit wafer``: a page of maps, control limits, histograms and odd devices from a catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtjfit.errors import ConfigError, NotConverged, NotDetermined, Problem
from mtjfit.output import OutputFolder
from mtjfit.terminal import echo, progress, stopped, with_pdf

if TYPE_CHECKING:
    from mtjfit.wafer.catalogue import Catalogue
    from mtjfit.wafer.page.stacks import StackResults
    from mtjfit.wafer.stack.posterior import WaferPosterior
    from mtjfit.wafer.stack.sample import StackPosterior
    from mtjfit.wafer.survey.limits import Control
    from mtjfit.wafer.survey.survey import Survey

_OF_POLYNOMIALS = re.compile(r"(par|perp)·V\^\d+")
_MOST = 3
_RUNS = "runs"


# fmt: off
@click.command(short_help="Maps, control limits and odd devices of a catalogue.")
@click.argument("catalogue", type=click.Path(path_type=Path), metavar="CATALOGUE")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), metavar="DIR",
              help="New or empty folder, or an earlier page of wafers.")
@click.option("--quantity", "quantities", multiple=True, metavar="NAME", help="Column to show; may be repeated.")
@click.option("--false-alarms", type=click.Choice(["holm", "fdr"]), default="holm", show_default=True,
              help="Keep below 5 %: the chance of any false alarm among odd devices, or the share of false alarms.")
@click.option("--own-error", type=click.FloatRange(0.0, 1.0), default=0.0, metavar="SHARE",
              help="Relative error that all devices of one wafer share, such as 0.03 for the area of its junctions.")
@click.option("--stacks", is_flag=True, help="Fit the lengths that the devices of a split share.")
@click.option("--posterior", is_flag=True, help="Also sample their posterior, in minutes; implies --stacks.")
@click.option("--study", type=click.Path(path_type=Path), metavar="WAFER.toml",
              help="Study file with other priors for --stacks.")
@click.option("--workers", type=click.IntRange(1, 1024), metavar="N",
              help="Processes for --posterior.  [default: one for 100 devices, up to the processors]")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Share it among the workers of a dask scheduler.")
@click.option("--table", type=click.Path(path_type=Path), help="Present place of the measured table, for curves.")
@click.option("--configuration", default="", metavar="HEX", help="Beginning of its fingerprint, if there are several.")
@with_pdf
@click.option("--quiet", "-q", is_flag=True, help="No progress; only the path of the page.")
def wafer_command(
    catalogue: Path, output: Path, quantities: tuple[str, ...], false_alarms: str, own_error: float, stacks: bool,
    posterior: bool, study: Path | None, workers: int | None, scheduler: str, table: Path | None, configuration: str,
    pdf: bool, quiet: bool,
) -> None:
    # fmt: on
    """Draw maps, control charts and histograms of a catalogue, and list its odd devices.

    DIR holds wafer.html, one page with everything, the figures as SVG, and limits.csv, wafers.csv, pairs.csv,
    odd.csv, faults.csv with all digits; of more than some 200 wafers odd-wafers.csv in place of pairs.csv. Control
    limits follow the spread of true values between devices of one wafer, without the errors of measurement.

    --stacks fits the lengths of every split from the sums in the catalogue; --posterior samples them with the hierarchy
    that [wafer] declares, and says before which combinations of parameters only the priors will know. Runs are kept in
    DIR/runs: after Ctrl-C or a crash the same command continues. The page and stacks.csv, stack-fits.csv,
    stack-posteriors.csv show the results; with --posterior also each device beside the smooth surface and the
    prediction of the others (stack-devices.csv), lengths without odd devices (stack-lengths.csv), for which the others
    are sampled again where draws do not suffice, and stack-fits-beside-posteriors.csv.

    --scheduler is for stacks of more than some 10 000 devices, and needs pip install 'mtjfit[cluster]'. Results are the
    same to the last bit. Whoever reaches the port of a scheduler can run programs on its workers and on yours: give
    only addresses inside a network that you trust.

    Exit code 4: no device determines the quantities, or no stack a length; the fit of one nominal thickness never does.
    5: a posterior did not converge. The page is written in either case.
    """
    if study is not None and not (stacks or posterior):
        raise click.UsageError("--study goes with --stacks")
    if (workers or scheduler) and not posterior:
        raise click.UsageError("--workers and --scheduler go with --posterior")
    if workers and scheduler:
        raise click.UsageError("--workers and --scheduler exclude each other")
    from mtjfit.wafer.catalogue import open_catalogue
    from mtjfit.wafer.page.calls import Beginnings
    from mtjfit.wafer.page.page import MOST_CURVES, is_wafer_file, wafer_files
    from mtjfit.wafer.page.text import survey_says
    from mtjfit.wafer.survey.curves import curves_of, survey_of
    from mtjfit.wafer.survey.limits import WaferFindings, odd_devices

    with open_catalogue(catalogue) as opened, opened.at_one_time():  # a page of one state, whoever writes meanwhile
        folder = OutputFolder(output, "page of wafers", is_wafer_file, beside=_are_runs)
        folder.prepare()
        progress(f"reading {catalogue}", quiet)
        survey = survey_of(opened, configuration=configuration)
        chosen = chosen_quantities(survey, quantities)
        faults = opened.faults(configuration)
        progress(f"looking for odd ones among {len(survey.frame)} devices", quiet)
        findings = [WaferFindings(survey, quantity, own=own_error) for quantity in chosen]
        control: Control = "fdr" if false_alarms == "fdr" else "holm"
        odd = odd_devices(survey, control=control, findings=findings)
        first = odd.table.head(MOST_CURVES)
        wanted = list(zip(first["wafer"], first["device"], strict=True))
        if wanted:
            progress(f"reading the curves of {len(wanted)} of them", quiet)
        curves = curves_of(opened, wanted, survey, table=table, configuration=configuration)
        found = None
        if stacks or posterior:
            runs = output / _RUNS if posterior else None
            with _saying_what_is_kept(opened, study):
                found = _stacks(opened, study, configuration, runs, quiet, {"workers": workers, "scheduler": scheduler})
        beginnings = Beginnings(catalogue, output, chosen, control, configuration)
        files = wafer_files(survey, findings, odd, curves, faults, stacks=found, pdf=pdf, beginnings=beginnings,
                            progress=lambda what: progress(f"drawing {what}", quiet))  # fmt: skip
    folder.write(files)
    if not quiet:
        for sentence in [*survey_says(survey, odd, len(faults)), *([curves.missing] if curves.missing else [])]:
            echo(sentence)
        if found is not None:
            echo(*found.tables(), *found.notes())
    click.echo(f"Page: {output / 'wafer.html'}")
    if found is not None:
        _judge(catalogue, found)


def _stacks(
    opened: Catalogue, study: Path | None, configuration: str, runs: Path | None, quiet: bool, sharing: dict[str, Any]
) -> StackResults:
    """Fits of all splits that can determine a length, and posteriors of all if a folder for runs is given."""
    from mtjfit.wafer.page.stacks import StackResults
    from mtjfit.wafer.stack.before import undetermined
    from mtjfit.wafer.stack.from_catalogue import catalogue_stacks, group_study, refusals, stack_model
    from mtjfit.wafer.stack.groups import fit_groups, run_folder, sample_groups
    from mtjfit.wafer.stack.outputs import group_outputs
    from mtjfit.wafer.stack.sample import sample_stack

    declared = group_study(opened, study, configuration)
    refused = refusals(opened, declared)
    progress("fitting the stacks", quiet)
    fits = fit_groups(opened, declared, leave=refused, progress=not quiet)
    empty = refusals(opened, declared, priors=True)
    n_splits = len(fits.fits) + len(refused.keys() - empty.keys())
    if runs is None or not n_splits:
        return StackResults(fits, None, refused)
    for stack in catalogue_stacks(opened, declared, leave=empty):
        for direction in undetermined(stack_model(stack.devices, declared)):
            progress(f"{stack.split or 'all devices'}: {direction}", quiet)
    progress(f"sampling {n_splits} posteriors; every block is kept in {runs}", quiet)
    wish = declared.study_template.sampling

    def again(model: WaferPosterior) -> StackPosterior:
        progress("sampling again without odd devices", quiet)
        return sample_stack(model, wish, journal=run_folder(runs, model, wish), progress=not quiet, **sharing)

    try:
        found = sample_groups(opened, declared, leave=empty, journal=runs, progress=not quiet, **sharing)
        progress("comparing the devices of stacks with each other", quiet)
        outputs = group_outputs(found, again)
    except KeyboardInterrupt as error:
        raise stopped(error, f"the finished blocks are in {runs}. Repeat the command to go on from there.") from None
    return StackResults(fits, found, refused, outputs)


@contextmanager
def _saying_what_is_kept(opened: Catalogue, study: Path | None) -> Iterator[None]:
    """Where the study file in a catalogue is at fault, say that changes of another file do nothing by themselves."""
    try:
        yield
    except ConfigError as error:
        if study is not None or not any(each.study for each in opened.configurations()):
            raise
        kept = Problem(str(opened.path), "keeps the study file that it was made with", "give another with --study")
        raise ConfigError([*error.problems, kept]) from None


def _are_runs(file: Path) -> bool:
    return file.name == _RUNS and file.is_dir()


def _judge(catalogue: Path, found: StackResults) -> None:
    """Raise NotConverged if a posterior did not converge, NotDetermined if no stack determines a length."""
    if found.posteriors is not None and not found.posteriors.converged:
        names = [split or "all" for split, one in found.posteriors.posteriors.items() if not one.verdict.converged]
        todo = "raise max_steps in [sampling] of wafer.toml, and repeat the command with --study wafer.toml"
        raise NotConverged(f"{catalogue}: not converged: {', '.join(names)}; {todo}")
    if not found.determines_a_length:
        why = "; ".join(list(dict.fromkeys(found.refused.values()))[:_MOST]) or "the table of fits says why"
        raise NotDetermined(
            f"{catalogue}: no stack determines a length: {why}. Give devices of several nominal thicknesses one split."
        )


def chosen_quantities(survey: Survey, asked: Sequence[str]) -> tuple[str, ...]:
    """The quantities asked for, or the first determined numbers that some device has.

    NotDetermined if no unflagged device determines any of them, DataError if there is no such column.
    """
    named = tuple(dict.fromkeys(asked))
    if not named:
        known = survey.quantities
        named = tuple(name for name in known if not _OF_POLYNOMIALS.fullmatch(name))[:_MOST] or known[:_MOST]
    if not any(survey.usable(name).any() for name in named):
        what = ", ".join(named) or "anything"
        raise NotDetermined(
            f"{survey.name}: no device without a flag determines {what}; its flags say why (mtjfit batch prints them)"
        )
    return named
