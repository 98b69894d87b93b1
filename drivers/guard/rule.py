"""What a model's rule table is made of."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from drivers.errors import LimitError
from drivers.guard.header import Table
from drivers.guard.message import Parameter
from drivers.guard.number import number, number_or_infinity, switch, word
from drivers.guard.state import State, Value
from drivers.limits import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command as a rule sees it."""

    header: str
    """As written, upper case."""
    parameters: tuple[Parameter, ...]
    """In order."""
    numbers: tuple[int, ...]
    """Numbers after the keywords; 1 where none is written."""

    def only(self) -> Parameter:
        """Return the one parameter that the command has."""
        if len(self.parameters) != 1:
            raise LimitError(f"{self.header} takes one parameter here, not {len(self.parameters)}")
        return self.parameters[0]


class Effect(StrEnum):
    """What a rule has to do with the state, and so how long its verdict holds."""

    NONE = "none"
    """Looks at the message alone: the verdict holds for ever."""
    CHECKS = "checks"
    """Looks at the state: the verdict holds until it changes."""
    CHANGES = "changes"
    """Changes the state: judged anew each time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the guard does with one command."""

    apply: Callable[[State, Call], None] | None = None
    """Raises `LimitError` to refuse it; notes what it changes. None lets it pass."""
    effect: Effect = Effect.NONE
    """How long the verdict holds."""


PASS = Rule()
"""Lets a command pass whatever its parameters."""


class Reply(StrEnum):
    """What confirms that commands were not refused."""

    ERRORS = "errors"
    """The reply to the error query: `0,...`."""
    ACKNOWLEDGEMENT = "acknowledgement"
    """The line that answers every command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How messages to one instrument are judged, in SCPI."""

    commands: Table[Rule]
    """Rules of commands."""
    queries: Table[Rule] = field(default_factory=lambda: Table[Rule](()))
    """Rules of those queries that do more than ask."""
    reset: Mapping[str, Value]
    """Settings after `*RST`."""
    holds: Callable[[State], None]
    """Raises `LimitError` where the settings together are not allowed; asked after every change."""
    fire: Callable[[State], None] | None = None
    """The same before a bus trigger; None where the instrument takes none."""
    sure: frozenset[str] = frozenset()
    """Headers, upper case, that the model never refuses, so that what stands behind them is reached; `*CLS` is one."""
    acknowledgement: str | None = None
    """The line that answers every command; None where the error query confirms."""


class RulesFor(Protocol):
    """Makes the rules for one instrument of a bench."""

    def __call__(self, entry: object, place: str) -> Rules:
        """Return the rules for an entry of the bench file; `place` says where its limits stand."""
        ...


def checked(limit: Limit) -> Rule:
    """Return a rule for numbers that must all lie within a limit, however many: a level or a list of levels."""

    def apply(_: State, call: Call) -> None:
        if not call.parameters:
            raise LimitError(f"{call.header} has no value")
        for parameter in call.parameters:
            limit.check(number(parameter, limit.unit, limit.quantity))

    return Rule(apply)


def kept(name: str, limit: Limit, *, at_most: bool = False) -> Rule:
    """Return a rule for a number within a limit that the state keeps.

    Args:
        name: its name in the state.
        limit: the limit.
        at_most: whether a value below is allowed as a step on the way; what is fired is checked in full.
    """

    def apply(state: State, call: Call) -> None:
        value = number(call.only(), limit.unit, limit.quantity)
        if not (at_most and 0 <= value <= limit.high):
            limit.check(value)
        state.tell(name, value)

    return Rule(apply, Effect.CHANGES)


def free(name: str, unit: str = "", *, infinite: bool = False) -> Rule:
    """Return a rule for a number that the state keeps and that has a limit only together with others."""

    def apply(state: State, call: Call) -> None:
        state.tell(name, (number_or_infinity if infinite else number)(call.only(), unit, call.header))

    return Rule(apply, Effect.CHANGES)


def chosen(name: str, *choices: str) -> Rule:
    """Return a rule for a word that the state keeps; choices are written as in manuals, others are refused."""

    def apply(state: State, call: Call) -> None:
        state.tell(name, word(call.only(), choices, call.header))

    return Rule(apply, Effect.CHANGES)


def switched(name: str) -> Rule:
    """Return a rule for an on or off that the state keeps as the word ON or OFF."""

    def apply(state: State, call: Call) -> None:
        state.tell(name, "ON" if switch(call.only(), call.header) else "OFF")

    return Rule(apply, Effect.CHANGES)


def only_off(what: str) -> Rule:
    """Return a rule for something that may be switched off and never on."""

    def apply(_: State, call: Call) -> None:
        if switch(call.only(), call.header):
            raise LimitError(f"{call.header} would switch on {what}, which no limit of the bench file covers")

    return Rule(apply)


def doing(check: Callable[[State], None]) -> Rule:
    """Return a rule for a command that starts something and changes no setting."""
    return Rule(lambda state, _: check(state), Effect.CHECKS)


def within(limit: Limit, low: float, high: float) -> None:
    """Raise `LimitError` unless a whole span lies within a limit."""
    limit.check(low)
    limit.check(high)


def known(state: State, name: str, what: str, remedy: str) -> tuple[float, float]:
    """Return the ends of what a number may be.

    Raises:
        LimitError: if it is unknown, with the remedy.
    """
    span = state.span(name)
    if span is None or math.isnan(span.low):
        raise LimitError(f"the guard does not know the {what}: {remedy}")
    return span.low, span.high


def passing(patterns: Iterable[str]) -> list[tuple[str, Rule]]:
    """Return rules that let commands of these patterns pass."""
    return [(pattern, PASS) for pattern in patterns]


EVERYWHERE = passing(("STATus:**", "FORMat:**", "DISPlay#:**", "CALCulate#:**", "HCOPy:**"))
"""Subsystems of SCPI that touch no source."""

SYSTEM = passing(
    (
        "SYSTem:BEEPer:**",
        "SYSTem:REMote",
        "SYSTem:LOCal",
        "SYSTem:RWLock",
        "SYSTem:DATE",
        "SYSTem:TIME",
        "SYSTem:LFRequency:**",
        "SYSTem:AZERo:**",
        "SYSTem:RSENse",
        "SYSTem:LOCK:**",
        "SYSTem:ACCess",
    )
)
"""The same of the system subsystem."""
