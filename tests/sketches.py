"""Figures of a report that are drawn in no time, for tests that are about something else."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from mtjfit.html import Section
from mtjfit.report import Findings, ReportFigure, report_figures


def sketched(found: Findings, but: tuple[str, ...] = ()) -> Findings:
    """Findings whose pictures, but for some, only show the names of the devices."""

    def plain() -> Figure:
        figure = Figure(figsize=(2, 1), dpi=50)
        figure.text(0.5, 0.5, ", ".join(found.fit.study.devices), parse_math=False)
        return figure

    def of(section: Section) -> Section:
        return replace(
            section, pictures=tuple(p if p.name in but else replace(p, draw=plain) for p in section.pictures)
        )

    return replace(found, sections=tuple(map(of, found.sections)), frame=of(found.frame))


def sketch(found: Findings, *, pdf: bool = False) -> tuple[ReportFigure, ...]:
    """In place of `mtjfit.report.report_figures`: figures that are drawn in no time."""
    return report_figures(sketched(found), pdf=pdf)
