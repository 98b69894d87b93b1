"""Measuring with a channel of the 2600B series: from levels at the terminals to readings in buffers."""

import math
from collections.abc import Mapping
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instruments.keithley_2600b.settings import SOURCE_OVER, VOLTS
from sim_instruments.instruments.keithley_2600b.source import Source
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.smu_output import (
    LINE_FREQUENCY_HZ,
    OVER_RANGE,
    OVERFLOW,
    Meter,
    range_for,
)
from sim_instruments.smu_terminals import Stage, Terminals
from sim_instruments.tsp.buffer import ReadingBuffer
from sim_instruments.tsp.numbers import NOT_A_NUMBER
from sim_instruments.tsp.vocabulary import Argument, Attribute, Node, Settings, number_within

NOISE_OF_RANGE: Final = 1e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""

COMPLIANCE: Final = 0x40
"""Bit of a reading's status: a limit held the output."""

Targets = tuple[tuple[str, ReadingBuffer], ...]
"""What is measured, and the buffer where it goes."""

_AUTORANGED_MEASURE, _AUTORANGED_SOURCE, _FOUR_WIRE, _FILTERED = 0x04, 0x08, 0x10, 0x80
_TOP_OHM = 1e15
_COLUMN_OF = {"i": "current_a", "v": "voltage_v", "r": "resistance_ohm"}


@final
class Measurement:
    """What `measure` does."""

    def __init__(
        self, name: str, settings: Settings, source: Source, terminals: Terminals, place: Place, *, is_wired: bool
    ) -> None:
        """Make the meter of a channel.

        Args:
            name: `smua`.
            settings: the channel's settings; automatic ranges follow what is read.
            source: what sources meanwhile.
            terminals: what is measured.
            place: the same, for single readings.
            is_wired: whether it leads to the bench's measure row.
        """
        self._settings = settings
        self._source = source
        self._terminals = terminals
        self._place = place
        self._noise = place.sample.noise_source(f"{place.serial} {name}")
        self._is_wired = is_wired

    def attributes(self, name: str) -> dict[str, Attribute]:
        """Return the attributes of a channel's meter whose values depend on others."""
        found = {f"{name}.source.compliance": Attribute(get=self.is_limited)}
        for kind in ("v", "i"):
            found[f"{name}.measure.range{kind}"] = Attribute(
                get=lambda kind=kind: self._span(kind),
                set=lambda value, kind=kind: self._set_span(kind, value),
            )
        return found

    def is_limited(self) -> bool:
        """Return whether a limit holds the output."""
        return self._terminals.is_limited(self.stage(), self._source.level)

    def stage(self, *, extra_s: float = 0.0, is_many: bool = False) -> Stage:
        """Return how the settings have it measured."""
        settings = self._settings
        function: Literal["VOLT", "CURR"] = "VOLT" if settings["source.func"] == VOLTS else "CURR"
        current = self._meter("i")
        seconds_each = current.nplc / LINE_FREQUENCY_HZ + max(settings["measure.delay"], 0.0) + extra_s
        return Stage(
            function=function,
            limit=settings["source.limiti" if function == "VOLT" else "source.limitv"],
            is_on=self._source.is_on,
            is_wired=self._is_wired,
            voltage=self._meter("v"),
            current=current,
            top_ohm=_TOP_OHM,
            seconds_each=max(seconds_each, settings["measure.interval"]) if is_many else seconds_each,
        )

    def take(self, kinds: str, stage: Stage, levels: NDArray[np.float64], targets: Targets) -> tuple[float, ...]:
        """Measure at each level, store, and return the last readings."""
        if len(levels) == 1:
            return self._take_one(kinds, stage, float(levels[0]), targets)
        readings = self._terminals.measure(stage, levels)
        columns = {kind: readings[column] for kind, column in _COLUMN_OF.items()}
        columns["p"] = columns["v"] * columns["i"]
        statuses = self._status_of_readings() + COMPLIANCE * readings["is_limited"].astype(np.float64)
        for kind, buffer in targets:
            buffer.add(_shown(columns[kind]), levels, readings["time_s"], statuses)
        self._note_ranges(float(columns["v"][-1]), float(columns["i"][-1]))
        return tuple(float(_shown(columns[kind][-1:])[0]) for kind in kinds)

    def _take_one(self, kinds: str, stage: Stage, level: float, targets: Targets) -> tuple[float, ...]:
        """Do what `_take` does for one level, without arrays: scripts measure in loops."""
        point = self._terminals.settled(stage, level)
        voltage_v = self._read(point.voltage_v, stage.voltage)
        current_a = self._read(point.current_a, stage.current)
        self._terminals.wait(stage.seconds_each)
        is_lost = current_a == 0 or NOT_A_NUMBER in (abs(voltage_v), abs(current_a))
        shown = {
            "v": voltage_v,
            "i": current_a,
            "r": NOT_A_NUMBER if is_lost else voltage_v / current_a,
            "p": voltage_v * current_a,
        }
        status = self._status_of_readings() + (COMPLIANCE if point.is_limited else 0)
        for kind, buffer in targets:
            buffer.add_one(shown[kind], level, self._terminals.now_s, status)
        self._note_ranges(voltage_v, current_a)
        return tuple(shown[kind] for kind in kinds)

    def _read(self, value: float, meter: Meter) -> float:
        span = range_for(value, meter.ranges) if meter.span is None else meter.span
        reading = value + meter.noise_of_range * span / math.sqrt(meter.nplc) * float(self._noise.standard_normal())
        return reading if abs(reading) <= span * OVER_RANGE else math.copysign(NOT_A_NUMBER, reading)

    def _note_ranges(self, voltage_v: float, current_a: float) -> None:
        for kind, value in (("v", voltage_v), ("i", current_a)):
            if self._settings[f"measure.autorange{kind}"]:
                self._settings[f"measure.range{kind}"] = range_for(value, self._source.ranges(kind))

    def _status_of_readings(self) -> float:
        settings = self._settings
        kind = "v" if settings["source.func"] == VOLTS else "i"
        other = "i" if kind == "v" else "v"
        bits = _AUTORANGED_MEASURE if settings[f"measure.autorange{other}"] else 0
        bits |= _AUTORANGED_SOURCE if settings[f"source.autorange{kind}"] else 0
        bits |= _FOUR_WIRE if settings["sense"] == 1 else 0
        bits |= _FILTERED if settings["measure.filter.enable"] else 0
        return float(bits)

    def _meter(self, kind: str) -> Meter:
        settings = self._settings
        is_sourced = (kind == "v") == (settings["source.func"] == VOLTS)
        is_held = is_sourced or not settings[f"measure.autorange{kind}"]
        averaged = settings["measure.filter.count"] if settings["measure.filter.enable"] else 1.0
        return Meter(
            ranges=self._source.ranges(kind),
            span=self._span(kind) if is_held else None,
            nplc=settings["measure.nplc"] * averaged,
            noise_of_range=NOISE_OF_RANGE,
        )

    def _span(self, kind: str) -> float:
        is_sourced = (kind == "v") == (self._settings["source.func"] == VOLTS)
        return self._source.span(kind) if is_sourced else self._settings[f"measure.range{kind}"]

    def _set_span(self, kind: str, value: Argument) -> None:
        top = self._source.ranges(kind)[-1] * SOURCE_OVER
        self._settings[f"measure.range{kind}"] = range_for(number_within(value, -top, top), self._source.ranges(kind))
        self._settings[f"measure.autorange{kind}"] = 0.0


def targets_of(kinds: str, given: tuple[Argument, ...], buffers: Mapping[str, ReadingBuffer]) -> Targets:
    """Return where readings go.

    Args:
        kinds: what is measured: `iv`.
        given: the buffers that a message names, or nil.
        buffers: all of the instrument's, by name.

    Raises:
        ScpiError: for more buffers than readings, or something that is none.
    """
    if len(given) > len(kinds):
        raise ScpiError(-108, "more buffers than measurements")
    targets: list[tuple[str, ReadingBuffer]] = []
    for kind, node in zip(kinds, given, strict=False):
        if node is None:
            continue
        buffer = buffers.get(node.path) if isinstance(node, Node) else None
        if buffer is None:
            raise ScpiError(-104, "a reading buffer is wanted")
        targets.append((kind, buffer))
    return tuple(targets)


def _shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return readings with the instrument's own number for an overflow."""
    return np.where(np.abs(values) >= OVERFLOW, np.copysign(NOT_A_NUMBER, values), values)
