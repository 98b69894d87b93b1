"""Settings of a channel of the 2600B series: defaults, rules and the names of their values."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sim_instruments.smu_output import range_for
from sim_instruments.tsp.buffer import CAPACITY
from sim_instruments.tsp.vocabulary import Argument, among, number, number_within, within

SOURCE_OVER: Final = 1.01
"""Part of a range that a level may have."""

INTERLOCKED_ABOVE_V: Final = 42.0
"""Most that the output gives while the interlock is open, volts."""

VOLTS, AMPERES = 1.0, 0.0
IDLE, HOLD = 0.0, 1.0

CONSTANTS: Final = {
    "OUTPUT_DCAMPS": AMPERES,
    "OUTPUT_DCVOLTS": VOLTS,
    "OUTPUT_OFF": 0.0,
    "OUTPUT_ON": 1.0,
    "OUTPUT_NORMAL": 0.0,
    "OUTPUT_ZERO": 1.0,
    "OUTPUT_HIGH_Z": 2.0,
    "SENSE_LOCAL": 0.0,
    "SENSE_REMOTE": 1.0,
    "AUTORANGE_OFF": 0.0,
    "AUTORANGE_ON": 1.0,
    "AUTOZERO_OFF": 0.0,
    "AUTOZERO_ONCE": 1.0,
    "AUTOZERO_AUTO": 2.0,
    "DELAY_OFF": 0.0,
    "DELAY_AUTO": -1.0,
    "DISABLE": 0.0,
    "ENABLE": 1.0,
    "ASYNC": 2.0,
    "FILTER_MOVING_AVG": 0.0,
    "FILTER_REPEAT_AVG": 1.0,
    "FILTER_MEDIAN": 2.0,
    "FILTER_OFF": 0.0,
    "FILTER_ON": 1.0,
    "SOURCE_IDLE": IDLE,
    "SOURCE_HOLD": HOLD,
}
"""Names of values, below the channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """What differs between the models' channels."""

    voltage_ranges_v: tuple[float, ...]
    current_ranges_a: tuple[float, ...]
    smallest_limit_v: float
    smallest_limit_a: float
    limit_v: float
    """Voltage limit after a reset."""
    limit_a: float
    """Current limit after a reset."""


def rules(ratings: Ratings) -> dict[str, tuple[float, Callable[[Argument], float]]]:
    """Return defaults and rules of every setting, by name below the channel."""
    top_v = ratings.voltage_ranges_v[-1] * SOURCE_OVER
    top_a = ratings.current_ranges_a[-1] * SOURCE_OVER
    switch, nothing = among(0, 1), among(0)
    return {
        "sense": (0.0, among(0, 1, 3)),
        "source.func": (VOLTS, switch),
        "source.output": (0.0, among(0, 1, 2)),
        "source.offmode": (0.0, among(0, 1, 2)),
        "source.offfunc": (VOLTS, switch),
        "source.offlimiti": (1e-3, within(ratings.smallest_limit_a, top_a)),
        "source.offlimitv": (40.0, within(ratings.smallest_limit_v, top_v)),
        "source.levelv": (0.0, within(-top_v, top_v)),
        "source.leveli": (0.0, within(-top_a, top_a)),
        "source.rangev": (ratings.voltage_ranges_v[1], within(-top_v, top_v)),
        "source.rangei": (range_for(1e-5, ratings.current_ranges_a), within(-top_a, top_a)),
        "source.autorangev": (1.0, switch),
        "source.autorangei": (1.0, switch),
        "source.lowrangev": (ratings.voltage_ranges_v[0], within(0, top_v)),
        "source.lowrangei": (ratings.current_ranges_a[0], within(0, top_a)),
        "source.limitv": (ratings.limit_v, within(ratings.smallest_limit_v, top_v)),
        "source.limiti": (ratings.limit_a, within(ratings.smallest_limit_a, top_a)),
        "source.delay": (0.0, _delay),
        "source.settling": (0.0, among(0, 1, 2, 3, 128, 129, 130)),
        "source.sink": (0.0, switch),
        "source.highc": (0.0, switch),
        "measure.nplc": (1.0, within(0.001, 25)),
        "measure.autozero": (2.0, among(0, 1, 2)),
        "measure.rangev": (ratings.voltage_ranges_v[1], within(-top_v, top_v)),
        "measure.rangei": (range_for(1e-4, ratings.current_ranges_a), within(-top_a, top_a)),
        "measure.autorangev": (1.0, switch),
        "measure.autorangei": (1.0, switch),
        "measure.lowrangev": (ratings.voltage_ranges_v[0], within(0, top_v)),
        "measure.lowrangei": (ratings.current_ranges_a[0], within(0, top_a)),
        "measure.count": (1.0, whole(1, CAPACITY)),
        "measure.interval": (0.0, within(0, 1)),
        "measure.delay": (0.0, _delay),
        "measure.delayfactor": (1.0, within(0, 1e4)),
        "measure.filter.enable": (0.0, switch),
        "measure.filter.count": (1.0, whole(1, 100)),
        "measure.filter.type": (1.0, among(0, 1, 2)),
        "trigger.count": (1.0, whole(1, CAPACITY)),
        "trigger.arm.count": (1.0, whole(1, CAPACITY)),
        "trigger.arm.stimulus": (0.0, nothing),
        "trigger.source.action": (0.0, switch),
        "trigger.source.stimulus": (0.0, nothing),
        "trigger.measure.action": (0.0, among(0, 1, 2)),
        "trigger.measure.stimulus": (0.0, nothing),
        "trigger.endpulse.action": (HOLD, switch),
        "trigger.endpulse.stimulus": (0.0, nothing),
        "trigger.endsweep.action": (IDLE, switch),
    }


def whole(low: int, high: int) -> Callable[[Argument], float]:
    """Return the rule for whole numbers from `low` to `high`; a fraction is cut off."""
    return lambda value: float(math.floor(number_within(value, low, high)))


def _delay(value: Argument) -> float:
    seconds = number(value)
    return -1.0 if seconds == -1 else number_within(seconds, 0, 1e4)
