"""``mtjfit batch``: reduce a table of many devices into a catalogue."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import DataError, MtjfitError, Problem
from mtjfit.terminal import command_line, progress, stopped
from mtjfit.text import counted, visible

if TYPE_CHECKING:
    from mtjfit.wafer import WaferStudy
    from mtjfit.wafer.catalogue import Catalogue
    from mtjfit.wafer.reduce.batch import BatchSummary

_MOST_FAULTS = 20


@click.command(short_help="Reduce a table of many devices into a catalogue.")
@click.argument("table", type=click.Path(path_type=Path), metavar="TABLE")
@click.option("--study", type=click.Path(path_type=Path), metavar="WAFER.toml", help="Study file with the columns.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), metavar="CATALOGUE",
              help="New file such as wafer.db, or an earlier catalogue.")  # fmt: skip
@click.option("--workers", type=click.IntRange(0, 1024), default=0, metavar="N", help="Reduce in N further processes.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Reduce on the workers of a dask scheduler.")
@click.option("--export", type=click.Path(path_type=Path), metavar="FILE", help="All devices as .csv or .parquet.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; only warnings and the name of the catalogue.")
def batch_command(
    table: Path, study: Path | None, output: Path, workers: int, scheduler: str, export: Path | None, quiet: bool
) -> None:
    """Reduce each device in TABLE to what its own data determine, and store it in CATALOGUE, an SQLite file.

    TABLE is a CSV or Parquet file, a folder, or a quoted pattern of files such as "dies/*.csv". It is read in pieces;
    memory is bounded by [wafer] memory. Ctrl-C finishes the current chunk; the same command continues from there, also
    after a crash. Unusable devices are listed, never dropped; the exit code is 0 if at least one device is usable.

    One process is usually enough: it reduces 100 000 curves in seconds. --workers starts further ones, which no other
    account can reach. --scheduler needs pip install 'mtjfit[cluster]'. Results are the same to the last bit. dask sends
    Python objects between its processes, which run as code where they arrive: whoever reaches the port of a scheduler,
    every account of its computer among them, can run programs on its workers and on yours. Give only addresses inside
    a network that you trust, or tls:// with certificates; see "Long runs and clusters" in the documentation.
    """
    if study is None:
        raise click.UsageError(
            f"--study is missing: nothing is guessed about the columns of {table}. "
            f"To get one: {command_line('init', table, '--output', 'wafer.toml')}. "
            "Fill in the marked places, check or add the table [wafer] with the columns of x, y, wafer and split, if "
            "there are any, and try it with mtjfit check wafer.toml. Then give --study wafer.toml."
        )
    from mtjfit.wafer import load_wafer
    from mtjfit.wafer.catalogue import open_catalogue, refuse_export
    from mtjfit.wafer.read.table import table_notes
    from mtjfit.wafer.reduce.batch import run_batch

    again = _again(table, study, output, workers, scheduler, export)
    loaded = load_wafer(study, table)
    if export is not None:
        if os.path.realpath(export) in map(os.path.realpath, (table, study, output)):
            raise click.UsageError(f"--export {export}: would overwrite it; name another file.")
        refuse_export(export)
    if not quiet:
        click.echo(f"{declaration_text(loaded)}\n{'catalogue':<11}{output}")
    else:
        click.echo("".join(f"note: {visible(each)}\n" for each in table_notes(loaded)), nl=False)
    with open_catalogue(output, write=True) as catalogue:
        progress(f"reading {table}", quiet)
        with _saying_how_to_go_on(catalogue, again):
            summary = run_batch(loaded, catalogue, workers=workers, scheduler=scheduler, progress=not quiet)
        _say(catalogue, table, summary, quiet)
        _say_what_is_kept(catalogue, loaded, study)
        if export is not None:
            progress(f"writing {export}", quiet)
            n = catalogue.export(export, configuration=summary.source.configuration.fingerprint)
            click.echo(f"Export:    {export} ({n} devices)")
    click.echo(f"Catalogue: {output}")


def _again(table: Path, study: Path, output: Path, workers: int, scheduler: str, export: Path | None) -> str:
    words = ["batch", str(table), "--study", str(study), "--output", str(output)]
    for option, given in (("--workers", workers), ("--scheduler", scheduler), ("--export", export)):
        words += [option, str(given)] if given else []
    return command_line(*words)


def declaration_text(study: WaferStudy) -> str:
    """The declarations of a wafer study in a few lines."""
    from mtjfit.data import pretty
    from mtjfit.text import number
    from mtjfit.wafer.read.table import table_notes, table_origins

    declared, wafer = study.declaration, study.wafer
    flipped = ", flipped to M x P" if declared.perp_axis == "PxM" else ""
    errors = {"columns": "from the table", "fit": "from the scatter of each device"}
    places = ", ".join(f"{role} = {name!r}" for role, name in wafer.roles().items())
    lines = {
        "table": str(study.table),
        "origin": "; ".join(each.label or each.kind for each in table_origins(study)),
        "study": study.name,
        "quantity": f"{declared.quantity} per {declared.per} in {pretty(declared.units.torque)}",
        "sign": f"T_perp along {declared.perp_axis.replace('x', ' x ')} in the table{flipped}",
        "errors": errors.get(str(declared.sigma), "the same at every point"),
        "J0(V)": ", ".join(study.study_template.amplitudes),
        "columns": places or "no positions, wafers or splits declared",
        "chunks": f"{wafer.chunk} devices, at most {number(wafer.memory_bytes / 2**20)} MiB",
    }
    notes = [("note", each) for each in table_notes(study)]
    return "\n".join(f"{name:<11}{visible(words)}" for name, words in [*lines.items(), *notes])


@contextmanager
def _saying_how_to_go_on(catalogue: Catalogue, again: str) -> Iterator[None]:
    """If the run ends early, print how many devices are written, and the command that continues."""
    try:
        yield
    except KeyboardInterrupt as error:
        if not (n := catalogue.n_devices):
            raise
        kept = f"{catalogue.path} holds {n} devices"
        raise stopped(error, f"{kept}. Go on with: {again}") from None
    except MtjfitError:
        if n := catalogue.n_devices:
            click.echo(f"Stopped early; {catalogue.path} holds {n} devices.", err=True)
        raise


def refuse_unusable(table: Path, faults: Sequence[Problem], which: str) -> None:
    """Raise DataError with the first faults, for a table without a usable device: it was declared wrongly."""
    what = f"none of its {which} devices could be used"
    todo = "check that the declared columns and units match the table"
    raise DataError([*faults[:_MOST_FAULTS], Problem(str(table), what, todo)])


def _say_what_is_kept(catalogue: Catalogue, loaded: WaferStudy, study: Path) -> None:
    """Print what the study declares otherwise than the catalogue keeps it, and how to use it all the same."""
    from mtjfit.wafer.stack.from_catalogue import kept_otherwise

    if changes := kept_otherwise(catalogue, loaded):
        words = command_line("wafer", catalogue.path, "--output", "page", "--stacks", "--study", study)
        click.echo(f"\nWarning: {catalogue.path} keeps the declarations that it was made with; {study} has others:")
        click.echo("".join(f"  {visible(each)}\n" for each in changes) + f"To use these: {words}")


def _say(catalogue: Catalogue, table: Path, summary: BatchSummary, quiet: bool) -> None:
    """Print numbers of devices, flags and faults; if quiet, only faults."""
    from mtjfit.text import table as text_table
    from mtjfit.wafer.reduce.reduced import FLAG_MEANING

    configuration = summary.source.configuration.fingerprint
    faults = catalogue.faults(configuration) if summary.faults else None
    mine = [] if faults is None else faults[faults["table"] == summary.source.name].to_dict("records")
    problems = [Problem(str(row["where"]), str(row["what"]), str(row["todo"])) for row in mine]
    if mine and not summary.devices:
        refuse_unusable(table, problems, f"{summary.faults}")
    if not quiet:
        rows = [("devices in the catalogue", str(summary.devices), f"{summary.added} of them now")]
        rows.append(("  with a flag", str(summary.any_flag), ""))
        rows += [(f"    {name}", str(n), FLAG_MEANING[name]) for name, n in summary.flagged.items() if n]
        rows.append(("could not be used", str(summary.faults), ""))
        rate = f"{summary.added / summary.seconds:.0f} devices/s" if summary.added else ""
        rows.append(("time", f"{summary.seconds:.1f} s", rate))
        click.echo("\n" + text_table(("", "number", ""), rows))
    if marked := [each.label for each in catalogue.origins(configuration) if each.label]:
        click.echo("\n" + visible(f"Of the devices in {catalogue.path}: {'; '.join(marked)}"))
    if mine:
        lost = counted(len(mine), "device")
        click.echo(f"\nWarning: {lost} could not be used; the table faults of the catalogue lists them.")
        for row, problem in zip(mine[:_MOST_FAULTS], problems, strict=False):
            click.echo(visible(f"  {row['device']}: {problem}"))
        if len(mine) > _MOST_FAULTS:
            click.echo(f"  and {len(mine) - _MOST_FAULTS} more")
