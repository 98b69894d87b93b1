"""Where the time of a step goes, and what the step was asked to do."""

import math

from tui.cells import left, right
from tui.picture import Ink, Picture, Role, Row, message
from tui.quantity import engineering
from tui.view import View

_TITLE = "Step time"


def draw_step_times(view: View, width: int, _height: int) -> Picture:
    """Draw the parts of the last step as bars."""
    step = view.snapshot.step
    if step is None:
        return message("no step yet", title=_TITLE)
    times = step.times
    other_s = times.total - times.read - times.forward_backward - times.compile - times.program
    parts = (
        ("read", times.read),
        ("fwd + bwd", times.forward_backward),
        ("compile", times.compile),
        ("program", times.program),
        ("other", max(0.0, other_s) if math.isfinite(other_s) else 0.0),
    )
    longest_s = max(seconds for _, seconds in parts) or 1.0
    room = width - 10 - 9
    rows: list[Row] = []
    for name, seconds in parts:
        filled = round(max(room, 0) * min(1.0, max(0.0, seconds / longest_s)))
        bar = Ink("━" * filled, Role.TREND)
        rows.append([Ink(left(name, 10), Role.MUTED), Ink(right(engineering(seconds, "s"), 8) + " "), bar])
    return Picture(rows=rows, title=f"{_TITLE} {engineering(times.total, 's')}")
