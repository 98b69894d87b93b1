"""Shots on disk while they are made: one SQLite file that a kill at any moment leaves whole."""

import json
import sqlite3
from pathlib import Path
from typing import Final, Self, final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from calibration.experiment import SHOT, Experiment, ExperimentOrigin
from calibration.shots import digest
from drivers.errors import ConfigError

SCHEMA_VERSION: Final = 1
"""Version of the layout of the file."""

_APPLICATION_ID = 0x44575348  # "DWSH"

# Shots lie in blocks, one for each append, as the bytes of the structured array: numbers come back bit for bit, nan
# included, and a million shots take no longer than the disk does. The fields of a shot are written beside them, so that
# any program can take the blocks apart.
_SCHEMA = """
CREATE TABLE origin (
    content TEXT NOT NULL,
    shot TEXT NOT NULL
) STRICT;
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    shots INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;
"""
_SHOT_FIELDS = json.dumps([[name, SHOT[name].str] for name in SHOT.names or ()])


@final
class ShotStore:
    """The shots of one experiment in a file, appended as they are made.

    What `append` was given is on disk whole, or not at all: a killed program loses the shots in flight and no others.
    A power cut may take the last blocks, never damage the ones before. While the file is open, and after a kill, SQLite
    keeps the newest blocks in a second file, `NAME-wal`: move both together.

    Use as a context manager, or call `close`.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path: Final = path
        """The file."""
        self._database = database

    @classmethod
    def create(cls, path: Path, origin: ExperimentOrigin) -> Self:
        """Make a new file. Folders are made.

        Raises:
            ConfigError: the file exists, or cannot be written there.
        """
        if path.exists():
            raise ConfigError(f"{path}: already there; name another file, or continue this one")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path}: cannot be written ({error}); name a file elsewhere") from error
        try:
            _write_ahead(database)
            # Who is killed here leaves an empty file or a whole one.
            database.execute("BEGIN EXCLUSIVE")
            for statement in _SCHEMA.split(";")[:-1]:
                database.execute(statement)
            database.execute("INSERT INTO origin VALUES (?, ?)", (origin.model_dump_json(), _SHOT_FIELDS))
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            database.execute("COMMIT")
        except sqlite3.Error as error:
            database.close()
            raise ConfigError(f"{path}: cannot be written ({error}); name a file on a local disk") from error
        return cls(path, database)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file to read from it or to append to it.

        Raises:
            ConfigError: there is no such file, it is of another kind, or a newer version of this program wrote it.
        """
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; give the shots of an experiment")
        database = sqlite3.connect(path, isolation_level=None)
        try:
            _check_kind(path, database)
            _write_ahead(database)
        except sqlite3.Error as error:
            database.close()
            raise ConfigError(
                f"{path}: cannot be opened ({error}); it is no file of shots, or lies where nothing can be written: "
                "copy it, with its -wal file if there is one, to a folder of your own"
            ) from error
        except BaseException:
            database.close()
            raise
        return cls(path, database)

    @property
    def origin(self) -> ExperimentOrigin:
        """Return where the shots come from.

        Raises:
            ConfigError: the origin is damaged.
        """
        row = self._database.execute("SELECT content FROM origin").fetchone()
        try:
            return ExperimentOrigin.model_validate_json(row[0])
        except (TypeError, ValidationError) as error:
            raise ConfigError(f"{self.path}: the origin of the shots is damaged ({error}); use a copy") from error

    def append(self, shots: NDArray[np.void]) -> None:
        """Add shots, in the order in which they were made: all of them or, if the program is killed, none.

        Args:
            shots: structured array of `SHOT`, shape (shots,).

        Raises:
            ValueError: an array of another kind.
        """
        if shots.dtype != SHOT or shots.ndim != 1:
            raise ValueError(f"shots must be a structured array of SHOT in one dimension, not {shots.dtype}")
        if len(shots) == 0:
            return
        steps = shots["step"]
        self._database.execute(
            "INSERT INTO block (first_step, last_step, shots, content) VALUES (?, ?, ?, ?)",
            (int(steps.min()), int(steps.max()), len(shots), shots.tobytes()),
        )

    def read(self) -> Experiment:
        """Return everything appended so far.

        Raises:
            ConfigError: a block is damaged.
        """
        origin = self.origin
        shots = np.empty(self.shots, SHOT)
        filled = 0
        try:
            for count, content in self._database.execute("SELECT shots, content FROM block ORDER BY id"):
                shots[filled : filled + count] = np.frombuffer(content, SHOT, count)
                filled += count
        except (ValueError, sqlite3.Error) as error:
            raise ConfigError(f"{self.path}: damaged after {filled} shots ({error}); use a copy") from error
        return Experiment(origin=origin, shots=shots[:filled])

    def last_step(self) -> int | None:
        """Return the highest step that has shots; None without any."""
        return self._database.execute("SELECT max(last_step) FROM block").fetchone()[0]

    @property
    def shots(self) -> int:
        """Return the number of shots appended so far."""
        return self._database.execute("SELECT coalesce(sum(shots), 0) FROM block").fetchone()[0]

    def sha256(self) -> str:
        """Return the hash of origin and shots, see `digest.sha256`; not that of the file, which SQLite rearranges."""
        return digest.sha256(self.read())

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _write_ahead(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")


def _check_kind(path: Path, database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise ConfigError(f"{path}: not a file of shots; give the file that an experiment wrote")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise ConfigError(f"{path}: shots in layout {version}, this program knows {SCHEMA_VERSION}; update the program")
    if database.execute("SELECT shot FROM origin").fetchone() != (_SHOT_FIELDS,):
        raise ConfigError(
            f"{path}: shots with other fields than {_SHOT_FIELDS}; read it with the version that wrote it"
        )
