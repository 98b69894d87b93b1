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
from pyvisa import rname
from pyvisa.constants import ResourceAttribute, StatusCode
from pyvisa.errors import InvalidSession, VisaIOError
from pyvisa.resources import MessageBasedResource

from drivers import scpi
from drivers.deadline import Clock, Deadline, SystemClock
from drivers.dialect import SCPI, Dialect, Echo
from drivers.errors import (
    ConfigError,
    HilError,
    InstrumentError,
    LimitError,
    LinkDesync,
    LinkError,
    LinkLost,
    LinkTimeout,
)
from drivers.lock import InstrumentLock, identity_key, resource_key
from drivers.protocols import Identity
from drivers.tcp import TcpStream
from drivers.transcript import Direction, Transcript, describe_block

TIMEOUT_S = 5.0
"""Deadline of an exchange unless told otherwise, seconds."""

TEXT_CAP_BYTES = 64 * 1024
"""Longest reply that is not a block, bytes."""

SLOWEST_BYTES_PER_S = 2e6
"""Blocks are given time for at least this rate."""

_NONCES = 3
_BITS_PER_BYTE = 10  # on a serial line: a start bit, eight of data, a stop bit
_SERIAL_SILENCE_S = 0.25
_SILENCE_S = 0.05
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
    """Return the deadline for an exchange that carries so many bytes over anything but a serial line, seconds."""
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

    @property
    def is_private(self) -> bool:
        """Return whether the instruments belong to this process, as simulated ones do: nobody else can reach them."""
        return getattr(self._manager.visalib, "is_private", False) is True

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
        timeout_s: deadline of an exchange unless told otherwise, seconds; blocks get time for their bytes on top.
        open_timeout_s: time given to the resource to open, at first and again, seconds.

    Raises:
        InstrumentBusy: if another program holds the resource; nothing was sent.
        LinkError: if the resource does not open.
    """

    def __init__(
        self,
        library: VisaLibrary,
        address: str,
        *,
        dialect: Dialect = SCPI,
        clock: Clock | None = None,
        transcript: Transcript | None = None,
        timeout_s: float = TIMEOUT_S,
        open_timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.address = address
        self.timeout_s = timeout_s
        self.dialect = dialect
        self.transcript = transcript or Transcript()
        self.exchanges = 0
        self.bytes_out = 0
        self.bytes_in = 0
        self.generation = 0
        """Raised by each resynchronisation: settings known from an earlier generation are hearsay."""
        self.clock = clock or SystemClock()
        """What deadlines are measured by."""
        self._library = library
        self._open_timeout_s = open_timeout_s
        self._lock = threading.RLock()
        self._state = LinkState.DEAD
        self._identity: str | None = None
        self._end = dialect.terminator.encode("ascii")
        # A stream has no end of message of its own: lines end by their line feed, blocks by their length.
        self._is_serial = address.upper().startswith("ASRL")
        self._is_stream = self._is_serial or address.upper().endswith("::SOCKET")
        self._locks: list[InstrumentLock] = []
        self._hold(resource_key(_canonical(address)))
        try:
            self._resource = self._connect()
        except BaseException:
            self._release()
            raise
        self._state = LinkState.SYNCED

    @property
    def state(self) -> LinkState:
        """Return whether replies can be believed."""
        return self._state

    def write(self, text: str, *, timeout_s: float | None = None) -> None:
        """Send a command. That it left is no proof that it arrived: ask for something afterwards.

        Raises:
            InstrumentError: if the instrument answers commands and refused this one.
        """
        message = self._encoded(text)
        with self._exchange(text, timeout_s or self.timeout_s) as deadline:
            answer = self._tell(message, text, deadline)
        self._check_refusal(text, answer)

    def query(self, text: str, *, timeout_s: float | None = None) -> str:
        """Send a question and return its one-line reply.

        Raises:
            InstrumentError: if the instrument answers commands and refused the question.
        """
        message = self._encoded(text)
        with self._exchange(text, timeout_s or self.timeout_s) as deadline:
            reply = self._ask(message, text, deadline)
        if self.dialect.acknowledgement is not None:
            self._check_refusal(text, reply)
        return reply

    def write_block(self, prefix: str, array: NDArray[np.generic], *, timeout_s: float | None = None) -> None:
        """Send a command that ends with a definite-length block of the array's bytes, in one piece."""
        data = _bytes_of(np.ascontiguousarray(array))
        shown = prefix + describe_block(data)
        head = self._encoded(prefix).removesuffix(self._end)
        message = b"".join((head, scpi.block_header(data.nbytes), data, self._end))
        with self._exchange(shown, timeout_s or self._transfer_timeout_s(len(message))) as deadline:
            answer = self._tell(message, shown, deadline)
        self._check_refusal(shown, answer)

    def query_block(
        self, text: str, dtype: DTypeLike, count: int, *, timeout_s: float | None = None, indefinite: bool = False
    ) -> NDArray[np.generic]:
        """Send a question and return the `count` items of its reply, one block and nothing else, read-only.

        Args:
            text: the question.
            dtype: type of the items.
            count: how many items the block must hold.
            timeout_s: deadline; None gives what the size needs.
            indefinite: whether the instrument sends a block without a length (`#0`), which its terminator ends.
        """
        message = self._encoded(text)
        size = np.dtype(dtype).itemsize * count
        with self._exchange(text, timeout_s or self._transfer_timeout_s(size)) as deadline:
            self._send(message, text, deadline)
            began_s = self.clock.monotonic_s()
            reply = self._receive_block(size, deadline, indefinite=indefinite)
            array = scpi.decode_block(reply, dtype, count, indefinite=indefinite, end=self._end)
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
        with self._exchange(shown, timeout_s or self._transfer_timeout_s(len(message) + most)) as deadline:
            self._send(message, shown, deadline)
            return self._receive_anything(most, deadline) if replies else b""

    def identify(self) -> str:
        """Return the `*IDN?` reply. Every later connection must answer the same."""
        self._identity = self.query("*IDN?")
        return self._identity

    def claim(self, identity: Identity) -> None:
        """Keep other programs from the instrument under whatever address.

        Raises:
            InstrumentBusy: if one holds it already, by another way.
        """
        if (key := identity_key(identity)) is not None:
            self._hold(key)

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
                self._release()

    def _hold(self, key: str) -> None:
        if not self._library.is_private:
            self._locks.append(InstrumentLock.take(key, self.address))

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().release()

    def _prove(self, first: str | None) -> None:
        self._set_timeout(self._soon())
        if not self._is_stream:
            with suppress(VisaIOError, NotImplementedError):
                # Where the interface has a device clear, it drops what the last connection left in the instrument.
                self._resource.clear()
        for text in self._opening(first):
            self._send(self._encoded(text), text, self._soon(), must_be_silent=False)
        if self._is_stream or self.dialect.echo is None or self.dialect.acknowledgement is not None:
            self._await_silence()
        self._expect_identity()
        if self.dialect.echo is None:
            # The best that can be done without a register to write to: the same answer twice, and silence before.
            self._expect_identity()
        else:
            self._prove_by_nonces(self.dialect.echo)

    def _opening(self, first: str | None) -> tuple[str, ...]:
        """Return what to send before anything is read.

        A serial line stays up while a program dies: half a message may be waiting in the instrument, and what follows
        would be taken for its end. So something harmless goes first, twice if it matters.
        """
        if not self._is_serial:
            return () if first is None else (first,)
        return ("*IDN?",) if first is None else (first, first)

    def _await_silence(self) -> None:
        """Read and drop what still comes, until nothing has come for a while."""
        silence_s = _SERIAL_SILENCE_S if self._is_serial else _SILENCE_S
        deadline = Deadline.after(self.timeout_s + silence_s, self.clock)
        dropped = 0
        while dropped <= TEXT_CAP_BYTES and not deadline.expired:
            try:
                dropped += len(self._receive_some(Deadline.after(silence_s, self.clock)))
            except LinkTimeout:
                return
            except VisaIOError as error:
                if error.error_code == StatusCode.error_timeout:
                    return
                raise
        raise LinkDesync(f"{self.address} does not fall silent: {dropped} bytes came that nobody asked for")

    def _expect_identity(self) -> None:
        identity = self._ask(self._encoded("*IDN?"), "*IDN?", self._soon())
        if self._identity is not None and identity != self._identity:
            raise LinkDesync(f"{self.address} was {self._identity!r} and is now {identity!r}: check the cabling")
        if self.dialect.echo is None:
            self._identity = identity

    def _prove_by_nonces(self, echo: Echo) -> None:
        kept = self._echo(echo, None)
        for nonce in secrets.SystemRandom().sample([n for n in echo.values if n != kept], _NONCES):
            self._echo(echo, nonce)
        self._echo(echo, kept)

    def _echo(self, echo: Echo, value: int | None) -> int:
        """Write a register that has no effect on its own, and read it back; None only reads."""
        if value is not None:
            text = echo.write.format(value)
            self._tell(self._encoded(text), text, self._soon())
        answer = echo.parse(self._ask(self._encoded(echo.query), echo.query, self._soon()))
        if value is not None and answer != value:
            raise LinkDesync(
                f"{self.address} answered {answer} where {value} was written: replies still belong to other questions"
            )
        return answer

    def _soon(self) -> Deadline:
        return Deadline.after(self.timeout_s, self.clock)

    @contextmanager
    def _exchange(self, shown: str, timeout_s: float) -> Iterator[Deadline]:
        with self._lock:
            if self._state is not LinkState.SYNCED:
                kind = LinkDesync if self._state is LinkState.DESYNCED else LinkLost
                raise kind(f"{self.address} is {self._state}: resynchronise the link before sending {shown}")
            try:
                yield Deadline.after(timeout_s, self.clock)
            except BaseException as error:
                # Ctrl-C counts too: the reply that nobody waited for would answer the next question.
                self._state, failure = _translated(error)
                failure.add_note(f"while exchanging {shown} with {self.address}, deadline {timeout_s:g} s")
                if failure is error:
                    raise
                raise failure from error

    def _connect(self) -> MessageBasedResource:
        try:
            resource = self._library.connect(self.address, self._open_timeout_s)
            self._timeout_ms = -1
            self._tcp = TcpStream.below(_session_of(resource))
            # A TCP stream is looked at before it is read, so that no read goes past a line feed.
            self._reads_lines = self._is_stream and self._tcp is None
            resource.read_termination = "\n" if self._reads_lines else None
            if self._is_serial:
                _set_baud(resource, self.dialect.baud)
        except Exception as error:
            failure = _translated(error)[1]
            failure.add_note(f"while opening {self.address} with the library {self._library.specification!r}")
            raise failure from error
        return resource

    def _disconnect(self) -> None:
        with suppress(pyvisa.Error, OSError, RuntimeError):
            # A broken session may fail to close; there is nothing more to be done with it.
            self._resource.close()

    def _encoded(self, text: str) -> bytes:
        if not (text.isascii() and text.isprintable()):
            raise ConfigError(f"{text!r} cannot be sent: a message is one line of printable ASCII")
        return text.encode("ascii") + self._end

    def _transfer_timeout_s(self, byte_count: int) -> float:
        """Return the deadline for an exchange that carries so many bytes, seconds."""
        slowest = self.dialect.baud / _BITS_PER_BYTE if self._is_serial else SLOWEST_BYTES_PER_S
        return self.timeout_s + byte_count / slowest

    def _tell(self, message: bytes, shown: str, deadline: Deadline) -> str | None:
        """Send a command and return what the instrument says to it, if it is one that answers commands."""
        if self.dialect.acknowledgement is None:
            self._send(message, shown, deadline)
            return None
        answer = self._ask(message, shown, deadline)
        if answer != self.dialect.acknowledgement and not self.dialect.is_refusal(answer):
            raise LinkDesync(f"expected {self.dialect.acknowledgement!r}, got {scpi.excerpt(answer)}")
        return answer

    def _check_refusal(self, shown: str, answer: str | None) -> None:
        if answer is not None and self.dialect.is_refusal(answer):
            raise InstrumentError(f"{self.address} answers {answer} to {shown}: refused", (answer,))

    def _ask(self, message: bytes, shown: str, deadline: Deadline) -> str:
        self._send(message, shown, deadline)
        began_s = self.clock.monotonic_s()
        reply = self._receive_line(deadline)
        line = scpi.parse_text(reply, self._end)
        self._note(Direction.IN, line, began_s)
        return line

    def _send(self, message: bytes, shown: str, deadline: Deadline, *, must_be_silent: bool = True) -> None:
        began_s = self.clock.monotonic_s()
        self._set_timeout(deadline)
        if self._tcp is not None:
            # HiSLIP numbers its messages and drops what belongs to none by itself.
            self._tcp.begin(deadline, must_be_silent=must_be_silent and self._is_stream)
        self.exchanges += 1
        sent = self._resource.write_raw(message)
        self.bytes_out += sent
        self._note(Direction.OUT, shown, began_s)
        if sent != len(message):
            raise LinkDesync(f"only {sent} of {len(message)} bytes went out")

    def _receive_line(self, deadline: Deadline) -> bytes:
        if self._is_stream and self._tcp is not None:
            return self._receive_line_from(self._tcp, deadline)
        if self._is_stream and not self._reads_lines:
            self._resource.read_termination = "\n"
            self._reads_lines = True
        reply, ended = self._receive(TEXT_CAP_BYTES + 1, deadline)
        if not ended:
            raise LinkDesync(f"reply is longer than {TEXT_CAP_BYTES} bytes: {scpi.excerpt(reply)}")
        return reply

    def _receive_line_from(self, tcp: TcpStream, deadline: Deadline) -> bytes:
        """Read a line; bytes that have already come after its end belong to no question."""
        line = b""
        while not line.endswith(scpi.LF):
            waiting = bytes(tcp.arrived())
            taken = waiting.find(scpi.LF) + 1 or len(waiting)
            if len(line) + taken > TEXT_CAP_BYTES:
                raise LinkDesync(f"reply is longer than {TEXT_CAP_BYTES} bytes: {scpi.excerpt(line + waiting)}")
            line += self._receive(taken, deadline)[0]
            if taken < len(waiting):
                raise LinkDesync(f"{len(waiting) - taken} bytes came after the end of the reply {scpi.excerpt(line)}")
        return line

    def _receive_block(self, size: int, deadline: Deadline, *, indefinite: bool) -> bytes:
        head = scpi.INDEFINITE if indefinite else b""
        if not self._is_stream:
            # One byte more than the longest lawful reply, so that an extra byte shows.
            longest = (len(head) or scpi.LONGEST_HEADER) + size + len(self._end)
            reply, ended = self._receive(longest + 1, deadline)
            if not ended:
                raise LinkDesync(f"reply is longer than a block of {size} bytes: {scpi.excerpt(reply)}")
            return reply
        header = self._receive_exactly(2, deadline)
        if not indefinite:
            header += self._receive_exactly(scpi.block_digits(header), deadline)
        # Before the body is waited for, and before there is any memory for it.
        scpi.check_block_header(header, size, indefinite=indefinite)
        return header + self._receive_exactly(size + len(self._end), deadline)

    def _receive_exactly(self, count: int, deadline: Deadline) -> bytes:
        """Read so many bytes of a stream, line feeds or not."""
        if self._tcp is None:
            if self._reads_lines:
                self._resource.read_termination = None
                self._reads_lines = False
            return self._receive(count, deadline, whole=True)[0]
        pieces: list[bytes] = []
        while count > 0:
            # No more than what is there: a read that waits for more keeps no deadline and sees no end of connection.
            pieces.append(self._receive(min(len(self._tcp.arrived()), count), deadline)[0])
            count -= len(pieces[-1])
        return b"".join(pieces)

    def _receive_some(self, deadline: Deadline) -> bytes:
        """Read something, whatever it is."""
        if self._is_stream and self._tcp is not None:
            self._tcp.deadline = deadline
            return self._receive(len(self._tcp.arrived()), deadline)[0]
        self._set_timeout(deadline)
        with self._resource.ignore_warning(StatusCode.success_max_count_read, StatusCode.success_device_not_present):
            return self._resource.visalib.read(self._resource.session, 1 if self._is_serial else TEXT_CAP_BYTES)[0]

    def _receive_anything(self, most: int, deadline: Deadline) -> bytes:
        """Read a line or a block: a stream tells which by its first byte, other interfaces mark the end."""
        if not self._is_stream:
            reply, ended = self._receive(most + 1, deadline)
            if not ended:
                raise LinkDesync(f"reply is longer than {most} bytes: {scpi.excerpt(reply)}")
            return reply
        start = self._receive_exactly(1, deadline)
        if start == scpi.LF:
            return start
        if start != b"#":
            return start + self._receive_line(deadline)
        start += self._receive_exactly(1, deadline)
        start += self._receive_exactly(scpi.block_digits(start), deadline)
        if not start[2:].isdigit() or (size := int(start[2:])) > most:
            raise LinkDesync(f"expected a block of at most {most} bytes, got {scpi.excerpt(start)}")
        return start + self._receive_exactly(size + len(self._end), deadline)

    def _receive(self, most: int, deadline: Deadline, *, whole: bool = False) -> tuple[bytes, bool]:
        """Return up to `most` bytes and whether the message ended there; `whole` reads on past an end."""
        chunks: list[bytes] = []
        got = 0
        with self._resource.ignore_warning(StatusCode.success_max_count_read, StatusCode.success_device_not_present):
            while True:
                self._set_timeout(deadline)
                chunk, status = self._resource.visalib.read(self._resource.session, self._at_once(most - got))
                chunks.append(chunk)
                got += len(chunk)
                self.bytes_in += len(chunk)
                ended = status in _ENDED
                if got >= most or (ended and not whole):
                    return (chunk if len(chunks) == 1 else b"".join(chunks)), ended
                if deadline.expired:
                    raise LinkTimeout(f"only {got} bytes of the reply came in time: {scpi.excerpt(b''.join(chunks))}")

    def _at_once(self, most: int) -> int:
        """Return how many bytes to ask for: on a serial line what is there, as each byte there starts time anew."""
        if not self._is_serial or self._library.is_private:
            return most
        try:
            waiting = int(self._resource.get_visa_attribute(ResourceAttribute.asrl_avalaible_number))
        except (VisaIOError, NotImplementedError):
            return most
        return min(most, max(1, waiting))

    def _set_timeout(self, deadline: Deadline) -> None:
        # In steps of 10 ms, so that a healthy exchange does not set the attribute anew for every call.
        timeout_ms = max(1, math.ceil(deadline.left_s() * 100)) * 10
        if timeout_ms != self._timeout_ms:
            self._resource.timeout = timeout_ms
            self._timeout_ms = timeout_ms

    def _note(self, direction: Direction, text: str, began_s: float) -> None:
        self.transcript.add(direction, self.address, text, self.clock.monotonic_s() - began_s)


def _bytes_of(array: NDArray[np.generic]) -> memoryview:
    return array.view(np.uint8).data


def _canonical(address: str) -> str:
    """Return a resource name with the parts that may be left out."""
    try:
        return str(rname.parse_resource_name(address))
    except rname.InvalidResourceName:
        # An alias of the VISA library's own configuration, or a name that will not open.
        return address


def _session_of(resource: MessageBasedResource) -> object:
    """Return the library's own object behind a resource, where the library shows it."""
    sessions = getattr(resource.visalib, "sessions", None)
    return sessions.get(resource.session) if isinstance(sessions, dict) else None


def _set_baud(resource: MessageBasedResource, baud: int) -> None:
    try:
        resource.set_visa_attribute(ResourceAttribute.asrl_baud_rate, baud)
    except VisaIOError as error:
        # A line without a rate, such as a simulated one.
        if error.error_code != StatusCode.error_nonsupported_attribute:
            raise


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1e3)


def _translated(error: BaseException) -> tuple[LinkState, BaseException]:
    """Return the state a failure leaves the link in, and the failure as one of ours."""
    match error:
        case HilError():
            # A limit is checked before a byte is sent, by the guard too.
            left = {LinkLost: LinkState.DEAD, LimitError: LinkState.SYNCED}
            return left.get(type(error), LinkState.DESYNCED), error
        case TimeoutError():
            return LinkState.DESYNCED, LinkTimeout(f"no complete reply in time ({error}): resynchronise the link")
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
