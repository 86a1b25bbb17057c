"""``mtjfit check`` and ``mtjfit identify``: identifiability of a study, before and after its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import NotDetermined
from mtjfit.lazy import wing
from mtjfit.output import DRAWN, OTHER_FILE, json_bytes, refuse_file, write_file
from mtjfit.terminal import command_line, echo, progress

if TYPE_CHECKING:
    from mtjfit.cli.run import Steps
    from mtjfit.infer import Identification
    from mtjfit.study import Study

_SUFFIXES = (".png", ".svg", ".pdf")
_FILE = click.Path(dir_okay=False, path_type=Path)
_NUMBERS = b'"program": "mtjfit",\n "kind": "identifiability"'  # in every file of --json


@click.command(short_help="Say what the data of a study determine.")
@click.argument("study", type=click.Path(path_type=Path), metavar="STUDY.toml")
@click.pass_obj
def check_command(steps: Steps | None, study: Path) -> None:
    """Read a study and its data, fit it, and say what the data determine; writes nothing.

    Of whole wafers, a study file with [wafer], the first devices are read and reduced; of spectra, a file with
    [spectra], all files are read.

    Takes seconds. Exit code 0 means that study and data are sound, not that everything is determined.
    """
    wafers = wing("wafer.commands.check")
    if wafers is not None and wafers.is_wafer_study(study):
        wafers.check_wafer(study)
        return
    spectra = wing("spectra.check")
    if spectra is not None and spectra.is_spectra_study(study):
        spectra.check_spectra(study)
        return
    from mtjfit.cli.run import usual_steps
    from mtjfit.results import checks, header, not_determined
    from mtjfit.results.headers import free_lengths
    from mtjfit.results.identifiability import model_test
    from mtjfit.results.tables import device_combinations_table, masks_table, undetermined_table
    from mtjfit.study import NOTHING_FREE, load_study, nothing_free

    progress(f"reading {study}")
    loaded = load_study(study)
    progress(f"fitting {loaded.n_values} values of {loaded.counted}")
    fit = (steps or usual_steps()).fit(loaded)
    known = fit.identifiability
    echo(str(header(loaded, fit)), masks_table(loaded), "\nIdentifiability")
    echo(
        f"{known.rank} of {known.n_parameters} parameters are determined by this design in principle, thicknesses known"
    )
    echo(*(f"  - {words}" for words in not_determined(fit, None)))
    echo(*(table for table in (device_combinations_table(fit), undetermined_table(fit)) if table.rows))
    progress("freeing what the study takes as known")
    box = {each.name: str(each) for each in checks(fit, None, None)}
    echo(f"\n{model_test(fit.devices, loaded.amplitudes, loaded.model.law)}", f"\n{box['χ² plausible']}")
    echo(*(box[name] for name in ("priors agree with the data", "assumptions hold") if name in box))
    if nothing_free(loaded):
        echo(f"Next:   {NOTHING_FREE}, so χ² is the only result; to fit anything give it a prior in [parameters]")
    elif loaded.n_thicknesses == 1 and free_lengths(loaded):
        click.echo(f"Next:   {command_line('run', study, '--output', 'results')}   (combinations only: exit code 4)")
    else:
        click.echo(f"Next:   {command_line('run', study, '--output', 'results')}")


def _named(*suffixes: str) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """Require one of these suffixes of a file to write."""

    def check(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and path.suffix.lower() not in suffixes:
            raise click.BadParameter(f"{path}: the name must end in {' or '.join(suffixes)}", ctx, param)
        return path

    return check


@click.command(short_help="Which parameters, how well, and which not at all.")
@click.argument("study", type=click.Path(path_type=Path), metavar="STUDY.toml")
@click.option("--design", is_flag=True, help="Before there are data: measured values are not used.")
@click.option(
    "--plot", "picture", type=_FILE, callback=_named(*_SUFFIXES), metavar="FILE", help="Picture as .png, .svg or .pdf."
)
@click.option("--json", "document", type=_FILE, callback=_named(".json"), metavar="FILE", help="All numbers as .json.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.pass_obj
def identify_command(
    identify: Callable[..., Identification] | None,
    study: Path,
    design: bool,
    picture: Path | None,
    document: Path | None,
    quiet: bool,
) -> None:
    """Say which parameters the design and the data of a study determine, how well, and which only the priors.

    Rank of the design and its null directions; profile likelihood intervals with their open ends; stiff
    and sloppy combinations; errors over the prior; the test of the model that needs no length. Takes seconds.

    --plot and --json replace earlier files of theirs, and no others.

    Exit code 4: lengths are free, and the data give none of them even a limit (with --design: no data of this design
    could). What they do determine is printed all the same.
    """
    if design and (picture or document):
        raise click.UsageError("--plot and --json need data; leave out --design")
    for file, mark in ((picture, DRAWN), (document, _NUMBERS)):
        if file is not None:
            refuse_file(file, mark)
    progress(f"reading {study}", quiet)
    from mtjfit.results.identifiability import design_text
    from mtjfit.study import load_study, refuse_nothing_free

    loaded = load_study(study)
    if design:
        refuse_nothing_free(loaded, "0 of 0 parameters are to be determined")
        text, answered = design_text(loaded)
        click.echo(text)
    else:
        answered = _of_data(loaded, picture, document, quiet, identify)
    if not answered:
        what = "no data of this design can determine a length" if design else "these data determine no length"
        few = "devices of three or more thicknesses separate the lengths"
        many = "smaller errors or thinner devices would help"
        raise NotDetermined(f"{what}: all are left to their priors; {few if loaded.n_thicknesses < 3 else many}")


def _of_data(
    loaded: Study,
    picture: Path | None,
    document: Path | None,
    quiet: bool,
    identify: Callable[..., Identification] | None,
) -> bool:
    """Print and write the identifiability of the data; returns whether it gives any length."""
    from mtjfit.infer import fit as fit_study
    from mtjfit.infer import identify as identify_study
    from mtjfit.results import header, identify_document, identify_text
    from mtjfit.study import nothing_free, refuse_nothing_free

    if nothing_free(loaded):
        click.echo(header(loaded, fit_study(loaded)))
        refuse_nothing_free(loaded, "0 of 0 parameters are to be determined")
    progress(f"fitting {loaded.n_values} values of {loaded.counted}, and following each parameter", quiet)
    known = (identify or identify_study)(loaded, progress=not quiet)
    click.echo(header(loaded, known.fit))
    click.echo(f"\n{identify_text(known)}")
    if document is not None:
        write_file(document, json_bytes(identify_document(known)), OTHER_FILE, _NUMBERS)
    if picture is not None:
        from mtjfit.plot import plot_identifiability, render

        drawn = render(plot_identifiability(known), picture.suffix.lower().removeprefix("."))  # type: ignore[arg-type]
        write_file(picture, drawn, OTHER_FILE, DRAWN)
    for written in (document, picture):
        if written is not None:
            progress(f"wrote {written}", quiet)
    return known.answered
