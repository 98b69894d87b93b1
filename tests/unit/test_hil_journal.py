"""The journal keeps intents apart from outcomes, and knows what it does not know."""

import sqlite3
from pathlib import Path

import pytest

from drivers.errors import RunCorrupt
from hil.journal import Journal


def test_an_intent_without_outcome_stays_unsettled(tmp_path: Path):
    journal = Journal(tmp_path / "journal.sqlite")
    first = journal.intend(1, "update", 1, 21, 100, 50)
    second = journal.intend(2, "update", 22, 42, 10, 5)
    journal.settle(first, 100, 50)
    assert journal.unsettled() == [second]
    assert journal.delivered() == (100, 50)
    journal.close()


def test_an_intent_is_on_disk_before_intend_returns(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    journal.intend(1, "update", 1, 1, 7, 8)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as other:
        assert other.execute("SELECT push_pulses, pull_pulses FROM intent").fetchall() == [(7, 8)]
    other.close()
    journal.close()


def test_reopening_keeps_what_was_written(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    journal = Journal(path)
    intent = journal.intend(1, "update", 1, 1, 7, 8)
    journal.close()
    again = Journal(path)
    assert again.unsettled() == [intent]
    again.close()


def test_another_programs_database_is_refused(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA application_id = 1")
        other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(RunCorrupt, match="journal"):
        Journal(path)


def test_intents_are_synchronised_to_disk_and_not_left_to_the_system(tmp_path: Path):
    journal = Journal(tmp_path / "journal.sqlite")
    assert journal._database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert journal._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()
