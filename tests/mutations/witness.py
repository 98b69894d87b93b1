"""A pytest plug-in for `run.py`: writes down which tests failed, and which files the packages came from.

The packages are installed from the original tree; tests that ran against that one would prove nothing.
"""

import json
import os
import sys
from pathlib import Path

import pytest

PACKAGES = ("hil", "drivers", "sim_instruments", "calibration", "tui", "pyvisa_domainwall", "pyvisa_guard")

_failed: dict[str, bool] = {}
_timed_out: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.outcome == "skipped":
        return
    _failed[report.nodeid] = _failed.get(report.nodeid, False) or report.failed
    if report.failed and "Failed: Timeout" in str(report.longrepr):
        _timed_out.append(report.nodeid)


def pytest_sessionfinish() -> None:
    origins = {
        name: str(Path(file).resolve())
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in PACKAGES and (file := getattr(module, "__file__", None)) is not None
    }
    told = {"failed": _failed, "timed_out": _timed_out, "origins": origins}
    Path(os.environ["MUTATION_WITNESS"]).write_text(json.dumps(told), "utf-8")
