"""One simulated instrument: the IEEE 488.2 message exchange around a twin.

A twin knows one model: its settings and what they do to the bench. Everything that is the same for all of them is
here: reading messages, common commands, status, and the queue that holds one reply.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from sim_instruments.bus import Chunk
from sim_instruments.interface_lock import InterfaceLock
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Message, Unit, read_message
from sim_instruments.scpi_parameter import Integer
from sim_instruments.scpi_stream import MessageStream, OverrunError
from sim_instruments.scpi_tree import Command, CommandTree, IndefiniteBlock, Reply
from sim_instruments.status import Status

_BYTE = Integer(low=0, high=255)
_LONGEST_QUESTION = 64
_MOST_QUESTIONS = 256


def plain_error_reply(error: ScpiError) -> str:
    """Return an error as `SYSTem:ERRor?` answers on most instruments."""
    text = error.text.replace('"', "'")
    return f'{error.code},"{text}"'


def signed_error_reply(error: ScpiError) -> str:
    """Return an error as Keysight's instruments answer: with a sign before every number, zero included."""
    text = error.text.replace('"', "'")
    return f'{error.code:+d},"{text}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What differs between models outside their command tables."""

    identity: str
    """The reply to `*IDN?`."""
    error_queue_depth: int
    """Entries the error queue holds."""
    error_reply: Callable[[ScpiError], str] = plain_error_reply
    """How `SYSTem:ERRor?` writes an error."""
    terminator: bytes = b"\n"
    """Ends every reply. A message ends at a newline; a carriage return before it is white space."""
    acknowledgement: str | None = None
    """The reply to every command that was accepted; None where commands are not answered."""
    refusal: Callable[[ScpiError], str] | None = None
    """The reply to a message that was not accepted, on instruments that answer instead of queueing errors."""
    summary_bits: Callable[[], int] = lambda: 0
    """Bits that the model's own status registers add to the status byte."""
    can_be_locked: bool = False
    """Whether it has `SYSTem:LOCK`."""


class Twin(Protocol):
    """One model of instrument on the bench."""

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        ...

    def commands(self, status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted.

        Args:
            status: The instrument's registers and error queue, for commands that show or clear them.
        """
        ...

    def reset(self) -> None:
        """Do what *RST does."""
        ...

    def trigger(self) -> None:
        """Do what a bus trigger does; may move walls."""
        ...


@final
class Instrument:
    """What a bus sees: bytes in, bytes out, clear, trigger and serial poll."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self._traits = twin.traits
        self._status = Status(self._traits.error_queue_depth, self._traits.summary_bits)
        self._lock = InterfaceLock()
        lock_commands = self._lock.commands() if self._traits.can_be_locked else ()
        self._tree = CommandTree((*self._common_commands(), *twin.commands(self._status), *lock_commands))
        self._stream = MessageStream()
        self._reply = b""
        self._sent = 0
        self._questions: dict[bytes, Callable[..., Reply | None]] = {}

    def receive(self, data: bytes | bytearray, *, has_end: bool, interface: str = "") -> None:
        """Take bytes from the bus and execute the messages they complete; may move walls.

        Args:
            data: The bytes. A newline outside strings and blocks ends a message. They may not change afterwards.
            has_end: Whether the bus marks the last byte as the end of a message: GPIB does, a raw socket does not.
            interface: Who speaks, for `SYSTem:LOCK`.
        """
        self._lock.speaker = interface
        if not has_end:
            self._receive_stream(data)
            return
        question = self._questions.get(bytes(data)) if len(data) <= _LONGEST_QUESTION else None
        if (
            question is not None
            and not self._status.has_reply
            and not self._stream.holds_something
            and self._lock.owner in (None, interface)
        ):
            self._answer(question)
            return
        rest = self._stream.take_rest()
        buffer = rest + data if rest else data
        start = 0
        while start < len(buffer):
            message = read_message(buffer, start)
            self._execute(message)
            if start == 0 and message.stop == len(buffer) <= _LONGEST_QUESTION:
                self._remember(bytes(buffer), message)
            # What follows a fault may be the inside of a block: it must not be taken for commands.
            start = len(buffer) if message.fault else message.stop

    def send(self, count: int, termination: bytes = b"", *, has_end: bool) -> Chunk | None:
        """Give the next part of the reply.

        Args:
            count: Bytes wanted at most.
            termination: A byte to stop after; empty to stop nowhere.
            has_end: As for `receive`. A bus with END marks tells a mute instrument that it was asked: a query error.

        Returns:
            The part, or None if there is no reply.
        """
        if not self._status.has_reply:
            if has_end:
                self._status.report(ScpiError(-420))
            return None
        reply = self._reply
        if not self._sent and len(reply) <= count and (not termination or reply.find(termination) == len(reply) - 1):
            self._reply = b""
            self._status.has_reply = False
            return Chunk(reply, True)
        stop = min(self._sent + count, len(self._reply))
        if termination:
            found = self._reply.find(termination, self._sent, stop)
            stop = stop if found < 0 else found + 1
        data = self._reply[self._sent : stop]
        self._sent = stop
        is_last = stop == len(self._reply)
        if is_last:
            self._drop_reply()
        return Chunk(data, is_last)

    def clear(self) -> None:
        """Do what a device clear does: forget half a message and the reply; settings and status stay."""
        self._stream.clear()
        self._drop_reply()

    def trigger(self) -> None:
        """Take a bus trigger; may move walls."""
        try:
            self.twin.trigger()
        except ScpiError as error:
            self._status.report(error)

    def poll(self) -> int:
        """Return the status byte as a serial poll does."""
        return self._status.poll()

    def report(self, error: ScpiError) -> None:
        """Queue an error that the interface found: an interrupted reply, an overrun."""
        self._status.report(error)

    def disconnect(self, interface: str) -> None:
        """Take note that nobody is left on an interface: its lock is gone."""
        self._lock.disconnect(interface)

    def _remember(self, data: bytes, message: Message) -> None:
        """Keep a message that is one query without parameters: it needs no second reading."""
        if message.fault is not None or len(message.units) != 1 or len(self._questions) >= _MOST_QUESTIONS:
            return
        (unit,) = message.units
        if not unit.header.endswith("?") or unit.parameters:
            return
        try:
            command = self._tree.find((), unit.header).command
        except ScpiError:
            return
        if len(command.parameters) == command.optional:
            self._questions[data] = command.handler

    def _answer(self, question: Callable[[], Reply | None]) -> None:
        """Answer a query that was read before; does what `_execute` does with it."""
        try:
            reply = question()
        except ScpiError as error:
            reply = self._refused(error)
        if isinstance(reply, str):
            self._reply = reply.encode("ascii", "replace") + self._traits.terminator
            self._status.has_reply = True
        elif reply is not None:
            self._reply = b"".join((*_joined([reply]), self._traits.terminator))
            self._status.has_reply = True

    def _receive_stream(self, data: bytes | bytearray) -> None:
        try:
            for message in self._stream.feed(data):
                self._execute(read_message(message))
        except OverrunError as error:
            self._status.report(ScpiError(-363, str(error)))

    def _drop_reply(self) -> None:
        self._reply = b""
        self._sent = 0
        self._status.has_reply = False

    def _execute(self, message: Message) -> None:
        if self._status.has_reply and (message.units or message.fault):
            self._drop_reply()
            self._status.report(ScpiError(-410))
        replies = self._run(message)
        if len(replies) == 1 and isinstance(replies[0], str):
            self._reply = replies[0].encode("ascii", "replace") + self._traits.terminator
            self._status.has_reply = True
        elif replies:
            self._reply = b"".join((*_joined(replies), self._traits.terminator))
            self._status.has_reply = True

    def _run(self, message: Message) -> list[Reply]:
        replies: list[Reply] = []
        path: tuple[str, ...] = ()
        fault = message.fault
        for unit in message.units:
            try:
                found = self._tree.find(path, unit.header)
                path = found.path
                reply = self._run_unit(unit, found.command)
            except ScpiError as error:
                if error.is_command_error:
                    fault = error
                    break
                reply = self._refused(error)
            if reply is not None:
                if isinstance(reply, np.ndarray) and unit is not message.units[-1]:
                    reply = reply.copy()  # a twin may use its buffer again for the next query of the message
                replies.append(reply)
                self._status.has_reply = True
        if fault is not None and (refusal := self._refused(fault)) is not None:
            replies.append(refusal)
        return replies

    def _run_unit(self, unit: Unit, command: Command) -> Reply | None:
        """Execute one command or query and return its reply."""
        if self._lock.refuses(unit.header):
            raise ScpiError(-203, f"locked by {self._lock.owner}")
        reply = command.run(unit.parameters)
        return reply if reply is not None else self._traits.acknowledgement

    def _refused(self, error: ScpiError) -> str | None:
        """Report an error; return what the instrument answers at once, if it is of that kind."""
        self._status.report(error)
        return self._traits.refusal(error) if self._traits.refusal is not None else None

    def _common_commands(self) -> tuple[Command, ...]:
        status = self._status
        return (
            Command("*IDN?", lambda: self._traits.identity),
            Command("*RST", self.twin.reset),
            Command("*TST?", lambda: "0"),
            Command("*TRG", self.twin.trigger),
            Command("*CLS", status.clear),
            Command("*ESE", status.enable_events, (_BYTE,)),
            Command("*ESE?", lambda: str(status.event_enable)),
            Command("*ESR?", lambda: str(status.take_events())),
            Command("*SRE", status.enable_service, (_BYTE,)),
            Command("*SRE?", lambda: str(status.service_enable)),
            Command("*STB?", lambda: str(status.byte())),
            Command("*OPC", status.complete_operation),
            Command("*OPC?", lambda: "1"),
            Command("*WAI", lambda: None),
            Command("SYSTem:ERRor[:NEXT]?", lambda: self._traits.error_reply(status.next_error())),
            Command("SYSTem:ERRor:COUNt?", lambda: str(status.error_count)),
            Command("SYSTem:VERSion?", lambda: "1999.0"),
        )


def _joined(replies: list[Reply]) -> list[bytes | memoryview]:
    pieces: list[bytes | memoryview] = []
    for reply in replies:
        if pieces:
            pieces.append(b";")
        if isinstance(reply, str):
            pieces.append(reply.encode("ascii", "replace"))
        elif isinstance(reply, IndefiniteBlock):
            pieces.extend((b"#0", reply.data))
        else:
            data = np.ascontiguousarray(reply).view(np.uint8).data
            length = str(len(data))
            pieces.extend((f"#{len(length)}{length}".encode("ascii"), data))
    return pieces
