"""Carrying out an experiment: action after action, every shot kept as it is made. Moves the walls.

The rule of the pulse holds through a kill: pulses are fired at most once, and what may have been fired without a record
is in doubt. An experiment that goes on looks at its devices first. Of the steps after the last one with shots, the
first that fires a given number of pulses may be the one in flight: it is not made, and a reading without pulses stands
in its place, so that whoever is killed again does not take another step for it. Bringing walls to a place may be
repeated, since it looks before it fires.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from calibration.acquire import Progress
from calibration.characterize.clock import Clock, clock_of
from calibration.characterize.plan import Plan
from calibration.characterize.walls import Walls
from calibration.experiment import SHOT, Experiment
from calibration.protocols import Action, Bring, Fire, FireUntilMoved, Phase, Read, Sweep, Wait
from calibration.stations import Bank
from drivers.bench import Bench
from drivers.errors import ConfigError, DeviceFault
from drivers.protocols import Polarity

_SERIES_AT_ONCE = 256
"""Readings of a series that are kept together."""
_NEAR_ENOUGH = 0.6
"""A wall that is closer than this part of one pulse cannot be brought closer."""


class Store(Protocol):
    """Where shots are kept, such as a `ShotStore`."""

    def append(self, shots: NDArray[np.void]) -> None:
        """Keep shots, all of them or none."""
        ...

    def read(self) -> Experiment:
        """Return everything kept so far."""
        ...

    def last_step(self) -> int | None:
        """Return the highest step that has shots; None without any."""
        ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Characterization:
    """What came of an experiment."""

    experiment: Experiment
    """All shots."""
    given_up: dict[int, str]
    """Devices that were left out from some point on, and why."""
    in_doubt: int | None
    """Step that was not made, since it may have been in flight when an earlier run was killed; None without."""


def characterize(
    bench: Bench,
    plan: Plan,
    store: Store,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Characterization:
    """Carry out an experiment, or the rest of one. Moves the walls; outputs are off whatever happens.

    Args:
        bench: the open bench that the plan was made for.
        plan: what to do.
        store: takes every shot as it is made.
        resume: continue after the last step in the store.
        progress: called with steps done, steps in all, and what is going on.
        clock: time of the experiment; None is that of the bench.

    Raises:
        ConfigError: the store holds shots and `resume` is not set, or they are not of this experiment.
        DeviceFault: no device is left.
        LimitError: a pulse or a reading lies outside a limit of the bench.
    """
    last = store.last_step()
    if last is not None and not resume:
        raise ConfigError("the store holds shots already: resume that experiment, or take a new file")
    clock = clock or clock_of(bench)
    run = _Run(plan=plan, store=store, clock=clock, progress=progress)
    if resume:
        run.recall()
    groups = range(len(plan.groups))
    for group in groups:
        if not run.is_past(group):
            run.go_through(group, plan.bank(bench, group))
    if len(run.given_up) == sum(map(len, plan.groups)):
        device, reason = next(iter(run.given_up.items()))
        raise DeviceFault(
            f"no device is left of {len(run.given_up)}; device {device}, for example: {reason}; "
            "raise bringing.amplitude_v, lengthen bringing.width_s or check the wiring"
        )
    return Characterization(experiment=store.read(), given_up=run.given_up, in_doubt=run.skipped)


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """Where an experiment stands."""

    plan: Plan
    store: Store
    clock: Clock
    progress: Progress | None
    given_up: dict[int, str] = field(default_factory=dict)
    next_step: int = 0
    in_doubt: bool = False
    skipped: int | None = None
    already: int = 0
    """Readings of the next step that are there, if it is a series that was cut."""
    kept: NDArray[np.void] = field(default_factory=lambda: np.empty(0, SHOT))
    """Shots of earlier runs."""

    def recall(self) -> None:
        """Find out where an earlier run ended."""
        experiment = self.store.read()
        self.plan.check_continues(experiment.origin)
        self.kept, self.in_doubt = experiment.shots, True
        last_s = float(self.kept["time_s"].max(initial=0.0))
        self.clock.resume(experiment.origin.started, last_s)
        last = self.store.last_step()
        if last is None:
            return
        self.next_step = last + 1
        match self.plan.actions[last % len(self.plan.actions)]:
            case Bring():
                self.next_step = last
            case Read() as read:
                there = self.kept["device"][self.kept["step"] == last]
                self.already = int(np.unique(there, return_counts=True)[1].max())
                if self.already < read.times:
                    self.next_step = last
                else:
                    self.already = 0
            case _:
                pass

    def is_past(self, group: int) -> bool:
        """Return whether all steps of a group were made before."""
        return self.next_step >= (group + 1) * len(self.plan.actions)

    def go_through(self, group: int, bank: Bank) -> None:
        """Take one group of devices through what is left for it. Moves the walls."""
        walls = Walls(devices=bank.devices, resolution_s=bank.resolution_s, report=self._give_up)
        first = group * len(self.plan.actions)
        self._recall_walls(walls, first)
        with ExitStack() as outputs:
            outputs.enter_context(bank)
            hand = _Hand(bank=bank, walls=walls, clock=self.clock, keep=self.store.append)
            for number in range(self.next_step - first, len(self.plan.actions)):
                action, step = self.plan.actions[number], first + number
                if not walls.alive.any():
                    break
                self._tell(step, action)
                if isinstance(action, Wait):
                    outputs.close()
                    self.clock.wait(action.seconds)
                    outputs.enter_context(bank)
                elif isinstance(action, Fire | FireUntilMoved) and self._leaves_out(step):
                    hand.look_instead(step, action)
                else:
                    hand.do(step, self._rest_of(action))
        self.next_step = first + len(self.plan.actions)
        self._tell(self.next_step, None)

    def _leaves_out(self, step: int) -> bool:
        """Return whether a step that fires may have been in flight and must not be made."""
        if not self.in_doubt:
            return False
        self.in_doubt, self.skipped = False, step
        return True

    def _rest_of(self, action: Action) -> Action:
        """Return what is left of an action that does not fire a given number of pulses, or one that was never begun."""
        if isinstance(action, Read | Sweep):
            # It leaves shots. There are none of it, or not all, so nothing after it has been begun.
            self.in_doubt = False
        if self.already and isinstance(action, Read):
            action = replace(action, times=action.times - self.already)
        self.already = 0
        return action

    def _recall_walls(self, walls: Walls, first: int) -> None:
        """Take end stops and noise from the shots of an earlier run."""
        shots = self.kept[(self.kept["step"] >= first) & (self.kept["step"] < first + len(self.plan.actions))]
        readings = shots[shots["pulses"] == 0]
        for number in np.unique(readings["step"] - first).tolist():
            here = readings[readings["step"] == first + number]
            match self.plan.actions[number]:
                case Read(phase=Phase.REST, voltage_v=None):
                    walls.note_rest(_by_device(here, walls.devices))
                case Bring(is_end=True, place=place):
                    walls.note_end(high=place == 1.0, readings_s=_by_device(here, walls.devices))
                case _:
                    pass
        walls.give_up_strangers()

    def _give_up(self, device: int, reason: str) -> None:
        self.given_up[device] = reason

    def _tell(self, step: int, action: Action | None) -> None:
        if self.progress is not None:
            out = f", {len(self.given_up)} devices given up" if self.given_up else ""
            self.progress(step, self.plan.steps, f"{_in_words(action)}{out}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hand:
    """Does single actions at one group of devices and keeps their shots."""

    bank: Bank
    walls: Walls
    clock: Clock
    keep: Callable[[NDArray[np.void]], None]

    def do(self, step: int, action: Action) -> None:
        """Do one action. Moves the walls if it is one that fires."""
        match action:
            case Fire():
                self._fire(step, action)
            case FireUntilMoved():
                self._fire_until_moved(step, action)
            case Read():
                self._read(step, action)
            case Sweep():
                self._sweep(step, action)
            case Bring(is_end=True):
                self._bring_to_end(step, action)
            case Bring():
                self._bring(step, action)
            case Wait():
                self.clock.wait(action.seconds)

    def look_instead(self, step: int, action: Fire | FireUntilMoved) -> None:
        """Read the devices in place of a step that is not made."""
        began_s, alive = self.clock.elapsed_s(), self.walls.where
        readings_s = self.bank.look()
        self._keep_readings(step, action.cycle, Phase.REST, readings_s[:, alive], self.bank.read_voltage_v, began_s)
        self.walls.take(readings_s[0])

    def _fire(self, step: int, action: Fire) -> None:
        self._see()
        counts = np.where(self.walls.alive, _sign(action.polarity) * action.pulses, 0)
        self._shoot(step, action.cycle, action.phase, action.amplitude_v, action.width_s, counts)

    def _fire_until_moved(self, step: int, action: FireUntilMoved) -> None:
        self._see()
        walls = self.walls
        start_s, far_s = walls.last_s.copy(), action.moved * walls.span_s
        waiting = walls.alive.copy()
        for _ in range(action.most_rounds):
            counts = np.where(waiting, _sign(action.polarity) * action.pulses, 0)
            self._shoot(step, action.cycle, action.phase, action.amplitude_v, action.width_s, counts)
            waiting &= walls.alive & ~(np.abs(walls.last_s - start_s) >= far_s)
            if not waiting.any():
                return

    def _read(self, step: int, action: Read) -> None:
        if action.interval_s:
            # Relays move before the first reading after pulses, which would then be late.
            self.bank.look(voltage_v=action.voltage_v)
        done, began_s = 0, self.clock.elapsed_s()
        seen: list[NDArray[np.float64]] = []
        while done < action.times and self.walls.alive.any():
            some = 1 if action.interval_s else min(_SERIES_AT_ONCE, action.times - done)
            seen.append(self._look(step, action, some))
            done += some
            if action.interval_s and done < action.times:
                self.clock.wait(began_s + done * action.interval_s - self.clock.elapsed_s())
        if action.phase is Phase.REST and action.voltage_v is None:
            self.walls.note_rest(np.concatenate(seen))

    def _look(self, step: int, action: Read, times: int) -> NDArray[np.float64]:
        began_s, alive = self.clock.elapsed_s(), self.walls.where
        readings_s = self.bank.look(times, voltage_v=action.voltage_v)
        voltage_v = self.bank.read_voltage_v if action.voltage_v is None else action.voltage_v
        self._keep_readings(step, action.cycle, action.phase, readings_s[:, alive], voltage_v, began_s)
        # Conductance depends on the voltage: only what the usual one gives is compared with other readings.
        if action.voltage_v is None:
            self.walls.take(readings_s[-1])
        else:
            self.walls.last_s[:] = np.nan
        return readings_s

    def _sweep(self, step: int, action: Sweep) -> None:
        began_s, alive = self.clock.elapsed_s(), self.walls.where
        readings_s = self.bank.sweep(action.voltages_v)[:, alive]
        self._keep_readings(step, action.cycle, action.phase, readings_s, np.array(action.voltages_v)[:, None], began_s)
        self.walls.last_s[:] = np.nan

    def _bring_to_end(self, step: int, action: Bring) -> None:
        """Pulse each wall until it moves no more, and read there."""
        self._see()
        walls, how, high = self.walls, action.how, action.place == 1.0
        moving = walls.alive.copy()
        for _ in range(how.most_bursts):
            before_s = walls.last_s.copy()
            counts = np.where(moving, how.burst if high else -how.burst, 0)
            self._shoot(step, action.cycle, Phase.PREPARATION, how.amplitude_v, how.width_s, counts)
            moving &= walls.alive & (np.abs(walls.last_s - before_s) > walls.tolerance_s)
            if not moving.any():
                break
        for place in np.flatnonzero(moving).tolist():
            walls.give_up(place, f"its wall still moves after {how.most_bursts} bursts towards an end stop")
        if not walls.alive.any():
            return
        began_s, alive = self.clock.elapsed_s(), walls.where
        readings_s = self.bank.look(how.end_reads)
        voltage_v = self.bank.read_voltage_v
        self._keep_readings(step, action.cycle, Phase.PREPARATION, readings_s[:, alive], voltage_v, began_s)
        walls.take(readings_s[-1])
        walls.note_end(high=high, readings_s=readings_s)

    def _bring(self, step: int, action: Bring) -> None:
        """Pulse and look until each wall is where it should be, or enough was tried."""
        self._see()
        walls, how = self.walls, action.how
        tried = np.zeros(len(walls.devices), np.int64)
        for _ in range(how.most_rounds):
            before = walls.position()
            distance = action.place - before
            sign = np.where(distance > 0, 1, -1)
            stride = np.where(sign > 0, walls.stride[1], walls.stride[-1])
            far = walls.alive & (np.abs(distance) > np.fmax(how.tolerance, _NEAR_ENOUGH * stride))
            if not far.any():
                return
            # Somebody who is not known yet gets one pulse, then two, four, and so on, until a move shows.
            known = np.nan_to_num(np.rint(np.abs(distance) / stride), nan=0.0, posinf=how.burst)
            pulses = np.where(np.isnan(stride), np.maximum(1, 2 * tried), np.maximum(1, known))
            pulses = np.where(far, np.minimum(pulses, how.burst), 0).astype(np.int64)
            tried = pulses
            self._shoot(step, action.cycle, Phase.PREPARATION, how.amplitude_v, how.width_s, sign * pulses)
            walls.learn(sign * pulses, before, walls.position())

    def _see(self) -> None:
        """Read the devices if their walls may have moved since they were read."""
        if np.isnan(self.walls.last_s[self.walls.alive]).any():
            self.walls.take(self.bank.look()[0])

    def _shoot(
        self,
        step: int,
        cycle: int,
        phase: Phase,
        amplitude_v: float,
        width_s: float,
        counts: NDArray[np.int64],
    ) -> None:
        """Fire, read, keep. Moves the walls."""
        walls = self.walls
        hit = np.flatnonzero(counts)
        if not len(hit):
            return
        shots = _blank(len(hit), step, cycle, phase)
        shots["device"] = walls.devices[hit]
        shots["polarity"], shots["pulses"] = np.sign(counts[hit]), np.abs(counts[hit])
        shots["amplitude_v"], shots["width_s"] = amplitude_v, width_s
        shots["before_s"] = walls.last_s[hit]
        # From here to the record the shot is in flight: whoever is interrupted knows nothing of it.
        walls.last_s[hit] = np.nan
        self.bank.fire(amplitude_v, width_s, counts)
        reading_s = self.bank.look()[0]
        shots["after_s"], shots["read_voltage_v"] = reading_s[hit], self.bank.read_voltage_v
        shots["time_s"] = self.clock.elapsed_s()
        self.keep(shots)
        walls.take(reading_s)

    def _keep_readings(
        self,
        step: int,
        cycle: int,
        phase: Phase,
        readings_s: NDArray[np.float64],
        voltage_v: float | NDArray[np.float64],
        began_s: float,
    ) -> None:
        """Keep readings without pulses, shape (times, devices that take part)."""
        times, devices = readings_s.shape
        shots = _blank(times * devices, step, cycle, phase)
        table = shots.reshape(times, devices)
        table["device"] = self.walls.devices[self.walls.where]
        table["after_s"], table["read_voltage_v"] = readings_s, voltage_v
        ended_s = self.clock.elapsed_s()
        table["time_s"] = np.linspace(began_s, ended_s, times + 1)[1:, None]
        self.keep(shots)


def _blank(count: int, step: int, cycle: int, phase: Phase) -> NDArray[np.void]:
    shots = np.zeros(count, SHOT)
    shots["step"], shots["cycle"], shots["phase"] = step, cycle, phase
    shots["before_s"] = shots["temperature_k"] = np.nan
    return shots


def _by_device(shots: NDArray[np.void], devices: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return readings as an array of shape (times, devices); nan for devices without, and where some have fewer."""
    columns = [shots["after_s"][shots["device"] == device] for device in devices]
    table = np.full((max(map(len, columns)), len(devices)), np.nan)
    for place, column in enumerate(columns):
        table[: len(column), place] = column
    return table


def _sign(polarity: Polarity) -> int:
    return 1 if polarity is Polarity.PUSH else -1


def _in_words(action: Action | None) -> str:
    match action:
        case Fire() | FireUntilMoved():
            shape = f"{action.polarity} {action.amplitude_v:g} V {action.width_s * 1e9:g} ns"
            return f"{shape}, cycle {action.cycle + 1}"
        case Read():
            return f"{action.times} readings"
        case Sweep():
            return f"{len(action.voltages_v)} voltages"
        case Wait():
            return f"waiting {action.seconds:g} s"
        case Bring():
            return f"bringing walls to {action.place:g}"
        case None:
            return "done"
