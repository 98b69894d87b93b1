"""One open connection: bytes out, lines and blocks in, each within its deadline and its length.

What comes is not believed or doubted here, only bounded: `drivers.link` says what a failure means.
"""

import math
from contextlib import suppress
from typing import final

import pyvisa
from pyvisa.constants import ResourceAttribute, StatusCode
from pyvisa.errors import VisaIOError
from pyvisa.resources import MessageBasedResource

from drivers import scpi
from drivers.deadline import Deadline
from drivers.errors import LinkDesync, LinkTimeout
from drivers.link_state import translated
from drivers.tcp import TcpStream
from drivers.visa_library import VisaLibrary

TEXT_CAP_BYTES = 64 * 1024
"""Longest reply that is not a block, bytes."""

_ENDED = (StatusCode.success, StatusCode.success_termination_character_read)


def is_serial(address: str) -> bool:
    """Return whether a resource is a serial line, which stays up while a program dies."""
    return address.upper().startswith("ASRL")


def is_stream(address: str) -> bool:
    """Return whether a resource has no end of message of its own: lines end by their line feed, blocks by length."""
    return is_serial(address) or address.upper().endswith("::SOCKET")


@final
class Wire:
    """A session with one resource.

    Args:
        library: the VISA library to open it with.
        address: VISA resource name.
        end: what ends every message.
        baud: symbols per second, on a serial line.
        open_timeout_s: time given to the resource to open, seconds.

    Raises:
        LinkError: if it does not open.
    """

    def __init__(self, library: VisaLibrary, address: str, *, end: bytes, baud: int, open_timeout_s: float) -> None:
        self.bytes_in = 0
        """Bytes received so far."""
        self.is_serial = is_serial(address)
        self.is_stream = is_stream(address)
        self._end = end
        self._library = library
        self._timeout_ms = -1
        try:
            self.resource: MessageBasedResource = library.connect(address, open_timeout_s)
            self.tcp: TcpStream | None = TcpStream.below(_session_of(self.resource))
            # A TCP stream is looked at before it is read, so that no read goes past a line feed.
            self._reads_lines = self.is_stream and self.tcp is None
            self.resource.read_termination = "\n" if self._reads_lines else None
            if self.is_serial:
                _set_baud(self.resource, baud)
        except Exception as error:
            failure = translated(error)[1]
            failure.add_note(f"while opening {address} with the library {library.specification!r}")
            raise failure from error

    def close(self) -> None:
        """Close the session; a broken one may fail to close, and there is nothing more to be done with it."""
        with suppress(pyvisa.Error, OSError, RuntimeError):
            self.resource.close()

    def clear(self, deadline: Deadline) -> None:
        """Send a device clear where the interface has one: it drops what an earlier connection left behind."""
        self._set_timeout(deadline)
        if not self.is_stream:
            with suppress(VisaIOError, NotImplementedError):
                self.resource.clear()

    def send(self, message: bytes, deadline: Deadline, *, must_be_silent: bool = True) -> int:
        """Send one message and return how many bytes went out.

        Args:
            message: the message, terminator included.
            deadline: of the exchange.
            must_be_silent: whether something that has come already is `LinkDesync`.
        """
        self._set_timeout(deadline)
        if self.tcp is not None:
            # HiSLIP numbers its messages and drops what belongs to none by itself.
            self.tcp.begin(deadline, must_be_silent=must_be_silent and self.is_stream)
        return self.resource.write_raw(message)

    def receive_line(self, deadline: Deadline) -> bytes:
        """Read one line; anything longer, or more than a line where that shows, is `LinkDesync`."""
        if self.is_stream and self.tcp is not None:
            return self._receive_line_from(self.tcp, deadline)
        if self.is_stream and not self._reads_lines:
            self.resource.read_termination = "\n"
            self._reads_lines = True
        reply, ended = self._receive(TEXT_CAP_BYTES + 1, deadline)
        if not ended:
            raise LinkDesync(f"reply is longer than {TEXT_CAP_BYTES} bytes: {scpi.excerpt(reply)}")
        return reply

    def receive_block(self, size: int, deadline: Deadline, *, indefinite: bool) -> bytes:
        """Read one block of exactly so many bytes, header and terminator included."""
        head = scpi.INDEFINITE if indefinite else b""
        if not self.is_stream:
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

    def receive_anything(self, most: int, deadline: Deadline) -> bytes:
        """Read a line or a block: a stream tells which by its first byte, other interfaces mark the end."""
        if not self.is_stream:
            reply, ended = self._receive(most + 1, deadline)
            if not ended:
                raise LinkDesync(f"reply is longer than {most} bytes: {scpi.excerpt(reply)}")
            return reply
        start = self._receive_exactly(1, deadline)
        if start == scpi.LF:
            return start
        if start != b"#":
            return start + self.receive_line(deadline)
        start += self._receive_exactly(1, deadline)
        start += self._receive_exactly(scpi.block_digits(start), deadline)
        if not start[2:].isdigit() or (size := int(start[2:])) > most:
            raise LinkDesync(f"expected a block of at most {most} bytes, got {scpi.excerpt(start)}")
        return start + self._receive_exactly(size + len(self._end), deadline)

    def receive_some(self, deadline: Deadline) -> bytes:
        """Read something, whatever it is."""
        if self.is_stream and self.tcp is not None:
            self.tcp.deadline = deadline
            return self._receive(len(self.tcp.arrived()), deadline)[0]
        self._set_timeout(deadline)
        with self.resource.ignore_warning(StatusCode.success_max_count_read, StatusCode.success_device_not_present):
            return self.resource.visalib.read(self.resource.session, 1 if self.is_serial else TEXT_CAP_BYTES)[0]

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

    def _receive_exactly(self, count: int, deadline: Deadline) -> bytes:
        """Read so many bytes of a stream, line feeds or not."""
        if self.tcp is None:
            if self._reads_lines:
                self.resource.read_termination = None
                self._reads_lines = False
            return self._receive(count, deadline, whole=True)[0]
        pieces: list[bytes] = []
        while count > 0:
            # No more than what is there: a read that waits for more keeps no deadline and sees no end of connection.
            pieces.append(self._receive(min(len(self.tcp.arrived()), count), deadline)[0])
            count -= len(pieces[-1])
        return b"".join(pieces)

    def _receive(self, most: int, deadline: Deadline, *, whole: bool = False) -> tuple[bytes, bool]:
        """Return up to `most` bytes and whether the message ended there; `whole` reads on past an end."""
        chunks: list[bytes] = []
        got = 0
        with self.resource.ignore_warning(StatusCode.success_max_count_read, StatusCode.success_device_not_present):
            while True:
                self._set_timeout(deadline)
                chunk, status = self.resource.visalib.read(self.resource.session, self._at_once(most - got))
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
        if not self.is_serial or self._library.is_private:
            return most
        try:
            waiting = int(self.resource.get_visa_attribute(ResourceAttribute.asrl_avalaible_number))
        except (VisaIOError, NotImplementedError):
            return most
        return min(most, max(1, waiting))

    def _set_timeout(self, deadline: Deadline) -> None:
        # In steps of 10 ms, so that a healthy exchange does not set the attribute anew for every call.
        timeout_ms = max(1, math.ceil(deadline.left_s() * 100)) * 10
        if timeout_ms != self._timeout_ms:
            self.resource.timeout = timeout_ms
            self._timeout_ms = timeout_ms


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
