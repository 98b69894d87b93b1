"""What came of trying a clause."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from drivers.conformance.controller import Controller
from drivers.protocols import Identity


class Verdict(StrEnum):
    """How a controller stands to one clause."""

    PASSED = "passed"
    """It did what the clause asks."""
    FAILED = "failed"
    """It did something else."""
    SKIPPED = "skipped"
    """Not tried, or tried without an answer either way; the detail says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One clause after it was tried."""

    clause: str
    """Its number on the page: `F8`."""
    title: str
    """What it asks for, in a few words."""
    verdict: Verdict
    """How the controller stands to it."""
    detail: str
    """What was seen: the difference for a failure, the reason for a skip, a figure where there is one."""
    duration_s: float
    """Seconds it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A controller and every clause."""

    resource: str
    """VISA resource name."""
    identity: Identity | None
    """Who the controller says it is; None if it does not say so properly."""
    outcomes: tuple[Outcome, ...]
    """The clauses in the order of the page."""

    @property
    def conforms(self) -> bool:
        """Return whether no clause failed. Skipped clauses are not known."""
        return self.count(Verdict.FAILED) == 0

    def count(self, verdict: Verdict) -> int:
        """Return how many clauses came out so."""
        return sum(outcome.verdict is verdict for outcome in self.outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One clause and how it is tried."""

    clause: str
    """Its number on the page."""
    title: str
    """What it asks for, in a few words."""
    attempt: Callable[[Controller], str | None]
    """Tries it: returns a figure or nothing, raises `Deviation` or `Untried`."""
    needs_output: bool = False
    """Whether it switches the output on, and so may move walls."""
