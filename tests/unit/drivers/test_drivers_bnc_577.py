"""The 577 on the wire: every line is answered."""

import numpy as np
import pytest

from drivers.errors import ConfigError, InstrumentError, LimitError, LinkDesync, SafeStateError, SettingsChanged
from drivers.instrument import OutputState, Session
from drivers.limits import Limit
from drivers.link_state import LinkState
from drivers.protocols import Polarity, Pulse, PulseSource, PulseTrain
from drivers.pulse_generators.bnc_577 import (
    COUNT,
    DIALECT,
    KIND,
    MODEL,
    PERIOD,
    SAFE,
    WIDTH,
    Bnc577,
    amplitude_limit,
)
from drivers.pulse_generators.bounds import PulseBounds

ADDRESS = "ASRL3::INSTR"
PUSH = Pulse(polarity=Polarity.PUSH, amplitude_v=2.0, width_s=1e-7)
PULL = Pulse(polarity=Polarity.PULL, amplitude_v=2.0, width_s=1e-7)
LOAD_OHM = 2000.0
LETTERS = {"ON": "1", "OFF": "0"}


def make_train(symbols, *, push_v=2.0, pull_v=2.5, width_s=1e-7, period_s=4e-7) -> PulseTrain:
    return PulseTrain(
        push_amplitude_v=push_v,
        pull_amplitude_v=pull_v,
        width_s=width_s,
        period_s=period_s,
        symbols=np.array(symbols, np.int8),
    )


class Generator:
    """Enough of a 577 to answer every line."""

    def __init__(self, wire):
        self.box = wire.add(ADDRESS, replies={"*IDN?": b"BNC,577-4C,31309,2.4.1-2.0.11\r\n"})
        self.settings: dict[str, str] = {":PULSE0:STATE": "0"}
        self.forced: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.box.on_write = self.obey

    def obey(self, text: str) -> None:
        header, _, value = text.partition(" ")
        if text == "*IDN?":
            return
        if text.endswith("?"):
            name = text.removesuffix("?")
            answer = self.forced.get(name, self.settings.get(name, "0"))
        else:
            answer = self.refused.get(header, "ok")
            if answer == "ok" and value:
                self.settings[header] = LETTERS.get(value, value)
        self.box.replies[text] = answer.encode() + b"\r\n"


@pytest.fixture
def generator(wire):
    return Generator(wire)


def make_source(wire, pull_channel: int | None = 2):
    session = Session("pulser", wire.link(ADDRESS, DIALECT), kind=KIND, safe=SAFE)
    bounds = PulseBounds(
        amplitude=amplitude_limit(LOAD_OHM).narrowed(1.96, 3.0, "the bench"),
        width=WIDTH.narrowed(2e-8, 2e-6, "the bench"),
        count=COUNT,
        period=PERIOD,
        energy=Limit(quantity="energy of a burst", low=0.0, high=1.0, unit="J", origin="the test"),
        load_ohm=LOAD_OHM,
    )
    return Bnc577(session, bounds=bounds, channel=1, pull_channel=pull_channel)


@pytest.fixture
def source(wire, generator):
    return make_source(wire)


def test_opening_reads_and_touches_nothing(source, generator):
    assert generator.box.messages == ["*IDN?", ":PULSE0:STATE?"]
    assert source.session.output is OutputState.OFF
    assert isinstance(source, PulseSource)
    assert source.self_test() == "the 577 has no self test"
    assert generator.box.raw[0] == b"*IDN?\r\n"


def test_arming_a_push_pulse(source, generator):
    generator.box.messages.clear()
    source.arm(PUSH)
    assert generator.box.messages == [
        ":PULSE0:STATE OFF",
        ":PULSE0:STATE?",
        ":PULSE0:TRIG:MODE TRIG",
        ":PULSE0:MODE BURS",
        ":PULSE0:BCO 1",
        ":PULSE0:PER 1E-06",
        ":PULSE2:STATE OFF",
        ":PULSE1:SYNC T0",
        ":PULSE1:POL NORM",
        ":PULSE1:CMOD NORM",
        ":PULSE1:WCO 0",
        ":PULSE1:CGAT DIS",
        ":PULSE1:DEL 0",
        ":PULSE1:WIDT 1E-07",
        ":PULSE1:OUTP:MODE ADJ",
        # 2 V across 2000 ohm behind 50 ohm.
        ":PULSE1:OUTP:AMPL 2.05",
        ":PULSE1:STATE ON",
        ":PULSE0:BCO?",
        ":PULSE0:PER?",
        ":PULSE2:STATE?",
        ":PULSE1:DEL?",
        ":PULSE1:WIDT?",
        ":PULSE1:OUTP:AMPL?",
        ":PULSE1:WCO?",
        ":PULSE1:STATE?",
        ":PULSE0:STATE ON",
        ":PULSE0:STATE?",
    ]
    assert source.session.output is OutputState.ON


def test_a_pull_pulse_comes_from_the_other_output(source, generator):
    source.arm(PULL)
    wanted = {":PULSE1:STATE": "0", ":PULSE2:STATE": "1", ":PULSE2:POL": "NORM", ":PULSE2:OUTP:AMPL": "2.05"}
    assert {header: generator.settings[header] for header in wanted} == wanted


def test_without_a_second_output_there_are_no_pulls(wire, generator):
    source = make_source(wire, pull_channel=None)
    generator.box.messages.clear()
    for use in (
        lambda: source.arm(PULL),
        lambda: source.play(make_train([1, -1])),
        lambda: source.cost(make_train([1, -1])),
    ):
        with pytest.raises(LimitError, match="pull_channel"):
            use()
    assert generator.box.messages == []
    source.play(make_train([1, 0, 1]))
    assert generator.box.messages.count("*TRG") == 1


def test_firing_verifies_before_and_after(source, generator):
    source.arm(PUSH)
    generator.box.messages.clear()
    source.fire(1000)
    verify = [
        ":PULSE0:BCO?",
        ":PULSE0:PER?",
        ":PULSE2:STATE?",
        ":PULSE1:DEL?",
        ":PULSE1:WIDT?",
        ":PULSE1:OUTP:AMPL?",
        ":PULSE1:WCO?",
        ":PULSE1:STATE?",
        ":PULSE0:STATE?",
        ":PULSE0:MODE?",
        ":PULSE0:TRIG:MODE?",
        ":PULSE1:POL?",
        ":PULSE1:CMOD?",
        ":PULSE1:OUTP:MODE?",
    ]
    assert generator.box.messages == [":PULSE0:BCO 1000", *verify, "*TRG", *verify]


CHANGES = [
    (":PULSE0:BCO", "6"),
    (":PULSE0:PER", "2E-6"),
    (":PULSE0:STATE", "0"),
    (":PULSE0:MODE", "NORM"),
    (":PULSE0:TRIG:MODE", "DIS"),
    (":PULSE1:DEL", "1E-6"),
    (":PULSE1:WIDT", "2E-7"),
    (":PULSE1:OUTP:AMPL", "2.5"),
    (":PULSE1:OUTP:MODE", "TTL"),
    (":PULSE1:POL", "INV"),
    (":PULSE1:CMOD", "DCYC"),
    (":PULSE1:WCO", "1"),
    (":PULSE1:STATE", "0"),
    (":PULSE2:STATE", "1"),
]


@pytest.mark.parametrize(("header", "value"), CHANGES)
@pytest.mark.parametrize("moment", [":PULSE0:BCO 5", "*TRG"])
def test_a_change_is_noticed_before_the_trigger_and_after_it(source, generator, header, value, moment):
    source.arm(PUSH)
    taken = generator.box.on_write

    def spoil(text):
        taken(text)
        if text == moment:
            generator.forced[header] = value

    generator.box.on_write = spoil
    with pytest.raises(InstrumentError) as caught:
        source.fire(5)
    assert isinstance(caught.value, SettingsChanged) is (moment != "*TRG")
    assert generator.box.messages.count("*TRG") == (moment == "*TRG")
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(5)


@pytest.mark.parametrize("header", [":PULSE1:OUTP:AMPL", ":PULSE0:TRIG:MODE", ":PULSE2:STATE"])
def test_a_refused_setting_leaves_the_system_off(source, generator, header):
    generator.refused[header] = "?9"
    with pytest.raises(InstrumentError, match=r"\?9"):
        source.arm(PUSH)
    assert ":PULSE0:STATE ON" not in generator.box.messages
    assert source.session.link.state is LinkState.SYNCED


def test_a_refused_trigger_is_not_sent_again(source, generator):
    source.arm(PUSH)
    generator.refused["*TRG"] = "?8"
    with pytest.raises(InstrumentError, match=r"\?8"):
        source.fire(5)
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(5)
    assert generator.box.messages.count("*TRG") == 1


def test_an_answer_that_is_neither_leaves_the_link_in_doubt(source, generator):
    generator.refused[":PULSE1:WIDT"] = "0.000000100"
    with pytest.raises(LinkDesync):
        source.arm(PUSH)
    assert source.session.link.state is LinkState.DESYNCED


@pytest.mark.parametrize("header", [":PULSE0:BCO", ":PULSE0:PER", ":PULSE1:WIDT", ":PULSE1:OUTP:AMPL", ":PULSE1:STATE"])
def test_a_setting_that_did_not_take_leaves_the_system_off(source, generator, header):
    generator.forced[header] = "0.3"
    with pytest.raises(InstrumentError, match=r"0.3"):
        source.arm(PUSH)
    assert ":PULSE0:STATE ON" not in generator.box.messages


def test_an_output_that_stays_on_is_reported(source, generator):
    source.arm(PUSH)
    generator.forced[":PULSE0:STATE"] = "1"
    with pytest.raises(SafeStateError):
        source.output_off()


@pytest.mark.parametrize("count", [0, -1, 10_000_000])
def test_counts_outside_the_range_send_nothing(source, generator, count):
    source.arm(PUSH)
    generator.box.messages.clear()
    with pytest.raises(LimitError):
        source.fire(count)
    assert generator.box.messages == []


@pytest.mark.parametrize(
    "pulse",
    [
        Pulse(polarity=Polarity.PUSH, amplitude_v=1.9, width_s=1e-7),
        Pulse(polarity=Polarity.PUSH, amplitude_v=3.1, width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=-2.0, width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=2.0, width_s=1e-8),
    ],
)
def test_pulses_outside_the_limits_send_nothing(source, generator, pulse):
    generator.box.messages.clear()
    with pytest.raises(LimitError):
        source.arm(pulse)
    assert generator.box.messages == []


def test_a_train_is_a_burst_for_each_run(source, generator):
    train = make_train([1, 1, 0, 1, -1, -1, 1])
    generator.box.messages.clear()
    cost = source.cost(train)
    assert generator.box.messages == []
    source.play(train)
    assert cost.messages == len(generator.box.messages)
    assert cost.duration_s == pytest.approx(6 * 4e-7)
    kept = [text for text in generator.box.messages if text.startswith((":PULSE0:BCO ", "*TRG", ":PULSE0:PER "))]
    assert kept == [
        *(":PULSE0:BCO 1", ":PULSE0:PER 4E-07", ":PULSE0:BCO 3", "*TRG"),
        *(":PULSE0:BCO 1", ":PULSE0:PER 4E-07", ":PULSE0:BCO 2", "*TRG"),
        *(":PULSE0:BCO 1", ":PULSE0:PER 4E-07", ":PULSE0:BCO 1", "*TRG"),
    ]
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)


@pytest.mark.parametrize(
    "train",
    [
        make_train([1], push_v=3.1),
        make_train([-1], pull_v=1.0),
        make_train([1], period_s=1e-7),
        make_train([1], width_s=2e-8, period_s=5e-8),
        make_train([3]),
        make_train([0]),
    ],
)
def test_trains_outside_the_limits_send_nothing(source, generator, train):
    generator.box.messages.clear()
    for use in (source.cost, source.play):
        with pytest.raises(LimitError):
            use(train)
    assert generator.box.messages == []


def test_nothing_fires_on_a_new_connection(source, generator):
    source.arm(PUSH)
    source.session.link.resynchronise()
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)
    assert "*TRG" not in generator.box.messages


def test_amplitudes_are_those_across_the_load():
    assert amplitude_limit(50.0).low == 1.0
    assert amplitude_limit(50.0).high == 10.0
    assert amplitude_limit(2000.0).low == pytest.approx(1.951, abs=1e-3)


def test_a_bench_file_names_two_outputs():
    entry = MODEL.entry(name="p", model="bnc-577", address=ADDRESS, load_ohm=50.0, channel=3, pull_channel=4)
    MODEL.prepare(entry, "here")
    with pytest.raises(ConfigError, match="another output"):
        MODEL.prepare(entry.model_copy(update={"pull_channel": 3}), "here")
