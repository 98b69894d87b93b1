"""A raw TCP socket in front of an instrument: messages end at a newline, replies go to the client that asked."""

import socket
from typing import Final

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_stream import MessageStream, OverrunError
from sim_instruments.server.port import Port

_CHUNK: Final = 1 << 18


def serve_socket(connection: socket.socket, port: Port) -> None:
    """Serve one client until it goes, or sends a message without end. Others take their turns between its messages."""
    stream = MessageStream()
    interface = f"LAN{connection.getpeername()[0]}"
    with port.client(interface):
        try:
            while data := connection.recv(_CHUNK):
                for message in stream.feed(data):
                    if reply := port.exchange(message, has_end=False, interface=interface):
                        connection.sendall(reply)
        except OverrunError as error:
            port.report(ScpiError(-363, str(error)))
