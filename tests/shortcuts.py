"""Ways to save time in tests that are about something else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest

import mtjfit


@contextmanager
def few_starts() -> Iterator[None]:
    """Fits from two starts, not eight: for tests of what is done with a fit. Those of fits prove the search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("mtjfit.infer.optimum"), "STARTS", 2)
        yield


@contextmanager
def plain_figures(but: tuple[str, ...] = ()) -> Iterator[None]:
    """In place of all figures but some, one that only shows the names of the devices."""
    from matplotlib.figure import Figure

    def drawn(result: mtjfit.FitResult | mtjfit.Posterior, *_: object) -> Figure:
        figure = Figure(figsize=(2, 1), dpi=50)
        study = getattr(result, "posterior", result).study
        figure.text(0.5, 0.5, ", ".join(study.devices), parse_math=False)
        return figure

    plot = import_module("mtjfit.plot")
    with pytest.MonkeyPatch.context() as patch:
        for name in plot.__all__:
            if name.startswith("plot_") and name not in but:
                patch.setattr(plot, name, drawn)
        yield
