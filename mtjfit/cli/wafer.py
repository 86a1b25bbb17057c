"""``mtjfit wafer``: a catalogue of devices as a page of maps, limits, histograms and odd devices."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.cli.folder import prepare, write
from mtjfit.cli.terminal import progress
from mtjfit.errors import NotDetermined

if TYPE_CHECKING:
    from mtjfit.wafer.survey import Survey

__all__ = ["chosen_quantities", "wafer"]

_WIDTH = 100
_OF_POLYNOMIALS = re.compile(r"(par|perp)·V\^\d+")
_MOST = 3


@click.command(short_help="Maps, control limits and odd devices of a catalogue.")
@click.argument("catalogue", type=click.Path(path_type=Path), metavar="CATALOGUE")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder, or an earlier page of wafers.",
)
@click.option("--quantity", "quantities", multiple=True, metavar="NAME", help="Column to show; may be repeated.")
@click.option(
    "--false-alarms",
    type=click.Choice(["holm", "fdr"]),
    default="holm",
    show_default=True,
    help="What is kept below 5 %: the chance of any false alarm among odd devices, or their share among those listed.",
)
@click.option(
    "--own-error",
    type=click.FloatRange(0.0, 1.0),
    default=0.0,
    metavar="SHARE",
    help="Relative error that all devices of one wafer share, such as 0.03 for the area of its junctions.",
)
@click.option("--table", type=click.Path(path_type=Path), help="Where the measured table is now, for curves.")
@click.option("--configuration", default="", metavar="HEX", help="Which one, where the catalogue holds several.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; only where the page is.")
def wafer(
    catalogue: Path,
    output: Path,
    quantities: tuple[str, ...],
    false_alarms: str,
    own_error: float,
    table: Path | None,
    configuration: str,
    quiet: bool,
) -> None:
    """Draw maps, control charts and histograms of a catalogue, and list its odd devices.

    DIR holds wafer.html, one page with all of it, the figures as SVG and PDF, and limits.csv, wafers.csv, pairs.csv,
    odd.csv, faults.csv with all digits. Control limits are made of the spread of true values between devices of one
    wafer: errors of measurement are taken off.

    Exit code 4: no device determines what was asked.
    """
    from mtjfit.report.wafer import MOST_CURVES, wafer_files
    from mtjfit.report.wafer_text import survey_says
    from mtjfit.wafer.catalogue import open_catalogue
    from mtjfit.wafer.curves import curves_of, survey_of
    from mtjfit.wafer.limits import odd_devices

    ours = _ours(output)
    prepare(output, ours, "page of wafers")
    with open_catalogue(catalogue) as opened:
        progress(f"reading {catalogue}", quiet)
        survey = survey_of(opened, configuration=configuration)
        chosen = chosen_quantities(survey, quantities)
        faults = opened.faults(configuration)
        progress(f"looking for odd ones among {len(survey.frame)} devices", quiet)
        odd = odd_devices(survey, chosen, control="fdr" if false_alarms == "fdr" else "holm")
        first = odd.table.head(MOST_CURVES)
        wanted = list(zip(first["wafer"], first["device"], strict=True))
        if wanted:
            progress(f"reading the curves of {len(wanted)} of them", quiet)
        curves = curves_of(opened, wanted, survey, table=table, configuration=configuration)
    files = wafer_files(survey, chosen, odd, curves, faults, own=own_error,
                        progress=lambda what: progress(f"drawing {what}", quiet))  # fmt: skip
    write(output, [*(name for name in files if name != "wafer.html"), *sorted(ours - set(files)), "wafer.html"], files)
    if not quiet:
        for sentence in [*survey_says(survey, odd, len(faults)), *([curves.missing] if curves.missing else [])]:
            click.echo(textwrap.fill(sentence, _WIDTH, subsequent_indent="    "))
    click.echo(f"Page: {output / 'wafer.html'}")


def chosen_quantities(survey: Survey, asked: Sequence[str]) -> tuple[str, ...]:
    """What to show: what was asked for, or the first determined numbers that some device has.

    Raises
    ------
    DataError
        There is no such column.
    NotDetermined
        No unflagged device determines any of them.
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


def _ours(folder: Path) -> set[str]:
    """Names of an earlier page of wafers in a folder, with those of files that were only half written."""
    from mtjfit.infer.files import leftover_of
    from mtjfit.report.wafer import is_wafer_file

    if not folder.is_dir():
        return set()
    names = {name for each in folder.iterdir() for name in (each.name, leftover_of(each.name))}
    return {name for name in names if name is not None and is_wafer_file(name)}
