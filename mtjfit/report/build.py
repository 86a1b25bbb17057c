"""One HTML page from a result: no network, no scripts, every text from a file escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import jinja2
from markupsafe import Markup

from mtjfit.infer import FitResult, Posterior
from mtjfit.report.figures import ReportFigure, report_figures
from mtjfit.results.folder import ResultFolder
from mtjfit.results.header import header_fields, notices
from mtjfit.results.tables import (
    combinations_table,
    devices_table,
    posterior_table,
    prior_table,
    undetermined_table,
)
from mtjfit.results.verdicts import checks, learned, not_determined
from mtjfit.results.write import result_document, result_files

__all__ = ["report_html", "write_report"]

PAPER = "A. Manchon, R. Matsumoto, H. Jaffrès, J. Grollier, Phys. Rev. B 86, 060404(R) (2012)"
DOI = "10.1103/PhysRevB.86.060404"
_FIRST = ("torque", "corner", "transfer", "combinations", "accumulation")  # the trace comes with the gate, further down


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mtjfit.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _flat(provenance: Mapping[str, object]) -> list[tuple[str, str]]:
    """Provenance as labelled lines; empty entries are left out."""
    lines = []
    for name, value in provenance.items():
        if isinstance(value, Mapping):
            lines += [(f"{name.replace('_', ' ')}: {key}", str(each)) for key, each in value.items()]
        elif value not in (None, ""):
            lines.append((name.replace("_", " "), str(value)))
    return lines


def report_html(
    fit: FitResult, posterior: Posterior | None, provenance: Mapping[str, object], figures: Sequence[ReportFigure]
) -> str:
    """The page.

    Parameters
    ----------
    fit : FitResult
    posterior : Posterior or None
        None where one thickness determines combinations only.
    provenance : mapping
        From `mtjfit.results.provenance`.
    figures : sequence of ReportFigure

    Returns
    -------
    str
        HTML.
    """
    verdict = None if posterior is None else posterior.verdict
    tables = [combinations_table(fit), undetermined_table(fit)]
    if posterior is not None:
        tables = [posterior_table(posterior), prior_table(posterior), combinations_table(fit)]
    by_name = {figure.name: figure for figure in figures}
    return _template().render(
        study=fit.study,
        header=header_fields(fit.study, fit),
        notices=notices(fit),
        checks=checks(fit, posterior),
        learned=learned(fit, posterior),
        not_determined=not_determined(fit, posterior),
        known=fit.identifiability,
        verdict=verdict,
        settings={} if posterior is None else posterior.settings,
        evidence=None if posterior is None else posterior.evidence,
        tables=[table for table in tables if table.rows or table.note],
        devices=devices_table(fit.study),
        figures=[by_name[name] for name in _FIRST if name in by_name],
        trace=by_name.get("trace"),
        svg=lambda figure: Markup(figure.svg),  # noqa: S704 - cleaned by inline_svg
        provenance=_flat(provenance),
        paper=PAPER,
        doi=DOI,
    )


def write_report(
    folder: ResultFolder, fit: FitResult, posterior: Posterior | None, provenance: Mapping[str, object]
) -> None:
    """Write everything: the page, the figures, ``summary.csv``, ``draws.npz``, the study file and ``result.json``.

    Raises
    ------
    MtjfitError
        The folder holds other files or cannot be written.
    """
    figures = report_figures(fit, posterior)
    files = result_files(fit, posterior)
    for figure in figures:
        files |= figure.files
    files["report.html"] = report_html(fit, posterior, provenance, figures).encode()
    folder.write(files, result_document(fit, posterior, provenance))
