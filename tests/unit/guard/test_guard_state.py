"""A setting is a range of possibilities until the instrument says that nothing was refused."""

from drivers.guard.state import Span, State


def test_a_setting_may_be_what_it_was_until_it_is_confirmed():
    state = State()
    state.reset({"width": 1e-7, "shape": "SIN"})
    state.tell("width", 1e-6)
    state.tell("shape", "PULS")
    assert state.span("width") == Span(1e-7, 1e-6)
    assert not state.is_surely("shape", "PULS")
    state.confirm(state.pending)
    assert state.span("width") == Span(1e-6, 1e-6)
    assert state.is_surely("shape", "PULS")


def test_after_an_error_none_of_those_that_waited_is_believed():
    state = State()
    state.reset({"width": 1e-7})
    state.tell("width", 1e-6)
    state.doubt()
    state.confirm(frozenset(("width",)))
    assert state.span("width") == Span(1e-7, 1e-6)
    assert state.told("width") is None
    state.tell("width", 2e-7)
    state.confirm(state.pending)
    assert state.span("width") == Span(2e-7, 2e-7)


def test_what_nobody_set_is_unknown_until_a_confirmation():
    state = State()
    assert state.span("width") is None
    state.tell("width", 1e-6)
    assert state.span("width") is None
    state.confirm(state.pending)
    assert state.span("width") == Span(1e-6, 1e-6)


def test_an_unknown_output_that_was_told_to_go_on_may_be_on():
    state = State()
    assert not state.may_have_become("output", "ON")
    state.tell("output", "ON")
    state.doubt()
    assert state.may_have_become("output", "ON")
    state.settle("output", "OFF")
    assert not state.may_have_become("output", "ON")


def test_a_copy_is_apart():
    state = State()
    state.reset({"a": 1.0})
    copy = state.copied()
    copy.tell("a", 5.0)
    copy.blur("a")
    assert state.span("a") == Span(1.0, 1.0)
    assert copy.span("a") is None


def test_what_may_be_dropped_is_certain_after_a_confirmation_only():
    state = State()
    state.reset({"output": "ON", "count": 255.0, "load": 50.0})
    state.may_be_dropped = True
    state.settle("count", 0.0)
    assert state.span("count") == Span(0.0, 255.0)
    state.reset({"output": "OFF"})
    assert not state.is_surely("output", "OFF")
    assert state.may_have_become("output", "ON")
    assert state.span("load") is None
    state.confirm(state.pending)
    assert state.is_surely("output", "OFF")
    assert not state.copied().may_be_dropped
