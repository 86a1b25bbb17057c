"""Python that draws a figure of the page again, from the folder in which the page lies."""

from __future__ import annotations

from mtjfit.errors import MtjfitError
from mtjfit.html import PlannedFigure
from mtjfit.infer.saved import POSTERIOR_FILE, saved_bytes
from mtjfit.report.findings import Findings
from mtjfit.report.width import figure_width

_IN_HAND = "# fit and posterior are those in your session: this study has parts that no file holds"


def call_of(picture: PlannedFigure, width: str | None = None) -> str:
    """The line that draws a figure, in the width of the page."""
    return picture.call if width is None else f"{picture.call[:-1]}, width={figure_width(width)!r})"


def beginning_of(found: Findings) -> str:
    """Lines that make `fit` and `posterior` of what lies beside the page; a comment where no file holds the study."""
    fit, posterior = found.fit, found.posterior
    try:
        saved_bytes(fit.study, posterior)
        readable = fit.study.model.is_eq12
    except MtjfitError:
        readable = False
    lines = ["import mtjfit"]
    if not readable:
        lines.append(_IN_HAND)
    elif posterior is None:
        lines = ["import pathlib", "import mtjfit", 'saved = mtjfit.report.read_result(pathlib.Path(".")).saved',
                 "fit = mtjfit.fit(saved.study)"]  # fmt: skip
    else:
        lines.append(f'posterior = mtjfit.load_posterior("{POSTERIOR_FILE}")')
        if posterior.level is not None:
            lines = ["import dataclasses", *lines]
            lines.append(f"posterior = dataclasses.replace(posterior, level={posterior.level!r})")
        lines.append("fit = mtjfit.fit(posterior.study)")
    return "\n".join(lines)
