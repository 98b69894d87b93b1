"""Findings for a person to read: a table in the terminal, and one HTML page that needs nothing else."""

from calibration.report_page.page import render_report, write_report
from calibration.report_page.terminal import findings_table

__all__ = ["findings_table", "render_report", "write_report"]
