"""``mtjfit check`` of a wafer study: reduces the first devices of its table."""

from __future__ import annotations

from pathlib import Path

import click

from mtjfit.terminal import command_line, progress
from mtjfit.text import visible

_DEVICES = 200


def is_wafer_study(study: Path) -> bool:
    """True for a study file with a table ``[wafer]``."""
    from mtjfit.toml import declares

    return declares(study, "wafer")


def check_wafer(study: Path) -> None:
    """Read the file, reduce the first devices of its table, and print how many can be used.

    ConfigError or DataError if file or table are not as declared, or none of the first devices can be used.
    """
    from dataclasses import replace

    from mtjfit.wafer import FLAGS, chunks, load_wafer, reduce_chunk
    from mtjfit.wafer.commands.batch import declaration_text, refuse_unusable

    progress(f"reading {study}")
    loaded = load_wafer(study)
    few = replace(loaded, wafer=replace(loaded.wafer, chunk=min(loaded.wafer.chunk, _DEVICES)))
    progress(f"reading {loaded.table}")
    click.echo(declaration_text(loaded))
    found = reduce_chunk(few, next(chunks(few)))
    click.echo(f"\nThe first {len(found.device) + len(found.faults)} devices: {len(found.device)} can be used")
    for name, bit in FLAGS.items():
        if n := int(((found.flags & bit) != 0).sum()):
            click.echo(f"  {n} with the flag {name}")
    for fault in found.faults[:10]:
        click.echo(visible(f"  {fault.device}: {fault}"))
    if not found.device:
        refuse_unusable(loaded.table, [each.problem for each in found.faults[:10]], f"first {len(found.faults)}")
    words = command_line("batch", loaded.table, "--study", study, "--output", f"{loaded.table.stem}.db")
    click.echo(f"Next:   {words}")
