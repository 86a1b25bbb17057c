"""Prior influence: what a posterior owes to its data and what to its priors."""

from mtjfit.prior_influence.tables import narrowing_sentence, narrowing_table, sensitivity_sentence, sensitivity_table

__all__ = ["narrowing_sentence", "narrowing_table", "sensitivity_sentence", "sensitivity_table"]
