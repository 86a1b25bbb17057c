"""Prior influence: what a posterior owes to its data and what to its priors."""

from mtjfit.prior_influence.information import joint_gain, narrowing
from mtjfit.prior_influence.tables import narrowing_sentence, narrowing_table, sensitivity_sentence, sensitivity_table

__all__ = [
    "joint_gain",
    "narrowing",
    "narrowing_sentence",
    "narrowing_table",
    "sensitivity_sentence",
    "sensitivity_table",
]
