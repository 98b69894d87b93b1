"""What every pulse generator is held to: levels at the device, a base of 0 V, finite bursts, energy per burst.

A generator shows its levels for the load it is told of and sends them through 50 ohm. The guard keeps levels as they
are at the device, so that neither a wrong load nor a later one can raise them unseen.
"""

import math
from dataclasses import dataclass

from drivers.entries import PulseSourceEntry
from drivers.errors import LimitError
from drivers.guard.message import Parameter
from drivers.guard.number import number, number_or_infinity
from drivers.guard.rule import Call, Effect, Rule, known
from drivers.guard.state import Span, State
from drivers.limits import Limit

SOURCE_OHM = 50.0
"""Output impedance of the generators here."""

BASE_TOLERANCE_V = 5e-3
"""How far from 0 V an output may rest between pulses, volts."""

_REMEDY = "set it and read the error queue, or send *RST first"


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstLimits:
    """Limits of one instrument that makes pulses."""

    amplitude: Limit
    """Amplitude at the device, volts."""
    width: Limit
    """Pulse width, seconds."""
    energy: Limit
    """Energy of one burst in one device, joules."""
    resistance_ohm: float
    """Resistance that a pulse sees."""

    def check_amplitudes(self, lowest_v: float, highest_v: float, slack: float = 1e-9) -> None:
        """Raise `LimitError` unless all amplitudes between two lie within the limit, a share for rounding apart."""
        if lowest_v * (1 + slack) < self.amplitude.low:
            self.amplitude.check(lowest_v)
        if highest_v > self.amplitude.high * (1 + slack):
            self.amplitude.check(highest_v)

    def check_burst(self, count: float, width_s: float, amplitude_v: float) -> None:
        """Raise `LimitError` if a burst of so many pulses is endless or puts too much energy into a device."""
        if not math.isfinite(count):
            raise LimitError("the burst has no end: only finite bursts are sent")
        self.check_energy(self.energy_j(count, width_s, amplitude_v))

    def energy_j(self, count: float, width_s: float, amplitude_v: float) -> float:
        """Return the energy that a burst puts into a device, joules."""
        return count * width_s * amplitude_v**2 / self.resistance_ohm

    def check_energy(self, energy_j: float) -> None:
        """Raise `LimitError` if a burst would put more energy into a device than the bench file allows."""
        # What floating point adds is no violation.
        if energy_j > self.energy.high * (1 + 1e-9):
            self.energy.check(energy_j)


def burst_limits(amplitude: Limit, width: Limit, *, energy_j: float, resistance_ohm: float, place: str) -> BurstLimits:
    """Return the limits of an instrument; `place` says where the energy limit stands."""
    energy = Limit(quantity="energy of the burst", low=0.0, high=energy_j, unit="J", origin=f"{place} burst_energy_j")
    return BurstLimits(amplitude=amplitude, width=width, energy=energy, resistance_ohm=resistance_ohm)


def generator_limits(entry: PulseSourceEntry, amplitude: Limit, width: Limit, place: str) -> BurstLimits:
    """Return the limits of a pulse generator from its table in the bench file, in the ranges its model has."""
    return burst_limits(
        amplitude
        if entry.limits.amplitude_v is None
        else amplitude.narrowed(*entry.limits.amplitude_v, f"{place} amplitude_v"),
        width if entry.limits.width_s is None else width.narrowed(*entry.limits.width_s, f"{place} width_s"),
        energy_j=entry.limits.burst_energy_j,
        resistance_ohm=entry.load_ohm,
        place=place,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The level commands of a generator: HIGH and LOW, or amplitude and offset."""

    limits: BurstLimits
    """What they are checked against."""

    @property
    def high(self) -> Rule:
        """Return the rule of HIGH."""
        return Rule(lambda state, call: self._end(state, call, "high", "low"), Effect.CHANGES)

    @property
    def low(self) -> Rule:
        """Return the rule of LOW."""
        return Rule(lambda state, call: self._end(state, call, "low", "high"), Effect.CHANGES)

    @property
    def swing(self) -> Rule:
        """Return the rule of the amplitude."""
        return Rule(lambda state, call: self._sum(state, call, "swing"), Effect.CHANGES)

    @property
    def middle(self) -> Rule:
        """Return the rule of the offset."""
        return Rule(lambda state, call: self._sum(state, call, "middle"), Effect.CHANGES)

    def reset(self, high_v: float, low_v: float) -> dict[str, float]:
        """Return the levels after `*RST`, given into 50 ohm, as they are at the device."""
        high, low = (v * 2 * self._share for v in (high_v, low_v))
        return {"high": high, "low": low, "swing": high - low, "middle": (high + low) / 2, "load": SOURCE_OHM}

    def check_base(self, state: State, polarity: str = "polarity") -> None:
        """Raise `LimitError` unless the output surely rests at 0 V: a base is a drive without end."""
        for name, resting in (("low", "NORM"), ("high", "INV")):
            if state.is_surely(polarity, "INV" if resting == "NORM" else "NORM"):
                continue
            low, high = known(state, name, f"{name.upper()} level", _REMEDY)
            if max(abs(low), abs(high)) > BASE_TOLERANCE_V:
                raise LimitError(
                    f"the output would rest at {name.upper()} = {max(low, high, key=abs):.4g} V between pulses: "
                    f"set {name.upper()} to 0 V first"
                )

    def check_idle(self, state: State) -> None:
        """Raise `LimitError` unless the middle of the levels, where a pattern idles, is surely 0 V."""
        for end in (0, 1):
            middle_v = (
                known(state, "high", "HIGH level", _REMEDY)[end] + known(state, "low", "LOW level", _REMEDY)[end]
            ) / 2
            if abs(middle_v) > BASE_TOLERANCE_V:
                raise LimitError(f"the pattern would idle at {middle_v:.4g} V: set LOW to -HIGH first")

    def largest_v(self, state: State) -> float:
        """Return the largest amplitude that the levels may make; raise `LimitError` if unknown or too large."""
        _, top = known(state, "high", "HIGH level", _REMEDY)
        bottom, _ = known(state, "low", "LOW level", _REMEDY)
        self._check_amplitude(top - bottom)
        return top - bottom

    def check_swing(self, state: State) -> float:
        """Return the largest amplitude; raise `LimitError` unless every possible one is within the limits."""
        largest = self.largest_v(state)
        bottom, _ = known(state, "high", "HIGH level", _REMEDY)
        _, top = known(state, "low", "LOW level", _REMEDY)
        self.limits.check_amplitudes(max(bottom - top, 0.0), largest)
        return largest

    def _check_amplitude(self, value_v: float) -> None:
        # What floating point adds when a level goes through two loads is no violation.
        if value_v > self.limits.amplitude.high * (1 + 1e-9):
            self.limits.amplitude.check(value_v)

    @property
    def _share(self) -> float:
        return self.limits.resistance_ohm / (self.limits.resistance_ohm + SOURCE_OHM)

    def at_device(self, state: State, parameter: Parameter, what: str) -> tuple[float, Span | None]:
        """Return what a level becomes at the device: as told, and within which span if the load is in doubt."""
        told, span = state.told("load"), state.span("load")
        shown_v = number(parameter, "V", what)
        if not isinstance(told, float | int):
            raise LimitError(
                f"the guard does not know for which load {what} is meant: set OUTPut:LOAD, or send *RST first"
            )
        loads = (told, *((span.low, span.high) if span else ()))
        values = [shown_v * (1 + SOURCE_OHM / ohm) * self._share for ohm in loads]
        # What the level would be under a load that was refused counts when the output goes on.
        self._check_amplitude(abs(values[0]))
        return values[0], Span(min(values), max(values))

    def _end(self, state: State, call: Call, name: str, other: str) -> None:
        value, span = self.at_device(state, call.only(), call.header)
        state.tell(name, value, span)
        end = state.told(other)
        if isinstance(end, float | int):
            state.tell("swing", abs(value - end))
            state.tell("middle", (value + end) / 2)
        else:
            state.blur("swing")
            state.blur("middle")

    def _sum(self, state: State, call: Call, name: str) -> None:
        value, span = self.at_device(state, call.only(), call.header)
        state.tell(name, value, span)
        swing, middle = state.told("swing"), state.told("middle")
        swings, middles = state.span("swing"), state.span("middle")
        for end, sign in (("high", 0.5), ("low", -0.5)):
            if not isinstance(swing, float | int) or not isinstance(middle, float | int):
                state.blur(end)
                continue
            reach = None
            if swings is not None and middles is not None:
                ends = [m + sign * s for m in (middles.low, middles.high) for s in (swings.low, swings.high)]
                reach = Span(min(ends), max(ends))
            state.tell(end, middle + sign * swing, reach)


def load(limit: Limit) -> Rule:
    """Return the rule of the load that levels are shown for."""

    def apply(state: State, call: Call) -> None:
        value = number_or_infinity(call.only(), "ohm", call.header)
        state.tell("load", value if math.isinf(value) else limit.check(value))

    return Rule(apply, Effect.CHANGES)


def scale_width(state: State) -> None:
    """Take note of a change of the period: the width goes with it unless it is surely the width that is held."""
    if not state.is_surely("hold", "WIDT"):
        state.blur("width")


def channel_one(rule: Rule, *, at: int = 0) -> Rule:
    """Return a rule that refuses every channel but the first, which alone leads to the devices."""

    def apply(state: State, call: Call) -> None:
        if call.numbers and call.numbers[at] != 1:
            raise LimitError(
                f"{call.header}: channel {call.numbers[at]} has no limits in the bench file: use channel 1"
            )
        if rule.apply is not None:
            rule.apply(state, call)

    return Rule(apply, rule.effect)
