"""The sandbox alone: what crosses the border between Lua and Python, and how."""

import math
from typing import Any

import numpy as np
import pytest

from sim_instruments.scpi_error import ScpiError
from sim_instruments.tsp.numbers import as_block, as_text
from sim_instruments.tsp.sandbox import MEMORY_BYTES, Host, Sandbox
from sim_instruments.tsp.vocabulary import (
    Attribute,
    Node,
    Settings,
    Vocabulary,
    among,
    number,
    number_within,
    one_of,
    text,
    within,
)


class Rig:
    """A sandbox with a small vocabulary, and what it said and reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[ScpiError] = []
        self.calls: list[tuple[object, ...]] = []
        self.result: object = None
        self.settings = Settings({"level": (0.5, within(-1, 1)), "mode": (0.0, among(0, 1))})
        vocabulary = Vocabulary(
            attributes={**self.settings.attributes("box.part."), "box.name": Attribute(get=lambda: "a box")},
            functions={"box.call": self.call, "top": self.call},
            constants={"box.ON": 1.0},
            elements={"box.buffer": lambda index: index * 10.0 if index > 0 else None},
        )
        host = Host(say=self.lines.append, text_of=lambda value: f"{value:g}", report=self.errors.append, now_s=float)
        self.sandbox = Sandbox(vocabulary, host)

    def call(self, *arguments: object) -> Any:
        self.calls.append(arguments)
        return self.result

    def run(self, source: str) -> list[str]:
        self.lines.clear()
        self.errors.clear()
        self.sandbox.run(source)
        return list(self.lines)


@pytest.fixture
def rig():
    return Rig()


def test_attributes_functions_constants_and_elements(rig):
    assert rig.run("print(box.part.level, box.name, box.ON, box.buffer[3], box.buffer[0], box.nothing)") == [
        "0.5\ta box\t1\t30\tnil\tnil"
    ]
    rig.run("box.part.level = -0.25 box.part.mode = true")
    assert (rig.settings["level"], rig.settings["mode"]) == (-0.25, 1.0)
    rig.result = (1.5, "two", True, None)
    assert rig.run("print(box.call(1, 'x', false, nil, box.buffer, {1, 2.5}))") == ["1.5\ttwo\ttrue\tnil"]
    assert rig.calls == [(1.0, "x", False, None, Node("box.buffer"), (1.0, 2.5))]
    assert rig.errors == []


def test_a_refused_value_is_reported_and_the_script_goes_on(rig):
    assert rig.run("box.part.level = 2 print('on')") == ["on"]
    assert [error.code for error in rig.errors] == [-222]
    assert rig.settings["level"] == 0.5


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("x = = 1", -285, "TSP Syntax error at line 1: unexpected symbol near '='"),
        ("\n\nnothing()", -286, "TSP Runtime error at line 3: attempt to call a nil value (global 'nothing')"),
        (
            "box.part.other = 1",
            -286,
            "TSP Runtime error at line 1: cannot assign to 'other': there is no such attribute",
        ),
        ("box.name = 'x'", -286, "TSP Runtime error at line 1: box.name is read only"),
        ("error('mine')", -286, "TSP Runtime error at line 1: mine"),
        ("box.call(print)", -286, "TSP Runtime error at line 1: a function cannot be given to the instrument"),
        ("box.call({'x'})", -286, "TSP Runtime error at line 1: a list may hold numbers only"),
        ("box.call(1,2,3,4,5,6,7,8,9)", -286, "TSP Runtime error at line 1: too many arguments"),
    ],
)
def test_what_stops_a_script(rig, source, code, words):
    assert rig.run(source + " print('never')" if code == -286 else source) == []
    assert [(error.code, error.text) for error in rig.errors] == [(code, words)]


def test_a_kept_script_is_run_by_its_name(rig):
    rig.sandbox.keep("count = (count or 0) + 1 print(count)", "tick")
    assert rig.lines == []
    assert rig.run("tick() tick.run() print(tick.name)") == ["1", "2", "tick"]
    rig.sandbox.keep("this is no Lua", "wrong")
    assert [error.code for error in rig.errors] == [-285]
    assert rig.run("print(type(wrong))") == ["nil"]


@pytest.mark.parametrize("result", [{}, [1.0], object(), (1.0, (2.0,)), b"x"])
def test_a_python_object_never_crosses(rig, result):
    """It would be a fault of a twin: it shows as one, and Lua still gets nothing."""
    rig.result = result
    with pytest.raises(TypeError, match="may not cross into Lua"):
        rig.run("leak = top() print(type(leak))")
    assert rig.run("print(type(leak))") == ["nil"]


def test_a_fault_of_a_twin_is_raised_to_its_author_and_not_to_the_script(rig):
    def fail(*_: object) -> object:
        raise ZeroDivisionError

    rig.sandbox._vocabulary.functions["top"] = fail  # type: ignore[index]
    with pytest.raises(ZeroDivisionError):
        rig.run("print(top())")
    assert rig.run("print(1)") == ["1"]


def test_byte_code_is_refused_by_the_interpreter_itself(rig):
    """Behind the check of characters there is the loader, which takes text only."""
    outcome, words = rig.sandbox._run("\x1bLuaT\x00", "stdin")
    assert outcome == "syntax"
    assert "attempt to load a binary chunk" in words


def test_the_interpreter_is_small_and_bounded(rig):
    assert rig.sandbox.memory_bytes < 200_000
    assert rig.sandbox._lua.get_max_memory() == MEMORY_BYTES


def test_lua_of_the_instruments_own_age_is_understood(rig):
    assert rig.run("local t = {5, 6} print(table.getn(t), unpack(t)) print(math.pow(2, 3), math.mod(7, 4))") == [
        "2\t5\t6",
        "8\t3",
    ]
    assert rig.run("for i, v in ipairs({7}) do print(i, v, bit.bitand(12, 10)) end") == ["1\t7\t8"]
    assert rig.run("print(tostring(3) .. '/' .. string.format('%d %s %5.2f', 3, true, 1.5))") == ["3/3 true  1.50"]


@pytest.mark.parametrize(
    ("value", "precision", "shown"),
    [
        (1.0, 6, "1.00000e+00"),
        (-285, 6, "-2.85000e+02"),
        (1.23456789e-5, 3, "1.23e-05"),
        (0.1, 1, "1e-01"),
        (math.nan, 6, "9.91000e+37"),
        (-math.inf, 6, "-9.90000e+37"),
        (1 / 3, 10, "3.333333333e-01"),
    ],
)
def test_numbers_as_text(value, precision, shown):
    assert as_text(value, precision) == shown


def test_numbers_as_blocks():
    values = np.array([1.0, -2.0])
    assert as_block(values, item_bytes=4, is_little_endian=True) == b"#0\x00\x00\x80?\x00\x00\x00\xc0"
    assert as_block(values, item_bytes=8, is_little_endian=False) == b"#0" + values.astype(">f8").tobytes()


@pytest.mark.parametrize("value", [None, "x", True, (1.0,), Node("a"), math.nan, math.inf, "nan"])
def test_what_is_no_number(value):
    with pytest.raises(ScpiError):
        number(value)


def test_arguments():
    assert number("2.5") == 2.5
    assert number_within(1.0, 0, 1) == 1.0
    assert one_of(True, (0, 1)) == 1.0
    assert text("x") == "x"
    for refused in (lambda: number_within(1.01, 0, 1), lambda: one_of(2.0, (0, 1)), lambda: text(1.0)):
        with pytest.raises(ScpiError):
            refused()
