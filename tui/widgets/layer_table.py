"""Push and pull pulses of the last step, layer by layer, with what they cost and how well they could be made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hil.telemetry import LayerInfo, LayerStep
from tui.axis import round_up
from tui.cells import left, right, shorten_middle
from tui.picture import Ink, Picture, Role, Row, message
from tui.quantity import MISSING, count, engineering, percent, plain
from tui.view import View

_TITLE = "Layers: pulses of the last step"
_WIDEST_BAR = 24
_NARROWEST_BAR = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One layer as the table knows it."""

    info: LayerInfo
    step: LayerStep | None
    """None before the first step."""
    push_total: int
    pull_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of numbers."""

    head: str
    width: int
    """In cells."""
    rank: int
    """Columns of higher rank are left out first where the table does not fit."""
    text: Callable[[Line], str]
    role: Role = Role.PLAIN


def _of_step(write: Callable[[LayerStep], str]) -> Callable[[Line], str]:
    return lambda line: MISSING if line.step is None else write(line.step)


_DEVICES = Column(head="dev", width=5, rank=1, text=lambda line: count(line.info.devices), role=Role.MUTED)
_PULL = Column(head="pull", width=5, rank=0, text=_of_step(lambda step: count(step.pull)))
_PUSH = Column(head="push", width=5, rank=0, text=_of_step(lambda step: count(step.push)))
_TOTAL = Column(head="Σ", width=5, rank=4, text=lambda line: count(line.pull_total + line.push_total), role=Role.MUTED)
_REST = (
    Column(head="Σ pull", width=6, rank=8, text=lambda line: count(line.pull_total), role=Role.MUTED),
    Column(head="Σ push", width=6, rank=8, text=lambda line: count(line.push_total), role=Role.MUTED),
    _TOTAL,
    Column(head="inf%", width=4, rank=2, text=_of_step(lambda step: percent(step.infeasible))),
    Column(head="clip%", width=5, rank=5, text=_of_step(lambda step: percent(step.clipped))),
    Column(head="sat%", width=4, rank=6, text=_of_step(lambda step: percent(step.saturated))),
    Column(head="Teff/T", width=6, rank=3, text=_of_step(lambda step: plain(step.variance_ratio))),
    Column(head="LSB", width=5, rank=7, text=_of_step(lambda step: engineering(step.lsb))),
)


def draw_layers(view: View, width: int, _height: int) -> Picture:
    """Draw the table; its first row is the heading and stays."""
    if view.snapshot.is_digital:
        return message("digital run: the weights are floating-point numbers,\nno pulses are sent", title=_TITLE)
    lines = _lines(view)
    if not lines:
        return message("no layers known yet", title=_TITLE)
    rest, name_width, bar_width = _fit(width)
    scale = _full_scale(lines)
    rows: list[Row] = [_heading(rest, name_width, bar_width)]
    for index, line in enumerate(lines):
        rows.append(_row(line, rest, name_width, bar_width, scale, is_chosen=index == view.layer))
    chosen = None if view.layer is None else view.layer + 1
    note = f"bar {plain(scale)} pulses per device" if bar_width else ""
    return Picture(rows=rows, title=f"{_TITLE}{_step_number(view)}", note=note, fixed=1, chosen=chosen)


def _step_number(view: View) -> str:
    return f", {view.snapshot.step.step}" if view.snapshot.step else ""


def _lines(view: View) -> list[Line]:
    snapshot = view.snapshot
    steps = snapshot.step.layers if snapshot.step else []
    return [
        Line(
            info=info,
            step=steps[index] if index < len(steps) else None,
            push_total=_at(snapshot.push_pulses, index),
            pull_total=_at(snapshot.pull_pulses, index),
        )
        for index, info in enumerate(snapshot.layers)
    ]


def _at(totals: Sequence[int], index: int) -> int:
    return totals[index] if index < len(totals) else 0


def _fit(width: int) -> tuple[list[Column], int, int]:
    """Return the columns that fit beside name and bars, and the widths of name and bar."""
    for worst in range(9, 0, -1):
        # Where push and pull have totals of their own, their sum says nothing new.
        rest = [column for column in _REST if column.rank < worst and not (worst == 9 and column is _TOTAL)]
        left_over = width - _taken(rest)
        name = min(22, max(14, left_over - 2 * 10))
        bar = min(_WIDEST_BAR, (left_over - name) // 2)
        if bar >= _NARROWEST_BAR:
            return rest, name, bar
    return [], max(width - _taken([]), 6), 0


def _taken(rest: Sequence[Column]) -> int:
    """Return the width of all but name and bars, with the blanks between."""
    return _DEVICES.width + _PULL.width + _PUSH.width + 5 + sum(column.width + 1 for column in rest)


def _heading(rest: Sequence[Column], name_width: int, bar_width: int) -> Row:
    bars = f"{'◀ pull':>{bar_width}}│{'push ▶':<{bar_width}}" if bar_width >= 6 else " " * (2 * bar_width + 1)
    numbers = "".join(f" {column.head:>{column.width}}" for column in rest)
    start = f"{left('layer', name_width)} {_DEVICES.head:>{_DEVICES.width}}"
    return [Ink(f"{start} {_PULL.head:>{_PULL.width}} {bars} {_PUSH.head:>{_PUSH.width}}{numbers}", Role.MUTED)]


def _row(line: Line, rest: Sequence[Column], name_width: int, bar_width: int, scale: float, *, is_chosen: bool) -> Row:
    name = left(shorten_middle(line.info.name.removesuffix(".weight"), name_width), name_width)
    start = Ink(name + ("◂" if is_chosen else " "), Role.SELECTED if is_chosen else Role.PLAIN)
    pull, push = _bars(line, bar_width, scale)
    return [
        start,
        Ink(right(_DEVICES.text(line), _DEVICES.width), _DEVICES.role),
        _cell(_PULL, line),
        Ink(" " + pull, Role.PULL),
        Ink("│", Role.MUTED),
        Ink(push + " ", Role.PUSH),
        Ink(right(_PUSH.text(line), _PUSH.width), _PUSH.role),
        *(_cell(column, line) for column in rest),
    ]


def _cell(column: Column, line: Line) -> Ink:
    return Ink(" " + right(column.text(line), column.width), column.role)


def _bars(line: Line, width: int, scale: float) -> tuple[str, str]:
    if line.step is None or line.info.devices <= 0:
        return " " * width, " " * width
    pull, push = (_bar(pulses / line.info.devices / scale, width) for pulses in (line.step.pull, line.step.push))
    return pull[::-1].replace("╸", "╺").rjust(width), push.ljust(width)


def _bar(fraction: float, width: int) -> str:
    halves = max(0, min(2 * width, round(2 * width * fraction)))
    return "━" * (halves // 2) + "╸" * (halves % 2)


def _full_scale(lines: Sequence[Line]) -> float:
    """Return a round number of pulses per device that no bar exceeds."""
    most = max(
        (
            max(line.step.push, line.step.pull) / line.info.devices
            for line in lines
            if line.step and line.info.devices > 0
        ),
        default=0.0,
    )
    return round_up(most, (1, 1.5, 2, 3, 4, 5, 6, 8, 10)) if most > 0 else 1.0
