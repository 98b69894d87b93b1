"""A serial line: raw bytes both ways, whoever is connected."""

import os

import numpy as np
import pytest
import pyvisa
import serial


@pytest.fixture
def serial_path(serve, bench):
    (dwa,) = (device for address, device in bench.instruments.items() if "array" in address)
    server = serve({"ASRL7::INSTR": dwa}, send_timeout_s=0.05)
    assert server.addresses[0].serial is not None
    return server.addresses[0].serial.removeprefix("ASRL").removesuffix("::INSTR")


def test_only_instruments_on_serial_lines_have_one(serve, bench):
    assert {found.serial for found in serve(bench.instruments).addresses} == {None}


def test_pyvisa_py_talks_to_it(serial_path):
    manager = pyvisa.ResourceManager("@py")
    for _ in range(2):
        line = manager.open_resource(f"ASRL{serial_path}::INSTR", read_termination="\n", write_termination="\n")
        assert line.query("*IDN?").startswith("domainwall-hil,DWA-1")
        line.close()
    manager.close()


def test_every_byte_passes(serial_path, bench):
    counts = np.arange(256, dtype=np.uint8)
    with serial.Serial(serial_path, timeout=5) as line:
        line.write(b"PATT:PUSH 0,#3256" + counts.tobytes() + b";:PATT:TAG 1;:OUTP ON;:INIT\n")
        line.write(b"PATT:DEL?\r\n")
        assert line.readline() == b"1,%d,0\n" % counts.sum()
        line.write(b"READ:COND? 0,2000\n")
        assert line.read(6 + 4000 + 1)[:6] == b"#44000"
    assert bench.sample.ledger.push_pulses == counts.sum()


def test_nothing_is_echoed_to_a_client_that_sets_nothing(serial_path):
    line = os.open(serial_path, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(line, b"*IDN?\n")
        assert os.read(line, 1000).startswith(b"domainwall-hil,DWA-1")
        # Echoed, the reply would have come back as a command.
        os.write(line, b"SYST:ERR?\n")
        assert os.read(line, 1000) == b'0,"No error"\n'
    finally:
        os.close(line)


def test_a_reply_that_nobody_reads_is_thrown_away_and_the_line_goes_on(serial_path, caplog):
    with serial.Serial(serial_path, timeout=30) as line:
        line.write(b"READ:COND? 0,3000\n" * 20)
        while "nobody reads" not in caplog.text:
            pass
        line.reset_input_buffer()
        line.write(b"ARR:SIZE?\n")
        assert line.read_until(b"3000\n").endswith(b"3000\n")
