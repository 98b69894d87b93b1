"""The table of named mutations is not stale; `make mutations` tries them."""

from dataclasses import replace

import pytest
from named_mutations import ROWS, read, staleness
from run import Run, judge

MUTATIONS = read()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_still_fits_its_file_and_its_tests(mutation):
    assert staleness(mutation) is None


def test_every_row_of_the_instrument_layer_has_a_mutation():
    assert set(ROWS) <= {row for mutation in MUTATIONS for row in mutation.rows}


def test_every_mutation_says_why_it_matters():
    assert all(len(mutation.why) > 20 and mutation.why.endswith(".") for mutation in MUTATIONS)


def test_a_stale_entry_is_seen(tmp_path):
    (tmp_path / "code.py").write_text("a\na\nb\n")
    (tmp_path / "test_code.py").write_text("class TestIt:\n    def test_it(self): ...\n")
    entry = MUTATIONS[0]
    values = {"name": "n", "guard": "g", "rows": (), "new": "z", "why": "w", "file": "code.py"}

    def of(old, node):
        return staleness(type(entry)(**values, old=old, tests=(node,)), tmp_path)

    assert of("b", "test_code.py::TestIt::test_it[case]") is None
    assert of("a", "test_code.py::TestIt::test_it") is not None
    assert of("c", "test_code.py::TestIt::test_it") is not None
    assert of("z", "test_code.py::TestIt::test_it") is not None
    assert of("b", "test_code.py::TestIt::test_other") is not None
    assert of("b", "test_code.py::test_it") is not None
    assert of("b", "test_other.py::test_it") is not None


@pytest.mark.parametrize(
    ("failed", "hung", "trouble", "outcome"),
    [
        ({"t.py::a[1]": False, "t.py::a[2]": True, "t.py::b": True}, False, "", "killed"),
        ({"t.py::a": True, "t.py::b": True}, True, "", "killed"),
        ({}, True, "", "killed"),
        ({"t.py::a": True, "t.py::b": False}, False, "", "survived"),
        ({"t.py::ab": True, "t.py::a": False, "t.py::b": True}, False, "", "survived"),
        ({"t.py::b": True}, False, "", "survived"),
        ({}, False, "", "broken"),
        ({}, False, "pytest ended with 4", "broken"),
    ],
)
def test_a_mutation_is_killed_if_every_test_named_for_it_fails(failed, hung, trouble, outcome):
    entry = replace(MUTATIONS[0], tests=("t.py::a", "t.py::b"))
    assert judge(entry, Run(failed=failed, hung=hung, trouble=trouble))[0] == outcome
