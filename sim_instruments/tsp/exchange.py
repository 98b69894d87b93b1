"""The message exchange of a TSP instrument: lines of Lua in, lines that scripts print out.

There is no query and no reply here: every `print` puts one line into the output queue, where it waits until it is read,
whatever comes after. The IEEE 488.2 common commands are lines of their own. A script comes as lines between
`loadscript [name]` or `loadandrunscript [name]` and `endscript`, in as many messages as the client likes.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, final

import numpy as np

from sim_instruments.bus import Chunk
from sim_instruments.scpi_error import ScpiError
from sim_instruments.smu_output import LINE_FREQUENCY_HZ
from sim_instruments.status import Status
from sim_instruments.tsp.numbers import as_block, as_text
from sim_instruments.tsp.sandbox import Host, Sandbox
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

LONGEST_LINE: Final = 256 * 1024
"""Bytes of the longest line that is executed."""

LONGEST_SCRIPT: Final = 512 * 1024
"""Bytes of the longest script."""

MOST_OUTPUT: Final = 8_000_000
"""Bytes that wait to be read at most."""

LONGEST_DELAY_S: Final = 100_000.0

_SCRIPT_START = re.compile(r"\s*(loadscript|loadandrunscript)(?:\s+([A-Za-z_]\w{0,63}))?\s*")
_COMMON = re.compile(r"\s*(\*[A-Za-z]+\??)(?:\s+([0-9]{1,9}))?\s*")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TspTraits:
    """Who the instrument is."""

    model: str
    """As in `localnode.model`: `2602B`."""
    serial: str
    firmware: str
    error_queue_depth: int
    """Entries the error queue holds."""


class TspTwin(Protocol):
    """One model of instrument on the bench."""

    @property
    def traits(self) -> TspTraits:
        """Return who it is."""
        ...

    def vocabulary(self, status: Status, /) -> Vocabulary:
        """Return the model's own names, without those that every TSP instrument has.

        Args:
            status: The instrument's registers and error queue.
        """
        ...

    def column(self, node: Node, first: int, last: int, /) -> np.ndarray:
        """Return elements of a buffer for `printbuffer`; raise `ScpiError` if there is no such buffer or element."""
        ...

    def reset(self) -> None:
        """Do what `reset()` does."""
        ...

    def now_s(self) -> float:
        """Return the simulated time, seconds."""
        ...

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        ...


@dataclass(slots=True)
class _Script:
    """A script that is being loaded."""

    name: str
    runs: bool
    lines: list[str]
    length: int = 0


@final
class TspInstrument:
    """What a bus sees of a TSP instrument."""

    def __init__(self, twin: TspTwin) -> None:
        self.twin = twin
        self._traits = twin.traits
        self._status = Status(self._traits.error_queue_depth)
        self._format = Settings(
            {
                "data": (_ASCII, among(_ASCII, _REAL32, _REAL64)),
                "asciiprecision": (6.0, within(1, 16)),
                "byteorder": (1.0, among(0, 1)),
            }
        )
        self._localnode = Settings({"prompts": (0.0, among(0, 1)), "showerrors": (0.0, among(0, 1))})
        self._input = bytearray()
        self._overruns = False
        self._script: _Script | None = None
        self._output: deque[bytes] = deque()
        self._output_bytes = 0
        self._sent = 0
        self._sandbox = Sandbox(
            self._vocabulary().joined(twin.vocabulary(self._status)),
            Host(say=self._say, text_of=self._text_of, report=self._status.report, now_s=twin.now_s),
        )

    def receive(self, data: bytes | bytearray, *, has_end: bool, interface: str = "") -> None:
        """Take bytes from the bus and execute the lines they complete; may move walls.

        Args:
            data: The bytes. A newline ends a line.
            has_end: Whether the bus marks the last byte as the end of a message: GPIB does, a raw socket does not.
            interface: Who speaks; not used.
        """
        self._input += data
        *lines, rest = bytes(self._input).split(b"\n")
        if has_end and rest:
            lines.append(rest)
            rest = b""
        for line in lines:
            if self._overruns or len(line) > LONGEST_LINE:
                self._overruns = False
                self._status.report(ScpiError(-363, f"a line may have {LONGEST_LINE} bytes"))
            else:
                self._take_line(line.decode("latin-1").removesuffix("\r"))
        self._overruns = self._overruns or len(rest) > LONGEST_LINE
        self._input = bytearray(b"" if self._overruns else rest)

    def send(self, count: int, termination: bytes = b"", *, has_end: bool) -> Chunk | None:
        """Give the next part of the oldest line that was printed.

        Args:
            count: Bytes wanted at most.
            termination: A byte to stop after; empty to stop nowhere.
            has_end: As for `receive`. A bus with END marks tells a mute instrument that it was asked: a query error.

        Returns:
            The part, or None if nothing was printed.
        """
        if not self._output:
            if has_end:
                self._status.report(ScpiError(-420))
            return None
        line = self._output[0]
        stop = min(self._sent + count, len(line))
        if termination:
            found = line.find(termination, self._sent, stop)
            stop = stop if found < 0 else found + 1
        data = line[self._sent : stop]
        self._sent = stop
        is_last = stop == len(line)
        if is_last:
            self._output.popleft()
            self._output_bytes -= len(line)
            self._sent = 0
            self._status.has_reply = bool(self._output)
        return Chunk(data, is_last)

    def clear(self) -> None:
        """Do what a device clear does: forget what came in part and what waits to be read; settings and status stay."""
        self._input = bytearray()
        self._overruns = False
        self._script = None
        self._drop_output()

    def trigger(self) -> None:
        """Take a bus trigger. Nothing here waits for one."""

    def disconnect(self, interface: str) -> None:
        """Take note that nobody is left on an interface: there is no lock here that would go with them."""

    def report(self, error: ScpiError) -> None:
        """Queue an error that the interface found: an interrupted reply, an overrun."""
        self._status.report(error)

    def poll(self) -> int:
        """Return the status byte as a serial poll does."""
        return self._status.poll()

    def _take_line(self, line: str) -> None:
        if self._script is not None:
            self._add_to(self._script, line)
            return
        if not line.strip():
            return
        if start := _SCRIPT_START.fullmatch(line):
            self._script = _Script(start[2] or "", start[1] == "loadandrunscript", [])
            return
        if line.lstrip().startswith("*"):
            self._do_common(line)
        else:
            self._sandbox.run(line)
        self._prompt()

    def _add_to(self, script: _Script, line: str) -> None:
        if line.strip() == "endscript":
            self._script = None
            if script.length > LONGEST_SCRIPT:
                self._status.report(ScpiError(-363, f"a script may have {LONGEST_SCRIPT} bytes"))
                return
            source = "\n".join(script.lines)
            if script.name:
                self._sandbox.keep(source, script.name)
            if script.runs:
                self._sandbox.run(source, script.name or "anonymous")
            self._prompt()
            return
        script.length += len(line) + 1
        if script.length <= LONGEST_SCRIPT:
            script.lines.append(line)

    def _prompt(self) -> None:
        if self._localnode["showerrors"]:
            while self._status.error_count:
                self._say("\t".join(self._text_of(v) if isinstance(v, float) else str(v) for v in self._next_error()))
        if self._localnode["prompts"]:
            self._say("TSP>")

    def _do_common(self, line: str) -> None:
        status, traits = self._status, self._traits
        found = _COMMON.fullmatch(line)
        name = found[1].upper() if found else ""
        argument = found[2] if found else None
        takers: dict[str, Callable[[int], None]] = {"*ESE": status.enable_events, "*SRE": status.enable_service}
        if (take := takers.get(name)) is not None:
            if argument is None:
                status.report(ScpiError(-109))
            elif int(argument) > 255:
                status.report(ScpiError(-222))
            else:
                take(int(argument))
            return
        queries: dict[str, Callable[[], str]] = {
            "*IDN?": lambda: f"Keithley Instruments Inc., Model {traits.model}, {traits.serial}, {traits.firmware}",
            "*ESE?": lambda: str(status.event_enable),
            "*ESR?": lambda: str(status.take_events()),
            "*SRE?": lambda: str(status.service_enable),
            "*STB?": lambda: str(status.byte()),
            "*OPC?": lambda: "1",
            "*TST?": lambda: "0",
        }
        commands: dict[str, Callable[[], None]] = {
            "*RST": self._reset,
            "*CLS": status.clear,
            "*OPC": status.complete_operation,
            "*TRG": self.trigger,
            "*WAI": lambda: None,
        }
        if argument is not None and (name in queries or name in commands):
            status.report(ScpiError(-108))
        elif name in queries:
            self._say(queries[name]())
        elif name in commands:
            commands[name]()
        else:
            status.report(ScpiError(-113, line.strip()[:40]))

    def _reset(self) -> None:
        self._format.reset()
        self.twin.reset()

    def _say(self, line: str) -> None:
        self._put(line.encode("latin-1", "replace"))

    def _put(self, data: bytes) -> None:
        if self._output_bytes + len(data) > MOST_OUTPUT:
            raise ScpiError(-430, text="Query DEADLOCKED")
        self._output.append(data + b"\n")
        self._output_bytes += len(data) + 1
        self._status.has_reply = True

    def _drop_output(self) -> None:
        self._output.clear()
        self._output_bytes = 0
        self._sent = 0
        self._status.has_reply = False

    def _text_of(self, value: float) -> str:
        return as_text(value, int(self._format["asciiprecision"]))

    def _next_error(self) -> tuple[float, str, float, float]:
        error = self._status.next_error()
        if error.code == 0:
            return (0.0, "Queue Is Empty", 0.0, _NODE)
        return (float(error.code), error.text.replace("\t", " "), _RECOVERABLE, _NODE)

    def _printbuffer(self, *arguments: Argument) -> None:
        if len(arguments) < 3:
            raise ScpiError(-109, "printbuffer(first, last, buffer, ...)")
        first, last = (int(number_within(argument, 1, 1e7)) for argument in arguments[:2])
        columns: list[np.ndarray] = []
        for node in arguments[2:]:
            if not isinstance(node, Node):
                raise ScpiError(-104, "a reading buffer is wanted")
            columns.append(self.twin.column(node, first, last))
        values = np.stack(columns, axis=1).ravel()
        if self._format["data"] == _ASCII:
            self._say(", ".join(map(self._text_of, values.tolist())))
            return
        size = 4 if self._format["data"] == _REAL32 else 8
        self._put(as_block(values, item_bytes=size, is_little_endian=self._format["byteorder"] == 1))

    def _delay(self, seconds: Argument = None) -> None:
        self.twin.wait(number_within(seconds, 0, LONGEST_DELAY_S))

    def _vocabulary(self) -> Vocabulary:
        status, traits = self._status, self._traits
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
                "errorqueue.next": lambda *_: self._next_error(),
                "errorqueue.clear": lambda *_: status.clear_errors(),
                "status.reset": lambda *_: self._reset_status(),
                "printbuffer": self._printbuffer,
                "delay": lambda *arguments: self._delay(*arguments[:1]),
                "waitcomplete": lambda *_: None,
                "opc": lambda *_: status.complete_operation(),
                "reset": lambda *_: self._reset(),
                "beeper.beep": _beep,
                **_display_functions(),
            },
            constants=_FORMAT_CONSTANTS,
        ).joined(_front_panel())

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
