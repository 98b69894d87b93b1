"""What an experiment says: numbers with intervals, tests of what they rest on, curves to look at, and what is wrong."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from calibration.estimate import Estimate

LEVEL: Final = 0.01
"""P-values below this one speak against what was tested; one in a hundred sound data sets does as well."""


class Verdict(StrEnum):
    """How a test came out."""

    HOLDS = "holds"
    """The data do not speak against it."""
    FAILS = "does not hold"
    """The data speak against it."""
    UNTESTED = "not tested"
    """The data are too few, or of the wrong kind."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the numbers rest on, and whether the data speak against it."""

    claim: str
    """What was tested, as a sentence that is true if it holds."""
    p_value: float | None
    """Share of data sets that would look worse if the claim were true; None if it was not tested."""
    method: str
    """By which test, on what; or why not."""
    remedy: str = ""
    """What it means for the numbers if it fails, and what to do."""
    of_fit: bool = True
    """Whether it asks if a fit describes the data, or else how the devices are."""

    @property
    def verdict(self) -> Verdict:
        """Return how it came out."""
        if self.p_value is None:
            return Verdict.UNTESTED
        return Verdict.FAILS if self.p_value < LEVEL else Verdict.HOLDS


class Mark(StrEnum):
    """How a series is drawn."""

    POINTS = "points"
    LINE = "line"
    STEPS = "steps"
    """A line that stays level to the right of each point."""
    BARS = "bars"
    """Bars from edge to edge: one more x than y."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """One set of points of a figure."""

    label: str
    """Name in the legend; empty for none."""
    mark: Mark
    """How it is drawn."""
    x: NDArray[np.float64]
    """Shape (N,), or (N + 1,) for bars."""
    y: NDArray[np.float64]
    """Shape (N,)."""
    low: NDArray[np.float64] | None = None
    """Lower ends of intervals, shape (N,)."""
    high: NDArray[np.float64] | None = None
    """Upper ends."""
    colour: int = 0
    """Which of the colours: the same number means the same thing in every figure. -1 is grey, for guides."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """A figure as data."""

    title: str
    """What it shows."""
    x_label: str
    """With unit."""
    y_label: str
    """With unit."""
    series: tuple[Series, ...]
    """What is in it."""
    caption: str = ""
    """What to look for."""
    x_log: bool = False
    """Whether x is drawn as its logarithm."""
    y_log: bool = False
    """Whether y is."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """One number of every device."""

    label: str
    """What it is."""
    unit: str
    """Its unit."""
    values: NDArray[np.float64]
    """Values in the order of `Findings.devices`, nan where there is none; shape (D,)."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Findings:
    """What one experiment says about its devices."""

    kind: str
    """Name of the experiment."""
    estimates: dict[str, Estimate]
    """Numbers with 95 % intervals, by name."""
    labels: dict[str, str]
    """The same names in words."""
    checks: tuple[Check, ...]
    """What the numbers rest on."""
    devices: NDArray[np.uint32]
    """Device numbers, shape (D,)."""
    columns: tuple[Column, ...]
    """Numbers of each device."""
    figures: tuple[Figure, ...]
    """Curves."""
    wrong: tuple[str, ...]
    """What is wrong or missing, in words, the worst first. Empty if nothing is."""
    notes: tuple[str, ...] = ()
    """How the numbers are meant, in words."""

    @property
    def describes(self) -> bool:
        """Return whether the fits describe the data, as far as that was tested."""
        return all(check.verdict is not Verdict.FAILS for check in self.checks if check.of_fit)

    def as_json(self) -> dict[str, Any]:
        """Return numbers, tests and words as one object for machines; curves are left out."""
        return {
            "kind": self.kind,
            "describes": self.describes,
            "estimates": {name: one.model_dump() for name, one in self.estimates.items()},
            "checks": [
                {
                    "claim": check.claim,
                    "verdict": str(check.verdict),
                    "p_value": check.p_value,
                    "method": check.method,
                    "of_fit": check.of_fit,
                }
                for check in self.checks
            ],
            "devices": len(self.devices),
            "wrong": list(self.wrong),
            "notes": list(self.notes),
        }


@final
@dataclass(slots=True)
class Notebook:
    """Findings while they are collected."""

    kind: str
    """Name of the experiment."""
    devices: NDArray[np.uint32]
    """Device numbers."""
    estimates: dict[str, Estimate] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def number(self, name: str, label: str, estimate: Estimate | None) -> None:
        """Take down a number; None is no number."""
        if estimate is not None:
            self.estimates[name] = estimate
            self.labels[name] = label

    def check(self, claim: str, p_value: float | None, method: str, remedy: str = "", *, of_fit: bool = True) -> None:
        """Take down a test. If it fails, that is among what is wrong."""
        if p_value is not None and not np.isfinite(p_value):
            p_value = None
        check = Check(claim=claim, p_value=p_value, method=method, remedy=remedy, of_fit=of_fit)
        self.checks.append(check)
        if check.verdict is Verdict.FAILS:
            self.wrong.append(
                f"does not hold: {claim} (p = {p_value:.2g}, {method})" + (f"; {remedy}" if remedy else "")
            )

    def column(self, label: str, unit: str, values: NDArray[np.float64]) -> None:
        """Take down one number of every device."""
        self.columns.append(Column(label=label, unit=unit, values=values))

    def closed(self, first: Iterable[str] = ()) -> Findings:
        """Return the findings.

        Args:
            first: what is wrong before all else.
        """
        return Findings(
            kind=self.kind,
            estimates=self.estimates,
            labels=self.labels,
            checks=tuple(self.checks),
            devices=self.devices,
            columns=tuple(self.columns),
            figures=tuple(self.figures),
            wrong=(*first, *self.wrong),
            notes=tuple(self.notes),
        )
