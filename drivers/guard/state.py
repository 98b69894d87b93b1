"""What an instrument may be set to, as far as its messages tell.

A command that was sent may have been refused, because of a conflict or of somebody else's settings; or dropped, because
one before it in the message was refused: what cannot be refused is certain only where it comes first. So a setting is a
range of possibilities: what it was and what it was told. It narrows to what it was told when the instrument confirms
that nothing was refused: an empty error queue, or an acknowledgement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

Value = float | str
"""A number, or a word in its short form."""


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers between two ends, both included."""

    low: float
    high: float

    @property
    def largest(self) -> float:
        """Return the largest magnitude."""
        return max(abs(self.low), abs(self.high))

    def joined(self, other: "Span") -> "Span":
        """Return the shortest span that holds both."""
        return Span(min(self.low, other.low), max(self.high, other.high))


@dataclass(slots=True)
class _Facts:
    """What is known."""

    told: dict[str, Value] = field(default_factory=dict)
    numbers: dict[str, Span | None] = field(default_factory=dict)
    words: dict[str, frozenset[str] | None] = field(default_factory=dict)
    tried: dict[str, frozenset[str]] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)

    def copied(self) -> "_Facts":
        return _Facts(
            dict(self.told),
            dict(self.numbers),
            dict(self.words),
            dict(self.tried),
            set(self.pending),
            set(self.doubtful),
        )


@final
class State:
    """Settings of one instrument; a name that is missing is unknown."""

    def __init__(self, facts: _Facts | None = None) -> None:
        self._facts = facts or _Facts()
        self.may_be_dropped = False
        """Whether the command that is looked at may not be reached."""

    def reset(self, settings: Mapping[str, Value]) -> None:
        """Take settings that cannot have been refused, such as those after `*RST`; all others are unknown."""
        if self.may_be_dropped:
            for name in {*self._facts.told, *self._facts.numbers, *self._facts.words} - set(settings):
                self.blur(name)
        else:
            self._facts = _Facts()
        for name, value in settings.items():
            self.settle(name, value)

    def forget(self) -> None:
        """Know nothing any more."""
        self.reset({})

    def settle(self, name: str, value: Value) -> None:
        """Set one setting by a command that cannot be refused."""
        if self.may_be_dropped:
            self.tell(name, value)
        else:
            self._believe(name, value)

    def _believe(self, name: str, value: Value) -> None:
        self._facts.told[name] = value
        self._facts.pending.discard(name)
        self._facts.doubtful.discard(name)
        if isinstance(value, str):
            self._facts.words[name] = self._facts.tried[name] = frozenset((value,))
        else:
            self._facts.numbers[name] = Span(value, value)

    def tell(self, name: str, value: Value, span: Span | None = None) -> None:
        """Set one setting by a command that may be refused; `span` says what it may have become."""
        self._facts.told[name] = value
        self._facts.pending.add(name)
        self._facts.doubtful.discard(name)
        if isinstance(value, str):
            known = self._facts.words.get(name)
            self._facts.words[name] = None if known is None else known | {value}
            self._facts.tried[name] = self._facts.tried.get(name, frozenset()) | {value}
        else:
            before = self._facts.numbers.get(name)
            self._facts.numbers[name] = None if before is None else before.joined(span or Span(value, value))

    def blur(self, name: str) -> None:
        """Take note that one setting changed to something that cannot be worked out."""
        self._facts.told.pop(name, None)
        self._facts.numbers.pop(name, None)
        self._facts.words.pop(name, None)
        self._facts.pending.discard(name)
        self._facts.doubtful.add(name)

    def blur_all(self, prefix: str) -> None:
        """The same for all settings whose names begin so."""
        for name in [name for name in (*self._facts.told, *self._facts.doubtful) if name.startswith(prefix)]:
            self.blur(name)

    @property
    def pending(self) -> frozenset[str]:
        """Return the settings that wait for a confirmation."""
        return frozenset(self._facts.pending)

    def confirm(self, names: frozenset[str]) -> None:
        """Believe these settings, as far as they still wait."""
        for name in names & self._facts.pending:
            self._believe(name, self._facts.told[name])

    def doubt(self) -> None:
        """Believe none of those that wait: one of them was refused, and which is not known."""
        self._facts.doubtful |= self._facts.pending
        self._facts.pending.clear()

    def told(self, name: str) -> Value | None:
        """Return what a setting was told last; None if that is unknown or was refused."""
        return None if name in self._facts.doubtful else self._facts.told.get(name)

    def span(self, name: str) -> Span | None:
        """Return what a number may be; None if it is unknown."""
        return self._facts.numbers.get(name)

    def may_be(self, name: str) -> frozenset[str] | None:
        """Return which words a setting may be; None if it is unknown."""
        return self._facts.words.get(name)

    def may_have_become(self, name: str, *values: str) -> bool:
        """Return whether a setting may be one of these words because it was, or because it was told so.

        An unknown setting that nobody touched may be anything, and yet nothing that went past the guard made it so.
        """
        return not self._facts.tried.get(name, frozenset()).isdisjoint(values)

    def is_surely(self, name: str, *values: str) -> bool:
        """Return whether a setting is one of these words, whatever was refused."""
        known = self.may_be(name)
        return known is not None and known <= frozenset(values)

    def copied(self) -> "State":
        """Return a state to try a message on."""
        return State(self._facts.copied())
