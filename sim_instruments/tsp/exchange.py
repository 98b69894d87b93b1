"""The message exchange of a TSP instrument: lines of Lua in, lines that scripts print out.

There is no query and no reply here: every `print` puts one line into the output queue, where it waits until it is read,
whatever comes after. The IEEE 488.2 common commands are lines of their own. A script comes as lines between
`loadscript [name]` or `loadandrunscript [name]` and `endscript`, in as many messages as the client likes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from sim_instruments.bus import Chunk
from sim_instruments.scpi_error import ScpiError
from sim_instruments.status import Status
from sim_instruments.tsp.builtins import Builtins
from sim_instruments.tsp.output import OutputQueue
from sim_instruments.tsp.sandbox import Host, Sandbox
from sim_instruments.tsp.twin import TspTwin

LONGEST_LINE: Final = 256 * 1024
"""Bytes of the longest line that is executed."""

LONGEST_SCRIPT: Final = 512 * 1024
"""Bytes of the longest script."""

_SCRIPT_START = re.compile(r"\s*(loadscript|loadandrunscript)(?:\s+([A-Za-z_]\w{0,63}))?\s*")
_COMMON = re.compile(r"\s*(\*[A-Za-z]+\??)(?:\s+([0-9]{1,9}))?\s*")


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
        self._output = OutputQueue(self._status)
        self._builtins = Builtins(twin, self._status, self._output)
        self._input = bytearray()
        self._overruns = False
        self._script: _Script | None = None
        self._sandbox = Sandbox(
            self._builtins.vocabulary().joined(twin.vocabulary(self._status)),
            Host(
                say=self._output.say,
                text_of=self._builtins.text_of,
                report=self._status.report,
                now_s=twin.now_s,
            ),
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
        chunk = self._output.take(count, termination)
        if chunk is None and has_end:
            self._status.report(ScpiError(-420))
        return chunk

    def clear(self) -> None:
        """Do what a device clear does: forget what came in part and what waits to be read; settings and status stay."""
        self._input = bytearray()
        self._overruns = False
        self._script = None
        self._output.drop()

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
        if self._builtins.shows_errors:
            while self._status.error_count:
                self._output.say(
                    "\t".join(
                        self._builtins.text_of(v) if isinstance(v, float) else str(v)
                        for v in self._builtins.next_error()
                    )
                )
        if self._builtins.prompts:
            self._output.say("TSP>")

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
            "*RST": self._builtins.reset,
            "*CLS": status.clear,
            "*OPC": status.complete_operation,
            "*TRG": self.trigger,
            "*WAI": lambda: None,
        }
        if argument is not None and (name in queries or name in commands):
            status.report(ScpiError(-108))
        elif name in queries:
            self._output.say(queries[name]())
        elif name in commands:
            commands[name]()
        else:
            status.report(ScpiError(-113, line.strip()[:40]))
