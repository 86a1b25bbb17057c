"""The model of a study: parameters laid out, likelihood with amplitudes integrated out, identifiability."""

from mtjfit.lazy import names_on_demand
from mtjfit.model.device_combinations import DeviceCombinations, combinations, quantities_table
from mtjfit.model.identifiability import Identifiability, determined_table, structure
from mtjfit.model.likelihood import Conditional, FullPosterior
from mtjfit.model.lmfit_model import SpinTorqueModel
from mtjfit.model.marginal import MarginalPosterior

__all__ = [
    "Conditional",
    "DeviceCombinations",
    "FullPosterior",
    "Identifiability",
    "MarginalPosterior",
    "SpinTorqueModel",
    "combinations",
    "determined_table",
    "quantities_table",
    "structure",
]

_MOVED = {
    "CollapsedPosterior": "mtjfit.model:MarginalPosterior",
    "combinations_table": "mtjfit.model:quantities_table",
}

__getattr__ = names_on_demand(__name__, {}, _MOVED)
