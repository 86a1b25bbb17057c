"""``mtjfit compare A.db B.db``: compare the wafers of one or more catalogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import ConfigError, DataError, Problem
from mtjfit.input import begins_with
from mtjfit.output import OutputFolder
from mtjfit.terminal import as_text, echo, figure_names, labels_of, progress

if TYPE_CHECKING:
    from mtjfit.text import Table
    from mtjfit.wafer.survey.survey import Survey

_MOST = 20  # figures
_TABLES = ("wafers.csv", "pairs.csv", "odd-wafers.csv")
_FILES = (*_TABLES, *figure_names(*(f"wafers-{k + 1}" for k in range(_MOST))), "wafers.txt")
_SQLITE = b"SQLite format 3\0"


def is_catalogue(path: Path) -> bool:
    """True for an SQLite file, by its first bytes; study files are text."""
    return begins_with(path, _SQLITE)


def compare_catalogues(
    catalogues: Sequence[Path],
    quantities: Sequence[str],
    own_error: float,
    common_error: float,
    output: Path | None,
    quiet: bool,
    pdf: bool = False,
) -> None:
    """Print means, spreads and pairs of all wafers of catalogues; write them as well if a folder is given.

    `own_error` and `common_error` are relative errors that all devices of a wafer, or of all wafers, share. Raises what
    `together` and `chosen_quantities` raise.
    """
    from mtjfit.plain import csv_bytes
    from mtjfit.plot.style import picture_files
    from mtjfit.wafer.catalogue import open_catalogue
    from mtjfit.wafer.commands.wafer import chosen_quantities
    from mtjfit.wafer.page.page import wafer_quantity_tables
    from mtjfit.wafer.page.text import means_table, wafers_table
    from mtjfit.wafer.plot import plot_control
    from mtjfit.wafer.stack.from_catalogue import stored_study
    from mtjfit.wafer.survey.curves import survey_of
    from mtjfit.wafer.survey.limits import WaferFindings

    surveys, per = {}, {}
    for label, file in labels_of(tuple(catalogues)).items():
        progress(f"reading {file}", quiet)
        with open_catalogue(file) as opened:
            surveys[label] = survey_of(opened, name=label)
            per[label] = ""
            with suppress(ConfigError):  # of an earlier version, or none is kept
                per[label] = stored_study(opened.configuration(), Path("table.csv")).declaration.per
    folder = None if output is None else OutputFolder(output, "comparison of wafers", _FILES.__contains__)
    if folder is not None:
        folder.prepare()
    survey = together(surveys, per, quantities)
    chosen = chosen_quantities(survey, quantities)
    findings = [WaferFindings(survey, quantity, own_error, common_error) for quantity in chosen]
    tables = [table for found in findings for table in (means_table(found), wafers_table(found)) if table.rows]
    parts: list[str | Table] = [*([survey.label] if survey.label else []), *tables]
    if not quiet:
        echo(*parts)
    if folder is not None:
        progress("drawing figures", quiet)
        known = (found for found in findings[:_MOST] if not found.limits.empty)
        figures = {f"wafers-{k + 1}": plot_control(survey, found.quantity, found) for k, found in enumerate(known)}
        numbers = {name: frame.assign(origin=survey.origin).set_index("quantity")
                   for name, frame in wafer_quantity_tables(findings).items() if name in _TABLES}  # fmt: skip
        files = {name: csv_bytes(frame) for name, frame in numbers.items()}
        folder.write(picture_files(figures, pdf) | files | {"wafers.txt": as_text(*parts).encode()})
        click.echo(f"Comparison: {folder.path / 'wafers.txt'}")


def together(surveys: Mapping[str, Survey], per: Mapping[str, str], quantities: Sequence[str] = ()) -> Survey:
    """One survey of several by label, to compare `quantities`, by default all that every survey has.

    If a name of a wafer occurs twice, all names get the label before them. `per` is ``"area"``, ``"volume"`` or
    ``"device"`` by label: amplitudes |κ|·a1 of different kinds are not comparable, which is a ConfigError, as different
    units are. DataError if there is no common quantity.
    """
    import pandas as pd

    from mtjfit.data import pretty
    from mtjfit.data.origin import distinct
    from mtjfit.wafer.survey.survey import Survey

    first_label, first = next(iter(surveys.items()))
    common = [name for name in first.quantities if all(name in each.quantities for each in surveys.values())]
    wanted = list(quantities) or common
    if not common:
        what = "have no quantity in common"
        raise DataError([Problem(" and ".join(surveys), what, "reduce them with the same amplitudes")])
    problems = []
    for label, other in list(surveys.items())[1:]:
        for name in wanted:
            one, two = first.unit(name), other.unit(name)
            if one != two:
                what = f"has {name} in {pretty(two) or 'no unit'}, {first_label} in {pretty(one) or 'no unit'}"
                problems.append(Problem(label, what, "declare one unit for both, and reduce again"))
            elif name.startswith("|kappa|") and per[label] != per[first_label]:
                what = f"has {name} per {per[label]}, {first_label} per {per[first_label]}"
                problems.append(Problem(label, what, "compare the slope ratio, which is the same for both"))
    if problems:
        raise ConfigError(problems)
    twice = pd.concat([each.frame["wafer"].drop_duplicates() for each in surveys.values()]).duplicated().any()
    frames = []
    for label, each in surveys.items():
        frame = each.frame.drop(columns="population")  # of all devices together
        if twice:
            frame["wafer"] = [f"{label}: {name}" if name else label for name in frame["wafer"]]
        frames.append(frame)
    origins = distinct(origin for each in surveys.values() for origin in each.origins)
    source = ", ".join(each.source for each in surveys.values())
    return Survey(
        " and ".join(surveys), pd.concat(frames, ignore_index=True), first.units, first.flags, origins, source
    )
