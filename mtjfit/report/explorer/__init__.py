"""The explorer: sliders and live pictures of a study, in a browser on this machine. Needs panel only to be shown."""

from mtjfit.report.explorer.export import exported
from mtjfit.report.explorer.pictures import Pictures, pictures
from mtjfit.report.explorer.serve import explorer_server, serve_explorer
from mtjfit.report.explorer.state import Explored, State, moved, shown, start
from mtjfit.report.explorer.statistics import Statistics, fit_from, statistics, structure_of

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
