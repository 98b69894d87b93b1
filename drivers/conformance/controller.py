"""The controller under test as a check sees it: messages out, replies and error codes in."""

from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.errors import LinkError
from drivers.link import Link, transfer_timeout_s
from drivers.link_state import LinkState
from drivers.protocols import Codes, Counts, DeviceIndices

COMMAND_ERROR = range(-199, -99)
"""Codes of messages that cannot be read."""

EXECUTION_ERROR = range(-299, -199)
"""Codes of messages that cannot be obeyed."""

AWKWARD = b"\n;,\"'#12()\x00\xff\r:"
"""LF, separators, quotes, a block header, zero and 255: as counts they are as good as any."""

_MOST_ERRORS = 256
_FIRE_TIMEOUT_S = 60.0


class Deviation(Exception):  # noqa: N818  what it is, as in drivers.errors
    """The controller does something else than the clause asks."""


class Untried(Exception):  # noqa: N818
    """The clause cannot be tried here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WallsPlan:
    """Which devices may be moved, and how far."""

    first: int = 0
    """First device."""
    count: int = 16
    """Devices, at least 4."""
    amplitude_v: float = 1.0
    """Magnitude of every pulse fired, volts."""
    width_s: float = 100e-9
    """Width of every pulse fired, seconds."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What the controller has done so far, in its own words."""

    tag: int
    push_pulses: int
    pull_pulses: int
    energy_j: float


@final
class Controller:
    """A controller on a link that is not trusted yet."""

    def __init__(self, link: Link, plan: WallsPlan) -> None:
        self.link = link
        self.plan = plan
        self._sent = "nothing"

    @property
    def has_end_marks(self) -> bool:
        """Return whether the interface marks the end of a message."""
        address = self.link.address.upper()
        return not (address.endswith("::SOCKET") or address.startswith("ASRL"))

    def size(self) -> int:
        """Return the number of devices."""
        return self.integer("ARR:SIZE?")

    def send(self, message: str | bytes) -> None:
        """Send one message; may move walls if it fires."""
        data = message.encode("ascii") if isinstance(message, str) else message
        self._sent = scpi.excerpt(data)
        self.link.exchange(data + scpi.LF, replies=False)

    def ask(self, message: str | bytes, timeout_s: float | None = None) -> str:
        """Send a question and return its line."""
        data = message.encode("ascii") if isinstance(message, str) else message
        self._sent = scpi.excerpt(data)
        return scpi.parse_text(self.link.exchange(data + scpi.LF, replies=True, timeout_s=timeout_s))

    def integer(self, message: str) -> int:
        """Ask for an integer."""
        return scpi.parse_integer(self.ask(message))

    def real(self, message: str) -> float:
        """Ask for a number."""
        return scpi.parse_real(self.ask(message))

    def block(self, message: str, byte_count: int) -> bytes:
        """Ask for a block and return its bytes."""
        self._sent = message
        most = byte_count + scpi.LONGEST_HEADER + len(scpi.LF)
        reply = self.link.exchange(message.encode("ascii") + scpi.LF, replies=True, most=most)
        return scpi.decode_block(reply, np.uint8, byte_count).tobytes()

    def codes(self, first: int, count: int) -> Codes:
        """Read conductance codes."""
        return np.frombuffer(self.block(f"READ:COND? {first},{count}", 2 * count), "<u2")

    def codes_selected(self, count: int) -> Codes:
        """Read conductance codes of the selection."""
        return np.frombuffer(self.block("READ:COND:SEL?", 2 * count), "<u2")

    def load(self, header: str, counts: Counts | DeviceIndices) -> None:
        """Send a command that ends with a block."""
        self.send(header.encode("ascii") + framed(counts))

    def errors(self) -> list[int]:
        """Read the error queue until it is empty."""
        codes: list[int] = []
        while (code := scpi.parse_error(self.link.query("SYST:ERR?")).code) != 0:
            codes.append(code)
            if len(codes) > _MOST_ERRORS:
                raise Deviation(f"the error queue is not empty after {_MOST_ERRORS} entries")
        return codes

    def accepts(self, message: str | bytes) -> None:
        """Send a message that must leave the error queue empty."""
        self.send(message)
        self.no_errors()

    def no_errors(self) -> None:
        """See that nothing is in the error queue."""
        if found := self.errors():
            raise Deviation(f"{self._sent} gave error {_listed(found)}")

    def refuses(self, message: str | bytes, codes: Container[int], *, allow_more: bool = False) -> None:
        """Send a message that must be refused with one of these codes, and with that alone."""
        self.send(message)
        found = self.errors()
        if not found:
            raise Deviation(f"{self._sent} was accepted, but is to be refused with {_wanted(codes)}")
        if found[0] not in codes or (len(found) > 1 and not allow_more):
            raise Deviation(f"{self._sent} gave {_listed(found)}, not {_wanted(codes)}")

    def expect(self, query: str, answer: str | int) -> None:
        """See that a query has this answer."""
        if (found := self.ask(query)) != str(answer):
            raise Deviation(f"{query} answers {found!r} after {self._sent}, not {str(answer)!r}")

    def totals(self) -> Totals:
        """Return the last tag and the totals."""
        pushes, pulls = scpi.parse_integers(self.ask("STAT:PULS?"), 2)
        return Totals(self.integer("PATT:TAG?"), pushes, pulls, self.real("STAT:ENER?"))

    def fire(self) -> None:
        """Fire the pattern and wait for the end; moves walls."""
        self.send("INIT")
        self.expect_done()

    def expect_done(self) -> None:
        """See that `*OPC?` answers 1."""
        if (answer := self.ask("*OPC?", _FIRE_TIMEOUT_S)) != "1":
            raise Deviation(f"*OPC? answers {answer!r}, not '1'")

    def settle(self) -> None:
        """Leave nothing of a check behind: output off, no pattern, no errors; on a fresh connection if need be."""
        if self.link.state is LinkState.SYNCED:
            with suppress(LinkError):
                self._settle()
                return
        self.link.resynchronise(first="OUTP OFF")
        self._settle()

    def _settle(self) -> None:
        for command in ("OUTP OFF", "PATT:CLE", "*CLS"):
            self.link.write(command)
        if (output := self.link.query("OUTP?")) != "0":
            raise Deviation(
                f"the output does not go off: OUTP? answers {output!r} after OUTP OFF; cut its power by hand"
            )
        self.link.write("*CLS")


def framed(data: NDArray[np.generic] | bytes) -> bytes:
    """Return bytes as a definite-length block, items least significant byte first."""
    array = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    payload = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return scpi.block_header(len(payload)) + payload


def block_timeout_s(byte_count: int) -> float:
    """Return what the driver waits for a block, seconds."""
    return transfer_timeout_s(byte_count)


def _listed(codes: list[int]) -> str:
    return ", ".join(map(str, codes))


def _wanted(codes: Container[int]) -> str:
    if isinstance(codes, range):
        return f"{codes.stop - 1} to {codes.start}"
    return " or ".join(map(str, codes)) if isinstance(codes, tuple | list | set | frozenset) else str(codes)
