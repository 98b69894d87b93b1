"""Rules of the Keithley 2400 and 2450 in SCPI: source-measure units of one channel."""

from collections.abc import Callable, Mapping, Sequence

from drivers.entries import SourceMeterEntry
from drivers.guard.header import Table
from drivers.guard.rule import (
    EVERYWHERE,
    SYSTEM,
    Effect,
    Rule,
    Rules,
    checked,
    chosen,
    doing,
    kept,
    passing,
)
from drivers.guard.rules.scpi_lists import first_numbers
from drivers.guard.source_meters import SourceGuard, SourceLimits, runs, source_limits
from drivers.guard.state import State
from drivers.limits import Limit

VOLTAGE = Limit(quantity="source voltage", low=-210.0, high=210.0, unit="V", origin="the manual")
COMPLIANCE = Limit(quantity="compliance current", low=1e-12, high=1.05, unit="A", origin="the manual")

_SURE = frozenset(("STATUS:QUEUE:CLEAR", "STAT:QUE:CLE"))
_TABLE = list[tuple[str, Rule]]

_HARMLESS = passing(
    (
        "SENSe#:**",
        "TRACe#:**",
        "TRACe#",
        "ROUTe:TERMinals",
        "OUTPut#:SMODe",
        "OUTPut#:VOLTage:SMODe",
        "OUTPut#:CURRent:SMODe",
        "OUTPut#:INTerlock:**",
        "OUTPut#:ENABle:**",
        "SOURce#:DELay:**",
        "SOURce#:DELay",
        "SOURce#:CLEar:**",
        "SOURce#:CLEar",
        "SOURce#:VOLTage:RANGe:**",
        "SOURce#:VOLTage:RANGe",
        "SOURce#:CURRent:RANGe:**",
        "SOURce#:CURRent:RANGe",
        "SOURce#:VOLTage:DELay:**",
        "SOURce#:VOLTage:DELay",
        "SOURce#:CURRent:DELay:**",
        "SOURce#:CURRent:DELay",
        "SOURce#:VOLTage:READ:**",
        "SOURce#:CURRent:READ:**",
        "SOURce#:SWEep:POINts",
        "SOURce#:SWEep:SPACing",
        "SOURce#:SWEep:RANGing",
        "SOURce#:SWEep:DIRection",
        "SOURce#:SWEep:CABort",
        "SOURce#:SWEep:VOLTage[:LEVel]:LIST",
        "SOURce#:SWEep:CURRent[:LEVel]:LIST",
        "TRIGger[:SEQuence]:**",
        "ARM:**",
        "ABORt",
    )
)


def rules_2450(entry: SourceMeterEntry, place: str) -> Rules:
    """Return the rules for one 2450; its compliance belongs to the source."""
    guard = SourceGuard(source_limits(entry, VOLTAGE, COMPLIANCE, place))
    limits = guard.limits
    table = [
        ("SOURce#:VOLTage:ILIMit[:LEVel]", kept("compliance", limits.compliance)),
        ("SOURce#:CURRent:VLIMit[:LEVel]", kept("compliance_voltage", limits.compliance_voltage)),
        ("SOURce#:LIST:VOLTage", checked(limits.voltage)),
        ("SOURce#:LIST:CURRent", checked(limits.current)),
        *passing(("SOURce#:VOLTage:MODE", "SOURce#:CURRent:MODE")),
        ("SOURce#:VOLTage:PROTection:**", Rule()),
        ("SOURce#:VOLTage:PROTection", Rule()),
        ("SOURce#:CURRent:PROTection", Rule()),
        ("SOURce#:SWEep:VOLTage:LINear", first_numbers(limits.voltage, 2)),
        ("SOURce#:SWEep:VOLTage:LOG", first_numbers(limits.voltage, 2)),
        ("SOURce#:SWEep:VOLTage:LINear:STEP", first_numbers(limits.voltage, 2)),
        ("SOURce#:SWEep:CURRent:LINear", first_numbers(limits.current, 2)),
        ("SOURce#:SWEep:CURRent:LOG", first_numbers(limits.current, 2)),
        ("SOURce#:SWEep:CURRent:LINear:STEP", first_numbers(limits.current, 2)),
        *_common(guard),
    ]
    return _rules(guard, table, guard.defaults(compliance_a=1.05e-4, compliance_v=2.1), guard.check_ready)


def rules_2400(entry: SourceMeterEntry, place: str) -> Rules:
    """Return the rules for one 2400; its compliance is the protection of the meter."""
    guard = SourceGuard(source_limits(entry, VOLTAGE, COMPLIANCE, place))
    limits = guard.limits
    table = [
        ("[:SENSe#]:CURRent[:DC]:PROTection[:LEVel]", kept("compliance", limits.compliance)),
        ("[:SENSe#]:VOLTage[:DC]:PROTection[:LEVel]", kept("compliance_voltage", limits.compliance_voltage)),
        ("SOURce#:VOLTage:PROTection[:LEVel]", Rule()),
        *_runs("VOLTage", runs(guard, "voltage", limits.voltage)),
        *_runs("CURRent", runs(guard, "current", limits.current)),
        ("SOURce#:VOLTage:STEP", Rule()),
        ("SOURce#:CURRent:STEP", Rule()),
        *_common(guard),
    ]
    return _rules(guard, table, guard.defaults(compliance_a=1.05e-4, compliance_v=21.0), guard.check_start)


def _runs(node: str, rules: Mapping[str, Rule]) -> _TABLE:
    return [
        (f"SOURce#:{node}:MODE", rules["mode"]),
        (f"SOURce#:LIST:{node}", rules["list"]),
        (f"SOURce#:{node}:STARt", rules["start"]),
        (f"SOURce#:{node}:STOP", rules["stop"]),
    ]


def _common(guard: SourceGuard) -> _TABLE:
    limits: SourceLimits = guard.limits
    return [
        ("OUTPut#[:STATe]", Rule(guard.output, Effect.CHANGES)),
        ("SOURce#:FUNCtion[:MODE]", chosen("function", "VOLTage", "CURRent")),
        ("SOURce#:VOLTage[:LEVel][:IMMediate][:AMPLitude]", kept("voltage", limits.voltage)),
        ("SOURce#:CURRent[:LEVel][:IMMediate][:AMPLitude]", kept("current", limits.current)),
        ("SOURce#:VOLTage[:LEVel]:TRIGgered[:AMPLitude]", checked(limits.voltage)),
        ("SOURce#:CURRent[:LEVel]:TRIGgered[:AMPLitude]", checked(limits.current)),
        ("SOURce#:LIST:VOLTage:APPend", checked(limits.voltage)),
        ("SOURce#:LIST:CURRent:APPend", checked(limits.current)),
        *_HARMLESS,
    ]


def _rules(
    guard: SourceGuard,
    table: Sequence[tuple[str, Rule]],
    reset: dict[str, float | str],
    check_start: Callable[[State], None],
) -> Rules:
    starting = doing(check_start)
    return Rules(
        commands=Table((*table, ("INITiate[:IMMediate]", starting), *EVERYWHERE, *SYSTEM)),
        queries=Table((("READ", starting), ("MEASure:**", starting), ("MEASure", starting))),
        reset=reset,
        holds=guard.holds,
        fire=check_start,
        sure=_SURE,
    )
