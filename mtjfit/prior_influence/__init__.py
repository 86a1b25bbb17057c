"""Prior influence: what a posterior owes to its data and what to its priors."""

from mtjfit.lazy import names_on_demand
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

# those in __all__ are public, the others serve inside the program
_HOMES = {
    ".information": ("FROM_PRIOR", "JointGain", "gain_over_normal"),
    ".section": ("prior_section",),
    ".reweighting": ("WIDER", "Alternative", "alternatives", "reweighted", "sensitivity", "weighted_quantiles"),
    ".tables": ("MOVED", "bits", "joint_sentence"),
}

__getattr__ = names_on_demand(__name__, _HOMES)
