"""Single actions at a group of devices: pulses, readings, and the shots that they make. Moves the walls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration.characterize.clock import Clock
from calibration.characterize.walls import Walls
from calibration.experiment import SHOT
from calibration.protocols import Action, Bring, Fire, FireUntilMoved, Phase, Read, Sweep, Wait
from calibration.stations import Bank
from drivers.protocols import Polarity

_SERIES_AT_ONCE = 256
"""Readings of a series that are kept together."""
_NEAR_ENOUGH = 0.6
"""A wall that is closer than this part of one pulse cannot be brought closer."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hand:
    """Does single actions at one group of devices and keeps their shots."""

    bank: Bank
    """The way to the devices."""
    walls: Walls
    """What is known of their walls."""
    clock: Clock
    """Time of the experiment."""
    keep: Callable[[NDArray[np.void]], None]
    """Takes the shots of an action, all of them or none."""

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


def _sign(polarity: Polarity) -> int:
    return 1 if polarity is Polarity.PUSH else -1
