"""Instruments that answer every line: `ok` to a command, `?n` to what they do not take. No status, no error queue.

One line holds one command. Replies wait until they are read, one after another, as on a serial line.
"""

from collections.abc import Callable, Iterable
from typing import Final, final

from sim_instruments.bus import Chunk
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Unit, read_message
from sim_instruments.scpi_tree import Command, CommandTree

LONGEST_LINE: Final = 1024
"""Bytes of the longest line that is taken."""

MOST_WAITING: Final = 64 * 1024
"""Bytes of replies that wait to be read; later ones are lost."""

_OK: Final = "ok"
_END: Final = b"\r\n"

_NO_PREFIX, _NO_KEYWORD, _BAD_KEYWORD, _NO_PARAMETER, _BAD_PARAMETER = 1, 2, 3, 4, 5
_QUERY_ONLY, _NO_QUERY, _NOT_NOW, _OUT_OF_BOUNDS = 6, 7, 8, 9

_NUMBERS: Final = {
    -109: _NO_PARAMETER,
    -211: _NOT_NOW,
    -221: _NOT_NOW,
    -222: _OUT_OF_BOUNDS,
}


@final
class _RefusalError(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@final
class AcknowledgingInstrument:
    """What a bus sees of such an instrument.

    Args:
        commands: all of its commands, common ones too.
        trigger: what a bus trigger does; may move walls.
    """

    def __init__(self, commands: Iterable[Command], trigger: Callable[[], None]) -> None:
        self._tree = CommandTree(commands)
        self._trigger = trigger
        self._input = bytearray()
        self._is_dropping = False
        self._output = bytearray()

    def receive(self, data: bytes | bytearray, *, has_end: bool, interface: str = "") -> None:
        """Take bytes from the bus and execute the lines they complete; may move walls."""
        self._input += data
        if has_end and not self._input.endswith(b"\n"):
            self._input += b"\n"
        *lines, rest = self._input.split(b"\n")
        self._input = bytearray(rest)
        for line in lines:
            self._take(line)
        if len(self._input) > LONGEST_LINE:
            self._input.clear()
            self._is_dropping = True

    def send(self, count: int, termination: bytes = b"", *, has_end: bool) -> Chunk | None:
        """Give the next part of what is waiting, one line at most; None if nothing is."""
        if not self._output:
            return None
        stop = min(count, self._output.find(b"\n") + 1)
        if termination and (found := self._output.find(termination, 0, stop)) >= 0:
            stop = found + 1
        data = bytes(self._output[:stop])
        del self._output[:stop]
        return Chunk(data, is_last=data.endswith(b"\n"))

    def clear(self) -> None:
        """Forget half a line and the replies; settings stay."""
        self._input.clear()
        self._output.clear()
        self._is_dropping = False

    def trigger(self) -> None:
        """Take a bus trigger; may move walls. What is not armed ignores it."""
        try:
            self._trigger()
        except ScpiError:
            return

    def poll(self) -> int:
        """Return the status byte: that a reply is waiting."""
        return 16 if self._output else 0

    def disconnect(self, interface: str) -> None:
        """Take note that nobody is left on an interface: there is no lock here that would go with them."""

    def report(self, error: ScpiError) -> None:
        """Take note of what the interface found: this kind of instrument keeps no errors."""

    def _take(self, line: bytearray) -> None:
        was_dropped, self._is_dropping = self._is_dropping, False
        text = bytes(line).rstrip(b"\r").strip()
        if was_dropped or not text:
            reply = f"?{_BAD_KEYWORD}" if was_dropped else ""
        else:
            try:
                reply = self._run(text)
            except _RefusalError as error:
                reply = f"?{error.number}"
            except ScpiError as error:
                reply = f"?{_NUMBERS.get(error.code, _BAD_PARAMETER)}"
        if reply and len(self._output) < MOST_WAITING:
            self._output += reply.encode("ascii", "replace") + _END

    def _run(self, text: bytes) -> str:
        if text[:1] not in b":*":
            raise _RefusalError(_NO_PREFIX)
        if not text[1:].strip():
            raise _RefusalError(_NO_KEYWORD)
        message = read_message(text)
        if not message.units:
            raise _RefusalError(_BAD_KEYWORD)
        unit = message.units[0]
        command = self._find(unit)
        if message.fault is not None or len(message.units) > 1:
            raise _RefusalError(_BAD_PARAMETER)
        reply = command.run(unit.parameters)
        return _OK if reply is None else str(reply)

    def _find(self, unit: Unit) -> Command:
        if (found := self._look_up(unit.header)) is not None:
            return found
        is_query = unit.header.endswith("?")
        other = unit.header.removesuffix("?") if is_query else f"{unit.header}?"
        if self._look_up(other) is None:
            raise _RefusalError(_BAD_KEYWORD)
        raise _RefusalError(_NO_QUERY if is_query else _QUERY_ONLY)

    def _look_up(self, header: str) -> Command | None:
        try:
            return self._tree.find((), header).command
        except ScpiError:
            return None
