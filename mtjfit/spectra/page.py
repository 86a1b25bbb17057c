"""One HTML page of fitted spectra: no network, no scripts, every text from a file escaped."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

import mtjfit
import mtjfit.plot
from mtjfit.html import inline_svg, template
from mtjfit.spectra import SpectraResult, SpectrumFit
from mtjfit.spectra.plot import plot_kittel, plot_lines, plot_thumbnails, plot_torkances
from mtjfit.spectra.tables import calibration_table, devices_table, flagged_table, spectra_says

__all__ = ["spectra_html"]

_SHEET, _SHEET_FLAGGED = 48, 12
_MOST_DEVICES = 12


@dataclass(frozen=True)
class _Picture:
    """A figure of the page: an SVG element, or an image with its alternative text."""

    name: str
    caption: str
    content: str


def spectra_html(result: SpectraResult, *, most: int = 480, progress: Callable[[int], object] | None = None) -> str:
    """The overview: what came out, flagged spectra first with their residuals, then all others.

    Parameters
    ----------
    most : int
        Thumbnails to draw, of flagged spectra and of others each; the page says how many more there are.
    progress : callable, optional
        Called with the number of spectra that were drawn.

    Returns
    -------
    str
        HTML.
    """
    flagged = result.flagged[:most]
    others = [fit for fit in result.fits if not fit.flags]
    tables = [devices_table(result), calibration_table(result), flagged_table(result)]
    return template("mtjfit.spectra", "spectra.html.j2").render(
        program=f"mtjfit {mtjfit.__version__}",
        study=result.study,
        says=spectra_says(result),
        notices=result.notices,
        notes=result.study.notes[:50],
        n_notes=len(result.study.notes),
        tables=[table for table in tables if table.rows],
        devices=list(_of_devices(result)),
        n_devices=len(result.study.devices),
        n_devices_drawn=min(_MOST_DEVICES, len(result.study.devices)),
        flagged=list(_sheets(result, flagged, _SHEET_FLAGGED, "flagged", progress)),
        n_flagged=len(result.flagged),
        n_flagged_drawn=len(flagged),
        others=list(_sheets(result, others[:most], _SHEET, "spectra", progress)),
        n_others=len(others),
        n_others_drawn=min(most, len(others)),
        safe=lambda picture: Markup(picture.content),  # noqa: S704 - drawn here, texts in it escaped
    )


def _of_devices(result: SpectraResult) -> Iterator[_Picture]:
    for k, device in enumerate(list(result.study.devices)[:_MOST_DEVICES]):
        kinds = [("lines", plot_lines, "lines against bias, or against what was held")]
        if device in result.curves:
            kinds.append(("torkance", plot_torkances, "torkance against bias"))
        if device in result.kittel:
            kinds.append(("kittel", plot_kittel, "resonance against field, a check by Kittel's formula"))
        for kind, plot, what in kinds:
            name, alt = f"{kind}-{k}", f"{device}: {what}"
            svg = mtjfit.plot.render(plot(result, device), "svg")
            yield _Picture(name, alt[0].upper() + alt[1:] + ".", inline_svg(svg, name, alt))


def _sheets(
    result: SpectraResult,
    fits: Sequence[SpectrumFit],
    size: int,
    name: str,
    progress: Callable[[int], object] | None,
) -> Iterator[_Picture]:
    """Thumbnails as images: hundreds of them as drawings would take a browser seconds."""
    for k in range(0, len(fits), size):
        some = fits[k : k + size]
        figure = plot_thumbnails(result, some, residuals=name == "flagged")
        figure.set_dpi(200)
        png = base64.b64encode(mtjfit.plot.render(figure, "png")).decode()
        alt = Markup.escape(f"{len(some)} spectra with their fits, from {some[0].spectrum.name}")
        content = f'<img alt="{alt}" src="data:image/png;base64,{png}">'
        yield _Picture(f"{name}-{k // size}", "", content)
        if progress is not None:
            progress(len(some))
