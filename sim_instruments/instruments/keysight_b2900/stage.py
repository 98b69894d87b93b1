"""The settings of a Keysight B2900 channel: which go together, what they put out, and the commands that show them."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instruments.keysight_b2900.settings import ENVELOPES, QUANTITIES, Settings, Side, with_side
from sim_instruments.physics.readout.contacts import Windows
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Choice, Integer, QuotedChoice, Real
from sim_instruments.scpi_setting import real_setting, setting, show_bool, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_output import OVER_RANGE, range_for
from sim_instruments.smu_probe import Probe

LONGEST_LIST: Final = 2500
"""Levels of a list."""

INTERLOCK_V: Final = 42.0
"""Voltage above which the interlock must be closed."""

_LONGEST_S = 1e5
_PULSE_STEP_S = 1e-6


@final
class Stage:
    """The output stage of one channel and everything that is set on it.

    Args:
        number: 1 or 2.
        line_hz: gives the frequency of the mains, hertz.
        probe: the terminals.
        interlock_closed: whether the high voltages are allowed.
        set_live: told whenever the output goes on or off.
    """

    def __init__(
        self,
        number: int,
        *,
        line_hz: Callable[[], float],
        probe: Probe,
        interlock_closed: bool,
        set_live: Callable[[bool], None],
    ) -> None:
        self.settings = Settings()
        self._number = number
        self._line_hz = line_hz
        self._probe = probe
        self._interlock_closed = interlock_closed
        self._set_live = set_live

    def reset(self) -> None:
        """Output off and every setting to its default."""
        self.settings = Settings()
        self._set_live(False)

    @property
    def aperture_s(self) -> float:
        """Return the integration time, seconds."""
        return self.settings.nplc / self._line_hz()

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the source, the sense and the output subsystem."""
        mark = "#" if self._number == 1 else str(self._number)
        # Only the first channel may go without its number, and only it without the word.
        source = "[:SOURce#]" if self._number == 1 else f":SOURce{mark}"
        sense, output = f":SENSe{mark}", f":OUTPut{mark}"
        sides = [self._side_commands(function, source, sense) for function in QUANTITIES]
        return (
            *(command for side in sides for command in side),
            *self._source_commands(source),
            *self._sense_commands(sense),
            *self._output_commands(output),
        )

    def _change(self, **changes: object) -> None:
        self._commit(replace(self.settings, **changes))  # type: ignore[arg-type]

    def change_side(self, function: str, **changes: object) -> None:
        """Change settings of the side of `VOLT` or `CURR`; raise the `ScpiError` that forbids it and change nothing."""
        self._commit(with_side(self.settings, function, **changes))

    def _commit(self, settings: Settings) -> None:
        """Take settings over if they go together, and let the protection see what they do."""
        self.check(settings)
        self.settings = settings
        self._protect()

    def check(self, settings: Settings) -> None:
        """Raise what forbids settings: a voltage that the interlock locks, or more current than it may carry there."""
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
        settings = self.settings
        other = "CURR" if settings.function == "VOLT" else "VOLT"
        if settings.is_protected and self.is_limited(other):
            self.set_output(False)

    def set_output(self, is_on: bool) -> None:
        """Switch the output; one whose compliance holds it goes off again if it is protected."""
        self.settings = replace(self.settings, output=is_on)
        if is_on:
            self._protect()
        self._set_live(self.settings.output)

    def operating_points(
        self, levels: NDArray[np.float64], windows: Windows | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return voltage, current and whether the compliance holds, at each level with the output on.

        Args:
            levels: shape (readings,).
            windows: when each is read, with the devices' own noise; None: without it.
        """
        settings = self.settings
        if settings.function == "VOLT":
            return self._probe.settle("VOLT", levels, settings.curr.limit, windows)
        return self._probe.settle("CURR", levels, settings.volt.limit, windows)

    def is_limited(self, function: str) -> bool:
        """Return whether the compliance of `VOLT` or `CURR` holds the output now."""
        settings = self.settings
        if not settings.output or settings.function == function:
            return False
        return bool(self.operating_points(np.array([settings.side(settings.function).level]))[2][0])

    def _set_level(self, function: str, level: float) -> None:
        quantity, side = QUANTITIES[function], self.settings.side(function)
        span = range_for(level, quantity.ranges) if side.chooses_source_span else side.source_span
        if abs(level) > span * OVER_RANGE:
            raise ScpiError(-222, f"{level:g} {quantity.unit} does not fit the {span:g} {quantity.unit} range")
        self.change_side(function, level=_rounded(level, span * quantity.step), source_span=span)

    def _set_source_span(self, function: str, largest: float) -> None:
        quantity, side = QUANTITIES[function], self.settings.side(function)
        span = range_for(largest, quantity.ranges)
        if abs(side.level) > span * OVER_RANGE:
            raise ScpiError(-221, f"the level, {side.level:g} {quantity.unit}, does not fit the range")
        self.change_side(function, source_span=span, chooses_source_span=False)

    def _set_source_auto(self, function: str, is_on: bool) -> None:
        side = self.settings.side(function)
        span = range_for(side.level, QUANTITIES[function].ranges) if is_on else side.source_span
        self.change_side(function, chooses_source_span=is_on, source_span=span)

    def _set_list(self, function: str, first: tuple[float, ...], more: tuple[float, ...]) -> None:
        levels = (*first, *more)
        if len(levels) > LONGEST_LIST:
            raise ScpiError(-223, f"{len(levels)} levels, and a list has at most {LONGEST_LIST}")
        if function == "VOLT" and max(map(abs, more)) > INTERLOCK_V and not self._interlock_closed:
            raise ScpiError(201, "a level needs the interlock closed", text="Not able to perform requested operation")
        self.change_side(function, list=levels)

    def _set_step(self, function: str, step: float) -> None:
        side = self.settings.side(function)
        points = round(abs(side.stop - side.start) / abs(step)) + 1 if step else 1
        if points > LONGEST_LIST:
            raise ScpiError(-222, f"{points} points, and a sweep has at most {LONGEST_LIST}")
        self.change_side(function, points=points)

    def _sense(self, *functions: str) -> None:
        self._change(sensed=tuple(one for one in ("VOLT", "CURR", "RES") if one in (*self.settings.sensed, *functions)))

    def _stop_sensing(self, *functions: str) -> None:
        gone = functions or ("VOLT", "CURR", "RES")
        self._change(sensed=tuple(one for one in self.settings.sensed if one not in gone))

    def _set_pulse(self, *, width_s: float | None = None, delay_s: float | None = None) -> None:
        if width_s is not None:
            self._change(pulse_width_s=_rounded(width_s, _PULSE_STEP_S))
        if delay_s is not None:
            self._change(pulse_delay_s=_rounded(delay_s, _PULSE_STEP_S))

    def _set_low(self, low: str) -> None:
        if self.settings.output:
            raise ScpiError(211, text="Cannot switch low sense terminal with output on")
        self._change(low=low)

    def _side_commands(self, function: str, source: str, sense: str) -> list[Command]:
        quantity = QUANTITIES[function]
        level = Real(unit=quantity.unit, low=-quantity.highest, high=quantity.highest, default=0.0)
        span = Real(unit=quantity.unit, low=-quantity.highest, high=quantity.highest, default=quantity.ranges[-1])
        limit = Real(unit=quantity.unit, low=quantity.least_limit, high=quantity.highest, default=quantity.limit)
        value, meter = f"{source}:{quantity.name}", f"{sense}:{quantity.name}[:DC]"
        listed = f"{source}:LIST:{quantity.name}"

        def side() -> Side:
            return self.settings.side(function)

        def writes(field: str) -> Callable[[object], None]:
            return lambda new: self.change_side(function, **{field: new})

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
            Command(f"{meter}:PROTection:TRIPped?", lambda: show_bool(self.is_limited(function))),
            *real_setting(
                f"{meter}:RANGe[:UPPer]",
                span,
                lambda: side().sense_span,
                lambda new: self.change_side(
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
                lambda: self.settings.pulse_width_s,
                lambda new: self._set_pulse(width_s=new),
            ),
            *real_setting(
                f"{source}:PULSe:DELay",
                delay,
                lambda: self.settings.pulse_delay_s,
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
            Command(f"{sense}:FUNCtion[:ON]?", lambda: ",".join(f'"{one}"' for one in self.settings.sensed)),
            Command(f"{sense}:FUNCtion[:ON]:ALL", lambda: self._sense("VOLT", "CURR", "RES")),
            Command(f"{sense}:FUNCtion[:ON]:COUNt?", lambda: str(len(self.settings.sensed))),
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
            lambda: self.settings.nplc,
            lambda new: self._change(nplc=new, chooses_nplc=False),
        )
        found += real_setting(
            f"{meter}:APERture",
            seconds,
            lambda: self.settings.nplc / self._line_hz(),
            lambda new: self._change(nplc=new * self._line_hz(), chooses_nplc=False),
        )
        for word in ("NPLCycles", "APERture"):
            found += switch_setting(
                f"{meter}:{word}:AUTO",
                lambda: self.settings.chooses_nplc,
                lambda new: self._change(chooses_nplc=new, nplc=0.1 if new else self.settings.nplc),
            )
        return found

    def _output_commands(self, output: str) -> list[Command]:
        return [
            *switch_setting(f"{output}[:STATe]", lambda: self.settings.output, self.set_output),
            *self._choice(f"{output}:OFF:MODE", "off_mode", "NORMal", "HIZ", "ZERO"),
            *self._switch(f"{output}:ON:AUTO", "switches_on"),
            *self._switch(f"{output}:OFF:AUTO", "switches_off"),
            *self._switch(f"{output}:PROTection[:STATe]", "is_protected"),
            *self._switch(f"{output}:HCAPacitance[:STATe]", "is_high_capacitance"),
            *self._switch(f"{output}:FILTer[:LPASs][:STATe]", "is_filtered"),
            *setting(f"{output}:LOW", Choice(("GROund", "FLOat")), lambda: self.settings.low, self._set_low),
        ]

    def _choice(self, pattern: str, field: str, *options: str) -> tuple[Command, ...]:
        def write(new: str) -> None:
            self._change(**{field: new})

        return setting(pattern, Choice(options), lambda: str(getattr(self.settings, field)), write)

    def _switch(self, pattern: str, field: str) -> tuple[Command, ...]:
        def write(new: bool) -> None:
            self._change(**{field: new})

        return setting(pattern, Boolean(), lambda: show_bool(getattr(self.settings, field)), write)


def _step(side: Side) -> float:
    return (side.stop - side.start) / (side.points - 1) if side.points > 1 else 0.0


def _rounded(value: float, step: float) -> float:
    # Through the reciprocal where it is whole, so that 0.1 stays 0.1.
    per_unit = round(1.0 / step)
    return round(value * per_unit) / per_unit if math.isclose(per_unit * step, 1.0) else round(value / step) * step


def _plain(function: str) -> str:
    """Return a sense function without `:DC`, which says nothing more."""
    return function.removesuffix(":DC")
