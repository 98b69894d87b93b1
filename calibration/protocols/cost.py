"""What an experiment takes, before anything moves: pulses, readings, messages, time and energy, at least and at most.

How many pulses bring a wall to a place, and when a wall moves that is waited for, nobody knows before: hence two
figures. The larger one is a bound, the smaller one what is certain.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from calibration.protocols.actions import Action, Bring, Fire, FireUntilMoved, Read, Sweep, Wait
from calibration.protocols.staircase import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Figures of a whole experiment."""

    pulses: int = 0
    """Pulses at each device."""
    readings: int = 0
    """Readings of each device."""
    messages: int = 0
    """Messages over the bus."""
    time_s: float = 0.0
    """Duration, seconds: pulses, pauses, and a rough figure for each message."""
    energy_j: float = 0.0
    """Energy of the pulses in all write paths, joules."""

    def __add__(self, other: Self) -> Self:
        """Return both, one after the other."""
        return type(self)(
            pulses=self.pulses + other.pulses,
            readings=self.readings + other.readings,
            messages=self.messages + other.messages,
            time_s=self.time_s + other.time_s,
            energy_j=self.energy_j + other.energy_j,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRange:
    """What is certain, and the bound."""

    least: Cost
    """Without a pulse more than must be."""
    most: Cost
    """If everything that may be tried is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What pulses and readings cost on one route with so many devices."""

    price: Price
    """Of one device, or of all devices that are addressed together."""
    resistance_ohm: float
    """Of the write path, ohms."""
    devices: int
    """Devices in all."""
    repeats: int
    """How often each message is sent: once if devices are addressed together, else once for each."""
    reads_in_series: bool
    """Whether a series of readings costs as many messages as one."""

    def of(self, actions: Iterable[Action]) -> CostRange:
        """Return the cost of actions that every device goes through."""
        least, most = Cost(), Cost()
        for action in actions:
            fewest, upmost = self._range(action)
            least, most = least + fewest, most + upmost
        return CostRange(least=least, most=most)

    def _range(self, action: Action) -> tuple[Cost, Cost]:
        match action:
            case Fire():
                cost = self._rounds(1, action.pulses, action.amplitude_v, action.width_s)
                return cost, cost
            case FireUntilMoved():
                fewest, upmost = (
                    self._rounds(rounds, action.pulses, action.amplitude_v, action.width_s)
                    for rounds in (1, action.most_rounds)
                )
                return fewest, upmost
            case Read():
                cost = self._series(action.times, action.interval_s)
                return cost, cost
            case Sweep():
                cost = self._series(len(action.voltages_v), 0.0)
                return cost, cost
            case Wait():
                cost = Cost(time_s=action.seconds)
                return cost, cost
            case Bring():
                return self._bringing(action)

    def _bringing(self, action: Bring) -> tuple[Cost, Cost]:
        how = action.how
        if not action.is_end:
            return Cost(), self._rounds(how.most_rounds, how.burst, how.amplitude_v, how.width_s)
        readings = self._series(how.end_reads, 0.0)
        fewest, upmost = (
            self._rounds(bursts, how.burst, how.amplitude_v, how.width_s) + readings for bursts in (1, how.most_bursts)
        )
        return fewest, upmost

    def _rounds(self, rounds: int, pulses: int, amplitude_v: float, width_s: float) -> Cost:
        price = self.price
        bursts = -(-pulses // price.pulses_per_message)
        messages = rounds * (bursts * price.messages_per_burst + price.messages_per_reading) * self.repeats
        fired = rounds * pulses
        return Cost(
            pulses=fired,
            readings=rounds,
            messages=messages,
            time_s=messages * price.message_s + fired * width_s * self.repeats,
            energy_j=fired * self.devices * width_s * amplitude_v**2 / self.resistance_ohm,
        )

    def _series(self, times: int, interval_s: float) -> Cost:
        together = self.reads_in_series and not interval_s
        messages = (1 if together else times) * self.price.messages_per_reading * self.repeats
        # A pace that is slower than the messages sets the time.
        time_s = max(messages * self.price.message_s, times * interval_s)
        return Cost(readings=times, messages=messages, time_s=time_s)
