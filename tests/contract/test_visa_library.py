"""Any PyVISA program can use `@domainwall`: the library keeps PyVISA's promises."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import pyvisa
from pyvisa import constants
from pyvisa.constants import StatusCode
from pyvisa.resources import MessageBasedResource

from sim_instruments import byte_stream

DEVICES = 5000
ARRAY = "TCPIP0::array.bench::inst0::INSTR"
SWITCH = "GPIB0::7::INSTR"
SERIAL = '[[instrument]]\nmodel = "keithley-7001"\naddress = "ASRL3::INSTR"\nserial = "1"\n'
SOCKET = '[[instrument]]\nmodel = "dwa-1"\naddress = "TCPIP0::localhost::5025::SOCKET"\nserial = "2"\n'
EXAMPLE = Path(__file__).parents[2] / "examples" / "visa_only.py"
PLAIN = """
spec: "1.1"
devices:
  lamp:
    eom:
      TCPIP INSTR: {q: "\\r\\n", r: "\\n"}
    dialogues:
      - {q: "*IDN?", r: "LAMP"}
resources:
  TCPIP::lamp::INSTR: {device: lamp}
"""


def write_bench(folder: Path, extra: str = "") -> str:
    text = (files("sim_instruments") / "benches" / "default.toml").read_text("utf-8")
    text = text.replace("11_534_336", str(DEVICES))
    text = re.sub(r"devices = \[.*\]", "devices = [0, 1, 2]", text)
    path = folder / "bench.toml"
    path.write_text(extra + text)
    return f"{path}@domainwall"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[pyvisa.ResourceManager]:
    manager = pyvisa.ResourceManager(write_bench(tmp_path, SERIAL + SOCKET))
    yield manager
    manager.close()


def open_at(manager: pyvisa.ResourceManager, address: str = ARRAY) -> MessageBasedResource:
    resource = manager.open_resource(address, read_termination="\n")
    assert isinstance(resource, MessageBasedResource)
    return resource


@pytest.fixture
def array(manager: pyvisa.ResourceManager) -> MessageBasedResource:
    return open_at(manager)


def status_of(error: pytest.ExceptionInfo[pyvisa.VisaIOError]) -> int:
    return error.value.error_code


# ---- resources


def test_resources_are_listed_and_filtered(manager: pyvisa.ResourceManager):
    assert len(manager.list_resources()) == 5
    assert manager.list_resources("GPIB?*") == (SWITCH,)
    assert manager.list_resources("?*::SOCKET") == ("TCPIP0::localhost::5025::SOCKET",)
    assert manager.list_resources_info()[SWITCH].interface_type == constants.InterfaceType.gpib


def test_nothing_found_is_an_empty_list_as_with_a_vendor_library(manager: pyvisa.ResourceManager):
    assert manager.list_resources("USB?*") == ()


def test_every_resource_identifies_itself(manager: pyvisa.ResourceManager):
    models = {open_at(manager, address).query("*IDN?").split(",")[1] for address in manager.list_resources("?*")}
    assert models == {"81160A", "MODEL 2450", "MODEL 7001", "DWA-1"}


@pytest.mark.parametrize("address", ["TCPIP::nobody::INSTR", "GPIB::9::INSTR"])
def test_an_unknown_resource_is_not_found(manager: pyvisa.ResourceManager, address: str):
    with pytest.raises(pyvisa.VisaIOError) as caught:
        manager.open_resource(address)
    assert status_of(caught) == StatusCode.error_resource_not_found


def test_one_specification_is_one_bench_and_another_one_is_fresh(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, other = write_bench(tmp_path / "one"), write_bench(tmp_path / "two")
    with closing(pyvisa.ResourceManager(first)) as manager, closing(pyvisa.ResourceManager(other)) as fresh:
        assert pyvisa.ResourceManager(first).visalib is manager.visalib
        open_at(manager).write("PULS:PUSH:AMPL 3")
        assert float(open_at(manager).query("PULS:PUSH:AMPL?")) == 3
        assert float(open_at(fresh).query("PULS:PUSH:AMPL?")) == 1


def test_a_closed_session_is_invalid(array: MessageBasedResource):
    array.close()
    with pytest.raises(pyvisa.InvalidSession):
        array.query("*IDN?")


def test_plain_instruments_of_a_yaml_file_stand_beside_the_twins(tmp_path: Path):
    (tmp_path / "plain.yaml").write_text(PLAIN)
    specification = write_bench(tmp_path)
    (tmp_path / "bench.toml").write_text((tmp_path / "bench.toml").read_text() + '\n[yaml]\npath = "plain.yaml"\n')
    with closing(pyvisa.ResourceManager(specification)) as manager:
        assert len(manager.list_resources()) == 5
        assert open_at(manager, "TCPIP::lamp::INSTR").query("*IDN?") == "LAMP"
        with pytest.raises(pyvisa.VisaIOError) as caught:
            open_at(manager, "TCPIP::lamp::INSTR").clear()
        assert status_of(caught) == StatusCode.error_nonsupported_operation


def test_a_twin_and_a_plain_instrument_cannot_share_an_address(tmp_path: Path):
    (tmp_path / "plain.yaml").write_text(PLAIN.replace("TCPIP::lamp::INSTR", ARRAY))
    specification = write_bench(tmp_path)
    (tmp_path / "bench.toml").write_text((tmp_path / "bench.toml").read_text() + '\n[yaml]\npath = "plain.yaml"\n')
    with pytest.raises(ValueError, match="is both a twin and a YAML instrument"):
        pyvisa.ResourceManager(specification)


def test_a_bench_file_that_is_wrong_is_refused_in_words(tmp_path: Path):
    with pytest.raises(ValueError, match=r"nowhere\.toml: cannot be read"):
        pyvisa.ResourceManager(f"{tmp_path}/nowhere.toml@domainwall")
    with pytest.raises(ValueError, match="is no resource that can be simulated"):
        pyvisa.ResourceManager(write_bench(tmp_path, SERIAL.replace("ASRL3::INSTR", "rubbish")))


# ---- reading and writing


def test_a_reply_is_read_in_parts_with_the_right_status(array: MessageBasedResource):
    array.read_termination = None
    array.write("ARR:SIZE?")
    library, session = array.visalib, array.session
    with array.ignore_warning(StatusCode.success_max_count_read):
        assert library.read(session, 3) == (b"500", StatusCode.success_max_count_read)
        assert library.read(session, 50) == (b"0\n", StatusCode.success)


def test_reading_stops_at_the_termination_character_if_it_is_enabled(array: MessageBasedResource):
    array.read_termination = "0"
    array.write("ARR:SIZE?")
    library, session = array.visalib, array.session
    assert library.read(session, 50) == (b"50", StatusCode.success_termination_character_read)
    assert library.read(session, 50) == (b"0", StatusCode.success_termination_character_read)
    assert library.read(session, 50) == (b"0", StatusCode.success_termination_character_read)
    assert library.read(session, 50) == (b"\n", StatusCode.success)


def test_a_silent_instrument_is_a_time_out(array: MessageBasedResource):
    array.write("NONSENSE?")
    with pytest.raises(pyvisa.VisaIOError) as caught:
        array.read()
    assert status_of(caught) == StatusCode.error_timeout
    assert [array.query("SYST:ERR?")[:4] for _ in range(3)] == ["-113", "-420", '0,"N']


def load_and_read_back(array: MessageBasedResource, counts: np.ndarray) -> np.ndarray:
    """Fire the counts and return those that the ledger saw."""
    tag = int(array.query("PATT:TAG?")) + 1
    array.write_binary_values("PATT:PUSH 0,", counts, datatype="B")  # type: ignore[arg-type]
    array.write(f"PATT:TAG {tag};:OUTP ON;:INIT")
    assert array.query("SYST:ERR?") == '0,"No error"'
    seen = array.visalib.bench.sample.ledger.entries[-1].push  # type: ignore[attr-defined]
    assert seen is not None
    return seen


@pytest.mark.parametrize("data", [b"\n" * 7, b"#;,\n\r'\"", bytes(range(256)), b"\n"])
def test_a_block_arrives_whole_whatever_is_inside(array: MessageBasedResource, data: bytes):
    counts = np.frombuffer(data, np.uint8)
    assert np.array_equal(load_and_read_back(array, counts), counts)


def test_a_block_may_come_in_several_writes(array: MessageBasedResource):
    array.send_end = False
    array.write_raw(b"PATT:PUSH 0,#15a\n")
    array.write_raw(b";\n")
    array.send_end = True
    array.write_raw(b"#;TAG 1;:OUTP ON;:INIT\n")
    delivered = sum(b"a\n;\n#")
    assert array.query("PATT:DEL?") == f"1,{delivered},0"


@pytest.mark.parametrize("chunk", [7, 64, 20 * 1024, 1 << 24])
def test_a_binary_reply_is_read_whole_in_any_chunks(array: MessageBasedResource, chunk: int):
    array.read_termination = None
    array.write(f"READ:COND? 0,{DEVICES}")
    codes = array.read_binary_values("H", container=np.ndarray, chunk_size=chunk)
    assert len(codes) == DEVICES
    array.write(f"READ:COND? 0,{DEVICES}")
    assert len(array.read_raw(chunk)) == len("#510000") + 2 * DEVICES + 1
    array.write(f"READ:COND? 0,{DEVICES}")
    head = array.read_bytes(7, chunk_size=chunk)
    assert head == b"#510000"
    body = np.frombuffer(array.read_bytes(2 * DEVICES, chunk_size=chunk), "<u2")
    assert array.read_bytes(1) == b"\n"
    scatter = np.std(body.astype(float) - codes)
    assert scatter < 5


def test_a_block_costs_no_work_for_each_byte(manager: pyvisa.ResourceManager):
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    array = open_at(manager)
    frame = b"PATT:PUSH 0,#%d%d%b\n" % (len(str(DEVICES)), DEVICES, b"\n;#," * (DEVICES // 4))
    array.write_raw(frame)
    sys.setprofile(count)
    array.write_raw(frame)
    sys.setprofile(None)
    assert array.query("SYST:ERR?") == '0,"No error"'
    assert calls < DEVICES / 4


def test_the_example_query_of_a_list_of_values_works(array: MessageBasedResource):
    offset_s, lsb_s = array.query_ascii_values("READ:COND:SCAL?")
    assert (offset_s, lsb_s) == (1.5e-4, 4.5e-9)


# ---- the rest of the bus


def test_the_status_byte_says_that_a_reply_waits_and_clear_drops_it(array: MessageBasedResource):
    assert array.read_stb() == 0
    array.write("*IDN?")
    assert array.stb == 16
    array.clear()
    assert array.read_stb() == 0
    assert array.query("ARR:SIZE?") == str(DEVICES)
    assert array.query("SYST:ERR?") == '0,"No error"'


def test_a_bus_trigger_fires_the_generator(manager: pyvisa.ResourceManager):
    open_at(manager, SWITCH).write(":ROUT:CLOS (@1!1!2)")
    pulser = open_at(manager, "TCPIP0::pulser.bench::inst0::INSTR")
    pulser.write(":FUNC PULS;:VOLT:LOW 0;HIGH 1;:ARM:SOUR MAN;:TRIG:COUN 3;:OUTP ON")
    pulser.assert_trigger()
    assert manager.visalib.bench.sample.ledger.push_pulses == 3  # type: ignore[attr-defined]


def test_reset_restores_the_defaults(array: MessageBasedResource):
    array.write("PULS:PULL:AMPL 4;:OUTP ON")
    array.write("*RST")
    assert array.query("PULS:PULL:AMPL?;:OUTP?") == "1.000000000E+00;0"


def test_flush_is_accepted(array: MessageBasedResource):
    array.write("*IDN?")
    array.flush(constants.BufferOperation.discard_read_buffer)
    assert array.read().startswith("domainwall-hil,DWA-1")


def test_an_exclusive_lock_keeps_other_sessions_out(manager: pyvisa.ResourceManager, array: MessageBasedResource):
    other = open_at(manager)
    with array.lock_context():
        assert array.query("ARR:SIZE?") == str(DEVICES)
        with pytest.raises(pyvisa.VisaIOError) as caught:
            other.query("ARR:SIZE?")
        assert status_of(caught) == StatusCode.error_resource_locked
        with pytest.raises(pyvisa.VisaIOError):
            other.lock_excl(timeout=0)
    assert other.query("ARR:SIZE?") == str(DEVICES)
    with pytest.raises(pyvisa.VisaIOError) as caught:
        array.unlock()
    assert status_of(caught) == StatusCode.error_session_not_locked


def test_a_shared_lock_admits_those_who_know_the_key(manager: pyvisa.ResourceManager, array: MessageBasedResource):
    other, third = open_at(manager), open_at(manager)
    key = array.lock()
    assert other.lock(requested_key=key) == key
    assert other.query("ARR:SIZE?") == str(DEVICES)
    with pytest.raises(pyvisa.VisaIOError):
        third.query("ARR:SIZE?")
    array.close()
    other.close()
    assert third.query("ARR:SIZE?") == str(DEVICES)


@pytest.mark.parametrize("address", ["ASRL3::INSTR", "TCPIP0::localhost::5025::SOCKET"])
def test_byte_streams_end_messages_by_their_newline(manager: pyvisa.ResourceManager, address: str):
    stream = open_at(manager, address)
    stream.write_raw(b"*ID")
    stream.write_raw(b"N?\n")
    assert stream.read().count(",") == 3
    with pytest.raises(pyvisa.VisaIOError) as caught:
        stream.read()
    assert status_of(caught) == StatusCode.error_timeout
    assert stream.query("SYST:ERR?") == '0,"No error"'


def test_replies_wait_their_turn_on_a_byte_stream_and_belong_to_their_client(manager: pyvisa.ResourceManager):
    first, second = (open_at(manager, "TCPIP0::localhost::5025::SOCKET") for _ in range(2))
    first.write_raw(b"ARR:SIZE?\n*ESE 3\n*ESE?\n*ES")
    second.write_raw(b"*IDN?\n")
    first.write_raw(b"E?\n")
    assert [first.read() for _ in range(3)] == [str(DEVICES), "3", "3"]
    assert second.read().startswith("domainwall-hil")
    assert second.query("SYST:ERR?") == '0,"No error"'
    first.write_raw(b"*IDN?\n*ES")
    first.flush(constants.BufferOperation.discard_read_buffer)
    first.write_raw(b"E?\n")
    assert first.read() == "3"
    first.write_raw(b"*IDN?\n*ES")
    first.clear()
    assert first.query("*ESE?") == "3"


def test_replies_that_nobody_reads_are_bounded(manager: pyvisa.ResourceManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(byte_stream, "MOST_WAITING", 1000)
    stream = open_at(manager, "TCPIP0::localhost::5025::SOCKET")
    stream.write_raw(b"*IDN?\n" * 200)
    last = stream.query("SYST:ERR?")
    lines = [last]
    while not lines[-1].startswith("-410"):
        lines.append(stream.read())
    assert len(lines) < 40


def test_the_example_that_knows_only_pyvisa_moves_a_wall():
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=120, check=True)
    assert len(re.findall(r"::INSTR ", done.stdout)) == 4
    before, after = re.search(r"100 pushes: ([\d.]+) uA -> ([\d.]+) uA", done.stdout).groups()  # type: ignore[union-attr]
    # 100 pushes of 4 nm in a 10 um track, of a device within 4 standard deviations of 8 %, raise 30 uA by 0.8 uA.
    assert float(after) - float(before) == pytest.approx(0.8, rel=0.4)
