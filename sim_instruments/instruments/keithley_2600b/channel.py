"""One channel of a Keithley 2600B as its scripts see it: `smua`, with source, measure, buffers and trigger model.

What a reading is comes from `smu_terminals`; here are the names, ranges and rules. The trigger model runs as far as
sweeps need it: source a list, measure at each point, in one go. Nothing can be made to wait for an event, and the
attributes that would do so take 0 only.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.smu_output import (
    LINE_FREQUENCY_HZ,
    OVER_RANGE,
    OVERFLOW,
    Meter,
    measured_conductance_s,
    operating_point,
    range_for,
)
from sim_instruments.smu_terminals import Stage, Terminals
from sim_instruments.tsp.buffer import CAPACITY, ReadingBuffer
from sim_instruments.tsp.numbers import NOT_A_NUMBER
from sim_instruments.tsp.vocabulary import (
    Argument,
    Attribute,
    Node,
    Result,
    Settings,
    Vocabulary,
    among,
    number,
    number_within,
    within,
)

NOISE_OF_RANGE: Final = 1e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""

COMPLIANCE: Final = 0x40
"""Bit of a reading's status: a limit held the output."""

_AUTORANGED_MEASURE, _AUTORANGED_SOURCE, _FOUR_WIRE, _FILTERED = 0x04, 0x08, 0x10, 0x80
_SOURCE_OVER = 1.01
_HIGH_CAPACITANCE_RANGE_A = 1e-6
_INTERLOCKED_ABOVE_V = 42.0
_TOP_OHM = 1e15
_VOLTS, _AMPERES = 1.0, 0.0
_IDLE, _HOLD = 0.0, 1.0

_COLUMN_OF = {"i": "current_a", "v": "voltage_v", "r": "resistance_ohm"}

_CONSTANTS = {
    "OUTPUT_DCAMPS": _AMPERES,
    "OUTPUT_DCVOLTS": _VOLTS,
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
    "SOURCE_IDLE": _IDLE,
    "SOURCE_HOLD": _HOLD,
}


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


def _rules(ratings: Ratings) -> dict[str, tuple[float, Callable[[Argument], float]]]:
    """Return defaults and rules of every setting, by name below the channel."""
    top_v = ratings.voltage_ranges_v[-1] * _SOURCE_OVER
    top_a = ratings.current_ranges_a[-1] * _SOURCE_OVER
    switch, nothing = among(0, 1), among(0)
    return {
        "sense": (0.0, among(0, 1, 3)),
        "source.func": (_VOLTS, switch),
        "source.output": (0.0, among(0, 1, 2)),
        "source.offmode": (0.0, among(0, 1, 2)),
        "source.offfunc": (_VOLTS, switch),
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
        "measure.count": (1.0, _whole(1, CAPACITY)),
        "measure.interval": (0.0, within(0, 1)),
        "measure.delay": (0.0, _delay),
        "measure.delayfactor": (1.0, within(0, 1e4)),
        "measure.filter.enable": (0.0, switch),
        "measure.filter.count": (1.0, _whole(1, 100)),
        "measure.filter.type": (1.0, among(0, 1, 2)),
        "trigger.count": (1.0, _whole(1, CAPACITY)),
        "trigger.arm.count": (1.0, _whole(1, CAPACITY)),
        "trigger.arm.stimulus": (0.0, nothing),
        "trigger.source.action": (0.0, switch),
        "trigger.source.stimulus": (0.0, nothing),
        "trigger.measure.action": (0.0, among(0, 1, 2)),
        "trigger.measure.stimulus": (0.0, nothing),
        "trigger.endpulse.action": (_HOLD, switch),
        "trigger.endpulse.stimulus": (0.0, nothing),
        "trigger.endsweep.action": (_IDLE, switch),
    }


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What the trigger model does at each point."""

    function: float
    levels: NDArray[np.float64]


@final
class Channel:
    """`smua` or `smub`."""

    def __init__(
        self,
        name: str,
        ratings: Ratings,
        terminals: Terminals,
        place: Place,
        buffers: dict[str, ReadingBuffer],
        *,
        is_wired: bool,
    ) -> None:
        """Make a channel that is off.

        Args:
            name: `smua`.
            ratings: the model's ranges.
            terminals: what it is plugged into.
            place: the same, for single readings.
            buffers: all buffers of the instrument by name; the channel adds its own.
            is_wired: whether it leads to the bench's measure row.
        """
        self._name = name
        self._ratings = ratings
        self._terminals = terminals
        self._place = place
        self._noise = place.sample.noise_source(f"{place.serial} {name}")
        self._is_wired = is_wired
        self._settings = Settings(_rules(ratings))
        self._buffers = buffers
        self._own = [ReadingBuffer(f"{name}.nvbuffer{number}") for number in (1, 2)]
        buffers.update((buffer.path, buffer) for buffer in self._own)
        self._sweep: _Sweep | None = None
        self._sweep_measures: tuple[tuple[str, ReadingBuffer], ...] = ()
        self._held: float | None = None

    def reset(self) -> None:
        """Output off and every setting to its default; the buffers are emptied."""
        self._terminals.set_live(False)
        self._settings.reset()
        for buffer in self._own:
            buffer.reset()
        self._sweep = None
        self._sweep_measures = ()
        self._held = None

    @property
    def condition(self) -> float:
        """Return the measurement condition register: bit 0 for the voltage limit, bit 1 for the current limit."""
        if not self._is_limited():
            return 0.0
        return 2.0 if self._settings["source.func"] == _VOLTS else 1.0

    def vocabulary(self) -> Vocabulary:
        """Return the channel's names."""
        name = self._name
        own = Vocabulary(
            attributes={**self._settings.attributes(f"{name}."), **self._ruled_attributes()},
            functions={
                f"{name}.reset": lambda *_: self.reset(),
                f"{name}.abort": lambda *_: None,
                **{
                    f"{name}.measure.{prefix}{kinds}": self._measurer(kinds)
                    for kinds in ("i", "v", "r", "p", "iv")
                    for prefix in ("", "overlapped")
                },
                f"{name}.trigger.source.listv": lambda *given: self._set_list(_VOLTS, *given),
                f"{name}.trigger.source.listi": lambda *given: self._set_list(_AMPERES, *given),
                f"{name}.trigger.source.linearv": lambda *given: self._set_linear(_VOLTS, *given),
                f"{name}.trigger.source.lineari": lambda *given: self._set_linear(_AMPERES, *given),
                **{
                    f"{name}.trigger.measure.{kinds}": self._sweep_measurer(kinds)
                    for kinds in ("i", "v", "r", "p", "iv")
                },
                f"{name}.trigger.initiate": lambda *_: self._initiate(),
            },
            constants={f"{name}.{constant}": value for constant, value in _CONSTANTS.items()},
        )
        for buffer in self._own:
            own = own.joined(buffer.vocabulary())
        return own

    def _ruled_attributes(self) -> dict[str, Attribute]:
        """Return the attributes whose values depend on others."""
        settings, name = self._settings, self._name
        special: dict[str, Attribute] = {
            f"{name}.source.compliance": Attribute(get=self._is_limited),
            f"{name}.source.func": Attribute(get=lambda: settings["source.func"], set=self._set_function),
            f"{name}.source.output": Attribute(get=lambda: settings["source.output"], set=self._set_output),
        }
        for kind in ("v", "i"):
            special |= {
                f"{name}.source.level{kind}": Attribute(
                    get=lambda kind=kind: settings[f"source.level{kind}"],
                    set=lambda value, kind=kind: self._set_level(kind, value),
                ),
                f"{name}.source.range{kind}": Attribute(
                    get=lambda kind=kind: self._source_range(kind),
                    set=lambda value, kind=kind: self._set_source_range(kind, value),
                ),
                f"{name}.source.autorange{kind}": Attribute(
                    get=lambda kind=kind: settings[f"source.autorange{kind}"],
                    set=lambda value, kind=kind: self._set_source_autorange(kind, value),
                ),
                f"{name}.source.limit{kind}": Attribute(
                    get=lambda kind=kind: settings[f"source.limit{kind}"],
                    set=lambda value, kind=kind: self._set_limit(kind, value),
                ),
                f"{name}.measure.range{kind}": Attribute(
                    get=lambda kind=kind: self._measure_range(kind),
                    set=lambda value, kind=kind: self._set_measure_range(kind, value),
                ),
            }
        return special

    # Source

    def _ranges(self, kind: str) -> tuple[float, ...]:
        if kind == "v":
            return self._ratings.voltage_ranges_v
        if self._settings["source.highc"]:
            return tuple(span for span in self._ratings.current_ranges_a if span >= _HIGH_CAPACITANCE_RANGE_A)
        return self._ratings.current_ranges_a

    @property
    def _sourced(self) -> str:
        return "v" if self._settings["source.func"] == _VOLTS else "i"

    def _source_range(self, kind: str) -> float:
        if self._settings[f"source.autorange{kind}"]:
            is_held = self._held is not None and kind == self._sourced
            return range_for(self._level if is_held else self._settings[f"source.level{kind}"], self._ranges(kind))
        return self._settings[f"source.range{kind}"]

    def _set_source_range(self, kind: str, value: Argument) -> None:
        top = self._ranges(kind)[-1] * _SOURCE_OVER
        chosen = range_for(number_within(value, -top, top), self._ranges(kind))
        if abs(self._settings[f"source.level{kind}"]) > chosen * _SOURCE_OVER:
            raise ScpiError(-221, text="Settings conflict: the level does not fit the range")
        self._settings[f"source.range{kind}"] = chosen
        self._settings[f"source.autorange{kind}"] = 0.0
        self._check_interlock()

    def _set_source_autorange(self, kind: str, value: Argument) -> None:
        present = self._source_range(kind)
        self._settings.change(f"source.autorange{kind}", value)
        self._settings[f"source.range{kind}"] = present

    def _set_level(self, kind: str, value: Argument) -> None:
        level = number(value)
        if not self._settings[f"source.autorange{kind}"]:
            top = self._source_range(kind) * _SOURCE_OVER
            number_within(level, -top, top)
        self._settings.change(f"source.level{kind}", level)
        self._held = None
        self._check_interlock()

    def _set_limit(self, kind: str, value: Argument) -> None:
        self._settings.change(f"source.limit{kind}", value)
        self._check_interlock()

    def _set_output(self, value: Argument) -> None:
        self._settings.change("source.output", value)
        self._held = None
        self._check_interlock()
        self._terminals.set_live(self._is_on)

    def _set_function(self, value: Argument) -> None:
        self._settings.change("source.func", value)
        self._held = None
        self._check_interlock()

    @property
    def _is_on(self) -> bool:
        return self._settings["source.output"] == 1

    def _check_interlock(self) -> None:
        """Switch the output off and report it if it may put out more than the open interlock allows."""
        is_volts = self._settings["source.func"] == _VOLTS
        reach_v = self._source_range("v") if is_volts else self._settings["source.limitv"]
        if self._is_on and reach_v > _INTERLOCKED_ABOVE_V and not self._terminals.interlock_closed:
            self._settings["source.output"] = 0.0
            self._terminals.set_live(False)
            raise ScpiError(802, text="OUTPUT blocked by interlock")

    # Measurement

    def _measure_range(self, kind: str) -> float:
        is_sourced = (kind == "v") == (self._settings["source.func"] == _VOLTS)
        return self._source_range(kind) if is_sourced else self._settings[f"measure.range{kind}"]

    def _set_measure_range(self, kind: str, value: Argument) -> None:
        top = self._ranges(kind)[-1] * _SOURCE_OVER
        self._settings[f"measure.range{kind}"] = range_for(number_within(value, -top, top), self._ranges(kind))
        self._settings[f"measure.autorange{kind}"] = 0.0

    def _meter(self, kind: str) -> Meter:
        settings = self._settings
        is_sourced = (kind == "v") == (settings["source.func"] == _VOLTS)
        is_held = is_sourced or not settings[f"measure.autorange{kind}"]
        averaged = settings["measure.filter.count"] if settings["measure.filter.enable"] else 1.0
        return Meter(
            ranges=self._ranges(kind),
            span=self._measure_range(kind) if is_held else None,
            nplc=settings["measure.nplc"] * averaged,
            noise_of_range=NOISE_OF_RANGE,
        )

    def _stage(self, *, extra_s: float = 0.0, is_many: bool = False) -> Stage:
        settings = self._settings
        function: Literal["VOLT", "CURR"] = "VOLT" if settings["source.func"] == _VOLTS else "CURR"
        current = self._meter("i")
        seconds_each = current.nplc / LINE_FREQUENCY_HZ + max(settings["measure.delay"], 0.0) + extra_s
        return Stage(
            function=function,
            limit=settings["source.limiti" if function == "VOLT" else "source.limitv"],
            is_on=self._is_on,
            is_wired=self._is_wired,
            voltage=self._meter("v"),
            current=current,
            top_ohm=_TOP_OHM,
            seconds_each=max(seconds_each, settings["measure.interval"]) if is_many else seconds_each,
        )

    @property
    def _level(self) -> float:
        if self._held is not None:
            return self._held
        return self._settings["source.levelv" if self._settings["source.func"] == _VOLTS else "source.leveli"]

    def _is_limited(self) -> bool:
        return self._terminals.is_limited(self._stage(), self._level)

    def _measurer(self, kinds: str) -> Callable[..., Result]:
        def measure(*given: Argument) -> Result:
            targets = self._targets(kinds, given)
            # Without a buffer there is nowhere to put more than one.
            count = int(self._settings["measure.count"]) if targets else 1
            for _, buffer in targets:
                buffer.start()
            last = self._take(kinds, self._stage(is_many=count > 1), np.full(count, self._level), targets)
            return last[0] if len(kinds) == 1 else last

        return measure

    def _targets(self, kinds: str, given: tuple[Argument, ...]) -> tuple[tuple[str, ReadingBuffer], ...]:
        if len(given) > len(kinds):
            raise ScpiError(-108, "more buffers than measurements")
        targets: list[tuple[str, ReadingBuffer]] = []
        for kind, node in zip(kinds, given, strict=False):
            if node is None:
                continue
            buffer = self._buffers.get(node.path) if isinstance(node, Node) else None
            if buffer is None:
                raise ScpiError(-104, "a reading buffer is wanted")
            targets.append((kind, buffer))
        return tuple(targets)

    def _take(
        self, kinds: str, stage: Stage, levels: NDArray[np.float64], targets: tuple[tuple[str, ReadingBuffer], ...]
    ) -> tuple[float, ...]:
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

    def _take_one(
        self, kinds: str, stage: Stage, level: float, targets: tuple[tuple[str, ReadingBuffer], ...]
    ) -> tuple[float, ...]:
        """Do what `_take` does for one level, without arrays: scripts measure in loops."""
        conductance_s = measured_conductance_s(self._place) if stage.is_wired and stage.is_on else 0.0
        point = operating_point(stage.function, level if stage.is_on else 0.0, stage.limit, conductance_s)
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
                self._settings[f"measure.range{kind}"] = range_for(value, self._ranges(kind))

    def _status_of_readings(self) -> float:
        settings = self._settings
        kind = "v" if settings["source.func"] == _VOLTS else "i"
        other = "i" if kind == "v" else "v"
        bits = _AUTORANGED_MEASURE if settings[f"measure.autorange{other}"] else 0
        bits |= _AUTORANGED_SOURCE if settings[f"source.autorange{kind}"] else 0
        bits |= _FOUR_WIRE if settings["sense"] == 1 else 0
        bits |= _FILTERED if settings["measure.filter.enable"] else 0
        return float(bits)

    # Trigger model

    def _set_list(self, function: float, levels: Argument = None, *more: Argument) -> None:
        if more or not isinstance(levels, tuple) or not levels:
            raise ScpiError(-104, "a list of levels is wanted")
        self._keep_sweep(function, np.array(levels, np.float64))

    def _set_linear(self, function: float, *given: Argument) -> None:
        if len(given) != 3:
            raise ScpiError(-109, "start, stop and number of points are wanted")
        start, stop = number(given[0]), number(given[1])
        self._keep_sweep(function, np.linspace(start, stop, int(_whole(1, CAPACITY)(given[2]))))

    def _keep_sweep(self, function: float, levels: NDArray[np.float64]) -> None:
        top = self._ranges("v" if function == _VOLTS else "i")[-1] * _SOURCE_OVER
        if len(levels) > CAPACITY or not bool(np.all(np.abs(levels) <= top)):
            raise ScpiError(-222, text="Parameter data out of range")
        self._sweep = _Sweep(function, levels)

    def _sweep_measurer(self, kinds: str) -> Callable[..., None]:
        def choose(*given: Argument) -> None:
            targets = self._targets(kinds, given)
            if not targets:
                raise ScpiError(-109, "a reading buffer is wanted")
            self._sweep_measures = targets

        return choose

    def _initiate(self) -> None:
        settings = self._settings
        points, rounds = int(settings["trigger.count"]), int(settings["trigger.arm.count"])
        if points * rounds > CAPACITY:
            raise ScpiError(-222, text="Parameter data out of range")
        levels = np.full(points, self._level)
        if settings["trigger.source.action"]:
            levels = self._swept_levels(points)
        levels = np.tile(levels, rounds)
        # One range for all of it: the sweep's own where the source chooses its range.
        self._held = float(levels[np.argmax(np.abs(levels))])
        stage = self._stage(extra_s=max(settings["source.delay"], 0.0))
        self._held = None
        if settings["trigger.measure.action"] and self._sweep_measures:
            for _, buffer in self._sweep_measures:
                buffer.start()
            kinds = "".join(kind for kind, _ in self._sweep_measures)
            self._take(kinds, stage, levels, self._sweep_measures)
        else:
            self._terminals.wait(max(settings["source.delay"], 0.0) * len(levels))
        is_held = settings["trigger.source.action"] and settings["trigger.endsweep.action"] == _HOLD
        self._held = float(levels[-1]) if is_held else None

    def _swept_levels(self, points: int) -> NDArray[np.float64]:
        sweep, function = self._sweep, self._settings["source.func"]
        if sweep is None or sweep.function != function:
            raise ScpiError(-221, text="Settings conflict: no sweep of the source function is configured")
        kind = "v" if function == _VOLTS else "i"
        if not self._settings[f"source.autorange{kind}"]:
            top = self._source_range(kind) * _SOURCE_OVER
            if not bool(np.all(np.abs(sweep.levels) <= top)):
                raise ScpiError(-222, text="Parameter data out of range")
        largest = float(np.max(np.abs(sweep.levels)))
        if kind == "v" and largest > _INTERLOCKED_ABOVE_V and not self._terminals.interlock_closed:
            raise ScpiError(802, text="OUTPUT blocked by interlock")
        return np.resize(sweep.levels, points)


def _shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return readings with the instrument's own number for an overflow."""
    return np.where(np.abs(values) >= OVERFLOW, np.copysign(NOT_A_NUMBER, values), values)


def _whole(low: int, high: int) -> Callable[[Argument], float]:
    return lambda value: float(math.floor(number_within(value, low, high)))


def _delay(value: Argument) -> float:
    seconds = number(value)
    return -1.0 if seconds == -1 else number_within(seconds, 0, 1e4)
