"""What an operator has to be told, worst first."""

from dataclasses import dataclass

from tui.liveness import beat_age_s, judge
from tui.picture import Role
from tui.quantity import duration, whole
from tui.view import Liveness, Snapshot, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to know."""

    text: str
    role: Role


def notices(view: View) -> list[Notice]:
    """Return what there is to tell about a view, worst first."""
    snapshot = view.snapshot
    found: list[Notice] = []
    if snapshot.is_too_new:
        found.append(_bad("This run was written by a newer version: update the toolkit to read it."))
    found += _about_life(view)
    if view.is_frozen:
        found.append(_warning("VIEW FROZEN: the run goes on, space resumes."))
    if snapshot.is_behind:
        found.append(_warning("Reading the history…"))
    if snapshot.corrupt_lines:
        found.append(_warning(f"{whole(snapshot.corrupt_lines)} unreadable records skipped."))
    if snapshot.status is not None and snapshot.status.records_dropped:
        found.append(_warning(f"{whole(snapshot.status.records_dropped)} step records dropped: slow disk."))
    return found


def _about_life(view: View) -> list[Notice]:
    snapshot, state = view.snapshot, judge(view.snapshot, view.now_s)
    if state is Liveness.DEAD:
        pid = snapshot.manifest.pid if snapshot.manifest else 0
        return [_bad(f"The run died: process {pid} is gone without a last word.{_outputs_left(snapshot)}")]
    if state is Liveness.STALE:
        return [_warning(f"No heartbeat for {duration(beat_age_s(snapshot, view.now_s))}: the figures are old.")]
    if state is Liveness.WAITING:
        where = "Waiting for the run to start." if snapshot.exists else "No such directory yet: waiting for the run."
        return [_warning(f"{where} {snapshot.directory}")]
    if state is Liveness.OVER and snapshot.status is not None:
        ended_badly = snapshot.status.state.value == "failed"
        return [_bad(f"Failed: {snapshot.status.message}{_outputs_left(snapshot)}")] if ended_badly else []
    return []


def _outputs_left(snapshot: Snapshot) -> str:
    instruments = snapshot.status.instruments if snapshot.status else []
    left = [instrument.name for instrument in instruments if instrument.output not in ("off", "none")]
    return f" Outputs may still be ON ({', '.join(left)}): check the bench." if left else ""


def _bad(text: str) -> Notice:
    return Notice(text=f"✖ {text}", role=Role.BAD)


def _warning(text: str) -> Notice:
    return Notice(text=f"! {text}", role=Role.WARNING)
