"""`hil conformance`: the simulated controller passes, and each broken one fails the clause that it breaks."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.config import load_bench
from drivers.conformance import Report, Verdict, WallsPlan, check_controller, reading
from drivers.conformance.run import CHECKS
from drivers.errors import ConfigError, LinkError, SafeStateError
from sim_instruments.instrument import Instrument
from sim_instruments.instruments.dwa import Dwa
from sim_instruments.models import TWINS
from sim_instruments.scpi_error import ScpiError
from sim_instruments.status import Status

PAGE = Path(__file__).parents[2] / "docs" / "array-controller.md"
PLAN = WallsPlan(first=8, count=12)


class Meddler:
    """A controller whose messages are changed on their way: what it hears, and what it says."""

    def __init__(
        self, inner: Any, *, hears: tuple[bytes, bytes] | None = None, says: tuple[bytes, bytes] | None = None
    ):
        self._inner, self._hears, self._says = inner, hears, says

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def receive(self, data: bytes, **keywords: Any) -> None:
        self._inner.receive(bytes(data).replace(*self._hears) if self._hears else data, **keywords)

    def send(self, *arguments: Any, **keywords: Any) -> Any:
        chunk = self._inner.send(*arguments, **keywords)
        return chunk._replace(data=chunk.data.replace(*self._says)) if chunk and self._says else chunk


@pytest.fixture
def check(make_small_bench: Callable[..., Any]) -> Callable[..., Report]:
    """Check the array controller of a small bench."""

    def run(*, may_move: bool = True, plan: WallsPlan = PLAN) -> Report:
        config = load_bench(make_small_bench(devices=512).file)
        return check_controller(config.library, "TCPIP0::array.bench::inst0::INSTR", plan, may_move=may_move)

    return run


def _failed(report: Report) -> dict[str, str]:
    return {item.clause: item.detail for item in report.outcomes if item.verdict is Verdict.FAILED}


def test_the_simulated_controller_conforms(check: Callable[..., Report]):
    report = check()
    assert _failed(report) == {}
    assert report.count(Verdict.SKIPPED) == 0
    assert report.conforms
    assert report.identity is not None
    assert report.identity.model == "DWA-1"


def test_every_clause_of_the_page_is_tried_and_nothing_else():
    on_the_page = re.findall(r"^\* \*\*([A-Z]\d+)\*\*", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(on_the_page) == len(set(on_the_page))
    assert set(on_the_page) == {item.clause for item in CHECKS}
    order = [on_the_page.index(item.clause) for item in CHECKS]
    assert order == sorted(order)


def test_without_leave_nothing_is_fired_and_the_output_stays_off(make_small_bench: Callable[..., Any]):
    bench = make_small_bench(devices=512)
    array = bench.simulated.instruments["TCPIP0::array.bench::inst0::INSTR"]
    heard: list[bytes] = []
    receive = array.receive
    array.receive = lambda data, **keywords: (heard.append(bytes(data)), receive(data, **keywords))[1]
    library = load_bench(bench.file).library
    report = check_controller(library, "TCPIP0::array.bench::inst0::INSTR", PLAN, may_move=False)
    skipped = {item.clause for item in report.outcomes if item.verdict is Verdict.SKIPPED}
    assert skipped == {item.clause for item in CHECKS if item.needs_output}
    assert report.conforms
    assert len(heard) > 100
    assert not [message for message in heard if re.search(rb"OUTP (ON|1)", message, re.IGNORECASE)]
    assert len(bench.simulated.sample.ledger.entries) == 0


def test_only_the_devices_of_the_plan_move_and_the_output_is_off_afterwards(make_small_bench: Callable[..., Any]):
    bench = make_small_bench(devices=512)
    before = bench.simulated.sample.walls.position.copy()
    report = check_controller(load_bench(bench.file).library, "TCPIP0::array.bench::inst0::INSTR", PLAN, may_move=True)
    moved = np.flatnonzero(bench.simulated.sample.walls.position != before)
    assert report.conforms
    assert moved.size > 0
    assert set(moved) <= set(range(PLAN.first, PLAN.first + PLAN.count))
    entries = bench.simulated.sample.ledger.entries
    assert {entry.push_amplitude_v for entry in entries} | {entry.pull_amplitude_v for entry in entries} <= {1.0}
    array = bench.simulated.instruments["TCPIP0::array.bench::inst0::INSTR"]
    array.receive(b"OUTP?;:PULS:PUSH:AMPL?\n", has_end=True)
    assert array.send(100, has_end=True).data.startswith(b"0;1")


def test_a_plan_outside_the_array_is_refused_before_anything_is_sent(check: Callable[..., Report]):
    with pytest.raises(ConfigError, match="512"):
        check(plan=WallsPlan(first=510, count=4))
    with pytest.raises(ConfigError, match="at least 4"):
        check(plan=WallsPlan(first=0, count=3))


def test_another_instrument_fails_in_words(make_small_bench: Callable[..., Any]):
    library = load_bench(make_small_bench(devices=512).file).library
    with pytest.raises(LinkError):
        check_controller(library, "TCPIP0::smu.bench::inst0::INSTR", PLAN, may_move=False)


HEARD_OR_SAID: list[tuple[str, dict[str, tuple[bytes, bytes]]]] = [
    ("M1", {"hears": (b"ARRA:SIZE?", b"ARR:SIZE?")}),
    ("M1", {"hears": (b"arr:size?", b"nothing?")}),
    ("M2", {"hears": (b";WIDT", b";:WIDT")}),
    ("M2", {"hears": (b"*CLS;WIDT", b"*CLS;:WIDT")}),
    ("M3", {"says": (b";0;1", b",0,1")}),
    ("M5", {"hears": (b'\n;,"', b"\n")}),
    ("F6", {"hears": (b'\n;,"', b"\n\n\n\n")}),
    ("M5", {"hears": (b"#2 5abcde", b"#15abcde")}),
    ("M5", {"hears": (b"#3+05abcde", b"#15abcde")}),
    ("M6", {"hears": (b"#14\x01\x01", b"#12\x01\x01")}),
    ("M6", {"hears": (b"\x01\x01xx", b"\x01\x01")}),
    ("E1", {"says": (b'0,"No error"', b'0,"no error"')}),
    ("E2", {"says": (b"-109,", b"-108,")}),
    ("E2", {"hears": (b"PULS:PUSH:AMPL 1,2", b"PULS:PUSH:AMPL 1")}),
    ("E4", {"says": (b"-350,", b"-113,")}),
    ("E6", {"hears": (b"*ESR?", b"*SRE?")}),
    ("E6", {"hears": (b"*OPC\n", b"*CLS\n")}),
    ("E6", {"hears": (b"*STB?", b"*SRE?")}),
    ("E7", {"hears": (b"*ESE 256", b"*ESE 255")}),
    ("E7", {"hears": (b"*SRE 255", b"*SRE 127")}),
    ("E8", {"hears": (b"*TST?", b"*OPC?")}),
    ("P1", {"says": (b"DWA-1", b"DWA-2")}),
    ("P2", {"hears": (b"PULS:PULL:AMPL ", b"PULS:PUSH:AMPL ")}),
    ("P2", {"hears": (b"PULS:PULL:WIDT 1e-09", b"PULS:PULL:WIDT 2e-09")}),
    ("P3", {"hears": (b"PULS:PUSH:AMPL 5.001", b"PULS:PUSH:AMPL 5")}),
    ("P3", {"hears": (b"PULS:PULL:WIDT INF", b"PULS:PULL:WIDT 1E-5")}),
    ("P4", {"hears": (b"OUTP 1\n", b"OUTP 0\n")}),
    ("S1", {"hears": (b"ARR:SEL:COUN?", b"SYST:ERR:COUN?")}),
    ("F1", {"hears": (b"PATT:PUSH 0,#10", b"PATT:CLE")}),
    ("F6", {"hears": (b"PATT:PULL ", b"PATT:PUSH ")}),
    ("R2", {"says": (b"4.5e-09", b"-4.5e-09")}),
]


@pytest.mark.parametrize(("clause", "change"), HEARD_OR_SAID)
def test_a_controller_that_hears_or_says_something_else_fails_the_clause(
    clause: str,
    change: dict[str, tuple[bytes, bytes]],
    check: Callable[..., Report],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(TWINS, "dwa-1", lambda place: Meddler(Instrument(Dwa(place)), **change))  # type: ignore
    assert clause in _failed(check())


def _keeps_selection(twin: Dwa, reset: Callable[[Dwa], None]) -> None:
    selection = twin._settings.selection
    reset(twin)
    twin._change(selection=selection)


def _keeps_pattern(twin: Dwa, reset: Callable[[Dwa], None]) -> None:
    pattern = twin._pattern
    reset(twin)
    twin._pattern = pattern


def _forgets_tag(twin: Dwa, reset: Callable[[Dwa], None]) -> None:
    reset(twin)
    twin._fired = type(twin._fired)()


def _takes_devices_twice(twin: Dwa, select: Callable[..., None], block: memoryview) -> None:
    select(twin, memoryview(np.unique(np.frombuffer(block, "<u4")).tobytes()) if len(block) % 4 == 0 else block)


def _forgets_the_pattern(twin: Dwa, select: Callable[..., None], block: memoryview) -> None:
    twin._clear()
    select(twin, block)


def _takes_any_pair(twin: Dwa, load: Callable[..., None], first: int | None, **counts: Any) -> None:
    try:
        load(twin, first, **counts)
    except ScpiError:
        twin._clear()
        load(twin, first, **counts)


def _makes_up_a_tag(twin: Dwa, fire: Callable[[Dwa], None]) -> None:
    if twin._pattern.tag is None:
        twin._pattern = replace(twin._pattern, tag=twin._fired.tag + 1)
    fire(twin)


def _fires_with_the_output_off(twin: Dwa, fire: Callable[[Dwa], None]) -> None:
    twin._change(output=True)
    fire(twin)


def _keeps_the_tag(twin: Dwa, clear: Callable[[Dwa], None]) -> None:
    tag = twin._pattern.tag
    clear(twin)
    twin._pattern = replace(twin._pattern, tag=tag)


def _fires_again(twin: Dwa, fire: Callable[[Dwa], None]) -> None:
    pattern = twin._pattern
    fire(twin)
    twin._pattern = replace(pattern, tag=twin._fired.tag + 1)


def _ignores_pulls_of_the_selection(twin: Dwa, load: Callable[..., None], first: int | None, **counts: Any) -> None:
    if first is not None or "push" in counts:
        load(twin, first, **counts)


def _loads_what_it_refuses(twin: Dwa, load: Callable[..., None], first: int | None, **counts: Any) -> None:
    try:
        load(twin, first, **counts)
    except ScpiError:
        if twin._pattern.push is not None and "pull" in counts:
            pull = np.resize(counts["pull"], len(twin._pattern.push))
            twin._pattern = replace(twin._pattern, pull=pull)
        raise


def _clamps(twin: Dwa, read: Callable[..., Any], first: int, count: int) -> Any:
    size = twin._sample.device_count
    first = min(first, size - 1)
    return read(twin, first, max(1, min(count, size - first)))


def _answers_all(twin: Dwa, read: Callable[..., Any]) -> Any:
    return read(twin) if len(twin._settings.selection) else twin._read(0, 1)


def _sorts(twin: Dwa, read: Callable[..., Any]) -> Any:
    return twin._sample.read_codes_selected(np.sort(twin._settings.selection))


def _swaps_directions(
    twin: Dwa, deliver: Callable[..., None], first: int | None, push: Any, pull: Any, tag: int
) -> None:
    deliver(twin, first, pull, push, tag)
    done = twin._fired
    twin._note_fired(replace(done, push_pulses=done.pull_pulses, pull_pulses=done.push_pulses))


def _moves_neighbours(
    twin: Dwa, deliver: Callable[..., None], first: int | None, push: Any, pull: Any, tag: int
) -> None:
    deliver(twin, None if first is None else first + 1, push, pull, tag)


def _fires_twice(twin: Dwa, deliver: Callable[..., None], first: int | None, push: Any, pull: Any, tag: int) -> None:
    deliver(twin, first, push, pull, tag)
    once = twin._fired
    deliver(twin, first, push, pull, tag)
    twin._note_fired(once)


def _counts_no_energy(
    twin: Dwa, deliver: Callable[..., None], first: int | None, push: Any, pull: Any, tag: int
) -> None:
    before = twin._energy_j
    deliver(twin, first, push, pull, tag)
    twin._energy_j = before + 1e-12


BROKEN: list[tuple[str, str, Callable[..., Any]]] = [
    ("P5", "reset", _keeps_selection),
    ("P5", "reset", _keeps_pattern),
    ("S2", "_select", _takes_devices_twice),
    ("S3", "_select", _forgets_the_pattern),
    ("F1", "_check_place", lambda *_: None),
    ("F2", "_load", _takes_any_pair),
    ("F3", "_fire", _makes_up_a_tag),
    ("F4", "_fire", _fires_with_the_output_off),
    ("F5", "_clear", _keeps_the_tag),
    ("F5", "_clear", lambda *_: None),
    ("F7", "_fire", _fires_again),
    ("F8", "_check_tag", lambda *_: None),
    ("F9", "_load", _ignores_pulls_of_the_selection),
    ("F10", "_load", _loads_what_it_refuses),
    ("R1", "_read", _clamps),
    ("R3", "_read_selected", _answers_all),
    ("R4", "_read_selected", _sorts),
    ("R4", "_read", lambda twin, read, *place: read(twin, *place).astype(">u2").view("<u2")),
    ("R4", "_deliver", _swaps_directions),
    ("R4", "_deliver", _moves_neighbours),
    ("R5", "_deliver", _fires_twice),
    ("R5", "_deliver", _counts_no_energy),
    ("R6", "reset", _forgets_tag),
]


@pytest.mark.parametrize(("clause", "method", "wrong"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_controller_fails_the_clause_that_it_breaks(
    clause: str,
    method: str,
    wrong: Callable[..., Any],
    check: Callable[..., Report],
    monkeypatch: pytest.MonkeyPatch,
):
    right = getattr(Dwa, method)
    monkeypatch.setattr(Dwa, method, lambda twin, *place, **named: wrong(twin, right, *place, **named))
    assert clause in _failed(check())


def test_an_unread_reply_that_is_not_reported_fails(check: Callable[..., Report], monkeypatch: pytest.MonkeyPatch):
    report = Status.report
    monkeypatch.setattr(Status, "report", lambda self, error: None if error.code == -410 else report(self, error))
    assert "M4" in _failed(check())


def test_an_error_queue_that_gives_the_newest_first_fails(
    check: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
):
    oldest = Status.next_error

    def newest(self: Status) -> ScpiError:
        self._queue.rotate(1)
        return oldest(self)

    monkeypatch.setattr(Status, "next_error", newest)
    assert "E3" in _failed(check())


def test_going_on_after_a_command_error_fails(check: Callable[..., Report], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ScpiError, "is_command_error", property(lambda _: False))
    assert "E5" in _failed(check())


def test_a_controller_slower_than_the_driver_waits_fails(check: Callable[..., Report], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "block_timeout_s", lambda _: 0.0)
    assert "T1" in _failed(check())


def test_a_controller_that_falls_silent_fails_the_clause_and_the_rest_goes_on(
    check: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
):
    change = {"hears": (b"*TST?", b"*WAI")}
    monkeypatch.setitem(TWINS, "dwa-1", lambda place: Meddler(Instrument(Dwa(place)), **change))  # type: ignore
    failed = _failed(check())
    assert set(failed) == {"E8"}
    assert "no proper answer" in failed["E8"]


def test_an_output_that_stays_on_is_the_worst_event(check: Callable[..., Report], monkeypatch: pytest.MonkeyPatch):
    change = {"hears": (b"OUTP OFF", b"OUTP ON")}
    monkeypatch.setitem(TWINS, "dwa-1", lambda place: Meddler(Instrument(Dwa(place)), **change))  # type: ignore
    with pytest.raises(SafeStateError, match="by hand"):
        check()
