"""``mtjfit figures``: the paper's figures for print, with the numbers that are drawn."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import MtjfitError
from mtjfit.output import prepare_folder, refuse_others, sum_of, temporary_of, write_file
from mtjfit.terminal import echo, figure_names, progress, with_pdf

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

TITLES = {
    "fig1_accumulation": "Fig. 1: transverse spin accumulation m D_F/J0 against the distance x, Eq. 9-10",
    "fig2_thickness": "Fig. 2: d T_par/J0, d T_perp/J0 and T_perp/T_par against the thickness d, Eq. 12",
    "fig3_bias": "Fig. 3: T_par and T_perp against the bias, Eq. 12",
}
_AXES = "par along M x (P x M), perp along M x P"
_FILES = frozenset((*figure_names(*TITLES), *(f"{name}.csv" for name in TITLES)))


@click.command("figures", short_help="The paper's three figures, with their numbers.")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder, or one with earlier figures.",
)
@with_pdf
@click.option("--quiet", "-q", is_flag=True, help="No progress: only the path of the figures.")
@click.pass_obj
def figures_command(
    pictures: Callable[[Mapping[str, Figure], bool], dict[str, bytes]] | None, output: Path, pdf: bool, quiet: bool
) -> None:
    """Draw the three figures of Manchon et al., PRB 86, 060404(R) (2012); leave SVG, PNG and CSV in DIR.

    Takes seconds. A file of DIR that has changed is never overwritten.
    """
    # `pictures` takes the place of `picture_files`, as Steps do in a run
    prepare_folder(output)
    refuse_others(output, "figures", lambda file: (temporary_of(file.name) or file.name) in _FILES)
    progress("computing the numbers of three figures", quiet)
    from mtjfit.paper.figures import plot_accumulation, plot_bias_dependence, plot_thickness_dependence
    from mtjfit.paper.numbers import (
        accumulation,
        assumptions,
        bias_dependence,
        numbers_csv,
        parameters_text,
        thickness_dependence,
    )
    from mtjfit.plot.style import picture_files

    bias = bias_dependence()
    assumed = assumptions(bias)
    made: tuple[tuple[DataFrame, str, Callable[[], Figure], tuple[str, ...]], ...] = (
        (accumulation(), "x", plot_accumulation, ("J_perp = 0",)),
        (thickness_dependence(), "d", plot_thickness_dependence, ("J_perp = 0",)),
        (bias, "V", plot_bias_dependence, tuple(f"assumed: {words}" for words in assumed)),
    )
    files: dict[str, bytes] = {}
    for (name, title), (table, axis, draw, notes) in zip(TITLES.items(), made, strict=True):
        progress(f"drawing {name}", quiet)
        files |= (pictures or picture_files)({name: draw()}, pdf)
        files[f"{name}.csv"] = numbers_csv(table, title, parameters_text(table, axis), *notes, _AXES)
    write_missing(output, files)
    if not quiet:
        for name, title in TITLES.items():
            mine = [file.removeprefix(name) for file in files if file.startswith(name)]
            click.echo(f"{name}: {', '.join(mine)}\n  {title}")
        click.echo("\nAssumed in Fig. 3, since the paper gives neither thicknesses nor amplitudes:")
        for words in assumed:
            echo(f"  - {words}")
        click.echo()
    click.echo(f"Figures: {output}")


def write_missing(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files that are not there. A figure always has the same bytes: other content is somebody's edit.

    MtjfitError if a file is there with another content (nothing is written then), or the disk is full or read-only.
    """
    for name, data in files.items():
        file = folder / name
        if os.path.lexists(file) and sum_of(file) != hashlib.sha256(data).hexdigest():
            raise MtjfitError(f"{file}: was changed, or drawn by another version; move it away, or name a new folder")
    for name, data in files.items():
        if not os.path.lexists(folder / name):
            write_file(folder / name, data, over=None)
