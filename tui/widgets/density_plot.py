"""Requested against achieved change of the sampled weights, as a density of dots."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui import braille
from tui.axis import Axis, round_up
from tui.cells import right, shorten_middle
from tui.picture import Ink, Picture, Role, Row, message, runs
from tui.quantity import plain, whole
from tui.view import View

_PALETTE = (Role.PLAIN, Role.GUIDE, Role.SPARSE, Role.MIDDLING, Role.DENSE)
_TITLE = "Updates"
_X_NAMES = ("requested Δw, weight units", "requested Δw", "Δw")
_SHOWN = 0.995
"""Share of the points that the axes are made to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well achieved changes follow the requested ones."""

    points: int
    slope: float | None
    """Least-squares slope of achieved on requested; 1 is perfect. None when nothing was requested."""
    correlation: float | None
    """Pearson's coefficient; None when either side does not vary."""


def agreement(requested: NDArray[np.float64], achieved: NDArray[np.float64]) -> Agreement:
    """Return slope and correlation of a sample."""
    if len(requested) < 2:
        return Agreement(points=len(requested), slope=None, correlation=None)
    x, y = requested - requested.mean(), achieved - achieved.mean()
    xx, yy, xy = float(x @ x), float(y @ y), float(x @ y)
    slope = xy / xx if xx > 0 else None
    correlation = xy / (xx * yy) ** 0.5 if xx > 0 and yy > 0 else None
    return Agreement(points=len(requested), slope=slope, correlation=correlation)


def draw_updates(view: View, width: int, height: int) -> Picture:
    """Draw the changes of the chosen layer, or of all."""
    if view.snapshot.is_digital:
        return message("digital run:\nnothing is programmed", title=_TITLE)
    sample = view.snapshot.updates
    if sample is None:
        return message("no update read back yet", title=_TITLE)
    if view.layer is not None:
        sample = sample[sample["layer"] == view.layer]
    requested, achieved = sample["requested"].astype(float), sample["achieved"].astype(float)
    finite = np.isfinite(requested) & np.isfinite(achieved)
    requested, achieved = requested[finite], achieved[finite]
    title = f"{_TITLE}: {shorten_middle(layer_name(view), max(width - len(_TITLE) - 2, 5))}"
    if not len(requested):
        return message("no weight of this layer sampled", title=title)
    return _draw_density(requested, achieved, title, width, height)


def layer_name(view: View) -> str:
    """Return the name of the chosen layer."""
    if view.layer is None:
        return "all layers"
    layers = view.snapshot.layers
    return layers[view.layer].name.removesuffix(".weight") if view.layer < len(layers) else f"layer {view.layer}"


def _draw_density(
    requested: NDArray[np.float64], achieved: NDArray[np.float64], title: str, width: int, height: int
) -> Picture:
    reach = float(np.quantile(np.maximum(np.abs(requested), np.abs(achieved)), _SHOWN)) or 1e-9
    reach = round_up(reach, (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    axis = Axis(low=-reach, high=reach)
    mark = min(plain(reach), f"{reach:.0e}".replace("e-0", "e-"), key=len)
    rows, columns = height - 1, width - len(mark) - 2
    if columns < 8 or rows < 3:
        return message("too small", title=title)
    codes, roles = _plot(requested, achieved, axis, columns, rows)
    labels = {0: f"+{mark}", rows // 2: "0", rows - 1: f"-{mark}"}
    picture: list[Row] = []
    for row in range(rows):
        side = right(labels.get(row, ""), len(mark) + 1) + ("┤" if row in labels else "│")
        picture.append([Ink(side, Role.MUTED), *runs(codes[row], roles[row], _PALETTE)])
    ends = columns - 2 * len(mark) - 2
    name = next((text for text in _X_NAMES if len(text) + 2 <= ends), "")
    picture.append([Ink(" " * (len(mark) + 2) + f"-{mark}{name:^{max(ends, 0)}}+{mark}", Role.MUTED)])
    picture[0] = _with_name(picture[0], "↑ achieved Δw")
    found = agreement(requested, achieved)
    outside = int(np.count_nonzero(np.maximum(np.abs(requested), np.abs(achieved)) > reach))
    note = f"slope {plain(found.slope)}  r {plain(found.correlation)}  n {whole(found.points)}"
    more = f"{note}  {outside} outside"
    return Picture(rows=picture, title=title, note=more if outside and len(more) < width - 2 else note)


def _plot(
    requested: NDArray[np.float64], achieved: NDArray[np.float64], axis: Axis, columns: int, rows: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    edges_x, edges_y = np.linspace(axis.low, axis.high, 2 * columns + 1), np.linspace(axis.low, axis.high, 4 * rows + 1)
    counts = np.histogram2d(achieved, requested, bins=(edges_y, edges_x))[0][::-1]
    guide = braille.blank(columns, rows)
    across = np.arange(2 * columns)
    down = np.rint((1 - across / (2 * columns - 1)) * (4 * rows - 1)).astype(int)
    guide[down, across] = across % 3 == 0
    per_cell = counts.reshape(rows, 4, columns, 2).sum(axis=(1, 3))
    fullest = per_cell.max() or 1.0
    has_points = per_cell > 0
    codes = np.where(has_points, braille.cells(counts > 0), braille.cells(guide))
    density = 2 + (per_cell > fullest / 8).astype(int) + (per_cell > fullest / 2)
    roles = np.where(has_points, density, braille.occupied(guide)).astype(np.uint8)
    return codes, roles


def _with_name(row: Row, name: str) -> Row:
    """Return a row with a name written over its left end, where the plot is empty."""
    side, *plot = row
    if plot and plot[0].role is Role.PLAIN and len(plot[0].text) > len(name) + 1:
        first = plot[0].text
        return [side, Ink(f" {name}", Role.MUTED), Ink(first[len(name) + 1 :]), *plot[1:]]
    return row
