"""Clauses R and T: read-out, movement, totals and time. The checks that need the output move walls."""

import time
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.conformance.controller import Controller, Deviation, Totals, Untried, block_timeout_s
from drivers.conformance.outcome import Check
from drivers.errors import LinkDesync

_PUSHES = 200
_READS = 8
_SIGMAS = 6.0
_ENERGY_TOLERANCE = 0.1


def _range(controller: Controller) -> None:
    size = controller.size()
    for first, count in ((0, 1), (size - 1, 1), (0, min(size, 1000))):
        _codes(controller, first, count)
        controller.no_errors()
    for query in (f"READ:COND? {size},1", f"READ:COND? {size - 1},2", "READ:COND? 0,0", "READ:COND? -1,1"):
        controller.refuses(query, (-222,))


def _codes(controller: Controller, first: int, count: int) -> NDArray[np.uint16]:
    try:
        return controller.codes(first, count)
    except LinkDesync as error:
        raise Deviation(f"READ:COND? {first},{count}: {error}") from error


def _scale(controller: Controller) -> str:
    offset, lsb = scpi.parse_reals(controller.ask("READ:COND:SCAL?"), 2)
    if not lsb > 0:
        raise Deviation(f"one code is {lsb:g} S")
    return f"{offset:g} S + code x {lsb:g} S"


def _nothing_selected(controller: Controller) -> None:
    controller.accepts("*RST")
    controller.refuses("READ:COND:SEL?", (-221,))
    _select(controller, np.array([0], np.uint32))
    controller.codes_selected(1)
    controller.no_errors()


def _movement(controller: Controller) -> str:
    """Push the first half of the plan's devices, then pull it; the second half watches, interleaved in the reading."""
    first, count = controller.plan.first, controller.plan.count
    half = count // 2
    moved, watching = slice(0, half), slice(half, 2 * half)
    start, noise = _mean_codes(controller, first, count)
    _fire(controller, "PUSH", first, half)
    pushed, _ = _mean_codes(controller, first, count)
    # Second half and first half in turn, last first: only the selection's own order gives the codes read before.
    order = np.stack((np.arange(half, 2 * half), np.arange(half)), axis=1).ravel()[::-1]
    _select(controller, (first + order).astype(np.uint32))
    selected = np.mean([controller.codes_selected(order.size) for _ in range(_READS)], axis=0)
    _fire(controller, "PULL", first, half)
    pulled, _ = _mean_codes(controller, first, count)
    rise, fall = (pushed - start)[moved], (pulled - pushed)[moved]
    least = _SIGMAS * max(noise, 1.0)
    if max(abs(rise.mean()), abs(fall.mean())) < least:
        raise Untried(f"{_PUSHES} pulses moved nothing that can be seen above the noise: raise --amplitude or --width")
    if rise.mean() < least or fall.mean() > -least:
        raise Deviation(f"pushes changed the codes by {rise.mean():+.0f} on average, pulls by {fall.mean():+.0f}")
    drift = np.abs(pulled - start)[watching].max()
    if drift > max(least, 0.02 * float(np.abs(rise).mean())):
        raise Deviation(f"a device that was not named moved by {drift:.0f} codes")
    if np.abs(selected - pushed[order]).max() > least:
        raise Deviation("READ:COND:SEL? does not answer in the order of the selection")
    return f"{_PUSHES} pushes {rise.mean():+.0f} codes, {_PUSHES} pulls {fall.mean():+.0f}; noise {noise:.1f}"


def _mean_codes(controller: Controller, first: int, count: int) -> tuple[NDArray[np.float64], float]:
    """Return each device's mean code and the standard deviation of such a mean."""
    reads = np.array([_codes(controller, first, count) for _ in range(_READS)], np.float64)
    return reads.mean(axis=0), float(np.sqrt(reads.var(axis=0, ddof=1).mean() / _READS))


def _totals(controller: Controller) -> None:
    first, count = controller.plan.first, controller.plan.count
    before = controller.totals()
    _fire(controller, "PUSH", first, count, 1)
    once = controller.totals()
    _fire(controller, "PUSH", first, count, 3)
    thrice = controller.totals()
    _grew(before, once, count)
    _grew(once, thrice, 3 * count)
    one_j, three_j = once.energy_j - before.energy_j, thrice.energy_j - once.energy_j
    if not one_j > 0 or abs(three_j / one_j - 3) > 3 * _ENERGY_TOLERANCE:
        raise Deviation(f"{count} pulses took {one_j:g} J and {3 * count} took {three_j:g} J")
    controller.codes(first, count)
    if controller.totals() != thrice:
        raise Deviation("reading changed the totals")


def _grew(before: Totals, after: Totals, pushes: int) -> None:
    if (grown := after.push_pulses - before.push_pulses) != pushes or after.pull_pulses != before.pull_pulses:
        raise Deviation(f"STAT:PULS? grew by {grown} pushes when {pushes} were delivered")


def _survival(controller: Controller) -> None:
    first, count = controller.plan.first, controller.plan.count
    _fire(controller, "PUSH", first, count // 2)
    before, codes = controller.totals(), _mean_codes(controller, first, count)
    controller.accepts("*RST")
    controller.accepts("*CLS")
    if (after := controller.totals()) != before:
        raise Deviation(
            f"*RST left tag {after.tag}, {after.push_pulses} pushes and {after.energy_j:g} J; before {before}"
        )
    again, _ = _mean_codes(controller, first, count)
    if np.abs(again - codes[0]).max() > _SIGMAS * 2 * max(codes[1], 1.0):
        raise Deviation("*RST moved the walls or changed the read-out")


def _block_time(controller: Controller) -> str:
    size = controller.size()
    counts = np.zeros(size, np.uint8)
    allowed_s = block_timeout_s(size)
    began_s = time.monotonic()
    controller.load("PATT:PUSH 0,", counts)
    controller.expect("*OPC?", 1)
    took_s = time.monotonic() - began_s
    controller.no_errors()
    with suppress(Deviation):
        controller.accepts("PATT:CLE")
    if took_s > allowed_s:
        raise Deviation(f"{size} counts took {took_s:.1f} s; the driver waits {allowed_s:.1f} s")
    return f"{size} counts in {1e3 * took_s:.1f} ms, {size / took_s / 1e6:.3g} MB/s"


def _fire(controller: Controller, kind: str, first: int, count: int, pulses: int = _PUSHES) -> None:
    """Fire the same number of pulses at each of some devices; moves walls."""
    plan = controller.plan
    for direction in ("PUSH", "PULL"):
        controller.accepts(f"PULS:{direction}:AMPL {plan.amplitude_v!r};:PULS:{direction}:WIDT {plan.width_s!r}")
    controller.accepts(f"OUTP ON;:PATT:TAG {controller.integer('PATT:TAG?') + 1}")
    controller.load(f"PATT:{kind} {first},", np.full(count, pulses, np.uint8))
    controller.fire()
    controller.no_errors()


def _select(controller: Controller, devices: NDArray[np.uint32]) -> None:
    controller.load("ARR:SEL ", devices)
    controller.no_errors()


CHECKS = (
    Check(clause="R1", title="read-out of a range", attempt=_range),
    Check(clause="R2", title="scale of the codes", attempt=_scale),
    Check(clause="R3", title="read-out of the selection", attempt=_nothing_selected),
    Check(clause="R4", title="pushes, pulls and bystanders", attempt=_movement, needs_output=True),
    Check(clause="R5", title="totals", attempt=_totals, needs_output=True),
    Check(clause="R6", title="what survives a reset", attempt=_survival, needs_output=True),
    Check(clause="T1", title="time of a whole block", attempt=_block_time),
)
"""In the order of the page."""
