"""A bar for work that may be over at once: it shows up after two seconds only."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hil.cli.outcome import stderr

_PATIENCE_S = 2.0


@contextmanager
def waiting_bar(description: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a function that takes how much is done, how much there is, and a note."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )
    task = bar.add_task(description, total=None, note="")
    timer = threading.Timer(_PATIENCE_S, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda done, total, note: bar.update(task, completed=done, total=total, note=note)
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
