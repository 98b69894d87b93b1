"""The look at a bench: one by one, nothing switched, what is wrong said with a remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers import load_bench
from drivers.entries import SourceMeterEntry
from drivers.errors import LinkDesync
from drivers.inspection import Inspection, inspect_bench
from drivers.models import MODELS
from sim_instruments.scpi_error import ScpiError

ARRAY, SMU = "TCPIP0::array.bench::inst0::INSTR", "TCPIP0::smu.bench::inst0::INSTR"


@pytest.fixture
def look(small_bench: Any) -> Callable[..., dict[str, Inspection]]:
    return lambda **keywords: {item.name: item for item in inspect_bench(load_bench(small_bench.file), **keywords)}


def test_a_bench_in_order(look: Callable[..., dict[str, Inspection]], small_bench: Any):
    found = look(self_test=True)
    assert list(found) == ["pulser", "smu", "switch", "array"]
    assert all(item.ok for item in found.values()), found
    assert all((item.self_test or "").startswith("passed") for item in found.values())
    assert found["smu"].interlock == "closed"
    assert found["switch"].output == "none"
    origins = {limit.origin for limit in found["array"].limits}
    assert any(str(small_bench.file) in origin for origin in origins)
    for name in ("pulser", "array"):
        assert any("energy" in limit.quantity for limit in found[name].limits)


def test_one_missing_instrument_does_not_hide_the_others(small_bench: Any):
    text = small_bench.file.read_text()
    small_bench.file.write_text(text.replace(SMU, "TCPIP0::elsewhere::inst0::INSTR"))
    found = {item.name: item for item in inspect_bench(load_bench(small_bench.file))}
    assert [item.name for item in found.values() if not item.ok] == ["smu"]
    assert found["smu"].identity is None
    (problem,) = found["smu"].problems
    assert "nothing is there" in problem.what
    assert "cabling" in problem.remedy
    assert found["array"].identity is not None


def test_what_the_library_lacks_is_no_matter_of_cables_and_is_told_in_one_line(
    small_bench: Any, monkeypatch: pytest.MonkeyPatch
):
    def open_nothing(*_: object, **__: object) -> Any:
        raise ValueError("Please install PyUSB to use this resource type.\nNo module named 'usb'")

    monkeypatch.setattr("drivers.visa_library.VisaLibrary.connect", open_nothing)
    (problem,) = inspect_bench(load_bench(small_bench.file))[0].problems
    assert "\n" not in problem.what
    assert "install what is missing" in problem.remedy


def test_errors_are_listed_and_forgotten(look: Callable[..., dict[str, Inspection]], small_bench: Any):
    small_bench.simulated.instruments[ARRAY].receive(b"NONSENSE\n", has_end=True)
    first, second = look()["array"], look()["array"]
    assert [entry[:4] for entry in first.errors] == ["-113"]
    assert "-113" in first.problems[0].what
    assert second.ok


def test_the_errors_of_an_instrument_that_is_unwell_are_listed_too(
    look: Callable[..., dict[str, Inspection]], small_bench: Any
):
    small_bench.simulated.instruments[ARRAY].report(ScpiError(-330, text="Self-test failed"))
    found = look()["array"]
    assert found.identity is None
    assert [entry[:4] for entry in found.errors] == ["-330"]
    (problem,) = found.problems
    assert "unwell" in problem.what
    assert "serviced" in problem.remedy


def test_another_instrument_at_the_address_is_no_matter_of_cables(small_bench: Any):
    text = small_bench.file.read_text()
    small_bench.file.write_text(text.replace(f'"{SMU}"', f'"{SMU}"\nexpect_serial = "77"'))
    (problem,) = {item.name: item for item in inspect_bench(load_bench(small_bench.file))}["smu"].problems
    assert "correct the address" in problem.remedy


def test_an_output_that_is_on_is_told_and_left_on_and_not_tested(
    look: Callable[..., dict[str, Inspection]], small_bench: Any
):
    array = small_bench.simulated.instruments[ARRAY]
    array.receive(b"OUTP ON\n", has_end=True)
    found = look(self_test=True)["array"]
    assert found.output == "on"
    assert found.self_test is None
    assert [problem.what for problem in found.problems] == [
        "its output is on",
        "not self-tested, as its output is on",
    ]
    array.receive(b"OUTP?\n", has_end=True)
    assert array.send(10, has_end=True).data == b"1\n"


def test_nothing_is_switched_on(look: Callable[..., dict[str, Inspection]], small_bench: Any):
    heard: list[bytes] = []
    for instrument in small_bench.simulated.instruments.values():
        receive = instrument.receive
        instrument.receive = lambda data, receive=receive, **keywords: (
            heard.append(bytes(data)),
            receive(data, **keywords),
        )[1]
    look(self_test=True)
    assert len(heard) > 10
    assert [message for message in heard if not message.split(b" ")[0].rstrip().endswith(b"?")] == []


INTERLOCKED = [key for key, model in MODELS.items() if model.interlock is not None]


@pytest.mark.parametrize("model", INTERLOCKED)
@pytest.mark.parametrize("state", ["closed", "open"])
def test_an_open_interlock_is_told(model: str, state: str, make_small_bench: Callable[..., Any], tmp_path: Path):
    made = make_small_bench()
    sim = (made.file.parent / "sim.toml").read_text().replace('"keithley-2450"', f'"{model}"')
    sim = sim.replace('serial = "04000001"', f'serial = "04000001"\ninterlock = "{state}"')
    (tmp_path / "sim.toml").write_text(sim)
    bench = tmp_path / "bench.toml"
    bench.write_text(
        f'[bench]\nname = "lab"\nlibrary = "sim.toml@domainwall"\n'
        f'[[instrument]]\nname = "smu"\nmodel = "{model}"\naddress = "{SMU}"\n'
    )
    (found,) = inspect_bench(load_bench(bench))
    assert found.interlock == state
    assert found.ok is (state == "closed")


def test_source_meters_with_a_high_range_tell_of_their_interlock():
    # The 2601B and the 2602B end at 40 V: they have an output-enable line instead.
    meters = {key for key, model in MODELS.items() if model.entry is SourceMeterEntry}
    assert set(INTERLOCKED) == meters - {"keithley-2601b", "keithley-2602b"}


@pytest.mark.parametrize("model", INTERLOCKED)
def test_a_garbled_answer_is_not_taken_for_an_open_interlock(model: str):
    interlock = MODELS[model].interlock
    assert interlock is not None
    for reply in ("", "x", "1;1", '0,"No error"'):
        with pytest.raises(LinkDesync):
            interlock.is_closed(reply)


def test_a_failed_self_test_is_told(look: Callable[..., dict[str, Inspection]], small_bench: Any):
    array = small_bench.simulated.instruments[ARRAY]
    receive = array.receive
    array.receive = lambda data, **keywords: receive(data.replace(b"*TST?", b"*OPC?"), **keywords)
    found = look(self_test=True)["array"]
    assert found.self_test == "failed"
    assert "self test" in found.problems[0].what
