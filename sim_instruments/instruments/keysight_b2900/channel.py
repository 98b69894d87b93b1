"""One channel of a Keysight B2900: its stage, driven and read by its trigger model.

Its readings are those of `smu_output`: the operating point on the load, with noise that falls with the aperture. With
the output off only the noise is read. Pulses (`FUNC:SHAP PULS`) are read at their peak; the base between them is not
simulated. Reading disturbs no wall: the read path does not carry the write current.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.clock import VirtualClock
from sim_instruments.instruments.keysight_b2900.readings import (
    CURRENT_SOURCED,
    ELEMENTS,
    IN_COMPLIANCE,
    NO_READINGS,
    OVERFLOWED,
    Table,
)
from sim_instruments.instruments.keysight_b2900.settings import QUANTITIES, Side, with_side
from sim_instruments.instruments.keysight_b2900.stage import Stage
from sim_instruments.instruments.keysight_b2900.trigger import Plan, Trigger
from sim_instruments.physics.readout.contacts import Windows
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_output import OVER_RANGE, OVERFLOW, Meter, measured, range_for

NOISE_OF_RANGE: Final = 1e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""

_OVERHEAD_S = 20e-6  # from the end of an aperture to the next trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """An INITiate that still waits for signals."""

    plan: Plan
    done: int


_SPOT = Plan(transitions=0, acquisitions=1, per_trigger=1, period_s=0.0, delay_s=0.0, waits_for="")


@final
class Channel:
    """One channel.

    Args:
        number: 1 or 2.
        stage: its output stage and settings.
        clock: virtual time.
        noise: where its noise comes from.
    """

    def __init__(self, number: int, stage: Stage, *, clock: VirtualClock, noise: np.random.Generator) -> None:
        self.number = number
        self.stage = stage
        self.trigger = Trigger()
        self.readings: Table = NO_READINGS
        """What the last INITiate or MEASure measured."""
        self.lost_triggers = False
        """Whether a timer came before the last reading was done."""
        self._clock = clock
        self._noise = noise
        self._run: _Run | None = None

    @property
    def is_idle(self) -> bool:
        """Return whether no trigger is waited for."""
        return self._run is None

    @property
    def waits_for_bus(self) -> bool:
        """Return whether a bus trigger would start something."""
        return self._run is not None and self._run.plan.waits_for == "BUS"

    def reset(self) -> None:
        """Output off, idle, no readings, every setting to its default."""
        self._run = None
        self.trigger.reset()
        self.readings = NO_READINGS
        self.lost_triggers = False
        self.stage.reset()

    def commands(self) -> tuple[Command, ...]:
        """Return the channel's own commands."""
        return (*self.stage.commands(), *self.trigger.commands(self.number))

    def measure(self) -> None:
        """Take one reading at the present level; replaces the readings there are, and the trigger settings."""
        self._require_idle()
        self.trigger.reset()
        level = self.stage.settings.side(self.stage.settings.function).level
        self.readings = self._take(np.array([level]), _SPOT)

    def initiate(self, actions: Collection[str]) -> None:
        """Start the trigger model: at once, unless a layer waits for a signal."""
        self._require_idle()
        plan = self.trigger.plan(actions)
        self._check_levels(plan)
        self.readings = NO_READINGS
        self.lost_triggers = False
        if self.stage.settings.switches_on:
            self.stage.set_output(True)
        self._run = _Run(plan=plan, done=0)
        if not plan.waits_for:
            self.proceed()

    def proceed(self) -> None:
        """Go on with the trigger model after the signal it waits for."""
        run = self._run
        if run is None:
            raise ScpiError(-211, f"channel {self.number} waits for no trigger")
        last = min(run.done + run.plan.per_trigger, run.plan.steps)
        if run.plan.acquisitions > run.done:
            levels = self._levels(run.plan)[run.done : min(last, run.plan.acquisitions)]
            self.readings = np.concatenate((self.readings, self._take(levels, run.plan)))
        else:
            self._clock.advance((last - run.done) * run.plan.period_s)
        self._run = replace(run, done=last) if last < run.plan.steps else None
        if self._run is None:
            self._finish(run.plan)

    def abort(self) -> None:
        """Stop waiting for triggers."""
        self._run = None

    def _require_idle(self) -> None:
        if self._run is not None:
            raise ScpiError(-213, f"channel {self.number} is initiated")

    def _finish(self, plan: Plan) -> None:
        if plan.transitions and self.stage.settings.keeps_triggered:
            self.stage.change_side(self.stage.settings.function, level=float(self._levels(plan)[-1]))
        if self.stage.settings.switches_off:
            self.stage.set_output(False)

    def _levels(self, plan: Plan) -> NDArray[np.float64]:
        """Return the level at each step of a plan."""
        settings = self.stage.settings
        side = settings.side(settings.function)
        if plan.transitions == 0:
            return np.full(plan.steps, side.level)
        if side.mode == "LIST":
            cycle = np.array(side.list)
        elif side.mode == "SWE":
            cycle = self._swept(side)
        else:
            cycle = np.array([side.level if side.triggered is None else side.triggered])
        transition = np.minimum(np.arange(plan.steps), plan.transitions - 1)
        return cycle[transition % len(cycle)]

    def _swept(self, side: Side) -> NDArray[np.float64]:
        settings = self.stage.settings
        if settings.spacing == "LIN":
            levels = np.linspace(side.start, side.stop, side.points)
        elif side.start * side.stop > 0:
            levels = np.geomspace(side.start, side.stop, side.points)
        else:
            raise ScpiError(-221, "a logarithmic sweep does not cross 0")
        if settings.direction == "DOWN":
            levels = levels[::-1]
        return np.concatenate((levels, levels[::-1])) if settings.stairs == "DOUB" else levels

    def _check_levels(self, plan: Plan) -> None:
        """Raise what forbids the levels of a plan."""
        extremes = self._levels(plan)
        highest = max(extremes.max(), -extremes.min())
        settings = self.stage.settings
        side = settings.side(settings.function)
        if not side.chooses_source_span and highest > side.source_span * OVER_RANGE:
            raise ScpiError(-221, f"a level of {highest:g} does not fit the range of {side.source_span:g}")
        self.stage.check(with_side(settings, settings.function, level=float(highest)))
        if settings.shape == "PULS" and plan.transitions and plan.period_s:
            busy_s = settings.pulse_delay_s + settings.pulse_width_s
            if busy_s > plan.period_s:
                raise ScpiError(-221, f"a pulse takes {busy_s:g} s and comes every {plan.period_s:g} s")

    def _take(self, levels: NDArray[np.float64], plan: Plan) -> Table:
        """Take a reading at each level; time passes."""
        settings = self.stage.settings
        busy_s = self.stage.aperture_s + _OVERHEAD_S + plan.delay_s
        if settings.shape == "PULS" and plan.transitions:
            busy_s = max(busy_s, settings.pulse_delay_s + settings.pulse_width_s)
        self.lost_triggers |= 0 < plan.period_s < busy_s
        period_s = max(plan.period_s, busy_s)
        start_s, window_s = self._clock.now_s + plan.delay_s, self.stage.aperture_s
        windows = Windows(start_s=start_s, period_s=period_s, window_s=window_s, count=len(levels))
        voltage, current, limited = self._settled(levels, windows)
        read_v, read_a = self._read("VOLT", voltage), self._read("CURR", current)
        is_over = np.isinf(read_v) | np.isinf(read_a)
        table = np.full((len(levels), len(ELEMENTS)), np.nan)
        if "VOLT" in settings.sensed:
            table[:, 0] = read_v
        if "CURR" in settings.sensed:
            table[:, 1] = read_a
        if "RES" in settings.sensed:
            with np.errstate(divide="ignore", invalid="ignore"):
                table[:, 2] = read_v / read_a
        table[:, 3] = start_s + period_s * np.arange(len(levels))
        table[:, 4] = CURRENT_SOURCED * (settings.function == "CURR") + IN_COMPLIANCE * limited + OVERFLOWED * is_over
        table[:, 5] = levels
        self._clock.advance(period_s * len(levels))
        return table

    def _settled(
        self, levels: NDArray[np.float64], windows: Windows
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return voltage, current and whether the compliance holds, at each level."""
        if not self.stage.settings.output:
            return np.zeros(len(levels)), np.zeros(len(levels)), np.zeros(len(levels), np.bool_)
        voltage, current, limited = self.stage.operating_points(levels, windows)
        if self.stage.settings.is_protected and limited.any():
            # The protection opens the output at the first level that is held.
            first = int(limited.argmax()) + 1
            voltage[first:], current[first:], limited[first:] = 0.0, 0.0, False
            self.stage.set_output(False)
        return voltage, current, limited

    def _read(self, function: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the meter's readings of these values; beyond the range they are infinite."""
        quantity, side = QUANTITIES[function], self.stage.settings.side(function)
        meter = Meter(
            ranges=quantity.ranges,
            span=None if side.chooses_sense_span else side.sense_span,
            nplc=self.stage.settings.nplc,
            noise_of_range=NOISE_OF_RANGE,
        )
        if side.chooses_sense_span:
            self.stage.change_side(function, sense_span=range_for(float(values[-1]), quantity.ranges))
        read = measured(values, meter, self._noise)
        return np.where(np.abs(read) >= OVERFLOW, np.copysign(np.inf, read), read)
