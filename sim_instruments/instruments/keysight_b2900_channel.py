"""One channel of a Keysight B2900: a source of volts or amperes with a compliance, a meter, and an output relay.

Its readings are those of `smu_output`: the operating point on the load, with noise that falls with the aperture. With
the output off only the noise is read. Pulses (`FUNC:SHAP PULS`) are read at their peak; the base between them is not
simulated. Reading disturbs no wall: the read path does not carry the write current.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.clock import VirtualClock
from sim_instruments.instruments.keysight_b2900_readings import (
    CURRENT_SOURCED,
    ELEMENTS,
    IN_COMPLIANCE,
    NO_READINGS,
    OVERFLOWED,
    Table,
)
from sim_instruments.instruments.keysight_b2900_settings import ENVELOPES, QUANTITIES, Settings, Side, with_side
from sim_instruments.instruments.keysight_b2900_trigger import Plan, Trigger
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Choice, Integer, QuotedChoice, Real
from sim_instruments.scpi_setting import real_setting, setting, show_bool, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_output import OVER_RANGE, OVERFLOW, Meter, measured, range_for, settle

NOISE_OF_RANGE: Final = 1e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""

LONGEST_LIST: Final = 2500
"""Levels of a list."""

INTERLOCK_V: Final = 42.0
"""Voltage above which the interlock must be closed."""

_OVERHEAD_S = 20e-6  # from the end of an aperture to the next trigger
_LONGEST_S = 1e5
_PULSE_STEP_S = 1e-6


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
        clock: virtual time.
        noise: where its noise comes from.
        line_hz: gives the frequency of the mains, hertz.
        conductance_s: gives the load, siemens.
        interlock_closed: whether the high voltages are allowed.
        set_live: told whenever the output goes on or off.
    """

    def __init__(
        self,
        number: int,
        *,
        clock: VirtualClock,
        noise: np.random.Generator,
        line_hz: Callable[[], float],
        conductance_s: Callable[[], float],
        interlock_closed: bool,
        set_live: Callable[[bool], None],
    ) -> None:
        self.number = number
        self.trigger = Trigger()
        self.readings: Table = NO_READINGS
        """What the last INITiate or MEASure measured."""
        self.lost_triggers = False
        """Whether a timer came before the last reading was done."""
        self._clock = clock
        self._noise = noise
        self._line_hz = line_hz
        self._conductance_s = conductance_s
        self._interlock_closed = interlock_closed
        self._set_live = set_live
        self._run: _Run | None = None
        self._settings = Settings()

    @property
    def is_idle(self) -> bool:
        """Return whether no trigger is waited for."""
        return self._run is None

    @property
    def waits_for_bus(self) -> bool:
        """Return whether a bus trigger would start something."""
        return self._run is not None and self._run.plan.waits_for == "BUS"

    @property
    def switches_on(self) -> bool:
        """Return whether INITiate and READ switch the output on."""
        return self._settings.switches_on

    def reset(self) -> None:
        """Output off, idle, no readings, every setting to its default."""
        self._run = None
        self.trigger.reset()
        self.readings = NO_READINGS
        self.lost_triggers = False
        self._settings = Settings()
        self._set_live(False)

    def commands(self) -> tuple[Command, ...]:
        """Return the channel's own commands."""
        mark = "#" if self.number == 1 else str(self.number)
        # Only the first channel may go without its number, and only it without the word.
        source = "[:SOURce#]" if self.number == 1 else f":SOURce{mark}"
        sense, output = f":SENSe{mark}", f":OUTPut{mark}"
        sides = [self._side_commands(function, source, sense) for function in QUANTITIES]
        return (
            *(command for side in sides for command in side),
            *self._source_commands(source),
            *self._sense_commands(sense),
            *self._output_commands(output),
            *self.trigger.commands(self.number),
        )

    def measure(self) -> None:
        """Take one reading at the present level; replaces the readings there are, and the trigger settings."""
        self._require_idle()
        self.trigger.reset()
        level = self._settings.side(self._settings.function).level
        self.readings = self._take(np.array([level]), _SPOT)

    def initiate(self, actions: Collection[str]) -> None:
        """Start the trigger model: at once, unless a layer waits for a signal."""
        self._require_idle()
        plan = self.trigger.plan(actions)
        self._check_levels(plan)
        self.readings = NO_READINGS
        self.lost_triggers = False
        if self._settings.switches_on:
            self._set_output(True)
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
        if plan.transitions and self._settings.keeps_triggered:
            self._change_side(self._settings.function, level=float(self._levels(plan)[-1]))
        if self._settings.switches_off:
            self._set_output(False)

    # What is put out and read

    def _levels(self, plan: Plan) -> NDArray[np.float64]:
        """Return the level at each step of a plan."""
        settings = self._settings
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
        settings = self._settings
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
        settings = self._settings
        side = settings.side(settings.function)
        if not side.chooses_source_span and highest > side.source_span * OVER_RANGE:
            raise ScpiError(-221, f"a level of {highest:g} does not fit the range of {side.source_span:g}")
        self._check(with_side(settings, settings.function, level=float(highest)))
        if settings.shape == "PULS" and plan.transitions and plan.period_s:
            busy_s = settings.pulse_delay_s + settings.pulse_width_s
            if busy_s > plan.period_s:
                raise ScpiError(-221, f"a pulse takes {busy_s:g} s and comes every {plan.period_s:g} s")

    def _take(self, levels: NDArray[np.float64], plan: Plan) -> Table:
        """Take a reading at each level; time passes."""
        settings = self._settings
        busy_s = settings.nplc / self._line_hz() + _OVERHEAD_S + plan.delay_s
        if settings.shape == "PULS" and plan.transitions:
            busy_s = max(busy_s, settings.pulse_delay_s + settings.pulse_width_s)
        self.lost_triggers |= 0 < plan.period_s < busy_s
        period_s = max(plan.period_s, busy_s)
        voltage, current, limited = self._settled(levels)
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
        table[:, 3] = self._clock.now_s + plan.delay_s + period_s * np.arange(len(levels))
        table[:, 4] = CURRENT_SOURCED * (settings.function == "CURR") + IN_COMPLIANCE * limited + OVERFLOWED * is_over
        table[:, 5] = levels
        self._clock.advance(period_s * len(levels))
        return table

    def _settled(
        self, levels: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return voltage, current and whether the compliance holds, at each level."""
        voltage, current, limited = self._points(levels)
        if not self._settings.output:
            return np.zeros(len(levels)), np.zeros(len(levels)), np.zeros(len(levels), np.bool_)
        if self._settings.is_protected and limited.any():
            # The protection opens the output at the first level that is held.
            first = int(limited.argmax()) + 1
            voltage[first:], current[first:], limited[first:] = 0.0, 0.0, False
            self._set_output(False)
        return voltage, current, limited

    def _points(
        self, levels: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        settings, load_s = self._settings, self._conductance_s()
        if settings.function == "VOLT":
            return settle("VOLT", levels, settings.curr.limit, load_s)
        return settle("CURR", levels, settings.volt.limit, load_s)

    def _read(self, function: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the meter's readings of these values; beyond the range they are infinite."""
        quantity, side = QUANTITIES[function], self._settings.side(function)
        meter = Meter(
            ranges=quantity.ranges,
            span=None if side.chooses_sense_span else side.sense_span,
            nplc=self._settings.nplc,
            noise_of_range=NOISE_OF_RANGE,
        )
        if side.chooses_sense_span:
            self._change_side(function, sense_span=range_for(float(values[-1]), quantity.ranges))
        read = measured(values, meter, self._noise)
        return np.where(np.abs(read) >= OVERFLOW, np.copysign(np.inf, read), read)

    def _is_limited(self, function: str) -> bool:
        """Return whether the compliance of `VOLT` or `CURR` holds the output now."""
        settings = self._settings
        if not settings.output or settings.function == function:
            return False
        return bool(self._points(np.array([settings.side(settings.function).level]))[2][0])

    # Settings

    def _change(self, **changes: object) -> None:
        self._commit(replace(self._settings, **changes))  # type: ignore[arg-type]

    def _change_side(self, function: str, **changes: object) -> None:
        self._commit(with_side(self._settings, function, **changes))

    def _commit(self, settings: Settings) -> None:
        """Take settings over if they go together, and let the protection see what they do."""
        self._check(settings)
        self._settings = settings
        self._protect()

    def _check(self, settings: Settings) -> None:
        is_voltage = settings.function == "VOLT"
        voltage_v = abs(settings.volt.level) if is_voltage else settings.volt.limit
        current_a = settings.curr.limit if is_voltage else abs(settings.curr.level)
        if voltage_v > INTERLOCK_V and not self._interlock_closed:
            raise ScpiError(
                201, f"{voltage_v:g} V needs the interlock closed", text="Not able to perform requested operation"
            )
        envelope = ENVELOPES[settings.shape]
        most_a = next(most for up_to_v, most in envelope if voltage_v <= up_to_v)
        if current_a > most_a:
            raise ScpiError(-221, f"{current_a:g} A at {voltage_v:g} V, at most {most_a:g} A")

    def _protect(self) -> None:
        settings = self._settings
        other = "CURR" if settings.function == "VOLT" else "VOLT"
        if settings.is_protected and self._is_limited(other):
            self._set_output(False)

    def _set_output(self, is_on: bool) -> None:
        self._settings = replace(self._settings, output=is_on)
        if is_on:
            self._protect()
        self._set_live(self._settings.output)

    def _set_level(self, function: str, level: float) -> None:
        quantity, side = QUANTITIES[function], self._settings.side(function)
        span = range_for(level, quantity.ranges) if side.chooses_source_span else side.source_span
        if abs(level) > span * OVER_RANGE:
            raise ScpiError(-222, f"{level:g} {quantity.unit} does not fit the {span:g} {quantity.unit} range")
        self._change_side(function, level=_rounded(level, span * quantity.step), source_span=span)

    def _set_source_span(self, function: str, largest: float) -> None:
        quantity, side = QUANTITIES[function], self._settings.side(function)
        span = range_for(largest, quantity.ranges)
        if abs(side.level) > span * OVER_RANGE:
            raise ScpiError(-221, f"the level, {side.level:g} {quantity.unit}, does not fit the range")
        self._change_side(function, source_span=span, chooses_source_span=False)

    def _set_source_auto(self, function: str, is_on: bool) -> None:
        side = self._settings.side(function)
        span = range_for(side.level, QUANTITIES[function].ranges) if is_on else side.source_span
        self._change_side(function, chooses_source_span=is_on, source_span=span)

    def _set_list(self, function: str, first: tuple[float, ...], more: tuple[float, ...]) -> None:
        levels = (*first, *more)
        if len(levels) > LONGEST_LIST:
            raise ScpiError(-223, f"{len(levels)} levels, and a list has at most {LONGEST_LIST}")
        if function == "VOLT" and max(map(abs, more)) > INTERLOCK_V and not self._interlock_closed:
            raise ScpiError(201, "a level needs the interlock closed", text="Not able to perform requested operation")
        self._change_side(function, list=levels)

    def _set_step(self, function: str, step: float) -> None:
        side = self._settings.side(function)
        points = round(abs(side.stop - side.start) / abs(step)) + 1 if step else 1
        if points > LONGEST_LIST:
            raise ScpiError(-222, f"{points} points, and a sweep has at most {LONGEST_LIST}")
        self._change_side(function, points=points)

    def _sense(self, *functions: str) -> None:
        self._change(
            sensed=tuple(one for one in ("VOLT", "CURR", "RES") if one in (*self._settings.sensed, *functions))
        )

    def _stop_sensing(self, *functions: str) -> None:
        gone = functions or ("VOLT", "CURR", "RES")
        self._change(sensed=tuple(one for one in self._settings.sensed if one not in gone))

    def _set_pulse(self, *, width_s: float | None = None, delay_s: float | None = None) -> None:
        if width_s is not None:
            self._change(pulse_width_s=_rounded(width_s, _PULSE_STEP_S))
        if delay_s is not None:
            self._change(pulse_delay_s=_rounded(delay_s, _PULSE_STEP_S))

    def _set_low(self, low: str) -> None:
        if self._settings.output:
            raise ScpiError(211, text="Cannot switch low sense terminal with output on")
        self._change(low=low)

    # Commands

    def _side_commands(self, function: str, source: str, sense: str) -> list[Command]:
        quantity = QUANTITIES[function]
        level = Real(unit=quantity.unit, low=-quantity.highest, high=quantity.highest, default=0.0)
        span = Real(unit=quantity.unit, low=-quantity.highest, high=quantity.highest, default=quantity.ranges[-1])
        limit = Real(unit=quantity.unit, low=quantity.least_limit, high=quantity.highest, default=quantity.limit)
        value, meter = f"{source}:{quantity.name}", f"{sense}:{quantity.name}[:DC]"
        listed = f"{source}:LIST:{quantity.name}"

        def side() -> Side:
            return self._settings.side(function)

        def writes(field: str) -> Callable[[object], None]:
            return lambda new: self._change_side(function, **{field: new})

        def triggered() -> float:
            return side().level if side().triggered is None else side().triggered or 0.0

        return [
            *real_setting(
                f"{value}[:LEVel][:IMMediate][:AMPLitude]",
                level,
                lambda: side().level,
                lambda new: self._set_level(function, new),
            ),
            *real_setting(f"{value}[:LEVel]:TRIGgered[:AMPLitude]", level, triggered, writes("triggered")),
            *setting(f"{value}:MODE", Choice(("FIXed", "LIST", "SWEep")), lambda: side().mode, writes("mode")),
            *real_setting(
                f"{value}:RANGe", span, lambda: side().source_span, lambda new: self._set_source_span(function, new)
            ),
            *switch_setting(
                f"{value}:RANGe:AUTO",
                lambda: side().chooses_source_span,
                lambda new: self._set_source_auto(function, new),
            ),
            *real_setting(f"{value}:STARt", level, lambda: side().start, writes("start")),
            *real_setting(f"{value}:STOP", level, lambda: side().stop, writes("stop")),
            *real_setting(f"{value}:STEP", level, lambda: _step(side()), lambda new: self._set_step(function, new)),
            *setting(
                f"{value}:POINts", Integer(low=1, high=LONGEST_LIST), lambda: str(side().points), writes("points")
            ),
            Command(
                listed,
                lambda *new: self._set_list(function, (), new),
                (level,) * (LONGEST_LIST + 1),
                optional=LONGEST_LIST,
            ),
            Command(f"{listed}?", lambda: ",".join(f"{one:+.6E}" for one in side().list)),
            Command(
                f"{listed}:APPend",
                lambda *new: self._set_list(function, side().list, new),
                (level,) * (LONGEST_LIST + 1),
                optional=LONGEST_LIST,
            ),
            Command(f"{listed}:POINts?", lambda: str(len(side().list))),
            *real_setting(f"{meter}:PROTection[:LEVel][:BOTH]", limit, lambda: side().limit, writes("limit")),
            Command(f"{meter}:PROTection:TRIPped?", lambda: show_bool(self._is_limited(function))),
            *real_setting(
                f"{meter}:RANGe[:UPPer]",
                span,
                lambda: side().sense_span,
                lambda new: self._change_side(
                    function, sense_span=range_for(new, quantity.ranges), chooses_sense_span=False
                ),
            ),
            *switch_setting(f"{meter}:RANGe:AUTO", lambda: side().chooses_sense_span, writes("chooses_sense_span")),
        ]

    def _source_commands(self, source: str) -> list[Command]:
        width = Real(unit="S", low=50e-6, high=_LONGEST_S, default=50e-6)
        delay = Real(unit="S", low=0.0, high=_LONGEST_S, default=0.0)
        return [
            *self._choice(f"{source}:FUNCtion:MODE", "function", "VOLTage", "CURRent"),
            *self._choice(f"{source}:FUNCtion[:SHAPe]", "shape", "DC", "PULSe"),
            *self._switch(f"{source}:FUNCtion:TRIGgered:CONTinuous", "keeps_triggered"),
            *real_setting(
                f"{source}:PULSe:WIDTh",
                width,
                lambda: self._settings.pulse_width_s,
                lambda new: self._set_pulse(width_s=new),
            ),
            *real_setting(
                f"{source}:PULSe:DELay",
                delay,
                lambda: self._settings.pulse_delay_s,
                lambda new: self._set_pulse(delay_s=new),
            ),
            *self._choice(f"{source}:SWEep:SPACing", "spacing", "LINear", "LOGarithmic"),
            *self._choice(f"{source}:SWEep:DIRection", "direction", "UP", "DOWN"),
            *self._choice(f"{source}:SWEep:STAir", "stairs", "SINGle", "DOUBle"),
        ]

    def _sense_commands(self, sense: str) -> list[Command]:
        named = (QuotedChoice(("VOLTage", "VOLTage:DC", "CURRent", "CURRent:DC", "RESistance")),) * 3
        found = [
            Command(f"{sense}:FUNCtion[:ON]", lambda *new: self._sense(*map(_plain, new)), named, optional=2),
            Command(f"{sense}:FUNCtion[:ON]?", lambda: ",".join(f'"{one}"' for one in self._settings.sensed)),
            Command(f"{sense}:FUNCtion[:ON]:ALL", lambda: self._sense("VOLT", "CURR", "RES")),
            Command(f"{sense}:FUNCtion[:ON]:COUNt?", lambda: str(len(self._settings.sensed))),
            Command(f"{sense}:FUNCtion:OFF", lambda *new: self._stop_sensing(*map(_plain, new)), named, optional=2),
            Command(f"{sense}:FUNCtion:OFF:ALL", self._stop_sensing),
            *self._switch(f"{sense}:REMote", "is_remote"),
        ]
        for name in ("VOLTage[:DC]", "CURRent[:DC]", "RESistance"):
            found += self._aperture_commands(f"{sense}:{name}")
        return found

    def _aperture_commands(self, meter: str) -> list[Command]:
        """Return the commands of the integration time, which all functions of a channel share."""
        # In seconds at 50 Hz; at 60 Hz the same limits lie a sixth apart in cycles, which is not simulated.
        cycles = Real(low=4e-4, high=100.0, default=0.1)
        seconds = Real(unit="S", low=8e-6, high=2.0, default=2e-3)
        found: list[Command] = []
        found += real_setting(
            f"{meter}:NPLCycles",
            cycles,
            lambda: self._settings.nplc,
            lambda new: self._change(nplc=new, chooses_nplc=False),
        )
        found += real_setting(
            f"{meter}:APERture",
            seconds,
            lambda: self._settings.nplc / self._line_hz(),
            lambda new: self._change(nplc=new * self._line_hz(), chooses_nplc=False),
        )
        for word in ("NPLCycles", "APERture"):
            found += switch_setting(
                f"{meter}:{word}:AUTO",
                lambda: self._settings.chooses_nplc,
                lambda new: self._change(chooses_nplc=new, nplc=0.1 if new else self._settings.nplc),
            )
        return found

    def _output_commands(self, output: str) -> list[Command]:
        return [
            *switch_setting(f"{output}[:STATe]", lambda: self._settings.output, self._set_output),
            *self._choice(f"{output}:OFF:MODE", "off_mode", "NORMal", "HIZ", "ZERO"),
            *self._switch(f"{output}:ON:AUTO", "switches_on"),
            *self._switch(f"{output}:OFF:AUTO", "switches_off"),
            *self._switch(f"{output}:PROTection[:STATe]", "is_protected"),
            *self._switch(f"{output}:HCAPacitance[:STATe]", "is_high_capacitance"),
            *self._switch(f"{output}:FILTer[:LPASs][:STATe]", "is_filtered"),
            *setting(f"{output}:LOW", Choice(("GROund", "FLOat")), lambda: self._settings.low, self._set_low),
        ]

    def _choice(self, pattern: str, field: str, *options: str) -> tuple[Command, ...]:
        def write(new: str) -> None:
            self._change(**{field: new})

        return setting(pattern, Choice(options), lambda: str(getattr(self._settings, field)), write)

    def _switch(self, pattern: str, field: str) -> tuple[Command, ...]:
        def write(new: bool) -> None:
            self._change(**{field: new})

        return setting(pattern, Boolean(), lambda: show_bool(getattr(self._settings, field)), write)


def _step(side: Side) -> float:
    return (side.stop - side.start) / (side.points - 1) if side.points > 1 else 0.0


def _rounded(value: float, step: float) -> float:
    # Through the reciprocal where it is whole, so that 0.1 stays 0.1.
    per_unit = round(1.0 / step)
    return round(value * per_unit) / per_unit if math.isclose(per_unit * step, 1.0) else round(value / step) * step


def _plain(function: str) -> str:
    """Return a sense function without `:DC`, which says nothing more."""
    return function.removesuffix(":DC")
