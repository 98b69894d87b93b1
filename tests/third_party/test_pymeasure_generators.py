"""PyMeasure's `Agilent33500` and `Keysight81160A`, unmodified, against the twins.

Exercised on the 33500B and the 33600A: `id`, `options`, `status`, `complete`, `clear`, `reset`, `check_errors`,
`next_error`; on the instrument and on `ch_1` and `ch_2` every property of `TWO_WAYS_33500` (shape, frequency, levels,
duty cycles, pulse timing, output, load, burst, arbitrary waveform); `trigger_source`, `ext_trig_out`, `data_arb` (DAC
and float), `data_volatile_clear`, `arb_file`, `phase_sync`, `display`, `clear_display`, `beep`, `trigger`,
`wait_for_trigger`, `shutdown`. Not exercised: `amplitude_unit` other than VPP, which the twins do not model, and the
format "binary" of `data_arb`, which PyMeasure does not have.

Exercised on the 81160A: `id`, `clear`, `reset`, `check_errors`; on `ch_1` every property of `TWO_WAYS_81160A`,
`burst_state`, `limit_state_enabled`, `coupling_enabled`, `free_memory_slots`, `waveforms`, `waveform_volatile`,
`save_waveform`, `delete_waveform`, `apply_dc`, `apply_noise`, `apply_pulse`, `apply_sin`, `apply_square`,
`apply_user_waveform`; `trigger`, `wait_for_trigger`, `beep`, `shutdown`. Not exercised: `ch_2`, because the twin has
one channel, and `arb_file`, `phase` and `trigger_source` of the instrument, whose headers PyMeasure takes from the
33500 and an 81160A does not have. PyMeasure 0.16 sends 0 for `burst_state = True`, as it maps by the place in a list:
the tests count by `trigger_count`, and use `burst_state` as it is on the wire.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvisa

import sim_instruments

pytestmark = [
    pytest.mark.third_party,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

agilent = pytest.importorskip("pymeasure.instruments.agilent")
keysight = pytest.importorskip("pymeasure.instruments.keysight")
Keysight81160A = pytest.importorskip("pymeasure.instruments.keysight.keysight81160A").Keysight81160A

ADDRESS = "TCPIP0::pulser.bench::inst0::INSTR"
WRITE_OHM = 2000.0

TWO_WAYS_33500 = [
    ("shape", "PULS"),
    ("frequency", 5e5),
    ("amplitude", 1.2),
    ("amplitude_unit", "VPP"),
    ("offset", 0.1),
    ("voltage_high", 1.5),
    ("voltage_low", -0.5),
    ("phase", 45.0),
    ("square_dutycycle", 30.0),
    ("ramp_symmetry", 70.0),
    ("pulse_period", 4e-3),
    ("pulse_hold", "DCYC"),
    ("pulse_width", 2e-4),
    ("pulse_dutycycle", 20.0),
    ("pulse_transition", 2e-8),
    ("output", True),
    ("output_load", 75.0),
    ("burst_state", True),
    ("burst_mode", "GAT"),
    ("burst_period", 2e-2),
    ("burst_ncycles", 12),
    ("arb_advance", "TRIG"),
    ("arb_filter", "OFF"),
    ("arb_srate", 1e6),
]
TWO_WAYS_81160A = [
    ("shape", "USER"),
    ("frequency", 2e6),
    ("amplitude", 1.2),
    ("amplitude_unit", "VPP"),
    ("offset", 0.1),
    ("voltage_high", 1.5),
    ("voltage_low", -0.5),
    ("square_dutycycle", 30.0),
    ("ramp_symmetry", 70.0),
    ("pulse_period", 4e-6),
    ("pulse_hold", "DCYC"),
    ("pulse_width", 2e-7),
    ("pulse_dutycycle", 20.0),
    ("pulse_transition", 5e-9),
    ("output", True),
    ("output_load", 75.0),
    ("burst_mode", "GAT"),
    ("burst_period", 2e-2),
    ("burst_ncycles", 12),
    ("limit_high", 3.0),
    ("limit_low", -2.0),
    ("trigger_mode", "MAN"),
    ("trigger_count", 7),
]


class Rig:
    """A generator on a small bench, switched to a device, and PyMeasure's driver of it."""

    def __init__(self, folder: Path, model: str, driver: type) -> None:
        text = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        before, _, after = text.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
        wiring = re.sub(r"\ndevices = \[.*\]", "\ndevices = [5, 6]", after[after.index("[wiring]") :])
        pulser = f'[[instrument]]\nmodel = "{model}"\naddress = "{ADDRESS}"\nserial = "MY5114"\n\n'
        file = folder / "sim.toml"
        file.write_text(before + pulser + wiring, "utf-8")
        self.manager = pyvisa.ResourceManager(f"{file}@domainwall")
        self.bench = self.manager.visalib.bench  # type: ignore[attr-defined]
        self.bench.wiring.close([(1, 1, 1)])
        self.driver: Any = driver(ADDRESS, visa_library=f"{file}@domainwall")

    @property
    def position(self) -> float:
        return float(self.bench.sample.walls.position[5])

    def bursts(self) -> list[tuple[int, float, float]]:
        """Return what the ledger holds: pulses (pulls are negative), amplitude in volts and width in seconds."""
        return [
            (entry.push_pulses, entry.push_amplitude_v, entry.push_width_s)
            if entry.push_pulses
            else (-entry.pull_pulses, entry.pull_amplitude_v, entry.pull_width_s)
            for entry in self.bench.sample.ledger.entries
        ]

    def close(self) -> None:
        self.driver.adapter.close()
        self.manager.close()


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[[str, type], Rig]]:
    rigs: list[Rig] = []

    def make(model: str, driver: type) -> Rig:
        rigs.append(Rig(tmp_path, model, driver))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture(params=["keysight-33500b", "keysight-33600a"])
def trueform(make_rig, request) -> Rig:
    return make_rig(request.param, agilent.Agilent33500)


@pytest.fixture
def pulser(make_rig) -> Rig:
    return make_rig("keysight-81160a", Keysight81160A)


def set_and_get(rig: Rig, target: Any, name: str, value: object) -> None:
    setattr(target, name, value)
    found = getattr(target, name)
    assert found == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value)
    assert rig.driver.check_errors() == []


def test_the_33500_identifies(trueform):
    assert re.fullmatch(r"Agilent Technologies,33[56]22[AB],MY5114,.+", trueform.driver.id)
    assert trueform.driver.options == "0"
    assert trueform.driver.status == "0"
    assert trueform.driver.complete == "1"
    trueform.driver.write("NONSENSE")
    assert trueform.driver.next_error[0] == -113
    trueform.driver.clear()
    assert trueform.driver.check_errors() == []


@pytest.mark.parametrize("part", ["instrument", "ch_1", "ch_2"])
@pytest.mark.parametrize(("name", "value"), TWO_WAYS_33500)
def test_settings_of_the_33500_read_back(trueform, part, name, value):
    target = trueform.driver if part == "instrument" else getattr(trueform.driver, part)
    set_and_get(trueform, target, name, value)


@pytest.mark.parametrize(("name", "value"), [("trigger_source", "BUS"), ("ext_trig_out", True)])
def test_settings_of_the_33500_as_a_whole(trueform, name, value):
    set_and_get(trueform, trueform.driver, name, value)


@pytest.mark.parametrize("part", ["instrument", "ch_1"])
def test_the_33500_bursts_pulses_at_a_wall(trueform, part):
    driver = trueform.driver
    target = driver if part == "instrument" else driver.ch_1
    driver.reset()
    before = trueform.position
    target.output_load = WRITE_OHM
    target.shape = "PULS"
    target.voltage_low = 0.0
    target.voltage_high = 1.5
    target.pulse_width = 1e-7
    target.pulse_period = 1e-6
    target.burst_ncycles = 40
    target.burst_state = True
    driver.trigger_source = "BUS"
    target.output = True
    driver.trigger()
    driver.wait_for_trigger()
    assert trueform.bursts() == [(40, pytest.approx(1.5), pytest.approx(1e-7))]
    assert trueform.position > before
    target.output = False
    driver.trigger()
    assert len(trueform.bursts()) == 1
    assert driver.check_errors() == []
    driver.shutdown()


@pytest.mark.parametrize("form", ["DAC", "float"])
@pytest.mark.parametrize("part", ["instrument", "ch_1"])
def test_the_33500_bursts_an_arbitrary_waveform(trueform, part, form):
    driver = trueform.driver
    target = driver if part == "instrument" else driver.ch_1
    full = 32767 if form == "DAC" else 1.0
    target.data_volatile_clear()
    target.data_arb("steps", [0, full, 0, 0, -full, -full, *[0] * 40], data_format=form)
    target.arb_file = "steps"
    assert target.arb_file == '"steps"'
    target.shape = "ARB"
    target.arb_srate = 1e7
    target.output_load = WRITE_OHM
    target.voltage_high = 1.5
    target.voltage_low = -1.5
    target.burst_ncycles = 1
    target.burst_state = True
    driver.trigger_source = "BUS"
    target.output = True
    driver.trigger()
    assert driver.check_errors() == []
    assert trueform.bursts() == [
        (1, pytest.approx(1.5), pytest.approx(1e-7)),
        (-1, pytest.approx(1.5), pytest.approx(2e-7)),
    ]


def test_the_33500_refuses_a_name_twice(trueform):
    trueform.driver.data_arb("twice", [0] * 32)
    trueform.driver.data_arb("twice", [0] * 32)
    assert [entry[0] for entry in trueform.driver.check_errors()] == [786]


def test_odds_and_ends_of_the_33500(trueform):
    driver = trueform.driver
    driver.phase_sync()
    driver.display = "hello"
    driver.clear_display()
    driver.beep()
    assert driver.check_errors() == []


# ---- 81160A


def test_the_81160a_identifies(pulser):
    assert pulser.driver.id == "Agilent Technologies,81160A,MY5114,1.0.3.0-2.6"
    pulser.driver.clear()
    assert pulser.driver.check_errors() == []


@pytest.mark.parametrize(("name", "value"), TWO_WAYS_81160A)
def test_settings_of_the_81160a_read_back(pulser, name, value):
    set_and_get(pulser, pulser.driver.ch_1, name, value)


@pytest.mark.parametrize("name", ["burst_state", "limit_state_enabled", "coupling_enabled"])
def test_switches_of_the_81160a(pulser, name):
    for value in (True, False):
        set_and_get(pulser, pulser.driver.ch_1, name, value)


def test_the_81160a_bursts_pulses_at_a_wall(pulser):
    driver, channel = pulser.driver, pulser.driver.ch_1
    driver.reset()
    before = pulser.position
    channel.trigger_mode = "MAN"
    channel.output_load = WRITE_OHM
    channel.shape = "PULS"
    channel.voltage_low = 0.0
    channel.voltage_high = 1.5
    channel.pulse_width = 1e-7
    channel.limit_high = 2.0
    channel.limit_low = -2.0
    channel.limit_state_enabled = True
    channel.burst_ncycles = 40
    channel.burst_state = False  # sends 1: see above
    channel.output = True
    driver.trigger()
    driver.wait_for_trigger()
    channel.burst_state = True
    channel.trigger_count = 3
    driver.trigger()
    assert pulser.bursts() == [
        (40, pytest.approx(1.5), pytest.approx(1e-7)),
        (3, pytest.approx(1.5), pytest.approx(1e-7)),
    ]
    assert pulser.position > before
    channel.voltage_high = 2.5
    assert [entry[0] for entry in driver.check_errors()] == [-222]
    channel.output = False
    driver.shutdown()


def test_the_81160a_loads_saves_and_plays_waveforms(pulser):
    driver, channel = pulser.driver, pulser.driver.ch_1
    channel.waveform_volatile = [0.0, 2.0, 0.0, -2.0, 0.0]
    assert channel.free_memory_slots == 4
    channel.save_waveform([0.0, 2.0, 0.0, -2.0, 0.0], "TEST")
    assert channel.free_memory_slots == 3
    assert channel.waveforms == "TEST"
    driver.write(":FUNC1:USER TEST")
    channel.shape = "USER"
    channel.output_load = WRITE_OHM
    channel.voltage_high = 1.5
    channel.voltage_low = -1.5
    channel.frequency = 2e6
    channel.trigger_mode = "MAN"
    channel.trigger_count = 2
    channel.output = True
    driver.trigger()
    assert driver.check_errors() == []
    assert (
        pulser.bursts()
        == [
            (1, pytest.approx(1.5), pytest.approx(1e-7)),
            (-1, pytest.approx(1.5), pytest.approx(1e-7)),
        ]
        * 2
    )
    driver.write(":FUNC1:USER VOLATILE")
    channel.delete_waveform("test")
    assert channel.free_memory_slots == 4
    assert driver.check_errors() == []


@pytest.mark.parametrize(
    ("apply", "shape"),
    [
        (lambda channel: channel.apply_dc(0.5), "DC"),
        (lambda channel: channel.apply_noise(1.0, 0.1), "NOIS"),
        (lambda channel: channel.apply_pulse(1e5, 1.0, 0.1), "PULS"),
        (lambda channel: channel.apply_sin(1e5, 1.0, 0.1), "SIN"),
        (lambda channel: channel.apply_square(1e5, 1.0, 0.1), "SQU"),
        (lambda channel: channel.apply_user_waveform(1e5, 1.0, 0.1), "USER"),
    ],
)
def test_the_81160a_applies(pulser, apply, shape):
    channel = pulser.driver.ch_1
    apply(channel)
    assert pulser.driver.check_errors() == []
    assert channel.shape == shape
    assert channel.output is True
    assert channel.offset == pytest.approx(0.5 if shape == "DC" else 0.1)
    if shape not in ("DC", "NOIS"):
        assert channel.frequency == pytest.approx(1e5)
        assert channel.amplitude == pytest.approx(1.0)
    assert pulser.bursts() == []


def test_the_81160a_beeps(pulser):
    pulser.driver.beep()
    assert pulser.driver.check_errors() == []
