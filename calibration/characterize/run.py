"""Carrying out an experiment: action after action, every shot kept as it is made. Moves the walls.

The rule of the pulse holds through a kill: pulses are fired at most once, and what may have been fired without a record
is in doubt. An experiment that goes on looks at its devices first. Of the steps after the last one with shots, the
first that fires a given number of pulses may be the one in flight: it is not made, and a reading without pulses stands
in its place, so that whoever is killed again does not take another step for it. Bringing walls to a place may be
repeated, since it looks before it fires.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from calibration.acquire import Progress
from calibration.characterize.clock import Clock, clock_of
from calibration.characterize.hand import Hand
from calibration.characterize.plan import Plan
from calibration.characterize.walls import Walls
from calibration.experiment import SHOT, Experiment
from calibration.protocols import Action, Bring, Fire, FireUntilMoved, Phase, Read, Sweep, Wait
from calibration.stations import Bank
from drivers.bench import Bench
from drivers.errors import ConfigError, DeviceFault


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
            hand = Hand(bank=bank, walls=walls, clock=self.clock, keep=self.store.append)
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


def _by_device(shots: NDArray[np.void], devices: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return readings as an array of shape (times, devices); nan for devices without, and where some have fewer."""
    columns = [shots["after_s"][shots["device"] == device] for device in devices]
    table = np.full((max(map(len, columns)), len(devices)), np.nan)
    for place, column in enumerate(columns):
        table[: len(column), place] = column
    return table


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
