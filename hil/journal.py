"""The journal: what was about to be fired, on disk before it was, and what became of it.

An intent without an outcome after a crash means that the pulses may or may not have reached the walls: they are never
fired again, the array is read.
"""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from drivers.errors import RunCorrupt

_APPLICATION_ID = 0x44574849  # "DWHI"

_SCHEMA = """
CREATE TABLE intent (
    id INTEGER PRIMARY KEY,
    step INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    first_tag INTEGER NOT NULL,
    last_tag INTEGER NOT NULL,
    push_pulses INTEGER NOT NULL,
    pull_pulses INTEGER NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE TABLE outcome (
    intent INTEGER PRIMARY KEY REFERENCES intent (id),
    push_pulses INTEGER NOT NULL,
    pull_pulses INTEGER NOT NULL,
    at TEXT NOT NULL
) STRICT;
"""


@final
class Journal:
    """Intents and outcomes of one run in an SQLite file, synchronised to disk before a pulse is fired."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        mode = self._database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            self._database.close()
            raise RunCorrupt(
                f"{path}: SQLite refuses a write-ahead log here ({mode}); put the run on a local file system"
            )
        self._database.execute("PRAGMA synchronous = FULL")
        application = self._database.execute("PRAGMA application_id").fetchone()[0]
        if application == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA application_id = {_APPLICATION_ID}; COMMIT;")
        elif application != _APPLICATION_ID:
            self._database.close()
            raise RunCorrupt(f"{path} is not a journal of this program")

    def intend(self, step: int, purpose: str, first_tag: int, last_tag: int, push_pulses: int, pull_pulses: int) -> int:
        """Record that patterns with these tags are about to be fired; on disk when this returns.

        Returns:
            The number of the intent, for `settle`.
        """
        cursor = self._database.execute(
            "INSERT INTO intent (step, purpose, first_tag, last_tag, push_pulses, pull_pulses, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (step, purpose, first_tag, last_tag, push_pulses, pull_pulses, _now()),
        )
        if cursor.lastrowid is None:
            raise RunCorrupt("the journal did not number an intent")
        return cursor.lastrowid

    def settle(self, intent: int, push_pulses: int, pull_pulses: int) -> None:
        """Record what the controller says it delivered."""
        self._database.execute(
            "INSERT INTO outcome (intent, push_pulses, pull_pulses, at) VALUES (?, ?, ?, ?)",
            (intent, push_pulses, pull_pulses, _now()),
        )

    def unsettled(self) -> list[int]:
        """Return the intents whose outcome is unknown, oldest first."""
        query = "SELECT id FROM intent WHERE id NOT IN (SELECT intent FROM outcome) ORDER BY id"
        return [row[0] for row in self._database.execute(query)]

    def delivered(self) -> tuple[int, int]:
        """Return the push and pull pulses of all outcomes."""
        query = "SELECT coalesce(sum(push_pulses), 0), coalesce(sum(pull_pulses), 0) FROM outcome"
        return self._database.execute(query).fetchone()

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
