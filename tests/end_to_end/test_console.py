"""`hil scpi`: the console as a person and as a script use it, behind the guard."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from drivers.console import Answer, Console, Leaving, asks, escaped
from drivers.errors import ConfigError, LimitError, SafeStateError
from drivers.link import Link
from drivers.wire import Wire
from hil.cli import scpi
from hil.cli.prompt import SeenHeaders
from hil.console import Shell, TranscriptFile

PULSER, ARRAY, SWITCH = "TCPIP0::pulser.bench::inst0::INSTR", "TCPIP0::array.bench::inst0::INSTR", "GPIB0::7::INSTR"


@pytest.fixture(autouse=True)
def _own_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def opened(small_bench: Any) -> Iterator[Callable[[str], Console]]:
    consoles: list[Console] = []

    def open_console(name: str) -> Console:
        consoles.append(Console.open(name, small_bench.file))
        return consoles[-1]

    yield open_console
    for console in consoles:
        console.close()


@pytest.fixture
def shell(opened: Callable[[str], Console]) -> Callable[[str], Shell]:
    return lambda name: Shell(opened(name), TranscriptFile(None))


def _ask(bench: Any, address: str, query: bytes) -> bytes:
    """Ask a simulated instrument past every driver."""
    instrument = bench.simulated.instruments[address]
    instrument.receive(query + b"\n", has_end=True)
    return instrument.send(1 << 20, has_end=True).data.strip()


def test_text_is_shown_as_it_came_and_a_block_by_its_length_and_beginning(opened: Callable[[str], Console]):
    array = opened("array")
    text = array.exchange("*IDN?")
    assert text is not None
    assert str(text) == "domainwall-hil,DWA-1,DWA0001,1.0"
    assert text.block is None
    block = array.exchange("READ:COND? 0,20")
    assert block is not None
    assert block.block is not None
    assert len(block.block) == 40
    assert re.fullmatch(r"block of 40 bytes: ([0-9a-f]{2} ){16}\.\.\.", str(block))
    assert array.exchange("*CLS") is None


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[2J\x07evil\n", "\\x1b[2J\\x07evil"),
        (b"a\tb\\c\xff\r\n", "a\\tb\\\\c\\xff"),
        (b"#14abcd\n", "#14abcd"),
    ],
)
def test_what_could_command_a_terminal_is_escaped(raw: bytes, shown: str):
    assert str(Answer(raw=raw, block=None, duration_s=0.0)) == shown
    assert escaped(b"plain") == "plain"


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        ("*IDN?", True),
        (":OUTP1?", True),
        (":DISP:TEXT 'what?'", False),
        (':DISP:TEXT "a";*OPC?', True),
        ("print(smua.measure.i())", True),
        ("printbuffer(1, 3, smua.nvbuffer1)", True),
        ("smua.source.output = 1", False),
    ],
)
def test_only_a_question_waits_for_a_reply(text: str, waits: bool):
    assert asks(text) is waits


def test_the_guard_stands_in_between(opened: Callable[[str], Console], small_bench: Any):
    array = opened("array")
    with pytest.raises(LimitError, match="not sent"):
        array.exchange("PULS:PUSH:AMPL 4.9")
    assert float(_ask(small_bench, ARRAY, b"PULS:PUSH:AMPL?")) == 1.0
    assert array.is_believable
    array.exchange("PULS:PUSH:AMPL 1.5")
    assert float(_ask(small_bench, ARRAY, b"PULS:PUSH:AMPL?")) == 1.5


def test_an_instrument_without_limits_is_refused_with_the_names_there_are(small_bench: Any):
    with pytest.raises(ConfigError, match="pulser, smu, switch, array"):
        Console.open("TCPIP0::elsewhere::INSTR", small_bench.file)


def test_more_than_one_line_is_refused(opened: Callable[[str], Console]):
    with pytest.raises(ConfigError, match="one line"):
        opened("array").exchange("*CLS\nOUTP ON")


def test_leaving_switches_the_output_off_after_a_command(opened: Callable[[str], Console], small_bench: Any):
    array = opened("array")
    array.exchange("OUTP ON")
    assert _ask(small_bench, ARRAY, b"OUTP?") == b"1"
    assert array.leave() is Leaving.SAFE
    assert _ask(small_bench, ARRAY, b"OUTP?") == b"0"


def test_leaving_on_says_that_it_is_on(opened: Callable[[str], Console], small_bench: Any):
    array = opened("array")
    array.exchange("OUTP ON")
    assert array.leave(leave_on=True) is Leaving.ON
    assert _ask(small_bench, ARRAY, b"OUTP?") == b"1"
    array.exchange("OUTP OFF")
    assert array.leave(leave_on=True) is Leaving.OFF


def test_a_question_alone_leaves_the_output_as_it_was(opened: Callable[[str], Console], small_bench: Any):
    small_bench.simulated.instruments[ARRAY].receive(b"OUTP ON\n", has_end=True)
    array = opened("array")
    array.exchange("*IDN?;:OUTP?")
    assert array.leave() is Leaving.UNTOUCHED
    assert _ask(small_bench, ARRAY, b"OUTP?") == b"1"


def test_relays_stay_as_they_are(opened: Callable[[str], Console], small_bench: Any):
    switch = opened("switch")
    switch.exchange(":CLOS (@1!1!1)")
    assert switch.leave() is Leaving.RELAYS
    assert small_bench.simulated.wiring.closed == ((1, 1, 1),)


def test_an_output_that_cannot_be_switched_off_is_the_worst_event(
    opened: Callable[[str], Console], monkeypatch: pytest.MonkeyPatch
):
    array = opened("array")
    array.exchange("OUTP ON")
    monkeypatch.setattr(Link, "query", lambda *_, **__: "1")
    with pytest.raises(SafeStateError, match="by hand"):
        array.leave()


def test_no_reply_is_told_with_the_instruments_reason_and_the_next_answer_is_right(shell: Callable[[str], Shell]):
    array = shell("array")
    line = array.run("NONSENSE?")
    assert line.error is not None
    assert "resynchronised" in line.error
    assert "-113" in line.error
    assert array.run("ARR:SIZE?").reply == "8192"


def test_ctrl_c_abandons_the_exchange_and_no_answer_is_late(
    shell: Callable[[str], Shell], monkeypatch: pytest.MonkeyPatch
):
    array = shell("array")

    def interrupted(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # The question is out and its answer on its way when the key is pressed.
        patch.setattr(Wire, "receive_anything", interrupted)
        line = array.run("ARR:SIZE?")
    assert line.error is not None
    assert "abandoned" in line.error
    assert "resynchronised" in line.error
    assert array.run("*OPC?").reply == "1"


def test_its_own_commands(shell: Callable[[str], Shell]):
    array = shell("array")
    assert ":timeout" in (array.run(":help").reply or "")
    assert array.run(":errors").reply == "the error queue is empty"
    array.run("NONSENSE")
    array.run("ARR:SIZE")
    assert [entry[:4] for entry in (array.run(":errors").reply or "").splitlines()] == ["-113", "-113"]
    assert array.run(":timeout 20").reply == "replies are given 20 s"
    assert array.console.timeout_s == 20
    for wrong in (":timeout soon", ":timeout 0", ":timeout nan"):
        assert "time-out" in (array.run(wrong).error or "")
    assert array.run(":clear").reply == "cleared and resynchronised"


def test_the_transcript_holds_every_line_with_its_time(opened: Callable[[str], Console], tmp_path: Path):
    path = tmp_path / "transcript.log"
    with TranscriptFile(path) as file:
        array = Shell(opened("array"), file)
        array.run("*IDN?")
        array.run("*CLS")
        array.run("PULS:PUSH:AMPL 4.9")
        array.leave(leave_on=False)
    lines = path.read_text().splitlines()
    marks = [line.split(" ", 2)[1] for line in lines]
    assert marks == ["->", "<-", "->", "->", "!!", "--"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 ", line) for line in lines)
    assert "DWA-1" in lines[1]


def _prompted(shell: Shell, keys: str, capsys: pytest.CaptureFixture[str]) -> str:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        scpi._converse(shell, "array", leave_on=False)
    return capsys.readouterr().out


def test_a_person_types_and_leaves_with_ctrl_d(
    shell: Callable[[str], Shell], capsys: pytest.CaptureFixture[str], small_bench: Any
):
    # Ctrl-C at the prompt drops the line and nothing else.
    shown = _prompted(shell("array"), "ARR:SIZE?\rOUTP ON\r*RST\x03*IDN?\r\x04", capsys)
    assert shown.splitlines() == ["8192", "domainwall-hil,DWA-1,DWA0001,1.0"]
    assert _ask(small_bench, ARRAY, b"OUTP?") == b"0"


def test_headers_of_earlier_sessions_are_completed(
    shell: Callable[[str], Shell], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    array = shell("array")
    assert _prompted(array, "ARRay:SIZE?\r\x04", capsys) == "8192\n"
    path = tmp_path / "state" / "domainwall-hil" / "scpi-history"
    assert "ARRay:SIZE?" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    seen = InMemoryHistory()
    seen.append_string("ARRay:SIZE?;:OUTP?")
    completer = SeenHeaders(seen, array.own_commands)

    def complete(text: str) -> list[str]:
        return [found.text for found in completer.get_completions(Document(text), CompleteEvent())]

    assert complete("arr") == ["ARRay:SIZE?"]
    assert complete("*RST;:ou") == [":OUTP?"]
    assert complete("*i") == ["*IDN?"]
    assert complete(":tim") == [":timeout"]
    assert complete("") == []


def _hil(bench: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "hil", "scpi", *arguments, "--bench", str(bench)]
    return subprocess.run(command, input=typed, capture_output=True, text=True, check=False, timeout=60)


def test_a_script_gets_replies_on_standard_output_and_an_exit_code(small_bench: Any):
    done = _hil(small_bench.file, "pulser", "-c", "*IDN?", "-c", ":OUTP1?")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "0"
    assert "81160A" in done.stdout
    piped = _hil(small_bench.file, "array", "--json", typed="# a comment\n\nARR:SIZE?\nNONSENSE\nOUTP?\n")
    answer = json.loads(piped.stdout)
    assert piped.returncode == 1
    assert answer["ok"] is False
    assert [item["reply"] for item in answer["exchanges"]] == ["8192", None, "0"]
    assert answer["instrument_errors"][0].startswith("-113")
    assert answer["left"] == "output off, as the instrument confirms"


def test_a_script_stops_at_the_first_line_that_fails(small_bench: Any):
    done = _hil(small_bench.file, "array", "-c", "PULS:PUSH:AMPL 4.9", "-c", "*IDN?")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "not sent" in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_real_terminal_it_prompts_and_ctrl_d_leaves(small_bench: Any):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-P", "-m", "hil", "scpi", "array", "--bench", str(small_bench.file)]
    environment = {**os.environ, "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        try:
            assert b"DWA-1" in _until(ours, b"array>")
            os.write(ours, b"ARR:SIZE?\r")
            _until(ours, b"8192")
            _until(ours, b"array>")
            os.write(ours, b"\x04")
            assert b"only questions" in _until(ours, b"left as it was")
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            os.close(ours)


def _until(descriptor: int, wanted: bytes) -> bytes:
    seen, deadline = b"", time.monotonic() + 30
    while wanted not in seen:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, seen
        seen += os.read(descriptor, 65536)
    return seen
