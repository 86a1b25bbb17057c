"""``mtjfit compare``: the mechanisms of a study, its devices, or several studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.errors import NotConverged, NotDetermined
from mtjfit.output import OutputFolder
from mtjfit.terminal import as_text, echo, figure_names, labels_of, progress
from mtjfit.text import Table

if TYPE_CHECKING:
    from mtjfit.comparison import MechanismComparison, StudyComparison

_TABLES = ("table", "pairs", "outliers", "repeats")
_BY_SOURCE = [f"{source}-{name}.csv" for source in ("alone", "common") for name in _TABLES]
_MECHANISM_FILES = (
    "mechanisms.txt",
    "mechanisms.csv",
    *figure_names("mechanisms", "signatures"),
)
_DEVICE_FILES = (
    *_BY_SOURCE,
    "consequences.csv",
    *figure_names("forest", "forest-common", "consequences"),
    "devices.txt",
)
_STUDY_FILES = ("studies.txt", *figure_names("studies"))
Written = tuple[Mapping[str, bytes], Mapping[str, object]]  # files, and the document with which they are marked


def _prepared(output: Path | None, kind: str, names: tuple[str, ...], marker: str) -> OutputFolder | None:
    """The folder, made and checked before anything is computed."""
    if output is None:
        return None
    folder = OutputFolder(
        output, f"comparison of {kind}", names.__contains__, marker, {"program": "mtjfit", "kind": kind}
    )
    folder.prepare()
    return folder


def _write(folder: OutputFolder | None, text: str, files: Callable[[], Written], *, quiet: bool) -> None:
    if folder is not None:
        progress("drawing figures", quiet)
        folder.write(*files())
        click.echo(f"Comparison: {folder.path / text}")


def compare_mechanisms_command(
    study: Path,
    extra: tuple[str, ...],
    output: Path | None,
    seed: int | None,
    quiet: bool,
    pdf: bool = False,
    *,
    compare: Callable[..., MechanismComparison] | None = None,
) -> None:
    """Compare mechanisms with `compare`, print, write; `NotDetermined` or `NotConverged` where there is no verdict."""
    from mtjfit.comparison.mechanisms.comparison import compare_mechanisms
    from mtjfit.comparison.mechanisms.models import signature_table
    from mtjfit.comparison.mechanisms.tables import conclusions, mechanism_document, mechanism_frame, mechanism_tables
    from mtjfit.parallel import n_processors
    from mtjfit.plain import csv_bytes
    from mtjfit.results.headers import header
    from mtjfit.study import load_study, refuse_nothing_free

    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    refuse_nothing_free(loaded, "there is no evidence to compare")
    folder = _prepared(output, "mechanisms", _MECHANISM_FILES, "mechanisms.json")
    progress("comparing mechanisms", quiet)
    found = (compare or compare_mechanisms)(loaded, seed, extra=extra, workers=n_processors(), progress=not quiet)
    said, per = [f"- {line}" for line in conclusions(found)], loaded.curves[0].per
    parts: list[str | Table] = [
        header(loaded, found.best.fit),
        signature_table(per),
        *mechanism_tables(found),
        "\nConclusions",
        *said,
    ]
    echo(*(said if quiet else (*parts, "")))

    def files() -> Written:
        from mtjfit.comparison.mechanisms.plot import plot_mechanisms, plot_signatures
        from mtjfit.plot.style import picture_files

        table = csv_bytes(mechanism_frame(found), loaded.label, index=False)
        figures = {"mechanisms": plot_mechanisms(found), "signatures": plot_signatures(per)}
        files = {"mechanisms.txt": as_text(*parts).encode(), "mechanisms.csv": table, **picture_files(figures, pdf)}
        return files, mechanism_document(found)

    _write(folder, "mechanisms.txt", files, quiet=quiet)
    # a missing number that could not change the verdict is named above, and no error
    if not found.decided:
        missing = found.described and any(factor.depends_on_bounds for factor in found.bayes_factors)
        raise (NotConverged if missing else NotDetermined)(conclusions(found)[0])


def compare_devices_command(
    study: Path, bias: float | None, output: Path | None, seed: int | None, quiet: bool, pdf: bool = False
) -> None:
    """Compare devices, each alone and, for several thicknesses, with the common lengths.

    All is printed and written; `NotConverged` then says that the posterior is no result.
    """
    from mtjfit.comparison.devices.comparison import compare_devices
    from mtjfit.comparison.free_layer.consequences import consequences
    from mtjfit.comparison.free_layer.layer import shares_one_layer
    from mtjfit.infer import fit, sample
    from mtjfit.plain import csv_bytes
    from mtjfit.results.headers import header
    from mtjfit.study import load_study, refuse_nothing_free

    progress(f"reading {study}", quiet)
    loaded = load_study(study)
    refuse_nothing_free(loaded, "there is nothing to sample")
    if bias is not None and bias <= 0:
        raise click.BadParameter("give a positive bias: the odd part is that between + and −", param_hint="--bias")
    folder = _prepared(output, "devices", _DEVICE_FILES, "mtjfit.json")
    progress("comparing devices, each alone", quiet)
    best = fit(loaded)
    compared, implied, posterior = [compare_devices(best, bias=bias)], None, None
    if loaded.n_thicknesses > 1:
        progress("sampling the common lengths", quiet)
        posterior = sample(loaded, seed, progress=not quiet)
        compared.append(compare_devices(posterior, bias=bias))
        if shares_one_layer(loaded):
            implied = consequences(posterior, bias=[compared[0].bias])
    parts: list[str | Table] = [header(loaded, best)]
    for one in compared:
        parts += [*one.tables(), "", *one.notes]
    if implied is not None:
        parts += [*implied.tables(), "", *implied.says]
    if not quiet:
        echo(*parts, "")

    def files() -> Written:
        from mtjfit.comparison.devices.plot import plot_forest
        from mtjfit.comparison.free_layer.plot import plot_consequences
        from mtjfit.plot.style import picture_files

        tables = [csv_bytes(getattr(one, name), loaded.label, index=False) for one in compared for name in _TABLES]
        found = dict(zip(_BY_SOURCE, tables, strict=False))
        figures = dict(zip(("forest", "forest-common"), map(plot_forest, compared), strict=False))
        if implied is not None:
            found["consequences.csv"] = csv_bytes(implied.table, loaded.label, index=False)
            figures["consequences"] = plot_consequences(implied)
        return {**found, **picture_files(figures, pdf), "devices.txt": as_text(*parts).encode()}, {}

    _write(folder, "devices.txt", files, quiet=quiet)
    if posterior is not None and not posterior.verdict.converged:
        raise NotConverged("the comparison with the common lengths is no result: the posterior did not converge")


def compare_studies_command(
    files: tuple[Path, ...],
    shared: tuple[str, ...],
    output: Path | None,
    seed: int | None,
    quiet: bool,
    pdf: bool = False,
    *,
    compare: Callable[..., StudyComparison] | None = None,
) -> None:
    """Put several studies on one footing, compare their lengths with `compare`, print, write.

    `NotConverged` if some run did not converge.
    """
    from mtjfit.comparison.studies import tables
    from mtjfit.comparison.studies.joint import joint_posterior
    from mtjfit.comparison.studies.tension import compare_studies
    from mtjfit.infer import fit
    from mtjfit.study import Study, load_study

    studies: dict[str, Study] = {}
    for label, file in labels_of(files).items():
        progress(f"reading {file}", quiet)
        studies[label] = load_study(file)
    joint_posterior(studies, shared or None)  # refuse what cannot be compared before anything takes time
    folder = _prepared(output, "data sets", _STUDY_FILES, "studies.json")
    progress("fitting each data set", quiet)
    fits = {label: fit(study) for label, study in studies.items()}
    progress(f"sampling {len(studies)} data sets, and all of them together", quiet)
    seed = next(iter(studies.values())).sampling.seed if seed is None else seed
    found = (compare or compare_studies)(studies, shared or None, seed=seed, progress=not quiet)
    notes, said = ([f"- {line}" for line in lines]
                   for lines in (tables.reconciled(studies), tables.study_sentences(found)))  # fmt: skip
    lengths = [tables.lengths_table(found), tables.length_ratios_table(found)] if found.converged else []
    parts: list[str | Table] = [
        tables.footing_table(studies), "\nWhat can be compared", *notes, tables.device_quantities(fits), *lengths,
        "\nConclusions", *said,
    ]  # fmt: skip
    echo(*(said if quiet else parts))

    def written() -> Written:
        from mtjfit.comparison.studies.plot import plot_studies
        from mtjfit.plot.style import picture_files

        files = picture_files({"studies": plot_studies(found, studies)}, pdf)
        return files | {"studies.txt": as_text(*parts).encode()}, tables.studies_document(found, studies)

    _write(folder, "studies.txt", written, quiet=quiet)
    if not found.converged:
        raise NotConverged(*said)
