"""Stand-ins for tests that are about something else: figures drawn in no time, and a disk that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
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


def failing_at(patch: pytest.MonkeyPatch, hit: Callable[[Path], bool], error: BaseException) -> None:
    """An error in place of the last step of writing some files, when they take the place of the old ones."""
    original = Path.replace

    def replaced(self: Path, target: Path) -> Path:
        if hit(target):
            raise error
        return original(self, target)

    patch.setattr(Path, "replace", replaced)
