"""``mtjfit batch``: a table of many devices into a catalogue of what each determines."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import DataError, MtjfitError, Problem
from mtjfit.terminal import INTERRUPTED, progress

if TYPE_CHECKING:
    from mtjfit.wafer import WaferStudy
    from mtjfit.wafer.catalogue import Catalogue
    from mtjfit.wafer.reduce.batch import BatchSummary

__all__ = ["batch_command", "said_of"]

_MOST_FAULTS = 20


@click.command(short_help="Reduce a table of many devices into a catalogue.")
@click.argument("table", type=click.Path(path_type=Path), metavar="TABLE")
@click.option("--study", type=click.Path(path_type=Path), metavar="WAFER.toml", help="What the columns mean.")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="CATALOGUE",
    help="New file such as wafer.db, or an earlier catalogue.",
)
@click.option("--workers", type=click.IntRange(0, 1024), default=0, metavar="N", help="Reduce in N further processes.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="Reduce on the workers of a dask scheduler.")
@click.option("--export", type=click.Path(path_type=Path), metavar="FILE", help="All devices as .csv or .parquet.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; only what must not be missed.")
def batch_command(
    table: Path, study: Path | None, output: Path, workers: int, scheduler: str, export: Path | None, quiet: bool
) -> None:
    """Reduce every device of TABLE to what it determines alone, and keep that in CATALOGUE, an SQLite file.

    TABLE is a CSV or Parquet file, a folder, or a quoted pattern of files such as "dies/*.csv". It is read in pieces;
    memory is bounded by [wafer] memory. Ctrl-C finishes the chunk at hand; the same command goes on from there, also
    after a crash. Devices that cannot be used are listed, never dropped; the exit code is 0 as long as one could be
    used.

    One process is enough as a rule: it reduces 100 000 curves in seconds. --workers and --scheduler take
    dask.distributed: pip install 'mtjfit[cluster]'. Results are the same to the last bit. dask sends Python objects
    between its processes, which run as code where they arrive: whoever reaches the port of a scheduler can run programs
    on its workers. --workers listens to this computer only; give --scheduler only addresses inside a network you trust.
    """
    if study is None:
        raise click.UsageError(_no_study(table))
    from mtjfit.wafer import load_wafer
    from mtjfit.wafer.catalogue import open_catalogue, refuse_export
    from mtjfit.wafer.reduce.batch import run_batch

    again = _again(table, study, output, workers, scheduler, export)
    loaded = load_wafer(study, table)
    if export is not None:
        if export.resolve() in {each.resolve() for each in (table, study, output)}:
            raise click.UsageError(f"--export {export}: would overwrite it; name another file.")
        refuse_export(export)
    if not quiet:
        click.echo(f"{said_of(loaded)}\n{'catalogue':<11}{output}")
    with open_catalogue(output, write=True) as catalogue:
        progress(f"reading {table}", quiet)
        with _saying_how_to_go_on(catalogue, again):
            summary = run_batch(loaded, catalogue, workers=workers, scheduler=scheduler, progress=not quiet)
        _refuse_nothing(catalogue, table, summary)
        _say(catalogue, summary, quiet)
        if export is not None:
            progress(f"writing {export}", quiet)
            n = catalogue.export(export, configuration=summary.source.configuration.fingerprint)
            click.echo(f"Export:    {export} ({n} devices)")
    click.echo(f"Catalogue: {output}")


def _no_study(table: Path) -> str:
    return (
        f"--study is missing: nothing is guessed about the columns of {table}.\n"
        f"To get one: mtjfit init {shlex.quote(str(table))} --output wafer.toml\n"
        "Fill in what it marks, see or add the table [wafer] with the columns of x, y, wafer and split, if there are "
        "any, and try it with mtjfit check wafer.toml. Then give --study wafer.toml."
    )


def _again(table: Path, study: Path, output: Path, workers: int, scheduler: str, export: Path | None) -> str:
    words = ["mtjfit", "batch", str(table), "--study", str(study), "--output", str(output)]
    words += ["--workers", str(workers)] if workers else []
    words += ["--scheduler", scheduler] if scheduler else []
    words += ["--export", str(export)] if export else []
    return shlex.join(words)


def said_of(study: WaferStudy) -> str:
    """What was declared, in a few lines."""
    from mtjfit.data import pretty
    from mtjfit.text import number
    from mtjfit.wafer.read.table import table_origins

    declared, wafer = study.declaration, study.wafer
    flipped = ", flipped to M x P" if declared.perp_axis == "PxM" else ""
    errors = {"columns": "from the table", "fit": "from the scatter of each device"}
    places = ", ".join(f"{role} = {name!r}" for role, name in wafer.roles().items())
    origins = [each.label or each.kind for each in table_origins(study)]
    lines = {
        "table": str(study.table),
        "origin": "; ".join(origins),
        "study": study.name,
        "quantity": f"{declared.quantity} per {declared.per} in {pretty(declared.units.torque)}",
        "sign": f"T_perp along {declared.perp_axis.replace('x', ' x ')} in the table{flipped}",
        "errors": errors.get(str(declared.sigma), "the same at every point"),
        "J0(V)": ", ".join(study.study_template.amplitudes),
        "columns": places or "no positions, wafers or splits declared",
        "chunks": f"{wafer.chunk} devices, at most {number(wafer.memory / 2**20)} MiB",
    }
    return "\n".join(f"{name:<11}{words}" for name, words in lines.items())


@contextmanager
def _saying_how_to_go_on(catalogue: Catalogue, again: str) -> Iterator[None]:
    """Whatever ends a run early, the chunks that are written are not lost: say so, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            f"\nInterrupted; {catalogue.path} holds {catalogue.n_devices} devices. Go on with: {again}", err=True
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    except MtjfitError:
        if n := catalogue.n_devices:
            click.echo(f"Stopped early; {catalogue.path} holds {n} devices.", err=True)
        raise


def _refuse_nothing(catalogue: Catalogue, table: Path, summary: BatchSummary) -> None:
    """A table of which no device could be used was declared wrongly.

    Raises
    ------
    DataError
        With the first faults.
    """
    if summary.devices or not summary.faults:
        return
    faults = catalogue.faults(summary.source.configuration.fingerprint)
    mine = faults[faults["table"] == summary.source.name].head(_MOST_FAULTS)
    problems = [Problem(row["where"], row["what"], row["todo"]) for _, row in mine.iterrows()]
    what = f"none of its {summary.faults} devices could be used"
    raise DataError([*problems, Problem(str(table), what, "see whether it is declared as it is")])


def _say(catalogue: Catalogue, summary: BatchSummary, quiet: bool) -> None:
    """Numbers of devices, flags and faults; if quiet, only faults."""
    from mtjfit.text import table
    from mtjfit.wafer.reduce.reduced import FLAG_MEANING

    if not quiet:
        rows = [("devices in the catalogue", str(summary.devices), f"{summary.added} of them now")]
        rows.append(("  with a flag", str(summary.any_flag), ""))
        rows += [(f"    {name}", str(n), FLAG_MEANING[name]) for name, n in summary.flagged.items() if n]
        rows.append(("could not be used", str(summary.faults), ""))
        rate = f"{summary.added / summary.seconds:.0f} devices/s" if summary.added else ""
        rows.append(("time", f"{summary.seconds:.1f} s", rate))
        click.echo("\n" + table(("", "number", ""), rows))
    found = catalogue.origins(summary.source.configuration.fingerprint)
    if marked := [each.label for each in found if each.label]:
        click.echo(f"\nOf the devices in {catalogue.path}: " + "; ".join(marked))
    if summary.faults:
        faults = catalogue.faults(summary.source.configuration.fingerprint)
        mine = faults[faults["table"] == summary.source.name]
        click.echo(f"\nWarning: {len(mine)} devices could not be used; they stand in the table faults.")
        for _, row in mine.head(_MOST_FAULTS).iterrows():
            click.echo(f"  {row['device']}: {row['where']}: {row['what']}; {row['todo']}")
        if len(mine) > _MOST_FAULTS:
            click.echo(f"  and {len(mine) - _MOST_FAULTS} more")
