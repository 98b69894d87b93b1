"""Rules of switches: relays put nothing out by themselves, so any of their commands may pass."""

from drivers.entries import SwitchEntry
from drivers.guard.header import Table
from drivers.guard.rule import EVERYWHERE, SYSTEM, Rules, passing


def rules_7001(_entry: SwitchEntry, _place: str) -> Rules:
    """Return the rules for a Keithley 7001 or 7002: the scanner's triggers close relays and nothing more."""
    patterns = (
        "[:ROUTe]:CLOSe:**",
        "[:ROUTe]:CLOSe",
        "[:ROUTe]:OPEN:**",
        "[:ROUTe]:OPEN",
        "[:ROUTe]:SCAN:**",
        "[:ROUTe]:SCAN",
        "[:ROUTe]:MEMory:**",
        "[:ROUTe]:CONFigure:**",
        "[:ROUTe]:FCHannels",
        "TRIGger:**",
        "ARM:**",
        "INITiate:**",
        "INITiate",
        "ABORt",
        "OUTPut:**",
    )
    return Rules(
        commands=Table((*passing(patterns), *EVERYWHERE, *SYSTEM)), reset={}, holds=lambda _: None, fire=lambda _: None
    )
