"""Figures of a report: SVG files, and the same SVG inside the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import mtjfit.plot
from mtjfit.html import inline_svg
from mtjfit.infer import Posterior
from mtjfit.plot.corner import corner_names
from mtjfit.plot.style import render
from mtjfit.prior_influence.tables import narrowing_sentence
from mtjfit.report.findings import Findings
from mtjfit.report.tables import (
    accumulation_in_words,
    devices_in_words,
    mechanisms_in_words,
    ratios_in_words,
    torque_in_words,
)
from mtjfit.results.headers import free_lengths
from mtjfit.results.transfer import kappa_in_words
from mtjfit.results.verdicts import learned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ReportFigure", "report_figures"]

Found = TypeVar("Found")

_WITHOUT_DRAWS = ("combinations", "forest", "mechanisms")


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


_DRAW: dict[str, Callable[[Findings], Figure]] = {
    "torque": lambda found: mtjfit.plot.plot_torque(found.fit, found.posterior),
    "combinations": lambda found: mtjfit.plot.plot_combinations(found.fit),
    "corner": lambda found: mtjfit.plot.plot_corner(_present(found.posterior)),
    "prior_posterior": lambda found: mtjfit.plot.plot_prior_posterior(_present(found.posterior), found.narrowing),
    "transfer": lambda found: mtjfit.plot.plot_transfer(_present(found.posterior), found.fit),
    "accumulation": lambda found: mtjfit.plot.plot_accumulation_band(_present(found.posterior)),
    "trace": lambda found: mtjfit.plot.plot_trace(_present(found.posterior)),
    "forest": lambda found: mtjfit.plot.plot_forest(_present(found.alone), found.common),
    "consequences": lambda found: mtjfit.plot.plot_consequences(_present(found.implied)),
    "mechanisms": lambda found: mtjfit.plot.plot_mechanisms(_present(found.mechanisms)),
}


def _present(found: Found | None) -> Found:
    if found is None:
        raise ValueError("this result has no such figure")
    return found


def _described(found: Findings) -> Iterator[tuple[str, str, str]]:
    """Name, caption and alt text of each figure that this result has."""
    fit, posterior = found.fit, found.posterior
    what = " and ".join(dict.fromkeys(curve.quantity for curve in fit.study.curves))
    shown = "best fit" if posterior is None else "best fit and predictive bands"
    yield (
        "torque",
        f"In-plane and out-of-plane {what} against bias, with {shown}; masked points are hollow.",
        torque_in_words(fit),
    )
    if not fit.combinations.empty:
        yield (
            "combinations",
            "What each device determines on its own, without any length, against the thickness.",
            f"Plot of the combinations of each device. {ratios_in_words(fit)}",
        )
    if posterior is not None:
        yield from _of_posterior(found, posterior)
    if found.alone is not None:
        grey = " Grey: with the common lengths." if found.common is not None else ""
        yield (
            "forest",
            f"What the data of each device determine, medians with 68 and 95 %, thin layers on top.{grey}",
            f"Forest plot of {len(found.alone.quantities)} quantities by device. {devices_in_words(found.alone)}",
        )
    if found.implied is not None:
        yield (
            "consequences",
            "What follows: torque against bias and thickness, absorbed spin current, effective spin diffusion length. "
            "Hatched: nobody measured there.",
            f"Plot of the torques that follow, against bias and thickness. {' '.join(found.implied.says)}",
        )
    if found.mechanisms is not None:
        yield (
            "mechanisms",
            "Evidence of each mechanism, its prediction of left-out thicknesses, and slopes against thickness.",
            f"Plot of the evidence. {mechanisms_in_words(found.mechanisms)}",
        )


def _of_posterior(found: Findings, posterior: Posterior) -> Iterator[tuple[str, str, str]]:
    mark = "" if posterior.verdict.converged else "NOT CONVERGED. "
    if corner_names(posterior):
        yield (
            "corner",
            f"{mark}Posterior of the lengths and amplitudes: each one, and each pair.",
            f"Corner plot of the posterior. {' '.join(learned(found.fit, posterior))}",
        )
    if free_lengths(found.fit.study):
        yield (
            "prior_posterior",
            f"{mark}Prior and posterior of each length, with the information between them.",
            f"Plot of the prior and the posterior of each length. {narrowing_sentence(posterior, found.narrowing)}",
        )
    yield (
        "transfer",
        f"{mark}What diffusion makes of the spin current at the barrier, κ(d) of Eq. 12: in the complex plane, "
        "both components and their ratio against thickness. Grey: outside of the measured thicknesses.",
        f"Plot of kappa against thickness. {kappa_in_words(posterior)}",
    )
    yield (
        "accumulation",
        f"{mark}Spin accumulation in the free layer, Eq. 9, for a current polarised in plane at the barrier.",
        f"Plot of the spin accumulation against the distance from the barrier. {accumulation_in_words(posterior)}",
    )
    yield (
        "trace",
        f"{mark}Draws along the run, by ensemble: converged ensembles cannot be told apart.",
        f"Trace plot of {len(posterior.names)} parameters. {'; '.join(c.says for c in posterior.verdict.checks)}.",
    )


def _mark_unconverged(figure: Figure) -> None:
    text = figure.text(0.5, 0.62, "NOT CONVERGED", ha="center", va="center", rotation=-20, fontsize=30, weight="bold")
    text.set(color="#b00020", alpha=0.35, in_layout=False, gid="not-converged")


def report_figures(found: Findings, *, pdf: bool = False) -> tuple[ReportFigure, ...]:
    """Every figure of a result.

    Parameters
    ----------
    found : Findings
        Without a posterior its figures are left out; those of a run that did not converge say so.
    pdf : bool
        Give each figure a PDF file, too.
    """
    return tuple(_drawn(found, name, caption, alt, pdf) for name, caption, alt in _described(found))


def _drawn(found: Findings, name: str, caption: str, alt: str, pdf: bool) -> ReportFigure:
    figure = _DRAW[name](found)
    if found.posterior is not None and not found.converged and name not in _WITHOUT_DRAWS:
        _mark_unconverged(figure)
    svg = render(figure, "svg")
    files = {f"{name}.svg": svg} | ({f"{name}.pdf": render(figure, "pdf")} if pdf else {})
    return ReportFigure(name, caption, alt, files, inline_svg(svg, name, alt))
