"""Conformance of an array controller: every clause of `docs/array-controller.md` tried on the wire."""

from drivers.conformance.outcome import Outcome, Report, Verdict
from drivers.conformance.run import WallsPlan, check_controller

__all__ = ["Outcome", "Report", "Verdict", "WallsPlan", "check_controller"]
