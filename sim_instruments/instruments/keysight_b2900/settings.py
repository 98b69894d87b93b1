"""Settings of a Keysight B2900 channel as *RST leaves them, and what the model allows."""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What differs between the voltage and the current side of a channel."""

    name: str
    """Keyword as in the manual."""
    unit: str
    highest: float
    """Magnitude of the highest level."""
    ranges: tuple[float, ...]
    step: float
    """Resolution of a level, as a fraction of its range."""
    limit: float
    """Compliance after *RST."""
    least_limit: float


_VOLTAGE = Quantity(
    name="VOLTage", unit="V", highest=210.0, ranges=(0.2, 2.0, 20.0, 200.0), step=5e-6, limit=2.0, least_limit=2e-3
)
_CURRENT = Quantity(
    name="CURRent",
    unit="A",
    highest=10.5,
    ranges=(1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1.5, 3.0, 10.0),
    step=1e-5,
    limit=1e-4,
    least_limit=1e-9,
)
QUANTITIES: Final = {"VOLT": _VOLTAGE, "CURR": _CURRENT}
"""What is sourced and measured."""

ENVELOPES: Final = {"DC": ((6.0, 3.03), (21.0, 1.515), (210.0, 0.105)), "PULS": ((6.0, 10.5), (210.0, 1.515))}
"""Largest current up to each voltage, for direct current and for pulses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Settings of the voltage or of the current, as *RST leaves them."""

    level: float = 0.0
    triggered: float | None = None
    """The level after a trigger; None follows `level`."""
    mode: str = "FIX"
    list: tuple[float, ...] = (0.0,)
    start: float = 0.0
    stop: float = 0.0
    points: int = 1
    source_span: float
    chooses_source_span: bool = True
    limit: float
    sense_span: float
    chooses_sense_span: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a channel, as *RST leaves them."""

    function: str = "VOLT"
    shape: str = "DC"
    volt: Side = Side(source_span=2.0, limit=_VOLTAGE.limit, sense_span=2.0)
    curr: Side = Side(source_span=1e-4, limit=_CURRENT.limit, sense_span=1e-4)
    spacing: str = "LIN"
    direction: str = "UP"
    stairs: str = "SING"
    keeps_triggered: bool = False
    pulse_width_s: float = 50e-6
    pulse_delay_s: float = 0.0
    sensed: tuple[str, ...] = ("VOLT", "CURR", "RES")
    nplc: float = 0.1
    chooses_nplc: bool = True
    is_remote: bool = False
    output: bool = False
    off_mode: str = "NORM"
    is_protected: bool = False
    switches_on: bool = True
    switches_off: bool = False
    low: str = "GRO"
    is_high_capacitance: bool = False
    is_filtered: bool = True

    def side(self, function: str) -> Side:
        """Return the settings of `VOLT` or `CURR`."""
        return self.volt if function == "VOLT" else self.curr


def with_side(settings: Settings, function: str, **changes: object) -> Settings:
    """Return settings with changes on the side of `VOLT` or `CURR`."""
    side = replace(settings.side(function), **changes)  # type: ignore[arg-type]
    return replace(settings, volt=side) if function == "VOLT" else replace(settings, curr=side)
