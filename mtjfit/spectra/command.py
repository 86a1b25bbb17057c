"""``mtjfit spectra``: torkance against bias from a folder of rectified spectra."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import ConfigError, Problem, did_you_mean
from mtjfit.output import OutputFolder
from mtjfit.terminal import command_line, echo, progress

if TYPE_CHECKING:
    from mtjfit.spectra import SpectraStudy


@click.command("spectra", short_help="Fit rectified spectra, give torkance against bias.")
@click.argument("study", type=click.Path(path_type=Path), metavar="SPECTRA.toml")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder, or one with earlier spectra.",
)
@click.option(
    "--shift",
    multiple=True,
    metavar="NAME=STEPS",
    help="Shift a constant by STEPS standard errors, such as Meff=+1, to see its effect.",
)
@click.option(
    "--thumbnails", type=click.IntRange(0, 20_000), default=480, show_default=True, help="Maximum number of thumbnails."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress: only warnings and the path of the page.")
@click.pass_obj
def spectra_command(
    page: Callable[..., str] | None, study: Path, output: Path, shift: tuple[str, ...], thumbnails: int, quiet: bool
) -> None:
    """Fit the lines of all spectra that a file names, and calibrate them where it declares the constants.

    DIR holds overview.html with every spectrum, flagged ones first, and lines.csv. With constants also torkance.csv,
    the covariance of each device, and a study.toml for mtjfit run.
    """
    # `page` takes the place of `spectra_html`, as Steps do in a run
    from mtjfit.progress import bar
    from mtjfit.spectra import analyse, load_spectra, spectra_files
    from mtjfit.spectra.page import (
        flagged_table,
        spectra_devices_table,
        spectra_document,
        spectra_html,
        spectra_says,
        sweeps_table,
    )

    again = command_line("spectra", study, "--output", output, *(f"--shift={s}" for s in shift))
    folder = OutputFolder(output, "spectra", None, "spectra.json", {"program": "mtjfit", "kind": "spectra"})
    folder.prepare()
    progress(f"reading {study}", quiet)
    with bar("files", not quiet, delay=1) as shown:

        def done(n: int, of: int) -> None:
            shown.total = of
            shown.update(n - shown.n)

        loaded = load_spectra(study, done)
    loaded = _shifted(loaded, shift)
    with bar("spectra fitted", not quiet, total=len(loaded.spectra), delay=1) as shown:
        found = analyse(loaded, shown.update)
    n_drawn = min(thumbnails, len(found.flagged)) + min(thumbnails, len(found.fits) - len(found.flagged))
    with bar("spectra drawn", not quiet, total=n_drawn, delay=1) as shown:
        html = (page or spectra_html)(found, most=thumbnails, progress=shown.update)
    files = spectra_files(found) | {"spectra.toml": loaded.text.encode(), "overview.html": html.encode()}
    folder.write(files, spectra_document(found, again))
    for notice in found.notices:
        echo(f"Notice:  {notice}")
    if not quiet:
        for sentence in spectra_says(found):
            echo(sentence)
        echo(spectra_devices_table(found))
        if found.hysteresis:
            echo(sweeps_table(found))
        if found.flagged:
            echo(flagged_table(found))
    click.echo(f"Overview: {output / 'overview.html'}")
    if not quiet and "study.toml" in files:
        click.echo(f"Next:     {command_line('run', output / 'study.toml', '--output', 'RESULT')}")


def _shifted(study: SpectraStudy, shifts: tuple[str, ...]) -> SpectraStudy:
    """The study with constants moved by so many standard errors; ConfigError for a shift that means nothing."""
    for shift in shifts:
        match = re.fullmatch(r"(\w+)=([+-]?\d+(?:\.\d+)?)", shift)
        if match is None:
            raise ConfigError([Problem(f"--shift {shift}", "is not understood", "write NAME=STEPS, such as Meff=+1")])
        name, steps = match[1], float(match[2])
        declared = {device: each.constants for device, each in study.devices.items() if each.constants is not None}
        moved = {device: replace(study.devices[device], constants=constants.moved(name, steps))
                 for device, constants in declared.items() if name in constants.named()}  # fmt: skip
        if not moved:
            known = {key for constants in declared.values() for key in constants.named()}
            raise ConfigError([Problem(f"--shift {shift}", "no device has this constant", did_you_mean(name, known))])
        study = replace(study, devices={**study.devices, **moved})
    return study
