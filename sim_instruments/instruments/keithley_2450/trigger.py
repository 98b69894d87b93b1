"""Trigger models of the Keithley 2450: a sweep of the source, or a loop of measurements."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instruments.keithley_2450.acquisition import Acquisition
from sim_instruments.instruments.keithley_2450.output import Output
from sim_instruments.instruments.keithley_2450.settings import (
    DELAY,
    LIST_LENGTH,
    MOST_SWEPT,
    POINTS,
    PROGRAM,
    RANGE_KIND,
    SOURCE_FUNCTIONS,
    SWEPT_DELAY,
    Program,
    SourceFunction,
)
from sim_instruments.instruments.keithley_2450.state import State
from sim_instruments.instruments.keithley_2450.status import ENDED, STARTED, Registers
from sim_instruments.instruments.keithley_2450.traces import BUFFER, SOURCE_LIMITED, Traces
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Integer
from sim_instruments.scpi_tree import Command


@final
class TriggerModel:
    """What INITiate runs.

    Args:
        state: the settings.
        output: what a sweep switches on and off.
        acquisition: takes the readings.
        traces: where they go.
        registers: told of start and end.
    """

    def __init__(
        self, state: State, output: Output, acquisition: Acquisition, traces: Traces, registers: Registers
    ) -> None:
        self._state = state
        self._output = output
        self._acquisition = acquisition
        self._traces = traces
        self._registers = registers
        self._program: Program | None = None

    def reset(self) -> None:
        """Forget what was set up."""
        self._program = None

    def commands(self) -> tuple[Command, ...]:
        """Return the commands that set up a sweep or a loop, and those that run it."""
        count = Integer(low=1, high=MOST_SWEPT)
        return (
            *(command for function in SOURCE_FUNCTIONS for command in self._sweep_commands(function)),
            Command(":INITiate[:IMMediate]", self._initiate),
            Command(":ABORt", lambda: None),
            Command(":TRIGger:STATe?", lambda: "IDLE;IDLE;0" if self._program else "EMPTY;EMPTY;0"),
            Command(":TRIGger:LOAD", self._load, (PROGRAM, count, DELAY, BUFFER), optional=3),
        )

    def _sweep_commands(self, function: SourceFunction) -> tuple[Command, ...]:
        key, at = function.key, f":SOURce#:SWEep:{function.header}"
        passes = Integer(low=1, high=1_000_000)
        ends = (SWEPT_DELAY, passes, RANGE_KIND, Boolean(), Boolean(), BUFFER)
        return (
            Command(
                f"{at}:LINear",
                lambda start, stop, points, *rest: self._plan(key, np.linspace(start, stop, points), *rest),
                (function.level, function.level, POINTS, *ends),
                optional=len(ends),
            ),
            Command(
                f"{at}:LINear:STEP",
                lambda start, stop, step, *rest: self._plan(key, _stepped(start, stop, step), *rest),
                (function.level, function.level, function.level, *ends),
                optional=len(ends),
            ),
            Command(
                f"{at}:LOG",
                lambda start, stop, points, *rest: self._plan(key, _spaced(start, stop, points), *rest),
                (function.level, function.level, POINTS, *ends),
                optional=len(ends),
            ),
            Command(
                f"{at}:LIST",
                lambda first, delay_s=-1.0, count=1, stops=True, buffer="defbuffer1": self._plan(
                    key, np.array(self._state.listed(key)[first - 1 :]), delay_s, count, "AUTO", stops, False, buffer
                ),
                (Integer(low=1, high=LIST_LENGTH), SWEPT_DELAY, passes, Boolean(), BUFFER),
                optional=4,
            ),
        )

    def _plan(
        self,
        key: str,
        levels: NDArray[np.float64],
        delay_s: float = -1.0,
        passes: int = 1,
        _span: str = "AUTO",
        stops_at_limit: bool = True,
        is_dual: bool = False,
        buffer: str = "defbuffer1",
    ) -> None:
        self._traces.buffer(buffer)
        swept = np.concatenate((levels, levels[::-1])) if is_dual else levels
        if not 1 <= len(swept) * passes <= MOST_SWEPT:
            raise ScpiError(-223, f"a sweep has 1 to {MOST_SWEPT} points")
        if key != self._state.general.source:
            raise ScpiError(-221, "the sweep is of another source function")
        self._program = Program(
            levels=swept,
            count=passes,
            delay_s=max(delay_s, 0.0),
            stops_at_limit=stops_at_limit,
            buffer=buffer,
        )

    def _load(self, name: str, count: int = 1, delay_s: float = 0.0, buffer: str = "defbuffer1") -> None:
        self._traces.buffer(buffer)
        loop = Program(levels=None, count=count, delay_s=delay_s, stops_at_limit=False, buffer=buffer)
        self._program = loop if name == "SL" else None

    def _initiate(self) -> None:
        program = self._program
        if program is None:
            raise ScpiError(-200, "there is no trigger model: load one or set up a sweep")
        found = self._traces.buffer(program.buffer)
        if program.levels is None:
            level = self._state.source[self._state.general.source].level
            levels, is_on = np.full(program.count, level), self._state.general.output
        else:
            levels, is_on = np.tile(program.levels, program.count), True
            if self._state.general.source == "VOLT":
                self._output.check_interlock(float(np.max(np.abs(levels))))
        self._registers.post(STARTED)
        found.clear()
        taken = self._acquisition.take(self._acquisition.stage(is_on=is_on, delay_s=program.delay_s), levels)
        if program.stops_at_limit and (limited := np.flatnonzero(taken["source_status"] & SOURCE_LIMITED)).size:
            taken = taken[: limited[0] + 1]
        found.add(taken)
        if program.levels is not None:
            self._output.switch(False)
        self._registers.post(ENDED)


def _stepped(start: float, stop: float, step: float) -> NDArray[np.float64]:
    if step == 0 or not 0 <= (stop - start) / step < MOST_SWEPT:
        raise ScpiError(-222, "the steps do not lead from start to stop")
    return start + step * np.arange(int((stop - start) / step + 1e-9) + 1, dtype=np.float64)


def _spaced(start: float, stop: float, points: int) -> NDArray[np.float64]:
    if start * stop <= 0:
        raise ScpiError(-222, "a logarithmic sweep does not pass zero")
    return np.array(np.geomspace(start, stop, points), dtype=np.float64)
