"""What happened, newest first."""

from hil.telemetry import Event
from tui.cells import wrap
from tui.picture import Ink, Picture, Role, Row, message
from tui.quantity import clock_time
from tui.view import View

_LISTED = 200
"""Newest events that can be scrolled to."""

_SIGNS = {
    "info": Ink("·", Role.MUTED),
    "warning": Ink("!", Role.WARNING),
    "error": Ink("✖", Role.BAD),
}


def draw_events(view: View, width: int, _height: int) -> Picture:
    """Draw the newest events, each on as many rows as its text needs."""
    events = view.snapshot.events
    if not events:
        return message("none yet", title="Events")
    rows = [row for event in reversed(events[-_LISTED:]) for row in _rows(event, width)]
    warnings = sum(event.level != "info" for event in events)
    return Picture(rows=rows, title="Events", note=f"warnings, errors: {warnings}" if warnings else "")


def _rows(event: Event, width: int) -> list[Row]:
    sign = _SIGNS.get(event.level, Ink("?", Role.WARNING))
    indent = 11
    lines = wrap(f"{event.source}: {event.text}", max(width - indent, 10))
    text_role = Role.PLAIN if event.level == "info" else sign.role
    first: Row = [Ink(clock_time(event.t) + " ", Role.MUTED), Ink(sign.text + " ", sign.role), Ink(lines[0], text_role)]
    return [first, *([Ink(" " * indent), Ink(line, text_role)] for line in lines[1:])]
