"""How a command ends: errors to messages and exit codes, results to one JSON object or to something for people."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import msgspec
import rich_click as click
from rich.console import Console

from drivers.errors import ConfigError, HilError, SafeStateError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNSAFE = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

stderr = Console(stderr=True)
"""Messages, progress and tables for people; standard output is kept for `--json`."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")


def examples(*lines: str) -> str:
    """Return the end of a command's help: commands to try, one a line."""
    return "\n\n".join(("Examples:", *lines))


def print_json(value: object) -> None:
    """Print one JSON object on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


@contextmanager
def reported_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn the toolkit's errors into a message and an exit code, and SIGTERM into an orderly exit.

    By default SIGTERM ends Python on the spot and leaves outputs as they are; as an exception it leaves through the
    bench, which switches them off.
    """
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    except (HilError, ExceptionGroup) as error:
        message = _whole_message(error)
        if as_json:
            print_json({"ok": False, "error": type(error).__name__, "message": message})
        stderr.print(f"{type(error).__name__}: ", style="bold red", end="")
        stderr.print(message, markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(_exit_code(error)) from None
    except KeyboardInterrupt:
        stderr.print("interrupted", style="bold red")
        raise SystemExit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(EXIT_TERMINATED)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, ExceptionGroup):
        return max(_exit_code(part) for part in error.exceptions)
    if isinstance(error, SafeStateError):
        return EXIT_UNSAFE
    return EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED


def _whole_message(error: BaseException) -> str:
    lines = [str(error), *getattr(error, "__notes__", [])]
    if isinstance(error, ExceptionGroup):
        lines.extend(_whole_message(part) for part in error.exceptions)
    return "\n".join(lines)
