"""Which rules belong to which model."""

from collections.abc import Callable
from typing import Any, Final

from drivers.entries import InstrumentEntry
from drivers.errors import ConfigError
from drivers.guard.rule import Rules
from drivers.guard.rules import (
    bnc_577,
    dwa,
    keithley_24xx,
    keysight_33500b,
    keysight_81160a,
    keysight_b2900,
    switches,
    tsp_models,
)
from drivers.guard.screen import ScpiScreen, Screen
from drivers.guard.tsp import TspRules, TspScreen
from drivers.pulse_generators.keysight_33500b import FAMILY_33500B, FAMILY_33600A
from drivers.smus import keithley_2600b

_SCPI: Final[dict[str, Callable[[Any, str], Rules]]] = {
    "bnc-577": bnc_577.rules,
    "dwa-1": dwa.rules,
    "keithley-2400": keithley_24xx.rules_2400,
    "keithley-2450": keithley_24xx.rules_2450,
    "keithley-7001": switches.rules_7001,
    "keithley-7002": switches.rules_7001,
    "keysight-81160a": keysight_81160a.rules,
    **{family.key: keysight_33500b.rules_for(family) for family in (FAMILY_33500B, FAMILY_33600A)},
    **dict.fromkeys(("keysight-b2901a", "keysight-b2902a"), keysight_b2900.rules),
}
_TSP: Final[dict[str, Callable[[Any, str], TspRules]]] = {
    **dict.fromkeys((model.key for model in keithley_2600b.MODELS), tsp_models.rules_2600b),
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
    raise ConfigError(
        f"{origin}: instrument {entry.name!r}: no rules of the guard for {entry.model}: add some to drivers/guard/rules"
    )
