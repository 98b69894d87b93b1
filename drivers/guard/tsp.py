"""The judge of an instrument that is spoken to in TSP: Lua statements instead of SCPI."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

from drivers.errors import LimitError
from drivers.guard.lua import Assignment, Call, Expression, Path, Row, Sum, Text, statements
from drivers.guard.message import printable
from drivers.guard.rule import Effect, Reply
from drivers.guard.screen import LONGEST_KNOWN_BYTES, Verdict
from drivers.guard.state import State, Value

_CACHED: Final = 1024
_PRINTABLE: Final = re.compile(rb"[\t\r\n\x20-\x7e]*")
_ERRORS: Final = re.compile(rb"[ \t]*print\([ \t]*errorqueue\.(?:count|next\([ \t]*\))[ \t]*\)[ \t\r\n]*")
_CLEAN: Final = re.compile(rb"[+-]?0(?:\.0*)?(?:[eE][+-]?0+)?(?=[\s]|$)")
_COMMON: Final = re.compile(
    r"\*(IDN\?|CLS|ESE(?: *[0-9]+)?|ESE\?|SRE(?: *[0-9]+)?|SRE\?|ESR\?|STB\?|OPC\??|WAI|RST|TRG|TST\?)"
)
_ANSWERING: Final = ("print", "printbuffer", "printnumber")


@dataclass(frozen=True, slots=True, kw_only=True)
class TspRules:
    """How messages to one instrument are judged, in TSP."""

    assignments: Mapping[str, Callable[[State, Expression], None] | None]
    """Settings that may be changed, by their paths; None lets any value pass."""
    calls: Mapping[str, Callable[[State, tuple[Expression, ...]], None] | None]
    """Functions that may be called."""
    patterns: tuple[str, ...]
    """Regular expressions of further paths that may be set and called freely."""
    reset: Mapping[str, Value]
    """Settings after `reset()` and `*RST`."""
    holds: Callable[[State], None]
    """Raises `LimitError` where the settings together are not allowed."""
    fire: Callable[[State], None]
    """The same before a trigger."""


@final
class TspScreen:
    """Judges TSP by a table of paths: what is not in it is not sent. Not thread-safe.

    Args:
        rules: the rules of the model and its limits.
        name: the instrument in words, for messages.
    """

    def __init__(self, rules: TspRules, name: str) -> None:
        self._rules = rules
        self._name = name
        self._free = re.compile("|".join(f"(?:{pattern})" for pattern in rules.patterns))
        self._state = State()
        self.harmless: dict[bytes, Verdict] = {}
        """Verdicts on messages seen before that change nothing and that no state can forbid."""

    def judge(self, data: bytes) -> Verdict:
        """Return what is to be done with a whole message; raise `LimitError` if it may not be sent."""
        is_short = len(data) <= LONGEST_KNOWN_BYTES
        if is_short and (found := self.harmless.get(data)) is not None:
            return found
        try:
            verdict, effect = self._judged(data)
        except LimitError as error:
            raise LimitError(f"{self._name}: {error}; {printable(data)!r} was not sent") from error
        if is_short and effect is Effect.NONE:
            if len(self.harmless) >= _CACHED:
                self.harmless.clear()
            self.harmless[data] = verdict
        return verdict

    @property
    def keeps_replies(self) -> bool:
        """Whether replies wait one behind the other: each print adds a line."""
        return True

    def sent(self, verdict: Verdict) -> None:
        """Take note that a message was sent."""
        if verdict.after is not None:
            self._state = verdict.after

    def lost(self) -> None:
        """Take note that a message may or may not have been sent: nothing is known any more."""
        self._state = State()

    def trigger(self) -> None:
        """Judge a bus trigger; raise `LimitError` if it may not be sent."""
        try:
            self._rules.fire(self._state)
        except LimitError as error:
            raise LimitError(f"{self._name}: {error}; the trigger was not sent") from error

    def pending(self) -> frozenset[str]:
        """Return the settings that the next good reply will confirm."""
        return self._state.pending

    def replied(self, kind: Reply, data: bytes, settings: frozenset[str]) -> None:
        """Take note of what the error queue said."""
        if kind is Reply.ERRORS and _CLEAN.match(data.strip()) is not None:
            self._state.confirm(settings)
        else:
            self._state.doubt()

    def _judged(self, data: bytes) -> tuple[Verdict, Effect]:
        if _PRINTABLE.fullmatch(data) is None:
            raise LimitError("control characters are not sent: a message is printable ASCII")
        text = data.decode("ascii").strip()
        reply = Reply.ERRORS if _ERRORS.fullmatch(data) is not None else None
        draft = _Draft(self._rules, self._free, self._state, is_confirmation=reply is not None)
        common = _COMMON.fullmatch(text.upper())
        if common is not None:
            draft.common(common[1])
        else:
            for statement in statements(text):
                draft.run(statement)
        return Verdict(draft.asks, reply, draft.after), draft.effect


@final
class _Draft:
    """The state as a message would leave it."""

    def __init__(self, rules: TspRules, free: re.Pattern[str], state: State, *, is_confirmation: bool) -> None:
        self._rules = rules
        self._free = free
        self._is_confirmation = is_confirmation
        self._state = state
        self._is_first = True
        self.after: State | None = None
        self.effect = Effect.NONE
        self.asks = 0

    def common(self, command: str) -> None:
        self.asks += command.endswith("?")
        if command == "RST":
            self._changed().reset(self._rules.reset)
        elif command == "TRG":
            self.effect = Effect.CHANGES
            self._rules.fire(self._state)
        elif command == "CLS":
            self._changed().doubt()

    def run(self, statement: Assignment | Call) -> None:
        self._run(statement)
        self._is_first = False

    def _run(self, statement: Assignment | Call) -> None:
        if isinstance(statement, Call):
            self._call(statement)
            return
        path = statement.target.text
        self._look_into(statement.value)
        if path in self._rules.assignments:
            check = self._rules.assignments[path]
            if check is not None:
                state = self._changed()
                check(state, statement.value)
                self._rules.holds(state)
        elif self._free.fullmatch(path) is None:
            raise self._unknown(path)

    def _call(self, call: Call) -> None:
        path = call.function.text
        for argument in call.arguments:
            self._look_into(argument)
        if path == "errorqueue.next" and not self._is_confirmation:
            # It takes an error out of the queue, and nobody will look at what comes.
            self._changed().doubt()
        elif path in _ANSWERING:
            self.asks += 1
        elif path == "reset":
            self._changed().reset(self._rules.reset)
        elif path == "errorqueue.clear":
            self._changed().doubt()
        elif path in self._rules.calls:
            check = self._rules.calls[path]
            if check is not None:
                state = self._changed()
                check(state, call.arguments)
                self._rules.holds(state)
        elif self._free.fullmatch(path) is None:
            raise self._unknown(path)

    def _look_into(self, value: Expression) -> None:
        """Judge the calls inside an expression; reading a setting harms nothing."""
        match value:
            case Call():
                self._call(value)
            case Row(items=parts) | Sum(operands=parts):
                for part in parts:
                    self._look_into(part)
            case _:
                pass

    def _changed(self) -> State:
        self.effect = Effect.CHANGES
        if self.after is None:
            self.after = self._state.copied()
        self.after.may_be_dropped = not self._is_first
        return self.after

    def _unknown(self, path: str) -> LimitError:
        return LimitError(
            f"{path} is not in the guard's table for this model: use settings and functions that are, "
            "or add it to the table"
        )


def literal(value: Expression, what: str, words: Mapping[str, float] | None = None) -> float:
    """Return the number that is written out; `words` are constants by their paths.

    Raises:
        LimitError: if it is anything else: the guard works nothing out.
    """
    if isinstance(value, Path) and words and value.text in words:
        return words[value.text]
    if isinstance(value, bool) or not isinstance(value, float):
        shown = value.text if isinstance(value, Path | Text) else type(value).__name__.lower()
        raise LimitError(f"{what} must be a number written out, not {shown}")
    return value
