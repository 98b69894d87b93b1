"""Telemetry on its way out: a bounded queue and a writer thread, so that a step never waits for a disk or a viewer."""

import io
import os
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, final

import msgspec
import numpy as np

from hil.telemetry.records import Evaluation, Event, Manifest, Status, Step

QUEUE_LENGTH = 4096
"""Step records kept while the disk is slow; older ones are dropped and counted."""

FLUSH_PERIOD_S = 0.2
"""How often the writer thread looks for work."""

HEARTBEAT_PERIOD_S = 1.0
"""How often the status is written anew although nothing changed: a sign that the process lives through a long step."""


@final
class TelemetryWriter:
    """Writes the records of one run into its directory.

    `step`, `evaluation`, `status` and `updates` only hand their value to the writer thread; `event` is on disk when it
    returns.

    Args:
        directory: the run directory; must exist.
        manifest: written to `run.json` at once.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self._directory = directory
        self._encoder = msgspec.json.Encoder()
        self._queue: deque[Step | Evaluation] = deque(maxlen=QUEUE_LENGTH)
        self._status: Status | None = None
        self._newest: Status | None = None
        self._beat_s = 0.0
        self._updates: np.ndarray | None = None
        self._queued = 0
        self._written = 0
        self._stop = threading.Event()
        (directory / "latest").mkdir(exist_ok=True)
        replace_atomically(directory / "run.json", msgspec.json.format(self._encoder.encode(manifest)))
        self._metrics = (directory / "metrics.jsonl").open("ab")
        self._events = (directory / "events.jsonl").open("ab")
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """Return how many step records were lost because the disk did not keep up."""
        return max(0, self._queued - self._written - len(self._queue))

    def step(self, record: Step | Evaluation) -> None:
        """Queue one metrics record; drops the oldest one when the queue is full."""
        self._queued += 1
        self._queue.append(record)

    def status(self, status: Status) -> None:
        """Hand over the newest status; an older one not yet written is forgotten."""
        self._status = status

    def updates(self, sample: np.ndarray) -> None:
        """Hand over the newest sample of updates (dtype `UPDATE_SAMPLE`)."""
        self._updates = sample

    def event(self, level: str, source: str, text: str) -> None:
        """Append an event and wait until it is on disk."""
        event = Event(t=datetime.now(UTC).timestamp(), level=level, source=source, text=text)
        self._events.write(self._encoder.encode(event) + b"\n")
        self._events.flush()
        os.fsync(self._events.fileno())

    def close(self) -> None:
        """Write what is queued, stop the thread and close the files."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self._metrics.close()
        self._events.close()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(FLUSH_PERIOD_S)
            # A full disk must not end a run whose weights are on devices: what is lost counts as dropped.
            with suppress(OSError):
                self._flush()

    def _flush(self) -> None:
        lines = []
        while self._queue:
            lines.append(self._encoder.encode(self._queue.popleft()))
        if lines:
            self._metrics.write(b"\n".join(lines) + b"\n")
            self._metrics.flush()
            self._written += len(lines)
        self._flush_status()
        updates, self._updates = self._updates, None
        if updates is not None:
            buffer = io.BytesIO()
            np.save(buffer, updates, allow_pickle=False)
            replace_atomically(self._directory / "latest" / "updates.npy", buffer.getvalue())

    def _flush_status(self) -> None:
        status, self._status = self._status, None
        now_s = datetime.now(UTC).timestamp()
        if status is None:
            if self._newest is None or now_s - self._beat_s < HEARTBEAT_PERIOD_S:
                return
            status = msgspec.structs.replace(self._newest, heartbeat_s=now_s)
        self._beat_s = now_s
        self._newest = msgspec.structs.replace(status, records_written=self._written, records_dropped=self.dropped)
        replace_atomically(self._directory / "status.json", self._encoder.encode(self._newest))


def replace_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    temporary.replace(path)
