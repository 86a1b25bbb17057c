"""SVG and PDF of a figure from one drawing: most of the time goes into walking through ticks and texts."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
from matplotlib.backend_bases import FigureCanvasBase, GraphicsContextBase, RendererBase
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_pdf import PdfFile, RendererPdf
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure

from mtjfit.plot.style import lay_out, style

__all__ = ["render_vectors"]

_POINTS = 72.0  # an inch
# matplotlib's backends have no types
_Svg: Any = RendererSVG
_Pdf: Any = RendererPdf
_File: Any = PdfFile
_Mixed: Any = MixedModeRenderer


class _Both(RendererBase):
    """Hands every stroke to both renderers; texts are measured once, and y of the SVG counts downwards."""

    def __init__(self, svg: Any, pdf: Any, height: float):
        super().__init__()
        self.svg, self.pdf, self.height = svg, pdf, height

    def open_group(self, s: str, gid: str | None = None) -> None:
        self.svg.open_group(s, gid)

    def close_group(self, s: str) -> None:
        self.svg.close_group(s)

    def draw_path(self, *args: Any, **kwargs: Any) -> None:
        self.svg.draw_path(*args, **kwargs)
        self.pdf.draw_path(*args, **kwargs)

    def draw_markers(self, *args: Any, **kwargs: Any) -> None:
        self.svg.draw_markers(*args, **kwargs)
        self.pdf.draw_markers(*args, **kwargs)

    def draw_path_collection(self, *args: Any, **kwargs: Any) -> None:
        self.svg.draw_path_collection(*args, **kwargs)
        self.pdf.draw_path_collection(*args, **kwargs)

    def draw_quad_mesh(self, *args: Any, **kwargs: Any) -> None:
        self.svg.draw_quad_mesh(*args, **kwargs)
        self.pdf.draw_quad_mesh(*args, **kwargs)

    def draw_image(self, *args: Any, **kwargs: Any) -> None:
        self.svg.draw_image(*args, **kwargs)
        self.pdf.draw_image(*args, **kwargs)

    def draw_text(
        self, gc: GraphicsContextBase, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False,
        mtext: Any = None,
    ) -> None:  # fmt: skip
        self.svg.draw_text(gc, x, self.height - y, s, prop, angle, ismath, mtext)
        self.pdf.draw_text(gc, x, y, s, prop, angle, ismath, mtext)

    def flipy(self) -> bool:
        return False

    def new_gc(self) -> GraphicsContextBase:
        gc: GraphicsContextBase = self.pdf.new_gc()
        return gc

    def get_canvas_width_height(self) -> tuple[float, float]:
        width, height = self.pdf.get_canvas_width_height()
        return float(width), float(height)

    def get_text_width_height_descent(self, s: str, prop: Any, ismath: Any) -> tuple[float, float, float]:
        width, height, descent = self.pdf.get_text_width_height_descent(s, prop, ismath)
        return width, height, descent

    def get_image_magnification(self) -> float:
        return float(self.pdf.get_image_magnification())

    def option_image_nocomposite(self) -> bool:
        return bool(self.svg.option_image_nocomposite())

    def option_scale_image(self) -> bool:
        return True

    def finalize(self) -> None:
        self.svg.finalize()
        self.pdf.finalize()


class _Measuring(FigureCanvasBase):
    """Lays a figure out with the renderer that will draw it, so that each text is parsed and measured once."""

    def __init__(self, figure: Figure, renderer: Any):
        super().__init__(figure)
        self._renderer = renderer

    def get_renderer(self) -> Any:
        return self._renderer


def render_vectors(fig: Figure) -> dict[str, bytes]:
    """A figure as SVG and PDF; the same figure gives the same bytes.

    As `mtjfit.plot.render`, in half of the time. The PDF holds Type 3 fonts: outlines, sharp at any size.

    Parameters
    ----------
    fig : Figure

    Returns
    -------
    dict of str to bytes
        ``"svg"`` and ``"pdf"``.
    """
    text, data = io.StringIO(), io.BytesIO()
    width, height = fig.get_size_inches()
    dpi_before, canvas_before = fig.dpi, fig.canvas
    with style(), matplotlib.rc_context({"pdf.fonttype": 3}):
        dpi = matplotlib.rcParams["savefig.dpi"]  # of what is drawn as an image
        file = _File(data, metadata={"CreationDate": None})
        file.newPage(width, height)
        svg = _Svg(width * _POINTS, height * _POINTS, text, image_dpi=dpi, metadata={"Date": None})
        both = _Both(svg, _Pdf(file, dpi, height, width), height * _POINTS)
        try:
            fig.dpi = _POINTS
            renderer = _Mixed(fig, width, height, dpi, both)
            _Measuring(fig, renderer)
            lay_out(fig)
            fig.draw(renderer)
        finally:
            fig.dpi = dpi_before
            fig.set_canvas(canvas_before)
        renderer.finalize()
        file.finalize()
        file.close()
    return {"svg": text.getvalue().encode(), "pdf": data.getvalue()}
