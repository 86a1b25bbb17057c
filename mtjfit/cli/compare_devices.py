"""``mtjfit compare --devices``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.cli.drawn import drawn, names_of
from mtjfit.cli.folder import prepare, write
from mtjfit.cli.terminal import progress, tell, told
from mtjfit.errors import NotConverged

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from mtjfit.results.consequences import Consequences
    from mtjfit.results.devices import DeviceComparison
    from mtjfit.results.tables import Table

__all__ = ["compare_devices"]

_TABLES = ("table", "pairs", "outliers", "repeats")
_FIGURES = ("forest", "forest-common", "consequences")
# the text last: where it stands all others do
_FILES = (
    *(f"{source}-{name}.csv" for source in ("alone", "common") for name in _TABLES), "consequences.csv",
    *names_of(*_FIGURES), "devices.txt",
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
    from mtjfit.infer import fit, sample
    from mtjfit.results.consequences import consequences
    from mtjfit.results.devices import compare_devices as compare
    from mtjfit.results.header import header
    from mtjfit.results.layer import shares_one_layer
    from mtjfit.study import load_study, refuse_nothing_free

    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    refuse_nothing_free(loaded, "there is nothing to sample")
    if bias is not None and bias <= 0:
        raise click.BadParameter("give a positive bias: the odd part is that between + and −", param_hint="--bias")
    if output is not None:
        prepare(output, _FILES, "comparison of devices")
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
        tell(*parts, "")
    if output is not None:
        progress("drawing figures", quiet)
        write(output, _FILES, _content(compared, implied, told(*parts), pdf))
        click.echo(f"Comparison: {output / 'devices.txt'}")
    if posterior is not None and not posterior.verdict.converged:
        raise NotConverged("the comparison with the common lengths is no result: the posterior did not converge")


def _csv(frame: pd.DataFrame, label: str) -> bytes:
    text = io.StringIO()
    if label:
        text.write(f"# {label}\n")
    frame.to_csv(text, index=False, lineterminator="\n")
    return text.getvalue().encode()


def _content(compared: list[DeviceComparison], implied: Consequences | None, text: str, pdf: bool) -> dict[str, bytes]:
    """All files by name."""
    import mtjfit.plot

    label = compared[0].study.label
    files = {
        f"{source}-{name}.csv": _csv(getattr(one, name), label)
        for source, one in zip(("alone", "common"), compared, strict=False)
        for name in _TABLES
    }
    figures: dict[str, Figure] = {
        name: mtjfit.plot.plot_forest(one) for name, one in zip(("forest", "forest-common"), compared, strict=False)
    }
    if implied is not None:
        files["consequences.csv"] = _csv(implied.table, label)
        figures["consequences"] = mtjfit.plot.plot_consequences(implied)
    return files | drawn(figures, pdf) | {"devices.txt": text.encode()}
