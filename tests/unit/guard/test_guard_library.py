"""The library around another one: addressing, what is judged, what passes straight through."""

import threading
from pathlib import Path

import numpy as np
import pytest
import pyvisa
from pyvisa import constants
from pyvisa.constants import ResourceAttribute

import drivers
import sim_instruments
from drivers import Bench, ConfigError, LimitError, Polarity, Pulse, load_bench
from drivers.guard.journal import Course, Journal
from drivers.guard.library import GuardVisaLibrary

PULSER, SMU, SWITCH, ARRAY = (entry.address for entry in load_bench().instruments)


@pytest.fixture
def bench_file(tmp_path) -> Path:
    for package, name in ((sim_instruments, "sim.toml"), (drivers, "lab.toml")):
        text = (Path(package.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        text = text.replace("devices = 11_534_336", "devices = 64").replace('"@domainwall"', '"sim.toml@domainwall"')
        lines = ["devices = [5, 6]" if line.startswith("devices = [") else line for line in text.splitlines()]
        (tmp_path / name).write_text("\n".join(lines), "utf-8")
    return tmp_path / "lab.toml"


@pytest.fixture
def manager(bench_file):
    manager = pyvisa.ResourceManager(f"{bench_file}@guard")
    yield manager
    manager.close()


def connect(manager: pyvisa.ResourceManager, address: str, **keywords):
    return manager.open_resource(address, read_termination="\n", write_termination="\n", **keywords)


def inner(manager: pyvisa.ResourceManager):
    return manager.visalib.bench  # type: ignore[attr-defined]


def test_a_bench_file_names_the_library_behind_the_guard(manager):
    pulser = connect(manager, PULSER)
    assert "81160A" in pulser.query("*IDN?")
    assert inner(manager).sample.device_count == 64
    assert set(manager.list_resources("?*")) == {PULSER, SMU, SWITCH, ARRAY}


def test_a_library_before_the_guard_gets_the_limits_of_the_bench_that_ships(bench_file):
    manager = pyvisa.ResourceManager(f"{bench_file.parent / 'sim.toml'}@domainwall@guard")
    smu = connect(manager, SMU)
    with pytest.raises(
        LimitError,
        match=r"0\.3 V is outside -0\.2 to 0\.2 V, set by the shipped bench file: instrument 'smu' limits voltage_v",
    ):
        smu.write(":SOUR:VOLT 0.3")
    manager.close()


def test_what_the_bench_file_does_not_name_is_not_opened(manager):
    with pytest.raises(LimitError, match=r"GPIB0::8::INSTR is not in .*lab\.toml.*\[\[instrument\]\]"):
        manager.open_resource("GPIB0::8::INSTR")


def test_a_bench_file_with_limits_too_wide_opens_nothing(bench_file):
    bench_file.write_text(
        bench_file.read_text("utf-8").replace("amplitude_v = [0.1, 2.5]", "amplitude_v = [0.1, 50.0]"), "utf-8"
    )
    with pytest.raises(ConfigError, match="widen"):
        pyvisa.ResourceManager(f"{bench_file}@guard")


def test_a_refused_message_sends_nothing_and_leaves_no_trace_but_in_the_journal(manager):
    smu = connect(manager, SMU)
    with pytest.raises(LimitError, match="was not sent"):
        smu.write(":SOUR:VOLT 0.1;:SOUR:VOLT 5")
    assert float(smu.query(":SOUR:VOLT?")) == 0
    assert smu.query("SYST:ERR?").startswith("0")
    courses = [(passage.course, passage.text) for passage in manager.visalib.journal.passages]  # type: ignore[attr-defined]
    assert courses[0] == (Course.REFUSED, ":SOUR:VOLT 0.1;:SOUR:VOLT 5")
    assert (Course.OUT, ":SOUR:VOLT?") in courses
    assert courses[-1][0] is Course.IN


def test_half_a_message_is_not_sent(manager):
    smu = connect(manager, SMU)
    smu.set_visa_attribute(ResourceAttribute.send_end_enabled, False)
    with pytest.raises(LimitError, match="half a message"):
        smu.write_raw(b":SOUR:VOLT 0.")
    smu.write_raw(b":SOUR:VOLT 0.1\n")
    smu.set_visa_attribute(ResourceAttribute.send_end_enabled, True)
    smu.write_raw(b":SOUR:VOLT 0.2")
    assert float(smu.query(":SOUR:VOLT?")) == pytest.approx(0.2)


def test_a_stream_ends_its_messages_itself(tmp_path, bench_file):
    for name in ("sim.toml", "lab.toml"):
        file = tmp_path / name
        file.write_text(file.read_text("utf-8").replace(SMU, "TCPIP0::smu.bench::5025::SOCKET"), "utf-8")
    manager = pyvisa.ResourceManager(f"{tmp_path / 'lab.toml'}@guard")
    smu = manager.open_resource("TCPIP0::smu.bench::5025::SOCKET")
    with pytest.raises(LimitError, match="half a message"):
        smu.write_raw(b":SOUR:VOLT 0.1")
    smu.write_raw(b":SOUR:VOLT 0.1\n")
    manager.close()


def test_a_bus_trigger_is_judged(manager):
    pulser = connect(manager, PULSER)
    with pytest.raises(LimitError, match="the trigger was not sent"):
        pulser.assert_trigger()
    array = connect(manager, ARRAY)
    with pytest.raises(LimitError, match="takes no bus trigger"):
        array.assert_trigger()


def test_a_buffer_that_changes_meanwhile_is_sent_as_it_was_judged(manager):
    smu = connect(manager, SMU)
    data = bytearray(b":SOUR:VOLT 0.1\n")
    manager.visalib.write(smu.session, data)
    assert float(smu.query(":SOUR:VOLT?")) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "way",
    [
        "write_asynchronously",
        "write_from_file",
        "gpib_command",
        "buffer_write",
        "usb_control_out",
        "out_8",
        "vxi_command_query",
    ],
)
def test_there_is_no_other_way_out(manager, way):
    smu = connect(manager, SMU)
    with pytest.raises(LimitError, match="past the limits"):
        getattr(manager.visalib, way)(smu.session, b":SOUR:VOLT 5")


def test_everything_else_is_the_other_librarys_own(manager):
    smu = connect(manager, SMU)
    smu.timeout = 1234
    assert smu.timeout == 1234
    smu.lock_excl()
    smu.unlock()
    smu.clear()
    assert smu.read_stb() & 64 == 0
    with pytest.raises(pyvisa.VisaIOError):
        smu.read()
    assert smu.last_status == constants.StatusCode.error_timeout


def test_a_session_that_the_guard_did_not_open_is_not_written_to(manager):
    foreign, _ = manager.visalib.inner.open(manager.session, SMU)  # type: ignore[attr-defined]
    with pytest.raises(LimitError, match="not opened through the guard"):
        manager.visalib.write(foreign, b":SOUR:VOLT 5\n")


def test_two_sessions_share_what_is_known(manager):
    one, other = connect(manager, PULSER), connect(manager, PULSER)
    one.write("*RST")
    one.write(":BURS1:NCYC 7")
    other.write(":FUNC1 PULS")
    assert other.query("SYST:ERR?").startswith("0")
    # Confirmed for both: without the confirmation the shape could still be the sine of *RST.
    with pytest.raises(LimitError, match="manual triggers"):
        one.write(":OUTP1 ON")


def test_an_unread_answer_confirms_nothing(manager):
    pulser = connect(manager, PULSER)
    pulser.write("*RST")
    pulser.write(":ARM:SOUR1 MAN")
    pulser.write("*IDN?")
    pulser.write("SYST:ERR?")
    pulser.read()
    with pytest.raises(LimitError, match="manual triggers"):
        pulser.write(":OUTP1 ON")


@pytest.fixture
def timer(tmp_path):
    """Return a guarded 577, which answers every line, on a serial line."""
    shipped = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
    sample = shipped.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")[0]
    (tmp_path / "sim.toml").write_text(
        f'{sample}\n[[instrument]]\nmodel = "bnc-577"\naddress = "ASRL3::INSTR"\nserial = "1"\n'
        "[wiring]\nslot = 1\npulse_row = 1\nmeasure_row = 2\ndevices = [5, 6]\n",
        "utf-8",
    )
    (tmp_path / "lab.toml").write_text(
        '[bench]\nname = "x"\nlibrary = "sim.toml@domainwall"\n[[instrument]]\nname = "timer"\nmodel = "bnc-577"\n'
        'address = "ASRL3::INSTR"\nload_ohm = 2000.0\nlimits.amplitude_v = [2.0, 2.5]\nlimits.width_s = [2e-8, 2e-6]\n'
        "limits.burst_energy_j = 2e-8\n",
        "utf-8",
    )
    manager = pyvisa.ResourceManager(f"{tmp_path / 'lab.toml'}@guard")
    yield manager.open_resource("ASRL3::INSTR", read_termination="\r\n", write_termination="\r\n")
    manager.close()


SINGLE = (":PULSE0:STATE OFF", ":PULSE0:MODE SING", ":PULSE0:TRIG:MODE TRIG", ":PULSE1:STATE OFF")


def test_answers_that_were_read_confirm(timer):
    for message in SINGLE:
        assert timer.query(message) == "ok"
    assert timer.query(":PULSE0:STATE ON") == "ok"


def test_answers_that_wait_in_line_are_not_taken_for_later_ones(timer):
    timer.write("*IDN?")
    timer.write(":PULSE0:STATE OFF")
    for message in SINGLE:
        # Each reads what came one line before: the last of them is not confirmed.
        timer.query(message)
    with pytest.raises(LimitError, match="first"):
        timer.write(":PULSE0:STATE ON")


def test_an_answer_that_is_never_read_leaves_a_doubt(timer):
    timer.write(SINGLE[1])
    timer.write(SINGLE[0])
    timer.read()
    timer.read()
    for message in SINGLE[2:]:
        timer.query(message)
    with pytest.raises(LimitError, match="without end"):
        timer.write(":PULSE0:STATE ON")


def test_an_error_query_that_is_overtaken_or_cleared_leaves_a_doubt(manager):
    pulser = connect(manager, PULSER)
    for lose in (lambda: pulser.query("*IDN?"), pulser.clear):
        pulser.write("*RST")
        pulser.write(":ARM:SOUR1 MAN")
        pulser.write("SYST:ERR?")
        lose()
        assert pulser.query("SYST:ERR?")
        assert pulser.query("SYST:ERR?").startswith("0")
        with pytest.raises(LimitError, match="manual triggers"):
            pulser.write(":OUTP1 ON")


def test_the_answer_to_an_older_question_confirms_nothing(manager, monkeypatch):
    pulser = connect(manager, PULSER)
    pulser.write("*RST")
    pulser.write("SYST:ERR?")
    pulser.write(":ARM:SOUR1 MAN")
    pulser.write("SYST:ERR?")
    answer = (b'+0,"No error"\n', constants.StatusCode.success)
    monkeypatch.setattr(manager.visalib.inner, "read", lambda _session, _count: answer)  # type: ignore[attr-defined]
    assert pulser.read().startswith("+0")
    with pytest.raises(LimitError, match="manual triggers"):
        pulser.write(":OUTP1 ON")


class Broken:
    """Stands for the write function of a library whose connection is cut."""

    def __init__(self, failure: Exception | None) -> None:
        self.failure = failure

    def __call__(self, session, data):
        if self.failure is not None:
            raise self.failure
        return len(data) - 1, constants.StatusCode.success


@pytest.mark.parametrize("failure", [pyvisa.VisaIOError(constants.StatusCode.error_connection_lost), None])
def test_after_a_write_that_failed_nothing_is_known(manager, monkeypatch, failure):
    array = connect(manager, ARRAY)
    array.write("*RST")
    monkeypatch.setattr(manager.visalib.inner, "write", Broken(failure))  # type: ignore[attr-defined]
    if failure is not None:
        with pytest.raises(pyvisa.VisaIOError):
            array.write("PULS:PUSH:AMPL 0.2")
    else:
        array.write("PULS:PUSH:AMPL 0.2")
    monkeypatch.undo()
    array.write("PATT:CLE")
    array.write_raw(b"PATT:PUSH 0,#11\x01\n")
    with pytest.raises(LimitError, match="push amplitude"):
        array.write("INIT")


def test_a_bench_opens_through_a_guard_of_its_own(bench_file):
    config = load_bench(bench_file)
    with Bench.open(config) as bench:
        session = bench.instruments[1].session  # type: ignore[attr-defined]
        with pytest.raises(LimitError, match="was not sent"):
            session.command(":SOUR:VOLT 5")
        # Nothing went out, so the link is still good.
        assert session.ask("*IDN?", str)
        bench.array.set_pulses(
            Pulse(polarity=Polarity.PUSH, amplitude_v=1.0, width_s=1e-7),
            Pulse(polarity=Polarity.PULL, amplitude_v=1.0, width_s=1e-7),
        )
        with pytest.raises(LimitError, match="amplitude"):
            bench.array.session.command("PULS:PUSH:AMPL 2.6")  # type: ignore[attr-defined]


def test_the_energy_of_a_pattern_is_bounded_below_the_driver(bench_file):
    text = bench_file.read_text("utf-8")
    bench_file.write_text(text.replace('model = "dwa-1"', 'model = "dwa-1"\nlimits.burst_energy_j = 1e-8'), "utf-8")
    one = (
        Pulse(polarity=Polarity.PUSH, amplitude_v=1.0, width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=1.0, width_s=1e-7),
    )
    with Bench.open(load_bench(bench_file)) as bench:
        bench.array.set_pulses(*one)
        bench.array.output_on()
        counts = np.zeros(64, np.uint8)
        counts[3] = 150
        bench.array.program(0, counts, counts * 0, tag=1)
        with pytest.raises(LimitError, match=r"energy of the burst 1\.\d+e-08 J.*burst_energy_j"):
            bench.array.program(0, counts, counts, tag=2)


def test_the_journal_is_bounded_and_escapes_what_an_instrument_says():
    journal = Journal(kept=2)
    for data in (b"first", b"\x1b[31mred\x07\n", b"x" * 1_000_000):
        journal.note(Course.IN, "GPIB0::1::INSTR", data)
    shown = [str(passage) for passage in journal.passages]
    assert shown[0] == r"<- GPIB0::1::INSTR \x1b[31mred\x07"
    assert shown[1].endswith("(1000000 bytes)")
    assert len(shown[1]) < 200


def test_threads_may_share_an_instrument(manager):
    smus = [connect(manager, SMU) for _ in range(4)]
    failures: list[BaseException] = []

    def work(smu) -> None:
        try:
            for step in range(50):
                smu.write(f":SOUR:VOLT {step * 1e-3}")
                with pytest.raises(LimitError):
                    smu.write(":SOUR:VOLT 1")
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(smu,)) for smu in smus]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert float(smus[0].query(":SOUR:VOLT?")) <= 0.2


def test_the_guard_is_found_by_its_name():
    import pyvisa_guard

    assert pyvisa_guard.WRAPPER_CLASS is GuardVisaLibrary
