"""The figures of the explorer: made once by bokeh; after that only their numbers change."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.data import TorqueCurve
from mtjfit.explorer.drawing import Pictures
from mtjfit.plot.style import OKABE_ITO, unit_of

_CODE = """
const inside = (element, selector) => {
  const root = element.shadowRoot ?? element;
  const deeper = [...root.querySelectorAll("*")].filter((each) => each.shadowRoot);
  return [...root.querySelectorAll(selector), ...deeper.flatMap((each) => inside(each, selector))];
};
for (const page of Bokeh.documents) {
  for (const model of (page._all_models ?? new Map()).values()) {
    const view = Bokeh.index.find_one(model);
    if (model.type === "Figure" && view && model.name) {
      view.el.setAttribute("role", "img");
      view.el.setAttribute("aria-label", model.name);
      for (const each of inside(view.el, "[tabindex]")) { each.setAttribute("aria-label", model.name); }
    }
    if (model.type === "CheckboxGroup" && view && model.tags.length) {
      view.el.setAttribute("role", "group");
      view.el.setAttribute("aria-label", model.tags[0]);
    }
    const handle = model.type === "Slider" && view ? view.shadow_el.querySelector(".noUi-handle") : null;
    if (handle) {
      const say = () => {
        handle.setAttribute("aria-label", model.title);
        handle.setAttribute("aria-valuetext", handle.querySelector(".noUi-tooltip")?.textContent ?? "");
      };
      model.properties.value.change.connect(() => setTimeout(say, 0));
      say();
    }
  }
}
"""


def set_aria_names(document: Any) -> None:
    """Give sliders, figures (`name`) and groups of boxes (tag) ARIA names once the page of a document is ready."""
    document.js_on_event("document_ready", import_module("bokeh.models").CustomJS(code=_CODE))


COLOURS = {
    "par": OKABE_ITO["blue"],
    "perp": OKABE_ITO["vermillion"],
    "data": "#212529",
    "faint": "#666666",
    "mark": "#9a3412",
}
"""Colours by their use, on white."""

_HEIGHT = 290


class Figures:
    """Four figures, and the columns of numbers behind them; `mark` is their title if data were not measured."""

    def __init__(self, first: Pictures, curve: TorqueCurve, mark: str):
        self._models = import_module("bokeh.models")
        self._new = import_module("bokeh.plotting").figure
        self.sources: dict[str, Any] = {
            name: self._models.ColumnDataSource(columns) for name, columns in _columns(first).items()
        }
        self._edge = self._models.Span(location=first.accumulation.d, dimension="height", line_dash="dashed",
                                       line_color=COLOURS["faint"], line_width=1.5)  # fmt: skip
        self.accumulation = self._accumulation()
        self.kappa = self._kappa(mark)
        self.par = self._torque(curve, "par", mark)
        self.perp = self._torque(curve, "perp", mark)

    @property
    def all(self) -> tuple[Any, ...]:
        """In the order of the page."""
        return self.par, self.perp, self.kappa, self.accumulation

    def show(self, drawn: Pictures, curve: TorqueCurve) -> None:
        """New numbers in the same figures."""
        for name, columns in _columns(drawn).items():
            self.sources[name].data = columns
        self._edge.location = drawn.accumulation.d
        for figure, part in ((self.par, "par"), (self.perp, "perp")):
            figure.yaxis[0].axis_label = _torque_label(curve, part)

    def _figure(self, name: str, x: str, y: str, title: str = "") -> Any:
        figure = self._new(height=_HEIGHT, sizing_mode="stretch_width", tools="pan,box_zoom,wheel_zoom,reset,save",
                           active_drag=None, active_scroll=None, x_axis_label=x, y_axis_label=y)  # fmt: skip
        figure.name = name
        figure.toolbar.logo = None
        figure.toolbar.autohide = True
        figure.title.text = title
        figure.title.text_color = COLOURS["mark"]
        figure.title.text_font_size = "12px"
        figure.xaxis.axis_label_text_font_style = figure.yaxis.axis_label_text_font_style = "normal"
        figure.xaxis.axis_label_text_font_size = figure.yaxis.axis_label_text_font_size = "13px"
        figure.xaxis.major_label_text_font_size = figure.yaxis.major_label_text_font_size = "12px"
        figure.outline_line_color = None
        return figure

    def _legend(self, figure: Any, *entries: tuple[str, Any]) -> None:
        items = [(label, [glyph]) for label, glyph in entries]
        legend = self._models.Legend(items=items, orientation="horizontal", border_line_color=None, padding=2,
                                     margin=0, label_text_font_size="12px", spacing=12)  # fmt: skip
        figure.add_layout(legend, "above")

    def _accumulation(self) -> Any:
        figure = self._figure(
            "Spin density against the distance from the barrier",
            "distance from the barrier x (nm); dashed: end of F",
            "spin density m D_F/J₀ (nm)",
        )
        source = self.sources["accumulation"]
        par = _in("par", figure.line("x", "par", source=source, line_width=2.5))
        perp = _in("perp", figure.line("x", "perp", source=source, line_width=2.5, line_dash="dashed"))
        figure.add_layout(self._edge)
        self._legend(figure, ("m∥", par), ("m⊥", perp))
        return figure

    def _kappa(self, mark: str) -> Any:
        figure = self._figure(
            "κ against thickness: model, and data of every device",
            "thickness of the free layer d (nm)",
            "κ = torque per area / J₀",
            mark,
        )
        curve, points = self.sources["kappa"], self.sources["devices"]
        re = _in("par", figure.line("d", "par", source=curve, line_width=2.5))
        im = _in("perp", figure.line("d", "perp", source=curve, line_width=2.5, line_dash="dashed"))
        for part, marker in (("par", "circle"), ("perp", "square")):
            _in(part, figure.segment("d", f"{part}_low", "d", f"{part}_high", source=points, line_width=1.5))
            data = _in(part, figure.scatter("d", part, source=points, size=8, marker=marker))
            here = figure.scatter("d", part, source=self.sources["here"], size=16, fill_color=None, line_width=2)
            _in("data", here)
        self._legend(figure, ("Re κ", re), ("Im κ", im), ("data, J₀ as set", data))
        return figure

    def _torque(self, curve: TorqueCurve, part: str, mark: str) -> Any:
        which = "In-plane" if part == "par" else "Out-of-plane"
        figure = self._figure(
            f"{which} {curve.quantity} against bias: data and model", "bias V (V)", _torque_label(curve, part), mark
        )
        points = self.sources["data"]
        _in("faint", figure.segment("V", f"{part}_low", "V", f"{part}_high", source=points))
        data = _in("data", figure.scatter("V", part, source=points, size=6, fill_alpha="filled"))
        model = _in(part, figure.line("V", part, source=self.sources["torque"], line_width=2.5))
        left_out = "" if curve.used.all() else " (hollow: left out)"
        self._legend(figure, ("model", model), (f"data{left_out}", data))
        return figure


def _in(colour: str, renderer: Any) -> Any:
    """The renderer in one of the `COLOURS`."""
    for name in ("line_color", "fill_color"):
        if getattr(renderer.glyph, name, None) is not None:
            setattr(renderer.glyph, name, COLOURS[colour])
    return renderer


def _torque_label(curve: TorqueCurve, part: str) -> str:
    symbol = (
        ("T∥" if part == "par" else "T⊥") if curve.quantity == "torque" else f"dT{'∥' if part == 'par' else '⊥'}/dV"
    )
    return symbol + unit_of(curve.unit)


def _columns(drawn: Pictures) -> dict[str, dict[str, Any]]:
    """Columns of every source; the same names and kinds whatever is drawn."""
    accumulation, kappa, torque = drawn.accumulation, drawn.kappa, drawn.torque
    return {
        "accumulation": {"x": accumulation.x, **_parts(accumulation.m)},
        "kappa": {"d": kappa.d, **_parts(kappa.kappa)},
        "devices": {"d": kappa.d_devices, **_with_errors(kappa.measured, kappa.errors)},
        "here": {"d": np.array([kappa.d_shown]), **_parts(np.array([kappa.shown]))},
        "torque": {"V": torque.bias, **_parts(torque.model)},
        "data": {
            "V": torque.data_bias,
            "filled": torque.used.astype(float),
            **_with_errors(torque.data, torque.errors),
        },
    }


def _parts(values: ComplexArray) -> dict[str, FloatArray]:
    return {"par": values.real.copy(), "perp": values.imag.copy()}


def _with_errors(values: ComplexArray, errors: ComplexArray) -> dict[str, FloatArray]:
    low, high = values - errors, values + errors
    return {
        **_parts(values),
        "par_low": low.real.copy(), "par_high": high.real.copy(),
        "perp_low": low.imag.copy(), "perp_high": high.imag.copy(),
    }  # fmt: skip
