"""The report: one self-contained HTML page, and the figures beside it."""

from mtjfit.report.build import report_html, write_report
from mtjfit.report.figures import ReportFigure, report_figures

__all__ = ["ReportFigure", "report_figures", "report_html", "write_report"]
