"""The 577's twin: a line in, a line out, and pulses from channels A and B."""

import pytest

GAIN = 2000 / 2050
READY = (
    ":PULSE0:TRIG:MODE TRIG",
    ":PULSE0:MODE BURS",
    ":PULSE0:BCO 7",
    ":PULSE0:PER 1E-6",
    ":PULSE1:OUTP:MODE ADJ",
    ":PULSE1:OUTP:AMPL 2.5",
    ":PULSE1:WIDT 1E-7",
    ":PULSE1:STATE ON",
    ":PULSE0:STATE ON",
)


@pytest.fixture
def pulser(make_talk):
    talk = make_talk("bnc-577", "ASRL3::INSTR")
    talk.reach(2)
    return talk


def say(pulser, *lines: str) -> str:
    """Send lines, each of which must be answered at once, and return the last answer."""
    answer = ""
    for line in lines:
        pulser.instrument.receive(line.encode() + b"\r\n", has_end=False)
        raw = pulser.instrument.send(4096, has_end=False).data
        assert raw.endswith(b"\r\n")
        answer = raw.decode().removesuffix("\r\n")
    return answer


def test_the_identity(pulser):
    assert say(pulser, "*IDN?").split(",")[:3] == ["BNC", "577-8C", "MY1"]


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([":PULSE1:STATE ON"], "ok"),
        ([":PULSE1:STATE ON", ":PULSE1:STATE?"], "1"),
        ([":puls8:widt 0.000120", ":PULSE8:WIDTH?"], "0.00012000000"),
        ([":PULS2:POL COMPLEMENT", ":PULSE2:POL?"], "COMP"),
        ([":PULSE0:MOD SING", ":PULS0:MODE?"], "SING"),
        ([":PULSE0:PER?"], "0.00100000000"),
        ([":PULSE:TRIG:MODE TRIG", ":PULSE0:TRIG:MOD?"], "TRIG"),
        ([":INST:CAT?"], "T0, CHA, CHB, CHC, CHD, CHE, CHF, CHG, CHH"),
        ([":PULSE3:OUTP:AMPL 20", "*SAV 2", "*RST", "*RCL 2", ":PULSE3:OUTP:AMPL?"], "20.00000000000"),
        ([":PULSE3:OUTP:AMPL 20", "*RST", ":PULSE3:OUTP:AMPL?"], "4.00000000000"),
        (["PULSE1:STATE ON"], "?1"),
        (["hello"], "?1"),
        ([":"], "?2"),
        (["*"], "?2"),
        ([":PULSE1:NONSENSE 1"], "?3"),
        ([":PULSE9:STATE ON"], "?3"),
        ([":PULSE1:STAT:"], "?3"),
        (["*ESR?"], "?3"),
        ([":SYST:ERR?"], "?3"),
        ([":PULSE1:WIDT"], "?4"),
        ([":PULSE1:WIDT abc"], "?5"),
        ([":PULSE1:WIDT 1,2"], "?5"),
        ([":PULSE1:POL UP"], "?5"),
        ([":PULSE1:WIDT 1E-7;:PULSE1:STATE ON"], "?5"),
        (["*IDN"], "?6"),
        (["*TRG?"], "?7"),
        (["*TRG"], "?8"),
        ([":PULSE1:WIDT 9E-9"], "?9"),
        ([":PULSE1:OUTP:AMPL 1.99"], "?9"),
        ([":PULSE1:OUTP:AMPL 20.1"], "?9"),
        ([":PULSE0:PER 9E-8"], "?9"),
        ([":PULSE0:BCO 10000000"], "?9"),
        (["*RCL 5"], "?9"),
    ],
)
def test_every_line_is_answered(pulser, lines, answer):
    assert say(pulser, *lines) == answer


def test_a_refused_command_changes_nothing(pulser):
    say(pulser, ":PULSE1:WIDT 2E-7", ":PULSE1:WIDT 1E-9")
    assert say(pulser, ":PULSE1:WIDT?") == "0.00000020000"


def test_replies_wait_one_after_another_until_they_are_read(pulser):
    pulser.instrument.receive(b":PULSE1:STATE ON\r\n*ID", has_end=False)
    pulser.instrument.receive(b"N?\r\nx\r\n", has_end=False)
    assert pulser.instrument.poll() == 16
    assert pulser.instrument.send(2, has_end=False).data == b"ok"
    replies = [pulser.instrument.send(4096, has_end=False).data for _ in range(3)]
    assert replies == [b"\r\n", b"BNC,577-8C,MY1,2.4.1-2.0.11\r\n", b"?1\r\n"]
    assert pulser.instrument.send(4096, has_end=False) is None
    assert pulser.instrument.poll() == 0


def test_a_clear_forgets_half_a_line_and_the_replies(pulser):
    pulser.instrument.receive(b"*IDN?\r\n:PULSE1:STA", has_end=False)
    pulser.instrument.clear()
    assert say(pulser, ":PULSE1:STATE?") == "0"


def test_endless_lines_and_unread_replies_take_no_memory(pulser):
    for _ in range(100):
        pulser.instrument.receive(b"x" * 10_000, has_end=False)
    assert say(pulser, "") == "?3"
    for _ in range(10_000):
        pulser.instrument.receive(b"*IDN?\r\n", has_end=False)
    waiting = 0
    while (chunk := pulser.instrument.send(4096, has_end=False)) is not None:
        waiting += len(chunk.data)
    assert waiting < 66_000


def test_a_trigger_fires_a_burst_of_pushes_from_channel_a(pulser):
    start_s = pulser.sample.clock.now_s
    say(pulser, *READY)
    assert pulser.bursts() == []
    assert say(pulser, "*TRG") == "ok"
    assert pulser.bursts() == [(7, pytest.approx(2.5 * GAIN), 1e-7)]
    assert pulser.sample.clock.now_s - start_s == pytest.approx(7e-6)
    say(pulser, "*TRG")
    assert len(pulser.bursts()) == 2


def test_channel_b_pulls_through_its_inverter(pulser):
    say(pulser, *(line.replace("PULSE1", "PULSE2") for line in READY), "*TRG")
    assert pulser.bursts() == [(-7, pytest.approx(2.5 * GAIN), 1e-7)]


def test_inverted_polarity_goes_the_other_way(pulser):
    say(pulser, *READY, ":PULSE1:POL INV", "*TRG")
    assert pulser.bursts()[0][0] == -7


def test_other_channels_are_open_circuits(pulser):
    say(pulser, *(line.replace("PULSE1", "PULSE3") for line in READY), "*TRG")
    assert pulser.bursts() == []


def test_an_internal_start_fires_when_the_system_is_switched_on(pulser):
    say(pulser, ":PULSE0:TRIG:MODE DIS", *READY[1:])
    assert [count for count, *_ in pulser.bursts()] == [7]
    assert say(pulser, "*TRG") == "?8"
    say(pulser, ":PULSE0:STATE OFF", ":PULSE0:MODE SING", ":PULSE0:STATE 1")
    assert [count for count, *_ in pulser.bursts()] == [7, 1]


@pytest.mark.parametrize(
    ("line", "count"),
    [
        (":PULSE1:CMOD SING", 1),
        (":PULSE1:CMOD BURS", 1),
        (":PULSE1:BCO 3", 7),
        (":PULSE1:WCO 2", 5),
        (":PULSE1:WCO 9", None),
        (":PULSE1:CMOD DCYC", None),
        (":PULSE0:MODE NORM", None),
        (":PULSE0:MODE DCYC", None),
        (":PULSE1:STATE OFF", None),
    ],
)
def test_counters_and_modes_say_how_many(pulser, line, count):
    say(pulser, *READY, line, "*TRG")
    assert [pulses for pulses, *_ in pulser.bursts()] == ([] if count is None else [count])


def test_both_channels_take_turns_in_the_order_of_their_delays(pulser):
    second = (line.replace("PULSE1", "PULSE2") for line in READY[4:8])
    say(pulser, *READY[:3], *second, ":PULSE1:DEL 3E-7", *READY[3:], ":PULSE0:BCO 2", "*TRG")
    assert [count for count, *_ in pulser.bursts()] == [-1, 1, -1, 1]


@pytest.mark.parametrize("line", [":PULSE1:WIDT 2E-6", ":PULSE1:DEL 9.5E-7", ":PULSE0:PER 1E-7"])
def test_pulses_that_the_period_does_not_hold_are_not_fired(pulser, line):
    say(pulser, *READY, line if "PER" not in line else ":PULSE1:WIDT 2E-7", line)
    assert say(pulser, "*TRG") == "?8"
    assert pulser.bursts() == []


def test_ttl_has_its_own_level(pulser):
    say(pulser, *READY, ":PULSE1:OUTP:MODE TTL", "*TRG")
    assert pulser.bursts()[0][1] == pytest.approx(4 * GAIN)


def test_relays_notice_a_running_system(pulser):
    say(pulser, *READY)
    pulser.reach(3)
    assert len(pulser.bench.wiring.hot_switches) == 1
    say(pulser, ":PULSE0:STATE OFF")
    pulser.reach(4)
    assert len(pulser.bench.wiring.hot_switches) == 1
