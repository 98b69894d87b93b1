"""What the rest of the toolkit may ask of an instrument.

Everything above `drivers` programs against these protocols; which model stands behind them is the bench file's
business. Amplitudes are magnitudes in volts; the direction is the pulse's polarity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.uint8]
Codes = NDArray[np.uint16]
DeviceIndices = NDArray[np.uint32]


class Polarity(StrEnum):
    """The direction a pulse drives the wall."""

    PUSH = "push"
    """Forward: raises the conductance."""
    PULL = "pull"
    """Backward: lowers the conductance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """One rectangular programming pulse."""

    polarity: Polarity
    """Direction of the drive."""
    amplitude_v: float
    """Magnitude across the device's write terminals, volts, above zero."""
    width_s: float
    """Full width at half maximum, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The four fields of an IEEE 488.2 `*IDN?` reply."""

    manufacturer: str
    model: str
    serial: str
    firmware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measurement of a source-measure unit."""

    voltage_v: float
    """Voltage sourced, volts."""
    current_a: float
    """Current measured, amperes."""
    in_compliance: bool
    """True when the compliance limit held the output: the current is then not the device's own."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Crosspoint:
    """One relay of a switch matrix."""

    slot: int
    row: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductanceScale:
    """How read-out codes of an array become conductance: `offset_s + code * lsb_s`, siemens."""

    offset_s: float
    """Conductance at code 0, siemens."""
    lsb_s: float
    """Conductance of one code, siemens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What an array controller says it fired for one tag."""

    tag: int
    push_pulses: int
    pull_pulses: int


@runtime_checkable
class Instrument(Protocol):
    """What every instrument on the bench can do."""

    @property
    def name(self) -> str:
        """Return the instrument's name in the bench file."""
        ...

    @property
    def identity(self) -> Identity:
        """Return who the instrument said it is when it was opened."""
        ...

    def check_errors(self) -> None:
        """Read the error queue until it is empty; raise `InstrumentError` with every entry if it was not."""
        ...

    def make_safe(self) -> None:
        """Switch outputs off: write first, then read back. Raise `SafeStateError` if that cannot be confirmed."""
        ...

    def close(self) -> None:
        """Close the link. Does not touch outputs; closing twice is allowed."""
        ...


@runtime_checkable
class PulseSource(Instrument, Protocol):
    """A generator of finite bursts of one pulse shape."""

    def arm(self, pulse: Pulse) -> None:
        """Set the pulse shape and switch the output on. Fires nothing."""
        ...

    def fire(self, count: int) -> None:
        """Fire `count` pulses of the armed shape, once, and wait for the end. Moves the wall."""
        ...

    def output_off(self) -> None:
        """Switch the output off."""
        ...


@runtime_checkable
class SourceMeter(Instrument, Protocol):
    """A source-measure unit used as a voltage source and ammeter."""

    def source_voltage(self, level_v: float, *, compliance_a: float) -> None:
        """Set the level and the compliance. The output stays as it is."""
        ...

    def output_on(self) -> None:
        """Switch the output on."""
        ...

    def output_off(self) -> None:
        """Switch the output off."""
        ...

    def measure(self) -> Reading:
        """Measure the current once at the present level."""
        ...


@runtime_checkable
class Switch(Instrument, Protocol):
    """A switch matrix."""

    def close_crosspoints(self, crosspoints: Sequence[Crosspoint]) -> None:
        """Close these crosspoints; others stay as they are."""
        ...

    def open_all(self) -> None:
        """Open every crosspoint."""
        ...

    def closed(self) -> frozenset[Crosspoint]:
        """Return the crosspoints that are closed, as read from the instrument."""
        ...


@runtime_checkable
class ArrayProgrammer(Instrument, Protocol):
    """A controller that addresses a whole array of devices: pulse counts in, conductance codes out."""

    @property
    def device_count(self) -> int:
        """Return the number of devices in the array."""
        ...

    @property
    def conductance_scale(self) -> ConductanceScale:
        """Return how read-out codes become siemens."""
        ...

    def set_pulses(self, push: Pulse, pull: Pulse) -> None:
        """Set the shape of the push and of the pull pulse. Fires nothing."""
        ...

    def output_on(self) -> None:
        """Connect the pulse drivers to the array."""
        ...

    def output_off(self) -> None:
        """Disconnect the pulse drivers from the array."""
        ...

    def last_tag(self) -> int:
        """Return the tag of the last pattern fired; the next one must be greater."""
        ...

    def program(self, first: int, push: Counts, pull: Counts, *, tag: int) -> Delivery:
        """Fire `push[i]` and `pull[i]` pulses at device `first + i`, once. Moves the walls."""
        ...

    def program_selected(self, devices: DeviceIndices, push: Counts, pull: Counts, *, tag: int) -> Delivery:
        """Fire `push[i]` and `pull[i]` pulses at device `devices[i]`, once. Moves the walls."""
        ...

    def read_codes(self, first: int, count: int) -> Codes:
        """Read the conductance codes of `count` devices from `first` on."""
        ...

    def read_selected(self, devices: DeviceIndices) -> Codes:
        """Read the conductance codes of these devices, in this order."""
        ...

    def energy_j(self) -> float:
        """Return the energy the array has taken in programming pulses since power-on, joules."""
        ...
