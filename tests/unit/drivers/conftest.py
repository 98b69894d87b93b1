"""A VISA library whose instruments answer from a table and remember every message: PyVISA above it is the real one."""

import itertools
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from pyvisa import constants
from pyvisa.constants import ResourceAttribute, StatusCode
from pyvisa.errors import VisaIOError
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.typing import VISARMSession, VISASession

from drivers.dialect import SCPI, Dialect
from drivers.link import Link
from drivers.visa_library import VisaLibrary

ADDRESS = "TCPIP0::box::inst0::INSTR"
IDENTITY = "Acme,Box,1234,1.0"
TIMEOUT = VisaIOError(StatusCode.error_timeout)

Answer = str | bytes | BaseException | None
Reply = Answer | Callable[[str], Answer] | list[str]


class FakeClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s


class FakeInstrument:
    """Answers what its table says. An unknown question is never answered, an unknown command is obeyed in silence."""

    def __init__(self, replies: dict[str, Reply] | None = None) -> None:
        self.replies: dict[str, Reply] = {
            "*IDN?": IDENTITY,
            "SYST:ERR?": '0,"No error"',
            "*ESR?": "0",
            **(replies or {}),
        }
        self.messages: list[str] = []
        self.raw: list[bytes] = []
        self.timeouts_ms: list[int] = []
        self.reads: list[int] = []
        self.on_write: Callable[[str], None] = lambda _text: None
        self.on_read: Callable[[], None] = lambda: None
        self.pending: deque[bytes | BaseException] = deque()
        self.late: list[bytes] = []
        self.ese = 0
        self.is_deaf = False
        self.baud = 0
        self.opens = 0
        self.clears = 0
        self.forgets_on_close = True
        self.chunk = 1 << 30

    def receive(self, data: bytes) -> None:
        self.raw.append(bytes(data))
        text = re.split(rb"#[1-9]", data, maxsplit=1)[0].decode().rstrip("\r\n")
        self.messages.append(text)
        self.on_write(text)
        if self.is_deaf:
            return
        if match := re.fullmatch(r"\*ESE (\d+)", text):
            self.ese = int(match[1])
        answers = [answer for part in text.split(";:") if (answer := self.answer(part)) is not None]
        reply = (";".join(map(str, answers)) if len(answers) > 1 else answers[0]) if answers else None
        if isinstance(reply, str):
            reply = reply.encode() + b"\n"
        if isinstance(reply, bytes | BaseException):
            self.pending.append(reply)

    def answer(self, text: str) -> Answer:
        reply = str(self.ese) if text == "*ESE?" and text not in self.replies else self.replies.get(text)
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        return reply(text) if isinstance(reply, Callable) else reply

    def take(self, count: int, termchar: int | None) -> tuple[bytes, StatusCode]:
        self.reads.append(count)
        self.on_read()
        if not self.pending:
            self.pending.extend(self.late)
            self.late.clear()
            raise VisaIOError(StatusCode.error_timeout)
        reply = self.pending.popleft()
        if isinstance(reply, BaseException):
            raise reply
        cut = min(count, self.chunk, len(reply))
        if termchar is not None and (at := reply.find(termchar, 0, cut)) >= 0:
            cut = at + 1
        if cut < len(reply):
            self.pending.appendleft(reply[cut:])
        if termchar is not None and reply[cut - 1] == termchar:
            return reply[:cut], StatusCode.success_termination_character_read
        return reply[:cut], StatusCode.success if cut == len(reply) else StatusCode.success_max_count_read


class FakeVisa(VisaLibraryBase):
    """The fewest VISA functions that PyVISA needs."""

    is_private = True
    instruments: dict[str, FakeInstrument]

    def _init(self) -> None:
        self.instruments = {}
        self._sessions: dict[int, tuple[FakeInstrument, dict[int, int]]] = {}
        self._handles = itertools.count(1)

    def open_default_resource_manager(self):
        return VISARMSession(next(self._handles)), StatusCode.success

    def open(self, session, resource_name, access_mode=constants.AccessModes.no_lock, open_timeout=0):
        if resource_name not in self.instruments:
            raise VisaIOError(StatusCode.error_resource_not_found)
        instrument = self.instruments[resource_name]
        instrument.opens += 1
        handle = next(self._handles)
        self._sessions[handle] = (
            instrument,
            {ResourceAttribute.termchar_enabled: False, ResourceAttribute.termchar: 10},
        )
        return VISASession(handle), StatusCode.success

    def close(self, session):
        if session in self._sessions:
            instrument, _ = self._sessions.pop(session)
            if instrument.forgets_on_close:
                instrument.pending.clear()
                instrument.late.clear()
        return StatusCode.success

    def write(self, session, data):
        instrument, _ = self._sessions[session]
        instrument.receive(data)
        return len(data), self.handle_return_value(session, StatusCode.success)

    def read(self, session, count):
        instrument, attributes = self._sessions[session]
        termchar = attributes[ResourceAttribute.termchar] if attributes[ResourceAttribute.termchar_enabled] else None
        data, status = instrument.take(count, termchar)
        return data, self.handle_return_value(session, status)

    def clear(self, session):
        instrument, _ = self._sessions[session]
        instrument.clears += 1
        instrument.pending.clear()
        return StatusCode.success

    def get_attribute(self, session, attribute):
        return self._sessions[session][1][attribute], StatusCode.success

    def set_attribute(self, session, attribute, attribute_state):
        instrument, attributes = self._sessions[session]
        attributes[attribute] = attribute_state
        if attribute == ResourceAttribute.timeout_value:
            instrument.timeouts_ms.append(attribute_state)
        if attribute == ResourceAttribute.asrl_baud_rate:
            instrument.baud = attribute_state
        return StatusCode.success

    def list_resources(self, session, query="?*::INSTR"):
        if not self.instruments:
            raise VisaIOError(StatusCode.error_resource_not_found)
        return tuple(self.instruments)

    def disable_event(self, session, event_type, mechanism):
        return StatusCode.success

    def discard_events(self, session, event_type, mechanism):
        return StatusCode.success


class Wire:
    """A fake VISA library and what hangs on it."""

    def __init__(self, specification: str) -> None:
        self.specification = specification
        self.library = VisaLibrary.open(specification)
        self.clock = FakeClock()

    @property
    def visa(self) -> FakeVisa:
        visalib = self.library._manager.visalib
        assert isinstance(visalib, FakeVisa)
        return visalib

    def add(self, address: str = ADDRESS, replies: dict[str, Reply] | None = None) -> FakeInstrument:
        instrument = FakeInstrument(replies)
        self.visa.instruments[address] = instrument
        return instrument

    def link(self, address: str = ADDRESS, dialect: Dialect = SCPI) -> Link:
        return Link(self.library, address, dialect=dialect, clock=self.clock)


_numbers = itertools.count()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    module = ModuleType("pyvisa_scripted")
    module.WRAPPER_CLASS = FakeVisa  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyvisa_scripted", module)
    wire = Wire(f"{next(_numbers)}@scripted")
    yield wire
    wire.library._manager.close()
