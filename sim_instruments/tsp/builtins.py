"""Names that every TSP instrument has: its error queue, its registers, its output format, its front panel."""

from collections.abc import Callable
from typing import Final, final

import numpy as np

from sim_instruments.scpi_error import ScpiError
from sim_instruments.smu_output import LINE_FREQUENCY_HZ
from sim_instruments.status import Status
from sim_instruments.tsp.numbers import as_block, as_text
from sim_instruments.tsp.output import OutputQueue
from sim_instruments.tsp.twin import TspTwin
from sim_instruments.tsp.vocabulary import (
    Argument,
    Attribute,
    Node,
    Settings,
    Value,
    Vocabulary,
    among,
    number,
    number_within,
    one_of,
    text,
    within,
)

LONGEST_DELAY_S: Final = 100_000.0

_RECOVERABLE = 20.0
_NODE = 1.0

_ASCII, _REAL32, _REAL64 = 1.0, 2.0, 3.0
_FORMAT_CONSTANTS = {
    "format.ASCII": _ASCII,
    "format.REAL32": _REAL32,
    "format.SREAL": _REAL32,
    "format.REAL64": _REAL64,
    "format.REAL": _REAL64,
    "format.DREAL": _REAL64,
    "format.NORMAL": 0.0,
    "format.NETWORK": 0.0,
    "format.BIGENDIAN": 0.0,
    "format.SWAPPED": 1.0,
    "format.LITTLEENDIAN": 1.0,
}


@final
class Builtins:
    """The names and what they do.

    Args:
        twin: the model.
        status: its registers and error queue.
        output: where what is printed goes.
    """

    def __init__(self, twin: TspTwin, status: Status, output: OutputQueue) -> None:
        self._twin = twin
        self._status = status
        self._output = output
        self._format = Settings(
            {
                "data": (_ASCII, among(_ASCII, _REAL32, _REAL64)),
                "asciiprecision": (6.0, within(1, 16)),
                "byteorder": (1.0, among(0, 1)),
            }
        )
        self._localnode = Settings({"prompts": (0.0, among(0, 1)), "showerrors": (0.0, among(0, 1))})

    @property
    def prompts(self) -> bool:
        """Return whether a prompt follows every line."""
        return bool(self._localnode["prompts"])

    @property
    def shows_errors(self) -> bool:
        """Return whether errors are printed as they come."""
        return bool(self._localnode["showerrors"])

    def reset(self) -> None:
        """Do what `reset()` does."""
        self._format.reset()
        self._twin.reset()

    def text_of(self, value: float) -> str:
        """Return a number as `print` writes it."""
        return as_text(value, int(self._format["asciiprecision"]))

    def next_error(self) -> tuple[float, str, float, float]:
        """Return the oldest error and take it out of the queue: code, text, severity, node."""
        error = self._status.next_error()
        if error.code == 0:
            return (0.0, "Queue Is Empty", 0.0, _NODE)
        return (float(error.code), error.text.replace("\t", " "), _RECOVERABLE, _NODE)

    def vocabulary(self) -> Vocabulary:
        """Return the names."""
        status, traits = self._status, self._twin.traits
        shown = {"model": traits.model, "serialno": traits.serial, "revision": traits.firmware}
        return Vocabulary(
            attributes={
                "errorqueue.count": Attribute(get=lambda: float(status.error_count)),
                **self._format.attributes("format."),
                **self._localnode.attributes("localnode."),
                **{f"localnode.{name}": _fixed(value) for name, value in shown.items()},
                "localnode.linefreq": _fixed(LINE_FREQUENCY_HZ),
                "localnode.description": _fixed(f"Keithley TSP {traits.model} #{traits.serial}"),
                "status.condition": Attribute(get=lambda: float(status.byte())),
                "status.request_enable": Attribute(
                    get=lambda: float(status.service_enable),
                    set=lambda value: status.enable_service(int(number_within(value, 0, 255))),
                ),
                "status.standard.event": Attribute(get=lambda: float(status.take_events())),
                "status.standard.enable": Attribute(
                    get=lambda: float(status.event_enable),
                    set=lambda value: status.enable_events(int(number_within(value, 0, 255))),
                ),
            },
            functions={
                "errorqueue.next": lambda *_: self.next_error(),
                "errorqueue.clear": lambda *_: status.clear_errors(),
                "status.reset": lambda *_: self._reset_status(),
                "printbuffer": self._printbuffer,
                "delay": lambda *arguments: self._delay(*arguments[:1]),
                "waitcomplete": lambda *_: None,
                "opc": lambda *_: status.complete_operation(),
                "reset": lambda *_: self.reset(),
                "beeper.beep": _beep,
                **_display_functions(),
            },
            constants=_FORMAT_CONSTANTS,
        ).joined(_front_panel())

    def _printbuffer(self, *arguments: Argument) -> None:
        if len(arguments) < 3:
            raise ScpiError(-109, "printbuffer(first, last, buffer, ...)")
        first, last = (int(number_within(argument, 1, 1e7)) for argument in arguments[:2])
        columns: list[np.ndarray] = []
        for node in arguments[2:]:
            if not isinstance(node, Node):
                raise ScpiError(-104, "a reading buffer is wanted")
            columns.append(self._twin.column(node, first, last))
        values = np.stack(columns, axis=1).ravel()
        if self._format["data"] == _ASCII:
            self._output.say(", ".join(map(self.text_of, values.tolist())))
            return
        size = 4 if self._format["data"] == _REAL32 else 8
        self._output.put(as_block(values, item_bytes=size, is_little_endian=self._format["byteorder"] == 1))

    def _delay(self, seconds: Argument = None) -> None:
        self._twin.wait(number_within(seconds, 0, LONGEST_DELAY_S))

    def _reset_status(self) -> None:
        self._status.take_events()
        self._status.enable_events(0)
        self._status.enable_service(0)


def _fixed(value: Value) -> Attribute:
    return Attribute(get=lambda: value)


def _beep(*arguments: Argument) -> None:
    if len(arguments) != 2:
        raise ScpiError(-109, "beep(duration, frequency)")
    number(arguments[0])
    number(arguments[1])


def _display_functions() -> dict[str, Callable[..., None]]:
    """Return what writes to the front panel, which nobody sees here: the arguments are checked."""

    def no_arguments(*_: Argument) -> None: ...

    def one_text(*arguments: Argument) -> None:
        text(arguments[0] if arguments else None)

    def numbers_only(*arguments: Argument) -> None:
        for argument in arguments:
            number(argument)

    return {
        "display.clear": no_arguments,
        "display.settext": one_text,
        "display.setcursor": numbers_only,
        "display.sendkey": numbers_only,
        "display.trigger.clear": no_arguments,
    }


def _front_panel() -> Vocabulary:
    panel = Settings({"screen": (0.0, among(0, 1, 2, 3)), "locallockout": (0.0, among(0, 1))})
    beeper = Settings({"enable": (1.0, lambda value: one_of(value, (0, 1)))})
    return Vocabulary(attributes={**panel.attributes("display."), **beeper.attributes("beeper.")})
