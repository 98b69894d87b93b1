"""The monitor may start before, during or after a run, and says when a run no longer reports."""

import asyncio
import re
import threading

import pytest

from hil.telemetry import RunState
from tui import liveness
from tui.app import MonitorApp
from tui.liveness import STALE_AFTER_S
from tui.screenshot import text_of
from tui.view import Liveness
from tui.watcher import RunWatcher

NO_SUCH_PID = 2**22 + 12345  # above the largest pid that Linux hands out


def test_a_heartbeat_within_the_limit_is_live(run, text_at):
    run.now_s += STALE_AFTER_S
    assert "● LIVE" in text_at(run, 120, 36)


def test_a_run_that_stops_reporting_is_stale_and_promises_no_end(run, text_at):
    run.now_s += STALE_AFTER_S + 9
    text = text_at(run, 120, 36)
    assert "◐ STALE 0:12" in text
    assert "No heartbeat for 0:12" in text
    assert "last reported 0:12 ago" in text
    assert "LIVE" not in text
    assert "ETA" not in text


def test_a_killed_run_is_dead_and_outputs_left_on_are_named(run, text_at):
    run.put_manifest(pid=NO_SUCH_PID)
    text = text_at(run, 120, 36)
    assert "✖ DEAD" in text
    assert f"process {NO_SUCH_PID} is gone" in text
    assert "Outputs may still be ON (array): check the bench." in text
    assert "ETA" not in text


def test_a_pid_of_another_host_says_nothing(run, text_at):
    run.put_manifest(pid=NO_SUCH_PID, host="elsewhere")
    assert "DEAD" not in text_at(run, 120, 36)


async def test_another_hosts_heartbeat_ages_by_this_clock(run):
    run.put_manifest(host="elsewhere")
    run.put_status(300, heartbeat_s=run.now_s - 5000)  # its clock is behind
    app = MonitorApp(run.directory, run.clock, follows=False)
    async with app.run_test(size=(120, 36)) as pilot:
        app.poll()
        await pilot.pause()
        assert "● LIVE" in text_of(app)
        run.now_s += STALE_AFTER_S + 1
        app.poll()
        await pilot.pause()
        assert "◐ STALE" in text_of(app)
        run.put_status(301, heartbeat_s=run.now_s - 4999)
        app.poll()
        await pilot.pause()
        assert "● LIVE" in text_of(app)


async def test_time_alone_makes_the_instruments_old(run):
    app = MonitorApp(run.directory, run.clock, follows=False)
    async with app.run_test(size=(120, 36)) as pilot:
        app.poll()
        await pilot.pause()
        assert "last reported" not in text_of(app)
        run.now_s += 60
        app._draw_if_new("instruments")  # as its timer does; nothing was read
        await pilot.pause()
        assert "last reported 1:00 ago" in text_of(app)


def test_a_run_without_steps_shows_no_empty_progress(run, text_at):
    run.put_status(0, state=RunState.CALIBRATING, steps_total=0, epochs=0, epoch=0, eta_s=None)
    text = text_at(run, 120, 36)
    assert "CALIBRATING" in text
    assert "0/0" not in text


@pytest.mark.parametrize("pid", [0, -1, -NO_SUCH_PID, 2**70])
def test_a_nonsensical_pid_is_not_asked_after(run, text_at, pid):
    text = (run.directory / "run.json").read_text()
    (run.directory / "run.json").write_text(re.sub(r'"pid": ?\d+', f'"pid":{pid}', text))
    text = text_at(run, 120, 36)
    assert "TRAINING" in text
    assert "DEAD" not in text


def test_a_last_word_spoken_while_we_looked_is_not_missed(run, monkeypatch):
    """The process may write FINISHED and leave between the reading and the look at it: that is no death."""

    def ends_now(_manifest):
        run.put_status(500, state=RunState.FINISHED)
        return True

    monkeypatch.setattr(liveness, "is_gone", ends_now)
    snapshot = RunWatcher(run.directory, run.clock).poll()
    assert liveness.judge(snapshot, run.now_s) is Liveness.OVER


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.STOPPED])
def test_a_run_that_ended_is_over_however_long_ago(run, text_at, state):
    run.put_manifest(pid=NO_SUCH_PID)
    run.put_status(500, state=state, eta_s=0.0)
    run.now_s += 1e6
    text = text_at(run, 120, 36)
    assert state.upper() in text
    assert "■ OVER" in text
    assert "STALE" not in text
    assert "DEAD" not in text


def test_a_failed_run_says_why_and_what_is_still_on(run, text_at):
    run.put_status(300, state=RunState.FAILED, message="array: no reply within 2 s")
    text = text_at(run, 120, 36)
    assert "FAILED" in text
    assert "Failed: array: no reply within 2 s Outputs may still be ON (array)" in text


def test_an_output_in_an_unknown_state_is_never_shown_as_off(run, text_at):
    unknown = {"array": {"output": "unknown", "link": "DESYNCED"}}
    status = run.status_of(300, unknown)
    run.put_status(300, instruments=status)
    text = text_at(run, 120, 36)
    assert "? output array" in text
    assert "outputs off" not in text
    assert re.search(r"array +◐ DESYNCED +\? unknown", text)
    assert "links 3/4" in text


def test_a_dead_run_warns_of_outputs_whose_state_nobody_knows(run, text_at):
    run.put_manifest(pid=NO_SUCH_PID)
    run.put_status(300, instruments=run.status_of(300, {"array": {"output": "unknown"}, "smu": {"output": "on"}}))
    assert "Outputs may still be ON (smu, array)" in text_at(run, 120, 36)


def test_a_dead_run_with_outputs_off_raises_no_alarm_about_them(run, text_at):
    run.put_manifest(pid=NO_SUCH_PID)
    run.put_status(300, instruments=run.status_of(300, {"array": {"output": "off"}}))
    text = text_at(run, 120, 36)
    assert "DEAD" in text
    assert "check the bench" not in text


async def test_a_monitor_started_first_shows_the_run_when_it_comes(tmp_path, written_once):
    directory = tmp_path / "later"
    app = MonitorApp(directory, written_once.clock, follows=False)
    async with app.run_test(size=(120, 36)) as pilot:
        app.poll()
        await pilot.pause()
        assert "○ WAITING" in text_of(app)
        assert "No such directory yet" in text_of(app)
        directory.mkdir()
        app.poll()
        await pilot.pause()
        assert "Waiting for the run to start" in text_of(app)
        for path in written_once.directory.rglob("*"):
            if path.is_file():
                target = directory / path.relative_to(written_once.directory)
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(path.read_bytes())
        app.poll()
        await pilot.pause()
        assert "step 300/500" in text_of(app)
        assert "● LIVE" in text_of(app)


async def test_figures_grow_between_polls_and_the_end_is_seen(new_run):
    run = new_run(10)
    app = MonitorApp(run.directory, run.clock, follows=False)
    async with app.run_test(size=(120, 36)) as pilot:
        app.poll()
        await pilot.pause()
        assert "last step, 10" in text_of(app)
        run.grow(11, 25)
        app.poll()
        await pilot.pause()
        assert "last step, 25" in text_of(app)
        assert "step 25/500" in text_of(app)
        run.put_status(25, state=RunState.FINISHED)
        app.poll()
        await pilot.pause()
        assert "FINISHED" in text_of(app)
        assert "last step, 25" in text_of(app)


async def test_the_monitor_follows_by_itself_and_its_reading_ends(run, monkeypatch):
    app = MonitorApp(run.directory, run.clock)
    read = asyncio.Event()
    loop = asyncio.get_running_loop()
    poll = app._watcher.poll
    has_left = threading.Event()
    late: list[str] = []

    def announced():
        if has_left.is_set():
            late.append("polled after the monitor was left")
            raise RuntimeError(late[-1])
        snapshot = poll()
        loop.call_soon_threadsafe(read.set)
        return snapshot

    monkeypatch.setattr(app._watcher, "poll", announced)
    async with app.run_test(size=(120, 36)) as pilot:
        await asyncio.wait_for(read.wait(), 30)
        app._draw_if_new("layers")  # as its timer does
        await pilot.pause()
        assert "last step, 300" in text_of(app)
    has_left.set()
    await loop.shutdown_default_executor()  # returns when the reading thread has ended
    assert not late
