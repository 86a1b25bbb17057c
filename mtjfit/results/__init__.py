"""Results: the header of every output, tables for people, and files that can be checked and regenerated."""

from __future__ import annotations

from mtjfit.lazy import names_on_demand
from mtjfit.results.headers import Notice, device_names, header, header_fields, notices
from mtjfit.results.identifiability import (
    design_text,
    directions_table,
    expected_table,
    identify_document,
    identify_text,
    interval_in_words,
    intervals_table,
    model_test,
)
from mtjfit.results.methods import provenance
from mtjfit.results.predict import (
    accumulation_draws,
    errors_of,
    kappa_draws,
    predictive_bands,
    shared_lengths,
    torque_at,
    torque_draws,
)
from mtjfit.results.publish import asymmetric, latex_parameters, latex_text, markdown, table_csv
from mtjfit.results.tables import (
    device_combinations_table,
    interval,
    masks_table,
    meaning,
    posterior_table,
    prior_table,
    undetermined_table,
)
from mtjfit.results.verdicts import Answer, checks, learned, not_determined
from mtjfit.text import Table

__all__ = [
    "Answer", "Notice", "Table", "accumulation_draws", "asymmetric", "checks", "design_text",
    "device_combinations_table", "device_names", "directions_table", "errors_of", "expected_table", "header",
    "header_fields", "identify_document", "identify_text", "interval", "interval_in_words", "intervals_table",
    "kappa_draws", "latex_parameters", "latex_text", "learned", "markdown", "masks_table", "meaning", "model_test",
    "not_determined", "notices", "posterior_table", "predictive_bands", "prior_table", "provenance",
    "shared_lengths", "table_csv", "torque_at", "torque_draws", "undetermined_table",
]  # fmt: skip

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

__getattr__ = names_on_demand(__name__, {}, _MOVED)
