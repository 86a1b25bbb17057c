"""Pictures of a page of wafers: control chart, map, smooth part and histogram of each quantity."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mtjfit.data.curve import BoolArray
from mtjfit.html import inline_svg
from mtjfit.plot.style import render
from mtjfit.wafer.page.text import limits_alt, map_alt, smooth_alt, splits_alt
from mtjfit.wafer.plot import plot_control, plot_smooth, plot_splits, plot_wafer_map
from mtjfit.wafer.survey.limits import WaferFindings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KINDS", "Picture", "pictures", "title_of"]

KINDS = {"control": "control chart", "map": "map", "smooth": "smooth part", "histogram": "histogram"}
"""Pictures of a quantity in the order of the page, by the beginning of their file names."""
_IMAGE_DPI = 150.0  # of images of many marks: enough for the page, where they take most of the bytes


@dataclass(frozen=True)
class Picture:
    """A figure of the page."""

    name: str
    caption: str
    alt: str
    content: str
    width: float
    files: Mapping[str, bytes] = field(default_factory=dict)


def pictures(
    findings: Sequence[WaferFindings],
    rings: BoolArray,
    *,
    pdf: bool = False,
    progress: Callable[[str], object] | None = None,
) -> dict[str, tuple[Picture, ...]]:
    """Pictures of each quantity; none of one that no unflagged device determines.

    Parameters
    ----------
    rings : ndarray of bool, shape (devices,)
        Odd devices.
    pdf : bool
        Give each picture a PDF file, too.
    progress : callable, optional
        Called with the name of each picture before it is drawn.
    """
    drawn: dict[str, tuple[Picture, ...]] = {}
    for found in findings:
        made = []
        for kind in () if found.limits.empty else KINDS:
            if progress is not None:
                progress(f"{KINDS[kind]} of {title_of(found.quantity)}")
            figure = _figure(found, kind, rings)
            if figure is not None:
                made.append(_picture(f"{kind}-{slug_of(found.quantity)}", *figure, pdf))
        drawn[found.quantity] = tuple(made)
    return drawn


def _figure(found: WaferFindings, kind: str, rings: BoolArray) -> tuple[Figure, str, str] | None:
    """Figure, caption and alternative text; None where devices have no places, or too few for a smooth part."""
    survey, quantity = found.survey, found.quantity
    if kind == "control":
        says = (
            "Control chart: devices of each wafer against the limits of those meant to be equal, and the spread of "
            "true values by wafer."
        )
        return plot_control(survey, quantity), says, limits_alt(found)
    if kind == "histogram":
        says = "Devices meant to be equal, in bins that all share."
        return plot_splits(survey, quantity), says, splits_alt(found)
    if not np.any(survey.placed & survey.known(quantity)):
        return None
    if kind == "map":
        return plot_wafer_map(survey, quantity, odd=rings), "Map of measured values.", map_alt(found)
    if not found.surfaces:
        return None
    says = "A polynomial of second order over each wafer, fitted robustly, and what it leaves."
    return plot_smooth(survey, quantity, found.surfaces, odd=rings), says, smooth_alt(found)


def _picture(name: str, figure: Figure, caption: str, alt: str, pdf: bool) -> Picture:
    svg = render(figure, "svg", dpi=_IMAGE_DPI)
    files = {f"{name}.svg": svg} | ({f"{name}.pdf": render(figure, "pdf")} if pdf else {})
    return Picture(name, caption, alt, inline_svg(svg, name, alt), figure.get_figwidth(), files)


def title_of(quantity: str) -> str:
    """A quantity as people write it."""
    return {"slope_ratio": "Slope ratio T⊥/T∥"}.get(quantity, quantity.replace("|kappa|", "|κ|"))


def slug_of(quantity: str) -> str:
    """A quantity as part of a file name.

    Examples
    --------
    >>> slug_of("|kappa|·a1"), slug_of("b2/a1"), slug_of("slope_ratio")
    ('kappa-a1', 'b2-a1', 'slope_ratio')
    """
    return re.sub(r"[^a-z0-9_]+", "-", quantity.lower()).strip("-") or "quantity"
