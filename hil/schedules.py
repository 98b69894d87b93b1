"""Schedules: functions from the number of a step, counted from 0, to a value."""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(value: float) -> Schedule:
    """Return the schedule that is always `value`."""
    return lambda _step: value


def warmup_cosine(peak: float, *, warmup_steps: int, total_steps: int, final: float = 0.0) -> Schedule:
    """Return a linear rise from `peak / warmup_steps` to `peak`, then half a cosine down to `final` at the last step.

    Args:
        peak: largest value.
        warmup_steps: steps of the rise; 0 starts at the peak.
        total_steps: steps in all.
        final: value approached at `total_steps`.
    """

    def schedule(step: int) -> float:
        if step < warmup_steps:
            return peak * (step + 1) / warmup_steps
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * progress))

    return schedule


def ramp(start: float, end: float, *, total_steps: int) -> Schedule:
    """Return a straight line from `start` at step 0 to `end` at the last step."""
    return lambda step: start + (end - start) * min(1.0, step / max(1, total_steps - 1))
