"""Clauses F: patterns, tags and delivery. The checks that need the output move the walls of the plan's devices."""

import numpy as np

from drivers.conformance.controller import AWKWARD, Controller, Deviation, Totals, framed
from drivers.conformance.outcome import Check
from drivers.protocols import Counts


def _places(controller: Controller) -> None:
    size = controller.size()
    for first, count, code in ((size - 1, 2, -223), (size, 1, -222), (2**40, 1, -222)):
        for kind in ("PUSH", "PULL"):
            controller.refuses(f"PATT:{kind} {first},".encode() + framed(bytes(count)), (code,))
    controller.refuses(b"PATT:PUSH 0,#10", (-161,))
    controller.refuses(b"PATT:PUSH -1,#11a", (-222,))


def _pairs(controller: Controller) -> None:
    plan = controller.plan
    first, count = plan.first, plan.count
    controller.load(f"PATT:PUSH {first},", np.ones(count, np.uint8))
    controller.no_errors()
    controller.refuses(f"PATT:PULL {first},".encode() + framed(bytes(count - 1)), (-221,))
    controller.refuses(f"PATT:PULL {first + 1},".encode() + framed(bytes(count - 1)), (-221,))
    controller.accepts("PATT:CLE")
    controller.load("ARR:SEL ", np.arange(first, first + 3, dtype=np.uint32))
    controller.no_errors()
    controller.refuses(b"PATT:SEL:PUSH " + framed(bytes(2)), (-221,))
    controller.refuses(b"PATT:SEL:PULL " + framed(bytes(4)), (-223,))
    controller.accepts(b"PATT:SEL:PULL " + framed(bytes(3)))


def _nothing_to_fire(controller: Controller) -> None:
    before = _ready(controller)
    controller.refuses("INIT", (-221,))
    controller.accepts(f"PATT:TAG {before.tag + 1}")
    controller.refuses("INIT", (-221,))
    controller.accepts("PATT:CLE")
    _load(controller, _counts(controller), None)
    controller.refuses("INIT", (-221,))
    _unchanged(controller, before)


def _output_off(controller: Controller) -> None:
    before = controller.totals()
    delivered = controller.ask("PATT:DEL?")
    _load(controller, _counts(controller), None)
    controller.accepts(f"PATT:TAG {before.tag + 1}")
    controller.refuses("INIT", (-221,))
    controller.refuses("INITiate:IMMediate", (-221,))
    _unchanged(controller, before)
    controller.expect("PATT:DEL?", delivered)


def _clear(controller: Controller) -> None:
    before = _ready(controller)
    _load(controller, _counts(controller), None)
    controller.accepts(f"PATT:TAG {before.tag + 1}")
    controller.accepts("PATT:CLE")
    controller.refuses("INIT", (-221,))
    _load(controller, _counts(controller), None)
    # The tag went with the pattern.
    controller.refuses("INIT", (-221,))
    _unchanged(controller, before)


def _delivery(controller: Controller) -> None:
    before = _ready(controller)
    tag = before.tag
    # Counts that mean something to a scanner: their sums show whether they came through.
    push = np.resize(np.frombuffer(AWKWARD, np.uint8), controller.plan.count)
    pull = push[::-1].copy()
    none = np.zeros(0, np.uint8)
    # Not every tag: a controller that counts them itself would show.
    for step, pushes, pulls in ((1, push, pull), (5, push, None), (6, None, pull), (2000, push[:1], pull[:1])):
        _load(controller, pushes, pulls)
        controller.accepts(f"PATT:TAG {tag + step}")
        controller.fire()
        controller.no_errors()
        controller.expect("PATT:TAG?", tag + step)
        sums = [int((none if counts is None else counts).sum()) for counts in (pushes, pulls)]
        controller.expect("PATT:DEL?", f"{tag + step},{sums[0]},{sums[1]}")


def _second_fire(controller: Controller) -> None:
    before = _fired(controller)
    controller.refuses("INIT", (-221,))
    controller.refuses(f"PATT:TAG {before.tag + 1};:INIT", (-221,))
    _unchanged(controller, before)
    # Twice in one message: once is right, twice is not.
    controller.accepts("PATT:CLE")
    _load(controller, _counts(controller), None)
    controller.accepts(f"PATT:TAG {before.tag + 1}")
    controller.refuses("INIT;INIT", (-221,))
    controller.expect_done()
    after = controller.totals()
    if after.push_pulses - before.push_pulses != int(_counts(controller).sum()):
        raise Deviation(
            f"INIT twice in one message fired {after.push_pulses - before.push_pulses} pulses, "
            f"not {int(_counts(controller).sum())}"
        )


def _old_tags(controller: Controller) -> None:
    before = _fired(controller)
    for tag in (before.tag, before.tag - 1, 0, -1):
        _load(controller, _counts(controller), None)
        controller.refuses(f"PATT:TAG {tag}", (-221,) if tag > 0 else (-221, -222))
        controller.refuses("INIT", (-221,))
        _unchanged(controller, before)
        controller.accepts("PATT:CLE")
    # A whole step that arrives twice.
    counts = _counts(controller)
    message = f"PATT:TAG {before.tag + 1};:PATT:PUSH {controller.plan.first},".encode() + framed(counts) + b";:INIT"
    controller.accepts(message)
    controller.expect_done()
    once = controller.totals()
    controller.refuses(message, (-221,), allow_more=True)
    controller.expect_done()
    _unchanged(controller, once)


def _selected(controller: Controller) -> None:
    before = _ready(controller)
    plan = controller.plan
    controller.load("ARR:SEL ", np.arange(plan.first, plan.first + plan.count, dtype=np.uint32)[::-1].copy())
    controller.load("PATT:SEL:PUSH ", _counts(controller))
    controller.load("PATT:SEL:PULL ", _counts(controller))
    controller.accepts(f"PATT:TAG {before.tag + 1}")
    controller.fire()
    controller.no_errors()
    pulses = int(_counts(controller).sum())
    controller.expect("PATT:DEL?", f"{before.tag + 1},{pulses},{pulses}")


def _refused_blocks(controller: Controller) -> None:
    before = _ready(controller)
    first, count = controller.plan.first, controller.plan.count
    _load(controller, np.ones(count, np.uint8), None)
    controller.refuses(f"PATT:PULL {first},".encode() + framed(bytes([7] * (count - 1))), (-221,))
    controller.accepts(f"PATT:TAG {before.tag + 1}")
    controller.fire()
    controller.no_errors()
    controller.expect("PATT:DEL?", f"{before.tag + 1},{count},0")


def _ready(controller: Controller) -> Totals:
    """Set the plan's pulses, switch the output on and return the totals."""
    plan = controller.plan
    for kind in ("PUSH", "PULL"):
        controller.accepts(f"PULS:{kind}:AMPL {plan.amplitude_v!r};:PULS:{kind}:WIDT {plan.width_s!r}")
    controller.accepts("OUTP ON")
    return controller.totals()


def _fired(controller: Controller) -> Totals:
    """Fire a small pattern and return the totals after it."""
    before = _ready(controller)
    _load(controller, _counts(controller), None)
    controller.accepts(f"PATT:TAG {before.tag + 1}")
    controller.fire()
    controller.no_errors()
    return controller.totals()


def _load(controller: Controller, push: Counts | None, pull: Counts | None) -> None:
    for kind, counts in (("PUSH", push), ("PULL", pull)):
        if counts is not None:
            controller.load(f"PATT:{kind} {controller.plan.first},", counts)
    controller.no_errors()


def _counts(controller: Controller) -> Counts:
    return (np.arange(controller.plan.count) % 4).astype(np.uint8)


def _unchanged(controller: Controller, before: Totals) -> None:
    if (now := controller.totals()) != before:
        raise Deviation(
            f"a refused INITiate left tag {now.tag} (was {before.tag}), "
            f"{now.push_pulses - before.push_pulses} pushes and {now.pull_pulses - before.pull_pulses} pulls more"
        )


CHECKS = (
    Check(clause="F1", title="counts beyond the array", attempt=_places),
    Check(clause="F2", title="counts that do not fit each other", attempt=_pairs),
    Check(clause="F3", title="nothing to fire", attempt=_nothing_to_fire, needs_output=True),
    Check(clause="F4", title="output off refuses to fire", attempt=_output_off),
    Check(clause="F5", title="clearing a pattern", attempt=_clear, needs_output=True),
    Check(clause="F6", title="tag and delivery", attempt=_delivery, needs_output=True),
    Check(clause="F7", title="a second INITiate", attempt=_second_fire, needs_output=True),
    Check(clause="F8", title="old tags never fire", attempt=_old_tags, needs_output=True),
    Check(clause="F9", title="patterns for the selection", attempt=_selected, needs_output=True),
    Check(clause="F10", title="refused blocks load nothing", attempt=_refused_blocks, needs_output=True),
)
"""In the order of the page."""
