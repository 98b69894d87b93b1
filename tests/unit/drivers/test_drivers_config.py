"""A bench file is taken as it is meant or refused with its place."""

from pathlib import Path

import pytest

from drivers.config import load_bench
from drivers.errors import ConfigError
from drivers.protocols import Crosspoint

ARRAY = """
[[instrument]]
name = "array"
model = "dwa-1"
address = "TCPIP0::array::inst0::INSTR"
"""
BENCH = '[bench]\nname = "test"\n'
PULSER = """
[[instrument]]
name = "pulser"
model = "keysight-81160a"
address = "GPIB0::10::INSTR"
load_ohm = 50.0
"""
SMU = '[[instrument]]\nname = "smu"\nmodel = "keithley-2450"\naddress = "GPIB0::18::INSTR"\n'
SWITCH = '[[instrument]]\nname = "switch"\nmodel = "keithley-7001"\naddress = "GPIB0::7::INSTR"\n'
WIRING = "[wiring]\nslot = 1\npulse_row = 1\nmeasure_row = 2\ndevices = [40, 7]\n"


@pytest.fixture
def load(tmp_path):
    def load(text: str):
        path = tmp_path / "bench.toml"
        path.write_text(text, encoding="utf-8")
        return load_bench(path)

    return load


def test_the_shipped_bench():
    config = load_bench()
    assert config.library == "@domainwall"
    assert [entry.model for entry in config.instruments] == [
        "keysight-81160a",
        "keithley-2450",
        "keithley-7001",
        "dwa-1",
    ]
    assert config.wiring is not None
    assert len(config.wiring.devices) == 10


def test_an_array_alone_is_a_bench(load):
    config = load(BENCH + ARRAY)
    assert (config.name, config.library, config.wiring) == ("test", "", None)
    assert config.instruments[0].expect_serial is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            BENCH + ARRAY.replace("address", "adress"),
            ["number 1 (dwa-1)", "'adress'", "did you mean 'address'", "expect_serial"],
        ),
        (
            BENCH + ARRAY.replace("dwa-1", "dwa-2"),
            ["number 1", "no model 'dwa-2'", "did you mean 'dwa-1'", "keithley-7001"],
        ),
        (BENCH + ARRAY.replace('model = "dwa-1"', ""), ["number 1", "'model' is missing", "keithley-7001"]),
        ("[sample]\ndevices = 8\n", ["a simulated bench", "bench.toml@domainwall"]),
        (BENCH + ARRAY + "limits.volts = [0, 1]\n", ["limits", "'volts'", "amplitude_v, width_s"]),
        (BENCH + ARRAY + "limits.width_s = [1e-6, 1e-9]\n", ["limits.width_s", "low <= high"]),
        (BENCH + ARRAY + "limits.width_s = [1e-9, nan]\n", ["limits.width_s", "finite"]),
        (BENCH + ARRAY + "limits.width_s = [1e-9]\n", ["limits.width_s", "required"]),
        (BENCH + SMU + "limits.amplitude_v = [0, 1]\n", ["'amplitude_v'", "voltage_v, compliance_a"]),
        (
            BENCH + PULSER.replace("load_ohm = 50.0", ""),
            ["number 1 (keysight-81160a)", "'load_ohm' is missing", "resistance of the write path"],
        ),
        (BENCH.replace("name", "nam") + ARRAY, ["[bench]", "'nam'", "did you mean 'name'"]),
        (BENCH + ARRAY + ARRAY, ["share the name 'array'"]),
        (BENCH + ARRAY + ARRAY.replace('"array"', '"other"'), ["share the address"]),
        (BENCH + "surprise = 1\n" + ARRAY, ["[bench]", "'surprise'", "name, library"]),
        (BENCH + ARRAY + "[extra]\n", ["top level", "'extra'"]),
        (BENCH, ["top level", "'instrument' is missing"]),
        (BENCH + PULSER + SMU + SWITCH, ["[wiring]"]),
        (BENCH + ARRAY + WIRING.replace("measure_row = 2", "measure_row = 1"), ["[wiring]", "same row"]),
        (BENCH + ARRAY + WIRING.replace("[40, 7]", "[7, 7]"), ["[wiring]", "named twice"]),
        (BENCH + ARRAY + WIRING.replace("pulse_row = 1", "pulse_row = 9"), ["[wiring] pulse_row"]),
        ("[bench\n", ["not TOML", "line 1"]),
        ("a = " + "[" * 20_000, ["not TOML"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(load, tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load(text)
    message = str(caught.value)
    for word in [str(tmp_path / "bench.toml"), *words]:
        assert word in message


def test_all_mistakes_are_named_at_once(load):
    with pytest.raises(ConfigError) as caught:
        load(BENCH.replace("name", "nam") + ARRAY.replace("address", "adress"))
    assert str(caught.value).count("\n") == 3


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_bench(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("library", "resolved"),
    [
        ("sim.toml@domainwall", "{folder}/sim.toml@domainwall"),
        ("sim.toml@domainwall@guard", "{folder}/sim.toml@domainwall@guard"),
        ("/etc/sim.toml@domainwall", "/etc/sim.toml@domainwall"),
        ("@domainwall", "@domainwall"),
        ("@py", "@py"),
        ("libvisa.so@ivi", "libvisa.so@ivi"),
        ("", ""),
    ],
)
def test_a_file_in_the_library_is_relative_to_the_bench_file(load, tmp_path, library, resolved):
    config = load(BENCH + f'library = "{library}"\n' + ARRAY)
    assert config.library == resolved.format(folder=Path(tmp_path).resolve())


def test_wired_devices_have_crosspoints(load):
    wiring = load(BENCH + ARRAY + WIRING).wiring
    assert wiring.pulse_crosspoint(40) == Crosspoint(slot=1, row=1, column=1)
    assert wiring.measure_crosspoint(7) == Crosspoint(slot=1, row=2, column=2)
    with pytest.raises(ConfigError, match="device 8 is not wired: take one of 40, 7"):
        wiring.pulse_crosspoint(8)
