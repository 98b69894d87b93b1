"""The PyVISA library behind `@domainwall`: the simulated bench as PyVISA resources.

Resource names, sessions and attributes are pyvisa-sim's, and so are plain instruments that a bench file describes in
YAML. The twins of the bench get whole messages instead: a block goes to its instrument in one piece, whatever its
size.

A twin answers within the call that asks it, in virtual time. A read that finds no reply therefore times out at once:
nothing could arrive later.
"""

from pathlib import Path
from threading import RLock
from typing import Any, SupportsInt, final

from pyvisa import constants, errors, rname
from pyvisa.constants import EventAttribute, ResourceAttribute, StatusCode
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession
from pyvisa_sim import parser
from pyvisa_sim.devices import Devices
from pyvisa_sim.highlevel import SimVisaLibrary
from pyvisa_sim.sessions.session import Session

from sim_instruments.bench import SimulatedBench, open_bench, open_default_bench
from sim_instruments.bus import BusDevice
from sim_instruments.byte_stream import ByteStream
from sim_instruments.clock import VirtualClock
from sim_instruments.config import BenchFileError
from sim_instruments.visa_lock import ResourceLock

_SUCCESS = StatusCode.success
_SERIAL = (constants.InterfaceType.asrl, "INSTR")
_BYTE_STREAMS = (_SERIAL, (constants.InterfaceType.tcpip, "SOCKET"))
"""Interfaces that carry bytes without an END mark."""


@final
class _Port:
    """One resource that leads to a twin, whichever session uses it."""

    def __init__(self, instrument: BusDevice) -> None:
        self.instrument = instrument
        self.lock = ResourceLock()


@final
class DomainWallVisaLibrary(SimVisaLibrary):
    """A VISA library whose resources are the instruments of one simulated bench."""

    is_private = True
    """The instruments live in this process: no other program can reach them."""
    bench: SimulatedBench
    """The bench behind the resources: for tests and tools, out of a driver's reach."""

    @property
    def virtual_time(self) -> VirtualClock:
        """Return the clock of the bench: nothing else makes it pass between messages, so whoever pauses must."""
        return self.bench.sample.clock

    @staticmethod
    def get_debug_info() -> dict[str, str]:
        """Return what `pyvisa-info` prints about this backend."""
        return {"Simulated bench": "domainwall-hil", **SimVisaLibrary.get_debug_info()}

    def _init(self) -> None:
        self.sessions = {}
        self._turn = RLock()
        is_default = self.library_path == "unset"
        self.bench = open_default_bench() if is_default else open_bench(Path(self.library_path))
        self._ports = {_canonical(address): _Port(twin) for address, twin in self.bench.instruments.items()}
        self._port_of: dict[int, _Port] = {}
        self._stream_of: dict[int, ByteStream] = {}
        # PyVISA-sim looks an attribute up in microseconds; a query needs three.
        self._mark_of: dict[int, bytes] = {}
        self._sends_end: dict[int, bool] = {}
        yaml = self.bench.config.yaml
        self.devices = parser.get_devices(str(Path(self.library_path).parent / yaml.path), False) if yaml else Devices()
        if twice := set(self._ports) & set(self.devices.list_resources()):
            raise BenchFileError(
                f"{self.library_path}: {', '.join(sorted(twice))} is both a twin and a YAML instrument"
            )

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: constants.AccessModes = constants.AccessModes.no_lock,
        open_timeout: SupportsInt = constants.VI_TMO_IMMEDIATE,
    ) -> tuple[VISASession, StatusCode]:
        """Open a session; a resource that the bench does not have is VI_ERROR_RSRC_NFOUND."""
        try:
            parsed = rname.parse_resource_name(resource_name)
        except rname.InvalidResourceName:
            return VISASession(0), self.handle_return_value(session, StatusCode.error_invalid_resource_name)
        port = self._ports.get(str(parsed))
        if port is None:
            opened, status = super().open(session, resource_name, access_mode, open_timeout)
            return opened, self.handle_return_value(session, status)
        session_class = Session.get_session_class(parsed.interface_type_const, parsed.resource_class)
        opened = self._register(session_class(session, resource_name, parsed))
        self._port_of[opened] = port
        if not self._has_end(opened):
            self._stream_of[opened] = ByteStream()
        self._lock_on_open(opened, access_mode, int(open_timeout))
        return opened, self.handle_return_value(session, StatusCode.success)

    def close(self, session: VISASession | VISARMSession | VISAEventContext) -> StatusCode:
        """Close a session and give up its locks. The instrument keeps its settings, as a real one does."""
        self._stream_of.pop(int(session), None)
        self._forget_attributes(int(session))
        port = self._port_of.pop(int(session), None)
        if port is not None:
            port.lock.release_all(session)
            is_lan = self.sessions[session].session_type[0] == constants.InterfaceType.tcpip
            if is_lan and port not in self._port_of.values():
                with self._turn:
                    port.instrument.disconnect("")
        return super().close(session)

    def list_resources(self, session: VISARMSession, query: str = "?*::INSTR") -> tuple[str, ...]:
        """Return the names of the resources that match a VISA resource expression; none is no error."""
        return tuple(rname.filter((*self._ports, *self.devices.list_resources()), query))

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Send bytes to an instrument; may move walls. With END enabled, the last byte ends the message."""
        port = self._port_of.get(session)
        if port is None:
            return super().write(session, data)
        if port.lock.is_taken:
            self._check_lock(session, port)
        if type(data) is not bytes and not isinstance(data, bytearray):
            data = bytes(data)
        with self._turn:
            if (stream := self._stream_of.get(session)) is not None:
                stream.write(port.instrument, data)
            else:
                has_end = self._sends_end.get(session)
                if has_end is None:
                    has_end = bool(self._attribute(session, ResourceAttribute.send_end_enabled))
                    self._sends_end[session] = has_end
                port.instrument.receive(data, has_end=has_end)
        self._last_status = self._last_status_in_session[session] = _SUCCESS
        return len(data), _SUCCESS

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Take up to `count` bytes of the reply; VI_ERROR_TMO if the instrument has nothing to say."""
        port = self._port_of.get(session)
        if port is None:
            return super().read(session, count)
        if port.lock.is_taken:
            self._check_lock(session, port)
        stream, mark = self._stream_of.get(session), self._mark_of.get(session)
        if mark is None:
            mark = self._mark_of[session] = self._mark(session)
        with self._turn:
            chunk = stream.read(count, mark) if stream else port.instrument.send(count, mark, has_end=True)
        if chunk is None:
            return b"", self.handle_return_value(session, StatusCode.error_timeout)
        if chunk.is_last and stream is None:
            # As `handle_return_value` does with a success, without its search for errors: this is every query.
            self._last_status = self._last_status_in_session[session] = _SUCCESS
            return chunk.data, _SUCCESS
        if mark and chunk.data.endswith(mark):
            status = StatusCode.success_termination_character_read
        else:
            status = StatusCode.success_max_count_read
        return chunk.data, self.handle_return_value(session, status)

    def clear(self, session: VISASession) -> StatusCode:
        """Send a device clear: half a message and a pending reply are dropped."""
        with self._turn:
            self._usable(session).instrument.clear()
            if (stream := self._stream_of.get(session)) is not None:
                stream.clear()
        return self.handle_return_value(session, StatusCode.success)

    def read_stb(self, session: VISASession) -> tuple[int, StatusCode]:
        """Serial-poll an instrument."""
        with self._turn:
            byte = self._usable(session).instrument.poll()
        return byte, self.handle_return_value(session, StatusCode.success)

    def assert_trigger(self, session: VISASession, protocol: constants.TriggerProtocol) -> StatusCode:
        """Send a bus trigger; may move walls."""
        port = self._usable(session)
        if protocol != constants.TriggerProtocol.default:
            return self.handle_return_value(session, StatusCode.error_nonsupported_operation)
        with self._turn:
            port.instrument.trigger()
        return self.handle_return_value(session, StatusCode.success)

    def flush(self, session: VISASession, mask: constants.BufferOperation) -> StatusCode:
        """Discard what a byte stream has received; other interfaces hold nothing back on this side."""
        self._usable(session)
        receiving = constants.BufferOperation.discard_receive_buffer | constants.BufferOperation.discard_read_buffer
        if mask & receiving and (stream := self._stream_of.get(session)) is not None:
            with self._turn:
                stream.discard_replies()
        return self.handle_return_value(session, StatusCode.success)

    def lock(
        self, session: VISASession, lock_type: constants.Lock, timeout: int, requested_key: str | None = None
    ) -> tuple[str, StatusCode]:
        """Lock a resource against the other sessions of this process."""
        lock = self._port(session).lock
        if lock_type == constants.Lock.exclusive:
            key = "" if lock.take_exclusive(session, timeout / 1000) else None
        else:
            key = lock.take_shared(session, requested_key, timeout / 1000)
        status = StatusCode.success if key is not None else StatusCode.error_resource_locked
        return key or "", self.handle_return_value(session, status)

    def unlock(self, session: VISASession) -> StatusCode:
        """Give up the latest lock."""
        held = self._port(session).lock.release(session)
        return self.handle_return_value(session, StatusCode.success if held else StatusCode.error_session_not_locked)

    def _port(self, session: VISASession) -> _Port:
        port = self._port_of.get(session)
        if port is None:
            known = session in self.sessions
            status = StatusCode.error_nonsupported_operation if known else StatusCode.error_invalid_object
            raise errors.VisaIOError(status)
        return port

    def _usable(self, session: VISASession) -> _Port:
        port = self._port(session)
        self._check_lock(session, port)
        return port

    def _check_lock(self, session: VISASession, port: _Port) -> None:
        if not port.lock.may_use(session):
            self.handle_return_value(session, StatusCode.error_resource_locked)

    def _lock_on_open(self, session: VISASession, mode: constants.AccessModes, timeout_ms: int) -> None:
        if mode == constants.AccessModes.no_lock:
            return
        is_exclusive = mode == constants.AccessModes.exclusive_lock
        try:
            self.lock(session, constants.Lock.exclusive if is_exclusive else constants.Lock.shared, timeout_ms)
        except errors.VisaIOError:
            self.close(session)
            raise

    def set_attribute(
        self,
        session: VISASession | VISARMSession | VISAEventContext,
        attribute: ResourceAttribute | EventAttribute,
        attribute_state: Any,
    ) -> StatusCode:
        """Set an attribute of a session."""
        self._forget_attributes(int(session))
        return super().set_attribute(session, attribute, attribute_state)  # pyright: ignore[reportArgumentType]

    def _forget_attributes(self, session: int) -> None:
        self._mark_of.pop(session, None)
        self._sends_end.pop(session, None)

    def _attribute(self, session: VISASession, attribute: ResourceAttribute) -> int:
        return int(self.sessions[session].get_attribute(attribute)[0])

    def _has_end(self, session: VISASession) -> bool:
        return self.sessions[session].session_type not in _BYTE_STREAMS

    def _mark(self, session: VISASession) -> bytes:
        """Return the byte at which a read stops, or nothing."""
        is_serial = self.sessions[session].session_type == _SERIAL
        if is_serial:
            ends = self._attribute(session, ResourceAttribute.asrl_end_in)
            is_on = ends == constants.SerialTermination.termination_char
        else:
            is_on = bool(self._attribute(session, ResourceAttribute.termchar_enabled))
        return bytes((self._attribute(session, ResourceAttribute.termchar),)) if is_on else b""


def _canonical(address: str) -> str:
    try:
        parsed = rname.parse_resource_name(address)
        Session.get_session_class(parsed.interface_type_const, parsed.resource_class)
    except (rname.InvalidResourceName, ValueError) as error:
        raise BenchFileError(f"instrument.address: {address} is no resource that can be simulated: {error}") from error
    return str(parsed)
