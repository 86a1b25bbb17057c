"""Results: the header of every output, tables for people, and files that can be checked and regenerated."""

from mtjfit.results.compare import compare
from mtjfit.results.consequences import Consequences, consequences
from mtjfit.results.devices import DeviceComparison, compare_devices
from mtjfit.results.folder import ResultFolder
from mtjfit.results.header import Notice, header, header_fields, notices
from mtjfit.results.narrowing import narrowing_sentence, narrowing_table, sensitivity_sentence, sensitivity_table
from mtjfit.results.provenance import provenance
from mtjfit.results.verdicts import Answer, checks, learned, not_determined
from mtjfit.results.write import result_document, result_files, summary_table
from mtjfit.text import Table

__all__ = [
    "Answer",
    "Consequences",
    "DeviceComparison",
    "Notice",
    "ResultFolder",
    "Table",
    "checks",
    "compare",
    "compare_devices",
    "consequences",
    "header",
    "header_fields",
    "learned",
    "narrowing_sentence",
    "narrowing_table",
    "not_determined",
    "notices",
    "provenance",
    "result_document",
    "result_files",
    "sensitivity_sentence",
    "sensitivity_table",
    "summary_table",
]
