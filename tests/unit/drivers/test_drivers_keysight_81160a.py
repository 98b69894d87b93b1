"""The 81160A on the wire."""

import numpy as np
import pytest

from drivers.errors import ConfigError, InstrumentError, LimitError, LinkTimeout, SafeStateError, SettingsChanged
from drivers.instrument import OutputState, Session
from drivers.limits import Limit
from drivers.link_state import LinkState
from drivers.protocols import Polarity, Pulse, PulseSource, PulseTrain
from drivers.pulse_generators.bounds import PulseBounds
from drivers.pulse_generators.keysight_81160a import (
    COUNT,
    KIND,
    LONGEST_PATTERN,
    MODEL,
    PERIOD,
    SAFE,
    WIDTH,
    Keysight81160A,
    amplitude_limit,
)

PUSH = Pulse(polarity=Polarity.PUSH, amplitude_v=1.5, width_s=1e-7)
PULL = Pulse(polarity=Polarity.PULL, amplitude_v=1.5, width_s=1e-7)
DEFAULTS = {":TRIG1:COUN": "1", ":BURS1:STAT": "0", ":OUTP1": "0"}


def make_train(symbols, *, push_v=1.5, pull_v=1.5, width_s=1e-7, period_s=1e-6) -> PulseTrain:
    return PulseTrain(
        push_amplitude_v=push_v,
        pull_amplitude_v=pull_v,
        width_s=width_s,
        period_s=period_s,
        symbols=np.array(symbols, np.int8),
    )


class Generator:
    """Enough of an 81160A to answer read-backs."""

    def __init__(self, wire):
        self.box = wire.add(replies={"*IDN?": "Agilent Technologies,81160A,MY1,1.0", "*OPC?": "1"})
        self.settings: dict[str, str] = dict(DEFAULTS)
        self.events = "0"
        self.forced: dict[str, str] = {}
        self.block = b""
        self.box.on_write = self.obey

    def obey(self, text: str) -> None:
        if text.startswith(":DIG1:PATT:DATA "):
            self.block = self.box.raw[-1].split(b" ", 1)[1]
        elif text == ":DIG1:PATT:DATA?":
            self.box.replies[text] = self.block
        elif text.endswith("?") and text not in ("*IDN?", "*OPC?", "SYST:ERR?", "*ESE?"):
            # The fake instrument looks up the queries of a joint message one by one, without their colons.
            queries = text.split(";")
            self.box.replies |= {query: self.answer(query) for query in queries}
            self.box.replies |= {query.removeprefix(":"): self.answer(query) for query in queries}
        header, _, value = text.partition(" ")
        if value:
            self.settings[header] = {"ON": "1", "OFF": "0"}.get(value, value)

    def answer(self, query: str) -> str:
        header = query.removesuffix("?")
        return self.events if query == "*ESR?" else self.forced.get(header, self.settings.get(header, "0"))


@pytest.fixture
def generator(wire):
    return Generator(wire)


def make_source(wire, *, energy_j: float = 1e3):
    session = Session("pulser", wire.link(), kind=KIND, safe=SAFE)
    bounds = PulseBounds(
        amplitude=amplitude_limit(50.0).narrowed(0.1, 3.0, "the bench"),
        width=WIDTH.narrowed(2e-9, 2e-6, "the bench"),
        count=COUNT,
        period=PERIOD,
        energy=Limit(quantity="energy of a burst", low=0, high=energy_j, unit="J", origin="the bench"),
        load_ohm=50.0,
    )
    return Keysight81160A(session, bounds=bounds)


@pytest.fixture
def source(wire, generator):
    return make_source(wire)


def test_opening_reads_and_touches_nothing(source, generator):
    assert generator.box.messages == ["*IDN?", ":OUTP1?"]
    assert source.session.output is OutputState.OFF
    assert isinstance(source, PulseSource)


def test_arming_a_push_pulse(source, generator):
    generator.box.messages.clear()
    source.arm(PUSH)
    assert generator.box.messages == [
        ":OUTP1 OFF",
        ":OUTP1?",
        ":ARM:SOUR1 MAN",
        ":DIG1:PATT:STAT OFF",
        ":VOLT1:LIM:STAT OFF",
        ":OUTP1:LOAD 50.0",
        ":FUNC1 PULS",
        ":OUTP1:POL NORM",
        ":VOLT1 0.05",
        ":VOLT1:OFFS 0.75",
        ":VOLT1:HIGH 1.5",
        ":VOLT1:LOW 0.0",
        ":FUNC1:PULS:TRAN 1E-09",
        ":PULS:WIDT1 1.5E-09",
        ":PULS:PER1 1E-06",
        ":PULS:WIDT1 1E-07",
        ":BURS1:MODE TRIG",
        ":BURS1:STAT OFF",
        ":TRIG1:COUN 1",
        ":VOLT1:LIM:HIGH 3.0",
        ":VOLT1:LIM:LOW -3.0",
        ":VOLT1:LIM:STAT ON",
        "SYST:ERR?",
        ":VOLT1:HIGH?",
        ":VOLT1:LOW?",
        ":PULS:WIDT1?",
        ":VOLT1:LIM:STAT?",
        ":VOLT1:LIM:HIGH?",
        ":VOLT1:LIM:LOW?",
        ":OUTP1 ON",
        ":OUTP1?",
        "SYST:ERR?",
        "*ESR?",
    ]
    assert source.session.output is OutputState.ON


def test_a_pull_pulse_is_inverted_and_rests_at_zero(source, generator):
    source.arm(PULL)
    wanted = {":OUTP1:POL": "INV", ":VOLT1:HIGH": "0.0", ":VOLT1:LOW": "-1.5"}
    assert {header: generator.settings[header] for header in wanted} == wanted


@pytest.mark.parametrize(
    ("count", "commands", "counted"),
    [
        (1, [":BURS1:STAT OFF"], ":BURS1:STAT?;:TRIG1:COUN?"),
        (2, [":BURS1:NCYC 2", ":BURS1:STAT ON"], ":BURS1:NCYC?;:BURS1:STAT?"),
        (2_000_000_000, [":BURS1:NCYC 2000000000", ":BURS1:STAT ON"], ":BURS1:NCYC?;:BURS1:STAT?"),
    ],
)
def test_firing_verifies_before_and_after(source, generator, count, commands, counted):
    source.arm(PUSH)
    generator.box.messages.clear()
    source.fire(count)
    verify = [
        f"*ESR?;:VOLT1:HIGH?;:VOLT1:LOW?;:PULS:WIDT1?;:VOLT1:LIM:STAT?;:VOLT1:LIM:HIGH?;:VOLT1:LIM:LOW?;{counted};:OUTP1?",
        ":ARM:SOUR1?",
    ]
    assert generator.box.messages == [
        *commands,
        "SYST:ERR?",
        "*ESR?",
        *verify,
        "*TRG",
        "*OPC?",
        "SYST:ERR?",
        *verify,
    ]


CHANGES = [
    ("events", "128"),
    (":VOLT1:HIGH", "1.6"),
    (":VOLT1:LOW", "-1"),
    (":PULS:WIDT1", "2e-7"),
    (":VOLT1:LIM:STAT", "0"),
    (":VOLT1:LIM:HIGH", "5"),
    (":VOLT1:LIM:LOW", "-5"),
    (":BURS1:NCYC", "50"),
    (":BURS1:STAT", "0"),
    (":OUTP1", "0"),
    (":ARM:SOUR1", "IMM"),
]


def change(generator, header, value):
    if header == "events":
        generator.events = value
    else:
        generator.forced[header] = value


@pytest.mark.parametrize(("header", "value"), CHANGES)
def test_nothing_fires_when_a_setting_is_not_as_it_was_left(source, generator, header, value):
    source.arm(PUSH)
    source.fire(5)
    if header == ":OUTP1":
        change(generator, header, value)
    else:
        # After the burst length is written and before the trigger.
        taken = generator.box.on_write
        generator.box.on_write = lambda text: (change(generator, header, value), taken(text))
    with pytest.raises(SettingsChanged):
        source.fire(5)
    assert generator.box.messages.count("*TRG") == 1
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(5)


@pytest.mark.parametrize(("header", "value"), CHANGES)
def test_a_change_after_the_trigger_leaves_the_outcome_unknown(source, generator, header, value):
    source.arm(PUSH)
    taken = generator.box.on_write

    def spoil(text):
        if text == "*TRG":
            change(generator, header, value)
        taken(text)

    generator.box.on_write = spoil
    with pytest.raises(InstrumentError, match="how many pulses went out is unknown") as caught:
        source.fire(5)
    assert not isinstance(caught.value, SettingsChanged)
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(5)
    assert generator.box.messages.count("*TRG") == 1


def test_the_deadline_covers_the_burst(source, generator):
    source.arm(PUSH)
    source.fire(100_000_000)
    assert max(generator.box.timeouts_ms) >= 100_000  # 1e8 periods of 1 us


@pytest.mark.parametrize("count", [0, -1, 2_147_483_648])
def test_counts_outside_the_range_send_nothing(source, generator, count):
    source.arm(PUSH)
    generator.box.messages.clear()
    with pytest.raises(LimitError):
        source.fire(count)
    assert generator.box.messages == []


@pytest.mark.parametrize(
    "pulse",
    [
        Pulse(polarity=Polarity.PUSH, amplitude_v=3.1, width_s=1e-7),
        Pulse(polarity=Polarity.PUSH, amplitude_v=float("nan"), width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=-1.0, width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=1.0, width_s=1e-5),
    ],
)
def test_pulses_outside_the_limits_send_nothing(source, generator, pulse):
    generator.box.messages.clear()
    with pytest.raises(LimitError):
        source.arm(pulse)
    assert generator.box.messages == []


def test_nothing_fires_unarmed(source, generator):
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)
    source.arm(PUSH)
    source.output_off()
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)
    assert "*TRG" not in generator.box.messages


def test_a_refused_setting_leaves_the_output_off(source, generator):
    generator.box.replies["SYST:ERR?"] = ['-221,"Settings conflict"', '0,"No error"']
    with pytest.raises(InstrumentError, match="Settings conflict"):
        source.arm(PUSH)
    assert ":OUTP1 ON" not in generator.box.messages


@pytest.mark.parametrize(
    "header", [":VOLT1:HIGH", ":VOLT1:LOW", ":PULS:WIDT1", ":VOLT1:LIM:STAT", ":VOLT1:LIM:HIGH", ":VOLT1:LIM:LOW"]
)
def test_a_setting_that_did_not_take_leaves_the_output_off(source, generator, header):
    generator.forced[header] = "0.3"
    with pytest.raises(InstrumentError, match=r"0.3"):
        source.arm(PUSH)
    assert ":OUTP1 ON" not in generator.box.messages


def test_a_burst_without_an_answer_is_not_fired_again(source, generator):
    source.arm(PUSH)
    del generator.box.replies["*OPC?"]
    with pytest.raises(LinkTimeout):
        source.fire(5)
    assert source.session.link.state is LinkState.DESYNCED
    source.output_off()
    assert source.session.link.state is LinkState.SYNCED
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(5)
    assert generator.box.messages.count("*TRG") == 1


def test_an_output_that_stays_on_is_reported(source, generator):
    source.arm(PUSH)
    generator.forced[":OUTP1"] = "1"
    with pytest.raises(SafeStateError):
        source.output_off()


def test_nothing_fires_on_a_new_connection(source, generator):
    source.arm(PUSH)
    source.session.link.resynchronise()
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)
    assert "*TRG" not in generator.box.messages


def test_levels_scale_with_the_load():
    assert amplitude_limit(50.0).high == 5.0
    assert amplitude_limit(2000.0).high == pytest.approx(9.756, abs=1e-3)


# ---- trains


def sent_block(generator) -> bytes:
    header = 2 + int(generator.block[1:2])
    return generator.block[header:-1]


def test_a_train_is_one_block_and_one_trigger(source, generator):
    generator.box.messages.clear()
    train = make_train([1, -1, 0, 1], width_s=1e-7, period_s=3e-7)
    cost = source.cost(train)
    assert generator.box.messages == []
    source.play(train)
    assert generator.box.messages == [
        ":OUTP1 OFF",
        ":OUTP1?",
        ":ARM:SOUR1 MAN",
        ":DIG1:PATT:STAT OFF",
        ":VOLT1:LIM:STAT OFF",
        ":OUTP1:LOAD 50.0",
        ":FUNC1 PULS",
        ":OUTP1:POL NORM",
        ":VOLT1 0.05",
        ":VOLT1:OFFS 0.0",
        ":VOLT1:HIGH 1.5",
        ":VOLT1:LOW -1.5",
        ":FUNC1:PULS:TRAN 1E-09",
        ":PULS:WIDT1 1.5E-09",
        ":PULS:PER1 1E-07",
        ":PULS:WIDT1 1.5E-09",
        ":BURS1:MODE TRIG",
        ":BURS1:STAT OFF",
        ":TRIG1:COUN 1",
        ":VOLT1:LIM:HIGH 3.0",
        ":VOLT1:LIM:LOW -3.0",
        ":VOLT1:LIM:STAT ON",
        ":BURS1:NCYC 12",
        ":BURS1:STAT ON",
        ":DIG1:PATT:STAT ON",
        ":DIG1:PATT:FORM PACK,8",
        ":DIG1:PATT:NLEV 3",
        ":DIG1:PATT:DATA ",
        ":DIG1:PATT:DATA?",
        "SYST:ERR?",
        ":VOLT1:HIGH?",
        ":VOLT1:LOW?",
        ":PULS:WIDT1?",
        ":VOLT1:LIM:STAT?",
        ":VOLT1:LIM:HIGH?",
        ":VOLT1:LIM:LOW?",
        ":PULS:PER1?",
        ":DIG1:PATT:STAT?",
        ":DIG1:PATT:NLEV?",
        ":BURS1:NCYC?",
        ":BURS1:STAT?",
        ":OUTP1 ON",
        ":OUTP1?",
        "SYST:ERR?",
        "*ESR?",
        *(
            verify := [
                "*ESR?;:VOLT1:HIGH?;:VOLT1:LOW?;:PULS:WIDT1?;:VOLT1:LIM:STAT?;:VOLT1:LIM:HIGH?;:VOLT1:LIM:LOW?;:PULS:PER1?;:DIG1:PATT:STAT?;"
                ":DIG1:PATT:NLEV?;:BURS1:NCYC?;:BURS1:STAT?;:OUTP1?",
                ":ARM:SOUR1?",
            ]
        ),
        "*TRG",
        "*OPC?",
        "SYST:ERR?",
        *verify,
    ]
    assert cost.messages == len(generator.box.messages)
    assert cost.duration_s == pytest.approx(12 * 1e-7)
    # push idle idle pull | idle idle idle idle | idle push idle idle, two bits each: 01 10 10 00 ...
    assert sent_block(generator) == bytes([0b01_10_10_00, 0b10_10_10_10, 0b10_01_10_10])


def test_a_pattern_is_filled_with_idle_symbols_to_whole_bytes(source, generator):
    source.play(make_train([1], width_s=1e-7, period_s=2e-7))
    assert sent_block(generator) == bytes([0b01_10_10_10])
    assert generator.settings[":BURS1:NCYC"] == "4"


def test_thousands_of_pulses_are_fewer_than_sixty_messages(source, generator):
    rng = np.random.default_rng(3)
    train = make_train(rng.integers(-1, 2, 20_000))
    assert source.cost(train).messages < 60
    generator.box.messages.clear()
    source.play(train)
    assert len(generator.box.messages) == source.cost(train).messages
    assert source.cost(train).bytes_out == 20_000 * 10 / 4


@pytest.mark.parametrize(
    "train",
    [
        make_train([1, -1], pull_v=1.0),
        make_train([1, 1], push_v=2.6),
        make_train([1, 1], period_s=2.5e-7),
        make_train([1, 1], width_s=3e-9, period_s=3e-8),
        make_train(np.ones(LONGEST_PATTERN // 10 + 1)),
    ],
)
def test_what_is_no_pattern_is_played_as_bursts(source, generator, train):
    cost = source.cost(train)
    generator.box.messages.clear()
    source.play(train)
    assert ":DIG1:PATT:STAT ON" not in generator.box.messages
    assert generator.box.messages.count("*TRG") == len(set(train.symbols.tolist()))
    assert cost.messages == len(generator.box.messages)
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)


def test_amplitudes_of_a_polarity_that_does_not_occur_do_not_matter(source, generator):
    source.play(make_train([1, 0, 1], pull_v=99.0))
    assert ":DIG1:PATT:STAT ON" in generator.box.messages


@pytest.mark.parametrize(
    "train",
    [
        make_train([1], push_v=3.1),
        make_train([-1], pull_v=0.05),
        make_train([1], width_s=3e-6, period_s=1e-5),
        make_train([1], period_s=1e-7),
        make_train([1], period_s=2e-9, width_s=2e-9),
        make_train([1], period_s=float("nan")),
        make_train([2]),
        make_train([]),
        make_train([0, 0]),
    ],
)
def test_trains_outside_the_limits_send_nothing(source, generator, train):
    generator.box.messages.clear()
    for use in (source.cost, source.play):
        with pytest.raises(LimitError):
            use(train)
    assert generator.box.messages == []


def test_a_pattern_that_did_not_arrive_is_not_fired(source, generator):
    taken = generator.box.on_write

    def spoil(text):
        taken(text)
        if text == ":DIG1:PATT:DATA?":
            generator.box.replies[text] = generator.block[:-2] + b"\x00\n"

    generator.box.on_write = spoil
    with pytest.raises(InstrumentError, match="another pattern"):
        source.play(make_train([1, -1, 1, 1]))
    assert ":OUTP1 ON" not in generator.box.messages
    assert "*TRG" not in generator.box.messages


def test_the_energy_of_a_burst_is_limited(wire, generator):
    # 1.5 V at 50 ohm for 100 ns: 4.5 nJ a pulse.
    source = make_source(wire, energy_j=46e-9)
    source.arm(PUSH)
    source.fire(10)
    with pytest.raises(LimitError, match="energy of a burst"):
        source.fire(11)
    source.play(make_train([1, -1] * 5))
    generator.box.messages.clear()
    with pytest.raises(LimitError, match="energy of a burst"):
        source.play(make_train([1, -1] * 6))
    assert generator.box.messages == []


def test_a_bench_file_may_not_name_another_channel():
    entry = MODEL.entry(name="p", model="keysight-81160a", address="X", load_ohm=50.0, channel=2)
    with pytest.raises(ConfigError, match="channel 1 alone"):
        MODEL.prepare(entry, "here")
