"""The experiments: staircases of pushes and of pulls, and doublets, on many walls in the middle of the track.

Every experiment starts from a fresh sample of the same devices, so what a wall remembers of one does not reach into the
next while each device keeps its character. A staircase is one event a pulse, read after each, about the middle of the
track; a doublet is a push and a pull, an event each, the pull of such a width that they lead nowhere on average.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.coarse_grain.error import CoarseGrainError
from sim_instruments.coarse_grain.pilot import PULSES, Pilot, longest_doublets, longest_staircase, pilot
from sim_instruments.physics.walls import Drive, Walls
from sim_instruments.wall_models import WallParameters, wall_model

WINDOWS = 8
"""Stretches that a staircase is cut into, to tell devices that differ from noise that lasts."""

LEAST_PULSES = 4 * WINDOWS
"""Of a train: fewer say too little about noise."""
_FIRST = 4
_PHASES = 0.02
"""Of the track: over this length the walls' first positions are spread, so that they differ in where a site is."""

_TOLERATED = 0.005
"""Share of the walls that may meet an end of the track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure."""

    amplitude_v: float
    """At which the compact model's velocities will hold."""
    width_s: float
    also_amplitudes_v: tuple[float, ...]
    """For the threshold."""
    devices: int
    pulses: int
    """Per staircase and device, at most."""
    seed: int

    def __post_init__(self) -> None:
        if len({self.amplitude_v, *self.also_amplitudes_v}) < 2:
            raise CoarseGrainError("the threshold needs a second amplitude: give --also-amplitude another value")
        if self.devices < 32:
            raise CoarseGrainError(f"{self.devices} devices are too few for intervals: --devices 32 or more")
        if self.pulses < LEAST_PULSES:
            raise CoarseGrainError(f"{self.pulses} pulses are too few: --pulses {LEAST_PULSES} or more")

    @property
    def amplitudes_v(self) -> tuple[float, ...]:
        """Return all amplitudes, the reference first, the others in ascending order."""
        return (self.amplitude_v, *sorted({*self.also_amplitudes_v} - {self.amplitude_v}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Staircase:
    """One-way pulses, one event each."""

    steps: NDArray[np.float64]
    """Shape (devices, pulses), in the direction of the pulses, fractions of the track."""
    track_position: NDArray[np.float64]
    """Shape (pulses,): mean position before each pulse, fraction of the track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All experiments of a plan."""

    plan: Plan
    track_length_m: float
    push: tuple[Staircase, ...]
    """One per amplitude of the plan."""
    pull: tuple[Staircase, ...]
    doublets: NDArray[np.float64]
    """Shape (devices, doublets): net displacement by a push and a pull as far, fractions of the track."""


def measure(
    parameters: WallParameters, plan: Plan, on_pulse: Callable[[int, int], None] = lambda done, of: None
) -> Measured:
    """Carry out the experiments.

    Args:
        parameters: of the finer model.
        plan: what to measure.
        on_pulse: told how many of how many events are over.

    Raises:
        CoarseGrainError: if the walls do not move, or move so far that they meet the ends of the track.
    """
    bench = _Bench(parameters, plan)
    lengths = [bench.lengths(amplitude_v) for amplitude_v in plan.amplitudes_v]
    doublets = bench.doublet_count()
    trains = sum(length + _settling(length) for pair in lengths for length in pair)
    bench.announce(trains + _settling(doublets) + 2 * doublets, on_pulse)
    push = tuple(bench.staircase(a, pair[0], True) for a, pair in zip(plan.amplitudes_v, lengths, strict=True))
    pull = tuple(bench.staircase(a, pair[1], False) for a, pair in zip(plan.amplitudes_v, lengths, strict=True))
    return Measured(
        plan=plan,
        track_length_m=parameters.track_length_m,
        push=push,
        pull=pull,
        doublets=bench.doublets(doublets),
    )


@final
class _Bench:
    """Fresh walls for each experiment, and a count of events, none of which is used twice."""

    def __init__(self, parameters: WallParameters, plan: Plan) -> None:
        self._parameters, self._plan = parameters, plan
        self._event = 0
        self._one = np.ones(plan.devices, np.uint8)
        self._none = np.zeros(plan.devices, np.uint8)
        self._pilots: dict[tuple[float, bool], Pilot] = {}
        self._on_pulse: Callable[[], None] = lambda: None

    def announce(self, total: int, on_pulse: Callable[[int, int], None]) -> None:
        """From now on tell how many events are over."""
        before = self._event
        self._on_pulse = lambda: on_pulse(self._event - before, total)

    def lengths(self, amplitude_v: float) -> tuple[int, int]:
        """Return how many pushes and pulls a staircase of this amplitude may have."""
        return self._length(amplitude_v, True), self._length(amplitude_v, False)

    def doublet_count(self) -> int:
        """Return how many doublets may follow one another before net drift and noise take walls too far."""
        push, pull = (self._pilots[self._plan.amplitude_v, is_push] for is_push in (True, False))
        return max(LEAST_PULSES, longest_doublets(push, pull, self._plan.pulses, WINDOWS))

    def staircase(self, amplitude_v: float, pulses: int, is_push: bool) -> Staircase:
        """Send pulses one way, the walls passing the middle of the track half way."""
        sign = 1 if is_push else -1
        settling = _settling(pulses)
        walls = self._fresh(0.5 - sign * (0.5 * pulses + settling) * self._pilots[amplitude_v, is_push].mean)
        for _ in range(settling):
            self._pulse(walls, amplitude_v, is_push)
        places = np.empty((pulses + 1, self._plan.devices), np.float32)
        places[0] = walls.position
        for index in range(pulses):
            self._pulse(walls, amplitude_v, is_push)
            places[index + 1] = walls.position
        self._check_ends(places)
        steps = sign * np.diff(places.astype(np.float64), axis=0).T
        return Staircase(steps=np.ascontiguousarray(steps), track_position=places[:-1].mean(1, dtype=np.float64))

    def doublets(self, count: int) -> NDArray[np.float64]:
        """Send a push and a pull by turns, an event each; return the net displacements."""
        amplitude_v = self._plan.amplitude_v
        push, pull = (self._pilots[amplitude_v, is_push].mean for is_push in (True, False))
        width_s = self._plan.width_s * push / pull
        settling = _settling(count)
        walls = self._fresh(0.5 - settling * push)
        for _ in range(settling):
            self._pulse(walls, amplitude_v, True)
        places = np.empty((count + 1, self._plan.devices), np.float32)
        places[0] = walls.position
        for index in range(count):
            self._pulse(walls, amplitude_v, True)
            self._pulse(walls, amplitude_v, False, width_s)
            places[index + 1] = walls.position
        self._check_ends(places)
        return np.ascontiguousarray(np.diff(places.astype(np.float64), axis=0).T)

    def _length(self, amplitude_v: float, is_push: bool) -> int:
        walls = self._fresh(0.5)
        sign = 1 if is_push else -1
        for _ in range(_FIRST):
            self._pulse(walls, amplitude_v, is_push)
        places = [walls.position.astype(np.float64)]
        for _ in range(PULSES):
            self._pulse(walls, amplitude_v, is_push)
            places.append(walls.position.astype(np.float64))
        found = pilot(sign * np.diff(places, axis=0).T)
        what = f"{'pushes' if is_push else 'pulls'} of {amplitude_v:g} V and {self._plan.width_s:g} s"
        if ((walls.position <= 0) | (walls.position >= 1)).mean() > _TOLERATED:
            raise CoarseGrainError(
                f"{what} take walls from the middle of the track to its end in {_FIRST + PULSES}: "
                "choose a shorter pulse or a smaller amplitude"
            )
        if found.mean <= 4 * found.error:
            raise CoarseGrainError(f"{what} do not move the walls: choose a larger amplitude or a longer pulse")
        pulses = longest_staircase(found, self._plan.pulses, WINDOWS)
        if pulses < LEAST_PULSES:
            raise CoarseGrainError(
                f"{what} move a wall by {found.mean:.2g} of the track each, too far for {LEAST_PULSES} of them in the "
                "middle: choose a shorter pulse or a smaller amplitude"
            )
        self._pilots[amplitude_v, is_push] = found
        return pulses

    def _fresh(self, position: float) -> Walls:
        model = wall_model(self._parameters)
        state: dict[str, NDArray[Any]] = {
            kept.name: np.full(self._plan.devices, kept.initial, kept.dtype) for kept in model.kept
        }
        golden = np.arange(self._plan.devices) * 0.6180339887498949 % 1.0
        state["position"][:] = position + _PHASES * (golden - 0.5)
        return model.build(self._plan.devices, self._plan.seed, state)

    def _pulse(self, walls: Walls, amplitude_v: float, is_push: bool, width_s: float | None = None) -> None:
        self._event += 1
        width_s = self._plan.width_s if width_s is None else width_s
        drive = Drive(
            push_amplitude_v=amplitude_v,
            push_width_s=width_s,
            pull_amplitude_v=amplitude_v,
            pull_width_s=width_s,
        )
        counts = (self._one, self._none) if is_push else (self._none, self._one)
        walls.pulse_range(0, *counts, drive, self._event)
        self._on_pulse()

    def _check_ends(self, places: NDArray[np.float32]) -> None:
        stopped = int(((places <= 0) | (places >= 1)).any(0).sum())
        if stopped > _TOLERATED * self._plan.devices:
            fewer = max(LEAST_PULSES, self._plan.pulses // (2 * WINDOWS) * WINDOWS)
            raise CoarseGrainError(
                f"{stopped} of {self._plan.devices} walls met an end of the track: send fewer pulses, "
                f"--pulses {fewer}, or shorter ones"
            )


def _settling(pulses: int) -> int:
    """Return how many pushes or pulls go before, that walls come to rest on ground as they find it on their way.

    Walls put down anywhere are rarely where the ground holds them long, and move more easily than later on.
    """
    return max(_FIRST, pulses // WINDOWS)
