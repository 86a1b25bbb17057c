"""mtjfit: spin-transfer torque against bias of magnetic tunnel junctions, fitted with honest error bars.

Three lines make a posterior::

    study = mtjfit.load_study("study.toml")
    fit = mtjfit.fit(study)
    posterior = mtjfit.sample(study, seed=1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mtjfit.lazy import available, names_on_demand
from mtjfit.version import __version__

if TYPE_CHECKING:
    from mtjfit import data as data
    from mtjfit import errors as errors
    from mtjfit import infer as infer
    from mtjfit import model as model
    from mtjfit import physics
    from mtjfit import plot as plot
    from mtjfit import report as report
    from mtjfit import results as results
    from mtjfit import study as study
    from mtjfit.comparison import compare
    from mtjfit.data import TorqueCurve, dataset, datasets
    from mtjfit.infer import FitResult, Posterior, fit, identify, load_posterior, sample
    from mtjfit.model import SpinTorqueModel
    from mtjfit.planning import Plan, plan
    from mtjfit.study import (
        EQ12,
        AboutNominal,
        Correlated,
        CurrentTerm,
        EqualTo,
        Fixed,
        LogNormal,
        LogUniform,
        Normal,
        Parameter,
        Prior,
        Sampling,
        Study,
        Uniform,
        load_study,
        own_model,
    )

__all__ = [
    "EQ12",
    "AboutNominal",
    "Correlated",
    "CurrentTerm",
    "EqualTo",
    "FitResult",
    "Fixed",
    "LogNormal",
    "LogUniform",
    "Normal",
    "Parameter",
    "Plan",
    "Posterior",
    "Prior",
    "Sampling",
    "SpinTorqueModel",
    "Study",
    "TorqueCurve",
    "Uniform",
    "__version__",
    "compare",
    "dataset",
    "datasets",
    "fit",
    "identify",
    "load_posterior",
    "load_study",
    "own_model",
    "physics",
    "plan",
    "sample",
]

_HOMES = {
    ".comparison": ("compare",),
    ".data": ("TorqueCurve", "dataset", "datasets"),
    ".infer": ("FitResult", "Posterior", "fit", "identify", "load_posterior", "sample"),
    ".model": ("SpinTorqueModel",),
    ".planning": ("Plan", "plan"),
    ".study": (
        "EQ12",
        "AboutNominal",
        "Correlated",
        "CurrentTerm",
        "EqualTo",
        "Fixed",
        "LogNormal",
        "LogUniform",
        "Normal",
        "Parameter",
        "Prior",
        "Sampling",
        "Study",
        "Uniform",
        "load_study",
        "own_model",
    ),
}
_MODULES = (
    *("data", "errors", "infer", "model", "physics", "plot", "report", "results", "study"),
    *("calibration", "comparison", "explorer", "paper", "planning", "prior_influence", "spectra", "wafer"),
)
"""Packages that a user may name without importing each."""
_ON_DEMAND = names_on_demand(__name__, _HOMES)


def __getattr__(name: str) -> object:
    """Import public names on first use: lmfit and emcee take a second that `mtjfit --help` does not have."""
    return import_module(f"{__name__}.{name}") if name in _MODULES else _ON_DEMAND(name)


def __dir__() -> list[str]:
    modules = available(__name__, _MODULES, {f".{name}": (name,) for name in _MODULES})
    return sorted({*available(__name__, __all__, _HOMES), *modules})
