"""Twin of the Keithley 2400 SourceMeter.

Its front terminals are on the wiring's measure row. It sources volts or amperes and measures volts, amperes and ohms
at the same time; the compliance holds the output where it must. Each reading has noise of `NOISE_OF_RANGE` of its range
at one power-line cycle, less for longer integration. With no path only the noise is read; with the output off nothing
is. Reading disturbs no wall: the read path does not carry the write current.
"""

from collections.abc import Sequence
from typing import Final, final

from sim_instruments.instrument import Traits
from sim_instruments.instruments.keithley_2400.acquisition import Acquisition
from sim_instruments.instruments.keithley_2400.output import Output
from sim_instruments.instruments.keithley_2400.sense import Sense
from sim_instruments.instruments.keithley_2400.settings import SENSE_HEADERS
from sim_instruments.instruments.keithley_2400.source import Source
from sim_instruments.instruments.keithley_2400.state import State
from sim_instruments.instruments.keithley_2400.status import Registers
from sim_instruments.instruments.keithley_2400.system import System
from sim_instruments.instruments.keithley_2400.traces import Traces
from sim_instruments.instruments.keithley_2400.trigger import Trigger
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_tree import Command, Reply
from sim_instruments.smu_terminals import Terminals
from sim_instruments.status import Status

MODEL: Final = "keithley-2400"


@final
class Keithley2400:
    """The 2400's commands and what they do at its terminals."""

    def __init__(self, place: Place) -> None:
        self._serial = place.serial
        self._terminals = Terminals(place, MODEL)
        self._state = State()
        self._registers = Registers()
        self._output = Output(self._state, self._terminals)
        self._source = Source(self._state, self._output)
        self._acquisition = Acquisition(self._state, self._terminals, self._registers, lambda: self._trigger.delay_s)
        self._sense = Sense(self._state, self._acquisition.is_limited)
        self._traces = Traces(self._registers.measurement, lambda: self._trigger.is_idle)
        self._trigger = Trigger(self._run, self._show_state, self._terminals)
        self._system = System(self._state, self._terminals, self.reset)
        self._show_state()

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(
            identity=f"KEITHLEY INSTRUMENTS INC.,MODEL 2400,{self._serial},C34 Sep 21 2016 15:30:00/A02  /V/J",
            error_queue_depth=10,
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
        """Output off and every setting to its default; the buffer keeps its readings."""
        self._state.reset()
        self._trigger.reset()
        self._traces.reset()
        self._terminals.set_live(False)

    def trigger(self) -> None:
        """Take a bus trigger: pass the arm layer if it waits for one."""
        self._trigger.take_bus_trigger()
        self._finish()

    def _reading_commands(self) -> tuple[Command, ...]:
        return (
            Command(":READ?", self._read),
            Command(":INITiate[:IMMediate]", self._initiate),
            Command(":MEASure?", self._read),
            *(
                command
                for key, header in SENSE_HEADERS.items()
                for command in (
                    Command(f":CONFigure:{header}", lambda key=key: self._configure(key)),
                    Command(f":MEASure:{header}?", lambda key=key: self._measure(key)),
                )
            ),
            Command(":CONFigure?", self._sense.listed),
        )

    def _run(self, count: int) -> None:
        """Take the readings of one pass through the trigger layer."""
        self._traces.add(self._acquisition.take(count))

    def _show_state(self) -> None:
        self._registers.show_trigger(self._trigger.state)

    def _initiate(self) -> None:
        general = self._state.general
        if not general.output:
            if not general.goes_off:
                raise ScpiError(803, text="Not permitted with OUTPUT off")
            self._output.switch(True)
        self._trigger.check_idle()
        self._traces.start()
        self._trigger.initiate()
        self._finish()

    def _finish(self) -> None:
        if self._state.general.goes_off and self._trigger.is_idle:
            self._output.switch(False)

    def _read(self) -> Reply:
        self._trigger.abort()
        if not self._trigger.runs_by_itself:
            raise ScpiError(-214, text="Trigger deadlock")
        self._initiate()
        return self._traces.latest()

    def _configure(self, key: str) -> None:
        """Prepare for one reading of one function; levels and integration time stay."""
        self._trigger.reset()
        self._state.change(senses=(key,))
        self._state.change_function(key, chooses_sense_span=True)

    def _measure(self, key: str) -> Reply:
        self._configure(key)
        return self._read()
