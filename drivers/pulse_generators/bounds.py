"""What a bench allows a generator to send, checked before the first byte of it leaves."""

import operator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from drivers.entries import PulseSourceEntry
from drivers.errors import LimitError
from drivers.limits import Limit
from drivers.model import narrowed
from drivers.protocols import Polarity, Pulse, PulseTrain
from drivers.pulse_generators.runs import checked_symbols


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PulseBounds:
    """Limits of one generator on one bench."""

    amplitude: Limit
    """Amplitudes across the device."""
    width: Limit
    """Pulse widths."""
    count: Limit
    """Pulses of one burst."""
    period: Limit
    """Times from one symbol of a train to the next."""
    energy: Limit
    """Energy of one burst or train in one device, joules."""
    load_ohm: float
    """Resistance of the write path, ohms: turns volts into energy."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins."""
        return self.amplitude, self.width, self.count, self.period, self.energy

    def check_pulse(self, pulse: Pulse) -> None:
        """Raise `LimitError` for a pulse that is too high, too low, too short or too long."""
        self.amplitude.check(pulse.amplitude_v)
        self.width.check(pulse.width_s)

    def check_burst(self, pulse: Pulse, count: int) -> int:
        """Return the count; raise `LimitError` for one out of range or a burst of too much energy."""
        count = operator.index(count)
        self.count.check(count)
        self._check_energy(count * pulse.amplitude_v**2, pulse.width_s)
        return count

    def check_train(self, train: PulseTrain) -> NDArray[np.int8]:
        """Return the symbols; raise `LimitError` for a train that breaks any limit."""
        symbols = checked_symbols(train)
        pushes, pulls = int(np.count_nonzero(symbols > 0)), int(np.count_nonzero(symbols < 0))
        self.width.check(train.width_s)
        self.period.check(train.period_s)
        if not train.period_s > train.width_s:
            raise LimitError(f"period {train.period_s:g} s does not hold pulses of {train.width_s:g} s")
        self.count.check(pushes + pulls)
        for polarity, count, amplitude_v in (
            (Polarity.PUSH, pushes, train.push_amplitude_v),
            (Polarity.PULL, pulls, train.pull_amplitude_v),
        ):
            if count:
                self.check_pulse(Pulse(polarity=polarity, amplitude_v=amplitude_v, width_s=train.width_s))
        squares = (pushes * train.push_amplitude_v**2 if pushes else 0.0) + (
            pulls * train.pull_amplitude_v**2 if pulls else 0.0
        )
        self._check_energy(squares, train.width_s)
        return symbols

    def _check_energy(self, squares_v2: float, width_s: float) -> None:
        self.energy.check(squares_v2 * width_s / self.load_ohm)


def bounds_of(
    entry: PulseSourceEntry, place: str, *, amplitude: Limit, width: Limit, count: Limit, period: Limit
) -> PulseBounds:
    """Return a model's limits as a bench file narrows them.

    Raises:
        ConfigError: naming the place, where the file would widen one.
    """
    return PulseBounds(
        amplitude=narrowed(amplitude, entry.limits.amplitude_v, place),
        width=narrowed(width, entry.limits.width_s, place),
        count=count,
        period=period,
        energy=Limit(
            quantity="energy of a burst",
            low=0.0,
            high=entry.limits.burst_energy_j,
            unit="J",
            origin=f"{place} burst_energy_j",
        ),
        load_ohm=entry.load_ohm,
    )
