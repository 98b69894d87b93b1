"""The 33500B's and the 33600A's twins: what they accept, what they refuse, and what bursts and sequences deliver."""

import numpy as np
import pytest

MODELS = ["keysight-33500b", "keysight-33600a"]
PULSES = (
    "OUTP:LOAD 2000;:SOUR1:FUNC PULS;:SOUR1:VOLT:LOW 0;HIGH 1.5;:SOUR1:FUNC:PULS:WIDT 100 NS;PER 1 US;"
    ":SOUR1:BURS:NCYC 7;STAT ON;:TRIG1:SOUR BUS;:OUTP1 ON"
)
# 100 ns to a sample, -1.5 V to +1.5 V.
ARB = "OUTP:LOAD 2000;:VOLT:HIGH 1.5;LOW -1.5;:FUNC:ARB:SRAT 10E6;:BURS:STAT ON;:TRIG:SOUR BUS;:OUTP ON"
TAIL = (0,) * 32


@pytest.fixture(params=MODELS)
def pulser(make_talk, request):
    talk = make_talk(request.param)
    talk.reach(2)
    return talk


@pytest.fixture
def trueform(make_talk):
    talk = make_talk("keysight-33500b")
    talk.reach(2)
    return talk


def block(data: bytes) -> bytes:
    return b"#%d%d" % (len(str(len(data))), len(data)) + data


def load(talk, name: str, samples, dtype: str = ">i2") -> None:
    talk.write(f"DATA:ARB:DAC {name},".encode() + block((np.array(samples) * 32767).astype(dtype).tobytes()))


def sequence(talk, text: str) -> None:
    talk.write(b"DATA:SEQ " + block(text.encode()))


@pytest.mark.parametrize(("model", "name"), list(zip(MODELS, ["33522B", "33622A"], strict=True)))
def test_identities(make_talk, model, name):
    assert make_talk(model).ask("*IDN?").split(",")[:3] == ["Agilent Technologies", name, "MY1"]


def test_twenty_errors_are_kept_and_numbers_carry_their_sign(pulser):
    assert pulser.ask("SYST:ERR?") == '+0,"No error"'
    for _ in range(25):
        pulser.write("NONSENSE")
    assert pulser.ask("SYST:ERR?").startswith('-113,"Undefined header')
    assert pulser.errors() == [-113] * 18 + [-350]


def test_reset_restores_the_documented_defaults(pulser):
    pulser.write(f"{PULSES};:SOUR2:VOLT 3;:OUTP2 ON;:OUTP:SYNC OFF;:VOLT:LIM:HIGH 2;STAT ON;:FORM:BORD SWAP;*RST")
    words = ":FUNC?;:OUTP1?;:OUTP2?;:BURS:STAT?;MODE?;:TRIG1:SOUR?;:VOLT:LIM:STAT?;:OUTP:SYNC?;:FORM:BORD?"
    assert pulser.ask(words) == "SIN;0;0;0;TRIG;IMM;0;1;NORM"
    values = pulser.ask(":VOLT?;:VOLT:OFFS?;:FREQ?;:FUNC:PULS:WIDT?;TRAN?;:OUTP:LOAD?;:SOUR2:VOLT?;:FUNC:ARB:SRAT?")
    assert [float(value) for value in values.split(";")] == pytest.approx([0.1, 0, 1e3, 1e-4, 1e-8, 50, 0.1, 4e4])
    assert pulser.ask("FUNC:ARB?") == '"INT:\\BUILTIN\\EXP_RISE.ARB"'


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("SOUR1:FREQ 2 KHZ;:FUNC:PULS:PER?", 5e-4),
        ("SOURCE2:FREQUENCY 2 KHZ;:SOUR2:FUNC:PULS:PER?", 5e-4),
        ("SOURCE2:FREQUENCY 2 KHZ;:SOUR1:FUNC:PULS:PER?", 1e-3),
        ("FUNC:PULS:DCYC 20;WIDT?", 2e-4),
        ("FUNC:PULS:HOLD DCYC;PER 2 MS;WIDT?", 2e-4),
        ("FUNC:PULS:PER 2 MS;WIDT?", 1e-4),
        ("SOUR1:BURS:NCYC 5;:BURS:NCYC?", 5),
        ("BURS:NCYC INF;NCYC?", 9.9e37),
        ("BURS:NCYC? MAX", 1e8),
        ("OUTP1:LOAD INF;LOAD?", 9.9e37),
        ("VOLT:HIGH 1;:OUTP:LOAD INF;:VOLT:HIGH?", 2),
        ("OUTP2:LOAD 100;:OUTP1:LOAD?", 50),
        ("TRIG2:TIM 5;TIM?", 5),
        ("TRIGGER1:DELAY 1 MS;DELAY?", 1e-3),
        ("DATA:VOL:FREE?", 1e6),
    ],
)
def test_settings_of_two_channels(pulser, message, answer):
    assert float(pulser.ask(message)) == pytest.approx(answer)
    assert pulser.errors() == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("FUNC:PULS:WIDT 15 NS", -222),
        ("FUNC:PULS:PER 32 NS", -222),
        ("FUNC:PULS:TRAN 8 NS", -222),
        ("FUNC PULS;:FUNC:PULS:PER 50 US", -221),
        ("FUNC PULS;:FUNC:PULS:WIDT 2 MS", -221),
        ("FREQ 20 MHZ;:FUNC PULS", -221),
        ("FUNC:ARB:SRAT 300E6", -222),
        ("VOLT 9 MV", -222),
        ("VOLT:HIGH 5.01", -222),
        ("VOLT:LIM:HIGH 1;STAT ON;:VOLT:HIGH 1.2", -222),
        ("OUTP:LOAD 20000", -222),
        ("FUNC USER", -224),
        ("SOUR3:FUNC PULS", -114),
        ("VOLT2:HIGH 1", -113),
        ("TRIG:COUN 0", -222),
        ("BURS:NCYC 0", -222),
        ("TRIG:SOUR MAN", -224),
        ("*TRG", -211),
        ("FUNC:ARB nothere", 785),
        ("DATA:ATTR:POIN? nothere", 785),
        ("DATA:ARB:DAC a,0,0,0", -222),
        ("DATA:ARB:DAC a,0,0,0,0,0,0,0,32768", -222),
        ("DATA:ARB a,0,0,0,0,0,0,0,1.1", -222),
        ("DATA:ARB:DAC a,#13abc", 800),
        ('DATA:SEQ #225"s","a",0,once,maintain,4', 785),
        ("DATA:SEQ #13abc", -161),
        ("DATA:SEQ 1", -161),
        ("DISP:TEXT hello", -104),
    ],
)
def test_what_the_33500b_refuses(trueform, message, code):
    trueform.write(message)
    assert trueform.errors()[0] == code


@pytest.mark.parametrize("messages", [["FUNC PULS", "FREQ 20 KHZ"], ["FREQ 20 KHZ", "FUNC PULS"]])
def test_a_pulse_gets_shorter_with_its_period_and_that_is_reported(trueform, messages):
    trueform.write(messages[0])
    assert trueform.errors() == []
    trueform.write(messages[1])
    assert trueform.errors() == [-221]
    assert trueform.ask("FUNC?") == "PULS"
    assert float(trueform.ask("FUNC:PULS:WIDT?")) == pytest.approx(50e-6 - 12.5e-9)


def test_other_shapes_do_not_care_for_the_pulse_width(trueform):
    assert float(trueform.ask("FREQ 20 MHZ;:FREQ?")) == pytest.approx(20e6)
    assert float(trueform.ask("FUNC:PULS:WIDT?")) == pytest.approx(100e-6)
    assert trueform.errors() == []


@pytest.mark.parametrize("message", ["FUNC:PULS:WIDT 6 NS", "FUNC:PULS:TRAN 3 NS", "FUNC:ARB:SRAT 600E6"])
def test_the_33600a_is_faster(make_talk, message):
    fast, slow = make_talk("keysight-33600a"), make_talk("keysight-33500b")
    for talk, errors in ((fast, []), (slow, [-222])):
        talk.write(message)
        assert talk.errors() == errors


def test_the_lock_belongs_to_the_interface_that_took_it(pulser):
    instrument = pulser.instrument
    instrument.receive(b"SYST:LOCK:REQ?\n", has_end=True, interface="LAN")
    assert pulser.read_raw() == b"1\n"
    instrument.receive(b"OUTP1 ON\n", has_end=True, interface="USB")
    assert pulser.errors() == [-203]
    instrument.receive(b"OUTP1?\n", has_end=True, interface="USB")
    assert pulser.read_raw() == b"0\n"


# ---- bursts


def test_a_trigger_sends_the_cycles_of_the_burst(pulser):
    start_s = pulser.sample.clock.now_s
    pulser.write(f"{PULSES};*TRG")
    assert pulser.errors() == []
    assert pulser.bursts() == [(7, pytest.approx(1.5), 1e-7)]
    assert pulser.sample.clock.now_s - start_s == pytest.approx(7e-6)


def test_inverted_polarity_pulls(pulser):
    pulser.write(f"{PULSES};:VOLT:LOW -1.5;HIGH 0;:OUTP:POL INV;:TRIG1")
    assert pulser.bursts() == [(-7, pytest.approx(1.5), 1e-7)]


@pytest.mark.parametrize(
    "spoil",
    [
        "OUTP1 OFF",
        "BURS:STAT OFF",
        "BURS:MODE GAT",
        "BURS:NCYC INF",
        "TRIG1:SOUR IMM",
        "FUNC SQU",
        "FUNC ARB",
        "*RST",
    ],
)
def test_nothing_is_delivered_unless_armed_for_a_finite_burst(pulser, spoil):
    pulser.write(f"{PULSES};:{spoil.removeprefix(':')};*TRG" if spoil != "*RST" else f"{PULSES};*RST;*TRG")
    assert pulser.bursts() == []


def test_the_second_channel_reaches_no_device(pulser):
    second = PULSES.replace("SOUR1", "SOUR2").replace("TRIG1", "TRIG2").replace("OUTP1", "OUTP2")
    pulser.write(f"{second.replace('OUTP:LOAD', 'OUTP2:LOAD')};*TRG;:TRIG2")
    assert pulser.errors() == []
    assert pulser.bursts() == []


# ---- waveforms and sequences


@pytest.mark.parametrize("order", ["NORM", "SWAP"])
def test_a_waveform_of_steps_is_pulses_in_order(pulser, order):
    pulser.write(f"FORM:BORD {order}")
    load(pulser, "steps", (0, 1, 0, 1, 0, -0.5, -0.5, *TAIL), "<i2" if order == "SWAP" else ">i2")
    pulser.write(f"{ARB};:FUNC:ARB steps;:FUNC ARB;:BURS:NCYC 2;*TRG")
    assert pulser.errors() == []
    assert (
        pulser.bursts()
        == [
            (2, pytest.approx(1.5), pytest.approx(1e-7)),
            (-1, pytest.approx(0.75, rel=1e-4), pytest.approx(2e-7)),
        ]
        * 2
    )
    assert pulser.ask("FUNC:ARB?;:DATA:ATTR:POIN?") == f'"steps";{len(TAIL) + 7}'


def test_waveforms_as_numbers_and_as_floats(pulser):
    zeros = ",".join(["0"] * 32)
    pulser.write(f"SOUR1:DATA:ARB:DAC up, 32767, {zeros}")
    pulser.write(b"DATA:ARB down," + block(np.array([-1.0, *TAIL], ">f4").tobytes()))
    pulser.write(f"{ARB};:FUNC ARB;:FUNC:ARB 'up';*TRG;:FUNC:ARB \"DOWN\";*TRG")
    assert pulser.errors() == []
    assert [count for count, *_ in pulser.bursts()] == [1, -1]
    assert pulser.ask("DATA:VOL:CAT?") == '"INT:\\BUILTIN\\EXP_RISE.ARB","up","down"'


@pytest.mark.parametrize(
    ("command", "samples"),
    [
        (b"DATA:ARB a,", np.array([1.5, *TAIL], ">f4")),
        (b"DATA:ARB a,", np.array([np.nan, *TAIL], ">f4")),
        (b"DATA:ARB:DAC a,", np.array([-32768, *TAIL], ">i2")),
    ],
)
def test_samples_of_a_block_above_full_scale_are_refused(pulser, command, samples):
    pulser.write(command + block(samples.tobytes()))
    assert pulser.errors() == [-222]


def test_a_name_is_taken_until_the_memory_is_cleared(pulser):
    load(pulser, "a", TAIL)
    load(pulser, "A", TAIL)
    assert pulser.errors() == [786]
    pulser.write("FUNC:ARB a;:SOUR1:DATA:VOL:CLE")
    load(pulser, "a", TAIL)
    assert pulser.errors() == []
    assert pulser.ask("FUNC:ARB?") == '"INT:\\BUILTIN\\EXP_RISE.ARB"'


def test_memory_ends(pulser):
    load(pulser, "long", np.zeros(999_990))
    load(pulser, "more", TAIL)
    assert pulser.errors() == [880]
    assert pulser.ask("DATA:VOL:FREE?") == "10"


def test_a_sequence_plays_from_one_wait_to_the_next(pulser):
    load(pulser, "rest", TAIL)
    load(pulser, "push", (1, *TAIL))
    load(pulser, "pull", (-1, *TAIL))
    sequence(
        pulser,
        '"train", "rest",0,repeatTilTrig,maintain,4,"push",3,repeat,maintain,4,"pull",1,once,lowAtStart,4,'
        '"push",2,onceWaitTrig,maintain,4,"pull",5,repeat,maintain,4',
    )
    pulser.write(f"{ARB};:BURS:STAT OFF;:FUNC ARB;:FUNC:ARB train;*TRG")
    assert pulser.errors() == []
    assert [count for count, *_ in pulser.bursts()] == [3, -1, 1]
    pulser.write("*TRG")
    assert [count for count, *_ in pulser.bursts()] == [3, -1, 1, -5]
    pulser.write("*TRG")
    assert [count for count, *_ in pulser.bursts()] == [3, -1, 1, -5, 3, -1, 1]


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ('"nothere",1,once,maintain,4', 785),
        ('"rest",1,twice,maintain,4', -224),
        ('"rest",1,once,never,4', -224),
        ('"rest",1000001,repeat,maintain,4', -222),
        ('"rest",-1,repeat,maintain,4', -222),
        (f'"rest",{"9" * 5000},repeat,maintain,4', -222),
        (f'"rest",1,repeat,maintain,{"9" * 5000}', -222),
        ('"rest\\0",1,once,maintain,4', 785),
        ('"' + "r" * 200_000 + '",1,once,maintain,4', -161),
        ('"rest",1,once,maintain', -161),
        (",".join(['"rest",1,once,maintain,4'] * 513), -223),
    ],
)
def test_sequences_that_are_refused(pulser, steps, code):
    load(pulser, "rest", TAIL)
    sequence(pulser, f'"s",{steps}')
    assert pulser.errors() == [code]
    pulser.write("FUNC:ARB s")
    assert pulser.errors() == [785]


def test_a_sequence_without_a_wait_has_no_end_and_delivers_nothing(pulser):
    load(pulser, "push", (1, *TAIL))
    sequence(pulser, '"s","push",1,once,maintain,4')
    pulser.write(f"{ARB};:FUNC ARB;:FUNC:ARB s;*TRG")
    assert pulser.bursts() == []
