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
    from mtjfit import physics
    from mtjfit.comparison import compare
    from mtjfit.data import TorqueCurve, dataset, datasets
    from mtjfit.infer import FitResult, Posterior, fit, identify, sample
    from mtjfit.model import SpinTorqueModel
    from mtjfit.planning import Plan, plan
    from mtjfit.study import EQ12, CurrentTerm, Study, load_study, own_model

__all__ = [
    "EQ12",
    "CurrentTerm",
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
    "own_model",
    "physics",
    "plan",
    "sample",
]

_HOMES = {
    ".comparison": ("compare",),
    ".data": ("TorqueCurve", "dataset", "datasets"),
    ".infer": ("FitResult", "Posterior", "fit", "identify", "sample"),
    ".model": ("SpinTorqueModel",),
    ".planning": ("Plan", "plan"),
    ".study": ("EQ12", "CurrentTerm", "Study", "load_study", "own_model"),
}
_ON_DEMAND = names_on_demand(__name__, _HOMES)


def __getattr__(name: str) -> object:
    """Import public names on first use: lmfit and emcee take a second that `mtjfit --help` does not have."""
    return import_module("mtjfit.physics") if name == "physics" else _ON_DEMAND(name)


def __dir__() -> list[str]:
    return available(__name__, __all__, _HOMES)
