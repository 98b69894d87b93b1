"""The wiring: a switch matrix between two instruments and the devices.

Column `k` of one card leads to device `devices[k - 1]`; the pulse generator drives one row, the source-measure unit
another. A closed crosspoint joins its row to its column. A path exists where the row's own crosspoint is closed: rows
joined through a common column are not followed further.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sim_instruments.clock import VirtualClock
from sim_instruments.scpi_parameter import Crosspoint

ROWS = 8
"""Rows of the largest card that a twin has."""

COLUMNS = 12
"""Columns of it."""

KEPT_HOT_SWITCHES = 10_000
"""Newest hot switches kept."""

Row = Annotated[int, Field(ge=1, le=ROWS)]


class WiringConfig(BaseModel):
    """`[wiring]`: what is plugged into the card."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slot: Annotated[int, Field(ge=1, le=10)]
    pulse_row: Row
    measure_row: Row
    devices: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=COLUMNS)]

    @field_validator("devices")
    @classmethod
    def _each_device_once(cls, devices: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(devices)) != len(devices):
            raise ValueError("a device is wired to two columns")
        return devices


@dataclass(frozen=True, slots=True, kw_only=True)
class HotSwitch:
    """A relay that moved under voltage, which dry-welds reed contacts."""

    time_s: float
    """Virtual time, seconds."""
    crosspoint: Crosspoint
    """Slot, row and column of the relay."""
    live: tuple[str, ...]
    """Models and serial numbers of the instruments whose output was on."""


@final
class Wiring:
    """Relays of the card and what they join."""

    def __init__(self, config: WiringConfig, clock: VirtualClock) -> None:
        self.config = config
        self.hot_switches: list[HotSwitch] = []
        self._clock = clock
        self._closed: set[Crosspoint] = set()
        self._live: set[str] = set()

    @property
    def closed(self) -> tuple[Crosspoint, ...]:
        """Closed crosspoints in order."""
        return tuple(sorted(self._closed))

    def is_closed(self, crosspoint: Crosspoint) -> bool:
        """Return whether a relay is closed."""
        return crosspoint in self._closed

    def set_live(self, source: str, is_live: bool) -> None:
        """Note whether an instrument's output is on."""
        if is_live:
            self._live.add(source)
        else:
            self._live.discard(source)

    def close(self, crosspoints: Iterable[Crosspoint]) -> None:
        """Close relays; one that moves while an output is on is a hot switch."""
        moving = set(crosspoints) - self._closed
        self._closed |= moving
        self._note_moved(moving)

    def open(self, crosspoints: Iterable[Crosspoint]) -> None:
        """Open relays; one that moves while an output is on is a hot switch."""
        moving = set(crosspoints) & self._closed
        self._closed -= moving
        self._note_moved(moving)

    def pulsed_devices(self) -> tuple[int, ...]:
        """Return the devices that the pulse generator reaches."""
        return self._reached(self.config.pulse_row)

    def measured_devices(self) -> tuple[int, ...]:
        """Return the devices that the source-measure unit reaches."""
        return self._reached(self.config.measure_row)

    def _reached(self, row: int) -> tuple[int, ...]:
        slot = self.config.slot
        return tuple(
            device for column, device in enumerate(self.config.devices, start=1) if (slot, row, column) in self._closed
        )

    def _note_moved(self, moved: set[Crosspoint]) -> None:
        if self._live:
            live = tuple(sorted(self._live))
            now_s = self._clock.now_s
            self.hot_switches += [HotSwitch(time_s=now_s, crosspoint=point, live=live) for point in sorted(moved)]
            del self.hot_switches[:-KEPT_HOT_SWITCHES]
