"""Generators against their twins: long trains arrive pulse for pulse, and nothing left over is in the way."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvisa

from drivers import Bench
from drivers.config import load_bench
from drivers.protocols import Polarity, Pulse, PulseSource, PulseTrain

DEVICE = 22
ADDRESSES = {"bnc-577": "ASRL3::INSTR"}
KEYSIGHTS = ["keysight-81160a", "keysight-33500b", "keysight-33600a"]
SWITCH = "GPIB0::7::INSTR"
PULSE = {polarity: Pulse(polarity=polarity, amplitude_v=2.0, width_s=1e-7) for polarity in Polarity}


@dataclass
class Rig:
    """A generator led to one wall, and the simulated bench that may be looked into."""

    source: PulseSource
    simulated: Any
    other: Any
    """Somebody else's session with the same instrument."""

    def arrived(self) -> list[tuple[int, float]]:
        """Return every pulse that reached the sample, +1 or -1, and its amplitude."""
        return [
            pulse
            for entry in self.simulated.sample.ledger.entries
            for pulse in [(1, entry.push_amplitude_v)] * entry.push_pulses
            + [(-1, entry.pull_amplitude_v)] * entry.pull_pulses
        ]


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[[str], Rig]]:
    opened: list[Any] = []

    def make(model: str) -> Rig:
        address = ADDRESSES.get(model, "TCPIP0::pulser.bench::inst0::INSTR")
        text = (files("sim_instruments") / "benches" / "default.toml").read_text("utf-8")
        text = text.replace("devices = 11_534_336", "devices = 64")
        before, _, after = text.partition("[[instrument]]")
        wiring = re.sub(r"\ndevices = \[.*\]", f"\ndevices = [{DEVICE}, 6]", after[after.index("[wiring]") :])
        (tmp_path / "sim.toml").write_text(
            f'{before}[[instrument]]\nmodel = "{model}"\naddress = "{address}"\nserial = "1"\n\n'
            f'[[instrument]]\nmodel = "keithley-7001"\naddress = "{SWITCH}"\nserial = "2"\n\n{wiring}'
        )
        pull = "pull_channel = 2\n" if model == "bnc-577" else ""
        (tmp_path / "bench.toml").write_text(
            '[bench]\nname = "trains"\nlibrary = "sim.toml@domainwall"\n'
            f'[[instrument]]\nname = "pulser"\nmodel = "{model}"\naddress = "{address}"\nload_ohm = 2000.0\n{pull}'
            f'[[instrument]]\nname = "switch"\nmodel = "keithley-7001"\naddress = "{SWITCH}"\n'
            f"[wiring]\nslot = 1\npulse_row = 1\nmeasure_row = 2\ndevices = [{DEVICE}, 6]\n"
        )
        manager = pyvisa.ResourceManager(f"{tmp_path / 'sim.toml'}@domainwall")
        bench = Bench.open(load_bench(tmp_path / "bench.toml"))
        other = manager.open_resource(address)
        opened.extend((bench, other, manager))
        bench.connect_pulse(DEVICE)
        return Rig(source=bench.pulse_source, simulated=manager.visalib.bench, other=other)  # type: ignore[attr-defined]

    yield make
    for resource in opened:
        resource.close()


def make_train(symbols: np.ndarray, *, push_v: float = 2.0, pull_v: float = 2.0, widths: int = 4) -> PulseTrain:
    return PulseTrain(
        push_amplitude_v=push_v,
        pull_amplitude_v=pull_v,
        width_s=1e-7,
        period_s=widths * 1e-7,
        symbols=symbols.astype(np.int8),
    )


@pytest.mark.parametrize("model", KEYSIGHTS)
def test_five_thousand_pulses_arrive_in_order_in_fewer_than_sixty_messages(make_rig, model):
    rig = make_rig(model)
    push_v, pull_v = 2.0, 2.0 if model == "keysight-81160a" else 2.3
    train = make_train(np.random.default_rng(7).integers(-1, 2, 5000), push_v=push_v, pull_v=pull_v)
    start_s = rig.simulated.sample.clock.now_s
    assert rig.source.cost(train).messages < 60
    rig.source.play(train)
    arrived = rig.arrived()
    assert [sign for sign, _ in arrived] == [symbol for symbol in train.symbols.tolist() if symbol]
    for sign, found_v in arrived[:100]:
        assert found_v == pytest.approx(push_v if sign > 0 else pull_v, rel=1e-4)
    widths_s = [entry.push_width_s or entry.pull_width_s for entry in rig.simulated.sample.ledger.entries]
    assert widths_s == pytest.approx([1e-7] * len(widths_s))
    elapsed_s = rig.simulated.sample.clock.now_s - start_s
    assert elapsed_s == pytest.approx(5000 * 4e-7, rel=1e-2)
    assert rig.source.cost(train).duration_s == pytest.approx(elapsed_s, rel=1e-2)


@pytest.mark.parametrize("model", ["keysight-33500b", "keysight-33600a"])
def test_a_sequence_of_long_runs_arrives_in_order(make_rig, model):
    rig = make_rig(model)
    train = make_train(np.repeat([1, 0, -1, 1], [300_000, 5, 70, 3]))
    rig.source.play(train)
    ledger = rig.simulated.sample.ledger
    assert [entry.push_pulses - entry.pull_pulses for entry in ledger.entries] == [300_000, -70, 3]


@pytest.mark.parametrize("model", [*KEYSIGHTS, "bnc-577"])
def test_what_has_no_native_form_arrives_in_order_too(make_rig, model):
    rig = make_rig(model)
    train = make_train(np.array([1, 1, -1, 0, -1, 1, 0, 0, 1, 1]), push_v=2.4, pull_v=2.1)
    odd = PulseTrain(push_amplitude_v=2.4, pull_amplitude_v=2.1, width_s=1e-7, period_s=2.5e-7, symbols=train.symbols)
    rig.source.play(odd)
    assert [sign for sign, _ in rig.arrived()] == [1, 1, -1, -1, 1, 1, 1]
    assert rig.arrived()[0][1] == pytest.approx(2.4, rel=5e-3)
    assert rig.arrived()[2][1] == pytest.approx(2.1, rel=5e-3)


LEFT_OVER = {
    "keysight-81160a": [
        ":FUNC PULS;:PULS:PER 1 S;WIDT 0.5 S;:OUTP ON",
        ":FUNC SIN;:PULS:WIDT 5 NS;:FREQ 100 MHZ;:VOLT 1",
        ":VOLT:HIGH 0.2;LOW 0.1;:VOLT:LIM:HIGH 0.3;LOW 0;STAT ON",
        ":OUTP:LOAD INF;:VOLT:LOW -9;HIGH -8;:OUTP:POL INV",
        ":PULS:WIDT 20 NS;:PULS:HOLD DCYC;:ARM:SOUR EXT;:BURS:MODE GAT;STAT ON;NCYC 99;:TRIG:COUN 44",
        ":DIG:NLEV 4;:DIG:DATA #140123;:DIG:STAT ON;FORM PACK,1",
    ],
    "keysight-33500b": [
        "FUNC PULS;:FUNC:PULS:PER 1;WIDT 0.5;:OUTP ON",
        "FREQ 20 MHZ;:FUNC SIN;:OUTP2 ON;:SOUR2:BURS:STAT ON",
        "VOLT 0.1;:VOLT:OFFS 0.15;:VOLT:LIM:HIGH 0.3;LOW 0;STAT ON",
        "OUTP:LOAD INF;:VOLT 1;:VOLT:OFFS -8.5;:OUTP:POL INV",
        "FUNC:PULS:HOLD DCYC;:TRIG:SOUR EXT;DEL 5;:BURS:MODE GAT;NCYC INF;PHAS 90",
        "FORM:BORD SWAP;:FUNC:ARB:FILT STEP;ADV TRIG;:FUNC ARB",
    ],
    "bnc-577": [
        ":PULSE0:MODE NORM\r\n:PULSE0:STATE ON",
        ":PULSE2:STATE ON\r\n:PULSE1:POL INV\r\n:PULSE1:OUTP:MODE TTL",
        ":PULSE0:PER 5000\r\n:PULSE1:WIDT 900\r\n:PULSE1:DEL 3\r\n:PULSE1:WCO 5\r\n:PULSE1:CMOD DCYC",
    ],
}
LEFT_OVER["keysight-33600a"] = LEFT_OVER["keysight-33500b"]


@pytest.mark.parametrize(
    ("model", "left"), [(model, left) for model, messages in LEFT_OVER.items() for left in messages]
)
def test_whatever_somebody_left_is_not_in_the_way(make_rig, model, left):
    rig = make_rig(model)
    rig.other.write_raw(left.encode() + b"\r\n")
    if model == "bnc-577":
        rig.simulated.instruments[ADDRESSES[model]].clear()
    else:
        assert rig.other.query("SYST:ERR?").split(",")[0].strip("+") == "0"
    rig.source.arm(PULSE[Polarity.PULL])
    rig.source.fire(3)
    rig.source.play(make_train(np.array([1, 1, -1])))
    assert [sign for sign, _ in rig.arrived()] == [-1, -1, -1, 1, 1, -1]
