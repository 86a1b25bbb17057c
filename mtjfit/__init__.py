"""mtjfit: spin-transfer torque against bias of magnetic tunnel junctions, fitted with honest error bars.

Three lines make a posterior::

    study = mtjfit.load_study("study.toml")
    fit = mtjfit.fit(study)
    posterior = mtjfit.sample(study, seed=1)
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtjfit import physics
    from mtjfit.data import TorqueCurve, dataset, datasets
    from mtjfit.infer import FitResult, Plan, Posterior, fit, identify, plan, sample
    from mtjfit.model import SpinTorqueModel
    from mtjfit.results import compare
    from mtjfit.study import Study, load_study

__all__ = [
    "FitResult",
    "Plan",
    "Posterior",
    "SpinTorqueModel",
    "Study",
    "TorqueCurve",
    "__version__",
    "compare",
    "dataset",
    "datasets",
    "fit",
    "identify",
    "load_study",
    "physics",
    "plan",
    "sample",
]

_HOME = {
    "FitResult": "infer",
    "Plan": "infer",
    "Posterior": "infer",
    "SpinTorqueModel": "model",
    "Study": "study",
    "TorqueCurve": "data",
    "compare": "results",
    "dataset": "data",
    "datasets": "data",
    "fit": "infer",
    "identify": "infer",
    "load_study": "study",
    "plan": "infer",
    "sample": "infer",
}

try:
    __version__ = version("mtjfit")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> object:
    """Import public names on first use: lmfit and emcee take a second that `mtjfit --help` does not have."""
    if name == "physics":
        return import_module("mtjfit.physics")
    if name in _HOME:
        return getattr(import_module(f"mtjfit.{_HOME[name]}"), name)
    raise AttributeError(f"module 'mtjfit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
