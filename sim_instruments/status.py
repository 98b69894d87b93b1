"""The IEEE 488.2 status model: event register, status byte, service request and the error queue."""

from collections import deque
from collections.abc import Callable
from enum import IntFlag
from typing import final

from sim_instruments.scpi_error import NO_ERROR, ScpiError


class Event(IntFlag):
    """The standard event status register."""

    OPERATION_COMPLETE = 1
    QUERY_ERROR = 4
    DEVICE_ERROR = 8
    EXECUTION_ERROR = 16
    COMMAND_ERROR = 32
    POWER_ON = 128


class StatusBit(IntFlag):
    """The status byte."""

    ERROR_AVAILABLE = 4
    MESSAGE_AVAILABLE = 16
    EVENT_SUMMARY = 32
    SERVICE_REQUEST = 64


_EVENT_OF_HUNDRED = {1: Event.COMMAND_ERROR, 2: Event.EXECUTION_ERROR, 4: Event.QUERY_ERROR}


def _event_of(code: int) -> Event:
    return _EVENT_OF_HUNDRED.get(-code // 100, Event.DEVICE_ERROR) if code < 0 else Event.DEVICE_ERROR


@final
class Status:
    """One instrument's registers and queue, as they are after power-on."""

    def __init__(self, queue_depth: int, summary_bits: Callable[[], int] = lambda: 0) -> None:
        self._summary_bits = summary_bits
        self._queue: deque[ScpiError] = deque()
        self._queue_depth = queue_depth
        self._events = Event.POWER_ON
        self._reported = 0
        self._also_cleared: list[Callable[[], None]] = []
        self.event_enable = 0
        self.service_enable = 0
        self.has_reply = False

    def report(self, error: ScpiError) -> None:
        """Queue an error; one too many turns the newest entry into -350."""
        self._events |= _event_of(error.code)
        if len(self._queue) < self._queue_depth:
            self._queue.append(error)
        else:
            self._events |= Event.DEVICE_ERROR
            self._queue[-1] = ScpiError(-350)

    def next_error(self) -> ScpiError:
        """Remove and return the oldest error, or "No error"."""
        return self._queue.popleft() if self._queue else NO_ERROR

    @property
    def error_count(self) -> int:
        """Errors waiting in the queue."""
        return len(self._queue)

    def clear_errors(self) -> None:
        """Empty the error queue."""
        self._queue.clear()

    def complete_operation(self) -> None:
        """Set the operation-complete event: here everything is done by the time it is asked about."""
        self._events |= Event.OPERATION_COMPLETE

    def enable_events(self, mask: int) -> None:
        """Choose the events that show in the status byte."""
        self.event_enable = mask

    def enable_service(self, mask: int) -> None:
        """Choose the bits of the status byte that ask for service; bit 6 cannot ask for itself."""
        self.service_enable = mask & ~int(StatusBit.SERVICE_REQUEST)

    def report_events(self, events: Event) -> None:
        """Set events that are not errors of a message."""
        self._events |= events

    def take_events(self) -> int:
        """Return the event register and clear it."""
        events, self._events = self._events, Event(0)
        return int(events)

    def clear(self) -> None:
        """Do what *CLS does: clear events and errors; the enable registers stay."""
        self._events = Event(0)
        self.clear_errors()
        for clear in self._also_cleared:
            clear()

    def also_clear(self, clear: Callable[[], None]) -> None:
        """Have *CLS clear the events of a model's own registers too."""
        self._also_cleared.append(clear)

    def byte(self) -> int:
        """Return the status byte as `*STB?` does: bit 6 is the master summary."""
        byte = self._sources()
        return byte | StatusBit.SERVICE_REQUEST if byte & self.service_enable else byte

    def poll(self) -> int:
        """Return the status byte as a serial poll does: bit 6 says that something new asks for service, once."""
        byte = self._sources()
        asking = byte & self.service_enable
        is_new = asking & ~self._reported
        self._reported = asking
        return byte | StatusBit.SERVICE_REQUEST if is_new else byte

    def _sources(self) -> int:
        byte = StatusBit(self._summary_bits())
        if self._queue:
            byte |= StatusBit.ERROR_AVAILABLE
        if self.has_reply:
            byte |= StatusBit.MESSAGE_AVAILABLE
        if self._events & self.event_enable:
            byte |= StatusBit.EVENT_SUMMARY
        return int(byte)
