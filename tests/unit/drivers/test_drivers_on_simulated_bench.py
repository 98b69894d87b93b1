"""The drivers and the simulated instruments read the manuals independently; here they meet. The ledger is the judge."""

from pathlib import Path

import numpy as np
import pytest
import pyvisa

import drivers
from drivers import Bench, Polarity, Pulse, Quality, load_bench

DEVICES = 4096
WIRED = "devices = [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]"


@pytest.fixture
def config(tmp_path):
    folder = Path(drivers.__file__).parents[1]
    simulated = (folder / "sim_instruments/benches/default.toml").read_text("utf-8")
    simulated = simulated.replace("devices = 11_534_336", f"devices = {DEVICES}")
    driven = (folder / "drivers/benches/default.toml").read_text("utf-8")
    driven = driven.replace('"@domainwall"', '"sim.toml@domainwall"')
    for name, text in (("sim.toml", simulated), ("bench.toml", driven)):
        lines = [WIRED if line.startswith("devices = [") else line for line in text.splitlines()]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    return load_bench(tmp_path / "bench.toml")


@pytest.fixture
def simulated(config):
    manager = pyvisa.ResourceManager(config.library)
    yield manager.visalib.bench  # type: ignore[attr-defined]
    manager.close()


def pulse(polarity: Polarity, width_s: float = 1e-6) -> Pulse:
    return Pulse(polarity=polarity, amplitude_v=1.5, width_s=width_s)


def test_a_burst_reaches_the_wired_device_as_asked(config, simulated):
    with Bench.open(config) as bench:
        for polarity, count in ((Polarity.PUSH, 1), (Polarity.PULL, 1), (Polarity.PUSH, 300), (Polarity.PULL, 2)):
            bench.connect_pulse(22)
            bench.pulse_source.arm(pulse(polarity))
            bench.pulse_source.fire(count)
            entry = simulated.sample.ledger.entries[-1]
            assert entry.devices.tolist() == [22]
            pushes = polarity is Polarity.PUSH
            assert (entry.push_pulses, entry.pull_pulses) == ((count, 0) if pushes else (0, count))
            amplitude_v = entry.push_amplitude_v if pushes else entry.pull_amplitude_v
            assert amplitude_v == pytest.approx(1.5, rel=1e-6)
    assert len(simulated.sample.ledger.entries) == 4
    assert simulated.wiring.hot_switches == []


def test_source_meter_and_array_read_the_same_conductance(config, simulated):
    with Bench.open(config) as bench:
        bench.connect_measure(55)
        bench.source_meter.source_voltage(0.1, compliance_a=1e-3)
        bench.source_meter.output_on()
        reading = bench.source_meter.measure()
        scale = bench.array.conductance_scale
        code = int(bench.array.read_codes(55, 1)[0])
    assert reading.quality is Quality.GOOD
    assert reading.current_a / reading.voltage_v == pytest.approx(scale.offset_s + code * scale.lsb_s, rel=1e-2)
    assert simulated.wiring.hot_switches == []


def test_the_ledger_agrees_with_every_delivery(config, simulated):
    rng = np.random.default_rng(7)
    ledger = simulated.sample.ledger
    with Bench.open(config) as bench:
        array = bench.array
        array.set_pulses(pulse(Polarity.PUSH, 1e-8), pulse(Polarity.PULL, 2e-8))
        array.output_on()
        push, pull = rng.integers(0, 256, (2, DEVICES), np.uint8)
        array.program(0, push, pull, tag=array.last_tag() + 1)
        assert (ledger.push_pulses, ledger.pull_pulses) == (push.sum(dtype=int), pull.sum(dtype=int))
        devices = rng.permutation(DEVICES)[:300].astype(np.uint32)
        array.program_selected(devices, push[:300], pull[:300], tag=array.last_tag() + 1)
        entry = ledger.entries[-1]
        order = np.argsort(devices)
        np.testing.assert_array_equal(np.asarray(entry.push)[np.argsort(entry.devices)], push[:300][order])
        assert array.energy_j() == pytest.approx(ledger.energy_j, rel=1e-6)
        codes = array.read_codes(0, DEVICES)
        noise = array.read_selected(devices).astype(int) - codes[devices]
        assert np.abs(noise).max() < 20


def test_a_pattern_with_the_output_off_is_refused_and_moves_nothing(config, simulated):
    with Bench.open(config) as bench:
        counts = np.ones(DEVICES, np.uint8)
        bench.array.set_pulses(pulse(Polarity.PUSH), pulse(Polarity.PULL))
        with pytest.raises(drivers.InstrumentError, match="-221"):
            bench.array.program(0, counts, counts, tag=1)
        bench.array.output_on()
        bench.array.program(0, counts, counts, tag=1)
    assert simulated.sample.ledger.push_pulses == DEVICES


def test_leaving_the_bench_leaves_every_output_off(config, simulated):
    manager = pyvisa.ResourceManager(config.library)
    with Bench.open(config) as bench:
        bench.connect_pulse(0)
        bench.pulse_source.arm(pulse(Polarity.PUSH))
        bench.array.output_on()
        assert [status.output for status in bench.statuses()] == ["on", "off", "none", "on"]
    answers = {}
    for entry, question in zip(config.instruments, (":OUTP1?", ":OUTP?", ":ROUT:CLOS:STAT?", "OUTP?"), strict=True):
        resource = manager.open_resource(entry.address, read_termination="\n", write_termination="\n")
        answers[entry.name] = resource.query(question)  # type: ignore[attr-defined]
        resource.close()
    assert answers == {"pulser": "0", "smu": "0", "switch": "(@)", "array": "0"}


def test_a_link_to_every_instrument_can_be_resynchronised(config, simulated):
    with Bench.open(config) as bench:
        for instrument in bench.instruments:
            link = instrument.session.link  # type: ignore[attr-defined]
            link.distrust()
            link.resynchronise()
        assert {status.link for status in bench.statuses()} == {"SYNCED"}
