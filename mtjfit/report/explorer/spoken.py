"""Names of sliders and figures for screen readers: bokeh gives its sliders none, and reads out logarithms."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["speak"]

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


def speak(document: Any) -> None:
    """Name sliders, figures (by their `name`) and groups of boxes (by their tag) of a document once its page stands."""
    document.js_on_event("document_ready", import_module("bokeh.models").CustomJS(code=_CODE))
