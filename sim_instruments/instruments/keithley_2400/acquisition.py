"""Measuring with the Keithley 2400: from levels at the terminals to readings with their status words."""

from collections.abc import Callable
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instruments.keithley_2400.settings import OHM_RANGES, OTHER, RANGES
from sim_instruments.instruments.keithley_2400.state import State
from sim_instruments.instruments.keithley_2400.status import Registers
from sim_instruments.instruments.keithley_2400.traces import COLUMNS, KEPT, NOTHING
from sim_instruments.scpi_error import ScpiError
from sim_instruments.smu_output import OVER_RANGE, OVERFLOW, READING, Meter, range_for
from sim_instruments.smu_terminals import Stage, Terminals

NOISE_OF_RANGE: Final = 5e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""

# Bits of the status word.
_OVERFLOW_BIT, _FILTER_BIT, _FRONT_BIT, _COMPLIANCE_BIT = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MEASURED_BIT = {"VOLT": 1 << 11, "CURR": 1 << 12, "RES": 1 << 13}
_SOURCED_BIT = {"VOLT": 1 << 14, "CURR": 1 << 15}
_RANGE_COMPLIANCE_BIT = 1 << 16  # a fixed range, not the compliance, is what limits
_REMOTE_BIT = 1 << 22


@final
class Acquisition:
    """Takes the readings of one pass through the trigger layer.

    Args:
        state: the settings; automatic ranges follow what is read.
        terminals: what is measured.
        registers: told of readings and sweeps.
        trigger_delay_s: tells the time from a trigger to its reading.
    """

    def __init__(
        self, state: State, terminals: Terminals, registers: Registers, trigger_delay_s: Callable[[], float]
    ) -> None:
        self._state = state
        self._terminals = terminals
        self._registers = registers
        self._trigger_delay_s = trigger_delay_s

    def is_limited(self, key: str) -> bool:
        """Return whether the compliance in this quantity holds the output."""
        general = self._state.general
        if key == general.source or not general.output:
            return False
        return self._terminals.is_limited(self._stage(), self._state.function[general.source].level)

    def take(self, count: int) -> NDArray[np.void]:
        """Return so many readings: of the sweep, or at the present level."""
        general, key = self._state.general, self._state.general.source
        sweep, now = self._state.sweep[key], self._state.function[key]
        levels = sweep.levels(now.level, count)
        if np.max(np.abs(levels)) > RANGES[key][-1] * OVER_RANGE:
            raise ScpiError(-222, "the sweep leaves the ranges")
        span = None
        if sweep.mode != "FIX" and (sweep.ranging != "FIX" or now.chooses_source_span):
            span = range_for(float(np.max(np.abs(levels))), RANGES[key])
        if key == "VOLT":
            levels = np.clip(levels, -general.protection_v, general.protection_v)
        taken = self._terminals.measure(self._stage(span=span), levels)
        if sweep.aborts != "NEV" and (limited := np.flatnonzero(taken["is_limited"])).size:
            taken = taken[: limited[0] + 1]
        if sweep.mode != "FIX":
            self._state.change_function(key, level=float(levels[-1]))
            self._registers.note_sweep()
        return self._kept(taken)

    def _stage(self, *, span: float | None = None) -> Stage:
        general = self._state.general
        key = general.source
        limit = self._state.function[OTHER[key]].protection
        if key == "CURR":
            limit = min(limit, general.protection_v)
        delay_s = 0.0 if general.chooses_delay else general.delay_s
        cycles = general.nplc * max(1, len(general.senses)) * (general.average_count if general.averages else 1)
        return Stage(
            function=key,
            limit=limit,
            is_on=general.output,
            is_wired=general.front,
            voltage=self._meter("VOLT", span),
            current=self._meter("CURR", span),
            top_ohm=self._top_ohm(),
            seconds_each=delay_s + self._trigger_delay_s() + cycles / general.line_hz,
        )

    def _top_ohm(self) -> float:
        now = self._state.function["RES"]
        return (OHM_RANGES[-1] if now.chooses_sense_span else now.sense_span) * OVER_RANGE

    def _meter(self, key: Literal["VOLT", "CURR"], source_span: float | None) -> Meter:
        now, general = self._state.function[key], self._state.general
        if key == general.source:
            # What is sourced is measured on the range of the source.
            span = source_span or now.source_span
        else:
            span = now.sense_span if key in general.senses and not now.chooses_sense_span else None
        nplc = general.nplc * (general.average_count if general.averages else 1)
        return Meter(ranges=RANGES[key], span=span, nplc=nplc, noise_of_range=NOISE_OF_RANGE)

    def _kept(self, taken: NDArray[np.void]) -> NDArray[np.void]:
        kept = np.zeros(len(taken), KEPT)
        for name in READING.names or ():
            kept[name] = taken[name]
        kept["time_s"] -= self._state.started_s
        general = self._state.general
        for key in ("VOLT", "CURR", "RES"):
            if key not in general.senses:
                kept[COLUMNS[key]] = kept["source"] if key == general.source else NOTHING
        values = np.stack([np.abs(kept[COLUMNS[key]]) for key in general.senses] or [np.zeros(len(kept))])
        is_over = np.any(values == OVERFLOW, axis=0)
        always = _SOURCED_BIT[general.source] | sum(_MEASURED_BIT[key] for key in general.senses)
        always |= _FRONT_BIT if general.front else 0
        always |= _REMOTE_BIT if general.remote else 0
        always |= _FILTER_BIT if general.averages else 0
        compliance = np.where(kept["is_limited"], _COMPLIANCE_BIT, 0)
        over = _OVERFLOW_BIT
        if not self._state.function[OTHER[general.source]].chooses_sense_span:
            over |= _RANGE_COMPLIANCE_BIT
        kept["status"] = always | compliance | np.where(is_over, over, 0)
        self._follow_ranges(kept[-1])
        self._registers.note_readings(is_over=bool(np.any(is_over)), is_limited=bool(np.any(kept["is_limited"])))
        return kept

    def _follow_ranges(self, last: np.void) -> None:
        for key in ("VOLT", "CURR", "RES"):
            value = abs(float(last[COLUMNS[key]]))
            if self._state.function[key].chooses_sense_span and value < OVERFLOW and key != self._state.general.source:
                self._state.change_function(key, sense_span=range_for(value, RANGES[key]))
