"""The 81160A's twin: what it accepts, what it refuses, and what its patterns and waveforms do to the walls."""

import numpy as np
import pytest

LOAD_OHM = 2000.0
READY = f":OUTP:LOAD {LOAD_OHM};:VOLT:HIGH 1.5;LOW -1.5;:PULS:WIDT 1.5 NS;PER 100 NS;:ARM:SOUR MAN;:OUTP ON"
PULSES = f":FUNC PULS;:OUTP:LOAD {LOAD_OHM};:VOLT:LOW 0;HIGH 1.5;:PULS:WIDT 100 NS;:ARM:SOUR MAN;:OUTP ON"
PATTERN = f"{READY};:DIG:NLEV 3;:DIG:FORM PACK,1"


@pytest.fixture
def pulser(make_talk):
    talk = make_talk("keysight-81160a")
    talk.reach(2)
    return talk


def block(data: bytes) -> bytes:
    return b"#%d%d" % (len(str(len(data))), len(data)) + data


def dac(values) -> bytes:
    return block(np.array(values, ">i2").tobytes())


def test_the_identity_is_the_models(pulser):
    assert pulser.ask("*IDN?").split(",")[:3] == ["Agilent Technologies", "81160A", "MY1"]


def test_twenty_errors_are_kept_and_the_last_says_that_more_came(pulser):
    for _ in range(25):
        pulser.write("NONSENSE")
    assert pulser.errors() == [-113] * 19 + [-350]


def test_reset_restores_the_documented_defaults(pulser):
    pulser.write(f"{PULSES};:BURS:STAT ON;NCYC 7;:DIG:NLEV 3;:DIG:STAT ON;:VOLT:LIM:HIGH 2;STAT ON;:FREQ 1 KHZ;*RST")
    assert pulser.ask(":FUNC?;:OUTP?;:BURS:STAT?;NCYC?;:ARM:SOUR?;:DIG:STAT?;:VOLT:LIM:STAT?") == "SIN;0;0;1;IMM;0;0"
    values = pulser.ask(":VOLT?;:VOLT:OFFS?;:PULS:WIDT?;PER?;:FREQ?;:OUTP:LOAD?;:VOLT:LIM:HIGH?").split(";")
    assert [float(value) for value in values] == pytest.approx([1, 0, 1e-7, 1e-6, 1e6, 50, 5])


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (":FREQ 2 MHZ;:PULS:PER?", 5e-7),
        (":FREQUENCY1 250000;:PULSE:PERIOD1?", 4e-6),
        (":PULS:DCYC 20;:PULS:WIDT?", 2e-7),
        (":FUNC:PULS:WIDT 50 NS;:PULS:DCYC?", 5),
        (":PULS:HOLD DCYC;PER 2 US;WIDT?", 2e-7),
        (":PULS:PER 2 US;WIDT?", 1e-7),
        (":FUNC:PULS:TRAN 5 NS;:PULS:TRAN:TRA?", 5e-9),
        (":PULS:PER? MIN", 3.03e-9),
        (":PULS:WIDT? MAX", 1e6),
        (":BURS:NCYC 2147483647;NCYC?", 2_147_483_647),
        (":BURS:INT:PER 1 MS;PER?", 1e-3),
        (":TRAC:CHAN1 1;CHAN1?", 1),
        (":DATA:NVOL:FREE?", 4),
        (":PHAS 90;PHAS?", 90),
    ],
)
def test_settings_and_their_other_words(pulser, message, answer):
    assert float(pulser.ask(message)) == pytest.approx(answer)
    assert pulser.errors() == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (":FREQ 600 MHZ", -222),
        (":FREQ 400 MHZ", -222),
        (":FREQ 330 MHZ", -221),
        (":PULS:DCYC 99.8", -221),
        (":PULS:WIDT 1 US", -221),
        (":FUNC:PULS:TRAN 700 NS", -221),
        (":VOLT 6", -221),
        (":VOLT 11", -222),
        (":VOLT 0.01", -222),
        (":VOLT:OFFS 4.9", -222),
        (":VOLT:UNIT VRMS", -224),
        (":BURS:NCYC 0", -222),
        (":OUTP:LOAD 0.1", -222),
        (":PULS:DEL -1", -222),
        (":ARM:SOUR BUS", -224),
        (":FUNC2 PULS", -114),
        (":DIG:NLEV 5", -222),
        (":DIG:FORM PACK,2", -224),
        (":DIG:FORM ASC,8", -224),
        (":DIG:DATA 5", -161),
        (":DIG:NLEV 3;DATA #13013", -224),
        (":DIG:FORM PACK,4;DATA #13xyz", -161),
        (":DATA:DAC VOLATILE,8192", -222),
        (":DATA:DAC VOLATILE,#13abc", 800),
        (":DATA:DAC OTHER,1,2", -224),
        (":DATA:DAC VOLATILE", -109),
        (":DATA:COPY ARB", 780),
        (":DATA:DAC VOLATILE,1,2;:DATA:COPY SINC", 782),
        (":DATA:DAC VOLATILE,1,2;:DATA:COPY A,B", 784),
        (":DATA:DEL ARB", 785),
        (":DATA:DEL SINC", 786),
        (":DATA:DAC VOLATILE,1,2;:DATA:COPY VOLATILE", 787),
        (":DATA:DAC VOLATILE,1,2;:FUNC:USER VOLATILE;:DATA:DEL VOLATILE", 788),
        (":FUNC:USER ARB", 785),
        (":DATA:DAC 9LIVES,1", -224),
    ],
)
def test_what_the_instrument_refuses(pulser, message, code):
    pulser.write(message)
    assert pulser.errors() == [code]


def test_the_waveform_memory_is_full_after_four(pulser):
    pulser.write(":DATA:DAC VOLATILE,0,8191,-8191")
    for name in "ABCDE":
        pulser.write(f":DATA:COPY {name}, VOLATILE")
    assert pulser.errors() == [781]
    assert pulser.ask(":DATA:NVOL:CAT?") == '"A","B","C","D"'
    pulser.write(":DATA:DEL b;:DATA:COPY E")
    assert pulser.errors() == []
    assert pulser.ask(":DATA:NVOL:FREE?") == "0"


def test_a_count_of_triggers_or_of_cycles(pulser):
    pulser.write(f"{PULSES};:TRIG:COUN 7;:TRIG;:BURS:STAT ON;NCYC 12;*TRG;:BURS:MODE GAT;*TRG")
    assert [count for count, *_ in pulser.bursts()] == [7, 12]


# ---- patterns


def test_a_pattern_pushes_and_pulls_in_its_order(pulser):
    start_s = pulser.sample.clock.now_s
    #           push x2, pull, pause, push twice as long
    symbols = b"12120222112"
    pulser.write(PATTERN.encode() + b";:DIG:DATA " + block(symbols) + b";:DIG:STAT ON;:BURS:STAT ON;NCYC 11;:TRIG")
    assert pulser.errors() == []
    assert pulser.bursts() == [
        (2, pytest.approx(1.5), pytest.approx(100e-9)),
        (-1, pytest.approx(1.5), pytest.approx(100e-9)),
        (1, pytest.approx(1.5), pytest.approx(200e-9)),
    ]
    assert pulser.sample.clock.now_s - start_s == pytest.approx(11 * 100e-9)


def test_a_cycle_is_a_symbol_and_the_pattern_starts_over(pulser):
    pulser.write(PATTERN.encode() + b";:DIG:DATA #212121202020202;:DIG:STAT ON;:BURS:STAT ON;NCYC 15;:TRIG")
    assert [count for count, *_ in pulser.bursts()] == [2, -4, 2]


@pytest.mark.parametrize(
    ("packing", "data"),
    [(1, b"10210022"), (4, b"490A"), (8, bytes([0b01_00_10_01, 0b00_00_10_10]))],
)
def test_the_packings_hold_the_same_symbols(pulser, packing, data):
    message = f"{READY};:DIG:NLEV 3;:DIG:FORM PACK,{packing}".encode() + b";:DIG:DATA " + block(data)
    pulser.write(message)
    assert pulser.errors() == []
    assert pulser.ask_raw(":DIG:DATA?") == block(data) + b"\n"
    assert pulser.ask(":DIG:NLEV?;:DIG:FORM?") == f"3;PACK,{packing}"
    assert pulser.ask_raw(":DIG:FORM PACK,1;DATA?") == block(b"10210022") + b"\n"


def test_the_number_of_levels_is_the_patterns_own(pulser):
    pulser.write(":DIG:NLEV 2;DATA #140101;:DIG:NLEV 4")
    assert pulser.ask(":DIG:NLEV?") == "2"
    pulser.write(":DIG:DATA #140123")
    assert pulser.ask(":DIG:NLEV?") == "4"


def test_two_levels_rest_at_low(pulser):
    pulser.write(
        f":OUTP:LOAD {LOAD_OHM};:VOLT:HIGH 1.5;LOW 0;:PULS:PER 100 NS;:PULS:WIDT 10 NS;:ARM:SOUR MAN;:OUTP ON;"
        ":DIG:NLEV 2;DATA #1501010;:DIG:STAT ON;:BURS:STAT ON;NCYC 5;:TRIG"
    )
    assert pulser.errors() == [-221]  # 100 ns do not hold the 100 ns of *RST: the period stays 1 us
    assert [(count, width) for count, _, width in pulser.bursts()] == [(2, pytest.approx(1e-6))]


def test_inverted_polarity_mirrors_the_pattern(pulser):
    pulser.write(PATTERN.encode() + b";:OUTP:POL INV;:DIG:DATA #141202;:DIG:STAT ON;:BURS:STAT ON;NCYC 4;:TRIG")
    assert [count for count, *_ in pulser.bursts()] == [-1, 1]


def test_a_pattern_too_long_for_the_memory_is_refused(pulser):
    pulser.write(b":DIG:NLEV 3;:DIG:FORM PACK,8;:DIG:DATA " + block(bytes(2_097_152 // 4 + 1)))
    assert pulser.errors() == [-223]


@pytest.mark.parametrize("spoil", [":OUTP OFF", ":ARM:SOUR EXT", ":DIG:STAT OFF", "*RST"])
def test_a_pattern_is_delivered_only_when_armed(pulser, spoil):
    message = PATTERN.encode() + b";:DIG:DATA #212121202120212;:DIG:STAT ON;:BURS:STAT ON;NCYC 12"
    pulser.write(message + f";{spoil};:TRIG".encode())
    assert pulser.bursts() == []


def test_a_trigger_of_more_bursts_than_the_simulation_bears_moves_nothing(pulser):
    pulser.write(PATTERN.encode() + b";:DIG:DATA #141202;:DIG:STAT ON;:BURS:STAT ON;NCYC 2000000000;:TRIG")
    assert pulser.errors() == [-223]
    assert pulser.bursts() == []


# ---- arbitrary waveforms


@pytest.mark.parametrize("swapped", [False, True])
def test_a_waveform_of_steps_is_pulses(pulser, swapped):
    samples = [0, 8191, 0, 0, -8191, -8191, 0, 4096, 0, 0]
    data = np.array(samples, "<i2" if swapped else ">i2").tobytes()
    order = "SWAP" if swapped else "NORM"
    pulser.write(f"{READY};:PULS:PER 1 US;:FORM:BORD {order};:DATA1:DAC VOLATILE, ".encode() + block(data))
    pulser.write(":FUNC1:USER VOLATILE;:FUNC1 USER;:TRIG1:COUN 1;:TRIG")
    assert pulser.errors() == []
    assert pulser.bursts() == [
        (1, pytest.approx(1.5), pytest.approx(1e-7)),
        (-1, pytest.approx(1.5), pytest.approx(2e-7)),
        (1, pytest.approx(1.5 * 4096 / 8191), pytest.approx(1e-7)),
    ]


def test_a_waveform_may_be_sent_as_numbers(pulser):
    pulser.write(f"{READY};:DATA:DAC VOLATILE,0,8191,0,-8191,0;:FUNC:USER VOLATILE;:FUNC USER;:TRIG:COUN 3;:TRIG")
    assert [count for count, *_ in pulser.bursts()] == [1, -1] * 3


def test_built_in_waveforms_and_other_shapes_deliver_nothing(pulser):
    pulser.write(f"{READY};:FUNC USER;:TRIG;:FUNC SQU;:TRIG")
    pulser.write(":APPL1:SQU 1000, 1, 0;:ARM:SOUR MAN;:TRIG")
    assert pulser.errors() == []
    assert pulser.ask(":FUNC?;:OUTP?") == "SQU;1"
    assert pulser.bursts() == []
