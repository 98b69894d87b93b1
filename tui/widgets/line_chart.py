"""Line charts: the smoothed course of a quantity, the scatter about it, and single points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui import braille
from tui.axis import Axis, axis_around, tick_label
from tui.cells import right
from tui.picture import Ink, Picture, Role, Row, message, runs
from tui.quantity import MISSING, percent, plain
from tui.view import History, View

_PALETTE = (Role.PLAIN, Role.BAND, Role.TREND, Role.MARK)
_MARK = ord("◆")
_SMOOTHED_OVER = 1 / 24
"""Share of the chart's width over which the trend is averaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a line chart shows."""

    title: str
    note: str
    line: History
    """Drawn as trend and scatter."""
    marks: History | None = None
    """Drawn as single points."""
    y_axis: Axis | None = None
    """None fits the axis to the data."""
    may_be_log: bool = False
    label: Callable[[float], str] = tick_label
    """Writes a number beside the axis."""


def draw_loss(view: View, width: int, height: int) -> Picture:
    """Draw the loss of each batch."""
    loss = view.snapshot.loss
    if not len(loss):
        return message("no step yet", title="Loss")
    newest = plain(float(loss.values[-1]))
    return draw_chart(Chart(title=f"Loss {newest}", note="each batch", line=loss, may_be_log=True), width, height)


def draw_accuracy(view: View, width: int, height: int) -> Picture:
    """Draw the accuracy of each batch and of each pass over the test set."""
    batch, test = view.snapshot.accuracy, view.snapshot.test_accuracy
    if not len(batch):
        return message("no step yet", title="Accuracy")
    tested = f"{percent(float(test.values[-1]))} %" if len(test) else MISSING
    chart = Chart(
        title=f"Accuracy {percent(float(batch.values[-1]))} %",
        note=f"each batch   ◆ test {tested}",
        line=batch,
        marks=test,
        y_axis=Axis(low=0.0, high=1.0),
        label=lambda fraction: f"{100 * fraction:.0f} %",
    )
    return draw_chart(chart, width, height)


def draw_chart(chart: Chart, width: int, height: int) -> Picture:
    """Draw a chart into a width and a height in cells; the lowest row holds the steps."""
    y_axis = chart.y_axis or axis_around(chart.line.values, may_be_log=chart.may_be_log)
    x_axis = axis_around(chart.line.steps)
    rows = height - 1
    labels = _y_labels(y_axis, rows, chart.label)
    gutter = max((len(label) for label in labels.values()), default=0)
    columns = width - gutter - 1
    if columns < 4 or rows < 2:
        return message("too small", title=chart.title)
    codes, roles = _plot(chart, x_axis, y_axis, columns, rows)
    picture: list[Row] = []
    for row in range(rows):
        edge = "┤" if row in labels else "│"
        side = Ink(right(labels.get(row, ""), gutter) + edge, Role.MUTED)
        picture.append([side, *runs(codes[row], roles[row], _PALETTE)])
    picture.append([Ink(" " * (gutter + 1) + _x_labels(x_axis, columns), Role.MUTED)])
    title = f"{chart.title}  log" if y_axis.is_log else chart.title
    return Picture(rows=picture, title=title, note=chart.note)


def _y_labels(axis: Axis, rows: int, label: Callable[[float], str]) -> dict[int, str]:
    ticks = np.array(axis.ticks(max(3, rows // (2 if axis.is_log else 3))))
    places = np.rint((1 - axis.place(ticks)) * (4 * rows - 1)).astype(int) // 4
    return {int(row): label(float(tick)) for row, tick in zip(places, ticks, strict=True) if 0 <= row < rows}


def _x_labels(axis: Axis, columns: int) -> str:
    line = [" "] * columns
    free_from = 0
    for tick in axis.ticks(max(2, columns // 10)):
        text = tick_label(tick)
        middle = round(float(axis.place(np.array([tick]))[0]) * (columns - 1))
        start = max(0, min(middle - len(text) // 2, columns - len(text)))
        if start >= free_from and tick == int(tick):
            line[start : start + len(text)] = text
            free_from = start + len(text) + 2
    return "".join(line)


def _plot(
    chart: Chart, x_axis: Axis, y_axis: Axis, columns: int, rows: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    band, trend = braille.blank(columns, rows), braille.blank(columns, rows)
    lowest, highest, mean = _columns(chart.line, x_axis, 2 * columns)
    top, bottom = _dot_rows(highest, y_axis, 4 * rows), _dot_rows(lowest, y_axis, 4 * rows)
    braille.fill_between(band, top, bottom)
    course = _dot_rows(_smooth(mean), y_axis, 4 * rows)
    before = np.concatenate((course[:1], course[:-1]))
    before = np.where(before < 0, course, before)
    # Two dots thick: a single row of dots is lost among the batches.
    braille.fill_between(trend, np.minimum(course, before), np.maximum(course, before) + 1)
    has_trend = braille.occupied(trend)
    codes = np.where(has_trend, braille.cells(trend), braille.cells(band))
    roles = np.where(has_trend, 2, braille.occupied(band)).astype(np.uint8)
    if chart.marks is not None and len(chart.marks):
        x = np.rint(x_axis.place(chart.marks.steps) * (columns - 1)).astype(int)
        y = np.rint((1 - y_axis.place(chart.marks.values)) * (rows - 1)).astype(int)
        inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        codes[y[inside], x[inside]] = _MARK
        roles[y[inside], x[inside]] = 3
    return codes, roles


def _columns(line: History, axis: Axis, count: int) -> tuple[NDArray[np.float64], ...]:
    """Return lowest, highest and mean value in each of `count` columns; NaN where there is no point."""
    index = np.clip(np.rint(axis.place(line.steps) * (count - 1)).astype(int), 0, count - 1)
    lowest, highest = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(lowest, index, line.values)
    np.maximum.at(highest, index, line.values)
    points = np.bincount(index, minlength=count)
    total = np.bincount(index, weights=line.values, minlength=count)
    empty = points == 0
    return (
        np.where(empty, np.nan, lowest),
        np.where(empty, np.nan, highest),
        np.where(empty, np.nan, total / np.maximum(points, 1)),
    )


def _smooth(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the moving average of the columns, with gaps between points bridged by straight lines."""
    known = np.flatnonzero(~np.isnan(mean))
    bridged = np.interp(np.arange(len(mean)), known, mean[known], left=np.nan, right=np.nan)
    inside = ~np.isnan(bridged)
    window = np.ones(2 * max(1, round(len(mean) * _SMOOTHED_OVER / 2)) + 1)
    total = np.convolve(np.where(inside, bridged, 0.0), window, "same")
    weight = np.convolve(inside.astype(float), window, "same")
    return np.where(inside, total / np.maximum(weight, 1.0), np.nan)


def _dot_rows(values: NDArray[np.float64], axis: Axis, count: int) -> NDArray[np.int64]:
    """Return the dot row of each value, -1 where there is none."""
    known = ~np.isnan(values)
    rows = np.full(len(values), -1, np.int64)
    rows[known] = np.clip(np.rint((1 - axis.place(values[known])) * (count - 1)), 0, count - 1)
    return rows
