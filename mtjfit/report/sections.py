"""The page in sections: what is said, drawn and tabled under each heading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtjfit.comparison.mechanisms.tables import conclusions
from mtjfit.prior_influence.tables import narrowing_sentence, sensitivity_sentence
from mtjfit.report.figures import ReportFigure
from mtjfit.report.findings import MOST_DEVICES, Findings
from mtjfit.text import Table, p_text

__all__ = ["Section", "sections"]

_RUN = "mtjfit run STUDY.toml --output DIR --mechanisms"
_NO_DRAWS = "Nothing follows from draws that have not converged."


@dataclass(frozen=True)
class Section:
    """Part of the page.

    Attributes
    ----------
    id : str
        For links.
    says : tuple of str
        Paragraphs.
    command : str
        What to type to learn more; may be empty.
    """

    id: str
    title: str
    says: tuple[str, ...] = ()
    command: str = ""
    figures: tuple[ReportFigure, ...] = ()
    tables: tuple[Table, ...] = ()


def sections(found: Findings, figures: Sequence[ReportFigure], tables: Mapping[str, Table]) -> tuple[Section, ...]:
    """Sections between the header and the convergence page, in the order of the page; none is left out silently.

    Parameters
    ----------
    tables : mapping of str to Table
        From `report_tables`.
    """
    drawn = {figure.name: figure for figure in figures}

    def part(id: str, title: str, says: tuple[str, ...], shown: str, tabled: str, command: str = "") -> Section:
        return Section(
            id, title, says, command,
            tuple(drawn[name] for name in shown.split() if name in drawn),
            tuple(tables[name] for name in tabled.split() if name in tables),
        )  # fmt: skip

    return (
        part("fit", "Data and fit", _fit_says(found), "torque", ""),
        part("values", *_values(found), "corner prior_posterior", "parameters narrowing sensitivity undetermined"),
        part("diffusion", _title_of_diffusion(found), (), "transfer combinations accumulation", "combinations"),
        part("devices", "Devices beside each other", _devices_say(found), "forest", "determined pairs odd repeats"),
        part("consequences", "Consequences", _implied_say(found), "consequences", "consequences"),
        part("mechanisms", "Other mechanisms", *_mechanisms(found)),
    )


def _fit_says(found: Findings) -> tuple[str, ...]:
    """χ² of the best fit, and of the draws beside it."""
    drawn = () if found.drawn is None else (f"{found.drawn.says} ({p_text(found.drawn.p_value)}).",)
    return (f"Best fit: {found.fit.chi2_says}.", *drawn)


def _title_of_diffusion(found: Findings) -> str:
    return "Thickness dependence" if found.fit.study.n_thicknesses > 1 else "What each device determines"


def _values(found: Findings) -> tuple[str, tuple[str, ...]]:
    """Title, and how much the data tell and what would change with other priors."""
    if found.posterior is None:
        return "What these data leave open", ()
    if not found.converged:
        return "Parameters: NOT CONVERGED", ()
    said = (
        narrowing_sentence(found.posterior, found.narrowing),
        sensitivity_sentence(found.posterior, found.sensitivity),
    )
    return "Lengths and amplitudes", tuple(words for words in said if words)


def _devices_say(found: Findings) -> tuple[str, ...]:
    n = len(found.fit.study.curves)
    if n == 1:
        return ("There is one device, and none to compare it with.",)
    if n > MOST_DEVICES:
        return (f"{n} devices are too many for this page: mtjfit compare STUDY.toml --devices --output DIR.",)
    if found.alone is None:
        return ("Errors are to be fitted, but some device has no more points than powers of V: alone it says nothing.",)
    return tuple(dict.fromkeys((*found.alone.notes, *(found.common.notes if found.common is not None else ()))))


def _implied_say(found: Findings) -> tuple[str, ...]:
    if found.implied is not None:
        return found.implied.says
    if found.posterior is None:
        return ("One thickness determines no length, so that nothing can be said of other thicknesses.",)
    if not found.converged:
        return (_NO_DRAWS,)
    return ("Parameters differ between devices: ask for one of them with mtjfit.consequences(posterior, device=...).",)


def _mechanisms(found: Findings) -> tuple[tuple[str, ...], str, str, str]:
    """Sentences, names of figures and of tables, and the command where nobody has compared."""
    if found.mechanisms is not None:
        tables = "evidence bayes_factors left_out criteria predictive_checks"
        return conclusions(found.mechanisms), "mechanisms", tables, ""
    if found.fit.study.n_thicknesses == 1:
        one = "One thickness cannot tell diffusion from asymmetric electrodes (b1): both give one phase of the torque."
        return (one,), "", "", ""
    words = (
        "Not compared in this run: whether asymmetric electrodes (b1) would explain these data as well as spin "
        "diffusion does, or better. To put that on this page, in half a minute more:"
    )
    return (words,), "", "", _RUN
