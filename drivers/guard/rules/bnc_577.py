"""Rules of the Berkeley Nucleonics 577: triggered bursts of positive pulses from the outputs that lead to the devices.

Output 0 is the system timer. The amplitude is the open-circuit voltage; the guard keeps it as it is at the device. The
settings after `*RST` are not taken for known.
"""

import re
from collections.abc import Callable
from typing import Final

from drivers.entries import PulseSourceEntry
from drivers.errors import LimitError
from drivers.guard.header import Table
from drivers.guard.number import number, switch, word
from drivers.guard.pulses import SOURCE_OHM, BurstLimits, generator_limits
from drivers.guard.rule import EVERYWHERE, PASS, SYSTEM, Call, Effect, Rule, Rules, known
from drivers.guard.state import State
from drivers.pulse_generators import bnc_577 as model

_ROUNDING: Final = 1e-5  # what a driver that states an open-circuit voltage may round off
_REMEDY: Final = "set it first, and read the answer"
_NUMBERED: Final = re.compile(r":?PULSE?[0-9]+:.*")


def rules(entry: PulseSourceEntry, place: str) -> Rules:
    """Return the rules for one 577."""
    limits = generator_limits(entry, model.amplitude_limit(entry.load_ohm), model.WIDTH, place)
    channels = tuple(channel for channel in (entry.channel, entry.pull_channel) if channel is not None)
    guard = _Guard(limits, channels)
    table = [
        ("PULSe#:STATE", Rule(guard.switched, Effect.CHANGES)),
        ("PULSe#:MODE", Rule(_of_system(_mode), Effect.CHANGES)),
        ("PULSe#:BCOunter", Rule(_of_system(_count), Effect.CHANGES)),
        ("PULSe#:TRIGger:MODE", Rule(_of_system(_trigger), Effect.CHANGES)),
        ("PULSe#:PERiod", Rule(_of_system(lambda _state, _call: None))),
        ("PULSe#:WIDTh", Rule(guard.width, Effect.CHANGES)),
        ("PULSe#:OUTPut:AMPLitude", Rule(guard.amplitude, Effect.CHANGES)),
        ("PULSe#:OUTPut:MODE", Rule(guard.word("output_mode", "ADJustable"), Effect.CHANGES)),
        ("PULSe#:POLarity", Rule(guard.word("polarity", "NORMal"), Effect.CHANGES)),
        ("PULSe#:CMODe", Rule(guard.word("channel_mode", "NORMal"), Effect.CHANGES)),
        *(
            (f"PULSe#:{harmless}", PASS)
            for harmless in ("SYNC", "DELay", "WCOunter", "CGATe", "TRIGger:LEVel", "TRIGger:EDGE")
        ),
        *EVERYWHERE,
        *SYSTEM,
    ]
    return Rules(
        commands=Table(table),
        reset={"system": "OFF"},
        holds=guard.holds,
        fire=guard.fire,
        acknowledgement=model.DIALECT.acknowledgement,
    )


class _Guard:
    """What must hold of the settings together."""

    def __init__(self, limits: BurstLimits, channels: tuple[int, ...]) -> None:
        self._limits = limits
        self._channels = channels
        self._share = limits.resistance_ohm / (limits.resistance_ohm + SOURCE_OHM)

    def switched(self, state: State, call: Call) -> None:
        """Switch the system or an output: off always, on only what leads to the devices and is ready."""
        channel, is_on = _number(call), switch(call.only(), call.header)
        if is_on and channel != 0:
            self._check_ours(call, channel)
        name = "system" if channel == 0 else f"state{channel}"
        if not is_on:
            state.settle(name, "OFF")
        else:
            state.tell(name, "ON")
            if channel == 0:
                self._check_ready(state)

    def width(self, state: State, call: Call) -> None:
        """Take note of a width."""
        channel = self._check_ours(call, _number(call))
        value = number(call.only(), "s", self._limits.width.quantity)
        if not 0 <= value <= self._limits.width.high:
            self._limits.width.check(value)
        state.tell(f"width{channel}", value)

    def amplitude(self, state: State, call: Call) -> None:
        """Take note of an amplitude, as it is at the device."""
        channel = self._check_ours(call, _number(call))
        value = number(call.only(), "V", self._limits.amplitude.quantity) * self._share
        if abs(value) > self._limits.amplitude.high * (1 + _ROUNDING):
            self._limits.amplitude.check(value)
        state.tell(f"amplitude{channel}", value)

    def word(self, name: str, *choices: str) -> Callable[[State, Call], None]:
        """Return what notes a word of one of our outputs."""

        def apply(state: State, call: Call) -> None:
            channel = self._check_ours(call, _number(call))
            state.tell(f"{name}{channel}", word(call.only(), choices, call.header))

        return apply

    def holds(self, state: State) -> None:
        """Check what may run."""
        if state.may_have_become("system", "ON"):
            self._check_ready(state)

    def fire(self, state: State) -> None:
        """Check the burst that a trigger would send."""
        if state.is_surely("system", "OFF"):
            return
        self._check_ready(state)
        _, count = (1.0, 1.0) if state.is_surely("mode", "SING") else known(state, "count", "burst length", _REMEDY)
        energy_j = 0.0
        for channel in self._running(state):
            lowest_v, amplitude_v = known(state, f"amplitude{channel}", f"amplitude of output {channel}", _REMEDY)
            shortest_s, width_s = known(state, f"width{channel}", f"width of output {channel}", _REMEDY)
            self._limits.check_amplitudes(lowest_v, amplitude_v, _ROUNDING)
            self._limits.width.check(shortest_s)
            self._limits.width.check(width_s)
            energy_j += self._limits.energy_j(count, width_s, amplitude_v)
        self._limits.check_energy(energy_j)

    def _check_ready(self, state: State) -> None:
        if not state.is_surely("mode", "BURS", "SING"):
            raise LimitError("the system would pulse without end: send :PULSE0:MODE BURS first and read the answer")
        if not state.is_surely("trigger", "TRIG"):
            raise LimitError("the system would start by itself: send :PULSE0:TRIG:MODE TRIG first and read the answer")
        for channel in self._running(state):
            for name, value in (("output_mode", "ADJ"), ("polarity", "NORM"), ("channel_mode", "NORM")):
                if not state.is_surely(f"{name}{channel}", value):
                    raise LimitError(
                        f"the guard does not know the {name.replace('_', ' ')} of output {channel}: {_REMEDY}"
                    )
            _, width_s = known(state, f"width{channel}", f"width of output {channel}", _REMEDY)
            if width_s > self._limits.width.high:
                self._limits.width.check(width_s)
            known(state, f"amplitude{channel}", f"amplitude of output {channel}", _REMEDY)

    def _running(self, state: State) -> list[int]:
        return [channel for channel in self._channels if not state.is_surely(f"state{channel}", "OFF")]

    def _check_ours(self, call: Call, channel: int) -> int:
        if channel not in self._channels:
            raise LimitError(f"{call.header}: output {channel} has no limits in the bench file")
        return channel


def _number(call: Call) -> int:
    if _NUMBERED.fullmatch(call.header) is None:
        raise LimitError(f"{call.header}: say which output: PULSE0 is the system, PULSE1 the first")
    return call.numbers[0]


def _of_system(apply: Callable[[State, Call], None]) -> Callable[[State, Call], None]:
    def check(state: State, call: Call) -> None:
        if _number(call) != 0:
            raise LimitError(f"{call.header}: the guard knows this of the system only: write PULSE0")
        apply(state, call)

    return check


def _mode(state: State, call: Call) -> None:
    state.tell("mode", word(call.only(), ("BURSt", "SINGle"), call.header))


def _trigger(state: State, call: Call) -> None:
    state.tell("trigger", word(call.only(), ("TRIGgered",), call.header))


def _count(state: State, call: Call) -> None:
    state.tell("count", model.COUNT.check(number(call.only(), "", model.COUNT.quantity)))
