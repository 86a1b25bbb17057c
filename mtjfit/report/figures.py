"""Figures of a report: drawn once, kept as files of three formats and as SVG inside the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import mtjfit.plot
from mtjfit.infer import FitResult, Posterior
from mtjfit.results.folder import FORMATS
from mtjfit.results.header import device_names, free_lengths
from mtjfit.results.narrowing import narrowing_sentence
from mtjfit.results.transfer import kappa_in_words
from mtjfit.results.verdicts import learned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ReportFigure", "inline_svg", "report_figures"]

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class ReportFigure:
    """One figure of the page.

    Attributes
    ----------
    name : str
        Name of its files, without suffix.
    caption, alt : str
        What is drawn, and the same for those who cannot see it, with the numbers.
    files : dict of str to bytes
        By file name.
    svg : str
        For the page: without ids that another figure has too, without comments and metadata.
    """

    name: str
    caption: str
    alt: str
    files: dict[str, bytes]
    svg: str


def _drawn(fit: FitResult, posterior: Posterior | None) -> Iterator[tuple[str, Figure, str, str]]:
    """Name, figure, caption and alt text of each figure that this result has."""
    curves = fit.study.curves
    what = " and ".join(dict.fromkeys(curve.quantity for curve in curves))
    who = device_names(curves, 6)
    shown = "best fit" if posterior is None else "best fit and predictive bands"
    yield (
        "torque",
        mtjfit.plot.plot_torque(fit, posterior),
        f"In-plane and out-of-plane {what} against bias, with {shown}; masked points are hollow.",
        f"Plot of {what} against bias for {who}. {fit.chi2_says}.",
    )
    if not fit.combinations.empty:
        ratios = fit.combinations[fit.combinations["quantity"] == "slope_ratio"]
        values = ", ".join(f"{r.device}: {float(r.value):.3g}" for r in ratios.head(12).itertuples())  # type: ignore[arg-type]
        yield (
            "combinations",
            mtjfit.plot.plot_combinations(fit),
            "What each device determines on its own, without any length, against the thickness.",
            f"Plot of the combinations of each device. Slope ratio T_perp/T_par by device: {values}.",
        )
    if posterior is not None:
        mark = "" if posterior.verdict.converged else "NOT CONVERGED. "
        yield (
            "corner",
            mtjfit.plot.plot_corner(posterior),
            f"{mark}Posterior of the lengths and amplitudes: each one, and each pair.",
            f"Corner plot of the posterior. {' '.join(learned(fit, posterior))}",
        )
        if free_lengths(fit.study):
            yield (
                "prior_posterior",
                mtjfit.plot.plot_prior_posterior(posterior),
                f"{mark}Prior and posterior of each length, with the information between them.",
                f"Plot of the prior and the posterior of each length. {narrowing_sentence(posterior)}",
            )
        yield (
            "transfer",
            mtjfit.plot.plot_transfer(posterior, fit),
            f"{mark}What diffusion makes of the spin current at the barrier, κ(d) of Eq. 12: in the complex plane, "
            "both components and their ratio against thickness. Grey: outside of the measured thicknesses.",
            f"Plot of kappa against thickness. {kappa_in_words(posterior)}",
        )
        yield (
            "accumulation",
            mtjfit.plot.plot_accumulation_band(posterior),
            f"{mark}Spin accumulation in the free layer, Eq. 9, for a current polarised in plane at the barrier.",
            "Plot of the spin accumulation against the distance from the barrier for "
            f"{device_names(curves, 3)}, with the bands of the posterior.",
        )
        yield (
            "trace",
            mtjfit.plot.plot_trace(posterior),
            f"{mark}Draws along the run, by ensemble: converged ensembles cannot be told apart.",
            f"Trace plot of {len(posterior.names)} parameters. {'; '.join(c.says for c in posterior.verdict.checks)}.",
        )


def _mark_unconverged(figure: Figure) -> None:
    text = figure.text(0.5, 0.62, "NOT CONVERGED", ha="center", va="center", rotation=-20, fontsize=30, weight="bold")
    text.set(color="#b00020", alpha=0.35, in_layout=False, gid="not-converged")


def report_figures(fit: FitResult, posterior: Posterior | None) -> tuple[ReportFigure, ...]:
    """Every figure of a result.

    Parameters
    ----------
    fit : FitResult
    posterior : Posterior or None
        Without one, figures of the posterior are left out; those of a run that did not converge say so.
    """
    found = []
    for name, figure, caption, alt in _drawn(fit, posterior):
        if posterior is not None and not posterior.verdict.converged and name != "combinations":
            _mark_unconverged(figure)
        files = {f"{name}.{suffix}": mtjfit.plot.render(figure, suffix) for suffix in FORMATS}
        found.append(ReportFigure(name, caption, alt, files, inline_svg(files[f"{name}.svg"], name, alt)))
    return tuple(found)


def inline_svg(data: bytes, prefix: str, alt: str) -> str:
    """An SVG file as an element for a page that holds others: ids get a prefix, all but drawing is dropped.

    Only SVG elements survive, no scripts, no event attributes and no links to anything outside the figure.

    Examples
    --------
    >>> file = b'<svg xmlns="http://www.w3.org/2000/svg" width="9pt"><!-- x --><g id="a"/><script/></svg>'
    >>> inline_svg(file, "torque", "a plot")
    '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="a plot"><g id="torque-a" /></svg>'
    """
    root = ElementTree.fromstring(data)  # noqa: S314 - drawn a moment ago; the parser drops comments
    _clean(root, prefix, set())
    for name in ("width", "height"):  # the page sets the width, the view box the shape
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": alt}
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


_DROPPED = {f"{{{_SVG}}}{name}" for name in ("metadata", "script", "foreignObject", "a", "title", "desc")}


def _clean(element: ElementTree.Element, prefix: str, seen: set[str]) -> None:
    for name, value in list(element.attrib.items()):
        if name == "id":
            if value in seen:  # matplotlib defines a glyph anew in each text that uses it
                del element.attrib[name]
            else:
                element.set(name, f"{prefix}-{value}")
            seen.add(value)
        elif name.endswith("href"):
            if value.startswith("#"):
                element.set(name, f"#{prefix}-{value[1:]}")
            elif not value.startswith("data:image/"):
                del element.attrib[name]
        elif name.startswith("on"):
            del element.attrib[name]
        elif "url(#" in value:
            element.set(name, value.replace("url(#", f"url(#{prefix}-"))
    for child in list(element):
        if child.tag in _DROPPED or not str(child.tag).startswith(f"{{{_SVG}}}"):
            element.remove(child)
        else:
            _clean(child, prefix, seen)
