"""The driver in docs/adding-a-driver.md is loaded from the page and used."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from drivers.entries import SwitchEntry
from drivers.errors import InstrumentError, LimitError, SafeStateError
from drivers.guard.screen import ScpiScreen
from drivers.instrument import Session
from drivers.protocols import Crosspoint, Switch

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-driver.md"


class RelayBox:
    """Answers as the box's manual would have it."""

    def __init__(self) -> None:
        self.closed: set[int] = set()
        self.is_stuck = False

    def replies(self) -> dict[str, Any]:
        return {
            "*IDN?": "ACME,RB8,17,1.2",
            "*TST?": "0",
            "ROUT:CLOS:COUN?": lambda _: str(len(self.closed)),
            "ROUT:CLOS:STAT?": lambda _: ",".join(str(int(n in self.closed)) for n in range(1, 9)),
        }

    def obey(self, text: str) -> None:
        if found := re.fullmatch(r"ROUT:CLOS (\d)", text):
            self.closed |= set() if self.is_stuck else {int(found[1])}
        elif text == "ROUT:OPEN:ALL" and not self.is_stuck:
            self.closed.clear()


def _blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def _loaded(source: str) -> ModuleType:
    module = ModuleType("acme_rb8")
    exec(compile(source, str(PAGE), "exec"), module.__dict__)  # noqa: S102  the page's own code, under test
    return module


@pytest.fixture
def source() -> str:
    driver, _rules = _blocks()
    return driver


@pytest.fixture
def box() -> RelayBox:
    return RelayBox()


@pytest.fixture
def driver(source: str, box: RelayBox, wire: Any) -> Any:
    model = _loaded(source).MODEL
    entry = SwitchEntry.model_construct(name="relays", model=model.key, address="TCPIP0::box::inst0::INSTR")
    build = model.prepare(entry, "the bench file")
    wire.add(replies=box.replies()).on_write = box.obey
    return build(Session("relays", wire.link(), kind=model.kind, safe=model.safe(entry)))


def test_it_is_less_than_a_hundred_lines(source: str):
    assert len(source.splitlines()) < 100


def test_it_is_a_switch(driver: Any, box: RelayBox):
    assert isinstance(driver, Switch)
    assert driver.identity.model == "RB8"
    points = [Crosspoint(slot=1, row=1, column=column) for column in (2, 5)]
    driver.close_crosspoints(points)
    assert box.closed == {2, 5}
    assert driver.closed() == frozenset(points)
    driver.open_all()
    assert box.closed == set()
    assert driver.self_test() == "passed"


def test_its_rules_let_through_what_the_driver_sends_and_nothing_that_could_set_a_level():
    rules = _loaded(_blocks()[1]).rules_rb8(SwitchEntry.model_construct(), "the bench file")
    screen = ScpiScreen(rules, "relays")
    for message in (b"*IDN?\n", b"*TST?\n", b"ROUT:CLOS 3\n", b"ROUT:CLOS:STAT?\n", b"ROUT:OPEN:ALL\n", b"SYST:ERR?\n"):
        screen.sent(screen.judge(message))
    with pytest.raises(LimitError):
        screen.judge(b"SOUR:VOLT 5\n")


def test_it_refuses_a_relay_that_is_not_there_before_anything_is_sent(driver: Any, box: RelayBox):
    for wrong in (Crosspoint(slot=1, row=1, column=9), Crosspoint(slot=1, row=2, column=1)):
        with pytest.raises(LimitError):
            driver.close_crosspoints([Crosspoint(slot=1, row=1, column=1), wrong])
    assert box.closed == set()


def test_it_sees_a_relay_that_sticks(driver: Any, box: RelayBox):
    driver.close_crosspoints([Crosspoint(slot=1, row=1, column=1)])
    box.is_stuck = True
    with pytest.raises(InstrumentError, match="column 3"):
        driver.close_crosspoints([Crosspoint(slot=1, row=1, column=3)])
    with pytest.raises(SafeStateError):
        driver.open_all()
