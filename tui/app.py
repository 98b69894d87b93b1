"""The monitor: one screen that follows a run directory and touches nothing else."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, final

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer
from textual.worker import get_current_worker

from tui.help import HelpScreen
from tui.theme import NIGHT
from tui.view import Snapshot, View
from tui.watcher import Clock, RunWatcher, wall_clock
from tui.widgets.density_plot import draw_updates
from tui.widgets.event_list import draw_events
from tui.widgets.instrument_table import draw_instruments
from tui.widgets.layer_table import draw_layers
from tui.widgets.line_chart import draw_accuracy, draw_loss
from tui.widgets.panel import Panel
from tui.widgets.status_header import draw_header
from tui.widgets.step_times import draw_step_times

POLL_PERIOD_S = 0.1
"""Rest between two looks at the run directory."""

HEADER_PERIOD_S = 0.5
"""Rest between two drawings of the header, which ages even when nothing is reported."""

PERIODS_S = {
    "loss": 0.25,
    "accuracy": 0.25,
    "updates": 0.5,
    "layers": 0.5,
    "times": 0.5,
    "instruments": 0.5,
    "events": 0.25,
}
"""Rest between two drawings of a panel, skipped when nothing is new."""

AGEING = ("instruments",)
"""Panels that say how old their figures are, so time alone changes them."""

PAGES = ("layers", "updates", "bench")
"""What a narrow terminal shows one after the other."""

NARROW_BELOW = 110
"""Columns below which the right-hand panels move to pages of their own."""


@final
class MonitorApp(App[None]):
    """Shows a run as it goes; may start before, during or after it.

    Args:
        run_directory: the run directory, which need not exist yet.
        clock: tells the time in seconds since 1970.
        follows: whether to read and draw by itself; otherwise only `poll` does.
    """

    TITLE = "hil monitor"
    CSS_PATH = "theme.tcss"
    AUTO_FOCUS = "#layers"
    # Textual declares these as instance variables, so ClassVar would not type-check.
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (NARROW_BELOW, "-wide"),
        (150, "-very-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-medium"), (44, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Leave (run goes on)", id="monitor.leave"),
        Binding("ctrl+c", "quit", "Leave", show=False, priority=True, id="monitor.interrupt"),
        Binding("space", "freeze", "Freeze", id="view.freeze"),
        Binding("left_square_bracket", "layer(-1)", "Layer", key_display="[ ]", id="view.previous_layer"),
        Binding("right_square_bracket", "layer(1)", "Next layer", show=False, id="view.next_layer"),
        Binding("v", "page", "Page", id="view.next_page"),
        Binding("s", "save", "Picture", id="view.screenshot"),
        Binding("question_mark,f1", "help", "Help", key_display="?", id="monitor.help"),
    ]

    def __init__(self, run_directory: Path, clock: Clock = wall_clock, *, follows: bool = True) -> None:
        super().__init__()
        self._run_directory = run_directory
        self._clock = clock
        self._follows = follows
        self._watcher = RunWatcher(run_directory, clock)
        self._held: Snapshot | None = None
        self._layer: int | None = None
        self._page = PAGES[0]
        self._drawn: dict[str, Snapshot] = {}
        self.register_theme(NIGHT)
        self.theme = NIGHT.name

    def compose(self) -> ComposeResult:
        """Lay out the panels."""
        yield Panel(draw_header, id="header")
        with Horizontal(id="charts"):
            yield Panel(draw_loss, id="loss")
            yield Panel(draw_accuracy, id="accuracy")
            yield Panel(draw_updates, id="updates")
        with Horizontal(id="detail"):
            yield Panel(draw_layers, id="layers", can_focus=True)
            with Vertical(id="side"):
                yield Panel(draw_step_times, id="times")
                yield Panel(draw_instruments, id="instruments")
                yield Panel(draw_events, id="events", can_focus=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Show the first page and start to follow."""
        self._turn_to(self._page)
        self._draw_all()
        if not self._follows:
            return
        self._follow()
        self.set_interval(HEADER_PERIOD_S, self._draw_header)
        for name, period_s in PERIODS_S.items():
            self.set_interval(period_s, lambda name=name: self._draw_if_new(name))

    def poll(self) -> None:
        """Read all there is and draw it, now."""
        self._watcher.poll_to_end()
        self._draw_all()

    @work(thread=True, exclusive=True, name="reader")
    def _follow(self) -> None:
        worker = get_current_worker()
        while not worker.is_cancelled:
            # While a long history is being read, rest only long enough for the screen to get its turn.
            time.sleep(0.001 if self._watcher.poll().is_behind else POLL_PERIOD_S)

    def _draw_all(self) -> None:
        self._drawn.clear()
        self._draw_header()
        for name in PERIODS_S:
            self._draw_if_new(name)

    def _draw_header(self) -> None:
        # Live even in a frozen view: nobody may miss that a run died.
        self._panel("header").show(self._view(self._watcher.latest))

    def _draw_if_new(self, name: str) -> None:
        snapshot = self._held or self._watcher.latest
        if self._drawn.get(name) is not snapshot or name in AGEING:
            self._drawn[name] = snapshot
            self._panel(name).show(self._view(snapshot))

    def _view(self, snapshot: Snapshot) -> View:
        is_frozen = self._held is not None
        return View(snapshot=snapshot, now_s=self._clock(), layer=self._layer, is_frozen=is_frozen)

    def _panel(self, name: str) -> Panel:
        # The lowest screen: timers go on while the help lies above it.
        return self.screen_stack[0].query_one(f"#{name}", Panel)

    def action_freeze(self) -> None:
        """Hold the panels as they are, or let them go on."""
        self._held = None if self._held else self._watcher.latest
        self._draw_all()

    def action_layer(self, by: int) -> None:
        """Choose another layer; before the first and after the last come all of them."""
        count = len(self._watcher.latest.layers)
        position = 0 if self._layer is None else self._layer + 1
        position = (position + by) % (count + 1)
        self._layer = position - 1 if position else None
        self._draw_all()

    def action_page(self) -> None:
        """Turn to the next page, where the terminal is too narrow for all panels."""
        if self._is_narrow():
            self._turn_to(PAGES[(PAGES.index(self._page) + 1) % len(PAGES)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action makes sense now; pages exist only in a narrow terminal."""
        del parameters
        return self._is_narrow() if action == "page" else True

    def on_resize(self) -> None:
        """Show the keys that make sense in the new size."""
        self.refresh_bindings()

    def _is_narrow(self) -> bool:
        return self.size.width < NARROW_BELOW

    def _turn_to(self, page: str) -> None:
        self._page = page
        for each in PAGES:
            self.screen_stack[0].set_class(each == page, f"-page-{each}")

    def action_save(self) -> None:
        """Save the screen as an SVG picture in the run directory."""
        moment = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%SZ")
        target = self._run_directory / "screenshots" / f"monitor-{moment}.svg"
        try:
            target.parent.mkdir(exist_ok=True)
            target.write_text(self.export_screenshot(title=self.TITLE), encoding="utf-8")
        except OSError as error:
            self.notify(f"Not saved: {error}", severity="error", markup=False)
            return
        self.notify(f"Saved {target}", markup=False)

    def action_help(self) -> None:
        """Show what the screen means."""
        self.push_screen(HelpScreen())


def monitor(run_directory: Path) -> None:
    """Show a run in this terminal until the person leaves; the run is not touched.

    Args:
        run_directory: the run directory, which need not exist yet.
    """
    MonitorApp(run_directory).run()
