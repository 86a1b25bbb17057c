"""Python that draws a figure of the page of spectra again, from the folder in which the page lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtjfit.html import seen_from


def device_call(kind: str, device: str) -> str:
    """The line that draws a figure of a device; `kind` is the end of the name of its function."""
    return f"mtjfit.spectra.plot.plot_{kind}(result, {device!r})"


def sheet_call(flagged: bool, first: int, after: int) -> str:
    """The line that draws some of the flagged spectra, or of all others."""
    if flagged:
        return f"mtjfit.spectra.plot.plot_thumbnails(result, result.flagged[{first}:{after}], residuals=True)"
    others = "[fit for fit in result.fits if not fit.flags]"
    return f"mtjfit.spectra.plot.plot_thumbnails(result, {others}[{first}:{after}])"


def beginning_from(study: Path, folder: Path, shifts: Sequence[tuple[str, float]] = ()) -> str:
    """Lines that make `result` of a study file, whose place is written as seen from `folder`.

    `shifts` are constants and the standard errors by which they were moved.
    """
    moved = "".join(f".moved({name!r}, {steps!r})" for name, steps in shifts)
    return "\n".join([
        "import mtjfit.spectra.plot",
        f"study = mtjfit.spectra.load_spectra({seen_from(folder, study)!r}){moved}",
        "result = mtjfit.spectra.analyse(study)",
    ])  # fmt: skip
