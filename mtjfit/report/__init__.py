"""The report: one self-contained HTML page, and the figures beside it."""

from mtjfit.report.build import (
    FIGURES,
    TABLES,
    ReportFigure,
    ResultFolder,
    report_figures,
    report_html,
    result_document,
    result_files,
    write_report,
)
from mtjfit.report.findings import Findings, findings, summary_table
from mtjfit.report.folder import StoredResult, finished_run, read_result, report_posterior

__all__ = [
    "FIGURES", "TABLES", "Findings", "ReportFigure", "ResultFolder", "StoredResult", "findings", "finished_run",
    "read_result", "report_figures", "report_html", "report_posterior", "result_document", "result_files",
    "summary_table", "write_report",
]  # fmt: skip
