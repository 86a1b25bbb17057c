"""One HTML page from a result: no network, no scripts, every text from a file escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from mtjfit.html import PlannedFigure, inline_svg, template
from mtjfit.plot.style import render
from mtjfit.report.document import ResultFolder, result_document, result_files
from mtjfit.report.findings import Findings
from mtjfit.results.headers import free_lengths
from mtjfit.results.methods import REFERENCES
from mtjfit.results.tables import meaning

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOI = "10.1103/PhysRevB.86.060404"


@dataclass(frozen=True)
class ReportFigure:
    """One figure of the page: its files by name, and its SVG for the page, without ids that another figure has too."""

    name: str
    caption: str
    files: dict[str, bytes]
    svg: str


def report_figures(found: Findings, *, pdf: bool = False) -> tuple[ReportFigure, ...]:
    """Draw every figure of a result, as PDF too if asked; those of draws that did not converge say so."""
    marked = found.posterior is not None and not found.converged
    pictures = (picture for section in found.every_section for picture in section.pictures)
    return tuple(_drawn(picture, marked and picture.shows_draws, pdf) for picture in pictures)


def _drawn(picture: PlannedFigure, marked: bool, pdf: bool) -> ReportFigure:
    figure = picture.draw()
    if marked:
        _mark_unconverged(figure)
    svg = render(figure, "svg")
    files = {f"{picture.name}.svg": svg} | ({f"{picture.name}.pdf": render(figure, "pdf")} if pdf else {})
    return ReportFigure(picture.name, picture.caption, files, inline_svg(svg, picture.name, picture.alt))


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


def report_html(found: Findings, figures: Sequence[ReportFigure]) -> str:
    """The page as HTML, with the figures that were drawn."""
    fit, posterior = found.fit, found.posterior
    drawn = {figure.name: figure for figure in figures}
    return template("mtjfit.report", "report.html.j2").render(
        found=found,
        study=fit.study,
        glossary="; ".join(f"{name}: {meaning(name)}" for name in free_lengths(fit.study)),
        known=fit.identifiability,
        verdict=None if posterior is None else posterior.verdict,
        settings={} if posterior is None else posterior.settings,
        evidence=None if posterior is None else posterior.evidence,
        tables=found.tables,
        drawn=drawn,
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
    draw: Callable[..., Sequence[ReportFigure]] = report_figures,
) -> None:
    """Write everything: the page, the figures, ``summary.csv``, ``draws.npz``, the study file and ``result.json``.

    `draw` takes `found` and `pdf` and returns the figures. MtjfitError if the folder holds other files or cannot be
    written.
    """
    figures = draw(found, pdf=pdf)
    files = result_files(found)
    for figure in figures:
        files |= figure.files
    files["report.html"] = report_html(found, figures).encode()
    folder.write(files, result_document(found))
