"""The explorer: sliders and live pictures of a study, in a browser on this machine. Needs panel only to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtjfit.lazy import names_on_demand

if TYPE_CHECKING:
    from mtjfit.explorer.drawing import Pictures, pictures
    from mtjfit.explorer.export import exported
    from mtjfit.explorer.quality import Statistics, fit_from, statistics, structure_of
    from mtjfit.explorer.serve import explorer_server, serve_explorer
    from mtjfit.explorer.state import Explored, State, moved, shown, start

__all__ = [
    "Explored",
    "Pictures",
    "State",
    "Statistics",
    "explorer_server",
    "exported",
    "fit_from",
    "moved",
    "pictures",
    "serve_explorer",
    "shown",
    "start",
    "statistics",
    "structure_of",
]

__getattr__ = names_on_demand(
    __name__,
    {
        "Explored": "mtjfit.explorer.state",
        "Pictures": "mtjfit.explorer.drawing",
        "State": "mtjfit.explorer.state",
        "Statistics": "mtjfit.explorer.quality",
        "explorer_server": "mtjfit.explorer.serve",
        "exported": "mtjfit.explorer.export",
        "fit_from": "mtjfit.explorer.quality",
        "moved": "mtjfit.explorer.state",
        "pictures": "mtjfit.explorer.drawing",
        "serve_explorer": "mtjfit.explorer.serve",
        "shown": "mtjfit.explorer.state",
        "start": "mtjfit.explorer.state",
        "statistics": "mtjfit.explorer.quality",
        "structure_of": "mtjfit.explorer.quality",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
