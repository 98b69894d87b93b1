"""Torn, corrupt or hostile telemetry never breaks the screen, and is counted."""

import io
import os
import random

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.telemetry import UPDATE_SAMPLE, RunReader
from hil.telemetry.reader import EVENTS_KEPT, POINTS_KEPT, Series
from hil.telemetry.tail import Tail
from tui.app import MonitorApp
from tui.cells import printable
from tui.screenshot import text_of
from tui.view import Snapshot, View
from tui.watcher import RunWatcher
from tui.widgets.density_plot import draw_updates
from tui.widgets.event_list import draw_events
from tui.widgets.instrument_table import draw_instruments
from tui.widgets.layer_table import draw_layers
from tui.widgets.line_chart import draw_accuracy, draw_loss
from tui.widgets.status_header import draw_header
from tui.widgets.step_times import draw_step_times

RUBBISH = [
    b"",
    b"\x00" * 64,
    b"\xff\xfe\x00{",
    b"[" * 100_000,
    b'{"t":1,"level":"info","source":"x","text":"\xff"}',
    b'{"k":"step","x":' + b"[" * 100_000,
    b'{"v":1}',
    b"null",
    b"PK\x03\x04 not a zip",
    b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (10**15,), }".ljust(117) + b"\n",
    b"\x93NUMPY\x01\x00v\x00"
    + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }".ljust(117)
    + b"\n",
    b"\x93NUMPY\x01\x00v\x00" + b"{'descr': ((((".ljust(117) + b"\n",
    b"\x93NUMPY\x03\x00\xff\xff\xff\xff",
]
FILES = ["run.json", "status.json", "metrics.jsonl", "events.jsonl", "latest/updates.npy"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_in_any_file_leaves_a_readable_rest(run, name, content):
    (run.directory / name).write_bytes(content + b"\n" * name.endswith("jsonl"))
    reader = RunReader(run.directory)
    reader.poll()
    assert reader.corrupt_lines == (1 if content or name not in ("metrics.jsonl", "events.jsonl") else 0)
    assert reader.manifest is not None or name == "run.json"
    assert reader.last_step is not None or name == "metrics.jsonl"


@pytest.mark.parametrize("name", FILES)
def test_the_screen_survives_rubbish_and_says_so(run, text_at, name):
    (run.directory / name).write_bytes(b"\xff{[\x1b[31m\n")
    text = text_at(run, 120, 36)
    assert "1 unreadable records skipped." in text
    assert "hil" in text


def test_an_array_that_is_no_sample_is_refused(run):
    for array in (np.zeros(3), np.zeros((2, 2), UPDATE_SAMPLE), np.zeros((), UPDATE_SAMPLE)):
        buffer = io.BytesIO()
        np.save(buffer, array)
        (run.directory / "latest" / "updates.npy").write_bytes(buffer.getvalue())
        reader = RunReader(run.directory)
        reader.poll()
        assert reader.updates is None
        assert reader.corrupt_lines == 1


def test_a_torn_last_line_waits_for_its_end(run):
    line = (run.directory / "metrics.jsonl").read_bytes().splitlines()[-2]
    run.append_metrics(line.replace(b'"step":300', b'"step":301')[:500])
    reader = RunReader(run.directory)
    reader.poll()
    assert reader.last_step is not None
    assert reader.last_step.step == 300
    assert reader.corrupt_lines == 0
    run.append_metrics(line.replace(b'"step":300', b'"step":301')[500:] + b"\n")
    reader.poll()
    assert reader.corrupt_lines == 0
    assert len(reader.loss.steps) == 301


def test_a_line_without_end_does_not_stop_the_view_for_ever(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"x" * 1000 + b"\ngood\n")
    tail = Tail(path, read_at_most=64)
    lines: list[bytes] = []
    for _ in range(40):
        lines += tail.new_lines()
    assert lines[-1] == b"good"
    assert not tail.is_behind


def test_a_file_written_anew_is_read_again(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"one\ntwo\n")
    tail = Tail(path)
    assert tail.new_lines() == [b"one", b"two"]
    path.write_bytes(b"new\n")
    assert tail.new_lines() == [b"new"]


def test_a_long_history_is_read_in_pieces_and_none_is_lost(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(1000)))
    tail = Tail(path, read_at_most=100)
    lines = tail.new_lines()
    assert tail.is_behind
    assert len(lines) < 60
    while tail.is_behind:
        lines += tail.new_lines()
    assert lines == [b"%d" % number for number in range(1000)]


def test_a_history_is_bounded_and_keeps_its_peaks():
    series = Series()
    for step in range(10 * POINTS_KEPT):
        series.append(step, 50.0 if step == 12_345 else -3.0 if step == 23_456 else step % 7 / 7)
    assert len(series.steps) <= POINTS_KEPT
    assert max(series.values) == 50.0
    assert min(series.values) == -3.0
    assert series.steps == sorted(series.steps)
    assert series.steps[-1] >= 10 * POINTS_KEPT - 4


def test_events_are_bounded_and_the_newest_stay(run):
    with (run.directory / "events.jsonl").open("ab") as file:
        for number in range(EVENTS_KEPT + 5):
            file.write(b'{"t":1,"level":"info","source":"x","text":"%d"}\n' % number)
    reader = RunReader(run.directory)
    reader.poll()
    assert len(reader.events) == EVENTS_KEPT
    assert reader.events[-1].text == str(EVENTS_KEPT + 4)


HOSTILE = "\x1b]0;owned\x07\x1b[31m[red]bold[/red] [@click=app.quit]x[/]\u202e\u0085\ud800"


def test_hostile_strings_are_shown_harmless(run, text_at):
    shown = HOSTILE.replace("\ud800", "")
    run.put_manifest(run_id=shown, model=shown, dataset=shown, layers=run.renamed_layers(shown))
    run.put_status(300, message=shown, instruments=run.status_of(300, {"smu": {"name": shown, "link": shown}}))
    with (run.directory / "events.jsonl").open("ab") as file:
        event = {"t": 1e300, "level": shown, "source": shown, "text": shown}
        file.write(msgspec.json.encode(event) + b"\n")
    text = text_at(run, 160, 50)
    assert not [character for character in text if ord(character) < 32 and character != "\n"]
    assert "\u202e" not in text
    assert "␛]0;owned␇␛[31m[red]bold[/red]" in text
    assert "--:--:--" in text


async def test_markup_in_a_layers_name_is_not_obeyed_in_a_title(run):
    run.put_manifest(layers=run.renamed_layers("[b]x[/b]"))
    app = MonitorApp(run.directory, run.clock, follows=False)
    async with app.run_test(size=(160, 50)) as pilot:
        app.poll()
        await pilot.press("right_square_bracket")
        await pilot.pause()
        assert "Updates: [b]x[/b]" in text_of(app)


@given(st.text())
def test_printable_text_holds_nothing_that_a_terminal_obeys(text):
    shown = printable(text)
    assert len(shown) == len(text)
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    shown.encode("utf-8")


def test_a_newer_version_is_named_not_guessed(run, text_at):
    run.put_manifest(v=2)
    assert "newer version" in text_at(run, 120, 36)


DRAWINGS = [
    draw_header,
    draw_loss,
    draw_accuracy,
    draw_updates,
    draw_layers,
    draw_step_times,
    draw_instruments,
    draw_events,
]


def draw_everything(builder, width: int, height: int) -> Snapshot:
    snapshot = RunWatcher(builder.directory, builder.clock).poll_to_end()
    for layer in (None, 0, 20):
        view = View(snapshot=snapshot, now_s=builder.now_s, layer=layer)
        for draw in DRAWINGS:
            picture = draw(view, width, height)
            assert all(isinstance(ink.text, str) for row in picture.rows for ink in row)
    return snapshot


WHOLE = [0, -1, 1, 2**31, 2**63 - 1, -(2**63)]
REAL = [0.0, -1.0, 1e-300, 5e-324, 1e-9, 3.4e38, 1.7e308, -1.7e308]


def disturbed(chance: random.Random, record: object) -> object:
    """A record with some of its numbers replaced by others of the same kind."""
    match record:
        case bool() | str() | None:
            return record
        case dict():
            return {key: disturbed(chance, value) for key, value in record.items()}
        case list() | tuple():
            return [disturbed(chance, value) for value in record]
        case int():
            return chance.choice(WHOLE) if chance.random() < 0.3 else record
        case _:
            return chance.choice(REAL) if chance.random() < 0.3 else record


@pytest.mark.parametrize("seed", range(40))
def test_any_number_anywhere_is_drawn(run, seed):
    chance = random.Random(seed)
    steps = [disturbed(chance, msgspec.to_builtins(run.step_record(step))) for step in range(290, 301)]
    status = disturbed(chance, msgspec.to_builtins(run.status_record(300)))
    manifest = disturbed(chance, msgspec.to_builtins(run.manifest()))
    (run.directory / "metrics.jsonl").write_bytes(b"".join(msgspec.json.encode(step) + b"\n" for step in steps))
    (run.directory / "status.json").write_bytes(msgspec.json.encode(status))
    (run.directory / "run.json").write_bytes(msgspec.json.encode(manifest))
    snapshot = draw_everything(run, chance.randint(1, 120), chance.randint(1, 40))
    assert snapshot.corrupt_lines == 0  # all of it was drawn, nothing skipped


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.tuples(*[st.floats(width=32)] * 2), max_size=20),
    layer=st.integers(0, 65535),
)
def test_any_sample_of_updates_is_drawn(run, values, layer):
    sample = np.array([(layer, *pair) for pair in values], UPDATE_SAMPLE)
    np.save(run.directory / "latest" / "updates.npy", sample)
    os.utime(run.directory / "latest" / "updates.npy")
    draw_everything(run, 36, 9)
