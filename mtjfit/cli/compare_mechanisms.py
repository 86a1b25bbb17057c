"""``mtjfit compare --mechanisms``."""

from __future__ import annotations

import csv
import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from mtjfit.cli.folder import prepare, write
from mtjfit.cli.terminal import progress
from mtjfit.errors import NotConverged, NotDetermined

if TYPE_CHECKING:
    from mtjfit.infer.comparison import MechanismComparison

__all__ = ["compare_mechanisms"]

_WIDTH = 100
_NAME = "mechanisms"
_FIGURES = (_NAME, "signatures")
_FORMATS: tuple[Literal["svg", "pdf", "png"], ...] = ("svg", "pdf", "png")
# the document last: where it stands all others do
_FILES = ("mechanisms.txt", "mechanisms.csv", *(f"{n}.{f}" for n in _FIGURES for f in _FORMATS), "mechanisms.json")


def compare_mechanisms(study: Path, extra: tuple[str, ...], output: Path | None, seed: int | None, quiet: bool) -> None:
    """Compare, print, write, and end with an error where there is no verdict.

    Raises
    ------
    NotDetermined
        One thickness, or the data cannot decide.
    NotConverged
        Some number is not reliable.
    """
    from mtjfit.infer.comparison import compare_mechanisms as compare_study
    from mtjfit.results.header import header
    from mtjfit.results.mechanisms import conclusions
    from mtjfit.study import load_study

    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    if output is not None:
        prepare(output, _FILES, "comparison of mechanisms")
    progress("comparing mechanisms", quiet)
    found = compare_study(loaded, seed, extra=extra, progress=not quiet)
    said = "\n".join(textwrap.fill(f"- {line}", _WIDTH, subsequent_indent="  ") for line in conclusions(found))
    text = f"{header(loaded, found.best.fit)}\n\n{_tables(found)}\n\nConclusions\n{said}\n"
    click.echo(said if quiet else text)
    if output is not None:
        progress("drawing figures", quiet)
        write(output, _FILES, _content(found, text))
        click.echo(f"Comparison: {output / 'mechanisms.txt'}")
    verdict = conclusions(found)[0]
    if not found.settled:
        raise NotConverged(verdict)
    if not found.decided:
        raise NotDetermined(verdict)


def _tables(found: MechanismComparison) -> str:
    from mtjfit.results.mechanisms import mechanism_tables
    from mtjfit.results.signatures import signature_table

    shown = []
    for each in (signature_table(found.study.curves[0].per), *mechanism_tables(found)):
        body, _, note = str(each).rpartition("\n") if each.note else (str(each), "", "")
        shown.append("\n".join(part for part in (body, textwrap.fill(note, _WIDTH)) if part))
    return "\n\n".join(shown)


def _content(found: MechanismComparison, text: str) -> dict[str, bytes]:
    """All files by name."""
    import mtjfit.plot
    from mtjfit.plot.mechanisms import plot_mechanisms, plot_signatures
    from mtjfit.results.mechanisms import mechanism_document

    figures = dict(zip(_FIGURES, (plot_mechanisms(found), plot_signatures(found.study.curves[0].per)), strict=True))
    files = {"mechanisms.txt": text.encode(), "mechanisms.csv": _rows(found).encode()}
    files |= {
        f"{name}.{form}": mtjfit.plot.render(figure, form) for name, figure in figures.items() for form in _FORMATS
    }
    files["mechanisms.json"] = mechanism_document(found).encode()
    return files


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
