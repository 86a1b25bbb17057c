"""``mtjfit spectra``: torkance against bias from a folder of rectified spectra."""

from __future__ import annotations

import re
from collections.abc import Callable
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
    from mtjfit.spectra.calls import beginning_from
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
    shifts = _shifts(loaded, shift)
    for name, steps in shifts:
        loaded = loaded.moved(name, steps)
    with bar("spectra fitted", not quiet, total=len(loaded.spectra), delay=1) as shown:
        found = analyse(loaded, shown.update)
    n_drawn = min(thumbnails, len(found.flagged)) + min(thumbnails, len(found.fits) - len(found.flagged))
    with bar("spectra drawn", not quiet, total=n_drawn, delay=1) as shown:
        beginning = beginning_from(study, output, shifts)
        html = (page or spectra_html)(found, most=thumbnails, beginning=beginning, progress=shown.update)
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


def _shifts(study: SpectraStudy, texts: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Constants of a study and the standard errors to move them by; ConfigError for a shift that means nothing."""
    known = {name for each in study.devices.values() if each.constants is not None for name in each.constants.named()}
    found = []
    for text in texts:
        match = re.fullmatch(r"(\w+)=([+-]?\d+(?:\.\d+)?)", text)
        if match is None:
            raise ConfigError([Problem(f"--shift {text}", "is not understood", "write NAME=STEPS, such as Meff=+1")])
        if match[1] not in known:
            todo = did_you_mean(match[1], known)
            raise ConfigError([Problem(f"--shift {text}", "no device has this constant", todo)])
        found.append((match[1], float(match[2])))
    return tuple(found)
