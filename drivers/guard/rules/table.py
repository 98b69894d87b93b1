"""Which rules belong to which model."""

from collections.abc import Callable
from typing import Any, Final

from drivers.entries import InstrumentEntry
from drivers.guard.rule import Rules
from drivers.guard.rules import dwa, keithley_24xx, keysight_81160a, keysight_b2900, switches, tsp_models
from drivers.guard.screen import PassScreen, ScpiScreen, Screen
from drivers.guard.tsp import TspRules, TspScreen

_SCPI: Final[dict[str, Callable[[Any, str], Rules]]] = {
    "dwa-1": dwa.rules,
    "keithley-2400": keithley_24xx.rules_2400,
    "keithley-2450": keithley_24xx.rules_2450,
    "keithley-7001": switches.rules_7001,
    "keithley-7002": switches.rules_7001,
    "keysight-81160a": keysight_81160a.rules,
    **dict.fromkeys(("keysight-b2901a", "keysight-b2902a", "keysight-b2962a"), keysight_b2900.rules),
}
_TSP: Final[dict[str, Callable[[Any, str], TspRules]]] = {
    "keithley-2601b": tsp_models.rules_2600b,
    "keithley-2602b": tsp_models.rules_2600b,
    "keithley-707b": tsp_models.rules_707b,
}

GUARDED: Final = frozenset((*_SCPI, *_TSP))
"""Models whose messages the guard can judge."""


def screen_for(entry: InstrumentEntry, origin: str) -> Screen:
    """Return the judge for one instrument of a bench file.

    Raises:
        ConfigError: if there are no rules for its model, or its limits are wider than the model's.
    """
    place, name = f"{origin}: instrument {entry.name!r} limits", f"{entry.name} ({entry.address})"
    if entry.model in _SCPI:
        return ScpiScreen(_SCPI[entry.model](entry, place), name)
    if entry.model in _TSP:
        return TspScreen(_TSP[entry.model](entry, place), name)
    return PassScreen()  # TRANSITION
