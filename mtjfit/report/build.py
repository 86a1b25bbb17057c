"""One HTML page from a result: no network, no scripts, every text from a file escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from mtjfit.comparison.mechanisms.comparison import MechanismComparison
from mtjfit.html import template
from mtjfit.infer import FitResult, Posterior
from mtjfit.prior_influence.tables import narrowing_record
from mtjfit.report.document import ResultFolder, result_document, result_files
from mtjfit.report.figures import ReportFigure, report_figures
from mtjfit.report.findings import Findings, findings
from mtjfit.report.sections import sections
from mtjfit.report.tables import number_files, report_tables
from mtjfit.results.headers import free_lengths, header_fields, notices
from mtjfit.results.identify_text import model_test
from mtjfit.results.methods import REFERENCES, methods
from mtjfit.results.publish import latex_parameters, markdown, table_csv
from mtjfit.results.tables import meaning
from mtjfit.results.verdicts import checks, learned, not_determined
from mtjfit.text import Table

__all__ = ["report_html", "write_report"]

DOI = "10.1103/PhysRevB.86.060404"


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


def _texts(found: Findings, tables: Mapping[str, Table], provenance: Mapping[str, object]) -> dict[str, bytes]:
    """Tables as CSV, the first of them for a paper, and the methods paragraph."""
    files = {f"table_{name}.csv": table_csv(table) for name, table in tables.items() if table.rows}
    first = tables["combinations" if found.posterior is None else "parameters"]
    files["summary.md"] = markdown(first).encode()
    if found.posterior is not None:
        files["summary.tex"] = latex_parameters(found.posterior).encode()
    files["methods.md"] = (methods(found.fit, found.posterior, _versions(provenance)) + "\n").encode()
    return files


def report_html(found: Findings, provenance: Mapping[str, object], figures: Sequence[ReportFigure]) -> str:
    """The page.

    Parameters
    ----------
    provenance : mapping
        From `mtjfit.results.methods`.

    Returns
    -------
    str
        HTML.
    """
    fit, posterior = found.fit, found.posterior
    tables = report_tables(found)
    return template("mtjfit.report", "report.html.j2").render(
        study=fit.study,
        header=header_fields(fit.study, fit),
        notices=notices(fit),
        checks=checks(fit, posterior),
        learned=learned(fit, posterior),
        glossary="; ".join(f"{name}: {meaning(name)}" for name in free_lengths(fit.study)),
        not_determined=not_determined(fit, posterior),
        model_test=model_test(fit.devices, fit.study.amplitudes),
        known=fit.identifiability,
        verdict=None if posterior is None else posterior.verdict,
        settings={} if posterior is None else posterior.settings,
        evidence=None if posterior is None else posterior.evidence,
        sections=sections(found, figures, tables),
        tables=tables,
        trace=next((figure for figure in figures if figure.name == "trace"), None),
        svg=lambda figure: Markup(figure.svg),  # noqa: S704 - cleaned by inline_svg
        provenance=_flat(provenance),
        paper=REFERENCES["theory"],
        methods=methods(fit, posterior, _versions(provenance)),
        doi=DOI,
    )


def write_report(
    folder: ResultFolder,
    fit: FitResult,
    posterior: Posterior | None,
    provenance: Mapping[str, object],
    mechanisms: MechanismComparison | None = None,
    *,
    pdf: bool = False,
) -> None:
    """Write everything: the page, the figures, ``summary.csv``, ``draws.npz``, the study file and ``result.json``.

    Parameters
    ----------
    posterior : Posterior or None
        None where one thickness determines combinations only.
    provenance : mapping
        From `mtjfit.results.methods`.
    mechanisms : MechanismComparison, optional
        Of the same study; without one the page says how to get it.
    pdf : bool
        Figures as PDF, too.

    Raises
    ------
    MtjfitError
        The folder holds other files or cannot be written.
    """
    found = findings(fit, posterior, mechanisms)
    figures = report_figures(found, pdf=pdf)
    files = result_files(fit, posterior) | number_files(found) | _texts(found, report_tables(found), provenance)
    for figure in figures:
        files |= figure.files
    files["report.html"] = report_html(found, provenance, figures).encode()
    record = None if posterior is None else narrowing_record(posterior, found.narrowing, found.sensitivity)
    folder.write(files, result_document(fit, posterior, provenance, mechanisms, record))
