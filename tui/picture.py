"""What a panel draws: rows of text runs, each with a role that the theme gives a colour."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from tui.view import View


class Role(StrEnum):
    """What a run of characters stands for. Its name is the theme's class `ink--<role>`."""

    PLAIN = "plain"
    MUTED = "muted"
    """Units, labels, separators."""
    STRONG = "strong"
    """What the eye should find first."""
    SELECTED = "selected"
    """The chosen layer."""
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    ENERGISED = "energised"
    """An output that is on."""
    PUSH = "push"
    PULL = "pull"
    TREND = "trend"
    """The smoothed line of a chart."""
    BAND = "band"
    """The scatter about the trend."""
    MARK = "mark"
    """Single points on a chart."""
    GUIDE = "guide"
    """Lines that no data drew."""
    SPARSE = "sparse"
    MIDDLING = "middling"
    DENSE = "dense"


class Ink(NamedTuple):
    """A run of characters in one role."""

    text: str
    role: Role = Role.PLAIN


Row = Sequence[Ink]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawn panel."""

    rows: Sequence[Row]
    """The rows, top first; more than fit can be scrolled."""
    title: str = ""
    """Goes into the upper border."""
    note: str = ""
    """Goes into the lower border."""
    fixed: int = 0
    """Rows at the top that do not scroll."""
    chosen: int | None = None
    """A row to keep in sight."""


Draw = Callable[[View, int, int], Picture]
"""Draws a view into a width and a height, both in cells."""


def message(text: str, *, title: str = "") -> Picture:
    """Return a picture that says why there is nothing to see."""
    return Picture(rows=[[Ink(line, Role.MUTED)] for line in text.split("\n")], title=title)


def runs(codes: NDArray[np.uint32], roles: NDArray[np.uint8], palette: Sequence[Role]) -> list[Ink]:
    """Return one row of cells as runs: few runs are what makes drawing cheap.

    Args:
        codes: code point of each cell.
        roles: index into `palette` of each cell.
        palette: the roles in use.
    """
    cuts = np.flatnonzero(np.diff(roles)) + 1
    text = codes.astype("<u4").tobytes().decode("utf-32-le").replace("\u2800", " ")
    starts, ends = [0, *cuts.tolist()], [*cuts.tolist(), len(codes)]
    return [Ink(text[start:end], palette[roles[start]]) for start, end in zip(starts, ends, strict=True) if end > start]


def width_of(row: Row) -> int:
    """Return the width of a row in cells."""
    return sum(cell_len(ink.text) for ink in row)


def spread(start: Row, end: Row, width: int) -> list[Ink]:
    """Return one row with `start` at its left and `end` at its right; where both do not fit, `end` goes."""
    gap = width - width_of(start) - width_of(end)
    return [*start, Ink(" " * gap), *end] if gap >= 0 else list(start)
