"""Instruments behind a faulty wire, and what the sample saw of it."""

import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import final

import pytest
from proxy import Proxy

import sim_instruments
from drivers.arrays import dwa
from drivers.instrument import Session
from drivers.link import Link
from drivers.lock import FOLDER_VARIABLE
from drivers.protocols import Polarity, Pulse
from drivers.visa_library import VisaLibrary
from sim_instruments.bus import BusDevice
from sim_instruments.instruments.dwa import MODEL
from sim_instruments.ledger import Entry
from sim_instruments.models import TWINS
from sim_instruments.place import Place
from sim_instruments.sample import Sample, SampleConfig
from sim_instruments.wiring import Wiring, WiringConfig

DEVICES = 64
TIMEOUT_S = 0.25
PUSH = Pulse(polarity=Polarity.PUSH, amplitude_v=1.5, width_s=2e-7)
PULL = Pulse(polarity=Polarity.PULL, amplitude_v=1.6, width_s=3e-7)


@final
class Device:
    """An instrument on the bench that can be switched off and on, and the sample that remembers."""

    def __init__(self, model: str) -> None:
        shipped = Path(sim_instruments.__file__).parent / "benches" / "default.toml"
        table = tomllib.loads(shipped.read_text("utf-8"))["sample"] | {"devices": DEVICES}
        self.model = model
        self.sample = Sample(SampleConfig.model_validate(table))
        self.wiring = Wiring(WiringConfig(slot=1, pulse_row=1, measure_row=2, devices=(0,)), self.sample.clock)
        self._instrument = self._switched_on()

    def __call__(self, message: bytes) -> bytes | None:
        """Take a message and return the reply."""
        self._instrument.receive(message, has_end=False)
        reply = b""
        while (chunk := self._instrument.send(1 << 20, has_end=False)) is not None:
            reply += chunk.data
        return reply or None

    @property
    def entries(self) -> list[Entry]:
        """Return what the sample saw."""
        return list(self.sample.ledger.entries)

    def power_cycle(self) -> None:
        """Switch it off and on: walls, totals and the last tag stay, settings do not."""
        self._instrument = self._switched_on()

    def delivered(self, tag: int) -> int:
        """Return how often a tag was fired."""
        return sum(entry.tag == tag for entry in self.entries)

    def _switched_on(self) -> BusDevice:
        place = Place(serial="7", sample=self.sample, wiring=self.wiring, interlock_closed=True)
        return TWINS[self.model](place)


@pytest.fixture(scope="session")
def library() -> Iterator[VisaLibrary]:
    """PyVISA-py, the client on the wire."""
    library = VisaLibrary.open("@py")
    yield library
    library._manager.close()


@pytest.fixture(autouse=True)
def _own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "locks"))


@pytest.fixture
def controller() -> Device:
    """An array controller of 64 devices."""
    return Device(MODEL)


@pytest.fixture
def make_device() -> Callable[[str], Device]:
    """Build an instrument of any model."""
    return Device


@pytest.fixture
def open_array(library: VisaLibrary) -> Iterator[Callable[[Proxy], dwa.Dwa]]:
    """Open the driver of an array controller through a proxy, with short deadlines."""
    with ExitStack() as stack:

        def open_array(proxy: Proxy, timeout_s: float = TIMEOUT_S) -> dwa.Dwa:
            link = Link(library, proxy.address, timeout_s=timeout_s)
            stack.callback(link.close)
            session = Session("array", link, kind=dwa.KIND, safe=dwa.SAFE)
            return dwa.Dwa(session, amplitude=dwa.AMPLITUDE, width=dwa.WIDTH, fire_timeout_s=timeout_s)

        yield open_array


@pytest.fixture
def wire() -> Iterator[Callable[..., Proxy]]:
    """Start a proxy before an instrument."""
    with ExitStack() as stack:
        yield lambda answer, *faults, **options: stack.enter_context(Proxy(answer, faults, **options))


@pytest.fixture
def assert_bounded() -> Callable[[list[float], float], None]:
    """See that durations are bounded; one in twenty may wait for the scheduler of a busy machine, but not for long."""

    def assert_bounded(durations_s: list[float], bound_s: float) -> None:
        assert sorted(durations_s)[int(0.95 * (len(durations_s) - 1))] < bound_s
        assert max(durations_s) < bound_s + 1.0

    return assert_bounded


@pytest.fixture
def in_time() -> Callable[..., None]:
    """Do something up to three times until it ends in time once; no try may take a second longer than allowed.

    What is measured is the code, not the scheduler of a busy machine: code that ignores its deadline fails every time.
    """

    def in_time(work: Callable[[], None], bound_s: float, spent_s: list[float] | None = None) -> None:
        taken_s: list[float] = []
        for _ in range(3):
            began_s = time.monotonic()
            work()
            taken_s.append(time.monotonic() - began_s if spent_s is None else spent_s[-1])
            assert taken_s[-1] < bound_s + 1.0
            if taken_s[-1] < bound_s:
                return
        pytest.fail(f"took {taken_s} s, allowed are {bound_s} s")

    return in_time
