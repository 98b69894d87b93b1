"""Looks at what came out: at the ledger of the sample, and at what a source shows.

It knows the limits and nothing of the guard; the twins are asked past it.
"""

from collections.abc import Callable

import numpy as np

from guard_programs.limits import WRITE_OHM, PulseLimits, SourceLimits
from sim_instruments.ledger import Entry

SLACK = 1 + 1e-3


def judge_pulses(limits: PulseLimits, entries: list[Entry], bursts: int) -> None:
    """Raise AssertionError unless these pulses, of so many bursts, are within the limits."""
    most_j = bursts * limits.energy_j * SLACK
    energy_j = 0.0
    for entry in entries:
        for pulses, amplitude_v, width_s in (
            (entry.push_pulses, entry.push_amplitude_v, entry.push_width_s),
            (entry.pull_pulses, entry.pull_amplitude_v, entry.pull_width_s),
        ):
            if pulses:
                assert limits.amplitude_v[0] / SLACK <= abs(amplitude_v) <= limits.amplitude_v[1] * SLACK
                assert limits.width_s[0] / SLACK <= width_s <= limits.width_s[1] * SLACK
        if entry.device_count > 1:
            largest = np.asarray(entry.push, float) * entry.push_amplitude_v**2 * entry.push_width_s
            largest = largest + np.asarray(entry.pull, float) * entry.pull_amplitude_v**2 * entry.pull_width_s
            assert largest.max() / WRITE_OHM <= most_j
        else:
            energy_j += entry.energy_j
    # One device hangs on the row of a generator: its entries add up.
    assert energy_j <= most_j


def judge_source(limits: SourceLimits, model: str, ask: Callable[[bytes], str]) -> int:
    """Raise AssertionError unless the outputs that are on show no more than they may; return how many are on."""
    most_v, most_a = limits.voltage_v[1] * SLACK, limits.compliance_a[1] * SLACK
    on = 0
    for function, (voltage_v, compliance_a, current_a, compliance_v) in _shown(model, ask):
        on += 1
        if function == "VOLT":
            assert limits.voltage_v[0] * SLACK <= voltage_v <= most_v
            assert compliance_a <= most_a
        else:
            assert abs(current_a) <= most_a
            assert abs(compliance_v) <= most_v
    return on


def _shown(model: str, ask: Callable[[bytes], str]) -> list[tuple[str, list[float]]]:
    """Return function, voltage, its compliance, current and its compliance of each output that is on."""
    if model == "keithley-2602b":
        replies = [[float(number) for number in ask(question).split()] for question in _TSP_QUESTIONS]
        return [("VOLT" if function == 1 else "CURR", rest) for output, function, *rest in replies if output == 1]
    found = []
    for output, question in _SCPI_QUESTIONS[model]:
        if ask(output) == "1":
            function, *levels = ask(question).split(";")
            found.append((function, [float(level) for level in levels]))
    return found


_TSP_QUESTIONS = [
    "print({})".format(
        ", ".join(f"{smu}.source.{name}" for name in ("output", "func", "levelv", "limiti", "leveli", "limitv"))
    ).encode()
    for smu in ("smua", "smub")
]
_SCPI_QUESTIONS = {
    "keithley-2450": [(b":OUTP?", b":SOUR:FUNC?;:SOUR:VOLT?;:SOUR:VOLT:ILIM?;:SOUR:CURR?;:SOUR:CURR:VLIM?")],
    "keithley-2400": [(b":OUTP?", b":SOUR:FUNC?;:SOUR:VOLT?;:SENS:CURR:PROT?;:SOUR:CURR?;:SENS:VOLT:PROT?")],
    "keysight-b2902a": [
        (
            b":OUTP%d?" % n,
            b":SOUR%d:FUNC:MODE?;:SOUR%d:VOLT?;:SENS%d:CURR:PROT?;:SOUR%d:CURR?;:SENS%d:VOLT:PROT?" % (n, n, n, n, n),
        )
        for n in (1, 2)
    ],
}
