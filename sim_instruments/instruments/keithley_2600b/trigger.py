"""Trigger model of a channel of the 2600B series, as far as sweeps need it.

It sources a list and measures at each point, in one go. Nothing can be made to wait for an event.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instruments.keithley_2600b.measurement import Measurement, Targets, targets_of
from sim_instruments.instruments.keithley_2600b.settings import (
    AMPERES,
    HOLD,
    INTERLOCKED_ABOVE_V,
    SOURCE_OVER,
    VOLTS,
    whole,
)
from sim_instruments.instruments.keithley_2600b.source import Source
from sim_instruments.scpi_error import ScpiError
from sim_instruments.smu_terminals import Terminals
from sim_instruments.tsp.buffer import CAPACITY, ReadingBuffer
from sim_instruments.tsp.vocabulary import Argument, Result, Settings, number


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What the trigger model does at each point."""

    function: float
    levels: NDArray[np.float64]


@final
class TriggerModel:
    """What `trigger` does.

    Args:
        settings: the channel's settings.
        source: what is swept.
        measurement: what measures.
        terminals: lets time pass and knows the interlock.
        buffers: all buffers of the instrument, by name.
    """

    def __init__(
        self,
        settings: Settings,
        source: Source,
        measurement: Measurement,
        terminals: Terminals,
        buffers: Mapping[str, ReadingBuffer],
    ) -> None:
        self._settings = settings
        self._source = source
        self._measurement = measurement
        self._terminals = terminals
        self._buffers = buffers
        self._sweep: _Sweep | None = None
        self._measures: Targets = ()

    def reset(self) -> None:
        """Forget what was set up."""
        self._sweep = None
        self._measures = ()

    def functions(self, name: str) -> dict[str, Callable[..., Result]]:
        """Return the functions of a channel's trigger model."""
        return {
            f"{name}.trigger.source.listv": lambda *given: self._set_list(VOLTS, *given),
            f"{name}.trigger.source.listi": lambda *given: self._set_list(AMPERES, *given),
            f"{name}.trigger.source.linearv": lambda *given: self._set_linear(VOLTS, *given),
            f"{name}.trigger.source.lineari": lambda *given: self._set_linear(AMPERES, *given),
            **{f"{name}.trigger.measure.{kinds}": self._measurer(kinds) for kinds in ("i", "v", "r", "p", "iv")},
            f"{name}.trigger.initiate": lambda *_: self._initiate(),
        }

    def _set_list(self, function: float, levels: Argument = None, *more: Argument) -> None:
        if more or not isinstance(levels, tuple) or not levels:
            raise ScpiError(-104, "a list of levels is wanted")
        self._keep_sweep(function, np.array(levels, np.float64))

    def _set_linear(self, function: float, *given: Argument) -> None:
        if len(given) != 3:
            raise ScpiError(-109, "start, stop and number of points are wanted")
        start, stop = number(given[0]), number(given[1])
        self._keep_sweep(function, np.linspace(start, stop, int(whole(1, CAPACITY)(given[2]))))

    def _keep_sweep(self, function: float, levels: NDArray[np.float64]) -> None:
        top = self._source.ranges("v" if function == VOLTS else "i")[-1] * SOURCE_OVER
        if len(levels) > CAPACITY or not bool(np.all(np.abs(levels) <= top)):
            raise ScpiError(-222, text="Parameter data out of range")
        self._sweep = _Sweep(function, levels)

    def _measurer(self, kinds: str) -> Callable[..., None]:
        def choose(*given: Argument) -> None:
            targets = targets_of(kinds, given, self._buffers)
            if not targets:
                raise ScpiError(-109, "a reading buffer is wanted")
            self._measures = targets

        return choose

    def _initiate(self) -> None:
        settings = self._settings
        points, rounds = int(settings["trigger.count"]), int(settings["trigger.arm.count"])
        if points * rounds > CAPACITY:
            raise ScpiError(-222, text="Parameter data out of range")
        levels = np.full(points, self._source.level)
        if settings["trigger.source.action"]:
            levels = self._swept_levels(points)
        levels = np.tile(levels, rounds)
        # One range for all of it: the sweep's own where the source chooses its range.
        self._source.held = float(levels[np.argmax(np.abs(levels))])
        stage = self._measurement.stage(extra_s=max(settings["source.delay"], 0.0))
        self._source.held = None
        if settings["trigger.measure.action"] and self._measures:
            for _, buffer in self._measures:
                buffer.start()
            kinds = "".join(kind for kind, _ in self._measures)
            self._measurement.take(kinds, stage, levels, self._measures)
        else:
            self._terminals.wait(max(settings["source.delay"], 0.0) * len(levels))
        is_held = settings["trigger.source.action"] and settings["trigger.endsweep.action"] == HOLD
        self._source.held = float(levels[-1]) if is_held else None

    def _swept_levels(self, points: int) -> NDArray[np.float64]:
        sweep, function = self._sweep, self._settings["source.func"]
        if sweep is None or sweep.function != function:
            raise ScpiError(-221, text="Settings conflict: no sweep of the source function is configured")
        kind = "v" if function == VOLTS else "i"
        if not self._settings[f"source.autorange{kind}"]:
            top = self._source.span(kind) * SOURCE_OVER
            if not bool(np.all(np.abs(sweep.levels) <= top)):
                raise ScpiError(-222, text="Parameter data out of range")
        largest = float(np.max(np.abs(sweep.levels)))
        if kind == "v" and largest > INTERLOCKED_ABOVE_V and not self._terminals.interlock_closed:
            raise ScpiError(802, text="OUTPUT blocked by interlock")
        return np.resize(sweep.levels, points)
