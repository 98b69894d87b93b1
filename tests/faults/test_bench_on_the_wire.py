"""Row 32 of the fault table: a safe state that cannot be confirmed is said plainly, and the others are made safe."""

import time

import pytest
from proxy import Fault, Kind

from drivers import Bench, SafeStateError, load_bench

BENCH = """
[bench]
name = "wire"
library = "@py"

[[instrument]]
name = "smu"
model = "keithley-2450"
address = "{smu}"

[[instrument]]
name = "array"
model = "dwa-1"
address = "{array}"
"""


class Stubborn:
    """An instrument whose output, once on, stays on whatever it is told."""

    def __init__(self, answer) -> None:
        self._answer = answer

    def __call__(self, message: bytes) -> bytes | None:
        return None if message == b"OUTP OFF\n" else self._answer(message)


@pytest.fixture
def open_bench(wire, make_device, tmp_path):
    """Open a bench of a meter and an array with both outputs on; returns it, the instruments and their proxies."""
    benches = []

    def open_bench(wrap=lambda answer: answer):
        devices = make_device("keithley-2450"), make_device("dwa-1")
        proxies = wire(devices[0]), wire(wrap(devices[1]))
        file = tmp_path / "bench.toml"
        file.write_text(BENCH.format(smu=proxies[0].address, array=proxies[1].address), encoding="utf-8")
        bench = Bench.open(load_bench(file))
        benches.append(bench)
        for driver in bench.instruments:
            driver.session.link.timeout_s = 0.3
        bench.source_meter.source_voltage(0.1, compliance_a=1e-3)
        bench.source_meter.output_on()
        bench.array.output_on()
        return bench, devices, proxies

    yield open_bench
    for bench in benches:
        bench.close()


def assert_unsafe(bench, meter) -> None:
    began_s = time.monotonic()
    with pytest.raises(SafeStateError, match=r"1 of 2 instruments.*array.*cut its power by hand") as caught:
        bench.make_safe()
    assert time.monotonic() - began_s < 3.0
    assert "smu" not in str(caught.value)
    assert meter(b":OUTP?\n") == b"0\n"


def test_a_healthy_bench_is_made_safe(open_bench):
    bench, devices, _ = open_bench()
    bench.make_safe()
    assert [device(query) for device, query in zip(devices, (b":OUTP?\n", b"OUTP?\n"), strict=True)] == [b"0\n"] * 2


def test_row_32_an_instrument_that_ignores_the_command(open_bench):
    bench, devices, _ = open_bench(Stubborn)
    assert_unsafe(bench, devices[0])
    assert devices[1](b"OUTP?\n") == b"1\n"


def test_row_32_an_instrument_that_is_gone(open_bench):
    bench, devices, proxies = open_bench()
    proxies[1].__exit__()
    assert_unsafe(bench, devices[0])


@pytest.mark.parametrize("kind", [Kind.HOLD, Kind.STALL, Kind.FLOOD, Kind.DRIP])
def test_row_32_an_instrument_that_answers_no_more(open_bench, kind):
    bench, devices, (_, proxy) = open_bench()
    number = len(proxy.messages)
    proxy.inject(*(Fault(kind=kind, at=at, amount=0.4) for at in range(number, number + 40)))
    assert_unsafe(bench, devices[0])
    assert kind is Kind.STALL or devices[1](b"OUTP?\n") == b"0\n"


def test_row_32_the_others_are_off_within_a_second_whatever_one_does(open_bench):
    bench, (meter, _), proxies = open_bench()
    for driver in bench.instruments:
        driver.session.link.timeout_s = 2.0
    proxies[1].inject(Fault(kind=Kind.HOLD, at=len(proxies[1].messages) + 1))
    off_s: list[float] = []
    began_s = time.monotonic()
    proxies[0].before = lambda _number: off_s.append(time.monotonic() - began_s)
    bench.make_safe()
    # The array had to be reached a second time, after a time-out; the meter did not wait for it.
    assert time.monotonic() - began_s > 2.0
    assert max(off_s) < 1.0
    assert meter(b":OUTP?\n") == b"0\n"


def test_deadlines_hold_behind_the_guard_too(open_bench):
    bench, _, _ = open_bench()
    for driver in bench.instruments:
        assert driver.session.link._wire.tcp is not None
