"""Follows a run directory and hands out what it holds, newest first and nothing in between."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from hil.telemetry import RunReader
from tui import liveness
from tui.view import Snapshot

Clock = Callable[[], float]
"""Returns seconds since 1970."""


def wall_clock() -> float:
    """Return the time now, in seconds since 1970: the run's heartbeat is a date, so its age needs one."""
    return datetime.now(UTC).timestamp()


@final
class RunWatcher:
    """Reads a run directory into snapshots. One thread may poll; any may use what it returns.

    Args:
        directory: the run directory, which need not exist yet.
        clock: tells the time.
    """

    def __init__(self, directory: Path, clock: Clock = wall_clock) -> None:
        self._reader = RunReader(directory)
        self._clock = clock
        self._beat_s: float | None = None
        self._beat_seen_s = clock()
        self._latest = self._take(is_local=False, is_gone=False)

    @property
    def latest(self) -> Snapshot:
        """Return the newest snapshot without reading anything."""
        return self._latest

    def poll(self) -> Snapshot:
        """Read what is new and return it; the same object as before when nothing is."""
        was_behind = self._reader.is_behind
        changed = self._reader.poll()
        is_gone = liveness.is_gone(self._reader.manifest)
        if is_gone and not self._latest.is_process_gone:
            # Its last word may have come between the reading and the look at the process.
            changed |= self._reader.poll()
        self._note_beat()
        is_local = liveness.is_on_this_host(self._reader.manifest)
        known = (self._latest.exists, self._latest.is_process_gone)
        if changed or was_behind or known != (self._reader.directory.is_dir(), is_gone):
            self._latest = self._take(is_local=is_local, is_gone=is_gone)
        return self._latest

    def poll_to_end(self) -> Snapshot:
        """Read all there is and return it."""
        while self.poll().is_behind:
            pass
        return self._latest

    def _note_beat(self) -> None:
        status = self._reader.status
        if status is not None and status.heartbeat_s != self._beat_s:
            self._beat_s, self._beat_seen_s = status.heartbeat_s, self._clock()

    def _take(self, *, is_local: bool, is_gone: bool) -> Snapshot:
        return Snapshot.of(self._reader, beat_seen_s=self._beat_seen_s, is_local=is_local, is_process_gone=is_gone)
