"""What every source-measure unit is held to: levels, lists and sweeps in range, a known compliance when it is on."""

from collections.abc import Callable
from dataclasses import dataclass

from drivers.entries import SourceMeterEntry
from drivers.errors import LimitError
from drivers.guard.number import switch
from drivers.guard.rule import Call, Effect, Rule, checked, chosen, kept, known, within
from drivers.guard.state import State
from drivers.limits import Limit

_REMEDY = "set it and read the error queue, or send *RST first"
_MODE_REMEDY = (
    "set the mode of the source to FIX (in Lua: its action to DISABLE) and read the error queue, or send *RST first"
)
GIVEN = "GIVEN"
"""What the state says of a list whose levels were checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLimits:
    """Limits of a source-measure unit, whichever way round it is used."""

    voltage: Limit
    """Level as a voltage source."""
    compliance: Limit
    """Compliance current as a voltage source."""
    current: Limit
    """Level as a current source: no more than the compliance, either way."""
    compliance_voltage: Limit
    """Compliance voltage as a current source: no more than the larger level."""


def source_limits(entry: SourceMeterEntry, voltage: Limit, compliance: Limit, place: str) -> SourceLimits:
    """Return the limits of a unit from its table in the bench file, in the ranges its model has."""
    given = entry.limits
    if given.voltage_v is not None:
        voltage = voltage.narrowed(*given.voltage_v, f"{place} voltage_v")
    if given.compliance_a is not None:
        compliance = compliance.narrowed(*given.compliance_a, f"{place} compliance_a")
    most_v = max(abs(voltage.low), abs(voltage.high))
    return SourceLimits(
        voltage=voltage,
        compliance=compliance,
        current=Limit(
            quantity="source current", low=-compliance.high, high=compliance.high, unit="A", origin=compliance.origin
        ),
        compliance_voltage=Limit(quantity="compliance voltage", low=0.0, high=most_v, unit="V", origin=voltage.origin),
    )


@dataclass(frozen=True, slots=True)
class SourceGuard:
    """Checks on the settings of one channel together; the names in the state end with its number."""

    limits: SourceLimits
    """What they are checked against."""
    channel: str = ""
    """Number of the channel; empty where there is one only."""

    def name(self, setting: str) -> str:
        """Return the name of a setting of this channel in the state."""
        return f"{setting}{self.channel}"

    def defaults(self, *, compliance_a: float, compliance_v: float) -> dict[str, float | str]:
        """Return what `*RST` sets: a voltage source of 0 V, off."""
        settings = {"output": "OFF", "function": "VOLT", "voltage": 0.0, "current": 0.0}
        settings |= {"voltage_mode": "FIX", "current_mode": "FIX"}
        settings |= {"compliance": compliance_a, "compliance_voltage": compliance_v}
        return {self.name(key): value for key, value in settings.items()}

    def output(self, state: State, call: Call) -> None:
        """Switch the output: off always, on only with a compliance that is known and allowed."""
        if switch(call.only(), call.header):
            state.tell(self.name("output"), "ON")
            self.check_ready(state)
        else:
            state.settle(self.name("output"), "OFF")

    def holds(self, state: State) -> None:
        """Check the settings where the output may be on by a command that the guard has seen."""
        if state.may_have_become(self.name("output"), "ON"):
            self.check_ready(state)

    def check_start(self, state: State) -> None:
        """Raise `LimitError` unless the levels of a list or sweep that a start would run are within the limits too."""
        self.check_ready(state)
        function = state.may_be(self.name("function")) or frozenset()
        for word, quantity, limit in (
            ("VOLT", "voltage", self.limits.voltage),
            ("CURR", "current", self.limits.current),
        ):
            if word in function:
                self._check_run(state, quantity, limit)

    def _check_run(self, state: State, quantity: str, limit: Limit) -> None:
        modes = state.may_be(self.name(f"{quantity}_mode"))
        if modes is None:
            raise LimitError(f"the guard does not know whether a list or a sweep would run: {_MODE_REMEDY}")
        if "LIST" in modes and not state.is_surely(self.name(f"{quantity}_list"), GIVEN):
            raise LimitError(f"the guard does not know the list that would run: {_REMEDY}")
        if "SWE" in modes:
            _check(state, self.name(f"{quantity}_start"), limit)
            _check(state, self.name(f"{quantity}_stop"), limit)

    def check_ready(self, state: State) -> None:
        """Raise `LimitError` unless everything that the output would show is known and within its limits."""
        function = state.may_be(self.name("function"))
        if function is None:
            raise LimitError(f"the guard does not know the source function: {_REMEDY}")
        if "VOLT" in function:
            _check(state, self.name("compliance"), self.limits.compliance)
            _check(state, self.name("voltage"), self.limits.voltage)
        if "CURR" in function:
            _check(state, self.name("compliance_voltage"), self.limits.compliance_voltage)
            _check(state, self.name("current"), self.limits.current)


def on_channel(guards: dict[int, SourceGuard], make: Callable[[SourceGuard], Rule]) -> Rule:
    """Return a rule that picks the guard of the channel that a command names."""

    def apply(state: State, call: Call) -> None:
        number = call.numbers[0] if call.numbers else 1
        if number not in guards:
            raise LimitError(f"{call.header}: there is no channel {number}")
        rule = make(guards[number])
        if rule.apply is not None:
            rule.apply(state, call)

    return Rule(apply, make(next(iter(guards.values()))).effect)


def runs(guard: SourceGuard, quantity: str, limit: Limit) -> dict[str, Rule]:
    """Return the rules of a mode of the source, a list, and the ends of a sweep, by what they are."""
    every = checked(limit).apply

    def given(state: State, call: Call) -> None:
        if every is not None:
            every(state, call)
        state.tell(guard.name(f"{quantity}_list"), GIVEN)

    return {
        "mode": chosen(guard.name(f"{quantity}_mode"), "FIXed", "LIST", "SWEep"),
        "list": Rule(given, Effect.CHANGES),
        "start": kept(guard.name(f"{quantity}_start"), limit),
        "stop": kept(guard.name(f"{quantity}_stop"), limit),
    }


def _check(state: State, name: str, limit: Limit) -> None:
    low, high = known(state, name, limit.quantity, _REMEDY)
    within(limit, low, high)
