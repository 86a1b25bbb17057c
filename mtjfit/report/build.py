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
from mtjfit.results.identify_text import directions_table, model_test
from mtjfit.results.methods import REFERENCES, methods
from mtjfit.results.narrowing import narrowing_sentence, narrowing_table, sensitivity_sentence, sensitivity_table
from mtjfit.results.publish import latex_parameters, markdown, table_csv
from mtjfit.results.tables import (
    Table,
    combinations_table,
    devices_table,
    posterior_table,
    prior_table,
    undetermined_table,
)
from mtjfit.results.verdicts import checks, learned, not_determined
from mtjfit.results.write import result_document, result_files

__all__ = ["report_html", "report_tables", "write_report"]

DOI = "10.1103/PhysRevB.86.060404"
_FIRST = ("torque", "corner", "prior_posterior", "transfer", "combinations", "accumulation")  # the trace comes later


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


def _versions(provenance: Mapping[str, object]) -> Mapping[str, str]:
    found = provenance.get("versions")
    return {str(name): str(each) for name, each in found.items()} if isinstance(found, Mapping) else {}


def report_tables(fit: FitResult, posterior: Posterior | None) -> dict[str, Table]:
    """Every table of the page that says anything, by the name of its file."""
    tables = {"combinations": combinations_table(fit), "undetermined": undetermined_table(fit)}
    if posterior is not None:
        tables = {
            "parameters": posterior_table(posterior),
            "narrowing": narrowing_table(posterior),
            "sensitivity": sensitivity_table(posterior),
            "priors": prior_table(posterior),
            "combinations": combinations_table(fit),
        }
    tables["directions"] = directions_table(fit.identifiability.directions)
    tables["devices"] = devices_table(fit.study)
    return {name: table for name, table in tables.items() if table.rows or table.note}


def _priors_say(posterior: Posterior | None) -> tuple[str, ...]:
    """How much the data tell, and what would change with other priors; nothing of a run that did not converge."""
    if posterior is None or not posterior.verdict.converged:
        return ()
    return tuple(said for said in (narrowing_sentence(posterior), sensitivity_sentence(posterior)) if said)


def _texts(fit: FitResult, posterior: Posterior | None, provenance: Mapping[str, object]) -> dict[str, bytes]:
    """Tables as CSV, the first of them for a paper, and the methods paragraph."""
    tables = report_tables(fit, posterior)
    files = {f"table_{name}.csv": table_csv(table) for name, table in tables.items() if table.rows}
    first = tables["combinations" if posterior is None else "parameters"]
    files["summary.md"] = markdown(first).encode()
    if posterior is not None:
        files["summary.tex"] = latex_parameters(posterior).encode()
    files["methods.md"] = (methods(fit, posterior, _versions(provenance)) + "\n").encode()
    return files


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
    tables = report_tables(fit, posterior)
    devices = tables.pop("devices")
    by_name = {figure.name: figure for figure in figures}
    return _template().render(
        study=fit.study,
        header=header_fields(fit.study, fit),
        notices=notices(fit),
        checks=checks(fit, posterior),
        learned=learned(fit, posterior),
        not_determined=not_determined(fit, posterior),
        model_test=model_test(fit.devices, fit.study.amplitudes),
        priors_say=_priors_say(posterior),
        known=fit.identifiability,
        verdict=verdict,
        settings={} if posterior is None else posterior.settings,
        evidence=None if posterior is None else posterior.evidence,
        tables=list(tables.values()),
        devices=devices,
        figures=[by_name[name] for name in _FIRST if name in by_name],
        trace=by_name.get("trace"),
        svg=lambda figure: Markup(figure.svg),  # noqa: S704 - cleaned by inline_svg
        provenance=_flat(provenance),
        paper=REFERENCES["theory"],
        methods=methods(fit, posterior, _versions(provenance)),
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
    files = result_files(fit, posterior) | _texts(fit, posterior, provenance)
    for figure in figures:
        files |= figure.files
    files["report.html"] = report_html(fit, posterior, provenance, figures).encode()
    folder.write(files, result_document(fit, posterior, provenance))
