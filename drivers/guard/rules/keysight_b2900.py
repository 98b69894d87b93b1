"""Rules of the Keysight B2901A, B2902A and B2962A: source-measure units of one or two channels."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from drivers.entries import SourceMeterEntry
from drivers.errors import LimitError
from drivers.guard.header import Table
from drivers.guard.message import Expression
from drivers.guard.rule import EVERYWHERE, SYSTEM, Call, Effect, Rule, Rules, checked, chosen, kept, passing
from drivers.guard.source_meters import SourceGuard, on_channel, runs, source_limits
from drivers.guard.state import State
from drivers.limits import Limit

VOLTAGE = Limit(quantity="source voltage", low=-210.0, high=210.0, unit="V", origin="the B2900A manual")
COMPLIANCE = Limit(quantity="compliance current", low=1e-12, high=3.03, unit="A", origin="the B2900A manual")

_CHANNELS: Final = (1, 2)
_LIST: Final = re.compile(r"@[ \t]*([0-9]+(?:[ \t]*[,:][ \t]*[0-9]+)*)[ \t]*")

_HARMLESS = (
    "SENSe#:**",
    "TRACe#:**",
    "OUTPut#:OFF:MODE",
    "OUTPut#:OFF:AUTO",
    "OUTPut#:ON:AUTO",
    "OUTPut#:PROTection[:STATe]",
    "OUTPut#:HCAPacitance[:STATe]",
    "OUTPut#:FILTer:**",
    "OUTPut#:LOW",
    "[:SOURce#]:VOLTage:RANGe:**",
    "[:SOURce#]:VOLTage:RANGe",
    "[:SOURce#]:CURRent:RANGe:**",
    "[:SOURce#]:CURRent:RANGe",
    "[:SOURce#]:VOLTage:STEP",
    "[:SOURce#]:CURRent:STEP",
    "[:SOURce#]:VOLTage:POINts",
    "[:SOURce#]:CURRent:POINts",
    "[:SOURce#]:FUNCtion:TRIGgered:CONTinuous",
    "[:SOURce#]:FUNCtion[:SHAPe]",
    "[:SOURce#]:PULSe:WIDTh",
    "[:SOURce#]:PULSe:DELay",
    "[:SOURce#]:SWEep:**",
    "[:SOURce#]:WAIT:**",
    "TRIGger#:**",
    "ARM#:**",
    "ABORt:**",
    "ABORt",
    "IDLE#:**",
)


def rules(entry: SourceMeterEntry, place: str) -> Rules:
    """Return the rules for one unit; both channels are held to the limits of the entry."""
    limits = source_limits(entry, VOLTAGE, COMPLIANCE, place)
    guards = {number: SourceGuard(limits, str(number)) for number in _CHANNELS}
    starting = Rule(_starts(guards), Effect.CHANGES)
    table = [
        ("OUTPut#[:STATe]", on_channel(guards, lambda guard: Rule(guard.output, Effect.CHANGES))),
        (
            "[:SOURce#]:FUNCtion:MODE",
            on_channel(guards, lambda guard: chosen(guard.name("function"), "VOLTage", "CURRent")),
        ),
        *_levels(guards, "VOLTage", "voltage", limits.voltage),
        *_levels(guards, "CURRent", "current", limits.current),
        (
            "SENSe#:CURRent[:DC]:PROTection[:LEVel][:BOTH]",
            on_channel(guards, lambda guard: kept(guard.name("compliance"), limits.compliance)),
        ),
        (
            "SENSe#:VOLTage[:DC]:PROTection[:LEVel][:BOTH]",
            on_channel(guards, lambda guard: kept(guard.name("compliance_voltage"), limits.compliance_voltage)),
        ),
        ("INITiate[:IMMediate]", starting),
        *((f"INITiate[:IMMediate]:{what}", starting) for what in ("ALL", "ACQuire", "TRANsient")),
        *passing(_HARMLESS),
        *EVERYWHERE,
        *SYSTEM,
    ]
    reset: dict[str, float | str] = {}
    for guard in guards.values():
        reset |= guard.defaults(compliance_a=1e-4, compliance_v=2.0)
    return Rules(
        commands=Table(table),
        queries=Table(
            (*((f"{word}:**", starting) for word in ("READ", "MEASure")), ("READ", starting), ("MEASure", starting))
        ),
        reset=reset,
        holds=lambda state: _hold(guards, state),
        fire=lambda state: _each(guards, state),
    )


def _levels(guards: Mapping[int, SourceGuard], node: str, name: str, limit: Limit) -> list[tuple[str, Rule]]:
    root = f"[:SOURce#]:{node}"
    return [
        (
            f"{root}[:LEVel][:IMMediate][:AMPLitude]",
            on_channel(dict(guards), lambda guard: kept(guard.name(name), limit)),
        ),
        (f"{root}[:LEVel]:TRIGgered[:AMPLitude]", checked(limit)),
        (f"{root}:MODE", on_channel(dict(guards), lambda guard: runs(guard, name, limit)["mode"])),
        (f"{root}:STARt", on_channel(dict(guards), lambda guard: runs(guard, name, limit)["start"])),
        (f"{root}:STOP", on_channel(dict(guards), lambda guard: runs(guard, name, limit)["stop"])),
        (f"[:SOURce#]:LIST:{node}", on_channel(dict(guards), lambda guard: runs(guard, name, limit)["list"])),
        (f"[:SOURce#]:LIST:{node}:APPend", checked(limit)),
        (f"[:SOURce#]:LIST:{node}:STARt", Rule()),
    ]


def _starts(guards: Mapping[int, SourceGuard]) -> Callable[[State, Call], None]:
    """Return the check of a command that may switch the outputs of the channels it lists on by itself."""

    def apply(state: State, call: Call) -> None:
        listed = next((p for p in call.parameters if isinstance(p, Expression)), None)
        for number in _listed(listed) if listed is not None else (1,):
            if number not in guards:
                raise LimitError(f"{call.header}: there is no channel {number}")
            guard = guards[number]
            if not state.may_have_become(guard.name("output"), "ON"):
                state.tell(guard.name("output"), "ON")
            guard.check_start(state)

    return apply


def _listed(channels: Expression) -> tuple[int, ...]:
    match = _LIST.fullmatch(channels.text)
    if match is None:
        raise LimitError(f"({channels.text}) is not a channel list that can be read: give (@1) or (@1,2)")
    ends = [int(digits) for digits in re.findall(r"[0-9]+", match[1])]
    return tuple(range(min(ends), max(ends) + 1)) if ":" in match[1] else tuple(ends)


def _each(guards: Mapping[int, SourceGuard], state: State) -> None:
    for guard in guards.values():
        if not state.is_surely(guard.name("output"), "OFF"):
            guard.check_start(state)


def _hold(guards: Mapping[int, SourceGuard], state: State) -> None:
    for guard in guards.values():
        guard.holds(state)
