"""The steps that experiments are made of, as data: pulses and a reading, readings, a pause, bringing walls to a place.

Positions are fractions of the track, 0 at the low end stop and 1 at the high one.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

from pydantic import ConfigDict

from drivers.errors import ConfigError
from drivers.protocols import Polarity


class Phase(IntEnum):
    """What shots are for."""

    PREPARATION = 0
    """Bringing walls to a place, and readings at the end stops: the only ones of this phase without pulses."""
    MEASUREMENT = 1
    """What the experiment is about; in experiments without pulses, such as noise, their readings."""
    REST = 2
    """Readings without pulses, for the read noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bringing:
    """How walls are brought to a place: pulses, a look, more pulses, until they are there or enough was tried."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    amplitude_v: float = 1.5
    """Magnitude of the pulses, volts."""
    width_s: float = 1e-6
    """Their width, seconds."""
    tolerance: float = 0.05
    """A wall this close to its place has arrived, fraction of the track."""
    most_rounds: int = 20
    """Pulses and looks on the way to a place between the end stops, at most."""
    burst: int = 255
    """Pulses between two looks on the way to an end stop."""
    most_bursts: int = 200
    """Bursts on the way to an end stop, at most."""
    end_reads: int = 16
    """Readings at each end stop."""
    rest_reads: int = 16
    """Readings without pulses before the walls are moved."""

    def __post_init__(self) -> None:
        check_rules(
            "bringing",
            (self.amplitude_v > 0, f"amplitude_v is a magnitude above zero, not {self.amplitude_v:g}"),
            (self.width_s > 0, f"width_s must be above zero, not {self.width_s:g}"),
            (0 < self.tolerance < 0.5, f"tolerance = {self.tolerance:g}: above 0 and below 0.5 of the track"),
            (self.most_rounds >= 1, f"most_rounds = {self.most_rounds}: at least 1"),
            (self.burst >= 1, f"burst = {self.burst}: at least 1"),
            (self.most_bursts >= 2, f"most_bursts = {self.most_bursts}: at least 2"),
            (self.end_reads >= 4, f"end_reads = {self.end_reads}: at least 4"),
            (self.rest_reads >= 4, f"rest_reads = {self.rest_reads}: at least 4"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """The same pulses at every device, then a reading. Moves the walls. Leaves one shot a device."""

    polarity: Polarity
    """Direction."""
    amplitude_v: float
    """Magnitude, volts."""
    width_s: float
    """Width, seconds."""
    pulses: int
    """Pulses at each device."""
    cycle: int = 0
    """Repetition that this belongs to."""
    phase: Phase = Phase.MEASUREMENT
    """What the shot is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FireUntilMoved:
    """Rounds of pulses and a reading until the wall has moved, each device by itself. Moves the walls.

    Leaves one shot a device and round; devices that have moved take no part in later rounds. A device whose last shot
    of this step shows no move was given up at the time-out: it is censored, not a wall that moved then.
    """

    polarity: Polarity
    """Direction."""
    amplitude_v: float
    """Magnitude, volts."""
    width_s: float
    """Width, seconds."""
    pulses: int
    """Pulses of one round."""
    most_rounds: int
    """Rounds before the time-out."""
    moved: float
    """Distance from where the wall stood before the first round that counts as a move, fraction of the track."""
    cycle: int = 0
    """Repetition that this belongs to."""
    phase: Phase = Phase.MEASUREMENT
    """What the shots are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Readings without pulses. Leaves one shot a device and reading."""

    times: int
    """How many."""
    voltage_v: float | None = None
    """At which voltage, on the bench route; None is that of every other reading."""
    interval_s: float = 0.0
    """Time from one reading to the next, seconds; 0 is as fast as it goes."""
    cycle: int = 0
    """Repetition that this belongs to."""
    phase: Phase = Phase.REST
    """What the shots are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Readings at a list of voltages, on the bench route. Leaves one shot a device and voltage."""

    voltages_v: tuple[float, ...]
    """The voltages in order, volts; none is zero."""
    cycle: int = 0
    """Repetition that this belongs to."""
    phase: Phase = Phase.MEASUREMENT
    """What the shots are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A pause with outputs off. Leaves no shot."""

    seconds: float
    """How long, in the time of the bench."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bring:
    """Bring every wall to a place by pulses and looks. Moves the walls.

    Leaves a shot for each round and each device that was given pulses in it; at an end stop also the readings there, as
    shots without pulses. A wall that is where it should be gets no pulse and leaves no shot.
    """

    place: float
    """Fraction of the track; 0 and 1 are the end stops."""
    how: Bringing = field(default_factory=Bringing)
    """By which pulses, how exactly, how long to try."""
    cycle: int = 0
    """Repetition that this belongs to."""

    @property
    def is_end(self) -> bool:
        """Return whether the place is an end stop."""
        return self.place in (0.0, 1.0)


Action = Fire | FireUntilMoved | Read | Sweep | Wait | Bring
"""One step of an experiment."""

FIND_ENDS_STEPS: Final = 3
"""Steps that `find_ends` takes."""


def find_ends(how: Bringing) -> tuple[Action, ...]:
    """Return what every experiment with positions begins with: rest readings, then both ends, high and low."""
    return (Read(times=how.rest_reads), Bring(place=1.0, how=how), Bring(place=0.0, how=how))


def check_rules(what: str, *rules: tuple[bool, str]) -> None:
    """Raise `ConfigError` with the complaint of the first rule that does not hold."""
    for holds, complaint in rules:
        if not holds:
            raise ConfigError(f"{what}: {complaint}")


def check_pulses(
    what: str, *, amplitudes_v: tuple[float, ...], widths_s: tuple[float, ...], counts: dict[str, int]
) -> None:
    """Raise `ConfigError` if a magnitude or a width is not above zero, or a number is below 1."""
    check_rules(
        what,
        (bool(amplitudes_v), "at least one amplitude"),
        (bool(widths_s), "at least one width"),
        *((value > 0, f"an amplitude is a magnitude above zero, not {value:g} V") for value in amplitudes_v),
        *((value > 0, f"a width is above zero, not {value:g} s") for value in widths_s),
        *((count >= 1, f"{name} = {count}: at least 1") for name, count in counts.items()),
    )


def check_places(what: str, places: tuple[float, ...]) -> None:
    """Raise `ConfigError` if a place does not lie between the end stops."""
    check_rules(
        what,
        (bool(places), "at least one place"),
        *(
            (0 < place < 1, f"a place lies between the end stops, above 0 and below 1, not {place:g}")
            for place in places
        ),
    )
