"""The table of named mutations: what is broken on purpose, and which tests must notice.

A mutation is one exact piece of text of one file, put in another's place. A piece of text that no longer occurs exactly
once, or a test that is no longer there, makes its entry stale: it proves nothing until somebody looks at it.
"""

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder of the repository that this file lies in."""

TABLE: Final = Path(__file__).with_name("mutations.toml")
"""The table that `read` reads."""

ROWS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 24, 25, 28, 29, 30, 31, 32, 34)
"""The rows of the table of faults that the instrument layer answers for."""

_KEYS: Final = {"name", "guard", "rows", "file", "old", "new", "tests", "why"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One way to take one guard out."""

    name: str
    """What it is called, in words joined by hyphens."""
    guard: str
    """The part of the code that it belongs to, for sorting."""
    rows: tuple[int, ...]
    """Rows of the table of faults; empty where none names this guard."""
    file: str
    """Path in the repository."""
    old: str
    """The text to take out, which occurs once."""
    new: str
    """The text to put in its place."""
    tests: tuple[str, ...]
    """pytest's names of the tests, every one of which must fail."""
    why: str
    """What would happen in the laboratory."""


def read(table: Path = TABLE) -> tuple[Mutation, ...]:
    """Return the mutations of a table.

    Raises:
        ValueError: if an entry lacks a key, has one too many, or a name is used twice.
    """
    entries: list[dict[str, Any]] = tomllib.loads(table.read_text("utf-8"))["mutation"]
    for entry in entries:
        if entry.keys() != _KEYS:
            raise ValueError(f"{entry.get('name')}: keys {sorted(entry.keys() ^ _KEYS)} are missing or too many")
    mutations = tuple(
        Mutation(**{**entry, "rows": tuple(entry["rows"]), "tests": tuple(entry["tests"])}) for entry in entries
    )
    if len({mutation.name for mutation in mutations}) != len(mutations):
        raise ValueError("two mutations have the same name")
    return mutations


def staleness(mutation: Mutation, root: Path = ROOT) -> str | None:
    """Return what is wrong with an entry as the files of `root` are now; None if nothing is."""
    file = root / mutation.file
    if not file.is_file():
        return f"there is no file {mutation.file}"
    if (count := file.read_text("utf-8").count(mutation.old)) != 1:
        return f"the old text occurs {count} times in {mutation.file}"
    if mutation.old == mutation.new or not mutation.tests:
        return "it changes nothing, or no test is named"
    return next((f"there is no test {node}" for node in mutation.tests if not _is_there(node, root)), None)


def apply(mutation: Mutation, root: Path) -> None:
    """Put the new text in the place of the old in a copy of the repository."""
    file = root / mutation.file
    file.write_text(file.read_text("utf-8").replace(mutation.old, mutation.new), "utf-8")


def _is_there(node: str, root: Path) -> bool:
    path, *names = node.split("[", 1)[0].split("::")
    file = root / path
    if not file.is_file() or not names:
        return False
    body: list[ast.stmt] = ast.parse(file.read_text("utf-8")).body
    for name in names:
        found = [item for item in body if isinstance(item, ast.ClassDef | ast.FunctionDef) and item.name == name]
        if not found:
            return False
        body = found[0].body
    return True
