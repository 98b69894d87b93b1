"""Rows 3, 9 and 10 of the fault table for every source-measure unit there is a driver for.

What is no measurement must not become a resistance: SCPI's infinity and not-a-number, text that says the same, a
reading that the compliance limit held.
"""

import re
from collections.abc import Callable

import numpy as np
import pytest

from drivers.entries import SourceMeterEntry
from drivers.errors import HilError
from drivers.instrument import Session
from drivers.link import Link
from drivers.models import MODELS
from drivers.protocols import Quality, SourceMeter

METERS = sorted(key for key, model in MODELS.items() if model.entry is SourceMeterEntry)
LEVEL_V = 0.1
COMPLIANCE_A = 1e-3
NUMBER = re.compile(rb"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
BLOCK = re.compile(rb"#(0|1(?=[0-9])|2(?=[0-9]{2})|3(?=[0-9]{3})|4(?=[0-9]{4}))")
TYPES = ("<f8", ">f8", "<f4", ">f4")


class Liar:
    """Puts something else in the place of every current that an instrument answers.

    It knows currents by their size, in text and in blocks, so that it needs no word of any model's language.
    """

    def __init__(self, answer: Callable[[bytes], bytes | None], current_a: float) -> None:
        self._answer = answer
        self._current_a = current_a
        self.text: bytes | None = None
        self.value = 0.0
        self.lies = 0

    def __call__(self, message: bytes) -> bytes | None:
        reply = self._answer(message)
        if reply is None or self.text is None:
            return reply
        return self._in_block(reply) if reply.startswith(b"#") else NUMBER.sub(self._in_text, reply)

    def _is_current(self, number: float) -> bool:
        return abs(number / self._current_a - 1) < 0.2

    def _in_text(self, match: re.Match[bytes]) -> bytes:
        if not self._is_current(float(match[0])):
            return match[0]
        self.lies += 1
        assert self.text is not None
        return self.text

    def _in_block(self, reply: bytes) -> bytes:
        match = BLOCK.match(reply)
        assert match is not None, reply[:20]
        start = match.end() + int(match[1])
        for kind in TYPES:
            if (len(reply) - 1 - start) % np.dtype(kind).itemsize:
                continue
            values = np.frombuffer(reply[start:-1], kind).copy()
            with np.errstate(all="ignore"):
                currents = np.abs(values / self._current_a - 1) < 0.2
            if currents.any():
                self.lies += int(currents.sum())
                values[currents] = self.value
                return reply[:start] + values.tobytes() + reply[-1:]
        return reply


@pytest.fixture(params=METERS)
def bench(request, make_device, wire, library):
    """A meter of each model at its level on a device, and what stands between it and the driver."""
    device = make_device(request.param)
    device.wiring.close([(1, 2, 1)])
    model = MODELS[request.param]
    current_a = LEVEL_V * float(device.sample.conductance_s(0))
    liar = Liar(device, current_a)
    link = Link(library, wire(liar).address, dialect=model.dialect, timeout_s=5)
    entry = SourceMeterEntry(name="smu", model=request.param, address=link.address)
    build = model.prepare(entry, "here")
    meter = build(Session("smu", link, kind=model.kind, safe=model.safe(entry)))
    assert isinstance(meter, SourceMeter)
    meter.source_voltage(LEVEL_V, compliance_a=COMPLIANCE_A)
    meter.output_on()
    yield meter, liar, device
    link.close()


def test_an_honest_reading_is_good(bench):
    meter, _, _ = bench
    assert meter.measure().quality is Quality.GOOD
    readings = meter.measure_many(5)
    assert readings.good.all()
    assert np.isfinite(readings.current_a).all()


SENTINELS = {
    b"9.9E37": 9.9e37,
    b"+9.910000E+37": 9.91e37,
    b"-9.9E37": -9.9e37,
    b"NAN": np.nan,
    b"nan": np.nan,
    b"INF": np.inf,
    b"+INF": np.inf,
    b"-inf": -np.inf,
    b"OVERFLOW": 1e38,
}


@pytest.mark.parametrize("text", SENTINELS)
def test_row_3_what_stands_for_overflow_or_nothing_is_flagged(bench, text):
    meter, liar, _ = bench
    liar.text, liar.value = text, SENTINELS[text]
    try:
        reading = meter.measure()
    except HilError:
        pass
    else:
        assert reading.quality is Quality.INVALID
        assert not np.isfinite(reading.current_a)
    assert liar.lies == 1


@pytest.mark.parametrize("text", SENTINELS)
def test_row_3_the_same_in_the_readings_of_a_buffer(bench, text):
    meter, liar, _ = bench
    liar.text, liar.value = text, SENTINELS[text]
    try:
        readings = meter.measure_many(5)
    except HilError:
        pass
    else:
        assert not readings.good.any()
        assert not np.isfinite(readings.current_a).any()
    assert liar.lies >= 1


def test_row_9_a_reading_held_by_the_compliance_tells_no_resistance(bench):
    meter, _, _ = bench
    meter.source_voltage(LEVEL_V, compliance_a=1e-5)
    meter.output_on()
    assert meter.measure().quality is Quality.LIMITED
    readings = meter.measure_many(5)
    assert readings.limited.all()
    assert not readings.good.any()


def test_row_9_a_sweep_tells_which_of_its_readings_were_held(bench):
    meter, _, device = bench
    meter.output_off()
    levels = np.array([0.01, 0.02, 0.2, 0.3])
    readings = meter.sweep(levels, compliance_a=0.1 * float(device.sample.conductance_s(0)))
    assert readings.limited.tolist() == [False, False, True, True]
    assert readings.good.tolist() == [True, True, False, False]


def test_row_10_an_open_device_reads_as_no_current_which_is_a_good_reading(bench):
    """That no current means an open device is for the judgement of a health check, which has the noise to compare."""
    meter, _, device = bench
    expected_a = LEVEL_V * float(device.sample.conductance_s(0))
    device.wiring.open(device.wiring.closed)
    reading = meter.measure()
    assert reading.quality is Quality.GOOD
    assert abs(reading.current_a) < 1e-3 * expected_a
