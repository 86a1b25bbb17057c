"""The model of a study: parameters laid out, likelihood with amplitudes integrated out, identifiability."""

from mtjfit.model.combinations import DeviceCombinations, combinations, combinations_table
from mtjfit.model.identifiability import Identifiability, determined_table, structure
from mtjfit.model.likelihood import Conditional, MarginalPosterior
from mtjfit.model.lmfit_model import SpinTorqueModel
from mtjfit.model.marginal import CollapsedPosterior

__all__ = [
    "CollapsedPosterior",
    "Conditional",
    "DeviceCombinations",
    "Identifiability",
    "MarginalPosterior",
    "SpinTorqueModel",
    "combinations",
    "combinations_table",
    "determined_table",
    "structure",
]
