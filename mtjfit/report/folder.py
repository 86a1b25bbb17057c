"""Result folders as `mtjfit run` left them: what the page is made of again, on any machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.infer import Posterior, fit
from mtjfit.infer.saved import POSTERIOR_FILE, SAVED_STUDY, Saved, read_saved
from mtjfit.infer.store.fingerprint import describe, versions
from mtjfit.infer.store.journal import saved_steps
from mtjfit.input import read_bytes
from mtjfit.plain import checked_json
from mtjfit.report.build import ResultFolder, write_report
from mtjfit.report.findings import findings
from mtjfit.report.width import figure_width
from mtjfit.results import provenance
from mtjfit.study import Study
from mtjfit.terminal import command_line

_MARKER = "result.json"
_MAX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class _Document:
    """Keys of ``result.json`` that are needed; the numbers are computed again."""

    program: str
    status: str
    provenance: dict[str, str | int | dict[str, str] | None]
    mechanisms: dict[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class StoredResult(ShownAsCard):
    """A finished folder.

    Attributes
    ----------
    provenance : mapping
        Of the run, with the time of this reading, and the versions of now where they differ.
    mechanisms : bool
        Whether the page compared mechanisms.
    pdf : bool
        Whether the figures are there as PDF.
    """

    saved: Saved
    provenance: Mapping[str, object]
    mechanisms: bool
    pdf: bool


def read_result(folder: Path) -> StoredResult:
    """The result in a folder of `mtjfit run`, converged or not, or with combinations only; MtjfitError for others."""
    file = folder / _MARKER
    _refuse_no_result(folder)
    try:
        if not (data := read_bytes(file, str(file), _MAX_BYTES)):
            raise ValueError("it is empty")
        found = checked_json(_Document, data)
        if found.program != "mtjfit":
            raise ValueError("it is of another program")
    except ValueError as error:  # without its marker no folder is written again
        todo = f"move {folder} away, and run the study again"
        raise MtjfitError(f"{file}: is no document of mtjfit run ({error}); {todo}") from None
    draws = (folder / POSTERIOR_FILE).exists()
    if not draws and not (folder / SAVED_STUDY).exists():
        what = f"holds neither {POSTERIOR_FILE} nor {SAVED_STUDY}, of which the page is made"
        raise MtjfitError(f"{folder}: {what}; run the study again")
    saved = read_saved(folder / (POSTERIOR_FILE if draws else SAVED_STUDY), draws=draws)
    now, then = versions(), found.provenance.get("versions")
    provenance = {name: value for name, value in found.provenance.items() if not name.startswith("redrawn")}
    provenance["redrawn"] = datetime.now(UTC).isoformat(timespec="seconds")
    provenance |= {} if now == then else {"redrawn_with": now}
    pdf = any(folder.glob("*.pdf"))
    return StoredResult(saved, provenance, found.mechanisms is not None, pdf)


def _refuse_no_result(folder: Path) -> None:
    if (folder / _MARKER).exists():
        return
    if not folder.is_dir():
        what = "is no folder" if os.path.lexists(folder) else "there is no such folder"
        raise MtjfitError(f"{folder}: {what}; name the folder of a run")
    if (steps := saved_steps(ResultFolder(folder).run)) is not None:
        words = command_line("run", "STUDY.toml", "--output", folder, "--resume")
        what = f"holds no result yet, but an unfinished run of {steps} steps"
        raise MtjfitError(f"{folder}: {what}; continue it: {words}, with the study that it was begun with")
    raise MtjfitError(f"{folder}: holds no result of mtjfit run ({_MARKER} is missing); name the folder of a run")


def finished_run(folder: Path, study: Study, seed: int) -> tuple[Posterior, Mapping[str, str]] | None:
    """Draws that a folder already holds of a study and seed, and the versions that made them.

    None where there are none, of other numbers, that have not converged, or fewer than the study wants now.
    """
    if not (folder / POSTERIOR_FILE).exists():
        return None
    try:
        saved = read_saved(folder / POSTERIOR_FILE, draws=True)
    except MtjfitError:  # of an earlier version: the folder is written anew, as ever
        return None
    found = saved.posterior
    if found is None or not found.verdict.converged or study.sampling.target_ess > saved.study.sampling.target_ess:
        return None
    if describe(saved.study, found.settings["seed"]) != describe(study, seed):
        return None
    return replace(found, study=study), saved.versions


def report_posterior(
    posterior: Posterior,
    folder: str | Path,
    *,
    pdf: bool = False,
    width: str | None = None,
    level: float | None = None,
) -> Path:
    """Write page, figures, tables and draws of a posterior into a folder, as ``mtjfit run`` does.

    Parameters
    ----------
    folder : str or Path
        New, empty, or of an earlier result.
    pdf : bool
        Figures as PDF, too.
    width : str, optional
        Of the figures, with its unit: ``"86mm"`` for one column of a journal, ``"178mm"``, ``"8.6cm"``, ``"3.4in"``; by
        default 6.75 inches. Letters keep their size, panels move.
    level : float, optional
        Share of the draws in intervals and bands, 0.5 to 0.999; by default that of the posterior.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    MtjfitError
        The folder holds other files, or cannot be written.
    ValueError
        The width has no unit, or is not between 80 and 300 mm; or the level is none.

    Examples
    --------
    >>> import mtjfit
    >>> posterior = mtjfit.sample(study)  # doctest: +SKIP
    >>> mtjfit.report.report_posterior(posterior, "result")  # doctest: +SKIP
    PosixPath('result/report.html')
    """
    if width is not None:
        figure_width(width)
    if level is not None:
        posterior = replace(posterior, level=level)
    target = ResultFolder(Path(folder))
    target.prepare()
    made_by = provenance(posterior.study, posterior.settings["seed"], "mtjfit.report.report_posterior")
    write_report(target, findings(fit(posterior.study), posterior, made_by), pdf=pdf, width=width)
    return target.path / "report.html"
