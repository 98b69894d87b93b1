"""One channel of the 33500B and 33600A: what it is set to and what a trigger makes of it."""

import math
from typing import final

import numpy as np

from sim_instruments.instruments.keysight_33500b.memory import ArbMemory
from sim_instruments.instruments.keysight_33500b.settings import Ratings
from sim_instruments.instruments.keysight_33500b.state import State
from sim_instruments.output_stage import OutputStage, StageRatings
from sim_instruments.place import Place
from sim_instruments.pulse_path import SOURCE_OHM, deliver_burst
from sim_instruments.pulse_train import LONGEST_TRAIN, Burst, bursts_of, deliver_train
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Integer, Real
from sim_instruments.scpi_setting import real_setting, setting, switch_setting
from sim_instruments.scpi_tree import Command

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


@final
class Channel:
    """One channel.

    Args:
        ratings: what the family allows.
    """

    def __init__(self, ratings: Ratings) -> None:
        self._ratings = ratings
        self._state = State(ratings.shortest_width_s)
        self._stage = OutputStage(_STAGE)
        self.memory = ArbMemory(fewest_points=ratings.fewest_points, most_points=ratings.most_points)
        """Its waveforms."""
        self._width = Real(unit="S", low=ratings.shortest_width_s, high=1e6, default=100e-6)
        self._period = Real(unit="S", low=ratings.shortest_period_s, high=1e6, default=1e-3)
        self._frequency = Real(unit="HZ", low=1e-6, high=1 / ratings.shortest_period_s, default=1e3)
        self._edge = Real(unit="S", low=ratings.shortest_edge_s, high=1e-6, default=10e-9)
        self._rate = Real(unit="", low=1e-6, high=ratings.highest_rate, default=40e3)

    def reset(self) -> None:
        """Return to the settings after *RST."""
        self._state.reset()
        self._stage.reset()
        self.memory.reset()

    @property
    def is_on(self) -> bool:
        """Whether the output is on."""
        return self._state.settings.output

    @property
    def takes_bus_triggers(self) -> bool:
        """Whether the trigger source is the bus."""
        return self._state.settings.trigger_source == "BUS"

    def fire(self, place: Place, source: str) -> None:
        """Send what a trigger sends. Moves the walls it reaches."""
        settings = self._state.settings
        if not settings.output:
            return
        if settings.shape == "ARB" and (played := self.memory.play()) is not None:
            self._send_sequence(place, source, [(self._bursts(samples), passes) for samples, passes in played])
        elif settings.burst and settings.burst_mode == "TRIG" and math.isfinite(settings.burst_cycles):
            self._send_burst(place, source, int(settings.burst_cycles))

    def set_output(self, is_on: bool) -> None:
        """Switch the output."""
        self._state.change(output=is_on)

    def commands(self, source: str, output: str, trigger: str) -> tuple[Command, ...]:
        """Return the commands that set the channel; the headers say which one it is."""
        return (
            *self._stage.commands(f"{source}:VOLTage", output),
            *self.memory.commands(source),
            *self._timing(source),
            *self._shapes(source),
            *self._bursts_and_triggers(source, trigger),
        )

    def _send_burst(self, place: Place, source: str, cycles: int) -> None:
        settings = self._state.settings
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
        return bursts_of(levels_v, 1 / self._state.settings.sample_rate)

    def _timing(self, source: str) -> tuple[Command, ...]:
        pulse = f"{source}:FUNCtion:PULSe"
        edges = (f"{pulse}:TRANsition[:BOTH]", f"{pulse}:TRANsition:LEADing", f"{pulse}:TRANsition:TRAiling")
        pairs = (
            real_setting(f"{pulse}:PERiod", self._period, lambda: self._state.settings.period_s, self._set_period),
            real_setting(
                f"{source}:FREQuency[:CW]",
                self._frequency,
                lambda: 1 / self._state.settings.period_s,
                lambda hertz: self._set_period(1 / hertz),
            ),
            self._state.real(f"{pulse}:WIDTh", self._width, "width_s"),
            real_setting(
                f"{pulse}:DCYCle",
                _PERCENT,
                lambda: 100 * self._state.settings.width_s / self._state.settings.period_s,
                self._set_duty,
            ),
            self._state.plain(f"{pulse}:HOLD", _HOLD, "hold"),
            # Both edges are of one length here.
            *(self._state.real(name, self._edge, "edge_s") for name in edges),
        )
        return tuple(command for pair in pairs for command in pair)

    def _set_period(self, period_s: float) -> None:
        """Change the period; the width follows it where the duty cycle is held."""
        settings = self._state.settings
        width_s = settings.width_s * period_s / settings.period_s if settings.hold == "DCYC" else settings.width_s
        self._state.fit(period_s=period_s, width_s=width_s)

    def _set_duty(self, percent: float) -> None:
        width_s = percent / 100 * self._state.settings.period_s
        if width_s < self._ratings.shortest_width_s:
            raise ScpiError(-222, f"a width of {width_s:g} s")
        self._state.change(width_s=width_s)

    def _shapes(self, source: str) -> tuple[Command, ...]:
        function = f"{source}:FUNCtion"
        pairs = (
            setting(function, _SHAPE, lambda: self._state.settings.shape, lambda v: self._state.fit(shape=v)),
            self._state.plain(f"{source}:FREQuency:MODE", _FREQUENCY_MODE, "frequency_mode"),
            self._state.real(f"{source}:PHASe[:ADJust]", _PHASE, "phase"),
            self._state.real(f"{function}:SQUare:DCYCle", _PERCENT, "square_duty"),
            self._state.real(f"{function}:RAMP:SYMMetry", _PERCENT, "ramp_symmetry"),
            self._state.real(f"{function}:ARBitrary:SRATe", self._rate, "sample_rate"),
            self._state.plain(f"{function}:ARBitrary:FILTer", _FILTER, "filter"),
            self._state.plain(f"{function}:ARBitrary:ADVance", _ADVANCE, "advance"),
        )
        return tuple(command for pair in pairs for command in pair)

    def _bursts_and_triggers(self, source: str, trigger: str) -> tuple[Command, ...]:
        burst = f"{source}:BURSt"
        pairs = (
            switch_setting(f"{burst}:STATe", lambda: self._state.settings.burst, lambda v: self._state.change(burst=v)),
            self._state.plain(f"{burst}:MODE", _BURST_MODE, "burst_mode"),
            real_setting(
                f"{burst}:NCYCles",
                _CYCLES,
                lambda: self._state.settings.burst_cycles,
                lambda v: self._state.change(burst_cycles=v if math.isinf(v) else round(v)),
            ),
            self._state.real(f"{burst}:PHASe", _PHASE, "burst_phase"),
            self._state.real(f"{burst}:INTernal:PERiod", _BURST_PERIOD, "burst_period_s"),
            self._state.plain(f"{burst}:GATE:POLarity", _POLARITY, "gate_polarity"),
            self._state.plain(f"{trigger}:SOURce", _TRIGGER, "trigger_source"),
            self._state.plain(f"{trigger}:SLOPe", _SLOPE, "trigger_slope"),
            self._state.plain(f"{trigger}:COUNt", _COUNT, "trigger_count"),
            self._state.real(f"{trigger}:DELay", _DELAY, "trigger_delay_s"),
            self._state.real(f"{trigger}:TIMer", _BURST_PERIOD, "trigger_timer_s"),
        )
        return tuple(command for pair in pairs for command in pair)
