"""Figures that a command leaves in its folder: SVG and PNG, and PDF on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "drawn", "names_of", "with_pdf"]

FORMATS: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png", "pdf")

with_pdf = click.option("--pdf", is_flag=True, help="Write every figure as PDF, too.")


def names_of(*figures: str) -> tuple[str, ...]:
    """Names of all files that figures may have, so that those of an earlier run are known.

    Examples
    --------
    >>> names_of("plan")
    ('plan.svg', 'plan.png', 'plan.pdf')
    """
    return tuple(f"{name}.{suffix}" for name in figures for suffix in FORMATS)


def drawn(figures: Mapping[str, Figure], pdf: bool) -> dict[str, bytes]:
    """Files of figures by name."""
    import mtjfit.plot

    formats = [suffix for suffix in FORMATS if pdf or suffix != "pdf"]
    return {f"{name}.{suffix}": mtjfit.plot.render(fig, suffix) for name, fig in figures.items() for suffix in formats}
