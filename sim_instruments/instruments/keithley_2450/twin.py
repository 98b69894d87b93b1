"""Twin of the Keithley 2450 source-measure unit in its SCPI command set.

Its front terminals are on the wiring's measure row. It sources volts or amperes and reads either of them, or their
ratio, of the devices reached; the limit of the other quantity holds the output where it must. Each reading has noise of
`NOISE_OF_RANGE` of its range at one power-line cycle, less for longer integration. With no path, or with the output
off, only the noise is read. Reading disturbs no wall: the read path does not carry the write current.
"""

from collections.abc import Callable, Sequence
from typing import Final, final

import numpy as np

from sim_instruments.instrument import Traits
from sim_instruments.instruments.keithley_2450.acquisition import Acquisition
from sim_instruments.instruments.keithley_2450.output import Output
from sim_instruments.instruments.keithley_2450.sense import Sense
from sim_instruments.instruments.keithley_2450.settings import SENSE_FUNCTIONS
from sim_instruments.instruments.keithley_2450.source import Source
from sim_instruments.instruments.keithley_2450.state import State
from sim_instruments.instruments.keithley_2450.status import Registers
from sim_instruments.instruments.keithley_2450.system import System
from sim_instruments.instruments.keithley_2450.traces import ASKED, Traces
from sim_instruments.instruments.keithley_2450.trigger import TriggerModel
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_tree import Command, Reply
from sim_instruments.smu_terminals import Terminals
from sim_instruments.status import Status

MODEL: Final = "keithley-2450"


@final
class Keithley2450:
    """The 2450's commands and what they do at its terminals."""

    def __init__(self, place: Place) -> None:
        self._serial = place.serial
        self._terminals = Terminals(place, MODEL)
        self._state = State()
        self._registers = Registers()
        self._output = Output(self._state, self._terminals)
        self._acquisition = Acquisition(self._state, self._terminals, self._output)
        self._source = Source(self._state, self._output, self._acquisition.is_limited)
        self._sense = Sense(self._state)
        self._traces = Traces(self._measure)
        self._trigger = TriggerModel(self._state, self._output, self._acquisition, self._traces, self._registers)
        self._system = System(self._terminals)

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(
            identity=f"KEITHLEY INSTRUMENTS,MODEL 2450,{self._serial},1.7.12b",
            error_queue_depth=100,
            error_reply=self._system.error_reply,
            summary_bits=self._registers.summary_bits,
        )

    def commands(self, status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        return (
            *self._source.commands(),
            *self._sense.commands(),
            *self._output.commands(),
            *self._reading_commands(),
            *self._traces.commands(),
            *self._trigger.commands(),
            *self._registers.commands(status),
            *self._system.commands(status),
        )

    def reset(self) -> None:
        """Output off and every setting to its default."""
        self._state.reset()
        self._trigger.reset()
        self._traces.reset()
        self._terminals.set_live(False)

    def trigger(self) -> None:
        """Refuse: no trigger model waits for the bus."""
        raise ScpiError(-211, "no trigger model waits for it")

    def _reading_commands(self) -> tuple[Command, ...]:
        def taken(key: str | None) -> Callable[..., Reply]:
            return lambda buffer="defbuffer1", *asked: self._read(key, buffer, asked)

        return (
            Command(":READ?", taken(None), ASKED, optional=len(ASKED)),
            Command(":MEASure?", taken(None), ASKED, optional=len(ASKED)),
            *(
                Command(f":MEASure:{header}?", taken(key), ASKED, optional=len(ASKED))
                for key, (header, _) in SENSE_FUNCTIONS.items()
            ),
        )

    def _measure(self, buffer: str) -> None:
        """Take `SENSe:COUNt` readings at the present level."""
        found = self._traces.buffer(buffer)
        level = self._state.source[self._state.general.source].level
        stage = self._acquisition.stage(is_on=self._state.general.output, delay_s=0.0)
        found.add(self._acquisition.take(stage, np.full(self._state.general.count, level)))

    def _read(self, key: str | None, buffer: str, asked: Sequence[str]) -> Reply:
        if key is not None:
            self._state.change_general(sense=key)
        self._measure(buffer)
        return self._traces.last(buffer, asked)
