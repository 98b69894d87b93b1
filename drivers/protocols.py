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

from drivers.limits import Limit

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


class Quality(StrEnum):
    """What a reading is worth."""

    GOOD = "good"
    """A measurement."""
    LIMITED = "limited"
    """The compliance limit held the output: the value is the limit's, not the device's own."""
    SUSPECT = "suspect"
    """Measured, but something says not to trust it."""
    INVALID = "invalid"
    """No measurement: the instrument answered with a number that stands for overflow or for nothing."""
    NEVER = "never"
    """Not read yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measurement of a source-measure unit."""

    voltage_v: float
    """Voltage sourced, volts."""
    current_a: float
    """Current measured, amperes; not a number when the quality is INVALID."""
    quality: Quality
    """What the reading is worth: only a GOOD one tells a resistance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Measurements that a source-measure unit took into its buffer, in order; all arrays are of one length."""

    voltage_v: NDArray[np.float64]
    """Voltage sourced, volts."""
    current_a: NDArray[np.float64]
    """Current measured, amperes; not a number where the instrument gave no measurement."""
    limited: NDArray[np.bool_]
    """Where the compliance limit held the output."""

    @property
    def good(self) -> NDArray[np.bool_]:
        """Return where a reading tells a resistance."""
        return ~self.limited & np.isfinite(self.current_a)


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseTrain:
    """A finite sequence of pulses of one shape, pushes, pulls and pauses in any order."""

    push_amplitude_v: float
    """Magnitude of a push, volts."""
    pull_amplitude_v: float
    """Magnitude of a pull, volts."""
    width_s: float
    """Full width of every pulse at half maximum, seconds."""
    period_s: float
    """Time from one symbol to the next, seconds."""
    symbols: NDArray[np.int8]
    """+1 for a push, -1 for a pull, 0 for a pause of one period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a pulse train takes on one instrument."""

    messages: int
    """Messages to the instrument, queries included."""
    bytes_out: int
    """Bytes of the largest message, or of all of them where they are alike."""
    duration_s: float
    """Time the pulses themselves take, seconds."""


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

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins."""
        ...

    def self_test(self) -> str:
        """Run the instrument's self test and return what it said; raise `InstrumentError` if it failed.

        Outputs must be off. Switches nothing on.
        """
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

    def cost(self, train: PulseTrain) -> Cost:
        """Return what `play` would take. Sends nothing.

        Raises:
            LimitError: if the instrument cannot play it.
        """
        ...

    def play(self, train: PulseTrain) -> None:
        """Load a train in the instrument's best native form, fire it once, wait for the end. Moves the wall.

        Leaves the output on and the instrument disarmed for `fire`.
        """
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

    def measure_many(self, count: int) -> Readings:
        """Measure the current `count` times at the present level, into the instrument's buffer."""
        ...

    def sweep(self, levels_v: NDArray[np.float64], *, compliance_a: float) -> Readings:
        """Step through these levels with the output on and measure at each, in the instrument's own list mode.

        The output is on during the sweep only.
        """
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
