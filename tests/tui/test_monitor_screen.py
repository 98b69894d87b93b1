"""The screen says what the run directory holds, at every size and after every key."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.binding import Binding
from textual.pilot import Pilot

from tui.app import MonitorApp
from tui.help import HELP, HelpScreen
from tui.screenshot import text_of

SIZES = [(80, 24), (120, 36), (160, 50)]


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_every_size_shows_state_progress_loss_layers_and_outputs(run, text_at, columns, rows):
    text = text_at(run, columns, rows)
    assert "TRAINING  epoch 4/5  step 300/500" in text
    assert "60 %" in text
    assert "ETA 1:20" in text
    assert "● LIVE" in text
    assert "▲ ON array" in text
    assert "links 4/4" in text
    assert re.search(r"Loss 0\.\d+", text)
    assert "◆ test 91.8 %" in text
    assert re.search(r"layer1\.0\.conv1 +36\.9k +68\.3k .*━.*│━.* 64\.5k", text)
    assert "Leave (run goes on)" in text
    assert "palette" in text


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_no_row_is_wider_than_the_terminal_and_none_is_missing(run, text_at, columns, rows):
    lines = text_at(run, columns, rows).split("\n")
    assert len(lines) == rows
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize(("columns", "rows"), SIZES[1:])
def test_a_wide_terminal_shows_updates_times_instruments_and_events(run, text_at, columns, rows):
    text = text_at(run, columns, rows)
    assert "slope 0.967  r 0.928  n 4096" in text
    assert re.search(r"fwd \+ bwd +208 ms", text)
    assert re.search(r"array +● SYNCED +▲ ON", text)
    assert re.search(r"smu +● SYNCED +▽ off", text)
    assert "array: output on" in text
    assert "! smu: in compliance" in text


def test_all_columns_of_the_layers_fit_in_eighty_columns(run, text_at):
    heading = next(line for line in text_at(run, 80, 24).split("\n") if "layer " in line and "pull" in line)
    for word in ("dev", "pull", "push", "Σ", "inf%", "clip%", "sat%", "Teff/T", "LSB"):
        assert word in heading


def test_all_layers_are_in_sight_on_a_tall_screen(run, text_at):
    text = text_at(run, 160, 50)
    assert all(name in text for name in ("conv1", "layer2.0.downsample.0", "layer4.1.conv2", "fc "))


@asynccontextmanager
async def watching(builder, size=(120, 36)) -> AsyncIterator[tuple[MonitorApp, Pilot[None]]]:
    app = MonitorApp(builder.directory, builder.clock, follows=False)
    async with app.run_test(size=size, notifications=True) as pilot:
        yield app, pilot


async def polled(app: MonitorApp, pilot: Pilot) -> str:
    app.poll()
    await pilot.pause()
    return text_of(app)


async def press(app: MonitorApp, pilot: Pilot, *keys: str) -> str:
    await pilot.press(*keys)
    await pilot.pause()
    return text_of(app)


async def test_q_leaves_and_the_run_directory_is_untouched(run):
    before = {path: path.stat().st_mtime_ns for path in run.directory.rglob("*")}
    async with watching(run) as (app, pilot):
        await polled(app, pilot)
        await pilot.press("q")
    assert not app.is_running
    assert {path: path.stat().st_mtime_ns for path in run.directory.rglob("*")} == before


async def test_space_holds_the_panels_but_not_the_head(new_run):
    run = new_run(10)
    async with watching(run) as (app, pilot):
        await polled(app, pilot)
        assert "VIEW FROZEN" in await press(app, pilot, "space")
        run.grow(11, 40)
        frozen = await polled(app, pilot)
        assert "last step, 10" in frozen
        assert "step 40/500" in frozen
        resumed = await press(app, pilot, "space")
        assert "last step, 40" in resumed
        assert "VIEW FROZEN" not in resumed


async def test_brackets_choose_a_layer_and_come_back_to_all(run):
    async with watching(run) as (app, pilot):
        assert "Updates: all layers" in await polled(app, pilot)
        chosen = await press(app, pilot, "right_square_bracket")
        assert "Updates: conv1" in chosen
        assert re.search(r"conv1 +◂", chosen)
        assert "n 196" in chosen
        assert "Updates: all layers" in await press(app, pilot, "left_square_bracket")
        last = await press(app, pilot, "left_square_bracket")
        assert "Updates: fc" in last
        assert "Updates: all layers" in await press(app, pilot, "right_square_bracket")


async def test_the_chosen_layer_is_scrolled_into_sight(run):
    async with watching(run, (80, 24)) as (app, pilot):
        assert "fc  " not in await polled(app, pilot)
        last = await press(app, pilot, "left_square_bracket")
        assert re.search(r"fc +◂", last)
        assert "Teff/T" in last
        first = await press(app, pilot, "right_square_bracket", "right_square_bracket")
        assert re.search(r"conv1 +◂", first)


async def test_arrow_keys_scroll_the_layers_and_keep_the_heading(run):
    async with watching(run, (80, 24)) as (app, pilot):
        assert "layer4.1.conv2" not in await polled(app, pilot)
        app.query_one("#layers").scroll_end(animate=False)
        await pilot.pause()
        text = text_of(app)
        assert "layer4.1.conv2" in text
        assert "Teff/T" in text


async def test_v_turns_the_pages_of_a_narrow_terminal_only(run):
    async with watching(run, (80, 24)) as (app, pilot):
        assert "v Page" in await polled(app, pilot)
        updates = await press(app, pilot, "v")
        assert "slope 0.967" in updates
        assert "requested Δw, weight units" in updates
        assert "Teff/T" not in updates
        bench = await press(app, pilot, "v")
        assert re.search(r"array +● SYNCED +▲ ON", bench)
        assert "array: output on" in bench
        assert "Teff/T" in await press(app, pilot, "v")
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert "v Page" not in await press(app, pilot, "v")


async def test_a_resize_moves_the_panels_and_keeps_the_figures(run):
    async with watching(run, (160, 50)) as (app, pilot):
        assert "Σ push" in await polled(app, pilot)
        for columns, rows in ((80, 24), (60, 16), (120, 36)):
            await pilot.resize_terminal(columns, rows)
            await pilot.pause()
            text = text_of(app)
            assert "TRAINING" in text
            assert max(map(len, text.split("\n"))) <= columns
        assert "slope 0.967" in text
        assert "Teff/T" in text


@pytest.mark.parametrize(("columns", "rows"), [(20, 8), (40, 12), (3, 3), (300, 90)])
def test_odd_sizes_do_not_break_the_screen(run, text_at, columns, rows):
    assert len(text_at(run, columns, rows).split("\n")) == rows


async def test_question_mark_explains_the_screen_and_escape_closes_it(run):
    async with watching(run) as (app, pilot):
        await polled(app, pilot)
        help_text = await press(app, pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "Leaving it does not touch the run" in help_text
        await pilot.resize_terminal(80, 60)
        await pilot.pause()
        help_text = text_of(app)
        for line in HELP.splitlines():
            assert line in help_text  # no line is broken or cut, even at 80 columns
        app.poll()
        await pilot.press("escape")
        await pilot.pause()
        assert "Leaving it" not in text_of(app)
        await press(app, pilot, "question_mark", "q")
        assert app.is_running
        assert not isinstance(app.screen, HelpScreen)


async def test_ctrl_p_opens_the_palette(run):
    async with watching(run) as (app, pilot):
        await polled(app, pilot)
        await press(app, pilot, "ctrl+p")
        assert type(app.screen).__name__ == "CommandPalette"


async def test_s_saves_a_picture_in_the_run_directory(run):
    async with watching(run) as (app, pilot):
        await polled(app, pilot)
        await press(app, pilot, "s")
    pictures = list((run.directory / "screenshots").iterdir())
    assert [picture.name for picture in pictures] == ["monitor-20261118T110840Z.svg"]
    assert "TRAINING" in pictures[0].read_text(encoding="utf-8")


async def test_a_picture_that_cannot_be_saved_is_said_and_not_fatal(run):
    (run.directory / "screenshots").write_text("a file in the way")
    async with watching(run) as (app, pilot):
        await polled(app, pilot)
        await press(app, pilot, "s")
        await pilot.pause()
        assert "Not saved" in text_of(app)
        assert app.is_running


def test_every_binding_has_an_id_and_the_footer_at_most_eight_keys():
    bindings = [each for each in (*MonitorApp.BINDINGS, *HelpScreen.BINDINGS) if isinstance(each, Binding)]
    assert len(bindings) == len(MonitorApp.BINDINGS) + len(HelpScreen.BINDINGS)
    assert all(binding.id for binding in bindings)
    assert len({binding.id for binding in bindings}) == len(bindings)
    shown = [binding for binding in bindings if binding.show and binding in MonitorApp.BINDINGS]
    assert len(shown) + 1 <= 8  # the palette's own key is the last


async def test_light_and_terminal_themes_draw_too(run):
    async with watching(run) as (app, pilot):
        for theme in ("textual-light", "ansi-dark"):
            app.theme = theme
            assert "TRAINING" in await polled(app, pilot)


def test_a_run_without_a_bench_says_so(run, text_at):
    run.put_manifest(digital=True, bench="", library="", instruments=[], layers=[])
    (run.directory / "latest" / "updates.npy").unlink()
    text = text_at(run, 120, 36)
    assert "DIGITAL, no bench" in text
    assert "digital run: no bench takes part" in text
    assert "no pulses are sent" in text
    assert "nothing is programmed" in text
    assert "Loss 0." in text
    assert "SIMULATED" not in text
