"""Measuring with the Keithley 2450: from levels at the terminals to what a buffer keeps."""

from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instruments.keithley_2450.output import Output
from sim_instruments.instruments.keithley_2450.settings import OHM_RANGES, RANGES, UNIT_CODES
from sim_instruments.instruments.keithley_2450.state import State
from sim_instruments.instruments.keithley_2450.traces import (
    FRONT,
    KEPT,
    SOURCE_FOUR_WIRE,
    SOURCE_LIMITED,
    SOURCE_ON,
    SOURCE_READ_BACK,
)
from sim_instruments.smu_output import LINE_FREQUENCY_HZ, OVER_RANGE, OVERFLOW, Meter, range_for
from sim_instruments.smu_terminals import Stage, Terminals

NOISE_OF_RANGE: Final = 1e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""


@final
class Acquisition:
    """Takes readings.

    Args:
        state: the settings; automatic ranges follow what is read.
        terminals: what is measured.
        output: tells how many volts it may give.
    """

    def __init__(self, state: State, terminals: Terminals, output: Output) -> None:
        self._state = state
        self._terminals = terminals
        self._output = output

    def is_limited(self, key: str) -> bool:
        """Return whether the limit of a source function holds the output."""
        general = self._state.general
        if key != general.source or not general.output:
            return False
        return self._terminals.is_limited(self.stage(is_on=True, delay_s=0.0), self._state.source[key].level)

    def take(self, stage: Stage, levels: NDArray[np.float64]) -> NDArray[np.void]:
        """Measure at these levels and return what a buffer keeps of it."""
        general, source = self._state.general, self._state.source[self._state.general.source]
        if general.source == "VOLT":
            levels = np.clip(levels, -self._output.most_v(), self._output.most_v())
        taken = self._terminals.measure(stage, levels)
        names = {"VOLT": "voltage_v", "CURR": "current_a", "RES": "resistance_ohm"}
        kept = np.zeros(len(taken), KEPT)
        kept["reading"] = taken[names[general.sense]]
        kept["source"] = taken[names[general.source]] if source.reads_back and stage.is_on else taken["source"]
        kept["time_s"] = taken["time_s"]
        kept["status"] = FRONT if general.terminals == "FRON" else 0
        always = (SOURCE_ON if stage.is_on else 0) | (SOURCE_READ_BACK if source.reads_back else 0)
        four_wire = SOURCE_FOUR_WIRE if self._state.sense[general.sense].four_wire else 0
        kept["source_status"] = np.where(taken["is_limited"], SOURCE_LIMITED, 0) | always | four_wire
        kept["unit"], kept["source_unit"] = UNIT_CODES[general.sense], UNIT_CODES[general.source]
        self._follow_range(kept)
        return kept

    def stage(self, *, is_on: bool, delay_s: float) -> Stage:
        """Return how the settings have it measured."""
        general, source, sense = (
            self._state.general,
            self._state.source[self._state.general.source],
            self._state.sense[self._state.general.sense],
        )
        limit = source.limit
        if general.source == "CURR":
            limit = min(limit, self._output.most_v())
        return Stage(
            function=general.source,
            limit=limit,
            is_on=is_on,
            is_wired=general.terminals == "FRON",
            voltage=self._meter("VOLT", sense.nplc),
            current=self._meter("CURR", sense.nplc),
            top_ohm=(OHM_RANGES[-1] if sense.chooses_span else sense.span) * OVER_RANGE,
            seconds_each=delay_s + sense.nplc / LINE_FREQUENCY_HZ * (sense.average_count if sense.averages else 1),
        )

    def _meter(self, key: Literal["VOLT", "CURR"], nplc: float) -> Meter:
        if key == self._state.general.source:
            span = None if self._state.source[key].chooses_span else self._state.source[key].span
        else:
            # Only the function that is measured is held on its range.
            is_held = key == self._state.general.sense and not self._state.sense[key].chooses_span
            span = self._state.sense[key].span if is_held else None
        return Meter(ranges=RANGES[key], span=span, nplc=nplc, noise_of_range=NOISE_OF_RANGE)

    def _follow_range(self, kept: NDArray[np.void]) -> None:
        key = self._state.general.sense
        value = float(kept["reading"][-1])
        if self._state.sense[key].chooses_span and abs(value) < OVERFLOW:
            self._state.change_sense(key, span=range_for(value, RANGES[key]))
