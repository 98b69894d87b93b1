"""Run directories: where a run leaves everything it has to say."""

import re
import secrets
import socket
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hil.telemetry.writer import replace_atomically


def create(runs: Path, label: str) -> Path:
    """Make a new, empty run directory below `runs` and return it.

    Args:
        runs: folder of all runs; made if absent.
        label: a few words for the directory's name.
    """
    words = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
    directory = runs / f"{started}_{words}_{secrets.token_hex(2)}"
    directory.mkdir(parents=True)
    return directory


def remove_if_empty(directory: Path) -> None:
    """Remove a run directory in which nothing was written, because the run never began."""
    if not any(directory.iterdir()):
        directory.rmdir()


def write_json(path: Path, value: object) -> None:
    """Write one JSON file so that a reader sees all of it or none of it."""
    replace_atomically(path, msgspec.json.format(msgspec.json.encode(value)) + b"\n")


def host_name() -> str:
    """Return this machine's name."""
    return socket.gethostname()
