"""The page and the folder of a result: one HTML file without network or scripts, figures, tables, ``result.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.html import PlannedFigure, inline_svg, program_of, template
from mtjfit.infer.saved import POSTERIOR_FILE, SAVED_STUDY, draws_bytes, saved_bytes
from mtjfit.infer.store.journal import is_journal
from mtjfit.output import OutputFolder
from mtjfit.plain import by_name, csv_bytes, plain
from mtjfit.plot.style import DOUBLE, render
from mtjfit.report.calls import beginning_of, call_of
from mtjfit.report.findings import Findings
from mtjfit.report.width import figure_width
from mtjfit.results.methods import REFERENCES
from mtjfit.results.publish import latex_parameters, markdown, markdown_text, table_csv
from mtjfit.results.symbols import in_symbols, symbols_as_html, symbols_of
from mtjfit.study.written import STUDY_DATA, STUDY_FILE, study_files

FIGURES = ("overview", "torque", "combinations", "transfer", "accumulation", "corner", "prior_posterior", "trace",
           "forest", "consequences", "mechanisms")  # fmt: skip
TABLES = ("parameters", "narrowing", "sensitivity", "assumptions", "priors", "undetermined", "directions",
          "combinations", "devices", "determined", "pairs", "odd", "repeats", "consequences", "evidence",
          "bayes_factors", "left_out", "criteria", "predictive_checks")  # fmt: skip
_RUN = "run"  # journal of the sampling, inside the folder of the result
_OURS = (
    *("summary.csv", "devices.csv", "pairs.csv", "consequences.csv", "mechanisms.csv", POSTERIOR_FILE, SAVED_STUDY),
    *(STUDY_FILE, STUDY_DATA, "report.html", "summary.md", "summary.tex", "methods.md"),
    *(f"table_{name}.csv" for name in TABLES),
    *(f"{figure}.{suffix}" for figure in FIGURES for suffix in ("svg", "pdf", "png")),
)
_OF_DEVICE = (
    *("device", "values", "sd", "chi2", "dof", "p_value"),
    *("scatter_chi2", "scatter_dof", "scatter_p_value"),
)


class ResultFolder(OutputFolder):
    """A folder that is new, empty, or holds an earlier result of mtjfit (``result.json``) or an interrupted run."""

    def __init__(self, path: Path):
        super().__init__(path, "result", _OURS.__contains__, "result.json", {"program": "mtjfit"}, _is_run)

    @property
    def run(self) -> Path:
        """Folder in which the run is saved until it has converged."""
        return self.path / _RUN


def _is_run(file: Path) -> bool:
    return file.name == _RUN and is_journal(file)


def result_document(found: Findings) -> dict[str, Any]:
    """Content of ``result.json``: all that the page says, in JSON types; null if undetermined or not finite."""
    fit, posterior, known = found.fit, found.posterior, found.fit.identifiability
    verdict = None if posterior is None else posterior.verdict
    evidence = None if posterior is None else posterior.evidence
    document = {
        "format": 1,
        "header": found.header,
        "notices": [{"loud": n.loud, "title": n.title, "lines": n.lines} for n in found.notices],
        "checks": [{"name": c.name, "state": c.state, "says": c.says} for c in found.checks],
        "learned": found.learned,
        "not_determined": found.not_determined,
        "helps_most": vars(found.helps),
        "fit": {"values": fit.values, "errors": fit.errors, "chi2": fit.chi2, "dof": fit.dof, "p_value": fit.p_value},
        "draws_chi2": None if found.drawn is None else {**vars(found.drawn), "ok": found.drawn.ok},
        "prior_conflicts": [{**vars(each), "says": each.says} for each in fit.conflicts],
        "identifiability": {
            "rank": known.rank,
            "n_parameters": known.n_parameters,
            "null_directions": known.null_directions,
            "determined": by_name(known.determined),
        },
        "devices": [{name: getattr(device, name) for name in _OF_DEVICE} for device in fit.devices],
        "priors": {name: p.prior.describe() for name, p in fit.study.parameters.items()},
        "converged": None if verdict is None else verdict.converged,
        "gate": [] if verdict is None else [{"name": c.name, "ok": c.ok, "says": c.says} for c in verdict.checks],
        "gate_notes": [] if verdict is None else [{"name": note.name, "says": note.says} for note in verdict.notes],
        "evidence": None if evidence is None else {
            "log_evidence": evidence.value,  # in units of the data's own density
            "error": evidence.error,
            "method": evidence.method,
            "k_hat": evidence.k_hat,
            "reliable": evidence.reliable,
        },
        "priors_and_data": None,
        "assumptions": [],
        "mechanisms": None,
        "summary": by_name(found.summary),
        "settings": {} if posterior is None else posterior.settings,
        "provenance": found.provenance,
    }  # fmt: skip
    for section in found.sections:
        document |= section.record
    return dict(plain(document))


def _saved(found: Findings) -> dict[str, bytes]:
    """The file from which `mtjfit report` makes the page again, with the draws if there are some."""
    versions = found.provenance.get("begun_with") or found.provenance.get("versions")
    made_by = {str(k): str(v) for k, v in versions.items()} if isinstance(versions, Mapping) else None
    name = SAVED_STUDY if found.posterior is None else POSTERIOR_FILE
    try:
        return {name: saved_bytes(found.fit.study, found.posterior, made_by)}
    except MtjfitError:  # a study made in Python: what was sampled must not be lost
        return {} if found.posterior is None else {name: draws_bytes(found.posterior)}


def result_files(found: Findings) -> dict[str, bytes]:
    """Numbers, draws, tables, texts for a paper and the study file, by name; no figures and no page."""
    files = {"summary.csv": csv_bytes(found.summary)} | _saved(found)
    tables = found.tables
    first = tables["combinations" if found.posterior is None else "parameters"]
    if found.posterior is not None:
        files["summary.tex"] = latex_parameters(found.posterior).encode()
    files |= study_files(found.fit.study)
    for section in found.sections:
        files |= section.files
    files |= {f"table_{name}.csv": table_csv(table) for name, table in tables.items() if table.rows}
    return files | {"summary.md": markdown(first).encode(), "methods.md": f"{markdown_text(found.methods)}\n".encode()}


if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOI = "10.1103/PhysRevB.86.060404"


@dataclass(frozen=True)
class ReportFigure(ShownAsCard):
    """One figure of the page: its files by name, the Python call that draws it, and its SVG for the page.

    That SVG has no ids that another figure has, too.
    """

    name: str
    caption: str
    files: dict[str, bytes]
    svg: str
    call: str = ""


def report_figures(found: Findings, *, pdf: bool = False, width: str | None = None) -> tuple[ReportFigure, ...]:
    """Draw every figure of a result, as PDF too if asked; those of draws that did not converge say so.

    `width` is that of `figure_width`, by default two columns of a journal.
    """
    marked = found.posterior is not None and not found.converged
    pictures = (picture for section in found.every_section for picture in section.pictures)
    look = {} if width is None else {"width": figure_width(width)}
    label = found.fit.study.label
    return tuple(_drawn(each, marked and each.shows_draws, label, pdf, look, call_of(each, width)) for each in pictures)


def _drawn(
    picture: PlannedFigure, marked: bool, label: str, pdf: bool, look: Mapping[str, float], call: str
) -> ReportFigure:
    figure = picture.draw(**look)
    if marked:
        _mark_unconverged(figure)
    svg = render(figure, "svg")
    files = {f"{picture.name}.svg": svg} | ({f"{picture.name}.pdf": render(figure, "pdf")} if pdf else {})
    # a caption travels without its page
    caption = f"{'NOT CONVERGED. ' if marked else ''}{picture.caption}{f' {label}.' if label else ''}"
    return ReportFigure(picture.name, caption, files, inline_svg(svg, picture.name, picture.alt), call)


def _mark_unconverged(figure: Figure) -> None:
    text = figure.text(0.5, 0.62, "NOT CONVERGED", ha="center", va="center", rotation=-20, fontsize=30, weight="bold")
    text.set(color="#b00020", alpha=0.35, in_layout=False, gid="not-converged")


def _flat(provenance: Mapping[str, object]) -> list[tuple[str, str]]:
    """Provenance as labelled lines; empty entries are left out."""
    lines = []
    for name, value in provenance.items():
        if isinstance(value, Mapping):
            lines += [(f"{name.replace('_', ' ')}: {key}", str(each)) for key, each in value.items()]
        elif value not in (None, ""):
            lines.append((name.replace("_", " "), str(value)))
    return lines


def report_html(found: Findings, figures: Sequence[ReportFigure], *, width: str | None = None) -> str:
    """The page as HTML, with the figures that were drawn, in the `width` in which they were."""
    fit, posterior = found.fit, found.posterior
    drawn = {figure.name: figure for figure in figures}
    symbols, beginning = symbols_of(fit.study), beginning_of(found)
    return template("report/report.html.j2").render(
        found=found,
        ordered_checks=sorted(found.checks, key=lambda check: check.name != "converged"),
        study=fit.study,
        words=lambda text: symbols_as_html(text, symbols),
        methods=in_symbols(found.methods, symbols),
        program=lambda figure: program_of(figure.name, figure.call, beginning),
        known=fit.identifiability,
        verdict=None if posterior is None else posterior.verdict,
        settings={} if posterior is None else posterior.settings,
        evidence=None if posterior is None else posterior.evidence,
        tables=found.tables,
        drawn=drawn,
        share=None if width is None else round(min(100.0, 100 * figure_width(width) / DOUBLE), 1),
        svg=lambda figure: Markup(figure.svg),  # noqa: S704 - cleaned by inline_svg
        provenance=_flat(found.provenance),
        paper=REFERENCES["theory"],
        doi=DOI,
    )


def write_report(
    folder: ResultFolder,
    found: Findings,
    *,
    pdf: bool = False,
    width: str | None = None,
    draw: Callable[..., Sequence[ReportFigure]] = report_figures,
) -> None:
    """Write everything: the page, the figures, ``summary.csv``, ``draws.npz``, the study file and ``result.json``.

    `draw` takes `found`, `pdf` and, where one is asked for, `width`, and returns the figures. MtjfitError if the folder
    holds other files or cannot be written; ValueError for a width that `figure_width` refuses.
    """
    figures = draw(found, pdf=pdf, **({} if width is None else {"width": width}))
    files = result_files(found)
    for figure in figures:
        files |= figure.files
    files["report.html"] = report_html(found, figures, width=width).encode()
    folder.write(files, result_document(found))
