"""Results: the header of every output, tables for people, and files that can be checked and regenerated."""

from __future__ import annotations

from mtjfit.lazy import names_on_demand
from mtjfit.results.headers import Notice, header, header_fields, notices
from mtjfit.results.identifiability import identify_document, identify_text
from mtjfit.results.methods import provenance
from mtjfit.results.verdicts import Answer, checks, learned, not_determined
from mtjfit.text import Table

__all__ = [
    "Answer", "Notice", "Table", "checks", "header", "header_fields", "identify_document", "identify_text",
    "learned", "not_determined", "notices", "provenance",
]  # fmt: skip

# for other packages and the tests; public names stand in __all__
_HOMES = {
    ".assumptions": ("assumptions_table", "consequence", "contradicted", "hangs_on"),
    ".headers": ("device_names",),
    ".identifiability": ("design_text", "directions_table", "expected_table", "interval_in_words",
        "intervals_table", "model_test"),
    ".predict": ("accumulation_draws", "errors_of", "kappa_draws", "predictive_bands", "shared_lengths",
        "torque_at", "torque_draws"),
    ".publish": ("asymmetric", "latex_parameters", "latex_text", "markdown", "table_csv"),
    ".tables": ("device_combinations_table", "interval", "masks_table", "meaning", "posterior_table", "prior_table",
        "undetermined_table"),
}  # fmt: skip
_MOVED = {
    "Consequences": "mtjfit.comparison:Consequences",
    "DeviceComparison": "mtjfit.comparison:DeviceComparison",
    "ResultFolder": "mtjfit.report:ResultFolder",
    "compare": "mtjfit.comparison:compare",
    "compare_devices": "mtjfit.comparison:compare_devices",
    "consequences": "mtjfit.comparison:consequences",
    "narrowing_sentence": "mtjfit.prior_influence:narrowing_sentence",
    "narrowing_table": "mtjfit.prior_influence:narrowing_table",
    "result_document": "mtjfit.report:result_document",
    "result_files": "mtjfit.report:result_files",
    "sensitivity_sentence": "mtjfit.prior_influence:sensitivity_sentence",
    "sensitivity_table": "mtjfit.prior_influence:sensitivity_table",
    "summary_table": "mtjfit.report:summary_table",
}

__getattr__ = names_on_demand(__name__, _HOMES, _MOVED)
