"""The 2600B series: its models, who they are, and what makes a channel of them safe."""

from dataclasses import dataclass
from typing import Final

from drivers import scpi
from drivers.instrument import Kind, SafeState
from drivers.model import Interlock
from drivers.tsp import is_zero

_INTERLOCKED_ABOVE_V = 42.0
_INTERLOCK_ASSERTED = 1 << 11  # of the measurement condition, on models that have an interlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """What differs between the models."""

    channels: int
    voltage_v: float
    """Highest level, volts."""
    current_a: float
    """Largest compliance, amperes."""
    smallest_compliance_a: float
    """Smallest compliance, amperes."""


RATINGS: Final = {
    "2601B": Ratings(channels=1, voltage_v=40.0, current_a=3.0, smallest_compliance_a=10e-9),
    "2602B": Ratings(channels=2, voltage_v=40.0, current_a=3.0, smallest_compliance_a=10e-9),
    "2611B": Ratings(channels=1, voltage_v=200.0, current_a=1.5, smallest_compliance_a=10e-9),
    "2612B": Ratings(channels=2, voltage_v=200.0, current_a=1.5, smallest_compliance_a=10e-9),
    "2635B": Ratings(channels=1, voltage_v=200.0, current_a=1.5, smallest_compliance_a=100e-12),
    "2636B": Ratings(channels=2, voltage_v=200.0, current_a=1.5, smallest_compliance_a=100e-12),
}
"""Models by their names."""


def kind(model: str) -> Kind:
    """Return which identities a model answers with."""
    return Kind(manufacturer=r"KEITHLEY INSTRUMENTS.*", model=f"(MODEL )?{model}")


def smu(channel: int) -> str:
    """Return the Lua name of a channel, 1 or 2."""
    return "smua" if channel == 1 else "smub"


def safe_state(channel: int) -> SafeState:
    """Return how a channel is made safe."""
    return SafeState(
        command=f"{smu(channel)}.source.output = 0", query=f"print({smu(channel)}.source.output)", confirms=is_zero
    )


def _is_interlock_closed(condition: str) -> bool:
    return bool(int(scpi.parse_real(condition)) & _INTERLOCK_ASSERTED)


INTERLOCK: Final = Interlock(query="print(status.measurement.condition)", is_closed=_is_interlock_closed)
"""Of the models that reach 200 V."""


def interlock(model: str) -> Interlock | None:
    """Return how a model tells of its interlock; None for one that needs none."""
    return INTERLOCK if RATINGS[model].voltage_v > _INTERLOCKED_ABOVE_V else None
