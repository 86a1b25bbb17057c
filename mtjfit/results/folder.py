"""The folder of a result: written atomically, and never over files that mtjfit did not write."""

from __future__ import annotations

from pathlib import Path

from mtjfit.infer.journal import is_journal
from mtjfit.output import OutputFolder

__all__ = ["FIGURES", "TABLES", "ResultFolder"]

_OF_PARAMETERS = ("parameters", "narrowing", "sensitivity", "priors", "undetermined", "directions")
_OF_DEVICES = ("combinations", "devices", "determined", "pairs", "odd", "repeats", "consequences")
_OF_MECHANISMS = ("evidence", "bayes_factors", "left_out", "criteria", "predictive_checks")
FIGURES = ("torque", "combinations", "transfer", "accumulation", "corner", "prior_posterior", "trace", "forest",
           "consequences", "mechanisms")  # fmt: skip
TABLES = (*_OF_PARAMETERS, *_OF_DEVICES, *_OF_MECHANISMS)
_RUN = "run"  # inside the folder of the result
_DRAWN = tuple(f"{figure}.{suffix}" for figure in FIGURES for suffix in ("svg", "pdf", "png"))
_TABLES = tuple(f"table_{name}.csv" for name in TABLES)
_NUMBERS = ("summary.csv", "devices.csv", "pairs.csv", "consequences.csv", "mechanisms.csv", "draws.npz")
_TEXTS = ("summary.md", "summary.tex", "methods.md")
_OURS = (*_NUMBERS, "study.toml", "report.html", *_TEXTS, *_TABLES, *_DRAWN)


class ResultFolder(OutputFolder):
    """A folder that is new, empty, or holds an earlier result of mtjfit, or a run that was interrupted.

    ``result.json`` is its marker.
    """

    def __init__(self, path: Path):
        super().__init__(path, "result", _OURS.__contains__, "result.json", {"program": "mtjfit"}, _is_run)

    @property
    def run(self) -> Path:
        """Where the run is saved until it has converged."""
        return self.path / _RUN


def _is_run(file: Path) -> bool:
    return file.name == _RUN and is_journal(file)
