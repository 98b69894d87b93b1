"""Rules of the Keysight 81160A: triggered bursts of pulses or of pattern symbols on channel 1, around 0 V.

A pattern has three levels, packed by the byte: LOW, HIGH and idle, which must be 0 V. A symbol lasts one period, and a
cycle of a burst is one symbol.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drivers.entries import PulseSourceEntry
from drivers.errors import LimitError
from drivers.guard.header import Table
from drivers.guard.number import number, switch
from drivers.guard.pulses import BurstLimits, Levels, channel_one, generator_limits, load, scale_width
from drivers.guard.rule import (
    EVERYWHERE,
    PASS,
    SYSTEM,
    Call,
    Effect,
    Rule,
    Rules,
    chosen,
    doing,
    free,
    kept,
    known,
    only_off,
    switched,
)
from drivers.guard.state import Span, State
from drivers.limits import Limit
from drivers.pulse_generators import keysight_81160a as model

_COUNT = Limit(quantity="burst length", low=1, high=2_147_483_647, unit="", origin="the 81160A manual")
_ARM = ("IMMediate", "INTernal2", "EXTernal", "MANual")
_SHAPES = ("SINusoid", "SQUare", "RAMP", "PULSe", "NOISe", "DC", "USER")
_IDLE = 2
_REMEDY = "set it and read the error queue, or send *RST first"


def rules(entry: PulseSourceEntry, place: str) -> Rules:
    """Return the rules for one 81160A."""
    limits = generator_limits(entry, model.amplitude_limit(entry.load_ohm), model.WIDTH, place)
    levels = Levels(limits=limits)
    guard = _Guard(limits, levels)
    level = "[:SOURce]:VOLTage#[:LEVel][:IMMediate]"
    one = channel_one
    table = [
        (f"{level}[:AMPLitude]", one(levels.swing)),
        (f"{level}:OFFSet", one(levels.middle)),
        (f"{level}:HIGH", one(levels.high)),
        (f"{level}:LOW", one(levels.low)),
        ("[:SOURce]:VOLTage#:LIMit:**", one(PASS)),
        ("[:SOURce]:VOLTage#:LIMit", one(PASS)),
        ("[:SOURce]:VOLTage#:UNIT", one(chosen("unit", "VPP"))),
        ("[:SOURce]:FUNCtion#[:SHAPe]", one(chosen("shape", *_SHAPES))),
        ("[:SOURce]:FUNCtion#:PULSe:WIDTh", one(kept("width", limits.width, at_most=True))),
        ("[:SOURce]:PULSe:WIDTh#", one(kept("width", limits.width, at_most=True))),
        ("[:SOURce]:FUNCtion#:PULSe:TRANsition:**", one(PASS)),
        ("[:SOURce]:FUNCtion#:PULSe:TRANsition", one(PASS)),
        ("[:SOURce]:PULSe:TRANsition#:**", one(PASS)),
        ("[:SOURce]:PULSe:TRANsition#", one(PASS)),
        ("[:SOURce]:PULSe:PERiod#", one(Rule(_period, Effect.CHANGES))),
        ("[:SOURce]:FUNCtion#:PULSe:PERiod", one(Rule(_period, Effect.CHANGES))),
        ("DIGital#[:STIMulus][:PATTern][:STATe]", one(switched("pattern"))),
        ("DIGital#[:STIMulus][:PATTern]:FORMat[:DATA]", one(Rule(guard.packing, Effect.CHANGES))),
        ("DIGital#[:STIMulus][:PATTern]:NLEVels", one(free("levels"))),
        ("DIGital#[:STIMulus][:PATTern]:DATA", one(Rule(guard.symbols, Effect.CHANGES))),
        ("[:SOURce]:PULSe:DELay#", one(PASS)),
        ("[:SOURce]:PULSe:HOLD#", one(chosen("hold", "WIDTh"))),
        ("[:SOURce]:FREQuency#[:CW]", one(Rule(guard.frequency, Effect.CHANGES))),
        ("[:SOURce]:BURSt#:STATe", one(switched("burst"))),
        ("[:SOURce]:BURSt#:MODE", one(chosen("burst_mode", "TRIGgered", "GATed"))),
        ("[:SOURce]:BURSt#:NCYCles", one(kept("cycles", _COUNT))),
        ("[:SOURce]:BURSt#:INTernal:PERiod", one(PASS)),
        ("TRIGger#:COUNt", one(kept("count", _COUNT))),
        ("TRIGger#[:IMMediate]", one(doing(guard.fire))),
        ("ARM:SOURce#", one(chosen("arm", *_ARM))),
        ("ARM:SLOPe#", one(PASS)),
        ("ARM:LEVel#", one(PASS)),
        ("ARM:PERiod#", one(PASS)),
        ("ARM:FREQuency#", one(PASS)),
        ("OUTPut#[:STATe]", Rule(guard.output, Effect.CHANGES)),
        ("OUTPut#:COMPlement", only_off("the complementary output")),
        ("OUTPut#:LOAD", one(load(model.LOAD))),
        ("OUTPut#:POLarity", one(chosen("polarity", "NORMal", "INVerted"))),
        ("TRACe:CHANnel#", only_off("channel coupling")),
        *EVERYWHERE,
        *SYSTEM,
    ]
    return Rules(commands=Table(table), reset=guard.reset, holds=guard.holds, fire=guard.fire)


def _period(state: State, call: Call) -> None:
    state.tell("period", number(call.only(), "s", call.header))
    scale_width(state)


class _Guard:
    """What must hold of the settings together."""

    def __init__(self, limits: BurstLimits, levels: Levels) -> None:
        self._limits = limits
        self._levels = levels

    @property
    def reset(self) -> dict[str, float | str]:
        return {
            **self._levels.reset(0.5, -0.5),
            "shape": "SIN",
            "polarity": "NORM",
            "width": 100e-9,
            "hold": "WIDT",
            "burst": "OFF",
            "burst_mode": "TRIG",
            "cycles": 1.0,
            "count": 1.0,
            "arm": "IMM",
            "period": 1e-6,
            "pattern": "OFF",
            "output": "OFF",
        }

    def output(self, state: State, call: Call) -> None:
        """Switch the output: off always, on only ready for triggered bursts."""
        if not switch(call.only(), call.header):
            if not call.numbers or call.numbers[0] == 1:
                state.settle("output", "OFF")
            return
        if call.numbers and call.numbers[0] != 1:
            raise LimitError(f"{call.header}: channel {call.numbers[0]} has no limits in the bench file")
        state.tell("output", "ON")
        self._check_ready(state)

    def holds(self, state: State) -> None:
        """Check what may be on; before the output is known, refuse at least what would run without end."""
        if state.may_have_become("output", "ON"):
            self._check_ready(state)
        elif state.may_be("output") is None and state.may_have_become("arm", "IMM", "INT2", "EXT"):
            raise LimitError("the arm source would send pulses without end if the output is on: switch it off first")

    def frequency(self, state: State, call: Call) -> None:
        """Take note of a period stated as a frequency."""
        hertz = number(call.only(), "Hz", call.header)
        if not hertz > 0:
            raise LimitError(f"{call.header}: a frequency is above 0")
        state.tell("period", 1 / hertz)
        scale_width(state)

    def packing(self, state: State, call: Call) -> None:
        """Allow the one packing that the guard can unpack."""
        if [str(parameter).upper() for parameter in call.parameters] not in (["PACK", "8"], ["PACKED", "8"]):
            raise LimitError(f"{call.header}: the guard reads patterns packed by the byte only: send PACKed,8")
        state.tell("packing", "8")

    def symbols(self, state: State, call: Call) -> None:
        """Take note of how many symbols of a pattern drive, and how many of them in one go."""
        block = call.only()
        if not isinstance(block, memoryview) or not len(block):
            raise LimitError(f"{call.header} takes its symbols as a block")
        if state.told("packing") != "8" or state.told("levels") != 3:
            raise LimitError(f"{call.header}: send FORMat PACKed,8 and NLEVels 3 first: no other pattern can be read")
        symbols = _unpacked(np.frombuffer(block, np.uint8))
        state.tell("symbols", float(len(symbols)))
        state.tell("driven", float(np.count_nonzero(symbols != _IDLE)))
        state.tell("run", float(_longest_run(symbols)))

    def fire(self, state: State) -> None:
        """Check the burst that a trigger would send."""
        if state.is_surely("output", "OFF"):
            return
        self._check_ready(state)
        if not state.is_surely("pattern", "ON"):
            amplitude_v = self._levels.check_swing(state)
            shortest_s, longest_s = known(state, "width", "pulse width", _REMEDY)
            self._limits.width.check(shortest_s)
            self._limits.width.check(longest_s)
            self._limits.check_burst(self._count(state), longest_s, amplitude_v)
        if not state.is_surely("pattern", "OFF"):
            self._check_pattern(state)

    def _check_pattern(self, state: State) -> None:
        if not (state.is_surely("packing", "8") and state.span("levels") == Span(3.0, 3.0)):
            raise LimitError(f"the guard does not know the pattern's levels and packing: {_REMEDY}")
        _, driven = known(state, "driven", "pattern", "load it and read the error queue")
        fewest, _ = known(state, "symbols", "pattern", "load it and read the error queue")
        _, run = known(state, "run", "pattern", "load it and read the error queue")
        shortest_s, period_s = known(state, "period", "period of a symbol", _REMEDY)
        if driven == 0:
            return
        self._limits.width.check(shortest_s)
        self._limits.width.check(run * period_s)
        largest_v = self._largest_v(state)
        for name in ("high", "low"):
            span = known(state, name, f"{name.upper()} level", _REMEDY)
            self._limits.check_amplitudes(min(abs(level) for level in span), largest_v)
        turns = math.ceil(self._count(state) / fewest)
        self._limits.check_burst(turns * driven, period_s, largest_v)

    def _largest_v(self, state: State) -> float:
        ends = [
            abs(level) for name in ("high", "low") for level in known(state, name, f"{name.upper()} level", _REMEDY)
        ]
        largest_v = max(ends)
        if largest_v > self._limits.amplitude.high * (1 + 1e-9):
            self._limits.amplitude.check(largest_v)
        return largest_v

    def _count(self, state: State) -> float:
        counts = []
        if not state.is_surely("burst", "OFF"):
            counts.append(known(state, "cycles", "number of cycles (BURSt:NCYCles)", _REMEDY)[1])
        if not state.is_surely("burst", "ON"):
            counts.append(known(state, "count", "number of pulses (TRIGger:COUNt)", _REMEDY)[1])
        return max(counts)

    def _check_ready(self, state: State) -> None:
        if not state.is_surely("arm", "MAN"):
            raise LimitError(
                "with the output on only manual triggers are allowed, which give finite bursts: send :ARM:SOUR1 MAN "
                "and read the error queue first"
            )
        if not state.is_surely("shape", "PULS"):
            raise LimitError(
                "with the output on only pulses are allowed: send :FUNC1 PULS and read the error queue first"
            )
        if not state.is_surely("burst_mode", "TRIG") and not state.is_surely("burst", "OFF"):
            raise LimitError(
                "gated bursts have no end of their own: send :BURS1:MODE TRIG and read the error queue first"
            )
        if not state.is_surely("pattern", "ON"):
            self._levels.check_base(state)
            self._levels.largest_v(state)
            _, longest_s = known(state, "width", "pulse width", _REMEDY)
            if longest_s > self._limits.width.high:
                self._limits.width.check(longest_s)
        if not state.is_surely("pattern", "OFF"):
            self._levels.check_idle(state)
            self._largest_v(state)


def _unpacked(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the symbols of two bits each, the first in the highest bits of the first byte."""
    return ((data[:, None] >> np.array([6, 4, 2, 0], np.uint8)) & np.uint8(3)).ravel().astype(np.uint8)


def _longest_run(symbols: NDArray[np.uint8]) -> int:
    """Return the most equal driving symbols in a row, which make one long pulse; a pattern is followed by itself."""
    if not (symbols == _IDLE).any():
        changes = np.count_nonzero(np.diff(symbols))
        if changes == 0:
            return len(symbols)
    twice = np.concatenate((symbols, symbols))
    edges = np.flatnonzero(np.diff(twice)) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(np.concatenate((starts, [len(twice)])))
    driving = lengths[twice[starts] != _IDLE]
    return int(min(driving.max(initial=0), len(symbols)))
