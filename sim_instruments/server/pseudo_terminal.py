"""A pseudo-terminal in front of an instrument: a serial line whose other end any program can open."""

import contextlib
import logging
import os
import select
import termios
import threading
import tty
from typing import Final, final

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_stream import MessageStream, OverrunError
from sim_instruments.server.port import Port

_CHUNK: Final = 1 << 16
_LOG: Final = logging.getLogger(__name__)


@final
class PseudoTerminal:
    """One serial line. A real one knows nothing of who is connected, and neither does this.

    Args:
        port: the instrument.
        name: for messages.
        send_timeout_s: a reply of which nothing is taken for so long is thrown away.
    """

    def __init__(self, port: Port, name: str, *, send_timeout_s: float) -> None:
        self._port = port
        self._name = name
        self._send_timeout_s = send_timeout_s
        self._master, self._slave = os.openpty()
        # Held open here, so that the line stays up between clients; raw, so that no byte is changed or echoed.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        """What a client opens."""
        self._stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="serial", daemon=True)

    def start(self) -> None:
        """Start to listen."""
        self._thread.start()

    def close(self) -> None:
        """Take the line down."""
        os.close(self._stop)
        if self._thread.is_alive():
            self._thread.join()
        for descriptor in (self._master, self._slave, self._stopped):
            os.close(descriptor)

    def _serve(self) -> None:
        stream = MessageStream()
        while self._wait(select.POLLIN, None):
            try:
                for message in stream.feed(os.read(self._master, _CHUNK)):
                    self._send(self._port.exchange(message, has_end=False, interface="ASRL"))
            except OverrunError as error:
                self._port.report(ScpiError(-363, str(error)))
            except BlockingIOError:
                continue
            except Exception:  # noqa: BLE001 - a serial line cannot hang up: it goes on with the next message
                _LOG.exception("%s: a message was given up", self._name)

    def _send(self, reply: bytes) -> None:
        left = memoryview(reply)
        while left:
            if not self._wait(select.POLLOUT, self._send_timeout_s):
                _LOG.warning("%s: threw away a reply that nobody reads", self._name)
                with contextlib.suppress(termios.error):
                    termios.tcflush(self._slave, termios.TCIFLUSH)
                return
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(self._master, left) :]

    def _wait(self, events: int, timeout_s: float | None) -> bool:
        """Wait for the line; False when time is up or the line is to be taken down."""
        poll = select.poll()
        poll.register(self._master, events)
        poll.register(self._stopped, select.POLLIN)
        ready = dict(poll.poll(None if timeout_s is None else timeout_s * 1000))
        return self._master in ready and self._stopped not in ready
