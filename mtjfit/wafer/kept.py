"""The study under which a catalogue holds devices, as its text was kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mtjfit.errors import ConfigError, Problem
from mtjfit.wafer.declared import WaferStudy, load_wafer

if TYPE_CHECKING:
    from mtjfit.wafer.catalogue import Catalogue, Configuration

__all__ = ["group_study", "kept_study"]


def kept_study(configuration: Configuration, table: Path) -> WaferStudy:
    """The study of a configuration, for a table that lies where it lies now.

    Raises
    ------
    ConfigError
        No text was kept, or this version does not understand it any more.
    """
    if not configuration.study:
        raise ConfigError([Problem("the catalogue", "holds no study file", "give it with --study")])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "wafer.toml"
        file.write_text(configuration.study, encoding="utf-8")
        return load_wafer(file, table)


def group_study(catalogue: Catalogue, file: Path | None = None, configuration: str = "") -> WaferStudy:
    """The study for fits of groups: the one that was kept, or one with other priors.

    Parameters
    ----------
    catalogue : Catalogue
    file : Path, optional
        A wafer study file in place of the one that was kept.
    configuration : str
        Beginning of the fingerprint, where the catalogue holds several.

    Raises
    ------
    ConfigError
        The file cannot be used, or declares what would have given the devices other numbers.
    DataError
        None or several configurations.
    """
    chosen = catalogue.configuration(configuration)
    sources = catalogue.sources(chosen.fingerprint)
    table = Path(sources[0].name if sources else "table.csv")
    if file is None:
        return kept_study(chosen, table)
    study = load_wafer(file, table)
    if study.fingerprint() != chosen.fingerprint:
        what = f"declares other columns, units, errors or amplitudes than those that {catalogue.path} was made with"
        todo = "change priors, smooth parts and [sampling] only, or repeat mtjfit batch with it"
        raise ConfigError([Problem(str(file), what, todo)])
    return study
