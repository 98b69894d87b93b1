"""Tells the world where a run stands: telemetry for the monitor, a listener for the terminal."""

import statistics
import time
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Protocol, final

from drivers.bench import Bench
from hil.telemetry import Evaluation, InstrumentStatus, RunState, Status, Step, TelemetryWriter

_RECENT_STEPS = 50


class RunListener(Protocol):
    """Somebody in the same process who wants to hear of progress, a progress bar for one."""

    def state(self, state: RunState, message: str) -> None:
        """Hear that the run entered a new state."""
        ...

    def calibration(self, done: int, total: int, text: str) -> None:
        """Hear how far a calibration has come."""
        ...

    def step(self, record: Step, *, steps_total: int, eta_s: float | None) -> None:
        """Hear of a finished step."""
        ...

    def evaluation(self, record: Evaluation) -> None:
        """Hear of a finished evaluation."""
        ...


@final
class Publisher:
    """One place that every stage of a run reports to."""

    def __init__(
        self, writer: TelemetryWriter, listener: RunListener, bench: Bench | None, *, steps_total: int, epochs: int
    ) -> None:
        self._writer = writer
        self._listener = listener
        self._bench = bench
        self._steps_total = steps_total
        self._epochs = epochs
        self._started = time.perf_counter()
        self._state = RunState.STARTING
        self._message = ""
        self._step = 0
        self._epoch = 0
        self._recent: deque[float] = deque(maxlen=_RECENT_STEPS)

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the run started."""
        return time.perf_counter() - self._started

    def state(self, state: RunState, message: str, *, level: str = "info") -> None:
        """Enter a state; the message becomes an event."""
        self._state, self._message = state, message
        self._writer.event(level, "run", message)
        self._listener.state(state, message)
        self._publish()

    def warning(self, message: str) -> None:
        """Report something that a person should look at; the run goes on."""
        self._message = message
        self._writer.event("warning", "run", message)
        self._listener.state(self._state, f"warning: {message}")
        self._publish()

    def calibration(self, done: int, total: int, text: str) -> None:
        """Report the progress of a calibration."""
        self._message = f"{text} {done}/{total}"
        self._listener.calibration(done, total, text)
        self._publish()

    def step(self, record: Step) -> None:
        """Report a finished step."""
        self._step, self._epoch = record.step, record.epoch
        self._recent.append(record.times.total)
        self._writer.step(record)
        self._listener.step(record, steps_total=self._steps_total, eta_s=self._eta_s())
        self._publish()

    def evaluation(self, record: Evaluation) -> None:
        """Report an evaluation."""
        self._writer.step(record)
        self._writer.event("info", "run", f"epoch {record.epoch}: test accuracy {record.test_accuracy:.2%}")
        self._listener.evaluation(record)
        self._publish()

    def _eta_s(self) -> float | None:
        if not self._recent or self._state.is_over:
            return None
        return (self._steps_total - self._step) * statistics.median(self._recent)

    def _publish(self) -> None:
        statuses = self._bench.statuses() if self._bench else ()
        instruments = [InstrumentStatus(**asdict(status)) for status in statuses]
        self._writer.status(
            Status(
                state=self._state,
                message=self._message,
                step=self._step,
                steps_total=self._steps_total,
                epoch=self._epoch,
                epochs=self._epochs,
                elapsed_s=self.elapsed_s,
                eta_s=self._eta_s(),
                heartbeat_s=datetime.now(UTC).timestamp(),
                instruments=instruments,
            )
        )
