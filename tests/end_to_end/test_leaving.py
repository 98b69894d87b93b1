"""Every way out of a command leads through the bench, which switches the outputs off."""

import os
import signal

import pytest

from drivers import Bench, LinkLost, SafeStateError, load_bench
from hil.cli.outcome import reported_errors

ARRAY = "TCPIP0::array.bench::inst0::INSTR"


def _output(small_bench) -> str:
    instrument = small_bench.simulated.instruments[ARRAY]
    instrument.receive(b"OUTP?\n", has_end=True)
    return instrument.send(100, b"\n", has_end=True).data.decode().strip()


def _leave_by(way: BaseException | signal.Signals, small_bench) -> None:
    with reported_errors(), Bench.open(load_bench(small_bench.file)) as bench:
        bench.array.output_on()
        assert _output(small_bench) == "1"
        if isinstance(way, signal.Signals):
            os.kill(os.getpid(), way)
            signal.sigtimedwait([], 5)  # interrupted by the signal's handler
        else:
            raise way


@pytest.mark.parametrize(
    ("way", "code"),
    [
        (KeyboardInterrupt(), 130),
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (LinkLost("the cable"), 1),
        (SafeStateError("an output"), 70),
    ],
    ids=str,
)
def test_outputs_are_off_and_the_exit_code_says_why(small_bench, way: BaseException | signal.Signals, code: int):
    with pytest.raises(SystemExit) as caught:
        _leave_by(way, small_bench)
    assert caught.value.code == code
    assert _output(small_bench) == "0"


def test_the_signal_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with reported_errors():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
