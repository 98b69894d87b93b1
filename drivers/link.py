"""One instrument on the wire: deadlines, byte caps, and a state that says whether replies can be believed.

The only file of the package that knows PyVISA. A reply belongs to its question only while nothing has gone wrong: after
a time-out the late reply would answer the next question, and so on for ever. So any time-out, over-length or malformed
reply leaves the link DESYNCED, and it stays silent until `resynchronise` has proved on a fresh connection that question
and answer belong together. Nothing is ever sent twice.
"""

import math
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Self, final

import numpy as np
import pyvisa
from numpy.typing import DTypeLike, NDArray
from pyvisa.constants import StatusCode
from pyvisa.errors import InvalidSession, VisaIOError
from pyvisa.resources import MessageBasedResource

from drivers import scpi
from drivers.deadline import Clock, Deadline, SystemClock
from drivers.dialect import SCPI, Dialect
from drivers.errors import ConfigError, HilError, LinkDesync, LinkError, LinkLost, LinkTimeout
from drivers.transcript import Direction, Transcript, describe_block

TIMEOUT_S = 5.0
"""Deadline of an exchange unless told otherwise, seconds."""

TEXT_CAP_BYTES = 64 * 1024
"""Longest reply that is not a block, bytes."""

SLOWEST_BYTES_PER_S = 2e6
"""Blocks are given time for at least this rate."""

_NONCES = 3
_ENDED = (StatusCode.success, StatusCode.success_termination_character_read)
_LOST = (
    StatusCode.error_connection_lost,
    StatusCode.error_resource_not_found,
    StatusCode.error_invalid_object,
    StatusCode.error_no_listeners,
)


class LinkState(StrEnum):
    """Whether replies on a link can be believed."""

    SYNCED = "SYNCED"
    """Every reply so far belonged to its question."""
    DESYNCED = "DESYNCED"
    """A reply may still be under way, or its question unknown: resynchronise."""
    DEAD = "DEAD"
    """The connection is gone: resynchronise when it is back."""
    CLOSED = "CLOSED"
    """Closed on purpose, for good."""


def transfer_timeout_s(byte_count: int) -> float:
    """Return the deadline for an exchange that carries so many bytes, seconds."""
    return TIMEOUT_S + byte_count / SLOWEST_BYTES_PER_S


@final
class VisaLibrary:
    """A VISA library, real or simulated."""

    def __init__(self, manager: pyvisa.ResourceManager, specification: str) -> None:
        self._manager = manager
        self.specification = specification

    @classmethod
    def open(cls, specification: str) -> Self:
        """Open the library that a PyVISA specification such as `@py` names; empty means PyVISA's own choice.

        Raises:
            ConfigError: if there is no such library or it does not start.
        """
        try:
            return cls(pyvisa.ResourceManager(specification), specification)
        except Exception as error:
            raise ConfigError(
                f"cannot open the VISA library {specification!r}: {error}; `pyvisa-info` lists what is installed"
            ) from error

    def resources(self) -> tuple[str, ...]:
        """Return the names of the resources that the library can see."""
        try:
            return tuple(self._manager.list_resources("?*"))
        except VisaIOError as error:
            if error.error_code == StatusCode.error_resource_not_found:
                return ()
            raise _translated(error)[1] from error
        except Exception as error:
            raise _translated(error)[1] from error

    def connect(self, address: str, timeout_s: float) -> MessageBasedResource:
        """Open a session to one resource. Sends nothing."""
        resource = self._manager.open_resource(address, open_timeout=_milliseconds(timeout_s))
        if not isinstance(resource, MessageBasedResource):
            resource.close()
            raise LinkError(f"{address} is not a resource that takes messages")
        return resource


@final
class Link:
    """A session with one resource. Thread-safe: one exchange at a time.

    Args:
        library: the VISA library to open the resource with.
        address: VISA resource name.
        dialect: how the instrument is spoken to.
        clock: what deadlines are measured by.
        transcript: where exchanges are noted.
    """

    def __init__(
        self,
        library: VisaLibrary,
        address: str,
        *,
        dialect: Dialect = SCPI,
        clock: Clock | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        self.address = address
        self.dialect = dialect
        self.transcript = transcript or Transcript()
        self.exchanges = 0
        self.bytes_out = 0
        self.bytes_in = 0
        self.generation = 0
        """Raised by each resynchronisation: settings known from an earlier generation are hearsay."""
        self._library = library
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._state = LinkState.DEAD
        self._identity: str | None = None
        # A stream has no end of message of its own: lines end by their line feed, blocks by their length.
        self._is_stream = address.upper().endswith("::SOCKET") or address.upper().startswith("ASRL")
        self._resource = self._connect()
        self._state = LinkState.SYNCED

    @property
    def state(self) -> LinkState:
        """Return whether replies can be believed."""
        return self._state

    def write(self, text: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Send a command. That it left is no proof that it arrived: ask for something afterwards."""
        message = _encoded(text)
        with self._exchange(text):
            self._send(message, text, Deadline.after(timeout_s, self._clock))

    def query(self, text: str, *, timeout_s: float = TIMEOUT_S) -> str:
        """Send a question and return its one-line reply."""
        message = _encoded(text)
        with self._exchange(text):
            return self._ask(message, text, timeout_s)

    def write_block(self, prefix: str, array: NDArray[np.generic], *, timeout_s: float | None = None) -> None:
        """Send a command that ends with a definite-length block of the array's bytes, in one piece."""
        data = _bytes_of(np.ascontiguousarray(array))
        shown = prefix + describe_block(data)
        message = b"".join((_encoded(prefix)[:-1], scpi.block_header(data.nbytes), data, scpi.LF))
        with self._exchange(shown):
            self._send(message, shown, Deadline.after(timeout_s or transfer_timeout_s(len(message)), self._clock))

    def query_block(
        self, text: str, dtype: DTypeLike, count: int, *, timeout_s: float | None = None
    ) -> NDArray[np.generic]:
        """Send a question and return the `count` items of its reply, one definite-length block, read-only."""
        message = _encoded(text)
        size = np.dtype(dtype).itemsize * count
        with self._exchange(text):
            deadline = Deadline.after(timeout_s or transfer_timeout_s(size), self._clock)
            self._send(message, text, deadline)
            began_s = self._clock.monotonic_s()
            reply = self._receive_block(size, deadline)
            array = scpi.decode_block(reply, dtype, count)
            self._note(Direction.IN, describe_block(_bytes_of(array)), began_s)
            return array

    def exchange(
        self, message: bytes, *, replies: bool, timeout_s: float | None = None, most: int = TEXT_CAP_BYTES
    ) -> bytes:
        """Send bytes as they are and return the reply as it came, text or one block: for consoles and conformance.

        Args:
            message: the whole message, terminator included. Whether it moves a wall is the caller's business.
            replies: whether to wait for a reply.
            timeout_s: deadline; None gives what the sizes need.
            most: longest reply accepted, bytes.
        """
        shown = scpi.excerpt(message)
        with self._exchange(shown):
            deadline = Deadline.after(timeout_s or transfer_timeout_s(len(message) + most), self._clock)
            self._send(message, shown, deadline)
            return self._receive_anything(most, deadline) if replies else b""

    def identify(self) -> str:
        """Return the `*IDN?` reply. Every later connection must answer the same."""
        self._identity = self.query("*IDN?")
        return self._identity

    def distrust(self) -> None:
        """Declare that the last reply was not what was asked for: DESYNCED from now on."""
        if self._state is LinkState.SYNCED:
            self._state = LinkState.DESYNCED

    def resynchronise(self, first: str | None = None) -> None:
        """Close, reopen, compare the identity and prove by three nonces that replies belong to their questions.

        Args:
            first: a command to send before anything is read, such as the one that switches the output off.

        Raises:
            LinkError: if that fails; the link is then DEAD and this may be called again.
        """
        with self._lock:
            if self._state is LinkState.CLOSED:
                raise LinkLost(f"{self.address} is closed: open the bench again")
            self._state = LinkState.DEAD
            self.generation += 1
            try:
                self._disconnect()
                self._resource = self._connect()
                self._prove(first)
            except BaseException as error:
                failure = _translated(error)[1]
                failure.add_note(f"while resynchronising {self.address}")
                if failure is error:
                    raise
                raise failure from error
            self._state = LinkState.SYNCED

    def close(self) -> None:
        """Close the session for good; closing twice is allowed."""
        with self._lock:
            if self._state is not LinkState.CLOSED:
                self._state = LinkState.CLOSED
                self._disconnect()

    def _prove(self, first: str | None) -> None:
        with suppress(VisaIOError, NotImplementedError):
            # Where the interface has a device clear, it drops what the last connection left in the instrument.
            self._resource.clear()
        if first is not None:
            self._send(_encoded(first), first, Deadline.after(TIMEOUT_S, self._clock))
        identity = self._ask(b"*IDN?\n", "*IDN?", TIMEOUT_S)
        if self._identity is not None and identity != self._identity:
            raise LinkDesync(f"{self.address} was {self._identity!r} and is now {identity!r}: check the cabling")
        kept = self._echo(None)
        for nonce in secrets.SystemRandom().sample([n for n in range(256) if n != kept], _NONCES):
            self._echo(nonce)
        self._echo(kept)

    def _echo(self, value: int | None) -> int:
        """Write the event enable register, which has no effect on its own, and read it back; None only reads."""
        if value is not None:
            self._send(_encoded(f"*ESE {value}"), f"*ESE {value}", Deadline.after(TIMEOUT_S, self._clock))
        answer = scpi.parse_integer(self._ask(b"*ESE?\n", "*ESE?", TIMEOUT_S))
        if value is not None and answer != value:
            raise LinkDesync(
                f"{self.address} answered {answer} where {value} was written: replies still belong to other questions"
            )
        return answer

    @contextmanager
    def _exchange(self, shown: str) -> Iterator[None]:
        with self._lock:
            if self._state is not LinkState.SYNCED:
                kind = LinkDesync if self._state is LinkState.DESYNCED else LinkLost
                raise kind(f"{self.address} is {self._state}: resynchronise the link before sending {shown}")
            try:
                yield
            except BaseException as error:
                # Ctrl-C counts too: the reply that nobody waited for would answer the next question.
                self._state, failure = _translated(error)
                failure.add_note(f"while exchanging {shown} with {self.address}")
                if failure is error:
                    raise
                raise failure from error

    def _connect(self) -> MessageBasedResource:
        try:
            resource = self._library.connect(self.address, TIMEOUT_S)
            self._timeout_ms = -1
            self._reads_lines = self._is_stream
            resource.read_termination = "\n" if self._is_stream else None
        except Exception as error:
            failure = _translated(error)[1]
            failure.add_note(f"while opening {self.address} with the library {self._library.specification!r}")
            raise failure from error
        return resource

    def _disconnect(self) -> None:
        with suppress(pyvisa.Error, OSError, RuntimeError):
            # A broken session may fail to close; there is nothing more to be done with it.
            self._resource.close()

    def _ask(self, message: bytes, shown: str, timeout_s: float) -> str:
        deadline = Deadline.after(timeout_s, self._clock)
        self._send(message, shown, deadline)
        began_s = self._clock.monotonic_s()
        reply = self._receive_line(deadline)
        line = scpi.parse_text(reply)
        self._note(Direction.IN, line, began_s)
        return line

    def _send(self, message: bytes, shown: str, deadline: Deadline) -> None:
        began_s = self._clock.monotonic_s()
        self._set_timeout(deadline)
        self.exchanges += 1
        sent = self._resource.write_raw(message)
        self.bytes_out += sent
        self._note(Direction.OUT, shown, began_s)
        if sent != len(message):
            raise LinkDesync(f"only {sent} of {len(message)} bytes went out")

    def _receive_line(self, deadline: Deadline) -> bytes:
        if self._is_stream and not self._reads_lines:
            self._resource.read_termination = "\n"
            self._reads_lines = True
        reply, ended = self._receive(TEXT_CAP_BYTES + 1, deadline)
        if not ended:
            raise LinkDesync(f"reply is longer than {TEXT_CAP_BYTES} bytes: {scpi.excerpt(reply)}")
        return reply

    def _receive_block(self, size: int, deadline: Deadline) -> bytes:
        if not self._is_stream:
            # One byte more than the longest lawful reply, so that an extra byte shows.
            reply, ended = self._receive(scpi.LONGEST_HEADER + size + len(scpi.LF) + 1, deadline)
            if not ended:
                raise LinkDesync(f"reply is longer than a block of {size} bytes: {scpi.excerpt(reply)}")
            return reply
        if self._reads_lines:
            self._resource.read_termination = None
            self._reads_lines = False
        start, _ = self._receive(2, deadline, whole=True)
        rest, _ = self._receive(scpi.block_digits(start) + size + len(scpi.LF), deadline, whole=True)
        return start + rest

    def _receive_anything(self, most: int, deadline: Deadline) -> bytes:
        """Read a line or a block: a stream tells which by its first byte, other interfaces mark the end."""
        if not self._is_stream:
            reply, ended = self._receive(most + 1, deadline)
            if not ended:
                raise LinkDesync(f"reply is longer than {most} bytes: {scpi.excerpt(reply)}")
            return reply
        if self._reads_lines:
            self._resource.read_termination = None
            self._reads_lines = False
        start, _ = self._receive(1, deadline, whole=True)
        if start in (b"\n", b""):
            return start
        if start != b"#":
            return start + self._receive_line(deadline)
        start += self._receive(1, deadline, whole=True)[0]
        start += self._receive(scpi.block_digits(start), deadline, whole=True)[0]
        if not start[2:].isdigit() or (size := int(start[2:])) > most:
            raise LinkDesync(f"expected a block of at most {most} bytes, got {scpi.excerpt(start)}")
        return start + self._receive(size + len(scpi.LF), deadline, whole=True)[0]

    def _receive(self, most: int, deadline: Deadline, *, whole: bool = False) -> tuple[bytes, bool]:
        """Return up to `most` bytes and whether the message ended there; `whole` reads on past an end."""
        chunks: list[bytes] = []
        got = 0
        with self._resource.ignore_warning(StatusCode.success_max_count_read, StatusCode.success_device_not_present):
            while True:
                self._set_timeout(deadline)
                chunk, status = self._resource.visalib.read(self._resource.session, most - got)
                chunks.append(chunk)
                got += len(chunk)
                self.bytes_in += len(chunk)
                ended = status in _ENDED
                if got >= most or (ended and not whole):
                    return (chunk if len(chunks) == 1 else b"".join(chunks)), ended
                if deadline.expired:
                    raise LinkTimeout(f"only {got} bytes of the reply came in time: {scpi.excerpt(b''.join(chunks))}")

    def _set_timeout(self, deadline: Deadline) -> None:
        # In steps of 10 ms, so that a healthy exchange does not set the attribute anew for every call.
        timeout_ms = max(1, math.ceil(deadline.left_s() * 100)) * 10
        if timeout_ms != self._timeout_ms:
            self._resource.timeout = timeout_ms
            self._timeout_ms = timeout_ms

    def _note(self, direction: Direction, text: str, began_s: float) -> None:
        self.transcript.add(direction, self.address, text, self._clock.monotonic_s() - began_s)


def _bytes_of(array: NDArray[np.generic]) -> memoryview:
    return array.view(np.uint8).data


def _encoded(text: str) -> bytes:
    if not (text.isascii() and text.isprintable()):
        raise ConfigError(f"{text!r} cannot be sent: a message is one line of printable ASCII")
    return text.encode("ascii") + scpi.LF


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1e3)


def _translated(error: BaseException) -> tuple[LinkState, BaseException]:
    """Return the state a failure leaves the link in, and the failure as one of ours."""
    match error:
        case LinkLost():
            return LinkState.DEAD, error
        case HilError():
            return LinkState.DESYNCED, error
        case VisaIOError(error_code=StatusCode.error_timeout):
            return LinkState.DESYNCED, LinkTimeout(
                f"no complete reply in time ({error.abbreviation}): resynchronise the link"
            )
        case VisaIOError(error_code=StatusCode.error_resource_not_found):
            return LinkState.DEAD, LinkLost(f"nothing is there ({error.abbreviation}): check address, power, cabling")
        case VisaIOError() if error.error_code in _LOST:
            return LinkState.DEAD, LinkLost(f"the connection is gone ({error.abbreviation}): check power and cabling")
        case VisaIOError():
            return LinkState.DESYNCED, LinkError(str(error))
        case InvalidSession() | OSError() | RuntimeError() if not isinstance(error, NotImplementedError):
            return LinkState.DEAD, LinkLost(
                f"the connection is gone ({type(error).__name__}: {error}): check power and cabling"
            )
        case Exception():
            return LinkState.DESYNCED, LinkError(f"the VISA library failed ({type(error).__name__}: {error})")
        case _:
            return LinkState.DESYNCED, error
