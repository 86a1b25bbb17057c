"""``mtjfit compare --mechanisms``."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import NotConverged, NotDetermined
from mtjfit.output import OutputFolder
from mtjfit.terminal import as_text, echo, figure_names, progress

if TYPE_CHECKING:
    from mtjfit.comparison.mechanisms.comparison import MechanismComparison
    from mtjfit.text import Table

__all__ = ["compare_mechanisms"]

_NAME = "mechanisms"
_FIGURES = (_NAME, "signatures")
# the document last: where it stands all others do
_FILES = ("mechanisms.txt", "mechanisms.csv", *figure_names(*_FIGURES), "mechanisms.json")


def compare_mechanisms(
    study: Path, extra: tuple[str, ...], output: Path | None, seed: int | None, quiet: bool, pdf: bool = False
) -> None:
    """Compare, print, write, and end with an error where there is no verdict.

    Raises
    ------
    NotDetermined
        One thickness, or the data cannot decide.
    NotConverged
        Some number that would decide could not be computed.
    """
    from mtjfit.comparison.mechanisms.comparison import compare_mechanisms as compare_study
    from mtjfit.comparison.mechanisms.models import signature_table
    from mtjfit.comparison.mechanisms.tables import conclusions, mechanism_tables
    from mtjfit.parallel import n_processors
    from mtjfit.results.headers import header
    from mtjfit.study import load_study, refuse_nothing_free

    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    refuse_nothing_free(loaded, "there is no evidence to compare")
    folder = None if output is None else OutputFolder(output, "comparison of mechanisms", _FILES.__contains__)
    if folder is not None:
        folder.prepare()
    progress("comparing mechanisms", quiet)
    found = compare_study(loaded, seed, extra=extra, workers=n_processors(), progress=not quiet)
    said = [f"- {line}" for line in conclusions(found)]
    tables = (signature_table(found.study.curves[0].per), *mechanism_tables(found))
    parts: list[str | Table] = [header(loaded, found.best.fit), *tables, "\nConclusions", *said]
    echo(*(said if quiet else (*parts, "")))
    if folder is not None:
        progress("drawing figures", quiet)
        folder.write(_content(found, as_text(*parts), pdf))
        click.echo(f"Comparison: {folder.path / 'mechanisms.txt'}")
    verdict = conclusions(found)[0]
    # a number that is missing and could not change the verdict is named above, and no error
    if not found.decided:
        missing = found.described and any(factor.hangs_on_bounds for factor in found.bayes_factors)
        raise NotConverged(verdict) if missing else NotDetermined(verdict)


def _content(found: MechanismComparison, text: str, pdf: bool) -> dict[str, bytes]:
    """All files by name."""
    from mtjfit.comparison.mechanisms.plot import plot_mechanisms, plot_signatures
    from mtjfit.comparison.mechanisms.tables import mechanism_document
    from mtjfit.plot.style import picture_files

    figures = dict(zip(_FIGURES, (plot_mechanisms(found), plot_signatures(found.study.curves[0].per)), strict=True))
    files = {"mechanisms.txt": text.encode(), "mechanisms.csv": _rows(found).encode()}
    return files | picture_files(figures, pdf) | {"mechanisms.json": mechanism_document(found).encode()}


def _rows(found: MechanismComparison) -> str:
    """One row for each mechanism, full precision."""
    text = io.StringIO()
    if found.study.label:
        text.write(f"# {found.study.label}\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("mechanism", "log_evidence", "error", "log_prediction", "chi2", "dof", "k", "aic", "bic"))
    for one in found.results:
        rows.writerow((one.name, one.evidence.value, one.evidence.error, one.log_prediction, one.fit.chi2, one.fit.dof,
                       one.n_determined, one.aic, one.bic))  # fmt: skip
    return text.getvalue()
