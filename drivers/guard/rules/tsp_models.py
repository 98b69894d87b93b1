"""Rules of the instruments that speak TSP: the Keithley 2601B and 2602B source-measure units and the 707B switch."""

from collections.abc import Callable
from typing import Final

from drivers.entries import SourceMeterEntry, SwitchEntry
from drivers.errors import LimitError
from drivers.guard.lua import Expression, Row
from drivers.guard.source_meters import GIVEN, SourceGuard, source_limits
from drivers.guard.state import State
from drivers.guard.tsp import TspRules, literal
from drivers.limits import Limit
from drivers.smus.keithley_2600b import RATINGS

_CHANNELS: Final = {"a": "1", "b": "2"}
_EVERYWHERE: Final = (
    r"print|printbuffer|printnumber|delay|waitcomplete|opc|format\.\w+|errorqueue\.(?:next|count)|eventlog\.\w+",
    r"display\.(?!loadmenu|menu|trigger)[\w.\[\]]+|beeper\.\w+|status\.[\w.\[\]]+|localnode\.\w+|collectgarbage",
)

Assigns = Callable[[State, Expression], None]
Calls = Callable[[State, tuple[Expression, ...]], None]


def rules_2600b(entry: SourceMeterEntry, place: str) -> TspRules:
    """Return the rules for one unit; both channels are held to the limits of the entry."""
    ratings = RATINGS[entry.model.removeprefix("keithley-").upper()]
    voltage = Limit(
        quantity="source voltage", low=-ratings.voltage_v, high=ratings.voltage_v, unit="V", origin="the 2600B manual"
    )
    compliance = Limit(
        quantity="compliance current", low=0.0, high=ratings.current_a, unit="A", origin="the 2600B manual"
    )
    limits = source_limits(entry, voltage, compliance, place)
    assignments: dict[str, Assigns | None] = {}
    calls: dict[str, Calls | None] = {}
    reset: dict[str, float | str] = {}
    guards = []
    for letter, number in _CHANNELS.items():
        smu, guard = f"smu{letter}", SourceGuard(limits, number)
        guards.append(guard)
        defaults = guard.defaults(compliance_a=1.0, compliance_v=40.0)
        reset |= defaults
        assignments |= {
            f"{smu}.source.levelv": _kept(guard.name("voltage"), limits.voltage),
            f"{smu}.source.leveli": _kept(guard.name("current"), limits.current),
            f"{smu}.source.limiti": _kept(guard.name("compliance"), limits.compliance),
            f"{smu}.source.limitv": _kept(guard.name("compliance_voltage"), limits.compliance_voltage),
            f"{smu}.source.func": _function(smu, guard),
            f"{smu}.source.output": _output(smu, guard),
            f"{smu}.trigger.source.action": _action(smu, guard),
            f"{smu}.trigger.source.limiti": _within(limits.compliance),
            f"{smu}.trigger.source.limitv": _within(limits.compliance_voltage),
        }
        calls |= {
            f"{smu}.reset": _reset(defaults),
            f"{smu}.trigger.initiate": lambda state, _, guard=guard: guard.check_start(state),
            f"{smu}.trigger.source.listv": _given(guard, "voltage", _list(limits.voltage)),
            f"{smu}.trigger.source.listi": _given(guard, "current", _list(limits.current)),
            f"{smu}.trigger.source.linearv": _given(guard, "voltage", _ends(limits.voltage)),
            f"{smu}.trigger.source.lineari": _given(guard, "current", _ends(limits.current)),
            f"{smu}.trigger.source.logv": _given(guard, "voltage", _ends(limits.voltage)),
            f"{smu}.trigger.source.logi": _given(guard, "current", _ends(limits.current)),
        }
    patterns = (
        *_EVERYWHERE,
        r"smu[ab]\.source\.(?:autorange|lowrange)[vi]|smu[ab]\.source\.range[vi]|smu[ab]\.source\.(?:delay|settling|sink)",
        r"smu[ab]\.source\.(?:highc|offmode|compliance)|smu[ab]\.(?:sense|cal|contact)(?:\.\w+)*",
        r"smu[ab]\.measure\.[\w.]+|smu[ab]\.nvbuffer[12](?:\.\w+)*|smu[ab]\.(?:abort|makebuffer|savebuffer)",
        r"smu[ab]\.trigger\.(?:count|autoclear)|smu[ab]\.trigger\.arm\.[\w.]+|smu[ab]\.trigger\.measure\.[\w.]+",
        r"smu[ab]\.trigger\.source\.(?:stimulus|set)|smu[ab]\.trigger\.end(?:pulse|sweep)\.[\w.]+",
        r"trigger\.(?:timer|blender|generator)\[\]\.\w+|trigger\.(?:clear|wait)",
    )

    def holds(state: State) -> None:
        for guard in guards:
            guard.holds(state)

    def fire(state: State) -> None:
        for guard in guards:
            if not state.is_surely(guard.name("output"), "OFF"):
                guard.check_ready(state)

    return TspRules(assignments=assignments, calls=calls, patterns=patterns, reset=reset, holds=holds, fire=fire)


def rules_707b(_entry: SwitchEntry, _place: str) -> TspRules:
    """Return the rules for a Keithley 707B: relays put nothing out by themselves, so all of their commands may pass."""
    patterns = (*_EVERYWHERE, r"channel\.[\w.]+|scan\.[\w.]+|slot\[\]\.[\w.\[\]]+|trigger\.[\w.\[\]]+|setup\.\w+")
    return TspRules(assignments={}, calls={}, patterns=patterns, reset={}, holds=lambda _: None, fire=lambda _: None)


def _kept(name: str, limit: Limit) -> Assigns:
    def check(state: State, value: Expression) -> None:
        state.tell(name, limit.check(literal(value, limit.quantity)))

    return check


def _within(limit: Limit) -> Assigns:
    def check(_: State, value: Expression) -> None:
        limit.check(literal(value, limit.quantity))

    return check


def _function(smu: str, guard: SourceGuard) -> Assigns:
    words = {f"{smu}.OUTPUT_DCVOLTS": 1.0, f"{smu}.OUTPUT_DCAMPS": 0.0}

    def check(state: State, value: Expression) -> None:
        number = literal(value, "the source function", words)
        if number not in (0.0, 1.0):
            raise LimitError(f"the source function {number:g} is neither 0 nor 1")
        state.tell(guard.name("function"), "VOLT" if number else "CURR")

    return check


def _output(smu: str, guard: SourceGuard) -> Assigns:
    words = {f"{smu}.OUTPUT_ON": 1.0, f"{smu}.OUTPUT_OFF": 0.0, f"{smu}.OUTPUT_HIGH_Z": 2.0}

    def check(state: State, value: Expression) -> None:
        if literal(value, "the output state", words) == 1.0:
            state.tell(guard.name("output"), "ON")
            guard.check_ready(state)
        else:
            state.settle(guard.name("output"), "OFF")

    return check


def _action(smu: str, guard: SourceGuard) -> Assigns:
    """Take note of whether a start runs the levels of a list or sweep or leaves the level alone."""
    words = {f"{smu}.ENABLE": 1.0, f"{smu}.DISABLE": 0.0}

    def check(state: State, value: Expression) -> None:
        mode = "LIST" if literal(value, "the source action", words) else "FIX"
        for quantity in ("voltage", "current"):
            state.tell(guard.name(f"{quantity}_mode"), mode)

    return check


def _given(guard: SourceGuard, quantity: str, judge: Calls) -> Calls:
    def check(state: State, arguments: tuple[Expression, ...]) -> None:
        judge(state, arguments)
        state.tell(guard.name(f"{quantity}_list"), GIVEN)

    return check


def _reset(defaults: dict[str, float | str]) -> Calls:
    def check(state: State, _: tuple[Expression, ...]) -> None:
        for name, value in defaults.items():
            state.settle(name, value)

    return check


def _list(limit: Limit) -> Calls:
    def check(_: State, arguments: tuple[Expression, ...]) -> None:
        if len(arguments) != 1 or not isinstance(arguments[0], Row):
            raise LimitError(f"{limit.quantity}: a list must be written out")
        for item in arguments[0].items:
            limit.check(literal(item, limit.quantity))

    return check


def _ends(limit: Limit) -> Calls:
    def check(_: State, arguments: tuple[Expression, ...]) -> None:
        if len(arguments) < 2:
            raise LimitError(f"{limit.quantity}: a sweep has two ends")
        for end in arguments[:2]:
            limit.check(literal(end, limit.quantity))

    return check
