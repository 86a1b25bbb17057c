"""``mtjfit compare A.toml B.toml``: data sets on one footing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import NotConverged
from mtjfit.output import OutputFolder, json_bytes
from mtjfit.terminal import as_text, echo, figure_names, labels_of, progress

if TYPE_CHECKING:
    from mtjfit.comparison.studies.tension import StudyComparison
    from mtjfit.infer import FitResult
    from mtjfit.study import Study
    from mtjfit.text import Table

__all__ = ["compare_studies"]

_FILES = ("studies.txt", *figure_names("studies"), "studies.json")


def compare_studies(
    files: tuple[Path, ...],
    shared: tuple[str, ...],
    output: Path | None,
    seed: int | None,
    quiet: bool,
    pdf: bool = False,
) -> None:
    """Compare, print, write.

    Raises
    ------
    NotConverged
        Some run did not converge.
    """
    from mtjfit.comparison.studies.joint import joint_posterior
    from mtjfit.comparison.studies.tension import compare_studies as compare
    from mtjfit.infer import fit
    from mtjfit.study import load_study

    studies: dict[str, Study] = {}
    for label, file in labels_of(files).items():
        progress(f"reading {file}", quiet)
        studies[label] = load_study(file)
    joint_posterior(studies, shared or None)  # refuse what cannot be compared before anything takes time
    folder = None if output is None else OutputFolder(output, "comparison of data sets", _FILES.__contains__)
    if folder is not None:
        folder.prepare()
    progress("fitting each data set", quiet)
    fits = {label: fit(study) for label, study in studies.items()}
    progress(f"sampling {len(studies)} data sets, and all of them together", quiet)
    seed = next(iter(studies.values())).sampling.seed if seed is None else seed
    found = compare(studies, shared or None, seed=seed, progress=not quiet)
    parts, said = _parts(found, studies, fits)
    echo(*(said if quiet else parts))
    if folder is not None:
        progress("drawing figures", quiet)
        folder.write(_content(found, studies, as_text(*parts), pdf))
        click.echo(f"Comparison: {folder.path / 'studies.txt'}")
    if not found.converged:
        raise NotConverged("\n".join(said))


def _parts(
    found: StudyComparison, studies: dict[str, Study], fits: dict[str, FitResult]
) -> tuple[list[str | Table], list[str]]:
    """Everything that is said, and the conclusions alone."""
    from mtjfit.comparison.studies.tables import (
        device_quantities,
        differences,
        footing_table,
        lengths_table,
        reconciled,
        study_sentences,
    )

    tables = [footing_table(studies), device_quantities(fits)]
    if found.converged:
        tables += [lengths_table(found), differences(found)]
    notes = [f"- {line}" for line in reconciled(studies)]
    said = [f"- {line}" for line in study_sentences(found)]
    return [tables[0], "\nWhat can be compared", *notes, *tables[1:], "\nConclusions", *said], said


def _content(found: StudyComparison, studies: dict[str, Study], text: str, pdf: bool) -> dict[str, bytes]:
    """All files by name."""
    from mtjfit.comparison.studies.plot import plot_studies
    from mtjfit.comparison.studies.tables import studies_document
    from mtjfit.plot.style import picture_files

    files = picture_files({"studies": plot_studies(found, studies)}, pdf)
    return files | {"studies.txt": text.encode(), "studies.json": json_bytes(studies_document(found, studies))}
