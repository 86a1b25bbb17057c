"""The page of the explorer, and what it makes of each value that a browser sends."""

from __future__ import annotations

import cmath
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from html import escape
from importlib import import_module
from typing import Any

from mtjfit.errors import MtjfitError
from mtjfit.explorer.drawing import Kappa, pictures_at
from mtjfit.explorer.export import exported
from mtjfit.explorer.figures import COLOURS, Figures, set_aria_names
from mtjfit.explorer.quality import agreement, fit_from, structure_of
from mtjfit.explorer.state import AMPLITUDES, SLIDERS, ExploredStudy, SliderState, moved, shown, start, value_of
from mtjfit.model.rank import Structure
from mtjfit.plot.style import unit_of
from mtjfit.text import number, visible

_SYMBOLS = {
    "lambda_J": "λ_J, precession (nm)",
    "lambda_phi": "λ_φ, dephasing (nm)",
    "lambda_sf_F": "λ_sf^F, spin flip in F (nm)",
    "lambda_sf_N": "λ_sf^N, spin flip in N (nm)",
    "D_ratio": "D_F/D_N",
    "d": "d, thickness of this device (nm)",
    "a1": "a₁",
    "b1": "b₁",
    "b2": "b₂",
}
_LOG = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio")
_LOW, _HIGH, _STEP = -2.0, 3.0, 0.01  # of log10
_THINNEST, _THICKEST = 0.05, 10.0  # nm
_POWER = "return (10 ** tick).toPrecision(3);"
_DIGITS = "return Number(tick.toPrecision(4)).toString();"
_CSS = """
h1 { font-size: 1.3rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
p { margin: .15rem 0; overflow-wrap: anywhere; }
.mark { background: #fef3c7; color: #78350f; border-left: .4rem solid #b45309; padding: .4rem .6rem; }
"""
# The focus must be visible, and sliders and fields must stand out from the white page.
_WIDGET_CSS = f"""
:focus-visible, .bk-input:focus {{ outline: 3px solid {COLOURS["par"]} !important; outline-offset: 2px; }}
.noUi-connect {{ background: {COLOURS["par"]} !important; }}
.noUi-target, .bk-input, .bk-btn, a.bk-btn {{ border: 1px solid {COLOURS["data"]}; }}
.noUi-handle {{ border: 2px solid {COLOURS["data"]}; }}
"""
_COLUMNS = {"display": "grid", "grid-template-columns": "repeat(auto-fit, minmax(min(100%, 370px), 1fr))", "gap": "8px"}


def _text(words: str) -> str:
    """Words as HTML, with an escape for every character that does something."""
    return escape(visible(words))


def heading(explored: ExploredStudy) -> str:
    """HTML on top of the page: the name of the study, and a mark on data that were not measured."""
    study = explored.study
    name = _text(study.name or "a study without a name")
    mark = f'<p class="mark" role="note"><strong>{_text(study.label)}</strong></p>' if study.label else ""
    return f"<h1>mtjfit explorer: {name}</h1>{mark}"


def facts(explored: ExploredStudy, state: SliderState, drawn: Kappa, shape: Structure) -> str:
    """HTML with χ², the number of determined parameters, κ of the device that is shown, and Λ, as an ARIA status."""
    Lambda = value_of(explored, state, "lambda_sf_N") * value_of(explored, state, "D_ratio")
    phase = math.degrees(cmath.phase(drawn.shown)) if drawn.shown else 0.0
    curve = explored.curve(state.device)
    nominal = f" (nominal {curve.thickness:g} nm)" if abs(drawn.d_shown - curve.thickness) > 5e-4 else ""
    lines = [
        f"<strong>{_text(str(agreement(state, explored, shape)))}</strong>, all devices",
        _determined(shape),
        f"{_text(state.device)}: d = {drawn.d_shown:.3f} nm{nominal}, |κ| = {abs(drawn.shown):.3f}, "
        f"arg κ = {phase:.1f}°",
        f"Λ = D_F/D_N · λ_sf^N = {number(Lambda, 3)} nm: only this product enters the torque",
    ]
    return '<div role="status" aria-live="polite">' + "".join(f"<p>{line}</p>" for line in lines if line) + "</div>"


def _determined(shape: Structure) -> str:
    """A warning where a fit is one of many that agree with the data as well; empty where it is not."""
    if shape.rank >= shape.n_parameters:
        return ""
    return (
        f"<strong>These data determine {shape.rank} of the {shape.n_parameters} parameters that are not held</strong>: "
        f"many other values fit as well ({_text('; '.join(shape.null_directions))})"
    )


class Page:
    """One session in a browser; its `state` is replaced after every event."""

    def __init__(self, explored: ExploredStudy):
        self._pn = import_module("panel")
        self._explored = explored
        self.state = start(explored)
        self._shape = structure_of(self.state, explored)
        self._following = False  # True while the controls are set from the state, so that they do not change it
        self._ends: dict[str, tuple[float, float]] = {}  # of the sliders: a browser may send a value beyond
        mark = " and ".join(dict.fromkeys(each.kind.upper() for each in explored.study.origins if each.label))
        curve = explored.curve(self.state.device)
        drawn = pictures_at(self.state, explored)
        self.figures = Figures(drawn, curve, f"{mark}, not measured" if mark else "")
        self.sliders = {name: self._slider(name) for name in SLIDERS}
        self.device = self._pn.widgets.Select(
            label="Device", options=list(explored.study.devices), value=self.state.device,
            sizing_mode="stretch_width", stylesheets=[_WIDGET_CSS],
        )  # fmt: skip
        self.held = self._pn.widgets.CheckBoxGroup(
            options={_SYMBOLS[name].split(",")[0]: name for name in SLIDERS if name != "d"},
            tags=["Held by fits, fixed in exports"],
            value=[name for name in SLIDERS if name in self.state.held], inline=True, stylesheets=[_WIDGET_CSS],
        )  # fmt: skip
        self.facts = self._html(facts(explored, self.state, drawn.kappa, self._shape))
        self.message = self._html("")
        self.device.param.watch(lambda event: self._try(lambda: self._chosen(event.new)), "value")
        self.held.param.watch(lambda event: self._try(lambda: self._holding(event.new)), "value")

    def view(self) -> Any:
        """The layout for panel."""
        pn = self._pn
        fit = pn.widgets.Button(label="Fit from here", stylesheets=[_WIDGET_CSS])
        back = pn.widgets.Button(label="Back to the start", stylesheets=[_WIDGET_CSS])
        save = pn.widgets.FileDownload(callback=self._file, filename="study.toml", label="Export study.toml",
                                       embed=False, stylesheets=[_WIDGET_CSS])  # fmt: skip
        fit.on_click(self.fit)
        back.on_click(lambda event: self._try(lambda: replace(start(self._explored), held=self.state.held)))
        controls = pn.Column(
            self.device, *self.sliders.values(), self._html("<p>Held by fits, fixed in exports:</p>"), self.held,
            pn.FlexBox(fit, back, save), self.message, sizing_mode="stretch_width", styles={"flex": "1 1 300px"},
        )  # fmt: skip
        figures = pn.Column(*self.figures.all, sizing_mode="stretch_width", styles=_COLUMNS)
        right = pn.Column(
            self.facts, figures, sizing_mode="stretch_width", styles={"flex": "3 1 600px", "min-width": "0"}
        )
        if pn.state.curdoc is not None:
            set_aria_names(pn.state.curdoc)
        body = pn.FlexBox(controls, right, sizing_mode="stretch_width", align_items="flex-start", gap="16px")
        return pn.Column(self._html(heading(self._explored)), body, sizing_mode="stretch_width")

    def fit(self, event: object = None) -> None:
        """Least squares from the sliders."""
        self._try(lambda: fit_from(self.state, self._explored))

    def _file(self) -> io.StringIO:
        try:
            return io.StringIO(exported(self.state, self._explored))
        except Exception as error:
            self.message.object = _why(error)
            raise

    def _try(self, change: Callable[[], SliderState], follow: Iterable[str] = SLIDERS) -> None:
        """Show another state; if there is none, stay at this one and say why."""
        if self._following:
            return
        before = self.state
        try:
            self._now(change(), follow)
        except Exception as error:  # whatever it is, the page goes on
            self._now(before)
            self.message.object = _why(error)

    def _now(self, state: SliderState, follow: Iterable[str] = SLIDERS) -> None:
        """Show a state on the page, with the controls that follow it."""
        if state.held != self.state.held:
            self._shape = structure_of(state, self._explored)
        self.state = state
        self._following = True
        try:
            with self._pn.io.hold():
                for name in follow:
                    self._follow(name)
                self.device.param.update(options=list(self._explored.study.devices), value=state.device)
                self.held.value = [name for name in SLIDERS if name in state.held]
                self._draw()
        finally:
            self._following = False

    def _draw(self) -> None:
        drawn = pictures_at(self.state, self._explored)
        self.figures.show(drawn, self._explored.curve(self.state.device))
        self.facts.object = facts(self._explored, self.state, drawn.kappa, self._shape)
        self.message.object = ""

    def _chosen(self, device: object) -> SliderState:
        if not isinstance(device, str) or device not in self._explored.study.devices:
            raise _Refused
        return shown(self.state, device)

    def _holding(self, names: object) -> SliderState:
        if not isinstance(names, list) or not all(isinstance(n, str) and n in SLIDERS and n != "d" for n in names):
            raise _Refused
        return replace(self.state, held=frozenset(names))

    def _moved(self, name: str, position: object) -> SliderState:
        low, high = self._ends[name]
        if not isinstance(position, int | float) or position != position:  # NaN
            raise _Refused
        within = float(min(max(position, low), high))
        return moved(self._explored, self.state, name, 10.0**within if name in _LOG else within)

    def _slider(self, name: str) -> Any:
        unit = self._explored.open.unit_of(name) if name in AMPLITUDES else ""
        label = _SYMBOLS[name] + unit_of(unit)
        position = self._position(name)
        if name in _LOG:
            low, high, step = _LOW, _HIGH, _STEP
        elif name == "d":
            low, high, step = _THINNEST, max(_THICKEST, 1.5 * float(self._explored.study.thicknesses.max())), 0.01
        else:
            high = _reach(position or value_of(self._explored, self.state, "a1"))
            low, step = -high, high / 200
        formatter = import_module("bokeh.models").CustomJSTickFormatter(code=_POWER if name in _LOG else _DIGITS)
        slider = self._pn.widgets.FloatSlider(
            label=label, start=low, end=high, step=step, value=min(max(position, low), high), format=formatter,
            sizing_mode="stretch_width", stylesheets=[_WIDGET_CSS],
        )  # fmt: skip
        self._ends[name] = low, high

        def move(event: Any) -> None:
            low, high = self._ends[name]
            within = isinstance(event.new, int | float) and low <= event.new <= high
            self._try(lambda: self._moved(name, event.new), () if within else (name,))

        slider.param.watch(move, "value")
        return slider

    def _position(self, name: str) -> float:
        value = value_of(self._explored, self.state, name)
        return (math.log10(value) if value > 0 else -math.inf) if name in _LOG else value

    def _follow(self, name: str) -> None:
        slider, position = self.sliders[name], self._position(name)
        if name in AMPLITUDES and abs(position) > self._ends[name][1]:
            reach = _reach(position)
            slider.param.update(start=-reach, end=reach, step=reach / 200)
            self._ends[name] = -reach, reach
        low, high = self._ends[name]
        slider.value = min(max(position, low), high)

    def _html(self, text: str) -> Any:
        return self._pn.pane.HTML(text, sizing_mode="stretch_width", stylesheets=[_CSS])


class _Refused(ValueError):
    """A browser sent a value that no control of the page has."""


def _why(error: Exception) -> str:
    """HTML that says why nothing changed."""
    if isinstance(error, _Refused):
        words = "The browser sent a value that no control of this page has; nothing changed."
    elif isinstance(error, MtjfitError):
        words = str(error)
    else:
        words = f"This is a fault of mtjfit; nothing changed: {type(error).__name__}: {error}"
    return f'<p role="alert">{_text(words)}</p>'


def _reach(value: float) -> float:
    """End of the slider of an amplitude: one, two or five times a power of ten, three times the value or more.

    >>> _reach(0.13), _reach(0.0)
    (0.5, 1.0)
    """
    wanted = 3 * abs(value)
    if not 0 < wanted < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(float(f"{each * power:.3g}") for each in (1, 2, 5, 10) if each * power >= wanted)
