"""SVG and PDF from one drawing are what matplotlib makes of two."""

from __future__ import annotations

import io
import re

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_svg import RendererSVG

from mtjfit.plot.style import NotebookFigure, render, style
from mtjfit.plot.vector import render_vectors


def figure() -> NotebookFigure:
    """Everything that a renderer is asked for: lines, bars, markers, bands, hatches, images, texts in any direction."""
    x = np.linspace(0, 1, 9)
    with style():
        fig = NotebookFigure(figsize=(4, 2.5), layout="constrained")
        left, right = fig.subplots(1, 2)
        left.errorbar(x, x**2, yerr=0.1, fmt="o", label=r"$\lambda_J$")
        left.fill_between(x, x, x + 0.2, alpha=0.3, hatch="//")
        left.set(xlabel="bias $V$ (V)", ylabel="torque")
        left.legend()
        right.scatter(x, x, c=x, rasterized=True)
        right.imshow(np.eye(3), extent=(0, 1, 0, 1))
        right.pcolormesh(x, x, np.outer(x[1:], x[1:]))
        right.text(0.2, 0.5, "turned", rotation=30)
        fig.text(0.1, 0.9, "above")
    return fig


def numbers(svg: bytes) -> tuple[bytes, np.ndarray]:
    """What is drawn, and where."""
    body = re.sub(rb'base64,\s*[^"]*|#\w+|id="\w+"', b"", svg)  # names are hashes of what they name
    pattern = rb"-?\d+\.?\d*(?:e-?\d+)?"
    return re.sub(pattern, b"#", body), np.array([float(x) for x in re.findall(pattern, body)])


def test_the_pdf_is_that_of_matplotlib():
    fig = figure()
    both = render_vectors(fig)
    buffer = io.BytesIO()
    with style(), matplotlib.rc_context({"pdf.fonttype": 3}):
        fig.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    assert both["pdf"] == buffer.getvalue()


def differing(one: bytes, other: bytes) -> float:
    """Largest distance of anything drawn, infinite if something else is drawn."""
    (words, here), (others, there) = numbers(one), numbers(other)
    return float(np.max(np.abs(here - there))) if words == others and here.size == there.size else float("inf")


def test_the_svg_is_that_of_matplotlib_but_for_the_width_of_letters():
    fig = figure()
    assert differing(render_vectors(fig)["svg"], render(fig, "svg")) < 1.0  # a point, or a hundredth of a letter


def test_sabotage_a_text_upside_down_is_seen(monkeypatch: pytest.MonkeyPatch):
    fig = figure()
    right = render(fig, "svg")
    drawn = RendererSVG.draw_text
    monkeypatch.setattr(RendererSVG, "draw_text", lambda self, gc, x, y, *rest: drawn(self, gc, x, 180 - y, *rest))
    assert differing(render_vectors(fig)["svg"], right) > 1.0


def test_the_figure_is_as_it_was():
    fig = figure()
    first = render_vectors(fig)
    assert (fig.dpi, fig.get_layout_engine()) == (100.0, None)
    assert render_vectors(fig) == first


def test_laying_out_needs_no_axes():
    with style():
        fig = NotebookFigure(figsize=(1, 1), layout="constrained")
        fig.text(0.5, 0.5, "nothing to draw")
    assert render(fig, "svg").count(b"<g id=") >= 2  # without the warning of an empty grid
