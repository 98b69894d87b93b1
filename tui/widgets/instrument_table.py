"""The instruments as the run last reported them: link, output, traffic. The monitor never asks one itself."""

from hil.telemetry import InstrumentStatus
from tui.cells import left, right
from tui.liveness import beat_age_s, judge
from tui.picture import Ink, Picture, Role, Row, message
from tui.quantity import count, duration
from tui.view import Liveness, View

_TITLE = "Instruments"
_LINKS = {
    "SYNCED": Ink("● SYNCED", Role.GOOD),
    "DESYNCED": Ink("◐ DESYNCED", Role.WARNING),
    "DEAD": Ink("✖ DEAD", Role.BAD),
    "CLOSED": Ink("○ CLOSED", Role.MUTED),
}
_OUTPUTS = {
    "on": Ink("▲ ON", Role.ENERGISED),
    "off": Ink("▽ off", Role.PLAIN),
    "none": Ink("", Role.MUTED),
    "unknown": Ink("? unknown", Role.BAD),
}


def draw_instruments(view: View, width: int, _height: int) -> Picture:
    """Draw one row per instrument."""
    snapshot = view.snapshot
    if snapshot.is_digital:
        return message("digital run: no bench takes part", title=_TITLE)
    if snapshot.status is None or not snapshot.status.instruments:
        return _as_found(view, width)
    rows = [_row(instrument, width) for instrument in snapshot.status.instruments]
    return Picture(rows=rows, title=_TITLE, note=_age(view))


def _as_found(view: View, width: int) -> Picture:
    manifest = view.snapshot.manifest
    if manifest is None or not manifest.instruments:
        return message("no instrument reported yet", title=_TITLE)
    rows = [[Ink(left(f"{found.name}  {found.identity}", width))] for found in manifest.instruments]
    return Picture(rows=rows, title=_TITLE, note="state not reported")


def _row(instrument: InstrumentStatus, width: int) -> Row:
    link = _LINKS.get(instrument.link, Ink(f"? {instrument.link}", Role.WARNING))
    output = _OUTPUTS.get(instrument.output, Ink(f"? {instrument.output}", Role.BAD))
    row = [
        Ink(left(instrument.name, 8) + " "),
        Ink(left(link.text, 10) + " ", link.role),
        Ink(left(output.text, 9) + " ", output.role),
    ]
    room = width - 30
    if room >= 9:
        row.append(Ink(right(count(instrument.exchanges), 5) + " msg", Role.MUTED))
    if room >= 22:
        moved = f"{count(instrument.bytes_out)}B out {count(instrument.bytes_in)}B in"
        row.append(Ink(right(moved, min(room - 9, 24)), Role.MUTED))
    return row


def _age(view: View) -> str:
    state = judge(view.snapshot, view.now_s)
    if state in (Liveness.DEAD, Liveness.STALE):
        return f"last reported {duration(beat_age_s(view.snapshot, view.now_s))} ago"
    return "at the end" if state is Liveness.OVER else ""
