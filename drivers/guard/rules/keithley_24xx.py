"""Rules of the Keithley 2400 and 2450 in SCPI: source-measure units of one channel."""

from collections.abc import Sequence

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
from drivers.guard.source_meters import SourceGuard, SourceLimits, source_limits
from drivers.limits import Limit

VOLTAGE = Limit(quantity="source voltage", low=-210.0, high=210.0, unit="V", origin="the manual")
COMPLIANCE = Limit(quantity="compliance current", low=1e-12, high=1.05, unit="A", origin="the manual")

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
        "SOURce#:VOLTage:MODE",
        "SOURce#:CURRent:MODE",
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
    return _rules(guard, table, guard.defaults(compliance_a=1.05e-4, compliance_v=2.1))


def rules_2400(entry: SourceMeterEntry, place: str) -> Rules:
    """Return the rules for one 2400; its compliance is the protection of the meter."""
    guard = SourceGuard(source_limits(entry, VOLTAGE, COMPLIANCE, place))
    limits = guard.limits
    table = [
        ("[:SENSe#]:CURRent[:DC]:PROTection[:LEVel]", kept("compliance", limits.compliance)),
        ("[:SENSe#]:VOLTage[:DC]:PROTection[:LEVel]", kept("compliance_voltage", limits.compliance_voltage)),
        ("SOURce#:VOLTage:PROTection[:LEVel]", Rule()),
        *((f"SOURce#:VOLTage:{end}", checked(limits.voltage)) for end in ("STARt", "STOP")),
        *((f"SOURce#:CURRent:{end}", checked(limits.current)) for end in ("STARt", "STOP")),
        ("SOURce#:VOLTage:STEP", Rule()),
        ("SOURce#:CURRent:STEP", Rule()),
        *_common(guard),
    ]
    return _rules(guard, table, guard.defaults(compliance_a=1.05e-4, compliance_v=21.0))


def _common(guard: SourceGuard) -> _TABLE:
    limits: SourceLimits = guard.limits
    return [
        ("OUTPut#[:STATe]", Rule(guard.output, Effect.CHANGES)),
        ("SOURce#:FUNCtion[:MODE]", chosen("function", "VOLTage", "CURRent")),
        ("SOURce#:VOLTage[:LEVel][:IMMediate][:AMPLitude]", kept("voltage", limits.voltage)),
        ("SOURce#:CURRent[:LEVel][:IMMediate][:AMPLitude]", kept("current", limits.current)),
        ("SOURce#:VOLTage[:LEVel]:TRIGgered[:AMPLitude]", checked(limits.voltage)),
        ("SOURce#:CURRent[:LEVel]:TRIGgered[:AMPLitude]", checked(limits.current)),
        *((f"SOURce#:LIST:VOLTage{end}", checked(limits.voltage)) for end in ("", ":APPend")),
        *((f"SOURce#:LIST:CURRent{end}", checked(limits.current)) for end in ("", ":APPend")),
        ("INITiate[:IMMediate]", doing(guard.check_ready)),
        *_HARMLESS,
    ]


def _rules(guard: SourceGuard, table: Sequence[tuple[str, Rule]], reset: dict[str, float | str]) -> Rules:
    starting = doing(guard.check_ready)
    return Rules(
        commands=Table((*table, *EVERYWHERE, *SYSTEM)),
        queries=Table((("READ", starting), ("MEASure:**", starting), ("MEASure", starting))),
        reset=reset,
        holds=guard.holds,
        fire=guard.check_ready,
    )
