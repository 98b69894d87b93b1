"""The staircase: N steps of pushes, then N steps of pulls, M times, at each of several pulse widths.

A step is a number of pulses followed by a reading. Every run starts from a place that each wall is brought to first, so
that the excursion spans the middle of the track and stays clear of the end stops. The order of the widths is shuffled
within each cycle: a drift of the device then spreads over all widths instead of looking like a law of the width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError, LimitError
from drivers.protocols import Polarity

DIRECTIONS = (Polarity.PUSH, Polarity.PULL)
"""The two halves of a run, in the order of every array axis called direction."""


class Route(StrEnum):
    """The way to the devices."""

    ARRAY = "array"
    """Through the array controller, many devices at once."""
    BENCH = "bench"
    """Through pulse generator, switch and source-measure unit, one wired device after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaircaseConfig:
    """What to measure, and how thoroughly."""

    route: Route = Route.ARRAY
    """The way to the devices."""
    amplitude_v: float = 1.5
    """Magnitude of push and pull pulses, volts."""
    widths_s: tuple[float, ...] = (10e-9, 140e-9, 2e-6)
    """Pulse widths, seconds, increasing. Parameters hold between the first and the last."""
    reference_width_s: float = 1e-6
    """Width that the mean and the variance of one pulse are quoted at, seconds."""
    devices: int = 512
    """Devices to calibrate: drawn at random from the array, or at most as many as are wired."""
    steps: int = 12
    """Steps of one direction in one run."""
    cycles: int = 3
    """Runs at each width."""
    span: float = 0.5
    """Fraction of the track that the average wall covers in one direction of a run."""
    margin: float = 0.04
    """A wall read closer than this to an end stop, fraction of the track, makes its run unusable."""
    pulses_per_step: int = 510
    """Most pulses in one step. Short pulses then cover less than `span`."""
    end_reads: int = 16
    """Readings averaged at each end stop."""
    rest_reads: int = 32
    """Readings without pulses, for the read noise."""
    read_voltage_v: float = 0.1
    """Voltage of a reading by the source-measure unit, volts."""
    read_compliance_a: float = 1e-4
    """Current limit of such a reading, amperes."""

    def __post_init__(self) -> None:
        for is_right, complaint in self._rules():
            if not is_right:
                raise ConfigError(f"staircase: {complaint}")

    def _rules(self) -> tuple[tuple[bool, str], ...]:
        widths = self.widths_s
        return (
            (len(widths) >= 1, "widths_s needs at least one width"),
            (all(width > 0 for width in widths), f"widths_s must be above zero, not {widths}"),
            (list(widths) == sorted(set(widths)), f"widths_s must increase, not {widths}"),
            (
                bool(widths) and widths[0] <= self.reference_width_s <= widths[-1],
                f"reference_width_s = {self.reference_width_s:g} s lies outside widths_s; choose it between them",
            ),
            (self.amplitude_v > 0, f"amplitude_v is a magnitude above zero, not {self.amplitude_v:g}"),
            (self.devices >= 3, f"devices = {self.devices}: a spread needs at least 3"),
            (self.steps >= 2, f"steps = {self.steps}: a variance needs at least 2"),
            (self.cycles >= 1, f"cycles = {self.cycles}: at least 1"),
            (0 < self.span <= 0.7, f"span = {self.span:g}: above 0 and at most 0.7 of the track"),
            (0 < self.margin <= 0.1, f"margin = {self.margin:g}: above 0 and at most 0.1 of the track"),
            (self.pulses_per_step >= 1, f"pulses_per_step = {self.pulses_per_step}: at least 1"),
            (self.end_reads >= 4, f"end_reads = {self.end_reads}: at least 4"),
            (self.rest_reads >= 4, f"rest_reads = {self.rest_reads}: at least 4"),
        )

    @property
    def total_steps(self) -> int:
        """Return the number of steps at one device."""
        return len(self.widths_s) * self.cycles * len(DIRECTIONS) * self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """What a few pulses told about each device: good enough to plan with, never used as a result."""

    width_s: float
    """Pulse width of the look, seconds."""
    push_step: NDArray[np.float64]
    """Advance per push, fraction of the track, one per device."""
    pull_step: NDArray[np.float64]
    """Retreat per pull, fraction of the track, one per device."""

    def steps(self, polarity: Polarity) -> NDArray[np.float64]:
        """Return the step of each device in this direction."""
        return self.push_step if polarity is Polarity.PUSH else self.pull_step


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Pulses of one shape for every device, then a reading of every device."""

    polarity: Polarity
    """Direction of the pulses."""
    width_s: float
    """Width of the pulses, seconds."""
    pulses: int
    """Pulses at each device."""
    index: int
    """Number of the step within its direction, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One flight of stairs up and one down, at one width."""

    width_index: int
    """Which of the widths."""
    width_s: float
    """That width, seconds."""
    cycle: int
    """Which of the cycles."""
    steps: int
    """Steps in each direction."""
    push_pulses: int
    """Pulses of one step up."""
    pull_pulses: int
    """Pulses of one step down."""

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps in order: all up, then all down."""
        for polarity, pulses in zip(DIRECTIONS, (self.push_pulses, self.pull_pulses), strict=True):
            for index in range(1, self.steps + 1):
                yield Step(polarity=polarity, width_s=self.width_s, pulses=pulses, index=index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one route pays for pulses and readings."""

    pulses_per_message: int
    """Most pulses that one device can be given at once."""
    messages_per_burst: int
    """Messages to fire once."""
    messages_per_reading: int
    """Messages to read once."""
    message_s: float
    """Time of one message, seconds: a rough figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCost:
    """What a plan will take."""

    pulses: int
    """Pulses at each device."""
    readings: int
    """Readings of each device."""
    messages: int
    """Messages over the bus, per group of devices addressed together."""
    pulse_time_s: float
    """Time that each device spends under pulses, seconds."""
    time_s: float
    """Estimated duration, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaircasePlan:
    """All runs in the order they will be made."""

    runs: tuple[Run, ...]
    """The runs."""

    def cost(self, price: Price) -> PlanCost:
        """Return what the stairs will take; finding and leaving the end stops comes on top."""
        steps = [step for run in self.runs for step in run]
        bursts = sum(-(-step.pulses // price.pulses_per_message) for step in steps)
        readings = len(steps) + len(self.runs)
        messages = bursts * price.messages_per_burst + readings * price.messages_per_reading
        pulse_time_s = sum(step.pulses * step.width_s for step in steps)
        return PlanCost(
            pulses=sum(step.pulses for step in steps),
            readings=readings,
            messages=messages,
            pulse_time_s=pulse_time_s,
            time_s=pulse_time_s + messages * price.message_s,
        )


def plan_staircase(config: StaircaseConfig, look: FirstLook, generator: np.random.Generator) -> StaircasePlan:
    """Choose the pulses of each step and the order of the runs. Moves nothing.

    Args:
        config: what to measure.
        look: how far the walls go, roughly.
        generator: decides the order.

    Raises:
        LimitError: a single pulse of some width takes the average wall too far for a staircase.
    """
    runs: list[Run] = []
    for cycle in range(config.cycles):
        for width_index in generator.permutation(len(config.widths_s)):
            width_s = config.widths_s[width_index]
            push, pull = (_pulses_per_step(config, look, polarity, width_s) for polarity in DIRECTIONS)
            runs.append(
                Run(
                    width_index=int(width_index),
                    width_s=width_s,
                    cycle=cycle,
                    steps=config.steps,
                    push_pulses=push,
                    pull_pulses=pull,
                )
            )
    return StaircasePlan(runs=tuple(runs))


def _pulses_per_step(config: StaircaseConfig, look: FirstLook, polarity: Polarity, width_s: float) -> int:
    step = float(np.mean(look.steps(polarity))) * width_s / look.width_s
    if config.steps * step > 0.7:
        raise LimitError(
            f"one {polarity} of {width_s:g} s moves a wall by about {step:.2g} of the track, "
            f"{config.steps} steps do not fit; take shorter widths_s, fewer steps or a lower amplitude_v"
        )
    return min(config.pulses_per_step, max(1, round(config.span / config.steps / step)))
