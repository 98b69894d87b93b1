"""A bench opens as a whole, is left safe whatever happened, and never moves a relay under voltage."""

import dataclasses
import threading

import pytest

from drivers import Bench, ConfigError, IdentityError, LinkError, SafeStateError, discover, load_bench

PULSER, SMU, SWITCH, ARRAY = (entry.address for entry in load_bench().instruments)
REPLIES = {
    PULSER: {"*IDN?": "Agilent Technologies,81160A,MY1,1.0", ":OUTP1?": "0"},
    SMU: {"*IDN?": "KEITHLEY INSTRUMENTS,MODEL 2450,1,1.0", "*LANG?": "SCPI", ":OUTP?": "0"},
    SWITCH: {"*IDN?": "KEITHLEY INSTRUMENTS INC.,MODEL 7001,1,1.0", ":ROUT:CLOS:STAT?": "(@)"},
    ARRAY: {"*IDN?": "Lab,DWA-1,7,1.0", "ARR:SIZE?": "10", "READ:COND:SCAL?": "0,1E-9", "OUTP?": "0"},
}
OFF = {PULSER: ":OUTP1 OFF", SMU: ":OUTP OFF", SWITCH: ":ROUT:OPEN ALL", ARRAY: "OUTP OFF"}


@pytest.fixture
def boxes(wire):
    return {address: wire.add(address, replies) for address, replies in REPLIES.items()}


@pytest.fixture
def config(wire):
    return dataclasses.replace(load_bench(), library=wire.specification)


def test_opening_touches_no_output(boxes, config):
    bench = Bench.open(config)
    assert all("?" in message for box in boxes.values() for message in box.messages)
    assert [instrument.name for instrument in bench.instruments] == ["pulser", "smu", "switch", "array"]
    bench.close()


def test_statuses_are_known_without_asking(boxes, config):
    with Bench.open(config) as bench:
        before = sum(len(box.messages) for box in boxes.values())
        statuses = bench.statuses()
        assert sum(len(box.messages) for box in boxes.values()) == before
    assert [(status.name, status.link, status.output) for status in statuses] == [
        ("pulser", "SYNCED", "off"),
        ("smu", "SYNCED", "off"),
        ("switch", "SYNCED", "none"),
        ("array", "SYNCED", "off"),
    ]
    assert statuses[3].exchanges == 6
    assert {status.link for status in bench.statuses()} == {"CLOSED"}


def test_every_instrument_that_does_not_open_is_named(boxes, config, wire):
    boxes[PULSER].replies["*IDN?"] = "Other,Thing,1,1"
    del wire.visa.instruments[SWITCH]
    with pytest.raises(LinkError, match=r"2 of 4.*Other,Thing") as caught:
        Bench.open(config)
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert isinstance(caught.value.__cause__.exceptions[0], IdentityError)
    assert wire.visa._sessions == {}


def test_a_limit_wider_than_the_manual_opens_nothing(boxes, wire, tmp_path):
    path = tmp_path / "bench.toml"
    path.write_text(
        f'[bench]\nname = "wide"\nlibrary = "{wire.specification}"\n[[instrument]]\nname = "array"\nmodel = "dwa-1"\n'
        f'address = "{ARRAY}"\nlimits.amplitude_v = [0.1, 50.0]\n'
    )
    config = dataclasses.replace(load_bench(path), library=wire.specification)
    with pytest.raises(ConfigError, match=r"bench\.toml: instrument 'array' limits.*widen.*DWA"):
        Bench.open(config)
    assert boxes[ARRAY].messages == []


def test_leaving_makes_everything_safe_and_closes(boxes, config, wire):
    with Bench.open(config):
        pass
    for address, box in boxes.items():
        assert OFF[address] in box.messages
    assert wire.visa._sessions == {}


def test_leaving_by_an_exception_makes_safe_too(boxes, config):
    with pytest.raises(KeyboardInterrupt), Bench.open(config):
        raise KeyboardInterrupt
    for address, box in boxes.items():
        assert box.messages[-2] == OFF[address]


def test_an_output_that_cannot_be_confirmed_off_outranks_the_exception(boxes, config, wire):
    boxes[SMU].replies[":OUTP?"] = "1"
    with pytest.raises(SafeStateError, match=r"1 of 4.*smu") as caught, Bench.open(config):
        raise ValueError("first")
    assert isinstance(caught.value.__context__, ValueError)
    assert any("first" in note for note in caught.value.__notes__)
    assert wire.visa._sessions == {}


def test_all_failures_to_make_safe_are_gathered_and_the_others_are_safe(boxes, config):
    bench = Bench.open(config)
    boxes[PULSER].is_deaf = True
    boxes[SMU].replies[":OUTP?"] = "1"
    with pytest.raises(SafeStateError, match=r"2 of 4.*pulser.*smu") as caught:
        bench.make_safe()
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert len(caught.value.__cause__.exceptions) == 2
    for address in (ARRAY, SWITCH):
        assert boxes[address].messages[-2] == OFF[address]
    bench.close()


def test_outputs_go_off_in_parallel_and_before_the_relays(boxes, config):
    meeting = threading.Barrier(3, timeout=20)
    order = []

    def watch(address):
        def on_write(text):
            if text == OFF[address]:
                if address != SWITCH:
                    meeting.wait()
                order.append(address)

        return on_write

    bench = Bench.open(config)
    for address, box in boxes.items():
        box.on_write = watch(address)
    bench.make_safe()
    assert sorted(order[:3]) == sorted({PULSER, SMU, ARRAY})
    assert order[3:] == [SWITCH]
    for box in boxes.values():
        box.on_write = lambda _text: None
    bench.close()


@pytest.mark.parametrize(("verb", "point"), [("connect_pulse", "(@1!1!2)"), ("connect_measure", "(@1!2!2)")])
def test_relays_move_only_with_outputs_off(boxes, config, verb, point):
    log = []
    with Bench.open(config) as bench:
        for address, box in boxes.items():
            box.on_write = lambda text, address=address: log.append((address, text))
        boxes[SWITCH].replies[":ROUT:CLOS:STAT?"] = ["(@)", point, "(@)"]
        getattr(bench, verb)(1000003)
        for box in boxes.values():
            box.on_write = lambda _text: None
    assert [text for address, text in log if address == SWITCH and "?" not in text] == [
        ":ROUT:OPEN ALL",
        f":ROUT:CLOS {point}",
    ]
    first_relay = log.index((SWITCH, ":ROUT:OPEN ALL"))
    assert set(log[:first_relay]) == {(PULSER, ":OUTP1 OFF"), (PULSER, ":OUTP1?"), (SMU, ":OUTP OFF"), (SMU, ":OUTP?")}


def test_no_relay_moves_when_an_output_stays_on(boxes, config):
    bench = Bench.open(config)
    boxes[SMU].replies[":OUTP?"] = "1"
    with pytest.raises(SafeStateError):
        bench.connect_pulse(1000003)
    assert not any("ROUT:CLOS (" in message or "OPEN" in message for message in boxes[SWITCH].messages)
    bench.close()


def test_an_absent_role_names_the_model_to_add(boxes, config):
    with Bench.open(dataclasses.replace(config, instruments=config.instruments[:1], wiring=None)) as bench:
        assert bench.pulse_source.name == "pulser"
        for role, model in (("array", "dwa-1"), ("source_meter", "keithley-2450"), ("switch", "keithley-7001")):
            with pytest.raises(ConfigError, match=model):
                getattr(bench, role)
        with pytest.raises(ConfigError, match="wiring"):
            _ = bench.wiring


def test_discovery_tells_who_answers_and_who_does_not(boxes, wire):
    boxes[SMU].is_deaf = True
    port = wire.add("ASRL1::INSTR")
    found = {entry.resource: entry for entry in discover(wire.specification)}
    assert found[ARRAY].identity == "Lab,DWA-1,7,1.0"
    assert found[SMU].identity is None
    assert "time" in (found[SMU].problem or "")
    assert port.messages == []
    assert "ASRL1::INSTR" not in found
    assert wire.visa._sessions == {}


def test_errors_from_before_are_kept_and_do_not_count_as_ours(boxes, config):
    boxes[ARRAY].replies["SYST:ERR?"] = ['-113,"Undefined header"', '0,"No error"']
    with Bench.open(config) as bench:
        assert bench.errors_found["array"] == ('-113,"Undefined header"',)
        assert bench.errors_found["smu"] == ()
        bench.array.check_errors()


def test_an_instrument_that_reports_itself_unwell_is_not_opened(boxes, config, wire):
    boxes[ARRAY].replies["SYST:ERR?"] = ['-330,"Self-test failed"', '0,"No error"']
    with pytest.raises(LinkError, match=r"array .*unwell.*Self-test failed"):
        Bench.open(config)
    assert wire.visa._sessions == {}
