"""Ways out of a program, and outputs that will not go off: rows 23 and 32 of the fault list.

The simulated instruments live in the process that drives them, so each subprocess writes down, when everything else is
over, which outputs its twins still have on.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import drivers
import sim_instruments
from drivers import Bench, SafeStateError, load_bench
from drivers.leaving import EXIT_UNSAFE
from drivers.together import shielded, together

QUESTIONS = {"pulser": b":OUTP1?\n", "smu": b":OUTP?\n", "array": b"OUTP?\n"}

PROGRAM = '''
import atexit, json, os, signal, sys, threading, time
from pathlib import Path
import pyvisa
from drivers import Bench, Polarity, Pulse, load_bench

config = load_bench(Path(sys.argv[1]))
QUESTIONS = {questions}


def report():
    """Write down what the twins still have on: the first handler registered is the last one called."""
    answers = {{}}
    for entry in config.instruments:
        if entry.name in QUESTIONS:
            twin = simulated.instruments[entry.address]
            twin.receive(QUESTIONS[entry.name], has_end=True)
            answers[entry.name] = twin.send(99, has_end=False).data.decode().strip()
    Path(sys.argv[2]).write_text(json.dumps(answers))


atexit.register(report)
simulated = pyvisa.ResourceManager(config.library).visalib.bench


def everything_on(bench):
    bench.source_meter.source_voltage(0.1, compliance_a=1e-4)
    bench.source_meter.output_on()
    bench.pulse_source.arm(Pulse(polarity=Polarity.PUSH, amplitude_v=1.0, width_s=1e-7))
    bench.array.output_on()
    assert [status.output for status in bench.statuses()] == ["on", "on", "none", "on"]


{body}
'''


@pytest.fixture
def bench_file(tmp_path) -> Path:
    for package, name in ((sim_instruments, "sim.toml"), (drivers, "lab.toml")):
        text = (Path(package.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        text = text.replace("devices = 11_534_336", "devices = 64").replace('"@domainwall"', '"sim.toml@domainwall"')
        lines = ["devices = [5, 6]" if line.startswith("devices = [") else line for line in text.splitlines()]
        (tmp_path / name).write_text("\n".join(lines), "utf-8")
    return tmp_path / "lab.toml"


def start(bench_file: Path, body: str) -> tuple[subprocess.Popen[str], Path]:
    program, report = bench_file.parent / "program.py", bench_file.parent / "report.json"
    program.write_text(PROGRAM.format(questions=QUESTIONS, body=body), "utf-8")
    environment = os.environ | {"DOMAINWALL_LOCKS": str(bench_file.parent / "locks")}
    command = [sys.executable, "-W", "ignore", str(program), str(bench_file), str(report)]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return child, report


def run(bench_file: Path, body: str) -> tuple[int, str, dict[str, str]]:
    child, report = start(bench_file, body)
    _, errors = child.communicate(timeout=120)
    return child.returncode, errors, json.loads(report.read_text()) if report.exists() else {}


OPEN = "bench = Bench.open(config)\neverything_on(bench)\n"
WITH = "with Bench.open(config) as bench:\n    everything_on(bench)\n    "
ALL_OFF = {"pulser": "0", "smu": "0", "array": "0"}


def test_a_program_that_just_ends_leaves_outputs_off(bench_file):
    code, errors, answers = run(bench_file, OPEN)
    assert (code, answers) == (0, ALL_OFF), errors


def test_a_program_that_ends_by_an_exception_leaves_outputs_off(bench_file):
    code, errors, answers = run(
        bench_file, "bench = Bench.open(config)\neverything_on(bench)\nraise ValueError('oops')\n"
    )
    assert (code, answers) == (1, ALL_OFF), errors
    assert "oops" in errors


def test_so_does_one_that_leaves_its_bench_by_an_exception(bench_file):
    code, errors, answers = run(bench_file, WITH + "raise ValueError('oops')\n")
    assert (code, answers) == (1, ALL_OFF), errors


def test_sys_exit_leaves_outputs_off(bench_file):
    code, errors, answers = run(bench_file, OPEN + "sys.exit(3)\n")
    assert (code, answers) == (3, ALL_OFF), errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "opening",
    [
        OPEN,
        WITH,
    ],
)
def test_a_signal_leaves_outputs_off(bench_file, number, opening):
    child, report = start(bench_file, opening + "print('on', flush=True); threading.Event().wait()\n")
    assert child.stdout is not None
    assert child.stdout.readline() == "on\n", child.communicate(timeout=60)
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert json.loads(report.read_text()) == ALL_OFF, errors
    # Python ends an unhandled Ctrl-C by the signal itself.
    assert child.returncode == (143 if number == signal.SIGTERM else -signal.SIGINT)


def test_the_programs_own_handler_of_sigterm_is_left_alone(bench_file):
    body = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nbench = Bench.open(config)\neverything_on(bench)\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nthreading.Event().wait()\n"
    )
    assert run(bench_file, body)[0::2] == (7, ALL_OFF)


DEAF = """
bench = Bench.open(config)
everything_on(bench)
smu = simulated.instruments[config.instruments[1].address]
obey = type(smu).receive
hears = lambda self, data: self is not smu or b'OUTP OFF' not in data
type(smu).receive = lambda self, data, **k: obey(self, data, **k) if hears(self, data) else None
"""


def test_an_output_that_stays_on_at_the_end_is_shouted_out(bench_file):
    code, errors, _ = run(bench_file, DEAF)
    assert code == EXIT_UNSAFE == 70
    assert "1 of 4 instruments could not be made safe; smu" in errors
    assert "cut its power by hand" in errors


# --- in this process: make_safe itself ------------------------------------------------------------------------------


@dataclasses.dataclass
class Rig:
    """An open bench with its outputs on, and the simulated one behind it."""

    bench: Bench
    simulated: Any
    ports: dict[str, Any]

    def twin(self, name: str):
        (entry,) = (entry for entry in self.bench.config.instruments if entry.name == name)
        return self.simulated.instruments[entry.address]

    def is_on(self, name: str) -> bool:
        twin = self.twin(name)
        type(twin).receive(twin, QUESTIONS[name], has_end=True)
        return type(twin).send(twin, 99, has_end=False).data.decode().strip() == "1"


class Deaf:
    """A twin that does not hear one command, or nothing at all, or always answers the same."""

    def __init__(self, twin, ignores: bytes = b"", says: bytes | None = None, cut: Exception | None = None) -> None:
        self._twin, self._ignores, self._says, self._cut = twin, ignores, says, cut

    def receive(self, data, **keywords) -> None:
        if self._cut is not None:
            raise self._cut
        if self._ignores and self._ignores in bytes(data):
            return
        self._twin.receive(data, **keywords)

    def send(self, count, *arguments, **keywords):
        chunk = self._twin.send(count, *arguments, **keywords)
        return chunk if chunk is None or self._says is None else type(chunk)(self._says, True)

    def __getattr__(self, name: str):
        return getattr(self._twin, name)


@pytest.fixture
def rig(bench_file):
    bench = Bench.open(load_bench(bench_file))
    visalib = bench.instruments[0].session.link._library._manager.visalib  # type: ignore[attr-defined]
    bench.source_meter.source_voltage(0.1, compliance_a=1e-4)
    bench.source_meter.output_on()
    bench.pulse_source.arm(drivers.Pulse(polarity=drivers.Polarity.PUSH, amplitude_v=1.0, width_s=1e-7))
    bench.array.output_on()
    yield Rig(bench, visalib.bench, visalib.inner._ports)
    bench.close()


FAULTS = {
    "ignores": lambda twin: Deaf(twin, ignores=b"OUTP"),
    "answers 1 for ever": lambda twin: Deaf(twin, says=b"1\n"),
    "dead": lambda twin: Deaf(twin, cut=OSError("no route to host")),
    "mute": lambda twin: Deaf(twin, ignores=b"?"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["pulser", "smu", "array"])
def test_an_instrument_that_cannot_be_made_safe_is_named_and_the_others_are_off_at_once(rig, name, fault):
    (entry,) = (entry for entry in rig.bench.config.instruments if entry.name == name)
    port = rig.ports[entry.address]
    port.instrument = FAULTS[fault](port.instrument)
    began_s = time.monotonic()
    with pytest.raises(SafeStateError, match=rf"1 of 4 instruments could not be made safe; {name} .*by hand"):
        rig.bench.make_safe()
    assert time.monotonic() - began_s < 1.0 + (0.0 if fault != "mute" else 15.0)
    for other in {"pulser", "smu", "array"} - {name}:
        assert not rig.is_on(other)
    port.instrument = rig.twin(name)


def test_one_that_hangs_is_given_up_and_the_others_are_off(rig, monkeypatch):
    monkeypatch.setattr("drivers.bench.SAFE_TIMEOUT_S", 0.3)
    released = threading.Event()
    # The simulated bus takes one message at a time; a real one would not hold up the others.
    others = rig.bench.instruments[1].make_safe
    monkeypatch.setattr(type(rig.bench.instruments[1]), "make_safe", lambda self: released.wait(20))
    with pytest.raises(SafeStateError, match=r"1 of 4.*smu.*not done within 0\.3 s"):
        rig.bench.make_safe()
    assert not rig.is_on("pulser")
    assert not rig.is_on("array")
    released.set()
    monkeypatch.undo()
    others()


def test_ctrl_c_in_the_middle_does_not_cut_it_short(rig, monkeypatch):
    reached, done = threading.Event(), []

    class Slow(Deaf):
        def receive(self, data, **keywords) -> None:
            if b"OUTP1 OFF" in bytes(data):
                reached.set()
                done.append("begun")
            super().receive(data, **keywords)

    (entry,) = (entry for entry in rig.bench.config.instruments if entry.name == "pulser")
    port = rig.ports[entry.address]
    port.instrument = Slow(port.instrument)
    monkeypatch.setattr("drivers.together._LOOK_S", 5.0)
    killer = threading.Thread(target=lambda: reached.wait(20) and os.kill(os.getpid(), signal.SIGINT))
    killer.start()

    def interrupted() -> None:
        rig.bench.make_safe()
        # The signal may come a moment after the last reply.
        threading.Event().wait(5)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    killer.join()
    assert done
    for name in ("pulser", "smu", "array"):
        assert not rig.is_on(name)


def test_an_interrupt_is_raised_after_the_action_and_a_failure_outranks_it():
    main = threading.main_thread().ident
    assert main is not None
    steps = []

    def action() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        steps.append("finished")
        if len(steps) == 2:
            raise SafeStateError("still on")

    def interrupted() -> None:
        shielded(action)
        threading.Event().wait(5)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(SafeStateError, match="still on"):
        shielded(action)
    assert steps == ["finished", "finished"]


def test_ctrl_c_while_one_is_slow_waits_for_its_end():
    main = threading.main_thread().ident
    assert main is not None
    steps = []

    def slow() -> None:
        # Time for the main thread to begin its wait, and then for the interrupt to reach it.
        threading.Event().wait(0.1)
        signal.pthread_kill(main, signal.SIGINT)
        threading.Event().wait(0.3)
        steps.append("finished")

    with pytest.raises(KeyboardInterrupt):
        shielded(slow)
    assert steps == ["finished"]


def test_together_gathers_what_each_raised():
    def fail() -> None:
        raise ValueError("one")

    found = together([fail, lambda: None, lambda: threading.Event().wait(20) and None], timeout_s=0.1)
    assert [type(error) for error in found] == [ValueError, type(None), TimeoutError]
