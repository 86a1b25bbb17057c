"""``mtjfit calibrate``: are the posteriors of a design right, on average over its prior?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import NotConverged
from mtjfit.output import OutputFolder
from mtjfit.terminal import echo, figure_names, progress, with_pdf

if TYPE_CHECKING:
    from mtjfit.calibration.simulate import Calibration
    from mtjfit.text import Table

_MOST = 61  # processes that Windows can wait for
_NAME = "calibration"
_FILES = ("ranks.csv", *figure_names(_NAME))


@click.command("calibrate", short_help="Simulate a design and check its posteriors.")
@click.argument("study", type=click.Path(path_type=Path), metavar="STUDY.toml")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder, or an earlier calibration.",
)
@click.option("--simulations", "-n", type=click.IntRange(1, 10_000), default=300, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the seed of the study.")
@click.option("--workers", type=click.IntRange(1, _MOST), help="Processes, by default one for each processor.")
@with_pdf
@click.option("--quiet", "-q", is_flag=True, help="No progress; only what is wrong, and where the figure is.")
@click.pass_obj
def calibrate_command(
    calibrated: Callable[..., Calibration] | None,
    study: Path,
    output: Path,
    simulations: int,
    seed: int | None,
    workers: int | None,
    pdf: bool,
    quiet: bool,
) -> None:
    """Draw truths from the priors of a study, simulate its data from each, sample each posterior, rank the truths.

    Only bias points, errors, masks, thicknesses and priors are used, not the measured values. DIR holds the ranks, a
    figure and calibration.json. Each simulation takes two to three seconds on one processor.

    Exit code 5: not calibrated, or too few runs converged to tell; DIR holds everything, marked.
    """
    from mtjfit.calibration.simulate import calibrate
    from mtjfit.parallel import n_processors
    from mtjfit.study import load_study, refuse_nothing_free

    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    refuse_nothing_free(loaded, "there is no posterior to calibrate")
    folder = OutputFolder(output, _NAME, _FILES.__contains__, f"{_NAME}.json")
    folder.prepare()
    workers = min(workers or n_processors(), simulations, _MOST)
    progress(f"{simulations} simulations with {workers} processes (Ctrl-C stops; nothing is written before the end)",
             quiet)  # fmt: skip
    found = (calibrated or calibrate)(loaded, simulations, seed, workers, progress=not quiet)
    progress("drawing the figure", quiet)
    folder.write(_files(found, pdf), _document(found))
    if not quiet:
        echo(_table(found), "", str(found), "")
    shown = output / (f"{_NAME}.svg" if found.converged.any() else f"{_NAME}.json")
    click.echo(f"Calibration: {shown}")
    if not found.calibrated:
        raise NotConverged(f"NOT CALIBRATED: {'; '.join(found.reasons)}")


def _table(found: Calibration) -> Table:
    from mtjfit.text import Table

    rows = tuple(
        (str(name), f"{row.ecdf:.2g}", f"{row.chi2:.2g}", f"{row.p:.2g}", "" if row.ok else "NOT UNIFORM")
        for name, row in found.tests.iterrows()
    )
    return Table("Are the ranks uniform?", ("quantity", "p (curve)", "p (chi2)", "adjusted", ""), rows)


def _document(found: Calibration) -> dict[str, object]:
    from mtjfit.plain import plain
    from mtjfit.results import provenance

    return {
        "calibrated": found.calibrated,
        "checks": [{"name": each.name, "ok": each.ok, "says": each.says} for each in found.checks],
        "resolution": found.resolution,
        "simulations": len(found.failures),
        "converged": int(found.converged.sum()),
        "draws": found.n_draws,
        "p_values": {
            str(name): plain({key: row[key] for key in ("ecdf", "chi2", "p")}) for name, row in found.tests.iterrows()
        },
        "provenance": dict(provenance(found.study, found.seed)),
    }


def _files(found: Calibration, pdf: bool) -> dict[str, bytes]:
    from mtjfit.calibration.plot import plot_calibration
    from mtjfit.plain import csv_bytes
    from mtjfit.plot.style import picture_files

    ranks = found.ranks.astype("Int64")
    ranks["not_converged"] = found.failures
    comment = f"ranks of truths among {found.n_draws} draws of their posteriors; seed {found.seed}"
    files = {"ranks.csv": csv_bytes(ranks, comment)}
    if found.converged.any():
        files |= picture_files({_NAME: plot_calibration(found)}, pdf)
    return files
