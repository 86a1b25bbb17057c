"""Colours of the explorer, light or dark as the browser asks, and changed while the page stands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mtjfit.plot.style import OKABE_ITO

__all__ = ["DARK", "LIGHT", "PAGE_CSS", "WIDGET_CSS", "dress"]

LIGHT = {
    "ground": "#ffffff",
    "surface": "#f3f3f3",
    "ink": "#212529",
    "rule": "#e5e5e5",
    "faint": "#666666",
    "mark": "#9a3412",
    "par": OKABE_ITO["blue"],
    "perp": OKABE_ITO["vermillion"],
}
"""Colours by what they are for: glyphs and annotations carry these names as tags."""

DARK = {
    "ground": "#181b1f",
    "surface": "#2b3035",
    "ink": "#e9ecef",
    "rule": "#343a40",
    "faint": "#a0a4a8",
    "mark": "#fdba74",
    "par": OKABE_ITO["sky"],
    "perp": OKABE_ITO["orange"],
}

_VARIABLES = ("background", "ground"), ("background-text", "ink"), ("surface", "surface"), ("surface-text", "ink")


def _page(colours: dict[str, str], scheme: str) -> str:
    """Panel's own variables, which its widgets inherit from the page."""
    lines = "".join(f"--design-{name}-color: {colours[what]};" for name, what in _VARIABLES)
    return f":root {{ {lines} --text-color: {colours['ink']}; --par: {colours['par']}; color-scheme: {scheme}; }}"


PAGE_CSS = f"""
{_page(LIGHT, "light")}
@media (prefers-color-scheme: dark) {{ {_page(DARK, "dark")} }}
body {{ background: var(--design-background-color); }}
"""

WIDGET_CSS = """
:focus-visible, .bk-input:focus { outline: 3px solid var(--par) !important; outline-offset: 2px; box-shadow: none; }
.noUi-target { background: var(--surface-color); border: 1px solid var(--background-text-color); box-shadow: none; }
.noUi-connect { background: var(--par) !important; }
select.bk-input { appearance: auto; background-image: none; }
.noUi-handle { background: var(--background-color); border: 2px solid var(--background-text-color); box-shadow: none; }
.bk-input { color: var(--background-text-color); border: 1px solid var(--background-text-color); }
.bk-btn, a.bk-btn { border: 1px solid var(--background-text-color); color: var(--background-text-color); }
"""

_CODE = """
const wished = window.matchMedia("(prefers-color-scheme: dark)");
const AXIS = ["axis_label_text", "major_label_text", "axis_line", "major_tick_line", "minor_tick_line"];
const worn = (model, c) => {
  switch (model.type) {
    case "Figure": return {background_fill_color: c.ground, border_fill_color: c.ground};
    case "LinearAxis": return Object.fromEntries(AXIS.map((name) => [`${name}_color`, c.ink]));
    case "Grid": return {grid_line_color: c.rule};
    case "Legend": return {label_text_color: c.ink, background_fill_color: c.ground};
    case "Title": return {text_color: c.mark};
    default: return {};
  }
};
const put = (model, values) => model.setv(values, {sync: false});  // the server need not know
const clothe = (model, c) => {
  put(model, worn(model, c));
  for (const tag of model.tags.filter((each) => each in c)) {
    const glyph = model.glyph ?? model;
    for (const name of ["line_color", "fill_color"]) {
      const old = glyph[name];
      if (old != null && old.value !== null) { put(glyph, {[name]: c[tag]}); }
    }
  }
};
const all = () => {
  for (const page of Bokeh.documents) {
    for (const model of (page._all_models ?? new Map()).values()) { clothe(model, wished.matches ? dark : light); }
  }
};
wished.addEventListener("change", all);
if (wished.matches) { all(); }
"""


def dress(document: Any) -> None:
    """Give the figures of a bokeh document the colours that the browser asks for, now and whenever it asks anew."""
    code = import_module("bokeh.models").CustomJS(args={"light": LIGHT, "dark": DARK}, code=_CODE)
    document.js_on_event("document_ready", code)
