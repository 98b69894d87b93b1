"""Ways out of a program on which outputs go off: the end of the interpreter, and SIGTERM."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

EXIT_UNSAFE: Final = 70
"""Exit code where an output could not be confirmed off."""

_EXIT_TERMINATED: Final = 128 + signal.SIGTERM


def at_end(leave: Callable[[], None]) -> Callable[[], None]:
    """Have `leave` called when the interpreter ends, and return what takes that back.

    Handlers run in the opposite order of their registration: call this after PyVISA's resource manager was made, which
    registers one that closes every session. SIGTERM, which by default ends Python on the spot and leaves outputs as
    they are, becomes an orderly exit, unless the program has a handler of its own.
    """
    atexit.register(leave)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
    return lambda: atexit.unregister(leave)


def leave_unsafe(error: BaseException) -> NoReturn:
    """End the process with the exit code that says so: too late for an exception to be seen."""
    print(f"error: {error}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(EXIT_UNSAFE)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(_EXIT_TERMINATED)
