"""Twin of the Keysight 81160A pulse generator, one channel: pulses, patterns and arbitrary waveforms on a trigger.

A trigger with the output on sends a finite burst through the wiring to every device whose crosspoint on the pulse row
is closed. A pulse goes from its base (LOW, or HIGH with inverted polarity) to the other level; the sign of that
excursion decides push or pull, and a base other than zero is not modelled as a drive of its own. In pattern mode a
cycle of a burst is one symbol, and it lasts one period; the pattern starts over where a burst is longer. The levels
of patterns and of waveforms are taken as they are: whatever is not 0 V drives the wall.

With `:ARM:SOURce IMMediate`, the state after *RST, a real 81160A repeats without end. A wall driven without end has
no defined position, so that mode delivers nothing here, and a trigger in it is -211. Shapes other than the pulse and
the arbitrary waveform deliver nothing. A setting out of range is refused, where a real one clips some of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np

from sim_instruments.instrument import Traits
from sim_instruments.instruments.keysight_81160a.memory import PatternMemory, WaveformMemory
from sim_instruments.output_stage import OutputStage, StageRatings
from sim_instruments.place import Place
from sim_instruments.pulse_path import SOURCE_OHM, deliver_burst
from sim_instruments.pulse_train import bursts_of, deliver_train
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Integer, Real
from sim_instruments.scpi_setting import real_setting, setting, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

MODEL: Final = "keysight-81160a"

_EDGE_SHARE = 1.6  # a period must hold the width and so many edges
_SLACK = 1e-9  # what rounding may do to a sum

_RATINGS = StageRatings(
    window_v=10.0,  # open circuit: 5 V either way into 50 ohm
    smallest_swing_v=0.1,
    largest_swing_v=10.0,  # open circuit: 50 mV to 5 V into 50 ohm
    default_swing_v=2.0,
    load=Real(unit="OHM", low=0.3, high=1e6, default=SOURCE_OHM, allows_infinity=True),
)
_WIDTH = Real(unit="S", low=1.5e-9, high=1e6, default=100e-9)
_PERIOD = Real(unit="S", low=3.03e-9, high=1e6, default=1e-6)
_FREQUENCY = Real(unit="HZ", low=1e-6, high=500e6, default=1e6)
_EDGE = Real(unit="S", low=1e-9, high=1e3, default=2.5e-9)
_DELAY = Real(unit="S", low=0.0, high=1e6, default=0.0)
_PERCENT = Real(unit="PCT", low=0.0, high=100.0, default=50.0)
_PHASE = Real(unit="DEG", low=-360.0, high=360.0, default=0.0)
_COUNT = Integer(low=1, high=2_147_483_647)
_SHAPE = Choice(("SINusoid", "SQUare", "RAMP", "PULSe", "NOISe", "DC", "USER"))
_HOLD = Choice(("WIDTh", "DCYCle"))
_BURST_MODE = Choice(("TRIGgered", "GATed"))
_ARM_SOURCE = Choice(("IMMediate", "INTernal2", "EXTernal", "MANual"))
_APPLIED_V = Real(unit="V", low=-20.0, high=20.0, default=0.0)  # the output stage knows better


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Settings as *RST leaves them, levels excepted."""

    shape: str = "SIN"
    width_s: float = 100e-9
    period_s: float = 1e-6
    edge_s: float = 2.5e-9
    delay_s: float = 0.0
    hold: str = "WIDT"
    square_duty: float = 50.0
    ramp_symmetry: float = 100.0
    phase: float = 0.0
    output: bool = False
    coupled: bool = False
    burst: bool = False
    burst_mode: str = "TRIG"
    burst_cycles: int = 1
    burst_period_s: float = 100e-6
    burst_phase: float = 0.0
    trigger_count: int = 1
    arm_source: str = "IMM"

    def check(self) -> None:
        """Raise the error of a combination that the instrument refuses."""
        if self.width_s + _EDGE_SHARE * self.edge_s > self.period_s * (1 + _SLACK):
            raise ScpiError(-221, "the period does not hold the width and the edges")


@final
class Keysight81160A:
    """Finite bursts of pulses, pattern symbols or waveforms."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._live_name = f"{MODEL} {place.serial}"
        self._settings = _Settings()
        self._stage = OutputStage(_RATINGS)
        self._pattern = PatternMemory()
        self._memory = WaveformMemory()

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(identity=f"Agilent Technologies,81160A,{self._place.serial},1.0.3.0-2.6", error_queue_depth=20)

    def commands(self, _status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        return (
            *self._stage.commands(":VOLTage#", ":OUTPut#"),
            *self._timing(),
            *self._shapes(),
            *self._outputs(),
            *self._triggers(),
            *self._memory.commands(),
            *self._pattern.commands(self._set_pattern),
            Command("*OPT?", lambda: "001,PAT"),
        )

    def reset(self) -> None:
        """Output off and every setting to its default."""
        self._settings = _Settings()
        self._stage.reset()
        self._pattern.reset()
        self._memory.reset()
        self._place.wiring.set_live(self._live_name, False)

    def trigger(self) -> None:
        """Send one burst if the generator is armed for it. Moves the walls it reaches."""
        settings = self._settings
        if settings.arm_source != "MAN":
            raise ScpiError(-211, f"the arm source is {settings.arm_source}, not MAN")
        if not settings.output or (settings.burst and settings.burst_mode == "GAT"):
            return
        count = settings.burst_cycles if settings.burst else settings.trigger_count
        if self._pattern.is_on:
            self._send_symbols(count)
        elif settings.shape == "USER":
            self._send_waveform(count)
        elif settings.shape == "PULS":
            deliver_burst(
                self._place,
                count,
                open_circuit_v=self._stage.levels.excursion_v,
                width_s=settings.width_s,
                period_s=settings.period_s,
                source=MODEL,
            )

    def _send_symbols(self, count: int) -> None:
        shares = self._pattern.shares
        whole, rest = divmod(count, len(shares))
        for passes, part in ((whole, shares), (1 if rest else 0, shares[:rest])):
            self._send(part, self._settings.period_s, passes)

    def _send_waveform(self, count: int) -> None:
        samples = self._memory.samples
        if samples is not None:
            self._send(samples, self._settings.period_s / len(samples), count)

    def _send(self, shares: np.ndarray, interval_s: float, passes: int) -> None:
        """Send samples between LOW (-1) and HIGH (+1), so many times over."""
        if not passes:
            return
        levels = self._stage.levels
        levels_v = levels.at(0.0) + shares * (levels.at(1.0) - levels.at(0.0))
        deliver_train(self._place, bursts_of(levels_v, interval_s), passes=passes, source=MODEL)

    def _change(self, **changes: object) -> None:
        """Change settings together, or none of them if the instrument would refuse the result."""
        changed = replace(self._settings, **changes)
        changed.check()
        self._settings = changed

    def _set_output(self, is_on: bool) -> None:
        self._change(output=is_on)
        self._place.wiring.set_live(self._live_name, is_on)

    def _set_pattern(self, is_on: bool) -> None:
        self._pattern.is_on = is_on

    def _set_period(self, period_s: float) -> None:
        """Change the period; the width follows it where the duty cycle is held."""
        settings = self._settings
        width_s = settings.width_s * period_s / settings.period_s if settings.hold == "DCYC" else settings.width_s
        self._change(period_s=period_s, width_s=width_s)

    def _timing(self) -> tuple[Command, ...]:
        periods = (":PULSe:PERiod#",)
        widths = (":PULSe:WIDTh#", ":FUNCtion#:PULSe:WIDTh")
        edges = tuple(
            f"{header}:{edge}"
            for header in (":PULSe:TRANsition#", ":FUNCtion#:PULSe:TRANsition")
            for edge in ("LEADing", "TRAiling")
        )
        plain_edges = (":PULSe:TRANsition#", ":FUNCtion#:PULSe:TRANsition")
        duties = (":PULSe:DCYCle#", ":FUNCtion#:PULSe:DCYCle")
        holds = (":PULSe:HOLD#", ":FUNCtion#:PULSe:HOLD")
        pairs = (
            *(real_setting(name, _PERIOD, lambda: self._settings.period_s, self._set_period) for name in periods),
            real_setting(
                ":FREQuency#[:CW]",
                _FREQUENCY,
                lambda: 1 / self._settings.period_s,
                lambda hertz: self._set_period(_within(_PERIOD, 1 / hertz)),
            ),
            *(
                real_setting(name, _WIDTH, lambda: self._settings.width_s, lambda v: self._change(width_s=v))
                for name in widths
            ),
            # Both edges are of one length here.
            *(
                real_setting(name, _EDGE, lambda: self._settings.edge_s, lambda v: self._change(edge_s=v))
                for name in (*plain_edges, *edges)
            ),
            *(
                real_setting(
                    name,
                    _PERCENT,
                    lambda: 100 * self._settings.width_s / self._settings.period_s,
                    lambda v: self._change(width_s=_within(_WIDTH, v / 100 * self._settings.period_s)),
                )
                for name in duties
            ),
            *(setting(name, _HOLD, lambda: self._settings.hold, lambda v: self._change(hold=v)) for name in holds),
            real_setting(":PULSe:DELay#", _DELAY, lambda: self._settings.delay_s, lambda v: self._change(delay_s=v)),
        )
        return tuple(command for pair in pairs for command in pair)

    def _shapes(self) -> tuple[Command, ...]:
        applied = (_FREQUENCY, _APPLIED_V, _APPLIED_V)
        return (
            *setting(":FUNCtion#[:SHAPe]", _SHAPE, lambda: self._settings.shape, lambda v: self._change(shape=v)),
            *real_setting(
                ":FUNCtion#:SQUare:DCYCle",
                _PERCENT,
                lambda: self._settings.square_duty,
                lambda v: self._change(square_duty=v),
            ),
            *real_setting(
                ":FUNCtion#:RAMP:SYMMetry",
                _PERCENT,
                lambda: self._settings.ramp_symmetry,
                lambda v: self._change(ramp_symmetry=v),
            ),
            *real_setting(":PHASe#[:ADJust]", _PHASE, lambda: self._settings.phase, lambda v: self._change(phase=v)),
            *(
                Command(
                    f":APPLy#:{shape}",
                    lambda *values, shape=short: self._apply(shape, *values),
                    applied,
                    optional=3,
                )
                for shape, short in (
                    ("SINusoid", "SIN"),
                    ("SQUare", "SQU"),
                    ("PULSe", "PULS"),
                    ("NOISe", "NOIS"),
                    ("DC", "DC"),
                    ("USER", "USER"),
                )
            ),
        )

    def _apply(self, shape: str, hertz: float = 1e6, amplitude_v: float = 0.0, offset_v: float = 0.0) -> None:
        """Set shape, frequency, amplitude and offset and start to repeat them: the output is on, nothing delivered."""
        self._change(shape=shape, arm_source="IMM", burst=False)
        self._set_period(_within(_PERIOD, 1 / hertz))
        if shape != "DC" and amplitude_v:
            self._stage.set_amplitude(amplitude_v)
        self._stage.set_offset(offset_v)
        self._set_output(True)

    def _outputs(self) -> tuple[Command, ...]:
        return (
            *switch_setting(":OUTPut#[:STATe]", lambda: self._settings.output, self._set_output),
            *switch_setting(":TRACe:CHANnel#", lambda: self._settings.coupled, lambda v: self._change(coupled=v)),
            Command(":SYSTem:BEEPer[:IMMediate]", lambda: None),
        )

    def _triggers(self) -> tuple[Command, ...]:
        return (
            *switch_setting(":BURSt#:STATe", lambda: self._settings.burst, lambda v: self._change(burst=v)),
            *setting(
                ":BURSt#:MODE", _BURST_MODE, lambda: self._settings.burst_mode, lambda v: self._change(burst_mode=v)
            ),
            *setting(
                ":BURSt#:NCYCles",
                _COUNT,
                lambda: str(self._settings.burst_cycles),
                lambda v: self._change(burst_cycles=v),
            ),
            *real_setting(
                ":BURSt#:INTernal:PERiod",
                _PERIOD,
                lambda: self._settings.burst_period_s,
                lambda v: self._change(burst_period_s=v),
            ),
            *real_setting(
                ":BURSt#:PHASe", _PHASE, lambda: self._settings.burst_phase, lambda v: self._change(burst_phase=v)
            ),
            *setting(
                ":TRIGger#:COUNt",
                _COUNT,
                lambda: str(self._settings.trigger_count),
                lambda v: self._change(trigger_count=v),
            ),
            *setting(
                ":ARM:SOURce#", _ARM_SOURCE, lambda: self._settings.arm_source, lambda v: self._change(arm_source=v)
            ),
            Command(":TRIGger#[:IMMediate]", self.trigger),
        )


def _within(kind: Real, value: float) -> float:
    """Return a value that was worked out from another one, if it is in range too."""
    if not kind.low * (1 - _SLACK) <= value <= kind.high * (1 + _SLACK):
        raise ScpiError(-222, f"{value:g} is not within {kind.low:g} to {kind.high:g}")
    return value
