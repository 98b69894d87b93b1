"""Ending a run on request: Ctrl-C and SIGTERM stop it after the step under way; a second one interrupts at once."""

import signal
from types import FrameType, TracebackType
from typing import Self, final


@final
class StopRequest:
    """Whether somebody asked the run to stop. As a context manager it listens to SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt(signal.Signals(number).name)
        self.requested = True
