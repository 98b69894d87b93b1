"""Progress of a run on a terminal: a bar with loss, accuracy, times, pulses and time left; events above it."""

from types import TracebackType
from typing import Self, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from hil.telemetry import Evaluation, RunState, Step


@final
class ProgressListener:
    """Shows a run as it goes. On a console that is no terminal it prints the events only."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def state(self, state: RunState, message: str) -> None:
        """Print the message; a new bar begins with the next record."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        style = "red" if state is RunState.FAILED else "dim"
        self._console.print(message, style=style, markup=False, highlight=False)

    def calibration(self, done: int, total: int, text: str) -> None:
        """Move the calibration's bar."""
        self._update("calibrating", done, total, text)

    def step(self, record: Step, *, steps_total: int, eta_s: float | None) -> None:
        """Move the training bar."""
        times = record.times
        loss = "-" if record.loss is None else f"{record.loss:.3f}"
        update_ms = 1e3 * (times.read + times.compile + times.program)
        note = (
            f"epoch {record.epoch}  loss {loss}  acc {record.accuracy:.0%}  "
            f"{1e3 * times.forward_backward:.0f}+{update_ms:.0f} ms  {quantity(record.pulses_total)} pulses  "
            f"{duration(eta_s)} left"
        )
        self._update("training", record.step, steps_total, note)

    def evaluation(self, record: Evaluation) -> None:
        """Print the test accuracy."""
        loss = "-" if record.test_loss is None else f"{record.test_loss:.3f}"
        self._console.print(
            f"epoch {record.epoch:3d}  step {record.step:6d}  test accuracy {record.test_accuracy:.2%}  loss {loss}",
            highlight=False,
        )

    def _update(self, name: str, done: int, total: int, note: str) -> None:
        if self._task is None:
            self._task = self._progress.add_task(name, total=total, note=note)
        self._progress.update(self._task, completed=done, total=total, note=note)


def quantity(value: float) -> str:
    """Return a large number with three digits and a prefix, as 12.3 M."""
    for limit, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {prefix}"
    return f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Return a time as 1:02:03 or 2:03; a dash if it is not known."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
