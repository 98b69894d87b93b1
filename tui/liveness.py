"""Tells a run that reports from one that has stopped reporting."""

import os
import socket

from hil.telemetry import Manifest
from tui.view import Liveness, Snapshot

STALE_AFTER_S = 3.0
"""Seconds without a heartbeat after which figures are called stale."""


def judge(snapshot: Snapshot, now_s: float) -> Liveness:
    """Return whether the run is alive, from what was read and the time."""
    if snapshot.manifest is None and snapshot.status is None:
        return Liveness.WAITING
    if snapshot.status is not None and snapshot.status.state.is_over:
        return Liveness.OVER
    if snapshot.is_process_gone:
        return Liveness.DEAD
    if snapshot.status is None or beat_age_s(snapshot, now_s) <= STALE_AFTER_S:
        return Liveness.LIVE
    return Liveness.STALE


def beat_age_s(snapshot: Snapshot, now_s: float) -> float:
    """Return the seconds since the last heartbeat.

    Another host's clock may be wrong, so there its age counts from when it was seen to change.
    """
    if snapshot.status is None:
        return 0.0
    beat_s = snapshot.status.heartbeat_s if snapshot.is_local else snapshot.beat_seen_s
    return max(0.0, now_s - beat_s)


def is_on_this_host(manifest: Manifest | None) -> bool:
    """Return whether the run's process would be visible from here."""
    return manifest is not None and manifest.host == socket.gethostname()


def is_gone(manifest: Manifest | None) -> bool:
    """Return whether the run's process is known not to exist any more."""
    # Elsewhere than on POSIX systems, signal 0 is a real signal: never send it there.
    if manifest is None or manifest.pid <= 0 or not is_on_this_host(manifest) or os.name != "posix":
        return False
    try:
        os.kill(manifest.pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
