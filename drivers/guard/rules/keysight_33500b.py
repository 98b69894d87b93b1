"""Rules of the Keysight 33500B and 33600A: triggered bursts of pulses, of waveforms, and sequences, on one channel."""

from collections.abc import Callable

from drivers.entries import PulseSourceEntry
from drivers.errors import LimitError
from drivers.guard.header import Table
from drivers.guard.number import number_or_infinity, switch
from drivers.guard.pulses import BASE_TOLERANCE_V, BurstLimits, Levels, generator_limits, load, scale_width
from drivers.guard.rule import EVERYWHERE, PASS, SYSTEM, Call, Effect, Rule, Rules, chosen, doing, kept, known, switched
from drivers.guard.state import State
from drivers.guard.waveforms import check_rest, check_waveform, load_sequence, name_of
from drivers.guard.waveforms import load as load_waveform
from drivers.limits import Limit
from drivers.pulse_generators import keysight_33500b as model

_REMEDY = "set it and read the error queue, or send *RST first"
_SHAPES = ("SINusoid", "SQUare", "TRIangle", "RAMP", "PULSe", "PRBS", "NOISe", "ARBitrary", "DC")
_RATE = Limit(quantity="sample rate", low=1e-6, high=1e10, unit="", origin="the manual")


def rules_for(family: model.Family) -> Callable[[PulseSourceEntry, str], Rules]:
    """Return what makes the rules for one instrument of a family."""
    return lambda entry, place: _rules(family, entry, place)


def _rules(family: model.Family, entry: PulseSourceEntry, place: str) -> Rules:
    limits = generator_limits(entry, model.amplitude_limit(family, entry.load_ohm), family.width, place)
    levels = Levels(limits=limits)
    guard = _Guard(limits, levels, entry.channel)
    source, pulse, arb = "[:SOURce#]", "[:SOURce#]:FUNCtion:PULSe", "[:SOURce#]:FUNCtion:ARBitrary"

    def one(rule: Rule) -> Rule:
        return _on_channel(rule, entry.channel)

    table = [
        (f"{source}:VOLTage[:LEVel][:IMMediate][:AMPLitude]", one(levels.swing)),
        (f"{source}:VOLTage[:LEVel][:IMMediate]:OFFSet", one(levels.middle)),
        (f"{source}:VOLTage[:LEVel][:IMMediate]:HIGH", one(levels.high)),
        (f"{source}:VOLTage[:LEVel][:IMMediate]:LOW", one(levels.low)),
        (f"{source}:VOLTage:UNIT", one(chosen("unit", "VPP"))),
        *_passing(
            one,
            f"{source}:VOLTage:LIMit:**",
            f"{source}:VOLTage:RANGe:**",
            f"{source}:PHASe:**",
            f"{source}:PHASe",
            f"{pulse}:TRANsition:**",
            f"{pulse}:TRANsition",
            f"{source}:FUNCtion:SQUare:**",
            f"{source}:FUNCtion:RAMP:**",
            f"{arb}:FILTer",
            f"{source}:BURSt:PHASe",
            f"{source}:BURSt:INTernal:PERiod",
            f"{source}:BURSt:GATE:POLarity",
            "TRIGger#:SLOPe",
            "TRIGger#:LEVel",
            "TRIGger#:DELay",
            "TRIGger#:TIMer",
            "TRIGger#:COUNt",
            "OUTPut#:SYNC:**",
            "OUTPut#:SYNC",
            "OUTPut#:TRIGger:**",
            "OUTPut#:TRIGger",
            "INITiate#:**",
            "INITiate#",
            "ABORt#",
        ),
        *((header, one(Rule(_period, Effect.CHANGES))) for header in (f"{source}:FREQuency[:CW]", f"{pulse}:PERiod")),
        (f"{source}:FREQuency:MODE", one(chosen("frequency_mode", "CW", "FIXed"))),
        (f"{source}:FUNCtion", one(chosen("shape", *_SHAPES))),
        (f"{pulse}:WIDTh", one(kept("width", limits.width, at_most=True))),
        (f"{pulse}:HOLD", one(chosen("hold", "WIDTh"))),
        (arb, one(Rule(_select, Effect.CHANGES))),
        (f"{arb}:SRATe", one(kept("rate", _RATE))),
        (f"{arb}:ADVance", one(chosen("advance", "SRATe"))),
        (f"{source}:DATA:ARBitrary", one(Rule(_load("f4", 1.0), Effect.CHANGES))),
        (f"{source}:DATA:ARBitrary:DAC", one(Rule(_load("i2", 32767.0), Effect.CHANGES))),
        (f"{source}:DATA:SEQuence", one(Rule(load_sequence, Effect.CHANGES))),
        (f"{source}:DATA:VOLatile:CLEar", one(Rule(lambda state, _: state.blur_all("arb:"), Effect.CHANGES))),
        ("FORMat:BORDer", chosen("order", "NORMal", "SWAPped")),
        (f"{source}:BURSt:STATe", one(switched("burst"))),
        (f"{source}:BURSt:MODE", one(chosen("burst_mode", "TRIGgered", "GATed"))),
        (f"{source}:BURSt:NCYCles", one(Rule(_cycles, Effect.CHANGES))),
        ("TRIGger#:SOURce", one(chosen("trigger", "IMMediate", "EXTernal", "TIMer", "BUS"))),
        ("TRIGger#[:IMMediate]", one(doing(guard.fire))),
        ("OUTPut#[:STATe]", Rule(guard.output, Effect.CHANGES)),
        ("OUTPut#:LOAD", one(load(model.LOAD))),
        ("OUTPut#:POLarity", one(chosen("polarity", "NORMal", "INVerted"))),
        *EVERYWHERE,
        *SYSTEM,
    ]
    return Rules(commands=Table(table), reset=guard.reset, holds=guard.holds, fire=guard.fire)


def _period(state: State, _: Call) -> None:
    scale_width(state)
    if not state.is_surely("shape", "PULS"):
        # The frequency of an arbitrary waveform is its sample rate in other words.
        state.blur("rate")


class _Guard:
    """What must hold of the settings together."""

    def __init__(self, limits: BurstLimits, levels: Levels, channel: int) -> None:
        self._limits = limits
        self._levels = levels
        self._channel = channel

    @property
    def reset(self) -> dict[str, float | str]:
        return {
            **self._levels.reset(0.05, -0.05),
            "shape": "SIN",
            "polarity": "NORM",
            "width": 100e-6,
            "hold": "WIDT",
            "burst": "OFF",
            "burst_mode": "TRIG",
            "cycles": 1.0,
            "trigger": "IMM",
            "rate": 40e3,
            "advance": "SRAT",
            "order": "NORM",
            "output": "OFF",
        }

    def output(self, state: State, call: Call) -> None:
        """Switch the output: off always, on only ready for triggered bursts."""
        is_ours = (call.numbers[0] if call.numbers else 1) == self._channel
        if not switch(call.only(), call.header):
            if is_ours:
                state.settle("output", "OFF")
            return
        if not is_ours:
            raise LimitError(f"{call.header}: this channel has no limits in the bench file: use {self._channel}")
        state.tell("output", "ON")
        self._check_ready(state)

    def holds(self, state: State) -> None:
        """Check what may be on; before the output is known, refuse at least what would run without end."""
        if state.may_have_become("output", "ON"):
            self._check_ready(state)
        elif state.may_be("output") is None and state.may_have_become("trigger", "IMM", "EXT", "TIM"):
            raise LimitError("this trigger source gives pulses without end if the output is on: switch it off first")

    def fire(self, state: State) -> None:
        """Check what a trigger would send."""
        if state.is_surely("output", "OFF"):
            return
        self._check_ready(state)
        _, cycles = known(state, "cycles", "number of cycles (BURSt:NCYCles)", _REMEDY)
        if state.is_surely("shape", "PULS"):
            amplitude_v = self._levels.check_swing(state)
            shortest_s, longest_s = known(state, "width", "pulse width", _REMEDY)
            self._limits.width.check(shortest_s)
            self._limits.width.check(longest_s)
            self._limits.check_burst(cycles, longest_s, amplitude_v)
            return
        slowest, fastest = known(state, "rate", "sample rate", _REMEDY)
        levels = self._magnitudes(state)
        for name in state.may_be("selected") or ():
            check_waveform(
                state,
                name,
                self._limits,
                passes=cycles,
                interval_s=(1 / fastest, 1 / slowest),
                level_v=(min(levels), max(levels)),
            )

    def _check_ready(self, state: State) -> None:
        if not state.is_surely("trigger", "BUS"):
            raise LimitError(
                "only bus triggers are allowed with the output on, to keep bursts finite: send TRIG:SOUR BUS, read "
                "the error queue first"
            )
        if state.is_surely("shape", "PULS"):
            self._check_bursts(state)
            self._levels.check_base(state)
            self._levels.largest_v(state)
            _, longest_s = known(state, "width", "pulse width", _REMEDY)
            if longest_s > self._limits.width.high:
                self._limits.width.check(longest_s)
        elif state.is_surely("shape", "ARB"):
            self._check_waveforms(state)
        else:
            raise LimitError(
                "only pulses and waveforms are allowed with the output on: send FUNC PULS or FUNC ARB, read the error "
                "queue first"
            )

    def _check_waveforms(self, state: State) -> None:
        self._levels.check_idle(state)
        names = state.may_be("selected")
        if names is None or not state.is_surely("advance", "SRAT"):
            raise LimitError(f"the guard does not know the waveform that is selected, or how it advances: {_REMEDY}")
        levels = self._magnitudes(state)
        is_burst = state.is_surely("burst", "ON") and state.is_surely("burst_mode", "TRIG")
        for name in names:
            check_rest(state, name, burst_is_on=is_burst, largest_v=max(levels), tolerance_v=BASE_TOLERANCE_V)

    def _magnitudes(self, state: State) -> list[float]:
        """Return how far both levels may be from 0 V."""
        ends = (known(state, name, f"{name.upper()} level", _REMEDY) for name in ("high", "low"))
        return [abs(level) for pair in ends for level in pair]

    def _check_bursts(self, state: State) -> None:
        if not (state.is_surely("burst", "ON") and state.is_surely("burst_mode", "TRIG")):
            raise LimitError(
                "only triggered bursts are allowed with the output on: send BURS:MODE TRIG, STAT ON, read the error "
                "queue first"
            )


def _passing(one: Callable[[Rule], Rule], *patterns: str) -> list[tuple[str, Rule]]:
    return [(pattern, one(PASS)) for pattern in patterns]


def _on_channel(rule: Rule, channel: int) -> Rule:
    """Return a rule that refuses every channel but the one that leads to the devices."""

    def apply(state: State, call: Call) -> None:
        if call.numbers and call.numbers[0] != channel:
            raise LimitError(f"{call.header}: channel {call.numbers[0]} has no limits in the bench file: use {channel}")
        if rule.apply is not None:
            rule.apply(state, call)

    return Rule(apply, rule.effect)


def _cycles(state: State, call: Call) -> None:
    value = number_or_infinity(call.only(), "", call.header)
    state.tell("cycles", model.COUNT.check(value))


def _select(state: State, call: Call) -> None:
    state.tell("selected", name_of(call.only(), call.header))


def _load(kind: str, full_scale: float) -> Callable[[State, Call], None]:
    def apply(state: State, call: Call) -> None:
        order = state.told("order")
        known_orders = state.may_be("order")
        if order is None or (known_orders is not None and len(known_orders) > 1):
            raise LimitError(
                f"{call.header}: the byte order is not known: send FORM:BORD NORM and read the error queue"
            )
        load_waveform(state, call, block=f"{'>' if order == 'NORM' else '<'}{kind}", full_scale=full_scale)

    return apply
