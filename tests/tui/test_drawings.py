"""The drawings put things where the numbers say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui import braille, quantity
from tui.axis import Axis, axis_around, round_up
from tui.cells import left, right, shorten_middle, wrap
from tui.picture import Role, width_of
from tui.view import History, View
from tui.watcher import RunWatcher
from tui.widgets.density_plot import agreement
from tui.widgets.layer_table import draw_layers
from tui.widgets.line_chart import Chart, draw_chart


def history(values) -> History:
    return History(steps=np.arange(1.0, len(values) + 1), values=np.array(values, float))


def plotted_rows(picture, role=Role.TREND) -> dict[int, int]:
    """The uppermost row that holds the role, by column of the terminal."""
    found: dict[int, int] = {}
    for row, inks in enumerate(picture.rows):
        column = 0
        for ink in inks:
            for character in ink.text:
                if ink.role is role and character != " ":
                    found.setdefault(column, row)
                column += 1
    return found


def test_a_rising_line_rises_and_reaches_both_corners():
    rows = plotted_rows(draw_chart(Chart(title="", note="", line=history(range(400))), 60, 12))
    columns = sorted(rows)
    heights = [rows[column] for column in columns]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] >= 9
    assert heights[-1] <= 1
    assert columns == list(range(columns[0], 60))


def test_one_spike_among_ten_thousand_points_is_drawn():
    values = [0.0] * 10_000
    values[5000] = 9.0
    picture = draw_chart(Chart(title="", note="", line=history(values)), 60, 12)
    rows = plotted_rows(picture, Role.BAND)
    assert min(rows.values()) == 0
    spike = min(rows, key=rows.__getitem__)
    assert abs(spike - 32) <= 2


def test_marks_stand_at_their_step_and_value():
    marks = History(steps=np.array([100.0]), values=np.array([1.0]))
    chart = Chart(title="", note="", line=history([0.0] * 100), marks=marks, y_axis=Axis(low=0.0, high=1.0))
    picture = draw_chart(chart, 50, 10)
    assert "".join(ink.text for ink in picture.rows[0]).endswith("◆")


def test_a_wide_range_becomes_logarithmic_and_says_so():
    falling = history([10.0 ** (-3 * index / 200) for index in range(201)])
    picture = draw_chart(Chart(title="Loss", note="", line=falling, may_be_log=True), 60, 12)
    assert picture.title == "Loss  log"
    rows = plotted_rows(picture)
    assert abs(rows[35] - 5) <= 1  # a straight line half way
    assert "0.01" in "".join(ink.text for row in picture.rows for ink in row)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_points_are_enough_for_a_chart(count):
    assert plotted_rows(draw_chart(Chart(title="", note="", line=history([0.5] * count)), 40, 8))


@given(
    values=st.lists(st.floats(-1e50, 1e50), min_size=1, max_size=50),
    width=st.integers(1, 150),
    height=st.integers(1, 40),
)
def test_every_row_of_a_chart_fits_its_place(values, width, height):
    picture = draw_chart(Chart(title="", note="", line=history(values)), width, height)
    assert len(picture.rows) <= max(height, 1)
    if picture.rows[0][0].text != "too small":
        assert all(width_of(row) <= width for row in picture.rows)


@given(st.floats(-1e50, 1e50), st.floats(1e-6, 1e6))
def test_ticks_lie_on_the_axis(low, size):
    high = low + max(abs(low), 1.0) * size
    axis = Axis(low=low, high=high)
    ticks = axis.ticks(5)
    assert len(ticks) <= 7
    places = axis.place(np.array(ticks))
    assert np.all((places > -1e-6) & (places < 1 + 1e-6))


def test_a_constant_has_an_axis():
    assert axis_around(np.array([0.0])).high > axis_around(np.array([0.0])).low


@given(st.floats(1e-30, 1e30))
def test_rounding_up_is_never_below(raw):
    assert raw * (1 - 1e-6) <= round_up(raw) <= 10.0001 * raw


def test_braille_dots_are_where_unicode_says():
    dots = braille.blank(2, 1)
    dots[0, 0] = dots[3, 1] = dots[1, 3] = True
    assert [chr(code) for code in braille.cells(dots)[0]] == ["⢁", "⠐"]


def test_slope_and_correlation_are_the_textbooks():
    rng = np.random.default_rng(3)
    x = rng.standard_normal(5000)
    y = 0.8 * x + 0.6 * rng.standard_normal(5000)
    found = agreement(x, y)
    assert found.slope == pytest.approx(np.polyfit(x, y, 1)[0])
    assert found.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert agreement(np.zeros(5), y[:5]).slope is None
    assert agreement(x[:5], np.zeros(5)).correlation is None


def test_bars_are_as_long_as_pulses_per_device(run):
    snapshot = RunWatcher(run.directory, run.clock).poll_to_end()
    picture = draw_layers(View(snapshot=snapshot, now_s=run.now_s), 160, 30)
    assert snapshot.step is not None
    scale = float(picture.note.split()[1])
    for row, info, step in zip(picture.rows[1:], snapshot.layers, snapshot.step.layers, strict=True):
        pull = next(ink.text for ink in row if ink.role is Role.PULL)
        push = next(ink.text for ink in row if ink.role is Role.PUSH)
        width = len(push) - 1
        assert abs(drawn(pull) - width * step.pull / info.devices / scale) <= 0.26
        assert abs(drawn(push) - width * step.push / info.devices / scale) <= 0.26
        assert "╺" not in pull.lstrip()[1:]  # half cells stand at the far ends
        assert "╸" not in push.rstrip()[:-1]
        assert pull.rstrip() == pull  # both start at the line between them
        assert push.lstrip() == push


def drawn(bar: str) -> float:
    return bar.count("━") + bar.count("╸") / 2 + bar.count("╺") / 2


@pytest.mark.parametrize("width", range(10, 170, 3))
def test_the_layer_table_fits_every_width(run_snapshot, width):
    picture = draw_layers(View(snapshot=run_snapshot, now_s=0.0), width, 10)
    widths = {width_of(row) for row in picture.rows}
    assert len(widths) == 1
    assert widths.pop() <= max(width, 27)


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (quantity.count, 950, "950"),
        (quantity.count, 12_345, "12.3k"),
        (quantity.count, 999_960, "1.00M"),
        (quantity.count, 11_164_362, "11.2M"),
        (quantity.engineering, 1.9e-4, "190µ"),
        (quantity.engineering, 0.0, "0"),
        (quantity.engineering, None, "–"),
        (quantity.plain, 1e-3, "0.001"),
        (quantity.plain, 2.5e-7, "2.5e-7"),
        (quantity.plain, math.inf, "–"),
        (quantity.percent, 0.716, "71.6"),
        (quantity.percent, 0.0003, "0.03"),
        (quantity.percent, 1.0, "100"),
        (quantity.percent, 1e-9, "<.01"),
        (quantity.duration, 42, "0:42"),
        (quantity.duration, 12_345, "3:25:45"),
        (quantity.duration, 187_800, "2d 04:10"),
        (quantity.duration, None, "–"),
    ],
)
def test_numbers_are_written_short(write, value, text):
    assert write(value).strip() == text


@given(st.floats(0, 1e18))
def test_a_count_never_needs_more_than_five_characters(number):
    assert len(quantity.count(number)) <= 5


@given(st.floats(0, 1))
def test_a_percentage_never_needs_more_than_four_characters(fraction):
    assert len(quantity.percent(fraction)) <= 4


@given(st.text(), st.integers(0, 40))
def test_cut_text_is_exactly_as_wide_as_asked(text, width):
    assert cell_len(left(text, width)) == width
    assert cell_len(right(text, width)) == width
    assert cell_len(shorten_middle(text, width)) <= width


@given(st.text(st.characters(codec="ascii")), st.integers(4, 40))
def test_wrapped_text_fits_and_loses_nothing_but_spaces(text, width):
    lines = wrap(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert len("".join(lines).replace(" ", "")) == len(text.replace(" ", ""))


@given(st.text(), st.integers(2, 40))
def test_wrapping_ends_whatever_the_text(text, width):
    assert all(cell_len(line) <= width for line in wrap(text, width))
