"""Rules of the DWA array controller: pulse shapes, and the largest count of each block that waits to be fired."""

from collections.abc import Callable

import numpy as np

from drivers.arrays import dwa as model
from drivers.entries import ArrayEntry
from drivers.errors import LimitError
from drivers.guard.header import Table
from drivers.guard.number import switch
from drivers.guard.pulses import BurstLimits, burst_limits
from drivers.guard.rule import EVERYWHERE, SYSTEM, Call, Effect, Rule, Rules, kept, known, passing
from drivers.guard.state import Span, State
from drivers.limits import Limit

_REMEDY = "set it and read the error queue, or send *RST first"
_SIDES = ("push", "pull")
_MOST = 255.0  # a count is one byte


def rules(entry: ArrayEntry, place: str) -> Rules:
    """Return the rules for one controller."""
    given = entry.limits
    limits = burst_limits(
        _narrowed(model.AMPLITUDE, given.amplitude_v, f"{place} amplitude_v"),
        _narrowed(model.WIDTH, given.width_s, f"{place} width_s"),
        energy_j=given.burst_energy_j,
        resistance_ohm=entry.write_resistance_ohm,
        place=place,
    )
    guard = _Guard(limits)
    table = [
        *(
            (f"PULSe:{side}:AMPLitude", kept(f"{side.lower()}_amplitude", limits.amplitude))
            for side in ("PUSH", "PULL")
        ),
        *((f"PULSe:{side}:WIDTh", kept(f"{side.lower()}_width", limits.width)) for side in ("PUSH", "PULL")),
        ("OUTPut[:STATe]", Rule(guard.output, Effect.CHANGES)),
        ("PATTern:CLEar", Rule(guard.clear, Effect.CHANGES)),
        *(
            (f"PATTern:{prefix}{side}", Rule(guard.counts(side.lower()), Effect.CHANGES))
            for prefix in ("", "SELect:")
            for side in ("PUSH", "PULL")
        ),
        ("INITiate[:IMMediate]", Rule(guard.fire, Effect.CHANGES)),
        *passing(("PATTern:TAG", "ARRay:SELect")),
        *EVERYWHERE,
        *SYSTEM,
    ]
    # Defaults of the dialect after *RST, as `docs/array-controller.md` gives them.
    shape = {f"{side}_{name}": value for side in _SIDES for name, value in (("amplitude", 1.0), ("width", 100e-9))}
    reset = {"output": "OFF", "push_count": 0.0, "pull_count": 0.0, **shape}
    return Rules(commands=Table(table), reset=reset, holds=lambda _: None)


class _Guard:
    """What must hold when a pattern is fired."""

    def __init__(self, limits: BurstLimits) -> None:
        self._limits = limits
        # Where no pattern can reach the energy limit, blocks of megabytes need not be looked into.
        self._looks = limits.energy_j(2 * _MOST, limits.width.high, limits.amplitude.high) > limits.energy.high

    def output(self, state: State, call: Call) -> None:
        if switch(call.only(), call.header):
            state.tell("output", "ON")
        else:
            state.settle("output", "OFF")

    def clear(self, state: State, call: Call) -> None:
        if call.parameters:
            raise LimitError(f"{call.header} takes no parameter")
        for side in _SIDES:
            state.settle(f"{side}_count", 0.0)

    def counts(self, side: str) -> Callable[[State, Call], None]:
        def apply(state: State, call: Call) -> None:
            block = call.parameters[-1] if call.parameters else None
            if not isinstance(block, memoryview):
                raise LimitError(f"{call.header} takes its counts as a block")
            # The larger of the two blocks holds until the pattern is cleared or fired: either may have been refused.
            largest = float(np.frombuffer(block, np.uint8).max(initial=0)) if self._looks else _MOST
            before = state.span(f"{side}_count")
            if before is not None:
                top = max(before.high, largest)
                state.tell(f"{side}_count", top, Span(0.0, top))

        return apply

    def fire(self, state: State, _: Call) -> None:
        if not state.is_surely("output", "OFF"):
            self._limits.check_energy(sum(self._energy_j(state, side) for side in _SIDES))
        for side in _SIDES:
            # A fired pattern is forgotten; one that was refused still waits.
            if (before := state.span(f"{side}_count")) is not None:
                state.tell(f"{side}_count", 0.0, Span(0.0, before.high))

    def _energy_j(self, state: State, side: str) -> float:
        """Return the most energy that one side of the pattern may put into a device; check its pulses."""
        _, count = known(state, f"{side}_count", f"counts of the {side} pattern", "send PATTern:CLEar first")
        if count == 0:
            return 0.0
        lowest_v, amplitude_v = known(state, f"{side}_amplitude", f"{side} amplitude", _REMEDY)
        shortest_s, width_s = known(state, f"{side}_width", f"{side} width", _REMEDY)
        for limit, low, high in (
            (self._limits.amplitude, lowest_v, amplitude_v),
            (self._limits.width, shortest_s, width_s),
        ):
            limit.check(low)
            limit.check(high)
        return self._limits.energy_j(count, width_s, amplitude_v)


def _narrowed(limit: Limit, pair: tuple[float, float] | None, place: str) -> Limit:
    return limit if pair is None else limit.narrowed(*pair, place)
