"""One channel of a Keithley 2600B as its scripts see it: `smua`, with source, measure, buffers and trigger model.

What a reading is comes from `smu_terminals`; here are the names, ranges and rules. Attributes that would make the
trigger model wait for an event take 0 only.
"""

from collections.abc import Callable
from typing import final

import numpy as np

from sim_instruments.instruments.keithley_2600b.measurement import Measurement, targets_of
from sim_instruments.instruments.keithley_2600b.settings import CONSTANTS, VOLTS, Ratings, rules
from sim_instruments.instruments.keithley_2600b.source import Source
from sim_instruments.instruments.keithley_2600b.trigger import TriggerModel
from sim_instruments.place import Place
from sim_instruments.smu_terminals import Terminals
from sim_instruments.tsp.buffer import ReadingBuffer
from sim_instruments.tsp.vocabulary import Argument, Result, Settings, Vocabulary


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
        self._settings = Settings(rules(ratings))
        self._buffers = buffers
        self._own = [ReadingBuffer(f"{name}.nvbuffer{number}") for number in (1, 2)]
        buffers.update((buffer.path, buffer) for buffer in self._own)
        self._source = Source(ratings, self._settings, terminals)
        self._measurement = Measurement(name, self._settings, self._source, terminals, place, is_wired=is_wired)
        self._trigger = TriggerModel(self._settings, self._source, self._measurement, terminals, buffers)

    def reset(self) -> None:
        """Output off and every setting to its default; the buffers are emptied."""
        self._source.reset()
        self._settings.reset()
        for buffer in self._own:
            buffer.reset()
        self._trigger.reset()

    @property
    def condition(self) -> float:
        """Return the measurement condition register: bit 0 for the voltage limit, bit 1 for the current limit."""
        if not self._measurement.is_limited():
            return 0.0
        return 2.0 if self._settings["source.func"] == VOLTS else 1.0

    def vocabulary(self) -> Vocabulary:
        """Return the channel's names."""
        name = self._name
        own = Vocabulary(
            attributes={
                **self._settings.attributes(f"{name}."),
                **self._source.attributes(name),
                **self._measurement.attributes(name),
            },
            functions={
                f"{name}.reset": lambda *_: self.reset(),
                f"{name}.abort": lambda *_: None,
                **{
                    f"{name}.measure.{prefix}{kinds}": self._measurer(kinds)
                    for kinds in ("i", "v", "r", "p", "iv")
                    for prefix in ("", "overlapped")
                },
                **self._trigger.functions(name),
            },
            constants={f"{name}.{constant}": value for constant, value in CONSTANTS.items()},
        )
        for buffer in self._own:
            own = own.joined(buffer.vocabulary())
        return own

    def _measurer(self, kinds: str) -> Callable[..., Result]:
        def measure(*given: Argument) -> Result:
            targets = targets_of(kinds, given, self._buffers)
            # Without a buffer there is nowhere to put more than one.
            count = int(self._settings["measure.count"]) if targets else 1
            for _, buffer in targets:
                buffer.start()
            last = self._measurement.take(
                kinds, self._measurement.stage(is_many=count > 1), np.full(count, self._source.level), targets
            )
            return last[0] if len(kinds) == 1 else last

        return measure
