"""The judge of one instrument's messages: refuses what a limit forbids, remembers what the instrument was told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, final

from drivers.errors import LimitError
from drivers.guard.header import looks_dangerous
from drivers.guard.message import Unit, lines, printable
from drivers.guard.rule import Call, Effect, Reply, Rule, Rules
from drivers.guard.state import State

_CLEAN: Final = re.compile(rb"[+-]?0,")
_CACHED: Final = 1024
LONGEST_KNOWN_BYTES: Final = 256
"""Longest message whose verdict is remembered, bytes."""
_CLEARING: Final = re.compile(
    r"\*CLS|:?SYST(?:EM)?:CLE(?:AR)?|:?(?:SYST(?:EM)?:ERR(?:OR)?|STAT(?:US)?:QUE(?:UE)?):CLE(?:AR)?"
)
_QUEUE_QUERY: Final = re.compile(r":?(?:SYST(?:EM)?:ERR(?:OR)?|STAT(?:US)?:QUE(?:UE)?)(?::(?!COUN).*)?\?")
_ERROR_QUERY: Final = re.compile(r":?SYST(?:EM)?:ERR(?:OR)?(?::NEXT|:ALL)?\?")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a message that may be sent."""

    asks: int
    """How many replies will come."""
    reply: Reply | None
    """What the reply will confirm."""
    after: State | None
    """The state once it is sent; None if it changes nothing."""


class Screen(Protocol):
    """Judges the messages to one instrument."""

    @property
    def harmless(self) -> Mapping[bytes, Verdict]:
        """Return the verdicts on whole messages seen before that change nothing and that no state can forbid."""
        ...

    @property
    def keeps_replies(self) -> bool:
        """Whether replies wait one behind the other; others forget a reply when they are asked again."""
        ...

    def judge(self, data: bytes) -> Verdict:
        """Return what is to be done with a whole message.

        Raises:
            LimitError: if it may not be sent.
        """
        ...

    def sent(self, verdict: Verdict) -> None:
        """Take note that a message was sent."""
        ...

    def lost(self) -> None:
        """Take note that a message may or may not have been sent: nothing is known any more."""
        ...

    def trigger(self) -> None:
        """Judge a bus trigger; raise `LimitError` if it may not be sent."""
        ...

    def pending(self) -> frozenset[str]:
        """Return the settings that the next good reply will confirm."""
        ...

    def replied(self, kind: Reply, data: bytes, settings: frozenset[str]) -> None:
        """Take note of a reply that came to a message whose verdict names it."""
        ...


@final
class ScpiScreen:
    """Judges SCPI by a table of rules. Not thread-safe.

    Args:
        rules: the rules of the model and its limits.
        name: the instrument in words, for messages.
    """

    def __init__(self, rules: Rules, name: str) -> None:
        self._rules = rules
        self._name = name
        self._state = State()
        self.harmless: dict[bytes, Verdict] = {}
        """Verdicts on messages seen before that change nothing and that no state can forbid."""
        self._current: dict[bytes, Verdict] = {}

    @property
    def keeps_replies(self) -> bool:
        """Whether replies wait one behind the other: those that answer every command do."""
        return self._rules.acknowledgement is not None

    def judge(self, data: bytes) -> Verdict:
        """Return what is to be done with a whole message; raise `LimitError` if it may not be sent."""
        is_short = len(data) <= LONGEST_KNOWN_BYTES
        if is_short and (found := self.harmless.get(data) or self._current.get(data)) is not None:
            return found
        verdict, effect = self._judged(data)
        if is_short and effect is not Effect.CHANGES:
            cache = self.harmless if effect is Effect.NONE else self._current
            if len(cache) >= _CACHED:
                cache.clear()
            cache[data] = verdict
        return verdict

    def sent(self, verdict: Verdict) -> None:
        """Take note that a message was sent."""
        if verdict.after is not None:
            self._become(verdict.after)

    def lost(self) -> None:
        """Take note that a message may or may not have been sent: nothing is known any more."""
        self._become(State())

    def trigger(self) -> None:
        """Judge a bus trigger; raise `LimitError` if it may not be sent."""
        if self._rules.fire is None:
            raise LimitError(f"{self._name} takes no bus trigger")
        try:
            self._rules.fire(self._state)
        except LimitError as error:
            raise LimitError(f"{self._name}: {error}; the trigger was not sent") from error

    def pending(self) -> frozenset[str]:
        """Return the settings that the next good reply will confirm."""
        return self._state.pending

    def replied(self, kind: Reply, data: bytes, settings: frozenset[str]) -> None:
        """Take note of a reply: a good one confirms settings, any other says that one of them was refused."""
        if kind is Reply.ERRORS:
            is_good = _CLEAN.match(data) is not None
        else:
            is_good = data.strip().lower() == (self._rules.acknowledgement or "").lower().encode()
        if is_good and not settings:
            return
        after = self._state.copied()
        if is_good:
            after.confirm(settings)
        else:
            after.doubt()
        self._become(after)

    def _become(self, state: State) -> None:
        self._state = state
        self._current.clear()

    def _judged(self, data: bytes) -> tuple[Verdict, Effect]:
        try:
            messages = lines(data)
            if self.keeps_replies and sum(map(len, messages)) > 1:
                raise LimitError("each command is answered by a line: write them one by one")
            draft = _Draft(self._rules, self._state)
            for units in messages:
                draft.run(units)
            confirmation = self._confirmation(messages)
            if confirmation is None and any(
                _QUEUE_QUERY.fullmatch(unit.header) for units in messages for unit in units
            ):
                # It takes errors out of the queue, and nobody will look at what comes.
                draft.doubt()
        except LimitError as error:
            raise LimitError(f"{self._name}: {error}; {printable(data)!r} was not sent") from error
        return Verdict(1 if self.keeps_replies and messages else draft.asks, confirmation, draft.after), draft.effect

    def _confirmation(self, messages: tuple[tuple[Unit, ...], ...]) -> Reply | None:
        if len(messages) != 1 or len(messages[0]) != 1:
            return None
        unit = messages[0][0]
        if self._rules.acknowledgement is not None:
            return None if unit.is_query else Reply.ACKNOWLEDGEMENT
        return Reply.ERRORS if _ERROR_QUERY.fullmatch(unit.header) else None


@final
class _Draft:
    """The state as a message would leave it."""

    def __init__(self, rules: Rules, state: State) -> None:
        self._rules = rules
        self._state = state
        self._path: tuple[str, ...] = ()
        self._is_first = True
        self.after: State | None = None
        self.effect = Effect.NONE
        self.asks = 0

    def run(self, units: tuple[Unit, ...]) -> None:
        self.asks += any(unit.is_query for unit in units)
        self._path = ()
        for unit in units:
            self._unit(unit)
            self._is_first = self._is_first and self._is_sure(unit)

    def _is_sure(self, unit: Unit) -> bool:
        return not unit.parameters and (unit.header == "*CLS" or unit.header.removeprefix(":") in self._rules.sure)

    def doubt(self) -> None:
        """Believe none of the settings that wait for a confirmation."""
        self._changed().doubt()

    def _unit(self, unit: Unit) -> None:
        if unit.is_query:
            found = self._rules.queries.find(unit.header[:-1], self._path)
            if found is None:
                # A question changes nothing; only where it leaves the path matters.
                named = self._rules.commands.find(unit.header[:-1], self._path)
                self._path = named.path if named is not None else _path_after(unit.header, self._path)
                return
        elif unit.header == "*RST":
            self._changed().reset(self._rules.reset)
            return
        elif _CLEARING.fullmatch(unit.header) is not None:
            # What was refused will not show any more.
            self._changed().doubt()
            self._path = self._path if unit.header.startswith("*") else _path_after(unit.header, self._path)
            return
        elif unit.header == "*TRG" and self._rules.fire is not None:
            self._apply(Rule(lambda state, _: self._fire(state), Effect.CHECKS), unit, ())
            return
        else:
            found = self._rules.commands.find(unit.header, self._path)
        if found is None:
            if looks_dangerous(unit.header, self._path):
                raise LimitError(
                    f"{unit.header} is not in the guard's table for this model and could touch a level, time, count "
                    "or output: use a command that is, or add it to the table"
                )
            self._path = _path_after(unit.header, self._path)
            return
        self._path = found.path
        self._apply(found.rule, unit, found.numbers)

    def _apply(self, rule: Rule, unit: Unit, numbers: tuple[int, ...]) -> None:
        if rule.apply is None:
            return
        state = self._changed() if rule.effect is Effect.CHANGES else (self.after or self._state)
        if rule.effect is Effect.CHECKS and self.effect is Effect.NONE:
            self.effect = Effect.CHECKS
        rule.apply(state, Call(header=unit.header, parameters=unit.parameters, numbers=numbers))
        if rule.effect is Effect.CHANGES:
            self._rules.holds(state)

    def _fire(self, state: State) -> None:
        if self._rules.fire is not None:
            self._rules.fire(state)

    def _changed(self) -> State:
        self.effect = Effect.CHANGES
        if self.after is None:
            self.after = self._state.copied()
        self.after.may_be_dropped = not self._is_first
        return self.after


def _path_after(header: str, path: tuple[str, ...]) -> tuple[str, ...]:
    if header.startswith("*"):
        return path
    keywords = tuple(header.removesuffix("?").removeprefix(":").split(":"))[:-1]
    return keywords if header.startswith(":") else (*path, *keywords)
