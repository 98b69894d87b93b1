"""One instrument on the wire: deadlines, byte caps, and a state that says whether replies can be believed.

A reply belongs to its question only while nothing has gone wrong: after
a time-out the late reply would answer the next question, and so on for ever. So any time-out, over-length or malformed
reply leaves the link DESYNCED, and it stays silent until `resynchronise` has proved on a fresh connection that question
and answer belong together. Nothing is ever sent twice.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError

from drivers import scpi
from drivers.deadline import Clock, Deadline, SystemClock
from drivers.dialect import SCPI, Dialect, Echo
from drivers.errors import ConfigError, InstrumentError, LinkDesync, LinkLost, LinkTimeout
from drivers.link_state import LinkState, translated
from drivers.lock import InstrumentLock, identity_key, resource_key
from drivers.protocols import Identity
from drivers.transcript import Direction, Transcript, describe_block
from drivers.visa_library import VisaLibrary, canonical
from drivers.wire import TEXT_CAP_BYTES, Wire

TIMEOUT_S = 5.0
"""Deadline of an exchange unless told otherwise, seconds."""

SLOWEST_BYTES_PER_S = 2e6
"""Blocks are given time for at least this rate."""

_NONCES = 3
_BITS_PER_BYTE = 10  # on a serial line: a start bit, eight of data, a stop bit
_SERIAL_SILENCE_S = 0.25
_SILENCE_S = 0.05


def transfer_timeout_s(byte_count: int) -> float:
    """Return the deadline for an exchange that carries so many bytes over anything but a serial line, seconds."""
    return TIMEOUT_S + byte_count / SLOWEST_BYTES_PER_S


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
        self._received = 0
        self._locks: list[InstrumentLock] = []
        self._hold(resource_key(canonical(address)))
        try:
            self._wire = self._connect()
        except BaseException:
            self._release()
            raise
        self._state = LinkState.SYNCED

    @property
    def bytes_in(self) -> int:
        """Return the bytes received so far, on all connections."""
        return self._received + self._wire.bytes_in

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
            reply = self._wire.receive_block(size, deadline, indefinite=indefinite)
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
            return self._wire.receive_anything(most, deadline) if replies else b""

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
                self._received, self._wire.bytes_in = self.bytes_in, 0
                self._wire.close()
                self._wire = self._connect()
                self._prove(first)
            except BaseException as error:
                failure = translated(error)[1]
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
                self._wire.close()
                self._release()

    def _hold(self, key: str) -> None:
        if not self._library.is_private:
            self._locks.append(InstrumentLock.take(key, self.address))

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().release()

    def _prove(self, first: str | None) -> None:
        self._wire.clear(self._soon())
        for text in self._opening(first):
            self._send(self._encoded(text), text, self._soon(), must_be_silent=False)
        if self._wire.is_stream or self.dialect.echo is None or self.dialect.acknowledgement is not None:
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
        if not self._wire.is_serial:
            return () if first is None else (first,)
        return ("*IDN?",) if first is None else (first, first)

    def _await_silence(self) -> None:
        """Read and drop what still comes, until nothing has come for a while."""
        silence_s = _SERIAL_SILENCE_S if self._wire.is_serial else _SILENCE_S
        deadline = Deadline.after(self.timeout_s + silence_s, self.clock)
        dropped = 0
        while dropped <= TEXT_CAP_BYTES and not deadline.expired:
            try:
                dropped += len(self._wire.receive_some(Deadline.after(silence_s, self.clock)))
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
                self._state, failure = translated(error)
                failure.add_note(f"while exchanging {shown} with {self.address}, deadline {timeout_s:g} s")
                if failure is error:
                    raise
                raise failure from error

    def _connect(self) -> Wire:
        return Wire(
            self._library, self.address, end=self._end, baud=self.dialect.baud, open_timeout_s=self._open_timeout_s
        )

    def _encoded(self, text: str) -> bytes:
        if not (text.isascii() and text.isprintable()):
            raise ConfigError(f"{text!r} cannot be sent: a message is one line of printable ASCII")
        return text.encode("ascii") + self._end

    def _transfer_timeout_s(self, byte_count: int) -> float:
        """Return the deadline for an exchange that carries so many bytes, seconds."""
        slowest = self.dialect.baud / _BITS_PER_BYTE if self._wire.is_serial else SLOWEST_BYTES_PER_S
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
        reply = self._wire.receive_line(deadline)
        line = scpi.parse_text(reply, self._end)
        self._note(Direction.IN, line, began_s)
        return line

    def _send(self, message: bytes, shown: str, deadline: Deadline, *, must_be_silent: bool = True) -> None:
        began_s = self.clock.monotonic_s()
        self.exchanges += 1
        sent = self._wire.send(message, deadline, must_be_silent=must_be_silent)
        self.bytes_out += sent
        self._note(Direction.OUT, shown, began_s)
        if sent != len(message):
            raise LinkDesync(f"only {sent} of {len(message)} bytes went out")

    def _note(self, direction: Direction, text: str, began_s: float) -> None:
        self.transcript.add(direction, self.address, text, self.clock.monotonic_s() - began_s)


def _bytes_of(array: NDArray[np.generic]) -> memoryview:
    return array.view(np.uint8).data
