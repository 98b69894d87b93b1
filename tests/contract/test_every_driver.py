"""Every driver keeps its promises against its twin, over every transport. The ledger and the twin are the judges.

`make contract` prints the table of models and transports.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from drivers import Bench
from drivers.errors import HilError, InstrumentError, LimitError, SafeStateError
from drivers.limits import Limit
from drivers.models import MODELS
from drivers.protocols import (
    ArrayProgrammer,
    Crosspoint,
    Instrument,
    Polarity,
    Pulse,
    PulseSource,
    PulseTrain,
    Quality,
    SourceMeter,
    Switch,
)
from sim_instruments.models import TWINS

DEVICE = 22
HIGHEST = 1e9
LEAST_TESTS = 7
"""Six for every model, and one at least for its role."""


@contextmanager
def opened(stand: Any) -> Iterator[tuple[Bench, Any]]:
    with Bench.open(stand.config) as bench:
        yield bench, bench.instruments[0]


def limit_of(instrument: Instrument, unit: str) -> Limit:
    return next(limit for limit in instrument.limits if limit.unit == unit)


def pulse_for(source: PulseSource | ArrayProgrammer, polarity: Polarity = Polarity.PUSH) -> Pulse:
    """Return a pulse of 1.5 V and 1 microsecond, or as near to it as the instrument goes."""
    amplitude, width = limit_of(source, "V"), limit_of(source, "s")
    return Pulse(
        polarity=polarity,
        # Clear of the edge, where rounding to the instrument's resolution may lead outside.
        amplitude_v=min(max(1.5, 1.1 * amplitude.low), amplitude.high),
        width_s=min(max(1e-6, width.low), width.high),
    )


def counts(ledger: Any) -> tuple[int, int]:
    return ledger.push_pulses, ledger.pull_pulses


def test_every_model_has_a_twin_and_is_tested_on_every_transport(generated):
    """A model without a twin, or without tests on a transport, fails here by name."""
    assert set(MODELS) - set(TWINS) == set()
    expected = {(model, transport) for model in MODELS for transport in ("in-process", "socket", "hislip")}
    expected |= {(model, "serial") for model in MODELS if "577" in model or "2400" in model or "keithley-26" in model}
    assert {case for case in expected if generated[case] < LEAST_TESTS} == set()


def test_opens_identifies_and_only_asks(stand):
    with opened(stand) as (bench, driver):
        assert driver.identity.serial == stand.serial_number
        heard = list(stand.ear.heard)
        assert bench.statuses()[0].link == "SYNCED"
    assert heard
    assert [message for message in heard if not _is_question(message)] == []
    assert counts(stand.simulated.sample.ledger) == (0, 0)
    assert stand.simulated.wiring.hot_switches == []


def test_beyond_its_limits_it_raises_and_sends_nothing(stand):
    with opened(stand) as (_, driver):
        for ask_too_much in _too_much(driver):
            heard = len(stand.ear.heard)
            with pytest.raises(LimitError):
                ask_too_much()
            assert stand.ear.heard[heard:] == []
        assert counts(stand.simulated.sample.ledger) == (0, 0)


def test_an_error_in_the_instrument_is_told_and_then_gone(stand):
    with opened(stand) as (_, driver):
        if MODELS[stand.model].dialect.error_query is None:
            with pytest.raises(InstrumentError):
                driver.session.command("NONSENSE")
        else:
            stand.ear.say(b"NONSENSE 1\n")
            stand.ear.say(b"MORE:NONSENSE 2\n")
            with pytest.raises(InstrumentError) as caught:
                driver.check_errors()
            assert len(caught.value.queue) == 2
        driver.check_errors()


def test_an_instrument_that_ignores_its_settings_is_found_out(stand):
    with opened(stand) as (_, driver):
        stand.ear.is_deaf = True
        with pytest.raises(HilError):
            _set_up(driver)
        stand.ear.is_deaf = False
        _set_up(driver)
        driver.check_errors()


def test_safe_is_what_was_read_back(stand):
    with opened(stand) as (_, driver):
        _switch_on(driver)
        stand.ear.is_deaf = True
        with pytest.raises(SafeStateError):
            driver.make_safe()
        stand.ear.is_deaf = False
        driver.make_safe()


def test_an_exception_inside_the_bench_leaves_it_safe(stand):
    with pytest.raises(ZeroDivisionError):
        _fail_in_the_middle(stand)
    assert not stand.is_live
    assert stand.simulated.wiring.closed == ()
    with opened(stand) as (bench, _):
        assert bench.statuses()[0].output in ("off", "none")


@pytest.mark.roles("pulse source")
def test_a_burst_reaches_the_wired_wall_and_no_other(stand):
    position, ledger = stand.simulated.sample.walls.position, stand.simulated.sample.ledger
    with opened(stand) as (bench, source):
        bench.connect_pulse(DEVICE)
        pulse = pulse_for(source)
        before = position.copy()
        source.arm(pulse)
        assert counts(ledger) == (0, 0)
        source.fire(7)
        assert counts(ledger) == (7, 0)
        moved = np.flatnonzero(position != before).tolist()
        assert moved == [DEVICE]
        assert position[DEVICE] > before[DEVICE]
        entry = ledger.entries[-1]
        assert entry.push_amplitude_v == pytest.approx(pulse.amplitude_v, rel=1e-3)
        assert entry.push_width_s == pytest.approx(pulse.width_s, rel=1e-2)
        source.fire(1)
        assert counts(ledger) == (8, 0)


@pytest.mark.roles("pulse source")
def test_a_pull_is_a_pull_or_is_refused_before_anything_is_sent(stand):
    position, ledger = stand.simulated.sample.walls.position, stand.simulated.sample.ledger
    with opened(stand) as (bench, source):
        bench.connect_pulse(DEVICE)
        before, heard = float(position[DEVICE]), len(stand.ear.heard)
        try:
            source.arm(pulse_for(source, Polarity.PULL))
        except LimitError:
            assert stand.ear.heard[heard:] == []
            return
        source.fire(3)
        assert counts(ledger) == (0, 3)
        assert position[DEVICE] < before


@pytest.mark.roles("pulse source")
def test_a_train_arrives_in_order(stand):
    ledger = stand.simulated.sample.ledger
    with opened(stand) as (bench, source):
        bench.connect_pulse(DEVICE)
        pulse = pulse_for(source)
        symbols = np.array([1, 1, 0, -1, 1, -1, -1, 0, 0, 1], np.int8)
        train = _train(pulse, symbols)
        try:
            source.cost(train)
        except LimitError:
            symbols = np.abs(symbols)  # a generator of one polarity
            train = _train(pulse, symbols)
        cost = source.cost(train)
        heard = len(stand.ear.heard)
        source.play(train)
        assert len(stand.ear.heard) - heard <= cost.messages
    arrived = [sign for entry in ledger.entries for sign in [1] * entry.push_pulses + [-1] * entry.pull_pulses]
    assert arrived == [int(symbol) for symbol in symbols if symbol]
    assert {entry.first for entry in ledger.entries} == {DEVICE}


@pytest.mark.roles("source meter")
def test_a_reading_is_the_conductance_on_the_wire(stand):
    conductance_s = stand.simulated.sample.conductance_s(DEVICE)
    with opened(stand) as (bench, meter):
        bench.connect_measure(DEVICE)
        meter.source_voltage(0.1, compliance_a=1e-3)
        meter.output_on()
        reading = meter.measure()
        assert reading.quality is Quality.GOOD
        assert reading.current_a / reading.voltage_v == pytest.approx(conductance_s, rel=0.01)
        many = meter.measure_many(25)
        assert len(many.current_a) == 25
        assert many.good.all()
        assert many.current_a.mean() / many.voltage_v.mean() == pytest.approx(conductance_s, rel=0.01)
    assert counts(stand.simulated.sample.ledger) == (0, 0)
    assert stand.simulated.wiring.hot_switches == []


@pytest.mark.roles("source meter")
def test_a_reading_in_compliance_says_so(stand):
    with opened(stand) as (bench, meter):
        bench.connect_measure(DEVICE)
        meter.source_voltage(0.1, compliance_a=1e-6)
        meter.output_on()
        assert meter.measure().quality is Quality.LIMITED
        assert not meter.measure_many(3).good.any()
        meter.source_voltage(0.1, compliance_a=1e-3)
        assert meter.measure().quality is Quality.GOOD


@pytest.mark.roles("source meter")
def test_a_sweep_steps_through_its_levels_and_ends_off(stand):
    conductance_s = stand.simulated.sample.conductance_s(DEVICE)
    levels_v = np.array([0.02, 0.05, 0.1, -0.1, 0.07])
    with opened(stand) as (bench, meter):
        bench.connect_measure(DEVICE)
        readings = meter.sweep(levels_v, compliance_a=1e-3)
        assert not stand.is_live
        assert readings.good.all()
        np.testing.assert_allclose(readings.voltage_v, levels_v, rtol=0.01)
        np.testing.assert_allclose(readings.current_a, levels_v * conductance_s, rtol=0.02)


@pytest.mark.roles("switch")
def test_relays_close_read_back_and_open(stand):
    wanted = frozenset(Crosspoint(slot=1, row=row, column=column) for row, column in ((1, 1), (2, 5), (4, 10)))
    with opened(stand) as (_, switch):
        switch.open_all()
        switch.close_crosspoints(sorted(wanted))
        assert switch.closed() == wanted
        assert set(stand.simulated.wiring.closed) == {(point.slot, point.row, point.column) for point in wanted}
        more = Crosspoint(slot=1, row=3, column=2)
        switch.close_crosspoints([more])
        assert switch.closed() == wanted | {more}
        switch.open_all()
        assert switch.closed() == frozenset()
        assert stand.simulated.wiring.closed == ()


@pytest.mark.roles("array")
def test_an_array_takes_counts_and_gives_codes(stand):
    ledger = stand.simulated.sample.ledger
    rng = np.random.default_rng(3)
    with opened(stand) as (_, array):
        size = array.device_count
        push, pull = rng.integers(0, 9, (2, size), np.uint8)
        array.set_pulses(pulse_for(array), pulse_for(array, Polarity.PULL))
        array.output_on()
        before = array.read_codes(0, size).astype(int)
        delivery = array.program(0, push, pull, tag=array.last_tag() + 1)
        assert (delivery.push_pulses, delivery.pull_pulses) == counts(ledger) == (push.sum(), pull.sum())
        moved = array.read_codes(0, size).astype(int) - before
        assert np.corrcoef(moved, push.astype(int) - pull)[0, 1] > 0.5
        devices = np.array([7, 3, 100], np.uint32)
        few = np.array([1, 2, 3], np.uint8)
        delivery = array.program_selected(devices, few, np.zeros_like(few), tag=array.last_tag() + 1)
        assert delivery.push_pulses == 6
        assert len(array.read_selected(devices)) == 3


def _fail_in_the_middle(stand: Any) -> None:
    with opened(stand) as (_, driver):
        _switch_on(driver)
        raise ZeroDivisionError


def _is_question(message: bytes) -> bool:
    """Return whether a message asks and does nothing else: SCPI and its kin, or TSP."""
    text = message.strip().decode("latin-1")
    return text.endswith("?") or (text.startswith("print") and "=" not in text.replace("==", ""))


def _train(pulse: Pulse, symbols: np.ndarray) -> PulseTrain:
    return PulseTrain(
        push_amplitude_v=pulse.amplitude_v,
        pull_amplitude_v=pulse.amplitude_v,
        width_s=pulse.width_s,
        period_s=4 * pulse.width_s,
        symbols=symbols,
    )


def _too_much(driver: Any) -> list[Any]:
    match driver:
        case PulseSource():
            fine = pulse_for(driver)
            high = Pulse(polarity=Polarity.PUSH, amplitude_v=HIGHEST, width_s=fine.width_s)
            long = Pulse(polarity=Polarity.PUSH, amplitude_v=fine.amplitude_v, width_s=HIGHEST)
            none = Pulse(polarity=Polarity.PUSH, amplitude_v=math.nan, width_s=fine.width_s)
            symbols = np.ones(3, np.int8)
            trains = [_train(pulse, symbols) for pulse in (high, long, none)]
            return [
                *(lambda pulse=pulse: driver.arm(pulse) for pulse in (high, long, none)),
                *(lambda train=train: driver.play(train) for train in trains),
            ]
        case SourceMeter():
            return [
                lambda: driver.source_voltage(HIGHEST, compliance_a=1e-3),
                lambda: driver.source_voltage(0.1, compliance_a=HIGHEST),
                lambda: driver.source_voltage(math.nan, compliance_a=1e-3),
                lambda: driver.source_voltage(0.1, compliance_a=math.nan),
                lambda: driver.sweep(np.array([0.1, HIGHEST]), compliance_a=1e-3),
                lambda: driver.sweep(np.array([0.1, math.nan]), compliance_a=1e-3),
                lambda: driver.sweep(np.array([0.1]), compliance_a=HIGHEST),
            ]
        case Switch():
            return [
                lambda: driver.close_crosspoints([Crosspoint(slot=99, row=1, column=1)]),
                lambda: driver.close_crosspoints(
                    [Crosspoint(slot=1, row=1, column=1), Crosspoint(slot=1, row=99, column=1)]
                ),
            ]
        case _:
            fine, pull = pulse_for(driver), pulse_for(driver, Polarity.PULL)
            high = Pulse(polarity=Polarity.PUSH, amplitude_v=HIGHEST, width_s=fine.width_s)
            long = Pulse(polarity=Polarity.PULL, amplitude_v=fine.amplitude_v, width_s=HIGHEST)
            return [lambda: driver.set_pulses(high, pull), lambda: driver.set_pulses(fine, long)]


def _set_up(driver: Any) -> None:
    match driver:
        case PulseSource():
            driver.arm(pulse_for(driver))
        case SourceMeter():
            driver.source_voltage(0.05, compliance_a=2e-4)
        case Switch():
            driver.close_crosspoints([Crosspoint(slot=1, row=1, column=2)])
        case _:
            driver.set_pulses(pulse_for(driver), pulse_for(driver, Polarity.PULL))


def _switch_on(driver: Any) -> None:
    _set_up(driver)
    if isinstance(driver, SourceMeter | ArrayProgrammer):
        driver.output_on()
