"""``mtjfit compare --devices``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import NotConverged
from mtjfit.output import OutputFolder
from mtjfit.terminal import as_text, echo, figure_names, progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mtjfit.comparison.devices.comparison import DeviceComparison
    from mtjfit.comparison.free_layer.consequences import Consequences
    from mtjfit.text import Table

__all__ = ["compare_devices"]

_TABLES = ("table", "pairs", "outliers", "repeats")
_FIGURES = ("forest", "forest-common", "consequences")
# the text last: where it stands all others do
_FILES = (
    *(f"{source}-{name}.csv" for source in ("alone", "common") for name in _TABLES), "consequences.csv",
    *figure_names(*_FIGURES), "devices.txt",
)  # fmt: skip


def compare_devices(
    study: Path, bias: float | None, output: Path | None, seed: int | None, quiet: bool, pdf: bool = False
) -> None:
    """Compare the devices of a study, each alone and, for several thicknesses, with the common lengths.

    Raises
    ------
    NotConverged
        The posterior is no result; what each device says alone is printed and written all the same.
    """
    from mtjfit.comparison.devices.comparison import compare_devices as compare
    from mtjfit.comparison.free_layer.consequences import consequences
    from mtjfit.comparison.free_layer.layer import shares_one_layer
    from mtjfit.infer import fit, sample
    from mtjfit.results.headers import header
    from mtjfit.study import load_study, refuse_nothing_free

    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    refuse_nothing_free(loaded, "there is nothing to sample")
    if bias is not None and bias <= 0:
        raise click.BadParameter("give a positive bias: the odd part is that between + and −", param_hint="--bias")
    folder = None if output is None else OutputFolder(output, "comparison of devices", _FILES.__contains__)
    if folder is not None:
        folder.prepare()
    progress("comparing devices, each alone", quiet)
    best = fit(loaded)
    compared, implied, posterior = [compare(best, bias=bias)], None, None
    if loaded.n_thicknesses > 1:
        progress("sampling the common lengths", quiet)
        posterior = sample(loaded, seed, progress=not quiet)
        compared.append(compare(posterior, bias=bias))
        if shares_one_layer(loaded):
            implied = consequences(posterior, bias=[compared[0].bias])
    parts: list[str | Table] = [header(loaded, best)]
    for one in compared:
        parts += [*one.tables(), "", *one.notes]
    if implied is not None:
        parts += [*implied.tables(), "", *implied.says]
    if not quiet:
        echo(*parts, "")
    if folder is not None:
        progress("drawing figures", quiet)
        folder.write(_content(compared, implied, as_text(*parts), pdf))
        click.echo(f"Comparison: {folder.path / 'devices.txt'}")
    if posterior is not None and not posterior.verdict.converged:
        raise NotConverged("the comparison with the common lengths is no result: the posterior did not converge")


def _content(compared: list[DeviceComparison], implied: Consequences | None, text: str, pdf: bool) -> dict[str, bytes]:
    """All files by name."""
    import mtjfit.plot
    from mtjfit.plain import csv_bytes
    from mtjfit.plot.style import picture_files

    label = compared[0].study.label
    files = {
        f"{source}-{name}.csv": csv_bytes(getattr(one, name), label, index=False)
        for source, one in zip(("alone", "common"), compared, strict=False)
        for name in _TABLES
    }
    figures: dict[str, Figure] = {
        name: mtjfit.plot.plot_forest(one) for name, one in zip(("forest", "forest-common"), compared, strict=False)
    }
    if implied is not None:
        files["consequences.csv"] = csv_bytes(implied.table, label, index=False)
        figures["consequences"] = mtjfit.plot.plot_consequences(implied)
    return files | picture_files(figures, pdf) | {"devices.txt": text.encode()}
