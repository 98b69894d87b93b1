"""Several things done at once, within a bounded time, whatever happens to one of them; and not cut short by Ctrl-C."""

import threading
from collections.abc import Callable, Sequence

from drivers.deadline import Deadline, SystemClock

_LOOK_S = 0.05  # how often a waiting main thread looks up, so that Ctrl-C reaches it
_START_S = 1.0


def together(actions: Sequence[Callable[[], None]], timeout_s: float) -> list[BaseException | None]:
    """Run actions in parallel and return what each raised; one that is not done in time has raised `TimeoutError`.

    An action that hangs is left behind in its thread.
    """
    errors: list[BaseException | None] = [TimeoutError(f"not done within {timeout_s:g} s") for _ in actions]

    def run(place: int) -> None:
        try:
            actions[place]()
        except BaseException as error:  # noqa: BLE001 - it is handed on
            errors[place] = error
        else:
            errors[place] = None

    threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(actions))]
    deadline = Deadline.after(timeout_s, SystemClock())
    for place, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            # From Python 3.12 on, no thread starts while the interpreter ends.
            run(place)
    for thread in threads:
        if thread.is_alive():
            thread.join(deadline.left_s())
    return list(errors)


def shielded(action: Callable[[], None]) -> None:
    """Run an action to its end in a thread of its own, out of reach of Ctrl-C, which is raised afterwards."""
    failures: list[BaseException] = []
    begun, ended = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - it is handed on
            failures.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=run, daemon=True)
    interrupt = _started(thread, begun)
    if not begun.is_set():
        run()
    interrupt = _waited(ended) or interrupt
    if failures:
        if interrupt is not None:
            failures[0].add_note("interrupted by Ctrl-C meanwhile")
        raise failures[0]
    if interrupt is not None:
        raise interrupt


def _started(thread: threading.Thread, begun: threading.Event) -> KeyboardInterrupt | None:
    """Start a thread; return the interrupt that came meanwhile."""
    interrupt = None
    while not begun.is_set():
        try:
            if thread.ident is None:
                thread.start()
            if not begun.wait(_START_S):
                return interrupt
        except KeyboardInterrupt as error:
            interrupt = error
        except RuntimeError:
            # From Python 3.12 on, no thread starts while the interpreter ends.
            return interrupt
    return interrupt


def _waited(ended: threading.Event) -> KeyboardInterrupt | None:
    """Wait for the end of a thread; return the interrupt that came meanwhile.

    Not by `Thread.join`: up to Python 3.12, one that Ctrl-C interrupts takes the thread for ended, whatever it does.
    """
    interrupt = None
    while True:
        try:
            while not ended.wait(_LOOK_S):
                pass
        except KeyboardInterrupt as error:
            interrupt = error
        else:
            return interrupt
