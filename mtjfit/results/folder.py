"""The folder of a result: written atomically, and never over files that mtjfit did not write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtjfit.infer.journal import is_journal
from mtjfit.results.marked_folder import MarkedFolder

__all__ = ["FIGURES", "TABLES", "ResultFolder"]

_OF_PARAMETERS = ("parameters", "narrowing", "sensitivity", "priors", "undetermined", "directions")
_OF_DEVICES = ("combinations", "devices", "determined", "pairs", "odd", "repeats", "consequences")
_OF_MECHANISMS = ("evidence", "bayes_factors", "left_out", "criteria", "predictive_checks")
FIGURES = ("torque", "combinations", "transfer", "accumulation", "corner", "prior_posterior", "trace", "forest",
           "consequences", "mechanisms")  # fmt: skip
TABLES = (*_OF_PARAMETERS, *_OF_DEVICES, *_OF_MECHANISMS)
_RUN = "run"  # inside the folder of the result
_RESULT = "result.json"
_DRAWN = tuple(f"{figure}.{suffix}" for figure in FIGURES for suffix in ("svg", "pdf", "png"))
_TABLES = tuple(f"table_{name}.csv" for name in TABLES)
_NUMBERS = ("summary.csv", "devices.csv", "pairs.csv", "consequences.csv", "mechanisms.csv", "draws.npz")
_TEXTS = ("summary.md", "summary.tex", "methods.md")
_OURS = (*_NUMBERS, "study.toml", "report.html", *_TEXTS, *_TABLES, *_DRAWN)


@dataclass(frozen=True)
class ResultFolder:
    """A folder that is new, empty, or holds an earlier result of mtjfit, or a run that was interrupted.

    ``result.json`` marks it: it is written first, as incomplete, and last, with the sha256 of every other file. So a
    run that was killed can be repeated into the same folder, and a file that was changed by hand is noticed.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @property
    def run(self) -> Path:
        """Where the run is saved until it has converged."""
        return self.path / _RUN

    @property
    def _folder(self) -> MarkedFolder:
        return MarkedFolder(self.path, _RESULT, {"program": "mtjfit"}, "result", _OURS, _is_run)

    def prepare(self) -> None:
        """Make the folder and make sure that a result can be written, before hours are spent on computing it.

        Raises
        ------
        MtjfitError
            The folder holds other files, or files changed by hand, or cannot be written.
        """
        self._folder.prepare()

    def write(self, files: Mapping[str, bytes], document: Mapping[str, Any]) -> None:
        """Write all files, each one atomically, and ``result.json`` last.

        Parameters
        ----------
        files : mapping of str to bytes
            By name; only names that mtjfit writes.
        document : mapping
            Content of ``result.json``; ``program``, ``status`` and ``files`` are added.

        Raises
        ------
        MtjfitError
            The folder holds other files, or the disk is full or read-only.
        ValueError
            A name is none that mtjfit writes.
        """
        if unknown := set(files) - set(_OURS):
            raise ValueError(f"not among the files of a result: {', '.join(sorted(unknown))}")
        self._folder.write(files, document)


def _is_run(file: Path) -> bool:
    return file.name == _RUN and is_journal(file)
