"""Twins of the Keysight 33522B and 33622A waveform generators, two channels; channel 1 is wired to the devices.

A bus trigger with burst mode and the output on sends a finite burst of pulses, or so many passes of the arbitrary
waveform, to every device whose crosspoint on the pulse row is closed; a sequence is played up to its next step that
waits. A pulse goes from its base (LOW, or HIGH with inverted polarity) to the other level; the sign of that excursion
decides push or pull, and a base other than zero is not modelled as a drive of its own. The levels of a waveform are
taken as they are: whatever is not 0 V drives the wall.

What repeats without end (no burst mode, an internal trigger, an infinite burst) delivers nothing here, because a wall
driven without end has no defined position. Shapes other than the pulse and the arbitrary waveform deliver nothing,
gates and external triggers have no input, and a setting out of range is refused, where a real one clips some of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np

from sim_instruments.instrument import Traits
from sim_instruments.instruments.keysight_33500b.memory import ArbMemory
from sim_instruments.output_stage import OutputStage, StageRatings
from sim_instruments.place import Place
from sim_instruments.pulse_path import SOURCE_OHM, deliver_burst
from sim_instruments.pulse_train import LONGEST_TRAIN, Burst, bursts_of, deliver_train
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Quoted, Raw
from sim_instruments.scpi_parameter import Choice, Integer, Real
from sim_instruments.scpi_setting import real_setting, setting, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

MODEL_33500B: Final = "keysight-33500b"
MODEL_33600A: Final = "keysight-33600a"

_EDGE_SHARE = 1.25  # a period must hold the width and so many edges
_SLACK = 1e-9  # what rounding may do to a sum

_STAGE = StageRatings(
    window_v=10.0,  # open circuit: 5 V either way into 50 ohm
    smallest_swing_v=0.02,
    largest_swing_v=20.0,  # open circuit: 10 mV to 10 V into 50 ohm
    default_swing_v=0.2,
    load=Real(unit="OHM", low=1.0, high=1e4, default=SOURCE_OHM, allows_infinity=True),
)
_PERCENT = Real(unit="PCT", low=0.0, high=100.0, default=50.0)
_PHASE = Real(unit="DEG", low=-360.0, high=360.0, default=0.0)
_CYCLES = Real(low=1, high=100_000_000, default=1, allows_infinity=True)
_BURST_PERIOD = Real(unit="S", low=1e-6, high=8000.0, default=10e-3)
_DELAY = Real(unit="S", low=0.0, high=1000.0, default=0.0)
_COUNT = Integer(low=1, high=1_000_000)
_SHAPE = Choice(("SINusoid", "SQUare", "TRIangle", "RAMP", "PULSe", "PRBS", "NOISe", "ARBitrary", "DC"))
_FREQUENCY_MODE = Choice(("CW", "LIST", "SWEep", "FIXed"))
_HOLD = Choice(("WIDTh", "DCYCle"))
_BURST_MODE = Choice(("TRIGgered", "GATed"))
_TRIGGER = Choice(("IMMediate", "EXTernal", "TIMer", "BUS"))
_SLOPE = Choice(("POSitive", "NEGative"))
_POLARITY = Choice(("NORMal", "INVerted"))
_FILTER = Choice(("NORMal", "STEP", "OFF"))
_ADVANCE = Choice(("TRIGger", "SRATe"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ratings:
    """What differs between the families."""

    key: str
    """Name in bench files."""
    model: str
    """Model in the identity."""
    firmware: str
    shortest_width_s: float
    shortest_period_s: float
    shortest_edge_s: float
    highest_rate: float
    """Samples per second."""
    fewest_points: int
    """Samples of the shortest waveform."""
    most_points: int = 1_000_000


_33500B = _Ratings(
    key=MODEL_33500B,
    model="33522B",
    firmware="5.03-1.19-2.00-58-00",
    shortest_width_s=16e-9,
    shortest_period_s=33e-9,
    shortest_edge_s=8.4e-9,
    highest_rate=250e6,
    fewest_points=8,
)
_33600A = _Ratings(
    key=MODEL_33600A,
    model="33622A",
    firmware="A.02.03-3.15-03-64-02",
    shortest_width_s=5e-9,
    shortest_period_s=10e-9,
    shortest_edge_s=2.9e-9,
    highest_rate=660e6,
    fewest_points=32,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Settings of one channel as *RST leaves them, levels excepted."""

    shape: str = "SIN"
    frequency_mode: str = "CW"
    period_s: float = 1e-3
    width_s: float = 100e-6
    edge_s: float = 10e-9
    hold: str = "WIDT"
    phase: float = 0.0
    square_duty: float = 50.0
    ramp_symmetry: float = 100.0
    output: bool = False
    burst: bool = False
    burst_mode: str = "TRIG"
    burst_cycles: float = 1
    burst_phase: float = 0.0
    burst_period_s: float = 10e-3
    gate_polarity: str = "NORM"
    trigger_source: str = "IMM"
    trigger_slope: str = "POS"
    trigger_count: int = 1
    trigger_delay_s: float = 0.0
    trigger_timer_s: float = 10e-3
    sample_rate: float = 40e3
    filter: str = "STEP"
    advance: str = "SRAT"

    @property
    def fits(self) -> bool:
        """Whether the period holds the width and the edges."""
        return self.width_s + _EDGE_SHARE * self.edge_s <= self.period_s * (1 + _SLACK)

    def check(self) -> None:
        """Raise the error of a combination that the instrument refuses."""
        if self.shape == "PULS" and not self.fits:
            raise ScpiError(-221, "the period does not hold the width and the edges")


@final
class _Channel:
    """One channel: what it is set to and what a trigger makes of it."""

    def __init__(self, ratings: _Ratings) -> None:
        self._ratings = ratings
        self._settings = _Settings()
        self._stage = OutputStage(_STAGE)
        self.memory = ArbMemory(fewest_points=ratings.fewest_points, most_points=ratings.most_points)
        self._width = Real(unit="S", low=ratings.shortest_width_s, high=1e6, default=100e-6)
        self._period = Real(unit="S", low=ratings.shortest_period_s, high=1e6, default=1e-3)
        self._frequency = Real(unit="HZ", low=1e-6, high=1 / ratings.shortest_period_s, default=1e3)
        self._edge = Real(unit="S", low=ratings.shortest_edge_s, high=1e-6, default=10e-9)
        self._rate = Real(unit="", low=1e-6, high=ratings.highest_rate, default=40e3)

    @property
    def is_on(self) -> bool:
        """Whether the output is on."""
        return self._settings.output

    @property
    def takes_bus_triggers(self) -> bool:
        """Whether the trigger source is the bus."""
        return self._settings.trigger_source == "BUS"

    def reset(self) -> None:
        """Return to the settings after *RST."""
        self._settings = _Settings()
        self._stage.reset()
        self.memory.reset()

    def fire(self, place: Place, source: str) -> None:
        """Send what a trigger sends. Moves the walls it reaches."""
        settings = self._settings
        if not settings.output:
            return
        if settings.shape == "ARB" and (played := self.memory.play()) is not None:
            self._send_sequence(place, source, [(self._bursts(samples), passes) for samples, passes in played])
        elif settings.burst and settings.burst_mode == "TRIG" and math.isfinite(settings.burst_cycles):
            self._send_burst(place, source, int(settings.burst_cycles))

    def _send_burst(self, place: Place, source: str, cycles: int) -> None:
        settings = self._settings
        if settings.shape == "PULS":
            deliver_burst(
                place,
                cycles,
                open_circuit_v=self._stage.levels.excursion_v,
                width_s=settings.width_s,
                period_s=settings.period_s,
                source=source,
            )
        elif settings.shape == "ARB" and (samples := self.memory.samples) is not None:
            deliver_train(place, self._bursts(samples), passes=cycles, source=source)

    def _send_sequence(self, place: Place, source: str, parts: list[tuple[tuple[Burst, ...], int]]) -> None:
        if sum(len(bursts) * passes for bursts, passes in parts if len(bursts) > 1) > LONGEST_TRAIN:
            raise ScpiError(-223, f"the simulation bears {LONGEST_TRAIN} bursts in one trigger")
        for bursts, passes in parts:
            deliver_train(place, bursts, passes=passes, source=source)

    def _bursts(self, samples: np.ndarray) -> tuple[Burst, ...]:
        levels = self._stage.levels
        levels_v = levels.at(0.0) + samples * (levels.at(1.0) - levels.at(0.0))
        return bursts_of(levels_v, 1 / self._settings.sample_rate)

    def commands(self, source: str, output: str, trigger: str) -> tuple[Command, ...]:
        """Return the commands that set the channel; the headers say which one it is."""
        return (
            *self._stage.commands(f"{source}:VOLTage", output),
            *self.memory.commands(source),
            *self._timing(source),
            *self._shapes(source),
            *self._bursts_and_triggers(source, trigger),
        )

    def set_output(self, is_on: bool) -> None:
        """Switch the output."""
        self._change(output=is_on)

    def _change(self, **changes: object) -> None:
        """Change settings together, or none of them if the instrument would refuse the result."""
        changed = replace(self._settings, **changes)
        changed.check()
        self._settings = changed

    def _set_period(self, period_s: float) -> None:
        """Change the period; the width follows it where the duty cycle is held."""
        settings = self._settings
        width_s = settings.width_s * period_s / settings.period_s if settings.hold == "DCYC" else settings.width_s
        self._fit(period_s=period_s, width_s=width_s)

    def _fit(self, **changes: object) -> None:
        """Change settings; a pulse that no longer fits into its period gets shorter, which is reported."""
        changed = replace(self._settings, **changes)
        if changed.shape != "PULS" or changed.fits:
            self._change(**changes)
            return
        width_s = changed.period_s - _EDGE_SHARE * changed.edge_s
        if width_s < self._ratings.shortest_width_s:
            raise ScpiError(-221, "the period does not hold the shortest pulse")
        self._change(**{**changes, "width_s": width_s})
        raise ScpiError(-221, "pulse width decreased due to period")

    def _timing(self, source: str) -> tuple[Command, ...]:
        pulse = f"{source}:FUNCtion:PULSe"
        edges = (f"{pulse}:TRANsition[:BOTH]", f"{pulse}:TRANsition:LEADing", f"{pulse}:TRANsition:TRAiling")
        pairs = (
            real_setting(f"{pulse}:PERiod", self._period, lambda: self._settings.period_s, self._set_period),
            real_setting(
                f"{source}:FREQuency[:CW]",
                self._frequency,
                lambda: 1 / self._settings.period_s,
                lambda hertz: self._set_period(1 / hertz),
            ),
            real_setting(
                f"{pulse}:WIDTh", self._width, lambda: self._settings.width_s, lambda v: self._change(width_s=v)
            ),
            real_setting(
                f"{pulse}:DCYCle",
                _PERCENT,
                lambda: 100 * self._settings.width_s / self._settings.period_s,
                self._set_duty,
            ),
            setting(f"{pulse}:HOLD", _HOLD, lambda: self._settings.hold, lambda v: self._change(hold=v)),
            # Both edges are of one length here.
            *(
                real_setting(name, self._edge, lambda: self._settings.edge_s, lambda v: self._change(edge_s=v))
                for name in edges
            ),
        )
        return tuple(command for pair in pairs for command in pair)

    def _set_duty(self, percent: float) -> None:
        width_s = percent / 100 * self._settings.period_s
        if width_s < self._ratings.shortest_width_s:
            raise ScpiError(-222, f"a width of {width_s:g} s")
        self._change(width_s=width_s)

    def _shapes(self, source: str) -> tuple[Command, ...]:
        function = f"{source}:FUNCtion"
        pairs = (
            setting(function, _SHAPE, lambda: self._settings.shape, lambda v: self._fit(shape=v)),
            setting(
                f"{source}:FREQuency:MODE",
                _FREQUENCY_MODE,
                lambda: self._settings.frequency_mode,
                lambda v: self._change(frequency_mode=v),
            ),
            real_setting(
                f"{source}:PHASe[:ADJust]", _PHASE, lambda: self._settings.phase, lambda v: self._change(phase=v)
            ),
            real_setting(
                f"{function}:SQUare:DCYCle",
                _PERCENT,
                lambda: self._settings.square_duty,
                lambda v: self._change(square_duty=v),
            ),
            real_setting(
                f"{function}:RAMP:SYMMetry",
                _PERCENT,
                lambda: self._settings.ramp_symmetry,
                lambda v: self._change(ramp_symmetry=v),
            ),
            real_setting(
                f"{function}:ARBitrary:SRATe",
                self._rate,
                lambda: self._settings.sample_rate,
                lambda v: self._change(sample_rate=v),
            ),
            setting(
                f"{function}:ARBitrary:FILTer",
                _FILTER,
                lambda: self._settings.filter,
                lambda v: self._change(filter=v),
            ),
            setting(
                f"{function}:ARBitrary:ADVance",
                _ADVANCE,
                lambda: self._settings.advance,
                lambda v: self._change(advance=v),
            ),
        )
        return tuple(command for pair in pairs for command in pair)

    def _bursts_and_triggers(self, source: str, trigger: str) -> tuple[Command, ...]:
        burst = f"{source}:BURSt"
        pairs = (
            switch_setting(f"{burst}:STATe", lambda: self._settings.burst, lambda v: self._change(burst=v)),
            setting(
                f"{burst}:MODE", _BURST_MODE, lambda: self._settings.burst_mode, lambda v: self._change(burst_mode=v)
            ),
            real_setting(
                f"{burst}:NCYCles",
                _CYCLES,
                lambda: self._settings.burst_cycles,
                lambda v: self._change(burst_cycles=v if math.isinf(v) else round(v)),
            ),
            real_setting(
                f"{burst}:PHASe", _PHASE, lambda: self._settings.burst_phase, lambda v: self._change(burst_phase=v)
            ),
            real_setting(
                f"{burst}:INTernal:PERiod",
                _BURST_PERIOD,
                lambda: self._settings.burst_period_s,
                lambda v: self._change(burst_period_s=v),
            ),
            setting(
                f"{burst}:GATE:POLarity",
                _POLARITY,
                lambda: self._settings.gate_polarity,
                lambda v: self._change(gate_polarity=v),
            ),
            setting(
                f"{trigger}:SOURce",
                _TRIGGER,
                lambda: self._settings.trigger_source,
                lambda v: self._change(trigger_source=v),
            ),
            setting(
                f"{trigger}:SLOPe",
                _SLOPE,
                lambda: self._settings.trigger_slope,
                lambda v: self._change(trigger_slope=v),
            ),
            setting(
                f"{trigger}:COUNt",
                _COUNT,
                lambda: str(self._settings.trigger_count),
                lambda v: self._change(trigger_count=v),
            ),
            real_setting(
                f"{trigger}:DELay",
                _DELAY,
                lambda: self._settings.trigger_delay_s,
                lambda v: self._change(trigger_delay_s=v),
            ),
            real_setting(
                f"{trigger}:TIMer",
                _BURST_PERIOD,
                lambda: self._settings.trigger_timer_s,
                lambda v: self._change(trigger_timer_s=v),
            ),
        )
        return tuple(command for pair in pairs for command in pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """Settings that both channels share, as *RST leaves them."""

    sync: bool = True
    sync_source: str = "CH1"
    trigger_out: bool = False
    trigger_out_slope: str = "POS"


@final
class Keysight33500B:
    """Finite bursts of pulses and waveforms from channel 1; channel 2 is an open circuit."""

    def __init__(self, place: Place, ratings: _Ratings) -> None:
        self._place = place
        self._ratings = ratings
        self._live_name = f"{ratings.key} {place.serial}"
        self._channels = (_Channel(ratings), _Channel(ratings))
        self._shared = _Shared()

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(
            identity=f"Agilent Technologies,{self._ratings.model},{self._place.serial},{self._ratings.firmware}",
            error_queue_depth=20,
            error_reply=_error_reply,
            can_be_locked=True,
        )

    def commands(self, _status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        first, second = self._channels
        return (
            *first.commands("[:SOURce#]", ":OUTPut#", ":TRIGger#"),
            *second.commands(":SOURce2", ":OUTPut2", ":TRIGger2"),
            *switch_setting(":OUTPut#[:STATe]", lambda: first.is_on, self._set_first_output),
            *switch_setting(":OUTPut2[:STATe]", lambda: second.is_on, second.set_output),
            Command(":TRIGger#[:IMMediate]", lambda: first.fire(self._place, self._ratings.key)),
            Command(":TRIGger2[:IMMediate]", lambda: None),
            *self._system(),
        )

    def reset(self) -> None:
        """Outputs off and every setting to its default; waveforms stay."""
        for channel in self._channels:
            channel.reset()
        self._shared = _Shared()
        self._place.wiring.set_live(self._live_name, False)

    def trigger(self) -> None:
        """Send what the channels are armed for. Moves the walls that channel 1 reaches."""
        if not any(channel.takes_bus_triggers for channel in self._channels):
            raise ScpiError(-211, "no trigger source is BUS")
        if self._channels[0].takes_bus_triggers:
            self._channels[0].fire(self._place, self._ratings.key)

    def _set_first_output(self, is_on: bool) -> None:
        self._channels[0].set_output(is_on)
        self._place.wiring.set_live(self._live_name, is_on)

    def _system(self) -> tuple[Command, ...]:
        return (
            *setting(
                ":FORMat:BORDer",
                Choice(("NORMal", "SWAPped")),
                lambda: "SWAP" if self._channels[0].memory.swapped else "NORM",
                self._set_order,
            ),
            *switch_setting(":OUTPut#:SYNC[:STATe]", lambda: self._shared.sync, lambda v: self._set(sync=v)),
            *setting(
                ":OUTPut#:SYNC:SOURce",
                Choice(("CH1", "CH2")),
                lambda: self._shared.sync_source,
                lambda v: self._set(sync_source=v),
            ),
            *switch_setting(
                ":OUTPut#:TRIGger[:STATe]", lambda: self._shared.trigger_out, lambda v: self._set(trigger_out=v)
            ),
            *setting(
                ":OUTPut#:TRIGger:SLOPe",
                _SLOPE,
                lambda: self._shared.trigger_out_slope,
                lambda v: self._set(trigger_out_slope=v),
            ),
            Command("[:SOURce#]:PHASe:SYNChronize", lambda: None),
            Command(":SYSTem:BEEPer[:IMMediate]", lambda: None),
            Command(":DISPlay:TEXT", lambda _text: None, (_Text(),)),
            Command(":DISPlay:TEXT:CLEar", lambda: None),
            Command("*OPT?", lambda: "0"),
        )

    def _set_order(self, order: str) -> None:
        for channel in self._channels:
            channel.memory.swapped = order == "SWAP"

    def _set(self, **changes: object) -> None:
        self._shared = replace(self._shared, **changes)


@final
@dataclass(frozen=True, slots=True)
class _Text:
    """A string between quotes."""

    def parse(self, raw: Raw) -> str:
        if not isinstance(raw, Quoted):
            raise ScpiError(-104, "expected a string between quotes")
        return raw.text


def _error_reply(error: ScpiError) -> str:
    text = error.text.replace('"', "'")
    return f'{error.code:+d},"{text}"'


def keysight_33500b(place: Place) -> Keysight33500B:
    """Build a 33522B."""
    return Keysight33500B(place, _33500B)


def keysight_33600a(place: Place) -> Keysight33500B:
    """Build a 33622A."""
    return Keysight33500B(place, _33600A)
