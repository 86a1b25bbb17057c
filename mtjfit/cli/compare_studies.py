"""``mtjfit compare A.toml B.toml``: data sets on one footing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.cli.drawn import drawn, names_of
from mtjfit.cli.terminal import as_text, echo, progress
from mtjfit.errors import NotConverged
from mtjfit.output import OutputFolder, json_bytes

if TYPE_CHECKING:
    from mtjfit.infer import FitResult
    from mtjfit.infer.tension import StudyComparison
    from mtjfit.study import Study
    from mtjfit.text import Table

__all__ = ["compare_studies", "labels_of"]

_FILES = ("studies.txt", *names_of("studies"), "studies.json")


def labels_of(files: tuple[Path, ...]) -> dict[str, Path]:
    """A short label for each study file: its name, or the folder where all have the same name.

    Examples
    --------
    >>> list(labels_of((Path("a/study.toml"), Path("b/study.toml"))))
    ['a', 'b']
    >>> list(labels_of((Path("one.toml"), Path("two.toml"))))
    ['one', 'two']
    """
    for name in (lambda f: f.stem, lambda f: f.resolve().parent.name, str):
        found = {name(file): file for file in files}
        if len(found) == len(files):
            return found
    raise click.UsageError("the same study is given twice")


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
    from mtjfit.infer import fit
    from mtjfit.infer.joint import joint_posterior
    from mtjfit.infer.tension import compare_studies as compare
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
    from mtjfit.results.studies import (
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
    from mtjfit.plot.studies import plot_studies
    from mtjfit.results.studies import studies_document

    files = drawn({"studies": plot_studies(found, studies)}, pdf)
    return files | {"studies.txt": text.encode(), "studies.json": json_bytes(studies_document(found, studies))}
