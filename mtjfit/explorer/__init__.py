"""The explorer: sliders and live pictures of a study, in a browser on this machine. Needs panel only to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.explorer.drawing import Pictures, pictures_at
    from mtjfit.explorer.export import exported
    from mtjfit.explorer.quality import Agreement, agreement, fit_from, structure_of
    from mtjfit.explorer.serve import explorer_server, serve_explorer
    from mtjfit.explorer.state import ExploredStudy, SliderState, moved, shown, start

__all__ = [
    "Agreement", "ExploredStudy", "Pictures", "SliderState", "agreement", "explorer_server", "exported", "fit_from",
    "moved", "pictures_at", "serve_explorer", "shown", "start", "structure_of",
]  # fmt: skip

_HOMES = {
    ".drawing": ("Pictures", "pictures_at"),
    ".export": ("exported",),
    ".figures": ("COLOURS",),
    ".page": ("facts", "heading"),
    ".quality": ("Agreement", "agreement", "fit_from", "structure_of"),
    ".serve": ("explorer_server", "serve_explorer"),
    ".state": ("AMPLITUDES", "SLIDERS", "ExploredStudy", "SliderState", "moved", "shown", "start", "value_of"),
}

__getattr__ = names_on_demand(
    __name__,
    _HOMES,
    moved={
        "Explored": "mtjfit.explorer.state:ExploredStudy",
        "State": "mtjfit.explorer.state:SliderState",
        "Statistics": "mtjfit.explorer.quality:Agreement",
        "pictures": "mtjfit.explorer.drawing:pictures_at",
        "statistics": "mtjfit.explorer.quality:agreement",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
