"""Twins of Keithley's 2600B source-measure units, which speak TSP: messages are Lua.

`smua` is on the wiring's measure row; `smub` of the two-channel models is an open circuit. Ranges and defaults are the
manual's; what the documented subset leaves out (event-driven triggers, contact check, file system, TSP-Link) answers
as the instrument does to a name that it does not know: a run-time error in the queue.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, final

import numpy as np

from sim_instruments.bus import BusDevice
from sim_instruments.instruments.keithley_2600b.channel import Channel
from sim_instruments.instruments.keithley_2600b.settings import Ratings
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.smu_terminals import Terminals
from sim_instruments.status import Status
from sim_instruments.tsp.buffer import COLUMNS, ReadingBuffer
from sim_instruments.tsp.exchange import TspInstrument
from sim_instruments.tsp.twin import TspTraits
from sim_instruments.tsp.vocabulary import Attribute, Node, Settings, Vocabulary, among, within

_DECADES_A = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_LOW_VOLTAGE = Ratings(
    voltage_ranges_v=(0.1, 1.0, 6.0, 40.0),
    current_ranges_a=(*_DECADES_A, 3.0),
    smallest_limit_v=10e-3,
    smallest_limit_a=10e-9,
    limit_v=40.0,
    limit_a=1.0,
)
_HIGH_VOLTAGE = Ratings(
    voltage_ranges_v=(0.2, 2.0, 20.0, 200.0),
    current_ranges_a=(*_DECADES_A, 1.5),
    smallest_limit_v=20e-3,
    smallest_limit_a=10e-9,
    limit_v=20.0,
    limit_a=0.1,
)
_LOW_CURRENT = replace(_HIGH_VOLTAGE, current_ranges_a=(1e-9, 1e-8, *_DECADES_A, 1.5), smallest_limit_a=100e-12)

_MODELS: Final[dict[str, tuple[Ratings, tuple[str, ...]]]] = {
    "2601B": (_LOW_VOLTAGE, ("smua",)),
    "2602B": (_LOW_VOLTAGE, ("smua", "smub")),
    "2611B": (_HIGH_VOLTAGE, ("smua",)),
    "2612B": (_HIGH_VOLTAGE, ("smua", "smub")),
    "2635B": (_LOW_CURRENT, ("smua",)),
    "2636B": (_LOW_CURRENT, ("smua", "smub")),
}

_FIRMWARE = "3.3.5"
_INTERLOCK_ASSERTED = 2048.0


@final
class Keithley2600B:
    """Channels that share a Lua interpreter and a clock."""

    def __init__(self, place: Place, model: str) -> None:
        ratings, names = _MODELS[model]
        self._has_interlock = ratings is not _LOW_VOLTAGE
        self._traits = TspTraits(model=model, serial=place.serial, firmware=_FIRMWARE, error_queue_depth=100)
        self._buffers: dict[str, ReadingBuffer] = {}
        self._terminals = Terminals(place, f"keithley-{model.lower()}")
        self._channels = {
            name: Channel(
                name,
                ratings,
                self._terminals if name == "smua" else _unwired_terminals(place, name),
                place,
                self._buffers,
                is_wired=name == "smua",
            )
            for name in names
        }
        self._panel = Settings({f"display.{name}.digits": (5.0, among(4, 5, 6)) for name in names})
        self._panel_functions = Settings({f"display.{name}.measure.func": (1.0, within(0, 3)) for name in names})

    @property
    def traits(self) -> TspTraits:
        """Return who it is."""
        return self._traits

    def vocabulary(self, _status: Status, /) -> Vocabulary:
        """Return the model's own names, without those that every TSP instrument has."""
        names = Vocabulary(
            attributes={
                **self._panel.attributes(),
                **self._panel_functions.attributes(),
                "status.measurement.condition": Attribute(get=self._condition),
                **{
                    f"status.measurement.instrument.{name}.condition": Attribute(get=lambda c=channel: c.condition)
                    for name, channel in self._channels.items()
                },
            },
            constants={
                "display.SMUA": 0.0,
                "display.SMUB": 1.0,
                "display.SMUA_SMUB": 2.0,
                "display.USER": 3.0,
                "display.MEASURE_DCAMPS": 0.0,
                "display.MEASURE_DCVOLTS": 1.0,
                "display.MEASURE_OHMS": 2.0,
                "display.MEASURE_WATTS": 3.0,
            },
        )
        for channel in self._channels.values():
            names = names.joined(channel.vocabulary())
        return names

    def column(self, node: Node, first: int, last: int, /) -> np.ndarray:
        """Return elements of a buffer for `printbuffer`; raise `ScpiError` if there is no such buffer or element."""
        path, _, name = node.path.rpartition(".")
        if node.path in self._buffers:
            path, name = node.path, "readings"
        buffer = self._buffers.get(path)
        if buffer is None or name not in COLUMNS:
            raise ScpiError(-104, "a reading buffer is wanted")
        return buffer.column(name, first, last)

    def reset(self) -> None:
        """Outputs off and every setting to its default."""
        for channel in self._channels.values():
            channel.reset()
        self._panel.reset()
        self._panel_functions.reset()

    def now_s(self) -> float:
        """Return the simulated time, seconds."""
        return self._terminals.now_s

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._terminals.wait(seconds)

    def _condition(self) -> float:
        """Return the measurement condition register: bit 11 for the interlock; no summary is enabled."""
        return _INTERLOCK_ASSERTED if self._has_interlock and self._terminals.interlock_closed else 0.0


def _unwired_terminals(place: Place, name: str) -> Terminals:
    """Return the terminals of a channel that leads nowhere, with noise of its own."""
    return Terminals(replace(place, serial=f"{place.serial}-{name}"), name)


def _builder(model: str) -> Callable[[Place], BusDevice]:
    return lambda place: TspInstrument(Keithley2600B(place, model))


TWINS: Final[dict[str, Callable[[Place], BusDevice]]] = {
    f"keithley-{model.lower()}": _builder(model) for model in _MODELS
}
"""What builds each model."""
