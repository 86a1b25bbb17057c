"""``mtjfit check`` of a file for spectra: reads all of its files and says what is in them."""

from __future__ import annotations

from pathlib import Path

import click

from mtjfit.terminal import command_line, echo, progress


def is_spectra_study(study: Path) -> bool:
    """True for a study file with a table ``[spectra]``."""
    from mtjfit.toml import declares

    return declares(study, "spectra")


def check_spectra(study: Path) -> None:
    """Read all files of spectra, and print how many spectra each device has and what became of the rows.

    ConfigError or DataError as of `load_spectra`.
    """
    from collections import Counter

    from mtjfit.spectra import load_spectra
    from mtjfit.text import Table, counted

    progress(f"reading {study}")
    loaded = load_spectra(study)
    echo(*(f"Notice:  {notice}" for notice in loaded.notices))
    rows, n = loaded.rows, Counter(each.device for each in loaded.spectra)
    echo(f"{len(loaded.spectra)} spectra in {counted(len(loaded.files), 'file')}: {rows.read} rows, {rows.used} used, "
         f"{rows.masked} masked, {rows.outside} outside line.range")  # fmt: skip
    listed = tuple((name, str(count)) for name, count in list(n.items())[:50])
    note = f"The first 50 of {len(n)} devices." if len(n) > len(listed) else ""
    echo(Table("Devices", ("device", "spectra"), listed, note))
    click.echo(f"Next:   {command_line('spectra', study, '--output', 'lines')}")
