"""Pictures of a page of wafers: control chart, map, smooth part and histogram of each quantity."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from mtjfit.data.curve import BoolArray
from mtjfit.infer.workers import with_helpers
from mtjfit.plot.style import style
from mtjfit.plot.vector import render_vectors
from mtjfit.plot.wafer import plot_control, plot_smooth, plot_splits, plot_wafer_map
from mtjfit.report.figures import inline_svg
from mtjfit.report.wafer_svg import lighter
from mtjfit.report.wafer_text import limits_alt, map_alt, smooth_alt, splits_alt
from mtjfit.wafer.limits import WaferFindings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KINDS", "Picture", "pictures", "rendered", "title_of"]

KINDS = {"control": "control chart", "map": "map", "smooth": "smooth part", "histogram": "histogram"}
"""Pictures of a quantity in the order of the page, by the beginning of their file names."""
_PAGE_DPI = 120.0


@dataclass(frozen=True)
class Picture:
    """A figure of the page."""

    name: str
    caption: str
    alt: str
    content: str
    width: float
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Job:
    """What a process needs to know to draw one."""

    found: WaferFindings
    kind: str
    rings: BoolArray


def pictures(
    findings: Sequence[WaferFindings],
    rings: BoolArray,
    pool: Executor | None = None,
    progress: Callable[[str], object] | None = None,
) -> dict[str, tuple[Picture, ...]]:
    """Pictures of each quantity; none of one that no unflagged device determines.

    Parameters
    ----------
    findings : sequence of WaferFindings
    rings : ndarray of bool, shape (devices,)
        Odd devices.
    pool : Executor, optional
        Draws some of them meanwhile.
    progress : callable, optional
        Called with the name of each.
    """
    jobs = [_Job(found, kind, rings) for found in findings if not found.limits.empty for kind in KINDS]
    told = None if progress is None else (lambda job: progress(f"{KINDS[job.kind]} of {title_of(job.found.quantity)}"))
    drawn = with_helpers(_drawn, jobs, pool, begins=told)
    pairs = list(zip(jobs, drawn, strict=True))
    return {
        found.quantity: tuple(one for job, one in pairs if job.found is found and one is not None) for found in findings
    }


def _drawn(job: _Job) -> Picture | None:
    """None where devices have no places, or too few for a smooth part."""
    found, survey, quantity = job.found, job.found.survey, job.found.quantity
    if job.kind == "control":
        says = (
            "Control chart: devices of each wafer against the limits of those meant to be equal, and the spread of "
            "true values by wafer."
        )
        return _picture(job, plot_control(survey, quantity), says, limits_alt(found))
    if job.kind == "histogram":
        says = "Devices meant to be equal, in bins that all share."
        return _picture(job, plot_splits(survey, quantity), says, splits_alt(found))
    if not np.any(survey.placed & survey.known(quantity)):
        return None
    if job.kind == "map":
        figure = plot_wafer_map(survey, quantity, odd=job.rings)
        return _picture(job, figure, "Map of measured values.", map_alt(found))
    if not found.surfaces:
        return None
    says = "A polynomial of second order over each wafer, fitted robustly, and what it leaves."
    figure = plot_smooth(survey, quantity, found.surfaces, odd=job.rings)
    return _picture(job, figure, says, smooth_alt(found))


def _picture(job: _Job, figure: Figure, caption: str, alt: str) -> Picture:
    name = f"{job.kind}-{slug_of(job.found.quantity)}"
    short = f"{job.kind[0]}{zlib.crc32(name.encode()):x}"  # stands in thousands of marks
    files = {f"{name}.{form}": data for form, data in render_vectors(figure).items()}
    # Images of many dots are made for the width of the page here, and for paper in the files.
    has_image = bool(figure.findobj(lambda artist: bool(artist.get_rasterized())))
    inner = rendered(figure, "svg", _PAGE_DPI) if has_image else files[f"{name}.svg"]
    content = lighter(inline_svg(inner, short, alt))
    return Picture(name, caption, alt, content, figure.get_figwidth(), files)


def rendered(figure: Figure, form: Literal["svg", "png"], dpi: float) -> bytes:
    """A figure for the page, with images of so many dots to the inch."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=form, dpi=dpi, metadata={"Date": None} if form == "svg" else {"Software": None})
    return buffer.getvalue()


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
