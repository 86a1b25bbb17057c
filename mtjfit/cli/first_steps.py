"""``mtjfit demo``, ``datasets`` and ``init``: the bundled data sets, and a first study file for data of one's own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.lazy import wing
from mtjfit.output import OTHER_FILE, prepare_folder, refuse_file, write_file
from mtjfit.terminal import command_line, progress, with_pdf

if TYPE_CHECKING:
    from mtjfit.cli.run import Steps
    from mtjfit.data import BundledDataset

SERIES = "thickness-series"


@click.command(short_help="The bundled series, from data to report.")
@click.option(
    "--output",
    "-o",
    default="mtjfit-demo",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder, or an earlier result.",
)
@with_pdf
@click.option("--quiet", "-q", is_flag=True, help="No progress; only the place of the page.")
@click.pass_obj
def demo_command(steps: Steps | None, output: Path, pdf: bool, quiet: bool) -> None:
    """Fit and sample the bundled thickness series; leave report.html and more in DIR. Takes less than a minute."""
    from mtjfit.cli.run import run_study
    from mtjfit.data import dataset
    from mtjfit.study import load_study

    progress(f"reading the bundled {SERIES} (simulated, not measured)", quiet)
    bundled = dataset(SERIES)
    bundled.verify()
    run_study(load_study(bundled.study_file), output, quiet=quiet, brief=True, pdf=pdf, steps=steps)
    if not quiet:
        click.echo(f"Next:   mtjfit datasets {SERIES} --copy my-series   (data and study file to play with)")


_OTHER = "free the disk, or name another folder"


def _names_of_datasets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names that a shell completes."""
    from mtjfit.data import datasets

    return [each.name for each in datasets() if each.name.startswith(incomplete)]


@click.command("datasets", short_help="List or copy the bundled data sets.")
@click.argument("name", required=False, shell_complete=_names_of_datasets)
@click.option(
    "--copy",
    "target",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Copy data and study file of NAME into DIR.",
)
def datasets_command(name: str | None, target: Path | None) -> None:
    """List the bundled data sets, describe NAME, or copy it. None of them is measured."""
    from mtjfit.data import dataset, datasets
    from mtjfit.text import table

    if name is None:
        if target is not None:
            raise click.UsageError("--copy needs the NAME of a data set")
        rows = [[each.name, each.kind.upper(), each.title] for each in datasets()]
        click.echo(table(["name", "kind", "title"], rows))
        click.echo("\nNext:   mtjfit datasets NAME --copy DIR")
        return
    bundled = dataset(name)
    if target is None:
        click.echo(f"{bundled.name}: {bundled.title}\n{bundled.kind.upper()}, not measured")
        for key in ("reference", "licence"):
            if isinstance(bundled.meta.get(key), str):
                click.echo(f"{key}: {bundled.meta[key]}")
        click.echo(f"Next:   mtjfit datasets {bundled.name} --copy {bundled.name}")
        return
    _copy(bundled, target)
    click.echo(f"Copied {bundled.name} ({bundled.kind.upper()}, not measured) to {target}")
    click.echo(f"Next:   {command_line('run', target / 'study.toml', '--output', 'results')}")


def _copy(bundled: BundledDataset, target: Path) -> None:
    """Copy data, declarations and metadata, all or none; overwrites nothing."""
    bundled.verify()
    for file in bundled.files:
        refuse_file(target / file.name, None)
    prepare_folder(target, _OTHER)
    with ExitStack() as undo:
        for file in bundled.files:
            write_file(target / file.name, file.read_bytes(), _OTHER, over=None)
            undo.callback((target / file.name).unlink)
        undo.pop_all()


@click.command(short_help="Propose a study file for data files.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILES...")
@click.option(
    "--output",
    "-o",
    default=None,
    type=click.Path(path_type=Path),
    help="File to write.  [default: study.toml, or spectra.toml for spectra]",
)
def init_command(files: tuple[Path, ...], output: Path | None) -> None:
    """Propose a commented study file for data FILES, and show how they were understood.

    Tables as text, Excel, Parquet, PyMeasure, QCoDeS, LabVIEW, Origin and WebPlotDigitizer are recognised, and spectra,
    voltage against frequency or field, for mtjfit spectra. Files, or sheets of a workbook, that are alike are described
    together. What a file cannot show, such as quantity and sign, is left open: the study does not load before you fill
    it in.
    """
    from mtjfit.study.families import families, families_as_text
    from mtjfit.study.template import inspections_of, template_of
    from mtjfit.text import counted

    spectra = wing("spectra.template")
    folder = output.parent if output is not None else Path()
    proposal = spectra.spectra_proposal(files, folder) if spectra is not None else None
    output = output or Path("study.toml" if proposal is None else "spectra.toml")
    refuse_file(output, None)
    if proposal is not None:
        text, said = proposal.text, proposal.says
    else:
        found = families(inspections_of(files))
        text, said = template_of(found, folder), families_as_text(found)
    write_file(output, text.encode(), f"{OTHER_FILE} with --output", over=None)
    click.echo(said + "\n")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    open_ = sum(line.count('"<') for line in lines)
    guesses = sum("# GUESS" in line for line in lines)
    click.echo(f'Wrote {output}: replace {counted(open_, "placeholder")} "<...?>", '
               f"and correct what is wrong in {counted(guesses, 'line')} marked GUESS.")  # fmt: skip
    click.echo(f"Next:   {command_line('check', output)}")
